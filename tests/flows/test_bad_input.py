"""What real systems throw at us: a message that says what to do, nothing lost or doubled, and the others go on."""

from __future__ import annotations

import threading
import time
from decimal import Decimal

import pytest
from pydantic import SecretStr
from stdnum.iso7064 import mod_11_10
from world import BERLIN, World

from prefect_crm_erp.blocks import CustomFieldMap, MappedField, OrderPolicy
from prefect_crm_erp.blocks.policies.custom_fields import MappedRecord
from prefect_crm_erp.blocks.policies.orders import DealsWithoutLines
from prefect_crm_erp.models.errors import AuthenticationError, ConfigurationError, TransientError
from prefect_crm_erp.models.outcomes import Outcome, Queue

COMPOSITE = r"/composite/sobjects"


# -------------------------------------------------------------------- systems


@pytest.mark.requirement("T07")
def test_wrong_credentials_stop_the_run_before_anything_is_written(world: World) -> None:
    deal = world.deal()
    with pytest.raises(AuthenticationError) as crm:
        world.run(world.integration(crm=world.org.block(password="wrong-canary")))
    with pytest.raises(AuthenticationError) as erp:
        world.run(world.integration(erp=world.tryton(password=SecretStr("wrong-canary"))))
    assert str(crm.value).startswith("Salesforce: ")
    assert str(erp.value).startswith("Tryton: ")
    for error in (crm.value, erp.value):
        assert "canary" not in str(error)
        assert any(word in str(error).lower() for word in ("password", "credentials", "user name"))
    assert not world.sales(deal)
    assert world.run().written == 1


@pytest.mark.requirement("T02")
def test_an_unreachable_crm_is_named_with_its_address(world: World) -> None:
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:9.*check the address"):
        world.run(world.integration(crm=world.org.block(instance_url="http://127.0.0.1:9")))


@pytest.mark.requirement("T04", "T09")
def test_the_deals_of_an_erp_that_is_down_wait_in_retry_and_go_through_later(world: World) -> None:
    deal = world.deal()
    row = world.row(world.run(world.integration(erp=world.tryton(server_url="http://127.0.0.1:9"))), deal)
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.RETRY)
    assert "127.0.0.1:9" in row.reason
    shown = world.crm(deal, "ERP_Sync_Status__c", "ERP_Sync_Error__c")
    assert shown["ERP_Sync_Status__c"] == "Retry"
    assert shown["ERP_Sync_Error__c"] == row.reason
    time.sleep(1.1)
    assert world.run().written == 1
    assert len(world.sales(deal)) == 1
    assert world.crm(deal, "ERP_Sync_Status__c", "ERP_Sync_Error__c")["ERP_Sync_Error__c"] is None


@pytest.mark.requirement("T02")
def test_a_session_that_expires_in_the_middle_is_renewed_once(world: World) -> None:
    deals = [world.deal() for _ in range(3)]
    world.org.fault(COMPOSITE, method="PATCH", expire_session=True)
    assert world.run().written == 3
    assert len(world.sales(*deals)) == 3
    assert world.crm(deals[0], "ERP_Sync_Status__c")["ERP_Sync_Status__c"] == "Synced"


@pytest.mark.requirement("T02", "GB16")
def test_a_reached_api_limit_is_said_and_the_orders_are_not_doubled(world: World) -> None:
    deal = world.deal()
    world.org.fault(COMPOSITE, method="PATCH", throttle=True, times=None)
    row = world.row(world.run(), deal)
    assert row.outcome is Outcome.WRITTEN
    assert any("REQUEST_LIMIT_EXCEEDED" in note.text or "limit" in note.text.lower() for note in row.notes)
    world.org.clear_calls()
    time.sleep(1.1)
    again = world.run()
    assert again.written == 0
    assert len(world.sales(deal)) == 1
    assert world.crm(deal, "ERP_Sync_Status__c")["ERP_Sync_Status__c"] == "Synced"


