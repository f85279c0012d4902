"""Events: what a report tells Prefect's automations of an integration."""

from __future__ import annotations

from typing import Any

from prefect.events import emit_event

from prefect_crm_erp.tasks.run import BaseRun


def tell_automations(run: BaseRun, event: str, subject: str, title: str, payload: dict[str, Any]) -> None:
    """Emit what a report has found.

    Args:
        run: The run, whose integration the event is about.
        event: Name of the event.
        subject: What was looked at, as a word of the resource's id.
        title: The same for people.
        payload: What was found.
    """
    integration = run.integration.state_name
    resource = {
        "prefect.resource.id": f"prefect-crm-erp.{subject}.{integration}",
        "prefect.resource.name": f"{title} of {integration}",
        "prefect-crm-erp.integration": integration,
    }
    emit_event(event=event, resource=resource, payload=payload)
