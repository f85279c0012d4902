"""How a flow ends: with a sentence for the operator, in good times and in bad."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.markdown import text
from prefect_crm_erp.tasks.report import RunReport, artifact_key


def completed(report: RunReport) -> State[RunReport]:
    """End the run as completed: the counts in the state's message; a caller gets the report."""
    return Completed(message=report.in_words(), data=report)


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
