"""The rows of a relation, over which a plan's expressions are evaluated.

Expressions over the same rows can be combined without a join.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from ..plan import wire
from ..plan.dtype import DType
from ..plan.expr import Column, Expr, PythonCall, SortKey, Trait, cast, postorder, window
from ..plan.relation import Grouping, Named, Projection, Relation, Sorting, Table
from ..plan.rewrite import distinct_keys, is_volatile
from ._sql import ROW

if TYPE_CHECKING:
    from .._client import Client
    from ._column_functions import ColumnCall

__all__ = [
    "Identity",
    "Labels",
    "Rows",
    "cells",
    "contains",
    "new_table_name",
    "place_of",
    "release_after",
    "typed_relation",
]

_numbers = itertools.count(1)
#: Reductions in one query.
VALUES_MAX = 1000


def new_table_name() -> str:
    """Return a name for a table that is unique in this session."""
    return f"__persisted_{next(_numbers)}"


def cells(expressions: Iterable[Expr]) -> list[Named]:
    """Return expressions as columns that are named by position: ``c0``, ``c1``."""
    return [Named(f"c{at}", expr) for at, expr in enumerate(expressions)]


def contains(expressions: Iterable[Expr], trait: int) -> bool:
    """Whether one of the expressions has a trait."""
    return any(one.traits & trait for one in expressions)


class Identity:
    """Identifies a set of rows."""

    #: The relation of the rows, if it gets columns as they are needed.
    relation: Any = None

    def __init__(self) -> None:
        #: Tables of the rows with results of Python functions, by the relation and the function.
        self.tables: dict[Any, Table] = {}
        #: The alignments in which these rows are on the left side.
        self.alignments: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()


class Labels(NamedTuple):
    """What is known of the labels of an index: the expressions of its levels, and whether these have the properties."""

    levels: tuple[Any, ...]
    is_unique: bool
    is_ascending: bool


class Rows:
    """The rows of a relation.

    Parameters
    ----------
    client : Client
        Client of the cluster.
    relation : Relation, optional
        The relation. By default that of the identity.
    order : sequence of SortKey
        Sort keys of the rows, most significant first. Empty if the order is undefined.
    physical : bool
        Whether the relation returns its rows in this order without a sort.
    partitions : int, optional
        Number of partitions, if known.
    identity : object, optional
        Identifies the set of rows. Rows with the same identity differ only in order and Python functions.
    keep : object, optional
        Rows whose tables this relation reads and which must not be released.
    calls : tuple of ColumnCall
        The Python functions of which expressions over the rows have used results, in the order of their creation.

    Attributes
    ----------
    persisted : str, optional
        Name of the persisted table, if the relation is exactly this table in its order.
    divisions : tuple, optional
        First label of each partition and last label of the last one, if known.
    divided_by : Expr, optional
        The labels of the divisions. Plans of these rows may have another index.
    """

    #: Set only at creation: derived relations have other rows, columns or another order.
    persisted: str | None = None
    divisions: tuple[Any, ...] | None = None
    divided_by: Expr | None = None
    #: Whether the divisions count as unknown, as a user demanded.
    is_undivided: bool = False
    #: For rows that a user called sorted by their index: the frame with only these labels, in the partitions that it has.
    presorted: Any = None
    #: For rows of files: the same relation over the last file only, whose rows are in the order of the file.
    last: Relation | None = None
    #: What is known of the labels.
    labels: Labels | None = None
    #: Whether some rows were left out, so that the rows of a frame without an index have other numbers than in pandas.
    is_selection = False
    #: For filtered rows: the unfiltered rows, the conditions, and the expressions of the columns over these rows.
    narrowed: tuple[Rows, tuple[Expr, ...], dict[str, Expr]] | None = None

    def __init__(
        self,
        client: Client,
        relation: Relation | None,
        order: Sequence[SortKey] = (),
        physical: bool = False,
        partitions: int | None = None,
        identity: object = None,
        keep: object = None,
        calls: tuple[ColumnCall, ...] = (),
    ) -> None:
        self.client = client
        self._relation = relation
        self.order = order
        #: The order in which the rows of a frame without an index are numbered: labels follow rows that are sorted.
        self.numbers = self.order
        self.physical = physical
        self.partitions = partitions
        self.identity: Any = identity or Identity()
        self.calls = calls
        self._keep = keep
        self._schema: pa.Schema | None = None
        self._types: dict[Expr, pa.DataType] = {}

    def with_changes(self, **changes: Any) -> Rows:
        """Return the same rows with some attributes changed: order, calls, relation or client."""
        made = Rows(
            self.client, self._relation, self.order, False, self.partitions, self.identity, self._keep, self.calls
        )
        made.last, made.numbers, made.is_selection = self.last, self.numbers, self.is_selection
        made.labels = self.labels
        # Another order has divisions of its own.
        made.is_undivided = self.is_undivided and "order" not in changes
        # Types that only the cluster knows are asked once.
        made._schema, made._types = self._schema if self._relation is not None else None, self._types
        for name, value in changes.items():
            setattr(made, name, value)
        if made.labels is not None and made.order != self.order:
            made.labels = made.labels._replace(is_ascending=False)
        return made

    @property
    def relation(self) -> Relation:
        """The relation."""
        found: Relation = self.identity.relation if self._relation is None else self._relation
        return found

    @relation.setter
    def relation(self, relation: Relation) -> None:
        self._relation = relation

    @property
    def order(self) -> tuple[SortKey, ...]:
        """The sort keys of the rows, without repeated expressions."""
        return self._order

    @order.setter
    def order(self, keys: Sequence[SortKey]) -> None:
        self._order = distinct_keys(keys)

    def column(self, name: str) -> Column:
        """Return a column of the relation."""
        return self.relation.column(name)

    # Queries.

    def under(self, expressions: Iterable[Expr]) -> Relation:
        """Return the relation for a query of expressions: with the results of the Python functions that they need.

        All earlier functions are called with these, also if this query does not need them, so that all queries read one
        table, and each function runs once.
        """
        if not self.calls:
            return self.relation
        needed = {node.function for node in postorder(expressions) if isinstance(node, PythonCall)}
        found = [at for at, one in enumerate(self.calls) if one in needed]
        if not found:
            return self.relation
        from ._column_functions import called_relation

        return called_relation(self, self.calls[: found[-1] + 1])

    def project(self, columns: Sequence[Named]) -> Relation:
        """Return the relation of expressions."""
        return Projection(self.under(expr for _, expr in columns), columns)

    def values(self, expressions: Sequence[Expr]) -> pa.Table:
        """Compute reductions of the rows, as a table of one row."""
        found: list[pa.Table] = [
            self.client._connection.query(wire.rows(one)) for one in self._value_queries(expressions)
        ]
        if len(found) == 1:
            return found[0]
        columns = [column for table in found for column in table.columns]
        return pa.table(columns, [name for name, _ in cells(expressions)])

    def explain_values(self, expressions: Sequence[Expr]) -> str:
        """Return the physical plans of the queries of reductions."""
        return "\n".join(map(self.explain, self._value_queries(expressions)))

    def _value_queries(self, expressions: Sequence[Expr]) -> list[Relation]:
        """Return the relations of reductions of the rows: a single one, unless there are many and all read the same rows."""
        relation = self.under(expressions)
        size = len(expressions) if is_volatile(relation) else VALUES_MAX
        parts = [expressions[at : at + size] for at in range(0, len(expressions), max(size, 1))] or [expressions]
        return [Grouping(relation, (), cells(part)) for part in parts]

    def explain(self, relation: Relation) -> str:
        """Return the physical plan of a relation, one line per operator."""
        table = self.client._connection.query(wire.explain(relation))
        texts = [column.to_pylist() for column in table.columns]
        return "\n".join("\n".join(str(cell) for cell in row) for row in zip(*texts))

    def is_sorted_for(self, expressions: Iterable[Expr]) -> bool:
        """Whether a query of expressions returns the rows in their order without a sort.

        Window functions repartition the rows, and the values of other rows are joined to them.
        """
        return self.physical and not contains(expressions, Trait.WINDOW | Trait.SUBQUERY)

    # Python functions and other rows.

    def with_call(self, call: ColumnCall) -> Rows:
        """Return the rows after another Python function was called with them."""
        return self.with_changes(calls=(*self.calls, call))

    @property
    def is_group(self) -> bool:
        """Whether these stand for the rows of each group, in a function for each group."""
        return getattr(self.client, "of_group", None) is not None

    @property
    def cluster(self) -> Client:
        """The client that computes the rows."""
        found: Client = getattr(self.client, "of_group", None) or self.client
        return found

    def is_same_as(self, other: Rows) -> bool:
        """Whether these are the same rows: those of a group, in a function for each group, differ from those of the frame."""
        return self.identity is other.identity and self.client is other.client

    def combine(self, other: Rows) -> Rows:
        """Return the rows for expressions over both.

        Raises
        ------
        NotImplementedError
            If the rows are not the same.
        """
        if self.identity is not other.identity:
            raise NotImplementedError(
                "this operation does not match the rows of different frames by their index; assign the column first, or use "
                "merge or join"
            )
        if other.is_group and not self.is_group:
            # Columns of all rows are used for those of the group.
            return other.combine(self)
        if self is other or self.calls == other.calls:
            return self
        calls = tuple(sorted({*self.calls, *other.calls}, key=lambda one: one.number))
        return self.with_changes(calls=calls, physical=self.physical and other.physical)

    # Types.

    @property
    def schema(self) -> pa.Schema:
        """The schema of the relation."""
        if self._schema is None:
            known = self.relation.schema
            if known is not None and None not in known.values():
                self._schema = pa.schema(list(known.items()))
            else:
                self._schema = self.client._connection.schema(wire.rows(self.relation))
                self._types.update({self.column(field.name): field.type for field in self._schema})
        return self._schema

    def type(self, expression: Expr) -> pa.DataType:
        """Return the type of an expression over the rows."""
        kind = self.known_type(expression)
        return self.types([expression])[0] if kind is None else kind

    def known_type(self, expression: Expr) -> DType:
        """Return the type of an expression if no request to the cluster is needed for it."""
        return expression.dtype if expression.dtype is not None else self._types.get(expression)

    def types(self, expressions: Sequence[Expr]) -> list[pa.DataType]:
        """Return the types of expressions, with at most one request to the cluster."""
        unknown = [one for one in dict.fromkeys(expressions) if self.known_type(one) is None]
        if unknown:
            made = Grouping if contains(unknown, Trait.AGGREGATE) else None
            relation = self.under(unknown)
            query = Projection(relation, cells(unknown)) if made is None else made(relation, (), cells(unknown))
            found = self.client._connection.schema(wire.rows(query))
            self._types.update(zip(unknown, found.types))
        return [self.type(one) for one in expressions]

    def over(self, partition: Sequence[Expr] = (), backwards: bool = False) -> dict[str, Any]:
        """Return the arguments of a window in the order of the rows, or in reverse order.

        Raises
        ------
        NotImplementedError
            If the order of the rows is undefined.
        """
        if not self.order:
            raise NotImplementedError(
                "the row order of this frame is undefined, e.g. because it was read from files; "
                "use sort_values or set_index first"
            )
        order = [key.reverse for key in self.order] if backwards else self.order
        return {"partition": partition, "order": order}

    def first(self, count: int) -> Relation:
        """Return the first rows of the relation."""
        return Sorting(self.relation, self.order, count)


def place_of(rows: Rows) -> Expr:
    """Return the place of each row in the order of the rows, from 0."""
    if len(rows.order) == 1 and rows.order[0] == SortKey(Column(ROW, pa.int64())):
        return rows.order[0].expr
    return cast(window("row_number", **rows.over()), pa.int64()) - 1


def typed_relation(client: Client, relation: type[Relation], argument: str) -> Relation:
    """Return a relation with its schema, which the cluster is asked for."""
    made: Any = relation
    schema = client._connection.schema(wire.rows(made(argument)))
    opened: Relation = made(argument, dict(zip(schema.names, schema.types)))
    return opened


def release_after(client: Client, name: str, owner: object) -> None:
    """Release a persisted table as soon as `owner` is garbage collected."""
    connection = client._connection
    weakref.finalize(owner, connection.release, name)
