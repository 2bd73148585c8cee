"""Operators and reductions that columns and frames have alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["Operators"]

T = TypeVar("T", bound="Operators")


class Operators:
    """Arithmetic and comparisons, element by element, by sign and by name."""

    def _operate(self, name: str, other: Any, swapped: bool = False) -> Any:
        raise NotImplementedError

    def _compare(self, name: str, other: Any) -> Any:
        raise NotImplementedError

    def _reduce(self, name: str, axis: Any, numeric_only: bool, arguments: dict[str, Any], **how: Any) -> Any:
        raise NotImplementedError

    def _apply_ufunc(self, name: str, others: tuple[Any, ...]) -> Any:
        """A function of NumPy, with this as its first argument."""
        raise NotImplementedError

    __hash__ = object.__hash__

    if TYPE_CHECKING:

        def compute(self, **arguments: Any) -> Any:
            """Runs the plan."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **arguments: Any) -> Any:
        """``numpy.log(column)`` and its like are plans too."""
        if method != "__call__" or arguments:
            return NotImplemented
        from ._ufuncs import called

        return called(self, ufunc.__name__, inputs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """The values, which are computed, as NumPy has them."""
        import numpy as np

        return np.asarray(self.compute(), dtype=dtype)

    def __pos__(self: T) -> T:
        return self

    def add(self: T, other: Any) -> T:
        """The sum."""
        made: T = self._operate("add", other)
        return made

    def __add__(self: T, other: Any) -> T:
        made: T = self._operate("add", other)
        return made

    def radd(self: T, other: Any) -> T:
        """The sum, with the sides exchanged."""
        made: T = self._operate("add", other, True)
        return made

    def __radd__(self: T, other: Any) -> T:
        made: T = self._operate("add", other, True)
        return made

    def sub(self: T, other: Any) -> T:
        """The difference."""
        made: T = self._operate("sub", other)
        return made

    def __sub__(self: T, other: Any) -> T:
        made: T = self._operate("sub", other)
        return made

    def rsub(self: T, other: Any) -> T:
        """The difference, with the sides exchanged."""
        made: T = self._operate("sub", other, True)
        return made

    def __rsub__(self: T, other: Any) -> T:
        made: T = self._operate("sub", other, True)
        return made

    def mul(self: T, other: Any) -> T:
        """The product."""
        made: T = self._operate("mul", other)
        return made

    def __mul__(self: T, other: Any) -> T:
        made: T = self._operate("mul", other)
        return made

    def rmul(self: T, other: Any) -> T:
        """The product, with the sides exchanged."""
        made: T = self._operate("mul", other, True)
        return made

    def __rmul__(self: T, other: Any) -> T:
        made: T = self._operate("mul", other, True)
        return made

    def truediv(self: T, other: Any) -> T:
        """The quotient."""
        made: T = self._operate("truediv", other)
        return made

    def __truediv__(self: T, other: Any) -> T:
        made: T = self._operate("truediv", other)
        return made

    def rtruediv(self: T, other: Any) -> T:
        """The quotient, with the sides exchanged."""
        made: T = self._operate("truediv", other, True)
        return made

    def __rtruediv__(self: T, other: Any) -> T:
        made: T = self._operate("truediv", other, True)
        return made

    def floordiv(self: T, other: Any) -> T:
        """The quotient, towards minus infinity."""
        made: T = self._operate("floordiv", other)
        return made

    def __floordiv__(self: T, other: Any) -> T:
        made: T = self._operate("floordiv", other)
        return made

    def rfloordiv(self: T, other: Any) -> T:
        """The quotient, towards minus infinity, with the sides exchanged."""
        made: T = self._operate("floordiv", other, True)
        return made

    def __rfloordiv__(self: T, other: Any) -> T:
        made: T = self._operate("floordiv", other, True)
        return made

    def mod(self: T, other: Any) -> T:
        """What is left of a division, with the divisor's sign."""
        made: T = self._operate("mod", other)
        return made

    def __mod__(self: T, other: Any) -> T:
        made: T = self._operate("mod", other)
        return made

    def rmod(self: T, other: Any) -> T:
        """What is left of a division, with the divisor's sign, with the sides exchanged."""
        made: T = self._operate("mod", other, True)
        return made

    def __rmod__(self: T, other: Any) -> T:
        made: T = self._operate("mod", other, True)
        return made

    def pow(self: T, other: Any) -> T:
        """The power."""
        made: T = self._operate("pow", other)
        return made

    def __pow__(self: T, other: Any) -> T:
        made: T = self._operate("pow", other)
        return made

    def rpow(self: T, other: Any) -> T:
        """The power, with the sides exchanged."""
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
        """Whether it is equal. Where a value is missing, as pandas has it: it is not."""
        made: T = self._compare("eq", other)
        return made

    def __eq__(self: T, other: Any) -> T:  # type: ignore[override]
        made: T = self._compare("eq", other)
        return made

    def ne(self: T, other: Any) -> T:
        """Whether it is not equal. Where a value is missing, as pandas has it: it is."""
        made: T = self._compare("ne", other)
        return made

    def __ne__(self: T, other: Any) -> T:  # type: ignore[override]
        made: T = self._compare("ne", other)
        return made

    def lt(self: T, other: Any) -> T:
        """Whether it is less. Where a value is missing, as pandas has it: it is not."""
        made: T = self._compare("lt", other)
        return made

    def __lt__(self: T, other: Any) -> T:
        made: T = self._compare("lt", other)
        return made

    def le(self: T, other: Any) -> T:
        """Whether it is not more. Where a value is missing, as pandas has it: it is not."""
        made: T = self._compare("le", other)
        return made

    def __le__(self: T, other: Any) -> T:
        made: T = self._compare("le", other)
        return made

    def gt(self: T, other: Any) -> T:
        """Whether it is more. Where a value is missing, as pandas has it: it is not."""
        made: T = self._compare("gt", other)
        return made

    def __gt__(self: T, other: Any) -> T:
        made: T = self._compare("gt", other)
        return made

    def ge(self: T, other: Any) -> T:
        """Whether it is not less. Where a value is missing, as pandas has it: it is not."""
        made: T = self._compare("ge", other)
        return made

    def __ge__(self: T, other: Any) -> T:
        made: T = self._compare("ge", other)
        return made

    def sum(
        self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, min_count: int = 0, **arguments: Any
    ) -> Any:
        """The sum of the values that are not missing."""
        return self._reduce("sum", axis, numeric_only, arguments, skipna=skipna, min_count=min_count)

    def prod(
        self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, min_count: int = 0, **arguments: Any
    ) -> Any:
        """The product of the values that are not missing. Whole numbers that become too large wrap around, as in NumPy."""
        return self._reduce("prod", axis, numeric_only, arguments, skipna=skipna, min_count=min_count)

    product = prod

    def mean(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """The mean of the values that are not missing."""
        return self._reduce("mean", axis, numeric_only, arguments, skipna=skipna)

    def min(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """The least of the values that are not missing."""
        return self._reduce("min", axis, numeric_only, arguments, skipna=skipna)

    def max(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """The most of the values that are not missing."""
        return self._reduce("max", axis, numeric_only, arguments, skipna=skipna)

    def std(
        self, axis: Any = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False, **arguments: Any
    ) -> Any:
        """The standard deviation of the values that are not missing, by default that of a sample."""
        return self._reduce("std", axis, numeric_only, arguments, skipna=skipna, ddof=ddof)

    def var(
        self, axis: Any = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False, **arguments: Any
    ) -> Any:
        """The variance of the values that are not missing, by default that of a sample."""
        return self._reduce("var", axis, numeric_only, arguments, skipna=skipna, ddof=ddof)

    def sem(
        self, axis: Any = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False, **arguments: Any
    ) -> Any:
        """The standard error of the mean of the values that are not missing."""
        return self._reduce("sem", axis, numeric_only, arguments, skipna=skipna, ddof=ddof)

    def median(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, **arguments: Any) -> Any:
        """The median, exactly of the values that are not missing."""
        return self._reduce("median", axis, numeric_only, arguments, skipna=skipna)
