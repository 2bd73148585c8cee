"""Pointwise indexing, and blocks in row-major order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._axis_maps import Listed, Read
from ._chunks import starts
from ._core import Array, array_of, check_known, make_meta
from ._expression import Node

__all__ = ["PointIndex", "row_major"]


def row_major(x: Any, chunks: Any, function: Callable[..., Any]) -> Any:
    """Return an array whose blocks are those of another one in row-major order.

    Parameters
    ----------
    x : Array
        The array.
    chunks : tuple
        Chunks of the result, of as many blocks.
    function : callable
        Called with a block and the sizes of the result's block.
    """
    if math.prod(map(len, chunks)) != x.npartitions:
        raise ValueError(f"chunks {chunks} have not as many blocks as the array, which has {x.npartitions}")
    read = Read(x._node, Listed(range(x.npartitions)))
    meta = make_meta(x._meta, x.dtype, len(chunks))
    return array_of(Node("reshape-blockwise", chunks, meta, function, [read], tables=list(enumerate(chunks))))


def pick_points(blocks: list[Any], points: Any, axes: tuple[int, ...], ndim: int) -> Any:
    """Return the items of blocks at points.

    Parameters
    ----------
    blocks : list of array
        The blocks.
    points : tuple
        The number of the block of each point, and its position in the block along each of the axes.
    axes : tuple of int
        The axes.
    ndim : int
        The number of axes of a block.
    """
    which, positions = points
    found = None
    for at, block in enumerate(blocks):
        chosen = np.flatnonzero(which == at)
        index: list[Any] = [slice(None)] * ndim
        for axis, one in zip(axes, positions):
            index[axis] = one[chosen]
        part = block[tuple(index)]
        if len(axes) > 1 or axes[0]:
            apart = len(axes) > 1 and any(b - a > 1 for a, b in zip(axes, axes[1:]))
            if not apart:
                part = np.moveaxis(part, axes[0], 0)
        if len(blocks) == 1 and len(chosen) == len(which):
            return part
        if found is None:
            found = np.empty_like(part, shape=(len(which), *part.shape[1:]))
        found[chosen] = part
    return found


class PointIndex:
    """The attribute ``vindex`` of an array: indexing with arrays that are broadcast together."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getitem__(self, key: Any) -> Any:
        x = self._array
        check_known(x, "vindex")
        key = key if isinstance(key, tuple) else (key,)
        if any(one is None for one in key):
            raise IndexError(f"vindex does not support indexing with None (np.newaxis), got {key}")
        if any(isinstance(one, Array) for one in key):
            return _lazy_points(x, key)
        if len(key) > x.ndim:
            raise IndexError(f"vindex: too many indices for an array with {x.ndim} dimensions: {key}")
        if Ellipsis in [one for one in key if isinstance(one, type(Ellipsis))]:
            at = next(at for at, one in enumerate(key) if one is Ellipsis)
            key = (*key[:at], *[slice(None)] * (x.ndim - len(key) + 1), *key[at + 1 :])
        key = (*key, *[slice(None)] * (x.ndim - len(key)))
        if all(isinstance(one, slice) for one in key):
            if all(one.indices(size) == (0, size, 1) for one, size in zip(key, x.shape)):
                return x
            raise IndexError(
                f"vindex requires at least one non-slice to vectorize over when the slices are not over the entire array (i.e, x[:]). Use normal slicing instead when only using slices. Got: {key}"
            )
        partial = tuple([one if isinstance(one, slice) else slice(None) for one in key])
        if any(one != slice(None) for one in partial):
            x = x[partial]
        chosen = {}
        for axis, one in enumerate(key):
            if isinstance(one, slice):
                continue
            points = np.asarray(one)
            if points.size == 0:
                points = points.astype(np.intp)
            if points.dtype.kind not in "iu":
                raise IndexError(f"vindex: indices must be integers, not {points.dtype}")
            chosen[axis] = points
        return _select(x, chosen)


def _lazy_points(x: Any, key: tuple[Any, ...]) -> Any:
    """Return the items at positions that are lazy, of an array in one chunk."""
    from ._axis_maps import All, Axis

    if len(key) != 1 or x.ndim != 1 or x.npartitions != 1:
        raise IndexError(
            "vindex does not support indexing with dask objects, except for an array with one dimension and one chunk; compute "
            "the indices first"
        )
    points = key[0]
    reads = [Read(x._node, [All()], join=True), Read(points._node, [Axis(axis) for axis in range(points.ndim)])]
    meta = make_meta(x._meta, x.dtype, points.ndim)
    return array_of(Node("vindex", points.chunks, meta, take_points, reads))


def take_points(block: Any, points: Any) -> Any:
    """Return the items of a block at points."""
    return block[points]


def _select(x: Any, chosen: dict[int, Any]) -> Any:
    axes = tuple(chosen)
    try:
        points = np.broadcast_arrays(*chosen.values())
    except ValueError as error:
        raise IndexError(
            "shape mismatch: indexing arrays could not be broadcast together with shapes "
            + " ".join(str(one.shape) for one in chosen.values())
        ) from error
    shape = points[0].shape
    flat = []
    for axis, one in zip(axes, points):
        size = x.shape[axis]
        one = one.ravel()
        if one.size and (one.min() < -size or one.max() >= size):
            raise IndexError(
                f"vindex key has entries out of bounds for indexing along axis {axis} of size {size}: {chosen[axis]}"
            )
        flat.append(np.where(one < 0, one + size, one).astype(np.intp))
    count = flat[0].size
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    size = max(math.prod(max(x.chunks[axis]) for axis in axes), 1)
    sizes = tuple([min(size, count - begin) for begin in range(0, count, size)]) or (0,)
    chunks = (sizes, *[x.chunks[axis] for axis in rest])
    owners, local = [], []
    for axis, one in zip(axes, flat):
        begins = np.asarray(starts(x.chunks[axis]))
        owner = np.searchsorted(begins, one, side="right") - 1
        owners.append(owner)
        local.append(one - begins[owner])
    strides = [1] * x.ndim
    for axis in range(x.ndim - 2, -1, -1):
        strides[axis] = strides[axis + 1] * x.numblocks[axis + 1]
    numbers = sum((owner * strides[axis] for axis, owner in zip(axes, owners)), np.zeros(count, dtype=np.intp))
    table, rows = [], []
    others = list(itertools.product(*[range(x.numblocks[axis]) for axis in rest]))
    begin = 0
    for one in sizes:
        part = slice(begin, begin + one)
        wanted, which = np.unique(numbers[part], return_inverse=True)
        known = [int(number) for number in wanted] or [0]
        table.append((which.reshape(-1), [positions[part] for positions in local]))
        for index in others:
            offset = sum(at * strides[axis] for axis, at in zip(rest, index))
            rows.append([number + offset for number in known])
        begin += one
    meta = make_meta(x._meta, x.dtype, len(chunks))
    node = Node(
        "vindex",
        chunks,
        meta,
        pick_points,
        [Read(x._node, Listed(rows))],
        tables=[(0, table)],
        params={"axes": axes, "ndim": x.ndim},
    )
    found = array_of(node)
    if len(shape) != 1:
        found = found.reshape((*shape, *found.shape[1:]))
    return found
