"""Joining arrays: each block of the result is a block of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tasks import identity
from ._axis_maps import Axis, Read
from ._chunks import is_unknown
from ._core import Array, array_of, make_meta
from ._elementwise import unify_chunks
from ._expression import Node
from ._shape import broadcast_arrays, normalize_axis

__all__ = ["append", "block", "broadcast_arrays", "concatenate", "dstack", "hstack", "stack", "vstack"]


def _arrays(seq: Any) -> list[Any]:
    from ._from_array import asarray

    return [asarray(one, allow_unknown_chunksizes=True) for one in seq]


def _common_meta(arrays: Sequence[Any], ndim: int) -> Any:
    dtype = np.result_type(*[one.dtype for one in arrays])
    if len({one.dtype for one in arrays}) > 1 or not dtype.isnative:
        # As NumPy, which joins arrays of other byte orders to one of that of the machine.
        dtype = np.concatenate([np.empty(0, dtype=one.dtype) for one in arrays]).dtype
    model = next((one._meta for one in arrays if type(one._meta) is not np.ndarray), arrays[0]._meta)
    return make_meta(model, dtype, ndim)


def concatenate(seq: Any, axis: int | None = 0, allow_unknown_chunksizes: bool = False) -> Any:
    """Join arrays along an axis.

    Parameters
    ----------
    seq : sequence of array
        The arrays.
    axis : int, optional
        The axis. None stands for the flattened arrays.
    allow_unknown_chunksizes : bool
        Whether arrays with unknown sizes are accepted, whose other axes are taken to be equal.

    Examples
    --------
    >>> from partita.array import ones, zeros
    >>> concatenate([ones(2), zeros(3)]).compute()
    array([1., 1., 0., 0., 0.])
    """
    arrays = _arrays(seq)
    if not arrays:
        raise ValueError("Need array(s) to concatenate")
    if axis is None:
        arrays, axis = [one.flatten() for one in arrays], 0
    ndim = arrays[0].ndim
    if any(one.ndim != ndim for one in arrays):
        raise ValueError(
            f"all the input arrays must have the same number of dimensions, not {sorted({one.ndim for one in arrays})}"
        )
    if not -ndim <= axis < ndim:
        raise ValueError(
            f"Axis must be less than than number of dimensions. Data has {ndim} dimensions, but got {axis=}"
        )
    axis %= ndim
    # Empty 1-d arrays without a shape of their own are left out, as NumPy does it.
    meta = _common_meta(arrays, ndim)
    nonempty = [one for one in arrays if one.shape[axis] != 0] or arrays[:1]
    if len(nonempty) < len(arrays) and all(
        one.shape[:axis] + one.shape[axis + 1 :] == arrays[0].shape[:axis] + arrays[0].shape[axis + 1 :]
        for one in arrays
    ):
        arrays = nonempty
    if len(arrays) == 1:
        return arrays[0].astype(meta.dtype)
    if not allow_unknown_chunksizes and not all(
        at == axis or all(one.shape[at] == arrays[0].shape[at] for one in arrays) for at in range(ndim)
    ):
        if any(is_unknown(one.shape) for one in arrays):
            raise ValueError(
                "Tried to concatenate arrays with unknown shape "
                f"{[one.shape for one in arrays]}. To force concatenation pass allow_unknown_chunksizes=True, or call compute_chunk_sizes() on them."
            )
        raise ValueError(f"Shapes do not align: {[one.shape for one in arrays]}")
    if not allow_unknown_chunksizes:
        labels = [[at if at != axis else ("joined", number) for at in range(ndim)] for number in range(len(arrays))]
        pairs = [item for one, label in zip(arrays, labels) for item in (one, label)]
        _, arrays = unify_chunks(*pairs, warn=False)
    arrays = [one.astype(meta.dtype) for one in arrays]
    reads, begin = [], 0
    for one in arrays:
        maps = [Axis(at, range(len(one.chunks[at]))) if at == axis else Axis(at) for at in range(ndim)]
        end = begin + len(one.chunks[axis])
        reads.append(Read(one._node, maps, domain=(axis, begin, end)))
        begin = end
    chunks = list(arrays[0].chunks)
    chunks[axis] = tuple([size for one in arrays for size in one.chunks[axis]])
    return array_of(Node("concatenate", tuple(chunks), meta, identity, reads))


def stack(seq: Any, axis: int = 0, allow_unknown_chunksizes: bool = False) -> Any:
    """Join arrays along a new axis.

    Parameters
    ----------
    seq : sequence of array
        The arrays, which have equal shapes.
    axis : int
        Where the axis is in the result.
    allow_unknown_chunksizes : bool
        Whether arrays with unknown sizes are accepted, whose shapes are taken to be equal.
    """
    from ._shape import expand_dims

    arrays = _arrays(seq)
    if not arrays:
        raise ValueError("Need array(s) to stack")
    if not allow_unknown_chunksizes and any(one.shape != arrays[0].shape for one in arrays):
        if any(is_unknown(one.shape) for one in arrays):
            raise ValueError(
                f"Stacked arrays must have the same shape, and {[one.shape for one in arrays]} are unknown. "
                "To force stacking pass allow_unknown_chunksizes=True, or call compute_chunk_sizes() on them."
            )
        at = next(at for at, one in enumerate(arrays) if one.shape != arrays[0].shape)
        raise ValueError(
            "Stacked arrays must have the same shape. The first array had shape "
            f"{arrays[0].shape}, while array {at + 1} has shape {arrays[at].shape}."
        )
    ndim = arrays[0].ndim + 1
    if not -ndim <= axis < ndim:
        raise ValueError(
            f"Axis must not be greater than number of dimensions\nData has {ndim - 1} dimensions, but got {axis=}"
        )
    axis %= ndim
    if not allow_unknown_chunksizes:
        pairs = [item for one in arrays for item in (one, tuple(range(one.ndim)))]
        _, arrays = unify_chunks(*pairs, warn=False)
    return concatenate(
        [expand_dims(one, axis) for one in arrays], axis=axis, allow_unknown_chunksizes=allow_unknown_chunksizes
    )


def block(arrays: Any, allow_unknown_chunksizes: bool = False) -> Any:
    """Join arrays in nested lists, the innermost along the last axis, as ``numpy.block``.

    Parameters
    ----------
    arrays : nested list of array
        The arrays.
    allow_unknown_chunksizes : bool
        Whether arrays with unknown sizes are accepted.
    """

    def depth_of(nested: Any, where: str) -> int:
        if isinstance(nested, tuple):
            raise TypeError(
                f"{where} is a tuple. Only lists can be used to arrange blocks, and np.block does not allow implicit "
                "conversion from tuple to ndarray."
            )
        if not isinstance(nested, list):
            return 0
        depths = [depth_of(one, f"{where}[{at}]") for at, one in enumerate(nested)]
        if len(set(depths)) > 1:
            raise ValueError(f"List depths are mismatched. {where} has lists of depths {depths}")
        return (depths[0] if depths else 0) + 1

    def check_empty(nested: Any) -> None:
        if isinstance(nested, list):
            if not nested:
                raise ValueError("Lists cannot be empty")
            for one in nested:
                check_empty(one)

    depth = depth_of(arrays, "arrays")
    check_empty(arrays)

    def leaves(nested: Any) -> Any:
        if isinstance(nested, list):
            for one in nested:
                yield from leaves(one)
        else:
            yield nested

    from ._from_array import asanyarray

    ndim = max([depth, *[one.ndim if hasattr(one, "ndim") else np.ndim(one) for one in leaves(arrays)]])

    def build(nested: Any, level: int) -> Any:
        if level == depth:
            found = asanyarray(nested)
            return found if found.ndim >= ndim else found[(None,) * (ndim - found.ndim)]
        parts = [build(one, level + 1) for one in nested]
        return concatenate(parts, axis=ndim - depth + level, allow_unknown_chunksizes=allow_unknown_chunksizes)

    return build(arrays, 0)


def vstack(tup: Any, allow_unknown_chunksizes: bool = False) -> Any:
    """Join arrays along the first axis, after 1-d arrays got one, as ``numpy.vstack``."""
    from ._shape import atleast_2d

    if isinstance(tup, Array):
        raise NotImplementedError("``vstack`` expects a sequence of arrays as the first argument")
    parts = [atleast_2d(one) for one in _arrays(tup)]
    return concatenate(parts, axis=0, allow_unknown_chunksizes=allow_unknown_chunksizes)


def hstack(tup: Any, allow_unknown_chunksizes: bool = False) -> Any:
    """Join arrays along the second axis, or the first of 1-d arrays, as ``numpy.hstack``."""
    if isinstance(tup, Array):
        raise NotImplementedError("``hstack`` expects a sequence of arrays as the first argument")
    parts = _arrays(tup)
    axis = 0 if all(one.ndim == 1 for one in parts) else 1
    return concatenate(parts, axis=axis, allow_unknown_chunksizes=allow_unknown_chunksizes)


def dstack(tup: Any, allow_unknown_chunksizes: bool = False) -> Any:
    """Join arrays along the third axis, as ``numpy.dstack``."""
    from ._shape import atleast_3d

    if isinstance(tup, Array):
        raise NotImplementedError("``dstack`` expects a sequence of arrays as the first argument")
    parts = [atleast_3d(one) for one in _arrays(tup)]
    return concatenate(parts, axis=2, allow_unknown_chunksizes=allow_unknown_chunksizes)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Append values to an array along an axis, or to the flattened array, as ``numpy.append``."""
    first, second = _arrays([arr, values])
    if axis is None:
        first, second, axis = first.ravel(), second.ravel(), first.ravel().ndim - 1
    return concatenate([first, second], axis=normalize_axis(axis, first.ndim))
