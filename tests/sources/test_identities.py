"""Pseudonyms and the forgotten: applied at staging, so that nothing after it has to know."""

import hashlib
import hmac
import json
import stat

import pytest

from tables import read, staged
from tenure.core.errors import DataContractError, UsageError
from tenure.core.workspace import Workspace
from tenure.sources.identities import Identities
from tenure.sources.identity_key import KEY
from tenure.sources.source import read_source

SECRET = "a key of the tests' own"
PSEUDONYMS = "pseudonymise = true\n"
ORDERS = (
    "customer_id occurred_at order_id amount",
    "ana 2024-01-05 1 3", "ana 2024-01-09 2 4", "bo 2024-01-06 3 1", "cy someday 4 1", "0012 2024-01-07 cy 2",
)  # fmt: skip
TOLD = ("customer_id occurred_at key value", "bo 2024-01-07 size L", "cy 2024-01-08 alias cy")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY, SECRET)


def expected(customer):
    """RFC 2104 by hand: what any other tool with the key comes to."""
    block = SECRET.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + customer.encode()).digest()
    return "p" + hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).hexdigest()[:24]


def fact_id(column, text):
    """The id of a fact under pseudonyms, by hand: a secret for its column, and twice SHA-256."""
    secret = hmac.new(SECRET.encode(), f"{column}\x1f".encode(), "sha256").hexdigest()
    inner = hashlib.sha256((secret + text).encode()).hexdigest()
    return "i" + hashlib.sha256((secret + inner).encode()).hexdigest()[:24]


def identities(root):
    workspace = Workspace(root)
    return Identities.of(workspace, read_source(workspace, "shop"))


def test_every_staged_table_names_customers_by_the_same_keyed_hash(tmp_path):
    result = staged(tmp_path, PSEUDONYMS, order_lines=ORDERS, declared=TOLD)
    assert expected("ana") == "p" + hmac.new(SECRET.encode(), b"ana", "sha256").hexdigest()[:24]
    assert {row[0] for row in read(result.path("order_lines"), "customer_id")} == {
        *map(expected, ("ana", "bo", "0012"))
    }
    assert [row[0] for row in read(result.path("declared"), "customer_id")] == [expected("bo"), expected("cy")]


def test_rows_keep_everything_but_ids(tmp_path):
    plain = staged(tmp_path / "plain", order_lines=ORDERS)
    hashed = staged(tmp_path / "hashed", PSEUDONYMS, order_lines=ORDERS)
    others = "* EXCLUDE (customer_id, order_id)"
    assert sorted(read(hashed.path("order_lines"), others), key=str) == sorted(
        read(plain.path("order_lines"), others), key=str
    )
    orders = [order for (order,) in read(plain.path("order_lines"), "order_id")]
    assert read(hashed.path("order_lines"), "order_id") == [(fact_id("order_id", order),) for order in orders]
    assert hashed.tables == plain.tables


def test_an_id_that_serves_as_another_one_is_hashed_there_too(tmp_path):
    toml = PSEUDONYMS + (
        "[subscription_events]\nfrom = 'events.csv'\ncustomer_id = 'who'\nsubscription_id = 'who'\noccurred_at = 'day'\nevent = 'event'\n"
    )
    (tmp_path / "data/raw/shop").mkdir(parents=True)
    (tmp_path / "data/raw/shop/events.csv").write_text("who,day,event\nana,2024-01-05,started\n")
    result = staged(tmp_path, toml)
    assert read(result.path("subscription_events"), "customer_id, subscription_id") == [
        (expected("ana"), fact_id("subscription_id", "ana"))
    ]


