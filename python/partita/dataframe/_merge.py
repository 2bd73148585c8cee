"""Joins and concatenation of frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from ._arguments import reject_unsupported
from ._base import Level
from ._columns import Column, derived_origin
from ._frame import DataFrame
from ._replacement import MISSING
from ._rows import Rows, term
from ._rows import direction as way_of
from ._series import Series
from ._sql import INDEX, ORDER, arrow_name, is_text, quote, sort_of

__all__ = ["concat", "merge", "merge_asof"]

_JOINS = {
    "inner": "INNER JOIN",
    "left": "LEFT JOIN",
    "right": "RIGHT JOIN",
    "outer": "FULL JOIN",
    "cross": "CROSS JOIN",
    # Rows of the left frame with, or without, a match in the right frame.
    "leftsemi": "LEFT SEMI JOIN",
    "leftanti": "LEFT ANTI JOIN",
}


def _labels(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _side(frame: DataFrame, prefix: str, marked: bool = False) -> tuple[str, list[str], list[str]]:
    """Return a side of a join as a relation with prefixed names, and the names of index levels and columns."""
    levels = [f"{prefix}i{at}" for at in range(len(frame._index))]
    cells = [f"{prefix}c{at}" for at in range(len(frame._columns))]
    select = [f"{level.sql} AS {name}" for level, name in zip(frame._index, levels)]
    select += [f"{column.sql} AS {name}" for column, name in zip(frame._columns.values(), cells)]
    select += [f"TRUE AS {prefix}there"] if marked else []
    return f"(SELECT {', '.join(select) or '1 AS one'} FROM {frame._rows.under(*select)})", levels, cells


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
        Key columns, or names of index levels. By default the columns that both frames have.
    left_index, right_index : bool
        Whether to use the index as the key.
    suffixes : tuple of str
        Suffixes of columns, other than keys, that both frames have.
    indicator : bool or str
        Whether to add a column, named ``"_merge"`` or by this string, that tells which frame a row comes from.

    Returns
    -------
    DataFrame
        The joined frame. The order of the rows is undefined. Missing keys match each other, as in pandas.

    Raises
    ------
    ValueError
        If the frames have no common columns, or the result would have duplicate columns.
    """
    arguments.pop("npartitions", None)
    reject_unsupported("merge", arguments)
    left, right = (_as_frame(one, (left, right)) for one in (left, right))
    if left._client is not right._client:
        raise ValueError("cannot merge frames of different clients")
    if how not in _JOINS:
        raise ValueError(f"how must be one of {', '.join(_JOINS)}, not {how!r}")
    if how != "cross" and on is None and left_on is None and right_on is None and not (left_index or right_index):
        on = [label for label in left._columns if label in right._columns]
        if not on:
            raise ValueError("cannot merge frames without common columns; use on=, left_on= and right_on=")
    left_by = None if left_index else [] if how == "cross" else _labels(on if on is not None else left_on)
    right_by = None if right_index else [] if how == "cross" else _labels(on if on is not None else right_on)
    left, right = _with_like_keys(left, right, left_by, right_by, how)
    marked = bool(indicator) or left_index != right_index
    a, a_levels, a_cells = _side(left, "l", marked)
    b, b_levels, b_cells = _side(right, "r", marked)
    a_names, b_names = dict(zip(left._columns, a_cells)), dict(zip(right._columns, b_cells))
    by_left = a_levels if left_by is None else _keys(left, a_names, a_levels, left_by)
    by_right = b_levels if right_by is None else _keys(right, b_names, b_levels, right_by)
    if len(by_left) != len(by_right):
        raise ValueError(
            f"cannot merge {len(by_left)} keys with {len(by_right)} keys; use the same number on both sides"
        )
    is_filter = how in ("leftsemi", "leftanti")
    if is_filter and indicator:
        raise ValueError(f"merge() does not support indicator= with how={how!r}: all rows come from the left frame")
    tests = " AND ".join(f"({x} IS NOT DISTINCT FROM {y})" for x, y in zip(by_left, by_right))
    joined = f"{a} {_JOINS[how]} {b}" + (f" ON {tests}" if tests else "")
    _check_kinds(left, right, [*zip(by_left, by_right)])
    if is_filter:
        cells = [(label, left._columns[label]._replace(sql=name)) for label, name in a_names.items()]
    else:
        cells = _named(left, right, a_names, b_names, by_left, by_right, suffixes, how, left_index or right_index)
        if left_index != right_index:
            named = right_by if left_index else left_by
            cells = _with_keys(cells, left, right, [*zip(named or [], by_left, by_right)], how)
    if indicator:
        label = indicator if isinstance(indicator, str) else "_merge"
        sides = "CASE WHEN rthere IS NULL THEN 'left_only' WHEN lthere IS NULL THEN 'right_only' ELSE 'both' END"
        cells.append((label, Column(sides, None, pd.CategoricalDtype(["left_only", "right_only", "both"]))))
    index: list[tuple[Level, str]] = []
    if is_filter:
        index = list(zip(left._index, a_levels)) if left_index or right_index else []
    elif left_index and right_index:
        own = (right if how == "right" else left)._index
        index = [(level, _key(x, y, how)) for level, x, y in zip(own, a_levels, b_levels)]
    elif left_index:
        index = list(zip(right._index, b_levels))
    elif right_index:
        index = list(zip(left._index, a_levels))
    select = [f"{sql} AS {quote(INDEX + str(at))}" for at, (_, sql) in enumerate(index)]
    select += [f"{cell.sql} AS {quote(f'c{at}')}" for at, (_, cell) in enumerate(cells)]
    root = f"(SELECT {', '.join(select)} FROM {joined})"
    sorted_by_index = (
        tuple(f"{quote(INDEX + str(at))} ASC NULLS LAST" for at in range(len(index)))
        if left_index and right_index and index
        else ()
    )
    rows = Rows(left._client, root, sorted_by_index, keep=(left._rows, right._rows))
    columns: dict[Any, Column] = {}
    for at, (label, cell) in enumerate(cells):
        if label in columns:
            raise ValueError(f"the result would have two columns {label!r}; use other suffixes")
        columns[label] = Column(quote(f"c{at}"), cell.kind, cell.origin)
    levels = tuple(level._replace(sql=quote(INDEX + str(at))) for at, (level, _) in enumerate(index))
    return DataFrame(rows, columns, levels, _common_axis([left, right]))


