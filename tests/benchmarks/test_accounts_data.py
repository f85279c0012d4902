"""The sample accounts of the accounts benchmark: nobody has reason to take two of them for one company."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations

import phonenumbers
import pytest
from stdnum.de import vat as de_vat
from stdnum.gb import vat as gb_vat

from benchmarks.accounts_data import SampleAccount, change_some, sample_accounts
from prefect_crm_erp.models.geography import country_code
from prefect_crm_erp.models.keys import company_key
from prefect_crm_erp.models.matching import is_like

COUNT = 5000


@pytest.fixture(scope="module")
def accounts() -> list[SampleAccount]:
    return sample_accounts(COUNT)


def test_they_are_the_same_every_time_and_more_of_them_begin_with_the_same_ones(accounts: list[SampleAccount]) -> None:
    assert sample_accounts(300) == accounts[:300]


def test_no_two_could_be_one_company(accounts: list[SampleAccount]) -> None:
    assert len({company_key(each.name) for each in accounts}) == COUNT
    numbers = [each.vat_number.replace(" ", "") for each in accounts if each.vat_number]
    assert len(set(numbers)) == len(numbers)
    neighbours: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in accounts:
        neighbours[each.country, each.postal_code].append(company_key(each.name))
    alike = [pair for names in neighbours.values() for pair in combinations(names, 2) if is_like(*pair)]
    assert not alike


def test_their_numbers_are_right_and_their_countries_known(accounts: list[SampleAccount]) -> None:
    checks = {"DE": de_vat.is_valid, "GB": gb_vat.is_valid}
    assert all(checks[each.country](each.vat_number) for each in accounts if each.vat_number)
    people = [(each.contact.phone, each.country) for each in accounts if each.contact]
    phones = [*people, *((each.phone, each.country) for each in accounts)]
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(*each)) for each in phones if each[0])
    assert all(country_code(each.country_as_typed) == each.country for each in accounts)


def test_half_have_a_contact_most_a_vat_number_and_one_in_twenty_a_parent(accounts: list[SampleAccount]) -> None:
    assert Counter(each.country for each in accounts) == {"US": 2000, "GB": 1000, "DE": 2000}
    assert sum(each.contact is not None for each in accounts) == COUNT // 2
    assert 0.75 < sum(each.vat_number is not None for each in accounts) / 3000 < 0.85
    children = [each for each in accounts if each.parent is not None]
    assert len(children) == COUNT // 20
    assert all(accounts[each.parent].parent is None for each in children if each.parent is not None)


def test_a_change_is_a_new_name_or_a_new_phone_number(accounts: list[SampleAccount]) -> None:
    changed = change_some(accounts)
    assert len(changed) == COUNT // 100
    kinds = Counter((new.name != (old := accounts[new.number]).name, new.phone != old.phone) for new in changed)
    assert kinds == {(True, False): 25, (False, True): 25}
    assert len(change_some(accounts[:20])) == 1
