"""What operators and functions of a column are in SQL, with the meaning that pandas gives them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ._sql import arrow_name, is_number, is_text, literal, type_of

__all__ = ["COMPARISONS", "arithmetic", "cast", "comparison", "rounded"]

#: Comparisons, and what they give where a value is missing.
COMPARISONS = {
    "eq": ("=", False),
    "ne": ("<>", True),
    "lt": ("<", False),
    "le": ("<=", False),
    "gt": (">", False),
    "ge": (">=", False),
}


def comparison(name: str, left: str, right: str) -> str:
    """One of :data:`COMPARISONS`."""
    operator, missing = COMPARISONS[name]
    return f"coalesce({left} {operator} {right}, {'TRUE' if missing else 'FALSE'})"


def _double(sql: str, kind: pa.DataType | None) -> str:
    return sql if kind == pa.float64() else f"CAST({sql} AS DOUBLE)"


def _whole(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_boolean(kind)


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
        return _divided(name, _number(left, a), _number(right, b), _whole(a) and _whole(b))
    if name == "pow":
        return f"power({_number(left, a)}, {_number(right, b)})"
    raise TypeError(f"there is no operator {name}")


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
    if _whole(kind) and decimals >= 0:
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


def cast(sql: str, kind: pa.DataType, to: Any) -> str:
    """A column as another type, named as pandas names types.

    Raises
    ------
    NotImplementedError
        If columns cannot have that type here.
    """
    name = to if isinstance(to, str) else getattr(to, "__name__", None) or str(to)
    wanted = to if isinstance(to, pa.DataType) else _KINDS.get(name) or _KINDS.get(name.lower())
    if wanted is None and name.startswith("datetime64["):
        unit, _, zone = name[len("datetime64[") : -1].partition(", ")
        wanted = pa.timestamp(unit, zone or None)
    if wanted is None:
        raise NotImplementedError(f"astype({to!r}): columns can be {', '.join(_KINDS)} or datetime64[ns]")
    if pa.types.is_floating(kind) and pa.types.is_integer(wanted):
        return f"arrow_cast(trunc({sql}), '{arrow_name(wanted)}')"
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
