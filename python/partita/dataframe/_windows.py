"""Windows that go along the rows, and pieces of time."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from ._base import Level
from ._frame import DataFrame
from ._rows import Rows
from ._series import Series, aggregate
from ._sql import INDEX, arrow_name, is_number, quote

__all__ = ["Resampler", "Rolling"]

_FUNCTIONS = {
    "sum": "sum({0})",
    "mean": "avg(CAST({0} AS DOUBLE))",
    "min": "min({0})",
    "max": "max({0})",
    "std": "stddev_samp(CAST({0} AS DOUBLE))",
    "var": "var_samp(CAST({0} AS DOUBLE))",
    "count": "count({0})",
}

#: Nanoseconds of the units of times, and their names in SQL.
_UNIT_NAMES = {
    "s": (10**9, "SECONDS"),
    "ms": (10**6, "MILLISECONDS"),
    "us": (1000, "MICROSECONDS"),
    "ns": (1, "NANOSECONDS"),
}


class Rolling:
    """Windows of so many rows, or of a time back from each row.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> a = dd.from_pandas(pd.Series([1.0, 2.0, 3.0]), npartitions=2)
    >>> a.rolling(2).sum().compute().tolist()
    [nan, 3.0, 5.0]
    """

    def __init__(self, of: Any, window: Any, min_periods: int | None, center: bool) -> None:
        self._of = of
        self._rows = isinstance(window, int)
        self._given = min_periods
        if self._rows:
            before, after = (window // 2, (window - 1) // 2) if center else (window - 1, 0)
            self._frame = f"ROWS BETWEEN {before} PRECEDING AND {after} FOLLOWING"
            self._least = window if min_periods is None else min_periods
            return
        if center:
            raise NotImplementedError("a window of a time ends at its row: center=True is for windows of rows")
        span = pd.Timedelta(window).as_unit("ns").value
        kind = of.index._kind
        if not pa.types.is_timestamp(kind):
            raise ValueError(f"a window of a time needs an index of times, not of {kind}")
        # The start is not part of it: the window is shorter by the least that two times can differ by.
        nanoseconds, name = _UNIT_NAMES[kind.unit]
        least = (span - 1) // nanoseconds
        self._frame = f"RANGE BETWEEN INTERVAL '{least} {name}' PRECEDING AND CURRENT ROW"
        self._least = 1 if min_periods is None else min_periods

    def _over(self, rows: Rows) -> str:
        if self._rows:
            return rows.over(self._frame)
        return f"OVER (ORDER BY {self._of.index._sql} ASC {self._frame})"

    def _column(self, column: Series, name: str) -> Series:
        over = self._over(column._rows)
        value = f"{_FUNCTIONS[name].format(column._sql)} {over}"
        if name == "count":
            # Here missing values are seen too, and windows of a time are whole from the beginning.
            least = self._given if self._given is not None else self._least if self._rows else 0
            sql = f"CASE WHEN count(*) {over} >= {least} THEN CAST({value} AS DOUBLE) END"
        else:
            sql = f"CASE WHEN count({column._sql}) {over} >= {max(self._least, 1)} THEN CAST({value} AS DOUBLE) END"
        return column._window(sql, pa.float64())

    def _all(self, name: str) -> Any:
        if isinstance(self._of, Series):
            return self._column(self._of, name)
        numbers = [label for label, kind in self._of._kinds().items() if is_number(kind)]
        return self._of[numbers]._each(lambda column: self._column(column, name))

    def agg(self, func: str) -> Any:
        """One of the reductions, by its name."""
        if func not in _FUNCTIONS:
            raise NotImplementedError(f"windows have {', '.join(_FUNCTIONS)}, not {func!r}")
        return self._all(func)


def _rolled(name: str) -> Any:
    def rolled(self: Rolling) -> Any:
        return self._all(name)

    rolled.__doc__ = f"The {name} of each window's values that are not missing."
    rolled.__name__ = name
    return rolled


for _name in _FUNCTIONS:
    setattr(Rolling, _name, _rolled(_name))

#: Pieces of time that have the same length everywhere, by the letter that pandas has for them, in SQL.
_UNITS = {"D": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond", "us": "microsecond"}
#: Those that have not: what SQL calls them, and whether their label is their last day.
_CALENDAR = {
    "MS": ("month", False),
    "ME": ("month", True),
    "QS": ("quarter", False),
    "QE": ("quarter", True),
    "YS": ("year", False),
    "YE": ("year", True),
}


class Resampler:
    """Pieces of time, as groups. Pieces without rows are there too, where they have a length.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> times = pd.date_range("2021-09-01", periods=4, freq="12h")
    >>> a = dd.from_pandas(pd.Series([1, 2, 3, 4], index=times), npartitions=2)
    >>> a.resample("D").sum().compute().tolist()
    [3, 7]
    """

    def __init__(self, of: Any, rule: str) -> None:
        self._of = of
        index = of.index
        if not pa.types.is_timestamp(index._kind):
            raise ValueError(f"resample needs an index of times, not of {index._kind}")
        self._index = index
        self._step: Any = None
        self._offset: Any = None
        if rule in _CALENDAR:
            unit, last = _CALENDAR[rule]
            start = f"date_trunc('{unit}', {index._sql})"
            months = {"month": 1, "quarter": 3, "year": 12}[unit]
            self._piece = f"{start} + INTERVAL '{months} months' - INTERVAL '1 day'" if last else start
            self._piece = f"arrow_cast({self._piece}, '{arrow_name(index._kind)}')"
            return
        offset = self._offset = pd.tseries.frequencies.to_offset(rule)
        try:
            self._step = pd.Timedelta(offset.n, "D") if isinstance(offset, pd.offsets.Day) else pd.Timedelta(offset)
        except ValueError:
            raise NotImplementedError(
                f"resample({rule!r}): pieces are times such as 15min, h, D, or {', '.join(_CALENDAR)}"
            ) from None
        nanoseconds = self._step.as_unit("ns").value
        # pandas counts pieces from the midnight before the first row.
        first = f"(SELECT date_trunc('day', min({index._sql})) FROM {of._rows.sql})"
        whole = f"arrow_cast(arrow_cast({index._sql}, 'Timestamp(Nanosecond, None)'), 'Int64')"
        origin = f"arrow_cast(arrow_cast({first}, 'Timestamp(Nanosecond, None)'), 'Int64')"
        if pd.Timedelta("1D") % self._step == pd.Timedelta(0):
            origin = "0"
        number = f"({whole} - {origin}) - ((({whole} - {origin}) % {nanoseconds}) + {nanoseconds}) % {nanoseconds}"
        exact = f"arrow_cast({number} + {origin}, '{arrow_name(pa.timestamp('ns', index._kind.tz))}')"
        self._piece = f"arrow_cast({exact}, '{arrow_name(index._kind)}')"

    def _made(self, cells: list[tuple[Any, str]]) -> _Pieces:
        rows = self._of._rows
        key = quote(INDEX + "0")
        select = ", ".join(f"{sql} AS {quote(f'c{at}')}" for at, (_, sql) in enumerate(cells))
        root = (
            f"(SELECT {self._piece} AS {key}, {select} FROM {rows.sql} WHERE {self._index._sql} IS NOT NULL GROUP BY 1)"
        )
        made = Rows(rows.client, root, (f"{key} ASC NULLS LAST",), keep=rows)
        columns: dict[Any, Any] = {label: (quote(f"c{at}"), None) for at, (label, _) in enumerate(cells)}
        return _Pieces(made, columns, (Level(self._index.name, key),), self._offset)

    def _all(self, name: str) -> Any:
        if isinstance(self._of, Series):
            label = self._of.name
            frame = self._made([("v", aggregate(name, self._of._sql, self._of._kind))])
            return _PieceColumn(frame._rows, frame._columns["v"][0], label, frame._index, self._offset, name)
        kinds = self._of._kinds()
        made = self._made(
            [(label, aggregate(name, self._of._columns[label][0], kind)) for label, kind in kinds.items()]
        )
        made._fill = 0 if name in ("sum", "count") else None
        return made

    def agg(self, func: Any) -> Any:
        """One reduction by its name, or a dictionary by column."""
        if isinstance(func, dict):
            return self._made(
                [
                    (label, aggregate(name, self._of._columns[label][0], self._of._kinds()[label]))
                    for label, name in func.items()
                ]
            )
        return self._all(func)


def _complete(made: Any, step: Any, fill: Any) -> Any:
    """With the pieces that have no rows."""
    if step is None or len(made) == 0:
        return made
    index = pd.date_range(made.index[0], made.index[-1], freq=step, name=made.index.name)
    if len(index) == len(made):
        made.index = index
        return made
    return made.reindex(index) if fill is None else made.reindex(index, fill_value=fill)


class _Pieces(DataFrame):
    _fill: Any = None

    def __init__(self, rows: Rows, columns: dict[Any, Any], index: tuple[Level, ...], step: Any) -> None:
        super().__init__(rows, columns, index)
        self._step = step

    def _finish(self, frame: pd.DataFrame) -> pd.DataFrame:
        made: pd.DataFrame = _complete(super()._finish(frame), self._step, self._fill)
        return made


class _PieceColumn(Series):
    def __init__(self, rows: Rows, sql: str, name: Any, index: tuple[Level, ...], step: Any, function: str) -> None:
        super().__init__(rows, sql, name, index)
        self._step = step
        self._fill = 0 if function in ("sum", "count") else None

    def _finish(self, frame: pd.DataFrame) -> pd.Series:
        made: pd.Series = _complete(super()._finish(frame), self._step, self._fill)
        return made


def _resampled(name: str) -> Any:
    def resampled(self: Resampler) -> Any:
        return self._all(name)

    resampled.__doc__ = f"The {name} of each piece's values that are not missing."
    resampled.__name__ = name
    return resampled


for _name in ("sum", "mean", "min", "max", "std", "var", "count", "median", "nunique"):
    setattr(Resampler, _name, _resampled(_name))
