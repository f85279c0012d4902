"""The side door of the embedded ERP: its calls are counted, and an hour passes at will."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from erp_client import ErpClient

from prefect_crm_erp.sandbox.tryton import TrytonSandbox

HOUR = timedelta(hours=1)


def door(method: str, url: str, name: str, body: Any = None) -> httpx.Response:
    return httpx.request(method, f"{url}/__sandbox__/{name}", json=body, trust_env=False)


@pytest.fixture
def address(bare_erp: ErpClient) -> Iterator[str]:
    """The ERP's address; its clock goes right again afterwards."""
    url = str(bare_erp.rpc._http.base_url).rstrip("/")
    yield url
    door("POST", url, "clock", {"skew_seconds": 0})


def test_calls_are_counted_by_their_method_and_those_of_the_door_are_not(bare_erp: ErpClient, address: str) -> None:
    assert door("DELETE", address, "calls").status_code == 204
    for _ in range(2):
        bare_erp.find("currency.currency", "US", [("code", "=", "USD")], "code")
    told = door("GET", address, "calls").json()
    assert told == {"total": 2, "counts": {"POST model.currency.currency.search_read": 2}}


def test_changes_and_answers_have_the_time_of_a_clock_that_was_moved(bare_erp: ErpClient, address: str) -> None:
    assert door("POST", address, "clock", {"skew_seconds": HOUR.total_seconds()}).status_code == 204
    later = datetime.now(UTC) + HOUR
    customer = bare_erp.customer("US", "US")
    (party,) = bare_erp.find("party.party", "US", [("id", "=", customer)], "create_date")
    dated = httpx.post(f"{address}/rpc/", json={"id": 1, "method": "common.server.version", "params": []})
    for moment in (party["create_date"], parsedate_to_datetime(dated.headers["Date"])):
        assert abs(moment - later) < timedelta(minutes=2)


@pytest.mark.parametrize("body", [{}, {"skew_seconds": "soon"}, []])
def test_a_clock_that_is_set_to_no_time_stays_as_it_is(bare_erp: ErpClient, address: str, body: Any) -> None:
    assert door("POST", address, "clock", body).status_code == 400


def test_a_sandbox_can_begin_with_a_finished_database(tmp_path_factory: pytest.TempPathFactory) -> None:
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    with TrytonSandbox(first, empty=True) as sandbox:
        customer = ErpClient(sandbox.access).customer("US", "US", "Kept from before")
    with TrytonSandbox(second, empty=True, begin_with=first / "erp.sqlite") as sandbox:
        found = ErpClient(sandbox.access).find("party.party", "US", [("id", "=", customer)], "name")
    assert [row["name"] for row in found] == ["Kept from before"]
