"""Tables that untrusted text cannot break."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.tasks.report import amount, link, text


@given(st.text())
def test_text_of_the_crm_stays_in_its_cell(value: str) -> None:
    cell = text(value)
    bare = cell.replace("\\\\", "")
    assert "\n" not in cell
    assert "<" not in cell
    for mark in "|`*_[]":
        assert bare.count(mark) == bare.count(f"\\{mark}")


def test_a_link_keeps_its_address_and_hides_nothing() -> None:
    assert link("Deal [1]", "http://crm/006 (a)") == r"[Deal \[1\]](http://crm/006%20(a%29)"
    assert link("Deal", None) == "Deal"


def test_amounts_show_their_currency() -> None:
    assert amount(Decimal("1234567.80"), "EUR") == "1,234,567.80 EUR"
    assert amount(None, "EUR") == ""
