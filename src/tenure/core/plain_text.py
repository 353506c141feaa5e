"""Texts of the data on their way out: each place has signs of its own that would be more than text there."""

from __future__ import annotations

import re
from html import escape

_BREAK = re.compile("\r\n|[\t-\r\x1c-\x1e\x85\u2028\u2029]")
# What moves a cursor, colours a terminal, ends a line or turns the direction of reading; signs that join letters stay.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
# An underscore within a word is only a letter, and a minus before a number only a sign.
_MARKDOWN = re.compile(r"[\\`*\[\]#|~$]|(?<!\w)_|_(?!\w)|^\s*(?:[-+=]|\d+[.)])(?=[-=\s]|$)")
_ADDRESS = re.compile(r"(://|\bwww\.)", re.IGNORECASE)
_CALL = re.compile(r"@(?=(?:all|channel|everyone|here)\b)", re.IGNORECASE)


def one_line(text: str) -> str:
    r"""Write a text on one line: a blank for each line break and tab, no control characters.

    Examples
    --------
    >>> one_line("red\r\ntea \x1b[31m▲")
    'red tea [31m▲'
    """
    return _CONTROL.sub("", _BREAK.sub(" ", text))


def for_terminal(text: str) -> str:
    r"""Write a text of several lines without control characters; no line but the first begins at the margin.

    So no text of the data passes for a line of its own.

    Examples
    --------
    >>> for_terminal("failed:\n  - 'tea\x1b[2J\ntenure: done'")
    "failed:\n  - 'tea[2J\n  tenure: done'"
    """
    first, *others = text.split("\n")
    lines = [one_line(first), *(line if line[:1] in ("", " ") else f"  {line}" for line in map(one_line, others))]
    return "\n".join(lines)


def for_markdown(text: str) -> str:
    r"""Write a text in Markdown that reads as it is: no mark-up, HTML, link or table cell comes of it.

    Examples
    --------
    >>> print(for_markdown("count_orders_90d of tea|<b>*best*</b> http://x.org: -0.5"))
    count_orders_90d of tea\|&lt;b&gt;\*best\*&lt;/b&gt; http&#58;//x.org: -0.5
    """
    marked = _MARKDOWN.sub(lambda sign: f"{sign.group()[:-1]}\\{sign.group()[-1]}", escape(one_line(text), quote=False))
    return _ADDRESS.sub(lambda found: found.group().replace(":", "&#58;").replace(".", "&#46;"), marked)


def for_chat(text: str) -> str:
    """Write a message in which a chat finds neither a link, a call to all nor mark-up of its own.

    Examples
    --------
    >>> for_chat("<!channel> see [this](http://x.org), @here"), for_chat("2 < 3: mail ann@shop.org")
    ('‹!channel› see [this] (http://x.org), @ here', '2 ‹ 3: mail ann@shop.org')
    """
    return _CALL.sub("@ ", for_terminal(text).replace("<", "‹").replace(">", "›").replace("](", "] ("))


def for_figure(text: str) -> str:
    r"""Write a text of a figure: dollars are no signs of a formula.

    Examples
    --------
    >>> print(for_figure("US$ and A$"))
    US\$ and A\$
    """
    return one_line(text).replace("$", r"\$")
