"""Records: which fields they were given, which decides what of them is written."""

from __future__ import annotations

from prefect_crm_erp.models.records import Address


def test_records_know_which_fields_they_were_given_and_keep_the_names_once() -> None:
    one, other = Address(city="Köln", street=None), Address(street="Domplatte 1", city=None)
    assert one.model_fields_set == other.model_fields_set == {"city", "street"}
    assert one.model_fields_set is other.model_fields_set, "a set of its own is two fifths of a record's memory"
    assert Address(city="Köln").model_fields_set == {"city"}
    assert one.model_dump(exclude_unset=True) == {"city": "Köln", "street": None}


def test_a_changed_copy_was_given_what_was_changed_and_leaves_the_others_as_they_were() -> None:
    one, other = Address(city="Köln"), Address(city="Bonn")
    copied = one.model_copy(update={"street": "Domplatte 1"})
    assert copied.model_fields_set == {"city", "street"}
    assert one.model_fields_set == other.model_fields_set == {"city"}
    assert copied.model_fields_set is Address(city="Ulm", street=None).model_fields_set
    assert copied == Address(city="Köln", street="Domplatte 1")
