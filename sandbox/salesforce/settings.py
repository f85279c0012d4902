"""What the side door may change about the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_args

from prefect_crm_erp.sandbox.salesforce.org import AmountRounding, DuplicateRule

AMOUNT_ROUNDINGS = get_args(AmountRounding)
DUPLICATE_RULES = get_args(DuplicateRule)


@dataclass(frozen=True)
class Settings:
    """Server settings; each change makes a new, checked value.

    Args:
        duplicate_rule: What the duplicate rule on accounts does with a match: `allow` or `block`.
        subsidiary_required: Whether the package's validation rule is on: new accounts need their subsidiary.
        amount_rounding: Amounts are sums of rounded `lines`, or the `sum` of unrounded lines is rounded once.
        dated_rates: Whether Advanced Currency Management is on, and with it the object DatedConversionRate.
        daily_limit: API calls in 24 hours. A Developer Edition org has 15,000.
        session_seconds: How long a session lives after its last use.
        bulk_seconds: How long a bulk job takes from the end of its upload.
        page_size: Rows of a query page when the client names no batch size.
        max_page_size: The largest page that a client can ask for; Salesforce has 2,000.
    """

    duplicate_rule: DuplicateRule = "allow"
    subsidiary_required: bool = False
    amount_rounding: AmountRounding = "lines"
    dated_rates: bool = True
    daily_limit: int = 15_000
    session_seconds: float = 7_200
    bulk_seconds: float = 2
    page_size: int = 2_000
    max_page_size: int = 2_000

    def __post_init__(self) -> None:
        _check_choice("duplicate_rule", self.duplicate_rule, DUPLICATE_RULES)
        _check_choice("amount_rounding", self.amount_rounding, AMOUNT_ROUNDINGS)
        _check_choice("dated_rates", self.dated_rates, (True, False))
        _check_choice("subsidiary_required", self.subsidiary_required, (True, False))
        for name in ("daily_limit", "session_seconds", "bulk_seconds"):
            _check_number(name, getattr(self, name), smallest=0)
        for name in ("page_size", "max_page_size"):
            _check_number(name, getattr(self, name), smallest=1)

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """These settings with other values.

        Raises:
            ValueError: A name is unknown, or a value is not allowed.
        """
        known = {entry.name for entry in fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown setting {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        return replace(self, **values)

    def to_json(self) -> dict[str, Any]:
        """The settings as a JSON object."""
        return asdict(self)


def _check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(map(str, choices))}")


def _check_number(name: str, value: Any, smallest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < smallest:
        raise ValueError(f"{name} is a number, at least {smallest}")
