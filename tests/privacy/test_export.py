"""Exports: pseudonyms stay unless they are to be revealed, and then only in files of their owner."""

import os
import stat
from datetime import UTC, datetime

import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import UsageError
from tenure.core.safe_csv import write_safe_csv
from tenure.core.workspace import Workspace
from tenure.privacy.export import export_scores, exported_on
from tenure.sources.identities import Identities
from tenure.sources.identity_key import KEY
from tenure.sources.source import read_source

ORDERS = ("customer_id occurred_at order_id amount", "ana 2024-01-05 1 3", "=bo 2024-01-09 2 4")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "a key of the tests' own")
    workspace = Workspace(tmp_path)
    source = staged(tmp_path, "pseudonymise = true\n", order_lines=ORDERS).source
    own = Identities.of(workspace, source)
    for day in ("2024-02-01", "2024-03-01"):
        folder = workspace.reports("shop", day)
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        rows = [(own.pseudonyms.of("ana"), -1, "00"), (own.pseudonyms.of("=bo"), 2, None)]
        write_safe_csv(pd.DataFrame(rows, columns=["customer_id", "decile", "reason"]), folder / "lapse.csv")
        (folder / "data_dictionary.csv").write_text("column,unit\ncustomer_id,\n")
    return workspace


def test_the_last_as_of_is_exported_as_it_is(shop):
    (path,) = export_scores(shop, "shop")
    assert path == shop.root / "data/exports/shop/2024-03-01/lapse.csv"
    assert path.read_bytes() == (shop.reports("shop", "2024-03-01") / "lapse.csv").read_bytes()
    os.utime(path.parent, (0, 0))
    assert exported_on(path.parent) == datetime.now(UTC).date()


def test_revealed_ids_are_for_their_owner_alone_and_no_formula(shop):
    (path,) = export_scores(shop, "shop", as_of="2024-02-01", reveal=True)
    assert path.read_text("utf-8-sig") == '"customer_id","decile","reason"\n"ana",-1,"00"\n"\'=bo",2,\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not [p for p in shop.reports_of("shop").rglob("*") if p.is_file() and b"ana" in p.read_bytes()]


def test_revealed_ids_never_lie_where_others_fetch_the_pseudonyms(shop):
    (plain,) = export_scores(shop, "shop")
    (revealed,) = export_scores(shop, "shop", reveal=True)
    assert (plain.parent.name, revealed.parent.name) == ("2024-03-01", "2024-03-01-revealed")
    assert b"ana" not in plain.read_bytes() and b"ana" in revealed.read_bytes()


def test_a_table_written_with_less_care_leaves_as_one_record_a_line_and_without_formulas(shop):
    table = shop.reports("shop", "2024-03-01") / "lapse.csv"
    ana = Identities.of(shop, read_source(shop, "shop")).pseudonyms.of("ana")
    table.write_bytes(f'customer_id,decile,reason\n{ana},1,"tea\r=1+1"\n'.encode())
    (path,) = export_scores(shop, "shop")
    assert path.read_text("utf-8-sig") == f'"customer_id","decile","reason"\n"{ana}",1,"tea =1+1"\n'


def test_a_day_without_scores_and_ids_that_are_real_are_told(shop):
    with pytest.raises(UsageError, match="nothing was scored as of 2024-04-01. Scored: 2024-02-01, 2024-03-01"):
        export_scores(shop, "shop", as_of="2024-04-01")
    (shop.raw("shop") / "source.toml").unlink()
    Identities("shop", shop.identities("shop")).pseudonyms.path.unlink()
    with pytest.raises(UsageError, match="no pseudonyms to reveal"):
        export_scores(shop, "shop", reveal=True)


def test_a_table_older_than_the_pseudonyms_is_not_handed_out_as_if_it_had_them(shop):
    table = shop.reports("shop", "2024-03-01") / "lapse.csv"
    table.write_text(table.read_text() + "ana,3,\n")  # the mark stays at the start
    with pytest.raises(
        UsageError, match="lapse.csv was written before pseudonymise was set.*or take the real ids with --reveal"
    ):
        export_scores(shop, "shop")
    assert not list(shop.exports("shop").glob("*"))
    assert len(export_scores(shop, "shop", as_of="2024-02-01")) == 1
