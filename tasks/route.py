"""Route: decide which subsidiary, and with it which ERP and company, each deal belongs to."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.policies.routing import Route, Routes, Subsidiary
from prefect_crm_erp.models.outcomes import Note, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Deal
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.parts import divided, divided_otherwise
from prefect_crm_erp.tasks.recognise import already_done
from prefect_crm_erp.tasks.run import BaseRun, by_slot
from prefect_crm_erp.tasks.traveller import T, open_items


@task(name="Route", cache_policy=NO_CACHE, persist_result=False)
def route_records(run: BaseRun, page: Page[T]) -> Page[T]:
    """Give each deal its subsidiary, or send it to Pending Review; there is no default subsidiary.

    A deal whose lines lead to several subsidiaries is divided, where the policy says so: its parts go on in its place.
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
            item.verdict = _restricted(routed.subsidiary, item.deal) if isinstance(item, Item) else None
        elif isinstance(routed, Routes) and isinstance(item, Item):
            item.notes.append(Note("subsidiary", f"Divided: {routed.rule}"))
            item.verdict = divided(item, routed) or _restricted_parts(item)
        elif isinstance(routed, Verdict):
            item.verdict = routed
    _look_up_companies(run, page)
    _recognise(page)
    return page


def _look_up_companies(run: BaseRun, page: Page[T]) -> None:
    for slot, items in by_slot(open_items(page)).items():
        if run.is_up(slot, items):
            with run.guard(slot, items):
                for item in items:
                    if item.route:
                        item.company = run.company(slot, item.route.subsidiary.company)


def _recognise(page: Page[T]) -> None:
    """Parts of which the order stands are done; a deal of which orders stand that it would not have now is reviewed."""
    for item in page:
        if isinstance(item, Item) and item.bindings and item.verdict is None:
            item.verdict = divided_otherwise(item)
            for part in item.parts if item.verdict is None else ():
                part.take(item.bindings)
                part.verdict = already_done(part) or part.verdict


def _restricted_parts(item: Item) -> Verdict | None:
    found = (_restricted(part.route.subsidiary, part.deal) for part in item.parts if part.route)
    return next(filter(None, found), None)


def _restricted(subsidiary: Subsidiary, deal: Deal) -> Verdict | None:
    """A deal with items that its subsidiary does not sell is for a person; every such line is named."""
    restricted = {sku.strip().casefold() for sku in subsidiary.restricted_items}
    found = [
        f"line {position} ({line.product_name or line.sku}, {line.sku})"
        for position, line in enumerate(deal.lines, start=1)
        if (line.sku or "").strip().casefold() in restricted and line.sku
    ]
    if not found:
        return None
    reason = (
        f"{subsidiary.name} does not sell {', '.join(found)}: a restricted item; take it out of the deal, or lift the "
        "restriction in the Subsidiary Routing"
    )
    return Verdict.queued(Queue.PENDING_REVIEW, reason, error="RestrictedItem", fields=("lines.sku",))
