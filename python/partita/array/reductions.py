"""Reductions along axes."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._arg_reductions import argmax, argmin, argtopk, nanargmax, nanargmin, topk
from ._chunks import UNKNOWN_REMEDY, is_unknown
from ._core import Array, make_meta
from ._cumulative import cumprod, cumreduction, cumsum, nancumprod, nancumsum, push
from ._elementwise import as_array, handle_out
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
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
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


def count_block(block: Any, axis: Any, skipna: bool) -> Any:
    """Return the number of items of a block along axes."""
    if skipna:
        valid = ~_isnan(block)
        return np.sum(valid, axis=axis, keepdims=True)
    if isinstance(block, np.ma.MaskedArray):
        return np.asarray(
            np.ma.ones(block.shape, dtype=np.intp)
            .__class__(np.ones(block.shape, np.intp), block.mask)
            .sum(axis=axis, keepdims=True)
            .filled(0)
        )
    number = math.prod(block.shape[at] for at in axis)
    shape = tuple([1 if at in axis else size for at, size in enumerate(block.shape)])
    return np.full(shape, number, dtype=np.intp)


def _isnan(block: Any) -> Any:
    if block.dtype.kind in "fc":
        return np.isnan(block)
    if block.dtype.hasobject:
        return block != block
    return np.zeros(block.shape, dtype=bool)


def mean_chunk(block: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None, skipna: bool = False) -> Any:
    """Return the number and the sum of the items of a block."""
    total = (np.nansum if skipna else np.sum)(block, axis=axis, keepdims=True, dtype=dtype)
    return {"n": count_block(block, axis, skipna), "total": total}


def mean_combine(parts: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Combine numbers and sums."""
    return {name: np.sum(one, axis=axis, keepdims=True) for name, one in parts.items()}


