"""Reductions along axes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._arg_reductions import argmax, argmin, argtopk, nanargmax, nanargmin, topk
from ._chunks import is_unknown
from ._cumulative import cumprod, cumreduction, cumsum, nancumprod, nancumsum, push
from ._elementwise import as_array
from ._moments import mean, moment, nanmean, nannumel, nanstd, nanvar, numel, std, var
from ._quantiles import median, nanmedian, nanquantile, quantile
from ._tree import reduction, reduction_axes

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argtopk",
    "cumprod",
    "cumreduction",
    "cumsum",
    "max",
    "mean",
    "median",
    "min",
    "moment",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nannumel",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "numel",
    "prod",
    "push",
    "quantile",
    "reduction",
    "std",
    "sum",
    "topk",
    "trace",
    "var",
]


def _dtype_of(function: Callable[..., Any], dtype: Any, x: Any) -> Any:
    if dtype is not None:
        return np.dtype(dtype)
    if x.dtype.hasobject:
        return np.dtype(object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(function(np.ones((1,), dtype=x.dtype))).dtype


def _simple(
    label: str,
    chunk: Callable[..., Any],
    aggregate: Callable[..., Any],
    a: Any,
    axis: Any,
    dtype: Any,
    keepdims: bool,
    split_every: Any,
    out: Any,
) -> Any:
    return reduction(
        a, chunk, aggregate, axis=axis, keepdims=keepdims, dtype=dtype, split_every=split_every, out=out, name=label
    )


def sum(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Any:
    """Return the sum of the items along axes.

    Parameters
    ----------
    a : array
        The array.
    axis : int or tuple of int, optional
        The axes; all by default.
    dtype : dtype, optional
        Dtype of the result.
    keepdims : bool
        Whether the result keeps the axes with size 1.
    split_every : int or dict, optional
        How many blocks a task combines.
    out : Array, optional
        The array whose place the result takes.
    """
    a = as_array(a)
    return _simple("sum", np.sum, np.sum, a, axis, _dtype_of(np.sum, dtype, a), keepdims, split_every, out)


def prod(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Any:
    """Return the product of the items along axes, with the arguments of :func:`sum`."""
    a = as_array(a)
    return _simple("prod", np.prod, np.prod, a, axis, _dtype_of(np.prod, dtype, a), keepdims, split_every, out)


def nansum(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Any:
    """Return the sum of the items that are not NaN, with the arguments of :func:`sum`."""
    a = as_array(a)
    return _simple("nansum", np.nansum, np.sum, a, axis, _dtype_of(np.nansum, dtype, a), keepdims, split_every, out)


def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Any:
    """Return the product of the items that are not NaN, with the arguments of :func:`sum`."""
    a = as_array(a)
    return _simple("nanprod", np.nanprod, np.prod, a, axis, _dtype_of(np.nanprod, dtype, a), keepdims, split_every, out)


# Extremes and truth.


class Extreme:
    """The least or largest items of a block, which may be empty if others are not."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = function.__name__

    def __call__(self, block: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if 0 in [block.shape[at] for at in axis]:
            # It has nothing to add to those of the other blocks.
            return block[tuple([slice(0, 0) if at in axis else slice(None) for at in range(block.ndim)])]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            return self.function(block, axis=axis, keepdims=keepdims)

    def __dask_tokenize__(self) -> Any:
        return "extreme", self.function


def _check_not_empty(a: Any, axis: Any, name: str) -> None:
    axes = reduction_axes(a, axis)
    if not is_unknown(a.shape) and 0 in [a.shape[at] for at in axes]:
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")


def min(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return the least items along axes, with the arguments of :func:`sum`."""
    a = as_array(a)
    _check_not_empty(a, axis, "minimum")
    return _simple("min", Extreme(np.min), np.min, a, axis, a.dtype, keepdims, split_every, out)


def max(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return the largest items along axes, with the arguments of :func:`sum`."""
    a = as_array(a)
    _check_not_empty(a, axis, "maximum")
    return _simple("max", Extreme(np.max), np.max, a, axis, a.dtype, keepdims, split_every, out)


def nanmin(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return the least items that are not NaN, with the arguments of :func:`sum`."""
    a = as_array(a)
    _check_not_empty(a, axis, "fmin")
    return _simple("nanmin", Extreme(np.nanmin), np.nanmin, a, axis, a.dtype, keepdims, split_every, out)


def nanmax(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return the largest items that are not NaN, with the arguments of :func:`sum`."""
    a = as_array(a)
    _check_not_empty(a, axis, "fmax")
    return _simple("nanmax", Extreme(np.nanmax), np.nanmax, a, axis, a.dtype, keepdims, split_every, out)


def any(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return whether any item along axes is true, with the arguments of :func:`sum`."""
    return _simple("any", np.any, np.any, as_array(a), axis, np.dtype(bool), keepdims, split_every, out)


def all(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Any:
    """Return whether all items along axes are true, with the arguments of :func:`sum`."""
    return _simple("all", np.all, np.all, as_array(a), axis, np.dtype(bool), keepdims, split_every, out)


# Means and moments.


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """Return the sum along the diagonal of two axes, as ``numpy.trace``."""
    from ._sequences import diagonal

    return sum(diagonal(a, offset=offset, axis1=axis1, axis2=axis2), axis=-1, dtype=dtype)


# Quantiles.
