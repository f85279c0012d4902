"""Searching for customers: which spellings one search covers."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.models.keys import postcode_key
from prefect_crm_erp.models.search import name_pieces, postal_code_forms, vat_forms


def finds(name: str, other: str) -> bool:
    return fnmatch.fnmatchcase(other.lower(), "*".join([*name_pieces(name), ""]))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Brückner Messtechnik GmbH", "BRUECKNER MESSTECHNIK Gmhb"),
        ("Brueckner Messtechnik", "Brückner  Meßtechnik AG & Co. KG"),
        ("Harrow & Finch Ltd", "Harrow and Finch Limited"),
        ("Acme", "ACME, Inc."),
        ("Ærø Skibsværft A/S", "Aeroe Skibsvaerft AS"),
        ("北京公司", "北京公司"),
    ],
)
def test_a_name_finds_its_other_spellings(name: str, other: str) -> None:
    assert finds(name, other)


@pytest.mark.parametrize("name", ["", "A", "Io", "O2", "& Co"])
def test_a_name_that_says_too_little_is_not_searched_for(name: str) -> None:
    assert name_pieces(name) == []


def test_another_name_is_not_found() -> None:
    assert not finds("Brückner Messtechnik", "Brückner Metallbau")


@given(st.text(alphabet="0123456789ABCXYZabc", min_size=1, max_size=10), st.integers(0, 10), st.sampled_from(" -"))
def test_postal_codes_are_found_with_one_mark_anywhere(code: str, place: int, mark: str) -> None:
    typed = f"{code[:place]}{mark}{code[place:]}".strip(" -").upper()
    assert typed in postal_code_forms(code)
    assert {postcode_key(form) for form in postal_code_forms(code)} == {postcode_key(code)}


def test_a_vat_number_is_found_with_and_without_its_country() -> None:
    assert vat_forms("DE 136.695.976") >= {"DE136695976", "136695976"}
    assert vat_forms("136695976") == {"136695976"}
