"""Why two records are one person, in words: made from the records themselves, not from the model's figures."""

from __future__ import annotations

_WORDS = {
    "first_name": "first name", "surname": "surname", "birth_date": "birth date", "account": "account",
    "email": "e-mail", "phone": "phone", "street": "street", "city": "city", "postcode": "postcode",
}  # fmt: skip


def reason_sql() -> str:
    """Give the SQL of a sentence over a pair's columns, as in 'surname one letter apart, same birth date'.

    Letters apart are those to change, add or drop. Source: Levenshtein (1966).
    """
    return f"concat_ws(', ', {', '.join(_said(column, word) for column, word in _WORDS.items())})"


def _said(column: str, word: str) -> str:
    apart = f"levenshtein({column}_l, {column}_r)"
    return (
        f"CASE WHEN {column}_l IS NULL OR {column}_r IS NULL THEN NULL WHEN {column}_l = {column}_r THEN 'same {word}' "
        f"WHEN {apart} = 1 THEN '{word} one letter apart' "
        f"WHEN {apart} = 2 THEN '{word} two letters apart' ELSE 'other {word}' END"
    )
