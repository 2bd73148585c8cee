"""Rows by the labels of the index."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ._series import Series
from ._sql import literal

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["Loc"]


class Loc:
    """Rows by the labels of the index."""

    def __init__(self, frame: DataFrame, finish: Callable[[DataFrame], Any]) -> None:
        self._frame = frame
        self._finish = finish

    def __getitem__(self, key: Any) -> Any:
        frame = self._frame
        columns = None
        if isinstance(key, tuple):
            key, columns = key
        if callable(key):
            key = key(frame)
        if isinstance(columns, slice):
            labels = list(frame._columns)
            places = pd.Index(labels).slice_indexer(columns.start, columns.stop, columns.step)
            columns = labels[places]
        if isinstance(key, Series):
            frame = frame._filtered(key)
        elif key != slice(None) if not isinstance(key, (list, pd.Index)) else True:
            frame = frame._narrowed(self._where(key))
        return self._finish(frame if columns is None else frame[columns])

    def _where(self, key: Any) -> str:
        index = self._frame.index
        kind = index._kind
        if isinstance(key, slice):
            if key.step is not None:
                raise NotImplementedError("loc takes slices without a step")
            tests = []
            if key.start is not None:
                tests.append(f"{index._sql} >= {literal(_label(key.start, kind, False), kind)}")
            if key.stop is not None:
                tests.append(f"{index._sql} <= {literal(_label(key.stop, kind, True), kind)}")
            return " AND ".join(tests) or "TRUE"
        if isinstance(key, (list, pd.Index)):
            return index.isin(list(key))._sql
        if pa.types.is_timestamp(kind) and isinstance(key, str):
            return self._where(slice(key, key))
        return f"{index._sql} = {literal(key, kind)}"


def _label(value: Any, kind: pa.DataType, last: bool) -> Any:
    """A label; of a text that stands for a time as a day or a month does, its first or its last moment."""
    if not (pa.types.is_timestamp(kind) and isinstance(value, str)):
        return value
    period = pd.Period(value)
    moment = period.end_time if last else period.start_time
    return moment.tz_localize(kind.tz) if kind.tz else moment
