"""Writing of frames to Parquet files."""

from __future__ import annotations

import glob
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._errors import trim_traceback
from ..plan.dtype import refuse_mixed
from ..plan.expr import Expr, cast
from ..plan.relation import Files, postorder
from ._base import Level
from ._columns import to_pandas
from ._dialects import request_paths
from ._listing import listed
from ._pandas_metadata import absolute, file_metadata, write_metadata
from ._parquet_parts import ParquetJob, check_append, writer_options
from ._parquet_stores import run_in_store
from ._rows import Rows
from ._sql import INDEX, arrow_name, value_type
from ._storage import service_of, storage_config

if TYPE_CHECKING:
    from ._columns import Column
    from ._frame import DataFrame

__all__ = ["ParquetWriters", "index_name"]

#: Names of engines in Dask. There is one engine.
ENGINES = (None, "auto", "pyarrow", "fastparquet")
#: Names with which Dask chooses the package that reads files; here, the workers read them in any case.
_FILESYSTEMS = ("auto", "arrow", "pyarrow", "fsspec")
#: Compressions with their level, as the workers' own writer names them.
_LEVELS = {"gzip": "gzip(6)", "zstd": "zstd(3)", "brotli": "brotli(5)", "none": "uncompressed", None: "uncompressed"}


def index_name(at: int, level: Level) -> str:
    """Return the name of the column of an index level in a file."""
    return str(level.name) if level.name is not None else INDEX + str(at)


