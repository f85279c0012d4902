"""Record ids: both lengths name the same row, and damage is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.sandbox.salesforce.ids import BASE62, MalformedId, checksum, is_id, new_id, to_18

short_ids = st.text(BASE62, min_size=15, max_size=15)


@pytest.mark.parametrize(
    ("short", "long"),
    [("001A0000006Vm9r", "001A0000006Vm9rIAC"), ("00D000000000062", "00D000000000062EAA")],
)
def test_the_checksum_is_salesforces_own(short: str, long: str) -> None:
    assert to_18(short) == long


@given(short_ids)
def test_both_lengths_are_the_same_id(short: str) -> None:
    assert to_18(to_18(short)) == to_18(short) == short + checksum(short)


@given(short_ids, st.sampled_from([str.upper, str.lower, str.swapcase]))
def test_a_long_id_survives_the_loss_of_its_case(short: str, damage: object) -> None:
    assert callable(damage)
    assert to_18(damage(to_18(short))) == to_18(short)


@given(short_ids, st.integers(0, 14))
def test_a_letter_where_a_digit_belongs_is_noticed(short: str, position: int) -> None:
    damaged = short[:position] + "7" + short[position + 1 :] + checksum(short)
    if short[position].isalpha() and short[position].isupper():
        assert not is_id(damaged)


@pytest.mark.parametrize(
    "text", ["", "001", "001A0000006Vm9rI", "001A0000006Vm9rIAX", "001A0000006Vm9-", "001A0000006Vm9rIA6"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(MalformedId):
        to_18(text)


@given(st.integers(1, 62**6), st.integers(1, 62**6))
def test_ids_sort_in_the_order_in_which_rows_were_created(one: int, other: int) -> None:
    first, second = new_id("001", "Ab", one), new_id("001", "Ab", other)
    assert (first < second) == (one < other)
    assert is_id(first)
