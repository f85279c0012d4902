"""The search for parties that might be a customer: same VAT number, same postal code or a like name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_rpc import Database, Domain
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.models.search import name_pieces, postal_code_forms, vat_forms

_FORMS_PER_SEARCH = 2000
_PATTERNS_PER_SEARCH = 40


def candidate_ids(database: Database, customers: Sequence[Customer]) -> list[int]:
    """Ids of the parties with one of these VAT numbers, postal codes or names, each once."""
    found = dict.fromkeys(_by_vat(database, customers)) | dict.fromkeys(_by_postal_code(database, customers))
    return list(found | dict.fromkeys(_by_name(database, customers)))


def _by_vat(database: Database, customers: Sequence[Customer]) -> Iterable[int]:
    forms = {form for each in customers if each.vat_number for form in vat_forms(each.vat_number)}
    return _parties(database, "party.identifier", "code_compact", forms)


def _by_postal_code(database: Database, customers: Sequence[Customer]) -> Iterable[int]:
    codes = {address.postal_code for each in customers for address in (each.billing, each.shipping)}
    return _parties(
        database, "party.address", "postal_code", {form for code in codes for form in postal_code_forms(code)}
    )


def _parties(database: Database, model: str, field: str, values: Collection[str]) -> Iterable[int]:
    for chunk in chunks(sorted(values), _FORMS_PER_SEARCH):
        for row in database.search(model, [(field, "in", chunk)], ["party"]):
            yield row["party"]


def _by_name(database: Database, customers: Sequence[Customer]) -> Iterable[int]:
    patterns = sorted({pattern for each in customers if (pattern := name_pattern(each.name))})
    for chunk in chunks(patterns, _PATTERNS_PER_SEARCH):
        for row in database.search("party.party", _like_one_of(chunk), []):
            yield row["id"]


def _like_one_of(patterns: Sequence[str]) -> Domain:
    """A domain for names that fit one of these patterns, which are sorted.

    The first letter is asked for once for all patterns that begin with it: most names are through after a few
    comparisons, instead of one for each pattern.
    """
    groups = [list(group) for _, group in groupby(patterns, key=lambda pattern: pattern[0])]
    return ["OR", *(clause for group in groups for clause in _group(group))]


def _group(patterns: Sequence[str]) -> list[Any]:
    leaves = [("name", "ilike", pattern) for pattern in patterns]
    first = patterns[0][0]
    return leaves if first == "%" or len(leaves) == 1 else [[("name", "ilike", f"{first}%"), ["OR", *leaves]]]


def name_pattern(name: str) -> str | None:
    """A pattern that finds a company's name in other spellings."""
    pieces = name_pieces(name)
    return f"{'%'.join(pieces)}%" if pieces else None
