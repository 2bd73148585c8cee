"""Columns and indexes of periods, such as months: the times at which they start, with the type of pandas as their origin.

Order, equality and groups of periods are those of their start times. Everything else is computed by pandas on the workers, or
refused: an operation that does not say what becomes of the origin is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._errors import UnsupportedName
from ..plan.expr import call
from ._mixed import computed

if TYPE_CHECKING:
    from ._series import Series

__all__ = [
    "PeriodIndexes",
    "PeriodMethods",
    "PeriodOf",
    "as_periods",
    "label_bounds",
    "period_label",
    "start_of",
    "starts_of",
    "to_periods",
    "to_times",
]


def starts_of(values: pd.Series) -> pd.Series:
    """Return the start times of the periods of a column of pandas."""
    return pd.Series(pd.PeriodIndex(values.array).to_timestamp(), index=values.index, name=values.name)


def to_periods(values: Any, dtype: pd.PeriodDtype) -> Any:
    """Return an array of periods by their start times."""
    return pd.PeriodIndex(pd.DatetimeIndex(values), freq=dtype.freq).array


def period_label(moment: Any, origin: Any) -> Any:
    """Return a label of an index: the period that starts at a time, or the time itself if the index is not of periods."""
    if not isinstance(origin, pd.PeriodDtype) or not isinstance(moment, pd.Timestamp):
        return moment
    return pd.Period(moment, freq=origin.freq)


def start_of(value: Any, origin: pd.PeriodDtype) -> pd.Timestamp:
    """Return the start time of a period, or of the period of a string or time, of a column.

    Raises
    ------
    TypeError
        If the value is a period of another frequency, or none.
    """
    if isinstance(value, pd.Period) and value.freq != origin.freq:
        raise TypeError(f"cannot use {value!r} with periods of the frequency {origin.freq.freqstr!r}; use asfreq")
    if not isinstance(value, (pd.Period, str, pd.Timestamp)):
        raise TypeError(f"cannot use {value!r} with periods; use a pandas.Period or a string")
    return pd.Period(value, freq=origin.freq).start_time


class PeriodOf:
    """The function that returns the period of a start time."""

    def __init__(self, origin: pd.PeriodDtype) -> None:
        self.origin = origin

    def __call__(self, moment: Any) -> Any:
        return pd.Period(moment, freq=self.origin.freq)


def label_bounds(value: Any, origin: pd.PeriodDtype) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the start times of the first and the last period of a label; a string may stand for several periods."""
    if isinstance(value, str):
        span = pd.Period(value)
        first, last = (pd.Period(one, freq=origin.freq) for one in (span.start_time, span.end_time))
        return first.start_time, last.start_time
    start = start_of(value, origin)
    return start, start


