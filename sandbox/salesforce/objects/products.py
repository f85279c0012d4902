"""Products, price books and the prices between them."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.objects.fields import (
    checkbox,
    currency,
    currency_code,
    datetime,
    erp_key,
    long_text,
    picklist,
    reference,
    sobject,
    text,
    url,
)
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

FAMILIES = ("Instruments", "Accessories", "Consumables", "Services")


def objects() -> list[SObject]:
    """Product2, Pricebook2 and PricebookEntry."""
    return [
        sobject("Product2", "01t", _product_fields(), label="Product"),
        sobject("Pricebook2", "01s", _price_book_fields(), label="Price Book"),
        sobject("PricebookEntry", "01u", _entry_fields(), label="Price Book Entry", plural="Price Book Entries"),
    ]


def _product_fields() -> list[Field]:
    return [
        text("Name", 255, label="Product Name", required=True, name_field=True),
        text("ProductCode", 255, indexed=True),
        long_text("Description", 4000, label="Product Description"),
        checkbox("IsActive", label="Active"),
        currency_code(required=True),
        picklist("Family", FAMILIES, label="Product Family"),
        text("ExternalId", 255),
        url("DisplayUrl"),
        picklist("QuantityUnitOfMeasure", ("Each", "Pack", "Litre", "Metre", "Day", "Year")),
        checkbox("IsArchived", label="Archived", calculated=True),
        text("StockKeepingUnit", 180, label="Product SKU", indexed=True),
        datetime("LastViewedDate", calculated=True),
        datetime("LastReferencedDate", calculated=True),
        erp_key(),
    ]


def _price_book_fields() -> list[Field]:
    return [
        text("Name", 255, label="Price Book Name", required=True, name_field=True),
        checkbox("IsActive", label="Active"),
        checkbox("IsArchived", label="Archived", calculated=True),
        long_text("Description", 255),
        checkbox("IsStandard", label="Is Standard Price Book", calculated=True),
        datetime("LastViewedDate", calculated=True),
        datetime("LastReferencedDate", calculated=True),
    ]


def _entry_fields() -> list[Field]:
    return [
        text("Name", 255, label="Product Name", calculated=True, name_field=True),
        reference(
            "Pricebook2Id",
            "Pricebook2",
            "PricebookEntries",
            label="Price Book ID",
            required=True,
            updateable=False,
            on_delete="cascade",
        ),
        reference(
            "Product2Id",
            "Product2",
            "PricebookEntries",
            label="Product ID",
            required=True,
            updateable=False,
            on_delete="cascade",
        ),
        currency_code(required=True, updateable=False),
        currency("UnitPrice", label="List Price", required=True),
        checkbox("IsActive", label="Active"),
        checkbox("UseStandardPrice", label="Use Standard Price"),
        text("ProductCode", 255, calculated=True),
        checkbox("IsArchived", label="Archived", calculated=True),
    ]
