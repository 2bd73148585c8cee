"""What frames, columns, indexes and single values have in common: they are plans, and are computed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pandas as pd
import pyarrow as pa

from ._rows import Rows, direction, drop_later, held_name, term
from ._sql import INDEX, ORDER, ROW, quote

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["Level", "Plan", "Scalar", "to_pandas"]


class Level(NamedTuple):
    """One level of an index: its name, and what it is in SQL."""

    name: Any
    sql: str


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Rows as pandas has them, without a copy where Arrow allows."""
    columns = []
    for column in table.columns:
        kind = column.type
        # pandas has one kind of text, and takes it from these.
        if pa.types.is_string_view(kind):
            column = column.cast(pa.large_string())
        elif pa.types.is_binary_view(kind):
            column = column.cast(pa.large_binary())
        columns.append(column)
    gaps = [at for at, column in enumerate(columns) if pa.types.is_boolean(column.type) and column.null_count]
    table = pa.table(columns, names=[str(at) for at in range(len(columns))])
    frame = table.to_pandas(split_blocks=True, date_as_object=True)
    for at in gaps:
        # What is missing among truths, pandas has as a number that is none.
        column = frame.iloc[:, at]
        frame[str(at)] = column.where(column.notna(), float("nan"))
    return frame


class Plan:
    """A plan for rows, with an index."""

    _rows: Rows
    _index: tuple[Level, ...]

    #: What is not there, and what to use instead.
    _instead: ClassVar[dict[str, str]] = {}

    @property
    def _client(self) -> Client:
        return self._rows.client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        kind = type(self).__name__
        twin = {"DataFrame": pd.DataFrame, "Series": pd.Series, "Index": pd.Index}.get(kind, pd.DataFrame)
        if not hasattr(twin, name):
            raise AttributeError(f"a {kind} has no {name!r}")
        there = [found for found in dir(type(self)) if not found.startswith("_")]
        nearest = self._instead.get(name) or next(iter(difflib.get_close_matches(name, there, 1, 0.4)), "")
        hint = f"; the nearest there is: {nearest}" if nearest else ""
        raise NotImplementedError(f"{kind}.{name} is not there{hint}. compute() gives a pandas object, which has it")

    def _selected(self) -> list[tuple[str, str]]:
        """What is computed beside the index: expressions, and names that they have in a table."""
        raise NotImplementedError

    def _query(self, hidden: Sequence[tuple[str, str]] = ()) -> str:
        """The plan as SQL: the index first, then what is selected, then expressions under names that are not shown."""
        parts = [f"{level.sql} AS {quote(INDEX + str(at))}" for at, level in enumerate(self._index)]
        parts += [f"{sql} AS {quote(name)}" for sql, name in self._selected()]
        parts += [f"{sql} AS {quote(name)}" for sql, name in hidden]
        if not parts:
            parts = [f"1 AS {quote(INDEX)}"]
        return f"SELECT {', '.join(parts)} FROM {self._rows.sql}"

    def _terms(self) -> list[tuple[str, str]]:
        """What the rows are in order by, and the names that it has in a query."""
        return [(term(sql), f"{ORDER}{at}") for at, sql in enumerate(self._rows.order)]

    def _sorted(self, query: str, names: list[str], tail: str = "", always: bool = False) -> str:
        """A query that has the terms of the order as hidden columns, in that order.

        What stands in ``ORDER BY`` may be taken for a column of the answer: so the terms have names of their own.
        """
        rows = self._rows
        if not rows.order or (rows.physical and not always):
            return query + tail
        order = ", ".join(f"{quote(f'{ORDER}{at}')}{direction(sql)}" for at, sql in enumerate(rows.order))
        return f"SELECT {', '.join(map(quote, names))} FROM ({query}) ORDER BY {order}{tail}"

    def _names(self) -> list[str]:
        names = [INDEX + str(at) for at in range(len(self._index))] + [name for _, name in self._selected()]
        return names or [INDEX]

    def _full_query(self, tail: str = "", always: bool = False) -> str:
        """The plan as SQL, with its rows in their order."""
        sorts = always or not self._rows.physical
        return self._sorted(self._query(self._terms() if sorts else ()), self._names(), tail, always)

    def _fetch(self) -> pa.Table:
        name = self._rows.held
        if name is not None:
            # What is held needs no query: it is read where it lies, all partitions at once.
            wanted = self._held_columns()
            table = self._client._connection.get(name) if wanted else None
            if table is not None:
                return table.select(wanted).rename_columns(self._names())
        return self._client._connection.query(self._full_query())

    def _held_columns(self) -> list[str]:
        """The columns of the held table that the plan is; none if it is something else, or not nearly all of them."""
        columns = {quote(name): name for name in self._rows.schema.names}
        found = [
            columns.get(sql) for sql in [level.sql for level in self._index] + [sql for sql, _ in self._selected()]
        ]
        own = [name for name in columns.values() if name != ROW and not name.startswith(ORDER)]
        # A worker sends whole rows: a query that asks for a few columns sends less.
        return [name for name in found if name is not None] if None not in found and set(found) >= set(own) else []

    def _restore_index(self, frame: pd.DataFrame) -> pd.Index:
        levels = [frame.iloc[:, at] for at in range(len(self._index))]
        names = [level.name for level in self._index]
        if not levels:
            return pd.RangeIndex(len(frame))
        if len(levels) == 1:
            return pd.Index(levels[0].array, name=names[0])
        return pd.MultiIndex.from_arrays([level.array for level in levels], names=names)

    def compute(self, **_: Any) -> Any:
        """Runs the plan on the cluster, and gives the answer as pandas has it. Ctrl-C stops it there too."""
        return self._finish(to_pandas(self._fetch()))

    def _finish(self, frame: pd.DataFrame) -> Any:
        raise NotImplementedError

    def explain(self) -> str:
        """How the cluster would run it: the plan, cut into groups of tasks."""
        table = self._client._connection.query(f"EXPLAIN {self._full_query()}")
        texts = [column.to_pylist() for column in table.columns]
        return "\n".join("\n".join(str(cell) for cell in row) for row in zip(*texts))

    def visualize(self, filename: str | None = None) -> Any:
        """The plan as SVG: shown by a notebook, or written to a file."""
        from ._draw import Drawing

        drawing = Drawing(self.explain())
        if filename is not None:
            with open(filename, "w", encoding="utf-8") as file:
                file.write(drawing.svg)
        return drawing

    # Held on the workers.

    def _held_query(self, names: list[str]) -> str:
        """The plan as the query of a table: what is computed, what the order needs beside it, in that order.

        The cluster knows by it that rows which come in their order are in it; they are not sorted again.
        """
        rows = self._rows
        hidden = [(sql, name) for (sql, own), name in zip(self._terms(), names) if name == own]
        query = self._query(hidden)
        if not rows.order:
            return query
        order = ", ".join(f"{quote(name)}{direction(sql)}" for name, sql in zip(names, rows.order))
        return f"SELECT * FROM ({query}) ORDER BY {order}"

    def _hold(self, layout: str = "") -> tuple[Rows, tuple[Level, ...]]:
        """A table of the rows on the workers, spread as they come or as an option of the table says."""
        rows = self._rows
        name = held_name()
        # A term of the order that is a column of the table anyway is that column.
        there = {level.sql: INDEX + str(at) for at, level in enumerate(self._index)}
        there.update(self._selected())
        names = [there.get(sql, own) for sql, own in self._terms()]
        query = self._held_query(names)
        spread = f" WITH ({layout})" if layout else ""
        rows.client._connection.query(f"CREATE TEMPORARY TABLE {quote(name)}{spread} AS {query}")
        order = tuple(f"{quote(name)}{direction(sql)}" for name, sql in zip(names, rows.order))
        # The table's rows are in the order that it was made in.
        held = Rows(rows.client, quote(name), order, bool(order), rows.client._connection.table(name)["partitions"])
        held.held = name
        drop_later(rows.client, name, held.identity)
        levels = tuple(Level(level.name, quote(INDEX + str(at))) for at, level in enumerate(self._index))
        return held, levels

    @property
    def npartitions(self) -> int:
        """In how many partitions the rows are, as far as is known; else the slots of the cluster."""
        if self._rows.partitions is not None:
            return self._rows.partitions
        return max(sum(self._client.nthreads().values()), 1)

    @property
    def known_divisions(self) -> bool:
        """Whether the rows are known to be in the order of their index."""
        order = self._rows.order
        return bool(self._index and order) and term(order[0]) == self._index[0].sql

    def __len__(self) -> int:
        table = self._client._connection.query(f"SELECT count(*) FROM {self._rows.sql}")
        return int(table.column(0)[0].as_py())

    @property
    def empty(self) -> bool:
        """Whether there is no row. This is computed."""
        return len(self) == 0


