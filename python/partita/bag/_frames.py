"""Bags as frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .._tasks import Task
from ..base import run_nodes
from ._layers import Build

__all__ = ["to_dataframe"]


def to_dataframe(bag: Any, meta: Any, columns: Any) -> Any:
    """Return the items of a bag as rows of a frame: :meth:`Bag.to_dataframe`."""
    from ..dataframe._io import from_parts

    if meta is not None and columns is not None:
        raise ValueError("to_dataframe() takes either meta or columns")
    empty = _empty(bag, meta, columns)
    nodes = Build([bag._layer]).nodes(bag._layer)
    tasks = [Task(_frame, (empty, node), None, "to_dataframe") for node in nodes]
    return from_parts(_Parts(tasks))


class _Parts(Sequence[pd.DataFrame]):
    """The partitions, computed on access, since together they may exceed the memory of this process."""

    def __init__(self, tasks: list[Task]) -> None:
        self._tasks = tasks

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[one] for one in range(len(self))[at]]
        return run_nodes([self._tasks[at]])[0]


def _empty(bag: Any, meta: Any, columns: Any) -> pd.DataFrame:
    """Return a frame without rows that has the columns and types of the result."""
    if meta is None:
        first = bag.take(1, warn=False)
        if not first:
            raise ValueError("cannot infer columns and types: the first partition is empty; use meta=")
        names = columns
        if names is None and isinstance(first[0], str):
            names = [0]
        return pd.DataFrame(list(first), columns=names).iloc[:0]
    if columns is not None:
        raise ValueError("to_dataframe() takes either meta or columns")
    if isinstance(meta, pd.DataFrame):
        return meta.iloc[:0]
    pairs = list(meta.items() if isinstance(meta, Mapping) else meta)
    return pd.DataFrame(
        {name: pd.Series([], dtype=dtype) for name, dtype in pairs}, columns=[name for name, _ in pairs]
    )


def _frame(empty: pd.DataFrame, part: Any) -> pd.DataFrame:
    items = part if isinstance(part, list) else list(part)
    frame = pd.DataFrame(items, columns=list(empty.columns))
    for at, dtype in enumerate(empty.dtypes):
        if frame.iloc[:, at].dtype != dtype:
            frame[empty.columns[at]] = frame.iloc[:, at].astype(dtype)
    return frame