SHOP = {
    "order_lines": (
        "customer_id occurred_at order_id amount",
        "c000276 2024-01-05 Oc000276-4 3", "c000276 2024-01-05 Oc000276-4 2", "c000311 someday Oc000311-1 1", "c000311 2024-01-06 Oc000311-2 1",
    ),
    "subscription_events": (
        "customer_id occurred_at subscription_id event", "c000276 2024-01-05 Sc000276 started", "c000276 2024-02-05 Sc000276 ended",
    ),
    "payments": ("customer_id occurred_at payment_id subscription_id amount status", "c000276 2024-01-05 Pc000276-1 Sc000276 9 succeeded"),
    "support_tickets": ("customer_id occurred_at ticket_id event", "c000311 2024-01-06 Tc000311 opened"),
}  # fmt: skip


PAYMENTS = (
    "[payments]\nfrom = 'payments.csv'\ncustomer_id = 'customer_id'\noccurred_at = 'occurred_at'\namount = 'amount'\n"
    "status = 'status'\npayment_id = 'payment_id'\nextra = { subscription_id = 'subscription_id' }\n"
)


def test_ids_of_facts_in_which_a_customers_id_stands_are_hashed_and_still_meet(tmp_path):
    result = staged(tmp_path, PSEUDONYMS + PAYMENTS, **SHOP)
    for path in (tmp_path / "data/staged").rglob("*.parquet"):
        assert "c000" not in str(read(path)), path
    (events,), (paid,) = (
        set(read(result.path(table), "subscription_id")) for table in ("subscription_events", "payments")
    )
    assert events == paid == (fact_id("subscription_id", "Sc000276"),)
    assert len(set(read(result.path("order_lines"), "order_id"))) == 2
    (raw,) = [json.loads(raw) for (raw,) in read(result.rejected_path("order_lines"), "raw")]
    assert raw["order_id"] == fact_id("order_id", "Oc000311-1") and raw["occurred_at"] == "someday"


def test_without_pseudonyms_ids_of_facts_stay_as_they_are(tmp_path):
    result = staged(tmp_path, PAYMENTS, **SHOP)
    assert set(read(result.path("payments"), "subscription_id")) == {("Sc000276",)}


def carrying(count, of, text="REFc{:06d}x"):
    rows = [f"c{n:06d} 2024-01-07 note {text.format(of - 1 - n) if n < count else 'REFc999999x'}" for n in range(of)]
    return ("customer_id occurred_at key value", *rows)


@pytest.mark.parametrize("text", ["REFc{:06d}x", "c{:06d}ref", "of:xc{:06d}-4"])
def test_a_text_that_carries_ids_in_a_good_share_of_its_rows_is_refused(tmp_path, text):
    with pytest.raises(DataContractError, match=r"\[declared\]: 30 of 100 rows carry customers' ids in value") as told:
        staged(tmp_path, PSEUDONYMS, declared=carrying(30, 100, text))
    assert "value = \"replace(value, customer_id, '')\"" in str(told.value) and "c0000" not in str(told.value)


def test_a_few_more_rows_that_carry_ids_are_a_warning_and_a_handful_is_chance(tmp_path):
    some = staged(tmp_path / "some", PSEUDONYMS, declared=carrying(6, 200))
    assert some.tables["declared"].warned == (
        "declared: 6 of 200 rows carry customers' ids in value, which pseudonymise leaves as they are",
    )
    assert not staged(tmp_path / "few", PSEUDONYMS, declared=carrying(5, 200)).tables["declared"].warned
    assert not staged(tmp_path / "plain", declared=carrying(200, 200)).tables["declared"].warned


def test_a_product_that_bears_a_customers_number_is_no_customer_and_one_made_for_a_customer_is(tmp_path):
    head = "customer_id occurred_at order_id product_id amount"
    same = [f"K{n:04d} 2024-01-05 {n} K{n + 1:04d} 3" for n in range(20)]
    assert not staged(tmp_path / "same", PSEUDONYMS, order_lines=(head, *same)).tables["order_lines"].warned
    with pytest.raises(DataContractError, match="19 of 20 rows carry customers' ids in product_id"):
        made = [f"K{n:04d} 2024-01-05 {n} mug-K{n + 1:04d} 3" for n in range(20)]
        staged(tmp_path / "made", PSEUDONYMS, order_lines=(head, *made))


