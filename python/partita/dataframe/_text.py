"""Conversion of numbers, times and durations to the strings that pandas returns for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ._rows import Rows
from ._sql import checked

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["check_integers", "text_of"]

#: Units of a second.
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS_PER_DAY = 86_400


def text_of(column: Series) -> tuple[str, Rows] | None:
    """Return the SQL of the strings of a column and its rows; None if the cluster's conversion is that of pandas.

    The strings of times and durations depend on all values, so a query determines their form.
    """
    kind = column._kind
    if pa.types.is_float64(kind):
        rows, sql = column._rows.shorten(column._sql)
        return _float_text(sql), rows
    if pa.types.is_boolean(kind):
        return f"CASE WHEN {column._sql} THEN 'True' WHEN NOT {column._sql} THEN 'False' END", column._rows
    if pa.types.is_timestamp(kind):
        return _time_text(column)
    if pa.types.is_duration(kind):
        return _duration_text(column)
    return None


def _float_text(sql: str) -> str:
    """Return the SQL of the shortest string of a number, with an exponent in the same cases as in Python."""
    text = f"arrow_cast({sql}, 'Utf8')"
    large = f"regexp_replace({text}, 'e([0-9])', 'e+${{1}}')"
    # The cluster writes 0.0000125 for 1.25e-05, and 1e-7 for 1e-07.
    one = f"regexp_replace({text}, '^(-?)0[.]0000([0-9])$', '${{1}}${{2}}e-05')"
    more = f"regexp_replace({one}, '^(-?)0[.]0000([0-9])([0-9]+)$', '${{1}}${{2}}.${{3}}e-05')"
    small = f"regexp_replace({more}, 'e-([0-9])$', 'e-0${{1}}')"
    return (
        f"CASE WHEN abs({sql}) >= 1e16 THEN {large} WHEN abs({sql}) < 1e-4 AND {sql} <> 0 THEN {small} ELSE {text} END"
    )


def _rest(whole: str, by: int) -> str:
    return f"((({whole} % {by}) + {by}) % {by})"


def _fraction_digits(whole: str, per: int, rows: Rows) -> tuple[int, bool]:
    """Return how many digits of a second the values need, and whether all of them are whole days."""
    units = [size for size in (10**3, 10**6, 10**9) if size <= per]
    tests = [f"bool_or({whole} % {size} <> 0)" for size in units]
    days = f"coalesce(bool_and({whole} % {per * _SECONDS_PER_DAY} = 0), FALSE)"
    found = [column[0].as_py() for column in rows.values([days, *tests]).columns]
    digits = {1: 0, 10**3: 3, 10**6: 6, 10**9: 9}[per]
    for is_needed in found[1:]:
        if is_needed:
            break
        digits -= 3
    return digits, bool(found[0])


def _fraction(whole: str, per: int, digits: int) -> str:
    """Return the SQL of the digits of a second, which may be more than the unit has."""
    if not digits:
        return ""
    size = {10**3: 3, 10**6: 6, 10**9: 9}[per]
    text = f"lpad(CAST({_rest(whole, per)} AS VARCHAR), {size}, '0')"
    shown = f"substr({text}, 1, {digits})" if digits <= size else f"rpad({text}, {digits}, '0')"
    return f" || '.' || {shown}"


def _time_text(column: Series) -> tuple[str, Rows]:
    kind, sql = column._kind, column._sql
    local = f"to_local_time({sql})" if kind.tz else sql
    whole, per = f"arrow_cast({local}, 'Int64')", _PER_SECOND[kind.unit]
    digits, has_only_days = _fraction_digits(whole, per, column._rows)
    seconds = f"arrow_cast(({whole} - {_rest(whole, per)}) / {per}, 'Timestamp(Second, None)')"
    text = f"replace(arrow_cast({seconds}, 'Utf8'), 'T', ' ')"
    if kind.tz is None:
        return f"substr({text}, 1, 10)" if has_only_days else f"({text}{_fraction(whole, per, digits)})", column._rows
    zoned = f"arrow_cast({sql}, 'Utf8')"
    offset = f"CASE WHEN ends_with({zoned}, 'Z') THEN '+00:00' ELSE right({zoned}, 6) END"
    return f"({text}{_fraction(whole, per, digits)} || {offset})", column._rows


def _duration_text(column: Series) -> tuple[str, Rows]:
    kind, sql = column._kind, column._sql
    whole, per = f"arrow_cast({sql}, 'Int64')", _PER_SECOND[kind.unit]
    digits, has_only_days = _fraction_digits(whole, per, column._rows)
    day = per * _SECONDS_PER_DAY
    days = f"(({whole} - {_rest(whole, day)}) / {day})"
    text = f"CAST({days} AS VARCHAR) || ' days'"
    if has_only_days:
        return f"({text})", column._rows
    seconds = f"({_rest(whole, day)} / {per})"
    parts = (f"{seconds} / 3600", f"{seconds} / 60 % 60", f"{seconds} % 60")
    clock = " || ':' || ".join(f"lpad(CAST({part} AS VARCHAR), 2, '0')" for part in parts)
    # Fractions of durations have six or nine digits.
    fraction = _fraction(whole, per, 6 if 0 < digits <= 6 else digits)
    return f"({text} || CASE WHEN {days} < 0 THEN ' +' ELSE ' ' END || {clock}{fraction})", column._rows


def check_integers(sql: str, kind: pa.DataType, converted: str, allows_missing: bool) -> str:
    """Return the SQL of a conversion to integers that fails for values that are not integers, as in pandas.

    Parameters
    ----------
    sql : str
        The values.
    kind : pyarrow.DataType
        Type of the values.
    converted : str
        SQL of the conversion.
    allows_missing : bool
        Whether the wanted type has missing values. Then fractions are refused instead of missing values.
    """
    if not allows_missing:
        why = "cannot convert a missing value to an integer; use fillna first, or astype('Int64')"
        return checked(f"{sql} IS NULL", why, converted)
    if pa.types.is_floating(kind):
        return checked(f"{sql} <> trunc({sql})", "cannot safely cast numbers with a fraction to Int64", converted)
    return converted
