"""Starting and stopping: nothing is lost, nothing is left behind, and errors say what to do."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from erp_client import ErpClient

from prefect_crm_erp.sandbox.tryton import TrytonSandbox, TrytonSandboxError
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

PROGRAM = [sys.executable, "-m", "prefect_crm_erp.sandbox.tryton"]


def known(sandbox: TrytonSandbox, name: str) -> bool:
    """Whether the ERP has a customer of a name."""
    client = ErpClient(sandbox.access)
    found = client.find("party.party", "US", [("name", "=", name)], "id")
    client.rpc.close()
    return bool(found)


@pytest.fixture
def new_children() -> Callable[[], list[psutil.Process]]:
    """Tells the processes that this one has started since the test began."""
    before = set(psutil.Process().children())
    return lambda: [child for child in psutil.Process().children() if child not in before]


def await_end(process: psutil.Process) -> bool:
    """Whether a process ends within half a minute."""
    gone, _ = psutil.wait_procs([process], timeout=30)
    return bool(gone)


def test_data_survives_a_restart_and_goes_with_a_reset(tmp_path: Path) -> None:
    with TrytonSandbox(tmp_path) as sandbox:
        ErpClient(sandbox.access).customer("US", "US", "Remembered Inc")
    with TrytonSandbox(tmp_path) as sandbox:
        assert known(sandbox, "Remembered Inc")
    with TrytonSandbox(tmp_path, reset=True) as sandbox:
        assert not known(sandbox, "Remembered Inc")


def test_a_write_ahead_log_that_was_left_behind_is_not_replayed(
    tmp_path: Path, new_children: Callable[[], list[psutil.Process]]
) -> None:
    sandbox = TrytonSandbox(tmp_path)
    sandbox.start()
    ErpClient(sandbox.access).customer("US", "US", "Forgotten Inc")
    (server,) = new_children()
    server.kill()
    sandbox.stop()
    assert (tmp_path / "erp.sqlite-wal").stat().st_size > 0
    (tmp_path / "erp.sqlite").unlink()

    with TrytonSandbox(tmp_path) as sandbox:
        assert not known(sandbox, "Forgotten Inc")


def test_wrong_passwords_do_not_lock_the_user_out(tryton_sandbox: TrytonSandbox) -> None:
    access = tryton_sandbox.access
    for _ in range(8):
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            TrytonRpc(access.url, access.database, access.user, "wrong")

    TrytonRpc(access.url, access.database, access.user, access.password).close()


def test_a_folder_serves_one_sandbox_of_one_variant(tmp_path: Path) -> None:
    with (
        TrytonSandbox(tmp_path, empty=True),
        pytest.raises(TrytonSandboxError, match="Another sandbox runs in"),
    ):
        TrytonSandbox(tmp_path, empty=True).start()

    with pytest.raises(TrytonSandboxError, match="holds the empty ERP, not the demo one"):
        TrytonSandbox(tmp_path).start()


def test_a_port_in_use_is_told_with_the_servers_own_words(
    tmp_path: Path, new_children: Callable[[], list[psutil.Process]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        sandbox = TrytonSandbox(tmp_path, port=occupied.getsockname()[1])
        with pytest.raises(TrytonSandboxError, match=r"(?s)did not start.*tryton\.log.*in use"):
            sandbox.start()

    assert not new_children()


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_program_leaves_no_process_behind(tmp_path: Path, ending: signal.Signals, status: int) -> None:
    program = subprocess.Popen([*PROGRAM, "--state-dir", str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    access = json.loads(program.stdout.readline())
    assert [company["currency"] for company in access["companies"]] == ["USD", "GBP", "EUR"]
    TrytonRpc(access["url"], access["database"], access["admin_user"], access["admin_password"]).close()
    (server,) = psutil.Process(program.pid).children()

    program.send_signal(ending)

    assert program.wait(30) == status
    assert await_end(server)


def test_a_stop_from_another_thread_ends_a_start(
    tmp_path: Path, new_children: Callable[[], list[psutil.Process]]
) -> None:
    """What a command line does at Ctrl-C while the ERP starts in the background."""
    sandbox = TrytonSandbox(tmp_path, cache_dir=tmp_path / "cache", progress=lambda doing, fraction: sandbox.stop())

    with pytest.raises(TrytonSandboxError, match="was stopped"):
        sandbox.start()

    assert not list((tmp_path / "cache").rglob("*.sqlite"))
    assert not new_children()
