"""Which value stands: laws over all owners, values, histories and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.models.ownership import SETTLED, Agreed, Decision, Moments, Owner, Rule, Side, TieBreaker, decide

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GRACE = timedelta(seconds=60)
SIDE = {Owner.CRM: Side.CRM, Owner.ERP: Side.ERP}

values = st.sampled_from([None, "a", "b", "c"])
agreements = st.none() | st.builds(Agreed, values, values)
rules = st.builds(Rule, st.sampled_from(Owner), st.sampled_from(TieBreaker), st.booleans())
moments = st.builds(
    Moments,
    *[st.none() | st.integers(-300, 300).map(lambda seconds: NOON + timedelta(seconds=seconds))] * 2,
)


def after(decision: Decision, crm: str | None, erp: str | None) -> tuple[str | None, str | None]:
    """Both values once a decision is carried out."""
    return {Side.CRM: (crm, crm), Side.ERP: (erp, erp), None: (crm, erp)}[decision.winner]


@pytest.mark.requirement("Q01", "Q05")
@given(rules, values, values, agreements, moments)
def test_what_is_decided_is_settled_afterwards(
    rule: Rule, crm: str | None, erp: str | None, agreed: Agreed | None, times: Moments
) -> None:
    decision = decide(rule, crm, erp, agreed, times, GRACE)
    if decision.is_doubtful:
        return
    now = after(decision, crm, erp)
    assert decide(rule, *now, Agreed(*now), times, GRACE) == SETTLED


@pytest.mark.requirement("A02", "A05", "Q01")
@given(rules.filter(lambda rule: rule.owner is not Owner.LATEST), values, values, st.builds(Agreed, values, values))
def test_the_owners_value_stands_wherever_it_has_one(
    rule: Rule, crm: str | None, erp: str | None, agreed: Agreed
) -> None:
    owner = SIDE[rule.owner]
    value = crm if owner is Side.CRM else erp
    decision = decide(rule, crm, erp, agreed, Moments(), GRACE)
    if (crm, erp) == (agreed.crm, agreed.erp):
        assert decision == SETTLED
    elif value is not None or rule.may_be_empty:
        assert after(decision, crm, erp) == (value, value)
    assert not decision.is_doubtful


@pytest.mark.requirement("Q02")
@given(rules, values, values, agreements, moments)
def test_a_conflict_is_called_one_exactly_when_a_change_is_overwritten(
    rule: Rule, crm: str | None, erp: str | None, agreed: Agreed | None, times: Moments
) -> None:
    decision = decide(rule, crm, erp, agreed, times, GRACE)
    if decision.winner is None or agreed is None:
        return
    loser_changed = erp != agreed.erp if decision.winner is Side.CRM else crm != agreed.crm
    lost = erp if decision.winner is Side.CRM else crm
    assert decision.is_conflict is loser_changed or lost is None


@pytest.mark.requirement("Q02", "Q06")
@given(st.integers(-600, 600), st.sampled_from(TieBreaker))
def test_the_latest_change_wins_outside_the_grace_period_and_the_tie_breaker_within(
    seconds: int, tie: TieBreaker
) -> None:
    times = Moments(NOON + timedelta(seconds=seconds), NOON)
    decision = decide(Rule(Owner.LATEST, tie), "crm", "erp", Agreed("old", "old"), times, GRACE)
    if abs(seconds) >= 60:
        assert decision.winner is (Side.CRM if seconds > 0 else Side.ERP)
    elif tie is TieBreaker.PERSON:
        assert decision.is_doubtful
    else:
        assert decision.winner is (Side.CRM if tie is TieBreaker.CRM else Side.ERP)


@pytest.mark.requirement("A12", "GB14")
def test_a_difference_that_both_sides_agreed_on_is_left_alone() -> None:
    lossy = Agreed({"state": "Bayern"}, {"state": None})
    assert decide(Rule(Owner.CRM), {"state": "Bayern"}, {"state": None}, lossy) == SETTLED
    assert decide(Rule(Owner.CRM), {"state": "Hessen"}, {"state": None}, lossy).winner is Side.CRM