class PeriodMethods:
    """The accessor ``.dt`` of a column of periods. The functions of pandas compute the results on the workers."""

    def __init__(self, column: Series) -> None:
        self._column = column

    def __dir__(self) -> list[str]:
        return [*_FIELDS, *_TIMES, "asfreq", "strftime", "to_timestamp", "freq"]

    @property
    def freq(self) -> Any:
        """The frequency of the periods."""
        return self._column._origin.freq

    def to_timestamp(self, freq: Any = None, how: str = "start") -> Series:
        """Return the times at which the periods start or end; see :meth:`pandas.Series.dt.to_timestamp`.

        Parameters
        ----------
        freq : str, optional
            The frequency to which the periods are converted first.
        how : {"start", "end"}
            Which time to return.
        """
        return to_times(self._column, freq, how)

    def strftime(self, date_format: str) -> Series:
        """Return the periods as strings of a format."""
        return computed(self._column, _OfPeriods("strftime", date_format), "strftime", "str")

    def asfreq(self, freq: Any = None, how: str = "E") -> Series:
        """Convert the periods to another frequency, at their end or their start."""
        dtype = pd.PeriodDtype(freq or self.freq)
        return computed(self._column, _OfPeriods("asfreq", freq, how), "asfreq", dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        dtype = _FIELDS.get(name)
        if dtype is not None:
            return computed(self._column, _FieldOf(name), name, dtype)
        if name in _TIMES:
            return to_times(self._column, None, name.removesuffix("_time"))
        if hasattr(pd.Series([], dtype="period[D]").dt, name):
            raise UnsupportedName(f"dt.{name} of periods is not supported; use to_timestamp, or compute() and pandas")
        raise AttributeError(f"periods have no attribute {name!r}")


#: The attributes that are numbers, with their types.
_FIELDS = {
    **dict.fromkeys(
        ("year", "month", "day", "hour", "minute", "second", "quarter", "qyear", "week", "weekofyear"), "int64"
    ),
    **dict.fromkeys(("dayofweek", "day_of_week", "weekday", "dayofyear", "day_of_year", "daysinmonth"), "int64"),
    "days_in_month": "int64",
    "is_leap_year": "bool",
}
#: The attributes that are times.
_TIMES = ("start_time", "end_time")


class _FieldOf:
    """An attribute of periods."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, values: Any) -> pd.Series:
        return pd.Series(getattr(pd.PeriodIndex(values), self.name), index=getattr(values, "index", None))


class _OfPeriods:
    """A method of periods."""

    def __init__(self, name: str, *args: Any) -> None:
        self.name, self.args = name, args

    def __call__(self, values: Any) -> pd.Series:
        made = getattr(pd.PeriodIndex(values), self.name)(*self.args)
        return pd.Series(made, index=getattr(values, "index", None))


def to_times(column: Series, freq: Any = None, how: str = "start") -> Any:
    """Return the times at which periods start or end.

    Raises
    ------
    TypeError
        If the column has no periods.
    """
    if not isinstance(column._origin, pd.PeriodDtype):
        raise TypeError(f"to_timestamp() requires periods, not {column.dtype}")
    if freq is None and str(how).lower() in ("s", "start", "begin"):
        return column._like(column._expr, origin=None)
    dtype = pd.PeriodIndex([], dtype=column._origin).to_timestamp(freq, how).dtype
    return computed(column, _OfPeriods("to_timestamp", freq, how), "to_timestamp", dtype)


class PeriodIndexes:
    """Conversions of an index of periods or of times."""

    def to_timestamp(self, freq: Any = None, how: str = "start", axis: Any = 0) -> Any:
        """Convert the index from periods to the times at which they start or end.

        Parameters
        ----------
        freq : str, optional
            The frequency to which the periods are converted first.
        how : {"start", "end"}
            Which time to return.
        axis
            Only 0, the index.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> months = pd.period_range("2024-01", periods=2, freq="M")
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2]}, index=months), npartitions=2)
        >>> ddf.to_timestamp().compute().index[1]
        Timestamp('2024-02-01 00:00:00')
        """
        return _with_index(
            self, axis, lambda labels: to_times(labels, freq, how), lambda labels: _step(labels, freq, how)
        )

    def to_period(self, freq: Any = None, axis: Any = 0) -> Any:
        """Convert the index from times to the periods in which they are.

        Parameters
        ----------
        freq : str
            The frequency of the periods, such as ``"M"``, ``"Q"`` or ``"D"``.
        axis
            Only 0, the index.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> days = pd.date_range("2024-01-31", periods=2, freq="D")
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2]}, index=days), npartitions=2)
        >>> ddf.to_period("M").compute().index[1]
        Period('2024-02', 'M')
        """
        return _with_index(self, axis, lambda labels: as_periods(labels, freq))


def _step(labels: Any, freq: Any, how: str) -> Any:
    """Return the frequency of the times of periods that follow each other."""
    try:
        return pd.period_range("2000-01-01", periods=3, freq=labels._origin.freq).to_timestamp(freq, how).freq
    except (TypeError, ValueError):
        return None


def _with_index(
    plan: Any, axis: Any, convert: Callable[[Any], Any], regularity: Callable[[Any], Any] = lambda labels: None
) -> Any:
    from ._labels import with_labels
    from ._series import index_of

    if axis not in (0, "index"):
        raise NotImplementedError("only the index (axis=0) is converted; set .columns for the labels of columns")
    labels = index_of(plan)
    return with_labels(plan, convert(labels), True, regularity(labels))


def as_periods(column: Series, freq: Any = None) -> Series:
    """Return the periods of times; see :meth:`pandas.Series.dt.to_period`."""
    if freq is None:
        raise NotImplementedError("to_period() requires freq=: the frequency of a column is not inferred")
    dtype = pd.PeriodDtype(freq)
    name, is_local = dtype.freq.freqstr, pa.types.is_timestamp(column._kind) and column._kind.tz is None
    if is_local and name in _FIXED:
        return column._like(column.dt.floor(name)._expr, origin=dtype)
    if is_local and name in _UNITS:
        return column._like(call("date_trunc", _UNITS[name], column._expr), origin=dtype)
    return computed(column, _ToPeriods(freq), "to_period", dtype)


#: The frequencies of which the cluster finds the start times by the calendar, with its names of them.
_UNITS = {"Y-DEC": "year", "Q-DEC": "quarter", "M": "month", "W-SUN": "week"}
#: The frequencies of a fixed length.
_FIXED = ("D", "h", "min", "s")


class _ToPeriods:
    """The conversion of times to periods. As in pandas, times with a zone become those of their clocks."""

    def __init__(self, freq: Any) -> None:
        self.freq = freq

    def __call__(self, values: Any) -> pd.Series:
        times = pd.DatetimeIndex(values)
        made = (times if times.tz is None else times.tz_localize(None)).to_period(self.freq)
        return pd.Series(made, index=getattr(values, "index", None))
