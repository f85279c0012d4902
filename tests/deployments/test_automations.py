"""deployments/automations.yaml sends what the flows tell, once it names a notification block."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from fixtures_approvals import Inbox
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.events.schemas.automations import AutomationCore

from prefect_crm_erp.tasks.approval_alerts import EVENT

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.requirement("R03")
def test_the_automation_of_late_approvals_sends_the_message(prefect: None, inbox: Inbox) -> None:
    data = {"subject": "{{subject}}", "text": "{{body}}"}
    hook = CustomWebhookNotificationBlock(name="late", url=f"http://127.0.0.1:{inbox.port}/late", json_data=data)
    block = hook.save("late-approvals", overwrite=True)
    (planned,) = yaml.safe_load((ROOT / "deployments" / "automations.yaml").read_text())["automations"]
    planned["actions"][0]["block_document_id"] = str(block)
    with get_client(sync_client=True) as client:
        automation = client.create_automation(AutomationCore.model_validate(planned))
    try:
        assert wait_for(inbox)["text"] == "For Berg: do something"
        assert inbox.received[0]["subject"] == "Order US-00001 waits for an approval"
    finally:
        with get_client(sync_client=True) as client:
            client.request("DELETE", "/automations/{id}", path_params={"id": automation})


def wait_for(inbox: Inbox, seconds: float = 60) -> dict[str, Any]:
    """What the automation posts; a server takes a moment to heed a new one, so that the event is repeated."""
    resource = {"prefect.resource.id": "prefect-crm-erp.order.main:order:1", "prefect.resource.name": "Order US-00001"}
    for _ in range(int(seconds / 2)):
        emit_event(event=EVENT, resource=resource, payload={"message": "For Berg: do something"})
        time.sleep(2)
        if inbox.received:
            return inbox.received[0]
    raise AssertionError("the automation has sent nothing")
