"""Operators and reductions that columns and frames share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from ._matching import uploaded

__all__ = ["Operators"]

T = TypeVar("T", bound="Operators")


class Operators:
    """Elementwise arithmetic and comparisons, as operators and as methods."""

    def _operate(self, name: str, other: Any, swapped: bool = False) -> Any:
        raise NotImplementedError

    def _compare(self, name: str, other: Any) -> Any:
        raise NotImplementedError

    def _check_axis(self, name: str, other: Any, axis: Any) -> None:
        """Raise an error if an operation along an axis is not one of each value with the operand in its row."""

    def _of_rows(self, other: Any) -> Any:
        """Return an operand whose values are those of the rows."""
        return uploaded(other, self)

    def _matched(self: T, other: Any) -> tuple[T, Any]:
        """Return this object and an operand over the same rows, which are matched by their labels."""
        return self, other

    def _fill_both(self: T, other: Any, fill_value: Any) -> tuple[T, Any]:
        """Return this object and an operand, in which missing values are replaced where only one of the two is missing."""
        raise NotImplementedError

    def _arithmetic(self: T, name: str, other: Any, swapped: bool, axis: Any, level: Any, fill_value: Any) -> T:
        left, right = self._operands(name, other, axis, level, fill_value)
        made: T = left._operate(name, right, swapped)
        return _checked(made, name, other)

    def _comparison(self: T, name: str, other: Any, axis: Any, level: Any, fill_value: Any) -> T:
        left, right = self._operands(name, other, axis, level, fill_value)
        made: T = left._compare(name, right)
        return _checked(made, name, other)

    def _operands(self: T, name: str, other: Any, axis: Any, level: Any, fill_value: Any) -> tuple[T, Any]:
        """Return the operands of an operation with the arguments of pandas' methods."""
        if level is not None:
            raise NotImplementedError(f"{name}: level must be None; use reset_index, and merge on the level")
        self._check_axis(name, other, axis)
        if axis in (0, "index"):
            other = self._of_rows(other)
        self, other = self._matched(other)
        return (self, other) if fill_value is None else self._fill_both(other, fill_value)

    def _reduce(self, name: str, axis: Any, numeric_only: bool, arguments: dict[str, Any], **how: Any) -> Any:
        raise NotImplementedError

    def _apply_ufunc(self, name: str, others: tuple[Any, ...]) -> Any:
        """Apply a NumPy function, with this object as its first argument."""
        raise NotImplementedError

    __hash__ = object.__hash__

    if TYPE_CHECKING:

        def compute(self, **arguments: Any) -> Any:
            """Run the plan."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **arguments: Any) -> Any:
        """Support NumPy functions such as ``numpy.log(column)``, which return plans."""
        (out,) = arguments.pop("out", None) or (None,)
        if method != "__call__" or arguments:
            return NotImplemented
        from ._ufuncs import apply_ufunc

        made = apply_ufunc(self, ufunc.__name__, inputs)
        if out is None or made is NotImplemented:
            return made
        if type(out) is not type(made):
            raise TypeError(f"out= must be a {type(made).__name__}, not {type(out).__name__}")
        if hasattr(out, "_columns") and len(out._columns) != len(made._columns):
            raise ValueError(f"out= must have {len(made._columns)} columns, not {len(out._columns)}")
        out._become(made)
        return out

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Compute the values as a NumPy array."""
        import numpy as np

        return np.asarray(self.compute(), dtype=dtype)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Return the value to which a NumPy function reduced this object. Others have no rows of a plan.

        Raises
        ------
        NotImplementedError
            If the function returns an array, of which pandas makes an object with an index.
        """
        if array.ndim:
            name, frame = "", sys._getframe(1)
            while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "numpy":
                name, frame = frame.f_code.co_name, frame.f_back
            raise NotImplementedError(
                f"`{name}` is not implemented for {type(self).__name__}; use a method of the same meaning, or "
                "np.asarray(..) for an array in memory"
            )
        return array[()]

    def __pos__(self: T) -> T:
        return self

    def add(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the sum ``self + other``."""
        return self._arithmetic("add", other, False, axis, level, fill_value)

    def __add__(self: T, other: Any) -> T:
        self._check_axis("add", other, None)
        made: T = self._operate("add", other)
        return made

    def radd(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the sum ``other + self``."""
        return self._arithmetic("add", other, True, axis, level, fill_value)

    def __radd__(self: T, other: Any) -> T:
        self._check_axis("add", other, None)
        made: T = self._operate("add", other, True)
        return made

    def sub(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the difference ``self - other``."""
        return self._arithmetic("sub", other, False, axis, level, fill_value)

    def __sub__(self: T, other: Any) -> T:
        self._check_axis("sub", other, None)
        made: T = self._operate("sub", other)
        return made

    def rsub(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the difference ``other - self``."""
        return self._arithmetic("sub", other, True, axis, level, fill_value)

    def __rsub__(self: T, other: Any) -> T:
        self._check_axis("sub", other, None)
        made: T = self._operate("sub", other, True)
        return made

    def mul(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the product ``self * other``."""
        return self._arithmetic("mul", other, False, axis, level, fill_value)

    def __mul__(self: T, other: Any) -> T:
        self._check_axis("mul", other, None)
        made: T = self._operate("mul", other)
        return made

    def rmul(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the product ``other * self``."""
        return self._arithmetic("mul", other, True, axis, level, fill_value)

    def __rmul__(self: T, other: Any) -> T:
        self._check_axis("mul", other, None)
        made: T = self._operate("mul", other, True)
        return made

    def truediv(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the quotient ``self / other``."""
        return self._arithmetic("truediv", other, False, axis, level, fill_value)

    def __truediv__(self: T, other: Any) -> T:
        self._check_axis("truediv", other, None)
        made: T = self._operate("truediv", other)
        return made

    def rtruediv(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the quotient ``other / self``."""
        return self._arithmetic("truediv", other, True, axis, level, fill_value)

    def __rtruediv__(self: T, other: Any) -> T:
        self._check_axis("truediv", other, None)
        made: T = self._operate("truediv", other, True)
        return made

    def floordiv(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the floor of the quotient, ``self // other``."""
        return self._arithmetic("floordiv", other, False, axis, level, fill_value)

    def __floordiv__(self: T, other: Any) -> T:
        self._check_axis("floordiv", other, None)
        made: T = self._operate("floordiv", other)
        return made

    def rfloordiv(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the floor of the quotient, ``other // self``."""
        return self._arithmetic("floordiv", other, True, axis, level, fill_value)

    def __rfloordiv__(self: T, other: Any) -> T:
        self._check_axis("floordiv", other, None)
        made: T = self._operate("floordiv", other, True)
        return made

    def mod(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the remainder ``self % other``, with the sign of the divisor."""
        return self._arithmetic("mod", other, False, axis, level, fill_value)

    def __mod__(self: T, other: Any) -> T:
        self._check_axis("mod", other, None)
        made: T = self._operate("mod", other)
        return made

    def rmod(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the remainder ``other % self``, with the sign of the divisor."""
        return self._arithmetic("mod", other, True, axis, level, fill_value)

    def __rmod__(self: T, other: Any) -> T:
        self._check_axis("mod", other, None)
        made: T = self._operate("mod", other, True)
        return made

    def pow(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the power ``self ** other``."""
        return self._arithmetic("pow", other, False, axis, level, fill_value)

    def __pow__(self: T, other: Any) -> T:
        self._check_axis("pow", other, None)
        made: T = self._operate("pow", other)
        return made

    def rpow(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return the power ``other ** self``."""
        return self._arithmetic("pow", other, True, axis, level, fill_value)

    def __rpow__(self: T, other: Any) -> T:
        self._check_axis("pow", other, None)
        made: T = self._operate("pow", other, True)
        return made

    def divmod(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> tuple[T, T]:
        """Return the floor of the quotient and the remainder: ``self // other, self % other``."""
        options = {"axis": axis, "level": level, "fill_value": fill_value}
        return self.floordiv(other, **options), self.mod(other, **options)

    def __divmod__(self: T, other: Any) -> tuple[T, T]:
        return self // other, self % other

    def rdivmod(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> tuple[T, T]:
        """Return the floor of the quotient and the remainder: ``other // self, other % self``."""
        options = {"axis": axis, "level": level, "fill_value": fill_value}
        return self.rfloordiv(other, **options), self.rmod(other, **options)

    def __rdivmod__(self: T, other: Any) -> tuple[T, T]:
        return other // self, other % self

    div = truediv
    divide = truediv
    rdiv = rtruediv
    multiply = mul
    subtract = sub

    def eq(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return ``self == other``, which is false for missing values except in nullable types."""
        return self._comparison("eq", other, axis, level, fill_value)

    def __eq__(self: T, other: Any) -> T:  # type: ignore[override]
        self._check_axis("eq", other, None)
        made: T = self._compare("eq", other)
        return made

    def ne(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return ``self != other``, which is true for missing values except in nullable types."""
        return self._comparison("ne", other, axis, level, fill_value)

    def __ne__(self: T, other: Any) -> T:  # type: ignore[override]
        self._check_axis("ne", other, None)
        made: T = self._compare("ne", other)
        return made

    def lt(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return ``self < other``, which is false for missing values except in nullable types."""
        return self._comparison("lt", other, axis, level, fill_value)

    def __lt__(self: T, other: Any) -> T:
        self._check_axis("lt", other, None)
        made: T = self._compare("lt", other)
        return made

    def le(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return ``self <= other``, which is false for missing values except in nullable types."""
        return self._comparison("le", other, axis, level, fill_value)

    def __le__(self: T, other: Any) -> T:
        self._check_axis("le", other, None)
        made: T = self._compare("le", other)
        return made

    def gt(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return ``self > other``, which is false for missing values except in nullable types."""
        return self._comparison("gt", other, axis, level, fill_value)

    def __gt__(self: T, other: Any) -> T:
        self._check_axis("gt", other, None)
        made: T = self._compare("gt", other)
        return made

    def ge(self: T, other: Any, *, axis: Any = None, level: Any = None, fill_value: Any = None) -> T:
        """Return ``self >= other``, which is false for missing values except in nullable types."""
        return self._comparison("ge", other, axis, level, fill_value)

    def __ge__(self: T, other: Any) -> T:
        self._check_axis("ge", other, None)
        made: T = self._compare("ge", other)
        return made

    def sum(
        self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, min_count: int = 0, **arguments: Any
    ) -> Any:
        """Return the sum of the values, ignoring missing values."""
        return self._reduce("sum", axis, numeric_only, arguments, skipna=skipna, min_count=min_count)

    def prod(
        self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, min_count: int = 0, **arguments: Any
    ) -> Any:
        """Return the product of the values, ignoring missing values. Integer overflow wraps around, as in NumPy."""
        return self._reduce("prod", axis, numeric_only, arguments, skipna=skipna, min_count=min_count)

    product = prod

    def mean(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return the mean of the values, ignoring missing values."""
        return self._reduce("mean", axis, numeric_only, arguments, skipna=skipna)

    def min(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return the smallest value, ignoring missing values."""
        return self._reduce("min", axis, numeric_only, arguments, skipna=skipna)

    def max(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return the largest value, ignoring missing values."""
        return self._reduce("max", axis, numeric_only, arguments, skipna=skipna)

    def std(
        self, axis: Any = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False, **arguments: Any
    ) -> Any:
        """Return the standard deviation (by default of a sample), ignoring missing values."""
        return self._reduce("std", axis, numeric_only, arguments, skipna=skipna, ddof=ddof)

    def var(
        self, axis: Any = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False, **arguments: Any
    ) -> Any:
        """Return the variance (by default of a sample), ignoring missing values."""
        return self._reduce("var", axis, numeric_only, arguments, skipna=skipna, ddof=ddof)

    def sem(
        self, axis: Any = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False, **arguments: Any
    ) -> Any:
        """Return the standard error of the mean, ignoring missing values."""
        return self._reduce("sem", axis, numeric_only, arguments, skipna=skipna, ddof=ddof)

    def median(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """Return the exact median of the values, ignoring missing values."""
        return self._reduce("median", axis, numeric_only, arguments, skipna=skipna)

    def median_approximate(
        self, axis: Any = 0, method: str = "default", numeric_only: bool = False, **arguments: Any
    ) -> Any:
        """Return the median of the values, which is exact here: :meth:`median`."""
        if method not in ("default", "dask", "tdigest"):
            raise ValueError(f"median_approximate: method must be 'default', 'dask' or 'tdigest', not {method!r}")
        return self.median(axis, numeric_only=numeric_only, **arguments)


def _checked(made: T, name: str, other: Any) -> T:
    if made is NotImplemented:
        raise TypeError(f"{name}() cannot combine this object with one of type {type(other).__name__}")
    return made
