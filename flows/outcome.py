"""How a flow ends: with a sentence for the operator, in good times and in bad."""

from __future__ import annotations

import logging
from typing import Protocol, TypeVar

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_logger, get_run_logger
from prefect.states import Completed, Failed

from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.markdown import text
from prefect_crm_erp.tasks.report import artifact_key

R = TypeVar("R", bound="Report")
_RUN_LOGGERS = ("flow_runs", "task_runs")


class _ExpectedErrors(logging.Filter):
    """Keeps stack traces out of a run's log where the error has a sentence for the operator."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Strip the trace; drop the line by which Prefect only repeats that the run has failed."""
        if not isinstance(record.exc_info, tuple) or not isinstance(record.exc_info[1], ConnectorError):
            return True
        record.exc_info = None
        return not record.getMessage().startswith("Engine execution exited")


_expected_errors = _ExpectedErrors()


def log_errors_as_sentences() -> None:
    """From now on, the logs of runs in this process show errors of the systems as sentences."""
    for name in _RUN_LOGGERS:
        get_logger(name).addFilter(_expected_errors)


class Report(Protocol):
    """What a flow gives to its caller."""

    def in_words(self) -> str:
        """The result as a sentence, for people."""
        ...


def completed(report: R, name: str = "Completed") -> State[R]:
    """End the run as completed: the result in the state's message; a caller gets the report.

    Args:
        report: What the run has found or done.
        name: Name of the state, for people who look at a list of runs.
    """
    return Completed(name=name, message=report.in_words(), data=report)


def failed(error: ConnectorError, source: str) -> State[object]:
    """End the run as failed: the message in the log, in an artifact and in the state; a caller gets the error itself.

    Args:
        error: What stopped the run.
        source: What the run was reading; its summary says why there is none.
    """
    get_run_logger().error("%s", error)
    create_markdown_artifact(
        f"# The run stopped\n\n{text(str(error))}",
        key=artifact_key(source, "summary"),
        description="Why the run stopped",
    )
    return Failed(message=str(error), data=error)
