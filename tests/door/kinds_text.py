"""Kind 1: delimited text whose dialect, encoding, header line or single lines are odd."""

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from door.files import Dialect, draw_dialect, gzipped, text_file
from door.rows import Case, Row, damaged, draw_rows, few, is_few
from door.writing import Text

KIND = "1 reader"
# Enough characters beyond ASCII, as names in ids and headers have them; all of them are in each encoding tried.
NAMES = ("Zoë", "Müller", "Núñez", "Åsa", "François")


def _drawn(rng: random.Random, count: int) -> list[Row]:
    return draw_rows(rng, count)


def plain_file(rng: random.Random, count: int) -> Case:
    return Text(rng, _drawn(rng, count)).case(KIND, "plain", honest=True)


def zipped_file(rng: random.Random, count: int) -> Case:
    case = Text(rng, _drawn(rng, count), dialect=draw_dialect(rng, ",;")).case(KIND, "gzipped", honest=True)
    ((file, content),) = case.files.items()
    case.files = {file + ".gz": gzipped(content)}
    case.mapping["order_lines"]["from"] = file + ".gz"
    return case


def apostrophes(rng: random.Random, count: int) -> Case:
    """Dutch names and shortened words begin with an apostrophe, which is no quote."""
    text = Text(
        rng,
        _drawn(rng, count),
        notes=("'t Hoen", "O'Brien", "rock 'n' roll", "'s", "plain"),
        dialect=draw_dialect(rng, ",;"),
    )
    return text.case(KIND, "apostrophes", honest=True)


def blank_lines(rng: random.Random, count: int) -> Case:
    text = Text(rng, _drawn(rng, count))
    for _ in range(rng.randint(1, 4)):
        text.lines.insert(rng.randint(1, len(text.lines)), "")
    return text.case(KIND, "blank lines", honest=True)


def unescaped_quote(rng: random.Random, count: int) -> Case:
    """`"say "hi", twice"`: a program that writes quotes without doubling those inside."""
    text, places = Text(rng, _drawn(rng, count), dialect=replace(draw_dialect(rng), bom=False)), few(rng, count)
    for place in places:
        note = rng.choice([f'"say "hi"{text.dialect.delimiter} twice"', '5" pipe', '"5" pipe"', '"a "b" c"'])
        text.damage(place, text.start_of(place) + note)
    return text.case(KIND, "unescaped quote", damaged(text.rows, places, "either"), honest=is_few(places, count))


def unclosed_quote(rng: random.Random, count: int) -> Case:
    text, place = Text(rng, _drawn(rng, count)), rng.randrange(count)
    text.damage(place, text.start_of(place) + '"an open note')
    return text.case(KIND, "unclosed quote", damaged(text.rows, [place], "either"), honest=is_few([place], count))


def cells_too_many(rng: random.Random, count: int) -> Case:
    text, places = Text(rng, _drawn(rng, count)), few(rng, count)
    for place in places:
        text.damage(place, text.start_of(place) + text.dialect.delimiter.join(["a stray", " note", "more"]))
    return text.case(KIND, "cells too many", damaged(text.rows, places, "either"), honest=is_few(places, count))


def cells_too_few(rng: random.Random, count: int) -> Case:
    """Spreadsheets leave trailing empty cells out."""
    text, places = Text(rng, _drawn(rng, count)), few(rng, count)
    for place in places:
        text.damage(place, text.start_of(place)[:-1])
    return text.case(KIND, "cells too few", damaged(text.rows, places, "either"), honest=is_few(places, count))


