"""Values: the fields of an account and of a customer in the one form in which they are compared.

A value is what JSON can hold, so that the ledger can keep it: text, a mapping for an address, a list of mappings for
contacts; None for an empty field. Names are canonical; a field that the custom field map adds is `custom.` and the
ERP's name of it. A parent is the 18-character id of its account, and is left to the link that it is looked up for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.policies.code_lists import CodeLists
from prefect_crm_erp.blocks.policies.custom_fields import MappedRecord
from prefect_crm_erp.models.contact_data import phone_e164, vat_number
from prefect_crm_erp.models.geography import country_code, country_name
from prefect_crm_erp.models.keys import clean_text
from prefect_crm_erp.models.ownership import Rule
from prefect_crm_erp.models.records import Account, Address, Contact, Customer

Values = dict[str, Any]
CUSTOM: Final = "custom."
"""Starts the name of a field that the custom field map adds."""

SHOWN: Final = "shown"
"""Name in an agreement of what the account shows of the customer."""
SEEN: Final = "seen"
"""Name in an agreement of the customer's date of change when it was made."""
_TITLES: Final = {
    "name": "Name",
    "billing": "Billing address",
    "shipping": "Shipping address",
    "phone": "Phone",
    "vat_number": "VAT number",
    "payment_terms": "Payment terms",
    "parent": "Parent",
    "contacts": "Contacts",
}
_CONTACT_FIELDS: Final = ("key", "first_name", "last_name", "title", "email", "phone")


def title(field: str) -> str:
    """The name of a field as people read it."""
    return _TITLES.get(field, field.removeprefix(CUSTOM))


def rules_of(integration: Integration) -> dict[str, Rule]:
    """How differences are settled, for every field that is kept in step."""
    custom = integration.custom_fields.account_rules()
    return integration.accounts.field_rules() | {f"{CUSTOM}{name}": rule for name, rule in custom.items()}


# -------------------------------------------------------------------- reading


def crm_values(account: Account, cleaned: Customer, integration: Integration) -> Values:
    """The values of an account.

    Args:
        account: The account as it was read.
        cleaned: The customer that it was cleaned to.
        integration: The code lists and the custom field map.
    """
    terms = clean_text(account.payment_terms)
    billing = None if account.billing.is_empty else _address_value(cleaned.billing)
    shipping = None if account.shipping.is_empty else _address_value(cleaned.shipping)
    return {
        "name": cleaned.name or None,
        "billing": billing,
        "shipping": None if shipping == billing else shipping,
        "phone": cleaned.phone,
        "vat_number": cleaned.vat_number,
        "payment_terms": integration.code_lists.payment_term(terms) if terms else None,
        "contacts": _contact_values(cleaned.contacts),
        **{
            f"{CUSTOM}{erp}": _plain(account.custom.get(crm))
            for crm, erp in integration.custom_fields.pairs(MappedRecord.ACCOUNT)
        },
    }


def erp_values(customer: Customer, integration: Integration) -> Values:
    """The values of a customer as it stands in its ERP."""
    billing, shipping = _address_value(customer.billing), _address_value(customer.shipping)
    country = customer.billing.country
    return {
        "name": clean_text(customer.name),
        "billing": billing,
        "shipping": None if shipping == billing else shipping,
        "phone": _phone(customer.phone, country),
        "vat_number": vat_value(customer.vat_number, country),
        "payment_terms": clean_text(customer.payment_terms),
        "contacts": _contact_values(
            [each.model_copy(update={"phone": _phone(each.phone, country)}) for each in customer.contacts]
        ),
        **{
            f"{CUSTOM}{erp}": _plain(customer.custom.get(erp))
            for _, erp in integration.custom_fields.pairs(MappedRecord.ACCOUNT)
        },
    }


def seen(customer: Customer) -> str | None:
    """The customer's date of change, as an agreement keeps it."""
    return customer.modified_at.isoformat() if customer.modified_at else None


