"""Columns and indexes."""

from __future__ import annotations

import builtins
import copy
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._errors import trim_traceback
from ..plan import expr as px
from ..plan import wire
from ..plan.expr import Expr, SortKey, Trait, aggregate, case, window
from ..plan.relation import Distinct, Filter, Grouping, Named, Projection, Relation, Union, Values
from . import _display
from ._arguments import check_split_every, reject_unsupported
from ._array_columns import column_of_array, is_boolean_array
from ._base import Level, Plan
from ._categories import CategoryMethods
from ._column_methods import ColumnMethods
from ._column_operators import ColumnOperators
from ._column_types import ColumnTypes
from ._columns import (
    RANGE,
    Column,
    derived_origin,
    regular_index,
    require_order,
    sort_value,
    to_pandas,
)
from ._heads import check_head_partitions, compute_head
from ._index_methods import IndexMethods
from ._matching import uploaded
from ._moments import ColumnMoments
from ._ranks import ColumnRanks
from ._reductions import normalize_zero
from ._replacement import ColumnReplacement, is_missing
from ._rows import Labels, Rows, contains
from ._scalar import Scalar
from ._split_out import splits_out
from ._sql import INDEX, is_text, is_time, literal
from ._summary import ColumnSummary
from ._window_methods import ColumnWindows

if TYPE_CHECKING:
    from ._frame import DataFrame

__all__ = ["Index", "Series", "check_label_slice", "index_of", "reject_categories", "row_numbers", "with_index"]


