"""Report of routing: where records go, what each rule says of them, and what a changed policy would move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.models.outcomes import Verdict
from prefect_crm_erp.models.routing_facts import Answer, Explanation, Said
from prefect_crm_erp.tasks.explain_routing import PENDING, Explained, Routings
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, SENTENCE_WIDTH, amount, link, stacked, table, text
from prefect_crm_erp.tasks.report import artifact_key
from prefect_crm_erp.tasks.run import Run
from prefect_crm_erp.tasks.tables import ROWS_SHOWN, counts_table

SOURCE: Final = "routing"


class RoutingReport:
    """Where records go, and why.

    Attributes:
        run_id: Identity of the run in the ledger.
        records: Records that were looked at.
        today: How many of them go where by the integration's own routing; `Pending Review` for those that no rule
            decides.
        then: The same by the other policy; empty when there is none.
        moves: How many deals without an order would move, by where from and where to.
        amounts: What these deals are worth without tax, by where from and where to and by currency; in the
            currency's major unit.
        rows: Records with what each step says: those that move first, the first 500 of them and of the others.
        unrouted: Deals without an account, of which nothing can be said.
        absent: Named records that the CRM does not have.

    Example:
        ```python
        report = explain_routing(integration=Integration.load("sandbox"), records=["006…"])
        for said in report.rows[0].today.said:
            print(said.rule, said.answer.value, said.why)
        ```
    """

    def __init__(self, run: Run, routings: Routings, absent: Sequence[str]) -> None:
        self.run_id = run.run_id
        self.records = routings.records
        self.unrouted = routings.unrouted
        self.today = dict(routings.today)
        self.then = dict(routings.then)
        self.moves = dict(routings.moves)
        self.amounts = {move: dict(sorted(sums.items())) for move, sums in routings.amounts.items()}
        self.rows = [*routings.moving, *routings.rows]
        self.absent = tuple(absent)
        self.is_compared = routings.other is not None

    def row(self, key: str) -> Explained:
        """The row of a record."""
        return next(row for row in self.rows if row.key == key)

    def in_words(self) -> str:
        """The result as a sentence, for people."""
        if not self.is_compared:
            return f"{_records(self.records)}: {_places(self.today)}" if self.records else "No records"
        if not self.moves:
            return f"None of {_records(self.records)} would move"
        ordered = sorted(self.moves.items(), key=lambda each: (-each[1], each[0]))
        return "; ".join(
            f"{_records(count)} would move from {move[0]} to {move[1]}{self._worth(move)}" for move, count in ordered
        )

    def _worth(self, move: tuple[str, str]) -> str:
        sums = ", ".join(_money(self.amounts.get(move, {})))
        return f" ({sums})" if sums else ""

    def __repr__(self) -> str:
        """The counts."""
        return f"RoutingReport({self.in_words()})"


@task(name="Report routing", cache_policy=NO_CACHE, persist_result=False)
def report_routing(run: Run, routings: Routings, absent: Sequence[str]) -> RoutingReport:
    """Publish where records go, what moves, and what each step says of the first ones."""
    report = RoutingReport(run, routings, absent)
    _show("summary", _summary(report), report.in_words())
    if report.is_compared:
        _show("moves", f"# What would move\n\n{_moves_table(run, report)}", "Records that the other policy moves")
    _show("rules", f"# What each rule says\n\n{_sections(run, report)}", "What each step says of each record")
    return report


def _show(name: str, markdown: str, description: str) -> None:
    create_markdown_artifact(markdown, key=artifact_key(SOURCE, name), description=description)


def _money(sums: Mapping[str, Decimal]) -> list[str]:
    return [amount(total, currency) for currency, total in sums.items()]


def _records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"


def _places(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} to {place}" for place, count in sorted(counts.items(), key=lambda each: -each[1]))


# -------------------------------------------------------------------- tables


def _summary(report: RoutingReport) -> str:
    parts = ["# Routing", text(report.in_words()) + "."]
    names = sorted(set(report.today) | set(report.then))
    if report.is_compared:
        rows = [[text(name), f"{report.today.get(name, 0):,}", f"{report.then.get(name, 0):,}"] for name in names]
        parts.append(table(("Subsidiary", "Today", "With the other policy"), rows, right={1, 2}))
    elif names:
        parts.append(counts_table({text(name): report.today[name] for name in names}))
    if report.moves:
        rows = [
            [text(move[0]), text(move[1]), f"{count:,}", stacked(*_money(report.amounts.get(move, {})))]
            for move, count in Counter(report.moves).most_common()
        ]
        parts += ["## Moves", table(("From", "To", "Records", "Amount"), rows, right={2, 3})]
    if report.unrouted:
        parts.append(f"{_records(report.unrouted)} without an account: nothing can be said of them.")
    if report.absent:
        parts.append(f"The CRM does not have {text(', '.join(report.absent))}.")
    return "\n\n".join(parts)


def _moves_table(run: Run, report: RoutingReport) -> str:
    moving = [row for row in report.rows if row.moves]
    rows = [
        [_name(run, row), stacked(*_told(row.today)), stacked(*_told(row.then or row.today))]
        for row in moving[:ROWS_SHOWN]
    ]
    count = sum(report.moves.values())
    if not rows:
        return "Nothing."
    shown = table(("Record", "Today", "With the other policy"), rows)
    return f"{shown}\n\nThe first {ROWS_SHOWN} of {count:,}." if count > ROWS_SHOWN else shown


def _told(explanation: Explanation) -> tuple[str, str]:
    outcome = explanation.outcome
    if isinstance(outcome, Verdict):
        return f"**{PENDING}**", text(outcome.reason, SENTENCE_WIDTH)
    return f"**{text(outcome.subsidiary)}**", text(outcome.rule, SENTENCE_WIDTH)


def _name(run: Run, row: Explained) -> str:
    ordered = f"has the order {row.order_number} already, and stays" if row.order_number else ""
    return stacked(
        link(row.name, run.crm.url(row.key), NAME_WIDTH), text(row.account, NAME_WIDTH), text(ordered, NAME_WIDTH)
    )


def _sections(run: Run, report: RoutingReport) -> str:
    shown = "\n\n".join(_section(run, row) for row in report.rows[:_SECTIONS])
    more = report.records - report.unrouted - len(report.rows[:_SECTIONS])
    return (shown or "Nothing.") + (f"\n\nAnd {more:,} more; name records to see theirs." if more > 0 else "")


_SECTIONS: Final = 100
"""Records of which the artifact shows what each step says."""


def _section(run: Run, row: Explained) -> str:
    parts = [f"## {link(row.name, run.crm.url(row.key))}", " ".join(_told(row.today)), _steps(row.today.said)]
    if row.then:
        parts += [f"With the other policy: {' '.join(_told(row.then))}", _steps(row.then.said)]
    return "\n\n".join(parts)


def _steps(said: Sequence[Said]) -> str:
    rows = [
        [
            text(each.rule, NAME_WIDTH),
            text(each.subsidiary or "—"),
            f"**{each.answer.value}**" if each.answer is Answer.MATCHED else each.answer.value,
            text(each.why, SENTENCE_WIDTH),
        ]
        for each in said
    ]
    return table(("Step", "Leads to", "Answer", "Why"), rows)
