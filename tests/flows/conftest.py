"""A company with an org and an ERP, for whole flows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.ledger_fixtures import PostgresServer
from cutting_proxy import CuttingProxy
from fixtures_salesforce import SandboxOrg
from world import World

from prefect_crm_erp.sandbox.tryton import TrytonAccess


@pytest.fixture
def world(prefect: None, salesforce_sandbox: SandboxOrg, tryton_demo: TrytonAccess, tmp_path: Path) -> Iterator[World]:
    """A fresh org and ledger, and the ERP that the tests share."""
    salesforce_sandbox.reset(empty=True)
    salesforce_sandbox.clear_calls()
    yield World(salesforce_sandbox, tryton_demo, tmp_path)
    salesforce_sandbox.clear_calls()


@pytest.fixture
def crm_line(salesforce_sandbox: SandboxOrg) -> Iterator[CuttingProxy]:
    """A line to the CRM that a test can hold and cut."""
    proxy = CuttingProxy(salesforce_sandbox.access.http_url)
    yield proxy
    proxy.close()


@pytest.fixture
def line(tryton_demo: TrytonAccess) -> Iterator[CuttingProxy]:
    """A line to the ERP that a test can hold and cut."""
    proxy = CuttingProxy(tryton_demo.url)
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server."""
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="pg")))  # the path of a socket must be short
    yield server
    server.stop()
