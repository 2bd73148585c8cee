"""Results in a number of partitions that the user chose: ``split_out=`` and ``npartitions=``."""

from __future__ import annotations

import functools
import numbers
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from .._deferred import DeferredTable
from ..plan import wire
from ..plan.expr import SortKey, aggregate
from ..plan.relation import Relation
from ._arguments import check_split_every
from ._base import Plan
from ._partitions import check_count, format_split, parse_splits
from ._rows import new_table_name
from ._sql import is_plain_text

__all__ = ["divided", "splits_out"]

M = TypeVar("M", bound=Callable[..., Any])


def splits_out(function: M) -> M:
    """Give a function, whose rows are groups or distinct values, the argument ``split_out``: the number of partitions."""

    @functools.wraps(function)
    def called(*args: Any, split_out: Any = None, **kwargs: Any) -> Any:
        if isinstance(split_out, numbers.Integral) and int(split_out) > 1:
            # As in Dask, several partitions are shuffled; no task then combines results of others.
            check_split_every(kwargs.pop("split_every", None), least=1)
        return divided(function(*args, **kwargs), split_out, "split_out=")

    found: Any = called
    return found


def divided(plan: Any, count: Any, what: str) -> Any:
    """Return a plan whose rows are persisted in a number of partitions when a statement first reads them.

    Parameters
    ----------
    plan : Plan
        A frame, a column or an index. Other results, such as the reductions of a whole frame, are returned as they are.
    count : int, bool or None
        The number of partitions. None and booleans leave it to the cluster.
    what : str
        The argument that an error names.
    """
    if count is None or isinstance(count, (bool, np.bool_)) or not isinstance(plan, Plan):
        return plan
    if not isinstance(count, numbers.Integral):
        raise TypeError(f"{what} must be an integer, not {count!r}")
    wanted = check_count(int(count), what)
    from ._columns import renumbered
    from ._frame import DataFrame
    from ._series import Series

    frame: Any = plan._framed() if isinstance(plan, Series) else plan
    parts, query = frame._persisted_query()
    name = new_table_name()
    rows, levels = frame._rows_of_table(name, parts, wanted)
    known = weakref.ref(rows)
    keys, client, source = rows.order, rows.client, frame._rows

    def create() -> None:
        # The tables that the query reads exist as long as the rows that own them.
        found = _create(source.client, name, query, wanted, keys)
        made = known()
        if made is not None:
            made.partitions = found

    client._connection.deferred.add(name, DeferredTable(query, create))
    made = DataFrame(rows, renumbered(frame._columns, rows.relation), levels, frame._axis)
    return plan._from_frame(made) if isinstance(plan, Series) else made


def _create(client: Any, name: str, query: Relation, wanted: int, keys: tuple[SortKey, ...]) -> int:
    """Create a table with a number of partitions. Return the number, which is smaller if that is not possible."""
    connection = client._connection
    with connection.release_on_error(name):
        connection.query(wire.create_table(name, query, partitions=wanted))
        info = connection.existing_table(name)
        missing = wanted - int(info["partitions"])
        splits = further_splits(client, query, info["splits"], missing, keys) if missing > 0 and keys else []
        if splits:
            # Rows with equal sort keys are in one partition, so that others are empty.
            connection.query(wire.create_table(name, query, replace=True, splits=[*info["splits"], *splits]))
            info = connection.existing_table(name)
    return int(info["partitions"])


def further_splits(
    client: Any, query: Relation, splits: list[str], missing: int, keys: tuple[SortKey, ...]
) -> list[str]:
    """Return values of the first sort key after those of all rows, between which partitions are empty."""
    from ._rows import Rows

    key = keys[0]
    rows = Rows(client, query)
    expr = query.column(str(getattr(key.expr, "name", "")))
    kind = rows.type(expr)
    last = rows.values([aggregate("min" if key.is_descending else "max", expr)]).column(0)[0].as_py()
    known = parse_splits(splits, kind).tolist()
    ends = [one for one in (last, *known) if not pd.isna(one)]
    if not ends:
        return []
    return _after(min(ends) if key.is_descending else max(ends), kind, missing, -1 if key.is_descending else 1)


def _after(end: Any, kind: pa.DataType, count: int, step: int) -> list[str]:
    """Return values after another one, as texts; none if the type has no such values."""
    types = pa.types
    found: list[Any] = []
    if types.is_integer(kind):
        found = [int(end) + step * at for at in range(1, count + 1)]
    elif types.is_floating(kind):
        value = float(end)
        for _ in range(count):
            value = float(np.nextafter(value, step * np.inf))
            found.append(value)
    elif is_plain_text(kind) and step > 0:
        found = [end + "a" * at for at in range(1, count + 1)]
    elif types.is_timestamp(kind):
        found = [pd.Timestamp(end) + pd.Timedelta(step * at, kind.unit) for at in range(1, count + 1)]
    try:
        pa.array(found, kind)
    except (pa.ArrowInvalid, OverflowError):
        return []
    return [format_split(one) for one in found]
