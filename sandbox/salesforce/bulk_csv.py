"""CSV of bulk jobs: what clients upload, and what results look like."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
NULL = "#N/A"
_LARGEST_CELL = 256 * 1024


class UnreadableUpload(ValueError):
    """An upload that makes the whole job fail."""


@dataclass(frozen=True)
class CsvFormat:
    """How a job's CSV is written.

    Args:
        column_delimiter: One of `DELIMITERS`.
        line_ending: One of `LINE_ENDINGS`.
    """

    column_delimiter: str = "COMMA"
    line_ending: str = "LF"

    def __post_init__(self) -> None:
        for value, allowed in ((self.column_delimiter, DELIMITERS), (self.line_ending, LINE_ENDINGS)):
            if value not in allowed:
                raise ValueError(f"{value} is not one of {', '.join(allowed)}")

    def parse(self, content: bytes) -> tuple[list[str], list[list[str]]]:
        """Header and rows of an upload.

        Raises:
            UnreadableUpload: It is not UTF-8, not CSV, or its lines do not end as announced.
        """
        text = self._decoded(content)
        csv.field_size_limit(_LARGEST_CELL)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[self.column_delimiter], strict=True)
        try:
            header, *rows = [row for row in reader if row] or [[]]
        except csv.Error as error:
            raise UnreadableUpload(f"ClientInputError : Failed to parse CSV: {error}") from None
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                counts = f"row {number} has {len(row)} columns, the header {len(header)}"
                raise UnreadableUpload(f"InvalidBatch : The number of columns differs: {counts}")
        return header, rows

    def _decoded(self, content: bytes) -> str:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UnreadableUpload("ClientInputError : The data is not encoded in UTF-8") from None
        first_line = text[: text.find("\n") + 1]
        if first_line and first_line.endswith("\r\n") != (self.line_ending == "CRLF"):
            message = f"LineEnding is invalid on user data. Current LineEnding setting is {self.line_ending}"
            raise UnreadableUpload(f"ClientInputError : {message}")
        return text

    def write(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
        """CSV with every cell in quotes, as Salesforce's results have it."""
        file = io.StringIO(newline="")
        writer = csv.writer(
            file,
            delimiter=DELIMITERS[self.column_delimiter],
            lineterminator=LINE_ENDINGS[self.line_ending],
            quoting=csv.QUOTE_ALL,
        )
        writer.writerow(header)
        writer.writerows(rows)
        return file.getvalue().encode()


def row_values(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """The fields of an uploaded row: empty cells are left alone, `#N/A` clears, `Account.ERP_Id__c` names a parent.

    Example:
        >>> row_values(["Name", "Site", "Phone", "Parent.ERP_Id__c"], ["Acme", "", "#N/A", "C-1"])
        {'Name': 'Acme', 'Phone': None, 'Parent': {'ERP_Id__c': 'C-1'}}
    """
    values: dict[str, Any] = {}
    for column, cell in zip(header, row, strict=True):
        if cell == "":
            continue
        relationship, dot, key = column.partition(".")
        value = None if cell == NULL else cell
        # A polymorphic lookup names the parent's type in front: `User:Owner.Username`.
        name = relationship.rpartition(":")[2]
        values[name] = {key: value} if dot and value is not None else value
    return values


def cell(value: Any) -> str:
    """A value of a query result as Bulk API writes it: times end in `Z` here."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)
