"""A source.toml as a typed document: a valid one parses, each fault is one problem that names its place."""

import json
import re
import subprocess
import sys
import tomllib
from copy import deepcopy
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from drawn import drawn
from tenure.cli.main import app
from tenure.core.errors import DefinitionError
from tenure.core.validation import checked
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.document import DOCUMENT, RAW, SETTINGS, source_schema
from tenure.sources.retention import NAMES
from tenure.sources.source import bundled_source_names, parse_source

COLUMNS = {
    name: ([*("customer_id", "occurred_at", "known_at")] if table.is_dated else []) + [*table.column_names]
    for name, table in STAGED_TABLES.items()
    if name != "declared"  # its column 'key' is a setting in the TOML
}
SQL = st.sampled_from(["client", "'web'", "qty * price", "strptime(\"day\", '%Y')", "CASE WHEN a THEN b END"])
NEW_NAMES = st.sampled_from(["gift", "basket_size", "x1"])
VALUES = {
    "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
    "raw_timezone": st.sampled_from(["UTC", "America/New_York"]),
    "cutoff_grid": st.sampled_from(["month", "week"]),
    "earliest_day": st.sampled_from(["1990-01-31", "1912-06-01"]),
    "min_history_days": st.integers(0, 1000),
    "margin_rate": st.sampled_from([0, 1, 0.25]),
    "pseudonymise": st.booleans(),
    "require_proof": st.booleans(),
    "retention": st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4000), max_size=3),
    "targets": st.just({"lapse": {"horizon_days": 28}}),
    "attributes": st.just({"rfm": {"window_days": 90}}),
    "measure": st.just({"horizon_days": 14}),
    "features": st.just([{"name": "gifts"}]),
    "decisions": st.just({"hold_out": 0.05}),
    "channels": st.just({"email": {"cost": 0.02}}),
    "actions": st.just({"save_call": {"moves": "churn", "channels": ["email"]}}),
    "audiences": st.just({"silent": {"when": "churn_decile = 1"}}),
    "name": st.just("shop"),
}


@st.composite
def sections(draw, name):
    section = {column: draw(SQL) for column in COLUMNS[name]}
    files = st.sampled_from(["a.csv", ["a_*.csv", "a.csv"]])
    section |= draw(
        st.one_of(st.builds(lambda given: {"from": given}, files), st.just({"one_of": ["a.parquet", "a.csv"]}))
    )
    optional = {
        "extra": st.dictionaries(NEW_NAMES, SQL, max_size=2),
        "key": st.sampled_from(["customer_id", ["customer_id", "occurred_at"]]),
        "max_rejected_share": st.sampled_from([0, 0.5, 0.99]),
    }
    if name == "customers":
        optional |= {"attributes": st.just({"age": "age"}), "consent": st.just({"email": "ok"})}
    for key in draw(st.sets(st.sampled_from(sorted(optional)))):
        section[key] = draw(optional[key])
    return section


@st.composite
def documents(draw):
    keys = draw(st.sets(st.sampled_from(sorted(SETTINGS)), max_size=6))
    document = {key: draw(VALUES.get(key, st.text(max_size=8))) for key in sorted(keys)}
    for name in sorted(draw(st.sets(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3))):
        document[name] = draw(sections(name))
    document["raw"] = {
        "a.csv": {key: 2 if key == "skip" else "day" for key in draw(st.sets(st.sampled_from(sorted(RAW))))}
    }
    return document


def wrong_values(document):
    """List a fault of each place of a document: the keys to it, what to put there, the place as the message names it."""
    faults = [((key,), object(), key) for key in document if key in SETTINGS]
    faults.append((("curency",), "EUR", "Key 'curency'"))
    for name in document.keys() & COLUMNS.keys():
        faults += [((name, key), 7.5, f"[{name}] {key}") for key in document[name]]
        faults += [((name, "amuont"), "x", f"[{name}]: Key 'amuont'"), ((name,), 1, f"{name} is 1")]
    faults += [(("raw", "a.csv", key), -1, f'[raw."a.csv"] {key}') for key in document["raw"]["a.csv"]]
    faults += [(("raw", "a.csv", "knwon_at"), "x", "[raw.\"a.csv\"]: Key 'knwon_at'")]
    faults += [(("retention", key), 0, f"[retention] {key}") for key in document.get("retention", ())]
    return faults


def refusal(document):
    with pytest.raises(DefinitionError) as refused:
        checked(DOCUMENT, document, "source.toml")
    return str(refused.value)


@drawn(15)
@given(documents())
def test_a_valid_document_is_accepted_also_by_the_schema(document):
    found = checked(DOCUMENT, document, "source.toml")
    assert list(found) == list(document)
    assert not list(VALIDATOR.iter_errors(document))


@drawn(20)
@given(documents(), st.data())
def test_one_fault_is_one_problem_that_names_its_place(document, data):
    path, value, place = data.draw(st.sampled_from(wrong_values(document)))
    faulty = deepcopy(document)
    inside = faulty
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    said = refusal(faulty)
    assert said.startswith("source.toml: ") and place in said and "problems:" not in said
    assert ("expected " in said) != ("is not defined. Defined: " in said)


