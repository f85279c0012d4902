"""OAuth: tokens by client credentials and JWT bearer, who the user is, and logging out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

import jwt

from prefect_crm_erp.sandbox.salesforce.routing import Route
from prefect_crm_erp.sandbox.salesforce.sessions import Session
from prefect_crm_erp.sandbox.salesforce.state import ServerState
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, bearer_token, parse_query

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
_SCOPE = "api id refresh_token"


class OAuthError(Exception):
    """A refusal of the token endpoint, which has an error form of its own.

    Args:
        error: OAuth error code.
        description: Salesforce's sentence.
    """

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


def token(call: Call) -> Reply:
    """Exchange credentials for an access token."""
    form = _form(call)
    grants = {"client_credentials": _client_credentials, _JWT_BEARER: _jwt_bearer, "refresh_token": _refresh}
    try:
        grant = grants.get(form.get("grant_type", ""))
        if grant is None:
            # The username-password flow among them: the apps that replace connected apps do not have it.
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        return Reply(body=_token_body(call, grant(call, form)))
    except OAuthError as error:
        return Reply(400, {"error": error.error, "error_description": error.description})


def _form(call: Call) -> dict[str, str]:
    return {**call.query, **parse_query(call.body.decode("utf-8", errors="replace"))}


def _client_credentials(call: Call, form: Mapping[str, str]) -> Session:
    """The app itself logs in, as its run-as user."""
    credentials = call.state.credentials
    client_id, client_secret = _client(call, form)
    if not _same(client_id, credentials.client_id):
        raise OAuthError("invalid_client_id", "client identifier invalid")
    if not _same(client_secret, credentials.client_secret):
        raise OAuthError("invalid_client", "invalid client credentials")
    return _open_session(call.state)


def _client(call: Call, form: Mapping[str, str]) -> tuple[str, str]:
    """Client id and secret, from a basic authorization header or from the form."""
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, client_secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise OAuthError("invalid_request", "malformed authorization header") from None
    return client_id, client_secret


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _jwt_bearer(call: Call, form: Mapping[str, str]) -> Session:
    """An assertion signed with the app's key names the user."""
    claims = _verified_claims(call, form.get("assertion", ""))
    if claims.get("sub") != call.state.username:
        raise OAuthError("invalid_grant", "user hasn't approved this consumer")
    return _open_session(call.state)


def _verified_claims(call: Call, assertion: str) -> dict[str, Any]:
    """The claims of an assertion.

    Expiry is checked against this machine's time, not the org's: a clock that the side door has moved is to show in the
    data, and not to lock everybody out.
    """
    credentials = call.state.credentials
    try:
        unverified = jwt.decode(assertion, options={"verify_signature": False})
        if unverified.get("iss") != credentials.jwt_client_id:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        return jwt.decode(
            assertion,
            credentials.jwt_public_key(),
            algorithms=["RS256"],
            audience=[*_AUDIENCES, call.base_url],
            options={"require": ["exp", "aud", "sub"]},
        )
    except jwt.ExpiredSignatureError:
        raise OAuthError("invalid_grant", "expired authorization code") from None
    except jwt.InvalidAudienceError:
        raise OAuthError("invalid_grant", "audience is invalid") from None
    except jwt.PyJWTError:
        raise OAuthError("invalid_grant", "invalid assertion") from None


def _refresh(call: Call, form: Mapping[str, str]) -> Session:
    """Neither flow hands out refresh tokens, so that none can be valid."""
    raise OAuthError("invalid_grant", "expired access/refresh token")


def _open_session(state: ServerState) -> Session:
    return state.sessions.open(state.user_id, "oauth", state.settings.session_seconds)


def _token_body(call: Call, session: Session) -> dict[str, str]:
    identity = identity_url(call, session.user_id)
    issued_at = str(int(time.time() * 1000))
    digest = hmac.digest(call.state.credentials.client_secret.encode(), (identity + issued_at).encode(), hashlib.sha256)
    return {
        "access_token": session.token,
        "signature": base64.b64encode(digest).decode(),
        "scope": _SCOPE,
        "instance_url": call.base_url,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }


