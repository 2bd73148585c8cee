"""Methods that depend on the order of the rows: cumulative functions, shifts, windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import SO_FAR, Expr, call, case, cast, window
from ._arguments import is_columns_axis, reject_unsupported, whole_periods
from ._columns import category_at, is_masked, require_order, sort_value
from ._reductions import factor
from ._replacement import is_missing
from ._sql import is_number, is_text, replace_nan

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._rows import Rows
    from ._series import Series

__all__ = ["FILL_MAX", "ColumnWindows", "FrameWindows", "cumulative", "difference", "one_type", "shifted"]

#: Maximum of the argument limit= of ffill and bfill.
FILL_MAX = 16


def cumulative(column: Any, function: str, over: dict[str, Any], skipna: bool = True) -> Expr:
    """Return a cumulative function, which is missing where the value is missing.

    Parameters
    ----------
    column : Series
        The column.
    function : {"sum", "product", "min", "max"}
        The function.
    over : dict
        The order of the rows, and the expressions that divide them.
    skipna : bool
        Whether missing values are left out. Otherwise, all values after one are missing.
    """
    value, kind = column._expr, column._kind
    categories = column._origin if isinstance(column._origin, pd.CategoricalDtype) else None
    if categories is not None:
        if function not in ("min", "max"):
            raise TypeError(f"cannot compute a cumulative {function} of a categorical column; convert it with astype")
        require_order(f"cum{function}", categories)
        place = sort_value(value, categories)
        return category_at(_running(place, function, over, skipna, place), categories)
    if (pa.types.is_timestamp(kind) and function in ("sum", "product")) or (
        function == "product" and pa.types.is_duration(kind)
    ):
        raise TypeError(f"cannot compute a cumulative {function} of {kind}; select numeric columns")
    if is_text(kind) and function in ("sum", "product"):
        raise TypeError("cannot compute a cumulative sum or product of strings; select numeric columns")
    is_product = function == "product" or (function == "sum" and pa.types.is_boolean(kind))
    number = factor(value, kind) if is_product else value
    if is_product and pa.types.is_unsigned_integer(kind):
        number = cast(value, pa.uint64())
    made = _running(value, function, over, skipna, number)
    # The cumulative sum of float32 is float32, as in pandas.
    return replace_nan(cast(made, pa.float32()) if kind == pa.float32() else made, kind)


def _running(value: Expr, function: str, over: dict[str, Any], skipna: bool, number: Expr) -> Expr:
    if skipna:
        is_whole = px.not_null(value)
    else:
        counts = [window("count", value, frame=SO_FAR, **over), window("count_rows", frame=SO_FAR, **over)]
        is_whole = px.comparison("eq", *counts)
    return case([(is_whole, window(function, number, frame=SO_FAR, **over))])


def shifted(column: Any, periods: int, over: dict[str, Any]) -> Expr:
    """Return the value `periods` rows before. Shifted integers become floats, as in pandas."""
    value = cast(column._expr, pa.float64()) if _becomes_float(column) else column._expr
    return window("lag" if periods >= 0 else "lead", value, abs(periods), **over)


def difference(column: Any, periods: int, over: dict[str, Any]) -> Expr:
    """Return the difference from the value `periods` rows before."""
    before = shifted(column, periods, over)
    if pa.types.is_boolean(column._kind):
        return px.comparison("ne", column._expr, before)
    made: Expr = (column - column._like(before))._expr
    return cast(made, pa.float32()) if _is_small(column) else made


def _is_small(column: Any) -> bool:
    """Whether the differences of a column are float32, as in pandas."""
    return column._kind in (pa.int8(), pa.int16()) and not is_masked(column._origin)


def _becomes_float(column: Any) -> bool:
    return pa.types.is_integer(column._kind) and not is_masked(column._origin)


def _check_axis(name: str, axis: Any, arguments: dict[str, Any]) -> None:
    reject_unsupported(name, arguments)
    if is_columns_axis(name, axis):
        raise NotImplementedError(f"{name}(axis=1) is not supported")


class ColumnWindows:
    """Order-dependent methods of columns."""

    _rows: Rows
    _expr: Expr
    _kind: Any
    _origin: Any
    _with_values: Callable[..., Any]
    _like: Callable[..., Any]
    _compatible: Callable[..., Expr]
    _own_literal: Callable[..., Expr]
    _kind_with: Callable[..., Any]

    def _running(self, function: str, skipna: bool) -> Series:
        made = cumulative(self, function, self._rows.over(), skipna)
        keeps_categories = isinstance(self._origin, pd.CategoricalDtype)
        found: Series = self._with_values(made) if keeps_categories else self._like(made)
        return found

    def cumsum(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Series:
        """Return the cumulative sum."""
        _check_axis("cumsum", axis, arguments)
        return self._running("sum", skipna)

    def cumprod(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Series:
        """Return the cumulative product."""
        _check_axis("cumprod", axis, arguments)
        return self._running("product", skipna)

    def cummax(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Series:
        """Return the cumulative maximum."""
        _check_axis("cummax", axis, arguments)
        return self._running("max", skipna)

    def cummin(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Series:
        """Return the cumulative minimum."""
        _check_axis("cummin", axis, arguments)
        return self._running("min", skipna)

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0, fill_value: Any = None) -> Series:
        """Shift the values by `periods` rows, or the index labels by as many periods of a frequency.

        Rows without another one get `fill_value`, which is missing by default.
        """
        _check_axis("shift", axis, {})
        periods = whole_periods("shift", periods)
        if freq is not None:
            from ._labels import shifted_index

            moved: Series = shifted_index(self, periods, freq)
            return moved
        if not is_missing(fill_value):
            return self._shifted_with(periods, fill_value)
        made = shifted(self, periods, self._rows.over())
        found: Series = self._like(made) if _becomes_float(self) else self._with_values(made)
        return found

    def _shifted_with(self, periods: int, fill_value: Any) -> Series:
        """Return the values `periods` rows before, and a value for rows without them."""
        value, fill = self._compatible(fill_value), self._own_literal(fill_value)
        kind = self._kind_with(fill_value) or (pa.float64() if is_number(self._kind) else self._kind)
        function = "lag" if periods >= 0 else "lead"
        made = window(function, cast(value, kind), abs(periods), cast(fill, kind), **self._rows.over())
        found: Series = self._with_values(made)
        return found

    def diff(self, periods: int = 1, axis: Any = 0) -> Series:
        """Return the difference from the value `periods` rows before."""
        _check_axis("diff", axis, {})
        periods = whole_periods("diff", periods, takes_floats=True)
        if pa.types.is_boolean(self._kind):
            found: Series = self._like(difference(self, periods, self._rows.over()))
            return found
        made: Series = self - self.shift(periods)
        return made.astype("float32") if _is_small(self) else made

    def pct_change(self, periods: int = 1) -> Series:
        """Return the relative change from the value `periods` rows before."""
        if pa.types.is_boolean(self._kind):
            raise TypeError("cannot compute pct_change of a boolean column; use astype first")
        made: Series = self / self.shift(periods) - 1
        return made

    def ffill(self, axis: Any = 0, limit: int | None = None) -> Series:
        """Fill missing values with the previous value, which is at most `limit` rows before."""
        return self._filled_from("ffill", axis, limit, "lag", False)

    def bfill(self, axis: Any = 0, limit: int | None = None) -> Series:
        """Fill missing values with the next value, which is at most `limit` rows after."""
        return self._filled_from("bfill", axis, limit, "lead", True)

    def _filled_from(self, name: str, axis: Any, limit: int | None, function: str, backwards: bool) -> Series:
        """Return the nearest value that is not missing among rows before (lag) or after (lead)."""
        _check_axis(name, axis, {})
        if limit is None:
            over = self._rows.over(backwards=backwards)
            made = window("last_value", self._expr, frame=SO_FAR, skips_missing=True, **over)
        elif 1 <= limit <= FILL_MAX:
            over = self._rows.over()
            others = [window(function, self._expr, at, **over) for at in range(1, limit + 1)]
            made = call("coalesce", self._expr, *others)
        else:
            raise NotImplementedError(f"limit={limit!r} is not supported; use 1 to {FILL_MAX}, or no limit")
        found: Series = self._with_values(made)
        return found

    def rolling(self, window: Any, min_periods: int | None = None, center: bool = False, **arguments: Any) -> Any:
        """Return rolling windows of a number of rows or of a time span."""
        return _rolling(self, window, min_periods, center, arguments)

    def resample(self, rule: str, **arguments: Any) -> Any:
        """Group the rows by time intervals."""
        return _resample(self, rule, arguments)


class FrameWindows:
    """Order-dependent methods of frames, which apply to each column."""

    _each: Callable[..., Any]

    def _cumulative(self, name: str, axis: Any, skipna: bool, arguments: dict[str, Any]) -> DataFrame:
        if is_columns_axis(name, axis):
            reject_unsupported(name, arguments)
            return _by_row(self, name, skipna=skipna)
        made: DataFrame = self._each(lambda column: getattr(column, name)(0, skipna, **arguments))
        return made

    def cumsum(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """Return the cumulative sums of each column, or of each row."""
        return self._cumulative("cumsum", axis, skipna, arguments)

    def cumprod(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """Return the cumulative products."""
        return self._cumulative("cumprod", axis, skipna, arguments)

    def cummax(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """Return the cumulative maximum."""
        return self._cumulative("cummax", axis, skipna, arguments)

    def cummin(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """Return the cumulative minimum."""
        return self._cumulative("cummin", axis, skipna, arguments)

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0, fill_value: Any = None) -> DataFrame:
        """Shift the values by `periods` rows, or columns, or the index labels by as many periods of a frequency."""
        periods = whole_periods("shift", periods)
        if is_columns_axis("shift", axis):
            if not is_missing(fill_value):
                raise NotImplementedError("shift(axis=1) does not support fill_value=; use fillna")
            if freq is not None:
                raise ValueError("shift(axis=1) shifts values, not the index: it takes no freq=")
            return _by_row(self, "shift", periods=periods)
        if freq is not None:
            from ._labels import shifted_index

            moved: DataFrame = shifted_index(self, periods, freq)
            return moved
        made: DataFrame = self._each(lambda column: column.shift(periods, freq, axis, fill_value))
        return made

    def diff(self, periods: int = 1, axis: Any = 0) -> DataFrame:
        """Return the differences from the values `periods` rows, or columns, before."""
        periods = whole_periods("diff", periods, takes_floats=True)
        if is_columns_axis("diff", axis):
            return _by_row(self, "diff", periods=periods)
        made: DataFrame = self._each(lambda column: column.diff(periods, axis))
        return made

    def pct_change(self, periods: int = 1) -> DataFrame:
        """Return the relative changes from the values `periods` rows before."""
        made: DataFrame = self._each(lambda column: column.pct_change(periods))
        return made

    def ffill(self, axis: Any = 0, limit: int | None = None) -> DataFrame:
        """Fill missing values with the previous value of the column, or of the row, which is at most `limit` places before."""
        if is_columns_axis("ffill", axis):
            one_type(self, "ffill")
            return _by_row(self, "ffill", limit=limit)
        made: DataFrame = self._each(lambda column: column.ffill(axis, limit))
        return made

    def bfill(self, axis: Any = 0, limit: int | None = None) -> DataFrame:
        """Fill missing values with the next value of the column, or of the row, which is at most `limit` places after."""
        if is_columns_axis("bfill", axis):
            one_type(self, "bfill")
            return _by_row(self, "bfill", limit=limit)
        made: DataFrame = self._each(lambda column: column.bfill(axis, limit))
        return made

    def rolling(self, window: Any, min_periods: int | None = None, center: bool = False, **arguments: Any) -> Any:
        """Return rolling windows of a number of rows or of a time span."""
        return _rolling(self, window, min_periods, center, arguments)

    def resample(self, rule: str, **arguments: Any) -> Any:
        """Group the rows by time intervals."""
        return _resample(self, rule, arguments)


def one_type(frame: Any, name: str) -> Any:
    """Return the type of pandas that all columns get where values go from one column to another.

    Raises
    ------
    TypeError
        If columns have several types: in pandas the types of the result would depend on the values.
    """
    kinds = list(dict.fromkeys(frame.dtypes))
    if all(isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in kinds):
        return np.result_type(*kinds) if kinds else np.dtype("float64")
    if len(kinds) > 1:
        raise TypeError(
            f"{name}(axis=1) does not support columns of several types, {', '.join(map(str, kinds))}; use astype first"
        )
    return kinds[0]


def _by_row(frame: Any, name: str, **arguments: Any) -> DataFrame:
    """Return a method of pandas along the columns of each row, which workers call."""
    from ._row_methods import PandasMethod, call_method

    made: DataFrame = call_method(frame, PandasMethod(name, (), {"axis": 1, **arguments}), name)
    return made


def _rolling(of: Any, window: Any, min_periods: int | None, center: bool, arguments: dict[str, Any]) -> Any:
    from ._rolling import Rolling

    _check_axis("rolling", arguments.pop("axis", 0), {})
    win_type, closed = arguments.pop("win_type", None), arguments.pop("closed", None)
    if arguments.pop("on", None) is not None:
        raise NotImplementedError("rolling() does not support on=; use set_index first")
    reject_unsupported("rolling", arguments)
    return Rolling(of, window, min_periods, center, win_type, closed)


def _resample(of: Any, rule: str, arguments: dict[str, Any]) -> Any:
    from ._windows import Resampler

    names = ("closed", "label", "origin", "offset")
    given = {name: arguments.pop(name) for name in names if arguments.get(name) is not None}
    on = arguments.pop("on", None)
    reject_unsupported("resample", {name: value for name, value in arguments.items() if name not in names})
    if on is not None:
        of = of.set_index(on)
    if any(isinstance(level.origin, pd.PeriodDtype) for level in of._index):
        raise NotImplementedError("resample() does not support an index of periods; use to_timestamp first")
    return Resampler(of, rule, **given)
