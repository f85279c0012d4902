"""What the server was asked: the log and the counts of the side door."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

from prefect_crm_erp.sandbox.salesforce.ids import is_id

_LONGEST_LOG = 10_000
_LONGEST_QUERY = 4_000
_EXTERNAL_KEY = re.compile(r"(/sobjects/\w+/\w+)/[^/]+$")
_COLLECTION = re.compile(r"/composite/sobjects/")


@dataclass(frozen=True)
class LoggedCall:
    """One request.

    Args:
        at: When it came, ISO 8601 on the org's clock.
        method: HTTP method.
        path: Path as sent.
        query: Query string, decoded.
        status: HTTP status of the answer; None when the connection was cut instead.
        seconds: Until the answer was ready.
        bytes: Size of the answer before compression.
    """

    at: str
    method: str
    path: str
    query: str
    status: int | None
    seconds: float
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """The entry as a JSON object; very long queries are cut."""
        return asdict(self) | {"query": self.query[:_LONGEST_QUERY]}


class CallLog:
    """Counts every call; keeps the last 10,000 in detail."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.entries: deque[LoggedCall] = deque(maxlen=_LONGEST_LOG)

    def add(self, entry: LoggedCall) -> None:
        """Note a call."""
        self.counts[f"{entry.method} {normalised(entry.path)}"] += 1
        self.entries.append(entry)

    def clear(self) -> None:
        """Forget all calls."""
        self.counts.clear()
        self.entries.clear()

    def to_json(self, *, log: bool = True) -> dict[str, Any]:
        """Total, counts per endpoint, and (on demand) the calls one by one."""
        summary: dict[str, Any] = {"total": self.counts.total(), "counts": dict(self.counts)}
        return summary | {"log": [entry.to_json() for entry in self.entries]} if log else summary


def normalised(path: str) -> str:
    """The path with `{id}` for ids, locators and external keys, so that calls to one endpoint count together.

    Example:
        >>> normalised("/services/data/v64.0/sobjects/Account/ERP_Id__c/C-17")
        '/services/data/v64.0/sobjects/Account/ERP_Id__c/{id}'
    """
    segments = [_normalised_segment(segment) for segment in path.rstrip("/").split("/")]
    short = "/".join(segments)
    return short if _COLLECTION.search(short) else _EXTERNAL_KEY.sub(_normalised_key, short)


def _normalised_segment(segment: str) -> str:
    looks_like_id = any(character.isdigit() for character in segment) and is_id(segment)
    return "{id}" if looks_like_id or re.fullmatch(r"0r8\w+-\d+", segment) else segment


def _normalised_key(match: re.Match[str]) -> str:
    return match[0] if match[0].endswith(("/describe/layouts", "/describe/approvalLayouts")) else f"{match[1]}/{{id}}"
