"""Frames from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .._client import current_client
from .._errors import thin
from ._arguments import tuning
from ._base import Level
from ._columns import ARROW, NULLABLE, Column, origin_of
from ._dialects import Dialect, chosen, request
from ._expressions import origin_after
from ._frame import DataFrame
from ._partitions import bytes_of, check_divisions, checked, ends, evenly, pieces, split
from ._rows import Rows, drop_later, persisted_name
from ._sql import INDEX, ROW, is_plain_text, literal, present, quote, sort_of
from ._stored import absolute, last_file, written_by_pandas

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["from_arrow", "from_dict", "from_pandas", "from_table", "read_csv", "read_json", "read_parquet", "read_sql"]


@thin
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
        The rows. They are uploaded to the workers at once, in parallel.
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
    if npartitions < 1:
        raise ValueError(f"npartitions is 1 at least, not {npartitions}")
    made = _brought(client, frame, evenly(len(frame), npartitions), replicas)
    return made._column("v").rename(data.name) if is_series else made


def _brought(client: Client, frame: pd.DataFrame, bounds: list[int], replicas: int = 1) -> DataFrame:
    """A frame of pandas on the workers, in partitions with these borders."""
    table = _table(frame).append_column(ROW, pa.array(np.arange(len(frame), dtype="int64")))
    order, bounds = _order(frame.index, table.schema.types[0], bounds)
    parts = [table.slice(low, high - low) for low, high in zip(bounds, bounds[1:])]
    return _upload(client, parts, frame, order, replicas)


def from_parts(parts: Sequence[pd.DataFrame], client: Client | None = None) -> DataFrame:
    """Frames of pandas, one after the other, each as a partition. They are asked for one by one, a few at once.

    Their columns are alike, and the labels of their indexes rise from the first row of the first to the last row of
    the last.
    """
    client = client or current_client()
    return _upload(client, _Tables(parts), parts[0], (INDEX + "0",))


def _levels(frame: pd.DataFrame) -> list[pd.Index]:
    return [frame.index.get_level_values(at) for at in range(frame.index.nlevels)]


def _table(frame: pd.DataFrame) -> pa.Table:
    """A frame of pandas as workers hold it: the index first, columns by their numbers."""
    levels = [_column(level.to_series(), name) for level, name in zip(_levels(frame), frame.index.names)]
    columns = [_column(frame.iloc[:, at], label) for at, label in enumerate(frame.columns)]
    names = [INDEX + str(at) for at in range(len(levels))] + [f"c{at}" for at in range(len(columns))]
    return pa.table(dict(zip(names, [*levels, *columns])))


class _Tables(Sequence[pa.Table]):
    """Frames of pandas as workers hold them, each when it is asked for."""

    def __init__(self, parts: Sequence[pd.DataFrame]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, at: Any) -> Any:
        return _table(self._parts[at])


def _upload(
    client: Client, parts: Sequence[pa.Table], like: pd.DataFrame, order: tuple[str, ...], replicas: int = 1
) -> DataFrame:
    """Tables on the workers, as the frame whose index and columns are like those of one of pandas."""
    name = persisted_name()
    schema = client._connection.upload(name, parts, replicas=replicas, order=order)
    rows = Rows(client, quote(name), tuple(map(quote, order)), True, len(parts))
    rows.persisted = name
    drop_later(client, name, rows.identity)
    index = tuple(
        Level(label, quote(INDEX + str(at)), origin_of(level.dtype))
        for at, (label, level) in enumerate(zip(like.index.names, _levels(like)))
    )
    cells = {
        label: Column(quote(f"c{at}"), schema.field(f"c{at}").type, origin_of(like.dtypes.iloc[at]))
        for at, label in enumerate(like.columns)
    }
    return DataFrame(rows, cells, index, like.columns[:0])


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
        return frame._persist(f"partitions = {checked(npartitions, 'npartitions=')}")
    if partition_size is not None:
        wanted = bytes_of(partition_size)
        frame = frame if frame._rows.persisted else frame.persist()
        table = frame._client._connection.table(str(frame._rows.persisted))
        parts = checked(max(-(-table["bytes"] // wanted), 1), f"partition_size={partition_size!r}")
        return frame._persist(f"partitions = {parts}")
    if not frame._index:
        raise ValueError("divisions are labels of an index, which this frame has not: set_index first")
    frame = frame if frame.known_divisions else frame.sort_index()
    first, last = ends(frame)
    known = list(divisions) if freq is None else pieces(first, last, freq)
    if first is not None or divisions is not None:
        check_divisions(known, first, last)
    made = frame._persist(f"splits = [{', '.join(split(label) for label in known[1:-1])}]")
    made._rows.divisions = tuple(known)
    return made


def _column(values: pd.Series, label: Any) -> pa.Array:
    try:
        made = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise TypeError(f"column {label!r} cannot be uploaded to the cluster: {error}") from None
    made = _without_nan(made)
    if isinstance(made, pa.ChunkedArray):
        made = made.combine_chunks()
    if pa.types.is_dictionary(made.type) and made.type.index_type != pa.int32():
        # Partitions are put together: there the places of many dictionaries must have room.
        made = made.cast(pa.dictionary(pa.int32(), made.type.value_type, made.type.ordered))
    if pa.types.is_null(made.type):
        made = made.cast(pa.float64() if values.dtype == float else pa.large_string())
    return made


def _without_nan(values: Any) -> Any:
    """An array of Arrow that is missing where it is NaN."""
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
    """Columns of a dictionary, spread over the workers."""
    frame = pd.DataFrame.from_dict(data, orient=orient, dtype=dtype, columns=columns)
    made: DataFrame = from_pandas(frame, npartitions, client=client)
    return made


@thin
def from_arrow(table: pa.Table, npartitions: int | None = None, client: Client | None = None) -> DataFrame:
    """Rows of Arrow, spread over the workers. Their index is counted from 0."""
    client = client or current_client()
    if npartitions is None:
        npartitions = max(sum(client.nthreads().values()), 1)
    numbered = pa.table([_without_nan(one) for one in table.columns], [f"c{at}" for at in range(table.num_columns)])
    numbered = numbered.append_column(ROW, pa.array(np.arange(table.num_rows, dtype="int64")))
    bounds = evenly(table.num_rows, npartitions)
    parts = [numbered.slice(low, high - low) for low, high in zip(bounds, bounds[1:])]
    name = persisted_name()
    client._connection.upload(name, parts, order=(ROW,))
    rows = Rows(client, quote(name), (quote(ROW),), True, len(parts))
    rows.persisted = name
    drop_later(client, name, rows.identity)
    cells = {label: Column(quote(f"c{at}"), table.schema.types[at]) for at, label in enumerate(table.column_names)}
    return DataFrame(rows, cells, (), pd.Index(table.column_names)[:0])


@thin
def from_table(name: str, index: Any = None, client: Client | None = None) -> DataFrame:
    """A table that the cluster knows by its name: a persisted one, or files by their path."""
    return read_sql(f"SELECT * FROM {quote(name)}", index_col=index, client=client)


@thin
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
    labels = [] if index is False else [index] if isinstance(index, str) else list(index or stored)
    for label in labels:
        if label not in known:
            raise KeyError(f"no column {label!r}: there are {', '.join(known)}")
    levels = tuple(
        Level(None if label.startswith(INDEX) else label, present(quote(label), known[label])) for label in labels
    )
    order = tuple(f"{level.sql} ASC NULLS LAST" for level in levels)
    if order:
        rows = rows.but(order=order)
    wanted = columns if columns is not None else [name for name in known if name not in labels]
    cells = {label: Column(present(quote(label), known[label]), known[label]) for label in wanted}
    return DataFrame(rows, cells, levels, pd.Index(list(known))[:0])


def _files(path: Any, index: Any, columns: Any, client: Client | None, **how: Any) -> DataFrame:
    client = client or current_client()
    paths = _paths(path)
    root = literal(paths[0] if len(paths) == 1 and not how else request(paths, **how))
    wanted = [columns] if isinstance(columns, str) else columns
    frame = _relation(client, root, index, wanted)
    last = last_file(paths[-1])
    frame._rows.last = None if last is None else literal(last)
    return frame


def _paths(path: Any) -> list[str]:
    paths = [absolute(one) for one in (path if isinstance(path, (list, tuple)) else [path])]
    if not paths:
        raise ValueError("the list of files is empty")
    return paths


@thin
def read_parquet(
    path: Any,
    columns: Any = None,
    filters: Any = None,
    index: Any = None,
    client: Client | None = None,
    **arguments: Any,
) -> Any:
    """The rows of Parquet files: a file, a folder, a pattern, or a list of these.

    Only columns that are used are read, and only row groups that conditions do not rule out. The rows are in no order,
    unless there is an index: then they come in its order.

    Parameters
    ----------
    path : str or list
        The files, which all nodes see.
    columns : str or list, optional
        Those that are wanted; a single one by its name gives a column.
    filters : list, optional
        Conditions such as ``[("year", "==", 2024), ("x", ">", 0)]``, or a list of such lists of which one must hold.
        Unlike in Dask, which leaves out whole row groups, no other row is there.
    index : str or list, optional
        The columns of the index.
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
            raise NotImplementedError(f"read_parquet: {name}= is not there")
    arguments.pop("ignore_metadata_file", None)
    backend = arguments.pop("dtype_backend", None)
    if backend not in _BACKENDS:
        raise ValueError(f"dtype_backend {backend!r} is invalid: it is 'numpy_nullable' or 'pyarrow'")
    tuning("read_parquet", arguments)
    known = written_by_pandas(_paths(path)[0])
    if index is None:
        index = [name for name in known.levels if not name.startswith(INDEX)]
    frame = _files(path, index, None, client, **({"key_types": known.keys} if known.keys else {}))
    for label, origin in known.origins.items():
        if label in frame._columns:
            frame._columns[label] = frame._columns[label]._replace(origin=origin)
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


