"""Pending approvals: which orders wait in the ERPs for too long, who is told, and how long approvals take."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import PositiveInt

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.documents import open_documents
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.approval_alerts import alert_people
from prefect_crm_erp.tasks.approvals import find_waiting, measure_approvals
from prefect_crm_erp.tasks.approvals_report import SOURCE, ApprovalReport, report_approvals
from prefect_crm_erp.tasks.document_kinds import ORDERS
from prefect_crm_erp.tasks.document_run import DocumentRun


@flow(name="pending-approvals", validate_parameters=True, persist_result=False, retries=0)
def pending_approvals(
    integration: Annotated[Integration, titled("Integration")],
    days: Annotated[PositiveInt, titled("Approval times of the last days")] = 90,
    dry_run: Annotated[bool, titled("Dry run")] = False,
) -> ApprovalReport:
    """Report orders that wait too long for an approval, tell the deals' owners and their managers, and measure times.

    Orders are those that order-status-sync has read; the late ones are asked for in the ERP once more. The hours, and
    the blocks that send the alerts, are in the integration's Approval Policy. Nothing is written to either system.

    Args:
        integration: The saved integration to look at.
        days: Approvals of so many days count for the approval times.
        dry_run: Show who would be told, and tell nobody.

    Returns:
        The report: late orders with their deals and people, what was told to whom, and approval times by company.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: The CRM is not available.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import pending_approvals

        report = pending_approvals(integration=Integration.load("sandbox"))
        print(report.in_words())
        ```
    """
    log_errors_as_sentences()
    try:
        run = open_documents(integration, (ORDERS,), "pending-approvals", records=None, dry_run=dry_run, backfill=False)
        report = _road(run, days)
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report, report.state)  # type: ignore[return-value]  # likewise; a caller gets the report


def _road(run: DocumentRun, days: int) -> ApprovalReport:
    """find → alert → measure → report."""
    with recorded(run) as note:
        waiting = find_waiting(run)
        alerts = alert_people(run, waiting.late)
        times = measure_approvals(run, days)
        report = report_approvals(run, waiting, alerts, times, days)
        note(report, report.waiting)
        return report
