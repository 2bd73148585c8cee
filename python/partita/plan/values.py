"""Values of other relations in expressions, as columns of a joined row.

As a subquery in an expression, each value would be a join of its own, with either side collected in one task. Here the values
of an operation are one row, which every task gets, and the reductions of the same rows are computed together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .expr import Aggregate, Column, Expr, PythonCall, Subquery, postorder
from .relation import (
    Filter,
    Grouping,
    Join,
    Named,
    Projection,
    Relation,
    Sorting,
    with_expressions,
    with_inputs,
)
from .rewrite import replaced, subqueries_of, with_subqueries

__all__ = ["with_joined_values"]

#: Prefix of the columns of values, followed by a number.
VALUE = "__value_"
#: Prefix of the columns of aggregates that are combined with values, followed by a number.
AGGREGATE = "__aggregate_"


def with_joined_values(root: Relation) -> Relation:
    """Return a relation that reads the values of other relations as columns of a row that is joined to its rows."""
    made: dict[Relation, Relation] = {}
    for node in with_subqueries(root):
        same = with_inputs(node, [made[one] for one in node.inputs])
        made[node] = _joined(same, made)
    return made[root]


def _joined(node: Relation, known: Mapping[Relation, Relation]) -> Relation:
    """Return an operation over its rows joined with the values of relations."""
    values = subqueries_of(node)
    if not values:
        return node
    if isinstance(node, Grouping) and any(isinstance(one, Subquery) for one in _outside(node)):
        return _joined(_above(node, known), known)
    if not isinstance(node, (Projection, Filter, Grouping, Sorting)):
        raise TypeError(f"internal error: {type(node).__name__} cannot use values of other relations")
    (rows,) = node.inputs
    row, columns = _row(values, [known[one.relation] for one in values])
    wide = with_inputs(node, [Join(row, rows, "cross", ())])
    made = with_expressions(wide, lambda roots: replaced(roots, columns))
    if isinstance(node, (Projection, Grouping)):
        return made
    if rows.schema is None:
        raise TypeError("internal error: a condition with values of other relations needs the columns of its rows")
    return Projection(made, [Named(name, rows.column(name)) for name in rows.schema])


def _outside(node: Grouping) -> list[Expr]:
    """Return the parts of the cells of groups down to their aggregates."""
    return list(postorder([expr for _, expr in node.cells], lambda one: isinstance(one, (Aggregate, PythonCall))))


def _above(node: Grouping, known: Mapping[Relation, Relation]) -> Projection:
    """Return groups whose aggregates are combined with values of other relations after the grouping."""
    aggregates = [one for one in _outside(node) if isinstance(one, Aggregate)]
    named = [Named(f"{AGGREGATE}{number}", one) for number, one in enumerate(aggregates)]
    groups = Grouping(node.inputs[0], node.keys, named)
    columns: dict[Expr, Expr] = {expr: groups.column(name) for name, expr in [*node.keys, *named]}
    cells = replaced([expr for _, expr in node.cells], columns)
    keys = [Named(name, groups.column(name)) for name, _ in node.keys]
    made = [Named(name, expr) for (name, _), expr in zip(node.cells, cells)]
    return Projection(_joined(groups, known), [*keys, *made])


def _row(values: Sequence[Subquery], relations: Sequence[Relation]) -> tuple[Relation, dict[Expr, Expr]]:
    """Return a relation of one row with the values, and their columns."""
    cells: dict[Relation, list[Named]] = {}
    columns: dict[Expr, Expr] = {}
    for number, (value, relation) in enumerate(zip(values, relations)):
        name = f"{VALUE}{number}"
        columns[value] = Column(name, value.dtype)
        if isinstance(relation, Grouping) and not relation.keys:
            (cell,) = relation.cells
            cells.setdefault(relation.inputs[0], []).append(Named(name, cell.expr))
        else:
            ((own, kind),) = (relation.schema or {}).items()
            cells[Projection(relation, [Named(name, Column(own, kind))])] = []
    parts = [Grouping(rows, (), reduced) if reduced else rows for rows, reduced in cells.items()]
    made = parts[0]
    for part in parts[1:]:
        made = Join(part, made, "cross", ())
    return made, columns
