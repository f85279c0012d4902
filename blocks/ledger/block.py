"""The block that says where the ledger is."""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.abstract import CredentialsBlock
from prefect.settings import get_current_settings
from pydantic import Field, SecretStr
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm
from prefect_crm_erp.blocks.ledger.address import SYSTEM, parse_url, safe_url, trouble
from prefect_crm_erp.blocks.ledger.database import Clock
from prefect_crm_erp.blocks.ledger.schema import migrate
from prefect_crm_erp.blocks.ledger.store import LedgerDatabase
from prefect_crm_erp.models.errors import ConfigurationError


class Ledger(OrderedForm, CredentialsBlock):
    """Durable sync state of the integrations: what was read, claimed, written and parked, and how far streams go.

    Example:
        ```python
        from prefect_crm_erp.blocks.ledger import Ledger

        ledger = Ledger.load("BLOCK_NAME")
        with ledger.open().for_integration("sandbox") as store:
            print(store.queue_counts())
        ```
    """

    _block_type_name = "CRM-ERP Ledger"
    _block_type_slug = "crm-erp-ledger"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    url: SecretStr | None = Field(
        default=None,
        title="Database URL",
        description="SQLite (sqlite:////path/to/file.db) or PostgreSQL (postgresql://user:password@host/database); "
        "empty for a SQLite file in Prefect's home directory. Workers on several machines need PostgreSQL.",
    )
    lease_seconds: float = Field(
        default=60,
        ge=1,
        title="Lease",
        description="Seconds after which other runs take over what a run that died was writing; "
        "longer than the slowest request to the ERP.",
    )

    def get_client(self) -> LedgerDatabase:
        """The opened ledger."""
        return self.open()

    def open(self, clock: Clock | None = None) -> LedgerDatabase:
        """Connect, and bring the tables to this version of the package.

        Args:
            clock: Tells the time instead of the database; for tests.

        Raises:
            ConfigurationError: The URL is wrong, the driver is missing, the database cannot be reached or refuses
                the user, or it was written by a newer version of the package.
        """
        url = self._address()
        _make_folder(url)
        database = LedgerDatabase(url, clock)
        try:
            migrate(database.engine, url)
        except SQLAlchemyError as error:
            database.close()
            raise ConfigurationError(
                f"{trouble(error, url).message}. Check the URL of the block", system=SYSTEM
            ) from None
        return database

    def _address(self) -> URL:
        if self.url and self.url.get_secret_value().strip():
            return parse_url(self.url.get_secret_value())
        home = get_current_settings().home
        return URL.create("sqlite", database=str(home / "prefect-crm-erp" / "ledger.db"))


def _make_folder(url: URL) -> None:
    if url.get_backend_name() != "sqlite":
        return
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder of {safe_url(url)} cannot be made: {error.strerror}", system=SYSTEM
        ) from None
