"""Frames written to files, and under names that others see."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._errors import thin
from ._arguments import tuning
from ._base import Level
from ._columns import to_pandas
from ._rows import Rows, term
from ._sql import INDEX, ORDER, arrow_name, literal, quote
from ._stored import absolute, categories_of, note

if TYPE_CHECKING:
    from ._columns import Column

__all__ = ["Writing"]

#: Arguments of Dask's writers that say what is so here anyway.
_ALWAYS = {
    "write_metadata_file": (None, False),
    "ignore_divisions": (False, True),
    "append": (False,),
    "compute": (True,),
}


class Writing:
    """What a frame has to be written by."""

    _rows: Rows
    _columns: dict[Any, Column]
    _index: tuple[Level, ...]
    _client: Any
    _sorted: Any
    dtypes: Any
    columns: Any

    def _named(self, index: bool) -> list[str]:
        """The columns under their own names."""
        levels = [f"{level.sql} AS {quote(_index_name(at, level))}" for at, level in enumerate(self._index)]
        columns = [f"{column.sql} AS {quote(str(label))}" for label, column in self._columns.items()]
        return [*(levels if index else []), *columns]

    def _publish(self, client: Any, name: str, override: bool) -> None:
        replace = "OR REPLACE " if override else ""
        query = self._plain_query(self._named(True))
        client._connection.query(f"CREATE {replace}TABLE {quote(name)} AS {query}")

    def _plain_query(self, parts: list[str]) -> str:
        """Columns under their own names, with the rows in their order."""
        rows = self._rows
        if not rows.order or rows.physical:
            return f"SELECT {', '.join(parts)} FROM {rows.under(*parts)}"
        hidden = [f"{term(sql)} AS {quote(f'{ORDER}{at}')}" for at, sql in enumerate(rows.order)]
        names = [part.rsplit(" AS ", 1)[1] for part in parts]
        query = f"SELECT {', '.join([*parts, *hidden])} FROM {rows.under(*parts, *hidden)}"
        made: str = self._sorted(query, [name[1:-1].replace('""', '"') for name in names])
        return made

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
                "a folder is written, with a file for each partition: name it without *, which only to_csv takes"
            )
        path = absolute(path)
        target = path if single or path.endswith("/") else path + "/"
        unknown = [label for label in folders if label not in self._columns]
        if unknown:
            raise KeyError(f"no column {unknown[0]!r}: there are {', '.join(map(str, self._columns))}")
        for label in folders:
            # DataFusion takes quotes for a part of the name there.
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(label)):
                raise NotImplementedError(
                    f"folders are named after columns of letters and digits, not {label!r}: rename it"
                )
        by = f" PARTITIONED BY ({', '.join(folders)})" if folders else ""
        given = ", ".join(f"{literal(key)} {literal(value)}" for key, value in options.items())
        query = self._plain_query(self._named(index))
        statement = f"COPY ({query}) TO {literal(target)} STORED AS {form}{by}{f' OPTIONS ({given})' if given else ''}"
        self._client._connection.query(statement)

    def _pandas_metadata(self, index: bool) -> str:
        """What pandas notes in a Parquet file to know what was what: the index, and types of its own."""
        empty = pd.DataFrame({str(label): pd.Series(dtype=kind) for label, kind in self.dtypes.items()})
        empty.columns.name = self.columns.name
        axes = json.loads(pa.Schema.from_pandas(empty).metadata[b"pandas"])["column_indexes"]
        found = json.loads(pa.Schema.from_pandas(empty, preserve_index=False).metadata[b"pandas"])
        levels = self._index if index else ()
        names = [_index_name(at, level) for at, level in enumerate(levels)]
        for name, level, kind in zip(names, levels, self._rows.types([level.sql for level in levels])):
            shown = to_pandas(pa.table({"v": pa.array([], kind)}), [level.origin])
            one = json.loads(pa.Schema.from_pandas(shown, preserve_index=False).metadata[b"pandas"])["columns"][0]
            found["columns"].append({**one, "name": level.name and str(level.name), "field_name": name})
        found["index_columns"] = names
        found["column_indexes"] = axes
        return json.dumps(found)

    def _key_types(self, labels: Sequence[str]) -> dict[str, str]:
        """The types of columns that become names of folders, as Arrow names types."""
        kinds = self._rows.types([self._columns[label].sql for label in labels])
        plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
        return {str(label): arrow_name(kind) for label, kind in zip(labels, plain)}

    @thin
    def to_parquet(
        self,
        path: Any,
        write_index: bool = True,
        compression: Any = "snappy",
        partition_on: Any = None,
        overwrite: bool = False,
        **arguments: Any,
    ) -> None:
        """Writes a folder with a Parquet file for each partition. Nothing is seen there before all is written.

        Parameters
        ----------
        path : str
            The folder, which all nodes see.
        write_index : bool
            Whether the index is written as a column.
        compression : str or None
            Such as ``"snappy"``, ``"zstd"`` or ``"gzip"``.
        partition_on : str or list, optional
            Columns whose values become names of folders, ``year=2024/``; their files have the other columns.
        overwrite : bool
            Whether what is there may go; else it is an error.

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
        # What is there goes when the new is whole, and not before.
        fresh = f"{path}.{uuid.uuid4().hex[:8]}" if replaces else path
        self._write(fresh, "PARQUET", write_index, options, folders)
        found = {str(label): categories_of(column.origin) for label, column in self._columns.items()}
        categories = {label: known for label, known in found.items() if known is not None}
        note(fresh, self._pandas_metadata(write_index), self._key_types(folders), categories)
        if replaces:
            old = f"{fresh}.old"
            os.rename(path, old)
            os.rename(fresh, path)
            shutil.rmtree(old)

    @thin
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
        """Writes a folder with a CSV file for each partition, or a single file.

        Parameters
        ----------
        path : str
            The folder, or the file. With ``*`` in its last part, as in ``"out/export-*.csv"``, each partition goes
            into the file that has its number there. Such files are replaced if they exist.
        single_file : bool
            Whether all rows go into one file, in their order.
        index : bool
            Whether the index is written as a column.
        sep : str
            What is between two values.
        header : bool
            Whether each file begins with the names of the columns.
        name_function : callable, optional
            What is written for ``*``, by the number of the partition. The texts must be in the order of the numbers.

        Returns
        -------
        list of str or None
            The files, if the path has ``*``.
        """
        _check("to_csv", arguments)
        options = {"format.delimiter": sep} if sep != "," else {}
        options["format.has_header"] = "true" if header not in (False, None) else "false"
        if not single_file and "*" in os.path.basename(os.fspath(path)):
            return self._write_named(absolute(path), name_function, options, index)
        if name_function is not None:
            raise ValueError("name_function= needs a path with *, such as 'out/export-*.csv'")
        self._write(path, "CSV", index, options, single=single_file)
        return None

    def _write_named(self, pattern: str, name_function: Any, options: dict[str, str], index: bool) -> list[str]:
        """Writes a CSV file for each partition, under the names of a pattern."""
        parent, name = os.path.split(pattern.removeprefix("file://"))
        os.makedirs(parent, exist_ok=True)
        # Beside them, so that moving from it never copies.
        folder = os.path.join(parent, f".{uuid.uuid4().hex[:8]}.csv-parts")
        try:
            self._write(folder, "CSV", index, options)
            parts = sorted(os.listdir(folder))
            digits = len(str(len(parts) - 1))
            made = [name_function(at) if name_function else f"{at:0{digits}}" for at in range(len(parts))]
            if not all(isinstance(one, str) for one in made) or sorted(set(made)) != made:
                raise ValueError(f"name_function= must give texts in the order of the numbers, not {made[:5]!r}")
            paths = [os.path.join(parent, name.replace("*", one)) for one in made]
            for part, path in zip(parts, paths):
                os.replace(os.path.join(folder, part), path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return paths

    @thin
    def to_json(self, path: Any, index: bool = False, **arguments: Any) -> None:
        """Writes a folder with a file of newline-delimited JSON for each partition."""
        if arguments.pop("orient", "records") != "records" or not arguments.pop("lines", True):
            raise NotImplementedError("to_json writes a row in each line: orient='records', lines=True")
        _check("to_json", arguments)
        self._write(path, "JSON", index, {})


def _check(name: str, arguments: dict[str, Any]) -> None:
    """Refuses arguments that would not be heeded."""
    for argument, values in _ALWAYS.items():
        if argument in arguments and arguments.pop(argument) not in values:
            raise NotImplementedError(f"{name}: {argument}= is not there; {argument}={values[0]!r} is what is done")
    tuning(name, arguments)


def _index_name(at: int, level: Level) -> str:
    return str(level.name) if level.name is not None else INDEX + str(at)
