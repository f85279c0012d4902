"""Laws of the database: opening migrates once, tables match their description, and errors keep secrets."""

from __future__ import annotations

import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from prefect.settings import PREFECT_HOME, temporary_settings
from pydantic import SecretStr

from prefect_crm_erp.blocks.ledger import Ledger, LedgerDatabase, schema
from prefect_crm_erp.blocks.ledger.address import parse_url, trouble
from prefect_crm_erp.models.errors import ConfigurationError, TransientError
from prefect_crm_erp.models.paging import Cursor

from .ledger_fixtures import PASSWORD, ROLE, Ledgers, PostgresServer

PLACE = Cursor(datetime(2026, 3, 1, tzinfo=UTC), "A")


def tables(database: LedgerDatabase) -> set[str]:
    return set(sa.inspect(database.engine).get_table_names())


def told(url: str) -> str:
    """Everything that an operator or a log may see of a ledger that cannot be opened."""
    block = Ledger(url=SecretStr(url))
    with pytest.raises(ConfigurationError) as refused:
        block.open()
    return f"{''.join(traceback.format_exception(refused.value))}\n{block!r}\n{block}"


def test_a_second_open_migrates_nothing(ledgers: Ledgers) -> None:
    url = ledgers.new_url()
    with ledgers.open(url) as first:
        first.for_integration("sandbox").advance("quotes", PLACE)
        assert not schema.migrate(first.engine, first.url)
    with ledgers.open(url) as second:
        assert second.for_integration("sandbox").watermark("quotes") == PLACE


def test_threads_that_open_a_new_ledger_at_once_all_get_it(ledgers: Ledgers) -> None:
    url = ledgers.new_url()
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: ledgers.open(url), range(6)))
    for database in opened:
        with database:
            assert database.for_integration("sandbox").runs() == []


def test_migrations_make_the_tables_that_the_code_describes_and_take_them_back(ledgers: Ledgers) -> None:
    with ledgers.open(ledgers.new_url()) as database:
        for _ in range(2):
            with database.writing() as connection:
                assert schema.drift(connection) == []
                schema.run(connection, "downgrade", "base")
            assert tables(database) == {schema.VERSION_TABLE}
            assert schema.migrate(database.engine, database.url)


def test_a_column_that_no_migration_makes_is_seen_as_drift(ledgers: Ledgers) -> None:
    with ledgers.open(ledgers.new_url()) as database, database.writing() as connection:
        connection.execute(sa.text("ALTER TABLE ledger_run ADD COLUMN forgotten INTEGER"))
        assert [change[0] for change in schema.drift(connection)] == ["remove_column"]


def test_a_ledger_shares_its_database_with_the_tables_of_others(ledgers: Ledgers) -> None:
    url = ledgers.new_url()
    with ledgers.open(url) as database:
        with database.writing() as connection:
            schema.run(connection, "downgrade", "base")
            connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
            connection.execute(sa.text("INSERT INTO alembic_version VALUES ('somebody else')"))
        assert schema.migrate(database.engine, database.url)
        with database.reading() as connection:
            assert schema.drift(connection) == []
            assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "somebody else"


