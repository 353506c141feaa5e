"""The dialect of delimited text by the evidence of the whole file: encoding, delimiter, quote, header, what is below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tenure.core.errors import DataContractError
from tenure.sources.readers.encodings import MARKS, blocks, is_utf_8, likely_encoding
from tenure.sources.readers.grammar import Grammar
from tenure.sources.readers.layout import LONGEST_FOOTER, Figures, Row, find_header, names_of
from tenure.sources.readers.reader import RawTable

DELIMITERS = (",", ";", "\t", "|")
NO_DELIMITER = "\x1f"  # of a file with one column
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
UTF_8 = ("utf-8", "utf8", "utf-8-sig", "utf_8")
HEAD_LINES, SAMPLE_ROWS, SAMPLE_LINES, BLOCK_LINES, TAIL_BYTES = 60, 2_000, 3_000, 60, 64 << 10
FIRST_BYTES = 1 << 20
LONGEST_OPEN = 1_000  # lines of a cell among the first ones


@dataclass(frozen=True)
class Dialect:
    """How a file of delimited text is read: nothing of it is left to guess.

    ``header`` is the line of the column names, which may stand in it twice (``repeated``); it goes on ``until`` another
    where a name has a line break. ``footer``: the first line below the table, 0 for none. ``rows``: lines with a record each, if no cell holds a line break. ``is_plain``: the
    engine can read the file as it lies.
    """

    encoding: str
    delimiter: str
    quote: str
    names: tuple[str, ...]
    repeated: tuple[str, ...]
    header: int
    until: int
    footer: int
    rows: int
    longest: int
    header_line: bytes
    has_returns: bool
    is_plain: bool
    is_ended: bool  # with the end of a line, as whole files are
    figures: Figures

    @property
    def grammar(self) -> Grammar:
        return Grammar(self.delimiter.encode(), self.quote.encode())

    @property
    def said(self) -> str:
        mark = f"{NAMES.get(self.delimiter, repr(self.delimiter))} between cells"
        parts = "one column" if self.delimiter == NO_DELIMITER else mark
        quote = f", quoted with {self.quote}" if self.quote else ", no quotes"
        return f"read as {self.encoding}, {parts}{quote}, names of {len(self.names):,} columns in line {self.header:,}"


@dataclass
class Evidence:
    """What was seen of a file from its first byte to its last."""

    first: bytes = b""  # of the file: a block or two
    sample: list[bytes] = field(default_factory=list)
    tail: bytes = b""
    lines: int = 0
    blank: int = 0
    longest: int = 0
    returns: int = 0  # lines that end in a carriage return and a line feed
    lone_returns: int = 0
    foreign: int = 0  # lines with letters beyond ASCII, in UTF-8
    broken: int = 0  # lines that are not UTF-8
    first_broken: int = 0
    broken_lines: list[bytes] = field(default_factory=list)
    has_nul: bool = False
    is_ended: bool = True

    def see(self, block: bytes) -> None:
        if len(self.first) < FIRST_BYTES:
            self.first += block
        else:
            self.sample += block.split(b"\n", BLOCK_LINES)[:BLOCK_LINES]
        if len(self.sample) > 2 * SAMPLE_LINES:
            self.sample = self.sample[::2]
        self.tail = (self.tail + block)[-TAIL_BYTES:]
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10)
        self.is_ended = block.endswith(b"\n")
        lengths = np.diff(ends, prepend=-1)
        last = len(block) - (int(ends[-1]) + 1 if len(ends) else 0)
        self.longest = max(self.longest, int(lengths.max(initial=0)), last)
        returned = block.count(b"\r\n")
        self.returns += returned
        self.lone_returns += block.count(b"\r") - returned
        self.blank += int((lengths == (2 if returned else 1)).sum())
        self.has_nul |= b"\0" in block
        if not block.isascii():
            self._judge(block)
        self.lines += len(ends) + bool(last)

    def _judge(self, block: bytes) -> None:
        try:
            self.foreign += len(block.decode()) < len(block)
        except UnicodeDecodeError:
            for number, line in enumerate(block.split(b"\n"), self.lines + 1):
                if not line.isascii() and is_utf_8(line):
                    self.foreign += 1
                elif not line.isascii():
                    self.broken += 1
                    self.first_broken = self.first_broken or number
                    if len(self.broken_lines) < 1_000:
                        self.broken_lines.append(line[:2_000])


def find_dialect(raw: RawTable) -> Dialect:
    """Read a file once and find out how its records are written; what ``[raw."<file>"]`` says is taken as it is.

    Raises
    ------
    DataContractError : an encoding other than UTF-8, a header that is not in the first line or is none: says what to
        write into ``source.toml``.
    """
    where = f'[raw."{raw.reference.partition("#")[0]}"]'
    seen = Evidence()
    encoding = "utf-8" if raw.encoding.lower() in UTF_8 else raw.encoding or _marked(raw, where)
    for block in blocks(raw.path, encoding, raw.reference):
        seen.see(block)
    if seen.has_nul and not raw.encoding:
        _refuse_nul(raw, where, seen)
    if encoding == "utf-8" and seen.broken and seen.broken * 10 > seen.foreign:
        _refuse_broken(raw, where, seen)
    lines = [line.removesuffix(b"\r") for line in seen.first.removesuffix(b"\n").split(b"\n")]
    skip = min(raw.skip or 0, len(lines))
    first = next((line for line in lines[skip:] if line.strip()), b"")
    if not first:
        raise DataContractError(f"{raw.reference}: holds no rows: it is empty{f' below line {skip}' if skip else ''}.")
    quote = raw.quote or _quote(first)
    delimiter = raw.delimiter or _delimiter(lines[skip:], quote)
    grammar = Grammar(delimiter.encode(), quote.encode())
    rows = _rows(lines, skip, grammar)
    body = [row.cells for row in rows[1:] if row.cells]
    if raw.skip is None:
        header = find_header(rows[:HEAD_LINES], body, raw.reference, where)
    else:
        header = rows[0]
    names, repeated = names_of(header.cells)
    below = [row.cells for row in rows if row.line > header.line and row.cells]
    full = [cells for cells in below if len(cells) == len(names)]
    below = full if 2 * len(full) > len(below) else below
    below = below[: max(3, 2 * len(below) // 3)]  # the last ones may be a footer
    later = [cells for line in seen.sample if (cells := grammar.cells(line)) is not None]
    below += [cells for cells in later if len(cells) == len(names)]
    figures = Figures.of(below, 0.9)
    footer = 0 if raw.stop or len(below) < 3 else _footer(seen, grammar, figures, header.line)
    blank_above = sum(not line for line in lines[: header.until])
    is_plain = (
        encoding == "utf-8" and not (footer or raw.stop or seen.broken or seen.lone_returns)
        and seen.returns in (0, seen.lines, seen.lines - 1)
        and not (len(names) == 1 and seen.blank) and header.until == header.line
        and not (quote and quote.encode() in b"".join(lines[: header.line - 1]))
    )  # fmt: skip
    return Dialect(
        encoding, delimiter, quote, names, repeated, header.line, header.until, footer,
        rows=seen.lines - header.until - seen.blank + blank_above, longest=seen.longest,
        has_returns=seen.returns > 0, header_line=lines[header.line - 1], is_plain=is_plain,
        is_ended=seen.is_ended or seen.lines < 3, figures=figures,
    )  # fmt: skip


def _marked(raw: RawTable, where: str) -> str:
    with raw.path.open("rb") as file:
        begin = file.read(4)
    marked = next((encoding for mark, encoding in MARKS.items() if begin.startswith(mark)), "utf-8")
    if marked != "utf-8":
        raise DataContractError(
            f"{raw.reference}: written in UTF-16, as its first bytes say. Expected UTF-8, or the encoding said: write "
            f'{where} encoding = "utf-16".'
        )
    return marked


def _refuse_nul(raw: RawTable, where: str, seen: Evidence) -> None:
    line = next(line for line in [*seen.first.split(b"\n"), *seen.sample, b"\0"] if b"\0" in line)
    if line.count(b"\0") * 3 > len(line):
        order = "be" if line.startswith(b"\0") else "le"
        raise DataContractError(
            f"{raw.reference}: half of its bytes are zero, as in UTF-16. Expected UTF-8, or the encoding said: write "
            f'{where} encoding = "utf-16-{order}".'
        )


def _refuse_broken(raw: RawTable, where: str, seen: Evidence) -> None:
    likely = likely_encoding(b"\n".join(seen.broken_lines))
    example = seen.broken_lines[0].decode(likely, "replace").strip()[:80]
    raise DataContractError(
        f"{raw.reference}: {seen.broken:,} lines of {raw.path.name} are not UTF-8 (first: line {seen.first_broken:,}). "
        f"Expected UTF-8, or the encoding said: {likely} is likely, in which that line reads {example!r}. Write {where} "
        f'encoding = "{likely}".'
    )


def _quote(header: bytes) -> str:
    """Return the quote: apostrophes are quotes only where all of the header stands within them."""
    for delimiter in DELIMITERS:
        cells = header.decode("utf-8", "replace").split(delimiter)
        if all(len(cell) > 2 and cell[0] == cell[-1] == "'" for cell in cells):
            return "'"
    return '"'


def _delimiter(lines: Sequence[bytes], quote: str) -> str:
    """Return the delimiter that parts the records most evenly, beginning with the first; one that none parts has none."""
    found, of_first = [], []
    for delimiter in DELIMITERS:
        rows = _rows(lines, 0, Grammar(delimiter.encode(), quote.encode()))
        widths = [len(row.cells) for row in rows if row.cells] or [1]
        counted = Counter(widths[1:] or widths)
        widest, count = max(counted.items(), key=lambda item: (item[1], item[0]))
        begins = widths[0] >= max(widest, 2)
        share = sum(number for width, number in counted.items() if width >= 2) / sum(counted.values())
        # What parts the first line and few others parts no records.
        if (begins and share >= 0.5) or (widest > 1 and count >= 0.8 * sum(counted.values())):
            found.append((begins, round(share, 1), widest, delimiter))
        if len(widths) < 3 and widths[0] > 1:
            of_first.append((widths[0], delimiter))
    if found:
        return max(found, key=lambda one: one[:3])[3]
    return max(of_first, default=(0, NO_DELIMITER))[1]


def _rows(lines: Sequence[bytes], skip: int, grammar: Grammar) -> list[Row]:
    """Part the first lines into rows, cells with line breaks in them, too; blank lines are none."""
    rows: list[Row] = []
    at = skip
    while at < len(lines) and len(rows) < SAMPLE_ROWS:
        end, is_open = at + 1, grammar.walk(lines[at], is_open=False) if grammar.quote else False
        while is_open and end < len(lines):
            is_open, end = grammar.walk(lines[end], is_open=True), end + 1
        if is_open and end - at > LONGEST_OPEN and rows:
            break  # its end is not among these lines
        if is_open is not False:
            end = at + 1
        if lines[at].strip():
            cells = grammar.cells(b"\n".join(lines[at:end]))
            # A line that cannot be parted is a row without cells.
            rows.append(Row(at + 1, cells or [], end))
        at = end
    return rows


def _footer(seen: Evidence, grammar: Grammar, figures: Figures, header: int) -> int:
    """Return the first of the last lines that are none of the table's; 0 for none."""
    lines = seen.tail.removesuffix(b"\n").split(b"\n")
    first = seen.lines - len(lines) + 1
    footer = 0
    for number in range(len(lines) - 1, max(-1, len(lines) - 1 - LONGEST_FOOTER), -1):
        line = lines[number].removesuffix(b"\r")
        if first + number <= header:
            return 0
        # The last line of a cell with line breaks is a record's.
        is_part = grammar.quote and line.count(grammar.quote) % 2
        cells = grammar.cells(line) or [""]
        if is_part or (line.strip() and (figures.fit(cells) or not figures.lack(cells))):
            return footer
        footer = first + number if line.strip() else footer
    return 0
