"""A frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from ._base import Level, Plan, Scalar, to_pandas
from ._operators import Operators
from ._partitions import drawn, ends
from ._rows import Rows, direction, term, turned
from ._series import Index, Series, _index_of, _limited, aggregate
from ._sql import INDEX, ORDER, ROW, is_number, literal, quote, type_of

__all__ = ["DataFrame", "Loc"]

#: What a column is: its SQL, and its type where that is known.
Column = tuple[str, "pa.DataType | None"]


class DataFrame(Operators, Plan):
    """A frame of a plan: columns over the same rows, with an index.

    Frames are made by :func:`from_pandas`, :func:`read_parquet` and their like, and by operations on frames. Nothing
    is computed before :meth:`compute`. After a shuffle (``groupby``, ``merge``, ``drop_duplicates``) rows come in the
    order of their keys where pandas says so, else in any.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, 3.5]}), npartitions=2)
    >>> float(ddf[ddf.a > 1].b.sum().compute())
    6.0
    >>> ddf.assign(c=ddf.a + ddf.b).compute().c.tolist()
    [2.5, 4.5, 6.5]
    """

    _instead: ClassVar[dict[str, str]] = {
        "iloc": "head, or loc on the index",
        "apply": "assign with arithmetic",
        "iterrows": "compute().iterrows",
    }

    def __init__(self, rows: Rows, columns: dict[Any, Column], index: tuple[Level, ...]) -> None:
        self._rows = rows
        self._columns = columns
        self._index = index

    # What it is.

    @property
    def columns(self) -> pd.Index:
        """The labels of its columns."""
        return pd.Index(list(self._columns))

    @property
    def dtypes(self) -> pd.Series:
        """The types that pandas gives its columns."""
        kinds = self._kinds()
        empty = to_pandas(
            pa.table([pa.array([], kind) for kind in kinds.values()], names=[str(i) for i in range(len(kinds))])
        )
        return pd.Series(list(empty.dtypes), index=self.columns, dtype=object)

    def _kinds(self) -> dict[Any, pa.DataType]:
        unknown = [label for label, (_, kind) in self._columns.items() if kind is None]
        for label, kind in zip(unknown, self._rows.types([self._columns[label][0] for label in unknown])):
            self._columns[label] = (self._columns[label][0], kind)
        return {label: kind for label, (_, kind) in self._columns.items() if kind is not None}

    @property
    def index(self) -> Index:
        """Its index."""
        return _index_of(self)

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def size(self) -> Scalar:
        """Its cells."""
        return Scalar(self._rows, f"count(*) * {len(self._columns)}", int)

    @property
    def shape(self) -> tuple[Scalar, int]:
        """Its rows, which are computed, and its columns."""
        return Scalar(self._rows, "count(*)", int), len(self._columns)

    @property
    def divisions(self) -> tuple[Any, ...]:
        """The first label of each partition and the last one of all, where they are known.

        Else the first label of all and the last one if the rows are in the order of the index, or ``None`` for each.
        """
        rows = self._rows
        if rows.divisions is not None:
            return rows.divisions
        if not self.known_divisions:
            return (None,) * (self.npartitions + 1)
        first, last = ends(self)
        splits = self._client._connection.table(rows.held)["splits"] if rows.held else []
        between = pa.array(splits, pa.string()).cast(rows.type(self._index[0].sql)).to_pandas()
        return (first, *between, last)

    def __repr__(self) -> str:
        return f"<DataFrame: columns {list(self._columns)}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{label}</th><td>{kind}</td></tr>" for label, kind in self._kinds().items()
        )
        return f"<div><strong>DataFrame</strong>, not computed<table>{rows}</table></div>"

    def __contains__(self, label: Any) -> bool:
        return label in self._columns

    def __iter__(self) -> Any:
        return iter(self._columns)

    def __dir__(self) -> list[str]:
        return [
            *super().__dir__(),
            *(label for label in self._columns if isinstance(label, str) and label.isidentifier()),
        ]

    def _selected(self) -> list[tuple[str, str]]:
        return [(sql, f"c{at}") for at, (sql, _) in enumerate(self._columns.values())]

    def _finish(self, frame: pd.DataFrame) -> pd.DataFrame:
        index = self._restore_index(frame)
        values = frame.iloc[:, len(self._index) :] if self._columns else frame.iloc[:, :0]
        values.index = index
        values.columns = self.columns
        return values

    def _like(self, columns: dict[Any, Column], rows: Rows | None = None) -> DataFrame:
        return DataFrame(rows or self._rows, columns, self._index)

    # Columns.

    def _column(self, label: Any) -> Series:
        if label not in self._columns:
            raise KeyError(f"no column {label!r}: there are {', '.join(map(str, self._columns))}")
        sql, kind = self._columns[label]
        return Series(self._rows, sql, label, self._index, kind)

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__.get("_columns", {})
        if name in columns:
            return self._column(name)
        return super().__getattr__(name)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Series):
            return self._filtered(key)
        if isinstance(key, (list, pd.Index)):
            return self._like({label: (self._column(label)._sql, self._columns[label][1]) for label in key})
        return self._column(key)

    def __setitem__(self, label: Any, value: Any) -> None:
        changed = self.assign(__new=value)
        columns = dict(changed._columns)
        new = columns.pop("__new")
        self._rows, self._columns = changed._rows, {**columns, label: new}

    def _value(self, value: Any) -> tuple[Rows | None, Column]:
        if callable(value):
            value = value(self)
        if isinstance(value, Scalar):
            value = value.compute()
        if isinstance(value, Series):
            return value._rows, (value._sql, value._known)
        return None, (literal(value), type_of(value))

    def assign(self, **columns: Any) -> DataFrame:
        """With more columns, or others under their names."""
        frame = self
        for label, value in columns.items():
            rows, column = frame._value(value)
            both = frame._rows if rows is None else frame._rows.both(rows)
            frame = frame._like({**frame._columns, label: column}, both)
        return frame

    def drop(self, labels: Any = None, axis: Any = 0, columns: Any = None, errors: str = "raise") -> DataFrame:
        """Without some columns."""
        if columns is None and axis not in (1, "columns"):
            raise NotImplementedError("drop takes columns: rows are left out by a condition in brackets")
        given = labels if columns is None else columns
        gone = list(given) if isinstance(given, (list, tuple, pd.Index)) else [given]
        missing = [label for label in gone if label not in self._columns]
        if missing and errors == "raise":
            raise KeyError(f"{missing} not found in axis")
        return self._like({label: column for label, column in self._columns.items() if label not in gone})

    def rename(self, columns: Any) -> DataFrame:
        """With columns under other names."""
        other: Callable[[Any], Any] = columns if callable(columns) else lambda label: columns.get(label, label)
        return self._like({other(label): column for label, column in self._columns.items()})

    def _each(self, function: Callable[[Series], Series], labels: Sequence[Any] | None = None) -> DataFrame:
        frame, rows = dict(self._columns), self._rows
        for label in self._columns if labels is None else labels:
            made = function(self._column(label))
            rows = rows.both(made._rows)
            frame[label] = (made._sql, made._known)
        return self._like(frame, rows)

    def astype(self, dtype: Any) -> DataFrame:
        """As other types: one for all, or a dictionary by column."""
        if isinstance(dtype, dict):
            return self._each(lambda column: column.astype(dtype[column.name]), list(dtype))
        return self._each(lambda column: column.astype(dtype))

    def fillna(self, value: Any) -> DataFrame:
        """With something in the place of missing values: one for all, or a dictionary by column."""
        if isinstance(value, dict):
            return self._each(
                lambda column: column.fillna(value[column.name]), [v for v in value if v in self._columns]
            )
        return self._each(lambda column: column.fillna(value))

    def isna(self) -> DataFrame:
        """Whether each value is missing."""
        return self._each(Series.isna)

    isnull = isna

    def notna(self) -> DataFrame:
        """Whether each value is there."""
        return self._each(Series.notna)

    notnull = notna

    def isin(self, values: Any) -> DataFrame:
        """Whether each value is one of these."""
        return self._each(lambda column: column.isin(values[column.name] if isinstance(values, dict) else values))

    def clip(self, lower: Any = None, upper: Any = None) -> DataFrame:
        """No lower and no higher than these."""
        return self._each(lambda column: column.clip(lower, upper))

    def round(self, decimals: int = 0) -> DataFrame:
        """To so many places."""
        numbers = [label for label, kind in self._kinds().items() if is_number(kind)]
        return self._each(lambda column: column.round(decimals), numbers)

    def abs(self) -> DataFrame:
        """Without the signs."""
        return self._each(Series.abs)

    def where(self, cond: Any, other: Any = None) -> DataFrame:
        """The values where the condition holds, else the other one."""
        return self._each(
            lambda column: column.where(cond[column.name] if isinstance(cond, DataFrame) else cond, other)
        )

    def mask(self, cond: Any, other: Any = None) -> DataFrame:
        """The values where the condition does not hold, else the other one."""
        return self._each(lambda column: column.mask(cond[column.name] if isinstance(cond, DataFrame) else cond, other))

    def _operate(self, name: str, other: Any, swapped: bool = False) -> DataFrame:
        return self._each(lambda column: column._operate(name, _beside(other, column), swapped))

    def _compare(self, name: str, other: Any) -> DataFrame:
        return self._each(lambda column: column._compare(name, _beside(other, column)))

    # Rows.

    def _narrowed(self, where: str, rows: Rows | None = None, extra: str = "") -> DataFrame:
        """The rows for which an expression holds. Index, columns and order travel along."""
        rows = rows or self._rows
        levels = [(level.sql, INDEX + str(at)) for at, level in enumerate(self._index)]
        cells = [(sql, f"c{at}") for at, (sql, _) in enumerate(self._columns.values())]
        names = self._order_names(rows)
        order = [(term(sql), name) for sql, name in zip(rows.order, names) if name.startswith(ORDER)]
        select = ", ".join(f"{sql} AS {quote(name)}" for sql, name in [*levels, *cells, *order])
        root = f"(SELECT {select or '1 AS one'} FROM {rows.sql} WHERE {where}{extra})"
        return self._travelled(root, rows)

    def _order_names(self, rows: Rows) -> list[str]:
        """The names of the terms of the order, where rows travel: a term that travels anyway keeps its name."""
        there = {sql: f"c{at}" for at, (sql, _) in enumerate(self._columns.values())}
        there.update({level.sql: INDEX + str(at) for at, level in enumerate(self._index)})
        return [there.get(term(sql), f"{ORDER}{at}") for at, sql in enumerate(rows.order)]

    def _travelled(self, root: str, rows: Rows) -> DataFrame:
        """A frame over a relation that has the index, the columns and the order under their own names."""
        names = self._order_names(rows)
        order = tuple(f"{quote(name)}{direction(sql)}" for name, sql in zip(names, rows.order))
        made = Rows(rows.client, root, order, rows.physical, rows.partitions, keep=rows)
        columns = {label: (quote(f"c{at}"), kind) for at, (label, (_, kind)) in enumerate(self._columns.items())}
        index = tuple(Level(level.name, quote(INDEX + str(at))) for at, level in enumerate(self._index))
        return DataFrame(made, columns, index)

    def _filtered(self, condition: Series) -> DataFrame:
        return self._narrowed(condition._sql, self._rows.both(condition._rows))

    def query(self, expr: str) -> DataFrame:
        """The rows for which a condition holds, written as pandas writes it: ``a > 1 and b == 'x'``.

        ``@name`` is not there: put the value into the text.
        """
        from ._query import condition

        return self._filtered(condition(self, expr))

    def dropna(self, how: str = "any", subset: Any = None) -> DataFrame:
        """Without rows that have missing values."""
        labels = [subset] if isinstance(subset, str) else list(subset or self._columns)
        tests = [self._column(label).notna()._sql for label in labels]
        return self._narrowed(f"({(' AND ' if how == 'any' else ' OR ').join(tests) or 'TRUE'})")

    @property
    def loc(self) -> Loc:
        """Rows by the labels of the index, and columns by theirs."""
        return Loc(self, lambda frame: frame)

    def head(self, n: int = 5, compute: bool = True) -> Any:
        """The first rows; of rows that are in no order, any."""
        if compute:
            return _limited(self, n)
        return self._first(n)

    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """The last rows.

        Raises
        ------
        NotImplementedError
            If the rows are in no order.
        """
        if not self._rows.order:
            raise NotImplementedError("these rows are in no order, as those of files are: sort_values first, or head")
        frame = self._first(n, backwards=True)
        return frame.compute() if compute else frame

    def sample(self, n: None = None, frac: float | None = None, random_state: int | None = None) -> DataFrame:
        """About this share of the rows, drawn anew by each computation unless a state is given.

        A state gives the same rows of the same frame each time, however it is partitioned; they are not those that
        pandas draws. Rows in no order are told apart by what is in them: those alike are drawn together.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": range(1000)}), npartitions=2)
        >>> some = ddf.sample(frac=0.5, random_state=1).a.compute()
        >>> 400 < len(some) < 600 and some.equals(ddf.sample(frac=0.5, random_state=1).a.compute())
        True
        """
        if n is not None or frac is None:
            raise NotImplementedError("sample takes a share of the rows: frac=")
        if not 0 <= frac <= 1:
            raise ValueError(f"frac is a share of the rows, from 0 to 1, not {frac!r}")
        if random_state is None:
            return self._narrowed(f"random() < {float(frac)!r}")
        return self._narrowed(drawn(self._rows.order or [sql for sql, _ in self._columns.values()], frac, random_state))

    def sort_values(self, by: Any, ascending: Any = True, na_position: str = "last", **_: Any) -> DataFrame:
        """In the order of columns; rows that are equal in them stay in theirs."""
        labels = list(by) if isinstance(by, (list, tuple)) else [by]
        ways = list(ascending) if isinstance(ascending, (list, tuple)) else [ascending] * len(labels)
        nulls = "NULLS LAST" if na_position == "last" else "NULLS FIRST"
        order = tuple(
            f"{self._column(label)._sql} {'ASC' if way else 'DESC'} {nulls}" for label, way in zip(labels, ways)
        )
        return self._reordered((*order, *self._rows.order))

    def _reordered(self, order: tuple[str, ...]) -> DataFrame:
        rows = self._rows
        made = Rows(rows.client, rows.root, order, False, rows.partitions, rows.layers, rows.identity, rows._keep)
        return self._like(self._columns, made)

    def set_index(self, other: Any, drop: bool = True, sorted: bool = False) -> DataFrame:
        """With a column as the index, in its order.

        Unlike in pandas the rows are sorted by it, as they are in Dask; ``sorted=True`` says that they are already.
        """
        label = other.name if isinstance(other, Series) else other
        column = other if isinstance(other, Series) else self._column(label)
        columns = {name: cell for name, cell in self._columns.items() if not (drop and name == label)}
        rows = self._rows.both(column._rows)
        order = (f"{column._sql} ASC NULLS LAST", *rows.order)
        made = Rows(
            rows.client,
            rows.root,
            order,
            sorted and rows.physical,
            rows.partitions,
            rows.layers,
            rows.identity,
            rows._keep,
        )
        return DataFrame(made, columns, (Level(label, column._sql),))

    def reset_index(self, drop: bool = False) -> DataFrame:
        """With the index as columns, or without it. The rows are counted anew from 0."""
        columns: dict[Any, Column] = {}
        if not drop:
            for at, level in enumerate(self._index):
                name = level.name
                if name is None:
                    name = "index" if len(self._index) == 1 else f"level_{at}"
                columns[name] = (level.sql, None)
        return DataFrame(self._rows, {**columns, **self._columns}, ())

    def sort_index(self, ascending: bool = True) -> DataFrame:
        """In the order of the index."""
        way = "ASC" if ascending else "DESC"
        order = tuple(f"{level.sql} {way} NULLS LAST" for level in self._index)
        return self._reordered((*order, *self._rows.order))

    def drop_duplicates(self, subset: Any = None, keep: str = "first") -> DataFrame:
        """Each row once, by some columns or all. Of rows in no order any of those alike is kept."""
        labels = [subset] if isinstance(subset, str) else list(subset or self._columns)
        by = ", ".join(self._column(label)._sql for label in labels)
        order = self._rows.order or tuple(cell[0] for cell in self._columns.values())
        terms = ", ".join(order if keep == "first" else [turned(sql) for sql in order])
        rows, number = self._rows.add(f"row_number() OVER (PARTITION BY {by} ORDER BY {terms})")
        frame = self._like(self._columns, rows)._narrowed(f"{number} = 1", rows)
        frame._rows.physical = False
        return frame

    def nlargest(self, n: int, columns: Any) -> DataFrame:
        """The rows with the largest values."""
        return self.sort_values(columns, ascending=False)._first(n)

    def nsmallest(self, n: int, columns: Any) -> DataFrame:
        """The rows with the smallest values."""
        return self.sort_values(columns)._first(n)

    def _first(self, n: int, backwards: bool = False) -> DataFrame:
        order = self._rows.order
        ways = [direction(turned(sql) if backwards else sql) for sql in order]
        by = ", ".join(f"{quote(name)}{way}" for name, way in zip(self._order_names(self._rows), ways))
        frame = self._narrowed("TRUE", extra=f"{' ORDER BY ' + by if by else ''} LIMIT {max(n, 0)}")
        frame._rows.physical = False
        return frame

    def repartition(
        self,
        divisions: Sequence[Any] | None = None,
        npartitions: int | None = None,
        partition_size: Any = None,
        freq: Any = None,
    ) -> DataFrame:
        """Held on the workers anew, in other partitions. The rows stay in their order, and on the workers.

        Where rows have the same label, there may be fewer partitions than asked for.

        Parameters
        ----------
        divisions : sequence, optional
            The first label of the index in each partition, and the last one of all.
        npartitions : int, optional
            So many partitions.
        partition_size : int or str, optional
            Partitions of about so many bytes of memory: a number, or a text such as ``"100MB"`` or ``"64MiB"``.
        freq : str or Timedelta, optional
            Partitions that each have a piece of time of the index, such as ``"1D"``.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": range(100)}), npartitions=2)
        >>> ddf.repartition(npartitions=5).npartitions
        5
        >>> ddf.repartition(divisions=[0, 10, 99]).divisions
        (0, 10, 99)
        """
        from ._io import repartitioned

        return repartitioned(self, divisions, npartitions, partition_size, freq)

    # Reductions.

    def count(self, numeric_only: bool = False) -> Reduced:
        """The values of each column that are not missing."""
        return self._reduce("count", numeric_only)

    def _reduce(self, name: str, numeric_only: bool) -> Reduced:
        cells = {}
        for label, kind in self._kinds().items():
            if numeric_only and not is_number(kind):
                continue
            try:
                cells[label] = aggregate(name, self._columns[label][0], kind)
            except TypeError as error:
                raise TypeError(f"column {label!r}: {error}") from None
        return Reduced(self._rows, cells)

    def quantile(self, q: float = 0.5, numeric_only: bool = False) -> Reduced:
        """The quantile of each column."""
        labels = [label for label, kind in self._kinds().items() if is_number(kind) or not numeric_only]
        return Reduced(self._rows, {label: self._column(label).quantile(q)._sql for label in labels}, q)

    def nunique(self) -> Reduced:
        """Different values of each column."""
        return Reduced(self._rows, {label: f"count(DISTINCT {sql})" for label, (sql, _) in self._columns.items()})

    def any(self) -> Reduced:
        """Whether one value of each column is true."""
        return Reduced(self._rows, {label: self._column(label).any()._sql for label in self._columns})

    def all(self) -> Reduced:
        """Whether all values of each column are true."""
        return Reduced(self._rows, {label: self._column(label).all()._sql for label in self._columns})

    def idxmin(self) -> Reduced:
        """The label of the first smallest value of each column."""
        return Reduced(self._rows, {label: self._column(label).idxmin()._sql for label in self._columns})

    def idxmax(self) -> Reduced:
        """The label of the first largest value of each column."""
        return Reduced(self._rows, {label: self._column(label).idxmax()._sql for label in self._columns})

    def _square(self, function: str) -> Table:
        labels = [label for label, kind in self._kinds().items() if is_number(kind)]
        cells = {a: {b: f"{function}({self._columns[a][0]}, {self._columns[b][0]})" for b in labels} for a in labels}
        return Table(self._rows, cells)

    def cov(self) -> Table:
        """The covariance of each two columns."""
        return self._square("covar_samp")

    def corr(self) -> Table:
        """The correlation of each two columns."""
        return self._square("corr")

    def describe(self) -> Table:
        """Count, mean, deviation, least, quartiles and most of each column of numbers."""
        cells: dict[Any, dict[Any, str]] = {}
        for label, kind in self._kinds().items():
            if is_number(kind) and not pa.types.is_boolean(kind):
                column = self._column(label)
                sql = column._sql
                cells[label] = {
                    "count": f"CAST(count({sql}) AS DOUBLE)",
                    "mean": aggregate("mean", sql, kind),
                    "std": aggregate("std", sql, kind),
                    "min": f"CAST(min({sql}) AS DOUBLE)",
                    "25%": column.quantile(0.25)._sql,
                    "50%": column.quantile(0.5)._sql,
                    "75%": column.quantile(0.75)._sql,
                    "max": f"CAST(max({sql}) AS DOUBLE)",
                }
        return Table(self._rows, cells)

    # Along the rows.

    def cumsum(self) -> DataFrame:
        """The sums of all up to each."""
        return self._each(Series.cumsum)

    def cummax(self) -> DataFrame:
        """The largest of all up to each."""
        return self._each(Series.cummax)

    def cummin(self) -> DataFrame:
        """The smallest of all up to each."""
        return self._each(Series.cummin)

    def shift(self, periods: int = 1) -> DataFrame:
        """Each value so many rows later."""
        return self._each(lambda column: column.shift(periods))

    def diff(self, periods: int = 1) -> DataFrame:
        """The differences to the values so many rows before."""
        return self._each(lambda column: column.diff(periods))

    def ffill(self) -> DataFrame:
        """The latest value before in the place of a missing one."""
        return self._each(Series.ffill)

    def bfill(self) -> DataFrame:
        """The next value in the place of a missing one."""
        return self._each(Series.bfill)

    def rolling(self, window: Any, min_periods: int | None = None, center: bool = False) -> Any:
        """Windows of so many rows, or of a time."""
        from ._windows import Rolling

        return Rolling(self, window, min_periods, center)

    def resample(self, rule: str) -> Any:
        """Pieces of time."""
        from ._windows import Resampler

        return Resampler(self, rule)

    # Several frames, groups.

    def groupby(self, by: Any, sort: bool = True, dropna: bool = True) -> Any:
        """Groups of the rows, by columns."""
        from ._groupby import GroupBy

        return GroupBy(self, by, sort, dropna)

    def merge(self, right: DataFrame, how: str = "inner", **options: Any) -> DataFrame:
        """Joined with another frame. The order of the rows is any, and the index is counted from 0 unless it is joined on."""
        from ._merge import merge

        return merge(self, right, how, **options)

    def join(self, other: Any, how: str = "left", lsuffix: str = "", rsuffix: str = "") -> DataFrame:
        """Joined with another frame on the index."""
        from ._merge import merge

        right = other.to_frame() if isinstance(other, Series) else other
        return merge(self, right, how, left_index=True, right_index=True, suffixes=(lsuffix, rsuffix))

    # Held, written, shown.

    def persist(self, **_: Any) -> DataFrame:
        """Computes it and keeps it on the workers: the same frame, read there. It goes when nothing reads it."""
        return self._held()

    def _held(self, layout: str = "") -> DataFrame:
        rows, levels = self._hold(layout)
        columns = {label: (quote(f"c{at}"), kind) for at, (label, (_, kind)) in enumerate(self._columns.items())}
        return DataFrame(rows, columns, levels)

    def _publish(self, client: Any, name: str, override: bool) -> None:
        parts = [f"{level.sql} AS {quote(_index_name(at, level))}" for at, level in enumerate(self._index)]
        parts += [f"{sql} AS {quote(str(label))}" for label, (sql, _) in self._columns.items()]
        replace = "OR REPLACE " if override else ""
        query = self._plain_query(parts)
        client._connection.query(f"CREATE {replace}TABLE {quote(name)} AS {query}")

    def _plain_query(self, parts: list[str]) -> str:
        """Columns under their own names, with the rows in their order."""
        rows = self._rows
        if not rows.order or rows.physical:
            return f"SELECT {', '.join(parts)} FROM {rows.sql}"
        hidden = [f"{term(sql)} AS {quote(f'{ORDER}{at}')}" for at, sql in enumerate(rows.order)]
        names = [part.rsplit(" AS ", 1)[1] for part in parts]
        return self._sorted(
            f"SELECT {', '.join([*parts, *hidden])} FROM {rows.sql}", [name[1:-1].replace('""', '"') for name in names]
        )

    def _write(self, path: str, form: str, index: bool, options: dict[str, str] | None = None) -> None:
        parts = []
        if index:
            parts += [f"{level.sql} AS {quote(_index_name(at, level))}" for at, level in enumerate(self._index)]
        parts += [f"{sql} AS {quote(str(label))}" for label, (sql, _) in self._columns.items()]
        target = path if path.endswith("/") else path + "/"
        given = "".join(f" OPTIONS ({', '.join(f'{k!r} {v!r}' for k, v in options.items())})" if options else "")
        query = self._plain_query(parts)
        self._client._connection.query(f"COPY ({query}) TO {literal(target)} STORED AS {form}{given}")

    def to_parquet(self, path: str, write_index: bool = True) -> None:
        """Writes a folder with a Parquet file for each partition. Nothing is seen there before all is written."""
        self._write(path, "PARQUET", write_index)

    def to_csv(self, path: str, index: bool = True) -> None:
        """Writes a folder with a CSV file for each partition."""
        self._write(path, "CSV", index)

    def to_json(self, path: str, index: bool = False) -> None:
        """Writes a folder with a file of newline-delimited JSON for each partition."""
        self._write(path, "JSON", index)


def _beside(other: Any, column: Series) -> Any:
    """What an operator has beside a column: the column of that name, or the one thing for all."""
    return other._column(column.name) if isinstance(other, DataFrame) else other


def _index_name(at: int, level: Level) -> str:
    return str(level.name) if level.name is not None else INDEX + str(at)


class Loc:
    """Rows by the labels of the index."""

    def __init__(self, frame: DataFrame, finish: Callable[[DataFrame], Any]) -> None:
        self._frame = frame
        self._finish = finish

    def __getitem__(self, key: Any) -> Any:
        frame = self._frame
        columns = None
        if isinstance(key, tuple):
            key, columns = key
        if isinstance(key, Series):
            frame = frame._filtered(key)
        elif key != slice(None) if not isinstance(key, (list, pd.Index)) else True:
            frame = frame._narrowed(self._where(key))
        return self._finish(frame if columns is None else frame[columns])

    def _where(self, key: Any) -> str:
        index = self._frame.index
        kind = index._kind
        if isinstance(key, slice):
            if key.step is not None:
                raise NotImplementedError("loc takes slices without a step")
            tests = []
            if key.start is not None:
                tests.append(f"{index._sql} >= {literal(_label(key.start, kind, False), kind)}")
            if key.stop is not None:
                tests.append(f"{index._sql} <= {literal(_label(key.stop, kind, True), kind)}")
            return " AND ".join(tests) or "TRUE"
        if isinstance(key, (list, pd.Index)):
            return index.isin(list(key))._sql
        if pa.types.is_timestamp(kind) and isinstance(key, str):
            return self._where(slice(key, key))
        return f"{index._sql} = {literal(key, kind)}"


def _label(value: Any, kind: pa.DataType, last: bool) -> Any:
    """A label; of a text that stands for a time as a day or a month does, its first or its last moment."""
    if not (pa.types.is_timestamp(kind) and isinstance(value, str)):
        return value
    period = pd.Period(value)
    moment = period.end_time if last else period.start_time
    return moment.tz_localize(kind.tz) if kind.tz else moment


class Reduced:
    """One value for each column, which are computed at once."""

    def __init__(self, rows: Rows, cells: dict[Any, str], name: Any = None) -> None:
        self._rows = rows
        self._cells = cells
        self._name = name

    def compute(self, **_: Any) -> pd.Series:
        """Runs the plan on the cluster: a pandas series with the columns as its index."""
        if not self._cells:
            return pd.Series(dtype="float64")
        select = ", ".join(f"{sql} AS c{at}" for at, sql in enumerate(self._cells.values()))
        query = f"SELECT {select} FROM {self._rows.sql}"
        frame = to_pandas(self._rows.client._connection.query(query))
        values = [frame.iloc[0, at] for at in range(len(self._cells))]
        return pd.Series(values, index=pd.Index(list(self._cells)), name=self._name)

    def __getitem__(self, label: Any) -> Scalar:
        return Scalar(self._rows, self._cells[label])


class Table:
    """A small table, which is computed at once."""

    def __init__(self, rows: Rows, cells: dict[Any, dict[Any, str]]) -> None:
        self._rows = rows
        self._cells = cells

    def compute(self, **_: Any) -> pd.DataFrame:
        """Runs the plan on the cluster: a pandas frame."""
        flat = [sql for column in self._cells.values() for sql in column.values()]
        select = ", ".join(f"{sql} AS c{at}" for at, sql in enumerate(flat))
        frame = to_pandas(self._rows.client._connection.query(f"SELECT {select} FROM {self._rows.sql}"))
        values = iter(frame.iloc[0, at] for at in range(len(flat)))
        return pd.DataFrame({label: {name: next(values) for name in column} for label, column in self._cells.items()})

    def __getitem__(self, label: Any) -> Series:
        column = self._cells[label]
        parts = [
            f"SELECT {literal(name)} AS {quote(INDEX + '0')}, {sql} AS v, {at} AS {quote(ROW)} FROM {self._rows.sql}"
            for at, (name, sql) in enumerate(column.items())
        ]
        rows = Rows(self._rows.client, f"({' UNION ALL '.join(parts)})", (quote(ROW),))
        return Series(rows, quote("v"), label, (Level(None, quote(INDEX + "0")),))
