"""Finding records by a value: products by SKU, people by id, copies by key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from simple_salesforce.format import quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_maps import select
from prefect_crm_erp.blocks.crm.values import Person
from prefect_crm_erp.models.keys import is_salesforce_id, salesforce_id

# Address and headers of a request have 16 KiB together; a session's token can take some of them.
_LIST_BYTES = 12_000
_PERSON = ["Id", "Name", "Email", "IsActive", "Username", "Department"]


def by_values(
    connection: Connection, fields: Sequence[str], source: str, field: str, values: Iterable[str]
) -> Iterator[Mapping[str, Any]]:
    """Records whose field has one of the values, in as few queries as their length allows."""
    for part in _parts(values):
        soql = select(fields, source, where=[f"{field} IN {quote_soql_value(part)}"])
        for rows in connection.query(soql):
            yield from rows.records


def _parts(values: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    used = 0
    for value in values:
        size = len(quote(f",{quote_soql_value(value)}", safe=""))
        if part and used + size > _LIST_BYTES:
            yield part
            part, used = [], 0
        part.append(value)
        used += size
    if part:
        yield part


def product_ids(connection: Connection, sku_field: str, skus: Collection[str]) -> dict[str, str]:
    """Ids of products by SKU; of several with the same SKU the only active one, else none."""
    wanted = {sku: sku.strip().lower() for sku in skus if sku.strip()}  # a query knows no upper and lower case
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in by_values(
        connection, ["Id", sku_field, "IsActive"], "Product2", sku_field, sorted(set(wanted.values()))
    ):
        found.setdefault(_sku(row, sku_field), []).append(row)
    chosen = {sku: _only(rows) for sku, rows in found.items()}
    return {sku: record_id for sku, folded in wanted.items() if (record_id := chosen.get(folded))}


def _sku(row: Mapping[str, Any], field: str) -> str:
    return str(row[field]).strip().lower()


def _only(rows: Sequence[Mapping[str, Any]]) -> str | None:
    candidates = [row for row in rows if row["IsActive"]] or rows
    return str(candidates[0]["Id"]) if len(candidates) == 1 else None


def people(connection: Connection, user_ids: Collection[str]) -> dict[str, Person]:
    """Users by id, each with its manager."""
    fields = [*_PERSON, "ManagerId", *(f"Manager.{name}" for name in _PERSON)]
    ids = sorted({salesforce_id(user_id) for user_id in user_ids if is_salesforce_id(user_id)})
    rows = by_values(connection, fields, "User", "Id", ids)
    return {row["Id"]: _person(row, row.get("Manager")) for row in rows}


def people_named(connection: Connection, names: Collection[str]) -> dict[str, list[Person]]:
    """Users by user name or e-mail address, as it was given."""
    wanted = {name: name.strip().lower() for name in names if name.strip()}  # a query knows no upper and lower case
    found: dict[str, dict[str, Person]] = {}
    for field in ("Username", "Email"):
        for row in by_values(connection, _PERSON, "User", field, sorted(set(wanted.values()))):
            found.setdefault(str(row[field]).lower(), {})[row["Id"]] = _person(row)
    return {name: list(found[folded].values()) for name, folded in wanted.items() if folded in found}


def accounts_named(connection: Connection, names: Collection[str]) -> dict[str, list[str]]:
    """Ids of accounts by name, as it was given."""
    wanted = {name: name.strip().lower() for name in names if name.strip()}
    found: dict[str, list[str]] = {}
    for row in by_values(connection, ["Id", "Name"], "Account", "Name", sorted(set(wanted.values()))):
        found.setdefault(str(row["Name"]).strip().lower(), []).append(str(row["Id"]))
    return {name: found[folded] for name, folded in wanted.items() if folded in found}


def owners(connection: Connection, accounts: Collection[str]) -> dict[str, Person]:
    """Owners of accounts, by the ids of these."""
    ids = sorted({salesforce_id(each) for each in accounts if is_salesforce_id(each)})
    owner_of = {row["Id"]: row["OwnerId"] for row in by_values(connection, ["Id", "OwnerId"], "Account", "Id", ids)}
    found = people(connection, set(owner_of.values()))
    return {account: found[owner] for account, owner in owner_of.items() if owner in found}


def _person(row: Mapping[str, Any], manager: Mapping[str, Any] | None = None) -> Person:
    above = _person(manager) if manager else None
    is_active = bool(row["IsActive"])
    return Person(row["Id"], row["Name"], row["Email"], is_active, above, row["Username"], row["Department"])
