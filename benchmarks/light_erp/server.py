"""Serves the stand-in: `python -m benchmarks.light_erp.server --file FILE`.

It binds any free port, tells which one by a line of JSON, and ends when its standard input closes. The side door
`/__sandbox__/` counts the calls, moves the clock and takes records in, as that of the Salesforce sandbox does.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.light_erp.schema import MODELS, UnknownToStandIn
from benchmarks.light_erp.store import Store
from prefect_crm_erp.sandbox.salesforce.server import listen

HOST: Final = "127.0.0.1"
DATABASE: Final = "erp"
SERIES: Final = "8.0"
USER: Final = "crm"
PASSWORD: Final = "stand-in"
_USER_ID: Final = 5
_TOKEN: Final = "6f2c1a"
_KEEP_ALIVE_SECONDS: Final = 600


class LightErp:
    """Answers JSON-RPC as Tryton does, for what it knows; refuses the rest by name.

    Args:
        store: The records.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Counter[str] = Counter()
        self._ahead = timedelta()
        self._methods: dict[str, Callable[..., Any]] = {
            "search": lambda model, domain, offset, limit, order, _: store.ids(model, domain, offset, limit, order),
            "search_count": lambda model, domain, _: store.count(model, domain),
            "search_read": self._search_read,
            "read": lambda model, ids, names, _: store.read(model, ids, names),
            "fields_get": lambda model, _: {name: {"name": name} for name in ("id", *MODELS[model])},
        }

    @property
    def now(self) -> datetime:
        """The time on the stand-in's clock."""
        return datetime.now(UTC) + self._ahead

    def app(self) -> Starlette:
        """The application."""
        side_door = [
            Route("/__sandbox__/calls", self._calls, methods=["GET", "DELETE"]),
            Route("/__sandbox__/clock", self._clock, methods=["POST"]),
            Route("/__sandbox__/records", self._records, methods=["POST"]),
        ]
        rpc = [Route("/rpc/", self._rpc, methods=["POST"]), Route(f"/{DATABASE}/rpc/", self._rpc, methods=["POST"])]
        return Starlette(routes=[*side_door, *rpc])

    # ------------------------------------------------------------------ JSON-RPC

    async def _rpc(self, request: Request) -> Response:
        call = orjson.loads(await request.body())
        method, parameters = call["method"], call["params"]
        self._counts[f"POST {method}"] += 1
        if not method.startswith("common.") and request.headers.get("authorization") != _session():
            return self._answer(Response("Unauthorized", 401))
        if method == "common.db.login" and parameters[:2] != [USER, {"password": PASSWORD}]:
            return self._answer(Response("Unauthorized", 401))
        try:
            answer = {"id": call["id"], "result": self._call(method, parameters)}
        except UnknownToStandIn as error:
            answer = {"id": call["id"], "error": ["UserError", [str(error), ""]]}
        return self._answer(Response(orjson.dumps(answer), media_type="application/json"))

    def _call(self, method: str, parameters: list[Any]) -> Any:
        match method:
            case "common.server.version":
                return SERIES
            case "common.db.login":
                return [_USER_ID, _TOKEN, None]
            case "model.res.user.get_preferences":
                companies = self._store.ids("company.company", [])
                return {"name": "Integration", "companies": companies, "company_filter": "all"}
            case "model.ir.model.access.get_access":
                return {model: {"read": model in MODELS} for model in parameters[0]}
        return self._call_model(method, parameters)

    def _call_model(self, method: str, parameters: list[Any]) -> Any:
        model, _, name = method.removeprefix("model.").rpartition(".")
        if model not in MODELS or name not in self._methods:
            raise UnknownToStandIn(f"The stand-in does not know {method}")
        if "date" in parameters[-1]:
            raise UnknownToStandIn("The stand-in knows nothing of rates of other days")
        return self._methods[name](model, *parameters)

    def _search_read(
        self, model: str, domain: list[Any], offset: int, limit: int | None, order: Any, names: list[str], _: Any
    ) -> list[dict[str, Any]]:
        return self._store.read(model, self._store.ids(model, domain, offset, limit, order), names)

    def _answer(self, response: Response) -> Response:
        response.headers["Date"] = format_datetime(self.now, usegmt=True)
        return response

    # ------------------------------------------------------------------ the side door

    async def _calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._counts.clear()
            return Response(status_code=204)
        return Response(orjson.dumps({"total": self._counts.total(), "counts": self._counts}))

    async def _clock(self, request: Request) -> Response:
        self._ahead = timedelta(seconds=(await request.json())["skew_seconds"])
        return Response(status_code=204)

    async def _records(self, request: Request) -> Response:
        """Take records in, by model, as changed now."""
        changed = {"last_modified_at": self.now}
        for model, rows in (await request.json()).items():
            self._store.save(model, [row | changed for row in rows])
        return Response(status_code=204)


def _session() -> str:
    return f"Session {base64.b64encode(f'{USER}:{_USER_ID}:{_TOKEN}'.encode()).decode()}"


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(description="Serve a light stand-in for Tryton.")
    parser.add_argument("--file", type=Path, required=True, help="the database")
    listener = listen(HOST, 0)
    app = LightErp(Store(parser.parse_args().file)).app()
    config = uvicorn.Config(
        app,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    server.run([listener])


def _end_with_parent(server: uvicorn.Server) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    server.should_exit = True


if __name__ == "__main__":
    main()
