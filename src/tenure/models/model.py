"""A trained model: what it needs to score and to explain, saved as text and JSON, never pickled."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tenure.errors import TenureError
from tenure.models.calibrate import Calibrator
from tenure.models.encoding import Encoding, from_json, to_json
from tenure.models.forms import Form, Linear, LinearColumn, Trees

# Contributions and raw score are sums of the same leaf values in another order: equal up to rounding.
ADDITIVITY_TOLERANCE = 1e-6


@dataclass(frozen=True)
class FeatureMeaning:
    """What a reader needs to know of one feature: its words, and its usual value among the fitting rows."""

    name: str
    driver: str
    unit: str
    noun: str
    meaning: str
    window_days: int | None = None
    usual: float | str | None = None


@dataclass(frozen=True)
class PropensityModel:
    """Trees or a logistic regression, calibrator and meanings, of one target of one source.

    ``about`` says what it was fitted on: source, target, cutoffs, fitted_through (first day whose facts it has not seen).
    """

    form: Form
    encoding: Encoding
    calibrator: Calibrator
    meanings: tuple[FeatureMeaning, ...]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def feature_names(self) -> list[str]:
        return self.encoding.names

    def raw_scores(self, table: pd.DataFrame) -> np.ndarray:
        """Score a table of features: log-odds before calibration, one per row."""
        if not len(table):
            return np.empty(0)
        return self.form.raw_scores(self.encoding.transform(table))

    def propensities(self, table: pd.DataFrame) -> np.ndarray:
        """Score a table of features: calibrated probability in [0, 1], one per row."""
        return self.calibrator.propensity(self.raw_scores(table))

    def contributions(self, table: pd.DataFrame) -> np.ndarray:
        """Explain each row exactly: SHAP values in log-odds of the propensity, one column per feature and the base last.

        They add up to the log-odds of the propensity, which is checked for each row.

        Raises
        ------
        TenureError : a row's contributions do not add up.
        """
        return self.explained(table)[1]

    def explained(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return ``propensities`` and ``contributions`` of a table at once."""
        if not len(table):
            return np.empty(0), np.empty((0, len(self.encoding.columns) + 1))
        matrix = self.encoding.transform(table)
        raw_scores, raw = self.form.raw_scores(matrix), self.form.contributions(matrix)
        gap = float(np.abs(raw.sum(axis=1) - raw_scores).max())
        if gap > ADDITIVITY_TOLERANCE * max(1.0, float(np.abs(raw).max())):
            raise TenureError(
                f"Contributions of {self.about.get('target')} miss the raw score by {gap:.2g}. Expected equality; report this."
            )
        contributions = raw * self.calibrator.slope
        contributions[:, -1] += self.calibrator.intercept
        return self.calibrator.propensity(raw_scores), contributions

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that scores depend on (hexadecimal): equal models are one version."""
        trees = self.form.text if isinstance(self.form, Trees) else ""
        return blake2b(json.dumps([trees, self._documents()], sort_keys=True).encode(), digest_size=16).hexdigest()

    @property
    def megabytes(self) -> float:
        """Size of what ``save`` writes, nearly all of it the form."""
        return len(self.form.text if isinstance(self.form, Trees) else json.dumps(asdict(self.form))) / 1e6

    def _documents(self) -> dict[str, Any]:
        linear = {"linear": asdict(self.form)} if isinstance(self.form, Linear) else {}
        return linear | {
            "encoding": to_json(self.encoding),
            "calibrator": asdict(self.calibrator),
            "meanings": [asdict(meaning) for meaning in self.meanings],
            "about": self.about,
        }

    def texts(self) -> dict[str, str]:
        """Give all there is of it as texts by file name: ``model.json``, and for trees ``booster.txt``."""
        booster = {"booster.txt": self.form.text} if isinstance(self.form, Trees) else {}
        return booster | {"model.json": json.dumps(self._documents(), indent=1)}

    def save(self, folder: Path) -> None:
        """Write its texts into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.texts().items():
            (folder / name).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> PropensityModel:
        """Read what ``save`` wrote.

        Raises
        ------
        FileNotFoundError : one of its files is gone.
        """
        return cls.read(lambda name: (folder / name).read_text(encoding="utf-8"))

    @classmethod
    def read(cls, text_of: Callable[[str], str]) -> PropensityModel:
        """Read what ``texts`` gave; ``text_of`` gives each text by its file name."""
        documents = json.loads(text_of("model.json"))
        return cls(
            form=_read_form(text_of, documents),
            encoding=from_json(documents["encoding"]),
            calibrator=Calibrator(**documents["calibrator"]),
            meanings=tuple(FeatureMeaning(**meaning) for meaning in documents["meanings"]),
            about=documents["about"],
        )


def _read_form(text_of: Callable[[str], str], documents: dict[str, Any]) -> Form:
    if "linear" not in documents:
        return Trees(text_of("booster.txt"))
    columns = [LinearColumn(**c | {"quantiles": tuple(c["quantiles"])}) for c in documents["linear"]["columns"]]
    return Linear(tuple(columns), documents["linear"]["intercept"])


def find_usual(table: pd.DataFrame, names: Sequence[str]) -> dict[str, float | str | None]:
    """Return each feature's usual value among a table's rows: the median, or the commonest level."""
    usual: dict[str, float | str | None] = {}
    for name in names:
        values = table[name].dropna()
        if values.empty:
            usual[name] = None
        elif pd.api.types.is_numeric_dtype(values):
            usual[name] = float(values.median())
        else:
            usual[name] = str(values.mode().iloc[0])
    return usual