class ParquetWriters:
    """The method of frames that writes Parquet files."""

    _rows: Rows
    _columns: dict[Any, Column]
    _index: tuple[Level, ...]
    _client: Any
    dtypes: Any
    columns: Any
    _axis: pd.Index | None
    _write: Callable[..., None]
    _kinds: Callable[[], dict[Any, pa.DataType]]

    def _pandas_metadata(self, index: bool) -> str:
        """Return the metadata that pandas writes into Parquet files: index, and types that Parquet does not have."""
        empty = pd.DataFrame({str(label): pd.Series(dtype=kind) for label, kind in self.dtypes.items()})
        empty.columns.name = self.columns.name
        # The names of columns are texts, and pandas converts them to the type of the labels.
        labels = list(self.dtypes.index)
        has_numbers = bool(labels) and all(type(label) is int for label in labels)
        shown = empty.set_axis(pd.Index(labels, name=empty.columns.name), axis=1) if has_numbers else empty
        axes = json.loads(pa.Schema.from_pandas(shown).metadata[b"pandas"])["column_indexes"]
        found = json.loads(pa.Schema.from_pandas(empty, preserve_index=False).metadata[b"pandas"])
        levels = self._index if index else ()
        names = [index_name(at, level) for at, level in enumerate(levels)]
        for name, level, kind in zip(names, levels, self._rows.types([level.expr for level in levels])):
            shown = to_pandas(pa.table({"v": pa.array([], kind)}), [level.origin])
            one = json.loads(pa.Schema.from_pandas(shown, preserve_index=False).metadata[b"pandas"])["columns"][0]
            found["columns"].append({**one, "name": level.name and str(level.name), "field_name": name})
        found["index_columns"] = names
        found["column_indexes"] = axes
        return json.dumps(found)

    def _without_seconds(self) -> DataFrame:
        """Return the frame with times in milliseconds instead of seconds, which Parquet does not have."""
        from ._frame import DataFrame

        def convert(value: Expr) -> Expr:
            kind = self._rows.type(value)
            if not (pa.types.is_timestamp(kind) and kind.unit == "s"):
                return value
            return cast(value, pa.timestamp("ms", kind.tz))

        columns = {label: column._replace(expr=convert(column.expr)) for label, column in self._columns.items()}
        levels = tuple(level._replace(expr=convert(level.expr)) for level in self._index)
        return DataFrame(self._rows, columns, levels, self._axis)

    def _key_types(self, labels: Sequence[str]) -> dict[str, str]:
        """Return the Arrow type names of columns that become folder names."""
        kinds = self._rows.types([self._columns[label].expr for label in labels])
        return {str(label): arrow_name(value_type(kind)) for label, kind in zip(labels, kinds)}

    def _file_metadata(self, index: bool, folders: Sequence[str]) -> tuple[str, dict[str, str], dict[str, Any]]:
        """Return the arguments of the metadata of files."""
        origins = {str(label): column.origin for label, column in self._columns.items()}
        if index:
            origins.update({index_name(at, level): level.origin for at, level in enumerate(self._index)})
        return self._pandas_metadata(index), self._key_types(folders), origins

    def _file_schema(self, index: bool, given: Any) -> pa.Schema:
        """Return the columns of the files, with the types that a user gave."""
        levels = self._index if index else ()
        names = [index_name(at, level) for at, level in enumerate(levels)] + [str(label) for label in self._columns]
        exprs = [*[level.expr for level in levels], *[column.expr for column in self._columns.values()]]
        kinds = dict(zip(names, self._rows.types(exprs)))
        if given is None or isinstance(given, str):
            if given not in (None, "infer"):
                raise ValueError(f"schema= must be a schema of Arrow, a dict of types, 'infer' or None, not {given!r}")
            return pa.schema(list(kinds.items()))
        wanted = dict(given) if isinstance(given, Mapping) else {field.name: field.type for field in given}
        unknown = [name for name in wanted if name not in kinds and not isinstance(given, Mapping)]
        if unknown:
            raise ValueError(
                f"schema= has a column {unknown[0]!r} that is not written; columns: {listed(kinds, unknown[0])}"
            )
        return pa.schema([(name, wanted.get(name, kind)) for name, kind in kinds.items()])

    @trim_traceback
    def to_parquet(
        self,
        path: Any,
        engine: Any = "auto",
        compression: Any = "snappy",
        write_index: bool = True,
        append: bool = False,
        overwrite: bool = False,
        ignore_divisions: bool = False,
        partition_on: Any = None,
        storage_options: Any = None,
        custom_metadata: Any = None,
        write_metadata_file: Any = None,
        compute: bool = True,
        compute_kwargs: Any = None,
        schema: Any = "infer",
        name_function: Any = None,
        filesystem: Any = None,
        **options: Any,
    ) -> Any:
        """Write a folder with one Parquet file per partition. The files appear only when all are complete; in a store, each
        when it is complete.

        Parameters
        ----------
        path : str
            The folder: a path that all nodes see, or a name in a store, such as ``s3://bucket/folder``.
        compression : str, dict or None
            Compression, such as ``"snappy"``, ``"zstd"`` or ``"gzip"``, of all columns or of each.
        write_index : bool
            Whether to write the index as a column.
        append : bool
            Whether to add files to an existing folder, whose files must have the same columns and types. If the index
            labels are known to be sorted in both, they must follow those of the files.
        overwrite : bool
            Whether to replace an existing folder. Otherwise, an existing folder is an error.
        ignore_divisions : bool
            Whether appended index labels may be among those of the files.
        partition_on : str or list, optional
            Columns whose values become folder names, such as ``year=2024/``. The files contain the other columns.
        custom_metadata : dict, optional
            Metadata that each file contains.
        write_metadata_file : bool, optional
            Whether to write the footers of all files into a file ``_metadata``. If there is one, appending updates it.
        compute : bool
            Whether to write now. Otherwise the rows are persisted, and a delayed value is returned that writes them.
        schema : pyarrow.Schema, dict or "infer"
            Types of Arrow in the files, by column. By default those of the frame.
        name_function : callable, optional
            Returns the name of a file, given the number of the partition.
        row_group_size : int, optional
            Largest number of rows in a row group.
        **options
            Further arguments of ``pyarrow.parquet.write_table``.
        engine, compute_kwargs
            Accepted for compatibility with Dask; no effect.
        storage_options : dict, optional
            How the store is reached; see :func:`read_parquet`.
        filesystem
            As for :func:`read_parquet`.

        Raises
        ------
        FileExistsError
            If the folder exists, is not empty, and neither `overwrite` nor `append` is true.
        ValueError
            If `overwrite` would replace files that the frame reads.

        Examples
        --------
        >>> import pandas as pd, tempfile
        >>> from partita import dataframe as dd
        >>> ddf = dd.from_pandas(pd.DataFrame({"year": [2023, 2024, 2024], "x": [1, 2, 3]}), npartitions=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ddf.to_parquet(folder + "/by_year", partition_on="year", write_index=False)
        ...     int(dd.read_parquet(folder + "/by_year/year=2024").x.sum().compute())
        5
        """
        from ._frame import DataFrame

        check_engine(engine)
        check_filesystem("to_parquet", filesystem, path)
        folders = (
            [] if partition_on is None else [partition_on] if isinstance(partition_on, str) else list(partition_on)
        )
        _check_target(path, append, overwrite)
        path = absolute(path, stores=True).rstrip("/")
        if overwrite:
            _refuse_own_files(self, path)
        storage = storage_config([path], storage_options)
        is_remote = service_of(path) is not None
        refuse_mixed(self._kinds().values(), "write to Parquet")
        frame: Any = self._without_seconds()
        _check_labels(frame, folders)
        row_group_size = options.pop("row_group_size", None)
        given = (append, custom_metadata, write_metadata_file, name_function, options, isinstance(compression, dict))
        if compute and not is_remote and not any(given) and (schema is None or schema in ("infer",)):
            frame._copy_parquet(path, write_index, compression, folders, overwrite, row_group_size)
            return None
        options = writer_options({**options, "row_group_size": row_group_size, "compression": compression or "none"})
        if not write_index:
            frame = DataFrame(frame._rows, frame._columns, (), frame._axis)
        metadata = {**file_metadata(*frame._file_metadata(write_index, folders)), **_custom(custom_metadata)}
        fields = frame._file_schema(write_index, schema).with_metadata(metadata)
        job = ParquetJob(path, fields, folders, options, append, overwrite, bool(write_metadata_file), name_function)
        if is_remote:
            return run_in_store(job, frame, storage, compute)
        if append:
            index = index_name(0, frame._index[0]) if write_index and frame._index else None
            job = job._replace(append=check_append(frame, job, index, ignore_divisions))
        return job.run(frame, compute)

    def _copy_parquet(
        self, path: str, index: bool, compression: Any, folders: list[str], overwrite: bool, row_group_size: Any
    ) -> None:
        """Write files with the workers' own writer."""
        options = {"format.compression": _LEVELS.get(compression, compression)}
        if row_group_size is not None:
            options["format.max_row_group_size"] = str(int(row_group_size))
        replaces = overwrite and os.path.isdir(path)
        # Replace the existing folder only when the new one is complete.
        fresh = f"{path}.{uuid.uuid4().hex[:8]}" if replaces else path
        self._write(fresh, "PARQUET", index, options, folders)
        write_metadata(fresh, *self._file_metadata(index, folders))
        if replaces:
            old = f"{fresh}.old"
            os.rename(path, old)
            os.rename(fresh, path)
            shutil.rmtree(old)


