"""Intervals of the calendar: months, quarters, years, weeks and days, and multiples of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from ..plan.expr import Expr, call, cast, interval
from ._text import positive_rest

__all__ = ["CalendarRule", "calendar_rule"]

_DAY = 24 * 3600 * 10**9
#: The number of months of a period, by the name of the rule.
_MONTHS = {"MS": 1, "ME": 1, "QS": 3, "QE": 3, "YS": 12, "YE": 12}
#: The weekday of the first day of the epoch; Monday is 0.
_EPOCH_WEEKDAY = 3


class CalendarRule(NamedTuple):
    """A rule of intervals of whole periods, such as months or weeks.

    Periods are numbered from the epoch. All times are local, without a zone.
    """

    #: Number of periods in an interval.
    multiple: int
    #: Number of months in a period; 0 if it has a number of days.
    months: int
    #: Number of days in a period.
    days: int
    #: The number of months, or of days, of the start of period 0 after the epoch.
    start: int
    #: Whether an interval is labelled by a last day, and begins and ends with one.
    is_last: bool

    def period(self, moment: Expr) -> Expr:
        """Return the number of the period of a time."""
        if self.months:
            month = cast(call("date_part", "year", moment), pa.int64()) * 12
            month = month + cast(call("date_part", "month", moment), pa.int64()) - 1 - self.start
            return _floor(month, self.months)
        whole = cast(cast(moment, pa.timestamp("ns")), pa.int64())
        return _floor(_floor(whole, _DAY) - self.start, self.days)

    def first_moment(self, period: Expr) -> Expr:
        """Return the first moment of a period."""
        if not self.months:
            return cast((period * self.days + self.start) * _DAY, pa.timestamp("ns"))
        month = period * self.months + self.start
        year = _floor(month, 12)
        date = call("make_date", cast(year, pa.int32()), cast(month - year * 12 + 1, pa.int32()), cast(1, pa.int32()))
        return cast(date, pa.timestamp("ns"))

    def interval(self, moment: Expr, closed: str, label: str, first: Callable[[Expr], Expr]) -> Expr:
        """Return the label of the interval of a time.

        Parameters
        ----------
        moment : Expr
            The time.
        closed, label : {"left", "right"}
            The end that the interval includes, and the end that is its label. An interval that is closed on the right and
            ends with a last day includes that whole day.
        first : callable
            Returns the value of an expression of the first row.
        """
        inner = moment + interval("1 day") if self.is_last and closed == "left" else moment
        number = self.period(inner)
        if self.multiple > 1:
            # As in pandas, the first interval begins with the period of the first row, or ends with it.
            origin = first(inner)
            origin = self.period(origin)
            since = number - origin
            if self.is_last and closed == "right":
                number = origin + 1 - self.multiple + _floor(since + (self.multiple - 1), self.multiple) * self.multiple
            else:
                number = origin + _floor(since, self.multiple) * self.multiple
        found = self.first_moment(number + self.multiple if label == "right" else number)
        return found - interval("1 day") if self.is_last else found


def _floor(whole: Expr, by: int) -> Expr:
    """Return a quotient rounded down."""
    return whole if by == 1 else (whole - positive_rest(whole, by)) / by


def calendar_rule(offset: Any) -> CalendarRule | None:
    """Return the rule of an offset of pandas; None if it has another length.

    Examples
    --------
    >>> import pandas as pd
    >>> calendar_rule(pd.tseries.frequencies.to_offset("2QE-JAN"))
    CalendarRule(multiple=2, months=3, days=0, start=1, is_last=True)
    """
    name, count = offset.rule_code.split("-")[0], int(offset.n)
    if name in _MONTHS and count > 0:
        months, is_last = _MONTHS[name], name.endswith("E")
        # Months from 1: that of the first day of a period, or of its last day.
        month = getattr(offset, "startingMonth", getattr(offset, "month", 12 if is_last else 1))
        return CalendarRule(count, months, 0, (month if is_last else month - 1) % months, is_last)
    if isinstance(offset, pd.offsets.Week) and offset.weekday is not None and count > 0:
        # The first day of a week follows its last one.
        return CalendarRule(count, 0, 7, offset.weekday + 1 - _EPOCH_WEEKDAY, True)
    if isinstance(offset, pd.offsets.Day) and count > 0:
        return CalendarRule(count, 0, 1, 0, False)
    return None
