"""Functions of NumPy's main module."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils import funcname
from ._axis_maps import All, At, Axis, Read
from ._core import Array, array_of, check_known, make_meta
from ._editing import delete, diff, ediff1d, gradient, insert
from ._elementwise import as_array, elemwise, is_scalar
from ._expression import Node
from ._histograms import histogram, histogram2d, histogramdd
from ._joining import append, concatenate, dstack, hstack, stack, vstack
from ._products import dot, einsum, matmul, outer, tensordot, vdot
from ._sets import bincount, digitize, isin, searchsorted, union1d, unique
from ._shape import along, broadcast_to, flip, normalize_axes, normalize_axis, roll, rot90, squeeze, swapaxes, transpose
from ._statistics import average, corrcoef, cov

__all__ = [
    "allclose",
    "append",
    "apply_along_axis",
    "apply_over_axes",
    "argwhere",
    "array",
    "average",
    "bincount",
    "choose",
    "coarsen",
    "compress",
    "concatenate",
    "corrcoef",
    "count_nonzero",
    "cov",
    "delete",
    "diff",
    "digitize",
    "dot",
    "dstack",
    "ediff1d",
    "einsum",
    "extract",
    "flatnonzero",
    "flip",
    "gradient",
    "histogram",
    "histogram2d",
    "histogramdd",
    "hstack",
    "insert",
    "isclose",
    "iscomplexobj",
    "isin",
    "isnull",
    "matmul",
    "ndim",
    "nonzero",
    "notnull",
    "outer",
    "piecewise",
    "ptp",
    "ravel_multi_index",
    "result_type",
    "roll",
    "rot90",
    "searchsorted",
    "select",
    "shape",
    "squeeze",
    "stack",
    "swapaxes",
    "tensordot",
    "transpose",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
    "union1d",
    "unique",
    "unravel_index",
    "vdot",
    "vstack",
    "where",
]


def array(x: Any, dtype: Any = None, ndmin: int | None = None, *, like: Any = None) -> Any:
    """Return a value as an array, as ``numpy.array``.

    Parameters
    ----------
    x : array, list or number
        The value.
    dtype : dtype, optional
        Dtype of the result.
    ndmin : int, optional
        Minimum number of axes.
    like : array, optional
        The result has blocks of the type of this array.
    """
    from ._from_array import asarray

    found = asarray(x, dtype=dtype, like=like)
    while ndmin is not None and found.ndim < ndmin:
        found = found[None]
    return found


def result_type(*args: Any) -> Any:
    """Return the dtype of the result of an operation, as ``numpy.result_type``."""
    return np.result_type(*[one if is_scalar(one) else one.dtype for one in args])


def ndim(a: Any) -> int:
    """Return the number of axes."""
    return int(a.ndim) if hasattr(a, "ndim") else int(np.asarray(a).ndim)


def shape(array: Any) -> Any:
    """Return the shape."""
    return array.shape if hasattr(array, "shape") else np.shape(array)


def iscomplexobj(x: Any) -> bool:
    """Return whether the dtype is complex."""
    return issubclass(x.dtype.type, np.complexfloating)


# Choosing.


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Return the items of `x` where a condition is true, and those of `y` elsewhere, as ``numpy.where``."""
    if (x is None) != (y is None):
        raise ValueError("either both or neither of x and y should be given")
    if x is None:
        return nonzero(condition)
    if np.isscalar(condition):
        # One of them, with the dtype and the shape of both.
        dtype = result_type(x, y)
        x, y = as_array(np.asarray(x) if is_scalar(x) else x), as_array(np.asarray(y) if is_scalar(y) else y)
        from ._chunks import broadcast_shapes

        return broadcast_to(x if condition else y, broadcast_shapes(x.shape, y.shape)).astype(dtype)
    return elemwise(np.where, condition, x, y)


class _Choose:
    """The function of a block of ``choose``."""

    __name__ = "choose"

    def __call__(self, a: Any, *choices: Any) -> Any:
        return np.choose(a, choices)

    def __dask_tokenize__(self) -> Any:
        return "choose"


