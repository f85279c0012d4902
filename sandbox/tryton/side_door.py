"""The side door ``/__sandbox__/`` of the embedded ERP: read how often it was called, and move its clock. No login.

``GET /__sandbox__/calls`` tells the calls since the start or since ``DELETE``; ``POST /__sandbox__/clock`` with
``{"skew_seconds": 3600}`` lets an hour pass for what Tryton notes as the time of a change and for the date of its
answers. Its days stay those of this machine: what is due or booked today does not change.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, Final

from trytond.backend.sqlite import database as sqlite
from werkzeug.serving import WSGIRequestHandler

from prefect_crm_erp.sandbox.tryton.record_page import WsgiApp

_CALLS: Final = "/__sandbox__/calls"
_CLOCK: Final = "/__sandbox__/clock"
_REFUSED: Final = "400 Bad Request"


class SideDoor:
    """Stands before Tryton's application, and counts what goes through.

    Args:
        app: Tryton's application.
    """

    def __init__(self, app: WsgiApp) -> None:
        self._app = app
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._ahead = dt.timedelta()
        self._set_tryton_clock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", path if path == _CALLS:
                return _reply(start_response, "200 OK", self._told())
            case "DELETE", path if path == _CALLS:
                self._forget()
                return _reply(start_response, "204 No Content")
            case "POST", path if path == _CLOCK:
                return self._move_clock(environ, start_response)
        self._count(environ)
        return self._app(environ, start_response)

    # ------------------------------------------------------------------ calls

    def _count(self, environ: dict[str, Any]) -> None:
        """Count a call under its method of JSON-RPC, or under its path."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if method == "POST" and path.endswith("/rpc/"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            path = _method(body) or path
        if not path.startswith("/__sandbox__/"):
            with self._lock:
                self._counts[f"{method} {path}"] += 1

    def _told(self) -> dict[str, Any]:
        with self._lock:
            return {"total": self._counts.total(), "counts": dict(self._counts)}

    def _forget(self) -> None:
        with self._lock:
            self._counts.clear()

    # ------------------------------------------------------------------ the clock

    def _move_clock(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            asked = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
            self._ahead = dt.timedelta(seconds=asked["skew_seconds"])
        except (ValueError, TypeError, KeyError):
            return _reply(start_response, _REFUSED, {"error": "skew_seconds is a number of seconds"})
        return _reply(start_response, "204 No Content")

    def _set_tryton_clock(self) -> None:
        """Let the clock that Tryton asks within SQLite, one time for each transaction, be ours."""
        machine_time = sqlite.now
        sqlite.now = lambda: (dt.datetime.fromisoformat(machine_time()) + self._ahead).isoformat(" ")

    def request_handler(self) -> type[WSGIRequestHandler]:
        """What serves requests: it dates the answers by this clock."""
        door = self

        class Handler(WSGIRequestHandler):
            def date_time_string(self, timestamp: float | None = None) -> str:
                """The time of an answer, or of something else."""
                now = dt.datetime.now(dt.UTC) + door._ahead
                return super().date_time_string(now.timestamp() if timestamp is None else timestamp)

        return Handler


def _method(body: bytes) -> str:
    try:
        return str(json.loads(body)["method"])
    except (ValueError, TypeError, KeyError):
        return ""


def _reply(start_response: Callable[..., Any], status: str, told: Any = None) -> Iterable[bytes]:
    content = b"" if told is None else json.dumps(told).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]
