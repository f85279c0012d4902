"""What Salesforce's error codes mean for an operator."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from prefect_crm_erp.blocks.crm._salesforce_errors import classify, row_error
from prefect_crm_erp.models.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    LockedRecordError,
    RateLimitError,
    RejectedRecordError,
    TransientError,
)

NO_FIELD = (
    "\nSELECT Id, Colour__c FROM Opportunity\n           ^\nERROR at Row:1:Column:12\n"
    "No such column 'Colour__c' on entity 'Opportunity'."
)


def judged(status: int, **content: Any) -> ConnectorError | None:
    """What an answer of the query resource is taken for."""
    request = httpx.Request("GET", "https://acme.my.salesforce.com/services/data/v64.0/query")
    return classify(httpx.Response(status, request=request, **content))


@pytest.mark.requirement("T07")
@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "words"),
    [
        (400, "INVALID_FIELD", NO_FIELD, ConfigurationError, r"no field Opportunity\.Colour__c.*field-level security"),
        (400, "INVALID_TYPE", "sObject type 'Quote' is not supported.", ConfigurationError, "no object Quote"),
        (400, "INVALID_FIELD", "something else", ConfigurationError, "something else; correct the field map"),
        (400, "MALFORMED_QUERY", "unexpected token: FORM", ConfigurationError, "query was refused: unexpected token"),
        (403, "API_DISABLED_FOR_ORG", "The REST API is not enabled", AuthenticationError, "API Enabled"),
        (403, "INSUFFICIENT_ACCESS", "no access", ConfigurationError, r"no access \(INSUFFICIENT_ACCESS, HTTP 403\)"),
        (401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", AuthenticationError, "session is not accepted"),
        (404, "NOT_FOUND", "The requested resource does not exist", ConfigurationError, "address and the API version"),
        (503, "SERVER_UNAVAILABLE", "try again", TransientError, "try again"),
        (400, "QUERY_TIMEOUT", "took too long", TransientError, "took too long"),
        (500, "UNKNOWN_EXCEPTION", "ErrorId 7", TransientError, "ErrorId 7"),
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", RateLimitError, "last 24 hours"),
        (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (…) Limit exceeded.", RateLimitError, "at the same time"),
    ],
)
def test_each_code_says_what_to_do(
    status: int, code: str, message: str, kind: type[ConnectorError], words: str
) -> None:
    error = judged(status, json=[{"errorCode": code, "message": message}])
    assert type(error) is kind
    assert re.search(words, str(error))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, ConfigurationError),
        (414, ConfigurationError),
        (404, ConfigurationError),
        (401, AuthenticationError),
        (502, TransientError),
    ],
)
def test_a_page_in_place_of_an_answer_is_judged_by_its_status(status: int, kind: type[ConnectorError]) -> None:
    assert type(judged(status, html="<h1>No</h1>")) is kind


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[1]", b"null", b'{"records": [], "message": "x"}'])
def test_a_good_answer_is_no_error_and_a_bad_one_of_any_form_is(body: bytes) -> None:
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    assert judged(200, content=body, headers=headers) is None
    assert isinstance(judged(400, content=body, headers=headers), ConfigurationError)


def test_a_row_keeps_salesforces_own_words_code_and_fields() -> None:
    closed = {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Period is closed", "fields": ["StageName"]}
    long = {"statusCode": "STRING_TOO_LONG", "message": "too long", "fields": ["ERP_Id__c"]}
    error = row_error([closed, long])
    assert isinstance(error, RejectedRecordError)
    assert (error.message, error.code) == ("Period is closed; too long", "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert error.fields == ("StageName", "ERP_Id__c")
    assert isinstance(row_error([{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy"}]), LockedRecordError)
    assert isinstance(row_error([]), RejectedRecordError)
