"""Functions of users along axes, and reductions of groups of items."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .._collection import unpack
from ..utils import funcname
from ._axis_maps import At, Axis, Read
from ._chunks import is_unknown
from ._core import array_of, make_meta
from ._elementwise import as_array
from ._expression import Node
from ._shape import normalize_axes, normalize_axis

__all__ = ["along_axis_block", "apply_along_axis", "apply_over_axes", "coarsen", "coarsen_block"]


def along_axis_block(block: Any, args: Any, kwargs: dict[str, Any], function: Callable[..., Any], axis: int) -> Any:
    """Apply a function to all rows along an axis of a block."""
    return np.apply_along_axis(function, axis, block, *args, **kwargs)


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, dtype: Any = None, shape: Any = None, **kwargs: Any
) -> Any:
    """Apply a function to all rows along an axis, which becomes one chunk, as ``numpy.apply_along_axis``.

    Parameters
    ----------
    func1d : callable
        Called with an array with one axis.
    axis : int
        The axis.
    arr : array
        The array.
    *args, **kwargs
        Further arguments of the function.
    dtype, shape : optional
        Dtype and shape of its result. By default it is called to find them.
    """
    arr = as_array(arr)
    axis = normalize_axis(axis, arr.ndim)
    if shape is None or dtype is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            size = 1 if is_unknown(arr.shape) else max(arr.shape[axis], 1)
            sample = np.asarray(func1d(np.ones((size,), dtype=arr.dtype), *args, **kwargs))
        shape = sample.shape if shape is None else shape
        dtype = sample.dtype if dtype is None else dtype
    arr = arr.rechunk({axis: -1})
    shape = tuple(shape)
    chunks = (*arr.chunks[:axis], *[(size,) for size in shape], *arr.chunks[axis + 1 :])
    maps: list[Any] = [
        At(0) if at == axis else Axis(at if at < axis else at - 1 + len(shape)) for at in range(arr.ndim)
    ]
    meta = np.empty((0,) * len(chunks), dtype=dtype)
    label = f"apply-along-axis-{funcname(func1d)}"
    node = Node(
        label,
        chunks,
        meta,
        along_axis_block,
        [Read(arr._node, maps)],
        # Further arguments may be arrays, which the function gets whole.
        values=(unpack(args), unpack(kwargs)),
        params={"function": func1d, "axis": axis},
        user=True,
    )
    return array_of(node)


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """Apply a function along several axes, one after another, as ``numpy.apply_over_axes``."""
    a = as_array(a)
    axes = normalize_axes(axes, a.ndim)
    found = a
    for axis in axes:
        one = func(found, axis)
        if one.ndim == found.ndim - 1:
            one = one[(slice(None),) * axis + (None,)]
        elif one.ndim != found.ndim:
            raise ValueError("func must either preserve dimensionality of the input or reduce it by one.")
        found = one
    return found


def coarsen_block(block: Any, reduction: Callable[..., Any], factors: Any, kwargs: dict[str, Any]) -> Any:
    """Reduce groups of neighbouring items of a block."""
    sizes: list[int] = []
    for axis, size in enumerate(block.shape):
        factor = factors.get(axis, 1)
        sizes += [size // factor, factor]
    box = tuple([slice(0, size - size % factors.get(axis, 1)) for axis, size in enumerate(block.shape)])
    return reduction(block[box].reshape(sizes), axis=tuple(range(1, 2 * block.ndim, 2)), **kwargs)


def coarsen(
    reduction: Callable[..., Any], x: Any, axes: dict[int, int], trim_excess: bool = False, **kwargs: Any
) -> Any:
    """Reduce groups of neighbouring items.

    Parameters
    ----------
    reduction : callable
        A function such as ``numpy.sum``.
    x : array
        The array.
    axes : dict
        The number of items of a group for axes.
    trim_excess : bool
        Whether items at the end that fill no group are left out. Otherwise they are an error.
    **kwargs
        Further arguments of the function.
    """
    x = as_array(x)
    factors = {normalize_axis(axis, x.ndim): int(factor) for axis, factor in axes.items()}
    if builtins.any(factor < 1 for factor in factors.values()):
        raise ValueError(f"coarsening factors must be positive, not {axes}")
    if not trim_excess and builtins.any(x.shape[axis] % factor for axis, factor in factors.items()):
        raise ValueError(f"Coarsening factors {axes} do not align with array shape {x.shape}.")
    name = getattr(reduction, "__name__", "")
    if (getattr(reduction, "__module__", "") or "").startswith(("dask.", "partita.")):
        reduction = getattr(np, name)
    chunks = {}
    for axis, factor in factors.items():
        sizes = _aligned(x.chunks[axis], factor)
        if sizes != x.chunks[axis]:
            chunks[axis] = sizes
    x = x.rechunk(chunks) if chunks else x
    last = {axis: x.chunks[axis][-1] // factor for axis, factor in factors.items()}
    drop = [axis for axis, size in last.items() if not size and len(x.chunks[axis]) > 1]
    if drop:
        # The rest at the end fills no group.
        x = x[tuple([slice(0, x.shape[at] - x.chunks[at][-1]) if at in drop else slice(None) for at in range(x.ndim)])]
    found = tuple([tuple([size // factors.get(axis, 1) for size in sizes]) for axis, sizes in enumerate(x.chunks)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = reduction(np.ones((1,) * x.ndim, dtype=x.dtype), **kwargs)
    meta = make_meta(x._meta, np.asarray(sample).dtype, x.ndim)
    params = {"reduction": reduction, "factors": factors, "kwargs": kwargs}
    reads = [Read(x._node, [Axis(axis) for axis in range(x.ndim)])]
    from ._elementwise import _is_user

    return array_of(Node("coarsen", found, meta, coarsen_block, reads, params=params, user=_is_user(reduction)))


def _aligned(sizes: tuple[int, ...], factor: int) -> tuple[int, ...]:
    """Return near sizes that are multiples of a factor, and the rest at the end."""
    if builtins.all(size % factor == 0 for size in sizes):
        return sizes
    total = builtins.sum(sizes)
    ends: list[int] = []
    end = 0
    for size in sizes:
        end += size
        at = round(end / factor) * factor
        if at <= total - total % factor and (not ends or at > ends[-1]) and at > 0:
            ends.append(at)
    whole = total - total % factor
    if whole and (not ends or ends[-1] != whole):
        ends.append(whole)
    found = [end - begin for begin, end in zip([0, *ends], ends)]
    rest = total - whole
    return tuple([*found, rest] if rest else found)
