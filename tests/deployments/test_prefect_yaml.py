"""deployments/prefect.yaml deploys as it is, with the integration as a reference to its block."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL
from prefect.utilities.importtools import import_object
from world import World

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows import (
    account_sync,
    collection_report,
    currency_reconciliation,
    duplicate_report,
    exchange_rate_sync,
    field_entries,
    invoice_back_sync,
    order_batch,
    order_status_sync,
    pending_approvals,
    quote_to_order,
    reconcile,
    subsidiary_audit,
)

OTHERS: dict[str, tuple[Any, timedelta | str, dict[str, Any]]] = {
    "accounts and customers": (account_sync, timedelta(hours=1), {"dry_run": True}),
    "orders and deliveries": (order_status_sync, timedelta(minutes=15), {"dry_run": True}),
    "invoices and payments": (invoice_back_sync, timedelta(minutes=15), {"dry_run": True}),
    "payments and returns of the field": (field_entries, timedelta(minutes=5), {"dry_run": True}),
    "pending approvals": (pending_approvals, timedelta(hours=1), {"dry_run": True}),
    "monthly collection report": (collection_report, "0 6 1 * *", {}),
    "daily reconciliation": (reconcile, "30 5 * * *", {}),
    "daily exchange rates": (exchange_rate_sync, "15 4 * * *", {"dry_run": True}),
    "monthly currency reconciliation": (currency_reconciliation, "0 6 2 * *", {}),
    "weekly duplicate report": (duplicate_report, "0 4 * * 1", {}),
    "monthly subsidiary audit": (subsidiary_audit, "0 6 1 * *", {"month": "1999-01"}),
}
ROOT = Path(__file__).resolve().parents[2]


def prefect_command(*words: str) -> str:
    """Run Prefect's own command line against the tests' server."""
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value()), "PREFECT_CLI_COLORS": "false"}
    command = [sys.executable, "-m", "prefect", "--no-prompt", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_of_event(deployment: str, event: str, records: list[str], seconds: float = 60) -> dict[str, Any]:
    """Parameters of the run that an event starts; a server takes a moment to heed a new trigger: it is repeated."""
    chosen = FlowRunFilter(deployment_id={"any_": [deployment]})
    for _ in range(int(seconds / 2)):
        emit_event(
            event=event, resource={"prefect.resource.id": f"salesforce.{records[0]}"}, payload={"records": records}
        )
        time.sleep(2)
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_run_filter=chosen)
        if named := [run.parameters for run in runs if run.parameters.get("records")]:
            return dict(named[0])
    raise AssertionError(f"{event} has started nothing")


@pytest.mark.requirement("L04", "L06", "S03", "S10", "S11", "S13", "Q04")
def test_the_deployments_are_registered_take_the_saved_integration_and_run_on_a_worker(world: World) -> None:
    world.deal()
    runs: list[UUID] = []
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
            assert deployment.description
            assert import_object(deployment.entrypoint) is quote_to_order
        run = client.create_flow_run_from_deployment(found["closed-won opportunities"].id, parameters={"dry_run": True})
        assert run.parameters["integration"] == found["closed-won opportunities"].parameters["integration"]
        runs.append(run.id)
        assert import_object(str(found["orders from the field"].entrypoint)) is order_batch
        for name, (flow, rhythm, parameters) in OTHERS.items():
            deployment = found[name]
            assert import_object(str(deployment.entrypoint)) is flow
            assert deployment.description
            assert not deployment.pull_steps
            (planned,) = deployment.schedules
            assert planned.active
            assert rhythm in (getattr(planned.schedule, "interval", None), getattr(planned.schedule, "cron", None))
            runs.append(client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id)
    prefect_command("worker", "start", "--pool", "erp", "--run-once", "--install-policy", "never")
    with get_client(sync_client=True) as client:
        states = [client.read_flow_run(run).state for run in runs]
    assert [str(state and state.type.value) for state in states] == ["COMPLETED"] * len(runs), states
    assert "1 would be written" in str(states[0] and states[0].message)
    for name, event, records in (
        ("payments and returns of the field", "prefect-crm-erp.field.recorded", ["a08000000000001AAA"]),
        ("invoices and payments", "prefect-crm-erp.invoice.changed", ["US-I2026-00017", "US-I2026-00018"]),
    ):
        started = run_of_event(str(found[name].id), event, records)
        assert started["records"] == records
        assert started["integration"] == found[name].parameters["integration"]
    loaded = Integration.load("production", _sync=True)
    assert loaded.erp.server_url == integration.erp.server_url