def test_a_part_of_a_longer_number_or_a_short_id_of_another_is_no_id(tmp_path):
    rows = [f"c{n} 2024-01-07 plan Basic{n + 1}0" for n in range(1, 40)]
    result = staged(tmp_path, PSEUDONYMS, declared=("customer_id occurred_at key value", *rows))
    assert not result.tables["declared"].warned
    with pytest.raises(DataContractError, match="39 of 39 rows carry"):
        own = [f"c{n} 2024-01-07 plan Xc{n}-1" for n in range(1, 40)]
        staged(tmp_path, PSEUDONYMS, declared=("customer_id occurred_at key value", *own))


NOTES = (
    "customer_id occurred_at key value",
    "ana 2024-01-07 note bo_and_cy", "ana 2024-01-07 note met:bo;cy.", "bo 2024-01-08 order bo-17", "bo 2024-01-08 order bob-17",
    "cy 2024-01-09 count 12", "12 2024-01-09 count 12", "12 2024-01-10 of 12-1", "70012 2024-01-10 of 70012-1", "ana 2024-01-11 of 70012",
    "ana 2024-01-11 mail cy@x.org", "ana 2024-01-11 referrer zoe", "zoe 2024-01-12 size L",
)  # fmt: skip


def test_ids_in_other_texts_are_hashed_where_they_are_words_and_surely_ids(tmp_path):
    result = staged(tmp_path, PSEUDONYMS, declared=NOTES)
    ana, bo, cy, zoe, short, long = map(expected, ("ana", "bo", "cy", "zoe", "12", "70012"))
    assert read(result.path("declared"), "customer_id, value") == [
        (ana, "bo_and_cy"), (ana, f"met:{bo};{cy}."), (bo, f"{bo}-17"), (bo, "bob-17"),
        (cy, "12"), (short, short), (short, "12-1"), (long, f"{long}-1"), (ana, "70012"),
        (ana, "cy@x.org"), (ana, zoe), (zoe, "L"),
    ]  # fmt: skip


def test_an_id_that_is_a_word_of_the_contract_changes_neither_enumerations_nor_products(tmp_path):
    payments = ("customer_id occurred_at amount status", "failed 2024-01-05 3 failed", "A1 2024-01-05 3 failed")
    orders = ("customer_id occurred_at order_id product_id amount", "failed 2024-01-05 1 A1 3")
    products = ("product_id category", "A1 tea")
    result = staged(tmp_path, PSEUDONYMS, payments=payments, order_lines=orders, products=products)
    assert read(result.path("payments"), "status") == [("failed",), ("failed",)]
    assert read(result.path("order_lines"), "product_id") == read(result.path("products"), "product_id") == [("A1",)]


def test_another_customers_text_no_longer_names_the_forgotten(tmp_path):
    staged(tmp_path, declared=NOTES)
    identities(tmp_path).forget("cy")
    result = staged(tmp_path, declared=NOTES)
    values = [value for (value,) in read(result.path("declared"), "value")]
    assert "met:bo;[forgotten]." in values and "zoe" in values and "bo-17" in values


def test_rejected_rows_and_unreadable_lines_name_nobody(tmp_path):
    folder = tmp_path / "data/raw/shop"
    folder.mkdir(parents=True)
    good = "\n".join(f"ana,2024-01-{day:02d},{day},1" for day in range(1, 29))
    bad = "cynthia,someday,cynthia,1\nbertram,2024-01-01,1,1.5,too,many"
    (folder / "order_lines.csv").write_text(f"customer_id,occurred_at,order_id,amount\n{good}\n{bad}\n")
    result = staged(tmp_path, PSEUDONYMS)
    kept = [json.loads(raw) for (raw,) in read(result.rejected_path("order_lines"), "raw")]
    assert result.tables["order_lines"].rejected == 2
    assert kept[0]["customer_id"] == expected("cynthia") and kept[0]["occurred_at"] == "someday"
    assert kept[0]["order_id"] == fact_id("order_id", "cynthia")
    assert not [word for word in ("cynthia", "bertram") if word in json.dumps(kept)]


