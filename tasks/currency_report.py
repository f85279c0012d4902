"""Report of a currency reconciliation: by order, and by subsidiary and currency, with what is over the tolerance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.models.exchange import ExchangeRate, Variance, kept
from prefect_crm_erp.models.money import ZERO, plain
from prefect_crm_erp.models.records import SalesOrder
from prefect_crm_erp.tasks.currency_compare import FLAGGED, Compared, CurrencyRun, State
from prefect_crm_erp.tasks.events import tell_automations
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, SENTENCE_WIDTH, amount, link, stacked, table, text
from prefect_crm_erp.tasks.report import artifact_key
from prefect_crm_erp.tasks.tables import ROWS_SHOWN, counts_table

SOURCE: Final = "currency reconciliation"
EVENT: Final = "prefect-crm-erp.currency.variance"
"""Emitted once by a reconciliation that flags anything, for an automation to notify by."""
_RATE_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Total:
    """The orders of a subsidiary in a currency, together; or all of them, with neither named.

    Attributes:
        subsidiary: Whose orders; empty for all.
        currency: ISO 4217 code; empty for all.
        orders: How many have a value on both sides.
        crm_original: Their amounts in the CRM, in `currency`; likewise `erp_original`; None for all currencies.
        value: Their values in the CRM's corporate currency.
        is_flagged: Whether the values differ by more than the tolerance.
    """

    subsidiary: str
    currency: str
    orders: int
    crm_original: Decimal | None
    erp_original: Decimal | None
    value: Variance
    is_flagged: bool


class CurrencyReport:
    """What a currency reconciliation has found; `orders` is the sum of the counts.

    Attributes:
        run_id: Identity of the run in the ledger.
        month: The month, like `2026-05`.
        reporting_currency: The CRM's corporate currency, in which values are compared.
        tolerance_percent: Above this much of the ERP's value, a variance is flagged.
        rows: One for each order.
        totals: One for each subsidiary and currency.
        total: All of them together.

    Example:
        ```python
        report = currency_reconciliation(integration=Integration.load("sandbox"), month="2026-05")
        for row in report.flagged:
            print(row.number, row.currency, row.value, row.reason)
        ```
    """

    def __init__(self, run: CurrencyRun, rows: Sequence[Compared]) -> None:
        self.run_id = run.run_id
        self.month = str(run.month)
        self.reporting_currency = run.crm_rates.corporate
        self.tolerance_percent = run.integration.currency.tolerance_percent
        self.rows = list(rows)
        groups = sorted({(row.subsidiary, row.currency) for row in rows if row.value})
        self.totals = [self._total(*group) for group in groups]
        self.total = self._total("", "")

    @property
    def orders(self) -> int:
        """Orders of the month that came from deals."""
        return len(self.rows)

    @property
    def flagged(self) -> list[Compared]:
        """The orders that somebody must look at, the largest variance first."""
        return sorted((row for row in self.rows if row.state in FLAGGED), key=_size, reverse=True)

    @property
    def counts(self) -> Counter[State]:
        """How many orders are in each state."""
        return Counter(row.state for row in self.rows)

    @property
    def passes(self) -> bool:
        """Whether nothing is flagged, neither an order nor a total."""
        return not self.flagged and not any(total.is_flagged for total in (*self.totals, self.total))

    def in_words(self) -> str:
        """The result as a sentence, for people."""
        counted = f"{self.orders:,} orders of {self.month}"
        percent = "" if self.total.value.percent is None else f"; in all they differ by {self.total.value.percent} %"
        if self.passes:
            return f"{counted} within {plain(self.tolerance_percent)} %{percent}"
        return f"{len(self.flagged):,} of {counted} need a look{percent}"

    def __repr__(self) -> str:
        """The counts."""
        counts = ", ".join(f"{state.name.lower()}={self.counts[state]}" for state in State)
        return f"CurrencyReport(month={self.month!r}, orders={self.orders}, {counts})"

    def _total(self, subsidiary: str, currency: str) -> Total:
        mine = [
            row
            for row in self.rows
            if row.value and (not currency or (row.subsidiary, row.currency) == (subsidiary, currency))
        ]
        value = Variance(
            sum((row.value.crm for row in mine if row.value), ZERO),
            sum((row.value.erp for row in mine if row.value), ZERO),
        )
        return Total(
            subsidiary,
            currency,
            len(mine),
            sum((row.crm_original or ZERO for row in mine), ZERO) if currency else None,
            sum((row.erp_original or ZERO for row in mine), ZERO) if currency else None,
            value,
            value.exceeds(self.tolerance_percent),
        )


def _size(row: Compared) -> Decimal:
    """How much an order weighs in the list: its difference, in the reporting currency."""
    return abs(row.value.difference) if row.value else ZERO


@task(name="Report currencies", cache_policy=NO_CACHE, persist_result=False)
def report_currencies(run: CurrencyRun, rows: Sequence[Compared]) -> CurrencyReport:
    """Publish what was found, and tell automations of it when anything is flagged."""
    report = CurrencyReport(run, rows)
    _show("summary", _summary(run, report), report.in_words())
    orders = _orders_table(run, report.rows[:ROWS_SHOWN], report)
    _show("orders", f"# Orders of {report.month}\n\n{orders}", f"{report.orders:,} orders with their values")
    if not report.passes:
        _emit(run, report)
    return report


def _emit(run: CurrencyRun, report: CurrencyReport) -> None:
    tell_automations(
        run,
        EVENT,
        "currency",
        "Currency reconciliation",
        {
            "summary": report.in_words(),
            "month": report.month,
            "orders": report.orders,
            "flagged": len(report.flagged),
            "records": [run.crm.url(row.key) for row in report.flagged[:20]],
        },
    )


# -------------------------------------------------------------------- tables


def _show(name: str, markdown: str, description: str) -> None:
    create_markdown_artifact(markdown, key=artifact_key(SOURCE, name), description=description)


def _summary(run: CurrencyRun, report: CurrencyReport) -> str:
    counts = {"Orders": report.orders} | {state.value.capitalize(): report.counts[state] for state in State}
    sums = f"{report.orders} = {' + '.join(str(report.counts[state]) for state in State)}"
    flagged = report.flagged
    parts = [
        f"# Deals and orders of {report.month}, in {report.reporting_currency}",
        f"**{text(report.in_words())}.** Nothing was written to either system.",
        counts_table(counts),
        f"{sums}: every order is accounted for.",
        f"## By subsidiary and currency\n\n{_totals_table(report)}" if report.totals else "",
        f"## To look at\n\n{_flagged_table(run, flagged[:ROWS_SHOWN])}" if flagged else "",
        f"A variance is the difference in percent of the ERP's value; more than {plain(report.tolerance_percent)} % "
        "means that the two systems convert at other rates: run the exchange rate sync, and see which rate is older.",
    ]
    return "\n\n".join(part for part in parts if part)


def _totals_table(report: CurrencyReport) -> str:
    money = report.reporting_currency
    body = [
        [
            text(total.subsidiary or "All"),
            f"{total.orders:,}",
            stacked(amount(total.crm_original, total.currency), amount(total.erp_original, total.currency)),
            amount(total.value.crm, money),
            amount(total.value.erp, money),
            _percent(total.value, total.is_flagged),
        ]
        for total in (*report.totals, report.total)
    ]
    head = ("Subsidiary", "Orders", "Original: CRM, ERP", "CRM value", "ERP value", "Variance")
    return table(head, body, right={1, 2, 3, 4, 5})


def _flagged_table(run: CurrencyRun, rows: Iterable[Compared]) -> str:
    body = [
        [
            _names(run, row),
            text(row.subsidiary),
            _percent(row.value, row.state is State.VARIANCE),
            text(f"{row.state.value.capitalize()}: {row.reason}", SENTENCE_WIDTH),
        ]
        for row in rows
    ]
    return table(("Deal and order", "Subsidiary", "Variance", "Why"), body, right={2})


def _orders_table(run: CurrencyRun, rows: Sequence[Compared], report: CurrencyReport) -> str:
    if not rows:
        return "There are none."
    money = report.reporting_currency
    body = [
        [
            _names(run, row),
            stacked(text(row.subsidiary), row.day.isoformat()),
            stacked(amount(row.crm_original, row.currency), amount(row.erp_original, row.currency)),
            stacked(amount(row.value.crm if row.value else None, money), _rate(row.crm_rate)),
            stacked(amount(row.value.erp if row.value else None, money), _rate(row.erp_rate)),
            _percent(row.value, row.state is State.VARIANCE),
        ]
        for row in rows
    ]
    head = ("Deal and order", "Where, when", "Original: CRM, ERP", "CRM value at", "ERP value at", "Variance")
    shown = table(head, body, right={2, 3, 4, 5})
    return f"{shown}\n\nThe first {ROWS_SHOWN} of {report.orders:,}." if report.orders > ROWS_SHOWN else shown


def _names(run: CurrencyRun, row: Compared) -> str:
    order = SalesOrder(
        key=row.key, company_id="", customer_id="", currency=row.currency, order_date=row.day, erp_id=row.erp_id
    )
    return stacked(
        link(row.name, run.crm.url(row.key), NAME_WIDTH), link(row.number, run.erps[row.slot].url(order), NAME_WIDTH)
    )


def _percent(value: Variance | None, is_flagged: bool) -> str:
    if value is None:
        return ""
    shown = "no ERP value" if value.percent is None else f"{value.percent} %"
    return f"**{shown}**" if is_flagged else shown


def _rate(rate: ExchangeRate | None) -> str:
    """A rate and the day from which it holds."""
    return f"{plain(kept(rate.rate, _RATE_DIGITS))} of {rate.valid_from}" if rate else ""
