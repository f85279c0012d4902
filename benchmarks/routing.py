"""`python -m benchmarks.routing --records 100000`: how many deals a second are routed and added up, on one core."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import count
from typing import Final

from benchmarks import common
from benchmarks.common import Figure, Goal, say
from prefect_crm_erp.blocks import RoutingRule, Subsidiary, SubsidiaryRouting
from prefect_crm_erp.blocks.policies.routing import Route
from prefect_crm_erp.models.records import Account, Address, Deal, DealLine, DealSource

PENDING: Final = "Pending Review"
GOALS: Final = {
    "records_per_second": Goal(">=", 50_000),
    "wrong": Goal("==", 0),
    "wrong_sums": Goal("==", 0),
}
_COUNTRIES: Final = (
    ("US", "USA", "U.S.A.", "United States"),
    ("GB", "U.K.", "UK", "Great Britain", "England"),
    ("DE", "Deutschland", "Germany", "deu"),
    ("IE", "Ireland", "Éire"),
    ("JP", "Japan", "JPN"),
    ("FR", "France", "fra"),
    ("BR", "Brasil", "Brazil"),
)
_STATES: Final = {"US": ("California", "NY", "Texas", None)}
_CURRENCIES: Final = ("USD", "GBP", "EUR", "JPY")
_FAMILIES: Final = ("Instruments", "Accessories", "Consumables", "Services", None)
_RECORD_TYPES: Final = ("New Business", "Renewal", "Service Contract")
_REGIONS: Final = ("EMEA Sales", "Americas Sales", "APAC Sales", None)
_RULES: Final = 30

Pair = tuple[Account, Deal]
Sums = dict[tuple[str, str], Decimal]


def main() -> int:
    """Run the benchmark and give the exit code: 1 when a goal is not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="how many deals are routed")
    records = parser.parse_args().records
    common.warn_if_busy()
    pairs = list(made_up(records))
    routing = SubsidiaryRouting(subsidiaries=_subsidiaries(), rules=_rules())
    say(f"{records:,} deals, {_RULES} rules")
    figures = _measure(routing, pairs)
    return common.Result("routing", figures, GOALS).publish()


def _measure(routing: SubsidiaryRouting, pairs: Sequence[Pair]) -> dict[str, Figure]:
    with common.Stopwatch() as compiling:
        table = routing.table()
    goals: list[str] = []
    sums: Sums = {}
    with common.Stopwatch() as routed:
        for account, deal in pairs:
            outcome = table.route(account, deal)
            goal = outcome.subsidiary.name if isinstance(outcome, Route) else PENDING
            goals.append(goal)
            key = (goal, deal.currency or "")
            sums[key] = sums.get(key, _ZERO) + (deal.total or _ZERO)
    with common.Stopwatch() as explained:
        for account, deal in pairs[:_EXPLAINED]:
            table.explain(account, deal)
    expected = [by_the_book(routing, account, deal) for account, deal in pairs]
    return {
        "records_per_second": round(len(pairs) / routed.seconds),
        "records_per_cpu_second": round(len(pairs) / routed.cpu_seconds),
        "explained_per_second": round(min(len(pairs), _EXPLAINED) / explained.seconds),
        "seconds": round(routed.seconds, 2),
        "compile_milliseconds": round(compiling.seconds * 1000, 1),
        "pending_review": goals.count(PENDING),
        "wrong": sum(got != want for got, want in zip(goals, expected, strict=True)),
        "wrong_sums": _wrong_sums(sums, expected, pairs),
    }


def _wrong_sums(sums: Sums, expected: Sequence[str], pairs: Sequence[Pair]) -> int:
    """Sums that are not exact, by whole cents."""
    cents: dict[tuple[str, str], int] = {}
    for goal, (_, deal) in zip(expected, pairs, strict=True):
        key = (goal, deal.currency or "")
        cents[key] = cents.get(key, 0) + int((deal.total or _ZERO) * 100)
    return sum(sums.get(key) != Decimal(value) / 100 for key, value in cents.items())


_ZERO: Final = Decimal(0)
_EXPLAINED: Final = 10_000


# -------------------------------------------------------------------- the policy


def _subsidiaries() -> list[Subsidiary]:
    return [
        Subsidiary(name="US", company="US", countries=["US", "CA", "BR"]),
        Subsidiary(name="UK", company="UK", countries=["GB", "IE"]),
        Subsidiary(name="DE", company="DE", countries=["DE", "FR"]),
        Subsidiary(name="APAC", company="APAC"),
    ]