def _with_like_keys(
    left: DataFrame, right: DataFrame, left_by: list[Any] | None, right_by: list[Any] | None, how: str
) -> tuple[DataFrame, DataFrame]:
    """Convert categorical keys with different categories to plain values, as pandas does in a join."""
    by_index = left_by is None and right_by is None
    for x, y in zip(_key_places(left, left_by), _key_places(right, right_by)):
        origins = [_key_origin(left, *x), _key_origin(right, *y)]
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
    kind = frame._rows.type(found.sql)
    sql = found.sql
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        sql = f"arrow_cast({sql}, '{arrow_name(kind)}')"
    if is_level:
        levels = [
            level._replace(sql=sql, origin=None) if place == at else level for place, level in enumerate(frame._index)
        ]
        return DataFrame(frame._rows, frame._columns, tuple(levels), frame._axis)
    return frame._like({**frame._columns, at: Column(sql, kind)})


def _with_keys(
    cells: list[tuple[Any, Column]], left: DataFrame, right: DataFrame, keys: list[tuple[Any, str, str]], how: str
) -> list[tuple[Any, Column]]:
    """Return the columns of a join of columns with an index. The key column takes the key of whichever frame has a row.

    Parameters
    ----------
    cells : list of tuple
        Columns of the result.
    keys : list of tuple
        Label of each key column, and the SQL of the key in the left and the right frame.
    """
    there = "lthere IS NOT NULL"
    for at, (label, x, y) in enumerate(keys):
        places = [place for place, (one, _) in enumerate(cells) if one == label]
        if not places and label in left._columns and label in right._columns:
            # Both frames have a column of this name, which now has a suffix.
            cells.insert(at, (label, Column(_key(x, y, how))))
            continue
        for place in places:
            sql, _, origin = cells[place][1]
            if how == "outer" and label in left._columns and not sql.startswith("l"):
                raise NotImplementedError(
                    f"merge(how='outer') of columns with an index does not support a suffix for the left {label!r} "
                    "without one for the right; choose other suffixes"
                )
            if label in left._columns and how in ("right", "outer"):
                cells[place] = (label, Column(f"CASE WHEN {there} THEN {sql} ELSE {y} END", None, origin))
            elif label not in left._columns and how in ("left", "outer"):
                cells[place] = (label, Column(f"CASE WHEN {there} THEN {x} ELSE {sql} END", None, origin))
    return cells


