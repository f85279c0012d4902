"""Rounding: why two systems that know the same lines arrive at totals that are a few minor units apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import partial

from prefect_crm_erp.models.money import ZERO, minor_units, round_money

_WORDS = {ROUND_HALF_UP: "half-up", ROUND_HALF_EVEN: "half to even"}


def line_rounded(lines: Iterable[Decimal], currency: str, rounding: str = ROUND_HALF_UP) -> Decimal:
    """The total of lines that are each rounded to the minor unit.

    Example:
        >>> line_rounded([Decimal("0.335"), Decimal("0.335")], "USD")
        Decimal('0.68')
    """
    return sum((round_money(line, currency, rounding) for line in lines), ZERO)


def header_rounded(lines: Iterable[Decimal], currency: str, rounding: str = ROUND_HALF_UP) -> Decimal:
    """The total of unrounded lines, rounded once.

    Example:
        >>> header_rounded([Decimal("0.335"), Decimal("0.335")], "USD")
        Decimal('0.67')
    """
    return round_money(sum(lines, ZERO), currency, rounding)


def explain_totals(lines: Sequence[Decimal], currency: str, crm: Decimal, erp: Decimal) -> str | None:
    """Say how rounding leads from the same lines to two totals.

    Args:
        lines: Line amounts after discount, unrounded.
        currency: ISO 4217 code.
        crm: The CRM's total without shipping and tax.
        erp: The ERP's.

    Returns:
        A sentence; None when they agree, or when rounding does not explain it.

    Example:
        >>> explain_totals([Decimal("0.335"), Decimal("0.335")], "USD", Decimal("0.67"), Decimal("0.68"))
        '0.67 is the sum of the lines rounded once, 0.68 the sum of lines that are each rounded half-up'
    """
    if crm == erp or abs(crm - erp) > _most(lines, currency):
        return None
    first, second = _way(lines, currency, crm), _way(lines, currency, erp)
    if first is None or second is None:
        return None
    return f"{crm:,} is the sum of {first}, {erp:,} the sum of {second}"


def _most(lines: Sequence[Decimal], currency: str) -> Decimal:
    """Rounding moves each line by half a minor unit at most."""
    return Decimal(1).scaleb(-minor_units(currency)) * max(len(lines), 1)


def _way(lines: Sequence[Decimal], currency: str, total: Decimal) -> str | None:
    ways: list[tuple[Callable[[], Decimal], str]] = [
        (partial(header_rounded, lines, currency), "the lines rounded once"),
        *(
            (partial(line_rounded, lines, currency, mode), f"lines that are each rounded {words}")
            for mode, words in _WORDS.items()
        ),
        (partial(header_rounded, lines, currency, ROUND_HALF_EVEN), "the lines rounded once, half to even"),
    ]
    return next((words for compute, words in ways if compute() == total), None)
