"""Percentiles of arrays with one axis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ._axis_maps import All, At, Read
from ._core import Array, array_of
from ._elementwise import as_array
from ._expression import Node

__all__ = ["nanpercentile", "percentile"]

_METHODS = frozenset(("linear", "lower", "higher", "midpoint", "nearest"))


def percentile_block(block: Any, q: Any, method: str) -> Any:
    """Return percentiles of all items."""
    if block.dtype.kind in "US":
        # There is nothing between two strings.
        at = np.percentile(np.arange(len(block)), q, method="nearest").astype(np.intp)
        return np.sort(block)[at]
    return getattr(np, "percentile")(block, q, method=method)


def percentile(
    a: Any, q: Any, method: str = "linear", internal_method: str = "default", *, axis: Any = None, **kwargs: Any
) -> Any:
    """Return percentiles of an array with one axis. They are exact: all items come into one task.

    Parameters
    ----------
    a : array
        The array.
    q : number or sequence of numbers
        The percentiles, from 0 to 100.
    method : str
        ``"linear"``, ``"lower"``, ``"higher"``, ``"midpoint"`` or ``"nearest"``.
    internal_method : str
        Accepted for compatibility with Dask; no effect, since the result is exact.
    axis : int, optional
        The axis of an array with several ones, which becomes one chunk.
    """
    if internal_method not in ("default", "dask", "tdigest"):
        raise ValueError(
            "Available `internal_method` values are: {'default', 'dask', 'tdigest'}, not " + repr(internal_method)
        )
    if "interpolation" in kwargs:
        import warnings

        warnings.warn(
            "In Dask 2022.1.0, the `interpolation=` argument to percentile was renamed to `method= ` ",
            FutureWarning,
            stacklevel=2,
        )
        method = kwargs.pop("interpolation")
    keep = {"keepdims": kwargs.pop("keepdims")} if axis is not None and "keepdims" in kwargs else {}
    if kwargs:
        raise TypeError(f"percentile() does not support the argument {next(iter(kwargs))!r}")
    if method not in _METHODS:
        raise ValueError(f"percentile() does not support method={method!r}; use one of {sorted(_METHODS)}")
    a = as_array(a)
    if axis is not None:
        from .reductions import quantile

        return quantile(a, np.true_divide(q, 100), axis=axis, method=method, **keep)
    if a.ndim != 1:
        raise NotImplementedError("Percentiles only implemented for 1-d arrays; pass axis=, or use x.ravel()")
    if isinstance(q, Array):
        q = q.compute()
    points = np.asarray(list(q) if isinstance(q, Iterable) and not isinstance(q, np.ndarray) else q)
    dtype = a.dtype
    if np.issubdtype(dtype, np.integer):
        dtype = (np.asarray([], dtype=dtype) / 0.5).dtype
    if dtype.kind == "O":
        raise NotImplementedError(f"percentile() does not support the dtype {dtype}")
    meta = np.empty((0,) * points.ndim, dtype=dtype)
    read = Read(a._node, [At(0) if a.npartitions == 1 else All()], join=True)
    params = {"q": points, "method": method}
    return array_of(
        Node(
            "percentile",
            tuple([(size,) for size in points.shape]),
            meta,
            _typed_percentile,
            [read],
            params={**params, "dtype": dtype},
        )
    )


def _typed_percentile(block: Any, q: Any, method: str, dtype: Any) -> Any:
    found = percentile_block(np.asarray(block), q, method)
    return found.astype(dtype) if found.dtype != dtype else found


def nanpercentile(a: Any, q: Any, **kwargs: Any) -> Any:
    """Return percentiles of the items that are not NaN, as ``numpy.nanpercentile``."""
    from .reductions import nanquantile

    return nanquantile(a, np.true_divide(q, 100), **kwargs)
