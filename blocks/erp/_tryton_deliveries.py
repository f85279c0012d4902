"""Deliveries: Tryton's shipments to customers, and what customers send back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from prefect_crm_erp.blocks.erp._tryton_changes import TIME, Place, Places, Source
from prefect_crm_erp.blocks.erp._tryton_documents import id_in, last_change, orders_of
from prefect_crm_erp.blocks.erp._tryton_maps import Maps
from prefect_crm_erp.blocks.erp._tryton_rpc import Database, Row
from prefect_crm_erp.models.documents import Delivery, DeliveryLine, DeliveryStatus

STOCK_MOVE = "stock.move"
_STATES = {
    "draft": DeliveryStatus.PLANNED,
    "waiting": DeliveryStatus.PLANNED,
    "assigned": DeliveryStatus.IN_PREPARATION,
    "picked": DeliveryStatus.IN_PREPARATION,
    "packed": DeliveryStatus.IN_PREPARATION,
    "shipped": DeliveryStatus.SHIPPED,
    "received": DeliveryStatus.SHIPPED,
    "done": DeliveryStatus.SHIPPED,
    "cancelled": DeliveryStatus.CANCELLED,
}
_HEADER = ("number", "state", "company", "customer", "planned_date", "effective_date", TIME)
_MOVE = ("product.code", "product.name", "quantity", "unit.name", "state", "sale.reference", TIME)


@dataclass(frozen=True, slots=True)
class _Way:
    """One of the two directions of shipments.

    Attributes:
        model: The model.
        moves: Its field with the moves between warehouse and customer.
        sign: What makes a delivery's id of a shipment's: Tryton numbers the two models apart.
    """

    model: str
    moves: str
    sign: int

    @property
    def fields(self) -> list[str]:
        return [*_HEADER, *(f"{self.moves}.{name}" for name in _MOVE)]


OUT = _Way("stock.shipment.out", "outgoing_moves", 1)
RETURN = _Way("stock.shipment.out.return", "incoming_moves", -1)


def way_of(identifier: int) -> _Way:
    """The direction of a delivery, by its id: a return has the negative of the id of its shipment."""
    return RETURN if identifier < 0 else OUT


class Deliveries:
    """The deliveries of a connection.

    Args:
        database: The connection.
        maps: Its field maps.
    """

    def __init__(self, database: Database, maps: Maps) -> None:
        self._database = database
        self._maps = maps

    def read(self, ids: Collection[int], company: int | None) -> list[Delivery]:
        """Deliveries by id with their lines, up to 500 of a direction in one call."""
        found: dict[int, Delivery] = {}
        for way in (OUT, RETURN):
            mine = [abs(each) for each in ids if way_of(each) is way]
            rows = self._database.read(way.model, mine, way.fields, company) if mine else []
            found |= {way.sign * row["id"]: self._decode(way, row) for row in rows}
        return [found[each] for each in dict.fromkeys(ids) if each in found]

    def existing(self, ids: Collection[int]) -> set[int]:
        """Those of the ids that are still there."""
        there: set[int] = set()
        for way in (OUT, RETURN):
            mine = [abs(each) for each in ids if way_of(each) is way]
            there |= {way.sign * each for each in self._database.existing(way.model, mine)}
        return there

    def ids_of_number(self, number: str) -> list[int]:
        """Ids of the deliveries with this number."""
        return [
            way.sign * row["id"]
            for way in (OUT, RETURN)
            for row in self._database.search(way.model, [("number", "=", number)], [])
        ]

    def listing(self) -> list[Source]:
        """Where all deliveries are."""
        return [Source(way.model, places=_places(way)) for way in (OUT, RETURN)]

    def sources(self) -> list[Source]:
        """Where changes of deliveries show: at the shipments, and at what is moved with them."""
        clauses = [("shipment", "like", f"{way.model},%") for way in (OUT, RETURN)]
        moves = Source(STOCK_MOVE, only=(["OR", *clauses],), fields=("shipment",), places=_places_of_moves)
        return [*self.listing(), moves]

    def _decode(self, way: _Way, row: Row) -> Delivery:
        moves = row[way.moves]
        return Delivery(
            erp_id=str(way.sign * row["id"]),
            number=row["number"],
            status=_STATES[row["state"]],
            is_return=way is RETURN,
            company_id=str(row["company"]),
            customer_id=str(row["customer"]),
            planned_on=row["planned_date"],
            shipped_on=row["effective_date"],
            lines=tuple(self._lines(moves, is_cancelled=row["state"] == "cancelled")),
            modified_at=last_change([row], moves),
            **orders_of(move["sale"] for move in moves if move["sale"]),
        )

    def _lines(self, moves: Sequence[Row], *, is_cancelled: bool) -> Iterable[DeliveryLine]:
        """What is moved; a single move that is cancelled does not travel with the others."""
        for move in moves:
            if is_cancelled or move["state"] != "cancelled":
                yield DeliveryLine(**self._maps.delivery_line.decode(move))


def _places(way: _Way) -> Places:
    return lambda rows: [(row[TIME], way.sign * row["id"]) for row in rows]


def _places_of_moves(rows: Sequence[Row]) -> Iterable[Place]:
    for row in rows:
        for way in (OUT, RETURN):
            shipment = id_in(row["shipment"], way.model)
            if shipment is not None:
                yield row[TIME], way.sign * shipment
