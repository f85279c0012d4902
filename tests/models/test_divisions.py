"""Divided deals: whatever the amounts, the parts are the deal, line for line and to the minor unit."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.models.divisions import (
    Division,
    PartPrint,
    deal_key,
    divide,
    part_key,
    place_of,
    status_together,
)
from prefect_crm_erp.models.money import ZERO, minor_units
from prefect_crm_erp.models.records import Deal, DealLine, DealSource, OrderStatus
from prefect_crm_erp.tasks.convert import crm_total, discounted_lines

DEAL = "006D000000abCDEIA2"


@st.composite
def deals(draw: st.DrawFn) -> Deal:
    """Deals with discounts, shipping and tax, in currencies with two, no and three decimal places."""
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    units = st.integers(0, 10**9).map(lambda count: Decimal(count).scaleb(-minor_units(currency)))
    amounts = draw(st.lists(units, min_size=1, max_size=8))
    lines = tuple(
        DealLine(crm_id=f"line {n}", sku=f"S{n % 3}", quantity=Decimal(1), unit_price=amount, amount=amount)
        for n, amount in enumerate(amounts)
    )
    return Deal(
        crm_id=DEAL,
        source=DealSource.ACCEPTED_QUOTES,
        currency=currency,
        lines=lines,
        header_discount_percent=draw(st.sampled_from([ZERO, Decimal("3.3"), Decimal("33.333"), Decimal(100)])),
        shipping=draw(st.one_of(st.just(ZERO), units, st.just(Decimal("0.0001")))),
        tax=draw(st.one_of(st.none(), units)),
    )


@pytest.mark.requirement("GB12", "N05", "O09")
@given(deals(), st.data())
def test_dividing_loses_and_invents_no_minor_unit_and_no_line(deal: Deal, data: st.DataObject) -> None:
    goals = [data.draw(st.sampled_from(["US", "UK", "APAC"])) for _ in deal.lines]
    whole = discounted_lines(deal)
    parts = divide(deal, whole, goals)
    assert list(parts) == list(dict.fromkeys(goals))
    assert sum((crm_total(part) for part in parts.values()), ZERO) == crm_total(deal)
    assert sum((part.shipping for part in parts.values()), ZERO) == deal.shipping
    assert {part.tax is None for part in parts.values()} == {deal.tax is None}
    divided = Counter((goal, line.crm_id, line.amount) for goal, part in parts.items() for line in part.lines)
    assert divided == Counter((goal, line.crm_id, line.amount) for goal, line in zip(goals, whole, strict=True))
    for part in parts.values():
        assert part.total == sum((line.amount for line in discounted_lines(part)), part.shipping + (part.tax or ZERO))
        assert min(part.shipping, part.tax or ZERO) >= 0


@pytest.mark.requirement("GB02", "O09")
@given(st.sets(st.tuples(st.sampled_from(["main", "second", "third"]), st.text(min_size=1, max_size=9)), min_size=1))
def test_no_two_companies_share_a_key_and_every_key_tells_its_deal(places: set[tuple[str, str]]) -> None:
    keys = {part_key(DEAL, place_of(*place)) for place in places}
    assert len(keys) == len(places)
    assert {deal_key(key) for key in keys} == {DEAL} == {deal_key(DEAL)}
    assert deal_key("field/7") == "field/7"
    assert Division.read(str(Division("d", ("main-1", "second-2")))) == Division("d", ("main-1", "second-2"))
    assert PartPrint.read("0a1b") is Division.read("0a1b") is None


@pytest.mark.requirement("F07")
@pytest.mark.parametrize(
    ("statuses", "together"),
    [
        ("Approved Approved", "Approved"),
        ("Shipped Approved", "Partly Shipped"),
        ("Invoiced Shipped", "Partly Invoiced"),
        ("Invoiced Draft", "Draft"),
        ("Cancelled Invoiced", "Invoiced"),
        ("Cancelled Cancelled", "Cancelled"),
    ],
)
def test_what_only_some_orders_have_reached_is_reached_partly(statuses: str, together: str) -> None:
    assert status_together([OrderStatus(each) for each in statuses.split()]) is OrderStatus(together)
