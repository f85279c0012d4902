"""What a subsidiary wants of its orders in the ERP: a price list, a tax rule, the beginning of their numbers."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from world import World

from prefect_crm_erp.blocks import Integration, Subsidiary, SubsidiaryRouting
from prefect_crm_erp.models.errors import ConfigurationError

LONDON = {"BillingCity": "London", "BillingState": None, "BillingPostalCode": "E1 6AN", "BillingCountry": "GB"}
_NUMBERS = count(1)


@pytest.fixture
def names(world: World) -> dict[str, str]:
    """A price list and two tax rules of the UK company, by what they are for."""
    number = next(_NUMBERS)
    found = {"list": f"Trade {number}", "exempt": f"Exempt {number}", "own": f"Own {number}"}
    with world.rpc() as rpc:
        uk = company(world, "UK")
        context = {"company": uk}
        rpc("model.product.price_list.create", [{"name": found["list"], "company": uk}], context)
        domain = [("company", "=", uk)]
        taxes = {
            row["name"]: row["id"] for row in rpc("model.account.tax.search_read", domain, 0, None, None, ["name"], {})
        }
        for rule, tax in ((found["exempt"], "Export 0%"), (found["own"], "VAT 20%")):
            lines = [("create", [{"tax": taxes[tax]}])]
            rpc(
                "model.account.tax.rule.create",
                [{"name": rule, "kind": "sale", "company": uk, "lines": lines}],
                context,
            )
    return found


def company(world: World, code: str) -> int:
    return next(int(each.id) for each in world.access.companies if each.code == code)


def wanting(world: World, **settings: Any) -> Integration:
    uk = Subsidiary(name="UK", company="UK", countries=["GB"], **settings)
    return world.integration(routing=SubsidiaryRouting(subsidiaries=[uk, Subsidiary(name="US", company="US")]))


def sale(world: World, deal: str) -> dict[str, Any]:
    names = ["number", "price_list.name", "tax_amount", "untaxed_amount", "party"]
    with world.rpc() as rpc:
        domain = [("reference", "=", deal)]
        (row,) = rpc("model.sale.sale.search_read", domain, 0, None, None, names, world.context)
    return dict(row)


@pytest.mark.requirement("O03", "O04", "O09", "GB12")
def test_orders_name_the_price_list_and_are_taxed_by_the_rule_but_for_customers_with_their_own(
    world: World, names: dict[str, str]
) -> None:
    account = world.account(**LONDON)
    usual, exempt = world.deal(account=account, currency="GBP"), None
    world.run(wanting(world))
    before = sale(world, usual)
    assert (before["tax_amount"], before["price_list."]) == (Decimal(20), None)
    integration = wanting(world, price_list=names["list"].upper(), tax_rule=names["exempt"], order_prefix="UK-")
    exempt = world.deal(account=account, currency="GBP")
    world.run(integration)
    after = sale(world, exempt)
    assert (after["tax_amount"], after["untaxed_amount"]) == (Decimal(0), Decimal(100))
    assert after["price_list."]["name"] == names["list"]
    assert after["number"].startswith("UK-")
    with world.rpc() as rpc:
        context = {"company": company(world, "UK")}
        (own,) = rpc("model.account.tax.rule.search", [("name", "=", names["own"])], 0, None, None, context)
        rpc("model.party.party.write", [after["party"]], {"customer_tax_rule": own}, context)
    taxed = world.deal(account=account, currency="GBP")
    world.run(integration)
    assert sale(world, taxed)["tax_amount"] == Decimal(20)


@pytest.mark.requirement("O04", "GB13")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"price_list": "Nowhere"}, "Subsidiary 'UK': Northlight Instruments Ltd has no price list 'Nowhere'"),
        ({"tax_rule": "US place of supply"}, "has no tax rule for sales 'US place of supply'; there are: .*UK place"),
        ({"order_prefix": "GB-"}, "by the sequence 'Sale UK', which begins with 'UK-', not with 'GB-'"),
    ],
)
def test_what_the_erp_cannot_do_is_said_before_anything_is_written(
    world: World, settings: dict[str, str], words: str
) -> None:
    deal = world.deal(account=world.account(**LONDON), currency="GBP")
    with pytest.raises(ConfigurationError, match=words):
        world.run(wanting(world, **settings))
    assert world.sales(deal) == []
