"""What travels over the wire: calls, replies, errors, and JSON whose numbers keep every digit."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl

import orjson

from prefect_crm_erp.sandbox.salesforce.errors import ApiError, RowError

if TYPE_CHECKING:
    from prefect_crm_erp.sandbox.salesforce.sessions import Session
    from prefect_crm_erp.sandbox.salesforce.state import ServerState

JSON = "application/json;charset=UTF-8"
_BEARER = re.compile(r"(?:Bearer|OAuth)\s+(\S+)", re.IGNORECASE)
_SMALLEST_GZIP = 1024


@dataclass(frozen=True)
class Reply:
    """An answer before it is written to the connection.

    Args:
        status: HTTP status.
        body: JSON value, or None for an answer without a body.
        content: The body as it is (CSV, XML); wins over `body`.
        media_type: Content type of the body.
        headers: Further headers, named as Salesforce capitalises them.
    """

    status: int = 200
    body: Any = None
    content: bytes | None = None
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """The bytes of the body."""
        if self.content is not None:
            return self.content
        return b"" if self.body is None else dump_json(self.body)


@dataclass
class Call:
    """One request, or one subrequest of a composite request.

    Args:
        state: All that the server knows.
        method: HTTP method in capitals.
        path: Path as it was sent, percent-encoding kept, without a trailing slash.
        query: Decoded query parameters; the last one of a name wins.
        headers: Request headers with lower-case names.
        body: Request body, already decompressed.
        base_url: Scheme and host under which the client reaches this server.
    """

    state: ServerState
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    current_session: Session | None = None
    rows_to_fail: RowFailures | None = None

    @property
    def session(self) -> Session:
        """The session of the caller.

        Raises:
            ApiError: Nobody is logged in.
        """
        if self.current_session is None:
            raise ApiError.of(401, "INVALID_SESSION_ID", "Session expired or invalid")
        return self.current_session

    @property
    def version(self) -> str:
        """API version of the path, for instance `64.0`."""
        return self.params["version"].removeprefix("v")

    @property
    def data_path(self) -> str:
        """Root of the version's resources, for instance `/services/data/v64.0`."""
        return f"/services/data/v{self.version}"

    def json(self) -> Any:
        """The body as JSON; numbers with a fraction become Decimal.

        Raises:
            ApiError: The body is not JSON (400), or its content type says that it is something else (415).
        """
        media_type = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media_type != "application/json":
            message = f"Content type of the request is not supported: {media_type}"
            raise ApiError.of(415, "UNSUPPORTED_MEDIA_TYPE", message)
        return load_json(self.body)

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            ApiError: The body is not a JSON object.
        """
        return expect_object(self.json(), "request body")


@dataclass(frozen=True)
class RowFailures:
    """Rows of a collection or bulk job that a fault rule makes fail.

    Args:
        indexes: Positions of the rows, or None for the first `count` ones.
        count: How many rows from the first one fail when no positions are given.
        error: What these rows answer.
    """

    indexes: frozenset[int] | None
    count: int
    error: RowError

    def error_at(self, index: int) -> RowError | None:
        """The error for the row at this position, or None when it goes through."""
        hit = index in self.indexes if self.indexes is not None else index < self.count
        return self.error if hit else None


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    """The answer for a resource or record that is not there."""
    return ApiError.of(404, "NOT_FOUND", message)


def bad_request(code: str, message: str) -> ApiError:
    """A request that is refused as a whole."""
    return ApiError.of(400, code, message)


def expect_object(value: Any, what: str) -> dict[str, Any]:
    """The value, when it is a JSON object.

    Raises:
        ApiError: It is something else.
    """
    if not isinstance(value, dict):
        raise bad_request("JSON_PARSER_ERROR", f"Cannot deserialize the {what}: a JSON object is expected")
    return value


def expect_list(value: Any, what: str) -> list[Any]:
    """The value, when it is a JSON array.

    Raises:
        ApiError: It is something else.
    """
    if not isinstance(value, list):
        raise bad_request("JSON_PARSER_ERROR", f"Cannot deserialize the {what}: a JSON array is expected")
    return value


def load_json(body: bytes) -> Any:
    """Parse JSON without ever making a float.

    Raises:
        ApiError: The text is not JSON.
    """
    try:
        return json.loads(body, parse_float=_decimal, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        message = f"{error.msg} at [line:{error.lineno}, column:{error.colno}]"
        raise bad_request("JSON_PARSER_ERROR", message) from None
    except (UnicodeDecodeError, InvalidOperation, ValueError, RecursionError):
        raise bad_request("JSON_PARSER_ERROR", "The request body is not JSON in UTF-8") from None


def _decimal(text: str) -> Decimal:
    return Decimal(text)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


def dump_json(value: Any) -> bytes:
    """JSON text; a Decimal is written with its own digits."""
    return orjson.dumps(value, default=_dump_decimal)


def _dump_decimal(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return orjson.Fragment(format(value, "f"))


def error_reply(error: ApiError) -> Reply:
    """The list of errors that Salesforce answers for a refused request."""
    return Reply(error.status, [error_body(entry) for entry in error.errors])


def error_body(error: RowError) -> dict[str, Any]:
    """One error of a request; the key is `errorCode` here, and `statusCode` inside collections."""
    body: dict[str, Any] = {"message": error.message, "errorCode": error.code}
    if error.fields:
        body["fields"] = list(error.fields)
    return body | dict(error.details)


def row_error_body(error: RowError) -> dict[str, Any]:
    """One error of a row in a collection, a tree or a bulk job."""
    return {"statusCode": error.code, "message": error.message, "fields": list(error.fields), **error.details}


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The access token of an authorization header; None when there is none."""
    match = _BEARER.fullmatch(headers.get("authorization", "").strip())
    return match[1] if match else None


def parse_query(text: str) -> dict[str, str]:
    """Decoded query parameters."""
    return dict(parse_qsl(text, keep_blank_values=True, errors="replace"))


def compress(content: bytes, accept_encoding: str) -> bytes | None:
    """The gzip form of a body, when the client takes it and it is worth it; else None."""
    if len(content) < _SMALLEST_GZIP or "gzip" not in accept_encoding.lower():
        return None
    return gzip.compress(content, compresslevel=1, mtime=0)