def _rules() -> list[RoutingRule]:
    """Thirty rules that ask for different things, none of which covers another one."""
    names = (f"Rule {number}" for number in count(1))
    rules = [
        RoutingRule(name=next(names), subsidiary="UK", record_types=[kind], countries=[country], owner_regions=[region])
        for kind in ("Renewal", "Service Contract")
        for country in ("DE", "FR", "JP", "BR")
        for region in ("EMEA Sales", "APAC Sales")
    ]
    rules += [
        RoutingRule(
            name=next(names), subsidiary="DE", product_lines=["Services"], currencies=[currency], countries=[each]
        )
        for currency in ("EUR", "GBP")
        for each in ("US", "IE", "JP")
    ]
    rules += [
        RoutingRule(name=next(names), subsidiary="APAC", countries=["US"], states=[state], currencies=[currency])
        for state in ("California", "Texas")
        for currency in ("JPY", "EUR")
    ]
    rules += [
        RoutingRule(name=next(names), subsidiary="US", owner_regions=["Americas Sales"], record_types=[kind])
        for kind in ("New Business", "Renewal")
    ]
    rules += [RoutingRule(name=next(names), subsidiary="APAC", currencies=["JPY"], countries=["JP"])]
    return [*rules, RoutingRule(name=next(names), subsidiary="DE", currencies=["EUR"], countries=["FR"])]


# -------------------------------------------------------------------- the records


def made_up(number: int) -> Iterator[Pair]:
    """Deals with everything that routing looks at, the same ones every time."""
    dice = random.Random(42)
    for position in range(number):
        spellings = dice.choice(_COUNTRIES)
        state = dice.choice(_STATES.get(spellings[0], (None,)))
        place = Address(country=dice.choice(spellings) if dice.random() < 0.98 else None, state=state)
        field = dice.choice(("US", "UK", "Mars")) if dice.random() < 0.05 else None
        account = Account(crm_id=f"001{position:015}", name=f"Account {position}", billing=place, subsidiary=field)
        yield account, _deal(dice, position, account)


def _deal(dice: random.Random, position: int, account: Account) -> Deal:
    amounts = [Decimal(dice.randrange(1, 10_000_000)) / 100 for _ in range(dice.randint(1, 3))]
    family = dice.choice(_FAMILIES)
    lines = [
        DealLine(
            crm_id=f"00k{position:012}{place:03}",
            sku=f"NL-{place}",
            quantity=Decimal(1),
            unit_price=amount,
            amount=amount,
            product_line=family if dice.random() < 0.9 else dice.choice(_FAMILIES),
        )
        for place, amount in enumerate(amounts)
    ]
    return Deal(
        crm_id=f"006{position:015}",
        source=DealSource.CLOSED_WON,
        account=account,
        currency=dice.choice(_CURRENCIES),
        lines=tuple(lines),
        total=sum(amounts, _ZERO),
        record_type=dice.choice(_RECORD_TYPES),
        owner_region=dice.choice(_REGIONS),
    )


# -------------------------------------------------------------------- what is measured against


def by_the_book(routing: SubsidiaryRouting, account: Account, deal: Deal) -> str:
    """Where a deal goes when each rule is asked one after the other, as the README says it."""
    if account.subsidiary:
        return account.subsidiary if account.subsidiary in {each.name for each in routing.subsidiaries} else PENDING
    typed = account.billing.country
    country = next((each[0] for each in _COUNTRIES if typed in each), None)
    own = next((each.name for each in routing.subsidiaries if country in each.countries), PENDING)
    families = {line.product_line for line in deal.lines if line.product_line} or {None}
    goals = {
        next((rule.subsidiary for rule in routing.rules if _holds(rule, country, account, deal, each)), own)
        for each in families
    }
    return goals.pop() if len(goals) == 1 else PENDING


def _holds(rule: RoutingRule, country: str | None, account: Account, deal: Deal, family: str | None) -> bool:
    asked: tuple[tuple[Sequence[str], str | None], ...] = (
        (rule.countries, country),
        (rule.states, account.billing.state),
        (rule.currencies, deal.currency),
        (rule.product_lines, family),
        (rule.record_types, deal.record_type),
        (rule.owner_regions, deal.owner_region),
    )
    return all(not accepted or value in accepted for accepted, value in asked)


if __name__ == "__main__":
    sys.exit(main())
