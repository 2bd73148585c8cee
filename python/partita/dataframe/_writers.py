"""Writing of frames to files and public tables."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from .._errors import trim_traceback
from ..plan import wire
from ..plan.dtype import is_mixed, refuse_mixed
from ..plan.expr import SortKey
from ..plan.relation import Named, Projection, Relation, Sorting
from ._listing import listed
from ._pandas_metadata import absolute, data_files
from ._parquet_writer import ParquetWriters, index_name
from ._sql import ORDER
from ._writing_calls import part_names

if TYPE_CHECKING:
    pass

__all__ = ["FrameWriters"]


class FrameWriters(ParquetWriters):
    """Methods of frames that write files and tables."""

    _kinds: Callable[[], dict[Any, Any]]

    def _named(self, index: bool) -> list[Named]:
        """Return the columns, and the index if requested, under their own names."""
        levels = [Named(index_name(at, level), level.expr) for at, level in enumerate(self._index)]
        columns = [Named(str(label), column.expr) for label, column in self._columns.items()]
        return [*(levels if index else []), *columns]

    def _unnamed_levels(self) -> list[int]:
        return [at for at, level in enumerate(self._index) if level.name is None]

    def _publish(self, client: Any, name: str, override: bool) -> None:
        relation = self._plain_relation(self._named(True))
        client._connection.query(wire.create_table(name, relation, is_temporary=False, replace=override))

    def _plain_relation(self, parts: list[Named], always: bool = False) -> Relation:
        """Return the relation of columns under their own names, with the rows in their order.

        The order is that of the partitions where these are sorted, unless there is `always` a sort: a task that reads
        several partitions gets them in any order.
        """
        rows = self._rows
        if not rows.order or (rows.is_sorted_for(expr for _, expr in parts) and not always):
            return rows.project(parts)
        hidden = [Named(f"{ORDER}{at}", key.expr) for at, key in enumerate(rows.order)]
        every = rows.project([*parts, *hidden])
        order = [SortKey(every.column(name), *key.way) for (name, _), key in zip(hidden, rows.order)]
        found: Relation = Sorting(every, order)
        return Projection(found, [Named(name, found.column(name)) for name, _ in parts])

    def _needs_pandas(self) -> bool:
        """Whether pandas writes the rows of text files: the strings of values of several types, and of periods."""
        origins = [*(level.origin for level in self._index), *(column.origin for column in self._columns.values())]
        return any(map(is_mixed, self._kinds().values())) or any(isinstance(one, pd.PeriodDtype) for one in origins)

    def _write(
        self,
        path: Any,
        form: str,
        index: bool,
        options: dict[str, str],
        folders: Sequence[str] = (),
        single: bool = False,
    ) -> None:
        if "*" in os.path.basename(os.fspath(path)):
            raise NotImplementedError(
                "path must be a folder without *: each partition is a file in it; only to_csv() supports *"
            )
        path = absolute(path)
        target = path if single or path.endswith("/") else path + "/"
        unknown = [label for label in folders if label not in self._columns]
        if unknown:
            raise KeyError(f"no column {unknown[0]!r}; columns: {listed(self._columns, unknown[0])}")
        for label in folders:
            # The names of the folders are not escaped.
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(label)):
                raise NotImplementedError(
                    f"partition_on does not support the column name {label!r}; rename it to letters, digits and _"
                )
        named = self._named(index)
        if form == "CSV" and index and self._unnamed_levels() == [0] and "" not in map(str, self._columns):
            # As in pandas, the header of an index without a name is empty.
            named[0] = named[0]._replace(name="")
        relation = self._plain_relation(named, always=single)
        refuse_mixed((relation.schema or {}).values(), "write")
        self._client._connection.query(wire.write(relation, target, form, options, [str(one) for one in folders]))

    def to_orc(
        self, path: Any, engine: Any = "pyarrow", write_index: bool = True, storage_options: Any = None,
        compute: bool = True, compute_kwargs: Any = None,
    ) -> Any:  # fmt: skip
        """Write a folder with one ORC file per partition, on the workers.

        Parameters
        ----------
        path : str
            The folder. All nodes must see it.
        write_index : bool
            Whether to write the index as a column.
        compute : bool
            Whether to write now. Otherwise the rows are persisted, and a delayed value is returned that writes them.
        engine, compute_kwargs
            Accepted for compatibility with Dask; no effect.
        storage_options
            Not supported.
        """
        from ._orc import to_orc

        return to_orc(self, path, engine, write_index, storage_options, compute)

    @trim_traceback
    def to_csv(
        self,
        path: Any,
        single_file: bool = False,
        encoding: str = "utf-8",
        mode: str = "wt",
        name_function: Any = None,
        compression: Any = None,
        compute: bool = True,
        scheduler: Any = None,
        storage_options: Any = None,
        header_first_partition_only: bool | None = None,
        compute_kwargs: Any = None,
        index: bool = True,
        sep: str = ",",
        header: Any = True,
        **arguments: Any,
    ) -> Any:
        """Write a folder with one CSV file per partition, or a single file.

        Without the arguments that pandas interprets, the workers' own writer is used. Otherwise pandas writes each partition
        on a worker, after the rows are persisted.

        Parameters
        ----------
        path : str
            The folder, or the file. In a path such as ``"out/export-*.csv"``, the number of each partition replaces
            ``*``. Existing files of these names are replaced.
        single_file : bool
            Whether to write all rows into one file, in their order.
        encoding, mode, compression
            As in :meth:`pandas.DataFrame.to_csv`. A single file that exists is replaced only with ``mode="w"``.
        name_function : callable, optional
            Returns the string that replaces ``*``, or that names the files ``*.part`` of a folder, given the number of the
            partition. The strings must differ; a warning tells if they are not in ascending order.
        compute : bool
            Whether to write now. Otherwise the rows are persisted, and delayed values are returned that write them.
        header_first_partition_only : bool, optional
            Whether only the file of the first partition begins with the names of the columns.
        index : bool
            Whether to write the index as a column.
        sep : str
            Separator.
        header : bool or list of str
            Whether each file begins with the names of the columns, or the names.
        **arguments
            Further arguments of :meth:`pandas.DataFrame.to_csv`.
        scheduler, compute_kwargs
            Accepted for compatibility with Dask; no effect.
        storage_options
            Not supported.

        Returns
        -------
        list of str or None
            The files, if this process can see them.
        """
        if storage_options:
            raise NotImplementedError("to_csv() supports only files that all nodes see, without storage_options=")
        if single_file and name_function is not None:
            raise ValueError("name_function is not supported under the single file mode")
        if single_file and header_first_partition_only is False:
            raise ValueError("header_first_partition_only cannot be False in the single file mode.")
        path, has_pattern = _pattern_of(path, name_function)
        is_plain = (encoding, mode, compression) in (("utf-8", "wt", None), ("utf-8", "w", None)) and not arguments
        is_plain = is_plain and not self._needs_pandas()
        # The workers' own writer has one name for each column.
        is_plain = is_plain and not (index and len(self._index) > 1 and self._unnamed_levels())
        firsts = bool(header_first_partition_only) and not single_file
        if is_plain and compute and not firsts and isinstance(header, (bool, type(None))) and len(sep) == 1:
            options = {"format.delimiter": sep} if sep != "," else {}
            options["format.has_header"] = "true" if header else "false"
            if not single_file and has_pattern:
                return self._write_named(absolute(path), name_function, options, index)
            self._write_text(path, index, options, single_file, replaces=single_file and mode == "w")
            return _written(path)
        from ._text_writers import write_csv

        given = {
            "index": index,
            "sep": sep,
            "header": header,
            "encoding": encoding,
            "compression": compression,
            **arguments,
        }
        return write_csv(
            self, path, single_file, mode, name_function, bool(header_first_partition_only), compute, given
        )

    def _write_text(self, path: Any, index: bool, options: dict[str, str], single: bool, replaces: bool) -> None:
        """Write CSV with the workers' own writer, which never writes to an existing file."""
        target = absolute(path).removeprefix("file://")
        if not (replaces and os.path.isfile(target)):
            self._write(path, "CSV", index, options, single=single)
            return
        # The existing file is replaced only when the new one is complete.
        fresh = f"{target}.{uuid.uuid4().hex[:8]}.csv"
        try:
            self._write(fresh, "CSV", index, options, single=True)
            os.replace(fresh, target)
        finally:
            if os.path.exists(fresh):
                os.remove(fresh)

    def _write_named(self, pattern: str, name_function: Any, options: dict[str, str], index: bool) -> list[str]:
        """Write one CSV file per partition, under the names of a pattern."""
        parent, name = os.path.split(pattern.removeprefix("file://"))
        if name.count("*") > 1:
            raise ValueError(f"only one * is supported in the name of the files, not in {name!r}")
        os.makedirs(parent, exist_ok=True)
        # In the same folder as the files, so that moving them never copies data.
        folder = os.path.join(parent, f".{uuid.uuid4().hex[:8]}.csv-parts")
        try:
            self._write(folder, "CSV", index, options)
            parts = sorted(os.listdir(folder))
            made = part_names(len(parts), name_function)
            paths = [os.path.join(parent, name.replace("*", one)) for one in made]
            for part, path in zip(parts, paths):
                os.replace(os.path.join(folder, part), path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return paths

    @trim_traceback
    def to_json(
        self,
        path: Any,
        orient: str = "records",
        lines: bool | None = None,
        storage_options: Any = None,
        compute: bool = True,
        encoding: str = "utf-8",
        errors: str = "strict",
        compression: Any = None,
        compute_kwargs: Any = None,
        name_function: Any = None,
        index: bool = False,
        **arguments: Any,
    ) -> Any:
        """Write a folder with one file of JSON per partition: newline-delimited by default.

        Without the arguments that pandas interprets, the workers' own writer is used. Otherwise pandas writes each partition
        on a worker, after the rows are persisted.

        Parameters
        ----------
        path : str
            The folder. In a path such as ``"out/export-*.json"``, the number of each partition replaces ``*``.
        orient : str
            As in :meth:`pandas.DataFrame.to_json`.
        lines : bool, optional
            Whether each line is a record. By default only if `orient` is ``"records"``.
        compute : bool
            Whether to write now. Otherwise the rows are persisted, and delayed values are returned that write them.
        encoding, errors, compression
            Of the files.
        name_function : callable, optional
            Returns the string that replaces ``*``, or that names the files ``*.part`` of a folder, given the number of the
            partition. The strings must differ; a warning tells if they are not in ascending order.
        index : bool
            Whether records have the index labels, with the workers' own writer.
        **arguments
            Further arguments of :meth:`pandas.DataFrame.to_json`.
        compute_kwargs
            Accepted for compatibility with Dask; no effect.
        storage_options
            Not supported.

        Returns
        -------
        list of str or None
            The files, if this process can see them.
        """
        if storage_options:
            raise NotImplementedError("to_json() supports only files that all nodes see, without storage_options=")
        if lines is None:
            lines = orient == "records"
        if orient != "records" and lines:
            raise ValueError("Line-delimited JSON is only available with orient='records'; use lines=False")
        path, has_pattern = _pattern_of(path, name_function)
        is_plain = (encoding, errors, compression) == ("utf-8", "strict", None) and not arguments and not has_pattern
        is_plain = is_plain and not self._needs_pandas()
        if lines and is_plain and compute:
            self._write(path, "JSON", index, {})
            return _written(path)
        if index:
            raise NotImplementedError("to_json(index=True) is supported only without other arguments; use reset_index")
        from ._text_writers import write_json

        given = {"orient": orient, "lines": lines, **arguments}
        return write_json(self, path, name_function, encoding, errors, compression, compute, given)


def _pattern_of(path: Any, name_function: Any) -> tuple[Any, bool]:
    """Return the path of files, and whether it has a ``*``. Files that a function names are ``*.part`` of a folder, as in Dask."""
    if "*" in os.path.basename(os.fspath(path)):
        return path, True
    return (path, False) if name_function is None else (os.path.join(os.fspath(path), "*.part"), True)


def _written(path: Any) -> list[str] | None:
    """Return the files that were written, if this process can see them."""
    name = absolute(path).removeprefix("file://")
    if os.path.isdir(name):
        return data_files(name)
    return [name] if os.path.isfile(name) else None
