"""Concatenation of frames and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.dtype import DType, common_type, is_number
from ..plan.expr import SortKey, aggregate, cast, window
from ..plan.relation import Named, Union
from ._alignment import COMMON, FIRST, UNIQUE, known_labels
from ._arguments import is_columns_axis, reject_unsupported
from ._base import Level
from ._columns import Column, keyed_columns, label_index, refuse_equal_labels
from ._frame import DataFrame
from ._matching import aligned
from ._merge import _common_axis, _common_origin, _key_origin, _plain, as_frame
from ._mixed import is_mixed, mixed_kind, with_mixed_columns
from ._partitions import divide_later, kept_divisions
from ._replacement import MISSING
from ._rows import Labels, Rows
from ._series import Series
from ._sql import INDEX, is_time, sort_of

__all__ = ["concat"]


def concat(
    frames: Sequence[Any],
    axis: Any = 0,
    ignore_index: bool = False,
    join: str = "outer",
    sort: bool = False,
    ignore_order: bool = False,
    **arguments: Any,
) -> Any:
    """Concatenate frames or columns along the rows, or side by side.

    Parameters
    ----------
    frames : sequence of DataFrame or Series
        What to concatenate. Some may be pandas objects, which are uploaded.
    axis : {0, "index", 1, "columns"}
        With 1, the columns of all frames are in one frame. Rows are matched by their index: those of the first frame come
        first, then those with other labels. If the labels are times and differ, the rows are sorted by them, as in pandas.
    ignore_index : bool
        Whether the index of the result, or its columns with ``axis=1``, count from 0.
    join : {"outer", "inner"}
        Whether the result has all columns, or rows with ``axis=1``, with missing values where a frame lacks one, or only the
        common ones.
    sort : bool
        Whether the labels of the columns are sorted, or those of the rows with ``axis=1``.
    ignore_order : bool
        Whether categorical columns with different categories get the categories of all, without an order. Otherwise they
        become columns of plain values, as in pandas.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    TypeError
        If the values of a column cannot be in one column, such as periods and times. Strings in one frame and numbers in
        another make a column of objects.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> a = dd.from_pandas(pd.Series([1, 2], index=[0, 1], name="a"), npartitions=2)
    >>> b = dd.from_pandas(pd.Series([3, 4], index=[1, 2], name="b"), npartitions=2)
    >>> dd.concat([a, b]).compute().tolist()
    [1, 2, 3, 4]
    >>> dd.concat([a, b], axis=1, join="inner").compute().values.tolist()
    [[2, 3]]
    """
    for name in ("interleave_partitions", "ignore_unknown_divisions"):
        arguments.pop(name, None)
    reject_unsupported("concat", arguments)
    if not isinstance(frames, (list, tuple)):
        raise TypeError(f"dfs must be a list of frames and columns, not {type(frames).__name__}")
    if join not in ("outer", "inner"):
        raise ValueError(f"'join' must be 'inner' or 'outer', not {join!r}")
    frames = list(frames)
    if not frames:
        raise ValueError("No objects to concatenate: the list of frames is empty")
    if is_columns_axis("concat", axis):
        return _side_by_side(frames, ignore_index, join, sort)
    if len(frames) == 1 and not ignore_index and isinstance(frames[0], (DataFrame, Series)):
        return frames[0].copy()
    alone = all(isinstance(one, Series) for one in frames)
    parts = [as_frame(one, frames, "v" if alone else None) for one in frames]
    for part in parts:
        refuse_equal_labels("concat", part)
    labels = list(dict.fromkeys(label for part in parts for label in part._columns))
    if join == "inner":
        labels = [label for label in labels if all(label in part._columns for part in parts)]
    depth = len(parts[0]._index)
    keeps = not ignore_index and all(len(part._index) == depth for part in parts)
    if sort:
        labels.sort()
    parts = _with_like_columns(parts, labels, depth if keeps else 0, ignore_order)
    ordered = all(part._rows.order for part in parts)
    terms = max(len(part._rows.order) for part in parts) if ordered else 0
    relations = []
    for number, part in enumerate(parts):
        named = part._levels() if keeps else []
        for at, label in enumerate(labels):
            has_column = label in part._columns
            named.append(Named(f"c{at}", part._columns[label].expr if has_column else px.NULL))
        if ordered:
            # Number the rows, unless they are already sorted by an integer key.
            key = part._rows.order[0]
            is_counted = terms == 1 and part._rows.physical and pa.types.is_integer(part._rows.type(key.expr))
            place = key.expr if is_counted else window("row_number", **part._rows.over())
            named += [Named("__part", px.literal(number)), Named("__place", cast(place, pa.int64()))]
        relations.append(part._rows.project(named))
    union = relations[0] if len(relations) == 1 else Union(relations)
    order = [SortKey(union.column(name)) for name in ("__part", "__place")] if ordered else []
    is_sorted = keeps and depth == 1 and _follow_each_other(parts)
    if is_sorted:
        # The rows are in the same order, of which the labels are the first key.
        order.insert(0, SortKey(union.column(f"{INDEX}0")))
    known = [part._rows.partitions for part in parts]
    partitions = sum(n for n in known if n is not None) if all(n is not None for n in known) else None
    rows = Rows(parts[0]._client, union, order, partitions=partitions, keep=[part._rows for part in parts])
    index: tuple[Level, ...] = ()
    if keeps:
        levels = [[part._index[at] for part in parts] for at in range(depth)]
        index = tuple(
            Level(
                _one([one.name for one in level]),
                union.column(f"{INDEX}{at}"),
                _common_origin([one.origin for one in level]),
            )
            for at, level in enumerate(levels)
        )
    if is_sorted:
        is_unique = all(known_labels(part).is_unique for part in parts)
        rows.labels = Labels(tuple(level.expr for level in index), is_unique, True)
    columns = {}
    for at, label in enumerate(labels):
        origin = _common_origin([part._columns[label].origin for part in parts if label in part._columns])
        columns[label] = Column(union.column(f"c{at}"), origin)
    frame = DataFrame(rows, columns, index, _common_axis(parts))
    divisions = [kept_divisions(part) for part in parts] if is_sorted else [None]
    if None not in divisions:
        starts = [label for one in divisions for label in (one or ())[:-1]]
        divide_later(frame, (*starts, (divisions[-1] or ())[-1]))
    if alone:
        names = {one.name for one in frames}
        return frame["v"].rename(names.pop() if len(names) == 1 else None)
    return frame


def _follow_each_other(parts: Sequence[DataFrame]) -> bool:
    """Whether frames are sorted by their labels, and the labels of each one are above those of the frame before.

    Only frames that are persisted are examined: others would be computed for this.
    """
    if not all(
        part.known_divisions and part._rows.persisted and not part._rows.order[0].is_descending for part in parts
    ):
        return False
    kinds = [part._rows.type(part._index[0].expr) for part in parts]
    if any(kind != kinds[0] for kind in kinds) or any(part._index[0].origin is not None for part in parts):
        return False
    bounds = [found for part in parts if (found := _bounds(part)) != ()]
    return None not in bounds and all(a[1] < b[0] for a, b in zip(bounds, bounds[1:]) if a and b)


def _bounds(part: DataFrame) -> tuple[Any, ...] | None:
    """Return the first and last label of a persisted frame; none if it has no rows. None if a label is missing."""
    known = kept_divisions(part)
    if known is not None and known_labels(part) is part._rows.labels:
        return known[0], known[-1]
    label = part._index[0].expr
    is_missing = px.comparison("gt", aggregate("count_rows"), aggregate("count", label))
    table = part._rows.values([aggregate("min", label), aggregate("max", label), is_missing])
    first, last, some = (column[0].as_py() for column in table.columns)
    return None if some else () if first is None else (first, last)


def _with_like_columns(parts: list[DataFrame], labels: list[Any], depth: int, unites: bool = False) -> list[DataFrame]:
    """Convert columns that differ between the frames to a common type.

    Categorical columns whose categories differ become plain values, or their categories are united. Columns with strings in
    one frame and numbers in another one become columns with values of several types.
    """
    parts = list(parts)
    for place in [*((False, label) for label in labels), *((True, at) for at in range(depth))]:
        having = [at for at, part in enumerate(parts) if place[0] or place[1] in part._columns]
        origins = [_key_origin(parts[at], *place) for at in having]
        united = _united_categories(origins) if unites and not place[0] else None
        for at, origin in zip(having, origins):
            if isinstance(origin, pd.CategoricalDtype) and any(one != origin for one in origins):
                parts[at] = _plain(parts[at], *place)
                if united is not None:
                    cell = parts[at]._columns[place[1]]._replace(origin=united)
                    parts[at] = parts[at]._like({**parts[at]._columns, place[1]: cell})
    for part in parts:
        # Resolve the types of all columns with one request.
        part._kinds()
    for label in labels:
        columns = [part._column(label) for part in parts if label in part._columns]
        valued = [one for one in columns if one._expr is not MISSING and not pa.types.is_null(one._kind)]
        kinds = list(dict.fromkeys(one._kind for one in valued))
        if len({sort_of(kind) for kind in kinds}) > 1 or (len(kinds) > 1 and any(map(is_mixed, kinds))):
            mixed = mixed_kind(kinds)
            parts = [with_mixed_columns(part, [label], mixed) if label in part._columns else part for part in parts]
        elif len(kinds) > 1:
            parts = [_with_type(part, label, common_type(kinds)) for part in parts]
    return parts


def _with_type(part: DataFrame, label: Any, kind: DType) -> DataFrame:
    """Return a frame with a column of numbers of a type."""
    cell = part._columns.get(label)
    if kind is None or not is_number(kind) or cell is None or part._column(label)._kind in (kind, pa.null()):
        return part
    return part._like({**part._columns, label: cell._replace(expr=cast(cell.expr, kind))})


def _united_categories(origins: Sequence[Any]) -> pd.CategoricalDtype | None:
    """Return the type with the categories of several types; None if one of them is not categorical."""
    if not all(isinstance(origin, pd.CategoricalDtype) for origin in origins):
        return None
    return pd.CategoricalDtype(list(dict.fromkeys(one for origin in origins for one in origin.categories)))


def _side_by_side(frames: Sequence[Any], ignore_index: bool, join: str, sort: bool) -> DataFrame:
    """Return a frame of the columns of several frames, whose rows are matched by their index."""
    numbers = iter(range(len(frames)))
    names: list[Any] = []
    parts = []
    for one in frames:
        part = as_frame(one, frames, "v" if getattr(one, "name", None) is None else None)
        if hasattr(one, "columns"):
            names += part._columns
        else:
            names.append(next(numbers) if one.name is None else one.name)
        parts.append(part)
    axis = None if any(not hasattr(one, "columns") for one in frames) else _common_axis(parts)
    if ignore_index:
        names, axis = list(range(len(names))), None
    made: Any = None
    for part in parts:
        start = 0 if made is None else len(made._columns)
        # Until all columns are known, their labels are numbers.
        numbered = DataFrame(part._rows, dict(enumerate(part._columns.values(), start)), part._index)
        if made is None:
            made = numbered
            continue
        match = COMMON if join == "inner" else UNIQUE if sort else _outer_match(made, numbered)
        left, right = aligned(made, numbered, match)
        made = left._like({**left._columns, **right._columns})
    columns = keyed_columns(zip(names, made._columns.values()))
    return DataFrame(made._rows, columns, made._index, axis if axis is None else label_index(names, axis)[:0])


def _outer_match(left: DataFrame, right: DataFrame) -> Any:
    """Return how rows are matched: pandas sorts labels that are times, unless all of them are equal."""
    levels = [level for frame in (left, right) for level in frame._index]
    kinds = [frame._rows.type(level.expr) for frame in (left, right) for level in frame._index]
    return UNIQUE if len(levels) == len(("left", "right")) and all(map(is_time, kinds)) else FIRST


def _one(names: Sequence[Any]) -> Any:
    return names[0] if all(name == names[0] for name in names) else None
