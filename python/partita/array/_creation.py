"""Arrays that are created without input."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from .._collection import is_collection, unpack
from ._axis_maps import At, Axis, Read
from ._chunks import is_unknown, normalize_chunks, starts
from ._core import Array, array_of, check_known, make_meta
from ._expression import Node

__all__ = [
    "arange",
    "diag",
    "diagonal",
    "empty",
    "empty_like",
    "eye",
    "fromfunction",
    "full",
    "full_like",
    "indices",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "repeat",
    "tile",
    "tri",
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
        name=name if isinstance(name, str) else None,
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

    Examples
    --------
    >>> ones((2, 3), chunks=2, dtype=int).compute()
    array([[1, 1, 1],
           [1, 1, 1]])
    """
    return _create(np.ones, shape, dtype, chunks, name, order, meta, like=like)


def zeros(
    shape: Any,
    dtype: Any = None,
    chunks: Any = "auto",
    name: Any = None,
    order: Any = None,
    meta: Any = None,
    like: Any = None,
) -> Any:
    """Return an array of zeros, with the arguments of :func:`ones`."""
    return _create(np.zeros, shape, dtype, chunks, name, order, meta, like=like)


def empty(
    shape: Any,
    dtype: Any = None,
    chunks: Any = "auto",
    name: Any = None,
    order: Any = None,
    meta: Any = None,
    like: Any = None,
) -> Any:
    """Return an array of undefined values, with the arguments of :func:`ones`."""
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
    a: Any, dtype: Any = None, order: Any = "C", chunks: Any = None, name: Any = None, shape: Any = None
) -> Any:
    """Return an array of ones with the shape, chunks and dtype of another one.

    Parameters
    ----------
    a : array
        The other array.
    dtype, order, chunks, name, shape
        As in :func:`ones`; those of the other array by default.
    """
    return _create_like(np.ones, _OnesOf(dtype), a, dtype, order, chunks, name, shape)


def zeros_like(
    a: Any, dtype: Any = None, order: Any = "C", chunks: Any = None, name: Any = None, shape: Any = None
) -> Any:
    """Return an array of zeros with the shape, chunks and dtype of another one, with the arguments of :func:`ones_like`."""
    return _create_like(np.zeros, _ZerosOf(dtype), a, dtype, order, chunks, name, shape)


def empty_like(
    a: Any, dtype: Any = None, order: Any = "C", chunks: Any = None, name: Any = None, shape: Any = None
) -> Any:
    """Return an array of undefined values like another one, with the arguments of :func:`ones_like`."""
    return _create_like(np.empty, _ZerosOf(dtype), a, dtype, order, chunks, name, shape)


def full_like(
    a: Any,
    fill_value: Any,
    order: Any = "C",
    dtype: Any = None,
    chunks: Any = None,
    name: Any = None,
    shape: Any = None,
) -> Any:
    """Return an array of one value like another one, with the arguments of :func:`ones_like`."""
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


def arange_block(begin: Any, size: Any, start: Any, step: Any, dtype: Any) -> Any:
    """Return a part of a sequence of numbers."""
    first = start + begin * step
    found = np.arange(first, start + (begin + size) * step, step, dtype=dtype)
    # With steps of floats the last item may be one too many.
    return found[:size]


