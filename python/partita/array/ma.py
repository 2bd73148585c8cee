"""Masked arrays: functions of ``numpy.ma``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._core import Array
from ._elementwise import as_array, elemwise
from ._statistics import weighted_mean
from ._tree import reduction

__all__ = [
    "average",
    "count",
    "empty_like",
    "filled",
    "fix_invalid",
    "getdata",
    "getmaskarray",
    "masked_array",
    "masked_equal",
    "masked_greater",
    "masked_greater_equal",
    "masked_inside",
    "masked_invalid",
    "masked_less",
    "masked_less_equal",
    "masked_not_equal",
    "masked_outside",
    "masked_values",
    "masked_where",
    "nonzero",
    "ones_like",
    "set_fill_value",
    "where",
    "zeros_like",
]


def _masked_meta(a: Any, dtype: Any = None) -> Any:
    return np.ma.array(np.empty((0,) * a.ndim, dtype=a.dtype if dtype is None else dtype), mask=False)


def _blocks(
    function: Callable[..., Any], a: Any, *args: Any, meta: Any = None, dtype: Any = None, **kwargs: Any
) -> Any:
    """Apply a function of ``numpy.ma`` to the blocks of an array."""
    from ._axis_maps import Axis, Read
    from ._blocks import Fill
    from ._core import array_of
    from ._expression import Node

    a = as_array(a)
    call: Any = Fill(function, (None, *[(one,) for one in args]), kwargs) if args or kwargs else function
    if meta is None:
        meta = _masked_meta(a, dtype)
    label = function.__name__
    return array_of(Node(label, a.chunks, meta, call, [Read(a._node, [Axis(axis) for axis in range(a.ndim)])]))


def filled(a: Any, fill_value: Any = None) -> Any:
    """Return an array with a value in place of masked items, as ``numpy.ma.filled``."""
    a = as_array(a)
    return _blocks(np.ma.filled, a, meta=np.empty((0,) * a.ndim, dtype=a.dtype), fill_value=fill_value)


class Masked:
    """A function of ``numpy.ma`` of two blocks."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = function.__name__

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __dask_tokenize__(self) -> Any:
        return "masked", self.function


def _compared(name: str) -> Callable[..., Any]:
    numpy_function = getattr(np.ma, name)

    def function(a: Any, value: Any) -> Any:
        from ._axis_maps import Read
        from ._core import array_of
        from ._elementwise import align, broadcast_axes
        from ._expression import Node

        a, value = as_array(a), as_array(np.asarray(value) if not hasattr(value, "shape") else value)
        chunks, arrays = align([a, value])
        meta = np.ma.array(np.empty((0,) * len(chunks), dtype=a.dtype), mask=False)
        reads = [Read(one._node, broadcast_axes(one, chunks)) for one in arrays]
        return array_of(Node(name, chunks, meta, Masked(numpy_function), reads))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As ``numpy.ma.{name}``."
    return function


masked_greater = _compared("masked_greater")
masked_greater_equal = _compared("masked_greater_equal")
masked_less = _compared("masked_less")
masked_less_equal = _compared("masked_less_equal")
masked_not_equal = _compared("masked_not_equal")


def masked_equal(a: Any, value: Any) -> Any:
    """Mask items that are equal to a value, as ``numpy.ma.masked_equal``."""
    if getattr(value, "shape", ()):
        raise ValueError("da.ma.masked_equal doesn't support array `value`s")
    return _blocks(np.ma.masked_equal, a, value)


def masked_invalid(a: Any) -> Any:
    """Mask NaN and infinities, as ``numpy.ma.masked_invalid``."""
    return _blocks(np.ma.masked_invalid, a)


def masked_inside(x: Any, v1: Any, v2: Any) -> Any:
    """Mask items in a range, as ``numpy.ma.masked_inside``."""
    return _blocks(np.ma.masked_inside, x, v1, v2)


def masked_outside(x: Any, v1: Any, v2: Any) -> Any:
    """Mask items outside of a range, as ``numpy.ma.masked_outside``."""
    return _blocks(np.ma.masked_outside, x, v1, v2)