def _keys(frame: DataFrame, names: dict[Any, str], levels: list[str], labels: Any) -> list[str]:
    """Return the names of columns or index levels in the relation of a side."""
    found = []
    for label in _labels(labels):
        own = [name for level, name in zip(frame._index, levels) if level.name is not None and level.name == label]
        found.append(own[0] if own and label not in names else _key_name(names, label))
    return found


def _key_name(names: dict[Any, str], label: Any) -> str:
    if label not in names:
        raise KeyError(f"no column {label!r}; columns: {', '.join(map(str, names))}")
    return names[label]


def _key(left: str, right: str, how: str) -> str:
    if how == "outer":
        return f"coalesce({left}, {right})"
    return right if how == "right" else left


def _named(
    left: DataFrame,
    right: DataFrame,
    a: dict[Any, str],
    b: dict[Any, str],
    by_left: Sequence[str],
    by_right: Sequence[str],
    suffixes: tuple[str, str],
    how: str,
    by_index: bool,
) -> list[tuple[Any, Column]]:
    """Return the columns of the result: common keys once, other common columns with suffixes."""
    shared = {
        label
        for label in a
        if label in b and a[label] in by_left and by_right[list(by_left).index(a[label])] == b[label] and not by_index
    }
    cells: list[tuple[Any, Column]] = []
    for label, name in a.items():
        cell = left._columns[label]._replace(sql=name)
        if label in shared:
            other = right._columns[label]
            kind = (other if how == "right" else cell).kind
            if how == "outer" and cell.kind != other.kind:
                kind = None
            cells.append((label, Column(_key(name, b[label], how), kind, _common_origin([cell.origin, other.origin]))))
        else:
            cells.append((_suffixed(label, suffixes[0]) if label in b else label, cell))
    for label, name in b.items():
        if label not in shared:
            cell = right._columns[label]._replace(sql=name)
            cells.append((_suffixed(label, suffixes[1]) if label in a else label, cell))
    return cells


def _suffixed(label: Any, suffix: Any) -> Any:
    return label if suffix in (None, "") else f"{label}{suffix}"


def _check_kinds(left: DataFrame, right: DataFrame, pairs: Sequence[tuple[str, str]]) -> None:
    """Check that string keys are only merged with string keys.

    Raises
    ------
    ValueError
        If a string key would be merged with a key of another type, as in pandas.
    """

    def key_types(frame: DataFrame, prefix: str, names: Sequence[str]) -> list[pa.DataType]:
        columns = {f"{prefix}c{at}": column for at, column in enumerate(frame._columns.values())}
        columns |= {f"{prefix}i{at}": Column(level.sql) for at, level in enumerate(frame._index)}
        keys = [columns[name] for name in names]
        # Request only unknown types: in a chain of merges, each request plans all previous merges again.
        kinds = iter(frame._rows.types([key.sql for key in keys if key.kind is None]))
        return [key.kind if key.kind is not None else next(kinds) for key in keys]

    if not pairs:
        return
    for a, b in zip(key_types(left, "l", [x for x, _ in pairs]), key_types(right, "r", [y for _, y in pairs])):
        if is_text(a) != is_text(b):
            raise ValueError(f"cannot merge a string key with a {b if is_text(a) else a} key; convert one with astype")


