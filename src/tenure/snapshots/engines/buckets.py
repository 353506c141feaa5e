"""Merging exact measures over disjoint buckets of days: whole numbers in, whole numbers out; no order matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tenure.snapshots.engines.bucket_plan import Measure, Part, measures_of

Whole = npt.NDArray[np.int64]
# The cell of a value that no cutoff has seen yet.
UNSEEN = -1
NO_VALUES = np.empty(0, dtype=np.int64)
# What a minimum or maximum over no row comes to.
NONE = {"min": np.iinfo(np.int64).max, "max": np.iinfo(np.int64).min}


@dataclass(frozen=True)
class Buckets:
    """The disjoint spans of days that all windows of all cutoffs cut. Days count from 1970-01-01; cutoffs ascend.

    Bucket b holds the days of ``[edges[b - 1], edges[b])``; bucket 0 all earlier ones.
    """

    cutoffs: npt.NDArray[np.int32]
    edges: npt.NDArray[np.int32]

    @classmethod
    def cut(cls, cutoffs: Sequence[int], windows: set[int | None]) -> Buckets:
        days = np.array(sorted(cutoffs), dtype=np.int32)
        starts = [days - window for window in windows if window]
        return cls(days, np.unique(np.concatenate([days, *starts])).astype(np.int32))

    def __len__(self) -> int:
        return len(self.edges)

    def of(self, days: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        return np.searchsorted(self.edges, days, side="right")

    def first(self, cutoff: int, window: int | None) -> int:
        """First bucket of a window; its last ends at the cutoff."""
        return 0 if window is None else int(np.searchsorted(self.edges, cutoff - window, side="left")) + 1

    def end(self, cutoff: int) -> int:
        return int(np.searchsorted(self.edges, cutoff, side="left")) + 1


def rows_schema(measures: Sequence[Measure]) -> pa.Schema:
    """Name the columns of facts of some customers, numbered from 0.

    => customer, day (it occurred), seen (the first cutoff that sees it), m0 ... (each measure: its whole number, null
    where it has none; a flag where it is only counted)
    """
    kinds = [pa.int64() if measure.argument else pa.bool_() for measure in measures]
    fixed = [("customer", pa.int32()), ("day", pa.int32()), ("seen", pa.int16())]
    return pa.schema([*fixed, *((f"m{number}", kind) for number, kind in enumerate(kinds))])


def merge(
    rows: pa.Table, customers: int, parts: Sequence[Part], windows: Mapping[int, Sequence[int | None]], buckets: Buckets
) -> dict[tuple[int, int | None], Whole]:
    """Merge the parts over each window of each cutoff. => (part, window): cutoffs x customers

    Rows join their bucket when the first cutoff that knows them comes up, so that none is seen too early.
    """
    rows = rows.take(pa.array(np.argsort(rows["seen"].to_numpy(), kind="stable")))
    starts = np.searchsorted(rows["seen"].to_numpy(), np.arange(len(buckets.cutoffs) + 1))
    cells = buckets.of(rows["day"].to_numpy()) * customers + rows["customer"].to_numpy()
    measures = measures_of(parts)
    merging = {}
    for number in windows:
        part = parts[number]
        kind = _LastSightings if part.how == "distinct" else _Cells
        measured = rows[f"m{measures.index(part.measure)}"]
        merging[number] = kind(part, rows, measured, cells, customers, buckets)
    shape = (len(buckets.cutoffs), customers)
    merged = {(number, window): np.empty(shape, np.int64) for number, asked in windows.items() for window in asked}
    for place, cutoff in enumerate(buckets.cutoffs):
        known = slice(starts[place], starts[place + 1])
        for number, asked in windows.items():
            merging[number].add(known)
            for window, value in zip(asked, merging[number].over(int(cutoff), asked), strict=True):
                merged[number, window][place] = value
    return merged


class _Cells:
    """One number per bucket and customer."""

    def __init__(
        self, part: Part, rows: pa.Table, measured: pa.ChunkedArray, cells: Whole, customers: int, buckets: Buckets
    ) -> None:
        self._how, self._buckets, self._customers = part.how, buckets, customers
        self._cell = cells
        self._present = (measured.is_valid() if part.measure.argument else measured).to_numpy()
        if part.how == "count":
            self._values = NO_VALUES
        else:
            values = measured.fill_null(0) if part.measure.argument else rows["day"].cast(pa.int64())
            self._values = values.to_numpy()
        self._cells = np.full(len(buckets) * customers, NONE.get(part.how, 0), dtype=np.int64)
        self._merge = {"sum": np.add, "min": np.minimum, "max": np.maximum}.get(part.how, np.add)
        if part.how == "sum" and len(self._values):
            largest = max(abs(int(self._values.min())), abs(int(self._values.max())))
            if largest * len(self._values) > np.iinfo(np.int64).max:
                raise OverflowError(f"the sum of {part.measure.argument}")

    def add(self, known: slice) -> None:
        present = self._present[known]
        cells = self._cell[known][present]
        if self._how == "count":
            self._cells += np.bincount(cells, minlength=len(self._cells))
        else:
            self._merge.at(self._cells, cells, self._values[known][present])

    def over(self, cutoff: int, windows: Sequence[int | None]) -> list[Whole]:
        table = self._cells.reshape(len(self._buckets), self._customers)
        end = self._buckets.end(cutoff)
        merged, value = [], np.full(self._customers, NONE.get(self._how, 0), dtype=np.int64)
        for window in windows:  # the shortest first: a longer one adds the buckets before it
            first = self._buckets.first(cutoff, window)
            value = self._merge(value, self._merge.reduce(table[first:end], axis=0, initial=NONE.get(self._how, 0)))
            merged.append(value)
            end = first
        return merged


class _LastSightings(_Cells):
    """Each customer's each value, in the bucket it was last seen in: it is in the windows that reach back to it."""

    def __init__(
        self, part: Part, rows: pa.Table, measured: pa.ChunkedArray, cells: Whole, customers: int, buckets: Buckets
    ) -> None:
        super().__init__(part, rows, measured, cells, customers, buckets)
        # An odd multiple of the customer keeps two customers' equal values apart.
        odd = rows["customer"].to_numpy().astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = self._values.view(np.uint64) + odd
        order = np.argsort(mixed)
        mixed = mixed[order]
        begins = np.empty(len(mixed), dtype=np.bool_)
        begins[:1], begins[1:] = True, mixed[1:] != mixed[:-1]
        self._pair = np.empty(len(mixed), dtype=np.int64)
        self._pair[order] = np.cumsum(begins) - 1
        self._last = np.full(np.count_nonzero(begins), UNSEEN, dtype=np.int64)

    def add(self, known: slice) -> None:
        # One customer's cells ascend with the buckets.
        present = self._present[known]
        np.maximum.at(self._last, self._pair[known][present], self._cell[known][present])

    def over(self, cutoff: int, windows: Sequence[int | None]) -> list[Whole]:
        self._cells = np.bincount(self._last[self._last > UNSEEN], minlength=len(self._cells))
        return super().over(cutoff, windows)
