"""All that one running server knows."""

from __future__ import annotations

import time
from collections import deque
from email.utils import format_datetime
from pathlib import Path

from prefect_crm_erp.sandbox.salesforce.bulk_jobs import BulkJobs
from prefect_crm_erp.sandbox.salesforce.call_log import CallLog
from prefect_crm_erp.sandbox.salesforce.credentials import Credentials, load_or_create
from prefect_crm_erp.sandbox.salesforce.errors import ApiError
from prefect_crm_erp.sandbox.salesforce.faults import Faults
from prefect_crm_erp.sandbox.salesforce.org import Org
from prefect_crm_erp.sandbox.salesforce.paging import Cursors
from prefect_crm_erp.sandbox.salesforce.sessions import Sessions
from prefect_crm_erp.sandbox.salesforce.settings import Settings

_DAY_SECONDS = 86_400.0


class ServerState:
    """The org, who is logged in, and what the side door has ordered.

    Args:
        org: Records, schema and clock.
        credentials: What clients log in with.
    """

    def __init__(self, org: Org, credentials: Credentials) -> None:
        self.org = org
        self.credentials = credentials
        self.settings = Settings()
        self.sessions = Sessions(org.organization_id)
        self.faults = Faults()
        self.calls = CallLog()
        self.cursors = Cursors()
        self.bulk = BulkJobs()
        self.usage = ApiUsage()

    @property
    def user_id(self) -> str:
        """The integration user: all clients log in as this user. A reset of the org makes a new one."""
        return self.org.integration_user_id

    @property
    def username(self) -> str:
        """The integration user's name at login."""
        return str(self.org.get("User", self.user_id)["Username"])

    @property
    def organization_name(self) -> str:
        """The company's name."""
        return str(self.org.get("Organization", self.org.organization_id)["Name"])

    def http_date(self) -> str:
        """The org's time as the `Date` header has it."""
        return format_datetime(self.org.clock.now(), usegmt=True)

    @classmethod
    def open(cls, directory: Path, *, empty: bool) -> ServerState:
        """The server of a state directory, which is filled on first use.

        Args:
            directory: Keeps the records and the credentials.
            empty: A new org has its schema and no records.
        """
        return cls(Org(directory, empty=empty), load_or_create(directory / "credentials"))

    def change_settings(self, settings: Settings) -> None:
        """Put other settings into force."""
        self.settings = settings
        self.org.duplicate_rule = settings.duplicate_rule
        self.org.subsidiary_required = settings.subsidiary_required
        self.org.amount_rounding = settings.amount_rounding
        self.org.schema.offer("DatedConversionRate", settings.dated_rates)
        self.sessions.set_lifetime(settings.session_seconds)

    def reset(self, empty: bool | None) -> None:
        """Records as they were at the start, and everything else as new.

        Args:
            empty: Without or with the demo data; None keeps the choice that the server was started with.
        """
        self.change_settings(Settings())
        self.org.reset(empty)
        self.sessions.close_all()
        self.faults.rules.clear()
        self.calls.clear()
        self.cursors.clear()
        self.bulk.clear()
        self.usage.clear()


class ApiUsage:
    """API calls of the last 24 hours, as the daily limit counts them."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    @property
    def used(self) -> int:
        """Calls in the last 24 hours."""
        start = time.monotonic() - _DAY_SECONDS
        while self._times and self._times[0] < start:
            self._times.popleft()
        return len(self._times)

    def count(self, limit: int) -> None:
        """Count one call.

        Args:
            limit: Calls allowed in 24 hours.

        Raises:
            ApiError: The limit is reached (403); the call does not count.
        """
        if self.used >= limit:
            raise ApiError.of(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self._times.append(time.monotonic())

    def clear(self) -> None:
        """Start counting anew."""
        self._times.clear()
