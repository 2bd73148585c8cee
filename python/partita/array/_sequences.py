"""Sequences, grids and diagonals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._axis_maps import At, Axis, Read
from ._chunks import normalize_chunks, starts
from ._core import Array, array_of, check_known, make_meta
from ._creation import empty, size_tables
from ._expression import Node
from ._namespace import check_device

__all__ = [
    "arange",
    "arange_block",
    "diag",
    "diagonal",
    "eye",
    "eye_block",
    "fromfunction",
    "function_block",
    "indices",
    "linspace",
    "linspace_block",
    "meshgrid",
    "tri",
    "tri_block",
]


def arange_block(begin: Any, size: Any, start: Any, step: Any, dtype: Any) -> Any:
    """Return a part of a sequence of numbers."""
    first = start + begin * step
    found = np.arange(first, start + (begin + size) * step, step, dtype=dtype)
    # With steps of floats the last item may be one too many.
    return found[:size]


def arange(
    start: Any = None,
    /,
    stop: Any = None,
    step: Any = 1,
    *,
    chunks: Any = "auto",
    like: Any = None,
    dtype: Any = None,
    device: Any = None,
) -> Any:
    """Return evenly spaced numbers from `start` to `stop`, without the latter.

    Parameters
    ----------
    start, stop, step : number
        As in NumPy.
    chunks : int, tuple or str
        The chunks.
    like : array, optional
        An array of the type of the blocks.
    dtype : dtype, optional
        Dtype. By default it follows from the other arguments.
    device : str, optional
        Only ``"cpu"``.

    Examples
    --------
    >>> arange(2, 8, 2, chunks=2).compute()
    array([2, 4, 6])
    """
    check_device(device)
    if start is None and stop is None:
        raise TypeError("arange() requires stop to be specified.")
    if start is None:
        start = 0
    elif stop is None:
        start, stop = 0, start
    if any(isinstance(one, (np.datetime64, np.timedelta64)) for one in (start, stop, step)):
        from ._from_array import from_array

        # NumPy finds the unit of time; ranges of times are short.
        return from_array(np.arange(start, stop, step, dtype=dtype), chunks=chunks)
    if start != 0 and not np.isclose(start + step - start, step, atol=0):
        # Otherwise large starts and small steps would lose precision.
        return arange(0, stop - start, step, chunks=chunks, dtype=dtype, like=like) + start
    count = int(max(np.ceil((stop - start) / step), 0))
    if dtype is None:
        dtype = np.arange(type(start)(0), type(stop)(0), step).dtype
    dtype = np.dtype(dtype)
    found = normalize_chunks(chunks, (count,), dtype=dtype)
    model = like._meta if isinstance(like, Array) else like
    node = Node(
        "arange",
        found,
        make_meta(model, dtype, 1),
        arange_block,
        tables=[(0, starts(found[0])), (0, found[0])],
        params={"start": start, "step": step, "dtype": dtype},
        cheap=True,
    )
    return array_of(node)


def linspace_block(begin: Any, size: Any, start: Any, step: Any, dtype: Any, last: Any = None) -> Any:
    """Return a part of evenly spaced numbers. The last one is exact."""
    found = start + np.arange(begin, begin + size) * step
    if last is not None and begin <= last[0] < begin + size:
        found[last[0] - begin] = last[1]
    if np.issubdtype(dtype, np.integer):
        # As in NumPy: towards negative infinity.
        found = np.floor(found)
    return found.astype(dtype) if found.dtype != dtype else found


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    chunks: Any = "auto",
    dtype: Any = None,
    device: Any = None,
) -> Any:
    """Return `num` evenly spaced numbers from `start` to `stop`.

    Parameters
    ----------
    start, stop : number
        The first and the last number.
    num : int
        How many numbers.
    endpoint : bool
        Whether `stop` is the last one.
    retstep : bool
        Whether to return the step as well.
    chunks, dtype, device
        As in :func:`ones`.

    Examples
    --------
    >>> linspace(0, 1, 3, chunks=2).compute()
    array([0. , 0.5, 1. ])
    """
    check_device(device)
    num = int(num)
    if num < 0:
        raise ValueError(f"linspace() needs a number of items of 0 or more, not {num}")
    # The sizes of integers of NumPy do not limit differences.
    start, stop = np.asanyarray(start) * 1.0, np.asanyarray(stop) * 1.0
    if start.ndim or stop.ndim:
        raise NotImplementedError(
            "linspace() needs numbers as start and stop; use map_blocks(numpy.linspace) for arrays"
        )
    if dtype is None:
        dtype = np.result_type(start, stop, float(num))
    start, stop = start[()], stop[()]
    found = normalize_chunks(chunks, (num,), dtype=dtype)
    div = (num - 1) if endpoint else num
    if div == 0:
        div = 1
    step = (stop - start) / div
    node = Node(
        "linspace",
        found,
        np.empty((0,), dtype=dtype),
        linspace_block,
        tables=[(0, starts(found[0])), (0, found[0])],
        params={
            "start": start,
            "step": step,
            "dtype": np.dtype(dtype),
            "last": (num - 1, stop) if endpoint and num > 1 else None,
        },
        cheap=True,
    )
    array = array_of(node)
    return (array, step) if retstep else array


def eye_block(first: Any, rows: Any, begin: Any, columns: Any, k: int, dtype: Any) -> Any:
    """Return a block of a matrix with ones on a diagonal."""
    return np.eye(rows, columns, k=k + first - begin, dtype=dtype)


def eye(N: int, chunks: Any = "auto", M: int | None = None, k: int = 0, dtype: Any = float, device: Any = None) -> Any:
    """Return a matrix with ones on a diagonal and zeros elsewhere.

    Parameters
    ----------
    N : int
        Number of rows.
    chunks : int, tuple or str
        The chunks.
    M : int, optional
        Number of columns.
    k : int
        Index of the diagonal.
    dtype : dtype
        Dtype.
    device : str, optional
        Only ``"cpu"``.
    """
    check_device(device)
    columns = N if M is None else M
    dtype = np.dtype(float if dtype is None else dtype)
    chunks = "auto" if chunks is None else chunks
    if not isinstance(chunks, (int, str, np.integer)):
        raise ValueError("chunks must be an int or string")
    found = normalize_chunks(chunks, (int(N), int(columns)), dtype=dtype)
    return array_of(
        _diagonal_node("eye", found, np.empty((0, 0), dtype=dtype), eye_block, {"k": int(k), "dtype": dtype})
    )


def _diagonal_node(label: str, chunks: Any, meta: Any, function: Any, params: dict[str, Any]) -> Node:
    tables = [(0, starts(chunks[0])), (0, chunks[0]), (1, starts(chunks[1])), (1, chunks[1])]
    return Node(label, chunks, meta, function, tables=tables, params=params, cheap=True)


def tri_block(first: Any, rows: Any, begin: Any, columns: Any, k: int, dtype: Any) -> Any:
    """Return a block of a matrix with ones at and below a diagonal."""
    return np.tri(rows, columns, k=k + first - begin, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = float, chunks: Any = "auto", *, like: Any = None) -> Any:
    """Return a matrix with ones at and below a diagonal and zeros elsewhere, with the arguments of :func:`eye`."""
    columns = N if M is None else M
    dtype = np.dtype(float if dtype is None else dtype)
    found = normalize_chunks(chunks, (int(N), int(columns)), dtype=dtype)
    return array_of(
        _diagonal_node("tri", found, np.empty((0, 0), dtype=dtype), tri_block, {"k": int(k), "dtype": dtype})
    )


def _diag_matrix_block(values: Any, first: Any, rows: Any, begin: Any, columns: Any, k: int, dtype: Any) -> Any:
    found = np.zeros_like(values, shape=(rows, columns), dtype=dtype)
    # The item of the diagonal in row r is values[r - below], at column r + k.
    below, right = max(-k, 0), max(k, 0)
    low = max(first - below, begin - right, 0)
    high = min(first + rows - below, begin + columns - right, len(values))
    if low < high:
        at = np.arange(low, high)
        found[at + below - first, at + right - begin] = values[low:high]
    return found


def diag(v: Any, k: int = 0) -> Any:
    """Return the diagonal of a matrix, or a matrix with a diagonal.

    Parameters
    ----------
    v : array
        A matrix, whose diagonal is returned, or the values of the diagonal.
    k : int
        Index of the diagonal.

    Examples
    --------
    >>> diag(arange(2)).compute()
    array([[0, 0],
           [0, 1]])
    """
    if not isinstance(v, Array):
        from ._from_array import asarray

        if not isinstance(v, np.ndarray):
            raise TypeError(f"v must be a dask array or numpy array, got {type(v)}")
        v = asarray(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Array must be 1d or 2d only")
    check_known(v, "diag")
    pad = (abs(k),) if k else ()
    rows = (*v.chunks[0], *pad) if k >= 0 else (*pad, *v.chunks[0])
    columns = (*pad, *v.chunks[0]) if k >= 0 else (*v.chunks[0], *pad)
    one = v.rechunk(-1)
    chunks = (rows, columns)
    tables = [(0, starts(rows)), (0, rows), (1, starts(columns)), (1, columns)]
    meta = make_meta(v._meta, v.dtype, 2)
    params = {"k": int(k), "dtype": v.dtype}
    return array_of(Node("diag", chunks, meta, _diag_matrix_block, [Read(one._node, [At(0)])], tables, params=params))


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonal of two axes, which becomes the last axis.

    Parameters
    ----------
    a : array
        An array with at least two axes.
    offset : int
        Index of the diagonal.
    axis1, axis2 : int
        The axes.
    """
    from ._from_array import asarray
    from ._shape import transpose

    a = asarray(a)
    if a.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    first, second = _axis(axis1, a.ndim, "axis1"), _axis(axis2, a.ndim, "axis2")
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    check_known(a, "diagonal")
    rest = [axis for axis in range(a.ndim) if axis not in (first, second)]
    moved = transpose(a, [*rest, first, second])
    rows, columns = moved.shape[-2:]
    begin_row, begin_column = max(-offset, 0), max(offset, 0)
    length = min(rows - begin_row, columns - begin_column)
    if length <= 0:
        chunks = (*moved.chunks[:-2], (0,))
        return empty(tuple([sum(one) for one in chunks]), dtype=a.dtype, chunks=chunks)
    moved = moved[..., begin_row : begin_row + length, begin_column : begin_column + length]
    if moved.chunks[-1] != moved.chunks[-2]:
        moved = moved.rechunk({moved.ndim - 1: moved.chunks[-2]})
    # Square blocks: the diagonal is that of the blocks on the diagonal of the grid.
    keep = moved.ndim - 2
    axes = [*[Axis(axis) for axis in range(keep)], Axis(keep), Axis(keep)]
    chunks = (*moved.chunks[:-2], moved.chunks[-2])
    meta = make_meta(a._meta, a.dtype, keep + 1)
    return array_of(Node("diagonal", chunks, meta, _diagonal_block, [Read(moved._node, axes)]))


