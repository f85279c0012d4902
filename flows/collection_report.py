"""Collection report: how effective sales are, by measuring orders against what was invoiced and what came in."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.documents import open_documents
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.collection import COUNTED, period_of, sum_up
from prefect_crm_erp.tasks.collection_report import SOURCE, CollectionReport, report_collection


@flow(name="collection-report", validate_parameters=True, persist_result=False, retries=0)
def collection_report(
    integration: Annotated[Integration, titled("Integration")],
    month: Annotated[str | None, titled("Month")] = None,
    since: Annotated[date | None, titled("Since")] = None,
) -> CollectionReport:
    """Compare what was ordered with what was invoiced and collected, by owner, subsidiary and account.

    Nothing is written to any of the systems: the sums come from what the runs over documents have read.

    Args:
        integration: The saved integration to look at.
        month: The month, such as 2026-03; the last full one unless a first day is given.
        since: All days since this one, instead of a month.

    Returns:
        The report: sums by owner, subsidiary and account, each currency by itself.

    Raises:
        ConfigurationError: The month is none, or both are given.
        TransientError: The CRM is not available.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import collection_report

        report = collection_report(integration=Integration.load("sandbox"), month="2026-03")
        print(report.in_words())
        ```
    """
    log_errors_as_sentences()
    try:
        run = open_documents(integration, COUNTED, "collection-report", records=None, dry_run=True, backfill=False)
        with recorded(run) as note:
            report = report_collection(run, sum_up(run, period_of(month, since, run.today)))
            note(report, len(report.by_account))
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report)  # type: ignore[return-value]  # likewise; a caller gets the report
