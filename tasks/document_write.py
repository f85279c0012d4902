"""Write documents: bring their copies in the CRM to what the ERP has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.under_way import HandedIn, UnderWay
from prefect_crm_erp.blocks.crm.values import DocumentObject, Upserted
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError, MissingReferenceError
from prefect_crm_erp.models.outcomes import Note, Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_kinds import INVOICES
from prefect_crm_erp.tasks.document_remember import remember_intent
from prefect_crm_erp.tasks.document_rows import make_rows
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.traveller import open_items

_MISSING = MissingReferenceError.__name__


class Ready:
    """Documents whose copies the CRM is to take in.

    A plain class, as `Page` is one: Prefect leaves it alone among a task's arguments.

    Attributes:
        items: The documents.
        handed_in: What the CRM has of them already.
    """

    __slots__ = ("handed_in", "items")

    def __init__(self, items: list[DocumentItem], handed_in: HandedIn) -> None:
        self.items = items
        self.handed_in = handed_in


class Sending:
    """Documents whose copies the CRM is taking in; a plain class, as `Ready` is one.

    Attributes:
        items: The documents.
        under_way: What the CRM has of them so far.
    """

    __slots__ = ("items", "under_way")

    def __init__(self, items: list[DocumentItem], under_way: UnderWay) -> None:
        self.items = items
        self.under_way = under_way


@task(name="Hand in documents", cache_policy=NO_CACHE, persist_result=False)
def hand_in_documents(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> Ready:
    """Put together what the copies of the page's documents are to say, and hand it in to the CRM.

    Nothing changes there before `write_documents`. A copy that says so already costs nothing.

    Raises:
        TransientError: The CRM is not available; the next run does what this one could not.
    """
    make_rows(run, slot, page)
    changed: list[DocumentItem] = []
    for item in open_items(page):
        if _is_news(item):
            item.forget_parts()
            changed.append(item)
        else:
            item.verdict = Verdict(Outcome.UNCHANGED)
    if run.dry_run:
        for item in changed:
            item.verdict = Verdict(Outcome.WRITTEN, "Dry run: it would be written")
        changed = []
    remember_intent(run, changed)
    return _handed_in(run, changed)


@task(name="Write documents", cache_policy=NO_CACHE, persist_result=False)
def write_documents(run: DocumentRun, ready: Ready) -> Sending:
    """Bring the documents' copies to what the ERP has.

    Their lines may still be under way when it returns; `finish_documents` waits for them.

    Raises:
        TransientError: The CRM is not available; the next run does what this one could not.
    """
    sending = _begun(ready)
    _note_what_stands(run, sending)
    return sending


@task(name="Finish documents", cache_policy=NO_CACHE, persist_result=False)
def finish_documents(run: DocumentRun, sending: Sending) -> None:
    """Wait until the CRM has taken in the documents' lines, and delete those that the ERP has no more.

    Raises:
        TransientError: The CRM is not available; the next run does what this one could not.
    """
    _finish(run, sending)
    _delete_what_is_gone(run, [item for item in sending.items if item.verdict is None])
    for item in sending.items:
        item.verdict = item.verdict or Verdict(Outcome.WRITTEN)
        if item.is_written:
            item.forget_rows()


def _is_news(item: DocumentItem) -> bool:
    """Whether the copy is to be written. One that stands without its opportunity, which is gone, is so left."""
    known = item.known
    if known is None or known.fingerprint is None or known.account != item.account_id:
        return True
    if known.fingerprint != item.digest() and item.opportunity_id and known.opportunity_id == item.opportunity_id:
        with_opportunity = item.rows
        item.leave_opportunity()
        if known.fingerprint != item.digest():
            item.return_to_opportunity(with_opportunity)
    return known.fingerprint != item.digest()


# -------------------------------------------------------------------- writing


def _handed_in(run: DocumentRun, items: list[DocumentItem]) -> Ready:
    """All rows of these documents, in the CRM's hands."""
    return Ready(items, run.crm.hand_in_documents([row for item in items for row in item.rows]))


