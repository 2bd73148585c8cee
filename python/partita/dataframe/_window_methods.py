"""Methods that depend on the order of the rows: cumulative functions, shifts, windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ._arguments import is_columns_axis, reject_unsupported
from ._columns import category_sql, is_masked, require_order, sort_sql
from ._reductions import factor
from ._sql import is_text, replace_nan

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._rows import Rows
    from ._series import Series

__all__ = ["SO_FAR", "ColumnWindows", "FrameWindows", "boolean_diff_sql", "cumulative_sql", "diff_sql", "shift_sql"]

#: Window frame of all rows up to the current one.
SO_FAR = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
#: Maximum of the argument limit= of ffill and bfill.
_FILL_MAX = 16


def cumulative_sql(column: Any, function: str, over: str, skipna: bool = True) -> str:
    """Return the SQL of a cumulative function, which is missing where the value is missing."""
    sql, kind = column._sql, column._kind
    categories = column._origin if isinstance(column._origin, pd.CategoricalDtype) else None
    if categories is not None:
        if function not in ("min", "max"):
            raise TypeError(f"cannot compute a cumulative {function} of a categorical column; convert it with astype")
        require_order(f"cum{function}", categories)
        place = _running_sql(sort_sql(sql, categories), function, over, skipna)
        return category_sql(place, categories)
    if (pa.types.is_timestamp(kind) and function in ("sum", "product")) or (
        function == "product" and pa.types.is_duration(kind)
    ):
        raise TypeError(f"cannot compute a cumulative {function} of {kind}; select numeric columns")
    if is_text(kind) and function in ("sum", "product"):
        raise TypeError("cannot compute a cumulative sum or product of strings; select numeric columns")
    is_product = function == "product" or (function == "sum" and pa.types.is_boolean(kind))
    value = factor(sql, kind) if is_product else sql
    if is_product and pa.types.is_unsigned_integer(kind):
        value = f"arrow_cast({sql}, 'UInt64')"
    made = _running_sql(sql, function, over, skipna, value)
    # The cumulative sum of float32 is float32, as in pandas.
    return replace_nan(f"arrow_cast({made}, 'Float32')" if kind == pa.float32() else made, kind)


def _running_sql(sql: str, function: str, over: str, skipna: bool, value: str = "") -> str:
    whole = f"{sql} IS NOT NULL" if skipna else f"count({sql}) {over} = count(*) {over}"
    return f"CASE WHEN {whole} THEN {function}({value or sql}) {over} END"


def shift_sql(column: Any, periods: int, over: str) -> str:
    """Return the SQL of the value `periods` rows before. Shifted integers become floats, as in pandas."""
    sql = column._sql
    if _becomes_float(column):
        sql = f"CAST({sql} AS DOUBLE)"
    return f"{f'lag({sql}, {periods})' if periods >= 0 else f'lead({sql}, {-periods})'} {over}"


def diff_sql(column: Any, periods: int, over: str) -> str:
    """Return the SQL of the difference from the value `periods` rows before."""
    sql: str = (column - column._like(shift_sql(column, periods, over)))._sql
    return f"arrow_cast({sql}, 'Float32')" if _is_small(column) else sql


def _is_small(column: Any) -> bool:
    """Whether the differences of a column are float32, as in pandas."""
    return column._kind in (pa.int8(), pa.int16()) and not is_masked(column._origin)


def boolean_diff_sql(column: Any, periods: int, over: str) -> str:
    """Return the SQL of the difference of booleans: whether the value differs from that `periods` rows before."""
    return f"({column._sql} <> {shift_sql(column, periods, over)})"


def _becomes_float(column: Any) -> bool:
    return pa.types.is_integer(column._kind) and not is_masked(column._origin)


def _check_axis(name: str, axis: Any, arguments: dict[str, Any]) -> None:
    reject_unsupported(name, arguments)
    if is_columns_axis(name, axis):
        raise NotImplementedError(f"{name}(axis=1) is not supported")


class ColumnWindows:
    """Order-dependent methods of columns."""

    _rows: Rows
    _sql: str
    _known: Any
    _kind: Any
    _origin: Any
    _with_values: Callable[..., Any]
    _like: Callable[..., Any]

    def _window(self, sql: str, kind: pa.DataType | None = None, same: bool = False) -> Series:
        rows, name = self._rows.add(sql)
        made: Series = self._with_values(name, rows) if same else self._like(name, kind, rows)
        return made

    def _running(self, function: str, skipna: bool) -> Series:
        rows, name = self._rows.add(cumulative_sql(self, function, self._rows.over(SO_FAR), skipna))
        keeps_categories = isinstance(self._origin, pd.CategoricalDtype)
        made: Series = (
            self._like(name, None, rows, origin=self._origin) if keeps_categories else self._like(name, None, rows)
        )
        return made

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

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0) -> Series:
        """Shift the values by `periods` rows."""
        _check_axis("shift", axis, {})
        if freq is not None:
            raise NotImplementedError("shift() does not support freq=: it shifts values, not the index")
        window = shift_sql(self, periods, self._rows.over())
        return self._window(window, pa.float64()) if _becomes_float(self) else self._window(window, same=True)

    def diff(self, periods: int = 1, axis: Any = 0) -> Series:
        """Return the difference from the value `periods` rows before."""
        _check_axis("diff", axis, {})
        if pa.types.is_boolean(self._kind):
            return self._window(boolean_diff_sql(self, periods, self._rows.over()), pa.bool_())
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
        _check_axis("ffill", axis, {})
        if limit is not None:
            return self._nearest("lag", limit)
        return self._window(f"last_value({self._sql}) IGNORE NULLS {self._rows.over(SO_FAR)}", same=True)

    def bfill(self, axis: Any = 0, limit: int | None = None) -> Series:
        """Fill missing values with the next value, which is at most `limit` rows after."""
        _check_axis("bfill", axis, {})
        if limit is not None:
            return self._nearest("lead", limit)
        over = self._rows.over(SO_FAR, backwards=True)
        return self._window(f"last_value({self._sql}) IGNORE NULLS {over}", same=True)

    def _nearest(self, function: str, limit: int) -> Series:
        """Return the nearest value that is not missing among `limit` rows before (lag) or after (lead)."""
        if not 1 <= limit <= _FILL_MAX:
            raise NotImplementedError(f"limit={limit!r} is not supported; use 1 to {_FILL_MAX}, or no limit")
        over = self._rows.over()
        others = ", ".join(f"{function}({self._sql}, {at}) {over}" for at in range(1, limit + 1))
        return self._window(f"coalesce({self._sql}, {others})", same=True)

    def rolling(self, window: Any, min_periods: int | None = None, center: bool = False, **arguments: Any) -> Any:
        """Return rolling windows of a number of rows or of a time span."""
        return _rolling(self, window, min_periods, center, arguments)

    def resample(self, rule: str, **arguments: Any) -> Any:
        """Group the rows by time intervals."""
        return _resample(self, rule, arguments)


class FrameWindows:
    """Order-dependent methods of frames, which apply to each column."""

    _each: Callable[..., Any]

    def cumsum(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """Return the cumulative sums."""
        made: DataFrame = self._each(lambda column: column.cumsum(axis, skipna, **arguments))
        return made

    def cumprod(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """Return the cumulative products."""
        made: DataFrame = self._each(lambda column: column.cumprod(axis, skipna, **arguments))
        return made

    def cummax(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """Return the cumulative maximum."""
        made: DataFrame = self._each(lambda column: column.cummax(axis, skipna, **arguments))
        return made

    def cummin(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """Return the cumulative minimum."""
        made: DataFrame = self._each(lambda column: column.cummin(axis, skipna, **arguments))
        return made

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0) -> DataFrame:
        """Shift the values by `periods` rows."""
        made: DataFrame = self._each(lambda column: column.shift(periods, freq, axis))
        return made

    def diff(self, periods: int = 1, axis: Any = 0) -> DataFrame:
        """Return the differences from the values `periods` rows before."""
        made: DataFrame = self._each(lambda column: column.diff(periods, axis))
        return made

    def pct_change(self, periods: int = 1) -> DataFrame:
        """Return the relative changes from the values `periods` rows before."""
        made: DataFrame = self._each(lambda column: column.pct_change(periods))
        return made

    def ffill(self, axis: Any = 0, limit: int | None = None) -> DataFrame:
        """Fill missing values with the previous value, which is at most `limit` rows before."""
        made: DataFrame = self._each(lambda column: column.ffill(axis, limit))
        return made

    def bfill(self, axis: Any = 0, limit: int | None = None) -> DataFrame:
        """Fill missing values with the next value, which is at most `limit` rows after."""
        made: DataFrame = self._each(lambda column: column.bfill(axis, limit))
        return made

    def rolling(self, window: Any, min_periods: int | None = None, center: bool = False, **arguments: Any) -> Any:
        """Return rolling windows of a number of rows or of a time span."""
        return _rolling(self, window, min_periods, center, arguments)

    def resample(self, rule: str, **arguments: Any) -> Any:
        """Group the rows by time intervals."""
        return _resample(self, rule, arguments)


def _rolling(of: Any, window: Any, min_periods: int | None, center: bool, arguments: dict[str, Any]) -> Any:
    from ._windows import Rolling

    _check_axis("rolling", arguments.pop("axis", 0), {})
    if arguments.pop("win_type", None) is not None:
        raise NotImplementedError("rolling() does not support win_type=; all rows of a window have the same weight")
    closed = arguments.pop("closed", None)
    if arguments.pop("on", None) is not None:
        raise NotImplementedError("rolling() does not support on=; use set_index first")
    reject_unsupported("rolling", arguments)
    return Rolling(of, window, min_periods, center, closed)


def _resample(of: Any, rule: str, arguments: dict[str, Any]) -> Any:
    from ._windows import Resampler

    closed, label, on = arguments.pop("closed", None), arguments.pop("label", None), arguments.pop("on", None)
    reject_unsupported("resample", arguments)
    if on is not None:
        of = of.set_index(on)
    return Resampler(of, rule, closed=closed, label=label)
