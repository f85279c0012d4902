"""What is read from this very org: the standard tables, and what the org, the block and the customer add to them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from simple_salesforce.format import quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_document_fields import missing_fields
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_maps import (
    ACCOUNT,
    ALWAYS_WRITTEN,
    OBJECT_NAMES,
    PROGRESS,
    SALES,
    SOURCES,
    TRIMMED,
    VALUATION,
    Source,
    select,
)
from prefect_crm_erp.blocks.crm._salesforce_rights import unseen, unwritable
from prefect_crm_erp.blocks.crm._salesforce_schema import Schema
from prefect_crm_erp.blocks.crm.values import OBJECT_OF_SOURCE, CrmObject, CustomFields, DocumentObject, RoutingFields
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.field_map import FieldMap, FieldPair
from prefect_crm_erp.models.records import Deal, DealSource

AUTO = "auto"
"""Setting of an optional field: read it under its usual name where the org has it."""

_CURRENCY = "CurrencyIsoCode"
_NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", re.ASCII)
_TOLD_BY_ACCOUNTS = frozenset({DocumentObject.INVOICE, DocumentObject.PAYMENT})
_TOLD_BY_DEALS = frozenset({DocumentObject.ORDER, DocumentObject.DELIVERY, DocumentObject.INVOICE})
# The category of an order's status, whose labels are the org's own; orgs are seen with the letter and with the word.
_ACTIVATED = ("A", "Activated")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the connection block says about this org.

    Attributes:
        payment_terms: Account field with the payment terms; `auto`, or empty for none.
        vat_number: Account field with the VAT number; `auto`, or empty for none.
        header_discount: Quote field with the discount of the whole quote, in percent; `auto`, or empty for none.
        sku: Product field with the SKU.
        accepted_status: Status of an accepted quote.
        currency: Currency (ISO 4217) of an org that has only one.
        emails: Whether e-mail addresses of accounts are read from their contacts.
    """

    payment_terms: str = AUTO
    vat_number: str = AUTO
    header_discount: str = AUTO
    sku: str = "ProductCode"
    accepted_status: str = "Accepted"
    currency: str | None = None
    emails: bool = True

    def condition(self, kind: DealSource) -> str:
        """A source's condition in a query."""
        return {
            DealSource.CLOSED_WON: "IsClosed = true AND IsWon = true",
            DealSource.ACCEPTED_QUOTES: f"Status = {quote_soql_value(self.accepted_status)}",
            DealSource.ACTIVATED_ORDERS: f"StatusCode IN {quote_soql_value(_ACTIVATED)}",
        }[kind]

    def holds(self, deal: Deal) -> bool:
        """Whether its source's condition holds for a deal that was read."""
        values = deal.custom
        if deal.source is DealSource.CLOSED_WON:
            return values.get("IsClosed") is True and values.get("IsWon") is True
        if deal.source is DealSource.ACCEPTED_QUOTES:
            return str(values.get("Status") or "").casefold() == self.accepted_status.casefold()
        return values.get("StatusCode") in _ACTIVATED


@dataclass(frozen=True, slots=True)
class Plan:
    """What one read asks for.

    Attributes:
        source: Which kind of records.
        deal: Where a deal's fields are.
        account: Where its account's fields are.
        line: Where its lines' fields are.
        condition: What makes a record a deal.
    """

    source: Source
    deal: FieldMap
    account: FieldMap
    line: FieldMap
    condition: str

    def soql(self, where: Iterable[str]) -> str:
        """One query for deals with their account and lines, in the order in which they were modified."""
        lines = select(self.line.vendor_fields, self.source.lines, order_by=self.source.line_order)
        account = [f"Account.{name}" for name in self.account.vendor_fields]
        fields = [*self.deal.vendor_fields, *account, f"({lines})"]
        return select(fields, self.source.object, where=where, order_by="SystemModstamp, Id")


