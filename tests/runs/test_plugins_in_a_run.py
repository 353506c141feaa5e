"""What a file of the source's folder, or an installed package, brings goes through a whole run without any other edit.

The runs are made in this process; in ``make soak`` by the command, with its kernels.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from here import without_kernels
from shop import place_shop
from tenure.core.workspace import Workspace
from tenure.runs.run import run_flow

TARGET = """
from tenure.targets.definition import Condition, Heuristic, Target

TARGET = Target(
    name="{name}",
    question="Will a customer who ordered {when} order in the next {{horizon_days}} days?",
    eligible_in_words="ordered {when}",
    eligible=(Condition("order_lines", "{eligible}"),),
    outcome=Condition("order_lines", "count(*) filter (where quantity > 0) > 0"),
    heuristic=Heuristic("-days_since_order", "the fewest days since the last order"),
    positive="ordered",
    horizon_days=45,
)
"""
WINBACK = TARGET.format(name="winback", when="more than 30 days ago", eligible="min(age_days) > 30")
REGULAR = TARGET.format(name="regular", when="in the last 30 days", eligible="min(age_days) <= 30")
BASKETS = """
from tenure.customers.attribute import AttributeColumn, CustomerAttribute

def build(facts, customers):
    table = facts.query("SELECT customer_id, count(DISTINCT order_id) AS baskets FROM order_lines GROUP BY customer_id")
    sizes = table.groupby("baskets", as_index=False).agg(customers=("customer_id", "size"))
    return table, {"basket_counts": sizes}

ATTRIBUTE = CustomerAttribute(
    "baskets", ("order_lines",), (AttributeColumn("baskets", "count", "Orders ever placed."),), build
)
"""


def install(site: Path) -> None:
    """Lay out a package as pip does."""
    (site / "shop_targets").mkdir(parents=True)
    (site / "shop_targets" / "__init__.py").touch()
    (site / "shop_targets" / "regular.py").write_text(REGULAR)
    info = site / "shop_targets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-targets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tenure.targets]\nregular = shop_targets.regular:TARGET\n")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    root = tmp_path_factory.mktemp("brought")
    workspace = Workspace(root / "workspace")
    place_shop(workspace)
    for kind, name, text in (("targets", "winback", WINBACK), ("attributes", "baskets", BASKETS)):
        path = workspace.raw("shop") / kind / f"{name}.py"
        path.parent.mkdir()
        path.write_text(text)
    install(root / "site")
    return workspace, root / "site"


def run(shop, targets):
    """Run quickly what is missing of some targets."""
    workspace, site = shop
    if "TENURE_SOAK" in os.environ:
        tenure(shop, "run", "shop", "--targets", targets, "--quick")
        return
    with pytest.MonkeyPatch.context() as patch:
        without_kernels(patch)
        patch.syspath_prepend(site)
        run_flow("shop", targets=targets.split(","), quick=True, workspace=str(workspace.root))


def tenure(shop, *command):
    workspace, site = shop
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "tenure", *command, "--workspace", str(workspace.root)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(shop):
    run(shop, "winback,regular")
    (found,) = shop[0].reports_of("shop").glob("2*")
    return found


@pytest.mark.parametrize("target", ["winback", "regular"])
def test_a_target_in_one_file_is_trained_scored_shown_and_reviewed(shop, folder, target):
    scored = pd.read_parquet(folder / "scored_customers.parquet")
    assert scored[f"{target}_propensity"].notna().sum() > 30 and len(pd.read_csv(folder / f"{target}.csv")) > 30
    page = (folder / f"{target}.html").read_text(encoding="utf-8")
    assert "order in the next 45 days?" in page and "What drives it" in page
    assert target in (folder / "review.html").read_text(encoding="utf-8")
    assert list(shop[0].scores_of("shop").glob(f"target={target}/as_of=*/*.parquet"))
    assert target in json.loads((folder / "run.json").read_text())["targets"]


def test_an_attribute_in_one_file_has_its_column_its_meaning_and_its_table_on_the_page(folder):
    assert pd.read_parquet(folder / "scored_customers.parquet")["baskets"].max() > 3
    meanings = pd.read_csv(folder / "data_dictionary.csv").set_index("column")["meaning"]
    assert meanings["baskets"] == "Orders ever placed."
    assert list(pd.read_csv(folder / "basket_counts.csv").columns) == ["baskets", "customers"]
    page = (folder / "customers.html").read_text(encoding="utf-8")
    assert "<h2>Basket counts</h2>" in page and '<a href="basket_counts.csv">' in page


def test_sources_lists_what_its_folder_and_packages_bring(shop, folder):
    (line,) = [line for line in tenure(shop, "sources").splitlines() if line.startswith("shop ")]
    assert "winback" in line and "regular" in line


def test_an_unchanged_plugin_is_reused_a_changed_one_runs_again_and_a_target_that_is_gone_is_named(shop, folder):
    before = json.loads((folder / "run.json").read_text())
    run(shop, "winback,regular")
    assert json.loads((folder / "run.json").read_text()) == before  # nothing was run
    brought = shop[0].raw("shop")
    (brought / "targets" / "winback.py").unlink()
    (brought / "attributes" / "baskets.py").write_text(BASKETS.replace("count(DISTINCT order_id)", "1"))
    run(shop, "regular")
    after = json.loads((folder / "run.json").read_text())
    assert {step["name"] for step in after["timings"]} >= {"02_features", "03_train_regular", "04_score"}
    assert set(pd.read_parquet(folder / "scored_customers.parquet")["baskets"].dropna()) == {1}
    assert "Nobody was scored" in (review := (folder / "review.html").read_text(encoding="utf-8"))
    assert "winback" in review and "nobody defines this target any more" in review
