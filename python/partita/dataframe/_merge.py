"""Several frames put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._base import Level
from ._frame import DataFrame
from ._rows import Rows, term
from ._series import Series
from ._sql import INDEX, quote

__all__ = ["concat", "merge", "merge_asof"]

_JOINS = {
    "inner": "INNER JOIN",
    "left": "LEFT JOIN",
    "right": "RIGHT JOIN",
    "outer": "FULL JOIN",
    "cross": "CROSS JOIN",
}


def _labels(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _side(frame: DataFrame, prefix: str) -> tuple[str, list[str], list[str]]:
    """A frame as a relation under names of its own: the relation, its index's names, its columns' names."""
    levels = [f"{prefix}i{at}" for at in range(len(frame._index))]
    cells = [f"{prefix}c{at}" for at in range(len(frame._columns))]
    select = [f"{level.sql} AS {name}" for level, name in zip(frame._index, levels)]
    select += [f"{sql} AS {name}" for (sql, _), name in zip(frame._columns.values(), cells)]
    return f"(SELECT {', '.join(select) or '1 AS one'} FROM {frame._rows.sql})", levels, cells


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
) -> DataFrame:
    """Two frames joined. The order of the rows is any; missing keys match each other, as in pandas.

    Raises
    ------
    ValueError
        If nothing says what to join on, or names would be there twice.
    """
    if isinstance(right, Series):
        right = right.to_frame()
    if left._client is not right._client:
        raise ValueError("the frames are of different clusters")
    if how not in _JOINS:
        raise ValueError(f"how={how!r}: it is one of {', '.join(_JOINS)}")
    if how != "cross" and on is None and left_on is None and right_on is None and not (left_index or right_index):
        on = [label for label in left._columns if label in right._columns]
        if not on:
            raise ValueError("the frames have no column in common: name columns with on=, left_on= and right_on=")
    a, a_levels, a_cells = _side(left, "l")
    b, b_levels, b_cells = _side(right, "r")
    a_names, b_names = dict(zip(left._columns, a_cells)), dict(zip(right._columns, b_cells))
    by_left = (
        a_levels
        if left_index
        else [_found(a_names, label) for label in _labels(on if on is not None else left_on)]
        if how != "cross"
        else []
    )
    by_right = (
        b_levels
        if right_index
        else [_found(b_names, label) for label in _labels(on if on is not None else right_on)]
        if how != "cross"
        else []
    )
    if len(by_left) != len(by_right):
        raise ValueError("as many keys are needed on the left as on the right")
    tests = " AND ".join(f"{x} IS NOT DISTINCT FROM {y}" for x, y in zip(by_left, by_right))
    joined = f"{a} {_JOINS[how]} {b}" + (f" ON {tests}" if tests else "")
    cells = _named(left, right, a_names, b_names, by_left, by_right, suffixes, how, left_index or right_index)
    index: list[tuple[Any, str]] = []
    if left_index and right_index:
        index = [(level.name, _key(x, y, how)) for level, x, y in zip(left._index, a_levels, b_levels)]
    elif left_index:
        index = [(level.name, name) for level, name in zip(right._index, b_levels)]
    elif right_index:
        index = [(level.name, name) for level, name in zip(left._index, a_levels)]
    select = [f"{sql} AS {quote(INDEX + str(at))}" for at, (_, sql) in enumerate(index)]
    select += [f"{sql} AS {quote(f'c{at}')}" for at, (_, sql) in enumerate(cells)]
    root = f"(SELECT {', '.join(select)} FROM {joined})"
    sorted_by_index = (
        tuple(f"{quote(INDEX + str(at))} ASC NULLS LAST" for at in range(len(index)))
        if left_index and right_index
        else ()
    )
    rows = Rows(left._client, root, sorted_by_index, keep=(left._rows, right._rows))
    columns: dict[Any, Any] = {}
    for at, (label, _) in enumerate(cells):
        if label in columns:
            raise ValueError(f"two columns would be {label!r}: choose other suffixes")
        columns[label] = (quote(f"c{at}"), None)
    levels = tuple(Level(name, quote(INDEX + str(at))) for at, (name, _) in enumerate(index))
    return DataFrame(rows, columns, levels)


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
) -> list[tuple[Any, str]]:
    """The columns of the result: keys that are called the same once, others with a suffix where both have them."""
    shared = {
        label
        for label in a
        if label in b and a[label] in by_left and by_right[list(by_left).index(a[label])] == b[label] and not by_index
    }
    cells: list[tuple[Any, str]] = []
    for label, name in a.items():
        if label in shared:
            cells.append((label, _key(name, b[label], how)))
        else:
            cells.append((f"{label}{suffixes[0]}" if label in b else label, name))
    cells += [
        (f"{label}{suffixes[1]}" if label in a else label, name) for label, name in b.items() if label not in shared
    ]
    return cells


def concat(frames: Sequence[Any], axis: int = 0, ignore_index: bool = False) -> Any:
    """Frames or columns one after the other. A column that one of them has not is missing there."""
    if axis not in (0, "index"):
        raise NotImplementedError(
            "concat puts frames one after the other: use merge or assign for columns beside each other"
        )
    parts = [one.to_frame("v") if isinstance(one, Series) else one for one in frames]
    if not parts:
        raise ValueError("there is nothing to put together")
    labels = list(dict.fromkeys(label for part in parts for label in part._columns))
    depth = len(parts[0]._index)
    keeps = not ignore_index and all(len(part._index) == depth for part in parts)
    ordered = all(part._rows.order for part in parts)
    terms = max(len(part._rows.order) for part in parts) if ordered else 0
    selects = []
    for number, part in enumerate(parts):
        select = [f"{level.sql} AS {quote(INDEX + str(at))}" for at, level in enumerate(part._index)] if keeps else []
        select += [
            f"{part._columns[label][0] if label in part._columns else 'NULL'} AS {quote(f'c{at}')}"
            for at, label in enumerate(labels)
        ]
        if ordered:
            # Where the parts are in orders of different kinds, their rows are counted.
            place = (
                f"row_number() {part._rows.over()}"
                if terms > 1 or not part._rows.physical
                else term(part._rows.order[0])
            )
            select += [f"{number} AS __part", f"CAST({place} AS BIGINT) AS __place"]
        selects.append(f"SELECT {', '.join(select)} FROM {part._rows.sql}")
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
    index = (
        tuple(Level(level.name, quote(INDEX + str(at))) for at, level in enumerate(parts[0]._index)) if keeps else ()
    )
    frame = DataFrame(rows, {label: (quote(f"c{at}"), None) for at, label in enumerate(labels)}, index)
    if all(isinstance(one, Series) for one in frames):
        names = {one.name for one in frames}
        return frame["v"].rename(names.pop() if len(names) == 1 else None)
    return frame


def merge_asof(
    left: DataFrame,
    right: DataFrame,
    on: Any = None,
    by: Any = None,
    direction: str = "backward",
    suffixes: tuple[str, str] = ("_x", "_y"),
) -> DataFrame:
    """Each row of the left with the latest row of the right that is not after it.

    ``direction="forward"`` takes the first that is not before it. Rows come in the order of ``on``.
    """
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
    mine = ", ".join([*a_levels, *a_cells])
    nothing = ", ".join(f"NULL AS {name}" for name in [*a_levels, *a_cells])
    by_left = "".join(f", {_found(a_names, key)} AS k{at}" for at, key in enumerate(keys))
    by_right = "".join(f", {_found(b_names, key)} AS k{at}" for at, key in enumerate(keys))
    # A row of the right that is at the same place as one of the left counts for it: it comes first.
    side_left, side_right = (1, 0) if backward else (0, 1)
    values_left = "".join(f", NULL AS v{at}" for at in range(len(theirs)))
    values_right = "".join(f", {b_names[label]} AS v{at}" for at, label in enumerate(theirs))
    union = (
        f"(SELECT {mine}, {_found(a_names, on)} AS t, {side_left} AS s, TRUE AS mine{by_left}, FALSE AS hit{values_left} FROM {a} "
        f"UNION ALL SELECT {nothing}, {_found(b_names, on)} AS t, {side_right} AS s, FALSE AS mine{by_right}, TRUE AS hit{values_right} FROM {b})"
    )
    partition = f"PARTITION BY {', '.join(f'k{at}' for at in range(len(keys)))} " if keys else ""
    way = "ASC" if backward else "DESC"
    over = f"OVER ({partition}ORDER BY t {way}, s {way} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    cells = [(f"{label}{suffixes[0]}" if label in theirs else label, name) for label, name in a_names.items()]
    found = [
        (
            f"{label}{suffixes[1]}" if label in a_names else label,
            f"last_value(CASE WHEN hit THEN v{at} END) IGNORE NULLS {over}",
        )
        for at, label in enumerate(theirs)
    ]
    select = ", ".join(f"{sql} AS {quote(f'c{at}')}" for at, (_, sql) in enumerate([*cells, *found]))
    levels = "".join(f", {name} AS {quote(INDEX + str(at))}" for at, name in enumerate(a_levels))
    root = f"(SELECT * FROM (SELECT {select}{levels}, t AS __at, mine AS __mine FROM {union}) WHERE __mine)"
    rows = Rows(left._client, root, ("__at",), keep=(left._rows, right._rows))
    columns: dict[Any, Any] = {label: (quote(f"c{at}"), None) for at, (label, _) in enumerate([*cells, *found])}
    return DataFrame(rows, columns, ())
