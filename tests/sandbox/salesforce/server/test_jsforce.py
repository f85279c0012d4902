"""jsforce as it is, installed by npm."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from prefect_crm_erp.sandbox.salesforce.process import SalesforceAccess

PACKAGE = "jsforce@3.10.16"
CLIENT = Path(__file__).with_name("jsforce_client.mjs")


@pytest.fixture(scope="session")
def jsforce(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, kept in pytest's cache; a half-finished installation is never used."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    cache = getattr(request.config, "cache", None)
    folder = (cache.mkdir("npm") if cache else tmp_path_factory.mktemp("npm")) / PACKAGE
    if not folder.exists():
        draft = Path(tempfile.mkdtemp(dir=folder.parent))
        command = ["npm", "install", "--prefix", str(draft), "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
            trouble = done.stderr.strip()[-300:] if done.returncode else ""
        except subprocess.TimeoutExpired:
            trouble = "it does not come to an end"
        if trouble:
            shutil.rmtree(draft, ignore_errors=True)
            pytest.skip(f"npm cannot install {PACKAGE}: {trouble}")
        draft.replace(folder)
    return folder


@pytest.fixture
def seen(jsforce: Path, access: SalesforceAccess, empty_org: Any) -> dict[str, Any]:
    """What jsforce saw in an empty org."""
    empty_org.settings(bulk_seconds=0.5)
    arguments = [str(jsforce), access.http_url, access.username, access.password + access.security_token]
    done = subprocess.run(["node", str(CLIENT), *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_jsforce_does_all_that_it_can(seen: dict[str, Any], access: SalesforceAccess) -> None:
    assert (seen["organizationId"], seen["identity"]) == (access.organization_id, access.username)
    assert seen["retrieved"]["Name"] == "Nörd & Söhne 🚀"
    assert (seen["inserted"]["created"], seen["updated"]["created"]) == (True, False)
    assert seen["error"] == "REQUIRED_FIELD_MISSING"
    assert "Push_To_ERP__c" in seen["describedFields"]
    assert (seen["manyCreated"], seen["manyUpdated"], seen["count"]) == (250, 250, 250)
    assert seen["paged"] == {"total": 250, "fetched": 250, "last": "Row 249"}
    assert [row["Site"] for row in seen["found"]] == ["Bonn"]
    by_hand = [["C 17", 'Comma, "quotes"\nand lines'], ["C 18", "New by bulk"]]
    assert seen["loaded"] == [["C 17", "false", by_hand[0][1]], ["C 18", "true", by_hand[1][1]]]
    assert (seen["failed"], seen["queried"]) == (0, by_hand)
    assert (seen["afterDelete"], seen["inRecycleBin"]) == (0, True)
    assert seen["usage"]["limit"] == 15_000
