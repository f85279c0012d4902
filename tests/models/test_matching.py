"""Matching never guesses: certain, none, or a person decides."""

from __future__ import annotations

import pytest

from prefect_crm_erp.models.matching import match_customer
from prefect_crm_erp.models.records import Address, Customer

WANTED = Customer(
    key="001000000000001AAA",
    name="Brueckner Messtechnik GMBH",
    billing=Address(postal_code="10559", city="Berlin", country="DE"),
)
pytestmark = pytest.mark.requirement("GB08")


def existing(number: int = 1, **values: object) -> Customer:
    billing = values.pop("billing", Address(postal_code="10559", city="Berlin", country="DE"))
    values.setdefault("name", "Brückner Messtechnik GmbH")
    return Customer(erp_id=str(number), number=f"C{number}", billing=billing, **values)  # type: ignore[arg-type]


def test_same_name_and_postal_code_is_certain() -> None:
    match = match_customer(WANTED, [existing(), existing(2, name="Somebody Else")])
    assert match.customer is not None
    assert match.customer.erp_id == "1"
    assert match.rule == "name and postal code"


def test_the_vat_number_wins_over_everything() -> None:
    wanted = WANTED.model_copy(update={"vat_number": "DE136695976"})
    elsewhere = existing(2, name="Totally Different", vat_number="DE136695976", billing=Address(country="AT"))
    assert match_customer(wanted, [existing(), elsewhere]).customer == elsewhere


def test_another_vat_number_is_another_company() -> None:
    wanted = WANTED.model_copy(update={"vat_number": "DE136695976"})
    match = match_customer(wanted, [existing(vat_number="DE811569869")])
    assert match.customer is None
    assert not match.doubtful


@pytest.mark.parametrize(
    "candidates",
    [
        [existing(1), existing(2)],
        [existing(1, key="001000000000002AAA")],
        [existing(1, billing=Address(country="DE"))],
        [existing(1, name="Brückner Meßtechnick GmbH")],
    ],
    ids=["two alike", "linked to another account", "no postal code", "a like name at the same place"],
)
def test_doubt_goes_to_a_person(candidates: list[Customer]) -> None:
    match = match_customer(WANTED, candidates)
    assert match.customer is None
    assert list(match.doubtful) == candidates


@pytest.mark.parametrize("name", ["Brückner Messtechnik 2 GmbH", "Brückner Logistik GmbH", "Müller Messtechnik GmbH"])
def test_neighbours_with_other_names_are_other_customers(name: str) -> None:
    match = match_customer(WANTED, [existing(name=name)])
    assert (match.customer, match.doubtful) == (None, ())


def test_the_same_name_elsewhere_is_a_new_customer() -> None:
    munich = existing(billing=Address(postal_code="80331", city="München", country="DE"))
    vienna = existing(2, billing=Address(postal_code="10559", country="AT"))
    match = match_customer(WANTED, [munich, vienna])
    assert match.customer is None
    assert not match.doubtful


def test_the_similarity_that_makes_a_person_look_can_be_set() -> None:
    misspelt = existing(name=WANTED.name.replace("e", "a", 1))
    assert match_customer(WANTED, [misspelt], similarity=80).doubtful == (misspelt,)
    assert not match_customer(WANTED, [misspelt], similarity=100).doubtful
