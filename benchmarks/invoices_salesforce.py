"""The CRM's side of the sample invoices: accounts and products, and the proof that every document stands there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from benchmarks.common import say
from benchmarks.invoices_data import PRODUCTS, SampleCustomer, SampleInvoice
from benchmarks.invoices_erp import InvoiceBooks, Keys
from benchmarks.salesforce_client import Row, SalesforceClient

INVOICE: Final = "ERP_Invoice__c"
LINE: Final = "ERP_Invoice_Line__c"
PAYMENT: Final = "ERP_Payment__c"
APPLICATION: Final = "ERP_Payment_Application__c"
_COLUMNS: Final = {
    INVOICE: (
        "Name, Account__c, Type__c, Status__c, CurrencyIsoCode, Invoice_Date__c, Due_Date__c, Paid_On__c, "
        "Customer_Reference__c, Payment_Terms__c, Untaxed__c, Tax__c, Total__c, Balance__c, Company_Balance__c"
    ),
    LINE: "ERP_Invoice__r.ERP_Id__c, Product__c, SKU__c, Quantity__c, Unit_Price__c, Amount__c",
    PAYMENT: "Account__c, Status__c, Payment_Date__c, Amount__c, CurrencyIsoCode",
    APPLICATION: "ERP_Payment__r.ERP_Id__c, ERP_Invoice__r.ERP_Id__c, Amount__c",
}
_BALANCE: Final = "ERP_Open_Balance__c"
_EXAMPLES: Final = 20


def fill_salesforce(
    salesforce: SalesforceClient, customers: Sequence[SampleCustomer], books: InvoiceBooks
) -> dict[int, str]:
    """Create the products, and an account for each customer that carries the ERP's id.

    Returns:
        Ids of the accounts by number of the customer.
    """
    products = [{"Name": each.name, "ProductCode": each.sku} for each in PRODUCTS]
    salesforce.create("Product2", [each | {"IsActive": True} for each in products])
    rows = [
        {"Name": each.name, "CurrencyIsoCode": each.currency, "ERP_Id__c": str(books.customer_id(each.number))}
        for each in customers
    ]
    ids = salesforce.create("Account", rows)
    say(f"Salesforce has {len(ids)} accounts and {len(products)} products")
    return dict(zip((each.number for each in customers), ids, strict=True))


def product_ids(salesforce: SalesforceClient) -> dict[str, str]:
    """Ids of the products by SKU."""
    return {row["ProductCode"]: row["Id"] for row in salesforce.query("SELECT Id, ProductCode FROM Product2")}


# -------------------------------------------------------------------- the proof


@dataclass(slots=True)
class Proof:
    """How the copies in Salesforce differ from the documents.

    Attributes:
        records: Invoices, lines, payments and applications that stand there.
        not_written: Those that do not.
        doubled: Surplus ones: a second one, or one that belongs to no document.
        wrong: Those of which a value is not the document's own: an amount to the cent, a day, a link.
        wrong_balances: Accounts that do not show the sum of their documents' balances.
        examples: Some of the differences, in words.
    """

    records: int = 0
    not_written: int = 0
    doubled: int = 0
    wrong: int = 0
    wrong_balances: int = 0
    examples: list[str] = field(default_factory=list)


def prove(
    salesforce: SalesforceClient,
    invoices: Iterable[SampleInvoice],
    accounts: Mapping[int, str],
    books: InvoiceBooks,
) -> Proof:
    """Compare all copies in Salesforce with the documents, value by value.

    Args:
        salesforce: A client that is not the connector.
        invoices: The documents.
        accounts: Ids of the accounts by number of the customer.
        books: Where the documents stand in the ERP, by another client than the connector.
    """
    expected: dict[str, dict[str, Row]] = {name: {} for name in _COLUMNS}
    open_balances: dict[str, Decimal] = defaultdict(Decimal)
    products = product_ids(salesforce)
    for invoice in invoices:
        account = accounts[invoice.customer]
        open_balances[account] += invoice.balance
        for name, key, values in _copies(invoice, books.keys(invoice), account, products):
            expected[name][key] = values
    proof = Proof()
    for name, columns in _COLUMNS.items():
        _compare(proof, name, salesforce.query(f"SELECT ERP_Id__c, {columns} FROM {name}"), expected.pop(name))
    _compare_balances(proof, salesforce, open_balances)
    return proof


def _compare_balances(proof: Proof, salesforce: SalesforceClient, expected: Mapping[str, Decimal]) -> None:
    shown = {row["Id"]: row[_BALANCE] for row in salesforce.query(f"SELECT Id, {_BALANCE} FROM Account")}
    for account, balance in expected.items():
        if shown[account] != balance:
            proof.wrong_balances += 1
            _note(proof, f"Account {account}: {shown[account]} is open instead of {balance}")


def _compare(proof: Proof, name: str, found: list[Row], expected: dict[str, Row]) -> None:
    for row in found:
        key = row["ERP_Id__c"]
        wanted = expected.pop(key, None)
        if wanted is None:
            proof.doubled += 1
            _note(proof, f"{name} {key}: it belongs to no document, or stands there twice")
            continue
        proof.records += 1
        has = {path: _at(row, path) for path in wanted}
        if has != wanted:
            proof.wrong += 1
            differing = [
                f"{path} {has[path]!r} instead of {wanted[path]!r}" for path in wanted if has[path] != wanted[path]
            ]
            _note(proof, f"{name} {key}: {'; '.join(differing)}")
    proof.not_written += len(expected)
    for key in expected:
        _note(proof, f"{name} {key}: not written")


def _note(proof: Proof, example: str) -> None:
    if len(proof.examples) < _EXAMPLES:
        proof.examples.append(example)


def _at(row: Row, path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value and value[name]
    return value


def _copies(
    invoice: SampleInvoice, keys: Keys, account: str, products: Mapping[str, str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What must stand in Salesforce of one document: object, key and values."""
    yield INVOICE, str(keys.invoice), _invoice(invoice, account) | {"Name": keys.number}
    for line_id, line in zip(keys.lines, invoice.lines, strict=True):
        product = PRODUCTS[line.product]
        values = {
            "ERP_Invoice__r.ERP_Id__c": str(keys.invoice),
            "Product__c": products[product.sku],
            "SKU__c": product.sku,
            "Quantity__c": line.quantity,
            "Unit_Price__c": line.unit_price,
            "Amount__c": line.amount,
        }
        yield LINE, str(line_id), values
    if not invoice.paid or invoice.paid_on is None:
        return
    payment = str(keys.payment)
    values = {
        "Account__c": account,
        "Status__c": "Posted",
        "Payment_Date__c": invoice.paid_on.isoformat(),
        "Amount__c": invoice.paid,
        "CurrencyIsoCode": invoice.currency,
    }
    yield PAYMENT, payment, values
    values = {
        "ERP_Payment__r.ERP_Id__c": payment,
        "ERP_Invoice__r.ERP_Id__c": str(keys.invoice),
        "Amount__c": invoice.paid,
    }
    yield APPLICATION, f"{keys.paying_line}-{keys.invoice}", values


def _invoice(invoice: SampleInvoice, account: str) -> dict[str, Any]:
    is_settled = invoice.balance == Decimal(0) and invoice.paid_on is not None
    return {
        "Account__c": account,
        "Type__c": "Credit Memo" if invoice.is_memo else "Invoice",
        "Status__c": invoice.status,
        "CurrencyIsoCode": invoice.currency,
        "Invoice_Date__c": invoice.date.isoformat(),
        "Due_Date__c": invoice.due.isoformat(),
        "Paid_On__c": invoice.paid_on.isoformat() if is_settled and invoice.paid_on else None,
        "Customer_Reference__c": invoice.reference,
        "Payment_Terms__c": invoice.terms,
        "Untaxed__c": invoice.untaxed,
        "Tax__c": invoice.tax,
        "Total__c": invoice.total,
        "Balance__c": invoice.balance,
        "Company_Balance__c": invoice.balance,
    }
