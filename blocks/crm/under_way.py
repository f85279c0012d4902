"""Writing to a CRM in three steps, for callers that have something else to do while it takes the rows in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_crm_erp.blocks.crm.values import Upserted


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


@dataclass(frozen=True, slots=True)
class HandedIn:
    """Rows that a CRM has, and has not begun to take in.

    Attributes:
        begin: Has them taken in; to be called once. Raises what the writing raises.
    """

    begin: Callable[[], UnderWay]
