"""Parquet files that Python functions read, in partitions that arguments of ``read_parquet`` describe."""

from __future__ import annotations

import glob
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ._columns import MASKED
from ._folder_keys import category_type
from ._meta import Meta
from ._pandas_metadata import data_files, raw_metadata, read_metadata
from ._partitions import parse_bytes
from ._sql import INDEX

__all__ = ["read_pieces"]

#: Name of the column with the number of each row.
_NUMBERS = f"{INDEX}numbers"
#: Size of the row groups of a partition, before compression, if `blocksize` is not given.
_BLOCK_SIZE = "256MiB"


class _Piece(NamedTuple):
    """Row groups of a file; all of them if `groups` is None.

    Attributes
    ----------
    rows : tuple of pair of int
        For each row group, the number of its first row among the rows of all files, and the number after its last one.
    keys : dict
        Values of the columns of folder names.
    size : int
        Bytes before compression.
    """

    path: str
    groups: tuple[int, ...] | None
    rows: tuple[tuple[int, int], ...]
    keys: dict[str, Any]
    size: int


def read_pieces(
    paths: list[str],
    columns: list[str] | None,
    filters: Any,
    index: Any,
    backend: Any,
    groups: Any,
    blocksize: Any,
    aggregates: Any,
    calculates: bool,
    arrow_to_pandas: Mapping[str, Any] | None,
    dataset: Mapping[str, Any] | None,
    extension: Any,
    client: Any,
) -> Any:
    """Return the frame of Parquet files; see :func:`partita.dataframe.read_parquet`."""
    from ._partition_functions import from_map

    files = _expand(paths, extension)
    # The metadata of a folder may be beside its files.
    base = paths[0] if len(paths) == 1 else files[0]
    known, metadata = read_metadata(base), raw_metadata(base)
    opened = ds.dataset(files, format="parquet", **_dataset_options(dataset or {}, known.keys, paths))
    wanted = None if not filters else expression_of(check_filters(filters))
    limit = parse_bytes(_BLOCK_SIZE if blocksize in (None, "default") else blocksize, "blocksize")
    parts = _partitions(opened, wanted, groups, limit, aggregates)
    own = pq.read_schema(files[0])
    keys = [name for name in opened.schema.names if name not in own.names]
    types = {name: _key_type(opened.schema.field(name).type) for name in keys}
    labels = _index_labels(index, known.levels)
    numbering = _numbering(files) if not labels and (labels is not None or not known.levels) else None
    origins = _folder_categories(opened, types, "partitioning" in (dataset or {}))
    origins.update({label: one for label, one in known.origins.items() if isinstance(one, pd.CategoricalDtype)})
    read = _Read(columns, filters, labels, types, backend, dict(arrow_to_pandas or {}), numbering, metadata, origins)
    empty = Meta(read.frame(_empty(own, types)), {field.name: field.type for field in own})
    levels = known.levels if labels is None else labels
    divisions = _divisions(parts, levels) if calculates and len(levels) == 1 else None
    return from_map(read, parts, meta=empty, divisions=divisions, label="read_parquet")


def _expand(paths: Sequence[str], extension: Any) -> list[str]:
    """Return the files of paths.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If no file of a folder has one of the extensions.
    """
    found: list[str] = []
    for path in paths:
        path = path.removeprefix("file://")
        if os.path.isfile(path):
            found.append(path)
            continue
        if os.path.isdir(path):
            every = data_files(path) if extension is not None else _all_files(path)
            files = [one for one in every if extension is None or one.endswith(_endings(extension))]
            if every and not files and os.path.isfile(os.path.join(path, "_metadata")):
                # The files of a folder with footers have any names.
                files = every
            if every and not files:
                raise ValueError(f"no file in '{path}' has the extension {extension!r}; use parquet_file_extension=")
        else:
            files = sorted(one for one in glob.glob(path) if os.path.isfile(one))
        if not files:
            raise FileNotFoundError(f"no Parquet files match '{path}'")
        found += files
    return found


def _endings(extension: Any) -> tuple[str, ...]:
    return (extension,) if isinstance(extension, str) else tuple(extension)


def _all_files(path: str) -> list[str]:
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)


