"""Clean: bring an account's data to the forms that an ERP accepts, and say what was changed on the way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.policies.code_lists import CodeLists
from prefect_crm_erp.blocks.policies.custom_fields import MappedRecord
from prefect_crm_erp.models.contact_data import phone_e164, vat_number
from prefect_crm_erp.models.geography import country_code, country_name, state_code
from prefect_crm_erp.models.keys import clean_text, fold
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.records import Account, Address, Customer
from prefect_crm_erp.tasks.clean_contacts import clean_contacts


@dataclass(frozen=True, slots=True)
class Defect:
    """Something that an ERP needs and the CRM record does not have.

    Attributes:
        field: Canonical name of the field.
        text: What is missing and what to do, for the sales rep to read.
    """

    field: str
    text: str


Cleaned = tuple[Customer, list[Note], list[Defect]]


def clean_account(account: Account, integration: Integration, needs_state: Collection[str]) -> Cleaned:
    """Make a customer of an account: trimmed, with ISO codes, with the fallbacks that the policy allows.

    Args:
        account: The account as it was read.
        integration: Policies: code lists, required fields, default payment terms.
        needs_state: Countries whose addresses need a state that the ERP knows.

    Returns:
        The customer, what was changed or assumed, and what is missing.
    """
    notes: list[Note] = []
    defects: list[Defect] = []
    billing, shipping = _addresses(account, integration.code_lists, needs_state, notes, defects)
    country = billing.country
    customer = Customer(
        key=account.crm_id,
        name=_name(account, notes, defects),
        vat_number=_vat(account, country, notes, defects),
        billing=billing,
        shipping=shipping,
        phone=_phone(account, country, notes),
        email=clean_text(account.email),
        payment_terms=_payment_terms(account, integration, notes),
        currency=account.currency,
        contacts=clean_contacts(account, country, notes),
        custom={
            erp: account.custom[crm]
            for crm, erp in integration.custom_fields.pairs(MappedRecord.ACCOUNT)
            if account.custom.get(crm) is not None
        },
    )
    return customer, notes, defects + _required(customer, integration)


def _name(account: Account, notes: list[Note], defects: list[Defect]) -> str:
    name = clean_text(account.name)
    if name is None:
        defects.append(Defect("name", "The account has no name"))
        return ""
    if name != account.name:
        notes.append(Note("name", "White space in the account's name was tidied", None, account.name, name))
    return name


def _addresses(
    account: Account, lists: CodeLists, needs_state: Collection[str], notes: list[Note], defects: list[Defect]
) -> tuple[Address, Address]:
    typed_billing, typed_shipping = account.billing, account.shipping
    if typed_billing.is_empty and typed_shipping.is_empty:
        text = f"The account {account.name!r} has neither a billing nor a shipping address; fill in the billing address"
        defects.append(Defect("billing", text))
        return Address(), Address()
    if typed_billing.is_empty:
        text = "The billing address is empty; the shipping address is used, please review"
        notes.append(Note("billing", text, "Sales", None, _one_line(typed_shipping)))
        typed_billing = typed_shipping
    routed_by_field = bool(fold(account.subsidiary))
    billing = _address(typed_billing, "billing", lists, needs_state, notes, defects, routed_by_field)
    if typed_shipping.is_empty or typed_shipping == typed_billing:
        return billing, billing
    ignored: list[Defect] = []
    shipping = _address(typed_shipping, "shipping", lists, (), notes, ignored, True)
    return billing, billing if ignored else shipping


def _address(
    typed: Address,
    which: str,
    lists: CodeLists,
    needs_state: Collection[str],
    notes: list[Note],
    defects: list[Defect],
    country_needed: bool,
) -> Address:
    country = country_code(typed.country, lists.countries)
    if country is None and (country_needed or not typed.country):
        what = (
            f"The country {typed.country!r} of the {which} address is not known"
            if typed.country
            else (f"The {which} address has no country")
        )
        defects.append(Defect(f"{which}.country", f"{what}; write its name or its ISO code, like DE"))
    state = _state(typed, which, country, lists, needs_state, notes, defects)
    if typed.country and country and typed.country.strip() != country:
        notes.append(Note(f"{which}.country", f"Country read as {country_name(country)}", None, typed.country, country))
    return Address(
        street="\n".join(filter(None, map(clean_text, (typed.street or "").splitlines()))) or None,
        city=clean_text(typed.city),
        state=state,
        postal_code=clean_text(typed.postal_code),
        country=country,
    )


def _state(
    typed: Address,
    which: str,
    country: str | None,
    lists: CodeLists,
    needs_state: Collection[str],
    notes: list[Note],
    defects: list[Defect],
) -> str | None:
    if not clean_text(typed.state) or country is None:
        return None
    code = state_code(country, typed.state, lists.states)
    if code is None and country in needs_state:
        text = f"{typed.state!r} is no state of {country_name(country)}; write its name or its code"
        defects.append(Defect(f"{which}.state", text))
    elif code is None:
        text = f"The state {typed.state!r} is not known in {country_name(country)} and is left out"
        notes.append(Note(f"{which}.state", text, None, typed.state, None))
    elif code != typed.state:
        notes.append(Note(f"{which}.state", f"State {typed.state!r} read as {code}", None, typed.state, code))
    return code


def _vat(account: Account, country: str | None, notes: list[Note], defects: list[Defect]) -> str | None:
    try:
        number = vat_number(account.vat_number, country)
    except ValueError as error:
        defects.append(Defect("vat_number", f"{error}; correct it, or clear it until it is known"))
        return None
    if number and number != account.vat_number:
        notes.append(Note("vat_number", "VAT number was brought to its compact form", None, account.vat_number, number))
    return number


def _phone(account: Account, country: str | None, notes: list[Note]) -> str | None:
    typed = clean_text(account.phone)
    if typed is None:
        return None
    number = phone_e164(typed, country)
    if number is None:
        notes.append(Note("phone", f"{typed!r} is no phone number and is left out", None, typed, None))
    return number


def _payment_terms(account: Account, integration: Integration, notes: list[Note]) -> str:
    typed = clean_text(account.payment_terms)
    if typed:
        return integration.code_lists.payment_term(typed)
    default = integration.orders.default_payment_terms
    text = f"The account has no payment terms; {default} is assumed, please review"
    notes.append(Note("payment_terms", text, "Finance", None, default))
    return default


def _required(customer: Customer, integration: Integration) -> list[Defect]:
    if customer.billing.is_empty:
        return []
    defects = []
    for field in integration.orders.required_customer_fields:
        value: object = customer
        for step in field.value.split("."):
            value = getattr(value, step)
        if not value:
            words = field.value.replace(".", " ").replace("_", " ")
            defects.append(Defect(field.value, f"The account {customer.name!r} has no {words}; fill it in"))
    return defects


def _one_line(address: Address) -> str:
    return ", ".join(filter(None, (address.street, address.postal_code, address.city, address.country)))
