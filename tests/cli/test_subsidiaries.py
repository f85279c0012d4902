"""The legal entities as a line of text: what it does not say, stays as it was set up in the browser."""

from __future__ import annotations

import pytest

from prefect_crm_erp.blocks import ErpSlot, RoutingRule, Subsidiary, SubsidiaryRouting
from prefect_crm_erp.cli.subsidiaries import describe_routing, read_subsidiaries
from prefect_crm_erp.models.errors import ConfigurationError

SAVED = SubsidiaryRouting(
    subsidiaries=[
        Subsidiary(name="US", company="US", countries=["US"]),
        Subsidiary(name="UK", company="Acme Ltd", erp=ErpSlot.SECOND, currency="GBP", restricted_items=["X-1"]),
    ],
    rules=[RoutingRule(name="Pounds", subsidiary="UK", currencies=["GBP"])],
    intercompany=True,
)


def test_reading_the_line_again_keeps_rules_and_what_else_was_set_up() -> None:
    read = read_subsidiaries("US: US, CA; uk = Acme Great Britain Ltd: GB", SAVED)
    assert (read.rules, read.intercompany) == (SAVED.rules, True)
    american, british = read.subsidiaries
    assert american.countries == ["US", "CA"]
    assert (british.name, british.company, british.countries) == ("uk", "Acme Great Britain Ltd", ["GB"])
    assert (british.erp, british.currency, british.restricted_items) == (ErpSlot.SECOND, "GBP", ["X-1"])
    assert describe_routing(read)[-1] == "rule 'Pounds' leads to UK"


def test_a_rule_whose_subsidiary_the_line_leaves_out_is_named() -> None:
    with pytest.raises(ConfigurationError, match="The rule 'Pounds' leads to 'UK', which is no subsidiary"):
        read_subsidiaries("US: US", SAVED)
