"""Exchange rates: what the ERP's books say today and on past days becomes the CRM's currency types and dated rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Self

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import RateChange
from prefect_crm_erp.blocks.ledger import AuditEntry, SourceRecord
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.exchange import CrmRates, ExchangeRate, RateError, in_force
from prefect_crm_erp.models.money import plain
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Queue, ReportRow, Verdict
from prefect_crm_erp.models.rate_plan import PlannedRate, measured_in, plan_current, plan_dated
from prefect_crm_erp.models.records import Company
from prefect_crm_erp.tasks.markdown import SENTENCE_WIDTH, table, text
from prefect_crm_erp.tasks.parking import park_named
from prefect_crm_erp.tasks.report import RunReport, artifact_key, equation, outcome_counts, prove, requests_line
from prefect_crm_erp.tasks.run import BaseRun
from prefect_crm_erp.tasks.tables import counts_table

SOURCE: Final = "exchange rates"
KIND: Final = "exchange rate"


class RatesRun(BaseRun):
    """One run that brings the ERP's exchange rates to the CRM; its records are currencies, and their keys codes."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """Name under which the ledger keeps currencies."""
        return KIND

    @property
    def slot(self) -> ErpSlot:
        """The ERP connection whose rates rule."""
        return self.integration.rates_subsidiary.erp

    @property
    def books(self) -> Company:
        """The company whose rates rule."""
        return self.company(self.slot, self.integration.rates_subsidiary.company)

    @property
    def today(self) -> date:
        """The day of the run, in UTC."""
        return self.started_at.date()

    def record_url(self, key: str) -> str | None:
        """A currency has no page of its own."""
        return None

    def preflight(self) -> Self:
        """See that the ERP whose rates rule answers, and knows the company.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
            TransientError: The ERP cannot be reached: without its rates there is nothing to do.
        """
        self.erps[self.slot].check()
        self.books  # noqa: B018 - asks for the company
        return self


@dataclass(slots=True)
class CurrencyItem:
    """A currency on its way from the ERP's books to the CRM.

    Attributes:
        code: ISO 4217 code.
        planned: Rates that are to change.
        verdict: What became of it; None while its road goes on.
        notes: What the operator should know.
    """

    code: str
    planned: list[PlannedRate] = field(default_factory=list)
    verdict: Verdict | None = None
    notes: list[Note] = field(default_factory=list)


def first_day_of_last_month(today: date) -> date:
    """From which day on rates are kept in step: month-end reports of the last month need them.

    Example:
        >>> first_day_of_last_month(date(2026, 1, 31))
        datetime.date(2025, 12, 1)
    """
    return date(today.year - (today.month == 1), (today.month - 2) % 12 + 1, 1)


# -------------------------------------------------------------------- reading and comparing


@task(name="Compare rates", cache_policy=NO_CACHE, persist_result=False)
def compare_rates(run: RatesRun, since: date) -> list[CurrencyItem]:
    """Read both sides' rates, and find out for each currency which of the CRM's have to change.

    Raises:
        ConfigurationError: The ERP has no rate of the CRM's corporate currency.
        TransientError: A system does not answer.
    """
    crm = run.crm.currency_rates(since)
    erp: dict[str, list[ExchangeRate]] = {}
    for rate in run.erps[run.slot].exchange_rates(run.books, since):
        erp.setdefault(rate.target, []).append(rate)
    if not erp.get(crm.corporate):
        system = run.erps[run.slot].system
        raise ConfigurationError(f"{system} has no rate of {crm.corporate}, the CRM's corporate currency; add it there")
    items = [CurrencyItem(code) for code in _codes(run, crm)]
    run.store.note_read(run.run_id, [SourceRecord(item.code, item.code) for item in items])
    for item in items:
        item.verdict = _left_out(run, crm, item.code) or _plan(run, crm, erp, item, since)
    return items


def _codes(run: RatesRun, crm: CrmRates) -> list[str]:
    """Currencies that the policy names, or all of the CRM; the corporate one is the measure of the others."""
    chosen = run.integration.currency.currencies or sorted(crm.currencies)
    return [code for code in chosen if code != crm.corporate]


def _left_out(run: RatesRun, crm: CrmRates, code: str) -> Verdict | None:
    known, named = crm.currencies.get(code), run.integration.currency.currencies
    if known is None:
        return _queued(f"{run.crm.system} has no currency {code}; add it there, or take it out of the currency policy")
    if known.is_active:
        return None
    if code not in named:
        return Verdict.excluded(f"It is inactive in {run.crm.system}")
    return _queued(f"{code} is inactive in {run.crm.system}; activate it there, or take it out of the currency policy")


def _plan(
    run: RatesRun, crm: CrmRates, erp: Mapping[str, Sequence[ExchangeRate]], item: CurrencyItem, since: date
) -> Verdict | None:
    series = erp.get(item.code, ())
    item.notes += [_note_future(each) for each in series if each.valid_from > run.today]
    try:
        rates = measured_in(erp[crm.corporate], series, since, run.today, crm.digits)
    except RateError as error:
        return _queued(f"{error}; correct it in {run.erps[run.slot].system}")
    if in_force(rates, run.today) is None:
        system = run.erps[run.slot].system
        return _queued(f"{system} has no rate of {item.code} for {run.books.name}; add the currency or its rate there")
    item.planned = plan_current(rates, crm.currencies[item.code].rate, run.today)
    if crm.dated is not None:
        item.planned += plan_dated(rates, crm.dated.get(item.code, {}), run.today)
    return None if item.planned else Verdict(Outcome.UNCHANGED)


