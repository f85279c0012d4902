"""A Prefect server with its UI, and a runner for our deployments, in processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from prefect_crm_erp.models.errors import TransientError

START_SECONDS = 120
STOP_SECONDS = 15
LOG_TAIL = 2000


@dataclass(frozen=True, slots=True)
class Server:
    """A Prefect server that is starting or running.

    Attributes:
        url: Address of its UI, without a slash at the end.
        environment: Environment in which Prefect uses this server and no other.
    """

    url: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> None:
        """Block until it answers.

        Raises:
            TransientError: It does not start; the message shows the end of its log.
        """
        _wait_until_healthy(f"{self.url}/api", self.process, self.log)


@contextmanager
def prefect_server(state_dir: Path) -> Iterator[Server]:
    """Start a Prefect server with its UI, without waiting for it; end it with the body."""
    home = state_dir / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = server_environment(home, url)
    application = "prefect.server.api.server:create_app"
    command = ["uvicorn", "--factory", application, "--host", "127.0.0.1", "--port", str(port)]
    log = home / "server.log"
    with child([sys.executable, "-m", *command, "--log-level", "warning"], environment, log) as process:
        yield Server(url, environment, process, log)


@contextmanager
def runner(server: Server, integration: str) -> Iterator[None]:
    """Register the deployments and run what they schedule.

    Raises:
        TransientError: The runner does not start; the message shows the end of its log.
    """
    home = server.log.parent
    ready = home / "runner.ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "prefect_crm_erp.cli.runner", integration, str(ready)]
    with child(command, server.environment, home / "runner.log") as process:
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise _did_not_start("The runner", home / "runner.log")
            time.sleep(0.1)
        yield


def server_environment(home: Path, url: str) -> dict[str, str]:
    """Settings of the demo's own Prefect, whatever profile the user has."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    ours = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_CLI_PROMPT": "false",
        "PYTHONUNBUFFERED": "1",
    }
    cache = {name: value for name, value in os.environ.items() if name == "PREFECT_CRM_ERP_CACHE"}
    return kept | ours | cache


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def child(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group of its own, and end the whole group with the body."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=log.parent,
        )
    try:
        yield process
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            return
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and _group_lives(process):
            time.sleep(0.05)


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _wait_until_healthy(api: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get(f"{api}/health").is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
    raise _did_not_start("The server", log)


def _did_not_start(what: str, log: Path) -> TransientError:
    tail = log.read_text(errors="replace")[-LOG_TAIL:].strip()
    return TransientError(f"{what} did not start. The end of its log:\n{tail}", system="Prefect")
