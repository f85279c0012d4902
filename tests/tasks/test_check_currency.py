"""What the check says of a deal's currency, of the price books of its lines, and of totals that rounding sets apart."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from prefect_crm_erp.models.records import Account, Deal, DealLine, DealSource
from prefect_crm_erp.tasks.check import deal_defects

TODAY = date(2026, 5, 4)


def deal(currency: str | None, *lines: DealLine, **fields: Any) -> Deal:
    account = Account(crm_id="001000000000001AAA", name="Acme")
    return Deal(
        crm_id="006000000000001AAA",
        source=DealSource.CLOSED_WON,
        account=account,
        currency=currency,
        lines=lines or (line(),),
        **fields,
    )


def line(amount: str = "100.00", **fields: Any) -> DealLine:
    values: dict[str, Any] = {"quantity": Decimal(1), "unit_price": Decimal(amount), "amount": Decimal(amount)}
    return DealLine(crm_id="00k000000000001AAA", sku="NL-400", product_name="pH probe", **(values | fields))


def words(found: Deal) -> str:
    return "; ".join(defect.text for defect in deal_defects(found, TODAY))


@pytest.mark.requirement("N01")
def test_a_code_in_lower_case_is_no_defect_and_one_that_is_no_money_is() -> None:
    assert words(deal("usd", line(currency="USD"))) == ""
    assert "'EURO' is no currency; use an ISO 4217 code" in words(deal("EURO"))
    assert "HRK (Croatian Kuna) was withdrawn: use EUR" in words(deal("hrk"))
    assert words(deal("HRK", closed_on=date(2022, 12, 30))) == ""


@pytest.mark.requirement("E01")
def test_a_price_from_a_price_book_in_another_currency_than_the_deal_is_named() -> None:
    found = words(deal("EUR", line(currency="EUR"), line(currency="USD")))
    assert found == (
        "Line 2 (pH probe) has its price from the price book in USD, but the deal is in EUR; choose the product's "
        "price in EUR"
    )


@pytest.mark.requirement("GB12")
def test_a_total_that_is_off_is_explained_by_how_it_was_rounded() -> None:
    halves = [line("0.34", unit_price=Decimal("0.335")) for _ in range(4)]
    found = words(deal("USD", *halves, total=Decimal("1.32")))
    assert "add up to 1.36 USD, but the deal says 1.32 USD" in found
    assert "rounded" not in found
    found = words(
        deal("USD", *[each.model_copy(update={"amount": Decimal("0.33")}) for each in halves], total=Decimal("1.34"))
    )
    assert "add up to 1.32 USD, but the deal says 1.34 USD" in found
    even = [line("0.12", unit_price=Decimal("0.125")) for _ in range(2)]
    found = words(deal("USD", *even, total=Decimal("0.25")))
    assert (
        "(0.25 is the sum of the lines rounded once, 0.24 the sum of lines that are each rounded half to even)" in found
    )
