"""Error messages in Salesforce's words, with the piece of the query and a caret under the culprit."""

from __future__ import annotations

import re

from prefect_crm_erp.sandbox.salesforce.errors import ApiError, RowError

_EXCERPT = 44
"""How many characters an excerpt shows to each side of the culprit, at most."""

_DESCRIBE = "Please reference your WSDL or the describe call for the appropriate names."


class QueryProblem(Exception):
    """What is wrong with a query, and where; the entry points turn it into an `ApiError`.

    Attributes:
        code: Salesforce's error code.
        detail: the message, without the excerpt.
        position: offset of the culprit in the text; None where Salesforce points at nothing.
    """

    def __init__(self, code: str, detail: str, position: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.position = position

    def to_api_error(self, text: str) -> ApiError:
        """The error as the API answers it for the query `text`."""
        message = self.detail if self.position is None else _locate(text, self.position) + self.detail
        return ApiError(400, [RowError(self.code, message)])


def malformed(detail: str, position: int | None = None) -> QueryProblem:
    """A query that is not valid SOQL, whatever the schema."""
    return QueryProblem("MALFORMED_QUERY", detail, position)


def unexpected_token(token: str, position: int) -> QueryProblem:
    """A word or sign that cannot stand where it stands."""
    return malformed(f"unexpected token: '{token}'", position)


def unknown_column(name: str, entity: str, position: int) -> QueryProblem:
    """The object has no such field."""
    return QueryProblem(
        "INVALID_FIELD",
        f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append "
        f"the '__c' after the custom field name. {_DESCRIBE}",
        position,
    )


def unknown_relationship(name: str, position: int) -> QueryProblem:
    """The object has no such parent."""
    return QueryProblem(
        "INVALID_FIELD",
        f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, "
        f"be sure to append the '__r' after the custom relationship name. {_DESCRIBE}",
        position,
    )


def unknown_child_relationship(name: str, position: int) -> QueryProblem:
    """The object has no such children."""
    return QueryProblem(
        "INVALID_TYPE",
        f"Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a custom "
        f"relationship, be sure to append the '__r' after the custom relationship name. {_DESCRIBE}",
        position,
    )


def unknown_object(name: str, position: int) -> QueryProblem:
    """The org has no such object."""
    return QueryProblem(
        "INVALID_TYPE",
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the "
        f"'__c' after the entity name. {_DESCRIBE}",
        position,
    )


def wrong_type(name: str, expected: str, position: int) -> QueryProblem:
    """A field is compared with a value of another type."""
    quotes = "should be enclosed in quotes" if expected == "string" else "should not be enclosed in quotes"
    return QueryProblem(
        "INVALID_FIELD",
        f"value of filter criterion for field '{name}' must be of type {expected} and {quotes}",
        position,
    )


def invalid_operator(detail: str, position: int) -> QueryProblem:
    """The field's type does not know the operator."""
    return QueryProblem("INVALID_QUERY_FILTER_OPERATOR", detail, position)


def _locate(text: str, position: int) -> str:
    """The excerpt, the caret, and the row and column, counted from 1."""
    line_start = text.rfind("\n", 0, position) + 1
    line_end = text.find("\n", position)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    column = position - line_start
    start, end = _window(line, column)
    row = text.count("\n", 0, position) + 1
    return f"\n{line[start:end]}\n{' ' * (column - start)}^\nERROR at Row:{row}:Column:{column + 1}\n"


def _window(line: str, column: int) -> tuple[int, int]:
    """Where the excerpt starts and ends: near the column, at the edge of a word."""
    start = max(0, column - _EXCERPT)
    if start > 0:
        start = next((m.end() for m in re.finditer(r"[\s,(]+", line[:column]) if m.end() >= start), start)
    end = min(len(line), column + _EXCERPT)
    if end < len(line):
        words = [m.start() for m in re.finditer(r"[\s,)]", line[:end]) if m.start() > column]
        end = words[-1] if words else end
    return start, end
