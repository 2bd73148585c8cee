"""Descriptions of columns that are not all numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ._arguments import tuning
from ._reductions import Table, aggregate, described, is_described
from ._sql import is_time

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["Described", "described_frame"]

_QUARTILES = (0.25, 0.5, 0.75)


def described_frame(frame: DataFrame, percentiles: Any, include: Any, exclude: Any) -> Any:
    """The description of a frame."""
    kinds = frame._kinds()
    if include == "all":
        labels = list(kinds)
    elif include is not None or exclude is not None:
        labels = list(frame.select_dtypes(include, exclude)._columns)
    else:
        labels = [label for label, kind in kinds.items() if is_described(kind) or is_time(kind)]
        labels = labels or list(kinds)
    shares = _QUARTILES if percentiles is None else percentiles
    if all(is_described(kinds[label]) for label in labels):
        return Table(
            frame._rows, {label: described(frame._columns[label].sql, kinds[label], shares) for label in labels}
        )
    return Described(frame, labels, shares)


class Described:
    """A description, which is computed at once: numbers and times by their quartiles, texts by the most frequent."""

    def __init__(self, frame: DataFrame, labels: Sequence[Any], percentiles: Any, name: Any = ...) -> None:
        self._frame = frame
        self._labels = labels
        self._shares = _QUARTILES if percentiles is None else percentiles
        self._name = name

    def compute(self, **arguments: Any) -> Any:
        """Runs the plan on the cluster: a pandas frame, or a series for a column."""
        tuning("describe", arguments)
        parts = [self._column(label) for label in self._labels]
        if self._name is not ...:
            return parts[0].rename(self._name)
        order: list[str] = []
        for part in sorted(parts, key=len):
            order += [name for name in part.index if name not in order]
        ends = [name for name in ("std", "max") if name in order]
        order = [name for name in order if name not in ends] + [name for name in ("max", "std") if name in ends]
        frame = pd.concat(parts, axis=1)
        wanted = ["count", "unique", "top", "freq", "mean", "std", "min"]
        wanted += [f"{q * 100:g}%" for q in self._shares] + ["max"]
        has_texts = any("top" in part.index for part in parts)
        return frame.reindex([name for name in (wanted if has_texts else order) if name in order])

    def _column(self, label: Any) -> pd.Series:
        column = self._frame._column(label)
        kind = column._kind
        if is_described(kind):
            computed: pd.Series = column.describe(self._shares).compute()
            return computed
        if is_time(kind):
            return self._of_times(column, kind)
        return self._of_values(column)

    def _of_values(self, column: Any) -> pd.Series:
        counts = column.value_counts().head(1)
        cells = [column.count().compute(), column.nunique().compute()]
        cells += [counts.index[0], counts.iloc[0]] if len(counts) else [float("nan"), float("nan")]
        return pd.Series(cells, index=["count", "unique", "top", "freq"], name=column.name, dtype=object)

    def _of_times(self, column: Any, kind: pa.DataType) -> pd.Series:
        sql = column._sql
        whole = f"arrow_cast({sql}, 'Int64')"
        cells = [
            f"count({sql}) AS n",
            f"{aggregate('mean', sql, kind)} AS mean",
            f"min({sql}) AS low",
            f"max({sql}) AS high",
        ]
        for at, q in enumerate(self._shares):
            share = f"percentile_cont({float(q)!r}) WITHIN GROUP (ORDER BY CAST({whole} AS DOUBLE))"
            cells.append(f"CAST({share} AS BIGINT) AS q{at}")
        query = f"SELECT {', '.join(cells)} FROM {column._rows.sql}"
        found = column._client._connection.query(query)
        row = {name: found.column(name)[0].as_py() for name in found.column_names if not name.startswith("q")}
        moments = [
            pa.array([found.column(f"q{at}")[0].as_py()], pa.int64()).cast(kind)[0].as_py()
            for at in range(len(self._shares))
        ]
        shares = [f"{q * 100:g}%" for q in self._shares]
        values = [row["n"], *(pd.Timestamp(value) for value in (row["mean"], row["low"], *moments, row["high"]))]
        return pd.Series(values, index=["count", "mean", "min", *shares, "max"], name=column.name, dtype=object)
