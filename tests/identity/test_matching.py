import duckdb
import pytest

from tenure.identity.events import Ledger
from tenure.identity.reasons import reason_sql
from tenure.identity.resolve import resolve
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source
from tenure.workspace import Workspace

pytest.importorskip("splink", reason="matching by probability needs splink")


def test_a_reason_says_what_two_records_share_and_where_they_differ():
    same = ("first_name", "account", "email", "phone", "street", "city")
    empty = ", ".join(f"NULL::VARCHAR AS {column}_l, NULL::VARCHAR AS {column}_r" for column in same)
    pair = "'lee' AS surname_l, 'leo' AS surname_r, '1980-05-01' AS birth_date_l, '1980-05-01' AS birth_date_r, 'ab1' AS postcode_l, 'xyz' AS postcode_r"
    (said,) = duckdb.sql(f"SELECT {reason_sql()} FROM (SELECT {empty}, {pair})").fetchall()[0]
    assert said == "surname one letter apart, same birth date, other postcode"


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
        result = resolve(workspace, stage_source(workspace, read_source(workspace, "people")))
        return result, Ledger(workspace.identity_events("people")).mapping()

    late = "rec_id IN ('rec-0-dup-0', 'rec-1-dup-0', 'rec-2-dup-0')"
    _, persons = match(f"NOT {late}")
    wrong = [pair for pair in persons.items() if pair[0].split("-")[1] != pair[1].split("-")[1]]
    assert (len(wrong), len(persons) > 480) == (0, True)
    result, after = match("true")
    assert (result.new, result.joined) == (3, 3)
    assert {customer: after[customer] for customer in persons} == persons
