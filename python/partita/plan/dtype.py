"""Types of expressions: those of Arrow, and the types that operations of them give.

``None`` stands for a type that is not known on the client.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Optional

import pyarrow as pa

__all__ = [
    "MIXED",
    "DType",
    "arrow_name",
    "common_number",
    "common_type",
    "is_mixed",
    "is_number",
    "is_plain_text",
    "is_real",
    "is_text",
    "is_time",
    "is_whole",
    "refuse_mixed",
    "sort_of",
    "united_type",
    "value_type",
]

#: The type of an expression, or None if only the cluster knows it.
DType = Optional[pa.DataType]

#: Prefix of the fields of a column with values of several types, such as strings and numbers: a struct with a field for each
#: type, of which at most one has a value.
MIXED = "__value_"

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
    pa.time32("s"): "Time32(Second)",
    pa.time32("ms"): "Time32(Millisecond)",
    pa.time64("us"): "Time64(Microsecond)",
    pa.time64("ns"): "Time64(Nanosecond)",
    pa.binary(): "Binary",
    pa.large_binary(): "LargeBinary",
}
_UNITS = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}


def arrow_name(kind: pa.DataType) -> str:
    """Return the name of a type for ``arrow_cast``.

    Raises
    ------
    NotImplementedError
        If the cluster does not convert values to this type.

    Examples
    --------
    >>> import pyarrow as pa
    >>> arrow_name(pa.timestamp("ns", "UTC"))
    'Timestamp(Nanosecond, Some("UTC"))'
    """
    name = _NAMES.get(kind)
    if name is not None:
        return name
    if pa.types.is_timestamp(kind):
        zone = f'Some("{kind.tz}")' if kind.tz else "None"
        return f"Timestamp({_UNITS[kind.unit]}, {zone})"
    if pa.types.is_duration(kind):
        return f"Duration({_UNITS[kind.unit]})"
    if pa.types.is_decimal(kind) and not pa.types.is_decimal256(kind):
        return f"Decimal128({kind.precision}, {kind.scale})"
    if pa.types.is_dictionary(kind):
        return f"Dictionary({arrow_name(kind.index_type)}, {arrow_name(kind.value_type)})"
    raise NotImplementedError(f"cannot convert to {kind}; use astype with a numeric, string or time type")


def is_number(kind: pa.DataType) -> bool:
    """Whether a type is numeric or boolean."""
    types = pa.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)


def is_whole(kind: pa.DataType) -> bool:
    """Whether a type is an integer or boolean type."""
    return pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def is_real(kind: pa.DataType) -> bool:
    """Whether a type is a floating-point type."""
    return pa.types.is_floating(kind)


def is_plain_text(kind: pa.DataType) -> bool:
    """Whether a type is a string type."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is a string type or a dictionary of strings."""
    return is_plain_text(value_type(kind))


def is_time(kind: pa.DataType) -> bool:
    """Whether a type is a timestamp or date type."""
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def is_mixed(kind: DType) -> bool:
    """Whether a type is that of columns with values of several types."""
    return (
        kind is not None and pa.types.is_struct(kind) and bool(kind.num_fields) and kind.field(0).name.startswith(MIXED)
    )


def refuse_mixed(kinds: Iterable[DType], what: str) -> None:
    """Raise an error if a type is that of columns with values of several types, which only few functions take.

    Raises
    ------
    TypeError
        If there is such a type.
    """
    if any(map(is_mixed, kinds)):
        raise TypeError(
            f"cannot {what} a column with values of several types; convert it with astype(str) or to_numeric, or call map "
            "with a function"
        )


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values of a dictionary, or the type itself."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def sort_of(kind: pa.DataType) -> str:
    """Return the sort of the values of a type: strings, numbers, booleans, times, timedeltas, objects or the type name."""
    types, kind = pa.types, value_type(kind)
    if is_plain_text(kind):
        return "strings"
    if is_mixed(kind):
        return "objects"
    if types.is_boolean(kind):
        return "booleans"
    if is_number(kind):
        return "numbers"
    return "times" if is_time(kind) else "timedeltas" if types.is_duration(kind) else str(kind)


def common_number(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """Return NumPy's result type of two types of integers, floating-point numbers or booleans.

    Examples
    --------
    >>> import pyarrow as pa
    >>> common_number(pa.int8(), pa.uint8())
    DataType(int16)
    """
    if a == b:
        return a
    if pa.types.is_boolean(a) or pa.types.is_boolean(b):
        return b if pa.types.is_boolean(a) else a
    if is_real(a) or is_real(b):
        bits = max(_real_bits(a), _real_bits(b))
        return {16: pa.float16(), 32: pa.float32(), 64: pa.float64()}[bits]
    if pa.types.is_signed_integer(a) == pa.types.is_signed_integer(b):
        return a if a.bit_width > b.bit_width else b
    signed, unsigned = (a, b) if pa.types.is_signed_integer(a) else (b, a)
    if signed.bit_width > unsigned.bit_width:
        return signed
    return {8: pa.int16(), 16: pa.int32(), 32: pa.int64()}.get(unsigned.bit_width, pa.float64())


def common_type(kinds: Iterable[DType]) -> DType:
    """Return the type of one column with the values of several: that of NumPy for numbers, otherwise that of the cluster.

    The cluster would convert large integers beside ``float32`` to other values, and ``uint64`` beside ``int64`` to decimals.

    Examples
    --------
    >>> import pyarrow as pa
    >>> common_type([pa.int64(), pa.float32()])
    DataType(double)
    """
    found = [kind for kind in dict.fromkeys(kinds) if kind is None or not pa.types.is_null(kind)]
    numbers = [kind for kind in found if kind is not None and (pa.types.is_integer(kind) or is_real(kind))]
    if found and len(numbers) == len(found):
        return functools.reduce(common_number, numbers)
    return united_type(found)


def united_type(kinds: Iterable[DType]) -> DType:
    """Return the type to which the cluster converts values that may take each other's place; None if it is not known.

    Examples
    --------
    >>> import pyarrow as pa
    >>> united_type([pa.int8(), pa.int64(), pa.null()])
    DataType(int64)
    """
    found = {kind for kind in kinds if kind is None or not pa.types.is_null(kind)}
    if len(found) <= 1:
        return found.pop() if found else None
    known = [kind for kind in found if kind is not None]
    if len(known) < len(found):
        return None
    if all(map(pa.types.is_signed_integer, known)):
        return max(known, key=lambda kind: int(kind.bit_width))
    if pa.float64() in found and all(pa.types.is_integer(kind) or is_real(kind) for kind in known):
        return pa.float64()
    return None


def _real_bits(kind: pa.DataType) -> int:
    """Return the bits of the smallest floating-point type that NumPy uses for a type."""
    if is_real(kind):
        return int(kind.bit_width)
    return min(2 * int(kind.bit_width), 64)
