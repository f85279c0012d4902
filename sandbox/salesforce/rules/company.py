"""Currencies and their dated rates."""

from __future__ import annotations

from datetime import date

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.rules.base import Rules, integrity
from prefect_crm_erp.sandbox.salesforce.writer import Writer

END_OF_TIME = date(9999, 12, 31)
MOST_PLACES = 5


class CurrencyTypeRules(Rules):
    """The corporate currency is the measure of the others: always active, at the rate of 1."""

    def complete(self, change: Change, writer: Writer) -> None:
        """Refuse rates and places that no currency has.

        Raises:
            RowRejected: FIELD_INTEGRITY_EXCEPTION.
        """
        row = change.new
        if row["ConversionRate"] <= 0:
            raise integrity("ConversionRate", "the conversion rate must be greater than zero")
        if not 0 <= row["DecimalPlaces"] <= MOST_PLACES:
            raise integrity("DecimalPlaces", f"decimal places must be between 0 and {MOST_PLACES}")
        if row["IsCorporate"] and not row["IsActive"]:
            raise integrity("IsActive", "the corporate currency cannot be deactivated")
        if row["IsCorporate"] and row["ConversionRate"] != 1:
            raise integrity("ConversionRate", "the corporate currency's rate is always 1")


class DatedConversionRateRules(Rules):
    """A currency has one rate for each start date; each holds until the next one starts."""

    def complete(self, change: Change, writer: Writer) -> None:
        """Refuse unknown currencies, impossible rates and a second rate for a day.

        Raises:
            RowRejected: INVALID_CROSS_REFERENCE_KEY, FIELD_INTEGRITY_EXCEPTION or DUPLICATE_VALUE.
        """
        row = change.new
        if row["IsoCode"] not in writer.currency_places:
            raise RowRejected.of("INVALID_CROSS_REFERENCE_KEY", f"invalid currency: {row['IsoCode']}", ["IsoCode"])
        if row["ConversionRate"] <= 0:
            raise integrity("ConversionRate", "the conversion rate must be greater than zero")
        for other in writer.children("DatedConversionRate", "IsoCode", row["IsoCode"]):
            if other["Id"] != row["Id"] and other["StartDate"] == row["StartDate"]:
                message = f"a rate of {row['IsoCode']} from {row['StartDate']} on is there: {other['Id'][:15]}"
                raise RowRejected.of("DUPLICATE_VALUE", message, ["StartDate"])

    def settle(self, change: Change, writer: Writer) -> None:
        """Say of every rate of the currency when the next one starts."""
        _chain(change.new["IsoCode"], writer)

    def removed(self, row: Row, writer: Writer) -> None:
        """Close the gap."""
        _chain(row["IsoCode"], writer)


def _chain(code: str, writer: Writer) -> None:
    rates = sorted(writer.children("DatedConversionRate", "IsoCode", code), key=lambda row: row["StartDate"])
    starts = [row["StartDate"] for row in rates[1:]] + [END_OF_TIME]
    for row, next_start in zip(rates, starts, strict=True):
        writer.amend("DatedConversionRate", row["Id"], {"NextStartDate": next_start}, touch=False)
