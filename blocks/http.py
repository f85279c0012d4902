"""The one HTTP core: timeouts everywhere, retries that never double a write, throttling, redaction, call counts.

A request that never reached the system is sent again. A request that may have reached it is sent again only when
repeating it does no harm; a write whose answer was lost raises `UnknownOutcomeError`, and whoever wrote looks the key
up first.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from prefect_crm_erp.models.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    RateLimitError,
    TransientError,
    UnknownOutcomeError,
)

Classifier = Callable[[httpx.Response], ConnectorError | None]
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_REDIRECTS = (301, 302, 303, 307, 308)
_RECORD_ID = re.compile(r"(?<=/)(?=[^/]*\d)(?:\d+|[A-Za-z0-9_-]{15,})(?=/|$)")
_MIN_SECRET = 4
_CLOCK_TICK = timedelta(seconds=1)
REDACTED = "[redacted]"


class _NotSentError(TransientError):
    """The request never reached the system: safe to send again, whatever it does."""


class _MayRepeatError(TransientError):
    """A request that changes nothing failed on the way: safe to send again."""


@dataclass(slots=True)
class CallCount:
    """Requests sent to a system since the connection was opened.

    Attributes:
        total: Requests that were sent, retries and logins included.
        by_endpoint: Requests per method and path; record ids in a path count as `{id}`.
        used: Calls that the system says were used in its own window (Salesforce: 24 hours); None when it does not say.
        allowed: Calls that the system allows in that window.
    """

    total: int = 0
    by_endpoint: Counter[str] = field(default_factory=Counter)
    used: int | None = None
    allowed: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, method: str, path: str) -> None:
        """Count one request."""
        with self._lock:
            self.total += 1
            self.by_endpoint[f"{method} {_RECORD_ID.sub('{id}', path)}"] += 1


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace each secret that occurs in a text.

    Example:
        >>> redact("token s3cr3t!", ["s3cr3t!"])
        'token [redacted]'
    """
    for secret in sorted({each for each in secrets if len(each) >= _MIN_SECRET}, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def ssl_context(ca_file: str | Path | None) -> ssl.SSLContext | bool:
    """Trust in the public authorities, or in a CA file (PEM) of the company's own.

    Raises:
        ConfigurationError: When the file is missing or holds no certificate.
    """
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"The CA file {ca_file} cannot be used: {error}") from None


def web_origin(address: str, *, system: str | None = None) -> str:
    """Scheme and host of a system's address: `https://erp.example.com`.

    Raises:
        ConfigurationError: When it is no http(s) address, or carries a user name or password.
    """
    parts = urlsplit(address.strip())
    if "@" in address:  # also where the scheme was forgotten, so that nothing below shows a password
        raise ConfigurationError(
            "The address must not hold a user name or password; they have their own fields", system=system
        )
    try:
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(
            f"{address!r} is not a web address; it looks like https://erp.example.com", system=system
        )
    return f"{parts.scheme}://{parts.netloc}"


