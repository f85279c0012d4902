"""What is in a new org: the company itself, and the demo company's records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from prefect_crm_erp.sandbox.salesforce.demo_customers import CLOSED_WON, OTHER_SOURCES
from prefect_crm_erp.sandbox.salesforce.demo_data import (
    MANAGER,
    PRICE_CURRENCIES,
    PRODUCTS,
    SALES_TEAM,
    Customer,
    Deal,
    Line,
    OrderData,
    Person,
    Product,
    QuoteData,
)
from prefect_crm_erp.sandbox.salesforce.objects.opportunities import STAGES, Stage, forecast_code

if TYPE_CHECKING:
    from prefect_crm_erp.sandbox.salesforce.org import Org

ORGANIZATION_NAME = "Northlight Instruments"
INTEGRATION_USERNAME = "integration@northlight-instruments.example"
STANDARD_PRICE_BOOK = "Standard Price Book"

CURRENCIES = (
    ("USD", "1", 2, True),
    ("GBP", "0.772727", 2, True),
    ("EUR", "0.909091", 2, True),
    ("JPY", "147.272727", 0, True),
    ("KWD", "0.309091", 3, True),
    ("CHF", "0.863636", 2, False),
)
"""Code, units for one of the corporate currency, decimal places, and whether it may be used."""
FIRST_RATE_DAY = date(1990, 1, 1)


def seed_minimum(org: Org) -> None:
    """What every org has: its company row, integration user, currencies with rates, stages, standard price book."""
    org.provision("User", _user(Person("ERP", "Integration", INTEGRATION_USERNAME)))
    org.provision("Organization", {"Id": org.organization_id, **_COMPANY})
    for code, rate, places, active in CURRENCIES:
        org.provision(
            "CurrencyType",
            {
                "IsoCode": code,
                "ConversionRate": rate,
                "DecimalPlaces": places,
                "IsActive": active,
                "IsCorporate": code == "USD",
            },
        )
        org.provision("DatedConversionRate", {"IsoCode": code, "StartDate": FIRST_RATE_DAY, "ConversionRate": rate})
    for position, stage in enumerate(STAGES, 1):
        org.provision("OpportunityStage", _stage(position, stage))
    org.provision("Pricebook2", {"Name": STANDARD_PRICE_BOOK, "IsActive": True, "IsStandard": True})


_COMPANY: Mapping[str, Any] = {
    "Name": ORGANIZATION_NAME,
    "Street": "1 Beacon Way",
    "City": "Denver",
    "State": "CO",
    "PostalCode": "80202",
    "Country": "US",
    "DefaultLocaleSidKey": "en_US",
    "LanguageLocaleKey": "en_US",
    "TimeZoneSidKey": "UTC",
    "OrganizationType": "Enterprise Edition",
    "InstanceName": "SBX1",
    "IsSandbox": True,
}


def _user(person: Person, **values: Any) -> dict[str, Any]:
    return {
        "Username": person.email,
        "Email": person.email,
        "FirstName": person.first_name,
        "LastName": person.last_name,
        "Alias": (person.first_name[:1] + person.last_name).lower()[:8],
        "CurrencyIsoCode": "USD",
        "DefaultCurrencyIsoCode": "USD",
        **values,
    }


def _stage(position: int, stage: Stage) -> dict[str, Any]:
    return {
        "MasterLabel": stage.name,
        "ApiName": stage.name,
        "IsActive": True,
        "SortOrder": position,
        "IsClosed": stage.closed,
        "IsWon": stage.won,
        "ForecastCategory": forecast_code(stage.forecast_category),
        "ForecastCategoryName": stage.forecast_category,
        "DefaultProbability": stage.probability,
    }


def seed_demo(org: Org) -> None:
    """The demo company's sales team, products, customers and deals, saved as any client would save them."""
    manager = org.create("User", _user(MANAGER, Title="Head of Sales"))
    team = [org.create("User", _user(person, ManagerId=manager, Title="Sales")) for person in SALES_TEAM]
    price_book = next(row["Id"] for row in org.rows("Pricebook2") if row["IsStandard"])
    entries = dict(_seed_prices(org, price_book))
    seeding = _Seeding(org, team, price_book, entries, org.clock.now().date())
    for customer in (*CLOSED_WON, *OTHER_SOURCES):
        seeding.customer(customer)


