"""Returns from the field: sales of negative quantities, made of the sale that delivered the goods.

As Tryton's own wizard for returns does it, a return has the sale as its origin, and its lines are the sale's with other
quantities, at the same prices and taxes. The CRM's id is its reference, by which it is found again. One request makes
it, whole or not at all; confirming it is another one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from prefect_crm_erp.blocks.erp._tryton_documents import id_in
from prefect_crm_erp.blocks.erp._tryton_maps import QUANTITY
from prefect_crm_erp.blocks.erp._tryton_order_values import LINE, SALE
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Database, Domain, Row
from prefect_crm_erp.blocks.erp._tryton_writing import after_write, tryton_id
from prefect_crm_erp.models.errors import MissingReferenceError, RecordError, RejectedRecordError
from prefect_crm_erp.models.field_entries import ReturnEntry, ReturnLine
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.money import plain
from prefect_crm_erp.models.outcomes import Rejected, WriteResult, Written
from prefect_crm_erp.models.records import Company

_LINKS = ("company", "party", "invoice_party", "invoice_address", "shipment_party", "shipment_address")
_TERMS = ("currency", "payment_term", "warehouse", "invoice_method", "shipment_method")
_OF_SALE = ("number", "state", *_LINKS, *_TERMS)
_OF_LINE = ("product", "unit", "unit_price", "taxes", "description")
_LINE_FIELDS = (*_OF_LINE, "type", "quantity", "product.code", "product.type", "moves.state", "moves.quantity")
_RETURN = ("number", "state", "reference", "company", "sale_date", "origin", "description")
_RETURNED = ("quantity", "product.code")
_DELIVERED = "done"
_NONE = Decimal(0)
_KEYS_PER_SEARCH = 500
_STANDING = ("confirmed", "processing", "done")


class FieldReturns:
    """The returns from the field of a connection.

    Args:
        database: The connection.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------------ reading

    def find(self, keys: Collection[str], company: int | None) -> dict[str, list[ReturnEntry]]:
        """Returns by the CRM's id; cancelled ones count as absent."""
        found: dict[str, list[ReturnEntry]] = defaultdict(list)
        for chunk in chunks(dict.fromkeys(keys), _KEYS_PER_SEARCH):
            domain: Domain = [("reference", "in", chunk), ("state", "!=", "cancelled")]
            domain += [("company", "=", company)] if company is not None else []
            fields = [*_RETURN, *(f"lines.{name}" for name in _RETURNED)]
            for row in self._database.search(SALE, domain, fields, company=company):
                found[row["reference"]].append(_entry(row))
        return dict(found)

    # ------------------------------------------------------------------ writing

    def create(self, entries: Sequence[ReturnEntry], company: Company) -> list[WriteResult[ReturnEntry]]:
        """Make returns one by one, and confirm those that are to be."""
        number = int(company.id)
        errors: dict[str, RecordError] = {}
        for entry in entries:
            try:
                made = self._database.create(SALE, [self._values(entry, number)], number)
                if entry.confirm:
                    self._confirm(made, number)
            except RecordError as error:
                errors[entry.key] = error
        found = after_write(lambda: self.find([each.key for each in entries], number))
        return [self._result(entry, found.get(entry.key), errors.get(entry.key)) for entry in entries]

    def update(self, entries: Sequence[ReturnEntry], company: Company) -> list[WriteResult[ReturnEntry]]:
        """Confirm drafts that are to be binding; a return that is binding stays as it is."""
        number = int(company.id)
        errors: dict[str, RecordError] = {}
        for entry in entries:
            try:
                if entry.confirm and entry.is_draft:
                    self._confirm([tryton_id(entry)], number)
            except RecordError as error:
                errors[entry.key] = error
        found = after_write(lambda: self.find([each.key for each in entries], number))
        return [self._result(entry, found.get(entry.key), errors.get(entry.key)) for entry in entries]

    def _confirm(self, ids: Sequence[int], company: int) -> None:
        """Take returns from where they stand to where they are binding: an earlier run may have come half the way."""
        for state, button in (("draft", "quote"), ("quotation", "confirm")):
            rows = self._database.read(SALE, ids, ["state"], company)
            waiting = [row["id"] for row in rows if row["state"] == state]
            if waiting:
                self._database.press(SALE, button, waiting, company)

    @staticmethod
    def _result(
        entry: ReturnEntry, found: Sequence[ReturnEntry] | None, error: RecordError | None
    ) -> WriteResult[ReturnEntry]:
        if error is not None:
            return Rejected(entry, error)
        if not found:
            return Rejected(entry, RejectedRecordError("The return was cancelled in Tryton", system=SYSTEM))
        return Written(found[0].model_copy(update={"confirm": entry.confirm}), created=entry.erp_id is None)

    # ------------------------------------------------------------------ one return

    def _values(self, entry: ReturnEntry, company: int) -> Row:
        sale = self._sale(entry, company)
        lines = [line for wanted in entry.lines for line in self._taken_back(wanted, sale, company)]
        shared = {name: sale[name] for name in (*_LINKS, *_TERMS)}
        return shared | {
            "reference": entry.key,
            "origin": f"{SALE},{sale['id']}",
            "sale_date": entry.date,
            "description": entry.text,
            "lines": [("create", lines)],
        }

    def _sale(self, entry: ReturnEntry, company: int) -> Row:
        rows = self._database.read(SALE, [int(entry.order_id)], _OF_SALE, company)
        if not rows:
            raise MissingReferenceError(f"Tryton has no sale with id {entry.order_id} any more", system=SYSTEM)
        return rows[0]

    def _taken_back(self, wanted: ReturnLine, sale: Row, company: int) -> Iterator[Row]:
        """Lines that bring a product back, from the sale's lines of that product in their order.

        Raises:
            RejectedRecordError: More comes back than was delivered and has not come back yet.
        """
        domain: Domain = [("sale", "=", sale["id"]), ("type", "=", "line"), ("product.code", "=", wanted.sku)]
        delivered = self._database.search(LINE, domain, _LINE_FIELDS, company=company)
        gone = back = self._came_back(wanted.sku, sale["id"], company)
        left = wanted.quantity
        for line in delivered:
            free = max(_delivered(line) - gone, _NONE)
            gone = max(gone - _delivered(line), _NONE)
            taken = min(left, free)
            if taken > 0:
                left -= taken
                yield _return_line(line, taken)
        if left > 0:
            raise RejectedRecordError(_too_many(wanted, sale, delivered, back), system=SYSTEM, fields=("lines",))

    def _came_back(self, sku: str, sale: int, company: int) -> Decimal:
        """How many of a product came back of a sale already, or are about to."""
        domain: Domain = [("sale.origin", "=", f"{SALE},{sale}"), ("sale.state", "!=", "cancelled")]
        domain += [("product.code", "=", sku), ("quantity", "<", 0)]
        rows = self._database.search(LINE, domain, ["quantity"], company=company)
        return -sum((_quantity(row) for row in rows), _NONE)


