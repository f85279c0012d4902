"""Contacts are brought to the forms that an ERP accepts, and what was changed on the way is told."""

from __future__ import annotations

import pytest

from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.records import Account, Contact
from prefect_crm_erp.tasks.clean_contacts import clean_contacts

KEY = "0030000000000AAAAA"


def cleaned(**fields: str) -> tuple[Contact | None, list[Note]]:
    notes: list[Note] = []
    account = Account(crm_id="0010000000000AAAAA", contacts=(Contact(key=KEY, **fields),))
    return next(iter(clean_contacts(account, "US", notes)), None), notes


@pytest.mark.requirement("C02", "U09")
@pytest.mark.parametrize(
    ("fields", "first", "last"),
    [
        ({"first_name": " Ann ", "last_name": "Roe"}, "Ann", "Roe"),
        ({"first_name": "Ann"}, None, "Ann"),
        ({"email": "a.roe@example.com"}, None, "a.roe"),
    ],
)
def test_a_contact_without_last_name_is_known_by_what_there_is(
    fields: dict[str, str], first: str | None, last: str
) -> None:
    contact, notes = cleaned(**fields)
    assert contact is not None
    assert (contact.first_name, contact.last_name) == (first, last)
    assert bool(notes) is ("last_name" not in fields)


@pytest.mark.requirement("C02", "U09")
def test_a_contact_without_anything_is_left_out_in_sight() -> None:
    contact, (note,) = cleaned()
    assert contact is None
    assert KEY in note.text


@pytest.mark.requirement("U09", "U10")
@pytest.mark.parametrize(
    ("typed", "kept"),
    [("ann@example.com", "ann@example.com"), (" ann @example. com", "ann@example.com"), ("no address", None)],
)
def test_spaces_in_an_address_are_taken_out_and_what_is_no_address_is_left_out(typed: str, kept: str | None) -> None:
    contact, notes = cleaned(last_name="Roe", email=typed)
    assert contact is not None
    assert contact.email == kept
    assert bool(notes) is (kept != typed)


@pytest.mark.requirement("U09")
@pytest.mark.parametrize(("typed", "kept"), [("(617) 555-0100", "+16175550100"), ("call me", None)])
def test_phone_numbers_are_international_and_what_is_none_is_left_out_in_sight(typed: str, kept: str | None) -> None:
    contact, notes = cleaned(last_name="Roe", phone=typed)
    assert contact is not None
    assert contact.phone == kept
    assert bool(notes) is (kept is None)