def choose(a: Any, choices: Any) -> Any:
    """Return items of several arrays, chosen by the numbers of the arrays, as ``numpy.choose``."""
    arrays = [one if is_scalar(one) else as_array(one) for one in choices]
    return elemwise(_Choose(), as_array(a), *arrays, dtype=result_type(*arrays))


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """Return the slices along an axis for which a condition is true, as ``numpy.compress``."""
    from ._from_array import asarray

    if not isinstance(condition, Array):
        condition = np.array(condition, dtype=bool)
    if condition.ndim != 1:
        raise ValueError("Condition must be one dimensional")
    a = asarray(a)
    if axis is None:
        a, axis = a.ravel(), 0
    axis = normalize_axis(axis, a.ndim)
    length = builtins.min(len(condition), a.shape[axis])
    a = a[along(axis, slice(None, length))]
    return a[along(axis, condition[:length].astype(bool))]


def extract(condition: Any, arr: Any) -> Any:
    """Return the items of the flattened array where a condition is true, as ``numpy.extract``."""
    from ._from_array import asarray

    return compress(asarray(condition).astype(bool).ravel(), asarray(arr).ravel())


class _Piecewise:
    __name__ = "piecewise"

    def __init__(self, functions: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.functions = functions
        self.args = args
        self.kwargs = kwargs

    def __call__(self, x: Any, *conditions: Any) -> Any:
        return np.piecewise(x, list(conditions), self.functions, *self.args, **self.kwargs)

    def __dask_tokenize__(self) -> Any:
        return "piecewise", self.functions, self.args, self.kwargs


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Apply functions where conditions are true, as ``numpy.piecewise``."""
    x = as_array(x)
    function = _Piecewise(list(funclist), args, kw)
    conditions = [one if isinstance(one, Array) else as_array(np.asarray(one)) for one in condlist]
    from ._map_blocks import map_blocks

    return map_blocks(function, x, *conditions, dtype=x.dtype, name="piecewise")


class _Select:
    __name__ = "select"

    def __init__(self, count: int, dtype: Any) -> None:
        self.count = count
        self.dtype = dtype

    def __call__(self, *args: Any) -> Any:
        conditions, choices = args[: self.count], args[self.count : 2 * self.count]
        found = np.select(list(conditions), list(choices), default=args[-1])
        return found.astype(self.dtype) if found.dtype != self.dtype else found

    def __dask_tokenize__(self) -> Any:
        return "select", self.count, str(self.dtype)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Return items of the first array whose condition is true, as ``numpy.select``."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not len(condlist):
        raise ValueError("select with an empty condition list is not possible")
    choices = [one if is_scalar(one) else as_array(one) for one in choicelist]
    for at, one in enumerate(condlist):
        if getattr(one, "dtype", np.asarray(one).dtype if not isinstance(one, Array) else None) != np.dtype(bool):
            raise TypeError(f"invalid entry {at} in condlist: should be boolean ndarray")
    dtype = result_type(*choices, default)
    return elemwise(_Select(len(condlist), dtype), *condlist, *choices, default, dtype=dtype)


# Tests of items.


def _is_null(values: Any) -> Any:
    import pandas as pd

    return np.asarray(pd.isnull(np.asarray(values)))


def isnull(values: Any) -> Any:
    """Return which items are null, as ``pandas.isnull``."""
    return elemwise(_is_null, as_array(values), dtype="bool")


def notnull(values: Any) -> Any:
    """Return which items are not null, as ``pandas.notnull``."""
    return ~isnull(values)


def isclose(arr1: Any, arr2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return which items are equal within a tolerance, as ``numpy.isclose``."""
    from ._blocks import Fill

    function = Fill(np.isclose, (), {"rtol": rtol, "atol": atol, "equal_nan": equal_nan})
    return elemwise(function, arr1, arr2, dtype="bool")


def allclose(arr1: Any, arr2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return whether all items are equal within a tolerance, as ``numpy.allclose``."""
    return isclose(arr1, arr2, rtol=rtol, atol=atol, equal_nan=equal_nan).all()


def is_nonzero(block: Any) -> Any:
    """Return which items of a block are not zero."""
    if block.dtype.kind in "SUO":
        return np.vectorize(bool, otypes=[bool])(block) if block.size else np.zeros(block.shape, dtype=bool)
    return block.astype(bool)


def _mask(a: Any) -> Any:
    a = as_array(a)
    return elemwise(is_nonzero, a, dtype=bool)


def count_nonzero(a: Any, axis: Any = None) -> Any:
    """Return the number of items that are not zero, as ``numpy.count_nonzero``."""
    return _mask(a).astype(np.intp).sum(axis=axis)


def argwhere(a: Any) -> Any:
    """Return the indices of items that are not zero, in rows, as ``numpy.argwhere``. Their number is unknown."""
    from ._creation import indices

    a = as_array(a)
    check_known(a, "argwhere")
    mask = _mask(a).flatten()
    grid = indices(a.shape, dtype=np.intp, chunks=a.chunks)
    if grid.ndim > 1:
        rows = stack([grid[at].ravel() for at in range(len(grid))], axis=1)
    else:
        rows = np.empty((1, 0), dtype=np.intp)
        rows = as_array(rows)
        mask = mask.reshape((1,))
    return rows[mask] if a.ndim else compress(mask, rows, axis=0)


def nonzero(a: Any) -> tuple[Any, ...]:
    """Return the indices of items that are not zero, an array for each axis, as ``numpy.nonzero``."""
    found = argwhere(a)
    return tuple([found[:, at] for at in range(found.shape[1])])


def flatnonzero(a: Any) -> Any:
    """Return the positions in the flattened array of items that are not zero, as ``numpy.flatnonzero``."""
    return argwhere(as_array(a).ravel())[:, 0]


# Indices.


def unravel_block(block: Any, shape: Any, order: str) -> Any:
    """Return the indices of positions, in a first axis."""
    return np.stack(np.unravel_index(block, shape, order=order))  # type: ignore[call-overload]


def unravel_index(indices: Any, shape: Any, order: str = "C") -> Any:
    """Return the indices of positions in a flattened array, as ``numpy.unravel_index``."""
    if not (shape and as_array(indices).size):
        from ._creation import empty

        return tuple([empty((0,), dtype=np.intp, chunks=1) for _ in shape])
    x = as_array(indices)
    chunks = ((len(shape),), *x.chunks)
    meta = np.empty((0,) * len(chunks), dtype=np.intp)
    maps = [Axis(axis + 1) for axis in range(x.ndim)]
    params = {"shape": tuple(shape), "order": order}
    found = array_of(Node("unravel_index", chunks, meta, unravel_block, [Read(x._node, maps)], params=params))
    return tuple([found[at] for at in range(len(shape))])


class _Ravel:
    __name__ = "ravel_multi_index"

    def __init__(self, dims: Any, mode: Any, order: str) -> None:
        self.dims, self.mode, self.order = dims, mode, order

    def __call__(self, *indices: Any) -> Any:
        return np.ravel_multi_index(indices, self.dims, mode=self.mode, order=self.order)  # type: ignore[call-overload]

    def __dask_tokenize__(self) -> Any:
        return "ravel_multi_index", self.dims, self.mode, self.order


class _Rows:
    """A function of the rows of a block."""

    __name__ = "rows"

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, block: Any) -> Any:
        return self.function(*block)

    def __dask_tokenize__(self) -> Any:
        return "rows", self.function


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """Return positions in a flattened array from indices, as ``numpy.ravel_multi_index``."""
    if np.isscalar(dims):
        dims = (dims,)
    from .._collection import is_collection

    if is_collection(dims) or builtins.any(is_collection(one) for one in dims):
        raise NotImplementedError(f"Dask types are not supported in the `dims` argument: {dims!r}")
    if isinstance(multi_index, Array):
        if multi_index.dtype.kind not in "iu":
            raise TypeError("only int indices permitted")
        maps: list[Any] = [All(), *[Axis(axis) for axis in range(multi_index.ndim - 1)]]
        meta = np.empty((0,) * (multi_index.ndim - 1), dtype=np.intp)
        read = [Read(multi_index._node, maps, join=True)]
        call = _Ravel(tuple(dims), mode, order)
        return array_of(Node("ravel_multi_index", multi_index.chunks[1:], meta, _Rows(call), read))
    parts = list(multi_index)
    if builtins.any(np.asarray(one).dtype.kind not in "iu" for one in parts if not isinstance(one, Array)):
        raise TypeError("only int indices permitted")
    parts = [as_array(np.asarray(one) if not hasattr(one, "shape") else one) for one in parts]
    return elemwise(_Ravel(tuple(dims), mode, order), *parts, dtype=np.intp)


# Triangles.


def tri_mask_block(block: Any, first: int, begin: int, k: int, lower: bool) -> Any:
    """Return a block with zeros above or below a diagonal."""
    rows, columns = block.shape[-2:]
    mask = np.tri(rows, columns, k=k + first - begin if lower else k - 1 + first - begin, dtype=bool)
    return np.where(mask if lower else ~mask, block, np.zeros(1, dtype=block.dtype))


def _triangle(m: Any, k: int, lower: bool) -> Any:
    from ._chunks import starts

    m = as_array(m)
    if m.ndim < 2:
        raise ValueError("input must be at least 2-d")
    check_known(m, "tril and triu")
    tables = [(m.ndim - 2, starts(m.chunks[-2])), (m.ndim - 1, starts(m.chunks[-1]))]
    reads = [Read(m._node, [Axis(axis) for axis in range(m.ndim)])]
    label = "tril" if lower else "triu"
    params = {"k": int(k), "lower": lower}
    return array_of(Node(label, m.chunks, m._meta, tri_mask_block, reads, tables=tables, params=params))


def tril(m: Any, k: int = 0) -> Any:
    """Return an array with zeros above a diagonal, as ``numpy.tril``."""
    return _triangle(m, k, True)


def triu(m: Any, k: int = 0) -> Any:
    """Return an array with zeros below a diagonal, as ``numpy.triu``."""
    return _triangle(m, k, False)


def tril_indices(n: int, k: int = 0, m: int | None = None, chunks: Any = "auto") -> Any:
    """Return the indices of the lower triangle of a matrix, as ``numpy.tril_indices``."""
    from ._creation import tri

    return nonzero(tri(n, m, k=k, dtype=bool, chunks=chunks))


def tril_indices_from(arr: Any, k: int = 0) -> Any:
    """Return the indices of the lower triangle of an array, as ``numpy.tril_indices_from``."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return tril_indices(arr.shape[-2], k=k, m=arr.shape[-1], chunks=arr.chunks)


def triu_indices(n: int, k: int = 0, m: int | None = None, chunks: Any = "auto") -> Any:
    """Return the indices of the upper triangle of a matrix, as ``numpy.triu_indices``."""
    from ._creation import tri

    return nonzero(~tri(n, m, k=k - 1, dtype=bool, chunks=chunks))


def triu_indices_from(arr: Any, k: int = 0) -> Any:
    """Return the indices of the upper triangle of an array, as ``numpy.triu_indices_from``."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return triu_indices(arr.shape[-2], k=k, m=arr.shape[-1], chunks=arr.chunks)


def ptp(a: Any, axis: Any = None) -> Any:
    """Return the difference of the largest and the least item along an axis, as ``numpy.ptp``."""
    a = as_array(a)
    return a.max(axis=axis) - a.min(axis=axis)


# Functions of users along axes.


def along_axis_block(block: Any, function: Callable[..., Any], axis: int, args: Any, kwargs: dict[str, Any]) -> Any:
    """Apply a function to all rows along an axis of a block."""
    return np.apply_along_axis(function, axis, block, *args, **kwargs)


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, dtype: Any = None, shape: Any = None, **kwargs: Any
) -> Any:
    """Apply a function to all rows along an axis, which becomes one chunk, as ``numpy.apply_along_axis``.

    Parameters
    ----------
    func1d : callable
        Called with an array with one axis.
    axis : int
        The axis.
    arr : array
        The array.
    *args, **kwargs
        Further arguments of the function.
    dtype, shape : optional
        Dtype and shape of its result. By default it is called to find them.
    """
    arr = as_array(arr)
    axis = normalize_axis(axis, arr.ndim)
    if shape is None or dtype is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sample = np.asarray(func1d(np.ones((1,), dtype=arr.dtype), *args, **kwargs))
        shape = sample.shape if shape is None else shape
        dtype = sample.dtype if dtype is None else dtype
    arr = arr.rechunk({axis: -1})
    shape = tuple(shape)
    chunks = (*arr.chunks[:axis], *[(size,) for size in shape], *arr.chunks[axis + 1 :])
    maps: list[Any] = [
        At(0) if at == axis else Axis(at if at < axis else at - 1 + len(shape)) for at in range(arr.ndim)
    ]
    params = {"function": func1d, "axis": axis, "args": args, "kwargs": kwargs}
    meta = np.empty((0,) * len(chunks), dtype=dtype)
    label = f"apply-along-axis-{funcname(func1d)}"
    return array_of(Node(label, chunks, meta, along_axis_block, [Read(arr._node, maps)], params=params, user=True))


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """Apply a function along several axes, one after another, as ``numpy.apply_over_axes``."""
    a = as_array(a)
    axes = normalize_axes(axes, a.ndim)
    found = a
    for axis in axes:
        one = func(found, axis)
        if one.ndim == found.ndim - 1:
            one = one[(slice(None),) * axis + (None,)]
        elif one.ndim != found.ndim:
            raise ValueError("func must either preserve dimensionality of the input or reduce it by one.")
        found = one
    return found


def coarsen_block(block: Any, reduction: Callable[..., Any], factors: Any, kwargs: dict[str, Any]) -> Any:
    """Reduce groups of neighbouring items of a block."""
    sizes: list[int] = []
    for axis, size in enumerate(block.shape):
        factor = factors.get(axis, 1)
        sizes += [size // factor, factor]
    box = tuple([slice(0, size - size % factors.get(axis, 1)) for axis, size in enumerate(block.shape)])
    return reduction(block[box].reshape(sizes), axis=tuple(range(1, 2 * block.ndim, 2)), **kwargs)


def coarsen(
    reduction: Callable[..., Any], x: Any, axes: dict[int, int], trim_excess: bool = False, **kwargs: Any
) -> Any:
    """Reduce groups of neighbouring items.

    Parameters
    ----------
    reduction : callable
        A function such as ``numpy.sum``.
    x : array
        The array.
    axes : dict
        The number of items of a group for axes.
    trim_excess : bool
        Whether items at the end that fill no group are left out. Otherwise they are an error.
    **kwargs
        Further arguments of the function.
    """
    x = as_array(x)
    factors = {normalize_axis(axis, x.ndim): int(factor) for axis, factor in axes.items()}
    if builtins.any(factor < 1 for factor in factors.values()):
        raise ValueError(f"coarsening factors must be positive, not {axes}")
    if not trim_excess and builtins.any(x.shape[axis] % factor for axis, factor in factors.items()):
        raise ValueError(f"Coarsening factors {axes} do not align with array shape {x.shape}.")
    name = getattr(reduction, "__name__", "")
    if (getattr(reduction, "__module__", "") or "").startswith(("dask.", "partita.")):
        reduction = getattr(np, name)
    chunks = {}
    for axis, factor in factors.items():
        sizes = _aligned(x.chunks[axis], factor)
        if sizes != x.chunks[axis]:
            chunks[axis] = sizes
    x = x.rechunk(chunks) if chunks else x
    last = {axis: x.chunks[axis][-1] // factor for axis, factor in factors.items()}
    drop = [axis for axis, size in last.items() if not size and len(x.chunks[axis]) > 1]
    if drop:
        # The rest at the end fills no group.
        x = x[tuple([slice(0, x.shape[at] - x.chunks[at][-1]) if at in drop else slice(None) for at in range(x.ndim)])]
    found = tuple([tuple([size // factors.get(axis, 1) for size in sizes]) for axis, sizes in enumerate(x.chunks)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = reduction(np.ones((1,) * x.ndim, dtype=x.dtype), **kwargs)
    meta = make_meta(x._meta, np.asarray(sample).dtype, x.ndim)
    params = {"reduction": reduction, "factors": factors, "kwargs": kwargs}
    reads = [Read(x._node, [Axis(axis) for axis in range(x.ndim)])]
    from ._elementwise import _is_user

    return array_of(Node("coarsen", found, meta, coarsen_block, reads, params=params, user=_is_user(reduction)))


def _aligned(sizes: tuple[int, ...], factor: int) -> tuple[int, ...]:
    """Return near sizes that are multiples of a factor, and the rest at the end."""
    if builtins.all(size % factor == 0 for size in sizes):
        return sizes
    total = builtins.sum(sizes)
    ends: list[int] = []
    end = 0
    for size in sizes:
        end += size
        at = round(end / factor) * factor
        if at <= total - total % factor and (not ends or at > ends[-1]) and at > 0:
            ends.append(at)
    whole = total - total % factor
    if whole and (not ends or ends[-1] != whole):
        ends.append(whole)
    found = [end - begin for begin, end in zip([0, *ends], ends)]
    rest = total - whole
    return tuple([*found, rest] if rest else found)
