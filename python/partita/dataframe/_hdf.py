"""Files of HDF5, which functions of pandas read and write on the workers."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
from pandas.api.types import is_object_dtype

from .._errors import trim_traceback
from .._tasks import Task
from ._file_calls import frame_of_files
from ._pandas_metadata import absolute
from ._writing_calls import ensure_folder, part_names, require_package, run_writers, writing_tasks

__all__ = ["read_hdf", "to_hdf"]

_FIXED = (
    "cannot read a part of the HDF5 object {key!r} in '{path}': it has the fixed format; write it with format='table', or read "
    "it whole with from_pandas(pd.read_hdf(..))"
)


class _Part(NamedTuple):
    """Rows of an object of a file."""

    path: str
    key: str
    start: int
    stop: int


@trim_traceback
def read_hdf(
    pattern: Any,
    key: str,
    start: int = 0,
    stop: int | None = None,
    columns: Any = None,
    chunksize: int = 1000000,
    sorted_index: bool = False,
    lock: Any = True,
    mode: str = "r",
) -> Any:
    """Read objects of HDF5 files, as pandas writes them with ``format="table"``. This requires the package ``tables``.

    The workers read them when the frame is first computed.

    Parameters
    ----------
    pattern : str or list of str
        A file, a glob pattern, or a list of files. All nodes must see the files.
    key : str
        The object in each file, or a glob pattern.
    start, stop : int, optional
        The rows of each object that are read.
    columns : list of str, optional
        Columns to read.
    chunksize : int
        Rows of a partition at most.
    sorted_index : bool
        Whether the rows are sorted by their index in this order, so that divisions are known.
    lock, mode
        Accepted for compatibility with Dask; no effect: files are only read.
    """
    if not isinstance(chunksize, int) or chunksize <= 0:
        raise ValueError(f"chunksize must be a positive integer, not {chunksize!r}")
    if start < 0 or (stop is not None and stop < start):
        raise ValueError(f"start and stop must be increasing and not negative, not {start!r} and {stop!r}")
    files = _files(pattern)
    require_package("tables", "tables", "read_hdf()")
    parts: list[_Part] = []
    labels: list[Any] = []
    sample: Any = None
    for path in files:
        with pd.HDFStore(path, mode="r") as store:
            for name in _keys(store, key):
                found = _parts(store, path, name, start, stop, chunksize)
                if sample is None:
                    sample = pd.read_hdf(store, name, start=0, stop=1, columns=columns)
                if sorted_index:
                    firsts = [pd.read_hdf(store, name, start=one.start, stop=one.start + 1).index[0] for one in found]
                    last = pd.read_hdf(store, name, start=found[-1].stop - 1, stop=found[-1].stop).index[0]
                    labels = [*labels[:-1], *firsts, last]
                parts += found
    if not parts:
        raise ValueError(f"no object {key!r} in the files that match {pattern!r}")
    kinds = [sample.dtype] if isinstance(sample, pd.Series) else list(sample.dtypes)
    meta = sample if any(map(is_object_dtype, kinds)) else sample.iloc[:0]
    return frame_of_files(_Reader(columns), parts, meta, tuple(labels) if sorted_index else None)


def _files(pattern: Any) -> list[str]:
    """Return the files of a pattern, or of a list of paths."""
    if not isinstance(pattern, (list, tuple)):
        name = absolute(pattern).removeprefix("file://")
        found = sorted(glob.glob(name)) or [name]
    else:
        found = [absolute(one).removeprefix("file://") for one in pattern]
        if not found:
            raise ValueError("cannot read files: the list of paths is empty")
    for path in found:
        if not os.path.exists(path):
            raise FileNotFoundError(f"no file matches '{path}'")
    return found


def _keys(store: Any, key: str) -> list[str]:
    """Return the objects of a file that a key or pattern names."""
    wanted = key if key.startswith("/") else f"/{key}"
    if not glob.has_magic(wanted):
        return [wanted]
    return sorted(fnmatch.filter(list(store), wanted))


def _parts(store: Any, path: str, key: str, start: int, stop: int | None, chunksize: int) -> list[_Part]:
    """Return the parts of an object."""
    storer = store.get_storer(key)
    if storer is None:
        raise KeyError(f"no object {key!r} in '{path}'")
    if not storer.is_table:
        raise TypeError(_FIXED.format(key=key, path=path))
    rows = int(storer.nrows)
    if stop is not None and stop > rows:
        raise ValueError(f"stop={stop} is above the number of rows of {key!r} in '{path}', which is {rows}")
    end = rows if stop is None else stop
    if start >= end:
        raise ValueError(f"start={start} is above or equal to the number of rows to read of {key!r}, which is {end}")
    return [_Part(path, key, at, min(at + chunksize, end)) for at in range(start, end, chunksize)]


class _Reader:
    """The function that reads a part."""

    def __init__(self, columns: Any) -> None:
        self.columns = columns
        self.__name__ = "read_hdf"

    def __call__(self, part: _Part) -> Any:
        return pd.read_hdf(part.path, part.key, mode="r", columns=self.columns, start=part.start, stop=part.stop)


@trim_traceback
def to_hdf(
    df: Any,
    path: Any,
    key: str,
    mode: str = "a",
    append: bool = False,
    name_function: Callable[[int], str] | None = None,
    compute: bool = True,
    lock: Any = None,
    scheduler: Any = None,
    dask_kwargs: Any = None,
    **arguments: Any,
) -> Any:
    """Write a frame or column to HDF5 files; see :meth:`DataFrame.to_hdf`."""
    require_package("tables", "tables", "to_hdf()")
    is_open = isinstance(path, pd.HDFStore)
    name = "" if is_open else os.fspath(path)
    if name.count("*") + key.count("*") > 1:
        raise ValueError(f"only one * is supported in the path and the key, not in {name!r} and {key!r}")
    if arguments.pop("format", "t") not in ("t", "table"):
        raise ValueError("to_hdf() supports only format='table', of which parts can be written and read")
    if is_open:
        return _write_to_store(df, path, key, append, name_function, compute, arguments)
    target = absolute(name).removeprefix("file://")
    has_files, has_keys = "*" in name, "*" in key
    shown: list[str] = []

    def make(count: int) -> Callable[[Any, int], str]:
        names = part_names(count, name_function) if has_files or has_keys else [""] * count
        shown.extend([name.replace("*", one) for one in names] if has_files else [name])
        return _Writer(target, key, mode, append, names, arguments)

    # A file has one writer at a time.
    tasks = writing_tasks(df, make, "to_hdf", serial=not has_files)
    if not compute:
        return run_writers(df._client, [Task(list, (tasks,), None, "to_hdf-finish")], False, single=True)
    run_writers(df._client, tasks if has_files else tasks[-1:], True)
    return shown


def _write_to_store(
    df: Any,
    store: pd.HDFStore,
    key: str,
    append: bool,
    name_function: Callable[[int], str] | None,
    compute: bool,
    arguments: dict[str, Any],
) -> list[str]:
    """Write partitions to a file that this process has opened, so that no worker can write to it."""
    if not compute:
        raise NotImplementedError("to_hdf(compute=False) takes the path of a file, not an open HDFStore")
    parts = df.to_delayed()
    for at, (part, one) in enumerate(zip(parts, part_names(len(parts), name_function))):
        appends = append or (at > 0 and "*" not in key)
        part.compute().to_hdf(store, key=key.replace("*", one), append=appends, format="table", **arguments)
    return [store.filename]


class _Writer:
    """The function that writes a partition."""

    def __init__(
        self, path: str, key: str, mode: str, append: bool, names: list[str], arguments: dict[str, Any]
    ) -> None:
        self.path = path
        self.key = key
        self.mode = mode
        self.append = append
        self.names = names
        self.arguments = arguments

    def __call__(self, part: Any, number: int) -> str:
        path, key = self.path.replace("*", self.names[number]), self.key.replace("*", self.names[number])
        ensure_folder(os.path.dirname(path))
        # Later partitions are added to what the first one has written.
        is_first = number == 0 or "*" in self.path
        appends = self.append or (number > 0 and "*" not in self.path and "*" not in self.key)
        mode = self.mode if is_first else "a"
        part.to_hdf(path, key=key, mode=mode, append=appends, format="table", **self.arguments)
        return path
