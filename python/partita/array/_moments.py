"""Means and moments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._core import make_meta
from ._elementwise import as_array, handle_out
from ._tree import reduction, reduction_axes

__all__ = [
    "Chunk",
    "cast",
    "count_block",
    "count_chunk",
    "divide",
    "mean",
    "mean_aggregate",
    "mean_chunk",
    "mean_combine",
    "moment",
    "moment_aggregate",
    "moment_chunk",
    "moment_combine",
    "nanmean",
    "nannumel",
    "nanstd",
    "nanvar",
    "numel",
    "std",
    "var",
]


def count_block(block: Any, axis: Any, skipna: bool) -> Any:
    """Return the number of items of a block along axes."""
    if skipna:
        number = np.sum(~_isnan(block), axis=axis, keepdims=True)
        # Sparse blocks have numbers of their own for the items that they leave out, and could not be joined.
        return number.todense() if hasattr(number, "todense") else number
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
    named = {} if dtype is None or dtype.kind == "m" else {"dtype": dtype}
    total = (np.nansum if skipna else np.sum)(block, axis=axis, keepdims=True, **named)
    return {"n": count_block(block, axis, skipna), "total": total}


def mean_combine(parts: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Combine numbers and sums."""
    return {name: np.sum(one, axis=axis, keepdims=True) for name, one in parts.items()}


def mean_aggregate(parts: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return means from numbers and sums."""
    n = np.sum(parts["n"], axis=axis, keepdims=keepdims)
    total = np.sum(parts["total"], axis=axis, keepdims=keepdims)
    return divide(total, n)


def _mean_of(parts: Any, dtype: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return means as integers, rounded towards zero as by NumPy."""
    found = mean_aggregate(parts, axis=axis, keepdims=keepdims)
    if not np.all(np.isfinite(found)):
        raise ValueError(f"the mean of no items is NaN, which {dtype} does not have; use a dtype of floats")
    return found.astype(dtype)


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
    aggregate = Chunk(_mean_of, dtype=dtype) if dtype.kind in "iu" else mean_aggregate
    found = _reduce(a, chunk, aggregate, mean_combine, axis, keepdims, dtype, split_every, None, label)
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


#: Blocks above twice this number of bytes are read part by part, so that temporary arrays stay in the caches of a processor.
PART_BYTES = 1 << 20


def _parts_of(block: Any) -> tuple[int, list[Any]]:
    """Return an axis, and the parts of a large block along it, each of which lies together in memory."""
    if type(block) is not np.ndarray or block.dtype.hasobject or block.nbytes <= 2 * PART_BYTES:
        return 0, [block]
    axis = max((at for at in range(block.ndim) if block.shape[at] > 1), key=lambda at: abs(block.strides[at]))
    step = max(block.shape[axis] * PART_BYTES // block.nbytes, 1)
    # Along the first axis of a view, since a part of it is a part along `axis`.
    view = np.moveaxis(block, axis, 0)
    parts = [np.moveaxis(view[at : at + step], 0, axis) for at in range(0, block.shape[axis], step)]
    return axis, parts


def moment_chunk(
    block: Any,
    axis: Any = None,
    keepdims: bool = False,
    dtype: Any = None,
    order: int = 2,
    skipna: bool = False,
    real: bool = False,
) -> Any:
    """Return the number, the sum, and the sums of powers of the differences from the mean of the items of a block."""
    along, parts = _parts_of(block)
    found = [_moment_part(part, axis, dtype, order, skipna, real) for part in parts]
    if len(found) == 1:
        return found[0]
    joined = {name: np.concatenate([one[name] for one in found], axis=along) for name in found[0]}
    return _combined(joined, (along,), order) if along in axis else joined


def _moment_part(block: Any, axis: Any, dtype: Any, order: int, skipna: bool, real: bool) -> Any:
    """Return what :func:`moment_chunk` returns, of a part of a block."""
    if block.dtype.kind not in "cO" and not isinstance(block, np.ma.MaskedArray):
        block = block.astype(dtype, copy=False)
    n = count_block(block, axis, skipna)
    add = np.nansum if skipna else np.sum
    total = add(block, axis=axis, keepdims=True, **({"dtype": dtype} if real else {}))
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = total / n
        difference = block - centre
        if block.dtype.kind == "c":
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
        if shift.dtype.kind == "c":
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
    skipna: bool = False,
    dtype: Any = None,
) -> Any:
    """Return the moment of an order."""
    found = _combined(parts, axis, order)
    n = found["n"] - ddof
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = found[f"M{order}"]
        result: Any
        if isinstance(powers, np.ma.MaskedArray):
            # As in NumPy: without degrees of freedom a variance is masked, that of items with NaN is NaN.
            valid = np.asarray(n) > 0
            result = np.ma.array(
                np.ma.getdata(powers) / np.where(valid, n, 1), mask=np.ma.getmaskarray(powers) | ~valid
            )
        elif skipna:
            result = np.where(n > 0, powers / np.where(n > 0, n, 1), np.nan)
        else:
            result = powers / np.maximum(n, 0)
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
    # Integers have no NaN.
    skipna = skipna and a.dtype.kind in "fcO"
    # With a real dtype of the caller, the mean of complex numbers is real, as in NumPy, which warns of it.
    real = {"real": True} if dtype is not None and a.dtype.kind == "c" and kind.kind in "fiu" else {}
    chunk = Chunk(moment_chunk, dtype=work, order=order, skipna=skipna, **real)
    aggregate = Chunk(moment_aggregate, order=order, ddof=ddof, root=root, skipna=skipna, dtype=kind)
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
    correction: Any = None,
) -> Any:
    """Return the variance of the items along axes, with the arguments of :func:`moment`.

    `correction` is the name of `ddof` in the array API standard.
    """
    return _moment("var", a, axis, dtype, keepdims, ddof if correction is None else correction, split_every, out)


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
    correction: Any = None,
) -> Any:
    """Return the standard deviation of the items along axes, with the arguments of :func:`moment`.

    `correction` is the name of `ddof` in the array API standard.
    """
    return _moment(
        "std", a, axis, dtype, keepdims, ddof if correction is None else correction, split_every, out, root=True
    )


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
        x,
        Chunk(count_chunk, skipna=skipna),
        np.sum,
        np.sum,
        axis,
        keepdims,
        np.dtype(np.intp),
        split_every,
        None,
        "numel",
    ).astype(dtype)


def count_chunk(block: Any, axis: Any = None, keepdims: bool = False, skipna: bool = False) -> Any:
    """Return the number of items of a block along axes."""
    return count_block(block, axis, skipna)
