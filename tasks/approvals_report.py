"""Report of approvals: what waits for one, who was told, and how long approvals take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.models.approvals import ApprovalTimes, Origin, in_words
from prefect_crm_erp.tasks.approval_alerts import Alert
from prefect_crm_erp.tasks.approvals import Waiting
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, SENTENCE_WIDTH, amount, link, stacked, table, text
from prefect_crm_erp.tasks.report import artifact_key
from prefect_crm_erp.tasks.tables import ROWS_SHOWN

SOURCE: Final = "approvals"


class ApprovalReport:
    """What waits for an approval, who was told, and how long approvals take.

    Attributes:
        run_id: Identity of the run in the ledger.
        dry_run: Whether nobody was told.
        waiting: Orders that wait, late or not.
        late: Those that have waited for more than the policy's hours (24), the longest first.
        alerts: One for each order that has waited for more than the policy's hours for alerts (48).
        times: Average, median and longest approval times by company, of orders from the CRM and of those that were
            entered in the ERP.
        days: The days whose approvals count for `times`.
        unread: ERP connections that did not answer: what is said of their orders may be out of date.
        read_until: Up to which time orders were read; None when they were never read.

    Example:
        ```python
        report = pending_approvals(integration=Integration.load("sandbox"))
        for order in report.late:
            print(order.number, order.hours, order.owner and order.owner.name)
        ```
    """

    def __init__(
        self, run: DocumentRun, waiting: Waiting, alerts: Sequence[Alert], times: Sequence[ApprovalTimes], days: int
    ) -> None:
        self.run_id = run.run_id
        self.dry_run = run.dry_run
        self.waiting = waiting.count
        self.late = waiting.late
        self.alerts = tuple(alerts)
        self.times = tuple(times)
        self.days = days
        self.unread = waiting.unread
        self.read_until = waiting.read_until
        self.report_after_hours = run.integration.approvals.report_after_hours
        self.alert_after_hours = run.integration.approvals.alert_after_hours

    @property
    def told(self) -> int:
        """Orders of which people were told in this run."""
        return sum(1 for each in self.alerts if each.sent)

    @property
    def untold(self) -> tuple[Alert, ...]:
        """Alerts that a channel did not take; the next run tries again."""
        return tuple(each for each in self.alerts if each.trouble)

    @property
    def state(self) -> str:
        """Name of the run's state, for people who look at a list of runs."""
        if self.untold:
            return "Alerts not sent"
        return "Approvals late" if self.late else "Completed"

    def time_of(self, company: str, origin: Origin) -> ApprovalTimes | None:
        """The approval times of a company's orders of one origin; None when none was approved."""
        return next((each for each in self.times if (each.company, each.origin) == (company, origin)), None)

    def in_words(self) -> str:
        """The counts as a sentence, for people."""
        late = f"{len(self.late):,} of them for more than {self.report_after_hours:g} hours"
        told = f"{len(self.alerts):,} to tell people of" if self.dry_run else f"people were told of {self.told:,}"
        untold = f"; {len(self.untold):,} alerts were not sent" if self.untold else ""
        return f"{self.waiting:,} orders wait for an approval, {late}; {told}{untold}"

    def __repr__(self) -> str:
        """The counts."""
        return f"ApprovalReport({self.in_words()})"


@task(name="Report approvals", cache_policy=NO_CACHE, persist_result=False)
def report_approvals(
    run: DocumentRun, waiting: Waiting, alerts: Sequence[Alert], times: Sequence[ApprovalTimes], days: int
) -> ApprovalReport:
    """Publish what waits, who was told, and the approval times."""
    report = ApprovalReport(run, waiting, alerts, times, days)
    create_markdown_artifact(_markdown(run, report), key=artifact_key(SOURCE, "summary"), description=report.in_words())
    return report


def _markdown(run: DocumentRun, report: ApprovalReport) -> str:
    sections = {
        f"Waiting for more than {report.report_after_hours:g} hours": _late_table(report),
        f"Alerts after more than {report.alert_after_hours:g} hours": _alerts_table(report),
        f"Approval times of the last {report.days} days": _times_table(report.times),
    }
    return "\n\n".join(
        [
            "# Approvals",
            *(["**Dry run: nobody was told.**"] if report.dry_run else []),
            f"{text(report.in_words())}.",
            *_cautions(run, report),
            *(f"## {title}\n\n{shown}" for title, shown in sections.items()),
        ]
    )


def _cautions(run: DocumentRun, report: ApprovalReport) -> list[str]:
    """What the reader should know of where this comes from."""
    found = [f"The {name} ERP did not answer: its orders are shown as they were last read." for name in report.unread]
    if report.read_until is None:
        return [*found, "**Orders were never read completely: run order-status-sync first.**"]
    return [*found, f"*Orders were read by order-status-sync up to {_moment(report.read_until)}.*"]


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _late_table(report: ApprovalReport) -> str:
    head = ("Order", "Deal", "Account", "Owner", "Total", "Hours")
    rows = [
        [
            stacked(link(each.number, each.url), text(each.company, NAME_WIDTH)),
            link(each.deal_name or each.deal or "none: entered in the ERP", each.deal_url, NAME_WIDTH),
            link(each.account_name or each.account or "none", each.account_url, NAME_WIDTH),
            text(each.owner.name if each.owner else "", NAME_WIDTH),
            amount(each.total, each.currency),
            stacked(f"{each.hours:,}", "" if each.is_confirmed else "as last read"),
        ]
        for each in report.late[:ROWS_SHOWN]
    ]
    return _first(table(head, rows, right={4, 5}), len(report.late)) if rows else "None."


def _alerts_table(report: ApprovalReport) -> str:
    head = ("Order", "Waits for", "For", "Told")
    rows = [
        [
            link(each.order.number, each.order.url),
            in_words(each.order.waited),
            stacked(*_people(each)),
            stacked(*(text(line, SENTENCE_WIDTH) for line in _told(each, report.dry_run))),
        ]
        for each in report.alerts[:ROWS_SHOWN]
    ]
    return _first(table(head, rows), len(report.alerts)) if rows else "None."


def _people(alert: Alert) -> list[str]:
    told = [text(each.name, NAME_WIDTH) for each in alert.recipients.people] or [text(alert.recipients.names)]
    return [*told, text(alert.recipients.remark, SENTENCE_WIDTH)]


def _told(alert: Alert, dry_run: bool) -> list[str]:
    if dry_run:
        return ["Dry run: nobody was told"]
    told = [f"told now: {', '.join(alert.sent)}"] if alert.sent else []
    told += [f"told before: {', '.join(alert.already)}"] if alert.already else []
    return told + [f"NOT SENT by {channel}: {why}; the next run tries again" for channel, why in alert.trouble]


def _times_table(times: Sequence[ApprovalTimes]) -> str:
    head = ("Company", "Orders", "Approved", "On average", "Half within", "Longest")
    rows = [
        [
            text(each.company, NAME_WIDTH),
            text(each.origin.value),
            f"{each.orders:,}",
            in_words(each.average),
            in_words(each.median),
            in_words(each.longest),
        ]
        for each in times
    ]
    return table(head, rows, right={2}) if rows else "No order was approved."


def _first(shown: str, count: int) -> str:
    return shown if count <= ROWS_SHOWN else f"{shown}\n\nThe first {ROWS_SHOWN} of {count:,}."
