"""Routing policies of any shape: one outcome for each record, rules in their order, and an explanation that fits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.routing import FIELD_STEP, Policy
from prefect_crm_erp.models.routing_facts import Answer, Choice, Choices, Explanation, Fact, Facts, Line, Rule

SUBSIDIARIES = {"US": ["US", "CA"], "UK": ["GB", "IE"], "APAC": ["JP"]}
SPELLINGS = {"US": "U.S.A.", "CA": "canada", "GB": "Great Britain", "DE": "Deutschland", "IE": "éire", "FR": "fra"}
VALUES = {
    Fact.COUNTRY: ["US", "CA", "GB", "DE", "IE"],
    Fact.CURRENCY: ["USD", "GBP", "EUR"],
    Fact.PRODUCT_LINE: ["Probes", "Services", "Software"],
    Fact.RECORD_TYPE: ["Renewal", "New Business"],
    Fact.OWNER_REGION: ["EMEA", "Americas"],
}
STATES = {"US": {"CA": "California", "NY": "new york"}, "CA": {"ON": "Ontario"}}


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Rules with conditions of any kind, among them rules that ask for states."""
    found = []
    for number in range(draw(st.integers(0, 6))):
        facts = draw(st.sets(st.sampled_from(list(VALUES)), min_size=1, max_size=3))
        conditions = {
            fact: draw(st.lists(st.sampled_from(VALUES[fact]), min_size=1, max_size=3, unique=True)) for fact in facts
        }
        if Fact.COUNTRY in facts and "US" in conditions[Fact.COUNTRY] and draw(st.booleans()):
            conditions[Fact.STATE] = draw(st.sampled_from([["CA"], ["New York"], ["US-CA", "NY"]]))
        found.append(Rule(f"R{number}", draw(st.sampled_from(list(SUBSIDIARIES))), conditions))
    return found


@st.composite
def policies(draw: st.DrawFn) -> list[Rule]:
    """Rules that a policy takes."""
    found = draw(rules())
    try:
        Policy(SUBSIDIARIES, found)
    except ValueError:
        assume(False)
    return found


@st.composite
def records(draw: st.DrawFn) -> Facts:
    """Deals and accounts, with countries as people type them."""
    country = draw(st.sampled_from([None, "Freedonia", "JP", *SPELLINGS.values()]))
    code = next((code for code, text in SPELLINGS.items() if text == country), None)
    state = draw(st.sampled_from([None, "Nowhere", *STATES.get(code or "", {}).values()]))
    subsidiary = draw(st.sampled_from([None, None, None, " ", "uk ", "Mars"]))
    if draw(st.booleans()):
        return Facts("Acme", subsidiary, country, state)
    lines = draw(st.lists(st.sampled_from([None, "", "probes", "Services", "Paper"]), max_size=4))
    return Facts(
        "Acme",
        subsidiary,
        country,
        state,
        currency=draw(st.sampled_from([None, "usd", "GBP", "JPY"])),
        lines=tuple(Line(f"line {number}", line) for number, line in enumerate(lines, start=1)),
        record_type=draw(st.sampled_from([None, "renewal", "Other"])),
        owner_region=draw(st.sampled_from([None, "EMEA", "Africa"])),
        is_deal=True,
    )


# -------------------------------------------------------------------- the documented order, written out


def holds(rule: Rule, record: Facts, product_line: str | None) -> bool:
    """Whether all filled conditions of a rule hold, as the documentation says it."""
    country = next((code for code, text in SPELLINGS.items() if text == record.country), record.country)
    state = next((code for code, text in STATES.get(country or "", {}).items() if text == record.state), None)
    typed = {
        Fact.COUNTRY: country,
        Fact.CURRENCY: record.currency,
        Fact.PRODUCT_LINE: product_line,
        Fact.RECORD_TYPE: record.record_type,
        Fact.OWNER_REGION: record.owner_region,
    }
    wanted = {fact: [each.casefold() for each in values] for fact, values in rule.conditions.items()}
    if wanted.pop(Fact.STATE, None) is not None:
        codes = {"US-CA": "CA", "New York": "NY"}
        if country != "US" or state not in [codes.get(each, each) for each in rule.conditions[Fact.STATE]]:
            return False
    return all((typed[fact] or "").casefold() in values for fact, values in wanted.items()) and not (
        not record.is_deal and set(wanted) - {Fact.COUNTRY}
    )


