"""What representatives recorded in the field: payments that they collected, and goods that they took back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simple_salesforce.format import quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection, Rows
from prefect_crm_erp.blocks.crm._salesforce_maps import (
    DAY,
    ENTRY_OUTCOME,
    NUMBER,
    OBJECT_NAMES,
    TIME,
    select,
)
from prefect_crm_erp.blocks.crm._salesforce_rights import unseen, unwritable
from prefect_crm_erp.blocks.crm._salesforce_stream import IDS_PER_QUERY, full_ids
from prefect_crm_erp.blocks.crm.values import CrmObject
from prefect_crm_erp.models.field_entries import Collected, CollectedLine, CollectedPayment, CollectedReturn
from prefect_crm_erp.models.field_map import FieldMap, FieldPair
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.paging import Page

_CURRENCY = "CurrencyIsoCode"
_LINES = "ERP_Field_Return_Lines__r"
_LINE = "ERP_Field_Return_Line__c"
_OF_LINE = ("Product__c", "Quantity__c")

_COMMON = [
    FieldPair("crm_id", "Id", writable=False),
    FieldPair("name", "Name", writable=False),
    FieldPair("account_id", "Account__c", writable=False),
    FieldPair("order", "ERP_Order__r.ERP_Id__c", writable=False),
    FieldPair("push_to_erp", "Push_To_ERP__c", writable=False),
    FieldPair("modified_at", "SystemModstamp", TIME, writable=False),
    *(pair for pair in ENTRY_OUTCOME if pair.canonical != "erp_url"),
]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One object of entries: what of it is read, and into what."""

    object: CrmObject
    fields: FieldMap
    record: type[Collected]


_KINDS = {
    CollectedPayment: _Kind(
        CrmObject.FIELD_PAYMENT,
        FieldMap(
            [
                *_COMMON,
                FieldPair("invoice", "ERP_Invoice__r.ERP_Id__c", writable=False),
                FieldPair("amount", "Amount__c", NUMBER, writable=False),
                FieldPair("date", "Payment_Date__c", DAY, writable=False),
                FieldPair("method", "Method__c", writable=False),
                FieldPair("reference", "Reference__c", writable=False),
            ]
        ),
        CollectedPayment,
    ),
    CollectedReturn: _Kind(
        CrmObject.FIELD_RETURN,
        FieldMap(
            [
                *_COMMON,
                FieldPair("date", "Return_Date__c", DAY, writable=False),
                FieldPair("reason", "Reason__c", writable=False),
            ]
        ),
        CollectedReturn,
    ),
}


class FieldEntries:
    """The entries of an org.

    Args:
        connection: Where to ask.
        sku_field: The product field with the SKU.
        currency: Currency (ISO 4217) of an org that has only one.
    """

    def __init__(self, connection: Connection, sku_field: Callable[[], str], currency: str | None) -> None:
        self._connection = connection
        self._sku_field = sku_field
        self._own_currency = currency

    def missing(self) -> list[str]:
        """Fields that a run needs and the user does not see, or may not write."""
        schema = self._connection.schema
        schema.load([*(OBJECT_NAMES[kind.object] for kind in _KINDS.values()), _LINE, "ERP_Order__c", "ERP_Invoice__c"])
        seen = {OBJECT_NAMES[kind.object]: kind.fields.vendor_fields for kind in _KINDS.values()}
        hidden = [name for table, paths in (seen | {_LINE: _OF_LINE}).items() for name in unseen(schema, table, paths)]
        fixed = (name for table in seen for pair in ENTRY_OUTCOME for name in unwritable(schema, table, pair.vendor))
        return list(dict.fromkeys([*hidden, *fixed]))

    def pages(self, kind: type[Collected], ids: Collection[str] | None, page_size: int) -> Iterator[Page[Any]]:
        """Entries that have not become anything in the ERP yet, the oldest first; or those that are named."""
        wheres = [["ERP_Id__c = null"]]
        if ids is not None:
            wheres = [[f"Id IN {quote_soql_value(some)}"] for some in chunks(full_ids(ids), IDS_PER_QUERY)]
        for where in wheres:
            for rows in self._rows(_KINDS[kind], where):
                for some in chunks(rows.records, page_size):
                    yield Page([self._decode(_KINDS[kind], row) for row in some])

    def _rows(self, kind: _Kind, where: list[str]) -> Iterator[Rows]:
        self._connection.schema.load([OBJECT_NAMES[kind.object]])
        fields = [*kind.fields.vendor_fields, *self._currency_field(kind)]
        lines = None
        if kind.record is CollectedReturn:
            lines = _LINES
            inner = select([f"Product__r.{self._sku_field()}", "Quantity__c"], _LINES, order_by="Name")
            fields.append(f"({inner})")
        soql = select(fields, OBJECT_NAMES[kind.object], where=where, order_by="CreatedDate, Id")
        return self._connection.query(soql, lines=lines)

    def _currency_field(self, kind: _Kind) -> list[str]:
        return [_CURRENCY] if self._connection.schema.field(OBJECT_NAMES[kind.object], _CURRENCY) else []

    def _decode(self, kind: _Kind, row: Mapping[str, Any]) -> Collected:
        values = kind.fields.decode(row)
        if kind.record is CollectedReturn:
            values["lines"] = tuple(self._line(each) for each in (row.get(_LINES) or {}).get("records", ()))
        else:
            values["currency"] = row.get(_CURRENCY) or self._own_currency
        return kind.record(**values)

    def _line(self, row: Mapping[str, Any]) -> CollectedLine:
        product, quantity = row["Product__r"], row["Quantity__c"]
        sku = product and product[self._sku_field()]
        return CollectedLine(sku=sku, quantity=None if quantity is None else NUMBER.decode(quantity))
