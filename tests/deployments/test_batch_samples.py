"""The sample files of orders are such as the flow reads them; a large file needs no more memory than a small one."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from prefect_crm_erp.models.order_files import number, read_line
from prefect_crm_erp.tasks.order_files import StagedFile, read_lines

SAMPLES = Path(__file__).resolve().parents[2] / "deployments" / "batch"


@pytest.mark.requirement("F10")
@pytest.mark.parametrize(("name", "orders"), [("orders.csv", [2, 1, 1]), ("orders.jsonl", [2])])
def test_the_samples_have_nothing_wrong(name: str, orders: list[int]) -> None:
    with (SAMPLES / name).open("rb") as file:
        found = list(StagedFile(read_lines(file, name)).orders())
    assert [len(order.lines) for order in found] == orders
    assert [order.problems for order in found] == [()] * len(orders)


@pytest.mark.requirement("F10")
@pytest.mark.parametrize(
    ("text", "value"), [("1234,5", "1234.5"), ("0,125", "0.125"), ("12.50", "12.50"), ("1234,500", "1234.500")]
)
def test_a_decimal_comma_is_understood_where_it_parts_no_cells(text: str, value: str) -> None:
    assert number(text, decimal_comma=True) == Decimal(value)


@pytest.mark.requirement("F10")
@pytest.mark.parametrize("text", ["1,234", "1.234", "1,234.50", "1e5", "NaN", "١٢", "0x10", "1_000", "", "9" * 13])
def test_what_may_be_another_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no number|thousands"):
        number(text, decimal_comma=True)


@pytest.mark.requirement("F10")
def test_an_order_of_more_lines_than_an_order_may_have_waits_as_a_whole() -> None:
    values = {"order reference": "1", "representative": "r", "account": "a", "SKU": "s", "quantity": "1"}
    lines = (read_line(row, values | {"unit price": "1"}, decimal_comma=False) for row in range(2, 1003))
    (order,) = StagedFile(lines).orders()
    assert order.problems == ("It has 1,001 lines; an order has 1,000 at most",)


@pytest.mark.requirement("F10")
def test_a_file_of_many_lines_is_grouped_in_little_memory() -> None:
    peaks = [peak(count) for count in (2_000, 12_000)]
    assert peaks[1] < peaks[0] + 1_000_000, peaks


def peak(count: int) -> int:
    """Most bytes that Python has held while a file of so many lines was grouped to orders."""
    values = {"representative": "r", "account": "a", "SKU": "s", "quantity": "1", "unit price": "1"}

    def lines() -> Iterator[dict[str, str]]:
        return (values | {"order reference": str(row % (count // 2))} for row in range(count))

    tracemalloc.start()
    staged = StagedFile(read_line(row, cells, decimal_comma=False) for row, cells in enumerate(lines(), start=2))
    assert sum(1 for _ in staged.orders()) == count // 2
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most
