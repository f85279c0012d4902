"""Laws of prices by price lists that every ERP connection keeps that tells them."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import pytest

from prefect_crm_erp.blocks.erp.base import ERP
from prefect_crm_erp.models.errors import MissingReferenceError
from prefect_crm_erp.models.outcomes import Rejected
from prefect_crm_erp.models.records import Company, Product

from . import test_erp
from .test_erp import erp

__all__ = ["erp"]


class ErpHarness(test_erp.ErpHarness, Protocol):
    """What the laws need of an ERP besides, where companies keep price lists."""

    def price_list(self, company: Company, *formulas: str, includes_taxes: bool = False) -> str:
        """A new list, by the ERP's own formulas: the last one, and before it some for a hundred pieces and more."""

    def sold_by_the_day(self, company: Company, hourly: str, cost: str = "0") -> Product:
        """A new service that is priced by the hour and sold by the day."""

    def price_on_a_line(self, product: Product, price_list: str, company: Company) -> Decimal | None:
        """What another client gets on the line of a draft order of a list, for one of a product."""


def catalogue(erp: ErpHarness, company: Company) -> list[Product]:
    """The demo's products as a company has them."""
    found = erp.shared.find(Product, erp.skus, company)
    return [found[sku][0] for sku in erp.skus]


def ids(products: list[Product]) -> list[str]:
    return [str(product.erp_id) for product in products]


@pytest.mark.requirement("E01")
def test_a_listed_price_is_the_one_that_a_line_of_an_order_of_that_list_gets(erp: ErpHarness) -> None:
    connection: ERP = erp.shared
    assert connection.capabilities.tells_listed_prices
    seen: set[str] = set()
    for number, company in enumerate(connection.companies()):
        for includes_taxes in (False, True):
            formulas = ("unit_price * 0.5", f"unit_price * 0.{9 - number}3 + 0.01")
            name = erp.price_list(company, *formulas, includes_taxes=includes_taxes)
            products = [*catalogue(erp, company), erp.sold_by_the_day(company, "12.37")]
            told = connection.listed_prices(name.upper(), [*ids(products), "99999999"], company)
            expected = {str(each.erp_id): erp.price_on_a_line(each, name, company) for each in products}
            assert told == expected, (company.name, includes_taxes)
            assert told.keys() == set(ids(products))
            seen |= {str(price) for price in told.values()}
    assert len(seen) >= 20  # the companies, the lists and the products differ


@pytest.mark.requirement("E01")
def test_a_product_whose_formula_fails_or_gives_nothing_has_no_price_and_the_others_have(erp: ErpHarness) -> None:
    connection: ERP = erp.shared
    company = connection.companies()[0]
    name = erp.price_list(company, "list_price * list_price / cost_price")
    free, dear = erp.sold_by_the_day(company, "10.00"), erp.sold_by_the_day(company, "10.00", cost="4.00")
    told = connection.listed_prices(name, [*ids(catalogue(erp, company)), *ids([free, dear])], company)
    assert told == {dear.erp_id: erp.price_on_a_line(dear, name, company)} == {dear.erp_id: Decimal("600.0000")}


@pytest.mark.requirement("E01")
def test_a_list_of_another_company_is_none_of_this_one(erp: ErpHarness) -> None:
    connection: ERP = erp.shared
    here, there, *_ = connection.companies()
    name = erp.price_list(there, "unit_price")
    products = ids(catalogue(erp, there))
    assert len(connection.listed_prices(name, products, there)) == len(products)
    with pytest.raises(MissingReferenceError, match=f"no price list '{name}'"):
        connection.listed_prices(name, products, here)
    assert connection.listed_prices(name, [], there) == {}


@pytest.mark.requirement("E01")
def test_a_list_price_is_of_the_unit_that_is_sold_and_is_not_written_as_of_another_one(erp: ErpHarness) -> None:
    company = erp.shared.companies()[0]
    product = erp.sold_by_the_day(company, "12.37")
    (found,) = erp.shared.read(Product, ids([product]), company)
    assert (found.list_price, found.unit) == (Decimal("296.88"), "Day")
    (result,) = erp.shared.write([found.model_copy(update={"list_price": Decimal(300)})], company)
    assert isinstance(result, Rejected)
    assert "sold by the unit Day" in str(result.error)
    assert erp.shared.read(Product, ids([product]), company) == [found]
