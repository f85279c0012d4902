"""A document of an ERP on its way to the CRM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prefect_crm_erp.blocks.crm.values import DocumentRow
from prefect_crm_erp.blocks.ledger import Document
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.divisions import deal_key
from prefect_crm_erp.models.documents import Delivery, Invoice, InvoiceType
from prefect_crm_erp.models.keys import fingerprint
from prefect_crm_erp.models.records import SalesOrder
from prefect_crm_erp.tasks.document_kinds import AnyDocument, DocumentKind
from prefect_crm_erp.tasks.traveller import Traveller
from prefect_crm_erp.tasks.write_back import erp_reference


class DocumentItem(Traveller):
    """One document on its way.

    Attributes:
        what: Its kind.
        erp_id: The ERP's own id.
        document: As the ERP has it; without what belongs to it, once that is in `rows`.
        known: What the ledger knows of it; None for a new one.
        account_id: 18-character id of the account that it is shown at.
        opportunity_id: 18-character id of the opportunity that it comes from.
        crm_id: 18-character id of the copy, where the CRM told it.
        opportunity_is_gone: Whether the CRM has the opportunity no more, so that the copy stands without it.
    """

    __slots__ = (
        "_children",
        "_digest",
        "_rows",
        "_slot",
        "account_id",
        "crm_id",
        "document",
        "erp_id",
        "known",
        "opportunity_id",
        "opportunity_is_gone",
        "what",
    )

    def __init__(self, what: DocumentKind, slot: ErpSlot, document: AnyDocument) -> None:
        super().__init__()
        self.what = what
        self._slot = slot
        self.erp_id = str(document.erp_id)
        self.document = document
        self.known: Document | None = None
        self.account_id: str | None = None
        self.opportunity_id: str | None = None
        self.rows = []
        self.crm_id: str | None = None
        self.opportunity_is_gone = False

    @property
    def slot(self) -> ErpSlot:
        """The ERP connection that it comes from."""
        return self._slot

    @property
    def key(self) -> str:
        """Its key in the ledger's runs and queues: connection, kind and id."""
        return document_key(self.slot, self.what, self.erp_id)

    @property
    def label(self) -> str:
        """What people know it by: `Invoice 2026/17`."""
        document = self.document
        is_memo = isinstance(document, Invoice) and document.type is InvoiceType.CREDIT_MEMO
        name = InvoiceType.CREDIT_MEMO.value if is_memo else self.what.name.capitalize()
        return f"{name} {document.number or self.erp_id}"

    @property
    def account(self) -> None:
        """Its account is known by id only."""
        return

    @property
    def reference(self) -> str:
        """Its id as the CRM keeps it."""
        return erp_reference(self.slot, self.erp_id)

    @property
    def order_ids(self) -> tuple[str, ...]:
        """ERP ids of the orders that it belongs to."""
        return self.document.order_ids if isinstance(self.document, Invoice | Delivery) else ()

    @property
    def order_keys(self) -> tuple[str, ...]:
        """Keys of the CRM records that its orders come from."""
        if isinstance(self.document, SalesOrder):
            return (deal_key(self.document.key),) if self.document.key else ()
        return self.document.order_keys if isinstance(self.document, Invoice | Delivery) else ()

    @property
    def children(self) -> tuple[str, ...]:
        """References of what belongs to it."""
        return self._children if self._children is not None else tuple(row.erp_id for row in self.rows[1:])

    def forget_parts(self) -> None:
        """Let go of the record's own lines or applications, whose rows are there: many documents wait for the CRM."""
        self.document = self.document.model_copy(update={self.what.parts: ()})

    def leave_opportunity(self) -> None:
        """Stand at the account alone: the CRM has the opportunity no more."""
        head, *rest = self.rows
        self.rows = [replace(head, values=dict(head.values) | {"opportunity_id": None}), *rest]
        self.opportunity_is_gone = True

    def return_to_opportunity(self, rows: list[DocumentRow]) -> None:
        """Take back that the opportunity is gone.

        Args:
            rows: The rows as they were before.
        """
        self.rows = rows
        self.opportunity_is_gone = False

    @property
    def rows(self) -> list[DocumentRow]:
        """Its copy with all that belongs to it, the document itself first; none once they were let go of."""
        return self._rows

    @rows.setter
    def rows(self, rows: list[DocumentRow]) -> None:
        self._rows = rows
        self._digest: str | None = None
        self._children: tuple[str, ...] | None = None

    @property
    def is_laid_out(self) -> bool:
        """Whether it was worked out what its copy says."""
        return bool(self.rows) or self._children is not None

    def forget_rows(self) -> None:
        """Let go of the rows, which stand in the CRM; their digest and the references of what belongs to it stay."""
        digest, children = self.digest(), self.children
        self.rows = []
        self._digest, self._children = digest, children

    def digest(self) -> str:
        """Fingerprint of what is to stand in the CRM; the time of the last change says nothing new by itself."""
        if self._digest is None:
            self._digest = fingerprint(
                [[row.object.value, row.erp_id, row.currency, _without_time(row.values)] for row in self.rows]
            )
        return self._digest

    def evaluation_digest(self) -> str:
        """Fingerprint of all that decides whether it can go on."""
        return self.digest() if self.is_laid_out else fingerprint(self.document)


def _without_time(values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "modified_at"}


def document_key(slot: ErpSlot, what: DocumentKind, erp_id: str) -> str:
    """The key of a document in the ledger's runs and queues."""
    return f"{slot.value}:{what.name}:{erp_id}"
