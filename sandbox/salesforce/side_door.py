"""The side door `/__sandbox__/`: order faults, read the calls, move the clock, reset. No login, JSON only."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from prefect_crm_erp.sandbox.salesforce.clock import Clock
from prefect_crm_erp.sandbox.salesforce.errors import ApiError
from prefect_crm_erp.sandbox.salesforce.faults import Fault
from prefect_crm_erp.sandbox.salesforce.routing import Route
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, error_reply

PREFIX = "/__sandbox__"


def _arguments(call: Call) -> Any:
    """The body; plain floats are fine for seconds."""
    try:
        return json.loads(call.body) if call.body.strip() else {}
    except ValueError:
        raise ValueError("the body is not JSON") from None


def _object(call: Call) -> dict[str, Any]:
    arguments = _arguments(call)
    if not isinstance(arguments, dict):
        raise ValueError("the body is not a JSON object")
    return arguments


def _seconds(arguments: dict[str, Any], name: str) -> float:
    value = arguments[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is a number of seconds")
    return float(value)


def list_faults(call: Call) -> Reply:
    """The rules in force, with what they have done and will still do."""
    return Reply(body=[rule.to_json() for rule in call.state.faults.rules])


def add_faults(call: Call) -> Reply:
    """Put one rule or a list of rules into force."""
    arguments = _arguments(call)
    rules = [Fault.from_json(value) for value in (arguments if isinstance(arguments, list) else [arguments])]
    call.state.faults.rules.extend(rules)
    return Reply(201, [rule.to_json() for rule in rules])


def clear_faults(call: Call) -> Reply:
    """Lift all rules."""
    call.state.faults.rules.clear()
    return Reply(204)


def list_calls(call: Call) -> Reply:
    """Total, counts and log; `?log=false` leaves the log out."""
    return Reply(body=call.state.calls.to_json(log=call.query.get("log", "true").lower() != "false"))


def clear_calls(call: Call) -> Reply:
    """Start counting anew."""
    call.state.calls.clear()
    return Reply(204)


def _clock_body(clock: Clock) -> dict[str, Any]:
    return {
        "now": clock.now().isoformat(),
        "skew_seconds": clock.skew.total_seconds(),
        "visibility_lag_seconds": clock.visibility_lag.total_seconds(),
    }


def show_clock(call: Call) -> Reply:
    """The org's time and how it differs from this machine's."""
    return Reply(body=_clock_body(call.state.org.clock))


def set_clock(call: Call) -> Reply:
    """Move the clock, or let changes show late."""
    arguments, clock = _object(call), call.state.org.clock
    unknown = sorted(set(arguments) - {"skew_seconds", "visibility_lag_seconds"})
    if unknown:
        raise ValueError(f"the clock has no {', '.join(unknown)}")
    changes = {name: timedelta(seconds=_seconds(arguments, name)) for name in arguments}
    if changes.get("visibility_lag_seconds", timedelta()) < timedelta():
        raise ValueError("visibility_lag_seconds is not negative")
    clock.skew = changes.get("skew_seconds", clock.skew)
    clock.visibility_lag = changes.get("visibility_lag_seconds", clock.visibility_lag)
    return Reply(body=_clock_body(clock))


def reset(call: Call) -> Reply:
    """Everything as new; `{"empty": true}` without records."""
    empty = _object(call).get("empty")
    if empty is not None and not isinstance(empty, bool):
        raise ValueError("empty is true or false")
    call.state.reset(empty)
    return Reply(204)


def show_settings(call: Call) -> Reply:
    """The settings in force."""
    return Reply(body=call.state.settings.to_json())


def change_settings(call: Call) -> Reply:
    """Change some settings."""
    call.state.change_settings(call.state.settings.changed(_object(call)))
    return show_settings(call)


def lock_record(call: Call) -> Reply:
    """Let "another user" hold the lock of a record for a while."""
    arguments = _object(call)
    if not isinstance(arguments.get("id"), str):
        raise ValueError("id is the id of a record")
    call.state.org.lock(arguments["id"], _seconds({"seconds": 10} | arguments, "seconds"))
    return Reply(204)


def answered(route: Route, call: Call) -> Reply:
    """Answer a call to the side door; what it does not understand is a 400 that says why."""
    try:
        return route.handler(call)
    except (ValueError, TypeError) as error:
        return error_reply(ApiError.of(400, "INVALID_ARGUMENT", str(error)))


ROUTES = [
    Route(method, f"{PREFIX}/{name}", handler, public=True)
    for method, name, handler in (
        ("GET", "faults", list_faults),
        ("POST", "faults", add_faults),
        ("DELETE", "faults", clear_faults),
        ("GET", "calls", list_calls),
        ("DELETE", "calls", clear_calls),
        ("GET", "clock", show_clock),
        ("POST", "clock", set_clock),
        ("POST", "reset", reset),
        ("GET", "settings", show_settings),
        ("POST", "settings", change_settings),
        ("POST", "locks", lock_record),
    )
]
