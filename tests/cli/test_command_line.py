"""The two commands, as a newcomer runs them: in a process of its own, with nothing but its output to go by."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prefect.settings import PREFECT_API_URL

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows import quote_to_order

FATES = {
    "Cascade Biolabs Inc": ("written", None),
    "Golden Gate Diagnostics": ("written", None),
    "Harrow & Finch Limited": ("written", None),
    "Brueckner Messtechnik GMBH": ("written", None),
    "Sakura Optics K.K.": ("written", None),
    "Lindqvist Analys AB": ("written", None),
    "O'Brien \\ 100% Pure Ltd": ("written", None),
    "Pacific Rim Testing LLC": ("written", None),
    "Nordlicht Apotheke eK": ("written", None),
    "Golden Gate Diagnostics, Inc.": ("queued", "Pending Review"),
    "Freedonia Research Institute": ("queued", "Pending Review"),
    "Alpine Photonics AG": ("queued", "Data Quality Exception"),
    "Calder Valley Labs Ltd": ("queued", "Pending Approval"),
    "Meridian Water Authority": ("queued", "Data Quality Exception"),
    "Bayou Chemicals LLC": ("queued", "Data Quality Exception"),
    "Gulf Desalination WLL": ("queued", "Data Quality Exception"),
    "Quantum Dairy Co": ("excluded", None),
}


def start(*words: str, folder: Path, **variables: str) -> subprocess.Popen[str]:
    """Start the command with a temporary folder of its own, so that what it leaves behind is seen."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder), **variables}
    command = [sys.executable, "-m", "prefect_crm_erp.cli.main", *words]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def offspring(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.requirement("GB01", "GB12", "T08")
def test_the_demo_shows_the_fate_of_every_deal(tmp_path: Path) -> None:
    process = start("demo", "--json", folder=tmp_path / "tmp")
    output, notes = process.communicate(timeout=240)
    assert process.returncode == 0, notes
    document: dict[str, Any] = json.loads(output)
    won = [deal for deal in document["deals"] if deal["source"] == "closed-won opportunities"]
    assert {deal["account"]: (deal["outcome"], deal["queue"]) for deal in won} == FATES
    written = [deal for deal in document["deals"] if deal["outcome"] == "written"]
    assert {deal["source"] for deal in written} == {"closed-won opportunities", "accepted quotes", "activated orders"}
    assert all(deal["crm_total"] == deal["erp_total"] and deal["order_number"] for deal in written)
    assert all(deal["reason"] for deal in document["deals"] if deal["queue"])
    assert [order["number"] for order in document["orders"]] == [deal["order_number"] for deal in written]
    assert set(document["totals"]) == {"USD", "GBP", "EUR", "JPY"}
    assert sum(document["queues"].values()) == sum(1 for deal in document["deals"] if deal["queue"])
    assert {"prefect_ui", "flow_run", "artifacts"} <= document["urls"].keys()
    assert not list((tmp_path / "tmp").glob("prefect-crm-erp-*"))


def test_ctrl_c_leaves_no_process_and_no_folder_behind(tmp_path: Path) -> None:
    process = start("demo", folder=tmp_path / "tmp")
    deadline = time.monotonic() + 60
    while len(offspring(process)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    children = offspring(process)
    assert len(children) >= 3
    process.send_signal(signal.SIGINT)
    _, notes = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in notes
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert not list((tmp_path / "tmp").glob("prefect-crm-erp-*"))


def test_the_sandbox_says_in_one_line_how_to_reach_it_and_runs_until_terminated(tmp_path: Path) -> None:
    process = start("sandbox", "--empty", folder=tmp_path / "tmp")
    assert process.stdout is not None
    access = json.loads(process.stdout.readline())
    salesforce, tryton = access["salesforce"], access["tryton"]
    needed = ("http_url", "https_url", "ca_file", "api_version", "username", "password", "security_token", "client_id")
    assert all(salesforce[name] for name in (*needed, "client_secret"))
    assert all(tryton[name] for name in ("url", "database", "user", "password"))
    companies = {(company["code"], company["currency"]) for company in tryton["companies"]}
    assert companies == {("US", "USD"), ("UK", "GBP"), ("DE", "EUR")}
    assert all(company["id"] for company in tryton["companies"])
    assert httpx.get(f"{salesforce['http_url']}/services/data/", trust_env=False).is_success
    children = offspring(process)
    process.terminate()
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


@pytest.mark.requirement("GB03")
def test_the_saved_integration_is_loaded_by_its_name_and_works(prefect: None, tmp_path: Path) -> None:
    words = ("sandbox", "--save-blocks", "try-out", "--state-dir", str(tmp_path / "state"))
    process = start(*words, folder=tmp_path / "tmp", PREFECT_API_URL=str(PREFECT_API_URL.value()))
    assert process.stdout is not None
    try:
        access = json.loads(process.stdout.readline())
        assert access["integration"] == "try-out"
        report = quote_to_order(integration=Integration.load("try-out", _sync=True), dry_run=True)
        assert {row.account: (row.outcome.value, row.queue and row.queue.value) for row in report.rows} == FATES
    finally:
        process.terminate()
        process.communicate(timeout=60)
