"""From a call to its reply: finds the handler, keeps the request one transaction, turns errors into answers."""

from __future__ import annotations

import contextlib
import logging
import secrets
from dataclasses import replace

from prefect_crm_erp.sandbox.salesforce.errors import ApiError, MultipleMatches, RowRejected
from prefect_crm_erp.sandbox.salesforce.routing import Route, Router
from prefect_crm_erp.sandbox.salesforce.rows import record_url
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, error_body, error_reply

_READS = frozenset({"GET", "HEAD"})
_GONE = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED"})
logger = logging.getLogger(__name__)


def dispatch(router: Router, call: Call) -> Reply:
    """Answer a call that has been let in.

    Args:
        router: The resources that may be called.
        call: The request or subrequest.
    """
    try:
        route, params = router.match(call.method, call.path)
    except ApiError as error:
        return error_reply(error)
    return run(route, replace(call, params=params))


def run(route: Route, call: Call) -> Reply:
    """Run a handler as one transaction; whatever it raises undoes what it wrote."""
    try:
        with _transaction(call):
            return route.handler(call)
    except ApiError as error:
        return error_reply(error)
    except RowRejected as error:
        return _rejected(error)
    except MultipleMatches as error:
        return Reply(300, [record_url(call, error.object_name, record_id) for record_id in error.ids])
    except Exception:  # noqa: BLE001 a defect of ours is answered as Salesforce answers its own
        return _unexpected(call)


def _transaction(call: Call) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if call.method in _READS else call.state.org.transaction()


def _rejected(error: RowRejected) -> Reply:
    status = 404 if error.errors[0].code in _GONE else 400
    return Reply(status, [{**error_body(entry), "fields": list(entry.fields)} for entry in error.errors])


def _unexpected(call: Call) -> Reply:
    error_id = secrets.randbelow(10**10)
    logger.exception("%s %s failed, ErrorId %s", call.method, call.path, error_id)
    message = f"An unexpected error occurred. Please include this ErrorId if you contact support: {error_id}"
    return Reply(500, [{"message": message, "errorCode": "UNKNOWN_EXCEPTION"}])
