"""One row on its way into the org."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.schema import SObject


@dataclass
class Change:
    """A row that is being saved.

    Attributes:
        sobject: Its object type.
        new: The row as it will be; checks and rules fill it in.
        old: The row as it was; None when it is created.
        given: Names of the fields that the client wrote.
    """

    sobject: SObject
    new: Row
    old: Row | None
    given: frozenset[str]

    @property
    def creating(self) -> bool:
        """Whether the row is new."""
        return self.old is None

    def changed(self, *names: str) -> bool:
        """Whether any of these fields differs from before; in a new row, whether any has a value."""
        return any(self.new[name] != (self.old[name] if self.old else None) for name in names)

    def before(self, name: str) -> Any:
        """The field's value before; None in a new row."""
        return self.old[name] if self.old else None
