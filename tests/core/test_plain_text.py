"""Texts of the data on their way out: wherever they are shown, they are read as they stand and do nothing."""

import re
from html import unescape
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from drawn import drawn
from tenure.core.logs import Log
from tenure.core.plain_text import for_chat, for_markdown, one_line
from tenure.reporting.figures import as_svg, new_axes

NASTY = st.text("\\`*_{}[]()<>#+-=!|~$&.:/@ \t\r\n\x1b\x07\u2028\"'1aüw▲", max_size=14) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "[x](http://x.org)",
        "![x](http://x.org/a.png)",
        "<!-- ",
        "&lt;b&gt;",
        "1. one",
        "--- |",
        "===",
        "# a",
    ]
)
ORDINARY = "count_orders_90d of Köln & Söhne, 50 % (+0.5 to -0.5): ▲ tea's"


@pytest.fixture(scope="module")
def markdown():
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


@given(text=NASTY)
@drawn(300)
def test_markdown_shows_a_text_as_it_stands_in_a_paragraph_a_list_and_a_table(markdown, text):
    safe = for_markdown(text)
    html = markdown.render(f"a\n{safe}\n\n- {safe}\n\n{safe} b\n\n| a | b |\n|---|---|\n| {safe} | c |\n")
    assert {*re.findall(r"<(\w+)", html)} <= {"p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
    assert html.count("<td") == 2 and html.count("<li>") == 1
    (shown,) = re.findall(r"<tbody>\s*<tr>\s*<td>(.*)</td>\s*<td>c</td>", html)
    assert unescape(shown).split() == one_line(text).split()


def test_markdown_leaves_an_ordinary_text_to_be_read_also_as_text():
    assert for_markdown(ORDINARY) == ORDINARY.replace("&", "&amp;")


def test_markdown_makes_no_link_of_a_bare_address():
    assert "://" not in for_markdown("see http://x.org") and "www." not in for_markdown("www.x.org")


def test_a_figure_shows_dollars_as_dollars_and_a_text_that_is_no_formula(tmp_path):
    figure, axes = new_axes(r"US$ \frac and $\unknown{$", "a\x07 $x^2$", ORDINARY)
    assert axes.get_title(loc="left") == r"US\$ \frac and \$\unknown{\$"
    ElementTree.fromstring(as_svg(figure))  # a formula that is none would have raised, a control sign is no XML
    figure, _ = new_axes("Value", "US$", "A$")
    assert as_svg(figure)


def test_a_log_line_moves_no_cursor_and_no_text_passes_for_a_line_of_its_own(capsys):
    Log().say("failed", "tenure: no column 'a\x1b[2J\x07\rb\ntenure: all is well'\n  - amount")
    assert capsys.readouterr().out == "tenure: no column 'a[2J b\n  tenure: all is well'\n  - amount\n"
    Log("json").say("failed", "", message="a\nb\x1b▲")
    assert '"message": "a\\nb\\u001b\\u25b2"' in capsys.readouterr().out


def test_a_chat_finds_no_call_to_all_and_no_link_and_a_message_stays_what_it_says():
    assert (
        for_chat("<!channel> @everyone [free](http://x.org) <b>") == "‹!channel› @ everyone [free] (http://x.org) ‹b›"
    )
    assert (
        for_chat("orders.csv: 3 rows; write to ann@allianz.de (see docs)")
        == "orders.csv: 3 rows; write to ann@allianz.de (see docs)"
    )
