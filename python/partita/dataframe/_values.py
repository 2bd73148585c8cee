"""Methods of frames that transform values, column by column."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from ._base import Plan
from ._columns import UnknownCategories
from ._reductions import Reductions
from ._replacement import is_missing
from ._sql import is_number, is_text

if TYPE_CHECKING:
    from ._columns import Column
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
        level = frame.index
        if _is_categorized(level._origin) or not (index or _is_unknown(level._kind, level._origin)):
            return made
        made = made.copy()
        made.index = _categorized(level)
        return made

    def fillna(self, value: Any) -> DataFrame:
        """Replace missing values with a value, or with values given as a dict by column."""
        if isinstance(value, (dict, pd.Series, Reductions)):
            known = value if not isinstance(value, Reductions) else value._all()
            labels = [label for label in dict(known) if label in self._columns]
            return self._each(lambda column: column.fillna(known[column.name]), labels)
        return self._each(lambda column: column.fillna(_operand_for(value, column)))

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
        if isinstance(values, dict):
            return self._each(lambda column: column.isin(values.get(column.name, [])))
        return self._each(lambda column: column.isin(values))

    def clip(self, lower: Any = None, upper: Any = None) -> DataFrame:
        """Limit the values to the range from `lower` to `upper`."""
        return self._each(lambda column: column.clip(lower, upper))

    def round(self, decimals: Any = 0) -> DataFrame:
        """Round numeric columns to a number of decimals, or to numbers given as a dict by column."""
        if isinstance(decimals, (dict, pd.Series)):
            return self._each(lambda column: column.round(decimals[column.name]), list(dict(decimals)))
        numbers = [label for label, kind in self._kinds().items() if is_number(kind)]
        return self._each(lambda column: column.round(decimals), numbers)

    def abs(self) -> DataFrame:
        """Return the absolute values."""
        return self._each(lambda column: column.abs())

    def replace(self, to_replace: Any, value: Any = None) -> DataFrame:
        """Replace values in each column whose type can contain them."""
        if isinstance(to_replace, dict) and any(isinstance(one, dict) for one in to_replace.values()):
            return self._each(lambda column: column.replace(to_replace[column.name]), list(to_replace))
        old = to_replace if isinstance(to_replace, (dict, list, tuple)) else [to_replace]
        texts = [isinstance(one, str) for one in old]
        alike = [label for label, kind in self._kinds().items() if is_text(kind) in texts]
        return self._each(lambda column: column.replace(to_replace, value), alike)

    def where(self, cond: Any, other: Any = None) -> DataFrame:
        """Keep the values where the condition is true, and replace the others."""
        return self._each(lambda column: column.where(_operand_for(cond, column), _operand_for(other, column)))

    def mask(self, cond: Any, other: Any = None) -> DataFrame:
        """Replace the values where the condition is true."""
        return self._each(lambda column: column.mask(_operand_for(cond, column), _operand_for(other, column)))

    def _check_axis(self, name: str, other: Any, axis: Any) -> None:
        if axis not in (None, 0, 1, "index", "columns"):
            raise ValueError(f"no axis named {axis} for a frame; use 0 or 1")
        is_column = _is_column(other)
        if axis in (0, "index") and isinstance(other, (pd.Series, dict, list, tuple)):
            raise NotImplementedError(
                f"{name}(axis=0) does not support an operand of type {type(other).__name__}: its labels would be matched "
                "with the index; use merge"
            )
        if is_column and axis not in (0, "index"):
            raise NotImplementedError(
                "a frame and a column are matched by the labels of columns, as in pandas; for an operation of each column "
                f"with this one use .{name}(column, axis=0)"
            )

    def _fill_both(self, other: Any, fill_value: Any) -> tuple[DataFrame, Any]:
        if _is_column(other) or isinstance(other, (pd.Series, dict, Reductions)):
            # As in pandas.
            raise NotImplementedError(f"fill_value={fill_value!r} is not supported with a column")
        if not hasattr(other, "_each"):
            return self._each(lambda column: column._fill_both(other, fill_value)[0]), (
                fill_value if is_missing(other) else other
            )
        left = self._each(lambda column: column._fill_both(other._column(column.name), fill_value)[0])
        return left, other._each(lambda column: column._fill_both(self._column(column.name), fill_value)[0])

    def _operate(self, name: str, other: Any, swapped: bool = False) -> DataFrame:
        return self._each(lambda column: column._operate(name, _operand_for(other, column), swapped))

    def _compare(self, name: str, other: Any) -> DataFrame:
        return self._each(lambda column: column._compare(name, _operand_for(other, column)))

    def _logical(self, operator: str, other: Any) -> DataFrame:
        return self._each(lambda column: column._logical(operator, _operand_for(other, column)))

    def __and__(self, other: Any) -> DataFrame:
        return self._logical("and", other)

    def __or__(self, other: Any) -> DataFrame:
        return self._logical("or", other)

    def __invert__(self) -> DataFrame:
        return self._each(lambda column: ~column)

    def __neg__(self) -> DataFrame:
        return self._each(lambda column: -column)

    __abs__ = abs

    def _apply_ufunc(self, name: str, inputs: tuple[Any, ...]) -> DataFrame:
        return self._each(
            lambda column: column._apply_ufunc(name, tuple(_operand_for(value, column) for value in inputs))
        )


def _is_categorized(origin: Any) -> bool:
    """Whether a column has known categories."""
    return isinstance(origin, pd.CategoricalDtype) and not isinstance(origin, UnknownCategories)


def _is_unknown(kind: Any, origin: Any) -> bool:
    """Whether a column is converted to categories by default: one of strings, or with unknown categories."""
    return isinstance(origin, UnknownCategories) or (is_text(kind) and not isinstance(origin, pd.CategoricalDtype))


def _categorized(column: Series) -> Series:
    """Return a column, or an index, with known categories."""
    if isinstance(column._origin, UnknownCategories):
        return column.cat.as_known()
    return column.astype("category")


def _is_column(other: Any) -> bool:
    return isinstance(other, Plan) and not hasattr(other, "_each")


def _operand_for(other: Any, column: Series) -> Any:
    """Return the operand for a column: the column or entry of that label, or the same value for all columns."""
    if hasattr(other, "_each"):
        return other._column(column.name)
    if isinstance(other, Reductions):
        return other._value(column.name)
    return other[column.name] if isinstance(other, (pd.Series, dict)) else other