#: What columns are that are read with a ``dtype_backend``.
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
    """A condition of triples, or of lists of them of which one must hold."""
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
                    raise TypeError(f"cannot filter column {label!r} by {one!r}: it contains {sort_of(column._kind)}")
            if sign == "not in":
                test = ~column.isin(value)
            elif sign in _TESTS:
                test = getattr(column, _TESTS[sign])(value)
            else:
                raise ValueError(f"filters have {', '.join(_TESTS)} and 'not in', not {sign!r}")
            every = test if every is None else every & test
        whole = every if whole is None else whole | every
    return whole


@thin
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
    """The rows of CSV files, plain or compressed: a file, a folder, a pattern, or a list of these. The rows are in no order.

    Columns are found by their names in each file. Types are those that pandas gives the columns. They come from all
    values: files that together have more than 64 MiB are read once by the workers to find them, unless ``dtype`` gives
    all types. Files with more than 2 GiB for each thread of the cluster are too large for that, and a sample of them is
    taken: a value that comes later and does not fit is an error then, which names the columns and their types.

    Parameters
    ----------
    path : str or list
        The files, which all nodes see.
    sep : str
        What is between two values: one character, or ``r"\\s+"`` for blanks.
    header : int or None
        The line that has the names of the columns.
    names : list, optional
        The names of the columns, instead.
    index_col : str, int or list, optional
        The columns that are the index.
    usecols : list or function, optional
        The columns that are wanted, by name or by position. They come in the order of the file.
    dtype : dict or type, optional
        The types of columns, as pandas names them: ``{"id": "str", "x": "float64"}``.
    parse_dates : list, optional
        Columns of times, written as ISO 8601 has them.
    include_path_column : bool or str
        Whether there is a column with the path of each row's file, and its name if it is not ``"path"``.
    **arguments
        ``quotechar``, ``quoting``, ``doublequote``, ``escapechar``, ``comment``, ``lineterminator``,
        ``skipinitialspace``, ``skiprows`` (a number or lines), ``nrows`` (of a single file), ``on_bad_lines``
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
    rows = Rows(client, literal(request(paths, csv=dialect.csv, path_column=column)))
    schema = rows.schema
    found = {dialect.label(at, name): at for at, name in enumerate(schema.names)}
    _check_labels(dialect, found)
    added = [label for label in found if label == column]
    wanted = [*chosen(usecols, [label for label in found if label not in added]), *added]
    cells = {label: _cell(dialect, label, found[label], schema) for label in wanted}
    labels = [wanted[one] if isinstance(one, int) and one not in wanted else one for one in _listed(index_col)]
    for label in labels:
        if label not in cells:
            raise ValueError(f"Index {label} invalid")
    levels = tuple(Level(label, cells[label].sql, cells[label].origin) for label in labels)
    if levels:
        rows = rows.but(order=tuple(f"{level.sql} ASC NULLS LAST" for level in levels))
    last = last_file(paths[-1])
    rows.last = None if last is None else literal(request([last], csv=dialect.csv, path_column=column))
    kept = {label: cell for label, cell in cells.items() if label not in labels}
    return DataFrame(rows, kept, levels, pd.Index(list(kept))[:0])


def _listed(index_col: Any) -> list[Any]:
    if index_col is None or index_col is False:
        return []
    return list(index_col) if isinstance(index_col, (list, tuple)) else [index_col]


def _check_labels(dialect: Dialect, found: dict[Any, int]) -> None:
    """Refuses types and times of columns that the files do not have."""
    typed = dialect.dtype if isinstance(dialect.dtype, dict) else {}
    for label in [*typed, *dialect.dates]:
        if label not in found and not (isinstance(label, int) and 0 <= label < len(found)):
            raise KeyError(f"no column {label!r}: there are {', '.join(map(str, found))}")


def _cell(dialect: Dialect, label: Any, at: int, schema: pa.Schema) -> Column:
    """A column of the files as pandas has it."""
    kind, dtype = schema.types[at], dialect.dtype_of(at, label)
    sql = present(quote(schema.names[at]), kind)
    if dtype is None and dialect.assumes_missing and pa.types.is_integer(kind):
        return Column(f"arrow_cast({sql}, 'Float64')", pa.float64())
    categories = isinstance(dtype, pd.CategoricalDtype) and dtype.categories is not None
    origin = dtype if categories else None if dtype is None else origin_after(dtype)
    return Column(sql, kind, None if isinstance(origin, pd.CategoricalDtype) and not categories else origin)


@thin
def read_json(
    path: Any,
    index: Any = None,
    lines: bool = True,
    orient: Any = "records",
    client: Client | None = None,
    **arguments: Any,
) -> DataFrame:
    """The rows of files of newline-delimited JSON. The rows are in no order."""
    if not lines or orient != "records":
        raise NotImplementedError("read_json reads a row from each line: orient='records', lines=True")
    arguments.pop("blocksize", None)
    tuning("read_json", arguments)
    return _files(path, index, None, client)
