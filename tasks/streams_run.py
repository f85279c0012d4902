"""What runs that read several streams of changes have in common."""

from __future__ import annotations

from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import LedgerStore
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.tasks.run import BaseRun, Reading


class StreamsRun(BaseRun):
    """A run that reads several streams, each with a watermark of its own.

    Args:
        integration: The saved integration.
        run_id: Identity of the run, in the ledger and in claims.
        store: The open ledger.
        dry_run: Whether to write nothing.
        forced: Whether the operator named the records, which overrides watermarks and waiting times.
        backfill: Whether this is a first load: everything is read, and nobody is alerted.

    Attributes:
        readings: How far each stream has been read, by its name.
    """

    __slots__ = ("backfill", "readings")

    def __init__(
        self,
        integration: Integration,
        *,
        run_id: str,
        store: LedgerStore,
        dry_run: bool = False,
        forced: bool = False,
        backfill: bool = False,
    ) -> None:
        super().__init__(integration, run_id=run_id, store=store, dry_run=dry_run, forced=forced)
        self.backfill = backfill
        self.readings: dict[str, Reading] = {}

    @property
    def alerts(self) -> bool:
        """Whether people are told at once of records that need them; a first load tells by its tables."""
        return not self.backfill

    def reading(self, stream: str) -> Reading:
        """How far a stream has been read."""
        return self.readings.setdefault(stream, Reading())

    @property
    def used_slots(self) -> list[ErpSlot]:
        """The ERP connections that subsidiaries keep their books in."""
        used = {each.erp for each in self.integration.routing.subsidiaries}
        return [slot for slot in self.erps if slot in used]

    def move_watermarks(self) -> None:
        """Move the watermarks to what was read, where the reading joins on to them."""
        for stream, reading in self.readings.items():
            if reading.reached is not None and reading.is_seamless:
                self.store.advance(stream, reading.reached)
