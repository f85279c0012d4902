"""Seeds what both variants share: money, companies with their books, warehouses, product categories, users."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from proteus import Wizard

from prefect_crm_erp.sandbox.tryton.books import account_of, open_books
from prefect_crm_erp.sandbox.tryton.companies import COMPANIES, Address, CompanyProfile
from prefect_crm_erp.sandbox.tryton.money import create_currencies, create_payment_terms
from prefect_crm_erp.sandbox.tryton.seeding import (
    Record,
    by_xml_id,
    find,
    new,
    reconnect,
    same,
    save,
    working_for,
)
from prefect_crm_erp.sandbox.tryton.settings import ADMINISTRATOR
from prefect_crm_erp.sandbox.tryton.users import create_users, give_companies

CATEGORIES: Final = ("Goods", "Services")
"""The accounting categories of products."""

RELATION_TYPES: Final = ("is subsidiary of", "is parent of")
"""How two parties of one group of companies relate, from either side."""


def seed_base(year: int) -> None:
    """Seed master data and companies; no customers, no products.

    Args:
        year: The current year. The books are open for it and for its neighbours, so that a sandbox that is built
            in December still works in January.
    """
    currencies = create_currencies(dt.date(year, 1, 1))
    create_payment_terms()
    _create_relation_types()
    companies = {profile: _create_company(profile, currencies) for profile in COMPANIES}
    give_companies(find("res.user", ("login", "=", ADMINISTRATOR.user)), list(companies.values()))
    reconnect()
    for profile, company in companies.items():
        with working_for(company):
            open_books(profile, company, range(year - 1, year + 2))
    _create_categories(list(companies.values()))
    _create_warehouses(companies)
    create_users(list(companies.values()))


def _create_company(profile: CompanyProfile, currencies: dict[str, Record]) -> Record:
    party = new("party.party", name=profile.name)
    party.addresses.pop()
    party.addresses.new(**address_values(profile.address))
    party.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party = party
    wizard.form.currency = currencies[profile.currency]
    wizard.execute("add")
    return find("company.company", ("party", "=", party.id))


def address_values(address: Address) -> dict[str, Any]:
    """Field values of a ``party.address``."""
    values = {
        "street": address.street,
        "city": address.city,
        "postal_code": address.postal_code,
        "country": find("country.country", ("code", "=", address.country)),
    }
    if address.subdivision:
        values["subdivision"] = find("country.subdivision", ("code", "=", address.subdivision))
    return values


def _create_relation_types() -> None:
    """Create the relation of a subsidiary to its parent; Tryton shows its reverse at the parent by itself."""
    subsidiary, parent = (save("party.relation.type", name=name) for name in RELATION_TYPES)
    for one, other in ((subsidiary, parent), (parent, subsidiary)):
        one.reverse = other
        one.save()


def _create_categories(companies: list[Record]) -> None:
    for name in CATEGORIES:
        category = save("product.category", name=name, accounting=True)
        for company in companies:
            with working_for(company):
                mine = same(category)
                mine.account_revenue = account_of(company, ("type.revenue", "=", True))
                mine.account_expense = account_of(company, ("type.expense", "=", True))
                mine.save()


def _create_warehouses(companies: dict[CompanyProfile, Record]) -> None:
    """Create a warehouse per company, at the company's own address; the one that Tryton brings becomes the first."""
    first = by_xml_id("stock.location", "stock.location_warehouse")
    for position, (profile, company) in enumerate(companies.items()):
        warehouse = first if position == 0 else _new_warehouse(profile, first)
        warehouse.name = profile.warehouse
        warehouse.code = profile.code
        warehouse.address = company.party.addresses[0]
        warehouse.save()


def _new_warehouse(profile: CompanyProfile, pattern: Record) -> Record:
    zones = {
        zone: save("stock.location", name=name, code=f"{code} {profile.code}", type="storage")
        for zone, name, code in (
            ("input_location", "Input Zone", "IN"),
            ("output_location", "Output Zone", "OUT"),
            ("storage_location", "Storage Zone", "STO"),
        )
    }
    return new("stock.location", type="warehouse", lost_found_location=pattern.lost_found_location, **zones)
