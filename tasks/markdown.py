"""Markdown that untrusted text cannot break, and that both of Prefect's user interfaces show alike.

Prefect's first user interface neither wraps the cells of a table nor shows where one goes on, and shows the label of
a link as it is written, escapes included. So long texts are wrapped here, and a label that would need escapes stands
before its link.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence
from decimal import Decimal
from urllib.parse import quote

NAME_WIDTH = 44
"""Characters of a name in one line."""
SENTENCE_WIDTH = 54
"""Characters of a sentence in one line: two columns and an amount fit a small screen."""

_MARKUP = re.compile(r"[\\`*_\[\]|<>#~]|&(?=#?\w+;)")
_REORDERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_NEW_LINE = "<br>"


def text(value: str | None, width: int | None = None) -> str:
    """Untrusted text for a paragraph or for a cell of a table: no markup, no new cells, no line ends of its own.

    Args:
        value: The text.
        width: Characters after which a line ends; None for one line.

    Example:
        >>> print(text("a|b <script>"))
        a\\|b \\<script\\>
    """
    return _NEW_LINE.join(_escaped(line) for line in _lines(value, width))


def link(label: str, url: str | None, width: int | None = None) -> str:
    """A link, or the bare label when there is no address on the web.

    Args:
        label: Untrusted text.
        url: Where it leads.
        width: Characters after which a line of the label ends; None for one line.

    Example:
        >>> print(link("Deal 7", "https://crm.example.com/006"))
        [Deal 7](https://crm.example.com/006)
    """
    shown = text(label, width)
    if not url or not url.startswith(("https://", "http://")):
        return shown
    address = quote(url, safe=":/?#@!$&'*+,;=%")
    lines = _lines(label, width)
    if any(_MARKUP.search(line) for line in lines) or not shown:
        return f"{shown} [↗]({address})".strip()
    return _NEW_LINE.join(f"[{line}]({address})" for line in lines)


def amount(value: Decimal | None, currency: str | None) -> str:
    """An amount with its currency, in one line."""
    return "" if value is None else f"{value:,}\N{NO-BREAK SPACE}{currency or ''}".strip()


def stacked(*parts: str) -> str:
    """Cells, one above the other in one; empty ones are left out."""
    return _NEW_LINE.join(part for part in parts if part)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """A table of cells that are Markdown already.

    Args:
        head: Titles of the columns.
        rows: Cells, as many in a row as there are titles.
        right: Positions of the columns that stand at the right: numbers and amounts.
    """
    rule = ["---:" if position in right else "---" for position in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _lines(value: str | None, width: int | None) -> list[str]:
    line = " ".join((value or "").translate(_REORDERING).split())
    return textwrap.wrap(line, width, break_on_hyphens=False) if width else [line]


def _escaped(line: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", line)
