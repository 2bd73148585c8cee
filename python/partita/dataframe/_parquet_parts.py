"""Parquet files that Python functions write, one for each partition.

The workers' own writer has fewer options, and does not write metadata of pandas into each file.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .._tasks import Task
from ._pandas_metadata import COMMON, absolute, data_files
from ._partitions import index_bounds
from ._writing_calls import run_writers, writing_tasks

__all__ = ["ParquetJob", "cast_rows", "file_names", "split_rows", "writer_options"]

#: Characters that Hive and Spark escape in the names of folders.
_ESCAPED = frozenset("\"#%'*/:=?\\{[]^")
#: What Hive and Spark call the folder of rows whose key is missing.
_MISSING_FOLDER = "__HIVE_DEFAULT_PARTITION__"
#: File with the footers of all files of a folder.
_FOOTERS = "_metadata"
#: Names of files, in which the number of the partition begins at the capture.
_NUMBERED = re.compile(r"part-(\d+)-\d+\.parquet$")


class ParquetJob(NamedTuple):
    """What is written, and where.

    Attributes
    ----------
    path : str
        The folder.
    schema : pyarrow.Schema
        The columns of the files, and of the folders, with the metadata of each file.
    folders : list of str
        The columns that become folders.
    options : dict
        Arguments of ``pyarrow.parquet.write_table``.
    append, overwrite : bool
        What happens to the files in the folder.
    writes_footers : bool
        Whether a file contains the footers of all files.
    name_function : callable, optional
        Returns the name of the file of a partition.
    """

    path: str
    schema: pa.Schema
    folders: list[str]
    options: dict[str, Any]
    append: bool = False
    overwrite: bool = False
    writes_footers: bool = False
    name_function: Callable[[int], Any] | None = None

    def run(self, frame: Any, compute: bool) -> Any:
        """Write the partitions of a frame, or return a delayed value that does."""
        staging = f"{self.path}.{uuid.uuid4().hex[:8]}"
        existing = data_files(self.path) if self.append else []
        if os.path.isdir(self.path) and os.listdir(self.path) and not (self.append or self.overwrite):
            raise FileExistsError(
                f"cannot write to '{self.path}': the folder is not empty; use overwrite=True, append=True or another folder"
            )

        def make(count: int) -> Callable[[pa.Table, int], None]:
            return _PartWriter(staging, self, file_names(count, self.name_function, existing))

        tasks = writing_tasks(frame, make, "to_parquet", takes_rows=True)
        last = Task(_Finish(staging, self), (tasks,), None, "to_parquet-finish")
        try:
            found = run_writers(frame._client, [last], compute, single=True)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        return found


def writer_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of the Parquet writer.

    Raises
    ------
    TypeError
        If one is unknown.
    """
    known = set(inspect.signature(pq.write_table).parameters) - {"table", "where", "filesystem"}
    for name in given:
        if name not in known:
            raise TypeError(f"to_parquet() does not support the argument {name!r}")
    return given


def file_names(count: int, name_function: Any, existing: Sequence[str] = ()) -> list[str]:
    """Return the names of the files of partitions.

    Parameters
    ----------
    count : int
        Number of partitions.
    name_function : callable, optional
        Returns the name of a file, given the number of the partition and that of the existing files before it.
    existing : sequence of str
        The files that are already in the folder.
    """
    if name_function is None:
        numbers = [int(found[1]) for found in map(_NUMBERED.search, existing) if found]
        start = max(numbers, default=len(existing) - 1) + 1
        return [f"part-{start + at:05}-0.parquet" for at in range(count)]
    if not callable(name_function):
        raise ValueError("``name_function`` must be a callable with one argument.")
    names = [name_function(len(existing) + at) for at in range(count)]
    for name in names:
        if not isinstance(name, str) or os.path.basename(name) != name or name.startswith((".", "_")):
            raise ValueError(f"name_function= must return names of files that do not begin with . or _, not {name!r}")
    taken = {os.path.basename(one) for one in existing}
    if len(set(names)) < len(names) or taken & set(names):
        raise ValueError("``name_function`` must produce unique filenames.")
    return names


