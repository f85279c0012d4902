"""Laws of list prices that every CRM connection keeps."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import pytest

from prefect_crm_erp.blocks.crm.base import CRM
from prefect_crm_erp.models.prices import PriceChange, PricedProduct

HARNESSES = ["salesforce"]


class CrmHarness(Protocol):
    """What the laws need of a CRM with the product NL-1, at 100 in dollars and in euros, and in no other currency."""

    def connect(self) -> CRM:
        """A connection that works."""

    def list_prices(self, sku: str, currency: str) -> list[Decimal]:
        """List prices of a product in a currency, as another client reads them."""


@pytest.fixture(params=HARNESSES)
def crm(request: pytest.FixtureRequest) -> CrmHarness:
    harness: CrmHarness = request.getfixturevalue(f"{request.param}_crm")
    return harness


def product(connection: CRM) -> PricedProduct:
    (found,) = [each for page in connection.price_pages() for each in page if each.sku == "NL-1"]
    return found


@pytest.mark.requirement("E01")
def test_prices_are_changed_and_added_by_currency_and_read_back(crm: CrmHarness) -> None:
    connection = crm.connect()
    before = product(connection)
    assert {code: price.price for code, price in before.prices.items()} == {"USD": Decimal(100), "EUR": Decimal(100)}
    changes = [
        PriceChange(before.crm_id, "GBP", Decimal("79.95")),
        PriceChange(before.crm_id, "EUR", Decimal("91.10"), before.prices["EUR"].entry_id),
    ]
    assert [result.error for result in connection.write_prices(changes)] == [None, None]
    after = product(crm.connect())
    expected = {"USD": Decimal(100), "EUR": Decimal("91.10"), "GBP": Decimal("79.95")}
    assert {code: price.price for code, price in after.prices.items()} == expected
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
