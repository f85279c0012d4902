"""`prefect-crm-erp sandbox`: a Salesforce org and an ERP on this machine, for developers of new flows."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from rich.console import Console

from prefect_crm_erp.cli.systems import running_systems, state_folder


def run_sandbox(
    *, empty: bool, salesforce_port: int, erp_port: int, state_dir: Path | None, save_blocks: str | None
) -> None:
    """Start both systems, print how to reach them as one line of JSON, and wait until terminated."""
    notes = Console(stderr=True)

    def tell(what: str, done: float) -> None:
        notes.print(f"{what} ({done:.0%})", style="dim")

    with (
        state_folder(state_dir) as folder,
        running_systems(
            folder, empty=empty, salesforce_port=salesforce_port, erp_port=erp_port, progress=tell
        ) as systems,
    ):
        if save_blocks:
            from prefect_crm_erp.cli.save_blocks import sandbox_integration, save_integration

            save_integration(save_blocks, sandbox_integration(save_blocks, systems, empty=empty))
        print(json.dumps(systems.to_json() | {"integration": save_blocks}), flush=True)
        threading.Event().wait()
