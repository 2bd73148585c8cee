"""Resampling: groups of rows by time intervals."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, SortKey, aggregate, call, cast, interval
from ..plan.relation import Filter, Grouping, Join, Named, Projection
from ..plan.rewrite import with_windows
from ._arguments import reject_unsupported
from ._base import Level, UnsupportedName
from ._calendar_intervals import CalendarRule, calendar_rule
from ._columns import Column, regularity_of, renumbered
from ._frame import DataFrame
from ._partitions import index_bounds
from ._reductions import HOW, REDUCTIONS, group_reduction
from ._rows import Rows
from ._series import Series
from ._sql import INDEX, is_number, literal
from ._text import positive_rest

__all__ = ["Resampler"]

#: Names of units in intervals.
_UNIT_NAMES = {"s": "SECONDS", "ms": "MILLISECONDS", "us": "MICROSECONDS", "ns": "NANOSECONDS"}
#: Reductions of intervals.
_INTERVAL_REDUCTIONS = (*REDUCTIONS, "first", "last", "size", "quantile", "any", "all")


class Resampler:
    """Groups of rows by time intervals. Intervals without rows are included.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> times = pd.date_range("2021-09-01", periods=4, freq="12h")
    >>> a = dd.from_pandas(pd.Series([1, 2, 3, 4], index=times), npartitions=2)
    >>> a.resample("D").sum().compute().tolist()
    [3, 7]
    """

    def __init__(
        self,
        of: Any,
        rule: Any,
        labels: Any = None,
        closed: Any = None,
        label: Any = None,
        origin: Any = "start_day",
        offset: Any = None,
    ) -> None:
        self._of = of
        self._rule = rule
        self._labels = labels
        self._index = index = of.index
        if not pa.types.is_timestamp(index._kind):
            raise ValueError(
                f"cannot resample by an index of {index._kind}; use set_index with a column of times, so that the divisions "
                "are times"
            )
        step = self._step = pd.tseries.frequencies.to_offset(rule)
        self._origin, self._offset = origin, offset
        calendar, zone = calendar_rule(step), index._kind.tz
        usual = "right" if calendar is not None and calendar.is_last else "left"
        for side in (closed, label):
            if side not in (None, "left", "right"):
                raise ValueError(f"resample: closed and label must be 'left' or 'right', not {side!r}")
        #: The end of an interval that it includes, and the end that is its label.
        self._closed, self._label = closed or usual, label or usual
        if isinstance(step, pd.offsets.Day) and (not zone or self._closed == "right"):
            calendar = None
        #: The zone of the labels, if those of the plan are local times.
        self._zone = zone if calendar is not None else None
        self._interval = self._equal(rule, step) if calendar is None else self._of_calendar(calendar)

    @property
    def _moment(self) -> Expr:
        """The time of a row, minus one unit if intervals are closed on the right."""
        if self._closed == "left":
            return self._index._expr
        return self._index._expr - interval(f"1 {_UNIT_NAMES[self._index._kind.unit]}")

    def _first(self, value: Expr) -> Expr:
        """Return the least value of an expression, as the value of a query."""
        first = aggregate("min", value)
        return px.Subquery(Grouping(self._of._rows.under([first]), (), [Named("first", first)]))

    def _of_calendar(self, rule: CalendarRule) -> Expr:
        """Return the label of intervals of the calendar, which is a local time."""
        if not rule.is_last and self._closed == "right":
            raise NotImplementedError(
                f"resample({self._rule!r}, closed='right') is not supported; use a rule of last days, such as ME"
            )
        if rule.days == 1 and (self._origin != "start_day" or self._offset is not None):
            raise NotImplementedError(
                f"resample({self._rule!r}, origin=, offset=) of times with a zone is not supported; use hours, such as '24h'"
            )
        kind, value = self._index._kind, self._index._expr
        local = call("to_local_time", value) if kind.tz else value
        return cast(rule.interval(local, self._closed, self._label, self._first), pa.timestamp(kind.unit))

    def _equal(self, rule: Any, step: Any) -> Expr:
        """Return the label of intervals of a fixed length."""
        try:
            length = pd.Timedelta(step.n, "D") if isinstance(step, pd.offsets.Day) else pd.Timedelta(step)
        except ValueError:
            raise NotImplementedError(
                f"resample({rule!r}) is not supported; use a rule such as 15min, h, D, W, MS, ME, QS, QE, YS, YE"
            ) from None
        if isinstance(step, pd.offsets.Day) and self._closed == "right":
            raise NotImplementedError(f"resample({rule!r}, closed='right') is not supported; use hours, such as '24h'")
        nanoseconds, kind = length.as_unit("ns").value, self._index._kind
        origin = self._beginning(length)
        if self._offset is not None:
            origin = origin + pd.Timedelta(self._offset).as_unit("ns").value
        since = _nanoseconds(self._moment, kind.tz) - origin
        number = since - positive_rest(since, nanoseconds) + origin
        number = number + nanoseconds if self._label == "right" else number
        return cast(cast(number, pa.timestamp("ns", kind.tz)), kind)

    def _beginning(self, length: pd.Timedelta) -> Expr:
        """Return the time at which an interval begins, in nanoseconds since the epoch."""
        origin, zone = self._origin, self._index._kind.tz
        if isinstance(origin, str) and origin == "start_day":
            if zone or pd.Timedelta("1D") % length != pd.Timedelta(0):
                # As in pandas, intervals start at the midnight before the first row.
                return _nanoseconds(call("date_trunc", "day", self._first(self._index._expr)), zone)
            return px.literal(0)
        if isinstance(origin, str) and origin == "epoch":
            return px.literal(int(pd.Timestamp("1970-01-01", tz=zone).as_unit("ns").value))
        if isinstance(origin, str) and origin == "start":
            return _nanoseconds(self._first(self._index._expr), zone)
        if isinstance(origin, str) and origin in ("end", "end_day"):
            raise NotImplementedError(
                f"resample(origin={origin!r}) is not supported; use 'start', 'start_day' or a time"
            )
        moment = pd.Timestamp(origin)
        if (moment.tz is None) != (zone is None):
            raise ValueError("origin must have the same timezone as the index")
        return px.literal(int(moment.as_unit("ns").value))

    def __getitem__(self, key: Any) -> Resampler:
        labels = key if isinstance(key, list) else [key]
        for label in labels:
            self._of._column(label)
        of = self._of if isinstance(key, list) else self._of[key]
        return Resampler(of, self._rule, key, self._closed, self._label, self._origin, self._offset)

    def __getattr__(self, name: str) -> Any:
        of = self.__dict__.get("_of")
        if isinstance(of, DataFrame) and name in of._columns:
            return self[name]
        known = f"supported: {', '.join(_INTERVAL_REDUCTIONS)}, ohlc, agg"
        if hasattr(pd.core.resample.Resampler, name):
            raise UnsupportedName(f"resample.{name} is not supported; {known}")
        raise AttributeError(f"'Resampler' object has no attribute {name!r}; {known}")

    def _columns(self) -> list[Series]:
        of = self._of
        if isinstance(of, Series):
            return [of]
        return [of._column(label) for label in (self._labels if self._labels is not None else of._columns)]

    def _made(self, cells: list[tuple[Any, _Cell]], axis: pd.Index | None = None) -> _Intervals:
        rows = self._of._rows
        expressions = [self._interval, px.not_null(self._index._expr), *(cell.column.expr for _, cell in cells)]
        # Window functions are those of all rows.
        relation, [label, there, *values] = with_windows(rows.under(expressions), expressions)
        named = [Named(f"c{at}", expr) for at, expr in enumerate(values)]
        made = Grouping(Filter(relation, [there]), [Named(f"{INDEX}0", label)], named)
        key = made.column(f"{INDEX}0")
        columns = {label: Column(made.column(f"c{at}"), cell.column.origin) for at, (label, cell) in enumerate(cells)}
        fills = [cell.fill for _, cell in cells]
        grouped = Rows(rows.client, made, (SortKey(key),), keep=rows)
        return _Intervals(grouped, columns, (Level(self._index.name, key),), self._step, fills, axis, self._zone)

    def _cell(self, name: str, column: Series, **how: Any) -> _Cell:
        made = group_reduction(name, column, column._rows.order or (SortKey(self._index._expr),), **how)
        fill = None if how.get("min_count", 0) > 0 else _EMPTY.get(name)
        if fill == 0 and name == "sum" and pa.types.is_duration(column._kind):
            fill = pd.Timedelta(0).as_unit(column._kind.unit)
        return _Cell(made, fill)

    def _all(self, name: str, numeric_only: bool = False, **how: Any) -> Any:
        if isinstance(self._of, Series):
            return self._one(self._cell(name, self._of, **how), self._of.name)
        if name == "size":
            return self._one(_Cell(Column(aggregate("count_rows")), 0), None)
        columns = [column for column in self._columns() if not numeric_only or is_number(column._kind)]
        return self._made([(column.name, self._cell(name, column, **how)) for column in columns], self._of._axis)

    def _one(self, cell: _Cell, label: Any) -> _IntervalColumn:
        return _IntervalColumn(self._made([("v", cell)]), label)

    def agg(self, func: Any, *args: Any, **arguments: Any) -> Any:
        """Reduce the values of each interval.

        Parameters
        ----------
        func : str, callable, list of str, or dict
            The name of a reduction, a list of names, or names given as a dict by column; or a function of the values of a
            column in an interval, which runs on the workers when the result is first computed.
        *args, **arguments
            Further arguments of a function. ``meta``: the columns and types of its result, as for
            :func:`partita.dataframe.map_partitions`.
        """
        if callable(func):
            return self._called(func, args, arguments)
        if args or arguments:
            if isinstance(func, str) and func in _INTERVAL_REDUCTIONS:
                return getattr(self, func)(*args, **arguments)
            raise NotImplementedError("resample.agg() supports further arguments only for a function or one reduction")
        if isinstance(func, dict):
            if any(isinstance(names, list) for names in func.values()):
                pairs = [
                    (c, name) for c, names in func.items() for name in (names if isinstance(names, list) else [names])
                ]
                return self._made([((c, name), self._cell(name, self._of._column(c))) for c, name in pairs])
            return self._made([(label, self._cell(name, self._of._column(label))) for label, name in func.items()])
        if isinstance(func, list):
            if isinstance(self._of, Series):
                return self._made([(name, self._cell(name, self._of)) for name in func])
            return self._made([((c.name, name), self._cell(name, c)) for c in self._columns() for name in func])
        if not isinstance(func, str) or func not in _INTERVAL_REDUCTIONS:
            raise NotImplementedError(
                f"resample.agg({func!r}) is not supported; supported: {', '.join(_INTERVAL_REDUCTIONS)}, and functions"
            )
        return self._all(func)

    aggregate = agg

    def apply(self, func: Any, *args: Any, **arguments: Any) -> Any:
        """Reduce the values of each interval, as :meth:`agg`."""
        return self.agg(func, *args, **arguments)

    def _called(self, func: Callable[..., Any], args: tuple[Any, ...], arguments: dict[str, Any]) -> Any:
        """Return the results of a function of the values of each interval, also of those without rows."""
        of = self._of
        is_series = isinstance(of, Series)
        frame = of.to_frame("v") if is_series else of[[column.name for column in self._columns()]]
        key = Series(of._rows, self._interval, self._index.name, of._index)
        groups = frame.groupby(key)
        made = (
            groups["v"].agg(func, *args, **arguments).to_frame("v")
            if is_series
            else groups.agg(func, *args, **arguments)
        )
        arguments.pop("meta", None)
        empty = frame._meta
        fills = [_value_of_none(func, empty[label], args, arguments) for label in made._columns]
        found = _Intervals(made._rows, made._columns, made._index, self._step, fills, made._axis, self._zone)
        return _IntervalColumn(found, of.name) if is_series else found

    def quantile(self, q: float = 0.5) -> Any:
        """Return a quantile of the values of each interval, ignoring missing values."""
        return self._all("quantile", q=q)

    def ohlc(self) -> Any:
        """Return the first, largest, smallest and last value of each interval."""
        names = {"open": "first", "high": "max", "low": "min", "close": "last"}
        if isinstance(self._of, Series):
            return self._made([(label, self._cell(name, self._of)) for label, name in names.items()])
        return self._made(
            [((c.name, label), self._cell(name, c)) for c in self._columns() for label, name in names.items()]
        )


class _Cell(NamedTuple):
    """The value of an interval, and the value of an interval without rows."""

    column: Column
    fill: Any = None


#: Values of reductions for intervals without rows, where they are not missing.
_EMPTY = {"sum": 0, "count": 0, "size": 0, "nunique": 0, "prod": 1, "product": 1, "any": False, "all": True}


def _value_of_none(func: Callable[..., Any], values: pd.Series, args: Any, arguments: dict[str, Any]) -> Any:
    """Return the value of a function for an interval without rows; None if it is missing."""
    try:
        found = func(values, *args, **arguments)
    except (ValueError, TypeError, IndexError, KeyError, ZeroDivisionError):
        return None
    return None if pd.api.types.is_scalar(found) and pd.isna(found) else found


def _all_labels(
    first: Any, last: Any, step: Any, zone: Any, name: Any = None
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Return the labels of all intervals between two labels, and the same in the zone of the index."""
    labels = pd.date_range(first, last, freq=step, name=name)
    if zone is None:
        return labels, labels
    # As in pandas, a midnight that does not exist is the first moment after it.
    is_summer = np.ones(len(labels), dtype=bool)
    found = labels.tz_localize(zone, ambiguous=is_summer, nonexistent="shift_forward")
    with contextlib.suppress(ValueError):
        found.freq = step
    return labels, found


