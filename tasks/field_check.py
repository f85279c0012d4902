"""Read entries of the field, and check what was recorded before any ERP is asked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import SourceRecord
from prefect_crm_erp.models.field_entries import CollectedPayment, CollectedReturn
from prefect_crm_erp.models.outcomes import Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.extract import still_waiting
from prefect_crm_erp.tasks.field_item import FieldItem
from prefect_crm_erp.tasks.field_run import FieldRun
from prefect_crm_erp.tasks.traveller import open_items


def field_pages(run: FieldRun, named: list[str] | None) -> Iterator[Page[CollectedPayment] | Page[CollectedReturn]]:
    """Payments, then returns: all that the ERP does not have yet, or those that are named."""
    by_prefix = run.crm.field_entries
    return chain(by_prefix(CollectedPayment, named), by_prefix(CollectedReturn, named))


@task(name="Extract entries of the field", cache_policy=NO_CACHE, persist_result=False)
def extract_entries(
    run: FieldRun, pages: Iterator[Page[CollectedPayment] | Page[CollectedReturn]]
) -> Page[FieldItem] | None:
    """Read the next page and note it in the ledger; None after the last one.

    Raises:
        ConfigurationError: The CRM refused the credentials or the query.
        TransientError: The CRM is not available.
    """
    page = next(pages, None)
    if page is None:
        return None
    items = [FieldItem(collected) for collected in page]
    records = [SourceRecord(item.key, item.label, item.collected.modified_at) for item in items]
    new = set(run.store.note_read(run.run_id, records))
    return Page([item for item in items if item.key in new])


@task(name="Check entries of the field", cache_policy=NO_CACHE, persist_result=False)
def check_entries(run: FieldRun, page: Page[FieldItem]) -> Page[FieldItem]:
    """Leave out what is not to travel, what has travelled already, and what nothing has changed for; park the rest.

    An entry that became something in the ERP is never sent again, whatever was changed in it since.
    """
    bound = run.store.bound(run.kind, [item.key for item in page])
    for item in page:
        item.binding = next(iter(bound.get(item.key, ())), None)
        if item.binding is not None:
            item.verdict = Verdict(Outcome.UNCHANGED)
        elif not item.collected.push_to_erp:
            item.verdict = Verdict.excluded("Push to ERP is off in the record")
    still_waiting(run, [item for item in page if item.verdict is None])
    for item in open_items(page):
        defects = list(_defects(item))
        if defects:
            fields = tuple(field for field, _ in defects)
            reason = f"{'; '.join(text for _, text in defects)}. Correct the record in {run.crm.system}"
            item.verdict = Verdict.queued(Queue.DATA_QUALITY, reason, error="IncompleteEntry", fields=fields)
    return page


def _defects(item: FieldItem) -> Iterator[tuple[str, str]]:
    collected = item.collected
    if collected.date is None:
        yield "date", f"The {item.object.value} has no date"
    if isinstance(collected, CollectedPayment):
        yield from _of_payment(collected)
    else:
        yield from _of_return(collected)


def _of_payment(payment: CollectedPayment) -> Iterator[tuple[str, str]]:
    if payment.amount is None or payment.amount <= 0:
        yield "amount", "The amount that was collected must be more than zero"
    if not payment.currency:
        yield "currency", "The payment has no currency"
    if not (payment.invoice or payment.order or payment.account_id):
        yield "invoice", "The payment names neither an invoice nor an order nor an account"


def _of_return(returned: CollectedReturn) -> Iterator[tuple[str, str]]:
    if not returned.order:
        yield "order", "The return does not name the order that delivered the goods"
    if not returned.lines:
        yield "lines", "The return has no products"
    for line in returned.lines:
        if not line.sku:
            yield "lines.sku", "A line names no product with a product code"
        elif line.quantity is None or line.quantity <= 0:
            yield "lines.quantity", f"The quantity of {line.sku} must be more than zero"