def masked_values(x: Any, value: Any, rtol: float = 1e-05, atol: float = 1e-08, shrink: bool = True) -> Any:
    """Mask items near a value, as ``numpy.ma.masked_values``."""
    if getattr(value, "shape", ()):
        raise ValueError("da.ma.masked_values doesn't support array `value`s")
    return _blocks(np.ma.masked_values, x, value, rtol=rtol, atol=atol, shrink=shrink)


def fix_invalid(a: Any, fill_value: Any = None) -> Any:
    """Mask NaN and infinities and replace their data, as ``numpy.ma.fix_invalid``."""
    return _blocks(np.ma.fix_invalid, a, fill_value=fill_value)


def getdata(a: Any) -> Any:
    """Return the data without the mask, as ``numpy.ma.getdata``."""
    a = as_array(a)
    return _blocks(np.ma.getdata, a, meta=np.empty((0,) * a.ndim, dtype=a.dtype))


def getmaskarray(a: Any) -> Any:
    """Return the mask, as ``numpy.ma.getmaskarray``."""
    a = as_array(a)
    return _blocks(np.ma.getmaskarray, a, meta=np.empty((0,) * a.ndim, dtype=bool))


def masked_where(condition: Any, a: Any) -> Any:
    """Mask items where a condition is true, as ``numpy.ma.masked_where``."""
    condition_shape = getattr(condition, "shape", ())
    a_shape = getattr(a, "shape", ())
    if condition_shape and condition_shape != a_shape:
        raise IndexError(
            f"Inconsistent shape between the condition and the input (got {condition_shape} and {a_shape})"
        )
    return _with_masked_meta(
        Masked(np.ma.masked_where),
        as_array(np.asarray(condition) if not hasattr(condition, "shape") else condition),
        as_array(a),
    )


def _with_masked_meta(function: Any, condition: Any, a: Any, dtype: Any = None) -> Any:
    from ._axis_maps import Read
    from ._core import array_of
    from ._elementwise import align, broadcast_axes
    from ._expression import Node

    chunks, arrays = align([condition, a])
    meta = np.ma.array(np.empty((0,) * len(chunks), dtype=a.dtype if dtype is None else dtype), mask=False)
    reads = [Read(one._node, broadcast_axes(one, chunks)) for one in arrays]
    return array_of(Node(function.__name__, chunks, meta, function, reads))


def masked_block(data: Any, *mask: Any, fill_value: Any, dtype: Any, keep_mask: bool, shrink: bool) -> Any:
    """Return a masked block."""
    given = {} if not mask else {"mask": np.broadcast_to(mask[0], np.shape(data)) if np.ndim(mask[0]) == 0 else mask[0]}
    return getattr(np.ma, "masked_array")(
        data, dtype=dtype, fill_value=fill_value, keep_mask=keep_mask, shrink=shrink, **given
    )


def masked_array(data: Any, mask: Any = np.ma.nomask, fill_value: Any = None, **kwargs: Any) -> Any:
    """Return an array with a mask, as ``numpy.ma.masked_array``.

    Parameters
    ----------
    data : array
        The array.
    mask : array of bool, optional
        Which items are masked.
    fill_value : scalar, optional
        The value in place of masked items.
    **kwargs
        ``dtype``, ``keep_mask`` and ``shrink``, as in NumPy.
    """
    from ._axis_maps import Read
    from ._core import array_of
    from ._elementwise import align, broadcast_axes
    from ._expression import Node

    dtype = kwargs.pop("dtype", None)
    chunks_given = kwargs.pop("chunks", None)
    if chunks_given is not None and not isinstance(data, Array):
        from ._from_array import from_array

        data = from_array(np.asanyarray(data), chunks=chunks_given)
    data = as_array(data)
    params = {"dtype": dtype, "keep_mask": kwargs.pop("keep_mask", True), "shrink": kwargs.pop("shrink", True)}
    if kwargs:
        raise TypeError(f"masked_array() does not support the argument {next(iter(kwargs))!r}")
    if getattr(fill_value, "shape", ()):
        raise ValueError("non-scalar fill_value not supported")
    arrays = [data]
    if mask is not np.ma.nomask:
        mask = as_array(np.asarray(mask) if not hasattr(mask, "shape") else mask)
        if mask.size == 1:
            mask = mask.reshape((1,) * data.ndim) if data.ndim else mask.reshape(())
        elif data.shape != mask.shape:
            raise np.ma.MaskError(
                f"Mask and data not compatible: data shape is {data.shape}, and mask shape is {mask.shape}."
            )
        arrays.append(mask)
    chunks, arrays = align(arrays)
    meta = _masked_meta(data, dtype)
    reads = [Read(one._node, broadcast_axes(one, chunks)) for one in arrays]
    node = Node("masked_array", chunks, meta, masked_block, reads, params={**params, "fill_value": fill_value})
    return array_of(node)


