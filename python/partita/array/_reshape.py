"""Reshaping: axes are divided into groups with equal products, and each group keeps its order of blocks."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..utils import parse_bytes
from ._axis_maps import At, Axis, Listed, Read
from ._chunks import UNKNOWN_REMEDY, PerformanceWarning, is_unknown
from ._core import Array, array_of, make_meta
from ._expression import Node

__all__ = ["ravel", "reshape", "reshape_blockwise"]


def reshape_block(block: Any, *sizes: Any) -> Any:
    """Reshape a block."""
    return block.reshape(sizes)


def reshape(x: Any, shape: Any, merge_chunks: bool = True, limit: Any = None, *, copy: bool | None = None) -> Any:
    """Return the items of an array in another shape, row-major.

    Parameters
    ----------
    x : array
        The array.
    shape : int or tuple of int
        The shape. One size may be -1.
    merge_chunks : bool
        Whether blocks may become larger.
    limit : int or str, optional
        Maximum size of a block in bytes.
    copy : bool, optional
        Accepted for compatibility with NumPy; no effect, since arrays are immutable.

    Examples
    --------
    >>> from partita.array import arange
    >>> reshape(arange(6, chunks=2), (2, 3)).compute()
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    from ._from_array import asanyarray

    x = asanyarray(x)
    wanted = (
        [int(shape)] if isinstance(shape, (int, np.integer)) else [one if one != one else int(one) for one in shape]
    )
    unknown = [at for at, size in enumerate(wanted) if size == -1]
    if len(unknown) > 1:
        raise ValueError("can only specify one unknown dimension")
    if len(wanted) == 1 and x.ndim == 1 and (unknown or wanted[0] == x.shape[0]):
        return x
    if is_unknown(x.shape):
        return _reshape_unknown(x, wanted, unknown)
    if unknown:
        known = math.prod(size for size in wanted if size != -1)
        if known == 0 or x.size % known:
            if known:
                raise ValueError(
                    f"total size of new array must be unchanged: cannot reshape {x.shape} to {tuple(wanted)}"
                )
            wanted[unknown[0]] = 0
        else:
            wanted[unknown[0]] = x.size // known
    shape = tuple(wanted)
    if math.prod(shape) != x.size:
        raise ValueError("total size of new array must be unchanged")
    if shape == x.shape:
        return x
    meta = make_meta(x._meta, x.dtype, len(shape))
    if x.npartitions == 1 or not x.size:
        one = x if x.npartitions == 1 else x.rechunk(tuple([(size,) for size in x.shape]))
        chunks = tuple([(size,) for size in shape])
        return array_of(
            Node(
                "reshape",
                chunks,
                meta,
                reshape_block,
                [Read(one._node, [At(0)] * x.ndim)],
                tables=list(enumerate(chunks)),
            )
        )
    if not merge_chunks and x.ndim > len(shape):
        x = x.rechunk(dict.fromkeys(range(x.ndim - len(shape)), 1))
    inner, found, maps = _plan(x, shape, limit)
    before = max(math.prod(map(max, x.chunks)), 1)
    after = math.prod(map(max, inner))
    if merge_chunks and limit is None and after > 10 * before and after * x.dtype.itemsize > (128 << 20):
        warnings.warn(
            f"Reshaping is producing a large chunk of {after} items, {after // before} times those of the input; rechunk the "
            "array so that the last axes are in one chunk",
            PerformanceWarning,
            stacklevel=3,
        )
    x = x.rechunk(inner)
    if any(isinstance(one, list) for one in maps):
        maps = _listed(x, found, maps)
    return array_of(Node("reshape", found, meta, reshape_block, [Read(x._node, maps)], tables=list(enumerate(found))))


def _reshape_unknown(x: Any, wanted: list[Any], unknown: list[int]) -> Any:
    if all(len(sizes) == 1 for sizes in x.chunks) and len(wanted) == 1 and (unknown or math.isnan(wanted[0])):
        node = Node(
            "reshape", ((np.nan,),), make_meta(x._meta, x.dtype, 1), _ravel_block, [Read(x._node, [At(0)] * x.ndim)]
        )
        return array_of(node)
    if unknown == [0] and x.ndim >= 1 and tuple(wanted[1:]) == tuple(x.shape[1:]):
        return x
    if is_unknown(x.shape[:1]) and not is_unknown(x.shape[1:]) and unknown == [0]:
        # Rows are merged within blocks.
        rest = math.prod(x.shape[1:])
        if math.prod(wanted[1:]) == rest and all(len(sizes) == 1 for sizes in x.chunks[1:]):
            return _reshape_rows(x, wanted)
        if len(wanted) == 1:
            one = x.rechunk(dict.fromkeys(range(1, x.ndim), -1))
            return _reshape_rows(one, wanted)
    raise ValueError(
        f"Array chunk size or shape is unknown. shape: {x.shape}. cannot reshape to {tuple(wanted)}; {UNKNOWN_REMEDY}"
    )


