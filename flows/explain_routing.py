"""Explain routing: which rule sends a record where, what the others say, and what a changed policy would move."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from pydantic import BeforeValidator

from prefect_crm_erp.blocks import Integration, SubsidiaryRouting
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import exact_ids, new_run_id, recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.records import DealSource
from prefect_crm_erp.tasks.explain_routing import Routings, explain_page, extract_subjects, subject_pages
from prefect_crm_erp.tasks.explain_routing_report import SOURCE, RoutingReport, report_routing
from prefect_crm_erp.tasks.report import show_progress, start_progress
from prefect_crm_erp.tasks.run import Run


def _none_if_empty(value: Any) -> Any:
    """A form sends an empty object for a block that was not chosen."""
    return None if value == {} else value


@flow(name="explain-routing", validate_parameters=True, persist_result=False, retries=0)
def explain_routing(
    integration: Annotated[Integration, titled("Integration")],
    records: Annotated[list[str] | None, titled("Only these records")] = None,
    policy: Annotated[SubsidiaryRouting | None, BeforeValidator(_none_if_empty), titled("Compare with")] = None,
) -> RoutingReport:
    """Say of each record where it goes, which rule decides, and what every other rule says; write nothing.

    Args:
        integration: The saved integration to look at.
        records: Only these: CRM ids (15 or 18 characters) of accounts or deals, or numbers of ERP orders; when empty
            all open deals, and won ones that wait for their order.
        policy: Another saved routing: what would move if the integration used it instead of its own.

    Returns:
        The report: counts by subsidiary, moves, and one row for each record with what each rule says.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: The CRM is not available.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration, SubsidiaryRouting
        from prefect_crm_erp.flows import explain_routing

        integration, changed = Integration.load("sandbox"), SubsidiaryRouting.load("changed")
        print(explain_routing(integration=integration, policy=changed).in_words())
        ```
    """
    log_errors_as_sentences()
    try:
        run = _open_run(integration)
        report = _road(run, records, policy)
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report)  # type: ignore[return-value]  # likewise; a caller gets the report


def _open_run(integration: Integration) -> Run:
    """A run over deals that only reads, and that asks no ERP."""
    integration.check_references()
    run_id = new_run_id()
    store = integration.ledger.open().for_integration(integration.state_name)
    run = Run(integration, DealSource.CLOSED_WON, run_id=run_id, store=store, dry_run=True, forced=True)
    store.start_run(run_id, flow="explain-routing", source=SOURCE, dry_run=True)
    return run


def _road(run: Run, records: list[str] | None, policy: SubsidiaryRouting | None) -> RoutingReport:
    """extract → explain, page by page."""
    with recorded(run) as note:
        named = None if records is None else _ids(run, records)
        routings = Routings(run, policy)
        routings.check(policy)
        progress, announced, seen = start_progress(SOURCE), None, set[str]()
        pages = subject_pages(routings, named)
        while (page := extract_subjects(routings, pages)) is not None:
            explain_page(routings, page)
            seen |= {subject.key for subject in page} if named else set()
            announced = announced or page.expected
            show_progress(progress, routings.records, announced)
        report = report_routing(run, routings, [key for key in named or () if key not in seen])
        show_progress(progress, 1, 1)
        note(report, report.records)
        return report


def _ids(run: Run, records: list[str]) -> list[str]:
    return exact_ids(records, lambda numbers: run.store.bound_by_number(run.kind, numbers), "an order")
