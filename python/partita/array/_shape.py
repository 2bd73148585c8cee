"""Operations that permute, add, drop or broadcast axes. Each block needs one block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._axis_maps import At, Axis, Read
from ._chunks import broadcast_shapes, is_unknown, normalize_chunks
from ._core import Array, array_of, make_meta
from ._expression import Node

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "moveaxis",
    "roll",
    "rollaxis",
    "rot90",
    "squeeze",
    "swapaxes",
    "transpose",
]


def _array(value: Any) -> Any:
    if isinstance(value, Array):
        return value
    from ._from_array import asanyarray

    return asanyarray(value)


def normalize_axis(axis: int, ndim: int) -> int:
    """Return an axis that is not negative."""
    axis = int(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def normalize_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    """Return axes that are not negative, each once."""
    given = (axes,) if isinstance(axes, (int, np.integer)) else tuple(axes)
    found = tuple([normalize_axis(axis, ndim) for axis in given])
    if len(set(found)) != len(found):
        raise ValueError(f"repeated axis in {axes!r}")
    return found


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """Return an index with a part of an axis, and the axes before it whole."""
    return (*[slice(None)] * axis, part)


def transpose_block(block: Any, axes: tuple[int, ...]) -> Any:
    """Permute the axes of a block."""
    return block.transpose(axes) if hasattr(block, "transpose") else np.transpose(block, axes)


def transpose(a: Any, axes: Any = None) -> Any:
    """Permute the axes of an array, by default reverse them.

    Parameters
    ----------
    a : array
        The array.
    axes : sequence of int, optional
        The axes in their new order.
    """
    a = _array(a)
    if axes is None:
        axes = tuple(range(a.ndim))[::-1]
    axes = tuple(axes)
    if len(axes) != a.ndim:
        raise ValueError("axes don't match array")
    axes = normalize_axes(axes, a.ndim)
    if axes == tuple(range(a.ndim)):
        return a
    return _transposed(a, axes)


def _transposed(a: Any, axes: tuple[int, ...], token: Any = None) -> Any:
    maps = [Axis(axes.index(axis)) for axis in range(a.ndim)]
    chunks = tuple([a.chunks[axis] for axis in axes])
    params = {"axes": axes}
    return array_of(
        Node("transpose", chunks, a._meta, transpose_block, [Read(a._node, maps)], params=params, token=token)
    )


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Swap two axes."""
    a = _array(a)
    axes = list(range(a.ndim))
    first, second = normalize_axis(axis1, a.ndim), normalize_axis(axis2, a.ndim)
    axes[first], axes[second] = axes[second], axes[first]
    return transpose(a, axes) if first <= second else _transposed(a, tuple(axes), ("swapaxes", first, second))


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move axes to other places, as ``numpy.moveaxis``."""
    a = _array(a)
    sources, places = normalize_axes(source, a.ndim), normalize_axes(destination, a.ndim)
    if len(sources) != len(places):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [axis for axis in range(a.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources)):
        order.insert(place, axis)
    return transpose(a, order)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move an axis backwards until it is before another one, as ``numpy.rollaxis``."""
    a = _array(a)
    axis = normalize_axis(axis, a.ndim)
    if not -a.ndim <= start <= a.ndim:
        raise ValueError(f"'start' arg requires {-a.ndim} <= start < {a.ndim + 1}, but {start} was passed in")
    start += a.ndim if start < 0 else 0
    axes = [at for at in range(a.ndim) if at != axis]
    axes.insert(start - 1 if axis < start else start, axis)
    return transpose(a, axes)


def index_block(block: Any, index: tuple[Any, ...]) -> Any:
    """Index a block."""
    return block[index]


def _reindexed(label: str, a: Any, index: tuple[Any, ...], chunks: Any, maps: Any) -> Any:
    meta = make_meta(a._meta, a.dtype, len(chunks))
    node = Node(label, tuple(chunks), meta, index_block, [Read(a._node, maps)], params={"index": index})
    return array_of(node)


def squeeze_block(block: Any, axes: tuple[int, ...]) -> Any:
    """Drop axes of size 1 of a block."""
    return np.squeeze(block, axis=axes)


