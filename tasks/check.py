"""Check: leave out what does not belong, recognise what is done, and find what is missing before any ERP is asked."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from decimal import Decimal

from babel.numbers import get_territory_currencies
from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.policies.orders import DealsWithoutLines, OrderPolicy
from prefect_crm_erp.models.currencies import CurrencyCodeError, currency_code
from prefect_crm_erp.models.geography import country_code
from prefect_crm_erp.models.money import ZERO, minor_units, plain, round_money, split_amount
from prefect_crm_erp.models.outcomes import Note, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Deal, DealLine
from prefect_crm_erp.models.rounding import explain_totals
from prefect_crm_erp.tasks.clean import Defect, clean_account
from prefect_crm_erp.tasks.convert import exact_lines
from prefect_crm_erp.tasks.entry_checks import check_entry
from prefect_crm_erp.tasks.extract import still_waiting
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.recognise import already_done, look_up
from prefect_crm_erp.tasks.run import Run
from prefect_crm_erp.tasks.traveller import open_items


@task(name="Check", cache_policy=NO_CACHE, persist_result=False)
def check_records(run: Run, page: Page[Item]) -> Page[Item]:
    """Decide which deals go on: not excluded, not written already, and complete enough for an ERP to accept.

    Deals with defects get their verdict (Data Quality Exception) with every defect named at once.
    """
    look_up(run, page)
    for item in open_items(page):
        item.verdict = _exclusion(run, item) or already_done(item)
    going_on = list(open_items(page))
    still_waiting(run, going_on)
    for item in open_items(page):
        _check(run, item)
    check_entry(run, list(open_items(page)))
    return page


def _exclusion(run: Run, item: Item) -> Verdict | None:
    deal, start = item.deal, run.integration.orders.start_date
    if not run.is_deal(deal):
        return Verdict.excluded(f"It is none of the {run.source.value} (any more)")
    if not deal.push_to_erp:
        return Verdict.excluded("“Push to ERP” is switched off for it")
    if deal.account and not deal.account.push_to_erp:
        return Verdict.excluded("“Push to ERP” is switched off for its account")
    if start and deal.closed_on and deal.closed_on < start:
        return Verdict.excluded(f"It closed on {deal.closed_on}, before the integration's start on {start}")
    return None


def _check(run: Run, item: Item) -> None:
    today = run.started_at.date()
    _fill_currency(run, item)
    _tidy_currency(item, today)
    _fill_lines(run, item)
    _fit_lines(item)
    defects = deal_defects(item.deal, today)
    if item.deal.account:
        customer, notes, found = clean_account(item.deal.account, run.integration, run.erp_needs_state())
        item.customer = customer
        item.notes += notes
        defects += found
    if defects:
        text = "; ".join(defect.text for defect in defects)
        fields = tuple(dict.fromkeys(defect.field for defect in defects))
        item.verdict = Verdict.queued(Queue.DATA_QUALITY, text, error="DataQuality", fields=fields)


def _fill_currency(run: Run, item: Item) -> None:
    """A deal without currency takes the one of its account's billing country, for Finance to see."""
    deal = item.deal
    if deal.currency or not deal.account:
        return
    code = country_code(deal.account.billing.country, run.integration.code_lists.countries)
    currencies = get_territory_currencies(code, tender=True) if code else []
    if currencies:
        text = f"The deal has no currency; {currencies[0]} is taken from the billing country {code}"
        item.notes.append(Note("currency", text, "Finance", None, currencies[0]))
        item.deal = deal.model_copy(update={"currency": currencies[0]})


def _tidy_currency(item: Item, today: date) -> None:
    """A code that is written otherwise is read as it is meant, for people to see; a wrong one is a defect."""
    deal = item.deal
    with suppress(CurrencyCodeError):
        known = currency_code(deal.currency or "", deal.closed_on or today)
        if known.is_corrected:
            item.notes.append(
                Note("currency", f"{known.given!r} is read as {known.code}", None, known.given, known.code)
            )
            item.deal = deal.model_copy(update={"currency": known.code})