def mean_aggregate(parts: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return means from numbers and sums."""
    n = np.sum(parts["n"], axis=axis, keepdims=keepdims)
    total = np.sum(parts["total"], axis=axis, keepdims=keepdims)
    return divide(total, n)


def divide(a: Any, b: Any) -> Any:
    """Divide, such that nothing divided by zero is NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if not hasattr(a, "dtype") or a.dtype.kind == "O":
            return np.divide(np.asarray(a, dtype=object), b) if np.ndim(a) else a / b if b else np.nan
        found = np.true_divide(a, b)
        return found.astype(a.dtype) if a.dtype.kind in "fc" and found.dtype != a.dtype else found


class Chunk:
    """A function of a block with further keyword arguments."""

    def __init__(self, function: Callable[..., Any], **kwargs: Any) -> None:
        self.function = function
        self.kwargs = kwargs
        self.__name__ = function.__name__

    def __call__(self, block: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return self.function(block, axis=axis, keepdims=keepdims, **self.kwargs)

    def __dask_tokenize__(self) -> Any:
        return "chunk", self.function, self.kwargs


def _mean_dtype(dtype: Any, a: Any) -> Any:
    if dtype is not None:
        return np.dtype(dtype)
    if a.dtype.hasobject:
        return np.dtype(object)
    return np.mean(np.ones((1,), dtype=a.dtype)).dtype


def _total_dtype(dtype: Any, a: Any) -> Any:
    """Return the dtype in which sums of a mean are computed."""
    return np.dtype("f4") if dtype == np.dtype("f2") else dtype


def mean(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Any:
    """Return the mean of the items along axes, with the arguments of :func:`sum`."""
    return _mean("mean", a, axis, dtype, keepdims, split_every, out, skipna=False)


def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Any:
    """Return the mean of the items that are not NaN, with the arguments of :func:`sum`."""
    return _mean("nanmean", a, axis, dtype, keepdims, split_every, out, skipna=True)


def _reduce(
    a: Any,
    chunk: Any,
    aggregate: Any,
    combine: Any,
    axis: Any,
    keepdims: bool,
    dtype: Any,
    split_every: Any,
    out: Any,
    label: str,
) -> Any:
    axes = reduction_axes(a, axis)
    meta = make_meta(a._meta, dtype, a.ndim if keepdims else a.ndim - len(axes))
    return reduction(
        a,
        chunk,
        aggregate,
        axis=axis,
        keepdims=keepdims,
        split_every=split_every,
        combine=combine,
        out=out,
        name=label,
        meta=meta,
    )


def _mean(label: str, a: Any, axis: Any, dtype: Any, keepdims: bool, split_every: Any, out: Any, skipna: bool) -> Any:
    a = as_array(a)
    dtype = _mean_dtype(dtype, a)
    chunk = Chunk(mean_chunk, dtype=_total_dtype(dtype, a), skipna=skipna)
    found = _reduce(a, chunk, mean_aggregate, mean_combine, axis, keepdims, dtype, split_every, None, label)
    return handle_out(out, found if _total_dtype(dtype, a) == dtype else cast(found, dtype))


def cast(x: Any, dtype: Any) -> Any:
    """Cast the blocks of an array whose meta has the dtype already."""
    from ._axis_maps import Axis, Read
    from ._core import array_of
    from ._elementwise import cast_block
    from ._expression import Node

    reads = [Read(x._node, [Axis(at) for at in range(x.ndim)])]
    return array_of(
        Node("astype", x.chunks, make_meta(x._meta, dtype, x.ndim), cast_block, reads, params={"dtype": dtype})
    )


def moment_chunk(
    block: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None, order: int = 2, skipna: bool = False
) -> Any:
    """Return the number, the sum, and the sums of powers of the differences from the mean of the items of a block."""
    if block.dtype.kind not in "cO" and not isinstance(block, np.ma.MaskedArray):
        block = block.astype(dtype, copy=False)
    n = count_block(block, axis, skipna)
    add = np.nansum if skipna else np.sum
    total = add(block, axis=axis, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = total / n
        difference = block - centre
        if np.iscomplexobj(block):
            powers = [add(np.abs(difference) ** 2, axis=axis, keepdims=True)]
        else:
            powers = [add(difference**power, axis=axis, keepdims=True) for power in range(2, order + 1)]
    found = {"n": n, "total": total}
    found.update({f"M{power}": one for power, one in enumerate(powers, 2)})
    return found


def _combined(parts: dict[str, Any], axis: Any, order: int) -> dict[str, Any]:
    """Combine the sums of powers of differences from several means."""
    n, total = parts["n"], parts["total"]
    found = {"n": np.sum(n, axis=axis, keepdims=True), "total": np.sum(total, axis=axis, keepdims=True)}
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = total / n - found["total"] / found["n"]
        # Parts without items have no mean.
        shift = np.where(n == 0, 0, shift) if not isinstance(shift, np.ma.MaskedArray) else shift.filled(0)
    for power in range(2, order + 1):
        if np.iscomplexobj(shift):
            both = parts["M2"] + n * np.abs(shift) ** 2
        else:
            both = parts[f"M{power}"] + n * shift**power
            for lower in range(1, power - 1):
                both = both + math.comb(power, lower) * parts[f"M{power - lower}"] * shift**lower
        found[f"M{power}"] = np.sum(both, axis=axis, keepdims=True)
    return found


def moment_combine(parts: Any, axis: Any = None, keepdims: bool = False, order: int = 2) -> Any:
    """Combine the moments of several blocks."""
    return _combined(parts, axis, order)


def moment_aggregate(
    parts: Any,
    axis: Any = None,
    keepdims: bool = False,
    order: int = 2,
    ddof: Any = 0,
    root: bool = False,
    dtype: Any = None,
) -> Any:
    """Return the moment of an order."""
    found = _combined(parts, axis, order)
    n = found["n"] - ddof
    with np.errstate(divide="ignore", invalid="ignore"):
        result = found[f"M{order}"] / np.where(n <= 0, np.nan, n) if np.any(n <= 0) else found[f"M{order}"] / n
        if isinstance(found[f"M{order}"], np.ma.MaskedArray) and not isinstance(result, np.ma.MaskedArray):
            result = np.ma.array(result, mask=np.ma.getmaskarray(found[f"M{order}"]))
        if np.any(n == 0) and ddof:
            # As in NumPy: a positive number divided by zero.
            with contextlib.suppress(TypeError):
                zero = n == 0
                result = np.where(zero, np.divide(found[f"M{order}"], 0.0), result)
        if root:
            result = np.sqrt(result) if result.dtype.kind != "O" else np.vectorize(math.sqrt, otypes=[object])(result)
    if dtype is not None and dtype.kind != "O" and result.dtype != dtype:
        result = result.astype(dtype)
    if keepdims or not result.ndim:
        return result
    result = np.squeeze(result, axis=axis)
    return result if result.ndim else result[()]


def _moment(
    label: str,
    a: Any,
    axis: Any,
    dtype: Any,
    keepdims: bool,
    ddof: Any,
    split_every: Any,
    out: Any,
    order: int = 2,
    skipna: bool = False,
    root: bool = False,
) -> Any:
    a = as_array(a)
    if dtype is not None:
        kind = np.dtype(dtype)
    elif a.dtype.hasobject:
        kind = np.dtype(object)
    else:
        kind = np.var(np.ones((1,), dtype=a.dtype)).dtype
    work = np.dtype("f4") if kind == np.dtype("f2") else kind
    chunk = Chunk(moment_chunk, dtype=work, order=order, skipna=skipna)
    aggregate = Chunk(moment_aggregate, order=order, ddof=ddof, root=root, dtype=kind)
    return _reduce(
        a, chunk, aggregate, Chunk(moment_combine, order=order), axis, keepdims, kind, split_every, out, label
    )


def moment(
    a: Any,
    order: int,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    ddof: Any = 0,
    split_every: Any = None,
    out: Any = None,
) -> Any:
    """Return the central moment of an order of the items along axes.

    Parameters
    ----------
    a : array
        The array.
    order : int
        The order.
    axis, dtype, keepdims, split_every, out
        As in :func:`sum`.
    ddof : int
        Subtracted from the number of items.
    """
    if not isinstance(order, (int, np.integer)) or order < 0:
        raise ValueError("Order must be an integer >= 0")
    a = as_array(a)
    if order < 2:
        axes = reduction_axes(a, axis)
        shape = tuple([1 if at in axes else size for at, size in enumerate(a.shape) if at not in axes or keepdims])
        chunks = tuple(
            [(1,) if at in axes else sizes for at, sizes in enumerate(a.chunks) if at not in axes or keepdims]
        )
        from ._creation import ones, zeros

        # The zeroth moment is 1, and the differences from the mean add up to nothing.
        return (ones if order == 0 else zeros)(shape, chunks=chunks, dtype="f8")
    return _moment("moment", a, axis, dtype, keepdims, ddof, split_every, out, int(order))


def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    ddof: Any = 0,
    split_every: Any = None,
    out: Any = None,
) -> Any:
    """Return the variance of the items along axes, with the arguments of :func:`moment`."""
    return _moment("var", a, axis, dtype, keepdims, ddof, split_every, out)


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    ddof: Any = 0,
    split_every: Any = None,
    out: Any = None,
) -> Any:
    """Return the variance of the items that are not NaN, with the arguments of :func:`moment`."""
    return _moment("nanvar", a, axis, dtype, keepdims, ddof, split_every, out, skipna=True)


def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    ddof: Any = 0,
    split_every: Any = None,
    out: Any = None,
) -> Any:
    """Return the standard deviation of the items along axes, with the arguments of :func:`moment`."""
    return _moment("std", a, axis, dtype, keepdims, ddof, split_every, out, root=True)


def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    ddof: Any = 0,
    split_every: Any = None,
    out: Any = None,
) -> Any:
    """Return the standard deviation of the items that are not NaN, with the arguments of :func:`moment`."""
    return _moment("nanstd", a, axis, dtype, keepdims, ddof, split_every, out, skipna=True, root=True)


