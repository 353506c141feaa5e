"""A file's bytes as UTF-8, in blocks of whole lines; which encoding a file may have that is not UTF-8."""

from __future__ import annotations

import codecs
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from tenure.core.errors import DataContractError

CHUNK = 4 << 20
LONGEST_LINE = 256 << 20
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_WEST = "äöüßÄÖÜéèêëàâçñóíáúôîïõãåæøœ€£°–’“”Éº½×®©"
# encoding => letters that a text in it holds, were it read so; the first of equally good ones is proposed
LIKELY = {
    "cp1252": _WEST,
    "cp1251": "".join(map(chr, range(0x410, 0x450))) + "ёЁ№«»",
    "cp1250": "ąćęłńóśźżĄĆĘŁŃŚŹŻčďěňřšťůžáéíýúőűăâîşţČŘŠŽÁÉÍöüäß€–„”",
    "cp850": _WEST,
    "mac_roman": _WEST,
    "cp932": "".join(map(chr, range(0x3040, 0x3100))),
    "cp949": "".join(map(chr, range(0xAC00, 0xD7A4))),
    "gb18030": "".join(map(chr, range(0x4E00, 0x9FA6))),
}

OTHER_SCRIPTS = {"cp1251", "cp932", "cp949", "gb18030"}
MIXED = re.compile(r"[A-Za-z]([^\W\d_A-Za-z])|([^\W\d_A-Za-z])[A-Za-z]")


def blocks(path: Path, encoding: str, place: str) -> Iterator[bytes]:
    """Yield a file in UTF-8, whole lines a block, lines ended by line feeds (or carriage return and line feed).

    Raises
    ------
    DataContractError : an encoding that Python does not know or the file does not have, a line without end, bad gzip.
    """
    rest, is_first, line, newline = b"", True, 1, True
    try:
        # UTF-8 is passed on as it is, and judged by whoever reads it.
        decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
        with path.open("rb") as probe:
            is_zipped = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_zipped else path.open("rb") as file:
            while True:
                chunk = file.read(CHUNK)
                ended = not chunk
                if decoder:
                    chunk = decoder.decode(chunk, final=ended).encode("utf-8", "surrogatepass")
                if is_first and chunk:
                    chunk, is_first = chunk.removeprefix(codecs.BOM_UTF8), False
                    newline = b"\n" in chunk or b"\r" not in chunk
                if not newline:
                    chunk = chunk.replace(b"\r", b"\n")
                whole, end, part = chunk.rpartition(b"\n")
                if end:
                    block, rest = rest + whole + end, part
                    line += block.count(b"\n") if decoder else 0
                    yield block
                else:
                    rest += part
                if len(rest) > LONGEST_LINE:
                    raise DataContractError(f"{place}: a line is longer than {LONGEST_LINE >> 20} MB. Is it text?")
                if ended:
                    break
        if rest:
            yield rest
    except LookupError:
        raise DataContractError(
            f"{place}: {encoding!r} is no encoding that Python knows. Expected one such as cp1252, utf-16 or shift_jis."
        ) from None
    except UnicodeError as error:
        if isinstance(error, UnicodeDecodeError):
            line += error.object[: error.start].count(b"\n")
        raise DataContractError(
            f"{place}: not {encoding} in line {line:,} ({error}). Name the encoding that the file has, or take it out: "
            "a likely one is then proposed."
        ) from None
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataContractError(f"{place}: not a whole gzip file ({error}). Bring it again.") from None


def is_utf_8(text: bytes) -> bool:
    """Say whether some bytes are UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def likely_encoding(lines: bytes) -> str:
    """Return the encoding that makes most of the foreign bytes of some lines letters."""
    best, most = "latin-1", 0.0
    for encoding, letters in LIKELY.items():
        try:
            text = lines.decode(encoding)
        except UnicodeDecodeError:
            continue
        foreign = sum(ord(letter) > 127 for letter in text)
        # No word is written in two scripts: 'Franзois' is none.
        mixed = {letter for pair in MIXED.findall(text) for letter in pair} if encoding in OTHER_SCRIPTS else set()
        found = sum(letter in letters and letter not in mixed for letter in text if ord(letter) > 127)
        if (share := found / max(foreign, 1)) > most:
            best, most = encoding, share
    return best
