"""Report of duplicates: the rates, what two instruments say of them, and the groups with links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.duplicates import CRM, Band, DuplicateRate, Entry, Group
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.duplicates import ACROSS, Census, Findings, labels_of, readable_systems
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, link, stacked, table, text
from prefect_crm_erp.tasks.report import artifact_key
from prefect_crm_erp.tasks.tables import ROWS_SHOWN

SOURCE: Final = "duplicates"
CLEANSE_FIRST: Final = (
    "Integration will create more problems than it solves with this many duplicates. Invest in data cleansing first."
)
"""What the benchmark advises below its typical band."""
_PROPAGATE: Final = "Merge duplicates before records are linked: they propagate across both systems."
_INSTRUMENTS: Final = (
    "*Benchmark: the thresholds of data quality, good below 5 %, typical 5 to 15 %, poor above 15 %. Rubric: the data "
    "quality score of 100 points, 25 below 5 %, 15 up to 10 %, 5 above. They are two instruments and may disagree.*"
)
_RECORDS_SHOWN: Final = 20
"""Records of one group that the table shows."""


class DuplicateReport:
    """What a search for duplicates has found.

    Attributes:
        run_id: Identity of the run in the ledger.
        records: Records of all systems.
        incomparable: Those with neither VAT number nor postal code, of which nothing can be said.
        unread: Systems that cannot be read as a whole.
        rates: The rate of each system, then the one across all of them, in which linked records count as one.
        inside: The groups of each system, by its name, the most certain first.
        across: Groups with accounts and customers that look alike and are not linked.

    Example:
        ```python
        report = duplicate_report(integration=Integration.load("sandbox"))
        for rate in report.rates:
            print(rate.scope, rate.percent, rate.band.value, rate.points)
        ```
    """

    def __init__(self, run: AccountRun, census: Census, findings: Findings) -> None:
        labels = labels_of(run)
        self.run_id = run.run_id
        self.records = census.count
        self.incomparable = census.incomparable
        self.unread = tuple(label for system, label in labels.items() if system not in readable_systems(run))
        self.rates = tuple(findings.rates)
        self.inside = {labels[system]: list(found.groups) for system, found in findings.inside.items()}
        self.across = list(findings.across)

    @property
    def is_below_typical(self) -> bool:
        """Whether one of the rates is worse than the benchmark's typical band."""
        return any(rate.band is Band.POOR for rate in self.rates)

    def rate(self, scope: str) -> DuplicateRate:
        """The rate of a system, by its name, or the one `across all systems`."""
        return next(rate for rate in self.rates if rate.scope == scope)

    def in_words(self) -> str:
        """The rates as a sentence, for people."""
        shown = ", ".join(
            f"{rate.percent} % {'' if rate.scope == ACROSS else 'in '}{rate.scope}" for rate in self.rates
        )
        alike = f"; {len(self.across):,} to link" if self.across else ""
        return f"{self.records:,} records, duplicates: {shown}{alike}"

    def __repr__(self) -> str:
        """The rates."""
        return f"DuplicateReport({self.in_words()})"


@task(name="Report duplicates", cache_policy=NO_CACHE, persist_result=False)
def report_duplicates(run: AccountRun, census: Census, findings: Findings) -> DuplicateReport:
    """Publish the rates and the groups."""
    report = DuplicateReport(run, census, findings)
    _show("summary", _summary(report), report.in_words())
    _show("groups", f"# Groups\n\n{_sections(run, report)}", "Records that look alike, the most certain first")
    return report


def _show(name: str, markdown: str, description: str) -> None:
    create_markdown_artifact(markdown, key=artifact_key(SOURCE, name), description=description)


# -------------------------------------------------------------------- tables


def _summary(report: DuplicateReport) -> str:
    found = report.across or any(report.inside.values())
    remarks = [
        f"**{CLEANSE_FIRST}**" if report.is_below_typical else "",
        _PROPAGATE if found else "",
        f"{report.incomparable:,} records have neither VAT number nor postal code: nothing can be said of them."
        if report.incomparable
        else "",
        f"Not looked at, because they cannot be read as a whole: {text(', '.join(report.unread))}."
        if report.unread
        else "",
    ]
    parts = ["# Duplicates", _rates_table(report), *remarks, _INSTRUMENTS]
    return "\n\n".join(part for part in parts if part)


def _rates_table(report: DuplicateReport) -> str:
    rows = [
        [
            text(rate.scope),
            f"{rate.records:,}",
            f"{rate.surplus:,}",
            f"{rate.percent} %",
            rate.band.value,
            f"{rate.points} of 25",
        ]
        for rate in report.rates
    ]
    return table(("Where", "Records", "Duplicates", "Rate", "Benchmark", "Rubric"), rows, right={1, 2, 3, 5})


def _sections(run: AccountRun, report: DuplicateReport) -> str:
    named = {"Alike in both systems and not linked": report.across}
    named |= {f"In {label}": groups for label, groups in report.inside.items()}
    shown = [f"## {title}\n\n{_groups_table(run, groups)}" for title, groups in named.items() if groups]
    return "\n\n".join(shown) or "No duplicates."


def _groups_table(run: AccountRun, groups: Sequence[Group]) -> str:
    labels = labels_of(run)
    rows = [[text(group.likeness.value), _records(run, group, labels)] for group in groups[:ROWS_SHOWN]]
    shown = table(("Why", "Records"), rows)
    return f"{shown}\n\nThe first {ROWS_SHOWN} of {len(groups):,}." if len(groups) > ROWS_SHOWN else shown


def _records(run: AccountRun, group: Group, labels: dict[str, str]) -> str:
    entries = group.entries
    cells = [_record(run, entry, labels[entry.system]) for entry in entries[:_RECORDS_SHOWN]]
    more = len(entries) - len(cells)
    return stacked(*cells, f"and {more:,} more" if more else "")


def _record(run: AccountRun, entry: Entry, label: str) -> str:
    about = ", ".join(filter(None, (label, entry.number, entry.vat, entry.postcode)))
    return f"{link(entry.name[:NAME_WIDTH], _url(run, entry))} ({text(about)})"


def _url(run: AccountRun, entry: Entry) -> str | None:
    if entry.system == CRM:
        return run.crm.url(entry.id)
    return run.erps[ErpSlot(entry.system)].url(Customer(erp_id=entry.id, name=entry.name))
