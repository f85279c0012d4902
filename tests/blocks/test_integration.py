"""An integration as Prefect stores it: policies that were never saved on their own are kept inside it."""

from __future__ import annotations

from prefect_crm_erp.blocks import (
    CodeLists,
    CustomFieldMap,
    Integration,
    OrderPolicy,
    Salesforce,
    Subsidiary,
    SubsidiaryRouting,
    Tryton,
)


def test_an_integration_that_leaves_its_policies_at_their_defaults_can_be_loaded(prefect: None) -> None:
    crm = Salesforce(instance_url="http://127.0.0.1:1", consumer_key="key", consumer_secret="secret")
    erp = Tryton(server_url="http://127.0.0.1:1", database="erp", username="crm", password="secret")
    routing = SubsidiaryRouting(subsidiaries=[Subsidiary(name="US", company="Inc", countries=["US"])])
    for name, block in (("crm", crm), ("erp", erp), ("routing", routing)):
        block.save(f"defaults-{name}", overwrite=True)
    Integration(crm=crm, erp=erp, routing=routing).save("defaults", overwrite=True)

    loaded = Integration.load("defaults")

    assert (loaded.orders, loaded.code_lists) == (OrderPolicy(), CodeLists())
    assert (loaded.custom_fields, loaded.ledger.url) == (CustomFieldMap(), None)
