"""Files of orders: found in the folder that an administrator has set, read line by line, and grouped to orders."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from prefect_crm_erp.blocks.policies import OrderEntryPolicy
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import chunks, is_salesforce_id, salesforce_id
from prefect_crm_erp.models.order_files import (
    BadLineError,
    CsvForm,
    OrderLineOfFile,
    RefusedFileError,
    read_json,
    read_line,
    shown,
)

MOST_LINES = 1000
"""Lines of one order."""
_LINE_BYTES = 64 * 1024
_LINES_PER_INSERT = 1000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"
_CSV = frozenset({".csv", ".txt"})
_JSON = frozenset({".jsonl", ".ndjson", ".json"})
_SAYS_DELIMITER = "sep="

_TABLE = "create table line (number integer primary key, owner text, content text)"
_INDEX = "create index of_order on line (owner, number)"
_ORDERS = "select owner, min(number), max(number), count(*) from line group by owner order by min(number)"


# -------------------------------------------------------------------- finding


def named_files(policy: OrderEntryPolicy, files: Sequence[str]) -> list[str]:
    """The names of the files that are meant, each once: a name with * or ? stands for all that fit it.

    Args:
        policy: Says which folder.
        files: Names within the folder.

    Raises:
        ConfigurationError: No folder is set, or it is not there.
    """
    folder = _folder(policy)
    found: dict[str, None] = {}
    for name in (each.strip() for each in files):
        if "*" in name or "?" in name:
            found |= dict.fromkeys(sorted(each.name for each in folder.iterdir() if _fits(each, name)))
        elif name:
            found[name] = None
    return list(found)


def _folder(policy: OrderEntryPolicy) -> Path:
    if policy.batch_folder is None:
        raise ConfigurationError("The order entry policy names no folder of batch files; an administrator sets it")
    if not policy.batch_folder.is_dir():
        raise ConfigurationError(f"The folder of batch files {str(policy.batch_folder)!r} is not there")
    return policy.batch_folder.resolve()


def _fits(path: Path, pattern: str) -> bool:
    return path.match(pattern) and path.suffix.lower() in _CSV | _JSON and path.is_file()


def open_file(policy: OrderEntryPolicy, name: str) -> BinaryIO:
    """Open a file of the folder for reading.

    Args:
        policy: Says which folder, and how large a file may be.
        name: Name within the folder.

    Raises:
        ConfigurationError: No folder is set, or it is not there.
        RefusedFileError: It is not there, not within the folder, no plain file, too large or empty.
    """
    folder = _folder(policy)
    try:
        path = (folder / name).resolve()
    except (OSError, RuntimeError, ValueError):
        raise RefusedFileError("There is no such file in the folder of batch files") from None
    if not path.is_relative_to(folder):
        raise RefusedFileError("It lies outside of the folder of batch files")
    if path.suffix.lower() not in _CSV | _JSON:
        raise RefusedFileError(f"Its name ends with none of {', '.join(sorted(_CSV | _JSON))}")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        raise RefusedFileError("There is no such file in the folder of batch files, or it may not be read") from None
    try:
        _require_fit(os.fstat(handle), policy)
    except RefusedFileError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def _require_fit(about: os.stat_result, policy: OrderEntryPolicy) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise RefusedFileError("It is no plain file")
    if about.st_size > policy.batch_megabytes * 1_000_000:
        raise RefusedFileError(f"It has more than the {policy.batch_megabytes} MB that the order entry policy allows")
    if about.st_size == 0:
        raise RefusedFileError("It is empty")


# -------------------------------------------------------------------- reading


def read_lines(file: BinaryIO, name: str) -> Iterator[OrderLineOfFile]:
    """The lines of a file with what is wrong with each, one by one; blank lines are left out.

    Raises:
        RefusedFileError: The file is UTF-16, or its header cannot be used.
    """
    mark = file.read(3)
    if mark[:2] in _UTF16:
        raise RefusedFileError("It is UTF-16 (“Unicode text”); save it as CSV UTF-8")
    file.seek(3 if mark == _UTF8_MARK else 0)
    lines = _texts(file)
    form = _header(lines) if Path(name).suffix.lower() in _CSV else None
    for number, text in lines:
        try:
            cells = _cells_of(form, text)
        except BadLineError as error:
            yield OrderLineOfFile(number, problems=[str(error)])
            continue
        if cells:
            yield read_line(number, cells, decimal_comma=bool(form and form.has_decimal_commas))


def _cells_of(form: CsvForm | None, text: str | None) -> dict[str, str]:
    if text is None:
        raise BadLineError(f"it has more than {_LINE_BYTES // 1024} KiB")
    return form.read(text) if form else read_json(text)


def _texts(file: BinaryIO) -> Iterator[tuple[int, str | None]]:
    """Number and text of each line; None for one that is too long. What is not UTF-8 is kept as half surrogates."""
    number = 0
    while raw := file.readline(_LINE_BYTES):
        number += 1
        if len(raw) == _LINE_BYTES and not raw.endswith(b"\n"):
            while (rest := file.readline(_LINE_BYTES)) and not rest.endswith(b"\n"):
                continue
            yield number, None
        else:
            yield number, raw.decode("utf-8", errors="surrogateescape")


def _header(lines: Iterator[tuple[int, str | None]]) -> CsvForm:
    _, header = next(lines, (0, None))
    delimiter = None
    if header and header.lower().startswith(_SAYS_DELIMITER) and len(header.strip()) > len(_SAYS_DELIMITER):
        delimiter = header[len(_SAYS_DELIMITER)]
        _, header = next(lines, (0, None))
    if not header or any("\udc80" <= char <= "\udcff" for char in header):
        raise RefusedFileError("Its first line is no header in UTF-8; save it as CSV UTF-8")
    return CsvForm.of_header(header, delimiter)


# -------------------------------------------------------------------- grouping


@dataclass(frozen=True, slots=True)
class OrderOfFile:
    """The lines of one order.

    Attributes:
        lines: In the order of the file. Without values where a line cannot be told to belong to an order.
        problems: What is wrong with it, as sentences that name lines; empty when nothing is.
    """

    lines: tuple[OrderLineOfFile, ...]
    problems: tuple[str, ...]

    @property
    def head(self) -> OrderLineOfFile:
        """The first line, which names representative, account and reference."""
        return self.lines[0]

    @property
    def place(self) -> str:
        """Where it stands in the file."""
        first, last = self.lines[0].number, self.lines[-1].number
        return f"line {first}" if first == last else f"lines {first}–{last}"


class StagedFile:
    """The lines of a file in a temporary database, which the system removes: memory does not grow with the file.

    Args:
        lines: The lines of the file.
    """

    def __init__(self, lines: Iterator[OrderLineOfFile]) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for statement in ("pragma journal_mode = off", "pragma synchronous = off", _TABLE, "begin"):
            self._database.execute(statement)
        self.count = 0
        """Lines that are not blank."""
        for some in chunks(lines, _LINES_PER_INSERT):
            rows = [(each.number, _owner(each), _packed(each)) for each in some]
            self._database.executemany("insert into line values (?, ?, ?)", rows)
            self.count += len(rows)
        self._database.execute(_INDEX)

    def orders(self) -> Iterator[OrderOfFile]:
        """The orders, in the order of their first lines."""
        for owner, first, last, count in self._database.execute(_ORDERS):
            if count > MOST_LINES:
                lines = [self._line(first), self._line(last)]
                yield OrderOfFile(tuple(lines), (f"It has {count:,} lines; an order has {MOST_LINES:,} at most",))
            else:
                found = self._database.execute("select content from line where owner = ? order by number", (owner,))
                yield _order([_unpacked(content) for (content,) in found])

    def _line(self, number: int) -> OrderLineOfFile:
        ((content,),) = self._database.execute("select content from line where number = ?", (number,))
        return _unpacked(content)

    def close(self) -> None:
        """Forget the lines."""
        self._database.close()


def _owner(line: OrderLineOfFile) -> str:
    """What tells the order of a line: its representative and reference; the line itself when it lacks one."""
    named = [line.values.get(name) for name in ("representative", "order reference")]
    return json.dumps([name.casefold() for name in named if name] if all(named) else line.number)


def _packed(line: OrderLineOfFile) -> str:
    return json.dumps([line.number, line.values, line.facts, line.problems])


def _unpacked(content: str) -> OrderLineOfFile:
    return OrderLineOfFile(*json.loads(content))


_SAME = ("account", "order date", "currency", "customer reference")


def _order(lines: Sequence[OrderLineOfFile]) -> OrderOfFile:
    problems = [f"Line {line.number}: {'; '.join(line.problems)}" for line in lines if line.problems]
    return OrderOfFile(tuple(lines), (*problems, *_contradictions(lines)))


def _contradictions(lines: Sequence[OrderLineOfFile]) -> Iterator[str]:
    """An order has one account, date, currency and customer reference; lines after the first may leave them out."""
    head = lines[0]
    for line in lines[1:]:
        for name in _SAME:
            said, first = line.values.get(name), head.values.get(name)
            if said and _compared(said) != _compared(first or ""):
                names = shown(first) if first else f"no {name}"
                yield f"Line {line.number}: the {name} {shown(said)} is another than line {head.number}'s, {names}"


def _compared(text: str) -> str:
    """A value as it is compared: an id of 15 characters is the one of 18."""
    return salesforce_id(text) if is_salesforce_id(text) else text.casefold()
