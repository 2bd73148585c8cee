"""Functions of NumPy's main module."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ._coarsen import apply_along_axis, apply_over_axes, coarsen
from ._core import Array, check_known
from ._editing import delete, diff, ediff1d, gradient, insert
from ._elementwise import as_array, elemwise, is_scalar
from ._histograms import histogram, histogram2d, histogramdd
from ._index_functions import (
    ravel_multi_index,
    tril,
    tril_indices,
    tril_indices_from,
    triu,
    triu_indices,
    triu_indices_from,
    unravel_index,
)
from ._joining import append, concatenate, dstack, hstack, stack, vstack
from ._products import dot, einsum, matmul, outer, tensordot, vdot
from ._sets import bincount, digitize, isin, searchsorted, union1d, unique
from ._shape import along, broadcast_to, flip, normalize_axis, roll, rot90, squeeze, swapaxes, transpose
from ._statistics import average, corrcoef, cov
from ._unknown import known_if_small

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

    return map_blocks(function, x, *conditions, dtype=x.dtype)


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


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the number of items that are not zero, as ``numpy.count_nonzero``."""
    return _mask(a).astype(np.intp).sum(axis=axis, keepdims=keepdims)


def argwhere(a: Any) -> Any:
    """Return the indices of items that are not zero, in rows, as ``numpy.argwhere``. Their number is unknown."""
    from ._sequences import indices

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
    """Return the indices of items that are not zero, an array for each axis, as ``numpy.nonzero``.

    Their number is known if the data are small and in the client.
    """
    a = as_array(a)
    if not a.ndim:
        raise ValueError("nonzero() needs an array with at least one axis; use x[None]")
    found = known_if_small(argwhere(a))
    return tuple([found[:, at] for at in range(found.shape[1])])


def flatnonzero(a: Any) -> Any:
    """Return the positions in the flattened array of items that are not zero, as ``numpy.flatnonzero``."""
    return argwhere(as_array(a).ravel())[:, 0]


# Indices.


# Triangles.


def ptp(a: Any, axis: Any = None) -> Any:
    """Return the difference of the largest and the least item along an axis, as ``numpy.ptp``."""
    a = as_array(a)
    return a.max(axis=axis) - a.min(axis=axis)


# Functions of users along axes.
