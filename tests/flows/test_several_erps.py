"""One CRM, several ERPs: each subsidiary's orders go to its own, and one ERP's trouble stays with its own orders."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from world import World

from prefect_crm_erp.blocks import ErpSlot, Integration, Subsidiary, SubsidiaryRouting
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

LONDON = {"BillingCity": "London", "BillingState": None, "BillingPostalCode": "E1 6AN", "BillingCountry": "UK"}


@pytest.fixture(scope="module")
def british_erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonAccess]:
    """A second ERP in a process of its own."""
    with TrytonSandbox(tmp_path_factory.mktemp("british")) as sandbox:
        yield sandbox.access


def two_erps(world: World, british: TrytonAccess, url: str | None = None) -> Integration:
    """The US company in the main ERP, the UK company in a second one."""
    second = world.tryton(
        server_url=url or british.url,
        database=british.database,
        username=british.user,
        password=SecretStr(british.password),
    )
    routing = SubsidiaryRouting(
        subsidiaries=[
            Subsidiary(name="US", company="US", countries=["US"]),
            Subsidiary(name="UK", company="UK", erp=ErpSlot.SECOND, countries=["GB"]),
        ]
    )
    return world.integration(second_erp=second, routing=routing)


def references(access: TrytonAccess) -> set[str]:
    with TrytonRpc(access.url, access.database, access.admin_user, access.admin_password) as rpc:
        companies = [int(company.id) for company in access.companies]
        context = {"company": companies[0], "companies": companies}
        return {
            row["reference"] for row in rpc("model.sale.sale.search_read", [], 0, None, None, ["reference"], context)
        }


@pytest.mark.requirement("O03", "O06")
def test_each_subsidiarys_orders_go_to_its_own_erp(world: World, british_erp: TrytonAccess) -> None:
    american, british = world.deal(), world.deal(account=world.account(**LONDON), currency="GBP")
    report = world.run(two_erps(world, british_erp))
    assert report.written == 2
    assert american in references(world.access)
    assert british not in references(world.access)
    assert british in references(british_erp)
    assert world.crm(british, "ERP_Id__c")["ERP_Id__c"].startswith("second:")
    again = world.run(two_erps(world, british_erp))
    assert (again.written, again.unchanged) == (0, 2)


@pytest.mark.requirement("T09")
def test_while_one_erp_is_down_the_others_orders_go_through(world: World, british_erp: TrytonAccess) -> None:
    american, british = world.deal(), world.deal(account=world.account(**LONDON), currency="GBP")
    report = world.run(two_erps(world, british_erp, url="http://127.0.0.1:9"))
    assert world.row(report, american).outcome is Outcome.WRITTEN
    assert world.row(report, british).queue is Queue.RETRY
    time.sleep(1.1)
    assert world.row(world.run(two_erps(world, british_erp)), british).outcome is Outcome.WRITTEN
    assert british in references(british_erp)


def test_a_subsidiary_of_an_erp_that_is_not_connected_is_refused_when_it_is_saved(world: World) -> None:
    routing = SubsidiaryRouting(subsidiaries=[Subsidiary(name="UK", company="UK", erp=ErpSlot.THIRD)])
    with pytest.raises(ValueError, match="third ERP, which is not connected"):
        world.integration(routing=routing)