def _ravel_block(block: Any) -> Any:
    return block.reshape(-1)


def _reshape_rows(x: Any, wanted: list[Any]) -> Any:
    chunks = ((np.nan,) * len(x.chunks[0]), *[(size,) for size in wanted[1:]])
    maps: list[Any] = [Axis(0), *[At(0) for _ in x.chunks[1:]]]
    tables = [(0, [-1] * len(chunks[0])), *[(axis, chunks[axis]) for axis in range(1, len(chunks))]]
    meta = make_meta(x._meta, x.dtype, len(chunks))
    return array_of(Node("reshape", chunks, meta, reshape_block, [Read(x._node, maps)], tables=tables))


def _listed(x: Any, found: Any, maps: list[Any]) -> Listed:
    """Return the blocks that are read where one of an axis follows from the indices along several axes."""
    grid = [len(sizes) for sizes in found]
    rows = []
    for index in itertools.product(*map(range, grid)):
        number = 0
        for axis, one in enumerate(maps):
            at = 0
            if isinstance(one, list):
                for place in one:
                    at = at * grid[place] + index[place]
            elif isinstance(one, Axis):
                at = index[one.of] if one.ranges is None else one.ranges[index[one.of]]
            number = number * x.numblocks[axis] + at
        rows.append(number)
    return Listed(rows)


