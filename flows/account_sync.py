"""Account sync: accounts of the CRM and customers of the ERP are kept in step, each field by its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from prefect import flow
from prefect.logging import get_run_logger

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import aware, ids_of_accounts, new_run_id, recorded
from prefect_crm_erp.models.errors import ConnectorError, TransientError
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Account
from prefect_crm_erp.tasks.account_adopt import adopt_customers
from prefect_crm_erp.tasks.account_check import check_accounts
from prefect_crm_erp.tasks.account_echo import changed_keys, waiting_customers
from prefect_crm_erp.tasks.account_extract import (
    customer_pages,
    extract_accounts,
    extract_customers,
    named_pages,
    source_pages,
)
from prefect_crm_erp.tasks.account_fields import compare_fields
from prefect_crm_erp.tasks.account_item import AccountItem
from prefect_crm_erp.tasks.account_place import call_children, parents_to_see_to, place_accounts
from prefect_crm_erp.tasks.account_removals import follow_removals
from prefect_crm_erp.tasks.account_report import SOURCE, record_account_outcomes, report_accounts
from prefect_crm_erp.tasks.account_run import AccountRun, Direction, Places
from prefect_crm_erp.tasks.account_write import write_customers
from prefect_crm_erp.tasks.account_write_back import tell_reasons, write_accounts
from prefect_crm_erp.tasks.claims import Turn
from prefect_crm_erp.tasks.extract import report_absent
from prefect_crm_erp.tasks.queues import park_records
from prefect_crm_erp.tasks.report import RunReport, show_progress, start_progress
from prefect_crm_erp.tasks.side_by_side import Errand

T = TypeVar("T")
Directions = Literal["both", "CRM to ERP", "ERP to CRM"]
TURN = "account sync"
"""The ledger's kind of the turn to bring accounts in step: one run of an integration at a time."""


@flow(name="account-sync", validate_parameters=True, persist_result=False, retries=0)
def account_sync(
    integration: Annotated[Integration, titled("Integration")],
    direction: Annotated[Directions, titled("Direction")] = "both",
    records: Annotated[list[str] | None, titled("Only these records")] = None,
    since: Annotated[datetime | None, titled("Changed since")] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
    backfill: Annotated[bool, titled("First load")] = False,
) -> RunReport:
    """Keep accounts and contacts of the CRM and customers of the ERP in step, each field by its owner.

    Args:
        integration: The saved integration to run.
        direction: Whose changes are looked at: those of the CRM, those of the ERP, or both.
        records: Only these accounts, whatever was read before: CRM ids (15 or 18 characters) or customer numbers.
        since: Look at changes since this time (UTC when it names no zone) instead of since the last run.
        dry_run: Show field by field what would be written, and write nothing.
        backfill: Read everything there is, pick up where a broken first load stopped, and alert nobody.

    Returns:
        The report: counts and one row for each account or customer.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: The CRM is not available, or another run is at work.
        CoverageError: A record could not be accounted for.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import account_sync

        report = account_sync(integration=Integration.load("sandbox"), dry_run=True)
        ```
    """
    log_errors_as_sentences()
    try:
        run = _open_run(integration, Direction(direction), records, dry_run, backfill)
        report = _road(run, records, aware(since))
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report)  # type: ignore[return-value]  # likewise; a caller gets the report


def _open_run(
    integration: Integration, direction: Direction, records: Sequence[str] | None, dry_run: bool, backfill: bool
) -> AccountRun:
    integration.check_references()
    store = integration.ledger.open().for_integration(integration.state_name)
    forced = records is not None
    run = AccountRun(
        integration, direction, run_id=new_run_id(), store=store, dry_run=dry_run, forced=forced, backfill=backfill
    )
    store.start_run(run.run_id, flow="account-sync", source=direction.value, dry_run=dry_run)
    return run


def _road(run: AccountRun, records: list[str] | None, since: datetime | None) -> RunReport:
    """One run at a time: two that bring the same account in step would each undo the other's work."""
    with recorded(run) as note:
        named = ids_of_accounts(run, records)
        run.preflight()
        if not run.integration.accounts.is_signed_off:
            get_run_logger().warning("Nobody has signed off who owns which field; see the Account Sync Policy")
        with Turn(run, TURN, "all").taken() as is_mine:
            if not is_mine:
                raise TransientError("Another run is bringing accounts in step; run this one again when it has ended")
            report = _sync(run, named, since)
        note(report, report.source)
        return report


