"""What goes over the wire to and from Tryton: values in its JSON, and what its errors mean.

Tryton answers most trouble with HTTP 200 and an `error`; what comes back by status is the session (401), the database
(404), the rights of a method (403) and the database's own trouble (503).
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any

import httpx
import orjson

from prefect_crm_erp.blocks.http import retry_after, status_error
from prefect_crm_erp.models.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    CreditLimitError,
    LockedRecordError,
    RateLimitError,
    RejectedRecordError,
)

ANSWER = "tryton.answer"
"""Key of the parsed body among the extensions of a response."""

SIGN_IN_STEPS = "Tryton asks for more than a password to sign in"
_UNTIL_FORGOTTEN = timedelta(minutes=5)
_CREDIT_WORDS = re.compile(r"credit limit", re.IGNORECASE)
_RIGHTS_WORDS = re.compile(r"^(?:You are not allowed to (?:access|create|read|write)|Calling button )")
_MISSING_NAME = re.compile(r"^'([a-z_]+(?:\.[a-z_]+)*)'$")
# SQLite's parser gives up on the long statements that Tryton makes of many records; fewer at once go through.
_TOO_MANY = re.compile(r"parser stack overflow|too many SQL variables|expression tree is too large", re.IGNORECASE)


# ---------------------------------------------------------------------- values on the wire


def to_wire(value: Any) -> Any:
    """What JSON cannot hold, in Tryton's form; for `json.dumps(default=…)`.

    Raises:
        TypeError: For a value that Tryton has no form for.
    """
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        return _datetime_to_wire(value)
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, bytes):
        return {"__class__": "bytes", "base64": base64.b64encode(value).decode()}
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in Tryton's JSON")


def _datetime_to_wire(value: datetime) -> dict[str, Any]:
    moment = value.astimezone(UTC)
    return {"__class__": "datetime", **{part: getattr(moment, part) for part in _DAY + _CLOCK}}


def from_wire(value: Any) -> Any:
    """What JSON gives as the Python values that it stands for; lists and objects are changed in their place.

    Tryton's times are naive and UTC; here they become aware. A row with related records (`party` an id, `party.` its
    fields) has these in place of their ids.
    """
    whole = [value]
    _read_list(whole)
    return whole[0]


# One walk over all of an answer: amounts and related records are by far the most in it, and each further call for one
# of them, or look at it, shows in the time that a large load takes.


def _read_list(parts: list[Any]) -> None:
    for place, part in enumerate(parts):
        if type(part) is dict:
            parts[place] = _read_object(part)
        elif type(part) is list:
            _read_list(part)


def _read_object(parts: dict[str, Any]) -> Any:
    kind = parts.get("__class__")
    reader = _READERS.get(kind) if kind is not None else None
    if reader is not None:
        return reader(parts)
    related: list[str] = []
    for name, part in parts.items():
        if type(part) is dict:
            is_amount = part.get("__class__") == "Decimal"
            parts[name] = _decimal(part["decimal"]) if is_amount else _read_object(part)
        elif type(part) is list:
            _read_list(part)
        elif part is not None:
            continue
        if name[-1:] == ".":
            related.append(name)
    for name in related:
        parts[name[:-1]] = parts.pop(name)
    return parts


_DAY = ("year", "month", "day")
_CLOCK = ("hour", "minute", "second", "microsecond")


def _parts(value: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value[name] for name in names}


_day_of = itemgetter(*_DAY)
_moment_of = itemgetter(*_DAY, *_CLOCK)


def _read_datetime(value: dict[str, Any]) -> datetime:
    year, month, day, hour, minute, second, microsecond = _moment_of(value)
    return datetime(year, month, day, hour, minute, second, microsecond, UTC)


_decimal = lru_cache(maxsize=10_000)(Decimal)  # quantities, prices and nothing open are the same in many records
_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "Decimal": lambda value: _decimal(value["decimal"]),
    "date": lambda value: date(*_day_of(value)),
    "datetime": _read_datetime,
    "time": lambda value: time(**_parts(value, _CLOCK)),
    "timedelta": lambda value: timedelta(seconds=value["seconds"]),
    "bytes": lambda value: base64.b64decode(value["base64"]),
}


# ---------------------------------------------------------------------- errors


def classify(response: httpx.Response) -> ConnectorError | None:
    """What an answer means; None when it is good. The parsed body is left in the response's extensions."""
    if response.status_code != 200:
        return _status_trouble(response)
    try:
        answer = from_wire(orjson.loads(response.content))
        trouble = answer.get("error")
    except (ValueError, AttributeError, KeyError, TypeError):
        return ConfigurationError("The address does not answer like a Tryton server; check it")
    response.extensions[ANSWER] = answer
    return _rpc_trouble(trouble) if trouble else None


def _status_trouble(response: httpx.Response) -> ConnectorError | None:
    words = _words_of_page(response)
    if _TOO_MANY.search(words) or response.status_code == 413:
        return RejectedRecordError(f"Too many records in one request: {words}", code="batch")
    if response.status_code == 403:
        return ConfigurationError(f"The user may not call this in Tryton, or it is no Tryton server: {words}")
    if response.status_code in (404, 405):
        return ConfigurationError(f"There is no such database, or no Tryton server at this address: {words}")
    if response.status_code == 429:
        # Tryton counts every further try as one more wrong password, so it is left alone until it forgets.
        return RateLimitError(
            "Too many wrong passwords; Tryton lets the user sign in again after some minutes",
            retry_after=retry_after(response) or _UNTIL_FORGOTTEN,
        )
    if 400 <= response.status_code < 500 and response.status_code not in (401, 408):
        return RejectedRecordError(words, code=str(response.status_code))
    return status_error(response, words)


def _words_of_page(response: httpx.Response) -> str:
    """The text of an HTML error page, without its mark-up."""
    text = re.sub(r"<title>.*?</title>|<[^>]*>", " ", response.text, flags=re.DOTALL)
    return " ".join(html.unescape(text).split())[:500] or f"HTTP {response.status_code}"


def _rpc_trouble(error: Any) -> ConnectorError:
    kind, details = _kind_and_details(error)
    match kind:
        case "UserWarning":
            return _refusal(_join(details[1:]), code=str(details[0]))
        case "UserError":
            return _refusal(_join(details[:2]), code=kind)
        case "ConcurrencyException":
            return LockedRecordError(_join(details), code=kind)
        case "LoginException":
            return AuthenticationError(f"{SIGN_IN_STEPS}: {_join(details)}")
    return _programming_trouble(kind)


def _kind_and_details(error: Any) -> tuple[str, list[Any]]:
    """Tryton's `[kind, details]`, where the details are a list or a mere text."""
    if not isinstance(error, list) or not error:
        return str(error), [""]
    details = error[1] if len(error) > 1 else ""
    return str(error[0]), details if isinstance(details, list) and details else [details]


def _refusal(words: str, code: str) -> ConnectorError:
    if _CREDIT_WORDS.search(words) or ".credit_limit_" in code:
        return CreditLimitError(words, code=code)
    if _RIGHTS_WORDS.match(words):
        return ConfigurationError(f"The integration's user lacks rights in Tryton: {words}")
    return RejectedRecordError(words, code=code)


def _programming_trouble(words: str) -> ConnectorError:
    missing = _MISSING_NAME.match(words)
    if missing:
        return ConfigurationError(
            f"The database does not know {missing[1]!r}: a Tryton module that the integration needs is not activated"
        )
    return RejectedRecordError(words, code="internal")


def _join(words: Iterable[Any]) -> str:
    return "\n".join(str(word) for word in words if word)
