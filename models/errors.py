"""Errors say what happens next.

```
ConnectorError
├── ConfigurationError        stop, tell the operator what to change
│   └── AuthenticationError   … the credentials
├── TransientError            try again with backoff, then Dead Letter
│   ├── RateLimitError        … not before the time that the system gave
│   └── UnknownOutcomeError   … look the record up by its key first
└── RecordError               park this record, go on with the others
    ├── RejectedRecordError   the system's own words, verbatim
    │   └── GoneRecordError   … what was to be changed is not there any more
    ├── MissingReferenceError waits for another record
    └── UnsupportedRecordError refused before any request
```

Trouble with a *system* is raised. Trouble with a *record* travels as a value (`Rejected`), so that the others go on.
"""

from __future__ import annotations

from datetime import timedelta


class ConnectorError(Exception):
    """Root of everything that a connector or a policy may report.

    Args:
        message: One sentence for an operator: what happened and what to do. Never contains a secret.
        system: Name of the system that the trouble is with, for instance `Salesforce`.
    """

    def __init__(self, message: str, *, system: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.system = system

    def __str__(self) -> str:
        """The message, led by the name of the system when there is one."""
        return f"{self.system}: {self.message}" if self.system else self.message


class ConfigurationError(ConnectorError):
    """The set-up is wrong: nothing can be done until an operator or administrator changes it."""


class AuthenticationError(ConfigurationError):
    """The system refused the credentials of the connection block."""


class TransientError(ConnectorError):
    """The system did not answer, or not now: worth another try."""


class RateLimitError(TransientError):
    """The system asks us to slow down.

    Args:
        message: What the system said.
        system: Name of the system.
        retry_after: How long to wait at least; None when the system gave no time (Salesforce never does).
    """

    def __init__(self, message: str, *, system: str | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(message, system=system)
        self.retry_after = retry_after


class UnknownOutcomeError(TransientError):
    """A write was sent and no answer came: it may have happened. Look the key up before sending again."""


class RecordError(ConnectorError):
    """One record cannot go on; the others can.

    Args:
        message: Why, for an operator; a system's own words verbatim.
        system: Name of the system.
        code: The system's code for it, when it has one (`FIELD_CUSTOM_VALIDATION_EXCEPTION`).
        fields: Names of the fields that the trouble is with.
    """

    def __init__(
        self, message: str, *, system: str | None = None, code: str | None = None, fields: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, system=system)
        self.code = code
        self.fields = fields


class RejectedRecordError(RecordError):
    """The system refused the record; the message is the system's own."""


class CreditLimitError(RejectedRecordError):
    """The system refused the order because of the customer's credit: an approval there lets it pass."""


class LockedRecordError(RejectedRecordError):
    """Somebody else holds the record right now: the same request may pass later."""


class GoneRecordError(RejectedRecordError):
    """The record that was to be changed is not there any more: it was deleted, or merged into another one."""


class MissingReferenceError(RecordError):
    """The record points at one that the target does not have (yet): a product, a currency, a parent."""


class UnsupportedRecordError(RecordError):
    """The connector cannot represent the record; refused before any request."""
