"""One connection to a Salesforce org: the session, the calls, and what the org is asked once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from prefect_crm_erp.blocks import exact_json
from prefect_crm_erp.blocks.crm._salesforce_auth import SalesforceAuth, SalesforceSession, SignIn
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM, classify, whole_error
from prefect_crm_erp.blocks.crm._salesforce_schema import Schema
from prefect_crm_erp.blocks.http import CallCount, HttpClient
from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError
from prefect_crm_erp.models.keys import chunks

CLIENT_NAME = "prefect-crm-erp"
"""Name that the org's logs and change events show for our calls."""

_USAGE = re.compile(r"(?:^|[\s;,])api-usage=(\d+)/(\d+)")
_ROWS_PER_ANSWER = 2000
_SUBREQUESTS = 25


@dataclass(frozen=True, slots=True)
class Rows:
    """One answer of a query: up to 2,000 rows, and how many the whole result has."""

    records: list[dict[str, Any]]
    total: int


class Connection:
    """Calls to one org, with one session; may be shared between threads.

    Args:
        sign_in: How to sign in; nothing is sent before the first call.
    """

    def __init__(self, sign_in: SignIn) -> None:
        self.sign_in = sign_in
        self.calls = CallCount()
        self.session = SalesforceSession(sign_in, self.calls)
        self.schema = Schema(self._describe)
        self._version_path = f"/services/data/v{sign_in.api_version}"
        self._http = HttpClient(
            SYSTEM,
            sign_in.origin,
            classify=self._classify,
            auth=SalesforceAuth(self.session),
            timeout_seconds=sign_in.timeout_seconds,
            ca_file=sign_in.ca_file,
            secrets=lambda: self.session.secrets,
            headers={"Accept": "application/json", "Sforce-Call-Options": f"client={CLIENT_NAME}"},
            calls=self.calls,
        )

    @property
    def clock_offset(self) -> timedelta:
        """How far the org's clock is ahead of ours, by its last answer."""
        return self._http.clock_offset

    def get(self, path: str, **options: Any) -> Any:
        """Read a resource: a path below the version's root, or a whole path that Salesforce gave."""
        return self._send("GET", path, **options)

    def send(self, method: str, path: str, body: Any, **headers: str) -> Any:
        """Send a request that may be repeated without harm; numbers in the body keep every digit."""
        content = exact_json.dumps(body)
        return self._send(method, path, content=content, headers={"Content-Type": "application/json", **headers})

    def delete(self, path: str, **params: str) -> Any:
        """Delete what the parameters name; deleting it again does no harm."""
        return self._send("DELETE", path, params=params)

    def submit(self, method: str, path: str, body: Any) -> Any:
        """Send a request that must not be repeated unasked.

        Raises:
            UnknownOutcomeError: The answer was lost.
        """
        headers = {"Content-Type": "application/json"}
        return self._send(method, path, writes=True, content=exact_json.dumps(body), headers=headers)

    def upload(self, path: str, content: Iterable[bytes]) -> None:
        """Send a file of comma-separated values, piece by piece, once.

        Raises:
            UnknownOutcomeError: The answer was lost.
        """
        headers = {"Content-Type": "text/csv; charset=UTF-8"}
        self._request("PUT", path, writes=True, content=content, headers=headers)

    def download(self, path: str) -> str:
        """Read a file of comma-separated values."""
        return self._request("GET", path, headers={"Accept": "text/csv"}).content.decode()

    def query(self, soql: str, *, lines: str | None = None, deleted: bool = False) -> Iterator[Rows]:
        """Run a query and give its answers one by one, so that a long result never is in memory as a whole.

        Args:
            soql: The query.
            lines: Name of a subquery in it, whose own further pages are fetched too.
            deleted: Whether records in the recycle bin are found too.

        Raises:
            LostLocatorError: The place in the result is gone; ask again from the last row.
        """
        size = {"Sforce-Query-Options": f"batchSize={_ROWS_PER_ANSWER}"}
        answer = self.get("queryAll" if deleted else "query", params={"q": soql}, headers=size)
        while True:
            if lines:
                for record in answer["records"]:
                    self._complete(record, lines)
            yield Rows(answer["records"], answer["totalSize"])
            if answer["done"]:
                return
            answer = self.get(_local_path(answer["nextRecordsUrl"]))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _complete(self, record: dict[str, Any], lines: str) -> None:
        """Fetch the pages of a record's lines that were too many for the answer."""
        page = record.get(lines)
        while page and not page["done"]:
            page = self.get(_local_path(page["nextRecordsUrl"]))
            record[lines]["records"] += page["records"]

    def _request(self, method: str, path: str, *, writes: bool = False, **options: Any) -> httpx.Response:
        url = path if path.startswith("/") else f"{self._version_path}/{path}"
        return self._http.request(method, url, writes=writes, **options)

    def _send(self, method: str, path: str, **options: Any) -> Any:
        response = self._request(method, path, **options)
        try:
            return exact_json.loads(response.content)
        except ValueError:
            raise ConfigurationError(
                f"The answer of {self._http.origin} is no JSON; check that it is the address of a Salesforce org",
                system=SYSTEM,
            ) from None

    def _classify(self, response: httpx.Response) -> ConnectorError | None:
        usage = _USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
        if usage:
            self.calls.used, self.calls.allowed = int(usage[1]), int(usage[2])
        return classify(response)

    def _describe(self, objects: list[str]) -> dict[str, Mapping[str, Any] | None]:
        """Describes of several objects, in one call for each 25."""
        found: dict[str, Mapping[str, Any] | None] = {}
        for batch in chunks(objects, _SUBREQUESTS):
            wanted = [
                {"method": "GET", "url": f"{self._version_path}/sobjects/{name}/describe", "referenceId": name}
                for name in batch
            ]
            answer = self.send("POST", "composite", {"allOrNone": False, "compositeRequest": wanted})
            for part in answer["compositeResponse"]:
                found[part["referenceId"]] = _described(part)
        return found


def _described(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """One object's describe; None when the org does not have it or does not show it to the user."""
    status, body = part["httpStatusCode"], part["body"]
    if status == 200:
        return body
    if status == 404:
        return None
    errors = body if isinstance(body, list) and body else [{"message": f"HTTP {status}"}]
    raise whole_error(errors[0], status, f"{part['referenceId']}/describe")


def _local_path(url: str) -> str:
    """A path of the same org that Salesforce gave for the next page; the session must not go anywhere else."""
    if not url.startswith("/services/data/"):
        raise ConfigurationError("Salesforce names an unexpected address for the next page of a result", system=SYSTEM)
    return url
