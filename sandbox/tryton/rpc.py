"""A small JSON-RPC client for Tryton, independent of the connector."""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from itertools import count
from types import TracebackType
from typing import Any, Self

import httpx

_DATE = ("year", "month", "day")
_DATETIME = (*_DATE, "hour", "minute", "second", "microsecond")


class TrytonFault(Exception):
    """Tryton's own error.

    Attributes:
        kind: ``UserError``, ``UserWarning``, ``ConcurrencyException`` …
        arguments: What came with it; the first one is the message, for a warning its name and then its message.
    """

    def __init__(self, kind: str, arguments: list[Any]) -> None:
        super().__init__(f"{kind}: {arguments}")
        self.kind = kind
        self.arguments = arguments


class TrytonRpc:
    """A session of one user.

    Example:
        ```python
        with TrytonRpc(access.url, access.database, access.user, access.password) as rpc:
            rpc("model.party.party.search", [("name", "=", "Harrow & Finch Ltd")], 0, None, None, {})
        ```
    """

    def __init__(self, url: str, database: str, user: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=120)
        self._endpoint = f"/{database}/rpc/"
        self._ids = count()
        self._headers: dict[str, str] = {}
        try:
            self._log_in(user, password)
        except BaseException:
            self._http.close()
            raise

    def _log_in(self, user: str, password: str) -> None:
        user_id, token, _ = self("common.db.login", user, {"password": password}, "en")
        session = base64.b64encode(f"{user}:{user_id}:{token}".encode()).decode()
        self._headers["Authorization"] = f"Session {session}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __call__(self, method: str, *parameters: Any) -> Any:
        """Call a method, such as ``model.sale.sale.read``; the last parameter is the context.

        Raises:
            TrytonFault: Tryton refused.
            httpx.HTTPError: No answer, or a status other than 200 (401: wrong password or session).
        """
        body = {"id": next(self._ids), "method": method, "params": parameters}
        response = self._http.post(
            self._endpoint,
            content=json.dumps(body, default=_encode),
            headers={"Content-Type": "application/json", **self._headers},
        )
        response.raise_for_status()
        answer = json.loads(response.text, object_hook=_decode)
        if isinstance(answer, dict) and "error" in answer:
            kind, *arguments = answer["error"]
            raise TrytonFault(kind, arguments[0] if arguments else [])
        return answer["result"]


def _encode(value: Any) -> dict[str, Any]:
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case dt.datetime():
            return {"__class__": "datetime", **{part: getattr(value, part) for part in _DATETIME}}
        case dt.date():
            return {"__class__": "date", **{part: getattr(value, part) for part in _DATE}}
    raise TypeError(f"Tryton's JSON-RPC has no form for {type(value).__name__}")


def _decode(value: dict[str, Any]) -> Any:
    match value.get("__class__"):
        case "Decimal":
            return Decimal(value["decimal"])
        case "datetime":
            parts: dict[str, Any] = {part: value[part] for part in _DATETIME}
            return dt.datetime(**parts, tzinfo=dt.UTC)
        case "date":
            return dt.date(*(value[part] for part in _DATE))
    return value
