"""The two systems of the sandbox, started side by side."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_crm_erp.sandbox.salesforce.process import SalesforceAccess, SalesforceSandbox
from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Systems:
    """How to reach the running systems."""

    salesforce: SalesforceAccess
    tryton: TrytonAccess
    state_dir: Path

    def to_json(self) -> dict[str, Any]:
        """All that a client needs to connect."""
        return {
            "salesforce": self.salesforce.to_json(),
            "tryton": self.tryton.to_json(),
            "state_dir": str(self.state_dir),
        }

    @property
    def ledger_url(self) -> str:
        """The ledger's database in the state folder."""
        return f"sqlite:///{self.state_dir / 'ledger.sqlite'}"


@contextmanager
def state_folder(state_dir: Path | None) -> Iterator[Path]:
    """The given folder, or a temporary one that is deleted at the end."""
    if state_dir is not None:
        state_dir.mkdir(parents=True, exist_ok=True)
        yield state_dir.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="prefect-crm-erp-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_systems(
    state_dir: Path,
    *,
    empty: bool = False,
    salesforce_port: int = 0,
    erp_port: int = 0,
    progress: Progress | None = None,
) -> Iterator[Systems]:
    """Start Salesforce sandbox and Tryton at the same time; stop both at the end, whatever happens.

    Args:
        state_dir: Keeps the data of both.
        empty: Schema and companies only.
        salesforce_port: Port of the sandbox's plain http; 0 for any free one.
        erp_port: Port of Tryton; 0 for any free one.
        progress: Told what is being built, with the fraction that is done.
    """
    salesforce = SalesforceSandbox(state_dir / "salesforce", empty=empty, http_port=salesforce_port)
    tryton = TrytonSandbox(state_dir / "tryton", empty=empty, port=erp_port, progress=progress)
    with ExitStack() as stack:
        stack.callback(salesforce.stop)
        stack.callback(tryton.stop)
        with ThreadPoolExecutor(max_workers=2) as pool:
            crm, erp = pool.submit(salesforce.start), pool.submit(tryton.start)
            try:
                systems = Systems(crm.result(), erp.result(), state_dir)
            except BaseException:  # Ctrl-C, too: the pool would wait until the ERP is built
                tryton.stop()
                raise
        yield systems
