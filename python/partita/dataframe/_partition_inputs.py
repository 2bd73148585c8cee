"""Frames as arguments of calls of Python functions: they are persisted, and calls fetch partitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from .._collection import unpack
from .._frame_functions import PersistedPartitions
from .._tasks import ATOMS, Task
from ..plan.expr import NULL, Expr
from ._base import Level, Plan
from ._columns import Column
from ._frame import DataFrame
from ._meta import sample_table
from ._rows import Rows
from ._series import Index, Series

__all__ = [
    "Inputs",
    "Part",
    "argument_of",
    "is_selection",
    "meta_of",
    "outline_of",
    "persisted_partitions",
    "plan_of_outline",
    "return_value",
    "shared_arguments",
]

#: Frames with at least this number of columns are described to the calls once, and not with each call.
SHARED_COLUMNS_MIN = 50
#: Length of strings below which they are sent with each call.
SMALL_MAX = 1000


def outline_of(plan: Plan) -> tuple[Any, ...]:
    """Return how rows become the pandas object of a plan, in a form that can be pickled."""
    levels = [(level.name, level.origin, level.regularity) for level in plan._index]
    if isinstance(plan, DataFrame):
        cells = [(label, column.origin) for label, column in plan._columns.items()]
        return "frame", levels, cells, plan._axis
    assert isinstance(plan, Series)
    return "index" if isinstance(plan, Index) else "series", levels, [(plan.name, plan._origin)], None


def plan_of_outline(outline: tuple[Any, ...]) -> Plan:
    """Return a plan that converts rows as the plan of an outline. It cannot be computed."""
    kind, levels, cells, axis = outline
    index = tuple(Level(name, NULL, origin, regularity) for name, origin, regularity in levels)
    rows: Any = None
    if kind == "frame":
        return DataFrame(rows, {label: Column(NULL, origin) for label, origin in cells}, index, axis)
    ((name, origin),) = cells
    return (Index if kind == "index" else Series)(rows, NULL, name, index, origin)


def meta_of(plan: Any, rows: int = 0) -> Any:
    """Return the pandas object of a plan without rows, or with two rows of made-up values."""
    levels = plan._levels()
    kinds = plan._rows.types([expr for _, expr in [*levels, *plan._selected()]])
    if not rows:
        names = [str(at) for at in range(len(kinds))]
        return plan._to_pandas(pa.table([pa.array([], kind) for kind in kinds], names=names))
    if not kinds:
        return plan._to_pandas(pa.table({"0": [1, 1]}))
    return plan._to_pandas(sample_table(kinds, plan._origins(), len(levels)))


def persisted_partitions(plan: Any) -> tuple[PersistedPartitions, int]:
    """Persist a plan unless it is a selection of columns of a persisted table. Return its partitions and their number."""
    columns = _plain_columns(plan)
    if columns is None:
        plan = plan.persist()
        columns = _plain_columns(plan)
        assert columns is not None
    name = str(plan._rows.persisted)
    count = int(plan._client._connection.table(name)["partitions"])
    return PersistedPartitions(name, columns, plan), count


def _plain_columns(plan: Any) -> list[str] | None:
    """Return the columns of the persisted table that a plan selects; None if it is not such a selection."""
    if plan._rows.persisted is None:
        return None
    names = plan._rows.schema.names
    known = {plan._rows.column(name): name for name in names}
    found = [known.get(expr) for _, expr in [*plan._levels(), *plan._selected()]]
    if not found:
        # A plan without columns needs the number of rows.
        return list(names[:1])
    return None if None in found else [name for name in found if name is not None]


def is_selection(plan: Any) -> bool:
    """Whether a plan is a selection of columns of a persisted table."""
    return _plain_columns(plan) is not None


def argument_of(partitions: PersistedPartitions) -> Any:
    """Return what stands for the partitions in the arguments of calls."""
    if len(partitions.columns) < SHARED_COLUMNS_MIN:
        return partitions
    return Task(return_value, (partitions,), None, "partitions")


def return_value(value: Any) -> Any:
    return value


class Part:
    """Stands for the partition of a frame in the arguments of a function."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at


def shared_arguments(args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return the arguments that all calls have, with delayed values as tasks: as the result of a task if they may be large, so that they are sent once."""
    args, kwargs = [unpack(one) for one in args], {key: unpack(one) for key, one in kwargs.items()}
    values = (args, kwargs)
    return (
        values if all(map(_is_small, (*args, *kwargs.values()))) else Task(return_value, (values,), None, "arguments")
    )


def _is_small(value: Any) -> bool:
    return type(value) is Part or (type(value) in ATOMS and (not hasattr(value, "__len__") or len(value) < SMALL_MAX))


class Inputs:
    """The frames whose partitions a function gets."""

    def __init__(self, plans: Sequence[Any]) -> None:
        self._plans = list(plans)
        self._persisted: list[Any] = []

    def persist(self) -> tuple[list[PersistedPartitions], int, tuple[int, ...]]:
        """Persist the frames. Return their partitions, the number of calls, and the frames with a single partition."""
        found: list[Any] = [None] * len(self._plans)
        groups: list[list[int]] = []
        for at, plan in enumerate(self._plans):
            same = (one for one in groups if _has_same_rows(self._plans[one[0]], plan))
            group = next(same, None)
            groups.append([at]) if group is None else group.append(at)
        for group in groups:
            for at, one in zip(group, _persist_together([self._plans[at] for at in group])):
                found[at] = persisted_partitions(one)
        self._persisted = [one for one, _ in found]
        counts = [count for _, count in found]
        many = {count for count in counts if count > 1}
        if len(many) > 1:
            raise ValueError(
                f"cannot call a function with the partitions of frames that have {', '.join(map(str, counts))} partitions; "
                "use repartition"
            )
        count = max(counts)
        return self._persisted, count, tuple([at for at, one in enumerate(counts) if one == 1 < count])

    def labels(self, count: int) -> list[Any]:
        """Return the first index label of each partition of the first frame; None if they are not known."""
        plan = self._persisted[0]._plan
        if not plan.known_divisions:
            return [None] * count
        frame = plan if isinstance(plan, DataFrame) else plan._framed()
        labels = list(frame.divisions[:-1])
        return labels if len(labels) == count else [None] * count


def _has_same_rows(one: Any, other: Any) -> bool:
    return one._rows.identity is other._rows.identity and one._rows.order == other._rows.order


def _persist_together(plans: list[Any]) -> list[Any]:
    """Persist plans over the same rows as one table, so that their partitions have the same rows."""
    if len(plans) == 1 or all(_plain_columns(plan) is not None for plan in plans):
        return plans
    rows = plans[0]._rows
    cells: dict[Expr, Column] = {}
    for plan in plans:
        rows = rows.combine(plan._rows)
        values = [expr for _, expr in [*plan._levels(), *plan._selected()]]
        for expr, origin in zip(values, plan._origins()):
            cells.setdefault(expr, Column(expr, origin))
    persisted = DataFrame(rows, cells, ()).persist()
    names = {expr: persisted._columns[expr].expr for expr in cells}
    return [_over(plan, persisted._rows, names) for plan in plans]


def _over(plan: Any, rows: Rows, columns: dict[Expr, Expr]) -> Any:
    """Return a plan over other rows, which have columns with its expressions."""
    index = tuple(level._replace(expr=columns[level.expr]) for level in plan._index)
    if isinstance(plan, DataFrame):
        cells = {label: column._replace(expr=columns[column.expr]) for label, column in plan._columns.items()}
        return DataFrame(rows, cells, index, plan._axis)
    return type(plan)(rows, columns[plan._expr], plan.name, index, plan._origin)
