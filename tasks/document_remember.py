"""Remember: what the ledger keeps of documents, once they stand in the CRM and their deals show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Document
from prefect_crm_erp.models.outcomes import Outcome, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_kinds import DELIVERIES, INVOICES, ORDERS
from prefect_crm_erp.tasks.document_run import DocumentRun


@task(name="Remember documents", cache_policy=NO_CACHE, persist_result=False)
def remember_documents(run: DocumentRun, page: Page[DocumentItem]) -> None:
    """Note in the ledger where the page's documents stand.

    It is the last step: a run that dies before it has noted nothing, and the next one writes the same once more.
    """
    if run.dry_run:
        return
    changed = [item for item in page if item.verdict != Verdict(Outcome.UNCHANGED)]
    run.store.save_documents([*_bearing_old_numbers(run, changed), *(_remembered(item) for item in changed)])
    run.sent_invoices.difference_update((item.slot, item.erp_id) for item in changed if item.is_written)


def remember_intent(run: DocumentRun, items: Iterable[DocumentItem]) -> None:
    """Note the lines that documents are about to get: were the run to die, they would stand there unknown."""
    growing = [
        (item.known, set(item.known.children) | set(item.children))
        for item in items
        if item.known and set(item.children).difference(item.known.children)
    ]
    run.store.save_documents(
        [replace(known, fingerprint=None, children=tuple(sorted(children))) for known, children in growing]
    )


def _bearing_old_numbers(run: DocumentRun, items: Sequence[DocumentItem]) -> list[Document]:
    """Deliveries and invoices that name an order by a number which it has no more: they are to be written anew."""
    found: list[Document] = []
    for item in items:
        known = item.known
        if item.what is not ORDERS or not known or not known.account or known.number == item.document.number:
            continue
        for what in (DELIVERIES, INVOICES):
            of_account = run.store.documents_of(what.name, known.erp, known.account)
            documents = run.store.documents(what.name, known.erp, of_account).values()
            found += [replace(each, fingerprint=None) for each in documents if item.erp_id in each.order_ids]
    return found


def _remembered(item: DocumentItem) -> Document:
    """The document as the ledger keeps it; one that could not be written counts as not standing in the CRM."""
    if item.is_written:
        return as_document(item, item.digest(), item.children)
    kept = set(item.known.children if item.known else ()) | set(item.children)
    return as_document(item, children=tuple(sorted(kept)))


def as_document(item: DocumentItem, fingerprint: str | None = None, children: tuple[str, ...] = ()) -> Document:
    """What the ledger knows of a document.

    Args:
        item: The document.
        fingerprint: Of what stands in the CRM; None when nothing does.
        children: References of the lines or applications that stand there.
    """
    document = item.document
    have = vars(document).get  # documents of a kind lack what only other kinds have
    return Document(
        kind=item.what.name,
        erp=item.slot.value,
        erp_id=item.erp_id,
        number=document.number,
        company=document.company_id,
        customer_id=document.customer_id,
        account=item.account_id,
        opportunity_id=item.opportunity_id,
        order_ids=item.order_ids,
        order_keys=item.order_keys,
        fingerprint=fingerprint,
        children=children,
        type=have("type"),
        status=str(document.status) if document.status else None,
        currency=have("currency"),
        company_currency=have("company_currency"),
        payment_terms=have("payment_terms"),
        issued_on=have("date", have("order_date", have("shipped_on"))),
        due_date=have("due_date"),
        paid_on=have("paid_on"),
        untaxed=have("untaxed"),
        total=have("total", have("amount")),
        balance=have("balance"),
        company_untaxed=have("company_untaxed"),
        company_total=have("company_total", have("company_amount")),
        company_balance=have("company_balance"),
        modified_at=document.modified_at,
        submitted_at=have("submitted_at") or have("pending_since"),
        approved_at=have("approved_at"),
    )
