"""Runs the program that builds databases, and follows what it tells."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from prefect_crm_erp.sandbox.tryton.errors import TrytonSandboxError, with_log
from prefect_crm_erp.sandbox.tryton.settings import clean_environment

Progress = Callable[[str, float], None]
"""Told what is being done, and the fraction of the whole that is behind us."""

Deliver = Callable[[str, Path], None]
"""Given the name of a stage and its finished file."""


class BuildProcess:
    """One run of ``build.py`` in a process of its own.

    Args:
        directory: An empty directory for the builder to work in.
        progress: Told what is being done.
        deliver: Takes each finished file over.
    """

    def __init__(self, directory: Path, progress: Progress, deliver: Deliver) -> None:
        self._directory = directory
        self._progress = progress
        self._deliver = deliver
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = False

    def run(self, stages: Sequence[str], year: int, begin_with: Path | None) -> None:
        """Build stages, and come back when the last one is delivered.

        Args:
            stages: What to build, in order.
            year: The current year of the books.
            begin_with: The finished file of the stage before.

        Raises:
            TrytonSandboxError: Building failed, or was stopped.
        """
        options = ["--directory", str(self._directory), "--year", str(year)]
        options += ["--begin-with", str(begin_with)] if begin_with else []
        log = self._directory / "build.log"
        self._process = _launch([*options, *stages], log)
        try:
            status = self._follow(self._process)
        finally:
            self._process.kill()
            self._process.wait()
        if self._cancelled:
            raise TrytonSandboxError("Building the ERP's database was stopped.")
        if status != 0:
            raise with_log("The ERP's database could not be built.", log)

    def cancel(self) -> None:
        """Stop building; called from another thread than ``run``."""
        self._cancelled = True
        if self._process is not None:
            self._process.kill()

    def _follow(self, process: subprocess.Popen[str]) -> int:
        assert process.stdout is not None
        for line in process.stdout:
            document = json.loads(line)
            if stage := document.get("built"):
                self._deliver(stage, self._directory / f"{stage}.sqlite")
            else:
                self._progress(document["doing"], document["fraction"])
            if self._cancelled:
                break
        return process.wait() if not self._cancelled else 1


def _launch(arguments: list[str], log: Path) -> subprocess.Popen[str]:
    with log.open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "prefect_crm_erp.sandbox.tryton.build", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=clean_environment(),
            # Ctrl-C reaches this process alone, which then ends the builder in order.
            start_new_session=True,
        )
