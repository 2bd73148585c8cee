"""Ranks of values, and marks of duplicate rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import SO_FAR, Expr, SortKey, case, cast, window
from ..plan.rewrite import distinct_keys
from ._arguments import is_columns_axis, reject_unsupported
from ._columns import require_order, sort_value
from ._reductions import normalize_zero
from ._sql import is_number

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._series import Series

__all__ = ["ColumnRanks", "FrameRanks", "number_of_duplicate"]

_METHODS = ("average", "min", "max", "first", "dense")


def number_of_duplicate(by: Sequence[Expr], order: Sequence[SortKey], keep: Any) -> Expr:
    """Return the number of a row among its duplicates, which is 1 for the rows to keep."""
    if keep is False:
        return window("count_rows", partition=by)
    keys = distinct_keys(order if keep == "first" else [key.reverse for key in order])
    return window("row_number", partition=by, order=keys)


def _rank(column: Series, method: str, ascending: bool, pct: bool) -> Expr:
    """Return the rank of each value of a column. Missing values have none."""
    require_order("rank", column._origin)
    value = normalize_zero(sort_value(column._expr, column._origin), column._kind)
    order = distinct_keys((SortKey(value, not ascending), *column._rows.order))
    place = cast(window("row_number", order=order), pa.int64())
    first = window("min", place, partition=[value])
    if method == "first":
        rank = place
    elif method == "dense":
        rank = window("sum", case([(px.comparison("eq", place, first), 1)], 0), order=order, frame=SO_FAR)
    else:
        last = window("max", place, partition=[value])
        rank = {"min": first, "max": last, "average": (cast(first, pa.float64()) + last) / 2}[method]
    is_value = px.not_null(column._expr)
    rank = case([(is_value, cast(rank, pa.float64()))])
    if not pct:
        return rank
    return rank / cast(window("max", rank) if method == "dense" else window("count", column._expr), pa.float64())


class ColumnRanks:
    """Ranks and duplicates of columns."""

    name: Any
    _framed: Any
    _like: Any

    def rank(
        self,
        axis: Any = 0,
        method: str = "average",
        numeric_only: bool = False,
        na_option: str = "keep",
        ascending: bool = True,
        pct: bool = False,
    ) -> Series:
        """Return the rank of each value, from 1.

        Parameters
        ----------
        axis : {0, "index"}
            For compatibility with pandas.
        method : {"average", "min", "max", "first", "dense"}
            The rank of equal values: the average, lowest or highest of their places, or their own places in the order
            of the rows; ``"dense"`` counts distinct values.
        numeric_only : bool
            For compatibility with pandas.
        na_option : {"keep"}
            Missing values have no rank.
        ascending : bool
            Whether the smallest value has the rank 1.
        pct : bool
            Whether to return ranks as fractions of the number of values.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> dd.from_pandas(pd.Series([3.0, 1.0, 3.0]), npartitions=2).rank().compute().tolist()
        [2.5, 1.0, 2.5]
        """
        if is_columns_axis("rank", axis):
            raise ValueError("no axis named 1 for a column")
        if method not in _METHODS:
            raise ValueError(f"rank: method must be one of {', '.join(_METHODS)}, not {method!r}")
        if na_option != "keep":
            raise NotImplementedError(f"rank() does not support na_option={na_option!r}; use fillna first")
        found: Series = self._like(_rank(self, method, ascending, pct), origin=None)  # type: ignore[arg-type]
        return found

    def duplicated(self, keep: Any = "first") -> Series:
        """Return whether each value is a duplicate of one before or after it; see :meth:`DataFrame.duplicated`."""
        found: Series = self._framed().duplicated(keep=keep)._named(self.name)
        return found


class FrameRanks:
    """Ranks and duplicates of frames."""

    _columns: dict[Any, Any]
    _rows: Any
    _index: Any
    _column: Any
    _each: Any
    _kinds: Any
    _like: Any

    def rank(self, axis: Any = 0, numeric_only: bool = False, **arguments: Any) -> DataFrame:
        """Return the rank of each value in its column; see :meth:`Series.rank`."""
        if is_columns_axis("rank", axis):
            raise NotImplementedError("rank(axis=1) is not supported; use compute() and pandas")
        kinds = self._kinds()
        labels = [label for label in self._columns if not numeric_only or is_number(kinds[label])]
        frame = self._like({label: self._columns[label] for label in labels})
        found: DataFrame = frame._each(lambda column: column.rank(**arguments))
        return found

    def duplicated(self, subset: Any = None, keep: Any = "first", **arguments: Any) -> Series:
        """Return whether each row is a duplicate of another one.

        Parameters
        ----------
        subset : label or list of labels, optional
            The columns to compare; by default all.
        keep : {"first", "last", False}
            The row of equal ones that is no duplicate. If the row order is undefined, it is any of them.
        """
        from ._series import Series

        reject_unsupported("duplicated", arguments)
        if keep not in ("first", "last", False):
            raise ValueError(f"duplicated: keep must be 'first', 'last' or False, not {keep!r}")
        labels = subset if isinstance(subset, (list, tuple, pd.Index)) else [subset]
        by = [self._column(label)._expr for label in (self._columns if subset is None else labels)]
        order = self._rows.order or tuple(SortKey(column.expr) for column in self._columns.values())
        test = px.comparison("gt", number_of_duplicate(by, order, keep), 1)
        return Series(self._rows, test, None, self._index)
