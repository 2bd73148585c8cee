"""Values of Python as expressions, and expressions with a meaning of pandas that many operations share."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .._wire import quote
from ..plan.dtype import (
    DType,
    arrow_name,
    is_number,
    is_plain_text,
    is_text,
    is_time,
    is_whole,
    sort_of,
    value_type,
)
from ..plan.expr import NULL, Expr, Literal, call, case, cast, comparison

__all__ = [
    "INDEX",
    "ORDER",
    "ROW",
    "any_value",
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
    "value_type",
    "without_numpy_times",
]

#: Prefix of the messages of checks, which fail as conversions of the message to an integer.
CHECK = "check: "
#: Prefix of the columns of an index in a relation, followed by the level.
INDEX = "__index_"
#: Prefix of the columns of sort keys in a relation, followed by a number.
ORDER = "__order_"
#: Name of the column with the position of a row in the uploaded frame.
ROW = "__row"


def replace_nan(value: Expr, kind: DType = None) -> Expr:
    """Return a value with NaN replaced by a missing value.

    Columns of frames never contain NaN, since pandas does not distinguish it from a missing value. The replacement is
    needed for values of files and tables, and for results of operations that may be NaN.
    """
    kind = value.dtype if kind is None else kind
    return call("nan_as_null", value) if kind is not None and pa.types.is_floating(kind) else value


def fill_condition(condition: Expr, value: bool = False) -> Expr:
    """Return a condition with missing values replaced by a truth value.

    Unlike ``coalesce``, ``fill_null`` does not duplicate the condition when it is planned. Unlike ``IS TRUE``, its
    result is never nullable, neither in logical nor in physical plans (apache/datafusion#24096).
    """
    return call("fill_null", condition, value)


def checked(test: Expr, why: str, value: Expr) -> Expr:
    """Return an expression that fails when the plan runs if a test is true."""
    number = cast(case([(test, CHECK + why)], "0"), pa.int64())
    return case([(comparison("eq", number, 0), value)])


def any_value(kind: pa.DataType) -> Expr:
    """Return an expression of a type, for a relation of which only the types matter.

    Raises
    ------
    NotImplementedError
        If no expression has this type.
    """
    return call("make_array", any_value(kind.value_type)) if pa.types.is_list(kind) else cast(None, kind)


def without_numpy_times(value: Any) -> Any:
    """Return a time or duration of NumPy as one of pandas, and other values as they are.

    NumPy's durations are also integers.
    """
    if isinstance(value, np.timedelta64):
        return pd.Timedelta(value)
    return pd.Timestamp(value) if isinstance(value, np.datetime64) else value


def type_of(value: Any) -> pa.DataType:
    """Return the Arrow type of a Python value."""
    value = without_numpy_times(value)
    if isinstance(value, pd.Timestamp):
        return pa.timestamp(value.unit, tz=str(value.tz) if value.tz else None)
    if isinstance(value, (pd.Timedelta, np.timedelta64, datetime.timedelta)):
        return pa.duration(pd.Timedelta(value).unit)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, pd.Interval):
        return pa.string()
    return pa.scalar(value).type


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def literal(value: Any, like: DType = None) -> Expr:
    """Return a Python value as a literal, with a column's type if this type can represent it.

    Raises
    ------
    TypeError
        If values of this class cannot be represented in the cluster.
    """
    value = without_numpy_times(value)
    if _is_missing(value):
        return NULL
    if isinstance(value, (bool, np.bool_)):
        return Literal(bool(value), pa.bool_())
    if isinstance(value, (int, np.integer)):
        return _whole(int(value), like)
    if isinstance(value, (float, np.floating)):
        return Literal(float(value), like if like is not None and pa.types.is_floating(like) else pa.float64())
    if isinstance(value, pd.Interval):
        return Literal(str(value), pa.string())
    if isinstance(value, str):
        if like is not None and is_time(like):
            return _time(pd.Timestamp(value, tz=getattr(like, "tz", None)), like)
        if like is not None and pa.types.is_duration(like):
            return literal(pd.Timedelta(value), like)
        return Literal(str(value), pa.string())
    if isinstance(value, decimal.Decimal):
        digits = value.as_tuple()
        scale = max(-int(digits.exponent), 0)
        return Literal(value, pa.decimal128(max(len(digits.digits), scale + 1), scale))
    if isinstance(value, (pd.Timestamp, np.datetime64, datetime.datetime)):
        return _time(pd.Timestamp(value), like)
    if isinstance(value, datetime.date):
        return Literal(value, pa.date32())
    if isinstance(value, (pd.Timedelta, np.timedelta64, datetime.timedelta)):
        span = pd.Timedelta(value)
        if like is not None and pa.types.is_duration(like) and span.as_unit(like.unit) == span:
            # DataFusion converts durations of different units to an interval when it combines them.
            span = span.as_unit(like.unit)
        return Literal(span._value, pa.duration(span.unit))
    raise TypeError(
        f"cannot use an object of type {type(value).__name__} as a value; use a number, string, time or column"
    )


def _time(value: pd.Timestamp, like: DType = None) -> Expr:
    unit = like.unit if like is not None and pa.types.is_timestamp(like) else value.unit
    if value.as_unit(unit) != value:
        # The column's unit is too coarse for the value.
        unit = value.unit
    return Literal(value.as_unit(unit)._value, pa.timestamp(unit, str(value.tz) if value.tz else None))


def _whole(value: int, like: DType) -> Expr:
    if like is not None and pa.types.is_integer(like):
        bits = like.bit_width
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if pa.types.is_signed_integer(like) else (0, 2**bits - 1)
        if low <= value <= high:
            return Literal(value, like)
    if like is not None and pa.types.is_floating(like):
        return Literal(float(value), like)
    return Literal(value, pa.uint64() if value >= 2**63 else pa.int64())
