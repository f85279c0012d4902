"""What of an org's objects and fields copies of documents need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from prefect_crm_erp.blocks.crm._salesforce_document_maps import DOCUMENTS, KEY, link_field
from prefect_crm_erp.blocks.crm._salesforce_schema import Schema
from prefect_crm_erp.blocks.crm.values import DocumentObject


def missing_fields(
    schema: Schema, objects: Collection[DocumentObject], further: Mapping[str, Sequence[str]]
) -> list[str]:
    """Fields that copies need and the user does not see, or may not write: `Object.Field`, `Object.*` for an object.

    Args:
        schema: The org's objects and fields.
        objects: The kinds of documents.
        further: Fields of other objects that are written too.
    """
    documents = [document for kind, document in DOCUMENTS.items() if kind in objects]
    needed = {document.name: [KEY, *document.fields.vendor_fields] for document in documents} | dict(further)
    linked = [document.name for document in DOCUMENTS.values() if documents and document.parent is None]
    schema.load([*needed, *linked])
    return list(dict.fromkeys(entry for name, fields in needed.items() for entry in _missing(schema, name, fields)))


def _missing(schema: Schema, object_name: str, fields: Iterable[str]) -> Iterator[str]:
    if not schema.has_object(object_name):
        yield f"{object_name}.*"
        return
    for path in fields:
        written = link_field(path) if "." in path else path
        field = schema.field(object_name, written)
        if field is None or not schema.field(object_name, path):
            yield f"{object_name}.{path if field else written}"
        elif not field.updateable:
            yield f"{object_name}.{written} (read-only)"
