"""The monthly audit: whatever differs between won deals and orders is named, and nothing else is."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from artifacts import emitted, published
from erp_client import ErpClient
from world import World

from prefect_crm_erp.blocks import Subsidiary, SubsidiaryRouting
from prefect_crm_erp.flows import subsidiary_audit
from prefect_crm_erp.flows.subsidiary_audit import span_of
from prefect_crm_erp.models.errors import ConfigurationError, TransientError
from prefect_crm_erp.models.outcomes import Outcome
from prefect_crm_erp.tasks.subsidiary_audit import Trouble
from prefect_crm_erp.tasks.subsidiary_audit_report import AuditReport

LONDON = {"BillingCity": "London", "BillingState": None, "BillingPostalCode": "E1 6AN", "BillingCountry": "UK"}
MAY = {"CloseDate": "2027-05-14"}
ROUTING = SubsidiaryRouting(
    subsidiaries=[
        Subsidiary(name="US", company="US", countries=["US"]),
        Subsidiary(name="UK", company="UK", countries=["GB"]),
    ]
)


def audit(world: World, month: str = "2027-05", **changes: Any) -> AuditReport:
    return subsidiary_audit(integration=world.integration(**{"routing": ROUTING, **changes}), month=month)


def rewrite(world: World, key: str, **values: Any) -> None:
    """Change an order in the ERP behind everybody's back."""
    (sale,) = world.sales(key)
    with world.rpc() as rpc:
        rpc("model.sale.sale.write", [sale["id"]], values, world.context)


@pytest.mark.requirement("O08")
def test_a_month_in_order_passes_with_counts_and_sums_by_subsidiary(world: World) -> None:
    london = world.account(**LONDON)
    month = {"CloseDate": "2027-04-30"}
    for _ in range(2):
        world.deal(**month)
    world.deal(account=london, currency="GBP", **month)
    world.deal(account=london, currency="EUR", **month)
    world.deal(account=london, Push_To_ERP__c=False, **month)
    world.deal(CloseDate="2027-03-31")
    world.run(world.integration(routing=ROUTING))
    report = audit(world, "2027-04")
    assert report.passes, report.mismatches
    assert report.in_words() == "Zero mismatches: 4 won deals and 4 orders of them in 2027-04"
    assert (report.books["US"].deal_sums, report.books["UK"].order_sums) == (
        {"USD": Decimal(200)},
        {"GBP": Decimal(100), "EUR": Decimal(100)},
    )
    assert all(books.agree for books in report.books.values())
    assert report.left_alone == {"“Push to ERP” is switched off": 1}


@pytest.mark.requirement("O08")
def test_each_mismatch_is_named_with_links(world: World) -> None:
    fine, dearer, later, moved, lost = (world.deal(**MAY) for _ in range(5))
    report = world.run(world.integration(routing=ROUTING))
    assert {row.outcome for row in report.rows} == {Outcome.WRITTEN}
    without = world.deal(**MAY)
    waits = world.deal(account=world.account(BillingCountry="Freedonia", BillingState=None), **MAY)
    world.run(world.integration(routing=ROUTING), records=[waits])
    mess = ErpClient(world.access)
    (sale,) = world.sales(dearer)
    (line,) = world.company.sf.query(f"SELECT Id FROM OpportunityLineItem WHERE OpportunityId = '{dearer}'")["records"]
    world.company.sf.OpportunityLineItem.update(line["Id"], {"UnitPrice": 105})
    rewrite(world, later, sale_date=dt.date(2027, 6, 1))
    account = world.crm(moved, "AccountId")["AccountId"]
    world.company.sf.Account.update(account, {"ERP_Subsidiary__c": "UK"})
    world.company.sf.Opportunity.update(lost, {"StageName": "Closed Lost"})
    buyer = mess.customer("UK", "GB")
    born = mess.order("UK", buyer, "GBP", [mess.line("UK", buyer, "NL-400", 1, "42")], dt.date(2027, 5, 2))
    mess.confirm("UK", born)
    report = audit(world)
    found = {each.deal.crm_id: each.trouble for each in report.mismatches if each.deal}
    assert found == {
        dearer: Trouble.OTHER_SUM,
        later: Trouble.OTHER_MONTH,
        moved: Trouble.ELSEWHERE,
        lost: Trouble.NO_DEAL,
        without: Trouble.NO_ORDER,
        waits: Trouble.NO_ORDER,
    }
    assert fine not in found
    (difference,) = report.of(dearer)
    assert (difference.crm_total, difference.erp_total, difference.currency) == (105, 100, "USD")
    assert "The routing says UK (account field says UK), the order is in US" in report.of(moved)[0].why
    assert "It waits in Pending Review" in report.of(waits)[0].why
    assert report.of(without)[0].why == "No ERP has an order of it"
    assert report.of(lost)[0].why == "Its deal is none of the closed-won opportunities (any more)"
    assert [(name, order.order.erp_id) for name, order in report.born] == [("UK", str(born))]
    assert (report.books["US"].deals, report.books["US"].orders, report.books["UK"].deals) == (4, 4, 1)
    assert report.books["Pending Review"].deals == 1
    shown = published("subsidiary-audit-mismatches")
    assert f"/{without})" in shown
    assert f"/model/sale.sale/{sale['id']})" in shown
    told = emitted("prefect-crm-erp.audit.mismatches", "prefect-crm-erp.audit.test", since=world.began_at)
    assert told["payload"]["summary"] == report.in_words()


@pytest.mark.requirement("O08")
def test_an_audit_without_all_erps_is_none(world: World) -> None:
    with pytest.raises(TransientError):
        audit(world, erp=world.tryton(server_url="http://127.0.0.1:9"))


def test_a_month_is_read_as_people_write_it() -> None:
    assert span_of(" 2028-2 ", dt.date(2026, 1, 5)) == (dt.date(2028, 2, 1), dt.date(2028, 2, 29))
    assert span_of(None, dt.date(2026, 1, 5)) == (dt.date(2025, 12, 1), dt.date(2025, 12, 31))
    for text in ("March", "2026-13", "2026-03-01"):
        with pytest.raises(ConfigurationError, match="is no month; write it as 2026-03"):
            span_of(text, dt.date(2026, 1, 5))
