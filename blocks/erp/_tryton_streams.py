"""What the connection tells of all records of a type: what changed, how many there are, which are still there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TypeVar

from prefect_crm_erp.blocks.erp._tryton_changes import Source, change_pages, changed_since
from prefect_crm_erp.blocks.erp._tryton_connection import TrytonConnection
from prefect_crm_erp.blocks.erp._tryton_rpc import ANY_ACTIVE, Domain
from prefect_crm_erp.blocks.erp.base import Known
from prefect_crm_erp.models.documents import Delivery, Invoice, Payment
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Customer, Product, Record, SalesOrder

R = TypeVar("R", bound=Record)

_PARTIES = Source("party.party", deactivable=True)
_OF_PARTIES = (
    Source("party.address", "party", deactivable=True),
    Source("party.identifier", "party", deactivable=True),
    Source("party.contact_mechanism", "party", deactivable=True),
)
# Both ends of a relation have a row here, and come as changed now. The end of a relation shows where it is made at the
# party, as the change of that party.
_RELATIONS = Source("party.relation.all", "from_", is_view=True)
_PRODUCTS = Source("product.product", deactivable=True)
# Shipments, invoices and payments that move a sale's status are noted at the sale by Tryton itself.
_SALES = Source("sale.sale")
_OF_SALES = Source("sale.line", "sale", company="sale.company")


class Streams:
    """The records of a connection, type by type.

    Args:
        connection: The connection.
    """

    def __init__(self, connection: TrytonConnection) -> None:
        self._connection = connection

    def changes(
        self, kind: type[R], since: Cursor | None, company: int | None, page_size: int, known: Known | None
    ) -> Iterator[Page[R]]:
        """Pages of changed records, as `change_pages` gives them; of all records without `since`."""
        # All come anyway, and a record that is read tells its time by all of its parts.
        sources = self._listing(kind) if since is None else self._sources(kind)
        reader = self._connection.reader(kind)
        return change_pages(
            self._connection.database,
            sources,
            lambda ids: reader.read(ids, company),
            since,
            None if kind is Customer else company,
            page_size,
            without=self._own_parties(kind),
            known=known,
        )

    def have_changed(self, kinds: Collection[type[Record]], since: Cursor) -> bool:
        """Whether `changes` might give any record of these types; one call for each model."""
        clauses: dict[str, list[Domain]] = {}
        for source in (source for kind in kinds for source in self._sources(kind)):
            changed = changed_since(source, since.modified_at, None)
            if changed not in clauses.setdefault(source.model, []):
                clauses[source.model].append(changed)
        return any(
            self._connection.database.first(model, ["OR", *some], [], 1, order=()) for model, some in clauses.items()
        )

    def count(self, kind: type[Record], company: int | None) -> int:
        """How many records `changes` gives when all are read; one call, for deliveries two."""
        own = [("id", "not in", self._own_parties(kind))] if kind is Customer else []
        mine = [("company", "=", company)] if company is not None and kind not in (Customer, Product) else []
        return sum(
            self._connection.database.count(source.model, [*_all(source), *own, *mine])
            for source in self._listing(kind)
        )

    def existing(self, kind: type[Record], ids: Collection[int]) -> set[int]:
        """Those of the ids that are still there; one call for each 5,000."""
        if kind is Delivery:
            return self._connection.deliveries.existing(ids)
        (source,) = self._listing(kind)
        return self._connection.database.existing(source.model, ids, _all(source))

    def ids_of_number(self, kind: type[Record], number: str) -> list[int]:
        """Ids of the records that people know by a number; deliveries have theirs in two models."""
        if kind is Delivery:
            return self._connection.deliveries.ids_of_number(number)
        (source,) = self._listing(kind)
        rows = self._connection.database.search(source.model, [*_all(source), ("number", "=", number)], [])
        return [row["id"] for row in rows]

    def _listing(self, kind: type[Record]) -> list[Source]:
        """Where all records of a type are."""
        if kind is Invoice:
            return self._connection.invoices.listing()
        if kind is Payment:
            return self._connection.payments.listing()
        if kind is Delivery:
            return self._connection.deliveries.listing()
        return [{Customer: _PARTIES, Product: _PRODUCTS, SalesOrder: _SALES}[kind]]

    def _sources(self, kind: type[Record]) -> list[Source]:
        """Where changes of records of a type show."""
        if kind is Invoice:
            return self._connection.invoices.sources()
        if kind is Payment:
            return self._connection.payments.sources()
        if kind is Delivery:
            return self._connection.deliveries.sources()
        return self._of_customers() if kind is Customer else [_SALES, _OF_SALES]

    def _of_customers(self) -> list[Source]:
        relations = [_RELATIONS] if self._connection.hierarchy.is_kept else []
        return [_PARTIES, *_OF_PARTIES, *relations, *self._connection.accounts.sources()]

    def _own_parties(self, kind: type[Record]) -> list[int]:
        """Parties of Tryton's own companies, which are no customers."""
        return [int(row["party"]["id"]) for row in self._connection.references.company_rows] if kind is Customer else []


def _all(source: Source) -> Domain:
    return [*source.only, *([ANY_ACTIVE] if source.deactivable else [])]
