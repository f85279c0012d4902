"""Clients of the ERPs that the tests of the sandbox look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from erp_client import ErpClient

from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox


@pytest.fixture
def erp(tryton_demo: TrytonAccess) -> Iterator[ErpClient]:
    """The demo company's ERP, as the integration user sees it."""
    client = ErpClient(tryton_demo)
    yield client
    client.rpc.close()


@pytest.fixture(scope="session")
def bare_erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ErpClient]:
    """The ERP of the variant without customers and products."""
    with TrytonSandbox(tmp_path_factory.mktemp("bare"), empty=True) as sandbox:
        client = ErpClient(sandbox.access)
        yield client
        client.rpc.close()