def _sync(run: AccountRun, named: list[str], since: datetime | None) -> RunReport:
    """The accounts that changed, then the customers that changed, then those that depend on them."""
    progress = start_progress(SOURCE)
    done = _bring_in_step(run, source_pages(run, named, since), progress)
    done += report_absent(run, named)
    for slot in run.used_slots:
        if run.backfill:
            run.known[slot].forget()
        pages = waiting_customers(run, slot, customer_pages(run, slot, since))
        while (customers := extract_customers(run, slot, pages)) is not None:
            adopt_customers(run, slot, customers)
            changed = changed_keys(run, slot, customers)
            done += _bring_in_step(run, named_pages(run, changed), progress, again=True)
            run.remember(run.places())
    while run.again:
        keys = list(run.again)
        run.again.clear()
        done += _bring_in_step(run, named_pages(run, keys), progress, again=True)
    show_progress(progress, done or 1, done or 1)
    return report_accounts(run)


def _bring_in_step(run: AccountRun, pages: Iterator[Page[Account]], progress: UUID, again: bool = False) -> int:
    """All pages, one after the other.

    A first load, which mostly waits for the ERP to create customers, reads the next page meanwhile and finishes the one
    before.
    """
    done, is_on = 0, run.backfill and not again
    with Errand[Page[AccountItem] | None](is_on) as reading, Errand[None](is_on) as finishing:
        page = _read(run, pages, again)
        while page is not None:
            places = run.places()
            _see_to_others_first(run, page, finishing)
            _when_it_waits(run, reading, partial(_read, run, pages, again))
            page = place_accounts(run, page)
            run.meanwhile.now()
            finishing.wait()
            run.unfinished = {item.key: item.verdict.queue for item in page if item.verdict and item.verdict.queue}
            done += len(page)
            _when_it_waits(run, finishing, partial(_finish, run, page, None if again else (progress, done, places)))
            page = reading.wait()
        run.meanwhile.now()
    return done


def _when_it_waits(run: AccountRun, errand: Errand[T], job: Callable[[], T]) -> None:
    """Begin an errand once the run waits for the ERP; at once where it works in no thread of its own."""
    if errand.is_on:
        run.meanwhile.later(partial(errand.begin, job))
    else:
        errand.begin(job)


def _catch_up(run: AccountRun, finishing: Errand[None]) -> None:
    """Finish the page before."""
    run.meanwhile.now()
    finishing.wait()


def _read(run: AccountRun, pages: Iterator[Page[Account]], again: bool) -> Page[AccountItem] | None:
    """extract → check."""
    page = extract_accounts(run, pages, again)
    return None if page is None else check_accounts(run, page, from_erp=again)


def _see_to_others_first(run: AccountRun, page: Page[AccountItem], finishing: Errand[None]) -> None:
    """removals → parents."""
    if any(item.account.is_deleted for item in page):
        _catch_up(run, finishing)  # the page before may hold the account that one was merged into
        follow_removals(run, page)
    keys = parents_to_see_to(run, page)
    if not keys:
        return
    _catch_up(run, finishing)
    mine = {item.key for item in page} - run.ancestors
    run.ancestors |= mine
    pages = named_pages(run, keys)
    while (parents := _read(run, pages, again=False)) is not None:
        _see_to_others_first(run, parents, finishing)
        _finish(run, place_accounts(run, parents))
    run.ancestors -= mine


def _finish(run: AccountRun, page: Page[AccountItem], reached: tuple[UUID, int, Places] | None = None) -> None:
    """compare → write both sides → park → tell why → record."""
    page = compare_fields(run, page)
    page = write_customers(run, page)
    page = write_accounts(run, page)
    page = park_records(run, page)
    page = tell_reasons(run, page)
    call_children(run, page)
    record_account_outcomes(run, page)
    if reached is not None:
        progress, done, places = reached
        show_progress(progress, done, run.announced)
        run.remember(places)
