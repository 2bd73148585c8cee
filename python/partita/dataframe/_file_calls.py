"""Files that functions of pandas read, each on the worker that runs the call, for formats and arguments that the workers' own readers lack."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .._client import current_client
from .._tasks import Task
from ..base import is_synchronous, run_nodes
from ._base import Plan
from ._meta import Meta, as_pandas
from ._pandas_metadata import absolute, data_files

__all__ = [
    "FileRange",
    "PandasReader",
    "are_compressed",
    "category_of_paths",
    "expand_paths",
    "file_ranges",
    "frame_of_files",
]

#: Files at most whose first rows show the types of the columns.
SAMPLED_MAX = 20
#: Rows of a file at most that show the types of its columns.
SAMPLE_ROWS = 1000
#: Largest integer up to which floats represent all integers.
EXACT_MAX = 2**53


class FileRange(NamedTuple):
    """The lines of a file that begin in a range of its bytes; the whole file if it has no end."""

    path: str
    start: int = 0
    end: int | None = None


def expand_paths(path: Any) -> list[str]:
    """Return the files of a path, a folder, a glob pattern, or a list of these.

    Raises
    ------
    FileNotFoundError
        If no file matches. The files must also be visible to this process.
    """
    found: list[str] = []
    given = path if isinstance(path, (list, tuple)) else [path]
    if not given:
        raise ValueError("cannot read files: the list of paths is empty")
    for one in given:
        name = absolute(one).removeprefix("file://")
        if os.path.isfile(name):
            files = [name]
        elif os.path.isdir(name):
            files = data_files(name)
        else:
            files = sorted(file for file in glob.glob(name) if os.path.isfile(file))
        if not files:
            raise FileNotFoundError(f"no file matches '{name}'")
        found += files
    return found


#: Extensions of compressed files and archives.
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".tar")


def are_compressed(paths: Sequence[str], compression: Any) -> bool:
    """Whether files are compressed, which `compression` says as in pandas: ``"infer"`` stands for their extensions."""
    if compression != "infer":
        return compression is not None
    return any(path.lower().endswith(_COMPRESSED) for path in paths)


def file_ranges(files: Sequence[str], blocksize: int | None) -> list[FileRange]:
    """Return ranges of files of at most this number of bytes; whole files without one."""
    if blocksize is None:
        return [FileRange(file) for file in files]
    found = []
    for file in files:
        size = os.path.getsize(file)
        starts = range(0, max(size, 1), blocksize)
        found += [FileRange(file, start, min(start + blocksize, size)) for start in starts]
    return found


def read_range(part: FileRange) -> bytes:
    """Return the lines of a file that begin in a range."""
    with open(part.path, "rb") as file:
        if part.start:
            file.seek(part.start - 1)
            # The rest of a line that begins before the range.
            file.readline()
        if part.end is None:
            return file.read()
        start = file.tell()
        if start >= part.end:
            return b""
        found = file.read(part.end - start)
        return found if found.endswith(b"\n") else found + file.readline()


def category_of_paths(files: Sequence[str]) -> pd.CategoricalDtype:
    """Return the type of a column of paths."""
    return pd.CategoricalDtype(list(dict.fromkeys(files)))


class PandasReader:
    """The function that reads a file with a function of pandas.

    Parameters
    ----------
    read : callable
        Takes a path, or a file object of the lines of a range, and keyword arguments. Returns a frame or series of pandas.
    arguments : dict
        The keyword arguments.
    limit : dict, optional
        Further keyword arguments for which only the first rows are read.
    path_column : str, optional
        Name of a column with the path.
    paths : pandas.CategoricalDtype, optional
        Type of this column.
    convert_path : callable, optional
        Converts paths.
    """

    def __init__(
        self,
        read: Callable[..., Any],
        arguments: dict[str, Any],
        limit: dict[str, Any] | None = None,
        path_column: str | None = None,
        paths: pd.CategoricalDtype | None = None,
        convert_path: Callable[[str], Any] | None = None,
    ) -> None:
        self.read = read
        self.arguments = arguments
        self.limit = limit
        self.path_column = path_column
        self.paths = paths
        self.convert_path = convert_path
        self.__name__ = getattr(read, "__name__", "read_file")

    def __call__(self, part: FileRange) -> Any:
        return self._with_path(self.read(self._source(part), **self.arguments), part)

    def sample(self, part: FileRange) -> Any:
        """Read the first rows."""
        return self._with_path(self.read(self._source(part), **{**self.arguments, **(self.limit or {})}), part)

    def _source(self, part: FileRange) -> Any:
        import io

        return part.path if part.end is None else io.BytesIO(read_range(part))

    def _with_path(self, frame: Any, part: FileRange) -> Any:
        if self.path_column is None:
            return frame
        if self.path_column in frame.columns:
            raise ValueError(
                f"Files already contain the column name: {self.path_column!r}, so the path cannot have this name; use "
                "another one with include_path_column="
            )
        path = part.path if self.convert_path is None else self.convert_path(part.path)
        return frame.assign(**{self.path_column: pd.Categorical([path] * len(frame), dtype=self.paths)})


class _Sample:
    """The function that returns the columns and types of the first rows of a file."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.__name__ = "sample"

    def __call__(self, part: Any) -> Any:
        # Without a row, a column of a text file has no type, and a column of objects has none at all.
        return as_pandas(self.reader.sample(part), "sample").head(1)


class _Fitted:
    """The function that reads a part, with integers as floats where other parts have floats."""

    def __init__(self, reader: Any, empty: Any) -> None:
        self.reader = reader
        self.floats = frozenset(label for label, kind in empty.dtypes.items() if kind == "float64") if isinstance(empty, pd.DataFrame) else frozenset()  # fmt: skip
        self.__name__ = reader.__name__

    def __call__(self, part: Any) -> Any:
        found = self.reader(part)
        if not isinstance(found, pd.DataFrame):
            return found
        wrong = [label for label, kind in found.dtypes.items() if label in self.floats and kind.kind in "iu"]
        exact = {label: "float64" for label in wrong if not len(found) or int(np.abs(found[label]).max()) <= EXACT_MAX}
        return found.astype(exact) if exact else found


def frame_of_files(reader: Any, parts: Sequence[Any], meta: Any = None, divisions: Any = None) -> Any:
    """Return the frame whose partitions a function reads.

    Parameters
    ----------
    reader : callable
        Takes a part. Its method ``sample`` reads the first rows of one.
    parts : sequence
        What each partition is read from.
    meta : DataFrame or Series, optional
        The columns and types. By default the first rows of some parts are read for them, on the workers.
    divisions : tuple, optional
        The divisions.
    """
    from ._partition_functions import from_map

    if meta is None:
        chosen = [parts[at] for at in sorted({int(at) for at in np.linspace(0, len(parts) - 1, SAMPLED_MAX)})]
        tasks = [Task(_Sample(reader), (part,), None, "sample") for part in chosen]
        found = run_nodes(tasks, None if is_synchronous() else current_client())
        full = [one for one in found if len(one)] or found
        meta = pd.concat(full) if len(full) > 1 and _have_same_labels(full) else full[0]
    meta = meta._meta if isinstance(meta, Plan) else meta
    described = Meta(meta).empty if isinstance(meta, pd.DataFrame) else meta
    return from_map(_Fitted(reader, described), parts, meta=meta, divisions=divisions, label=reader.__name__)


def _have_same_labels(found: Sequence[Any]) -> bool:
    first = found[0]
    return isinstance(first, pd.DataFrame) and all(list(one.columns) == list(first.columns) for one in found)
