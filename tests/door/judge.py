"""What became of a case, against its truth; and whether a refusal's own line mends it.

Shares no code with how files are read: what is staged is read as plain Parquet.
"""

import json
import re
import tomllib
import traceback
from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from door.rows import Case, Row
from tenure.core.errors import DataContractError
from tenure.core.workspace import Workspace
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

GOOD = ("right", "told")
# What is wrong, gravest first: a false value or a lost row without a word; no refusal but a trace; an honest file refused;
# one of two readings taken; rows lost, though counted, that were readable; a refusal without the line to write, or with one
# that does not mend the file.
BAD = ("MISREAD", "CRASH", "REFUSED", "GUESSED", "LOST", "NO LINE", "WRONG LINE")
VERDICTS = (*GOOD, *BAD)


@dataclass
class Outcome:
    """What staging a case came to: a refusal, a crash, or rows with what is said of them."""

    refusal: str = ""
    crash: str = ""
    rows: list[tuple[Any, ...]] | None = None  # customer, wall time, order, amount
    counted: int = 0  # rejected and unreadable, as the summary counts them
    rules: dict[str, int] = field(default_factory=dict)  # rule broken => rows
    said: str = ""


@dataclass(frozen=True)
class Verdict:
    word: str
    why: str = ""


# --- staging ---


def to_toml(mapping: dict[str, Any], path: tuple[str, ...] = ()) -> str:
    """Write a mapping as TOML; JSON's texts, numbers and lists are TOML's."""
    values = [
        f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in mapping.items()
        if not isinstance(value, dict)
    ]
    tables = [to_toml(value, (*path, key)) for key, value in mapping.items() if isinstance(value, dict)]
    header = [f"[{'.'.join(map(_key, path))}]"] if path and values else []
    return "\n".join([*header, *values, *tables]) + "\n"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def stage(case: Case) -> Outcome:
    """Stage a case through the public API, in a workspace of its own."""
    with TemporaryDirectory(prefix="door-") as folder:
        workspace = Workspace(Path(folder))
        raw = workspace.raw("shop")
        raw.mkdir(parents=True)
        for name, content in case.files.items():
            (raw / name).write_bytes(content)
        (raw / "source.toml").write_text(to_toml(case.mapping), encoding="utf-8")
        return outcome_of(workspace, "shop")


def outcome_of(workspace: Workspace, name: str, table: str = "order_lines", id_column: str = "order_id") -> Outcome:
    try:
        staged = stage_source(workspace, read_source(workspace, name))
        summary = staged.tables[table]
        said = [
            *getattr(summary, "said", ()),
            *summary.warnings,
            *summary.rules,
            *staged.warnings(),
            *staged.rejections(),
        ]
        columns = pq.read_table(
            staged.path(table), columns=["customer_id", "occurred_at", id_column, "amount"]
        ).to_pydict()
        kept = pq.read_table(staged.rejected_path(table)).to_pylist() if summary.rejected else []
    except DataContractError as error:
        return Outcome(refusal=str(error))
    except Exception:
        return Outcome(crash=traceback.format_exc())
    if (
        summary.read + summary.unreadable != summary.staged + summary.rejected
        or len(columns["amount"]) != summary.staged
    ):
        return Outcome(crash=f"The counts do not add up: {summary}")
    if (
        len(kept) != summary.rejected
        or sum(summary.rules.values()) != summary.rejected
        or not all(row["rule"] for row in kept)
    ):
        return Outcome(crash=f"Rejected rows are not all kept with a rule: {summary}")
    return Outcome(
        rows=list(zip(*columns.values(), strict=True)),
        counted=summary.rejected,
        rules=dict(summary.rules),
        said="\n".join(said),
    )


# --- the verdict on one staging ---


def verdict(case: Case, outcome: Outcome) -> Verdict:
    """Judge what was staged, or refused, by the truth; the best of several truths counts."""
    if outcome.crash:
        return Verdict("CRASH", outcome.crash.strip()[-400:])
    if outcome.refusal:
        return Verdict("REFUSED", outcome.refusal) if case.honest else Verdict("told", outcome.refusal)
    found = min(
        (_against(case, truth, outcome) for truth in (case.rows, *case.also_right)),
        key=lambda found: VERDICTS.index(found.word),
    )
    if found.word not in GOOD:
        return found
    if case.must_say and not re.search(case.must_say, outcome.said):
        return Verdict("MISREAD", f"staged, but nothing says {case.must_say!r}; said: {outcome.said[:200]!r}")
    if case.undecidable:
        return Verdict("GUESSED", "two readings explain every value")
    return found


