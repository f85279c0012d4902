"""Matching: is one of these existing customers the one that we mean? By VAT number, then name and postal code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from prefect_crm_erp.models.keys import company_key, postcode_key
from prefect_crm_erp.models.records import Customer

SIMILAR_WORD = 80
"""Similarity of two words (0–100, rapidfuzz) from which one may be a misspelling of the other."""
SHORTEST_WORD = 4
"""Shorter words are no misspellings of each other: Plant A is not Plant B, Store 101 is not Store 102."""


@dataclass(frozen=True, slots=True)
class Match:
    """What the search came to.

    Attributes:
        customer: The one that it is; None when there is none, or when a person must decide.
        rule: Which rule matched: `VAT number` or `name and postal code`.
        doubtful: Candidates that a person must decide about; empty when the case is clear.
    """

    customer: Customer | None = None
    rule: str = ""
    doubtful: tuple[Customer, ...] = ()


def match_customer(wanted: Customer, candidates: Sequence[Customer], similarity: int = SIMILAR_WORD) -> Match:
    """Choose among candidates: certain, none, or doubtful; never a guess.

    Args:
        wanted: The customer that an account describes, cleaned.
        candidates: Existing customers of the ERP.
        similarity: From which similarity of its words (0–100) a name may be a misspelling of another.

    Returns:
        A certain match by VAT number, or by name and postal code; candidates in doubt when several match, when names
        are only similar, when postal codes are missing, or when the match belongs to another CRM account already.
    """
    by_vat = [each for each in candidates if _same_vat(wanted, each)]
    if by_vat:
        return Match(by_vat[0], "VAT number") if len(by_vat) == 1 else Match(doubtful=tuple(by_vat))
    possible = [each for each in candidates if not _other_vat(wanted, each) and not _other_country(wanted, each)]
    certain = [each for each in possible if _same_place(wanted, each) and _same_name(wanted, each)]
    if len(certain) == 1 and _is_free(wanted, certain[0]):
        return Match(certain[0], "name and postal code")
    doubtful = certain or [each for each in possible if _is_similar(wanted, each, similarity)]
    return Match(doubtful=tuple(doubtful))


def _same_vat(wanted: Customer, other: Customer) -> bool:
    return bool(wanted.vat_number) and wanted.vat_number == other.vat_number


def _other_vat(wanted: Customer, other: Customer) -> bool:
    return bool(wanted.vat_number and other.vat_number) and wanted.vat_number != other.vat_number


def _other_country(wanted: Customer, other: Customer) -> bool:
    ours, theirs = wanted.billing.country, other.billing.country
    return bool(ours and theirs) and ours != theirs


def _same_name(wanted: Customer, other: Customer) -> bool:
    return company_key(wanted.name) == company_key(other.name)


def _same_place(wanted: Customer, other: Customer) -> bool:
    ours, theirs = postcode_key(wanted.billing.postal_code), postcode_key(other.billing.postal_code)
    return bool(ours) and ours == theirs


def _is_free(wanted: Customer, other: Customer) -> bool:
    keys = {other.key, *other.other_keys} - {None}
    return not keys or wanted.key in keys


def _is_similar(wanted: Customer, other: Customer, similarity: int) -> bool:
    """Same name where a postal code is missing, or a like name at the same postal code."""
    if _same_place(wanted, other):
        return is_like(company_key(wanted.name), company_key(other.name), similarity)
    one_is_missing = not (postcode_key(wanted.billing.postal_code) and postcode_key(other.billing.postal_code))
    return one_is_missing and _same_name(wanted, other)


def is_like(one: str, other: str, similarity: int = SIMILAR_WORD) -> bool:
    """Whether two names, in their normal form, may be spellings of one: word by word, or run together.

    Example:
        >>> is_like("brueckner messtechnick", "brueckner messtechnik"), is_like("plant a", "plant b")
        (True, False)
    """
    ours, theirs = sorted(one.split()), sorted(other.split())
    if len(ours) != len(theirs):
        return "".join(one.split()) == "".join(other.split())
    return all(_may_be_misspelt(word, twin, similarity) for word, twin in zip(ours, theirs, strict=True))


def _may_be_misspelt(word: str, twin: str, similarity: int) -> bool:
    if word == twin:
        return True
    short = min(len(word), len(twin)) < SHORTEST_WORD or word.isdigit() or twin.isdigit()
    return not short and fuzz.ratio(word, twin) >= similarity
