"""Extract: read the accounts and customers that changed, from both systems, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import ContactScope
from prefect_crm_erp.blocks.ledger import SourceRecord
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.ownership import Side
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Account, Customer
from prefect_crm_erp.tasks.account_item import AccountItem
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.extract import OVERLAP
from prefect_crm_erp.tasks.match import CUSTOMER

PAGE_SIZE = 600
ACCOUNTS, CONTACTS = "accounts", "contacts"
BEGINNING = Cursor(datetime(1970, 1, 1, tzinfo=UTC))
"""Before every record; a stream that begins here includes the recycle bin."""


def source_pages(run: AccountRun, named: Sequence[str], since: datetime | None) -> Iterator[Page[Account]]:
    """The accounts of a run: those that changed or whose contacts did, unless the run is forced, and those named.

    Args:
        run: The run.
        named: CRM ids: of the accounts that the operator forces, or of those that wait.
        since: Aware time that overrides the watermarks.
    """
    if not run.forced and Side.CRM in run.direction.sides:
        yield from _changed_accounts(run, since)
        yield from _accounts_of_changed_contacts(run, since)
    yield from named_pages(run, named)


def named_pages(run: AccountRun, keys: Iterable[str]) -> Iterator[Page[Account]]:
    """Accounts by id, whatever their time."""
    for some in chunks(keys, PAGE_SIZE):
        yield from run.crm.account_pages(
            ids=some, contacts=run.integration.accounts.contacts, custom=run.custom, page_size=PAGE_SIZE
        )


def _changed_accounts(run: AccountRun, since: datetime | None) -> Iterator[Page[Account]]:
    start, overlap = _beginning(run, run.stream(ACCOUNTS), since)
    run.reads_all = start is None
    scope = run.integration.accounts.contacts
    pages = run.crm.account_pages(
        since=start or BEGINNING, overlap=overlap, contacts=scope, custom=run.custom, page_size=PAGE_SIZE
    )
    for page in pages:
        run.reading(run.stream(ACCOUNTS)).note(page)
        yield _without_what_never_was(run, page) if run.reads_all else page


def _without_what_never_was(run: AccountRun, page: Page[Account]) -> Page[Account]:
    """A first run leaves out what lies in the recycle bin, but for accounts that orders have made customers already."""
    deleted = [account.crm_id for account in page if account.is_deleted]
    linked = {key for slot in run.erps for key in run.store.bound(CUSTOMER, deleted, slot.value)}
    kept = [account for account in page if not account.is_deleted or account.crm_id in linked]
    return Page(kept, number=page.number, cursor=page.cursor, expected=page.expected)


def _accounts_of_changed_contacts(run: AccountRun, since: datetime | None) -> Iterator[Page[Account]]:
    """Accounts whose contacts changed though they did not; a first run reads all accounts with their contacts."""
    if run.integration.accounts.contacts is ContactScope.NONE:
        return
    stream = run.stream(CONTACTS)
    start, overlap = _beginning(run, stream, since)
    reading = run.reading(stream)
    if start is None:
        reading.reached = Cursor(run.started_at + run.crm.clock_offset)
        return
    for page in run.crm.contact_accounts(since=start, overlap=overlap):
        reading.note(page)
        keys = dict.fromkeys(contact.account_key for contact in page if contact.account_key)
        yield from named_pages(run, _unread(run, keys))


def _unread(run: AccountRun, keys: Iterable[str]) -> list[str]:
    known = run.store.noted(run.run_id, list(keys))
    return [key for key in keys if key not in known]


def _beginning(run: AccountRun, stream: str, since: datetime | None) -> tuple[Cursor | None, timedelta]:
    """Where to begin to read a stream, and how far back of it; a later beginning does not move the watermark."""
    watermark = run.store.watermark(stream)
    run.reading(stream).is_seamless = not since or (watermark is not None and since <= watermark.modified_at - OVERLAP)
    return (Cursor(since), timedelta(0)) if since else (watermark, OVERLAP)


@task(name="Extract accounts", cache_policy=NO_CACHE, persist_result=False)
def extract_accounts(run: AccountRun, pages: Iterator[Page[Account]], again: bool = False) -> Page[AccountItem] | None:
    """Read the next page of accounts and note them in the ledger.

    Args:
        run: The run.
        pages: Where they come from.
        again: Whether accounts that this run has seen already are looked at once more.

    Returns:
        The page; None after the last one.

    Raises:
        ConfigurationError: The CRM refused the credentials or the query.
        TransientError: The CRM is not available.
    """
    page = next(pages, None)
    if page is None:
        return None
    new = set(run.store.note_read(run.run_id, [_source_record(account) for account in page]))
    items = [AccountItem(account) for account in page if again or account.crm_id in new]
    return Page(items, number=page.number, cursor=page.cursor, expected=page.expected)


def _source_record(account: Account) -> SourceRecord:
    return SourceRecord(account.crm_id, account.name or account.crm_id, account.modified_at)


def customer_pages(run: AccountRun, slot: ErpSlot, since: datetime | None) -> Iterator[Page[Customer]]:
    """Customers of an ERP that changed since the last run."""
    if run.forced or Side.ERP not in run.direction.sides or Customer not in run.erps[slot].capabilities.changes:
        return
    stream = run.erp_stream(slot)
    start, overlap = _beginning(run, stream, since)
    place = Cursor(start.modified_at - overlap) if start else _beginning_of_load(run, slot)
    for page in run.erps[slot].changes(Customer, place, known=run.known[slot].as_made):
        run.reading(stream).note(page)
        yield page


def _beginning_of_load(run: AccountRun, slot: ErpSlot) -> Cursor | None:
    """Where the customers of a first load begin: with the load itself, if the ERP had none before."""
    if not run.known[slot].began_empty:
        return None
    return Cursor(run.started_at + run.erps[slot].clock_offset - OVERLAP)


@task(name="Extract customers", cache_policy=NO_CACHE, persist_result=False)
def extract_customers(run: AccountRun, slot: ErpSlot, pages: Iterator[Page[Customer]]) -> Page[Customer] | None:
    """Read the next page of an ERP's changed customers; None after the last one, or when the ERP does not answer.

    What an ERP that does not answer would have told comes with the next run: its watermark stays where it is.
    """
    if not run.is_up(slot, ()):
        return None
    with run.guard(slot, ()):
        return next(pages, None)
    run.reading(run.erp_stream(slot)).is_seamless = False
    return None
