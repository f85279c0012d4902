"""Value: show beside a deal what it is worth by the CRM's rate as reported, and by the ERP's rate in its books.

The order itself keeps the deal's currency and amount. Where the ERP's rates cannot be asked for, the CRM's rate stands
in, marked as not validated, until a later run finds the ERP's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import ParkEntry, RetryPolicy
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.exchange import SHOWN_DIGITS, ExchangeRate, RateError, Valuation, kept
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Company, DealSource
from prefect_crm_erp.tasks.convert import crm_total
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.placing import erp_total
from prefect_crm_erp.tasks.run import BaseRun, Run
from prefect_crm_erp.tasks.write_back import total_of

_PATIENT = 1_000_000
"""Attempts: a rate that is owed is looked for until it is found."""


@dataclass(frozen=True, slots=True)
class Sold:
    """What is valued: a deal and its order, in their own currency.

    Attributes:
        slot: The ERP connection.
        company: The company whose books the order is in.
        currency: ISO 4217 code of both totals.
        crm: The deal's total; None when it is not known.
        erp: The order's total; None when it is not known.
        day: The day of the order, whose rate counts.
        by_date: Whether the CRM converts it at the rate of that day: opportunities; others take its present rate.
    """

    slot: ErpSlot
    company: Company
    currency: str
    crm: Decimal | None
    erp: Decimal | None
    day: date
    by_date: bool


def valuation(run: BaseRun, sold: Sold) -> tuple[Valuation, str | None]:
    """What a deal is worth, and why the ERP's rate is not known; None when it is."""
    rates = run.rates.crm(sold.day)
    crm_day = sold.day if sold.by_date else None
    trouble: str | None = None
    try:
        rate: ExchangeRate | None = run.rates.erp(
            sold.slot, sold.company, sold.currency, sold.company.currency, sold.day
        )
    except RateError as error:
        trouble = str(error)
        rate = rates.between(sold.currency, sold.company.currency, crm_day) if rates else None
    reported = rates.reported(sold.crm, sold.currency, crm_day) if rates and sold.crm is not None else None
    rounding = run.erps[sold.slot].capabilities.rounding
    shown = Valuation(
        crm_amount=reported,
        crm_currency=rates.corporate if rates and reported is not None else None,
        erp_amount=rate.convert(sold.erp, rounding) if rate and sold.erp is not None else None,
        erp_currency=sold.company.currency,
        rate=kept(rate.rate, SHOWN_DIGITS) if rate else None,
        rate_date=rate.valid_from if rate else None,
        rate_source=rate.origin.value if rate else None,
    )
    return shown, trouble


def ask_ahead(run: BaseRun, sold: Sequence[Sold]) -> None:
    """Ask for the rates of a page at once: those of deals in another currency than the books of their company."""
    if sold:
        run.rates.crm(min(each.day for each in sold))
    for slot, company in {(each.slot, each.company.id): (each.slot, each.company) for each in sold}.values():
        foreign = [each.day for each in sold if each.company == company and each.currency != company.currency]
        if foreign:
            run.rates.ask(slot, company, min(foreign), max(foreign))


@task(name="Value deals", cache_policy=NO_CACHE, persist_result=False)
def value_deals(run: Run, page: Page[Item]) -> Page[Item]:
    """Work out what the page's ordered deals are worth, and see to rates that an earlier run could not validate."""
    items = [item for item in page if _is_to_value(item)]
    sold = {item.key: each for item in items if (each := _sold(run, item))}
    ask_ahead(run, list(sold.values()))
    owed: list[ParkEntry] = []
    for item in items:
        if item.key in sold:
            item.valuation, trouble = valuation(run, sold[item.key])
            if item.is_divided and _is_in_several_currencies(run, item):
                item.valuation, trouble = item.valuation.of_crm_only(), None
            owed += [_owe(run, item, trouble)] if trouble else []
            if run.dry_run:
                item.changes += _changes(item)
    if not run.dry_run:
        run.store.park(run.run_id, owed)
        _settle(run, page.records)
    return page


def _is_to_value(item: Item) -> bool:
    """Ordered deals whose value may be new; what shows the ERP's rate already keeps it."""
    if item.verdict is None or item.verdict.outcome in (Outcome.QUEUED, Outcome.EXCLUDED):
        return False
    is_known = item.verdict.outcome is Outcome.UNCHANGED and item.deal.valuation.is_validated
    return not is_known and (item.binding is not None or item.order is not None)


def _sold(run: Run, item: Item) -> Sold | None:
    binding, order = item.binding, item.order
    slot, company_id = next(_places(item))
    company = run.company_by_id(slot, company_id)
    day = (order.order_date if order else item.deal.closed_on) or run.started_at.date()
    if company is None:
        return None
    return Sold(
        slot=slot,
        company=company,
        currency=item.currency,
        crm=binding.crm_total if binding and not item.is_divided else crm_total(item.deal),
        erp=total_of(item.bindings) if binding else _foreseen(item),
        day=day,
        by_date=run.source is DealSource.CLOSED_WON,
    )


def _foreseen(item: Item) -> Decimal:
    """What the ERP will come to, of an order that is not there yet."""
    return sum((erp_total(each) or crm_total(each.deal) for each in item.parts or (item,)), ZERO)


def _places(item: Item) -> Iterator[tuple[ErpSlot, str]]:
    """ERP connections and companies of the deal's orders."""
    if item.bindings:
        yield from ((ErpSlot(each.erp), each.company) for each in item.bindings)
        return
    for each in item.parts or (item,):
        yield each.slot, each.order.company_id if each.order else ""


def _is_in_several_currencies(run: Run, item: Item) -> bool:
    """Whether a deal's orders are in books of several currencies, in none of which it has one value."""
    companies = [run.company_by_id(slot, company) for slot, company in _places(item)]
    return len({each.currency if each else None for each in companies}) > 1


def _owe(run: Run, item: Item, trouble: str) -> ParkEntry:
    """The value stands, but not by the ERP's rate: the next runs look for that."""
    text = f"The ERP's exchange rate is not known ({trouble}); the CRM's is shown, UNVALIDATED"
    item.notes.append(Note("valuation", text, "Finance"))
    verdict = Verdict.queued(Queue.RETRY, text, error="RateError")
    retry = RetryPolicy(run.retry_policy.base_seconds, _PATIENT)
    return ParkEntry(
        kind=run.rates_kind,
        key=item.key,
        name=item.label,
        verdict=verdict,
        fingerprint=item.evaluation_digest(),
        retry=retry,
    )


def _settle(run: Run, items: Sequence[Item]) -> None:
    """Rates that were owed and are the ERP's now, found by this run or shown by another flow meanwhile."""
    validated = {item.key: item for item in items if (item.valuation or item.deal.valuation).is_validated}
    for entry in run.store.parked(kind=run.rates_kind, keys=list(validated)):
        text = f"The ERP has answered: {validated[entry.key].valuation or validated[entry.key].deal.valuation}"
        validated[entry.key].notes.append(Note("valuation", text))
    run.store.resolve(run.rates_kind, list(validated), resolution="validated")


def _changes(item: Item) -> list[Change]:
    """What the CRM would show, for a dry run."""
    if item.valuation is None:
        return []
    values = item.valuation.model_dump(exclude_none=True)
    return [
        Change(f"deal.{name}", None if before is None else str(before), str(value))
        for name, value in values.items()
        if (before := getattr(item.deal.valuation, name)) != value
    ]
