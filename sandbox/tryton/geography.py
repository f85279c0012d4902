"""Countries and their subdivisions, from pycountry into Tryton."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pycountry
from trytond.pool import Pool
from trytond.tools import remove_forbidden_chars
from trytond.transaction import Transaction

from prefect_crm_erp.sandbox.tryton.settings import DATABASE


def create_geography() -> None:
    """Create every ISO 3166 country and subdivision, in one transaction.

    Tryton's own import script saves the same records one call at a time through proteus, which takes several times
    as long.
    """
    with Transaction().start(DATABASE, 1):
        countries = _create_countries()
        _create_subdivisions(countries)


def _create_countries() -> dict[str, int]:
    country_model = Pool(DATABASE).get("country.country")
    values = [
        {
            "name": remove_forbidden_chars(country.name),
            "code": country.alpha_2,
            "code3": country.alpha_3,
            "code_numeric": country.numeric,
        }
        for country in pycountry.countries
    ]
    return {country.code: country.id for country in country_model.create(values)}


def _create_subdivisions(countries: dict[str, int]) -> None:
    """Create the subdivisions level by level, since a child names its parent."""
    subdivision_model = Pool(DATABASE).get("country.subdivision")
    types = {value for value, _ in subdivision_model.type.selection}
    created: dict[str, int] = {}
    for level in _levels():
        values = [_subdivision_values(entry, countries, created, types) for entry in level]
        created.update((record.code, record.id) for record in subdivision_model.create(values))


def _levels() -> list[list[Any]]:
    by_depth: dict[int, list[Any]] = defaultdict(list)
    for entry in pycountry.subdivisions:
        by_depth[_depth(entry)].append(entry)
    return [by_depth[depth] for depth in sorted(by_depth)]


def _depth(entry: Any) -> int:
    depth = 0
    while entry.parent is not None:
        entry = entry.parent
        depth += 1
    return depth


def _subdivision_values(
    entry: Any, countries: dict[str, int], created: dict[str, int], types: set[str]
) -> dict[str, Any]:
    kind = entry.type.lower()
    return {
        "name": remove_forbidden_chars(entry.name),
        "code": entry.code,
        "country": countries[entry.country_code],
        "type": kind if kind in types else None,
        "parent": created[entry.parent.code] if entry.parent is not None else None,
    }
