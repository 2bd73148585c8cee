"""Conversion of columns to other types."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, call, case
from . import _expressions as ex
from ._columns import ARROW, has_intervals, is_masked
from ._mixed import Method, computed, is_mixed
from ._periods import as_periods
from ._sql import is_number, is_text, is_time, literal, type_of
from ._summary import truth
from ._text import check_integers, text_of

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["ColumnTypes"]

#: The integer of a missing time.
NAT = literal(-(2**63))


def _is_object(dtype: Any) -> bool:
    """Whether a type is that of Python objects."""
    try:
        return pd.api.types.is_object_dtype(pd.api.types.pandas_dtype(dtype))
    except TypeError:
        return False


class ColumnTypes:
    """Conversion to other types."""

    _expr: Expr
    _kind: pa.DataType
    _origin: Any
    dtype: Any
    copy: Callable[..., Series]
    dropna: Callable[..., Series]
    isin: Callable[..., Series]
    _like: Callable[..., Series]

    def astype(self, dtype: Any) -> Series:
        """Convert to another type."""
        if isinstance(dtype, builtins.str) and dtype == "category":
            dtype = self._origin if isinstance(self._origin, pd.CategoricalDtype) else pd.CategoricalDtype()
        if is_mixed(self._kind):
            return self._of_mixed(dtype)
        if isinstance(self._origin, pd.PeriodDtype):
            return (
                self.copy()
                if dtype == self._origin
                else computed(cast("Series", self), Method("astype", dtype), "astype", dtype)
            )
        if isinstance(dtype, pd.CategoricalDtype):
            return self._to_categories(dtype)
        if isinstance(dtype, pd.PeriodDtype) or (isinstance(dtype, builtins.str) and dtype.startswith("period[")):
            return as_periods(cast("Series", self), pd.PeriodDtype(getattr(dtype, "freq", None) or dtype[7:-1]).freq)
        if _is_object(dtype) and not is_text(self._kind):
            return self._to_objects()
        origin = ex.origin_after(dtype)
        if pa.types.is_boolean(ex.kind_of(dtype)) and not pa.types.is_boolean(self._kind):
            return self._to_boolean(origin)
        wanted = ex.kind_of(dtype)
        if is_text(wanted) and self._origin != ARROW:
            found = text_of(cast("Series", self))
            if found is not None:
                return self._like(found, origin=origin)
        if pa.types.is_integer(wanted):
            return self._to_integers(wanted, dtype, origin)
        return self._like(ex.cast(self._expr, self._kind, dtype), origin=origin)

    def _of_mixed(self, dtype: Any) -> Series:
        """Convert values of several types, by pandas on the workers."""
        if _is_object(dtype):
            return self.copy()
        if isinstance(dtype, pd.CategoricalDtype):
            raise TypeError("astype: categories have values of one type; use astype(str) or to_numeric first")
        return computed(cast("Series", self), Method("astype", dtype), "astype", dtype)

    def _to_objects(self) -> Series:
        """Return the column itself if its values are Python objects in pandas, such as dates and lists."""
        if self.dtype == object:
            return self.copy()
        raise NotImplementedError(
            f"astype(object) of {self._kind} is not supported: columns have no objects of Python; use astype(str), or "
            "map_partitions for arrays of objects"
        )

    def _to_integers(self, wanted: pa.DataType, dtype: Any, origin: Any) -> Series:
        """Convert to integers. Missing values raise an error when the plan runs, except in nullable types."""
        made = ex.cast(self._expr, self._kind, dtype)
        if is_time(self._kind) or pa.types.is_duration(self._kind):
            # As in NumPy, a missing time is the smallest integer.
            if wanted == pa.int64() and not is_masked(origin):
                made = call("fill_null", made, NAT)
            return self._like(made, origin=origin)
        return self._like(check_integers(self._expr, self._kind, made, is_masked(origin)), origin=origin)

    def _to_categories(self, dtype: pd.CategoricalDtype) -> Series:
        """Convert to categories. Values that are not categories become missing."""
        if dtype.categories is None:
            if isinstance(self._origin, pd.CategoricalDtype):
                found = self._origin.categories
            else:
                # Without values, the categories have the type of the column too.
                found = pd.Index(pd.Series(self.dropna().unique().compute())).sort_values().rename(None)
            dtype = pd.CategoricalDtype(found, dtype.ordered)
        if dtype == self._origin:
            # Categories in another order are the same type if they are not ordered.
            return self.copy()
        if has_intervals(dtype) and not has_intervals(self._origin):
            raise NotImplementedError(
                "astype does not find the intervals that contain the values; use map_partitions(pd.cut, bins)"
            )
        known = self.isin(list(dtype.categories))._expr
        if known is px.literal(False) and len(dtype.categories):
            # No category has the type of the values.
            return self._like(px.cast(None, type_of(dtype.categories[0])), origin=dtype)
        return self._like(case([(known, self._expr)]), origin=dtype)

    def _to_boolean(self, origin: Any) -> Series:
        """Convert to booleans. Missing values become true, except in nullable types."""
        if not (is_number(self._kind) or is_text(self._kind)) or (is_text(self._kind) and is_masked(origin)):
            raise TypeError(f"astype: cannot convert {self._kind} to bool; compare it with a value instead")
        masked = is_masked(self._origin) or is_masked(origin)
        return self._like(
            truth(cast("Series", self)) if masked else call("coalesce", truth(cast("Series", self)), True),
            origin=origin,
        )
