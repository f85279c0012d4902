"""deployments/prefect.yaml deploys as it is, with the integration as a reference to its block."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
from world import World

from prefect_crm_erp.blocks import Integration

ROOT = Path(__file__).resolve().parents[2]


def prefect_command(*words: str) -> str:
    """Run Prefect's own command line against the tests' server."""
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value()), "PREFECT_CLI_COLORS": "false"}
    command = [sys.executable, "-m", "prefect", "--no-prompt", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_deployments_are_registered_and_take_the_saved_integration(world: World) -> None:
    integration = world.integration()
    integration.crm.save("yaml-crm", overwrite=True)
    integration.erp.save("yaml-erp", overwrite=True)
    integration.ledger.save("yaml-ledger", overwrite=True)
    integration.routing.save("yaml-routing", overwrite=True)
    integration.save("production", overwrite=True)
    prefect_command("work-pool", "create", "--type", "process", "erp", "--overwrite")
    prefect_command("deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
    with get_client(sync_client=True) as client:
        found = {each.name: each for each in client.read_deployments()}
        for source in ("closed-won opportunities", "accepted quotes", "activated orders"):
            deployment = found[source]
            assert deployment.parameters["source"] == source
            assert not deployment.pull_steps
            assert deployment.entrypoint == "prefect_crm_erp.flows.quote_to_order.quote_to_order"
            run = client.create_flow_run_from_deployment(deployment.id)
            assert run.parameters["integration"] == deployment.parameters["integration"]
    loaded = Integration.load("production", _sync=True)
    assert loaded.erp.server_url == integration.erp.server_url