def _complete(made: pd.DataFrame, step: Any, fills: list[Any], zone: Any) -> pd.DataFrame:
    """Add the intervals without rows, and the zone of the labels."""
    if len(made) == 0:
        return made if zone is None else made.set_axis(made.index.tz_localize(zone), axis=0)
    labels, index = _all_labels(made.index[0], made.index[-1], step, zone, made.index.name)
    if len(index) == len(made):
        made.index = index
        return made
    columns = [
        made.iloc[:, at].reindex(labels) if fill is None else made.iloc[:, at].reindex(labels, fill_value=fill)
        for at, fill in enumerate(fills)
    ]
    return pd.concat(columns, axis=1).set_axis(made.columns, axis=1).set_axis(index, axis=0)


class _Intervals(DataFrame):
    """The result of resampling, including intervals without rows.

    compute() adds the intervals without rows to the result on the client. If further operations follow, the labels of
    all intervals are uploaded and joined with those that have rows.
    """

    def __init__(
        self,
        rows: Rows,
        columns: dict[Any, Column],
        index: tuple[Level, ...],
        step: Any,
        fills: list[Any],
        axis: pd.Index | None = None,
        zone: Any = None,
    ) -> None:
        self._zone = zone
        self._found = DataFrame(rows, columns, index, axis)
        self._axis = axis
        self._whole: DataFrame | None = None
        self._step = step
        self._fills = fills

    def __getattr__(self, name: str) -> Any:
        if name in ("_rows", "_columns", "_index"):
            return getattr(self._completed(), name)
        if not name.startswith("_") and name in self._found._columns:
            return self[name]
        return super().__getattr__(name)

    def _like(self, columns: dict[Any, Column], rows: Rows | None = None) -> DataFrame:
        return self._completed()._like(columns, rows)

    def compute(self, **arguments: Any) -> Any:
        """Run the plan on the cluster and return a pandas object."""
        return _complete(self._found.compute(**arguments), self._step, self._fills, self._zone)

    def _completed(self) -> DataFrame:
        if self._whole is None:
            self._whole = self._with_all_intervals()
        return self._whole

    def _with_all_intervals(self) -> DataFrame:
        from ._io import from_pandas

        found = self._found
        key = found._index[0]
        first, last = index_bounds(found)
        nothing = pd.DatetimeIndex([])
        labels, shown = (nothing, nothing) if first is None else _all_labels(first, last, self._step, self._zone)
        if len(labels) > INTERVALS_MAX:
            raise ValueError(
                f"cannot resample to {len(labels)} intervals, more than {INTERVALS_MAX}; use longer intervals"
            )
        pairs = pd.DataFrame({"shown": shown.as_unit("ns")}, index=labels.as_unit("ns"))
        intervals = from_pandas(pairs, npartitions=1, client=found._client)
        kind = found._rows.type(key.expr)
        label = cast(intervals._rows.column(f"{INDEX}0"), kind)
        named = [Named("label", label)]
        if self._zone is not None:
            named.append(Named("shown", cast(intervals._rows.column("c0"), pa.timestamp(kind.unit, self._zone))))
        all_labels = Projection(intervals._rows.relation, named)
        values = [Named(f"f{at}", column.expr) for at, column in enumerate(found._columns.values())]
        present = found._rows.project([Named("k", key.expr), *values])
        joined = Join(all_labels, present, "left", [(all_labels.column("label"), present.column("k"))])
        cells = []
        for at, fill in enumerate(self._fills):
            value: Expr = present.column(f"f{at}")
            value = value if fill is None else call("coalesce", value, literal(fill, value.dtype), dtype=value.dtype)
            cells.append(Named(f"c{at}", value))
        shown_name = "label" if self._zone is None else "shown"
        made = Projection(joined, [Named(f"{INDEX}0", joined.column(shown_name)), *cells])
        index = made.column(f"{INDEX}0")
        rows = Rows(found._client, made, (SortKey(index),), keep=(found._rows, intervals._rows))
        level = key._replace(expr=index, regularity=regularity_of(shown))
        return DataFrame(rows, renumbered(found._columns, made), (level,), found._axis)


