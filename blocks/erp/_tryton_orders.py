"""Sales orders: Tryton's sales, from draft to confirmed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta

from prefect_crm_erp.blocks.erp._tryton_addresses import decode_address
from prefect_crm_erp.blocks.erp._tryton_documents import id_in, key_of
from prefect_crm_erp.blocks.erp._tryton_maps import Maps, purchase_order, with_purchase_order
from prefect_crm_erp.blocks.erp._tryton_order_values import SALE, OrderValues
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Database, Domain, Row
from prefect_crm_erp.blocks.erp._tryton_writing import after_write, by_id, send_encoded, tryton_id
from prefect_crm_erp.models.errors import RecordError, RejectedRecordError
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import Note, Rejected, WriteResult, Written
from prefect_crm_erp.models.records import Company, OrderLine, OrderStatus, SalesOrder

_HEADER = (
    "number",
    "reference",
    "company",
    "party",
    "currency",
    "sale_date",
    "payment_term",
    "description",
    "comment",
    "state",
    "invoice_state",
    "shipment_state",
    "to_invoice",
    "untaxed_amount",
    "tax_amount",
    "total_amount",
    "create_date",
    "create_uid.name",
    "write_date",
)
_ADDRESS = ("street", "city", "postal_code", "country", "subdivision.code")
_FIELDS = (
    *_HEADER,
    *(f"{use}_address.{name}" for use in ("invoice", "shipment") for name in _ADDRESS),
    *(f"lines.{name}" for name in ("type", "product.code", "description", "quantity", "unit_price", "amount")),
)
_KEYS_PER_SEARCH = 500
_LOG = "ir.model.log"
_WAITS, _STANDS = "state:quotation", "state:confirmed"
_STATES_WITH_TIME = (_WAITS, _STANDS)
_POSTED = ("awaiting payment", "partially paid", "paid")


def status_of(row: Row) -> OrderStatus:
    """Where a sale stands: its state, refined by its shipments and invoices once it is confirmed."""
    match row["state"]:
        case "draft":
            return OrderStatus.DRAFT
        case "quotation":
            return OrderStatus.PENDING_APPROVAL
        case "cancelled":
            return OrderStatus.CANCELLED
        case "done":
            return OrderStatus.INVOICED
    if "exception" in (row["invoice_state"], row["shipment_state"]):
        return OrderStatus.ON_HOLD
    if row["invoice_state"] in _POSTED:
        return OrderStatus.PARTLY_INVOICED if row["to_invoice"] else OrderStatus.INVOICED
    shipped = {"sent": OrderStatus.SHIPPED, "partially shipped": OrderStatus.PARTLY_SHIPPED}
    return shipped.get(row["shipment_state"], OrderStatus.APPROVED)


class Orders:
    """The sales orders of a connection.

    Args:
        database: The connection.
        references: Its lookups.
        maps: Its field maps.
        values: How orders become sales.
    """

    def __init__(self, database: Database, references: References, maps: Maps, values: OrderValues) -> None:
        self._database = database
        self._references = references
        self._maps = maps
        self._values = values

    # ------------------------------------------------------------------ reading

    def find(self, keys: Collection[str], company: int | None) -> dict[str, list[SalesOrder]]:
        """Orders by the CRM's id; cancelled ones count as absent."""
        found: dict[str, list[SalesOrder]] = defaultdict(list)
        for chunk in chunks(dict.fromkeys(keys), _KEYS_PER_SEARCH):
            domain: Domain = [("reference", "in", chunk), ("state", "!=", "cancelled")]
            domain += [("company", "=", company)] if company is not None else []
            for row in self._database.search(SALE, domain, _FIELDS, company=company):
                found[row["reference"]].append(self._decode(row))
        return dict(found)

    def between(self, first: date, last: date, company: int) -> list[int]:
        """Ids of a company's orders by date, but for cancelled ones; a draft may have none but that of its entry."""
        begin, end = (datetime.combine(day, time()) for day in (first, last + timedelta(days=1)))
        by_entry = [("sale_date", "=", None), ("create_date", ">=", begin), ("create_date", "<", end)]
        by_date = [("sale_date", ">=", first), ("sale_date", "<=", last)]
        domain: Domain = [("company", "=", company), ("state", "!=", "cancelled"), ["OR", by_date, by_entry]]
        return [row["id"] for row in self._database.search(SALE, domain, [], company=company)]

    def read(self, ids: Collection[int], company: int | None) -> list[SalesOrder]:
        """Orders by Tryton's ids, with when they began to wait for an approval and when they got it."""
        rows = self._rows(ids, company)
        reached = self._reached([row["id"] for row in rows])
        return [_with_times(self._decode(row), reached.get(row["id"], {})) for row in rows]

    def _reached(self, ids: Collection[int]) -> dict[int, dict[str, datetime]]:
        """When orders reached their states, as Tryton logs it; the last time counts."""
        reached: dict[int, dict[str, datetime]] = defaultdict(dict)
        for chunk in chunks(ids, _KEYS_PER_SEARCH) if self._references.may_read(_LOG) else ():
            names = [f"{SALE},{each}" for each in chunk]
            domain: Domain = [("resource", "in", names), ("target", "in", list(_STATES_WITH_TIME))]
            for row in self._database.search(_LOG, domain, ["resource", "target", "create_date"]):
                order = id_in(row["resource"], SALE)
                if order is not None:
                    reached[order][row["target"]] = row["create_date"]
        return reached

    def _rows(self, ids: Collection[int], company: int | None, fields: Sequence[str] = _FIELDS) -> list[Row]:
        return self._database.read(SALE, ids, fields, company)

    def _decode(self, row: Row) -> SalesOrder:
        values = self._maps.order.decode(row)
        return SalesOrder(
            **values
            | {
                "key": key_of(row["reference"]),
                "created_by": row["create_uid"] and row["create_uid"]["name"],
                "order_date": row["sale_date"] or row["create_date"].date(),
                "currency": values["currency"] or "",
            },
            lines=tuple(OrderLine(**self._maps.line.decode(line)) for line in row["lines"] if line["type"] == "line"),
            customer_reference=purchase_order(row["comment"]),
            billing=decode_address(row["invoice_address"], self._maps),
            shipping=decode_address(row["shipment_address"], self._maps),
            status=status_of(row),
            modified_at=row["write_date"] or row["create_date"],
        )

    # ------------------------------------------------------------------ drafts

    def create(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Create drafts in one request, and read them back in another."""
        number = int(company.id)

        def send(good: list[SalesOrder], encoded: list[tuple[Row, list[Note]]]) -> list[WriteResult[SalesOrder]]:
            ids = self._database.create(SALE, [values for values, _ in encoded], number)
            return self._written(ids, [notes for _, notes in encoded], number, created=True)

        buyers = self._values.prepare(orders, number)
        return send_encoded(orders, lambda order: self._encode(order, company, buyers), send)

    def _encode(self, order: SalesOrder, company: Company, buyers: dict[int, Row]) -> tuple[Row, list[Note]]:
        if order.company_id != company.id:
            raise RejectedRecordError(
                f"The order is for company {order.company_id}, not for {company.name} ({company.id})", system=SYSTEM
            )
        return self._values.encode(order, int(company.id), buyers)

    def _written(
        self, ids: Sequence[int], notes: Sequence[list[Note]], company: int, *, created: bool
    ) -> list[WriteResult[SalesOrder]]:
        rows = by_id(after_write(lambda: self._rows(ids, company)))
        return [
            Written(self._decode(rows[identifier]), created=created, notes=tuple(each))
            for identifier, each in zip(ids, notes, strict=True)
        ]

    def update(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Bring drafts to these values in one request; their lines are replaced."""
        number = int(company.id)
        ids = [tryton_id(order) for order in orders]
        current = by_id(self._rows(ids, number, ["state", "comment", "lines", "number"]))

        def send(good: list[SalesOrder], encoded: list[tuple[Row, list[Note]]]) -> list[WriteResult[SalesOrder]]:
            good_ids = [tryton_id(order) for order in good]
            changes = [(each, values) for each, (values, _) in zip(good_ids, encoded, strict=True)]
            self._database.write(SALE, changes, number)
            return self._written(good_ids, [notes for _, notes in encoded], number, created=False)

        def encode(order: SalesOrder) -> tuple[Row, list[Note]]:
            row = current.get(tryton_id(order))
            if row is None or row["state"] != "draft":
                raise _not_a_draft(order, row)
            values, notes = self._encode(order, company, buyers)
            values["lines"] = [("delete", row["lines"]), *values["lines"]]
            if "comment" not in order.custom:
                values["comment"] = with_purchase_order(row["comment"], purchase_order(values["comment"]))
            return values, notes

        buyers = self._values.prepare(orders, number)
        return send_encoded(orders, encode, send)

    # ------------------------------------------------------------------ confirming

    def confirm(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Quote the drafts, confirm the quotations, and read where every order stands.

        Quoting and confirming are requests of their own. An order that is refused in the second stays a quotation,
        and the next attempt goes on from there; one that is confirmed already is left alone.
        """
        number = int(company.id)
        ids = [tryton_id(order) for order in orders]
        rows = by_id(self._rows(ids, number, ["state", "party"]))
        errors = self._press("quote", [each for each in ids if _state(rows, each) == "draft"], number)
        ready = [each for each in ids if _state(rows, each) in ("draft", "quotation") and each not in errors]
        for together in self._apart_by_credit(ready, rows, number):
            errors |= self._press("confirm", together, number)
        now = by_id(after_write(lambda: self._rows(ids, number)))
        return [self._standing(order, now.get(each), errors.get(each)) for each, order in zip(ids, orders, strict=True)]

    def submit(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Quote the drafts, which somebody in Tryton confirms, and read where every order stands."""
        number = int(company.id)
        ids = [tryton_id(order) for order in orders]
        rows = by_id(self._rows(ids, number, ["state"]))
        errors = self._press("quote", [each for each in ids if _state(rows, each) == "draft"], number)
        now = by_id(after_write(lambda: self._rows(ids, number)))
        return [self._standing(order, now.get(each), errors.get(each)) for each, order in zip(ids, orders, strict=True)]

    def _standing(self, order: SalesOrder, row: Row | None, error: RecordError | None) -> WriteResult[SalesOrder]:
        if row is None or row["state"] == "cancelled":
            return Rejected(order, _not_a_draft(order, row))
        # What failed for one reason may stand for another: somebody confirmed it meanwhile.
        if error is not None and not status_of(row).is_binding:
            return Rejected(self._decode(row), error)
        return Written(self._decode(row), created=False)

    def _press(self, button: str, ids: Sequence[int], company: int) -> dict[int, RecordError]:
        """Press a button on orders together; after a refusal halve them until those at fault stand alone."""
        if not ids:
            return {}
        try:
            self._database.press(SALE, button, ids, company)
        except RecordError as error:
            if len(ids) == 1:
                return {ids[0]: error}
            half = len(ids) // 2
            return self._press(button, ids[:half], company) | self._press(button, ids[half:], company)
        return {}

    def _apart_by_credit(self, ids: Sequence[int], rows: dict[int, Row], company: int) -> Iterable[list[int]]:
        """Groups of orders that may be confirmed together.

        Tryton checks all orders of a request against the credit that is free before any of them counts, so two orders
        of one limited customer would pass together though only one of them fits. They go one after the other.
        """
        limited = self._limited_customers({rows[each]["party"] for each in ids}, company)
        rounds: dict[int, list[int]] = defaultdict(list)
        seen: dict[int, int] = defaultdict(int)
        for each in ids:
            party = rows[each]["party"]
            seen[party] += party in limited
            rounds[seen[party]].append(each)
        return [rounds[number] for number in sorted(rounds)]

    def _limited_customers(self, parties: Collection[int], company: int) -> set[int]:
        if not parties or not self._references.has("party.party", "credit_limit_amount"):
            return set()
        rows = self._database.read("party.party", parties, ["credit_limit_amount"], company)
        return {row["id"] for row in rows if row["credit_limit_amount"] is not None}


def _with_times(order: SalesOrder, reached: Mapping[str, datetime]) -> SalesOrder:
    """An order with the times at which it reached its states; one that waits does so since its last change at least."""
    if order.status is OrderStatus.PENDING_APPROVAL:
        since = reached.get(_WAITS, order.modified_at)
        return order.model_copy(update={"pending_since": since, "submitted_at": since})
    if not order.status or not order.status.is_binding:
        return order
    return order.model_copy(update={"submitted_at": reached.get(_WAITS), "approved_at": reached.get(_STANDS)})


def _state(rows: dict[int, Row], identifier: int) -> str | None:
    return rows[identifier]["state"] if identifier in rows else None


def _not_a_draft(order: SalesOrder, row: Row | None) -> RecordError:
    if row is None:
        return RejectedRecordError(f"Tryton has no sale with id {order.erp_id} any more", system=SYSTEM)
    name = order.number or order.erp_id
    if row["state"] == "cancelled":
        return RejectedRecordError(f"Sale {name} is cancelled in Tryton", system=SYSTEM)
    return RejectedRecordError(
        f"Sale {name} is no draft any more in Tryton (it is in state {row['state']}), so it is left as it is",
        system=SYSTEM,
    )
