"""Windows that go along the rows, and pieces of time."""

from __future__ import annotations

import copy
import numbers
from typing import Any

import pandas as pd
import pyarrow as pa

from ._arguments import tuning
from ._base import Level, NotThere
from ._columns import Column, carried, travelled
from ._frame import DataFrame
from ._partitions import ends
from ._reductions import REDUCTIONS, aggregate, quantile
from ._rows import Rows
from ._series import Series
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
        self._rows = isinstance(window, numbers.Integral)
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
            raise NotThere(f"rolling.{name} is not there: windows have {', '.join(_FUNCTIONS)}")
        raise AttributeError(f"windows have no {name!r}: there are {', '.join(_FUNCTIONS)}, agg and the columns")

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
        rows, name = column._rows.add(sql)
        return column._like(name, pa.float64(), rows, origin=None)

    def _all(self, name: str) -> Any:
        if isinstance(self._of, Series):
            return self._column(self._of, name)
        numbers = [label for label, kind in self._of._kinds().items() if is_number(kind)]
        return self._of[numbers]._each(lambda column: self._column(column, name))

    def agg(self, func: Any) -> Any:
        """One of the reductions, by its name; a list of them of a column; or one for each of some columns."""
        if isinstance(func, dict):
            return self._of[list(func)]._each(lambda column: self._column(column, func[column.name]))
        if isinstance(func, list) and isinstance(self._of, Series):
            made = [self._column(self._of, name) for name in func]
            frame = made[0].to_frame(func[0])
            return frame.assign(**dict(zip(func, made)))
        if not isinstance(func, str) or func not in _FUNCTIONS:
            raise NotImplementedError(f"windows have {', '.join(_FUNCTIONS)}, not {func!r}")
        return self._all(func)


def _rolled(name: str) -> Any:
    def rolled(self: Rolling, numeric_only: bool = False, **arguments: Any) -> Any:
        if name in ("std", "var") and arguments.pop("ddof", 1) != 1:
            raise NotThere(f"rolling.{name}: ddof is 1")
        tuning(f"rolling.{name}", arguments)
        return self._all(name)

    rolled.__doc__ = f"The {name} of each window's values that are not missing."
    rolled.__name__ = name
    return rolled


for _name in _FUNCTIONS:
    setattr(Rolling, _name, _rolled(_name))

