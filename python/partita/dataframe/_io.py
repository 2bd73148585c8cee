"""Creation of frames from pandas, Arrow, tables and files."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .._client import current_client
from .._errors import trim_traceback
from ..plan.expr import SortKey
from ..plan.relation import Files, Query, Relation, Table
from ._arguments import reject_unsupported
from ._base import Level
from ._columns import (
    Column,
    column_origin,
    has_intervals,
    has_tuples,
    keyed_columns,
    origin_of,
    regularity_of,
)
from ._dialects import encode_request
from ._frame import DataFrame
from ._listing import listed
from ._mixed import Mixed, check_zones, has_several_types, missing_of, mixed_array
from ._pandas_metadata import absolute, last_file
from ._partitions import (
    divide,
    even_bounds,
)
from ._periods import starts_of
from ._rows import Labels, Rows, new_table_name, release_after, typed_relation
from ._sql import INDEX, ROW, is_plain_text, replace_nan

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["from_arrow", "from_dict", "from_pandas", "from_table", "read_sql"]


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
        If `data` is not a pandas object, or a column has values of unsupported types.
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
        raise TypeError(f"the input of from_pandas() must be a pandas DataFrame or Series, not {type(data).__name__}")
    if npartitions is not None and chunksize is not None:
        raise ValueError("Exactly one of npartitions and chunksize must be specified.")
    for name, number in (("npartitions", npartitions), ("chunksize", chunksize)):
        if number is not None and not isinstance(number, (int, np.integer)):
            raise TypeError(f"provide {name} as an int, not {number!r}")
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
    made = _upload_tables(client, parts, frame, order, replicas)
    if order[0] != ROW and len(frame):
        divide(made, frame.index[[*bounds[:-1], -1]])
    return made


def from_parts(parts: Sequence[pd.DataFrame], client: Client | None = None) -> DataFrame:
    """Upload pandas frames, each as a partition. The sequence is accessed only as needed for the upload.

    The frames must have the same columns, and their concatenated index must be strictly increasing.
    """
    client = client or current_client()
    return _upload_tables(client, _Tables(parts), parts[0], (INDEX + "0",))


def _levels(frame: pd.DataFrame) -> list[pd.Index]:
    return [frame.index.get_level_values(at) for at in range(frame.index.nlevels)]


def _table(frame: pd.DataFrame, mixed: frozenset[int] = frozenset()) -> pa.Table:
    """Convert a pandas frame to the Arrow table that is uploaded: index levels first, columns named by position.

    Columns at the positions `mixed` have values of several types, also if those of this frame have one.
    """
    levels = [_column(level.to_series(), name, is_level=True) for level, name in zip(_levels(frame), frame.index.names)]
    columns = [
        _mixed_column(frame.iloc[:, at], label) if at in mixed else _column(frame.iloc[:, at], label)
        for at, label in enumerate(frame.columns)
    ]
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
    origins = [
        column_origin(dtype, schema.field(f"c{at}").type, has_tuples(like.iloc[:, at]))
        for at, dtype in enumerate(like.dtypes)
    ]
    cells = [
        Column(table.column(f"c{at}"), missing_of(like.iloc[:, at]) if isinstance(origin, Mixed) else origin)
        for at, origin in enumerate(origins)
    ]
    return DataFrame(rows, keyed_columns(zip(like.columns, cells)), index, like.columns[:0])


def _order(index: pd.Index, kind: pa.DataType, bounds: list[int]) -> tuple[tuple[str, ...], list[int]]:
    """Return the columns by which the rows are sorted, and the bounds of the partitions.

    The rows are sorted by the index if it is sorted and no label needs to be in two partitions. In this case the bounds
    are moved to the first row of a label; there may be up to half as many.
    """
    types = pa.types
    # Not floats, since sorting distinguishes -0.0 from 0.0 and pandas does not; not categories, which sort by position.
    has_order = (
        types.is_integer(kind)
        or types.is_timestamp(kind)
        or types.is_date(kind)
        or types.is_duration(kind)
        or is_plain_text(kind)
    )
    if index.nlevels > 1 or not has_order or index.hasnans or not index.is_monotonic_increasing:
        return (ROW,), bounds
    if index.is_unique:
        return (INDEX + "0",), bounds
    wanted = len(bounds) - 1
    starts = sorted({int(index.searchsorted(index[bound], side="left")) for bound in bounds[:-1]})
    if len(starts) < wanted:
        firsts = np.flatnonzero(~index.duplicated())
        starts = firsts.tolist() if len(firsts) <= wanted else starts
    if 2 * len(starts) < wanted:
        return (ROW,), bounds
    return (INDEX + "0", ROW), [*starts, bounds[-1]]


def _column(values: pd.Series, label: Any, is_level: bool = False) -> pa.Array:
    if has_intervals(values.dtype):
        values = values.cat.rename_categories([str(one) for one in values.cat.categories])
    if isinstance(values.dtype, pd.PeriodDtype):
        values = starts_of(values)
    if values.dtype == object:
        check_zones(values, label)
        # Arrow would convert some values, such as numbers beside dates.
        if not is_level and has_several_types(values):
            return _mixed_column(values, label)
    try:
        made = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        if values.dtype == object and not is_level:
            return _mixed_column(values, label)
        raise TypeError(f"cannot upload column {label!r}: {error}") from None
    if isinstance(made.type, pa.BaseExtensionType):
        raise TypeError(
            f"cannot upload column {label!r}: values of the type {values.dtype} are not supported; convert them to times, "
            "numbers or strings"
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


def _mixed_column(values: pd.Series, label: Any) -> pa.Array:
    """Convert a column of objects of several types."""
    try:
        return mixed_array(values)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        OverflowError,
        TypeError,
        pickle.PicklingError,
    ) as error:
        raise TypeError(f"cannot upload column {label!r}: {error}") from None


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
def read_sql(
    sql: Any, con: Any = None, index_col: Any = None, client: Client | None = None, **arguments: Any
) -> DataFrame:
    """Read the rows of a SQL query over tables and files of the cluster, or a table or query of a database.

    Parameters
    ----------
    sql : str or sqlalchemy.Select
        The query. With `con`, the name of a table of the database, or a selection of SQLAlchemy.
    con : str, optional
        URL of a database; see :func:`read_sql_table` and :func:`read_sql_query`.
    index_col : str or list of str, optional
        Columns of the index.
    client : Client, optional
        Client of the cluster. The default client if not given.
    **arguments
        With `con`, arguments of :func:`read_sql_table` or :func:`read_sql_query`.

    Examples
    --------
    >>> from partita import dataframe as dd
    >>> ddf = dd.read_sql("SELECT value AS n, value % 2 AS odd FROM generate_series(1, 10)")
    >>> ddf.groupby("odd").n.sum().compute().tolist()
    [30, 25]
    """
    if con is not None:
        from ._databases import read_sql_query, read_sql_table

        read: Any = read_sql_table if isinstance(sql, str) else read_sql_query
        found: DataFrame = read(sql, con, index_col, **arguments)
        return found
    reject_unsupported("read_sql", arguments)
    client = client or current_client()
    return _relation(client, typed_relation(client, Query, sql.strip().rstrip(";")), index_col)


def _relation(client: Client, relation: Relation, index: Any, columns: Sequence[str] | None = None) -> DataFrame:
    """Return the frame of a relation whose columns are known."""
    rows = Rows(client, relation)
    known = dict(relation.schema or {})
    for label in columns or []:
        if label not in known:
            raise KeyError(f"no column {label!r}; columns: {listed(known, label)}")
    stored = [name for name in known if name.startswith(INDEX)]
    labels = [] if index is False else [index] if isinstance(index, str) else list(index or stored)
    for label in labels:
        if label not in known:
            raise KeyError(f"no column {label!r}; columns: {listed(known, label)}")
    levels = tuple(
        Level(None if label.startswith(INDEX) else label, replace_nan(rows.column(label))) for label in labels
    )
    if levels:
        rows = rows.with_changes(order=[SortKey(level.expr) for level in levels])
    wanted = columns if columns is not None else [name for name in known if name not in labels]
    cells = {label: Column(replace_nan(rows.column(label))) for label in wanted}
    return DataFrame(rows, cells, levels, pd.Index(list(known))[:0])


def files_frame(path: Any, index: Any, columns: Any, client: Client | None, **how: Any) -> DataFrame:
    client = client or current_client()
    paths = file_paths(path, stores=True)
    request = paths[0] if len(paths) == 1 and not how else encode_request(paths, **how)
    wanted = [columns] if isinstance(columns, str) else columns
    frame = _relation(client, typed_relation(client, Files, request), index, wanted)
    last = last_file(paths[-1])
    frame._rows.last = None if last is None else Files(last, frame._rows.relation.schema)
    return frame


def file_paths(path: Any, stores: bool = False) -> list[str]:
    paths = [absolute(one, stores) for one in (path if isinstance(path, (list, tuple)) else [path])]
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


def check_extensions(paths: Sequence[str], own: str) -> None:
    """Raise an error for files that another function reads."""
    for path in paths:
        reader = _READERS.get(os.path.splitext(path)[1].lower(), own)
        # A folder may have any name, and a file that does not exist is another error.
        if reader != own and os.path.isfile(path):
            raise ValueError(f"cannot read {path!r} with {own} because of its extension; use {reader}")
