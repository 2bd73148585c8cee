"""The first rows of frames that Python functions compute: the functions run for no more than these need."""

from __future__ import annotations

import copy
from typing import Any

from ..plan import wire
from ..plan.expr import Trait
from ._rows import Rows, contains

__all__ = ["check_head_partitions", "compute_head"]


def check_head_partitions(plan: Any, npartitions: int) -> None:
    """Raise an error if a plan has fewer partitions than `head` is to read; otherwise it reads as many as it needs."""
    if npartitions > 1 and npartitions > plan.npartitions:
        raise ValueError(f"head: the frame has {plan.npartitions} partitions, not {npartitions}")


def compute_head(plan: Any, n: int) -> Any:
    """Compute the first rows of a plan."""
    n = max(n, 0)
    table = plan._client._connection.deferred.find(plan._rows.persisted)
    if table is not None and table.first is not None and n:
        return _head_of_calls(plan, table.first, n)
    return _query_head(_over_first_rows(plan, n), n)


def _query_head(plan: Any, n: int) -> Any:
    relation = plan._full_relation(n, always=True)
    return plan._to_pandas(plan._client._connection.query(wire.rows(relation)))


def _head_of_calls(plan: Any, first: Any, n: int) -> Any:
    """Compute the first rows of results of calls, of one call at first and of twice as many until the rows suffice."""
    count = 1
    while (rows := first(count)) is not None:
        part = copy.copy(plan)
        part._rows = rows
        found = _query_head(part, n)
        if len(found) >= n:
            return found
        count *= 2
    return _query_head(plan, n)


def _over_first_rows(plan: Any, n: int) -> Any:
    """Return a plan with the same first rows, whose functions get only these, if each row has a value of its own."""
    rows = plan._rows
    values = [expr for _, expr in plan._parts()]
    arguments = [one for call in rows.calls for one in call.inputs]
    if not rows.calls or contains([*values, *arguments], Trait.WINDOW):
        return plan
    if contains((key.expr for key in rows.order), Trait.PYTHON | Trait.WINDOW):
        return plan
    part = copy.copy(plan)
    part._rows = Rows(rows.client, rows.first(n), rows.order, keep=rows, calls=rows.calls)
    return part
