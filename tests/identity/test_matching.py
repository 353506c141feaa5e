import random
import subprocess
import sys
import time
from datetime import date, datetime, timedelta

import duckdb
import pandas as pd
import pytest

from shop import BARE
from tenure.core.workspace import Workspace
from tenure.identity.events import Ledger
from tenure.identity.reasons import reason_sql
from tenure.identity.resolve import resolve
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

pytest.importorskip("splink", reason="matching by probability needs splink")


def test_a_reason_says_what_two_records_share_and_where_they_differ():
    same = ("first_name", "account", "email", "phone", "street", "city")
    empty = ", ".join(f"NULL::VARCHAR AS {column}_l, NULL::VARCHAR AS {column}_r" for column in same)
    pair = "'lee' AS surname_l, 'leo' AS surname_r, '1980-05-01' AS birth_date_l, '1980-05-01' AS birth_date_r, 'ab1' AS postcode_l, 'xyz' AS postcode_r"
    (said,) = duckdb.sql(f"SELECT {reason_sql()} FROM (SELECT {empty}, {pair})").fetchall()[0]
    assert said == "surname one letter apart, same birth date, other postcode"


def matched(workspace):
    """Stage and match the records of ``people``. => what came of it, and who is whom"""
    result = resolve(workspace, stage_source(workspace, read_source(workspace, "people")))
    return result, Ledger(workspace.identity_events("people")).mapping()


def test_real_records_with_errors_find_their_person_and_an_incremental_record_too(tmp_path, test_data):
    file = test_data / "febrl" / "febrl_dataset1.parquet"
    workspace = Workspace(tmp_path)
    workspace.raw("people").mkdir(parents=True)

    def match(asked: str):
        duckdb.sql(
            f"""COPY (SELECT rec_id AS customer_id, 'febrl' AS system, rec_id AS record_id, TIMESTAMP '2024-01-01' AS occurred_at,
            trim(" given_name") AS first_name, trim(" surname") AS surname, trim(" soc_sec_id") AS account, trim(" suburb") AS city,
            CAST(try_strptime(trim(" date_of_birth"), '%Y%m%d') AS DATE) AS birth_date, trim(" postcode") AS postcode
            FROM '{file}' WHERE {asked}) TO '{workspace.raw("people") / "records.parquet"}'"""
        )
        return matched(workspace)

    late = "rec_id IN ('rec-0-dup-0', 'rec-1-dup-0', 'rec-2-dup-0')"
    _, persons = match(f"NOT {late}")
    wrong = [pair for pair in persons.items() if pair[0].split("-")[1] != pair[1].split("-")[1]]
    assert (len(wrong), len(persons) > 480) == (0, True)
    result, after = match("true")
    assert (result.new, result.joined) == (3, 3)
    assert {customer: after[customer] for customer in persons} == persons


FIRST = ["anna", "bernd", "carla", "dieter", "elke", "franz", "gerda", "hans", "ilse", "jan"]
LAST = ["adler", "brandt", "conrad", "dorn", "ebert", "fuchs", "gross", "horn", "iffland", "jung"]


def place_people(tmp_path, rows):
    workspace = Workspace(tmp_path)
    workspace.raw("people").mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(workspace.raw("people") / "records.parquet")
    return workspace


def match_people(tmp_path, rows):
    return matched(place_people(tmp_path, rows))


def person(number, system, **changed):
    drawn = random.Random(number)
    born = date(1950, 1, 1) + timedelta(days=drawn.randrange(18000))
    return {
        "customer_id": f"{system}{number}", "system": system, "record_id": f"{system}{number}", "occurred_at": datetime(2024, 1, 1),
        "first_name": drawn.choice(FIRST), "surname": drawn.choice(LAST), "birth_date": born, "city": drawn.choice(["Mainz", "Ulm", "Kiel"]),
        "street": f"{drawn.choice(['Ringstr.', 'Gartenweg', 'Am Markt'])} {drawn.randrange(1, 99)}", "postcode": f"{drawn.randrange(10000, 99999)}",
        "email": f"{number}@mail.de", "phone": f"0170{drawn.randrange(10**6, 10**7)}",
    } | changed  # fmt: skip


def test_records_that_agree_in_everything_teach_too(tmp_path):
    rows = [person(n, "shop") for n in range(450)] + [person(n, "web") for n in range(0, 450, 3)]
    result, persons = match_people(tmp_path, rows)
    assert result.joined == 150 and result.notes == ()
    assert all(
        one.removeprefix("web").removeprefix("shop") == other.removeprefix("shop") for one, other in persons.items()
    )


def test_where_nobody_is_recorded_twice_exact_rules_remain_and_that_is_said(tmp_path):
    result, persons = match_people(tmp_path, [person(n, "shop", surname=f"name{n}") for n in range(600)])
    assert (result.joined, persons) == (0, {})
    assert "matched by exact rules alone" in result.notes[0]


def test_a_namesake_with_another_birth_date_and_email_waits_for_a_human(tmp_path):
    def known(number, system, mistyped=""):
        drawn = random.Random(number)
        name = {"first_name": drawn.choice(FIRST), "surname": drawn.choice(LAST)}
        email = f"{mistyped}{name['first_name']}.{name['surname']}{number}@mail.de"
        nothing = dict.fromkeys(("city", "street", "postcode", "phone"))
        return person(number, system, **nothing, **name, email=email)

    rows = [known(n, "shop") for n in range(500)] + [known(n, "web", "x") for n in range(0, 500, 4)]
    result, persons = match_people(tmp_path, rows)
    strangers = {a: b for a, b in persons.items() if a.removeprefix("web") != b.removeprefix("shop")}
    assert not strangers and len(persons) == 125 and result.to_review > 100


def test_a_mistyped_birth_date_at_one_address_is_no_namesake(tmp_path):
    rows = [person(n, "shop") for n in range(450)] + [person(n, "web") for n in range(0, 450, 3)]
    home = {"street": "Am Markt 7", "postcode": "55116", "first_name": "anna", "surname": "adler"}
    for system, day in (("shop", 17), ("web", 18)):
        rows.append(person(900, system, **home, phone=None, email=f"{system}@mail.de", birth_date=date(1980, 5, day)))
    _, persons = match_people(tmp_path, rows)
    assert persons["web900"] == "shop900"


def test_matching_that_is_killed_leaves_nothing_once_the_next_has_ended(tmp_path):
    """What it spills holds names: it lies where whoever writes next removes it."""
    rows = [person(n, "shop") for n in range(450)] + [person(n, "web") for n in range(0, 450, 3)]
    workspace = place_people(tmp_path, rows)
    stage_source(workspace, read_source(workspace, "people"))
    command = [sys.executable, "-m", "tenure", "identity", "match", "people", "--workspace", str(tmp_path)]
    process = subprocess.Popen(command, env=BARE, stdout=subprocess.DEVNULL)
    while not (left := list(workspace.data.glob(".scratch-people.*"))):
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert left[0].stat().st_mode & 0o077 == 0 and list(workspace.data.glob(".scratch-people.*")) == left
    subprocess.run(command, env=BARE, check=True, capture_output=True)
    assert [path for path in tmp_path.rglob(".*") if path.name != ".locks"] == []
    assert len(Ledger(workspace.identity_events("people")).mapping()) == 150
