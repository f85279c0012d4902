"""Checks at order entry: what the order entry policy says of dates, items, owners, cash sales and stock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from prefect_crm_erp.blocks.crm.values import Person
from prefect_crm_erp.blocks.policies.order_entry import OwnerCheck, Restriction
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.divisions import Sent
from prefect_crm_erp.models.geography import country_code, country_name
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.money import ZERO, plain
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.records import Customer, Product
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.run import Run
from prefect_crm_erp.tasks.traveller import PLANNED


def check_entry(run: Run, items: Sequence[Item]) -> None:
    """Send deals that the order entry policy does not let pass to their queue, with the rule in words.

    What was sent as it is, and was not answered, goes on: whether it stands in the ERP is seen to first.
    """
    if not items or not run.integration.order_entry.checks_deals:
        return
    going_on = _not_sent(run, items)
    people = _people(run, going_on)
    for item in going_on:
        item.verdict = _restricted(run, item) or _not_theirs(run, item, people) or _unsecured(run, item)
        item.verdict = item.verdict or _dated(run, item)


def check_territories(run: Run, slot: ErpSlot, items: Sequence[Item]) -> None:
    """Send deals of accounts whose territory is another in the ERP to Pending Review; a new customer has none yet."""
    policy = run.integration.order_entry
    field, erp_field = policy.territory_field, policy.erp_territory_field
    if not field or not erp_field:
        return
    known = [item for item in items if item.verdict is None and not item.is_new_customer and item.customer]
    known = _not_sent(run, known)
    ids = {str(item.customer.erp_id) for item in known if item.customer and item.customer.erp_id != PLANNED}
    assigned = run.erps[slot].custom_values(Customer, ids, [erp_field]) if ids else {}
    for item in known:
        there = assigned.get(str(item.customer and item.customer.erp_id), {}).get(erp_field)
        here = policy.territory(item.account.custom) if item.account else None
        if there is not None and fold(str(there)) != fold(here):
            reason = (
                f"The territory of the account is {here or 'none'!r} in {run.crm.system} and {str(there)!r} in "
                f"{run.erps[slot].system}; correct one of them, and the next run goes on"
            )
            verdict = Verdict.queued(Queue.PENDING_REVIEW, reason, error="TerritoryConflict", fields=(field,))
            item.verdict = verdict


def check_stock(run: Run, slot: ErpSlot, items: Sequence[Item]) -> None:
    """Send back-dated orders to Manual Review whose items the ERP does not have in stock, if the policy asks for it.

    Args:
        run: The run.
        slot: The ERP connection.
        items: Deals of one company, whose products were looked up.
    """
    late = [item for item in items if item.verdict is None and _order_date(run, item) < run.started_at.date()]
    if not late or not run.integration.order_entry.back_dated_needs_stock:
        return
    late = _not_sent(run, late)
    if not run.erps[slot].capabilities.tells_stock:
        for item in late:
            item.verdict = _review(f"{run.erps[slot].system} does not tell its stock, and this order is back-dated")
        return
    _compare_stock(run, slot, late)


def _not_sent(run: Run, items: Sequence[Item]) -> list[Item]:
    """The deals but those whose present content was sent before, and of which it is not known whether they stand."""
    sent = run.store.sent(run.kind, [item.key for item in items])
    return [item for item in items if Sent.read(sent.get(item.key, "")).fingerprint != item.content_digest()]


# -------------------------------------------------------------------- restricted items


def _restricted(run: Run, item: Item) -> Verdict | None:
    countries = _countries(run, item)
    found = [
        f"{line.named(position)}: {_forbidden(line.sku or '', restriction, countries)}"
        for position, line in enumerate(item.deal.lines, start=1)
        if (restriction := run.integration.order_entry.restriction(line.sku or "", countries))
    ]
    if not found:
        return None
    return Verdict.queued(Queue.DATA_QUALITY, "; ".join(found), error="RestrictedItem", fields=("lines.sku",))


def _countries(run: Run, item: Item) -> list[str]:
    """Countries that a deal is delivered and billed to."""
    extra = run.integration.code_lists.countries
    delivered = country_code(item.deal.shipping_address.country, extra)
    customer = item.customer
    known = [delivered, *((customer.shipping.country, customer.billing.country) if customer else ())]
    return [code for code in dict.fromkeys(known) if code]


def _forbidden(sku: str, restriction: Restriction, countries: Sequence[str]) -> str:
    places = [country_name(code) for code in countries if code in restriction.countries]
    to = f" to {' or '.join(places)}" if places else ""
    why = f" ({restriction.reason})" if restriction.reason else ""
    return f"{sku} may not be sold{to}{why}; take it out of the deal"


# -------------------------------------------------------------------- who sells


def _people(run: Run, items: Sequence[Item]) -> Mapping[str, Person]:
    if run.integration.order_entry.owner_check is OwnerCheck.ANYBODY:
        return {}
    owners = {(item.account.owner_id if item.account else None) for item in items}
    return run.crm.people({each for each in owners | {item.deal.owner_id for item in items} if each})


def _not_theirs(run: Run, item: Item, people: Mapping[str, Person]) -> Verdict | None:
    check = run.integration.order_entry.owner_check
    seller = item.deal.owner_id
    owner = item.account.owner_id if item.account else None
    if check is OwnerCheck.ANYBODY or (seller and seller == owner):
        return None
    responsible = people.get(owner or "")
    if check is OwnerCheck.MANAGERS and _is_manager(seller, responsible):
        return None
    if _sells_to_all(run, people.get(seller or "")):
        return None
    known = people.get(seller or "")
    sold_by = known.name if known else (item.deal.owner_name or "nobody")
    belongs = f"belongs to {responsible.name}" if responsible else "has no owner"
    account = item.account.name if item.account else ""
    reason = (
        f"The deal is {sold_by}'s, and the account {account!r} {belongs}; "
        "give the deal or the account to the right person, and the next run goes on"
    )
    return Verdict.queued(Queue.PENDING_REVIEW, reason, error="OwnerConflict", fields=("owner_id",))


def _is_manager(seller: str | None, owner: Person | None) -> bool:
    return bool(seller and owner and owner.manager and owner.manager.id == seller)


def _sells_to_all(run: Run, seller: Person | None) -> bool:
    if seller is None:
        return False
    named = {fold(each) for each in run.integration.order_entry.sells_to_all}
    return any(each and fold(each) in named for each in (seller.name, seller.username, seller.email, seller.department))


# -------------------------------------------------------------------- cash sales


def _unsecured(run: Run, item: Item) -> Verdict | None:
    policy = run.integration.order_entry
    facts = item.deal.facts
    terms = [each.payment_terms for each in (item.account, item.customer) if each]
    why = policy.cash_because(facts, terms)
    if why is None or policy.is_secured(facts):
        return None
    secured = " or ".join(rule.in_words() for rule in policy.secured_rules)
    reason = (
        f"It is a cash sale ({why}) and its payment is not secured; take the payment, and note it ({secured}): "
        "the next run goes on"
    )
    return Verdict.queued(Queue.PENDING_REVIEW, reason, error="UnsecuredCashSale", fields=policy.deal_fields())


# -------------------------------------------------------------------- dates and stock


def _order_date(run: Run, item: Item) -> date:
    return item.deal.closed_on or run.started_at.date()


def _dated(run: Run, item: Item) -> Verdict | None:
    policy, today = run.integration.order_entry, run.started_at.date()
    on = _order_date(run, item)
    back, ahead = (today - on).days, (on - today).days
    if policy.most_days_back is not None and back > policy.most_days_back:
        return _review(f"The order is dated {on}, {_days(back)} back; {_most(policy.most_days_back)}", "BackDated")
    if policy.most_days_ahead is not None and ahead > policy.most_days_ahead:
        return _review(f"The order is dated {on}, {_days(ahead)} ahead; {_most(policy.most_days_ahead)}", "FutureDated")
    return None


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _most(days: int) -> str:
    few = f"{_days(days)} at most {'is' if days == 1 else 'are'} allowed"
    allowed = few if days else "only today's date is allowed"
    return f"{allowed}. Correct the date, or enter the order in the ERP by hand"


def _compare_stock(run: Run, slot: ErpSlot, items: Sequence[Item]) -> None:
    company = items[0].company if items else None
    if company is None:
        return
    catalogue = run.products[slot, company.id]
    goods = {str(product.erp_id) for item in items for _, product in _goods(item, catalogue)}
    stock = dict(run.erps[slot].stock(sorted(goods), company))
    for item in items:
        wanted: dict[str, Decimal] = {}
        for quantity, product in _goods(item, catalogue):
            wanted[product.key] = wanted.get(product.key, ZERO) + quantity
        short = [
            f"{sku} ({plain(wanted[sku])} ordered, {plain(there)} in stock)"
            for sku in wanted
            if (there := stock.get(str(catalogue[sku].erp_id), ZERO)) < wanted[sku]
        ]
        if short:
            item.verdict = _review(
                f"The order is back-dated to {_order_date(run, item)}, and {run.erps[slot].system} is out of stock of "
                f"{', '.join(short)}; date it today, or enter it in the ERP by hand",
                "OutOfStock",
            )


def _goods(item: Item, catalogue: Mapping[str, Product]) -> Iterator[tuple[Decimal, Product]]:
    for line in item.deal.lines:
        product = catalogue.get((line.sku or "").strip())
        if product and not product.is_service:
            yield line.quantity, product


def _review(reason: str, error: str = "BackDated") -> Verdict:
    return Verdict.queued(Queue.MANUAL_REVIEW, reason, error=error, fields=("closed_on",))
