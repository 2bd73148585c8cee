"""Python functions of the values of rows, whose results are columns of the same rows.

The relation of the rows with such columns is a deferred table: when a statement first reads it, the rows are persisted, calls add the column to each partition, and upload
it as a partition of the table.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._deferred import DeferredTable
from .._frame_functions import fetch_partition, worker_connection
from .._functions import function_name
from .._tasks import Task
from ..base import is_synchronous, run_nodes
from ..plan import wire
from ..plan.expr import PythonCall
from ..plan.relation import Named, Projection, Relation, Sorting, Table
from ..utils import no_default
from ._base import Plan
from ._columns import Column, keyed_columns
from ._meta import Meta, as_pandas
from ._partition_inputs import meta_of, outline_of, plan_of_outline
from ._partition_results import run_calls, upload_results
from ._rows import Rows, new_table_name, release_after
from ._warnings import warn_of_inference

if TYPE_CHECKING:
    from ._array_columns import Blocks
from ._sql import any_value

__all__ = ["ColumnCall", "apply_rows", "call_rows", "called_relation", "map_values"]

_numbers = itertools.count(1)
#: Prefix of the columns with the arguments of functions.
_ARGUMENT = "__argument_"


class ColumnCall:
    """A function of the rows of a plan.

    Parameters
    ----------
    plan : Plan
        What the function gets: a frame or a column.
    function : callable
        Takes a pandas object, and returns one with as many rows.
    meta : Meta
        The columns and types of its results.
    name : str
        Name of the calls.
    blocks : Blocks, optional
        An array with a value for each row, in their order, of which each call gets the values of its rows.
    """

    def __init__(
        self, plan: Any, function: Callable[..., Any], meta: Meta, name: str, blocks: Blocks | None = None
    ) -> None:
        self.number = next(_numbers)
        self.inputs = [expr for _, expr in [*plan._levels(), *plan._selected()]]
        self.outline = outline_of(plan)
        self.function = function
        self.meta = meta
        self.name = name
        self.blocks = blocks
        self.order = plan._rows.over()["order"] if blocks is not None else ()

    def results(self) -> list[Named]:
        """Return the columns of the results, with their names in the relation of the rows."""
        kinds = [self.meta.schema.field(f"c{at}").type for at in range(len(self.meta.empty.columns))]
        names = [f"__call_{self.number}_{at}" for at in range(len(kinds))]
        return [Named(name, PythonCall(self, name, self.inputs, kind)) for name, kind in zip(names, kinds)]


def call_rows(
    plan: Any, function: Callable[..., Any], meta: Any, name: str, blocks: Blocks | None = None, method: str = ""
) -> Any:
    """Return the column, or frame, of the results of a function over the rows of a plan.

    If the type of the results is inferred and `method` is given, users are warned that this method infers it.
    """
    if isinstance(meta, Plan):
        meta = meta._meta
    if meta is None or meta is no_default:
        described = _inferred(plan, function, name)
        if method:
            warn_of_inference(method, name, described)
    else:
        is_pandas = isinstance(meta, (pd.DataFrame, pd.Series))
        described = Meta.of(meta.reset_index(drop=True) if is_pandas else meta)
        if described.is_series and not is_pandas and not isinstance(meta, tuple):
            # A type has no name.
            described.name = getattr(plan, "name", None)
        described = described.with_object_types(lambda: _as_series(function(meta_of(plan, 2))))
    call = ColumnCall(plan, function, described, name, blocks)
    rows = plan._rows.with_call(call)
    cells = [Column(expr, origin) for (_, expr), origin in zip(call.results(), described.origins())]
    from ._frame import DataFrame
    from ._series import Index, Series

    if described.is_series:
        (cell,) = cells
        if isinstance(plan, Index):
            return Index(rows, cell.expr, described.name, (), cell.origin)
        return Series(rows, cell.expr, described.name, plan._index, cell.origin)
    labels = described.empty.columns
    return DataFrame(rows, keyed_columns(zip(labels, cells)), plan._index, labels[:0])


def _inferred(plan: Any, function: Callable[[Any], Any], name: str) -> Meta:
    try:
        result = function(meta_of(plan, 2))
    except Exception as error:
        raise ValueError(
            f"cannot infer the type that {name} returns: it raised {type(error).__name__}: {error} for two rows of made-up "
            "values; give it with meta="
        ) from error
    return Meta(as_pandas(_as_series(result), name).reset_index(drop=True)).with_types_of([plan])


def _as_series(result: Any) -> Any:
    """Return an index, which functions of an index return, as a series."""
    return result.to_series().reset_index(drop=True) if isinstance(result, pd.Index) else result


# The relation.


def called_relation(rows: Rows, calls: Sequence[ColumnCall]) -> Relation:
    """Return the relation of rows with the results of functions."""
    *earlier, call = calls
    inner = called_relation(rows, earlier) if earlier else rows.relation
    known = rows.identity.tables
    if (inner, call) not in known:
        table = new_table_name()
        relation = _Relation(rows.client, table, inner, call)
        rows.client._connection.deferred.add(table, DeferredTable(relation.stand_in(), relation.create))
        release_after(rows.client, table, rows.identity)
        known[inner, call] = relation.table
    found: Relation = known[inner, call]
    return found


class _Relation:
    """Rows with the results of a function, which become a table."""

    def __init__(self, client: Any, name: str, rows: Relation, call: ColumnCall) -> None:
        self._client = client
        self._name = name
        self._results = call.results()
        if rows.schema is None:
            found = client._connection.schema(wire.rows(rows))
            columns = {field.name: field.type for field in found}
        else:
            columns = dict(rows.schema)
        self._columns = [Named(name, rows.column(name)) for name in columns]
        self.table = Table(name, {**columns, **{name: expr.dtype for name, expr in self._results}})
        arguments = {expr: f"{_ARGUMENT}{at}" for at, expr in enumerate(dict.fromkeys(call.inputs))}
        self._arguments = list(arguments.values())
        self._rows = rows
        given = [Named(name, expr) for expr, name in arguments.items()]
        self._given: Relation = Projection(rows, [*self._columns, *given])
        if call.order:
            # The values of an array belong to the rows in this order.
            self._given = Sorting(self._given, call.order)
        self._call = call
        outputs = {at: name for at, (name, _) in enumerate(self._results)}
        self._step = _Step(call, [arguments[expr] for expr in call.inputs], outputs)

    def stand_in(self) -> Relation:
        """Return a relation with the columns of the table, whose rows do not matter."""
        empty = [Named(name, any_value(expr.dtype)) for name, expr in self._results if expr.dtype is not None]
        return Projection(self._rows, [*self._columns, *empty])

    def create(self) -> None:
        """Persist the rows, run the functions, and create the table of the rows with their results."""
        connection = self._client._connection
        source = new_table_name()
        try:
            connection.query(wire.create_table(source, self._given))
            count = int(connection.table(source)["partitions"])
            function = _Partition(self._step, self._arguments, connection.session, source)
            if is_synchronous():
                function.connection = connection
            blocks = self._blocks(function, count)
            nodes = run_calls(
                self._client, [Task(function, (at, *blocks[at]), None, self._step.name) for at in range(count)]
            )
            scheduler = None if is_synchronous() else self._client
            schema = run_nodes([Task(_schema_of, (nodes[0],), None, "schema")], scheduler)[0]
            upload_results(self._client, self._name, nodes, schema)
        finally:
            connection.release(source)

    def _blocks(self, function: _Partition, count: int) -> list[tuple[Any, ...]]:
        """Return the further arguments of each call."""
        call = self._call
        if call.blocks is None:
            return [()] * count
        sizes: list[int] = []
        if call.blocks.needs_sizes:
            scheduler = None if is_synchronous() else self._client
            sizes = run_nodes([Task(function.count_rows, (at,), None, "count_rows") for at in range(count)], scheduler)
        return [(one,) for one in call.blocks.split(count, sizes)]


def _schema_of(table: pa.Table) -> pa.Schema:
    return table.schema


class _Step:
    """A function, the columns of its arguments, and the names of the columns of its results."""

    def __init__(self, call: ColumnCall, inputs: list[str], outputs: dict[int, str]) -> None:
        self.name = call.name
        self.function = call.function
        self.outline = call.outline
        self.meta = call.meta
        self.inputs = inputs
        self.outputs = outputs

    def fields(self) -> list[pa.Field]:
        """Return the fields of the results."""
        return [pa.field(name, self.meta.schema.field(f"c{at}").type) for at, name in sorted(self.outputs.items())]

    def columns(self, rows: pa.Table, number: int, *blocks: Any) -> list[Any]:
        """Return the results for a partition."""
        if not rows.num_rows and not any(map(len, blocks)):
            return [pa.chunked_array([], field.type) for field in self.fields()]
        plan = plan_of_outline(self.outline)
        names = plan._names()
        given = (
            rows.select(self.inputs).rename_columns(names) if self.inputs else pa.table({names[0]: [1] * rows.num_rows})
        )
        result = as_pandas(_as_series(self.function(plan._to_pandas(given), *blocks)), f"partition {number}")
        if len(result) != rows.num_rows:
            raise ValueError(f"partition {number}: {self.name} returned {len(result)} values for {rows.num_rows} rows")
        table = self.meta.convert(result.reset_index(drop=True), number)
        return [table.column(f"c{at}") for at in sorted(self.outputs)]


class _Partition:
    """The function of the calls that add columns to the partitions of a table."""

    #: The connection of the calling thread, if the calls run there.
    connection: Any = None

    def __init__(self, step: _Step, arguments: list[str], session: str, source: str) -> None:
        self.step = step
        self.arguments = arguments
        self.session = session
        self.source = source
        self.__name__ = step.name

    def _fetch(self, number: int) -> pa.Table:
        return fetch_partition(self.connection or worker_connection(self.session), self.source, number)

    def count_rows(self, number: int) -> int:
        """Return the number of rows of a partition."""
        return int(self._fetch(number).num_rows)

    def __call__(self, number: int, *blocks: Any) -> pa.Table:
        rows = self._fetch(number)
        made = rows.drop_columns(self.arguments) if self.arguments else rows
        for field, column in zip(self.step.fields(), self.step.columns(rows, number, *blocks)):
            made = made.append_column(field, column)
        return made


# The functions.


class _Map:
    def __init__(self, function: Callable[..., Any], na_action: Any) -> None:
        self.function = function
        self.na_action = na_action

    def __call__(self, values: pd.Series) -> Any:
        return values.map(self.function, na_action=self.na_action)


class _Apply:
    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs

    def __call__(self, values: Any) -> Any:
        return values.apply(self.function, args=self.args, **self.kwargs)


def map_values(column: Any, function: Callable[..., Any], na_action: Any, meta: Any) -> Any:
    """Call a function with each value of a column."""
    return call_rows(column, _Map(function, na_action), meta, function_name(function), method="map")


def apply_rows(plan: Any, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], meta: Any) -> Any:
    """Call a function with each row of a frame, or with each value of a column."""
    if not callable(function):
        raise TypeError(f"apply() takes a function, not {type(function).__name__}")
    return call_rows(plan, _Apply(function, tuple(args), kwargs), meta, function_name(function), method="apply")
