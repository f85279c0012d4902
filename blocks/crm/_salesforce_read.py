"""Reading from Salesforce: a few large queries, given on as pages of canonical records."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from simple_salesforce.format import quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection, Rows
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM, LostLocatorError
from prefect_crm_erp.blocks.crm._salesforce_maps import select
from prefect_crm_erp.blocks.crm._salesforce_plan import Plan, Planner, Policy
from prefect_crm_erp.blocks.crm.base import CustomFields
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.field_map import FieldMap
from prefect_crm_erp.models.keys import chunks, salesforce_id
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Account, Deal, DealLine, DealSource

# A query travels in the address of a GET, which Salesforce limits to 16 KiB.
_IDS_PER_QUERY = 200
_FINANCE = re.compile(r"billing|accounts payable|invoic|accounting|accountant|finance|treasur|controller|\bcfo\b", re.I)


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
            where.append(f"SystemModstamp >= {quote_soql_value(since.modified_at - overlap)}")
        yield from _pages(self._stream(plan, where), page_size)

    def named(
        self, kind: DealSource, ids: Collection[str], custom: CustomFields, page_size: int
    ) -> Iterator[Page[Deal]]:
        """Deals by id, whether or not the source's condition holds; pages have no place in the stream."""
        plan = self.planner.plan(kind, custom)
        for chunk in chunks(_full_ids(ids), _IDS_PER_QUERY):
            for page in _pages(self._stream(plan, [f"Id IN {quote_soql_value(chunk)}"]), page_size):
                page.cursor = page.expected = None
                yield page

    def accounts(self, ids: Collection[str], custom: CustomFields) -> list[Account]:
        """Accounts by id; those that are gone are left out."""
        fields = self.planner.account(custom)
        found: list[Account] = []
        for chunk in chunks(_full_ids(ids), _IDS_PER_QUERY):
            soql = select(fields.vendor_fields, "Account", where=[f"Id IN {quote_soql_value(chunk)}"], order_by="Id")
            for rows in self._connection.query(soql):
                found += self._accounts(rows.records, fields).values()
        return found

    def _stream(self, plan: Plan, where: list[str]) -> Iterator[tuple[list[Deal], int]]:
        """Answers of the query as deals, with the size of the whole result.

        When Salesforce has forgotten the place in the result, the query is asked again from the last row.
        """
        total: int | None = None
        last: Mapping[str, Any] | None = None
        while True:
            resumed_at = last
            try:
                for rows in self._connection.query(plan.soql([*where, *_after(last)]), lines=plan.source.lines):
                    total = rows.total if total is None else total
                    yield self._deals(plan, rows), total
                    last = rows.records[-1] if rows.records else last
                return
            except LostLocatorError:
                if last is resumed_at:
                    raise

    def _deals(self, plan: Plan, rows: Rows) -> list[Deal]:
        buyers = {row["Account"]["Id"]: row["Account"] for row in rows.records if row.get("Account")}
        accounts = self._accounts(buyers.values(), plan.account)
        return [self._deal(plan, row, accounts) for row in rows.records]

    def _deal(self, plan: Plan, row: Mapping[str, Any], accounts: Mapping[str, Account]) -> Deal:
        values = _filled(plan.deal.decode(row))
        values.setdefault("currency", self._policy.currency)
        lines = row.get(plan.source.lines) or {"records": []}
        return Deal(
            source=plan.source.kind,
            account=accounts[row["Account"]["Id"]] if row.get("Account") else None,
            lines=tuple(_line(plan, line) for line in lines["records"]),
            **values,
        )

    def _accounts(self, rows: Iterable[Mapping[str, Any]], fields: FieldMap) -> dict[str, Account]:
        decoded = {row["Id"]: _filled(fields.decode(row)) for row in rows}
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
            if key not in found or (key not in in_finance and _FINANCE.search(duty)):
                found[key] = contact["Email"]
                in_finance |= {key} if _FINANCE.search(duty) else set()
        return found

    def _contacts(self, account_ids: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        schema = self._connection.schema
        if not (schema.field("Contact", "AccountId") and schema.field("Contact", "Email")):
            return
        fields = ["AccountId", "Email", *(name for name in ("Title", "Department") if schema.field("Contact", name))]
        for chunk in chunks(sorted(account_ids), _IDS_PER_QUERY):
            where = [f"AccountId IN {quote_soql_value(chunk)}", "Email != null"]
            for rows in self._connection.query(select(fields, "Contact", where=where, order_by="CreatedDate, Id")):
                yield from rows.records


def _pages(batches: Iterable[tuple[list[Deal], int]], size: int) -> Iterator[Page[Deal]]:
    """Cut answers of any size into pages."""
    expected = 0
    number = 0
    waiting: list[Deal] = []
    for deals, expected in batches:
        waiting += deals
        while len(waiting) > size:
            number += 1
            yield _page(waiting[:size], number, expected)
            waiting = waiting[size:]
    if waiting:
        yield _page(waiting, number + 1, expected)


def _page(deals: list[Deal], number: int, expected: int) -> Page[Deal]:
    last = deals[-1]
    cursor = Cursor(last.modified_at, last.crm_id) if last.modified_at else None
    return Page(deals, number=number, cursor=cursor, expected=expected)


def _line(plan: Plan, row: Mapping[str, Any]) -> DealLine:
    # The org may leave a number empty; the checks of the deal tell what to do about a line of zero.
    return DealLine(**{"quantity": ZERO, "unit_price": ZERO, "amount": ZERO, **_filled(plan.line.decode(row))})


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    """Without empty values, so that the record's defaults take their place."""
    return {name: value for name, value in values.items() if value is not None}


def _after(row: Mapping[str, Any] | None) -> list[str]:
    """The condition for what comes after a row in the order of the stream."""
    if row is None:
        return []
    moment = row["SystemModstamp"].replace("+0000", "Z")
    return [f"(SystemModstamp > {moment} OR (SystemModstamp = {moment} AND Id > {quote_soql_value(row['Id'])}))"]


def _full_ids(ids: Iterable[str]) -> list[str]:
    """Ids in their 18-character form, each once.

    Raises:
        ConfigurationError: Naming the texts that are no ids.
    """
    full: dict[str, None] = {}
    wrong: list[str] = []
    for text in ids:
        try:
            full[salesforce_id(text)] = None
        except ValueError:
            wrong.append(text)
    if wrong:
        raise ConfigurationError(
            f"No Salesforce record ids: {', '.join(map(repr, wrong[:10]))}; an id has 15 or 18 letters and digits, as "
            "in the record's address",
            system=SYSTEM,
        )
    return list(full)
