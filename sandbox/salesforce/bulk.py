"""Bulk API 2.0 over the wire: ingest and query jobs. Bulk API 1.0 is not offered, in the words that clients know."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from prefect_crm_erp.sandbox.salesforce import rows, soql
from prefect_crm_erp.sandbox.salesforce.bulk_csv import CsvFormat, cell
from prefect_crm_erp.sandbox.salesforce.bulk_jobs import IngestJob, Job, QueryJob
from prefect_crm_erp.sandbox.salesforce.routing import Route
from prefect_crm_erp.sandbox.salesforce.schema import SObject
from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, bad_request, not_found

_JOBS = "/services/data/{version}/jobs"
_OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")
_CSV = "text/csv;charset=UTF-8"
_LARGEST_UPLOAD = 150_000_000
_DEFAULT_RESULT_ROWS = 50_000
_WIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")


def create_ingest(call: Call) -> Reply:
    """Open a job for rows that will be uploaded."""
    body = call.json_object()
    operation = str(body.get("operation", ""))
    if operation not in _OPERATIONS:
        raise bad_request("INVALIDJOB", f"InvalidJob : Unable to parse Job: operation {operation}")
    sobject = call.state.org.schema.objects.get(str(body.get("object", "")).lower())
    if sobject is None:
        raise bad_request("INVALIDENTITY", f"InvalidEntity : Unable to find object: {body.get('object')}")
    key = _upsert_key(sobject, body) if operation == "upsert" else None
    job = IngestJob(**_common(call, operation, sobject.name, body), external_id_field=key)
    return Reply(body=call.state.bulk.add(job).to_json())


def _upsert_key(sobject: SObject, body: Mapping[str, Any]) -> str:
    name = body.get("externalIdFieldName")
    if not name:
        message = "InvalidJob : External ID was blank for Upsert. An External ID must be specified"
        raise bad_request("INVALIDJOB", message)
    return rows.external_id_field(sobject, str(name)).name


def _common(call: Call, operation: str, object_name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "job_id": call.state.bulk.new_id(),
        "operation": operation,
        "object_name": object_name,
        "csv_format": _csv_format(body),
        "call": call,
        "created": call.state.org.clock.now(),
        "seconds": call.state.settings.bulk_seconds,
    }


def _csv_format(body: Mapping[str, Any]) -> CsvFormat:
    if str(body.get("contentType", "CSV")).upper() != "CSV":
        raise bad_request("INVALIDJOB", "InvalidJob : contentType is CSV")
    try:
        return CsvFormat(str(body.get("columnDelimiter", "COMMA")), str(body.get("lineEnding", "LF")))
    except ValueError as error:
        raise bad_request("INVALIDJOB", f"InvalidJob : {error}") from None


def upload(call: Call) -> Reply:
    """PUT the rows of a job: once, up to 150 MB."""
    job = _ingest(call)
    if job.state != "Open" or job.content is not None:
        raise bad_request("INVALIDJOBSTATE", "InvalidJobState : The job takes no more data")
    if not call.headers.get("content-type", "text/csv").lower().startswith("text/csv"):
        raise bad_request("INVALIDCONTENTTYPE", "InvalidContentType : The data of a job is text/csv")
    if len(call.body) > _LARGEST_UPLOAD:
        raise bad_request("EXCEEDEDQUOTA", "ExceededQuota : The upload is larger than 150 MB")
    job.content = call.body
    return Reply(201)


def change_ingest_state(call: Call) -> Reply:
    """PATCH to `UploadComplete`, which starts the job, or to `Aborted`."""
    job, state = _ingest(call), call.json_object().get("state")
    if state == "UploadComplete" and job.state == "Open":
        job.rows_to_fail = call.rows_to_fail
        job.start()
    else:
        _abort(job, state)
    return Reply(body=job.to_json())


def _abort(job: Job, state: Any) -> None:
    if state not in ("UploadComplete", "Aborted"):
        raise bad_request("INVALIDJOB", "InvalidJob : state is UploadComplete or Aborted")
    if state == "UploadComplete" or job.state in ("JobComplete", "Failed", "Aborted"):
        raise bad_request("INVALIDJOBSTATE", f"InvalidJobState : A job in state {job.state} cannot become {state}")
    job.state = "Aborted"


def show_ingest(call: Call) -> Reply:
    """How far a job is."""
    return Reply(body=_ingest(call).to_json())


def list_ingest(call: Call) -> Reply:
    """All ingest jobs."""
    return _listed(call.state.bulk.jobs_of(IngestJob))


def _listed(jobs: Sequence[Job]) -> Reply:
    return Reply(body={"done": True, "nextRecordsUrl": None, "records": [job.to_json() for job in jobs]})


def delete_ingest(call: Call) -> Reply:
    """Forget a job that has ended."""
    return _forget(call, _ingest(call))


def _forget(call: Call, job: Job) -> Reply:
    if job.running:
        raise bad_request("INVALIDJOBSTATE", f"InvalidJobState : A job in state {job.state} cannot be deleted")
    call.state.bulk.forget(job.job_id)
    return Reply(204)


def successful_results(call: Call) -> Reply:
    """Rows that were saved."""
    job = _ingest(call)
    return Reply(content=job.csv_format.write(*job.successful()), media_type=_CSV)


def failed_results(call: Call) -> Reply:
    """Rows that were refused, and why."""
    job = _ingest(call)
    return Reply(content=job.csv_format.write(*job.failed()), media_type=_CSV)


def unprocessed_records(call: Call) -> Reply:
    """Rows that an aborted or failed job did not come to."""
    job = _ingest(call)
    return Reply(content=job.csv_format.write(*job.unprocessed()), media_type=_CSV)


def _ingest(call: Call) -> IngestJob:
    job = call.state.bulk.find(call.params["id"])
    if not isinstance(job, IngestJob):
        raise not_found()
    return job


def create_query(call: Call) -> Reply:
    """Start a job that fetches the rows of a query."""
    body = call.json_object()
    operation = str(body.get("operation", ""))
    if operation not in ("query", "queryAll"):
        raise bad_request("INVALIDJOB", f"InvalidJob : Unable to parse Job: operation {operation}")
    parsed = soql.parse(str(body.get("query", "")))
    _check_query(parsed)
    result = soql.execute(
        call.state.org,
        parsed,
        include_deleted=operation == "queryAll",
        api_version=call.version,
        user_id=call.session.user_id,
    )
    header = [column.name for column in result.columns]
    cells = [[_cell(column.value(record)) for column in result.columns] for record in result.records]
    job = QueryJob(**_common(call, operation, result.object_name, body), header=header, rows=cells)
    job.start()
    return Reply(body=call.state.bulk.add(job).to_json())


def _check_query(query: ast.Query) -> None:
    """Refuse what Bulk API 2.0 does not query.

    Raises:
        ApiError: GROUP BY, OFFSET, an aggregate function or a subquery in the SELECT list.
    """
    refused = {
        "GROUP BY": query.group_by is not None,
        "OFFSET": query.offset is not None,
        "Subqueries": any(isinstance(entry, ast.Query) for entry in query.select),
        "Aggregate functions": any(_is_aggregate(entry) for entry in query.select),
    }
    for what, present in refused.items():
        if present:
            raise bad_request("API_ERROR", f"FeatureNotEnabled : {what} not supported in Bulk API 2.0 queries")


def _is_aggregate(entry: Any) -> bool:
    expression = getattr(entry, "expression", None)
    names = ("COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX")
    return isinstance(expression, ast.FunctionCall) and expression.name.upper() in names


def _cell(value: Any) -> str:
    text = cell(value)
    return text.replace("+0000", "Z") if _WIRE_TIME.fullmatch(text) else text


def show_query(call: Call) -> Reply:
    """How far a query job is."""
    return Reply(body=_query_job(call).to_json())


def list_query(call: Call) -> Reply:
    """All query jobs."""
    return _listed(call.state.bulk.jobs_of(QueryJob))


def change_query_state(call: Call) -> Reply:
    """PATCH to `Aborted`."""
    job = _query_job(call)
    _abort(job, call.json_object().get("state"))
    return Reply(body=job.to_json())


def delete_query(call: Call) -> Reply:
    """Forget a query job that has ended."""
    return _forget(call, _query_job(call))


def query_results(call: Call) -> Reply:
    """Rows of a finished query, `maxRecords` at a time; the locator of the last part is `null`."""
    job = _query_job(call)
    if job.state != "JobComplete":
        raise bad_request(
            "INVALIDJOBSTATE", f"InvalidJobState : The results of a job in state {job.state} are not ready"
        )
    first, size = _number(call, "locator", 0), _number(call, "maxRecords", _DEFAULT_RESULT_ROWS)
    part = job.rows[first : first + max(size, 1)]
    end = first + len(part)
    headers = {
        "Sforce-NumberOfRecords": str(len(part)),
        "Sforce-Locator": str(end) if end < len(job.rows) else "null",
    }
    return Reply(content=job.csv_format.write(job.header, part), media_type=_CSV, headers=headers)


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name) or str(default)
    if not text.isdigit():
        raise bad_request("INVALIDLOCATOR" if name == "locator" else "API_ERROR", f"{name} is not valid: {text}")
    return int(text)


def _query_job(call: Call) -> QueryJob:
    job = call.state.bulk.find(call.params["id"])
    if not isinstance(job, QueryJob):
        raise not_found()
    return job


def bulk_1(call: Call) -> Reply:
    """Bulk API 1.0: clients fall back to 2.0 on these words."""
    body = {"exceptionCode": "FeatureNotEnabled", "exceptionMessage": "Async API not enabled"}
    if "json" in call.headers.get("accept", "") or "json" in call.headers.get("content-type", ""):
        return Reply(400, body)
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><error xmlns="http://www.force.com/2009/06/asyncapi/dataload">'
        f"<exceptionCode>{body['exceptionCode']}</exceptionCode>"
        f"<exceptionMessage>{body['exceptionMessage']}</exceptionMessage></error>"
    )
    return Reply(400, content=xml.encode(), media_type="application/xml;charset=UTF-8")


_INGEST, _QUERY = f"{_JOBS}/ingest", f"{_JOBS}/query"
ROUTES = [
    Route("POST", _INGEST, create_ingest),
    Route("GET", _INGEST, list_ingest),
    Route("GET", f"{_INGEST}/{{id}}", show_ingest),
    Route("PATCH", f"{_INGEST}/{{id}}", change_ingest_state, handles_rows=True),
    Route("DELETE", f"{_INGEST}/{{id}}", delete_ingest),
    Route("PUT", f"{_INGEST}/{{id}}/batches", upload),
    Route("GET", f"{_INGEST}/{{id}}/successfulResults", successful_results),
    Route("GET", f"{_INGEST}/{{id}}/failedResults", failed_results),
    Route("GET", f"{_INGEST}/{{id}}/unprocessedrecords", unprocessed_records),
    Route("POST", _QUERY, create_query),
    Route("GET", _QUERY, list_query),
    Route("GET", f"{_QUERY}/{{id}}", show_query),
    Route("PATCH", f"{_QUERY}/{{id}}", change_query_state),
    Route("DELETE", f"{_QUERY}/{{id}}", delete_query),
    Route("GET", f"{_QUERY}/{{id}}/results", query_results),
]
BULK_1_ROUTES = [
    Route(method, f"/services/async/{{api}}/{rest}", bulk_1, public=True)
    for method in ("GET", "POST", "PUT")
    for rest in ("job", "job/{id}", "job/{id}/batch", "job/{id}/batch/{batch}", "job/{id}/batch/{batch}/result")
]
