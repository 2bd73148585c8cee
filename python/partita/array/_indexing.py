"""Indexing: slices and integers by parts of blocks, and arrays of positions along an axis."""

from __future__ import annotations

import bisect
import itertools
import math
from numbers import Integral
from typing import Any

import numpy as np

from .._collection import is_collection
from .._tasks import identity
from ._axis_maps import All, At, Axis, Read
from ._chunks import UNKNOWN_REMEDY, is_unknown, starts
from ._core import Array, array_of, make_meta
from ._expression import Constant, Node
from ._points import check_caller, computed_index, is_array_part, is_single_mask, points, with_single_mask
from ._pushdown import push_slices
from ._shape import index_block

__all__ = ["getitem", "normalize_index", "take"]


def getitem(x: Any, index: Any) -> Any:
    """Index an array: ``x[index]``."""
    if isinstance(index, str) or (isinstance(index, list) and index and all(isinstance(one, str) for one in index)):
        return _field(x, index)
    index = index if isinstance(index, tuple) else (index,)
    if any(map(is_single_mask, index)):
        return with_single_mask(x, index)
    parts = normalize_index(index, x.shape)
    several = sum(map(is_array_part, parts)) > 1
    if several:
        check_caller()
    if several and any(isinstance(one, Array) for one in parts):
        parts = normalize_index(computed_index(index), x.shape)
    given = parts
    if any(isinstance(one, Array) and one.dtype.kind in "iu" for one in parts):
        if any(isinstance(one, Array) and one.dtype.kind in "iu" and one.ndim > 1 for one in parts):
            return getitem(x, computed_index(index))
        while any(isinstance(one, Array) and one.dtype.kind in "iu" for one in parts):
            x, parts = _with_lazy_positions(x, parts)
    if any(isinstance(one, Array) for one in parts):
        x, parts = _with_lazy_mask(x, parts)
    arrays = [at for at, one in enumerate(parts) if isinstance(one, np.ndarray)]
    if len(arrays) > 1 or any(parts[at].ndim != 1 for at in arrays):
        return points(x, parts)
    found = _fancy(x, parts, arrays[0]) if arrays else _basic(x, parts)
    return found if given is parts else _points_first(found, given)


def _points_first(found: Any, parts: list[Any]) -> Any:
    """Move the axis of a lazy array to the front if integers of the same index are not next to it, as in NumPy."""
    place = next((at for at, one in enumerate(parts) if is_array_part(one)), None)
    if place is None:
        return found
    single = [at for at, one in enumerate(parts) if isinstance(one, (int, Array)) and not is_array_part(one)]
    advanced = sorted([place, *single])
    if advanced[-1] - advanced[0] + 1 == len(advanced):
        return found
    from ._shape import moveaxis

    return moveaxis(found, sum(at not in single for at in range(place)), 0)


def _field(x: Any, names: Any) -> Any:
    dtype = np.empty(0, dtype=x.dtype)[names].dtype
    if isinstance(names, str) and x.dtype[names].shape:
        extra = x.dtype[names].shape
        chunks = (*x.chunks, *[(size,) for size in extra])
        maps = [Axis(axis) for axis in range(x.ndim)]
        node = Node(
            "getitem",
            chunks,
            np.empty((0,) * len(chunks), dtype),
            index_block,
            [Read(x._node, maps)],
            params={"index": names},
        )
        return array_of(node)
    maps = [Axis(axis) for axis in range(x.ndim)]
    meta = (
        make_meta(x._meta[names], dtype, x.ndim) if type(x._meta) is not np.ndarray else np.empty((0,) * x.ndim, dtype)
    )
    return array_of(Node("getitem", x.chunks, meta, index_block, [Read(x._node, maps)], params={"index": names}))


# The parts of an index.


