"""Medians and quantiles along axes, which become one chunk."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._blocks import Fill
from ._chunks import UNKNOWN_REMEDY, is_unknown
from ._core import Array, make_meta
from ._elementwise import as_array, handle_out
from ._moments import _mean_dtype
from ._shape import broadcast_to
from ._tree import reduction_axes

__all__ = ["builtins_any", "median", "nanmedian", "nanquantile", "quantile"]


def _along_axes(
    label: str,
    function: Callable[..., Any],
    a: Any,
    axis: Any,
    keepdims: bool,
    out: Any,
    lead: tuple[Any, ...],
    kwargs: dict[str, Any],
    dtype: Any,
    weights: Any = None,
) -> Any:
    """Apply a function to whole axes, which become one block. It gets the blocks of `weights` as well."""
    from ._axis_maps import At, Axis, Read
    from ._core import array_of
    from ._expression import Node

    axes = reduction_axes(a, axis)
    if builtins_any(a.numblocks[at] > 1 for at in axes):
        if is_unknown([size for at in axes for size in a.chunks[at]]):
            raise ValueError(f"Arrays chunk sizes are unknown: {label}() needs the axis in one chunk; {UNKNOWN_REMEDY}")
        a = a.rechunk({at: -1 if at in axes else "auto" for at in range(a.ndim)})
    kept = [at for at in range(a.ndim) if at not in axes or keepdims]
    chunks = (*[(size,) for size in lead], *[(1,) if at in axes else a.chunks[at] for at in kept])
    maps = [Axis(len(lead) + kept.index(at)) if at not in axes else At(0) for at in range(a.ndim)]
    params = {**kwargs, "axis": tuple(axes), "keepdims": keepdims}
    meta = make_meta(a._meta, dtype, len(chunks))
    reads = [Read(a._node, maps)]
    if weights is not None:
        other = _weights_of(weights, a.shape, axes, label).rechunk(a.chunks)
        reads.append(Read(other._node, maps))
        function = Fill(_call_weighted, (), {"function": function})
    return handle_out(out, array_of(Node(label, chunks, meta, function, reads, params=params)))


def _call_weighted(block: Any, weights: Any, function: Callable[..., Any], **kwargs: Any) -> Any:
    return function(block, weights=weights, **kwargs)


def _weights_of(weights: Any, shape: tuple[Any, ...], axes: Sequence[int], label: str) -> Any:
    """Return weights in the shape of an array; those of one axis are the same along the others."""
    weights = as_array(weights)
    if weights.shape == shape:
        return weights
    if len(axes) != 1:
        raise TypeError(f"Axis must be specified when shapes of a and weights differ: {label}() takes one axis")
    if weights.ndim != 1:
        raise TypeError(f"1D weights expected when shapes of a and weights differ: {label}()")
    if weights.shape[0] != shape[axes[0]]:
        raise ValueError(f"Length of weights not compatible with specified axis: {label}()")
    return broadcast_to(weights[tuple([slice(None) if at == axes[0] else None for at in range(len(shape))])], shape)


def builtins_any(values: Any) -> bool:
    """The function ``any`` of Python."""
    return next((True for one in values if one), False)


def _median(name: str, a: Any, axis: Any, keepdims: bool, out: Any) -> Any:
    a = as_array(a)
    if axis is None:
        raise NotImplementedError(
            f"The da.{name} function only works along an axis. The full algorithm is difficult to do in parallel; pass "
            "axis=, or use x.ravel() with axis=0"
        )
    function = getattr(np, name)
    return _along_axes(name, function, a, axis, keepdims, out, (), {}, _mean_dtype(None, a))


def median(a: Any, axis: Any = None, keepdims: bool = False, out: Any = None) -> Any:
    """Return the median of the items along axes, which become one chunk.

    Parameters
    ----------
    a : array
        The array.
    axis : int or tuple of int
        The axes.
    keepdims, out
        As in :func:`sum`.
    """
    return _median("median", a, axis, keepdims, out)


def nanmedian(a: Any, axis: Any = None, keepdims: bool = False, out: Any = None) -> Any:
    """Return the median of the items that are not NaN, with the arguments of :func:`median`."""
    return _median("nanmedian", a, axis, keepdims, out)


def _quantile(
    name: str,
    a: Any,
    q: Any,
    axis: Any,
    out: Any,
    overwrite_input: bool,
    method: str,
    keepdims: bool,
    weights: Any,
    interpolation: Any,
) -> Any:
    a = as_array(a)
    if interpolation is not None:
        warnings.warn("The `interpolation` argument to quantile was renamed to `method`.", FutureWarning, stacklevel=3)
        if method != "linear":
            raise TypeError("Cannot pass interpolation and method keywords!")
        method = interpolation
    if overwrite_input:
        raise NotImplementedError(f"da.{name} does not support overwrite_input=True")
    if axis is None and a.npartitions > 1:
        raise NotImplementedError(
            f"The da.{name} function only works along an axis. The full algorithm is difficult to do in parallel; pass "
            "axis=, or rechunk the array to one chunk"
        )
    if isinstance(q, Array):
        q = q.compute()
    q = np.asarray(q)
    kwargs: dict[str, Any] = {"q": q, "method": method}
    dtype = np.quantile(np.ones(1, dtype=a.dtype), np.asarray(0.5, dtype=q.dtype), method=method).dtype  # type: ignore[call-overload]
    return _along_axes(name, getattr(np, name), a, axis, keepdims, out, q.shape, kwargs, dtype, weights)


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
    interpolation: Any = None,
) -> Any:
    """Return quantiles of the items along axes, which become one chunk, as ``numpy.quantile``."""
    return _quantile("quantile", a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation)


def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
    interpolation: Any = None,
) -> Any:
    """Return quantiles of the items that are not NaN, as ``numpy.nanquantile``."""
    return _quantile("nanquantile", a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation)
