"""Arrays that are created without input."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from .._collection import is_collection, unpack
from ._chunks import is_unknown, normalize_chunks
from ._core import Array, array_of, make_meta
from ._expression import Node
from ._namespace import check_device

__all__ = [
    "empty",
    "empty_like",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def fill_block(*sizes: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return a new block."""
    return function(tuple(sizes), *args, **kwargs)


def fill_lazy(*sizes: Any, dtype: Any) -> Any:
    """Return a block filled with a value that another task computes, the last argument."""
    *shape, value = sizes
    return np.full(tuple(shape), value, dtype=dtype)


def size_tables(chunks: Any) -> list[tuple[int, Any]]:
    """Return the tables with the sizes of the blocks."""
    return list(enumerate(chunks))


def _shape(shape: Any) -> tuple[Any, ...]:
    if isinstance(shape, Array):
        shape = tuple(shape.compute())
    if isinstance(shape, (Integral, float, np.generic)) or (isinstance(shape, np.ndarray) and not shape.ndim):
        shape = (shape,)
    sizes = []
    for one in shape:
        size = one.compute() if is_collection(one) else one
        sizes.append(size if isinstance(size, float) else int(size))
    if any(size < 0 for size in sizes):
        raise ValueError("negative dimensions are not allowed")
    return tuple(sizes)


def _create(
    function: Callable[..., Any],
    shape: Any,
    dtype: Any,
    chunks: Any,
    name: Any,
    order: Any,
    meta: Any,
    args: tuple[Any, ...] = (),
    like: Any = None,
) -> Any:
    shape = _shape(shape)
    if dtype is None and meta is not None:
        dtype = getattr(meta, "dtype", None)
    kind = np.dtype(float if dtype is None else dtype)
    kind = function(0, *args, dtype=kind).dtype
    found = normalize_chunks("auto" if chunks is None else chunks, shape, dtype=kind)
    model = like._meta if isinstance(like, Array) else like
    if any(map(is_unknown, found)):
        raise ValueError(f"cannot create an array with unknown chunk sizes {found}")
    made = make_meta(meta if meta is not None else model, kind, len(found))
    kwargs: dict[str, Any] = {"dtype": kind, "order": order or "C"}
    if type(made) is not np.ndarray and not isinstance(made, np.ma.MaskedArray):
        kwargs = {"dtype": kind}
        function = _like_functions(made, function)
    node = Node(
        f"{function.__name__}_like",
        found,
        made,
        fill_block,
        tables=size_tables(found),
        params={"function": function, "args": args, "kwargs": kwargs},
        cheap=True,
        given=name if isinstance(name, str) else None,
    )
    return array_of(node)


