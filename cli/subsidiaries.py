"""The legal entities as one line of text: `US: US, CA; UK = Northlight Instruments Ltd: GB, IE`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from prefect_crm_erp.blocks import Subsidiary, SubsidiaryRouting
from prefect_crm_erp.cli.environment import SUBSIDIARIES
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.records import Company

FORM = "NAME = COMPANY IN THE ERP: COUNTRY, COUNTRY; NAME = …"


def read_subsidiaries(text: str, saved: SubsidiaryRouting | None = None) -> SubsidiaryRouting:
    """Subsidiaries are separated by semicolons or lines; the company may be left out where it has the same name.

    Args:
        text: The line.
        saved: A routing whose rules, and whatever else the line does not say, are kept.

    Example:
        >>> [each.company for each in read_subsidiaries("US: US, CA; UK = Northlight Ltd: GB").subsidiaries]
        ['US', 'Northlight Ltd']

    Raises:
        ConfigurationError: The text is not of this form, or contradicts itself.
    """
    parts = [part.strip() for line in text.splitlines() for part in line.split(";")]
    try:
        subsidiaries = [_subsidiary(part) for part in parts if part]
        return SubsidiaryRouting(**{**_kept(saved), "subsidiaries": [_completed(each, saved) for each in subsidiaries]})
    except ValidationError as error:
        reasons = "; ".join(str(each["msg"]).removeprefix("Value error, ") for each in error.errors())
        raise ConfigurationError(f"{SUBSIDIARIES}: {reasons}. It is written as {FORM}") from None


def _kept(saved: SubsidiaryRouting | None) -> dict[str, Any]:
    return {field: getattr(saved, field) for field in SubsidiaryRouting.model_fields} if saved else {}


def _completed(named: Subsidiary, saved: SubsidiaryRouting | None) -> Subsidiary:
    """A subsidiary with what the saved one of its name has besides."""
    known = {fold(each.name): each for each in saved.subsidiaries} if saved else {}
    changes = {field: getattr(named, field) for field in named.model_fields_set}
    return known.get(fold(named.name), named).model_copy(update=changes)


def propose_subsidiaries(companies: Iterable[Company]) -> str:
    """A line to complete: each company of the ERP, with its countries left open."""
    return "; ".join(f"{each.code or each.name} = {each.name}: " for each in companies).strip()


def describe_routing(routing: SubsidiaryRouting) -> list[str]:
    """One sentence for each subsidiary and each rule."""
    rules = [f"rule {rule.name!r} leads to {rule.subsidiary}" for rule in routing.rules]
    return [*(_describe(subsidiary) for subsidiary in routing.subsidiaries), *rules]


def _describe(subsidiary: Subsidiary) -> str:
    countries = ", ".join(subsidiary.countries) or "no countries, only accounts that name it"
    return f"{subsidiary.name} = {subsidiary.company}: {countries}"


def _subsidiary(text: str) -> Subsidiary:
    named, _, countries = text.partition(":")
    name, _, company = named.partition("=")
    return Subsidiary(
        name=name.strip(),
        company=company.strip() or name.strip(),
        countries=[country.strip() for country in countries.split(",") if country.strip()],
    )
