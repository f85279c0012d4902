"""Northwind in Salesforce: customers, products, and every order as a closed-won opportunity with its lines."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from benchmarks.common import Dates, say
from benchmarks.northwind_data import CURRENCY, Customer, Line, Northwind, Order, Product
from benchmarks.salesforce_client import Row, SalesforceClient

_FILLED_OBJECTS: Final = ("Account", "Product2", "PricebookEntry", "Opportunity", "OpportunityLineItem")


def fill_salesforce(salesforce: SalesforceClient, northwind: Northwind) -> dict[str, Order]:
    """Create all of Northwind through Salesforce's API.

    Returns:
        The orders by the ids of their opportunities.
    """
    book = _standard_price_book(salesforce)
    accounts = salesforce.create("Account", [_account(each) for each in northwind.customers])
    say(f"Salesforce has {len(accounts)} accounts")
    entries = _create_products(salesforce, northwind, book)
    say(f"Salesforce has {len(entries)} products with their prices")
    account_ids = dict(zip((each.id for each in northwind.customers), accounts, strict=True))
    rows = [_opportunity(order, account_ids[order.customer.id], book) for order in northwind.orders]
    opportunities = salesforce.create("Opportunity", rows)
    lines = [
        _line(line, opportunity, entries)
        for order, opportunity in zip(northwind.orders, opportunities, strict=True)
        for line in order.lines
    ]
    salesforce.create("OpportunityLineItem", lines)
    say(f"Salesforce has {len(opportunities)} closed-won opportunities with {len(lines)} lines")
    return dict(zip(opportunities, northwind.orders, strict=True))


def not_written_back(salesforce: SalesforceClient, orders: Mapping[str, Order]) -> int:
    """How many opportunities do not show their ERP order and its amount after a run."""
    rows = salesforce.query("SELECT Id, ERP_Order_Number__c, ERP_Sync_Status__c, ERP_Amount__c FROM Opportunity")
    shown = {row["Id"] for row in rows if _shows_its_order(row, orders)}
    return len(orders.keys() - shown)


def salesforce_dates(salesforce: SalesforceClient) -> Dates:
    """When each record was last changed, to the second."""
    return {
        (name, row["Id"]): row["SystemModstamp"]
        for name in _FILLED_OBJECTS
        for row in salesforce.query(f"SELECT Id, SystemModstamp FROM {name}")
    }


def _shows_its_order(row: Row, orders: Mapping[str, Order]) -> bool:
    synced = bool(row["ERP_Order_Number__c"]) and row["ERP_Sync_Status__c"] == "Synced"
    return synced and row["Id"] in orders and row["ERP_Amount__c"] == orders[row["Id"]].total


def _standard_price_book(salesforce: SalesforceClient) -> str:
    (book,) = salesforce.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")
    return str(book["Id"])


def _create_products(salesforce: SalesforceClient, northwind: Northwind, book: str) -> dict[int, str]:
    """Create the products, and give the ids of their standard price-book entries."""
    products = salesforce.create("Product2", [_product(each) for each in northwind.products])
    rows = [_entry(product, each, book) for product, each in zip(northwind.products, products, strict=True)]
    entries = salesforce.create("PricebookEntry", rows)
    return dict(zip((each.id for each in northwind.products), entries, strict=True))


def _account(customer: Customer) -> Row:
    return {
        "Name": customer.name,
        "CurrencyIsoCode": CURRENCY,
        "Phone": customer.phone,
        "BillingStreet": customer.street,
        "BillingCity": customer.city,
        "BillingState": customer.region,
        "BillingPostalCode": customer.postal_code,
        "BillingCountry": customer.country,
    }


def _product(product: Product) -> Row:
    return {"Name": product.name, "ProductCode": product.sku, "IsActive": True, "CurrencyIsoCode": CURRENCY}


def _entry(product: Product, product_id: str, book: str) -> Row:
    return {
        "Pricebook2Id": book,
        "Product2Id": product_id,
        "CurrencyIsoCode": CURRENCY,
        "UnitPrice": product.unit_price,
        "IsActive": True,
    }


def _opportunity(order: Order, account: str, book: str) -> Row:
    return {
        "Name": f"Northwind {order.id}",
        "AccountId": account,
        "CloseDate": order.date.isoformat(),
        "StageName": "Closed Won",
        "CurrencyIsoCode": CURRENCY,
        "Pricebook2Id": book,
    }


def _line(line: Line, opportunity: str, entries: Mapping[int, str]) -> Row:
    return {
        "OpportunityId": opportunity,
        "PricebookEntryId": entries[line.product.id],
        "Quantity": Decimal(line.quantity),
        "UnitPrice": line.unit_price,
        "Discount": line.discount * 100,
    }
