"""What does not fit is told from a first look: of small files all, of large ones what their heads show."""

import gzip
import subprocess
import sys
import time

import pytest

from tables import write_csv
from tenure.core.errors import DataContractError
from tenure.core.workspace import Workspace
from tenure.sources import first_look
from tenure.sources.first_look import look_first
from tenure.sources.source import read_source

COLUMNS = {"customer_id": "client", "occurred_at": "day", "order_id": "no", "amount": "qty * price"}
ROWS = [f"c{n % 9} 2024-01-{n % 28 + 1:02} {n} 2 {n}.5" for n in range(400)]


def place(root, file="orders.csv", rows=ROWS, query="", **columns):
    workspace = Workspace(root)
    folder = workspace.raw("shop")
    write_csv(folder / "orders.csv", "client day no qty price", *rows)
    if file.endswith(".gz"):
        (folder / file).write_bytes(gzip.compress((folder / "orders.csv").read_bytes()))
    if file.endswith(".parquet"):
        import pandas as pd

        pd.read_csv(folder / "orders.csv").to_parquet(folder / file)
    lines = [f'{name} = "{sql}"' for name, sql in (COLUMNS | columns).items()]
    text = f'[order_lines]\nquery = "{query}"\n' if query else "\n".join(["[order_lines]", f'from = "{file}"', *lines])
    (folder / "source.toml").write_text(text)
    return workspace, read_source(workspace, "shop")


@pytest.fixture(params=["whole", "head"])
def seen(request, monkeypatch):
    """Files as small ones, and the same as if they were too large to be read whole."""
    if request.param == "head":
        monkeypatch.setattr(first_look, "WHOLE_BYTES", 100)
        monkeypatch.setattr(first_look, "HEAD_BYTES", 2_000)
        monkeypatch.setattr(first_look, "HEAD_ROWS", 50)
    return request.param


@pytest.mark.parametrize("file", ["orders.csv", "orders.csv.gz", "orders.parquet"])
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"occurred_at": "date"}, "Column of orders.* 'date' is not defined"),
        ({"amount": "qty *"}, "not readable SQL"),
        ({"query": "SELECT client AS customer_id, date AS occurred_at FROM orders"}, '"date" not found in FROM'),
    ],
)
def test_unknown_columns_and_unreadable_sql_show_in_the_head_of_a_file(tmp_path, seen, file, columns, words):
    with pytest.raises(DataContractError, match=words):
        look_first(*place(tmp_path, file, **columns))
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["raw"]


def test_a_mapping_that_fits_passes(tmp_path, seen):
    look_first(*place(tmp_path))


def test_how_values_are_written_is_only_said_of_whole_files(tmp_path, seen):
    rows = [row.replace("2024-01-", "01/").replace(" 01/", " 2024/01/", 1) for row in ROWS[:200]]
    late = [f"c1 {n % 28 + 1:02}.01.2024 x{n} 1 1" for n in range(300)]
    given = place(tmp_path, rows=rows + late)
    if seen == "head":
        look_first(*given)
    else:
        with pytest.raises(DataContractError, match="occurred_at"):
            look_first(*given)


def test_a_type_that_only_the_head_has_refuses_nothing(tmp_path, seen):
    # In the head every day is a date, in all of the file it is a text, and the mapping says how to read that.
    rows = ["c1 2024-01-05 1 1 1"] * 300 + ["c1 05.01.2024 1 1 1"] * 100
    day = "CASE WHEN day LIKE '%.%' THEN strptime(day, '%d.%m.%Y') ELSE CAST(day AS TIMESTAMP) END"
    look_first(*place(tmp_path, rows=rows, occurred_at=day))


def test_a_run_tells_it_before_its_first_notebook_and_notes_the_failure(tmp_path):
    workspace, _ = place(tmp_path, occurred_at="date")
    command = [sys.executable, "-X", "importtime", "-m", "tenure", "run", "shop", "--workspace", str(tmp_path)]
    started = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "Column of orders.csv 'date' is not defined" in ended.stderr
    # What takes seconds to import is not imported yet; the clock of a busy machine says less.
    assert not {"mlflow", "papermill", "pandas", "lightgbm"} & {
        line.split("|")[-1].strip() for line in ended.stderr.splitlines()
    }
    assert time.monotonic() - started < 30
    assert "'date' is not defined" in (workspace.reports_of("shop") / "failures.txt").read_text()


def test_a_key_that_stands_only_below_the_head_of_json_lines_is_no_unknown_column(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    folder = workspace.raw("shop")
    folder.mkdir(parents=True)
    row = '{"client": "c1", "day": "2024-01-01", "no": "1", "qty": 2, "price": 3.5'
    (folder / "orders.jsonl").write_text("\n".join([row + "}"] * 400 + [row + ', "coupon": "x"}']) + "\n")
    lines = ["[order_lines]", 'from = "orders.jsonl"', *(f'{name} = "{sql}"' for name, sql in COLUMNS.items())]
    (folder / "source.toml").write_text("\n".join([*lines, 'extra = { coupon = "coupon" }']))
    monkeypatch.setattr(first_look, "WHOLE_BYTES", 1)
    monkeypatch.setattr(first_look, "HEAD_BYTES", 1_000)
    look_first(workspace, read_source(workspace, "shop"))
