"""What frames, columns, indexes and single values have in common: they are plans, and are computed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pandas as pd
import pyarrow as pa

from .._draw import visualize
from .._errors import OF_VALUES, NotThere, thin
from ._arguments import tuning
from ._columns import to_pandas
from ._instead import INSTEAD
from ._rows import Rows, direction, drop_later, persisted_name, term
from ._sql import INDEX, ORDER, ROW, present, quote

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["Level", "NotThere", "Plan"]


#: Columns that an error names.
LABELS_MAX = 5


class Level(NamedTuple):
    """One level of an index: its name, what it is in SQL, and what pandas had it as."""

    name: Any
    sql: str
    origin: Any = None


#: What Dask's frames have that pandas' have not.
_OF_DASK = frozenset(
    (
        "applymap",
        "categorize",
        "dask",
        "map_overlap",
        "map_partitions",
        "optimize",
        "random_split",
        "reduction",
        "shuffle",
        "to_bag",
        "to_dask_array",
        "to_delayed",
        "to_records",
    )
)


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
        own = getattr(type(self), name, None)
        if isinstance(own, property) and own.fget is not None:
            # It is there and failed: once more, for what it has to say.
            return own.fget(self)
        kind = type(self).__name__.lstrip("_")
        twin = {"DataFrame": pd.DataFrame, "Series": pd.Series, "Index": pd.Index}.get(kind, pd.DataFrame)
        if not hasattr(twin, name) and name not in _OF_DASK:
            raise AttributeError(f"a {kind} has no {name!r}")
        there = [found for found in dir(type(self)) if not found.startswith("_")]
        near = next(iter(difflib.get_close_matches(name, there, 1, 0.6)), "")
        nearest = self._instead.get(name) or INSTEAD.get(name) or near
        hint = f"; the nearest there is: {nearest}" if nearest else ""
        raise NotThere(f"{kind}.{name} is not there{hint}. compute() gives a pandas object")

    def __bool__(self) -> bool:
        raise ValueError(
            f"a {type(self).__name__} is neither true nor false: put conditions together with & and |, or use any() or all()"
        )

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
        return f"SELECT {', '.join(parts)} FROM {self._rows.under(*parts)}"

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
        name = self._rows.persisted
        if name is not None:
            # A persisted frame needs no query: it is read where it lies, all partitions at once.
            wanted = self._persisted_columns()
            table = self._client._connection.get(name) if wanted else None
            if table is not None:
                return table.select(wanted).rename_columns(self._names())
        return self._client._connection.query(self._full_query())

    def _persisted_columns(self) -> list[str]:
        """The columns of the persisted table that the plan is; none if it is something else, or lacks most of them."""
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

    def _origins(self) -> list[Any]:
        """What pandas had the index and what is selected as."""
        return [level.origin for level in self._index]

    def _shown(self, table: pa.Table) -> Any:
        """An answer as pandas has it."""
        # A plan of nothing has a column that is not shown.
        origins = self._origins() or [None] * table.num_columns
        return self._finish(to_pandas(table, origins))

    @thin
    def compute(self, **arguments: Any) -> Any:
        """Runs the plan on the cluster, and gives the answer as pandas has it. Ctrl-C stops it there too."""
        tuning("compute", arguments)
        try:
            return self._shown(self._fetch())
        except OF_VALUES as error:
            labels = self._computed()
            if not labels:
                raise
            more = ", ..." if len(labels) > LABELS_MAX else ""
            names = ", ".join(map(repr, labels[:LABELS_MAX]))
            raise error.about(f"column{'s' if len(labels) > 1 else ''} {names}{more}") from None

    def _computed(self) -> list[Any]:
        """The labels of the columns that are computed from others, or converted."""
        schema = self._rows.schema
        plain = {form for one in schema for form in (quote(one.name), present(quote(one.name), one.type))}
        return [label for label, (sql, _) in zip(self._selected_labels(), self._selected()) if sql not in plain]

    def _selected_labels(self) -> list[Any]:
        """What the columns that are selected are called."""
        raise NotImplementedError

    def _finish(self, frame: pd.DataFrame) -> Any:
        raise NotImplementedError

    @thin
    def explain(self) -> str:
        """How the cluster would run it: the plan, cut into stages."""
        return self._rows.explain(self._full_query())

    @thin
    def visualize(self, filename: Any = None, **arguments: Any) -> Any:
        """The plan as SVG: shown by a notebook, or written to a file."""
        return visualize(self, filename=filename, **arguments)

    # Persisted on the workers.

    def _persisted_query(self, names: list[str]) -> str:
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

    def _persist_rows(self, layout: str = "") -> tuple[Rows, tuple[Level, ...]]:
        """A table of the rows on the workers, spread as they come or as an option of the table says."""
        rows = self._rows
        name = persisted_name()
        # A term of the order that is a column of the table anyway is that column.
        there = {level.sql: INDEX + str(at) for at, level in enumerate(self._index)}
        there.update(self._selected())
        names = [there.get(sql, own) for sql, own in self._terms()]
        query = self._persisted_query(names)
        spread = f" WITH ({layout})" if layout else ""
        connection = rows.client._connection
        with connection.making(name):
            connection.query(f"CREATE TEMPORARY TABLE {quote(name)}{spread} AS {query}")
            partitions = connection.table(name)["partitions"]
        order = tuple(f"{quote(name)}{direction(sql)}" for name, sql in zip(names, rows.order))
        # The table's rows are in the order that it was made in.
        persisted = Rows(rows.client, quote(name), order, bool(order), partitions)
        persisted.persisted = name
        drop_later(rows.client, name, persisted.identity)
        levels = tuple(level._replace(sql=quote(INDEX + str(at))) for at, level in enumerate(self._index))
        return persisted, levels

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

    @thin
    def __len__(self) -> int:
        table = self._client._connection.query(f"SELECT count(*) FROM {self._rows.under()}")
        return int(table.column(0)[0].as_py())

    @property
    def empty(self) -> bool:
        """Whether there is no row. This is computed."""
        return len(self) == 0
