"""Several frames put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from ._arguments import tuning
from ._base import Level
from ._columns import Column, carried
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
    # Rows of the left frame that have, or have not, a row on the right.
    "leftsemi": "LEFT SEMI JOIN",
    "leftanti": "LEFT ANTI JOIN",
}


def _labels(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _side(frame: DataFrame, prefix: str, marked: bool = False) -> tuple[str, list[str], list[str]]:
    """A frame as a relation under names of its own: the relation, its index's names, its columns' names."""
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
    """Two frames joined. The order of the rows is any; missing keys match each other, as in pandas.

    With ``indicator`` the column ``_merge`` says which of the frames has a row. ``how="leftsemi"`` keeps the rows of
    the left frame, once each, whose keys the right one has, and ``how="leftanti"`` the others.

    Raises
    ------
    ValueError
        If nothing says what to join on, or names would be there twice.
    """
    arguments.pop("npartitions", None)
    tuning("merge", arguments)
    left, right = (_as_frame(one, (left, right)) for one in (left, right))
    if left._client is not right._client:
        raise ValueError("the frames are of different clusters")
    if how not in _JOINS:
        raise ValueError(f"how={how!r}: it is one of {', '.join(_JOINS)}")
    if how != "cross" and on is None and left_on is None and right_on is None and not (left_index or right_index):
        on = [label for label in left._columns if label in right._columns]
        if not on:
            raise ValueError("the frames have no column in common: name columns with on=, left_on= and right_on=")
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
        raise ValueError("as many keys are needed on the left as on the right")
    is_filter = how in ("leftsemi", "leftanti")
    if is_filter and indicator:
        raise ValueError(f"indicator= has no meaning with how={how!r}: all rows are of the left frame")
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
            raise ValueError(f"two columns would be {label!r}: choose other suffixes")
        columns[label] = Column(quote(f"c{at}"), cell.kind, cell.origin)
    levels = tuple(level._replace(sql=quote(INDEX + str(at))) for at, (level, _) in enumerate(index))
    return DataFrame(rows, columns, levels, _common_axis([left, right]))


def _with_like_keys(
    left: DataFrame, right: DataFrame, left_by: list[Any] | None, right_by: list[Any] | None, how: str
) -> tuple[DataFrame, DataFrame]:
    """Both frames; keys that have not the same categories are plain values in them, as pandas has them joined."""
    by_index = left_by is None and right_by is None
    for x, y in zip(_key_places(left, left_by), _key_places(right, right_by)):
        origins = [_key_origin(left, *x), _key_origin(right, *y)]
        if origins[0] == origins[1] or not any(isinstance(one, pd.CategoricalDtype) for one in origins):
            continue
        # An index that is kept whole keeps its categories, and so does a key of the right that has a name of its own.
        if not by_index or how != "left":
            left = _plain(left, *x)
        if (how != "right") if by_index else (x[0] or y[0] or x == y):
            right = _plain(right, *y)
    return left, right


def _key_origin(frame: DataFrame, is_level: bool, at: Any) -> Any:
    return frame._index[at].origin if is_level else frame._columns[at].origin


def _key_places(frame: DataFrame, by: list[Any] | None) -> list[tuple[bool, Any]]:
    """Where keys are: whether in the index, and there in which level, else in which column."""
    if by is None:
        return [(True, at) for at in range(len(frame._index))]
    levels = {level.name: at for at, level in enumerate(frame._index)}
    found = [(False, label) if label in frame._columns else (True, levels.get(label)) for label in by]
    return [place for place in found if place != (True, None)]


def _plain(frame: DataFrame, is_level: bool, at: Any) -> DataFrame:
    """A frame with a column, or a level of its index, that has values instead of categories."""
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
    """The columns of a join of columns with an index: a key is a column, whichever of the frames has the row.

    Parameters
    ----------
    keys : list of tuple
        The label of the column, and what the key is in the left and in the right.
    """
    there = "lthere IS NOT NULL"
    for at, (label, x, y) in enumerate(keys):
        places = [place for place, (one, _) in enumerate(cells) if one == label]
        if not places and label in left._columns and label in right._columns:
            # Both have a column of that name, with a suffix now.
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
    """What columns, or levels of the index, are called in the relation of a side."""
    found = []
    for label in _labels(labels):
        own = [name for level, name in zip(frame._index, levels) if level.name is not None and level.name == label]
        found.append(own[0] if own and label not in names else _found(names, label))
    return found


def _found(names: dict[Any, str], label: Any) -> str:
    if label not in names:
        raise KeyError(f"no column {label!r}: there are {', '.join(map(str, names))}")
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
    """The columns of the result: keys that are called the same once, others with a suffix where both have them."""
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
            cells.append((label, Column(_key(name, b[label], how), kind, _alike([cell.origin, other.origin]))))
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
    """Refuses keys of which one is a text and the other is none.

    Raises
    ------
    ValueError
        If that is so, as in pandas.
    """

    def texts(frame: DataFrame, prefix: str, names: Sequence[str]) -> list[bool]:
        there = {f"{prefix}c{at}": column for at, column in enumerate(frame._columns.values())}
        there |= {f"{prefix}i{at}": Column(level.sql) for at, level in enumerate(frame._index)}
        keys = [there[name] for name in names]
        asked = frame._rows.types([key.sql for key in keys if key.kind is None])
        # A question to the cluster for each of many merges would plan all of those before it again.
        kinds = iter(asked)
        return [is_text(key.kind if key.kind is not None else next(kinds)) for key in keys]

    if pairs and texts(left, "l", [x for x, _ in pairs]) != texts(right, "r", [y for _, y in pairs]):
        raise ValueError("a key of texts and one that is none match nowhere: use astype on one of them")


def concat(
    frames: Sequence[Any], axis: Any = 0, ignore_index: bool = False, join: str = "outer", **arguments: Any
) -> Any:
    """Frames or columns one after the other. A column that one of them has not is missing there.

    With ``join="inner"`` only the columns that all have are there.
    """
    for name in ("interleave_partitions", "ignore_unknown_divisions", "ignore_order"):
        arguments.pop(name, None)
    tuning("concat", arguments)
    frames = list(frames)
    if axis not in (0, "index"):
        raise NotImplementedError(
            "concat puts frames one after the other: use merge or assign for columns beside each other"
        )
    if not frames:
        raise ValueError("there is nothing to put together")
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
            # Rows are counted, unless they are in the order of whole numbers as they come.
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
            Level(_one([one.name for one in level]), quote(INDEX + str(at)), _alike([one.origin for one in level]))
            for at, level in enumerate(levels)
        )
    columns = {}
    for at, label in enumerate(labels):
        origin = _alike([part._columns[label].origin for part in parts if label in part._columns])
        columns[label] = Column(quote(f"c{at}"), None, origin)
    frame = DataFrame(rows, columns, index, _common_axis(parts))
    if alone:
        names = {one.name for one in frames}
        return frame["v"].rename(names.pop() if len(names) == 1 else None)
    return frame


def _with_like_columns(parts: list[DataFrame], labels: list[Any], depth: int) -> list[DataFrame]:
    """Frames that can be put one below the other: what has not the same categories in all has plain values.

    Raises
    ------
    TypeError
        If a column contains strings in one and numbers in another.
    """
    parts = list(parts)
    for place in [*((False, label) for label in labels), *((True, at) for at in range(depth))]:
        having = [at for at, part in enumerate(parts) if place[0] or place[1] in part._columns]
        origins = [_key_origin(parts[at], *place) for at in having]
        for at, origin in zip(having, origins):
            if isinstance(origin, pd.CategoricalDtype) and any(one != origin for one in origins):
                parts[at] = _plain(parts[at], *place)
    for part in parts:
        # The types of all columns, asked for at once.
        part._kinds()
    for label in labels:
        columns = [part._column(label) for part in parts if label in part._columns]
        sorts = {sort_of(one._kind) for one in columns if one._sql != MISSING and not pa.types.is_null(one._kind)}
        if len(sorts) > 1:
            found = " and ".join(sorted(sorts))
            raise TypeError(f"concat: column {label!r} contains {found}, but a column has one type; use astype first")
    return parts


def _as_frame(one: Any, others: Sequence[Any], label: Any = None) -> DataFrame:
    """A frame, or a column as one; those of pandas are uploaded to the cluster of the others."""
    if isinstance(one, (pd.DataFrame, pd.Series)):
        from ._io import from_pandas

        client = next((other._client for other in others if isinstance(other, (DataFrame, Series))), None)
        one = from_pandas(one, npartitions=1, sort=False, client=client)
    if isinstance(one, Series):
        return one.to_frame(label)
    if not isinstance(one, DataFrame):
        raise TypeError(f"frames and columns are put together, not a {type(one).__name__}")
    return one


def _common_axis(frames: Sequence[DataFrame]) -> pd.Index | None:
    """What names the labels of the columns of several frames, if they all agree on it."""
    axes = [frame.columns[:0] for frame in frames]
    return axes[0] if all(one.dtype == axes[0].dtype and one.names == axes[0].names for one in axes) else None


def _one(names: Sequence[Any]) -> Any:
    return names[0] if all(name == names[0] for name in names) else None


def _alike(origins: Sequence[Any]) -> Any:
    """What pandas has columns as that are put one below the other."""
    return origins[0] if all(origin == origins[0] for origin in origins) else carried(*origins)


def merge_asof(
    left: DataFrame,
    right: DataFrame,
    on: Any = None,
    by: Any = None,
    direction: str = "backward",
    suffixes: tuple[str, str] = ("_x", "_y"),
    **arguments: Any,
) -> DataFrame:
    """Each row of the left with the latest row of the right that is not after it.

    ``direction="forward"`` takes the first that is not before it. Rows come in the order of ``on``.
    """
    if arguments.pop("tolerance", None) is not None or not arguments.pop("allow_exact_matches", True):
        raise NotImplementedError("merge_asof: tolerance= and allow_exact_matches=False are not there")
    tuning("merge_asof", arguments)
    if on is None:
        raise ValueError("merge_asof needs on=: a column of numbers or times")
    if direction not in ("backward", "forward"):
        raise NotImplementedError("merge_asof: direction is backward or forward")
    keys = [] if by is None else _labels(by)
    a, a_levels, a_cells = _side(left, "l")
    b, _, b_cells = _side(right, "r")
    a_names, b_names = dict(zip(left._columns, a_cells)), dict(zip(right._columns, b_cells))
    theirs = [label for label in right._columns if label != on and label not in keys]
    backward = direction == "backward"
    by_left = "".join(f", {_found(a_names, key)} AS k{at}" for at, key in enumerate(keys))
    by_right = "".join(f", {_found(b_names, key)} AS k{at}" for at, key in enumerate(keys))
    # A row of the right that is at the same place as one of the left counts for it: it comes first.
    side_left, side_right = (1, 0) if backward else (0, 1)
    # What is found is a row, whatever is missing in it.
    fields = ", ".join(f"'v{at}', {b_names[label]}" for at, label in enumerate(theirs))
    values_left = ", NULL AS found"
    values_right = f", named_struct({fields or chr(39) + 'v' + chr(39) + ', 1'}) AS found"
    terms = [term(sql) for sql in left._rows.order]
    a = a[:-1].replace("(SELECT ", f"(SELECT {''.join(f'{sql} AS lo{at}, ' for at, sql in enumerate(terms))}", 1) + ")"
    orders = [f"lo{at}" for at in range(len(terms))]
    mine = ", ".join([*a_levels, *a_cells, *orders])
    nothing = ", ".join(f"NULL AS {name}" for name in [*a_levels, *a_cells, *orders])
    union = (
        f"(SELECT {mine}, {_found(a_names, on)} AS t, {side_left} AS s, TRUE AS mine{by_left}{values_left} FROM {a} "
        f"UNION ALL SELECT {nothing}, {_found(b_names, on)} AS t, {side_right} AS s, FALSE AS mine{by_right}{values_right} FROM {b})"
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