def normalize_index(index: tuple[Any, ...], shape: tuple[Any, ...]) -> list[Any]:
    """Return an index with a part for each axis: a slice, an integer or an array; and None for new axes.

    Examples
    --------
    >>> normalize_index((Ellipsis, -1), (4, 3))
    [slice(0, 4, 1), 2]
    """
    parts = [_part(one) for one in index]
    parts = list(itertools.chain.from_iterable([_expand_mask(one) for one in parts]))
    dots = [at for at, one in enumerate(parts) if one is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    used = sum(
        one.ndim if isinstance(one, Array) and one.dtype == bool else 1
        for one in parts
        if one is not None and one is not Ellipsis
    )
    if used > len(shape):
        raise IndexError("Too many indices for array")
    missing = [slice(None)] * (len(shape) - used)
    if dots:
        parts[dots[0] : dots[0] + 1] = missing
    else:
        parts += missing
    found: list[Any] = []
    axis = 0
    for one in parts:
        if one is None:
            found.append(None)
            continue
        if isinstance(one, Array) and one.dtype == bool and one.ndim != 1:
            found.append(one)
            axis += one.ndim
            continue
        found.append(_checked(one, axis, shape[axis]))
        axis += 1
    return found


def _part(one: Any) -> Any:
    if one is None or one is Ellipsis or isinstance(one, slice):
        return _slice(one) if isinstance(one, slice) else one
    if isinstance(one, Array):
        if one.dtype.kind not in "iub":
            raise IndexError(f"Arrays used as indices must be of integer (or boolean) type, not {one.dtype}")
        return one
    if is_collection(one):
        if hasattr(one, "to_dask_array"):
            return _part(one.to_dask_array())
        return _part(one.compute())
    if isinstance(one, Integral):
        return int(one)
    if isinstance(one, np.ndarray) and one.ndim == 0 and one.dtype.kind in "iu":
        return int(one)
    if isinstance(one, (list, tuple, range)) or hasattr(one, "shape"):
        found = np.asarray(one)
        if not found.size and found.dtype.kind == "f":
            found = found.astype(np.intp)
        if found.dtype.kind == "O" and all(isinstance(item, Integral) for item in found.ravel()):
            found = found.astype(np.intp)
        if found.dtype.kind not in "iub":
            raise IndexError(f"arrays used as indices must be of integer (or boolean) type, not {found.dtype}")
        return found
    raise IndexError(f"only integers, slices, None, Ellipsis and arrays are valid indices, not {one!r}")


def _slice(one: slice) -> slice:
    bounds = []
    for bound in (one.start, one.stop, one.step):
        if bound is not None and not isinstance(bound, Integral):
            if is_collection(bound):
                bound = bound.compute()
            elif hasattr(bound, "__index__"):
                bound = bound.__index__()
            else:
                raise IndexError(f"slice indices must be integers or None, not {bound!r}")
        bounds.append(None if bound is None else int(bound))
    return slice(*bounds)


def _expand_mask(one: Any) -> list[Any]:
    """Return a mask with several axes as an array of this package."""
    if isinstance(one, np.ndarray) and one.ndim > 1 and one.dtype == bool:
        from ._from_array import from_array

        return [from_array(one)]
    return [one]


def _checked(one: Any, axis: int, size: Any) -> Any:
    unknown = isinstance(size, float)
    if isinstance(one, slice):
        if one.step == 0:
            raise ValueError("slice step cannot be zero")
        if unknown:
            if one == slice(None):
                return one
            if one.start in (None, 0) and one.stop is None and one.step in (None, 1):
                return slice(None)
            raise ValueError(
                f"Arrays chunk sizes are unknown along axis {axis}: cannot index with {one}; {UNKNOWN_REMEDY}"
            )
        start, stop, step = one.indices(size)
        count = len(range(start, stop, step))
        return slice(start, stop, step) if count else slice(0, 0, 1)
    if isinstance(one, Array):
        if one.dtype == bool:
            if one.shape[0] != size and not unknown and not is_unknown(one.shape):
                raise IndexError(
                    f"boolean index did not match indexed array along axis {axis}; dimension is {size} but corresponding "
                    f"boolean dimension is {one.shape[0]}"
                )
        elif unknown:
            raise ValueError(
                f"Arrays chunk sizes are unknown along axis {axis}: cannot index by position; {UNKNOWN_REMEDY}"
            )
        return one
    if isinstance(one, np.ndarray) and one.dtype == bool and one.ndim == 1:
        if unknown:
            from ._from_array import from_array

            return from_array(one)
        if len(one) != size:
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis}; dimension is {size} but corresponding "
                f"boolean dimension is {len(one)}"
            )
        return np.flatnonzero(one)
    if unknown:
        raise ValueError(
            f"Arrays chunk sizes are unknown along axis {axis}: cannot index by position; {UNKNOWN_REMEDY}"
        )
    if isinstance(one, int):
        if not -size <= one < size:
            raise IndexError(f"Index {one} is out of bounds for axis {axis} with size {size}")
        return one + size if one < 0 else one
    outside = (one < -size) | (one >= size)
    if outside.any():
        raise IndexError(f"Index {int(one[outside][0])} is out of bounds for axis {axis} with size {size}")
    return np.where(one < 0, one + size, one).astype(np.intp)


