"""Joins of frames."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, SortKey, call, case, cast
from ..plan.relation import Join, Named, Projection, Relation
from . import _expressions as ex
from ._arguments import reject_unsupported
from ._base import Level
from ._columns import Column, derived_origin, refuse_equal_labels, renumbered
from ._frame import DataFrame
from ._listing import listed
from ._partitions import divide_later, kept_divisions
from ._rows import Rows
from ._series import Series
from ._split_out import divided
from ._sql import INDEX, is_text, value_type

__all__ = ["as_frame", "columns_by_label", "join", "labels_of", "merge"]

#: Types of joins. Semi and anti joins return rows of the left frame with, or without, a match in the right frame.
_JOINS = ("inner", "left", "right", "outer", "cross", "leftsemi", "leftanti")


def labels_of(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


class _Side(NamedTuple):
    """A side of a join: a relation with prefixed names, and its index levels and columns."""

    relation: Relation
    levels: list[Expr]
    cells: dict[Any, Expr]

    @classmethod
    def of(cls, frame: DataFrame, prefix: str, marked: bool = False) -> _Side:
        """Return the side of a frame. If it is marked, a column ``there`` is true in each row."""
        levels = [Named(f"{prefix}i{at}", level.expr) for at, level in enumerate(frame._index)]
        cells = [Named(f"{prefix}c{at}", column.expr) for at, column in enumerate(frame._columns.values())]
        mark = [Named(f"{prefix}there", px.literal(True))] if marked or not (levels or cells) else []
        relation = frame._rows.project([*levels, *cells, *mark])
        by_label = dict(zip(frame._columns, (relation.column(name) for name, _ in cells)))
        return cls(relation, [relation.column(name) for name, _ in levels], by_label)


def _in_partitions(function: Any) -> Any:
    """Give a join the argument ``npartitions``, without effect on results whose divisions follow from those of the frames."""

    @functools.wraps(function)
    def called(*args: Any, npartitions: Any = None, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        return made if kept_divisions(made) is not None else divided(made, npartitions, "npartitions=")

    return called


@_in_partitions
def merge(
    left: DataFrame,
    right: Any,
    how: str = "inner",
    on: Any = None,
    left_on: Any = None,
    right_on: Any = None,
    left_index: bool = False,
    right_index: bool = False,
    suffixes: tuple[str, str] = ("_x", "_y"),
    indicator: Any = False,
    **arguments: Any,
) -> DataFrame:
    """Join two frames.

    Parameters
    ----------
    left, right : DataFrame or Series
        The frames. One of them may be a pandas object, which is uploaded.
    how : {"inner", "left", "right", "outer", "cross", "leftsemi", "leftanti"}
        Type of the join. A semi join returns each row of the left frame with a match in the right frame once, an anti
        join those without a match.
    on, left_on, right_on : label or list of labels, optional
        Key columns, or names of index levels. By default the columns that both frames have; if there are none, the
        indexes, as in Dask. Levels of both indexes with one name are the index of the result.
    left_index, right_index : bool
        Whether to use the index as the key.
    suffixes : tuple of str
        Suffixes of columns, other than keys, that both frames have.
    indicator : bool or str
        Whether to add a column, named ``"_merge"`` or by this string, that tells which frame a row comes from.
    npartitions : int, optional
        Number of partitions of the result, which is then persisted when it is first used. By default that of the frame
        with more partitions, or one that the cluster chooses if a number is not known, as for files. As in Dask, no effect if the indexes are joined and the divisions of both frames are known.

    Returns
    -------
    DataFrame
        The joined frame. The order of the rows is undefined. Missing keys match each other, as in pandas.

    Raises
    ------
    ValueError
        If the frames have no common columns, or the result would have duplicate columns.
    """
    reject_unsupported("merge", arguments)
    refuse_equal_labels("merge", left, right)
    left, right = (as_frame(one, (left, right)) for one in (left, right))
    if left._client is not right._client:
        raise ValueError("cannot merge frames of different clients")
    if how not in _JOINS:
        raise ValueError(f"how must be one of {', '.join(_JOINS)}, not {how!r}")
    if how != "cross" and on is None and left_on is None and right_on is None and not (left_index or right_index):
        on = [label for label in left._columns if label in right._columns]
        if not on and left._index and right._index:
            on, left_index, right_index = None, True, True
        elif not on:
            raise ValueError("cannot merge frames without common columns; use on=, left_on= and right_on=")
    if on is not None and not (left_index or right_index) and _names_index(left, right, on):
        on, left_index, right_index = None, True, True
    for given in (on, left_on, right_on):
        if isinstance(given, (DataFrame, Series)):
            raise NotImplementedError(
                "merge() takes labels of columns as keys, not columns; assign the key as a column"
            )
    left_by = None if left_index else [] if how == "cross" else labels_of(on if on is not None else left_on)
    right_by = None if right_index else [] if how == "cross" else labels_of(on if on is not None else right_on)
    left, right = _with_like_keys(left, right, left_by, right_by, how)
    marked = bool(indicator) or left_index != right_index
    a, b = _Side.of(left, "l", marked), _Side.of(right, "r", marked)
    by_left = a.levels if left_by is None else _keys(left, a, left_by)
    by_right = b.levels if right_by is None else _keys(right, b, right_by)
    if len(by_left) != len(by_right):
        raise ValueError(
            f"cannot merge {len(by_left)} keys with {len(by_right)} keys; use the same number on both sides"
        )
    is_filter = how in ("leftsemi", "leftanti")
    restored: list[tuple[Any, Expr]] = []
    if is_filter and indicator:
        raise ValueError(f"merge() does not support indicator= with how={how!r}: all rows come from the left frame")
    joined = Join(a.relation, b.relation, how, [ex.with_numbers(x, y) for x, y in zip(by_left, by_right)])
    _check_kinds(left, right, a, b, list(zip(by_left, by_right)))
    if is_filter:
        cells = [(label, left._columns[label]._replace(expr=expr)) for label, expr in a.cells.items()]
    else:
        cells = _named(left, right, a, b, by_left, by_right, suffixes, how, left_index or right_index)
        if not (left_index or right_index):
            cells, restored = _with_levels(
                cells, a, b, list(zip(left_by or [], right_by or [], by_left, by_right)), how
            )
        if left_index != right_index:
            named = right_by if left_index else left_by
            cells = _with_keys(cells, left, right, [*zip(named or [], by_left, by_right)], joined, how)
    if indicator:
        label = indicator if isinstance(indicator, str) else "_merge"
        tests = [
            (px.is_null(joined.column("rthere")), "left_only"),
            (px.is_null(joined.column("lthere")), "right_only"),
        ]
        cells.append((label, Column(case(tests, "both"), pd.CategoricalDtype(["left_only", "right_only", "both"]))))
    index: list[tuple[Level, Expr]] = []
    if is_filter:
        index = list(zip(left._index, a.levels)) if left_index or right_index else []
    elif left_index and right_index:
        own = (right if how == "right" else left)._index
        index = [(level, _key(x, y, how)) for level, x, y in zip(own, a.levels, b.levels)]
    elif left_index:
        index = list(zip(right._index, b.levels))
    elif right_index:
        index = list(zip(left._index, a.levels))
    else:
        own = {level.name: level for level in left._index}
        index = [(own[label], expr) for label, expr in restored]
    levels = [Named(f"{INDEX}{at}", expr) for at, (_, expr) in enumerate(index)]
    values = [Named(f"c{at}", cell.expr) for at, (_, cell) in enumerate(cells)]
    made = Projection(joined, [*levels, *values])
    by_index = left_index and right_index
    order = [SortKey(made.column(name)) for name, _ in levels] if by_index else []
    rows = Rows(left._client, made, order, keep=(left._rows, right._rows))
    columns = renumbered(columns_by_label(cells), made)
    found = tuple(level._replace(expr=made.column(name)) for (level, _), (name, _) in zip(index, levels))
    frame = DataFrame(rows, columns, found, _common_axis([left, right]))
    if left._rows.is_undivided or right._rows.is_undivided or not by_index:
        # As in Dask, there are as many partitions as the frame with more has.
        counts = [left._rows.partitions, right._rows.partitions]
        rows.partitions = None if None in counts else max(one or 1 for one in counts)
        rows.is_undivided = by_index
        kept = _kept_divisions(left, right, how, left_index, right_index)
        if kept is not None:
            rows.order = [SortKey(found[0].expr)]
            divide_later(frame, kept)
    else:
        divide_later(frame, _divisions_of(left, right, how))
    return frame


def _kept_divisions(
    left: DataFrame, right: DataFrame, how: str, left_index: bool, right_index: bool
) -> tuple[Any, ...] | None:
    """Return the divisions of the frame whose rows keep their order, as in pandas and Dask: if both have one partition."""
    if left_index == right_index or how not in ("inner", "left" if right_index else "right"):
        return None
    side = left if right_index else right
    if {left._rows.partitions, right._rows.partitions} != {1} or len(side._index) != 1:
        return None
    return kept_divisions(side) if side.known_divisions and side._index[0].origin is None else None


def _divisions_of(left: DataFrame, right: DataFrame, how: str) -> tuple[Any, ...] | None:
    """Return the divisions of a join of the indexes, if those of the frames are known: the labels of both."""
    if any(len(one._index) != 1 or one._index[0].origin is not None for one in (left, right)):
        return None
    divisions = [kept_divisions(one) if one.known_divisions else None for one in (left, right)]
    # The rows of a single partition go to those of the other frame.
    if right._rows.partitions == 1 and how in ("inner", "left", "leftsemi", "leftanti"):
        return divisions[0]
    if left._rows.partitions == 1 and how in ("inner", "right"):
        return divisions[1]
    labels = [label for one in divisions for label in one or (None,)]
    if None in labels:
        return None
    try:
        found = sorted(set(labels))
    except TypeError:
        return None
    return (found[0], found[0]) if len(found) == 1 else tuple(found)


def _names_index(left: DataFrame, right: DataFrame, on: Any) -> bool:
    """Whether keys are the names of all levels of both indexes, and of no columns, so that the indexes are joined."""
    if isinstance(on, (DataFrame, Series)):
        return False
    names = labels_of(on)
    return all(
        [level.name for level in frame._index] == names and not any(name in frame._columns for name in names)
        for frame in (left, right)
    )


def columns_by_label(cells: Sequence[tuple[Any, Column]]) -> dict[Any, Column]:
    """Return the columns of a result by label.

    Raises
    ------
    ValueError
        If two of them have the same label.
    """
    columns: dict[Any, Column] = {}
    for label, cell in cells:
        if label in columns:
            raise ValueError(f"the result would have two columns {label!r}; use other suffixes")
        columns[label] = cell
    return columns


def _with_like_keys(
    left: DataFrame, right: DataFrame, left_by: list[Any] | None, right_by: list[Any] | None, how: str
) -> tuple[DataFrame, DataFrame]:
    """Convert categorical keys with different categories to plain values, as pandas does in a join."""
    by_index = left_by is None and right_by is None
    for x, y in zip(_key_places(left, left_by), _key_places(right, right_by)):
        origins = [_key_origin(left, *x), _key_origin(right, *y)]
        if origins[0] != origins[1] and any(isinstance(one, pd.PeriodDtype) for one in origins):
            raise TypeError(
                "cannot merge periods with a key of another type or frequency; convert one with dt.to_timestamp or dt.to_period"
            )
        if origins[0] == origins[1] or not any(isinstance(one, pd.CategoricalDtype) for one in origins):
            continue
        # The index of a left join keeps its categories, and so does a key of the right frame with a different name.
        if not by_index or how != "left":
            left = _plain(left, *x)
        if (how != "right") if by_index else (x[0] or y[0] or x == y):
            right = _plain(right, *y)
    return left, right


def _key_origin(frame: DataFrame, is_level: bool, at: Any) -> Any:
    return frame._index[at].origin if is_level else frame._columns[at].origin


def _key_places(frame: DataFrame, by: list[Any] | None) -> list[tuple[bool, Any]]:
    """Return for each key whether it is an index level, and the level or column."""
    if by is None:
        return [(True, at) for at in range(len(frame._index))]
    levels = {level.name: at for at, level in enumerate(frame._index)}
    found = [(False, label) if label in frame._columns else (True, levels.get(label)) for label in by]
    return [place for place in found if place != (True, None)]


def _plain(frame: DataFrame, is_level: bool, at: Any) -> DataFrame:
    """Convert a categorical column or index level to plain values."""
    found = frame._index[at] if is_level else frame._columns[at]
    kind = frame._rows.type(found.expr)
    value = cast(found.expr, value_type(kind)) if pa.types.is_dictionary(kind) else found.expr
    if is_level:
        levels = [
            level._replace(expr=value, origin=None) if place == at else level
            for place, level in enumerate(frame._index)
        ]
        return DataFrame(frame._rows, frame._columns, tuple(levels), frame._axis)
    return frame._like({**frame._columns, at: Column(value)})


def _with_levels(
    cells: list[tuple[Any, Column]], a: _Side, b: _Side, keys: list[tuple[Any, Any, Expr, Expr]], how: str
) -> tuple[list[tuple[Any, Column]], list[tuple[Any, Expr]]]:
    """Return the columns of a join by names of which some are index levels, and the levels of the result.

    A name that is a level of both frames is a level of the result; one that is a level of one frame is a column, which takes
    the key of whichever frame has a row.

    Parameters
    ----------
    cells : list of tuple
        Columns of the result.
    a, b : _Side
        The sides of the join.
    keys : list of tuple
        The label of each key in the left and the right frame, and its expressions.
    how : str
        Type of the join.
    """
    restored = []
    for at, (label, other, x, y) in enumerate(keys):
        if label != other or (label in a.cells and label in b.cells):
            continue
        key = _key(x, y, how)
        if label not in a.cells and label not in b.cells:
            restored.append((label, key))
        elif label in a.cells:
            cells = [(one, cell._replace(expr=key) if cell.expr is x else cell) for one, cell in cells]
        else:
            origin = next(cell.origin for _, cell in cells if cell.expr is y)
            cells = [(one, cell) for one, cell in cells if cell.expr is not y]
            cells.insert(at, (label, Column(key, origin)))
    return cells, restored


def _with_keys(
    cells: list[tuple[Any, Column]],
    left: DataFrame,
    right: DataFrame,
    keys: list[tuple[Any, Expr, Expr]],
    joined: Relation,
    how: str,
) -> list[tuple[Any, Column]]:
    """Return the columns of a join of columns with an index. The key column takes the key of whichever frame has a row.

    Parameters
    ----------
    cells : list of tuple
        Columns of the result.
    keys : list of tuple
        Label of each key column, and the key in the left and the right frame.
    joined : Relation
        The join.
    """
    there = px.not_null(joined.column("lthere"))
    own = {joined.column(f"lc{at}") for at in range(len(left._columns))}
    for at, (label, x, y) in enumerate(keys):
        places = [place for place, (one, _) in enumerate(cells) if one == label]
        if not places and label in left._columns and label in right._columns:
            # Both frames have a column of this name, which now has a suffix.
            cells.insert(at, (label, Column(_key(x, y, how))))
            continue
        for place in places:
            expr, origin = cells[place][1]
            if how == "outer" and label in left._columns and expr not in own:
                raise NotImplementedError(
                    f"merge(how='outer') of columns with an index does not support a suffix for the left {label!r} "
                    "without one for the right; choose other suffixes"
                )
            if label in left._columns and how in ("right", "outer"):
                cells[place] = (label, Column(case([(there, expr)], y), origin))
            elif label not in left._columns and how in ("left", "outer"):
                cells[place] = (label, Column(case([(there, x)], expr), origin))
    return cells


def _keys(frame: DataFrame, side: _Side, labels: Any) -> list[Expr]:
    """Return columns or index levels of a side."""
    found = []
    for label in labels_of(labels):
        own = [expr for level, expr in zip(frame._index, side.levels) if level.name is not None and level.name == label]
        found.append(own[0] if own and label not in side.cells else _key_of(side, label))
    return found


def _key_of(side: _Side, label: Any) -> Expr:
    if label not in side.cells:
        raise KeyError(f"no column {label!r}; columns: {listed(side.cells, label)}")
    return side.cells[label]


def _key(left: Expr, right: Expr, how: str) -> Expr:
    if how == "outer":
        return call("coalesce", *ex.of_one_type(*ex.with_numbers(left, right)))
    return right if how == "right" else left


def _named(
    left: DataFrame,
    right: DataFrame,
    a: _Side,
    b: _Side,
    by_left: Sequence[Expr],
    by_right: Sequence[Expr],
    suffixes: tuple[str, str],
    how: str,
    by_index: bool,
) -> list[tuple[Any, Column]]:
    """Return the columns of the result: common keys once, other common columns with suffixes."""
    pairs = dict(zip(reversed(by_left), reversed(by_right)))
    shared = {
        label
        for label, expr in a.cells.items()
        if not by_index and label in b.cells and pairs.get(expr) is b.cells[label]
    }
    cells: list[tuple[Any, Column]] = []
    for label, expr in a.cells.items():
        cell = left._columns[label]._replace(expr=expr)
        if label in shared:
            origin = _common_origin([cell.origin, right._columns[label].origin])
            cells.append((label, Column(_key(expr, b.cells[label], how), origin)))
        else:
            cells.append((_suffixed(label, suffixes[0]) if label in b.cells else label, cell))
    for label, expr in b.cells.items():
        if label not in shared:
            cell = right._columns[label]._replace(expr=expr)
            cells.append((_suffixed(label, suffixes[1]) if label in a.cells else label, cell))
    return cells


def _suffixed(label: Any, suffix: Any) -> Any:
    return label if suffix in (None, "") else f"{label}{suffix}"


def _check_kinds(left: DataFrame, right: DataFrame, a: _Side, b: _Side, pairs: Sequence[tuple[Expr, Expr]]) -> None:
    """Check that string keys are only merged with string keys.

    Raises
    ------
    ValueError
        If a string key would be merged with a key of another type, as in pandas.
    """

    def key_types(frame: DataFrame, side: _Side, keys: Sequence[Expr]) -> list[pa.DataType]:
        own = [level.expr for level in frame._index] + [column.expr for column in frame._columns.values()]
        expressions = dict(zip([*side.levels, *side.cells.values()], own))
        return frame._rows.types([expressions[key] for key in keys])

    for x, y in zip(key_types(left, a, [x for x, _ in pairs]), key_types(right, b, [y for _, y in pairs])):
        if is_text(x) != is_text(y):
            raise ValueError(f"cannot merge a string key with a {y if is_text(x) else x} key; convert one with astype")


@_in_partitions
def join(left: DataFrame, other: Any, on: Any, how: str, lsuffix: str, rsuffix: str) -> DataFrame:
    """Join columns of a frame, or its index, with the index of another frame, or of each of several frames."""
    if isinstance(other, (list, tuple)):
        if on is not None:
            raise ValueError("join() of several frames does not support on=: they are joined by their index")
        if lsuffix or rsuffix:
            raise ValueError("join() of several frames does not support suffixes; rename the columns")
        if how not in ("left", "outer", "inner"):
            raise ValueError(f"join() of several frames supports how='left', 'outer' and 'inner', not {how!r}")
        found = left
        for one in other:
            found = merge(found, one, how, left_index=True, right_index=True, suffixes=("", ""))
        return found
    keys: dict[str, Any] = {"left_index": True} if on is None else {"left_on": on}
    return merge(left, other, how, right_index=True, suffixes=(lsuffix, rsuffix), **keys)


def as_frame(one: Any, others: Sequence[Any], label: Any = None) -> DataFrame:
    """Convert a column to a frame. A pandas object is uploaded to the cluster of the others."""
    if isinstance(one, (pd.DataFrame, pd.Series)):
        from ._io import from_pandas

        client = next((other._client for other in others if isinstance(other, (DataFrame, Series))), None)
        one = from_pandas(one, npartitions=1, sort=False, client=client)
    if isinstance(one, Series):
        return one.to_frame(label)
    if not isinstance(one, DataFrame):
        raise TypeError(
            f"cannot combine frames with an object of type {type(one).__name__}; expected a frame or a column"
        )
    return one


def _common_axis(frames: Sequence[DataFrame]) -> pd.Index | None:
    """Return the name and type of the column labels of several frames, if all agree."""
    axes = [frame.columns[:0] for frame in frames]
    return axes[0] if all(one.dtype == axes[0].dtype and one.names == axes[0].names for one in axes) else None


def _common_origin(origins: Sequence[Any]) -> Any:
    """Return the origin of concatenated columns."""
    return origins[0] if all(origin == origins[0] for origin in origins) else derived_origin(*origins)
