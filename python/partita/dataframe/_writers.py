"""Writing of frames to files and public tables."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._errors import trim_traceback
from ..plan import wire
from ..plan.expr import Expr, SortKey, cast
from ..plan.relation import Named, Projection, Relation, Sorting
from ._arguments import reject_unsupported
from ._base import Level
from ._columns import to_pandas
from ._pandas_metadata import absolute, write_metadata
from ._rows import Rows
from ._sql import INDEX, ORDER, arrow_name, value_type

if TYPE_CHECKING:
    from ._columns import Column
    from ._frame import DataFrame

__all__ = ["FrameWriters"]

#: Arguments of Dask's writers, with the values that describe what this package always does.
_ALWAYS = {
    "write_metadata_file": (None, False),
    "ignore_divisions": (False, True),
    "append": (False,),
    "compute": (True,),
}


class FrameWriters:
    """Methods of frames that write files and tables."""

    _rows: Rows
    _columns: dict[Any, Column]
    _index: tuple[Level, ...]
    _client: Any
    dtypes: Any
    columns: Any
    _axis: pd.Index | None
    _kinds: Callable[[], dict[Any, Any]]

    def _named(self, index: bool) -> list[Named]:
        """Return the columns, and the index if requested, under their own names."""
        levels = [Named(_index_name(at, level), level.expr) for at, level in enumerate(self._index)]
        columns = [Named(str(label), column.expr) for label, column in self._columns.items()]
        return [*(levels if index else []), *columns]

    def _publish(self, client: Any, name: str, override: bool) -> None:
        relation = self._plain_relation(self._named(True))
        client._connection.query(wire.create_table(name, relation, is_temporary=False, replace=override))

    def _plain_relation(self, parts: list[Named]) -> Relation:
        """Return the relation of columns under their own names, with the rows in their order."""
        rows = self._rows
        if not rows.order or rows.is_sorted_for(expr for _, expr in parts):
            return rows.project(parts)
        hidden = [Named(f"{ORDER}{at}", key.expr) for at, key in enumerate(rows.order)]
        every = rows.project([*parts, *hidden])
        order = [SortKey(every.column(name), *key.way) for (name, _), key in zip(hidden, rows.order)]
        found: Relation = Sorting(every, order)
        return Projection(found, [Named(name, found.column(name)) for name, _ in parts])

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
            raise KeyError(f"no column {unknown[0]!r}; columns: {', '.join(map(str, self._columns))}")
        for label in folders:
            # The names of the folders are not escaped.
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(label)):
                raise NotImplementedError(
                    f"partition_on does not support the column name {label!r}; rename it to letters, digits and _"
                )
        relation = self._plain_relation(self._named(index))
        self._client._connection.query(wire.write(relation, target, form, options, [str(one) for one in folders]))

    def _pandas_metadata(self, index: bool) -> str:
        """Return the metadata that pandas writes into Parquet files: index, and types that Parquet does not have."""
        empty = pd.DataFrame({str(label): pd.Series(dtype=kind) for label, kind in self.dtypes.items()})
        empty.columns.name = self.columns.name
        axes = json.loads(pa.Schema.from_pandas(empty).metadata[b"pandas"])["column_indexes"]
        found = json.loads(pa.Schema.from_pandas(empty, preserve_index=False).metadata[b"pandas"])
        levels = self._index if index else ()
        names = [_index_name(at, level) for at, level in enumerate(levels)]
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

    @trim_traceback
    def to_parquet(
        self,
        path: Any,
        write_index: bool = True,
        compression: Any = "snappy",
        partition_on: Any = None,
        overwrite: bool = False,
        **arguments: Any,
    ) -> None:
        """Write a folder with one Parquet file per partition. The files appear only when all are complete.

        Parameters
        ----------
        path : str
            The folder. All nodes must see it.
        write_index : bool
            Whether to write the index as a column.
        compression : str or None
            Compression, such as ``"snappy"``, ``"zstd"`` or ``"gzip"``.
        partition_on : str or list, optional
            Columns whose values become folder names, such as ``year=2024/``. The files contain the other columns.
        overwrite : bool
            Whether to replace an existing folder. Otherwise, an existing folder is an error.

        Raises
        ------
        FileExistsError
            If the folder exists, is not empty, and `overwrite` is false.

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
        _check("to_parquet", arguments)
        folders = [] if partition_on is None else [partition_on] if isinstance(partition_on, str) else partition_on
        names = {"gzip": "gzip(6)", "zstd": "zstd(3)", "brotli": "brotli(5)", None: "uncompressed"}
        options = {"format.compression": names.get(compression, compression)}
        path = absolute(path).rstrip("/")
        replaces = overwrite and os.path.isdir(path)
        # Replace the existing folder only when the new one is complete.
        fresh = f"{path}.{uuid.uuid4().hex[:8]}" if replaces else path
        frame = self._without_seconds()
        frame._write(fresh, "PARQUET", write_index, options, folders)
        origins = {str(label): column.origin for label, column in frame._columns.items()}
        if write_index:
            origins.update({_index_name(at, level): level.origin for at, level in enumerate(frame._index)})
        write_metadata(fresh, frame._pandas_metadata(write_index), frame._key_types(folders), origins)
        if replaces:
            old = f"{fresh}.old"
            os.rename(path, old)
            os.rename(fresh, path)
            shutil.rmtree(old)

    @trim_traceback
    def to_csv(
        self,
        path: Any,
        single_file: bool = False,
        index: bool = True,
        sep: str = ",",
        header: Any = True,
        name_function: Any = None,
        **arguments: Any,
    ) -> list[str] | None:
        """Write a folder with one CSV file per partition, or a single file.

        Parameters
        ----------
        path : str
            The folder, or the file. In a path such as ``"out/export-*.csv"``, the number of each partition replaces
            ``*``. Existing files of these names are replaced.
        single_file : bool
            Whether to write all rows into one file, in their order.
        index : bool
            Whether to write the index as a column.
        sep : str
            Separator.
        header : bool
            Whether each file begins with the names of the columns.
        name_function : callable, optional
            Returns the string that replaces ``*``, given the number of the partition. The strings must be strictly
            increasing.

        Returns
        -------
        list of str or None
            The files, if the path contains ``*``.
        """
        _check("to_csv", arguments)
        options = {"format.delimiter": sep} if sep != "," else {}
        options["format.has_header"] = "true" if header not in (False, None) else "false"
        if not single_file and "*" in os.path.basename(os.fspath(path)):
            return self._write_named(absolute(path), name_function, options, index)
        if name_function is not None:
            raise ValueError("name_function= requires a path with *, such as 'out/export-*.csv'")
        self._write(path, "CSV", index, options, single=single_file)
        return None

    def _write_named(self, pattern: str, name_function: Any, options: dict[str, str], index: bool) -> list[str]:
        """Write one CSV file per partition, under the names of a pattern."""
        parent, name = os.path.split(pattern.removeprefix("file://"))
        os.makedirs(parent, exist_ok=True)
        # In the same folder as the files, so that moving them never copies data.
        folder = os.path.join(parent, f".{uuid.uuid4().hex[:8]}.csv-parts")
        try:
            self._write(folder, "CSV", index, options)
            parts = sorted(os.listdir(folder))
            digits = len(str(len(parts) - 1))
            made = [name_function(at) if name_function else f"{at:0{digits}}" for at in range(len(parts))]
            if not all(isinstance(one, str) for one in made) or sorted(set(made)) != made:
                raise ValueError(f"name_function= must return strictly increasing strings, not {made[:5]!r}")
            paths = [os.path.join(parent, name.replace("*", one)) for one in made]
            for part, path in zip(parts, paths):
                os.replace(os.path.join(folder, part), path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return paths

    @trim_traceback
    def to_json(self, path: Any, index: bool = False, **arguments: Any) -> None:
        """Write a folder with one file of newline-delimited JSON per partition."""
        if arguments.pop("orient", "records") != "records" or not arguments.pop("lines", True):
            raise NotImplementedError("to_json() supports only orient='records' and lines=True")
        _check("to_json", arguments)
        self._write(path, "JSON", index, {})


def _check(name: str, arguments: dict[str, Any]) -> None:
    """Raise an error for unsupported arguments."""
    for argument, values in _ALWAYS.items():
        if argument in arguments and arguments.pop(argument) not in values:
            raise NotImplementedError(f"{name}() supports only {argument}={values[0]!r}")
    reject_unsupported(name, arguments)


def _index_name(at: int, level: Level) -> str:
    return str(level.name) if level.name is not None else INDEX + str(at)
