"""Northlight Instruments: the three legal entities of the demo company."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True)
class Address:
    """A postal address; ``subdivision`` is an ISO 3166-2 code."""

    street: str
    city: str
    postal_code: str
    country: str
    subdivision: str | None = None


@dataclass(frozen=True)
class CompanyProfile:
    """A legal entity in the ERP.

    Attributes:
        code: Short code; also the prefix of the numbers of its documents, as in ``UK-00001``.
        currency: ISO 4217 code of the currency of its books.
        tax: Name and rate of the tax that its domestic customers pay.
        warehouse: Town that its warehouse is named after.
    """

    code: str
    name: str
    currency: str
    tax: tuple[str, Decimal]
    address: Address
    warehouse: str

    @property
    def country(self) -> str:
        """ISO 3166 code of the country that it is registered in."""
        return self.address.country


COMPANIES: Final = (
    CompanyProfile(
        code="US",
        name="Northlight Instruments Inc",
        currency="USD",
        tax=("Sales tax exempt", Decimal(0)),
        address=Address("500 Harbor Avenue", "Tacoma", "98402", "US", "US-WA"),
        warehouse="Tacoma",
    ),
    CompanyProfile(
        code="UK",
        name="Northlight Instruments Ltd",
        currency="GBP",
        tax=("VAT 20%", Decimal("0.20")),
        address=Address("8 Foundry Road", "Leeds", "LS10 1JR", "GB"),
        warehouse="Leeds",
    ),
    CompanyProfile(
        code="DE",
        name="Northlight Instruments GmbH",
        currency="EUR",
        tax=("VAT 19%", Decimal("0.19")),
        address=Address("Werftstraße 12", "Kiel", "24143", "DE"),
        warehouse="Kiel",
    ),
)

PAYMENT_TERMS: Final = {"Due on receipt": 0, "Net 15": 15, "Net 30": 30, "Net 45": 45, "Net 60": 60}
"""Names of the payment terms and their days."""
