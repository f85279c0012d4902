"""Keeps finished databases, so that only the first sandbox on a machine waits for Tryton's schema."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import tempfile
import time
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from pathlib import Path
from typing import Final, Literal

from filelock import AcquireReturnProxy, FileLock, Timeout
from platformdirs import user_cache_path

from prefect_crm_erp.sandbox.tryton.build_process import BuildProcess, Progress
from prefect_crm_erp.sandbox.tryton.errors import TrytonSandboxError
from prefect_crm_erp.sandbox.tryton.settings import MODULES, OWN_MODULES, STAGES

Variant = Literal["empty", "demo"]

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
        self._build: BuildProcess | None = None

    def template(self, variant: Variant) -> Path:
        """The finished database of a variant, built now if there is none yet.

        Raises:
            TrytonSandboxError: Tryton is not installed, or building failed or was stopped.
        """
        path = self._paths[variant]
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._turn():
                self._build_up_to(variant)
        return path

    def cancel(self) -> None:
        """Stop a build that another thread waits for in ``template``."""
        if self._build is not None:
            self._build.cancel()

    @cached_property
    def _paths(self) -> dict[str, Path]:
        modules = [f"{module}/*.{ending}" for module in OWN_MODULES for ending in ("cfg", "py")]
        schema = _digest([*_versions(), *_contents("schema.py", "settings.py", *modules)])
        seeds = _digest([*_versions(), str(self._year), *_contents("*.py", *modules)])
        keys = {stage: schema if stage == "schema" else seeds for stage in STAGES}
        return {stage: self._folder / f"{stage}-{key}.sqlite" for stage, key in keys.items()}

    def _turn(self) -> AcquireReturnProxy:
        """Take the lock; whoever comes second waits, and then finds what the first one has built."""
        lock = FileLock(self._folder / "building.lock")
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            self._progress("Waiting for another process that builds the ERP's database", 0.0)
            return lock.acquire()

    def _build_up_to(self, variant: Variant) -> None:
        """Build the missing stages up to a variant, from the last one that is there."""
        wanted = STAGES[: STAGES.index(variant) + 1]
        done = list(takewhile(lambda stage: self._paths[stage].exists(), wanted))
        if len(done) == len(wanted):
            return
        self._tidy()
        directory = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._folder))
        self._build = BuildProcess(directory, self._progress, self._keep)
        try:
            self._build.run(wanted[len(done) :], self._year, self._paths[done[-1]] if done else None)
        finally:
            self._build = None
            shutil.rmtree(directory, ignore_errors=True)
        self._progress("The ERP's database is ready", 1.0)

    def _keep(self, stage: str, file: Path) -> None:
        """Take a finished database over by a rename: it is there as a whole or not at all."""
        file.replace(self._paths[stage])

    def _tidy(self) -> None:
        """Remove what a killed process has left, and databases of versions that are out of use."""
        for directory in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(directory, ignore_errors=True)
        oldest = time.time() - _KEPT_DAYS * 24 * 3600
        for file in set(self._folder.glob("*.sqlite")) - set(self._paths.values()):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)


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
