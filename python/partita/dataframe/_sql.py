"""SQL literals, identifiers and types."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._wire import quote

__all__ = [
    "INDEX",
    "ORDER",
    "ROW",
    "arrow_name",
    "checked",
    "fill_condition",
    "is_number",
    "is_plain_text",
    "is_text",
    "is_time",
    "is_whole",
    "literal",
    "quote",
    "replace_nan",
    "sort_of",
    "type_of",
]

#: Prefix of the messages of checks, which fail as conversions of the message to an integer.
CHECK = "check: "
#: Prefix of the columns of an index in a relation, followed by the level.
INDEX = "__index_"
#: Prefix of the columns of sort keys in a relation, followed by a number.
ORDER = "__order_"
#: Name of the column with the position of a row in the uploaded frame.
ROW = "__row"

_NAMES = {
    pa.int8(): "Int8",
    pa.int16(): "Int16",
    pa.int32(): "Int32",
    pa.int64(): "Int64",
    pa.uint8(): "UInt8",
    pa.uint16(): "UInt16",
    pa.uint32(): "UInt32",
    pa.uint64(): "UInt64",
    pa.float16(): "Float16",
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.bool_(): "Boolean",
    pa.string(): "Utf8",
    pa.large_string(): "LargeUtf8",
    pa.string_view(): "Utf8View",
    pa.date32(): "Date32",
}
_UNITS = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}


def arrow_name(kind: pa.DataType) -> str:
    """Return the name of a type for ``arrow_cast``."""
    if kind in _NAMES:
        return _NAMES[kind]
    if pa.types.is_timestamp(kind):
        zone = f'Some("{kind.tz}")' if kind.tz else "None"
        return f"Timestamp({_UNITS[kind.unit]}, {zone})"
    if pa.types.is_duration(kind):
        return f"Duration({_UNITS[kind.unit]})"
    if pa.types.is_decimal(kind):
        return f"Decimal128({kind.precision}, {kind.scale})"
    raise NotImplementedError(f"cannot convert to {kind}; use astype with a numeric, string or time type")


def is_number(kind: pa.DataType) -> bool:
    """Whether a type is numeric or boolean."""
    types = pa.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)


def is_whole(kind: pa.DataType) -> bool:
    """Whether a type is an integer or boolean type."""
    return pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def is_plain_text(kind: pa.DataType) -> bool:
    """Whether a type is a string type."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is a string type or a dictionary of strings."""
    return is_text(kind.value_type) if pa.types.is_dictionary(kind) else is_plain_text(kind)


def is_time(kind: pa.DataType) -> bool:
    """Whether a type is a timestamp or date type."""
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def replace_nan(sql: str, kind: pa.DataType | None) -> str:
    """Return the SQL of a value with NaN replaced by NULL.

    Columns of frames never contain NaN, since pandas does not distinguish it from a missing value. The replacement is
    needed for values of files and tables, and for results of operations that may be NaN.
    """
    return f"nan_as_null({sql})" if kind is not None and pa.types.is_floating(kind) else sql


def fill_condition(sql: str, value: bool = False) -> str:
    """Return the SQL of a condition with NULL replaced by a truth value.

    Unlike ``coalesce``, ``fill_null`` does not duplicate the condition when it is planned. Unlike ``IS TRUE``, its
    result is never nullable, neither in logical nor in physical plans (apache/datafusion#24096).
    """
    return f"fill_null({sql}, {str(value).upper()})"


def checked(test: str, why: str, sql: str) -> str:
    """Return the SQL of an expression that fails when the plan runs if a test is true."""
    return f"CASE WHEN CAST(CASE WHEN {test} THEN {literal(CHECK + why)} ELSE '0' END AS BIGINT) = 0 THEN {sql} END"


def sort_of(kind: pa.DataType) -> str:
    """Return the sort of the values of a type: strings, numbers, booleans, times, timedeltas or the type name."""
    types = pa.types
    if is_text(kind):
        return "strings"
    if types.is_dictionary(kind):
        return sort_of(kind.value_type)
    if types.is_boolean(kind):
        return "booleans"
    if is_number(kind):
        return "numbers"
    return "times" if is_time(kind) else "timedeltas" if types.is_duration(kind) else str(kind)


def type_of(value: Any) -> pa.DataType:
    """Return the Arrow type of a Python value."""
    if isinstance(value, pd.Timestamp):
        return pa.timestamp(value.unit, tz=str(value.tz) if value.tz else None)
    if isinstance(value, (pd.Timedelta, np.timedelta64, datetime.timedelta)):
        return pa.duration(pd.Timedelta(value).unit)
    if isinstance(value, np.generic):
        value = value.item()
    return pa.scalar(value).type


def _missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def _time(value: pd.Timestamp, like: pa.DataType | None = None) -> str:
    unit = like.unit if like is not None and pa.types.is_timestamp(like) else value.unit
    if value.as_unit(unit) != value:
        # The column's unit is too coarse for the value.
        unit = value.unit
    return f"arrow_cast({value.as_unit(unit)._value}, '{arrow_name(pa.timestamp(unit, str(value.tz) if value.tz else None))}')"


def literal(value: Any, like: pa.DataType | None = None) -> str:
    """Return a Python value as a SQL literal, with a column's type if this type can represent it.

    Raises
    ------
    TypeError
        If values of this class cannot be represented in SQL.
    """
    if _missing(value):
        return "NULL"
    if isinstance(value, (bool, np.bool_)):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, np.integer)):
        return _whole(int(value), like)
    if isinstance(value, (float, np.floating)):
        return _real(float(value), like)
    if isinstance(value, str):
        if like is not None and is_time(like):
            return _time(pd.Timestamp(value, tz=getattr(like, "tz", None)), like)
        if like is not None and pa.types.is_duration(like):
            return literal(pd.Timedelta(value), like)
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, decimal.Decimal):
        digits = value.as_tuple()
        scale = max(-int(digits.exponent), 0)
        return f"arrow_cast('{value}', 'Decimal128({max(len(digits.digits), scale + 1)}, {scale})')"
    if isinstance(value, (pd.Timestamp, np.datetime64, datetime.datetime)):
        return _time(pd.Timestamp(value), like)
    if isinstance(value, datetime.date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, (pd.Timedelta, np.timedelta64, datetime.timedelta)):
        span = pd.Timedelta(value)
        if like is not None and pa.types.is_duration(like) and span.as_unit(like.unit) == span:
            # DataFusion converts durations of different units to an interval when it combines them.
            span = span.as_unit(like.unit)
        return f"arrow_cast({span._value}, '{arrow_name(pa.duration(span.unit))}')"
    raise TypeError(
        f"cannot use an object of type {type(value).__name__} as a value; use a number, string, time or column"
    )


def _whole(value: int, like: pa.DataType | None) -> str:
    if like is not None and pa.types.is_integer(like):
        bits = like.bit_width
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if pa.types.is_signed_integer(like) else (0, 2**bits - 1)
        if low <= value <= high and like != pa.int64():
            return f"arrow_cast({value}, '{arrow_name(like)}')"
    if like is not None and pa.types.is_floating(like) and like != pa.float64():
        return f"arrow_cast({value}, '{arrow_name(like)}')"
    return str(value) if value >= 0 else f"({value})"


def _real(value: float, like: pa.DataType | None) -> str:
    if math.isinf(value):
        text = "CAST('{}Infinity' AS DOUBLE)".format("-" if value < 0 else "")
    else:
        text = f"CAST({value!r} AS DOUBLE)"
    if like is not None and pa.types.is_floating(like) and like != pa.float64():
        return f"arrow_cast({text}, '{arrow_name(like)}')"
    return text
