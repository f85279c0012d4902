"""Where prices come from: which company's prices, and by which price list, are those of a price book and currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Self

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import AuditEntry
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.capabilities import OrderSettings
from prefect_crm_erp.models.errors import RecordError
from prefect_crm_erp.models.exchange import CrmRates
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.prices import PriceBook
from prefect_crm_erp.models.records import Company, Product
from prefect_crm_erp.tasks.run import BaseRun

KIND: Final = "list price"
BOOK_KIND: Final = "price book"
_NAME_IN_KEY: Final = 100


@dataclass(frozen=True, slots=True)
class Seller:
    """The company whose prices are those of a price book in a currency.

    Attributes:
        slot: Its ERP connection.
        company: The first of the routing that keeps its books in the currency, and names the price list if any.
        price_list: Name of the ERP's price list and of the CRM's price book; None for the standard price book.
        book: 18-character id of the price book; None for the standard one, and for one that is not there yet.
        is_new: Whether this run makes the price book; in a dry run, whether it would.
        trouble: Why no price can be brought to the price book; empty when they can.
    """

    slot: ErpSlot
    company: Company
    price_list: str | None = None
    book: str | None = None
    is_new: bool = False
    trouble: str = ""

    @property
    def currency(self) -> str:
        """ISO 4217 code of its prices."""
        return self.company.currency


def price_key(product: str, seller: Seller) -> str:
    """Key of a product's price: `product:currency`, and `product:currency:book` but for the standard price book.

    Args:
        product: 18-character id of the CRM's product.
        seller: Whose price it is. A price book without id is named.
    """
    key = f"{product}:{seller.currency}"
    return f"{key}:{_place_of(seller)}" if seller.price_list else key


def book_of(key: str, sellers: Sequence[Seller]) -> str | None:
    """Name of the price book that a price's key speaks of; None for the standard one."""
    place = key.split(":", 2)[2:]
    return next((each.price_list for each in sellers if [_place_of(each)] == place), None)


def _place_of(seller: Seller) -> str:
    return seller.book or (seller.price_list or "")[:_NAME_IN_KEY]


