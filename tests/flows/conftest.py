"""A company with an org and an ERP, for whole flows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
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