def _seed_prices(org: Org, price_book: str) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Products with their prices: price book entry and price by SKU and currency."""
    for product in PRODUCTS:
        product_id = org.create("Product2", _product(product))
        for currency, price in zip(PRICE_CURRENCIES, product.prices, strict=True):
            if price:
                entry = {"Pricebook2Id": price_book, "Product2Id": product_id, "CurrencyIsoCode": currency}
                entry_id = org.create("PricebookEntry", {**entry, "UnitPrice": price, "IsActive": True})
                yield (product.sku, currency), (entry_id, price)


def _product(product: Product) -> dict[str, Any]:
    return {
        "Name": product.name,
        "ProductCode": product.sku,
        "StockKeepingUnit": product.sku,
        "Family": product.family,
        "QuantityUnitOfMeasure": product.unit,
        "IsActive": True,
    }


@dataclass
class _Seeding:
    """Saves customers with all their business.

    Attributes:
        team: Ids of the sales users.
        entries: Price book entry and list price by SKU and currency.
        today: The day from which the deals' dates count back.
    """

    org: Org
    team: list[str]
    price_book: str
    entries: dict[tuple[str, str], tuple[str, str]]
    today: date

    def customer(self, customer: Customer) -> None:
        """Save an account with its contact, deals, quotes and orders."""
        common = {"OwnerId": self.team[customer.owner], "CurrencyIsoCode": customer.currency}
        account = {"Name": customer.name, "Phone": customer.contact.phone, **customer.values, **common}
        account_id = self.org.create("Account", account)
        contact_id = self.org.create("Contact", {**_contact(customer.contact), "AccountId": account_id, **common})
        parent = {"AccountId": account_id, "Pricebook2Id": self.price_book, **common}
        deals = {deal.name: self._deal(deal, {**parent, "ContactId": contact_id}) for deal in customer.deals}
        for quote in customer.quotes:
            self._quote(quote, deals[quote.deal], contact_id, customer)
        for order in customer.orders:
            self._order(order, {**parent, "BillToContactId": contact_id}, customer)

    def _deal(self, deal: Deal, parent: Mapping[str, Any]) -> str:
        day = self.today - timedelta(days=deal.days_ago)
        values = {"Name": deal.name, "StageName": deal.stage, "CloseDate": day, **parent, **deal.values}
        deal_id = self.org.create("Opportunity", values)
        self._lines("OpportunityLineItem", {"OpportunityId": deal_id}, deal.lines, parent["CurrencyIsoCode"])
        return deal_id

    def _quote(self, quote: QuoteData, deal_id: str, contact_id: str, customer: Customer) -> None:
        addresses = {name: value for name, value in customer.values.items() if name.startswith("Billing")}
        expires = self.today + timedelta(days=30)
        values = {
            "Name": quote.name,
            "OpportunityId": deal_id,
            "ContactId": contact_id,
            "Status": "Accepted",
            "BillingName": customer.name,
            "ExpirationDate": expires,
        }
        quote_id = self.org.create("Quote", {**values, **addresses, **quote.values})
        self._lines("QuoteLineItem", {"QuoteId": quote_id}, quote.lines, customer.currency)
        self.org.update("Opportunity", deal_id, {"SyncedQuoteId": quote_id})

    def _order(self, order: OrderData, parent: Mapping[str, Any], customer: Customer) -> None:
        addresses = {name: value for name, value in customer.values.items() if name.startswith("Billing")}
        day = self.today - timedelta(days=order.days_ago)
        values = {"Name": order.name, "Status": "Draft", "EffectiveDate": day, "PoDate": day}
        order_id = self.org.create("Order", {**values, **parent, **addresses, **order.values})
        self._lines("OrderItem", {"OrderId": order_id}, order.lines, customer.currency)
        self.org.update("Order", order_id, {"Status": "Activated"})

    def _lines(self, object_name: str, parent: Mapping[str, str], lines: tuple[Line, ...], currency: str) -> None:
        for line in lines:
            entry_id, list_price = self.entries[line.sku, currency]
            values = {
                "PricebookEntryId": entry_id,
                "Quantity": line.quantity,
                "UnitPrice": line.unit_price or list_price,
                "Description": line.description,
                **({"Discount": line.discount} if line.discount else {}),
            }
            self.org.create(object_name, {**parent, **values})


def _contact(person: Person) -> dict[str, Any]:
    return {
        "FirstName": person.first_name,
        "LastName": person.last_name,
        "Email": person.email,
        "Phone": person.phone,
    }
