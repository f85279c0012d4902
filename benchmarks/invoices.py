"""`python -m benchmarks.invoices --invoices 10000`: the documents of an ERP show in Salesforce, and the proof."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import common
from benchmarks.common import CallCounter, Calls, Figure, Goal, say
from benchmarks.invoices_books import customer_id, documents, fill, on_the_wire
from benchmarks.invoices_data import SampleInvoice, change_some, sample_customers, sample_invoices
from benchmarks.invoices_salesforce import Proof, fill_salesforce, prove
from benchmarks.light_erp.process import PROGRAM, change_records, light_erp
from benchmarks.light_erp.store import Store
from benchmarks.salesforce_client import SalesforceClient
from benchmarks.surroundings import (
    SALESFORCE,
    Effort,
    compared,
    fresh_folder,
    run_flow,
    run_measured,
    saved_integration,
)
from prefect_crm_erp.cli.systems import Systems
from prefect_crm_erp.sandbox.salesforce.process import SalesforceSandbox

if TYPE_CHECKING:
    from prefect_crm_erp.blocks import Integration

INTEGRATION: Final = "invoices"
SMALLER: Final = 10_000
"""What the memory of larger runs is compared with."""
_SERVERS: Final = (PROGRAM, SALESFORCE)
_HOUR: Final = timedelta(hours=1)
_EXAMPLES: Final = 10

_NONE: Final = Goal("==", 0)
GOALS: Final = {
    "salesforce_calls": Goal("<=", 60),
    "ratio_to_bare_script": Goal("<=", 1.3),
    "not_written": _NONE,
    "doubled": _NONE,
    "wrong": _NONE,
    "wrong_balances": _NONE,
    "changed_wrong": _NONE,
    "unchanged_written": _NONE,
    "unchanged_salesforce_calls": Goal("<=", 4),
    "unchanged_erp_calls": Goal("<=", 4),
}
_PER_10_000: Final = ("salesforce_calls",)
"""Figures that grow with the number of invoices; their goals are for 10,000."""
_MEMORY_GOAL: Final = Goal("<=", 1.2)


def main() -> int:
    """Run the benchmark and give the exit code: 1 when a goal is not met."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _parse()
    count = arguments.invoices
    common.warn_if_busy()
    with fresh_folder(INTEGRATION, arguments.state_dir) as folder:
        bare = _run_bare_script(folder / "bare", count)
        figures = _measure(folder / "flow", count, lambda run: run.all(bare))
        if count > SMALLER:
            smaller = _measure(folder / "smaller", SMALLER, lambda run: run.memory())
            figures |= {"smaller_peak_memory_mb": smaller["peak_memory_mb"]}
            figures["memory_ratio_to_10000"] = round(_ratio(figures, smaller), 3)
    return common.Result(INTEGRATION, figures, _goals(count)).publish()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.invoices", description=__doc__)
    parser.add_argument("--invoices", type=int, default=10_000, help="how many invoices the ERP has")
    parser.add_argument("--state-dir", type=Path, help="keeps the systems' data, in a new folder for each run")
    return parser.parse_args()


def _goals(count: int) -> dict[str, Goal]:
    factor = max(1.0, count / 10_000)
    scaled = {name: Goal(GOALS[name].comparison, GOALS[name].bound * factor) for name in _PER_10_000}
    return GOALS | scaled | ({"memory_ratio_to_10000": _MEMORY_GOAL} if count > SMALLER else {})


def _ratio(larger: Mapping[str, Figure], smaller: Mapping[str, Figure]) -> float:
    return float(str(larger["peak_memory_mb"])) / float(str(smaller["peak_memory_mb"]))


# -------------------------------------------------------------------- systems


@contextmanager
def _systems(folder: Path, count: int, today: date) -> Iterator[Systems]:
    """An empty Salesforce sandbox, and an ERP that has the sample invoices."""
    file = folder / "erp.sqlite"
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(file)
    fill(store, sample_customers(count), sample_invoices(count, today), datetime.now(UTC) - timedelta(days=40))
    store.close()
    with SalesforceSandbox(folder / "salesforce", empty=True) as salesforce, light_erp(file) as erp:
        yield Systems(salesforce.access, erp, folder)


def _run_bare_script(folder: Path, count: int) -> Effort:
    """The bare script's effort on fresh systems that nothing else runs beside."""
    today = datetime.now(UTC).date()
    with _systems(folder, count, today) as systems, SalesforceClient(systems.salesforce) as salesforce:
        accounts = fill_salesforce(salesforce, sample_customers(count))
        names = ("url", "database", "user", "password")
        job = {
            "salesforce": systems.salesforce.to_json(),
            "tryton": {name: getattr(systems.tryton, name) for name in names},
        }
        effort = run_measured("benchmarks.bare_invoices", job, servers=_SERVERS)
        proof = prove(salesforce, sample_invoices(count, today), accounts)
        # It is a measure only if it did the work; the accounts' balances are none of it.
        if proof.not_written or proof.doubled or proof.wrong:
            raise RuntimeError(f"The bare script did not do the work: {proof.examples[:_EXAMPLES]}")
    say(f"Bare script: {count} invoices in {effort.seconds:.1f} s")
    return effort


