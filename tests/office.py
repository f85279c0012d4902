"""An office that sells, delivers and bills, and whose CRM shows it: for whole flows over documents of an ERP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fixtures_documents import TrytonBooks
from world import World

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.blocks.ledger import Binding
from prefect_crm_erp.flows import invoice_back_sync
from prefect_crm_erp.models.outcomes import ReportRow
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.tasks.document_kinds import KINDS
from prefect_crm_erp.tasks.extract import OVERLAP
from prefect_crm_erp.tasks.report import RunReport

US = "US"
_INVOICE = (
    "Name",
    "Type__c",
    "Status__c",
    "Total__c",
    "Untaxed__c",
    "Tax__c",
    "Balance__c",
    "Company_Balance__c",
    "Company_Total__c",
    "Due_Date__c",
    "CurrencyIsoCode",
    "Account__c",
    "Opportunity__c",
    "ERP_Order__c",
)


class Office:
    """A company that sells, delivers and bills, and whose CRM shows it.

    Args:
        world: The org, the ERP and the integration between them.
        books: The people who work in the ERP.
    """

    def __init__(self, world: World, books: TrytonBooks) -> None:
        self.world = world
        self.books = books

    def customer(self) -> tuple[str, str]:
        """An account that has become a customer with its first deal, and its id in the ERP."""
        account = self.world.account()
        deal = self.world.deal(account=account)
        self.world.run()
        (sale,) = self.world.sales(deal)
        return account, str(sale["party."]["id"])

    def order(self, account: str, party: str, currency: str, prices: tuple[str, ...]) -> tuple[str, str]:
        """An order of the ERP for an opportunity, billed by what is shipped; the opportunity and the order."""
        (deal,) = self.world.company.opportunities([{"AccountId": account, "CurrencyIsoCode": currency}])
        order = self.books.order(US, currency, prices, key=deal, to=party, quantity=4)
        self.books.bill_what_is_shipped(US, order)
        self.books.confirm(US, order)
        return deal, order

    def buyer(self) -> tuple[str, str]:
        """An account that is a customer already, and its id in the ERP."""
        account, party = self.world.account(), str(self.books.seller.customer(US, "US"))
        self.link(account, party)
        return account, party

    def invoice(self, account: str, party: str, currency: str = "USD", price: str = "100.00") -> tuple[str, str]:
        """A draft invoice of an order of three, for an opportunity; the opportunity and the invoice."""
        (deal,) = self.world.company.opportunities([{"AccountId": account, "CurrencyIsoCode": currency}])
        order = self.books.order(US, currency, (price,), key=deal, to=party)
        self.books.confirm(US, order)
        (invoice,) = self.books.invoices_of(US, order)
        return deal, invoice

    def link(self, account: str, party: str) -> None:
        """Tie an account to a customer, as account sync does."""
        with self.world.integration().ledger.open().for_integration("test") as store:
            store.start_run("by hand", flow="account-sync", source="both", dry_run=False)
            store.bind("by hand", [Binding("customer", account, "main", "", party, "made by hand")])

    def sync(self, flow: Any = invoice_back_sync, integration: Integration | None = None, **options: Any) -> RunReport:
        report: RunReport = flow(integration=integration or self.world.integration(), **options)
        assert report.source == report.written + report.unchanged + report.queued + report.excluded == len(report.rows)
        return report

    def sync_later(self, integration: Integration | None = None) -> RunReport:
        """A run long afterwards: nothing counts as changed, so that only what waits is looked at."""
        self.read_from(datetime.now(UTC) + timedelta(days=1))
        report = self.sync(integration=integration)
        self.read_from(datetime.now(UTC))
        return report

    def read_from(self, moment: datetime) -> None:
        """Take for read whatever happened in the ERP up to a moment."""
        start = Cursor(moment + OVERLAP)
        with self.world.integration().ledger.open().for_integration("test") as store:
            for name in KINDS:
                store.rewind(f"{name} documents of main")
                store.advance(f"{name} documents of main", start)

    def row(self, report: RunReport, erp_id: str, kind: str = "invoice") -> ReportRow:
        """The report's row of a document."""
        (row,) = [row for row in report.rows if row.crm_id == f"main:{kind}:{erp_id}"]
        return row

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Records of the CRM as simple-salesforce reads them, amounts as Decimals."""
        found = self.world.company.sf.query_all(query)["records"]
        return [
            {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in row.items()}
            for row in found
        ]

    def shown(self, account: str) -> dict[str, dict[str, Any]]:
        """The account's invoices by the ERP's id."""
        fields = ", ".join(("ERP_Id__c", *_INVOICE))
        rows = self.rows(f"SELECT {fields} FROM ERP_Invoice__c WHERE Account__c = '{account}'")
        return {row["ERP_Id__c"]: row for row in rows}

    def check(self, account: str, party: str) -> None:
        """Every amount that the CRM shows of the account's invoices is the ERP's own."""
        shown = self.shown(account)
        domain = [("party", "=", int(party)), ("type", "=", "out"), ("state", "in", ["posted", "paid"])]
        names = ("number", "untaxed_amount", "tax_amount", "total_amount", "amount_to_pay", "currency.code")
        told = {str(row["id"]): row for row in self.books.clerk.find("account.invoice", US, domain, *names)}
        assert shown.keys() == told.keys()
        for erp_id, row in told.items():
            copy = shown[erp_id]
            assert copy["Name"] == row["number"]
            assert copy["CurrencyIsoCode"] == row["currency."]["code"]
            amounts = [copy[name] for name in ("Untaxed__c", "Tax__c", "Total__c", "Balance__c")]
            assert amounts == [row[name] for name in ("untaxed_amount", "tax_amount", "total_amount", "amount_to_pay")]
            self.check_books(erp_id, copy)
        assert sum(row["Company_Balance__c"] for row in shown.values()) == self.receivable(party)

    def check_books(self, erp_id: str, copy: dict[str, Any]) -> None:
        """The lines of an invoice, its due date and what is booked for it are the ERP's own."""
        told = self.books.told(US, erp_id)
        assert (copy["Company_Total__c"], copy["Due_Date__c"]) == (told["booked"], told["due"] and str(told["due"]))
        where = f"ERP_Invoice__r.ERP_Id__c = '{erp_id}'"
        rows = self.rows(f"SELECT ERP_Id__c, Quantity__c, Amount__c FROM ERP_Invoice_Line__c WHERE {where}")
        lines = {row["ERP_Id__c"]: (row["Quantity__c"] or 0, row["Amount__c"]) for row in rows}
        assert lines == {str(each["id"]): (each["quantity"] or 0, each["amount"] or 0) for each in told["lines"]}

    def receivable(self, party: str) -> Decimal:
        """What the customer owes, as the ERP's books say, in the company's currency."""
        (row,) = self.books.clerk.find("party.party", US, [("id", "=", int(party))], "receivable")
        owed: Decimal = row["receivable"]
        return owed


@pytest.fixture
def office(world: World, tryton_books: TrytonBooks) -> Office:
    """An office that reads what happens in the ERP from now on; others have worked there before."""
    return opened(world, tryton_books)


def opened(world: World, books: TrytonBooks) -> Office:
    """The office of a world, from now on."""
    office = Office(world, books)
    office.read_from(datetime.now(UTC))
    return office
