"""The sandbox as clients meet it: over the wire, an empty org each time."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from prefect_crm_erp.sandbox.salesforce.process import SalesforceAccess

DATA = "/services/data/v64.0"


class Rest(httpx.Client):
    """A client for the REST API that adds nothing: what comes back is what the server sent.

    Args:
        access: The running sandbox.
    """

    def __init__(self, access: SalesforceAccess) -> None:
        super().__init__(base_url=access.http_url + DATA, trust_env=False, timeout=30)
        self.headers["Authorization"] = f"Bearer {sign_in(access)['access_token']}"

    def query(self, soql: str) -> list[dict[str, Any]]:
        """All records of a query that fits a page."""
        answer = self.get("/query", params={"q": soql}).json()
        assert answer["done"], answer
        return answer["records"]

    def new(self, object_name: str, **fields: Any) -> str:
        """Insert a row and give its id."""
        answer = self.post(f"/sobjects/{object_name}", json=fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def value(self, record_id: str, field: str, object_name: str = "Account") -> Any:
        """A field of a row."""
        return self.get(f"/sobjects/{object_name}/{record_id}", params={"fields": field}).json()[field]


def sign_in(access: SalesforceAccess) -> dict[str, str]:
    """The token endpoint's answer to the client credentials."""
    form = {
        "grant_type": "client_credentials",
        "client_id": access.client_id,
        "client_secret": access.client_secret,
    }
    answer = httpx.post(f"{access.http_url}/services/oauth2/token", data=form, trust_env=False)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@dataclass
class Wire:
    """Sends a request as bytes and gives back what the server wrote until it closed the connection."""

    access: SalesforceAccess
    token: str

    def send(self, request_line: str, *headers: str, body: bytes = b"", tls: bool = False) -> bytes:
        """One request on a connection of its own."""
        lines = [f"{request_line} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, f"Authorization: Bearer {self.token}", "", ""])
        with self._connect(tls) as connection:
            connection.sendall(head.encode() + body)
            return _all_of(connection)

    def _connect(self, tls: bool) -> socket.socket:
        url = urlsplit(self.access.https_url if tls else self.access.http_url)
        assert url.hostname is not None
        connection = socket.create_connection((url.hostname, url.port or 0), timeout=10)
        if not tls:
            return connection
        context = ssl.create_default_context(cafile=self.access.ca_file)
        return context.wrap_socket(connection, server_hostname="localhost")


def _all_of(connection: socket.socket) -> bytes:
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.fixture
def access(empty_org: Any) -> SalesforceAccess:
    """Addresses and credentials of a sandbox without records."""
    return empty_org.access


@pytest.fixture
def rest(access: SalesforceAccess, empty_org: Any) -> Iterator[Rest]:
    """A signed-in client; the sign-in is not in the counts."""
    with Rest(access) as client:
        empty_org.clear_calls()
        yield client


@pytest.fixture
def wire(access: SalesforceAccess) -> Wire:
    """A client for bytes."""
    return Wire(access, sign_in(access)["access_token"])


@pytest.fixture
def codes() -> Callable[[httpx.Response], list[str]]:
    """The error codes of an answer."""
    return lambda answer: [error["errorCode"] for error in answer.json()]
