"""Self-contained pages: no external script, font or picture; every text from the data is escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from tenure.audit.full import SourceAudit
from tenure.core.alerts import Alert, worst_first
from tenure.core.atomic_files import replaced_file
from tenure.reporting.decision import Decision, decide
from tenure.reporting.record import TrainingRecord
from tenure.sources.staged_source import StagedSource

SHOWN_BY_VALUE = 12
SHOWN_BY_PROPENSITY = 8


def page_environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("tenure.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _Figures(dict[str, str]):
    """Figures by name; a missing one is simply not shown."""

    def __missing__(self, name: str) -> str:
        return ""


def embedded_figures(folder: Path) -> Mapping[str, str]:
    """Turn a folder of SVG files into data addresses, so that a page needs no other file."""
    return _Figures(
        {
            p.stem: "data:image/svg+xml;base64," + b64encode(p.read_bytes()).decode()
            for p in sorted(folder.glob("*.svg"))
        }
    )


def target_page(
    record: TrainingRecord,
    ranked: pd.DataFrame | None,
    staged: StagedSource,
    as_of: object,
    figures: Path,
    scored: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Render one target's page; ``ranked`` is its ranked list, highest propensity first, or None where nothing was scored.

    ``scored`` says what became of its scores, as ``scoring.json`` does.
    """
    return str(
        page_environment().get_template("target.html").render(
            record=record, scored=scored, source=staged.source.name, title=staged.source.title or staged.source.name, as_of=as_of,
            currency=staged.source.currency, figures=embedded_figures(figures), decision=None if ranked is None else decide(ranked, record.contact_capacity),
            ranked=[] if ranked is None else ranked.head(SHOWN_BY_PROPENSITY).to_dict("records"), worth_most=_worth_most(ranked),
        )
    )  # fmt: skip


def _worth_most(ranked: pd.DataFrame | None) -> list[dict[str, Any]]:
    """List the customers on whom acting is worth most; nobody on whom it costs more than it is assumed to bring."""
    if ranked is None:
        return []
    ordered = ranked[ranked["assumed_value_of_acting"] > 0].sort_values(
        ["assumed_value_of_acting", "customer_id"], ascending=[False, True]
    )
    return [{str(k): v for k, v in row.items()} for row in ordered.head(SHOWN_BY_VALUE).to_dict("records")]


def index_page(
    records: list[TrainingRecord],
    staged: StagedSource,
    as_of: object,
    customers: int,
    *,
    decisions: Mapping[str, Decision] | None = None,
    alerts: Sequence[Alert] = (),
    others: Sequence[str] = (),
    is_quick: bool = False,
) -> str:
    """Render the page that ties the targets together and says what was read.

    ``customers`` were scored, none where nobody was; ``decisions``: what each scored target's list says to do, by target; ``others``: further pages of the folder.
    """
    source = staged.source
    return str(
        page_environment().get_template("index.html").render(
            records=records, source=source.name, title=source.title or source.name, as_of=as_of, customers=customers,
            currency=source.currency, decisions=decisions or {}, tables=staged.tables, rejected=staged.rejections(), warnings=staged.warnings(), published=source.published, licence=source.licence,
            note=source.note, others=list(others), alerts=worst_first(alerts), is_quick=is_quick or any(record.is_quick for record in records),
        )
    )  # fmt: skip


def model_card(record: TrainingRecord, staged: StagedSource, as_of: object) -> str:
    """Write a version's card as Markdown: purpose, data, protocol, results, limits, and what it was made from."""
    from importlib.metadata import version

    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Markdown is read as text: nothing is escaped, and nothing from the data's own texts is in it.
    environment = Environment(
        loader=PackageLoader("tenure.reporting"), undefined=StrictUndefined, autoescape=False
    )  # as said
    failing = [s for s in record.segments if s["auc_low"] < 0.5]
    return environment.get_template("model_card.md").render(
        record=record, m=record.metrics, source=staged.source.name, as_of=as_of, inputs=staged.raw_hashes, failing=failing,
        features=[row["feature"] for row in record.importance],
        versions=", ".join(f"{name} {version(name)}" for name in ("tenure", "lightgbm", "duckdb", "scikit-learn")),
    )  # fmt: skip


def audit_page(audit: SourceAudit, staged: StagedSource, as_of: object) -> str:
    """Render what the whole audit found."""
    tables = ("funnel", "sensitivity", "sweep", "univariate")
    targets = [
        {
            "target": t.target,
            "refused": t.refused,
            "auc": t.auc,
            "shuffled": t.shuffled,
            "hindsight": t.hindsight,
            "unmatured": t.unmatured,
        }
        | {name: getattr(t, name).to_dict("records") for name in tables}
        for t in audit.targets
    ]
    return str(
        page_environment().get_template("audit.html").render(
            audit={"errors": audit.errors, "warnings": audit.warnings, "checks": audit.checks.to_dict("records"), "unproven": audit.unproven},
            late=audit.late_facts.to_dict("records"), targets=targets, source=staged.source.name,
            title=staged.source.title or staged.source.name, as_of=as_of, warnings=staged.warnings(),
        )
    )  # fmt: skip


def write_page(path: Path, page: str) -> Path:
    with replaced_file(path) as fresh:
        fresh.write_text(page, encoding="utf-8")
    return path
