"""Writing back to Salesforce: how few calls it takes, and what becomes of each row."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from fixtures_salesforce import Company, SandboxOrg
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.blocks.crm._salesforce_values import shorten
from prefect_crm_erp.blocks.crm.values import CrmObject, Update
from prefect_crm_erp.models.errors import ConnectorError, LockedRecordError, RejectedRecordError, TransientError

COLLECTION = "PATCH /services/data/v64.0/composite/sobjects"


@pytest.fixture
def company(new_company: Callable[..., Company]) -> Company:
    return new_company()


def numbered(record_id: str, number: Any, **more: Any) -> Update:
    return Update(CrmObject.OPPORTUNITY, record_id, {"erp_order_number": str(number), **more})


def errors(org: SandboxOrg, *updates: Update) -> list[ConnectorError | None]:
    return [result.error for result in org.block().write_back(updates)]


@pytest.mark.requirement("GB16")
def test_two_hundred_rows_of_any_object_travel_in_a_call(empty_org: SandboxOrg, company: Company) -> None:
    accounts = company.create("Account", [{"Name": f"Account {number}", "Type": "Prospect"} for number in range(60)])
    deals = company.opportunities([{} for _ in range(240)])
    empty_org.clear_calls()
    updates = [numbered(deal, number) for number, deal in enumerate(deals)]
    updates[::4] = [Update(CrmObject.ACCOUNT, account, {"type": "Customer"}) for account in accounts]
    results = empty_org.block().write_back([*updates, *(numbered(deal, "x") for deal in deals[::4])])
    assert [result.error for result in results] == [None] * 300
    assert [result.update.record_id for result in results[:240]] == [update.record_id for update in updates]
    assert empty_org.calls()[COLLECTION] == 2
    assert company.sf.query("SELECT COUNT() FROM Account WHERE Type = 'Customer'")["totalSize"] == 60


@pytest.mark.requirement("F03")
def test_an_opportunity_is_won_and_a_prospect_becomes_a_customer(empty_org: SandboxOrg, company: Company) -> None:
    buyer = company.account(Type="Prospect")
    (deal,) = company.opportunities([{"AccountId": buyer, "StageName": "Prospecting"}])
    won = Update(CrmObject.OPPORTUNITY, deal, {"stage": "Closed Won"})
    customer = Update(CrmObject.ACCOUNT, buyer, {"type": "Customer", "erp_id": "C-17"})
    assert errors(empty_org, won, customer) == [None, None]
    assert company.sf.Opportunity.get(deal)["IsWon"] is True
    assert company.sf.Account.get(buyer)["ERP_Id__c"] == "C-17"


def test_quotes_orders_and_products_are_written_too(empty_org: SandboxOrg, company: Company) -> None:
    product = company.product("NL-1")
    buyer = company.account()
    (deal,) = company.opportunities([{"AccountId": buyer}])
    (quote,) = company.create("Quote", [{"Name": "Q", "OpportunityId": deal, "Pricebook2Id": company.price_book}])
    (order,) = company.create(
        "Order",
        [{"AccountId": buyer, "EffectiveDate": "2026-04-01", "Status": "Draft", "Pricebook2Id": company.price_book}],
    )
    updates = [
        Update(CrmObject.QUOTE, quote, {"erp_sync_status": "Synced"}),
        Update(CrmObject.ORDER, order, {"erp_sync_status": "Manual Review", "erp_sync_error": "Ask Finance"}),
        Update(CrmObject.PRODUCT, product, {"erp_id": "P-1"}),
    ]
    assert errors(empty_org, *updates) == [None] * 3
    assert company.sf.Quote.get(quote)["ERP_Sync_Status__c"] == "Synced"
    assert company.sf.Order.get(order)["ERP_Sync_Error__c"] == "Ask Finance"
    assert company.sf.Product2.get(product)["ERP_Id__c"] == "P-1"


@pytest.mark.requirement("N01")
@pytest.mark.parametrize("amount", ["0.01", "99999999999999.99", "1E+3", "-0.10"])
def test_an_amount_keeps_every_digit(empty_org: SandboxOrg, company: Company, amount: str) -> None:
    (deal,) = company.opportunities([{}])
    assert errors(empty_org, numbered(deal, 1, erp_amount=Decimal(amount))) == [None]
    found = company.sf.query("SELECT ERP_Amount__c FROM Opportunity")["records"][0]["ERP_Amount__c"]
    assert Decimal(found) == Decimal(amount)


@pytest.mark.requirement("T06")
def test_salesforces_own_words_and_code_are_kept(empty_org: SandboxOrg, company: Company) -> None:
    first, second, third = company.opportunities([{}, {}, {}])
    refused = errors(
        empty_org,
        numbered(first, 1, erp_sync_status="Nonsense"),
        numbered(second, "9" * 81),
        numbered(third, 3),
        numbered(first[:8] + "zzzzzzz", 4),
    )
    codes = [error.code if isinstance(error, RejectedRecordError) else error for error in refused]
    assert codes[:3] == ["INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "STRING_TOO_LONG", None]
    assert codes[3] in ("INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND", "ENTITY_IS_DELETED")
    assert refused[0] is not None
    assert "Nonsense" in str(refused[0])
    assert getattr(refused[1], "fields", ()) == ("ERP_Order_Number__c",)


@pytest.mark.parametrize(
    ("code", "kind"), [("UNABLE_TO_LOCK_ROW", LockedRecordError), ("SERVER_UNAVAILABLE", TransientError)]
)
def test_a_row_that_fails_for_a_moment_is_tried_again_alone(
    empty_org: SandboxOrg, company: Company, code: str, kind: type[ConnectorError]
) -> None:
    first, second = company.opportunities([{}, {}])
    trouble = {"indexes": [0], "statusCode": code, "message": "unable to obtain exclusive access to this record"}
    empty_org.fault("composite/sobjects", fail_rows=trouble, times=2)
    assert errors(empty_org, numbered(first, 1), numbered(second, 2)) == [None, None]
    assert empty_org.calls()[COLLECTION] == 3
    empty_org.fault("composite/sobjects", fail_rows=trouble, times=None)
    held, written = errors(empty_org, numbered(first, 1), numbered(second, 2))
    assert isinstance(held, kind)
    assert written is None


def test_a_whole_call_that_met_a_lock_is_made_again(empty_org: SandboxOrg, company: Company) -> None:
    (deal,) = company.opportunities([{}])
    locked = [{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access to this record"}]
    empty_org.fault("composite/sobjects", status=500, body=locked, times=2)
    assert errors(empty_org, numbered(deal, 1)) == [None]


def test_the_last_of_several_values_for_a_field_wins(empty_org: SandboxOrg, company: Company) -> None:
    (deal,) = company.opportunities([{}])
    assert errors(empty_org, numbered(deal, "old"), numbered(deal[:15], "new")) == [None, None]
    assert company.sf.Opportunity.get(deal)["ERP_Order_Number__c"] == "new"


@given(st.text(), st.integers(1, 40))
def test_a_shortened_text_fits_and_keeps_its_beginning(text: str, length: int) -> None:
    short = shorten(text, length)
    assert len(short.encode("utf-16-le")) <= 2 * length
    kept = short.removesuffix("…")
    assert shorten(text, 0).startswith(kept)
    short.encode()
