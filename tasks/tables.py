"""The tables of a run, as an operator reads them in Prefect: what was written, what waits, what would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from prefect_crm_erp.models.outcomes import Queue, ReportRow
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, SENTENCE_WIDTH, amount, link, stacked, table, text

ROWS_SHOWN = 500
"""Deals that a table shows; the ledger has them all."""

NEXT_STEP = {
    Queue.PENDING_REVIEW: "A person decides: correct the account, and the next run goes on.",
    Queue.RETRY: "Tried again by itself, each time a little later.",
    Queue.DEAD_LETTER: "Tried often enough: remove the cause, then run it by its id.",
    Queue.DATA_QUALITY: "Correct the record as the reason says; the next run goes on.",
    Queue.MANUAL_REVIEW: "The ERP refused it: correct the deal, or run it by its id.",
    Queue.PENDING_APPROVAL: "Somebody approves it in the ERP; the next run goes on.",
}
"""What happens next with the deals of a queue."""


def counts_table(counts: dict[str, int]) -> str:
    """One row of numbers under their titles."""
    columns = range(len(counts))
    return table(list(counts), [[f"{count:,}" for count in counts.values()]], right=columns)


def queues_table(
    queues: Counter[Queue], what: str = "Deals", next_step: Mapping[Queue, str] = MappingProxyType(NEXT_STEP)
) -> str:
    """How many deals (or what it is) wait in each queue, and what happens next."""
    rows = [
        [queue.value, f"{queues[queue]:,}", text(next_step[queue], SENTENCE_WIDTH)] for queue in Queue if queues[queue]
    ]
    return table(("Queue", what, "What happens next"), rows, right={1})


def excluded_table(reasons: Counter[str]) -> str:
    """Why deals were left alone, the most frequent reasons first."""
    rows = [[text(why, SENTENCE_WIDTH), f"{count:,}"] for why, count in reasons.most_common(20)]
    return table(("Why", "Deals"), rows, right={1})


def totals_table(rows: Iterable[ReportRow]) -> str:
    """Sums of the orders in both systems, by currency; empty when there are none."""
    orders: Counter[str] = Counter()
    crm: dict[str, Decimal] = {}
    erp: dict[str, Decimal] = {}
    for row in rows:
        currency = row.currency or ""
        orders[currency] += 1
        crm[currency] = crm.get(currency, Decimal(0)) + (row.crm_total or 0)
        erp[currency] = erp.get(currency, Decimal(0)) + (row.erp_total or 0)
    body = [
        [f"{orders[currency]:,}", amount(crm[currency], currency), amount(erp[currency], currency)]
        for currency in sorted(orders)
    ]
    return table(("Orders", "Total in the CRM", "Total in the ERP"), body, right={0, 1, 2}) if body else ""


def review_table(rows: Iterable[ReportRow], what: str = "Deal") -> str:
    """What was assumed on the way and somebody should look at; empty when there is nothing."""
    body = [
        [text(note.flag), link(row.name, row.crm_url, NAME_WIDTH), text(note.text, SENTENCE_WIDTH)]
        for row in rows
        for note in row.notes
        if note.flag
    ]
    return _first(table(("For", what, "What"), body[:ROWS_SHOWN]), len(body)) if body else ""


def written_table(rows: Sequence[ReportRow], count: int) -> str:
    """The orders, with links into both systems, and what was read differently on the way.

    Args:
        rows: The first `ROWS_SHOWN` of them.
        count: How many there are.
    """
    if not rows:
        return "Nothing."
    body = [
        [
            _deal(row),
            stacked(link(row.erp_number or "new", row.erp_url), text(row.subsidiary)),
            amount(row.crm_total, row.currency),
            amount(row.erp_total, row.currency),
        ]
        for row in rows
    ]
    orders = table(("Deal", "Order", "Total in the CRM", "Total in the ERP"), body, right={2, 3})
    noted = [[link(row.name, row.crm_url, NAME_WIDTH), notes] for row in rows if (notes := _notes(row))]
    remarks = [f"## On the way\n\n{table(('Deal', 'What was read or assumed'), noted)}"] if noted else []
    return "\n\n".join([_first(orders, count), *remarks])


def parked_tables(
    rows: Sequence[ReportRow],
    count: int,
    what: str = "Deal",
    next_step: Mapping[Queue, str] = MappingProxyType(NEXT_STEP),
) -> str:
    """A table for each queue: the deals that wait in it, and why.

    Args:
        rows: The first `ROWS_SHOWN` of them.
        count: How many there are.
        what: What they are.
        next_step: What happens next with those of a queue.
    """
    if not rows:
        return "Nothing waits."
    by_queue = {queue: chosen for queue in Queue if (chosen := [row for row in rows if row.queue is queue])}
    sections = [
        f"## {queue.value}\n\n{next_step[queue]}\n\n{_waiting_table(chosen, what)}"
        for queue, chosen in by_queue.items()
    ]
    return _first("\n\n".join(sections), count)


def changes_tables(rows: Sequence[ReportRow], count: int) -> str:
    """Field by field, what a real run would write: one table for each deal.

    Args:
        rows: The first `ROWS_SHOWN` deals that would be written.
        count: How many there are.
    """
    sections = [
        f"## {link(row.name, row.crm_url)}\n\n{table(('Field', 'Before', 'After'), _changes(row))}"
        for row in rows
        if row.changes
    ]
    return _first("\n\n".join(sections), count) if sections else "Nothing."


def account_changes_table(rows: Sequence[ReportRow], count: int) -> str:
    """What changed in accounts and customers, field by field, and why."""
    body = [
        [
            _deal(row),
            text(change.field, NAME_WIDTH),
            text(change.before or "—", NAME_WIDTH),
            text(change.after or "—", NAME_WIDTH),
            text(change.why, NAME_WIDTH),
        ]
        for row in rows
        for change in row.changes
    ]
    return _first(table(("Account", "Field", "Before", "After", "Why"), body), count) if body else "Nothing."


def _deal(row: ReportRow) -> str:
    return stacked(link(row.name, row.crm_url, NAME_WIDTH), text(row.account, NAME_WIDTH))


def _notes(row: ReportRow) -> str:
    return stacked(*(text(note.text, SENTENCE_WIDTH) for note in row.notes if note.field != "subsidiary"))


def _waiting_table(rows: Sequence[ReportRow], what: str) -> str:
    body = [
        [stacked(_deal(row), amount(row.crm_total, row.currency)), text(row.reason, SENTENCE_WIDTH)] for row in rows
    ]
    return table((what, "Why"), body)


def _changes(row: ReportRow) -> list[list[str]]:
    return [
        [
            text(change.field.replace("_", " ").replace(".", ": ", 1)),
            text(change.before or "—", NAME_WIDTH),
            text(change.after or "—", NAME_WIDTH),
        ]
        for change in row.changes
    ]


def _first(shown: str, count: int) -> str:
    return f"{shown}\n\nThe first {ROWS_SHOWN} of {count:,}; the ledger has them all." if count > ROWS_SHOWN else shown
