"""`python -m benchmarks.northwind --data DIR`: 830 real-looking orders from Salesforce into Tryton, and the proof."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks import common
from benchmarks.common import Calls, Dates, Figure, Goal, say
from benchmarks.northwind_books import Books, Proof
from benchmarks.northwind_data import Northwind, Order, read_northwind
from benchmarks.northwind_salesforce import fill_salesforce, not_written_back, salesforce_dates
from benchmarks.salesforce_client import SalesforceClient
from benchmarks.surroundings import Effort, compared, fresh_folder, run_flow, run_measured, saved_integration, tell
from prefect_crm_erp.cli.systems import Systems
from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox

INTEGRATION: Final = "northwind"
_EXAMPLES: Final = 10

_NONE: Final = Goal("==", 0)
GOALS: Final = {
    "salesforce_calls": Goal("<=", 40),
    "ratio_to_bare_script": Goal("<=", 1.3),
    "not_written": _NONE,
    "doubled": _NONE,
    "wrong_totals": _NONE,
    "wrong_company": _NONE,
    "wrong_lines": _NONE,
    "not_written_back": _NONE,
    "second_run_written": _NONE,
    "second_run_salesforce_calls": Goal("<=", 10),
}


def main() -> int:
    """Run the benchmark and give the exit code: 1 when a goal is not met."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _parse()
    northwind = read_northwind(arguments.data).first(arguments.limit)
    common.warn_if_busy()
    say(f"{len(northwind.orders)} orders of {len(northwind.customers)} customers")
    with fresh_folder(INTEGRATION, arguments.state_dir) as folder:
        bare = _run_bare_script(folder, arguments.data, northwind)
        with saved_integration(folder, INTEGRATION) as (systems, environment):
            figures = _measure(systems, environment, northwind, bare)
    return common.Result("northwind", figures, GOALS).publish()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.northwind", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with Northwind's CSV files")
    parser.add_argument("--state-dir", type=Path, help="keeps the systems' data, in a new folder for each run")
    parser.add_argument("--limit", type=int, help="only the first orders, for a quick trial")
    return parser.parse_args()


# -------------------------------------------------------------------- what is measured against


def _run_bare_script(folder: Path, data: Path, northwind: Northwind) -> Effort:
    """The bare script's effort on a fresh Tryton that nothing else runs beside."""
    with TrytonSandbox(folder / "bare", empty=True, progress=tell) as sandbox:
        access = sandbox.access
        job = {
            "data": str(data.resolve()),
            "orders": len(northwind.orders),
            "url": access.url,
            "database": access.database,
            "user": access.user,
            "password": access.password,
            "companies": {company.code: company.id for company in access.companies},
        }
        effort = run_measured("benchmarks.bare_northwind", job)
        _check_bare_script(access, northwind, effort)
    return effort


def _check_bare_script(access: TrytonAccess, northwind: Northwind, effort: Effort) -> None:
    """The bare script is a measure only if it did the work."""
    proof = Books(access).prove({str(order.id): order for order in northwind.orders})
    if proof.not_written or proof.doubled or proof.wrong_company or proof.wrong_lines:
        raise RuntimeError(f"The bare script did not do the work: {proof.examples[:_EXAMPLES]}")
    say(f"Bare script: {proof.orders} orders in {effort.seconds:.1f} s, {proof.wrong_totals} of them a cent off")


# -------------------------------------------------------------------- what is measured


def _measure(systems: Systems, environment: Mapping[str, str], northwind: Northwind, bare: Effort) -> dict[str, Figure]:
    with common.Stopwatch() as filling, SalesforceClient(systems.salesforce) as salesforce:
        expected = fill_salesforce(salesforce, northwind)
    say(f"Salesforce was filled in {filling.seconds:.1f} s")
    first, calls = _run_flow(systems, environment)
    figures = _effort(first, calls, bare) | _correctness(systems, expected)
    before = _dates(systems)
    second, second_calls = _run_flow(systems, environment)
    return figures | {
        "second_run_written": second.outcome["written"] + common.changed(before, _dates(systems)),
        "second_run_salesforce_calls": second_calls.total,
        "second_run_erp_calls": second.outcome["erp_calls"],
        "second_run_seconds": round(second.seconds, 2),
    }


def _run_flow(systems: Systems, environment: Mapping[str, str]) -> tuple[Effort, Calls]:
    return run_flow(systems, {"flow": "quote_to_order", "integration": INTEGRATION}, environment)


def _effort(flow: Effort, calls: Calls, bare: Effort) -> dict[str, Figure]:
    counted: dict[str, Figure] = {"salesforce_calls": calls.total, "erp_calls": flow.outcome["erp_calls"]}
    return counted | compared(flow, bare)


def _correctness(systems: Systems, expected: Mapping[str, Order]) -> dict[str, Figure]:
    proof = _prove(systems, expected)
    with SalesforceClient(systems.salesforce) as salesforce:
        silent = not_written_back(salesforce, expected)
    return {
        "orders": proof.orders,
        "not_written": proof.not_written,
        "doubled": proof.doubled,
        "wrong_totals": proof.wrong_totals,
        "wrong_company": proof.wrong_company,
        "wrong_lines": proof.wrong_lines,
        "not_written_back": silent,
    }


def _prove(systems: Systems, expected: Mapping[str, Order]) -> Proof:
    proof = Books(systems.tryton).prove(expected)
    say(f"Tryton: {proof.orders} orders, {proof.untaxed:,} without tax, {proof.tax:,} tax")
    for example in proof.examples[:_EXAMPLES]:
        say(f"  {example}")
    return proof


def _dates(systems: Systems) -> Dates:
    """When each record of both systems was last changed."""
    with SalesforceClient(systems.salesforce) as salesforce:
        return {**salesforce_dates(salesforce), **Books(systems.tryton).dates()}


if __name__ == "__main__":
    sys.exit(main())
