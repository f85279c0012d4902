"""What the org says about itself: versions, resources, describes, limits, and what changed lately."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect_crm_erp.sandbox.salesforce import rows
from prefect_crm_erp.sandbox.salesforce.rest import SOBJECTS
from prefect_crm_erp.sandbox.salesforce.routing import NEWEST_VERSION, OLDEST_VERSION, Route
from prefect_crm_erp.sandbox.salesforce.schema import SObject
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, bad_request

_SEASONS = ("Spring", "Summer", "Winter")
_SPRING_2021 = 51
_HISTORY = timedelta(days=30)
_RECENT_ITEMS = 5


def versions(call: Call) -> Reply:
    """All API versions; needs no session."""
    numbers = range(OLDEST_VERSION, NEWEST_VERSION + 1)
    return Reply(body=[{"label": _label(n), "url": f"/services/data/v{n}.0", "version": f"{n}.0"} for n in numbers])


def _label(number: int) -> str:
    """Salesforce's name of a release: three a year, Winter carrying the number of the next year."""
    years, season = divmod(number - _SPRING_2021, len(_SEASONS))
    return f"{_SEASONS[season]} '{21 + years + (season == 2)}"


def resources(call: Call) -> Reply:
    """What a version offers."""
    names = ("sobjects", "query", "queryAll", "limits", "composite", "jobs")
    identity = f"{call.base_url}/id/{call.state.org.organization_id}/{call.session.user_id}"
    return Reply(body={name: f"{call.data_path}/{name}" for name in names} | {"identity": identity})


def describe_global(call: Call) -> Reply:
    """All object types."""
    return Reply(body=call.state.org.schema.describe_global(call.version))


def basic_information(call: Call) -> Reply:
    """One object type without its fields, and the rows that were changed last."""
    schema = call.state.org.schema
    sobject = schema.get(call.params["object"])
    described = next(e for e in schema.describe_global(call.version)["sobjects"] if e["name"] == sobject.name)
    return Reply(body={"objectDescribe": described, "recentItems": _recent_items(call, sobject)})


def _recent_items(call: Call, sobject: SObject) -> list[dict[str, Any]]:
    latest = heapq.nlargest(_RECENT_ITEMS, call.state.org.rows(sobject.name), key=lambda row: row["SystemModstamp"])
    shown = [field.name for field in sobject.fields.values() if field.name_field]
    return [rows.wire_row(call, sobject, row, shown) for row in latest]


def describe(call: Call) -> Reply:
    """One object type with all its fields."""
    return Reply(body=call.state.org.schema.describe(call.params["object"], call.version))


def limits(call: Call) -> Reply:
    """The limit that this server counts."""
    daily = call.state.settings.daily_limit
    remaining = max(0, daily - call.state.usage.used)
    return Reply(body={"DailyApiRequests": {"Max": daily, "Remaining": remaining}})


def updated(call: Call) -> Reply:
    """Ids of rows that were created or changed in a span of time."""
    sobject, start, end = _replication_span(call)
    ids = call.state.org.updated(sobject.name, start, end)
    return Reply(body={"ids": ids, "latestDateCovered": _wire_time(_covered(call, end))})


def deleted(call: Call) -> Reply:
    """Ids of rows that were deleted in a span of time, and when."""
    sobject, start, end = _replication_span(call)
    found = call.state.org.deleted(sobject.name, start, end)
    return Reply(
        body={
            "deletedRecords": [{"id": record_id, "deletedDate": _wire_time(moment)} for record_id, moment in found],
            "earliestDateAvailable": _wire_time(call.state.org.clock.now() - _HISTORY),
            "latestDateCovered": _wire_time(_covered(call, end)),
        }
    )


def _replication_span(call: Call) -> tuple[SObject, datetime, datetime]:
    """Object, start and end of a request for changes. Seconds do not count, as in Salesforce.

    Raises:
        ApiError: A time is missing or is none, or the span is not one that Salesforce answers.
    """
    start, end = _time_argument(call, "start"), _time_argument(call, "end")
    if end - start < timedelta(minutes=1):
        message = f"endDate {_wire_time(end)} must be at least one minute greater than startDate {_wire_time(start)}"
        raise bad_request("INVALID_REPLICATION_DATE", message)
    if start < call.state.org.clock.now() - _HISTORY - timedelta(minutes=1):
        raise bad_request("INVALID_REPLICATION_DATE", "startDate is more than 30 days ago")
    return call.state.org.schema.get(call.params["object"]), start, end


def _time_argument(call: Call, name: str) -> datetime:
    # A client that leaves the plus sign of its offset unescaped sends a blank.
    text = call.query.get(name, "").replace(" ", "+")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request("INVALID_QUERY_FILTER_OPERATOR", f"{name} is not an ISO 8601 date and time: {text}") from None
    if moment.tzinfo is None:
        raise bad_request("INVALID_QUERY_FILTER_OPERATOR", f"{name} has no time zone: {text}")
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _covered(call: Call, end: datetime) -> datetime:
    """Up to when the answer is complete: not beyond now, and not into changes that are still to become visible."""
    clock = call.state.org.clock
    return min(end, (clock.now() - clock.visibility_lag).replace(second=0, microsecond=0))


def _wire_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


ROUTES = [
    Route("GET", "/services/data", versions, public=True),
    Route("GET", "/services/data/{version}", resources),
    Route("GET", "/services/data/{version}/limits", limits),
    Route("GET", SOBJECTS, describe_global),
    Route("GET", f"{SOBJECTS}/{{object}}", basic_information),
    Route("GET", f"{SOBJECTS}/{{object}}/describe", describe),
    Route("GET", f"{SOBJECTS}/{{object}}/updated", updated),
    Route("GET", f"{SOBJECTS}/{{object}}/deleted", deleted),
]
