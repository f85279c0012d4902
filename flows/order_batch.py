"""Order batch: files of orders of many field representatives become orders in the ERP, exact to the cent."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.blocks.ledger.columns import storable
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import new_run_id, recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.order_files import RefusedFileError
from prefect_crm_erp.tasks.authorise import authorise_orders
from prefect_crm_erp.tasks.batch_report import SOURCE, BatchReport, FileReport, report_batch, report_file
from prefect_crm_erp.tasks.batch_run import BatchRun
from prefect_crm_erp.tasks.check import check_records
from prefect_crm_erp.tasks.convert import convert_records
from prefect_crm_erp.tasks.file_orders import read_orders, resolve_gone
from prefect_crm_erp.tasks.match import match_customers
from prefect_crm_erp.tasks.order_files import StagedFile, named_files, open_file, read_lines
from prefect_crm_erp.tasks.queues import park_records
from prefect_crm_erp.tasks.report import record_outcomes
from prefect_crm_erp.tasks.route import route_records
from prefect_crm_erp.tasks.write import write_orders
from prefect_crm_erp.tasks.write_back import write_back


@flow(name="order-batch", validate_parameters=True, persist_result=False, retries=0)
def order_batch(
    integration: Annotated[Integration, titled("Integration")],
    files: Annotated[list[str], titled("Files")],
    again: Annotated[bool, titled("Try again")] = False,
    dry_run: Annotated[bool, titled("Dry run")] = False,
) -> BatchReport:
    """Turn files of orders into orders of the ERP, each exactly once, by the same checks as deals of the CRM.

    Args:
        integration: The saved integration to run.
        files: Names of CSV and JSON-lines files in the folder that the order entry policy names; *.csv stands for all.
        again: Try orders again, too, that the ERP has refused, that are dead letters, or whose retry is not due.
        dry_run: Show field by field what would be written, and write nothing.

    Returns:
        The report: one for each file, with one row for each order, amounts in the order's own currency.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: The CRM is not available.
        CoverageError: An order could not be accounted for.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import order_batch

        report = order_batch(integration=Integration.load("sandbox"), files=["orders.csv"], dry_run=True)
        ```
    """
    log_errors_as_sentences()
    try:
        integration.check_references()
        names = named_files(integration.order_entry, files)
        report = BatchReport([_file(integration, name, again, dry_run) for name in names])
        report_batch(report)
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    name = "Files refused" if report.refused else "Completed"
    return completed(report, name)  # type: ignore[return-value]  # likewise; a caller gets the report


def _file(integration: Integration, name: str, again: bool, dry_run: bool) -> FileReport:
    run_id = new_run_id()
    store = integration.ledger.open().for_integration(integration.state_name)
    run = BatchRun(integration, storable(name), run_id=run_id, store=store, dry_run=dry_run, forced=again)
    store.start_run(run_id, flow="order-batch", source=run.file, dry_run=dry_run)
    with recorded(run) as note:
        try:
            report = _road(run, name)
        except RefusedFileError as error:
            report = report_file(run, error.message)
        note(report, report.source)
        return report


def _road(run: BatchRun, name: str) -> FileReport:
    """From file to record, page by page: the road of a deal, without a record of the CRM at its end."""
    with open_file(run.integration.order_entry, name) as file:
        staged = StagedFile(read_lines(file, name))
    with closing(staged):
        run.lines = staged.count
        run.preflight()
        orders = staged.orders()
        while (page := read_orders(run, orders)) is not None:
            page = check_records(run, page)
            page = route_records(run, page)
            page = match_customers(run, page)
            page = convert_records(run, page)
            page = authorise_orders(run, page)
            page = write_orders(run, page)
            page = park_records(run, page)
            page = write_back(run, page)
            record_outcomes(run, page)
    resolve_gone(run)
    return report_file(run)