class _PartWriter:
    """The function that writes a partition."""

    def __init__(self, staging: str, job: ParquetJob, names: list[str]) -> None:
        self.staging = staging
        self.path = job.path
        self.schema = job.schema
        self.folders = job.folders
        self.options = job.options
        self.names = names

    def __call__(self, rows: pa.Table, number: int) -> None:
        os.makedirs(self.staging, exist_ok=True)
        table = cast_rows(rows, self.schema, number, self.path)
        for folder, part in split_rows(table, self.folders):
            target = os.path.join(self.staging, folder)
            os.makedirs(target, exist_ok=True)
            pq.write_table(part, os.path.join(target, self.names[number]), **self.options)


def cast_rows(rows: pa.Table, schema: pa.Schema, number: int, path: str) -> pa.Table:
    """Return the rows of a partition with the columns of the files.

    Raises
    ------
    ValueError
        If values do not fit the types. The message names the partition and the path.
    """
    if not schema.names:
        rows = pa.table({})
    table = rows.rename_columns(schema.names)
    try:
        return table.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(
            f"cannot write partition {number} to '{path}': its values do not fit the types of schema=: {error}"
        ) from None


def split_rows(table: pa.Table, folders: list[str]) -> list[tuple[str, pa.Table]]:
    """Return the folders of the rows of a partition, and the rows of each without the columns of its name."""
    if not folders:
        return [("", table)]
    keys = table.select(folders)
    keys = pa.table([column.cast(pa.string()) for column in keys.columns], folders)
    codes = [pc.dictionary_encode(column, null_encoding="encode").combine_chunks() for column in keys.columns]
    code = codes[0].indices.cast(pa.int64()) if codes else None
    for one in codes[1:]:
        code = pc.add(pc.multiply(code, len(one.dictionary)), one.indices.cast(pa.int64()))
    rest = table.drop_columns(folders)
    found = []
    for value in pc.unique(code):
        at = pc.indices_nonzero(pc.equal(code, value))
        first = keys.take(at[:1])
        names = [_folder_name(name, first.column(name)[0].as_py()) for name in folders]
        found.append((os.path.join(*names), rest.take(at)))
    return found


def _folder_name(key: str, value: str | None) -> str:
    if value == _MISSING_FOLDER:
        raise ValueError(
            f"column {key!r} has the text {value}, which stands for a missing key in names of folders; replace it first"
        )
    return f"{_escape(key)}={_MISSING_FOLDER if value is None else _escape(value)}"


def _escape(text: str) -> str:
    return "".join([f"%{ord(one):02X}" if one in _ESCAPED or ord(one) < 32 or ord(one) == 127 else one for one in text])


class _Finish:
    """The function that moves the written files to their folder, after the last one."""

    def __init__(self, staging: str, job: ParquetJob) -> None:
        self.staging = staging
        self.path = job.path
        self.schema = job.schema
        self.name = file_names(1, job.name_function, data_files(job.path) if job.append else ())[0]
        self.replaces = job.overwrite
        self.writes_footers = job.writes_footers

    def __call__(self, written: list[Any]) -> None:
        os.makedirs(self.staging, exist_ok=True)
        if not data_files(self.staging):
            # Without rows no folder is written: a file with all columns.
            pq.write_table(self.schema.empty_table(), os.path.join(self.staging, self.name))
        if self.replaces and os.path.isdir(self.path):
            old = f"{self.staging}.old"
            os.rename(self.path, old)
            os.rename(self.staging, self.path)
            shutil.rmtree(old)
        else:
            self._move()
        if self.writes_footers or os.path.isfile(os.path.join(self.path, _FOOTERS)):
            write_footers(self.path)

    def _move(self) -> None:
        for folder, _, names in os.walk(self.staging):
            target = os.path.normpath(os.path.join(self.path, os.path.relpath(folder, self.staging)))
            os.makedirs(target, exist_ok=True)
            for name in names:
                os.replace(os.path.join(folder, name), os.path.join(target, name))
        shutil.rmtree(self.staging, ignore_errors=True)


def write_footers(path: str, files: Sequence[str] | None = None, folder: str | None = None) -> Any:
    """Write the footers of all files of a folder into ``_metadata``, and their schema into ``_common_metadata``.

    Return the footers as metadata of Parquet.
    """
    whole: Any = None
    for file in files or data_files(path):
        found = pq.read_metadata(file)
        found.set_file_path(os.path.relpath(file, path))
        if whole is None:
            whole = found
        else:
            whole.append_row_groups(found)
    if whole is not None and folder != "":
        target = folder or path
        whole.write_metadata_file(os.path.join(target, _FOOTERS))
        pq.write_metadata(whole.schema.to_arrow_schema(), os.path.join(target, COMMON))
    return whole


