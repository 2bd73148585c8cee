"""Operators of columns: arithmetic, comparisons and logic, with single values and with other columns."""

from __future__ import annotations

import builtins
import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.dtype import refuse_mixed
from ..plan.expr import Expr, call, case
from . import _expressions as ex
from ._alignment import IDENTICAL
from ._array_columns import column_of_array, is_array
from ._base import Level, Plan
from ._columns import ARROW, derived_origin, is_masked, sort_value
from ._matching import aligned, is_aligned, uploaded
from ._mixed import is_equal, is_mixed
from ._operators import Operators
from ._periods import start_of
from ._replacement import is_missing
from ._rows import Rows
from ._scalar import Scalar
from ._sql import fill_condition, is_number, is_text, is_time, literal, sort_of, type_of, without_numpy_times

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["ColumnOperators"]


#: Parts of calendar offsets with a fixed length.
_SPANS = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds")


def _parts_of(offset: pd.tseries.offsets.BaseOffset) -> tuple[int, pd.Timedelta]:
    """Return an offset as months, and the time to add after them."""
    offsets = pd.tseries.offsets
    if type(offset) is offsets.DateOffset and set(offset.kwds) <= {"years", "months", *_SPANS}:
        given = dict(offset.kwds) or {"days": 1}
        months = 12 * given.pop("years", 0) + given.pop("months", 0)
        return offset.n * months, offset.n * pd.Timedelta(**(given or {"days": 0}))
    if isinstance(offset, (offsets.Tick, offsets.Day)):
        return 0, pd.Timedelta(offset) if isinstance(offset, offsets.Tick) else pd.Timedelta(days=offset.n)
    raise NotImplementedError(
        f"times and {offset!r} are not supported; use pd.DateOffset with years=, months=, weeks=, days= or times, or "
        "map_partitions"
    )


