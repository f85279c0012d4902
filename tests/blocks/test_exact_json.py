"""Numbers keep every digit on their way through JSON."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.blocks import exact_json

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=4)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | AMOUNTS
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(VALUES)
def test_what_is_written_reads_back_the_same(value: object) -> None:
    assert exact_json.loads(exact_json.dumps(value)) == value


@given(AMOUNTS)
def test_another_reader_sees_a_number_with_the_very_digits(amount: Decimal) -> None:
    text = json.loads(exact_json.dumps([amount]), parse_float=str, parse_int=str)[0]
    assert text == format(amount, "f")


@pytest.mark.parametrize("value", [0.1, {"amount": [1.5]}, Decimal("NaN"), Decimal("Infinity"), object()])
def test_what_is_not_exact_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        exact_json.dumps(value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "<html>", ""])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any message will do
        exact_json.loads(text)
