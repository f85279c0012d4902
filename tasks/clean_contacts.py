"""Clean contacts: names, e-mail addresses and phone numbers in the forms that an ERP accepts."""

from __future__ import annotations

import re

from prefect_crm_erp.models.contact_data import phone_e164
from prefect_crm_erp.models.keys import clean_text
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.records import Account, Contact

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def clean_contacts(account: Account, country: str | None, notes: list[Note]) -> tuple[Contact, ...]:
    """The account's contacts; one without any name is left out with a note.

    Args:
        account: The account, with its contacts as they were read.
        country: ISO code that national phone numbers are read for.
        notes: Takes what was changed on the way.
    """
    cleaned = (_clean_contact(contact, country, notes) for contact in account.contacts)
    return tuple(contact for contact in cleaned if contact is not None)


def _clean_contact(contact: Contact, country: str | None, notes: list[Note]) -> Contact | None:
    first, last = clean_text(contact.first_name), clean_text(contact.last_name)
    email = _email(contact, notes)
    if not last:
        first, last = None, first or (email or "").partition("@")[0] or None
        if last is None:
            text = f"The contact {contact.key} has neither a name nor an e-mail address and is left out"
            notes.append(Note("contacts", text, "Sales"))
            return None
        notes.append(Note("contacts", f"A contact has no last name; {last!r} is used", "Sales", None, last))
    return contact.model_copy(
        update={
            "first_name": first,
            "last_name": last,
            "title": clean_text(contact.title),
            "email": email,
            "phone": _phone(contact, country, notes),
            "modified_at": None,
        }
    )


def _email(contact: Contact, notes: list[Note]) -> str | None:
    typed = clean_text(contact.email)
    if typed is None:
        return None
    address = "".join(typed.split())
    if not _EMAIL.fullmatch(address):
        text = f"{typed!r} of {contact.full_name or 'a contact'} is no e-mail address and is left out"
        notes.append(Note("contacts", text, "Sales", typed, None))
        return None
    if address != contact.email:
        notes.append(Note("contacts", "Spaces in an e-mail address were taken out", None, contact.email, address))
    return address


def _phone(contact: Contact, country: str | None, notes: list[Note]) -> str | None:
    typed = clean_text(contact.phone)
    if typed is None:
        return None
    number = phone_e164(typed, country)
    if number is None:
        text = f"{typed!r} of {contact.full_name or 'a contact'} is no phone number and is left out"
        notes.append(Note("contacts", text, None, typed, None))
    return number
