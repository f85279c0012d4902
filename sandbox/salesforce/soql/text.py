"""How Salesforce compares text: without regard to case, and by LIKE patterns."""

from __future__ import annotations

import re
from collections.abc import Callable

from prefect_crm_erp.sandbox.salesforce.soql import ast


def fold(text: str) -> str:
    """The form under which two texts are equal."""
    return text.lower()


def collation_key(text: str) -> str:
    """The form in whose order texts sort: English locales sort by the upper-case letters."""
    return text.upper()


def like_matcher(pattern: ast.Text, *, case_sensitive: bool = False) -> Callable[[str], object]:
    """A test whether a text fits a LIKE pattern; the text must be folded unless the field is case-sensitive.

    Example:
        >>> bool(like_matcher(ast.Text("AC_E%"))("acme ltd"))
        True
    """
    value = pattern.value if case_sensitive else fold(pattern.value)
    return re.compile(_expression(value, frozenset(pattern.escaped)), re.DOTALL).fullmatch


def _expression(value: str, escaped: frozenset[int]) -> str:
    """The pattern as a regular expression that never backtracks over an earlier `%`, so that no pattern is slow."""
    segments = [""]
    for position, character in enumerate(value):
        wild = character in "%_" and position not in escaped
        if wild and character == "%":
            segments.append("")
        else:
            segments[-1] += "." if wild else re.escape(character)
    first, *others = segments
    if not others:
        return first
    middle = "".join(f"(?>.*?{segment})" for segment in others[:-1] if segment)
    return f"{first}{middle}.*{others[-1]}"
