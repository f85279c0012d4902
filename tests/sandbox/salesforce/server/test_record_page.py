"""Pages for people: where the tables of a run lead to."""

from __future__ import annotations

import httpx
import pytest
from fixtures_salesforce import SandboxOrg

from prefect_crm_erp.blocks.crm.salesforce import Salesforce


@pytest.fixture
def opportunity(empty_org: SandboxOrg) -> str:
    client = empty_org.client()
    account = client.Account.create({"Name": "<script>alert(1)</script> & Sons"})["id"]
    fields = {"Name": "Deal <b>7</b>", "StageName": "Closed Won", "CloseDate": "2026-03-31", "Amount": 12.5}
    return str(client.Opportunity.create({**fields, "AccountId": account})["id"])


def test_the_connectors_link_shows_the_record_and_nothing_of_it_as_markup(
    empty_org: SandboxOrg, opportunity: str
) -> None:
    block: Salesforce = empty_org.block()
    answer = httpx.get(block.url(opportunity), trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "Deal &lt;b&gt;7&lt;/b&gt;" in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Sons" in answer.text
    assert "<script" not in answer.text
    assert "<b>7" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_lists_lead_from_the_home_page_to_each_record(empty_org: SandboxOrg, opportunity: str) -> None:
    origin = empty_org.access.http_url
    assert 'href="/006"' in httpx.get(origin, trust_env=False).text
    assert f'href="/{opportunity}"' in httpx.get(f"{origin}/006", trust_env=False).text
    assert httpx.get(f"{origin}/{opportunity[:15]}", trust_env=False).status_code == 200


@pytest.mark.parametrize("path", ["006000000000000AAA", "favicon.ico", "zzz", "%3Cscript%3E"])
def test_what_is_not_there_is_said_on_a_page(empty_org: SandboxOrg, path: str) -> None:
    answer = httpx.get(f"{empty_org.access.http_url}/{path}", trust_env=False)
    assert answer.status_code == 404
    assert "There is no such record" in answer.text


def test_a_deleted_record_says_so(empty_org: SandboxOrg, opportunity: str) -> None:
    empty_org.client().Opportunity.delete(opportunity)
    answer = httpx.get(f"{empty_org.access.http_url}/{opportunity}", trust_env=False)
    assert (answer.status_code, "was deleted" in answer.text) == (404, True)
