"""Positions of extremes, and the largest items."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._axis_maps import Axis, Read
from ._chunks import UNKNOWN_REMEDY, is_unknown, starts
from ._core import array_of, make_meta
from ._elementwise import as_array, handle_out
from ._expression import Node
from ._shape import normalize_axis
from ._tree import Call, tree

__all__ = ["argmax", "argmin", "argtopk", "nanargmax", "nanargmin", "topk"]


def _filled(values: Any, kind: str) -> Any:
    """Return values with those that cannot be the extreme in place of NaN."""
    if values.dtype.kind in "fc":
        return np.where(np.isnan(values), np.inf if kind == "nanargmin" else -np.inf, values)
    return values


def _find(values: Any, kind: str, axis: int) -> Any:
    """Return the positions of the extremes along an axis, with the axis."""
    function = np.argmin if kind.endswith("argmin") else np.argmax
    found = function(_filled(values, kind) if kind.startswith("nan") else values, axis=axis)
    if kind.startswith("nan") and values.dtype.kind in "fc":
        # An infinity is an extreme, unless it stands for NaN.
        chosen = np.take_along_axis(values, np.expand_dims(found, axis), axis=axis).squeeze(axis)
        other = function(np.isnan(values) if kind == "nanargmin" else ~np.isnan(values), axis=axis)
        found = np.where(np.isnan(chosen), other, found)
    return np.expand_dims(np.asarray(found), axis)


def arg_chunk(block: Any, *begins: int, kind: str, axis: Any, shape: Any) -> Any:
    """Return the extremes of a block, and their positions in the array."""
    if axis is None:
        flat = block.reshape((-1,))
        at = _find(flat, kind, 0)
        if not block.ndim:
            return {"values": block, "at": at.reshape(())}
        index = np.unravel_index(at, block.shape)
        found = np.ravel_multi_index([one + begin for one, begin in zip(index, begins)], shape)
        ones = (1,) * block.ndim
        return {"values": flat[at].reshape(ones), "at": np.asarray(found).reshape(ones)}
    at = _find(block, kind, axis)
    return {"values": np.take_along_axis(block, at, axis=axis), "at": at + begins[axis]}


def _best(parts: Any, kind: str, axis: Any) -> Any:
    values, places = parts["values"], parts["at"]
    if axis is not None:
        at = _find(values, kind, axis)
        return np.take_along_axis(values, at, axis=axis), np.take_along_axis(places, at, axis=axis)
    ones = (1,) * values.ndim
    flat, numbers = values.reshape((-1,)), places.reshape(-1)
    # Of equal values the first one in the array, whatever the order of the blocks.
    order = np.argsort(numbers, kind="stable")
    at = order[_find(flat[order], kind, 0)]
    return flat[at].reshape(ones), numbers[at].reshape(ones)


def arg_combine(parts: Any, kind: str, axis: Any) -> Any:
    """Return the extremes of several blocks."""
    values, places = _best(parts, kind, axis)
    return {"values": values, "at": places}


def arg_aggregate(parts: Any, kind: str, axis: Any, keepdims: bool) -> Any:
    """Return the positions of the extremes."""
    values, places = _best(parts, kind, axis)
    if kind.startswith("nan") and values.dtype.kind in "fc" and np.isnan(np.asarray(values)).any():
        raise ValueError("All NaN slice encountered")
    if keepdims:
        return places
    return places.reshape(())[()] if axis is None else places.squeeze(axis)


def _arg_reduction(kind: str, a: Any, axis: Any, keepdims: bool, split_every: Any, out: Any) -> Any:
    a = as_array(a)
    if isinstance(axis, (tuple, list)):
        if len(axis) != 1:
            raise TypeError(f"axis must be either `None` or int, got {axis!r}")
        axis = axis[0]
    if axis is not None:
        if not isinstance(axis, (int, np.integer)):
            raise TypeError(f"axis must be either `None` or int, got {axis!r}")
        axis = normalize_axis(int(axis), a.ndim)
    axes = tuple(range(a.ndim)) if axis is None else (axis,)
    for at in axes:
        if is_unknown(a.chunks[at]) and (len(a.chunks[at]) > 1 or (axis is None and a.ndim > 1 and at)):
            raise ValueError(
                f"Arrays chunk sizes are unknown: arg-reductions do not work with arrays of unknown chunksizes; {UNKNOWN_REMEDY}"
            )
    if not is_unknown(a.shape) and 0 in [a.shape[at] for at in axes]:
        name = "argmin" if kind.endswith("argmin") else "argmax"
        raise ValueError(f"attempt to get {name} of an empty sequence")
    empty = [at for at in axes if not is_unknown(a.chunks[at]) and 0 in a.chunks[at]]
    if empty:
        a = a.rechunk({at: tuple([size for size in a.chunks[at] if size]) for at in empty})
    tables = [(at, starts(sizes)) for at, sizes in enumerate(a.chunks)]
    chunks = tuple([(1,) * len(sizes) if at in axes else sizes for at, sizes in enumerate(a.chunks)])
    reads = [Read(a._node, [Axis(at) for at in range(a.ndim)])]
    if is_unknown(a.shape):
        shape: Any = tuple([1 << 40 if isinstance(size, float) else size for size in a.shape])
        tables = [(at, [0 if isinstance(one, float) else one for one in known]) for at, known in tables]
    else:
        shape = a.shape
    params = {"kind": kind, "axis": axis, "shape": shape}
    partial = array_of(Node(f"{kind}-chunk", chunks, a._meta, arg_chunk, reads, tables=tables, params=params))
    kwargs = {"kind": kind, "axis": axis}
    ndim = a.ndim if keepdims else a.ndim - len(axes)
    found = tree(
        partial,
        Call(arg_aggregate, {**kwargs, "keepdims": keepdims}),
        Call(arg_combine, kwargs),
        axes,
        keepdims,
        split_every,
        kind,
        True,
        np.empty((0,) * ndim, dtype=np.intp),
    )
    return handle_out(out, found)


def argmin(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return the positions of the least items.

    Parameters
    ----------
    a : array
        The array.
    axis : int, optional
        The axis. By default that of the flattened array.
    keepdims : bool
        Whether the result keeps the axis with size 1.
    split_every : int or dict, optional
        How many blocks a task combines.
    out : Array, optional
        The array whose place the result takes.
    """
    return _arg_reduction("argmin", a, axis, keepdims, split_every, out)