def _dataset_options(given: Mapping[str, Any], keys: Mapping[str, str], paths: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a dataset of Arrow, with the types of the columns of folder names if they are known."""
    options = {name: value for name, value in given.items() if name != "require_extension"}
    partitioning = options.get("partitioning", "hive")
    if isinstance(partitioning, Mapping):
        partitioning = ds.partitioning(**partitioning)
    elif partitioning == "hive":
        known = pa.schema([(name, _arrow_type(text)) for name, text in keys.items()]) if keys else None
        partitioning = ds.HivePartitioning(known) if known is not None else ds.HivePartitioning.discover()
    options["partitioning"] = partitioning
    if "partition_base_dir" not in options and len(paths) == 1 and os.path.isdir(paths[0].removeprefix("file://")):
        options["partition_base_dir"] = paths[0].removeprefix("file://")
    return options


def _arrow_type(text: str) -> pa.DataType:
    from ..plan.dtype import arrow_name

    plain = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
             pa.float32(), pa.float64(), pa.bool_(), pa.date32()]  # fmt: skip
    return next((kind for kind in plain if arrow_name(kind) == text), pa.string())


def _key_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column of folder names, as the workers' own reader has it."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.int64() if pa.types.is_integer(kind) else kind


def _folder_categories(opened: Any, types: Mapping[str, pa.DataType], is_given: bool) -> dict[Any, pd.CategoricalDtype]:
    """Return the categories of the columns of folder names, as in pandas: all but those that a given partitioning has plain."""
    names = [name for name in types if not is_given or pa.types.is_dictionary(opened.schema.field(name).type)]
    every = [ds.get_partition_keys(one.partition_expression) for one in opened.get_fragments()] if names else []
    found = {name: category_type(pa.array([keys.get(name) for keys in every], types[name])) for name in names}
    return {name: made for name, made in found.items() if made is not None}


def check_filters(filters: Any) -> Any:
    """Return filters, after checking their operators."""
    for group in filters if isinstance(filters[0], list) else [filters]:
        for _, sign, value in group:
            if sign in ("in", "not in") and (isinstance(value, str) or not pd.api.types.is_list_like(value)):
                raise TypeError(f"Value of '{sign}' filter must be a list, set, or tuple, not {value!r}")
            if sign not in (*_COMPARISONS, "in", "not in", "is", "is not"):
                raise ValueError(
                    f"{sign!r} is not a valid operator in predicates of filters=; use one of {', '.join(_COMPARISONS)}, in, "
                    "not in, is, is not"
                )
    return filters


def _partitions(opened: Any, wanted: Any, groups: Any, limit: int, aggregates: Any) -> list[list[_Piece]]:
    """Return the pieces of each partition."""
    by_group = groups not in (None, False, "infer")
    pieces = _pieces(opened, wanted, by_group)
    if not by_group:
        return [[one] for one in pieces]
    # The keys of a piece are in another order than the folders.
    known = opened.partitioning.schema.names if opened.partitioning is not None else []
    names = [name for name in known if name in pieces[0].keys]
    depth = names.index(aggregates) + 1 if isinstance(aggregates, str) and aggregates in names else 0
    parts: list[list[_Piece]] = []
    for piece in pieces:
        last = parts[-1] if parts else None
        if last is not None and _fits(last, piece, groups, limit, aggregates, names[:depth]):
            last.append(piece)
        else:
            parts.append([piece])
    return [_merged(part) for part in parts]


def _pieces(opened: Any, wanted: Any, by_group: bool) -> list[_Piece]:
    """Return the files, or their row groups, that can have rows for which an expression is true; at least one."""
    found: list[_Piece] = []
    spare: list[_Piece] = []
    first = 0
    for fragment in opened.get_fragments():
        keys = ds.get_partition_keys(fragment.partition_expression)
        bounds = [first]
        for group in fragment.row_groups:
            bounds.append(bounds[-1] + group.num_rows)
        rows = list(zip(bounds, bounds[1:]))
        whole = _Piece(fragment.path, None, tuple(rows), keys, 0)
        spare = spare or [whole]
        first = bounds[-1]
        kept = (
            fragment.row_groups if wanted is None else fragment.subset(filter=wanted, schema=opened.schema).row_groups
        )
        if not by_group:
            # A file without rows has the columns too.
            if kept and len(kept) < len(rows):
                found.append(
                    whole._replace(groups=tuple(one.id for one in kept), rows=tuple(rows[one.id] for one in kept))
                )
            else:
                found += [whole] if kept or wanted is None else []
            continue
        found += [_Piece(fragment.path, (one.id,), (rows[one.id],), keys, one.total_byte_size) for one in kept]
    return found or spare


def _numbering(files: list[str]) -> tuple[int, int, Any]:
    """Return the first label, the step and the name of an index that numbers the rows."""
    stored = (pq.read_schema(files[0]).pandas_metadata or {}).get("index_columns", [])
    one = next((one for one in stored if isinstance(one, dict)), {})
    # As pandas, which numbers the rows of several files from 0.
    return (one.get("start", 0), one.get("step", 1), one.get("name")) if len(files) == 1 else (0, 1, one.get("name"))


def _fits(last: list[_Piece], piece: _Piece, groups: Any, limit: int, aggregates: Any, names: list[str]) -> bool:
    """Whether another row group belongs to a partition."""
    if not aggregates and last[0].path != piece.path:
        return False
    if aggregates and any(last[0].keys.get(name) != piece.keys.get(name) for name in names):
        return False
    if groups == "adaptive":
        return sum(one.size for one in last) + piece.size <= limit
    return len(last) < int(groups)


def _merged(part: list[_Piece]) -> list[_Piece]:
    """Return the pieces of a partition with one for each file."""
    found: list[_Piece] = []
    for piece in part:
        if found and found[-1].path == piece.path:
            groups, rows = (found[-1].groups or ()) + (piece.groups or ()), found[-1].rows + piece.rows
            found[-1] = found[-1]._replace(groups=groups, rows=rows)
        else:
            found.append(piece)
    return found


def _index_labels(index: Any, stored: list[str]) -> list[str] | None:
    """Return the columns of the index; None for that of pandas' metadata."""
    if index is None:
        return None
    if index is False:
        return []
    return [index] if isinstance(index, str) else list(index)


def _empty(schema: pa.Schema, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return a table without rows that has the columns of a file and of its folders."""
    table = schema.empty_table()
    for name, kind in types.items():
        table = table.append_column(name, pa.array([], kind))
    return table


def _divisions(parts: list[list[_Piece]], labels: list[str]) -> tuple[Any, ...] | None:
    """Return the divisions that statistics of the files show; None if the partitions are not sorted by the index."""
    ranges = []
    for part in parts:
        found = [one for piece in part for one in _ranges(piece, labels[0])]
        if not found or None in found:
            return None
        ranges.append((min(low for low, _ in found), max(high for _, high in found)))
    if any(one[1] >= other[0] for one, other in zip(ranges, ranges[1:])):
        return None
    return (*[low for low, _ in ranges], ranges[-1][1])


def _ranges(piece: _Piece, label: str) -> list[Any]:
    footer = pq.read_metadata(piece.path)
    names = footer.schema.names
    if label not in names:
        return [None]
    groups = range(footer.num_row_groups) if piece.groups is None else piece.groups
    found = [footer.row_group(group).column(names.index(label)).statistics for group in groups]
    return [(one.min, one.max) if one is not None and one.has_min_max and not one.null_count else None for one in found]


class _Read:
    """The function that reads a partition."""

    def __init__(
        self,
        columns: list[str] | None,
        filters: Any,
        labels: list[str] | None,
        types: dict[str, pa.DataType],
        backend: Any,
        options: dict[str, Any],
        numbering: tuple[int, int, Any] | None,
        metadata: dict[bytes, bytes],
        origins: dict[Any, pd.CategoricalDtype],
    ) -> None:
        self.metadata = metadata
        self.origins = origins
        self.numbering = numbering
        self.columns = columns
        self.filters = filters
        self.labels = labels
        self.types = types
        self.backend = backend
        self.options = options
        self.__name__ = "read_parquet"

    def __call__(self, part: list[_Piece]) -> pd.DataFrame:
        tables = [self._table(piece) for piece in part]
        return self.frame(tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive"))

    def _table(self, piece: _Piece) -> pa.Table:
        with pq.ParquetFile(piece.path) as file:
            names = self._names(file.schema_arrow)
            table = file.read(names) if piece.groups is None else file.read_row_groups(list(piece.groups), names)
        for name, kind in self.types.items():
            value = piece.keys.get(name)
            known = kind if value is None else pa.scalar(value).type
            table = table.append_column(name, pa.array([value] * table.num_rows, known).cast(kind))
        if self.numbering is not None:
            start, step, _ = self.numbering
            numbers = [np.arange(low, high) for low, high in piece.rows] or [np.arange(0)]
            table = table.append_column(_NUMBERS, pa.array(np.concatenate(numbers) * step + start, pa.int64()))
        return table

    def _names(self, schema: pa.Schema) -> list[str] | None:
        """Return the columns of a file that are needed; None for all."""
        if self.columns is None:
            return None
        groups = [] if not self.filters else self.filters if isinstance(self.filters[0], list) else [self.filters]
        known = schema if b"pandas" in (schema.metadata or {}) else schema.with_metadata(self.metadata)
        stored = (known.pandas_metadata or {}).get("index_columns", []) if self.labels is None else self.labels
        needed = {*self.columns, *(label for group in groups for label, _, _ in group)}
        needed |= {name for name in stored if isinstance(name, str)}
        return [name for name in schema.names if name in needed]

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """Return rows as a frame."""
        if self.filters:
            table = table.filter(expression_of(self.filters))
        for at, field in enumerate(table.schema):
            if pa.types.is_dictionary(field.type) and field.name not in self.origins:
                # The categories of other files may differ.
                table = table.set_column(at, field.name, table.column(at).cast(field.type.value_type))
        if b"pandas" not in (table.schema.metadata or {}):
            table = table.replace_schema_metadata(self.metadata)
        numbers = table[_NUMBERS].to_numpy() if _NUMBERS in table.schema.names else np.arange(0)
        if _NUMBERS in table.schema.names:
            table = table.drop_columns([_NUMBERS])
        frame = table.to_pandas(**{**self.options, "types_mapper": self._mapper()})
        frame = frame.astype({label: kind for label, kind in self.origins.items() if label in frame.columns})
        stored = (table.schema.pandas_metadata or {}).get("index_columns", [])
        names = [one for one in stored if isinstance(one, str) and one in table.schema.names]
        if self.labels is not None and names:
            frame = frame.reset_index(drop=names[0].startswith(INDEX))
        if self.labels:
            frame = frame.set_index(self.labels)
        elif self.numbering is not None:
            frame.index = pd.Index(numbers, dtype="int64", name=self.numbering[2])
        else:
            frame.index.names = [None if str(name).startswith(INDEX) else name for name in frame.index.names]
        return frame if self.columns is None else frame[[one for one in self.columns if one in frame.columns]]

    def _mapper(self) -> Any:
        given = self.options.get("types_mapper")
        backend = self.backend

        def find(kind: pa.DataType) -> Any:
            found = None if given is None else given(kind)
            if found is not None or backend is None:
                return found
            if backend == "pyarrow":
                return None if pa.types.is_dictionary(kind) else pd.ArrowDtype(kind)
            is_string = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            return pd.StringDtype() if is_string else MASKED.get(kind)

        return None if given is None and backend is None else find


#: Comparisons of filters.
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def expression_of(filters: Any) -> Any:
    """Return filters as an expression of Arrow, in which a missing value differs from all others, as in pandas."""
    whole: Any = None
    for group in filters if isinstance(filters[0], list) else [filters]:
        every: Any = None
        for label, sign, value in group:
            test = _test(ds.field(label), sign, value)
            every = test if every is None else every & test
        whole = every if whole is None else whole | every
    return whole


def _test(field: Any, sign: str, value: Any) -> Any:
    if sign in ("is", "is not"):
        missing = field.is_null(nan_is_null=True)
        return missing if sign == "is" else ~missing
    if sign in ("in", "not in"):
        found = field.isin(list(value))
        return found if sign == "in" else ~found
    test = _COMPARISONS[sign](field, value)
    return test | field.is_null() if sign == "!=" else test
