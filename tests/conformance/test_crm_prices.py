"""Laws of list prices that every CRM connection keeps."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import pytest

from prefect_crm_erp.blocks.crm.base import CRM
from prefect_crm_erp.models.prices import PriceBook, PriceChange, PricedProduct, PriceKey

HARNESSES = ["salesforce"]


class CrmHarness(Protocol):
    """What the laws need of a CRM with the product NL-1, at 100 in dollars and in euros, and in no other currency."""

    def connect(self) -> CRM:
        """A connection that works."""

    def list_prices(self, sku: str, currency: str, book: str | None = None) -> list[Decimal]:
        """Prices of a product in a price book (the standard one when None) and currency, as another client reads them.

        Only those that deals may take count.
        """

    def make_price_book(self, name: str, *, is_active: bool = True) -> str:
        """Let another client make a price book; its id."""

    def follow_standard(self, sku: str, currency: str, book: str) -> None:
        """Let another client give a product the standard price in a price book, whatever it will be."""


@pytest.fixture(params=HARNESSES)
def crm(request: pytest.FixtureRequest) -> CrmHarness:
    harness: CrmHarness = request.getfixturevalue(f"{request.param}_crm")
    return harness


def product(connection: CRM, *books: str) -> PricedProduct:
    (found,) = [each for page in connection.price_pages(books) for each in page if each.sku == "NL-1"]
    return found


def amounts(product: PricedProduct) -> dict[PriceKey, Decimal]:
    return {place: price.price for place, price in product.prices.items()}


@pytest.mark.requirement("E01")
def test_prices_are_changed_and_added_by_currency_and_read_back(crm: CrmHarness) -> None:
    connection = crm.connect()
    before = product(connection)
    assert amounts(before) == {(None, "USD"): Decimal(100), (None, "EUR"): Decimal(100)}
    changes = [
        PriceChange(before.crm_id, "GBP", Decimal("79.95")),
        PriceChange(before.crm_id, "EUR", Decimal("91.10"), before.prices[None, "EUR"].entry_id),
    ]
    assert [result.error for result in connection.write_prices(changes)] == [None, None]
    after = product(crm.connect())
    expected = {"USD": Decimal(100), "EUR": Decimal("91.10"), "GBP": Decimal("79.95")}
    assert amounts(after) == {(None, code): price for code, price in expected.items()}
    assert {code: crm.list_prices("NL-1", code) for code in expected} == {code: [p] for code, p in expected.items()}


@pytest.mark.requirement("E01")
def test_a_second_price_in_one_currency_and_one_in_a_strange_currency_are_refused_and_the_others_are_taken(
    crm: CrmHarness,
) -> None:
    connection = crm.connect()
    known = product(connection)
    results = connection.write_prices(
        [
            PriceChange(known.crm_id, "USD", Decimal("1.00")),
            PriceChange(known.crm_id, "SEK", Decimal("1.00")),
            PriceChange(known.crm_id, "GBP", Decimal("79.95")),
        ]
    )
    assert [result.error is None for result in results] == [False, False, True]
    assert (crm.list_prices("NL-1", "USD"), crm.list_prices("NL-1", "GBP")) == ([Decimal(100)], [Decimal("79.95")])


@pytest.mark.requirement("E01")
def test_price_books_are_found_by_name_and_made_and_the_standard_one_is_none_of_them(crm: CrmHarness) -> None:
    connection = crm.connect()
    first, second = crm.make_price_book("Dealers"), crm.make_price_book("dealers", is_active=False)
    name = "O'Brien \\ 100 % _Pure_"
    made = connection.add_price_book(name)
    assert made == PriceBook(made.crm_id, name, is_active=True)
    found = connection.price_books(["DEALERS", name, "Nowhere", "Standard Price Book"])
    assert found.keys() == {"DEALERS", name}
    assert {(book.crm_id, book.is_active) for book in found["DEALERS"]} == {(first, True), (second, False)}
    assert found[name] == [made]


@pytest.mark.requirement("E01")
def test_prices_stand_by_price_book_and_currency_and_those_of_books_that_are_not_asked_for_stay_out(
    crm: CrmHarness,
) -> None:
    connection = crm.connect()
    dealers, schools = connection.add_price_book("Dealers").crm_id, connection.add_price_book("Schools").crm_id
    known = product(connection, dealers, schools)
    assert known.prices.keys() == {(None, "USD"), (None, "EUR")}
    changes = [
        PriceChange(known.crm_id, "GBP", Decimal("71.96"), book=dealers),
        PriceChange(known.crm_id, "USD", Decimal("90.00"), book=dealers),
        PriceChange(known.crm_id, "USD", Decimal("80.00"), book=schools),
        PriceChange(known.crm_id, "GBP", Decimal("79.95")),
        PriceChange(known.crm_id, "USD", Decimal("101.00"), known.prices[None, "USD"].entry_id),
    ]
    assert [result.error for result in connection.write_prices(changes)] == [None] * len(changes)
    expected = {
        (None, "USD"): Decimal("101.00"),
        (None, "EUR"): Decimal(100),
        (None, "GBP"): Decimal("79.95"),
        (dealers, "USD"): Decimal("90.00"),
        (dealers, "GBP"): Decimal("71.96"),
    }
    after = product(crm.connect(), dealers)
    assert amounts(after) == expected
    assert {place: crm.list_prices("NL-1", place[1], place[0]) for place in expected} == {
        place: [price] for place, price in expected.items()
    }
    change = PriceChange(known.crm_id, "USD", Decimal("88.00"), after.prices[dealers, "USD"].entry_id, dealers)
    assert [result.error for result in connection.write_prices([change])] == [None]
    assert amounts(product(connection, dealers)) == expected | {(dealers, "USD"): Decimal("88.00")}


@pytest.mark.requirement("E01")
def test_a_price_without_a_standard_one_in_its_currency_is_refused_and_the_others_are_taken(crm: CrmHarness) -> None:
    connection = crm.connect()
    dealers = connection.add_price_book("Dealers").crm_id
    known = product(connection)
    places = [("GBP", dealers), ("USD", dealers), ("USD", dealers), ("EUR", dealers)]
    changes = [PriceChange(known.crm_id, code, Decimal("5.00"), book=book) for code, book in places]
    results = connection.write_prices(changes)
    assert [result.error is None for result in results] == [False, True, False, True]
    assert amounts(product(connection, dealers)).keys() == {
        (None, "USD"),
        (None, "EUR"),
        (dealers, "USD"),
        (dealers, "EUR"),
    }


@pytest.mark.requirement("E01")
def test_a_price_that_followed_the_standard_one_has_its_own_once_it_is_written(crm: CrmHarness) -> None:
    connection = crm.connect()
    dealers = connection.add_price_book("Dealers").crm_id
    crm.follow_standard("NL-1", "USD", dealers)
    before = product(connection, dealers).prices[dealers, "USD"]
    assert (before.price, before.follows_standard) == (Decimal(100), True)
    known = product(connection)
    assert not known.prices[None, "USD"].follows_standard
    changes = [PriceChange(known.crm_id, "USD", Decimal("95.00"), before.entry_id, dealers)]
    assert [result.error for result in connection.write_prices(changes)] == [None]
    after = product(connection, dealers).prices[dealers, "USD"]
    assert (after.price, after.follows_standard) == (Decimal("95.00"), False)
