"""Which handler answers which path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from prefect_crm_erp.sandbox.salesforce.errors import ApiError
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, not_found

OLDEST_VERSION, NEWEST_VERSION = 51, 66
DEFAULT_VERSION = "64.0"
_VERSION = re.compile(r"v(\d{2})\.0")

Handler = Callable[[Call], Reply]


@dataclass(frozen=True)
class Route:
    """A resource: method, path with `{parameters}`, handler.

    Args:
        method: HTTP method.
        pattern: Path; `{name}` stands for one segment, which the handler gets decoded.
        handler: Answers the call.
        public: Answered without a session.
        handles_rows: Saves many rows, of which a fault may make some fail.
    """

    method: str
    pattern: str
    handler: Handler
    public: bool = False
    handles_rows: bool = False

    @property
    def segments(self) -> list[str]:
        """The path cut at its slashes."""
        return self.pattern.strip("/").split("/")


class Router:
    """Finds the route of a call. Segments are decoded one by one, so that `%2F` stays inside its segment."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_length: dict[int, list[tuple[Route, list[str]]]] = {}
        for route in routes:
            self._by_length.setdefault(len(route.segments), []).append((route, route.segments))

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route for a path, with the path's parameters.

        Args:
            method: HTTP method; HEAD is answered by the GET route.
            path: Path as sent, percent-encoded.

        Raises:
            ApiError: No such resource (404), or not with this method (405).
        """
        segments = path.strip("/").split("/")
        found = [(route, params) for route, params in self._candidates(segments)]
        if not found:
            raise not_found()
        wanted = "GET" if method == "HEAD" else method
        for route, params in found:
            if route.method == wanted:
                return route, params
        raise _method_not_allowed(method, [route.method for route, _ in found])

    def _candidates(self, segments: Sequence[str]) -> list[tuple[Route, dict[str, str]]]:
        """Routes of the first pattern that fits: fixed paths are listed before the ones with parameters."""
        found: list[tuple[Route, dict[str, str]]] = []
        for route, pattern in self._by_length.get(len(segments), []):
            params = _match_segments(pattern, segments)
            if params is not None and (not found or found[0][0].pattern == route.pattern):
                found.append((route, params))
        return found


def _match_segments(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for expected, actual in zip(pattern, segments, strict=True):
        if not expected.startswith("{"):
            if expected.lower() != actual.lower():
                return None
        elif actual and (expected != "{version}" or is_version(actual)):
            params[expected[1:-1]] = unquote(actual)
        else:
            return None
    return params


def is_version(segment: str) -> bool:
    """Whether a path segment such as `v64.0` names a version that this server speaks."""
    match = _VERSION.fullmatch(segment)
    return match is not None and OLDEST_VERSION <= int(match[1]) <= NEWEST_VERSION


def _method_not_allowed(method: str, allowed: Sequence[str]) -> ApiError:
    names = ",".join(dict.fromkeys(["HEAD", *allowed] if "GET" in allowed else allowed))
    message = f"HTTP Method '{method}' not allowed. Allowed are {names}"
    return ApiError.of(405, "METHOD_NOT_ALLOWED", message)
