"""Comparisons of the peer's tests of arrays, for results of Partita: those of the peer, of values that are computed before."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from partita.array.utils import meta_from_array

__all__ = ["assert_eq", "meta_from_array", "same_keys"]

#: Arguments that only say how the peer computes its graph.
_OF_GRAPHS = ("check_chunks", "check_graph", "check_meta", "scheduler")


def _computed(value: Any, check_shape: bool, check_dtype: bool) -> Any:
    if not hasattr(value, "compute") or isinstance(value, type):
        return value
    result = value.compute()
    shape = getattr(value, "shape", None)
    if shape is None:
        return result
    # What an array says before it is computed is true.
    found = np.shape(result)
    if check_shape:
        known = len(shape) == len(found) and all(math.isnan(one) or one == other for one, other in zip(shape, found))
        assert known, f"{shape} before the array is computed, then {found}"
    if not hasattr(result, "dtype"):
        # An object.
        return np.array(result, dtype=value.dtype)
    if check_dtype and 0 not in found:
        assert value.dtype == result.dtype, f"{value.dtype} before the array is computed, then {result.dtype}"
    return result


def assert_eq(a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """Raise an ``AssertionError`` if two values, computed if they are lazy, differ."""
    peer = importlib.import_module("dask.array.utils")
    known = {name: value for name, value in kwargs.items() if name not in _OF_GRAPHS}
    first, second = (_computed(one, kwargs.get("check_shape", True), kwargs.get("check_dtype", True)) for one in (a, b))
    return peer.assert_eq(first, second, *args, check_graph=False, check_chunks=False, check_meta=False, **known)


def same_keys(a: Any, b: Any) -> bool:
    """Whether two arrays have one name: equal work is done once."""
    return bool(a.name == b.name)
