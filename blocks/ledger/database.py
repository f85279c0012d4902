"""The ledger's database: its transactions, its time, and errors that say what happens next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL, Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from prefect_crm_erp.blocks.ledger.address import SYSTEM, safe_url, trouble
from prefect_crm_erp.blocks.ledger.engine import create_ledger_engine
from prefect_crm_erp.models.errors import TransientError

Clock = Callable[[], datetime]
Insert = sqlite.Insert | postgresql.Insert


class Database:
    """One engine and its transactions. May be used by several threads at once.

    Args:
        url: Address as `parse_url` gives it.
        clock: Tells the time instead of the database; for tests.
    """

    def __init__(self, url: URL, clock: Clock | None = None) -> None:
        self.url = url
        self.engine = create_ledger_engine(url)
        self._clock = clock

    def __enter__(self) -> Self:
        """The database itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Its address without the password."""
        return f"{type(self).__name__}({safe_url(self.url)!r})"

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that changes nothing.

        Raises:
            TransientError: The database does not answer.
        """
        with self._translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is stored as a whole when the block ends, or not at all when it raises.

        Raises:
            TransientError: The database does not answer.
        """
        with self._translated(), self.engine.execution_options(writes=True).begin() as connection:
            yield connection

    def now(self, connection: Connection) -> datetime:
        """The time that all users of the ledger share: the server's where there is one."""
        if self._clock:
            return self._clock()
        if connection.dialect.name == "sqlite":
            return datetime.now(UTC)
        time: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return time.astimezone(UTC)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise trouble(error, self.url) from None
        except StatementError as error:
            if isinstance(error.orig, ValueError):  # a value that a column refuses; see columns.py
                raise error.orig from None
            raise
        except PoolTimeoutError:
            raise TransientError("All connections to its database are in use", system=SYSTEM) from None


def insert(connection: Connection, table: type[Any]) -> Insert:
    """An INSERT of the connection's dialect, which can say what to do about rows that exist."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def execute_many(
    connection: Connection, statement: Insert, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Execute a statement once for each row, as `Connection.execute` does with a list of mappings.

    It prepares the rows column by column: to work out the parameters of each row anew takes longer than all else
    together. For the tables that have a row for each document of a large load.

    Args:
        connection: A connection that writes.
        statement: The statement.
        names: The columns.
        rows: Their values, one or more rows.
    """
    dialect = connection.dialect
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    given = dict(zip(names, zip(*rows, strict=True), strict=True))
    order = compiled.positiontup or list(compiled.binds)
    columns: list[Iterable[Any]] = []
    for name in order:
        bind = compiled.binds[name]
        stored = bind.type.dialect_impl(dialect).bind_processor(dialect)
        values = given.get(name) or [bind.value] * len(rows)
        columns.append(map(stored, values) if stored else values)
    prepared = zip(*columns, strict=True)
    by_position = list(prepared) if compiled.positional else [dict(zip(order, row, strict=True)) for row in prepared]
    connection.exec_driver_sql(compiled.string, by_position)
