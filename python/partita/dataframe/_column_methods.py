"""Further methods of columns: labels, files, memory, order, combination with other columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._functions import function_name
from ..plan import expr as px
from ..plan.expr import Expr, aggregate, call, window
from ._alignment import COMPLETE, REINDEX, UNIQUE
from ._base import Level, Plan
from ._columns import is_masked, sort_value
from ._matching import align_rows, aligned, aligned_with, check_same_rows, is_aligned, uploaded
from ._reductions import Reductions
from ._rows import Rows
from ._scalar import Scalar
from ._sql import is_text

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._series import Series

__all__ = ["ColumnMethods"]


class ColumnMethods:
    """Methods of columns."""

    name: Any
    _rows: Rows
    _expr: Expr
    _kind: pa.DataType
    _origin: Any
    _index: tuple[Level, ...]
    index: Any
    dtype: Any
    to_frame: Callable[..., DataFrame]
    _framed: Callable[[], DataFrame]
    _from_frame: Callable[..., Series]
    reduction: Callable[..., Any]
    _reduced: Callable[..., Scalar]
    if TYPE_CHECKING:

        def shift(self, periods: int = 1) -> Series: ...
        def corr(
            self, other: Series, method: str = ..., min_periods: int | None = ..., split_every: Any = ...
        ) -> Scalar: ...

    # Attributes.

    @property
    def divisions(self) -> tuple[Any, ...]:
        """The first index label of each partition and the last label of the last one; see :attr:`DataFrame.divisions`."""
        return self._framed().divisions

    @property
    def dtypes(self) -> Any:
        """The pandas type of the values: :attr:`dtype`."""
        return self.dtype

    @property
    def axes(self) -> list[Any]:
        """The index, in a list."""
        return [self.index]

    def squeeze(self) -> Series:
        """Return the column, as in Dask: how many rows it has is not known before it is computed."""
        made: Any = self
        found: Series = made
        return found

    def _as_frame(self) -> Any:
        return self.to_frame()

    def memory_usage(self, index: bool = True, deep: bool = False) -> Any:
        """Return the bytes as pandas objects, the sum over the partitions, as a delayed value."""
        return self.reduction(_Usage(index, deep), _total, meta="int64")

    @property
    def nbytes(self) -> Any:
        """The bytes of the values as arrays of pandas, the sum over the partitions, as a delayed value."""
        return self.reduction(_bytes_of, _total, meta="int64")

    @property
    def is_monotonic_increasing(self) -> Scalar:
        """Whether no value is less than the one before, and none is missing, computed lazily."""
        return self._monotonic("ge")

    @property
    def is_monotonic_decreasing(self) -> Scalar:
        """Whether no value is greater than the one before, and none is missing, computed lazily."""
        return self._monotonic("le")

    def _monotonic(self, operator: str) -> Scalar:
        value = sort_value(self._expr, self._origin)
        before = window("lag", value, 1, **self._rows.over())
        # The first row has none before it.
        ordered = call("coalesce", aggregate("bool_and", px.comparison(operator, value, before)), True)
        is_whole = px.comparison("eq", aggregate("count", value), aggregate("count_rows"))
        return Scalar(self._rows, px.conjunction(is_whole, ordered), bool)

    # Labels.

    def add_prefix(self, prefix: str, axis: Any = None) -> Series:
        """Add a prefix to each index label, which becomes a string."""
        _check_index_axis("add_prefix", axis)
        return self._relabelled("add_prefix", str(prefix), "")

    def add_suffix(self, suffix: str, axis: Any = None) -> Series:
        """Add a suffix to each index label, which becomes a string."""
        _check_index_axis("add_suffix", axis)
        return self._relabelled("add_suffix", "", str(suffix))

    def _relabelled(self, name: str, prefix: str, suffix: str) -> Series:
        from ._series import Series

        own: Any = self
        labels = own.index
        if not (is_text(labels._kind) or pa.types.is_integer(labels._kind)):
            from ._labels import relabelled

            found: Series = relabelled(own, _Affixes(prefix, suffix), False)
            return found
        made = call("concatenate", prefix, labels.astype("str")._expr, suffix)
        return Series(self._rows, self._expr, self.name, (Level(labels.name, made),), self._origin)

    def rename_axis(self, mapper: Any = None, **arguments: Any) -> Series:
        """Set the name of the index.

        Parameters
        ----------
        mapper : label, list of labels, dict or callable
            The name, or one for each level. ``index=`` is the same.
        """
        from ._frame import _renamed_levels
        from ._series import Series

        if arguments.pop("axis", 0) not in (0, "index"):
            raise ValueError("rename_axis: a column has only the axis 0")
        return Series(self._rows, self._expr, self.name, _renamed_levels(self._index, mapper, arguments), self._origin)

    # Rows and files.

    def explode(self) -> Series:
        """Return a row for each item of the lists; see :meth:`DataFrame.explode`."""
        return self._from_frame(self._framed().explode("v"))

    def to_csv(self, filename: Any, **arguments: Any) -> Any:
        """Write CSV files with the index and the column; see :meth:`DataFrame.to_csv`."""
        return self.to_frame().to_csv(filename, **arguments)

    def to_json(self, filename: Any, **arguments: Any) -> Any:
        """Write files of newline-delimited JSON; see :meth:`DataFrame.to_json`."""
        return self.to_frame().to_json(filename, **arguments)

    # Combination.

    def autocorr(self, lag: int = 1, split_every: Any = None) -> Scalar:
        """Return the correlation with the values `lag` rows before."""
        if not isinstance(lag, int):
            raise TypeError(f"lag must be an integer, not {type(lag).__name__}")
        return self.corr(self.shift(lag))

    def dot(self, other: Any, meta: Any = None) -> Any:
        """Return the sum of the products with another column, or with each column of a frame.

        The sum is missing if a value is missing, as in pandas.

        Parameters
        ----------
        other : Series or DataFrame
            The column or frame. Rows are matched by their index, and both must have the same labels.
        meta : pandas.Series, optional
            A series with the name of the result, if `other` is a frame.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), npartitions=2)
        >>> int(ddf.a.dot(ddf.b).compute())
        11
        """
        own: Any = self
        other = uploaded(other, self)
        if not isinstance(other, Plan):
            raise TypeError(f"dot() takes a frame or column of this package, not {type(other).__name__}")
        if not is_aligned(own, other):
            own, other = aligned(own, other, COMPLETE)
        if hasattr(other, "_columns"):
            cells = {label: _products(own, other._column(label))._expr for label in other._columns}
            name = own.name if meta is None else getattr(meta, "name", None)
            return Reductions(own._rows.combine(other._rows), cells, name, None, other._axis)
        return _products(own, other)

    def combine_first(self, other: Any) -> Series:
        """Replace missing values with the values of another column, whose other rows are added.

        Rows are matched by their index, and sorted by it if the indexes differ.
        """
        own, other = aligned(self, _other_column("combine_first", uploaded(other, self)), UNIQUE)
        found: Series = own.fillna(other)
        return found

    def update(self, other: Any) -> None:
        """Replace values in place with those of another column that are not missing; rows are matched by their index."""
        own, other = aligned(self, _other_column("update", uploaded(other, self)), REINDEX)
        changed = own.mask(other.notna(), other)
        mutable: Any = self
        mutable._become(changed)

    def combine(self, other: Any, func: Callable[..., Any], fill_value: Any = None, meta: Any = None) -> Series:
        """Call a Python function with each value and the value of another column in the row of the same label.

        Parameters
        ----------
        other : Series or value
            A column, or a value for all rows. Rows are matched by their index, and sorted by it if the indexes differ.
        func : callable
            Takes two values and returns one.
        fill_value : optional
            The value where a column has no row; missing by default.
        meta : optional
            The type that the function returns, as for :func:`partita.dataframe.map_partitions`.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 5], "b": [4, 2]}), npartitions=2)
        >>> ddf.a.combine(ddf.b, max).compute().tolist()
        [4, 5]
        """
        from ._column_functions import call_rows

        own: Any = self
        other = uploaded(other, self)
        if not isinstance(other, Plan):
            return call_rows(own, _Pairs(func, other, False), meta, function_name(func))
        own, other = aligned_with(own, _other_column("combine", other), UNIQUE, fill_value)
        made = own.to_frame("a").assign(b=other)
        found: Series = call_rows(made, _Pairs(func, None, True), meta, function_name(func))
        return found.rename(own._name_with(other))

    def align(self, other: Any, join: str = "outer", axis: Any = None, fill_value: Any = None) -> tuple[Any, Any]:
        """Return this column and another one with the same rows.

        Parameters
        ----------
        other : Series
            The column. Rows are matched by their index.
        join : {"outer", "inner", "left", "right"}
            Whether the rows are those of one column, of one of them, or of both.
        axis : {None, 0, "index"}
            The only axis of a column.
        fill_value : optional
            Replaces missing values, also those of rows that a column lacks.
        """
        if axis not in (None, 0, "index"):
            raise ValueError(f"no axis named {axis} for a column; the only one is 0")
        own, other = align_rows(self, _other_column("align", uploaded(other, self)), join)
        return (own, other) if fill_value is None else (own.fillna(fill_value), other.fillna(fill_value))

    def case_when(self, caselist: Sequence[tuple[Any, Any]]) -> Series:
        """Replace values where a condition is true, by the replacement of the first one that is.

        Parameters
        ----------
        caselist : list of tuple
            Pairs of condition and replacement: columns of the same rows, functions of this column, or, for the
            replacement, a value.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> v = dd.from_pandas(pd.Series([1, 5, 9]), npartitions=2)
        >>> v.case_when([(v < 3, 0), (v < 7, 50)]).compute().tolist()
        [0, 50, 9]
        """
        if not isinstance(caselist, list):
            raise TypeError(f"case_when() takes a list of pairs, not {type(caselist).__name__}")
        if not caselist:
            raise ValueError("case_when() requires at least one pair of condition and replacement")
        own: Any = self
        made = own
        for pair in reversed(caselist):
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise ValueError(f"case_when() takes pairs of condition and replacement, not {pair!r}")
            condition, replacement = (one(own) if callable(one) else one for one in pair)
            check_same_rows("case_when", own, condition)
            made = made.mask(condition, replacement)
        found: Series = made
        return found


def _other_column(name: str, other: Any) -> Any:
    """Check that an operand is a column."""
    if not isinstance(other, Plan) or hasattr(other, "_columns"):
        raise TypeError(f"{name}() takes a column of this package, not {type(other).__name__}")
    return other


def _products(left: Any, right: Any) -> Scalar:
    """Return the sum of the products of two columns, of which small integers do not overflow."""
    sides = [one.astype("int64") if _is_small(one) else one for one in (left, right)]
    made: Scalar = (sides[0] * sides[1]).sum(skipna=False)
    return made


def _is_small(column: Any) -> bool:
    kind = column._kind
    return not is_masked(column._origin) and pa.types.is_integer(kind) and kind.bit_width < pa.int64().bit_width


def _check_index_axis(name: str, axis: Any) -> None:
    if axis not in (None, 0, "index"):
        raise ValueError(f"{name}: No axis named {axis} for a column")


class _Affixes:
    """The function that adds a prefix and a suffix to a label."""

    def __init__(self, prefix: str, suffix: str) -> None:
        self.prefix = prefix
        self.suffix = suffix

    def __call__(self, label: Any) -> str:
        return f"{self.prefix}{label}{self.suffix}"


class _Usage:
    """The function that returns the bytes of a partition of a column or index."""

    def __init__(self, index: bool, deep: bool) -> None:
        self.index = index
        self.deep = deep

    def __call__(self, part: Any) -> int:
        if isinstance(part, pd.Index):
            return int(part.memory_usage(deep=self.deep))
        return int(part.memory_usage(index=self.index, deep=self.deep))


def _bytes_of(part: Any) -> int:
    return int(part.nbytes)


def _total(found: Any) -> int:
    return int(found.sum())


class _Pairs:
    """The function of two values of each row."""

    def __init__(self, function: Callable[..., Any], other: Any, is_frame: bool) -> None:
        self.function = function
        self.other = other
        self.is_frame = is_frame

    def __call__(self, part: Any) -> pd.Series:
        return part["a"].combine(part["b"], self.function) if self.is_frame else part.combine(self.other, self.function)
