"""One person in texts and tables: what counts as naming them, and how a name is blotted out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from tenure.core.safe_csv import safe_cell
from tenure.sources.carried_ids import glued_to_letters, is_telling
from tenure.sources.staging_names import MARKER

_TEXT_BETWEEN_TAGS = re.compile(r">[^<>]+<")
_NAMES_CUSTOMERS = re.compile(r"customer_id|>\s*Customer\s*<|\(first: ")
_HOLDS_IDS = re.compile(r"(^|_)customer(_id)?$", re.IGNORECASE)


def holds_ids(column: str) -> bool:
    """Say whether a column, or a key, is named as one that holds customers' ids."""
    return bool(_HOLDS_IDS.search(column))


def _pattern_of(name: str) -> str:
    if is_telling(name):
        return glued_to_letters(name)
    return rf"(?<!\w)(?<!\w[-.@])(){re.escape(name)}(?!\w)(?![-.@]\w)"


@dataclass(frozen=True)
class Person:
    """A customer by every name in use: the id of the raw files, the pseudonym.

    ``names`` are whole values, never parts of others. One that is telling (``is_telling``) is found with letters glued
    to it, too: order Oc000276-4 names c000276, but not where it is the id of another customer, one of ``others``.

    An id that is a plain number is looked for only where customers are named: a 12 elsewhere is a count or a price.
    """

    names: tuple[str, ...]
    others: tuple[str, ...] = ()

    @cached_property
    def _patterns(self) -> tuple[tuple[str, bool, re.Pattern[str]], ...]:
        """Each name, whether it is a plain number, and its pattern; group 1 is what stays of a match.

        It does not match within a word, a longer id, a decimal or an address. Of another customer's id group 1 is None.
        """
        longer = "|".join(map(re.escape, sorted(self.others, key=len, reverse=True)))
        others = rf"(?<![^\W_])[^\W\d_]*(?:{longer})|" if longer else ""
        return tuple((name, name.isdecimal(), re.compile(others + _pattern_of(name))) for name in self.names)

    def is_value(self, value: object) -> bool:
        """Say whether a cell is the person's id; a spreadsheet's apostrophe is none of it."""
        return isinstance(value, str) and (value.removeprefix("'") in self.names or value in self._as_cells)

    @cached_property
    def _as_cells(self) -> set[str]:
        return {*self.names, *map(safe_cell, self.names)}

    def is_in(self, text: str, *, of_customers: bool | None = None) -> bool:
        """Say whether a text names the person.

        ``of_customers``: it is about customers, by default where it shows that.
        """
        found = (match for pattern in self._asked(text, of_customers) for match in pattern.finditer(text))
        return any(match[1] is not None for match in found)

    def blot(self, text: str, *, of_customers: bool | None = None) -> str:
        """Put the marker in the place of each name."""
        for pattern in self._asked(text, of_customers):
            text = pattern.sub(lambda match: match[0] if match[1] is None else match[1] + MARKER, text)
        return text

    def blot_page(self, page: str) -> str:
        """Blot HTML: ids anywhere; plain numbers in what a reader sees of a table of customers."""
        page = re.sub(r"<table.*?</table>", lambda table: self._blot_cells(table.group()), page, flags=re.DOTALL)
        return self.blot(page, of_customers=False)

    def _blot_cells(self, table: str) -> str:
        if not _NAMES_CUSTOMERS.search(table):
            return table
        return _TEXT_BETWEEN_TAGS.sub(lambda text: self.blot(text.group(), of_customers=True), table)

    def _asked(self, text: str, of_customers: bool | None) -> list[re.Pattern[str]]:
        names_customers = bool(_NAMES_CUSTOMERS.search(text)) if of_customers is None else of_customers
        return [
            pattern
            for name, is_number, pattern in self._patterns
            if name in text and (names_customers or not is_number)
        ]
