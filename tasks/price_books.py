"""Price books: the ERP's list prices, in the currency of each company's books, become the CRM's standard prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Final, Self

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import AuditEntry, SourceRecord
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.exchange import CrmRates
from prefect_crm_erp.models.money import round_money
from prefect_crm_erp.models.outcomes import Change, Outcome, ReportRow, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.prices import ListPrice, PriceChange, PricedProduct
from prefect_crm_erp.models.records import Company, Product
from prefect_crm_erp.tasks.markdown import NAME_WIDTH, amount, link, table, text
from prefect_crm_erp.tasks.parking import park_named
from prefect_crm_erp.tasks.report import RunReport, artifact_key, equation, prove, requests_line
from prefect_crm_erp.tasks.run import BaseRun
from prefect_crm_erp.tasks.tables import ROWS_SHOWN, counts_table, excluded_table

SOURCE: Final = "list prices"
KIND: Final = "list price"


@dataclass(frozen=True, slots=True)
class Seller:
    """The company whose list prices are those of a currency: the first of the routing that keeps its books in it."""

    slot: ErpSlot
    company: Company


class PricesRun(BaseRun):
    """One run that brings list prices to the CRM; its records are a product's price in one currency."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """Name under which the ledger keeps prices."""
        return KIND

    def record_url(self, key: str) -> str | None:
        """A price is shown at its product."""
        return self.crm.url(key.partition(":")[0])

    def preflight(self) -> Self:
        """Check the ERP connections and their companies.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
            TransientError: An ERP does not answer.
        """
        for slot in {each.erp for each in self.integration.routing.subsidiaries}:
            self.erps[slot].check()
        return self

    def sellers(self, rates: CrmRates) -> dict[str, Seller]:
        """Whose list prices are those of each currency that records of the CRM may be in."""
        found: dict[str, Seller] = {}
        for each in self.integration.routing.subsidiaries:
            company = self.company(each.erp, each.company)
            known = rates.currencies.get(company.currency)
            if known and known.is_active:
                found.setdefault(company.currency, Seller(each.erp, company))
        return found


@dataclass(slots=True)
class PriceItem:
    """A product's price in one currency on its way.

    Attributes:
        product: The CRM's product.
        currency: ISO 4217 code.
        before: The CRM's price; None when it has none in this currency.
        after: The ERP's list price with the currency's decimal places; None when it has none.
        verdict: What became of it; None while its road goes on.
    """

    product: PricedProduct
    currency: str
    before: ListPrice | None = None
    after: Decimal | None = None
    verdict: Verdict | None = None

    @property
    def key(self) -> str:
        """The product's id and the currency."""
        return f"{self.product.crm_id}:{self.currency}"


# -------------------------------------------------------------------- the road


@task(name="Compare list prices", cache_policy=NO_CACHE, persist_result=False)
def compare_prices(
    run: PricesRun, pages: Iterator[Page[PricedProduct]], sellers: Mapping[str, Seller]
) -> list[PriceItem] | None:
    """Read the next page of products, and find out which of their prices have to change; None after the last page.

    Raises:
        TransientError: A system does not answer.
    """
    page = next(pages, None)
    if page is None:
        return None
    items: list[PriceItem] = []
    for currency, seller in sellers.items():
        found = run.erps[seller.slot].find(Product, [each.sku for each in page], seller.company)
        for product in page:
            item = PriceItem(product, currency, product.prices.get(currency))
            _judge(run, item, seller, found.get(product.sku, []))
            items.append(item)
    run.store.note_read(run.run_id, [SourceRecord(item.key, item.product.name) for item in items])
    return items


def _judge(run: PricesRun, item: PriceItem, seller: Seller, found: Sequence[Product]) -> None:
    system = run.erps[seller.slot].system
    active = [each for each in found if each.is_active]
    if not active:
        item.verdict = Verdict.excluded(f"{system} has no active product with this SKU")
    elif not active[0].list_price or active[0].currency != item.currency:
        item.verdict = Verdict.excluded(f"{system} has no list price of it in {seller.company.name}")
    else:
        item.after = round_money(active[0].list_price, item.currency)
        if item.before and item.before.price == item.after:
            item.verdict = Verdict(Outcome.UNCHANGED)


