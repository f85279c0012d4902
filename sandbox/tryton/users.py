"""Seeds the users of the ERP."""

from __future__ import annotations

from typing import Final

from proteus import Model

from prefect_crm_erp.sandbox.tryton import approvals
from prefect_crm_erp.sandbox.tryton.seeding import Record, by_xml_id, new, save
from prefect_crm_erp.sandbox.tryton.settings import FINANCE, INTEGRATION, SALES_DIRECTOR, VP_FINANCE, Login

_INTEGRATION_GROUPS: Final = (
    "sale.group_sale",
    "sale.group_sale_admin",
    "sale_amendment.group_sale_amendment",
    "account.group_account",
    "account_payment.group_payment",
    "stock.group_stock",
    "party.group_party_admin",
    "product.group_product_admin",
    "account_product.group_account_product_admin",
)

# Only members of the credit limit group may let an order over the limit pass.
_FINANCE_GROUPS: Final = (
    *_INTEGRATION_GROUPS,
    "account.group_account_admin",
    "account_payment.group_payment_approval",
    "account_credit_limit.group_credit_limit",
)


def create_users(companies: list[Record]) -> None:
    """Create the integration user and those who approve, all with access to all companies."""
    _create_user(INTEGRATION, "CRM Integration", _INTEGRATION_GROUPS, companies)
    _create_user(FINANCE, "Finance", _FINANCE_GROUPS, companies)
    for login, name, groups in (
        (VP_FINANCE, approvals.VP_FINANCE, _FINANCE_GROUPS),
        (SALES_DIRECTOR, approvals.SALES_DIRECTOR, _INTEGRATION_GROUPS),
    ):
        _create_user(login, name, groups, companies, save("res.group", name=name))


def _create_user(
    login: Login, name: str, groups: tuple[str, ...], companies: list[Record], *more_groups: Record
) -> None:
    user = new("res.user", name=name, login=login.user, password=login.password)
    for group in groups:
        user.groups.append(by_xml_id("res.group", group))
    user.groups.extend(more_groups)
    give_companies(user, companies)


def give_companies(user: Record, companies: list[Record]) -> None:
    """Let a user work in all companies at once; without the filter ``all`` the other companies' records are hidden."""
    company_model = Model.get("company.company")
    known = {company.id for company in user.companies}
    for company in companies:
        if company.id not in known:
            user.companies.append(company_model(company.id))
    user.company = companies[0]
    user.company_filter = "all"
    user.save()
