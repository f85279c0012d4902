"""`python -m benchmarks.invoices --invoices 10000`: the documents of an ERP show in Salesforce, and the proof."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import common
from benchmarks.common import CallCounter, Calls, Figure, Goal, say
from benchmarks.invoices_data import SampleInvoice, change_some, sample_customers, sample_invoices
from benchmarks.invoices_erp import InvoiceBooks, InvoiceErp
from benchmarks.invoices_light import light
from benchmarks.invoices_salesforce import Proof, fill_salesforce, prove
from benchmarks.invoices_tryton import tryton
from benchmarks.salesforce_client import SalesforceClient
from benchmarks.surroundings import (
    SALESFORCE,
    Effort,
    compared,
    fresh_folder,
    run_bare_script,
    run_flow,
    saved_integration,
)
from prefect_crm_erp.cli.systems import Systems
from prefect_crm_erp.sandbox.salesforce.process import SalesforceSandbox

if TYPE_CHECKING:
    from prefect_crm_erp.blocks import Integration

INTEGRATION: Final = "invoices"
SMALLER: Final = 10_000
"""What the memory of larger runs is compared with."""
_TRYTON, _LIGHT = "tryton", "light"
_ERPS: Final = {_TRYTON: tryton, _LIGHT: light}
_MOST_OF_TRYTON: Final = 2000
"""More than these Tryton would post for minutes."""
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
    erp = _ERPS[arguments.erp or (_TRYTON if count <= _MOST_OF_TRYTON else _LIGHT)]()
    with fresh_folder(INTEGRATION, arguments.state_dir) as folder:
        bare = _run_bare_script(folder / "bare", erp, count)
        figures: dict[str, Figure] = {"erp": erp.name}
        figures |= _measure(folder / "flow", erp, count, lambda run: run.all(bare))
        if count > SMALLER:
            smaller = _in_new_process(_measure_memory, folder / "smaller", erp.name)
            figures |= {"smaller_peak_memory_mb": smaller["peak_memory_mb"]}
            figures["memory_ratio_to_10000"] = round(_ratio(figures, smaller), 3)
    return common.Result(INTEGRATION, figures, _goals(count)).publish()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.invoices", description=__doc__)
    parser.add_argument("--invoices", type=int, default=10_000, help="how many invoices the ERP has")
    parser.add_argument(
        "--erp", choices=_ERPS, help=f"the real Tryton or the light stand-in; Tryton up to {_MOST_OF_TRYTON:,} invoices"
    )
    parser.add_argument("--state-dir", type=Path, help="keeps the systems' data, in a new folder for each run")
    return parser.parse_args()


def _goals(count: int) -> dict[str, Goal]:
    goals = common.scaled(GOALS, _PER_10_000, count)
    return goals | ({"memory_ratio_to_10000": _MEMORY_GOAL} if count > SMALLER else {})


def _measure_memory(folder: Path, erp: str) -> dict[str, Figure]:
    return _measure(folder, _ERPS[erp](), SMALLER, lambda run: run.memory())


def _in_new_process(job: Callable[..., dict[str, Figure]], *arguments: object) -> dict[str, Figure]:
    """A job's figures, from a process that has not imported Prefect: it reads once where its server is."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(job, *arguments).result()


def _ratio(larger: Mapping[str, Figure], smaller: Mapping[str, Figure]) -> float:
    return float(str(larger["peak_memory_mb"])) / float(str(smaller["peak_memory_mb"]))


# -------------------------------------------------------------------- systems


@contextmanager
def _systems(folder: Path, erp: InvoiceErp, count: int) -> Iterator[tuple[Systems, InvoiceBooks]]:
    """An empty Salesforce sandbox, and an ERP that has the sample invoices."""
    folder.mkdir(parents=True, exist_ok=True)
    with erp.running(folder, count, erp.today) as books:
        books.check(sample_invoices(count, erp.today))
        with SalesforceSandbox(folder / "salesforce", empty=True) as salesforce:
            yield Systems(salesforce.access, books.access, folder), books


def _run_bare_script(folder: Path, erp: InvoiceErp, count: int) -> Effort:
    """The bare script's effort on fresh systems that nothing else runs beside."""
    with (
        _systems(folder, erp, count) as (systems, books),
        SalesforceClient(systems.salesforce) as salesforce,
    ):
        accounts = fill_salesforce(salesforce, sample_customers(count), books)
        effort = run_bare_script("benchmarks.bare_invoices", systems, (erp.program, SALESFORCE))
        proof = prove(salesforce, sample_invoices(count, erp.today), accounts, books)
        # It is a measure only if it did the work; the accounts' balances are none of it.
        if proof.not_written or proof.doubled or proof.wrong:
            raise RuntimeError(f"The bare script did not do the work: {proof.examples[:_EXAMPLES]}")
    say(f"Bare script: {count} invoices in {effort.seconds:.1f} s")
    return effort


def _measure(
    folder: Path, erp: InvoiceErp, count: int, measured: Callable[[_Measurement], dict[str, Figure]]
) -> dict[str, Figure]:
    with (
        _systems(folder, erp, count) as (started, books),
        saved_integration(folder, INTEGRATION, started=nullcontext(started)) as (systems, environment),
    ):
        return measured(_Measurement(systems, environment, erp, books, count))


def _link(integration: Integration, accounts: Mapping[int, str], books: InvoiceBooks) -> None:
    """Tie the accounts to their customers, as account sync notes it."""
    from prefect_crm_erp.blocks.ledger import Binding
    from prefect_crm_erp.tasks.match import CUSTOMER

    bindings = [
        Binding(CUSTOMER, account, "main", "", str(books.customer_id(number)), "linked")
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
        erp: The kind of ERP.
        books: The ERP's books.
        count: How many invoices there are.
    """

    def __init__(
        self, systems: Systems, environment: Mapping[str, str], erp: InvoiceErp, books: InvoiceBooks, count: int
    ) -> None:
        self._systems = systems
        self._environment = environment
        self._servers = (erp.program, SALESFORCE)
        self._books = books
        self._count = count
        self._today = erp.today
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
            accounts = fill_salesforce(salesforce, sample_customers(self._count), self._books)
        integration = Integration.load(INTEGRATION)
        assert isinstance(integration, Integration)
        _link(integration, accounts, self._books)
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
        self._books.change(list(changed.values()))
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
        flow, salesforce = run_flow(self._systems, job, self._environment, self._servers)
        erp = self._erp.read()
        say(f"ERP: {erp}")
        return flow, salesforce, erp

    def _let_pass(self, time: timedelta) -> None:
        self._ahead += time
        common.set_clock(self._systems.tryton.url, self._ahead)

    def _prove(self, changed: Mapping[int, SampleInvoice]) -> Proof:
        def expected() -> Iterator[SampleInvoice]:
            return (changed.get(each.number, each) for each in sample_invoices(self._count, self._today))

        self._books.check(expected())
        with SalesforceClient(self._systems.salesforce) as salesforce:
            proof = prove(salesforce, expected(), self._accounts, self._books)
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