class PricesRun(BaseRun):
    """One run that brings prices to the CRM; its records are a product's price in one price book and currency."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """Name under which the ledger keeps prices."""
        return KIND

    def record_url(self, key: str) -> str | None:
        """A price is shown at its product."""
        return self.crm.url(key.partition(":")[0])

    def preflight(self) -> Self:
        """Check the ERP connections, their companies and the price lists that subsidiaries name.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
            TransientError: An ERP does not answer.
        """
        for slot in {each.erp for each in self.integration.routing.subsidiaries}:
            self.erps[slot].check()
        for each in self.integration.routing.subsidiaries:
            if each.price_list:
                self.check_settings(each, OrderSettings(each.price_list))
        return self

    def sellers(self, rates: CrmRates) -> list[Seller]:
        """Whose prices are those of each price book and currency that records of the CRM may be in, standard first.

        One price list is one price book, however many companies have a list of that name.
        """
        standard: dict[str, Seller] = {}
        listed: dict[tuple[str, str], Seller] = {}
        names: dict[str, str] = {}
        for each in self.integration.routing.subsidiaries:
            company = self.company(each.erp, each.company)
            known = rates.currencies.get(company.currency)
            if known is None or not known.is_active:
                continue
            standard.setdefault(company.currency, Seller(each.erp, company))
            if each.price_list:
                folded = fold(each.price_list)
                name = names.setdefault(folded, each.price_list)
                listed.setdefault((folded, company.currency), Seller(each.erp, company, name))
        return [*standard.values(), *listed.values()]


# -------------------------------------------------------------------- price books


@task(name="Open price books", cache_policy=NO_CACHE, persist_result=False)
def open_books(run: PricesRun, sellers: Sequence[Seller]) -> list[Seller]:
    """Find the price book of each price list, and make those that are missing; a dry run makes none.

    Returns:
        The sellers with their price books, or with the reason why there is none that prices can be brought to.

    Raises:
        TransientError: The CRM is not available.
    """
    names = list(dict.fromkeys(each.price_list for each in sellers if each.price_list))
    found = run.crm.price_books(names) if names else {}
    opened: dict[str, Seller] = {}
    return [_placed(run, each, found, opened) for each in sellers]


def _placed(
    run: PricesRun, seller: Seller, found: Mapping[str, Sequence[PriceBook]], opened: dict[str, Seller]
) -> Seller:
    name, erp = seller.price_list, run.erps[seller.slot]
    if name is None:
        return seller
    if not erp.capabilities.tells_listed_prices:
        return replace(seller, trouble=f"The {erp.system} connector does not tell prices of price lists")
    if name not in opened:
        opened[name] = _opened(run, seller, name, found.get(name, []))
    one = opened[name]
    return replace(seller, book=one.book, is_new=one.is_new, trouble=one.trouble)


def _opened(run: PricesRun, seller: Seller, name: str, found: Sequence[PriceBook]) -> Seller:
    system = run.crm.system
    if found:
        trouble = book_trouble(found, system)
        in_use = [each.crm_id for each in found if not each.is_archived]
        return replace(seller, trouble=trouble, book=None if trouble else in_use[0])
    if run.dry_run:
        return replace(seller, is_new=True)
    try:
        book = run.crm.add_price_book(name)
    except RecordError as error:
        return replace(seller, trouble=f"The price book {name!r} cannot be made: {error}")
    entry = AuditEntry(BOOK_KIND, book.crm_id, system, "created", target_id=book.crm_id, run_id=run.run_id)
    run.store.audit([entry])
    return replace(seller, book=book.crm_id, is_new=True)


def book_trouble(found: Sequence[PriceBook], system: str) -> str:
    """Why none of the price books of one name can be used; empty when one can.

    Example:
        >>> book_trouble([PriceBook("01s000000000001AAA", "Dealers", is_active=False)], "Salesforce")
        "The price book 'Dealers' is inactive in Salesforce; activate it there"
    """
    name = found[0].name
    in_use = [each for each in found if not each.is_archived]
    if not in_use:
        return f"The price book {name!r} is archived in {system}; make another one of this name there"
    if len(in_use) > 1:
        return f"{system} has {len(in_use)} price books {name!r}; rename all but one of them there"
    return "" if in_use[0].is_active else f"The price book {name!r} is inactive in {system}; activate it there"


# -------------------------------------------------------------------- prices


class Offers:
    """What the ERPs ask for the products of a page; each company and each of its price lists is asked once.

    Args:
        run: The run.
        skus: SKUs of the page.
    """

    def __init__(self, run: PricesRun, skus: Sequence[str]) -> None:
        self._run = run
        self._skus = skus
        self._products: dict[tuple[ErpSlot, str], dict[str, Product]] = {}

    def products(self, seller: Seller) -> dict[str, Product]:
        """The active products that the seller has, by SKU."""
        key = (seller.slot, seller.company.id)
        if key not in self._products:
            found = self._run.erps[seller.slot].find(Product, self._skus, seller.company)
            active = {sku: [each for each in some if each.is_active] for sku, some in found.items()}
            self._products[key] = {sku: some[0] for sku, some in active.items() if some}
        return self._products[key]

    def prices(self, seller: Seller) -> dict[str, Decimal]:
        """Prices of these products by SKU, in the seller's currency; those without one are left out."""
        products = self.products(seller)
        if seller.price_list is None:
            return {
                sku: each.list_price
                for sku, each in products.items()
                if each.list_price and each.currency == seller.currency
            }
        ids = {str(each.erp_id): sku for sku, each in products.items()}
        told = self._run.erps[seller.slot].listed_prices(seller.price_list, list(ids), seller.company) if ids else {}
        return {ids[erp_id]: price for erp_id, price in told.items()}
