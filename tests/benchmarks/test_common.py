"""What all benchmarks share: a goal that was not measured is not met, and the line says so."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks.common import Calls, Goal, Result, Stopwatch, changed, cpu_seconds_of, peak_memory_mb

GOALS = {"calls": Goal("<=", 40), "rate": Goal(">=", 10), "doubled": Goal("==", 0)}


def test_the_line_has_figures_goals_and_whether_they_are_met(capsys: pytest.CaptureFixture[str]) -> None:
    assert Result("northwind", {"calls": 40, "rate": 10.5, "doubled": 0, "more": 1.5}, GOALS).publish() == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "benchmark": "northwind",
        "figures": {"calls": 40, "rate": 10.5, "doubled": 0, "more": 1.5},
        "goals": {"calls": ["<=", 40], "rate": [">=", 10], "doubled": ["==", 0]},
        "met": True,
    }


@pytest.mark.parametrize("wrong", [{"calls": 41}, {"rate": 9.9}, {"doubled": 1}, {"doubled": None}])
def test_one_goal_that_is_missed_fails_the_benchmark(
    wrong: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {"calls": 40, "rate": 10, "doubled": 0} | wrong
    measured = {name: figure for name, figure in figures.items() if figure is not None}
    result = Result("northwind", measured, GOALS)
    assert result.missed() == list(wrong)
    assert result.publish() == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["met"] is False
    assert f"NOT MET: {next(iter(wrong))}" in printed.err


def test_a_record_counts_once_whatever_happened_to_it() -> None:
    before = {("Account", "1"): "9:00", ("Account", "2"): "9:00", ("Account", "3"): "9:00"}
    after = {("Account", "1"): "9:00", ("Account", "2"): "9:01", ("Opportunity", "3"): "9:01"}
    assert changed(before, after) == 3
    assert changed(before, before) == 0


def test_calls_are_added_up() -> None:
    assert Calls({"GET /query": 3, "POST /token": 1}).total == 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_and_processor_time_are_measured() -> None:
    with Stopwatch() as stopwatch:
        sum(number * number for number in range(300_000))
    assert 0 < stopwatch.cpu_seconds <= stopwatch.seconds + 0.1
    assert peak_memory_mb() > 10
    assert cpu_seconds_of("no program is called like this") == 0
