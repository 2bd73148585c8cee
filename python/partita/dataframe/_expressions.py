"""Operators and conversions of columns, with the semantics of pandas."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.dtype import common_number, common_type, is_real
from ..plan.expr import Expr, SortKey, aggregate, call
from ._columns import ARROW, NULLABLE
from ._sql import (
    arrow_name,
    fill_condition,
    is_number,
    is_text,
    is_time,
    is_whole,
    literal,
    replace_nan,
    type_of,
    without_numpy_times,
)

__all__ = [
    "COMPARISONS",
    "arithmetic",
    "can_hold",
    "cast",
    "comparison",
    "is_bounded",
    "is_real",
    "joined_strings",
    "kind_of",
    "of_one_type",
    "operand",
    "origin_after",
    "right_operand",
    "rounded",
    "style_of",
    "with_numbers",
]

#: Comparisons, and their results for missing values.
COMPARISONS = {"eq": False, "ne": True, "lt": False, "le": False, "gt": False, "ge": False}
#: How many of each unit of time a second has.
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def comparison(name: str, left: Expr, right: Expr, masked: bool = False) -> Expr:
    """Return one of :data:`COMPARISONS`. If `masked`, it is missing where an operand is missing."""
    made = px.comparison(name, left, right)
    return made if masked else fill_condition(made, COMPARISONS[name])


def with_numbers(left: Expr, right: Expr) -> tuple[Expr, Expr]:
    """Return two values to compare, converted to a type that has both if the cluster has none or would lose digits.

    The cluster does not compare booleans with numbers, and would compare integers with ``float32`` in that type.
    """
    a, b = left.dtype, right.dtype
    if a is None or b is None or a == b or not is_number(a) or not is_number(b):
        return left, right
    if pa.types.is_boolean(a) or pa.types.is_boolean(b):
        return _number(left, a), _number(right, b)
    if is_real(a) == is_real(b) or pa.types.is_decimal(a) or pa.types.is_decimal(b):
        return left, right
    kind = common_number(a, b)
    # A cast that the cluster makes itself would hide the column from the statistics of files.
    return (left, right) if kind in (a, b) else (px.cast(left, kind), px.cast(right, kind))


def of_one_type(*values: Expr) -> list[Expr]:
    """Return values that may take each other's place in one column, with the type that numbers have there in NumPy."""
    kind = common_type([value.dtype for value in values])
    if kind is None or not is_number(kind):
        return list(values)
    return [value if value.dtype == kind else px.cast(value, kind) for value in values]


def _number(value: Expr, kind: pa.DataType) -> Expr:
    return px.cast(value, pa.int64()) if pa.types.is_boolean(kind) else value


def style_of(left: Any, right: Any) -> str:
    """Return whose integer arithmetic applies to these origins; it is the prefix of functions of the cluster."""
    if ARROW in (left, right):
        return "arrow"
    return "numpy" if left == NULLABLE else "pandas"


def converted(value: Expr, kind: pa.DataType, wanted: pa.DataType) -> Expr:
    """Return the conversion of a number of a type."""
    return value if kind == wanted else px.cast(value, wanted)


def arithmetic(
    name: str,
    left: Expr,
    a: pa.DataType,
    right: Expr,
    b: pa.DataType,
    style: str = "pandas",
    is_bounded: bool = False,
) -> Expr:
    """Return a binary operator.

    Parameters
    ----------
    name : str
        Name of the operator, such as ``"add"``.
    left, right : Expr
        The operands.
    a, b : pyarrow.DataType
        Types of the operands.
    style : str
        Result of :func:`style_of`: whose rules apply to integer overflow and division by zero.
    is_bounded : bool
        Whether one operand is a finite number other than zero: then sums and products are never NaN.

    Raises
    ------
    TypeError
        If the operator is not defined for these types.
    """
    if name == "add" and is_text(a) and is_text(b):
        return call("concatenate", left, right)
    if is_number(a) and is_number(b):
        return _of_numbers(name, left, a, right, b, style, is_bounded)
    return _of_times(name, left, a, right, b)


#: The operators of the cluster.
_OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply"}


