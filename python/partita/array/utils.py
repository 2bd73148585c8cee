"""What ``dask.array.utils`` has for tests and for other libraries."""

from __future__ import annotations

from typing import Any

from ._core import Array, make_meta
from ._interchange import assert_eq

__all__ = ["assert_eq", "meta_from_array"]


def meta_from_array(x: Any, ndim: int | None = None, dtype: Any = None) -> Any:
    """Return an empty array of the type of another one.

    Parameters
    ----------
    x : array
        An array, or its type.
    ndim : int, optional
        Number of axes; that of `x` by default.
    dtype : dtype, optional
        Dtype; that of `x` by default.

    Examples
    --------
    >>> import numpy as np
    >>> meta_from_array(np.ones((2, 3)), ndim=1)
    array([], dtype=float64)
    """
    model = x._meta if isinstance(x, Array) else x
    if ndim is None:
        ndim = getattr(x, "ndim", 0) if not isinstance(x, type) else 0
    return make_meta(model, dtype, ndim)
