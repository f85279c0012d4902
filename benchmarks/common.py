"""What the benchmarks share: figures and goals as one line of JSON, progress, times, memory and counted calls."""

from __future__ import annotations

import json
import operator
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

Comparison = Literal["<=", ">=", "=="]
Figure = float | int | str
Dates = Mapping[tuple[str, str], str]
"""When records were last changed, by object and id."""
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}
_STATUS = Path("/proc/self/status")
_STARTED = time.monotonic()


# -------------------------------------------------------------------- figures and goals


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure has to keep.

    Example:
        >>> Goal("<=", 40).is_met_by(35)
        True
    """

    comparison: Comparison
    bound: float

    def is_met_by(self, figure: Figure | None) -> bool:
        """Whether the figure keeps the bound; one that was not measured does not."""
        return figure is not None and _COMPARE[self.comparison](figure, self.bound)


def scaled(goals: Mapping[str, Goal], growing: Collection[str], count: int) -> dict[str, Goal]:
    """Goals for so many records, of goals for 10,000.

    Args:
        goals: Goals by figure.
        growing: Figures that grow with the number of records; below 10,000 their goals stay.
        count: How many records there are.
    """
    factor = max(1.0, count / 10_000)
    return {
        name: Goal(goal.comparison, goal.bound * factor) if name in growing else goal for name, goal in goals.items()
    }


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark measured, and what was asked of it.

    Attributes:
        benchmark: Its name.
        figures: Figure by name; seconds and megabytes say so in their names.
        goals: Bounds of some of the figures.

    Example:
        >>> print(Result("northwind", {"doubled": 0}, {"doubled": Goal("==", 0)}).line())
        {"benchmark": "northwind", "figures": {"doubled": 0}, "goals": {"doubled": ["==", 0]}, "met": true}
    """

    benchmark: str
    figures: Mapping[str, Figure]
    goals: Mapping[str, Goal]

    def missed(self) -> list[str]:
        """Names of the figures that do not keep their bound."""
        return [name for name, goal in self.goals.items() if not goal.is_met_by(self.figures.get(name))]

    def line(self) -> str:
        """The result as one line of JSON."""
        goals = {name: [goal.comparison, goal.bound] for name, goal in self.goals.items()}
        document = {"benchmark": self.benchmark, "figures": dict(self.figures), "goals": goals}
        return json.dumps(document | {"met": not self.missed()}, ensure_ascii=False)

    def publish(self) -> int:
        """Print the line to standard output, what was missed to standard error, and give the exit code."""
        for name in self.missed():
            goal = self.goals[name]
            say(f"NOT MET: {name} is {self.figures.get(name)}, the goal is {goal.comparison} {goal.bound}")
        print(self.line(), flush=True)
        return 1 if self.missed() else 0


# -------------------------------------------------------------------- progress, time, memory


def say(text: str) -> None:
    """One line of progress on standard error, with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


def warn_if_busy() -> None:
    """Say that times will be off when other programs keep this machine's processors busy."""
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > processors / 2:
        say(f"The machine is busy (load {load:.1f} on {processors} processors): times and ratios will be off")


@dataclass(slots=True)
class Stopwatch(AbstractContextManager["Stopwatch"]):
    """Measures its body.

    Attributes:
        seconds: Wall time of the body.
        cpu_seconds: Processor time that this process spent in it, in all its threads.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __enter__(self) -> Self:
        self.seconds, self.cpu_seconds = -time.perf_counter(), -time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += time.perf_counter()
        self.cpu_seconds += time.process_time()


def cpu_seconds_of(program: str) -> float | None:
    """Processor time so far of the children of this process that run a program; None where there is no `/proc`.

    Args:
        program: A part of their command line, such as the name of a module.
    """
    if not _STATUS.exists():
        return None
    lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    children = [Path("/proc") / pid for text in lists for pid in text.split()]
    running = [child for child in children if program in (child / "cmdline").read_text()]
    return sum(_ticks(child) for child in running) / os.sysconf("SC_CLK_TCK")


def _ticks(process: Path) -> int:
    # The program's name, in parentheses, may hold spaces; user and system time are the 12th and 13th field after it.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def peak_memory_mb() -> float:
    """The largest resident memory that this process ever had, in megabytes (2**20 bytes).

    Linux tells it for the program alone; `getrusage` also counts what the parent held before the program was started.
    """
    if _STATUS.exists():
        lines = _STATUS.read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


# -------------------------------------------------------------------- calls and changes


@dataclass(frozen=True, slots=True)
class Calls:
    """Requests that a sandbox was sent, as it counted them itself.

    Attributes:
        counts: Requests per method and path (`GET /services/data/v64.0/query`).
    """

    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them, sign-ins included."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        """The endpoints, the busiest first."""
        busiest = sorted(self.counts.items(), key=lambda each: -each[1])
        return ", ".join(f"{count} × {endpoint}" for endpoint, count in busiest)


class CallCounter:
    """Reads a sandbox's call log through its side door, which is not counted itself.

    Args:
        url: Address of the sandbox.
    """

    def __init__(self, url: str) -> None:
        self._address = f"{url}/__sandbox__/calls"

    def start(self) -> None:
        """Count from zero."""
        httpx.delete(self._address, trust_env=False).raise_for_status()

    def read(self) -> Calls:
        """The calls since the start."""
        answer = httpx.get(self._address, params={"log": "false"}, trust_env=False)
        return Calls(answer.raise_for_status().json()["counts"])


def set_clock(url: str, ahead: timedelta) -> None:
    """Set the clock of a Salesforce sandbox through its side door.

    Args:
        url: Address of the sandbox.
        ahead: How far the org's clock is to be ahead of this machine's.
    """
    body = {"skew_seconds": ahead.total_seconds()}
    httpx.post(f"{url}/__sandbox__/clock", json=body, trust_env=False).raise_for_status()


def changed(before: Dates, after: Dates) -> int:
    """How many records were created, changed or removed between two readings of a system's dates.

    Example:
        >>> changed({("Account", "1"): "9:00"}, {("Account", "1"): "9:05", ("Account", "2"): "9:05"})
        2
    """
    return len({record for record, _ in before.items() ^ after.items()})


# -------------------------------------------------------------------- processes


def run_module(module: str, job: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a module in a process of its own: a job in by standard input, its outcome out by standard output.

    Args:
        module: Name of the module, such as `benchmarks.flow_process`.
        job: What it reads, as JSON; secrets too, which would be seen among a command's arguments.
        environment: Environment of the process; this one's by default.

    Returns:
        The JSON object on the last line of its standard output.

    Raises:
        subprocess.CalledProcessError: It failed; what it said went to standard error.
    """
    command = [sys.executable, "-m", module]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, env=environment, cwd=root, check=True
    )
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome
