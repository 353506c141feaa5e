"""Records of trainings: what is saved is read again, and those of former formats are still shown."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest
from markdown_it import MarkdownIt
from test_pages import METRICS, ORDERS, TOML

from tables import staged
from tenure.models.verdict import Gate
from tenure.reporting.record import (
    Data,
    Definition,
    Judgement,
    RegisteredModel,
    Results,
    TrainingRecord,
)
from tenure.reporting.report import index_page, model_card, target_page

FORMER = {"auc_heuristic": "auc_rule", "average_precision_heuristic": "average_precision_rule"}
FORMER |= {"auc_heuristic_low": "auc_rule_low", "auc_heuristic_high": "auc_rule_high"}
FORMER |= {"lift_top_decile_heuristic": "lift_top_decile_rule"}
CHECK = {"check": "replay", "cutoff": "2024-03-01", "customers": 9, "features": 5, "left_out": 2, "differing": 0}
GATE = {"name": "calibrated", "passed": True, "found": "slope 1.00", "code": "calibration"}
# As record.json was until format 2: every field beside all others.
FLAT = {
    "target": "lapse",
    "status": "trained",
    "reason": "better",
    "code": "first",
    "definition": "abc123",
    "question": "Who lapses?",
    "eligible": "bought",
    "positive": "lapsed",
    "test_cutoff": "2024-03-01",
    "fitting_cutoffs": ["2024-01-01"],
    "horizon_days": 90,
    "save_rate": 0.1,
    "counts": {"eligible": 40, "positives": 10, "fitting_rows": 80, "fitting_customers": 50, "fitting_positives": 20},
    "metrics": METRICS | {"lift_at_capacity": 2.0, "lift_at_capacity_low": 1.0, "lift_at_capacity_high": 3.0},
    "gates": [GATE],
    "audit": {
        "checks": [CHECK],
        "findings": ["odd"],
        "alarms": ["bad"],
        "univariate": [{"feature": "days", "auc": 0.7}],
    },
    "cautions": ["Few rows."],
    "heuristic": "days since the last order",
    "model": "shop-lapse",
    "version": "3",
    "run_id": "r1",
    "fingerprint": "f1",
    "trees": 20,
    "is_promotable": True,
    "is_quick": True,
}
# Before heuristics were called that, in the format before and in the one that had no number.
OLDER = {key: value for key, value in FLAT.items() if key != "heuristic"} | {
    "rule": FLAT["heuristic"],
    "metrics": {FORMER.get(name, name): value for name, value in FLAT["metrics"].items()},
    "audit": {"solo" if name == "univariate" else name: value for name, value in FLAT["audit"].items()},
}


def read(folder, document):
    (folder / "record.json").write_text(json.dumps(document), encoding="utf-8")
    return TrainingRecord.load(folder)


@pytest.mark.parametrize("document", [FLAT | {"format_version": 1}, OLDER, OLDER | {"unheard": 1}])
def test_a_record_of_a_former_format_is_read_into_its_parts(tmp_path, document):
    record = read(tmp_path, document)
    assert (record.target, record.status, record.reason, record.is_quick) == ("lapse", "trained", "better", True)
    assert record.definition == Definition(
        "abc123", "Who lapses?", "bought", "lapsed", 90, heuristic="days since the last order", save_rate=0.1
    )
    assert record.data == Data("2024-03-01", ["2024-01-01"], FLAT["counts"])
    assert record.model == RegisteredModel("shop-lapse", "3", "r1", "f1", trees=20)
    assert record.results == Results(FLAT["metrics"], warnings=["Few rows."])
    assert record.judgement == Judgement(
        "first", (Gate(**GATE),), True, False, [CHECK], ["odd"], ["bad"], [{"feature": "days", "auc": 0.7}]
    )


@pytest.mark.parametrize("document", [FLAT | {"format_version": 1}, OLDER])
def test_a_record_of_a_former_format_is_shown_on_every_page(tmp_path, document):
    shop = staged(tmp_path, order_lines=ORDERS, toml=TOML)
    record = read(tmp_path, document)
    index, target = index_page([record], shop, "2024-07-01", 2), target_page(record, None, shop, "2024-07-01", tmp_path)
    assert 'href="lapse.html"' in index and "Quick run" in index and "0.800 (0.250–0.250)" in index
    assert "<h1>Who lapses?</h1>" in target and "Few rows." in target and "definition <code>abc123</code>" in target
    assert "Heuristic: days since the last order." in model_card(record, shop, "2024-07-01")


HOSTILE = "tea | <script>alert(1)</script>\n\n# Free | [x](http://x.org) `rm` *now*"


def card_of(shop, text):
    """Render the card of a record with a text of the data wherever one can stand."""
    record = TrainingRecord.load(shop.folder)
    results = replace(
        record.results, segments=[{"segment": "plan", "level": text, "auc": 0.4, "auc_low": 0.3, "auc_high": 0.45}]
    )
    results = replace(results, warnings=[text], baselines={"feature": f"best single feature {text}"})
    record = replace(
        record,
        definition=replace(record.definition, heuristic=text),
        model=replace(record.model, importance=[{"feature": text}]),
        results=results,
        judgement=replace(record.judgement, audit_findings=[text], gates=(Gate(**GATE | {"found": text}),)),
    )
    return MarkdownIt("commonmark").enable("table").render(model_card(record, shop, "2024-07-01"))


def test_a_card_shows_texts_of_the_data_as_they_stand(tmp_path):
    shop = staged(tmp_path, order_lines=ORDERS, toml=TOML)
    read(shop.folder, FLAT)
    honest, hostile = (re.sub(r"\s+", " ", card_of(shop, text)) for text in ("black tea", HOSTILE))
    assert re.findall("<[^>]*>", hostile) == re.findall("<[^>]*>", honest), "the same paragraphs, lists and table cells"
    assert unescape(hostile).replace(" ".join(HOSTILE.split()), "black tea") == unescape(honest)
    assert honest.count("black tea") == 7 and "<table>" in honest


def test_a_card_marks_the_features_of_which_no_raw_file_says_when_they_were_known(tmp_path):
    shop = staged(tmp_path, order_lines=ORDERS, toml=TOML)
    record = read(shop.folder, FLAT)
    features = [{"feature": "count_categories_90d"}, {"feature": "count_orders_90d"}]
    record = replace(
        record,
        model=replace(record.model, importance=features),
        data=replace(record.data, unproven_features=["count_categories_90d"]),
    )
    card = model_card(record, shop, "2024-07-01")
    assert "count_categories_90d (unproven), " in card and "count_orders_90d (unproven)" not in card


def test_what_is_saved_is_read_again(tmp_path):
    record = read(tmp_path, FLAT)
    assert json.loads(record.save(tmp_path).read_text(encoding="utf-8"))["format_version"] == 2
    assert TrainingRecord.load(tmp_path) == record
