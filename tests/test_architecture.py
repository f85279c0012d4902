"""The rooms of the house: imports are absolute and only go down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "prefect_crm_erp"
ALLOWED = {
    "models": {"models"},
    "blocks": {"models", "blocks"},
    "tasks": {"models", "blocks", "tasks"},
    "flows": {"models", "blocks", "tasks", "flows"},
    "sandbox": {"sandbox"},
    "cli": {"models", "blocks", "tasks", "flows", "sandbox", "cli"},
}


def modules(room: str) -> Iterator[Path]:
    return (path for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts)


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of each import of ours; a relative or bare one is named as such."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            head, *rest = name.split(".")
            if head == PACKAGE and rest:
                yield node.lineno, rest[0]
            elif not head or head in ALLOWED:
                yield node.lineno, f"{name} (relative or bare)"


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_itself_and_the_rooms_below(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {target}"
        for path in modules(room)
        for line, target in imported_rooms(path)
        if target not in ALLOWED[room]
    ]
    assert not wrong


def test_the_check_sees_a_forbidden_import(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("from prefect_crm_erp.flows import quote_to_order\nfrom . import x\nimport blocks.erp\n")
    assert [room for _, room in imported_rooms(bad)] == [
        "flows",
        ". (relative or bare)",
        "blocks.erp (relative or bare)",
    ]


def test_every_room_is_packaged() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    rooms = {
        ".".join((PACKAGE, *path.parent.relative_to(ROOT).parts))
        for room in ALLOWED
        for path in modules(room)
        if path.name == "__init__.py"
    }
    assert rooms <= listed, f"pyproject.toml does not list {sorted(rooms - listed)}"


def test_the_core_needs_neither_tryton_nor_test_tools() -> None:
    import tomllib

    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert not [each for each in core if each.startswith(("tryton", "proteus", "pytest", "lark", "hypothesis"))]
