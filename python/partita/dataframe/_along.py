"""What goes along the rows in their order: running values, shifts, windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._arguments import along_rows, tuning
from ._columns import is_masked
from ._reductions import factor
from ._sql import present

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._rows import Rows
    from ._series import Series

__all__ = ["SO_FAR", "ColumnWindows", "FrameWindows", "changed", "running", "shifted"]

#: The window of all rows up to each.
SO_FAR = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
#: Rows over which a value is filled in at most, where a limit is given.
_FILL_MAX = 16


def running(column: Any, function: str, over: str, skipna: bool = True) -> str:
    """A reduction of all values of a window that ends with each row; missing where the value is."""
    sql, kind = column._sql, column._kind
    is_product = function == "product" or (function == "sum" and pa.types.is_boolean(kind))
    value = factor(sql, kind) if is_product else sql
    whole = f"{sql} IS NOT NULL" if skipna else f"count({sql}) {over} = count(*) {over}"
    made = f"CASE WHEN {whole} THEN {function}({value}) {over} END"
    # Sums of small numbers stay small, as pandas has them.
    return present(f"arrow_cast({made}, 'Float32')" if kind == pa.float32() else made, kind)


def shifted(column: Any, periods: int, over: str) -> str:
    """The value so many rows before. Where that leaves a gap, pandas has no whole numbers."""
    sql = column._sql
    if _is_moved(column):
        sql = f"CAST({sql} AS DOUBLE)"
    return f"{f'lag({sql}, {periods})' if periods >= 0 else f'lead({sql}, {-periods})'} {over}"


def changed(column: Any, periods: int, over: str) -> str:
    """Whether a truth is other than so many rows before, which is what pandas has as their difference."""
    return f"({column._sql} <> {shifted(column, periods, over)})"


def _is_moved(column: Any) -> bool:
    return pa.types.is_integer(column._kind) and not is_masked(column._origin)


def _rows_alone(name: str, axis: Any, arguments: dict[str, Any]) -> None:
    tuning(name, arguments)
    if along_rows(name, axis):
        raise NotImplementedError(f"{name} goes along the rows: axis=1 is not there")


class ColumnWindows:
    """What a column has along its rows."""

    _rows: Rows
    _sql: str
    _known: Any
    _kind: Any
    _origin: Any
    _same: Callable[..., Any]
    _like: Callable[..., Any]

    def _window(self, sql: str, kind: pa.DataType | None = None, same: bool = False) -> Series:
        rows, name = self._rows.add(sql)
        made: Series = self._same(name, rows) if same else self._like(name, kind, rows)
        return made

    def _running(self, function: str, skipna: bool) -> Series:
        return self._window(running(self, function, self._rows.over(SO_FAR), skipna))

    def cumsum(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Series:
        """The sum of all up to each."""
        _rows_alone("cumsum", axis, arguments)
        return self._running("sum", skipna)

    def cumprod(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Series:
        """The product of all up to each."""
        _rows_alone("cumprod", axis, arguments)
        return self._running("product", skipna)

    def cummax(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Series:
        """The largest of all up to each."""
        _rows_alone("cummax", axis, arguments)
        return self._running("max", skipna)

    def cummin(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> Series:
        """The smallest of all up to each."""
        _rows_alone("cummin", axis, arguments)
        return self._running("min", skipna)

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0) -> Series:
        """Each value so many rows later."""
        _rows_alone("shift", axis, {})
        if freq is not None:
            raise NotImplementedError("shift moves the values along the rows: freq= would move the index")
        window = shifted(self, periods, self._rows.over())
        return self._window(window, pa.float64()) if _is_moved(self) else self._window(window, same=True)

    def diff(self, periods: int = 1, axis: Any = 0) -> Series:
        """The difference to the value so many rows before."""
        _rows_alone("diff", axis, {})
        if pa.types.is_boolean(self._kind):
            return self._window(changed(self, periods, self._rows.over()), pa.bool_())
        made: Series = self - self.shift(periods)
        return made

    def pct_change(self, periods: int = 1) -> Series:
        """The relative difference to the value so many rows before."""
        made: Series = self / self.shift(periods) - 1
        return made

    def ffill(self, axis: Any = 0, limit: int | None = None) -> Series:
        """The latest value before in the place of a missing one, at most so many rows later."""
        _rows_alone("ffill", axis, {})
        if limit is not None:
            return self._nearest("lag", limit)
        return self._window(f"last_value({self._sql}) IGNORE NULLS {self._rows.over(SO_FAR)}", same=True)

    def bfill(self, axis: Any = 0, limit: int | None = None) -> Series:
        """The next value in the place of a missing one, at most so many rows before."""
        _rows_alone("bfill", axis, {})
        if limit is not None:
            return self._nearest("lead", limit)
        over = self._rows.over(SO_FAR, backwards=True)
        return self._window(f"last_value({self._sql}) IGNORE NULLS {over}", same=True)

    def _nearest(self, function: str, limit: int) -> Series:
        """The first value that is there, of so many rows before or after."""
        if not 1 <= limit <= _FILL_MAX:
            raise NotImplementedError(f"limit= is 1 to {_FILL_MAX}, or left out")
        over = self._rows.over()
        others = ", ".join(f"{function}({self._sql}, {at}) {over}" for at in range(1, limit + 1))
        return self._window(f"coalesce({self._sql}, {others})", same=True)

    def rolling(self, window: Any, min_periods: int | None = None, center: bool = False, **arguments: Any) -> Any:
        """Windows of so many rows, or of a time."""
        return _rolling(self, window, min_periods, center, arguments)

    def resample(self, rule: str, **arguments: Any) -> Any:
        """Pieces of time."""
        return _resample(self, rule, arguments)


class FrameWindows:
    """What a frame has along its rows, column by column."""

    _each: Callable[..., Any]

    def cumsum(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """The sums of all up to each."""
        made: DataFrame = self._each(lambda column: column.cumsum(axis, skipna, **arguments))
        return made

    def cumprod(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """The products of all up to each."""
        made: DataFrame = self._each(lambda column: column.cumprod(axis, skipna, **arguments))
        return made

    def cummax(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """The largest of all up to each."""
        made: DataFrame = self._each(lambda column: column.cummax(axis, skipna, **arguments))
        return made

    def cummin(self, axis: Any = 0, skipna: bool = True, **arguments: Any) -> DataFrame:
        """The smallest of all up to each."""
        made: DataFrame = self._each(lambda column: column.cummin(axis, skipna, **arguments))
        return made

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0) -> DataFrame:
        """Each value so many rows later."""
        made: DataFrame = self._each(lambda column: column.shift(periods, freq, axis))
        return made

    def diff(self, periods: int = 1, axis: Any = 0) -> DataFrame:
        """The differences to the values so many rows before."""
        made: DataFrame = self._each(lambda column: column.diff(periods, axis))
        return made

    def pct_change(self, periods: int = 1) -> DataFrame:
        """The relative differences to the values so many rows before."""
        made: DataFrame = self._each(lambda column: column.pct_change(periods))
        return made

    def ffill(self, axis: Any = 0, limit: int | None = None) -> DataFrame:
        """The latest value before in the place of a missing one, at most so many rows later."""
        made: DataFrame = self._each(lambda column: column.ffill(axis, limit))
        return made

    def bfill(self, axis: Any = 0, limit: int | None = None) -> DataFrame:
        """The next value in the place of a missing one, at most so many rows before."""
        made: DataFrame = self._each(lambda column: column.bfill(axis, limit))
        return made

    def rolling(self, window: Any, min_periods: int | None = None, center: bool = False, **arguments: Any) -> Any:
        """Windows of so many rows, or of a time."""
        return _rolling(self, window, min_periods, center, arguments)

    def resample(self, rule: str, **arguments: Any) -> Any:
        """Pieces of time."""
        return _resample(self, rule, arguments)


def _rolling(of: Any, window: Any, min_periods: int | None, center: bool, arguments: dict[str, Any]) -> Any:
    from ._windows import Rolling

    _rows_alone("rolling", arguments.pop("axis", 0), {})
    if arguments.pop("win_type", None) is not None:
        raise NotImplementedError("rolling: win_type is not there, all rows of a window count the same")
    closed = arguments.pop("closed", None)
    tuning("rolling", arguments)
    return Rolling(of, window, min_periods, center, closed)


def _resample(of: Any, rule: str, arguments: dict[str, Any]) -> Any:
    from ._windows import Resampler

    closed, label = arguments.pop("closed", None), arguments.pop("label", None)
    tuning("resample", arguments)
    return Resampler(of, rule, closed=closed, label=label)
