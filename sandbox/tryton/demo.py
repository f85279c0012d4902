"""Seeds the variant ``demo``: taxes on categories, products with prices, customers, opening stock."""

from __future__ import annotations

import datetime as dt

from proteus import Model

from prefect_crm_erp.sandbox.tryton.base import CATEGORIES, address_values
from prefect_crm_erp.sandbox.tryton.companies import COMPANIES, CompanyProfile
from prefect_crm_erp.sandbox.tryton.demo_data import CUSTOMERS, PLENTY, PRODUCTS, Customer, Product
from prefect_crm_erp.sandbox.tryton.seeding import Record, find, new, same, working_for


def seed_demo(year: int) -> None:
    """Seed what Northlight Instruments has on the first day of the year.

    Args:
        year: The current year.
    """
    companies = {profile.code: _company(profile) for profile in COMPANIES}
    _tax_categories(companies)
    products = _create_products(companies)
    _create_customers(companies)
    for code, company in companies.items():
        with working_for(company):
            _stock_up(code, company, products, dt.date(year, 1, 1))


def _company(profile: CompanyProfile) -> Record:
    return find("company.company", ("party.name", "=", profile.name))


def _tax_categories(companies: dict[str, Record]) -> None:
    """Let every product bear the tax of the company that sells it; tax rules then look at the customer."""
    for name in CATEGORIES:
        category = find("product.category", ("name", "=", name))
        for profile in COMPANIES:
            company = companies[profile.code]
            tax = find("account.tax", ("company", "=", company.id), ("name", "=", profile.tax[0]))
            category.customer_taxes.append(tax)
        category.save()


def _create_products(companies: dict[str, Record]) -> list[Record]:
    templates = [_template(product) for product in PRODUCTS]
    Model.get("product.template").save(templates)
    for code, company in companies.items():
        with working_for(company):
            _price(templates, code)
    return [template.products[0] for template in templates]


def _template(product: Product) -> Record:
    template = new(
        "product.template",
        name=product.name,
        code=product.sku,
        type="service" if product.service else "goods",
        default_uom=find("product.uom", ("name", "=", product.unit)),
        account_category=find("product.category", ("name", "=", CATEGORIES[product.service])),
    )
    template.salable = True
    return template


def _price(templates: list[Record], company_code: str) -> None:
    priced = [same(template) for template in templates]
    for template, product in zip(priced, PRODUCTS, strict=True):
        template.list_price = product.prices[company_code]
    Model.get("product.template").save(priced)


def _create_customers(companies: dict[str, Record]) -> None:
    for customer in CUSTOMERS:
        party = _party(customer)
        if customer.credit_limit:
            company_code, limit = customer.credit_limit
            with working_for(companies[company_code]):
                limited = same(party)
                limited.credit_limit_amount = limit
                limited.save()


def _party(customer: Customer) -> Record:
    party = new("party.party", name=customer.name)
    party.addresses.pop()
    party.addresses.new(invoice=True, delivery=True, **address_values(customer.address))
    if customer.vat_number:
        kind = f"{customer.address.country.lower()}_vat"
        party.identifiers.new(type=kind if kind == "gb_vat" else "eu_vat", code=customer.vat_number)
    if customer.email:
        party.contact_mechanisms.new(type="email", value=customer.email)
    party.customer_payment_term = find("account.invoice.payment_term", ("name", "=", customer.payment_term))
    party.save()
    return party


def _stock_up(company_code: str, company: Record, products: list[Record], day: dt.date) -> None:
    warehouse = find("stock.location", ("type", "=", "warehouse"), ("code", "=", company_code))
    inventory = new("stock.inventory", company=company, location=warehouse.storage_location, date=day)
    for product, record in zip(PRODUCTS, products, strict=True):
        if not product.service:
            quantity = (product.scarce or {}).get(company_code, PLENTY)
            inventory.lines.new(product=record, quantity=float(quantity))
    inventory.save()
    inventory.click("confirm")
