"""Field entries: payments that were collected and goods that were taken back in the field reach the ERP at once."""

from __future__ import annotations

from typing import Annotated

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.documents import refuse_nothing_named
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import exact_ids, new_run_id, recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.extract import report_absent
from prefect_crm_erp.tasks.field_check import check_entries, extract_entries, field_pages
from prefect_crm_erp.tasks.field_place import place_entries
from prefect_crm_erp.tasks.field_report import SOURCE, record_entry_outcomes, report_entries
from prefect_crm_erp.tasks.field_run import FieldRun
from prefect_crm_erp.tasks.field_write import write_entries
from prefect_crm_erp.tasks.field_write_back import write_back_entries
from prefect_crm_erp.tasks.queues import park_records
from prefect_crm_erp.tasks.report import RunReport


@flow(name="field-entries", validate_parameters=True, persist_result=False, retries=0)
def field_entries(
    integration: Annotated[Integration, titled("Integration")],
    records: Annotated[list[str] | None, titled("Only these records")] = None,
    confirm_returns: Annotated[bool, titled("Confirm returns")] = False,
    dry_run: Annotated[bool, titled("Dry run")] = False,
) -> RunReport:
    """Book payments that were collected in the field, and returns that were taken there, in the ERP, each exactly once.

    A payment is booked at the invoice that it names, or on the account of the customer; what is more than the invoice
    has open is parked. A return becomes a return of the order that it names. What the ERP makes of them comes back with
    the invoices and orders.

    Args:
        integration: The saved integration to run.
        records: Only these, waiting or not: CRM ids (15 or 18 characters) of payments and returns, or ERP numbers.
        confirm_returns: Make returns binding in the ERP; without it they wait there as drafts for its people.
        dry_run: Show field by field what would be booked, and book nothing.

    Returns:
        The report: counts and one row for each payment and return, amounts in the payment's own currency.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: The CRM is not available.
        CoverageError: A record could not be accounted for.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import field_entries

        report = field_entries(integration=Integration.load("sandbox"), dry_run=True)
        ```
    """
    log_errors_as_sentences()
    try:
        refuse_nothing_named(records)
        integration.check_references()
        run = _open(integration, confirm_returns, dry_run, forced=records is not None)
        report = _road(run, records)
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report)  # type: ignore[return-value]  # likewise; a caller gets the report


def _open(integration: Integration, confirm_returns: bool, dry_run: bool, *, forced: bool) -> FieldRun:
    store = integration.ledger.open().for_integration(integration.state_name)
    run = FieldRun(
        integration,
        run_id=new_run_id(),
        store=store,
        confirm_returns=confirm_returns,
        dry_run=dry_run,
        forced=forced,
    )
    store.start_run(run.run_id, flow="field-entries", source=SOURCE, dry_run=dry_run)
    return run


def _road(run: FieldRun, records: list[str] | None) -> RunReport:
    """From extract to record, page by page."""
    with recorded(run) as note:
        named = _ids(run, records) if records is not None else None
        run.preflight()
        pages = field_pages(run, named)
        while (page := extract_entries(run, pages)) is not None:
            page = check_entries(run, page)
            page = place_entries(run, page)
            page = write_entries(run, page)
            page = park_records(run, page)
            page = write_back_entries(run, page)
            record_entry_outcomes(run, page)
        report_absent(run, named or ())
        report = report_entries(run)
        note(report, report.source)
        return report


def _ids(run: FieldRun, records: list[str]) -> list[str]:
    return exact_ids(records, lambda numbers: run.store.bound_by_number(run.kind, numbers), "a payment or return")
