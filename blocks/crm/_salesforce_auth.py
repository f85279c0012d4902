"""Signing in to Salesforce: simple-salesforce's logins over our own transport, and a session that renews itself."""

from __future__ import annotations

import re
import ssl
import threading
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from simple_salesforce import SalesforceLogin
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM, error_list
from prefect_crm_erp.blocks.http import CallCount, is_tls_failure, redact, ssl_context, unreachable, untrusted
from prefect_crm_erp.models.errors import AuthenticationError, ConfigurationError, RateLimitError, TransientError

LOGIN_HOSTS = ("login.salesforce.com", "test.salesforce.com")
"""Addresses where any org's users may sign in; the answer names the org's own address."""

_ATTEMPTS = 4
_LONGEST_WAIT_SECONDS = 10
_TEST_ORG = re.compile(r"^test\.|\.(?:sandbox|scratch)\.")
# What simple-salesforce makes of a good status with neither a session nor an error in it.
_NO_ANSWER = "UNKNOWN_EXCEPTION_CODE"
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.+?)-----END \1-----", re.DOTALL)
_ADVICE = {
    "INVALID_LOGIN": "check user name, password and security token, and that the user is active and not locked",
    "LOGIN_MUST_USE_SECURITY_TOKEN": "fill in the security token, or allow this network in the user's profile",
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD": "set a new password for the user",
    "API_DISABLED_FOR_ORG": "give the integration user the permission 'API Enabled'",
    "API_CURRENTLY_DISABLED": "give the integration user the permission 'API Enabled'",
    "INVALID_SSO_GATEWAY_URL": "the user signs in through single sign-on: use the JWT bearer or client credentials way",
    "invalid_client": "check the consumer key and the consumer secret",
    "invalid_client_id": "check the consumer key",
    "invalid_grant": "check that the user is active and approved for the app, and that the private key belongs to the "
    "app's certificate",
    "invalid_app_access": "approve the user's profile or permission set for the app",
    "unsupported_grant_type": "enable this way of signing in for the app in Salesforce",
}


@dataclass(frozen=True)
class SignIn:
    """What is needed to sign in, one of four ways: ready session, JWT bearer, client credentials, password.

    Attributes:
        origin: Address to sign in at: scheme and host.
        api_version: Version of the API, like `64.0`.
    """

    origin: str
    api_version: str
    timeout_seconds: float
    ca_file: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    security_token: SecretStr | None = None
    consumer_key: str | None = None
    consumer_secret: SecretStr | None = None
    private_key: SecretStr | None = None
    session_id: SecretStr | None = None

    @property
    def secrets(self) -> list[str]:
        """Every secret of it, to be kept out of messages."""
        hidden = (self.password, self.security_token, self.consumer_secret, self.private_key, self.session_id)
        return [secret.get_secret_value() for secret in hidden if secret]

    @property
    def host(self) -> str:
        """Host of the address, without port."""
        return urlsplit(self.origin).hostname or ""

    def arguments(self) -> dict[str, Any]:
        """Arguments of simple-salesforce's `SalesforceLogin` for the way that is filled in."""
        if self.private_key:
            audience = "test" if _TEST_ORG.search(self.host) else "login"
            return {
                "username": self.username,
                "consumer_key": self.consumer_key,
                "privatekey": read_pem(self.private_key.get_secret_value()),
                "domain": audience,
            }
        if self.consumer_secret:
            secret = self.consumer_secret.get_secret_value()
            return {"consumer_key": self.consumer_key, "consumer_secret": secret, "domain": "my-domain"}
        token = self.security_token.get_secret_value() if self.security_token else ""
        password = self.password.get_secret_value() if self.password else ""
        return {"username": self.username, "password": password, "security_token": escape(token)}


def read_pem(text: str) -> str:
    """Put a private key back into lines: a form field with one line loses its line ends.

    Raises:
        ConfigurationError: When the text is no PEM block.
    """
    match = _PEM.search(text.replace("\\n", "\n"))
    if not match:
        raise ConfigurationError(
            "The private key is not in PEM format; it begins with -----BEGIN PRIVATE KEY-----", system=SYSTEM
        )
    body = "".join(match[2].split())
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    return f"-----BEGIN {match[1]}-----\n{lines}\n-----END {match[1]}-----\n"


