"""What was taken in the field, on its way from the CRM to the ERP."""

from __future__ import annotations

from decimal import Decimal

from prefect_crm_erp.blocks.crm.values import CrmObject
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.documents import Invoice
from prefect_crm_erp.models.field_entries import CollectedPayment, CollectedReturn, PaymentEntry, ReturnEntry
from prefect_crm_erp.models.keys import fingerprint
from prefect_crm_erp.models.records import Account
from prefect_crm_erp.tasks.traveller import Traveller

AnyCollected = CollectedPayment | CollectedReturn


class FieldItem(Traveller):
    """One payment or return on its way.

    Attributes:
        collected: As the CRM has it.
        buyer: Its account, where the road asks for it.
        place: The ERP connection that it goes to; None while that is not known.
        entry: As the ERP is to have it, then as it stands there.
        invoice: The invoice that a payment pays, as it stands in the ERP.
    """

    __slots__ = ("buyer", "collected", "entry", "invoice", "place")

    def __init__(self, collected: AnyCollected) -> None:
        super().__init__()
        self.collected = collected
        self.buyer: Account | None = None
        self.place: ErpSlot | None = None
        self.entry: PaymentEntry | ReturnEntry | None = None
        self.invoice: Invoice | None = None

    @property
    def is_payment(self) -> bool:
        """Whether it is a payment; else a return."""
        return isinstance(self.collected, CollectedPayment)

    @property
    def object(self) -> CrmObject:
        """The CRM's object that it is of."""
        return CrmObject.FIELD_PAYMENT if self.is_payment else CrmObject.FIELD_RETURN

    @property
    def key(self) -> str:
        """18-character id of the record: its key everywhere."""
        return self.collected.crm_id

    @property
    def label(self) -> str:
        """What people know it by: `Payment 000000012`."""
        return f"{'Payment' if self.is_payment else 'Return'} {self.collected.name}"

    @property
    def account(self) -> Account | None:
        """Its account, where it was read."""
        return self.buyer

    @property
    def slot(self) -> ErpSlot:
        """The ERP connection that it goes to."""
        if self.place is None:
            raise LookupError(f"{self.key} has no place yet")
        return self.place

    @property
    def amount(self) -> Decimal | None:
        """What was paid, in `currency`; None for a return."""
        return self.collected.amount if isinstance(self.collected, CollectedPayment) else None

    @property
    def currency(self) -> str | None:
        """ISO 4217 code of a payment's currency."""
        return self.collected.currency if isinstance(self.collected, CollectedPayment) else None

    def evaluation_digest(self) -> str:
        """Fingerprint of what people have recorded."""
        shown = {"erp_id", "erp_number", "erp_status", "erp_sync_status", "erp_sync_error", "modified_at"}
        return fingerprint([self.collected.model_dump(mode="json", exclude=shown)])
