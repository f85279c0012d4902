"""What an operator sees and does in Prefect's UI: the form of a custom run, and the tables of the finished one."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fixtures_salesforce import SandboxOrg
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from world import World

from prefect_crm_erp.cli.prefect_server import prefect_server, runner
from prefect_crm_erp.cli.save_blocks import save_integration
from prefect_crm_erp.sandbox.tryton import TrytonAccess

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
FORM = {
    "Integration": "The saved integration to run.",
    "Source": "Which CRM records become orders.",
    "Only these records": "Only these, whatever was read before: "
    "CRM ids (15 or 18 characters) or numbers of ERP orders.",
    "Changed since": "Read deals changed since this time (UTC when it names no zone) instead of since the last run.",
    "Dry run": "Show field by field what would be written, and write nothing.",
}
"""Title and sentence of each parameter, in the order of the form."""
DEPLOYMENT = "quote-to-order/closed-won opportunities"
RUN_SECONDS = 60

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


@pytest.fixture
def company(salesforce_sandbox: SandboxOrg, tryton_demo: TrytonAccess, tmp_path: Path) -> World:
    """A fresh org and ledger, for flows that run on a server of their own."""
    salesforce_sandbox.reset(empty=True)
    return World(salesforce_sandbox, tryton_demo, tmp_path)


@pytest.fixture
def ui(company: World, tmp_path: Path) -> Iterator[str]:
    """A Prefect server with its UI, the deployments, and two saved integrations, of which they take the first."""
    with prefect_server(tmp_path) as server:
        server.wait()
        with temporary_settings({PREFECT_API_URL: f"{server.url}/api"}):
            for name in ("first-company", "second-company"):
                save_integration(name, company.integration())
            with runner(server, "first-company"):
                yield f"{server.url}/v2"


@pytest.fixture
def page(ui: str) -> Iterator[Page]:
    """A browser; only this machine is asked for anything.

    It comes after the blocks: playwright keeps an event loop, in which Prefect would not save them at once.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def parameters_shown(page: Page) -> dict[str, str]:
    """Titles and sentences of the form, as they are read from top to bottom."""
    rows = page.locator("form label + p").evaluate_all(
        "all => all.map(p => [p.previousSibling.innerText, p.innerText])"
    )
    return {title.removesuffix(" (Optional)"): sentence for title, sentence in rows}


def submit(page: Page) -> None:
    """Press Submit, once more where the server was busy and said so: its SQLite refuses what it cannot do in time."""
    from playwright.sync_api import TimeoutError as NotYetError

    for seconds in (20, 20, 60):
        page.get_by_role("button", name="Submit").click()
        with suppress(NotYetError):
            page.wait_for_url("**?tab=Runs", timeout=seconds * 1000)
            return
    raise AssertionError(f"the form is not taken: {page.inner_text('body')[:2000]}")


def only_run() -> FlowRun:
    """The run that the form has created."""
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs()
        return run


def finished(run: FlowRun) -> str:
    """Message of the run's final state, once it has completed."""
    deadline = time.monotonic() + RUN_SECONDS
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            state = client.read_flow_run(run.id).state
            if state is not None and state.is_final():
                assert state.is_completed(), state.message
                return str(state.message)
            time.sleep(0.3)
    raise AssertionError("the run does not end")


@pytest.mark.requirement("A15", "GB03")
def test_an_operator_chooses_an_integration_by_name_runs_it_and_reads_its_tables(
    company: World, ui: str, page: Page
) -> None:
    deal = company.deal(Name="A deal for the browser")
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
        chosen = client.read_block_document_by_name("second-company", "crm-erp-integration")
    page.goto(f"{ui}/deployments/deployment/{deployment.id}/run")
    page.get_by_text(FORM["Integration"]).wait_for()
    assert parameters_shown(page) == FORM

    dropdown = page.get_by_label("Select a block")
    assert dropdown.inner_text() == "first-company"
    dropdown.click()
    offered = [name.strip() for name in page.get_by_role("option").all_inner_texts()]
    assert offered == ["first-company", "second-company", "Create new block"]
    page.get_by_role("option", name="second-company").click()
    page.get_by_label("Dry run").click()
    submit(page)
    run = only_run()
    parameters: dict[str, Any] = run.parameters
    assert parameters["integration"] == {"$ref": {"block_document_id": str(chosen.id)}}
    assert parameters["dry_run"] is True
    sent = json.dumps(parameters)
    assert not any(secret in sent for secret in (company.org.access.password, company.access.password, "***"))

    assert "1 would be written" in finished(run)
    page.goto(f"{ui}/runs/flow-run/{run.id}?tab=Artifacts")
    page.get_by_text("closed-won-opportunities-written").click()
    order = page.get_by_role("row").filter(has_text="A deal for the browser").first
    order.wait_for()
    assert "100.00 USD" in " ".join(order.inner_text().split())  # it does not break where the number ends
    assert order.get_by_role("link").first.get_attribute("href") == company.org.block().url(deal)
