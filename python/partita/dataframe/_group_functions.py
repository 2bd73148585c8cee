"""Python functions of the rows of each group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from .._functions import function_name
from .._tasks import Task
from ..plan import expr as px
from ..plan.expr import SortKey
from ..utils import no_default
from ._columns import sort_value
from ._frame import DataFrame
from ._meta import Meta, as_pandas
from ._partition_inputs import meta_of, shared_arguments
from ._partition_results import call_partitions

__all__ = ["apply_groups"]


def apply_groups(groups: Any, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], meta: Any) -> Any:
    """Call a Python function with each group.

    The rows are persisted sorted by the keys, so that all rows of a group are in one partition, in their order.
    """
    if not groups._has_group_keys:
        raise NotImplementedError("groupby(group_keys=False).apply() supports only reductions; use group_keys=True")
    if not groups._is_sorted:
        raise NotImplementedError("groupby(sort=False).apply() supports only reductions; use sort=True")
    frame = groups._frame
    if groups._dropna:
        condition = px.conjunction(*(px.not_null(key.expr) for _, key in groups._keys))
        cells = {("key", at): key for at, (_, key) in enumerate(groups._keys)}
        cells.update({("value", label): frame._columns[label] for label in groups._selected})
        whole = DataFrame(frame._rows, cells, frame._index)._narrowed(condition)
    else:
        cells = {("key", at): key for at, (_, key) in enumerate(groups._keys)}
        cells.update({("value", label): frame._columns[label] for label in groups._selected})
        whole = DataFrame(frame._rows, cells, frame._index)
    keys = [whole._columns["key", at] for at in range(len(groups._keys))]
    order = [SortKey(sort_value(key.expr, key.origin)) for key in keys]
    whole = whole._reordered((*order, *whole._rows.order))
    is_series = type(groups).__name__ == "SeriesGroupBy"
    names = [name for name, _ in groups._keys]
    label = groups._size_name() if is_series else None
    call = _GroupCall(func, names, list(groups._selected), frame.columns[:0], is_series, label, groups._dropna)
    if meta is no_default or meta is None:
        call.meta = _inferred(call, whole, args, kwargs)
    else:
        call.meta = Meta.of(meta, _key_index(call, whole))
    shared = shared_arguments(args, kwargs)

    def tasks(frames: list[Any], count: int) -> list[Any]:
        return [Task(call, (at, shared, *frames), None, call.__name__) for at in range(count)]

    return call_partitions([whole], call.meta, tasks)


def _inferred(call: _GroupCall, whole: DataFrame, args: Sequence[Any], kwargs: dict[str, Any]) -> Meta:
    try:
        result = call.apply(meta_of(whole, 2), args, kwargs)
    except Exception as error:
        raise ValueError(
            f"cannot infer the columns and types that {call.__name__} returns: it raised {type(error).__name__}: {error} for "
            "a group of two rows of made-up values; give them with meta="
        ) from error
    return Meta(as_pandas(result, call.__name__))


def _key_index(call: _GroupCall, whole: DataFrame) -> pd.Index:
    """Return the index of the keys of a group, for a result with one row for each."""
    return call.apply(meta_of(whole, 2), (), {}, lambda group: 0).index[:0]


class _GroupCall:
    """The function of the calls that apply a function to the groups of a partition."""

    meta: Meta

    def __init__(
        self,
        function: Callable[..., Any],
        names: list[Any],
        selected: list[Any],
        axis: pd.Index,
        is_series: bool,
        label: Any,
        dropna: bool,
    ) -> None:
        self.function = function
        self.names = names
        self.selected = selected
        self.axis = axis
        self.is_series = is_series
        self.label = label
        self.dropna = dropna
        self.__name__ = function_name(function)

    def apply(self, part: pd.DataFrame, args: Any, kwargs: Any, function: Callable[..., Any] | None = None) -> Any:
        """Apply the function, or another one, to the groups of a partition."""
        count = len(self.names)
        keys = [part.iloc[:, at].rename(name) for at, name in enumerate(self.names)]
        values: Any = part.iloc[:, count:]
        if self.is_series:
            values = values.iloc[:, 0].rename(self.label)
        else:
            values = values.set_axis(pd.Index(self.selected, name=self.axis.name, tupleize_cols=False), axis=1)
        grouped = values.groupby(keys if count > 1 else keys[0], sort=True, dropna=self.dropna, observed=True)
        return grouped.apply(function or self.function, *args, **kwargs)

    def __call__(self, number: int, shared: Any, partitions: Any) -> Any:
        args, kwargs = shared
        part = partitions.read(number)
        # pandas calls the function with an empty group, or not at all.
        if not len(part):
            return self.meta.schema.empty_table()
        return self.meta.convert(self.apply(part, args, kwargs), number)