def _of_numbers(
    name: str, left: Expr, a: pa.DataType, right: Expr, b: pa.DataType, style: str, is_bounded: bool
) -> Expr:
    operator = _OPERATORS.get(name)
    if pa.types.is_decimal(a) or pa.types.is_decimal(b):
        if operator is not None:
            return call(operator, _exact(_number(left, a), a), _exact(_number(right, b), b))
        return _of_decimals(name, _number(left, a), _number(right, b))
    if pa.types.is_boolean(a) and pa.types.is_boolean(b):
        if name in ("add", "mul"):
            return call("or" if name == "add" else "and", left, right)
        if name == "sub":
            raise TypeError("cannot subtract boolean columns; use ^ for exclusive or")
    kind = common_number(a, b)
    if pa.types.is_boolean(kind):
        kind = pa.int8()
    if name == "truediv" and not is_real(kind):
        kind = pa.float64()
    x, y = converted(left, a, kind), converted(right, b, kind)
    if name == "truediv":
        return call("pandas_truediv", x, y, dtype=kind)
    if operator is not None:
        is_checked = style == "arrow" and not is_real(kind)
        made = call(f"arrow_{name}" if is_checked else operator, x, y, dtype=kind)
        return made if is_bounded else replace_nan(made)
    if name == "pow" and style == "pandas":
        style = "numpy"
    return call(f"{style}_{name}", x, y, dtype=kind)


#: Decimal digits of integers by their bits, as Arrow counts them.
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}


def _exact(value: Expr, kind: pa.DataType) -> Expr:
    """Return an integer that is combined with decimals as a decimal with the digits of its type."""
    if not is_whole(kind):
        return value
    digits = _DIGITS[kind.bit_width] + (kind == pa.uint64())
    return px.cast(value, pa.decimal128(digits, 0))


def _of_decimals(name: str, left: Expr, right: Expr) -> Expr:
    """Return a division, remainder or power of decimals. As in Python, floor division truncates towards zero."""
    double, by = pa.float64(), call("nullif", right, 0)
    if name == "truediv":
        return px.cast(left, double) / call("nullif", px.cast(right, double), 0)
    if name == "floordiv":
        return (left - left % by) / by
    if name == "mod":
        return left % by
    return replace_nan(call("power", px.cast(left, double), px.cast(right, double), dtype=double))


def _nanoseconds(value: Expr, kind: pa.DataType) -> Expr:
    return px.cast(px.cast(value, kind), pa.int64())


def _of_times(name: str, left: Expr, a: pa.DataType, right: Expr, b: pa.DataType) -> Expr:
    if pa.types.is_timestamp(a) and pa.types.is_timestamp(b) and name == "sub":
        if (a.tz is None) != (b.tz is None):
            raise TypeError("cannot subtract times with a zone and times without a zone; use dt.tz_localize")
        unit = _finest(a, b)
        return px.cast(left, pa.timestamp(unit, a.tz)) - px.cast(right, pa.timestamp(unit, b.tz))
    if pa.types.is_timestamp(a) and pa.types.is_duration(b) and name in ("add", "sub"):
        whole, part = _nanoseconds(left, pa.timestamp("ns")), _nanoseconds(right, pa.duration("ns"))
        exact = px.cast(whole + part if name == "add" else whole - part, pa.timestamp("ns", a.tz))
        return px.cast(exact, pa.timestamp(_finest(a, b), a.tz))
    if pa.types.is_duration(a) and pa.types.is_timestamp(b) and name == "add":
        return _of_times("add", right, b, left, a)
    if pa.types.is_duration(a) or pa.types.is_duration(b):
        return _of_durations(name, left, a, right, b)
    raise TypeError(f"cannot compute {name} of {a} and {b}")


def _finest(*kinds: pa.DataType) -> str:
    return max([kind.unit for kind in kinds], key=lambda unit: _PER_SECOND[unit])


def _of_durations(name: str, left: Expr, a: pa.DataType, right: Expr, b: pa.DataType) -> Expr:
    nanoseconds, double = pa.duration("ns"), pa.float64()
    both = pa.types.is_duration(a) and pa.types.is_duration(b)
    unit = _finest(*(kind for kind in (a, b) if pa.types.is_duration(kind)))

    def duration(number: Expr) -> Expr:
        return px.cast(px.cast(number, nanoseconds), pa.duration(unit))

    if both and name in ("add", "sub"):
        x, y = _nanoseconds(left, nanoseconds), _nanoseconds(right, nanoseconds)
        return duration(x + y if name == "add" else x - y)
    if both and name == "truediv":
        return px.cast(_nanoseconds(left, nanoseconds), double) / call("nullif", _nanoseconds(right, nanoseconds), 0)
    if both and name in ("floordiv", "mod"):
        by = call("nullif", _nanoseconds(right, nanoseconds), 0)
        made = call(f"pandas_{name}", _nanoseconds(left, nanoseconds), by)
        return duration(made) if name == "mod" else made
    if name == "mul" and (is_number(a) or is_number(b)):
        span, factor = (left, right) if pa.types.is_duration(a) else (right, left)
        return duration(px.cast(_nanoseconds(span, nanoseconds) * factor, pa.int64()))
    if name == "truediv" and is_number(b):
        quotient = _nanoseconds(left, nanoseconds) / call("nullif", px.cast(right, double), 0)
        return duration(px.cast(quotient, pa.int64()))
    raise TypeError(f"cannot compute {name} of {a} and {b}")


def rounded(value: Expr, kind: pa.DataType, decimals: int) -> Expr:
    """Return a number rounded half to even."""
    if is_whole(kind) and decimals >= 0:
        return value
    factor = literal(float(10 ** abs(decimals)))
    scaled = value * factor if decimals >= 0 else value / factor
    is_half = px.comparison("eq", call("abs", scaled - call("trunc", scaled)), 0.5)
    near = px.case([(is_half, call("round", scaled / 2) * 2)], call("round", scaled))
    return px.cast(near / factor if decimals >= 0 else near * factor, kind)


