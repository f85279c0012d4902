"""Closed deals become orders of a real ERP: once, in full, to the cent, and visible on both sides."""

from __future__ import annotations

from decimal import Decimal

import pytest
from world import BERLIN, World, cents

from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.outcomes import Outcome, Queue


@pytest.mark.requirement("F01", "F07", "F09", "GB12", "A16")
def test_a_won_deal_becomes_an_order_and_the_rep_sees_its_number(world: World) -> None:
    deal = world.deal(
        [
            {"sku": "NL-400", "Quantity": 3, "UnitPrice": 189.90, "Discount": 7.5},
            {"sku": "NL-500", "Quantity": 2500, "UnitPrice": 64.33, "Discount": 3.33},
        ],
        CloseDate="2026-05-04",
    )
    report = world.run()
    amount = world.crm(deal, "Amount")["Amount"]
    (sale,) = world.sales(deal)
    assert (report.written, report.queued) == (1, 0)
    assert sale["untaxed_amount"] == Decimal(str(amount))
    assert sale["state"] in ("confirmed", "processing")
    assert str(sale["sale_date"]) == "2026-05-04"
    row = world.row(report, deal)
    assert row.outcome is Outcome.WRITTEN
    assert row.crm_total == row.erp_total == sale["untaxed_amount"]
    assert row.erp_number == sale["number"]
    assert (row.currency, row.subsidiary) == ("USD", "US")
    fields = ("ERP_Order_Number__c", "ERP_Status__c", "ERP_Amount__c", "ERP_Sync_Status__c", "ERP_Sync_Error__c")
    shown = world.crm(deal, *fields)
    assert shown["ERP_Order_Number__c"] == sale["number"]
    assert shown["ERP_Status__c"] == "Approved"
    assert Decimal(str(shown["ERP_Amount__c"])) == sale["untaxed_amount"]
    assert (shown["ERP_Sync_Status__c"], shown["ERP_Sync_Error__c"]) == ("Synced", None)


@pytest.mark.requirement("B05", "B07", "B08", "B11")
def test_the_first_deal_makes_a_customer_of_a_prospect(world: World) -> None:
    account = world.account(Phone="(617) 555-0100")
    world.run(records=[world.deal(account=account)])
    shown = world.crm(account, "Type", "ERP_Id__c", object_name="Account")
    assert shown["Type"] == "Customer"
    with world.rpc() as rpc:
        (party,) = rpc("model.party.party.read", [int(shown["ERP_Id__c"])], ["name", "addresses"], world.context)
        fields = ["city", "postal_code", "country.code", "subdivision.code"]
        (address,) = rpc("model.party.address.read", party["addresses"], fields, world.context)
    assert (address["city"], address["postal_code"]) == ("Boston", "02101")
    assert (address["country."]["code"], address["subdivision."]["code"]) == ("US", "US-MA")


@pytest.mark.requirement("GB01", "GB14", "T03")
def test_a_second_run_writes_nothing_on_either_side(world: World) -> None:
    deals = [world.deal() for _ in range(3)]
    world.run()
    before = world.crm(deals[0], "SystemModstamp")
    world.org.clear_calls()
    again = world.run()
    assert (again.written, again.unchanged, again.source) == (0, 3, 3)
    assert len(world.sales(*deals)) == 3
    assert world.crm(deals[0], "SystemModstamp") == before
    assert not [call for call in world.org.calls() if call.startswith(("PATCH", "PUT", "DELETE"))]


@pytest.mark.requirement("N01")
@pytest.mark.parametrize(("currency", "price"), [("EUR", 17.37), ("GBP", 0.01), ("JPY", 28501)])
def test_the_original_currency_and_amount_are_ordered(world: World, currency: str, price: float) -> None:
    lines = [{"sku": "NL-410", "Quantity": 7, "UnitPrice": price, "Discount": 12.5}]
    deal = world.deal(lines, currency=currency, account=world.account(**BERLIN))
    report = world.run()
    (sale,) = world.sales(deal)
    assert sale["currency."]["code"] == currency
    assert sale["untaxed_amount"] == Decimal(str(world.crm(deal, "Amount")["Amount"]))
    assert world.row(report, deal).erp_total == sale["untaxed_amount"]


@pytest.mark.requirement("GB06")
def test_named_records_are_processed_whatever_the_watermark_says(world: World) -> None:
    first, second = world.deal(), world.deal()
    report = world.run(records=[first[:15], first, "006000000000000AAA"])
    assert world.row(report, first).outcome is Outcome.WRITTEN
    missing = [row for row in report.rows if row.crm_id != first]
    assert [row.outcome for row in missing] == [Outcome.EXCLUDED]
    assert "no such opportunity" in missing[0].reason
    assert not world.sales(second)
    assert world.run().written == 1
    assert len(world.sales(first, second)) == 2
    number = world.sales(first)[0]["number"]
    by_number = world.run(records=[number])
    assert [(row.crm_id, row.outcome) for row in by_number.rows] == [(first, Outcome.UNCHANGED)]
    with pytest.raises(ConfigurationError, match=r"'SO-999' is neither a CRM id"):
        world.run(records=["SO-999"])


