"""Countries, states, phone and VAT numbers as people type them."""

from __future__ import annotations

import pycountry
import pytest

from prefect_crm_erp.models.contact_data import phone_e164, vat_number
from prefect_crm_erp.models.geography import country_code, country_name, state_code


@pytest.mark.requirement("U09")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Deutschland", "DE"),
        ("U.K.", "GB"),
        ("gb", "GB"),
        ("Great Britain", "GB"),
        ("USA", "US"),
        ("United States", "US"),
        ("México", "MX"),
        ("venezuela", "VE"),
        ("  Österreich ", "AT"),
        ("Türkiye", "TR"),
        ("Freedonia", None),
        ("", None),
        (None, None),
    ],
)
def test_countries_as_people_write_them(text: str | None, code: str | None) -> None:
    assert country_code(text) == code


def test_every_country_is_known_by_its_names_and_codes() -> None:
    for country in pycountry.countries:
        assert country_code(country.alpha_2.lower()) == country.alpha_2
        assert country_code(country.alpha_3) == country.alpha_2
        assert country_code(country.name) == country.alpha_2
        assert country_name(country.alpha_2)


def test_a_companys_own_spelling_comes_first() -> None:
    assert country_code("Mainland", {"mainland": "cn"}) == "CN"


@pytest.mark.requirement("P09", "U02", "U05")
@pytest.mark.parametrize(
    ("country", "text", "code"),
    [
        ("US", "California", "CA"),
        ("US", "ca", "CA"),
        ("US", "US-CA", "CA"),
        ("US", "Oregon", "OR"),
        ("CA", "Quebec", "QC"),
        ("CA", "Québec", "QC"),
        ("BR", "SP", "SP"),
        ("US", "Transylvania", None),
        ("US", None, None),
    ],
)
def test_states_become_codes(country: str, text: str | None, code: str | None) -> None:
    assert state_code(country, text) == code


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("030-0074321", "DE", "+49300074321"),
        ("(206) 555-9857", "US", "+12065559857"),
        ("+44 161 496 0000", None, "+441614960000"),
        ("call me", "US", None),
        (None, "US", None),
    ],
)
def test_phone_numbers(text: str | None, country: str | None, expected: str | None) -> None:
    assert phone_e164(text, country) == expected


@pytest.mark.requirement("B06")
def test_vat_numbers_get_their_prefix_and_are_checked() -> None:
    assert vat_number("136 695 976", "DE") == vat_number("DE136695976", "FR") == "DE136695976"
    assert vat_number("EL094259216", None) == "EL094259216"
    assert vat_number("12-3456789", "US") == "123456789"
    assert vat_number("  ", "DE") is None
    with pytest.raises(ValueError, match="no VAT number of DE"):
        vat_number("DE111111111", "DE")