class LoginTransport(HTTPAdapter):
    """Carries simple-salesforce's login requests to the address of the block.

    simple-salesforce only knows `https://<something>.salesforce.com` and sets no time limit; both are put right here.
    """

    def __init__(self, sign_in: SignIn, calls: CallCount) -> None:
        self._origin = sign_in.origin
        self._timeout = (min(sign_in.timeout_seconds, 10), sign_in.timeout_seconds)
        self._calls = calls
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a login request, and raise when the system is not there at all."""
        path = urlsplit(str(request.url)).path
        request.url = f"{self._origin}{path}"
        self._calls.add(str(request.method), path)
        response = super().send(request, *args, **{**options, "timeout": self._timeout})
        if response.status_code in (502, 503, 504):
            raise TransientError(f"Sign-in is not available (HTTP {response.status_code})", system=SYSTEM)
        if response.status_code in (404, 405):
            message = f"{self._origin} offers no sign-in at {path}; check the address and the API version"
            raise ConfigurationError(message, system=SYSTEM)
        return response


class SalesforceSession:
    """A session that is opened when first needed, by one thread, and renewed when it has expired.

    A refused sign-in is not tried again: Salesforce locks users after too many wrong passwords.
    """

    def __init__(self, sign_in: SignIn, calls: CallCount) -> None:
        self.origin = sign_in.origin
        self._sign_in = sign_in
        self._calls = calls
        self._token: str | None = sign_in.session_id.get_secret_value() if sign_in.session_id else None
        self._refusal: ConfigurationError | None = None
        self._lock = threading.Lock()

    @property
    def secrets(self) -> list[str]:
        """Every secret of the connection, the session id too."""
        return [*self._sign_in.secrets, *([self._token] if self._token else [])]

    def token(self) -> str:
        """The session id; signs in when there is none yet.

        Raises:
            AuthenticationError: The credentials were refused.
            TransientError: Salesforce cannot be reached.
        """
        with self._lock:
            return self._token or self._open()

    def renew(self, stale: str) -> str:
        """A session id in place of an expired one; another thread may have signed in meanwhile.

        Raises:
            AuthenticationError: The credentials were refused, or a ready-made session id has expired.
        """
        with self._lock:
            return self._token if self._token and self._token != stale else self._open()

    def _open(self) -> str:
        if self._sign_in.session_id:
            raise AuthenticationError(
                "The session id has expired; give a new one, or credentials to sign in with", system=SYSTEM
            )
        if self._refusal:
            raise type(self._refusal)(self._refusal.message, system=SYSTEM)
        try:
            self._token, host = _log_in_patiently(self._sign_in, self._calls)
        except ConfigurationError as refusal:
            self._refusal = refusal
            raise
        self.origin = own_address(self._sign_in, host)
        return self._token


class SalesforceAuth(httpx.Auth):
    """Puts the session on every request; once per request, a session that has expired is renewed."""

    requires_response_body = True

    def __init__(self, session: SalesforceSession) -> None:
        self._session = session

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send with the session at hand, and once more with a new one when Salesforce says that it has expired."""
        token = self._session.token()
        response = yield self._signed(request, token)
        if response.status_code == 401 and _has_expired(response):
            yield self._signed(request, self._session.renew(token))

    def _signed(self, request: httpx.Request, token: str) -> httpx.Request:
        own = httpx.URL(self._session.origin)
        request.url = request.url.copy_with(scheme=own.scheme, host=own.host, port=own.port)
        request.headers["Host"] = own.netloc.decode()
        request.headers["Authorization"] = f"Bearer {token}"
        return request


def _has_expired(response: httpx.Response) -> bool:
    return any(error.get("errorCode") == "INVALID_SESSION_ID" for error in error_list(response))