#: Pieces of the calendar: what SQL calls them, their months, and whether their label is their last day.
_CALENDAR = {
    "MS": ("month", 1, False),
    "ME": ("month", 1, True),
    "QS": ("quarter", 3, False),
    "QE": ("quarter", 3, True),
    "YS": ("year", 12, False),
    "YE": ("year", 12, True),
}
_DAY = 24 * 3600 * 10**9
#: What pieces can be reduced by.
_PIECES = (*REDUCTIONS, "first", "last", "size", "quantile", "any", "all")


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

    def __init__(self, of: Any, rule: Any, labels: Any = None) -> None:
        self._of = of
        self._rule = rule
        self._labels = labels
        self._index = index = of.index
        if not pa.types.is_timestamp(index._kind):
            raise ValueError(f"resample needs an index of times, not of {index._kind}")
        offset = self._offset = pd.tseries.frequencies.to_offset(rule)
        name, kind = offset.rule_code.split("-")[0], index._kind
        if name in _CALENDAR and offset.n == 1 and offset.rule_code in (name, f"{name}-DEC", f"{name}-JAN"):
            self._piece = self._month(*_CALENDAR[name])
        elif isinstance(offset, pd.offsets.Week) and offset.n == 1 and offset.weekday is not None and not kind.tz:
            # The whole of its last day belongs to a week.
            day = f"(({self._whole()} - {self._since_midnight()}) / {_DAY})"
            number = f"({day} + ({offset.weekday} - ({day} + 3) % 7 + 14) % 7) * {_DAY}"
            self._piece = self._time(number)
        else:
            self._piece = self._equal(rule, offset)

    def _whole(self) -> str:
        return f"arrow_cast(arrow_cast({self._index._sql}, 'Timestamp(Nanosecond, None)'), 'Int64')"

    def _since_midnight(self) -> str:
        return f"((({self._whole()} % {_DAY}) + {_DAY}) % {_DAY})"

    def _time(self, number: str) -> str:
        kind = self._index._kind
        exact = f"arrow_cast({number}, '{arrow_name(pa.timestamp('ns', kind.tz))}')"
        return f"arrow_cast({exact}, '{arrow_name(kind)}')"

    def _month(self, unit: str, months: int, last: bool) -> str:
        start = f"date_trunc('{unit}', {self._index._sql})"
        piece = f"{start} + INTERVAL '{months} months' - INTERVAL '1 day'" if last else start
        return f"arrow_cast({piece}, '{arrow_name(self._index._kind)}')"

    def _equal(self, rule: Any, offset: Any) -> str:
        """Pieces that have the same length everywhere."""
        try:
            step = pd.Timedelta(offset.n, "D") if isinstance(offset, pd.offsets.Day) else pd.Timedelta(offset)
        except ValueError:
            raise NotImplementedError(
                f"resample({rule!r}): pieces are times such as 15min, h, D, W, or {', '.join(_CALENDAR)}"
            ) from None
        nanoseconds = step.as_unit("ns").value
        zone = self._index._kind.tz
        if zone and isinstance(offset, pd.offsets.Day):
            # Days are those of the zone's clock, which are not all as long.
            if offset.n != 1:
                raise NotImplementedError(f"resample({rule!r}) of times in a zone: pieces of one day, or of hours")
            return f"arrow_cast(date_trunc('day', {self._index._sql}), '{arrow_name(self._index._kind)}')"
        # pandas counts pieces from the midnight before the first row.
        first = f"(SELECT date_trunc('day', min({self._index._sql})) FROM {self._of._rows.sql})"
        moment = arrow_name(pa.timestamp("ns", zone))
        origin = f"arrow_cast(arrow_cast({first}, '{moment}'), 'Int64')"
        if pd.Timedelta("1D") % step == pd.Timedelta(0) and not zone:
            origin = "0"
        whole = f"arrow_cast(arrow_cast({self._index._sql}, '{moment}'), 'Int64')"
        number = f"({whole} - {origin}) - ((({whole} - {origin}) % {nanoseconds}) + {nanoseconds}) % {nanoseconds}"
        return self._time(f"{number} + {origin}")

    def __getitem__(self, key: Any) -> Resampler:
        labels = key if isinstance(key, list) else [key]
        for label in labels:
            self._of._column(label)
        return Resampler(self._of if isinstance(key, list) else self._of[key], self._rule, key)

    def __getattr__(self, name: str) -> Any:
        of = self.__dict__.get("_of")
        if isinstance(of, DataFrame) and name in of._columns:
            return self[name]
        there = f"pieces have {', '.join(_PIECES)}, ohlc, agg and the columns"
        if hasattr(pd.core.resample.Resampler, name):
            raise NotThere(f"resample.{name} is not there: {there}")
        raise AttributeError(f"pieces have no {name!r}: {there}")

    def _columns(self) -> list[Series]:
        of = self._of
        if isinstance(of, Series):
            return [of]
        return [of._column(label) for label in (self._labels if self._labels is not None else of._columns)]

    def _made(self, cells: list[tuple[Any, Column]], fill: Any = None) -> _Pieces:
        rows = self._of._rows
        key = quote(INDEX + "0")
        select = ", ".join(f"{cell.sql} AS {quote(f'c{at}')}" for at, (_, cell) in enumerate(cells))
        there = f"{self._index._sql} IS NOT NULL"
        root = f"(SELECT {self._piece} AS {key}, {select} FROM {rows.sql} WHERE {there} GROUP BY 1)"
        made = Rows(rows.client, root, (f"{key} ASC NULLS LAST",), keep=rows)
        columns = {label: Column(quote(f"c{at}"), None, cell.origin) for at, (label, cell) in enumerate(cells)}
        return _Pieces(made, columns, (Level(self._index.name, key),), self._offset, fill)

    def _cell(self, name: str, column: Series, **how: Any) -> Column:
        sql, rows = column._sql, column._rows
        if name in ("first", "last"):
            order = f" ORDER BY {', '.join(rows.order or (self._index._sql,))}"
            return Column(f"{name}_value({sql}{order}) FILTER (WHERE {sql} IS NOT NULL)", None, column._origin)
        if name == "size":
            return Column("count(*)")
        if name in ("any", "all"):
            return Column(getattr(column, name)()._sql)
        if name == "quantile":
            return Column(quantile(sql, how.get("q", 0.5)), None, carried(column._origin))
        return Column(aggregate(name, sql, column._kind, **how), None, carried(column._origin))

    def _all(self, name: str, **how: Any) -> Any:
        fill = 0 if name in _EMPTY else None
        if name == "size":
            return self._one(Column("count(*)"), None, fill)
        if isinstance(self._of, Series):
            return self._one(self._cell(name, self._of, **how), self._of.name, fill)
        return self._made([(column.name, self._cell(name, column, **how)) for column in self._columns()], fill)

    def _one(self, cell: Column, label: Any, fill: Any) -> _PieceColumn:
        return _PieceColumn(self._made([("v", cell)], fill), label)

    def agg(self, func: Any) -> Any:
        """One reduction by its name, a list of them, or a dictionary by column."""
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
        if not isinstance(func, str) or func not in _PIECES:
            raise NotImplementedError(f"pieces have {', '.join(_PIECES)}, not {func!r}")
        return self._all(func)

    aggregate = agg

    def quantile(self, q: float = 0.5) -> Any:
        """A quantile of each piece's values that are not missing."""
        return self._all("quantile", q=q)

    def ohlc(self) -> Any:
        """The first, the largest, the smallest and the last value of each piece of a column."""
        names = {"open": "first", "high": "max", "low": "min", "close": "last"}
        if isinstance(self._of, Series):
            return self._made([(label, self._cell(name, self._of)) for label, name in names.items()])
        return self._made(
            [((c.name, label), self._cell(name, c)) for c in self._columns() for label, name in names.items()]
        )


