"""SOQL over the wire: query, queryAll, and the pages behind a locator."""

from __future__ import annotations

import re
from typing import Any

from prefect_crm_erp.sandbox.salesforce import soql
from prefect_crm_erp.sandbox.salesforce.routing import Route
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, bad_request

_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)
_SMALLEST_BATCH = 200
_DATA = "/services/data/{version}"


def query(call: Call) -> Reply:
    """Rows that are not deleted."""
    return _answer(call, include_deleted=False)


def query_all(call: Call) -> Reply:
    """Rows in the recycle bin too."""
    return _answer(call, include_deleted=True)


def next_page(call: Call) -> Reply:
    """The page that a locator stands for."""
    return Reply(body=call.state.cursors.next_page(call.params["locator"]))


def search(call: Call) -> Reply:
    """SOSL is not spoken here, and says so."""
    message = "SOSL is not offered by this sandbox: find records with SOQL (LIKE) through /query"
    raise bad_request("MALFORMED_SEARCH", message)


def _answer(call: Call, *, include_deleted: bool) -> Reply:
    text = call.query.get("q", "")
    if not text.strip():
        raise bad_request("MALFORMED_QUERY", "SOQL statement cannot be empty or null")
    result = soql.execute(
        call.state.org, text, include_deleted=include_deleted, api_version=call.version, user_id=call.session.user_id
    )
    size = _page_size(call)
    extra = result.column_metadata() if call.query.get("columns", "").lower() == "true" else {}
    if not result.records:
        # COUNT() has a size and no records.
        return Reply(body={"totalSize": result.total_size, "done": True, "records": [], **extra})
    if len(result.records) > size and result.grouped:
        message = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"
        raise bad_request("EXCEEDED_ID_LIMIT", message)
    for record in result.records:
        _page_children(call, record, size)
    return Reply(body=call.state.cursors.first_page(result.records, size, f"{call.data_path}/query") | extra)


def _page_size(call: Call) -> int:
    """Rows of a page: what the client asks for, within Salesforce's bounds."""
    settings = call.state.settings
    asked = _BATCH_SIZE.search(call.headers.get("sforce-query-options", ""))
    size = max(int(asked[1]), _SMALLEST_BATCH) if asked else settings.page_size
    return min(size, settings.max_page_size)


def _page_children(call: Call, record: dict[str, Any], size: int) -> None:
    """Give the results of subqueries that fill more than a page their own locators."""
    for name, value in record.items():
        if isinstance(value, dict) and "records" in value and len(value["records"]) > size:
            record[name] = call.state.cursors.first_page(value["records"], size, f"{call.data_path}/query")


ROUTES = [
    Route("GET", f"{_DATA}/query", query),
    Route("GET", f"{_DATA}/queryAll", query_all),
    Route("GET", f"{_DATA}/query/{{locator}}", next_page),
    Route("GET", f"{_DATA}/queryAll/{{locator}}", next_page),
    Route("GET", f"{_DATA}/search", search),
    Route("GET", f"{_DATA}/parameterizedSearch", search),
    Route("POST", f"{_DATA}/parameterizedSearch", search),
]
