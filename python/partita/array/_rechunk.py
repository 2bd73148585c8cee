"""Changing chunks: each new block reads parts of the blocks that it overlaps."""

from __future__ import annotations

import bisect
import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tasks import identity
from ._axis_maps import Axis, Read
from ._chunks import UNKNOWN_REMEDY, is_unknown, normalize_chunks, starts
from ._core import array_of
from ._creation import fill_block
from ._expression import Constant, Node, sizes_token
from ._pushdown import with_chunks_of_fill
from ._rechunk_steps import intermediate_chunks

__all__ = ["overlap_maps", "rechunk", "spans"]


def rechunk(
    x: Any,
    chunks: Any = "auto",
    threshold: Any = None,
    block_size_limit: Any = None,
    balance: bool = False,
    method: Any = None,
) -> Any:
    """Return an array with other chunks.

    Parameters
    ----------
    x : Array
        The array.
    chunks : int, tuple, dict or str
        The chunks, as in :func:`normalize_chunks`. A dict has those of some axes.
    threshold
        Accepted for compatibility with Dask; no effect: whether there are intermediate chunks depends on the bytes of the
        blocks that a task would read.
    block_size_limit : int, optional
        Size of an automatic block in bytes.
    balance : bool
        Whether to make the blocks of an axis equally large.
    method : str, optional
        Accepted for compatibility with Dask; no effect.

    Examples
    --------
    >>> from partita.array import ones
    >>> ones((6, 4), chunks=(2, 4)).rechunk({0: 3}).chunks
    ((3, 3), (4,))
    """
    if x.ndim > 0 and all(size == 0 for size in x.shape):
        return x
    if isinstance(chunks, dict):
        given = {}
        for axis, one in chunks.items():
            if not isinstance(axis, (int, np.integer)):
                raise TypeError(f"the keys of chunks must be axes, not {axis!r}")
            if not -x.ndim <= axis < x.ndim:
                raise ValueError(f"axis {axis} is out of bounds for an array with {x.ndim} dimensions")
            given[axis % x.ndim] = one
        chunks = tuple([given[axis] if given.get(axis) is not None else x.chunks[axis] for axis in range(x.ndim)])
    if isinstance(chunks, (tuple, list)) and len(chunks) == x.ndim:
        chunks = tuple([old if one is None else one for one, old in zip(chunks, x.chunks)])
    chunks = _with_unknown(chunks, x)
    found = normalize_chunks(chunks, x.shape, limit=block_size_limit, dtype=x.dtype, previous_chunks=x.chunks)
    if found == x.chunks:
        if not balance:
            return x
    elif not x.ndim:
        return x
    if balance:
        found = tuple([_balanced(sizes) for sizes in found])
    for old, new in zip(x.chunks, found):
        if (is_unknown(old) or is_unknown(new)) and old != new:
            raise ValueError(
                f"Chunks must be unchanging along dimensions with missing values: cannot rechunk {old} to {new}; "
                f"{UNKNOWN_REMEDY}"
            )
        if not is_unknown(old) and sum(old) != sum(new):
            raise ValueError(f"Provided chunks {found} are not consistent with shape {x.shape}")
    if found == x.chunks:
        return x
    if isinstance(x._node, Constant):
        return array_of(Constant("rechunk", found, x._meta, x._node.array, name=f"rechunk-{_token(x, found)}"))
    if x._node.function is fill_block:
        return with_chunks_of_fill(x._node, found)
    for chunks in intermediate_chunks(x.chunks, found, x.dtype.itemsize):
        x = _merge(x, chunks)
    return _merge(x, found)


def _merge(x: Any, found: Any) -> Any:
    """Return an array with other chunks, each of which reads the blocks that it overlaps."""
    axes = overlap_maps(x.chunks, found)
    is_whole = all(one.is_single and one.boxes is None for one in axes)
    token = ("rechunk", [sizes_token(one) for one in found])
    node = Node("rechunk-merge", found, x._meta, identity, [Read(x._node, axes, join=not is_whole)], token=token)
    return array_of(node)


def _token(x: Any, chunks: Any) -> str:
    from .._tokens import tokenize

    return tokenize(x._node.name, chunks)


def _with_unknown(chunks: Any, x: Any) -> Any:
    """Keep the chunks of axes of unknown size where automatic chunks or one block are wanted."""
    if not is_unknown(x.shape):
        return chunks
    if isinstance(chunks, (tuple, list)) and len(chunks) == x.ndim:
        return tuple(
            [old if is_unknown(old) and one == -1 and len(old) == 1 else one for one, old in zip(chunks, x.chunks)]
        )
    return chunks


def _balanced(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return about as many blocks, which are equally large."""
    total = sum(sizes)
    if is_unknown(sizes) or not total:
        return sizes
    count = len(sizes) - (min(sizes) <= max(sizes) / 2)
    middle = int(np.median(sizes))
    best: tuple[int, ...] | None = None
    for size in range(max(middle - middle // 2, 1), middle + middle // 2 + 1):
        rest = total % size
        found = (size,) * (total // size) + ((rest,) if rest else ())
        if len(found) == count and (best is None or found[0] - found[-1] < best[0] - best[-1]):
            best = found
    if best is None:
        warnings.warn(
            "chunk size balancing not possible with given chunks. Try increasing the chunk size.",
            UserWarning,
            stacklevel=4,
        )
        return sizes
    return best


def spans(old: Sequence[int], new: Sequence[int]) -> tuple[list[range], list[list[slice]]]:
    """Return which blocks each new block overlaps, and which part of each.

    Examples
    --------
    >>> spans((3, 3), (2, 4))
    ([range(0, 1), range(0, 2)], [[slice(0, 2, None)], [slice(2, 3, None), slice(0, 3, None)]])
    """
    begins = starts(old)
    ends = list(itertools.accumulate(old))
    ranges: list[range] = []
    boxes: list[list[slice]] = []
    begin = 0
    for size in new:
        end = begin + size
        first = min(bisect.bisect_right(ends, begin), len(old) - 1)
        last = max(min(bisect.bisect_left(ends, end), len(old) - 1), first)
        ranges.append(range(first, last + 1))
        boxes.append(
            [slice(max(begin - begins[at], 0), min(end - begins[at], old[at])) for at in range(first, last + 1)]
        )
        begin = end
    return ranges, boxes


def overlap_maps(old: Any, new: Any) -> list[Axis]:
    """Return the maps of an array of chunks `new` over one of chunks `old`."""
    axes = []
    for axis, (before, after) in enumerate(zip(old, new)):
        if before == after:
            axes.append(Axis(axis))
            continue
        ranges, boxes = spans(before, after)
        if all(len(one) == 1 for one in ranges):
            axes.append(Axis(axis, [one[0] for one in ranges], [one[0] for one in boxes]))
        else:
            axes.append(Axis(axis, ranges, boxes))
    return axes
