"""Methods of frames that select and sort rows and set the index."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pyarrow as pa

from .._errors import UnknownSortColumn, trim_traceback
from ..plan import expr as px
from ..plan.expr import Expr, Literal, SortKey
from ..plan.relation import Distinct, Filter, Join, Named, Projection, Sorting, Values
from ..utils import no_default, warn_caller
from ._arguments import check_split_every, reject_unsupported
from ._array_columns import column_of_array
from ._base import Level
from ._columns import RANGE, Column, full_label, label_index, sort_value
from ._heads import check_head_partitions, compute_head
from ._loc import Loc
from ._partitions import sampling_hash
from ._ranks import number_of_duplicate
from ._reductions import row_reduction
from ._rows import Rows, place_of
from ._series import _NO_ORDER, Index, Series, _compute_file_tail, reject_categories
from ._split_out import splits_out

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["FrameRows"]

#: Maximum fraction of a sample with replacement.
FRAC_MAX = 100
#: Probability at which the tail of the Poisson distribution is cut off.
POISSON_TAIL_MAX = 1e-12


def level_of(column: Series, name: Any) -> Level:
    """Return a column as a level of an index. As in pandas, integers with one step become a range."""
    is_whole = column._rows.known_type(column._expr) == pa.int64() and column._origin is None
    return Level(name, column._expr, column._origin, RANGE if is_whole else None)


class FrameRows:
    """Methods of frames that select and sort rows."""

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
    _kinds: Callable[[], dict[Any, Any]]
    _ordered_parts: Callable[[Rows], list[Named]]
    _order_over: Callable[..., list[SortKey]]
    _derived: Callable[..., DataFrame]
    npartitions: int

    def query(self, expr: str, **arguments: Any) -> DataFrame:
        """Select the rows for which a condition is true, such as ``a > 1 and b == 'x' and c < @limit``.

        Parameters
        ----------
        expr : str
            The condition. ``@name`` refers to a variable of the caller.
        local_dict : dict, optional
            The variables, instead of the caller's.
        """
        from ._query import caller_variables, parse_condition

        names = arguments.pop("local_dict", None) or caller_variables()
        reject_unsupported("query", arguments)
        return self._filtered(parse_condition(cast("DataFrame", self), expr, names))

    def dropna(self, how: Any = no_default, subset: Any = None, thresh: Any = no_default) -> DataFrame:
        """Drop rows with any missing value, with only missing values, or with fewer than `thresh` other values."""
        labels = [subset] if subset is not None and not isinstance(subset, (list, tuple, pd.Index)) else subset
        labels = list(self._columns if labels is None else labels)
        tests = [self._column(label).notna()._expr for label in labels]
        if thresh is not no_default:
            if how is not no_default:
                raise TypeError("You cannot set both the how and thresh arguments at the same time.")
            if thresh is None:
                # As in pandas, no number is at least this.
                return self._narrowed(px.literal(False))
            kinds = self._kinds()
            count = row_reduction("count", [self._columns[label] for label in labels], [kinds[one] for one in labels])
            return self._narrowed(px.comparison("ge", count, thresh))
        how = "any" if how is no_default else how
        if how not in ("any", "all"):
            raise ValueError(f"dropna: how must be 'any' or 'all', not {how!r}")
        every = px.conjunction(*tests) if how == "any" or not tests else px.disjunction(*tests)
        return self._narrowed(every)

    @property
    def loc(self) -> Loc:
        """Selection by index and column labels."""
        return Loc(cast("DataFrame", self), lambda frame: frame)

    @trim_traceback
    def head(self, n: int = 5, npartitions: int = 1, compute: bool = True) -> Any:
        """Return the first rows, of as many partitions as needed. If the row order is undefined, return any rows.

        Parameters
        ----------
        n : int
            Number of rows.
        npartitions : int
            Accepted for compatibility with Dask, up to the number of partitions; -1 are all.
        compute : bool
            Whether to return a pandas frame.
        """
        check_head_partitions(self, npartitions)
        if compute:
            return compute_head(self, n)
        return self._first(n)

    @trim_traceback
    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """Return the last rows.

        For rows of files, return the last rows of the last file by name, numbered within this file.

        Raises
        ------
        NotImplementedError
            If the order of the rows is undefined.
        """
        if compute and not self._rows.order:
            return _compute_file_tail(self, n)
        if not self._rows.order:
            raise NotImplementedError(_NO_ORDER)
        frame = self._first(n, backwards=True)
        return frame.compute() if compute else frame

    def sample(
        self,
        n: float | None = None,
        frac: float | None = None,
        replace: bool = False,
        random_state: int | None = None,
    ) -> DataFrame:
        """Sample about a fraction of the rows.

        Parameters
        ----------
        n : float, optional
            A fraction between 0 and 1, as in Dask; a warning names `frac`. Numbers of rows are not supported.
        frac : float
            Fraction of the rows.
        replace : bool
            Whether a row can be drawn more than once. The number of draws of a row has a Poisson distribution, as in a
            sample with replacement of many rows, and `frac` can be more than 1.
        random_state : int, optional
            Seed. The sample of a frame is then reproducible and independent of its partitions, but differs from that of
            pandas. If the row order is undefined, the hash of all values identifies a row, so equal rows are drawn
            together. Without a seed one is chosen at random, unless the row order is undefined: then each computation draws
            other rows.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": range(1000)}), npartitions=2)
        >>> some = ddf.sample(frac=0.5, random_state=1).a.compute()
        >>> 400 < len(some) < 600 and some.equals(ddf.sample(frac=0.5, random_state=1).a.compute())
        True
        """
        if frac is None and isinstance(n, float) and 0 < n < 1:
            warn_caller(f"sample() takes a fraction, not a number of rows: use frac={n!r}")
            n, frac = None, n
        if n is not None or frac is None:
            raise ValueError("sample() does not support a number of rows; use frac=")
        most = FRAC_MAX if replace else 1
        if not 0 <= frac <= most:
            more = "" if replace else "; a larger fraction requires replace=True"
            raise ValueError(f"frac must be between 0 and {most}, not {frac!r}{more}")
        if random_state is None and self._rows.order:
            random_state = random.getrandbits(31)
        if random_state is None:
            lot = px.call("random")
        else:
            keys = [key.expr for key in self._rows.order] or [column.expr for column in self._columns.values()]
            lot = sampling_hash(keys, random_state)
        return self._repeated(lot, frac) if replace else self._narrowed(px.comparison("lt", lot, float(frac)))

    def _repeated(self, lot: Expr, mean: float) -> DataFrame:
        """Repeat each row by the Poisson quantile of its random number between 0 and 1."""
        # The probabilities that a row is drawn at least once, at least twice, and so on.
        shares, term, left = [], math.exp(-mean), 1.0
        while left - term > POISSON_TAIL_MAX:
            left -= term
            shares.append(left)
            term *= mean / len(shares)
        rows = self._rows
        parts = self._ordered_parts(rows)
        drawn = rows.project([*parts, Named("__lot", lot)])
        draws = Values(["__share"], [(Literal(share, pa.float64()),) for share in shares or [-1.0]])
        joined = Join(drawn, draws, "cross", ())
        is_drawn = px.comparison("lt", drawn.column("__lot"), draws.column("__share"))
        found = Filter(joined, [is_drawn])
        made = self._derived(Projection(found, [Named(name, found.column(name)) for name, _ in parts]), rows)
        made._rows.physical, made._rows.labels = False, None
        return made

    def sort_values(self, by: Any, ascending: Any = True, na_position: str = "last", **arguments: Any) -> DataFrame:
        """Sort by columns. The sort is stable.

        Parameters
        ----------
        by : label or list of labels
            Columns, or names of index levels.
        ascending : bool or list of bool
            Whether to sort in ascending order.
        na_position : {"last", "first"}
            Where missing values are.
        key : callable, optional
            A function of each column of `by`, such as ``lambda column: column.str.lower()``, by whose values to sort.
        ignore_index : bool
            Whether the index of the result counts from 0.
        sort_function : callable, optional
            A function that sorts the rows of each partition, which are divided by the first column. It gets a pandas frame
            and the arguments of this method, and of `sort_function_kwargs`.
        """
        if na_position not in ("first", "last"):
            raise ValueError(f"na_position must be either 'first' or 'last', not {na_position!r}")
        function, options = arguments.pop("sort_function", None), arguments.pop("sort_function_kwargs", None)
        key, ignore_index = arguments.pop("key", None), arguments.pop("ignore_index", False)
        for name in ("kind", "npartitions", "partition_size"):
            arguments.pop(name, None)
        reject_unsupported("sort_values", arguments)
        labels = list(by) if isinstance(by, (list, tuple)) and by not in list(self._columns) else [by]
        ways = list(ascending) if isinstance(ascending, (list, tuple)) else [ascending] * len(labels)
        if len(ways) != len(labels):
            raise ValueError(f"sort_values: ascending must have the length of by=, {len(labels)}, not {len(ways)}")
        order = []
        for label, way in zip(labels, ways):
            by_label = self._sort_key(label)
            column = by_label if key is None else _sort_column(by_label, key)
            order.append(SortKey(sort_value(column._expr, column._origin), not way, na_position != "last"))
        made = self._reordered((*order, *self._rows.order))
        made = made.reset_index(drop=True) if ignore_index else made
        if function is None:
            return made
        given = {"by": by, "ascending": ascending, "na_position": na_position, **(options or {})}
        found: DataFrame = made.map_partitions(function, meta=made._meta, **given)
        return found

    def _sort_key(self, label: Any) -> Series:
        """Return the column or index level to sort by."""
        try:
            return self._key(label)
        except KeyError:
            if isinstance(label, str):
                raise
            raise UnknownSortColumn(
                f"sort_values() supports only sorting by named columns and levels: none is named {label!r}"
            ) from None

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
        """Set a column as the index and sort the rows by it, as in Dask.

        Parameters
        ----------
        other : label or Series
            The column.
        drop : bool
            Whether to remove the column.
        sorted : bool
            Whether the rows are already sorted by the column.
        npartitions, divisions : optional
            Partitions of the result, which is then persisted immediately; see :meth:`repartition`.
        append : bool
            Whether to keep the levels of the index before the column, which requires ``sort=False``.
        sort : bool
            Whether to sort the rows.
        """
        if arguments.pop("inplace", False):
            raise NotImplementedError("set_index() does not support inplace=, as in Dask")
        is_sorting = arguments.pop("sort", True)
        if append and is_sorting:
            raise NotImplementedError("set_index(append=True) requires sort=False, as in Dask")
        arguments.pop("partition_size", None)
        reject_unsupported("set_index", arguments)
        if (
            isinstance(other, Index)
            and other._is_index_of(cast("DataFrame", self))
            and divisions is npartitions is None
        ):
            return cast("DataFrame", self)
        from ._frame import DataFrame

        if isinstance(other, DataFrame):
            raise NotImplementedError("set_index() does not yet support a frame; it takes one column")
        label = other.name if isinstance(other, Series) else other
        if isinstance(label, list):
            if len(label) != 1 and any(isinstance(one, Series) for one in label):
                raise TypeError("a list of columns is not supported by set_index(); it takes one column")
            if len(label) != 1 or isinstance(label[0], list):
                raise NotImplementedError(
                    "set_index() takes one column: Dask dataframe does not yet support multi-indexes, nor does this one"
                )
            label = other = label[0]
        if isinstance(other, Series) and not self._rows.is_same_as(other._rows):
            other = _by_position(cast("DataFrame", self), other)
        is_label = not isinstance(other, Series) and label not in self._columns
        if is_label and [level.name for level in self._index] == [label]:
            # As in Dask, the frame has this index already.
            return cast("DataFrame", self)
        column = other if isinstance(other, Series) else self._column(label)
        gone = drop and not isinstance(other, Series)
        used = (label, full_label(label, self._columns)) if gone else ()
        columns = {name: cell for name, cell in self._columns.items() if name not in used}
        rows = self._rows.combine(column._rows)
        order = (SortKey(sort_value(column._expr, column._origin)), *rows.order)
        made = rows.with_changes(order=order, physical=sorted and rows.physical) if is_sorting else rows
        from ._frame import DataFrame

        levels: tuple[Level, ...] = (level_of(column, label),)
        if append:
            levels = (*(self._index or (Level(None, place_of(rows)),)), *levels)
            # Divisions are those of an index of one level.
            made = made.with_changes(is_undivided=True)
        frame = DataFrame(made, columns, levels, self._axis)
        if divisions is not None or isinstance(npartitions, int):
            return frame.repartition(divisions, npartitions if divisions is None else None, force=True)
        if is_sorting and sorted and rows.order:
            made.presorted = DataFrame(rows, {label: column._cell}, self._index)
        return frame

    def reset_index(self, drop: bool = False) -> DataFrame:
        """Convert the index to columns, or drop it. The new index counts from 0."""
        columns: dict[Any, Column] = {}
        axis = label_index(list(self._columns), self._axis)
        if not drop:
            for at, level in enumerate(self._index):
                name = level.name
                if name is None:
                    name = "index" if len(self._index) == 1 else f"level_{at}"
                if isinstance(axis, pd.MultiIndex):
                    name = (name, *[""] * (axis.nlevels - 1))
                if name in self._columns:
                    raise ValueError(f"cannot insert {name}, already exists")
                columns[name] = Column(level.expr, level.origin)
        from ._frame import DataFrame

        columns.update(self._columns)
        rows = self._rows.with_changes(physical=self._rows.physical, numbers=self._rows.order, is_selection=False)
        return DataFrame(rows, columns, (), label_index(list(columns), self._axis)[:0] if columns else self._axis)

    def sort_index(
        self, ascending: Any = True, na_position: str = "last", ignore_index: bool = False, **arguments: Any
    ) -> DataFrame:
        """Sort by the index, by default with missing labels last; `ascending` may have a value for each level."""
        if na_position not in ("first", "last"):
            raise ValueError(f"na_position must be either 'first' or 'last', not {na_position!r}")
        arguments.pop("kind", None)
        reject_unsupported("sort_index", arguments)
        ways = list(ascending) if isinstance(ascending, (list, tuple)) else [ascending] * len(self._index)
        if len(ways) != len(self._index):
            raise ValueError(f"sort_index: ascending must have a value for each of {len(self._index)} levels")
        order = [
            SortKey(sort_value(level.expr, level.origin), not way, na_position != "last")
            for level, way in zip(self._index, ways)
        ]
        made = self._reordered((*order, *self._rows.order))
        return made.reset_index(drop=True) if ignore_index else made

    @splits_out
    def drop_duplicates(
        self, subset: Any = None, keep: Any = "first", ignore_index: bool = False, **arguments: Any
    ) -> DataFrame:
        """Drop duplicate rows by some or all columns. If the row order is undefined, any of the duplicates is kept."""
        reject_unsupported("drop_duplicates", arguments)
        if keep not in ("first", "last", False):
            raise ValueError(f"drop_duplicates: keep must be 'first', 'last' or False, not {keep!r}")
        labels = subset if isinstance(subset, (list, tuple, pd.Index)) else [subset]
        by = [self._column(label)._expr for label in (self._columns if subset is None else labels)]
        is_whole = {column.expr for column in self._columns.values()} <= set(by)
        if keep is not False and by and is_whole and not self._rows.order and not self._index:
            # Equal rows differ in nothing, so that no window has to choose one of them.
            return self._derived(Distinct(self._rows.project(self._ordered_parts(self._rows))), self._rows)
        order = self._rows.order or tuple(SortKey(column.expr) for column in self._columns.values())
        frame = self._narrowed(px.comparison("eq", number_of_duplicate(by, order, keep), 1))
        return frame.reset_index(drop=True) if ignore_index else frame

    def nlargest(self, n: int, columns: Any, split_every: Any = None) -> DataFrame:
        """Return the rows with the largest values."""
        check_split_every(split_every)
        self._reject_categories("nlargest", columns)
        return self.sort_values(columns, ascending=False)._first(n)

    def nsmallest(self, n: int, columns: Any, split_every: Any = None) -> DataFrame:
        """Return the rows with the smallest values."""
        check_split_every(split_every)
        self._reject_categories("nsmallest", columns)
        return self.sort_values(columns)._first(n)

    def _reject_categories(self, name: str, columns: Any) -> None:
        for label in columns if isinstance(columns, (list, tuple)) else [columns]:
            reject_categories(name, self._key(label))

    def _first(self, n: int, backwards: bool = False) -> DataFrame:
        rows = self._rows
        every = rows.project(self._ordered_parts(rows))
        order = self._order_over(every, rows)
        first = Sorting(every, [key.reverse for key in order] if backwards else order, max(n, 0))
        frame = self._derived(first, rows)
        frame._rows.physical = False
        frame._rows.partitions = 1
        return frame

    def repartition(
        self,
        divisions: Sequence[Any] | None = None,
        npartitions: int | None = None,
        partition_size: Any = None,
        freq: Any = None,
        force: bool = False,
    ) -> DataFrame:
        """Persist the frame in other partitions, with the rows in the same order.

        Exactly one argument must be given. Rows with the same number or time as their label are not split, so there may be
        fewer partitions than requested.

        Parameters
        ----------
        divisions : sequence, optional
            First index label of each partition, and last label of the last one. The rows must be sorted by the index.
        npartitions : int, optional
            Number of partitions.
        partition_size : int or str, optional
            Approximate size of a partition in memory: bytes, or a string such as ``"100MB"`` or ``"64MiB"``.
        freq : str or Timedelta, optional
            Time interval of the index for each partition, such as ``"1D"``.
        force : bool
            Whether `divisions` may be wider than the labels.

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
        from ._repartition import repartition

        return repartition(cast("DataFrame", self), divisions, npartitions, partition_size, freq, force)


def _sort_column(column: Series, key: Callable[[Series], Any]) -> Series:
    """Return what a function makes of a column to sort by."""
    found = key(column)
    if not isinstance(found, Series) or found._rows.identity is not column._rows.identity:
        raise TypeError(f"sort_values: key= must return a column of the same rows, not {type(found).__name__}")
    return found


def _by_position(frame: DataFrame, column: Series) -> Series:
    """Return a column of other rows as one of a frame, whose values belong to the rows in their order, as in pandas.

    Raises
    ------
    NotImplementedError
        If an order of the rows is undefined, or the values are not those of an array of NumPy.
    """
    kind = column._meta.to_numpy().dtype
    if frame._rows.is_group or not (frame._rows.order and column._rows.order) or kind.hasobject:
        raise NotImplementedError(
            "set_index() takes a column of other rows only if both have an order and its values are numbers or times; assign "
            "the column first, or use merge or join"
        )
    found: Series = column_of_array(frame, column.to_dask_array(lengths=True)).rename(column.name)
    return found
