"""A trained model: what it needs to score and to explain, saved as text and JSON, never pickled."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from tenure.core.errors import (
    StoredFormatError,
    TenureError,
    UnknownNameError,
    UsageError,
    describe_unforeseen,
)
from tenure.core.stored import FORMAT, made_of, parse_stored, write_stored
from tenure.core.workspace import Workspace
from tenure.models.calibrate import Calibrator
from tenure.models.encoding import Encoding, from_json, to_json
from tenure.models.estimators.catalogue import LOGISTIC, OWN, TREES, find_estimator
from tenure.models.estimators.protocol import Estimator

# Contributions and raw score are sums of the same leaf values in another order: equal up to rounding.
ADDITIVITY_TOLERANCE = 1e-6
# The second holds what the estimator dumps, trees or not; a logistic regression stands in the first.
DOCUMENT, BOOSTER = "model.json", "booster.txt"
# 2: an estimator that somebody brings. What 1 can say is still written as 1.
FORMAT_VERSION = 2
MOST_MEGABYTES = 200
# What a model's document says beside what its fingerprint covers.
FINGERPRINT, FORMER = "fingerprint", "former_fingerprints"


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
    """A fitted estimator with its calibrator and meanings, of one target of one source.

    ``about`` says what it was fitted on: source, target, cutoffs, fitted_through (first day whose facts it has not
    seen). ``kind`` is the name by which ``find_estimator`` finds the estimator.
    """

    estimator: Estimator
    encoding: Encoding
    calibrator: Calibrator
    meanings: tuple[FeatureMeaning, ...]
    about: dict[str, Any] = field(default_factory=dict)
    kind: str = TREES.name

    @property
    def feature_names(self) -> list[str]:
        return self.encoding.names

    def raw_scores(self, table: pd.DataFrame) -> np.ndarray:
        """Score a table of features: log-odds before calibration, one per row."""
        if not len(table):
            return np.empty(0)
        return self.estimator.raw_scores(self.encoding.transform(table))

    def propensities(self, table: pd.DataFrame) -> np.ndarray:
        """Score a table of features: calibrated probability in [0, 1], one per row."""
        return self.calibrator.propensity(self.raw_scores(table))

    def contributions(self, table: pd.DataFrame) -> np.ndarray:
        """Explain each row: SHAP values in log-odds of the propensity, one column per feature and the base last.

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
        raw_scores, raw = self.estimator.raw_scores(matrix), self.estimator.contributions(matrix, self._usual)
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
        return _hash(*self._parts())

    @property
    def megabytes(self) -> float:
        """Size of what ``save`` writes, nearly all of it the estimator."""
        return len(self.estimator.dump()) / 1e6

    @cached_property
    def _usual(self) -> np.ndarray:
        """The encoded features of a customer whose every value is the usual one."""
        return np.asarray(
            self.encoding.transform(pd.DataFrame([{meaning.name: meaning.usual for meaning in self.meanings}]))[0]
        )

    def _parts(self) -> tuple[str, dict[str, Any]]:
        """Give all there is of it: the estimator's text and a document, which holds a logistic regression itself."""
        dumped, inside = self.estimator.dump(), {}
        if self.kind == LOGISTIC.name:
            dumped, inside = "", {"linear": json.loads(dumped)}
        elif self.kind not in OWN:
            inside = {"estimator": self.kind}
        return dumped, inside | {
            "encoding": to_json(self.encoding),
            "calibrator": asdict(self.calibrator),
            "meanings": [asdict(meaning) for meaning in self.meanings],
            "about": self.about,
        }

    def texts(self) -> dict[str, str]:
        """Give all there is of it as texts by file name: ``model.json`` and, unless it is linear, ``booster.txt``."""
        dumped, document = self._parts()
        sealed = {FORMAT: 1 if self.kind in OWN else FORMAT_VERSION, FINGERPRINT: self.fingerprint} | document
        return ({} if "linear" in document else {BOOSTER: dumped}) | {DOCUMENT: json.dumps(sealed, indent=1)}

    def save(self, folder: Path) -> None:
        """Write its texts into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.texts().items():
            (folder / name).write_text(text, encoding="utf-8")

    @classmethod
    def load(
        cls, folder: Path, *, fingerprint: str = "", place: str = "", raw: Callable[[str], Path] | None = None
    ) -> Self:
        """Read what ``save`` wrote; ``place`` stands for the folder in messages, ``raw`` is as of ``read``.

        Raises
        ------
        StoredFormatError : a file is missing, too large, damaged or of a newer format, or is not the model of this
            fingerprint.
        """
        place = place or str(folder)

        def text_of(name: str) -> str:
            try:
                check_size(f"{place}: {name}", (folder / name).stat().st_size)
                return (folder / name).read_text(encoding="utf-8")
            except (FileNotFoundError, UnicodeDecodeError) as error:
                found = "is missing" if isinstance(error, FileNotFoundError) else "is not text"
                raise StoredFormatError(f"{place}: {name} {found}. Expected a model as Tenure saves it.") from None

        return cls.read(text_of, fingerprint=fingerprint, place=place, raw=raw)

    @classmethod
    def read(
        cls,
        text_of: Callable[[str], str],
        *,
        fingerprint: str = "",
        place: str = "model",
        raw: Callable[[str], Path] | None = None,
    ) -> Self:
        """Read what ``texts`` gave, by ``text_of`` of each file name; it is checked before anything computes with it.

        ``raw`` gives the folder of a source by its name, which may hold the estimator's file: by default that of the
        workspace that is found from here. What the texts name is looked up there and among installed packages, never
        executed otherwise.

        Raises
        ------
        StoredFormatError : as of ``load``.
        """
        try:
            documents = parse_stored(text_of(DOCUMENT), f"{place}: {DOCUMENT}", FORMAT_VERSION)
            documents.pop(FORMAT, None)
            own, former = documents.pop(FINGERPRINT, ""), documents.pop(FORMER, [])
            dumped = "" if "linear" in documents else text_of(BOOSTER)
            _check_fingerprint(place, _hash(dumped, documents), own, former, fingerprint)
            kind = documents.get("estimator", LOGISTIC.name if "linear" in documents else TREES.name)
            if kind == LOGISTIC.name:
                dumped = json.dumps(documents["linear"])
            return cls(
                estimator=cls.restored(kind, dumped, place, documents["about"], raw),
                kind=kind,
                encoding=from_json(documents["encoding"]),
                calibrator=made_of(Calibrator, documents["calibrator"]),
                meanings=tuple(made_of(FeatureMeaning, meaning) for meaning in documents["meanings"]),
                about=documents["about"],
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoredFormatError(
                f"{place}: {DOCUMENT} describes no model of Tenure ({type(error).__name__}: {error}). Expected one as Tenure saves it."
            ) from None

    @classmethod
    def restored(
        cls, kind: str, dumped: str, place: str, about: dict[str, Any], raw: Callable[[str], Path] | None
    ) -> Estimator:
        """Restore an estimator from its text, by whoever brings one of that name.

        Raises
        ------
        StoredFormatError : nobody here brings it, or it cannot read the text.
        """
        folder, source = None, str(about.get("source", ""))
        if kind not in OWN:
            with suppress(UsageError):  # outside every workspace packages alone bring estimators
                folder = (raw or Workspace.locate().raw)(source)
        try:
            found = find_estimator(kind, folder)
        except UnknownNameError as error:
            raise StoredFormatError(
                f"{place}: {error} Expected the package, or the file data/raw/{source}/estimators/{kind}.py, with which the model was trained; put it there."
            ) from None
        try:
            restored: Estimator = found.value.load(dumped)
        except Exception as error:  # whatever an estimator raises on a text it cannot read
            if kind in OWN and not isinstance(error, ValueError):
                raise
            reason = str(error) if kind in OWN else f"cannot be read by {found.where}: {describe_unforeseen(error)}"
            raise StoredFormatError(f"{place}: {BOOSTER} {reason}") from None
        return restored


def _hash(trees: str, documents: dict[str, Any]) -> str:
    return blake2b(json.dumps([trees, documents], sort_keys=True).encode(), digest_size=16).hexdigest()


def check_size(what: str, size: int) -> None:
    """Refuse a file that no model of Tenure is as large as, before it is read.

    Raises
    ------
    StoredFormatError : says how large it is.
    """
    if size > MOST_MEGABYTES * 1_000_000:
        raise StoredFormatError(f"{what} has {size / 1e6:,.0f} MB. Expected a model of at most {MOST_MEGABYTES} MB.")


def _check_fingerprint(place: str, found: str, own: str, former: Sequence[str], judged: str) -> None:
    """Compare what was read with the fingerprint in its document and, where it is known, that of the judged model."""
    for expected, known in ((own, [found]), (judged, [found, *former])):
        if expected and expected not in known:
            raise StoredFormatError(
                f"{place}: its files have the fingerprint {found}, so they were changed or damaged. Expected {expected}, that of the model that was judged."
            )


def revise_sealed(path: Path, revise: Callable[[Path], bool]) -> bool:
    """Let ``revise`` change a file.

    A model's document that was whole is whole again, and keeps what it was judged as.
    """
    if path.name != DOCUMENT:
        return revise(path)
    was = _sealed_as(path.parent)
    if not (changed := revise(path)) or not was:
        return changed
    documents = json.loads(path.read_text(encoding="utf-8"))
    former = [*documents.pop(FORMER, []), documents.pop(FINGERPRINT, was)]
    documents.pop(FORMAT, None)
    own = _hash(_trees(path.parent, documents), documents)
    write_stored(path, {FINGERPRINT: own, FORMER: former} | documents, FORMAT_VERSION)
    return True


def _sealed_as(folder: Path) -> str:
    """Return the fingerprint of a folder's model, of whatever kind; empty where its files are not what it was sealed as."""
    with suppress(ValueError, TypeError, AttributeError, OSError):
        documents = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        found = {name: documents[name] for name in documents if name not in (FORMAT, FORMER, FINGERPRINT)}
        own = _hash(_trees(folder, found), found)
        return own if documents.get(FINGERPRINT, own) == own else ""
    return ""


def _trees(folder: Path, documents: dict[str, Any]) -> str:
    return "" if "linear" in documents else (folder / BOOSTER).read_text(encoding="utf-8")
