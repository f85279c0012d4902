"""A company with an org and an ERP, for whole flows; the ERP is checked by a client of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fixtures_salesforce import Company, SandboxOrg
from pydantic import SecretStr

from prefect_crm_erp.blocks import Integration, Ledger, OrderPolicy, Subsidiary, SubsidiaryRouting, Tryton
from prefect_crm_erp.flows import quote_to_order
from prefect_crm_erp.models.outcomes import ReportRow
from prefect_crm_erp.sandbox.tryton import TrytonAccess
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc
from prefect_crm_erp.tasks.report import RunReport

NAMES = count(1)
BERLIN = {"BillingStreet": "Allee 1", "BillingCity": "Berlin", "BillingPostalCode": "10115", "BillingCountry": "DE"}
BOSTON = {
    "BillingStreet": "1 Main Street",
    "BillingCity": "Boston",
    "BillingState": "Massachusetts",
    "BillingPostalCode": "02101",
    "BillingCountry": "USA",
}


class World:
    """An empty org with products, the demo ERP, and an integration between them.

    Args:
        org: The Salesforce sandbox.
        erp: Access to the embedded Tryton.
        folder: Keeps the ledger.

    Attributes:
        began_at: When the test began: what is older, another test has left.
    """

    def __init__(self, org: SandboxOrg, erp: TrytonAccess, folder: Path) -> None:
        self.org = org
        self.access = erp
        self.folder = folder
        self.began_at = datetime.now(UTC)
        self.company = Company(org, ("USD", "GBP", "EUR", "JPY", "KWD"))
        for sku, price in (("NL-400", "189.90"), ("NL-410", "24.95"), ("NL-500", "64.33")):
            self.company.product(sku, price=price)

    # ---------------------------------------------------------------- the CRM

    def account(self, **fields: Any) -> str:
        """An account of Boston with a name of its own."""
        return self.company.account(**{"Name": f"Test Customer {next(NAMES)}", "Type": "Prospect", **BOSTON, **fields})

    def deal(
        self,
        lines: list[dict[str, Any]] | None = None,
        *,
        account: str | None = None,
        currency: str = "USD",
        **fields: Any,
    ) -> str:
        """A closed-won opportunity; one pH probe at 100.00 when no lines are given."""
        row = {"AccountId": account or self.account(), "CurrencyIsoCode": currency, **fields}
        (deal,) = self.company.opportunities([row])
        rows = [{"sku": "NL-400", "Quantity": 1, "UnitPrice": 100}] if lines is None else lines
        if rows:
            self.company.lines(deal, rows, currency)
        return deal

    def user(self, **fields: Any) -> str:
        """A user of the CRM with names and addresses of its own; gives the id."""
        number = next(NAMES)
        row = {
            "Username": f"seller{number}@field.example",
            "FirstName": "Sam",
            "LastName": f"Seller {number}",
            "Email": f"seller{number}@mail.example",
            "Alias": f"sel{number}",
            "TimeZoneSidKey": "UTC",
            "LocaleSidKey": "en_US",
            "EmailEncodingKey": "UTF-8",
            "LanguageLocaleKey": "en_US",
        }
        return self.company.create("User", [row | fields])[0]

    def crm(self, record: str, *fields: str, object_name: str = "Opportunity") -> dict[str, Any]:
        """Fields of a record as simple-salesforce reads them."""
        query = f"SELECT {', '.join(fields)} FROM {object_name} WHERE Id = '{record}'"
        return dict(self.company.sf.query(query)["records"][0])

    # ---------------------------------------------------------------- the ERP

    def sales(self, *keys: str) -> list[dict[str, Any]]:
        """Orders of the ERP by deal, read by a client of our own."""
        with self.rpc() as rpc:
            return list(
                rpc(
                    "model.sale.sale.search_read",
                    [("reference", "in", list(keys))],
                    0,
                    None,
                    [("id", "ASC")],
                    [
                        "reference",
                        "number",
                        "state",
                        "untaxed_amount",
                        "total_amount",
                        "currency.code",
                        "company.id",
                        "party.name",
                        "party.id",
                        "comment",
                        "description",
                        "sale_date",
                        "payment_term.name",
                    ],
                    self.context,
                )
            )

    def rpc(self) -> TrytonRpc:
        """A session of the administrator."""
        return TrytonRpc(self.access.url, self.access.database, self.access.admin_user, self.access.admin_password)

    @property
    def context(self) -> dict[str, Any]:
        """Tryton's context for all companies."""
        ids = [int(company.id) for company in self.access.companies]
        return {"company": ids[0], "companies": ids}

    # ---------------------------------------------------------------- between them

    def integration(self, **changes: Any) -> Integration:
        """The integration, with fields of it changed."""
        values: dict[str, Any] = {
            "crm": self.org.block(),
            "erp": self.tryton(),
            "ledger": Ledger(url=SecretStr(f"sqlite:///{self.folder / 'ledger.sqlite'}")),
            "routing": SubsidiaryRouting(
                subsidiaries=[
                    Subsidiary(name="US", company="US", countries=["US", "CA", "JP"]),
                    Subsidiary(name="UK", company="UK", countries=["GB", "IE"]),
                    Subsidiary(name="DE", company="DE", countries=["DE", "FR", "SE"]),
                ]
            ),
            "orders": OrderPolicy(retry_base_seconds=1),
            "ledger_name": "test",
        }
        return Integration(**{**values, **changes})

    def tryton(self, **changes: Any) -> Tryton:
        """A connection to the ERP."""
        values: dict[str, Any] = {
            "server_url": self.access.url,
            "database": self.access.database,
            "username": self.access.user,
            "password": SecretStr(self.access.password),
        }
        return Tryton(**{**values, **changes})

    def run(self, integration: Integration | None = None, **parameters: Any) -> RunReport:
        """Run quote-to-order, and check that every record is accounted for."""
        report = quote_to_order(integration=integration or self.integration(), **parameters)
        assert report.source == report.written + report.unchanged + report.queued + report.excluded == len(report.rows)
        return report

    def row(self, report: RunReport, key: str) -> ReportRow:
        """The report's row of a deal."""
        (row,) = [row for row in report.rows if row.crm_id == key]
        return row


def cents(value: Any) -> Decimal:
    """An amount with two decimal places."""
    return Decimal(value).quantize(Decimal("0.01"))


@pytest.fixture
def world(prefect: None, salesforce_sandbox: SandboxOrg, tryton_demo: TrytonAccess, tmp_path: Path) -> Iterator[World]:
    """A fresh org and ledger, and the ERP that the tests share."""
    salesforce_sandbox.reset(empty=True)
    salesforce_sandbox.clear_calls()
    yield World(salesforce_sandbox, tryton_demo, tmp_path)
    salesforce_sandbox.clear_calls()
