"""Which rows a frame has, in which order, with which index."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from .._errors import thin
from ._arguments import tuning
from ._base import Level
from ._columns import Column, axis_of, in_order
from ._loc import Loc
from ._partitions import drawn
from ._reductions import across
from ._rows import Rows, direction, turned
from ._rows import term as term_of
from ._series import _NO_ORDER, Index, Series, _last_of_files, _limited
from ._sql import INDEX, quote

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["FrameRows"]

#: The largest share of rows that is drawn with replacement.
FRAC_MAX = 100
#: The share of rows that would be drawn more often than any is.
POISSON_TAIL_MAX = 1e-12


class FrameRows:
    """The methods of frames that choose rows, and those that put them in an order."""

    _rows: Rows
    _columns: dict[Any, Column]
    _axis: pd.Index | None
    _index: tuple[Level, ...]
    _column: Callable[..., Series]
    _key: Callable[..., Series]
    _like: Callable[..., DataFrame]
    _narrowed: Callable[..., DataFrame]
    _filtered: Callable[..., DataFrame]
    _reordered: Callable[..., DataFrame]
    _order_names: Callable[..., list[str]]
    _travelled: Callable[..., DataFrame]

    def query(self, expr: str, **arguments: Any) -> DataFrame:
        """The rows for which a condition holds, written as pandas writes it: ``a > 1 and b == 'x' and c < @limit``.

        Parameters
        ----------
        expr : str
            The condition. What is after ``@`` is a variable of the caller.
        local_dict : dict, optional
            The variables, instead of the caller's.
        """
        from ._query import condition, names_around

        names = arguments.pop("local_dict", None) or names_around()
        tuning("query", arguments)
        return self._filtered(condition(cast("DataFrame", self), expr, names))

    def dropna(self, how: str | None = None, subset: Any = None, thresh: int | None = None) -> DataFrame:
        """Without rows that have missing values: any, all, or fewer than ``thresh`` that are there."""
        labels = [subset] if subset is not None and not isinstance(subset, (list, tuple, pd.Index)) else subset
        labels = list(self._columns if labels is None else labels)
        tests = [self._column(label).notna()._sql for label in labels]
        if thresh is not None:
            if how is not None:
                raise TypeError("You cannot set both the how and thresh arguments at the same time.")
            return self._narrowed(f"({across('count', [self._column(label)._cell for label in labels])}) >= {thresh}")
        how = how or "any"
        if how not in ("any", "all"):
            raise ValueError(f"dropna: how is 'any' or 'all', not {how!r}")
        return self._narrowed(f"({(' AND ' if how == 'any' else ' OR ').join(tests) or 'TRUE'})")

    @property
    def loc(self) -> Loc:
        """Rows by the labels of the index, and columns by theirs."""
        return Loc(cast("DataFrame", self), lambda frame: frame)

    @thin
    def head(self, n: int = 5, npartitions: int = 1, compute: bool = True) -> Any:
        """The first rows, of as many partitions as needed; of rows that are in no order, any."""
        if compute:
            return _limited(self, n)
        return self._first(n)

    @thin
    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """The last rows; of rows of files, the last ones of the last file, by its name, counted within it.

        Raises
        ------
        NotImplementedError
            If the rows are in no order.
        """
        if compute and not self._rows.order:
            return _last_of_files(self, n)
        if not self._rows.order:
            raise NotImplementedError(_NO_ORDER)
        frame = self._first(n, backwards=True)
        return frame.compute() if compute else frame

    def sample(
        self,
        n: None = None,
        frac: float | None = None,
        replace: bool = False,
        random_state: int | None = None,
    ) -> DataFrame:
        """About this share of the rows, drawn anew by each computation unless a state is given.

        With ``replace=True`` a row may be drawn several times, as often as in a sample with replacement of many rows:
        by a Poisson distribution. The share may then be more than 1.

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
        most = FRAC_MAX if replace else 1
        if not 0 <= frac <= most:
            more = "" if replace else "; a larger one needs replace=True"
            raise ValueError(f"frac is a share of the rows, from 0 to {most}, not {frac!r}{more}")
        if random_state is None:
            lot = "random()"
        else:
            keys = self._rows.order or [column.sql for column in self._columns.values()]
            lot = drawn(keys, random_state)
        return self._repeated(lot, frac) if replace else self._narrowed(f"{lot} < {float(frac)!r}")

    def _repeated(self, lot: str, mean: float) -> DataFrame:
        """Each row as often as a Poisson distribution says for its lot, a number from 0 to 1."""
        # The shares of rows that are drawn once at least, twice at least and so on.
        shares, term, left = [], math.exp(-mean), 1.0
        while left - term > POISSON_TAIL_MAX:
            left -= term
            shares.append(left)
            term *= mean / len(shares)
        rows, lot = self._rows.add(lot)
        frame = self._like(self._columns, rows)
        levels = [f"{level.sql} AS {quote(INDEX + str(at))}" for at, level in enumerate(self._index)]
        cells = [f"{sql} AS {quote(name)}" for sql, name in frame._selected()]
        order = [f"{term_of(sql)} AS {quote(name)}" for sql, name in zip(rows.order, self._order_names(rows))]
        select = ", ".join(dict.fromkeys([*levels, *cells, *order])) or "1 AS one"
        draws = ", ".join(f"(CAST({share!r} AS DOUBLE))" for share in shares) or "(CAST(-1 AS DOUBLE))"
        relation = rows.under(select, lot)
        root = (
            f"(SELECT {select} FROM {relation} CROSS JOIN (VALUES {draws}) AS __draws(__share) WHERE {lot} < __share)"
        )
        made = frame._travelled(root, rows)
        made._rows.physical = False
        return made

    def sort_values(self, by: Any, ascending: Any = True, na_position: str = "last", **arguments: Any) -> DataFrame:
        """In the order of columns; rows that are equal in them stay in theirs."""
        for name, value in (("kind", None), ("ignore_index", False), ("key", None), ("sort_function", None)):
            given = arguments.pop(name, value)
            if given != value and name != "kind":
                raise NotImplementedError(f"sort_values: {name}= is not there")
        arguments.pop("npartitions", None)
        tuning("sort_values", arguments)
        labels = list(by) if isinstance(by, (list, tuple)) else [by]
        ways = list(ascending) if isinstance(ascending, (list, tuple)) else [ascending] * len(labels)
        if len(ways) != len(labels):
            raise ValueError(f"sort_values: {len(labels)} columns and {len(ways)} directions")
        nulls = "NULLS LAST" if na_position == "last" else "NULLS FIRST"
        order = []
        for label, way in zip(labels, ways):
            column = self._key(label)
            order.append(f"{in_order(column._sql, column._origin)} {'ASC' if way else 'DESC'} {nulls}")
        return self._reordered((*order, *self._rows.order))

    def set_index(
        self,
        other: Any,
        drop: bool = True,
        sorted: bool = False,
        npartitions: Any = None,
        divisions: Sequence[Any] | None = None,
        append: bool = False,
        **arguments: Any,
    ) -> DataFrame:
        """With a column as the index, in its order.

        Unlike in pandas the rows are sorted by it, as they are in Dask, unless ``sort=False`` is given; ``sorted=True``
        says that they are already.
        With ``npartitions`` or ``divisions`` the frame is persisted on the workers at once, in those partitions.
        """
        if append or arguments.pop("inplace", False):
            raise NotImplementedError("set_index: append= and inplace= are not there, as they are not in Dask")
        is_sorting = arguments.pop("sort", True)
        arguments.pop("partition_size", None)
        tuning("set_index", arguments)
        if (
            isinstance(other, Index)
            and other._is_index_of(cast("DataFrame", self))
            and divisions is npartitions is None
        ):
            return cast("DataFrame", self)
        label = other.name if isinstance(other, Series) else other
        if isinstance(label, list):
            if len(label) != 1:
                raise NotImplementedError("set_index takes one column: groups can have several keys, an index cannot")
            label = other = label[0]
        column = other if isinstance(other, Series) else self._column(label)
        gone = drop and not isinstance(other, Series)
        columns = {name: cell for name, cell in self._columns.items() if not (gone and name == label)}
        rows = self._rows.both(column._rows)
        order = (f"{in_order(column._sql, column._origin)} ASC NULLS LAST", *rows.order)
        made = rows.but(order=order, physical=sorted and rows.physical) if is_sorting else rows
        from ._frame import DataFrame

        frame = DataFrame(made, columns, (Level(label, column._sql, column._origin),), self._axis)
        if divisions is not None or isinstance(npartitions, int):
            return frame.repartition(divisions, npartitions if divisions is None else None)
        return frame

    def reset_index(self, drop: bool = False) -> DataFrame:
        """With the index as columns, or without it. The rows are counted anew from 0."""
        columns: dict[Any, Column] = {}
        if not drop:
            for at, level in enumerate(self._index):
                name = level.name
                if name is None:
                    name = "index" if len(self._index) == 1 else f"level_{at}"
                if name in self._columns:
                    raise ValueError(f"cannot insert {name}, already exists")
                columns[name] = Column(level.sql, None, level.origin)
        from ._frame import DataFrame

        columns.update(self._columns)
        return DataFrame(self._rows, columns, (), axis_of(list(columns), self._axis)[:0] if columns else self._axis)

    def sort_index(self, ascending: bool = True) -> DataFrame:
        """In the order of the index."""
        way = "ASC" if ascending else "DESC"
        order = tuple(f"{in_order(level.sql, level.origin)} {way} NULLS LAST" for level in self._index)
        return self._reordered((*order, *self._rows.order))

    def drop_duplicates(
        self, subset: Any = None, keep: Any = "first", ignore_index: bool = False, **arguments: Any
    ) -> DataFrame:
        """Each row once, by some columns or all. Of rows in no order any of those alike is kept."""
        tuning("drop_duplicates", arguments)
        if keep not in ("first", "last", False):
            raise ValueError(f"drop_duplicates: keep is 'first', 'last' or False, not {keep!r}")
        labels = subset if isinstance(subset, (list, tuple, pd.Index)) else [subset]
        by = ", ".join(self._column(label)._sql for label in (self._columns if subset is None else labels))
        if keep is False:
            rows, number = self._rows.add(f"count(*) OVER (PARTITION BY {by})")
        else:
            order = self._rows.order or tuple(column.sql for column in self._columns.values())
            terms = ", ".join(order if keep == "first" else [turned(sql) for sql in order])
            rows, number = self._rows.add(f"row_number() OVER (PARTITION BY {by} ORDER BY {terms})")
        frame = self._like(self._columns, rows)._narrowed(f"{number} = 1", rows)
        frame._rows.physical = False
        return frame.reset_index(drop=True) if ignore_index else frame

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
        """Persisted on the workers anew, in other partitions. The rows stay in their order, and on the workers.

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

        return repartitioned(cast("DataFrame", self), divisions, npartitions, partition_size, freq)
