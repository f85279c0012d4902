"""Read-only pages for people, where a real installation serves Tryton's web client, which is not on PyPI.

The web client's addresses, such as ``/#erp/model/sale.sale/7``, say what to show after a ``#``, which browsers keep to
themselves: the first page sends them on to ``/__sandbox__/erp/model/sale.sale/7``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any

from trytond.pool import Pool
from trytond.transaction import Transaction

from prefect_crm_erp.sandbox.tryton.settings import DATABASE

WsgiApp = Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]

_ROOT = 0
_PATH = re.compile(rf"/__sandbox__/{DATABASE}/model/(?P<model>[a-z.]+)/(?P<id>\d{{1,9}})")
_LISTED = 200
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#181818}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.35rem .6rem;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}th{font-weight:600}small{color:#666}"
)
_SEND_ON = "<script>if (location.hash) location.replace('/__sandbox__/' + location.hash.slice(1))</script>"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@dataclass(frozen=True)
class _View:
    """What a page shows of a model.

    Attributes:
        fields: Fields of the record.
        details: Fields with records that belong to it, and what is shown of those.
    """

    fields: tuple[str, ...]
    details: Mapping[str, tuple[str, ...]]


_VIEWS = {
    "sale.sale": _View(
        (
            *("number", "reference", "state", "company", "party", "invoice_address", "shipment_address", "sale_date"),
            *("currency", "payment_term", "warehouse", "description", "comment"),
            *("untaxed_amount", "tax_amount", "total_amount"),
        ),
        {"lines": ("product", "description", "quantity", "unit", "unit_price", "amount")},
    ),
    "party.party": _View(
        ("name", "code", "customer_payment_term"),
        {
            "identifiers": ("type", "code"),
            "addresses": ("rec_name",),
            "contact_mechanisms": ("type", "value"),
        },
    ),
    "product.product": _View(("code", "name", "type", "default_uom", "account_category"), {}),
}


def with_record_pages(app: WsgiApp) -> WsgiApp:
    """Tryton's application, and the pages beside it."""

    def serve(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, is_read = str(environ.get("PATH_INFO", "")), environ.get("REQUEST_METHOD") in ("GET", "HEAD")
        if not is_read or not (path in ("", "/") or path.startswith("/__sandbox__/")):
            return app(environ, start_response)
        status, html = _answer(path)
        content = html.encode()
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": _POLICY}
        start_response(status, [*headers.items(), ("Content-Length", str(len(content)))])
        return [content]

    return serve


def _answer(path: str) -> tuple[str, str]:
    """Status line and page."""
    match = _PATH.fullmatch(path)
    if match is None and path not in ("", "/"):
        return "404 Not Found", _page("Not found", "<p>There is no such page.</p>")
    with Transaction().start(DATABASE, _ROOT, readonly=True, context={"active_test": False}):
        if match is None:
            return "200 OK", _page("Tryton sandbox", _SEND_ON + _orders())
        return _record_page(match["model"], int(match["id"]))


def _record_page(model: str, record_id: int) -> tuple[str, str]:
    view = _VIEWS.get(model)
    records = Pool().get(model).search([("id", "=", record_id)]) if view else []
    if not view or not records:
        return "404 Not Found", _page("Not found", "<p>There is no such record.</p>")
    (record,) = records
    fields = [[escape(_label(record, name)), shown] for name in view.fields if (shown := _shown(getattr(record, name)))]
    details = [
        f"<h2>{escape(_label(record, name))}</h2>{_details(getattr(record, name), columns)}"
        for name, columns in view.details.items()
        if getattr(record, name)
    ]
    return "200 OK", _page(str(record.rec_name), _table(("Field", "Value"), fields) + "".join(details))


def _details(records: Sequence[Any], columns: Sequence[str]) -> str:
    head = [escape(_label(records[0], name)) for name in columns]
    return _table(head, [[_shown(getattr(record, name)) for name in columns] for record in records])


def _orders() -> str:
    """The latest sales, newest first."""
    sales = Pool().get("sale.sale").search([], limit=_LISTED, order=[("id", "DESC")])
    columns = ("company", "party", "state", "total_amount", "currency")
    rows = [
        [_anchor("sale.sale", sale.id, sale.number or "draft"), *(_shown(getattr(sale, name)) for name in columns)]
        for sale in sales
    ]
    return _table(("Sale", "Company", "Party", "State", "Total", "Currency"), rows)


def _label(record: Any, name: str) -> str:
    return "Name" if name == "rec_name" else str(record._fields[name].string)


def _shown(value: Any) -> str:
    """A value as HTML; a record that has a page becomes a link."""
    model = getattr(value, "__name__", None)
    if model in _VIEWS:
        return _anchor(model, value.id, value.rec_name)
    if hasattr(value, "rec_name"):
        value = value.rec_name
    if isinstance(value, Decimal | float):
        value = f"{value:,}"
    return escape("" if value is None else str(value)).replace("\n", "<br>")


def _anchor(model: str, record_id: int, label: str) -> str:
    return f'<a href="/__sandbox__/{DATABASE}/model/{model}/{record_id}">{escape(label)}</a>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table><tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>{''.join(lines)}</table>"


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<style>{_STYLE}</style></head><body><nav><a href="/">Tryton sandbox</a></nav><h1>{escape(title)}</h1>{body}'
        "<p><small>A page to look at; nothing can be changed here. Tryton's own clients connect to this server too."
        "</small></p></body></html>"
    )
