"""How a line of delimited text parts into cells: a quote counts only where a cell begins and ends with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Grammar:
    """A delimiter and a quote character (none: empty), as bytes in UTF-8."""

    delimiter: bytes
    quote: bytes

    @cached_property
    def _cell(self) -> re.Pattern[bytes]:
        return re.compile(rb"%b|%b" % (self._quoted, self._bare) if self.quote else self._bare, re.DOTALL)

    @cached_property
    def _bare(self) -> bytes:
        d, q = re.escape(self.delimiter), re.escape(self.quote)
        unquoted = rb"(?! *%b)" % q if q else b""
        return unquoted + (rb"[^%b]*+" % d if len(self.delimiter) == 1 else rb"(?:(?!%b).)*+" % d)

    @cached_property
    def _quoted(self) -> bytes:
        return rb" *+%b(?:[^%b]++|%b)*+%b *+(?=%b|\Z)" % self._parts

    @cached_property
    def _parts(self) -> tuple[bytes, ...]:
        q = re.escape(self.quote)
        return q, q, q + q, q, re.escape(self.delimiter)

    @cached_property
    def _opening(self) -> re.Pattern[bytes]:
        return re.compile(rb" *+%b(?:[^%b]++|%b)*+\Z" % self._parts[:3], re.DOTALL)

    @cached_property
    def _inside(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:[^%b]++|%b)*+" % self._parts[1:3], re.DOTALL)

    @cached_property
    def _closing(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:[^%b]++|%b)*+%b *+(?=%b|\Z)" % self._parts[1:], re.DOTALL)

    def record(self, width: int) -> re.Pattern[bytes]:
        """Return what matches a line that is a record by itself."""
        # Thousands of cells are looked at one by one.
        cell = rb"(?:%b)" % self._cell.pattern
        return re.compile(rb"%b(?:%b%b){%d}" % (cell, re.escape(self.delimiter), cell, width - 1), re.DOTALL)

    def raw_cells(self, record: bytes) -> list[bytes] | None:
        """Part a record into cells as they are written; None if a quote stands where none may."""
        if not self.quote or self.quote not in record:
            return record.split(self.delimiter)
        cells, at = [], 0
        while found := self._cell.match(record, at):
            cells.append(found[0])
            at = found.end()
            if at == len(record):
                return cells
            at += len(self.delimiter)
        return None

    def cells(self, record: bytes) -> list[str] | None:
        """Part a record into the texts of its cells."""
        raw = self.raw_cells(record)
        return None if raw is None else [self._text(cell) for cell in raw]

    def _text(self, raw: bytes) -> str:
        if self.quote and (stripped := raw.strip(b" ")).startswith(self.quote):
            raw = stripped[len(self.quote) : -len(self.quote)].replace(self.quote * 2, self.quote)
        return raw.decode("utf-8", "replace")

    def walk(self, line: bytes, *, is_open: bool) -> bool | None:
        """Read a line, from within a quoted cell or not, and say whether one is open at its end; None: malformed."""
        at = 0
        if is_open:
            if self._inside.fullmatch(line):
                return True
            if not (closed := self._closing.match(line)):
                return None
            at = closed.end()
            if at == len(line):
                return False
            at += len(self.delimiter)
        while found := self._cell.match(line, at):
            at = found.end()
            if at == len(line):
                return False
            at += len(self.delimiter)
        return True if self._opening.match(line, at) else None
