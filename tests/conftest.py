"""What all tests share: one temporary Prefect server, one Salesforce sandbox, one Tryton."""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine and of what else it does; speed is measured in benchmarks/.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

pytest_plugins = (
    "account_world",
    "fixtures_approvals",
    "fixtures_documents",
    "fixtures_salesforce",
    "fixtures_salesforce_documents",
    "fixtures_salesforce_field",
    "fixtures_tryton",
    "office",
    "world",
)


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """A temporary Prefect server for flows, blocks and artifacts.

    It does not keep the runs of tasks: it would write them to its SQLite after a flow has ended, and have the next flow
    begin two seconds later because the database is locked. Without heartbeats no flow waits for the second of a pulse.
    """
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    quick = {PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED: False, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(quick), prefect_test_harness(server_startup_timeout=120):
        yield