@task(name="Write list prices", cache_policy=NO_CACHE, persist_result=False)
def write_prices(run: PricesRun, items: Sequence[PriceItem]) -> None:
    """Change the prices that differ, add those that are missing, and note what became of each.

    Raises:
        TransientError: The CRM is not available; the next run compares anew.
    """
    changing = [item for item in items if item.verdict is None]
    if not run.dry_run and changing:
        changes = [_change(item) for item in changing]
        for item, result in zip(changing, run.crm.write_prices(changes), strict=True):
            item.verdict = Verdict.from_error(result.error) if result.error else None
        run.store.audit([_audit(run, item) for item in changing if item.verdict is None])
    for item in changing:
        item.verdict = item.verdict or Verdict(Outcome.WRITTEN, "Dry run: it would be written" if run.dry_run else "")
    if not run.dry_run:
        waiting = {item.key: (item.product.name, item.verdict) for item in items if item.verdict and item.verdict.queue}
        park_named(run, waiting, [item.key for item in items])
    run.store.note_outcomes(run.run_id, [_row(run, item) for item in items])


def _change(item: PriceItem) -> PriceChange:
    if item.after is None:
        raise LookupError(f"{item.key} has no price to write")
    return PriceChange(item.product.crm_id, item.currency, item.after, item.before.entry_id if item.before else None)


def _changes(item: PriceItem) -> tuple[Change, ...]:
    if item.verdict is None or item.verdict.outcome is Outcome.WRITTEN:
        return (Change("price", str(item.before.price) if item.before else None, str(item.after)),)
    return ()


def _audit(run: PricesRun, item: PriceItem) -> AuditEntry:
    return AuditEntry(
        kind=KIND,
        key=item.key,
        system=run.crm.system,
        action="updated" if item.before else "created",
        target_id=item.product.crm_id,
        changes=_changes(item),
        run_id=run.run_id,
    )


def _row(run: PricesRun, item: PriceItem) -> ReportRow:
    if item.verdict is None:
        raise LookupError(f"{item.key} has no verdict")
    return ReportRow(
        crm_id=item.key,
        name=f"{item.product.sku} {item.product.name}",
        outcome=item.verdict.outcome,
        queue=item.verdict.queue,
        reason=item.verdict.reason,
        currency=item.currency,
        crm_total=item.before.price if item.before else None,
        erp_total=item.after,
        crm_url=run.crm.url(item.product.crm_id),
        changes=_changes(item),
    )


# -------------------------------------------------------------------- the report


@task(name="Report list prices", cache_policy=NO_CACHE, persist_result=False)
def report_prices(run: PricesRun, sellers: Mapping[str, Seller]) -> RunReport:
    """Publish which prices changed, and see that every one that was read is accounted for.

    Raises:
        CoverageError: One is not.
    """
    coverage = run.store.coverage(run.run_id)
    report = RunReport(run, coverage)
    counts = {
        "Prices": report.source,
        "Would be written" if run.dry_run else "Written": report.written,
        "Unchanged": report.unchanged,
        "Queued": report.queued,
        "Excluded": report.excluded,
    }
    whose = ", ".join(f"{currency} of {text(seller.company.name)}" for currency, seller in sellers.items())
    reasons = _reasons(report)
    parts = [
        f"# List prices → the standard price book of {run.crm.system}",
        *(["**Dry run: nothing was written.**"] if run.dry_run else []),
        f"{whose or 'No currency of a company is active in the CRM'}.",
        counts_table(counts),
        equation(report, coverage),
        _changes_table(report),
        excluded_table(reasons) if reasons else "",
        f"*{requests_line(run, report)}.*",
    ]
    markdown = "\n\n".join(part for part in parts if part)
    create_markdown_artifact(markdown, key=artifact_key(SOURCE, "summary"), description=report.in_words())
    prove(run, coverage, [])
    return report


def _reasons(report: RunReport) -> Counter[str]:
    """Why prices were left alone or refused."""
    return Counter(row.reason for row in report.iter_rows() if row.reason and row.outcome is not Outcome.WRITTEN)


def _changes_table(report: RunReport) -> str:
    body = [
        [
            link(row.name, row.crm_url, NAME_WIDTH),
            amount(row.crm_total, row.currency) or "none",
            amount(row.erp_total, row.currency),
        ]
        for row in islice(report.iter_rows(Outcome.WRITTEN), ROWS_SHOWN)
    ]
    return table(("Product", "Before", "After"), body, right={1, 2}) if body else ""
