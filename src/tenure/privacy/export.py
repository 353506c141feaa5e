"""Scored tables for other systems: under pseudonyms, or on request with the real ids, in a folder of their own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from tenure.core.atomic_files import replaced_folder
from tenure.core.errors import UsageError
from tenure.core.lock import sole_writer
from tenure.core.safe_csv import write_safe_csv
from tenure.core.stored import read_stored, write_stored
from tenure.core.time_windows import parse_date
from tenure.core.workspace import Workspace
from tenure.privacy.person import holds_ids
from tenure.sources.identities import Identities
from tenure.sources.source import read_source
from tenure.steps.run_record import sealed_runs

EXPORT_JSON, FORMAT_VERSION = "export.json", 1


def export_scores(workspace: Workspace, source_name: str, *, as_of: str = "", reveal: bool = False) -> list[Path]:
    """Copy the tables of customers of one as-of, by default the last, to ``data/exports``; return the copies.

    Only their owner can read them. With ``reveal`` pseudonyms become the ids of the raw files again, in a folder of its
    own: whoever fetches the other never meets them.

    Raises
    ------
    UsageError : nothing was scored then, there is no map to reveal ids by, or a table is older than the source's
        pseudonyms.
    """
    source = read_source(workspace, source_name)
    scored = {
        str(day): record.folder
        for day, record in sealed_runs(workspace, source_name).items()
        if any(record.folder.glob("*.csv"))
    }
    day = str(parse_date(as_of, "--as-of")) if as_of else max(scored, default="")
    if day not in scored:
        raise UsageError(
            f"{source_name}: nothing was scored as of {day or 'any day'}. Scored: {', '.join(sorted(scored)) or 'none'}. "
            f"Run 'tenure score {source_name} --as-of DATE' first."
        )
    with sole_writer(workspace, source_name, f"tenure export {source_name}"):
        names = Identities.of(workspace, source).pseudonyms.real_ids()
        if reveal and not names:
            raise UsageError(
                f"{source_name}: there are no pseudonyms to reveal: its customers are named as in the raw files. Leave --reveal out."
            )
        folder = workspace.exports(source_name) / (f"{day}-revealed" if reveal else day)
        with replaced_folder(folder) as fresh:
            fresh.chmod(0o700)
            tables = [
                path
                for pattern in ("*.csv", "actions/*.csv", "states/*.csv", "audiences/*.csv")
                for path in scored[day].glob(pattern)
            ]
            for path in sorted(tables):
                table = pd.read_csv(path, dtype=str, keep_default_na=False)
                if "customer_id" not in table:
                    continue
                if source.pseudonymise and not reveal and not names.keys() >= {*table["customer_id"]}:
                    raise UsageError(
                        f"{path} was written before pseudonymise was set, and names customers as the raw files do. Expected pseudonyms: "
                        f"run 'tenure run {source_name} --as-of {day}' anew, or take the real ids with --reveal."
                    )
                _write(table, fresh / path.relative_to(scored[day]), names if reveal else {})
            write_stored(
                fresh / EXPORT_JSON, {"as_of": day, "exported_at": datetime.now(UTC).isoformat()}, FORMAT_VERSION
            )
    return sorted(folder.rglob("*.csv"))


def exported_on(folder: Path) -> date:
    """Say when an export was written (UTC). An older one does not say; its as-of, an earlier day, stands in."""
    path = folder / EXPORT_JSON
    text = read_stored(path, FORMAT_VERSION)["exported_at"] if path.is_file() else folder.name[:10]
    return datetime.fromisoformat(text).date()


def _write(table: pd.DataFrame, copy: Path, real: dict[str, str]) -> None:
    """Write a table of customers, with their real ids where they are given."""
    for column in filter(holds_ids, table.columns):
        table[column] = table[column].map(lambda name: real.get(name, name))
    copy.parent.mkdir(mode=0o700, exist_ok=True)
    copy.touch(mode=0o600)
    write_safe_csv(table, copy)
