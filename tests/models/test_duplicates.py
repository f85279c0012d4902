"""Duplicates are found whatever the order of the records, and different companies stay apart."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_crm_erp.models.duplicates import (
    CRM,
    Band,
    DuplicateRate,
    Duplicates,
    Entry,
    Likeness,
    Place,
    find_duplicates,
)
from prefect_crm_erp.models.keys import company_key, postcode_key

ERP = "main"


def entry(number: int, name: str = "Brückner Messtechnik GmbH", postcode: str = "10559", **fields: object) -> Entry:
    values = {"system": CRM, "country": "DE", "vat": None} | fields
    return Entry(  # type: ignore[misc]
        id=str(number), name=name, name_key=company_key(name), postcode=postcode_key(postcode), **values
    )


def ids(found: Duplicates) -> list[tuple[list[str], str]]:
    return [([each.id for each in group.entries], group.likeness.value) for group in found.groups]


@pytest.mark.parametrize(
    ("first", "second", "likeness"),
    [
        (entry(1, vat="DE136695976"), entry(2, "Other Name", "80331", vat="DE136695976"), Likeness.VAT_NUMBER),
        (entry(1), entry(2, "BRUECKNER MESSTECHNIK", "D 10559"[2:]), Likeness.NAME),
        (entry(1), entry(2, "Brückner Meßtechnick"), Likeness.LIKE_NAME),
        (entry(1), entry(2, "Brückner Mess Technik GmbH"), Likeness.LIKE_NAME),
        (entry(1), entry(2, country=None, vat="DE136695976"), Likeness.NAME),
        (entry(1), entry(2, vat="DE136695976", country="AT"), None),
        (entry(1, vat="DE136695976"), entry(2, vat="DE811569869"), None),
        (entry(1), entry(2, "Brückner Logistik"), None),
        (entry(1), entry(2, postcode="80331"), None),
        (entry(1, postcode=""), entry(2, postcode=""), None),
        (entry(1, "Plant A"), entry(2, "Plant B"), None),
    ],
)
def test_each_rule_finds_its_pairs_and_no_others(first: Entry, second: Entry, likeness: Likeness | None) -> None:
    expected = [(["1", "2"], likeness.value)] if likeness else []
    assert ids(find_duplicates([second, first])) == expected


def test_a_group_is_as_certain_as_its_weakest_rule_and_the_most_certain_come_first() -> None:
    by_vat = [entry(7, "A", "1", vat="DE136695976"), entry(8, "B", "2", vat="DE136695976")]
    chain = [entry(1), entry(2), entry(3, "Brückner Meßtechnick")]
    assert ids(find_duplicates([*chain, *by_vat])) == [
        (["7", "8"], "same VAT number"),
        (["1", "2", "3"], "like names at the same postal code"),
    ]


def test_linked_records_are_one_and_those_that_only_look_alike_lack_a_link() -> None:
    account, customer = entry(1), entry(11, system=ERP)
    link = (account.place, customer.place)
    assert find_duplicates([account, customer], [link]).groups == ()
    (group,) = find_duplicates([account, customer]).groups
    assert group.lacks_link
    (group,) = find_duplicates([account, customer, entry(2)], [link]).groups
    assert (group.surplus, group.lacks_link) == (1, False)
    in_second = find_duplicates([account, customer, entry(21, system="second")], [link])
    assert (in_second.units, in_second.groups[0].lacks_link) == (2, True)


WORDS = st.sampled_from(["brueckner", "bruekner", "messtechnik", "messtechnick", "logistik", "a", "b", "101", "102"])
NUMBERED = st.builds(
    entry,
    st.integers(1, 30),
    name=st.lists(WORDS, min_size=1, max_size=3).map(" ".join),
    postcode=st.sampled_from(["", "10559", "80331"]),
    system=st.sampled_from([CRM, ERP, "second"]),
    country=st.sampled_from([None, "DE", "AT"]),
    vat=st.sampled_from([None, None, "DE136695976", "DE811569869", "ATU13585627"]),
)
ENTRIES = st.lists(NUMBERED, max_size=30, unique_by=lambda each: each.place)


def random_links(entries: list[Entry], dice: random.Random) -> list[tuple[Place, Place]]:
    accounts = [each.place for each in entries if each.system == CRM]
    return [(dice.choice(accounts), each.place) for each in entries if accounts and each.system != CRM]


@given(ENTRIES, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_groups_do_not_depend_on_the_order_and_never_join_different_vat_numbers(
    entries: list[Entry], dice: random.Random
) -> None:
    links = random_links(entries, dice)
    found = find_duplicates(entries, links)
    shuffled, turned = dice.sample(entries, len(entries)), dice.sample(links, len(links))
    assert find_duplicates(shuffled, turned) == found
    places = [each.place for group in found.groups for each in group.entries]
    assert len(places) == len(set(places))
    assert all(group.surplus for group in found.groups)
    for group in found.groups:
        assert len({each.vat for each in group.entries if each.vat}) <= 1
    assert found.surplus < max(found.units, 1)


@given(ENTRIES)
@settings(deadline=None)
def test_all_records_of_one_vat_number_are_in_one_group(entries: list[Entry]) -> None:
    homes = {
        each.place: number for number, group in enumerate(find_duplicates(entries).groups) for each in group.entries
    }
    for vat in {each.vat for each in entries if each.vat}:
        alike = [each.place for each in entries if each.vat == vat]
        assert len(alike) == 1 or len({homes[place] for place in alike}) == 1


@pytest.mark.requirement("V06")
def test_a_crowded_postal_code_costs_no_square_and_hides_no_misspelling() -> None:
    dice = random.Random(7)
    words = ["".join(dice.choices("abcdefghijklmnoprstuvw", k=8)) for _ in range(3000)]
    names = [f"{dice.choice(words)} {dice.choice(words)}" for _ in range(10_000)]
    misspelt = [f"{name[:5]}x{name[6:]}" for name in names[:200]]
    entries = [entry(number, name) for number, name in enumerate([*names, *misspelt])]
    started = time.process_time()
    found = find_duplicates(entries)
    assert time.process_time() - started < 10
    homes = {each.id: number for number, group in enumerate(found.groups) for each in group.entries}
    assert sum(homes.get(str(number)) == homes.get(str(10_000 + number), "none") for number in range(200)) >= 195


@pytest.mark.requirement("V02")
@pytest.mark.requirement("X02")
@pytest.mark.requirement("AA02")
@pytest.mark.parametrize(
    ("surplus", "band", "points"),
    [
        (0, Band.GOOD, 25),
        (49, Band.GOOD, 25),
        (50, Band.TYPICAL, 15),
        (100, Band.TYPICAL, 15),
        (101, Band.TYPICAL, 5),
        (150, Band.TYPICAL, 5),
        (151, Band.POOR, 5),
    ],
)
def test_the_rate_is_placed_by_both_instruments_at_their_own_cut_offs(surplus: int, band: Band, points: int) -> None:
    rate = DuplicateRate("Salesforce", 1000, surplus)
    assert (rate.band, rate.points) == (band, points)
    assert str(DuplicateRate("nothing", 0, 0).percent) == "0.0"
