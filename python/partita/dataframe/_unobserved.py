"""Groups of categories without rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..plan.expr import Expr, SortKey, call, cast
from ..plan.relation import Distinct, Join, Named, Projection, Relation, Union, Values
from ._columns import Column, renumbered, sort_value
from ._frame import DataFrame
from ._rows import Rows
from ._sql import INDEX, literal, value_type

__all__ = ["EMPTY", "with_unobserved"]

#: Values of reductions of no rows, where they are not missing.
EMPTY = {"sum": 0, "count": 0, "size": 0, "nunique": 0, "prod": 1, "product": 1, "any": False, "all": True}


def with_unobserved(made: DataFrame, fills: Sequence[Any], place: SortKey | None) -> DataFrame:
    """Return a frame of reductions of groups with a row for each combination of keys: all categories, and all other values that occur.

    Parameters
    ----------
    made : DataFrame
        The reductions, with the keys as the index.
    fills : sequence
        The value of each column for groups without rows; None if it is missing.
    place : SortKey, optional
        What sorts the groups with rows, which then precede the others.
    """
    relation, levels = made._rows.relation, made._index
    kinds = [value_type(made._rows.type(level.expr)) for level in levels]
    plain = [cast(level.expr, kind) for level, kind in zip(levels, kinds)]
    every: Relation | None = None
    for at, (level, kind, value) in enumerate(zip(levels, kinds, plain)):
        name = f"k{at}"
        labels: Relation = Projection(relation, [Named(name, value)])
        if isinstance(level.origin, pd.CategoricalDtype) and len(level.origin.categories):
            known = Values([name], [(literal(one, kind),) for one in level.origin.categories])
            labels = Union([labels, Projection(known, [Named(name, cast(known.column(name), kind))])])
        side = Distinct(labels)
        every = side if every is None else Join(every, side, "cross", ())
    assert every is not None
    values = [Named(f"f{at}", column.expr) for at, column in enumerate(made._columns.values())]
    own = [Named(f"p{at}", value) for at, value in enumerate(plain)]
    order = [] if place is None else [Named("place", place.expr)]
    present = Projection(relation, [*own, *values, *order])
    pairs = [(every.column(f"k{at}"), present.column(f"p{at}")) for at in range(len(levels))]
    joined = Join(every, present, "left", pairs)
    cells = []
    for at, fill in enumerate(fills):
        cell: Expr = joined.column(f"f{at}")
        kind = made._rows.type(list(made._columns.values())[at].expr)
        cell = cell if fill is None else call("coalesce", cell, cast(literal(fill, kind), kind), dtype=kind)
        cells.append(Named(f"c{at}", cell))
    keys = [Named(f"{INDEX}{at}", joined.column(f"k{at}")) for at in range(len(levels))]
    whole = Projection(joined, [*keys, *cells, *(Named("place", joined.column("place")) for _ in order)])
    index = tuple(level._replace(expr=whole.column(f"{INDEX}{at}")) for at, level in enumerate(levels))
    sorting = [SortKey(sort_value(level.expr, level.origin)) for level in index]
    if order:
        sorting = [SortKey(whole.column("place")), *sorting]
    columns: dict[Any, Column] = renumbered(made._columns, whole)
    return DataFrame(Rows(made._client, whole, sorting, keep=made._rows), columns, index, made._axis)
