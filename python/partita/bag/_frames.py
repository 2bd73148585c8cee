"""Bags as frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .._tasks import Task
from .._tokens import tokenize
from ..base import persist_nodes, run_nodes
from ._layers import Build, Elementwise, Parts

__all__ = ["to_bag", "to_dataframe"]


def to_dataframe(bag: Any, meta: Any, columns: Any) -> Any:
    """Return the items of a bag as rows of a frame: :meth:`Bag.to_dataframe`."""
    from ..dataframe._partition_results import frame_of_parts

    if meta is not None and columns is not None:
        raise ValueError("to_dataframe() takes either meta or columns")
    empty = _empty(bag, meta, columns)
    nodes = Build([bag._layer]).nodes(bag._layer)
    frames = persist_nodes([Task(_frame, (empty, node), None, "to_dataframe") for node in nodes])
    counts = run_nodes([Task(len, (frame,), None, "to_dataframe-len") for frame in frames])
    # Split points are the first labels of partitions, so these must have rows.
    parts = [(frame, count) for frame, count in zip(frames, counts) if count] or [(frames[0], 0)]
    return frame_of_parts([frame for frame, _ in parts], [count for _, count in parts])


def to_bag(plan: Any, index: bool, form: str) -> Any:
    """Return the rows of a frame, or the values of a column, as items of a bag: :meth:`DataFrame.to_bag`."""
    from ._bag import Bag

    if form not in ("tuple", "dict", "frame"):
        raise ValueError(f"format must be 'tuple', 'dict' or 'frame', not {form!r}")
    nodes = [one._task for one in plan.to_delayed()]
    names = [node.key for node in nodes]
    source, name = f"to_bag-parts-{tokenize(names)}", f"to_bag-{tokenize(names, index, form)}"
    return Bag(Elementwise(name, Parts(source, nodes), _Items(index, form)), name, len(nodes))


class _Items:
    """The function that returns the rows of a partition as items."""

    def __init__(self, index: bool, form: str) -> None:
        self.index = index
        self.form = form

    def __call__(self, part: Any) -> Any:
        if isinstance(part, pd.DataFrame):
            if self.form == "frame":
                return [part]
            if self.form == "dict":
                records = part.to_dict(orient="records")
                # As in Dask, whatever the name of the index is.
                return [{"index": label, **row} for label, row in zip(part.index, records)] if self.index else records
            return list(part.itertuples(index=self.index, name=None))
        if self.form == "frame":
            return [part]
        if isinstance(part, pd.Index):
            part = part.to_series()
        if self.form == "dict":
            return part.to_frame().to_dict(orient="records")
        return list(part.items()) if self.index else list(part)


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
