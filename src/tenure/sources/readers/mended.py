"""A copy of delimited text that holds its readable records only: one line that cannot be read costs no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tenure.sources.readers.dialect import Dialect
from tenure.sources.readers.encodings import is_utf_8
from tenure.sources.readers.text_copy import Unreadable

LONGEST_CELL = 128 << 20
FLUSH_LINES = 20_000
NO_QUOTE = "a quote opens or closes where no cell begins or ends"


@dataclass
class Mended:
    """What mending came to: records written, those of them whose missing last cells are empty, the longest of them."""

    written: int = 0
    padded: int = 0
    longest: int = 0
    stopped: int = 0  # the line that ``stop`` names


@dataclass
class Mender:
    """Parts lines into records by a dialect. A record is one line, or more where a quoted cell has line breaks."""

    dialect: Dialect
    stop: str
    unreadable: Unreadable
    found: Mended = field(default_factory=Mended)

    def __post_init__(self) -> None:
        self.grammar, self.width = self.dialect.grammar, len(self.dialect.names)
        self._delimiter, self._quote = self.grammar.delimiter, self.grammar.quote
        self._stop = self.stop.encode()
        self._record = self.grammar.record(self.width)

    def write(self, blocks: Iterable[bytes], copy: Path) -> Mended:
        """Write the records of some blocks of whole lines, the header left out."""
        with copy.open("wb") as file:
            batch: list[bytes] = []
            for record in self._records(blocks):
                batch.append(record)
                self.found.longest = max(self.found.longest, len(record))
                if len(batch) == FLUSH_LINES:
                    file.write(b"\n".join(batch) + b"\n")
                    self.found.written += len(batch)
                    batch = []
            self.found.written += len(batch)
            if batch:
                file.write(b"\n".join(batch) + b"\n")
        return self.found

    def _records(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        width, quote, delimiter, footer = self.width, self._quote, self._delimiter, self.dialect.footer
        is_checked = self.dialect.encoding == "utf-8"
        feed, ahead = _numbered(blocks), deque[tuple[int, bytes]]()
        while line := ahead.popleft() if ahead else next(feed, None):
            number, text = line
            if number <= self.dialect.until:
                continue
            if footer and number >= footer:
                if text.strip():
                    self._set_aside(
                        number, text, 'a total or note below the table; name its first word with stop = "..."'
                    )
                continue
            if self._stop and self._begins_end(text):
                self.found.stopped = number
                return
            if text == self.dialect.header_line:
                self._set_aside(number, text, "the header again")
                continue
            is_record = (
                self._record.fullmatch if quote and quote in text else lambda line: line.count(delimiter) == width - 1
            )
            if b"\r" not in text and is_record(text):
                if text.strip() and (not is_checked or text.isascii() or is_utf_8(text)):
                    yield text
                    continue
                if not text.strip(b" \t"):
                    continue
            elif not text.strip():
                continue
            yield from self._judged(number, text, feed, ahead)

    def _begins_end(self, text: bytes) -> bool:
        """Say whether the first cell that is not empty begins as the line does at which reading ends."""
        if self._stop not in text:
            return False
        cells = self.grammar.cells(text) or []
        return next((cell for cell in cells if cell.strip()), "").strip().startswith(self.stop)

    def _judged(
        self, number: int, text: bytes, feed: Iterator[tuple[int, bytes]], ahead: deque[tuple[int, bytes]]
    ) -> Iterator[bytes]:
        """Yield the record that begins with a line, if there is one; else set that line aside."""
        record = text
        if self._quote and (is_open := self.grammar.walk(text, is_open=False)) is not False:
            whole = self._joined(text, feed, ahead) if is_open else None
            if whole is None:
                self._set_aside(number, text, NO_QUOTE)
                return
            record = whole
        if self.dialect.encoding == "utf-8" and not is_utf_8(record):
            self._set_aside(number, record, "not UTF-8")
            return
        raw = self.grammar.raw_cells(record) or []
        if len(raw) > self.width and not any(cell.strip() for cell in raw[self.width :]):
            raw = raw[: self.width]
        if len(raw) > self.width:
            self._set_aside(number, record, f"{len(raw):,} cells, expected {self.width:,}")
            return
        if len(raw) < self.width:
            cells, figures = self.grammar.cells(record) or [], self.dialect.figures
            is_cut = not self.dialect.is_ended and not ahead and self._is_last(feed, ahead)
            is_whole = figures.fit(cells) and figures.last < len(cells) if figures.shapes else len(cells) > 1
            if is_cut or not is_whole:
                self._set_aside(number, record, f"{len(raw):,} cells, expected {self.width:,}")
                return
            self.found.padded += 1
            raw += [b""] * (self.width - len(raw))
        yield self._delimiter.join(map(self._safe, raw))

    def _joined(self, text: bytes, feed: Iterator[tuple[int, bytes]], ahead: deque[tuple[int, bytes]]) -> bytes | None:
        """Return the record of several lines whose first is given; None, and nothing consumed, if it is none.

        It is none if its quote closes nowhere, or a line within it looks like a record itself: then a quote is missing.
        """
        taken: list[tuple[int, bytes]] = []
        size = len(text)
        is_open: bool | None = True
        opens_first = text.lstrip().startswith(self._quote) and text.count(self._delimiter) < self.width - 1
        while is_open and size < LONGEST_CELL:
            line = ahead.popleft() if ahead else next(feed, None)
            if line is None:
                break
            taken.append(line)
            size += len(line[1]) + 1
            walked = self.grammar.walk(line[1], is_open=True)
            is_open = bool(walked)
            # The last line of a first cell is followed by all others: it looks like a record, and is the end of one.
            if walked is None or (self._looks_whole(line[1]) and (is_open or not opens_first)):
                is_open = True
                break
        record = b"\n".join([text, *(line for _, line in taken)])
        cells = self.grammar.raw_cells(record) or ()
        # A delimiter at the end of each line makes one empty cell more.
        if is_open or len(cells) < self.width or any(cell.strip() for cell in cells[self.width :]):
            ahead.extendleft(reversed(taken))
            return None
        return record

    def _looks_whole(self, line: bytes) -> bool:
        if line.count(self._delimiter) < self.width - 1 or self.width == 1:
            return False
        # As the line would be read by itself, its stray quote taken for a letter.
        cells = self.grammar.cells(line) or [cell.decode("utf-8", "replace") for cell in line.split(self._delimiter)]
        if len(cells) != self.width:
            return False
        return self.dialect.figures.fit(cells) if self.dialect.figures.shapes else self.width > 2

    def _is_last(self, feed: Iterator[tuple[int, bytes]], ahead: deque[tuple[int, bytes]]) -> bool:
        following = next(feed, None)
        if following:
            ahead.append(following)
        return following is None

    def _safe(self, cell: bytes) -> bytes:
        """Return a cell as the engine reads it: a lone carriage return stands within quotes."""
        if b"\r" not in cell or not self._quote or cell.strip(b" ").startswith(self._quote):
            return cell.replace(b"\r", b" ") if b"\r" in cell else cell
        return self._quote + cell.replace(self._quote, self._quote * 2) + self._quote

    def _set_aside(self, number: int, text: bytes, error: str) -> None:
        self.unreadable.add(number, text.decode("utf-8", "replace"), error)


def _numbered(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    for block in blocks:
        for line in block.removesuffix(b"\n").split(b"\n"):
            number += 1
            yield number, line.removesuffix(b"\r")
