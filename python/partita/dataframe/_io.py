"""Frames from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._client import current_client
from ._base import Level
from ._frame import DataFrame
from ._partitions import bytes_of, check_divisions, checked, ends, evenly, pieces, split
from ._rows import Rows, drop_later, held_name
from ._sql import INDEX, ROW, is_plain_text, literal, quote

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["from_arrow", "from_dict", "from_pandas", "from_table", "read_csv", "read_json", "read_parquet", "read_sql"]


def from_pandas(
    data: Any,
    npartitions: int | None = None,
    sort: bool = True,
    chunksize: int | None = None,
    client: Client | None = None,
    replicas: int = 1,
) -> Any:
    """A frame or a column of pandas, spread over the workers.

    Parameters
    ----------
    data : pandas.DataFrame or pandas.Series
        The rows. They are brought to the workers at once, in parallel.
    npartitions : int, optional
        In how many partitions; one for each slot of the cluster if not given.
    sort : bool
        Whether the rows are put in the order of their index, as Dask does.
    chunksize : int, optional
        Rows of a partition, instead of ``npartitions``.
    replicas : int
        On how many workers each partition is held. With 2 the loss of one worker loses nothing.

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
        raise TypeError(f"from_pandas takes a DataFrame or a Series of pandas, not {type(data).__name__}")
    if not frame.columns.is_unique:
        raise ValueError("the labels of the columns must be unique")
    if sort and not frame.index.is_monotonic_increasing:
        frame = frame.sort_index(kind="stable")
    if chunksize is not None:
        npartitions = max(-(-len(frame) // chunksize), 1)
    if npartitions is None:
        npartitions = max(sum(client.nthreads().values()), 1)
    made = _brought(client, frame, evenly(len(frame), npartitions), replicas)
    return made._column("v").rename(data.name) if is_series else made


def _brought(client: Client, frame: pd.DataFrame, bounds: list[int], replicas: int = 1) -> DataFrame:
    """A frame of pandas on the workers, in partitions with these borders."""
    levels = [frame.index.get_level_values(at) for at in range(frame.index.nlevels)]
    names = [INDEX + str(at) for at in range(len(levels))] + [f"c{at}" for at in range(len(frame.columns))] + [ROW]
    columns = [pa.array(level, from_pandas=True) for level in levels]
    columns += [_column(frame.iloc[:, at], label) for at, label in enumerate(frame.columns)]
    columns.append(pa.array(np.arange(len(frame), dtype="int64")))
    table = pa.table(dict(zip(names, columns)))
    order, bounds = _order(frame.index, columns[0].type, bounds)
    parts = [table.slice(low, high - low) for low, high in zip(bounds, bounds[1:])]
    name = held_name()
    client._connection.put(name, parts, replicas=replicas, order=order)
    rows = Rows(client, quote(name), tuple(map(quote, order)), True, len(parts))
    rows.held = name
    drop_later(client, name, rows.identity)
    index = tuple(Level(label, quote(INDEX + str(at))) for at, label in enumerate(frame.index.names))
    kinds = [column.type for column in columns[len(levels) : -1]]
    cells = {label: (quote(f"c{at}"), kinds[at]) for at, label in enumerate(frame.columns)}
    return DataFrame(rows, cells, index)


def _order(index: pd.Index, kind: pa.DataType, bounds: list[int]) -> tuple[tuple[str, ...], list[int]]:
    """The columns by which rows are in order: the index, if it is in order and its labels can be kept together.

    Partitions begin where a label does, then.
    """
    types = pa.types
    # Floats have two zeros, which pandas does not tell apart; categories have an order of their own.
    has_order = types.is_integer(kind) or types.is_timestamp(kind) or types.is_date(kind) or is_plain_text(kind)
    if index.nlevels > 1 or not has_order or index.hasnans or not index.is_monotonic_increasing:
        return (ROW,), bounds
    if index.is_unique:
        return (INDEX + "0",), bounds
    starts = [int(index.searchsorted(index[bound], side="left")) for bound in bounds[:-1]]
    if any(a >= b for a, b in zip(starts, starts[1:])):
        return (ROW,), bounds
    return (INDEX + "0", ROW), [*starts, bounds[-1]]


def repartitioned(frame: DataFrame, divisions: Any, npartitions: Any, partition_size: Any, freq: Any) -> DataFrame:
    """A frame in other partitions, by one of these."""
    given = [one for one in (divisions, npartitions, partition_size, freq) if one is not None]
    if len(given) != 1:
        raise ValueError("repartition takes one of divisions=, npartitions=, partition_size=, freq=")
    if npartitions is not None and npartitions < 1:
        raise ValueError(f"npartitions is 1 at least, not {npartitions}")
    if npartitions is not None:
        return frame._held(f"partitions = {checked(npartitions, 'npartitions=')}")
    if partition_size is not None:
        wanted = bytes_of(partition_size)
        frame = frame if frame._rows.held else frame.persist()
        table = frame._client._connection.table(str(frame._rows.held))
        parts = checked(max(-(-table["bytes"] // wanted), 1), f"partition_size={partition_size!r}")
        return frame._held(f"partitions = {parts}")
    if not frame._index:
        raise ValueError("divisions are labels of an index, which this frame has not: set_index first")
    frame = frame if frame.known_divisions else frame.sort_index()
    first, last = ends(frame)
    known = list(divisions) if freq is None else pieces(first, last, freq)
    if first is not None or divisions is not None:
        check_divisions(known, first, last)
    made = frame._held(f"splits = [{', '.join(split(label) for label in known[1:-1])}]")
    made._rows.divisions = tuple(known)
    return made


def _column(values: pd.Series, label: Any) -> pa.Array:
    try:
        made = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise TypeError(f"column {label!r} cannot be brought to the cluster: {error}") from None
    if isinstance(made, pa.ChunkedArray):
        made = made.combine_chunks()
    if pa.types.is_null(made.type):
        made = made.cast(pa.float64() if values.dtype == float else pa.large_string())
    return made


def from_dict(
    data: dict[Any, Any], npartitions: int | None = None, client: Client | None = None, **_: Any
) -> DataFrame:
    """Columns of a dictionary, spread over the workers."""
    made: DataFrame = from_pandas(pd.DataFrame(data), npartitions, client=client)
    return made


def from_arrow(table: pa.Table, npartitions: int | None = None, client: Client | None = None) -> DataFrame:
    """Rows of Arrow, spread over the workers. Their index is counted from 0."""
    client = client or current_client()
    if npartitions is None:
        npartitions = max(sum(client.nthreads().values()), 1)
    numbered = table.rename_columns([f"c{at}" for at in range(table.num_columns)])
    numbered = numbered.append_column(ROW, pa.array(np.arange(table.num_rows, dtype="int64")))
    bounds = evenly(table.num_rows, npartitions)
    parts = [numbered.slice(low, high - low) for low, high in zip(bounds, bounds[1:])]
    name = held_name()
    client._connection.put(name, parts, order=(ROW,))
    rows = Rows(client, quote(name), (quote(ROW),), True, len(parts))
    rows.held = name
    drop_later(client, name, rows.identity)
    cells: dict[Any, Any] = {
        label: (quote(f"c{at}"), table.schema.types[at]) for at, label in enumerate(table.column_names)
    }
    return DataFrame(rows, cells, ())


def from_table(name: str, index: Any = None, client: Client | None = None) -> DataFrame:
    """A table that the cluster knows by its name: one that is held, or files by their path."""
    return read_sql(f"SELECT * FROM {quote(name)}", index_col=index, client=client)


def read_sql(sql: str, index_col: Any = None, client: Client | None = None) -> DataFrame:
    """The rows of a query over the cluster's tables and files.

    Examples
    --------
    >>> from partita import dataframe as dd
    >>> ddf = dd.read_sql("SELECT value AS n, value % 2 AS odd FROM generate_series(1, 10)")
    >>> ddf.groupby("odd").n.sum().compute().tolist()
    [30, 25]
    """
    client = client or current_client()
    return _relation(client, f"({sql.strip().rstrip(';')})", index_col)


def _relation(client: Client, root: str, index: Any, columns: Sequence[str] | None = None) -> DataFrame:
    rows = Rows(client, root)
    schema = rows.schema
    known = dict(zip(schema.names, schema.types))
    for label in columns or []:
        if label not in known:
            raise KeyError(f"no column {label!r}: there are {', '.join(known)}")
    stored = [name for name in known if name.startswith(INDEX)]
    labels = [index] if isinstance(index, str) else list(index or stored)
    levels = tuple(Level(None if label.startswith(INDEX) else label, quote(label)) for label in labels)
    order = tuple(f"{quote(label)} ASC NULLS LAST" for label in labels) if index else ()
    if order:
        rows = Rows(client, root, order)
    wanted = columns if columns is not None else [name for name in known if name not in labels]
    return DataFrame(rows, {label: (quote(label), known[label]) for label in wanted}, levels)


def _files(path: Any, index: Any, columns: Any, client: Client | None) -> DataFrame:
    client = client or current_client()
    paths = [path] if not isinstance(path, (list, tuple)) else list(path)
    roots = [f"SELECT * FROM {literal(str(one))}" for one in paths]
    root = literal(str(paths[0])) if len(paths) == 1 else f"({' UNION ALL '.join(roots)})"
    wanted = [columns] if isinstance(columns, str) else columns
    return _relation(client, root, index, wanted)


def read_parquet(path: Any, columns: Any = None, index: Any = None, client: Client | None = None) -> DataFrame:
    """The rows of Parquet files: a file, a folder, a pattern, or a list of these.

    Only columns that are used are read, and only row groups that conditions do not rule out. The rows are in no order,
    unless ``index`` names the columns of one.
    """
    return _files(path, index, columns, client)


def read_csv(
    path: Any, usecols: Any = None, index_col: Any = None, sep: str = ",", client: Client | None = None
) -> DataFrame:
    """The rows of CSV files, plain or compressed: a file, a folder, a pattern, or a list of these. The rows are in no order."""
    if sep == ",":
        return _files(path, index_col, usecols, client)
    client = client or current_client()
    name = held_name()
    options = f"'format.delimiter' {literal(sep)}, 'format.has_header' 'true'"
    client._connection.query(
        f"CREATE EXTERNAL TABLE {quote(name)} STORED AS CSV LOCATION {literal(str(path))} OPTIONS ({options})"
    )
    frame = _relation(client, quote(name), index_col, usecols)
    drop_later(client, name, frame._rows.identity)
    return frame


def read_json(path: Any, index: Any = None, client: Client | None = None) -> DataFrame:
    """The rows of files of newline-delimited JSON. The rows are in no order."""
    return _files(path, index, None, client)
