"""Report of a reconciliation: where the systems differ, since when, and whose ownership needs tightening."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Discrepancy
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.ownership import Owner
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_show import SHOWN_TITLES
from prefect_crm_erp.tasks.account_values import title
from prefect_crm_erp.tasks.events import tell_automations
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, SENTENCE_WIDTH, link, stacked, table, text
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.reconcile import RECORD, State, Tally
from prefect_crm_erp.tasks.report import CoverageError, artifact_key
from prefect_crm_erp.tasks.tables import ROWS_SHOWN, counts_table

SOURCE: Final = "reconciliation"
EVENT: Final = "prefect-crm-erp.reconciliation.discrepancies"
"""Emitted once by a reconciliation that finds any, for an automation to notify by."""
_ADVICE: Final = {
    Owner.CRM.value: "The CRM owns it and the ERP changes it again and again: take the right to edit it away there, or "
    "make the ERP its owner in the Account Sync Policy.",
    Owner.ERP.value: "The ERP owns it and the CRM changes it again and again: make it read-only there, or make the CRM "
    "its owner in the Account Sync Policy.",
    Owner.LATEST.value: "Both sides may change it: give it one owner in the Account Sync Policy.",
    "": "Restore the record, or close the one on the other side.",
}


class ReconciliationReport:
    """What a reconciliation has found; `linked` = `in_step` + `differing` + `gone` + `left_alone`.

    Attributes:
        run_id: Identity of the run in the ledger.
        linked: Links between accounts and customers that were looked at.
        in_step: Links whose two sides agree in every field.
        differing: Links that differ in some field.
        gone: Links of which one side was deleted, merged away or closed.
        left_alone: Links that account sync leaves alone on purpose: “Push to ERP” is off, the customer is kept in step
            with another account, or its ERP is not connected any more.
        discrepancies: Fields that differ, and records that are gone.
        repeated: Those of them that so many reconciliations in a row have seen.
        agreed: Fields that differ as agreed on, because one side cannot hold the other's value.
        repeats: How many in a row make a discrepancy a repeated one.

    Example:
        ```python
        report = reconcile(integration=Integration.load("sandbox"))
        for found in report.rows:
            print(found.name, found.field, found.crm_value, found.erp_value, found.owner, found.since, found.times)
        ```
    """

    def __init__(self, run: AccountRun, tally: Tally, repeats: int, repeated: int) -> None:
        self.run_id = run.run_id
        self.linked = tally.linked
        self.in_step = tally.states[State.IN_STEP]
        self.differing = tally.states[State.DIFFERING]
        self.gone = tally.states[State.GONE]
        self.left_alone = tally.states[State.LEFT_ALONE]
        self.discrepancies = tally.discrepancies
        self.agreed = tally.agreed
        self.repeats = repeats
        self.repeated = repeated
        self._ledger = run.integration.ledger
        self._name = run.integration.state_name

    @property
    def passes(self) -> bool:
        """Whether there are zero discrepancies."""
        return self.discrepancies == 0

    @property
    def rows(self) -> list[Discrepancy]:
        """The discrepancies, the most persistent first; those that no later reconciliation has looked at yet."""
        with self._ledger.open().for_integration(self._name) as store:
            return store.discrepancies(CUSTOMER, run_id=self.run_id)

    def in_words(self) -> str:
        """The result as a sentence, for people."""
        if self.passes:
            return f"Zero discrepancies: {_counted(self.linked, 'linked record', 'linked records')}"
        often = f", {self.repeated:,} of them {self.repeats} or more times in a row" if self.repeated else ""
        return (
            f"{_counted(self.discrepancies, 'discrepancy', 'discrepancies')} in {self.differing + self.gone:,} of "
            f"{_counted(self.linked, 'linked record', 'linked records')}{often}"
        )

    def __repr__(self) -> str:
        """The counts."""
        return (
            f"ReconciliationReport(linked={self.linked}, in_step={self.in_step}, differing={self.differing}, "
            f"gone={self.gone}, left_alone={self.left_alone}, discrepancies={self.discrepancies}, "
            f"repeated={self.repeated}, agreed={self.agreed})"
        )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


@task(name="Report discrepancies", cache_policy=NO_CACHE, persist_result=False)
def report_discrepancies(run: AccountRun, tally: Tally, repeats: int, least: int) -> ReconciliationReport:
    """Publish what was found, tell automations of it, and see that every link was looked at.

    Args:
        run: The run.
        tally: What was counted.
        repeats: How many reconciliations in a row make a discrepancy a repeated one.
        least: Links that the ledger has and that must have been looked at.

    Raises:
        CoverageError: Fewer links were looked at.
    """
    if tally.linked < least:
        raise CoverageError(f"The ledger has {least} links and {tally.linked} were looked at; run it again")
    found = run.store.discrepancies(CUSTOMER, run_id=run.run_id, limit=ROWS_SHOWN)
    repeated = run.store.discrepancies(CUSTOMER, run_id=run.run_id, at_least=repeats)
    report = ReconciliationReport(run, tally, repeats, len(repeated))
    _show("summary", _summary(run, report, repeated), report.in_words())
    _show("discrepancies", f"# Discrepancies\n\n{_table(run, found, report)}", "Where both sides differ, since when")
    if not report.passes:
        _emit(run, report)
    return report


def _emit(run: AccountRun, report: ReconciliationReport) -> None:
    tell_automations(
        run,
        EVENT,
        "reconciliation",
        "Reconciliation",
        {
            "summary": report.in_words(),
            "discrepancies": report.discrepancies,
            "repeated": report.repeated,
            "linked": report.linked,
        },
    )


# -------------------------------------------------------------------- tables


def _show(name: str, markdown: str, description: str) -> None:
    create_markdown_artifact(markdown, key=artifact_key(SOURCE, name), description=description)


def _summary(run: AccountRun, report: ReconciliationReport, repeated: Sequence[Discrepancy]) -> str:
    counts = {
        "Linked records": report.linked,
        "In step": report.in_step,
        "Differing": report.differing,
        "Gone": report.gone,
        "Left alone": report.left_alone,
        "Agreed differences": report.agreed,
    }
    sums = f"{report.linked} = {report.in_step} + {report.differing} + {report.gone} + {report.left_alone}"
    return "\n\n".join(
        [
            f"# {run.crm.system} and {' and '.join(sorted({erp.system for erp in run.erps.values()}))} compared",
            f"**{report.in_words()}.** Nothing was written to either.",
            counts_table(counts),
            f"{sums}: every link of the ledger is accounted for.",
            *([_advice_section(repeated, report.repeats)] if repeated else []),
        ]
    )


def _advice_section(repeated: Sequence[Discrepancy], repeats: int) -> str:
    """Fields whose ownership needs tightening, those with most accounts first."""
    counts = Counter((found.field, found.owner) for found in repeated)
    rows = [
        [text(field_title(field)), text(owner or "—"), f"{count:,}", text(_ADVICE[owner], SENTENCE_WIDTH)]
        for (field, owner), count in counts.most_common()
    ]
    shown = table(("Field", "Owner", "Accounts", "What to do"), rows, right={2})
    intro = f"Seen {repeats} or more times in a row: the ownership of these fields needs tightening."
    return f"## Repeated\n\n{intro}\n\n{shown}"


def _table(run: AccountRun, found: Sequence[Discrepancy], report: ReconciliationReport) -> str:
    if not found:
        return "Zero discrepancies."
    head = ("Account and customer", "Field", f"In {run.crm.system}", "In the ERP", "Owner", "Since", "In a row")
    shown = table(head, [_row(run, each, report.repeats) for each in found], right={6})
    count = report.discrepancies
    return f"{shown}\n\nThe first {ROWS_SHOWN} of {count:,}; the ledger has them all." if count > ROWS_SHOWN else shown


def _row(run: AccountRun, found: Discrepancy, repeats: int) -> list[str]:
    erp = run.erps[ErpSlot(found.erp)]
    customer = Customer(key=found.key, erp_id=found.erp_id, name=found.name)
    names = stacked(
        link(found.name, run.crm.url(found.key), NAME_WIDTH), link(found.erp_number or found.erp_id, erp.url(customer))
    )
    return [
        names,
        text(field_title(found.field)),
        text(found.crm_value or "—", NAME_WIDTH),
        text(found.erp_value or "—", NAME_WIDTH),
        text(found.owner or "—"),
        f"{found.since:%Y-%m-%d %H:%M} UTC" if found.since else "",
        f"**{found.times}**" if found.times >= repeats else str(found.times),
    ]


def field_title(field: str) -> str:
    """A compared field as people read it."""
    return "The record itself" if field == RECORD else SHOWN_TITLES.get(field) or title(field)