class Scalar:
    """A single value that is computed.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> mean = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0]}), npartitions=2).a.mean()
    >>> float(mean.compute())
    1.5
    """

    def __init__(self, rows: Rows, sql: str, kind: Any = None) -> None:
        self._rows = rows
        self._sql = sql
        self._kind = kind

    def compute(self, **_: Any) -> Any:
        """Runs the plan on the cluster, and gives the value."""
        query = f"SELECT {self._sql} AS v FROM {self._rows.sql}"
        frame = to_pandas(self._rows.client._connection.query(query))
        value = frame.iloc[0, 0] if len(frame) else None
        if value is None or value is pd.NA:
            return float("nan")
        return self._kind(value) if self._kind is not None else value

    def __float__(self) -> float:
        return float(self.compute())

    def __int__(self) -> int:
        return int(self.compute())

    def __repr__(self) -> str:
        return f"<Scalar: {self._sql}>"

    def _combined(self, other: Any, form: str) -> Scalar:
        if isinstance(other, Scalar):
            if self._rows.identity is not other._rows.identity:
                raise NotImplementedError("values of different frames: compute() them first")
            return Scalar(self._rows.both(other._rows), form.format(self._sql, other._sql))
        from ._sql import literal

        return Scalar(self._rows, form.format(self._sql, literal(other)))

    def __add__(self, other: Any) -> Scalar:
        return self._combined(other, "({} + {})")

    def __sub__(self, other: Any) -> Scalar:
        return self._combined(other, "({} - {})")

    def __mul__(self, other: Any) -> Scalar:
        return self._combined(other, "({} * {})")

    def __truediv__(self, other: Any) -> Scalar:
        return self._combined(other, "(CAST({} AS DOUBLE) / {})")