def _address_value(address: Address) -> Values | None:
    if address.is_empty:
        return None
    lines = filter(None, map(clean_text, (address.street or "").splitlines()))
    parts = {name: clean_text(value) for name, value in address.model_dump(exclude={"street"}).items()}
    return {"street": "\n".join(lines) or None, **parts}


def _phone(text: str | None, country: str | None) -> str | None:
    return phone_e164(text, country) or clean_text(text)


def _contact_values(contacts: Sequence[Contact]) -> list[Values] | None:
    rows = [{name: getattr(contact, name) for name in _CONTACT_FIELDS} for contact in contacts]
    return sorted(rows, key=lambda row: str(row["key"])) or None


def vat_value(text: str | None, country: str | None) -> str | None:
    """A VAT number in its compact form; one that is wrong for its country as it is typed."""
    try:
        return vat_number(text, country)
    except ValueError:
        return clean_text(text)


def _plain(value: Any) -> Any:
    """A value of a custom field as text, so that 5, 5.0 and Decimal("5") are one."""
    if value is None or isinstance(value, bool | list | dict):
        return value
    if hasattr(value, "normalize"):
        return format(value.normalize(), "f")
    return clean_text(str(value))


# -------------------------------------------------------------------- writing


def to_customer(values: Mapping[str, Any], standing: Customer) -> Customer:
    """The change of a customer: only what is to be written is set, besides its identity.

    Args:
        values: Field to the value that is to stand.
        standing: The customer as it stands in the ERP.
    """
    changed: Values = {"key": standing.key, "erp_id": standing.erp_id, "name": standing.name}
    for field, value in values.items():
        if field.startswith(CUSTOM):
            changed.setdefault("custom", {})[field.removeprefix(CUSTOM)] = value
        elif field == "billing":
            changed["billing"] = Address(**value)
        elif field == "contacts":
            changed["contacts"] = tuple(Contact(**each) for each in value or ())
        elif field != "shipping":
            changed[field] = value
    if "shipping" in values:
        own = values["shipping"]
        changed["shipping"] = Address(**own) if own else changed.get("billing", standing.billing)
    return Customer(**changed)


def to_account(values: Mapping[str, Any], account: Account, integration: Integration) -> Values:
    """What to write to an account, by the names that a CRM update takes.

    Args:
        values: Field to the value that is to stand.
        account: The account as it was read: a country is written as a code where it stands so now.
        integration: The code lists and the custom field map.
    """
    names = {erp: crm for crm, erp in integration.custom_fields.pairs(MappedRecord.ACCOUNT)}
    written: Values = {}
    for field, value in values.items():
        if field.startswith(CUSTOM):
            written.setdefault("custom", {})[names[field.removeprefix(CUSTOM)]] = value
        elif field in ("billing", "shipping"):
            written[field] = _crm_address(value, getattr(account, field), integration.code_lists)
        elif field == "payment_terms":
            written[field] = integration.code_lists.crm_payment_term(value) if value else None
        else:
            written[field] = value
    return written


def _crm_address(value: Mapping[str, Any] | None, typed: Address, lists: CodeLists) -> Address:
    if value is None:
        return Address()
    code = value["country"]
    if code and country_code(typed.country, lists.countries) == code:
        shown = typed.country  # in the spelling that the CRM has already
    elif code and len((typed.country or "").strip()) == 2:
        shown = code
    else:
        shown = country_name(code) if code else None
    return Address(**{**value, "country": shown})


# -------------------------------------------------------------------- for people


def in_words(value: Any) -> str | None:
    """A value as people read it, in one line."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return ", ".join(" ".join(str(part).split()) for part in value.values() if part)
    if isinstance(value, list):
        return "; ".join(_contact_in_words(each) for each in value)
    return str(value)


def _contact_in_words(contact: Mapping[str, Any]) -> str:
    shown = (f"{contact.get('first_name') or ''} {contact.get('last_name') or ''}", contact["email"], contact["phone"])
    return ", ".join(part.strip() for part in shown if part and part.strip())
