"""Runs the demo's deployments, follows their progress, and collects what became of each deal."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from rich.progress import Progress

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.cli.systems import Systems
from prefect_crm_erp.flows.quote_to_order import Source
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.outcomes import Outcome, ReportRow

RUN_SECONDS = 300


@dataclass(slots=True)
class SourceRun:
    """One deployment run and its rows."""

    source: str
    run_id: UUID
    url: str
    rows: list[ReportRow]


@dataclass(slots=True)
class DemoResult:
    """What the demo shows at the end."""

    runs: list[SourceRun]
    urls: dict[str, str]
    seconds: float = 0.0

    @property
    def rows(self) -> list[ReportRow]:
        """The rows of all runs."""
        return [row for run in self.runs for row in run.rows]

    def to_json(self) -> dict[str, Any]:
        """Deals, orders, totals, queues and addresses as one document; amounts as text."""
        rows = self.rows
        return {
            "deals": [{"source": run.source} | _row_json(row) for run in self.runs for row in run.rows],
            "orders": [_order_json(row) for row in rows if row.outcome is Outcome.WRITTEN],
            "totals": _totals(rows),
            "queues": dict(Counter(row.queue.value for row in rows if row.queue)),
            "coverage": {"source": len(rows)} | {each.value: _count(rows, each) for each in Outcome},
            "runs": [{"source": run.source, "id": str(run.run_id), "url": run.url} for run in self.runs],
            "urls": self.urls,
            "seconds": self.seconds,
        }


def run_sources(server_url: str, systems: Systems, integration: str, progress: Progress) -> DemoResult:
    """Run the deployments and collect the rows from the ledger: opportunities first, then quotes and orders together.

    Raises:
        ConfigurationError: A run did not complete; the message is the run's own.
    """
    first, *others = get_args(Source)
    runs = [_run(first, server_url, integration, progress)]
    with ThreadPoolExecutor(max_workers=len(others)) as pool:
        runs += pool.map(lambda source: _run(source, server_url, integration, progress), others)
    ui = _ui(server_url)
    urls = {
        "prefect_ui": server_url,
        "flow_run": runs[0].url,
        "artifacts": f"{runs[0].url}?tab=Artifacts",
        "deployments": f"{ui}/deployments",
        "salesforce": systems.salesforce.http_url,
        "tryton": systems.tryton.url,
    }
    return DemoResult(runs, urls)


def _run(source: str, server_url: str, integration: str, progress: Progress) -> SourceRun:
    shown = progress.add_task(f"Quote to order: {source}", total=100)
    with get_client(sync_client=True) as client:
        created = run_deployment(f"quote-to-order/{source}", timeout=0, as_subflow=False)
        finished = _follow(client, created.id, progress, shown)  # type: ignore[union-attr]  # sync call
    state = finished.state
    if state is None or not state.is_completed():
        raise ConfigurationError(f"The run of {source} did not complete: {state and state.message}", system="Prefect")
    progress.update(shown, completed=100)
    with Integration.load(integration).ledger.open().for_integration(integration) as store:  # type: ignore[union-attr]
        run_id = next(run.run_id for run in store.runs() if run.run_id.startswith(str(finished.id)))
        rows = list(store.rows(run_id))
    return SourceRun(source, finished.id, f"{_ui(server_url)}/runs/flow-run/{finished.id}", rows)


def _ui(server_url: str) -> str:
    """Where Prefect's pages begin; who prefers the first user interface is sent on to it from here."""
    return f"{server_url}/v2"


def _follow(client: SyncPrefectClient, run_id: UUID, progress: Progress, shown: Any) -> FlowRun:
    """Poll the run and its progress artifact until it ends."""
    deadline = time.monotonic() + RUN_SECONDS
    while True:
        run = client.read_flow_run(run_id)
        if run.state is not None and run.state.is_final():
            return run
        if time.monotonic() > deadline:
            raise ConfigurationError(f"The run did not end within {RUN_SECONDS} seconds", system="Prefect")
        for percent in _progress(client, run_id):
            progress.update(shown, completed=percent)
        time.sleep(0.5)


def _progress(client: SyncPrefectClient, run_id: UUID) -> list[float]:
    """What the run's progress artifacts say, in percent."""
    chosen = {"artifacts": {"flow_run_id": {"any_": [str(run_id)]}, "type": {"any_": ["progress"]}}}
    answer = httpx.post(f"{client.api_url}artifacts/filter", json=chosen, trust_env=False, timeout=10)
    return [float(artifact["data"]) for artifact in answer.json()] if answer.is_success else []


def _row_json(row: ReportRow) -> dict[str, Any]:
    return {
        "crm_id": row.crm_id,
        "name": row.name,
        "account": row.account,
        "outcome": row.outcome.value,
        "queue": row.queue.value if row.queue else None,
        "reason": row.reason,
        "subsidiary": row.subsidiary,
        "order_number": row.erp_number,
        "currency": row.currency,
        "crm_total": _text(row.crm_total),
        "erp_total": _text(row.erp_total),
        "crm_url": row.crm_url,
        "erp_url": row.erp_url,
        "notes": [note.text for note in row.notes],
    }


def _order_json(row: ReportRow) -> dict[str, Any]:
    return {
        "number": row.erp_number,
        "crm_id": row.crm_id,
        "subsidiary": row.subsidiary,
        "currency": row.currency,
        "total": _text(row.erp_total),
        "url": row.erp_url,
    }


def _totals(rows: list[ReportRow]) -> dict[str, dict[str, Any]]:
    """Sums of the written orders by currency, in both systems."""
    totals: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.outcome is Outcome.WRITTEN and row.currency:
            total = totals.setdefault(row.currency, {"orders": 0, "crm": Decimal(0), "erp": Decimal(0)})
            total["orders"] += 1
            total["crm"] += row.crm_total or 0
            total["erp"] += row.erp_total or 0
    return {
        currency: total | {"crm": str(total["crm"]), "erp": str(total["erp"])} for currency, total in totals.items()
    }


def _count(rows: list[ReportRow], outcome: Outcome) -> int:
    return sum(1 for row in rows if row.outcome is outcome)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
