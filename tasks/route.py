"""Route: decide which subsidiary, and with it which ERP and company, each deal belongs to."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.policies.routing import Route
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.run import BaseRun, by_slot
from prefect_crm_erp.tasks.traveller import T, open_items


@task(name="Route", cache_policy=NO_CACHE, persist_result=False)
def route_records(run: BaseRun, page: Page[T]) -> Page[T]:
    """Give each deal its subsidiary, or send it to Pending Review; there is no default subsidiary.

    Deals of an ERP that does not answer wait in Retry.
    """
    for item in open_items(page):
        account = item.account
        if account is None:
            continue
        routed = run.routing.route(account, item.deal if isinstance(item, Item) else None)
        if isinstance(routed, Route):
            item.route = routed
            item.notes.append(Note("subsidiary", f"{routed.subsidiary.name}: {routed.rule}"))
        else:
            item.verdict = routed
    for slot, items in by_slot(open_items(page)).items():
        if run.is_up(slot, items):
            with run.guard(slot, items):
                for item in items:
                    if item.route:
                        item.company = run.company(slot, item.route.subsidiary.company)
    return page