def _nanoseconds(moment: Expr, zone: Any) -> Expr:
    return cast(cast(moment, pa.timestamp("ns", zone)), pa.int64())


class _IntervalColumn(Series):
    """A column of the result of resampling."""

    def __init__(self, intervals: _Intervals, name: Any) -> None:
        self._intervals = intervals
        self.name = name
        self._origin = intervals._found._columns["v"].origin

    def __getattr__(self, name: str) -> Any:
        if name in ("_rows", "_index"):
            return getattr(self._intervals._completed(), name)
        if name == "_expr":
            return self._intervals._completed()._columns["v"].expr
        return super().__getattr__(name)

    def compute(self, **arguments: Any) -> Any:
        """Run the plan on the cluster and return a pandas object."""
        return self._intervals.compute(**arguments)["v"].rename(self.name)


#: Maximum number of intervals in further operations.
INTERVALS_MAX = 10_000_000


def _resampling_method(name: str) -> Any:
    def resampled(self: Resampler, numeric_only: bool = False, **arguments: Any) -> Any:
        how = {key: arguments.pop(key) for key in HOW.get(name, ()) if key in arguments}
        reject_unsupported(f"resample.{name}", arguments)
        return self._all(name, numeric_only, **how)

    resampled.__doc__ = f"Return the {name} of the values of each interval, ignoring missing values."
    resampled.__name__ = name
    return resampled


for _name in _INTERVAL_REDUCTIONS:
    if _name != "quantile":
        setattr(Resampler, _name, _resampling_method(_name))
