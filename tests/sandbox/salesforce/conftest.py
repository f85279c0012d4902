"""Orgs with a clock that the test moves, and a small catalogue to sell from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_crm_erp.sandbox.salesforce.clock import Clock
from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.org import Org

START = datetime(2026, 3, 18, 15, 30, 0, tzinfo=UTC)
PRICES = {"USD": "64.33", "EUR": "58.99", "JPY": "9650", "KWD": "19.884"}


@dataclass
class Time:
    """Time that passes when the test says so."""

    seconds: float = 0.0
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(lambda: START + timedelta(seconds=self.seconds), lambda: self.seconds)

    def passes(self, seconds: float) -> None:
        """Let so many seconds go by."""
        self.seconds += seconds


@dataclass
class Shop:
    """An org with one account, one product, and its price in several currencies."""

    org: Org
    account: str = ""
    product: str = ""
    price_book: str = ""
    entries: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.account = self.org.create("Account", {"Name": "Acme"})
        self.product = self.org.create("Product2", {"Name": "Cuvettes", "ProductCode": "NL-500", "IsActive": True})
        self.price_book = next(row["Id"] for row in self.org.rows("Pricebook2"))
        for currency, price in PRICES.items():
            self.entries[currency] = self.entry(currency, price)

    def entry(self, currency: str, price: str | None, **values: Any) -> str:
        """A price of the product."""
        keys = {"Pricebook2Id": self.price_book, "Product2Id": self.product, "CurrencyIsoCode": currency}
        return self.org.create("PricebookEntry", {**keys, "UnitPrice": price, "IsActive": True, **values})

    def opportunity(self, **values: Any) -> str:
        """An open deal of the account, in dollars."""
        deal = {"Name": "Deal", "AccountId": self.account, "StageName": "Prospecting", "CloseDate": "2026-06-30"}
        return self.org.create("Opportunity", {**deal, **values})

    def line(self, opportunity: str, currency: str = "USD", **values: Any) -> str:
        """A line of a deal."""
        line = {
            "OpportunityId": opportunity,
            "PricebookEntryId": self.entries[currency],
            "Quantity": 1,
            "UnitPrice": 10,
        }
        return self.org.create("OpportunityLineItem", {**line, **values})

    def order(self, **values: Any) -> str:
        """A draft order of the account, in dollars."""
        order = {"AccountId": self.account, "EffectiveDate": "2026-03-01", "Status": "Draft"}
        return self.org.create("Order", {**order, "Pricebook2Id": self.price_book, **values})

    def item(self, order: str, **values: Any) -> str:
        """An item of an order."""
        item = {"OrderId": order, "PricebookEntryId": self.entries["USD"], "Quantity": 1, "UnitPrice": 10}
        return self.org.create("OrderItem", {**item, **values})

    def values(self, object_name: str, record_id: str, *names: str) -> list[Any]:
        """Some fields of a row."""
        row = self.org.get(object_name, record_id)
        return [row[name] for name in names]


class Refused:
    """Runs something that must be refused, and answers Salesforce's codes, fields or words."""

    def __call__(self, action: Any, *arguments: Any, **options: Any) -> list[str]:
        return [error.code for error in self.errors(action, *arguments, **options)]

    def errors(self, action: Any, *arguments: Any, **options: Any) -> list[Any]:
        """All reasons of the refusal."""
        with pytest.raises(RowRejected) as caught:
            action(*arguments, **options)
        return caught.value.errors

    def create(self, org: Org, object_name: str, values: Mapping[str, Any]) -> list[str]:
        """Codes of a refused creation, which leaves no row behind."""
        before = len(list(org.rows(object_name, include_deleted=True)))
        codes = self(org.create, object_name, values)
        assert len(list(org.rows(object_name, include_deleted=True))) == before
        return codes


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def org(time: Time) -> Org:
    return Org(None, time.clock)


@pytest.fixture
def shop(org: Org) -> Shop:
    return Shop(org)


@pytest.fixture(scope="session")
def new_shop() -> Callable[[], Shop]:
    """Makes a shop for each example of a property."""
    return lambda: Shop(Org(None))


@pytest.fixture
def refused() -> Refused:
    return Refused()
