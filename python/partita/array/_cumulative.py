"""Cumulative functions: one pass over the blocks, a scan of their totals, and a second pass."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._axis_maps import All, At, Axis, Read
from ._core import array_of, check_known, make_meta
from ._elementwise import _is_user, as_array, handle_out
from ._expression import Node
from ._shape import normalize_axis
from ._tree import Call

__all__ = ["cumprod", "cumreduction", "cumsum", "nancumprod", "nancumsum", "push"]


#: Maximum number of blocks along an axis whose products are computed one after another, in the order of NumPy. Of more
#: blocks, the products are combined, and intermediate products neither overflow nor vanish.
CHAIN_MAX = 256


def last_items(block: Any, axis: int) -> Any:
    """Return the last item of a block along an axis, or nothing of an empty block."""
    return block[(slice(None),) * axis + (slice(max(block.shape[axis] - 1, 0), None),)]


def scan_block(parts: Any, binop: Callable[..., Any], ident: Any, axis: int) -> Any:
    """Return what precedes each block: the combined totals of those before it.

    Parameters
    ----------
    parts : list of array
        The last items of each block.
    binop : callable
        Combines two totals.
    ident : scalar
        What precedes the first block.
    axis : int
        The axis.
    """
    model = next((one for one in parts if one.shape[axis]), parts[0])
    shape = tuple([1 if at == axis else size for at, size in enumerate(model.shape)])
    carry = np.full_like(model, ident, shape=shape) if ident is not None else None
    found = []
    for part in parts:
        found.append(carry)
        if part.shape[axis]:
            carry = part if carry is None else binop(carry, part)
    return found


def carry_block(block: Any, carries: Any, at: int, binop: Callable[..., Any]) -> Any:
    """Combine a block with what precedes it."""
    if at == 0 or carries[at] is None or not block.size:
        return block
    return binop(carries[at], block)


def cumreduction(
    func: Callable[..., Any],
    binop: Callable[..., Any],
    ident: Any,
    x: Any,
    axis: int | None = None,
    dtype: Any = None,
    out: Any = None,
    method: str = "sequential",
    preop: Callable[..., Any] | None = None,
) -> Any:
    """Apply a cumulative function along an axis.

    Parameters
    ----------
    func : callable
        The cumulative function of a block, such as ``numpy.cumsum``.
    binop : callable
        Combines the total of the blocks before with the results of a block, such as ``operator.add``.
    ident : scalar
        The identity of `binop`.
    x : array
        The array.
    axis : int, optional
        The axis. By default that of the flattened array.
    dtype : dtype, optional
        Dtype of the result.
    out : Array, optional
        The array whose place the result takes.
    method : str
        ``"sequential"`` or ``"blelloch"``; both use a scan of the totals of the blocks.
    preop : callable, optional
        Accepted for compatibility with Dask; no effect.
    """
    if method not in ("sequential", "blelloch"):
        raise ValueError(f'Invalid method for cumreduction: {method!r}; expected one of ["sequential", "blelloch"]')
    x = as_array(x)
    if axis is None:
        if x.ndim > 1:
            check_known(x, "a cumulative function of the flattened array")
            x = x.flatten()
        axis = 0
    axis = normalize_axis(axis, x.ndim)
    if dtype is None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sample = func(np.ones((1,) * x.ndim, dtype=x.dtype), axis=axis)
            dtype = getattr(sample, "dtype", object)
        except Exception:
            dtype = x.dtype
    dtype = np.dtype(dtype)
    kwargs: dict[str, Any] = {"axis": axis}
    from ..utils import has_keyword

    if has_keyword(func, "dtype") or func in (np.cumsum, np.cumprod, np.nancumsum, np.nancumprod):
        kwargs["dtype"] = dtype
    user = _is_user(func) or _is_user(binop)
    identity = [Axis(at) for at in range(x.ndim)]
    meta = make_meta(x._meta, dtype, x.ndim)
    label = getattr(func, "__name__", "cumreduction")
    local = Node(f"{label}-block", x.chunks, meta, Call(func, kwargs), [Read(x._node, identity)], user=user)
    if x.numblocks[axis] == 1:
        return handle_out(out, array_of(local))
    ones = tuple([(1,) * len(sizes) if at == axis else sizes for at, sizes in enumerate(x.chunks)])
    totals = Node(f"{label}-total", ones, meta, last_items, [Read(local, identity)], params={"axis": axis})
    single = tuple([(1,) if at == axis else sizes for at, sizes in enumerate(x.chunks)])
    maps: list[Any] = [All() if at == axis else Axis(at) for at in range(x.ndim)]
    params = {"binop": binop, "ident": ident, "axis": axis}
    scan = Node(f"{label}-scan", single, meta, scan_block, [Read(totals, maps)], params=params, user=user)
    first: list[Any] = [At(0) if at == axis else Axis(at) for at in range(x.ndim)]
    found = Node(
        label,
        x.chunks,
        meta,
        carry_block,
        [Read(local, identity), Read(scan, first)],
        tables=[(axis, range(x.numblocks[axis]))],
        params={"binop": binop},
        user=user,
    )
    return handle_out(out, array_of(found))


def _on_data(function: Any, before: Any, block: Any) -> Any:
    """Combine arrays; masked items have no mask in what precedes others."""
    if not isinstance(block, np.ma.MaskedArray) and not isinstance(before, np.ma.MaskedArray):
        return function(before, block)
    values = function(np.ma.getdata(before), np.ma.getdata(block))
    return np.ma.masked_array(values, mask=np.ma.getmaskarray(block))


def add_data(before: Any, block: Any) -> Any:
    """Add what precedes a block."""
    return _on_data(np.add, before, block)


def multiply_data(before: Any, block: Any) -> Any:
    """Multiply by what precedes a block."""
    return _on_data(np.multiply, before, block)


def product_total(block: Any, axis: int) -> Any:
    """Return the product of a block along an axis as a mantissa and an exponent, so that it neither overflows nor vanishes."""
    mantissas, exponents = np.frexp(np.moveaxis(block, axis, -1))
    exponent = exponents.sum(axis=-1, dtype=np.int64)
    while mantissas.shape[-1] > 1:
        # The product of 512 mantissas is not subnormal.
        begins = np.arange(0, mantissas.shape[-1], 512)
        mantissas, more = np.frexp(np.multiply.reduceat(mantissas, begins, axis=-1))
        exponent = exponent + more.sum(axis=-1)
    mantissa = mantissas[..., 0] if mantissas.shape[-1] else np.ones(mantissas.shape[:-1], dtype=block.dtype)
    return {"mantissa": np.expand_dims(mantissa, axis), "exponent": np.expand_dims(exponent, axis)}


def scan_products(parts: list[Any]) -> list[Any]:
    """Return the product of the blocks before each block."""
    mantissa: Any = np.ones_like(parts[0]["mantissa"])
    exponent: Any = np.zeros_like(parts[0]["exponent"])
    found = []
    for part in parts:
        found.append(np.ldexp(mantissa, np.clip(exponent, -10_000, 10_000)))
        mantissa, more = np.frexp(mantissa * part["mantissa"])
        exponent = exponent + part["exponent"] + more
    return found


def product_block(block: Any, carry: Any, at: int, axis: int, dtype: Any) -> Any:
    """Return the cumulative product of a block after others, in the order of NumPy."""
    if at == 0 or not block.shape[axis]:
        return np.cumprod(block, axis=axis, dtype=dtype)
    found = np.array(block, dtype=dtype)
    first = (*[slice(None)] * axis, slice(0, 1))
    found[first] = (carry[at] if isinstance(carry, list) else carry) * found[first]
    return np.cumprod(found, axis=axis, dtype=dtype)


def product_carry(block: Any, *before: Any, axis: int, dtype: Any) -> Any:
    """Return the last item of the cumulative product of a block after others."""
    if not block.shape[axis]:
        shape = tuple([1 if at == axis else size for at, size in enumerate(block.shape)])
        return before[0] if before else np.ones(shape, dtype=dtype)
    found = product_block(block, before[0] if before else None, len(before), axis, dtype)
    return last_items(found, axis)


def _carries(source: Node, chunks: Any, meta: Any, axis: int, dtype: Any) -> Any:
    """Return the items that precede the blocks but the first, each computed from the one before."""
    from ._joining import concatenate

    ndim = len(chunks)
    single = tuple([(1,) if at == axis else sizes for at, sizes in enumerate(chunks)])
    found: list[Any] = []
    for number in range(len(chunks[axis]) - 1):
        maps: list[Any] = [At(number) if at == axis else Axis(at) for at in range(ndim)]
        reads = [Read(source, maps)]
        if found:
            reads.append(Read(found[-1]._node, [Axis(at) for at in range(ndim)]))
        params = {"axis": axis, "dtype": dtype}
        found.append(array_of(Node("cumprod-carry", single, meta, product_carry, reads, params=params)))
    return concatenate(found, axis=axis, allow_unknown_chunksizes=True)


def without_nan(block: Any) -> Any:
    """Return a block with ones in the place of NaN."""
    return np.where(np.isnan(block), np.ones((), dtype=block.dtype), block)


def _float_products(x: Any, axis: int, dtype: Any, skipna: bool) -> Any:
    """Return cumulative products of floats: intermediate products of blocks may exceed the range of floats."""
    identity = [Axis(at) for at in range(x.ndim)]
    x = x.astype(dtype)
    meta = make_meta(x._meta, dtype, x.ndim)
    source = x._node
    if skipna:
        source = Node("nan-to-one", x.chunks, meta, without_nan, [Read(source, identity)])
    count = x.numblocks[axis]
    if count <= CHAIN_MAX:
        carries = _carries(source, x.chunks, meta, axis, dtype)
        before = [max(at - 1, 0) for at in range(count)]
        read = Read(carries._node, [Axis(at, before) if at == axis else Axis(at) for at in range(x.ndim)])
    else:
        ones = tuple([(1,) * len(sizes) if at == axis else sizes for at, sizes in enumerate(x.chunks)])
        totals = Node("cumprod-total", ones, meta, product_total, [Read(source, identity)], params={"axis": axis})
        single = tuple([(1,) if at == axis else sizes for at, sizes in enumerate(x.chunks)])
        maps: list[Any] = [All() if at == axis else Axis(at) for at in range(x.ndim)]
        scan = Node("cumprod-scan", single, meta, scan_products, [Read(totals, maps)])
        read = Read(scan, [At(0) if at == axis else Axis(at) for at in range(x.ndim)])
    return array_of(
        Node(
            "cumprod",
            x.chunks,
            meta,
            product_block,
            [Read(source, identity), read],
            tables=[(axis, range(count))],
            params={"axis": axis, "dtype": dtype},
        )
    )


def sum_items(block: Any, axis: int, dtype: Any, skipna: bool) -> Any:
    """Return the sum of the items of a block along an axis."""
    return (np.nansum if skipna else np.sum)(block, axis=axis, dtype=dtype, keepdims=True)


def sum_block(block: Any, carries: Any, at: int, axis: int, dtype: Any, skipna: bool) -> Any:
    """Return the cumulative sum of a block after others."""
    found = (np.nancumsum if skipna else np.cumsum)(block, axis=axis, dtype=dtype)
    if at and found.size:
        np.add(found, carries[at], out=found)
    return found


def _sums(x: Any, axis: int, dtype: Any, skipna: bool) -> Any:
    """Return cumulative sums of numbers: the sums of blocks are added, then each block is read once more."""
    identity = [Axis(at) for at in range(x.ndim)]
    meta = make_meta(x._meta, dtype, x.ndim)
    params = {"axis": axis, "dtype": dtype, "skipna": skipna}
    ones = tuple([(1,) * len(sizes) if at == axis else sizes for at, sizes in enumerate(x.chunks)])
    totals = Node("cumsum-total", ones, meta, sum_items, [Read(x._node, identity)], params=params)
    single = tuple([(1,) if at == axis else sizes for at, sizes in enumerate(x.chunks)])
    maps: list[Any] = [All() if at == axis else Axis(at) for at in range(x.ndim)]
    before = {"binop": np.add, "ident": 0, "axis": axis}
    scan = Node("cumsum-scan", single, meta, scan_block, [Read(totals, maps)], params=before)
    first: list[Any] = [At(0) if at == axis else Axis(at) for at in range(x.ndim)]
    reads = [Read(x._node, identity), Read(scan, first)]
    tables = [(axis, range(x.numblocks[axis]))]
    return array_of(Node("cumsum", x.chunks, meta, sum_block, reads, tables=tables, params=params))


def _cumulative(func: Any, binop: Any, ident: Any, x: Any, axis: Any, dtype: Any, out: Any, method: str) -> Any:
    x = as_array(x)
    is_numeric = type(x._meta) is np.ndarray and x.dtype.kind in "biufcO"
    if is_numeric and x.npartitions > 1:
        kind = np.dtype(dtype) if dtype is not None else func(np.ones((1,), dtype=x.dtype)).dtype
        if binop is add_data:
            has_own_form = kind.kind in "iufc" and x.dtype.kind != "O"
        else:
            has_own_form = kind.kind == "f" or (kind.kind == "c" and max(x.numblocks) <= CHAIN_MAX)
        if has_own_form and axis is None:
            check_known(x, "a cumulative function of the flattened array")
            x, axis = x.flatten(), 0
        if has_own_form and x.numblocks[normalize_axis(axis, x.ndim)] > 1:
            skipna = func in (np.nancumsum, np.nancumprod)
            make = _sums if binop is add_data else _float_products
            return handle_out(out, make(x, normalize_axis(axis, x.ndim), kind, skipna))
    return cumreduction(func, binop, ident, x, axis, dtype, out=out, method=method)


def cumsum(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None, method: str = "sequential") -> Any:
    """Return the cumulative sum of the items along an axis.

    Parameters
    ----------
    x : array
        The array.
    axis : int, optional
        The axis. By default that of the flattened array.
    dtype : dtype, optional
        Dtype of the result.
    out : Array, optional
        The array whose place the result takes.
    method : str
        Accepted for compatibility with Dask.
    """
    return _cumulative(np.cumsum, add_data, 0, x, axis, dtype, out, method)


def cumprod(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None, method: str = "sequential") -> Any:
    """Return the cumulative product of the items along an axis, with the arguments of :func:`cumsum`."""
    return _cumulative(np.cumprod, multiply_data, 1, x, axis, dtype, out, method)


def nancumsum(
    x: Any, axis: int | None = None, dtype: Any = None, out: Any = None, *, method: str = "sequential"
) -> Any:
    """Return the cumulative sum with NaN as zero, with the arguments of :func:`cumsum`."""
    return _cumulative(np.nancumsum, add_data, 0, x, axis, dtype, out, method)


def nancumprod(
    x: Any, axis: int | None = None, dtype: Any = None, out: Any = None, *, method: str = "sequential"
) -> Any:
    """Return the cumulative product with NaN as one, with the arguments of :func:`cumsum`."""
    return _cumulative(np.nancumprod, multiply_data, 1, x, axis, dtype, out, method)


# Filling gaps.


def push_block(block: Any, n: int | None, axis: int) -> Any:
    """Fill NaN with the last value before it, at most `n` times."""
    block = np.moveaxis(np.asarray(block), axis, -1)
    valid = ~np.isnan(block)
    at = np.arange(block.shape[-1])
    last = np.maximum.accumulate(np.where(valid, at, -1), axis=-1)
    found = np.take_along_axis(block, np.maximum(last, 0), axis=-1)
    gap = at - last
    keep = (last >= 0) & (gap <= n if n is not None else True)
    found = np.where(keep, found, np.nan).astype(block.dtype)
    return np.moveaxis(found, -1, axis)


def fill_gaps(before: Any, block: Any) -> Any:
    """Return a block with the values of another one in place of NaN."""
    return np.where(np.isnan(block), before, block)


def push(array: Any, n: int | None, axis: int) -> Any:
    """Fill NaN with the last value before it along an axis.

    Parameters
    ----------
    array : array
        The array of floats.
    n : int, optional
        Maximum number of items that a value fills.
    axis : int
        The axis.
    """
    x = as_array(array)
    axis = normalize_axis(axis, x.ndim)
    if x.dtype.kind not in "fc":
        return x
    if n is not None and 0 < n < x.shape[axis] - 1 and x.numblocks[axis] > 1:
        from .overlap import map_overlap

        depth = {at: ((int(n), 0) if at == axis else 0) for at in range(x.ndim)}
        return map_overlap(
            push_block,
            x,
            depth=depth,
            boundary="none",
            dtype=x.dtype,
            meta=x._meta,
            n=int(n),
            axis=axis,
            allow_rechunk=True,
        )
    limit = None if n is None or n >= x.shape[axis] - 1 else int(n)
    return cumreduction(_Push(limit), fill_gaps, np.nan, x, axis, x.dtype)


class _Push:
    """The function that fills gaps in a block."""

    __name__ = "push"

    def __init__(self, n: int | None) -> None:
        self.n = n

    def __call__(self, block: Any, axis: int) -> Any:
        return push_block(block, self.n, axis)

    def __dask_tokenize__(self) -> Any:
        return "push", self.n
