"""Reading accounts and contacts for account sync, those in the recycle bin included."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from simple_salesforce.format import quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_account_plan import CONTACTS, AccountPlan, AccountPlanner
from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_maps import TIME, select
from prefect_crm_erp.blocks.crm._salesforce_plan import Policy
from prefect_crm_erp.blocks.crm._salesforce_read import IN_FINANCE
from prefect_crm_erp.blocks.crm._salesforce_stream import (
    IDS_PER_QUERY,
    IN_ORDER,
    filled,
    full_ids,
    pages,
    since_condition,
    stream,
    without_place,
)
from prefect_crm_erp.blocks.crm.values import ContactScope, CustomFields
from prefect_crm_erp.models.field_map import FieldMap, FieldPair
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Account, Contact

_MOVED = FieldMap(
    [
        FieldPair("key", "Id", writable=False),
        FieldPair("account_key", "AccountId"),
        FieldPair("modified_at", "SystemModstamp", TIME, writable=False),
    ]
)


class AccountReader:
    """Reads the accounts of one org under one policy."""

    def __init__(self, connection: Connection, policy: Policy) -> None:
        self.planner = AccountPlanner(connection.schema, policy)
        self._connection = connection
        self._policy = policy

    def changed(
        self,
        since: Cursor | None,
        overlap: timedelta,
        contacts: ContactScope,
        custom: CustomFields,
        page_size: int,
    ) -> Iterator[Page[Account]]:
        """Accounts changed, deleted, undeleted or merged since a place, less the overlap; else all living ones."""
        plan = self.planner.accounts(custom, contacts)
        where = [since_condition(since, overlap) if since else "IsDeleted = false"]
        yield from pages(self._stream(plan, where, contacts), page_size, _place)

    def named(
        self, ids: Collection[str], contacts: ContactScope, custom: CustomFields, page_size: int
    ) -> Iterator[Page[Account]]:
        """Accounts by id, deleted ones included; pages have no place in the stream."""
        plan = self.planner.accounts(custom, contacts)
        for chunk in chunks(full_ids(ids), IDS_PER_QUERY):
            where = [f"Id IN {quote_soql_value(chunk)}"]
            for page in pages(self._stream(plan, where, contacts), page_size, _place):
                yield without_place(page)

    def contacts(self, since: Cursor, overlap: timedelta, page_size: int) -> Iterator[Page[Contact]]:
        """Contacts modified, deleted or undeleted at or after a place, less the overlap: only whose they are."""
        where = [since_condition(since, overlap), "AccountId != null"]
        rows = stream(self._connection, _contacts_soql, where, deleted=True)
        found = (([Contact(**_MOVED.decode(row)) for row in answer.records], answer.total) for answer in rows)
        yield from pages(found, page_size, _place_of_contact)

    def children(self, ids: Collection[str]) -> list[str]:
        """Ids of the living accounts whose parent is one of these."""
        found: list[str] = []
        for chunk in chunks(full_ids(ids), IDS_PER_QUERY):
            soql = select(["Id"], "Account", where=[f"ParentId IN {quote_soql_value(chunk)}"], order_by="Id")
            found += [row["Id"] for rows in self._connection.query(soql) for row in rows.records]
        return sorted(found)

    def _stream(
        self, plan: AccountPlan, where: list[str], contacts: ContactScope
    ) -> Iterator[tuple[list[Account], int]]:
        lines = CONTACTS if plan.contact else None
        for rows in stream(self._connection, plan.soql, where, lines=lines, deleted=True):
            yield [self.account(plan, row, contacts) for row in rows.records], rows.total

    def account(self, plan: AccountPlan, row: Mapping[str, Any], contacts: ContactScope) -> Account:
        """One row as an account with its contacts."""
        values = filled(plan.account.decode(row))
        values.setdefault("currency", self._policy.currency)
        return Account(contacts=_contacts(plan, row, contacts), **values)


def _contacts(plan: AccountPlan, row: Mapping[str, Any], scope: ContactScope) -> tuple[Contact, ...]:
    rows = (row.get(CONTACTS) or {"records": []})["records"] if plan.contact else []
    chosen = _billing(rows) if scope is ContactScope.BILLING else rows
    fields = plan.contact or FieldMap([])
    return tuple(Contact(account_key=row["Id"], **fields.decode(each)) for each in chosen)


def _billing(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The contact in finance, one with an e-mail address if there are several; else the oldest one with an address."""
    in_finance = [row for row in rows if IN_FINANCE.search(f"{row.get('Title')} {row.get('Department')}")]
    reachable = [[row for row in group if row.get("Email")] for group in (in_finance, rows)]
    return (reachable[0] or in_finance or reachable[1])[:1]


def _contacts_soql(where: list[str]) -> str:
    return select(_MOVED.vendor_fields, "Contact", where=where, order_by=IN_ORDER)


def _place(account: Account) -> Cursor | None:
    return Cursor(account.modified_at, account.crm_id) if account.modified_at else None


def _place_of_contact(contact: Contact) -> Cursor | None:
    return Cursor(contact.modified_at, contact.key or "") if contact.modified_at else None
