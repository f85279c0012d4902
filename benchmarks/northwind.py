"""`python -m benchmarks.northwind --data DIR`: 830 real-looking orders from Salesforce into Tryton, and the proof."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import common
from benchmarks.common import Calls, Dates, Figure, Goal, say
from benchmarks.northwind_books import Books, Proof
from benchmarks.northwind_data import Northwind, Order, read_northwind
from benchmarks.northwind_salesforce import fill_salesforce, not_written_back, salesforce_dates
from benchmarks.salesforce_client import SalesforceClient
from prefect_crm_erp.cli.prefect_server import prefect_server
from prefect_crm_erp.cli.systems import Systems, running_systems, state_folder
from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox

INTEGRATION: Final = "northwind"
_TRYTON: Final = "prefect_crm_erp.sandbox.tryton.server"
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


@dataclass(frozen=True, slots=True)
class Effort:
    """What a piece of work took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Processor time of the program and of Tryton together; None where it cannot be told.
        outcome: All that the program said of itself.
    """

    seconds: float
    cpu_seconds: float | None
    outcome: Mapping[str, Any]


def main() -> int:
    """Run the benchmark and give the exit code: 1 when a goal is not met."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _parse()
    northwind = read_northwind(arguments.data).first(arguments.limit)
    common.warn_if_busy()
    say(f"{len(northwind.orders)} orders of {len(northwind.customers)} customers")
    with _fresh_folder(arguments.state_dir) as folder:
        bare = _run_bare_script(folder, arguments.data, northwind)
        with _saved_integration(folder) as (systems, environment):
            figures = _measure(systems, environment, northwind, bare)
    return common.Result("northwind", figures, GOALS).publish()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.northwind", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with Northwind's CSV files")
    parser.add_argument("--state-dir", type=Path, help="keeps the systems' data, in a new folder for each run")
    parser.add_argument("--limit", type=int, help="only the first orders, for a quick trial")
    return parser.parse_args()


def _run(module: str, job: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Effort:
    """Run a module in a process of its own that works with the one Tryton that is running."""
    before = common.cpu_seconds_of(_TRYTON)
    outcome = common.run_module(module, job, environment)
    after = common.cpu_seconds_of(_TRYTON)
    cpu_seconds = None if before is None or after is None else after - before + outcome["cpu_seconds"]
    return Effort(outcome["seconds"], cpu_seconds, outcome)


# -------------------------------------------------------------------- what is measured against


def _run_bare_script(folder: Path, data: Path, northwind: Northwind) -> Effort:
    """The bare script's effort on a fresh Tryton that nothing else runs beside."""
    with TrytonSandbox(folder / "bare", empty=True, progress=_tell) as sandbox:
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
        effort = _run("benchmarks.bare_northwind", job)
        _check_bare_script(access, northwind, effort)
    return effort


def _check_bare_script(access: TrytonAccess, northwind: Northwind, effort: Effort) -> None:
    """The bare script is a measure only if it did the work."""
    proof = Books(access).prove({str(order.id): order for order in northwind.orders})
    if proof.not_written or proof.doubled or proof.wrong_company or proof.wrong_lines:
        raise RuntimeError(f"The bare script did not do the work: {proof.examples[:_EXAMPLES]}")
    say(f"Bare script: {proof.orders} orders in {effort.seconds:.1f} s, {proof.wrong_totals} of them a cent off")


# -------------------------------------------------------------------- what is measured


@contextmanager
def _saved_integration(folder: Path) -> Iterator[tuple[Systems, dict[str, str]]]:
    """Empty systems, a Prefect server, and the integration's blocks saved on it."""
    with (
        prefect_server(folder) as server,
        running_systems(folder, empty=True, progress=_tell) as systems,
    ):
        server.wait()
        # Prefect reads where its server is when it is imported.
        os.environ.update(server.environment)
        from prefect_crm_erp.cli.save_blocks import sandbox_integration, save_integration

        save_integration(INTEGRATION, sandbox_integration(INTEGRATION, systems, empty=True))
        say(f"Prefect at {server.url}, Salesforce at {systems.salesforce.http_url}, Tryton at {systems.tryton.url}")
        yield systems, server.environment


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
    """Run quote-to-order; Salesforce's calls are those that the sandbox counted."""
    counter = common.CallCounter(systems.salesforce.http_url)
    counter.start()
    effort = _run("benchmarks.flow_process", {"integration": INTEGRATION}, environment)
    calls, outcome = counter.read(), effort.outcome
    counts = ", ".join(f"{outcome[name]} {name}" for name in ("written", "unchanged", "queued", "excluded"))
    say(f"quote-to-order: {counts} in {effort.seconds:.1f} s; {outcome['erp_calls']} ERP calls; {calls}")
    for reason, count in outcome["parked"]:
        say(f"  {count} × {reason}")
    return effort, calls


def _effort(flow: Effort, calls: Calls, bare: Effort) -> dict[str, Figure]:
    figures: dict[str, Figure] = {
        "salesforce_calls": calls.total,
        "erp_calls": flow.outcome["erp_calls"],
        "seconds": round(flow.seconds, 2),
        "bare_seconds": round(bare.seconds, 2),
        "ratio_to_bare_script": round(flow.seconds / bare.seconds, 3),
        "records_per_second": round(flow.outcome["written"] / flow.seconds, 2),
        "peak_memory_mb": round(flow.outcome["peak_memory_mb"], 1),
    }
    if flow.cpu_seconds and bare.cpu_seconds:
        figures |= {
            "cpu_seconds": round(flow.cpu_seconds, 2),
            "bare_cpu_seconds": round(bare.cpu_seconds, 2),
            "cpu_ratio_to_bare_script": round(flow.cpu_seconds / bare.cpu_seconds, 3),
        }
    return figures


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


# -------------------------------------------------------------------- surroundings


@contextmanager
def _fresh_folder(state_dir: Path | None) -> Iterator[Path]:
    """A new folder: a temporary one, or one that stays below the given one."""
    if state_dir is not None:
        state_dir.mkdir(parents=True, exist_ok=True)
        state_dir = Path(tempfile.mkdtemp(prefix=f"{INTEGRATION}-", dir=state_dir))
        say(f"The systems' data stays in {state_dir}")
    with state_folder(state_dir) as folder:
        yield folder


def _tell(what: str, done: float) -> None:
    say(f"{what} ({done:.0%})")


if __name__ == "__main__":
    sys.exit(main())
