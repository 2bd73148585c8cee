"""Conversion of numbers, times and durations to the strings that pandas returns for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, aggregate, call
from ._rows import Rows
from ._sql import checked

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["check_integers", "positive_rest", "text_of"]

#: Units of a second.
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS_PER_DAY = 86_400
_TEXT = pa.string()


def text_of(column: Series) -> Expr | None:
    """Return the strings of a column; None if the cluster's conversion is that of pandas.

    The strings of times and durations depend on all values, so a query determines their form.
    """
    kind = column._kind
    if pa.types.is_float64(kind):
        return _float_text(column._expr)
    if pa.types.is_boolean(kind):
        return px.case([(column._expr, "True"), (px.negation(column._expr), "False")])
    if pa.types.is_timestamp(kind):
        return _time_text(column)
    if pa.types.is_duration(kind):
        return _duration_text(column)
    return None


def _float_text(value: Expr) -> Expr:
    """Return the shortest string of a number, with an exponent in the same cases as in Python."""
    text, size = px.cast(value, _TEXT), call("abs", value)
    large = _replaced(text, "e([0-9])", "e+${1}")
    # The cluster writes 0.0000125 for 1.25e-05, and 1e-7 for 1e-07.
    one = _replaced(text, "^(-?)0[.]0000([0-9])$", "${1}${2}e-05")
    more = _replaced(one, "^(-?)0[.]0000([0-9])([0-9]+)$", "${1}${2}.${3}e-05")
    small = _replaced(more, "e-([0-9])$", "e-0${1}")
    is_large = px.comparison("ge", size, 1e16)
    is_small = px.conjunction(px.comparison("lt", size, 1e-4), px.comparison("ne", value, 0))
    return px.case([(is_large, large), (is_small, small)], text)


def _replaced(text: Expr, pattern: str, new: str) -> Expr:
    return call("regexp_replace", text, pattern, new)


def positive_rest(whole: Expr, by: int) -> Expr:
    """Return a remainder that is never negative."""
    return (whole % by + by) % by


def _floor(whole: Expr, by: int) -> Expr:
    """Return a quotient rounded down."""
    return (whole - positive_rest(whole, by)) / by


def _digits_of_fraction(whole: Expr, per: int, rows: Rows) -> tuple[int, bool]:
    """Return how many digits of a second the values need, and whether all of them are whole days."""
    units = [size for size in (10**3, 10**6, 10**9) if size <= per]
    tests = [aggregate("bool_or", px.comparison("ne", whole % size, 0)) for size in units]
    is_day = px.comparison("eq", whole % (per * _SECONDS_PER_DAY), 0)
    days = call("coalesce", aggregate("bool_and", is_day), False)
    found = [column[0].as_py() for column in rows.values([days, *tests]).columns]
    digits = {1: 0, 10**3: 3, 10**6: 6, 10**9: 9}[per]
    for is_needed in found[1:]:
        if is_needed:
            break
        digits -= 3
    return digits, bool(found[0])


def _padded(number: Expr, size: int) -> Expr:
    return call("lpad", px.cast(number, _TEXT), size, "0")


def _fraction(whole: Expr, per: int, digits: int) -> list[Expr]:
    """Return the digits of a second after a point, which may be more than the unit has."""
    if not digits:
        return []
    size = {10**3: 3, 10**6: 6, 10**9: 9}[per]
    text = _padded(positive_rest(whole, per), size)
    shown = call("substr", text, 1, digits) if digits <= size else call("rpad", text, digits, "0")
    return [px.literal("."), shown]


def _time_text(column: Series) -> Expr:
    kind, value = column._kind, column._expr
    local = call("to_local_time", value) if kind.tz else value
    whole, per = px.cast(local, pa.int64()), _PER_SECOND[kind.unit]
    digits, has_only_days = _digits_of_fraction(whole, per, column._rows)
    seconds = px.cast(_floor(whole, per), pa.timestamp("s"))
    text = call("replace", px.cast(seconds, _TEXT), "T", " ")
    if kind.tz is None and has_only_days:
        return call("substr", text, 1, 10)
    parts = [text, *_fraction(whole, per, digits)]
    if kind.tz is not None:
        zoned = px.cast(value, _TEXT)
        parts.append(px.case([(call("ends_with", zoned, "Z"), "+00:00")], call("right", zoned, 6)))
    return call("concatenate", *parts) if len(parts) > 1 else text


def _duration_text(column: Series) -> Expr:
    whole, per = px.cast(column._expr, pa.int64()), _PER_SECOND[column._kind.unit]
    digits, has_only_days = _digits_of_fraction(whole, per, column._rows)
    day = per * _SECONDS_PER_DAY
    days = _floor(whole, day)
    parts = [px.cast(days, _TEXT), px.literal(" days")]
    if has_only_days:
        return call("concatenate", *parts)
    seconds = positive_rest(whole, day) / per
    parts.append(px.case([(px.comparison("lt", days, 0), " +")], " "))
    for at, part in enumerate((seconds / 3600, seconds / 60 % 60, seconds % 60)):
        parts += [px.literal(":"), _padded(part, 2)] if at else [_padded(part, 2)]
    # Fractions of durations have six or nine digits.
    return call("concatenate", *parts, *_fraction(whole, per, 6 if 0 < digits <= 6 else digits))


def check_integers(value: Expr, kind: pa.DataType, converted: Expr, allows_missing: bool) -> Expr:
    """Return a conversion to integers that fails for values that are not integers, as in pandas.

    Parameters
    ----------
    value : Expr
        The values.
    kind : pyarrow.DataType
        Type of the values.
    converted : Expr
        The conversion.
    allows_missing : bool
        Whether the wanted type has missing values. Then fractions are refused instead of missing values.
    """
    if not allows_missing:
        why = "cannot convert a missing value to an integer; use fillna first, or astype('Int64')"
        return checked(px.is_null(value), why, converted)
    if pa.types.is_floating(kind):
        has_fraction = px.comparison("ne", value, call("trunc", value))
        return checked(has_fraction, "cannot safely cast numbers with a fraction to Int64", converted)
    return converted
