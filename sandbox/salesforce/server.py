"""Serving plain HTTP and TLS at once, in one event loop, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from prefect_crm_erp.sandbox.salesforce.app import SalesforceApp
from prefect_crm_erp.sandbox.salesforce.connections import SalesforceProtocol

# Longer than clients keep idle connections in their pools: it is the client that closes, never we under its request.
_KEEP_ALIVE_SECONDS = 600
_SHUTDOWN_SECONDS = 3
_LARGEST_HEAD = 256 * 1024


class _Server(uvicorn.Server):
    """A server that leaves the signals to its host: there are two of them in one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OSError: The port is taken.
    """
    # Named outright: asyncio turns Nagle's algorithm off for sockets that say TCP only, and with it each answer would
    # wait 40 ms for the client's acknowledgement of its headers.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


async def serve(
    app: SalesforceApp,
    plain: socket.socket,
    tls: socket.socket,
    chain_file: Path,
    ready: Callable[[], None],
) -> None:
    """Serve until SIGINT or SIGTERM, or until the task is cancelled.

    Args:
        app: Answers the requests.
        plain: Listening socket for HTTP.
        tls: Listening socket for HTTPS.
        chain_file: Private key and certificates for HTTPS.
        ready: Called once both answer.
    """
    servers = [_Server(_config(app)), _Server(_config(app, chain_file))]
    tasks = [
        asyncio.create_task(server.serve([listener])) for server, listener in zip(servers, (plain, tls), strict=True)
    ]
    jobs = asyncio.create_task(app.state.bulk.work())
    with _stop_on_signal(servers):
        try:
            while not all(server.started for server in servers):
                await asyncio.sleep(0.005)
            ready()
            await asyncio.gather(*tasks)
        finally:
            jobs.cancel()
            for server in servers:
                server.should_exit = True
            await asyncio.gather(jobs, *tasks, return_exceptions=True)


def _config(app: SalesforceApp, chain_file: Path | None = None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=SalesforceProtocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        ssl_certfile=chain_file,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


@contextlib.contextmanager
def _stop_on_signal(servers: list[_Server]) -> Iterator[None]:
    def stop(*_: object) -> None:
        for server in servers:
            server.should_exit = True

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
