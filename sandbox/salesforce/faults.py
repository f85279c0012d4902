"""Faults on order: rules that make matching requests go wrong, in the ways in which they do with Salesforce."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from prefect_crm_erp.sandbox.salesforce.errors import RowError
from prefect_crm_erp.sandbox.salesforce.wire import JSON, Reply, RowFailures

_EFFECTS = ("status", "delay", "drop", "fail_rows", "throttle", "expire_session")
_THROTTLED = {
    "total": "TotalRequests Limit exceeded.",
    "concurrent": "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
}


@dataclass
class Fault:
    """One rule. It has at least one effect; `delay` goes together with any other.

    Args:
        method: HTTP method, or `*` for all.
        path: Regular expression, searched in the path, and in path and decoded query string.
        times: How many requests it hits; None is without end.
        status: Answer with this HTTP status …
        body: … this JSON value or text …
        headers: … and these headers, without acting.
        delay: Seconds to wait before anything else.
        drop: Close the connection without an answer: `before` the server acts, or `after` it has committed.
        fail_rows: Some rows of a collection or bulk job fail: `count` or `indexes`, `statusCode`, `message`.
        throttle: 403 REQUEST_LIMIT_EXCEEDED; `concurrent` names the limit of long-running requests.
        expire_session: 401 INVALID_SESSION_ID, and the session has ended.
        hits: Requests hit so far.
    """

    method: str = "*"
    path: str = ""
    times: int | None = 1
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] | None = None
    delay: float = 0
    drop: str | None = None
    fail_rows: Mapping[str, Any] | None = None
    throttle: bool | str = False
    expire_session: bool = False
    hits: int = 0

    def __post_init__(self) -> None:
        self.method = str(self.method).upper()
        self._pattern = _compiled(self.path)
        self._check_effects()
        self._check_numbers()

    def _check_effects(self) -> None:
        if not any(getattr(self, effect) for effect in _EFFECTS):
            raise ValueError(f"a fault has one of {', '.join(_EFFECTS)}")
        if self.drop not in (None, "before", "after"):
            raise ValueError("drop is before or after")
        if self.throttle not in (False, True, *_THROTTLED):
            raise ValueError(f"throttle is true, {' or '.join(_THROTTLED)}")
        if self.fail_rows is not None:
            self.row_failures()

    def _check_numbers(self) -> None:
        if self.times is not None and (not isinstance(self.times, int) or self.times < 1):
            raise ValueError("times is a whole number from 1, or null")
        if not isinstance(self.delay, (int, float)) or self.delay < 0:
            raise ValueError("delay is a number of seconds")
        if self.status is not None and (not isinstance(self.status, int) or not 200 <= self.status <= 599):
            raise ValueError("status is an HTTP status")

    @classmethod
    def from_json(cls, value: Any) -> Fault:
        """A rule as the side door gets it.

        Raises:
            ValueError: It says something that is not understood.
        """
        if not isinstance(value, dict):
            raise ValueError("a fault is a JSON object")
        known = {entry.name for entry in fields(cls)} - {"hits"}
        unknown = sorted(set(value) - known)
        if unknown:
            raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        return cls(**value)

    @property
    def remaining(self) -> int | None:
        """Requests that it will still hit; None is without end."""
        return None if self.times is None else self.times - self.hits

    def matches(self, method: str, path: str, query: str) -> bool:
        """Whether a request is one that the rule is about, and the rule is not used up."""
        if self.remaining == 0 or self.method not in ("*", method):
            return False
        return bool(self._pattern.search(path) or (query and self._pattern.search(f"{path}?{query}")))

    def reply(self) -> Reply | None:
        """The answer to give in the server's stead, when the rule has one."""
        if self.throttle:
            message = _THROTTLED["total" if self.throttle is True else self.throttle]
            return Reply(403, [{"message": message, "errorCode": "REQUEST_LIMIT_EXCEEDED"}])
        if self.expire_session:
            return Reply(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
        return self._custom_reply() if self.status is not None else None

    def _custom_reply(self) -> Reply:
        assert self.status is not None
        headers = dict(self.headers or {})
        if isinstance(self.body, str):
            media_type = headers.pop("Content-Type", "text/html;charset=UTF-8")
            return Reply(self.status, content=self.body.encode(), media_type=media_type, headers=headers)
        return Reply(self.status, self.body, media_type=headers.pop("Content-Type", JSON), headers=headers)

    def row_failures(self) -> RowFailures:
        """Which rows fail, and how."""
        rule = self.fail_rows or {}
        unknown = sorted(set(rule) - {"count", "indexes", "statusCode", "message", "fields"})
        if unknown:
            raise ValueError(f"fail_rows has no {', '.join(unknown)}")
        indexes = frozenset(int(index) for index in rule["indexes"]) if "indexes" in rule else None
        code = str(rule.get("statusCode", "UNABLE_TO_LOCK_ROW"))
        message = str(rule.get("message", "unable to obtain exclusive access to this record"))
        error = RowError(code, message, tuple(rule.get("fields", ())))
        return RowFailures(indexes, int(rule.get("count", 1)), error)

    def to_json(self) -> dict[str, Any]:
        """The rule with its counts."""
        shown = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value for name, value in shown.items() if value or name == "times"} | {
            "remaining": self.remaining,
            "hits": self.hits,
        }


def _compiled(path: str) -> re.Pattern[str]:
    try:
        return re.compile(path)
    except re.error as error:
        raise ValueError(f"path is not a regular expression: {error}") from None


class Faults:
    """The rules in force; the first that fits a request is the one that hits it."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def hit(self, method: str, path: str, query: str, *, handles_rows: bool) -> Fault | None:
        """The rule for a request, counted as used.

        Args:
            method: HTTP method.
            path: Decoded path.
            query: Decoded query string.
            handles_rows: Whether the request saves the rows of a collection or bulk job, so that some can fail.
        """
        for rule in self.rules:
            if (handles_rows or rule.fail_rows is None) and rule.matches(method, path, query):
                rule.hits += 1
                return rule
        return None