#: Reductions that give something of nothing.
_EMPTY = ("sum", "count", "size", "nunique")


def _complete(made: Any, step: Any, fill: Any) -> Any:
    """With the pieces that have no rows."""
    if len(made) == 0:
        return made
    index = pd.date_range(made.index[0], made.index[-1], freq=step, name=made.index.name)
    if len(index) == len(made):
        made.index = index
        return made
    return made.reindex(index) if fill is None else made.reindex(index, fill_value=fill)


class _Pieces(DataFrame):
    """What pieces have, those without rows too.

    To be computed they are filled in at the end. A plan that goes on with them has all of them: their labels are brought
    to the workers and joined to those that have rows.
    """

    def __init__(
        self, rows: Rows, columns: dict[Any, Column], index: tuple[Level, ...], step: Any, fill: Any = None
    ) -> None:
        self._found = DataFrame(rows, columns, index)
        self._whole: DataFrame | None = None
        self._step = step
        self._fill = fill

    def __getattr__(self, name: str) -> Any:
        if name in ("_rows", "_columns", "_index"):
            return getattr(self._completed(), name)
        return super().__getattr__(name)

    def _like(self, columns: dict[Any, Column], rows: Rows | None = None) -> DataFrame:
        return self._completed()._like(columns, rows)

    def compute(self, **arguments: Any) -> Any:
        """Runs the plan on the cluster, and gives the pieces as pandas has them."""
        return _complete(self._found.compute(**arguments), self._step, self._fill)

    def _completed(self) -> DataFrame:
        if self._whole is None:
            self._whole = self._with_all_pieces()
        return self._whole

    def _with_all_pieces(self) -> DataFrame:
        from ._io import from_pandas

        found = self._found
        key = found._index[0]
        first, last = ends(found)
        labels = pd.DatetimeIndex([]) if first is None else pd.date_range(first, last, freq=self._step)
        if len(labels) > PIECES_MAX:
            raise ValueError(f"{len(labels)} pieces are more than {PIECES_MAX}: choose longer ones")
        pieces = from_pandas(pd.DataFrame(index=labels.as_unit("ns")), npartitions=1, client=found._client)
        kind = arrow_name(found._rows.type(key.sql))
        label = f"arrow_cast(p.{quote(INDEX + '0')}, '{kind}')"
        cells = []
        for at in range(len(found._columns)):
            value = f"f.{quote(f'c{at}')}"
            cells.append(
                f"{f'coalesce({value}, {self._fill})' if self._fill is not None else value} AS {quote(f'c{at}')}"
            )
        inner = ", ".join(f"{column.sql} AS {quote(f'c{at}')}" for at, column in enumerate(found._columns.values()))
        root = (
            f"(SELECT {label} AS {quote(INDEX + '0')}, {', '.join(cells)} FROM {pieces._rows.sql} AS p "
            f"LEFT JOIN (SELECT {key.sql} AS k, {inner} FROM {found._rows.sql}) AS f ON {label} = f.k)"
        )
        order = (f"{quote(INDEX + '0')} ASC NULLS LAST",)
        rows = Rows(found._client, root, order, keep=(found._rows, pieces._rows))
        return DataFrame(rows, travelled(found._columns), (key._replace(sql=quote(INDEX + "0")),))


class _PieceColumn(Series):
    """A column of pieces."""

    def __init__(self, pieces: _Pieces, name: Any) -> None:
        self._pieces = pieces
        self.name = name
        self._known = None
        self._origin = pieces._found._columns["v"].origin

    def __getattr__(self, name: str) -> Any:
        if name in ("_rows", "_index"):
            return getattr(self._pieces._completed(), name)
        if name == "_sql":
            return self._pieces._completed()._columns["v"].sql
        return super().__getattr__(name)

    def compute(self, **arguments: Any) -> Any:
        """Runs the plan on the cluster, and gives the pieces as pandas has them."""
        return self._pieces.compute(**arguments)["v"].rename(self.name)


#: Pieces that a plan goes on with at most.
PIECES_MAX = 10_000_000


def _resampled(name: str) -> Any:
    def resampled(self: Resampler, numeric_only: bool = False, **arguments: Any) -> Any:
        how = {key: arguments.pop(key) for key in ("ddof", "min_count") if key in arguments}
        tuning(f"resample.{name}", arguments)
        return self._all(name, **how)

    resampled.__doc__ = f"The {name} of each piece's values that are not missing."
    resampled.__name__ = name
    return resampled


for _name in _PIECES:
    if _name != "quantile":
        setattr(Resampler, _name, _resampled(_name))
