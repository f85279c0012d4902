"""`python -m benchmarks.accounts --accounts 10000`: Salesforce's accounts become Tryton's customers, and the proof."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import common
from benchmarks.accounts_books import Proof, prove
from benchmarks.accounts_data import SampleAccount, change_some, sample_accounts
from benchmarks.accounts_salesforce import change_salesforce, fill_salesforce, not_written_back
from benchmarks.common import Calls, Figure, Goal, say
from benchmarks.salesforce_client import SalesforceClient
from benchmarks.surroundings import (
    SALESFORCE,
    TRYTON,
    Effort,
    compared,
    fresh_folder,
    run_bare_script,
    run_flow,
    saved_integration,
    tell,
)
from prefect_crm_erp.cli.systems import Systems, running_systems
from prefect_crm_erp.sandbox.tryton import TrytonAccess

if TYPE_CHECKING:
    from prefect_crm_erp.blocks import Integration

INTEGRATION: Final = "accounts"
_SERVERS: Final = (TRYTON, SALESFORCE)
_HOUR: Final = timedelta(hours=1)
_EXAMPLES: Final = 10

_NONE: Final = Goal("==", 0)
GOALS: Final = {
    "salesforce_calls": Goal("<=", 120),
    "ratio_to_bare_script": Goal("<=", 1.3),
    "not_written": _NONE,
    "doubled": _NONE,
    "wrong": _NONE,
    "not_written_back": _NONE,
    "changed_wrong": _NONE,
    "unchanged_written": _NONE,
    "unchanged_salesforce_calls": Goal("<=", 5),
}
_PER_10_000: Final = ("salesforce_calls",)
"""Figures that grow with the number of accounts; their goals are for 10,000."""


def main() -> int:
    """Run the benchmark and give the exit code: 1 when a goal is not met."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _parse()
    accounts = sample_accounts(arguments.accounts)
    common.warn_if_busy()
    with fresh_folder(INTEGRATION, arguments.state_dir) as folder:
        bare = _run_bare_script(folder / "bare", accounts)
        with saved_integration(folder, INTEGRATION, _take_every_account) as (systems, environment):
            figures = _Measurement(systems, environment, arguments.back_to_back).run(accounts, bare)
    return common.Result(INTEGRATION, figures, common.scaled(GOALS, _PER_10_000, len(accounts))).publish()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accounts", description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000, help="how many accounts Salesforce has")
    parser.add_argument(
        "--back-to-back",
        action="store_true",
        help="run the syncs one right after the other, not an hour apart by the org's clock",
    )
    parser.add_argument("--state-dir", type=Path, help="keeps the systems' data, in a new folder for each run")
    return parser.parse_args()


def _take_every_account(integration: Integration) -> None:
    from prefect_crm_erp.blocks import AccountPolicy, NewCustomers

    integration.accounts = AccountPolicy(new_customers=NewCustomers.ALL)
    integration.accounts.save(f"{INTEGRATION}-accounts", overwrite=True)


# -------------------------------------------------------------------- what is measured against


def _run_bare_script(folder: Path, accounts: Sequence[SampleAccount]) -> Effort:
    """The bare script's effort on fresh systems that nothing else runs beside."""
    with running_systems(folder, empty=True, progress=tell) as systems:
        expected = _fill(systems, accounts)
        effort = run_bare_script("benchmarks.bare_accounts", systems, _SERVERS)
        _check_bare_script(systems, expected)
    say(f"Bare script: {len(accounts)} accounts in {effort.seconds:.1f} s")
    return effort


def _check_bare_script(systems: Systems, expected: Mapping[str, SampleAccount]) -> None:
    """The bare script is a measure only if it did the work."""
    proof = prove(systems.tryton, expected)
    with SalesforceClient(systems.salesforce) as salesforce:
        silent = not_written_back(salesforce, expected)
    if proof.examples or silent:
        raise RuntimeError(f"The bare script did not do the work: {proof.examples[:_EXAMPLES]}, {silent} not told")


def _fill(systems: Systems, accounts: Sequence[SampleAccount]) -> dict[str, SampleAccount]:
    with common.Stopwatch() as filling, SalesforceClient(systems.salesforce) as salesforce:
        expected = fill_salesforce(salesforce, accounts)
    say(f"Salesforce was filled in {filling.seconds:.1f} s")
    return expected


