"""All there is on one customer, read row by row: what 08_customer and ``tenure customer`` call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.errors import UsageError
from tenure.core.sql import literal, parquet
from tenure.models.explain import phrase
from tenure.models.model import PropensityModel
from tenure.scoring.ledger import RUN_KINDS, Entry, entries, of_each_day, read_definition
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.facts_at import facts_at
from tenure.steps.chosen import models_folder
from tenure.steps.opening import Session
from tenure.steps.results import is_quick

SHOWN_LEVERS = 5
NEAREST = 3
# How a table's rows read, and whether they are summed up by the day or, where there are many, by the month.
TIMELINE = {
    "subscription_events": ("day", "replace(event, '_', ' ') || coalesce(', ' || plan, '')"),
    "payments": (
        "day",
        "'payment ' || replace(status, '_', ' ') || ' ' || CAST(CAST(amount AS DECIMAL(18,2)) AS VARCHAR)",
    ),
    "order_lines": (
        "day",
        "CASE WHEN quantity > 0 THEN 'bought ' ELSE 'gave back ' END"
        " || coalesce(category, brand, product_brand, product_id, 'something')",
    ),
    "contacts": (
        "day",
        "CASE WHEN assigned = 'control' THEN 'held out of ' ELSE coalesce(status, 'sent') || ' ' END"
        " || coalesce(offer, campaign_id, channel, 'a message')",
    ),
    "support_tickets": ("day", "'ticket ' || event || coalesce(', ' || topic, '')"),
    "loyalty": ("month", "'points ' || event"),
    "declared": ("day", "'answered ' || key || ': ' || coalesce(value, '')"),
    "engagement": ("month", "coalesce(channel || ' ', '') || kind"),
    "usage": ("month", "'used ' || coalesce(metric, '')"),
}


@dataclass(frozen=True)
class CustomerPage:
    """One customer as of a day.

    ``row``: their line of ``scored_customers``. ``timeline``: day, table, what, times, newest first, as known at the
    as-of. ``history``: as_of, target, propensity, decile, run_kind, from the ledger. ``levers``: target, feature, is,
    usual, propensity, propensity_if_usual: the model's view, not a cause.
    """

    customer_id: str
    row: dict[str, Any]
    timeline: pd.DataFrame
    history: pd.DataFrame
    levers: pd.DataFrame


def describe_customer(session: Session, customer_id: str = "") -> CustomerPage:
    """Gather all there is on one customer; without an id, on the first of the table.

    Raises
    ------
    UsageError : nothing was scored at this as-of, or no such customer; the message names the nearest ids.
    """
    row = _scored_row(session.output / "scored_customers.parquet", customer_id)
    found = str(row["customer_id"])
    return CustomerPage(found, row, _timeline(session, found), _history(session, found), _levers(session, row))


def write_customer(session: Session, page: CustomerPage) -> Path:
    """Write ``customer.html``, the page of the customer asked last; return its path."""
    from tenure.reporting.customer_page import customer_page
    from tenure.reporting.pages import write_page

    html = customer_page(
        page.row,
        page.timeline,
        page.history,
        page.levers,
        staged=session.staged,
        as_of=session.as_of,
        is_quick=is_quick(session),
    )
    with session.workspace.owner_only():
        return write_page(session.output / "customer.html", html)


def _scored_row(path: Path, customer_id: str) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(
            f"{path} is not there. Expected the customers scored at this as-of; "
            "run 'tenure run' or 'tenure score' first."
        )
    scored = parquet(path)
    wanted = f"WHERE customer_id = {literal(customer_id)}" if customer_id else ""
    with connect() as connection:
        rows = connection.execute(f"SELECT * FROM {scored} {wanted} LIMIT 1").df().to_dict("records")
        if not rows:
            found = connection.execute(
                f"""
                SELECT customer_id
                FROM {scored}
                ORDER BY jaro_winkler_similarity(customer_id, {literal(customer_id)}) DESC, customer_id
                LIMIT {NEAREST}
                """
            ).fetchall()
            nearest = ", ".join(name for (name,) in found)
            raise UsageError(
                f"Customer '{customer_id}' is not among those scored in {path.parent.name}. Nearest: {nearest}."
            )
    return {str(key): None if _is_missing(value) else value for key, value in rows[0].items()}


def _is_missing(value: object) -> bool:
    return bool(pd.isna(value))


def _timeline(session: Session, customer_id: str) -> pd.DataFrame:
    with facts_at(session.staged, session.as_of) as facts:
        parts = [
            f"""
            SELECT
                CAST(date_trunc('{every}', occurred_at) AS DATE) AS day,
                '{table}' AS "table",
                {words} AS what,
                count(*) AS times
            FROM {table}
            WHERE customer_id = {literal(customer_id)}
            GROUP BY ALL
            """
            for table, (every, words) in TIMELINE.items()
            if table in facts.tables
        ]
        if not parts:
            return pd.DataFrame(columns=["day", "table", "what", "times"])
        return facts.query(f'SELECT * FROM ({" UNION ALL ".join(parts)}) ORDER BY day DESC, "table", what')


def _history(session: Session, customer_id: str) -> pd.DataFrame:
    """Read the customer's last scores of each day up to the as-of, oldest first, from the ledger.

    => as_of, target (named apart under another definition), propensity, decile, run_kind
    """
    found = (entry for entry in entries(session.workspace, session.source.name) if entry.as_of <= session.as_of)
    asked = {str(entry.path): _asked(session, entry) for entry in of_each_day(found, RUN_KINDS)}
    if not asked:
        return pd.DataFrame(columns=["as_of", "target", "propensity", "decile", "run_kind"])
    files = f"read_parquet([{', '.join(map(literal, asked))}], hive_partitioning = true, filename = true)"
    with connect() as connection:
        table = connection.execute(
            f"""
            SELECT CAST(as_of AS DATE) AS as_of, filename AS target, propensity, decile, run_kind
            FROM {files}
            WHERE customer_id = {literal(customer_id)}
            ORDER BY as_of, target
            """
        ).df()
    return table.assign(target=table["target"].map(asked))


def _asked(session: Session, entry: Entry) -> str:
    """Name the target of some scores, apart from what is asked now where they were given under another definition."""
    target = session.snapshots.targets.get(entry.target)
    if not (entry.definition and target) or entry.definition == target.fingerprint:
        return entry.target
    then = read_definition(session.workspace, session.source.name, entry.definition)
    return f"{entry.target} as asked then" + (f" ({then['numbers']['horizon_days']} days)" if then else "")


def _levers(session: Session, row: Mapping[str, Any]) -> pd.DataFrame:
    """Score the customer again with one feature at a time at its usual value, the strongest features first."""
    columns = ["target", "feature", "found", "propensity", "propensity_if_usual"]
    rows = []
    for name in session.snapshots.targets:
        version = row.get(f"{name}_model_version")
        features = (
            _features(session, str(row["customer_id"]))
            if version and row.get(f"{name}_propensity") is not None
            else None
        )
        if features is None or features.empty:
            continue
        model = _model(session, name, str(version))
        rows += [{"target": name} | lever for lever in levers_of(model, features)]
    return pd.DataFrame(rows, columns=columns)


def levers_of(model: PropensityModel, features: pd.DataFrame) -> list[dict[str, Any]]:
    """Score one customer again with each of the strongest features at its usual value; the largest change first.

    => feature, found, propensity, propensity_if_usual. Features without words are left out. A feature moved alone
    leaves those that go with it as they are: the model's view, not what acting would bring.
    """
    contributions = model.contributions(features)[0, :-1]
    ranked = np.argsort(-np.abs(contributions), kind="stable")
    strongest = [place for place in ranked if model.meanings[place].noun][: 2 * SHOWN_LEVERS]
    currency, now = str(model.about.get("currency", "")), float(model.propensities(features)[0])
    found = []
    for place in strongest:
        meaning = model.meanings[place]
        if meaning.usual is None:
            continue
        changed = features.assign(**{meaning.name: meaning.usual})
        then = float(model.propensities(changed)[0])
        is_now = phrase(meaning, features[meaning.name].iloc[0], currency)
        found.append({"feature": meaning.name, "found": is_now, "propensity": now, "propensity_if_usual": then})
    found.sort(key=lambda lever: -abs(float(lever["propensity_if_usual"]) - now))
    return found[:SHOWN_LEVERS]


def _features(session: Session, customer_id: str) -> pd.DataFrame:
    path = session.snapshots.features_path(session.as_of)
    if not path.is_file():
        return pd.DataFrame()
    with connect() as connection:
        query = f"SELECT * FROM {parquet(path)} WHERE customer_id = {literal(customer_id)}"
        return connection.execute(query).df()


def _model(session: Session, target: str, version: str) -> PropensityModel:
    """Read the model that scored, kept beside the scores: MLflow takes seconds to start."""
    folder = models_folder(session.output) / target
    if (folder / "model.json").is_file():
        return PropensityModel.load(folder, raw=session.workspace.raw)
    return session.registry.load(session.model_name(target), version)
