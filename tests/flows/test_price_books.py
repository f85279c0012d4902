"""List prices of the ERP's companies, in their currencies, become the CRM's standard prices."""

from __future__ import annotations

from decimal import Decimal

import pytest
from artifacts import published
from world import World

from prefect_crm_erp.flows import price_book_sync
from prefect_crm_erp.models.outcomes import Outcome


def prices(world: World, sku: str) -> dict[str, Decimal]:
    """Standard prices of a product by currency, as simple-salesforce reads them."""
    query = (
        "SELECT CurrencyIsoCode, UnitPrice FROM PricebookEntry "
        f"WHERE Product2.ProductCode = '{sku}' AND Pricebook2.IsStandard = true"
    )
    return {row["CurrencyIsoCode"]: row["UnitPrice"] for row in world.company.sf.query(query)["records"]}


@pytest.mark.requirement("E01")
def test_list_prices_come_in_the_currency_of_each_company_and_a_second_run_writes_nothing(world: World) -> None:
    world.company.product("NOT-IN-ERP")
    world.company.create("Product2", [{"Name": "Gas analyser", "ProductCode": "NL-300", "IsActive": True}])
    before = prices(world, "NL-400")
    dry = price_book_sync(integration=world.integration(), dry_run=True)
    assert prices(world, "NL-400") == before
    report = price_book_sync(integration=world.integration())
    assert repr(dry) == repr(report).replace(")", ", dry_run=True)")
    # NL-400, 410, 500 have prices as typed in; USD is right already. NL-300 has none at all.
    assert (report.written, report.unchanged, report.excluded, report.queued) == (9, 3, 3, 0)
    assert prices(world, "NL-400") == before | {
        "USD": Decimal("189.90"),
        "GBP": Decimal("149.90"),
        "EUR": Decimal("174.90"),
    }
    assert prices(world, "NL-300") == {"USD": Decimal("7320.50"), "GBP": Decimal("5840.50"), "EUR": Decimal("6710.50")}
    excluded = {row.reason for row in report.rows if row.outcome is Outcome.EXCLUDED}
    assert excluded == {"Tryton has no active product with this SKU"}
    assert "149.90" in published("list-prices-summary")
    world.org.clear_calls()
    again = price_book_sync(integration=world.integration())
    assert (again.written, again.unchanged) == (0, 12)
    assert not [call for call in world.org.calls() if call.endswith("/composite/sobjects")]


@pytest.mark.requirement("E01", "N01")
def test_a_deal_takes_the_price_of_its_own_currency_to_the_erp(world: World) -> None:
    price_book_sync(integration=world.integration())
    account = world.account(BillingCountry="GB", BillingState=None, BillingCity="Leeds", BillingPostalCode="LS1 4AP")
    lines = [{"sku": "NL-400", "Quantity": 2, "UnitPrice": str(prices(world, "NL-400")["GBP"])}]
    deal = world.deal(lines, currency="GBP", account=account)
    world.run()
    (sale,) = world.sales(deal)
    assert (sale["currency."]["code"], sale["untaxed_amount"]) == ("GBP", Decimal("299.80"))
