"""Groups of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from ._base import Level
from ._frame import DataFrame
from ._rows import Rows
from ._series import REDUCTIONS, Series, aggregate
from ._sql import INDEX, is_number, quote

__all__ = ["GroupBy", "SeriesGroupBy"]

#: What groups can be reduced by, beside the reductions of columns.
GROUP_REDUCTIONS = (*REDUCTIONS, "first", "last", "size", "list")


class GroupBy:
    """The groups of a frame.

    The result has the keys as its index, in their order.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3]}), npartitions=2)
    >>> ddf.groupby("k").v.sum().compute().to_dict()
    {'x': 4, 'y': 2}
    >>> ddf.groupby("k").agg({"v": ["min", "max"]}).compute().columns.tolist()
    [('v', 'min'), ('v', 'max')]
    """

    def __init__(self, frame: DataFrame, by: Any, sort: bool, dropna: bool, selected: list[Any] | None = None) -> None:
        given = list(by) if isinstance(by, (list, tuple)) else [by]
        rows = frame._rows
        keys: list[tuple[Any, str]] = []
        for key in given:
            if isinstance(key, Series):
                rows = rows.both(key._rows)
                keys.append((key.name, key._sql))
            elif key in frame._columns:
                keys.append((key, frame._columns[key][0]))
            elif any(level.name == key for level in frame._index):
                keys.append((key, next(level.sql for level in frame._index if level.name == key)))
            else:
                raise KeyError(f"no column {key!r}: there are {', '.join(map(str, frame._columns))}")
        self._frame = frame._like(frame._columns, rows)
        self._by = by
        self._keys = keys
        self._sort = sort
        self._dropna = dropna
        names = [name for name, _ in keys]
        self._selected = selected if selected is not None else [c for c in frame._columns if c not in names]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, list):
            for label in key:
                self._frame._column(label)
            return GroupBy(self._frame, self._by, self._sort, self._dropna, key)
        self._frame._column(key)
        return SeriesGroupBy(self._frame, self._by, self._sort, self._dropna, [key])

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._frame._columns:
            return self[name]
        raise AttributeError(f"groups have no {name!r}: there are {', '.join(GROUP_REDUCTIONS)}, agg and the columns")

    def _made(self, cells: list[tuple[Any, str]]) -> DataFrame:
        rows = self._frame._rows
        index = [(quote(INDEX + str(at)), name, sql) for at, (name, sql) in enumerate(self._keys)]
        select = [f"{sql} AS {key}" for key, _, sql in index]
        select += [f"{sql} AS {quote(f'c{at}')}" for at, (_, sql) in enumerate(cells)]
        keys = ", ".join(str(at + 1) for at in range(len(index)))
        where = ""
        if self._dropna:
            where = " WHERE " + " AND ".join(f"{sql} IS NOT NULL" for _, _, sql in index)
        root = f"(SELECT {', '.join(select)} FROM {rows.sql}{where} GROUP BY {keys})"
        order = tuple(f"{key} ASC NULLS LAST" for key, _, _ in index)
        made = Rows(rows.client, root, order, keep=rows)
        columns: dict[Any, Any] = {label: (quote(f"c{at}"), None) for at, (label, _) in enumerate(cells)}
        return DataFrame(made, columns, tuple(Level(name, key) for key, name, _ in index))

    def _cell(self, name: Any, label: Any) -> str:
        """A reduction of a column's values in each group."""
        if callable(name):
            name = getattr(name, "__name__", str(name))
        column = self._frame._column(label)
        sql = column._sql
        order = f" ORDER BY {', '.join(self._frame._rows.order)}" if self._frame._rows.order else ""
        if name in ("first", "last"):
            return f"{name}_value({sql}{order}) FILTER (WHERE {sql} IS NOT NULL)"
        if name == "list":
            return f"array_agg({sql}{order})"
        if name == "size":
            return "count(*)"
        try:
            return aggregate(name, sql, column._kind)
        except TypeError as error:
            raise TypeError(f"column {label!r}: {error}") from None

    def _all(self, name: str, numeric_only: bool = False) -> Any:
        kinds = self._frame._kinds()
        labels = [label for label in self._selected if not numeric_only or is_number(kinds[label])]
        return self._made([(label, self._cell(name, label)) for label in labels])

    def size(self) -> Series:
        """Rows of each group."""
        made = self._made([("size", "count(*)")])["size"]
        made.name = None
        return made

    def agg(self, func: Any = None, **named: Any) -> Any:
        """Several reductions: a name, a list of them, a dictionary by column, or ``new=(column, name)``."""
        if func is None:
            return self._made([(label, self._cell(name, column)) for label, (column, name) in named.items()])
        if isinstance(func, str) or callable(func):
            return self._all(func if isinstance(func, str) else func.__name__)
        if isinstance(func, dict):
            nested = any(isinstance(names, (list, tuple)) for names in func.values())
            cells = []
            for label, names in func.items():
                for name in names if isinstance(names, (list, tuple)) else [names]:
                    title = name if isinstance(name, str) else name.__name__
                    cells.append(((label, title) if nested else label, self._cell(name, label)))
            return self._made(cells)
        titles = [name if isinstance(name, str) else name.__name__ for name in func]
        return self._made([((label, title), self._cell(title, label)) for label in self._selected for title in titles])

    aggregate = agg

    def _windowed(self, function: Callable[[str, str], str]) -> Any:
        """A value for each row, of the rows of its group up to it."""
        frame = self._frame
        partition = ", ".join(sql for _, sql in self._keys)
        rows, columns = frame._rows, {}
        for label in self._selected:
            sql = frame._columns[label][0]
            over = rows.over("ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", partition)
            more, name = rows.add(function(sql, over))
            rows = rows.both(more)
            columns[label] = (name, None)
        return DataFrame(rows, columns, frame._index)

    def cumsum(self) -> Any:
        """The sum of all of its group up to each."""
        return self._windowed(lambda sql, over: f"CASE WHEN {sql} IS NULL THEN NULL ELSE sum({sql}) {over} END")

    def cummax(self) -> Any:
        """The largest of its group up to each."""
        return self._windowed(lambda sql, over: f"CASE WHEN {sql} IS NULL THEN NULL ELSE max({sql}) {over} END")

    def cumcount(self) -> Series:
        """The number of rows of its group before each."""
        frame = self._frame
        partition = ", ".join(sql for _, sql in self._keys)
        rows, name = frame._rows.add(f"CAST(row_number() {frame._rows.over('', partition)} AS BIGINT) - 1")
        return Series(rows, name, None, frame._index, pa.int64())

    def shift(self, periods: int = 1) -> Any:
        """Each value so many rows of its group later."""
        way = f"lag({{}}, {periods})" if periods >= 0 else f"lead({{}}, {-periods})"
        partition = ", ".join(sql for _, sql in self._keys)
        over = self._frame._rows.over("", partition)
        return self._windowed(lambda sql, _: f"{way.format(sql)} {over}")

    def apply(self, *_: Any, **__: Any) -> Any:
        """Not there: a function in Python cannot run on the workers yet."""
        raise NotImplementedError("apply takes a function in Python, which cannot run on the workers yet: use agg")


