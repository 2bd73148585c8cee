"""Elementwise functions: the ufuncs of NumPy, and functions like them."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils import funcname
from ._axis_maps import Axis, Read
from ._core import Array, array_of
from ._elementwise import align, as_array, broadcast_axes, elemwise, infer_dtype, is_scalar
from ._expression import Node

#: The ufuncs of NumPy that have one result.
_TEXT = """
absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_count bitwise_not bitwise_or
bitwise_xor cbrt ceil conj conjugate copysign cos cosh deg2rad degrees divide equal exp exp2 expm1 fabs float_power floor
floor_divide fmax fmin fmod gcd greater greater_equal heaviside hypot invert isfinite isinf isnan isnat lcm ldexp left_shift
less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor maximum minimum mod
multiply negative nextafter not_equal positive power rad2deg radians reciprocal remainder right_shift rint sign signbit sin
sinh spacing sqrt square subtract tan tanh true_divide trunc
"""
_NAMES = _TEXT.split()
#: Names of the array API standard.
_STANDARD = {
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "bitwise_invert": "invert",
    "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
    "pow": "power",
    "abs": "absolute",
}

__all__ = [
    *[name for name in _NAMES if hasattr(np, name)],
    *_STANDARD,
    "angle",
    "around",
    "clip",
    "divmod",
    "fix",
    "frexp",
    "frompyfunc",
    "i0",
    "imag",
    "iscomplex",
    "isneginf",
    "isposinf",
    "isreal",
    "modf",
    "nan_to_num",
    "real",
    "round",
    "sinc",
    "ufunc",
]

__array_functions__: dict[str, Any] = {}


class ufunc:
    """A ufunc of NumPy over arrays in chunks.

    Parameters
    ----------
    ufunc : numpy.ufunc
        The ufunc.
    """

    def __init__(self, ufunc: Any) -> None:
        if not isinstance(ufunc, np.ufunc):
            raise TypeError(f"must be an instance of `ufunc` or `da.ufunc`, got `{type(ufunc).__name__}`")
        self._ufunc = ufunc
        self.__name__ = ufunc.__name__
        self.__doc__ = f"The ufunc :func:`numpy.{ufunc.__name__}` over arrays in chunks."

    def __getattr__(self, key: str) -> Any:
        if key in ("nin", "nargs", "nout", "ntypes", "identity", "signature", "types"):
            return getattr(self._ufunc, key)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}")

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), "nin", "nargs", "nout", "ntypes", "identity", "signature", "types"]

    def __repr__(self) -> str:
        return repr(self._ufunc)

    def __reduce__(self) -> Any:
        return ufunc, (self._ufunc,)

    def __dask_tokenize__(self) -> Any:
        return self._ufunc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not builtins.any(isinstance(one, Array) for one in (*args, kwargs.get("where"))):
            return self._ufunc(*args, **kwargs)
        found = elemwise(self._ufunc, *args, **kwargs)
        if found is NotImplemented:
            kinds = ", ".join(type(one).__name__ for one in args)
            raise TypeError(f"Parameters of such types are not supported by {self.__name__}: {kinds}")
        return found

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        """Apply the ufunc to all pairs of items of two arrays, as ``numpy.ufunc.outer``."""
        if self.nin != 2:
            raise ValueError("outer product only supported for binary functions")
        if "out" in kwargs:
            raise ValueError("`out` kwarg not supported")
        if not isinstance(A, Array) and not isinstance(B, Array):
            return self._ufunc.outer(A, B, **kwargs)
        from ._from_array import asarray

        first, second = asarray(A), asarray(B)
        index = (Ellipsis, *[None] * second.ndim)
        return elemwise(self._ufunc, first[index], second, **kwargs)


def frompyfunc(func: Callable[..., Any], nin: int, nout: int) -> Any:
    """Return a ufunc of a function of scalars, as ``numpy.frompyfunc``. Results have the dtype object."""
    if nout > 1:
        raise NotImplementedError("frompyfunc with more than one output: use apply_gufunc")
    return _PythonUfunc(func, nin, nout)


class _PythonUfunc(ufunc):
    """A ufunc of a Python function, which is rebuilt where it is unpickled."""

    def __init__(self, func: Callable[..., Any], nin: int, nout: int) -> None:
        super().__init__(np.frompyfunc(func, nin, nout))
        self._parts = (func, nin, nout)
        self.__name__ = f"frompyfunc-{funcname(func)}"
        self._ufunc_call = _Vectorized(*self._parts)

    def __reduce__(self) -> Any:
        return _PythonUfunc, self._parts

    def __dask_tokenize__(self) -> Any:
        return self._parts

    def __repr__(self) -> str:
        return f"da.frompyfunc<{funcname(self._parts[0])}, {self._parts[1]}, {self._parts[2]}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not builtins.any(isinstance(one, Array) for one in args):
            return self._ufunc(*args, **kwargs)
        return elemwise(self._ufunc_call, *args, **kwargs)

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        """Apply the function to all pairs of items of two arrays."""
        if self.nin != 2:
            raise ValueError("outer product only supported for binary functions")
        if not isinstance(A, Array) and not isinstance(B, Array):
            return self._ufunc.outer(A, B, **kwargs)
        from ._from_array import asarray

        first, second = asarray(A), asarray(B)
        index = (Ellipsis, *[None] * second.ndim)
        return elemwise(self._ufunc_call, first[index], second, **kwargs)


class _Vectorized:
    """A function of scalars, applied to items of arrays."""

    def __init__(self, function: Callable[..., Any], nin: int, nout: int) -> None:
        self.function = function
        self.nin = nin
        self.nout = nout
        self.__name__ = funcname(function)

    def __call__(self, *args: Any) -> Any:
        return np.frompyfunc(self.function, self.nin, self.nout)(*args)

    def __dask_tokenize__(self) -> Any:
        return "frompyfunc", self.function, self.nin, self.nout


for _name in _NAMES:
    if hasattr(np, _name):
        globals()[_name] = ufunc(getattr(np, _name))
for _name, _other in _STANDARD.items():
    globals()[_name] = globals()[_other]


def _is_frame(x: Any) -> bool:
    """Whether a value is a lazy frame or column. Arrays convert to arrays of Dask by the same name."""
    return not isinstance(x, Array) and hasattr(x, "to_dask_array")


def _wrap(name: str, doc: str = "") -> Callable[..., Any]:
    """Return a function of NumPy, applied to the items of the first argument."""
    numpy_function = getattr(np, name)

    def function(x: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_frame(x):
            x = x.to_dask_array()
        if not isinstance(x, Array):
            return numpy_function(x, *args, **kwargs)
        return _map(name, numpy_function, x, args, kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc or f"The function :func:`numpy.{name}` over arrays in chunks."
    return function


def _map(label: str, numpy_function: Callable[..., Any], x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from ._blocks import Fill

    out = kwargs.pop("out", None)
    call: Any = Fill(numpy_function, (None, *[(one,) for one in args]), kwargs) if args or kwargs else numpy_function
    return elemwise(call, x, out=out)


angle = _wrap("angle")
i0 = _wrap("i0")
sinc = _wrap("sinc")
nan_to_num = _wrap("nan_to_num")
iscomplex = _wrap("iscomplex")
isreal = _wrap("isreal")
isneginf = _wrap("isneginf")
isposinf = _wrap("isposinf")
real = _wrap("real")
imag = _wrap("imag")


def fix(x: Any, out: Any = None) -> Any:
    """Round to the nearest integer towards zero, as ``numpy.fix``."""
    return elemwise(np.trunc, x, out=out) if isinstance(x, Array) else np.trunc(x)


def around(x: Any, decimals: int = 0, out: Any = None) -> Any:
    """Round to a number of decimals, as ``numpy.around``."""
    if not isinstance(x, Array):
        return np.round(x, decimals)
    return _map("around", np.round, x, (), {"decimals": decimals, "out": out})


round = around


def clip(a: Any, min: Any = None, max: Any = None, *, a_min: Any = None, a_max: Any = None, out: Any = None) -> Any:
    """Limit the items to a range, as ``numpy.clip``."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    if _is_frame(a) and out is None:
        # A lazy frame or column stays one.
        return a.clip(low, high)
    if not builtins.any(isinstance(one, Array) for one in (a, low, high)):
        return np.clip(a, low, high)
    return elemwise(np.clip, a, low, high, out=out)