@pytest.mark.requirement("GB13")
@pytest.mark.parametrize(
    ("crm_field", "erp_field", "named"),
    [("Nonsense__c", "comment", "Nonsense__c"), ("NextStep", "nonsense", "nonsense")],
)
def test_an_unknown_field_in_the_custom_map_is_found_before_anything_is_written(
    world: World, crm_field: str, erp_field: str, named: str
) -> None:
    deal = world.deal()
    field = MappedField(record=MappedRecord.DEAL, crm_field=crm_field, erp_field=erp_field)
    with pytest.raises(ConfigurationError, match=named):
        world.run(world.integration(custom_fields=CustomFieldMap(rows=[field])))
    assert not world.sales(deal)


@pytest.mark.requirement("GB17")
def test_a_mapped_field_travels_without_code(world: World) -> None:
    deal = world.deal(NextStep="Deliver to gate 4")
    field = MappedField(record=MappedRecord.DEAL, crm_field="NextStep", erp_field="comment")
    world.run(world.integration(custom_fields=CustomFieldMap(rows=[field])))
    assert "Deliver to gate 4" in world.sales(deal)[0]["comment"]


# -------------------------------------------------------------------- records


@pytest.mark.requirement("A13", "P01", "P02", "P03", "T10", "U04", "U11")
def test_defects_of_a_deal_are_parked_with_what_to_do_and_the_others_go_on(world: World) -> None:
    world.company.product("NL-777", "Not in the ERP")
    world.company.create("Product2", [{"Name": "Without code", "IsActive": True}])
    no_sku = _product_without_sku(world)
    bad = {
        world.deal([]): "no product lines",
        world.deal([{"sku": "NL-777", "Quantity": 1, "UnitPrice": 5}]): "NL-777",
        world.deal([{"sku": no_sku, "Quantity": 1, "UnitPrice": 5}]): "no SKU",
        world.deal([{"sku": "NL-400", "Quantity": -2, "UnitPrice": 5}]): "returns are credit memos",
        world.deal(currency="KWD"): "KWD",
        world.deal(account=world.account(BillingState="Transylvania")): "no state of United States",
        world.deal(account=world.account(VAT_Number__c="DE111", **BERLIN)): "VAT number",
        world.deal(account=_no_address(world)): "neither a billing nor a shipping address",
    }
    good = world.deal()
    report = world.run()
    assert (report.written, report.queued) == (1, len(bad))
    assert len(world.sales(good)) == 1
    assert not world.sales(*bad)
    for deal, words in bad.items():
        row = world.row(report, deal)
        assert row.queue is Queue.DATA_QUALITY, row.reason
        assert words in row.reason
        shown = world.crm(deal, "ERP_Sync_Status__c", "ERP_Sync_Error__c")
        assert shown["ERP_Sync_Status__c"] == "Data Quality Exception"
        assert words in shown["ERP_Sync_Error__c"]


@pytest.mark.requirement("P07", "P08", "P09", "U05", "U06")
def test_what_can_be_assumed_is_assumed_and_flagged(world: World) -> None:
    shipping = {name.replace("Billing", "Shipping"): value for name, value in BERLIN.items()}
    empty = dict.fromkeys(("BillingStreet", "BillingCity", "BillingState", "BillingPostalCode", "BillingCountry"))
    moved = world.deal(account=world.account(**empty, **shipping))
    california = world.deal(account=world.account(BillingState="California", Payment_Terms__c="Net 60"))
    report = world.run()
    assert report.written == 2
    notes = {note.field: note for note in world.row(report, moved).notes}
    assert "shipping address is used" in notes["billing"].text
    assert notes["payment_terms"].flag == "Finance"
    assert world.row(report, moved).subsidiary == "DE"
    assert world.sales(moved)[0]["payment_term."]["name"] == "Net 30"
    notes = {note.field: note for note in world.row(report, california).notes}
    assert (notes["billing.state"].before, notes["billing.state"].after) == ("California", "CA")
    assert "payment_terms" not in notes
    assert world.sales(california)[0]["payment_term."]["name"] == "Net 60"


