"""The HTTP core against a server that misbehaves on order."""

from __future__ import annotations

import gc
import json
import socket
import ssl
import threading
import time
import traceback
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.blocks.http import REDACTED, HttpClient, redact, status_error, web_origin
from prefect_crm_erp.models.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    RateLimitError,
    TransientError,
    UnknownOutcomeError,
)

DROP = object()
OK: tuple[int, dict[str, str], Any] = (200, {}, {"ok": True})
CANARY = "c4nary-s3cret-9f2"


@dataclass
class Script:
    """What the server answers, one after the other, the last one for ever; and what it was asked."""

    answers: list[Any]
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    delay: float = 0

    def next(self) -> Any:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def server(*answers: Any, tls: ssl.SSLContext | None = None, delay: float = 0) -> Iterator[Script]:
    script = Script(list(answers), delay=delay)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.asked.append((self.command, self.path))
            answer = script.next()
            time.sleep(script.delay)
            if answer is DROP:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            status, headers, body = answer
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = handle_any

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that hangs up is part of the game."""

    http = Quiet(("127.0.0.1", 0), Handler)
    if tls:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    script.url = f"{'https' if tls else 'http'}://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield script
    finally:
        http.shutdown()
        http.server_close()


def words(response: httpx.Response) -> ConnectorError | None:
    return status_error(response, response.text)


def client(url: str, **options: Any) -> HttpClient:
    settings = {"classify": words, "longest_wait_seconds": 0.02, "timeout_seconds": 5, **options}
    return HttpClient("Testland", url, **settings)


@pytest.mark.requirement("T04")
@pytest.mark.parametrize("trouble", [DROP, (503, {}, "busy"), (429, {}, "slow down")])
def test_a_read_that_fails_on_the_way_is_sent_again(trouble: Any) -> None:
    with server(trouble, trouble, OK) as script:
        assert client(script.url).request("GET", "/x").json() == {"ok": True}
    assert len(script.asked) == 3


@pytest.mark.parametrize("answers", [(OK,), (DROP, OK)], ids=["at once", "by another attempt"])
def test_an_answer_takes_no_memory_once_it_was_read(answers: tuple[Any, ...]) -> None:
    gc.disable()
    try:
        with server(*answers) as script:
            answer = client(script.url).request("GET", "/x")
            still_there = weakref.ref(answer)
            del answer
            assert still_there() is None, "it is in a cycle: its body stays until garbage is collected"
    finally:
        gc.enable()


@pytest.mark.requirement("GB02")
@pytest.mark.parametrize("trouble", [DROP, (503, {}, "busy"), (500, {}, "oops")])
def test_a_write_whose_answer_was_lost_is_not_sent_again(trouble: Any) -> None:
    with server(trouble, OK) as script, pytest.raises(UnknownOutcomeError):
        client(script.url).request("POST", "/x", json={})
    assert len(script.asked) == 1


def test_a_write_that_was_throttled_did_not_happen_and_is_sent_again() -> None:
    with server((429, {"Retry-After": "0"}, "slow down"), OK) as script:
        client(script.url).request("POST", "/x", json={})
    assert len(script.asked) == 2


def test_a_write_that_may_be_repeated_is_sent_again_when_its_answer_was_lost() -> None:
    with server(DROP, (503, {}, "busy"), OK) as script:
        client(script.url).request("PATCH", "/x", json={}, writes=False)
    assert len(script.asked) == 3


def test_a_system_that_is_not_there_is_named_with_its_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(TransientError, match=f"Testland: Cannot be reached at {url}.*check the address") as caught:
            client(url, attempts=2).request("POST", "/x")
    assert type(caught.value) is TransientError, "private kinds of errors do not show"


def test_a_system_that_never_answers_is_given_up_in_time() -> None:
    with server(OK, delay=3) as script:
        started = time.monotonic()
        with pytest.raises(TransientError, match="No answer"):
            client(script.url, timeout_seconds=0.2, attempts=2).request("GET", "/x")
        assert time.monotonic() - started < 2


@pytest.mark.requirement("T02")
def test_the_wait_that_the_system_asks_for_is_kept() -> None:
    with server((429, {"Retry-After": "1"}, "slow down"), OK) as script:
        started = time.monotonic()
        client(script.url).request("GET", "/x")
        assert time.monotonic() - started >= 1


def test_a_wait_of_an_hour_is_left_to_the_caller() -> None:
    with server((429, {"Retry-After": "3600"}, "slow down"), OK) as script:
        with pytest.raises(RateLimitError) as caught:
            client(script.url).request("GET", "/x")
        assert caught.value.retry_after is not None
        assert caught.value.retry_after.total_seconds() == 3600
    assert len(script.asked) == 1


def test_a_redirect_is_not_followed_and_names_the_new_address() -> None:
    with server((302, {"Location": f"https://new.example.com/login?token={CANARY}"}, b"")) as script:
        with pytest.raises(ConfigurationError, match=r"has moved to https://new\.example\.com/login") as caught:
            client(script.url).request("GET", "/x")
        assert CANARY not in str(caught.value)


@pytest.mark.requirement("T01")
def test_a_secret_in_the_systems_own_words_does_not_show() -> None:
    with server((401, {}, f"wrong password {CANARY}")) as script:
        with pytest.raises(AuthenticationError) as caught:
            client(script.url, secrets=lambda: [CANARY]).request("GET", "/x")
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.args)
    assert REDACTED in shown
    assert CANARY not in shown


@given(st.lists(st.text(min_size=4, max_size=8), max_size=5), st.text(max_size=20), st.text(max_size=20))
def test_no_secret_survives_redaction(secrets: list[str], before: str, after: str) -> None:
    text = before + after.join(secrets)
    shown = redact(text, secrets).replace(REDACTED, "\0")
    assert not [secret for secret in secrets if "\0" not in secret and secret in shown]


def test_an_address_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        web_origin(f"https://admin:{CANARY}@erp.example.com")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("address", ["erp.example.com", "ftp://erp.example.com", "https://", "https://erp:port", ""])
def test_what_is_no_web_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="looks like https://"):
        client(address)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestTls:
    @pytest.fixture
    def encrypted(self, authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        return context

    def test_a_companys_own_certificate_is_trusted_by_its_ca_file(
        self, authority: trustme.CA, encrypted: ssl.SSLContext, tmp_path: Path
    ) -> None:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        with server(OK, tls=encrypted) as script:
            assert client(script.url, ca_file=tmp_path / "ca.pem").request("GET", "/x").status_code == 200

    def test_an_unknown_certificate_stops_at_once_and_speaks_of_the_ca_file(self, encrypted: ssl.SSLContext) -> None:
        with server(OK, tls=encrypted) as script, pytest.raises(ConfigurationError, match="give the CA file"):
            client(script.url).request("GET", "/x")
        assert script.asked == []

    def test_https_to_a_plain_server_speaks_of_the_scheme(self) -> None:
        with server(OK) as script, pytest.raises(ConfigurationError, match="http:// or https://"):
            client(script.url.replace("http:", "https:")).request("GET", "/x")

    def test_a_ca_file_that_is_none_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("nothing of the kind")
        with pytest.raises(ConfigurationError, match=r"ca\.pem cannot be used"):
            client("https://erp.example.com", ca_file=tmp_path / "ca.pem")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with server(OK) as script:
        client(script.url).request("GET", "/x")


def test_calls_are_counted_by_endpoint_whatever_the_record_and_the_thread() -> None:
    with server(OK) as script:
        http = client(script.url)
        paths = [f"/query/01gD0000002hU6oIAE-{number}" for number in range(8)] + [
            "/v64.0/sobjects/Account/describe"
        ] * 2
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda path: http.request("GET", path), paths))
    assert http.calls.total == 10
    assert http.calls.by_endpoint == {"GET /query/{id}": 8, "GET /v64.0/sobjects/Account/describe": 2}


def dated(ahead: timedelta) -> tuple[int, dict[str, str], Any]:
    return 200, {"Date": format_datetime(datetime.now(UTC) + ahead, usegmt=True)}, {"ok": True}


@pytest.mark.parametrize("minutes", [-7, 0, 7])
def test_a_systems_clock_is_compared_with_ours_at_each_answer(minutes: int) -> None:
    ahead = timedelta(minutes=minutes)
    with server(dated(timedelta(hours=1)), dated(ahead)) as script:
        http = client(script.url)
        assert http.clock_offset == timedelta(0)
        http.request("GET", "/x")
        http.request("GET", "/x")
        # Whole seconds, and a busy machine: an hour is what must not be left of the answer before.
        assert abs(http.clock_offset - ahead) <= timedelta(seconds=5)


@pytest.mark.parametrize("text", ["", "yesterday", "Wed, 99 Nov 2026 19:00:00 GMT"])
def test_an_answer_without_a_readable_date_leaves_the_clock_alone(text: str) -> None:
    with server(dated(timedelta(hours=1)), (200, {"Date": text}, {"ok": True})) as script:
        http = client(script.url)
        http.request("GET", "/x")
        known = http.clock_offset
        http.request("GET", "/x")
        assert http.clock_offset == known != timedelta(0)


def test_a_slow_answer_is_no_sign_of_another_clock() -> None:
    with server(dated(timedelta(0)), delay=2) as script:
        http = client(script.url)
        http.request("GET", "/x")
        assert http.clock_offset == timedelta(0)


def test_our_own_throttle_spreads_the_calls() -> None:
    with server(OK) as script:
        http = client(script.url, calls_per_second=20)
        started = time.monotonic()
        for _ in range(5):
            http.request("GET", "/x")
        assert time.monotonic() - started >= 0.2
