"""Tables and queries of databases, which functions of pandas read and write on the workers through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype

from .._errors import trim_traceback
from .._tasks import Task
from ._base import Plan
from ._file_calls import frame_of_files
from ._listing import listed
from ._partitions import check_count, parse_bytes
from ._writing_calls import require_package, run_writers, writing_tasks

__all__ = ["read_sql_query", "read_sql_table", "to_sql"]


class _Part(NamedTuple):
    """Labels of the index of a partition: from `low`, up to but without `high` unless it is the last one."""

    low: Any
    high: Any
    is_last: bool


def _alchemy(what: str) -> Any:
    return require_package("sqlalchemy", "sqlalchemy", what)


@trim_traceback
def read_sql_table(
    table_name: str,
    con: str,
    index_col: Any,
    divisions: Any = None,
    npartitions: int | None = None,
    limits: tuple[Any, Any] | None = None,
    columns: Any = None,
    bytes_per_chunk: Any = "256 MiB",
    head_rows: int = 5,
    schema: str | None = None,
    meta: Any = None,
    engine_kwargs: dict[str, Any] | None = None,
    **arguments: Any,
) -> Any:
    """Read a table of a database, in partitions by its index column. This requires the package ``sqlalchemy``.

    The workers read the partitions when the frame is first computed; they must reach the database. The client reads the
    first rows, which show the types, and the smallest and largest index label.

    Parameters
    ----------
    table_name : str
        Name of the table.
    con : str
        URL of the database, as SQLAlchemy defines it, such as ``"postgresql://user@host/name"``.
    index_col : str
        Column of the index, by which the partitions are divided. It should have an index in the database.
    divisions : sequence, optional
        First label of each partition, and last label of the last one.
    npartitions : int, optional
        Number of partitions, if `divisions` is not given: ranges of labels of one size.
    limits : pair, optional
        Smallest and largest label to read, instead of those of the table.
    columns : list of str, optional
        Columns to read.
    bytes_per_chunk : int or str
        Size of a partition in memory, if neither `divisions` nor `npartitions` is given.
    head_rows : int
        Number of first rows that show the types of the columns.
    schema : str, optional
        Schema of the table in the database.
    meta : DataFrame, optional
        The columns and types, without reading the first rows.
    engine_kwargs : dict, optional
        Arguments of ``sqlalchemy.create_engine``.
    **arguments
        Arguments of :func:`pandas.read_sql`.

    Examples
    --------
    >>> from partita import dataframe as dd
    >>> ddf = dd.read_sql_table("orders", "sqlite:////data/shop.db", index_col="id", npartitions=8)  # doctest: +SKIP
    """
    alchemy = _alchemy("read_sql_table()")
    _check_url(con)
    engine = alchemy.create_engine(con, **(engine_kwargs or {}))
    try:
        table = alchemy.Table(table_name, alchemy.MetaData(), schema=schema, autoload_with=engine)
    finally:
        engine.dispose()
    index = _column(table, index_col)
    wanted = list(table.columns) if columns is None else [_column(table, one) for one in columns]
    names = [one.name for one in wanted]
    selected = [*wanted, *([] if index.name in names else [index])]
    return _read(
        alchemy.select(*selected).select_from(table), con, index, divisions, npartitions, limits, bytes_per_chunk,
        head_rows, meta, engine_kwargs, arguments,
    )  # fmt: skip


@trim_traceback
def read_sql_query(
    sql: Any,
    con: str,
    index_col: Any,
    divisions: Any = None,
    npartitions: int | None = None,
    limits: tuple[Any, Any] | None = None,
    bytes_per_chunk: Any = "256 MiB",
    head_rows: int = 5,
    meta: Any = None,
    engine_kwargs: dict[str, Any] | None = None,
    **arguments: Any,
) -> Any:
    """Read the result of a query of a database, in partitions by its index column; see :func:`read_sql_table`.

    Parameters
    ----------
    sql : sqlalchemy.Select
        The query: a selection of SQLAlchemy, to which conditions on the index column can be added.
    con : str
        URL of the database.
    index_col : str
        Column of the result, by which the partitions are divided.
    divisions, npartitions, limits, bytes_per_chunk, head_rows, meta, engine_kwargs, **arguments
        As in :func:`read_sql_table`.
    """
    alchemy = _alchemy("read_sql_query()")
    _check_url(con)
    if not isinstance(sql, alchemy.sql.Select):
        raise ValueError(
            f"read_sql_query() takes a selection of SQLAlchemy, such as sqlalchemy.select(..), not {type(sql).__name__}; "
            "for a table use read_sql_table"
        )
    inner = sql.subquery()
    index = _column(inner, getattr(index_col, "name", index_col))
    return _read(
        alchemy.select(inner), con, index, divisions, npartitions, limits, bytes_per_chunk, head_rows, meta,
        engine_kwargs, arguments,
    )  # fmt: skip


def _check_url(con: Any) -> None:
    if not isinstance(con, str):
        raise ValueError(f"Expected URI to be a string, got {type(con)}: the workers open the database themselves")


def _column(table: Any, name: Any) -> Any:
    """Return a column of a table or query."""
    label = getattr(name, "name", name)
    if label not in table.columns:
        raise KeyError(f"no column {label!r}; columns: {listed(table.columns.keys(), label)}")
    return table.columns[label]


def _read(
    query: Any,
    con: str,
    index: Any,
    divisions: Any,
    npartitions: int | None,
    limits: Any,
    bytes_per_chunk: Any,
    head_rows: int,
    meta: Any,
    engine_kwargs: dict[str, Any] | None,
    arguments: dict[str, Any],
) -> Any:
    """Return the frame of a query whose index column is known."""
    if divisions is not None and npartitions is not None:
        raise TypeError("give either 'divisions' or 'npartitions', not both")
    engine = _alchemy("read_sql_table()").create_engine(con, **(engine_kwargs or {}))
    try:
        row_bytes = None
        if meta is None:
            if head_rows <= 0:
                raise ValueError("head_rows must be at least 1, unless meta= is given")
            head = pd.read_sql(query.limit(head_rows), engine, index_col=index.name, **arguments)
            row_bytes = head.memory_usage(deep=True, index=True).sum() / max(len(head), 1)
            meta = head.iloc[:0] if not any(map(is_object_dtype, head.dtypes)) else head.head(1)
            if not len(head):
                return frame_of_files(_Reader(query, con, index.name, engine_kwargs, arguments), [_Part(None, None, True)], head)  # fmt: skip
        meta = meta._meta if isinstance(meta, Plan) else meta
        if divisions is None:
            divisions = _divisions(
                engine,
                query,
                index,
                meta,
                npartitions,
                limits,
                parse_bytes(bytes_per_chunk, "bytes_per_chunk"),
                row_bytes,
            )
    finally:
        engine.dispose()
    divisions = list(divisions)
    pairs = list(zip(divisions, divisions[1:]))
    parts = [_Part(low, high, at + 1 == len(pairs)) for at, (low, high) in enumerate(pairs)]
    # A partition is read sorted by its index.
    return frame_of_files(_Reader(query, con, index.name, engine_kwargs, arguments), parts, meta, tuple(divisions))


def _divisions(
    engine: Any,
    query: Any,
    index: Any,
    meta: Any,
    npartitions: int | None,
    limits: Any,
    chunk: int,
    row_bytes: float | None,
) -> list[Any]:
    """Return labels that divide the index into ranges of one size.

    Raises
    ------
    TypeError
        If the index is not of numbers or times.
    ValueError
        If index labels are missing: such rows would be in no partition.
    """
    kind = meta.index.dtype
    if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind)):
        raise TypeError(
            f'Provided index column is of type "{kind}".  If divisions is not provided the index column type must be numeric '
            "or datetime."
        )
    alchemy = _alchemy("read_sql_table()")
    inner = query.subquery()
    column = inner.columns[index.name]
    functions = alchemy.func
    asked = alchemy.select(functions.min(column), functions.max(column), functions.count(), functions.count(column))
    low, high, rows, known = pd.read_sql(asked.select_from(inner), engine).iloc[0]
    if limits is not None:
        low, high = limits
    elif known < rows:
        raise ValueError(
            f"the index column {index.name!r} has {rows - known} missing values, whose rows would be in no partition; use "
            "another index_col=, or a query without them"
        )
    if npartitions is None:
        size = row_bytes if row_bytes is not None else 8 * (len(meta.columns) + 1)
        npartitions = max(int(np.ceil(known * size / chunk)), 1)
    check_count(npartitions, "npartitions=")
    return _ranges(low, high, npartitions, kind)


def _ranges(low: Any, high: Any, count: int, kind: Any) -> list[Any]:
    """Return divisions of one size between two labels; fewer if they would be equal."""
    if pd.api.types.is_datetime64_any_dtype(kind):
        low, high = pd.Timestamp(low), pd.Timestamp(high)
        inner = [low + (high - low) * (at / count) for at in range(1, count)]
    else:
        low, high = _plain(low), _plain(high)
        inner = [low + (high - low) * at / count for at in range(1, count)]
        if pd.api.types.is_integer_dtype(kind):
            inner = [int(np.ceil(one)) for one in inner]
    found = [low]
    for one in inner:
        if found[-1] < one <= high:
            found.append(one)
    return [*found, high]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


class _Reader:
    """The function that reads a partition."""

    def __init__(
        self, query: Any, con: str, index: str, engine_kwargs: dict[str, Any] | None, arguments: dict[str, Any]
    ) -> None:
        self.query = query
        self.con = con
        self.index = index
        self.engine_kwargs = engine_kwargs
        self.arguments = arguments
        self.__name__ = "read_sql"

    def __call__(self, part: _Part) -> pd.DataFrame:
        import sqlalchemy

        query = self.query
        if part.low is not None:
            column = query.selected_columns[self.index]
            upper = column <= _native(part.high) if part.is_last else column < _native(part.high)
            query = query.where(sqlalchemy.and_(column >= _native(part.low), upper))
        engine = sqlalchemy.create_engine(self.con, **(self.engine_kwargs or {}))
        try:
            found = pd.read_sql(query, engine, index_col=self.index, **self.arguments)
        finally:
            engine.dispose()
        return found if found.index.is_monotonic_increasing else found.sort_index(kind="stable")


def _native(label: Any) -> Any:
    """Return a label as databases' drivers take it."""
    return label.to_pydatetime() if isinstance(label, pd.Timestamp) else _plain(label)


