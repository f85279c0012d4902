"""How much credit a customer has and uses."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from prefect_crm_erp.models.money import ZERO


@dataclass(frozen=True, slots=True)
class CreditPosition:
    """A customer's credit at a company, in the company's currency and its major unit.

    Attributes:
        limit: Credit limit; None when there is none.
        used: Open balance plus orders not yet invoiced.
        currency: ISO 4217 code.
        outstanding: Open balance: invoiced and not yet paid.
    """

    limit: Decimal | None
    used: Decimal
    currency: str
    outstanding: Decimal = ZERO
