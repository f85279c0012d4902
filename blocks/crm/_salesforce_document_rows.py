"""Copies of documents in Salesforce's form: what a row says, or why it cannot be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from prefect_crm_erp.blocks import exact_json
from prefect_crm_erp.blocks.crm._salesforce_document_maps import (
    CURRENCY,
    DOCUMENTS,
    KEY,
    NAME,
    PARENTS,
    SHORTENED,
    Document,
    link_field,
)
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_schema import Schema
from prefect_crm_erp.blocks.crm._salesforce_values import shorten
from prefect_crm_erp.blocks.crm.values import DocumentObject, DocumentRow
from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError, UnsupportedRecordError

_LONGEST_NAME = 80
_SURE: Final = (str, int, type(None))
"""Types of values that can always be sent."""


class DocumentForm:
    """Writes rows of one kind of documents in this very org's form.

    Args:
        schema: The org's objects and fields.
        document: The kind.
        currency: Currency (ISO 4217) of an org that has only one.
    """

    def __init__(self, schema: Schema, document: Document, currency: str | None) -> None:
        self.document = document
        self._own_currency = currency
        self._several_currencies = schema.field(document.name, CURRENCY) is not None
        self._known = {pair.canonical for pair in document.fields.pairs}
        self._links = [(pair.vendor, link_field(pair.vendor)) for pair in document.fields.pairs if "." in pair.vendor]
        self._lengths = {
            pair.vendor: field.length
            for pair in document.fields.pairs
            if pair.canonical in SHORTENED and (field := schema.field(document.name, pair.vendor))
        }

    def written(self, row: DocumentRow) -> dict[str, Any] | ConnectorError:
        """A row as `flat` writes it, or why it cannot be sent.

        Raises:
            ConfigurationError: The org has one currency, and the connection does not say which.
        """
        error = self._refusal(row)
        if error is not None:
            return error
        try:
            values = self.flat(row)
            if not all(isinstance(value, _SURE) or _is_finite(value) for value in values.values()):
                exact_json.dumps(values)
        except (AttributeError, TypeError, ValueError) as trouble:
            return UnsupportedRecordError(f"{row.object.value} {row.erp_id}: {trouble}", system=SYSTEM)
        return values

    def _refusal(self, row: DocumentRow) -> ConnectorError | None:
        if not self._known.issuperset(row.values):
            unknown = sorted(row.values.keys() - self._known)
            message = f"{', '.join(unknown)} cannot be written to the {row.object.value}"
            return UnsupportedRecordError(message, system=SYSTEM, fields=tuple(unknown))
        if row.currency and not self._several_currencies and row.currency != self._only_currency():
            message = f"The org shows amounts in {self._own_currency} only, and the {row.object.value} is in"
            return UnsupportedRecordError(f"{message} {row.currency}", system=SYSTEM, fields=("currency",))
        return None

    def _only_currency(self) -> str:
        if not self._own_currency:
            message = "The org has only one currency and does not tell which; fill in 'Currency' in the connection"
            raise ConfigurationError(message, system=SYSTEM)
        return self._own_currency

    def flat(self, row: DocumentRow) -> dict[str, Any]:
        """Values by the org's field names, links by their paths; a link that is emptied by its field."""
        values = {KEY: row.erp_id, **self.document.fields.encode(row.values)}
        if row.currency and self._several_currencies:
            values[CURRENCY] = row.currency
        if NAME in values:
            values[NAME] = values[NAME] or row.erp_id[:_LONGEST_NAME]
        for name, length in self._lengths.items():
            if isinstance(values.get(name), str):
                values[name] = shorten(values[name], length)
        for path, field in self._links:
            if path in values and values[path] is None:  # nothing can be found at the end of a link by no key at all
                values[field] = values.pop(path)
        return values

    def record(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A row that `flat` has written as a collection takes it."""
        record: dict[str, Any] = {"attributes": {"type": self.document.name}}
        for name, value in values.items():
            relationship, is_link, key = name.partition(".")
            record[relationship] = {key: value} if is_link else value
        return record


def _is_finite(value: Any) -> bool:
    return type(value) is Decimal and value.is_finite()


def key_of(erp_id: str) -> str:
    """The form in which keys are compared: Salesforce trims them, and knows no upper and lower case."""
    return erp_id.strip().lower()


def unfit_keys(rows: Sequence[DocumentRow]) -> dict[int, ConnectorError]:
    """Rows of one kind that have no key, or one that an earlier row has, by position."""
    seen: set[str] = set()
    unfit: dict[int, ConnectorError] = {}
    for index, row in enumerate(rows):
        key = key_of(row.erp_id)
        if not key:
            unfit[index] = _bad_key(f"The {row.object.value} is created or updated by its ERP id, and has none")
        elif key in seen:
            message = f"The ERP id {row.erp_id} stands in several rows of one call; the first one counts"
            unfit[index] = _bad_key(message)
        seen.add(key)
    return unfit


def _bad_key(message: str) -> UnsupportedRecordError:
    return UnsupportedRecordError(message, system=SYSTEM, fields=("erp_id",))


def parent_of(row: DocumentRow) -> tuple[DocumentObject, str] | None:
    """The document that a row belongs to, by kind and key; None for a document itself, or where the row says none."""
    parent = DOCUMENTS[row.object].parent
    erp_id = row.values.get(parent) if parent else None
    return (PARENTS[parent], key_of(str(erp_id))) if parent and erp_id else None
