"""Weighted means, and covariances."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ._chunks import is_unknown
from ._elementwise import as_array, elemwise
from ._products import dot
from ._shape import broadcast_to, normalize_axis, swapaxes

__all__ = ["average", "corrcoef", "cov"]


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False) -> Any:
    """Return the weighted mean along axes, as ``numpy.average``.

    Parameters
    ----------
    a : array
        The array.
    axis : int or tuple of int, optional
        The axes; all by default.
    weights : array, optional
        The weight of each item, or along one axis.
    returned : bool
        Whether to return the sum of the weights as well.
    keepdims : bool
        Whether the result keeps the axes with size 1.
    """
    return weighted_mean(a, axis, weights, returned, keepdims)


def weighted_mean(a: Any, axis: Any, weights: Any, returned: bool, keepdims: bool, is_masked: bool = False) -> Any:
    """Return the weighted mean, in which masked items have no weight."""
    a = as_array(a)
    if weights is None:
        found = a.mean(axis, keepdims=keepdims)
        total: Any = found.dtype.type(a.size / found.size)
    else:
        w = as_array(weights)
        dtype = np.result_type(a.dtype, w.dtype, *(["f8"] if a.dtype.kind in "iub" else []))
        if a.shape != w.shape:
            if axis is None:
                raise TypeError("Axis must be specified when shapes of a and weights differ.")
            if w.ndim != 1:
                raise TypeError("1D weights expected when shapes of a and weights differ.")
            axis = normalize_axis(axis, a.ndim)
            if w.shape[0] != a.shape[axis]:
                raise ValueError("Length of weights not compatible with specified axis.")
            w = swapaxes(broadcast_to(w, (1,) * (a.ndim - 1) + w.shape), -1, axis)
        if is_masked:
            from .ma import getmaskarray

            w = w * (~getmaskarray(a))
        total = w.sum(axis=axis, dtype=dtype, keepdims=keepdims)
        found = elemwise(np.multiply, a, w).astype(dtype).sum(axis, keepdims=keepdims) / total
    if not returned:
        return found
    if np.shape(total) != found.shape:
        total = broadcast_to(as_array(np.asarray(total)) if np.isscalar(total) else total, found.shape)
    return found, total


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """Return the covariances of variables, as ``numpy.cov``.

    Parameters
    ----------
    m, y : array
        The observations.
    rowvar : bool
        Whether variables are rows.
    bias : bool
        Whether to divide by the number of observations instead of one less.
    ddof : int, optional
        What to subtract from the number of observations.
    fweights, aweights : array, optional
        Weights of the observations.
    dtype : dtype, optional
        Dtype of the result.
    """
    from ._joining import concatenate

    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    x = as_array(m)
    if x.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    if y is not None:
        y = as_array(y)
        if y.ndim > 2:
            raise ValueError("y has more than 2 dimensions")
    if dtype is None:
        dtype = np.result_type(x.dtype, np.float64, *([y.dtype] if y is not None else []))
    x = x.astype(dtype)
    is_row = x.ndim == 1
    x = x[None] if is_row else x
    if not rowvar and not is_row:
        x = x.T
    if y is not None:
        y = y.astype(dtype)
        y = y[None] if y.ndim == 1 else y
        if not rowvar and y.shape[0] != 1:
            y = y.T
        x = concatenate((x, y), axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    w: Any = None
    if fweights is not None:
        fweights = as_array(fweights)
        if fweights.dtype.kind == "f":
            # As in NumPy, floats may be weights if they are integers, which only their values say.
            fweights = fweights.map_blocks(_integers, dtype=fweights.dtype)
        w = _weights("fweights", fweights, x.shape[1])
    if aweights is not None:
        a = _weights("aweights", as_array(aweights), x.shape[1])
        w = a if w is None else w * a
    mean = weighted_mean(x, 1, w, False, False)
    if w is None:
        factor: Any = x.shape[1] - ddof
        if factor <= 0:
            warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
            factor = 0.0
        weighted = x - mean[:, None]
        right = weighted
    else:
        total = w.sum()
        if ddof == 0:
            factor = total
        elif aweights is None:
            factor = total - ddof
        else:
            factor = total - ddof * (w * as_array(aweights)).sum() / total
        right = x - mean[:, None]
        weighted = right * w
    from .ufunc import conj  # type: ignore[attr-defined]

    found = dot(weighted, conj(right).T)
    return (found / factor).squeeze()


def _weights(name: str, weights: Any, count: Any) -> Any:
    """Return weights of observations that are as many as these, and not negative."""
    if weights.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if weights.shape[:1] != (count,) and not is_unknown((*weights.shape, count)):
        raise RuntimeError(f"incompatible numbers of samples and {name}: {count} and {weights.shape}")
    return weights.astype(float).map_blocks(_checked_weights, name, dtype=float)


def _checked_weights(block: Any, name: str) -> Any:
    if np.any(block < 0):
        raise ValueError(f"{name} cannot be negative")
    return block


def _integers(block: Any) -> Any:
    if not np.all(block == np.around(block)):
        raise TypeError("fweights must be integer")
    return block


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """Return the correlation coefficients of variables, as ``numpy.corrcoef``."""
    from ._sequences import diag
    from .ufunc import sqrt  # type: ignore[attr-defined]

    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    d = diag(c).reshape((-1, 1))
    deviation = sqrt(d.real)
    return (c / deviation) / deviation.T
