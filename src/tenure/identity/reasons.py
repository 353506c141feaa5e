"""Why two records are one person, in words: made from the records themselves, not from the model's figures."""

from __future__ import annotations

from collections.abc import Mapping

from tenure.identity.evidence import EVIDENCE

_WORDS = {
    "first_name": "first name", "surname": "surname", "birth_date": "birth date", "account": "account",
    "email": "e-mail", "phone": "phone", "street": "street", "city": "city", "postcode": "postcode",
}  # fmt: skip
_MOST_LETTERS = 2
_NUMBERS = {1: "one letter", 2: "two letters"}


def reason(pair: Mapping[str, str | None]) -> str:
    """Say what two records share and where they differ.

    Examples
    --------
    >>> reason({"surname_l": "lee", "surname_r": "leo", "birth_date_l": "1980-05-01", "birth_date_r": "1980-05-01"})
    'surname one letter apart, same birth date'
    """
    said = [
        _said(_WORDS[column], pair.get(f"{column}_l"), pair.get(f"{column}_r"))
        for column in EVIDENCE
        if column in _WORDS
    ]
    return ", ".join(part for part in said if part)


def _said(word: str, left: str | None, right: str | None) -> str:
    if not left or not right:
        return ""
    if left == right:
        return f"same {word}"
    apart = _distance(left, right)
    return f"{word} {_NUMBERS[apart]} apart" if apart <= _MOST_LETTERS else f"other {word}"


def _distance(left: str, right: str) -> int:
    """Count the letters to change, add or drop. Source: Levenshtein (1966)."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        former, row[0] = row[0], i
        for j, b in enumerate(right, start=1):
            former, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, former + (a != b))
    return row[-1]
