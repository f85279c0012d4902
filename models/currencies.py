"""Currency codes as people and systems write them: tidied, known or not, withdrawn and by what succeeded (CLDR)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from babel import Locale
from babel.core import get_global

_NO_MONEY = frozenset({"XXX", "XTS"})


class CurrencyCodeError(ValueError):
    """A code that no money has, or none any more; the message says what to use instead."""


@dataclass(frozen=True, slots=True)
class CurrencyCode:
    """A currency code in its exact form.

    Attributes:
        code: ISO 4217 code in capitals.
        given: What was written.
    """

    code: str
    given: str

    @property
    def is_corrected(self) -> bool:
        """Whether it was written otherwise."""
        return self.code != self.given


@dataclass(frozen=True, slots=True)
class _Tender:
    """A time during which a territory used a currency; `end` is its last day."""

    territory: str
    code: str
    start: date | None
    end: date | None


def currency_code(text: str, on: date) -> CurrencyCode:
    """Bring a currency code to its exact form.

    Args:
        text: What was written: `eur `.
        on: The day that it is used on; a withdrawn currency was good money before.

    Raises:
        CurrencyCodeError: There is no such currency, or not on that day any more.

    Example:
        >>> currency_code(" eur", date(2026, 1, 1)).code
        'EUR'
    """
    code = text.strip().upper()
    if code not in _names() or code in _NO_MONEY:
        raise CurrencyCodeError(f"{text.strip() or 'An empty text'!r} is no currency; use an ISO 4217 code, like EUR")
    ended = withdrawn_on(code)
    if ended is not None and ended < on:
        raise CurrencyCodeError(_withdrawn(code, ended))
    return CurrencyCode(code, text)


def withdrawn_on(code: str) -> date | None:
    """The last day on which a currency was legal tender anywhere; None while it is, or was nowhere."""
    ends = [each.end for each in _tenders() if each.code == code]
    if not ends or None in ends:
        return None
    return max(end for end in ends if end is not None)


def _withdrawn(code: str, ended: date) -> str:
    names = _names()
    sentence = f"{code} ({names[code]}) was withdrawn"
    after = _successor(code)
    if after is None or after.start is None:
        return f"{sentence} after {ended}; use the currency that followed it"
    return f"{sentence}: use {after.code} ({names.get(after.code, after.code)}), its successor since {after.start}"


def _successor(code: str) -> _Tender | None:
    """What followed a currency at home; where it had many homes, what followed in all of them."""
    lasts = {each.territory: each for each in _tenders() if each.code == code and each.end}
    home = {code[:2]: lasts[code[:2]]} if code[:2] in lasts else lasts
    following = [_following(each) for each in home.values()]
    agree = len({each.code if each else None for each in following}) == 1
    return min(filter(None, following), key=lambda each: each.start or date.max, default=None) if agree else None


def _following(last: _Tender) -> _Tender | None:
    """The currency of the same territory today, if it came after this one."""
    later = [
        each
        for each in _tenders()
        if (each.territory, each.end) == (last.territory, None)
        and each.code != last.code
        and each.start is not None
        and each.start >= (last.start or date.min)
    ]
    return max(later, key=lambda each: each.start or date.min, default=None)


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    return dict(Locale("en").currencies)


@lru_cache(maxsize=1)
def _tenders() -> tuple[_Tender, ...]:
    return tuple(
        _Tender(territory, code, date(*start) if start else None, date(*end) if end else None)
        for territory, rows in get_global("territory_currencies").items()
        for code, start, end, tender in rows
        if tender
    )
