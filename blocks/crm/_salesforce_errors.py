"""What Salesforce's answers mean: its error codes on our tree of errors, in sentences for an operator."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from prefect_crm_erp.blocks import exact_json
from prefect_crm_erp.models.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    LockedRecordError,
    RateLimitError,
    RejectedRecordError,
    TransientError,
)

SYSTEM = "Salesforce"

_LOCKED = frozenset({"UNABLE_TO_LOCK_ROW"})
_NOT_NOW = frozenset(
    {"SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "UNKNOWN_EXCEPTION", "TXN_TIMEOUT"}
)
_SESSION_GONE = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})
_NO_API = frozenset({"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"})
_BAD_QUERY = frozenset({"MALFORMED_QUERY", "INVALID_QUERY_FILTER_OPERATOR", "INVALID_FIELD_FOR_QUERY", "MALFORMED_ID"})
_NO_SUCH_FIELD = re.compile(
    r"No such (?:column|relation) '(?P<field>[^']+)' on (?:entity|sobject of type) '?(?P<object>\w+)"
)
_NO_SUCH_TYPE = re.compile(r"sObject type '(?P<object>\w+)' is not supported")
_LONGEST_WORDS = 500
_READABLE = re.compile(r"json|text/csv")
_IN_RESULTS = re.compile(r"(?P<statusCode>[A-Z_]+):(?P<message>.*):(?P<fields>[^:]*?)\s*-*", re.DOTALL)


class LostLocatorError(TransientError):
    """The place in a long query result is gone (locators live two days): the query is asked again from there."""


class UnreadableRowError(ConfigurationError):
    """A value in a call is of a wrong JSON type, and Salesforce refuses the whole call for it.

    Args:
        message: Salesforce's words.
        code: Its code.
    """

    def __init__(self, message: str, *, code: str, system: str | None = None) -> None:
        super().__init__(message, system=system)
        self.code = code


def classify(response: httpx.Response) -> ConnectorError | None:
    """The error that a whole answer stands for, or None when it is good.

    Salesforce has no `Retry-After`; a collection answers 200 even when rows of it failed (`row_error`).
    """
    status = response.status_code
    if status < 300:
        return None if _READABLE.search(response.headers.get("Content-Type", "json")) else _not_salesforce(response)
    errors = error_list(response)
    if not errors:
        return _by_status(response)
    return whole_error(errors[0], status, response.request.url.path)


def whole_error(error: Mapping[str, Any], status: int, path: str) -> ConnectorError:
    """The error that the refusal of a whole request stands for.

    Args:
        error: The first of Salesforce's errors: `{"errorCode", "message", "fields"}`.
        status: HTTP status.
        path: Path of the request.
    """
    code, words = code_of(error), _words(error)
    if code in _SESSION_GONE or status == 401:
        return AuthenticationError(
            f"The session is not accepted ({words}); check that the user is active, may use the API and comes from an "
            "allowed network"
        )
    if code == "REQUEST_LIMIT_EXCEEDED":
        return _limit(words)
    if code in _NO_API:
        return AuthenticationError(f"{words} ({code}); give the integration user the permission 'API Enabled'")
    if code == "INVALID_QUERY_LOCATOR":
        return LostLocatorError(words)
    if code in _NOT_NOW | _LOCKED or status >= 500:
        return TransientError(f"{words} ({code})")
    return _set_up_error(code, words, status, path)


def row_error(errors: Sequence[Mapping[str, Any]]) -> ConnectorError:
    """The error of one row of a collection, in Salesforce's own words.

    Args:
        errors: The row's errors: `{"statusCode", "message", "fields"}`.
    """
    first = errors[0] if errors else {}
    code = code_of(first)
    words = "; ".join(_words(error) for error in errors) or "The row was refused without a reason"
    fields = tuple(dict.fromkeys(name for error in errors for name in error.get("fields") or ()))
    if code in _LOCKED:
        return LockedRecordError(words, system=SYSTEM, code=code, fields=fields)
    if code in _NOT_NOW:
        return TransientError(f"{words} ({code})", system=SYSTEM)
    return RejectedRecordError(words, system=SYSTEM, code=code, fields=fields)


def result_error(text: str) -> ConnectorError:
    """The error of one row of a bulk job, from the column `sf__Error` of its results.

    Example:
        >>> str(result_error("REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"))
        'Salesforce: Required fields are missing: [Name]'
    """
    parts = _IN_RESULTS.fullmatch(text.strip())
    if parts is None:
        return row_error([{"message": text}])
    fields = [name for name in re.split(r"[,\s]+", parts["fields"]) if name]
    return row_error([{"statusCode": parts["statusCode"], "message": parts["message"], "fields": fields}])


def error_list(response: httpx.Response) -> list[Mapping[str, Any]]:
    """The errors in an answer's body; empty when the body has none of Salesforce's form."""
    try:
        body = exact_json.loads(response.content)
    except ValueError:
        return []
    entries = body if isinstance(body, list) else [body]
    return [entry for entry in entries if isinstance(entry, Mapping) and code_of(entry)]


def code_of(error: Mapping[str, Any]) -> str:
    """The code of an error: whole answers, rows and sign-ins each name it differently."""
    return str(error.get("errorCode") or error.get("statusCode") or error.get("error") or "")


def _words(error: Mapping[str, Any]) -> str:
    words = error.get("message") or error.get("error_description") or code_of(error)
    return " ".join(str(words).split())[:_LONGEST_WORDS]


def _limit(words: str) -> RateLimitError:
    if "Concurrent" in words:
        return RateLimitError(f"{words} Too many long requests run at the same time in this org")
    return RateLimitError(
        f"{words} The org has used up the API calls of the last 24 hours; run again later, or raise the limit "
        "(Setup > Company Information > API Requests, Last 24 Hours)"
    )


def _set_up_error(code: str, words: str, status: int, path: str) -> ConnectorError:
    if code in ("INVALID_FIELD", "INVALID_TYPE"):
        return ConfigurationError(_unknown_name(words))
    if code in _BAD_QUERY:
        return ConfigurationError(f"The query was refused: {words} ({code}); check the field names in the connection")
    if code == "JSON_PARSER_ERROR":
        return UnreadableRowError(f"{words} ({code}, HTTP {status})", code=code)
    if status == 404:
        return ConfigurationError(f"There is nothing at {path} ({words}); check the address and the API version")
    return ConfigurationError(f"{words} ({code}, HTTP {status})")


def _unknown_name(words: str) -> str:
    advice = "correct the field map or the connection, or give the integration user access to it (field-level security)"
    if match := _NO_SUCH_FIELD.search(words):
        return f"The org has no field {match['object']}.{match['field']}, or does not show it to the user; {advice}"
    if match := _NO_SUCH_TYPE.search(words):
        return f"The org has no object {match['object']}, or does not show it to the user; {advice}"
    return f"{words}; {advice}"


def _by_status(response: httpx.Response) -> ConnectorError | None:
    status, path = response.status_code, response.request.url.path
    if status >= 500 or status in (408, 429):
        return TransientError(f"HTTP {status}")
    if status == 401:
        return AuthenticationError("The session is not accepted")
    if status == 404:
        return ConfigurationError(f"There is nothing at {path}; check the address and the API version")
    return None if status < 400 else ConfigurationError(f"HTTP {status} at {path}; check the address")


def _not_salesforce(response: httpx.Response) -> ConnectorError:
    kind = response.headers.get("Content-Type")
    return ConfigurationError(f"The answer is {kind}, not JSON; check that the address is that of a Salesforce org")
