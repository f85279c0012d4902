"""Subsidiary audit: a month's closed-won deals against the ERPs' orders, subsidiary by subsidiary."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import new_run_id, recorded
from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError
from prefect_crm_erp.models.records import DealSource
from prefect_crm_erp.tasks.report import show_progress, start_progress
from prefect_crm_erp.tasks.run import Run
from prefect_crm_erp.tasks.subsidiary_audit import Audit, audit_deals, audit_orders, extract_won, read_orders
from prefect_crm_erp.tasks.subsidiary_audit_report import SOURCE, AuditReport, report_audit

_MONTH = re.compile(r"(\d{4})-(\d{1,2})")


@flow(name="subsidiary-audit", validate_parameters=True, persist_result=False, retries=0)
def subsidiary_audit(
    integration: Annotated[Integration, titled("Integration")],
    month: Annotated[str | None, titled("Month")] = None,
) -> AuditReport:
    """Compare a month's closed-won deals with the orders that the ERPs have of it, and write nothing.

    Args:
        integration: The saved integration to look at.
        month: The month as 2026-03, by the deals' close dates and the orders' dates; the last month when empty.

    Returns:
        The report: counts and sums by subsidiary (without tax, by currency), each mismatch, and the orders that were
        born in the ERP.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: A system is not available: an audit needs all of them.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import subsidiary_audit

        report = subsidiary_audit(integration=Integration.load("sandbox"), month="2026-03")
        print(report.passes, report.in_words())
        ```
    """
    log_errors_as_sentences()
    try:
        first, last = span_of(month, datetime.now(UTC).date())
        report = _road(_open_run(integration), first, last)
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report, "Completed" if report.passes else "Mismatches")  # type: ignore[return-value]  # likewise


def span_of(month: str | None, today: date) -> tuple[date, date]:
    """First and last day of a month; of the month before today when none is given.

    Example:
        >>> span_of("2026-2", date(2026, 11, 26))
        (datetime.date(2026, 2, 1), datetime.date(2026, 2, 28))

    Raises:
        ConfigurationError: The text is no month.
    """
    if not (month or "").strip():
        last = today.replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last
    found = _MONTH.fullmatch((month or "").strip())
    year, number = (int(part) for part in found.groups()) if found else (0, 0)
    if not (year and 1 <= number <= 12):
        raise ConfigurationError(f"{month!r} is no month; write it as 2026-03")
    return date(year, number, 1), date(year, number, calendar.monthrange(year, number)[1])


def _open_run(integration: Integration) -> Run:
    integration.check_references()
    run_id = new_run_id()
    store = integration.ledger.open().for_integration(integration.state_name)
    run = Run(integration, DealSource.CLOSED_WON, run_id=run_id, store=store, dry_run=True, forced=True)
    store.start_run(run_id, flow="subsidiary-audit", source=SOURCE, dry_run=True)
    return run


def _road(run: Run, first: date, last: date) -> AuditReport:
    """orders of the month → its deals, page by page → what is left of the orders."""
    with recorded(run) as note:
        audit = Audit(run, first, last)
        audit.check()
        progress, done, announced = start_progress(SOURCE), 0, None
        read_orders(audit)
        pages = run.crm.won_deals(first, last, run.integration.deal_fields())
        while (page := extract_won(pages)) is not None:
            audit_deals(audit, page)
            done, announced = done + len(page), announced or page.expected
            show_progress(progress, done, announced)
        audit_orders(audit)
        show_progress(progress, done or 1, done or 1)
        report = report_audit(audit)
        note(report, report.deals)
        return report
