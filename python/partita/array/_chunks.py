"""Chunks: sizes of blocks along each axis, given in any of the forms that users write."""

from __future__ import annotations

import collections
import itertools
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Number
from typing import Any

import numpy as np

from .. import config
from ..utils import parse_bytes

__all__ = [
    "PerformanceWarning",
    "blockdims_from_blockshape",
    "broadcast_chunks",
    "broadcast_shapes",
    "common_blockdim",
    "is_unknown",
    "normalize_chunks",
    "slices_from_chunks",
]

#: Size of blocks that are chosen automatically.
CHUNK_SIZE = "128MiB"

#: How much larger than wanted present blocks may be when they are joined.
TOLERANCE = 1.25


def tolerance() -> float:
    """Return how far sizes of blocks may exceed what is wanted, such that blocks need not be divided."""
    return float(config.get("array.chunk-size-tolerance", TOLERANCE))


UNKNOWN_REMEDY = "call x.compute_chunk_sizes() first, which computes them"


class PerformanceWarning(Warning):
    """An operation makes chunks that are much larger or more numerous than those of its input."""


def is_unknown(sizes: Iterable[Any]) -> bool:
    """Whether a size is unknown, that is NaN."""
    if isinstance(sizes, tuple):
        # One pass in C, since an axis may have a million blocks.
        total = sum(sizes)
        return isinstance(total, float) and math.isnan(total)
    return any(isinstance(one, float) and math.isnan(one) for one in sizes)


def starts(sizes: Sequence[Any]) -> list[Any]:
    """Return where the blocks begin."""
    return [0, *itertools.accumulate(sizes[:-1])] if sizes else []


def slices_from_chunks(chunks: Any) -> list[tuple[slice, ...]]:
    """Return the slices of each block, row-major.

    Examples
    --------
    >>> slices_from_chunks(((2, 2), (3,)))
    [(slice(0, 2, None), slice(0, 3, None)), (slice(2, 4, None), slice(0, 3, None))]
    """
    axes = [[slice(begin, begin + size) for begin, size in zip(starts(sizes), sizes)] for sizes in chunks]
    return list(itertools.product(*axes))


def _as_size(value: Any) -> Any:
    if isinstance(value, (float, np.floating)) and math.isnan(value):
        return np.nan
    if int(value) != value:
        raise ValueError(f"chunk sizes must be integers, not {value!r}")
    return int(value)


