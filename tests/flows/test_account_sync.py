"""Accounts and customers are kept in step: each field by its owner, nothing overwritten unseen, nothing doubled."""

from __future__ import annotations

from typing import Any

import pytest
from world import BERLIN, World

from prefect_crm_erp.blocks import AccountPolicy, Integration, NewCustomers
from prefect_crm_erp.flows import account_sync
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.tasks.report import RunReport

EVERY = AccountPolicy(new_customers=NewCustomers.ALL)


def everybody(world: World, **changes: Any) -> Integration:
    """An integration by which every account becomes a customer."""
    return world.integration(accounts=EVERY, **changes)


def sync(world: World, integration: Integration | None = None, **parameters: Any) -> RunReport:
    """Run account sync, and check that every record is accounted for."""
    report = account_sync(integration=integration or everybody(world), **parameters)
    assert report.source == report.written + report.unchanged + report.queued + report.excluded == len(report.rows)
    return report


def test_smoke(world: World) -> None:
    account = world.account(Phone="617 555 0100")
    report = sync(world)
    for row in report.rows:
        print(row)
    report = sync(world)
    for row in report.rows:
        print(row)
    assert 0
