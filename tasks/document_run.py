"""What a run over documents of the ERPs knows."""

from __future__ import annotations

from datetime import date
from typing import Self

from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import LedgerStore
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.records import Company
from prefect_crm_erp.tasks.document_kinds import DocumentKind
from prefect_crm_erp.tasks.streams_run import StreamsRun


class DocumentRun(StreamsRun):
    """One run that brings documents of the ERPs to the CRM.

    Args:
        integration: The saved integration.
        what: Kinds of documents that the run reads.
        run_id: Identity of the run, in the ledger.
        store: The open ledger.
        dry_run: Whether to write nothing.
        forced: Whether the operator named the records, which overrides watermarks and waiting times.
        backfill: Whether everything is read, whatever was read before, and nobody is alerted.

    Attributes:
        product_ids: Ids of the CRM's products by SKU, as far as they were looked up; None for one that it lacks.
        sent_invoices: ERP connection and id of invoices that this run has brought to the CRM, and that the ledger does
            not know of yet.
        opportunities: Opportunities by the quote or order that belongs to one, as far as they were looked up.
        quiet: ERP connections in which nothing has changed since the last run, as far as they were looked at.
    """

    __slots__ = ("_checked", "opportunities", "product_ids", "quiet", "sent_invoices", "what")

    def __init__(
        self,
        integration: Integration,
        what: tuple[DocumentKind, ...],
        *,
        run_id: str,
        store: LedgerStore,
        dry_run: bool = False,
        forced: bool = False,
        backfill: bool = False,
    ) -> None:
        super().__init__(integration, run_id=run_id, store=store, dry_run=dry_run, forced=forced, backfill=backfill)
        self.what = what
        self.product_ids: dict[str, str | None] = {}
        self.sent_invoices: set[tuple[ErpSlot, str]] = set()
        self.opportunities: dict[str, str | None] = {}
        self.quiet: dict[ErpSlot, bool] = {}
        self._checked: set[ErpSlot] = set()

    @property
    def kind(self) -> str:
        """Name under which the ledger keeps this run's records."""
        return "document"

    @property
    def today(self) -> date:
        """The day of the run, in UTC."""
        return self.started_at.date()

    @property
    def owed_kind(self) -> str:
        """The ledger's kind for what accounts and deals do not show yet of documents, because the CRM refused it.

        Keys are those of the documents that a deal does not show, and ids of accounts without their figures.
        """
        return f"{self.kind} write back"

    @property
    def queue_kinds(self) -> tuple[str, ...]:
        """Documents wait in a queue, or for being shown."""
        return (self.kind, self.owed_kind)

    def record_url(self, key: str) -> str | None:
        """Documents have their key from the ERP: the CRM knows no record by it."""
        return None

    def stream(self, slot: ErpSlot, what: DocumentKind) -> str:
        """Name of the watermark of one kind of an ERP's documents."""
        return f"{what.name} documents of {slot.value}"

    def companies_of(self, slot: ErpSlot) -> list[Company]:
        """The companies of an ERP that subsidiaries keep their books in, each once."""
        names = [each.company for each in self.integration.routing.subsidiaries if each.erp is slot]
        return list({company.id: company for company in (self.company(slot, name) for name in names)}.values())

    def preflight(self) -> Self:
        """Check the CRM's objects and the connectors; each ERP is checked before it is read.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
            TransientError: The CRM cannot be reached.
        """
        missing = self.crm.missing_document_fields([each for what in self.what for each in (what.object, what.part)])
        if missing:
            raise ConfigurationError(
                f"These fields are missing or hidden from the integration's user: {', '.join(missing)}; "
                "deploy the metadata package and give the user its permission set",
                system=self.crm.system,
            )
        for slot in self.used_slots:
            unread = [what.name for what in self.what if what.record not in self.erps[slot].capabilities.changes]
            if unread:
                system = self.erps[slot].system
                raise ConfigurationError(f"The {system} connector does not read {', '.join(unread)} documents")
        return self

    def check(self, slot: ErpSlot) -> None:
        """Check an ERP connection with its companies, once in a run; one that does not answer is left alone.

        A look at an ERP in which nothing has changed goes without: it says nothing, and deletes nothing.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
        """
        if slot not in self._checked and self.is_up(slot, ()):
            self.check_erp(slot, [])
            self._checked.add(slot)
