"""Exchange with Dask and with other kinds of blocks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import _graphs
from .._tasks import is_future
from ._blocks import register_concatenate
from ._core import Array, array_of
from ._expression import Parts

__all__ = [
    "assert_eq",
    "from_dask_array",
    "from_tiledb",
    "register_chunk_type",
    "to_backend",
    "to_dask_array",
    "to_tiledb",
]


def from_dask_array(x: Any) -> Any:
    """Return an array of this package with the blocks of one of Dask.

    Parameters
    ----------
    x : dask.array.Array
        The array.
    """
    if isinstance(x, Array):
        return x
    keys = [(x.name, *index) for index in itertools.product(*[range(len(sizes)) for sizes in x.chunks])]
    graph = x.__dask_graph__()
    tasks = _graphs.import_graph(graph, keys)
    return array_of(Parts(x.name, tuple(tuple(one) for one in x.chunks), x._meta, [tasks[key] for key in keys]))


def _result_of(value: Any) -> Any:
    return value.result() if is_future(value) else value


def to_dask_array(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return an array of Dask with the blocks of one of this package. This requires the package ``dask``.

    Parameters
    ----------
    x : Array
        The array.
    """
    import importlib

    dask_array: Any = importlib.import_module("dask.array")

    from ._lowering import lower

    name = x._node.name
    nodes = lower([x._node])[name]
    graph = {
        # The value of a future: schedulers of Dask do not know futures of this package.
        key: (_result_of, value) if is_future(value) else value
        for key, value in _graphs.export_graph(nodes).items()
    }
    for index, node in zip(itertools.product(*[range(size) for size in x.numblocks]), nodes):
        key = (name, *index)
        graph[key] = node.key
    return dask_array.Array(graph, name, x.chunks, dtype=x.dtype, meta=x._meta)


def to_backend(x: Any, backend: str | None = None, **kwargs: Any) -> Any:
    """Return the array: blocks are arrays of NumPy.

    Parameters
    ----------
    x : Array
        The array.
    backend : str, optional
        Only ``"numpy"``.
    """
    if backend not in (None, "numpy"):
        raise NotImplementedError(
            f"to_backend() does not support {backend!r}: blocks are arrays of NumPy; use map_blocks"
        )
    return x


def from_tiledb(uri: Any, *args: Any, **kwargs: Any) -> Any:
    """Read an array of TileDB: not supported."""
    raise NotImplementedError(
        "from_tiledb() is not supported; open the array with tiledb and use from_array, or use zarr"
    )


def to_tiledb(x: Any, uri: Any, *args: Any, **kwargs: Any) -> Any:
    """Write an array of TileDB: not supported."""
    raise NotImplementedError("to_tiledb() is not supported; use to_zarr")


def register_chunk_type(kind: type) -> None:
    """Accept another type of blocks, which has NumPy's protocols.

    Parameters
    ----------
    kind : type
        The type.
    """
    if not isinstance(kind, type):
        raise TypeError(f"register_chunk_type() needs a type, not {kind!r}")
    register_concatenate(kind, np.concatenate)


def assert_eq(
    a: Any, b: Any, check_shape: bool = True, check_dtype: bool = True, equal_nan: bool = True, **kwargs: Any
) -> bool:
    """Raise an error if two arrays differ.

    Parameters
    ----------
    a, b : array
        The arrays, which are computed.
    check_shape, check_dtype : bool
        Whether shapes and dtypes are compared.
    equal_nan : bool
        Whether NaN are equal.
    **kwargs
        Tolerances of ``numpy.testing.assert_allclose``.
    """
    first = np.asanyarray(a.compute() if isinstance(a, Array) else a)
    second = np.asanyarray(b.compute() if isinstance(b, Array) else b)
    if check_shape and first.shape != second.shape:
        raise AssertionError(f"shapes differ: {first.shape} and {second.shape}")
    if check_dtype and first.dtype != second.dtype:
        raise AssertionError(f"dtypes differ: {first.dtype} and {second.dtype}")
    known = {name: value for name, value in kwargs.items() if name in ("rtol", "atol")}
    if first.dtype.kind in "fciub" and second.dtype.kind in "fciub":
        np.testing.assert_allclose(first, second, equal_nan=equal_nan, **{"rtol": 1e-5, "atol": 1e-8, **known})
    else:
        np.testing.assert_array_equal(first, second)
    return True
