"""Pages for people: where the tables of a run lead to, since Tryton's web client is not on PyPI."""

from __future__ import annotations

import httpx
import pytest

from prefect_crm_erp.sandbox.tryton import TrytonAccess
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc


def page(access: TrytonAccess, path: str) -> httpx.Response:
    return httpx.get(f"{access.url}/{path}", trust_env=False)


def test_a_record_is_shown_and_nothing_of_it_as_markup(tryton_demo: TrytonAccess) -> None:
    with TrytonRpc(tryton_demo.url, tryton_demo.database, tryton_demo.user, tryton_demo.password) as rpc:
        context = {"company": tryton_demo.companies[0].id}
        (party,) = rpc("model.party.party.create", [{"name": "<script>alert(1)</script> & Sons"}], context)
        answer = page(tryton_demo, f"__sandbox__/erp/model/party.party/{party}")
        rpc("model.party.party.delete", [party], context)
    assert answer.status_code == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Sons" in answer.text
    assert "<script" not in answer.text


def test_the_first_page_sends_addresses_of_the_web_client_on(tryton_demo: TrytonAccess) -> None:
    answer = page(tryton_demo, "")
    assert answer.status_code == 200
    assert "location.replace('/__sandbox__/' + location.hash.slice(1))" in answer.text


@pytest.mark.parametrize("path", ["erp/model/sale.sale/999999", "erp/model/res.user/1", "erp/model/x/1", "erp", ""])
def test_other_records_and_other_paths_are_not_shown(tryton_demo: TrytonAccess, path: str) -> None:
    assert page(tryton_demo, f"__sandbox__/{path}").status_code == 404
