"""What "exactly once" means, as clients see it that share no code with the connectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any

from world import World

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.tasks.report import RunReport

_SHOWN = ("ERP_Order_Number__c", "ERP_Status__c", "ERP_Sync_Status__c", "ERP_Sync_Error__c")


def assert_ordered_once(world: World, deals: Sequence[str]) -> None:
    """Each deal is one binding order of the ERP, and the CRM shows its number."""
    sales = world.sales(*deals)
    assert Counter(sale["reference"] for sale in sales) == Counter(deals)
    assert {sale["state"] for sale in sales} <= {"confirmed", "processing"}
    numbers = {sale["reference"]: sale["number"] for sale in sales}
    shown = {row["Id"]: [row[name] for name in _SHOWN] for row in _rows(world, "Opportunity", deals, _SHOWN)}
    assert shown == {deal: [numbers[deal], "Approved", "Synced", None] for deal in deals}


def assert_one_customer_each(world: World, accounts: Sequence[str]) -> None:
    """Each account is one customer of the ERP, and the CRM knows which."""
    customers = customers_of(world, accounts)
    assert [len(customers[account]) for account in accounts] == [1] * len(accounts)
    shown = {
        row["Id"]: (row["ERP_Id__c"], row["Type"]) for row in _rows(world, "Account", accounts, ("ERP_Id__c", "Type"))
    }
    assert shown == {account: (str(customers[account][0]), "Customer") for account in accounts}


def customers_of(world: World, accounts: Sequence[str]) -> dict[str, list[int]]:
    """Ids of the ERP's customers by the account that they carry the key of."""
    found: dict[str, list[int]] = {account: [] for account in accounts}
    domain = [("code", "in", list(accounts))]
    with world.rpc() as rpc:
        for row in rpc("model.party.identifier.search_read", domain, 0, None, None, ["code", "party"], world.context):
            found[row["code"]].append(row["party"])
    return found


def _rows(world: World, object_name: str, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
    named = ", ".join(f"'{each}'" for each in ids)
    query = f"SELECT Id, {', '.join(fields)} FROM {object_name} WHERE Id IN ({named})"
    return list(world.company.sf.query_all(query)["records"])


class Running:
    """A run in a thread of its own."""

    def __init__(self, world: World, integration: Integration, **parameters: Any) -> None:
        self._future: Future[RunReport] = Future()
        self._thread = Thread(target=self._run, args=(world, integration, parameters), daemon=True)
        self._thread.start()

    def _run(self, world: World, integration: Integration, parameters: dict[str, Any]) -> None:
        try:
            self._future.set_result(world.run(integration, **parameters))
        except BaseException as error:
            self._future.set_exception(error)

    def join(self, seconds: float = 60) -> None:
        """Wait until it has ended, but not longer than this."""
        self._thread.join(seconds)

    @property
    def report(self) -> RunReport:
        """The report of a run that has ended; raises what ended it otherwise."""
        return self._future.result(60)


@contextmanager
def running(world: World, integration: Integration, **parameters: Any) -> Iterator[Running]:
    """A run beside the test's own, which has ended when the block does."""
    run = Running(world, integration, **parameters)
    yield run
    run.join()