def _against(case: Case, truth: list[Row], outcome: Outcome) -> Verdict:
    staged = Counter(_comparable(case, *row) for row in outcome.rows or ())
    sound = Counter(_comparable(case, *row.facts) for row in truth if row.fate == "staged")
    either = Counter(_comparable(case, *row.facts) for row in truth if row.fate == "either")
    if false := staged - sound - either:
        return Verdict(
            "MISREAD",
            f"{false.total()} staged rows are not the truth, such as {next(iter(false))}; missing: {next(iter(sound - staged), '')}",
        )
    absent = len(truth) - staged.total()
    if absent > outcome.counted:
        return Verdict(
            "MISREAD",
            f"{absent} rows are not staged, {outcome.counted} are counted as rejected; such as {next(iter(sound - staged), '')}",
        )
    if lost := sound - staged:
        return Verdict(
            "LOST", f"{lost.total()} readable rows rejected, such as {next(iter(lost))}: {outcome.said[:200]}"
        )
    if case.must_refuse:
        return Verdict("LOST", f"{outcome.counted} of {len(truth)} rows unreadable, and not refused")
    return Verdict("told" if either - staged else "right")


def _comparable(case: Case, customer: Any, at: Any, order: Any, amount: Any) -> tuple[Any, ...]:
    if case.whole_seconds and at is not None:
        at = (at + timedelta(milliseconds=500)).replace(microsecond=0)
    return customer, at, order, None if amount is None else amount.normalize()


# --- the line that a refusal offers ---

_VALUE = r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|\d+'
_OFFER = re.compile(rf"\b(skip|stop|encoding|delimiter|quote|occurred_at|amount|customer_id|order_id)\s*=\s*({_VALUE})")
OF_RAW = ("skip", "stop", "encoding", "delimiter", "quote")


@dataclass(frozen=True)
class Offer:
    """A line that stands verbatim in a message, as a key and its value."""

    key: str
    value: Any


def offered_lines(message: str, mapping: dict[str, Any]) -> list[Offer]:
    """Take the lines to write out of a message; what repeats the present mapping is no offer."""
    offers = []
    for key, text in _OFFER.findall(message):
        try:
            value = tomllib.loads(f"{key} = {text}")[key]
        except tomllib.TOMLDecodeError:
            continue
        if value != mapping["order_lines"].get(key) and Offer(key, value) not in offers:
            offers.append(Offer(key, value))
    return offers


def with_lines(case: Case, offers: Iterable[Offer]) -> Case:
    """Write offered lines into the source.toml."""
    mapping = deepcopy(case.mapping)
    for offer in offers:
        if offer.key in OF_RAW:
            for file in case.files:
                mapping.setdefault("raw", {}).setdefault(file, {})[offer.key] = offer.value
        else:
            mapping["order_lines"][offer.key] = offer.value
    return replace(case, mapping=mapping, undecidable=False)  # the user has decided


def choices(offers: list[Offer]) -> list[tuple[Offer, ...]]:
    """What a user may write: one of the offered lines for each key."""
    keys = dict.fromkeys(offer.key for offer in offers)
    return list(product(*([offer for offer in offers if offer.key == key] for key in keys)))


def judge(case: Case, depth: int = 0) -> Verdict:
    """Judge a case; after a refusal write the lines that it offers, and judge what comes of each choice of them."""
    first = stage(case)
    found = verdict(case, first)
    if found.word != "told" or not first.refusal:
        return found
    ways = choices(offers) if (offers := offered_lines(first.refusal, case.mapping)) else []
    if len(ways) < (2 if case.undecidable else 1):
        return Verdict("NO LINE", first.refusal) if case.offers else found
    if depth == 5:
        return Verdict("WRONG LINE", f"still refused after {depth} lines: {first.refusal}")
    results = [(way, judge(with_lines(case, way), depth + 1)) for way in ways]
    wrong = [
        f"{', '.join(f'{offer.key} = {offer.value!r}' for offer in way)} ends in {result.word}: {result.why[:300]}"
        for way, result in results
        if result.word not in GOOD
    ]
    if not wrong or (case.ambiguous and len(wrong) < len(results)):
        return found
    return Verdict("WRONG LINE", f"{first.refusal}\n" + "\n".join(wrong))
