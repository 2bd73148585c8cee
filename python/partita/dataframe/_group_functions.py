"""Python functions of the rows of each group.

The rows are persisted sorted by the keys, so that all rows of a group are in one partition, in their order. Calls then apply a
method of pandas' groups to each partition.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._functions import function_name
from .._tasks import Task
from ..plan import expr as px
from ..plan.expr import SortKey, aggregate, case, cast, window
from ..plan.relation import Grouping, Named
from ..utils import no_default
from ._aggregations import Aggregation, Cell, CellsCall
from ._base import Level
from ._columns import Column, sort_value
from ._frame import DataFrame
from ._meta import Meta, as_pandas
from ._partition_inputs import meta_of, shared_arguments
from ._partition_results import call_partitions
from ._rows import place_of

__all__ = [
    "aggregate_groups",
    "apply_groups",
    "call_groups",
    "call_method",
    "call_rows",
    "filter_groups",
    "reject_unobserved",
    "transform_groups",
    "transform_method",
]


# The groups of a partition.


class _Groups:
    """How pandas groups the rows of a partition, which are the keys and the values."""

    def __init__(self, groups: Any, labels: Sequence[Any], is_series: bool) -> None:
        self.names = [name for name, _ in groups._keys]
        self.labels = list(labels)
        self.axis = groups._frame.columns[:0]
        self.is_series = is_series
        self.label = groups._size_name() if is_series else None
        self.dropna = groups._dropna
        self.is_sorted = groups._is_sorted
        self.has_group_keys = groups._has_group_keys

    def of(self, part: pd.DataFrame) -> Any:
        """Return the groups of a partition."""
        count = len(self.names)
        keys = [part.iloc[:, at].rename(name) for at, name in enumerate(self.names)]
        values: Any = part.iloc[:, count : count + len(self.labels)]
        if self.is_series:
            values = values.iloc[:, 0].rename(self.label)
        else:
            values = values.set_axis(pd.Index(self.labels, name=self.axis.name, tupleize_cols=False), axis=1)
            if isinstance(self.axis, pd.MultiIndex):
                values.columns = pd.MultiIndex.from_tuples(self.labels, names=self.axis.names)
        return values.groupby(
            keys if count > 1 else keys[0],
            sort=self.is_sorted,
            dropna=self.dropna,
            observed=True,
            group_keys=self.has_group_keys,
        )


class _Call:
    """The function of the calls that apply a function to the groups of a partition."""

    meta: Meta

    def __init__(self, function: Callable[..., Any], groups: _Groups, name: str) -> None:
        self.function = function
        self.groups = groups
        self.__name__ = name

    def result(self, part: pd.DataFrame, args: Any, kwargs: Any) -> Any:
        """Return the result for a partition."""
        return self.function(self.groups.of(part), *args, **kwargs)

    def __call__(self, number: int, shared: Any, partitions: Any) -> Any:
        args, kwargs = shared
        part = partitions.read(number)
        # pandas calls the function with an empty group, or not at all.
        if not len(part):
            return self.meta.schema.empty_table()
        return self.meta.convert(self.result(part, args, kwargs), number)


class _PlacedCall(_Call):
    """The same, with the place of each row of the result among the rows of the frame as the last column.

    Its meta has numbers as labels; `expected` is that of the results.
    """

    expected: Meta

    def result(self, part: pd.DataFrame, args: Any, kwargs: Any) -> Any:
        """Return the result for a partition, with the place of each row."""
        found = super().result(part, args, kwargs)
        found, at = found if isinstance(found, tuple) else (found, slice(None))
        places = part.iloc[:, -1].iloc[at]
        return self.placed(as_pandas(found, self.__name__), places)

    def placed(self, found: Any, places: Any) -> pd.DataFrame:
        """Return a result with numbers as labels and a column of places."""
        if len(found) != len(places):
            raise ValueError(f"{self.__name__} returned {len(found)} rows for the {len(places)} rows of groups")
        if isinstance(found, pd.Series) != self.expected.is_series:
            kinds = ("a Series", "a DataFrame") if self.expected.is_series else ("a DataFrame", "a Series")
            raise ValueError(f"{self.__name__} returned {kinds[1]}, expected {kinds[0]}; give the columns with meta=")
        frame = found.to_frame("v") if isinstance(found, pd.Series) else found
        self.expected._check_columns(frame, self.__name__)
        made = frame.set_axis(range(frame.shape[1]), axis=1)
        made[frame.shape[1]] = np.asarray(places, dtype="int64")
        return made


# Calls.


def _partitioned(groups: Any, labels: Sequence[Any], drops: bool, is_placed: bool) -> DataFrame:
    """Return the keys and values sorted by group; without an index, the rows are numbered as in pandas."""
    frame = groups._frame
    rows = frame._rows
    cells = {("key", at): key for at, (_, key) in enumerate(groups._keys)}
    cells.update({("value", at): frame._columns[label] for at, label in enumerate(labels)})
    index = frame._index
    keys = [key for _, key in groups._keys]
    order = [SortKey(sort_value(key.expr, key.origin)) for key in keys]
    if rows.order and (is_placed or not index or not groups._is_sorted):
        place = place_of(rows)
        if not index:
            index = (Level(None, place),)
        if is_placed:
            cells["place", 0] = Column(place)
        if not groups._is_sorted:
            order = [SortKey(window("min", place, partition=[key.expr for key in keys])), *order]
    elif is_placed:
        # The order of the rows is undefined.
        cells["place", 0] = Column(cast(0, pa.int64()))
    whole = DataFrame(rows, cells, index)
    if drops and groups._dropna:
        whole = whole._narrowed(px.conjunction(*(px.not_null(key.expr) for key in keys)))
        order = [SortKey(sort_value(whole._columns["key", at].expr, key.origin)) for at, key in enumerate(keys)]
        if not groups._is_sorted and rows.order:
            found = [whole._columns["key", at].expr for at in range(len(keys))]
            number = window("row_number", **whole._rows.over())
            order = [SortKey(window("min", cast(number, pa.int64()), partition=found)), *order]
    return whole._reordered((*order, *whole._rows.order))


def _grouping(groups: Any, labels: Sequence[Any]) -> _Groups:
    return _Groups(groups, labels, type(groups).__name__ == "SeriesGroupBy")


def _run(whole: DataFrame, call: _Call, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    shared = shared_arguments(args, kwargs)

    def tasks(frames: list[Any], count: int) -> list[Any]:
        return [Task(call, (at, shared, *frames), None, call.__name__) for at in range(count)]

    return call_partitions([whole], call.meta, tasks)


def call_groups(
    groups: Any,
    function: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
    meta: Any = None,
    name: str = "",
    labels: Sequence[Any] | None = None,
    warns: bool = False,
) -> Any:
    """Return the frame of the results of a function of pandas' groups, in the order of the groups.

    Parameters
    ----------
    groups : GroupBy
        The groups.
    function : callable
        Takes pandas' groups, and returns a pandas object.
    args, kwargs
        Its further arguments.
    meta : optional
        The columns and types of the result; by default those of the result for two rows of made-up values.
    name : str
        The name of the calls.
    labels : sequence, optional
        The columns of the values; by default those that are selected.
    warns : bool
        Whether to warn if the columns and types are inferred.
    """
    reject_unobserved(groups, name)
    labels = groups._selected if labels is None else labels
    kwargs = kwargs or {}
    whole = _partitioned(groups, labels, True, False)
    call = _Call(function, _grouping(groups, labels), name)
    if _is_given(meta):
        call.meta = _given(meta, call, whole, args, kwargs)
    else:
        call.meta = Meta(_inferred(call.result, whole, args, kwargs, name, warns))
    return _run(whole, call, args, kwargs)


def call_rows(
    groups: Any,
    function: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
    meta: Any = None,
    name: str = "",
    labels: Sequence[Any] | None = None,
    warns: bool = False,
) -> Any:
    """Return the frame of the results of a function of pandas' groups that returns a value for each row, in the order of the rows.

    The function may also return a selection of the rows, and their positions.
    """
    labels = groups._selected if labels is None else labels
    kwargs = kwargs or {}
    whole = _partitioned(groups, labels, False, True)
    call = _PlacedCall(function, _grouping(groups, labels), name)
    if _is_given(meta):
        call.expected = Meta.of(_pandas_meta(meta), meta_of(whole).index)
    else:
        found = _inferred(lambda part, *rest: _Call.result(call, part, *rest), whole, args, kwargs, name, warns)
        call.expected = Meta(found)
    sample = call.expected.empty
    call.meta = Meta(_with_place(sample.set_axis(range(sample.shape[1]), axis=1)))
    made = _run(whole, call, args, kwargs)
    count = sample.shape[1]
    frame = (
        made._reordered((SortKey(made._columns[count].expr), *made._rows.order)) if groups._frame._rows.order else made
    )
    index = frame._index if groups._frame._index else ()
    cells = [frame._columns[at] for at in range(count)]
    if call.expected.is_series:
        return DataFrame(frame._rows, {"v": cells[0]}, index)._column("v").rename(call.expected.name)
    return DataFrame(frame._rows, dict(zip(sample.columns, cells)), index, sample.columns[:0])


def _with_place(frame: pd.DataFrame) -> pd.DataFrame:
    frame[frame.shape[1]] = np.array([], dtype="int64")
    return frame


def reject_unobserved(groups: Any, name: str) -> None:
    """Raise an error if categories without rows would form groups, which are in no partition."""
    if groups._has_unobserved:
        raise NotImplementedError(
            f"{name}() of groupby(observed=False) is not supported: categories without rows form groups only in reductions "
            "by name; use observed=True"
        )


def _is_given(meta: Any) -> bool:
    return meta is not None and meta is not no_default


def _pandas_meta(meta: Any) -> Any:
    """Return the meta that a user gave, which may be a frame of this package."""
    return meta._meta if hasattr(meta, "_rows") else meta


def _inferred(
    function: Callable[..., Any], whole: DataFrame, args: Sequence[Any], kwargs: dict[str, Any], name: str, warns: bool
) -> Any:
    if warns:
        warnings.warn(
            f"`meta` is not specified, inferred from partial data: {name} is called with a group of made-up values; give the "
            "columns and types that it returns with meta=",
            UserWarning,
            stacklevel=5,
        )
    try:
        result = function(meta_of(whole, 2), args, kwargs)
    except Exception as error:
        raise _inference_error(error, name, warns) from error
    found = result[0] if isinstance(result, tuple) else result
    return as_pandas(found, name)


def _inference_error(error: Exception, name: str, is_function: bool) -> Exception:
    """Return the error of a function of a user, or of a method of pandas, for made-up values.

    That of a method has the type of its error, if its arguments or the types of columns are wrong.
    """
    is_plain = not is_function and isinstance(error, (TypeError, pd.errors.DataError))
    kind = type(error) if is_plain else ValueError
    return kind(
        f"cannot infer the columns and types that {name} returns: it raised {type(error).__name__}: {error} for a group of two "
        "rows of made-up values; give them with meta="
    )


def _given(meta: Any, call: _Call, whole: DataFrame, args: Sequence[Any], kwargs: dict[str, Any]) -> Meta:
    """Return the meta that a user gave. If it does not describe the index, this is inferred, or has the keys."""
    found = _pandas_meta(meta)

    def sampled() -> Any:
        return as_pandas(_Call.result(call, meta_of(whole, 2), args, kwargs), "")

    if isinstance(found, (pd.DataFrame, pd.Series)):
        index = found.index
        if (
            len(found)
            or index.nlevels > 1
            or index.name is not None
            or pd.api.types.is_datetime64_any_dtype(index.dtype)
        ):
            return Meta.of(found).with_object_types(sampled)
    try:
        made: Any = sampled()
    except Exception:
        # The function fails for made-up values, as others may.
        made = call.groups.of(meta_of(whole, 2)).apply(lambda group: 0)
        return Meta.of(found, made.index[:0])
    return Meta.of(found, made.index[:0]).with_object_types(lambda: made)


# The methods of groups.


def apply_groups(groups: Any, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], meta: Any) -> Any:
    """Call a Python function with each group."""
    name = function_name(func)
    if groups._has_group_keys:
        return call_groups(groups, _Method("apply", func), args, kwargs, meta, name, warns=True)
    return _apply_without_keys(groups, _Method("apply", func), args, kwargs, meta, name)


def _apply_without_keys(groups: Any, function: Any, args: Any, kwargs: Any, meta: Any, name: str) -> Any:
    """Return the results without the keys: in the order of the rows, if all of them have the index of their group, as in pandas."""
    reject_unobserved(groups, name)
    whole = _partitioned(groups, groups._selected, True, True)
    call = _UnkeyedCall(function, _grouping(groups, groups._selected), name)
    if _is_given(meta):
        call.expected = _given(meta, call, whole, args, kwargs)
    else:
        call.expected = Meta(
            _inferred(lambda part, *rest: _Call.result(call, part, *rest), whole, args, kwargs, name, True)
        )
    sample = call.expected.empty
    numbered = sample.set_axis(range(sample.shape[1]), axis=1)
    call.meta = Meta(_with_place(_with_place(numbered)))
    made = _run(whole, call, args, kwargs)
    count = sample.shape[1]
    if groups._frame._rows.order:
        rows = made._rows
        is_like, place = made._columns[count].expr, made._columns[count + 1].expr
        all_like = aggregate("min", is_like)
        least = px.Subquery(Grouping(rows.relation, (), [Named("least", all_like)]))
        made = made._reordered((SortKey(case([(px.comparison("eq", least, 1), place)], 0)), *rows.order))
    cells = [made._columns[at] for at in range(count)]
    if call.expected.is_series:
        return DataFrame(made._rows, {"v": cells[0]}, made._index)._column("v").rename(call.expected.name)
    return DataFrame(made._rows, dict(zip(sample.columns, cells)), made._index, sample.columns[:0])


class _UnkeyedCall(_PlacedCall):
    """Calls of apply without keys: results have columns that tell whether they are like the rows, and the places of these."""

    def result(self, part: pd.DataFrame, args: Any, kwargs: Any) -> Any:
        """Return the result for a partition, with both columns."""
        found = as_pandas(_Call.result(self, part, args, kwargs), self.__name__)
        is_like = len(found) == len(part) and found.index.equals(part.index)
        places = part.iloc[:, -1] if is_like else np.zeros(len(found), dtype="int64")
        made = self.placed(found, np.full(len(found), int(is_like)))
        made[made.shape[1]] = np.asarray(places, dtype="int64")
        return made


class _Method:
    """A method of pandas' groups with its first arguments."""

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs

    def __call__(self, groups: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(groups, self.name)(*self.args, *args, **self.kwargs, **kwargs)


def call_method(
    groups: Any, name: str, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None, **how: Any
) -> Any:
    """Return the results of a method of pandas' groups, in the order of the groups."""
    return call_groups(groups, _Method(name), args, kwargs, name=name, **how)


def transform_method(groups: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any], **how: Any) -> Any:
    """Return the results of a method of pandas' groups that returns a value for each row."""
    return call_rows(groups, _Method(name), args, kwargs, name=name, **how)


