"""The cache: built once, whole or not at all."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from prefect_crm_erp.sandbox.tryton import TrytonSandboxError
from prefect_crm_erp.sandbox.tryton.cache import CACHE_VARIABLE, TemplateCache, cache_folder


@pytest.fixture
def half_built(tmp_path: Path) -> Path:
    """A cache of its own that lacks the demo variant only."""
    TemplateCache().template("demo")
    folder = tmp_path / "cache"
    (folder / "tryton").mkdir(parents=True)
    for stage in ("schema", "empty"):
        for file in (cache_folder() / "tryton").glob(f"{stage}-*.sqlite"):
            shutil.copy(file, folder / "tryton")
    return folder


def test_two_who_need_it_at_once_build_it_once(half_built: Path) -> None:
    left_by_a_killed_process = half_built / "tryton" / "building-x"
    left_by_a_killed_process.mkdir()
    told: list[tuple[str, float]] = []

    def provide(_: int) -> Path:
        return TemplateCache(half_built, lambda doing, fraction: told.append((doing, fraction))).template("demo")

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(provide, range(2))

    assert first == second
    assert first.stat().st_size > 1_000_000
    assert [doing for doing, _ in told].count("Filling the ERP with the demo company's products and customers") == 1
    assert told[-1][1] == 1.0
    assert not left_by_a_killed_process.exists()


def test_a_failed_build_shows_its_log_and_leaves_nothing(half_built: Path) -> None:
    for file in (half_built / "tryton").glob("empty-*.sqlite"):
        file.write_bytes(b"not a database")

    with pytest.raises(TrytonSandboxError, match=r"(?s)could not be built.*file is not a database"):
        TemplateCache(half_built).template("demo")

    assert not list((half_built / "tryton").glob("building-*"))
    assert not list((half_built / "tryton").glob("demo-*"))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_no_process_and_no_file(tmp_path: Path, ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "prefect_crm_erp.sandbox.tryton", "--state-dir", str(tmp_path / "state")]
    command += ["--cache-dir", str(tmp_path)]
    program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert program.stderr is not None
    assert "Creating the ERP's database" in program.stderr.readline()
    builders = psutil.Process(program.pid).children()
    assert len(builders) == 1

    program.send_signal(ending)

    assert program.wait(90) == 130
    assert len(psutil.wait_procs(builders, timeout=90)[0]) == 1
    assert [path.name for path in (tmp_path / "tryton").iterdir()] == ["building.lock"]


def test_argument_comes_before_variable_comes_before_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    assert cache_folder().name == "prefect-crm-erp"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "variable"))
    assert cache_folder() == tmp_path / "variable"
    assert cache_folder(tmp_path / "argument") == tmp_path / "argument"