def squeeze(a: Any, axis: Any = None) -> Any:
    """Drop axes of size 1.

    Parameters
    ----------
    a : array
        The array.
    axis : int or tuple of int, optional
        The axes; all of size 1 by default.
    """
    a = _array(a)
    drop = tuple([at for at, size in enumerate(a.shape) if size == 1]) if axis is None else normalize_axes(axis, a.ndim)
    if any(a.shape[at] != 1 for at in drop):
        raise ValueError("cannot squeeze axis with size other than one")
    if not drop:
        return a
    keep = [at for at in range(a.ndim) if at not in drop]
    # An axis of size 1 may have empty blocks, too.
    places = {at: next(block for block, size in enumerate(a.chunks[at]) if size == 1) for at in drop}
    maps = [At(places[at]) if at in drop else Axis(keep.index(at)) for at in range(a.ndim)]
    meta = make_meta(a._meta, a.dtype, len(keep))
    chunks = tuple([a.chunks[at] for at in keep])
    return array_of(Node("squeeze", chunks, meta, squeeze_block, [Read(a._node, maps)], params={"axes": drop}))


def expand_dims(a: Any, axis: Any) -> Any:
    """Add axes of size 1.

    Parameters
    ----------
    a : array
        The array.
    axis : int or tuple of int
        Where the axes are in the result.
    """
    a = _array(a)
    count = 1 if isinstance(axis, (int, np.integer)) else len(tuple(axis))
    axes = normalize_axes(axis, a.ndim + count)
    rest = iter(range(a.ndim))
    order = [None if at in axes else next(rest) for at in range(a.ndim + count)]
    chunks = [(1,) if at is None else a.chunks[at] for at in order]
    index = tuple([None if at is None else slice(None) for at in order])
    maps = [Axis(order.index(at)) for at in range(a.ndim)]
    return _reindexed("expand-dims", a, index, chunks, maps)


def flip(m: Any, axis: Any = None) -> Any:
    """Reverse the order of the items along axes, by default all."""
    m = _array(m)
    axes = tuple(range(m.ndim)) if axis is None else axis
    if not isinstance(axes, tuple):
        axes = (axes,)
    try:
        axes = normalize_axes(axes, m.ndim)
    except np.exceptions.AxisError as error:
        raise ValueError(f"`axis` of {axis} invalid for {m.ndim}-D array") from error
    return m[tuple([slice(None, None, -1) if at in axes else slice(None) for at in range(m.ndim)])]


def flipud(m: Any) -> Any:
    """Reverse the order of the items along the first axis."""
    return flip(m, 0)


def fliplr(m: Any) -> Any:
    """Reverse the order of the items along the second axis."""
    return flip(m, 1)


