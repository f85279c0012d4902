"""Routing: the account's field, else its country, else a person; never a default."""

from __future__ import annotations

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.blocks.policies.routing import Route, Subsidiary, SubsidiaryRouting
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.records import Account, Address

ROUTING = SubsidiaryRouting(
    subsidiaries=[
        Subsidiary(name="US", company="US", countries=["US", "Canada"]),
        Subsidiary(name="UK", company="UK", countries=["U.K.", "IE"]),
    ]
)
COUNTRIES = [country.alpha_2 for country in pycountry.countries]


def account(subsidiary: str | None = None, billing: str | None = None, shipping: str | None = None) -> Account:
    return Account(
        crm_id="001000000000001AAA",
        name="Acme",
        subsidiary=subsidiary,
        billing=Address(country=billing),
        shipping=Address(country=shipping),
    )


@pytest.mark.requirement("O03", "O06", "U07", "U08")
@pytest.mark.parametrize(
    ("buyer", "name", "rule"),
    [
        (account(subsidiary="uk ", billing="US"), "UK", "account field says UK"),
        (account(billing="Great Britain"), "UK", "billing country GB"),
        (account(billing="canada", shipping="IE"), "US", "billing country CA"),
        (account(shipping="Ireland"), "UK", "shipping country IE"),
    ],
)
def test_the_field_wins_over_the_country(buyer: Account, name: str, rule: str) -> None:
    route = ROUTING.table().route(buyer)
    assert isinstance(route, Route)
    assert (route.subsidiary.name, route.rule) == (name, rule)


@pytest.mark.requirement("O05", "O07")
@pytest.mark.parametrize(
    ("buyer", "words"),
    [
        (account(subsidiary="APAC", billing="US"), "APAC"),
        (account(billing="Freedonia"), "Freedonia"),
        (account(billing="JP"), "Japan"),
        (account(), "neither a subsidiary nor a billing country"),
    ],
)
def test_what_no_rule_decides_waits_for_a_person(buyer: Account, words: str) -> None:
    verdict = ROUTING.table().route(buyer)
    assert isinstance(verdict, Verdict)
    assert verdict.queue is Queue.PENDING_REVIEW
    assert words in verdict.reason


@given(
    st.dictionaries(st.sampled_from(COUNTRIES), st.integers(0, 3), min_size=1, max_size=40),
    st.sampled_from(COUNTRIES),
    st.sampled_from([None, "S0", "S1", "S2", "S3", "S9"]),
)
def test_every_account_has_exactly_one_outcome(owners: dict[str, int], country: str, field: str | None) -> None:
    subsidiaries = [
        Subsidiary(name=f"S{n}", company=f"C{n}", countries=[code for code, owner in owners.items() if owner == n])
        for n in range(4)
    ]
    routed = SubsidiaryRouting(subsidiaries=subsidiaries).table().route(account(subsidiary=field, billing=country))
    expected = field if field in ("S0", "S1", "S2", "S3") else None
    if field is None and country in owners:
        expected = f"S{owners[country]}"
    assert (routed.subsidiary.name if isinstance(routed, Route) else None) == expected


@pytest.mark.parametrize(
    ("subsidiaries", "words"),
    [
        ([Subsidiary(name="US", company="a"), Subsidiary(name="us", company="b")], "stands twice"),
        ([Subsidiary(name="A", company="a", countries=["Freedonia"])], "is no country"),
        (
            [
                Subsidiary(name="A", company="a", countries=["GB"]),
                Subsidiary(name="B", company="b", countries=["England"]),
            ],
            "United Kingdom belongs to A and to B",
        ),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(subsidiaries: list[Subsidiary], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SubsidiaryRouting(subsidiaries=subsidiaries)
