"""Authorise: which orders the integration confirms by itself, by the scenarios that Finance has authorised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.approvals import OrderFacts
from prefect_crm_erp.models.money import ZERO, minor_units
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Company, DealLine
from prefect_crm_erp.tasks.convert import HUNDRED, discounted_lines, list_price_of
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.run import Run, by_company, by_slot
from prefect_crm_erp.tasks.traveller import PLANNED, open_items


@task(name="Authorise orders", cache_policy=NO_CACHE, persist_result=False)
def authorise_orders(run: Run, page: Page[Item]) -> Page[Item]:
    """Tell the orders that the integration confirms from those that it leaves to the ERP's people.

    Without scenarios in the approval policy all are confirmed. A scenario is looked at anew with each run: an order
    that waits is confirmed once it fits one.
    """
    if not run.integration.approvals.scenarios:
        return page
    for slot, items in by_slot(open_items(page)).items():
        if run.is_up(slot, items):
            with run.guard(slot, items):
                for group in by_company(items).values():
                    _authorise(run, slot, group)
    return page


def _authorise(run: Run, slot: ErpSlot, items: Sequence[Item]) -> None:
    policy = run.integration.approvals
    for item, facts in _facts(run, slot, items):
        scenario, objections = policy.authorise(facts)
        if scenario is None:
            item.left_to_people = f"it fits no scenario that was authorised beforehand ({objections})"
        else:
            item.notes.append(Note("approval", f"Authorised beforehand by {scenario.in_words()}"))


def _facts(run: Run, slot: ErpSlot, items: Sequence[Item]) -> Iterator[tuple[Item, OrderFacts]]:
    company = next(item.company for item in items if item.company)
    buyers = _existing(run, slot, items)
    rates: dict[date, dict[str, Decimal]] = {}
    for item in items:
        day = item.order.order_date if item.order else run.started_at.date()
        if item.currency != company.currency and day not in rates:
            rates[day] = run.erps[slot].rates(company, day)
        yield (
            item,
            OrderFacts(
                has_bought=bool(item.customer and item.customer.erp_id in buyers),
                discount=largest_discount(discounted_lines(item.deal), item.currency),
                amount=_in_company_currency(item, company, rates.get(day, {})),
                company_currency=company.currency,
                country=item.customer.billing.country if item.customer else None,
                currency=item.currency,
            ),
        )


def _existing(run: Run, slot: ErpSlot, items: Iterable[Item]) -> frozenset[str]:
    """The buyers that have bought before; asked for only where a scenario wants to know."""
    if not any(each.existing_customers_only for each in run.integration.approvals.scenarios):
        return frozenset()
    customers = {str(item.customer.erp_id) for item in items if item.customer} - {PLANNED, "None"}
    return run.erps[slot].have_bought(sorted(customers), standing_only=True) if customers else frozenset()


def _in_company_currency(item: Item, company: Company, rates: dict[str, Decimal]) -> Decimal | None:
    if item.currency == company.currency:
        return item.expected
    rate = rates.get(item.currency)
    return item.expected / rate if rate else None


def largest_discount(lines: Iterable[DealLine], currency: str) -> Decimal:
    """The largest discount of a line, in percent of its list price; 0 when there is none.

    Half of the currency's smallest unit is no discount: an amount that was rounded to it may be that much less.

    Args:
        lines: The deal's lines after its header discount.
        currency: ISO 4217 code.
    """
    rounding = Decimal(1).scaleb(-minor_units(currency)) / 2
    full = [(line.quantity * list_price_of(line), line.amount) for line in lines]
    return max(((price - paid - rounding) / price * HUNDRED for price, paid in full if price > 0), default=ZERO).max(
        ZERO
    )
