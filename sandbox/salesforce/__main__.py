"""Serves the sandbox: ``python -m prefect_crm_erp.sandbox.salesforce --state-dir DIR``.

Prints one line of JSON when both ports answer, and runs until it is terminated or its parent dies. With
``--with-parent`` it learns of that from its standard input, which then closes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from prefect_crm_erp.sandbox.salesforce.access import SalesforceAccess
from prefect_crm_erp.sandbox.salesforce.app import SalesforceApp
from prefect_crm_erp.sandbox.salesforce.routing import DEFAULT_VERSION
from prefect_crm_erp.sandbox.salesforce.server import listen, serve
from prefect_crm_erp.sandbox.salesforce.state import ServerState
from prefect_crm_erp.sandbox.salesforce.tls import ServerCertificate, server_certificate

HOST = "127.0.0.1"
_PARENT_CHECK_SECONDS = 0.5
_LOCK_SECONDS = 2


def main() -> None:
    """Serve until terminated."""
    arguments = _parse()
    wait = _until_stdin_closes if arguments.with_parent else partial(_until_parent_changes, os.getppid())
    threading.Thread(target=_end_after, args=(wait,), daemon=True).start()
    try:
        plain, tls = listen(HOST, arguments.http_port), listen(HOST, arguments.https_port)
    except OSError as error:
        sys.exit(f"The port is taken: {error.strerror}")
    lock = _lock(arguments.state_dir)
    state = ServerState.open(arguments.state_dir, empty=arguments.empty)
    certificate = server_certificate(arguments.state_dir / "tls")

    def ready() -> None:
        access = _access(state, plain, tls, certificate)
        print(json.dumps(access.to_json()), flush=True)  # noqa: T201 - the protocol of this program

    try:
        asyncio.run(serve(SalesforceApp(state), plain, tls, certificate.chain_file, ready))
    finally:
        state.org.close()
        lock.close()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a Salesforce sandbox.")
    parser.add_argument("--state-dir", type=Path, required=True, help="keeps records, credentials and certificates")
    parser.add_argument("--http-port", type=int, default=0, help="0: any free one")
    parser.add_argument("--https-port", type=int, default=0, help="0: any free one")
    parser.add_argument("--empty", action="store_true", help="schema only, no records")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    arguments = parser.parse_args()
    arguments.state_dir.mkdir(parents=True, exist_ok=True)
    return arguments


def _lock(directory: Path) -> sqlite3.Connection:
    """Hold the directory: rows live in one server's memory, and a second one would not see its changes.

    A lock of SQLite works on every platform, and ends with the process however it ends.
    """
    lock = sqlite3.connect(directory / "server.lock", timeout=_LOCK_SECONDS, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        sys.exit(f"{directory} is in use by another sandbox; stop it, or choose another --state-dir.")
    return lock


def _access(
    state: ServerState, plain: socket.socket, tls: socket.socket, certificate: ServerCertificate
) -> SalesforceAccess:
    credentials = state.credentials
    return SalesforceAccess(
        http_url=f"http://{HOST}:{plain.getsockname()[1]}",
        https_url=f"https://{HOST}:{tls.getsockname()[1]}",
        ca_file=str(certificate.ca_file.resolve()),
        api_version=DEFAULT_VERSION,
        username=state.username,
        password=credentials.password,
        security_token=credentials.security_token,
        client_id=credentials.client_id,
        client_secret=credentials.client_secret,
        jwt_client_id=credentials.jwt_client_id,
        jwt_private_key_file=str(credentials.jwt_private_key_file.resolve()),
        organization_id=state.org.organization_id,
        organization_name=state.organization_name,
    )


def _end_after(wait: Callable[[], None]) -> None:
    """End in order once the parent is gone.

    The kernel's own notice (PR_SET_PDEATHSIG) would come when the thread that started us ends, which is too early for
    a server that a thread of a pool has started.
    """
    wait()
    os.kill(os.getpid(), signal.SIGTERM)


def _until_stdin_closes() -> None:
    # Not through the buffered stream: a thread that waits in it would hold its lock when the interpreter ends.
    while os.read(sys.stdin.fileno(), 1024):
        continue


def _until_parent_changes(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_SECONDS)


if __name__ == "__main__":
    main()
