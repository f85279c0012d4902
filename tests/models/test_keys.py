"""Ids, fingerprints and normal forms."""

from __future__ import annotations

import hashlib
import json
import string
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.models.keys import (
    chunks,
    clean_text,
    company_key,
    fingerprint,
    is_salesforce_id,
    postcode_key,
    salesforce_id,
)
from prefect_crm_erp.models.outcomes import Outcome

IDS = st.text(alphabet=string.ascii_letters + string.digits, min_size=15, max_size=15)


@given(IDS)
def test_15_and_18_characters_are_the_same_id(short: str) -> None:
    long = salesforce_id(short)
    assert len(long) == 18
    assert salesforce_id(long) == long
    assert is_salesforce_id(short)
    assert is_salesforce_id(long)


@given(IDS)
def test_an_18_character_id_that_lost_its_case_is_repaired(short: str) -> None:
    long = salesforce_id(short)
    assert salesforce_id(long.lower()) == salesforce_id(long.upper()) == long


def test_a_known_pair() -> None:
    assert salesforce_id("001A0000006Vm9u") == "001A0000006Vm9uIAC"


@pytest.mark.parametrize("text", ["", "006", "006D000000abCD", "006D000000abCDE1I2", "006D000000abCD'"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a record id"):
        salesforce_id(text)


@pytest.mark.requirement("GB08")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Brückner Messtechnik GmbH", "BRUECKNER MESSTECHNIK GMBH"),
        ("Harrow & Finch Ltd", "Harrow and Finch Limited"),
        ("Golden Gate Diagnostics", "Golden Gate Diagnostics, Inc."),
        ("Société Générale S.A.", "Societe Generale"),
    ],
)
def test_spellings_of_one_company_compare_equal(one: str, other: str) -> None:
    assert company_key(one) == company_key(other)


@pytest.mark.parametrize(("one", "other"), [("Acme North", "Acme South"), ("サクラ", "モミジ"), ("Inc", "Ltd")])
def test_different_companies_stay_different(one: str, other: str) -> None:
    assert company_key(one) != company_key(other)


def test_postal_codes_compare_without_spaces_and_case() -> None:
    assert postcode_key("m3 7lq") == postcode_key("M37LQ")


_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(),
        st.decimals(allow_nan=False, allow_infinity=False, places=4),
        st.dates(),
        st.datetimes(timezones=st.just(UTC)),
        st.sampled_from(Outcome),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


@given(content=_VALUES)
def test_a_fingerprint_stays_the_same_as_one_that_a_ledger_keeps(content: Any) -> None:
    """It is that of the content as the standard library writes it, whatever writes it faster."""

    def as_text(value: Any) -> str:
        return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)

    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=as_text)
    assert fingerprint(content) == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_fingerprints_ignore_order_of_keys_and_trailing_zeros() -> None:
    assert fingerprint({"a": Decimal("1.50"), "b": 1}) == fingerprint({"b": 1, "a": Decimal("1.5")})
    assert fingerprint({"a": Decimal("1.5")}) != fingerprint({"a": Decimal("1.51")})


@given(st.text())
def test_clean_text_has_no_tabs_line_ends_or_outer_spaces(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned is None or (cleaned == cleaned.strip() and "  " not in cleaned and "\t" not in cleaned)


@given(st.lists(st.integers()), st.integers(min_value=1, max_value=7))
def test_chunks_keep_everything_in_order(items: list[int], size: int) -> None:
    parts = list(chunks(items, size))
    assert [each for part in parts for each in part] == items
    assert all(1 <= len(part) <= size for part in parts)
