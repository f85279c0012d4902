"""What can go wrong in the org, in Salesforce's own words.

```
Exception
├── ApiError          the whole request is refused (MALFORMED_QUERY, INVALID_TYPE, NOT_FOUND …)
├── RowRejected       one row could not be saved; the others of a collection may be
└── MultipleMatches   an external id names several rows (HTTP 300)
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RowError:
    """One reason why Salesforce refuses something.

    Attributes:
        code: Salesforce's status code, such as `REQUIRED_FIELD_MISSING`.
        message: The sentence that goes with it.
        fields: Names of the fields that are to blame.
        details: Further members of the error on the wire, such as `duplicateResult`.
    """

    code: str
    message: str
    fields: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


class ApiError(Exception):
    """A request that is refused as a whole.

    Args:
        status: The HTTP status.
        errors: The reasons; Salesforce always answers with a list.

    Example:
        >>> ApiError.of(404, "NOT_FOUND", "The requested resource does not exist").status
        404
    """

    def __init__(self, status: int, errors: Iterable[RowError]) -> None:
        self.status = status
        self.errors = list(errors)
        super().__init__("; ".join(f"{error.code}: {error.message}" for error in self.errors))

    @classmethod
    def of(cls, status: int, code: str, message: str, fields: Sequence[str] = ()) -> ApiError:
        """An error with a single reason."""
        return cls(status, [RowError(code, message, tuple(fields))])


class RowRejected(Exception):
    """A row that cannot be saved.

    Args:
        errors: All the reasons that were found.
    """

    def __init__(self, errors: Iterable[RowError]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(f"{error.code}: {error.message}" for error in self.errors))

    @classmethod
    def of(cls, code: str, message: str, fields: Sequence[str] = ()) -> RowRejected:
        """A rejection with a single reason."""
        return cls([RowError(code, message, tuple(fields))])


class MultipleMatches(Exception):
    """An external id that names more than one row.

    Args:
        object_name: The rows' object type.
        ids: Their 18-character ids.
    """

    def __init__(self, object_name: str, ids: Sequence[str]) -> None:
        self.object_name = object_name
        self.ids = list(ids)
        super().__init__(f"{len(self.ids)} {object_name} rows match")
