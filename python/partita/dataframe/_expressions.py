"""SQL of operators and conversions of columns, with the semantics of pandas."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ._columns import ARROW, NULLABLE
from ._sql import arrow_name, fill_condition, is_number, is_text, is_time, is_whole, literal, replace_nan, type_of

__all__ = [
    "COMPARISONS",
    "arithmetic",
    "can_hold",
    "cast",
    "comparison",
    "is_bounded",
    "is_real",
    "kind_of",
    "operand",
    "origin_after",
    "right_operand",
    "rounded",
    "style_of",
]

#: SQL operators of comparisons, and their results for missing values.
COMPARISONS = {
    "eq": ("=", False),
    "ne": ("<>", True),
    "lt": ("<", False),
    "le": ("<=", False),
    "gt": (">", False),
    "ge": (">=", False),
}


def comparison(name: str, left: str, right: str, masked: bool = False) -> str:
    """Return the SQL of one of :data:`COMPARISONS`. If `masked`, it is missing where an operand is missing."""
    operator, missing = COMPARISONS[name]
    if masked:
        return f"({left} {operator} {right})"
    return fill_condition(f"{left} {operator} {right}", missing)


def _number(sql: str, kind: pa.DataType) -> str:
    return f"CAST({sql} AS BIGINT)" if pa.types.is_boolean(kind) else sql


def is_real(kind: pa.DataType) -> bool:
    """Whether a type is a floating-point type."""
    return pa.types.is_floating(kind)


def style_of(left: Any, right: Any) -> str:
    """Return whose integer arithmetic applies to these origins; it is the prefix of functions of the cluster."""
    if ARROW in (left, right):
        return "arrow"
    return "numpy" if left == NULLABLE else "pandas"


def _common(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """Return NumPy's result type of two types."""
    return pa.from_numpy_dtype(np.result_type(a.to_pandas_dtype(), b.to_pandas_dtype()))


def converted(sql: str, kind: pa.DataType, wanted: pa.DataType) -> str:
    """Return the SQL of a conversion of a number."""
    return sql if kind == wanted else f"arrow_cast({sql}, '{arrow_name(wanted)}')"


