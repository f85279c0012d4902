"""Runs of flows in processes of their own, as workers run them: two at once, or one that is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any

from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_crm_erp import flows
from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.models.outcomes import Outcome
from prefect_crm_erp.tasks import account_extract, extract

SECONDS = 60
"""Longest wait for a process, or for what it does."""

# A process forked from one that has imported everything starts at once, and shares no connection with the test. Python
# looks for what it is to import there among the installed packages only, and passes over in silence what it misses.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([flows.__name__, "prefect.flow_engine"])


class FlowProcess:
    """One flow run in a process of its own.

    Args:
        integration: What to run; the process opens connections of its own.
        page_size: Deals or accounts of one page.
        gate: The run begins when this is set; at once by default.
        flow: Name of the flow.
        parameters: Further parameters of the flow.
    """

    def __init__(
        self,
        integration: Integration,
        *,
        page_size: int = 200,
        gate: Event | None = None,
        flow: str = "quote_to_order",
        **parameters: Any,
    ) -> None:
        self._answer, answer = _processes.Pipe(duplex=False)
        arguments = (flow, integration, parameters, page_size, PREFECT_API_URL.value(), gate, answer)
        self._process = _processes.Process(target=_run, args=arguments, daemon=True)
        self._process.start()
        answer.close()

    def outcomes(self) -> dict[str, Outcome]:
        """What became of each deal, once the run has ended."""
        assert self._answer.poll(SECONDS), "the run does not end"
        outcomes: dict[str, Outcome] = self._answer.recv()
        self._process.join(SECONDS)
        return outcomes

    @property
    def has_ended(self) -> bool:
        """Whether the process is over."""
        return not self._process.is_alive()

    def kill(self) -> None:
        """End the process as a power cut does: it cannot tidy up."""
        assert self._process.is_alive(), "the run has ended already"
        self._process.kill()
        self._process.join(SECONDS)

    def pause(self) -> None:
        """Stop it as a machine that falls asleep."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on as if no time had passed."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def close(self) -> None:
        """Leave nothing behind."""
        self._process.kill()
        self._process.join(SECONDS)
        self._answer.close()


@contextmanager
def flow_process(integration: Integration, **options: Any) -> Iterator[FlowProcess]:
    """A flow run in a process of its own, which ends with the block at the latest."""
    process = FlowProcess(integration, **options)
    try:
        yield process
    finally:
        process.close()


def new_gate() -> Event:
    """Holds several processes until they may all begin."""
    return _processes.Event()


def wait_for(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen: {what}"
        time.sleep(0.02)


def _run(
    flow: str,
    integration: Integration,
    parameters: dict[str, Any],
    page_size: int,
    api_url: str,
    gate: Event | None,
    answer: Connection,
) -> None:
    extract.PAGE_SIZE = account_extract.PAGE_SIZE = page_size
    if gate is not None:
        gate.wait(SECONDS)
    with temporary_settings({PREFECT_API_URL: api_url}):
        report = getattr(flows, flow)(integration=integration, **parameters)
    answer.send({row.crm_id: row.outcome for row in report.rows})
