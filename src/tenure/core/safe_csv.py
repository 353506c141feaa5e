"""Tables as CSV for spreadsheets and other systems: one record is one line, and no text is a formula."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tenure.core.plain_text import one_line

# A spreadsheet takes a cell that begins with one of these, in either width, for a formula.
SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_FORMULA = re.compile(rf'(?=[\s"]*[{SIGNS}])')
# Where lists are separated by semicolons, a text is cut at one: what follows begins a cell.
_AFTER_SEMICOLON = re.compile(rf'(?<=;)(?=\s*(?:[{SIGNS}"]|$))')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]\d+)?|")
# No formula, number or quote, and nothing that ends a line or a cell: as it is, in quotes.
_PLAIN = r"^(?:[0-9]*[A-DF-Za-df-z_]|[0-9]{4}-[0-9]{2}-)[A-Za-z0-9_.:/-]*$"
CHUNK_ROWS = 20_000


def write_safe_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as UTF-8 with its mark at the start, by which a spreadsheet knows it.

    Numbers and empty cells stand bare, everything else in quotes, names of columns as well; each as ``safe_cell``.
    What was read from such a file is written back as it was.
    """
    table = table.astype({name: str for name in table.select_dtypes("datetime")})  # days are days, not midnights
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.write(",".join(_written(str(name)) for name in table) + "\n")
        for start in range(0, len(table), CHUNK_ROWS):
            rows = table.iloc[start : start + CHUNK_ROWS]
            cells = [_column(rows.iloc[:, place]) for place in range(rows.shape[1])]
            lines = pc.binary_join_element_wise(*cells, ",").to_pylist() if cells else [""] * len(rows)
            file.writelines(f"{line}\n" for line in lines)


def safe_cell(text: str) -> str:
    """Write a text on one line, with an apostrophe before what a spreadsheet would run as a formula.

    Examples
    --------
    >>> safe_cell("=1+1"), safe_cell("tea;=1+1"), safe_cell("green, black; 'white'"), safe_cell("-5")
    ("'=1+1", "tea;'=1+1", "green, black; 'white'", '-5')
    """
    line = one_line(text)
    if _NUMBER.fullmatch(line):
        return line
    return _AFTER_SEMICOLON.sub("'", f"'{line}" if _FORMULA.match(line) else line)


def _column(values: pd.Series) -> pa.Array:
    """Write the cells of a column; most ids, names and days need no look at each."""
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    missing = values.isna().tolist()
    texts = pa.array(
        ["" if no else str(value) for no, value in zip(missing, values.tolist(), strict=True)], pa.string()
    )
    if is_number:
        return texts
    plain = pc.match_substring_regex(texts, _PLAIN)
    quoted = pc.binary_join_element_wise('"', texts, '"', "")
    if pc.all(plain).as_py():
        return quoted
    others = texts.dictionary_encode()
    written = pa.array([_written(text) for text in others.dictionary.to_pylist()], pa.string())
    return pc.if_else(plain, quoted, written.take(others.indices))


def _written(text: str) -> str:
    cell = safe_cell(text)
    return cell if _NUMBER.fullmatch(cell) else '"' + cell.replace('"', '""') + '"'
