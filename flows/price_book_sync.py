"""Price book sync: the ERP's list prices and price lists, in each company's currency, become the CRM's price books."""

from __future__ import annotations

from typing import Annotated

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import new_run_id, recorded
from prefect_crm_erp.models.errors import ConnectorError, TransientError
from prefect_crm_erp.tasks.claims import Turn
from prefect_crm_erp.tasks.price_books import compare_prices, write_prices
from prefect_crm_erp.tasks.price_books_report import SOURCE, report_prices
from prefect_crm_erp.tasks.price_sources import PricesRun, open_books
from prefect_crm_erp.tasks.report import RunReport, show_progress, start_progress

TURN = "list prices"
"""The ledger's kind of the turn to bring prices: one run of an integration at a time."""


@flow(name="price-book-sync", validate_parameters=True, persist_result=False, retries=0)
def price_book_sync(
    integration: Annotated[Integration, titled("Integration")],
    dry_run: Annotated[bool, titled("Dry run")] = False,
) -> RunReport:
    """Bring the ERP's prices to the CRM's price books: of each product in the currency of each company's books.

    List prices go to the standard price book. The price list that a subsidiary names goes to the price book of that
    name, which is made when it is missing; its prices are those that the ERP gives for a quantity of one. Where two
    companies keep their books in one currency, the first one of the routing has its say, in each price book.

    Args:
        integration: The saved integration to run.
        dry_run: Show which prices would change, and write nothing.

    Returns:
        The report: counts and one row for each product, price book and currency, with the price before and after.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: A system is not available.
        CoverageError: A price could not be accounted for.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import price_book_sync

        report = price_book_sync(integration=Integration.load("sandbox"), dry_run=True)
        ```
    """
    log_errors_as_sentences()
    try:
        report = _road(_open(integration, dry_run))
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report)  # type: ignore[return-value]  # likewise; a caller gets the report


def _open(integration: Integration, dry_run: bool) -> PricesRun:
    integration.check_references()
    store = integration.ledger.open().for_integration(integration.state_name)
    run = PricesRun(integration, run_id=new_run_id(), store=store, dry_run=dry_run)
    store.start_run(run.run_id, flow="price-book-sync", source=SOURCE, dry_run=dry_run)
    return run


def _road(run: PricesRun) -> RunReport:
    """compare → write, page by page, then report: one run of an integration at a time."""
    with recorded(run) as note:
        run.preflight()
        sellers = run.sellers(run.crm.currency_rates(run.started_at.date()))
        with Turn(run, TURN, "all").taken() as is_mine:
            if not is_mine:
                raise TransientError("Another run is bringing list prices; run this one again when it has ended")
            progress, done = start_progress(SOURCE), 0
            sellers = open_books(run, sellers)
            pages = run.crm.price_pages({each.book for each in sellers if each.book})
            while (items := compare_prices(run, pages, sellers)) is not None:
                write_prices(run, items)
                done += len(items)
                show_progress(progress, done, None)
        report = report_prices(run, sellers)
        show_progress(progress, done or 1, done or 1)
        note(report, report.source)
        return report