def argmax(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return the positions of the largest items, with the arguments of :func:`argmin`."""
    return _arg_reduction("argmax", a, axis, keepdims, split_every, out)


def nanargmin(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return the positions of the least items that are not NaN, with the arguments of :func:`argmin`."""
    return _arg_reduction("nanargmin", a, axis, keepdims, split_every, out)


def nanargmax(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return the positions of the largest items that are not NaN, with the arguments of :func:`argmin`."""
    return _arg_reduction("nanargmax", a, axis, keepdims, split_every, out)


# The largest items.


def _largest(values: Any, k: int, axis: int) -> Any:
    """Return the positions of the k largest items along an axis, or of the -k least ones."""
    size = values.shape[axis]
    if abs(k) >= size:
        return None
    kth = size - k if k > 0 else -k - 1
    at = np.argpartition(values, kth, axis=axis)
    part = slice(-k, None) if k > 0 else slice(None, -k)
    return at[(slice(None),) * axis + (part,)]


def topk_chunk(block: Any, k: int, axis: int) -> Any:
    """Return the largest items of a block."""
    at = _largest(block, k, axis)
    return block if at is None else np.take_along_axis(block, at, axis=axis)


def topk_aggregate(block: Any, k: int, axis: int) -> Any:
    """Return the largest items of several blocks, sorted."""
    found = np.sort(topk_chunk(block, k, axis), axis=axis)
    return np.flip(found, axis) if k > 0 else found


def argtopk_chunk(block: Any, begin: int, k: int, axis: int) -> Any:
    """Return the largest items of a block, and their positions in the array."""
    shape = [1] * block.ndim
    shape[axis] = block.shape[axis]
    places = np.broadcast_to((np.arange(block.shape[axis]) + begin).reshape(shape), block.shape)
    return argtopk_combine({"values": block, "at": places}, k, axis)


def argtopk_combine(parts: Any, k: int, axis: int) -> Any:
    """Return the largest items of several blocks, and their positions."""
    at = _largest(parts["values"], k, axis)
    if at is None:
        return parts
    return {name: np.take_along_axis(one, at, axis=axis) for name, one in parts.items()}


def argtopk_aggregate(parts: Any, k: int, axis: int) -> Any:
    """Return the positions of the largest items, sorted by these."""
    parts = argtopk_combine(parts, k, axis)
    order = np.argsort(parts["values"], axis=axis)
    if k > 0:
        order = np.flip(order, axis)
    return np.take_along_axis(parts["at"], order, axis=axis)


def _topk(
    label: str, functions: tuple[Callable[..., Any], ...], a: Any, k: int, axis: int, split_every: Any, dtype: Any
) -> Any:
    a = as_array(a)
    axis = normalize_axis(axis, a.ndim)
    is_arg = label == "argtopk"
    if is_unknown(a.chunks[axis]) and is_arg:
        raise ValueError(f"Arrays chunk sizes are unknown: argtopk() needs them; {UNKNOWN_REMEDY}")
    kwargs = {"k": k, "axis": axis}
    chunk, combine, aggregate = functions
    sizes = tuple([min(abs(k), size) if size == size else size for size in a.chunks[axis]])
    chunks = tuple([sizes if at == axis else old for at, old in enumerate(a.chunks)])
    tables = [(axis, starts(a.chunks[axis]))] if is_arg else []
    reads = [Read(a._node, [Axis(at) for at in range(a.ndim)])]
    with warnings.catch_warnings():
        partial = array_of(Node(f"{label}-chunk", chunks, a._meta, chunk, reads, tables=tables, params=kwargs))
    size = min(abs(k), a.shape[axis]) if not is_unknown(a.shape[axis : axis + 1]) else abs(k)
    return tree(
        partial,
        Call(aggregate, kwargs),
        Call(combine, kwargs),
        (axis,),
        True,
        split_every,
        label,
        True,
        make_meta(a._meta, dtype, a.ndim),
        size,
    )


def topk(a: Any, k: int, axis: int = -1, split_every: Any = None) -> Any:
    """Return the k largest items along an axis, sorted from the largest, or the -k least ones from the least.

    Parameters
    ----------
    a : array
        The array.
    k : int
        How many items.
    axis : int
        The axis.
    split_every : int, optional
        How many blocks a task combines.
    """
    return _topk("topk", (topk_chunk, topk_chunk, topk_aggregate), a, int(k), axis, split_every, None)


def argtopk(a: Any, k: int, axis: int = -1, split_every: Any = None) -> Any:
    """Return the positions of the k largest items along an axis, with the arguments of :func:`topk`."""
    return _topk(
        "argtopk", (argtopk_chunk, argtopk_combine, argtopk_aggregate), a, int(k), axis, split_every, np.dtype(np.intp)
    )
