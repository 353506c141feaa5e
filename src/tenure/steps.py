"""The steps of the flow, one public function each: what a notebook calls, and nothing it would have to repeat."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pandas as pd

from tenure.alerts import Alert, load_alerts, save_alerts, worst_first
from tenure.audit.audit import alarm_lines, audit_study
from tenure.engines.choice import DUCKDB, check_engine
from tenure.errors import NotEnoughDataError, RegistryError, UnknownNameError
from tenure.features.catalogue import describe
from tenure.models.model import PropensityModel
from tenure.models.registry import Registry, model_name
from tenure.models.scorecard import Scorecard, walk
from tenure.models.settings import TrainingSettings
from tenure.models.study import Study, study_target
from tenure.models.verdict import judge
from tenure.reporting.record import TrainingRecord, record_of
from tenure.review.deliveries import change_alerts, delivery_alerts, delivery_table
from tenure.review.drift import LIMIT, drift_alerts, drift_table, stability_index
from tenure.review.promises import Promise, find_promises, promise_alerts, promise_table
from tenure.scoring import Scores, ScoringModel, append_to_ledger, last_scores, score_customers, write_scores
from tenure.snapshots import Snapshots
from tenure.sources.ingest import StagedSource, check_as_of, stage_source
from tenure.sources.source import Source, read_source
from tenure.targets.catalogue import all_targets, find_target
from tenure.targets.definition import Target
from tenure.time_windows import parse_date
from tenure.workspace import Workspace, replaced_file

if TYPE_CHECKING:
    from tenure.audit.full import SourceAudit
    from tenure.reporting.figures import Figure, Picture

QUICK_DEMO_CUSTOMERS = 2_000
BACKFILL_ENDING = "-backfill"
REVIEW_ALERTS = "review.alerts.json"


@dataclass(frozen=True)
class Run:
    """One source at one as-of: where it reads, where it writes."""

    workspace: Workspace
    source: Source
    as_of_given: date | None
    output_given: Path | None
    quick: bool
    run_id: str
    run_kind: str = "manual"
    engine: str = DUCKDB

    @cached_property
    def staged(self) -> StagedSource:
        return stage_source(self.workspace, self.source)

    @cached_property
    def as_of(self) -> date:
        return check_as_of(self.staged, self.as_of_given)

    @cached_property
    def output(self) -> Path:
        return self.output_given or self.workspace.reports(self.source.name, self.as_of)

    @cached_property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.workspace, self.staged, self.as_of, self.engine)

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.workspace)

    def target(self, name: str) -> Target:
        """Return a target this source can answer.

        Raises
        ------
        UnknownNameError : nobody defined it. NotEnoughDataError : the source lacks its tables.
        """
        find_target(name)
        if name not in self.snapshots.targets:
            raise NotEnoughDataError(f"{name} on {self.source.name}: {self.snapshots.unavailable_targets[name]}.")
        return self.snapshots.targets[name]

    def model_name(self, target: str) -> str:
        """Name a target's registered model; a backfill keeps its own, so that nothing of today is touched."""
        return model_name(self.source.name, target) + (BACKFILL_ENDING if self.run_kind == "backfill" else "")

    def training_folder(self, target: str) -> Path:
        return self.output / "training" / target


def open_run(
    source: str,
    *,
    as_of: str = "",
    workspace: str = "",
    output: str = "",
    quick: bool = False,
    run_id: str = "",
    run_kind: str = "manual",
    engine: str = "",
) -> Run:
    """Open a source at an as-of; the demo company is generated where it is absent. Empty text means the default.

    Raises
    ------
    TenureError : an unknown source or engine, a date that is none, no workspace, an output outside it.
    """
    located = Workspace.locate(workspace or None)
    if source == "demo":
        ensure_demo(located, customers=QUICK_DEMO_CUSTOMERS if quick else None)
    given = parse_date(as_of) if as_of else None
    return Run(
        located,
        read_source(located, source),
        given,
        located.inside(output, "output") if output else None,
        quick,
        run_id or uuid4().hex[:12],
        run_kind,
        check_engine(engine),
    )