def numel(x: Any, **kwargs: Any) -> Any:
    """Return the number of items along axes, with the arguments of :func:`sum`, such as ``axis`` and ``keepdims``."""
    return _numel(x, False, **kwargs)


def nannumel(x: Any, **kwargs: Any) -> Any:
    """Return the number of items that are not NaN, with the arguments of :func:`numel`."""
    return _numel(x, True, **kwargs)


def _numel(
    x: Any, skipna: bool, axis: Any = None, keepdims: bool = False, dtype: Any = np.float64, split_every: Any = None
) -> Any:
    x = as_array(x)
    return _reduce(
        x, Chunk(count_chunk, skipna=skipna), np.sum, np.sum, axis, keepdims, np.dtype(np.intp), split_every, None, "numel"
    ).astype(dtype)


def count_chunk(block: Any, axis: Any = None, keepdims: bool = False, skipna: bool = False) -> Any:
    """Return the number of items of a block along axes."""
    return count_block(block, axis, skipna)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """Return the sum along the diagonal of two axes, as ``numpy.trace``."""
    from ._creation import diagonal

    return sum(diagonal(a, offset=offset, axis1=axis1, axis2=axis2), axis=-1, dtype=dtype)


# Quantiles.


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
) -> Any:
    """Apply a function to whole axes, which become one block."""
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
    return handle_out(out, array_of(Node(label, chunks, meta, function, [Read(a._node, maps)], params=params)))


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
    if weights is not None:
        kwargs["weights"] = np.asarray(weights)
    dtype = np.quantile(np.ones(1, dtype=a.dtype), np.asarray(0.5, dtype=q.dtype), method=method).dtype  # type: ignore[call-overload]
    return _along_axes(name, getattr(np, name), a, axis, keepdims, out, q.shape, kwargs, dtype)


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
