"""An ERP whose people approve orders, a clock that can be turned back there, and a place that notifications come to."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fixtures_salesforce import SandboxOrg
from world import World

from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

LARGE = [{"sku": "NL-400", "Quantity": 1, "UnitPrice": 70000}]
"""Lines of an order that needs the VP Finance."""


@dataclass(frozen=True)
class ApprovingErp:
    """A running Tryton with rules of approval, and the file of its database."""

    access: TrytonAccess
    file: Path

    def press(self, order: str, button: str, user: str, password: str) -> None:
        """A person presses a button at an order."""
        with TrytonRpc(self.access.url, self.access.database, user, password) as rpc:
            companies = [company.id for company in self.access.companies]
            rpc(f"model.sale.sale.{button}", [int(order)], {"company": companies[0], "companies": companies})

    def approve(self, order: str) -> None:
        """The VP Finance confirms an order."""
        self.press(order, "confirm", self.access.vp_finance_user, self.access.vp_finance_password)

    def agree(self, order: str) -> None:
        """The Sales Director confirms an order."""
        self.press(order, "confirm", self.access.sales_director_user, self.access.sales_director_password)

    def reached(self, order: str, state: str, ago: timedelta) -> datetime:
        """Let an order have reached a state so long ago: Tryton's own log of it is moved, behind its back."""
        moment = datetime.now(UTC) - ago
        with closing(sqlite3.connect(self.file, timeout=30)) as connection, connection:
            changed = connection.execute(
                "UPDATE ir_model_log SET create_date = ? WHERE resource = ? AND target = ?",
                (moment.replace(tzinfo=None).isoformat(" "), f"sale.sale,{order}", f"state:{state}"),
            )
            assert changed.rowcount, f"order {order} never was a {state}"
        return moment


@pytest.fixture(scope="session")
def approving_erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApprovingErp]:
    """A Tryton whose large orders need the VP Finance; the tests share it, so each works with records of its own."""
    folder = tmp_path_factory.mktemp("approving")
    with TrytonSandbox(folder, approvals=True) as sandbox:
        yield ApprovingErp(sandbox.access, folder / "erp.sqlite")


@pytest.fixture
def approving_world(
    prefect: None, salesforce_sandbox: SandboxOrg, approving_erp: ApprovingErp, tmp_path: Path
) -> Iterator[World]:
    """A fresh org and ledger, and the ERP with rules of approval."""
    salesforce_sandbox.reset(empty=True)
    salesforce_sandbox.clear_calls()
    yield World(salesforce_sandbox, approving_erp.access, tmp_path)
    salesforce_sandbox.clear_calls()


@dataclass
class Inbox:
    """What was posted to a local HTTP server, which can also refuse."""

    port: int = 0
    status: int = 200
    received: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A server that notification blocks post to."""
    box = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if box.status == 200:
                box.received.append(json.loads(body))
            self.send_response(box.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    box.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield box
    server.shutdown()
    server.server_close()
