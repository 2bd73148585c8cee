"""Creation of frames from pandas, Arrow, tables and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .._client import current_client
from .._errors import trim_traceback
from ..plan.expr import SortKey, cast
from ..plan.relation import Files, Query, Relation, Table
from ._arguments import reject_unsupported
from ._base import Level
from ._columns import ARROW, NULLABLE, Column, column_origin, origin_of, regularity_of, sort_value
from ._dialects import Dialect, encode_request, select_columns
from ._expressions import origin_after
from ._frame import DataFrame
from ._pandas_metadata import absolute, last_file, read_metadata
from ._partitions import (
    check_count,
    check_divisions,
    even_bounds,
    format_split,
    index_bounds,
    parse_bytes,
    time_divisions,
)
from ._rows import Labels, Rows, new_table_name, release_after, typed_relation
from ._sql import INDEX, ROW, is_plain_text, replace_nan, sort_of

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["from_arrow", "from_dict", "from_pandas", "from_table", "read_csv", "read_json", "read_parquet", "read_sql"]


@trim_traceback
def from_pandas(
    data: Any,
    npartitions: int | None = None,
    sort: bool = True,
    chunksize: int | None = None,
    client: Client | None = None,
    replicas: int = 1,
) -> Any:
    """Upload a pandas frame or series to the workers.

    Parameters
    ----------
    data : pandas.DataFrame or pandas.Series
        The rows. They are uploaded immediately, in parallel.
    npartitions : int, optional
        Number of partitions. By default one per slot of the cluster.
    sort : bool
        Whether to sort the rows by their index, as Dask does.
    chunksize : int, optional
        Rows per partition, as an alternative to `npartitions`.
    client : Client, optional
        Client of the cluster. The default client if not given.
    replicas : int
        Number of workers that store each partition. With 2, the loss of one worker loses no data.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    TypeError
        If `data` is not a pandas object, or a column has values of different types.
    ValueError
        If the labels of the columns are not unique.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=3)
    >>> ddf.npartitions
    3
    >>> int(ddf.a.sum().compute())
    6
    """
    client = client or current_client()
    is_series = isinstance(data, pd.Series)
    frame = data.to_frame("v") if is_series else data
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"from_pandas() takes a pandas DataFrame or Series, not {type(data).__name__}")
    if not frame.columns.is_unique:
        raise ValueError("cannot upload a frame with duplicate column labels; rename the columns")
    if sort and not frame.index.is_monotonic_increasing:
        frame = frame.sort_index(kind="stable")
    if npartitions is not None and chunksize is not None:
        raise ValueError("from_pandas() takes npartitions= or chunksize=, not both")
    for given, argument in ((npartitions, "npartitions"), (chunksize, "chunksize")):
        if given is not None and given < 1:
            raise ValueError(f"{argument} must be at least 1, not {given}")
    if npartitions is None:
        npartitions = max(sum(client.nthreads().values()), 1)
    if chunksize is None:
        bounds = even_bounds(len(frame), npartitions)
    else:
        bounds = [*range(0, max(len(frame), 1), chunksize), len(frame)]
    made = _upload_frame(client, frame, bounds, replicas)
    is_ascending = frame.index.is_monotonic_increasing and not any(level.hasnans for level in _levels(frame))
    levels = tuple(level.expr for level in made._index)
    made._rows.labels = Labels(levels, frame.index.is_unique, is_ascending)
    return made._column("v").rename(data.name) if is_series else made


def _upload_frame(client: Client, frame: pd.DataFrame, bounds: list[int], replicas: int = 1) -> DataFrame:
    """Upload a pandas frame in partitions with these bounds."""
    table = _table(frame).append_column(ROW, pa.array(np.arange(len(frame), dtype="int64")))
    order, bounds = _order(frame.index, table.schema.types[0], bounds)
    parts = [table.slice(low, high - low) for low, high in zip(bounds, bounds[1:])]
    return _upload_tables(client, parts, frame, order, replicas)


def from_parts(parts: Sequence[pd.DataFrame], client: Client | None = None) -> DataFrame:
    """Upload pandas frames, each as a partition. The sequence is accessed only as needed for the upload.

    The frames must have the same columns, and their concatenated index must be strictly increasing.
    """
    client = client or current_client()
    return _upload_tables(client, _Tables(parts), parts[0], (INDEX + "0",))


def _levels(frame: pd.DataFrame) -> list[pd.Index]:
    return [frame.index.get_level_values(at) for at in range(frame.index.nlevels)]


def _table(frame: pd.DataFrame) -> pa.Table:
    """Convert a pandas frame to the Arrow table that is uploaded: index levels first, columns named by position."""
    levels = [_column(level.to_series(), name) for level, name in zip(_levels(frame), frame.index.names)]
    columns = [_column(frame.iloc[:, at], label) for at, label in enumerate(frame.columns)]
    names = [INDEX + str(at) for at in range(len(levels))] + [f"c{at}" for at in range(len(columns))]
    return pa.table(dict(zip(names, [*levels, *columns])))


class _Tables(Sequence[pa.Table]):
    """The Arrow tables of pandas frames, converted on access."""

    def __init__(self, parts: Sequence[pd.DataFrame]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, at: Any) -> Any:
        return _table(self._parts[at])


def _upload_tables(
    client: Client, parts: Sequence[pa.Table], like: pd.DataFrame, order: tuple[str, ...], replicas: int = 1
) -> DataFrame:
    """Upload tables and return the frame of them, with the index and columns of a pandas frame."""
    name = new_table_name()
    schema = client._connection.upload(name, parts, replicas=replicas, order=order)
    table = Table(name, dict(zip(schema.names, schema.types)))
    rows = Rows(client, table, [SortKey(table.column(name)) for name in order], True, len(parts))
    rows.persisted = name
    release_after(client, name, rows.identity)
    index = tuple(
        Level(label, table.column(f"{INDEX}{at}"), origin_of(level.dtype), regularity_of(level))
        for at, (label, level) in enumerate(zip(like.index.names, _levels(like)))
    )
    cells = {
        label: Column(table.column(f"c{at}"), column_origin(like.dtypes.iloc[at], schema.field(f"c{at}").type))
        for at, label in enumerate(like.columns)
    }
    return DataFrame(rows, cells, index, like.columns[:0])


def _order(index: pd.Index, kind: pa.DataType, bounds: list[int]) -> tuple[tuple[str, ...], list[int]]:
    """Return the columns by which the rows are sorted, and the bounds of the partitions.

    The rows are sorted by the index if it is sorted and no label needs to be in two partitions. In this case the bounds
    are moved to the first row of a label.
    """
    types = pa.types
    # Not floats, since sorting distinguishes -0.0 from 0.0 and pandas does not; not categories, which sort by position.
    has_order = types.is_integer(kind) or types.is_timestamp(kind) or types.is_date(kind) or is_plain_text(kind)
    if index.nlevels > 1 or not has_order or index.hasnans or not index.is_monotonic_increasing:
        return (ROW,), bounds
    if index.is_unique:
        return (INDEX + "0",), bounds
    starts = [int(index.searchsorted(index[bound], side="left")) for bound in bounds[:-1]]
    if any(a >= b for a, b in zip(starts, starts[1:])):
        return (ROW,), bounds
    return (INDEX + "0", ROW), [*starts, bounds[-1]]


def repartition(frame: DataFrame, divisions: Any, npartitions: Any, partition_size: Any, freq: Any) -> DataFrame:
    """Persist a frame in other partitions, which exactly one of the arguments describes."""
    given = [one for one in (divisions, npartitions, partition_size, freq) if one is not None]
    if len(given) != 1:
        raise ValueError("repartition() takes exactly one of divisions=, npartitions=, partition_size= and freq=")
    if npartitions is not None and npartitions < 1:
        raise ValueError(f"npartitions must be at least 1, not {npartitions}")
    if npartitions is not None:
        return frame._persist(check_count(npartitions, "npartitions="))
    if partition_size is not None:
        wanted = parse_bytes(partition_size)
        frame = frame if frame._rows.persisted else frame.persist()
        table = frame._client._connection.table(str(frame._rows.persisted))
        parts = check_count(max(-(-table["bytes"] // wanted), 1), f"partition_size={partition_size!r}")
        return frame._persist(parts)
    if not frame._index:
        raise ValueError("cannot repartition a frame without an index by divisions; use set_index first")
    frame = frame if frame.known_divisions else frame.sort_index()
    first, last = index_bounds(frame)
    known = list(divisions) if freq is None else time_divisions(first, last, freq)
    if first is not None or divisions is not None:
        check_divisions(known, first, last)
    made = frame._persist(splits=[format_split(label) for label in known[1:-1]])
    made._rows.divisions = tuple(known)
    return made


def _column(values: pd.Series, label: Any) -> pa.Array:
    try:
        made = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise TypeError(f"cannot upload column {label!r}: {error}") from None
    if isinstance(made.type, pa.BaseExtensionType):
        raise TypeError(
            f"cannot upload column {label!r}: values of the type {values.dtype} are not supported; convert them to times, "
            "numbers or strings, for example periods with to_timestamp"
        )
    made = _without_nan(made)
    if isinstance(made, pa.ChunkedArray):
        made = made.combine_chunks()
    if pa.types.is_dictionary(made.type) and pa.types.is_boolean(made.type.value_type):
        # The cluster has no dictionaries of booleans; the origin of the column contains the categories.
        made = made.cast(pa.bool_())
    if pa.types.is_dictionary(made.type) and made.type.index_type != pa.int32():
        # Concatenating partitions combines their dictionaries, which needs a larger index type.
        made = made.cast(pa.dictionary(pa.int32(), made.type.value_type, made.type.ordered))
    if pa.types.is_null(made.type):
        made = made.cast(pa.float64() if values.dtype == float else pa.large_string())
    return made


def _without_nan(values: Any) -> Any:
    """Replace NaN by missing values in an Arrow array."""
    if not pa.types.is_floating(values.type):
        return values
    is_nan = pc.is_nan(values)
    return pc.if_else(is_nan, pa.scalar(None, values.type), values) if pc.any(is_nan).as_py() else values


def from_dict(
    data: dict[Any, Any],
    npartitions: int | None = None,
    orient: Any = "columns",
    dtype: Any = None,
    columns: Any = None,
    client: Client | None = None,
) -> DataFrame:
    """Upload a dict of columns; see :meth:`pandas.DataFrame.from_dict`."""
    frame = pd.DataFrame.from_dict(data, orient=orient, dtype=dtype, columns=columns)
    made: DataFrame = from_pandas(frame, npartitions, client=client)
    return made


@trim_traceback
def from_arrow(table: pa.Table, npartitions: int | None = None, client: Client | None = None) -> DataFrame:
    """Upload an Arrow table. The index of the frame counts from 0.

    Parameters
    ----------
    table : pyarrow.Table
        The rows.
    npartitions : int, optional
        Number of partitions. By default one per slot of the cluster.
    client : Client, optional
        Client of the cluster. The default client if not given.
    """
    client = client or current_client()
    if npartitions is None:
        npartitions = max(sum(client.nthreads().values()), 1)
    numbered = pa.table([_without_nan(one) for one in table.columns], [f"c{at}" for at in range(table.num_columns)])
    numbered = numbered.append_column(ROW, pa.array(np.arange(table.num_rows, dtype="int64")))
    bounds = even_bounds(table.num_rows, npartitions)
    parts = [numbered.slice(low, high - low) for low, high in zip(bounds, bounds[1:])]
    name = new_table_name()
    schema = client._connection.upload(name, parts, order=(ROW,))
    uploaded = Table(name, dict(zip(schema.names, schema.types)))
    rows = Rows(client, uploaded, [SortKey(uploaded.column(ROW))], True, len(parts))
    rows.persisted = name
    release_after(client, name, rows.identity)
    cells = {label: Column(uploaded.column(f"c{at}")) for at, label in enumerate(table.column_names)}
    return DataFrame(rows, cells, (), pd.Index(table.column_names)[:0])


@trim_traceback
def from_table(name: str, index: Any = None, client: Client | None = None) -> DataFrame:
    """Read a table of the cluster's catalog, or files by their path.

    Parameters
    ----------
    name : str
        Name of the table, or a path.
    index : str or list of str, optional
        Columns of the index.
    client : Client, optional
        Client of the cluster. The default client if not given.
    """
    client = client or current_client()
    return _relation(client, typed_relation(client, Table, name), index)


@trim_traceback
def read_sql(sql: str, index_col: Any = None, client: Client | None = None) -> DataFrame:
    """Read the rows of a SQL query over tables and files of the cluster.

    Parameters
    ----------
    sql : str
        The query.
    index_col : str or list of str, optional
        Columns of the index.
    client : Client, optional
        Client of the cluster. The default client if not given.

    Examples
    --------
    >>> from partita import dataframe as dd
    >>> ddf = dd.read_sql("SELECT value AS n, value % 2 AS odd FROM generate_series(1, 10)")
    >>> ddf.groupby("odd").n.sum().compute().tolist()
    [30, 25]
    """
    client = client or current_client()
    return _relation(client, typed_relation(client, Query, sql.strip().rstrip(";")), index_col)


def _relation(client: Client, relation: Relation, index: Any, columns: Sequence[str] | None = None) -> DataFrame:
    """Return the frame of a relation whose columns are known."""
    rows = Rows(client, relation)
    known = dict(relation.schema or {})
    for label in columns or []:
        if label not in known:
            raise KeyError(f"no column {label!r}; columns: {', '.join(known)}")
    stored = [name for name in known if name.startswith(INDEX)]
    labels = [] if index is False else [index] if isinstance(index, str) else list(index or stored)
    for label in labels:
        if label not in known:
            raise KeyError(f"no column {label!r}; columns: {', '.join(known)}")
    levels = tuple(
        Level(None if label.startswith(INDEX) else label, replace_nan(rows.column(label))) for label in labels
    )
    if levels:
        rows = rows.with_changes(order=[SortKey(level.expr) for level in levels])
    wanted = columns if columns is not None else [name for name in known if name not in labels]
    cells = {label: Column(replace_nan(rows.column(label))) for label in wanted}
    return DataFrame(rows, cells, levels, pd.Index(list(known))[:0])


def _files(path: Any, index: Any, columns: Any, client: Client | None, **how: Any) -> DataFrame:
    client = client or current_client()
    paths = _paths(path)
    request = paths[0] if len(paths) == 1 and not how else encode_request(paths, **how)
    wanted = [columns] if isinstance(columns, str) else columns
    frame = _relation(client, typed_relation(client, Files, request), index, wanted)
    last = last_file(paths[-1])
    frame._rows.last = None if last is None else Files(last, frame._rows.relation.schema)
    return frame


def _paths(path: Any) -> list[str]:
    paths = [absolute(one) for one in (path if isinstance(path, (list, tuple)) else [path])]
    if not paths:
        raise ValueError("cannot read files: the list of paths is empty")
    return paths


#: Functions that read files, by their extension.
_READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".json": "read_json",
    ".parquet": "read_parquet",
    ".pq": "read_parquet",
}


def _check_extensions(paths: Sequence[str], own: str) -> None:
    """Raise an error for files that another function reads."""
    for path in paths:
        reader = _READERS.get(os.path.splitext(path)[1].lower(), own)
        # A folder may have any name, and a file that does not exist is another error.
        if reader != own and os.path.isfile(path):
            raise ValueError(f"cannot read {path!r} with {own} because of its extension; use {reader}")


@trim_traceback
def read_parquet(
    path: Any,
    columns: Any = None,
    filters: Any = None,
    index: Any = None,
    client: Client | None = None,
    **arguments: Any,
) -> Any:
    """Read Parquet files.

    Workers read only the columns that are used, and skip row groups that cannot match the conditions. The order of the
    rows is undefined, unless the frame has an index: then the rows are sorted by it.

    Parameters
    ----------
    path : str or list of str
        A file, a folder, a glob pattern, or a list of these. All nodes must see the files.
    columns : str or list of str, optional
        Columns to read. A single string returns a column.
    filters : list, optional
        Conditions such as ``[("year", "==", 2024), ("x", ">", 0)]`` that must all be true, or a list of such lists, one
        of which must be true. Unlike in Dask, which skips only whole row groups, the filters apply to every row.
    index : str or list of str, optional
        Columns of the index. By default the index that the files were written with; False for none.
    client : Client, optional
        Client of the cluster. The default client if not given.
    **arguments
        ``dtype_backend`` as in pandas. Arguments that only tune Dask are accepted without effect.

    Returns
    -------
    DataFrame or Series
    """
    for name in (
        "calculate_divisions",
        "split_row_groups",
        "aggregate_files",
        "parquet_file_extension",
    ):
        arguments.pop(name, None)
    for name in ("storage_options", "filesystem", "categories"):
        if arguments.pop(name, None) not in (None, {}, "auto", "arrow", "fsspec"):
            raise NotImplementedError(f"read_parquet() does not support {name}=")
    arguments.pop("ignore_metadata_file", None)
    backend = arguments.pop("dtype_backend", None)
    if backend not in _BACKENDS:
        raise ValueError(f"dtype_backend must be 'numpy_nullable' or 'pyarrow', not {backend!r}")
    reject_unsupported("read_parquet", arguments)
    _check_extensions(_paths(path), "read_parquet")
    known = read_metadata(_paths(path)[0])
    if index is None:
        index = [name for name in known.levels if not name.startswith(INDEX)]
    frame = _files(path, index, None, client, **({"key_types": known.keys} if known.keys else {}))
    for label, origin in known.origins.items():
        if label in frame._columns:
            frame._columns[label] = frame._columns[label]._replace(origin=origin)
    frame = _restore_levels(frame, known.origins)
    if backend is not None:
        origin = _BACKENDS[backend]
        levels = tuple(level._replace(origin=level.origin or origin) for level in frame._index)
        cells = {
            label: cell if pa.types.is_dictionary(kind) else cell._replace(origin=cell.origin or origin)
            for (label, cell), kind in zip(frame._columns.items(), frame._kinds().values())
        }
        frame = DataFrame(frame._rows, cells, levels, frame._axis)
    if known.axis is not None:
        frame._axis = frame.columns.rename(known.axis)[:0]
    if filters:
        frame = frame._filtered(_any_of(frame, filters))
    if columns is None:
        return frame
    found = frame[[columns] if isinstance(columns, str) else list(columns)]
    return found._column(columns) if isinstance(columns, str) else found


def _restore_levels(frame: DataFrame, origins: dict[str, Any]) -> DataFrame:
    """Return a frame that was read from files with the origins of its index levels."""
    labels = [INDEX + str(at) if level.name is None else level.name for at, level in enumerate(frame._index)]
    levels = tuple(
        level._replace(origin=origins.get(label, level.origin)) for label, level in zip(labels, frame._index)
    )
    if levels == frame._index:
        return frame
    order = [SortKey(sort_value(level.expr, level.origin)) for level in levels]
    return DataFrame(frame._rows.with_changes(order=order), frame._columns, levels, frame._axis)


#: Origin of columns by ``dtype_backend``.
_BACKENDS = {None: None, "numpy_nullable": NULLABLE, "pyarrow": ARROW}
_TESTS = {
    "==": "__eq__",
    "=": "__eq__",
    "!=": "__ne__",
    "<": "__lt__",
    "<=": "__le__",
    ">": "__gt__",
    ">=": "__ge__",
    "in": "isin",
}


def _any_of(frame: DataFrame, filters: Any) -> Any:
    """Return the condition of filters: a list of triples, or a list of such lists, one of which must be true."""
    groups = filters if isinstance(filters[0], list) else [filters]
    whole: Any = None
    for group in groups:
        every: Any = None
        for label, sign, value in group:
            column = frame._key(label)
            if sign in ("is", "is not") and pd.isna(value):
                test = column.isna() if sign == "is" else column.notna()
                every = test if every is None else every & test
                continue
            for one in value if sign in ("in", "not in") else [value]:
                if column._is_unlike(one):
                    raise TypeError(
                        f"cannot filter column {label!r} by {one!r}: the column contains {sort_of(column._kind)}"
                    )
            if sign == "not in":
                test = ~column.isin(value)
            elif sign in _TESTS:
                test = getattr(column, _TESTS[sign])(value)
            else:
                raise ValueError(f"unsupported operator {sign!r} in filters; use one of {', '.join(_TESTS)}, not in")
            every = test if every is None else every & test
        whole = every if whole is None else whole | every
    return whole


@trim_traceback
def read_csv(
    path: Any,
    sep: Any = ",",
    header: Any = "infer",
    names: Any = None,
    index_col: Any = None,
    usecols: Any = None,
    dtype: Any = None,
    parse_dates: Any = None,
    client: Client | None = None,
    include_path_column: Any = False,
    **arguments: Any,
) -> Any:
    """Read CSV files, plain or compressed. The order of the rows is undefined.

    Columns are matched by name in each file. The types are those that pandas infers, based on all values: if the files
    have more than 64 MiB in total, the workers read them once to infer the types, unless `dtype` contains all types. If
    the files have more than 2 GiB per thread of the cluster, the types are inferred from a sample; a later value that
    does not fit raises an error that names the columns and their types.

    Parameters
    ----------
    path : str or list of str
        A file, a folder, a glob pattern, or a list of these. All nodes must see the files.
    sep : str
        Separator: one character, or ``r"\\s+"`` for whitespace.
    header : int or None
        Line with the names of the columns.
    names : list, optional
        Names of the columns, instead of a header.
    index_col : str, int or list, optional
        Columns of the index.
    usecols : list or callable, optional
        Columns to read, by name or by position. They are in the order of the file.
    dtype : dict or type, optional
        Types of the columns, such as ``{"id": "str", "x": "float64"}``.
    parse_dates : list, optional
        Columns of times in ISO 8601.
    client : Client, optional
        Client of the cluster. The default client if not given.
    include_path_column : bool or str
        Whether to add a column with the path of each row's file, named ``"path"`` or by this string.
    **arguments
        ``quotechar``, ``quoting``, ``doublequote``, ``escapechar``, ``comment``, ``lineterminator``,
        ``skipinitialspace``, ``skiprows`` (a number or a list), ``nrows`` (for a single file), ``on_bad_lines``
        (``"error"`` or ``"skip"``), ``encoding``, ``encoding_errors``, ``compression``, ``na_values``,
        ``keep_default_na``, ``na_filter``, ``true_values``, ``false_values``, ``decimal``, ``thousands`` as in pandas,
        and ``assume_missing`` as in Dask.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from partita import dataframe as dd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pd.DataFrame({"id": ["007", "008"], "x": [1, 2]}).to_csv(folder + "/a.csv", index=False)
    ...     dd.read_csv(folder + "/*.csv", dtype={"id": "str"}).compute().id.tolist()
    ['007', '008']
    """
    arguments |= {"sep": sep, "header": header, "names": names, "dtype": dtype, "parse_dates": parse_dates}
    dialect = Dialect(arguments)
    if dialect.index_of_times and isinstance(index_col, (str, int)):
        dialect.csv["dates"].append(index_col)
    column = "path" if include_path_column is True else include_path_column or None
    client = client or current_client()
    paths = _paths(path)
    _check_extensions(paths, "read_csv")
    request = encode_request(paths, csv=dialect.csv, path_column=column)
    rows = Rows(client, typed_relation(client, Files, request))
    schema = rows.schema
    found = {dialect.label(at, name): at for at, name in enumerate(schema.names)}
    _check_labels(dialect, found)
    added = [label for label in found if label == column]
    wanted = [*select_columns(usecols, [label for label in found if label not in added]), *added]
    cells = {label: _cell(dialect, label, found[label], rows.relation) for label in wanted}
    labels = [wanted[one] if isinstance(one, int) and one not in wanted else one for one in _listed(index_col)]
    for label in labels:
        if label not in cells:
            raise ValueError(f"Index {label} invalid")
    levels = tuple(Level(label, cells[label].expr, cells[label].origin) for label in labels)
    if levels:
        rows = rows.with_changes(order=[SortKey(level.expr) for level in levels])
    last = last_file(paths[-1])
    if last is not None:
        rows.last = Files(encode_request([last], csv=dialect.csv, path_column=column), rows.relation.schema)
    kept = {label: cell for label, cell in cells.items() if label not in labels}
    return DataFrame(rows, kept, levels, pd.Index(list(kept))[:0])


def _listed(index_col: Any) -> list[Any]:
    if index_col is None or index_col is False:
        return []
    return list(index_col) if isinstance(index_col, (list, tuple)) else [index_col]


def _check_labels(dialect: Dialect, found: dict[Any, int]) -> None:
    """Raise an error if ``dtype`` or ``parse_dates`` names a column that the files do not have."""
    typed = dialect.dtype if isinstance(dialect.dtype, dict) else {}
    for label in [*typed, *dialect.dates]:
        if label not in found and not (isinstance(label, int) and 0 <= label < len(found)):
            raise KeyError(f"no column {label!r}; columns: {', '.join(map(str, found))}")


def _cell(dialect: Dialect, label: Any, at: int, files: Relation) -> Column:
    """Return a column of the files with the type of ``dtype``."""
    dtype = dialect.dtype_of(at, label)
    value = replace_nan(files.column(list(files.schema or ())[at]))
    if dtype is None and dialect.assumes_missing and value.dtype is not None and pa.types.is_integer(value.dtype):
        return Column(cast(value, pa.float64()))
    categories = isinstance(dtype, pd.CategoricalDtype) and dtype.categories is not None
    origin = dtype if categories else None if dtype is None else origin_after(dtype)
    return Column(value, None if isinstance(origin, pd.CategoricalDtype) and not categories else origin)


@trim_traceback
def read_json(
    path: Any,
    index: Any = None,
    lines: bool = True,
    orient: Any = "records",
    client: Client | None = None,
    **arguments: Any,
) -> DataFrame:
    """Read files of newline-delimited JSON. The order of the rows is undefined.

    Parameters
    ----------
    path : str or list of str
        A file, a folder, a glob pattern, or a list of these. All nodes must see the files.
    index : str or list of str, optional
        Columns of the index.
    lines : bool
        Must be True.
    orient : str
        Must be ``"records"``.
    client : Client, optional
        Client of the cluster. The default client if not given.
    """
    if not lines or orient != "records":
        raise NotImplementedError("read_json() supports only orient='records' and lines=True")
    arguments.pop("blocksize", None)
    reject_unsupported("read_json", arguments)
    return _files(path, index, None, client)