def test_the_map_lies_apart_for_its_owner_alone_and_leads_back(tmp_path):
    staged(tmp_path, PSEUDONYMS, order_lines=ORDERS)
    own = identities(tmp_path)
    assert own.pseudonyms.real_ids() == {expected(customer): customer for customer in ("0012", "ana", "bo", "cy")}
    assert own.folder == tmp_path / "data/identities/shop"
    assert {stat.S_IMODE(path.stat().st_mode) for path in own.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(own.folder.stat().st_mode) == 0o700


def test_whoever_left_the_raw_files_can_still_be_named(tmp_path):
    staged(tmp_path, PSEUDONYMS, order_lines=ORDERS)
    staged(tmp_path, PSEUDONYMS, order_lines=(ORDERS[0], "di 2024-01-05 1 3"))
    assert sorted(identities(tmp_path).pseudonyms.real_ids().values()) == ["0012", "ana", "bo", "cy", "di"]


def test_without_a_key_or_with_another_one_there_is_one_message_and_nothing_is_staged(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY)
    with pytest.raises(UsageError, match=f"{KEY} is not set"):
        staged(tmp_path, PSEUDONYMS, order_lines=ORDERS)
    assert not (tmp_path / "data/staged").exists()
    monkeypatch.setenv(KEY, SECRET)
    staged(tmp_path, PSEUDONYMS, order_lines=ORDERS)
    monkeypatch.setenv(KEY, "some other key, mistyped")
    with pytest.raises(UsageError, match="another key") as told:
        staged(tmp_path, PSEUDONYMS, order_lines=ORDERS[:2])
    assert "mistyped" not in str(told.value)


def test_staged_facts_are_read_without_the_key_and_hold_nothing_of_it(tmp_path, monkeypatch):
    staged(tmp_path, PSEUDONYMS, order_lines=ORDERS)
    monkeypatch.delenv(KEY)
    assert staged(tmp_path, PSEUDONYMS, order_lines=ORDERS).reused
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_the_forgotten_are_not_staged_though_the_raw_files_still_name_them(tmp_path):
    before = staged(tmp_path, order_lines=ORDERS, declared=TOLD)
    identities(tmp_path).forget("cy")
    identities(tmp_path).forget("0012")
    after = staged(tmp_path, order_lines=ORDERS, declared=TOLD)
    assert not after.reused and after.fingerprint != before.fingerprint
    orders = after.tables["order_lines"]
    assert (orders.read, orders.staged, orders.rejected) == (3, 3, 0)
    assert read(after.path("declared"), "customer_id, value") == [("bo", "L")]
    assert not (tmp_path / "data/identities/shop/pseudonyms.parquet").exists()
    assert not [p for p in identities(tmp_path).folder.iterdir() if b"cy" in p.read_bytes()]


def test_forgetting_takes_a_customer_out_of_the_map(tmp_path):
    staged(tmp_path, PSEUDONYMS, order_lines=ORDERS)
    identities(tmp_path).forget("bo")
    result = staged(tmp_path, PSEUDONYMS, order_lines=ORDERS)
    assert sorted(identities(tmp_path).pseudonyms.real_ids().values()) == ["0012", "ana", "cy"]
    assert "bo" in identities(tmp_path).forgotten and "b" not in identities(tmp_path).forgotten
    assert expected("bo") not in {row[0] for row in read(result.path("order_lines"), "customer_id")}


def test_a_wrong_setting_is_told(tmp_path):
    with pytest.raises(UsageError, match="pseudonymise is 'yes': expected true or false"):
        staged(tmp_path, "pseudonymise = 'yes'\n", order_lines=ORDERS)
