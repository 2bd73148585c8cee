"""Operators and reductions that columns and frames share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["Operators"]

T = TypeVar("T", bound="Operators")


class Operators:
    """Elementwise arithmetic and comparisons, as operators and as methods."""

    def _operate(self, name: str, other: Any, swapped: bool = False) -> Any:
        raise NotImplementedError

    def _compare(self, name: str, other: Any) -> Any:
        raise NotImplementedError

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
        if method != "__call__" or arguments:
            return NotImplemented
        from ._ufuncs import apply_ufunc

        return apply_ufunc(self, ufunc.__name__, inputs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Compute the values as a NumPy array."""
        import numpy as np

        return np.asarray(self.compute(), dtype=dtype)

    def __pos__(self: T) -> T:
        return self

    def add(self: T, other: Any) -> T:
        """Return the sum ``self + other``."""
        made: T = self._operate("add", other)
        return made

    def __add__(self: T, other: Any) -> T:
        made: T = self._operate("add", other)
        return made

    def radd(self: T, other: Any) -> T:
        """Return the sum ``other + self``."""
        made: T = self._operate("add", other, True)
        return made

    def __radd__(self: T, other: Any) -> T:
        made: T = self._operate("add", other, True)
        return made

    def sub(self: T, other: Any) -> T:
        """Return the difference ``self - other``."""
        made: T = self._operate("sub", other)
        return made

    def __sub__(self: T, other: Any) -> T:
        made: T = self._operate("sub", other)
        return made

    def rsub(self: T, other: Any) -> T:
        """Return the difference ``other - self``."""
        made: T = self._operate("sub", other, True)
        return made

    def __rsub__(self: T, other: Any) -> T:
        made: T = self._operate("sub", other, True)
        return made

    def mul(self: T, other: Any) -> T:
        """Return the product ``self * other``."""
        made: T = self._operate("mul", other)
        return made

    def __mul__(self: T, other: Any) -> T:
        made: T = self._operate("mul", other)
        return made

    def rmul(self: T, other: Any) -> T:
        """Return the product ``other * self``."""
        made: T = self._operate("mul", other, True)
        return made

    def __rmul__(self: T, other: Any) -> T:
        made: T = self._operate("mul", other, True)
        return made

    def truediv(self: T, other: Any) -> T:
        """Return the quotient ``self / other``."""
        made: T = self._operate("truediv", other)
        return made

    def __truediv__(self: T, other: Any) -> T:
        made: T = self._operate("truediv", other)
        return made

    def rtruediv(self: T, other: Any) -> T:
        """Return the quotient ``other / self``."""
        made: T = self._operate("truediv", other, True)
        return made

    def __rtruediv__(self: T, other: Any) -> T:
        made: T = self._operate("truediv", other, True)
        return made

    def floordiv(self: T, other: Any) -> T:
        """Return the floor of the quotient, ``self // other``."""
        made: T = self._operate("floordiv", other)
        return made

    def __floordiv__(self: T, other: Any) -> T:
        made: T = self._operate("floordiv", other)
        return made

    def rfloordiv(self: T, other: Any) -> T:
        """Return the floor of the quotient, ``other // self``."""
        made: T = self._operate("floordiv", other, True)
        return made

    def __rfloordiv__(self: T, other: Any) -> T:
        made: T = self._operate("floordiv", other, True)
        return made

    def mod(self: T, other: Any) -> T:
        """Return the remainder ``self % other``, with the sign of the divisor."""
        made: T = self._operate("mod", other)
        return made

    def __mod__(self: T, other: Any) -> T:
        made: T = self._operate("mod", other)
        return made

    def rmod(self: T, other: Any) -> T:
        """Return the remainder ``other % self``, with the sign of the divisor."""
        made: T = self._operate("mod", other, True)
        return made

    def __rmod__(self: T, other: Any) -> T:
        made: T = self._operate("mod", other, True)
        return made

    def pow(self: T, other: Any) -> T:
        """Return the power ``self ** other``."""
        made: T = self._operate("pow", other)
        return made

    def __pow__(self: T, other: Any) -> T:
        made: T = self._operate("pow", other)
        return made

    def rpow(self: T, other: Any) -> T:
        """Return the power ``other ** self``."""
        made: T = self._operate("pow", other, True)
        return made

    def __rpow__(self: T, other: Any) -> T:
        made: T = self._operate("pow", other, True)
        return made

    div = truediv
    divide = truediv
    multiply = mul
    subtract = sub

    def eq(self: T, other: Any) -> T:
        """Return ``self == other``, which is false for missing values except in nullable types."""
        made: T = self._compare("eq", other)
        return made

    def __eq__(self: T, other: Any) -> T:  # type: ignore[override]
        made: T = self._compare("eq", other)
        return made

    def ne(self: T, other: Any) -> T:
        """Return ``self != other``, which is true for missing values except in nullable types."""
        made: T = self._compare("ne", other)
        return made

    def __ne__(self: T, other: Any) -> T:  # type: ignore[override]
        made: T = self._compare("ne", other)
        return made

    def lt(self: T, other: Any) -> T:
        """Return ``self < other``, which is false for missing values except in nullable types."""
        made: T = self._compare("lt", other)
        return made

    def __lt__(self: T, other: Any) -> T:
        made: T = self._compare("lt", other)
        return made

    def le(self: T, other: Any) -> T:
        """Return ``self <= other``, which is false for missing values except in nullable types."""
        made: T = self._compare("le", other)
        return made

    def __le__(self: T, other: Any) -> T:
        made: T = self._compare("le", other)
        return made

    def gt(self: T, other: Any) -> T:
        """Return ``self > other``, which is false for missing values except in nullable types."""
        made: T = self._compare("gt", other)
        return made

    def __gt__(self: T, other: Any) -> T:
        made: T = self._compare("gt", other)
        return made

    def ge(self: T, other: Any) -> T:
        """Return ``self >= other``, which is false for missing values except in nullable types."""
        made: T = self._compare("ge", other)
        return made

    def __ge__(self: T, other: Any) -> T:
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
