"""Short constructors, with which the object types read as tables of their fields."""

from __future__ import annotations

import re
from typing import Any

from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

GEOCODE_ACCURACY = ("Address", "NearAddress", "Block", "Street", "ExtendedZip", "Zip", "City", "State", "Unknown")


def label_of(name: str) -> str:
    """The label that goes with an API name.

    Example:
        >>> label_of("BillingPostalCode"), label_of("ERP_Order_Number__c"), label_of("AccountId")
        ('Billing Postal Code', 'ERP Order Number', 'Account ID')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.removesuffix("__c").replace("_", " ")).split()
    return " ".join("ID" if word == "Id" and not name.endswith("__c") else word for word in words)


def _field(field_type: str, name: str, options: dict[str, Any]) -> Field:
    options.setdefault("label", label_of(name))
    if options.get("calculated") or options.get("auto_number"):
        options.setdefault("createable", False)
        options.setdefault("updateable", False)
    return Field(name=name, type=field_type, **options)


def text(name: str, length: int = 255, **options: Any) -> Field:
    """One line of text."""
    return _field("string", name, {"length": length, **options})


def long_text(name: str, length: int = 32000, **options: Any) -> Field:
    """Text of several lines."""
    filterable = length <= 255
    return _field("textarea", name, {"length": length, "filterable": filterable, **options})


def picklist(name: str, values: tuple[str, ...], **options: Any) -> Field:
    """A list to choose from; `restricted=True` refuses everything else."""
    return _field("picklist", name, {"length": 255, "picklist": values, **options})


def checkbox(name: str, *, default: bool = False, **options: Any) -> Field:
    """A yes or no, never empty."""
    return _field("boolean", name, {"default": default, "required": True, **options})


def currency(name: str, precision: int = 18, scale: int = 2, **options: Any) -> Field:
    """An amount in the row's currency, rounded to that currency's decimal places."""
    return _field("currency", name, {"precision": precision, "scale": scale, **options})


def percent(name: str, precision: int = 5, scale: int = 2, **options: Any) -> Field:
    """A percentage: 7.5 is 7.5 %."""
    return _field("percent", name, {"precision": precision, "scale": scale, **options})


def number(name: str, precision: int = 18, scale: int = 2, **options: Any) -> Field:
    """A decimal number."""
    return _field("double", name, {"precision": precision, "scale": scale, **options})


def integer(name: str, digits: int = 8, **options: Any) -> Field:
    """A whole number."""
    return _field("int", name, {"precision": digits, **options})


def date(name: str, **options: Any) -> Field:
    """A calendar day."""
    return _field("date", name, options)


def datetime(name: str, **options: Any) -> Field:
    """A moment, to the second, in UTC."""
    return _field("datetime", name, options)


def email(name: str = "Email", **options: Any) -> Field:
    """An e-mail address."""
    return _field("email", name, {"length": 80, **options})


def phone(name: str = "Phone", **options: Any) -> Field:
    """A phone number, as typed."""
    return _field("phone", name, {"length": 40, **options})


def url(name: str, **options: Any) -> Field:
    """A web address."""
    return _field("url", name, {"length": 255, **options})


def reference(name: str, to: str, child: str | None = None, **options: Any) -> Field:
    """A lookup to another object.

    Args:
        name: The field, such as `AccountId`; its relationship is `Account`.
        to: The object that it points to.
        child: The relationship's name on the other side, such as `Opportunities`.
        options: `on_delete` says what happens to the row when its parent is deleted.
    """
    options.setdefault("relationship_name", name.removesuffix("Id"))
    return _field(
        "reference",
        name,
        {"length": 18, "reference_to": (to,), "child_relationship": child, "indexed": True, **options},
    )


def lookup(name: str, to: str, children: str, **options: Any) -> Field:
    """A custom lookup such as `ERP_Order__c`, which a query follows as `ERP_Order__r`.

    Args:
        name: The field.
        to: The object that it points to.
        children: Name of the relationship on the other side, which a query follows with `__r` after it.
        options: As for `reference`.
    """
    path = f"{name.removesuffix('__c')}__r"
    return reference(name, to, f"{children}__r", relationship_name=path, **options)


def master(name: str, to: str, children: str) -> Field:
    """A master-detail field: the row cannot be without the parent, and goes with it. It may move to another one."""
    return lookup(name, to, children, required=True, on_delete="cascade")


def address(prefix: str = "", **options: Any) -> list[Field]:
    """The parts of an address and the compound field that shows them together."""
    compound = f"{prefix}Address"
    part: dict[str, Any] = {"compound": compound, **options}
    return [
        long_text(f"{prefix}Street", 255, **part),
        text(f"{prefix}City", 40, **part),
        text(f"{prefix}State", 80, label=f"{prefix} State/Province".strip(), **part),
        text(f"{prefix}PostalCode", 20, label=f"{prefix} Zip/Postal Code".strip(), **part),
        text(f"{prefix}Country", 80, **part),
        number(f"{prefix}Latitude", 18, 15, **part),
        number(f"{prefix}Longitude", 18, 15, **part),
        picklist(f"{prefix}GeocodeAccuracy", GEOCODE_ACCURACY, restricted=True, **part),
        _field("address", compound, {"calculated": True, "filterable": False}),
    ]


def system_fields() -> list[Field]:
    """What Salesforce itself keeps on every row."""
    fixed: dict[str, Any] = {"required": True, "createable": False, "updateable": False, "defaulted": True}
    return [
        _field("datetime", "CreatedDate", dict(fixed)),
        reference("CreatedById", "User", label="Created By ID", **{**fixed, "indexed": False}),
        _field("datetime", "LastModifiedDate", dict(fixed)),
        reference("LastModifiedById", "User", label="Last Modified By ID", **{**fixed, "indexed": False}),
        _field("datetime", "SystemModstamp", dict(fixed)),
    ]


def owner() -> Field:
    """The user to whom the row belongs: whoever creates it, unless another is named."""
    return reference("OwnerId", "User", required=True, defaulted=True)


def currency_code(**options: Any) -> Field:
    """The currency of the row's amounts; the codes are the org's active currencies."""
    return picklist(
        "CurrencyIsoCode", (), label="Currency ISO Code", **{"restricted": True, "defaulted": True, **options}
    )


def sobject(name: str, key_prefix: str, fields: list[Field], **options: Any) -> SObject:
    """An object type: the fields given, between its id and the system's own."""
    fixed: dict[str, Any] = {"required": True, "createable": False, "updateable": False, "defaulted": True}
    own_id = _field("id", "Id", {"length": 18, "label": f"{label_of(name)} ID", "external_id": False, **fixed})
    deleted = checkbox("IsDeleted", label="Deleted", createable=False, updateable=False)
    label = options.pop("label", label_of(name))
    every = [own_id, deleted, *fields, *system_fields()]
    return SObject(
        name=name,
        label=label,
        label_plural=options.pop("plural", f"{label}s"),
        key_prefix=key_prefix,
        fields={field.name.lower(): field for field in every},
        **options,
    )


