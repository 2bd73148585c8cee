"""Arrays from data that exists: NumPy's arrays, and whatever is sliced like one."""

from __future__ import annotations

import contextlib
import mmap
import os
import uuid
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._collection import is_collection, is_frame
from .._tokens import tokenize
from ..utils import SerializableLock
from ._blocks import is_block_type
from ._chunks import normalize_chunks, starts
from ._core import Array, array_of, make_meta
from ._expression import Constant, Node
from ._namespace import check_device

__all__ = ["asanyarray", "asarray", "from_array"]


class FileArray:
    """An array that is stored in a file, which each process opens itself."""

    def __init__(self, open_file: Callable[..., Any], args: tuple[Any, ...], array: Any = None, **known: Any) -> None:
        self._open = open_file
        self._args = args
        self._array = array
        # The shape, dtype and chunks, where they are asked for before the array is read.
        self.__dict__.update(known)

    def array(self) -> Any:
        """Return the array of the file."""
        if self._array is None:
            self._array = self._open(*self._args)
        return self._array

    def __getitem__(self, index: Any) -> Any:
        return self.array()[index]

    def __reduce__(self) -> Any:
        return FileArray, (self._open, self._args)

    def __dask_tokenize__(self) -> Any:
        path = os.fspath(self._args[0])
        with contextlib.suppress(OSError):
            status = os.stat(path)
            return "file", self._args, status.st_mtime_ns, status.st_size
        return "file", self._args, uuid.uuid4().hex


def _map_file(path: str, dtype: Any, offset: int, shape: tuple[int, ...], order: str) -> Any:
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order=order)  # type: ignore[call-overload]


def open_hdf5(path: str, name: str) -> Any:
    """Open a dataset of an HDF5 file for reading."""
    import h5py

    try:
        return h5py.File(path, "r")[name]
    except OSError as error:
        raise OSError(
            f"cannot read {path!r}: {error}; workers need the path of the file, and no process may have it open for writing"
        ) from error


def _file_array(x: Any) -> Any:
    """Return an array of a file such that it can be pickled, or the argument."""
    if (
        isinstance(x, np.memmap)
        and x.filename is not None
        and isinstance(x.base, mmap.mmap)
        and x.dtype.hasobject is False
    ):
        order = "C" if x.flags.c_contiguous else "F"
        return FileArray(_map_file, (os.fspath(x.filename), x.dtype, x.offset, x.shape, order), x)
    if type(x).__module__.startswith("h5py.") and type(x).__name__ == "Dataset":
        if x.file.mode != "r":
            # Other processes read what is in the file.
            x.file.flush()
        return FileArray(open_hdf5, (os.path.abspath(x.file.filename), x.name), x)
    return x


def get_block(*box: Any, source: Any, as_numpy: bool, lock: Any, getitem: Any) -> Any:
    """Read a block of a source."""
    if lock:
        lock.acquire()
    try:
        found = source[box] if getitem is None else getitem(source, box)
        # Some sources, such as variables of xarray, return others that are read later.
        is_array = is_block_type(type(found)) and not isinstance(found, np.matrix)
        return np.asarray(found) if as_numpy and not is_array else found
    finally:
        if lock:
            lock.release()


class HashedName(str):
    """A name that is a hash of the data: arrays of equal names are equal."""

    __slots__ = ()


def from_array(
    x: Any,
    chunks: Any = "auto",
    name: Any = None,
    lock: Any = False,
    asarray: bool | None = None,
    fancy: bool = True,
    getitem: Callable[..., Any] | None = None,
    meta: Any = None,
    inline_array: bool = False,
) -> Any:
    """Return an array over data that can be sliced like an array of NumPy.

    Parameters
    ----------
    x : array
        An object with ``shape``, ``dtype`` and slicing.
    chunks : int, tuple or str
        The chunks, as in :func:`normalize_chunks`.
    name : str or bool, optional
        Name of the array. By default it is a hash of the data; False stands for a random one.
    lock : bool or lock
        A lock that is held while a block is read. True creates one for each process.
    asarray : bool, optional
        Whether blocks are converted to NumPy's arrays. By default this is done for types without NumPy's protocol.
    fancy, inline_array : bool
        Accepted for compatibility with Dask; no effect.
    getitem : callable, optional
        Called with `x` and a tuple of slices to read a block.
    meta : array, optional
        An empty array of the type of the blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from_array(np.arange(6), chunks=4).chunks
    ((4, 2),)
    """
    if isinstance(x, Array):
        raise ValueError("Array is already a dask array. Use 'asarray' or 'rechunk' instead.")
    if type(x).__module__.partition(".")[0] == "xarray" and isinstance(getattr(x, "data", None), Array):
        return x.data
    if is_collection(x):
        warnings.warn(
            "Passing an object to dask.array.from_array which is already a Dask collection. This can lead to unexpected "
            "behavior.",
            stacklevel=2,
        )
    if isinstance(x, (list, tuple, memoryview, bool, int, float, complex, str, bytes, np.generic)):
        x = np.array(x)
    if asarray is None:
        asarray = not hasattr(x, "__array_function__")
    previous = getattr(x, "chunks", None)
    if chunks == "auto" and getattr(x, "shards", None) is not None:
        previous = x.shards
    found = normalize_chunks(chunks, x.shape, dtype=x.dtype, previous_chunks=previous)
    if lock is True:
        lock = SerializableLock()
    source = _file_array(x)
    is_numpy = type(x) in (np.ndarray, np.ma.MaskedArray) and not lock
    given = name if isinstance(name, str) and not isinstance(name, HashedName) else None
    if isinstance(name, HashedName):
        name = str(name)
    elif name is None or name is True:
        name = f"array-{tokenize(source, found, lock, asarray, getitem, str(type(meta)))}"
    else:
        # A name saves the time of a hash of the data; other data may have the same name.
        name = f"{given or 'array'}-{uuid.uuid4().hex}"
    if is_numpy:
        # Later changes of the data must not change the array.
        return array_of(
            Constant("array", found, make_meta(x if meta is None else meta, x.dtype, x.ndim), x.copy(), name, given)
        )
    if source is x and hasattr(x, "__array_function__") and isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
        source = x.copy()
    tables = [
        (axis, [slice(begin, begin + size) for begin, size in zip(starts(sizes), sizes)])
        for axis, sizes in enumerate(found)
    ]
    dtype = getattr(x, "dtype", None)
    made = _meta_of(x, meta, dtype, len(found), asarray)
    params = {"source": source, "as_numpy": bool(asarray), "lock": lock or None, "getitem": getitem}
    return array_of(Node("array", found, made, get_block, tables=tables, params=params, name=name, given=given))