def concat(
    frames: Sequence[Any], axis: Any = 0, ignore_index: bool = False, join: str = "outer", **arguments: Any
) -> Any:
    """Concatenate frames or columns along the rows.

    Parameters
    ----------
    frames : sequence of DataFrame or Series
        What to concatenate. Some may be pandas objects, which are uploaded.
    axis : {0, "index"}
        Only concatenation of rows is supported.
    ignore_index : bool
        Whether the index of the result counts from 0.
    join : {"outer", "inner"}
        Whether the result has all columns, with missing values where a frame lacks one, or only the common columns.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    TypeError
        If a column contains strings in one frame and numbers in another.
    """
    for name in ("interleave_partitions", "ignore_unknown_divisions", "ignore_order"):
        arguments.pop(name, None)
    reject_unsupported("concat", arguments)
    frames = list(frames)
    if axis not in (0, "index"):
        raise NotImplementedError("concat(axis=1) is not supported; use merge or assign")
    if not frames:
        raise ValueError("cannot concatenate an empty list of frames")
    if len(frames) == 1 and not ignore_index and isinstance(frames[0], (DataFrame, Series)):
        return frames[0].copy()
    alone = all(isinstance(one, Series) for one in frames)
    parts = [_as_frame(one, frames, "v" if alone else None) for one in frames]
    labels = list(dict.fromkeys(label for part in parts for label in part._columns))
    if join == "inner":
        labels = [label for label in labels if all(label in part._columns for part in parts)]
    depth = len(parts[0]._index)
    keeps = not ignore_index and all(len(part._index) == depth for part in parts)
    parts = _with_like_columns(parts, labels, depth if keeps else 0)
    ordered = all(part._rows.order for part in parts)
    terms = max(len(part._rows.order) for part in parts) if ordered else 0
    selects = []
    for number, part in enumerate(parts):
        select = [f"{level.sql} AS {quote(INDEX + str(at))}" for at, level in enumerate(part._index)] if keeps else []
        select += [
            f"{part._columns[label].sql if label in part._columns else 'NULL'} AS {quote(f'c{at}')}"
            for at, label in enumerate(labels)
        ]
        if ordered:
            # Number the rows, unless they are already sorted by an integer key.
            by = term(part._rows.order[0])
            counted = terms == 1 and part._rows.physical and pa.types.is_integer(part._rows.type(by))
            place = by if counted else f"row_number() {part._rows.over()}"
            select += [f"{number} AS __part", f"CAST({place} AS BIGINT) AS __place"]
        selects.append(f"SELECT {', '.join(select)} FROM {part._rows.under(*select)}")
    order = ("__part", "__place") if ordered else ()
    known = [part._rows.partitions for part in parts]
    partitions = sum(n for n in known if n is not None) if all(n is not None for n in known) else None
    rows = Rows(
        parts[0]._client,
        f"({' UNION ALL '.join(selects)})",
        order,
        partitions=partitions,
        keep=[p._rows for p in parts],
    )
    index: tuple[Level, ...] = ()
    if keeps:
        levels = [[part._index[at] for part in parts] for at in range(depth)]
        index = tuple(
            Level(
                _one([one.name for one in level]), quote(INDEX + str(at)), _common_origin([one.origin for one in level])
            )
            for at, level in enumerate(levels)
        )
    columns = {}
    for at, label in enumerate(labels):
        origin = _common_origin([part._columns[label].origin for part in parts if label in part._columns])
        columns[label] = Column(quote(f"c{at}"), None, origin)
    frame = DataFrame(rows, columns, index, _common_axis(parts))
    if alone:
        names = {one.name for one in frames}
        return frame["v"].rename(names.pop() if len(names) == 1 else None)
    return frame


def _with_like_columns(parts: list[DataFrame], labels: list[Any], depth: int) -> list[DataFrame]:
    """Convert categorical columns whose categories differ between the frames to plain values.

    Raises
    ------
    TypeError
        If a column contains strings in one frame and numbers in another.
    """
    parts = list(parts)
    for place in [*((False, label) for label in labels), *((True, at) for at in range(depth))]:
        having = [at for at, part in enumerate(parts) if place[0] or place[1] in part._columns]
        origins = [_key_origin(parts[at], *place) for at in having]
        for at, origin in zip(having, origins):
            if isinstance(origin, pd.CategoricalDtype) and any(one != origin for one in origins):
                parts[at] = _plain(parts[at], *place)
    for part in parts:
        # Resolve the types of all columns with one request.
        part._kinds()
    for label in labels:
        columns = [part._column(label) for part in parts if label in part._columns]
        sorts = {sort_of(one._kind) for one in columns if one._sql != MISSING and not pa.types.is_null(one._kind)}
        if len(sorts) > 1:
            found = " and ".join(sorted(sorts))
            raise TypeError(
                f"cannot concatenate column {label!r} of {found}; convert the columns to one type with astype"
            )
    return parts


def _as_frame(one: Any, others: Sequence[Any], label: Any = None) -> DataFrame:
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


def _one(names: Sequence[Any]) -> Any:
    return names[0] if all(name == names[0] for name in names) else None


def _common_origin(origins: Sequence[Any]) -> Any:
    """Return the origin of concatenated columns."""
    return origins[0] if all(origin == origins[0] for origin in origins) else derived_origin(*origins)


