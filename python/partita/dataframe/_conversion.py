"""Conversions of strings and numbers to times and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import aggregate, call, cast
from ._arguments import reject_unsupported
from ._sql import is_text, is_time, literal

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["to_datetime", "to_numeric"]

#: Units of numeric times, in microseconds.
_UNITS = {"D": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1}


def to_datetime(
    arg: Series, errors: str = "raise", format: str | None = None, unit: str | None = None, **arguments: Any
) -> Series:
    """Convert a column of strings or numbers to times.

    Parameters
    ----------
    arg : Series
        Strings in ISO 8601 or in the given format, or numbers since 1970-01-01.
    errors : {"raise", "coerce"}
        Whether an invalid string is an error or becomes a missing value.
    format : str, optional
        Format of the strings, as in ``strftime``.
    unit : str, optional
        Unit of the numbers: ``D``, ``h``, ``m``, ``s``, ``ms`` or ``us``.
    utc : bool
        Whether the times are in UTC.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> days = dd.from_pandas(pd.Series(["2024-01-05", "2024-02-29 12:30:00"]), npartitions=1)
    >>> dd.to_datetime(days).dt.month.compute().tolist()
    [1, 2]
    """
    zone = "UTC" if arguments.pop("utc", None) else None
    reject_unsupported("to_datetime", arguments)
    _check_errors("to_datetime", errors)
    kind = arg._kind
    # The default unit depends on the version of pandas.
    unit_made = pd.to_datetime(pd.Series(["2024-01-01"])).dt.unit
    made_kind = pa.timestamp(unit_made, zone)
    if pa.types.is_timestamp(kind):
        return arg if zone is None else arg._like(cast(arg._expr, pa.timestamp(kind.unit, zone)))
    if is_time(kind):
        return arg._like(cast(arg._expr, made_kind))
    if not is_text(kind):
        if unit not in _UNITS:
            raise ValueError(f"cannot convert numbers to times without unit=; use one of {', '.join(_UNITS)}")
        whole = cast(call("round", arg._expr * _UNITS[unit]), pa.int64())
        return arg._like(cast(cast(whole, pa.timestamp("us")), made_kind))
    if unit is not None:
        raise NotImplementedError("to_datetime() does not support unit= for strings; use to_numeric first")
    if format is not None:
        if errors == "coerce":
            raise NotImplementedError(
                "to_datetime() does not support errors='coerce' with format=; it works for strings in ISO 8601"
            )
        return arg._like(cast(call("to_timestamp_micros", arg._expr, literal(format)), made_kind))
    made = cast(arg._expr, pa.timestamp("ns"), is_lenient=errors == "coerce")
    return arg._like(cast(made, made_kind))


def _check_errors(name: str, errors: str) -> None:
    if errors not in ("raise", "coerce"):
        raise ValueError(f"{name}: errors must be 'raise' or 'coerce', not {errors!r}")


def to_numeric(arg: Series, errors: str = "raise", **arguments: Any) -> Series:
    """Convert a column of strings to numbers.

    The result has an integer type if all strings are integers. To find out, this function runs a query.

    Parameters
    ----------
    arg : Series
        The strings. A column of another type is returned unchanged.
    errors : {"raise", "coerce"}
        Whether an invalid string is an error or becomes a missing value.
    """
    reject_unsupported("to_numeric", arguments)
    _check_errors("to_numeric", errors)
    if not is_text(arg._kind):
        return arg
    # The type depends on the values: int64 if all are integers.
    is_whole = px.not_null(cast(arg._expr, pa.int64(), is_lenient=True))
    found = call("coalesce", aggregate("bool_and", is_whole), False)
    if arg._rows.values([found]).column(0)[0].as_py():
        return arg._like(cast(arg._expr, pa.int64()))
    return arg._like(cast(arg._expr, pa.float64(), is_lenient=errors == "coerce"))
