"""Methods and operators of arrays, each of which is a function of this package."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .._frame_inputs import is_single_value

__all__ = ["Methods"]


def _function(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"partita.array.{module}"), name)


def _delegate(module: str, name: str, doc: str = "") -> Callable[..., Any]:
    """Return a method that calls a function of a module, which is imported by the first call."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _function(module, name)(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc or f"As :func:`partita.array.{name}` of this array."
    return method


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any) -> Any:
        return _function("_elementwise", "elemwise")(function, self)

    return method


def _binary(function: Callable[..., Any], is_reversed: bool = False) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        if _is_superior(other):
            return NotImplemented
        elemwise = _function("_elementwise", "elemwise")
        return elemwise(function, other, self) if is_reversed else elemwise(function, self, other)

    return method


def _is_superior(other: Any) -> bool:
    """Whether the operator of another type has precedence: one that handles NumPy's ufuncs itself, such as of xarray."""
    kind = type(other)
    if (
        kind.__module__ in ("numpy", "builtins")
        or kind.__module__.startswith("dask.array.")
        or isinstance(other, (np.ndarray, np.generic, Methods))
        # Single values of frames become arrays without axes.
        or is_single_value(other)
    ):
        return False
    if not hasattr(kind, "__array_ufunc__"):
        return getattr(other, "__array_priority__", 0) > Methods.__array_priority__
    if kind.__array_ufunc__ is None:
        return True
    return not _function("_blocks", "is_block_type")(kind)


class Methods:
    """The methods of arrays."""

    __slots__ = ()
    __array_priority__ = 11

    # Elementwise.

    def astype(self, dtype: Any, **kwargs: Any) -> Any:
        """Cast the items to a dtype.

        Parameters
        ----------
        dtype : dtype
            The dtype.
        copy : bool
            Accepted for compatibility with NumPy; no effect.
        casting : str
            Which casts are allowed, as in NumPy.
        device : str, optional
            Only ``"cpu"``.
        """
        return _function("_elementwise", "astype")(self, dtype, **kwargs)

    def view(self, dtype: Any = None, order: str = "C") -> Any:
        """Interpret the bytes as another dtype. The size of the last axis changes with the size of the items.

        Parameters
        ----------
        dtype : dtype
            The dtype.
        order : str
            ``"C"`` changes the last axis, ``"F"`` the first one.
        """
        return _function("_elementwise", "view")(self, dtype, order)

    conj = _delegate("ufunc", "conj")
    clip = _delegate("ufunc", "clip")
    round = _delegate("ufunc", "around")

    @property
    def real(self) -> Any:
        """The real part."""
        return _function("ufunc", "real")(self)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return _function("ufunc", "imag")(self)

    # Blocks.

    map_blocks = _delegate("_map_blocks", "map_blocks_of")
    map_overlap = _delegate("overlap", "map_overlap_of")
    rechunk = _delegate("_rechunk", "rechunk")
    shuffle = _delegate("_shuffle", "shuffle")
    store = _delegate("_store", "store_array")
    to_zarr = _delegate("_zarr", "to_zarr")
    to_hdf5 = _delegate("_hdf5", "to_hdf5_array")
    to_dask_array = _delegate("_interchange", "to_dask_array")
    to_backend = _delegate("_interchange", "to_backend")
    to_tiledb = _delegate("_interchange", "to_tiledb")
    to_dask_dataframe = _delegate("_frames", "to_dask_dataframe")
    to_dataframe = _delegate("_frames", "to_dask_dataframe")
    _elemwise = _delegate("_elementwise", "elemwise")

    # Shape.

    def reshape(self, *shape: Any, merge_chunks: bool = True, limit: Any = None) -> Any:
        """Return the items in another shape.

        Parameters
        ----------
        *shape : int
            The shape. One size may be -1.
        merge_chunks : bool
            Whether blocks may become larger.
        limit : int or str, optional
            Maximum size of a block in bytes.
        """
        if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)):
            shape = tuple(shape[0])
        return _function("_reshape", "reshape")(self, shape, merge_chunks=merge_chunks, limit=limit)

    def transpose(self, *axes: Any) -> Any:
        """Return the array with its axes permuted, by default reversed.

        Parameters
        ----------
        *axes : int
            The axes in their new order.
        """
        chosen: Any = axes
        if not axes:
            chosen = None
        elif len(axes) == 1 and (axes[0] is None or not isinstance(axes[0], (int, np.integer))):
            chosen = axes[0]
        return _function("_shape", "transpose")(self, axes=chosen)

    ravel = _delegate("_reshape", "ravel")
    flatten = _delegate("_reshape", "ravel")
    squeeze = _delegate("_shape", "squeeze")
    swapaxes = _delegate("_shape", "swapaxes")
    repeat = _delegate("_repeats", "repeat")
    choose = _delegate("routines", "choose")
    nonzero = _delegate("routines", "nonzero")
    dot = _delegate("_products", "dot")

    @property
    def T(self) -> Any:
        """The array with its axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Any:
        """The array with its last two axes swapped."""
        if self.ndim < 2:  # type: ignore[attr-defined]
            raise ValueError("matrix transpose with ndim < 2 is undefined")
        return self.swapaxes(-1, -2)

    @property
    def A(self) -> Any:
        """The array itself."""
        return self

    # Reductions.

    sum = _delegate("reductions", "sum")
    prod = _delegate("reductions", "prod")
    mean = _delegate("reductions", "mean")
    std = _delegate("reductions", "std")
    var = _delegate("reductions", "var")
    moment = _delegate("reductions", "moment")
    min = _delegate("reductions", "min")
    max = _delegate("reductions", "max")
    any = _delegate("reductions", "any")
    all = _delegate("reductions", "all")
    argmin = _delegate("reductions", "argmin")
    argmax = _delegate("reductions", "argmax")
    cumsum = _delegate("reductions", "cumsum")
    cumprod = _delegate("reductions", "cumprod")
    topk = _delegate("reductions", "topk")
    argtopk = _delegate("reductions", "argtopk")
    trace = _delegate("reductions", "trace")

    # Operators.

    def __divmod__(self, other: Any) -> Any:
        return _function("ufunc", "divmod")(self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return _function("ufunc", "divmod")(other, self)

    def __matmul__(self, other: Any) -> Any:
        return NotImplemented if _is_superior(other) else _function("_products", "matmul")(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return NotImplemented if _is_superior(other) else _function("_products", "matmul")(other, self)


for _name in ("abs", "neg", "pos", "invert"):
    setattr(Methods, f"__{_name}__", _unary(getattr(operator, _name)))
for _name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "lshift", "rshift", "and", "or", "xor"):
    _operator = getattr(operator, _name if hasattr(operator, _name) else f"{_name}_")
    setattr(Methods, f"__{_name}__", _binary(_operator))
    setattr(Methods, f"__r{_name}__", _binary(_operator, is_reversed=True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Methods, f"__{_name}__", _binary(getattr(operator, _name)))