@pytest.mark.requirement("O01", "O03", "O05", "O06", "O07")
def test_a_deal_without_a_subsidiary_waits_for_review_and_is_never_defaulted(world: World) -> None:
    freedonia = world.deal(account=world.account(BillingCountry="Freedonia", BillingState=None))
    unserved = world.deal(account=world.account(BillingCountry="Japan", BillingState=None), Name="by country")
    by_field = world.deal(account=world.account(ERP_Subsidiary__c="UK"))
    brazil = world.deal(account=world.account(BillingCountry="Brazil", BillingState=None))
    report = world.run()
    assert world.row(report, freedonia).queue is Queue.PENDING_REVIEW
    assert "Freedonia" in world.row(report, freedonia).reason
    assert world.row(report, brazil).queue is Queue.PENDING_REVIEW
    assert "No subsidiary serves Brazil" in world.row(report, brazil).reason
    assert world.row(report, unserved).subsidiary == "US"
    assert world.row(report, by_field).subsidiary == "UK"
    companies = {str(company.id): company.code for company in world.access.companies}
    assert companies[str(world.sales(by_field)[0]["company."]["id"])] == "UK"
    world.company.sf.Account.update(
        world.crm(freedonia, "AccountId")["AccountId"], {"ERP_Subsidiary__c": "US", "BillingCountry": "US"}
    )
    assert world.row(world.run(), freedonia).outcome is Outcome.WRITTEN


@pytest.mark.requirement("G02", "G05", "J03", "GB15")
def test_an_order_over_the_credit_limit_waits_for_approval_and_passes_once_approved(world: World) -> None:
    account = world.account()
    world.run(records=[world.deal(account=account)])
    party = int(world.crm(account, "ERP_Id__c", object_name="Account")["ERP_Id__c"])
    with world.rpc() as rpc:
        rpc("model.party.party.write", [party], {"credit_limit_amount": Decimal("150.00")}, world.context)
    deal, other = world.deal(account=account), world.deal()
    report = world.run()
    row = world.row(report, deal)
    assert row.queue is Queue.PENDING_APPROVAL
    assert "credit limit" in row.reason
    assert world.row(report, other).outcome is Outcome.WRITTEN
    with world.rpc() as rpc:
        rpc("model.party.party.write", [party], {"credit_limit_amount": Decimal("5000.00")}, world.context)
    assert world.row(world.run(), deal).outcome is Outcome.WRITTEN
    assert len(world.sales(deal)) == 1


@pytest.mark.requirement("U01", "U04")
def test_odd_texts_arrive_as_they_are(world: World) -> None:
    sku = "O'Brien \\ 100%"
    world.company.product(sku)
    with world.rpc() as rpc:
        _copy_product(rpc, world, "NL-400", sku)
    text = ("Grün 🧪 “quoted” 'single' \\ 100 % " * 8)[:200]
    name = f"O'Brien \\ 100% & Söhne <b>{time.time_ns()}</b>"
    deal = world.deal(
        [{"sku": sku, "Quantity": 1, "UnitPrice": 10, "Description": text}],
        account=world.account(Name=name),
        Name=name[:120],
    )
    report = world.run(records=[deal[:15]])
    assert world.row(report, deal).reason == ""
    (sale,) = world.sales(deal)
    assert sale["party."]["name"] == name
    with world.rpc() as rpc:
        lines = rpc(
            "model.sale.line.search_read",
            [("sale.reference", "=", deal)],
            0,
            None,
            None,
            ["description"],
            world.context,
        )
    assert lines[0]["description"].strip() == text.strip()


