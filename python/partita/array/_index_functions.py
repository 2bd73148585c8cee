"""Indices of flattened arrays, and triangles."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from ._axis_maps import All, Axis, Read
from ._core import Array, array_of, check_known
from ._elementwise import as_array, elemwise
from ._expression import Node

__all__ = [
    "ravel_multi_index",
    "tri_mask_block",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
    "unravel_block",
    "unravel_index",
]


def unravel_block(block: Any, shape: Any, order: str) -> Any:
    """Return the indices of positions, in a first axis."""
    return np.stack(np.unravel_index(block, shape, order=order))  # type: ignore[call-overload]


def unravel_index(indices: Any, shape: Any, order: str = "C") -> Any:
    """Return the indices of positions in a flattened array, as ``numpy.unravel_index``."""
    if not (shape and as_array(indices).size):
        from ._creation import empty

        return tuple([empty((0,), dtype=np.intp, chunks=1) for _ in shape])
    x = as_array(indices)
    chunks = ((len(shape),), *x.chunks)
    meta = np.empty((0,) * len(chunks), dtype=np.intp)
    maps = [Axis(axis + 1) for axis in range(x.ndim)]
    params = {"shape": tuple(shape), "order": order}
    found = array_of(Node("unravel_index", chunks, meta, unravel_block, [Read(x._node, maps)], params=params))
    return tuple([found[at] for at in range(len(shape))])


class _Ravel:
    __name__ = "ravel_multi_index"

    def __init__(self, dims: Any, mode: Any, order: str) -> None:
        self.dims, self.mode, self.order = dims, mode, order

    def __call__(self, *indices: Any) -> Any:
        return np.ravel_multi_index(indices, self.dims, mode=self.mode, order=self.order)  # type: ignore[call-overload]

    def __dask_tokenize__(self) -> Any:
        return "ravel_multi_index", self.dims, self.mode, self.order


class _Rows:
    """A function of the rows of a block."""

    __name__ = "rows"

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, block: Any) -> Any:
        return self.function(*block)

    def __dask_tokenize__(self) -> Any:
        return "rows", self.function


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """Return positions in a flattened array from indices, as ``numpy.ravel_multi_index``."""
    if np.isscalar(dims):
        dims = (dims,)
    from .._collection import is_collection

    if is_collection(dims) or builtins.any(is_collection(one) for one in dims):
        raise NotImplementedError(f"Dask types are not supported in the `dims` argument: {dims!r}")
    if isinstance(multi_index, Array):
        if multi_index.dtype.kind not in "iu":
            raise TypeError("only int indices permitted")
        maps: list[Any] = [All(), *[Axis(axis) for axis in range(multi_index.ndim - 1)]]
        meta = np.empty((0,) * (multi_index.ndim - 1), dtype=np.intp)
        read = [Read(multi_index._node, maps, join=True)]
        call = _Ravel(tuple(dims), mode, order)
        return array_of(Node("ravel_multi_index", multi_index.chunks[1:], meta, _Rows(call), read))
    parts = list(multi_index)
    if builtins.any(np.asarray(one).dtype.kind not in "iu" for one in parts if not isinstance(one, Array)):
        raise TypeError("only int indices permitted")
    parts = [as_array(np.asarray(one) if not hasattr(one, "shape") else one) for one in parts]
    return elemwise(_Ravel(tuple(dims), mode, order), *parts, dtype=np.intp)


def tri_mask_block(block: Any, first: int, begin: int, k: int, lower: bool) -> Any:
    """Return a block with zeros above or below a diagonal."""
    rows, columns = block.shape[-2:]
    mask = np.tri(rows, columns, k=k + first - begin if lower else k - 1 + first - begin, dtype=bool)
    return np.where(mask if lower else ~mask, block, np.zeros(1, dtype=block.dtype))


def _triangle(m: Any, k: int, lower: bool) -> Any:
    from ._chunks import starts

    m = as_array(m)
    if m.ndim < 2:
        raise ValueError("input must be at least 2-d")
    check_known(m, "tril and triu")
    tables = [(m.ndim - 2, starts(m.chunks[-2])), (m.ndim - 1, starts(m.chunks[-1]))]
    reads = [Read(m._node, [Axis(axis) for axis in range(m.ndim)])]
    label = "tril" if lower else "triu"
    params = {"k": int(k), "lower": lower}
    return array_of(Node(label, m.chunks, m._meta, tri_mask_block, reads, tables=tables, params=params))


def tril(m: Any, k: int = 0) -> Any:
    """Return an array with zeros above a diagonal, as ``numpy.tril``."""
    return _triangle(m, k, True)


def triu(m: Any, k: int = 0) -> Any:
    """Return an array with zeros below a diagonal, as ``numpy.triu``."""
    return _triangle(m, k, False)


def tril_indices(n: int, k: int = 0, m: int | None = None, chunks: Any = "auto") -> Any:
    """Return the indices of the lower triangle of a matrix, as ``numpy.tril_indices``."""
    from ._sequences import tri
    from .routines import nonzero

    return nonzero(tri(n, m, k=k, dtype=bool, chunks=chunks))


def tril_indices_from(arr: Any, k: int = 0) -> Any:
    """Return the indices of the lower triangle of an array, as ``numpy.tril_indices_from``."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return tril_indices(arr.shape[-2], k=k, m=arr.shape[-1], chunks=arr.chunks)


def triu_indices(n: int, k: int = 0, m: int | None = None, chunks: Any = "auto") -> Any:
    """Return the indices of the upper triangle of a matrix, as ``numpy.triu_indices``."""
    from ._sequences import tri
    from .routines import nonzero

    return nonzero(~tri(n, m, k=k - 1, dtype=bool, chunks=chunks))


def triu_indices_from(arr: Any, k: int = 0) -> Any:
    """Return the indices of the upper triangle of an array, as ``numpy.triu_indices_from``."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return triu_indices(arr.shape[-2], k=k, m=arr.shape[-1], chunks=arr.chunks)
