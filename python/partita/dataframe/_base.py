"""The base class of frames, columns and indexes: lazy plans that are computed on the cluster."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import pandas as pd
import pyarrow as pa

from .._drawing import visualize
from .._errors import OF_VALUES, UnsupportedName, trim_traceback
from .._frame_inputs import FrameInput
from .._progress import show_queries
from ..plan import wire
from ..plan.expr import Expr, SortKey, aggregate
from ..plan.relation import Named, Projection, Relation, Sorting, Table
from ._alternatives import ALTERNATIVES
from ._arguments import reject_unsupported
from ._columns import regular_index, to_pandas
from ._partition_methods import PartitionMethods
from ._partition_writers import PartitionWriters
from ._partitions import format_split, kept_divisions
from ._periods import PeriodIndexes
from ._rows import Labels, Rows, new_table_name, release_after
from ._sql import INDEX, ORDER, ROW, literal, replace_nan

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["Level", "Plan", "UnsupportedName"]


#: Maximum number of columns that an error message names.
LABELS_MAX = 5
#: The alternative to every unsupported method.
_PANDAS = "compute() and pandas"


P = TypeVar("P", bound="Plan")


class Level(NamedTuple):
    """One level of an index: its name, expression and origin, and what made its labels regular, if anything."""

    name: Any
    expr: Expr
    origin: Any = None
    #: See :func:`regularity_of`. Operations that keep labels keep it; whether the labels still are regular is found again.
    regularity: Any = None


#: Methods of Dask's frames that pandas does not have.
_OF_DASK = frozenset(
    (
        "analyze",
        "applymap",
        "compute_current_divisions",
        "dask",
        "lower_once",
        "shuffle",
        "to_records",
    )
)


class Plan(PartitionMethods, PartitionWriters, PeriodIndexes, FrameInput):
    """A lazy query plan of rows with an index."""

    _rows: Rows
    _index: tuple[Level, ...]

    #: Alternatives for unsupported methods of this class, which override the general ones.
    _alternatives: ClassVar[dict[str, str]] = {}

    @property
    def _client(self) -> Client:
        return self._rows.client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        own = getattr(type(self), name, None)
        if isinstance(own, property) and own.fget is not None:
            # The property raised an AttributeError. Evaluate it again to raise the original error.
            return own.fget(self)
        kind = type(self).__name__.lstrip("_")
        twin = {"DataFrame": pd.DataFrame, "Series": pd.Series, "Index": pd.Index}.get(kind, pd.DataFrame)
        if not hasattr(twin, name) and name not in _OF_DASK:
            raise AttributeError(f"'{kind}' object has no attribute {name!r}")
        supported = [found for found in dir(type(self)) if not found.startswith("_")]
        near = next(iter(difflib.get_close_matches(name, supported, 1, 0.6)), "")
        nearest = self._alternatives.get(name) or ALTERNATIVES.get(name) or near
        advice = f"{nearest}, or {_PANDAS}" if nearest else _PANDAS
        if nearest.startswith("compute()"):
            advice = nearest
        raise UnsupportedName(f"{kind}.{name} is not supported; use {advice}")

    def __bool__(self) -> bool:
        raise ValueError(
            f"the truth value of a {type(self).__name__} is ambiguous; combine conditions with & and |, or use any() or all()"
        )

    def _selected(self) -> list[Named]:
        """Return the expressions that are computed besides the index, with their names in a table."""
        raise NotImplementedError

    def _levels(self) -> list[Named]:
        """Return the expressions of the index, with their names in a table."""
        return [Named(f"{INDEX}{at}", level.expr) for at, level in enumerate(self._index)]

    def _parts(self) -> list[Named]:
        """Return the index and the selected expressions; a plan without columns selects a dummy column."""
        return [*self._levels(), *self._selected()] or [Named(INDEX, literal(1))]

    def _names(self) -> list[str]:
        return [name for name, _ in self._parts()]

    def _order_names(self, rows: Rows) -> list[str]:
        """Return the names of the sort keys in a relation of the parts; a key that is one of them keeps its name."""
        existing = {expr: name for name, expr in reversed([*self._levels(), *self._selected()])}
        return [existing.get(key.expr, f"{ORDER}{at}") for at, key in enumerate(rows.order)]

    def _ordered_parts(self, rows: Rows) -> list[Named]:
        """Return the parts with the sort keys that are not among them."""
        parts = [*self._levels(), *self._selected()]
        known = {name for name, _ in parts}
        names = self._order_names(rows)
        parts += [Named(name, key.expr) for name, key in zip(names, rows.order) if name not in known]
        return parts or [Named(INDEX, literal(1))]

    def _order_over(self, relation: Relation, rows: Rows) -> list[SortKey]:
        """Return the sort keys of rows as columns of a relation of their ordered parts."""
        return [SortKey(relation.column(name), *key.way) for name, key in zip(self._order_names(rows), rows.order)]

    def _full_relation(self, limit: int | None = None, always: bool = False) -> Relation:
        """Return the relation of the plan, with the rows in their order."""
        rows, parts = self._rows, self._parts()
        if not rows.order or (rows.is_sorted_for(expr for _, expr in parts) and not always):
            found = rows.project(parts)
            return found if limit is None else Sorting(found, (), limit)
        every = rows.project(self._ordered_parts(rows))
        ordered = Sorting(every, self._order_over(every, rows), limit)
        return Projection(ordered, [Named(name, ordered.column(name)) for name, _ in parts])

    def _fetch(self) -> pa.Table:
        name = self._rows.persisted
        if name is not None:
            # Computing a persisted frame runs no query: its partitions are fetched from the workers in parallel.
            wanted = self._table_columns()
            table = self._client._connection.fetch(name) if wanted else None
            if table is not None:
                return table.select(wanted).rename_columns(self._names())
        return self._client._connection.query(wire.rows(self._full_relation()))

    def _table_columns(self) -> list[str]:
        """Return the columns of the persisted table that the plan selects; none if a query would transfer less."""
        names = self._rows.schema.names
        columns: dict[Expr, str] = {self._rows.column(name): name for name in names}
        found = [columns.get(expr) for _, expr in [*self._levels(), *self._selected()]]
        own = [name for name in names if name != ROW and not name.startswith(ORDER)]
        # Workers send whole partitions; a query of a subset of the columns transfers less.
        return [name for name in found if name is not None] if None not in found and set(found) >= set(own) else []

    def _restore_index(self, frame: pd.DataFrame) -> pd.Index:
        levels = [frame.iloc[:, at] for at in range(len(self._index))]
        names = [level.name for level in self._index]
        if not levels:
            return pd.RangeIndex(len(frame))
        if len(levels) == 1:
            labels = pd.Index(levels[0].array, name=names[0], tupleize_cols=False)
            return regular_index(labels, self._index[0].regularity)
        return pd.MultiIndex.from_arrays([level.array for level in levels], names=names)

    def _origins(self) -> list[Any]:
        """Return the origins of the index and the selected columns."""
        return [level.origin for level in self._index]

    def _to_pandas(self, table: pa.Table) -> Any:
        """Convert the result of a query to a pandas object."""
        # A plan without columns selects a dummy column.
        origins = self._origins() or [None] * table.num_columns
        return self._finish(to_pandas(table, origins))

    @trim_traceback
    def compute(self, **arguments: Any) -> Any:
        """Run the plan on the cluster and return the result as a pandas object. Ctrl-C cancels it on the cluster."""
        reject_unsupported("compute", arguments)
        try:
            with show_queries(self._client):
                table = self._fetch()
            return self._to_pandas(table)
        except OF_VALUES as error:
            labels = self._computed_labels()
            if not labels:
                raise
            more = ", ..." if len(labels) > LABELS_MAX else ""
            names = ", ".join(map(repr, labels[:LABELS_MAX]))
            raise error.about(f"column{'s' if len(labels) > 1 else ''} {names}{more}") from None

    def _computed_labels(self) -> list[Any]:
        """Return the labels of the columns that are not plain columns of the relation."""
        columns: list[Expr] = [self._rows.column(field.name) for field in self._rows.schema]
        plain = {*columns, *map(replace_nan, columns)}
        return [label for label, (_, expr) in zip(self._selected_labels(), self._selected()) if expr not in plain]

    def _selected_labels(self) -> list[Any]:
        """Return the labels of the selected columns."""
        raise NotImplementedError

    def _finish(self, frame: pd.DataFrame) -> Any:
        raise NotImplementedError

    @trim_traceback
    def explain(self) -> str:
        """Return the physical plan, split into stages."""
        return self._rows.explain(self._full_relation())

    @trim_traceback
    def visualize(self, filename: Any = None, **arguments: Any) -> Any:
        """Draw the plan as SVG, for display in a notebook or written to a file."""
        return visualize(self, filename=filename, **arguments)

    # Python functions.

    def _outline(self) -> tuple[Any, ...]:
        """Return how rows become the pandas object of this plan, in a form that can be pickled."""
        from ._partition_inputs import outline_of

        return outline_of(self)

    @property
    def _meta(self) -> Any:
        """The pandas object of this plan without rows."""
        from ._partition_inputs import meta_of

        return meta_of(self)

    @property
    def _meta_nonempty(self) -> Any:
        """The pandas object of this plan with two rows of made-up values."""
        from ._partition_inputs import meta_of

        return meta_of(self, 2)

    def map_partitions(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a Python function with each partition, and return the frame of its results.

        The function runs on the workers when the result is first computed; see
        :func:`partita.dataframe.map_partitions`.

        Parameters
        ----------
        func : callable
            Takes the partition as a pandas object, and returns a pandas frame, a series or a single value.
        *args, **kwargs
            Further arguments of the function, and ``meta``.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2)
        >>> ddf.map_partitions(lambda part: part.assign(b=part.a.cumsum())).compute().b.tolist()
        [1, 3, 3]
        """
        from ._partition_functions import map_partitions

        return map_partitions(func, self, *args, **kwargs)

    def map_overlap(self, func: Any, before: Any, after: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a Python function with each partition and rows before and after it.

        See :func:`partita.dataframe.map_overlap`.

        Parameters
        ----------
        func : callable
            Takes the rows as a pandas object, and returns one with as many rows.
        before, after : int, timedelta or str
            Number of rows, or a duration.
        *args, **kwargs
            Further arguments of the function, and ``meta``.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> a = dd.from_pandas(pd.DataFrame({"a": [1, 2, 4, 8]}), npartitions=2).a
        >>> a.map_overlap(lambda part: part.shift(fill_value=0) + part, 1, 0).compute().tolist()
        [1, 3, 6, 12]
        """
        from ._overlap import map_overlap

        return map_overlap(func, self, before, after, *args, **kwargs)

    def to_delayed(self, optimize_graph: bool = True) -> list[Any]:
        """Persist the rows, and return the partitions as delayed values.

        Each is the pandas object that :meth:`compute` returns for the rows of the partition. A task that needs it fetches
        it from the worker that holds it. The rows stay persisted until no delayed value or future needs them.

        Parameters
        ----------
        optimize_graph : bool
            Accepted for compatibility with Dask; no effect.

        Examples
        --------
        >>> import pandas as pd, partita
        >>> from partita import dataframe as dd
        >>> parts = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=3).to_delayed()
        >>> partita.compute([part.a.sum() for part in parts])[0] == [1, 2, 3]
        True
        """
        from ._partition_functions import to_delayed

        return to_delayed(self)

    def to_dask_array(self, lengths: Any = None, meta: Any = None, optimize: bool = True) -> Any:
        """Persist the rows, and return their values as an array with a chunk for each partition.

        Parameters
        ----------
        lengths : bool or list of int, optional
            The numbers of rows of the partitions. By default they are unknown; True computes them.
        meta : array, optional
            An array with the dtype of the result.
        optimize : bool
            Accepted for compatibility with Dask; no effect.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2).to_dask_array(lengths=True).sum().compute()
        np.int64(3)
        """
        from ..array._frames import from_frame

        return from_frame(self, lengths, meta)

    @property
    def values(self) -> Any:
        """The values as an array: :meth:`to_dask_array`. A warning tells if its dtype is object, as of strings."""
        from ._warnings import warn_of_objects

        warn_of_objects(self)
        return self.to_dask_array()

    def to_bag(self, index: bool = False, format: str = "tuple") -> Any:
        """Persist the rows, and return them as items of a bag.

        Parameters
        ----------
        index : bool
            Whether items have the index labels.
        format : str
            ``"tuple"``, ``"dict"``, or ``"frame"`` for whole partitions. Items of a column are its values.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), npartitions=2).to_bag().compute()
        [(1, 'x'), (2, 'y')]
        """
        from ..bag._frames import to_bag

        return to_bag(self, index, format)

    # Persisting.

    def _create_deferred(self) -> bool:
        """Create the table of which this plan is a selection of columns, if it is one of results of functions.

        Return whether it is such a selection.
        """
        from ._partition_inputs import is_selection

        deferred = self._client._connection.deferred
        name = self._rows.persisted
        if name is None or name not in deferred or not is_selection(self):
            return False
        deferred.create(name)
        return True

    def _persist_rows(
        self, partitions: int | None = None, splits: Sequence[str] | None = None
    ) -> tuple[Rows, tuple[Level, ...]]:
        """Create a persisted table of the rows, partitioned as they are, into a number of partitions, or at values of the first sort key."""
        name = new_table_name()
        parts, query = self._persisted_query()
        connection = self._client._connection
        divisions = None
        if splits is None and partitions in (None, self._rows.partitions) and self._rows.persisted is None:
            divisions = kept_divisions(self)
        if divisions is not None:
            partitions, splits = None, [format_split(label) for label in divisions[1:-1]]
        elif partitions is None and splits is None and not self._rows.physical:
            # Sorted rows have as many partitions as before.
            partitions = self._rows.partitions
        with connection.release_on_error(name):
            connection.query(wire.create_table(name, query, partitions=partitions, splits=splits))
            count = connection.table(name)["partitions"]
        rows, levels = self._rows_of_table(name, parts, count)
        if divisions is not None:
            rows.divisions, rows.divided_by = divisions, levels[0].expr
        return rows, levels

    def _persisted_query(self) -> tuple[list[Named], Relation]:
        """Return the columns of a persisted table of the rows, and its relation."""
        rows = self._rows
        # A sort key that is already a column of the table needs no hidden column.
        parts = self._ordered_parts(rows)
        query = rows.project(parts)
        if rows.order:
            # If the rows are already in this order, this tells the cluster so without sorting them again.
            return parts, Sorting(query, self._order_over(query, rows))
        return parts, query

    def _rows_of_table(self, name: str, parts: list[Named], count: int) -> tuple[Rows, tuple[Level, ...]]:
        """Return the rows of a persisted table with these columns and its number of partitions, and their index."""
        rows = self._rows
        # The table keeps the order of the query.
        table = Table(name, {name: rows.known_type(expr) for name, expr in parts})
        order = self._order_over(table, rows)
        persisted = Rows(rows.client, table, order, bool(order), count)
        persisted.persisted = name
        release_after(rows.client, name, persisted.identity)
        levels = tuple(level._replace(expr=table.column(f"{INDEX}{at}")) for at, level in enumerate(self._index))
        persisted.labels = self._labels_over(levels)
        # The table numbers the rows in their order.
        persisted.is_selection = rows.is_selection or rows.order != rows.numbers
        return persisted, levels

    def _labels_over(self, index: tuple[Level, ...]) -> Labels | None:
        """Return what is known of the labels, for the index over another relation."""
        known = self._rows.labels
        if known is None or known.levels != tuple(level.expr for level in self._index):
            return None
        return known._replace(levels=tuple(level.expr for level in index))

    @property
    def npartitions(self) -> int:
        """The number of partitions if known, otherwise the number of slots of the cluster."""
        if self._rows.partitions is not None:
            return self._rows.partitions
        return max(sum(self._client.nthreads().values()), 1)

    @property
    def known_divisions(self) -> bool:
        """Whether the rows are known to be sorted by their index."""
        rows = self._rows
        return bool(self._index and rows.order) and not rows.is_undivided and rows.order[0].expr is self._index[0].expr

    def enforce_runtime_divisions(self: P) -> P:
        """Return the plan itself: divisions that are known are those of the rows."""
        if not self.known_divisions:
            raise ValueError("enforce_runtime_divisions() requires known divisions; use set_index or sort_index first")
        return self

    def clear_divisions(self: P) -> P:
        """Return the same rows with divisions that are not known, as in Dask."""
        made = copy.copy(self)
        made._rows = copy.copy(self._rows)
        made._rows.is_undivided = True
        made._rows.divisions = None
        return made

    @trim_traceback
    def __len__(self) -> int:
        return int(self._rows.values([aggregate("count_rows")]).column(0)[0].as_py())

    @property
    def empty(self) -> bool:
        """Whether there are no rows. This runs a query."""
        return len(self) == 0