def ensure_demo(workspace: Workspace, *, customers: int | None = None) -> None:
    """Generate the demo company where it is absent."""
    if not (workspace.raw("demo") / "customers.parquet").is_file():
        from tenure.demo import generate_demo

        sizes = {} if customers is None else {"customers": customers}
        generate_demo(workspace.raw("demo"), workspace.truth("demo"), **sizes)


def staged_tables(run: Run) -> pd.DataFrame:
    """Show what staging came to. => table, read, unreadable, staged, rejected, customers, first_day, last_day"""
    columns = ("read", "unreadable", "staged", "rejected", "customers", "first_day", "last_day")
    return pd.DataFrame(
        [{"table": name, **{c: getattr(table, c) for c in columns}} for name, table in run.staged.tables.items()]
    )


def rejected_rules(run: Run) -> pd.DataFrame:
    """Show the rules that rejected rows broke. => table, rule, rows"""
    rows = [(name, rule, count) for name, table in run.staged.tables.items() for rule, count in table.rules.items()]
    return pd.DataFrame(rows, columns=["table", "rule", "rows"])


def feature_catalogue(run: Run) -> pd.DataFrame:
    """Show the data dictionary of the features this source can answer, one row per column."""
    return pd.DataFrame([describe(column) for column in run.snapshots.columns])


def build_snapshots(run: Run, targets: Iterable[str] = ()) -> pd.DataFrame:
    """Build, or reuse, every snapshot the targets need. => target, status, test_cutoff, fitting_cutoffs, built, reused"""
    rows: list[dict[str, Any]] = []
    wanted = list(targets) or list(run.snapshots.targets)
    cutoffs: set[date] = {run.as_of}
    plans = {}
    for name in wanted:
        try:
            plans[name] = run.snapshots.plan(run.target(name))
            cutoffs |= set(plans[name].all)
        except NotEnoughDataError as error:
            rows.append({"target": name, "status": "refused", "why": str(error)})
    # All cutoffs in one pass: the engine reads each table once per window, not once per cutoff.
    counts = run.snapshots.build_features(cutoffs)
    for name, plan in plans.items():
        run.snapshots.build_labels(run.target(name), plan.all)
        rows.append({"target": name, "status": "ready", "test_cutoff": plan.test, "fitting_cutoffs": len(plan.fitting)})
    table = pd.DataFrame(rows)
    table["snapshots_built"], table["snapshots_reused"] = counts["built"], counts["reused"]
    return table


def base_rates(run: Run, target: str) -> pd.DataFrame:
    """Show a target's funnel at each matured cutoff. => cutoff, known, eligible, positives, base_rate"""
    asked = run.target(target)
    plan = run.snapshots.plan(asked)
    run.snapshots.build_labels(asked, plan.all)
    return run.snapshots.funnel(asked, plan.all)


@dataclass(frozen=True)
class Training:
    """What came of training one target: its record, and where it was trained the study and its figures."""

    record: TrainingRecord
    study: Study | None
    figures: dict[str, Figure]

    def figure(self, name: str) -> Picture | str:
        """Show a figure, or say why there is none."""
        from tenure.reporting.figures import Picture

        return Picture(self.figures[name]) if name in self.figures else f"No figure: {self.record.reason}"

    @property
    def scorecard(self) -> pd.DataFrame:
        """Show the same recipe at earlier cutoffs; the last row is this version."""
        return pd.DataFrame(self.record.scorecard)

    @property
    def checks(self) -> pd.DataFrame:
        """Show what the audit checked. => check, cutoff, customers, features, left_out, differing"""
        return pd.DataFrame(self.record.audit.get("checks", []))

    @property
    def summary(self) -> pd.DataFrame:
        """Show the metrics at the test cutoff. => metric, value"""
        if not self.record.metrics:
            return pd.DataFrame({"status": [self.record.status], "reason": [self.record.reason]})
        return pd.DataFrame(sorted(self.record.metrics.items()), columns=["metric", "value"])