class HttpClient:
    """A connection to one system; may be shared between threads.

    Args:
        system: The system's name, which leads every error message.
        base_url: Root of the system's API.
        classify: Turns an answer into an error, or None when it is good; sees every answer.
        auth: Authentication flow of the system (its token requests are counted too).
        timeout_seconds: Longest wait for a connection and between two parts of an answer.
        ca_file: CA certificates (PEM) to trust instead of the public authorities.
        secrets: Gives the texts that must never show in an error message.
        attempts: How often a request is sent at most, when sending again is safe.
        longest_wait_seconds: Longest pause of our own between two attempts.
        longest_delay_seconds: Longest pause that the system may ask for (`Retry-After`); when it asks for more, the
            `RateLimitError` is raised at once, for the caller to come back later.
        calls_per_second: Throttle on our side; None for no throttle.
        headers: Sent with every request.
        calls: Where to count; a count of its own by default.

    Raises:
        ConfigurationError: When the base URL is no http(s) URL or the CA file cannot be read.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        classify: Classifier,
        auth: httpx.Auth | None = None,
        timeout_seconds: float = 60,
        ca_file: str | Path | None = None,
        secrets: Callable[[], Iterable[str]] = tuple,
        attempts: int = 5,
        longest_wait_seconds: float = 20,
        longest_delay_seconds: float = 120,
        calls_per_second: float | None = None,
        headers: dict[str, str] | None = None,
        calls: CallCount | None = None,
    ) -> None:
        self.system = system
        self.calls = calls or CallCount()
        self.origin = web_origin(base_url, system=system)
        self._classify = classify
        self._secrets = secrets
        self._attempts = attempts
        self._longest_wait = longest_wait_seconds
        self._longest_delay = longest_delay_seconds
        self._gap = 1 / calls_per_second if calls_per_second else 0.0
        self._next_call = 0.0
        self._lock = threading.Lock()
        self._clock_offset = timedelta(0)
        self._client = httpx.Client(
            base_url=base_url,
            auth=auth,
            timeout=httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, 10)),
            verify=ssl_context(ca_file),
            headers=headers,
            follow_redirects=False,
            trust_env=False,
            event_hooks={"request": [self._before_send], "response": [self._note_clock]},
        )

    @property
    def clock_offset(self) -> timedelta:
        """How far the system's clock is ahead of ours, by its last answer with a `Date`; zero while there was none.

        A `Date` has whole seconds, and is made at any moment between sending and receiving: less than a second and half
        the time that the answer took counts as zero.
        """
        return self._clock_offset

    def request(self, method: str, url: str, *, writes: bool | None = None, **options: Any) -> httpx.Response:
        """Send a request, again where that is safe, and give the good answer.

        Args:
            method: HTTP method.
            url: Path below the base URL, or a whole URL.
            writes: Whether the request changes something that a second sending would change again; by default
                everything but GET and HEAD does. False also for a write that may be repeated without harm.
            options: As for `httpx.Client.request`.

        Raises:
            AuthenticationError: The credentials were refused.
            ConfigurationError: The system's certificate is not trusted, or it has moved to another address.
            RateLimitError: Still throttled after the last attempt.
            UnknownOutcomeError: A write was sent and its answer was lost.
            TransientError: The system could not be reached, or was not available.
            RecordError: What `classify` made of a refused record.
        """
        changes = method.upper() not in ("GET", "HEAD") if writes is None else writes
        retrying = Retrying(
            retry=retry_if_exception(self._worth_another_try),
            stop=stop_after_attempt(self._attempts),
            wait=self._pause,
            reraise=True,
        )
        try:
            for attempt in retrying:  # called as a function, it would keep the answer until garbage is collected
                with attempt:
                    return self._send(method, url, changes, options)
            raise LookupError("There is no attempt without an answer or an error")
        except (_NotSentError, _MayRepeatError) as error:
            raise TransientError(error.message, system=error.system) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, method: str, url: str, changes: bool, options: dict[str, Any]) -> httpx.Response:
        try:
            response = self._client.request(method, url, **options)
        except _NOT_SENT as error:
            raise self._cannot_reach(error) from None
        except httpx.HTTPError as error:
            raise self._lost(error, changes) from None
        response.stream = httpx.ByteStream(b"")  # tied to each other, both would stay until garbage is collected
        trouble = self._classify(response) or _redirect_error(response)
        if trouble is None:
            return response
        raise self._for_caller(trouble, changes)

    def _lost(self, error: httpx.HTTPError, changes: bool) -> ConnectorError:
        cause = type(error).__name__
        if changes:
            message = f"The connection broke before the answer came ({cause}); the request may have been carried out"
            return UnknownOutcomeError(message, system=self.system)
        return _MayRepeatError(f"No answer ({cause}); check that {self.origin} is up", system=self.system)

    def _for_caller(self, error: ConnectorError, changes: bool) -> ConnectorError:
        error.system = error.system or self.system
        error.message = redact(error.message, self._secrets())
        error.args = (error.message,)
        if type(error) is not TransientError:
            return error
        kind = UnknownOutcomeError if changes else _MayRepeatError
        return kind(error.message, system=error.system)

    def _cannot_reach(self, error: httpx.HTTPError) -> ConnectorError:
        reason = redact(str(error) or type(error).__name__, self._secrets())
        if is_tls_failure(error):
            return ConfigurationError(untrusted(self.origin, reason), system=self.system)
        return _NotSentError(unreachable(self.origin, reason), system=self.system)

    def _worth_another_try(self, error: BaseException) -> bool:
        if isinstance(error, RateLimitError):
            return error.retry_after is None or error.retry_after.total_seconds() <= self._longest_delay
        return isinstance(error, _NotSentError | _MayRepeatError)

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        wait = wait_random_exponential(multiplier=0.5, max=self._longest_wait)(state)
        if isinstance(error, RateLimitError) and error.retry_after:
            return max(wait, error.retry_after.total_seconds())
        return wait

    def _before_send(self, request: httpx.Request) -> None:
        self.calls.add(request.method, request.url.path)
        if self._gap:
            with self._lock:
                now = time.monotonic()
                wait = max(0.0, self._next_call - now)
                self._next_call = max(now, self._next_call) + self._gap
            time.sleep(wait)
        request.extensions["sent_at"] = datetime.now(UTC)

    def _note_clock(self, response: httpx.Response) -> None:
        theirs = _http_date(response.headers.get("Date", ""))
        sent_at: datetime = response.request.extensions["sent_at"]
        if theirs is not None:
            half = (datetime.now(UTC) - sent_at) / 2
            offset = theirs - (sent_at + half)
            self._clock_offset = offset if abs(offset) >= _CLOCK_TICK + half else timedelta(0)


def unreachable(origin: str, reason: str) -> str:
    """The sentence for a system that does not answer at its address."""
    return f"Cannot be reached at {origin} ({reason}); check the address, the network, and that the system is up"


def untrusted(origin: str, reason: str) -> str:
    """The sentence for a system whose TLS certificate is refused, or that does not speak TLS."""
    return (
        f"No trusted TLS connection to {origin} ({reason}); check that the address begins rightly with http:// or "
        "https://, and give the CA file (PEM) if the certificate is of the company's own authority"
    )


def is_tls_failure(error: BaseException) -> bool:
    """Whether the TLS handshake is what failed, which no second attempt mends."""
    return any(isinstance(cause, ssl.SSLError) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _redirect_error(response: httpx.Response) -> ConnectorError | None:
    if response.status_code not in _REDIRECTS:
        return None
    target = response.headers.get("Location", "an unknown address")
    return ConfigurationError(f"The system has moved to {_without_query(target)}; set the address in the connection")


def _without_query(url: str) -> str:
    return url.split("?")[0]


def status_error(response: httpx.Response, words: str) -> ConnectorError | None:
    """The error that an HTTP status stands for in most systems; None below 400.

    Args:
        response: The answer.
        words: The system's own words, taken from the body.
    """
    status = response.status_code
    if status < 400:
        return None
    if status == 401:
        return AuthenticationError(f"The credentials were refused: {words}")
    if status == 429:
        return RateLimitError(words, retry_after=retry_after(response))
    if status >= 500 or status == 408:
        return TransientError(f"HTTP {status}: {words}")
    return ConnectorError(f"HTTP {status}: {words}")


def retry_after(response: httpx.Response) -> timedelta | None:
    """The wait that a `Retry-After` header asks for, in seconds or as an HTTP date; None without one."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return timedelta(seconds=int(text))
    moment = _http_date(text)
    return None if moment is None else max(timedelta(0), moment - datetime.now(UTC))


def _http_date(text: str) -> datetime | None:
    """The moment of an HTTP date, aware and UTC; None when the text is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