def expected(rules: Sequence[Rule], record: Facts) -> str | None:
    """Where a record goes by the documented order; None for Pending Review."""
    if (record.subsidiary or "").strip():
        return {"uk": "UK"}.get((record.subsidiary or "").strip())
    country = next((code for code, text in SPELLINGS.items() if text == record.country), record.country)
    own = next((name for name, codes in SUBSIDIARIES.items() if country in codes), None)
    product_lines = {line.product_line for line in record.lines if line.product_line} or {None}
    if not any(Fact.PRODUCT_LINE in rule.conditions for rule in rules):
        product_lines = {None}
    goals = {next((rule.subsidiary for rule in rules if holds(rule, record, each)), own) for each in product_lines}
    return goals.pop() if len(goals) == 1 else None


# -------------------------------------------------------------------- laws


@pytest.mark.requirement("O03", "O05", "O06", "O09")
@given(policies(), st.lists(records(), min_size=1, max_size=20))
def test_every_record_goes_where_the_documented_order_sends_it(rules: list[Rule], found: list[Facts]) -> None:
    policy = Policy(SUBSIDIARIES, rules)
    for record in found:
        outcome = policy.route(record)
        assert (outcome.subsidiary if isinstance(outcome, Choice) else None) == expected(rules, record)
        if isinstance(outcome, Verdict):
            assert outcome.queue is Queue.PENDING_REVIEW
            assert outcome.reason


@given(policies(), records())
def test_every_outcome_has_its_explanation(rules: list[Rule], record: Facts) -> None:
    policy = Policy(SUBSIDIARIES, rules)
    explanation = policy.explain(record)
    assert explanation.outcome == policy.route(record)
    names = [said.rule for said in explanation.said]
    assert names == [FIELD_STEP, *(rule.name for rule in rules), *(f"Countries of {name}" for name in SUBSIDIARIES)]
    assert all(said.why for said in explanation.said)
    assert (explanation.subsidiary is None) or matched(explanation)
    for said in matched(explanation):
        assert explanation.subsidiary in (None, said.subsidiary)
    if explanation.subsidiary is None:
        assert {said.subsidiary for said in matched(explanation)} == set() or len(record.lines) > 1


def matched(explanation: Explanation) -> list[object]:
    return [said for said in explanation.said if said.answer is Answer.MATCHED]


@given(policies(), records(), st.data())
def test_only_the_order_of_rules_that_both_hold_matters(rules: list[Rule], record: Facts, data: st.DataObject) -> None:
    assume(len(rules) > 1)
    place = data.draw(st.integers(0, len(rules) - 2))
    swapped = [*rules[:place], rules[place + 1], rules[place], *rules[place + 2 :]]
    product_lines = {line.product_line for line in record.lines if line.product_line} or {None}
    both = any(holds(rules[place], record, each) and holds(rules[place + 1], record, each) for each in product_lines)
    try:
        other = Policy(SUBSIDIARIES, swapped).route(record)
    except ValueError:
        return  # the earlier rule now covers the later one, which is refused
    before = Policy(SUBSIDIARIES, rules).route(record)
    if not both:
        assert goal(other) == goal(before)
    else:
        assert goal(other) == expected(swapped, record)


def goal(outcome: Choice | Verdict) -> str | None:
    return outcome.subsidiary if isinstance(outcome, Choice) else None


@given(rules())
def test_a_policy_is_refused_only_if_a_rule_can_never_decide(rules: list[Rule]) -> None:
    """The refusal is exact: whatever record one builds of a refused rule's values, an earlier rule takes it."""
    try:
        Policy(SUBSIDIARIES, rules)
    except ValueError as error:
        named = [rule for rule in rules if f"'{rule.name}'" in str(error)]
        assert len(named) > 1, "the sentence names both rules"
    else:
        for position, rule in enumerate(rules):
            assert any(first_of(rules, record) == position for record in records_of(rule))


def records_of(rule: Rule) -> list[Facts]:
    """Deals with every combination of the values that a rule names, and with none where it names none."""
    found = [Facts("Acme", is_deal=True)]
    for fact, change in (
        (Fact.COUNTRY, lambda value: {"country": SPELLINGS[value]}),
        (Fact.CURRENCY, lambda value: {"currency": value}),
        (Fact.RECORD_TYPE, lambda value: {"record_type": value}),
        (Fact.OWNER_REGION, lambda value: {"owner_region": value}),
        (Fact.PRODUCT_LINE, lambda value: {"lines": (Line("line 1", value),)}),
    ):
        values = rule.conditions.get(fact) or ()
        found = [replaced(each, **change(value)) for each in found for value in values] if values else found
    if Fact.STATE in rule.conditions:
        found = [replaced(each, state=state) for each in found for state in ("California", "new york")]
    return found