def _measure(folder: Path, count: int, measured: Callable[[_Measurement], dict[str, Figure]]) -> dict[str, Figure]:
    today = datetime.now(UTC).date()
    started: AbstractContextManager[Systems] = _systems(folder, count, today)
    with saved_integration(folder, INTEGRATION, started=started) as (systems, environment):
        return measured(_Measurement(systems, environment, count, today))


def _link(integration: Integration, accounts: Mapping[int, str]) -> None:
    """Tie the accounts to their customers, as account sync notes it."""
    from prefect_crm_erp.blocks.ledger import Binding
    from prefect_crm_erp.tasks.match import CUSTOMER

    bindings = [
        Binding(CUSTOMER, account, "main", "", str(customer_id(number)), "linked")
        for number, account in accounts.items()
    ]
    with integration.ledger.open().for_integration(integration.state_name) as store:
        store.start_run("linking", flow="account-sync", source="accounts", dry_run=False)
        store.bind("linking", bindings)
        store.finish_run("linking", status="completed", source_count=len(bindings), summary={})


# -------------------------------------------------------------------- what is measured


class _Measurement:
    """The three runs of invoice back-sync: everything new, a few changes, nothing changed.

    They are an hour apart by the ERP's clock, as they would be scheduled.

    Args:
        systems: Salesforce without records, and the ERP with its invoices.
        environment: Environment of Prefect.
        count: How many invoices there are.
        today: The day that they were made for.
    """

    def __init__(self, systems: Systems, environment: Mapping[str, str], count: int, today: date) -> None:
        self._systems = systems
        self._environment = environment
        self._count = count
        self._today = today
        self._ahead = timedelta()
        self._erp = CallCounter(systems.tryton.url)
        self._accounts = self._begin()

    def all(self, bare: Effort) -> dict[str, Figure]:
        """All runs, and all figures."""
        figures: dict[str, Figure] = {"invoices": self._count}
        figures |= self._first_load(bare)
        figures |= self._changes()
        return figures | self._nothing()

    def memory(self) -> dict[str, Figure]:
        """The memory of a first load."""
        flow, _, _ = self._sync({"backfill": True}, timedelta())
        return {"peak_memory_mb": round(flow.outcome["peak_memory_mb"], 1)}

    def _begin(self) -> dict[int, str]:
        from prefect_crm_erp.blocks import Integration

        with SalesforceClient(self._systems.salesforce) as salesforce:
            accounts = fill_salesforce(salesforce, sample_customers(self._count))
        integration = Integration.load(INTEGRATION)
        assert isinstance(integration, Integration)
        _link(integration, accounts)
        return accounts

    def _first_load(self, bare: Effort) -> dict[str, Figure]:
        flow, salesforce, erp = self._sync({"backfill": True}, timedelta())
        proof = self._prove({})
        return {
            "salesforce_calls": salesforce.total,
            "erp_calls": erp.total,
            **compared(flow, bare),
            "bare_peak_memory_mb": round(bare.outcome["peak_memory_mb"], 1),
            "written": flow.outcome["written"],
            "not_written": proof.not_written,
            "doubled": proof.doubled,
            "wrong": proof.wrong,
            "wrong_balances": proof.wrong_balances,
        }

    def _changes(self) -> dict[str, Figure]:
        self._let_pass(_HOUR / 2)
        changed = {each.number: each for each in change_some(self._count, self._today)}
        change_records(self._systems.tryton.url, on_the_wire(documents(list(changed.values()))))
        say(f"{len(changed)} invoices were changed in the ERP")
        flow, salesforce, erp = self._sync({}, _HOUR / 2)
        proof = self._prove(changed)
        return {
            "changed": len(changed),
            "changed_written": flow.outcome["written"],
            "changed_wrong": proof.wrong + proof.doubled + proof.not_written + proof.wrong_balances,
            **_figures_of("changed", flow, salesforce, erp),
        }

    def _nothing(self) -> dict[str, Figure]:
        flow, salesforce, erp = self._sync({}, _HOUR)
        return {"unchanged_written": flow.outcome["written"], **_figures_of("unchanged", flow, salesforce, erp)}

    def _sync(self, parameters: Mapping[str, object], after: timedelta) -> tuple[Effort, Calls, Calls]:
        self._let_pass(after)
        self._erp.start()
        job = {"flow": "invoice_back_sync", "integration": INTEGRATION, "parameters": dict(parameters)}
        flow, salesforce = run_flow(self._systems, job, self._environment, _SERVERS)
        erp = self._erp.read()
        say(f"ERP: {erp}")
        return flow, salesforce, erp

    def _let_pass(self, time: timedelta) -> None:
        self._ahead += time
        common.set_clock(self._systems.tryton.url, self._ahead)

    def _prove(self, changed: Mapping[int, SampleInvoice]) -> Proof:
        expected = (changed.get(each.number, each) for each in sample_invoices(self._count, self._today))
        with SalesforceClient(self._systems.salesforce) as salesforce:
            proof = prove(salesforce, expected, self._accounts)
        say(f"Salesforce: {proof.records} copies, {proof.wrong} wrong, {proof.doubled} doubled")
        for example in proof.examples[:_EXAMPLES]:
            say(f"  {example}")
        return proof


def _figures_of(name: str, flow: Effort, salesforce: Calls, erp: Calls) -> dict[str, Figure]:
    return {
        f"{name}_salesforce_calls": salesforce.total,
        f"{name}_erp_calls": erp.total,
        f"{name}_seconds": round(flow.seconds, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
