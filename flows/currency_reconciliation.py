"""Currency reconciliation: at month's end, the deals' values in the CRM are compared with their orders' in the ERP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import new_run_id, recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.currency_compare import Compared, CurrencyRun, Month, compare_orders, placed_pages
from prefect_crm_erp.tasks.currency_report import SOURCE, CurrencyReport, report_currencies
from prefect_crm_erp.tasks.report import show_progress, start_progress


@flow(name="currency-reconciliation", validate_parameters=True, persist_result=False, retries=0)
def currency_reconciliation(
    integration: Annotated[Integration, titled("Integration")],
    month: Annotated[str | None, titled("Month")] = None,
) -> CurrencyReport:
    """Compare the deals of a month with their orders: original amounts to the cent, values within the tolerance.

    Values are in the CRM's corporate currency: the deal's at the CRM's rate, the order's at the ERP's. What is over
    the tolerance of the currency policy is flagged, and automations are told.

    Args:
        integration: The saved integration to look at.
        month: The month of the orders, like 2026-05; the last one that has ended when empty.

    Returns:
        The report: one row for each order, and totals by subsidiary and currency.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: A system is not available.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import currency_reconciliation

        report = currency_reconciliation(integration=Integration.load("sandbox"), month="2026-05")
        print(report.passes, report.in_words())
        ```
    """
    log_errors_as_sentences()
    try:
        report = _road(_open(integration, Month.read(month, datetime.now(UTC).date())))
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report, "Completed" if report.passes else "Variance")  # type: ignore[return-value]  # likewise


def _open(integration: Integration, month: Month) -> CurrencyRun:
    integration.check_references()
    store = integration.ledger.open().for_integration(integration.state_name)
    run = CurrencyRun(integration, month, run_id=new_run_id(), store=store)
    store.start_run(run.run_id, flow="currency-reconciliation", source=str(month), dry_run=True)
    return run


def _road(run: CurrencyRun) -> CurrencyReport:
    """read → compare, page by page; then report."""
    with recorded(run) as note:
        progress, rows = start_progress(SOURCE), list[Compared]()
        pages = placed_pages(run)
        while (compared := compare_orders(run, pages)) is not None:
            rows += compared
            show_progress(progress, len(rows), None)
        report = report_currencies(run, rows)
        show_progress(progress, report.orders or 1, report.orders or 1)
        note(report, report.orders)
        return report