_KINDS: dict[str, pa.DataType] = {
    "int": pa.int64(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float": pa.float64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "boolean": pa.bool_(),
    "str": pa.large_string(),
    "string": pa.large_string(),
    "object": pa.large_string(),
}


def kind_of(to: Any) -> pa.DataType:
    """Return the Arrow type of a pandas type or type name.

    Raises
    ------
    NotImplementedError
        If the type is not supported.
    """
    if isinstance(to, pa.DataType):
        return to
    if isinstance(to, pd.ArrowDtype):
        return to.pyarrow_dtype
    name = to if isinstance(to, str) else getattr(to, "__name__", None) or str(to)
    name = name.removesuffix("_")
    wanted = _KINDS.get(name) or _KINDS.get(name.lower())
    if wanted is None and name.startswith(("datetime64[", "timedelta64[")):
        unit, _, zone = name.split("[", 1)[1][:-1].partition(", ")
        wanted = pa.timestamp(unit, zone or None) if name.startswith("d") else pa.duration(unit)
    if wanted is None:
        # Aliases such as "M8[ns]" and "int64[pyarrow]".
        try:
            dtype = pd.api.types.pandas_dtype(to)
        except TypeError:
            dtype = None
        if isinstance(dtype, pd.ArrowDtype) or (dtype is not None and dtype.name != name):
            return kind_of(dtype if isinstance(dtype, pd.ArrowDtype) else dtype.name)
        raise NotImplementedError(f"astype({to!r}) is not supported; supported: {', '.join(_KINDS)}, datetime64[ns]")
    return wanted


def origin_after(to: Any) -> Any:
    """Return the origin of a column after conversion to a pandas type."""
    from ._columns import origin_of

    try:
        return origin_of(pd.api.types.pandas_dtype(to))
    except TypeError:
        return None


def cast(value: Expr, kind: pa.DataType, to: Any) -> Expr:
    """Return the conversion of a value of a type to a pandas type.

    Raises
    ------
    NotImplementedError
        If the type is not supported.
    """
    wanted = kind_of(to)
    if pa.types.is_dictionary(wanted):
        raise NotImplementedError(f"cannot convert to {wanted}; use astype with a numeric, string or time type")
    # Raises an error for other types to which the cluster does not convert.
    arrow_name(wanted)
    if pa.types.is_floating(kind) and pa.types.is_integer(wanted):
        return px.cast(call("trunc", value), wanted)
    if pa.types.is_timestamp(kind) and is_text(wanted):
        return call("replace", px.cast(value, pa.string()), "T", " ")
    if pa.types.is_boolean(kind) and is_text(wanted):
        return px.case([(value, "True")], "False")
    made = px.Cast(_rounded_down(value, kind, wanted), wanted)
    # The string "nan" converts to NaN.
    return replace_nan(made) if is_text(kind) else made


def _rounded_down(value: Expr, kind: pa.DataType, wanted: pa.DataType) -> Expr:
    """Return times or durations as multiples of the unit of a type, if it is coarser: those before 1970 are rounded down too."""
    types = pa.types
    is_like = (types.is_timestamp(kind) and types.is_timestamp(wanted)) or (
        types.is_duration(kind) and types.is_duration(wanted)
    )
    step = _PER_SECOND[kind.unit] // _PER_SECOND[wanted.unit] if is_like else 0
    if step <= 1:
        return value
    whole = px.cast(value, pa.int64())
    return px.cast(whole - (whole % step + step) % step, kind)


def is_bounded(value: Any) -> bool:
    """Whether a Python value is a finite number other than zero."""
    return isinstance(value, numbers.Real) and math.isfinite(value) and value != 0


def can_hold(kind: pa.DataType, value: Any) -> bool:
    """Whether a column of a type can contain a value."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return True
    if is_time(kind) or pa.types.is_duration(kind):
        # A string may represent a time.
        return not isinstance(value, (bool, int, float, np.number, np.bool_))
    if is_text(kind):
        return isinstance(value, str)
    return not (is_number(kind) and isinstance(value, str))


def operand(value: Any, like: pa.DataType, name: str = "") -> tuple[Expr, pa.DataType]:
    """Return a Python value that is an operand of an operator with a column, and its type.

    Raises
    ------
    OverflowError
        If a column of integers cannot hold an integer.
    TypeError
        If it is ``NaT``, and the column has neither times nor durations.
    """
    value = without_numpy_times(value)
    if value is pd.NaT:
        return _missing_time(name, like)
    if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_)):
        value = int(value)
        if pa.types.is_integer(like):
            check_fits(value, like)
            return literal(value, like), like
        if pa.types.is_floating(like):
            return literal(float(value), like), like
    kind = type_of(value)
    if pa.types.is_floating(kind):
        if pa.types.is_floating(like):
            kind = like
        return px.cast(literal(value, kind), kind), kind
    return literal(value, like), kind


def _missing_time(name: str, like: pa.DataType) -> tuple[Expr, pa.DataType]:
    """Return ``NaT`` as an operand. As in pandas, it is a time in a difference of times, and otherwise a duration."""
    if is_text(like) or (pa.types.is_duration(like) and name in ("add", "sub")):
        kind = like
    elif pa.types.is_timestamp(like) and name in ("add", "sub"):
        kind = like if name == "sub" else pa.duration(like.unit)
    else:
        raise TypeError(f"cannot compute {name or 'this'} of {like} and NaT")
    return px.cast(None, kind), kind


def check_fits(value: int, kind: pa.DataType) -> None:
    """Raise an error if a type cannot represent an integer, as NumPy does."""
    limits = np.iinfo(kind.to_pandas_dtype())
    if not limits.min <= value <= limits.max:
        raise OverflowError(f"Python integer {value} out of bounds for {kind}")


def right_operand(name: str, value: Any, like: pa.DataType, style: str) -> tuple[Expr, pa.DataType]:
    """Return a Python value that is the right operand of an operator with a column, and its type.

    Raises
    ------
    OverflowError
        If a column of integers cannot hold an integer.
    ValueError
        If it is a negative power of an integer column.
    """
    value = without_numpy_times(value)
    if is_whole(like) and isinstance(value, (int, np.integer)):
        if name == "pow" and value < 0:
            if pa.types.is_integer(like):
                check_fits(int(value), like)
            raise ValueError("Integers to negative integer powers are not allowed.")
        if name in ("floordiv", "mod") and value == 0 and style == "pandas":
            # No result is an integer; pandas returns a column of floats.
            return operand(0.0, pa.float64())
    return operand(value, like, name)


def joined_strings(value: Expr, order: Sequence[SortKey], between: str = "") -> Expr:
    """Return all strings as one, in the order of the rows; missing ones are left out."""
    every = aggregate("array_agg", value, order=order, where=px.not_null(value))
    return call("coalesce", call("array_to_string", every, between), "")
