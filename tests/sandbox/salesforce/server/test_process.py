"""The server as a process: it starts quickly, keeps its records, and ends with whoever started it."""

from __future__ import annotations

import os
import signal
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from prefect_crm_erp.sandbox.salesforce.access import SalesforceSandboxError
from prefect_crm_erp.sandbox.salesforce.process import SalesforceSandbox

from .conftest import DATA, Rest

STARTER = """
import sys, time
from pathlib import Path
from prefect_crm_erp.sandbox.salesforce.process import SalesforceSandbox
sandbox = SalesforceSandbox(Path(sys.argv[1]), empty=True)
print(sandbox.start().http_url, flush=True)
time.sleep(60)
"""


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/services/data", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_restart_keeps_records_and_credentials_and_ends_sessions(tmp_path: Path) -> None:
    with SalesforceSandbox(tmp_path, empty=True) as sandbox:
        first = sandbox.access
        with Rest(first) as rest:
            record_id = rest.new("Account", Name="kept", AnnualRevenue="1234567.89")
            old_session = rest.headers["Authorization"]
        port = int(first.http_url.rpartition(":")[2])
    with SalesforceSandbox(tmp_path, http_port=port) as sandbox:
        second = sandbox.access
        assert (second.http_url, second.password, second.client_secret, second.organization_id) == (
            first.http_url,
            first.password,
            first.client_secret,
            first.organization_id,
        )
        with Rest(second) as rest:
            assert rest.value(record_id, "AnnualRevenue") == 1234567.89
            old = rest.get("/limits", headers={"Authorization": old_session})
            assert old.status_code == 401
        trusted = ssl.create_default_context(cafile=first.ca_file)
        versions = httpx.get(f"{second.https_url}/services/data", verify=trusted, trust_env=False)
        assert versions.status_code == 200


def test_killed_server_has_all_that_it_acknowledged(tmp_path: Path) -> None:
    with SalesforceSandbox(tmp_path, empty=True) as sandbox, Rest(sandbox.access) as rest:
        rows = [{"attributes": {"type": "Account"}, "Name": f"N{number}"} for number in range(200)]
        assert rest.post("/composite/sobjects", json={"records": rows}).status_code == 200
        _child_of(os.getpid(), tmp_path).kill()
    with SalesforceSandbox(tmp_path) as sandbox, Rest(sandbox.access) as rest:
        assert rest.get("/query", params={"q": "SELECT COUNT() FROM Account"}).json()["totalSize"] == 200


def _child_of(parent: int, state_dir: Path) -> psutil.Process:
    [child] = [process for process in psutil.Process(parent).children() if str(state_dir) in process.cmdline()]
    return child


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_server_ends_when_its_parent_dies(number: signal.Signals, tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    server = _child_of(parent.pid, tmp_path)
    assert answers(url)
    parent.send_signal(number)
    parent.wait()
    parent.stdout.close()
    server.wait(10)
    assert not answers(url)


def test_server_started_by_hand_ends_with_its_shell(tmp_path: Path) -> None:
    command = f"{sys.executable} -m prefect_crm_erp.sandbox.salesforce --state-dir {tmp_path} < /dev/null & wait"
    shell = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True)
    assert shell.stdout is not None
    assert '"http_url"' in shell.stdout.readline()
    server = _child_of(shell.pid, tmp_path)
    shell.kill()
    shell.wait()
    shell.stdout.close()
    server.wait(10)


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    with SalesforceSandbox(tmp_path, empty=True) as sandbox:
        access = sandbox.access
        assert access.password not in repr(access)
        assert access.client_secret not in repr(access)
        shown = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*.key")}
        assert shown == {"ca.key": 0o600, "jwt.key": 0o600}
        assert access.password not in (tmp_path / "salesforce.log").read_text()


def test_taken_port_is_told(tmp_path: Path) -> None:
    with SalesforceSandbox(tmp_path / "a", empty=True) as sandbox:
        port = int(sandbox.access.http_url.rpartition(":")[2])
        with pytest.raises(SalesforceSandboxError, match="port is taken"):
            SalesforceSandbox(tmp_path / "b", http_port=port).start()


def test_directory_of_a_running_sandbox_is_refused(tmp_path: Path) -> None:
    with SalesforceSandbox(tmp_path, empty=True), pytest.raises(SalesforceSandboxError, match="another sandbox"):
        SalesforceSandbox(tmp_path).start()


def test_server_stops_at_once_under_idle_clients(tmp_path: Path) -> None:
    with SalesforceSandbox(tmp_path, empty=True) as sandbox:
        access = sandbox.access
        trusted = ssl.create_default_context(cafile=access.ca_file)
        clients = [httpx.Client(verify=trusted, trust_env=False) for _ in range(2)]
        for client, url in zip(clients, (access.http_url, access.https_url), strict=True):
            assert client.get(f"{url}{DATA}/limits").status_code == 401
        started = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - started < 2
