"""Countries and states as people type them, brought to ISO codes (source: pycountry)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import pycountry

from prefect_crm_erp.models.keys import fold

# What people write for a country and no standard lists, in folded form.
_COUNTRY_WORDS = {
    "uk": "GB",
    "u k": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "u s a": "US",
    "u s": "US",
    "united states of america": "US",
    "america": "US",
    "deutschland": "DE",
    "oesterreich": "AT",
    "schweiz": "CH",
    "suisse": "CH",
    "svizzera": "CH",
    "espana": "ES",
    "italia": "IT",
    "nederland": "NL",
    "holland": "NL",
    "the netherlands": "NL",
    "belgie": "BE",
    "belgique": "BE",
    "danmark": "DK",
    "norge": "NO",
    "sverige": "SE",
    "suomi": "FI",
    "polska": "PL",
    "brasil": "BR",
    "south korea": "KR",
    "korea": "KR",
    "republic of ireland": "IE",
    "eire": "IE",
    "czech republic": "CZ",
    "uae": "AE",
    "u a e": "AE",
    "turkey": "TR",
    "russia": "RU",
    "vietnam": "VN",
    "ivory coast": "CI",
    "hong kong": "HK",
    "macau": "MO",
}


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    """Every spelling of a country that pycountry knows, folded, to its alpha-2 code."""
    found: dict[str, str] = {}
    for country in pycountry.countries:
        for attribute in ("official_name", "common_name", "name", "alpha_3", "alpha_2"):
            name = getattr(country, attribute, None)
            if name:
                found[fold(name)] = country.alpha_2
    return found | _COUNTRY_WORDS


def country_code(text: str | None, extra: Mapping[str, str] | None = None) -> str | None:
    """The ISO 3166-1 alpha-2 code of a country as it is typed, or None when it is not known.

    Args:
        text: Code or name in any case: `DE`, `deu`, `Germany`, `Deutschland`, `U.K.`.
        extra: Further spellings of the company's own, with their codes.

    Example:
        >>> country_code("Great Britain")
        'GB'
    """
    wanted = fold(text)
    if not wanted:
        return None
    for spelling, code in (extra or {}).items():
        if fold(spelling) == wanted:
            return code.upper()
    return _countries().get(wanted)


def country_name(code: str) -> str:
    """The usual English name of a country; the code itself when it is not known."""
    country = pycountry.countries.get(alpha_2=code)
    return getattr(country, "common_name", country.name) if country else code


@lru_cache(maxsize=256)
def _states(country: str) -> dict[str, str]:
    """Spellings of a country's subdivisions, folded, to their codes without the country."""
    found: dict[str, str] = {}
    for state in pycountry.subdivisions.get(country_code=country) or ():
        code = state.code.split("-", 1)[1]
        found.setdefault(fold(state.name), code)
        found[fold(code)] = code
    return found


def state_code(country: str, text: str | None, extra: Mapping[str, str] | None = None) -> str | None:
    """The ISO 3166-2 code (without its country) of a state as it is typed, or None when it is not known.

    Args:
        country: ISO 3166-1 alpha-2 code of the country.
        text: Code or name in any case: `CA`, `US-CA`, `California`, `Calif.` when `extra` knows it.
        extra: Further spellings of the company's own, with their codes.

    Example:
        >>> state_code("US", "california")
        'CA'
    """
    wanted = fold(text).removeprefix(f"{country.casefold()} ")
    if not wanted:
        return None
    for spelling, code in (extra or {}).items():
        if fold(spelling) == wanted:
            return code.upper()
    return _states(country).get(wanted)