def merge_asof(
    left: DataFrame,
    right: DataFrame,
    on: Any = None,
    by: Any = None,
    direction: str = "backward",
    suffixes: tuple[str, str] = ("_x", "_y"),
    **arguments: Any,
) -> DataFrame:
    """Join each row of the left frame with the nearest earlier row of the right frame.

    Parameters
    ----------
    left, right : DataFrame
        The frames.
    on : label
        Column of numbers or times that both frames have.
    by : label or list of labels, optional
        Columns that must be equal.
    direction : {"backward", "forward"}
        Whether to use the last row of the right frame that is not after the left row, or the first that is not before.
    suffixes : tuple of str
        Suffixes of columns that both frames have.

    Returns
    -------
    DataFrame
        The joined frame, sorted by `on`.
    """
    if arguments.pop("tolerance", None) is not None or not arguments.pop("allow_exact_matches", True):
        raise NotImplementedError("merge_asof() does not support tolerance= and allow_exact_matches=False")
    reject_unsupported("merge_asof", arguments)
    if on is None:
        raise ValueError("merge_asof() requires on=, a column of numbers or times")
    if direction not in ("backward", "forward"):
        raise NotImplementedError(f"merge_asof(direction={direction!r}) is not supported; use 'backward' or 'forward'")
    keys = [] if by is None else _labels(by)
    a, a_levels, a_cells = _side(left, "l")
    b, _, b_cells = _side(right, "r")
    a_names, b_names = dict(zip(left._columns, a_cells)), dict(zip(right._columns, b_cells))
    theirs = [label for label in right._columns if label != on and label not in keys]
    backward = direction == "backward"
    by_left = "".join(f", {_key_name(a_names, key)} AS k{at}" for at, key in enumerate(keys))
    by_right = "".join(f", {_key_name(b_names, key)} AS k{at}" for at, key in enumerate(keys))
    # An exact match counts: at equal keys, rows of the right frame sort before rows of the left frame.
    side_left, side_right = (1, 0) if backward else (0, 1)
    # The match is a whole row as a struct, so that missing values in it are not skipped.
    fields = ", ".join(f"'v{at}', {b_names[label]}" for at, label in enumerate(theirs))
    values_left = ", NULL AS found"
    values_right = f", named_struct({fields or chr(39) + 'v' + chr(39) + ', 1'}) AS found"
    terms = [term(sql) for sql in left._rows.order]
    a = a[:-1].replace("(SELECT ", f"(SELECT {''.join(f'{sql} AS lo{at}, ' for at, sql in enumerate(terms))}", 1) + ")"
    orders = [f"lo{at}" for at in range(len(terms))]
    mine = ", ".join([*a_levels, *a_cells, *orders])
    nothing = ", ".join(f"NULL AS {name}" for name in [*a_levels, *a_cells, *orders])
    union = (
        f"(SELECT {mine}, {_key_name(a_names, on)} AS t, {side_left} AS s, TRUE AS mine{by_left}{values_left} FROM {a} "
        f"UNION ALL SELECT {nothing}, {_key_name(b_names, on)} AS t, {side_right} AS s, FALSE AS mine{by_right}{values_right} FROM {b})"
    )
    partition = f"PARTITION BY {', '.join(f'k{at}' for at in range(len(keys)))} " if keys else ""
    way = "ASC" if backward else "DESC"
    over = f"OVER ({partition}ORDER BY t {way}, s {way} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    cells = [(f"{label}{suffixes[0]}" if label in theirs else label, name) for label, name in a_names.items()]
    found = [
        (
            f"{label}{suffixes[1]}" if label in a_names else label,
            f"(last_value(found) IGNORE NULLS {over})['v{at}']",
        )
        for at, label in enumerate(theirs)
    ]
    select = ", ".join(f"{sql} AS {quote(f'c{at}')}" for at, (_, sql) in enumerate([*cells, *found]))
    levels = "".join(f", {name} AS {quote(INDEX + str(at))}" for at, name in enumerate(a_levels))
    select += "".join(f", {name} AS {quote(ORDER + str(at))}" for at, name in enumerate(orders))
    root = f"(SELECT * FROM (SELECT {select}{levels}, t AS __at, mine AS __mine FROM {union}) WHERE __mine)"
    ties = tuple(f"{quote(ORDER + str(at))}{way_of(sql)}" for at, sql in enumerate(left._rows.order))
    rows = Rows(left._client, root, ("__at", *ties), keep=(left._rows, right._rows))
    origins = [left._columns[label].origin for label in a_names] + [right._columns[label].origin for label in theirs]
    columns = {
        label: Column(quote(f"c{at}"), None, origin)
        for at, ((label, _), origin) in enumerate(zip([*cells, *found], origins))
    }
    return DataFrame(rows, columns, ())
