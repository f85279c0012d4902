"""Keeps finished databases, so that only the first sandbox on a machine waits for Tryton's schema."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from prefect_crm_erp.sandbox.tryton.errors import TrytonSandboxError, with_log
from prefect_crm_erp.sandbox.tryton.settings import MODULES, STAGES, clean_environment

Variant = Literal["empty", "demo"]
Progress = Callable[[str, float], None]
"""Told what is being done, and the fraction of the whole that is behind us."""

CACHE_VARIABLE: Final = "PREFECT_CRM_ERP_CACHE"
"""Environment variable that moves the cache folder."""

_SOURCES: Final = Path(__file__).parent
_UNFINISHED: Final = "building-"
_KEPT_DAYS: Final = 60


def cache_folder(override: Path | None = None) -> Path:
    """The cache folder: the argument, else the environment variable, else the platform's cache folder of the user."""
    if override is not None:
        return override
    if configured := os.environ.get(CACHE_VARIABLE):
        return Path(configured)
    return user_cache_path("prefect-crm-erp", appauthor=False)


class TemplateCache:
    """Databases to copy, each under the versions and the code that it was built from.

    Args:
        folder: The cache folder; see ``cache_folder``.
        progress: Told what is being done while a database is built.
    """

    def __init__(self, folder: Path | None = None, progress: Progress | None = None) -> None:
        self._folder = cache_folder(folder) / "tryton"
        self._progress = progress or (lambda doing, fraction: None)
        self._year = dt.datetime.now(dt.UTC).year

    def template(self, variant: Variant) -> Path:
        """The finished database of a variant, built now if there is none yet.

        Raises:
            TrytonSandboxError: Tryton is not installed, or building failed.
        """
        path = self._path(variant)
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._lock():
                self._build_up_to(variant)
        return path

    def _path(self, stage: str) -> Path:
        key = _schema_key() if stage == "schema" else _seed_key(self._year)
        return self._folder / f"{stage}-{key}.sqlite"

    def _lock(self) -> FileLock:
        """Take the lock; whoever comes second waits, and then finds what the first one has built."""
        lock = FileLock(self._folder / "building.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._progress("Waiting for another process that builds the ERP's database", 0.0)
            lock.acquire()
        return lock

    def _build_up_to(self, variant: Variant) -> None:
        wanted = STAGES[: STAGES.index(variant) + 1]
        missing = list(wanted)
        while missing and self._path(missing[0]).exists():
            missing.pop(0)
        if not missing:
            return
        self._tidy()
        finished = wanted[: len(wanted) - len(missing)]
        directory = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._folder))
        try:
            self._build(directory, missing, self._path(finished[-1]) if finished else None)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _build(self, directory: Path, stages: list[str], begin_with: Path | None) -> None:
        command = [sys.executable, "-m", "prefect_crm_erp.sandbox.tryton.build"]
        command += ["--directory", str(directory), "--year", str(self._year)]
        command += ["--begin-with", str(begin_with)] if begin_with else []
        log = directory / "build.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*command, *stages],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=clean_environment(),
                # Ctrl-C reaches this process alone, which then ends the builder in order.
                start_new_session=True,
            )
            try:
                self._follow(process.stdout or (), directory)
                status = process.wait()
            finally:
                process.kill()
                process.wait()
        if status != 0:
            raise with_log("The ERP's database could not be built.", log)

    def _follow(self, output: Iterable[str], directory: Path) -> None:
        """Pass progress on, and take each finished database over by a rename: it is there as a whole or not at all."""
        for line in output:
            document = json.loads(line)
            if stage := document.get("built"):
                (directory / f"{stage}.sqlite").replace(self._path(stage))
            else:
                self._progress(document["doing"], document["fraction"])

    def _tidy(self) -> None:
        """Remove what a killed process has left, and databases of old versions."""
        for directory in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(directory, ignore_errors=True)
        oldest = time.time() - _KEPT_DAYS * 24 * 3600
        for file in self._folder.glob("*.sqlite"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)


@cache
def _schema_key() -> str:
    return _digest([*_versions(), *_contents("schema.py", "settings.py")])


def _seed_key(year: int) -> str:
    return _digest([*_versions(), str(year), *_contents("*.py")])


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _versions() -> list[str]:
    """The versions of all distributions that a database depends on."""
    names = ["trytond", "proteus", "pycountry", *(f"trytond-{module.replace('_', '-')}" for module in MODULES)]
    try:
        return [f"{name}=={version(name)}" for name in names]
    except PackageNotFoundError as error:
        message = f"{error.name} is not installed. Install the sandbox: pip install 'prefect-crm-erp[sandbox]'"
        raise TrytonSandboxError(message) from error


def _contents(*patterns: str) -> list[str]:
    files = sorted(file for pattern in patterns for file in _SOURCES.glob(pattern))
    return [f"{file.name}\n{file.read_text(encoding='utf-8')}" for file in files]