def _diagonal_block(block: Any) -> Any:
    return np.diagonal(block, axis1=-2, axis2=-1)


def _axis(axis: int, ndim: int, what: str) -> int:
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim, what)
    return axis % ndim


def indices(dimensions: Any, dtype: Any = int, chunks: Any = "auto") -> Any:
    """Return the indices of a grid, one array for each axis, stacked.

    Parameters
    ----------
    dimensions : sequence of int
        Shape of the grid.
    dtype : dtype
        Dtype.
    chunks : tuple or str
        The chunks.
    """
    from ._joining import stack

    dimensions, dtype = tuple(dimensions), np.dtype(dtype)
    chunks = normalize_chunks(chunks, dimensions, dtype=dtype)
    if len(dimensions) != len(chunks):
        raise ValueError("Need same number of chunks as dimensions.")
    grids = []
    if len(dimensions):
        sequences = [arange(size, dtype=dtype, chunks=(one,)) for size, one in zip(dimensions, chunks)]
        grids = meshgrid(*sequences, indexing="ij")
    return stack(grids) if grids else empty((0,), dtype=dtype, chunks=(1,))


def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy", **kwargs: Any) -> Any:
    """Return coordinate matrices from coordinate vectors, as ``numpy.meshgrid``."""
    from ._from_array import asarray
    from ._joining import broadcast_arrays

    if set(kwargs) - {"copy"}:
        raise TypeError(f"unsupported keyword argument(s) provided: {sorted(kwargs)}")
    if indexing not in ("ij", "xy"):
        raise ValueError("`indexing` must be `'ij'` or `'xy'`")
    arrays = [asarray(one) for one in xi]
    arrays = [one.flatten() for one in arrays]
    if indexing == "xy" and len(arrays) > 1:
        arrays[0], arrays[1] = arrays[1], arrays[0]
    found = [
        one[tuple([slice(None) if axis == at else None for axis in range(len(arrays))])]
        for at, one in enumerate(arrays)
    ]
    if not sparse:
        found = list(broadcast_arrays(*found))
    if indexing == "xy" and len(arrays) > 1:
        found[0], found[1] = found[1], found[0]
    return tuple(found) if isinstance(np.meshgrid([0], [0]), tuple) else found


