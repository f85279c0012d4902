"""Duplicate report: what looks like the same company in the CRM, in an ERP, or in both without being linked."""

from __future__ import annotations

from typing import Annotated

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import open_reading, recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.duplicates import (
    Census,
    extract_entries,
    find_all_duplicates,
    readable_systems,
    record_pages,
)
from prefect_crm_erp.tasks.duplicates_report import SOURCE, DuplicateReport, report_duplicates


@flow(name="duplicate-report", validate_parameters=True, persist_result=False, retries=0)
def duplicate_report(integration: Annotated[Integration, titled("Integration")]) -> DuplicateReport:
    """Find duplicates in the CRM, in each ERP, and accounts and customers that look alike without being linked.

    Nothing is written to any of the systems. Run it before a first load: duplicates propagate across both systems.

    Args:
        integration: The saved integration to look at.

    Returns:
        The report: the rate of each system with what two instruments say of it, and the groups.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: A system is not available.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import duplicate_report

        report = duplicate_report(integration=Integration.load("sandbox"))
        print(report.in_words())
        ```
    """
    log_errors_as_sentences()
    try:
        run = open_reading(integration, "duplicate-report")
        report = _road(run)
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report)  # type: ignore[return-value]  # likewise; a caller gets the report


def _road(run: AccountRun) -> DuplicateReport:
    with recorded(run) as note:
        run.preflight()
        census = _read_all(run)
        report = report_duplicates(run, census, find_all_duplicates(run, census))
        note(report, report.records)
        return report


def _read_all(run: AccountRun) -> Census:
    census = Census()
    for system in readable_systems(run):
        pages = record_pages(run, system)
        while (page := extract_entries(run, system, pages)) is not None:
            census.add(system, page)
    return census
