"""Inserting, deleting, and differences of items."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ._core import Array
from ._elementwise import as_array
from ._joining import concatenate
from ._shape import broadcast_to, normalize_axes, normalize_axis

__all__ = ["delete", "diff", "ediff1d", "gradient", "insert"]


def _along(axis: int, part: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + (part,)


def _pieces(x: Any, breaks: Any, axis: int) -> list[Any]:
    """Divide an array before each of some positions."""
    bounds = [0, *[int(one) for one in breaks], x.shape[axis]]
    return [x[_along(axis, slice(begin, end))] for begin, end in zip(bounds, bounds[1:])]


def insert(arr: Any, obj: Any, values: Any, axis: int) -> Any:
    """Insert values before positions along an axis, as ``numpy.insert``.

    Parameters
    ----------
    arr : array
        The array.
    obj : int, slice or array of int
        The positions, which must not decrease.
    values : array
        The values.
    axis : int
        The axis.
    """
    arr = as_array(arr)
    axis = normalize_axis(axis, arr.ndim)
    if isinstance(obj, slice):
        obj = np.arange(*obj.indices(arr.shape[axis]))
    obj = np.asarray(obj)
    is_single = obj.ndim == 0
    obj = np.atleast_1d(obj)
    obj = np.where(obj < 0, obj + arr.shape[axis], obj)
    if (np.diff(obj) < 0).any():
        raise NotImplementedError("da.insert only implemented for monotonic ``obj`` argument")
    shape = tuple([len(obj) if at == axis else size for at, size in enumerate(arr.shape)])
    values = as_array(np.asarray(values) if not hasattr(values, "ndim") else values)
    if values.ndim and is_single and values.ndim == arr.ndim - 1:
        values = values[_along(axis, None)]
    values = broadcast_to(values.astype(arr.dtype), shape)
    places = np.unique(obj)
    counts = [int((obj == place).sum()) for place in places]
    new = _pieces(values, np.cumsum(counts)[:-1], axis)
    old = _pieces(arr, places, axis)
    parts = [one for pair in itertools.zip_longest(old, new) for one in pair if one is not None and one.size]
    return concatenate(parts, axis=axis) if parts else arr


def delete(arr: Any, obj: Any, axis: int) -> Any:
    """Delete items at positions along an axis, as ``numpy.delete``. Lazy positions are computed.

    Parameters
    ----------
    arr : array
        The array.
    obj : int, slice or array of int
        The positions.
    axis : int
        The axis.
    """
    arr = as_array(arr)
    axis = normalize_axis(axis, arr.ndim)
    size = arr.shape[axis]
    if isinstance(obj, slice):
        gone = np.arange(*obj.indices(size))
    else:
        gone = np.asarray(obj.compute() if isinstance(obj, Array) else obj)
        if gone.dtype == bool:
            gone = np.flatnonzero(gone)
        gone = np.atleast_1d(gone).astype(np.intp)
        if gone.size and (gone.min() < -size or gone.max() >= size):
            raise IndexError(f"index {gone} is out of bounds for axis {axis} with size {size}")
        gone = np.where(gone < 0, gone + size, gone)
    gone = np.unique(gone)
    if not gone.size:
        return arr
    bounds = [-1, *gone.tolist(), size]
    parts = [arr[_along(axis, slice(begin + 1, end))] for begin, end in zip(bounds, bounds[1:]) if end > begin + 1]
    return concatenate(parts, axis=axis) if parts else arr[_along(axis, slice(0, 0))]


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return differences of neighbouring items along an axis, `n` times, as ``numpy.diff``."""
    a = as_array(a)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return a
    axis = normalize_axis(axis, a.ndim)
    parts = []
    for one in (prepend, append):
        if one is not None:
            one = as_array(np.asarray(one) if not hasattr(one, "ndim") else one)
            if one.ndim == 0:
                one = broadcast_to(one, tuple([1 if at == axis else size for at, size in enumerate(a.shape)]))
        parts.append(one)
    joined = [one for one in (parts[0], a, parts[1]) if one is not None]
    found = concatenate(joined, axis=axis) if len(joined) > 1 else a
    first, second = _along(axis, slice(1, None)), _along(axis, slice(None, -1))
    for _ in range(n):
        found = found[first] != found[second] if found.dtype == bool else found[first] - found[second]
    return found


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Return differences of neighbouring items of the flattened array, as ``numpy.ediff1d``."""
    flat = as_array(ary).ravel()
    found = flat[1:] - flat[:-1]
    parts = [
        as_array(np.atleast_1d(one) if not isinstance(one, Array) else one) if one is not None else None
        for one in (to_begin, to_end)
    ]
    joined = [one for one in (parts[0], found, parts[1]) if one is not None]
    return concatenate(joined) if len(joined) > 1 else found


def gradient_block(block: Any, block_id: Any, coordinates: Any, axis: int, spans: Any, kwargs: dict[str, Any]) -> Any:
    """Return the gradient of a block with its neighbours."""
    if spans is not None:
        begin, end = spans[block_id[axis]]
        coordinates = coordinates[begin:end]
    return np.gradient(block, coordinates, axis=axis, **kwargs)


def gradient(f: Any, *varargs: Any, axis: Any = None, **kwargs: Any) -> Any:
    """Return the gradient of an array, as ``numpy.gradient``.

    Parameters
    ----------
    f : array
        The array.
    *varargs : number or array
        The distance of items, or their coordinates along each axis.
    axis : int or tuple of int, optional
        The axes; all by default.
    **kwargs
        ``edge_order``, as in NumPy.
    """
    from .overlap import map_overlap

    f = as_array(f)
    kwargs["edge_order"] = math.ceil(kwargs.get("edge_order", 1))
    if kwargs["edge_order"] > 2:
        raise ValueError("edge_order must be less than or equal to 2.")
    is_single = isinstance(axis, (int, np.integer))
    axes = tuple(range(f.ndim)) if axis is None else normalize_axes(axis, f.ndim)
    if not varargs:
        varargs = (1,)
    if len(varargs) == 1:
        varargs = varargs * len(axes)
    if len(varargs) != len(axes):
        raise TypeError("Spacing must either be a single scalar, or a scalar / 1d-array per axis")
    if f.dtype.kind in "bui" or (f.dtype.kind == "f" and f.dtype.itemsize < 4):
        f = f.astype(float)
    results = []
    for at, spacing in zip(axes, varargs):
        sizes = f.chunks[at]
        if min(sizes) < kwargs["edge_order"] + 1:
            raise ValueError(
                f"Chunk size must be larger than edge_order + 1. Minimum chunk for axis {at} is {min(sizes)}. Rechunk to proceed."
            )
        spans = None
        if not np.isscalar(spacing):
            if isinstance(spacing, Array):
                raise NotImplementedError("dask array coordinated is not supported.")
            ends = list(itertools.accumulate(sizes))
            spans = [(max(end - size - 1, 0), min(end + 1, ends[-1])) for end, size in zip(ends, sizes)]
            spacing = np.asarray(spacing)
        results.append(
            map_overlap(
                gradient_block,
                f,
                dtype=f.dtype,
                meta=f._meta,
                depth={axis_: 1 if axis_ == at else 0 for axis_ in range(f.ndim)},
                boundary="none",
                coordinates=spacing,
                axis=at,
                spans=spans,
                kwargs=kwargs,
            )
        )
    return results[0] if is_single or (f.ndim == 1 and len(results) == 1) else results
