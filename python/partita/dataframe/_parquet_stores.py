"""Parquet files in object stores, which Python functions write, one for each partition.

A store has no folders that can be renamed, so each file appears when it is complete. Their names contain a text that is
drawn for each call: what a call that fails has written is found by it and removed, and what it is to replace stays until
all new files exist.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from .._tasks import Task
from ._parquet_parts import ParquetJob, cast_rows, split_rows
from ._storage import file_system, service_of
from ._writing_calls import run_writers, writing_tasks

__all__ = ["run_in_store"]


class _Target(NamedTuple):
    """Where files are written.

    Attributes
    ----------
    path : str
        The folder.
    storage : dict
        How the store is reached.
    token : str
        What the names of all files contain.
    """

    path: str
    storage: dict[str, str]
    token: str

    def name(self, number: int) -> str:
        """Return the name of the file of a partition."""
        return f"part-{number:05}-{self.token}.parquet"

    def write(self, table: pa.Table, folder: str, number: int, options: Mapping[str, Any]) -> None:
        system, key = file_system(self.path, self.storage)
        target = "/".join(part for part in (key, folder, self.name(number)) if part)
        with system.open_output_stream(target, compression=None) as stream:
            pq.write_table(table, stream, **options)

    def tell_failure(self) -> None:
        """Tell the calls that have not begun that another one failed."""
        system, key = file_system(self.path, self.storage)
        with system.open_output_stream(f"{key}/.{self.token}.failed", compression=None) as stream:
            stream.write(b"")

    def has_failed(self) -> bool:
        """Whether a call has failed."""
        from pyarrow import fs

        system, key = file_system(self.path, self.storage)
        (marker,) = system.get_file_info([f"{key}/.{self.token}.failed"])
        return bool(marker.type == fs.FileType.File)

    def files(self) -> tuple[Any, list[str]]:
        """Return the file system, and the files of the folder."""
        from pyarrow import fs

        system, key = file_system(self.path, self.storage)
        found = system.get_file_info(fs.FileSelector(key, recursive=True, allow_not_found=True))
        return system, [one.path for one in found if one.type == fs.FileType.File]

    def remove(self, others: bool) -> None:
        """Remove the files of this call, or those of others."""
        system, files = self.files()
        for file in files:
            if (self.token in file.rpartition("/")[2]) != others:
                system.delete_file(file)


def run_in_store(job: ParquetJob, frame: Any, storage: dict[str, str], compute: bool) -> Any:
    """Write the partitions of a frame, or return a delayed value that does.

    Raises
    ------
    FileExistsError
        If the folder is not empty, and is not to be overwritten.
    NotImplementedError
        If the job has what is possible in a file system only.
    """
    if service_of(job.path) == "http":
        raise NotImplementedError(f"cannot write to {job.path!r}: web servers take no files")
    if job.append or job.writes_footers or job.name_function is not None:
        raise NotImplementedError(
            "to_parquet() does not support append=, write_metadata_file= and name_function= in stores; "
            "write each part to a folder of its own, and read all folders with a pattern"
        )
    target = _Target(job.path, storage, uuid.uuid4().hex[:8])
    if not job.overwrite and target.files()[1]:
        raise FileExistsError(
            f"cannot write to '{job.path}': the folder is not empty; use overwrite=True or another folder"
        )

    def make(count: int) -> Callable[[pa.Table, int], Exception | None]:
        return _PartWriter(target, job)

    tasks = writing_tasks(frame, make, "to_parquet", takes_rows=True)
    last = Task(_Finish(target, job), (tasks,), None, "to_parquet-finish")
    try:
        return run_writers(frame._client, [last], compute, single=True)
    except BaseException:
        target.remove(others=False)
        raise


class _PartWriter:
    """The function that writes a partition."""

    def __init__(self, target: _Target, job: ParquetJob) -> None:
        self.target = target
        self.schema, self.folders, self.options = job.schema, job.folders, job.options

    def __call__(self, rows: pa.Table, number: int) -> Exception | None:
        """Write a partition. Return an error instead of raising it: what others write meanwhile is to be removed after it."""
        if self.target.has_failed():
            return None
        try:
            table = cast_rows(rows, self.schema, number, self.target.path)
            for folder, part in split_rows(table, self.folders):
                self.target.write(part, folder, number, self.options)
        except Exception as error:
            self.target.tell_failure()
            return error
        return None


class _Finish:
    """The function that removes what is replaced, or what was written in vain, after the last file."""

    def __init__(self, target: _Target, job: ParquetJob) -> None:
        self.target = target
        self.schema, self.replaces = job.schema, job.overwrite

    def __call__(self, written: list[Exception | None]) -> None:
        errors = [one for one in written if one is not None]
        if errors:
            self.target.remove(others=False)
            raise errors[0]
        if not any(self.target.token in file for file in self.target.files()[1]):
            # Without rows no folder is written: a file with all columns.
            self.target.write(self.schema.empty_table(), "", 0, {})
        if self.replaces:
            self.target.remove(others=True)
