"""The Salesforce metadata package has the fields that the sandbox has, so that what works here deploys there."""

from __future__ import annotations

from pathlib import Path

import pytest
from defusedxml import ElementTree

from prefect_crm_erp.sandbox.salesforce.org import Org

ROOT = Path(__file__).resolve().parents[2] / "deployments" / "salesforce" / "force-app" / "main" / "default"
NAMESPACE = {"m": "http://soap.sforce.com/2006/04/metadata"}
FIELDS = sorted(ROOT.glob("objects/*/fields/*.field-meta.xml"))
TYPES = {
    "Text": "string",
    "LongTextArea": "textarea",
    "Currency": "currency",
    "Percent": "percent",
    "Number": "double",
    "Picklist": "picklist",
    "Checkbox": "boolean",
}
REQUIRED = {
    ("Account", "ERP_Subsidiary__c"),
    *(
        ("Account", field)
        for field in (
            "ERP_Customer_Number__c",
            "ERP_Credit_Limit__c",
            "ERP_Outstanding__c",
            "ERP_Credit_Used__c",
            "ERP_Credit_Currency__c",
            "ERP_Payment_Terms__c",
            "ERP_Sync_Status__c",
            "ERP_Sync_Error__c",
        )
    ),
    *((name, "ERP_Id__c") for name in ("Account", "Product2", "Opportunity", "Quote", "Order")),
    *(
        (name, field)
        for name in ("Opportunity", "Quote", "Order")
        for field in (
            "ERP_Order_Number__c",
            "ERP_Status__c",
            "ERP_Amount__c",
            "ERP_Sync_Status__c",
            "ERP_Sync_Error__c",
            "Push_To_ERP__c",
        )
    ),
}


@pytest.mark.parametrize("path", FIELDS, ids=lambda path: f"{path.parts[-3]}.{path.name.split('.')[0]}")
def test_a_field_of_the_package_is_the_sandboxs(path: Path) -> None:
    metadata = ElementTree.parse(path).getroot()
    field = Org(None).schema.get(path.parts[-3]).field(path.name.split(".")[0])

    def text(name: str) -> str | None:
        return metadata.findtext(f"m:{name}", namespaces=NAMESPACE)

    assert text("fullName") == field.name
    assert TYPES[text("type") or ""] == field.type
    assert (text("unique") == "true") == field.unique
    assert (text("externalId") == "true") == field.external_id
    if field.type in ("string", "textarea"):
        assert int(text("length") or 0) == field.length
    if field.is_decimal:
        assert (int(text("precision") or 0), int(text("scale") or 0)) == (field.precision, field.scale)
    values = [each.text for each in metadata.findall(".//m:valueSetDefinition/m:value/m:fullName", NAMESPACE)]
    assert tuple(values) == tuple(field.picklist)
    if field.type == "picklist":
        assert (metadata.findtext(".//m:restricted", namespaces=NAMESPACE) == "true") == field.restricted
    if field.type == "boolean":
        assert (text("defaultValue") == "true") == bool(field.default)


def test_the_package_has_every_field_of_the_integration() -> None:
    assert {(path.parts[-3], path.name.split(".")[0]) for path in FIELDS} >= REQUIRED


def test_the_package_leaves_out_no_field_that_the_integration_works_with_in_the_sandbox() -> None:
    packaged = {(path.parts[-3], path.name.split(".")[0]) for path in FIELDS}
    custom = {
        (sobject.name, field.name)
        for sobject in Org(None).schema.objects.values()
        for field in sobject.fields.values()
        if field.custom
    }
    # The sandbox has one more external id, whose upper and lower case differ, for tests of clients.
    assert {(name, field) for name, field in custom - packaged} <= {
        ("Account", "Legacy_Code__c"),
        ("Contact", "Legacy_Code__c"),
    }


def test_every_file_of_the_package_is_well_formed_and_of_salesforces_namespace() -> None:
    files = sorted(ROOT.rglob("*.xml"))
    assert len(files) == len(FIELDS) + 1
    assert {ElementTree.parse(path).getroot().tag.partition("}")[0] for path in files} == {"{" + NAMESPACE["m"]}


def test_the_permission_set_opens_every_field() -> None:
    permissions = ElementTree.parse(ROOT / "permissionsets" / "ERP_Integration.permissionset-meta.xml").getroot()
    opened = {each.text for each in permissions.findall(".//m:fieldPermissions/m:field", NAMESPACE)}
    assert opened == {f"{path.parts[-3]}.{path.name.split('.')[0]}" for path in FIELDS}