# Appending.


def check_append(frame: Any, job: ParquetJob, index: str | None, ignores_divisions: bool) -> bool:
    """Check that a frame fits the files of a folder. Return whether the folder has files.

    Raises
    ------
    ValueError
        If its columns or types are others, or its index labels are among those of the files.
    """
    files = data_files(job.path)
    if not files:
        return False
    known = pq.read_schema(files[0])
    fields = {field.name: field.type for field in job.schema if field.name not in job.folders}
    if known.names != list(fields):
        raise ValueError(
            f"Appended columns not the same: the files in '{job.path}' have {known.names}, and the frame has {list(fields)}"
        )
    others = [name for name in fields if not _is_alike(known.field(name).type, fields[name])]
    if others:
        pairs = "; ".join(f"{name}: {known.field(name).type} and {fields[name]}" for name in others)
        raise ValueError(f"Appended dtypes differ: the files in '{job.path}' and the frame have {pairs}; use astype")
    if not ignores_divisions and index is not None and frame.known_divisions:
        ranges = _label_ranges(files, index)
        first, _ = index_bounds(frame)
        if ranges and first is not None and _is_below(first, ranges[-1][1]):
            raise ValueError(
                f"the appended index labels overlap with previously written divisions: they begin at {first!r}, and the "
                f"files in '{job.path}' end at {ranges[-1][1]!r}; use ignore_divisions=True"
            )
    return True


def _is_alike(one: pa.DataType, other: pa.DataType) -> bool:
    def plain(kind: pa.DataType) -> pa.DataType:
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_string(kind) or pa.types.is_string_view(kind):
            return pa.large_string()
        return pa.timestamp("us", kind.tz) if pa.types.is_timestamp(kind) else kind

    return bool(plain(one) == plain(other))


def _is_below(first: Any, last: Any) -> bool:
    try:
        return bool(pd.Timestamp(first) <= pd.Timestamp(last) if isinstance(first, pd.Timestamp) else first <= last)
    except TypeError:
        return False


def _label_ranges(files: Sequence[str], index: str) -> list[tuple[Any, Any]] | None:
    """Return the smallest and largest index label of each file; None if they are unknown or not in order."""
    ranges: list[tuple[Any, Any]] = []
    for file in files:
        footer = pq.read_metadata(file)
        at = footer.schema.names.index(index) if index in footer.schema.names else -1
        for group in range(footer.num_row_groups):
            found = footer.row_group(group).column(at).statistics if at >= 0 else None
            if found is None or not found.has_min_max:
                return None
            ranges.append((found.min, found.max))
    in_order = all(one[1] <= other[0] for one, other in zip(ranges, ranges[1:]))
    return ranges if in_order else None


def create_metadata_file(
    paths: Sequence[Any],
    root_dir: Any = None,
    out_dir: Any = None,
    engine: Any = "pyarrow",
    storage_options: Any = None,
    split_every: int = 32,
    compute: bool = True,
    compute_kwargs: Any = None,
    fs: Any = None,
) -> Any:
    """Write the footers of Parquet files into a file ``_metadata``, which other readers of the folder use.

    Parameters
    ----------
    paths : list of str
        The files, which have the same columns.
    root_dir : str, optional
        The folder to which paths in the file are relative; by default the common folder of all files.
    out_dir : str or False, optional
        The folder of the file; by default `root_dir`. With False, nothing is written, and the metadata is returned.
    engine, split_every, compute_kwargs
        Accepted for compatibility with Dask; no effect.
    storage_options, fs
        Not supported.
    compute : bool
        Whether to write the file now. Otherwise a delayed value is returned.
    """
    if storage_options or fs is not None:
        raise NotImplementedError("create_metadata_file() supports only files that all nodes see")
    files = [absolute(one) for one in paths]
    if not files:
        raise ValueError("create_metadata_file() requires at least one file")
    root = absolute(root_dir) if root_dir is not None else os.path.commonpath([os.path.dirname(one) for one in files])
    target = "" if out_dir is False else absolute(out_dir) if out_dir is not None else root

    from ..delayed import delayed

    footers = delayed(write_footers)(root, files, target)
    if not compute:
        return footers
    found = footers.compute()
    return found if out_dir is False else None
