"""Datasets, data arrays and variables of xarray as arguments: the arrays of this package in them are found and replaced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .array import Array

__all__ = ["arrays_in", "fill_arrays", "replace_arrays", "take_arrays"]


class Hole:
    """Stands for an array in a variable."""

    __slots__ = ("dtype", "shape")

    def __init__(self, array: Any) -> None:
        self.shape = array.shape
        self.dtype = array.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


def _variables(value: Any) -> list[Any]:
    """Return the variables of a value, which is of xarray."""
    if hasattr(value, "data_vars"):
        return list(value.variables.values())
    if hasattr(value, "coords"):
        return [value.variable, *value._coords.values()]
    return [value] if hasattr(value, "_data") else []


def arrays_in(value: Any) -> list[Array]:
    """Return the arrays of this package in a value of xarray; none in any other value."""
    if not any(one.__module__.startswith("xarray.") for one in type(value).__mro__):
        return []
    from .array import Array

    return [one._data for one in _variables(value) if isinstance(one._data, Array)]


def replace_arrays(value: Any, arrays: Iterable[Any]) -> Any:
    """Return a value of xarray with others in the place of its arrays of this package."""
    from .array import Array

    return _with_data(value, (Array, Hole), iter(arrays))


def take_arrays(value: Any) -> tuple[Any, list[Array]]:
    """Return a value of xarray without its arrays of this package, for :func:`fill_arrays`, and the arrays."""
    arrays = arrays_in(value)
    return replace_arrays(value, [Hole(one) for one in arrays]), arrays


def fill_arrays(value: Any, *arrays: Any) -> Any:
    """Return a value of xarray from what :func:`take_arrays` returned and the arrays."""
    return _with_data(value, (Hole,), iter(arrays))


def _with_data(value: Any, kinds: tuple[type, ...], data: Any) -> Any:
    found = value.copy(deep=False)
    for variable in _variables(found):
        if isinstance(variable._data, kinds):
            # The shape is the same: the checks of the setter would ask what is in the place of the data.
            variable._data = next(data)
    return found
