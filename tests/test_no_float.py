"""No float anywhere near money: not in the code's text, not in the canonical records, not on the wire."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from prefect_crm_erp.blocks import CurrencyPolicy, exact_json
from prefect_crm_erp.models import credit, documents, exchange, money, records

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("models", "blocks", "tasks", "flows")
TIME = re.compile(
    r"seconds?|hours?|pause|wait|sleep|uniform|deadline|share|progress|factor|loaded_at|next_call|_gap|_made|_moment|_down|patience",
    re.I,
)
"""What a float may measure: time, the share of a bar, and how much longer the next wait is."""
MONEY = re.compile(r"amount|price|total|\brates?\b|balance|limit_amount|currency|decimal", re.I)
REFUSED = re.compile(r"isinstance\(value, (bool \| )?float\)")
"""Here a float is turned away."""
QUANTITIES = {
    ("blocks/form.py", '_AS_NUMBER = PlainSerializer(float, return_type=float, when_used="json")'),
    ("blocks/erp/_tryton_maps.py", "def _quantity(number: float) -> Decimal:"),
    ("blocks/erp/_tryton_maps.py", "QUANTITY = Codec(encode=float, decode=_quantity)"),
    ("blocks/erp/_tryton_maps.py", '"float": lambda value: float(to_decimal(value)),'),
    ("blocks/erp/_tryton_taxes.py", '"quantity": 1.0,'),
}
"""Tryton's own form of quantities is a float, and so is a number of a form; amounts and prices are Decimals."""


def floats(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers and lines with a float: its literal, its type, or a conversion to it."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_type = isinstance(node, ast.Name) and node.id == "float"
        if is_literal or is_type:
            yield node.lineno, lines[node.lineno - 1].strip()


def suspicious(path: Path, name: str) -> list[str]:
    return [
        f"{name}:{number}: {line}"
        for number, line in floats(path)
        if not REFUSED.search(line) and (name, line) not in QUANTITIES and (MONEY.search(line) or not TIME.search(line))
    ]


@pytest.mark.requirement("N01", "GB12")
@pytest.mark.parametrize("room", ROOMS)
def test_no_amount_price_or_rate_in_the_code_is_a_float(room: str) -> None:
    paths = [path for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts]
    assert paths
    assert [each for path in paths for each in suspicious(path, str(path.relative_to(ROOT)))] == []


def test_the_check_sees_a_float_that_got_in(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("amount = 0.1\ntotal: float = 3\nprice_seconds = 0.5\nx = float(order)\nwait_seconds = 0.5\n")
    assert [line.partition(": ")[2] for line in suspicious(bad, "bad.py")] == [
        "amount = 0.1",
        "total: float = 3",
        "price_seconds = 0.5",
        "x = float(order)",
    ]


def models() -> list[type[BaseModel]]:
    found = (
        each
        for module in (credit, documents, exchange, money, records)
        for _, each in inspect.getmembers(module, inspect.isclass)
    )
    return sorted({each for each in found if issubclass(each, BaseModel)}, key=lambda each: each.__name__)


def is_exact(annotation: Any) -> bool:
    return annotation is Decimal or any(map(is_exact, get_args(annotation)))


DECIMALS = [
    pytest.param(model, name, id=f"{model.__name__}.{name}")
    for model in models()
    for name, field in model.model_fields.items()
    if is_exact(field.annotation)
]


def test_the_records_have_amounts_to_look_at() -> None:
    assert len(DECIMALS) > 40


@pytest.mark.requirement("N01", "GB12")
@pytest.mark.parametrize(("model", "name"), DECIMALS)
def test_a_record_refuses_a_float_as_an_amount(model: type[BaseModel], name: str) -> None:
    field = model.model_fields[name]
    kept = TypeAdapter(field.rebuild_annotation())
    assert kept.validate_python("0.1") == Decimal("0.1")
    with pytest.raises(ValidationError, match="is not exact"):
        kept.validate_python(0.1)


@pytest.mark.requirement("N01")
def test_numbers_keep_every_digit_on_the_wire() -> None:
    text = b'{"rate":1.0869565217391304347826,"yen":28501,"tiny":1e-9}'
    found = exact_json.loads(text)
    assert found == {"rate": Decimal("1.0869565217391304347826"), "yen": 28501, "tiny": Decimal("1e-9")}
    assert exact_json.dumps(found["rate"]) == b"1.0869565217391304347826"
    with pytest.raises(TypeError, match="not exact"):
        exact_json.dumps({"amount": [0.1]})
    assert CurrencyPolicy.model_validate_json('{"tolerance_percent": 0.1}').tolerance_percent == Decimal("0.1")
