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


def plain_lines(text: str) -> str:
    """Write each line of a text as ``one_line`` does."""
    return "\n".join(map(one_line, text.split("\n")))


def for_log(text: str) -> str:
    """Write a message of which only the first line begins at the margin: no text of the data passes for another."""
    return re.sub(r"\n(?=[^ \n])", "\n  ", plain_lines(text))


def for_markdown(text: str) -> str:
    r"""Write a text in Markdown that reads as it is: no mark-up, HTML, link or table cell comes of it.

    Examples
    --------
    >>> print(for_markdown("count_orders_90d of tea|<b>*best*</b> http://x.org: -0.5"))
    count_orders_90d of tea\|&lt;b&gt;\*best\*&lt;/b&gt; http&#58;//x.org: -0.5
    """
    plain = escape(re.sub(r"^\s+", " ", one_line(text)), quote=False)  # four blanks would begin code
    marked = _MARKDOWN.sub(lambda sign: f"{sign.group()[:-1]}\\{sign.group()[-1]}", plain)
    return _ADDRESS.sub(lambda found: found.group().replace(":", "&#58;").replace(".", "&#46;"), marked)


def for_chat(text: str) -> str:
    """Write a message in which a chat finds no hidden link, no call to all and no mark-up of its own."""
    return _CALL.sub("@ ", for_log(text).replace("<", "‹").replace(">", "›").replace("](", "] ("))


def for_figure(text: str) -> str:
    """Write a text of a figure, in which dollars are no signs of a formula."""
    return one_line(text).replace("$", r"\$")
