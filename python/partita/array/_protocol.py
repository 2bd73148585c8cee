"""NumPy's protocols: its functions called with arrays of this package."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np

from ._blocks import is_block_type
from ._core import Array
from ._methods import _is_superior

__all__ = ["apply_function", "apply_ufunc"]


def apply_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a ufunc of NumPy, or a method of it."""
    from . import ufunc as ufuncs
    from ._elementwise import elemwise

    if any(_is_superior(one) for one in (*inputs, *kwargs.get("out", ()))):
        return NotImplemented
    if method == "outer":
        known = getattr(ufuncs, ufunc.__name__, None)
        return NotImplemented if known is None else known.outer(*inputs, **kwargs)
    if method != "__call__":
        return NotImplemented
    if ufunc is np.matmul:
        from ._products import matmul

        return matmul(*inputs, **kwargs)
    if ufunc.signature is not None:
        from ._gufunc import apply_gufunc

        return apply_gufunc(ufunc, ufunc.signature, *inputs, **kwargs)
    if ufunc.nout > 1:
        known = getattr(ufuncs, ufunc.__name__, None)
        return NotImplemented if known is None else known(*inputs, **kwargs)
    return elemwise(ufunc, *inputs, **kwargs)


_ALIASES = {
    "round_": "around",
    "amax": "max",
    "amin": "min",
    "concat": "concatenate",
    "permute_dims": "transpose",
}


def apply_function(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """Call the function of this package with the name and the module of a function of NumPy."""
    from .. import array as module

    if not all(issubclass(kind, Array) or _is_known(kind) for kind in types):
        return NotImplemented
    found: Any = module
    for name in (func.__module__ or "numpy").split(".")[1:]:
        if name.startswith("_"):
            continue
        found = getattr(found, name, None)
        if found is None:
            return _call_numpy(func, args, kwargs)
    known = getattr(found, "__dict__", {}).get(func.__name__) or module_function(found, func.__name__)
    if known is None or known is func:
        return _call_numpy(func, args, kwargs)
    if "like" in kwargs or _takes_like(known):
        kwargs = {**kwargs, "like": next((one for one in args if isinstance(one, Array)), None) or kwargs.get("like")}
        if kwargs["like"] is None:
            del kwargs["like"]
    return known(*args, **kwargs)


def module_function(module: Any, name: str) -> Any:
    """Return a function of a module, or None."""
    name = _ALIASES.get(name, name)
    try:
        return getattr(module, name)
    except (AttributeError, NotImplementedError):
        return None


def _takes_like(function: Any) -> bool:
    try:
        return "like" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _is_known(kind: type) -> bool:
    return issubclass(kind, np.generic) or is_block_type(kind)


def _call_numpy(func: Any, args: Any, kwargs: Any) -> Any:
    from ..base import compute

    warnings.warn(
        f"The `{func.__module__}.{func.__name__}` function is not implemented by Dask array. You may want to use the "
        "da.map_blocks function or something similar to silence this warning. Your code may stop working in a future "
        "release.",
        FutureWarning,
        stacklevel=3,
    )
    args, kwargs = compute(args, kwargs)
    return func(*args, **kwargs)