def arange(
    start: Any = None, /, stop: Any = None, step: Any = 1, *, chunks: Any = "auto", like: Any = None, dtype: Any = None
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

    Examples
    --------
    >>> arange(2, 8, 2, chunks=2).compute()
    array([2, 4, 6])
    """
    if start is None and stop is None:
        raise TypeError("arange() requires stop to be specified.")
    if start is None:
        start = 0
    elif stop is None:
        start, stop = 0, start
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


def linspace_block(begin: Any, size: Any, start: Any, step: Any, dtype: Any) -> Any:
    """Return a part of evenly spaced numbers."""
    found = start + np.arange(begin, begin + size) * step
    return found.astype(dtype) if found.dtype != dtype else found


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    chunks: Any = "auto",
    dtype: Any = None,
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
    chunks, dtype
        As in :func:`ones`.

    Examples
    --------
    >>> linspace(0, 1, 3, chunks=2).compute()
    array([0. , 0.5, 1. ])
    """
    num = int(num)
    if dtype is None:
        dtype = np.linspace(0, 1, 1).dtype
    found = normalize_chunks(chunks, (num,), dtype=dtype)
    div = (num - 1) if endpoint else num
    if div == 0:
        div = 1
    step = float(stop - start) / div
    node = Node(
        "linspace",
        found,
        np.empty((0,), dtype=dtype),
        linspace_block,
        tables=[(0, starts(found[0])), (0, found[0])],
        params={"start": start, "step": step, "dtype": np.dtype(dtype)},
        cheap=True,
    )
    array = array_of(node)
    return (array, step) if retstep else array


def eye_block(first: Any, rows: Any, begin: Any, columns: Any, k: int, dtype: Any) -> Any:
    """Return a block of a matrix with ones on a diagonal."""
    return np.eye(rows, columns, k=k + first - begin, dtype=dtype)


def eye(N: int, chunks: Any = "auto", M: int | None = None, k: int = 0, dtype: Any = float) -> Any:
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
    """
    columns = N if M is None else M
    dtype = np.dtype(float if dtype is None else dtype)
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


def _repeat_block(block: Any, repeats: Any, axis: int) -> Any:
    return np.repeat(block, repeats, axis=axis)


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat the items of an array along an axis.

    Parameters
    ----------
    a : array
        The array.
    repeats : int
        How often.
    axis : int, optional
        The axis. It is needed unless the array has one axis.
    """
    from ._from_array import asarray

    a = asarray(a)
    if axis is None:
        if a.ndim != 1:
            raise NotImplementedError("Must supply an integer axis value: repeat() without axis= needs a 1-d array")
        axis = 0
    if not isinstance(repeats, Integral):
        raise NotImplementedError("Only integer valued repeats supported; use take() with the indices")
    if not -a.ndim <= axis < a.ndim:
        raise ValueError(f"axis(={axis}) out of bounds")
    axis %= a.ndim
    if repeats == 1:
        return a
    if repeats == 0:
        return a[(slice(None),) * axis + (slice(0, 0),)]
    # Blocks keep their size.
    largest = max(a.chunks[axis])
    wanted = max(largest // int(repeats), 1)
    parts: list[int] = []
    for size in a.chunks[axis]:
        count = max(-(-size // wanted), 1) if not is_unknown([size]) else 1
        parts += [len(one) for one in np.array_split(np.empty(size), count)] if count > 1 else [size]
    a = a.rechunk({axis: tuple(parts)}) if not is_unknown(a.chunks[axis]) else a
    chunks = list(a.chunks)
    chunks[axis] = tuple([size * int(repeats) for size in chunks[axis]])
    reads = [Read(a._node, [Axis(at) for at in range(a.ndim)])]
    params = {"repeats": int(repeats), "axis": axis}
    return array_of(Node("repeat", tuple(chunks), a._meta, _repeat_block, reads, params=params))


def tile(A: Any, reps: Any) -> Any:
    """Repeat an array along its axes.

    Parameters
    ----------
    A : array
        The array.
    reps : int or sequence of int
        How often along each axis.
    """
    from ._from_array import asarray
    from ._joining import concatenate

    counts: Sequence[int] = tuple(reps) if np.iterable(reps) else (reps,)
    if any(count < 0 for count in counts):
        raise ValueError("Negative `reps` are not allowed.")
    found = asarray(A)
    if found.ndim < len(counts):
        found = found[(None,) * (len(counts) - found.ndim)]
    counts = (1,) * (found.ndim - len(counts)) + tuple(counts)
    for axis, count in enumerate(counts):
        if count == 0:
            found = found[(slice(None),) * axis + (slice(0, 0),)]
        elif count > 1:
            found = concatenate([found] * count, axis=axis)
    return found