def identity_url(call: Call, user_id: str) -> str:
    """The URL that describes a user, given out with each token."""
    return f"{call.base_url}/id/{call.state.org.organization_id}/{user_id}"


def userinfo(call: Call) -> Reply:
    """OpenID Connect's view of the user."""
    session = _bearer(call)
    if session is None:
        return Reply(403, content=b"Bad_OAuth_Token", media_type="text/html;charset=UTF-8")
    org = call.state.org
    user = org.get("User", session.user_id)
    names = {"name": user["Name"], "given_name": user["FirstName"], "family_name": user["LastName"]}
    return Reply(
        body={
            "sub": identity_url(call, session.user_id),
            "user_id": session.user_id,
            "organization_id": org.organization_id,
            "preferred_username": user["Username"],
            "nickname": user["Alias"],
            **names,
            "email": user["Email"],
            "email_verified": True,
            "active": user["IsActive"],
            "zoneinfo": user["TimeZoneSidKey"],
            "locale": user["LocaleSidKey"],
            "language": user["LanguageLocaleKey"],
            "user_type": "STANDARD",
            "urls": _urls(call, session.user_id),
        }
    )


def identity(call: Call) -> Reply:
    """Salesforce's own view of the user, behind the `id` of a token."""
    session = _bearer(call)
    if session is None:
        return Reply(403, content=b"Bad_OAuth_Token", media_type="text/html;charset=UTF-8")
    user = call.state.org.get("User", session.user_id)
    return Reply(
        body={
            "id": identity_url(call, session.user_id),
            "asserted_user": True,
            "user_id": session.user_id,
            "organization_id": call.state.org.organization_id,
            "username": user["Username"],
            "nick_name": user["Alias"],
            "display_name": user["Name"],
            "email": user["Email"],
            "first_name": user["FirstName"],
            "last_name": user["LastName"],
            "timezone": user["TimeZoneSidKey"],
            "active": user["IsActive"],
            "user_type": "STANDARD",
            "language": user["LanguageLocaleKey"],
            "locale": user["LocaleSidKey"],
            "urls": _urls(call, session.user_id),
        }
    )


def _urls(call: Call, user_id: str) -> dict[str, str]:
    """Where the APIs are; the client fills in the version."""
    data, soap = f"{call.base_url}/services/data/v{{version}}", f"{call.base_url}/services/Soap"
    organization = call.state.org.organization_id
    return {
        "enterprise": f"{soap}/c/{{version}}/{organization}",
        "partner": f"{soap}/u/{{version}}/{organization}",
        "rest": f"{data}/",
        "sobjects": f"{data}/sobjects/",
        "query": f"{data}/query/",
        "recent": f"{data}/recent/",
        "custom_domain": call.base_url,
        "profile": f"{call.base_url}/{user_id}",
    }


def _bearer(call: Call) -> Session | None:
    given = bearer_token(call.headers) or _form(call).get("oauth_token") or _form(call).get("access_token")
    return call.state.sessions.use(given) if given else None


def revoke(call: Call) -> Reply:
    """End the session of a token."""
    if call.state.sessions.close(_form(call).get("token", "")):
        return Reply(200)
    return Reply(400, {"error": "unsupported_token_type", "error_description": "this token is not known"})


ROUTES = [
    Route("POST", "/services/oauth2/token", token, public=True),
    Route("GET", "/services/oauth2/userinfo", userinfo, public=True),
    Route("POST", "/services/oauth2/userinfo", userinfo, public=True),
    Route("GET", "/services/oauth2/revoke", revoke, public=True),
    Route("POST", "/services/oauth2/revoke", revoke, public=True),
    Route("GET", "/id/{organization}/{user}", identity, public=True),
]