class SeriesGroupBy(GroupBy):
    """The groups of one column."""

    def _one(self, frame: DataFrame) -> Series:
        return frame._column(self._selected[0])

    def _all(self, name: str, numeric_only: bool = False) -> Any:
        return self._one(super()._all(name, numeric_only))

    def agg(self, func: Any = None, **named: Any) -> Any:
        """Several reductions: a name, or a list of them."""
        if func is None:
            return super().agg(**{label: (self._selected[0], name) for label, name in named.items()})
        if isinstance(func, (list, tuple)):
            titles = [name if isinstance(name, str) else name.__name__ for name in func]
            return self._made([(title, self._cell(title, self._selected[0])) for title in titles])
        return super().agg(func)

    aggregate = agg

    def _windowed(self, function: Callable[[str, str], str]) -> Any:
        return self._one(super()._windowed(function))

    def value_counts(self) -> Series:
        """How often each value is in each group."""
        label = self._selected[0]
        inner = GroupBy(self._frame, [*self._given(), label], self._sort, self._dropna, [])
        made = inner._made([("count", "count(*)")])["count"]
        rows = made._rows
        order = (rows.order[0], f"{made._sql} DESC NULLS LAST", *rows.order[1:])
        return Series(Rows(rows.client, rows.root, order, keep=rows), made._sql, "count", made._index)

    def _given(self) -> list[Any]:
        return list(self._by) if isinstance(self._by, (list, tuple)) else [self._by]


def _reduction(name: str) -> Any:
    def reduction(self: GroupBy, numeric_only: bool = False, **_: Any) -> Any:
        return self._all(name, numeric_only)

    reduction.__doc__ = f"The {name} of each group's values that are not missing."
    reduction.__name__ = name
    return reduction


for _name in (*GROUP_REDUCTIONS, "product"):
    if _name not in ("size", "list"):
        setattr(GroupBy, _name, _reduction(_name))
