"""Functions of the Python array API standard that NumPy has by other names, or Dask does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._core import Array
from ._elementwise import as_array
from ._namespace import check_device
from ._shape import normalize_axis

__all__ = [
    "argsort",
    "can_cast",
    "cumulative_prod",
    "cumulative_sum",
    "from_dlpack",
    "isdtype",
    "matrix_transpose",
    "sort",
    "take_along_axis",
    "unstack",
    "vecdot",
]

isdtype = np.isdtype


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Return whether a dtype, or that of an array, can be cast to another one, as ``numpy.can_cast``."""
    return bool(np.can_cast(from_.dtype if isinstance(from_, Array) else from_, to, casting=casting))


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """Return an array of data that another library exports in memory.

    Parameters
    ----------
    x : object
        An array with the method ``__dlpack__``.
    device : str, optional
        Only ``"cpu"``.
    copy : bool, optional
        Accepted for the standard: the data are copied.
    """
    from ._from_array import from_array

    check_device(device)
    if copy is False:
        raise ValueError(
            "from_dlpack() copies the data, since later changes must not change the array; omit copy=False"
        )
    return x if isinstance(x, Array) else from_array(np.from_dlpack(x))


def matrix_transpose(x: Any, /) -> Any:
    """Return the array with its last two axes swapped."""
    return as_array(x).mT


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the dot product of vectors along an axis, with the complex conjugate of the first one."""
    from .ufunc import conj  # type: ignore[attr-defined]

    x1, x2 = as_array(x1), as_array(x2)
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(
            f"vecdot() needs vectors of one length, and axis {axis} has {x1.shape[axis]} and {x2.shape[axis]}"
        )
    product = conj(x1) * x2
    return product.sum(axis=axis, dtype=product.dtype)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Return the arrays at each position along an axis."""
    x = as_array(x)
    axis = normalize_axis(axis, x.ndim)
    return tuple([x[(slice(None),) * axis + (at,)] for at in range(x.shape[axis])])


def _cumulative(name: str, x: Any, axis: int | None, dtype: Any, initial: Any) -> Any:
    from . import reductions
    from ._creation import full
    from ._joining import concatenate

    x = as_array(x)
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"cumulative_{name[3:]}() needs axis= for an array with {x.ndim} dimensions")
        axis = 0
    axis = normalize_axis(axis, x.ndim)
    found = getattr(reductions, name)(x, axis=axis, dtype=dtype)
    if initial is None:
        return found
    shape = tuple([1 if at == axis else size for at, size in enumerate(x.shape)])
    return concatenate([full(shape, initial, dtype=found.dtype), found], axis=axis)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Return the cumulative sum along an axis.

    Parameters
    ----------
    x : array
        The array.
    axis : int, optional
        The axis, which only arrays with one axis may omit.
    dtype : dtype, optional
        Dtype of the result.
    include_initial : bool
        Whether the result begins with 0.
    """
    return _cumulative("cumsum", x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Return the cumulative product along an axis, with the arguments of :func:`cumulative_sum`; the initial value is 1."""
    return _cumulative("cumprod", x, axis, dtype, 1 if include_initial else None)


def sort_block(block: Any, axis: int, descending: bool) -> Any:
    """Return a block sorted along an axis."""
    found = np.sort(block, axis=axis, kind="stable")
    return np.flip(found, axis=axis) if descending else found


def argsort_block(block: Any, axis: int, descending: bool) -> Any:
    """Return the positions that sort a block along an axis. Equal items keep their order."""
    if not descending:
        return np.argsort(block, axis=axis, kind="stable")
    last = block.shape[axis] - 1
    found = np.argsort(np.flip(block, axis=axis), axis=axis, kind="stable")
    return np.flip(last - found, axis=axis)


def _along(function: Any, x: Any, axis: int, descending: bool, dtype: Any) -> Any:
    from ._map_blocks import map_blocks

    x = as_array(x)
    axis = normalize_axis(axis, x.ndim)
    return map_blocks(function, x.rechunk({axis: -1}), axis=axis, descending=descending, dtype=dtype or x.dtype)


def sort(
    x: Any, /, axis: int = -1, kind: Any = None, order: Any = None, *, descending: bool = False, stable: Any = True
) -> Any:
    """Sort along an axis, which becomes one chunk.

    Parameters
    ----------
    x : array
        The array.
    axis : int
        The axis.
    kind, stable
        Accepted for NumPy and the standard: equal items keep their order.
    order
        Not supported.
    descending : bool
        Whether the largest item comes first.
    """
    if order is not None:
        raise NotImplementedError("sort() does not support order=; use map_blocks(numpy.sort)")
    return _along(sort_block, x, axis, descending, None)


def argsort(
    x: Any, /, axis: int = -1, kind: Any = None, order: Any = None, *, descending: bool = False, stable: Any = True
) -> Any:
    """Return the positions that sort an array along an axis, which becomes one chunk; arguments as of :func:`sort`."""
    if order is not None:
        raise NotImplementedError("argsort() does not support order=; use map_blocks(numpy.argsort)")
    return _along(argsort_block, x, axis, descending, np.dtype(np.intp))


def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Any:
    """Return the items at positions along an axis, which becomes one chunk, as ``numpy.take_along_axis``.

    Parameters
    ----------
    x, indices : array
        Arrays with the same number of axes.
    axis : int
        The axis.
    """
    x, indices = as_array(x), as_array(indices)
    if x.ndim != indices.ndim:
        raise ValueError(
            f"take_along_axis() needs as many axes of indices as of the array: {indices.ndim} and {x.ndim}"
        )
    axis = normalize_axis(axis, x.ndim)
    return _take_along(x, indices, axis)


def take_block(block: Any, positions: Any, axis: int) -> Any:
    """Return the items of a block at positions along an axis."""
    return np.take_along_axis(block, positions, axis=axis)


def _take_along(x: Any, indices: Any, axis: int) -> Any:
    from ._blockwise import blockwise

    # The axis of the indices is another one than that of the array: both are in one block.
    labels = tuple(range(x.ndim))
    other = tuple([x.ndim if at == axis else at for at in labels])
    return blockwise(
        take_block,
        other,
        x.rechunk({axis: -1}),
        labels,
        indices.rechunk({axis: -1}),
        other,
        concatenate=True,
        axis=axis,
        dtype=x.dtype,
    )
