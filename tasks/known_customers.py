"""Known customers: what a run remembers of the customers that it has made or planned, for its next pages to match."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from prefect_crm_erp.models.keys import company_key, postcode_key
from prefect_crm_erp.models.records import Address, Customer
from prefect_crm_erp.tasks.traveller import PLANNED


class _Known(NamedTuple):
    """The little of a customer that matching looks at: a first load of many thousands is in memory at once."""

    erp_id: str | None
    key: str | None
    name: str
    vat_number: str | None
    postal_code: str | None
    city: str | None
    country: str | None

    def to_customer(self) -> Customer:
        address = Address(postal_code=self.postal_code, city=self.city, country=self.country)
        return Customer(
            erp_id=self.erp_id,
            number=PLANNED if self.erp_id == PLANNED else None,
            key=self.key,
            name=self.name,
            vat_number=self.vat_number,
            billing=address,
        )


class KnownCustomers:
    """Customers of one ERP that a run knows, found by what makes a match: VAT number, postal code or name.

    Attributes:
        are_all: Whether the ERP has no others, because it had none when a first load began.
        began_empty: Whether it had none when the run began, so that whatever it has was made since.
    """

    __slots__ = ("_found_by", "_made", "are_all", "began_empty")

    def __init__(self) -> None:
        # By the hash of a word: the word itself would take as much again. Two words of one hash only give one more
        # candidate to look at. Most words lead to one customer, which stands there without a list around it.
        self._found_by: dict[int, _Known | list[_Known]] = {}
        self._made: dict[str, float] = {}
        self.are_all = False
        self.began_empty = False

    def forget(self) -> None:
        """Forget the customers, once no more are matched by the thousand: from now on the ERP is searched."""
        self._found_by.clear()
        self.are_all = False

    def add(self, customer: Customer) -> None:
        """Remember a customer."""
        billing = customer.billing
        known = _Known(
            customer.erp_id,
            customer.key,
            customer.name,
            customer.vat_number,
            _shared(billing.postal_code),
            _shared(billing.city),
            _shared(billing.country),
        )
        for word in _words(customer):
            self._add(hash(word), known)

    def _add(self, word: int, known: _Known) -> None:
        there = self._found_by.get(word)
        if there is None:
            self._found_by[word] = known
        elif isinstance(there, list):
            there.append(known)
        else:
            self._found_by[word] = [there, known]

    def note_made(self, customer: Customer) -> None:
        """Remember when a customer was created that this run has seen to since."""
        if customer.erp_id and customer.modified_at:
            self._made[customer.erp_id] = customer.modified_at.timestamp()

    def note_changed(self, erp_id: str) -> None:
        """A customer was written again: only its ERP tells how it stands."""
        self._made.pop(erp_id, None)

    def as_made(self, changed: Mapping[str, datetime]) -> frozenset[str]:
        """Those of some changed customers, given with their times, that are as this run has created them."""
        return frozenset(erp_id for erp_id, moment in changed.items() if self._made.get(erp_id) == moment.timestamp())

    def like(self, customer: Customer) -> list[Customer]:
        """Known customers with the same VAT number, postal code or name: no other one could be a match."""
        found: dict[_Known, None] = {}
        for word in _words(customer):
            there = self._found_by.get(hash(word), [])
            found |= dict.fromkeys(there if isinstance(there, list) else [there])
        return [known.to_customer() for known in found]


def _words(customer: Customer) -> Iterable[str]:
    postcode = postcode_key(customer.billing.postal_code)
    words = {"vat": customer.vat_number, "postcode": postcode, "name": company_key(customer.name)}
    return [f"{kind} {word}" for kind, word in words.items() if word]


def _shared(text: str | None) -> str | None:
    """A text that many customers have, held once."""
    return sys.intern(text) if text is not None else None
