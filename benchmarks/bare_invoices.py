"""Invoices and payments straight from Tryton into Salesforce: the best that a competent engineer gets out of both APIs.

It reads the same rows as the connector — invoices with their lines and what is booked for them, payments with what
they settle — 1,000 in a request over one connection that is kept alive, and uploads each object's copies in one job of
the Bulk API 2.0. It checks nothing, remembers nothing, works out no figures of accounts, and writes everything anew
when it is run again.

A process of its own: reads a job from standard input, as `benchmarks.common.run_module` gives it, and prints the
outcome.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from benchmarks.common import Stopwatch, peak_memory_mb, say
from benchmarks.invoices_salesforce import APPLICATION, INVOICE, LINE, PAYMENT, product_ids
from benchmarks.salesforce_client import SalesforceClient
from prefect_crm_erp.sandbox.salesforce.access import SalesforceAccess
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

ROWS_PER_CALL: Final = 1000
_NOTHING: Final = "#N/A"
_OF_INVOICE: Final = (
    *("number", "reference", "state", "invoice_date", "reconciled", "party", "last_modified_at"),
    *("company.party.name", "company.currency.code", "currency.code", "payment_term.name"),
    *("untaxed_amount", "tax_amount", "total_amount", "amount_to_pay"),
    *(f"lines.{name}" for name in ("description", "quantity", "unit_price", "amount", "unit.name")),
    *("lines.product.code", "lines.product.name"),
    *(f"move.lines.{name}" for name in ("origin", "debit", "credit")),
    *(f"lines_to_pay.{name}" for name in ("maturity_date", "debit", "credit", "reconciliation")),
    *(f"payment_lines.{name}" for name in ("debit", "credit", "reconciliation")),
)
_OF_PAYMENT: Final = (
    *("party", "debit", "credit", "reconciliation", "invoice_payments"),
    *("move.number", "move.date", "move.description", "move.last_modified_at", "move.journal.name"),
    *("move.company.party.name", "move.company.currency.code"),
)
_INVOICES: Final = [["type", "=", "out"], ["state", "in", ["posted", "paid"]]]
_PAYMENTS: Final = [
    ["account.type.receivable", "=", True],
    ["move.state", "=", "posted"],
    ["move.journal.type", "in", ["cash", "statement"]],
]

Row = dict[str, Any]


def copy_invoices(salesforce: SalesforceClient, rpc: TrytonRpc, address: str) -> int:
    """Copy all invoices and payments, and give how many there are.

    Args:
        salesforce: Where they go.
        rpc: A signed-in session of Tryton.
        address: Where a person opens records in Tryton's web client.
    """
    copier = _Copier(salesforce, address)
    for row in _pages(rpc, "account.invoice", _INVOICES, _OF_INVOICE):
        copier.take_invoice(row)
    for row in _pages(rpc, "account.move.line", _PAYMENTS, _OF_PAYMENT):
        copier.take_payment(row)
    say("Bare script: everything was read")
    return copier.upload()


def _pages(rpc: TrytonRpc, model: str, domain: Sequence[Any], names: Sequence[str]) -> Iterator[Row]:
    last = 0
    while True:
        page = [*domain, ["id", ">", last]]
        rows = rpc(f"model.{model}.search_read", page, 0, ROWS_PER_CALL, [["id", "ASC"]], names, {})
        yield from rows
        if len(rows) < ROWS_PER_CALL:
            return
        last = rows[-1]["id"]


class _Copier:
    """The copies of all objects as CSV files.

    Args:
        salesforce: Where they go.
        address: Where a person opens records in Tryton's web client.
    """

    def __init__(self, salesforce: SalesforceClient, address: str) -> None:
        self._salesforce = salesforce
        self._address = address
        self._accounts = {row["ERP_Id__c"]: row["Id"] for row in salesforce.query("SELECT Id, ERP_Id__c FROM Account")}
        self._products = product_ids(salesforce)
        self._files = {name: _File() for name in (INVOICE, LINE, PAYMENT, APPLICATION)}
        self._settled: dict[int, int] = {}

    def take_invoice(self, row: Row) -> None:
        """Write an invoice and its lines."""
        self._settled |= {each["reconciliation"]: row["id"] for each in row["lines_to_pay."] if each["reconciliation"]}
        self._files[INVOICE].add(self._invoice(row))
        for position, line in enumerate(row["lines."], 1):
            self._files[LINE].add(self._line(row, line, position))

    def take_payment(self, row: Row) -> None:
        """Write a payment and what it is applied to."""
        move, amount = row["move."], row["credit"] - row["debit"]
        company = move["company."]["currency."]["code"]
        values = {
            "ERP_Id__c": move["id"],
            "Name": move["number"],
            "Account__c": self._accounts[str(row["party"])],
            "Company__c": move["company."]["party."]["name"],
            "Status__c": "Posted",
            "ERP_Modified_At__c": move["last_modified_at"],
            "ERP_URL__c": f"{self._address}/account.move/{move['id']}",
            "Method__c": move["journal."]["name"],
            "Reference__c": move["description"],
            "Payment_Date__c": move["date"],
            "Amount__c": amount,
            "Company_Currency__c": company,
            "Company_Amount__c": amount,
            "CurrencyIsoCode": company,
        }
        self._files[PAYMENT].add(values)
        for invoice in {self._settled[row["reconciliation"]]} if row["reconciliation"] else row["invoice_payments"]:
            self._files[APPLICATION].add(
                {
                    "ERP_Id__c": f"{row['id']}-{invoice}",
                    "ERP_Payment__r.ERP_Id__c": move["id"],
                    "ERP_Invoice__r.ERP_Id__c": invoice,
                    "Amount__c": amount,
                    "Company_Amount__c": amount,
                    "CurrencyIsoCode": company,
                }
            )

    def upload(self) -> int:
        """Upload all files, and give how many documents they have."""
        for name, file in self._files.items():
            if file.rows:
                self._salesforce.upsert_by_job(name, "ERP_Id__c", file.content())
        return self._files[INVOICE].rows + self._files[PAYMENT].rows

    def _invoice(self, row: Row) -> Row:
        balance, total, is_open = row["amount_to_pay"], row["total_amount"], row["state"] == "posted"
        open_lines = [each for each in row["lines_to_pay."] + row["payment_lines."] if not each["reconciliation"]]
        revenue = [each for each in row["move."]["lines."] if (each["origin"] or "").startswith("account.invoice.line")]
        return {
            "ERP_Id__c": row["id"],
            "Name": row["number"],
            "Account__c": self._accounts[str(row["party"])],
            "Company__c": row["company."]["party."]["name"],
            "Status__c": ("Open" if balance == total else "Partly Paid") if is_open else "Paid",
            "ERP_Modified_At__c": row["last_modified_at"],
            "ERP_URL__c": f"{self._address}/account.invoice/{row['id']}",
            "Type__c": "Credit Memo" if total < 0 else "Invoice",
            "Invoice_Date__c": row["invoice_date"],
            "Due_Date__c": max(each["maturity_date"] for each in row["lines_to_pay."]),
            "Paid_On__c": row["reconciled"],
            "Customer_Reference__c": row["reference"],
            "Payment_Terms__c": row["payment_term."]["name"],
            "Untaxed__c": row["untaxed_amount"],
            "Tax__c": row["tax_amount"],
            "Total__c": total,
            "Balance__c": balance,
            "Company_Currency__c": row["company."]["currency."]["code"],
            "Company_Untaxed__c": -_balance(revenue),
            "Company_Total__c": _balance(row["lines_to_pay."]),
            "Company_Balance__c": _balance(open_lines) if is_open else Decimal(0),
            "CurrencyIsoCode": row["currency."]["code"],
        }

    def _line(self, invoice: Row, row: Row, position: int) -> Row:
        return {
            "ERP_Id__c": row["id"],
            "ERP_Invoice__r.ERP_Id__c": invoice["id"],
            "Product__c": self._products[row["product."]["code"]],
            "Position__c": position,
            "SKU__c": row["product."]["code"],
            "Description__c": row["description"] or row["product."]["name"],
            "Quantity__c": row["quantity"],
            "Unit__c": row["unit."]["name"],
            "Unit_Price__c": row["unit_price"],
            "Amount__c": row["amount"],
            "CurrencyIsoCode": invoice["currency."]["code"],
        }


def _balance(lines: Sequence[Row]) -> Decimal:
    return sum((each["debit"] - each["credit"] for each in lines), Decimal(0))


class _File:
    """A file of comma-separated values that grows by rows with the same columns."""

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")
        self.rows = 0

    def add(self, row: Row) -> None:
        """Write a row."""
        if not self.rows:
            self._writer.writerow(row)
        self._writer.writerow([_cell(value) for value in row.values()])
        self.rows += 1

    def content(self) -> bytes:
        """The file as it is uploaded."""
        return self._text.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None:
        return _NOTHING
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return value.isoformat() if isinstance(value, date) else value


def main() -> None:
    """Do the job that standard input describes."""
    job = json.load(sys.stdin)
    access = job["tryton"]
    with (
        Stopwatch() as stopwatch,
        SalesforceClient(SalesforceAccess(**job["salesforce"])) as salesforce,
        TrytonRpc(**access) as rpc,
    ):
        count = copy_invoices(salesforce, rpc, f"{access['url']}/#{access['database']}/model")
    measured = {"seconds": stopwatch.seconds, "cpu_seconds": stopwatch.cpu_seconds}
    print(json.dumps(measured | {"peak_memory_mb": peak_memory_mb(), "written": count}))


if __name__ == "__main__":
    main()
