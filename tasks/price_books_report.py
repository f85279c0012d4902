"""What a run that brings prices to the CRM says at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.models.outcomes import Outcome
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, amount, link, table, text
from prefect_crm_erp.tasks.price_sources import PricesRun, Seller, book_of
from prefect_crm_erp.tasks.report import RunReport, artifact_key, equation, outcome_counts, prove, requests_line
from prefect_crm_erp.tasks.tables import ROWS_SHOWN, counts_table, excluded_table

SOURCE: Final = "list prices"
STANDARD: Final = "Standard price book"


@task(name="Report list prices", cache_policy=NO_CACHE, persist_result=False)
def report_prices(run: PricesRun, sellers: Sequence[Seller]) -> RunReport:
    """Publish which prices changed, and see that every one that was read is accounted for.

    Raises:
        CoverageError: One is not.
    """
    coverage = run.store.coverage(run.run_id)
    report = RunReport(run, coverage)
    counts = outcome_counts(report, "Prices")
    reasons = _reasons(report)
    parts = [
        f"# List prices → the price books of {run.crm.system}",
        *(["**Dry run: nothing was written.**"] if run.dry_run else []),
        _books_table(run, sellers) or "No currency of a company is active in the CRM.",
        counts_table(counts),
        equation(report, coverage),
        _changes_table(report, sellers),
        excluded_table(reasons) if reasons else "",
        f"*{requests_line(run, report)}.*",
    ]
    markdown = "\n\n".join(part for part in parts if part)
    create_markdown_artifact(markdown, key=artifact_key(SOURCE, "summary"), description=report.in_words())
    prove(run, coverage, [])
    return report


def _books_table(run: PricesRun, sellers: Sequence[Seller]) -> str:
    body = [
        [text(each.price_list or STANDARD), each.currency, text(each.company.name), text(_state(run, each))]
        for each in sellers
    ]
    return table(("Price book", "Currency", "Prices of", ""), body) if body else ""


def _state(run: PricesRun, seller: Seller) -> str:
    if seller.is_new:
        return "would be created" if run.dry_run else "created"
    return f"left alone: {seller.trouble}" if seller.trouble else ""


def _reasons(report: RunReport) -> Counter[str]:
    """Why prices were left alone or refused."""
    return Counter(row.reason for row in report.iter_rows() if row.reason and row.outcome is not Outcome.WRITTEN)


def _changes_table(report: RunReport, sellers: Sequence[Seller]) -> str:
    body = [
        [
            link(row.name, row.crm_url, NAME_WIDTH),
            text(book_of(row.crm_id, sellers) or STANDARD),
            amount(row.crm_total, row.currency) or "none",
            amount(row.erp_total, row.currency),
        ]
        for row in islice(report.iter_rows(Outcome.WRITTEN), ROWS_SHOWN)
    ]
    return table(("Product", "Price book", "Before", "After"), body, right={2, 3}) if body else ""
