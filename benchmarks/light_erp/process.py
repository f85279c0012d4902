"""Starts and stops a stand-in in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.light_erp.server import DATABASE, HOST, PASSWORD, USER
from benchmarks.light_erp.store import Store
from prefect_crm_erp.sandbox.tryton.access import CompanyAccess, TrytonAccess

PROGRAM: Final = "benchmarks.light_erp.server"
"""The program that the stand-in runs in, as its command line shows it."""
_STOP_SECONDS: Final = 10
_ROOT: Final = Path(__file__).resolve().parents[2]


@contextmanager
def light_erp(file: Path) -> Iterator[TrytonAccess]:
    """Serve a database that `Store` has filled; it gives what a client needs to connect, as to Tryton."""
    process = subprocess.Popen(
        [sys.executable, "-m", PROGRAM, "--file", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = json.loads(process.stdout.readline())["port"]
        yield _access(f"http://{HOST}:{port}", file)
    finally:
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _access(url: str, file: Path) -> TrytonAccess:
    store = Store(file)
    rows = store.read(
        "company.company", store.ids("company.company", []), ["party.name", "party.code", "currency.code"]
    )
    store.close()
    companies = [
        CompanyAccess(row["party."]["code"], row["id"], row["party."]["name"], row["currency."]["code"]) for row in rows
    ]
    # Whoever else may sign in to Tryton is not known here.
    nobody = dict.fromkeys(("admin_user", "admin_password", "finance_user", "finance_password"), "")
    nobody |= dict.fromkeys(("vp_finance_user", "vp_finance_password"), "")
    nobody |= dict.fromkeys(("sales_director_user", "sales_director_password"), "")
    return TrytonAccess(url=url, database=DATABASE, user=USER, password=PASSWORD, companies=tuple(companies), **nobody)


def change_records(url: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Save records by model in a running stand-in, as changed now; values as JSON has them, amounts as text."""
    httpx.post(f"{url}/__sandbox__/records", json=rows, trust_env=False, timeout=120).raise_for_status()