def _fill_lines(run: Run, item: Item) -> None:
    """Where the policy says so, a deal without lines becomes one line with its total."""
    policy: OrderPolicy = run.integration.orders
    deal = item.deal
    if deal.lines or not deal.total or policy.deals_without_lines is not DealsWithoutLines.TOTAL_LINE:
        return
    amount = deal.total - deal.shipping - (deal.tax or ZERO)
    line = DealLine(
        crm_id=deal.crm_id,
        sku=policy.total_line_sku,
        description=deal.name,
        quantity=Decimal(1),
        unit_price=amount,
        amount=amount,
    )
    item.deal = deal.model_copy(update={"lines": (line,)})
    item.notes.append(Note("lines", "The deal has no lines; its total is ordered as one line"))


def _fit_lines(item: Item) -> None:
    """Let lines that are each rounded add up to the total that the CRM rounded once, over all of them."""
    deal = item.deal
    if deal.total is None or not deal.lines or not deal.currency:
        return
    wanted = deal.total - deal.shipping - (deal.tax or ZERO)
    lines = sum((line.amount for line in deal.lines), ZERO)
    unit = Decimal(1).scaleb(-minor_units(deal.currency))
    if lines == wanted or abs(lines - wanted) > unit * len(deal.lines) / 2:
        return
    exact = exact_lines(deal)
    if any(amount < 0 for amount in exact) or round_money(sum(exact, ZERO), deal.currency) != wanted:
        return
    shares = split_amount(wanted, exact, deal.currency)
    fitted = (line.model_copy(update={"amount": share}) for line, share in zip(deal.lines, shares, strict=True))
    item.deal = deal.model_copy(update={"lines": tuple(fitted)})
    text = f"The lines, each rounded, add up to {lines:,}; {wanted:,} {deal.currency}, the deal's total, is ordered"
    item.notes.append(Note("lines.amount", text))


def deal_defects(deal: Deal, today: date) -> list[Defect]:
    """All that keeps a deal from becoming an order, whatever its account.

    Args:
        deal: The deal.
        today: The day that its currency must be money on, when it does not say when it closed.
    """
    defects = []
    if deal.account is None:
        defects.append(Defect("account", "The deal has no account"))
    if not deal.lines:
        defects.append(Defect("lines", "The deal has no product lines; add the products that were sold"))
    defects += _currency_defects(deal, today)
    for position, line in enumerate(deal.lines, start=1):
        defects += _line_defects(position, line)
    return defects or _total_defects(deal)


def _currency_defects(deal: Deal, today: date) -> list[Defect]:
    if not deal.currency:
        return [Defect("currency", "The deal has no currency, and none can be told from its billing country")]
    try:
        currency_code(deal.currency, deal.closed_on or today)
    except CurrencyCodeError as error:
        return [Defect("currency", f"{error}; correct the deal's currency")]
    return [
        Defect(
            "lines.currency",
            f"{line.named(position)} has its price from the price book in {line.currency}, but the deal is in "
            f"{deal.currency}; choose the product's price in {deal.currency}",
        )
        for position, line in enumerate(deal.lines, start=1)
        if line.currency and line.currency.upper() != deal.currency.upper()
    ]


def _line_defects(position: int, line: DealLine) -> list[Defect]:
    name = line.named(position)
    defects = []
    if not (line.sku or "").strip():
        defects.append(Defect("lines.sku", f"{name} has no SKU; fill in the product's code"))
    if line.quantity <= 0:
        text = (
            f"{name} has the quantity {plain(line.quantity)}; an order needs more than zero, returns are credit memos"
        )
        defects.append(Defect("lines.quantity", text))
    if line.amount < 0:
        text = f"{name} has the negative amount {line.amount:f}; give the discount as a discount"
        defects.append(Defect("lines.amount", text))
    return defects


def _total_defects(deal: Deal) -> list[Defect]:
    if deal.total is None:
        return []
    beside = deal.shipping + (deal.tax or ZERO)
    lines = sum((line.amount for line in deal.lines), ZERO) + beside
    if lines == deal.total:
        return []
    text = (
        f"The lines, shipping and tax add up to {lines:,} {deal.currency}, but the deal says "
        f"{deal.total:,} {deal.currency}; correct the deal"
    )
    why = explain_totals(exact_lines(deal), deal.currency or "", deal.total - beside, lines - beside)
    return [Defect("total", f"{text} ({why})" if why else text)]