class ColumnOperators(Operators):
    """The operators of columns."""

    name: Any
    _rows: Rows
    _expr: Expr
    _kind: pa.DataType
    _origin: Any
    dtype: Any
    _index: tuple[Level, ...]
    str: Any
    where: Callable[..., Series]
    notna: Callable[..., Series]
    isna: Callable[..., Series]
    fillna: Callable[..., Series]
    copy: Callable[..., Series]
    _like: Callable[..., Series]
    _with_values: Callable[..., Series]

    def _with(self, other: ColumnOperators) -> Rows:
        return self._rows.combine(other._rows)

    def _become(self, other: Series) -> None:
        """Take the rows, values, index and name of another column."""
        self._rows, self._expr, self._index = other._rows, other._expr, other._index
        self.name, self._origin = other.name, other._origin

    def _matched(self, other: Any) -> tuple[Any, Any]:
        """Return this column and an operand, with the rows of two columns matched by their labels."""
        other = uploaded(other, self) if isinstance(other, pd.Series) else other
        if not isinstance(other, ColumnOperators) or is_aligned(self, other):
            return self, other
        return aligned(self, other)

    def _spread(self, value: Scalar) -> Any:
        """Return a column of a lazy value for each row, or the value where it takes the type of the column."""
        own, kind = self._kind, value._type
        is_like = own == kind or (_is_wide(own) and _is_wide(kind))
        if self._origin is not None or not is_like:
            return value.compute()
        return self._like(value._over(self._rows), origin=None)

    def _name_with(self, other: Any) -> Any:
        return self.name if not isinstance(other, ColumnOperators) or other.name == self.name else None

    def _check_axis(self, name: str, other: Any, axis: Any) -> None:
        if axis not in (None, 0, "index"):
            raise ValueError(f"no axis named {axis} for a column; the only one is 0")

    def _fill_both(self, other: Any, fill_value: Any) -> tuple[Any, Any]:
        if isinstance(other, ColumnOperators):
            left = self.where(self.notna() | other.isna(), fill_value)
            return left, other.where(other.notna() | self.isna(), fill_value)
        if isinstance(other, Plan):
            return self, other
        # A missing operand is one in all rows.
        return (self, fill_value) if is_missing(other) else (self.fillna(fill_value), other)

    def _operand(self, other: Any) -> Any:
        """Return an operand, with a series of pandas or an array as a column."""
        other = without_numpy_times(other)
        if isinstance(other, pd.Series):
            return uploaded(other, self)
        return column_of_array(self, other)._named(self.name) if is_array(other) else other

    def _operate(self, name: str, other: Any, swapped: bool = False) -> Any:
        other = self._operand(other)
        if not isinstance(other, ColumnOperators) and isinstance(other, Plan):
            return NotImplemented
        if isinstance(other, ColumnOperators) and not is_aligned(self, other):
            own, theirs = aligned(self, other)
            return own._operate(name, theirs, swapped)
        if isinstance(other, Scalar):
            other = self._spread(other)
        if isinstance(other, pd.tseries.offsets.BaseOffset):
            return self._moved(name, other)
        refuse_mixed([self._kind, other._kind if isinstance(other, ColumnOperators) else None], f"compute {name} of")
        if name == "mul" and is_text(self._kind) and isinstance(other, numbers.Integral):
            repeated: Series = self.str.repeat(int(other))
            return repeated
        rows, origin = self._rows, derived_origin(self._origin)
        # With ArrowDtype, an integer operand has the type int64, not the smaller type of the column.
        like = pa.int64() if origin == ARROW and pa.types.is_integer(self._kind) else self._kind
        left = (self._expr, self._kind)
        style = ex.style_of(None if swapped else self._origin, origin)
        if isinstance(other, ColumnOperators):
            rows, origin = self._with(other), derived_origin(self._origin, other._origin)
            style = self._style_with(name, other)
            right = (other._expr, other._kind)
        elif swapped:
            right = ex.operand(other, like, name)
        else:
            right = ex.right_operand(name, other, like, style)
        sides = (right, left) if swapped else (left, right)
        made = ex.arithmetic(name, *sides[0], *sides[1], style, ex.is_bounded(other))
        return self._like(made, rows, self._name_with(other), origin)

    def _moved(self, name: builtins.str, offset: pd.tseries.offsets.BaseOffset) -> Series:
        """Return the times after or before a calendar offset such as ``pd.DateOffset(months=1)``."""
        if name not in ("add", "sub") or not pa.types.is_timestamp(self._kind):
            raise TypeError(f"cannot compute {name} of {self._kind} and an offset")
        if self._kind.tz is not None:
            raise NotImplementedError("offsets of times with a zone are not supported; use a Timedelta")
        months, rest = _parts_of(offset)
        sign = 1 if name == "add" else -1
        own: Any = self._like(self._expr + px.interval(f"{sign * months} months")) if months else self
        unit = self._kind.unit
        rest = rest.as_unit(unit) if rest.as_unit(unit) == rest else rest
        moved: Series = own + sign * rest if rest else own
        return moved

    def _style_with(self, name: builtins.str, other: ColumnOperators) -> str:
        """Return whose integer arithmetic applies to two columns."""
        if name in ("add", "sub", "mul") and getattr(self._rows.identity, "adds_missing", False):
            if name != "sub" and pa.types.is_boolean(self._kind) and pa.types.is_boolean(other._kind):
                raise NotImplementedError(
                    f"{name} of boolean columns of different frames is not supported; use & and |, or astype(int)"
                )
            # Where labels are missing, pandas converts integers to floats, which do not wrap around.
            return "arrow"
        return ex.style_of(self._origin, other._origin)

    def _compare(self, name: str, other: Any) -> Any:
        other = self._operand(other)
        if not isinstance(other, ColumnOperators) and isinstance(other, Plan):
            return NotImplemented
        if isinstance(other, ColumnOperators) and not is_aligned(self, other):
            own, theirs = aligned(self, other, IDENTICAL)
            return own._compare(name, theirs)
        if isinstance(other, Scalar):
            other = self._spread(other)
        if isinstance(self._origin, pd.PeriodDtype):
            return self._compare_periods(name, other, self._origin)
        if isinstance(self._origin, pd.CategoricalDtype) and name not in ("eq", "ne"):
            return self._compare_categories(name, other, self._origin)
        if isinstance(other, ColumnOperators):
            if {sort_of(self._kind), sort_of(other._kind)} in _UNLIKE:
                return self._compare_unlike(name, other._kind, self._with(other), self._name_with(other))
            zones = {_zoned(self._kind), _zoned(other._kind)}
            if zones == {True, False}:
                raise TypeError("cannot compare times with a zone and times without a zone; use dt.tz_localize")
            origin = derived_origin(self._origin, other._origin)
            made = ex.comparison(name, *ex.with_numbers(self._expr, other._expr), is_masked(origin))
            return self._like(made, self._with(other), self._name_with(other), origin)
        if is_mixed(self._kind):
            return self._compare_mixed(name, other)
        if self._is_unlike(other):
            return self._compare_unlike(name, type_of(other), self._rows, self.name)
        own, value = ex.with_numbers(self._expr, literal(other, self._kind))
        return self._like(ex.comparison(name, own, value, is_masked(self._origin)))

    def _is_unlike(self, value: Any) -> bool:
        """Whether the value can never be equal to a value of the column, because of their types."""
        return not is_missing(value) and {sort_of(self._kind), sort_of(type_of(value))} in _UNLIKE

    def _compare_unlike(self, name: builtins.str, kind: pa.DataType, rows: Rows, label: Any) -> Series:
        """Compare strings with numbers or booleans, which are never equal and not ordered."""
        if name not in ("eq", "ne"):
            raise TypeError(f"cannot compare {sort_of(self._kind)} with {sort_of(kind)}; convert one with astype")
        answer = px.literal(name != "eq")
        made = case([(px.not_null(self._expr), answer)]) if is_masked(self._origin) else answer
        return self._like(made, rows, label)

    def _compare_periods(self, name: builtins.str, other: Any, origin: pd.PeriodDtype) -> Series:
        """Compare periods by their start times."""
        if not isinstance(other, ColumnOperators):
            value = px.NULL if is_missing(other) else literal(start_of(other, origin), self._kind)
            return self._like(ex.comparison(name, self._expr, value, False), origin=None)
        if other._origin != origin:
            raise TypeError(f"cannot compare {self.dtype} with {other.dtype}; convert one with dt.to_timestamp")
        made = ex.comparison(name, self._expr, other._expr, False)
        return self._like(made, self._with(other), self._name_with(other), None)

    def _compare_mixed(self, name: builtins.str, other: Any) -> Series:
        """Compare values of several types with a value. As in pandas, a missing value equals none."""
        if name not in ("eq", "ne"):
            raise TypeError(
                "cannot compare values of several types by order; convert the column with astype(str) or to_numeric"
            )
        if is_missing(other):
            return self._like(px.literal(name != "eq"), origin=None)
        found = is_equal(cast("Series", self), [other])
        return found if name == "eq" else ~found

    def _compare_categories(self, name: str, other: Any, origin: pd.CategoricalDtype) -> Series:
        if isinstance(other, ColumnOperators) and origin.ordered and other._origin == origin:
            sides = (sort_value(self._expr, origin), sort_value(other._expr, origin))
            return self._like(ex.comparison(name, *sides), self._with(other), self._name_with(other))
        if not origin.ordered or isinstance(other, ColumnOperators):
            raise TypeError(
                "cannot compare categories by order; use an ordered categorical column and one of its categories, "
                "or two columns of the same categories"
            )
        if other not in origin.categories:
            raise TypeError(f"{other!r} is not one of the categories {list(origin.categories)!r}")
        place = px.literal(list(origin.categories).index(other))
        return self._like(ex.comparison(name, sort_value(self._expr, origin), place))

    def _apply_ufunc(self, name: str, inputs: tuple[Any, ...]) -> Series:
        from ._ufuncs import apply_to_column

        return apply_to_column(cast("Series", self), name, inputs)

    def _logical(self, operator: str, other: Any) -> Any:
        if isinstance(other, pd.Series):
            other = uploaded(other, self)
        is_whole = pa.types.is_integer(self._kind)
        if not is_whole and not pa.types.is_boolean(self._kind):
            raise TypeError(f"cannot apply &, | and ^ to a column of {self._kind}; use boolean or integer columns")
        # Bitwise operators of integers.
        function = {"and": "bit_and", "or": "bit_or", "ne": "bit_xor"}[operator] if is_whole else operator
        if isinstance(other, ColumnOperators) and not is_aligned(self, other):
            return self._logical_of_others(operator, other)
        if isinstance(other, Scalar):
            other = self._spread(other)
        if is_whole != _is_whole(other) and _is_logical(other):
            return self._logical_of_unlike(operator, other)
        if isinstance(other, ColumnOperators):
            made = _logical_call(function, self._expr, other._expr)
            origin = derived_origin(self._origin, other._origin)
            return self._like(made, self._with(other), self._name_with(other), origin)
        if is_whole and isinstance(other, numbers.Integral):
            return self._like(call(function, self._expr, ex.operand(int(other), self._kind)[0]))
        return self._like(_logical_call(function, self._expr, literal(other)))

    def _logical_of_unlike(self, operator: builtins.str, other: Any) -> Series:
        """Apply a logical operator to booleans and integers: as in pandas, to the bits, and the result is their truth."""
        is_column = isinstance(other, ColumnOperators)
        rows = self._with(other) if is_column else self._rows
        origin = derived_origin(self._origin, other._origin if is_column else None)
        sides = [self._expr, other._expr if is_column else literal(other)]
        if pa.types.is_boolean(self._kind) and is_masked(self._origin):
            # Nullable booleans take the truth of integers instead.
            sides[1] = ex.comparison("ne", sides[1], literal(0), True)
            return self._like(_logical_call(operator, *sides), rows, self._name_with(other), origin)
        own = self._kind if pa.types.is_integer(self._kind) else other._kind if is_column else pa.int64()
        bits = call(
            {"and": "bit_and", "or": "bit_or", "ne": "bit_xor"}[operator], *(px.cast(one, own) for one in sides)
        )
        made = ex.comparison("ne", bits, px.cast(0, own), is_masked(origin))
        return self._like(made, rows, self._name_with(other), origin)

    def _logical_of_others(self, operator: builtins.str, other: ColumnOperators) -> Any:
        """Apply a logical operator to columns of different rows.

        As in pandas, the result is false where this column has no row, and the other one is false where it has none.
        """
        if pa.types.is_integer(self._kind) or pa.types.is_integer(other._kind):
            # As bits of integers, missing values have no meaning.
            own, theirs = aligned(self, other, IDENTICAL)
            return own._logical(operator, theirs)
        own, theirs = aligned(self, other)
        if not is_masked(derived_origin(own._origin, theirs._origin)):
            theirs = theirs._like(fill_condition(theirs._expr))
        made = own._logical(operator, theirs)
        if is_masked(made._origin):
            return made
        return made._with_values(px.conjunction(px.not_null(own._expr), made._expr))

    def __and__(self, other: Any) -> Series:
        return self._logical("and", other)

    def __or__(self, other: Any) -> Series:
        return self._logical("or", other)

    def __xor__(self, other: Any) -> Series:
        return self._logical("ne", other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Series:
        if pa.types.is_boolean(self._kind):
            return self._like(px.negation(self._expr))
        if not pa.types.is_integer(self._kind):
            raise TypeError(f"bad operand type for unary ~: a column of {self._kind}; use a comparison")
        ones = 2**self._kind.bit_width - 1 if pa.types.is_unsigned_integer(self._kind) else -1
        return self._like(call("subtract", literal(ones, self._kind), self._expr, dtype=self._kind))

    def _check_number(self, name: builtins.str) -> None:
        """Raise an error for operations that only numbers support."""
        if is_text(self._kind) or is_time(self._kind):
            raise TypeError(f"cannot compute {name} of column {self.name!r}: its values are {self._kind}, not numbers")

    def __neg__(self) -> Series:
        self._check_number("-")
        if pa.types.is_boolean(self._kind):
            # As in pandas.
            return ~self
        if pa.types.is_duration(self._kind):
            return cast("Series", self * -1)
        if pa.types.is_unsigned_integer(self._kind):
            return cast("Series", 0 - self)
        return self._like(-self._expr)

    def abs(self) -> Series:
        """Return the absolute values."""
        self._check_number("abs")
        if pa.types.is_duration(self._kind):
            zero = literal(pd.Timedelta(0), self._kind)
            is_negative = px.comparison("lt", self._expr, zero)
            return self._like(case([(is_negative, (-self)._expr)], self._expr))
        return self._like(call("abs", self._expr))

    __abs__ = abs

    def round(self, decimals: int = 0) -> Series:
        """Round numbers to a number of decimals, half to even. Other values are unchanged."""
        if not is_number(self._kind):
            return self.copy()
        return self._like(ex.rounded(self._expr, self._kind, decimals))


#: Pairs of types that SQL would convert for a comparison, but whose values are never equal in pandas.
_UNLIKE = ({"strings", "numbers"}, {"strings", "booleans"})


def _is_wide(kind: pa.DataType) -> bool:
    """Whether operations of these types have the same type for a single value as for a column."""
    return kind in (pa.int64(), pa.float64()) or pa.types.is_decimal(kind)


def _is_whole(value: Any) -> bool:
    """Whether an operand is an integer or a column of integers."""
    if isinstance(value, ColumnOperators):
        return bool(pa.types.is_integer(value._kind))
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_logical(value: Any) -> bool:
    """Whether an operand is boolean or an integer, or a column of them."""
    if isinstance(value, ColumnOperators):
        return bool(pa.types.is_boolean(value._kind) or pa.types.is_integer(value._kind))
    return isinstance(value, (bool, np.bool_, numbers.Integral))


def _logical_call(name: str, left: Expr, right: Expr) -> Expr:
    """Return a logical or bitwise operator. A chain of one operator of conditions is one node."""
    if name in ("and", "or"):
        return px.conjunction(left, right) if name == "and" else px.disjunction(left, right)
    return call(name, left, right)


def _zoned(kind: pa.DataType) -> bool | None:
    return kind.tz is not None if pa.types.is_timestamp(kind) else None