def _groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Divide the axes of two shapes into the smallest groups with equal products."""
    found: list[tuple[list[int], list[int]]] = []
    a = b = 0
    while a < len(old) or b < len(new):
        first, second = [a] if a < len(old) else [], [b] if b < len(new) else []
        left = old[a] if first else 1
        right = new[b] if second else 1
        a, b = a + len(first), b + len(second)
        while left != right:
            if left < right and a < len(old):
                left *= old[a]
                first.append(a)
                a += 1
            elif b < len(new):
                right *= new[b]
                second.append(b)
                b += 1
            else:
                left *= old[a]
                first.append(a)
                a += 1
        found.append((first, second))
    return found


def _plan(x: Any, shape: tuple[int, ...], limit: Any) -> tuple[Any, Any, Any]:
    """Return the chunks with which the array is read, the chunks of the result, and the maps."""
    limit = parse_bytes(limit) if isinstance(limit, str) else limit
    inner = list(x.chunks)
    found: list[Any] = [None] * len(shape)
    maps: list[Any] = [None] * x.ndim
    # Items in a block, outside of a group.
    largest = math.prod(map(max, x.chunks))
    for olds, news in _groups(x.shape, shape):
        if not olds or not news:
            for axis in olds:
                maps[axis] = At(0)
                inner[axis] = (1,)
            for axis in news:
                found[axis] = (1,)
            continue
        if len(olds) == len(news) == 1:
            found[news[0]] = x.chunks[olds[0]]
            maps[olds[0]] = Axis(news[0])
            continue
        target = math.prod(max(x.chunks[axis]) for axis in olds)
        if limit is not None:
            others = max(largest // max(target, 1), 1)
            target = min(target, max(limit // max(x.dtype.itemsize * others, 1), 1))
        sources, results = [axis for axis in olds if x.shape[axis] > 1], [axis for axis in news if shape[axis] > 1]
        if len(results) == 1 and sources:
            sizes, runs = _split(x.shape, sources, x.chunks, target)
            found[results[0]] = runs
            for axis, one, table in zip(sources, sizes, _tables(sizes)):
                inner[axis] = one
                maps[axis] = Axis(results[0], table)
        elif len(sources) == 1:
            sizes, runs = _split(shape, results, {}, target, x.chunks[sources[0]])
            inner[sources[0]] = runs
            for axis, one in zip(results, sizes):
                found[axis] = one
            maps[sources[0]] = results
        else:
            sizes, runs = _several(x, shape, sources, results)
            inner[sources[0]], found[results[0]] = sizes, runs
            maps[sources[0]] = Axis(results[0])
            for axis in sources[1:]:
                inner[axis] = (x.shape[axis],)
            for axis in results[1:]:
                found[axis] = (shape[axis],)
        for axis in olds:
            inner[axis] = (1,) if axis not in sources else inner[axis]
            maps[axis] = At(0) if maps[axis] is None else maps[axis]
        for axis in news:
            found[axis] = (1,) if found[axis] is None else found[axis]
    return tuple(inner), tuple(found), maps


def _split(
    shape: Any, axes: list[int], chunks: Any, target: int, ends: Any = None
) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """Divide some axes into runs of row-major items: an axis is divided, those before it have blocks of size 1.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    axes : list of int
        The axes.
    chunks : tuple
        Present chunks of the axes.
    target : int
        The wanted number of items of a run.
    ends : tuple of int, optional
        Present sizes of the runs.

    Returns
    -------
    list of tuple
        Sizes of the blocks along each of the axes.
    tuple of int
        Sizes of the runs.
    """
    place = 0
    while place < len(axes) - 1 and math.prod(shape[axis] for axis in axes[place + 1 :]) > target:
        place += 1
    row = math.prod(shape[axis] for axis in axes[place + 1 :])
    size = shape[axes[place]]
    if chunks and all(len(chunks[axis]) == shape[axis] for axis in axes[:-1]):
        # Blocks are only moved.
        place, row, parts = len(axes) - 1, 1, tuple(chunks[axes[-1]])
    elif place == 0:
        parts = _rows(chunks[axes[0]] if chunks else ends, size, row, target, is_row=bool(chunks))
    else:
        parts = _even(size, -(-size * row // target))
    sizes = [(1,) * shape[axis] for axis in axes[:place]] + [parts] + [(shape[axis],) for axis in axes[place + 1 :]]
    outer = math.prod(shape[axis] for axis in axes[:place])
    return sizes, tuple([part * row for part in parts]) * outer


def _even(size: int, count: int) -> tuple[int, ...]:
    count = max(min(count, size), 1)
    low, extra = divmod(size, count)
    return (low,) * (count - extra) + (low + 1,) * extra


def _tables(sizes: list[tuple[int, ...]]) -> list[list[int]]:
    """Return the index along each axis of row-major blocks."""
    index = list(itertools.product(*[range(len(one)) for one in sizes]))
    return [[one[axis] for one in index] for axis in range(len(sizes))]


def _rows(sizes: Sequence[int], size: int, row: int, target: int, is_row: bool) -> tuple[int, ...]:
    """Return numbers of rows near the present ends of blocks, such that a block does not exceed a size.

    Parameters
    ----------
    sizes : sequence of int
        Present sizes: numbers of rows, or of items if not `is_row`.
    size : int
        The number of rows.
    row : int
        The number of items of a row.
    target : int
        The wanted number of items of a block.
    """
    most = max(target // row, 1)
    ends: list[int] = []
    begin = 0
    for end in itertools.accumulate(sizes):
        stop = end if is_row else size if end >= size * row else end // row
        while stop - begin > most:
            begin += most
            ends.append(begin)
        if stop > begin:
            ends.append(stop)
            begin = stop
    if not ends or ends[-1] != size:
        ends.append(size)
    return tuple([end - start for start, end in zip([0, *ends], ends)])


def _several(x: Any, shape: Any, sources: list[int], results: list[int]) -> tuple[Any, Any]:
    """Divide the first of several axes such that its blocks are whole rows of both shapes."""
    row_in = math.prod(x.shape[axis] for axis in sources[1:])
    row_out = math.prod(shape[axis] for axis in results[1:])
    step = row_out // math.gcd(row_in, row_out)
    first, size = sources[0], x.shape[sources[0]]
    wide = math.prod(max(x.chunks[axis]) for axis in sources[1:])
    most = max(max(x.chunks[first]) * wide // row_in // step, 1) * step
    parts = (most,) * (size // most) + ((size % most,) if size % most else ())
    return parts, tuple([part * row_in // row_out for part in parts])


def ravel(array: Any) -> Any:
    """Return the items of an array in one axis, row-major."""
    from ._from_array import asanyarray

    return reshape(asanyarray(array), (-1,))


def reshape_blockwise(x: Any, shape: Any, chunks: Any = None) -> Any:
    """Reshape each block, so that the order of the items may differ from that of NumPy.

    Parameters
    ----------
    x : Array
        The array.
    shape : int or tuple of int
        The shape.
    chunks : tuple, optional
        Chunks of the result, needed if it has more axes.
    """
    if not isinstance(x, Array):
        raise TypeError("reshape_blockwise() needs an array of this package")
    shape = tuple([int(one) for one in (shape if np.iterable(shape) else (shape,))])
    if is_unknown(x.shape):
        raise ValueError(f"Array chunk size or shape is unknown. shape: {x.shape}; {UNKNOWN_REMEDY}")
    if math.prod(shape) != x.size:
        raise ValueError("reshape_blockwise: total size of new array must be unchanged")
    if len(shape) == x.ndim and shape == x.shape:
        return x
    if chunks is not None and len(shape) <= x.ndim:
        raise ValueError("Setting chunks is not allowed when reshaping to fewer dimensions")
    if len(shape) > x.ndim and chunks is None:
        raise TypeError("Need to specify chunks if expanding dimensions: pass chunks=")
    outputs: list[tuple[Any, ...]] = []
    groups = _groups(x.shape, shape)
    if chunks is None:
        outputs = [()] * len(shape)
        for olds, news in groups:
            if len(news) > 1:
                raise NotImplementedError("reshape_blockwise not implemented for expanding dimensions without chunks")
            for axis in news:
                outputs[axis] = tuple(
                    [math.prod(sizes) for sizes in itertools.product(*[x.chunks[old] for old in olds])]
                )
        chunks = tuple(outputs)
    from ._vindex import row_major

    return row_major(x, tuple(tuple(one) for one in chunks), reshape_block)
