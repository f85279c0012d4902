"""Domains: Tryton's conditions as conditions of SQL.

A path (`move.journal.type`) becomes a question about the records that the first field leads to, as in Tryton itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from benchmarks.light_erp.schema import Field, Kind, One, Parts, Several, UnknownToStandIn, field_of, table_of

Condition = tuple[str, list[Any]]
_COMPARISONS: Final = ("=", "!=", "<", "<=", ">", ">=")
_WORDS: Final = {"like": "LIKE", "not like": "NOT LIKE"}
_LISTS: Final = {"in": "IN", "not in": "NOT IN"}
_NOT: Final = ("!=", "not in", "not like")


def condition_of(model: str, domain: Sequence[Any]) -> Condition:
    """A domain over a model as a condition with its parameters.

    Raises:
        UnknownToStandIn: A field or an operator that the stand-in does not have.
    """
    if not domain:
        return "1", []
    head, *rest = domain
    if isinstance(head, str):
        if head not in ("AND", "OR"):
            return _clause(model, domain)
        return _joined(model, f" {head} ", rest)
    return _joined(model, " AND ", domain)


def _joined(model: str, word: str, parts: Sequence[Any]) -> Condition:
    conditions = [condition_of(model, part) for part in parts]
    if not conditions:
        return "1", []
    return f"({word.join(sql for sql, _ in conditions)})", [value for _, values in conditions for value in values]


def _clause(model: str, clause: Sequence[Any]) -> Condition:
    path, operator, value = clause
    name, _, further = path.partition(".")
    field = field_of(model, name)
    if further:
        return _through(model, name, field, (further, operator, value))
    if isinstance(field, Parts | Several):
        return _tied(model, name, field, operator, value)
    return _compared(name, field, operator, value)


def _through(model: str, name: str, field: Field, clause: Sequence[Any]) -> Condition:
    """Records of which one that the field leads to fits."""
    if isinstance(field, Kind):
        raise UnknownToStandIn(f"{model}.{name} leads nowhere")
    sql, values = _clause(field.model, clause)
    inner = f"SELECT id FROM {table_of(field.model)} WHERE {sql}"
    if isinstance(field, One):
        return f'"{name}" IN ({inner})', values
    if isinstance(field, Parts):
        return f'id IN (SELECT "{field.field}" FROM {table_of(field.model)} WHERE {sql})', values
    return f'id IN (SELECT "{field.mine}" FROM {field.table} WHERE "{field.theirs}" IN ({inner}))', values


def _tied(model: str, name: str, field: Parts | Several, operator: str, value: Any) -> Condition:
    """Records that are tied to one of a list of ids."""
    if operator != "in" or not isinstance(value, list):
        raise UnknownToStandIn(f"The stand-in compares {model}.{name} by 'in' a list only, not by {operator!r}")
    marks = _marks(value)
    if isinstance(field, Parts):
        return f'id IN (SELECT "{field.field}" FROM {table_of(field.model)} WHERE id IN ({marks}))', value
    return f'id IN (SELECT "{field.mine}" FROM {field.table} WHERE "{field.theirs}" IN ({marks}))', value


def _compared(name: str, field: Field, operator: str, value: Any) -> Condition:
    if field is Kind.DECIMAL:
        raise UnknownToStandIn(f"The stand-in does not compare amounts: {name}")
    if value is None and operator in ("=", "!="):
        return f'"{name}" IS {"NOT " if operator == "!=" else ""}NULL', []
    sql, values = _operation(name, operator, value)
    # What is empty differs from everything, as Tryton has it.
    return (f'({sql} OR "{name}" IS NULL)' if operator in _NOT else sql), values


def _operation(name: str, operator: str, value: Any) -> Condition:
    if operator in _COMPARISONS:
        return f'"{name}" {operator} ?', [stored(value)]
    if operator in _WORDS:
        return f"\"{name}\" {_WORDS[operator]} ? ESCAPE '\\'", [value]
    if operator in _LISTS and isinstance(value, list):
        return f'"{name}" {_LISTS[operator]} ({_marks(value)})', [stored(each) for each in value]
    raise UnknownToStandIn(f"The stand-in does not know the operator {operator!r}")


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def stored(value: Any) -> Any:
    """A value of the wire as the database keeps it: amounts, days and times as text that sorts as they do.

    Raises:
        UnknownToStandIn: It has no such form.
    """
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, dict):
        return value
    match value.get("__class__"):
        case "Decimal":
            return value["decimal"]
        case "date":
            return "{year:04}-{month:02}-{day:02}".format(**value)
        case "datetime":
            day, clock = "{year:04}-{month:02}-{day:02}", "{hour:02}:{minute:02}:{second:02}.{microsecond:06}"
            return f"{day} {clock}".format(**value)
    raise UnknownToStandIn(f"The stand-in does not know the value {value!r}")