# -------------------------------------------------------------------- what is measured


class _Measurement:
    """The three runs of account sync: everything new, a few changes, nothing changed.

    They are an hour apart, as they would be scheduled. Only Salesforce's clock can be moved; to Tryton's, and so to its
    stream of changes, they follow each other at once.

    Args:
        systems: The systems, without records.
        environment: Environment of Prefect.
        back_to_back: Whether Salesforce's clock is left alone too.
    """

    def __init__(self, systems: Systems, environment: Mapping[str, str], back_to_back: bool) -> None:
        self._systems = systems
        self._environment = environment
        self._back_to_back = back_to_back
        self._ahead = timedelta()

    def run(self, accounts: Sequence[SampleAccount], bare: Effort) -> dict[str, Figure]:
        """Fill Salesforce, run, and give all figures."""
        expected = _fill(self._systems, accounts)
        figures: dict[str, Figure] = {"accounts": len(accounts)}
        figures |= self._first_load(expected, bare)
        figures |= self._changes(expected, accounts)
        return figures | self._nothing()

    def _first_load(self, expected: Mapping[str, SampleAccount], bare: Effort) -> dict[str, Figure]:
        flow, calls = self._sync({"backfill": True})
        written = flow.outcome["written"]
        with SalesforceClient(self._systems.salesforce) as salesforce:
            silent = not_written_back(salesforce, expected)
        proof = _prove(self._systems.tryton, expected)
        return {
            "salesforce_calls": calls.total,
            "erp_calls": flow.outcome["erp_calls"],
            "erp_calls_per_record": round(flow.outcome["erp_calls"] / max(written, 1), 3),
            **compared(flow, bare),
            "bare_peak_memory_mb": round(bare.outcome["peak_memory_mb"], 1),
            "written": written,
            "not_written": proof.not_written,
            "doubled": proof.doubled,
            "wrong": proof.wrong,
            "not_written_back": silent,
        }

    def _changes(self, expected: Mapping[str, SampleAccount], accounts: Sequence[SampleAccount]) -> dict[str, Figure]:
        keys = {account.number: key for key, account in expected.items()}
        changed = {keys[account.number]: account for account in change_some(accounts)}
        self._let_pass(_HOUR / 2)
        with SalesforceClient(self._systems.salesforce) as salesforce:
            change_salesforce(salesforce, changed)
        flow, calls = self._sync({}, after=_HOUR / 2)
        proof = _prove(self._systems.tryton, dict(expected) | changed)
        return {
            "changed": len(changed),
            "changed_written": flow.outcome["written"],
            "changed_wrong": proof.wrong + proof.doubled + proof.not_written,
            **_figures_of("changed", flow, calls),
        }

    def _nothing(self) -> dict[str, Figure]:
        flow, calls = self._sync({})
        return {"unchanged_written": flow.outcome["written"], **_figures_of("unchanged", flow, calls)}

    def _sync(self, parameters: Mapping[str, object], after: timedelta = _HOUR) -> tuple[Effort, Calls]:
        self._let_pass(after)
        job = {"flow": "account_sync", "integration": INTEGRATION, "parameters": dict(parameters)}
        return run_flow(self._systems, job, self._environment, _SERVERS)

    def _let_pass(self, time: timedelta) -> None:
        if not self._back_to_back:
            self._ahead += time
            common.set_clock(self._systems.salesforce.http_url, self._ahead)


def _figures_of(name: str, flow: Effort, calls: Calls) -> dict[str, Figure]:
    return {
        f"{name}_salesforce_calls": calls.total,
        f"{name}_erp_calls": flow.outcome["erp_calls"],
        f"{name}_seconds": round(flow.seconds, 2),
    }


def _prove(access: TrytonAccess, expected: Mapping[str, SampleAccount]) -> Proof:
    proof = prove(access, expected)
    say(f"Tryton: {proof.customers} customers, {proof.wrong} wrong, {proof.doubled} doubled")
    for example in proof.examples[:_EXAMPLES]:
        say(f"  {example}")
    return proof


if __name__ == "__main__":
    sys.exit(main())
