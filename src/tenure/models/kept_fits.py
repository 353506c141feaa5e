"""Fits that are kept: the same rows, settings and code are fitted once, whoever asks for them again.

A month later the walk asks for cutoffs that were walked before; the next day of a backfill, or a notebook run by hand,
for all of them.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.core.atomic_files import replaced_file
from tenure.core.code_keys import code_key
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.model import PropensityModel
from tenure.models.train import TrainedModel
from tenure.snapshots.build import digest

# Of one target; beyond it, those go that were not asked for longest.
MOST_BYTES = 512 << 20
ARRAYS = ("out_of_fold", "unconstrained")
ABOUT_FIT = "fit.json"
# How a file that is cut short or has a flipped bit shows: as no file, no archive, one of another kind, or without a
# part of it.
DAMAGED = (OSError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile)
# As it was imported: a file that is edited under a running kernel changes nothing of what it calculates.
CODE = code_key("tenure.models.train", "tenure.models.best_feature")


@dataclass(frozen=True)
class KeptFits:
    """Fits on the same rows, each a file named by all that it depends on.

    ``rows`` is the rows' digest; ``raw`` the source's folder, which may hold an estimator.
    """

    folder: Path
    rows: str
    raw: Path | None = None

    @classmethod
    def of(cls, folder: Path, table: pd.DataFrame, columns: Sequence[str], raw: Path | None = None) -> KeptFits:
        """Keep fits on these columns of a table, labels and customers among them, in this order of rows."""
        each = pd.util.hash_pandas_object(table[list(columns)], index=False).to_numpy()
        return cls(folder, digest(*columns, each.tobytes().hex(), size=16), raw)

    def find(self, *made_with: object) -> TrainedModel | None:
        """Return the fit of the same rows and code that was made with the same, or None; what it is about is not kept.

        ``made_with`` is what the fit depends on beside rows and code: each says all of it as its ``repr``.
        """
        path = self._path(made_with)
        found = _read(path, self.raw)
        if found is not None:
            # Exact: the system's own marks come in ticks, in which a file just written and one just read would tie.
            now = time.time_ns()
            with suppress(FileNotFoundError):
                os.utime(path, ns=(now, now))
        return found

    def keep(self, trained: TrainedModel, *made_with: object) -> TrainedModel:
        """Keep a fit for ``find``, and return it."""
        with replaced_file(self._path(made_with)) as fresh:
            _write(trained, fresh)
        _remove_longest_unused(self.folder)
        return trained

    def _path(self, made_with: Sequence[object]) -> Path:
        return self.folder / f"{digest(self.rows, CODE, *map(repr, made_with), size=16)}.npz"


def _write(trained: TrainedModel, path: Path) -> None:
    texts = trained.told({}).model.texts() | {
        ABOUT_FIT: json.dumps({"settings": asdict(trained.settings), "trees": trained.trees})
    }
    arrays: dict[str, np.ndarray] = {
        name: getattr(trained, name) for name in ARRAYS if getattr(trained, name) is not None
    }
    with path.open("wb") as file:
        arrays |= {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
        np.savez(file, allow_pickle=False, **arrays)


def _read(path: Path, raw: Path | None = None) -> TrainedModel | None:
    """Read a fit, or None where there is none that is whole: it is then made anew."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {name: stored[name] for name in stored.files}
        arrays = {name: found.pop(name) for name in ARRAYS if name in found}
        texts = {name: content.tobytes().decode() for name, content in found.items()}
        fit = json.loads(texts.pop(ABOUT_FIT))
    except DAMAGED:
        return None
    model = PropensityModel.read(texts.__getitem__, raw=None if raw is None else lambda _: raw)
    return TrainedModel(model, TrainingSettings(**fit["settings"]), trees=fit["trees"], **arrays)


def _remove_longest_unused(folder: Path) -> None:
    found = {}
    for path in folder.glob("*.npz"):
        with suppress(FileNotFoundError):
            found[path] = path.stat()
    total = 0
    for path in sorted(found, key=lambda path: -found[path].st_mtime_ns):
        total += found[path].st_size
        if total > MOST_BYTES:
            path.unlink(missing_ok=True)
