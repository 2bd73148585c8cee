"""Repeating items and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from ._axis_maps import Axis, Read
from ._chunks import is_unknown
from ._core import array_of
from ._expression import Node

__all__ = ["repeat", "tile"]


def _repeat_block(block: Any, repeats: Any, axis: int) -> Any:
    return np.repeat(block, repeats, axis=axis)


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat the items of an array along an axis.

    Parameters
    ----------
    a : array
        The array.
    repeats : int or array of int
        How often, or how often for each item along the axis. Arrays of this package are computed, since they say the size.
    axis : int, optional
        The axis. By default the array is flattened.
    """
    from ._from_array import asarray

    a = asarray(a)
    if axis is None:
        a, axis = a.ravel(), 0
    if not isinstance(repeats, Integral):
        return _repeat_each(a, np.asarray(repeats), axis)
    if not -a.ndim <= axis < a.ndim:
        raise ValueError(f"axis(={axis}) out of bounds")
    axis %= a.ndim
    if repeats == 1:
        return a
    if repeats == 0:
        return a[(slice(None),) * axis + (slice(0, 0),)]
    # Blocks keep their size.
    largest = max(a.chunks[axis])
    wanted = max(largest // int(repeats), 1)
    parts: list[int] = []
    for size in a.chunks[axis]:
        count = max(-(-size // wanted), 1) if not is_unknown([size]) else 1
        parts += [len(one) for one in np.array_split(np.empty(size), count)] if count > 1 else [size]
    a = a.rechunk({axis: tuple(parts)}) if not is_unknown(a.chunks[axis]) else a
    chunks = list(a.chunks)
    chunks[axis] = tuple([size * int(repeats) for size in chunks[axis]])
    reads = [Read(a._node, [Axis(at) for at in range(a.ndim)])]
    params = {"repeats": int(repeats), "axis": axis}
    return array_of(Node("repeat", tuple(chunks), a._meta, _repeat_block, reads, params=params))


def _repeat_each(a: Any, repeats: Any, axis: int) -> Any:
    """Repeat each item along an axis as often as an array says."""
    if repeats.dtype.kind not in "iu" and repeats.size:
        raise TypeError(f"repeat() needs integers as repeats, not {repeats.dtype}")
    if repeats.ndim == 0 or (repeats.shape == (1,) and a.shape[axis] != 1):
        return repeat(a, int(repeats.reshape(())), axis)
    if not -a.ndim <= axis < a.ndim:
        raise ValueError(f"axis(={axis}) out of bounds")
    axis %= a.ndim
    if repeats.shape != (a.shape[axis],):
        raise ValueError(
            f"repeat() needs a number for each of the {a.shape[axis]} items of axis {axis}, not {repeats.shape}"
        )
    if repeats.size and repeats.min() < 0:
        raise ValueError("repeats may not contain negative values.")
    positions = np.repeat(np.arange(a.shape[axis]), repeats.astype(np.intp))
    return a[(slice(None),) * axis + (positions,)]


def tile(A: Any, reps: Any) -> Any:
    """Repeat an array along its axes.

    Parameters
    ----------
    A : array
        The array.
    reps : int or sequence of int
        How often along each axis.
    """
    from ._from_array import asarray
    from ._joining import concatenate

    counts: Sequence[int] = tuple(reps) if np.iterable(reps) else (reps,)
    if any(count < 0 for count in counts):
        raise ValueError("Negative `reps` are not allowed.")
    found = asarray(A)
    if found.ndim < len(counts):
        found = found[(None,) * (len(counts) - found.ndim)]
    counts = (1,) * (found.ndim - len(counts)) + tuple(counts)
    for axis, count in enumerate(counts):
        if count == 0:
            found = found[(slice(None),) * axis + (slice(0, 0),)]
        elif count > 1:
            found = concatenate([found] * count, axis=axis)
    return found
