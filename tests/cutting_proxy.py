"""An HTTP proxy that cuts connections, before a request reaches the server or after it has acted, or answers itself."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@dataclass
class _Rule:
    matches: Callable[[str], bool]
    cut: Cut | None
    times: int
    delay: float = 0.0
    status: int = 200
    answer: str = ""


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
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
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
                if rule and rule.cut is Cut.BEFORE:
                    self._break(rule.delay)
                    return
                if rule and rule.answer:
                    self._say(rule.status, rule.answer.encode())
                    return
                response, content = self._forward(body)
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
                self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        return Handler
