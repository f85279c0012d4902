"""Quote to order: every closed deal of the CRM becomes one order in the ERP, exact to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import aware, exact_ids, new_run_id, recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.records import DealSource
from prefect_crm_erp.tasks.authorise import authorise_orders
from prefect_crm_erp.tasks.check import check_records
from prefect_crm_erp.tasks.convert import convert_records
from prefect_crm_erp.tasks.extract import deal_pages, extract_page, report_absent, waiting_keys
from prefect_crm_erp.tasks.match import match_customers
from prefect_crm_erp.tasks.queues import park_records
from prefect_crm_erp.tasks.report import RunReport, record_outcomes, report_run, show_progress, start_progress
from prefect_crm_erp.tasks.route import route_records
from prefect_crm_erp.tasks.run import Run
from prefect_crm_erp.tasks.value import value_deals
from prefect_crm_erp.tasks.write import write_orders
from prefect_crm_erp.tasks.write_back import write_back

Source = Literal["closed-won opportunities", "accepted quotes", "activated orders"]


@flow(name="quote-to-order", validate_parameters=True, persist_result=False, retries=0)
def quote_to_order(
    integration: Annotated[Integration, titled("Integration")],
    source: Annotated[Source, titled("Source")] = "closed-won opportunities",
    records: Annotated[list[str] | None, titled("Only these records")] = None,
    since: Annotated[datetime | None, titled("Changed since")] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
) -> RunReport:
    """Turn closed deals into orders of the ERP, each exactly once, and write the result back to the CRM.

    Args:
        integration: The saved integration to run.
        source: Which CRM records become orders.
        records: Only these, whatever was read before: CRM ids (15 or 18 characters) or numbers of ERP orders.
        since: Read deals changed since this time (UTC when it names no zone) instead of since the last run.
        dry_run: Show field by field what would be written, and write nothing.

    Returns:
        The report: counts and one row for each deal, amounts in the deal's own currency.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: The CRM is not available.
        CoverageError: A record could not be accounted for.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import quote_to_order

        report = quote_to_order(integration=Integration.load("sandbox"), dry_run=True)
        ```
    """
    log_errors_as_sentences()
    try:
        run = open_run(integration, source, records, dry_run)
        report = _road(run, records, aware(since))
    except ConnectorError as error:
        return failed(error, source)  # type: ignore[return-value]  # a state ends the run
    return completed(report)  # type: ignore[return-value]  # likewise; a caller gets the report


def open_run(integration: Integration, source: str, records: Sequence[str] | None, dry_run: bool) -> Run:
    """Open the ledger and start a run in it.

    Raises:
        ConfigurationError: The saved integration or the ledger must be changed first.
    """
    integration.check_references()
    run_id = new_run_id()
    store = integration.ledger.open().for_integration(integration.state_name)
    run = Run(integration, DealSource(source), run_id=run_id, store=store, dry_run=dry_run, forced=records is not None)
    store.start_run(run_id, flow="quote-to-order", source=source, dry_run=dry_run)
    return run


def _road(run: Run, records: list[str] | None, since: datetime | None) -> RunReport:
    """From extract to record, page by page: each step takes the page on, in the order of the business."""
    with recorded(run) as note:
        records = _ids(run, records)
        run.preflight()
        named = records if records is not None else waiting_keys(run)
        progress, done = start_progress(run.source.value), 0
        pages = deal_pages(run, named=named, since=since)
        while (page := extract_page(run, pages)) is not None:
            page = check_records(run, page)
            page = route_records(run, page)
            page = match_customers(run, page)
            page = convert_records(run, page)
            page = authorise_orders(run, page)
            page = write_orders(run, page)
            page = value_deals(run, page)
            page = park_records(run, page)
            page = write_back(run, page)
            record_outcomes(run, page)
            done += len(page)
            show_progress(progress, done, run.reading.announced)
        done += report_absent(run, named)
        show_progress(progress, done, done or 1)
        report = report_run(run)
        note(report, report.source)
        return report


def _ids(run: Run, records: Sequence[str] | None) -> list[str] | None:
    """Ids in their 18-character form, each once; a number of an ERP order stands for the deal that it came from."""
    if records is None:
        return None
    return exact_ids(records, lambda numbers: run.store.bound_by_number(run.kind, numbers), "an order")
