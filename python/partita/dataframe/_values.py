"""Methods of frames that transform values, column by column."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from ._alignment import IDENTICAL, UNIQUE
from ._arguments import is_columns_axis, reject_unsupported
from ._array_columns import column_of_array, frame_operand, is_array
from ._base import Plan
from ._columns import Column, UnknownCategories, is_read_as_categories, refuse_equal_labels
from ._matching import aligned, uploaded
from ._reductions import Reductions
from ._replacement import MISSING, is_missing
from ._scalar import Scalar
from ._sql import is_number, is_text, literal, type_of

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._series import Series

__all__ = ["FrameValues"]


class FrameValues:
    """Methods of frames that transform values and keep the shape."""

    _columns: dict[Any, Column]
    _column: Callable[[Any], Series]
    _each: Callable[..., DataFrame]
    _kinds: Callable[[], dict[Any, Any]]

    def astype(self, dtype: Any) -> DataFrame:
        """Convert the columns to a type, or to types given as a dict by column."""
        if isinstance(dtype, (dict, pd.Series)):
            return self._each(lambda column: column.astype(dtype[column.name]), list(dict(dtype)))
        return self._each(lambda column: column.astype(dtype))

    def categorize(self, columns: Any = None, index: Any = None, split_every: Any = None) -> DataFrame:
        """Convert columns to categories: ``astype("category")`` of several columns.

        Parameters
        ----------
        columns : label or list of labels, optional
            The columns. By default those of strings, and those whose categories count as unknown.
        index : bool, optional
            Whether to convert the index; by default if it has strings.
        split_every : int, optional
            Accepted for compatibility with Dask; no effect.

        Returns
        -------
        DataFrame
            The frame. Which categories exist is computed at once.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> frame = dd.from_pandas(pd.DataFrame({"day": ["Mo", "Tu", "Mo"]}), npartitions=2)
        >>> list(frame.categorize().day.compute().cat.categories)
        ['Mo', 'Tu']
        """
        if (
            split_every is not None
            and split_every is not False
            and (not isinstance(split_every, int) or split_every < 2)
        ):
            raise ValueError(f"split_every must be an integer of at least 2, not {split_every!r}")
        frame = cast("DataFrame", self)
        if columns is None:
            labels = [label for label, kind in self._kinds().items() if _is_unknown(kind, self._columns[label].origin)]
        else:
            labels = list(columns) if isinstance(columns, (list, tuple, set, pd.Index)) else [columns]
        labels = [label for label in labels if not _is_categorized(self._column(label)._origin)]
        made = self._each(_categorized, labels) if labels else frame
        if index is False or len(frame._index) != 1:
            return made
        from ._series import index_of

        level = index_of(frame)
        if _is_categorized(level._origin) or not (index or _is_unknown(level._kind, level._origin)):
            return made
        made = made.copy()
        made.index = _categorized(level)
        return made

    def fillna(self, value: Any, axis: Any = None) -> DataFrame:
        """Replace missing values with a value, or with values given as a dict by column.

        With ``axis=1``, all columns get one type, as in pandas, and `value` is a single value.
        """
        if is_columns_axis("fillna", axis):
            return self._filled_rows(value)
        if isinstance(value, (dict, pd.Series, Reductions)):
            known = value if not isinstance(value, Reductions) else value._all()
            labels = [label for label in dict(known) if label in self._columns]
            return self._each(lambda column: column.fillna(known[column.name]), labels)
        if hasattr(value, "_each"):
            refuse_equal_labels("fillna", value)
            labels = [label for label in value._columns if label in self._columns]
            return self._each(lambda column: column.fillna(value._column(column.name)), labels)
        return self._each(lambda column: column.fillna(_operand_for(value, column)))

    def _filled_rows(self, value: Any) -> DataFrame:
        """Return the frame with missing values replaced along its rows, which workers do with pandas."""
        from ._row_methods import PandasMethod, call_method
        from ._window_methods import one_type

        if hasattr(value, "_expr") or hasattr(value, "_each") or not pd.api.types.is_scalar(value):
            raise NotImplementedError(
                f"fillna(axis=1) takes a single value, not {type(value).__name__}; leave out axis=, and use astype"
            )
        kind = one_type(self, "fillna")
        first = self._column(next(iter(self._columns))) if self._columns else None
        if first is not None and not is_missing(value) and not first._takes(type_of(value), value):
            raise TypeError(f"fillna(axis=1) cannot replace missing values of {kind} with {value!r}; use astype first")
        made: DataFrame = call_method(self, PandasMethod("fillna", (value,), {"axis": 1}), "fillna")
        return made

    def isna(self) -> DataFrame:
        """Return whether each value is missing."""
        return self._each(lambda column: column.isna())

    isnull = isna

    def notna(self) -> DataFrame:
        """Return whether each value is not missing."""
        return self._each(lambda column: column.notna())

    notnull = notna

    def isin(self, values: Any) -> DataFrame:
        """Return whether each value is in `values`, or in the entry of `values` for its column."""
        if isinstance(values, (pd.Series, pd.DataFrame)) or hasattr(values, "_each") or _is_column(values):
            raise NotImplementedError(
                "isin() of a frame does not match values by their labels; compare frames with ==, or give a list of values"
            )
        if isinstance(values, dict):
            return self._each(lambda column: column.isin(values.get(column.name, [])))
        return self._each(lambda column: column.isin(values))

    def clip(self, lower: Any = None, upper: Any = None, axis: Any = None, **arguments: Any) -> DataFrame:
        """Limit the values to the range from `lower` to `upper`.

        Parameters
        ----------
        lower, upper : value, Series, DataFrame or pandas.Series
            The limits: a value, a limit for each row (a lazy column), for each value (a lazy frame), or for each column (a
            pandas series by labels of columns).
        axis : optional
            0 for limits by row, 1 for limits by column.
        """
        reject_unsupported("clip", arguments)
        for limit in (lower, upper):
            is_by_column = isinstance(limit, (pd.Series, Reductions))
            is_wrong = _is_column(limit) if axis in (1, "columns") else is_by_column and axis in (0, "index")
            if is_wrong:
                raise TypeError(f"clip(axis={axis!r}) does not support limits of type {type(limit).__name__}")
            if axis is None and (is_by_column or _is_column(limit)):
                raise ValueError("Must specify axis=0 or 1")
        return self._each(lambda column: column.clip(_operand_for(lower, column), _operand_for(upper, column)))

    def round(self, decimals: Any = 0) -> DataFrame:
        """Round numeric columns to a number of decimals, or to numbers given as a dict by column."""
        if isinstance(decimals, (dict, pd.Series)):
            return self._each(lambda column: column.round(decimals[column.name]), list(dict(decimals)))
        numbers = [label for label, kind in self._kinds().items() if is_number(kind)]
        return self._each(lambda column: column.round(decimals), numbers)

    def abs(self) -> DataFrame:
        """Return the absolute values."""
        return self._each(lambda column: column.abs())

    def replace(self, to_replace: Any, value: Any = None, regex: bool = False) -> DataFrame:
        """Replace values in each column whose type can contain them; see :meth:`Series.replace`."""
        if regex is not False:
            texts = [label for label, kind in self._kinds().items() if is_text(kind)]
            return self._each(lambda column: column.replace(to_replace, value, regex), texts)
        if isinstance(to_replace, dict) and any(isinstance(one, dict) for one in to_replace.values()):
            return self._each(lambda column: column.replace(to_replace[column.name]), list(to_replace))
        old = to_replace if isinstance(to_replace, (dict, list, tuple)) else [to_replace]
        are_texts = [isinstance(one, str) for one in old]
        alike = [label for label, kind in self._kinds().items() if is_text(kind) in are_texts]
        return self._each(lambda column: column.replace(to_replace, value), alike)

    def where(self, cond: Any, other: Any = None) -> DataFrame:
        """Keep the values where the condition is true, and replace the others. Functions get this frame."""
        cond, other = self._replacements(cond, other)
        return self._each(lambda column: column.where(_condition_for(cond, column), _value_for(other, column)))

    def mask(self, cond: Any, other: Any = None) -> DataFrame:
        """Replace the values where the condition is true. Functions get this frame."""
        cond, other = self._replacements(cond, other)
        # Where the condition has no column, all values are replaced.
        return self._each(lambda column: column.mask(_condition_for(cond, column, True), _value_for(other, column)))

    def _replacements(self, cond: Any, other: Any) -> tuple[Any, Any]:
        """Return the condition and the replacement of ``where`` and ``mask``, of which pandas objects are uploaded."""
        cond, other = (one(self) if callable(one) else one for one in (cond, other))
        cond, other = frame_operand(self, cond, True), frame_operand(self, other)
        return uploaded(cond, self), uploaded(other, self) if isinstance(other, pd.DataFrame) else other

    def _check_axis(self, name: str, other: Any, axis: Any) -> None:
        if axis not in (None, 0, 1, "index", "columns"):
            raise ValueError(f"no axis named {axis} for a frame; use 0 or 1")
        is_column = _is_column(other)
        if axis in (0, "index") and isinstance(other, dict):
            raise NotImplementedError(
                f"{name}(axis=0) does not support an operand of type {type(other).__name__}: its labels would be matched "
                "with the index; use merge"
            )
        if is_column and axis not in (0, "index"):
            raise ValueError(
                "a frame and a column are matched by the labels of columns, as in pandas; for an operation of each column "
                f"with this one use .{name}(column, axis=0)"
            )

    def _of_rows(self, other: Any) -> Any:
        values = np.asarray(other) if isinstance(other, (list, tuple)) else other
        return column_of_array(self, values) if is_array(values) else uploaded(other, self)

    def _matched(self, other: Any) -> tuple[Any, Any]:
        """Return this frame and an operand, with the rows and columns of two frames matched by their labels."""
        _check_labels("an operation with other rows or columns", self, other)
        frame: Any = self
        other = frame_operand(frame, other)
        if isinstance(other, pd.DataFrame):
            other = uploaded(other, self)
        if _is_column(other):
            # As in pandas, duplicate labels of a frame and a column are an error.
            return aligned(frame, other, UNIQUE)
        if isinstance(other, pd.Series):
            return _with_entries(frame, other)
        if not hasattr(other, "_each"):
            return frame, other
        frame, other = aligned(frame, other)
        if list(frame._columns) == list(other._columns):
            return frame, other
        labels = frame.columns.join(other.columns, how="outer")
        return _with_columns(frame, labels), _with_columns(other, labels)

    def _fill_both(self, other: Any, fill_value: Any) -> tuple[DataFrame, Any]:
        if _is_column(other):
            pairs = {label: self._column(label)._fill_both(other, fill_value) for label in self._columns}
            left = self._each(lambda column: pairs[column.name][0])
            return left, {label: filled for label, (_, filled) in pairs.items()}
        if isinstance(other, (pd.Series, dict, Reductions)):
            raise NotImplementedError(
                f"fill_value {fill_value!r} not supported with a value for each column; use fillna"
            )
        if not hasattr(other, "_each"):
            return self._each(lambda column: column._fill_both(other, fill_value)[0]), (
                fill_value if is_missing(other) else other
            )
        left = self._each(lambda column: column._fill_both(other._column(column.name), fill_value)[0])
        return left, other._each(lambda column: column._fill_both(self._column(column.name), fill_value)[0])

    def _operate(self, name: str, other: Any, swapped: bool = False) -> DataFrame:
        _check_labels(name, self, other)
        frame, other = self._matched(other)

        def operate(column: Any) -> Any:
            operand = _operand_for(other, column)
            # 1 to the power of a missing value is 1.
            if name != "pow" and MISSING in (column._expr, getattr(operand, "_expr", None)):
                # The column of one of the frames: its values have no counterpart.
                return column._like(MISSING, origin=None)
            return column._operate(name, operand, swapped)

        made: DataFrame = frame._each(operate)
        return made

    def _compare(self, name: str, other: Any) -> DataFrame:
        frame: Any = self
        _check_labels(name, self, other)
        other = frame_operand(frame, other)
        if isinstance(other, pd.DataFrame):
            other = uploaded(other, self)
        if hasattr(other, "_each"):
            if list(frame._columns) != list(other._columns):
                raise ValueError("can only compare identically-labeled (both index and columns) DataFrame objects")
            frame, other = aligned(frame, other, IDENTICAL)
        made: DataFrame = frame._each(lambda column: column._compare(name, _operand_for(other, column)))
        return made

    def _logical(self, operator: str, other: Any) -> DataFrame:
        _check_labels(operator, self, other)
        other = frame_operand(self, other)
        if not hasattr(other, "_each"):
            return self._each(lambda column: column._logical(operator, _operand_for(other, column)))
        frame: Any = self
        if list(frame._columns) != list(other._columns):
            raise NotImplementedError("&, | and ^ of frames with different columns are not supported; use align first")
        columns = {label: frame._column(label)._logical(operator, other._column(label)) for label in frame._columns}
        return joined_columns(columns, frame)

    def __and__(self, other: Any) -> DataFrame:
        return self._logical("and", other)

    def __or__(self, other: Any) -> DataFrame:
        return self._logical("or", other)

    def __xor__(self, other: Any) -> DataFrame:
        return self._logical("ne", other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> DataFrame:
        return self._each(lambda column: ~column)

    def __neg__(self) -> DataFrame:
        return self._each(lambda column: -column)

    __abs__ = abs

    def _apply_ufunc(self, name: str, inputs: tuple[Any, ...]) -> DataFrame:
        frame: Any = self
        others = []
        for value in inputs:
            value = frame_operand(frame, value)
            if hasattr(value, "_each") and value is not self:
                frame, value = frame._matched(value)
            others.append(frame if value is self else value)
        if len(inputs) > 1:
            others = _with_common_type(others)
            frame = next(one for one in others if hasattr(one, "_each"))
        made: DataFrame = frame._each(
            lambda column: column._apply_ufunc(name, tuple(_operand_for(value, column) for value in others))
        )
        return made


def _with_common_type(inputs: list[Any]) -> list[Any]:
    """Return the inputs of a function with the columns of frames of numbers in one type: that of their values in NumPy."""
    dtypes = [dtype for one in inputs if hasattr(one, "_each") for dtype in one.dtypes]
    if len(set(dtypes)) < 2 or not all(isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in dtypes):
        return inputs
    common = np.result_type(*dtypes)
    return [one.astype(common) if hasattr(one, "_each") else one for one in inputs]


def joined_columns(columns: dict[Any, Any], like: Any) -> DataFrame:
    """Return a frame of columns that are over the same rows, with the column labels of another frame."""
    rows = None
    for column in columns.values():
        rows = column._rows if rows is None else rows.combine(column._rows)
    if rows is None:
        made: DataFrame = like
        return made
    first = next(iter(columns.values()))
    cells = {label: column._cell for label, column in columns.items()}
    joined: DataFrame = type(like)(rows, cells, first._index, like._axis)
    return joined


def _with_columns(frame: Any, labels: pd.Index) -> Any:
    """Return a frame with these columns, of which those that it lacks have no values."""
    made = frame._like({label: frame._columns.get(label, Column(MISSING)) for label in labels})
    made._axis = labels[:0]
    return made


def _with_entries(frame: Any, entries: pd.Series) -> tuple[Any, pd.Series]:
    """Return a frame and a series of entries for its columns with the labels of both; the added ones have no values."""
    if not entries.index.is_unique:
        raise ValueError("cannot reindex on an axis with duplicate labels")
    if frame.columns.equals(entries.index):
        return frame, entries
    labels = frame.columns.join(entries.index, how="outer")
    wide = frame if len(labels) == len(frame._columns) else _with_columns(frame, labels)
    return wide, entries.reindex(labels)


def _condition_for(cond: Any, column: Series, is_kept: bool = False) -> Any:
    """Return the condition for a column; for one that a frame of conditions lacks, a value."""
    if hasattr(cond, "_each") and column.name not in cond._columns:
        return column._like(literal(is_kept), origin=None)
    return _operand_for(cond, column)


def _value_for(other: Any, column: Series) -> Any:
    """Return the replacement for a column; none for one that a frame lacks."""
    if hasattr(other, "_each") and column.name not in other._columns:
        return None
    return _operand_for(other, column)


def _is_categorized(origin: Any) -> bool:
    """Whether a column has known categories."""
    return isinstance(origin, pd.CategoricalDtype) and not isinstance(origin, UnknownCategories)


def _is_unknown(kind: Any, origin: Any) -> bool:
    """Whether a column is converted to categories by default: one of strings, or with unknown categories."""
    is_plain_text = is_text(kind) and not isinstance(origin, pd.CategoricalDtype)
    return isinstance(origin, UnknownCategories) or is_read_as_categories(kind, origin) or is_plain_text


def _categorized(column: Series) -> Series:
    """Return a column, or an index, with known categories."""
    if isinstance(column._origin, UnknownCategories):
        return column.cat.as_known()
    return column.astype("category")


def _is_column(other: Any) -> bool:
    return isinstance(other, Plan) and not hasattr(other, "_each")


def _check_labels(name: str, frame: Any, other: Any) -> None:
    """Raise an error if the columns of operands would be matched by labels of which some are equal."""
    if not pd.api.types.is_scalar(other) and not isinstance(other, Scalar):
        refuse_equal_labels(name, frame, other)


def _operand_for(other: Any, column: Series) -> Any:
    """Return the operand for a column: the column or entry of that label, or the same value for all columns."""
    if hasattr(other, "_each"):
        return other._column(column.name)
    if isinstance(other, Reductions):
        return other._value(column.name)
    return other[column.name] if isinstance(other, (pd.Series, dict)) else other