# Slices and integers.


def slice_axis(sizes: Any, part: slice) -> tuple[tuple[int, ...], list[int], list[Any]]:
    """Return the sizes of the blocks of a slice, which block each reads, and which part of it; None for the whole block.

    Examples
    --------
    >>> slice_axis((3, 3, 3), slice(1, 8, 1))
    ((2, 3, 2), [0, 1, 2], [slice(1, 3, None), None, slice(0, 2, None)])
    >>> slice_axis((3, 3), slice(1, 6, 2))
    ((1, 2), [0, 1], [slice(1, 2, 2), slice(0, 3, 2)])
    """
    start, stop, step = part.start, part.stop, part.step
    found: list[int] = []
    blocks: list[int] = []
    boxes: list[Any] = []
    begins = starts(sizes)
    count = len(range(start, stop, step))
    if not count:
        return (0,), [0], [slice(0, 0)]
    if step == 1 and 0 not in sizes:
        return _slice_run(sizes, begins, start, stop)
    last = start + (count - 1) * step
    order: Any = range(len(sizes)) if step > 0 else range(len(sizes) - 1, -1, -1)
    for at in order:
        size, begin = sizes[at], begins[at]
        low, high = begin, begin + size - 1
        if step > 0:
            first = start if start >= low else start + -(-(low - start) // step) * step
            final = min(last, high)
            if size == 0 or first > final:
                continue
            number = (final - first) // step + 1
            boxes.append(slice(first - begin, min(first - begin + (number - 1) * step + 1, size), step))
        else:
            first = start if start <= high else start - -(-(start - high) // -step) * -step
            final = max(last, low)
            if size == 0 or first < final:
                continue
            number = (first - final) // -step + 1
            end = first - begin + (number - 1) * step - 1
            boxes.append(slice(first - begin, None if end < 0 else end, step))
        found.append(number)
        blocks.append(at)
    return tuple(found), blocks, boxes


def _slice_run(sizes: Any, begins: list[int], start: int, stop: int) -> tuple[tuple[int, ...], list[int], list[Any]]:
    """Return the blocks of neighbouring items: those between the first and the last one are whole."""
    first, last = bisect.bisect_right(begins, start) - 1, bisect.bisect_left(begins, stop) - 1
    found, boxes = list(sizes[first : last + 1]), [None] * (last + 1 - first)
    for at in {first, last}:
        low, high = max(start - begins[at], 0), min(stop - begins[at], sizes[at])
        if (low, high) != (0, sizes[at]):
            found[at - first] = high - low
            boxes[at - first] = slice(low, high)  # type: ignore[call-overload]
    return tuple(found), list(range(first, last + 1)), boxes


def _basic(x: Any, parts: list[Any]) -> Any:
    if (
        all(isinstance(one, slice) and _is_whole(one, size) for one, size in zip(parts, x.shape))
        and len(parts) == x.ndim
    ):
        return x
    if isinstance(x._node, Constant) and not is_unknown(x.shape) and not all(isinstance(one, int) for one in parts):
        return _constant(x, parts)
    pushed = push_slices(x, parts, slice_axis)
    if pushed is not None:
        return pushed
    chunks: list[Any] = []
    maps: list[Any] = []
    new_axes = []
    axis = 0
    for one in parts:
        if one is None:
            new_axes.append(len(chunks))
            chunks.append((1,))
            continue
        sizes = x.chunks[axis]
        if isinstance(one, int):
            block = bisect.bisect_right(starts(sizes), one) - 1
            # Of empty blocks at the same place, the last one is not empty.
            maps.append(At(block, one - starts(sizes)[block]))
        elif _is_whole(one, x.shape[axis]):
            maps.append(Axis(len(chunks)))
            chunks.append(sizes)
        else:
            known, blocks, boxes = slice_axis(sizes, one)
            maps.append(Axis(len(chunks), blocks, boxes))
            chunks.append(known)
        axis += 1
    meta = make_meta(x._meta, x.dtype, len(chunks))
    index: list[Any] = [slice(None)] * len(chunks)
    for at in new_axes:
        index[at] = None
    if not new_axes:
        return array_of(Node("getitem", tuple(chunks), meta, identity, [Read(x._node, maps)], token=("getitem", parts)))
    params = {"index": tuple(index)}
    return array_of(
        Node(
            "getitem", tuple(chunks), meta, index_block, [Read(x._node, maps)], params=params, token=("getitem", parts)
        )
    )


def _is_whole(one: slice, size: Any) -> bool:
    return one == slice(None) or (one.start == 0 and one.stop == size and one.step == 1 and not isinstance(size, float))


def _constant(x: Any, parts: list[Any]) -> Any:
    """Index an array of the client's process, whose blocks are views."""
    chunks: list[Any] = []
    index: list[Any] = []
    axis = 0
    for one in parts:
        if one is None:
            chunks.append((1,))
        elif isinstance(one, slice):
            chunks.append(x.chunks[axis] if _is_whole(one, x.shape[axis]) else slice_axis(x.chunks[axis], one)[0])
        if isinstance(one, slice) and one.step is not None and one.step < 0:
            stop = one.stop if one.stop >= 0 else None
            index.append(slice(one.start, stop, one.step))
        else:
            index.append(one)
        axis += one is not None
    from .._tokens import tokenize

    found = x._node.array[tuple(index)]
    if not isinstance(found, np.ndarray):
        found = np.asarray(found, dtype=x.dtype)
    meta = make_meta(x._meta, x.dtype, len(chunks))
    return array_of(
        Constant("getitem", tuple(chunks), meta, found, name=f"getitem-{tokenize(x._node.name, tuple(index))}")
    )


# Arrays of positions.


def _fancy(x: Any, parts: list[Any], place: int) -> Any:
    """Index one axis with positions, and the others with slices and integers."""
    positions = parts[place]
    axis = sum(one is not None for one in parts[:place])
    rest = list(parts)
    rest[place] = slice(None)
    # The axis of the positions in the result of the other parts.
    kept = sum(not isinstance(one, int) for one in parts[:place])
    found = _basic(x, rest) if x.ndim > 1 or any(one is None for one in parts) else x
    found = take_positions(found, positions, kept if found is not x else axis)
    advanced = [at for at, one in enumerate(parts) if isinstance(one, (int, np.ndarray))]
    if len(advanced) > 1 and any(at not in advanced for at in range(advanced[0], advanced[-1])):
        # As in NumPy: indices that are not next to each other make the first axis.
        from ._shape import moveaxis

        found = moveaxis(found, kept, 0)
    return found


def take_positions(x: Any, positions: Any, axis: int) -> Any:
    """Return the items at positions along an axis."""
    sizes = x.chunks[axis]
    if is_unknown(sizes):
        raise ValueError(
            f"Arrays chunk sizes are unknown along axis {axis}: cannot index by position; {UNKNOWN_REMEDY}"
        )
    count = len(positions)
    if count == 0:
        return x[(slice(None),) * axis + (slice(0, 0),)]
    if count == x.shape[axis] and count > 1 and np.array_equal(positions, np.arange(count)):
        return x
    begins = np.asarray(starts(sizes))
    # Of empty blocks at the same place, the last one is not empty.
    owners = np.searchsorted(begins, positions, side="right") - 1
    chunks = list(x.chunks)
    maps: list[Any] = [Axis(at) for at in range(x.ndim)]
    if (np.diff(positions) >= 0).all() and count <= 2 * sum(sizes):
        ends = np.flatnonzero(np.diff(owners)) + 1
        pieces = np.split(np.arange(count), ends)
        blocks = [int(owners[piece[0]]) for piece in pieces]
        boxes = [positions[piece] - begins[block] for piece, block in zip(pieces, blocks)]
        chunks[axis] = tuple([len(piece) for piece in pieces])
        maps[axis] = Axis(axis, blocks, boxes)
        return array_of(Node("getitem", tuple(chunks), x._meta, identity, [Read(x._node, maps)]))
    size = max(max(sizes), 1)
    ranges, part_boxes, orders, lengths = [], [], [], []
    for begin in range(0, count, size):
        piece, owner = positions[begin : begin + size], owners[begin : begin + size]
        wanted, which = np.unique(owner, return_inverse=True)
        local = [np.unique(piece[which == at] - begins[block]) for at, block in enumerate(wanted)]
        offsets = np.cumsum([0, *[len(one) for one in local]])
        order = np.empty(len(piece), dtype=np.intp)
        for at, block in enumerate(wanted):
            chosen = which == at
            order[chosen] = offsets[at] + np.searchsorted(local[at], piece[chosen] - begins[block])
        ranges.append(tuple([int(block) for block in wanted]))
        part_boxes.append(local)
        orders.append(order)
        lengths.append(len(piece))
    chunks[axis] = tuple(lengths)
    maps[axis] = Axis(axis, ranges, part_boxes)
    node = Node(
        "getitem",
        tuple(chunks),
        x._meta,
        reorder_block,
        [Read(x._node, maps, join=True)],
        tables=[(axis, orders)],
        params={"axis": axis},
    )
    return array_of(node)


def reorder_block(block: Any, order: Any, axis: int) -> Any:
    """Return the items of a block in another order."""
    if type(block) is np.ndarray:
        return np.take(block, order, axis=axis)
    return block[(slice(None),) * axis + (order,)]


def take(a: Any, indices: Any, axis: int | None = 0) -> Any:
    """Return the items at positions along an axis.

    Parameters
    ----------
    a : array
        The array.
    indices : int or array of int
        The positions.
    axis : int
        The axis.
    """
    from ._from_array import asarray
    from ._shape import normalize_axis

    a = asarray(a)
    axis = normalize_axis(0 if axis is None else axis, a.ndim)
    if not isinstance(indices, Array):
        indices = np.asarray(indices)
        indices = indices[()] if indices.ndim == 0 else indices
    if getattr(getattr(indices, "dtype", None), "kind", "") == "b":
        # Positions, unlike a mask in brackets.
        indices = indices.astype(np.intp)
    if isinstance(indices, np.ndarray) and indices.ndim > 1:
        found = a[(slice(None),) * axis + (indices.ravel(),)]
        return found.reshape((*found.shape[:axis], *indices.shape, *found.shape[axis + 1 :]))
    return a[(slice(None),) * axis + (indices,)]


# Arrays of this package as indices.


def take_lazy_block(block: Any, positions: Any, axis: int) -> Any:
    """Return the items of a whole axis at positions that were computed."""
    size = block.shape[axis]
    positions = np.asarray(positions)
    if positions.size and (positions.min() < -size or positions.max() >= size):
        raise IndexError(f"index is out of bounds for axis {axis} with size {size}")
    return np.take(block, positions, axis=axis)


def _with_lazy_positions(x: Any, parts: list[Any]) -> tuple[Any, list[Any]]:
    chosen = [at for at, one in enumerate(parts) if isinstance(one, Array) and one.dtype.kind in "iu"]
    place = chosen[0]
    positions = parts[place]
    axis = sum(one is not None for one in parts[:place])
    is_single = positions.ndim == 0
    if is_single:
        positions = positions[None]
    chunks = list(x.chunks)
    chunks[axis] = positions.chunks[0]
    maps: list[Any] = [All() if at == axis else Axis(at) for at in range(x.ndim)]
    reads = [Read(x._node, maps, join=True), Read(positions._node, [Axis(axis)])]
    found = array_of(Node("getitem", tuple(chunks), x._meta, take_lazy_block, reads, params={"axis": axis}))
    parts = list(parts)
    parts[place] = 0 if is_single else slice(None)
    return found, parts


def mask_block(block: Any, mask: Any, axis: int) -> Any:
    """Return the items of a block where a mask is true."""
    return block[(slice(None),) * axis + (np.asarray(mask),)]


def mask_whole_block(block: Any, mask: Any) -> Any:
    """Return the items of a block where a mask of the same number of axes is true."""
    return block[mask]


def _with_lazy_mask(x: Any, parts: list[Any]) -> tuple[Any, list[Any]]:
    place = next(at for at, one in enumerate(parts) if isinstance(one, Array))
    mask = parts[place]
    axis = sum(getattr(one, "ndim", 1) if isinstance(one, Array) else 1 for one in parts[:place] if one is not None)
    rest = list(parts)
    if mask.ndim == 1:
        found = _mask_axis(x, mask, axis)
        rest[place] = slice(None)
    else:
        shape = x.shape[axis : axis + mask.ndim]
        for at, (one, size) in enumerate(zip(mask.shape, shape)):
            if one != size and not math.isnan(one) and not math.isnan(size):
                raise IndexError(
                    f"boolean index did not match indexed array along axis {axis + at}; dimension is {size} but "
                    f"corresponding boolean dimension is {one}"
                )
        if mask.ndim != x.ndim or len(parts) != 1:
            flat = x.reshape((*x.shape[:axis], -1, *x.shape[axis + mask.ndim :]))
            found = _mask_axis(flat, mask.ravel(), axis)
        else:
            found = _mask_all(x, mask)
        rest[place] = slice(None)
    if any(isinstance(one, Array) for one in rest):
        raise NotImplementedError("Don't yet support nd fancy indexing: only one axis can be indexed with a mask")
    return found, rest


def _mask_axis(x: Any, mask: Any, axis: int) -> Any:
    from ._elementwise import unify_chunks

    label = tuple(range(x.ndim))
    _, (x, mask) = unify_chunks(x, label, mask, (axis,), warn=False)
    chunks = list(x.chunks)
    chunks[axis] = (np.nan,) * len(chunks[axis])
    reads = [Read(x._node, [Axis(at) for at in range(x.ndim)]), Read(mask._node, [Axis(axis)])]
    return array_of(Node("getitem", tuple(chunks), x._meta, mask_block, reads, params={"axis": axis}))


def _mask_all(x: Any, mask: Any) -> Any:
    """Select items with a mask of the same shape, row-major."""
    from ._elementwise import unify_chunks

    label = tuple(range(x.ndim))
    whole = dict.fromkeys(range(1, x.ndim), -1)
    # The order of the items is that of rows only if no block has a part of a row.
    if not is_unknown(itertools.chain(x.shape[1:], mask.shape[1:])):
        x, mask = x.rechunk(whole), mask.rechunk(whole)
    elif any(len(sizes) > 1 for sizes in (*x.chunks[1:], *mask.chunks[1:])):
        raise ValueError(f"Arrays chunk sizes are unknown: cannot select items with a mask; {UNKNOWN_REMEDY}")
    _, (x, mask) = unify_chunks(x, label, mask, label, warn=False)
    chunks = ((np.nan,) * len(x.chunks[0]),)
    maps: list[Any] = [Axis(0), *[At(0)] * (x.ndim - 1)]
    reads = [Read(x._node, maps), Read(mask._node, maps)]
    return array_of(Node("getitem", chunks, make_meta(x._meta, x.dtype, 1), mask_whole_block, reads))