class Planner:
    """Adds to the standard tables what the org has and the block names."""

    def __init__(self, schema: Schema, policy: Policy) -> None:
        self._schema = schema
        self._policy = policy

    def plan(self, kind: DealSource, custom: CustomFields) -> Plan:
        """What reading a source asks for.

        Raises:
            ConfigurationError: When the org has only one currency and the block does not say which.
        """
        source = SOURCES[kind]
        self._schema.load([*source.objects, *self._contact, *_objects_of(custom.routing)])
        self._require_currency(source.object)
        condition = self._policy.condition(kind)
        return Plan(source, self._deal(source, custom), self.account(custom), self._line(source, custom), condition)

    def account(self, custom: CustomFields, table: FieldMap = ACCOUNT) -> FieldMap:
        """Where an account's fields are, those of the standard table and further ones."""
        self._schema.load(["Account", *self._contact])
        further = [
            *self._present("Account", FieldPair("currency", _CURRENCY), FieldPair("push_to_erp", "Push_To_ERP__c")),
            *self.settled(),
            *self._custom("Account", custom.account),
        ]
        return table + further

    def settled(self) -> list[FieldPair]:
        """The account's fields whose place the block's settings say."""
        return [
            *self._optional("Account", "payment_terms", self._policy.payment_terms, "Payment_Terms__c"),
            *self._optional("Account", "vat_number", self._policy.vat_number, "VAT_Number__c"),
        ]

    def _deal(self, source: Source, custom: CustomFields) -> FieldMap:
        further = self._present(source.object, FieldPair("currency", _CURRENCY), *source.extra)
        further += self._custom(source.object, custom.deal) + self._custom(source.object, custom.facts, "facts")
        if custom.routing.record_types:
            further.append(FieldPair("record_type", "RecordType.Name", writable=False))
        if source.kind is DealSource.ACCEPTED_QUOTES:
            setting = self._policy.header_discount
            further += self._optional(source.object, "header_discount_percent", setting, "Header_Discount__c")
        return source.deal + further

    def _line(self, source: Source, custom: CustomFields) -> FieldMap:
        sku = self._spelled(source.line_object, f"Product2.{self._policy.sku}")
        further = [
            FieldPair("sku", sku, TRIMMED),
            *self._present(source.line_object, *source.extra_line),
            *self._custom(source.line_object, custom.line),
        ]
        if custom.routing.product_lines:
            family = self._spelled(source.line_object, f"Product2.{custom.routing.product_line_field}")
            further.append(FieldPair("product_line", family, TRIMMED, writable=False))
        return source.line + further

    def missing(self, kind: DealSource, custom: CustomFields) -> list[str]:
        """Fields that a run needs and the user does not see, or may not write: `Object.Field`.

        A restricted picklist without a value that runs write is named with the value.
        """
        plan = self.plan(kind, custom)
        tables = {plan.source.object: plan.deal, plan.source.line_object: plan.line, "Account": plan.account}
        seen = [(table, fields.vendor_fields) for table, fields in tables.items()]
        hidden = [name for table, paths in seen for name in unseen(self._schema, table, paths)]
        fixed = (name for table, field in _written(kind) for name in unwritable(self._schema, table, field))
        return list(dict.fromkeys([*hidden, *fixed, *self._missing_for_routing(custom.routing)]))

    def _missing_for_routing(self, routing: RoutingFields) -> Iterator[str]:
        """What rules ask of users and products that the org does not have: fields, and values of restricted lists."""
        if routing.owner_regions:
            yield from unseen(self._schema, "User", [self.region_field(routing)])
        for table, name, values in (
            ("Product2", routing.product_line_field, routing.product_lines),
            ("User", routing.owner_region_field, routing.owner_regions),
        ):
            field = self._schema.field(table, name) if values else None
            if field and field.choices is not None:
                known = {choice.casefold() for choice in field.choices}
                yield from (f"{table}.{field.name} = {each!r}" for each in values if each.casefold() not in known)

    def region_field(self, routing: RoutingFields) -> str:
        """The user field with the owner's region, in the org's spelling."""
        return self._spelled("User", routing.owner_region_field)

    def missing_for_documents(self, objects: Collection[DocumentObject]) -> list[str]:
        """Fields that copies of documents need and the user does not see, or may not write.

        Raises:
            ConfigurationError: When the org has only one currency and the block does not say which.
        """
        wanted = set(objects)
        further = {
            **({"Account": SALES.vendor_fields} if wanted & _TOLD_BY_ACCOUNTS else {}),
            **({"Opportunity": [*PROGRESS.vendor_fields, *VALUATION.vendor_fields]} if wanted & _TOLD_BY_DEALS else {}),
        }
        missing = missing_fields(self._schema, wanted, further)
        if wanted:
            self._require_currency("Account")
        return missing

    @property
    def sku_field(self) -> str:
        """The product field with the SKU, in the org's spelling."""
        return self._spelled("Product2", self._policy.sku)

    @property
    def _contact(self) -> list[str]:
        return ["Contact"] if self._policy.emails else []

    def _require_currency(self, object_name: str) -> None:
        several = not self._schema.has_object(object_name) or self._schema.field(object_name, _CURRENCY)
        if not several and not self._policy.currency:
            raise ConfigurationError(
                "The org has only one currency and does not tell which; fill in 'Currency' in the connection",
                system=SYSTEM,
            )

    def _present(self, object_name: str, *pairs: FieldPair) -> list[FieldPair]:
        return [pair for pair in pairs if self._schema.field(object_name, pair.vendor)]

    def _optional(self, object_name: str, canonical: str, setting: str, usual: str) -> list[FieldPair]:
        if setting == AUTO:
            return self._present(object_name, FieldPair(canonical, usual))
        return [FieldPair(canonical, self._spelled(object_name, setting))] if setting else []

    def _custom(self, object_name: str, names: Iterable[str], into: str = "custom") -> list[FieldPair]:
        return [FieldPair(f"{into}.{name}", self._spelled(object_name, name), writable=False) for name in names]

    def _spelled(self, object_name: str, name: str) -> str:
        """A field that people have named, in the org's spelling; it becomes part of a query."""
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} is no API name of a field; it looks like Region__c", system=SYSTEM)
        return self._schema.spelled(object_name, name)


def _objects_of(routing: RoutingFields) -> list[str]:
    return ["User"] if routing.owner_regions else []


def _written(kind: DealSource) -> Iterator[tuple[str, str]]:
    """Object and field of all that a run writes back; a quote's or order's opportunity shows the ERP's order too."""
    for target in dict.fromkeys((OBJECT_OF_SOURCE[kind], CrmObject.OPPORTUNITY, CrmObject.ACCOUNT)):
        for name in ALWAYS_WRITTEN[target]:
            yield OBJECT_NAMES[target], name
