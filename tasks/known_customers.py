"""Known customers: what a run remembers of the customers that it has made or planned, for its next pages to match."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import Any

from prefect_crm_erp.blocks.temporary import temporary_database
from prefect_crm_erp.models.keys import company_key, postcode_key
from prefect_crm_erp.models.records import Address, Customer
from prefect_crm_erp.tasks.traveller import PLANNED

_TABLES = (
    "create table customer (id integer primary key, erp_id, key, name, vat_number, postal_code, city, country)",
    "create table word (word text, customer integer, primary key (word, customer)) without rowid",
    "create table made (erp_id text primary key, moment real) without rowid",
)


class KnownCustomers:
    """Customers of one ERP that a run knows, found by what makes a match: VAT number, postal code or name.

    They stand in a temporary database, which the system removes by itself: a first load makes many thousands, and its
    memory is not to grow with them. Several threads may ask at once.

    Attributes:
        are_all: Whether the ERP has no others, because it had none when a first load began.
        began_empty: Whether it had none when the run began, so that whatever it has was made since.
    """

    __slots__ = ("_database", "_turn", "are_all", "began_empty")

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None
        self._turn = Lock()
        self.are_all = False
        self.began_empty = False

    def forget(self) -> None:
        """Forget the customers, once no more are matched by the thousand: from now on the ERP is searched."""
        self._ask("delete from word")
        self._ask("delete from customer")
        self.are_all = False

    def add(self, customer: Customer) -> None:
        """Remember a customer, by the little of it that matching looks at."""
        place = customer.billing
        kept = (customer.erp_id, customer.key, customer.name, customer.vat_number)
        with self._turn:
            database = self._opened()
            row = database.execute(
                "insert into customer values (null, ?, ?, ?, ?, ?, ?, ?)",
                (*kept, place.postal_code, place.city, place.country),
            ).lastrowid
            words = [(word, row) for word in _words(customer)]
            database.executemany("insert into word values (?, ?)", words)

    def note_made(self, customer: Customer) -> None:
        """Remember when a customer was created that this run has seen to since."""
        if customer.erp_id and customer.modified_at:
            self._ask("insert or replace into made values (?, ?)", customer.erp_id, customer.modified_at.timestamp())

    def note_changed(self, erp_id: str) -> None:
        """A customer was written again: only its ERP tells how it stands."""
        self._ask("delete from made where erp_id = ?", erp_id)

    def as_made(self, changed: Mapping[str, datetime]) -> frozenset[str]:
        """Those of some changed customers, given with their times, that are as this run has created them."""
        return frozenset(erp_id for erp_id, moment in changed.items() if self._moment(erp_id) == moment.timestamp())

    def like(self, customer: Customer) -> list[Customer]:
        """Known customers with the same VAT number, postal code or name: no other one could be a match."""
        asked = "select customer.* from word join customer on customer.id = word.customer where word = ?"
        found = {row[0]: row for word in _words(customer) for row in self._ask(asked, word)}
        return [_customer(*row) for row in found.values()]

    def _moment(self, erp_id: str) -> float | None:
        found = self._ask("select moment from made where erp_id = ?", erp_id)
        return found[0][0] if found else None

    def _ask(self, statement: str, *values: object) -> list[Any]:
        with self._turn:
            return self._opened().execute(statement, values).fetchall()

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = temporary_database(*_TABLES)
        return self._database


def _words(customer: Customer) -> list[str]:
    postcode = postcode_key(customer.billing.postal_code)
    words = {"vat": customer.vat_number, "postcode": postcode, "name": company_key(customer.name)}
    return [f"{kind} {word}" for kind, word in words.items() if word]


def _customer(
    _: int,
    erp_id: str | None,
    key: str | None,
    name: str,
    vat_number: str | None,
    postal_code: str | None,
    city: str | None,
    country: str | None,
) -> Customer:
    address = Address(postal_code=postal_code, city=city, country=country)
    number = PLANNED if erp_id == PLANNED else None
    return Customer(erp_id=erp_id, number=number, key=key, name=name, vat_number=vat_number, billing=address)