def _like_functions(model: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of the library of an array."""
    import importlib

    module = importlib.import_module(type(model).__module__.partition(".")[0])
    return getattr(module, function.__name__, function)


def ones(
    shape: Any,
    dtype: Any = None,
    chunks: Any = "auto",
    name: Any = None,
    order: Any = None,
    meta: Any = None,
    like: Any = None,
    device: Any = None,
) -> Any:
    """Return an array of ones.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of the array.
    dtype : dtype, optional
        Dtype; float64 by default.
    chunks : int, tuple or str
        The chunks, as in :func:`normalize_chunks`.
    name : str, optional
        Name of the array.
    order : str, optional
        Memory layout of the blocks: ``"C"`` or ``"F"``.
    meta, like : array, optional
        An array of the type of the blocks.
    device : str, optional
        Only ``"cpu"``.

    Examples
    --------
    >>> ones((2, 3), chunks=2, dtype=int).compute()
    array([[1, 1, 1],
           [1, 1, 1]])
    """
    check_device(device)
    return _create(np.ones, shape, dtype, chunks, name, order, meta, like=like)


def zeros(
    shape: Any,
    dtype: Any = None,
    chunks: Any = "auto",
    name: Any = None,
    order: Any = None,
    meta: Any = None,
    like: Any = None,
    device: Any = None,
) -> Any:
    """Return an array of zeros, with the arguments of :func:`ones`."""
    check_device(device)
    return _create(np.zeros, shape, dtype, chunks, name, order, meta, like=like)


def empty(
    shape: Any,
    dtype: Any = None,
    chunks: Any = "auto",
    name: Any = None,
    order: Any = None,
    meta: Any = None,
    like: Any = None,
    device: Any = None,
) -> Any:
    """Return an array of undefined values, with the arguments of :func:`ones`."""
    check_device(device)
    return _create(np.empty, shape, dtype, chunks, name, order, meta, like=like)


def _check_scalar(fill_value: Any) -> None:
    if getattr(fill_value, "ndim", 0) != 0 or isinstance(fill_value, (list, tuple)):
        raise ValueError(f"fill_value must be scalar. Received {type(fill_value).__name__} instead.")


def full(
    shape: Any,
    fill_value: Any,
    dtype: Any = None,
    chunks: Any = "auto",
    name: Any = None,
    order: Any = None,
    meta: Any = None,
    like: Any = None,
    device: Any = None,
) -> Any:
    """Return an array of one value, with the arguments of :func:`ones`.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of the array.
    fill_value : scalar
        The value.
    dtype : dtype, optional
        Dtype; that of the value by default.
    """
    check_device(device)
    _check_scalar(fill_value)
    if is_collection(fill_value):
        if dtype is None:
            dtype = getattr(fill_value, "dtype", None)
        shape = _shape(shape)
        kind = np.dtype(float if dtype is None else dtype)
        found = normalize_chunks(chunks, shape, dtype=kind)
        meta = np.empty((0,) * len(found), dtype=kind)
        values = (unpack(fill_value),)
        user = not isinstance(fill_value, Array)
        return array_of(
            Node(
                "full",
                found,
                meta,
                fill_lazy,
                tables=size_tables(found),
                values=values,
                params={"dtype": kind},
                user=user,
            )
        )
    if dtype is None:
        dtype = getattr(fill_value, "dtype", None) or type(fill_value)
        dtype = np.asarray(fill_value).dtype if np.dtype(dtype).kind in "OUS" else dtype
    return _create(np.full, shape, dtype, chunks, name, order, meta, (fill_value,), like=like)


def _like(a: Any, shape: Any, chunks: Any, dtype: Any) -> tuple[Any, Any, Any]:
    if not isinstance(a, Array):
        from ._from_array import asarray

        a = asarray(a)
    if shape is None:
        shape = a.shape
        if chunks in (None, "auto"):
            chunks = a.chunks
    else:
        shape = _shape(shape)
        chunks = "auto" if chunks is None else chunks
    return a, shape, chunks


def _create_like(
    function: Callable[..., Any],
    fill: Callable[..., Any],
    a: Any,
    dtype: Any,
    order: Any,
    chunks: Any,
    name: Any,
    shape: Any,
) -> Any:
    a, sizes, found = _like(a, shape, chunks, dtype)
    dtype = a.dtype if dtype is None else np.dtype(dtype)
    if is_unknown(itertools.chain.from_iterable(normalize_chunks(found, sizes, dtype=dtype))):
        # The blocks of the other array have the sizes.
        return a.map_blocks(fill, dtype=dtype, meta=make_meta(a._meta, dtype, a.ndim))
    model = make_meta(a._meta, dtype, len(normalize_chunks(found, sizes, dtype=dtype)))
    meta = None if type(model) is np.ndarray else model
    order = order if order in ("C", "F") else None
    return _create(function, sizes, dtype, found, name, order, meta)


def ones_like(
    a: Any,
    dtype: Any = None,
    order: Any = "C",
    chunks: Any = None,
    name: Any = None,
    shape: Any = None,
    device: Any = None,
) -> Any:
    """Return an array of ones with the shape, chunks and dtype of another one.

    Parameters
    ----------
    a : array
        The other array.
    dtype, order, chunks, name, shape, device
        As in :func:`ones`; those of the other array by default.
    """
    check_device(device)
    return _create_like(np.ones, _OnesOf(dtype), a, dtype, order, chunks, name, shape)


def zeros_like(
    a: Any,
    dtype: Any = None,
    order: Any = "C",
    chunks: Any = None,
    name: Any = None,
    shape: Any = None,
    device: Any = None,
) -> Any:
    """Return an array of zeros with the shape, chunks and dtype of another one, with the arguments of :func:`ones_like`."""
    check_device(device)
    return _create_like(np.zeros, _ZerosOf(dtype), a, dtype, order, chunks, name, shape)


def empty_like(
    a: Any,
    dtype: Any = None,
    order: Any = "C",
    chunks: Any = None,
    name: Any = None,
    shape: Any = None,
    device: Any = None,
) -> Any:
    """Return an array of undefined values like another one, with the arguments of :func:`ones_like`."""
    check_device(device)
    return _create_like(np.empty, _ZerosOf(dtype), a, dtype, order, chunks, name, shape)


def full_like(
    a: Any,
    fill_value: Any,
    order: Any = "C",
    dtype: Any = None,
    chunks: Any = None,
    name: Any = None,
    shape: Any = None,
    device: Any = None,
) -> Any:
    """Return an array of one value like another one, with the arguments of :func:`ones_like`."""
    check_device(device)
    _check_scalar(fill_value)
    a, sizes, found = _like(a, shape, chunks, dtype)
    dtype = a.dtype if dtype is None else dtype
    if is_unknown(sizes):
        return a.map_blocks(_FullOf(dtype, fill_value), dtype=dtype)
    return full(sizes, fill_value, dtype=dtype, chunks=found, name=name)


class _OnesOf:
    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def __call__(self, block: Any) -> Any:
        return np.ones_like(block, dtype=self.dtype)


class _ZerosOf(_OnesOf):
    def __call__(self, block: Any) -> Any:
        return np.zeros_like(block, dtype=self.dtype)


class _FullOf(_OnesOf):
    def __init__(self, dtype: Any, value: Any) -> None:
        super().__init__(dtype)
        self.value = value

    def __call__(self, block: Any) -> Any:
        return np.full_like(block, self.value, dtype=self.dtype)


# Sequences.
