"""An HTTP proxy that cuts or holds connections, before a request reaches the server or after it, or answers itself."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_NOT_RELAYED = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Cut(Enum):
    """Where a connection breaks."""

    BEFORE = "the server never sees the request"
    AFTER = "the server carries it out, and its answer is lost"


class Hold:
    """A request that is held back, before it reaches the server or before its answer reaches the client.

    Args:
        where: Before or after the server acts.
    """

    def __init__(self, where: Cut) -> None:
        self.where = where
        self._has_come = threading.Event()
        self._may_go = threading.Event()

    @property
    def has_come(self) -> bool:
        """Whether the request is there."""
        return self._has_come.is_set()

    def wait(self, seconds: float = 60) -> None:
        """Wait until the request is there."""
        assert self._has_come.wait(seconds), "the request does not come"

    def let_go(self) -> None:
        """Let it go on."""
        self._may_go.set()

    def stop(self) -> None:
        """The request is there, and waits until it may go on."""
        self._has_come.set()
        self._may_go.wait(120)


@dataclass
class _Rule:
    matches: Callable[[str], bool]
    cut: Cut | None
    times: int
    delay: float = 0.0
    status: int = 200
    answer: str = ""
    hold: Hold | None = None

    def pause(self, where: Cut) -> None:
        if self.hold and self.hold.where is where:
            self.hold.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone misses nothing."""


class CuttingProxy:
    """Relays to one server, and breaks connections as it is told.

    Args:
        target: Address of the server, `http://127.0.0.1:8000`.

    Attributes:
        requests: Bodies of the requests that arrived, in order.
        authorization: The last `Authorization` header that came by.
    """

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.requests: list[str] = []
        self.authorization = ""
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients reach the server through the proxy."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def cut(self, where: Cut, *, containing: str, times: int = 1, delay: float = 0.0) -> None:
        """Break the next requests whose body contains a text.

        Args:
            where: Before or after the server acts.
            containing: Text in the request's body.
            times: How many of them.
            delay: Seconds that pass before the connection breaks.
        """
        self._add(_Rule(lambda body: containing in body, where, times, delay))

    @contextmanager
    def hold(self, where: Cut, *, containing: str, then_cut: bool = False) -> Iterator[Hold]:
        """Hold the next request whose body contains a text, until the block ends at the latest.

        Args:
            where: Before or after the server acts.
            containing: Text in the request's body.
            then_cut: Break the connection there, instead of letting the request go on.
        """
        hold = Hold(where)
        rule = _Rule(lambda body: containing in body, where if then_cut else None, 1, hold=hold)
        self._add(rule)
        try:
            yield hold
        finally:
            rule.times = 0
            hold.let_go()

    def answer(self, text: str, *, containing: str, status: int = 200, times: int = 1) -> None:
        """Answer in the server's place.

        Args:
            text: Body of the answer.
            containing: Text in the request's body.
            status: HTTP status.
            times: How many requests.
        """
        self._add(_Rule(lambda body: containing in body, None, times, status=status, answer=text))

    def _add(self, rule: _Rule) -> None:
        with self._lock:
            self._rules.append(rule)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Break every connection for a while."""
        rule = _Rule(lambda body: True, Cut.BEFORE, times=1_000_000)
        self._add(rule)
        try:
            yield
        finally:
            self._rules.remove(rule)

    def forget(self) -> None:
        """No rules, and nothing seen."""
        with self._lock:
            self._rules.clear()
            self.requests.clear()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: str) -> _Rule | None:
        """The rule that holds for a request, and one time less for the next."""
        with self._lock:
            self.requests.append(body)
            for rule in self._rules:
                if rule.times and rule.matches(body):
                    rule.times -= 1
                    return rule
            return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.authorization = self.headers.get("Authorization", proxy.authorization)
                rule = proxy.take(body.decode())
                if rule:
                    rule.pause(Cut.BEFORE)
                if rule and rule.cut is Cut.BEFORE:
                    self._break(rule.delay)
                    return
                if rule and rule.answer:
                    self._say(rule.status, rule.answer.encode())
                    return
                response, content = self._forward(body)
                if rule:
                    rule.pause(Cut.AFTER)
                if rule and rule.cut is Cut.AFTER:
                    self._break(rule.delay)
                    return
                self._relay(response, content)

            do_GET = do_PATCH = do_PUT = do_DELETE = do_POST

            def _forward(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
                connection = http.client.HTTPConnection(str(proxy.target.hostname), proxy.target.port, timeout=120)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_RELAYED}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                content = response.read()
                connection.close()
                return response, content

            def _relay(self, response: http.client.HTTPResponse, content: bytes) -> None:
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in _NOT_RELAYED | {"server", "date"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _say(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _break(self, delay: float) -> None:
                time.sleep(delay)
                self.close_connection = True
                with suppress(OSError):  # the client may be gone
                    self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        return Handler
