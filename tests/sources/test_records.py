import duckdb

from tables import staged

HEADER = "customer_id occurred_at system record_id first_name surname birth_date email city"
ROWS = (
    "ana 2024-01-02 shop 1 Ana Lee 1980-05-01 ana@x.org -",
    "bo 2024-01-02 shop 2 Bo - - - -",
    "cy 2024-01-02 shop 3 Cy Orr 2031-01-01 - Bath",
    "di 2024-01-02 shop 4 Di Poe 1999-13-45 - Bath",
    "ed 2024-01-02 - 5 Ed Roe 1990-01-01 - Bath",
)


def test_a_record_that_can_be_of_nobody_is_rejected_with_its_reason(tmp_path):
    source = staged(tmp_path, records=(HEADER, *ROWS))
    assert source.tables["records"].staged == 1
    rejected = duckdb.sql(
        f"SELECT json_extract_string(raw, '$.customer_id'), rule FROM read_parquet('{source.rejected_path('records')}') ORDER BY 1"
    ).fetchall()
    assert rejected == [
        ("bo", "nothing but a name: no birth date, e-mail, phone, account or address"),
        ("cy", "birth_date is after the record"),
        ("di", "birth_date is not a date"),
        ("ed", "system is missing"),
    ]
