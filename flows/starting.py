"""How a flow starts: the identity of its run, and what an operator has typed brought to exact forms."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from prefect.context import FlowRunContext

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.blocks.ledger import CrossReference
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import is_salesforce_id, salesforce_id
from prefect_crm_erp.tasks.account_run import AccountRun, Direction
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.run import BaseRun

_OBJECTS_UNTIL_COLLECTION: Final = 300_000
"""Of Python's cyclic garbage collector, which by itself looks for cycles after each 700 new objects.

A page of records is hundreds of thousands of objects that live until the page is done, and hardly one of them is in a
cycle: looking through them again and again was a third of the processor time of reading invoices.
"""
_LONGEST_TURN_SECONDS: Final = 0.001
"""Of a thread that others wait for; by itself Python lets it go on for five milliseconds.

A thread steps aside for each piece of an answer and each row of SQLite, thousands of times for a page, and waits as
often until it is its turn again.
"""


def new_run_id() -> str:
    """Identity of this start of a run, in the ledger and in claims.

    A flow run can be started again while a machine that was given up still works on it: each start claims for itself.
    """
    context = FlowRunContext.get()
    start = str(uuid4())
    return f"{context.flow_run.id}/{start[:8]}" if context and context.flow_run else start


def open_reading(integration: Integration, flow: str) -> AccountRun:
    """A run over accounts and customers that only reads.

    Args:
        integration: The saved integration.
        flow: Name of the flow, for the ledger.

    Raises:
        ConfigurationError: The integration has lost its references, or its ledger cannot be opened.
    """
    integration.check_references()
    store = integration.ledger.open().for_integration(integration.state_name)
    run = AccountRun(integration, Direction.BOTH, run_id=new_run_id(), store=store, dry_run=True)
    store.start_run(run.run_id, flow=flow, source="accounts and customers", dry_run=True)
    return run


def aware(moment: datetime | None) -> datetime | None:
    """A time with a zone: UTC where it names none."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def exact_ids(
    records: Sequence[str], by_number: Callable[[Sequence[str]], dict[str, list[CrossReference]]], what: str
) -> list[str]:
    """CRM ids in their 18-character form, each once; an ERP number stands for the record that it came from.

    Args:
        records: What an operator has typed.
        by_number: Looks ERP numbers up.
        what: What the numbers are of, for the message.

    Raises:
        ConfigurationError: A text is neither.
    """
    named = [each.strip() for each in records if each.strip()]
    numbers = by_number([each for each in named if not is_salesforce_id(each)])
    return list(
        dict.fromkeys(
            key
            for each in named
            for key in ([ref.key for ref in numbers[each]] if each in numbers else [_exact_id(each, what)])
        )
    )


def _exact_id(text: str, what: str) -> str:
    try:
        return salesforce_id(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is neither a CRM id (15 or 18 characters, as in the record's address) nor the number of "
            f"{what} that this integration has written"
        ) from None


def ids_of_accounts(run: AccountRun, records: Sequence[str] | None) -> list[str]:
    """The accounts that an operator named; else those that wait in a queue."""
    if records is None:
        return [entry.key for entry in run.store.parked(kind=run.kind)]
    return exact_ids(records, lambda numbers: run.store.bound_by_number(CUSTOMER, numbers), "a customer")


@contextmanager
def recorded(run: BaseRun) -> Iterator[Callable[[object, int], None]]:
    """Keep in the ledger how a run ends, and close it.

    Gives a function for its body to call with the report and the number of its records; a run whose body does not come
    to that has failed.
    """
    ended: list[tuple[object, int]] = []
    try:
        with _tuned_interpreter():
            yield lambda report, count: ended.append((report, count))
    finally:
        report, count = ended[0] if ended else (None, 0)
        summary = {"report": repr(report)} if ended else {}
        run.store.finish_run(run.run_id, status="completed" if ended else "failed", source_count=count, summary=summary)
        run.close()


@contextmanager
def _tuned_interpreter() -> Iterator[None]:
    """Let Python look for cyclic garbage less often, and change threads more often, while a run is at work."""
    usual, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(max(_OBJECTS_UNTIL_COLLECTION, usual[0]) if usual[0] else 0, *usual[1:])
    sys.setswitchinterval(min(_LONGEST_TURN_SECONDS, interval))
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        sys.setswitchinterval(interval)
