"""What a run remembers of the customers that it made."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from prefect_crm_erp.models.records import Address, Customer
from prefect_crm_erp.tasks.known_customers import KnownCustomers

MADE_AT = datetime(2026, 3, 1, 9, 30, 0, 123457, tzinfo=UTC)


def customer(number: int, **fields: object) -> Customer:
    address = Address(postal_code=f"{number:05}", city="Köln", country="DE")
    return Customer(
        **{"erp_id": str(number), "name": f"Buyer {number}", "billing": address, "modified_at": MADE_AT} | fields
    )


@pytest.mark.requirement("GB08")
def test_those_with_the_same_vat_number_postal_code_or_name_are_found_once_and_no_others() -> None:
    known = KnownCustomers()
    there = [
        customer(1),
        customer(2, vat_number="DE136695976"),
        customer(3, name="BUYER 9 GmbH"),
        customer(4, billing=Address(postal_code="00009")),
        customer(5, name='O\'Brien "& Sons"; drop table word', vat_number="DE136695976"),
        customer(9, vat_number="DE136695976"),
    ]
    for each in there:
        known.add(each)
    alike = {each.erp_id: each for each in known.like(customer(9, vat_number="DE136695976"))}
    assert sorted(alike) == ["2", "3", "4", "5", "9"]
    assert alike["5"].name == there[4].name
    assert (alike["9"].billing.city, alike["9"].billing.country) == ("Köln", "DE")
    known.forget()
    assert known.like(there[1]) == []


@pytest.mark.requirement("A10")
def test_a_customer_is_as_made_until_either_side_changes_it() -> None:
    known = KnownCustomers()
    numbers = random.Random(5).sample(range(10_000), 1_200)
    for number in numbers:
        known.note_made(customer(number))
    moments = {str(number): MADE_AT for number in numbers}
    assert known.as_made(moments) == moments.keys()
    changed = moments | {str(numbers[0]): MADE_AT + timedelta(microseconds=1), "new": MADE_AT}
    known.note_changed(str(numbers[1]))
    assert known.as_made(changed) == moments.keys() - {str(numbers[0]), str(numbers[1])}
