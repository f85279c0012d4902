"""Write: place each order in the ERP exactly once, prove its total, and bind it to its deal.

Claim the key, write the intent, write to the ERP, prove the total, confirm, bind. A key with an intent and no binding
has an unknown outcome: the ERP is asked for it by key before anything is sent.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.claims import held, patience
from prefect_crm_erp.tasks.credit import foresee_credit
from prefect_crm_erp.tasks.former import leave_to_former
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.parts import Part, divided_otherwise, gather
from prefect_crm_erp.tasks.placing import Placing, order_changes
from prefect_crm_erp.tasks.recognise import already_done, leave_to_quotes, look_up
from prefect_crm_erp.tasks.run import Run, by_company, by_slot
from prefect_crm_erp.tasks.traveller import open_items


@task(name="Write orders", cache_policy=NO_CACHE, persist_result=False)
def write_orders(run: Run, page: Page[Item]) -> Page[Item]:
    """Place the page's orders, each exactly once, and compare every total to the cent.

    A divided deal is placed part by part, and is done when all its parts are. Deals that another run is writing are
    waited for. In a dry run nothing is sent: the changes are noted, and orders that the ERP would hold back for the
    customer's credit are told apart.
    """
    waiting = list(open_items(page))
    if run.dry_run:
        _foresee(run, waiting)
    else:
        _place_all(run, waiting)
    gather(page)
    return page


def _place_all(run: Run, waiting: Sequence[Item]) -> None:
    deadline: float | None = None
    while waiting and (waiting := _place_mine(run, waiting)):
        # The patience begins with the waiting: a run that slept through its lease looks again before it gives up.
        deadline = deadline or time.monotonic() + patience(run)
        if time.monotonic() > deadline:
            run.wait(waiting, "Another run is writing this deal", "Busy")
            break
        get_run_logger().info("Waiting for another run that is writing %d of these deals", len(waiting))
        time.sleep(1)


def _foresee(run: Run, items: Sequence[Item]) -> None:
    foresee_credit(run, items)
    for item in items:
        if item.left_to_people is not None and item.verdict is None:
            reason = f"Dry run: the order would wait for an approval: {item.left_to_people}"
            item.verdict = Verdict.queued(Queue.PENDING_APPROVAL, reason, error="PendingApproval")
        item.changes += order_changes(item.order)
        item.verdict = item.verdict or Verdict(Outcome.WRITTEN, "Dry run: it would be written")


def _place_mine(run: Run, items: Sequence[Item]) -> list[Item]:
    """Place the orders whose keys this run can claim; give back the others."""
    claimed = run.store.claim(run.kind, [key for item in items for key in item.claims], run.run_id, run.lease)
    mine = [item for item in items if claimed.mine.issuperset(item.claims)]
    with held(run, run.kind, sorted(claimed.mine)):
        try:
            _recognise(run, items)
            leave_to_quotes(run, mine, claimed.unknown)
            unknown = leave_to_former(run, mine, claimed.unknown)
            _place(run, [item for item in mine if item.verdict is None], unknown)
        finally:
            _release(run, mine, claimed.mine)
    return [item for item in items if item.verdict is None]


def _place(run: Run, items: Sequence[Item], unknown: Mapping[str, str]) -> None:
    for slot, of_slot in by_slot(items).items():
        for group in by_company(of_slot).values():
            for batch in chunks(group, run.erps[slot].capabilities.batch_size):
                if run.is_up(slot, batch):
                    with run.guard(slot, batch):
                        Placing(run, slot, batch, unknown).run_all()


def _recognise(run: Run, items: Sequence[Item]) -> None:
    """Another run may have bound a deal between our check and our claim."""
    look_up(run, items)
    for item in items:
        item.verdict = item.verdict or already_done(item) or divided_otherwise(item)
        if item.verdict and item.verdict.outcome is Outcome.UNCHANGED:
            item.verdict = Verdict(Outcome.UNCHANGED, "Written by another run at the same time")


def _release(run: Run, items: Sequence[Item], keys: Collection[str]) -> None:
    """Give claims back; what may be in the ERP without being bound keeps its intent."""
    bound = {item.key for item in items if item.binding is not None}
    bound |= {item.deal_key for item in items if isinstance(item, Part) and item.whole_is_bound}
    run.store.release(run.kind, sorted(bound), run.run_id)
    run.store.release(run.kind, sorted(set(keys) - bound), run.run_id, keep_intent=True)