def function_block(*args: Any, function: Callable[..., Any], kwargs: dict[str, Any], dtype: Any) -> Any:
    """Call a function with the indices of the items of a block."""
    count = len(args) // 2
    begins, sizes = args[:count], args[count:]
    grid = np.indices(sizes, dtype=dtype)
    return function(*[one + begin for one, begin in zip(grid, begins)], **kwargs)


def fromfunction(
    func: Callable[..., Any], chunks: Any = "auto", shape: Any = None, dtype: Any = None, **kwargs: Any
) -> Any:
    """Return the results of a function of the indices of the items.

    Parameters
    ----------
    func : callable
        Called with an array of indices for each axis.
    chunks : tuple or str
        The chunks.
    shape : tuple of int
        Shape of the array.
    dtype : dtype, optional
        Dtype of the indices and of the result.
    **kwargs
        Further arguments of the function.
    """
    dtype = np.dtype(float if dtype is None else dtype)
    found = normalize_chunks(chunks, shape, dtype=dtype)
    tables = [(axis, starts(sizes)) for axis, sizes in enumerate(found)] + size_tables(found)
    params = {"function": func, "kwargs": kwargs, "dtype": dtype}
    meta = np.empty((0,) * len(found), dtype=dtype)
    return array_of(Node("fromfunction", found, meta, function_block, tables=tables, params=params, user=True))
