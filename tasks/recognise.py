"""Recognise: what the ledger knows of a deal already, itself or through the opportunity that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prefect_crm_erp.blocks.crm.values import CrmObject
from prefect_crm_erp.models.divisions import PartPrint
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Outcome, Queue, Verdict
from prefect_crm_erp.tasks.claims import held
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.run import Run

OPPORTUNITY = CrmObject.OPPORTUNITY.value
VIA = "via "
"""Starts the fingerprint of an opportunity that is ordered through one of its quotes or orders."""


def via(run: Run, item: Item) -> str:
    """The fingerprint of an opportunity that is ordered through this quote or order."""
    return f"{VIA}{run.kind} {item.deal.number or item.key}"


def look_up(run: Run, items: Iterable[Item]) -> None:
    """Give items their binding; leave out those whose opportunity was ordered otherwise."""
    known = list(items)
    bound = run.store.bound(run.kind, {item.deal_key for item in known})
    aliases = run.store.bound(OPPORTUNITY, list(_by_opportunity(run, known)))
    for item in known:
        item.take(bound.get(item.deal_key, []))
        for alias in aliases.get(item.deal.opportunity_id or "", []):
            if item.binding is None and not _is_via(run, alias.fingerprint):
                item.verdict = Verdict.excluded(f"Its opportunity is in the ERP already, as order {alias.erp_number}")


def already_done(item: Item) -> Verdict | None:
    """What to say of a deal that was ordered: unchanged, changed since, or ordered through something else."""
    binding = item.binding
    if binding is None:
        return None
    if binding.fingerprint.startswith(VIA):
        through = binding.fingerprint.removeprefix(VIA)
        return Verdict.excluded(f"It was ordered through its {through}, as order {binding.erp_number}")
    if binding.fingerprint == item.content_digest():
        return Verdict(Outcome.UNCHANGED)
    first = PartPrint.read(binding.fingerprint)
    if first and first.deal == item.content_digest():
        # A deal that is divided is done with its last part; the others are looked at one by one.
        return Verdict(Outcome.UNCHANGED) if len(item.bindings) >= first.parts else None
    numbers = ", ".join(str(each.erp_number) for each in item.bindings)
    then = sum((each.crm_total or ZERO for each in item.bindings), ZERO)
    reason = (
        f"The deal changed after order {numbers} was placed "
        f"({then} {binding.currency} then, {item.deal.total} {item.currency} now); "
        "amend the order in the ERP, or undo the change in the CRM"
    )
    return Verdict.queued(Queue.MANUAL_REVIEW, reason, error="ChangedAfterOrder", fields=("lines",))


# -------------------------------------------------------------------- what was sold is ordered once


@contextmanager
def opportunities_kept(run: Run, items: Sequence[Item]) -> Iterator[list[Item]]:
    """Keep the opportunities of quotes and orders from being ordered as themselves, until the body ends.

    Gives the items that may be ordered; the others have a verdict, or another run holds their opportunity now.
    """
    sold = _by_opportunity(run, items)
    if not sold:
        yield list(items)
        return
    claimed = run.store.claim(OPPORTUNITY, list(sold), run.run_id, run.lease)
    mine = [key for key in sold if key in claimed.mine]
    try:
        with held(run, OPPORTUNITY, mine):
            _leave_to_others(run, sold, claimed.unknown)
            look_up(run, [item for item in items if item.verdict is None])
            busy = {item.key for key in claimed.busy for item in sold[key]}
            yield [item for item in items if item.key not in busy and item.verdict is None]
    finally:
        run.store.release(OPPORTUNITY, mine, run.run_id, keep_intent=True)


def intend_opportunities(run: Run, items: Sequence[Item]) -> None:
    """Note that the opportunities of these quotes or orders are about to be ordered through them."""
    intents = {key: via(run, sold[0]) for key, sold in _by_opportunity(run, items).items()}
    run.store.intend(OPPORTUNITY, intents, run.run_id)


def leave_to_quotes(run: Run, items: Sequence[Item], unknown: Mapping[str, str]) -> None:
    """Opportunities that were sent through a quote or order whose outcome is not known wait for it."""
    for item in items:
        sent = unknown.get(item.deal_key, "")
        if sent.startswith(VIA):
            through = sent.removeprefix(VIA)
            reason = f"It was about to be ordered through its {through}; what became of that is seen to first"
            run.wait([item], reason, "Unfinished")


def _leave_to_others(run: Run, sold: Mapping[str, Sequence[Item]], unknown: Mapping[str, str]) -> None:
    for key, sent in unknown.items():
        if not _is_via(run, sent):
            what = sent.removeprefix(VIA) if sent.startswith(VIA) else OPPORTUNITY
            reason = f"Its {what} was about to be ordered; what became of that is seen to first"
            run.wait(sold[key], reason, "Unfinished")


def _by_opportunity(run: Run, items: Iterable[Item]) -> dict[str, list[Item]]:
    """Quotes or orders by their opportunity; nothing for opportunities themselves."""
    found: dict[str, list[Item]] = {}
    for item in items:
        if run.object is not CrmObject.OPPORTUNITY and item.deal.opportunity_id:
            found.setdefault(item.deal.opportunity_id, []).append(item)
    return found


def _is_via(run: Run, fingerprint: str) -> bool:
    """Whether an opportunity is ordered through records like those of this run; it may have several."""
    return fingerprint.startswith(f"{VIA}{run.kind} ")
