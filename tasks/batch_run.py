"""A run over one file of orders from the field."""

from __future__ import annotations

from typing import Self

from prefect_crm_erp.blocks.crm.values import CrmObject, Person
from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import LedgerStore
from prefect_crm_erp.blocks.policies.custom_fields import MappedRecord
from prefect_crm_erp.models.records import Deal, DealSource
from prefect_crm_erp.tasks.run import Run

KIND = "field order"
"""The ledger's kind of orders from files."""


class BatchRun(Run):
    """One run over one file.

    Args:
        integration: The saved integration.
        file: Name of the file in its folder.
        run_id: Identity of the run, in the ledger and in claims.
        store: The open ledger.
        dry_run: Whether to write nothing.
        forced: Whether orders that wait for people, or are not due, are tried again too.

    Attributes:
        people: Users of the CRM that a representative in the file stands for.
        lines: Lines of the file that are not blank.
    """

    __slots__ = ("file", "lines", "people")

    def __init__(
        self,
        integration: Integration,
        file: str,
        *,
        run_id: str,
        store: LedgerStore,
        dry_run: bool = False,
        forced: bool = False,
    ) -> None:
        super().__init__(
            integration, DealSource.BATCH_FILES, run_id=run_id, store=store, dry_run=dry_run, forced=forced
        )
        self.file = file
        self.lines = 0
        self.people: dict[str, list[Person]] = {}

    @property
    def object(self) -> CrmObject:
        """What orders from files are in the CRM's words; they have no record there."""
        return CrmObject.ORDER

    @property
    def kind(self) -> str:
        """Name under which the ledger keeps orders from files, whichever file they came in."""
        return KIND

    @property
    def has_crm_records(self) -> bool:
        """Whether the CRM shows what became of each; it does not know orders from files."""
        return False

    def record_url(self, key: str) -> str | None:
        """There is no page of an order from a file."""
        return None

    def is_deal(self, deal: Deal) -> bool:
        """What stands in the file is to be ordered."""
        return True

    def preflight(self) -> Self:
        """Check connections, rights, companies and the fields of customers before anything is written.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
            TransientError: The CRM cannot be reached.
        """
        self.crm.check()
        self.check_erps((MappedRecord.ACCOUNT,))
        self.check_order_settings()
        self.check_territories()
        self.check_code_lists()
        self._check_scenarios()
        return self
