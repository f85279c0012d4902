"""Report of collection: orders against what was invoiced and what came in, by owner, subsidiary and account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.models.collection import Collected
from prefect_crm_erp.tasks.collection import COUNTED, CollectionSums, Place
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, amount, link, table, text
from prefect_crm_erp.tasks.report import artifact_key
from prefect_crm_erp.tasks.tables import ROWS_SHOWN

SOURCE: Final = "collection"
NOBODY: Final = "(no account in the CRM)"
"""Stands for accounts and owners of customers whose documents stay in the ERP."""

Sums = Mapping[tuple[str, str], Collected]
"""Sums by name or id, and by currency."""


class CollectionReport:
    """What was ordered over a period, invoiced and collected. Amounts are with tax, each currency by itself.

    Attributes:
        run_id: Identity of the run in the ledger.
        period: The days that the report is about.
        by_owner: Sums by name of the account's owner, and by currency.
        by_subsidiary: Sums by name of the subsidiary, and by currency.
        by_account: Sums by 18-character id of the account, and by currency.
        totals: Sums of everything, by currency.

    Example:
        ```python
        report = collection_report(integration=Integration.load("sandbox"), month="2026-03")
        for (owner, currency), sums in report.by_owner.items():
            print(owner, currency, sums.ordered, sums.invoiced, sums.collected, sums.share)
        ```
    """

    def __init__(self, run: DocumentRun, sums: CollectionSums) -> None:
        self.run_id = run.run_id
        self.period = sums.period
        self.by_owner: Sums = _sorted(sums.by(lambda place: _owner(sums, place)))
        self.by_subsidiary: Sums = _sorted(sums.by(lambda place: _subsidiary(sums, place)))
        self.by_account: Sums = _sorted(sums.by(lambda place: place.account or NOBODY))
        self.totals = {currency: all_ for (_, currency), all_ in _sorted(sums.by(lambda _: "")).items()}

    def in_words(self) -> str:
        """The sums as a sentence, for people."""
        told = [
            f"{amount(each.ordered, currency)} ordered, {amount(each.invoiced, currency)} invoiced, "
            f"{amount(each.collected, currency)} collected"
            for currency, each in self.totals.items()
        ]
        return f"{self.period}: {'; '.join(told) or 'nothing was ordered, invoiced or collected'}"

    def __repr__(self) -> str:
        """The sums."""
        return f"CollectionReport({self.in_words()})"


def _owner(sums: CollectionSums, place: Place) -> str:
    owner = sums.owners.get(place.account or "")
    return owner.name if owner else NOBODY


def _subsidiary(sums: CollectionSums, place: Place) -> str:
    return sums.subsidiaries.get((place.erp, place.company), f"{place.erp}: {place.company}")


def _sorted(sums: Sums) -> dict[tuple[str, str], Collected]:
    """The largest orders first, currency by currency."""
    return dict(sorted(sums.items(), key=lambda each: (each[0][1], -each[1].ordered, each[0][0])))


@task(name="Report collection", cache_policy=NO_CACHE, persist_result=False)
def report_collection(run: DocumentRun, sums: CollectionSums) -> CollectionReport:
    """Publish the sums as tables."""
    report = CollectionReport(run, sums)
    accounts = {key: account.name or key for key, account in sums.accounts.items()}
    sections = {
        "In all": _table("", {("", currency): each for currency, each in report.totals.items()}, text),
        "By owner of the account": _table("Owner", report.by_owner, text),
        "By subsidiary": _table("Subsidiary", report.by_subsidiary, text),
        "By account": _table("Account", report.by_account, lambda key: _account(run, accounts, key)),
    }
    parts = [f"# Orders and collection, {report.period}", _as_of(run)]
    parts += [f"## {title}\n\n{shown}" for title, shown in sections.items() if report.totals]
    create_markdown_artifact("\n\n".join(parts), key=artifact_key(SOURCE, "summary"), description=report.in_words())
    return report


def _account(run: DocumentRun, names: Mapping[str, str], key: str) -> str:
    return link(names.get(key, key), run.crm.url(key) if key in names else None, NAME_WIDTH)


def _as_of(run: DocumentRun) -> str:
    """How fresh the sums are: the ledger knows what the last runs over documents have read."""
    read = [run.store.watermark(run.stream(slot, what)) for slot in run.used_slots for what in COUNTED]
    if None in read:
        return "**Not all documents were read yet: run order-status-sync and invoice-back-sync first.**"
    oldest = min(each.modified_at for each in read if each)
    return (
        "Totals with tax in the currency of each document; nothing is converted. An order counts on the day on which "
        "it was placed, an invoice on its date, a payment on the day on which it came. Changes of documents are taken "
        f"in up to {oldest:%Y-%m-%d %H:%M} UTC at least."
    )


def _table(what: str, sums: Sums, shown: Callable[[str], str]) -> str:
    rows = [
        [
            shown(name),
            amount(each.ordered, currency),
            amount(each.invoiced, currency),
            amount(each.collected, currency),
            _percent(each.share),
            _percent(each.invoiced_share),
        ]
        for (name, currency), each in list(sums.items())[:ROWS_SHOWN]
    ]
    head = (what, "Ordered", "Invoiced", "Collected", "of ordered", "of invoiced")
    made = table(head, rows, right={1, 2, 3, 4, 5})
    return f"{made}\n\nThe first {ROWS_SHOWN} of {len(sums):,}." if len(sums) > ROWS_SHOWN else made


def _percent(share: Decimal | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %"
