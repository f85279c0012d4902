"""Keys: record ids, fingerprints and the normal forms in which names are compared."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, TypeVar

import orjson

T = TypeVar("T")

_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?")
_LEGAL_FORMS = re.compile(
    r"\b(?:incorporated|inc|llc|llp|lp|ltd|limited|plc|corp|corporation|company|co|gmbh|mbh|ag|kg|ohg|ug|ek|eg|se|sa|sas|"
    r"sarl|srl|spa|bv|nv|ab|as|oy|oyj|aps|kk|pty|wll|sl|slu|sp z o o|e k|k k|s a|s l|b v|n v)\b"
)
# Letters that German and Nordic spelling writes as two; both spellings must compare equal.
_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "œ": "oe"})


def is_salesforce_id(text: str) -> bool:
    """Whether a text has the form of a 15- or 18-character id; an 18-character one must have the right checksum."""
    return bool(_ID.fullmatch(text)) and (len(text) == 15 or salesforce_id(text[:15]) == text)


@lru_cache(maxsize=8192)
def salesforce_id(text: str) -> str:
    """Give an id in its 18-character form, in which ids are compared.

    Args:
        text: An id of 15 or 18 characters.

    Raises:
        ValueError: When the text is no id. An 18-character id whose case was lost is repaired by its checksum.

    Example:
        >>> salesforce_id("006D000000abCDE")
        '006D000000abCDEIA2'
    """
    candidate = text.strip()
    if not _ID.fullmatch(candidate):
        raise ValueError(f"{text!r} is not a record id: it has 15 or 18 letters and digits")
    head = candidate[:15] if len(candidate) == 15 else _restore_case(candidate)
    return head + _checksum(head)


@lru_cache(maxsize=8192)
def _checksum(head: str) -> str:
    chunks = (head[start : start + 5] for start in (0, 5, 10))
    return "".join(_CHECKSUM[sum(1 << bit for bit, char in enumerate(chunk) if char.isupper())] for chunk in chunks)


def _restore_case(text: str) -> str:
    """The first 15 characters in the case that the last three tell; ids lose their case in spreadsheets."""
    suffix = text[15:].upper()
    masks = [_CHECKSUM.find(char) for char in suffix]
    bits = [mask >> bit & 1 for mask in masks for bit in range(5)]
    head = "".join(char.upper() if bit else char.lower() for char, bit in zip(text[:15], bits, strict=True))
    if _checksum(head) != suffix:
        raise ValueError(f"{text!r} is not a record id: its last three characters do not fit the others")
    return head


def clean_text(text: str | None) -> str | None:
    """Trim, and turn every run of white space (tabs, line ends, no-break spaces) into one space; None when empty."""
    cleaned = " ".join(text.split()) if text else ""
    return cleaned or None


@lru_cache(maxsize=8192)
def fold(text: str | None) -> str:
    """Lower case, without accents, punctuation and double spaces; ä and ae compare equal."""
    lowered = (text or "").casefold().translate(_DIGRAPHS)
    plain = "".join(char for char in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^0-9a-z]+", " ", plain.replace("&", " and ")).split()) or lowered.strip()


def company_key(name: str | None) -> str:
    """Normal form of a company's name for matching: folded, without its legal form.

    Example:
        >>> company_key("Brückner Messtechnik GmbH") == company_key("BRUECKNER MESSTECHNIK")
        True
    """
    folded = fold(name)
    return " ".join(_LEGAL_FORMS.sub(" ", folded).split()) or folded


def postcode_key(postal_code: str | None) -> str:
    """Normal form of a postal code for matching: capital letters and digits only."""
    return re.sub(r"[^0-9A-Z]", "", (postal_code or "").upper())


def fingerprint(content: Any) -> str:
    """A digest of what would be sent; equal content gives equal digests whatever the order of its keys.

    Args:
        content: Anything that JSON can hold; Decimals, dates and models are written as text.
    """
    try:
        text = orjson.dumps(content, default=_as_text, option=_AS_WRITTEN_HERE)
    except TypeError:  # keys that are no texts, numbers of more than 64 bits
        text = _dumps_anything(content).encode()
    return hashlib.sha256(text).hexdigest()[:32]


_AS_WRITTEN_HERE: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def _dumps_anything(content: Any) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_as_text)


def _as_text(value: Any) -> Any:
    if isinstance(value, Decimal):  # 1.50 and 1.5 are the same amount
        return format(value.normalize(), "f")
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of at most `size`."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