class Series(
    ColumnWindows,
    ColumnRanks,
    ColumnMoments,
    ColumnMethods,
    ColumnSummary,
    ColumnReplacement,
    ColumnOperators,
    ColumnTypes,
    Plan,
):
    """A lazy column with an index.

    Columns are selected from frames, as in ``ddf.a`` or ``ddf["a"]``. Operations on columns return columns, reductions
    return single values. :meth:`compute` runs the plan.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> a = dd.from_pandas(pd.Series([3, 1, 2], name="a"), npartitions=2)
    >>> (a * 2).compute().tolist()
    [6, 2, 4]
    >>> int(a.max().compute())
    3
    """

    def __init__(
        self,
        rows: Rows,
        expr: Expr,
        name: Any,
        index: tuple[Level, ...],
        origin: Any = None,
    ) -> None:
        self._rows = rows
        self._expr = expr
        self.name = name
        self._index = index
        self._origin = origin

    # Attributes.

    @property
    def _kind(self) -> pa.DataType:
        return self._rows.type(self._expr)

    @property
    def dtype(self) -> Any:
        """The pandas type of the values."""
        return to_pandas(pa.table({"v": pa.array([], self._kind)}), [self._origin]).dtypes.iloc[0]

    @property
    def index(self) -> Index:
        """The index."""
        return index_of(self) if self._index else row_numbers(self)

    @index.setter
    def index(self, labels: Any) -> None:
        self._rows, self._index = with_index(self, labels)

    @property
    def cat(self) -> CategoryMethods:
        """Methods of categorical columns."""
        return CategoryMethods(self)

    @property
    def ndim(self) -> int:
        """The number of dimensions, 1."""
        return 1

    @property
    def size(self) -> Scalar:
        """The number of rows including missing values, computed lazily."""
        return Scalar(self._rows, aggregate("count_rows"), int)

    @property
    def shape(self) -> tuple[Scalar]:
        """The number of rows including missing values, computed lazily."""
        return (self.size,)

    def __repr__(self) -> str:
        return _display.text(self.to_frame(), type(self).__name__, as_series=True)

    def __dir__(self) -> list[builtins.str]:
        # Accessors that the type does not have are not shown, as far as the type is known.
        kind = self._rows.known_type(self._expr)
        names = list(super().__dir__())
        if kind is None:
            return names
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        hidden = {"str"} if not is_text(kind) and not is_list else set()
        if not (is_time(kind) or pa.types.is_duration(kind)):
            hidden.add("dt")
        if not isinstance(self._origin, pd.CategoricalDtype):
            hidden.add("cat")
        return [name for name in names if name not in hidden]

    def _selected_labels(self) -> list[Any]:
        return [self.name]

    def _selected(self) -> list[Named]:
        return [Named("v", self._expr)]

    def _origins(self) -> list[Any]:
        return [*super()._origins(), self._origin]

    def _finish(self, frame: pd.DataFrame) -> pd.Series:
        index = self._restore_index(frame)
        values = frame.iloc[:, len(self._index)]
        return pd.Series(values.array, index=index, name=self.name, dtype=values.dtype)

    def _like(self, expr: Expr, rows: Rows | None = None, name: Any = ..., origin: Any = ...) -> Series:
        """Return a column computed from this one. Categories become plain values unless an origin is given."""
        origin = derived_origin(self._origin) if origin is ... else origin
        return Series(rows or self._rows, expr, self.name if name is ... else name, self._index, origin)

    def _with_values(self, expr: Expr, rows: Rows | None = None) -> Series:
        """Return a column of the same origin, with other rows or replaced values."""
        return self._like(expr, rows, origin=self._origin)

    @property
    def _cell(self) -> Column:
        return Column(self._expr, self._origin)

    def to_frame(self, name: Any = None) -> DataFrame:
        """Convert to a frame with one column."""
        from ._frame import DataFrame

        label = name if name is not None else (self.name if self.name is not None else 0)
        return DataFrame(self._rows, {label: self._cell}, self._index)

    def _framed(self) -> DataFrame:
        """Return a frame with the same rows and index, and this column under the label ``"v"``."""
        from ._frame import DataFrame

        return DataFrame(self._rows, {"v": self._cell}, self._index)

    def _from_frame(self, frame: DataFrame) -> Series:
        """Return the column of a frame derived from :meth:`_framed`, with its original name."""
        return frame._column("v")._named(self.name)

    def _named(self, name: Any) -> Series:
        return self._like(self._expr, name=name, origin=self._origin)

    def rename(self, index: Any = None, sorted_index: bool = False) -> Series:
        """Rename the column, or its index labels.

        Parameters
        ----------
        index : label, dict, Series or callable
            The name, or new labels by old ones. A lazy column is computed first.
        sorted_index : bool
            Whether the new labels are sorted like the old ones, which is checked at once.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> a = dd.from_pandas(pd.Series([5, 6], name="a"), npartitions=2)
        >>> a.rename({0: 10}).compute().index.tolist()
        [10, 1]
        """
        if isinstance(index, (dict, Series, pd.Series)) or callable(index):
            from ._labels import relabelled

            return relabelled(self, index, sorted_index)
        return self._named(index)

    def copy(self, deep: bool = False) -> Series:
        """Return a column of the same plan."""
        return self._with_values(self._expr)

    def pipe(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function with this column and return its result."""
        return func(self, *args, **kwargs)

    def apply(self, func: Any, convert_dtype: Any = True, meta: Any = None, args: Any = (), **kwargs: Any) -> Any:
        """Call a Python function with each value; see :meth:`map`.

        Parameters
        ----------
        func : callable
            Takes a value, and returns a value for a column, or a pandas series for a frame.
        convert_dtype
            Accepted for compatibility with Dask; no effect.
        meta : optional
            The type that the function returns, as for :func:`partita.dataframe.map_partitions`.
        args, **kwargs
            Further arguments of the function.
        """
        from ._column_functions import apply_rows

        return apply_rows(self, func, args, kwargs, meta)

    @trim_traceback
    def persist(self, **arguments: Any) -> Series:
        """Persist the column on the workers. The result is released when no column refers to it."""
        reject_unsupported("persist", arguments)
        if self._create_deferred():
            return self.copy()
        rows, levels = self._persist_rows()
        return self._over_persisted(rows, levels)

    def _over_persisted(self, rows: Rows, levels: tuple[Level, ...]) -> Series:
        """Return the column of the rows of a persisted table."""
        return Series(rows, rows.column("v"), self.name, levels, self._origin)

    @trim_traceback
    def head(self, n: int = 5, npartitions: int = 1, compute: bool = True) -> Any:
        """Return the first rows; see :meth:`DataFrame.head`."""
        check_head_partitions(self, npartitions)
        return compute_head(self, n) if compute else self._from_frame(self._framed().head(n, compute=False))

    def reset_index(self, drop: bool = False, name: Any = None) -> Any:
        """Convert the index to columns, or drop it. The new index counts from 0."""
        if name is not None and not drop:
            return self._named(name).reset_index()
        if drop:
            return self._from_frame(self.to_frame("v").reset_index(drop=True))
        return self.to_frame().reset_index()

    # Values.

    def isna(self) -> Series:
        """Return whether each value is missing."""
        return self._like(px.is_null(self._expr), origin=None)

    isnull = isna

    def notna(self) -> Series:
        """Return whether each value is not missing."""
        return ~self.isna()

    notnull = notna

    def dropna(self) -> Series:
        """Drop missing values."""
        return self[self.notna()]

    def between(self, left: Any, right: Any, inclusive: str = "both") -> Series:
        """Return whether each value is between two values."""
        low = {"both": self >= left, "left": self >= left, "right": self > left, "neither": self > left}
        high = {"both": self <= right, "right": self <= right, "left": self < right, "neither": self < right}
        return low[inclusive] & high[inclusive]

    def clip(self, lower: Any = None, upper: Any = None, axis: Any = None, **arguments: Any) -> Series:
        """Limit the values to the range from `lower` to `upper`, which may be columns of the same rows."""
        reject_unsupported("clip", arguments)
        if axis not in (None, 0, "index"):
            raise ValueError(f"No axis named {axis} for Series; use 0")
        if isinstance(lower, Series) or isinstance(upper, Series):
            return self._clip_by_row(lower, upper)
        lower, upper = (limit.compute() if isinstance(limit, Scalar) else limit for limit in (lower, upper))
        lower, upper = self._held(lower), self._held(upper)
        if lower is not None and upper is not None and not (is_missing(lower) or is_missing(upper)):
            # As in pandas, the limits may be in either order.
            lower, upper = min(lower, upper), max(lower, upper)
        if isinstance(self._origin, pd.CategoricalDtype):
            return self._clip_categories(lower, upper, self._origin)
        cases = []
        if lower is not None:
            cases.append((px.comparison("lt", self._expr, literal(lower)), literal(lower, self._kind)))
        if upper is not None:
            cases.append((px.comparison("gt", self._expr, literal(upper)), literal(upper, self._kind)))
        if not cases:
            return self
        return self._like(case(cases, self._expr, dtype=self._kind_with(lower, upper)))

    def _clip_by_row(self, lower: Any, upper: Any) -> Series:
        """Limit the values by columns; a missing limit does not limit."""
        made = self
        for name, limit in (("lt", lower), ("gt", upper)):
            if limit is not None:
                made = made.mask(made._compare(name, limit), limit)
        return made

    def _clip_categories(self, lower: Any, upper: Any, origin: pd.CategoricalDtype) -> Series:
        require_order("clip", origin)
        known = list(origin.categories)
        place = sort_value(self._expr, origin)
        cases = []
        # Where the order of the categories differs from that of their values, the upper limit wins, as in pandas.
        for operator, limit in (("gt", upper), ("lt", lower)):
            if limit is None or is_missing(limit):
                continue
            if limit not in known:
                raise TypeError(f"{limit!r} is not one of the categories {known!r}")
            cases.append((px.comparison(operator, place, known.index(limit)), literal(limit)))
        if not cases:
            return self
        return self._like(case(cases, self._expr), origin=origin)

    def nunique_approx(self, split_every: Any = None) -> Scalar:
        """Return the approximate number of distinct values."""
        value, kind = normalize_zero(self._expr, self._kind), self._kind
        if not (pa.types.is_integer(kind) or is_text(kind)):
            # Only integers and strings have approximate counts.
            value = px.cast(value, pa.string())
        return self._reduced(aggregate("approx_distinct", value), int)

    @property
    def str(self) -> Any:
        """String methods."""
        from ._accessors import string_methods

        return string_methods(self)

    @property
    def dt(self) -> Any:
        """Methods of times and durations."""
        from ._accessors import datetimelike_methods

        return datetimelike_methods(self)

    # Rows.

    def __iter__(self) -> Any:
        return iter(self.compute())

    def __getitem__(self, key: Any) -> Series:
        if isinstance(key, slice) and key.step is None and (key.start is not None or key.stop is not None):
            found: Series = self.loc[check_label_slice(key)]
            return found
        if isinstance(key, pd.Series) and pd.api.types.is_bool_dtype(key.dtype):
            key = uploaded(key, self)
        if is_boolean_array(key):
            key = column_of_array(self, np.asarray(key) if isinstance(key, list) else key)
        if isinstance(key, Series):
            return self._from_frame(self._framed()[key])
        if isinstance(key, slice):
            raise NotImplementedError("a column does not support slices with a step in brackets; use .loc for labels")
        labelled: Series = self.loc[key]
        return labelled

    def __contains__(self, label: Any) -> bool:
        raise NotImplementedError(
            "Using 'in' to test for membership is not supported: in pandas it looks for an index label; use isin(..).any() "
            "for values, or .index"
        )

    @property
    def loc(self) -> Any:
        """Selection by index labels."""
        from ._loc import Loc

        return Loc(self._framed(), self._from_frame, 1)

    def sample(
        self, n: float | None = None, frac: float | None = None, replace: bool = False, random_state: int | None = None
    ) -> Series:
        """Sample a fraction of the rows; see :meth:`DataFrame.sample`."""
        return self._from_frame(self._framed().sample(n, frac, replace, random_state))

    @property
    def partitions(self) -> Any:
        """The partitions, which can be selected as columns."""
        from ._partitions import Partitions

        return Partitions(self._framed(), self._from_frame)

    def get_partition(self, n: int) -> Series:
        """Return a partition by number, from 0."""
        made: Series = self.partitions.one(n)
        return made

    def repartition(self, divisions: Any = None, **partitions: Any) -> Series:
        """Persist the column in other partitions; see :meth:`DataFrame.repartition`."""
        return self._from_frame(self._framed().repartition(divisions, **partitions))

    @trim_traceback
    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """Return the last rows; see :meth:`DataFrame.tail`."""
        if compute and not self._rows.order:
            return _compute_file_tail(self, n)
        column = self._from_frame(self._framed().tail(n, compute=False))
        return column.compute() if compute else column

    def sort_values(self, ascending: bool = True, na_position: builtins.str = "last", **arguments: Any) -> Series:
        """Sort by the values, by default with missing values last."""
        frame = self._framed().sort_values("v", ascending=ascending, na_position=na_position, **arguments)
        return self._from_frame(frame)

    def _reordered(self, order: tuple[SortKey, ...]) -> Series:
        return self._from_frame(self._framed()._reordered(order))

    def sort_index(self, ascending: Any = True, **arguments: Any) -> Series:
        """Sort by the index; see :meth:`DataFrame.sort_index`."""
        return self._from_frame(self._framed().sort_index(ascending, **arguments))

    @splits_out
    def unique(self, **arguments: Any) -> Series:
        """Return the distinct values.

        They are in the order of their first rows if a single sort key numbers the rows, as for uploaded frames; otherwise
        their order is undefined.
        """
        reject_unsupported("unique", arguments)
        order = self._rows.order
        made = Index if isinstance(self, Index) else Series
        if len(order) != 1 or order[0].is_descending or contains([self._expr, order[0].expr], Trait.WINDOW):
            distinct: Relation = Distinct(self._projected("v"))
            rows = Rows(self._client, distinct, keep=self._rows)
        else:
            every = self._rows.project([Named("v", self._expr), Named("o", order[0].expr)])
            first = Named("first", aggregate("min", every.column("o")))
            distinct = Grouping(every, [Named("v", every.column("v"))], [first])
            rows = Rows(self._client, distinct, [SortKey(distinct.column("first"))], keep=self._rows)
        return made(rows, distinct.column("v"), self.name, (), self._origin)

    def _projected(self, name: builtins.str, dropna: bool = False) -> Relation:
        """Return the relation of the values, under a name, with or without missing ones."""
        found = self._rows.project([Named(name, self._expr)])
        return Filter(found, [px.not_null(found.column(name))]) if dropna else found

    @splits_out
    def drop_duplicates(self, keep: Any = "first", ignore_index: bool = False, split_every: Any = None) -> Series:
        """Drop all but the first occurrence of each value."""
        check_split_every(split_every)
        return self._from_frame(self._framed().drop_duplicates(keep=keep, ignore_index=ignore_index))

    @splits_out
    def value_counts(
        self, normalize: bool = False, sort: bool = True, ascending: bool = False, dropna: bool = True, **arguments: Any
    ) -> Series:
        """Count the rows of each distinct value, most frequent first, ties by value."""
        reject_unsupported("value_counts", arguments)
        value = INDEX + "0"
        counted = self._counted(value, dropna)
        rows_of_value = counted.column("n")
        count: Expr = rows_of_value
        if normalize:
            count = px.cast(rows_of_value, pa.float64()) / window("sum", rows_of_value)
        made = Projection(counted, [Named(value, counted.column(value)), Named("v", count)])
        ties = SortKey(sort_value(made.column(value), self._origin))
        # Without sorting, categories are in their order.
        unsorted = (ties,) if isinstance(self._origin, pd.CategoricalDtype) else ()
        order = (SortKey(made.column("v"), not ascending), ties) if sort else unsorted
        level = Level(self.name, made.column(value), self._origin)
        rows = Rows(self._client, made, order, keep=self._rows)
        rows.labels = Labels((level.expr,), True, False)
        name = "proportion" if normalize else "count"
        counts = None if isinstance(self._origin, pd.PeriodDtype) else derived_origin(self._origin)
        return Series(rows, made.column("v"), name, (level,), counts)

    def _counted(self, value: builtins.str, dropna: bool) -> Relation:
        """Return the relation of the distinct values with their numbers of rows, ``n``."""
        ones = self._projected(value, dropna)
        if not (isinstance(self._origin, pd.CategoricalDtype) and len(self._origin.categories)):
            number = px.cast(aggregate("count_rows"), pa.int64())
            return Grouping(ones, [Named(value, ones.column(value))], [Named("n", number)])
        # Include categories without rows.
        ones = Projection(ones, [Named(value, ones.column(value)), Named("n", px.literal(1))])
        known = Values([value, "n"], [(literal(one), px.literal(0)) for one in self._origin.categories])
        every = Union([ones, known])
        total = px.cast(aggregate("sum", every.column("n")), pa.int64())
        return Grouping(every, [Named(value, every.column(value))], [Named("n", total)])

    def nlargest(self, n: int = 5, split_every: Any = None) -> Series:
        """Return the largest values."""
        reject_categories("nlargest", self)
        return self._from_frame(self._framed().nlargest(n, "v"))

    def nsmallest(self, n: int = 5, split_every: Any = None) -> Series:
        """Return the smallest values."""
        reject_categories("nsmallest", self)
        return self._from_frame(self._framed().nsmallest(n, "v"))

    def groupby(self, by: Any = None, **arguments: Any) -> Any:
        """Group the rows by columns of the same rows, or by `level`; see :meth:`DataFrame.groupby`."""
        label = self.name if self.name is not None else 0
        return self.to_frame(label).groupby(by, **arguments)[label]._named(self.name)

    def _publish(self, client: Any, name: builtins.str, override: bool) -> None:
        self.to_frame()._publish(client, name, override)


#: Reductions of columns that an index of pandas lacks. One of times has some of them.
_NOT_OF_INDEXES = frozenset(("idxmax", "idxmin", "mean", "median", "prod", "product", "std", "sum", "var"))


class Index(IndexMethods, Series):  # type: ignore[misc, override]
    """A lazy index."""

    def __getattr__(self, name: builtins.str) -> Any:
        # In pandas, the attributes of times belong to the index itself.
        if not name.startswith("_") and is_time(self._kind) and hasattr(pd.DatetimeIndex, name):
            return getattr(self.dt, name)
        if (
            isinstance(self._origin, pd.CategoricalDtype)
            and not name.startswith("_")
            and hasattr(pd.CategoricalIndex, name)
        ):
            found = getattr(CategoryMethods, name, None)
            if found is not None:
                return getattr(self.cat, name)
        return super().__getattr__(name)

    def __dir__(self) -> list[builtins.str]:
        names = set(super().__dir__())
        kind = self._rows.known_type(self._expr)
        if kind is not None and is_time(kind):
            names |= {name for name in set(dir(self.dt)) & set(dir(pd.DatetimeIndex)) if name[0] != "_"}
        elif isinstance(self._origin, pd.CategoricalDtype):
            names |= {name for name in set(dir(CategoryMethods)) & set(dir(pd.CategoricalIndex)) if name[0] != "_"}
        if kind is not None and not is_time(kind):
            names -= set(_NOT_OF_INDEXES)
        return sorted(names)

    def __getattribute__(self, name: builtins.str) -> Any:
        if name in _NOT_OF_INDEXES and not is_time(object.__getattribute__(self, "_kind")):
            raise AttributeError(f"'Index' object has no attribute {name!r}")
        return super().__getattribute__(name)

    def _like(self, expr: Expr, rows: Rows | None = None, name: Any = ..., origin: Any = ...) -> Series:
        made = super()._like(expr, rows, name, origin)
        # In pandas, conditions on an index are arrays, which have no name.
        label = None if expr.dtype == pa.bool_() else made.name
        return Index(made._rows, made._expr, label, (), made._origin)

    def _finish(self, frame: pd.DataFrame) -> pd.Index:
        return regular_index(pd.Index(frame.iloc[:, 0].array, name=self.name, tupleize_cols=False), self._regularity)


class NotAlignedError(NotImplementedError, AssertionError):
    """Labels are those of other rows. Dask raises an AssertionError."""


def with_index(plan: Plan, labels: Any) -> tuple[Rows, tuple[Level, ...]]:
    """Return the rows and the index of a plan whose index is set to a column of the same rows."""
    if not isinstance(labels, Series):
        raise TypeError(
            f"the index can be set to a column of the same rows, not to an object of type {type(labels).__name__}"
        )
    if plan._rows.identity is not labels._rows.identity:
        raise NotAlignedError(
            "the labels are not aligned with the rows: the index can be set to a column of the same frame; use set_index, which "
            "takes those of other frames by position"
        )
    return plan._rows.combine(labels._rows), (Level(labels.name, labels._expr, labels._origin),)


def index_of(plan: Plan) -> Index:
    """Return the index of a plan, which must have one of one level."""
    if not plan._index:
        raise NotImplementedError(
            "this operation requires an index, but the rows have none, e.g. because they were read from files; "
            "use set_index first, or a condition on a column"
        )
    if len(plan._index) != 1:
        raise NotImplementedError(
            f"this operation requires an index of one level, not {len(plan._index)}; use set_index first"
        )
    level = plan._index[0]
    made = Index(plan._rows, level.expr, level.name, (), level.origin)
    made._regularity = level.regularity
    return made


def row_numbers(plan: Plan) -> Index:
    """Return the numbers of rows without an index, which are rows of their own: their order may be undefined."""
    rows = plan._rows.with_changes(order=plan._rows.numbers)
    over = rows.over() if rows.order else {}
    numbered = rows.project([Named("at", px.cast(window("row_number", **over), pa.int64()) - 1)])
    at = numbered.column("at")
    made = Index(Rows(rows.client, numbered, (SortKey(at),), keep=plan._rows), at, None, ())
    made._regularity = RANGE
    return made


def reject_categories(name: str, column: Series) -> None:
    """Raise an error if a column is categorical, as pandas does even for ordered categories."""
    if isinstance(column._origin, pd.CategoricalDtype):
        raise TypeError(
            f"cannot use {name} with the categorical column {column.name!r}; use sort_values and head instead"
        )


def check_label_slice(key: slice) -> slice:
    """Check that a slice in brackets selects by label; pandas treats integers as positions.

    Raises
    ------
    NotImplementedError
        If it is a slice of positions.
    """
    if any(isinstance(end, numbers.Integral) for end in (key.start, key.stop, key.step)):
        raise NotImplementedError("selecting rows by position is not supported; use .loc with labels, or head and tail")
    return key


_NO_ORDER = "the row order of this frame is undefined; use sort_values or set_index first, or head"


def _compute_file_tail(plan: Any, n: int) -> Any:
    """Compute the last rows of the last file of a plan.

    Raises
    ------
    NotImplementedError
        If the plan does not read files.
    """
    rows = plan._rows
    if rows.last is None:
        raise NotImplementedError(_NO_ORDER)
    connection = plan._client._connection
    last = copy.copy(plan)
    last._rows = rows.with_changes(relation=rows.last)
    table, total = connection.run(wire.rows(last._full_relation())).last(n)
    # The types of the columns result from all files.
    shown = plan._to_pandas(table.cast(connection.schema(wire.rows(plan._full_relation()))))
    # Without an index, rows are numbered within the file.
    shown.index = pd.RangeIndex(total - len(shown), total)
    return shown
