"""Under pseudonyms, what describes a person is in no staged table: it lies beside the map of ids, and is matched there."""

import json
import stat

import pytest

from tables import read, staged
from tenure.core.workspace import Workspace
from tenure.identity.events import Ledger
from tenure.identity.resolve import resolve
from tenure.privacy.forget import forget_customer
from tenure.sources.identities import Identities
from tenure.sources.identity_key import KEY

HEADER = "customer_id occurred_at system record_id first_name surname birth_date email is_email_verified"
ROWS = (
    HEADER,
    "web1 2024-01-02 web 901 Ana Lee 1980-05-01 ana@x.org true",
    "shop1 2024-01-09 shop 902 Ana Lee - ANA@x.org true",
    "ben@y.org 2024-01-02 web 903 Ben Orr 1970-01-01 ben@y.org true",
    "shop3 2024-01-02 shop 904 Ben Orr - BEN@y.org true",
    "dora 2024-01-02 web 905 Dora Poe 2031-01-01 dora@z.org true",
)
ORDERS = ("customer_id occurred_at order_id amount", "web1 2024-01-05 1 3", "shop3 2024-01-05 2 3")
PSEUDONYMS, PLAIN = "pseudonymise = true\n", "pseudonymise = false\n"
DESCRIBING = ("Ana", "Lee", "ana@x.org", "1980", "901", "dora@z.org", "Poe")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY, "a key of the tests' own")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def hidden(root):
    source = staged(root, PSEUDONYMS, records=ROWS, order_lines=ORDERS)
    return source, Identities.of(Workspace(root), source.source)


def test_staged_and_rejected_records_tell_whose_they_are_and_no_more(tmp_path):
    source, own = hidden(tmp_path)
    told = [str(read(path)) for path in source.folder.rglob("*.parquet")]
    assert len(told) == 6 and not [word for word in DESCRIBING if any(word in text for text in told)]
    web1 = own.pseudonyms.of("web1")
    assert read(source.path("records"), "customer_id, system, email, birth_date")[0] == (web1, "web", None, None)
    ((raw,),) = read(source.rejected_path("records"), "raw")
    assert json.loads(raw) == {"customer_id": own.pseudonyms.of("dora"), "occurred_at": "2024-01-02", "system": "web"}


def test_whole_records_are_their_owners_alone_and_joined_as_without_pseudonyms(tmp_path):
    source, own = hidden(tmp_path / "hidden")
    assert source.whole_records.parent == own.folder and stat.S_IMODE(source.whole_records.stat().st_mode) == 0o600
    plain = staged(tmp_path / "plain", PLAIN, records=ROWS, order_lines=ORDERS)
    found = []
    for asked in (source, plain):
        assert resolve(Workspace(asked.folder.parents[2]), asked).joined == 2
        found.append(Ledger(asked.identity_events).mapping())
    assert found[1] == {"shop1": "web1", "shop3": "ben@y.org"}
    assert {
        own.pseudonyms.real_ids()[one]: own.pseudonyms.real_ids()[other] for one, other in found[0].items()
    } == found[1]


def test_records_come_back_where_they_were_lost_and_go_with_the_setting(tmp_path):
    source, _ = hidden(tmp_path)
    source.whole_records.unlink()
    assert hidden(tmp_path)[0].whole_records.is_file()
    assert hidden(tmp_path)[0].reused
    plain = staged(tmp_path, PLAIN, records=ROWS, order_lines=ORDERS)
    assert plain.whole_records == plain.path("records") and not source.whole_records.exists()
    assert read(plain.path("records"), "first_name")[0] == ("Ana",)


def test_a_rejected_row_keeps_no_column_that_the_mapping_does_not_read(tmp_path):
    (tmp_path / "data/raw/shop").mkdir(parents=True)
    good = "\n".join(f"c{day},Name{day},2024-01-{day:02d},1" for day in range(1, 29))
    (tmp_path / "data/raw/shop/orders.csv").write_text(f"who,full name,day,total\n{good}\nc99,Zoe Zeta,someday,1\n")
    toml = "pseudonymise = true\n[order_lines]\nfrom = 'orders.csv'\ncustomer_id = 'who'\noccurred_at = 'day'\norder_id = 'day'\namount = 'total'\n"
    source = staged(tmp_path, toml)
    ((raw,),) = read(source.rejected_path("order_lines"), "raw")
    assert json.loads(raw).keys() == {"who", "day", "total"}


def test_the_forgotten_are_in_no_record(tmp_path):
    source, own = hidden(tmp_path)
    resolve(Workspace(tmp_path), source)
    done = forget_customer(Workspace(tmp_path), "shop", "web1")
    assert done.others == (own.pseudonyms.of("shop1"),), "the same person by another id is told, not guessed away"
    assert done.left == [] and own.pseudonyms.of("web1") not in str(read(source.whole_records))
    assert "901" not in str([read(path) for path in own.folder.rglob("*.parquet")])
