"""Rewriting of expressions: as trees, never as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from .expr import Call, Column, Expr, Literal, PythonCall, SortKey, Subquery, Trait, Window, postorder
from .graph import in_postorder
from .relation import Named, Projection, Query, Relation, Table, expressions_of, with_expressions, with_inputs

__all__ = [
    "columns_of",
    "distinct_keys",
    "is_volatile",
    "plain_condition",
    "replaced",
    "split",
    "subqueries_of",
    "substitute",
    "substitute_tables",
    "transform",
    "with_subqueries",
    "with_values_of",
    "with_windows",
]

#: Prefix of the columns of window functions, followed by a number.
WINDOW = "__window_"


def transform(roots: Sequence[Expr], change: Callable[[Expr], Expr]) -> list[Expr]:
    """Return expressions in which each node is replaced, after its inputs.

    Shared nodes are changed once. The depth of the expressions does not matter.
    """
    made: dict[Expr, Expr] = {}
    for node in postorder(roots, is_leaf):
        if is_leaf(node):
            made[node] = change(node)
            continue
        inputs = [made[one] for one in node.inputs]
        same = all(a is b for a, b in zip(inputs, node.inputs))
        made[node] = change(node if same else node.with_inputs(inputs))
    return [made[root] for root in roots]


def substitute(roots: Sequence[Expr], columns: Mapping[str, Expr]) -> list[Expr]:
    """Return expressions with columns replaced by other expressions.

    Examples
    --------
    >>> (made,) = substitute([Column("a") + 1], {"a": Column("b") * 2})
    >>> print(made)
    (("b" * 2) + 1)
    """
    if not columns:
        return list(roots)

    def change(node: Expr) -> Expr:
        return columns.get(node.name, node) if isinstance(node, Column) else node

    return transform(roots, change)


def is_leaf(node: Expr) -> bool:
    """Whether a node is a column of the relation, or of one with results of Python functions, or a value."""
    return isinstance(node, PythonCall) or not node.inputs


def columns_of(roots: Iterable[Expr]) -> dict[str, Expr]:
    """Return the columns that expressions use, by name.

    Examples
    --------
    >>> list(columns_of([Column("a") + Column("b")]))
    ['a', 'b']
    """
    found: dict[str, Expr] = {}
    for node in postorder(roots, is_leaf):
        if isinstance(node, (Column, PythonCall)):
            found.setdefault(node.name, node)
    return found


def is_volatile(relation: Relation) -> bool:
    """Whether each query of a relation may return other rows, as for a random sample or a query of a user."""
    nodes = list(with_subqueries(relation))
    if any(isinstance(node, Query) for node in nodes):
        return True
    return any(one.traits & Trait.VOLATILE for node in nodes for one in expressions_of(node))


def with_subqueries(root: Relation) -> Iterator[Relation]:
    """Return a relation and those under it once each, after its inputs and the relations whose values its expressions use."""
    return in_postorder([root], lambda node: [*node.inputs, *(one.relation for one in subqueries_of(node))])


def subqueries_of(node: Relation) -> list[Subquery]:
    """Return the values of other relations that the expressions of a relation use."""
    roots = [one for one in expressions_of(node) if one.traits & Trait.SUBQUERY]
    nodes = postorder(roots, lambda one: isinstance(one, PythonCall))
    return [one for one in nodes if isinstance(one, Subquery)]


def with_values_of(node: Relation, made: Mapping[Relation, Relation]) -> Relation:
    """Return a relation whose expressions use the values of other relations."""
    values: dict[Expr, Expr] = {
        one: Subquery(made[one.relation], one.keep)
        for one in subqueries_of(node)
        if made[one.relation] is not one.relation
    }
    return with_expressions(node, lambda roots: replaced(roots, values)) if values else node


def substitute_tables(root: Relation, replacement: Callable[[Table], Relation]) -> Relation:
    """Return a relation that reads others instead of tables."""
    made: dict[Relation, Relation] = {}
    for node in with_subqueries(root):
        if isinstance(node, Table):
            made[node] = replacement(node)
        else:
            made[node] = with_inputs(with_values_of(node, made), [made[one] for one in node.inputs])
    return made[root]


def with_windows(rows: Relation, roots: Sequence[Expr]) -> tuple[Relation, list[Expr]]:
    """Return a relation with the window functions of expressions as columns, and the expressions over it.

    A filter or a grouping above the relation then leaves the values of the window functions as they are.
    """
    windows = [node for node in postorder(roots, _is_window) if isinstance(node, Window)]
    if not windows:
        return rows, list(roots)
    names = {node: f"{WINDOW}{at}" for at, node in enumerate(windows)}
    changed = replaced(roots, {node: Column(name, node.dtype) for node, name in names.items()})
    carried = [Named(name, node) for name, node in columns_of(changed).items() if name not in names.values()]
    return Projection(rows, [*carried, *(Named(name, node) for node, name in names.items())]), changed


def _is_window(node: Expr) -> bool:
    return isinstance(node, Window) or is_leaf(node)


def replaced(roots: Sequence[Expr], by: Mapping[Expr, Expr]) -> list[Expr]:
    """Return expressions with nodes replaced, and not those within them."""
    made: dict[Expr, Expr] = {}
    for node in postorder(roots, lambda one: one in by or is_leaf(one)):
        if node in by or is_leaf(node):
            made[node] = by.get(node, node)
        else:
            inputs = [made[one] for one in node.inputs]
            made[node] = node if all(a is b for a, b in zip(inputs, node.inputs)) else node.with_inputs(inputs)
    return [made[root] for root in roots]


def split(condition: Expr) -> list[Expr]:
    """Return the conditions of which a condition is the conjunction."""
    if isinstance(condition, Call) and condition.function.name == "and":
        return [part for one in condition.inputs for part in split(one)]
    return [condition]


def plain_condition(condition: Expr) -> Expr:
    """Return a condition of a filter that may be missing instead of false.

    Filters drop rows for both, but the statistics of files only apply to plain comparisons.

    Examples
    --------
    >>> from partita.plan.expr import call, comparison
    >>> print(plain_condition(call("fill_null", comparison("lt", Column("a"), 0), False)))
    ("a" < 0)
    """
    made: dict[Expr, Expr] = {}

    def is_kept(node: Expr) -> bool:
        if isinstance(node, Call) and node.function.name in ("and", "or"):
            return False
        return not _is_filled(node)

    for node in postorder([condition], is_kept):
        if node not in made:
            if is_kept(node):
                made[node] = node
            elif _is_filled(node):
                made[node] = made[node.inputs[0]]
            else:
                made[node] = node.with_inputs([made[one] for one in node.inputs])
    return made[condition]


def _is_filled(node: Expr) -> bool:
    """Whether a node replaces missing values of a condition by false."""
    if not (isinstance(node, Call) and node.function.name == "fill_null"):
        return False
    other = node.inputs[1]
    return isinstance(other, Literal) and other.value is False


def distinct_keys(order: Iterable[SortKey]) -> tuple[SortKey, ...]:
    """Return sort keys without repeated expressions, of which only the first occurrence determines the order.

    DataFusion panics if an aggregate or window function is sorted by the same expression twice.
    """
    found: dict[Expr, SortKey] = {}
    for key in order:
        found.setdefault(key.expr, key)
    return tuple(found.values())
