"""Bags as frames."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .._tasks import Task
from ..base import persist_nodes, run_nodes
from ._layers import Build

__all__ = ["to_dataframe"]


def to_dataframe(bag: Any, meta: Any, columns: Any) -> Any:
    """Return the items of a bag as rows of a frame: :meth:`Bag.to_dataframe`."""
    from ..dataframe._io import from_parts

    if meta is not None and columns is not None:
        raise ValueError("to_dataframe() takes either meta or columns")
    empty = _empty(bag, meta, columns)
    nodes = Build([bag._layer]).nodes(bag._layer)
    frames = persist_nodes([Task(_frame, (empty, node), None, "to_dataframe") for node in nodes])
    counts = run_nodes([Task(len, (frame,), None, "to_dataframe-len") for frame in frames])
    # Persisted tables have no empty partitions.
    parts = [(frame, count) for frame, count in zip(frames, counts) if count]
    return from_parts(_Parts(parts or [(frames[0], 0)]))


class _Parts(Sequence[pd.DataFrame]):
    """The partitions, fetched on access, since together they may exceed the memory of this process."""

    def __init__(self, parts: list[tuple[Any, int]]) -> None:
        self._nodes = [node for node, _ in parts]
        self._ends = list(itertools.accumulate(count for _, count in parts))

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, at: Any) -> Any:
        frame = run_nodes([self._nodes[at]])[0]
        # The labels continue those of the partition before, so that they are unique and sorted.
        end = self._ends[at]
        return frame.set_axis(pd.RangeIndex(end - len(frame), end), axis=0)


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