def _split(size: Any, block: Any) -> tuple[Any, ...]:
    """Return the blocks of an axis whose size is given for all but the last one."""
    if isinstance(size, float) and math.isnan(size):
        raise ValueError(f"cannot divide an axis of unknown size into chunks of {block}; {UNKNOWN_REMEDY}")
    if not size:
        return (0,)
    if block < 1:
        raise ValueError(f"chunk sizes must be positive, not {block}")
    block = min(block, size)
    rest = size % block
    return (block,) * (size // block) + ((rest,) if rest else ())


def blockdims_from_blockshape(shape: Any, chunks: Any) -> tuple[tuple[int, ...], ...]:
    """Return the chunks of an array of a shape for a size of a block along each axis.

    Examples
    --------
    >>> blockdims_from_blockshape((10, 4), (4, 2))
    ((4, 4, 2), (2, 2))
    """
    if chunks is None:
        raise TypeError("chunks must be given")
    if shape is None:
        raise TypeError("shape must be given")
    if not all(map(is_integral, chunks)):
        raise ValueError(f"chunks must be integers: {chunks!r}")
    if not all(map(is_integral, shape)):
        raise ValueError(f"the shape must be integers: {shape!r}")
    return tuple([_split(int(size), int(block)) for size, block in zip(shape, chunks)])


def is_integral(value: Any) -> bool:
    """Whether a value is an integer, and not a bool."""
    return isinstance(value, (Integral, np.integer)) and not isinstance(value, (bool, np.bool_))


def normalize_chunks(
    chunks: Any, shape: Any = None, limit: Any = None, dtype: Any = None, previous_chunks: Any = None
) -> tuple[tuple[Any, ...], ...]:
    """Return chunks as a tuple of sizes for each axis.

    Parameters
    ----------
    chunks : int, str, tuple, list or dict
        A size for all axes; or for each axis a size, all sizes, ``"auto"``, -1 or None for one block, or a number of
        bytes such as ``"100MiB"``.
    shape : tuple of int, optional
        Shape of the array.
    limit : int or str, optional
        Size of an automatic block in bytes.
    dtype : dtype, optional
        Dtype of the items, for automatic blocks.
    previous_chunks : tuple, optional
        Chunks of the source, whose boundaries automatic chunks follow.

    Examples
    --------
    >>> normalize_chunks((5, (2, 4)), shape=(10, 6))
    ((5, 5), (2, 4))
    >>> normalize_chunks("auto", shape=(20,), limit=5, dtype="uint8")
    ((5, 5, 5, 5),)
    """
    if chunks is None:
        raise ValueError(
            "you must specify chunks: a size such as 1000, a tuple of sizes, 'auto', or -1 for one block; not None"
        )
    dtype = np.dtype(dtype) if dtype is not None and not isinstance(dtype, np.dtype) else dtype
    if isinstance(chunks, np.ndarray):
        chunks = chunks.tolist()
    if isinstance(chunks, (Number, str)):
        if shape is None:
            raise ValueError(f"chunks={chunks!r} need a shape")
        chunks = (chunks,) * len(shape)
    elif isinstance(chunks, dict):
        chunks = tuple([chunks.get(axis) for axis in range(len(shape))])
    chunks = tuple(chunks)
    if not chunks and shape and all(size == 0 for size in shape):
        chunks = ((0,),) * len(shape)
    if shape and len(shape) == 1 and len(chunks) > 1 and all(isinstance(one, (Number, str)) for one in chunks):
        chunks = (chunks,)
    if shape and len(chunks) != len(shape):
        raise ValueError(
            f"Chunks and shape must be of the same length/dimension. Got chunks={chunks}, shape={tuple(shape)}"
        )
    if shape is not None and not len(shape):
        return ()
    chunks, limit = _byte_sizes(chunks, limit)
    if shape is not None:
        chunks = tuple(
            [size if one is None or (is_integral(one) and int(one) == -1) else one for one, size in zip(chunks, shape)]
        )
    if any(isinstance(one, str) for one in chunks):
        chunks = _auto_chunks(chunks, tuple(shape), limit, dtype, previous_chunks)
    return _check(chunks, shape)


def _byte_sizes(chunks: tuple[Any, ...], limit: Any) -> tuple[tuple[Any, ...], Any]:
    for one in chunks:
        if isinstance(one, str) and one != "auto":
            size = parse_bytes(one)
            if limit is not None and size != (parse_bytes(limit) if isinstance(limit, str) else limit):
                raise ValueError(f"Only one consistent value of limit or chunk is allowed. Used {size} != {limit}")
            limit = size
    return tuple(["auto" if isinstance(one, str) else one for one in chunks]), limit


def _check(chunks: tuple[Any, ...], shape: Any) -> tuple[tuple[Any, ...], ...]:
    found = []
    for axis, one in enumerate(chunks):
        size = None if shape is None else shape[axis]
        if isinstance(one, Number):
            if size is None:
                sizes: tuple[Any, ...] = (_as_size(one),)
            elif math.isnan(one) or math.isnan(size):  # type: ignore[arg-type]
                if not math.isnan(one):  # type: ignore[arg-type]
                    raise ValueError(
                        f"cannot divide axis {axis} of unknown size into chunks of {one}; {UNKNOWN_REMEDY}"
                    )
                sizes = (np.nan,)
            else:
                sizes = _split(_as_size(size), _as_size(one))
        else:
            try:
                one = tuple(one)
                sizes = one if set(map(type, one)) == {int} else tuple([_as_size(block) for block in one])
            except TypeError:
                raise TypeError(f"chunks must be sizes or tuples of sizes, not {one!r} for axis {axis}") from None
            if not sizes:
                raise ValueError(
                    "Empty tuples are not allowed in chunks. Express zero length dimensions with 0(s) in chunks"
                )
            total = sum(sizes)
            if min(sizes) < 0:
                raise ValueError(f"chunk sizes must not be negative: {one!r}")
            if size is not None and total != size and not math.isnan(total) and not math.isnan(size):
                raise ValueError(f"Chunks do not add up to shape. Got chunks={chunks}, shape={tuple(shape)}")
        found.append(sizes)
    return tuple(found)


# Automatic chunks.


def _auto_chunks(
    chunks: tuple[Any, ...], shape: tuple[Any, ...], limit: Any, dtype: Any, previous: Any
) -> tuple[Any, ...]:
    if dtype is None:
        raise TypeError("dtype must be known for auto-chunking")
    if dtype.hasobject:
        raise NotImplementedError(
            "Can not use auto rechunking with object dtype. We are unable to estimate the size in bytes of object data; "
            "pass chunks="
        )
    if is_unknown(shape) or any(not isinstance(one, str) and is_unknown(np.ravel(one)) for one in chunks):
        raise ValueError(f"Can not perform automatic rechunking with unknown (nan) chunk sizes; {UNKNOWN_REMEDY}")
    if dtype.itemsize == 0:
        raise ValueError("auto-chunking with dtype.itemsize == 0 is not supported, please pass in `chunks` explicitly")
    limit = config.get("array.chunk-size", CHUNK_SIZE) if limit is None else limit
    limit = max(1, parse_bytes(limit) if isinstance(limit, str) else limit)
    free = [axis for axis, one in enumerate(chunks) if isinstance(one, str)]
    fixed = math.prod(max(np.ravel(one)) for one in chunks if not isinstance(one, str))
    budget = limit / dtype.itemsize / max(fixed, 1)
    found = list(chunks)
    if previous:
        models = _model_sizes(previous, shape)
        for axis, sizes in _follow(free, shape, budget, models).items():
            found[axis] = sizes
        return tuple(found)
    while free:
        side = budget ** (1 / len(free))
        short = [axis for axis in free if shape[axis] < side]
        if not short:
            for axis in free:
                found[axis] = max(1, int(side))
            break
        for axis in short:
            found[axis] = shape[axis]
            budget /= max(shape[axis], 1)
            free.remove(axis)
    return tuple(found)


def _model_sizes(previous: Any, shape: tuple[Any, ...]) -> list[tuple[int, ...]]:
    found = []
    for one, size in zip(previous, shape):
        if isinstance(one, (tuple, list)) and len(one) == 1:
            one = one[0]
        found.append(_split(size, int(one)) if isinstance(one, Number) else tuple(one))  # type: ignore[call-overload]
    return found


def _follow(free: list[int], shape: tuple[Any, ...], budget: float, models: list[tuple[int, ...]]) -> dict[int, Any]:
    """Return sizes of blocks near a budget that follow the boundaries of others."""
    medians = {axis: max(float(np.median(models[axis])), 1.0) for axis in free}
    if budget < math.prod(medians.values()):
        return _shrunk(shape, budget, models, medians)
    found: dict[int, Any] = {}
    free = list(free)
    factor = 1.0
    while free:
        factor = (budget / math.prod(medians[axis] for axis in free)) ** (1 / len(free))
        whole = [axis for axis in free if medians[axis] * factor >= shape[axis]]
        if not whole:
            break
        for axis in whole:
            found[axis] = shape[axis]
            budget /= max(shape[axis], 1)
            free.remove(axis)
    for axis in free:
        wanted = medians[axis] * factor
        if max(models[axis]) <= wanted * tolerance() ** (1 / len(free)):
            found[axis] = _merged(models[axis], wanted)
        else:
            found[axis] = _rounded(wanted, _unit(models[axis], shape[axis]))
    return found


def _shrunk(
    shape: tuple[Any, ...], budget: float, models: list[tuple[int, ...]], medians: dict[int, float]
) -> dict[int, Any]:
    """Return smaller sizes of blocks. What rounding leaves of the budget goes to the axes that are still divided.

    Axes whose blocks have one item do not shrink further: without the others doing so the blocks would exceed the budget.
    """
    sizes = dict(medians)
    free = sorted(sizes)
    last = None
    while free and last != sizes:
        last = dict(sizes)
        factor = (budget / math.prod(sizes.values())) ** (1 / len(free))
        for axis in list(free):
            wanted = sizes[axis] * factor
            is_whole = wanted >= shape[axis]
            if is_whole or wanted < 1:
                free.remove(axis)
            sizes[axis] = max(shape[axis], 1) if is_whole else _rounded(wanted, _unit(models[axis], shape[axis]))
    return {axis: int(size) for axis, size in sizes.items()}


def _unit(sizes: tuple[int, ...], size: int) -> int:
    """Return the size that most blocks have, or that of the axis."""
    mode, count = collections.Counter(sizes).most_common(1)[0]
    return mode if mode > 1 and count >= len(sizes) / 2 else size


def _rounded(wanted: float, unit: int) -> int:
    """Return a multiple of a unit, or a part of it."""
    return max(1, int(wanted)) if wanted <= unit else int(wanted // unit * unit)


def _merged(sizes: Sequence[int], wanted: float) -> tuple[int, ...]:
    """Join neighbouring blocks as long as they do not exceed a size."""
    found: list[int] = []
    for size in sizes:
        if found and found[-1] + size <= wanted:
            found[-1] += size
        else:
            found.append(size)
    return tuple(found)


# Several arrays.


def broadcast_shapes(*shapes: Any) -> tuple[Any, ...]:
    """Return the shape of the result of an elementwise operation. Sizes may be unknown.

    Examples
    --------
    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    if len(shapes) == 1:
        return tuple(shapes[0])
    found: list[Any] = []
    for sizes in itertools.zip_longest(*[tuple(reversed(shape)) for shape in shapes], fillvalue=-1):
        given = [size for size in sizes if size != -1]
        others = [size for size in given if size != 1]
        size: Any
        if not others:
            size = 1
        elif is_unknown(others):
            size = np.nan
        elif 0 in others:
            size = 0
        else:
            size = max(others)
        if any(one not in (-1, 0, 1, size) and not math.isnan(one) and not math.isnan(size) for one in sizes) or (
            size == 0 and any(one > 1 for one in others)
        ):
            raise ValueError(
                f"operands could not be broadcast together with shapes {' '.join(map(str, map(tuple, shapes)))}"
            )
        found.append(size)
    return tuple(reversed(found))


def common_blockdim(blockdims: Iterable[Any]) -> tuple[Any, ...]:
    """Return the coarsest chunks of an axis whose boundaries contain those of all given ones.

    Examples
    --------
    >>> common_blockdim([(3, 3), (2, 4)])
    (2, 1, 3)
    """
    unique = list(dict.fromkeys(tuple(one) for one in blockdims))
    if not unique:
        return ()
    if len(unique) == 1:
        return unique[0]
    others = [one for one in unique if one != (1,)]
    if len(others) == 1:
        return others[0]
    if any(is_unknown(one) for one in others):
        raise ValueError(f"Arrays' chunk sizes {tuple(others)} are unknown and differ; {UNKNOWN_REMEDY}")
    totals = {sum(one) for one in others}
    if len(totals) > 1:
        raise ValueError(f"Chunks do not align: sizes {sorted(totals)} of one axis differ")
    ends = sorted(set(itertools.chain.from_iterable(itertools.accumulate(one) for one in others)))
    return tuple([end - begin for begin, end in zip([0, *ends], ends)])


def broadcast_chunks(*chunkss: Any) -> tuple[tuple[Any, ...], ...]:
    """Return the chunks of the result of an elementwise operation on blocks that are aligned.

    Examples
    --------
    >>> broadcast_chunks(((10, 10),), ((1,), (10, 10)))
    ((1,), (10, 10))
    """
    if not chunkss:
        return ()
    if len(chunkss) == 1:
        return tuple(chunkss[0])
    found = []
    for sizes in itertools.zip_longest(*[tuple(reversed(one)) for one in chunkss], fillvalue=None):
        given = [tuple(one) for one in sizes if one is not None]
        others = list(dict.fromkeys(one for one in given if one != (1,)))
        if len(others) > 1:
            raise ValueError(f"Chunks do not align: {others}")
        found.append(others[0] if others else (1,))
    return tuple(reversed(found))
