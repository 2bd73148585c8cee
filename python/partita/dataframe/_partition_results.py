"""Results of calls of Python functions as frames.

Each call converts its result to rows, and another one uploads them to a worker as a partition of a table. The table is
deferred: the calls run when a statement first reads it.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from .._client import Client, current_client
from .._deferred import DeferredTable
from .._errors import PartitaError
from .._frame_functions import upload_partition
from .._tasks import Task
from ..base import is_synchronous, persist_nodes, run_nodes
from ..plan.expr import SortKey
from ..plan.relation import Named, Projection, Relation, Table, Values
from ._base import Level
from ._columns import Column, keyed_columns, origin_of, regularity_of
from ._frame import DataFrame
from ._io import _levels, _order
from ._meta import POSITION, POSITION_BITS, Meta, as_pandas
from ._partition_inputs import Inputs, argument_of
from ._partitions import divide
from ._rows import Rows, new_table_name, release_after
from ._sql import INDEX, any_value

__all__ = [
    "Conversion",
    "Results",
    "call_partitions",
    "check_divisions",
    "convert_part",
    "describe",
    "frame_of_parts",
    "run_calls",
    "upload_results",
    "without_categories",
]

#: Attempts to upload partitions to workers, which may leave meanwhile.
UPLOAD_ATTEMPTS_MAX = 3


class Results:
    """The calls whose results are the partitions of a table, and how they become it."""

    def __init__(
        self,
        client: Client,
        name: str,
        meta: Meta,
        divisions: tuple[Any, ...] | None = None,
        starts: Sequence[Any] | None = None,
    ) -> None:
        self.client = client
        self.name = name
        self.meta = meta
        self.divisions = divisions
        #: The first possible index label of each partition.
        self.starts = starts if divisions is None else divisions[:-1]
        index = meta.empty.index
        kind = meta.schema.types[0]
        is_sorted = self.starts is not None and _order(index, kind, [0, 0])[0] == (INDEX + "0",)
        self.order = (INDEX + "0", POSITION) if is_sorted else (POSITION,)
        #: The calls, and the results of the first ones, from the first use until the table exists.
        self._tasks: list[Any] | None = None
        self._nodes: list[Any] = []
        self._lock = threading.Lock()

    def frame(self, make: Callable[[], list[Any]], count: int | None) -> Any:
        """Return the lazy frame, or column, of the results of tasks that a function returns."""
        client, meta = self.client, self.meta
        connection = client._connection
        rows = self._rows(self.name, count)
        rows.persisted = self.name
        known = weakref.ref(rows)

        def create() -> None:
            found = self.create(make)
            made = known()
            if made is not None:
                made.partitions = found

        def first(count: int) -> Rows | None:
            part = self.first(make, count)
            if part is None:
                connection.deferred.create(self.name)
            return part

        connection.deferred.add(self.name, DeferredTable(self._stand_in(), create, first))
        release_after(client, self.name, rows.identity)
        index = tuple(
            Level(label, rows.column(f"{INDEX}{at}"), origin_of(level.dtype), regularity_of(level))
            for at, (label, level) in enumerate(zip(meta.empty.index.names, _levels(meta.empty)))
        )
        cells = [Column(rows.column(f"c{at}"), origin) for at, origin in enumerate(meta.origins())]
        frame = DataFrame(rows, keyed_columns(zip(meta.empty.columns, cells)), index, meta.empty.columns[:0])
        if self.divisions is not None:
            divide(frame, self.divisions)
        return frame._column("v").rename(meta.name) if meta.is_series else frame

    def _stand_in(self) -> Relation:
        schema = self.meta.schema
        try:
            cells = [Named(field.name, any_value(field.type)) for field in schema]
            return Projection(Values((), ()), cells)
        except NotImplementedError:
            # A table without rows.
            name = new_table_name()
            self.client._connection.upload(name, [schema.empty_table()])
            release_after(self.client, name, self)
            return Table(name, dict(zip(schema.names, schema.types)))

    def create(self, make: Callable[[], list[Any]]) -> int:
        """Run the tasks and create the table of their results. Return the number of partitions."""
        nodes, _ = self._run(make, None)
        self._upload(self.name, nodes)
        self._tasks, self._nodes = None, []
        return len(nodes)

    def first(self, make: Callable[[], list[Any]], count: int) -> Rows | None:
        """Run the first calls, and return rows of a table of their results; None if these are all calls."""
        nodes, is_all = self._run(make, count)
        if is_all:
            return None
        name = new_table_name()
        self._upload(name, nodes)
        rows = self._rows(name, count)
        release_after(self.client, name, rows.identity)
        return rows

    def _run(self, make: Callable[[], list[Any]], count: int | None) -> tuple[list[Any], bool]:
        """Run the first calls that have not run, or all. Return the results, and whether they are all."""
        with self._lock:
            if self._tasks is None:
                self._tasks = make()
            missing = self._tasks[len(self._nodes) : count]
            if missing:
                try:
                    self._nodes += run_calls(self.client, missing)
                except BaseException:
                    # The next try must not find the calls that have failed.
                    self._tasks = None
                    raise
            is_all = len(self._nodes) == len(self._tasks)
            return self._nodes[: len(self._tasks) if count is None else count], is_all

    def _upload(self, name: str, nodes: list[Any]) -> None:
        upload_results(self.client, name, nodes, self.meta.schema, self.order, self._splits(len(nodes)))

    def _rows(self, name: str, count: int | None) -> Rows:
        schema = self.meta.schema
        table = Table(name, dict(zip(schema.names, schema.types)))
        return Rows(self.client, table, [SortKey(table.column(name)) for name in self.order], True, count)

    def _splits(self, count: int) -> pa.Table:
        """Return the values of the first sort key at which the partitions but the first begin."""
        field = self.meta.schema.field(self.order[0])
        if self.order[0] == POSITION:
            values = pa.array([at << POSITION_BITS for at in range(1, count)], pa.int64())
        else:
            values = pa.array(pd.Index((self.starts or ())[1:count]), from_pandas=True).cast(field.type)
        return pa.table([values], schema=pa.schema([field]))


def run_calls(client: Client, tasks: list[Any]) -> list[Any]:
    """Run tasks, and return their results, which stay on the workers."""
    scheduler = None if is_synchronous() else client
    nodes = persist_nodes(tasks, scheduler)
    # Errors of the functions are raised here.
    run_nodes([Task(_count_rows, (node,), None, "count_rows") for node in nodes], scheduler)
    return nodes


def upload_results(
    client: Client,
    name: str,
    nodes: list[Any],
    schema: pa.Schema,
    order: Sequence[str] = (),
    splits: pa.Table | None = None,
) -> None:
    """Create a table whose partitions are results of calls, which upload them from the workers."""
    connection = client._connection
    scheduler = None if is_synchronous() else client
    for attempt in range(UPLOAD_ATTEMPTS_MAX):
        try:
            job, addresses = connection.begin_upload(name, len(nodes))
            places = list(enumerate(addresses))
            if scheduler is None:
                for (at, address), table in zip(places, run_nodes(nodes, scheduler)):
                    connection.upload_partition(job, at, address, table)
            else:
                calls = [
                    Task(upload_partition, (node, job, at, address), None, "upload_partition")
                    for (at, address), node in zip(places, nodes)
                ]
                run_nodes(calls, scheduler)
            connection.end_upload(job, name, schema, order, splits)
            return
        except (PartitaError, OSError):
            # The functions have returned: a worker that would hold a partition is gone.
            if attempt + 1 == UPLOAD_ATTEMPTS_MAX:
                raise


def _count_rows(table: pa.Table) -> int:
    return int(table.num_rows)


class Conversion:
    """The function of the calls that check and convert the results of delayed values."""

    def __init__(self, meta: Meta, divisions: tuple[Any, ...] | None, name: str = "from_delayed") -> None:
        self.meta = meta
        self.divisions = divisions
        self.__name__ = name

    def __call__(self, number: int, result: Any) -> pa.Table:
        try:
            table = self.meta.convert(result, number)
        except ValueError as error:
            raise ValueError(f"Metadata mismatch found in `{self.__name__}`: {error}") from None
        return _checked_part(table, self.divisions, number, result)


def convert_part(meta: Meta, divisions: tuple[Any, ...] | None, number: int, result: Any) -> pa.Table:
    """Return a partition as rows of the table, after checking its columns, types and divisions."""
    return _checked_part(meta.convert(result, number), divisions, number, result)


def _checked_part(table: pa.Table, divisions: tuple[Any, ...] | None, number: int, result: Any) -> pa.Table:
    """Return the rows of a partition, after checking its divisions."""
    if divisions is not None and table.num_rows:
        _check_division(as_pandas(result, "").index, divisions, number)
    return table


def _check_division(index: pd.Index, divisions: tuple[Any, ...], number: int) -> None:
    low, high, is_last = divisions[number], divisions[number + 1], number + 2 == len(divisions)
    if index.hasnans or not index.is_monotonic_increasing:
        raise ValueError(
            f"partition {number}: its index must be sorted and have no missing labels, because of divisions="
        )
    if index[0] < low or index[-1] > high or (index[-1] == high and not is_last):
        raise ValueError(
            f"partition {number}: its index labels from {index[0]!r} to {index[-1]!r} are outside its divisions, which are "
            f"{low!r} to {high!r}"
        )


def check_divisions(divisions: Any, count: int) -> tuple[Any, ...] | None:
    """Return divisions that a user gave; None if they are not known."""
    if divisions is None:
        return None
    if isinstance(divisions, str):
        raise NotImplementedError(f"divisions={divisions!r} is not supported; give the labels, or use sort_index()")
    labels = tuple(divisions)
    if len(labels) != count + 1:
        raise ValueError(f"divisions must have {count + 1} labels for {count} partitions, not {len(labels)}")
    if any(label is None for label in labels):
        return None
    inner = labels[:-1]
    if any(a >= b for a, b in zip(inner, inner[1:])) or inner[-1] > labels[-1]:
        raise ValueError(f"divisions must be strictly increasing, not {list(labels)!r}")
    return labels


def without_categories(result: Any) -> Any:
    """Return a partition whose columns of categories have plain values."""
    if isinstance(result, pd.Series):
        return _values_of(result)
    if not isinstance(result, pd.DataFrame):
        return result
    columns = {
        at: _values_of(result.iloc[:, at])
        for at, dtype in enumerate(result.dtypes)
        if isinstance(dtype, pd.CategoricalDtype)
    }
    if not columns:
        return result
    parts = {at: columns.get(at, result.iloc[:, at]) for at in range(result.shape[1])}
    return pd.DataFrame(parts, index=result.index).set_axis(result.columns, axis=1)


def _values_of(column: pd.Series) -> pd.Series:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    # The code of a missing value is -1, which no category has.
    values = pd.Series(column.cat.categories).reindex(column.cat.codes.to_numpy())
    return values.set_axis(column.index).rename(column.name)


def describe(result: Any) -> Meta:
    return Meta(as_pandas(result, "partition 0"))


def describe_known(result: Any) -> Meta | None:
    """Describe a partition; None if a column has no categories, so that another partition has to describe it."""
    dtypes = result.dtypes if isinstance(result, pd.DataFrame) else [getattr(result, "dtype", None)]
    is_unknown = any(isinstance(dtype, pd.CategoricalDtype) and not len(dtype.categories) for dtype in dtypes)
    return None if is_unknown else describe(result)


def describe_first(nodes: list[Any], scheduler: Any) -> Meta:
    """Compute partitions, which are kept, up to the first one that describes its columns."""
    for at, node in enumerate(nodes):
        nodes[at] = persist_nodes([node], scheduler)[0]
        found: Meta | None = run_nodes([Task(describe_known, (nodes[at],), None, "describe")], scheduler)[0]
        if found is not None:
            return found
    first: Meta = run_nodes([Task(describe, (nodes[0],), None, "describe")], scheduler)[0]
    return first


def frame_of_parts(nodes: list[Any], counts: Sequence[int]) -> Any:
    """Return a persisted frame of results of calls, whose index counts from 0 over all partitions.

    Parameters
    ----------
    nodes : list of Future
        The results, which are pandas frames of one form.
    counts : sequence of int
        Their numbers of rows. Only a single partition may have none.
    """
    client = current_client()
    scheduler = None if is_synchronous() else client
    described: Meta = run_nodes([Task(describe, (nodes[0],), None, "describe")], scheduler)[0]
    starts = list(itertools.accumulate(counts, initial=0))[:-1]
    numbered = _Numbering(described)

    def make() -> list[Any]:
        return [
            Task(numbered, (at, node, start), None, "number") for at, (node, start) in enumerate(zip(nodes, starts))
        ]

    name = new_table_name()
    frame = Results(client, name, described, None, starts).frame(make, len(nodes))
    client._connection.deferred.create(name)
    return frame


class _Numbering:
    """The function of the calls that number the rows of partitions, and check and convert them."""

    def __init__(self, meta: Meta) -> None:
        self.meta = meta
        self.__name__ = "number"

    def __call__(self, number: int, part: Any, start: int) -> pa.Table:
        return self.meta.convert(part.set_axis(pd.RangeIndex(start, start + len(part)), axis=0), number)


def call_partitions(plans: Sequence[Any], meta: Meta, tasks: Callable[[list[Any], int], list[Any]]) -> Any:
    """Return the frame of results of calls over the partitions of frames.

    Parameters
    ----------
    plans : sequence of Plan
        The frames.
    meta : Meta
        The columns and types of the results.
    tasks : callable
        Takes what stands for the partitions of each frame in the arguments of calls, and the number of partitions. Returns
        the tasks.
    """
    inputs = Inputs(plans)

    def make() -> list[Any]:
        partitions, count, singles = inputs.persist()
        if singles:
            raise ValueError(f"frames with one partition and frames with {count} cannot be combined; use repartition")
        return tasks([argument_of(one) for one in partitions], count)

    return Results(plans[0]._client, new_table_name(), meta).frame(make, plans[0]._rows.partitions)