def test_a_ledger_of_a_newer_version_is_left_alone(ledgers: Ledgers) -> None:
    url = ledgers.new_url()
    with ledgers.open(url) as database, database.writing() as connection:
        connection.execute(sa.text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    assert "newer version of prefect-crm-erp (revision 9999" in told(url)


def test_time_is_the_same_for_all_users_of_a_ledger(ledgers: Ledgers) -> None:
    with ledgers.open(ledgers.new_url()) as database, database.reading() as connection:
        now = database.now(connection)
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_lost_connection_is_replaced(postgres: PostgresServer) -> None:
    name = postgres.new_database()
    with Ledger(url=SecretStr(postgres.url(name))).open() as database:
        store = database.for_integration("sandbox")
        store.advance("quotes", PLACE)
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        assert store.watermark("quotes") == PLACE


def test_a_database_that_is_gone_is_trouble_for_a_while(postgres: PostgresServer) -> None:
    name = postgres.new_database()
    with Ledger(url=SecretStr(postgres.url(name))).open() as database:
        store = database.for_integration("sandbox")
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
        with pytest.raises(TransientError, match=f'Ledger: .* "{name}" does not exist'):
            store.watermark("quotes")


def test_the_operator_never_reads_the_password(postgres: PostgresServer) -> None:
    name = postgres.new_database()
    postgres.execute(f"GRANT ALL ON DATABASE {name} TO {ROLE}; ALTER DATABASE {name} OWNER TO {ROLE}")
    right, wrong = quote(PASSWORD, safe=""), "wr0ng%2Fs3cret"
    place = f"{name}?host={postgres.folder}"
    with Ledger(url=SecretStr(f"postgresql://{ROLE}:{right}@/{place}")).open() as database:
        assert PASSWORD not in repr(database)
        assert right not in repr(database.for_integration("sandbox"))
    attempts = {
        f"postgresql://{ROLE}:{wrong}@/{place}": "password authentication failed",
        f"postgresql+asyncpg://{ROLE}@/{place}&password={wrong}": "password authentication failed",
        f"postgresql://{ROLE}:{right}@/nowhere?host={postgres.folder}": "does not exist",
        f"postgresql://{ROLE}:{right}@127.0.0.1:1/{name}": "Connection refused",
        f"postgresql://{ROLE}:{right}@127.0.0.1:port/{name}": "percent-encoded",
        f"mysql://{ROLE}:{right}@localhost/{name}": "use SQLite or PostgreSQL",
        f"{ROLE}:{right}@localhost": "percent-encoded",
        f"postgresql://{ROLE}:{PASSWORD}@localhost/{name}": "percent-encoded",
        f"postgresql://{ROLE}:in@{wrong.replace('%2F', '')}@localhost/{name}": "percent-encoded",
    }
    for url, expected in attempts.items():
        message = told(url)
        assert expected in message
        assert not any(secret in message for secret in (PASSWORD, right, wrong, "wr0ng/s3cret", "s3cret", "ünsafe"))


@pytest.mark.parametrize("secret", [PASSWORD, quote(PASSWORD), quote(PASSWORD, safe="")])
def test_a_password_in_the_databases_own_words_is_hidden(secret: str) -> None:
    url = parse_url(f"postgresql://{ROLE}:{quote(PASSWORD, safe='')}@localhost/ledger")
    error = sa.exc.OperationalError("SELECT 1", {}, Exception(f"bad connection string password={secret}\nHINT: no"))
    assert trouble(error, url).message.endswith("answer as it should: bad connection string password=***")


def test_a_postgresql_ledger_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install 'prefect-crm-erp[postgresql]'" in told("postgresql://localhost/ledger")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_ledger_in_memory_is_refused(url: str) -> None:
    assert "A SQLite ledger is a file" in told(url)


def test_a_sqlite_file_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert "cannot be made" in told(f"sqlite:///{tmp_path}/file/ledger.db")
    assert "unable to open database file" in told(f"sqlite:///{tmp_path}")
    (tmp_path / "text.db").write_text("this is no database, whatever its name may say" * 100)
    assert "file is not a database" in told(f"sqlite:///{tmp_path}/text.db")


def test_the_default_ledger_is_a_file_in_prefects_home(tmp_path: Path) -> None:
    with temporary_settings({PREFECT_HOME: tmp_path}):
        for url in (None, SecretStr(" ")):
            with Ledger(url=url).open() as database:
                database.for_integration("sandbox").advance("quotes", PLACE)
    assert (tmp_path / "prefect-crm-erp" / "ledger.db").is_file()


def test_a_sqlite_path_may_start_at_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Ledger(url=SecretStr("sqlite:///~/state/ledger.db")).open().close()
    assert (tmp_path / "state" / "ledger.db").is_file()
