"""Selection by label (``loc``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, SortKey
from ..plan.relation import Join, Values
from ._array_columns import column_of_array, is_array
from ._partitions import divide_later, kept_divisions
from ._periods import label_bounds, period_label, start_of
from ._rows import Rows
from ._series import Series, index_of
from ._sql import literal

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["Loc"]

#: Name of the column with the position of a row's label in the requested list.
PLACE = "__place"


class Loc:
    """Selection of rows and columns by label."""

    def __init__(self, frame: DataFrame, finish: Callable[[DataFrame], Any], axes: int = 2) -> None:
        self._frame = frame
        self._finish = finish
        self._axes = axes

    def __getitem__(self, key: Any) -> Any:
        frame = self._frame
        columns = None
        if isinstance(key, tuple):
            if len(key) > self._axes:
                raise pd.errors.IndexingError("Too many indexers")
            key, columns = key if len(key) == 2 else (key[0], None)
        if callable(key):
            key = key(self._finish(frame))
        columns = self._column_labels(columns)
        if isinstance(key, Series) or (is_array(key) and not isinstance(key, np.ndarray)):
            is_boolean = pa.types.is_boolean(key._kind) if isinstance(key, Series) else key.dtype == bool
            if not is_boolean:
                raise KeyError(
                    "Cannot index with non-boolean dask Series. Try passing computed values instead (e.g. "
                    "``ddf.loc[s.compute()]``)"
                )
            frame = frame._filtered(key if isinstance(key, Series) else column_of_array(frame, key))
        elif is_array(key) and key.dtype == bool:
            frame = frame._filtered(column_of_array(frame, key))
        elif isinstance(key, (list, pd.Index, pd.Series, np.ndarray, pd.api.extensions.ExtensionArray)):
            frame = self._select_labels(list(key))
        elif key != slice(None):
            self._check_label(key)
            where, divisions = self._where(key), self._divisions(key)
            frame = frame._narrowed(where)
            divide_later(frame, divisions)
        return self._finish(frame if columns is None else frame[columns])

    def _column_labels(self, columns: Any) -> Any:
        """Return the label or the labels of columns that a user gave as such, as truth values, or as a function."""
        labels = list(self._frame._columns)
        if callable(columns):
            columns = columns(self._frame)
        if isinstance(columns, slice):
            places = pd.Index(labels).slice_indexer(columns.start, columns.stop, columns.step)
            return labels[places]
        if isinstance(columns, (list, np.ndarray, pd.Series, pd.Index)) and len(columns):
            if all(isinstance(one, (bool, np.bool_)) for one in columns):
                if len(columns) != len(labels):
                    raise IndexError(f"{len(columns)} truth values for {len(labels)} columns")
                return [label for label, is_wanted in zip(labels, columns) if is_wanted]
            return list(columns)
        return columns

    def _select_labels(self, labels: list[Any]) -> DataFrame:
        """Select the rows of a list of labels, in the order of the list and as often as each label occurs in it."""
        frame, index = self._frame, index_of(self._frame)
        is_truth = labels and all(isinstance(label, (bool, np.bool_)) for label in labels)
        if is_truth and not pa.types.is_boolean(index._kind):
            return frame._filtered(column_of_array(frame, np.array(labels)))
        if isinstance(index._origin, pd.PeriodDtype):
            labels = [pd.Period(one, freq=index._origin.freq) for one in labels]
        found = frame._narrowed(index.isin(labels)._expr)
        if not labels or (frame.known_divisions and _is_increasing(labels)):
            return found
        # The filtered rows have columns of their own: those of the frame under their standard names.
        rows, label = found._rows, "__label"
        given = Values([label, PLACE], [(literal(one, index._kind), px.literal(at)) for at, one in enumerate(labels)])
        joined = Join(rows.relation, given, "inner", [(found._index[0].expr, given.column(label))])
        order = (SortKey(joined.column(PLACE)), *rows.order)
        return found._like(found._columns, Rows(rows.client, joined, order, keep=rows))

    def _where(self, key: Any) -> Expr:
        index = index_of(self._frame)
        kind = index._kind
        if isinstance(key, slice):
            if key.step is not None:
                raise NotImplementedError("loc does not support slices with a step")
            return self._between(*self._ends(key))
        if pa.types.is_timestamp(kind) and isinstance(key, str):
            return self._between(key, key)
        if isinstance(index._origin, pd.PeriodDtype):
            key = start_of(key, index._origin)
        return px.comparison("eq", index._expr, literal(key, kind))

    def _check_label(self, key: Any) -> None:
        """Raise an error for a single label that is outside the known divisions, so that no row has it."""
        known = kept_divisions(self._frame)
        if isinstance(key, slice) or known is None or None in known or not self._frame.known_divisions:
            return
        if isinstance(key, str) and not isinstance(known[0], str):
            # A string stands for a span of times.
            return
        try:
            is_outside = not min(known[0], known[-1]) <= key <= max(known[0], known[-1])
        except TypeError:
            return
        if is_outside:
            raise KeyError(key)

    def _divisions(self, key: Any) -> tuple[Any, ...] | None:
        """Return the divisions of a slice of rows whose divisions are known."""
        frame = self._frame
        known = kept_divisions(frame)
        if not isinstance(key, slice) or known is None or None in known or not frame.known_divisions:
            return None
        if frame._rows.order[0].is_descending:
            return None
        index = index_of(frame)
        try:
            first, last = (
                own if given is None else period_label(_label(given, index, at > 0), index._origin)
                for at, (given, own) in enumerate(((key.start, known[0]), (key.stop, known[-1])))
            )
            first, last = max(first, known[0]), min(last, known[-1])
            inner = [label for label in known[1:-1] if first < label <= last]
        except TypeError:
            # Labels of another type, such as dates for times, have the same rows but no divisions.
            return None
        return None if first > last else (first, *inner, last)

    def _ends(self, key: slice) -> tuple[Any, Any]:
        """Return the lowest and the highest label of a slice.

        Raises
        ------
        NotImplementedError
            If the rows are in another order than their labels: in pandas, the slice then depends on positions.
        """
        frame = self._frame
        if isinstance(index_of(frame)._origin, pd.CategoricalDtype):
            raise NotImplementedError("loc does not support slices of a categorical index; use a list of labels")
        order = frame._rows.order
        if not order:
            return key.start, key.stop
        if order[0].expr is not index_of(frame)._expr:
            raise NotImplementedError(
                "loc[a:b] requires rows sorted by their index, but they are in another order; use sort_index() first, "
                "or a condition on the index"
            )
        return (key.stop, key.start) if order[0].is_descending else (key.start, key.stop)

    def _between(self, low: Any, high: Any) -> Expr:
        index = index_of(self._frame)
        kind = index._kind
        tests = []
        if low is not None:
            tests.append(px.comparison("ge", index._expr, literal(_label(low, index, False), kind)))
        if high is not None:
            tests.append(px.comparison("le", index._expr, literal(_label(high, index, True), kind)))
        return px.conjunction(*tests)


def _is_increasing(labels: list[Any]) -> bool:
    """Whether labels are strictly increasing."""
    try:
        return all(a < b for a, b in zip(labels, labels[1:]))
    except TypeError:
        return False


def _label(value: Any, index: Any, last: bool) -> Any:
    """Return a label; for a string of a day or month in an index of times, its first or last moment."""
    kind = index._kind
    if isinstance(index._origin, pd.PeriodDtype):
        return label_bounds(value, index._origin)[last]
    if not (pa.types.is_timestamp(kind) and isinstance(value, str)):
        return value
    period = pd.Period(value)
    moment = period.end_time if last else period.start_time
    return moment.tz_localize(kind.tz) if kind.tz else moment