def _note_future(rate: ExchangeRate) -> Note:
    text_ = f"The ERP's rate of {rate.valid_from} lies in the future; it is brought when its day has come"
    return Note("rate", text_)


def _queued(reason: str) -> Verdict:
    return Verdict.queued(Queue.DATA_QUALITY, reason, error="Rate")


# -------------------------------------------------------------------- writing


@task(name="Write rates", cache_policy=NO_CACHE, persist_result=False)
def write_rates(run: RatesRun, items: Sequence[CurrencyItem]) -> None:
    """Bring the rates that changed to the CRM, note them in the audit trail, and park what has to be corrected.

    Raises:
        TransientError: The CRM is not available; the next run compares anew.
    """
    open_items = [item for item in items if item.verdict is None]
    if not run.dry_run:
        _send(run, open_items)
    for item in open_items:
        why = "Dry run: it would be written" if run.dry_run else ""
        item.verdict = item.verdict or Verdict(Outcome.WRITTEN, why)
    if not run.dry_run:
        waiting = {item.code: (item.code, item.verdict) for item in items if item.verdict and item.verdict.queue}
        park_named(run, waiting, [entry.key for entry in run.store.parked(kind=KIND)])
    run.store.note_outcomes(run.run_id, [_row(item) for item in items])


def _send(run: RatesRun, items: Sequence[CurrencyItem]) -> None:
    # Currency types before dated rates: a call changes between objects a few times only.
    pairs = [(item, rate) for item in items for rate in item.planned]
    pairs.sort(key=lambda pair: pair[1].valid_from is not None)
    results = run.crm.write_rates([RateChange(item.code, rate.after, rate.valid_from) for item, rate in pairs])
    for (item, rate), result in zip(pairs, results, strict=True):
        if result.error is not None:
            item.planned = [each for each in item.planned if each is not rate]
            day = f" from {rate.valid_from}" if rate.valid_from else ""
            item.verdict = Verdict.from_error(result.error)
            item.notes.append(Note("rate", f"The rate{day} was refused: {result.error.message}"))
    done = [item for item in items if item.planned]
    run.store.audit([_audit(run, item) for item in done])


def _audit(run: RatesRun, item: CurrencyItem) -> AuditEntry:
    return AuditEntry(
        kind=KIND,
        key=item.code,
        system=run.crm.system,
        action="updated",
        target_id=item.code,
        changes=tuple(_changes(item)),
        run_id=run.run_id,
    )


def _changes(item: CurrencyItem) -> list[Change]:
    return [
        Change(
            f"rate from {each.valid_from}" if each.valid_from else "rate now",
            None if each.before is None else plain(each.before),
            plain(each.after),
        )
        for each in item.planned
    ]


def _row(item: CurrencyItem) -> ReportRow:
    if item.verdict is None:
        raise LookupError(f"{item.code} has no verdict")
    return ReportRow(
        crm_id=item.code,
        name=item.code,
        outcome=item.verdict.outcome,
        queue=item.verdict.queue,
        reason=item.verdict.reason,
        currency=item.code,
        notes=tuple(item.notes),
        changes=tuple(_changes(item)),
    )


# -------------------------------------------------------------------- the report


@task(name="Report rates", cache_policy=NO_CACHE, persist_result=False)
def report_rates(run: RatesRun, since: date) -> RunReport:
    """Publish which rates changed and which could not, and see that every currency is accounted for.

    Raises:
        CoverageError: One is not.
    """
    coverage = run.store.coverage(run.run_id)
    report = RunReport(run, coverage)
    rows = report.rows
    counts = outcome_counts(report, "Currencies")
    parts = [
        f"# Rates of {text(run.books.name)} → {run.crm.system}",
        *(["**Dry run: nothing was written.**"] if run.dry_run else []),
        f"Units for one of the CRM's corporate currency, from {since} to {run.today}.",
        counts_table(counts),
        equation(report, coverage),
        _changes_table(rows),
        _remarks_table(rows),
        f"*{requests_line(run, report)}.*",
    ]
    markdown = "\n\n".join(part for part in parts if part)
    create_markdown_artifact(markdown, key=artifact_key(SOURCE, "summary"), description=report.in_words())
    prove(run, coverage, [])
    return report


def _changes_table(rows: Iterable[ReportRow]) -> str:
    body = [
        [text(row.name), text(change.field), change.before or "—", change.after or "—"]
        for row in rows
        for change in row.changes
    ]
    return table(("Currency", "Which", "Before", "After"), body, right={2, 3}) if body else ""


def _remarks_table(rows: Iterable[ReportRow]) -> str:
    body = [
        [text(row.name), text(sentence, SENTENCE_WIDTH)]
        for row in rows
        for sentence in (row.reason, *(note.text for note in row.notes))
        if sentence
    ]
    return table(("Currency", "What to know"), body) if body else ""
