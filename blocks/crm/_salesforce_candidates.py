"""Searching for the accounts that might be a customer: by VAT number, postal code and name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from simple_salesforce.format import format_soql, quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_account_plan import AccountPlan
from prefect_crm_erp.blocks.crm._salesforce_accounts import AccountReader
from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_maps import select
from prefect_crm_erp.blocks.crm.values import ContactScope, CustomFields
from prefect_crm_erp.models.records import Account, Customer
from prefect_crm_erp.models.search import name_pieces, postal_code_forms, vat_forms

# Address and headers of a request have 16 KiB together; a session's token can take some of them.
_QUERY_BYTES = 13_000
_SHORTEST_VAT_PATTERN = 6


def account_candidates(connection: Connection, reader: AccountReader, customers: Sequence[Customer]) -> list[Account]:
    """Living accounts with one of these VAT numbers, postal codes or names, each once."""
    if not customers:
        return []
    plan = reader.planner.accounts(CustomFields())
    found: dict[str, Account] = {}
    for soql in _queries(plan, _conditions(plan, customers)):
        for rows in connection.query(soql):
            found |= {row["Id"]: reader.account(plan, row, ContactScope.NONE) for row in rows.records}
    return list(found.values())


def _queries(plan: AccountPlan, conditions: Iterable[str]) -> Iterator[str]:
    """As few queries for accounts with any of the conditions as their length allows."""
    used = empty = _size(_soql(plan, []))
    waiting: list[str] = []
    for condition in conditions:
        size = _size(f" OR {condition}")
        if waiting and used + size > _QUERY_BYTES:
            yield _soql(plan, waiting)
            waiting, used = [], empty
        waiting.append(condition)
        used += size
    if waiting:
        yield _soql(plan, waiting)


def _soql(plan: AccountPlan, conditions: Sequence[str]) -> str:
    return select(plan.account.vendor_fields, "Account", where=[f"({' OR '.join(conditions)})"])


def _size(text: str) -> int:
    """Length of a text in an address."""
    return len(quote(text, safe=""))


def _conditions(plan: AccountPlan, customers: Sequence[Customer]) -> list[str]:
    """What accounts are searched for, each condition once."""
    vat_field = next((pair.vendor for pair in plan.account.pairs if pair.canonical == "vat_number"), None)
    wanted: dict[str, None] = {}
    for customer in customers:
        if vat_field and customer.vat_number:
            wanted |= dict.fromkeys(_by_vat(vat_field, customer.vat_number))
        wanted |= dict.fromkeys(_by_postal_code(customer.billing.postal_code))
        wanted |= dict.fromkeys(_by_name(customer.name))
    return list(wanted)


def _by_vat(field: str, number: str) -> Iterator[str]:
    """People type a VAT number with and without its country, and with any blanks and points in it."""
    shortest = min(vat_forms(number), key=len)
    if len(shortest) >= _SHORTEST_VAT_PATTERN:
        yield f"{field} LIKE '{_pattern(['', *shortest])}'"
    else:
        yield f"{field} IN {quote_soql_value(sorted(vat_forms(number)))}"


def _by_postal_code(postal_code: str | None) -> Iterator[str]:
    forms = {form.upper() for form in postal_code_forms(postal_code)}  # a query knows no upper and lower case
    if forms:
        yield f"BillingPostalCode IN {quote_soql_value(sorted(forms))}"


def _by_name(name: str) -> Iterator[str]:
    pieces = name_pieces(name)
    if pieces:
        yield f"Name LIKE '{_pattern(pieces)}'"


def _pattern(pieces: Iterable[str]) -> str:
    """A pattern with anything between the pieces and after them; the pieces themselves stand for nothing else."""
    return "".join(f"{format_soql('{:like}', piece)}%" for piece in pieces)
