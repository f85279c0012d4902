"""Read-only pages for people, where a real org would open Lightning: `/`, `/006` and `/006…`, without a sign-in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from html import escape
from itertools import islice
from typing import Any

from prefect_crm_erp.sandbox.salesforce.org import Org
from prefect_crm_erp.sandbox.salesforce.routing import Route
from prefect_crm_erp.sandbox.salesforce.schema import SObject
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply

_ROWS = 200
_DOCUMENTS = ("ERP_Order__c", "ERP_Delivery__c", "ERP_Invoice__c", "ERP_Payment__c")
_HOME = ("Account", "Opportunity", "Quote", "Order", "Product2", "Contact", *_DOCUMENTS)
_CHILD_FIELDS = (
    *("Name", "ProductCode", "Quantity", "UnitPrice", "Discount", "TotalPrice", "StageName", "Status"),
    *("SKU__c", "Quantity__c", "Amount__c", "Status__c", "Total__c", "Balance__c", "CurrencyIsoCode"),
)
_HIDDEN = frozenset({"attributes", "Id", "IsDeleted", "SystemModstamp"})
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#181818}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.35rem .6rem;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}th{font-weight:600}nav,small{color:#666}"
)
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def home(call: Call) -> Reply:
    """The object types of the org."""
    org = call.state.org
    rows = [
        [_anchor(sobject.key_prefix, sobject.label_plural), str(sum(1 for _ in org.rows(sobject.name)))]
        for sobject in map(org.schema.get, _HOME)
    ]
    return _page(call, call.state.organization_name, _table(("Records", "Number"), rows))


def show(call: Call) -> Reply:
    """A record by its id, or the records of a type by the first three characters of their ids."""
    org, name = call.state.org, call.params["id"]
    sobject = org.schema.by_key_prefix.get(name[:3])
    if sobject is not None and name == sobject.key_prefix:
        return _page(call, sobject.label_plural, _listed(org, sobject.name, org.rows(sobject.name)))
    row = org.row_by_id(sobject.name, name) if sobject is not None else None
    if sobject is None or row is None or row["IsDeleted"]:
        what = "This record was deleted." if row is not None else "There is no such record."
        return _page(call, "Not found", f"<p>{what}</p>", status=404)
    return _page(call, _title(sobject, row), _record(org, sobject, row), above=sobject)


def _record(org: Org, sobject: SObject, row: Mapping[str, Any]) -> str:
    fields = [
        [escape(field.label), _shown(org, row[field.name])]
        for field in sobject.fields.values()
        if field.name not in _HIDDEN and field.type != "address" and row.get(field.name) is not None
    ]
    return _table(("Field", "Value"), [["Id", escape(str(row["Id"]))], *fields]) + "".join(
        f"<h2>{escape(org.schema.get(child).label_plural)}</h2>{_listed(org, child, rows)}"
        for child, rows in _children(org, sobject, str(row["Id"]))
    )


def _children(org: Org, sobject: SObject, record_id: str) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for relation in sobject.child_relationships:
        rows = list(org.rows_by_field(relation.child_object, relation.field, [record_id])) if relation.name else []
        if rows:
            yield relation.child_object, list(rows)


def _listed(org: Org, object_name: str, rows: Iterable[Mapping[str, Any]]) -> str:
    sobject = org.schema.get(object_name)
    shown = list(islice(rows, _ROWS))
    names = [name for name in _CHILD_FIELDS if name.lower() in sobject.fields and name != "Name"]
    body = [
        [_anchor(str(row["Id"]), _title(sobject, row)), *(_shown(org, row.get(name)) for name in names)]
        for row in shown
    ]
    return _table([sobject.label, *(escape(sobject.field(name).label) for name in names)], body)


def _shown(org: Org, value: Any) -> str:
    """A value as HTML; an id becomes a link with the name of the record."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, date):
        return value.isoformat()
    text = "" if value is None else str(value)
    sobject = org.schema.by_key_prefix.get(text[:3])
    row = org.row_by_id(sobject.name, text) if sobject is not None and len(text) == 18 else None
    if sobject is None or row is None:
        return escape(text).replace("\n", "<br>")
    return _anchor(text, _title(sobject, row))


def _title(sobject: SObject, row: Mapping[str, Any]) -> str:
    """What people call a record: its name or its number."""
    named = [str(row[field.name]) for field in sobject.fields.values() if field.name_field and row.get(field.name)]
    return " ".join(named) or str(row.get("Name") or row["Id"])


def _anchor(path: str, label: str) -> str:
    return f'<a href="/{escape(path)}">{escape(label)}</a>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table><tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>{''.join(lines)}</table>"


def _page(call: Call, title: str, body: str, *, status: int = 200, above: SObject | None = None) -> Reply:
    company = call.state.organization_name
    path = [_anchor("", company), *([_anchor(above.key_prefix, above.label_plural)] if above else [])]
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><nav>{' › '.join(path)}</nav><h1>{escape(title)}</h1>{body}"
        "<p><small>Salesforce sandbox: a page to look at, nothing can be changed here.</small></p></body></html>"
    )
    return Reply(status, content=html.encode(), media_type="text/html;charset=UTF-8", headers=_HEADERS)


ROUTES = [
    Route("GET", "/", home, public=True),
    Route("GET", "/{id}", show, public=True),
]
