"""Report of a subsidiary audit: counts and sums by subsidiary, and each mismatch with links into both systems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.tasks.events import tell_automations
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, SENTENCE_WIDTH, amount, link, stacked, table, text
from prefect_crm_erp.tasks.report import artifact_key
from prefect_crm_erp.tasks.run import Run
from prefect_crm_erp.tasks.subsidiary_audit import Audit, AuditedOrder, Mismatch, Trouble
from prefect_crm_erp.tasks.tables import ROWS_SHOWN

SOURCE: Final = "subsidiary audit"
EVENT: Final = "prefect-crm-erp.audit.mismatches"
"""Emitted once by an audit that finds any, for an automation to notify by."""


class AuditReport:
    """What an audit of a month has found.

    Attributes:
        run_id: Identity of the run in the ledger.
        month: The month, as `2026-03`.
        books: Counts and sums by subsidiary; `Pending Review` stands for deals that no rule decides.
        mismatches: Deals and orders that do not agree.
        born: Orders that were born in the ERP, with their subsidiary.
        left_alone: Deals that are kept from the ERP on purpose, by reason.

    Example:
        ```python
        report = subsidiary_audit(integration=Integration.load("sandbox"), month="2026-03")
        for name, books in report.books.items():
            print(name, books.deals, books.orders, books.deal_sums, books.order_sums)
        ```
    """

    def __init__(self, audit: Audit) -> None:
        self.run_id = audit.run.run_id
        self.month = f"{audit.first:%Y-%m}"
        self.books = dict(audit.books)
        self.mismatches = list(audit.mismatches)
        self.born = list(audit.born)
        self.left_alone = dict(audit.left_alone)

    @property
    def passes(self) -> bool:
        """Whether every won deal of the month is an order of the month, in its subsidiary and of its sum."""
        return not self.mismatches

    @property
    def deals(self) -> int:
        """Closed-won deals of the month, those that are left alone not counted."""
        return sum(books.deals for books in self.books.values())

    @property
    def orders(self) -> int:
        """Orders of the month that came from deals."""
        return sum(books.orders for books in self.books.values())

    def of(self, deal: str) -> list[Mismatch]:
        """The mismatches of a deal."""
        return [each for each in self.mismatches if each.deal and each.deal.crm_id == deal]

    def in_words(self) -> str:
        """The result as a sentence, for people."""
        counted = f"{self.deals:,} won deals and {self.orders:,} orders of them in {self.month}"
        if self.passes:
            return f"Zero mismatches: {counted}"
        kinds = Counter(each.trouble for each in self.mismatches)
        named = ", ".join(f"{count:,} × {trouble.value.lower()}" for trouble, count in kinds.most_common())
        return f"{counted}; {named}"

    def __repr__(self) -> str:
        """The result as a sentence."""
        return f"AuditReport({self.in_words()})"


@task(name="Report audit", cache_policy=NO_CACHE, persist_result=False)
def report_audit(audit: Audit) -> AuditReport:
    """Publish counts, sums and mismatches, and tell automations of them."""
    report = AuditReport(audit)
    _show("summary", _summary(report), report.in_words())
    _show("mismatches", f"# Mismatches in {report.month}\n\n{_mismatches(audit.run, report)}", "What does not agree")
    _show("born", f"# Born in the ERP in {report.month}\n\n{_born(audit.run, report)}", "Orders without a deal")
    if not report.passes:
        _tell(audit.run, report)
    return report


def _show(name: str, markdown: str, description: str) -> None:
    create_markdown_artifact(markdown, key=artifact_key(SOURCE, name), description=description)


def _tell(run: Run, report: AuditReport) -> None:
    payload = {"month": report.month, "mismatches": len(report.mismatches), "summary": report.in_words()}
    tell_automations(run, EVENT, "audit", "Subsidiary audit", payload)


# -------------------------------------------------------------------- tables


def _summary(report: AuditReport) -> str:
    rows = [
        [
            text(name),
            f"{books.deals:,}",
            f"{books.orders:,}",
            _sums(books.deal_sums),
            _sums(books.order_sums),
            stacked(f"{books.born:,}" if books.born else "", _sums(books.born_sums)),
        ]
        for name, books in report.books.items()
    ]
    head = ("Subsidiary", "Won deals", "Orders", "Sum of the deals", "Sum of the orders", "Born in the ERP")
    alone = [f"{count:,} left alone on purpose: {text(why)}." for why, count in report.left_alone.items()]
    parts = [
        f"# Subsidiaries in {report.month}",
        text(report.in_words()) + ".",
        table(head, rows, right={1, 2, 3, 4, 5}),
    ]
    return "\n\n".join([*parts, *alone, "*Sums are without tax, in the currencies of deals and orders.*"])


def _sums(sums: Mapping[str, Decimal]) -> str:
    return stacked(*(amount(value, currency) for currency, value in sorted(sums.items())))


def _mismatches(run: Run, report: AuditReport) -> str:
    sections = [_section(run, trouble, found) for trouble in Trouble if (found := _of(report, trouble))]
    return "\n\n".join(sections) or "Nothing."


def _of(report: AuditReport, trouble: Trouble) -> list[Mismatch]:
    return [each for each in report.mismatches if each.trouble is trouble]


def _section(run: Run, trouble: Trouble, found: list[Mismatch]) -> str:
    rows = [
        [
            stacked(_deal(run, each), amount(each.crm_total, each.currency)),
            stacked(_order(run, each.found), text(each.subsidiary)),
            text(each.why, SENTENCE_WIDTH),
        ]
        for each in found[:ROWS_SHOWN]
    ]
    shown = f"## {trouble.value}\n\n{table(('Deal', 'Order', 'Why'), rows)}"
    return f"{shown}\n\nThe first {ROWS_SHOWN} of {len(found):,}." if len(found) > ROWS_SHOWN else shown


def _deal(run: Run, each: Mismatch) -> str:
    return link(each.deal.label, run.crm.url(each.deal.crm_id), NAME_WIDTH) if each.deal else "—"


def _order(run: Run, found: AuditedOrder | None) -> str:
    if found is None:
        return "—"
    total = amount(found.order.untaxed, found.order.currency)
    return stacked(link(found.label, run.erps[found.slot].url(found.order)), text(found.company.name), total)


def _born(run: Run, report: AuditReport) -> str:
    rows = [
        [text(name), _order(run, found), text(found.order.created_by), f"{found.order.order_date}"]
        for name, found in report.born[:ROWS_SHOWN]
    ]
    shown = table(("Subsidiary", "Order", "Entered by", "Date"), rows) if rows else "Nothing."
    count = len(report.born)
    return f"{shown}\n\nThe first {ROWS_SHOWN} of {count:,}." if count > ROWS_SHOWN else shown
