"""The pages of a target, of all targets and of the audit, and a version's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from tenure.audit.full import SourceAudit
from tenure.core.plain_text import for_markdown
from tenure.core.problems import Problem, worst_first
from tenure.reporting.decision import Decision, decide, worth_a_contact
from tenure.reporting.pages import data_uri, render_page
from tenure.reporting.record import TrainingRecord
from tenure.sources.staged_source import StagedSource

SHOWN_BY_VALUE = 12
SHOWN_BY_PROPENSITY = 8


def target_page(
    record: TrainingRecord,
    ranked: pd.DataFrame | None,
    staged: StagedSource,
    as_of: object,
    figures: Path,
    scored: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Render one target's page.

    ``ranked``: its ranked list, highest propensity first; None where nothing was scored. ``figures``: the folder of its
    SVG files. ``scored``: what became of its scores, as ``scoring.json`` says.
    """
    return render_page(
        "target.html",
        staged,
        as_of,
        is_quick=record.is_quick or scored.get("is_quick", False),
        record=record,
        scored=scored,
        figures={path.stem: data_uri(path.read_bytes()) for path in sorted(figures.glob("*.svg"))},
        decision=None if ranked is None else decide(ranked, record.definition.contact_capacity),
        ranked=[] if ranked is None else ranked.head(SHOWN_BY_PROPENSITY).to_dict("records"),
        worth_most=[] if ranked is None else worth_a_contact(ranked).head(SHOWN_BY_VALUE).to_dict("records"),
        stakes={} if ranked is None else ranked["stake_is"].value_counts().to_dict(),
    )


def index_page(
    records: list[TrainingRecord],
    staged: StagedSource,
    as_of: object,
    customers: int,
    *,
    decisions: Mapping[str, Decision] | None = None,
    today: Mapping[str, int] = MappingProxyType({}),
    problems: Sequence[Problem] = (),
    others: Sequence[str] = (),
    is_quick: bool = False,
) -> str:
    """Render the page that ties the targets together and says what was read.

    ``customers``: how many were scored, 0 where nobody was; ``decisions``: what each scored target's list says to do,
    by target; ``today``: what a decision day came to, counted; ``others``: further pages of the folder.
    """
    return render_page(
        "index.html",
        staged,
        as_of,
        is_quick=is_quick or any(record.is_quick for record in records),
        records=records,
        customers=customers,
        decisions=decisions or {},
        today=today,
        tables=staged.tables,
        said=list(dict.fromkeys(line for table in staged.tables.values() for line in table.said)),
        rejected=staged.rejections(),
        warnings=staged.warnings(),
        about=staged.source,
        others=others,
        problems=worst_first(problems),
    )


def model_card(record: TrainingRecord, staged: StagedSource, as_of: object) -> str:
    """Write a version's card as Markdown: purpose, data, protocol, results, limits, and what it was made from."""
    from importlib.metadata import version

    from jinja2 import Environment, PackageLoader, StrictUndefined

    # It is Markdown, no HTML: what is filled in is escaped by the rules of that.
    environment = Environment(
        loader=PackageLoader("tenure.reporting"), undefined=StrictUndefined, autoescape=False, finalize=_escaped
    )
    return environment.get_template("model_card.md").render(
        record=record,
        source=staged.source.name,
        as_of=as_of,
        inputs=staged.raw_hashes,
        failing=[row for row in record.results.segments if row["auc_low"] < 0.5],
        versions=", ".join(f"{name} {version(name)}" for name in ("tenure", "lightgbm", "duckdb", "scikit-learn")),
    )


def _escaped(value: Any) -> Any:
    return for_markdown(value) if isinstance(value, str) else value


def audit_page(audit: SourceAudit, staged: StagedSource, as_of: object) -> str:
    """Render what the whole audit found."""
    tables = ("funnel", "cases", "sensitivity", "sweep", "table_sweep", "univariate")
    return render_page(
        "audit.html",
        staged,
        as_of,
        audit=audit,
        checks=audit.checks.to_dict("records"),
        late=audit.late_facts.to_dict("records"),
        targets=[(each, {name: getattr(each, name).to_dict("records") for name in tables}) for each in audit.targets],
        warnings=staged.warnings(),
    )
