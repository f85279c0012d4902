"""Seeds the books of a company: chart of accounts, fiscal years, taxes with their rule, numbering."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from proteus import Model, Wizard
from trytond.modules.country.scripts.import_countries import ORGANIZATIONS

from prefect_crm_erp.sandbox.tryton.companies import CompanyProfile
from prefect_crm_erp.sandbox.tryton.seeding import Record, by_xml_id, find, new, save

# Codes in Tryton's universal chart of accounts.
_CASH_ACCOUNT: Final = "1.1.1"
_TAX_ACCOUNT: Final = "6.3.6"
_EXCHANGE_ACCOUNT: Final = "6.2.1"


def open_books(profile: CompanyProfile, company: Record, years: range) -> None:
    """Give a company everything that it needs to sell and to invoice; call it while working for the company."""
    _create_chart(company)
    for year in years:
        _open_fiscal_year(profile, company, year)
    _create_tax_rule(profile, company, account_of(company, ("code", "=", _TAX_ACCOUNT)))
    _number_sales(profile, company)
    _book_exchange_differences(account_of(company, ("code", "=", _EXCHANGE_ACCOUNT)))
    _create_payment_method(profile, company, account_of(company, ("code", "=", _CASH_ACCOUNT)))


def account_of(company: Record, *domain: Any) -> Record:
    """The first open account of a company in a domain, such as ``("type.revenue", "=", True)``."""
    accounts = Model.get("account.account").find(
        [("company", "=", company.id), ("closed", "!=", True), *domain], limit=1
    )
    return accounts[0]


def _create_chart(company: Record) -> None:
    """Create the chart of accounts that Tryton brings for every country."""
    wizard = Wizard("account.create_chart")
    wizard.execute("account")
    wizard.form.account_template = by_xml_id("account.account.template", "account.account_template_root_en")
    wizard.form.company = company
    wizard.execute("create_account")
    wizard.form.account_receivable = account_of(company, ("type.receivable", "=", True))
    wizard.form.account_payable = account_of(company, ("type.payable", "=", True))
    wizard.form.category_account_expense = account_of(company, ("type.expense", "=", True))
    wizard.form.category_account_revenue = account_of(company, ("type.revenue", "=", True))
    wizard.execute("create_properties")


def _open_fiscal_year(profile: CompanyProfile, company: Record, year: int) -> None:
    fiscal_year = new(
        "account.fiscalyear",
        name=f"{profile.code} {year}",
        company=company,
        start_date=dt.date(year, 1, 1),
        end_date=dt.date(year, 12, 31),
        move_sequence=_strict_sequence(profile, company, year, "Account Move", "M"),
    )
    invoices = _strict_sequence(profile, company, year, "Invoice", "I")
    (numbering,) = fiscal_year.invoice_sequences
    numbering.out_invoice_sequence = numbering.out_credit_note_sequence = invoices
    numbering.in_invoice_sequence = numbering.in_credit_note_sequence = invoices
    fiscal_year.save()
    fiscal_year.click("create_period")


def _strict_sequence(profile: CompanyProfile, company: Record, year: int, kind: str, letter: str) -> Record:
    return save(
        "ir.sequence.strict",
        name=f"{kind} {profile.code} {year}",
        company=company,
        sequence_type=find("ir.sequence.type", ("name", "=", kind)),
        prefix=f"{profile.code}-{letter}{year}-",
        padding=5,
    )


def _create_tax_rule(profile: CompanyProfile, company: Record, account: Record) -> None:
    """Create the taxes of a company, and the rule by which only domestic customers pay.

    The rule becomes the company's default for customers, so that a customer who is created without any tax data is
    taxed by the country of the shipment address.
    """
    name, rate = profile.tax
    domestic = _tax(company, account, name, rate)
    rule = new("account.tax.rule", name=f"{profile.code} place of supply", company=company, kind="sale")
    rule.lines.new(sequence=1, origin_tax=domestic, to_country=_country(profile.country), tax=domestic)
    european = set(_european_union())
    if profile.country in european:
        community = _tax(company, account, "Intra-Community supply 0%", Decimal(0))
        for code in sorted(european - {profile.country}):
            rule.lines.new(sequence=2, origin_tax=domestic, to_country=_country(code), tax=community)
    rule.lines.new(sequence=3, origin_tax=domestic, tax=_tax(company, account, "Export 0%", Decimal(0)))
    rule.save()
    settings = find("account.configuration")
    settings.default_customer_tax_rule = rule
    settings.save()


def _tax(company: Record, account: Record, name: str, rate: Decimal) -> Record:
    return save(
        "account.tax",
        name=name,
        description=name,
        company=company,
        type="percentage",
        rate=rate,
        invoice_account=account,
        credit_note_account=account,
    )


def _country(code: str) -> Record:
    return find("country.country", ("code", "=", code))


def _european_union() -> list[str]:
    """Codes of the present member states."""
    return [code for code, terms in ORGANIZATIONS["EU"].items() if terms[-1][1] is None]


def _number_sales(profile: CompanyProfile, company: Record) -> None:
    sequence = save(
        "ir.sequence",
        name=f"Sale {profile.code}",
        company=company,
        sequence_type=by_xml_id("ir.sequence.type", "sale.sequence_type_sale"),
        prefix=f"{profile.code}-",
        padding=5,
    )
    settings = find("sale.configuration")
    settings.sale_sequence = sequence
    settings.save()


def _book_exchange_differences(account: Record) -> None:
    """Let gains and losses of rates go to an account; without one, few invoices in other currencies can be posted."""
    settings = find("account.configuration")
    settings.currency_exchange_credit_account = settings.currency_exchange_debit_account = account
    settings.save()


def _create_payment_method(profile: CompanyProfile, company: Record, account: Record) -> None:
    """Create what records a customer's payment: a method for invoices, and a journal for payments."""
    save(
        "account.invoice.payment.method",
        name=f"Bank {profile.code}",
        company=company,
        journal=Model.get("account.journal").find([("type", "=", "cash")], limit=1)[0],
        credit_account=account,
        debit_account=account,
    )
    save(
        "account.payment.journal",
        name=f"Wire {profile.code}",
        company=company,
        currency=company.currency,
        process_method="manual",
    )