@drawn(8)
@given(documents())
def test_all_faults_are_said_at_once(document):
    faulty = document | {"curency": "EUR", "margin_rate": "much", "timezone": "Europe/Berln"}
    said = refusal(faulty)
    assert "source.toml: 3 problems:" in said and len(re.findall(r"\n  - ", said)) == 3


SHOP = """
[order_lines]
from = "orders.csv"
customer_id = "client"
occurred_at = "day"
order_id = "no"
amount = "price"
"""


@pytest.mark.parametrize(
    ("wrong", "said", "right"),
    [
        ("margin_rate = true", "margin_rate is True: expected a number", "margin_rate = 1"),
        ("margin_rate = nan", "margin_rate is nan: expected a number", "margin_rate = 0.5"),
        ("min_history_days = 1.5", "min_history_days is 1.5: expected a number of days", "min_history_days = 1"),
        ("pseudonymise = 1", "pseudonymise is 1: expected true or false", "pseudonymise = true"),
        ("timezone = 'Berlin'", "Time zone 'Berlin' is not defined.*Did you mean", "timezone = 'Europe/Berlin'"),
        ("name = 'other'", "name is 'other', but the source's folder is 'shop'", "name = 'shop'"),
        ("attributes.rfm = 2", r"\[attributes\] rfm is 2: expected a table", "attributes.rfm.window_days = 2"),
        ("features = [1]", "expected an array of tables", "features = [{ name = 'gifts' }]"),
        (SHOP + "extra = { Gift = 'g' }", r"\[order_lines.extra\] Gift is no name", SHOP + "extra = { gift = 'g' }"),
        (SHOP + "extra = { amount = 'g' }", "extra column 'amount': expected a new name", SHOP + "extra = { sum = 'g' }"),
        (SHOP + "attributes = { a = 'g' }", "belong to .customers.", SHOP + "extra = { a = 'g' }"),
        (SHOP + "query = 'SELECT 1'", "either from = .* or query", "[order_lines]\nquery = 'SELECT 1'"),
        (SHOP + "max_rejected_share = 1", "expected a number from 0 to less than 1", SHOP + "max_rejected_share = 0.9"),
        (SHOP + "key = ['a', 1]", "expected a text, or a list of texts", SHOP + "key = ['a', 'b']"),
        (SHOP.replace("amount", "amuont"), r"Key 'amuont'.*Did you mean 'amount'", SHOP),
        (SHOP.replace('amount = "price"', ""), r"\[order_lines\]: no expression for amount", SHOP),
        (SHOP + "[raw.'o.csv']", "File 'o.csv' is not defined. Defined: orders.csv", SHOP + "[raw.'orders.csv']"),
        ("[customers.consent]\n'e-mail' = 'a'", "expected a channel: lower-case", "[customers]\nfrom = 'a'\ncustomer_id = 'b'\nconsent.sms = 'a'"),
        ("[targets.lapse]\nhorizon_days = 1\n[targets]\nlapse.x = 1", "not valid TOML", "[targets.lapse]\nhorizon_days = 1"),
    ],
)  # fmt: skip
def test_each_refusal_has_an_honest_twin(wrong, said, right):
    with pytest.raises(DefinitionError, match=f"^here: (.|\n)*{said}"):
        parse_source(wrong, name="shop", where="here")
    parse_source(right, name="shop", where="here")


def test_former_names_of_keys_are_read_with_a_warning_and_not_beside_the_present_ones():
    former = parse_source("[facets.programme]\ntiers = { gold = 1 }\n", name="shop", where="here")
    present = parse_source("[attributes.loyalty_programme]\ntiers = { gold = 1 }\n", name="shop", where="here")
    assert former == present and former.meaning == present.meaning and not present.warnings
    assert ["'facets' is now called 'attributes'" in former.warnings[0], len(former.warnings)] == [True, 2]
    for both in (
        "facets.rfm.x = 1\nattributes.brands.y = 1",
        "attributes.programme.x = 1\nattributes.loyalty_programme.y = 1",
    ):
        with pytest.raises(DefinitionError, match="is the former name of .*, and both are given"):
            parse_source(both, name="shop", where="here")


VALIDATOR = Draft202012Validator(source_schema())


def shipped(name):
    return (files("tenure.sources") / "bundled" / f"{name}.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed():
    schema = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", bundled_source_names())
def test_the_bundled_documents_hold_the_printed_schema(printed, name):
    assert not list(printed.iter_errors(tomllib.loads(shipped(name))))


@pytest.mark.parametrize(
    "typo",
    [
        ("currency =", "curency ="), ("timezone =", "timezone = 3 #"), ("amount ", "amuont "), ("[targets.lapse]", "[target.lapse]"),
        ("horizon_days ", "horizon_day "), ("horizon_days  = ", "horizon_days  = -"), ("[order_lines]", "[orders]"),
    ],
)  # fmt: skip
def test_a_typo_is_refused_by_the_printed_schema(printed, typo):
    text = shipped("complete_journey")
    assert typo[0] in text
    assert list(printed.iter_errors(tomllib.loads(text.replace(typo[0], typo[1], 1))))


def test_pydantic_is_imported_only_where_a_source_is_read():
    asked = "import sys, tenure.cli.main, tenure.sources.source, tenure.targets.catalogue, tenure.steps.parameters; print('pydantic' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
