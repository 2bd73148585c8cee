"""Fourier transforms along axes of one chunk."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._axis_maps import Axis, Read
from ._core import array_of
from ._documentation import documentation_of
from ._elementwise import as_array
from ._expression import Node
from ._namespace import check_device
from ._shape import along

__all__ = [
    "fft",
    "fft2",
    "fft_wrap",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

_KINDS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")


def _sizes(kind: str, a: Any, s: Any, axes: Sequence[int]) -> list[int]:
    """Return the sizes of the transformed axes."""
    known = [a.shape[axis] for axis in axes] if s is None else list(s)
    if kind in ("rfft", "ihfft"):
        known[-1] = known[-1] // 2 + 1
    elif kind in ("irfft", "hfft") and s is None:
        known[-1] = 2 * (known[-1] - 1)
    return known


class Transform:
    """A Fourier transform of a block."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], dtype: Any) -> None:
        self.function = function
        self.args = args
        self.dtype = dtype
        self.__name__ = function.__name__

    def __call__(self, block: Any) -> Any:
        return self.function(block, *self.args)

    def __dask_tokenize__(self) -> Any:
        return "transform", f"{self.function.__module__}.{self.__name__}", self.args


def fft_wrap(
    fft_func: Callable[..., Any], kind: str | None = None, dtype: Any = None, allow_fftpack: bool = False
) -> Any:
    """Return a transform of arrays in chunks from one of NumPy or SciPy.

    Parameters
    ----------
    fft_func : callable
        The transform, such as ``scipy.fft.fftn``.
    kind : str, optional
        Which transform it is; by default that of its name.
    dtype : dtype, optional
        Dtype of the result.
    allow_fftpack : bool
        Whether functions of ``scipy.fftpack`` are accepted without a warning.
    """
    module = getattr(fft_func, "__module__", "") or ""
    is_old = module.startswith("scipy.fftpack")
    if is_old and not allow_fftpack:
        warnings.warn(
            f"Function {fft_func.__name__} from `scipy.fftpack` does not match NumPy's API and is considered legacy. Please use "
            "`scipy.fft` instead. To suppress this warning and allow usage, set `allow_fftpack=True`. Support for "
            "`scipy.fftpack` will be deprecated in future releases.",
            FutureWarning,
            stacklevel=2,
        )
    name = fft_func.__name__ if kind is None else kind
    base = name.rstrip("2n")
    if base not in _KINDS:
        raise ValueError(f"Given unknown `kind` {name}.")

    def transform(a: Any, s: Any, axes: Any, norm: Any) -> Any:
        a = as_array(a)
        if axes is None:
            if name.endswith("2"):
                axes = (-2, -1)
            elif name.endswith("n"):
                if s is not None:
                    warnings.warn(
                        "DeprecationWarning: `axes` should not be `None` if `s` is not `None` (Deprecated in NumPy 2.0)",
                        DeprecationWarning,
                        stacklevel=3,
                    )
                axes = tuple(range(a.ndim)) if s is None else tuple(range(len(s)))
            else:
                axes = (-1,)
        elif len(set(axes)) < len(axes):
            raise ValueError("Duplicate axes not allowed.")
        kept = dtype
        if kept is None:
            sample = np.ones((8,) * a.ndim, dtype=a.dtype)
            kept = fft_func(sample).dtype
        for axis in axes:
            if a.numblocks[axis] != 1:
                raise ValueError(
                    f"Dask array only supports taking an FFT along an axis that \nhas a single chunk. An FFT operation was tried "
                    f"on axis {axis} \nwhich has chunks {a.chunks[axis]}. To change the array's chunks use dask.Array.rechunk."
                )
        chunks = list(a.chunks)
        for axis, size in zip(axes, _sizes(base, a, s, axes)):
            chunks[axis] = (int(size),)
        if name.endswith("fft"):
            args: tuple[Any, ...] = (None if s is None else s[0], axes[0])
        else:
            args = (s, tuple(axes))
        if not is_old:
            args = (*args, norm)
        reads = [Read(a._node, [Axis(at) for at in range(a.ndim)])]
        meta = np.empty((0,) * a.ndim, dtype=kept)
        return array_of(Node(name, tuple(chunks), meta, Transform(fft_func, args, kept), reads))

    if name.endswith("fft"):

        def function(a: Any, n: int | None = None, axis: int | None = None, norm: Any = None) -> Any:
            return transform(a, None if n is None else (n,), None if axis is None else (axis,), norm)
    else:

        def function(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:  # type: ignore[misc]
            return transform(a, s, axes, norm)

    function.__name__ = function.__qualname__ = fft_func.__name__
    where = getattr(importlib.import_module(module), "__name__", module) if module else module
    function.__doc__ = (
        f"Wrapping of {where}.{fft_func.__name__}\n\nThe axis along which the transform is applied must have only one chunk. To "
        f"change the array's chunking use ``rechunk``.\n\nThe numpy.fft docstring follows below:\n\n{documentation_of(fft_func)}"
    )
    return function


fft = fft_wrap(np.fft.fft)
fft2 = fft_wrap(np.fft.fft2)
fftn = fft_wrap(np.fft.fftn)
ifft = fft_wrap(np.fft.ifft)
ifft2 = fft_wrap(np.fft.ifft2)
ifftn = fft_wrap(np.fft.ifftn)
rfft = fft_wrap(np.fft.rfft)
rfft2 = fft_wrap(np.fft.rfft2)
rfftn = fft_wrap(np.fft.rfftn)
irfft = fft_wrap(np.fft.irfft)
irfft2 = fft_wrap(np.fft.irfft2)
irfftn = fft_wrap(np.fft.irfftn)
hfft = fft_wrap(np.fft.hfft)
ihfft = fft_wrap(np.fft.ihfft)


def frequency_block(block: Any, n: int, d: float) -> Any:
    """Return the frequencies of numbers."""
    found = np.where(block >= (n + 1) // 2, block - n, block)
    return found / (n * d)


def fftfreq(n: int, d: float = 1.0, chunks: Any = "auto", *, dtype: Any = None, device: Any = None) -> Any:
    """Return the frequencies of a transform, as ``numpy.fft.fftfreq``."""
    from ._sequences import arange

    check_device(device)
    n, d = int(n), float(d)
    x = arange(n, dtype=float, chunks=chunks)
    node = Node("fftfreq", x.chunks, x._meta, frequency_block, [Read(x._node, [Axis(0)])], params={"n": n, "d": d})
    return array_of(node) if dtype is None else array_of(node).astype(dtype)


def rfftfreq(n: int, d: float = 1.0, chunks: Any = "auto", *, dtype: Any = None, device: Any = None) -> Any:
    """Return the frequencies of a real transform, as ``numpy.fft.rfftfreq``."""
    from ._sequences import arange

    check_device(device)
    n, d = int(n), float(d)
    found = arange(n // 2 + 1, dtype=float, chunks=chunks) / (n * d)
    return found if dtype is None else found.astype(dtype)


def _shift(x: Any, axes: Any, is_inverse: bool) -> Any:
    from ._joining import concatenate

    x = as_array(x)
    axes = range(x.ndim) if axes is None else axes if isinstance(axes, Sequence) else (axes,)
    found = x
    for axis in axes:
        axis %= x.ndim
        half = (x.shape[axis] + (0 if is_inverse else 1)) // 2
        found = concatenate([found[along(axis, slice(half, None))], found[along(axis, slice(None, half))]], axis=axis)
        if x.numblocks[axis] == 1:
            found = found.rechunk({axis: x.chunks[axis]})
    return found


def fftshift(x: Any, axes: Any = None) -> Any:
    """Move the zero frequency to the middle, as ``numpy.fft.fftshift``."""
    return _shift(x, axes, False)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """Move the zero frequency to the start, as ``numpy.fft.ifftshift``."""
    return _shift(x, axes, True)