def arithmetic(
    name: str,
    left: str,
    a: pa.DataType,
    right: str,
    b: pa.DataType,
    style: str = "pandas",
    is_bounded: bool = False,
) -> tuple[str, pa.DataType | None]:
    """Return the SQL of a binary operator, and the type of the result if known.

    Parameters
    ----------
    name : str
        Name of the operator, such as ``"add"``.
    left, right : str
        SQL of the operands.
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
        return f"({left} || {right})", None
    if is_number(a) and is_number(b):
        return _of_numbers(name, left, a, right, b, style, is_bounded)
    return _of_times(name, left, a, right, b), None


def _of_numbers(
    name: str, left: str, a: pa.DataType, right: str, b: pa.DataType, style: str, is_bounded: bool
) -> tuple[str, pa.DataType | None]:
    operator = {"add": "+", "sub": "-", "mul": "*"}.get(name)
    if pa.types.is_decimal(a) or pa.types.is_decimal(b):
        return _of_decimals(name, _number(left, a), _number(right, b), operator), None
    if pa.types.is_boolean(a) and pa.types.is_boolean(b):
        if name in ("add", "mul"):
            return f"({left} {'OR' if name == 'add' else 'AND'} {right})", pa.bool_()
        if name == "sub":
            raise TypeError("cannot subtract boolean columns; use ^ for exclusive or")
    kind = _common(a, b)
    if pa.types.is_boolean(kind):
        kind = pa.int8()
    if name == "truediv" and not is_real(kind):
        kind = pa.float64()
    x, y = converted(left, a, kind), converted(right, b, kind)
    if name == "truediv":
        return f"pandas_truediv({x}, {y})", kind
    if operator is not None:
        is_checked = style == "arrow" and not is_real(kind)
        made = f"arrow_{name}({x}, {y})" if is_checked else f"({x} {operator} {y})"
        return (made if is_bounded else replace_nan(made, kind)), kind
    if name == "pow" and style == "pandas":
        style = "numpy"
    return f"{style}_{name}({x}, {y})", kind


def _of_decimals(name: str, left: str, right: str, operator: str | None) -> str:
    """Return the SQL of an operator of decimals. As in Python, floor division truncates towards zero."""
    by = f"nullif({right}, 0)"
    forms = {
        "truediv": f"(CAST({left} AS DOUBLE) / nullif(CAST({right} AS DOUBLE), 0))",
        "floordiv": f"(({left} - {left} % {by}) / {by})",
        "mod": f"({left} % {by})",
        "pow": replace_nan(f"power(CAST({left} AS DOUBLE), CAST({right} AS DOUBLE))", pa.float64()),
    }
    return forms[name] if operator is None else f"({left} {operator} {right})"


def _of_times(name: str, left: str, a: pa.DataType, right: str, b: pa.DataType) -> str:
    if pa.types.is_timestamp(a) and pa.types.is_timestamp(b) and name == "sub":
        return f"({left} - {right})"
    if pa.types.is_timestamp(a) and pa.types.is_duration(b) and name in ("add", "sub"):
        whole = f"arrow_cast(arrow_cast({left}, 'Timestamp(Nanosecond, None)'), 'Int64')"
        part = f"arrow_cast(arrow_cast({right}, 'Duration(Nanosecond)'), 'Int64')"
        sign = "+" if name == "add" else "-"
        exact = f"arrow_cast({whole} {sign} {part}, '{arrow_name(pa.timestamp('ns', a.tz))}')"
        units = ("s", "ms", "us", "ns")
        unit = units[max(units.index(a.unit), units.index(b.unit))]
        return f"arrow_cast({exact}, '{arrow_name(pa.timestamp(unit, a.tz))}')"
    if pa.types.is_duration(a) and pa.types.is_timestamp(b) and name == "add":
        return _of_times("add", right, b, left, a)
    if pa.types.is_duration(a) or pa.types.is_duration(b):
        return _of_durations(name, left, a, right, b)
    raise TypeError(f"cannot compute {name} of {a} and {b}")


def _of_durations(name: str, left: str, a: pa.DataType, right: str, b: pa.DataType) -> str:
    def nanoseconds(sql: str) -> str:
        return f"arrow_cast(arrow_cast({sql}, 'Duration(Nanosecond)'), 'Int64')"

    both = pa.types.is_duration(a) and pa.types.is_duration(b)
    units = ("s", "ms", "us", "ns")
    kinds = [kind for kind in (a, b) if pa.types.is_duration(kind)]
    unit = max((kind.unit for kind in kinds), key=units.index)

    def duration(number: str) -> str:
        return f"arrow_cast(arrow_cast({number}, 'Duration(Nanosecond)'), '{arrow_name(pa.duration(unit))}')"

    if both and name in ("add", "sub"):
        return duration(f"{nanoseconds(left)} {'+' if name == 'add' else '-'} {nanoseconds(right)}")
    if both and name == "truediv":
        return f"(CAST({nanoseconds(left)} AS DOUBLE) / nullif({nanoseconds(right)}, 0))"
    if both and name in ("floordiv", "mod"):
        made = f"pandas_{name}({nanoseconds(left)}, nullif({nanoseconds(right)}, 0))"
        return duration(made) if name == "mod" else made
    if name == "mul" and (is_number(a) or is_number(b)):
        span, factor = (left, right) if pa.types.is_duration(a) else (right, left)
        return duration(f"CAST({nanoseconds(span)} * {factor} AS BIGINT)")
    if name == "truediv" and is_number(b):
        return duration(f"CAST({nanoseconds(left)} / nullif(CAST({right} AS DOUBLE), 0) AS BIGINT)")
    raise TypeError(f"cannot compute {name} of {a} and {b}")


def rounded(sql: str, kind: pa.DataType, decimals: int) -> str:
    """Return the SQL of rounding half to even."""
    if is_whole(kind) and decimals >= 0:
        return sql
    factor = f"CAST(1e{abs(decimals)} AS DOUBLE)"
    scaled = f"({sql} * {factor})" if decimals >= 0 else f"({sql} / {factor})"
    near = f"CASE WHEN abs({scaled} - trunc({scaled})) = 0.5 THEN 2 * round({scaled} / 2) ELSE round({scaled}) END"
    back = f"({near}) / {factor}" if decimals >= 0 else f"({near}) * {factor}"
    return f"arrow_cast({back}, '{arrow_name(kind)}')"


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


def cast(sql: str, kind: pa.DataType, to: Any) -> str:
    """Return the SQL of a conversion to a pandas type.

    Raises
    ------
    NotImplementedError
        If the type is not supported.
    """
    wanted = kind_of(to)
    if pa.types.is_floating(kind) and pa.types.is_integer(wanted):
        return f"arrow_cast(trunc({sql}), '{arrow_name(wanted)}')"
    if pa.types.is_timestamp(kind) and is_text(wanted):
        return f"replace(arrow_cast({sql}, 'Utf8'), 'T', ' ')"
    if pa.types.is_boolean(kind) and is_text(wanted):
        return f"CASE WHEN {sql} THEN 'True' ELSE 'False' END"
    made = f"arrow_cast({sql}, '{arrow_name(wanted)}')"
    # The string "nan" converts to NaN.
    return replace_nan(made, wanted) if is_text(kind) else made


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


def operand(value: Any, like: pa.DataType) -> tuple[str, pa.DataType]:
    """Return the SQL and the type of a Python value that is an operand of an operator with a column.

    Raises
    ------
    OverflowError
        If a column of integers cannot hold an integer.
    """
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
        return converted(literal(value, like), pa.null() if pd.isna(value) else kind, kind), kind
    return literal(value, like), kind


def check_fits(value: int, kind: pa.DataType) -> None:
    """Raise an error if a type cannot represent an integer, as NumPy does."""
    limits = np.iinfo(kind.to_pandas_dtype())
    if not limits.min <= value <= limits.max:
        raise OverflowError(f"Python integer {value} out of bounds for {kind}")


def right_operand(name: str, value: Any, like: pa.DataType, style: str) -> tuple[str, pa.DataType]:
    """Return the SQL and the type of a Python value that is the right operand of an operator with a column.

    Raises
    ------
    OverflowError
        If a column of integers cannot hold an integer.
    ValueError
        If it is a negative power of an integer column.
    """
    if is_whole(like) and isinstance(value, (int, np.integer)):
        if name == "pow" and value < 0:
            if pa.types.is_integer(like):
                check_fits(int(value), like)
            raise ValueError("Integers to negative integer powers are not allowed.")
        if name in ("floordiv", "mod") and value == 0 and style == "pandas":
            # No result is an integer; pandas returns a column of floats.
            return operand(0.0, pa.float64())
    return operand(value, like)
