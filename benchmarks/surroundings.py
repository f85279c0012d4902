"""What a benchmark runs in: its systems, a Prefect server with a saved integration, and processes that are measured."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import common
from benchmarks.common import Calls, say
from prefect_crm_erp.cli.prefect_server import prefect_server
from prefect_crm_erp.cli.systems import Systems, running_systems, state_folder

if TYPE_CHECKING:
    from prefect_crm_erp.blocks import Integration

TRYTON: Final = "prefect_crm_erp.sandbox.tryton.server"
"""The program that Tryton runs in, as its command line shows it."""
SALESFORCE: Final = "prefect_crm_erp.sandbox.salesforce"
"""Likewise the Salesforce sandbox."""
_COUNTED: Final = ("written", "unchanged", "queued", "excluded")


# -------------------------------------------------------------------- systems


@contextmanager
def saved_integration(
    folder: Path,
    name: str,
    change: Callable[[Integration], None] | None = None,
    started: AbstractContextManager[Systems] | None = None,
) -> Iterator[tuple[Systems, dict[str, str]]]:
    """Empty systems, a Prefect server, and the integration's blocks saved on it.

    Args:
        folder: Keeps the data of all.
        name: Name of the integration.
        change: Changes the sandbox's usual integration before it is saved.
        started: Starts the systems and stops them; an empty sandbox when it is not given.

    Yields:
        The systems, and the environment in which Prefect uses this server.
    """
    with (
        prefect_server(folder) as server,
        started or running_systems(folder, empty=True, progress=tell) as systems,
    ):
        server.wait()
        # Prefect reads where its server is when it is imported.
        os.environ.update(server.environment)
        from prefect_crm_erp.cli.save_blocks import sandbox_integration, save_integration

        integration = sandbox_integration(name, systems, empty=True)
        if change is not None:
            change(integration)
        save_integration(name, integration)
        say(f"Prefect at {server.url}, Salesforce at {systems.salesforce.http_url}, Tryton at {systems.tryton.url}")
        yield systems, server.environment


@contextmanager
def fresh_folder(name: str, state_dir: Path | None) -> Iterator[Path]:
    """A new folder: a temporary one, or one that stays below the given one."""
    if state_dir is not None:
        state_dir.mkdir(parents=True, exist_ok=True)
        state_dir = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=state_dir))
        say(f"The systems' data stays in {state_dir}")
    with state_folder(state_dir) as folder:
        yield folder


def tell(what: str, done: float) -> None:
    """Say how far a system has been built."""
    say(f"{what} ({done:.0%})")


# -------------------------------------------------------------------- processes


@dataclass(frozen=True, slots=True)
class Effort:
    """What a piece of work took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Processor time of the program and of the servers together; None where it cannot be told.
        outcome: All that the program said of itself.
    """

    seconds: float
    cpu_seconds: float | None
    outcome: Mapping[str, Any]


def run_measured(
    module: str,
    job: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    servers: tuple[str, ...] = (TRYTON,),
) -> Effort:
    """Run a module in a process of its own, as `common.run_module` does.

    Args:
        module: Name of the module.
        job: What it reads.
        environment: Environment of the process; this one's by default.
        servers: Programs whose processor time counts too; one of each is running.
    """
    before = [common.cpu_seconds_of(server) for server in servers]
    outcome = common.run_module(module, job, environment)
    after = [common.cpu_seconds_of(server) for server in servers]
    used = [end - start for start, end in zip(before, after, strict=True) if start is not None and end is not None]
    cpu_seconds = outcome["cpu_seconds"] + sum(used) if used else None
    return Effort(outcome["seconds"], cpu_seconds, outcome)


def run_flow(
    systems: Systems, job: Mapping[str, Any], environment: Mapping[str, str], servers: tuple[str, ...] = (TRYTON,)
) -> tuple[Effort, Calls]:
    """Run a flow as `benchmarks.flow_process` does; Salesforce's calls are those that the sandbox counted."""
    counter = common.CallCounter(systems.salesforce.http_url)
    counter.start()
    effort = run_measured("benchmarks.flow_process", job, environment, servers)
    calls, outcome = counter.read(), effort.outcome
    counts = ", ".join(f"{outcome[name]} {name}" for name in _COUNTED)
    say(f"{job['flow']}: {counts} in {effort.seconds:.1f} s; {outcome['erp_calls']} ERP calls; {calls}")
    for reason, count in outcome["parked"]:
        say(f"  {count} × {reason}")
    return effort, calls


def run_bare_script(module: str, systems: Systems, servers: tuple[str, ...] = (TRYTON,)) -> Effort:
    """Run a bare script, which is told how to reach both systems."""
    tryton = {name: getattr(systems.tryton, name) for name in ("url", "database", "user", "password")}
    return run_measured(module, {"salesforce": systems.salesforce.to_json(), "tryton": tryton}, servers=servers)


def compared(flow: Effort, bare: Effort) -> dict[str, common.Figure]:
    """Times of a flow against those of the bare script that does the same work."""
    figures: dict[str, common.Figure] = {
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