def check_filesystem(method: str, filesystem: Any, path: Any) -> None:
    """Check that a file system is the one of the path, which the workers open themselves.

    Raises
    ------
    NotImplementedError
        If it is an object for anything but local files: workers may not see what this process sees.
    """
    if filesystem is None or (isinstance(filesystem, str) and filesystem in _FILESYSTEMS):
        return
    is_local = type(filesystem).__name__ == "LocalFileSystem"
    if not is_local or "://" in str(path).replace("file://", ""):
        raise NotImplementedError(
            f"{method}() does not support filesystem={filesystem!r}; use storage_options= for files in stores"
        )


def check_engine(engine: Any) -> None:
    """Raise an error if an engine is not one of Dask's."""
    if not (engine is None or isinstance(engine, type) or engine in ENGINES):
        raise ValueError(f'Unsupported engine: "{engine}"; use "auto" or "pyarrow"')


def _check_target(path: Any, append: bool, overwrite: bool) -> None:
    if append and overwrite:
        raise ValueError("to_parquet() takes either append=True or overwrite=True")
    if overwrite and os.path.realpath(absolute(path, stores=True).removeprefix("file://")) == os.path.realpath(
        os.getcwd()
    ):
        raise ValueError("cannot overwrite the working directory; use another folder")


def _refuse_own_files(frame: Any, path: str) -> None:
    """Raise an error if files that a frame reads would be replaced: the frame would then have other rows, or none."""
    target = path.removeprefix("file://")
    for node in postorder([frame._rows.relation]):
        for source in request_paths(node.request) if isinstance(node, Files) else ():
            read = source.removeprefix("file://").rstrip("/")
            while glob.has_magic(read):
                read = os.path.dirname(read)
            if f"{read}/".startswith(f"{target}/"):
                raise ValueError(
                    f"Cannot overwrite a path from which the frame is read: '{source}'; persist() the frame first, or use another "
                    "folder"
                )


def _check_labels(frame: Any, folders: list[str]) -> None:
    """Raise an error for columns that a file cannot have."""
    if not all(isinstance(label, str) for label in frame._columns):
        kinds = {type(label).__name__ for label in frame._columns}
        if len(kinds) > 1:
            raise ValueError(
                f"Parquet files cannot have non-string column names of several types: {list(frame._columns)!r}; rename them"
            )
    unknown = [label for label in folders if label not in frame._columns]
    if unknown:
        raise KeyError(f"no column {unknown[0]!r}; columns: {listed(frame._columns, unknown[0])}")


def _custom(metadata: Any) -> dict[bytes, bytes]:
    """Return the metadata of a user as bytes."""
    found = {_encoded(key): _encoded(value) for key, value in (metadata or {}).items()}
    for reserved in (b"pandas", b"partita"):
        if reserved in found:
            raise ValueError(
                f"User-defined key/value metadata (custom_metadata=) must not contain the key {reserved!r}"
            )
    return found


def _encoded(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()
