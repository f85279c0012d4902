"""Deleting, undeleting, merging, purging."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from prefect_crm_erp.sandbox.salesforce.errors import ApiError

if TYPE_CHECKING:
    from prefect_crm_erp.sandbox.salesforce.org import Org
    from tests.sandbox.salesforce.conftest import Refused, Shop, Time

OBJECTS = ("Account", "Contact", "Opportunity", "OpportunityLineItem", "Quote", "QuoteLineItem")


def alive(org: Org) -> dict[str, int]:
    """How many rows of each kind are not deleted."""
    return {name: len(list(org.rows(name))) for name in OBJECTS}


def business(shop: Shop) -> tuple[str, str]:
    """A deal with a synced quote; its id and the quote's."""
    shop.org.create("Contact", {"LastName": "Ray", "AccountId": shop.account})
    deal = shop.opportunity(Pricebook2Id=shop.price_book)
    quote = shop.org.create("Quote", {"Name": "Q", "OpportunityId": deal})
    line = {"QuoteId": quote, "PricebookEntryId": shop.entries["USD"], "Quantity": 2, "UnitPrice": 10}
    shop.org.create("QuoteLineItem", line)
    shop.org.update("Opportunity", deal, {"SyncedQuoteId": quote})
    return deal, quote


@pytest.mark.requirement("GB09")
def test_an_account_takes_its_deals_along_and_brings_them_back(shop: Shop, refused: Refused) -> None:
    org = shop.org
    deal, quote = business(shop)
    earlier = shop.line(deal, Quantity=7)
    org.delete("OpportunityLineItem", earlier)
    before = alive(org)
    org.delete("Account", shop.account)
    assert alive(org) == dict.fromkeys(OBJECTS, 0)
    assert [row["Id"] for row in org.rows("Opportunity", include_deleted=True)] == [deal]
    assert org.row_by_id("Opportunity", deal)["IsDeleted"]  # type: ignore[index]
    with pytest.raises(ApiError, match="ENTITY_IS_DELETED"):
        org.get("Opportunity", deal)
    assert refused(org.undelete, "Opportunity", deal) == ["UNDELETE_FAILED"]
    org.undelete("Account", shop.account)
    assert alive(org) == before
    assert shop.values("Opportunity", deal, "Amount", "SyncedQuoteId") == [20, quote]
    assert refused(org.undelete, "Account", shop.account) == ["UNDELETE_FAILED"]


def test_a_lookup_is_emptied_and_led_back_unless_it_leads_elsewhere_by_then(shop: Shop) -> None:
    org = shop.org
    deal = shop.opportunity()
    first, second = shop.order(OpportunityId=deal), shop.order(OpportunityId=deal)
    org.delete("Opportunity", deal)
    assert [shop.values("Order", order, "OpportunityId") for order in (first, second)] == [[None], [None]]
    other = shop.opportunity()
    org.update("Order", second, {"OpportunityId": other})
    org.undelete("Opportunity", deal)
    assert [shop.values("Order", order, "OpportunityId")[0] for order in (first, second)] == [deal, other]


def test_what_is_still_needed_stays(shop: Shop, refused: Refused) -> None:
    org, order = shop.org, shop.order()
    (error,) = refused.errors(org.delete, "Account", shop.account)
    assert error.code == "DELETE_FAILED"
    assert "00000100" in error.message
    org.delete("Order", order)
    org.delete("Account", shop.account)
    org.undelete("Account", shop.account)
    shop.line(shop.opportunity())
    assert refused(org.delete, "Product2", shop.product) == ["DELETE_FAILED"]
    assert refused(org.delete, "PricebookEntry", shop.entries["USD"]) == ["DELETE_FAILED"]
    org.delete("PricebookEntry", shop.entries["EUR"])


def test_a_quote_that_comes_back_is_synced_only_if_no_other_is(shop: Shop) -> None:
    org = shop.org
    deal, quote = business(shop)
    org.delete("Quote", quote)
    assert shop.values("Opportunity", deal, "SyncedQuoteId", "Amount") == [None, 20]
    other = org.create("Quote", {"Name": "Q2", "OpportunityId": deal})
    org.update("Opportunity", deal, {"SyncedQuoteId": other})
    org.undelete("Quote", quote)
    assert shop.values("Quote", quote, "IsSyncing", "TotalPrice") == [False, 20]
    assert shop.values("Opportunity", deal, "SyncedQuoteId", "Amount") == [other, 0]


@pytest.mark.requirement("GB09")
def test_a_merged_account_points_to_the_survivor_and_its_children_move(
    shop: Shop, time: Time, refused: Refused
) -> None:
    org, loser = shop.org, shop.account
    winner = org.create("Account", {"Name": "winner", "ParentId": loser})
    deal, quote = business(shop)
    order = shop.order()
    time.passes(5)
    org.merge("Account", winner, [loser[:15]])
    gone = org.row_by_id("Account", loser)
    assert gone is not None
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (True, winner)
    assert [shop.values(name, row, "AccountId")[0] for name, row in (("Opportunity", deal), ("Order", order))] == [
        winner,
        winner,
    ]
    assert shop.values("Quote", quote, "AccountId") == [winner]
    assert shop.values("Account", winner, "ParentId", "SystemModstamp") == [None, org.clock.now()]
    assert shop.values("Opportunity", deal, "SystemModstamp", "Amount") == [org.clock.now(), Decimal(20)]
    assert org.deleted("Account", org.clock.now(), org.clock.now().replace(year=2027)) == [(loser, org.clock.now())]
    assert refused(org.merge, "Account", winner, [winner]) == ["INVALID_NUM_MERGE_RECORDS"]
    assert refused(org.merge, "Account", winner, []) == ["INVALID_NUM_MERGE_RECORDS"]
    assert refused(org.merge, "Account", winner, [loser]) == ["ENTITY_IS_DELETED"]
    with pytest.raises(ApiError, match="INVALID_TYPE_FOR_OPERATION"):
        org.merge("Opportunity", deal, [deal])


def test_a_master_that_was_far_below_the_merged_account_is_not_below_itself(shop: Shop, refused: Refused) -> None:
    org, loser = shop.org, shop.account
    between = org.create("Account", {"Name": "between", "ParentId": loser})
    winner = org.create("Account", {"Name": "winner", "ParentId": between})
    org.merge("Account", winner, [loser])
    assert shop.values("Account", between, "ParentId") == [winner]
    assert shop.values("Account", winner, "ParentId") == [None]
    org.create("Account", {"Name": "new", "ParentId": between})
    assert refused(org.update, "Account", winner, {"ParentId": between}) == ["CIRCULAR_DEPENDENCY"]


def test_a_purged_row_leaves_only_the_news_of_its_deletion(shop: Shop, refused: Refused) -> None:
    org = shop.org
    start = org.clock.now()
    deal = shop.opportunity()
    line = shop.line(deal)
    org.purge("Opportunity", deal)
    assert not list(org.rows("Opportunity", include_deleted=True))
    assert not list(org.rows_by_field("OpportunityLineItem", "Id", [line], include_deleted=True))
    assert org.row_by_id("Opportunity", deal) is None
    assert [record_id for record_id, _ in org.deleted("Opportunity", start, start.replace(year=2027))] == [deal]
    assert refused(org.undelete, "Opportunity", deal) == ["UNDELETE_FAILED"]
    assert refused(org.update, "Opportunity", deal, {}) == ["ENTITY_IS_DELETED"]
