"""What xarray does for arrays of Dask only, done for arrays of this package as well.

xarray chooses lazy algorithms by asking Dask whether an array is one of its collections. Without Dask the answer is no
and parts of xarray compute arrays or refuse them; with Dask it counts arrays of this package, whose protocol they have,
as arrays of both packages. The functions that ask are replaced by ones that know the arrays of this package.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from ._xarray_map_blocks import close_after_writes, replace_map_blocks
from .array import Array

__all__ = ["install_hooks"]


#: The functions that replace others.
_hooks: list[Any] = []


def install_hooks() -> None:
    """Replace the functions of xarray that ask whether an array is one of Dask. A second call has no effect."""
    _replace("xarray.namedarray.utils", "is_dask_collection", _or_array)
    _replace("xarray.namedarray.daskmanager:DaskManager", "is_chunked_array", _except_array)
    for module in ("xarray.core.groupby", "xarray.core._aggregations"):
        _replace(module, "contains_only_chunked_or_numpy", _without_flox)
    for module in ("xarray", "xarray.core.parallel"):
        _replace(module, "map_blocks", replace_map_blocks)
    for module in ("xarray.backends.api", "xarray.backends.writers"):
        _replace(module, "delayed_close_after_writes", close_after_writes)


def _replace(place: str, name: str, make: Callable[[Any], Any]) -> None:
    """Replace a function of a module or class, which other versions of xarray may not have."""
    module, _, kind = place.partition(":")
    try:
        owner: Any = importlib.import_module(module)
    except ImportError:
        return
    owner = getattr(owner, kind) if kind else owner
    known = getattr(owner, name, None)
    if known is not None and known not in _hooks:
        hook = functools.wraps(known)(make(known))
        _hooks.append(hook)
        setattr(owner, name, hook)


def _or_array(known: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def is_dask_collection(x: Any) -> bool:
        return isinstance(x, Array) or known(x)

    return is_dask_collection


def _except_array(known: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def is_chunked_array(self: Any, data: Any) -> bool:
        return not isinstance(data, Array) and known(self, data)

    return is_chunked_array


def _without_flox(known: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """The package flox makes graphs of Dask: groups of arrays of this package take the way of xarray itself."""

    def contains_only_chunked_or_numpy(obj: Any) -> bool:
        return known(obj) and not any(isinstance(one._data, Array) for one in _variables(obj))

    return contains_only_chunked_or_numpy


def _variables(obj: Any) -> list[Any]:
    found = [obj.variable] if hasattr(obj, "variable") else []
    return [*found, *getattr(obj, "variables", getattr(obj, "_coords", {})).values()]