def transform_groups(groups: Any, func: Any, args: Sequence[Any], kwargs: dict[str, Any], meta: Any) -> Any:
    """Return the values that a function returns for each group, one for each row or for the group."""
    name = func if isinstance(func, str) else function_name(func)
    return call_rows(groups, _Method("transform", func), args, kwargs, meta, name, warns=callable(func))


def filter_groups(groups: Any, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return the rows of the groups for which a function returns true."""
    is_series = type(groups).__name__ == "SeriesGroupBy"
    labels = groups._selected if is_series else list(groups._frame._columns)
    meta = groups._frame[labels]._meta
    if is_series:
        meta = meta.iloc[:, 0].rename(groups._size_name())
    return call_rows(groups, _Filter(func), args, kwargs, meta, function_name(func), labels)


class _Filter:
    """Selects the rows of groups for which a function returns true."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, groups: Any, *args: Any, **kwargs: Any) -> Any:
        found = [
            positions
            for positions in groups.indices.values()
            if _truth(self.function(groups.obj.iloc[positions], *args, **kwargs), self.function)
        ]
        chosen = np.sort(np.concatenate(found)) if found else np.array([], dtype="int64")
        return groups.obj.iloc[chosen], chosen


def _truth(value: Any, function: Callable[..., Any]) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return False
    raise TypeError(f"filter(): {function_name(function)} must return True or False, not {type(value).__name__}")


# Reductions that are functions.


def aggregate_groups(
    groups: Any, func: Any, args: Sequence[Any], kwargs: dict[str, Any], cells: list[Cell], meta: Any, is_one: bool
) -> Any:
    """Return reductions of groups of which some are Python functions.

    Parameters
    ----------
    groups : GroupBy
        The groups.
    func, args, kwargs
        The arguments of pandas' ``agg``.
    cells : list of Cell
        What the arguments describe.
    meta : optional
        The columns and types of the result.
    is_one : bool
        Whether the result is a column.
    """
    labels = list(dict.fromkeys(cell.column for cell in cells))
    if any(isinstance(cell.how, Aggregation) for cell in cells):
        function: Any = CellsCall(cells, len(groups._keys), is_one)
        args, kwargs = (), {}
    else:
        function = _Method("agg", func) if func is not None else _Method("agg")
    return call_groups(groups, function, args, kwargs, meta, "agg", labels)