def _delivered(line: Row) -> Decimal:
    """How many of a line were delivered; of a service, which nobody delivers, what was sold."""
    if line["product"]["type"] == "service":
        return _quantity(line)
    return sum((_quantity(move) for move in line["moves"] if move["state"] == _DELIVERED), _NONE)


def _quantity(row: Row) -> Decimal:
    quantity: Decimal = QUANTITY.decode(row["quantity"])
    return quantity


def _return_line(line: Row, quantity: Decimal) -> Row:
    values = {name: line[name] for name in ("unit", "unit_price", "description")}
    return values | {
        "type": "line",
        "product": line["product"]["id"],
        "taxes": [("add", line["taxes"])],
        "quantity": QUANTITY.encode(-quantity),
    }


def _too_many(wanted: ReturnLine, sale: Row, delivered: Sequence[Row], back: Decimal) -> str:
    order = sale["number"] or sale["id"]
    if not delivered:
        return f"Order {order} has no {wanted.sku}; choose the order that it was delivered with"
    total = sum((_delivered(line) for line in delivered), _NONE)
    came = f", and {plain(back)} came back already" if back else ""
    asked = plain(wanted.quantity)
    return f"{plain(total)} {wanted.sku} of order {order} were delivered{came}: {asked} cannot be returned"


def _entry(row: Row) -> ReturnEntry:
    lines = [
        ReturnLine(sku=line["product"]["code"] or "", quantity=-_quantity(line))
        for line in row["lines"]
        if line["product"]
    ]
    return ReturnEntry(
        key=row["reference"],
        erp_id=str(row["id"]),
        number=row["number"],
        company_id=str(row["company"]),
        order_id=str(id_in(row["origin"], SALE) or ""),
        date=row["sale_date"],
        text=row["description"] or "",
        is_draft=row["state"] not in _STANDING,
        lines=tuple(lines),
    )
