"""Relations whose expressions are small: shared and deep expressions become columns of inner projections.

The planner of the cluster knows expressions as trees. Here a value that is used several times is computed once, and the
size of a plan is proportional to the number of distinct nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .expr import Aggregate, Call, Case, Column, Expr, PythonCall, Trait, Window, postorder
from .relation import Filter, Grouping, Named, Projection, Relation, with_inputs
from .relation import postorder as relations_of
from .rewrite import replaced
from .values import with_joined_values

__all__ = ["Layers", "layered", "layers_of"]

#: Prefix of the columns of inner projections, followed by a number.
SHARED = "__shared_"
#: Largest depth of an expression in one projection. Deeper ones continue in an inner projection.
DEPTH_MAX = 40
#: Largest depth of an expression whose parts are used once: the planner merges its inner projections in cubic time.
LEVELS_MAX = 1500
#: Depth of conditions at which an expression continues in an inner projection: the planner copies their values.
CONDITIONS_MAX = 2
#: Depth up to which an expression is repeated rather than shared: a function of columns and literals.
REPEATED_DEPTH_MAX = 2


class Layers(NamedTuple):
    """The expressions that are computed in inner projections, from the inside out, and the names of their columns."""

    levels: list[list[Expr]]
    names: dict[Expr, str]


def layers_of(outputs: Sequence[Expr], plain: Iterable[Expr] = ()) -> Layers:
    """Return which parts of expressions inner projections compute.

    These are the parts that are used several times, window functions where SQL does not allow them, and parts at which an
    expression would become too deep.

    Parameters
    ----------
    outputs : sequence of Expr
        The expressions of a projection.
    plain : iterable of Expr
        Those of them that must not contain window functions.

    Raises
    ------
    ValueError
        If an expression is too deep to be planned.
    """
    nodes = list(postorder(outputs, lambda one: isinstance(one, PythonCall)))
    uses = Counter(outputs)
    required = {one for one in plain if one.traits & Trait.WINDOW}
    for node in nodes:
        if isinstance(node, PythonCall):
            continue
        uses.update(node.inputs)
        if node.traits & (Trait.WINDOW | Trait.AGGREGATE) and isinstance(node, (Window, Aggregate)):
            required.update(one for one in node.inputs if one.traits & Trait.WINDOW)
    last = set(outputs)
    levels: list[list[Expr]] = []
    names: dict[Expr, str] = {}
    level: dict[Expr, int] = {}
    depth: dict[Expr, int] = {}
    #: The depth in the query that the planner merges: it does not copy values that are used several times.
    merged: dict[Expr, int] = {}
    conditions: dict[Expr, int] = {}
    for node in nodes:
        if isinstance(node, PythonCall) or not node.inputs:
            level[node], depth[node], merged[node], conditions[node] = 0, 1, 1, 0
            continue
        at = max(level[one] for one in node.inputs)
        deep = 1 + max(depth[one] for one in node.inputs)
        whole = 1 + max(merged[one] for one in node.inputs)
        nested = max(conditions[one] for one in node.inputs) + _copies(node)
        is_costly = node.depth > REPEATED_DEPTH_MAX or node.traits & (Trait.WINDOW | Trait.VOLATILE)
        is_shared = uses[node] > 1 and is_costly
        is_deep = (deep > DEPTH_MAX or nested >= CONDITIONS_MAX) and (uses[node] > 1 or node not in last)
        if (is_shared or is_deep or node in required) and not node.traits & Trait.AGGREGATE:
            names[node] = f"{SHARED}{len(names)}"
            if at == len(levels):
                levels.append([])
            levels[at].append(node)
            at, deep, nested, whole = at + 1, 1, 0, 1 if is_shared else whole
        if whole > LEVELS_MAX:
            raise ValueError(
                f"an expression has more than {LEVELS_MAX} levels; persist the frame or column after some of its operations"
            )
        level[node], depth[node], merged[node], conditions[node] = at, deep, whole, nested
    return Layers(levels, names)


def _copies(node: Expr) -> bool:
    """Whether the planner of the cluster copies the inputs of a node."""
    return isinstance(node, Case) or (isinstance(node, Call) and node.function.copies)


# Relations.


def layered(root: Relation) -> list[Relation]:
    """Return relations that compute the same, each after its inputs, and the last one for `root`."""
    made: dict[Relation, Relation] = {}
    whole = with_joined_values(root)
    for node in relations_of([whole]):
        made[node] = _node(node, [made[one] for one in node.inputs])
    return list(relations_of([made[whole]]))


def _node(node: Relation, inputs: list[Relation]) -> Relation:
    """Return a relation over other inputs, with inner projections for its shared and deep expressions."""
    if isinstance(node, Projection):
        rows, outputs = _layer(inputs[0], [expr for _, expr in node.columns])
        return Projection(rows, [Named(name, expr) for (name, _), expr in zip(node.columns, outputs)])
    if isinstance(node, Filter):
        columns = [inputs[0].column(name) for name in inputs[0].schema or ()]
        rows, conditions = _layer(inputs[0], node.conditions, node.conditions, also=columns)
        kept = Filter(rows, conditions)
        if rows is inputs[0]:
            return kept
        if inputs[0].schema is None:
            raise TypeError("internal error: a filter with shared conditions needs the columns of its rows")
        return Projection(kept, [Named(one.name, one) for one in columns])
    if isinstance(node, Grouping):
        keys = [expr for _, expr in node.keys]
        cells = [expr for _, expr in node.cells]
        rows, outputs = _layer(inputs[0], [*keys, *cells], keys)
        named = [Named(name, expr) for (name, _), expr in zip([*node.keys, *node.cells], outputs)]
        return Grouping(rows, named[: len(keys)], named[len(keys) :])
    return with_inputs(node, inputs)


def _layer(
    rows: Relation,
    outputs: Sequence[Expr],
    plain: Sequence[Expr] = (),
    also: Sequence[Expr] = (),
) -> tuple[Relation, list[Expr]]:
    """Return a relation with the shared and deep parts of expressions as columns, and the expressions over it.

    Parameters
    ----------
    rows : Relation
        The relation.
    outputs : sequence of Expr
        The expressions.
    plain : sequence of Expr
        Those of them that must not contain window functions.
    also : sequence of Expr
        Columns that the relation keeps.
    """
    layers = layers_of(outputs, plain)
    if not layers.levels:
        return rows, list(outputs)
    columns = {node: Column(name, node.dtype) for node, name in layers.names.items()}
    # From the outside in: the columns that a layer passes on are those that the layers around it read.
    wanted = _read([*outputs, *also], columns)
    passed: list[list[Expr]] = []
    for level in reversed(layers.levels):
        own = {layers.names[node] for node in level}
        passed.append([one for name, one in wanted.items() if name not in own])
        inner = _read([one for node in level for one in node.inputs], columns)
        wanted = {**{_name(one): one for one in passed[-1]}, **inner}
    known: dict[Expr, Expr] = {}
    for level, carried in zip(layers.levels, reversed(passed)):
        added = [Named(layers.names[node], expr) for node, expr in zip(level, replaced(level, known))]
        known.update((node, columns[node]) for node in level)
        rows = Projection(rows, [*(Named(_name(one), one) for one in carried), *added])
    return rows, replaced(outputs, known)


def _name(column: Expr) -> str:
    assert isinstance(column, (Column, PythonCall))
    return column.name


def _read(outputs: Sequence[Expr], columns: Mapping[Expr, Column]) -> dict[str, Expr]:
    """Return the columns that expressions read, of the relation and of layers, by name."""
    found: dict[str, Expr] = {}
    for node in postorder(outputs, lambda one: one in columns or isinstance(one, PythonCall)):
        if node in columns:
            found.setdefault(columns[node].name, columns[node])
        elif isinstance(node, (Column, PythonCall)):
            found.setdefault(node.name, node)
    return found
