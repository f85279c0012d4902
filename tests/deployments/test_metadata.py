"""The Salesforce metadata package has the fields that the sandbox has, so that what works here deploys there."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree

from prefect_crm_erp.sandbox.salesforce.org import Org
from prefect_crm_erp.sandbox.salesforce.rules.accounts import SUBSIDIARY_REQUIRED

ROOT = Path(__file__).resolve().parents[2] / "deployments" / "salesforce" / "force-app" / "main" / "default"
NAMESPACE = {"m": "http://soap.sforce.com/2006/04/metadata"}
PACKAGED = sorted(ROOT.glob("objects/*/fields/*.field-meta.xml"))
OBJECTS = sorted(ROOT.glob("objects/*/*.object-meta.xml"))
KINDS = ("field", "layout", "object", "permissionset", "report", "reportFolder", "tab", "validationRule")
RECORDED = tuple(path for path in OBJECTS if path.parts[-2].startswith("ERP_Field_"))
"""Objects that people fill in; the others are copies to look at."""
CHANGES = ("allowCreate", "allowEdit", "allowDelete", "modifyAllRecords")
TYPES = {
    "Text": "string",
    "LongTextArea": "textarea",
    "Currency": "currency",
    "Percent": "percent",
    "Number": "double",
    "Picklist": "picklist",
    "Checkbox": "boolean",
    "Date": "date",
    "DateTime": "datetime",
    "Url": "url",
    "Lookup": "reference",
    "MasterDetail": "reference",
}


def parsed(path: Path) -> Element:
    return ElementTree.parse(path).getroot()


def texts(root: Element, path: str) -> list[str]:
    return [each.text or "" for each in root.findall(path, NAMESPACE)]


def name_of(path: Path) -> str:
    """`Account.ERP_Id__c` for the file of that field."""
    return f"{path.parts[-3]}.{path.name.split('.')[0]}"


FORMULAS = [path for path in PACKAGED if texts(parsed(path), "m:formula")]
FIELDS = [path for path in PACKAGED if path not in FORMULAS]
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


@pytest.mark.parametrize("path", FIELDS, ids=name_of)
def test_a_field_of_the_package_is_the_sandboxs(path: Path) -> None:
    metadata = parsed(path)
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
    if field.type == "reference":
        assert (text("referenceTo"),) == field.reference_to
        assert f"{text('relationshipName')}__r" == field.child_relationship
        assert (text("type") == "MasterDetail") == (field.on_delete == "cascade") == field.required
        assert (text("reparentableMasterDetail") == "true") == (field.required and field.updateable)


@pytest.mark.parametrize("path", FORMULAS, ids=name_of)
def test_a_formula_is_made_of_fields_that_are_there(path: Path) -> None:
    (formula,) = texts(parsed(path), "m:formula")
    used = re.findall(r"\w+__c", formula)
    assert used
    assert all(Org(None).schema.get(path.parts[-3]).field(name) for name in used)


@pytest.mark.requirement("O02")
def test_the_rule_that_new_accounts_need_their_subsidiary_is_the_sandboxs_and_is_off_until_somebody_wants_it() -> None:
    rule = parsed(ROOT / "objects/Account/validationRules/ERP_Subsidiary_Required.validationRule-meta.xml")
    assert texts(rule, "m:active") == ["false"]
    assert texts(rule, "m:errorConditionFormula") == ["AND(ISNEW(), ISBLANK(TEXT(ERP_Subsidiary__c)))"]
    assert texts(rule, "m:errorDisplayField") == ["ERP_Subsidiary__c"]
    assert texts(rule, "m:errorMessage") == [SUBSIDIARY_REQUIRED]


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.parts[-2])
def test_an_object_of_the_package_is_the_sandboxs(path: Path) -> None:
    metadata, sobject = parsed(path), Org(None).schema.get(path.parts[-2])
    assert texts(metadata, "m:label") == [sobject.label]
    assert texts(metadata, "m:pluralLabel") == [sobject.label_plural]
    name = sobject.field("Name")
    assert texts(metadata, "m:nameField/m:label") == [name.label]
    assert texts(metadata, "m:nameField/m:type") == ["AutoNumber" if name.auto_number else "Text"]
    # People look and do not touch: what they may do with a document is no more than to read it.
    shared = "ReadWrite" if path in RECORDED else "Read"
    assert texts(metadata, "m:sharingModel") == ["ControlledByParent" if sobject.owning_lookups else shared]


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
    assert {parsed(path).tag.partition("}")[0] for path in files} == {"{" + NAMESPACE["m"]}
    kinds = {path.name.partition(".")[2] for path in files}
    assert kinds == {f"{kind}-meta.xml" for kind in KINDS}


def permissions(name: str) -> Element:
    return parsed(ROOT / "permissionsets" / f"{name}.permissionset-meta.xml")


def details() -> set[str]:
    """Fields that Salesforce always opens: without its parent nobody sees a line."""
    return {name_of(path) for path in PACKAGED if texts(parsed(path), "m:type") == ["MasterDetail"]}


def test_the_permission_set_of_the_integration_opens_every_field_and_object() -> None:
    permitted = permissions("ERP_Integration")
    assert set(texts(permitted, "m:fieldPermissions/m:field")) == {name_of(path) for path in PACKAGED} - details()
    fixed = {
        field
        for each in permitted.findall("m:fieldPermissions", NAMESPACE)
        for field in texts(each, "m:field")
        if texts(each, "m:editable") == ["false"]
    }
    assert fixed == {name_of(path) for path in FORMULAS}
    assert texts(permitted, "m:objectPermissions/m:object") == [path.parts[-2] for path in OBJECTS]
    for right in CHANGES:
        assert set(texts(permitted, f"m:objectPermissions/m:{right}")) == {"true"}


@pytest.mark.requirement("K09")
def test_people_may_see_every_document_and_change_none() -> None:
    permitted = permissions("ERP_Documents_Read")
    documents = {path.parts[-2] for path in OBJECTS if path not in RECORDED}
    shown = set(texts(permitted, "m:fieldPermissions/m:field"))
    assert shown >= {name_of(path) for path in PACKAGED if path.parts[-3] in documents} - details()
    assert set(texts(permitted, "m:fieldPermissions/m:readable")) == {"true"}
    assert set(texts(permitted, "m:objectPermissions/m:object")) == documents
    assert set(texts(permitted, "m:objectPermissions/m:allowRead")) == {"true"}
    for right in ("fieldPermissions/m:editable", *(f"objectPermissions/m:{name}" for name in CHANGES)):
        assert set(texts(permitted, f"m:{right}")) == {"false"}


@pytest.mark.requirement("L06")
def test_representatives_record_payments_and_returns_and_only_see_what_became_of_them() -> None:
    permitted = permissions("ERP_Field_Entries")
    recorded = {path.parts[-2] for path in RECORDED}
    fields = {name_of(path) for path in PACKAGED if path.parts[-3] in recorded} - details()
    assert set(texts(permitted, "m:fieldPermissions/m:field")) == fields
    assert set(texts(permitted, "m:objectPermissions/m:object")) == recorded
    for right, allowed in (("allowCreate", "true"), ("allowEdit", "true"), ("allowDelete", "false")):
        assert set(texts(permitted, f"m:objectPermissions/m:{right}")) == {allowed}
    fixed = {
        field.partition(".")[2]
        for each in permitted.findall("m:fieldPermissions", NAMESPACE)
        for field in texts(each, "m:field")
        if texts(each, "m:editable") == ["false"]
    }
    outcome = {"ERP_Id__c", "ERP_Number__c", "ERP_Status__c", "ERP_URL__c", "ERP_Sync_Status__c", "ERP_Sync_Error__c"}
    assert fixed == outcome


@pytest.mark.parametrize("path", sorted(ROOT.glob("layouts/*")), ids=lambda path: path.name.partition("-")[0])
def test_a_layout_shows_every_field_and_lists_what_belongs_to_the_record(path: Path) -> None:
    layout, schema = parsed(path), Org(None).schema
    sobject = schema.get(path.name.partition("-")[0])
    shown = texts(layout, ".//m:layoutItems/m:field")
    assert sorted(shown) == sorted(["Name", *(field.name for field in sobject.fields.values() if field.custom)])
    lists = {related.findtext("m:relatedList", "", NAMESPACE): texts(related, "m:fields") for related in _lists(layout)}
    assert set(lists) == {f"{child.child_object}.{child.field}" for child in sobject.child_relationships}
    for name, columns in lists.items():
        child = schema.get(name.partition(".")[0])
        assert all(child.field(column) for column in columns)


def _lists(layout: Element) -> list[Element]:
    return layout.findall("m:relatedLists", NAMESPACE)


@pytest.mark.requirement("K08", "L07", "R02")
@pytest.mark.parametrize("path", sorted(ROOT.glob("reports/*/*")), ids=lambda path: path.name.partition(".")[0])
def test_a_report_shows_fields_of_the_package(path: Path) -> None:
    report = parsed(path)
    used = {*texts(report, ".//m:field"), *texts(report, ".//m:column"), *texts(report, "m:sortColumn")}
    own = {name for name in used if name.endswith("__c")}
    assert own
    assert own <= {name_of(path) for path in PACKAGED}