@pytest.mark.requirement("GB03")
def test_a_dry_run_shows_every_field_and_writes_nothing(world: World) -> None:
    deal = world.deal()
    report = world.run(dry_run=True)
    row = world.row(report, deal)
    assert report.dry_run
    assert row.outcome is Outcome.WRITTEN
    changes = {change.field: (change.before, change.after) for change in row.changes}
    assert changes["order.currency"] == (None, "USD")
    assert changes["order.line 1"] == (None, "1 × NL-400 at 100.0000")
    assert changes["customer.billing.state"] == (None, "MA")
    assert not world.sales(deal)
    shown = world.crm(deal, "ERP_Order_Number__c", "ERP_Sync_Status__c")
    assert (shown["ERP_Order_Number__c"], shown["ERP_Sync_Status__c"]) == (None, None)
    assert world.run().written == 1


@pytest.mark.requirement("F02", "F03", "GB12")
def test_an_accepted_quote_is_ordered_with_discount_shipping_and_tax_and_wins_its_opportunity(world: World) -> None:
    account = world.account(**BERLIN)
    opportunity = world.deal([], account=account, currency="EUR", StageName="Negotiation/Review")
    (quote,) = world.company.create(
        "Quote",
        [
            {
                "Name": "Q",
                "OpportunityId": opportunity,
                "Pricebook2Id": world.company.price_book,
                "Status": "Draft",
                "ShippingHandling": 49.50,
                "Header_Discount__c": 5,
            }
        ],
    )
    world.company.lines(quote, [{"sku": "NL-400", "Quantity": 3, "UnitPrice": 174.90, "Discount": 2.5}], "EUR")
    net = cents(cents(Decimal("174.90") * 3 * Decimal("0.975")) * Decimal("0.95")) + Decimal("49.50")
    tax = cents(net * Decimal("0.19"))
    world.company.sf.Quote.update(quote, {"Status": "Accepted", "Tax": float(tax)})
    report = world.run(source="accepted quotes")
    row = world.row(report, quote)
    assert (row.outcome, row.reason) == (Outcome.WRITTEN, "")
    (sale,) = world.sales(quote)
    assert sale["untaxed_amount"] == net
    assert row.crm_total == row.erp_total == sale["total_amount"] == net + tax
    won = world.crm(opportunity, "StageName", "IsWon", "ERP_Order_Number__c")
    assert (won["StageName"], won["IsWon"], won["ERP_Order_Number__c"]) == ("Closed Won", True, sale["number"])
    assert world.crm(quote, "ERP_Order_Number__c", object_name="Quote")["ERP_Order_Number__c"] == sale["number"]
    # The opportunity is won now, and must not be ordered a second time as itself.
    other = world.run(source="closed-won opportunities")
    assert (other.written, other.excluded) == (0, 1)
    assert not world.sales(opportunity)


@pytest.mark.requirement("F09")
def test_an_activated_order_is_ordered_with_its_purchase_order_number(world: World) -> None:
    (order,) = world.company.create(
        "Order",
        [
            {
                "AccountId": world.account(),
                "EffectiveDate": "2026-06-01",
                "Status": "Draft",
                "Pricebook2Id": world.company.price_book,
                "CurrencyIsoCode": "USD",
                "PoNumber": "PO-4711",
            }
        ],
    )
    world.company.lines(order, [{"sku": "NL-410", "Quantity": 4, "UnitPrice": 24.95}])
    assert world.run(source="activated orders").source == 0
    world.company.sf.Order.update(order, {"Status": "Activated"})
    report = world.run(source="activated orders")
    (sale,) = world.sales(order)
    assert world.row(report, order).outcome is Outcome.WRITTEN
    assert sale["untaxed_amount"] == Decimal("99.80")
    assert "PO-4711" in sale["comment"]


@pytest.mark.requirement("GB12")
def test_a_deal_that_changes_after_its_order_asks_a_person(world: World) -> None:
    deal = world.deal()
    world.run()
    world.company.lines(deal, [{"sku": "NL-410", "Quantity": 1, "UnitPrice": 24.95}])
    row = world.row(world.run(), deal)
    assert row.queue is Queue.MANUAL_REVIEW
    assert "changed after order" in row.reason
    assert len(world.sales(deal)) == 1
