"""Price books: the ERP's list prices and price lists, in the currency of each company's books, become the CRM's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import AuditEntry, SourceRecord
from prefect_crm_erp.models.money import round_money
from prefect_crm_erp.models.outcomes import Change, Outcome, ReportRow, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.prices import ListPrice, PriceChange, PricedProduct
from prefect_crm_erp.tasks.parking import park_named
from prefect_crm_erp.tasks.price_sources import KIND, Offers, PricesRun, Seller, price_key


@dataclass(slots=True)
class PriceItem:
    """A product's price in one price book and currency on its way.

    Attributes:
        product: The CRM's product.
        seller: Whose price it is, and which price book it is for.
        before: The CRM's price; None when it has none there.
        after: The ERP's price with the currency's decimal places; None when it has none.
        verdict: What became of it; None while its road goes on.
    """

    product: PricedProduct
    seller: Seller
    before: ListPrice | None = None
    after: Decimal | None = None
    verdict: Verdict | None = None

    @property
    def currency(self) -> str:
        """ISO 4217 code."""
        return self.seller.currency

    @property
    def key(self) -> str:
        """The product's id, the currency and, but for the standard one, the price book: its id, or name without one."""
        return price_key(self.product.crm_id, self.seller)

    @property
    def name(self) -> str:
        """What people call it."""
        book = f", {self.seller.price_list}" if self.seller.price_list else ""
        return f"{self.product.sku} {self.product.name}{book}"


# -------------------------------------------------------------------- the road


@task(name="Compare list prices", cache_policy=NO_CACHE, persist_result=False)
def compare_prices(
    run: PricesRun, pages: Iterator[Page[PricedProduct]], sellers: Sequence[Seller]
) -> list[PriceItem] | None:
    """Read the next page of products, and find out which of their prices have to change; None after the last page.

    Raises:
        TransientError: A system does not answer.
    """
    page = next(pages, None)
    if page is None:
        return None
    offers = Offers(run, [each.sku for each in page])
    standard: dict[str, PriceItem] = {}
    items: list[PriceItem] = []
    for seller in sellers:
        compared = [PriceItem(product, seller, _now(product, seller)) for product in page]
        _judge_all(run, compared, seller, offers)
        for item in compared:
            _refuse_before_standard(run, item, standard)
        items += compared
    run.store.note_read(run.run_id, [SourceRecord(item.key, item.name) for item in items])
    return items


def _now(product: PricedProduct, seller: Seller) -> ListPrice | None:
    if seller.price_list and seller.book is None:
        return None
    return product.prices.get((seller.book, seller.currency))


def _judge_all(run: PricesRun, items: Sequence[PriceItem], seller: Seller, offers: Offers) -> None:
    if seller.trouble:
        for item in items:
            item.verdict = Verdict.excluded(seller.trouble)
        return
    products, prices = offers.products(seller), offers.prices(seller)
    for item in items:
        if item.product.sku in products:
            _judge(run, item, prices.get(item.product.sku))
        else:
            system = run.erps[seller.slot].system
            item.verdict = Verdict.excluded(f"{system} has no active product with this SKU")


def _judge(run: PricesRun, item: PriceItem, price: Decimal | None) -> None:
    price = None if price is None else round_money(price, item.currency)
    if not price or price < 0:
        item.verdict = Verdict.excluded(_no_price(run, item.seller))
        return
    item.after = price
    if item.before and item.before.price == price and not item.before.follows_standard:
        item.verdict = Verdict(Outcome.UNCHANGED)


def _no_price(run: PricesRun, seller: Seller) -> str:
    system, company = run.erps[seller.slot].system, seller.company.name
    if seller.price_list is None:
        return f"{system} has no list price of it in {company}"
    return f"{system} gives it no price by the price list {seller.price_list!r} of {company}"


def _refuse_before_standard(run: PricesRun, item: PriceItem, standard: dict[str, PriceItem]) -> None:
    """A price of another book needs a standard price in its currency, which this run does not always bring."""
    place = f"{item.product.crm_id}:{item.currency}"
    if item.seller.price_list is None:
        standard[place] = item
        return
    first = standard[place]
    if item.verdict is None and item.before is None and first.before is None and first.verdict is not None:
        item.verdict = Verdict.excluded(
            f"{run.crm.system} takes it only after a standard price in {item.currency}, and {first.verdict.reason}"
        )


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
        waiting = {item.key: (item.name, item.verdict) for item in items if item.verdict and item.verdict.queue}
        park_named(run, waiting, [item.key for item in items])
    run.store.note_outcomes(run.run_id, [_row(run, item) for item in items])


def _change(item: PriceItem) -> PriceChange:
    if item.after is None:
        raise LookupError(f"{item.key} has no price to write")
    entry_id = item.before.entry_id if item.before else None
    return PriceChange(item.product.crm_id, item.currency, item.after, entry_id, item.seller.book)


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
        name=item.name,
        outcome=item.verdict.outcome,
        queue=item.verdict.queue,
        reason=item.verdict.reason,
        currency=item.currency,
        crm_total=item.before.price if item.before else None,
        erp_total=item.after,
        crm_url=run.crm.url(item.product.crm_id),
        changes=_changes(item),
    )
