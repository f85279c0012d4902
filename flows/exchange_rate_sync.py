"""Exchange rate sync: the ERP's rates become the CRM's, so that both value a deal alike."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import new_run_id, recorded
from prefect_crm_erp.models.errors import ConnectorError, TransientError
from prefect_crm_erp.tasks.claims import Turn
from prefect_crm_erp.tasks.rate_sync import (
    SOURCE,
    RatesRun,
    compare_rates,
    first_day_of_last_month,
    report_rates,
    write_rates,
)
from prefect_crm_erp.tasks.report import RunReport

TURN = "exchange rates"
"""The ledger's kind of the turn to bring rates: one run of an integration at a time."""


@flow(name="exchange-rate-sync", validate_parameters=True, persist_result=False, retries=0)
def exchange_rate_sync(
    integration: Annotated[Integration, titled("Integration")],
    since: Annotated[date | None, titled("Rates since")] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
) -> RunReport:
    """Bring the ERP's exchange rates to the CRM's currencies: the rate of today, and those of past days by their date.

    Args:
        integration: The saved integration; its currency policy says whose rates rule, and of which currencies.
        since: From this day on the CRM is to apply the ERP's rates; the first day of last month when empty.
        dry_run: Show which rates would change, and write nothing.

    Returns:
        The report: counts and one row for each currency, with its rates before and after.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: A system is not available.
        CoverageError: A currency could not be accounted for.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import exchange_rate_sync

        report = exchange_rate_sync(integration=Integration.load("sandbox"), dry_run=True)
        ```
    """
    log_errors_as_sentences()
    try:
        run = _open(integration, dry_run)
        report = _road(run, since or first_day_of_last_month(run.today))
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report)  # type: ignore[return-value]  # likewise; a caller gets the report


def _open(integration: Integration, dry_run: bool) -> RatesRun:
    integration.check_references()
    store = integration.ledger.open().for_integration(integration.state_name)
    run = RatesRun(integration, run_id=new_run_id(), store=store, dry_run=dry_run)
    store.start_run(run.run_id, flow="exchange-rate-sync", source=SOURCE, dry_run=dry_run)
    return run


def _road(run: RatesRun, since: date) -> RunReport:
    """compare → write → report: one run of an integration at a time."""
    with recorded(run) as note:
        run.preflight()
        with Turn(run, TURN, "all").taken() as is_mine:
            if not is_mine:
                raise TransientError("Another run is bringing exchange rates; run this one again when it has ended")
            items = compare_rates(run, min(since, run.today))
            write_rates(run, items)
        report = report_rates(run, since)
        note(report, report.source)
        return report
