"""One budget of memory, read in one place."""

import pytest

from tenure.core.errors import RunError, UsageError
from tenure.core.memory import memory_budget, rows_that_fit
from tenure.snapshots.engines.duckdb_session import connect


@pytest.mark.parametrize(("text", "expected"), [("500MB", 500 * 10**6), ("4GiB", 4 << 30), ("1.5 gib", 3 << 29)])
def test_amounts_are_read_as_duckdb_writes_them(monkeypatch, text, expected):
    monkeypatch.setenv("TENURE_MEMORY", text)
    assert memory_budget() == expected


@pytest.mark.parametrize("text", ["", "much", "4", "0GB", "-1GiB", "4 GiB; drop"])
def test_what_is_no_amount_is_refused(monkeypatch, text):
    monkeypatch.setenv("TENURE_MEMORY", text)
    with pytest.raises(UsageError, match="Expected one as in 500MB or 4GiB"):
        memory_budget()


def test_the_engine_keeps_to_half_of_it_and_the_default_is_fixed(monkeypatch):
    for text, told in (("1GiB", "512.0 MiB"), (None, "2.0 GiB")):
        monkeypatch.delenv("TENURE_MEMORY", raising=False)
        if text:
            monkeypatch.setenv("TENURE_MEMORY", text)
        with connect() as connection:
            assert connection.execute("SELECT current_setting('memory_limit')").fetchall() == [(told,)]


def test_what_cannot_spill_is_one_message_that_names_the_budget(monkeypatch):
    monkeypatch.setenv("TENURE_MEMORY", "40MB")
    with pytest.raises(RunError, match=r"more than the 19 MiB it may hold .* set TENURE_MEMORY higher"), connect() as c:
        c.execute("SELECT list(range::VARCHAR) FROM range(3000000)").fetchall()


def test_rows_that_fit_are_those_whose_copies_fit_beside_the_engine(monkeypatch):
    monkeypatch.setenv("TENURE_MEMORY", "48MB")
    assert rows_that_fit(100) == 24_000_000 // (100 * 8 * 3)
