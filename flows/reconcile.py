"""Reconcile: the key fields of linked accounts and customers are compared on both sides, and nothing is written."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import PositiveInt

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import ids_of_accounts, open_reading, recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.reconcile import Tally, compare_sides, extract_links, link_pages, note_discrepancies
from prefect_crm_erp.tasks.reconcile_report import SOURCE, ReconciliationReport, report_discrepancies
from prefect_crm_erp.tasks.report import show_progress, start_progress


@flow(name="reconcile", validate_parameters=True, persist_result=False, retries=0)
def reconcile(
    integration: Annotated[Integration, titled("Integration")],
    records: Annotated[list[str] | None, titled("Only these records")] = None,
    repeats: Annotated[PositiveInt, titled("Repeated from")] = 3,
) -> ReconciliationReport:
    """Compare linked accounts and customers field by field as they stand now, and write nothing to either system.

    Args:
        integration: The saved integration to look at.
        records: Only these accounts: CRM ids (15 or 18 characters) or customer numbers.
        repeats: How many reconciliations in a row make a discrepancy a repeated one, whose ownership needs tightening.

    Returns:
        The report: counts, and one row for each discrepancy with both values, owner, since when and how often.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: A system is not available.
        CoverageError: The ledger has links that were not looked at.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import reconcile

        report = reconcile(integration=Integration.load("sandbox"))
        print(report.passes, report.discrepancies, report.repeated)
        ```
    """
    log_errors_as_sentences()
    try:
        run = open_reading(integration, "reconcile")
        report = _road(run, records, repeats)
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report, "Completed" if report.passes else "Discrepancies")  # type: ignore[return-value]  # likewise


def _road(run: AccountRun, records: list[str] | None, repeats: int) -> ReconciliationReport:
    with recorded(run) as note:
        named = ids_of_accounts(run, records) if records is not None else None
        run.preflight()
        report = _compare_all(run, named, repeats)
        note(report, report.linked)
        return report


def _compare_all(run: AccountRun, named: list[str] | None, repeats: int) -> ReconciliationReport:
    """Page by page: read both sides → compare → note; what is bound or ended meanwhile need not be looked at."""
    progress, tally = start_progress(SOURCE), Tally()
    before = run.store.count_bound(CUSTOMER) if named is None else 0
    pages = link_pages(run, named)
    while (page := extract_links(run, pages)) is not None:
        page = compare_sides(run, page)
        note_discrepancies(run, page, tally)
        show_progress(progress, tally.linked, before)
    if named is None:
        run.store.forget_other_discrepancies(run.run_id, CUSTOMER)
    show_progress(progress, tally.linked or 1, tally.linked or 1)
    return report_discrepancies(run, tally, repeats, least=min(before, run.store.count_bound(CUSTOMER)))
