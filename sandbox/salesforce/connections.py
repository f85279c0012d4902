"""HTTP connections that can be cut without an answer."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_open: dict[tuple[Any, Any], asyncio.Transport] = {}


class SalesforceProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, with a handle on each open connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the connection under its two addresses, which is what an application knows of it."""
        super().connection_made(transport)
        _open[self.client, self.server] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        _open.pop((self.client, self.server), None)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection when the server stops; an idle TLS client is not waited for."""
        super().shutdown()
        if self.transport.is_closing():
            self.transport.abort()


async def cut_connection(scope: Scope, receive: Any) -> None:
    """Close the TCP connection of a request without any answer.

    Args:
        scope: The ASGI scope of the request.
        receive: Its ASGI receive channel, read until uvicorn has noticed the disconnect.
    """
    transport = _open.get((scope.get("client"), scope.get("server")))
    if transport is None:
        raise RuntimeError("the connection is not served by SalesforceProtocol")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        continue