@trim_traceback
def to_sql(
    df: Any,
    name: str,
    uri: str,
    schema: str | None = None,
    if_exists: str = "fail",
    index: bool = True,
    index_label: Any = None,
    chunksize: int | None = None,
    dtype: Any = None,
    method: Any = None,
    compute: bool = True,
    parallel: bool = False,
    engine_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Write a frame or column to a table of a database; see :meth:`DataFrame.to_sql`."""
    _alchemy("to_sql()")
    _check_url(uri)
    if if_exists not in ("fail", "replace", "append"):
        raise ValueError(f"'{if_exists}' is not valid for if_exists; use 'fail', 'replace' or 'append'")
    options = {
        "name": name, "schema": schema, "index": index, "index_label": index_label, "chunksize": chunksize,
        "dtype": dtype, "method": method,
    }  # fmt: skip
    first = Task(_Creation(uri, engine_kwargs, if_exists, options), (df._meta,), None, "to_sql-create")

    def make(count: int) -> Callable[[Any, int], Any]:
        return _Writer(uri, engine_kwargs, {**options, "if_exists": "append"})

    tasks = writing_tasks(df, make, "to_sql", serial=not parallel)
    for at, task in enumerate(tasks):
        if parallel or not at:
            task.args = (*task.args, first)
    last = Task(list, (tasks,), None, "to_sql-finish")
    found = run_writers(df._client, [last], compute, single=True)
    return None if compute else found


class _Creation:
    """The function that creates a table without rows."""

    def __init__(
        self, uri: str, engine_kwargs: dict[str, Any] | None, if_exists: str, options: Mapping[str, Any]
    ) -> None:
        self.writer = _Writer(uri, engine_kwargs, {**options, "if_exists": if_exists})
        self.__name__ = "to_sql-create"

    def __call__(self, empty: Any) -> Any:
        return self.writer(empty, 0)


class _Writer:
    """The function that writes a partition."""

    def __init__(self, uri: str, engine_kwargs: dict[str, Any] | None, options: dict[str, Any]) -> None:
        self.uri = uri
        self.engine_kwargs = engine_kwargs
        self.options = options

    def __call__(self, part: Any, number: int) -> Any:
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.uri, **(self.engine_kwargs or {}))
        try:
            return part.to_sql(con=engine, **self.options)
        finally:
            engine.dispose()
