"""Salesforce's ways with copies of documents: what travels, and what bulk jobs may end in."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from fixtures_salesforce import SandboxOrg
from fixtures_salesforce_documents import SalesforceDocumentsHarness
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.blocks import exact_json
from prefect_crm_erp.blocks.crm._salesforce_bulk import CsvFile
from prefect_crm_erp.blocks.crm._salesforce_document_maps import DOCUMENTS, Document, link_field
from prefect_crm_erp.blocks.crm._salesforce_document_rows import DocumentForm
from prefect_crm_erp.blocks.crm._salesforce_errors import result_error
from prefect_crm_erp.blocks.crm._salesforce_maps import DAY, NUMBER, TIME
from prefect_crm_erp.blocks.crm._salesforce_schema import Schema
from prefect_crm_erp.blocks.crm.values import DocumentObject, DocumentRow
from prefect_crm_erp.models.errors import ConfigurationError, LockedRecordError, RejectedRecordError, TransientError

MANY = 2_000
IDS = ("account_id", "opportunity_id", "product_id")
VALUES: dict[int, st.SearchStrategy[Any]] = {
    id(NUMBER): st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12),
    id(DAY): st.dates(),
    id(TIME): st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)).map(
        lambda at: at.replace(microsecond=0)
    ),
}


def form_of(document: Document) -> DocumentForm:
    """The form of an org that shows nothing of itself."""
    return DocumentForm(Schema(dict.fromkeys), document, None)


def values_of(document: Document) -> st.SearchStrategy[dict[str, Any]]:
    """Any of a document's values, or none of them."""
    text = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)
    every = {
        pair.canonical: st.none()
        | (st.just("001D000000IqhSLIAZ") if pair.canonical in IDS else VALUES.get(id(pair.codec), text))
        for pair in document.fields.pairs
        if pair.canonical != "number"
    }
    return st.fixed_dictionaries({}, optional=every)


def links_of(document: Document) -> dict[str, str]:
    """Links to other documents, each with the field behind it."""
    return {pair.canonical: link_field(pair.vendor) for pair in document.fields.pairs if "." in pair.vendor}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=lambda document: document.object.value)
@given(data=st.data())
def test_what_is_written_reads_back_the_same(document: Document, data: st.DataObject) -> None:
    values = data.draw(values_of(document))
    form = form_of(document)
    row = exact_json.loads(exact_json.dumps(form.record(form.flat(DocumentRow(document.object, "1", values)))))
    links = links_of(document)
    emptied = {name for name in links if values.get(name, "") is None}
    assert document.fields.decode(row) == {name: value for name, value in values.items() if name not in emptied}
    assert {row[links[name]] for name in emptied} <= {None}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=lambda document: document.object.value)
@given(data=st.data())
def test_the_rows_of_a_job_say_what_a_collection_says(document: Document, data: st.DataObject) -> None:
    every = data.draw(st.lists(values_of(document), min_size=1, max_size=5))
    form = form_of(document)
    rows = [DocumentRow(document.object, f"K-{n}", values) for n, values in enumerate(every)]
    file = CsvFile()
    for some in (rows[:2], rows[2:]):
        file.add([form.flat(row) for row in some])
    content = b"".join(file).decode()
    read = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [_said(line) for line in read] == [_as_text(form.flat(row)) for row in rows]


def _said(line: Mapping[str, str]) -> dict[str, str]:
    """What a row of a job says: nothing where a cell is empty."""
    return {name: cell for name, cell in line.items() if cell}


def _as_text(flat: Mapping[str, Any]) -> dict[str, str]:
    return {name: _cell(value) for name, value in flat.items()}


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if value is not None and str(value).strip() else "#N/A"


def test_rows_can_be_sent_a_second_time() -> None:
    file = CsvFile()
    file.add([{"ERP_Id__c": '1"', "Is_Return__c": True}] * 2)
    file.add([{"ERP_Id__c": "2", "Name": "over\r\ntwo lines"}])
    first = list(file)
    assert first[1:] == [b'"1""","true",""\n' * 2, b'"2","","over\r\ntwo lines"\n'], "it is sent piece by piece"
    assert list(file) == first


