"""Exchange with Dask and with other kinds of blocks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import _graphs
from .._tasks import is_future
from ._blocks import register_concatenate
from ._chunks import is_unknown, starts
from ._core import Array, array_of
from ._expression import Parts

__all__ = [
    "assert_eq",
    "from_dask_array",
    "from_tiledb",
    "register_chunk_type",
    "to_backend",
    "to_dask_array",
    "to_dask_dataframe",
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

    nodes = lower([x._node])[x.name]
    graph = {
        # The value of a future: schedulers of Dask do not know futures of this package.
        key: (_result_of, value) if is_future(value) else value
        for key, value in _graphs.export_graph(nodes).items()
    }
    for index, node in zip(itertools.product(*[range(size) for size in x.numblocks]), nodes):
        key = (x.name, *index)
        graph[key] = node.key
    return dask_array.Array(graph, x.name, x.chunks, dtype=x.dtype, meta=x._meta)


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


def frame_of_block(block: Any, columns: Any, rows: Any = None) -> Any:
    """Return a block as a frame of pandas, or as a column.

    Parameters
    ----------
    block : array
        The block, with one or two axes.
    columns : list or str
        Names of the columns.
    rows : int or Index, optional
        The number of the first row, or the index.
    """
    import pandas as pd

    if isinstance(rows, int):
        rows = pd.RangeIndex(rows, rows + len(block))
    if rows is not None and len(rows) != len(block):
        raise ValueError(f"a partition of the index has {len(rows)} rows, and the block of the array has {len(block)}")
    if block.dtype.names:
        return pd.DataFrame({name: block[name] for name in (columns or block.dtype.names)}, index=rows)
    if block.ndim == 1 and not isinstance(columns, (list, tuple)):
        return pd.Series(block, name=columns, index=rows)
    return pd.DataFrame(block, columns=columns, index=rows)


def to_dask_dataframe(x: Any, columns: Any = None, index: Any = None, meta: Any = None) -> Any:
    """Return the rows as a frame of :mod:`partita.dataframe`, or a column of an array with one axis.

    Parameters
    ----------
    x : Array
        An array with one or two axes.
    columns : list or str, optional
        Names of the columns; numbers by default.
    index : Index, optional
        The index, with as many partitions and rows as the array has blocks and rows. By default rows are numbered, in each
        block from 0 if the sizes of the blocks are unknown.
    meta : DataFrame or Series, optional
        Names and dtypes of the result.

    Examples
    --------
    >>> import partita.array as da
    >>> frame = da.ones((4, 2), chunks=2).to_dask_dataframe(columns=["a", "b"])
    >>> float(frame.a.sum().compute())
    4.0
    """
    from .. import dataframe
    from ..delayed import delayed

    if x.ndim not in (1, 2):
        raise ValueError(f"a frame has one or two dimensions, and the array has {x.ndim}")
    if columns is None and meta is not None:
        columns = list(meta.columns) if hasattr(meta, "columns") else meta.name
    if x.ndim == 2 and columns is None:
        columns = [str(at) for at in range(x.shape[1])]
    width = x.shape[1] if x.ndim == 2 else len(x.dtype.names or "1")
    if isinstance(columns, (list, tuple)) and len(columns) != width:
        raise ValueError(f"the array has {width} columns, and {len(columns)} names are given: {columns!r}")
    x = x.rechunk({1: -1}) if x.ndim == 2 else x
    blocks = x.to_delayed().ravel()
    rows: list[Any] = [None] * len(blocks)
    if index is not None:
        rows = list(index.to_delayed())
        if len(rows) != len(blocks):
            raise ValueError(f"the index has {len(rows)} partitions, and the array has {len(blocks)} blocks of rows")
    elif not is_unknown(x.chunks[0]):
        rows = [int(begin) for begin in starts(x.chunks[0])]
    make = delayed(frame_of_block, pure=True)
    parts = [make(one, columns, first) for one, first in zip(blocks, rows)]
    sample = frame_of_block(np.empty((0, x.shape[1]) if x.ndim == 2 else (0,), dtype=x.dtype), columns)
    if index is not None:
        known = index.head(0) if hasattr(index, "head") else index._meta
        sample.index = getattr(known, "index", known)[:0]
    found = dataframe.from_delayed(parts, meta=sample)
    return found if meta is None else found.astype(meta.dtypes.to_dict() if hasattr(meta, "columns") else meta.dtype)


def values_of_part(part: Any, size: Any) -> Any:
    """Return the values of a partition, which has a number of rows if it is not None."""
    if size is not None and len(part) != size:
        raise ValueError(f"a partition has {len(part)} rows, and lengths= says {size}; use lengths=True")
    return part.to_numpy()


def from_frame(frame: Any, lengths: Any = None, like: Any = None) -> Any:
    """Return the values of a frame or a column as an array, whose partitions are persisted.

    Parameters
    ----------
    frame : DataFrame or Series
        The frame.
    lengths : bool or list of int, optional
        The numbers of rows of the partitions. They are unknown by default; True computes them.
    like : array, optional
        An array with the dtype of the result.
    """
    from ..delayed import delayed
    from ._delayed import from_delayed
    from ._joining import concatenate

    meta = frame.head(0) if hasattr(frame, "head") else frame._meta
    sample = meta.to_numpy()
    extra = sample.shape[1:]
    given = frame.to_delayed()
    is_known = isinstance(lengths, (list, tuple))
    known = list(lengths) if is_known else [np.nan] * len(given)
    if len(known) != len(given):
        raise ValueError(f"lengths has {len(known)} numbers, and the frame has {len(given)} partitions")
    make = delayed(values_of_part, pure=True)
    parts = [make(one, int(size) if is_known else None) for one, size in zip(given, known)]
    wanted = sample.dtype if like is None else like.dtype
    blocks = [from_delayed(one, (size, *extra), dtype=sample.dtype).astype(wanted) for one, size in zip(parts, known)]
    found = concatenate(blocks, allow_unknown_chunksizes=True)
    return found.compute_chunk_sizes() if lengths is True else found


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
