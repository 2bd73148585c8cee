"""Rolling windows."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import SO_FAR, Expr, Frame, SortKey, call, case, cast, window
from . import _expressions as ex
from ._arguments import without_tuning
from ._base import UnsupportedName
from ._frame import DataFrame
from ._overlap import map_overlap
from ._rows import Rows
from ._series import Series
from ._sql import is_number

__all__ = ["Rolling"]

_FUNCTIONS = {
    "sum": "sum",
    "mean": "avg",
    "min": "min",
    "max": "max",
    "std": "stddev_samp",
    "var": "var_samp",
    "count": "count",
}
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
        if not pa.types.is_timestamp(kind) or isinstance(self._index._origin, pd.PeriodDtype):
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

    def __init__(
        self,
        of: Any,
        window: Any,
        min_periods: int | None = None,
        center: bool = False,
        win_type: Any = None,
        closed: str | None = None,
    ) -> None:
        if closed is not None and closed not in _CLOSED:
            raise ValueError("closed must be 'right', 'left', 'both' or 'neither'")
        if min_periods is not None:
            if isinstance(min_periods, bool) or not isinstance(min_periods, numbers.Integral):
                raise ValueError("min_periods must be an integer")
            if min_periods < 0:
                raise ValueError("min_periods must be >= 0")
        self._of = of
        self.window = window
        self.min_periods = min_periods
        self.center = center
        self.win_type = win_type
        self.closed = closed
        side = "right" if closed is None else closed
        #: The windows that the cluster computes; None for those that only pandas does.
        self._bounds: _RowsWindow | _TimeWindow | None = None
        #: What precedes and follows a row in its window, at most.
        self._reach: Any = None
        if isinstance(window, (numbers.Number, bool)):
            if isinstance(window, bool) or not isinstance(window, numbers.Integral) or window < 0:
                raise ValueError("window must be an integer 0 or greater")
            if min_periods is not None and min_periods > window:
                raise ValueError(f"min_periods {min_periods} must be <= window {window}")
            if window == 0 and closed == "both":
                raise NotImplementedError(
                    "rolling(0, closed='both') is not supported; use a window of at least one row"
                )
            if win_type is None:
                self._bounds = _RowsWindow(int(window), center, side)
            self._reach = int(window)
            self._least = int(window) if min_periods is None else int(min_periods)
            return
        if not isinstance(window, (str, pd.Timedelta, pd.offsets.BaseOffset)) and not hasattr(window, "total_seconds"):
            raise ValueError(f"window must be a number of rows or a duration, not {type(window).__name__}")
        if win_type is not None:
            raise ValueError("win_type= requires a window of a number of rows")
        bounds = _TimeWindow(of, window, side)
        self._bounds = None if center else bounds
        self._reach = pd.Timedelta(window)
        self._least = 1 if min_periods is None else int(min_periods)

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
        known = ", ".join((*_FUNCTIONS, *_BY_PANDAS))
        if hasattr(pd.core.window.rolling.Rolling, name):
            raise UnsupportedName(f"rolling.{name} is not supported; supported: {known}")
        raise AttributeError(f"'Rolling' object has no attribute {name!r}; supported: {known}")

    def _by_pandas(self, name: str, args: tuple[Any, ...], arguments: dict[str, Any]) -> Any:
        """Return the result of a method of pandas for each partition with the rows of its neighbours that windows reach."""
        options = {"window": self.window, "min_periods": self.min_periods, "center": self.center}
        options.update({"win_type": self.win_type, "closed": self.closed})
        call = _RollingCall({key: one for key, one in options.items() if one is not None}, name)
        after = self._reach if self.center else 0
        made = map_overlap(call, self._of, self._reach, after, *args, **without_tuning(arguments))
        if self._of._index:
            return made
        if len(made._index) > 1:
            raise NotImplementedError(f"rolling.{name}() requires a frame with an index; use set_index first")
        # The rows are numbered over all partitions.
        return made.reset_index(drop=True)

    def _column(self, column: Series, name: str) -> Series:
        rows, given, bounds = column._rows, column._expr, self._bounds
        assert bounds is not None
        if name != "count":
            # Always float64: for other types, sliding aggregates of DataFusion accumulate rounding errors.
            given = ex.converted(given, column._kind, pa.float64())
            if pa.types.is_floating(column._kind):
                # Infinite values count as missing, as in pandas.
                is_finite = px.comparison("lt", call("abs", given), float("inf"))
                given = case([(is_finite, given)], dtype=pa.float64())
        # For count, min_periods refers to all rows, including missing values.
        seen = bounds.value("count", px.literal(1) if name == "count" else given, rows)
        value = cast(bounds.value(name, given, rows), pa.float64())
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

    def agg(self, func: Any, *args: Any, **arguments: Any) -> Any:
        """Apply a reduction by name or a function, a list of these, or a dict of these by column.

        Functions run on the workers when the result is first computed.
        """
        is_plain = self._bounds is not None and not args and not arguments
        if isinstance(func, str) and is_plain and func in _FUNCTIONS:
            return self._all(func)
        if isinstance(func, dict) and is_plain and all(one in _NAMES for one in map(_hashable, func.values())):
            return self._of[list(func)]._each(lambda column: self._column(column, func[column.name]))
        if isinstance(func, list) and is_plain and isinstance(self._of, Series) and set(map(_hashable, func)) <= _NAMES:
            made = [self._column(self._of, name) for name in func]
            return made[0].to_frame(func[0]).assign(**dict(zip(func, made)))
        return self._by_pandas("agg", (func, *args), arguments)

    aggregate = agg


#: The names of the reductions that the cluster computes.
_NAMES = frozenset(_FUNCTIONS)


def _hashable(value: Any) -> Any:
    """Return a reduction, or nothing if it is a list of them."""
    return value if isinstance(value, str) else None


class _RollingCall:
    """The function that calls a method of pandas' rolling windows."""

    def __init__(self, options: dict[str, Any], name: str) -> None:
        self.options = options
        self.name = name
        self.__name__ = f"rolling.{name}"

    def __call__(self, part: Any, *args: Any, **arguments: Any) -> Any:
        return getattr(part.rolling(**self.options), self.name)(*args, **arguments)


def _rolling_method(name: str) -> Callable[..., Any]:
    def rolled(self: Rolling, numeric_only: bool = False, **arguments: Any) -> Any:
        given = without_tuning(arguments)
        if given.get("ddof", 0) == 1:
            del given["ddof"]
        if self._bounds is None or given:
            return self._by_pandas(name, (), {"numeric_only": numeric_only, **given})
        return self._all(name, numeric_only)

    rolled.__doc__ = f"Return the {name} of the values of each window, ignoring missing values."
    rolled.__name__ = name
    return rolled


#: Methods of pandas, which run on the workers when the result is first computed.
_BY_PANDAS = ("median", "quantile", "skew", "kurt", "sem", "rank", "cov", "corr", "apply")


def _pandas_method(name: str) -> Callable[..., Any]:
    def rolled(self: Rolling, *args: Any, **arguments: Any) -> Any:
        return self._by_pandas(name, args, arguments)

    rolled.__doc__ = f"Return the {name} of the values of each window; see :meth:`pandas.DataFrame.rolling`."
    rolled.__name__ = name
    return rolled


for _name in _FUNCTIONS:
    setattr(Rolling, _name, _rolling_method(_name))
for _name in _BY_PANDAS:
    setattr(Rolling, _name, _pandas_method(_name))