def _meta_of(x: Any, meta: Any, dtype: Any, ndim: int, as_numpy: bool) -> Any:
    if meta is not None:
        return make_meta(meta, dtype, ndim)
    kind = type(x)
    if kind.__module__.partition(".")[0] not in ("scipy", "sparse", "numpy", "cupy") and not hasattr(
        x, "__array_function__"
    ):
        return np.empty((0,) * ndim, dtype=dtype)
    with contextlib.suppress(Exception):
        return make_meta(x[(slice(0, 0),) * ndim], dtype, ndim)
    return np.empty((0,) * ndim, dtype=dtype)


def _with_dtype(x: Any, dtype: Any) -> Any:
    return x if dtype is None else x.astype(dtype)


def _convert(a: Any, dtype: Any, order: Any, like: Any, convert: Callable[..., Any], **kwargs: Any) -> Any:
    if like is not None:
        if isinstance(a, Array):
            return _with_dtype(a, dtype)
        model = like._meta if isinstance(like, Array) else like
        a = (
            convert(a, dtype=dtype, order=order)
            if type(model) is np.ndarray
            else convert(a, dtype=dtype, order=order, like=model)
        )
    elif isinstance(a, Array):
        return _with_dtype(a, dtype)
    elif hasattr(a, "to_dask_array"):
        return _with_dtype(a.to_dask_array(), dtype)
    elif is_frame(a) and hasattr(a, "to_delayed"):
        from ._frames import from_frame

        return _with_dtype(from_frame(a), dtype)
    elif type(a).__module__.partition(".")[0] == "xarray" and hasattr(a, "data"):
        return _with_dtype(_convert(a.data, None, order, None, convert, **kwargs), dtype)
    elif type(a).__module__.startswith("dask.array") and hasattr(a, "__dask_graph__"):
        from ._interchange import from_dask_array

        return _with_dtype(from_dask_array(a), dtype)
    elif isinstance(a, (list, tuple)) and any(isinstance(one, Array) for one in a):
        from ._joining import stack

        return _with_dtype(stack(a, allow_unknown_chunksizes=kwargs.pop("unknown", False)), dtype)
    elif not isinstance(getattr(a, "shape", None), Iterable):
        a = convert(a, dtype=dtype, order=order)
    kwargs.pop("unknown", None)
    return _with_dtype(from_array(a, **kwargs), dtype)


def asarray(
    a: Any,
    allow_unknown_chunksizes: bool = False,
    dtype: Any = None,
    order: Any = None,
    *,
    like: Any = None,
    device: Any = None,
    copy: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Return a value as an array.

    Parameters
    ----------
    a : array, list or number
        The value.
    allow_unknown_chunksizes : bool
        Whether arrays in a list may have unknown chunk sizes.
    dtype : dtype, optional
        Dtype of the result.
    order : str, optional
        Memory layout of the blocks.
    like : array, optional
        The result has blocks of the type of this array.
    device : str, optional
        Only ``"cpu"``.
    copy : bool, optional
        Whether the result is another array than `a`. False is an error unless `a` is an array of this package with the
        dtype: other data are copied, since later changes must not change the array.
    **kwargs
        Arguments of :func:`from_array`.

    Examples
    --------
    >>> asarray([1, 2, 3]).shape
    (3,)
    """
    check_device(device)
    found = _convert(a, dtype, order, like, np.asarray, unknown=allow_unknown_chunksizes, **kwargs)
    if copy is False and found is not a:
        raise ValueError("asarray(copy=False) cannot make an array without a copy of the data; omit copy=False")
    return found.copy() if copy and found is a else found


def asanyarray(a: Any, dtype: Any = None, order: Any = None, *, like: Any = None, inline_array: bool = False) -> Any:
    """Return a value as an array in one chunk, without a conversion of subclasses of NumPy's arrays.

    Parameters
    ----------
    a : array, list or number
        The value.
    dtype, order, like
        As in :func:`asarray`.
    inline_array : bool
        Accepted for compatibility with Dask; no effect.
    """
    if not isinstance(a, Array) and isinstance(getattr(a, "shape", None), tuple) and not is_collection(a):
        return _convert(a, dtype, order, like, np.asanyarray, chunks=a.shape, asarray=False)
    return _convert(a, dtype, order, like, np.asanyarray, asarray=False)
