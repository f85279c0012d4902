"""simple-salesforce as it is, over TLS: every sign-in that is alive, and all that the client can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, format_external_id
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from prefect_crm_erp.sandbox.salesforce.process import SalesforceAccess


class ToSandbox(HTTPAdapter):
    """Sends what is meant for `*.salesforce.com` to the sandbox, as a hosts file would."""

    def __init__(self, access: SalesforceAccess) -> None:
        super().__init__()
        self._host = urlsplit(access.https_url).netloc

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        request.url = parts._replace(netloc=self._host).geturl()
        return super().send(request, *args, **kwargs)


@pytest.fixture
def session(access: SalesforceAccess) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = access.ca_file
        for domain in ("login", "northlight.my"):
            session.mount(f"https://{domain}.salesforce.com", ToSandbox(access))
        yield session


def with_token(access: SalesforceAccess) -> dict[str, Any]:
    return {"username": access.username, "password": access.password, "security_token": access.security_token}


def with_jwt(access: SalesforceAccess) -> dict[str, Any]:
    keys = {"consumer_key": access.jwt_client_id, "privatekey_file": access.jwt_private_key_file}
    return {"username": access.username, **keys}


def with_client_credentials(access: SalesforceAccess) -> dict[str, Any]:
    keys = {"consumer_key": access.client_id, "consumer_secret": access.client_secret}
    return {"domain": "northlight.my", **keys}


SignIn = Callable[[SalesforceAccess], dict[str, Any]]


@pytest.fixture
def sf(access: SalesforceAccess, session: requests.Session) -> Salesforce:
    return Salesforce(**with_token(access), session=session, version="64.0", parse_float=Decimal)


@pytest.mark.parametrize("sign_in", [with_token, with_jwt, with_client_credentials])
def test_signs_in(sign_in: SignIn, access: SalesforceAccess, session: requests.Session) -> None:
    client = Salesforce(**sign_in(access), session=session, version="64.0")
    assert client.query("SELECT Username FROM User")["records"][0]["Username"] == access.username
    again = Salesforce(session_id=client.session_id, instance_url=access.https_url, session=session)
    assert again.query("SELECT COUNT() FROM Account")["totalSize"] == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"password": "wrong"}, "INVALID_LOGIN"),
        ({"username": "nobody@example.com"}, "INVALID_LOGIN"),
        ({"security_token": "old"}, "INVALID_LOGIN"),
        ({"security_token": ""}, "LOGIN_MUST_USE_SECURITY_TOKEN"),
    ],
)
def test_wrong_password_or_token_is_told_apart(
    changes: dict[str, str], code: str, access: SalesforceAccess, session: requests.Session
) -> None:
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        Salesforce(**{**with_token(access), **changes}, session=session)
    assert caught.value.code == code


def test_reads_all_pages(sf: Salesforce, empty_org: Any) -> None:
    rows = [{"attributes": {"type": "Account"}, "Name": f"Row {number:03}"} for number in range(450)]
    for start in range(0, 450, 200):
        sf.restful("composite/sobjects", method="POST", json={"records": rows[start : start + 200]})
    empty_org.settings(page_size=200)
    empty_org.clear_calls()
    query = "SELECT Name FROM Account ORDER BY Name"
    assert [row["Name"] for row in sf.query_all(query)["records"]] == [row["Name"] for row in rows]
    assert [row["Name"] for row in sf.query_all_iter(query)] == [row["Name"] for row in rows]
    path = "GET /services/data/v64.0/query"
    assert empty_org.calls() == {path: 2, f"{path}/{{id}}": 4}


def test_creates_reads_changes_and_deletes(sf: Salesforce) -> None:
    record_id = sf.Account.create({"Name": "Ünïcode & Söhne 🚀", "AnnualRevenue": 1})["id"]
    assert sf.Account.update(record_id[:15], {"AnnualRevenue": "0.1"}) == 204
    query = f"SELECT AnnualRevenue FROM Account WHERE Id = '{record_id[:15]}'"
    assert sf.query(query)["records"][0]["AnnualRevenue"] == Decimal("0.1")
    assert sf.Account.delete(record_id) == 204
    with pytest.raises(SalesforceResourceNotFound) as caught:
        sf.Account.get(record_id)
    assert caught.value.content[0]["errorCode"] == "ENTITY_IS_DELETED"
    deleted = sf.query_all(f"SELECT IsDeleted FROM Account WHERE Id = '{record_id}'", include_deleted=True)
    assert [row["IsDeleted"] for row in deleted["records"]] == [True]


def test_upserts_by_external_id(sf: Salesforce) -> None:
    path = format_external_id("ERP_Id__c", "F/A 1")
    assert sf.Account.upsert(path, {"Name": "A"}) == 201
    assert sf.Account.upsert(path, {"Name": "B"}) == 200
    assert sf.query("SELECT Name FROM Account WHERE ERP_Id__c = 'f/a 1'")["records"][0]["Name"] == "B"
    sf.Account.upsert("ERP_Id__c/K%2F2", {"Name": "C"})
    assert sf.Account.get_by_custom_id("ERP_Id__c", "K/2")["Name"] == "C"
    with pytest.raises(SalesforceResourceNotFound):
        sf.Account.upsert("ERP_Id__c/F/A 1", {"Name": "a slash in the path ends the key"})


def test_ambiguous_external_id_is_a_300(sf: Salesforce) -> None:
    ids = {sf.Account.create({"Name": name, "Legacy_Code__c": "L1"})["id"] for name in "AB"}
    with pytest.raises(SalesforceMoreThanOneRecord) as caught:
        sf.Account.upsert("Legacy_Code__c/L1", {"Name": "C"})
    assert {url.rpartition("/")[2] for url in caught.value.content} == ids


def test_errors_come_as_the_clients_exceptions(sf: Salesforce, empty_org: Any) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.query("SELECT Nope FROM Account")
    assert caught.value.content[0]["errorCode"] == "INVALID_FIELD"
    empty_org.fault("/sobjects/", throttle=True)
    with pytest.raises(SalesforceRefusedRequest) as refused:
        sf.Account.create({"Name": "A"})
    assert refused.value.content[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"


def test_ended_session_is_renewed_or_reported(
    sf: Salesforce, access: SalesforceAccess, session: requests.Session, empty_org: Any
) -> None:
    other = Salesforce(session_id=sf.session_id, instance_url=access.https_url, session=session)
    empty_org.clear_calls()
    empty_org.fault("/query", expire_session=True)
    assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == 0
    assert empty_org.calls()["POST /services/Soap/u/64.0"] == 1
    with pytest.raises(SalesforceExpiredSession) as caught:
        other.query("SELECT COUNT() FROM Account")
    assert caught.value.content[0]["errorCode"] == "INVALID_SESSION_ID"


def test_describes_and_reports_changes(sf: Salesforce) -> None:
    fields = {field["name"]: field for field in sf.Opportunity.describe()["fields"]}
    assert fields["ERP_Id__c"]["externalId"]
    assert fields["Amount"]["type"] == "currency"
    assert "Account" in {entry["name"] for entry in sf.describe()["sobjects"]}
    kept, gone = (sf.Account.create({"Name": name})["id"] for name in ("kept", "gone"))
    sf.Account.delete(gone)
    start, end = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(minutes=2)
    assert sf.Account.updated(start, end)["ids"] == [kept]
    assert [row["id"] for row in sf.Account.deleted(start, end)["deletedRecords"]] == [gone]


def test_sends_collections(sf: Salesforce) -> None:
    rows = [{"attributes": {"type": "Account"}, "ERP_Id__c": "K1", "Name": "A"}, {"attributes": {"type": "Account"}}]
    body = {"allOrNone": False, "records": rows}
    kept, failed = sf.restful("composite/sobjects", method="POST", json=body)
    assert kept["success"]
    assert [error["statusCode"] for error in failed["errors"]] == ["REQUIRED_FIELD_MISSING"]
    upsert = {"records": [{**rows[0], "Name": "B"}, {**rows[0], "ERP_Id__c": "K2"}]}
    results = sf.restful("composite/sobjects/Account/ERP_Id__c", method="PATCH", json=upsert)
    assert [result["created"] for result in results] == [False, True]


def test_bulk_jobs(sf: Salesforce, empty_org: Any) -> None:
    empty_org.settings(bulk_seconds=0.4)
    rows = [{"ERP_Id__c": f"B{number}", "Name": f"Bulk, {number}"} for number in range(3)]
    [created] = sf.bulk2.Account.insert(records=rows, wait=0.1)
    assert created["numberRecordsProcessed"] == 3
    changes = [{"ERP_Id__c": "B1", "Name": "changed"}, {"ERP_Id__c": "B9", "Name": ""}]
    [upserted] = sf.bulk2.Account.upsert(records=changes, external_id_field="ERP_Id__c", wait=0.1)
    assert upserted["numberRecordsFailed"] == 1
    assert "REQUIRED_FIELD_MISSING" in sf.bulk2.Account.get_failed_records(upserted["job_id"])
    ids = [{"Id": row["Id"]} for row in sf.query("SELECT Id FROM Account WHERE ERP_Id__c != 'B1'")["records"]]
    [deleted] = sf.bulk2.Account.delete(records=ids, wait=0.1)
    assert deleted["numberRecordsProcessed"] == 2
    pages = sf.bulk2.Account.query("SELECT ERP_Id__c, Name FROM Account", wait=0.1)
    assert list(pages) == ['"ERP_Id__c","Name"\n"B1","changed"\n']
