"""The ASGI application: reads a request, lets faults happen, checks session and limits, answers, keeps the log."""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from dataclasses import replace
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from prefect_crm_erp.sandbox.salesforce import (
    auth,
    bulk,
    collections_api,
    composite,
    metadata,
    query,
    record_page,
    rest,
    side_door,
    soap,
    tree,
)
from prefect_crm_erp.sandbox.salesforce.call_log import LoggedCall
from prefect_crm_erp.sandbox.salesforce.connections import cut_connection
from prefect_crm_erp.sandbox.salesforce.dispatch import run
from prefect_crm_erp.sandbox.salesforce.errors import ApiError
from prefect_crm_erp.sandbox.salesforce.faults import Fault
from prefect_crm_erp.sandbox.salesforce.routing import Router
from prefect_crm_erp.sandbox.salesforce.sessions import Session
from prefect_crm_erp.sandbox.salesforce.state import ServerState
from prefect_crm_erp.sandbox.salesforce.wire import (
    Call,
    Reply,
    bad_request,
    bearer_token,
    compress,
    error_reply,
    parse_query,
)

_LARGEST_URL = 16_384
_LARGEST_BODY = 200 * 1024 * 1024
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:]+\](:\d+)?")
_VENDOR_HOST = re.compile(r"(^|\.)salesforce\.com(:\d+)?$", re.IGNORECASE)
_ROUTES = [
    *auth.ROUTES,
    *soap.ROUTES,
    *bulk.BULK_1_ROUTES,
    *metadata.ROUTES,
    *rest.ROUTES,
    *query.ROUTES,
    *collections_api.ROUTES,
    *composite.ROUTES,
    *tree.ROUTES,
    *bulk.ROUTES,
    *record_page.ROUTES,
]