def train(
    run: Run, target: str, *, tune_trials: int = 0, test_cutoff: str = "", seed: int = 7, walk_cutoffs: int = 3
) -> Training:
    """Train one target, walk it over earlier cutoffs, audit and judge it, register the version; too little data is a refusal that is recorded, not a crash.

    Raises
    ------
    UnknownNameError : no such target. RegistryError : the MLflow store is unreachable.
    """
    find_target(target)
    folder = run.training_folder(target)
    run.registry.check()
    settings = TrainingSettings(seed=seed, tune_trials=tune_trials)
    settings = settings.quick() if run.quick else settings
    given = parse_date(test_cutoff, "test cutoff") if test_cutoff else None
    try:
        study = study_target(
            run.snapshots, run.target(target), settings, test_cutoff=given, with_monotone_cost=not run.quick
        )
    except NotEnoughDataError as error:
        known = run.snapshots.targets.get(target)
        record = TrainingRecord(
            target, "refused", str(error), question=known.describe() if known else "", is_quick=run.quick
        )
        record.save(folder)
        return Training(record, None, {})
    champion = _champion(run, target)
    card = walk(
        run.snapshots, study.target, study.trained.settings, study, cutoffs=1 if run.quick else walk_cutoffs,
        # A repeat that comes to the champion's own content has nothing to beat.
        champion=champion.model if champion and champion.model.fingerprint != study.model.fingerprint else None,
    )  # fmt: skip
    return _register(run, study, card, champion, folder)


def _champion(run: Run, target: str) -> ScoringModel | None:
    name = run.model_name(target)
    version = run.registry.champion(name)
    if version is None:
        return None
    try:
        return ScoringModel(run.registry.load(name, version), version)
    except RegistryError:
        # A champion whose files are gone can neither score nor be compared with: the rule alone decides.
        return None


def _register(run: Run, study: Study, card: Scorecard, champion: ScoringModel | None, folder: Path) -> Training:
    from tenure.models.explain import importance
    from tenure.reporting.figures import save_svg
    from tenure.reporting.report import model_card, write_page

    model = study.model
    name = run.model_name(study.target.name)
    audit = audit_study(run.snapshots, study)
    verdict = judge(
        study.evaluation, card.difference_to("champion"), alarms=alarm_lines(audit.findings),
        segments=study.segments, seconds_per_1000_rows=_seconds_per_1000_rows(study),
        megabytes=model.megabytes, is_quick=run.quick,
    )  # fmt: skip
    ranking = importance(model, study.contributions)
    figures = _figures(run, study)
    paths = {key: save_svg(figure, folder / "figures" / f"{key}.svg") for key, figure in figures.items()}
    used = [column for column in run.snapshots.columns if column.name in set(model.feature_names)]
    version = run.registry.log_study(
        study, verdict, name=name, figures=paths, catalogue=[describe(column) for column in used],
        tags={"source": run.source.name, "target": study.target.name, "tenure.run_id": run.run_id, "quick": str(run.quick), "run_kind": run.run_kind},
    )  # fmt: skip
    promotable = verdict.is_promotable or (champion is not None and version.version == champion.version)
    facts = {
        "status": "trained" if promotable else "blocked", "reason": verdict.reason, "model": name, "version": version.version,
        "run_id": version.run_id, "fingerprint": version.fingerprint, "is_quick": run.quick, "unproven_features": audit.unproven,
        "audit": {"checks": audit.checks, "findings": [str(f) for f in audit.findings],
                  "alarms": alarm_lines(audit.findings), "solo": audit.solo},
        "scorecard": card.cutoffs.to_dict("records"), "differences": card.differences.to_dict("records"),
        "drivers": card.drivers.to_dict("records"), "driver_agreement": card.driver_agreement,
    }  # fmt: skip
    record = record_of(
        study, verdict, importance=ranking.to_dict("records"), warnings=_score_shift(run, study), facts=facts
    )
    record.save(folder)
    card_path = write_page(folder / "model_card.md", model_card(record, run.staged, run.as_of))
    run.registry.attach(version.run_id, card_path, "card")
    return Training(record, study, figures)


