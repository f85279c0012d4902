"""Writing to a CRM in two steps, for callers that have something else to do while it takes the rest in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_crm_erp.blocks.crm.base import Upserted


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Rows that a CRM is taking in.

    Attributes:
        answered: What became of the rows that are through already, by position; the others are under way.
        finish: Waits for the others, and gives one result for each row, in order; to be called once. Raises what the
            writing raises.
    """

    answered: Mapping[int, Upserted]
    finish: Callable[[], list[Upserted]]
