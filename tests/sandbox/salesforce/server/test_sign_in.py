"""The token endpoint, the SOAP login and what a session is good for, seen from the wire."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from prefect_crm_erp.sandbox.salesforce.process import SalesforceAccess

from .conftest import DATA, Rest, sign_in

ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SOAP = """<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
xmlns:urn="urn:{flavour}.soap.sforce.com">{header}<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"""


def token(access: SalesforceAccess, **form: str) -> tuple[int, str]:
    """Status of the token endpoint, and the description of the error."""
    answer = httpx.post(f"{access.http_url}/services/oauth2/token", data=form, trust_env=False)
    return answer.status_code, answer.json().get("error_description", "")


def assertion(access: SalesforceAccess, key: Any = None, **claims: Any) -> str:
    usual = {
        "iss": access.jwt_client_id,
        "sub": access.username,
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
    }
    return jwt.encode({**usual, **claims}, key or Path(access.jwt_private_key_file).read_bytes(), algorithm="RS256")


def test_token_answer_has_all_members(access: SalesforceAccess) -> None:
    answer = sign_in(access)
    assert set(answer) == {"access_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at"}
    assert answer["instance_url"] == access.http_url
    assert answer["access_token"].startswith(f"{access.organization_id[:15]}!")
    assert abs(int(answer["issued_at"]) / 1000 - time.time()) < 60


@pytest.mark.parametrize(
    ("claims", "description"),
    [
        ({}, ""),
        ({"aud": "https://test.salesforce.com"}, ""),
        ({"aud": "https://elsewhere.example"}, "audience is invalid"),
        ({"exp": 1}, "expired authorization code"),
        ({"sub": "nobody@example.com"}, "user hasn't approved this consumer"),
        ({"iss": "3MVG9unknown"}, "client identifier invalid"),
    ],
)
def test_jwt_claims_are_checked(claims: dict[str, Any], description: str, access: SalesforceAccess) -> None:
    answer = token(access, grant_type=ASSERTION, assertion=assertion(access, **claims))
    assert answer == (400 if description else 200, description)


def test_jwt_of_another_key_or_without_a_signature_is_refused(access: SalesforceAccess) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = jwt.decode(assertion(access), options={"verify_signature": False})
    for forged in (assertion(access, other), jwt.encode(claims, None, algorithm="none"), "no token at all"):
        assert token(access, grant_type=ASSERTION, assertion=forged) == (400, "invalid assertion")


def test_other_grants_are_refused_as_salesforce_does_today(access: SalesforceAccess) -> None:
    client = {"client_id": access.client_id, "client_secret": access.client_secret}
    password = {"username": access.username, "password": access.password + access.security_token}
    assert token(access, grant_type="password", **client, **password) == (400, "grant type not supported")
    refresh = token(access, grant_type="refresh_token", refresh_token="5Aep", **client)
    assert refresh == (400, "expired access/refresh token")
    wrong = {**client, "client_secret": "x"}
    assert token(access, grant_type="client_credentials", **wrong) == (400, "invalid client credentials")


@pytest.mark.parametrize("flavour", ["partner", "enterprise"])
def test_soap_login_opens_a_session(flavour: str, access: SalesforceAccess) -> None:
    secret = access.password + access.security_token
    login = (
        f"<urn:login><urn:username>{access.username}</urn:username><urn:password>{secret}</urn:password></urn:login>"
    )
    url = f"{access.http_url}/services/Soap/{'u' if flavour == 'partner' else 'c'}/64.0"
    answer = httpx.post(url, content=SOAP.format(flavour=flavour, header="", body=login), trust_env=False)
    session_id = answer.text.partition("<sessionId>")[2].partition("</sessionId>")[0]
    headers = {"Authorization": f"OAuth {session_id}"}
    limits = f"{access.http_url}{DATA}/limits"
    assert httpx.get(limits, headers=headers, trust_env=False).status_code == 200
    header = f"<soapenv:Header><urn:SessionHeader><urn:sessionId>{session_id}</urn:sessionId></urn:SessionHeader>"
    logout = SOAP.format(flavour=flavour, header=f"{header}</soapenv:Header>", body="<urn:logout/>")
    assert httpx.post(url, content=logout, trust_env=False).status_code == 200
    assert httpx.get(limits, headers=headers, trust_env=False).status_code == 401


def test_soap_faults_have_salesforces_form(access: SalesforceAccess) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    unknown = SOAP.format(flavour="partner", header="", body="<urn:convertLead/>")
    for body in (bomb, unknown, "no XML"):
        answer = httpx.post(f"{access.http_url}/services/Soap/u/64.0", content=body, trust_env=False)
        assert answer.status_code == 500
        assert "<faultcode>sf:UNKNOWN_EXCEPTION</faultcode>" in answer.text


def test_user_is_described_under_the_id_of_the_token(access: SalesforceAccess) -> None:
    answer = sign_in(access)
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    identity = httpx.get(answer["id"], headers=headers, trust_env=False).json()
    userinfo = httpx.get(f"{access.http_url}/services/oauth2/userinfo", headers=headers, trust_env=False).json()
    assert identity["username"] == userinfo["preferred_username"] == access.username
    assert identity["user_id"] == userinfo["user_id"] == answer["id"].rpartition("/")[2]
    assert httpx.get(answer["id"], trust_env=False).status_code == 403


def test_revoked_and_idle_sessions_end(rest: Rest, access: SalesforceAccess, empty_org: Any) -> None:
    revoke = f"{access.http_url}/services/oauth2/revoke"
    given = rest.headers["Authorization"].removeprefix("Bearer ")
    assert httpx.post(revoke, data={"token": given}, trust_env=False).status_code == 200
    assert rest.get("/limits").json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    empty_org.settings(session_seconds=0.05)
    rest.headers["Authorization"] = f"Bearer {sign_in(access)['access_token']}"
    time.sleep(0.1)
    assert rest.get("/limits").status_code == 401


def test_vendor_host_names_are_not_handed_back(access: SalesforceAccess) -> None:
    form = {"grant_type": "client_credentials", "client_id": access.client_id, "client_secret": access.client_secret}
    url = f"{access.http_url}/services/oauth2/token"
    for host, expected in (("login.salesforce.com", access.http_url), ("localhost:81", "http://localhost:81")):
        answer = httpx.post(url, data=form, headers={"Host": host}, trust_env=False).json()
        assert answer["instance_url"] == expected
