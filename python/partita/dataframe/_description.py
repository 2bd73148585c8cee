"""Descriptions (``describe``) of frames and of columns that are not numeric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._errors import trim_traceback
from .._frame_inputs import FrameInput
from ._arguments import reject_unsupported
from ._columns import label_index
from ._reductions import Table, aggregate, describe_numbers, is_described, percent, quantile, quantile_levels

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["Description", "describe_frame"]


def describe_frame(frame: DataFrame, percentiles: Any, include: Any, exclude: Any) -> Any:
    """Describe a frame."""
    kinds = frame._kinds()
    if not kinds:
        raise ValueError("Cannot describe a DataFrame without columns")
    if isinstance(include, str) and include == "all":
        if exclude is not None:
            raise ValueError("exclude must be None when include is 'all'")
        labels = list(kinds)
    elif include is not None or exclude is not None:
        labels = list(frame.select_dtypes(include, exclude)._columns)
        if not labels:
            raise ValueError("No columns match the specified include or exclude data types")
    else:
        labels = [label for label, kind in kinds.items() if is_described(kind) or _is_temporal(kind)]
        labels = labels or list(kinds)
    if any(isinstance(frame._columns[label].origin, pd.PeriodDtype) for label in labels):
        raise NotImplementedError(
            "describe() does not support periods; select other columns, or use dt.to_timestamp first"
        )
    if all(is_described(kinds[label]) and frame._columns[label].origin is None for label in labels):
        cells = {label: describe_numbers(frame._columns[label].expr, kinds[label], percentiles) for label in labels}
        return Table(frame._rows, cells, axis=frame._axis)
    return Description(frame, labels, percentiles)


def _is_temporal(kind: pa.DataType) -> bool:
    # In pandas, a column of dates is an object column.
    return pa.types.is_timestamp(kind) or pa.types.is_duration(kind)


class Description(FrameInput):
    """A lazy description: quartiles of numbers and times, the most frequent value of strings."""

    def __init__(self, frame: DataFrame, labels: Sequence[Any], percentiles: Any, name: Any = ...) -> None:
        self._frame = frame
        self._labels = labels
        self._shares = quantile_levels(percentiles)
        self._name = name

    @trim_traceback
    def compute(self, **arguments: Any) -> Any:
        """Run the plan on the cluster and return a pandas frame, or a series for a column."""
        reject_unsupported("describe", arguments)
        parts = [self._column(label) for label in self._labels]
        if self._name is not ...:
            return parts[0].rename(self._name)
        # The order of pandas: the names of the shortest description come first.
        names = dict.fromkeys(name for part in sorted(parts, key=len) for name in part.index)
        frame = pd.concat(parts, axis=1, ignore_index=True).reindex(list(names))
        frame.columns = label_index(list(self._labels), self._frame._axis)
        return frame

    def _column(self, label: Any) -> pd.Series:
        column = self._frame._column(label)
        kind = column._kind
        if is_described(kind):
            computed: pd.Series = column.describe(self._shares).compute()
            return computed
        return self._of_times(column, kind) if _is_temporal(kind) else self._of_values(column)

    def _of_values(self, column: Any) -> pd.Series:
        counts = column.value_counts().head(1)
        cells = [column.count().compute(), column.nunique().compute()]
        cells += [counts.index[0], counts.iloc[0]] if len(counts) else [float("nan"), float("nan")]
        return pd.Series(cells, index=["count", "unique", "top", "freq"], name=column.name, dtype=object)

    def _of_times(self, column: Any, kind: pa.DataType) -> pd.Series:
        value = column._expr
        cells = {"count": aggregate("count", value, kind), "mean": aggregate("mean", value, kind)}
        if pa.types.is_duration(kind):
            cells["std"] = aggregate("std", value, kind)
        cells["min"] = aggregate("min", value, kind)
        cells.update({percent(q): quantile(value, q, kind) for q in self._shares})
        cells["max"] = aggregate("max", value, kind)
        count, *times = [cell[0].as_py() for cell in column._rows.values(list(cells.values())).columns]
        shown = pd.Timedelta if pa.types.is_duration(kind) else pd.Timestamp
        values = [count, *(pd.NaT if time is None else shown(time) for time in times)]
        return pd.Series(values, index=list(cells), name=column.name, dtype=object)
