"""Lapse on real data: Tenure next to the ordinary reference, on the same cutoffs. Printed with protocol and interval.

Usage: python benchmarks/lapse.py [SOURCE ...]   (data: TENURE_TEST_DATA)
"""

import sys
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import ordinary
import pandas as pd

from tenure.models.evaluate import auc_difference, auc_with_interval
from tenure.models.settings import TrainingSettings
from tenure.models.study import study_target
from tenure.snapshots import Snapshots
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source
from tenure.workspace import Workspace

# The published test cutoff is the last of each list; the others are the walk before it.
CUTOFFS = {
    "online_retail": (date(2011, 8, 1), date(2011, 9, 1)),
    "complete_journey": (date(2017, 7, 1), date(2017, 9, 1), date(2017, 11, 1)),
    "cdnow": (date(1997, 12, 1), date(1998, 1, 1)),
}


def compare(snapshots: Snapshots, source: str, cutoff: date) -> str:
    target = snapshots.targets["lapse"]
    study = study_target(snapshots, target, TrainingSettings(), test_cutoff=cutoff)
    reference = ordinary.run(ordinary.open_facts(source), source, pd.Timestamp(cutoff), target.horizon_days)
    reference["customer_id"] = reference["customer_id"].astype(str)
    ours = study.test[["customer_id", "label", "propensity"]].copy()
    # CDNOW's ids carry leading zeros, which the reference drops.
    ours["customer_id"] = ours["customer_id"].str.lstrip("0")
    joined = ours.merge(reference[["customer_id", "score"]], on="customer_id", validate="one_to_one")
    auc = auc_with_interval(joined["label"], joined["propensity"])
    other = auc_with_interval(joined["label"], joined["score"])
    paired = auc_difference(joined["label"], joined["propensity"], joined["score"])
    return (
        f"{source:<17} {cutoff} {target.horizon_days:>4} d {len(joined):>6} eligible  Tenure {auc.value:.4f} ({auc.low:.3f}-{auc.high:.3f})  "
        f"ordinary {other.value:.4f}  paired {paired.value:+.4f} ({paired.low:+.4f} to {paired.high:+.4f})"
    )


def main(sources: list[str]) -> None:
    print(
        "Lapse, AUC with 95 % interval (DeLong), fitting cutoffs embargoed before each test cutoff; the last of a source is the published one"
    )
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        for source in sources or list(CUTOFFS):
            if not (ordinary.DATA / source).is_dir():
                print(f"{source:<17} not measured: {ordinary.DATA / source} does not exist (set TENURE_TEST_DATA)")
                continue
            fetch_source(workspace, source, ordinary.DATA / source)
            staged = stage_source(workspace, read_source(workspace, source))
            snapshots = Snapshots(workspace, staged, staged.default_as_of)
            for cutoff in CUTOFFS[source]:
                print(compare(snapshots, source, cutoff), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
