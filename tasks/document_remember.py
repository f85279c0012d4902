"""Remember: what the ledger keeps of documents, once they stand in the CRM and their deals show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Document
from prefect_crm_erp.models.outcomes import Outcome, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Record
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
    if item.verdict and item.verdict.outcome is Outcome.WRITTEN:
        return replace(as_document(item), fingerprint=item.digest(), children=item.children)
    kept = set(item.known.children if item.known else ()) | set(item.children)
    return replace(as_document(item), children=tuple(sorted(kept)))


def as_document(item: DocumentItem) -> Document:
    """What the ledger knows of a document, but for what of it stands in the CRM."""
    document = item.document
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
        type=_get(document, "type"),
        status=str(document.status) if document.status else None,
        currency=_get(document, "currency"),
        company_currency=_get(document, "company_currency"),
        payment_terms=_get(document, "payment_terms"),
        issued_on=_first(document, "date", "order_date", "shipped_on"),
        due_date=_get(document, "due_date"),
        paid_on=_get(document, "paid_on"),
        untaxed=_get(document, "untaxed"),
        total=_first(document, "total", "amount"),
        balance=_get(document, "balance"),
        company_untaxed=_get(document, "company_untaxed"),
        company_total=_first(document, "company_total", "company_amount"),
        company_balance=_get(document, "company_balance"),
        modified_at=document.modified_at,
        submitted_at=_first(document, "submitted_at", "pending_since"),
        approved_at=_get(document, "approved_at"),
    )


def _first(document: Record, *names: str) -> Any:
    return next((value for name in names if (value := _get(document, name)) is not None), None)


def _get(document: Record, name: str) -> Any:
    """A value of a document; None where documents of its kind have none of that name."""
    return vars(document).get(name)
