"""What SQLite does with the ledger's questions: it goes by the keys that it is given, however large the tables are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from conformance.test_ledger_documents import invoice
from pydantic import SecretStr

from prefect_crm_erp.blocks.ledger import Ledger, LedgerStore

KEYS = [f"key {number}" for number in range(500)]
_BY_KEY = re.compile(r"\b(?:key|erp_id|opportunity_id|account|run_id|rowid)=\?")

QUESTIONS: dict[str, Callable[[LedgerStore], object]] = {
    "documents by id": lambda store: store.documents("invoice", "main", KEYS),
    "documents that stand": lambda store: store.standing("invoice", "main", KEYS),
    "documents of an account or opportunity": lambda store: store.documents_of("invoice", "main", KEYS[0]),
    "documents of opportunities": lambda store: store.opportunity_documents("invoice", KEYS),
    "invoices of accounts": lambda store: list(store.account_documents(KEYS)),
    "saving": lambda store: store.save_documents([invoice(key) for key in KEYS]),
    "dropping": lambda store: store.drop_documents("invoice", "main", KEYS),
    "moving": lambda store: store.move_documents(KEYS[0], KEYS[1]),
    "customers": lambda store: store.bound_by_erp_id("customer", "main", KEYS),
    "what is parked": lambda store: list(store.parked(kind="invoice", keys=KEYS)),
    "leaving a queue": lambda store: store.resolve("invoice", KEYS, resolution="written"),
    "what was read": lambda store: store.noted("run", KEYS),
}


@contextmanager
def explained(store: LedgerStore) -> Iterator[list[str]]:
    """How SQLite finds the rows of each statement that is sent meanwhile."""
    steps: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters[0] if many else parameters)
            steps.extend(step for *_, step in plan if step.startswith(("SEARCH", "SCAN")))

    sa.event.listen(store.database.engine, "before_cursor_execute", explain)
    yield steps
    sa.event.remove(store.database.engine, "before_cursor_execute", explain)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerStore]:
    """An empty ledger: what it holds says nothing of how large it becomes."""
    url = f"sqlite:///{Path(tmp_path_factory.mktemp('ledger')) / 'ledger.db'}"
    with Ledger(url=SecretStr(url)).open() as database:
        store = database.for_integration("sandbox")
        store.start_run("run", flow="flow", source="source", dry_run=False)
        yield store


@pytest.mark.requirement("S04")
@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_reads_more_than_it_asks_for(opened: LedgerStore, question: str) -> None:
    with explained(opened) as steps:
        QUESTIONS[question](opened)
    assert steps
    assert [step for step in steps if not _BY_KEY.search(step)] == []
