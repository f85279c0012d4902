"""Routing: which subsidiary a record belongs to, and why. Pure: a policy is compiled once and asked many times.

The order is fixed: the account's subsidiary field, then the rules from first to last, then the countries of the
subsidiaries, then a person. There is no default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prefect_crm_erp.models.geography import country_code, country_name, state_code
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.routing_facts import Answer, Choice, Choices, Explanation, Fact, Facts, Rule, Said
from prefect_crm_erp.models.routing_rules import RuleSet, first, known_country, listed

FIELD_STEP: Final = "Subsidiary field of the account"
"""What an explanation calls the first step."""
_REMEMBERED: Final = 100_000
"""Spellings of places that a policy remembers."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record is, as codes; None for what is not known or not asked for."""

    country: str | None
    state: str | None


class Policy:
    """A routing policy, compiled for many records.

    Args:
        subsidiaries: Names of the subsidiaries, each with the countries that are its own when no rule matches.
        rules: The rules, in their order.
        countries: The company's own spellings of countries, with their ISO codes.
        states: The company's own spellings of states, with their codes.
        divides: Whether a deal whose lines lead to several subsidiaries is divided among them, instead of reviewed.

    Attributes:
        by_country: Name of the subsidiary by ISO 3166-1 alpha-2 code.
        rules: The rules, compiled.

    Raises:
        ValueError: The policy contradicts itself, or names what does not exist; the message is a sentence.

    Example:
        >>> policy = Policy({"US": ["US"], "UK": ["GB"]}, [Rule("Pounds", "UK", {Fact.CURRENCY: ["GBP"]})])
        >>> policy.route(Facts(country="U.S.A.", currency="GBP", is_deal=True))
        Choice(subsidiary='UK', rule="rule 'Pounds'")
    """

    def __init__(
        self,
        subsidiaries: Mapping[str, Sequence[str]],
        rules: Sequence[Rule] = (),
        countries: Mapping[str, str] | None = None,
        states: Mapping[str, str] | None = None,
        *,
        divides: bool = False,
    ) -> None:
        self._divides = divides
        self._by_name: dict[str, str] = {}
        for name in subsidiaries:
            if self._by_name.setdefault(fold(name), name) != name:
                raise ValueError(f"The subsidiary {name!r} stands twice.")
        self.by_country = _by_country(subsidiaries)
        self._choices = [Choice(self._known(rule), f"rule {rule.name!r}") for rule in rules]
        self.rules = RuleSet(rules)
        self._own_countries = dict(countries or {})
        self._own_states = dict(states or {})
        self._places: dict[tuple[str | None, str | None], _Place] = {}

    def _known(self, rule: Rule) -> str:
        name = self._by_name.get(fold(rule.subsidiary))
        if name is None:
            known = listed(list(self._by_name.values()))
            raise ValueError(
                f"The rule {rule.name!r} leads to {rule.subsidiary!r}, which is no subsidiary; there are: {known}."
            )
        return name

    # ---------------------------------------------------------------- routing

    def route(self, facts: Facts) -> Choice | Choices | Verdict:
        """Where a record goes; the verdict sends it to Pending Review and says why.

        Lines whose product has no product line follow the others. Where those do not agree and the deal is divided,
        they go where a deal of no product line would.
        """
        if fold(facts.subsidiary):
            return self._by_field(facts)
        place = self._place(facts)
        shared = self._holding(facts, place)
        lines = _product_lines(facts) if Fact.PRODUCT_LINE in self.rules.facts else _NO_LINES
        if len(lines) == 1:
            return self._chosen(shared & self._of_line(lines[0]), facts, place)
        found = {each: self._chosen(shared & self._of_line(each), facts, place) for each in lines}
        if self._divides and _disagree(found):
            return self._divided(found, facts, shared, place)
        return _agreed(found, facts)

    def _divided(
        self, found: dict[str | None, Choice | Verdict], facts: Facts, shared: int, place: _Place
    ) -> Choices | Choice | Verdict:
        """The choice of each line; a deal with a line that leads nowhere is for a person as a whole."""
        by_line = {fold(each): outcome for each, outcome in found.items()}
        if any(not fold(line.product_line) for line in facts.lines):
            by_line[""] = found[None] = self._chosen(shared & self._of_line(None), facts, place)
        outcomes = [by_line[fold(line.product_line)] for line in facts.lines]
        choices = tuple(outcome for outcome in outcomes if isinstance(outcome, Choice))
        return Choices(choices) if len(choices) == len(outcomes) else _agreed(found, facts)

    def explain(self, facts: Facts) -> Explanation:
        """Where a record goes, which step decided, and what every other step says."""
        return Explanation(self.route(facts), tuple(self._steps(facts, self._place(facts))))

    def _holding(self, facts: Facts, place: _Place) -> int:
        """The rules whose conditions hold, product lines left aside."""
        holding = self.rules.holding
        found = holding(Fact.COUNTRY, place.country) & holding(Fact.STATE, (place.country, place.state))
        if not facts.is_deal:
            return found & self.rules.without_deal
        found &= holding(Fact.CURRENCY, fold(facts.currency)) & holding(Fact.RECORD_TYPE, fold(facts.record_type))
        return found & holding(Fact.OWNER_REGION, fold(facts.owner_region))

    def _of_line(self, product_line: str | None) -> int:
        return self.rules.holding(Fact.PRODUCT_LINE, fold(product_line))

    def _chosen(self, mask: int, facts: Facts, place: _Place) -> Choice | Verdict:
        """The first rule of a mask, else the subsidiary of the country, else a person."""
        if mask:
            return self._choices[first(mask)]
        subsidiary = self.by_country.get(place.country or "")
        if subsidiary:
            return Choice(subsidiary, f"{'billing' if facts.is_billing else 'shipping'} country {place.country}")
        return _no_route(facts, place)

    def _by_field(self, facts: Facts) -> Choice | Verdict:
        name = self._by_name.get(fold(facts.subsidiary))
        if name:
            return Choice(name, f"account field says {name}")
        reason = (
            f"The account {facts.account!r} names the subsidiary {facts.subsidiary!r}, which the routing does not "
            "know; correct the account, or add the subsidiary to the routing"
        )
        return Verdict.queued(Queue.PENDING_REVIEW, reason, error="UnknownSubsidiary", fields=("subsidiary",))

    def _place(self, facts: Facts) -> _Place:
        key = (facts.country, facts.state)
        place = self._places.get(key)
        if place is None:
            if len(self._places) >= _REMEMBERED:
                self._places.clear()
            place = self._places[key] = self._read_place(facts)
        return place

    def _read_place(self, facts: Facts) -> _Place:
        country = country_code(facts.country, self._own_countries)
        if country is None or Fact.STATE not in self.rules.facts:
            return _Place(country, None)
        return _Place(country, state_code(country, facts.state, self._own_states))

    # ---------------------------------------------------------------- explaining

    def _steps(self, facts: Facts, place: _Place) -> Iterator[Said]:
        is_open, shared = not fold(facts.subsidiary), self._holding(facts, place)
        lines = _product_lines(facts)
        if self._divides and len(lines) > 1 and any(not fold(line.product_line) for line in facts.lines):
            lines = (*lines, None)
        deciding = {first(shared & self._of_line(each)) for each in lines} if is_open else set()
        yield self._field_says(facts)
        for position in range(len(self.rules.rules)):
            yield self._rule_says(position, facts, place, position in deciding)
        for name in self._by_name.values():
            codes = [code for code, owner in self.by_country.items() if owner == name]
            if codes:
                yield _countries_say(name, codes, place, -1 in deciding)

    def _field_says(self, facts: Facts) -> Said:
        name = self._by_name.get(fold(facts.subsidiary))
        if name:
            return Said(FIELD_STEP, name, Answer.MATCHED, f"it says {name}")
        filled = fold(facts.subsidiary)
        why = f"it says {facts.subsidiary!r}, which is no subsidiary" if filled else "it is empty"
        return Said(FIELD_STEP, None, Answer.NO, why)

    def _rule_says(self, position: int, facts: Facts, place: _Place, decides: bool) -> Said:
        rule, subsidiary = self.rules.rules[position], self._choices[position].subsidiary
        asked = self.rules.asked(position)
        if asked and not facts.is_deal:
            why = f"it asks for the {listed([fact.value for fact in asked])}, which only a deal has"
            return Said(rule.name, subsidiary, Answer.NOT_APPLICABLE, why)
        against = [words for fact, value, words in _told(facts, place) if not self._holds(position, fact, value)]
        lines = [each for each in _product_lines(facts) if self._of_line(each) >> position & 1]
        if against or not lines:
            return Said(rule.name, subsidiary, Answer.NO, "; ".join(against or [_lines_in_words(facts)]))
        of = f" for {listed(named)}" if Fact.PRODUCT_LINE in asked and (named := [n for n in lines if n]) else ""
        return Said(rule.name, subsidiary, Answer.MATCHED if decides else Answer.LATER, f"all its conditions hold{of}")

    def _holds(self, position: int, fact: Fact, value: object) -> bool:
        return bool(self.rules.holding(fact, value) >> position & 1)


