"""Starts and stops the Salesforce sandbox in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from prefect_crm_erp.sandbox.salesforce.access import SalesforceAccess, SalesforceSandboxError

_START_SECONDS = 60
_STOP_SECONDS = 10
_LOG_TAIL = 2000


class SalesforceSandbox:
    """A Salesforce org of one's own.

    Args:
        state_dir: Keeps records and credentials. An org that is there already is used as it is.
        empty: The org has its schema and no records.
        http_port: Port of plain HTTP on the loopback interface; 0: any free one.
        https_port: Port of TLS; 0: any free one.

    Example:
        ```python
        with SalesforceSandbox(Path("state")) as sandbox:
            print(sandbox.access.http_url)
        ```
    """

    def __init__(self, state_dir: Path, *, empty: bool = False, http_port: int = 0, https_port: int = 0) -> None:
        self._directory = Path(state_dir)
        self._options = ["--http-port", str(http_port), "--https-port", str(https_port), *["--empty"][: int(empty)]]
        self._process: subprocess.Popen[str] | None = None
        self._access: SalesforceAccess | None = None

    @property
    def log_file(self) -> Path:
        """What the server wrote to its standard error."""
        return self._directory / "salesforce.log"

    @property
    def access(self) -> SalesforceAccess:
        """How to reach the running sandbox.

        Raises:
            SalesforceSandboxError: It does not run.
        """
        if self._access is None:
            raise SalesforceSandboxError("The Salesforce sandbox does not run; call start() first.")
        return self._access

    def start(self) -> SalesforceAccess:
        """Start the server and wait until both ports answer; does nothing when it runs already.

        Raises:
            SalesforceSandboxError: It does not start; the message shows the end of its log.
        """
        if self._access is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            try:
                self._process = self._launch()
                self._access = self._await_ready(self._process)
            except BaseException:
                self.stop()
                raise
        return self._access

    def stop(self) -> None:
        """End the server; its records stay. Does nothing when it does not run."""
        if self._process is not None:
            _end(self._process)
        self._process = self._access = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "prefect_crm_erp.sandbox.salesforce", "--with-parent"]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [*command, "--state-dir", str(self._directory), *self._options],
                # The server ends when this pipe closes, and the system closes it even if this process is killed.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Ctrl-C reaches this process alone, which then ends the server in order.
                start_new_session=True,
            )

    def _await_ready(self, process: subprocess.Popen[str]) -> SalesforceAccess:
        assert process.stdout is not None
        deadline = threading.Timer(_START_SECONDS, process.kill)
        deadline.start()
        try:
            line = process.stdout.readline()
        finally:
            deadline.cancel()
        if not line:
            tail = self.log_file.read_text(errors="replace")[-_LOG_TAIL:].strip()
            raise SalesforceSandboxError(f"The Salesforce sandbox did not start. The end of its log:\n{tail}")
        return SalesforceAccess.from_json(json.loads(line))


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
