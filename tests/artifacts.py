"""What a run has published, as Prefect keeps it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from prefect.client.orchestration import get_client


def published(key: str) -> str:
    """The newest artifact with a key."""
    with get_client(sync_client=True) as client:
        rows = client.request("POST", "/artifacts/latest/filter", json={"artifacts": {"key": {"any_": [key]}}}).json()
    return str(rows[0]["data"])


def emitted(name: str, resource: str, *, since: datetime, seconds: float = 20) -> dict[str, Any]:
    """The newest event with a name about a resource; events are stored a moment after they are sent."""
    occurred = {"since": since.isoformat()}
    query = {"event": {"name": [name]}, "resource": {"id": [resource]}, "occurred": occurred, "order": "DESC"}
    for _ in range(int(seconds * 4)):
        with get_client(sync_client=True) as client:
            events = client.request("POST", "/events/filter", json={"filter": query}).json()["events"]
        if events:
            return dict(events[0])
        time.sleep(0.25)
    raise AssertionError(f"no event {name} about {resource} within {seconds} s")
