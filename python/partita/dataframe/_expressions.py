"""What operators and functions of a column are in SQL, with the meaning that pandas gives them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from ._sql import arrow_name, is_number, is_text, is_whole, literal, type_of

__all__ = [
    "COMPARISONS",
    "arithmetic",
    "cast",
    "comparison",
    "is_real",
    "kind_of",
    "operand",
    "origin_after",
    "rounded",
]

#: Comparisons, and what they give where a value is missing.
COMPARISONS = {
    "eq": ("=", False),
    "ne": ("<>", True),
    "lt": ("<", False),
    "le": ("<=", False),
    "gt": (">", False),
    "ge": (">=", False),
}


def comparison(name: str, left: str, right: str, masked: bool = False) -> str:
    """One of :data:`COMPARISONS`; ``masked`` columns have no answer where a value is missing."""
    operator, missing = COMPARISONS[name]
    if masked:
        return f"({left} {operator} {right})"
    return f"coalesce({left} {operator} {right}, {'TRUE' if missing else 'FALSE'})"


def is_real(kind: pa.DataType) -> bool:
    """Whether it is a number that need not be whole."""
    return pa.types.is_floating(kind)


def _double(sql: str, kind: pa.DataType | None) -> str:
    return sql if kind == pa.float64() else f"CAST({sql} AS DOUBLE)"


def _number(sql: str, kind: pa.DataType) -> str:
    return f"CAST({sql} AS BIGINT)" if pa.types.is_boolean(kind) else sql


def arithmetic(name: str, left: str, a: pa.DataType, right: str, b: pa.DataType) -> str:
    """An operator between two values of these types.

    Raises
    ------
    TypeError
        If there is none for these types.
    """
    if name == "add" and is_text(a) and is_text(b):
        return f"({left} || {right})"
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
        return arithmetic("add", right, b, left, a)
    if pa.types.is_duration(a) or pa.types.is_duration(b):
        return _of_durations(name, left, a, right, b)
    if pa.types.is_boolean(a) and pa.types.is_boolean(b) and name in ("add", "mul"):
        return f"({left} {'OR' if name == 'add' else 'AND'} {right})"
    if not (is_number(a) and is_number(b)):
        raise TypeError(f"there is no {name} of {a} and {b}")
    if name in ("add", "sub", "mul"):
        operator = {"add": "+", "sub": "-", "mul": "*"}[name]
        return f"({_number(left, a)} {operator} {_number(right, b)})"
    if name == "truediv":
        if a == pa.float32() and b == pa.float32():
            return f"CASE WHEN {right} = 0 AND {left} = 0 THEN NULL ELSE {left} / {right} END"
        x, y = _double(left, a), _double(right, b)
        return f"CASE WHEN {y} = 0 AND {x} = 0 THEN NULL ELSE {x} / {y} END"
    if name in ("floordiv", "mod"):
        return _divided(name, _number(left, a), _number(right, b), is_whole(a) and is_whole(b))
    if name == "pow":
        return _power(_number(left, a), _number(right, b), is_whole(a) and is_whole(b))
    raise TypeError(f"there is no operator {name}")


def _power(left: str, right: str, whole: bool) -> str:
    if not whole:
        return f"power({left}, {right})"
    if right in ("2", "3"):
        # Exact, however large.
        return f"({' * '.join([left] * int(right))})"
    return f"CAST(power({left}, {right}) AS BIGINT)"


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
        made = _divided(name, nanoseconds(left), nanoseconds(right), True)
        return duration(made) if name == "mod" else made
    if name == "mul" and (is_number(a) or is_number(b)):
        span, factor = (left, right) if pa.types.is_duration(a) else (right, left)
        return duration(f"CAST({nanoseconds(span)} * {factor} AS BIGINT)")
    if name == "truediv" and is_number(b):
        return duration(f"CAST({nanoseconds(left)} / nullif(CAST({right} AS DOUBLE), 0) AS BIGINT)")
    raise TypeError(f"there is no {name} of {a} and {b}")


def _divided(name: str, left: str, right: str, whole: bool) -> str:
    """Division towards minus infinity, and what is left of it: its sign is the divisor's."""
    if not whole:
        quotient = f"floor({left} / nullif({right}, 0))"
        return quotient if name == "floordiv" else f"({left} - {quotient} * {right})"
    by = f"nullif({right}, 0)"
    rest = f"((({left} % {by}) + {by}) % {by})"
    return rest if name == "mod" else f"(({left} - {rest}) / {by})"


def rounded(sql: str, kind: pa.DataType, decimals: int) -> str:
    """Rounding to the nearest, and to the even one of two that are as near."""
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
    """The Arrow type of what pandas has as a type.

    Raises
    ------
    NotImplementedError
        If columns cannot have that type here.
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
        raise NotImplementedError(f"astype({to!r}): columns can be {', '.join(_KINDS)} or datetime64[ns]")
    return wanted


def origin_after(to: Any) -> Any:
    """The origin of columns that were made a type."""
    from ._columns import origin_of

    try:
        return origin_of(pd.api.types.pandas_dtype(to))
    except TypeError:
        return None


def cast(sql: str, kind: pa.DataType, to: Any) -> str:
    """A column as another type, named as pandas names types.

    Raises
    ------
    NotImplementedError
        If columns cannot have that type here.
    """
    wanted = kind_of(to)
    if pa.types.is_floating(kind) and pa.types.is_integer(wanted):
        return f"arrow_cast(trunc({sql}), '{arrow_name(wanted)}')"
    if pa.types.is_timestamp(kind) and is_text(wanted):
        return f"replace(arrow_cast({sql}, 'Utf8'), 'T', ' ')"
    if pa.types.is_boolean(kind) and is_text(wanted):
        return f"CASE WHEN {sql} THEN 'True' ELSE 'False' END"
    return f"arrow_cast({sql}, '{arrow_name(wanted)}')"


def operand(value: Any, like: pa.DataType) -> tuple[str, pa.DataType]:
    """A Python value beside a column of a type: SQL, and the type that it has there."""
    kind = type_of(value)
    text = literal(value, like)
    if pa.types.is_integer(kind) and is_number(like) and not pa.types.is_boolean(like):
        return text, like
    if pa.types.is_floating(kind) and pa.types.is_floating(like):
        return text, like
    return text, kind
