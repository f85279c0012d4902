"""An account on its way, with the customers that it is linked to and what has to be brought in step."""

from __future__ import annotations

from typing import Any

from prefect_crm_erp.blocks.ledger import CrossReference
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.keys import fingerprint
from prefect_crm_erp.models.outcomes import Change
from prefect_crm_erp.models.records import Account, AccountStatus, Company, Customer
from prefect_crm_erp.tasks.account_values import Values
from prefect_crm_erp.tasks.traveller import Traveller


class Link:
    """An account's tie to a customer of one ERP connection.

    Attributes:
        slot: The ERP connection.
        binding: The ledger's cross-reference.
        agreed: What both sides had when they were last in step, field to `[crm, erp]`; None when they never met.
        standing: The customer as it stands in the ERP.
        company: The company whose credit position the account shows.
        erp: The ERP's values.
        parent: Key and ERP id of the parent account's customer; None when the account has no parent there.
        to_erp: What is to be written to the customer.
        changes: What that changes, before and after.
        skipped: Fields that stay as they are in this run: in doubt, refused, or left to a run in the other direction.
    """

    __slots__ = ("agreed", "binding", "changes", "company", "erp", "parent", "skipped", "slot", "standing", "to_erp")

    def __init__(self, slot: ErpSlot, binding: CrossReference, agreed: Values | None) -> None:
        self.slot = slot
        self.binding = binding
        self.agreed = agreed
        self.standing: Customer | None = None
        self.company: Company | None = None
        self.erp: Values = {}
        self.parent: tuple[str, str] | None = None
        self.to_erp: Values = {}
        self.changes: list[Change] = []
        self.skipped: set[str] = set()

    @property
    def customer(self) -> Customer:
        """The customer as it stands in the ERP, once it was read."""
        if self.standing is None:
            raise LookupError(f"the customer {self.binding.erp_id} was not read")
        return self.standing


class AccountItem(Traveller):
    """One account on its way.

    Attributes:
        links: Its customers, by ERP connection; none for an account that is no customer yet.
        crm: The account's values, in the form in which they are compared.
        to_crm: What is to be written to the account, field to value.
        crm_changes: What that changes, before and after.
        shows: What the account is to show of the ERP's customer.
        doubts: What a person must decide, one sentence for each field.
        is_first_meeting: Whether its customer and it were never brought in step before.
    """

    __slots__ = (
        "_account",
        "crm",
        "crm_changes",
        "doubts",
        "is_first_meeting",
        "links",
        "shows",
        "to_crm",
    )

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account
        self.links: dict[ErpSlot, Link] = {}
        self.crm: Values = {}
        self.to_crm: Values = {}
        self.crm_changes: list[Change] = []
        self.shows: AccountStatus | None = None
        self.doubts: list[str] = []
        self.is_first_meeting = False

    @property
    def key(self) -> str:
        """18-character id of the account."""
        return self._account.crm_id

    @property
    def label(self) -> str:
        """Name of the account."""
        return self._account.name or self._account.crm_id

    @property
    def account(self) -> Account:
        """The account as it was read."""
        return self._account

    def evaluation_digest(self) -> str:
        """Fingerprint of the account, without what the integration itself writes to it."""
        own: set[str] = {"modified_at", "shown", "erp_id"}
        content: dict[str, Any] = self._account.model_dump(mode="json", exclude=own)
        return fingerprint(content)
