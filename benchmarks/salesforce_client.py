"""A small Salesforce REST client of the benchmarks' own: sign in, create, update, query."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

from prefect_crm_erp.sandbox.salesforce.process import SalesforceAccess

ROWS_PER_CALL = 200
"""Records that one call of the collections API takes at most."""
_LOOK_SECONDS = 1.0
"""Between two looks at how far a job is."""

Row = dict[str, Any]


class SalesforceClient:
    """A session that was opened by OAuth client credentials.

    Args:
        access: How to reach the org.

    Raises:
        httpx.HTTPStatusError: The credentials were refused.
    """

    def __init__(self, access: SalesforceAccess) -> None:
        self._http = httpx.Client(base_url=access.http_url, timeout=120, trust_env=False)
        self._path = f"/services/data/v{access.api_version}"
        secret = {"client_id": access.client_id, "client_secret": access.client_secret}
        answer = self._http.post("/services/oauth2/token", data={"grant_type": "client_credentials"} | secret)
        self._http.headers["Authorization"] = f"Bearer {_checked(answer)['access_token']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def create(self, object_name: str, rows: Sequence[Row]) -> list[str]:
        """Create records, 200 in a call, and give their ids in the order of the rows.

        Raises:
            ValueError: Salesforce refused a row; the message has its words. The other rows of its call are not created.
        """
        ids: list[str] = []
        for start in range(0, len(rows), ROWS_PER_CALL):
            ids += self._create(object_name, rows[start : start + ROWS_PER_CALL])
        return ids

    def update(self, object_name: str, rows: Sequence[Row]) -> None:
        """Update records, 200 in a call; each row has its `Id`.

        Raises:
            ValueError: Salesforce refused a row; the message has its words. The others of its call stay as they are.
        """
        for start in range(0, len(rows), ROWS_PER_CALL):
            self._send("PATCH", object_name, rows[start : start + ROWS_PER_CALL])

    def _create(self, object_name: str, rows: Sequence[Row]) -> list[str]:
        return [result["id"] for result in self._send("POST", object_name, rows)]

    def _send(self, method: str, object_name: str, rows: Sequence[Row]) -> list[Row]:
        records = [{"attributes": {"type": object_name}} | row for row in rows]
        body = orjson.dumps({"allOrNone": True, "records": records}, default=_number)
        headers = {"Content-Type": "application/json"}
        answer = self._http.request(method, f"{self._path}/composite/sobjects", content=body, headers=headers)
        results: list[Row] = _checked(answer)
        for row, result in zip(rows, results, strict=True):
            if not result["success"]:
                raise ValueError(f"{object_name} {row} was refused: {result['errors']}")
        return results

    def upsert_by_job(self, object_name: str, key: str, content: bytes) -> None:
        """Create or update all rows of a CSV file by an external id, in one job of the Bulk API 2.0.

        Raises:
            ValueError: The job failed, or refused rows.
        """
        wanted = {"object": object_name, "operation": "upsert", "externalIdFieldName": key, "lineEnding": "LF"}
        job = f"{self._path}/jobs/ingest/{_checked(self._http.post(f'{self._path}/jobs/ingest', json=wanted))['id']}"
        self._http.put(f"{job}/batches", content=content, headers={"Content-Type": "text/csv"}).raise_for_status()
        state = _checked(self._http.patch(job, json={"state": "UploadComplete"}))
        while state["state"] in ("UploadComplete", "InProgress"):
            time.sleep(_LOOK_SECONDS)
            state = _checked(self._http.get(job))
        if state["state"] != "JobComplete" or state["numberRecordsFailed"]:
            raise ValueError(f"The job of {object_name} ended as {state}")

    def query(self, soql: str) -> list[Row]:
        """All records of a query; amounts as Decimals."""
        answer = _checked(self._http.get(f"{self._path}/query", params={"q": soql}))
        records: list[Row] = answer["records"]
        while not answer["done"]:
            answer = _checked(self._http.get(answer["nextRecordsUrl"]))
            records += answer["records"]
        return records


def _checked(response: httpx.Response) -> Any:
    if response.is_error:
        raise httpx.HTTPStatusError(response.text, request=response.request, response=response)
    return response.json(parse_float=Decimal)


def _number(value: Any) -> orjson.Fragment:
    """A Decimal as a JSON number with just its digits."""
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{value!r} has no form in JSON")
