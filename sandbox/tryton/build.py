"""Builds the databases that sandboxes start from: ``python -m prefect_crm_erp.sandbox.tryton.build``.

It runs in a process of its own, since Tryton keeps its configuration and its models in global state. Its standard
output is one JSON document per line: progress as ``{"doing": "…", "fraction": 0.4}``, and ``{"built": "schema"}`` when
the file of a stage is complete.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from prefect_crm_erp.sandbox.tryton.base import seed_base
from prefect_crm_erp.sandbox.tryton.demo import seed_demo
from prefect_crm_erp.sandbox.tryton.geography import create_geography
from prefect_crm_erp.sandbox.tryton.schema import create_schema
from prefect_crm_erp.sandbox.tryton.seeding import connect
from prefect_crm_erp.sandbox.tryton.settings import MODULES, OWN_MODULES, STAGES, database_file, write_configuration

# Tryton's kernel brings two more: ir and res.
_LOADED_MODULES: Final = len(MODULES) + len(OWN_MODULES) + 2

# Where a stage begins, as a fraction of the whole; from measured times.
_BEGIN: Final = {"schema": 0.0, "geography": 0.58, "empty": 0.74, "demo": 0.92}


def main() -> None:
    """Build the stages that are asked for, in order, each from the one before."""
    arguments = _parse()
    builder = Builder(arguments.directory, arguments.year)
    if arguments.begin_with:
        builder.resume(arguments.begin_with)
    for stage in arguments.stages:
        builder.build(stage)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build the databases that Tryton sandboxes start from.")
    parser.add_argument("--directory", type=Path, required=True, help="where to work, and to leave STAGE.sqlite")
    parser.add_argument("--year", type=int, required=True, help="the year that the books are open for")
    parser.add_argument("--begin-with", type=Path, help="the finished database of the stage before the first one")
    parser.add_argument("stages", nargs="+", choices=STAGES)
    return parser.parse_args()


class Builder:
    """Builds stage after stage in one live database, and leaves a copy of it after each.

    Args:
        directory: An existing, empty directory.
        year: The current year.
    """

    def __init__(self, directory: Path, year: int) -> None:
        self._directory = directory
        self._year = year
        self._configuration = write_configuration(directory)

    def resume(self, finished: Path) -> None:
        """Begin with the finished database of an earlier stage."""
        shutil.copyfile(finished, database_file(self._directory))
        connect(self._configuration)

    def build(self, stage: str) -> None:
        """Build a stage and announce it."""
        match stage:
            case "schema":
                self._build_schema()
            case "empty":
                self._build_base()
            case "demo":
                _tell("Filling the ERP with the demo company's products and customers", _BEGIN["demo"])
                seed_demo(self._year)
        self._copy_to(self._directory / f"{stage}.sqlite")
        _say({"built": stage})

    def _build_schema(self) -> None:
        _tell("Creating the ERP's database", _BEGIN["schema"])
        modules = logging.getLogger("trytond.modules")
        modules.setLevel(logging.INFO)
        modules.propagate = False
        modules.addHandler(_ModuleProgress())
        create_schema(self._directory, self._configuration)
        modules.setLevel(logging.WARNING)
        connect(self._configuration)

    def _build_base(self) -> None:
        _tell("Entering countries into the ERP", _BEGIN["geography"])
        create_geography()
        _tell("Founding the demo company's three entities in the ERP", _BEGIN["empty"])
        seed_base(self._year)

    def _copy_to(self, path: Path) -> None:
        """Copy the live database; unlike a copy of the file this includes what is still in the write-ahead log."""
        with closing(sqlite3.connect(database_file(self._directory))) as connection:
            connection.execute("VACUUM INTO ?", (str(path),))


class _ModuleProgress(logging.Handler):
    """Turns Tryton's notes on the modules that it loads, ``party load``, into progress."""

    def __init__(self) -> None:
        super().__init__()
        self._loaded = 0

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.fullmatch(r"(\w+) load", record.getMessage()):
            share = min(self._loaded / _LOADED_MODULES, 1.0)
            self._loaded += 1
            _tell(f"Creating the ERP's database: {found[1]}", share * (_BEGIN["geography"] - _BEGIN["schema"]))


def _tell(doing: str, fraction: float) -> None:
    _say({"doing": doing, "fraction": round(fraction, 3)})


def _say(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)  # noqa: T201 - the protocol of this program


if __name__ == "__main__":
    main()
