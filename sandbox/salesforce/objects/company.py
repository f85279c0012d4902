"""The company itself: its organization row, its users and its currencies."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.objects.fields import (
    address,
    checkbox,
    currency_code,
    date,
    datetime,
    email,
    integer,
    number,
    phone,
    picklist,
    reference,
    sobject,
    text,
)
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

TIME_ZONES = ("America/Los_Angeles", "America/New_York", "Europe/London", "Europe/Berlin", "Asia/Tokyo", "UTC")
LOCALES = ("en_US", "en_GB", "de_DE", "ja_JP")


def objects() -> list[SObject]:
    """Organization, User with its role, RecordType, CurrencyType and DatedConversionRate."""
    return [
        sobject("Organization", "00D", _organization_fields(), createable=False, deletable=False),
        sobject("User", "005", _user_fields(), deletable=False),
        sobject("UserRole", "00E", _role_fields(), label="Role"),
        sobject("RecordType", "012", _record_type_fields(), deletable=False),
        sobject("CurrencyType", "01L", _currency_fields(), deletable=False),
        sobject("DatedConversionRate", "04w", _rate_fields()),
    ]


def _organization_fields() -> list[Field]:
    return [
        text("Name", 80, required=True, name_field=True),
        text("Division", 80),
        *address(),
        phone(),
        phone("Fax"),
        text("PrimaryContact", 80),
        picklist("DefaultLocaleSidKey", LOCALES, label="Locale"),
        picklist("TimeZoneSidKey", TIME_ZONES, label="Time Zone"),
        picklist("LanguageLocaleKey", ("en_US", "de", "ja"), label="Language"),
        integer("FiscalYearStartMonth", label="Fiscal Year Starts In", default=1, updateable=False),
        picklist("OrganizationType", ("Enterprise Edition", "Developer Edition"), label="Edition", calculated=True),
        text("NamespacePrefix", 15, calculated=True),
        text("InstanceName", 5, calculated=True),
        checkbox("IsSandbox", label="Is Sandbox", calculated=True),
        datetime("TrialExpirationDate", calculated=True),
    ]


def _user_fields() -> list[Field]:
    return [
        text("Username", 80, required=True, unique=True, id_lookup=True, indexed=True),
        text("LastName", 80, required=True),
        text("FirstName", 40),
        text("Name", 121, label="Full Name", required=True, defaulted=True, calculated=True, name_field=True),
        text("CompanyName", 80),
        text("Division", 80),
        text("Department", 80),
        text("Title", 80),
        *address(),
        email(required=True),
        phone(),
        phone("MobilePhone"),
        text("Alias", 8, required=True),
        checkbox("IsActive", label="Active", default=True),
        picklist("TimeZoneSidKey", TIME_ZONES, label="Time Zone", required=True, default="UTC"),
        picklist("LocaleSidKey", LOCALES, label="Locale", required=True, default="en_US"),
        picklist("EmailEncodingKey", ("UTF-8", "ISO-8859-1"), required=True, default="UTF-8"),
        picklist("LanguageLocaleKey", ("en_US", "de", "ja"), label="Language", required=True, default="en_US"),
        picklist("UserType", ("Standard", "Guest"), calculated=True, default="Standard"),
        reference("ManagerId", "User", "ManagedUsers", label="Manager ID"),
        reference("UserRoleId", "UserRole", "Users", label="Role ID"),
        currency_code(required=True),
        picklist("DefaultCurrencyIsoCode", (), label="Information Currency"),
        text("FederationIdentifier", 512),
        datetime("LastLoginDate", calculated=True),
    ]


def _role_fields() -> list[Field]:
    return [
        text("Name", 80, required=True, name_field=True),
        text("DeveloperName", 80),
        reference("ParentRoleId", "UserRole", label="Parent Role ID"),
    ]


def _record_type_fields() -> list[Field]:
    return [
        text("Name", 80, required=True, name_field=True),
        text("DeveloperName", 80, required=True),
        text("Description", 255),
        text("SobjectType", 40, label="SObject Type Name", required=True, updateable=False),
        checkbox("IsActive", label="Active"),
    ]


def _currency_fields() -> list[Field]:
    return [
        text(
            "IsoCode",
            3,
            label="Currency ISO Code",
            required=True,
            unique=True,
            updateable=False,
            indexed=True,
            name_field=True,
        ),
        number("ConversionRate", 18, 6, required=True),
        integer("DecimalPlaces", 1, required=True),
        checkbox("IsActive", label="Active"),
        checkbox("IsCorporate", label="Corporate Currency", calculated=True),
    ]


def _rate_fields() -> list[Field]:
    return [
        text("IsoCode", 3, label="Currency ISO Code", required=True, updateable=False, indexed=True),
        date("StartDate", required=True),
        date("NextStartDate", calculated=True),
        number("ConversionRate", 18, 6, required=True),
    ]
