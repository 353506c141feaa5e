"""What Tenure keeps as JSON: older formats are read, newer ones refused in one sentence, unknown fields do no harm."""

import json
from dataclasses import dataclass

import pytest

from tenure.core.errors import StoredFormatError
from tenure.core.stored import made_of, read_stored, write_stored


@dataclass(frozen=True)
class Kept:
    name: str
    rows: int = 0


def test_what_was_written_is_read(tmp_path):
    write_stored(tmp_path / "kept.json", {"name": "shop", "rows": 3}, 2)
    assert made_of(Kept, read_stored(tmp_path / "kept.json", 2)) == Kept("shop", 3)


@pytest.mark.parametrize("older", [{"name": "shop"}, {"format_version": 1, "name": "shop"}])
def test_an_older_format_is_read(tmp_path, older):
    (tmp_path / "kept.json").write_text(json.dumps(older))
    assert made_of(Kept, read_stored(tmp_path / "kept.json", 2)) == Kept("shop")


@pytest.mark.parametrize("found", [3, "2", None])
def test_a_newer_or_unreadable_format_is_refused_in_one_sentence(tmp_path, found):
    (tmp_path / "kept.json").write_text(json.dumps({"format_version": found, "name": "shop"}))
    with pytest.raises(
        StoredFormatError, match=r"kept.json: a newer Tenure wrote it .* Expected format 2 or older; update Tenure.$"
    ):
        read_stored(tmp_path / "kept.json", 2)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"name": "sh'])
def test_what_was_cut_short_is_refused_in_one_message(tmp_path, text):
    (tmp_path / "kept.json").write_text(text)
    with pytest.raises(StoredFormatError, match="kept.json: .* Expected a JSON"):
        read_stored(tmp_path / "kept.json", 2)


def test_an_unknown_field_is_left_out(tmp_path):
    write_stored(tmp_path / "kept.json", {"name": "shop", "colour": "red"}, 1)
    assert made_of(Kept, read_stored(tmp_path / "kept.json", 1)) == Kept("shop")