def _begun(ready: Ready) -> Sending:
    return Sending(ready.items, ready.handed_in.begin())


def _note_what_stands(run: DocumentRun, sending: Sending) -> None:
    """Invoices that stand in the CRM, whatever becomes of their lines: payments can be applied to them."""
    position = 0
    for item in sending.items:
        answer = sending.under_way.answered.get(position)
        if item.what is INVOICES and answer is not None and not answer.error:
            run.sent_invoices.add((item.slot, item.erp_id))
        position += len(item.rows)


def _finish(run: DocumentRun, sending: Sending) -> None:
    """Take the answers in; a document whose opportunity is gone from the CRM is shown at its account alone."""
    nowhere = _take_answers(sending)
    gone = _where_accounts_went(run, nowhere)
    for item in nowhere:
        if reason := gone.get(item.account_id):
            item.verdict = Verdict.queued(Queue.DATA_QUALITY, reason, error=_MISSING, fields=("account",))
    _send_without_opportunity(run, [each for each in nowhere if each.opportunity_id and each.account_id not in gone])


def _take_answers(sending: Sending) -> list[DocumentItem]:
    """What became of the documents; give those that themselves, not a line of them, point at nothing."""
    results = iter(sending.under_way.finish())
    nowhere: list[DocumentItem] = []
    for item in sending.items:
        mine = [next(results) for _ in item.rows]
        item.crm_id = mine[0].crm_id or None
        error = _first_error(mine)
        item.verdict = None if error is None else Verdict.from_error(error)
        if isinstance(mine[0].error, MissingReferenceError):
            nowhere.append(item)
    return nowhere


def _send_without_opportunity(run: DocumentRun, items: list[DocumentItem]) -> None:
    """Try documents at their account alone; those that this does not help wait for what they point at."""
    before = {item.key: (item.rows, item.verdict) for item in items}
    for item in items:
        item.leave_opportunity()
    for item in _take_answers(_begun(_handed_in(run, items))):
        rows, item.verdict = before[item.key]
        item.return_to_opportunity(rows)
    for item in items:
        if item.opportunity_is_gone:
            text = f"The opportunity {item.opportunity_id} is gone; it is shown without it"
            item.notes.append(Note("opportunity", text))


def _where_accounts_went(run: DocumentRun, items: Sequence[DocumentItem]) -> dict[str | None, str]:
    """For accounts that the CRM has no more, by id: a sentence that says why their documents wait."""
    ids = sorted({item.account_id for item in items if item.account_id})
    found = {each.crm_id: each for page in (run.crm.account_pages(ids=ids) if ids else ()) for each in page}
    gone: dict[str | None, str] = {}
    for key in ids:
        account = found.get(key)
        if account and account.merged_into:
            gone[key] = (
                f"Its account {key} was merged into {account.merged_into}; it follows when account sync has moved the "
                "customer there"
            )
        elif account is None or account.is_deleted:
            gone[key] = f"Its account {key} was deleted in {run.crm.system}; restore it, and the document follows"
    return gone


def _first_error(results: Iterable[Upserted]) -> ConnectorError | None:
    return next((result.error for result in results if result.error), None)


def _delete_what_is_gone(run: DocumentRun, items: Sequence[DocumentItem]) -> None:
    """Lines and applications that the ERP has no more; a copy whose rest cannot be deleted is tried again."""
    gone: dict[DocumentObject, dict[str, DocumentItem]] = {}
    for item in items:
        for reference in set(item.known.children if item.known else ()).difference(item.children):
            gone.setdefault(item.what.part, {})[reference] = item
    for part, owners in gone.items():
        for reference, result in zip(owners, run.crm.delete_documents(part, list(owners)), strict=True):
            if result.error is not None:
                owners[reference].verdict = Verdict.from_error(result.error)