_NO_LINES: Final[tuple[str | None, ...]] = (None,)


def _by_country(subsidiaries: Mapping[str, Sequence[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, countries in subsidiaries.items():
        for text in countries:
            code = known_country(text, name)
            other = found.setdefault(code, name)
            if other != name:
                raise ValueError(f"{country_name(code)} belongs to {other} and to {name}; it can have one.")
    return found


def _product_lines(facts: Facts) -> tuple[str | None, ...]:
    """The deal's product lines, each once; lines whose product has none follow the others."""
    named = {fold(line.product_line): line.product_line for line in facts.lines if line.product_line}
    return tuple(text for folded, text in named.items() if folded) or _NO_LINES


def _disagree(found: Mapping[str | None, Choice | Verdict]) -> bool:
    return len({outcome.subsidiary if isinstance(outcome, Choice) else None for outcome in found.values()}) > 1


def _agreed(found: Mapping[str | None, Choice | Verdict], facts: Facts) -> Choice | Verdict:
    """What the product lines of a deal agree on; those that do not agree are for a person."""
    if not _disagree(found):
        return next(iter(found.values()))
    parts = [f"{_lines_of(each, facts)} to {_goal(outcome)}" for each, outcome in found.items()]
    reason = (
        f"The lines of the deal belong to different subsidiaries: {'; '.join(parts)}. Make a deal for each of them, "
        "or fill in the account's subsidiary"
    )
    return Verdict.queued(Queue.PENDING_REVIEW, reason, error="SeveralSubsidiaries", fields=("lines", "subsidiary"))


def _lines_of(product_line: str | None, facts: Facts) -> str:
    labels = [line.label for line in facts.lines if fold(line.product_line) == fold(product_line)]
    return f"{listed(labels)} of {product_line or 'no product line'}"


def _goal(outcome: Choice | Verdict) -> str:
    return f"{outcome.subsidiary} by {outcome.rule}" if isinstance(outcome, Choice) else "none"


def _no_route(facts: Facts, place: _Place) -> Verdict:
    if not facts.country:
        what = f"The account {facts.account!r} has neither a subsidiary nor a billing country"
    elif place.country is None:
        what = f"The account {facts.account!r} has the unknown country {facts.country!r}"
    else:
        what = f"No subsidiary serves {country_name(place.country)}, the country of the account {facts.account!r}"
    reason = f"{what}; fill in the account's subsidiary or correct its country"
    return Verdict.queued(Queue.PENDING_REVIEW, reason, error="NoRoute", fields=("subsidiary", "billing.country"))


# -------------------------------------------------------------------- words


def _told(facts: Facts, place: _Place) -> Iterator[tuple[Fact, object, str]]:
    """Each fact of a record besides its product lines, as it is compared and in words."""
    for fact, value, typed in (
        (Fact.COUNTRY, place.country, place.country or facts.country),
        (Fact.STATE, (place.country, place.state), place.state or facts.state),
        (Fact.CURRENCY, fold(facts.currency), facts.currency),
        (Fact.RECORD_TYPE, fold(facts.record_type), facts.record_type),
        (Fact.OWNER_REGION, fold(facts.owner_region), facts.owner_region),
    ):
        yield fact, value, f"the {fact.value} is {typed}" if typed else f"there is no {fact.value}"


def _lines_in_words(facts: Facts) -> str:
    named = [each for each in _product_lines(facts) if each]
    return f"the product line is {listed(named)}" if named else "there is no product line"


def _countries_say(name: str, codes: Sequence[str], place: _Place, decides: bool) -> Said:
    step = f"Countries of {name}"
    if place.country not in codes:
        why = f"the country is {place.country}" if place.country else "there is no country that is known"
        return Said(step, name, Answer.NO, why)
    return Said(step, name, Answer.MATCHED if decides else Answer.LATER, f"they include {place.country}")
