"""Rules of a routing policy, compiled: one bit for each rule, so that many rules cost no more than few."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product

import pycountry

from prefect_crm_erp.models.geography import country_code, country_name, state_code
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.routing_facts import OF_DEALS, Fact, Rule

Values = Mapping[Fact, object]
"""One value of each fact, in the form in which it is compared."""
_OTHER = object()
"""Stands for a value that no rule names."""


class RuleSet:
    """The rules of a policy in their order, ready to be asked.

    Args:
        rules: The rules.

    Attributes:
        facts: What the rules ask for.
        without_deal: The rules that ask nothing of a deal, one bit for each.

    Raises:
        ValueError: A rule names nothing or what does not exist, or never gets its turn; the message is a sentence.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._accepted = [_accepted(rule) for rule in rules]
        self._masks = {fact: _Mask([accepted[fact] for accepted in self._accepted]) for fact in Fact}
        self.facts = frozenset(fact for accepted in self._accepted for fact, values in accepted.items() if values)
        self.without_deal = (1 << len(self.rules)) - 1
        for fact in OF_DEALS:
            self.without_deal &= self._masks[fact].otherwise
        self._refuse_idle_rules()

    def holding(self, fact: Fact, value: object) -> int:
        """The rules whose condition holds for a value, and those without such a condition, one bit for each."""
        mask = self._masks[fact]
        return mask.accepting.get(value, mask.otherwise)

    def asked(self, position: int) -> list[Fact]:
        """What a rule asks of deals."""
        return [fact for fact in OF_DEALS if self._accepted[position][fact]]

    def _refuse_idle_rules(self) -> None:
        """A rule that never gets its turn is a mistake of whoever wrote the policy, and is said before it is saved."""
        names: set[str] = set()
        for position, rule in enumerate(self.rules):
            if fold(rule.name) in names:
                raise ValueError(f"Two rules are called {rule.name!r}; give each a name of its own.")
            names.add(fold(rule.name))
            self._refuse_same_conditions(position)
            self._refuse_covered(position)

    def _refuse_same_conditions(self, position: int) -> None:
        rule = self.rules[position]
        for earlier, accepted in zip(self.rules[:position], self._accepted, strict=False):
            if accepted == self._accepted[position]:
                differ = fold(earlier.subsidiary) != fold(rule.subsidiary)
                where = f"lead to {earlier.subsidiary} and to {rule.subsidiary}" if differ else "lead to the same"
                raise ValueError(
                    f"The rules {earlier.name!r} and {rule.name!r} have the same conditions and {where}; "
                    "keep one of them."
                )

    def _refuse_covered(self, position: int) -> None:
        covering = self._covering(position)
        if covering:
            before = listed([repr(self.rules[each].name) for each in sorted(covering)])
            verb = "covers" if len(covering) == 1 else "cover"
            raise ValueError(
                f"The rule {self.rules[position].name!r} can never apply: {before} before it {verb} all that it names; "
                "move it up, or remove it."
            )

    def _covering(self, position: int) -> set[int]:
        """Earlier rules that between them match all that this one matches; empty when it has something of its own."""
        found: set[int] = set()
        for values in _combinations(self._accepted[position]):
            mask = (1 << position) - 1
            for fact, value in values.items():
                mask &= self.holding(fact, value)
            if not mask:
                return set()
            found.add(first(mask))
        return found


class _Mask:
    """For one fact, which rules accept a value."""

    __slots__ = ("accepting", "otherwise")

    def __init__(self, accepted: Sequence[Collection[object]]) -> None:
        self.otherwise = sum(1 << position for position, values in enumerate(accepted) if not values)
        self.accepting: dict[object, int] = {}
        for position, values in enumerate(accepted):
            for value in values:
                self.accepting[value] = self.accepting.get(value, self.otherwise) | 1 << position


def first(mask: int) -> int:
    """Place of the first rule of a mask; -1 when there is none."""
    return (mask & -mask).bit_length() - 1


def listed(words: Sequence[str]) -> str:
    """Words as they stand in a sentence: `a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def known_country(text: str, owner: str) -> str:
    """ISO code of a country in a policy.

    Raises:
        ValueError: There is no such country.
    """
    code = country_code(text)
    if code is None:
        raise ValueError(f"{owner}: {text!r} is no country; write its name or its ISO code, like DE.")
    return code


# -------------------------------------------------------------------- values of a rule


def _accepted(rule: Rule) -> dict[Fact, frozenset[object]]:
    """A rule's values in the form in which they are compared."""
    owner = f"The rule {rule.name!r}"
    if not any(rule.conditions.values()):
        raise ValueError(f"{owner} has no conditions, so that it would match everything; fill in at least one.")
    countries = [known_country(text, owner) for text in rule.conditions.get(Fact.COUNTRY) or ()]
    typed = {fact: rule.conditions.get(fact) or () for fact in OF_DEALS}
    for currency in typed[Fact.CURRENCY]:
        if pycountry.currencies.get(alpha_3=currency.strip().upper()) is None:
            raise ValueError(f"{owner}: {currency!r} is no currency; write its ISO code, like EUR.")
    values: dict[Fact, frozenset[object]] = {
        Fact.COUNTRY: frozenset(countries),
        Fact.STATE: frozenset(_states(rule, countries, owner)),
    }
    return values | {fact: frozenset(_folded(texts, fact, owner)) for fact, texts in typed.items()}


def _folded(texts: Sequence[str], fact: Fact, owner: str) -> Iterator[str]:
    for text in texts:
        if not fold(text):
            raise ValueError(f"{owner} has an empty {fact.value}; remove it.")
        yield fold(text)


def _states(rule: Rule, countries: Sequence[str], owner: str) -> Iterator[tuple[str, str]]:
    """States with their countries: several countries may have a state of the same name."""
    for text in rule.conditions.get(Fact.STATE) or ():
        if not countries:
            raise ValueError(f"{owner} names the state {text!r} and no country; add the country that it belongs to.")
        found = [(country, code) for country in countries if (code := state_code(country, text))]
        if not found:
            where = listed([country_name(country) for country in countries])
            raise ValueError(f"{owner}: {text!r} is no state of {where}; write its name or its ISO code, like CA.")
        yield from found


def _combinations(accepted: Mapping[Fact, Collection[object]]) -> Iterator[Values]:
    """Every combination of values that a rule names; what it does not ask for has a value that no rule names."""
    places: list[tuple[object, object]] = [(country, _OTHER) for country in accepted[Fact.COUNTRY]]
    if accepted[Fact.STATE]:
        places = [(pair[0], pair) for pair in accepted[Fact.STATE] if isinstance(pair, tuple)]
    axes = [accepted[fact] or (_OTHER,) for fact in OF_DEALS]
    for country, state in places or [(_OTHER, _OTHER)]:
        for others in product(*axes):
            yield {Fact.COUNTRY: country, Fact.STATE: state, **dict(zip(OF_DEALS, others, strict=True))}
