"""Covariances and correlations of the columns of groups."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import SortKey, aggregate, case, cast
from ..plan.relation import Join, Named, Projection, Values
from ._base import Level
from ._columns import Column, renumbered
from ._frame import DataFrame
from ._rows import Rows
from ._sql import INDEX, ROW, literal

__all__ = ["squares_of_groups"]


def squares_of_groups(groups: Any, labels: list[Any], function: str) -> DataFrame:
    """Return an aggregate of two columns for each pair of labels in each group, with a row for each group and label.

    Raises
    ------
    NotImplementedError
        If the labels of the columns cannot be a level of the index.
    """
    frame = groups._frame
    if len({type(label) for label in labels}) > 1 or any(isinstance(label, tuple) for label in labels):
        raise NotImplementedError(
            f"this method of groups requires labels of one type, which become a level of the index, not {labels}; use rename"
        )
    double = [cast(frame._columns[label].expr, pa.float64()) for label in labels]
    pairs = [(a, b) for a in range(len(labels)) for b in range(len(labels))]
    made = groups._made([(pair, Column(aggregate(function, double[pair[0]], double[pair[1]]))) for pair in pairs])
    wide, depth = made._rows.relation, len(made._index)
    rows = [(literal(label), px.literal(at)) for at, label in enumerate(labels)]
    if not rows:
        raise ValueError("this method of groups requires numeric columns")
    joined = Join(wide, Values(["label", ROW], rows), "cross", ())
    place = joined.column(ROW)
    names = [f"{INDEX}{at}" for at in range(depth)]
    # The expressions of the levels and of the order are over the columns of the aggregates.
    levels = [Named(name, level.expr) for name, level in zip(names, made._index)]
    cells = []
    for b in range(len(labels)):
        own = [(a, made._columns[a, b].expr) for a in range(len(labels))]
        cells.append(Named(f"c{b}", case(own, operand=place, dtype=pa.float64())))
    order = [Named(f"o{at}", key.expr) for at, key in enumerate(made._rows.order)]
    parts = [*levels, Named(f"{INDEX}{depth}", joined.column("label")), *cells, *order, Named(ROW, place)]
    long = Projection(joined, parts)
    keys = [SortKey(long.column(name), *key.way) for (name, _), key in zip(order, made._rows.order)]
    index = [level._replace(expr=long.column(name)) for name, level in zip(names, made._index)]
    index.append(Level(frame.columns.name, long.column(f"{INDEX}{depth}")))
    columns = renumbered(dict.fromkeys(labels, Column(px.NULL)), long)
    axis: pd.Index = frame.columns[:0]
    made_rows = Rows(made._client, long, [*keys, SortKey(long.column(ROW))], keep=made._rows)
    return DataFrame(made_rows, columns, tuple(index), axis)
