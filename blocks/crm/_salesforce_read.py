"""Reading from Salesforce: a few large queries, given on as pages of canonical records."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from simple_salesforce.format import quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection, Rows
from prefect_crm_erp.blocks.crm._salesforce_lookups import by_values
from prefect_crm_erp.blocks.crm._salesforce_maps import SOURCES, TRIMMED, select
from prefect_crm_erp.blocks.crm._salesforce_plan import Plan, Planner, Policy
from prefect_crm_erp.blocks.crm._salesforce_stream import (
    IDS_PER_QUERY,
    filled,
    full_ids,
    pages,
    since_condition,
    stream,
    without_place,
)
from prefect_crm_erp.blocks.crm.values import CustomFields, RoutingFields
from prefect_crm_erp.models.field_map import FieldMap, FieldPair
from prefect_crm_erp.models.keys import chunks, fold
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Account, Deal, DealLine, DealSource

IN_FINANCE = re.compile(
    r"billing|accounts payable|invoic|accounting|accountant|finance|treasur|controller|\bcfo\b", re.I
)
"""What the title or department of a person who deals with invoices says."""


class Reader:
    """Reads one org under one policy."""

    def __init__(self, connection: Connection, policy: Policy) -> None:
        self.planner = Planner(connection.schema, policy)
        self._connection = connection
        self._policy = policy

    def changed(
        self, kind: DealSource, since: Cursor | None, overlap: timedelta, custom: CustomFields, page_size: int
    ) -> Iterator[Page[Deal]]:
        """Deals modified at or after a place in the stream, less the overlap; each page knows its place."""
        plan = self.planner.plan(kind, custom)
        where = [plan.condition]
        if since:
            where.append(since_condition(since, overlap))
        yield from pages(self._stream(plan, where, custom.routing), page_size, _place)

    def named(
        self, kind: DealSource, ids: Collection[str], custom: CustomFields, page_size: int
    ) -> Iterator[Page[Deal]]:
        """Deals by id, whether or not the source's condition holds; pages have no place in the stream."""
        plan = self.planner.plan(kind, custom)
        for chunk in chunks(full_ids(ids), IDS_PER_QUERY):
            where = [f"Id IN {quote_soql_value(chunk)}"]
            for page in pages(self._stream(plan, where, custom.routing), page_size, _place):
                yield without_place(page)

    def still_open(self, custom: CustomFields, page_size: int) -> Iterator[Page[Deal]]:
        """Opportunities that are not closed."""
        plan = self.planner.plan(DealSource.CLOSED_WON, custom)
        yield from pages(self._stream(plan, ["IsClosed = false"], custom.routing), page_size, _place)

    def won(self, first: date, last: date, custom: CustomFields, page_size: int) -> Iterator[Page[Deal]]:
        """Opportunities that were won, by their close date."""
        plan = self.planner.plan(DealSource.CLOSED_WON, custom)
        where = [plan.condition, f"CloseDate >= {first.isoformat()}", f"CloseDate <= {last.isoformat()}"]
        yield from pages(self._stream(plan, where, custom.routing), page_size, _place)

    def missing_record_types(self, kind: DealSource, routing: RoutingFields) -> list[str]:
        """Record types that rules name and the org does not have (any more), as `Object.RecordType = 'name'`."""
        source = SOURCES[kind].object
        if not routing.record_types or not self._connection.schema.field(source, "RecordTypeId"):
            return []  # an org without record types lacks the field, and is told that
        where = [f"SobjectType = {quote_soql_value(source)}", "IsActive = true"]
        found = [
            row["Name"]
            for rows in self._connection.query(select(["Name"], "RecordType", where=where))
            for row in rows.records
        ]
        known = {fold(name) for name in found}
        return [f"{source}.RecordType = {name!r}" for name in routing.record_types if fold(name) not in known]

    def accounts(self, ids: Collection[str], custom: CustomFields) -> list[Account]:
        """Accounts by id; those that are gone are left out."""
        fields = self.planner.account(custom)
        found: list[Account] = []
        for chunk in chunks(full_ids(ids), IDS_PER_QUERY):
            soql = select(fields.vendor_fields, "Account", where=[f"Id IN {quote_soql_value(chunk)}"], order_by="Id")
            for rows in self._connection.query(soql):
                found += self._accounts(rows.records, fields).values()
        return found

    def _stream(self, plan: Plan, where: list[str], routing: RoutingFields) -> Iterator[tuple[list[Deal], int]]:
        for rows in stream(self._connection, plan.soql, where, lines=plan.source.lines):
            deals = self._deals(plan, rows)
            yield self._with_regions(deals, routing) if routing.owner_regions else deals, rows.total

    def _with_regions(self, deals: list[Deal], routing: RoutingFields) -> list[Deal]:
        """Deals with their owners' regions. Users are asked for themselves: an owner may be a queue to the query."""
        regions = self._regions({deal.owner_id for deal in deals if deal.owner_id}, routing)
        return [deal.model_copy(update={"owner_region": regions.get(deal.owner_id or "")}) for deal in deals]

    def _regions(self, user_ids: Collection[str], routing: RoutingFields) -> dict[str, str | None]:
        table = FieldMap(
            [FieldPair("id", "Id"), FieldPair("region", self.planner.region_field(routing), TRIMMED, writable=False)]
        )
        rows = by_values(self._connection, table.vendor_fields, "User", "Id", sorted(user_ids))
        return {user["id"]: user["region"] for user in map(table.decode, rows)}

    def _deals(self, plan: Plan, rows: Rows) -> list[Deal]:
        buyers = {row["Account"]["Id"]: row["Account"] for row in rows.records if row.get("Account")}
        accounts = self._accounts(buyers.values(), plan.account)
        return [self._deal(plan, row, accounts) for row in rows.records]

    def _deal(self, plan: Plan, row: Mapping[str, Any], accounts: Mapping[str, Account]) -> Deal:
        values = filled(plan.deal.decode(row))
        values.setdefault("currency", self._policy.currency)
        lines = row.get(plan.source.lines) or {"records": []}
        return Deal(
            source=plan.source.kind,
            account=accounts[row["Account"]["Id"]] if row.get("Account") else None,
            lines=tuple(_line(plan, line) for line in lines["records"]),
            **values,
        )

    def _accounts(self, rows: Iterable[Mapping[str, Any]], fields: FieldMap) -> dict[str, Account]:
        decoded = {row["Id"]: filled(fields.decode(row)) for row in rows}
        emails = self._emails(decoded) if self._policy.emails else {}
        for key, values in decoded.items():
            values.setdefault("currency", self._policy.currency)
            values["email"] = emails.get(key)
        return {key: Account(**values) for key, values in decoded.items()}

    def _emails(self, account_ids: Iterable[str]) -> dict[str, str]:
        """One address for each account: of its first contact in finance, else of its first contact."""
        found: dict[str, str] = {}
        in_finance: set[str] = set()
        for contact in self._contacts(account_ids):
            key, duty = contact["AccountId"], f"{contact.get('Title')} {contact.get('Department')}"
            if key not in found or (key not in in_finance and IN_FINANCE.search(duty)):
                found[key] = contact["Email"]
                in_finance |= {key} if IN_FINANCE.search(duty) else set()
        return found

    def _contacts(self, account_ids: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        schema = self._connection.schema
        if not (schema.field("Contact", "AccountId") and schema.field("Contact", "Email")):
            return
        fields = ["AccountId", "Email", *(name for name in ("Title", "Department") if schema.field("Contact", name))]
        for chunk in chunks(sorted(account_ids), IDS_PER_QUERY):
            where = [f"AccountId IN {quote_soql_value(chunk)}", "Email != null"]
            for rows in self._connection.query(select(fields, "Contact", where=where, order_by="CreatedDate, Id")):
                yield from rows.records


def _line(plan: Plan, row: Mapping[str, Any]) -> DealLine:
    # The org may leave a number empty; the checks of the deal tell what to do about a line of zero.
    return DealLine(**{"quantity": ZERO, "unit_price": ZERO, "amount": ZERO, **filled(plan.line.decode(row))})


def _place(deal: Deal) -> Cursor | None:
    return Cursor(deal.modified_at, deal.crm_id) if deal.modified_at else None
