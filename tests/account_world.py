"""A world for account sync: its runs, and the ERP's customers through a client that is not ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from erp_client import ErpClient
from world import World

from prefect_crm_erp.blocks import AccountPolicy, Integration, NewCustomers
from prefect_crm_erp.flows import account_sync
from prefect_crm_erp.models.outcomes import ReportRow
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc
from prefect_crm_erp.tasks.account_run import AccountRun, Direction
from prefect_crm_erp.tasks.extract import OVERLAP
from prefect_crm_erp.tasks.report import RunReport

_PARTY = [
    "name",
    "code",
    "active",
    "tax_identifier.code",
    "customer_payment_term.name",
    *(f"addresses.{name}" for name in ("street", "city", "postal_code", "country.code", "invoice", "delivery")),
    *(f"contact_mechanisms.{name}" for name in ("type", "value", "name", "comment")),
]


class AccountWorld:
    """A company whose accounts all become customers, and its ERP.

    Args:
        world: The org, the ERP and the integration between them.
        rpc: A session of the ERP's administrator.
    """

    def __init__(self, world: World, rpc: TrytonRpc) -> None:
        self.world = world
        self.rpc = rpc

    def integration(self, **changes: Any) -> Integration:
        """The integration; fields of its account policy may be given under `policy`."""
        policy = {"new_customers": NewCustomers.ALL, **changes.pop("policy", {})}
        return self.world.integration(accounts=AccountPolicy(**policy), **changes)

    def sync(self, integration: Integration | None = None, **parameters: Any) -> RunReport:
        """Run account sync, and check that every record is accounted for."""
        report = account_sync(integration=integration or self.integration(), **parameters)
        assert report.source == report.written + report.unchanged + report.queued + report.excluded == len(report.rows)
        return report

    @contextmanager
    def run(self) -> Iterator[AccountRun]:
        """A run of which a test calls single tasks."""
        integration = self.integration()
        with integration.ledger.open().for_integration("test") as store:
            store.start_run("by hand", flow="account-sync", source="both", dry_run=False)
            yield AccountRun(integration, Direction.BOTH, run_id="by hand", store=store)

    def row(self, report: RunReport, key: str) -> ReportRow:
        """The report's row of an account or customer."""
        (row,) = [row for row in report.rows if row.crm_id == key]
        return row

    def in_step(self, report: RunReport) -> bool:
        """Whether a run wrote nothing and nothing waits."""
        return (report.written, report.queued) == (0, 0)

    # ---------------------------------------------------------------- the CRM

    def account(self, **fields: Any) -> str:
        """A new account of Boston, with a name of its own."""
        return self.world.account(**fields)

    def edit(self, account: str, **fields: Any) -> None:
        """Change an account as a user does."""
        self.world.company.sf.Account.update(account, fields)

    def shown(self, account: str, *fields: str) -> dict[str, Any]:
        """Fields of an account as simple-salesforce reads them."""
        return self.world.crm(account, *fields, object_name="Account")

    def contact(self, account: str, **fields: Any) -> str:
        """A new contact."""
        (contact,) = self.world.company.create("Contact", [{"AccountId": account, "LastName": "Roe", **fields}])
        return contact

    # ---------------------------------------------------------------- the ERP

    def parties(self, account: str) -> list[int]:
        """Ids of the parties that carry an account's id."""
        domain = [("code", "=", account)]
        rows = self.rpc("model.party.identifier.search_read", domain, 0, None, None, ["party"], self.world.context)
        return sorted({int(row["party"]) for row in rows})

    def party(self, account: str) -> dict[str, Any]:
        """The one party of an account."""
        (party,) = self.parties(account)
        return self.read(party)

    def numbers(self, account: str) -> list[str]:
        """E-mail addresses and phone numbers of an account's party, without Tryton's spaces and hyphens in numbers."""
        rows = self.party(account)["contact_mechanisms."]
        return sorted(row["value"] if "@" in row["value"] else re.sub(r"[ -]", "", row["value"]) for row in rows)

    def read(self, party: int) -> dict[str, Any]:
        """A party with what belongs to it."""
        (row,) = self.rpc("model.party.party.read", [party], _PARTY, self.world.context)
        return dict(row)

    def change(self, party: int, **values: Any) -> None:
        """Change a party as a user of the ERP does."""
        self.rpc("model.party.party.write", [party], values, self.world.context)

    def phone(self, party: int, number: str) -> None:
        """Give a party another phone number."""
        rows = [row for row in self.read(party)["contact_mechanisms."] if row["type"] == "phone" and not row["name"]]
        new = ("create", [{"type": "phone", "value": number}])
        changed = ("write", [rows[0]["id"]], {"value": number}) if rows else new
        self.change(party, contact_mechanisms=[changed])

    def move(self, party: int, **values: Any) -> None:
        """Change a party's address."""
        self.change(party, addresses=[("write", [self.read(party)["addresses."][0]["id"]], values)])

    def terms(self, party: int, name: str) -> None:
        """Give a party other payment terms."""
        (term,) = self.rpc(
            "model.account.invoice.payment_term.search", [("name", "=", name)], 0, None, None, self.world.context
        )
        self.change(party, customer_payment_term=term)

    def parent(self, party: int) -> int | None:
        """The parent of a party in the ERP's hierarchy."""
        names = ["relations.to", "relations.type.name"]
        (row,) = self.rpc("model.party.party.read", [party], names, self.world.context)
        up = [each["to"] for each in row["relations."] if each["type."]["name"] == "is subsidiary of"]
        assert len(up) <= 1
        return int(up[0]) if up else None

    def sell(self, party: int) -> None:
        """Write an order for a party in the ERP."""
        client = ErpClient(self.world.access)
        client.order("US", party, "USD", [client.line("US", party, "NL-400", 1, "100")])

    def accounts_named(self, name: str) -> list[dict[str, Any]]:
        """Accounts with a name."""
        query = f"SELECT Id, Type, BillingCity, BillingCountry FROM Account WHERE Name = '{name}'"
        return [dict(row) for row in self.world.company.sf.query(query)["records"]]

    def new_party(self, name: str, **values: Any) -> int:
        """A customer that somebody made in the ERP."""
        (country,) = self.rpc("model.country.country.search", [("code", "=", "US")], 0, None, None, self.world.context)
        address = {"street": "5 Elm Street", "city": "Salem", "postal_code": "01970", "country": country}
        party = {"name": name, "addresses": [("create", [address])], **values}
        return int(self.rpc("model.party.party.create", [party], self.world.context)[0])


def reading_from_now(world: World) -> None:
    """Of the ERP that the tests share, runs see what happens from now on, and nothing before it."""
    with world.integration().ledger.open().for_integration("test") as store:
        store.advance("customers of main", Cursor(datetime.now(UTC) + OVERLAP))


@pytest.fixture
def accounts(world: World) -> Iterator[AccountWorld]:
    """A fresh org and ledger, and the ERP that the tests share."""
    reading_from_now(world)
    with world.rpc() as rpc:
        yield AccountWorld(world, rpc)
