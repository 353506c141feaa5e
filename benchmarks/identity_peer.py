"""Splink's published settings for historical_50k, as its example notebook "deduplicate 50k synthetic" has them; and pairwise F1."""

import time
from collections.abc import Callable

import duckdb
import ordinary
import pyarrow as pa
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

THRESHOLD = 0.95  # the notebook's


def pairwise(truth: str, persons: dict[str, str]) -> tuple[float, float, float]:
    """Compare persons with the truth over all pairs of records. truth (customer_id, truth)  =>  precision, recall, F1"""
    connection = duckdb.connect()
    connection.register("persons", pa.table({"customer_id": list(persons), "person": list(persons.values())}))
    connection.execute(
        f"CREATE TABLE judged AS SELECT truth, coalesce(person, customer_id) AS person FROM ({truth}) LEFT JOIN persons USING (customer_id)"
    )

    def pairs(columns: str) -> int:
        groups = f"SELECT count(*) AS n FROM judged GROUP BY {columns}"
        return int(connection.execute(f"SELECT sum(n * (n - 1) // 2) FROM ({groups})").fetchall()[0][0])

    both, said, true = pairs("truth, person"), pairs("person"), pairs("truth")
    return both / said, both / true, 2 * both / (said + true)


def run(truth: str, report: Callable[..., None]) -> None:
    connection = duckdb.connect()
    file = ordinary.DATA / "historical_50k" / "historical_figures_with_errors_50k.parquet"
    connection.execute(f"CREATE TABLE people AS SELECT *, first_name || ' ' || surname AS both_names FROM '{file}'")
    settings = SettingsCreator(
        link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[
            block_on("substr(first_name,1,3)", "substr(surname,1,4)"),
            block_on("surname", "dob"),
            block_on("first_name", "dob"),
            block_on("postcode_fake", "first_name"),
            block_on("postcode_fake", "surname"),
            block_on("dob", "birth_place"),
            block_on("substr(postcode_fake,1,3)", "dob"),
            block_on("substr(postcode_fake,1,3)", "first_name"),
            block_on("substr(postcode_fake,1,3)", "surname"),
            block_on("substr(first_name,1,2)", "substr(surname,1,2)", "substr(dob,1,4)"),
        ],
        comparisons=[
            cl.ForenameSurnameComparison("first_name", "surname", forename_surname_concat_col_name="both_names"),
            cl.DateOfBirthComparison("dob", input_is_string=True),
            cl.PostcodeComparison("postcode_fake"),
            cl.ExactMatch("birth_place").configure(term_frequency_adjustments=True),
            cl.ExactMatch("occupation").configure(term_frequency_adjustments=True),
        ],
    )
    started = time.monotonic()
    linker = Linker(DuckDBAPI(connection).register("people"), settings, log_level=None)
    linker.training.estimate_probability_two_random_records_match(
        [
            "l.first_name = r.first_name and l.surname = r.surname and l.dob = r.dob",
            "substr(l.first_name,1,2) = substr(r.first_name,1,2) and l.surname = r.surname and substr(l.postcode_fake,1,2) = substr(r.postcode_fake,1,2)",
            "l.dob = r.dob and l.postcode_fake = r.postcode_fake",
        ],
        recall=0.6,
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("first_name", "surname"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("dob"))
    predictions = linker.inference.predict(threshold_match_probability=0.5)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predictions, THRESHOLD).as_pandas_dataframe()
    seconds = time.monotonic() - started
    report(
        "historical_50k",
        "Splink as published",
        truth,
        dict(zip(clusters["unique_id"], clusters["cluster_id"], strict=True)),
        seconds,
    )
