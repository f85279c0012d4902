"""Starts and stops the embedded ERP: a real Tryton on SQLite, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from prefect_crm_erp.sandbox.tryton.access import CompanyAccess, TrytonAccess
from prefect_crm_erp.sandbox.tryton.build_process import Progress
from prefect_crm_erp.sandbox.tryton.cache import TemplateCache, Variant
from prefect_crm_erp.sandbox.tryton.companies import COMPANIES
from prefect_crm_erp.sandbox.tryton.errors import TrytonSandboxError, with_log
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc
from prefect_crm_erp.sandbox.tryton.settings import (
    ADMINISTRATOR,
    DATABASE,
    FINANCE,
    HOST,
    INTEGRATION,
    SALES_DIRECTOR,
    VP_FINANCE,
    clean_environment,
)
from prefect_crm_erp.sandbox.tryton.state import StateFolder

_START_SECONDS = 60
_STOP_SECONDS = 10


class TrytonSandbox:
    """An ERP of one's own: Tryton with the three companies of Northlight Instruments.

    Args:
        state_dir: Keeps the database and the log. A database that is there already is used as it is.
        empty: Companies and master data only, no customers and no products.
        port: TCP port on the loopback interface; 0: any free one.
        cache_dir: Where finished databases are kept to copy from; see ``cache_folder``.
        progress: Told what is being done, with the fraction that is behind us, while a database is built.
        reset: Throw the database of the state directory away and begin anew.
        approvals: Let large orders wait for an approval; once a database has the rule, it keeps it.
        begin_with: A finished database to begin with, in place of the cached one of this variant.

    Example:
        ```python
        with TrytonSandbox(Path("state")) as sandbox:
            print(sandbox.access.url)
        ```
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        empty: bool = False,
        port: int = 0,
        cache_dir: Path | None = None,
        progress: Progress | None = None,
        reset: bool = False,
        approvals: bool = False,
        begin_with: Path | None = None,
    ) -> None:
        self._folder = StateFolder(state_dir)
        self._variant: Variant = "empty" if empty else "demo"
        self._port = port
        self._cache = TemplateCache(cache_dir, progress)
        self._reset = reset
        self._approvals = approvals
        self._begin_with = begin_with
        self._process: subprocess.Popen[str] | None = None
        self._access: TrytonAccess | None = None
        self._stopping = False

    @property
    def log_file(self) -> Path:
        """Tryton's log."""
        return self._folder.log

    @property
    def access(self) -> TrytonAccess:
        """How to reach the running sandbox.

        Raises:
            TrytonSandboxError: It does not run.
        """
        if self._access is None:
            raise TrytonSandboxError("Tryton does not run; call start() first.")
        return self._access

    def prepare(self) -> None:
        """Build or copy the database, without starting the server.

        Raises:
            TrytonSandboxError: The database cannot be built, or the state directory is in use.
        """
        self._folder.claim()
        try:
            self._provide_database()
        finally:
            self._folder.release()

    def start(self) -> TrytonAccess:
        """Start the server and wait until it answers a login; does nothing when it runs already.

        Raises:
            TrytonSandboxError: The server does not start; the message shows the end of its log.
        """
        if self._access is None:
            self._stopping = False
            self._folder.claim()
            try:
                self._process = self._launch(self._provide_database())
                if self._stopping:
                    raise TrytonSandboxError("Tryton was stopped while it started.")
                access = _describe(f"http://{HOST}:{self._await_port(self._process)}")
                if self._approvals:
                    _require_approvals(access)
                self._access = access
            except BaseException:
                self.stop()
                raise
        return self._access

    def stop(self) -> None:
        """End the server, or its start in another thread; the database stays."""
        self._stopping = True
        self._cache.cancel()
        if self._process is not None:
            _end(self._process)
        self._process = self._access = None
        self._folder.release()

    def wait(self) -> None:
        """Block until the server ends by itself.

        Raises:
            TrytonSandboxError: It has ended; the message shows the end of its log.
        """
        if self._process is not None:
            self._process.wait()
            raise with_log("Tryton has ended by itself.", self.log_file)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _provide_database(self) -> Path:
        configuration = self._folder.prepare(self._variant, self._template, reset=self._reset)
        self._reset = False
        return configuration

    def _template(self) -> Path:
        return self._begin_with or self._cache.template(self._variant)

    def _launch(self, configuration: Path) -> subprocess.Popen[str]:
        # Without the assertions inside Tryton's record layer, -O, large batches go through a fifth faster.
        command = [sys.executable, "-O", "-m", "prefect_crm_erp.sandbox.tryton.server"]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [*command, "--configuration", str(configuration), "--port", str(self._port)],
                # The server ends when this pipe closes, and the system closes it even if this process is killed.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=clean_environment(),
                # Ctrl-C reaches this process alone, which then ends the server in order.
                start_new_session=True,
            )

    def _await_port(self, process: subprocess.Popen[str]) -> int:
        assert process.stdout is not None
        deadline = threading.Timer(_START_SECONDS, process.kill)
        deadline.start()
        try:
            line = process.stdout.readline()
        finally:
            deadline.cancel()
        if not line:
            raise with_log("Tryton did not start.", self.log_file)
        return int(json.loads(line)["port"])


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _require_approvals(access: TrytonAccess) -> None:
    # What it imports of Tryton is there by now.
    from prefect_crm_erp.sandbox.tryton.approvals import require_approvals

    with TrytonRpc(access.url, access.database, access.admin_user, access.admin_password) as rpc:
        require_approvals(rpc)


def _describe(url: str) -> TrytonAccess:
    """Log in as the integration user, and read the companies that the ERP has."""
    with TrytonRpc(url, DATABASE, INTEGRATION.user, INTEGRATION.password) as rpc:
        fields = ["party.name", "currency.code"]
        rows = rpc("model.company.company.search_read", [], 0, None, [["id", "ASC"]], fields, {})
    codes = {profile.name: profile.code for profile in COMPANIES}
    return TrytonAccess(
        url=url,
        database=DATABASE,
        user=INTEGRATION.user,
        password=INTEGRATION.password,
        admin_user=ADMINISTRATOR.user,
        admin_password=ADMINISTRATOR.password,
        finance_user=FINANCE.user,
        finance_password=FINANCE.password,
        vp_finance_user=VP_FINANCE.user,
        vp_finance_password=VP_FINANCE.password,
        sales_director_user=SALES_DIRECTOR.user,
        sales_director_password=SALES_DIRECTOR.password,
        companies=tuple(
            CompanyAccess(codes[row["party."]["name"]], row["id"], row["party."]["name"], row["currency."]["code"])
            for row in rows
        ),
    )
