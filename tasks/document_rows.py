"""Rows: what the copies of documents say, and where they are linked to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prefect_crm_erp.blocks.crm.values import DocumentObject, DocumentRow
from prefect_crm_erp.blocks.ledger import Document
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.documents import Delivery, Invoice, PaymentApplication
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Record
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_link import linked_orders
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.traveller import open_items
from prefect_crm_erp.tasks.write_back import erp_reference


def make_rows(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> None:
    """Put together what the copies of the page's documents are to say."""
    orders = linked_orders(run, slot, page)
    companies = {company.id: company.name for company in run.companies_of(slot)}
    for item in open_items(page):
        values = item.what.values(item.document) | _links(slot, item, orders)
        values["company"] = companies.get(item.document.company_id)
        values["url"] = run.erps[slot].url(item.document)
        currency = getattr(item.document, "currency", None)
        head = DocumentRow(item.what.object, item.reference, values, currency)
        item.rows = [head, *_parts(run, slot, item, currency)]


def _links(slot: ErpSlot, item: DocumentItem, orders: Mapping[str, Document]) -> dict[str, Any]:
    links: dict[str, Any] = {"account_id": item.account_id}
    if item.what.object is not DocumentObject.PAYMENT:
        links["opportunity_id"] = item.opportunity_id
    if isinstance(item.document, Invoice | Delivery):
        mine = [orders[each] for each in item.order_ids if each in orders]
        links["order"] = erp_reference(slot, mine[0].erp_id) if mine else None
        links["order_numbers"] = ", ".join(each.number for each in mine if each.number) or None
    return links


def _parts(run: DocumentRun, slot: ErpSlot, item: DocumentItem, currency: str | None) -> Iterable[DocumentRow]:
    for erp_id, part, values in item.what.parts_of(item.document):
        linked = values | {item.what.name: item.reference} | _part_links(run, slot, part)
        of = part.currency if isinstance(part, PaymentApplication) else currency
        yield DocumentRow(item.what.part, erp_reference(slot, erp_id), linked, of)


def _part_links(run: DocumentRun, slot: ErpSlot, part: Record) -> dict[str, Any]:
    if isinstance(part, PaymentApplication):
        return {"invoice": erp_reference(slot, part.invoice_id)}
    return {"product_id": run.product_ids.get(getattr(part, "sku", None) or "")}
