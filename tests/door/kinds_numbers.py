"""Kind 4: numbers in the forms that programs and countries write."""

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from door.rows import Case, damaged, draw_rows, few, is_few
from door.writing import cells_of, plain, value_case

NUMBERS = "4 numbers"


def _german(amount: Decimal) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def _bracketed(amount: Decimal) -> str:
    return f"({-amount:,.2f})" if amount < 0 else f"{amount:,.2f}"


NUMBER_FORMS: tuple[tuple[str, Callable[[Decimal], str]], ...] = (
    ("US thousands", lambda a: f"{a:,.2f}"),
    ("dollars", lambda a: f"-${-a:,.2f}" if a < 0 else f"${a:,.2f}"),
    ("decimal comma", lambda a: f"{a:.2f}".replace(".", ",")),
    ("German", _german),
    ("German with a euro sign", lambda a: f"{_german(a)} €"),
    ("Swiss", lambda a: f"{a:,.2f}".replace(",", "'")),
    ("French", lambda a: _german(a).replace(".", "\u202f")),
    ("no-break blanks", lambda a: _german(a).replace(".", "\u00a0")),
    ("accounting", _bracketed),
    ("minus at the end", lambda a: f"{-a:.2f}-" if a < 0 else f"{a:.2f}"),
    ("currency's code", lambda a: f"EUR {a:.2f}"),
    ("pounds", lambda a: f"£{a:,.2f}"),
)


def number_form(rng: random.Random, count: int) -> Case:
    name, write = rng.choice(NUMBER_FORMS)
    rows = draw_rows(rng, count)
    if name in ("accounting", "minus at the end", "dollars", "German"):
        rows = [replace(row, amount=-row.amount) if n == 0 or rng.random() < 0.2 else row for n, row in enumerate(rows)]
    rows[-1] = replace(rows[-1], amount=Decimal("-1234.5") if rows[0].amount < 0 else Decimal("1234.5"))
    return value_case(rng, NUMBERS, name, rows, [cells_of(row, amount=write) for row in rows], offers=True)


def large_ones_with_thousands(rng: random.Random, count: int) -> Case:
    """Only amounts of a thousand and more show the separator: exactly the largest orders."""
    bound = rng.choice([1_000, 1_000, 20_000])
    rows = [row if row.amount >= bound else replace(row, amount=row.amount % 1_000) for row in draw_rows(rng, count)]
    rows[-1] = replace(rows[-1], amount=Decimal("45250.5"))
    table = [cells_of(row, amount=lambda a: f"{a:,.2f}") for row in rows]
    # Where they are few, they may be told; where they are many, the file is refused.
    large = [n for n, row in enumerate(rows) if row.amount >= 1_000]
    truth = damaged(rows, large, "either") if is_few(large, count) else rows
    return value_case(rng, NUMBERS, "largest with thousands", truth, table, offers=True)


def whole_thousands(rng: random.Random, count: int) -> Case:
    """`1,250`: with nothing but groups of three, a comma of thousands or of decimals."""
    rows = [replace(row, amount=Decimal(rng.randrange(1_001, 99_999))) for row in draw_rows(rng, count)]
    return value_case(
        rng,
        NUMBERS,
        "whole thousands",
        rows,
        [cells_of(row, amount=lambda a: f"{a:,}") for row in rows],
        offers=True,
        ambiguous=True,
    )


def plain_numbers(rng: random.Random, count: int) -> Case:
    write = rng.choice(
        [
            plain,
            lambda a: str(a.normalize().__format__("f")),
            lambda a: f"+{a:.2f}",
            lambda a: f"{a:.4f}",
            lambda a: f" {a:.2f} ",
        ]
    )
    rows = [
        replace(row, amount=-row.amount) if rng.random() < 0.1 and write(Decimal(1))[0] != "+" else row
        for row in draw_rows(rng, count)
    ]
    return value_case(rng, NUMBERS, "plain", rows, [cells_of(row, amount=write) for row in rows], honest=True)


def few_numbers_odd(rng: random.Random, count: int) -> Case:
    rows, places = draw_rows(rng, count), few(rng, count)
    write = rng.choice([lambda a: f"{a:.2f}".replace(".", ","), lambda a: f"€{a:.2f}", lambda a: f"{a:.2f} EUR"])
    table = [cells_of(row, amount=write if n in places else plain) for n, row in enumerate(rows)]
    return value_case(rng, NUMBERS, "few in another form", damaged(rows, places, "either"), table)


def no_numbers(rng: random.Random, count: int) -> Case:
    rows, places = draw_rows(rng, count), few(rng, count)
    table = [
        [*cells_of(row)[:3], rng.choice(["n/a", "-", "free", "NaN", "inf", "1.2.3", "#DIV/0!"])]
        if n in places
        else cells_of(row)
        for n, row in enumerate(rows)
    ]
    return value_case(
        rng, NUMBERS, "a few no numbers", damaged(rows, places, "told"), table, honest=is_few(places, count)
    )


def small_amounts(rng: random.Random, count: int) -> Case:
    """Metered prices, too small for the decimals of an amount: never 0."""
    rows, places = draw_rows(rng, count), few(rng, count)
    rows = [
        replace(row, amount=Decimal(rng.randrange(1, 5)) / 100_000, fate="either") if n in places else row
        for n, row in enumerate(rows)
    ]
    return value_case(
        rng, NUMBERS, "below the decimals kept", rows, [cells_of(row, amount=lambda a: f"{a:f}") for row in rows]
    )


NUMBER_MAKERS = (number_form, number_form, number_form, number_form, large_ones_with_thousands, large_ones_with_thousands, whole_thousands, plain_numbers, plain_numbers, few_numbers_odd, no_numbers, small_amounts)  # fmt: skip