def _score_shift(run: Run, study: Study) -> list[str]:
    """Warn where this version's scores at the as-of are distributed unlike the last ones of the ledger."""
    former = last_scores(run.workspace, run.source.name, study.target.name, run.as_of)
    if former is None:
        return []
    scored_on, scores = former
    table = run.snapshots.table(study.target, [run.as_of], run.snapshots.columns, labels=False)
    if table.empty or scores.empty:
        return []
    propensities = pd.Series(study.model.propensities(table))
    index, chance = stability_index(scores["propensity"], propensities)
    if index <= max(LIMIT, chance):
        return []
    return [
        f"The scores shifted since {scored_on}: population stability index {index:.2f} (above {LIMIT} it is another population), "
        f"mean propensity {scores['propensity'].mean():.1%} then and {propensities.mean():.1%} now."
    ]


def _seconds_per_1000_rows(study: Study) -> float:
    rows = study.test.iloc[np.arange(1000) % len(study.test)]
    start = time.perf_counter()
    study.model.propensities(rows)
    return time.perf_counter() - start


def _figures(run: Run, study: Study) -> dict[str, Figure]:
    from tenure.models.explain import driver_contributions
    from tenure.reporting import figures, shap_figures

    by_driver = driver_contributions(study.model, study.contributions)
    explained = shap_figures.explanation(study.model, study.sample, study.contributions)
    order = study.sample["propensity"].to_numpy().argsort()
    drawn = {
        "base_rate": figures.base_rate_over_time(study), "gain": figures.gain(study), "lift": figures.lift(study),
        "reliability": figures.reliability(study), "value": figures.value_by_contacts(study, run.source.margin_rate),
        "drivers": figures.drivers(by_driver), "beeswarm": shap_figures.beeswarm(explained), "bar": shap_figures.bar(explained),
        "waterfall_high": shap_figures.waterfall(explained, int(order[-1])),
        "waterfall_middle": shap_figures.waterfall(explained, int(order[len(order) // 2])),
    }  # fmt: skip
    for rank in range(min(2, len(study.model.feature_names))):
        drawn[f"dependence_{rank + 1}"] = shap_figures.dependence(explained, rank)
    return drawn


def audit_run(run: Run, targets: str = "") -> SourceAudit:
    """Audit everything: every cutoff of the walk replayed and perturbed, every target; write ``audit.html`` and ``audit.json``.

    Raises
    ------
    UnknownNameError : no such target.
    """
    from tenure.audit.full import audit_source
    from tenure.reporting.report import audit_page, write_page

    names = [name.strip() for name in targets.split(",") if name.strip()]
    for name in names:
        run.target(name)
    settings = TrainingSettings().quick() if run.quick else TrainingSettings()
    found = audit_source(run.snapshots, settings, names)
    run.output.mkdir(parents=True, exist_ok=True)
    write_page(run.output / "audit.html", audit_page(found, run.staged, run.as_of))
    document = {
        "alarms": [str(finding) for finding in found.alarms],
        "checks": found.checks.to_dict("records"),
        "unproven": found.unproven,
    }
    with replaced_file(run.output / "audit.json") as fresh:
        fresh.write_text(json.dumps(document, indent=1, default=str), encoding="utf-8")
    return found


def score(
    run: Run,
    versions: dict[str, str] | None = None,
    *,
    targets: str = "",
    allow_hindsight: bool = False,
) -> Scores:
    """Score every customer with the given versions, else the champions; write the tables, append the ledger.

    Raises
    ------
    RegistryError : no target has a champion. LeakageError : a model has seen the as-of's future.
    """
    chosen: dict[str, ScoringModel] = {}
    wanted = [name.strip() for name in targets.split(",") if name.strip()]
    for name in wanted or run.snapshots.targets:
        run.target(name)
        registered = run.model_name(name)
        version = (versions or {}).get(name) if versions is not None else run.registry.champion(registered)
        if version:
            chosen[name] = ScoringModel(run.registry.load(registered, version), version)
    if not chosen and versions is None:
        raise RegistryError(
            f"{run.source.name}: no target has a champion in {run.registry.uri}. Expected a trained model; run 'tenure run {run.source.name}' first."
        )
    run.snapshots.build_features([run.as_of])
    scores = score_customers(run.snapshots, chosen, allow_hindsight=allow_hindsight)
    write_scores(scores, run.output)
    append_to_ledger(
        run.workspace, scores, source=run.source.name, as_of=run.as_of, run_id=run.run_id,
        run_kind="quick" if run.quick else run.run_kind, hindsight=allow_hindsight,
    )  # fmt: skip
    return scores


def saved_records(run: Run) -> list[TrainingRecord]:
    """Read the records of the targets trained into this run's output, in the order of the targets."""
    folders = [run.training_folder(name) for name in all_targets()]
    return [TrainingRecord.load(folder) for folder in folders if (folder / "record.json").is_file()]


def records(run: Run) -> list[TrainingRecord]:
    """Read the records as ``saved_records`` does, expecting at least one.

    Raises
    ------
    UnknownNameError : nothing was trained into this output.
    """
    found = saved_records(run)
    if not found:
        raise UnknownNameError("Training", str(run.output), [], hint="Run 03_train for a target first.")
    return found


def write_report(run: Run) -> list[Path]:
    """Write ``<target>.html`` for each target and ``index.html``; return the paths, the index first."""
    from tenure.reporting.report import target_page, write_page

    found = records(run)
    pages = []
    for record in found:
        path = run.output / f"{record.target}.csv"
        ranked = pd.read_csv(path, dtype={"customer_id": str}) if path.is_file() else None
        page = target_page(record, ranked, run.staged, run.as_of, run.training_folder(record.target) / "figures")
        pages.append(write_page(run.output / f"{record.target}.html", page))
    return [write_index(run), *pages]


def write_index(run: Run) -> Path:
    """Write ``index.html``: the page that ties together what there is by now."""
    from tenure.reporting.report import index_page, write_page

    index = index_page(
        saved_records(run), run.staged, run.as_of, len(run.snapshots.customers()), alerts=review_alerts(run.output),
        others=[name for name in ("review.html", "audit.html") if (run.output / name).is_file()],
    )  # fmt: skip
    return write_page(run.output / "index.html", index)


def report_summary(run: Run) -> pd.DataFrame:
    """Show each target's outcome. => target, status, auc, auc_low, auc_high, auc_rule, lift_top_decile, reason"""
    shown = ("auc", "auc_low", "auc_high", "auc_rule", "lift_top_decile")
    return pd.DataFrame(
        [
            {"target": r.target, "status": r.status, **{k: r.metrics.get(k) for k in shown}, "reason": r.reason}
            for r in records(run)
        ]
    )


def run_versions(run: Run) -> dict[str, str]:
    """Choose what to score with: the version just trained where it may be promoted, else the champion."""
    chosen: dict[str, Any] = {}
    for record in records(run):
        champion = run.registry.champion(run.model_name(record.target))
        version = record.version if record.status == "trained" else champion
        if version:
            chosen[record.target] = version
    return chosen


@dataclass(frozen=True)
class Review:
    """What a review found; tables as ``promise_table``, ``drift_table`` and ``delivery_table`` give them."""

    promises: list[Promise]
    features: dict[str, pd.DataFrame]
    scores: dict[str, pd.DataFrame]
    since: dict[str, str]
    deliveries: pd.DataFrame
    alerts: list[Alert]

    @property
    def table(self) -> pd.DataFrame:
        return promise_table(self.promises)

    @property
    def drift(self) -> pd.DataFrame:
        """The ten most drifted features of each target. => target, name, psi, chance, ..."""
        tops = [table.head(10).assign(target=name) for name, table in self.features.items()]
        return pd.concat(tops, ignore_index=True) if tops else pd.DataFrame()


def review_run(run: Run) -> Review:
    """Compare promises with what came true, today's inputs and scores with the test cutoff's, deliveries with their history.

    Writes ``review.html`` and its alerts into the output, and the index anew.
    """
    from tenure.reporting.report import write_page
    from tenure.reporting.review_page import review_page

    promises = find_promises(run.snapshots)
    deliveries = delivery_table(run.snapshots.rows_per_day(), run.as_of)
    alerts = [
        *promise_alerts(promises),
        *delivery_alerts(deliveries, {table for target in run.snapshots.targets.values() for table in target.tables}),
        *change_alerts(run.staged.tables, _former_run(run)),
    ]
    features, scores, since = {}, {}, {}
    for name, model in _scoring_models(run).items():
        since[name] = str(model.about["test_cutoff"])
        features[name], scores[name] = _drift(run, run.target(name), model)
        alerts += drift_alerts(name, features[name], scores[name], since[name])
    found = Review(promises, features, scores, since, deliveries, worst_first(alerts))
    save_alerts(found.alerts, run.output / REVIEW_ALERTS)
    page = review_page(
        promises,
        features,
        scores,
        since,
        deliveries,
        found.alerts,
        staged=run.staged,
        as_of=run.as_of,
        is_quick=run.quick,
    )
    write_page(run.output / "review.html", page)
    write_index(run)
    return found


def _scoring_models(run: Run) -> dict[str, PropensityModel]:
    """Load the models this as-of was scored with, else the champions."""
    path = run.output / "scored_customers.parquet"
    scored = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
    models = {}
    for name in run.snapshots.targets:
        column = scored.get(f"{name}_model_version", pd.Series(dtype=str)).dropna()
        version = str(column.iloc[0]) if len(column) else run.registry.champion(run.model_name(name))
        if version:
            models[name] = run.registry.load(run.model_name(name), version)
    return models


def _drift(run: Run, target: Target, model: PropensityModel) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare a model's inputs and propensities at the as-of with those at its test cutoff."""
    days = date.fromisoformat(model.about["test_cutoff"]), run.as_of
    before, now = (run.snapshots.table(target, [day], run.snapshots.columns, labels=False) for day in days)
    scored = [pd.DataFrame({"propensity": model.propensities(table)}) for table in (before, now)]
    return drift_table(before, now, model.feature_names), drift_table(scored[0], scored[1], ["propensity"])


def _former_run(run: Run) -> dict[str, Any]:
    """Read the ``run.json`` of the last as-of before this one; empty where there is none."""
    folder = run.workspace.reports_of(run.source.name)
    earlier = [path for path in folder.glob("[0-9]*/run.json") if path.parent.name < str(run.as_of)]
    return dict(json.loads(max(earlier).read_text(encoding="utf-8"))) if earlier else {}


def review_alerts(folder: Path) -> list[Alert]:
    """Read the alerts a review left in an output folder."""
    return load_alerts(folder / REVIEW_ALERTS)


def ledger_state(run: Run) -> str:
    """Tell what a review may read of the ledger apart from any other: its files, named by their content, of earlier as-ofs."""
    folder = run.workspace.scores / f"source={run.source.name}"
    earlier = [path for path in folder.rglob("*.parquet") if path.parent.name < f"as_of={run.as_of}"]
    return "\n".join(sorted(str(path.relative_to(folder)) for path in earlier))
