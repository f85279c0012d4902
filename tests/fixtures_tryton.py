"""A real Tryton for the tests: the embedded one, with the demo company, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox


@pytest.fixture(scope="session")
def tryton_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonSandbox]:
    """The running sandbox; all tests share it, so each works with records of its own."""
    with TrytonSandbox(tmp_path_factory.mktemp("tryton")) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def tryton_demo(tryton_sandbox: TrytonSandbox) -> TrytonAccess:
    """How to reach it, and who may log in."""
    return tryton_sandbox.access