def long_cell(rng: random.Random, count: int, size: int = 0) -> Case:
    """A ticket with a log pasted into it."""
    text, place = Text(rng, _drawn(rng, count)), rng.randrange(count)
    size = size or rng.choice([20_000, 60_000, 150_000])
    log = 'lorem "" ipsum, dolor\n' * (size // 21) if rng.random() < 0.7 else "x" * size
    text.damage(place, text.start_of(place) + f'"{log}"')
    return text.case(KIND, "long cell", damaged(text.rows, [place], "either"), honest=is_few([place], count))


def control_characters(rng: random.Random, count: int) -> Case:
    text = Text(
        rng,
        _drawn(rng, count),
        notes=("plain", "bell\x07", "nul\x00byte", "esc\x1b[0m", "vertical\x0btab", "unit\x1fseparator"),
    )
    return text.case(KIND, "control characters in a note")


def _named(rng: random.Random, count: int, more: tuple[str, ...] = ()) -> Text:
    """Rows whose customers and whose header are beyond ASCII."""
    names = NAMES + more
    rows = [replace(row, customer=f"{rng.choice(names)} {n % 7}") for n, row in enumerate(_drawn(rng, count))]
    text = Text(rng, rows, notes=("", "Straße", "plain"), dialect=replace(draw_dialect(rng), bom=False))
    text.header = ("Größe Kunde", *text.header[1:]) if rng.random() < 0.5 else text.header
    text.lines[0] = text.dialect.delimiter.join([*text.header, "Rückmeldung"])
    return text


def undeclared_encoding(rng: random.Random, count: int) -> Case:
    encoding = rng.choice(["latin-1", "cp1252", "utf-16", "utf-16-be"])
    text = _named(rng, count, more=("O’Neil", "Café “Œuvre”", "20 € Karte") if encoding == "cp1252" else ())
    case = text.case(KIND, f"{encoding}, undeclared", encoding=encoding, offers=True)
    if encoding == "utf-16-be":
        case.files = {file: b"\xfe\xff" + content for file, content in case.files.items()}
    return case


def declared_encoding(rng: random.Random, count: int) -> Case:
    encoding = rng.choice(["latin-1", "utf-16", "cp1252"])
    return _named(rng, count).case(
        KIND, f"{encoding}, declared", encoding=encoding, raw={"encoding": encoding}, honest=True
    )


def title_lines(rng: random.Random, count: int) -> Case:
    text = Text(rng, _drawn(rng, count))
    padding = text.dialect.delimiter * rng.choice([0, len(text.header)])
    title = rng.choice(
        [
            ["Report generated 2024-05-01 by ACME"],
            ["ACME GmbH", "Bestellungen 2024"],
            ["Orders", "", "all shops"],
            ["# exported by shop 4.1"],
        ]
    )
    text.lines = [line + padding for line in [*title, *([""] if rng.random() < 0.6 else [])]] + text.lines
    return text.case(KIND, "title lines", offers=True)


def delimiter_line(rng: random.Random, count: int) -> Case:
    """Excel takes the delimiter from a first line `sep=;`."""
    text = Text(rng, _drawn(rng, count), dialect=Dialect(rng.choice(";,|"), "\r\n"))
    text.lines.insert(0, f"sep={text.dialect.delimiter}")
    return text.case(KIND, "sep= line", offers=True)


def line_of_groups(rng: random.Random, count: int) -> Case:
    """Two header lines: names of groups of columns above the names of the columns."""
    text = Text(rng, _drawn(rng, count))
    text.lines.insert(0, text.dialect.delimiter.join(["Customer", "", "Order", "", ""]))
    return text.case(KIND, "line of groups above the header", offers=True)


def line_of_units(rng: random.Random, count: int) -> Case:
    """Two header lines: units or types below the names."""
    text = Text(rng, _drawn(rng, count))
    text.lines.insert(
        1,
        text.dialect.delimiter.join(
            rng.choice([["text", "date", "text", "EUR", ""], ["(id)", "(UTC)", "(no)", "(EUR)", "(text)"]])
        ),
    )
    return text.case(KIND, "line of units below the header")


def total_row(rng: random.Random, count: int) -> Case:
    text = Text(rng, _drawn(rng, count))
    word, total = (
        rng.choice(["Total", "Summe", "Grand total", "Total général"]),
        f"{sum(row.amount for row in text.rows):.2f}",
    )
    lines = [text.dialect.delimiter.join([word, "", "", total, ""])]
    text.lines += [""] * rng.randint(0, 1) + lines
    return text.case(KIND, "total row", honest=count >= 40)


def footer_note(rng: random.Random, count: int) -> Case:
    text = Text(rng, _drawn(rng, count))
    text.lines += ["", rng.choice(["Exported on 2024-05-01 by ACME", f"{count} rows", "End of report"])]
    return text.case(KIND, "footer note")


def delimiter_in_text(rng: random.Random, count: int) -> Case:
    """Notes hold more commas than the file has semicolons."""
    text = Text(
        rng, _drawn(rng, count), notes=("a, b, c, d, e", "1, 2, 3", "x, y"), dialect=Dialect(rng.choice(";\t|"))
    )
    return text.case(KIND, "another delimiter in notes", honest=True)


def one_column_more_in_data(rng: random.Random, count: int) -> Case:
    """Every data line ends in a delimiter, the header does not."""
    text = Text(rng, _drawn(rng, count))
    text.lines = [text.lines[0], *(line + text.dialect.delimiter for line in text.lines[1:])]
    return text.case(KIND, "delimiter at each line's end")


def headerless(rng: random.Random, count: int) -> Case:
    """Without a header a name means nothing: the first row must not become one unsaid."""
    text = Text(rng, _drawn(rng, count))
    return Case(KIND, "no header", {"orders.csv": text_file(text.lines[1:], text.dialect)}, text.case(KIND, "").mapping | {"order_lines": {"from": "orders.csv", "customer_id": "client", "occurred_at": "at", "order_id": "no", "amount": "amt"}}, text.rows)  # fmt: skip


def mac_line_ends(rng: random.Random, count: int) -> Case:
    """Excel's "CSV (Macintosh)" ends lines in a carriage return alone."""
    text = Text(rng, _drawn(rng, count), notes=("plain", "", "a note"), dialect=Dialect(rng.choice(",;"), "\r"))
    return text.case(KIND, "lines of an old Mac")


def a_note_twice(rng: random.Random, count: int) -> Case:
    """Two columns of one name, neither of them mapped: read, and said."""
    text = Text(rng, _drawn(rng, count))
    text.lines = [
        text.lines[0] + text.dialect.delimiter + "note",
        *(line + text.dialect.delimiter + "x" for line in text.lines[1:]),
    ]
    return text.case(KIND, "an unmapped header twice", honest=True, must_say="note")


# country, delimiter, date, amount, encoding: what its Excel writes with the country's settings
LOCALES: tuple[tuple[str, str, str, Callable[[Decimal], str], str], ...] = (
    ("Germany", ";", "%d.%m.%Y", lambda a: f"{a:,.2f}".translate(str.maketrans(",.", ".,")), "cp1252"),
    ("France", ";", "%d/%m/%Y", lambda a: f"{a:,.2f}".translate(str.maketrans(",.", "\u00a0,")), "cp1252"),
    ("Britain", ",", "%d/%m/%Y", lambda a: f"£{a:,.2f}", "utf-8"),
    ("USA", ",", "%m/%d/%Y", lambda a: f"${a:,.2f}", "utf-8"),
)


def excel_of_a_country(rng: random.Random, count: int) -> Case:
    """All at once: delimiter, encoding, dates, numbers, and at times a title. Each refusal's line leads to the next."""
    country, delimiter, form, amount, encoding = rng.choice(LOCALES)
    rows = [
        replace(row, customer=f"{rng.choice(NAMES)} {n % 9}")
        for n, row in enumerate(draw_rows(rng, count, days_only=True))
    ]
    rows[0] = replace(rows[0], at=rows[0].at.replace(day=28), amount=Decimal("45250.5"))
    text = Text(
        rng,
        rows,
        notes=("", "plain", "Straße"),
        dialect=Dialect(delimiter, "\r\n", bom=rng.random() < 0.5),
        at=lambda at: at.strftime(form),
        amount=amount,
    )
    if title := rng.random() < 0.4:
        text.lines = ["Export 2024", "", *text.lines]
    name = f"Excel of {country}" + (" with a title" if title else "")
    return text.case(KIND, name, encoding=encoding, offers=True)


MAKERS = (
    plain_file, zipped_file, apostrophes, blank_lines, unescaped_quote, unclosed_quote, cells_too_many, cells_too_few, long_cell, control_characters,
    undeclared_encoding, declared_encoding, title_lines, delimiter_line, line_of_groups, line_of_units, total_row, footer_note, delimiter_in_text,
    one_column_more_in_data, headerless, undeclared_encoding, title_lines, mac_line_ends, a_note_twice, excel_of_a_country, excel_of_a_country,
)  # fmt: skip
