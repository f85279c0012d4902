"""The folder of one sandbox: its database, its configuration, its log, and who uses it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from prefect_crm_erp.sandbox.tryton.cache import Variant
from prefect_crm_erp.sandbox.tryton.errors import TrytonSandboxError
from prefect_crm_erp.sandbox.tryton.settings import database_file, write_configuration


class StateFolder:
    """A folder that holds the ERP of one sandbox across restarts.

    Args:
        path: The folder; created when it is needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path / "tryton.lock", thread_local=False)

    @property
    def log(self) -> Path:
        """Tryton's log."""
        return self._path / "tryton.log"

    def claim(self) -> None:
        """Keep the folder from being used twice at the same time; ends with ``release``, or with this process.

        Raises:
            TrytonSandboxError: Another process uses it.
        """
        self._path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            message = f"Another sandbox runs in {self._path}. Stop it, or choose another state directory."
            raise TrytonSandboxError(message) from error

    def release(self) -> None:
        """Let others use the folder."""
        self._lock.release()

    def prepare(self, variant: Variant, template: Callable[[], Path], *, reset: bool) -> Path:
        """Put a database there if there is none, or if it shall be reset.

        Args:
            variant: Which ERP it is.
            template: Gives the finished database to copy; asked only when one is needed.
            reset: Begin anew.

        Returns:
            The configuration file to serve it with.

        Raises:
            TrytonSandboxError: The database that is there is of the other variant.
        """
        database = database_file(self._path)
        if reset or not database.exists():
            self._begin_anew(database, variant, template())
        elif (present := self._variant_note.read_text(encoding="utf-8").strip()) != variant:
            message = (
                f"{self._path} holds the {present} ERP, not the {variant} one. Reset it, or choose another folder."
            )
            raise TrytonSandboxError(message)
        return write_configuration(self._path)

    @property
    def _variant_note(self) -> Path:
        return self._path / "variant.txt"

    def _begin_anew(self, database: Path, variant: Variant, template: Path) -> None:
        """Copy the template; SQLite would replay an old write-ahead log into the new file, so that goes first."""
        for suffix in ("", "-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        self._variant_note.write_text(variant, encoding="utf-8")
        unfinished = database.with_suffix(".copying")
        shutil.copyfile(template, unfinished)
        unfinished.replace(database)
