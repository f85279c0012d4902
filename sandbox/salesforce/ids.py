"""Salesforce record ids: 15 case-sensitive characters, or 18 with a checksum of their case."""

from __future__ import annotations

import random
import re

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Digits of an id, in the order in which ids are counted up (and sort)."""

_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[A-Za-z0-5]{3})?")
_SEQUENCE_DIGITS = 9


class MalformedId(ValueError):
    """A text that is not a record id."""


def checksum(short_id: str) -> str:
    """The three characters that turn a 15-character id into an 18-character one.

    Each stands for five characters, as bits: which of them are upper-case letters, the first in the lowest bit.

    Example:
        >>> checksum("001A0000006Vm9r")
        'IAC'
    """
    return "".join(_CHECKSUM[_upper_case_mask(short_id[start : start + 5])] for start in (0, 5, 10))


def _upper_case_mask(chunk: str) -> int:
    return sum(1 << position for position, character in enumerate(chunk) if "A" <= character <= "Z")


def to_18(record_id: str) -> str:
    """The 18-character form of an id in either form.

    An 18-character id whose case was lost on the way is repaired from its checksum, as Salesforce does.

    Raises:
        MalformedId: The text is no id, or its checksum does not fit.
    """
    if not _SHAPE.fullmatch(record_id):
        raise MalformedId(record_id)
    if len(record_id) == 15:
        return record_id + checksum(record_id)
    suffix = record_id[15:].upper()
    short_id = record_id[:15]
    if checksum(short_id) != suffix:
        short_id = _with_case(short_id, suffix)
    if checksum(short_id) != suffix:
        raise MalformedId(record_id)
    return short_id + suffix


def _with_case(short_id: str, suffix: str) -> str:
    """The id with the case that its checksum describes; a digit marked as a letter shows in the checksum again."""
    masks = [_CHECKSUM.index(character) for character in suffix]
    return "".join(
        character.upper() if masks[position // 5] >> position % 5 & 1 else character.lower()
        for position, character in enumerate(short_id)
    )


def is_id(text: str) -> bool:
    """Whether the text is a well-formed id of 15 or 18 characters."""
    try:
        to_18(text)
    except MalformedId:
        return False
    return True


def encode(number: int, digits: int) -> str:
    """A number in base 62, padded with zeros."""
    characters = []
    for _ in range(digits):
        number, remainder = divmod(number, 62)
        characters.append(BASE62[remainder])
    return "".join(reversed(characters))


def new_id(key_prefix: str, instance: str, number: int) -> str:
    """The id of an object's `number`-th row.

    Args:
        key_prefix: The object's three characters, `001` for accounts.
        instance: Two characters that differ from org to org.
        number: Counts up from 1 for each key prefix.
    """
    short_id = f"{key_prefix}{instance}0{encode(number, _SEQUENCE_DIGITS)}"
    return short_id + checksum(short_id)


def new_instance() -> str:
    """Two characters for a new org, drawn at random, so that its ids do not meet those of an earlier one."""
    return "".join(random.SystemRandom().choices(BASE62, k=2))