def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Rotate an array by 90 degrees `k` times in the plane of two axes."""
    m = _array(m)
    axes = tuple(axes)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    if axes[0] == axes[1] or abs(axes[0] - axes[1]) == m.ndim:
        raise ValueError("Axes must be different.")
    if any(not -m.ndim <= axis < m.ndim for axis in axes):
        raise ValueError(f"Axes={axes} out of range for array of ndim={m.ndim}.")
    k %= 4
    if k == 0:
        return m[:]
    if k == 2:
        return flip(flip(m, axes[0]), axes[1])
    order = list(range(m.ndim))
    order[axes[0]], order[axes[1]] = order[axes[1]], order[axes[0]]
    if k == 1:
        return transpose(flip(m, axes[1]), order)
    return flip(transpose(m, order), axes[1])


def roll(array: Any, shift: Any, axis: Any = None) -> Any:
    """Roll the items along axes, or along the flattened array, as ``numpy.roll``."""
    from ._joining import concatenate
    from ._reshape import ravel, reshape

    a = _array(array)
    if axis is None:
        if not isinstance(shift, (int, np.integer)):
            raise TypeError("Expect `shift` to be an instance of Integral when `axis` is None.")
        return reshape(roll(ravel(a), shift, 0), a.shape)
    shifts = (shift,) if isinstance(shift, (int, np.integer)) else tuple(shift)
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    if len(shifts) != len(axes):
        raise ValueError("Must have the same number of shifts as axes.")
    found = a.copy()
    for one, at in zip(shifts, axes):
        at = normalize_axis(at, a.ndim)
        size = a.shape[at]
        if not size:
            continue
        first = -int(one) % size
        if first:
            parts = [found[along(at, slice(first, None))], found[along(at, slice(None, first))]]
            found = concatenate(parts, axis=at)
    return found


# Broadcasting.


def broadcast_block(block: Any, *sizes: Any) -> Any:
    """Broadcast a block."""
    found = np.broadcast_to(block, sizes, subok=True)
    if type(found) is np.ndarray:
        # Functions may write to it.
        found.flags.writeable = False
    return found


def broadcast_to(x: Any, shape: Any, chunks: Any = None, meta: Any = None) -> Any:
    """Broadcast an array to a shape.

    Parameters
    ----------
    x : array
        The array.
    shape : tuple of int
        The shape.
    chunks : tuple, optional
        Chunks of the result. Those of axes that are not broadcast are the ones of the array.
    meta : array, optional
        An empty array of the type of the blocks.
    """
    x = _array(x)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if x.shape == shape and (chunks is None or normalize_chunks(chunks, x.shape, dtype=x.dtype) == x.chunks):
        return x
    extra = len(shape) - x.ndim
    if extra < 0 or any(
        new != old and old != 1 and not (math.isnan(new) and math.isnan(old))
        for new, old in zip(shape[extra:], x.shape)
    ):
        raise ValueError(f"cannot broadcast shape {x.shape} to shape {shape}")
    known: Any
    if chunks is None:
        known = [(size,) for size in shape[:extra]] + [
            old if len(old) > 1 or (size == sum(old) or is_unknown(old)) else (size,)
            for size, old in zip(shape[extra:], x.chunks)
        ]
    else:
        known = normalize_chunks(chunks, shape, dtype=x.dtype)
        for old, new in zip(x.chunks, known[extra:]):
            if old != new and old != (1,):
                raise ValueError(
                    f"cannot broadcast chunks {x.chunks} to chunks {known}: new chunks must either be along "
                    "a new dimension or a dimension of size 1"
                )
    maps = [
        At(0) if len(old) == 1 and len(known[axis + extra]) != 1 else Axis(axis + extra)
        for axis, old in enumerate(x.chunks)
    ]
    if is_unknown([size for sizes in known for size in sizes]):
        raise ValueError(f"cannot broadcast an array with unknown chunk sizes {x.chunks} to shape {shape}")
    made = make_meta(x._meta if meta is None else meta, x.dtype, len(shape))
    node = Node(
        "broadcast_to",
        tuple(known),
        made,
        broadcast_block,
        [Read(x._node, maps)],
        tables=list(enumerate(known)),
        cheap=True,
    )
    return array_of(node)


def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """Broadcast arrays to a common shape, as ``numpy.broadcast_arrays``."""
    from ._elementwise import align
    from ._from_array import asanyarray, asarray

    arrays = [(asanyarray if subok else asarray)(one) for one in args]
    if not arrays:
        return ()
    shape = broadcast_shapes(*[one.shape for one in arrays])
    chunks, arrays = align(arrays)
    return tuple([broadcast_to(one, shape=shape, chunks=chunks) for one in arrays])


def atleast_1d(*arys: Any) -> Any:
    """Return arrays with at least one axis, as ``numpy.atleast_1d``."""
    found = tuple([one if one.ndim >= 1 else one[None] for one in map(_array, arys)])
    return found[0] if len(found) == 1 else _several(found)


def atleast_2d(*arys: Any) -> Any:
    """Return arrays with at least two axes, as ``numpy.atleast_2d``."""
    found = [one if one.ndim >= 2 else one[(None,) * (2 - one.ndim)] for one in map(_array, arys)]
    return found[0] if len(found) == 1 else _several(found)


def atleast_3d(*arys: Any) -> Any:
    """Return arrays with at least three axes, as ``numpy.atleast_3d``."""
    found = []
    for one in map(_array, arys):
        if one.ndim == 0:
            one = one[None, None, None]
        elif one.ndim == 1:
            one = one[None, :, None]
        elif one.ndim == 2:
            one = one[:, :, None]
        found.append(one)
    return found[0] if len(found) == 1 else _several(found)


def _several(arrays: Any) -> Any:
    """Return arrays in the container that NumPy returns: a tuple since its version 2."""
    return tuple(arrays) if isinstance(np.atleast_1d(0, 0), tuple) else list(arrays)
