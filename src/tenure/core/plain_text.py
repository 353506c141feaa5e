"""Texts of the data on their way out: each place has signs of its own that would be more than text there."""

from __future__ import annotations

import re

_BREAK = re.compile("\r\n|[\t-\r\x1c-\x1e\x85\u2028\u2029]")
# What moves a cursor, colours a terminal, ends a line or turns the direction of reading; signs that join letters stay.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")


def one_line(text: str) -> str:
    r"""Write a text on one line: a blank for each line break and tab, no control characters.

    Examples
    --------
    >>> one_line("red\r\ntea \x1b[31m▲")
    'red tea [31m▲'
    """
    return _CONTROL.sub("", _BREAK.sub(" ", text))
