"""Python functions that SQL statements call."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from ._by_value import by_value
from ._connection import Connection
from ._errors import trim_traceback
from ._functions import Submitter
from ._packing import dumps

__all__ = ["SqlFunctionMethods"]

#: Formats in which a function gets its arguments.
FORMATS = ("pandas", "arrow")


@by_value
def call_over_columns(function: Any, name: str, nullable: Any, types: bytes, data: bytes, rows: int) -> Any:
    """Call a function with the columns of an Arrow IPC stream. Return its result as one, in a buffer of its own.

    With pandas, `nullable` has the types of columns with missing values; otherwise it is None.
    """
    import pickle

    import pyarrow as pa

    expected = pa.ipc.read_schema(pa.py_buffer(types)).field("result").type
    table = pa.ipc.open_stream(data).read_all()
    columns = [
        pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0) for column in table.columns
    ]
    if nullable is not None:
        columns = [column.to_pandas(types_mapper=nullable.get if column.null_count else None) for column in columns]
    result = function(*columns) if columns else function(rows)
    if isinstance(result, pa.ChunkedArray):
        result = result.combine_chunks()
    if not isinstance(result, pa.Array):
        if not hasattr(result, "__len__") or isinstance(result, (str, bytes)):
            raise TypeError(f"{name} returned {type(result).__name__}, not a column with a value for each row")
        result = pa.array(result, type=expected, from_pandas=nullable is not None)
        if isinstance(result, pa.ChunkedArray):
            result = result.combine_chunks()
    if not result.type.equals(expected):
        result = result.cast(expected)
    if len(result) != rows:
        raise ValueError(f"{name} returned {len(result)} values for {rows} rows")
    sink = pa.BufferOutputStream()
    made = pa.record_batch([result], names=["result"])
    with pa.ipc.new_stream(sink, made.schema) as writer:
        writer.write_batch(made)
    return pickle.PickleBuffer(sink.getvalue())


class SqlFunctionMethods:
    """Python functions in SQL."""

    _connection: Connection
    _submitter: Submitter

    @trim_traceback
    def register_function(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        result: Any,
        format: str = "pandas",
    ) -> None:
        """Let the SQL statements of this client call a Python function.

        The function runs on the workers and gets whole columns: it is called once for each batch of rows, in an order
        that is not defined, and returns one value for each row.

        Parameters
        ----------
        name : str
            Its name in SQL: lower case, and not that of a function of SQL. A function of the same name that was
            registered before is replaced.
        function : callable
            The function. Without `arguments`, it gets the number of rows.
        arguments : sequence of pyarrow.DataType or str
            The types of its arguments, also as ``"int64"`` or ``"string"``. Values are cast to them.
        result : pyarrow.DataType or str
            The type of its result, which is cast to it.
        format : {"pandas", "arrow"}
            Whether it gets pandas Series or Arrow arrays. Series of integers with missing values have the nullable types
            of pandas. It may return either, a NumPy array or a list; with pandas, NaN is a missing value.

        Raises
        ------
        ValueError
            If the name or the format is invalid.
        NotPicklable
            If the function cannot be sent.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     client.register_function("double", lambda x: 2 * x, ["int64"], "int64")
        ...     client.sql("SELECT double(value) AS d FROM range(3)").column("d").to_pylist()
        [0, 2, 4]
        """
        if not isinstance(name, str) or not name.isidentifier() or name != name.lower():
            raise ValueError(f"invalid name of a function: {name!r}; use lower-case letters, digits and underscores")
        if not callable(function):
            raise TypeError(f"register_function() takes a function, not {type(function).__name__}")
        if format not in FORMATS:
            raise ValueError(f"format must be 'pandas' or 'arrow', not {format!r}")
        if isinstance(arguments, (str, pa.DataType)):
            raise TypeError('arguments must be a list of types, such as ["int64"]')
        fields = [pa.field(str(at), _type(one)) for at, one in enumerate(arguments)]
        types = pa.schema([*fields, pa.field("result", _type(result))]).serialize().to_pybytes()
        call = functools.partial(call_over_columns, function, name, _nullable() if format == "pandas" else None, types)
        body = {
            "name": name,
            "pickle": base64.b64encode(dumps(call, f"the function {name}")).decode(),
            "environment": self._submitter.environment(),
            "types": base64.b64encode(types).decode(),
        }
        self._connection.action("partita.register_function", body)

    @trim_traceback
    def unregister_function(self, name: str) -> None:
        """Take a function away that was registered.

        Parameters
        ----------
        name : str
            Its name.

        Raises
        ------
        KeyError
            If this client has not registered a function of that name.
        """
        if not self._connection.action("partita.unregister_function", {"name": name})["found"]:
            raise KeyError(f"no function {name!r} is registered")


def _nullable() -> dict[pa.DataType, Any]:
    """Return the types of Series with missing values, which must not make floats of integers: large ones would change."""
    from .dataframe._columns import MASKED

    return {kind: dtype for kind, dtype in MASKED.items() if not pa.types.is_floating(kind)}


def _type(of: Any) -> pa.DataType:
    if isinstance(of, pa.DataType):
        return of
    if isinstance(of, str):
        try:
            return pa.type_for_alias(of)
        except ValueError:
            raise ValueError(f"unknown type {of!r}; use a name such as 'int64', or a type of pyarrow") from None
    return pa.from_numpy_dtype(of)