@pytest.mark.requirement("F06")
def test_a_deal_without_lines_can_be_ordered_as_its_total(world: World) -> None:
    deal = world.deal([], Amount=1234.56)
    policy = OrderPolicy(deals_without_lines=DealsWithoutLines.TOTAL_LINE, total_line_sku="NL-400")
    integration = world.integration(orders=policy)
    world.run(integration)
    assert world.sales(deal)[0]["untaxed_amount"] == Decimal("1234.56")
    assert world.row(world.run(integration, records=[deal]), deal).outcome is Outcome.UNCHANGED
    world.company.sf.Opportunity.update(deal, {"Amount": 1234.57})
    assert "The deal changed after order" in world.row(world.run(integration, records=[deal]), deal).reason


@pytest.mark.requirement("GB09")
def test_a_deal_deleted_between_read_and_write_back_keeps_its_order_and_says_so(world: World) -> None:
    deal, other = world.deal(), world.deal()
    world.org.fault(COMPOSITE, method="PATCH", delay=1.5)
    report: list[object] = []
    running = threading.Thread(target=lambda: report.append(world.run()))
    running.start()
    _wait_for(lambda: len(world.sales(deal)) == 1)
    world.company.sf.Opportunity.delete(deal)
    running.join()
    row = world.row(report[0], deal)  # type: ignore[arg-type]
    assert row.outcome is Outcome.WRITTEN
    assert any("deleted" in note.text.lower() and row.erp_number in note.text for note in row.notes if row.erp_number)
    assert world.crm(other, "ERP_Sync_Status__c")["ERP_Sync_Status__c"] == "Synced"
    assert len(world.sales(deal)) == 1


@pytest.mark.requirement("B06", "GB08")
def test_a_second_account_of_the_same_company_makes_no_second_customer(world: World) -> None:
    name, vat = f"Twin {time.time_ns()}", _german_vat()
    first = world.deal(account=world.account(Name=f"{name} Inc"))
    second = world.deal(account=world.account(Name=f"{name}, Incorporated"))
    third = world.deal(account=world.account(Name=name, VAT_Number__c=vat, **BERLIN))
    fourth = world.deal(account=world.account(Name=f"{name} GmbH", VAT_Number__c=f"DE {vat[2:5]} {vat[5:]}", **BERLIN))
    report = world.run()
    assert world.row(report, first).outcome is Outcome.WRITTEN
    assert world.row(report, second).queue is Queue.PENDING_REVIEW
    assert "might be an existing customer" in world.row(report, second).reason
    parties = {sale["party."]["id"] for sale in world.sales(third, fourth)}
    assert len(parties) == 1
    with world.rpc() as rpc:
        assert rpc("model.party.party.search_count", [("name", "like", f"{name}%")], 0, None, world.context) <= 3


# -------------------------------------------------------------------- helpers


def _german_vat() -> str:
    """A valid number that no other test uses."""
    digits = str(10_000_000 + time.time_ns() // 1000 % 90_000_000)
    return f"DE{digits}{mod_11_10.calc_check_digit(digits)}"


def _no_address(world: World) -> str:
    parts = ("Street", "City", "State", "PostalCode", "Country")
    return world.account(**{f"Billing{part}": None for part in parts})


def _product_without_sku(world: World) -> str:
    """A product whose code is empty in the CRM; known to the helper under a name of its own."""
    identity = world.company.product("TEMPORARY")
    world.company.sf.Product2.update(identity, {"ProductCode": None})
    return "TEMPORARY"


def _copy_product(rpc: object, world: World, sku: str, new_sku: str) -> None:
    call = rpc
    (template,) = call("model.product.template.search", [("products.code", "=", sku)], 0, 1, None, world.context)  # type: ignore[operator]
    if call("model.product.product.search", [("code", "=", new_sku)], 0, 1, None, world.context):  # type: ignore[operator]
        return
    (copy,) = call("model.product.template.copy", [template], world.context)  # type: ignore[operator]
    (product,) = call("model.product.product.search", [("template", "=", copy)], 0, 1, None, world.context)  # type: ignore[operator]
    call("model.product.product.write", [product], {"suffix_code": new_sku}, world.context)  # type: ignore[operator]


def _wait_for(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)