def _log_in_patiently(sign_in: SignIn, calls: CallCount) -> tuple[str, str]:
    """A session id and the org's host, after several attempts when Salesforce cannot be reached."""
    retrying = Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT_SECONDS),
        reraise=True,
    )
    return retrying(_log_in, sign_in, calls)


def _log_in(sign_in: SignIn, calls: CallCount) -> tuple[str, str]:
    arguments = sign_in.arguments()
    try:
        with _login_http(sign_in, calls) as http, warnings.catch_warnings(action="ignore"):
            token, host = SalesforceLogin(session=http, sf_version=sign_in.api_version, **arguments)
    except SalesforceAuthenticationFailed as refusal:
        raise _refused(refusal, sign_in) from None
    except requests.TooManyRedirects:
        raise ConfigurationError(_moved(sign_in.origin), system=SYSTEM) from None
    except requests.RequestException as error:
        raise _not_reached(error, sign_in) from None
    except jwt.PyJWTError:
        raise ConfigurationError(
            "The private key cannot be read; give an RSA key in PEM format", system=SYSTEM
        ) from None
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ConfigurationError(_no_salesforce(sign_in.origin), system=SYSTEM) from None
    return str(token), str(host)


def _login_http(sign_in: SignIn, calls: CallCount) -> requests.Session:
    ssl_context(sign_in.ca_file)  # says what is wrong with a CA file better than requests does
    http = requests.Session()
    http.trust_env = False
    http.max_redirects = 0
    http.verify = sign_in.ca_file or True
    for scheme in ("https://", "http://"):
        http.mount(scheme, LoginTransport(sign_in, calls))
    return http


def _refused(refusal: SalesforceAuthenticationFailed, sign_in: SignIn) -> ConfigurationError | TransientError:
    words = redact(" ".join(str(refusal.auth_message).split())[:500], sign_in.secrets)
    code = str(refusal.code or "").removeprefix("sf:")
    if code == _NO_ANSWER or code.startswith("2"):
        return ConfigurationError(_no_salesforce(sign_in.origin), system=SYSTEM)
    if code in ("SERVER_UNAVAILABLE", "server_error", "temporarily_unavailable") or code.startswith("5"):
        return TransientError(f"Sign-in is not available: {words}", system=SYSTEM)
    if code == "LOGIN_RATE_EXCEEDED":
        return RateLimitError(f"Too many sign-ins of this user within an hour: {words}", system=SYSTEM)
    advice = _ADVICE.get(code, "check the credentials in the connection")
    return AuthenticationError(f"The sign-in was refused: {words} ({code or 'no code'}); {advice}", system=SYSTEM)


def _not_reached(error: requests.RequestException, sign_in: SignIn) -> ConfigurationError | TransientError:
    reason = redact(_innermost(error), sign_in.secrets)
    if isinstance(error, requests.exceptions.SSLError) or is_tls_failure(error):
        return ConfigurationError(untrusted(sign_in.origin, reason), system=SYSTEM)
    return TransientError(unreachable(sign_in.origin, reason), system=SYSTEM)


def _innermost(error: BaseException) -> str:
    """The reason at the bottom of requests' nested errors: `[Errno 111] Connection refused`."""
    texts = [str(cause) for cause in _chain(error) if isinstance(cause, OSError | ssl.SSLError) and cause.args]
    return texts[-1] if texts else type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def own_address(sign_in: SignIn, host: str) -> str:
    """Where the data calls go: the address of the block, or after a general sign-in the one that the org has.

    Raises:
        AuthenticationError: When the session would be sent to a host that is not Salesforce's.
    """
    if sign_in.host not in LOGIN_HOSTS:
        return sign_in.origin
    if not (urlsplit(f"https://{host}").hostname or "").endswith(".salesforce.com"):
        raise AuthenticationError(
            f"The sign-in names an unexpected host ({host}); use the org's My Domain address", system=SYSTEM
        )
    return f"https://{host}"


def _no_salesforce(origin: str) -> str:
    return f"{origin} does not answer a sign-in as Salesforce does; check the address"


def _moved(origin: str) -> str:
    return f"{origin} sends sign-ins to another address; use the org's My Domain address (Setup > My Domain)"