class SalesforceApp:
    """An ASGI application that answers as a Salesforce org.

    Handlers run in the event loop, one after the other: the engine holds one lock anyway, and a hop to a thread would
    cost more than most answers take. Only what waits (a delay on order, the network) lets others pass.

    Args:
        state: The org and everything around it.
    """

    def __init__(self, state: ServerState) -> None:
        self.state = state
        self._side_door = Router(side_door.ROUTES)
        self._router = Router(_ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        call = _call(self.state, request)
        try:
            call.body = await _body(request)
        except ClientDisconnect:
            return
        except ApiError as error:
            await self._send(send, call, error_reply(error), error_reply(error).payload())
            return
        if call.path.startswith(side_door.PREFIX):
            reply = self._answer_side_door(call)
            await self._send(send, call, reply, reply.payload())
        else:
            await self._serve(call, scope, receive, send)

    def _answer_side_door(self, call: Call) -> Reply:
        try:
            route, params = self._side_door.match(call.method, call.path)
            return side_door.answered(route, replace(call, params=params))
        except ApiError as error:
            return error_reply(error)

    async def _serve(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        started, query_text = time.perf_counter(), unquote(scope["query_string"].decode("latin-1").replace("+", " "))
        fault = self._fault(call, query_text)
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        cut = fault.drop if fault is not None else None
        reply = Reply() if cut == "before" else self._answer(call, fault, scope)
        content = reply.payload()
        self._log(call, query_text, None if cut else reply.status, len(content), started)
        if cut:
            await cut_connection(scope, receive)
        else:
            await self._send(send, call, reply, content)

    def _fault(self, call: Call, query_text: str) -> Fault | None:
        try:
            handles_rows = self._router.match(call.method, call.path)[0].handles_rows
        except ApiError:
            handles_rows = False
        return self.state.faults.hit(call.method, unquote(call.path), query_text, handles_rows=handles_rows)

    def _answer(self, call: Call, fault: Fault | None, scope: Scope) -> Reply:
        if len(scope["raw_path"]) + len(scope["query_string"]) > _LARGEST_URL:
            return Reply(414, content=b"<h1>URI Too Long</h1>", media_type="text/html;charset=UTF-8")
        if fault is not None and fault.expire_session:
            self.state.sessions.close(bearer_token(call.headers) or "")
        ordered = fault.reply() if fault is not None else None
        if ordered is not None:
            return ordered
        if fault is not None and fault.fail_rows is not None:
            call = replace(call, rows_to_fail=fault.row_failures())
        return self.answer(call)

    def answer(self, call: Call) -> Reply:
        """Answer a call as Salesforce would, without faults and log."""
        try:
            route, params = self._router.match(call.method, call.path)
            session = None if route.public else self._let_in(call)
        except ApiError as error:
            return error_reply(error)
        return run(route, replace(call, params=params, current_session=session))

    def _let_in(self, call: Call) -> Session:
        """The session of a call to data; the call is counted.

        Raises:
            ApiError: No valid session (401), or the daily limit is reached (403).
        """
        token = bearer_token(call.headers)
        if token is None and "authorization" in call.headers:
            raise ApiError.of(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
        session = self.state.sessions.use(token) if token is not None else None
        if session is None:
            raise ApiError.of(401, "INVALID_SESSION_ID", "Session expired or invalid")
        self.state.usage.count(self.state.settings.daily_limit)
        return session

    def _log(self, call: Call, query_text: str, status: int | None, size: int, started: float) -> None:
        seconds = round(time.perf_counter() - started, 6)
        at = self.state.org.clock.now().isoformat()
        if call.path.startswith("/services/oauth2"):
            query_text = ""  # It may carry secrets.
        self.state.calls.add(LoggedCall(at, call.method, call.path, query_text, status, seconds, size))

    async def _send(self, send: Send, call: Call, reply: Reply, content: bytes) -> None:
        headers = {"Date": self.state.http_date(), **reply.headers}
        if call.path.startswith("/services/data/v") and reply.status != 401:
            headers["Sforce-Limit-Info"] = f"api-usage={self.state.usage.used}/{self.state.settings.daily_limit}"
        if content:
            headers["Content-Type"] = reply.media_type
            headers["Vary"] = "Accept-Encoding"
        compressed = compress(content, call.headers.get("accept-encoding", ""))
        if compressed is not None:
            headers["Content-Encoding"] = "gzip"
        body = compressed if compressed is not None else content
        if reply.status not in (204, 304):
            headers["Content-Length"] = str(len(body))
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})


def _call(state: ServerState, request: Request) -> Call:
    """The request as the handlers get it, still without its body."""
    scope = request.scope
    query = parse_query(scope["query_string"].decode("latin-1"))
    # Clients that cannot send PATCH say so in the query string.
    override = query.get("_HttpMethod", "").upper()
    return Call(
        state=state,
        method=override if scope["method"] == "POST" and override else scope["method"],
        path=scope["raw_path"].decode("latin-1").rstrip("/"),
        query=query,
        headers=request.headers,
        base_url=f"{scope['scheme']}://{_host(request)}",
    )


def _host(request: Request) -> str:
    """Under which name the client reaches this server; a redirected Salesforce host name is not handed back."""
    given = request.headers.get("host", "")
    if _HOST.fullmatch(given) and not _VENDOR_HOST.search(given):
        return given
    host, port = request.scope["server"]
    return f"{host}:{port}"


async def _body(request: Request) -> bytes:
    """The body, decompressed.

    Raises:
        ApiError: It is compressed in another way than it says, or larger than any request may be.
    """
    body = await request.body()
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return body
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = decompressor.decompress(body, _LARGEST_BODY)
    except zlib.error:
        raise bad_request("INVALID_CONTENT_ENCODING", "The request body is not in gzip format") from None
    if not decompressor.eof and not decompressor.unconsumed_tail:
        raise bad_request("INVALID_CONTENT_ENCODING", "The request body ends before its gzip data does")
    if decompressor.unconsumed_tail:
        raise ApiError.of(413, "REQUEST_ENTITY_TOO_LARGE", "The request body is too large")
    return content
