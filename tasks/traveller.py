"""A record on its way between the systems: what the roads of deals and of accounts have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self, TypeVar

from prefect_crm_erp.blocks.ledger import CrossReference
from prefect_crm_erp.blocks.policies.routing import ErpSlot, Route
from prefect_crm_erp.models.credit import CreditPosition
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Account, Company, Customer

T = TypeVar("T", bound="Traveller")
PLANNED = "(new)"
"""Stands in a dry run for the id of what the ERP does not have yet."""


class Traveller(ABC):
    """A CRM record on its way, with what the road has added to it so far.

    Attributes:
        notes: What was put right, assumed or flagged.
        customer: The buyer: cleaned from the account, then as it stands in the ERP.
        is_new_customer: Whether this run has created the customer.
        credit: Its credit at `company`, where that was read along.
        route: Subsidiary and the rule that chose it.
        company: The subsidiary's company in its ERP.
        verdict: How the road ended; None while it goes on.
        binding: What the ledger says the record already became.
        changes: Field by field, what was (or in a dry run would be) written.
        is_left_waiting: Whether it stays in its queue without having been tried.
        parts: What goes on in its place, where it is divided.
    """

    __slots__ = (
        "binding",
        "changes",
        "company",
        "credit",
        "customer",
        "is_left_waiting",
        "is_new_customer",
        "notes",
        "parts",
        "route",
        "verdict",
    )

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.customer: Customer | None = None
        self.is_new_customer = False
        self.credit: CreditPosition | None = None
        self.route: Route | None = None
        self.company: Company | None = None
        self.verdict: Verdict | None = None
        self.binding: CrossReference | None = None
        self.changes: list[Change] = []
        self.is_left_waiting = False
        self.parts: tuple[Self, ...] = ()

    @property
    @abstractmethod
    def key(self) -> str:
        """18-character id of the record: its key everywhere."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What people know it by."""

    @property
    @abstractmethod
    def account(self) -> Account | None:
        """The account that buys."""

    @abstractmethod
    def evaluation_digest(self) -> str:
        """Fingerprint of all that decides whether the record can go on."""

    @property
    def account_name(self) -> str:
        """Name of the account; its id when it has none."""
        return (self.account and self.account.name) or self.account_key

    @property
    def account_key(self) -> str:
        """18-character id of the account."""
        return self.account.crm_id if self.account else ""

    @property
    def slot(self) -> ErpSlot:
        """The ERP connection that the record is routed to."""
        if self.route is None:
            raise LookupError(f"{self.key} is not routed yet")
        return self.route.subsidiary.erp

    @property
    def is_written(self) -> bool:
        """Whether its road ended with what was written."""
        return self.verdict is not None and self.verdict.outcome is Outcome.WRITTEN

    @property
    def is_queued(self) -> bool:
        """Whether its road ended in a queue."""
        return self.verdict is not None and self.verdict.outcome is Outcome.QUEUED


def open_items(page: Page[T]) -> Iterator[T]:
    """The records of a page whose road goes on; of divided ones, their parts."""
    whole = (item for item in page.records if item.verdict is None)
    return (each for item in whole for each in (item.parts or (item,)) if each.verdict is None)
