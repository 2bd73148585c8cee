"""Descriptions of columns that are not all numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ._arguments import tuning
from ._reductions import QUARTILES, Table, aggregate, described, is_described, percent, quantile
from ._sql import arrow_name, is_time

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["Described", "described_frame"]


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
    if all(is_described(kinds[label]) for label in labels):
        return Table(
            frame._rows, {label: described(frame._columns[label].sql, kinds[label], percentiles) for label in labels}
        )
    return Described(frame, labels, percentiles)


class Described:
    """A description, which is computed at once: numbers and times by their quartiles, texts by the most frequent."""

    def __init__(self, frame: DataFrame, labels: Sequence[Any], percentiles: Any, name: Any = ...) -> None:
        self._frame = frame
        self._labels = labels
        self._shares = QUARTILES if percentiles is None else percentiles
        self._name = name

    def compute(self, **arguments: Any) -> Any:
        """Runs the plan on the cluster: a pandas frame, or a series for a column."""
        tuning("describe", arguments)
        parts = [self._column(label) for label in self._labels]
        if self._name is not ...:
            return parts[0].rename(self._name)
        shares = [percent(q) for q in self._shares]
        if any("top" in part.index for part in parts):
            names = ["count", "unique", "top", "freq", "mean", "std", "min", *shares, "max"]
        else:
            names = ["count", "mean", "min", *shares, "max", "std"]
        frame = pd.concat(parts, axis=1)
        return frame.reindex([name for name in names if name in frame.index])

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
        cells = [f"count({sql})", aggregate("mean", sql, kind), f"min({sql})", f"max({sql})"]
        for q in self._shares:
            cells.append(f"arrow_cast(CAST({quantile(whole, q)} AS BIGINT), '{arrow_name(kind)}')")
        row = [column[0].as_py() for column in column._rows.values(cells).columns]
        mean, low, high, *moments = [pd.Timestamp(value) for value in row[1:]]
        names = ["count", "mean", "min", *map(percent, self._shares), "max"]
        return pd.Series([row[0], mean, low, *moments, high], index=names, name=column.name, dtype=object)
