"""Warnings that tell users what they may not expect of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..utils import warn_caller

if TYPE_CHECKING:
    from ._meta import Meta

__all__ = ["warn_of_inference", "warn_of_missing", "warn_of_objects"]


def warn_of_inference(method: str, name: str, described: Meta) -> None:
    """Warn that a method inferred the type of the results of a function, which was not given."""
    dtypes = {label: str(dtype) for label, dtype in described.empty.dtypes.items()}
    found: Any = (described.name, *dtypes.values()) if described.is_series else dtypes
    warn_caller(
        f"{method}() got no metadata: {name} was called with made-up values to infer the type of its results, which may be "
        f"wrong; give the type with meta={found!r}"
    )


def warn_of_missing(method: str, mapping: Any) -> None:
    """Warn if the results of a mapping have another type than its values where it has no value, as integers have."""
    dtype = mapping.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        warn_caller(
            f"{method}() got no metadata: the type of its results is inferred as {dtype}, that of the values of the column, but "
            "if this has no value for one of the labels they become floats or objects; give the type with "
            f"meta=({mapping.name!r}, {str(dtype)!r})"
        )


def warn_of_objects(plan: Any) -> None:
    """Warn if the values of a column or an index of an extension type become an array of Python objects."""
    sample = plan._meta_nonempty
    is_native = isinstance(sample, pd.DataFrame) or isinstance(sample.dtype, (np.dtype, pd.CategoricalDtype))
    if not is_native and sample.to_numpy().dtype == object:
        warn_caller(
            f"converting pandas extension dtypes to arrays: the values of {sample.dtype} have object dtype, a Python object for "
            "each value; use astype to convert the column to a dtype of NumPy"
        )
