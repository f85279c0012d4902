"""`prefect-crm-erp demo`: closed deals become orders in a real ERP, on this machine, in a minute."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from prefect_crm_erp.cli.prefect_server import Server, prefect_server, runner
from prefect_crm_erp.cli.systems import Systems, running_systems, state_folder

if TYPE_CHECKING:
    from prefect_crm_erp.cli.demo_run import DemoResult

INTEGRATION = "demo"
WIDTH = 120
"""Columns of the tables where there is no terminal to fit them to."""


def run_demo(*, as_json: bool, keep: bool, state_dir: Path | None) -> None:
    """Start everything, run quote-to-order as deployment runs, show what became of each deal, and stop everything.

    Args:
        as_json: Print one JSON document to standard output instead of tables.
        keep: Leave everything running until Ctrl-C.
        state_dir: Keeps the systems' data; a temporary folder when None.

    Raises:
        ConnectorError: A system did not start, or the run failed; the message says what to look at.
    """
    started = time.monotonic()
    notes = Console(stderr=True)
    with state_folder(state_dir) as folder, _everything(folder, notes) as (systems, server, progress):
        from prefect_crm_erp.cli.demo_run import run_sources

        result = run_sources(server.url, systems, INTEGRATION, progress)
        result.seconds = round(time.monotonic() - started, 1)
        progress.stop()
        _show(result, as_json)
        if keep:
            notes.print("\nEverything keeps running. Press Ctrl-C to stop.", style="bold")
            threading.Event().wait()
        notes.print("Stopping the servers …", style="dim")


@contextmanager
def _everything(folder: Path, notes: Console) -> Iterator[tuple[Systems, Server, Progress]]:
    with (
        _progress(notes) as progress,
        prefect_server(folder) as server,
        running_systems(folder, progress=_tell(progress)) as systems,
    ):
        waiting = progress.add_task("Starting Prefect", total=None)
        os.environ.update(server.environment)
        server.wait()
        from prefect_crm_erp.cli.save_blocks import sandbox_integration, save_integration

        progress.update(waiting, description="Saving blocks, registering deployments")
        save_integration(INTEGRATION, sandbox_integration(INTEGRATION, systems))
        with runner(server, INTEGRATION):
            progress.update(waiting, description="Prefect, Salesforce sandbox and Tryton are up", total=1, completed=1)
            yield systems, server, progress


def _progress(notes: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=notes, transient=not notes.is_terminal)


def _tell(progress: Progress) -> Callable[[str, float], None]:
    """One line of progress for the building of the ERP; a plain line where there is no terminal."""
    task = progress.add_task("Starting Salesforce sandbox and Tryton", total=1.0)

    def tell(what: str, done: float) -> None:
        progress.update(task, description=what, completed=done)
        if not progress.console.is_terminal:
            progress.console.print(f"{what} ({done:.0%})")

    return tell


def _show(result: DemoResult, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
        return
    from prefect_crm_erp.cli.demo_tables import show_result

    plain = Console()
    show_result(result, plain if plain.is_terminal else Console(width=WIDTH))
