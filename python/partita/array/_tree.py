"""Reductions: a function of each block, a tree that combines the results, and a function of the last ones."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from .. import config
from ..utils import funcname, has_keyword
from ._axis_maps import All, At, Axis, Read
from ._blockwise import compute_meta
from ._core import Array, array_of, make_meta
from ._elementwise import _is_user, as_array, handle_out
from ._expression import Node
from ._shape import normalize_axes

__all__ = ["SPLIT_EVERY", "reduction", "reduction_axes", "tree"]

#: Number of blocks that are combined by one task.
SPLIT_EVERY = 16


def reduction_axes(x: Any, axis: Any) -> tuple[int, ...]:
    """Return the axes of a reduction, all by default."""
    return tuple(range(x.ndim)) if axis is None else normalize_axes(axis, x.ndim)


class Call:
    """A function with keyword arguments that can be pickled, and that has an identity."""

    def __init__(self, function: Callable[..., Any], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.kwargs = kwargs
        self.__name__ = funcname(function)

    def __call__(self, *args: Any) -> Any:
        return self.function(*args, **self.kwargs)

    def __dask_tokenize__(self) -> Any:
        return "call", self.function, self.kwargs


def split_sizes(split_every: Any, axes: tuple[int, ...], numblocks: tuple[int, ...]) -> dict[int, int]:
    """Return how many blocks a task combines along each axis."""
    given: Any = split_every or config.get("split_every", None) or SPLIT_EVERY
    if isinstance(given, dict):
        known: dict[int, Any] = given
        found = {axis: int(known.get(axis, known.get(axis - len(numblocks), 2))) for axis in axes}
    elif isinstance(given, Integral):
        size = max(int(int(given) ** (1 / (len(axes) or 1))), 2)
        found = dict.fromkeys(axes, size)
    else:
        raise ValueError("split_every must be a int or a dict")
    if any(size < 2 for size in found.values()) and any(numblocks[axis] > 1 for axis in axes):
        found = {axis: max(size, 2) for axis, size in found.items()}
    return found


def tree(
    x: Any,
    aggregate: Callable[..., Any],
    combine: Callable[..., Any],
    axes: tuple[int, ...],
    keepdims: bool,
    split_every: Any,
    label: str,
    concatenate: bool,
    meta: Any,
    size: Any = 1,
    user: bool = False,
    name: str | None = None,
) -> Any:
    """Combine the blocks of an array along axes until one is left.

    Parameters
    ----------
    x : Array
        The results of the blocks.
    aggregate, combine : callable
        Called with the joined blocks, or nested lists of them.
    axes : tuple of int
        The axes.
    keepdims : bool
        Whether the result keeps the axes.
    split_every : int or dict, optional
        How many blocks a task combines.
    label : str
        A name for display.
    concatenate : bool
        Whether the blocks are joined.
    meta : array
        The meta of the result.
    size : int
        Size of the blocks along the axes.
    """
    splits = split_sizes(split_every, axes, x.numblocks)
    while any(x.numblocks[axis] > splits[axis] for axis in axes):
        maps: list[Any] = []
        chunks = list(x.chunks)
        for axis in range(x.ndim):
            if axis not in axes:
                maps.append(Axis(axis))
                continue
            count, step = x.numblocks[axis], splits[axis]
            ranges = [range(at, min(at + step, count)) for at in range(0, count, step)]
            maps.append(Axis(axis, ranges))
            chunks[axis] = (size,) * len(ranges)
        reads = [Read(x._node, maps, join=concatenate)]
        x = array_of(Node(f"{label}-partial", tuple(chunks), x._meta, combine, reads, user=user))
    kept = [axis for axis in range(x.ndim) if axis not in axes or keepdims]
    maps = []
    for axis in range(x.ndim):
        if axis in axes:
            maps.append(Axis(kept.index(axis), [range(x.numblocks[axis])]) if keepdims else All())
        else:
            maps.append(Axis(kept.index(axis)))
    if concatenate:
        # A single block needs no join, so that it joins the task of its producer.
        maps = [
            _single(one, x.numblocks[axis], kept.index(axis) if keepdims else None) if axis in axes else one
            for axis, one in enumerate(maps)
        ]
    found = tuple([(size,) if axis in axes else x.chunks[axis] for axis in kept])
    reads = [Read(x._node, maps, join=concatenate)]
    return array_of(Node(label, found, meta, aggregate, reads, user=user, name=name))


def _single(one: Any, count: int, place: int | None) -> Any:
    if count != 1:
        return one
    return At(0) if place is None else Axis(place)


def reduction(
    x: Any,
    chunk: Callable[..., Any],
    aggregate: Callable[..., Any],
    axis: Any = None,
    keepdims: bool = False,
    dtype: Any = None,
    split_every: Any = None,
    combine: Callable[..., Any] | None = None,
    name: str | None = None,
    out: Any = None,
    concatenate: bool = True,
    output_size: Any = 1,
    meta: Any = None,
    weights: Any = None,
) -> Any:
    """Reduce an array along axes with functions of blocks.

    Parameters
    ----------
    x : array
        The array.
    chunk : callable
        ``chunk(block, axis, keepdims)`` is called with each block and ``keepdims=True``.
    aggregate : callable
        ``aggregate(block, axis, keepdims)`` is called with the last results.
    axis : int or tuple of int, optional
        The axes; all by default.
    keepdims : bool
        Whether the result keeps the axes with size 1.
    dtype : dtype, optional
        Dtype of the result. It is passed to functions that have the argument.
    split_every : int or dict, optional
        How many blocks a task combines; 16 by default.
    combine : callable, optional
        Called with the results of some blocks and ``keepdims=True``. By default it is `aggregate`.
    name : str, optional
        The beginning of the name.
    out : Array, optional
        The array whose place the result takes.
    concatenate : bool
        Whether the results are joined. Otherwise the functions get nested lists.
    output_size : int
        Size of the result of a block along the axes.
    meta : array, optional
        An empty array of the type of the result.
    weights : array, optional
        Weights, which `chunk` gets as ``weights=``.

    Examples
    --------
    >>> import numpy as np
    >>> import partita.array as da
    >>> da.reduction(da.arange(6, chunks=2), np.sum, np.sum, dtype="i8").compute(scheduler="synchronous")
    np.int64(15)
    """
    x = as_array(x)
    axes = reduction_axes(x, axis)
    axis_given: Any = axes
    if dtype is not None:
        dtype = np.dtype(dtype)
    # NumPy takes no units of time as a dtype of reductions.
    named = {"dtype": dtype} if dtype is not None and dtype.kind not in "mM" else {}
    user = any(one is not None and _is_user(one) for one in (chunk, aggregate, combine))
    label = name or funcname(aggregate).strip("_")

    def call(function: Any, keep: bool) -> Any:
        kwargs: dict[str, Any] = {"axis": axis_given, "keepdims": keep}
        if named and has_keyword(function, "dtype"):
            kwargs.update(named)
        return Call(function, kwargs)

    reads = [Read(x._node, [Axis(at) for at in range(x.ndim)])]
    first: Any = call(chunk, True)
    if weights is not None:
        other = _broadcast_weights(weights, x)
        reads.append(Read(other._node, [Axis(at) for at in range(x.ndim)]))
        first = _Weighted(first)
    chunks = tuple([(output_size,) * len(sizes) if at in axes else sizes for at, sizes in enumerate(x.chunks)])
    partial_meta = make_meta(meta if meta is not None else x._meta, dtype, x.ndim)
    partial = array_of(Node(f"{label}-chunk", chunks, partial_meta, first, reads, user=user))
    if meta is None:
        meta = _result_meta(x, chunk, aggregate, axes, keepdims, dtype, weights)
    ndim = x.ndim if keepdims else x.ndim - len(axes)
    made = make_meta(
        meta if hasattr(meta, "ndim") else None, dtype if dtype is not None else getattr(meta, "dtype", None), ndim
    )
    found = tree(
        partial,
        call(aggregate, keepdims),
        call(combine or aggregate, True),
        axes,
        keepdims,
        split_every,
        label,
        concatenate,
        made,
        output_size,
        user,
    )
    return handle_out(out, found)


class _Weighted:
    """A function of a block and its weights."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.__name__ = call.__name__

    def __call__(self, block: Any, weights: Any) -> Any:
        return self.call.function(block, weights=weights, **self.call.kwargs)

    def __dask_tokenize__(self) -> Any:
        return "weighted", self.call


def _broadcast_weights(weights: Any, x: Any) -> Any:
    from ._shape import broadcast_to

    found = as_array(np.asarray(weights) if not isinstance(weights, Array) else weights)
    try:
        found = broadcast_to(found, x.shape)
    except ValueError as error:
        raise ValueError(f"Weights with shape {found.shape} are not broadcastable to x with shape {x.shape}") from error
    return found.rechunk(x.chunks)


def _result_meta(
    x: Any, chunk: Any, aggregate: Any, axes: tuple[int, ...], keepdims: bool, dtype: Any, weights: Any
) -> Any:
    """Return the meta of a result, by calling the functions with an empty array, or None."""
    if type(x._meta) is np.ndarray and dtype is not None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extra = {} if weights is None else {"weights": x._meta}
        first = compute_meta(functools.partial(chunk, axis=axes, keepdims=True, **extra), None, x)
        if first is None:
            return None if type(x._meta) is np.ndarray else x._meta
        return compute_meta(functools.partial(aggregate, axis=axes, keepdims=keepdims), None, first)