# Two results.


def _item(results: Any, at: int) -> Any:
    return results[at]


def _two(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Return the two results of a ufunc."""
    from ._blocks import Fill

    out = kwargs.pop("out", None)
    if out is not None:
        raise NotImplementedError(f"{function.__name__}() does not support out=")
    if kwargs:
        raise TypeError(f"{function.__name__} does not take the following keyword arguments {sorted(kwargs)}")
    args = tuple([np.asarray(one) if isinstance(one, (list, tuple)) else one for one in args])
    arrays = [as_array(one) for one in args if not is_scalar(one)]
    template = tuple([(one,) if is_scalar(one) else None for one in args])
    chunks, arrays = align(arrays)
    reads = [Read(one._node, broadcast_axes(one, chunks)) for one in arrays]
    both = Node(function.__name__, chunks, np.empty((0,) * len(chunks), object), Fill(function, template), reads)
    found = []
    for at in range(2):
        dtype = infer_dtype(Fill(_ItemOf(function, at), template), arrays, {}, function.__name__)
        meta = np.empty((0,) * len(chunks), dtype=dtype)
        maps = [Axis(axis) for axis in range(len(chunks))]
        found.append(array_of(Node(function.__name__, chunks, meta, _item, [Read(both, maps)], params={"at": at})))
    return found[0], found[1]


class _ItemOf:
    def __init__(self, function: Callable[..., Any], at: int) -> None:
        self.function = function
        self.at = at

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)[self.at]


def frexp(x: Any, **kwargs: Any) -> Any:
    """Return mantissas and exponents, as ``numpy.frexp``."""
    return _two(np.frexp, (as_array(x),), kwargs)


def modf(x: Any, **kwargs: Any) -> Any:
    """Return fractional and integral parts, as ``numpy.modf``."""
    return _two(np.modf, (as_array(x),), kwargs)


def divmod(x: Any, y: Any, **kwargs: Any) -> Any:
    """Return quotients and remainders, as ``numpy.divmod``."""
    return _two(np.divmod, (as_array(x) if is_scalar(y) else x, y), kwargs)
