"""Rolling windows and resampling."""

from __future__ import annotations

import copy
import numbers
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import SO_FAR, Expr, Frame, SortKey, aggregate, call, case, cast, interval, window
from ..plan.relation import Filter, Grouping, Join, Named, Projection
from ..plan.rewrite import with_windows
from . import _expressions as ex
from ._arguments import reject_unsupported
from ._base import Level, UnsupportedName
from ._columns import Column, renumbered
from ._frame import DataFrame
from ._partitions import index_bounds
from ._reductions import HOW, REDUCTIONS, group_reduction
from ._rows import Rows
from ._series import Series
from ._sql import INDEX, is_number, literal
from ._text import positive_rest

__all__ = ["Resampler", "Rolling"]

_FUNCTIONS = {
    "sum": "sum",
    "mean": "avg",
    "min": "min",
    "max": "max",
    "std": "stddev_samp",
    "var": "var_samp",
    "count": "count",
}
#: Names of units in intervals.
_UNIT_NAMES = {"s": "SECONDS", "ms": "MILLISECONDS", "us": "MICROSECONDS", "ns": "NANOSECONDS"}
#: Whether a window includes its first and its last bound, by the argument closed=.
_CLOSED = {"right": (False, True), "left": (True, False), "both": (True, True), "neither": (False, False)}


