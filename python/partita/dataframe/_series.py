"""Columns and indexes."""

from __future__ import annotations

import builtins
import copy
import numbers
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._errors import trim_traceback
from . import _display
from . import _expressions as ex
from ._arguments import reject_unsupported
from ._base import Level, Plan
from ._columns import ARROW, Column, derived_origin, is_masked, require_order, sort_sql, to_pandas
from ._heads import compute_head
from ._operators import Operators
from ._replacement import ColumnReplacement, is_missing
from ._rows import Rows
from ._scalar import Scalar
from ._sql import INDEX, arrow_name, is_number, is_plain_text, is_text, is_time, literal, quote, sort_of, type_of
from ._summary import ColumnSummary, truth
from ._text import check_integers, text_of
from ._window_methods import ColumnWindows

if TYPE_CHECKING:
    from ._frame import DataFrame

#: The integer of a missing time.
NAT = "(-9223372036854775807 - 1)"

__all__ = ["Index", "Series", "check_label_slice", "reject_categories"]


class Series(ColumnWindows, ColumnSummary, ColumnReplacement, Operators, Plan):
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
        sql: builtins.str,
        name: Any,
        index: tuple[Level, ...],
        kind: pa.DataType | None = None,
        origin: Any = None,
    ) -> None:
        self._rows = rows
        self._sql = sql
        self.name = name
        self._index = index
        self._known = kind
        self._origin = origin

    # Attributes.

    @property
    def _kind(self) -> pa.DataType:
        if self._known is None:
            self._known = self._rows.type(self._sql)
        return self._known

    @property
    def dtype(self) -> Any:
        """The pandas type of the values."""
        return to_pandas(pa.table({"v": pa.array([], self._kind)}), [self._origin]).dtypes.iloc[0]

    @property
    def index(self) -> Index:
        """The index."""
        return _index_of(self)

    @property
    def ndim(self) -> int:
        """The number of dimensions, 1."""
        return 1

    @property
    def size(self) -> Scalar:
        """The number of rows including missing values, computed lazily."""
        return Scalar(self._rows, "count(*)", int)

    @property
    def shape(self) -> tuple[Scalar]:
        """The number of rows including missing values, computed lazily."""
        return (self.size,)

    def __repr__(self) -> str:
        return _display.text(self.to_frame(), type(self).__name__, as_series=True)

    def _selected_labels(self) -> list[Any]:
        return [self.name]

    def _selected(self) -> list[tuple[str, str]]:
        return [(self._sql, "v")]

    def _origins(self) -> list[Any]:
        return [*super()._origins(), self._origin]

    def _finish(self, frame: pd.DataFrame) -> pd.Series:
        index = self._restore_index(frame)
        values = frame.iloc[:, len(self._index)]
        return pd.Series(values.array, index=index, name=self.name)

    def _like(
        self,
        sql: builtins.str,
        kind: pa.DataType | None = None,
        rows: Rows | None = None,
        name: Any = ...,
        origin: Any = ...,
    ) -> Series:
        """Return a column computed from this one. Categories become plain values unless an origin is given."""
        origin = derived_origin(self._origin) if origin is ... else origin
        return Series(rows or self._rows, sql, self.name if name is ... else name, self._index, kind, origin)

    def _with_values(self, sql: builtins.str, rows: Rows | None = None) -> Series:
        """Return a column of the same type and origin, with other rows or replaced values."""
        return self._like(sql, self._known, rows, origin=self._origin)

    @property
    def _cell(self) -> Column:
        return Column(self._sql, self._known, self._origin)

    def to_frame(self, name: Any = None) -> DataFrame:
        """Convert to a frame with one column."""
        from ._frame import DataFrame

        label = name if name is not None else (self.name if self.name is not None else 0)
        return DataFrame(self._rows, {label: self._cell}, self._index)

    def _from_frame(self, frame: DataFrame) -> Series:
        """Return the column of a frame derived from ``to_frame("v")``, with its original name."""
        return frame._column("v").rename(self.name)

    def rename(self, index: Any = None) -> Series:
        """Rename the column."""
        if isinstance(index, (dict, Series, pd.Series)) or callable(index):
            raise NotImplementedError("Series.rename() supports only a new name, not a mapping of index labels")
        return self._like(self._sql, self._known, name=index, origin=self._origin)

    def copy(self, deep: bool = False) -> Series:
        """Return a column of the same plan."""
        return self._with_values(self._sql)

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
        return Series(rows, quote("v"), self.name, levels, self._known, self._origin)

    @trim_traceback
    def head(self, n: int = 5, compute: bool = True) -> Any:
        """Return the first rows."""
        return compute_head(self, n) if compute else self._from_frame(self.to_frame("v").head(n, compute=False))

    def reset_index(self, drop: bool = False, name: Any = None) -> Any:
        """Convert the index to columns, or drop it. The new index counts from 0."""
        if name is not None and not drop:
            return self.rename(name).reset_index()
        if drop:
            return Series(self._rows, self._sql, self.name, (), self._known, self._origin)
        return self.to_frame().reset_index()

    # Operators.

    def _with(self, other: Series) -> Rows:
        return self._rows.combine(other._rows)

    def _name_with(self, other: Any) -> Any:
        return self.name if not isinstance(other, Series) or other.name == self.name else None

    def _operate(self, name: str, other: Any, swapped: bool = False) -> Any:
        if not isinstance(other, Series) and isinstance(other, Plan):
            return NotImplemented
        if isinstance(other, Scalar):
            other = other.compute()
        if name == "mul" and is_text(self._kind) and isinstance(other, numbers.Integral):
            repeated: Series = self.str.repeat(int(other))
            return repeated
        rows, origin = self._rows, derived_origin(self._origin)
        # With ArrowDtype, an integer operand has the type int64, not the smaller type of the column.
        like = pa.int64() if origin == ARROW and pa.types.is_integer(self._kind) else self._kind
        left = (self._sql, self._kind)
        style = ex.style_of(None if swapped else self._origin, origin)
        if isinstance(other, Series):
            rows, origin = self._with(other), derived_origin(self._origin, other._origin)
            style = ex.style_of(self._origin, other._origin)
            right = (other._sql, other._kind)
        elif swapped:
            right = ex.operand(other, like)
        else:
            right = ex.right_operand(name, other, like, style)
        sides = (right, left) if swapped else (left, right)
        sql, kind = ex.arithmetic(name, *sides[0], *sides[1], style, ex.is_bounded(other))
        return self._like(sql, kind, rows, self._name_with(other), origin)

    def _compare(self, name: str, other: Any) -> Any:
        if not isinstance(other, Series) and isinstance(other, Plan):
            return NotImplemented
        if isinstance(other, Scalar):
            other = other.compute()
        if isinstance(self._origin, pd.CategoricalDtype) and name not in ("eq", "ne"):
            return self._compare_categories(name, other, self._origin)
        if isinstance(other, Series):
            if {sort_of(self._kind), sort_of(other._kind)} in _UNLIKE:
                return self._compare_unlike(name, other._kind, self._with(other), self._name_with(other))
            zones = {_zoned(self._kind), _zoned(other._kind)}
            if zones == {True, False}:
                raise TypeError("cannot compare times with a zone and times without a zone; use dt.tz_localize")
            origin = derived_origin(self._origin, other._origin)
            sql = ex.comparison(name, self._sql, other._sql, is_masked(origin))
            return self._like(sql, pa.bool_(), self._with(other), self._name_with(other), origin)
        if self._is_unlike(other):
            return self._compare_unlike(name, type_of(other), self._rows, self.name)
        sql, value = self._sql, literal(other, self._kind)
        if pa.types.is_boolean(self._kind) and isinstance(other, numbers.Number) and not isinstance(other, bool):
            sql, value = f"CAST({sql} AS BIGINT)", literal(other)
        elif is_number(self._kind) and isinstance(other, bool):
            value = literal(int(other), self._kind)
        return self._like(ex.comparison(name, sql, value, is_masked(self._origin)), pa.bool_())

    def _is_unlike(self, value: Any) -> bool:
        """Whether the value can never be equal to a value of the column, because of their types."""
        return not is_missing(value) and {sort_of(self._kind), sort_of(type_of(value))} in _UNLIKE

    def _compare_unlike(self, name: builtins.str, kind: pa.DataType, rows: Rows, label: Any) -> Series:
        """Compare strings with numbers or booleans, which are never equal and not ordered."""
        if name not in ("eq", "ne"):
            raise TypeError(f"cannot compare {sort_of(self._kind)} with {sort_of(kind)}; convert one with astype")
        answer = "FALSE" if name == "eq" else "TRUE"
        sql = f"CASE WHEN {self._sql} IS NOT NULL THEN {answer} END" if is_masked(self._origin) else answer
        return self._like(sql, pa.bool_(), rows, label)

    def _compare_categories(self, name: str, other: Any, origin: pd.CategoricalDtype) -> Series:
        if isinstance(other, Series) and origin.ordered and other._origin == origin:
            sides = (sort_sql(self._sql, origin), sort_sql(other._sql, origin))
            return self._like(ex.comparison(name, *sides), pa.bool_(), self._with(other), self._name_with(other))
        if not origin.ordered or isinstance(other, Series):
            raise TypeError(
                "cannot compare categories by order; use an ordered categorical column and one of its categories, "
                "or two columns of the same categories"
            )
        if other not in origin.categories:
            raise TypeError(f"{other!r} is not one of the categories {list(origin.categories)!r}")
        place = str(list(origin.categories).index(other))
        return self._like(ex.comparison(name, sort_sql(self._sql, origin), place), pa.bool_())

    def _apply_ufunc(self, name: str, inputs: tuple[Any, ...]) -> Series:
        from ._ufuncs import apply_to_column

        return apply_to_column(self, name, inputs)

    def _logical(self, operator: str, other: Any) -> Any:
        kind = None
        if pa.types.is_boolean(self._kind):
            kind = pa.bool_()
        elif pa.types.is_integer(self._kind):
            # Bitwise operators of integers.
            operator = {"AND": "&", "OR": "|", "<>": "^"}[operator]
        else:
            raise TypeError(f"cannot apply &, | and ^ to a column of {self._kind}; use boolean or integer columns")
        if isinstance(other, Series):
            sql = f"({self._sql} {operator} {other._sql})"
            origin = derived_origin(self._origin, other._origin)
            return self._like(sql, kind, self._with(other), self._name_with(other), origin)
        if kind is None and isinstance(other, numbers.Integral):
            right, kind = ex.operand(int(other), self._kind)
            return self._like(f"({self._sql} {operator} {right})", kind)
        return self._like(f"({self._sql} {operator} {literal(other)})", kind)

    def __and__(self, other: Any) -> Series:
        return self._logical("AND", other)

    def __or__(self, other: Any) -> Series:
        return self._logical("OR", other)

    def __xor__(self, other: Any) -> Series:
        return self._logical("<>", other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Series:
        if pa.types.is_boolean(self._kind):
            return self._like(f"(NOT {self._sql})", pa.bool_())
        ones = 2**self._kind.bit_width - 1 if pa.types.is_unsigned_integer(self._kind) else -1
        return self._like(f"({literal(ones, self._kind)} - {self._sql})", self._kind)

    def _check_number(self, name: builtins.str) -> None:
        """Raise an error for operations that only numbers support."""
        if is_text(self._kind) or is_time(self._kind):
            raise TypeError(f"cannot compute {name} of column {self.name!r}: its values are {self._kind}, not numbers")

    def __neg__(self) -> Series:
        self._check_number("-")
        if pa.types.is_duration(self._kind):
            return self * -1
        if pa.types.is_unsigned_integer(self._kind):
            return 0 - self
        return self._like(f"(- {self._sql})", self._known)

    def abs(self) -> Series:
        """Return the absolute values."""
        self._check_number("abs")
        if pa.types.is_duration(self._kind):
            zero = literal(pd.Timedelta(0), self._kind)
            return self._like(f"CASE WHEN {self._sql} < {zero} THEN {(-self)._sql} ELSE {self._sql} END", self._known)
        return self._like(f"abs({self._sql})", self._known)

    __abs__ = abs

    def round(self, decimals: int = 0) -> Series:
        """Round numbers to a number of decimals, half to even. Other values are unchanged."""
        if not is_number(self._kind):
            return self.copy()
        rows, sql = self._rows.shorten(self._sql)
        return self._like(ex.rounded(sql, self._kind, decimals), self._kind, rows)

    # Values.

    def astype(self, dtype: Any) -> Series:
        """Convert to another type."""
        if isinstance(dtype, builtins.str) and dtype == "category":
            dtype = self._origin if isinstance(self._origin, pd.CategoricalDtype) else pd.CategoricalDtype()
        if isinstance(dtype, pd.CategoricalDtype):
            return self._to_categories(dtype)
        origin = ex.origin_after(dtype)
        if pa.types.is_boolean(ex.kind_of(dtype)) and not pa.types.is_boolean(self._kind):
            return self._to_boolean(origin)
        wanted = ex.kind_of(dtype)
        if is_text(wanted) and self._origin != ARROW:
            found = text_of(self)
            if found is not None:
                return self._like(found[0], None, found[1], origin=origin)
        if pa.types.is_integer(wanted):
            return self._to_integers(wanted, dtype, origin)
        return self._like(ex.cast(self._sql, self._kind, dtype), origin=origin)

    def _to_integers(self, wanted: pa.DataType, dtype: Any, origin: Any) -> Series:
        """Convert to integers. Missing values raise an error when the plan runs, except in nullable types."""
        rows, sql = self._rows.shorten(self._sql)
        made = ex.cast(sql, self._kind, dtype)
        if is_time(self._kind) or pa.types.is_duration(self._kind):
            # As in NumPy, a missing time is the smallest integer.
            if wanted == pa.int64() and not is_masked(origin):
                made = f"fill_null({made}, {NAT})"
            return self._like(made, None, rows, origin=origin)
        made, rows = self._layered(check_integers(sql, self._kind, made, is_masked(origin)), rows)
        return self._like(made, wanted, rows, origin=origin)

    def _to_categories(self, dtype: pd.CategoricalDtype) -> Series:
        """Convert to categories. Values that are not categories become missing."""
        if dtype.categories is None:
            if isinstance(self._origin, pd.CategoricalDtype):
                found = self._origin.categories
            else:
                found = sorted(self.dropna().unique().compute())
            dtype = pd.CategoricalDtype(found, dtype.ordered)
        if dtype == self._origin:
            # Categories in another order are the same type if they are not ordered.
            return self.copy()
        known = self.isin(list(dtype.categories))
        if known._sql == "(FALSE)" and len(dtype.categories):
            # No category has the type of the values.
            kind = type_of(dtype.categories[0])
            return self._like(f"arrow_cast(NULL, '{arrow_name(kind)}')", kind, origin=dtype)
        return self._like(f"CASE WHEN {known._sql} THEN {self._sql} END", self._known, origin=dtype)

    def _to_boolean(self, origin: Any) -> Series:
        """Convert to booleans. Missing values become true, except in nullable types."""
        if not (is_number(self._kind) or is_text(self._kind)) or (is_text(self._kind) and is_masked(origin)):
            raise TypeError(f"astype: cannot convert {self._kind} to bool; compare it with a value instead")
        masked = is_masked(self._origin) or is_masked(origin)
        sql = truth(self) if masked else f"coalesce({truth(self)}, TRUE)"
        return self._like(sql, pa.bool_(), origin=origin)

    def isna(self) -> Series:
        """Return whether each value is missing."""
        return self._like(f"({self._sql} IS NULL)", pa.bool_(), origin=None)

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

    def clip(self, lower: Any = None, upper: Any = None) -> Series:
        """Limit the values to the range from `lower` to `upper`."""
        if lower is not None and upper is not None and not (is_missing(lower) or is_missing(upper)):
            # As in pandas, the limits may be in either order.
            lower, upper = min(lower, upper), max(lower, upper)
        if isinstance(self._origin, pd.CategoricalDtype):
            return self._clip_categories(lower, upper, self._origin)
        rows, sql = self._rows.shorten(self._sql)
        cases = []
        if lower is not None:
            cases.append(f"WHEN {sql} < {literal(lower)} THEN {literal(lower, self._kind)}")
        if upper is not None:
            cases.append(f"WHEN {sql} > {literal(upper)} THEN {literal(upper, self._kind)}")
        if not cases:
            return self
        made, rows = self._layered(f"CASE {' '.join(cases)} ELSE {sql} END", rows)
        return self._like(made, self._kind_with(lower, upper), rows)

    def _clip_categories(self, lower: Any, upper: Any, origin: pd.CategoricalDtype) -> Series:
        require_order("clip", origin)
        known = list(origin.categories)
        place = sort_sql(self._sql, origin)
        cases = []
        # Where the order of the categories differs from that of their values, the upper limit wins, as in pandas.
        for operator, limit in ((">", upper), ("<", lower)):
            if limit is None or is_missing(limit):
                continue
            if limit not in known:
                raise TypeError(f"{limit!r} is not one of the categories {known!r}")
            cases.append(f"WHEN {place} {operator} {known.index(limit)} THEN {literal(limit)}")
        if not cases:
            return self
        made, rows = self._layered(f"CASE {' '.join(cases)} ELSE {self._sql} END", self._rows)
        return self._like(made, None, rows, origin=origin)

    def _kind_with(self, *values: Any) -> pa.DataType | None:
        """Return the type of a column of its own and these values if it is the own type; None if it is not known."""
        for value in values:
            if isinstance(value, str) and is_plain_text(self._kind):
                continue
            if isinstance(value, Series):
                kind = value._kind
            elif value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
                continue
            else:
                try:
                    kind = ex.operand(value, self._kind)[1]
                except OverflowError:
                    return None
            if kind != self._kind:
                return None
        return self._kind

    def nunique_approx(self) -> Scalar:
        """Return the approximate number of distinct values."""
        return self._reduced(f"approx_distinct({self._sql})", int)

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
        if isinstance(key, Series):
            return self._from_frame(self.to_frame("v")[key])
        raise NotImplementedError("a column supports only conditions in brackets; use .loc for labels")

    @property
    def loc(self) -> Any:
        """Selection by index labels."""
        from ._loc import Loc

        return Loc(self.to_frame("v"), self._from_frame)

    def sample(
        self, n: None = None, frac: float | None = None, replace: bool = False, random_state: int | None = None
    ) -> Series:
        """Sample a fraction of the rows; see :meth:`DataFrame.sample`."""
        return self._from_frame(self.to_frame("v").sample(n, frac, replace, random_state))

    @property
    def partitions(self) -> Any:
        """The partitions, which can be selected as columns."""
        from ._partitions import Partitions

        return Partitions(self.to_frame("v"), self._from_frame)

    def get_partition(self, n: int) -> Series:
        """Return a partition by number."""
        made: Series = self.partitions[n]
        return made

    def repartition(self, **partitions: Any) -> Series:
        """Persist the column in other partitions; see :meth:`DataFrame.repartition`."""
        return self._from_frame(self.to_frame("v").repartition(**partitions))

    @trim_traceback
    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """Return the last rows; see :meth:`DataFrame.tail`."""
        if compute and not self._rows.order:
            return _compute_file_tail(self, n)
        column = self._from_frame(self.to_frame("v").tail(n, compute=False))
        return column.compute() if compute else column

    def sort_values(self, ascending: bool = True, na_position: builtins.str = "last", **arguments: Any) -> Series:
        """Sort by the values, by default with missing values last."""
        frame = self.to_frame("v").sort_values("v", ascending=ascending, na_position=na_position, **arguments)
        return self._from_frame(frame)

    def _reordered(self, order: tuple[builtins.str, ...]) -> Series:
        return self._from_frame(self.to_frame("v")._reordered(order))

    def sort_index(self, ascending: bool = True) -> Series:
        """Sort by the index."""
        return self._from_frame(self.to_frame("v").sort_index(ascending))

    def unique(self) -> Series:
        """Return the distinct values, in undefined order."""
        sql = f"(SELECT DISTINCT {self._sql} AS v FROM {self._rows.under(self._sql)})"
        made = Index if isinstance(self, Index) else Series
        return made(Rows(self._client, sql, keep=self._rows), quote("v"), self.name, (), self._known, self._origin)

    def drop_duplicates(self, keep: builtins.str = "first", **arguments: Any) -> Series:
        """Drop all but the first occurrence of each value."""
        return self._from_frame(self.to_frame("v").drop_duplicates(keep=keep, **arguments))

    def value_counts(
        self, normalize: bool = False, sort: bool = True, ascending: bool = False, dropna: bool = True, **arguments: Any
    ) -> Series:
        """Count the rows of each distinct value, most frequent first, ties by value."""
        reject_unsupported("value_counts", arguments)
        where = f" WHERE {self._sql} IS NOT NULL" if dropna else ""
        value = quote(INDEX + "0")
        counted = f"SELECT {self._sql} AS {value}, 1 AS n FROM {self._rows.under(self._sql)}{where}"
        if isinstance(self._origin, pd.CategoricalDtype) and len(self._origin.categories):
            # Include categories without rows.
            known = ", ".join(f"({literal(one)}, 0)" for one in self._origin.categories)
            counted += f" UNION ALL SELECT column1, column2 FROM (VALUES {known})"
        count = "CAST(sum(n) AS DOUBLE) / sum(sum(n)) OVER ()" if normalize else "CAST(sum(n) AS BIGINT)"
        sql = f"(SELECT {value}, {count} AS v FROM ({counted}) GROUP BY 1)"
        way = "ASC" if ascending else "DESC"
        ties = f"{sort_sql(value, self._origin)} ASC NULLS LAST"
        # Without sorting, categories are in their order.
        unsorted = (ties,) if isinstance(self._origin, pd.CategoricalDtype) else ()
        order = (f"{quote('v')} {way} NULLS LAST", ties) if sort else unsorted
        name = "proportion" if normalize else "count"
        level = Level(self.name, value, self._origin)
        rows = Rows(self._client, sql, order, keep=self._rows)
        return Series(rows, quote("v"), name, (level,), None, derived_origin(self._origin))

    def nlargest(self, n: int = 5, **arguments: Any) -> Series:
        """Return the largest values."""
        reject_unsupported("nlargest", arguments)
        reject_categories("nlargest", self)
        return self._from_frame(self.to_frame("v").nlargest(n, "v"))

    def nsmallest(self, n: int = 5, **arguments: Any) -> Series:
        """Return the smallest values."""
        reject_unsupported("nsmallest", arguments)
        reject_categories("nsmallest", self)
        return self._from_frame(self.to_frame("v").nsmallest(n, "v"))

    def groupby(self, by: Any, **arguments: Any) -> Any:
        """Group the rows by columns of the same rows; see :meth:`DataFrame.groupby`."""
        label = self.name if self.name is not None else 0
        return self.to_frame(label).groupby(by, **arguments)[label]._named(self.name)

    def _publish(self, client: Any, name: builtins.str, override: bool) -> None:
        self.to_frame()._publish(client, name, override)


class Index(Series):
    """A lazy index."""

    def __getattr__(self, name: builtins.str) -> Any:
        # In pandas, the attributes of times belong to the index itself.
        if not name.startswith("_") and is_time(self._kind) and hasattr(pd.DatetimeIndex, name):
            return getattr(self.dt, name)
        return super().__getattr__(name)

    def _like(
        self,
        sql: builtins.str,
        kind: pa.DataType | None = None,
        rows: Rows | None = None,
        name: Any = ...,
        origin: Any = ...,
    ) -> Series:
        made = super()._like(sql, kind, rows, name, origin)
        # In pandas, conditions on an index are arrays, which have no name.
        label = None if kind == pa.bool_() else made.name
        return Index(made._rows, made._sql, label, (), made._known, made._origin)

    def _is_index_of(self, plan: Plan) -> bool:
        """Whether this is the index of a plan."""
        return [level.sql for level in plan._index] == [self._sql] and self._rows.identity is plan._rows.identity

    def _finish(self, frame: pd.DataFrame) -> pd.Index:
        return pd.Index(frame.iloc[:, 0].array, name=self.name)


def _index_of(plan: Plan) -> Index:
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
    return Index(plan._rows, level.sql, level.name, (), None, level.origin)


#: Pairs of types that SQL would convert for a comparison, but whose values are never equal in pandas.
_UNLIKE = ({"strings", "numbers"}, {"strings", "booleans"})


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
    last._rows = rows.with_changes(root=rows.last)
    table, total = connection.run(last._full_query()).last(n)
    # The types of the columns result from all files.
    shown = plan._to_pandas(table.cast(connection.schema(plan._full_query())))
    # Without an index, rows are numbered within the file.
    shown.index = pd.RangeIndex(total - len(shown), total)
    return shown


def _zoned(kind: pa.DataType) -> bool | None:
    return kind.tz is not None if pa.types.is_timestamp(kind) else None
