"""The describe documents: what the org says about its object types on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_crm_erp.sandbox.salesforce.schema import ChildRelationship, Field, SObject

MASTER_RECORD_TYPE = "012000000000000AAA"

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "currency": "xsd:double",
    "double": "xsd:double",
    "percent": "xsd:double",
    "int": "xsd:int",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "address": "urn:address",
}
_UNGROUPABLE = frozenset({"currency", "double", "percent", "datetime", "address"})
_UNAGGREGATABLE = frozenset({"boolean", "address"})
_SYSTEM_NAMES = frozenset(
    {"Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"}
)
_SAME_FOR_EVERY_FIELD = {
    "aiPredictionField": False,
    "calculatedFormula": None,
    "controllerName": None,
    "defaultValueFormula": None,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "encrypted": False,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "highScaleNumber": False,
    "htmlFormatted": False,
    "inlineHelpText": None,
    "mask": None,
    "maskType": None,
    "namePointing": False,
    "queryByDistance": False,
    "referenceTargetField": None,
    "relationshipOrder": None,
    "writeRequiresMasterRead": False,
}


def describe_all(objects: Iterable[SObject], api_version: str) -> dict[str, Any]:
    """The list of all objects, with what can be done to each."""
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [_summary(sobject, api_version) for sobject in sorted(objects, key=lambda o: o.name)],
    }


def describe_object(sobject: SObject, currency_codes: Sequence[str], api_version: str) -> dict[str, Any]:
    """One object with its fields, child relationships and record types."""
    summary = _summary(sobject, api_version)
    base = summary["urls"]["sobject"]
    return {
        "actionOverrides": [],
        "childRelationships": [_child(child) for child in sobject.child_relationships],
        "compactLayoutable": True,
        "fields": [_describe_field(field, currency_codes) for field in sobject.fields.values()],
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": [_master_record_type(base)],
        "searchLayoutable": True,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [
            {"label": f"All {sobject.label_plural.lower()}", "name": "everything"},
            {"label": f"My {sobject.label_plural.lower()}", "name": "mine"},
        ],
        **summary,
        "urls": {
            **summary["urls"],
            "approvalLayouts": f"{base}/describe/approvalLayouts",
            "compactLayouts": f"{base}/describe/compactLayouts",
            "defaultValues": f"{base}/defaultValues?recordTypeId&fields",
            "layouts": f"{base}/describe/layouts",
        },
    }


def _summary(sobject: SObject, api_version: str) -> dict[str, Any]:
    base = f"/services/data/v{api_version}/sobjects/{sobject.name}"
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": sobject.createable,
        "custom": sobject.custom,
        "customSetting": False,
        "deepCloneable": False,
        "deletable": sobject.deletable,
        "deprecatedAndHidden": False,
        "extendedBy": None,
        "extendsInterfaces": None,
        "feedEnabled": False,
        "hasSubtypes": False,
        "implementedBy": None,
        "implementsInterfaces": None,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": sobject.key_prefix,
        "label": sobject.label,
        "labelPlural": sobject.label_plural,
        "layoutable": True,
        "mergeable": sobject.mergeable,
        "mruEnabled": sobject.deletable,
        "name": sobject.name,
        "queryable": True,
        "replicateable": True,
        "retrieveable": True,
        "searchable": True,
        "triggerable": sobject.createable,
        "undeletable": sobject.deletable,
        "updateable": sobject.updateable,
        "urls": {"rowTemplate": f"{base}/{{ID}}", "describe": f"{base}/describe", "sobject": base},
    }


def _master_record_type(base: str) -> dict[str, Any]:
    return {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": True,
        "developerName": "Master",
        "master": True,
        "name": "Master",
        "recordTypeId": MASTER_RECORD_TYPE,
        "urls": {"layout": f"{base}/describe/layouts/{MASTER_RECORD_TYPE}"},
    }


def _child(child: ChildRelationship) -> dict[str, Any]:
    return {
        "cascadeDelete": child.on_delete == "cascade",
        "childSObject": child.child_object,
        "deprecatedAndHidden": False,
        "field": child.field,
        "junctionIdListNames": [],
        "junctionReferenceTo": [],
        "relationshipName": child.name,
        "restrictedDelete": child.on_delete == "restrict",
    }


def _describe_field(field: Field, currency_codes: Sequence[str]) -> dict[str, Any]:
    members = {
        **_SAME_FOR_EVERY_FIELD,
        **_identity(field),
        **_size(field),
        **_uses(field),
        "picklistValues": _picklist_values(field, currency_codes),
    }
    return dict(sorted(members.items()))


def _identity(field: Field) -> dict[str, Any]:
    return {
        "autoNumber": field.auto_number,
        "calculated": field.calculated and field.custom,
        "cascadeDelete": field.on_delete == "cascade",
        "compoundFieldName": field.compound,
        "custom": field.custom,
        "displayLocationInDecimal": field.name.endswith(("Latitude", "Longitude")),
        "extraTypeInfo": "plaintextarea" if field.type == "textarea" else None,
        "label": field.label,
        "name": field.name,
        "nameField": field.name_field,
        "polymorphicForeignKey": len(field.reference_to) > 1,
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship_name,
        "restrictedDelete": field.on_delete == "restrict",
        "restrictedPicklist": field.restricted,
        "searchPrefilterable": field.type == "reference",
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "type": field.type,
    }


def _size(field: Field) -> dict[str, Any]:
    whole = field.type == "int"
    return {
        "byteLength": field.length if field.type in {"id", "reference"} else field.length * 3,
        "digits": field.precision if whole else 0,
        "length": field.length,
        "precision": 0 if whole else field.precision,
        "scale": field.scale,
    }


def _uses(field: Field) -> dict[str, Any]:
    return {
        "aggregatable": field.filterable and field.type not in _UNAGGREGATABLE,
        "caseSensitive": field.case_sensitive,
        "createable": field.createable,
        "defaultValue": field.default if field.type == "boolean" else None,
        "defaultedOnCreate": field.defaulted or field.type == "boolean" or field.default is not None,
        "externalId": field.external_id,
        "filterable": field.filterable,
        "groupable": field.filterable and field.type not in _UNGROUPABLE,
        "idLookup": field.upsertable,
        "nillable": field.nillable,
        "permissionable": field.nillable and field.name not in _SYSTEM_NAMES,
        "sortable": field.sortable,
        "unique": field.unique,
        "updateable": field.updateable,
    }


def _picklist_values(field: Field, currency_codes: Sequence[str]) -> list[dict[str, Any]]:
    if field.type != "picklist":
        return []
    values = currency_codes if field.name in {"CurrencyIsoCode", "DefaultCurrencyIsoCode"} else field.picklist
    return [
        {"active": True, "defaultValue": value == field.default, "label": value, "validFor": None, "value": value}
        for value in values
    ]