class _RowsWindow:
    """Windows of a number of rows."""

    def __init__(self, window: int, center: bool, closed: str) -> None:
        first, last = _CLOSED[closed]
        # By default, a window of pandas includes its last row and excludes the row before its first.
        self._before = (window // 2 if center else window - 1) + first
        self._after = ((window - 1) // 2 if center else 0) - (not last)

    def value(self, name: str, value: Expr, rows: Rows) -> Expr:
        """Return an aggregate over each window."""
        if self._before + self._after < 0:
            return px.literal(0) if name == "count" else cast(None, pa.float64())
        return window(_FUNCTIONS[name], value, frame=Frame(-self._before, self._after), **rows.over())


class _TimeWindow:
    """Windows of a time span that ends at each row."""

    def __init__(self, of: Any, window: Any, closed: str) -> None:
        self._index = of.index
        kind = self._index._kind
        if not pa.types.is_timestamp(kind):
            raise ValueError(f"cannot use a time window with an index of {kind}; use set_index with a column of times")
        span = pd.Timedelta(window).as_unit(kind.unit)._value
        if span <= 0:
            raise ValueError(f"window {window!r} is shorter than the unit of the index, {kind.unit}")
        first, last = _CLOSED[closed]
        # A row that is exactly the span before belongs to the window only if its first bound is closed.
        self._oldest = span if first else span - 1
        self._newest = 0 if last else 1

    def value(self, name: str, value: Expr, rows: Rows) -> Expr:
        """Return an aggregate over each window."""
        if self._oldest < self._newest:
            return px.literal(0) if name == "count" else cast(None, pa.float64())
        if not rows.order:
            rows = rows.with_changes(order=(SortKey(self._index._expr),))
        args = (cast(value, pa.float64()), self._index._expr, self._oldest, self._newest)
        return window(f"rolling_{name}", *args, frame=SO_FAR, **rows.over())


class Rolling:
    """Rolling windows of a number of rows, or of a time span that ends at each row.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> a = dd.from_pandas(pd.Series([1.0, 2.0, 3.0]), npartitions=2)
    >>> a.rolling(2).sum().compute().tolist()
    [nan, 3.0, 5.0]
    """

    def __init__(self, of: Any, window: Any, min_periods: int | None, center: bool, closed: str | None) -> None:
        closed = "right" if closed is None else closed
        if closed not in _CLOSED:
            raise ValueError("closed must be 'right', 'left', 'both' or 'neither'")
        if min_periods is not None and min_periods < 0:
            raise ValueError("min_periods must be >= 0")
        self._of = of
        self._bounds: _RowsWindow | _TimeWindow
        if isinstance(window, (numbers.Number, bool)):
            if isinstance(window, bool) or not isinstance(window, numbers.Integral) or window < 0:
                raise ValueError("window must be an integer 0 or greater")
            if min_periods is not None and min_periods > window:
                raise ValueError(f"min_periods {min_periods} must be <= window {window}")
            if window == 0 and closed == "both":
                raise NotImplementedError(
                    "rolling(0, closed='both') is not supported; use a window of at least one row"
                )
            self._bounds = _RowsWindow(int(window), center, closed)
            self._least = int(window) if min_periods is None else min_periods
            return
        if center:
            raise NotImplementedError("rolling() does not support center=True for time windows; use a number of rows")
        self._bounds = _TimeWindow(of, window, closed)
        self._least = 1 if min_periods is None else min_periods

    def _with_columns(self, of: Any) -> Rolling:
        made = copy.copy(self)
        made._of = of
        return made

    def __getitem__(self, key: Any) -> Rolling:
        return self._with_columns(self._of[key])

    def __getattr__(self, name: str) -> Any:
        of = self.__dict__.get("_of")
        if isinstance(of, DataFrame) and name in of._columns:
            return self[name]
        if hasattr(pd.core.window.rolling.Rolling, name):
            raise UnsupportedName(f"rolling.{name} is not supported; supported: {', '.join(_FUNCTIONS)}")
        raise AttributeError(f"'Rolling' object has no attribute {name!r}; supported: {', '.join(_FUNCTIONS)}, agg")

    def _column(self, column: Series, name: str) -> Series:
        rows, given = column._rows, column._expr
        if name != "count":
            # Always float64: for other types, sliding aggregates of DataFusion accumulate rounding errors.
            given = ex.converted(given, column._kind, pa.float64())
            if pa.types.is_floating(column._kind):
                # Infinite values count as missing, as in pandas.
                is_finite = px.comparison("lt", call("abs", given), float("inf"))
                given = case([(is_finite, given)], dtype=pa.float64())
        # For count, min_periods refers to all rows, including missing values.
        seen = self._bounds.value("count", px.literal(1) if name == "count" else given, rows)
        value = cast(self._bounds.value(name, given, rows), pa.float64())
        if name == "sum" and self._least == 0:
            value = call("coalesce", value, 0.0)
        if self._least > 0:
            value = case([(px.comparison("ge", seen, self._least), value)])
        return column._like(value, origin=None)

    def _all(self, name: str, numeric_only: bool = False) -> Any:
        if isinstance(self._of, Series):
            return self._column(self._of, name)
        kinds = self._of._kinds()
        numbers = [label for label, kind in kinds.items() if is_number(kind)]
        others = [label for label in kinds if label not in numbers]
        if others and not numeric_only:
            raise pd.errors.DataError(f"cannot aggregate non-numeric type: column {others[0]!r}; use numeric_only=True")
        return self._of[numbers]._each(lambda column: self._column(column, name))

    def agg(self, func: Any) -> Any:
        """Apply a reduction by name, a list of names to a column, or names given as a dict by column."""
        if isinstance(func, dict):
            return self._of[list(func)]._each(lambda column: self._column(column, func[column.name]))
        if isinstance(func, list) and isinstance(self._of, Series):
            made = [self._column(self._of, name) for name in func]
            frame = made[0].to_frame(func[0])
            return frame.assign(**dict(zip(func, made)))
        if not isinstance(func, str) or func not in _FUNCTIONS:
            raise NotImplementedError(f"rolling.agg({func!r}) is not supported; supported: {', '.join(_FUNCTIONS)}")
        return self._all(func)


def _rolling_method(name: str) -> Any:
    def rolled(self: Rolling, numeric_only: bool = False, **arguments: Any) -> Any:
        if name in ("std", "var") and arguments.pop("ddof", 1) != 1:
            raise UnsupportedName(f"rolling.{name}() supports only ddof=1")
        reject_unsupported(f"rolling.{name}", arguments)
        return self._all(name, numeric_only)

    rolled.__doc__ = f"Return the {name} of the values of each window, ignoring missing values."
    rolled.__name__ = name
    return rolled


for _name in _FUNCTIONS:
    setattr(Rolling, _name, _rolling_method(_name))

#: Calendar intervals: SQL name, number of months, and whether the label is the last day.
_CALENDAR = {
    "MS": ("month", 1, False),
    "ME": ("month", 1, True),
    "QS": ("quarter", 3, False),
    "QE": ("quarter", 3, True),
    "YS": ("year", 12, False),
    "YE": ("year", 12, True),
}
_DAY = 24 * 3600 * 10**9
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

    def __init__(self, of: Any, rule: Any, labels: Any = None, closed: Any = None, label: Any = None) -> None:
        self._of = of
        self._rule = rule
        self._labels = labels
        self._index = index = of.index
        if not pa.types.is_timestamp(index._kind):
            raise ValueError(f"cannot resample by an index of {index._kind}; use set_index with a column of times")
        offset = self._offset = pd.tseries.frequencies.to_offset(rule)
        name, kind = offset.rule_code.split("-")[0], index._kind
        usual = "right" if name in ("W", "ME", "QE", "YE") else "left"
        for side in (closed, label):
            if side not in (None, "left", "right"):
                raise ValueError(f"resample: closed and label must be 'left' or 'right', not {side!r}")
        #: The end of an interval that it includes, and the end that is its label.
        self._closed, self._label = closed or usual, label or usual
        if name in _CALENDAR and offset.n == 1 and offset.rule_code in (name, f"{name}-DEC", f"{name}-JAN"):
            self._interval = self._month(*_CALENDAR[name])
        elif isinstance(offset, pd.offsets.Week) and offset.n == 1 and offset.weekday is not None and not kind.tz:
            self._interval = self._time(self._week(offset.weekday) * _DAY)
        else:
            self._interval = self._equal(rule, offset)

    @property
    def _moment(self) -> Expr:
        """The time of a row, minus one unit if intervals are closed on the right."""
        if self._closed == "left":
            return self._index._expr
        return self._index._expr - interval(f"1 {_UNIT_NAMES[self._index._kind.unit]}")

    def _whole(self) -> Expr:
        return _nanoseconds(self._index._expr, None)

    def _time(self, number: Expr) -> Expr:
        kind = self._index._kind
        return cast(cast(number, pa.timestamp("ns", kind.tz)), kind)

    def _week(self, weekday: int) -> Expr:
        """Return the day that labels a week. A week that is closed on the right includes its whole last day."""
        day = (self._whole() - positive_rest(self._whole(), _DAY)) / _DAY
        if self._closed == "right":
            last = day + (px.literal(weekday) - (day + 3) % 7 + 14) % 7
            return last if self._label == "right" else last - 7
        first = day - positive_rest(day + 3 - weekday, 7)
        return first if self._label == "left" else first + 7

    def _month(self, unit: str, months: int, last: bool) -> Expr:
        if not last and self._closed == "right":
            raise NotImplementedError(
                f"resample({self._rule!r}, closed='right') is not supported; use the rule {unit[0].upper()}E"
            )
        # A month that is closed on the right and labelled by its last day includes that whole day.
        moment = self._index._expr + interval("1 day") if last and self._closed == "left" else self._index._expr
        label = call("date_trunc", unit, moment)
        if self._label == "right":
            label = label + interval(f"{months} months")
        if last:
            label = label - interval("1 day")
        return cast(label, self._index._kind)

    def _equal(self, rule: Any, offset: Any) -> Expr:
        """Return the label of intervals of a fixed length."""
        try:
            step = pd.Timedelta(offset.n, "D") if isinstance(offset, pd.offsets.Day) else pd.Timedelta(offset)
        except ValueError:
            raise NotImplementedError(
                f"resample({rule!r}) is not supported; use a rule such as 15min, h, D, W, {', '.join(_CALENDAR)}"
            ) from None
        nanoseconds = step.as_unit("ns").value
        zone = self._index._kind.tz
        if isinstance(offset, pd.offsets.Day) and self._closed == "right":
            raise NotImplementedError(f"resample({rule!r}, closed='right') is not supported; use hours, such as '24h'")
        if zone and isinstance(offset, pd.offsets.Day):
            # Days of a time zone with daylight saving time have different lengths.
            if offset.n != 1:
                raise NotImplementedError(
                    f"resample({rule!r}) of times with a zone is not supported; use '1D' or hours"
                )
            day = call("date_trunc", "day", self._index._expr)
            return cast(day + interval("1 day") if self._label == "right" else day, self._index._kind)
        origin = px.literal(0)
        if zone or pd.Timedelta("1D") % step != pd.Timedelta(0):
            # As in pandas, intervals start at the midnight before the first row.
            origin = _nanoseconds(self._first_day(), zone)
        since = _nanoseconds(self._moment, zone) - origin
        number = since - positive_rest(since, nanoseconds) + origin
        return self._time(number + nanoseconds if self._label == "right" else number)

    def _first_day(self) -> Expr:
        """Return the midnight before the first row, as the value of a query."""
        first = call("date_trunc", "day", aggregate("min", self._index._expr))
        return px.Subquery(Grouping(self._of._rows.under([first]), (), [Named("first", first)]))

    def __getitem__(self, key: Any) -> Resampler:
        labels = key if isinstance(key, list) else [key]
        for label in labels:
            self._of._column(label)
        of = self._of if isinstance(key, list) else self._of[key]
        return Resampler(of, self._rule, key, self._closed, self._label)

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
        return _Intervals(grouped, columns, (Level(self._index.name, key),), self._offset, fills, axis)

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

    def agg(self, func: Any) -> Any:
        """Apply a reduction by name, a list of names, or names given as a dict by column."""
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
                f"resample.agg({func!r}) is not supported; supported: {', '.join(_INTERVAL_REDUCTIONS)}"
            )
        return self._all(func)

    aggregate = agg

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


def _complete(made: pd.DataFrame, step: Any, fills: list[Any]) -> pd.DataFrame:
    """Add the intervals without rows."""
    if len(made) == 0:
        return made
    index = pd.date_range(made.index[0], made.index[-1], freq=step, name=made.index.name)
    if len(index) == len(made):
        made.index = index
        return made
    columns = [
        made.iloc[:, at].reindex(index) if fill is None else made.iloc[:, at].reindex(index, fill_value=fill)
        for at, fill in enumerate(fills)
    ]
    return pd.concat(columns, axis=1).set_axis(made.columns, axis=1)


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
    ) -> None:
        self._found = DataFrame(rows, columns, index, axis)
        self._axis = axis
        self._whole: DataFrame | None = None
        self._step = step
        self._fills = fills

    def __getattr__(self, name: str) -> Any:
        if name in ("_rows", "_columns", "_index"):
            return getattr(self._completed(), name)
        return super().__getattr__(name)

    def _like(self, columns: dict[Any, Column], rows: Rows | None = None) -> DataFrame:
        return self._completed()._like(columns, rows)

    def compute(self, **arguments: Any) -> Any:
        """Run the plan on the cluster and return a pandas object."""
        return _complete(self._found.compute(**arguments), self._step, self._fills)

    def _completed(self) -> DataFrame:
        if self._whole is None:
            self._whole = self._with_all_intervals()
        return self._whole

    def _with_all_intervals(self) -> DataFrame:
        from ._io import from_pandas

        found = self._found
        key = found._index[0]
        first, last = index_bounds(found)
        labels = pd.DatetimeIndex([]) if first is None else pd.date_range(first, last, freq=self._step)
        if len(labels) > INTERVALS_MAX:
            raise ValueError(
                f"cannot resample to {len(labels)} intervals, more than {INTERVALS_MAX}; use longer intervals"
            )
        intervals = from_pandas(pd.DataFrame(index=labels.as_unit("ns")), npartitions=1, client=found._client)
        kind = found._rows.type(key.expr)
        label = cast(intervals._rows.column(f"{INDEX}0"), kind)
        all_labels = Projection(intervals._rows.relation, [Named("label", label)])
        values = [Named(f"f{at}", column.expr) for at, column in enumerate(found._columns.values())]
        present = found._rows.project([Named("k", key.expr), *values])
        joined = Join(all_labels, present, "left", [(all_labels.column("label"), present.column("k"))])
        cells = []
        for at, fill in enumerate(self._fills):
            value: Expr = present.column(f"f{at}")
            value = value if fill is None else call("coalesce", value, literal(fill, value.dtype), dtype=value.dtype)
            cells.append(Named(f"c{at}", value))
        made = Projection(joined, [Named(f"{INDEX}0", joined.column("label")), *cells])
        index = made.column(f"{INDEX}0")
        rows = Rows(found._client, made, (SortKey(index),), keep=(found._rows, intervals._rows))
        return DataFrame(rows, renumbered(found._columns, made), (key._replace(expr=index),), found._axis)


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