def erp_key() -> Field:
    """The id of the row's counterpart in the ERP."""
    return text("ERP_Id__c", 80, label="ERP Id", external_id=True, unique=True, indexed=True)


SYNC_STATUSES = (
    "Synced",
    "Sync in Progress",
    "Pending Review",
    "Retry",
    "Dead Letter",
    "Data Quality Exception",
    "Manual Review",
    "Pending Approval",
    "Excluded",
)


def erp_fields() -> list[Field]:
    """What the integration writes back to a deal."""
    return [
        erp_key(),
        text("ERP_Order_Number__c", 80),
        text("ERP_Status__c", 40),
        currency("ERP_Amount__c"),
        *valuation(),
        *sync_fields(),
        push_to_erp(),
    ]


def valuation() -> list[Field]:
    """What a deal is worth by the CRM's rate and by the ERP's; these amounts are not in the currency of the row."""
    return [
        number("ERP_CRM_Amount__c", 18, 3, label="CRM Amount (Reported)"),
        text("ERP_CRM_Currency__c", 3, label="CRM Amount Currency"),
        number("ERP_Company_Amount__c", 18, 3, label="ERP Amount (Company)"),
        text("ERP_Company_Currency__c", 3, label="ERP Company Currency"),
        number("ERP_Exchange_Rate__c", 18, 10),
        date("ERP_Exchange_Rate_Date__c"),
        text("ERP_Exchange_Rate_Source__c", 40),
    ]


def sync_fields() -> list[Field]:
    """Where a row stands, and why it waits."""
    return [
        picklist("ERP_Sync_Status__c", SYNC_STATUSES, restricted=True),
        long_text("ERP_Sync_Error__c", 32768),
    ]


def push_to_erp() -> Field:
    """Excludes a row from the integration when it is off."""
    return checkbox("Push_To_ERP__c", default=True, label="Push to ERP")
