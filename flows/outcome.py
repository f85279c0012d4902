"""How a flow ends when it cannot go on: with a sentence for the operator, not with a stack trace."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Failed

from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.report import text


def failed(error: ConnectorError, key: str) -> State[object]:
    """End the run as failed: the message in the log, in an artifact and in the state; a caller gets the error itself.

    Args:
        error: What stopped the run.
        key: Start of the artifact's key.
    """
    get_run_logger().error("%s", error)
    create_markdown_artifact(
        f"# The run stopped\n\n{text(str(error))}", key=f"{key}-summary", description="Why the run stopped"
    )
    return Failed(message=str(error), data=error)