def replaced(record: Facts, **changes: object) -> Facts:
    values = {name: getattr(record, name) for name in Facts.__slots__}
    return Facts(**{**values, **changes})  # type: ignore[arg-type]


def first_of(rules: Sequence[Rule], record: Facts) -> int:
    product_line = record.lines[0].product_line if record.lines else None
    return next((n for n, rule in enumerate(rules) if holds(rule, record, product_line)), -1)


# -------------------------------------------------------------------- examples

PROBES = Rule("Probes", "UK", {Fact.PRODUCT_LINE: ["Probes"]})
EUROS = Rule("Euros", "UK", {Fact.CURRENCY: ["EUR"]})


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            [EUROS, Rule("Euro deals", "US", {Fact.CURRENCY: ["eur"]})],
            r"'Euros' and 'Euro deals' have the same cond.*UK and to US",
        ),
        (
            [EUROS, Rule("Irish euros", "US", {Fact.CURRENCY: ["EUR"], Fact.COUNTRY: ["IE"]})],
            "'Irish euros' can never apply: 'Euros' before it covers",
        ),
        (
            [
                Rule("A", "UK", {Fact.COUNTRY: ["IE", "FR"]}),
                Rule("B", "US", {Fact.COUNTRY: ["DE"]}),
                Rule("C", "APAC", {Fact.COUNTRY: ["FR", "DE"], Fact.CURRENCY: ["EUR"]}),
            ],
            "'C' can never apply: 'A' and 'B' before it cover",
        ),
        ([EUROS, EUROS], "Two rules are called 'Euros'"),
        (
            [Rule("X", "Mars", {Fact.CURRENCY: ["EUR"]})],
            "'X' leads to 'Mars', which is no subsidiary; there are: US, UK and APAC",
        ),
        ([Rule("X", "UK", {})], "'X' has no conditions"),
        ([Rule("X", "UK", {Fact.COUNTRY: ["Freedonia"]})], "'X': 'Freedonia' is no country"),
        ([Rule("X", "UK", {Fact.STATE: ["Texas"]})], "'X' names the state 'Texas' and no country"),
        (
            [Rule("X", "UK", {Fact.STATE: ["Texas"], Fact.COUNTRY: ["CA", "GB"]})],
            "'Texas' is no state of Canada and United Kingdom",
        ),
        ([Rule("X", "UK", {Fact.CURRENCY: ["Euro"]})], "'X': 'Euro' is no currency"),
        ([Rule("X", "UK", {Fact.RECORD_TYPE: [" "]})], "'X' has an empty record type"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused_in_words(rules: list[Rule], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Policy(SUBSIDIARIES, rules)


@pytest.mark.requirement("O03", "O05", "O09")
@given(policies(), records())
def test_a_divided_deal_has_every_line_where_it_would_go_alone(rules: list[Rule], record: Facts) -> None:
    divided, reviewed = (
        Policy(SUBSIDIARIES, rules, divides=True).route(record),
        Policy(SUBSIDIARIES, rules).route(record),
    )
    if not isinstance(divided, Choices):
        assert divided == reviewed or isinstance(divided, Verdict)
        return
    assert isinstance(reviewed, Verdict), "only what would be reviewed is divided"
    alone = [Policy(SUBSIDIARIES, rules).route(replaced(record, lines=(line,))) for line in record.lines]
    assert list(divided.by_line) == alone


@pytest.mark.requirement("O05")
def test_lines_that_lead_to_several_subsidiaries_are_named() -> None:
    lines = (Line("line 1 (pH probe)", "Probes"), Line("line 2 (Freight)"), Line("line 3 (Training)", "Services"))
    verdict = Policy(SUBSIDIARIES, [PROBES]).route(Facts("Acme", country="US", lines=lines, is_deal=True))
    assert isinstance(verdict, Verdict)
    assert verdict.queue is Queue.PENDING_REVIEW
    assert "line 1 (pH probe) of Probes to UK by rule 'Probes'" in verdict.reason
    assert "line 3 (Training) of Services to US by billing country US" in verdict.reason
    assert "Freight" not in verdict.reason


def test_rules_that_ask_for_a_deal_do_not_apply_to_an_account_alone() -> None:
    explanation = Policy(SUBSIDIARIES, [EUROS]).explain(Facts("Acme", country="US"))
    assert explanation.outcome == Choice("US", "billing country US")
    assert explanation.said[1].answer is Answer.NOT_APPLICABLE
    assert explanation.said[1].why == "it asks for the currency, which only a deal has"
