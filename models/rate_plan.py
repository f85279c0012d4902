"""What has to change in a CRM so that its rates are the ERP's: as little as possible, and nothing a second time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from prefect_crm_erp.models.exchange import ExchangeRate, RateError, cross, in_force, kept


@dataclass(frozen=True, slots=True)
class PlannedRate:
    """A rate of the CRM that is to become another one.

    Attributes:
        valid_from: The day from which it holds; None for the rate that the CRM uses where it knows no dates.
        before: What the CRM applies on that day now; None when it has no rate.
        after: What the ERP applies, in the decimal places that the CRM keeps.
    """

    valid_from: date | None
    before: Decimal | None
    after: Decimal


def measured_in(
    corporate: Sequence[ExchangeRate], currency: Sequence[ExchangeRate], since: date, today: date, digits: int
) -> list[ExchangeRate]:
    """Rates from the corporate currency, of two series of rates from the currency of a company's books.

    Args:
        corporate: Rates from the company's currency to the corporate one.
        currency: Rates from the company's currency to the one that is measured.
        since: The first day that counts.
        today: The last one: a rate of tomorrow is not one yet.
        digits: Decimal places that are kept.

    Returns:
        The rate of the first day, and one for each later day on which it changed.

    Raises:
        RateError: A rate is zero or negative, or rounded to zero.
    """
    starts = {max(each.valid_from, since) for each in (*corporate, *currency) if each.valid_from <= today}
    found: list[ExchangeRate] = []
    for day in sorted(starts):
        first, second = in_force(corporate, day), in_force(currency, day)
        if first is None or second is None:
            continue
        exact = cross(first.checked(today), second.checked(today))
        rate = ExchangeRate(exact.source, exact.target, _kept(exact, digits), day)
        if not found or found[-1].rate != rate.rate:
            found.append(rate)
    return found


def _kept(exact: ExchangeRate, digits: int) -> Decimal:
    rate = kept(exact.rate, digits)
    if not rate:
        raise RateError(
            f"The rate from {exact.source} to {exact.target} of {exact.valid_from} is below half of what {digits} "
            "decimal places can hold"
        )
    return rate


def plan_dated(erp: Sequence[ExchangeRate], crm: Mapping[date, Decimal], today: date) -> list[PlannedRate]:
    """Dated rates that have to be changed or added, so that the CRM applies the ERP's rate on every day.

    Args:
        erp: The ERP's rates, by day; the first one tells from which day on the CRM is to agree.
        crm: The CRM's rates by the day from which they hold.
        today: Days after it are left alone.

    Example:
        >>> first, other = date(2026, 1, 1), date(2026, 2, 1)
        >>> rates = [ExchangeRate("USD", "EUR", Decimal("0.92"), first)]
        >>> [(each.valid_from, each.after) for each in plan_dated(rates, {other: Decimal("0.90")}, other)]
        [(datetime.date(2026, 1, 1), Decimal('0.92')), (datetime.date(2026, 2, 1), Decimal('0.92'))]
    """
    return list(_changes(erp, dict(crm), today))


def _changes(erp: Sequence[ExchangeRate], crm: dict[date, Decimal], today: date) -> Iterator[PlannedRate]:
    since = min((each.valid_from for each in erp), default=today)
    days = {each.valid_from for each in erp} | {day for day in crm if since <= day <= today}
    for day in sorted(days):
        wanted = in_force(erp, day)
        applied = max((start for start in crm if start <= day), default=None)
        before = crm[applied] if applied else None
        if wanted and wanted.rate != before:
            crm[day] = wanted.rate
            yield PlannedRate(day, before, wanted.rate)


def plan_current(erp: Sequence[ExchangeRate], before: Decimal, today: date) -> list[PlannedRate]:
    """The change of the rate that the CRM uses where it knows no dates; none when it is the ERP's of today."""
    wanted = in_force(erp, today)
    return [PlannedRate(None, before, wanted.rate)] if wanted and wanted.rate != before else []
