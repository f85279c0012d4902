"""What a run over accounts and customers knows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from prefect_crm_erp.blocks.crm.values import CrmObject, CustomFields
from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import LedgerStore
from prefect_crm_erp.blocks.policies.custom_fields import MappedRecord
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.outcomes import Queue
from prefect_crm_erp.models.ownership import Owner, Rule, Side
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.models.records import Company, Customer
from prefect_crm_erp.tasks.account_values import rules_of
from prefect_crm_erp.tasks.streams_run import StreamsRun

Places = Mapping[str, Cursor]
"""How far streams have been read, by their name."""


class Direction(StrEnum):
    """Whose changes a run looks at."""

    BOTH = "both"
    CRM_TO_ERP = "CRM to ERP"
    ERP_TO_CRM = "ERP to CRM"

    @property
    def sides(self) -> frozenset[Side]:
        """The systems whose changes are looked at."""
        return _SIDES[self]


_SIDES = {
    Direction.BOTH: frozenset(Side),
    Direction.CRM_TO_ERP: frozenset({Side.CRM}),
    Direction.ERP_TO_CRM: frozenset({Side.ERP}),
}


class AccountRun(StreamsRun):
    """One run of account sync.

    Args:
        integration: The saved integration.
        direction: Whose changes are looked at.
        run_id: Identity of the run, in the ledger and in claims.
        store: The open ledger.
        dry_run: Whether to write nothing.
        forced: Whether the operator named the records, which overrides watermarks and waiting times.
        backfill: Whether this is a first load: everything is read, in pages that are remembered, and nobody is alerted.

    Attributes:
        rules: How differences are settled, by field.
        reads_all: Whether all accounts are read, as by a first run.
        again: Accounts to look at (again) at the end, because of what became of another one.
        ancestors: Accounts whose parents are being seen to first; one that turns up again is its own ancestor.
        unfinished: Accounts of the page before that wait, as long as the ledger may not know of it yet.
    """

    __slots__ = (
        "again",
        "ancestors",
        "direction",
        "reads_all",
        "rules",
        "unfinished",
    )

    def __init__(
        self,
        integration: Integration,
        direction: Direction,
        *,
        run_id: str,
        store: LedgerStore,
        dry_run: bool = False,
        forced: bool = False,
        backfill: bool = False,
    ) -> None:
        super().__init__(integration, run_id=run_id, store=store, dry_run=dry_run, forced=forced, backfill=backfill)
        self.direction = direction
        self.rules: dict[str, Rule] = rules_of(integration)
        self.reads_all = False
        self.again: dict[str, None] = {}
        self.ancestors: set[str] = set()
        self.unfinished: Mapping[str, Queue] = {}

    @property
    def kind(self) -> str:
        """Name under which the ledger keeps this run's records."""
        return CrmObject.ACCOUNT.value

    @property
    def custom(self) -> CustomFields:
        """Account fields to read besides the standard ones: those of the map, and those that rules look at."""
        mapped = self.integration.custom_fields.crm_fields().account
        return CustomFields(account=tuple(dict.fromkeys([*mapped, *self.integration.accounts.rule_fields()])))

    def stream(self, what: str) -> str:
        """Name of a watermark; each direction has its own, so that no change is skipped by a run that ignores it."""
        suffix = "" if self.direction is Direction.BOTH else f" ({self.direction.value})"
        return f"{what}{' backfill' if self.backfill else ''}{suffix}"

    def erp_stream(self, slot: ErpSlot) -> str:
        """Name of the watermark of an ERP's customers."""
        return self.stream(f"customers of {slot.value}")

    @property
    def announced(self) -> int | None:
        """Accounts that the CRM says have changed; None while it has not said."""
        return self.reading(self.stream("accounts")).announced

    def places(self) -> Places:
        """How far each stream has been read by now."""
        return {stream: reading.reached for stream, reading in self.readings.items() if reading.reached is not None}

    def remember(self, places: Places) -> None:
        """Note how far a first load has come, once what was read until then is dealt with: a broken one goes on there.

        Args:
            places: What `places` gave when the last page that is dealt with had been read.
        """
        if self.dry_run or not self.backfill:
            return
        for stream, place in places.items():
            self.store.advance(stream, place)

    def any_company(self, slot: ErpSlot) -> Company:
        """A company of an ERP, for customers that all its companies share."""
        name = next(each.company for each in self.integration.routing.subsidiaries if each.erp is slot)
        return self.company(slot, name)

    def preflight(self) -> Self:
        """Check connections, rights, companies and mapped fields before anything is written.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
            TransientError: The CRM cannot be reached.
        """
        pairs = self.integration.custom_fields.pairs(MappedRecord.ACCOUNT)
        owners = self.integration.custom_fields.account_rules()
        written = [crm for crm, erp in pairs if owners[erp].owner is not Owner.CRM]
        missing = self.crm.missing_account_fields(self.custom, written)
        if missing:
            raise ConfigurationError(
                f"These fields are missing or hidden from the integration's user: {', '.join(missing)}; "
                "deploy the metadata package, give the user access, or correct the custom field map",
                system=self.crm.system,
            )
        self.check_erps([MappedRecord.ACCOUNT])
        self.check_code_lists()
        if self.backfill and not self.dry_run:
            for slot in self.used_slots:
                with self.guard(slot, ()):
                    self.known[slot].are_all = self.known[slot].began_empty = self.erps[slot].is_empty(Customer)
        return self
