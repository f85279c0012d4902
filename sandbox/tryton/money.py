"""Seeds currencies with their rates, and payment terms."""

from __future__ import annotations

import datetime as dt

from proteus import Model

from prefect_crm_erp.sandbox.tryton.companies import PAYMENT_TERMS
from prefect_crm_erp.sandbox.tryton.currencies import CURRENCIES, FIRST_RATE_DATE, CurrencyProfile
from prefect_crm_erp.sandbox.tryton.seeding import Record, new


def create_currencies(current: dt.date) -> dict[str, Record]:
    """Create the currencies with a rate from 1990 on and another one from the current date on.

    Returns:
        The currencies by ISO code.
    """
    records = [_currency(profile, current) for profile in CURRENCIES]
    Model.get("currency.currency").save(records)
    return {record.code: record for record in records}


def _currency(profile: CurrencyProfile, current: dt.date) -> Record:
    record = new(
        "currency.currency",
        code=profile.code,
        name=profile.name,
        symbol=profile.symbol,
        digits=profile.digits,
        rounding=profile.rounding,
    )
    record.rates.new(date=FIRST_RATE_DATE, rate=profile.first_rate)
    record.rates.new(date=current, rate=profile.rate)
    return record


def create_payment_terms() -> None:
    """Create the payment terms, each due as a whole after its days, in place of those that Tryton brings."""
    for brought in Model.get("account.invoice.payment_term").find([]):
        brought.active = False
        brought.save()
    Model.get("account.invoice.payment_term").save([_payment_term(*term) for term in PAYMENT_TERMS.items()])


def _payment_term(name: str, days: int) -> Record:
    record = new("account.invoice.payment_term", name=name)
    line = record.lines.new(type="remainder")
    if days:
        line.relativedeltas.new(days=days)
    return record