@pytest.mark.parametrize(
    ("text", "kind", "words", "code", "fields"),
    [
        (
            "INVALID_FIELD:Foreign key external ID: a:b not found for field ERP_Id__c in entity ERP_Invoice__c:--",
            RejectedRecordError,
            "Foreign key external ID: a:b not found for field ERP_Id__c in entity ERP_Invoice__c",
            "INVALID_FIELD",
            (),
        ),
        ("UNABLE_TO_LOCK_ROW:busy: 001x:--", LockedRecordError, "busy: 001x", "UNABLE_TO_LOCK_ROW", ()),
        (
            "STRING_TOO_LONG:too large:Name,Unit__c --",
            RejectedRecordError,
            "too large",
            "STRING_TOO_LONG",
            ("Name", "Unit__c"),
        ),
        ("no form at all", RejectedRecordError, "no form at all", "", ()),
    ],
)
def test_an_error_of_a_jobs_row_is_that_of_a_collections(
    text: str, kind: type[RejectedRecordError], words: str, code: str, fields: tuple[str, ...]
) -> None:
    error = result_error(text)
    assert isinstance(error, kind)
    assert (error.message, error.code, error.fields) == (words, code, fields)


@pytest.mark.requirement("GB13")
def test_an_org_without_the_objects_is_told_what_to_deploy(empty_org: SandboxOrg) -> None:
    gone = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
    part = {"referenceId": "ERP_Invoice__c", "httpStatusCode": 404, "httpHeaders": {}, "body": gone}
    empty_org.fault("composite$", method="POST", status=200, body={"compositeResponse": [part]})
    row = DocumentRow(DocumentObject.INVOICE, "I-1", {"total": Decimal(1)}, "EUR")
    with pytest.raises(ConfigurationError, match=r"no ERP_Invoice__c.*deploy the metadata package"):
        empty_org.block().write_documents([row])


class TestJobs:
    def rows(self) -> list[DocumentRow]:
        return [DocumentRow(DocumentObject.INVOICE, f"I-{n}", {"status": "Open"}) for n in range(MANY)]

    @pytest.mark.requirement("T02")
    @pytest.mark.parametrize(
        ("job", "kind", "words"),
        [
            (
                {"state": "Failed", "errorMessage": "InvalidBatch : Field name not found : X__c"},
                ConfigurationError,
                "X__c",
            ),
            ({"state": "Failed", "errorMessage": "InternalServerError : too bad"}, TransientError, "too bad"),
            ({"state": "Aborted"}, TransientError, "Aborted"),
            (
                {"state": "JobComplete", "numberRecordsProcessed": 1_999, "numberRecordsFailed": 0},
                TransientError,
                "1,999 of 2,000",
            ),
        ],
    )
    def test_a_job_that_does_not_do_its_work_stops_the_run(
        self, empty_org: SandboxOrg, job: dict[str, Any], kind: type[Exception], words: str
    ) -> None:
        empty_org.fault(r"jobs/ingest/\w+$", method="GET", status=200, body={"id": "750", **job})
        with pytest.raises(kind, match=words):
            empty_org.block().write_documents(self.rows())

    @pytest.mark.requirement("T07")
    def test_a_session_that_ends_while_rows_are_sent_is_renewed(
        self, salesforce_documents: SalesforceDocumentsHarness, empty_org: SandboxOrg
    ) -> None:
        empty_org.fault("/batches", method="PUT", expire_session=True)
        results = salesforce_documents.connect().write_documents(self.rows())
        assert [result.error for result in results if result.error] == []
        assert len(salesforce_documents.stored(DocumentObject.INVOICE)) == MANY

    def test_rows_of_a_job_have_no_id_and_cost_no_download(
        self, salesforce_documents: SalesforceDocumentsHarness, empty_org: SandboxOrg
    ) -> None:
        results = salesforce_documents.connect().write_documents(self.rows())
        assert {(result.crm_id, result.created, result.error) for result in results} == {(None, False, None)}
        assert not [path for path in empty_org.calls() if "Results" in path]