def fill_value_block(block: Any, fill_value: Any) -> Any:
    """Return a block with another value in place of masked items."""
    if isinstance(block, np.ma.MaskedArray):
        block = block.copy()
        block.set_fill_value(fill_value)
    return block


def set_fill_value(a: Any, fill_value: Any) -> None:
    """Set the value in place of masked items, in place, as ``numpy.ma.set_fill_value``."""
    a = as_array(a)
    if getattr(fill_value, "shape", ()):
        raise ValueError("da.ma.set_fill_value doesn't support array `value`s")
    if isinstance(a._meta, np.ma.MaskedArray):
        # Raises an error for a value that does not fit the dtype.
        a._meta.copy().set_fill_value(fill_value)
    a._become(_blocks(fill_value_block, a, meta=a._meta, fill_value=fill_value))


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False) -> Any:
    """Return the weighted mean of the items that are not masked, as ``numpy.ma.average``."""
    return weighted_mean(a, axis, weights, returned, keepdims, is_masked=True)


def count_block(block: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the number of items of a block that are not masked."""
    return getattr(np.ma, "count")(block, axis=axis, keepdims=keepdims)


def count(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None) -> Any:
    """Return the number of items that are not masked, as ``numpy.ma.count``."""
    meta = np.empty((), dtype=np.intp)
    return reduction(
        a,
        count_block,
        np.sum,
        axis=axis,
        keepdims=keepdims,
        dtype=np.intp,
        split_every=split_every,
        meta=meta,
        name="count",
    )


class _Like:
    def __init__(self, name: str, dtype: Any) -> None:
        self.name, self.dtype = name, dtype
        self.__name__ = f"{name}_like"

    def __call__(self, block: Any) -> Any:
        return getattr(np.ma, f"{self.name}_like")(block, dtype=self.dtype)

    def __dask_tokenize__(self) -> Any:
        return "like", self.name, str(self.dtype)


def _like(name: str, a: Any, kwargs: dict[str, Any]) -> Any:
    from ._axis_maps import Axis, Read
    from ._core import array_of
    from ._expression import Node

    a = as_array(a)
    dtype = kwargs.pop("dtype", None)
    if kwargs:
        raise TypeError(f"{name}_like() does not support the argument {next(iter(kwargs))!r}")
    reads = [Read(a._node, [Axis(axis) for axis in range(a.ndim)])]
    return array_of(Node(f"{name}_like", a.chunks, _masked_meta(a, dtype), _Like(name, dtype), reads))


def ones_like(a: Any, **kwargs: Any) -> Any:
    """Return an array of ones with the mask of another one."""
    return _like("ones", a, kwargs)


def zeros_like(a: Any, **kwargs: Any) -> Any:
    """Return an array of zeros with the mask of another one."""
    return _like("zeros", a, kwargs)


def empty_like(a: Any, **kwargs: Any) -> Any:
    """Return an array of undefined values with the mask of another one."""
    return _like("empty", a, kwargs)


def nonzero(a: Any) -> Any:
    """Return the indices of items that are neither zero nor masked, as ``numpy.ma.nonzero``."""
    from .routines import nonzero as indices

    return indices(getdata(a) * ~getmaskarray(a))


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Return the items of one of two arrays, as ``numpy.ma.where``."""
    if (x is None) != (y is None):
        raise ValueError("either both or neither of x and y should be given")
    if x is None:
        return nonzero(condition)
    return elemwise(np.ma.where, condition, x, y)
