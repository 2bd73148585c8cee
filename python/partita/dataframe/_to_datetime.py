"""The conversion of strings and numbers to times."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan import wire
from ..plan.expr import Expr, call, case, cast
from ..plan.relation import Filter, Named, Sorting
from ..utils import no_default
from ._arguments import reject_unsupported
from ._base import Plan
from ._conversion import check_errors
from ._sql import checked, is_text, is_time, literal

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["to_datetime"]

#: Units of numbers, in microseconds; nanoseconds are not a multiple of one.
_UNITS = {"D": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1}
#: Names of formats for which each string is one of ISO 8601.
_ISO = (None, "ISO8601")
#: Directives that the engine reads as pandas does, if the string has a whole date. Others are left to pandas.
_OF_ENGINE = frozenset("YmdHMSjbB%")
#: What completes a string of ISO 8601, by its number of characters: the engine reads only complete ones.
_COMPLETED = {4: "-01-01", 7: "-01", 13: ":00:00", 16: ":00"}
#: Characters of a string with a date and microseconds: only longer ones can have nanoseconds.
_MICROSECONDS_WIDTH = 26
_NANOSECONDS = r"\.[0-9]{6}0*[1-9]"
_OFFSET = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+ ?([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$"
_ISO_DATE = r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}([T ].*)?)?)?$"
_NEEDS_UTC = "to_datetime: a string has a UTC offset; give utc=True"
_NEEDS_NANOSECONDS = "to_datetime: a string has nanoseconds; give meta='datetime64[ns]'"


def to_datetime(
    arg: Series,
    errors: str = "raise",
    format: str | None = None,
    unit: str | None = None,
    meta: Any = None,
    **arguments: Any,
) -> Series:
    """Convert a column of strings or numbers to times.

    Parameters
    ----------
    arg : Series or DataFrame
        Strings in one format, or numbers since 1970-01-01; or a frame with columns of years, months and
        days. Objects of pandas are converted by pandas.
    errors : {"raise", "coerce"}
        Whether an invalid string is an error or becomes a missing value.
    format : str, optional
        Format of the strings, as in ``strftime``; ``"ISO8601"`` or ``"mixed"``. Without it, a string is computed at once: if
        it is in ISO 8601, all must be, in any of its forms. Otherwise, and with ``errors="coerce"``, all must have the format
        of the first one, as in pandas.
    unit : str, optional
        Unit of the numbers: ``D``, ``h``, ``m``, ``s``, ``ms``, ``us`` or ``ns``, which is the default.
    meta : optional
        The type of the result, such as ``"datetime64[ns]"``: pandas has nanoseconds if a string has more than six digits of
        a fraction, microseconds otherwise, which are the default.
    utc : bool
        Whether the times are in UTC, which strings with UTC offsets require.
    dayfirst : bool
        Whether ``10/11/2012`` is 10 November, where no format is given.
    origin : str or time, optional
        The time that numbers count from, instead of 1970-01-01.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita import dataframe as dd
    >>> days = dd.from_pandas(pd.Series(["2024-01-05", "2024-02-29 12:30:00"]), npartitions=1)
    >>> dd.to_datetime(days).dt.month.compute().tolist()
    [1, 2]
    """
    if not isinstance(arg, Plan):
        if not isinstance(arg, (pd.Series, pd.DataFrame)):
            raise NotImplementedError(
                f"to_datetime() does not support non-index-able arguments such as {type(arg).__name__}; use pandas.to_datetime"
            )
        found: Any = pd.to_datetime(arg, errors=errors, format=format, unit=unit, **arguments)
        return found
    if hasattr(arg, "_columns"):
        return _assembled(arg, errors, arguments)
    is_utc, dayfirst = bool(arguments.pop("utc", None)), bool(arguments.pop("dayfirst", False))
    origin = arguments.pop("origin", "unix")
    arguments.pop("cache", None)
    reject_unsupported("to_datetime", arguments)
    check_errors("to_datetime", errors)
    kind = arg._kind
    if pa.types.is_timestamp(kind):
        return arg._like(cast(arg._expr, pa.timestamp(kind.unit, "UTC"))) if is_utc else arg
    # The default unit depends on the version of pandas.
    made = _type_of_meta(meta) or pa.timestamp(pd.to_datetime(pd.Series(["2024-01-01"])).dt.unit)
    made = pa.timestamp(made.unit, "UTC") if is_utc else made
    if is_time(kind):
        return arg._like(cast(arg._expr, made))
    if not is_text(kind):
        return _of_numbers(arg, errors, "ns" if unit is None else unit, made, origin)
    if origin != "unix":
        raise ValueError("to_datetime: origin= applies to numbers, not to strings")
    if unit is not None:
        raise NotImplementedError("to_datetime() does not support unit= for strings; use to_numeric first")
    if format is None and (dayfirst or errors == "coerce" or not _is_iso(arg)):
        format = _format_of_first(arg, dayfirst)
    if errors == "raise" and format in _ISO:
        return arg._like(_of_iso(arg._expr, made))
    read = None if errors == "coerce" or format is None else _engine_format(format, made)
    if read is None or format is None:
        return _by_pandas(arg, errors, format, made, dayfirst=dayfirst)
    value = call("to_timestamp_micros", arg._expr, literal(read))
    if "%.f" in read and made.unit != "ns":
        value = checked(call("regexp_like", arg._expr, literal(_NANOSECONDS)), _NEEDS_NANOSECONDS, value)
    return arg._like(cast(value, made))


def _type_of_meta(meta: Any) -> pa.DataType | None:
    """Return the type of times that a user gave; None if none is given."""
    if meta is None or meta is no_default:
        return None
    if isinstance(meta, tuple):
        meta = meta[1]
    dtype = pd.api.types.pandas_dtype(getattr(meta, "dtype", meta))
    zone = getattr(dtype, "tz", None)
    if not pd.api.types.is_datetime64_any_dtype(dtype) or str(zone) not in ("None", "UTC"):
        raise TypeError(f"to_datetime: meta must be a type of times, without a zone or in UTC, not {dtype}")
    return pa.timestamp(pd.Series([], dtype=dtype).dt.unit, None if zone is None else "UTC")


def _of_iso(text: Expr, made: pa.DataType) -> Expr:
    """Return the times of strings in ISO 8601."""
    width = call("character_length", text)
    full = case(
        [(px.comparison("eq", width, count), call("concatenate", text, rest)) for count, rest in _COMPLETED.items()],
        text,
    )
    if made.unit == "ns":
        value = cast(full, pa.timestamp("ns"))
    else:
        value = cast(full, pa.timestamp("us"))
        is_finer = call("regexp_like", text, literal(_NANOSECONDS))
        is_long = px.comparison("gt", width, _MICROSECONDS_WIDTH)
        value = case([(is_long, checked(is_finer, _NEEDS_NANOSECONDS, value))], value)
    if made.tz is None:
        has_offset = call("regexp_like", text, literal(_OFFSET))
        has_time = px.comparison("gt", width, len("2000-01-01"))
        value = case([(has_time, checked(has_offset, _NEEDS_UTC, value))], value)
    return cast(value, made)


def _engine_format(format: str, made: pa.DataType) -> str | None:
    """Return a format in the notation of the engine; None if it does not read strings in this format as pandas does."""
    # In the engine, %f are nanoseconds, and %.f is a fraction with its point.
    plain = format.replace(".%f", "")
    used = set(re.findall(r"%(.)", plain, re.DOTALL))
    has_date = "Y" in used and ("j" in used or ("d" in used and used & set("mbB")))
    if not has_date or not used <= _OF_ENGINE or (".%f" in format and made.unit == "ns"):
        return None
    return format.replace(".%f", "%.f")


def _is_iso(column: Any) -> bool:
    """Whether some string is in ISO 8601, or the column has no strings. Results of functions are not computed for this."""
    rows = column._rows
    if rows.calls or rows.is_group or rows.persisted in rows.client._connection.deferred:
        return True
    found = rows.project([Named("v", column._expr)])
    some = Sorting(Filter(found, [px.not_null(found.column("v"))]), (), 1)
    texts = rows.client._connection.query(wire.rows(some)).column(0).to_pylist()
    return not texts or re.match(_ISO_DATE, texts[0]) is not None


def _format_of_first(column: Any, dayfirst: bool) -> str | None:
    """Return the format of the first string, as pandas guesses it. "mixed" if it finds none; None without strings."""
    first = column.dropna().head(1)
    if not len(first):
        return None
    return pd.tseries.api.guess_datetime_format(first.iloc[0], dayfirst) or "mixed"


def _of_numbers(column: Any, errors: str, unit: str, made: pa.DataType, origin: Any) -> Any:
    """Return the times of numbers since a time."""
    if origin != "unix":
        if origin == "julian" or isinstance(origin, (int, float)):
            raise NotImplementedError(f"to_datetime() does not support origin={origin!r}; give a time")
        since = pd.Timestamp(origin).as_unit("s") - pd.Timestamp(0).as_unit("s")
        return _of_numbers(column, errors, unit, made, "unix") + since
    if unit != "ns" and unit not in _UNITS:
        raise ValueError(f"to_datetime: unit must be one of {', '.join(_UNITS)} and ns, not {unit!r}")
    kind = column._kind
    if not pa.types.is_integer(kind):
        # pandas converts the parts before and after the decimal point one by one.
        sample = pd.to_datetime(pd.Series([1.5]), unit=unit)
        return _by_pandas(column, errors, None, pa.timestamp(sample.dt.unit, made.tz), unit)
    stored = pd.to_datetime(pd.Series([1]), unit=unit).dt.unit
    whole = cast(column._expr, pa.int64())
    value = cast(whole, pa.timestamp("ns")) if unit == "ns" else cast(whole * _UNITS[unit], pa.timestamp("us"))
    return column._like(cast(value, pa.timestamp(stored, made.tz)))


def _by_pandas(
    column: Any,
    errors: str,
    format: str | None,
    made: pa.DataType,
    unit: str | None = None,
    dayfirst: bool = False,
) -> Any:
    """Return the times that pandas returns on the workers."""
    from ._column_functions import call_rows

    given = {"errors": errors, "format": format, "unit": unit, "utc": made.tz is not None, "dayfirst": dayfirst}
    meta = pd.Series([], dtype=pd.DatetimeTZDtype(made.unit, "UTC") if made.tz else f"datetime64[{made.unit}]")
    return call_rows(column, _ToDatetime(given, made.unit), meta.rename(column.name), "to_datetime")


class _ToDatetime:
    """The function of the calls that convert values to times."""

    def __init__(self, given: dict[str, Any], stored: str) -> None:
        self.given = given
        self.stored = stored

    def __call__(self, values: Any) -> pd.Series:
        found = pd.Series(pd.to_datetime(pd.Series(values), **self.given))
        if not self.given["utc"] and found.dt.tz is not None:
            raise ValueError(_NEEDS_UTC)
        kept = found.dt.as_unit(self.stored)
        if self.stored != "ns" and (found.dt.nanosecond > 0).any():
            raise ValueError(_NEEDS_NANOSECONDS)
        return kept


def _assembled(frame: Any, errors: str, arguments: dict[str, Any]) -> Series:
    """Return the times of a frame with columns of years, months, days and so on, which workers call pandas for."""
    from ._row_methods import call_method

    given = {"errors": errors, **{name: arguments.pop(name) for name in ("utc",) if name in arguments}}
    reject_unsupported("to_datetime", arguments)
    sample = pd.to_datetime(pd.DataFrame({"year": [2000], "month": [1], "day": [1]}), **given)
    made: Series = call_method(frame, functools.partial(pd.to_datetime, **given), "to_datetime", meta=sample[:0])
    return made
