"""Functions of blocks with some items of their neighbours."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Number
from typing import Any

import numpy as np

from .._tasks import identity
from ._axis_maps import Axis, Read
from ._chunks import UNKNOWN_REMEDY, is_unknown, starts
from ._core import Array, array_of
from ._cumulative import push
from ._elementwise import as_array, unify_chunks
from ._expression import Node
from ._joining import concatenate
from ._map_blocks import map_blocks

__all__ = [
    "boundaries",
    "constant",
    "ensure_minimum_chunksize",
    "map_overlap",
    "nearest",
    "overlap",
    "periodic",
    "push",
    "reflect",
    "sliding_window_view",
    "trim_internal",
    "trim_overlap",
]


# Arguments.


def coerce_depth(ndim: int, depth: Any) -> dict[int, Any]:
    """Return the depth of each axis: a number, or one for each side."""
    if depth is None:
        depth = 0
    if isinstance(depth, Integral):
        depth = (depth,) * ndim
    if isinstance(depth, (tuple, list)):
        depth = dict(zip(range(ndim), depth))
    found: dict[int, Any] = {}
    for axis in range(ndim):
        one = depth.get(axis, depth.get(axis - ndim, 0))
        found[axis] = tuple([int(side) for side in one]) if isinstance(one, tuple) else int(one)
        if min(_sides(found[axis])) < 0:
            raise ValueError(f"overlap depth must not be negative, not {one!r}")
    return found


def coerce_boundary(ndim: int, boundary: Any) -> dict[int, Any]:
    """Return the kind of boundary of each axis."""
    if boundary is None:
        boundary = "none"
    if not isinstance(boundary, (tuple, dict, list)):
        boundary = (boundary,) * ndim
    if isinstance(boundary, (tuple, list)):
        boundary = dict(zip(range(ndim), boundary))
    found = {}
    for axis in range(ndim):
        one = boundary.get(axis, "none")
        found[axis] = "none" if one is None else one
    return found


def _sides(depth: Any) -> tuple[int, int]:
    return depth if isinstance(depth, tuple) else (depth, depth)


def ensure_minimum_chunksize(size: int, chunks: Any) -> tuple[int, ...]:
    """Join neighbouring chunks until none is smaller than a size.

    Examples
    --------
    >>> ensure_minimum_chunksize(10, (20, 20, 1))
    (20, 11, 10)
    >>> ensure_minimum_chunksize(3, (1, 1, 3))
    (5,)
    """
    if size <= min(chunks):
        return tuple(chunks)
    found: list[int] = []
    open_size = 0
    for one in chunks:
        if one < size and open_size > size + (size - one):
            # The one before gives away what this one lacks.
            found.append(open_size - (size - one))
            open_size = size
        elif one < size:
            open_size += one
        if open_size >= size:
            found.append(open_size)
            open_size = 0
        if one >= size:
            open_size += one
    if open_size >= size:
        found.append(open_size)
    elif found:
        found[-1] += open_size
    else:
        raise ValueError(f"The overlapping depth {size} is larger than your array {sum(chunks)}.")
    return tuple(found)


def _rechunked(x: Any, depth: dict[int, Any]) -> tuple[Any, ...]:
    return tuple([ensure_minimum_chunksize(max(_sides(depth[axis])), sizes) for axis, sizes in enumerate(x.chunks)])


# Boundaries.


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (*[slice(None)] * axis, part)


def periodic(x: Any, axis: int, depth: int) -> Any:
    """Add the items of the other end at both ends of an axis."""
    left, right = x[_along(axis, slice(0, depth))], x[_along(axis, slice(x.shape[axis] - depth, None))]
    return _joined(x, right, left, axis, depth)


def reflect(x: Any, axis: int, depth: int) -> Any:
    """Add the items at the ends of an axis in reverse order."""
    size = x.shape[axis]
    left = x[_along(axis, slice(depth - 1, None, -1))]
    right = x[_along(axis, slice(size - 1, size - depth - 1 if size > depth else None, -1))]
    return _joined(x, left, right, axis, depth)


def nearest(x: Any, axis: int, depth: int) -> Any:
    """Add the last items at both ends of an axis, repeated."""
    from ._repeats import repeat

    size = x.shape[axis]
    left = repeat(x[_along(axis, slice(0, 1))], depth, axis=axis)
    right = repeat(x[_along(axis, slice(size - 1, size))], depth, axis=axis)
    return _joined(x, left, right, axis, depth)


def constant(x: Any, axis: int, depth: int, value: Any) -> Any:
    """Add a value at both ends of an axis."""
    from ._creation import full

    chunks = tuple([(depth,) if at == axis else sizes for at, sizes in enumerate(x.chunks)])
    edge = full(tuple([sum(sizes) for sizes in chunks]), value, dtype=x.dtype, chunks=chunks)
    return _joined(x, edge, edge, axis, depth)


def _joined(x: Any, left: Any, right: Any, axis: int, depth: int) -> Any:
    """Join what is added to the first and the last chunk."""
    found = concatenate([left, x, right], axis=axis)
    sizes = list(x.chunks[axis])
    sizes[0] += depth
    sizes[-1] += depth
    return found.rechunk({axis: tuple(sizes)})


def boundaries(x: Any, depth: Any = None, kind: Any = None) -> Any:
    """Add items at the ends of axes.

    Parameters
    ----------
    x : Array
        The array.
    depth : int, tuple or dict
        How many items for each axis.
    kind : str, number, tuple or dict
        ``"periodic"``, ``"reflect"``, ``"nearest"``, ``"none"``, or a value.
    """
    kind = kind if isinstance(kind, dict) else coerce_boundary(x.ndim, kind)
    depth = depth if isinstance(depth, dict) else coerce_depth(x.ndim, depth)
    for axis in range(x.ndim):
        size = depth.get(axis, 0)
        if size == 0:
            continue
        which = kind.get(axis, "none")
        if isinstance(which, str):
            if which == "none":
                continue
            if which not in ("periodic", "reflect", "nearest"):
                raise ValueError(f"unknown boundary {which!r}; use 'periodic', 'reflect', 'nearest', 'none' or a value")
            x = {"periodic": periodic, "reflect": reflect, "nearest": nearest}[which](x, axis, size)
        else:
            x = constant(x, axis, size, which)
    return x


# Overlap.


def windows(sizes: Sequence[int], wanted: Sequence[tuple[int, int]]) -> tuple[list[range], list[list[slice]]]:
    """Return which blocks some ranges of items overlap, and which part of each.

    Examples
    --------
    >>> windows((3, 3), [(0, 4), (2, 6)])
    ([range(0, 2), range(0, 2)], [[slice(0, 3, None), slice(0, 1, None)], [slice(2, 3, None), slice(0, 3, None)]])
    """
    begins, ends = starts(sizes), list(itertools.accumulate(sizes))
    ranges, boxes = [], []
    for low, high in wanted:
        first = min(bisect.bisect_right(ends, low), len(sizes) - 1)
        last = max(min(bisect.bisect_left(ends, high), len(sizes) - 1), first)
        ranges.append(range(first, last + 1))
        boxes.append(
            [slice(max(low - begins[at], 0), min(high - begins[at], sizes[at])) for at in range(first, last + 1)]
        )
    return ranges, boxes


def overlap(x: Any, depth: Any, boundary: Any, *, allow_rechunk: bool = True) -> Any:
    """Add items of the neighbours to each block.

    Parameters
    ----------
    x : array
        The array.
    depth : int, tuple or dict
        How many items for each axis, or a pair for both sides.
    boundary : str, number, tuple or dict
        What the blocks at the ends get: see :func:`boundaries`.
    allow_rechunk : bool
        Whether chunks that are smaller than the depth are joined.
    """
    x = as_array(x)
    depth, boundary = coerce_depth(x.ndim, depth), coerce_boundary(x.ndim, boundary)
    for axis in range(x.ndim):
        if depth[axis] != 0 and is_unknown(x.chunks[axis]):
            raise ValueError(f"Arrays chunk sizes are unknown along axis {axis}: overlap needs them; {UNKNOWN_REMEDY}")
    if allow_rechunk:
        if any(any(_sides(one)) for one in depth.values()):
            x = x.rechunk(
                {
                    axis: ensure_minimum_chunksize(max(_sides(one)), x.chunks[axis])
                    for axis, one in depth.items()
                    if any(_sides(one))
                }
            )
    elif any(min(sizes) < max(_sides(depth[axis])) for axis, sizes in enumerate(x.chunks)):
        raise ValueError(
            "Overlap depth is larger than smallest chunksize.\nPlease set allow_rechunk=True to rechunk automatically.\n"
            f"Overlap depths required: {list(depth.values())}\nInput chunks: {x.chunks}\n"
        )
    extended = boundaries(x, depth, boundary)
    maps, chunks = [], []
    for axis, sizes in enumerate(x.chunks):
        before, after = _sides(depth[axis])
        if not before and not after:
            maps.append(Axis(axis))
            chunks.append(sizes)
            continue
        begins, total = starts(sizes), sum(sizes)
        if _is_open(boundary[axis]):
            spans = [(max(begin - before, 0), min(begin + size + after, total)) for begin, size in zip(begins, sizes)]
        else:
            spans = [(begin, begin + size + before + after) for begin, size in zip(begins, sizes)]
        ranges, boxes = windows(extended.chunks[axis], spans)
        maps.append(Axis(axis, ranges, boxes))
        chunks.append(tuple([high - low for low, high in spans]))
    if all(one.ranges is None for one in maps):
        return x
    return array_of(Node("overlap", tuple(chunks), x._meta, identity, [Read(extended._node, maps, join=True)]))


def _is_open(boundary: Any) -> bool:
    return isinstance(boundary, str) and boundary == "none"


def trim_internal(x: Any, axes: Any, boundary: Any = None) -> Any:
    """Remove the items of the neighbours from each block.

    Parameters
    ----------
    x : Array
        The array.
    axes : dict
        How many items for each axis.
    boundary : str, number, tuple or dict
        The boundary with which they were added.
    """
    boundary = coerce_boundary(x.ndim, boundary)
    tables, chunks = [], []
    for axis, sizes in enumerate(x.chunks):
        before, after = _sides(axes.get(axis, 0))
        boxes, found = [], []
        for at, size in enumerate(sizes):
            front = 0 if at == 0 and _is_open(boundary[axis]) else before
            back = 0 if at == len(sizes) - 1 and _is_open(boundary[axis]) else after
            # Blocks may have another size than the expression says.
            boxes.append(slice(front, -back if back else None))
            found.append(size - front - back)
        tables.append((axis, boxes))
        chunks.append(tuple(found))
    reads = [Read(x._node, [Axis(axis) for axis in range(x.ndim)])]
    return array_of(Node("trim", tuple(chunks), x._meta, trim_block, reads, tables))


def trim_block(block: Any, *box: slice) -> Any:
    """Return a part of a block. Functions of users may return blocks with fewer axes than they say."""
    return block[box[: block.ndim]] if getattr(block, "ndim", 0) else block


def trim_overlap(x: Any, depth: Any, boundary: Any = None) -> Any:
    """Remove the items of the neighbours from each block, with the arguments of :func:`overlap`."""
    return trim_internal(x, coerce_depth(x.ndim, depth), coerce_boundary(x.ndim, boundary))


def map_overlap(
    func: Any,
    *args: Any,
    depth: Any = None,
    boundary: Any = None,
    trim: bool = True,
    align_arrays: bool = True,
    allow_rechunk: bool = True,
    **kwargs: Any,
) -> Any:
    """Call a function with each block and some items of its neighbours.

    Parameters
    ----------
    func : callable
        Called with one block of each array.
    *args : array
        The arrays.
    depth : int, tuple, dict or list
        How many items of the neighbours for each axis, or a pair for both sides; a list has one for each array.
    boundary : str, number, tuple, dict or list
        What the blocks at the ends get: ``"none"``, ``"periodic"``, ``"reflect"``, ``"nearest"`` or a value.
    trim : bool
        Whether these items are removed from the result.
    align_arrays : bool
        Whether to rechunk arrays whose chunks differ.
    allow_rechunk : bool
        Whether chunks that are smaller than the depth are joined.
    **kwargs
        Arguments of :func:`map_blocks` and of the function.

    Examples
    --------
    >>> import partita.array as da
    >>> x = da.arange(6, chunks=3)
    >>> da.map_overlap(lambda block: block - block[0], x, depth=1, boundary=0, dtype=x.dtype).compute(
    ...     scheduler="synchronous"
    ... )
    array([0, 1, 2, 1, 2, 3])
    """
    if isinstance(func, Array) and args and callable(args[0]):
        warnings.warn(
            "The use of map_overlap(array, func, **kwargs) is deprecated since dask 2.17.0 and will be an error in a future "
            "release. To silence this warning, use the syntax map_overlap(func, array0,[ array1, ...,] **kwargs) instead.",
            FutureWarning,
            stacklevel=2,
        )
        more = dict(zip(("depth", "boundary", "trim"), args[1:]))
        depth, boundary, trim = more.get("depth", depth), more.get("boundary", boundary), more.get("trim", trim)
        func, args = args[0], (func,)
    if not callable(func):
        raise TypeError(
            f"First argument must be callable function, not {type(func).__name__}\nUsage:   da.map_overlap(function, x)\n"
            "   or:   da.map_overlap(function, x, y, z)"
        )
    if not all(isinstance(one, Array) for one in args):
        raise TypeError(
            f"All variadic arguments must be arrays, not {[type(one).__name__ for one in args]}\n"
            "Usage:   da.map_overlap(function, x)\n   or:   da.map_overlap(function, x, y, z)"
        )
    arrays = list(args)
    depths = [
        coerce_depth(one.ndim, d) for one, d in zip(arrays, depth if isinstance(depth, list) else [depth] * len(arrays))
    ]
    kinds = [
        coerce_boundary(one.ndim, b)
        for one, b in zip(arrays, boundary if isinstance(boundary, list) else [boundary] * len(arrays))
    ]
    if align_arrays:
        pairs = [item for one in arrays for item in (one, tuple(range(one.ndim))[::-1])]
        _, arrays = unify_chunks(*pairs, warn=False)
    if all(not any(_sides(d)) for one in depths for d in one.values()):
        return map_blocks(func, *arrays, **kwargs)
    for at, one in enumerate(arrays):
        for axis in range(one.ndim):
            if isinstance(depths[at][axis], tuple) and not _is_open(kinds[at][axis]):
                raise NotImplementedError(
                    "Asymmetric overlap is currently only implemented for boundary='none', however boundary for dimension "
                    f"{axis} in array argument {at} is {kinds[at][axis]}"
                )
    if not trim and "chunks" not in kwargs:
        kwargs["chunks"] = _rechunked(arrays[0], depths[0]) if allow_rechunk else arrays[0].chunks
    if align_arrays and allow_rechunk and len(arrays) > 1:
        arrays = _with_common_depth(arrays, depths)
    extended = [
        overlap(one, depth=d, boundary=b, allow_rechunk=allow_rechunk) for one, d, b in zip(arrays, depths, kinds)
    ]
    # They are aligned already: blocks at the ends may have other sizes.
    found = map_blocks(func, *extended, **kwargs)
    if not trim:
        return found
    at = max(range(len(arrays)), key=lambda number: (arrays[number].ndim, -number))
    return trim_internal(found, *_moved(depths[at], kinds[at], arrays, at, kwargs))


def _with_common_depth(arrays: list[Any], depths: list[dict[int, Any]]) -> list[Any]:
    """Join chunks of all arrays such that none is smaller than the largest depth of an axis."""
    ndim = max(one.ndim for one in arrays)
    largest: dict[int, int] = {}
    for one, depth in zip(arrays, depths):
        for axis, d in depth.items():
            place = axis + ndim - one.ndim
            largest[place] = max(largest.get(place, 0), *_sides(d))
    found = []
    for one in arrays:
        chunks = {}
        for axis, sizes in enumerate(one.chunks):
            size = largest.get(axis + ndim - one.ndim, 0)
            if size and sum(sizes) > 1 and min(sizes) < size and len(sizes) > 1:
                chunks[axis] = ensure_minimum_chunksize(size, sizes)
        found.append(one.rechunk(chunks) if chunks else one)
    return found


def _moved(depth: dict[int, Any], kind: dict[int, Any], arrays: list[Any], at: int, kwargs: dict[str, Any]) -> Any:
    """Return the depth and the boundary of the axes of the result."""
    ndim = max(one.ndim for one in arrays)
    drop = kwargs.get("drop_axis")
    if drop is not None:
        drop = [drop] if isinstance(drop, Number) else drop
        gone = {axis % ndim for axis in drop}
        kept = [axis for axis in range(arrays[at].ndim) if axis not in gone]
        depth = {number: depth[axis] for number, axis in enumerate(kept)}
        kind = {number: kind[axis] for number, axis in enumerate(kept)}
    new = kwargs.get("new_axis")
    if new is not None:
        new = [new] if isinstance(new, Number) else list(new)
        total = len(depth) + len(new)
        places = {axis % total for axis in new}
        rest = [axis for axis in range(total) if axis not in places]
        depth = {**dict.fromkeys(places, 0), **{axis: depth[number] for number, axis in enumerate(rest)}}
        kind = {**dict.fromkeys(places, "none"), **{axis: kind[number] for number, axis in enumerate(rest)}}
    return depth, kind


def map_overlap_of(
    x: Any, func: Callable[..., Any], depth: Any, boundary: Any = None, trim: bool = True, **kwargs: Any
) -> Any:
    """Call a function with each block and some items of its neighbours: the method ``map_overlap``."""
    return map_overlap(func, x, depth=depth, boundary=boundary, trim=trim, **kwargs)


def windows_block(block: Any, window_shape: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """Return a view of all windows of a block."""
    return np.lib.stride_tricks.sliding_window_view(block, window_shape, axis=axis)


def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, automatic_rechunk: bool = True) -> Any:
    """Return all windows of an array, as ``numpy.lib.stride_tricks.sliding_window_view``.

    Parameters
    ----------
    x : array
        The array.
    window_shape : int or tuple of int
        Shape of the windows.
    axis : int or tuple of int, optional
        The axes along which they slide; all by default.
    automatic_rechunk : bool
        Whether chunks become smaller, such that those of the result are about as large as those of the array.
    """
    from ._shape import normalize_axis

    x = as_array(x)
    window_shape = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    if any(one <= 0 for one in window_shape):
        raise ValueError("`window_shape` must contain values > 0")
    if axis is None:
        axes = tuple(range(x.ndim))
        if len(window_shape) != len(axes):
            raise ValueError(
                f"Since axis is `None`, must provide window_shape for all dimensions of `x`; got {len(window_shape)} "
                f"window_shape elements and `x.ndim` is {x.ndim}."
            )
    else:
        axes = tuple([normalize_axis(one, x.ndim) for one in (axis if np.iterable(axis) else (axis,))])
        if len(window_shape) != len(axes):
            raise ValueError(
                f"Must provide matching length window_shape and axis; got {len(window_shape)} window_shape elements and "
                f"{len(axes)} axes elements."
            )
    depths = [0] * x.ndim
    for one, size in zip(axes, window_shape):
        depths[one] += int(size) - 1
    if any(depth >= size for depth, size in zip(depths, x.shape) if depth):
        raise ValueError("window shape cannot be larger than input array shape")
    if automatic_rechunk:
        x = _smaller(x, depths, math.prod(int(one) for one in window_shape))
    x = x.rechunk({at: ensure_minimum_chunksize(depth + 1, x.chunks[at]) for at, depth in enumerate(depths) if depth})
    chunks = (
        *[(*sizes[:-1], sizes[-1] - depth) for depth, sizes in zip(depths, x.chunks)],
        *[(int(size),) for size in window_shape],
    )
    before = overlap(x, {at: (0, depth) for at, depth in enumerate(depths)}, "none", allow_rechunk=False)
    from ._core import make_meta

    maps = [Axis(at) for at in range(x.ndim)]
    params = {"window_shape": tuple([int(one) for one in window_shape]), "axis": axes}
    meta = make_meta(x._meta, x.dtype, len(chunks))
    return array_of(Node("sliding_window_view", chunks, meta, windows_block, [Read(before._node, maps)], params=params))


def _smaller(x: Any, depths: list[int], factor: int) -> Any:
    """Divide the chunks of the axes without windows, so that those of the result keep their size."""
    free = [axis for axis, depth in enumerate(depths) if not depth and x.shape[axis] > 1]
    if factor <= 1 or not free or is_unknown(x.shape):
        return x
    share = factor ** (1 / len(free))
    chunks = {}
    for axis in free:
        size = max(int(max(x.chunks[axis]) / share), 1)
        sizes: list[int] = []
        for one in x.chunks[axis]:
            sizes += [size] * (one // size) + ([one % size] if one % size else [])
        chunks[axis] = tuple(sizes) or x.chunks[axis]
    return x.rechunk(chunks)
