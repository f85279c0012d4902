"""Texts of the CRM and the ERP in Markdown: a parser written by others reads what they were, and nothing more."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from prefect_crm_erp.tasks.markdown import amount, link, stacked, table, text

PARSER = MarkdownIt("gfm-like", {"linkify": False})
NASTY = st.text(alphabet=st.sampled_from("a 1|\\`*_[]()<>!#~&;:/\n\t-+=.'\"😀é")) | st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cf"))
)


def cells(markdown: str) -> list[list[Token]]:
    """What the parser makes of a table's first row: the inline tokens of each cell."""
    tokens = PARSER.parse(markdown)
    body = next(index for index, token in enumerate(tokens) if token.type == "tbody_open")
    return [list(token.children or ()) for token in tokens[body:] if token.type == "inline"]


def plain(tokens: list[Token]) -> str:
    """The text that a reader sees."""
    assert {token.type for token in tokens} <= {"text", "text_special"}
    return "".join(token.content for token in tokens)


@given(NASTY)
@example("O'Brien \\ 100% | <script>alert(1)</script>")
@example("&lt;b&gt; &copy; &#38; A&B")
@example("![x](http://evil.example/x.png) [y](javascript:alert(1)) `z` ~~s~~ **b**")
def test_text_of_the_crm_stays_in_its_cell_and_shows_as_it_is(value: str) -> None:
    first, second = cells(table(("A", "B"), [[text(value), "end"]]))
    assert plain(first) == " ".join(value.split())
    assert plain(second) == "end"


@given(NASTY, NASTY)
def test_a_link_leads_where_it_should_whatever_its_label(label: str, path: str) -> None:
    (tokens,) = cells(table(("A",), [[link(label, f"https://crm.example.com/{path}")]]))
    (opened,) = [token for token in tokens if token.type == "link_open"]
    assert str(opened.attrs["href"]).startswith("https://crm.example.com/")
    shown = "".join(token.content for token in tokens if token.type.startswith("text"))
    assert shown.removesuffix("↗").strip() == " ".join(label.split())


def test_a_label_with_markup_stands_before_its_link() -> None:
    assert link("Deal 7", "http://crm/006 (a)") == "[Deal 7](http://crm/006%20%28a%29)"
    assert link("Deal [7]", "http://crm/006") == r"Deal \[7\] [↗](http://crm/006)"
    assert link("Deal", None) == "Deal"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "file:///etc/passwd"])
def test_only_addresses_of_the_web_become_links(url: str) -> None:
    assert link("Deal", url) == "Deal"


def test_text_that_reorders_its_surroundings_does_not() -> None:
    assert text("invoice\u202egpj.exe") == "invoicegpj.exe"


@given(st.text(alphabet="ab ", min_size=1, max_size=300))
def test_long_texts_are_wrapped_and_lose_nothing(value: str) -> None:
    lines = text(value, 20).split("<br>")
    assert all(len(line) <= 20 for line in lines)
    assert "".join("".join(lines).split()) == "".join(value.split())


def test_amounts_show_their_currency_in_one_line() -> None:
    assert amount(Decimal("1234567.80"), "EUR") == "1,234,567.80\u00a0EUR"
    assert amount(None, "EUR") == ""
    assert stacked("a", "", "b") == "a<br>b"
