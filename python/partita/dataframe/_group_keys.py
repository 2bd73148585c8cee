"""Keys of groups."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ._alignment import REINDEX
from ._array_columns import column_of_array, is_array
from ._columns import Column
from ._frame import DataFrame
from ._matching import aligned, uploaded
from ._rows import place_of
from ._series import Series, index_of

__all__ = ["keys_of"]


def keys_of(frame: DataFrame, by: Any) -> tuple[DataFrame, list[tuple[Any, Column]], Any]:
    """Return a frame and the keys of its groups, over the same rows.

    Parameters
    ----------
    frame : DataFrame
        The frame.
    by
        A key or a list of keys: labels, columns, pandas series, arrays, functions and dicts of index labels.

    Returns
    -------
    tuple
        The frame, pairs of name and key, and what gives the same keys for this frame.
    """
    is_label = isinstance(by, tuple) and by in frame._columns
    parts = list(by) if isinstance(by, (list, tuple)) and not is_label else [by]
    if not parts:
        raise ValueError("No group keys passed! groupby() requires at least one key")
    given = [_uploaded(frame, key) for key in parts]
    if any(key is not part for key, part in zip(given, parts)):
        by = given
    if any(isinstance(key, Series) and key._rows.identity is not frame._rows.identity for key in given):
        frame, given = _aligned(frame, given)
        by = given
    rows = frame._rows
    keys: list[tuple[Any, Column]] = []
    for key in given:
        if isinstance(key, pd.Grouper):
            key = _key_of_grouper(key)
        if isinstance(key, Series):
            rows = rows.combine(key._rows)
            keys.append((key.name, key._cell))
        elif isinstance(key, DataFrame):
            raise ValueError("groupby() takes columns as keys, not frames; select a column")
        elif callable(key) or isinstance(key, dict):
            mapped = _labels_of(frame).map(key)
            rows = rows.combine(mapped._rows)
            keys.append((mapped.name, mapped._cell))
        else:
            keys.append((key, frame._key(key)._cell))
    return frame._like(frame._columns, rows), keys, by


def _uploaded(frame: DataFrame, key: Any) -> Any:
    """Return a pandas series or an array as a column, and other keys as they are."""
    if is_array(key):
        return column_of_array(frame, key)
    return uploaded(key, frame) if isinstance(key, pd.Series) else key


def _aligned(frame: DataFrame, given: list[Any]) -> tuple[DataFrame, list[Any]]:
    """Return a frame with the columns among its keys over its rows; as in pandas, they are matched by their labels."""
    own = frame._columns
    marks: dict[int, Any] = {}
    for at, key in enumerate(given):
        if not isinstance(key, Series):
            continue
        # The keys so far follow the rows as columns of the frame.
        frame, key = aligned(frame, key, REINDEX)
        marks[at] = object()
        frame = frame._like({**frame._columns, marks[at]: key._cell}, frame._rows.combine(key._rows))
    keys = list(given)
    for at, mark in marks.items():
        keys[at] = frame._column(mark).rename(given[at].name)
    return frame._like({label: frame._columns[label] for label in own}), keys


def _key_of_grouper(grouper: pd.Grouper) -> Any:
    if getattr(grouper, "freq", None) is not None:
        raise NotImplementedError(
            "groupby() does not support pd.Grouper with freq=; use set_index and resample, or a column of dt.floor"
        )
    if grouper.key is None:
        raise NotImplementedError("groupby() does not support pd.Grouper with level=; use level= of groupby")
    return grouper.key


def _labels_of(frame: DataFrame) -> Series:
    """Return the labels of the index, which may be the numbers of the rows, as a column."""
    if not frame._index and frame._rows.order:
        return Series(frame._rows, place_of(frame._rows), None, ())
    index = index_of(frame)
    return Series(frame._rows, index._expr, index.name, (), index._origin)
