"""Lines to the systems that a test can cut, and a PostgreSQL for the ledger."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.ledger_fixtures import PostgresServer
from cutting_proxy import CuttingProxy
from fixtures_salesforce import SandboxOrg

from prefect_crm_erp.sandbox.tryton import TrytonAccess


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
