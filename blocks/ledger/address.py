"""The ledger's address: SQLite or PostgreSQL, and how it is shown to an operator without its secrets."""

from __future__ import annotations

import sqlite3
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from prefect_crm_erp.models.errors import ConfigurationError, TransientError

SYSTEM = "Ledger"
_CONNECT_SECONDS = "10"
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_SECRET_QUERY = ("password", "sslpassword")


def parse_url(text: str) -> URL:
    """Read a ledger's address: SQLite or PostgreSQL, whatever driver it names.

    Raises:
        ConfigurationError: For what is no address, for another database, for one in memory, and without the driver.
    """
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise _no_address() from None
    if "@" in (url.host or ""):  # the rest of a password that was not encoded
        raise _no_address()
    backend = url.drivername.split("+")[0]
    if backend not in _DRIVERS:
        raise ConfigurationError(f"{backend!r} is not supported: use SQLite or PostgreSQL", system=SYSTEM)
    url = url.set(drivername=_DRIVERS[backend])
    return _sqlite_url(url) if backend == "sqlite" else _postgresql_url(url)


def _no_address() -> ConfigurationError:
    return ConfigurationError(
        "The URL is not one: sqlite:////path/to/file.db or postgresql://user:password@host/database, "
        "with special characters of the password percent-encoded",
        system=SYSTEM,
    )


def _sqlite_url(url: URL) -> URL:
    if sqlite3.sqlite_version_info < (3, 35):
        raise ConfigurationError(
            f"SQLite {sqlite3.sqlite_version} is too old: 3.35 is needed, or PostgreSQL", system=SYSTEM
        )
    if not url.database or ":memory:" in url.database or "mode" in url.query:
        raise ConfigurationError(
            "A SQLite ledger is a file, or nothing would be known after a restart: sqlite:////path/to/file.db",
            system=SYSTEM,
        )
    return url.set(database=str(Path(url.database).expanduser()))


def _postgresql_url(url: URL) -> URL:
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            "The PostgreSQL driver is missing: pip install 'prefect-crm-erp[postgresql]'", system=SYSTEM
        )
    return url if "connect_timeout" in url.query else url.update_query_dict({"connect_timeout": _CONNECT_SECONDS})


def safe_url(url: URL) -> str:
    """The address as an operator may see it."""
    query = {name: value for name, value in url.query.items() if name not in _SECRET_QUERY}
    return url.set(query=query).render_as_string(hide_password=True)


def trouble(error: SQLAlchemyError, url: URL) -> TransientError:
    """What an operator is told about an error of the database: its own words, without SQL, values and secrets."""
    words = str(getattr(error, "orig", None) or error).strip()
    for secret in _secrets(url):
        words = words.replace(secret, "***")
    first_line = words.splitlines()[0] if words else type(error).__name__
    return TransientError(f"Its database {safe_url(url)} does not answer as it should: {first_line}", system=SYSTEM)


def _secrets(url: URL) -> list[str]:
    """The password in all its spellings, the longest first, so that none hides a part of another."""
    plain = [str(url.password or ""), *(str(url.query.get(name, "")) for name in _SECRET_QUERY)]
    spellings = {spelt for secret in plain for spelt in (secret, quote(secret), quote(secret, safe=""))}
    return sorted(spellings - {""}, key=len, reverse=True)
