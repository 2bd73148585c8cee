"""Which rows a frame has, in which order, with which index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from ._arguments import tuning
from ._base import Level
from ._columns import Column, in_order
from ._loc import Loc
from ._partitions import drawn
from ._reductions import across
from ._rows import Rows, direction, turned
from ._series import Series, _limited
from ._sql import quote

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["FrameRows"]


class FrameRows:
    """The methods of frames that choose rows, and those that put them in an order."""

    _rows: Rows
    _columns: dict[Any, Column]
    _index: tuple[Level, ...]
    _column: Callable[..., Series]
    _key: Callable[..., Series]
    _like: Callable[..., DataFrame]
    _narrowed: Callable[..., DataFrame]
    _filtered: Callable[..., DataFrame]
    _reordered: Callable[..., DataFrame]
    _order_names: Callable[..., list[str]]

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

    def dropna(self, how: str = "any", subset: Any = None, thresh: int | None = None) -> DataFrame:
        """Without rows that have missing values: any, all, or fewer than ``thresh`` that are there."""
        labels = [subset] if subset is not None and not isinstance(subset, (list, tuple, pd.Index)) else subset
        labels = list(self._columns if labels is None else labels)
        tests = [self._column(label).notna()._sql for label in labels]
        if thresh is not None:
            return self._narrowed(f"({across('count', [self._column(label)._cell for label in labels])}) >= {thresh}")
        if how not in ("any", "all"):
            raise ValueError(f"dropna: how is 'any' or 'all', not {how!r}")
        return self._narrowed(f"({(' AND ' if how == 'any' else ' OR ').join(tests) or 'TRUE'})")

    @property
    def loc(self) -> Loc:
        """Rows by the labels of the index, and columns by theirs."""
        return Loc(cast("DataFrame", self), lambda frame: frame)

    def head(self, n: int = 5, npartitions: int = 1, compute: bool = True) -> Any:
        """The first rows, of as many partitions as needed; of rows that are in no order, any."""
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
        keys = self._rows.order or [column.sql for column in self._columns.values()]
        return self._narrowed(drawn(keys, frac, random_state))

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

        Unlike in pandas the rows are sorted by it, as they are in Dask; ``sorted=True`` says that they are already.
        With ``npartitions`` or ``divisions`` the frame is held on the workers at once, in those partitions.
        """
        if append or arguments.pop("inplace", False):
            raise NotImplementedError("set_index: append= and inplace= are not there, as they are not in Dask")
        arguments.pop("sort", None)
        arguments.pop("partition_size", None)
        tuning("set_index", arguments)
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
        made = rows.but(order=order, physical=sorted and rows.physical)
        from ._frame import DataFrame

        frame = DataFrame(made, columns, (Level(label, column._sql, column._origin),))
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

        return DataFrame(self._rows, {**columns, **self._columns}, ())

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

        return repartitioned(cast("DataFrame", self), divisions, npartitions, partition_size, freq)
