"""Relations: frozen nodes of rows with named, typed columns.

A relation that is used several times is the same object each time. Relations are compared by identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from .dtype import DType, refuse_mixed, united_type
from .expr import Column, Expr, SortKey
from .graph import in_postorder

__all__ = [
    "Distinct",
    "Files",
    "Filter",
    "Grouping",
    "Join",
    "Named",
    "Projection",
    "Query",
    "Relation",
    "Sorting",
    "Table",
    "Union",
    "Values",
    "expressions_of",
    "postorder",
    "with_expressions",
    "with_inputs",
]


class Named(NamedTuple):
    """An expression and the name of the column that it becomes."""

    name: str
    expr: Expr


class Relation:
    """Rows.

    Attributes
    ----------
    inputs : tuple of Relation
        The relations that it reads.
    schema : mapping of str to type, or None
        The columns. None if only the cluster knows them.
    order : tuple of SortKey
        The order in which it returns its rows; empty if that is undefined.
    """

    __slots__ = ("__weakref__", "inputs", "order", "schema")

    inputs: tuple[Relation, ...]
    schema: Mapping[str, DType] | None
    order: tuple[SortKey, ...]

    def __init__(
        self,
        inputs: Sequence[Relation],
        schema: Mapping[str, DType] | None,
        order: Sequence[SortKey] = (),
        **fields: Any,
    ) -> None:
        values = {
            "inputs": tuple(inputs),
            "schema": None if schema is None else MappingProxyType(dict(schema)),
            "order": tuple(order),
            **fields,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def column(self, name: str) -> Column:
        """Return a column.

        Raises
        ------
        KeyError
            If the relation has no such column.
        """
        if self.schema is None:
            return Column(name)
        if name not in self.schema:
            raise KeyError(f"internal error: no column {name!r}; columns: {', '.join(self.schema)}")
        return Column(name, self.schema[name])

    def __str__(self) -> str:
        from .text import tree

        return tree(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


def _of(columns: Sequence[Named]) -> dict[str, DType]:
    return {name: expr.dtype for name, expr in columns}


class Table(Relation):
    """A table of the catalog, such as a persisted one."""

    __slots__ = ("name",)

    name: str

    def __init__(self, name: str, schema: Mapping[str, DType] | None = None, order: Sequence[SortKey] = ()) -> None:
        super().__init__((), schema, order, name=name)


class Files(Relation):
    """Files: a path, or a request with the paths and the options of their reader."""

    __slots__ = ("request",)

    request: str

    def __init__(self, request: str, schema: Mapping[str, DType] | None = None) -> None:
        super().__init__((), schema, request=request)


class Query(Relation):
    """A query in SQL that a user wrote."""

    __slots__ = ("sql",)

    sql: str

    def __init__(self, sql: str, schema: Mapping[str, DType] | None = None) -> None:
        super().__init__((), schema, sql=sql)


class Values(Relation):
    """Rows of literals."""

    __slots__ = ("rows",)

    rows: tuple[tuple[Expr, ...], ...]

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[Expr]]) -> None:
        kinds = {name: rows[0][at].dtype if rows else None for at, name in enumerate(names)}
        super().__init__((), kinds, rows=tuple(map(tuple, rows)))


class Projection(Relation):
    """Expressions over each row."""

    __slots__ = ("columns",)

    columns: tuple[Named, ...]

    def __init__(self, rows: Relation, columns: Sequence[Named]) -> None:
        super().__init__((rows,), _of(columns), columns=tuple(columns))


class Filter(Relation):
    """The rows for which all conditions are true."""

    __slots__ = ("conditions",)

    conditions: tuple[Expr, ...]

    def __init__(self, rows: Relation, conditions: Sequence[Expr]) -> None:
        super().__init__((rows,), rows.schema, rows.order, conditions=tuple(conditions))


class Grouping(Relation):
    """One row for each distinct combination of keys, with reductions of its rows; without keys, one row."""

    __slots__ = ("cells", "keys")

    keys: tuple[Named, ...]
    cells: tuple[Named, ...]

    def __init__(self, rows: Relation, keys: Sequence[Named], cells: Sequence[Named]) -> None:
        refuse_mixed([expr.dtype for _, expr in keys], "group by")
        super().__init__((rows,), _of([*keys, *cells]), keys=tuple(keys), cells=tuple(cells))


class Distinct(Relation):
    """The distinct rows."""

    __slots__ = ()

    def __init__(self, rows: Relation) -> None:
        refuse_mixed((rows.schema or {}).values(), "find distinct rows of")
        super().__init__((rows,), rows.schema)


class Sorting(Relation):
    """The rows in an order, or the first ones in it."""

    __slots__ = ("limit",)

    limit: int | None

    def __init__(self, rows: Relation, order: Sequence[SortKey], limit: int | None = None) -> None:
        refuse_mixed([key.expr.dtype for key in order], "sort by")
        super().__init__((rows,), rows.schema, order, limit=limit)


class Join(Relation):
    """A join of two relations without common names of columns.

    Attributes
    ----------
    how : {"inner", "left", "right", "outer", "cross", "leftsemi", "leftanti"}
        Its type.
    keys : tuple of pairs of Expr
        Expressions of both sides that must be equal; missing values equal each other.
    """

    __slots__ = ("how", "keys")

    how: str
    keys: tuple[tuple[Expr, Expr], ...]

    def __init__(self, left: Relation, right: Relation, how: str, keys: Sequence[tuple[Expr, Expr]]) -> None:
        schema: dict[str, DType] | None = None
        refuse_mixed([expr.dtype for pair in keys for expr in pair], "merge by")
        if left.schema is not None and right.schema is not None:
            common = set(left.schema) & set(right.schema)
            if common:
                raise ValueError(f"internal error: both sides of a join have columns {sorted(common)}")
            schema = dict(left.schema) if how in ("leftsemi", "leftanti") else {**left.schema, **right.schema}
        super().__init__((left, right), schema, how=how, keys=tuple(keys))


class Union(Relation):
    """The rows of several relations with the same names of columns, one after the other."""

    __slots__ = ()

    def __init__(self, parts: Sequence[Relation]) -> None:
        schemas = [part.schema for part in parts]
        schema: dict[str, DType] | None = None
        first = schemas[0]
        if first is not None and None not in schemas:
            schema = {}
            for at, name in enumerate(first):
                schema[name] = united_type([list(one.values())[at] for one in schemas if one is not None])
        super().__init__(parts, schema)


def postorder(roots: Sequence[Relation]) -> Iterator[Relation]:
    """Return each distinct relation once, after its inputs."""
    return in_postorder(roots, lambda node: node.inputs)


def expressions_of(node: Relation) -> list[Expr]:
    """Return the expressions of a relation."""
    if isinstance(node, Projection):
        return [expr for _, expr in node.columns]
    if isinstance(node, Filter):
        return list(node.conditions)
    if isinstance(node, Grouping):
        return [expr for _, expr in (*node.keys, *node.cells)]
    if isinstance(node, Sorting):
        return [key.expr for key in node.order]
    if isinstance(node, Join):
        return [expr for pair in node.keys for expr in pair]
    return [expr for row in node.rows for expr in row] if isinstance(node, Values) else []


def with_inputs(node: Relation, inputs: Sequence[Relation]) -> Relation:
    """Return the same operation of other inputs."""
    if all(a is b for a, b in zip(inputs, node.inputs)):
        return node
    if isinstance(node, Projection):
        return Projection(inputs[0], node.columns)
    if isinstance(node, Filter):
        return Filter(inputs[0], node.conditions)
    if isinstance(node, Grouping):
        return Grouping(inputs[0], node.keys, node.cells)
    if isinstance(node, Sorting):
        return Sorting(inputs[0], node.order, node.limit)
    if isinstance(node, Join):
        return Join(inputs[0], inputs[1], node.how, node.keys)
    return Distinct(inputs[0]) if isinstance(node, Distinct) else Union(inputs)


def with_expressions(node: Relation, change: Callable[[Sequence[Expr]], list[Expr]]) -> Relation:
    """Return the same operation with changed expressions."""

    def named(columns: Sequence[Named]) -> list[Named]:
        return [Named(name, expr) for (name, _), expr in zip(columns, change([expr for _, expr in columns]))]

    if isinstance(node, Projection):
        return Projection(node.inputs[0], named(node.columns))
    if isinstance(node, Filter):
        return Filter(node.inputs[0], change(node.conditions))
    if isinstance(node, Grouping):
        return Grouping(node.inputs[0], named(node.keys), named(node.cells))
    if isinstance(node, Sorting):
        keys = change([key.expr for key in node.order])
        order = [SortKey(expr, *key.way) for expr, key in zip(keys, node.order)]
        return Sorting(node.inputs[0], order, node.limit)
    if isinstance(node, Join):
        sides = [change([pair[side] for pair in node.keys]) for side in (0, 1)]
        left, right = node.inputs
        return Join(left, right, node.how, list(zip(*sides)))
    if isinstance(node, Values):
        return Values(list(node.schema or ()), [change(row) for row in node.rows])
    return node
