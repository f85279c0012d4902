"""What Tryton itself says of the accounts' customers: each there once, with the account's own data."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import phonenumbers

from benchmarks.accounts_data import SampleAccount
from benchmarks.tryton_client import Row, TrytonReader
from prefect_crm_erp.sandbox.tryton import TrytonAccess

PARENT_RELATION: Final = "is subsidiary of"
_FIELDS: Final = (
    "name",
    "customer_payment_term.name",
    "customer_currency.code",
    *(f"identifiers.{name}" for name in ("type", "code")),
    *(f"addresses.{name}" for name in ("street", "city", "postal_code", "country.code", "subdivision.code", "invoice")),
    *(f"contact_mechanisms.{name}" for name in ("type", "value", "name", "comment")),
    *(f"relations.{name}" for name in ("type.name", "to")),
)
_DEFAULT_TERMS: Final = "Net 30"
_SHARED: Final = "Also the customer's own"


@dataclass(slots=True)
class Proof:
    """How Tryton's customers differ from the accounts.

    Attributes:
        customers: Accounts that are customers.
        not_written: Accounts that are not.
        doubled: Surplus parties: a second one for the same account, or one for no account at all.
        wrong: Customers whose data is not the account's: name, address, VAT number, phone, terms,
            currency, contact or parent.
        examples: Some of the differences, in words.
    """

    customers: int = 0
    not_written: int = 0
    doubled: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)


def prove(access: TrytonAccess, expected: Mapping[str, SampleAccount]) -> Proof:
    """Compare all of Tryton's parties with the accounts.

    Args:
        access: How to reach Tryton.
        expected: The accounts by the keys that their customers must carry, which are Salesforce's ids.
    """
    reader = TrytonReader(access)
    own = [row["party"] for row in reader.rows("company.company", [], ["party"])]
    return compare(reader.rows("party.party", [("id", "not in", own)], _FIELDS), expected)


def compare(parties: Sequence[Row], expected: Mapping[str, SampleAccount]) -> Proof:
    """Compare parties with the accounts that they must be.

    Args:
        parties: Rows of Tryton's parties, without those of its own companies.
        expected: The accounts by key.
    """
    by_key: dict[str | None, list[Row]] = defaultdict(list)
    for party in parties:
        by_key[_key(party)].append(party)
    numbers = {account.number: key for key, account in expected.items()}
    proof = Proof()
    for key, account in expected.items():
        found = by_key.get(key, [])
        proof.doubled += max(0, len(found) - 1)
        if not found:
            proof.not_written += 1
            proof.examples.append(f"{account.name}: not written")
            continue
        proof.customers += 1
        parent = None if account.parent is None else by_key[numbers[account.parent]]
        if differences := _differences(found[0], account, parent):
            proof.wrong += 1
            proof.examples.append(f"{account.name}: {'; '.join(differences)}")
    strays = [party["name"] for key, some in by_key.items() if key not in expected for party in some]
    proof.doubled += len(strays)
    proof.examples += [f"{name}: a customer that belongs to no account" for name in strays]
    return proof


def _key(party: Row) -> str | None:
    return next((each["code"] for each in party["identifiers."] if each["type"] is None), None)


def _differences(party: Row, account: SampleAccount, parent: Sequence[Row] | None) -> list[str]:
    has, wanted = _data_of_party(party), _data_of_account(account)
    wanted["parent"] = parent[0]["id"] if parent else None
    return [f"{name} {has[name]!r} instead of {wanted[name]!r}" for name in wanted if has[name] != wanted[name]]


def _data_of_party(party: Row) -> Row:
    address = next((each for each in party["addresses."] if each["invoice"]), None) or {}
    # A number that is both the company's and a person's stands there once, and its comment says so.
    own = [each for each in party["contact_mechanisms."] if not each["name"] or _SHARED in (each["comment"] or "")]
    people = [each for each in party["contact_mechanisms."] if each["name"]]
    state = (address.get("subdivision.") or {}).get("code")
    return {
        "name": party["name"],
        "street": address.get("street"),
        "city": address.get("city"),
        "state": state and state.partition("-")[2],
        "postal code": address.get("postal_code"),
        "country": (address.get("country.") or {}).get("code"),
        "VAT number": next((_bare_vat(each["code"]) for each in party["identifiers."] if each["type"]), None),
        "phone": _values(own, "phone"),
        "terms": (party["customer_payment_term."] or {}).get("name"),
        "currency": (party["customer_currency."] or {}).get("code"),
        "contact": sorted({each["name"] for each in people}),
        "contact's e-mail": _values(people, "email"),
        "contact's phone": _values(people, "phone"),
        "parent": next((each["to"] for each in party["relations."] if each["type."]["name"] == PARENT_RELATION), None),
    }


def _data_of_account(account: SampleAccount) -> Row:
    person = account.contact
    return {
        "name": account.name,
        "street": account.street,
        "city": account.city,
        "state": account.state,
        "postal code": account.postal_code,
        "country": account.country,
        "VAT number": _bare_vat(account.vat_number) if account.vat_number else None,
        "phone": _numbers(account.phone, account.country),
        "terms": account.payment_terms or _DEFAULT_TERMS,
        "currency": account.currency,
        "contact": [f"{person.first_name} {person.last_name}"] if person else [],
        "contact's e-mail": [person.email] if person else [],
        "contact's phone": _numbers(person.phone, account.country) if person else [],
    }


def _values(mechanisms: Sequence[Row], kind: str) -> list[str]:
    values = [each["value"] for each in mechanisms if each["type"] == kind]
    return values if kind == "email" else [re.sub(r"[^\d+]", "", value) for value in values]


def _bare_vat(text: str) -> str:
    """The number without its country and spaces, as Tryton keeps some types of them."""
    return "".join(char for char in text if char.isdigit())


def _numbers(text: str | None, country: str) -> list[str]:
    return [e164(text, country)] if text else []


def e164(text: str, country: str) -> str:
    """A phone number that is known to be right, in its international form."""
    return str(phonenumbers.format_number(phonenumbers.parse(text, country), phonenumbers.PhoneNumberFormat.E164))
