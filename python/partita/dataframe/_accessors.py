"""The accessors ``.str`` and ``.dt``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ._base import NotThere
from ._columns import Lists, is_masked
from ._sql import arrow_name, fill_condition, is_text, literal

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["DatetimeMethods", "StringMethods"]


class StringMethods:
    """String methods of a column, as ``.str`` in pandas."""

    def __init__(self, column: Series) -> None:
        if not is_text(column._kind):
            raise AttributeError(f"Can only use .str accessor with string values, not with {column._kind}")
        if pa.types.is_dictionary(column._kind):
            column = column._like(f"arrow_cast({column._sql}, 'LargeUtf8')", pa.large_string())
        self._column = column

    def _text(self, sql: str) -> Series:
        return self._column._like(sql)

    def _call(self, function: str, *arguments: Any) -> Series:
        rest = "".join(f", {literal(argument)}" for argument in arguments)
        return self._text(f"{function}({self._column._sql}{rest})")

    def upper(self) -> Series:
        """Convert to upper case."""
        return self._call("upper")

    def lower(self) -> Series:
        """Convert to lower case."""
        return self._call("lower")

    def title(self) -> Series:
        """Convert the first letter of each word to upper case, and the others to lower case."""
        return self._call("initcap")

    def capitalize(self) -> Series:
        """Convert the first letter to upper case, and the others to lower case."""
        sql = self._column._sql
        return self._text(f"(upper(substr({sql}, 1, 1)) || lower(substr({sql}, 2)))")

    def strip(self, to_strip: str | None = None) -> Series:
        """Remove whitespace, or the given characters, at both ends."""
        return self._call("btrim", *([to_strip] if to_strip else [" \t\n\r\x0b\x0c"]))

    def lstrip(self, to_strip: str | None = None) -> Series:
        """Remove whitespace, or the given characters, at the beginning."""
        return self._call("ltrim", *([to_strip] if to_strip else [" \t\n\r\x0b\x0c"]))

    def rstrip(self, to_strip: str | None = None) -> Series:
        """Remove whitespace, or the given characters, at the end."""
        return self._call("rtrim", *([to_strip] if to_strip else [" \t\n\r\x0b\x0c"]))

    def len(self) -> Series:
        """Return the number of characters."""
        return self._column._like(f"CAST(character_length({self._column._sql}) AS BIGINT)", pa.int64())

    def _test(self, sql: str) -> Series:
        # Tests of missing strings are false, except in nullable columns, where they are missing.
        masked = is_masked(self._column._origin)
        return self._column._like(sql if masked else fill_condition(sql), pa.bool_())

    def contains(self, pat: str, case: bool = True, flags: int = 0, na: Any = None, regex: bool = True) -> Series:
        """Return whether each string contains a pattern; `na` is the result for missing strings."""
        if flags not in (0, re.IGNORECASE):
            raise NotImplementedError("str.contains() supports only the flag re.IGNORECASE")
        case = case and not flags
        found = self._contains(pat, case, regex)
        return found if na is None else found.where(self._column.notna(), bool(na)).astype("bool")

    def _contains(self, pat: str, case: bool, regex: bool) -> Series:
        sql = self._column._sql
        if regex:
            flags = "" if case else ", 'i'"
            return self._test(f"regexp_like({sql}, {literal(pat)}{flags})")
        if not case:
            return self._test(f"strpos(lower({sql}), lower({literal(pat)})) > 0")
        return self._test(f"strpos({sql}, {literal(pat)}) > 0")

    def match(self, pat: str) -> Series:
        """Return whether each string starts with a match of a pattern."""
        return self._test(f"regexp_like({self._column._sql}, {literal('^(?:' + pat + ')')})")

    def startswith(self, pat: Any) -> Series:
        """Return whether each string starts with a prefix, or with one of a tuple of prefixes."""
        return self._one_of("starts_with", pat)

    def endswith(self, pat: Any) -> Series:
        """Return whether each string ends with a suffix, or with one of a tuple of suffixes."""
        return self._one_of("ends_with", pat)

    def _one_of(self, function: str, pat: Any) -> Series:
        texts = pat if isinstance(pat, tuple) else (pat,)
        tests = [f"{function}({self._column._sql}, {literal(text)})" for text in texts]
        return self._test(f"({' OR '.join(tests) or 'FALSE'})")

    def replace(self, pat: str, repl: str, regex: bool = False) -> Series:
        """Replace each occurrence of a string or pattern."""
        if regex:
            return self._text(f"regexp_replace({self._column._sql}, {literal(pat)}, {literal(repl)}, 'g')")
        return self._call("replace", pat, repl)

    def slice(self, start: int | None = None, stop: int | None = None, step: int | None = None) -> Series:
        """Return a substring by character positions; negative positions count from the end."""
        if step not in (None, 1):
            raise NotImplementedError("str.slice() does not support step=")
        sql = self._column._sql
        size = f"CAST(character_length({sql}) AS BIGINT)"

        def place(value: int) -> str:
            return str(value) if value >= 0 else f"greatest({size} - {-value}, 0)"

        begin = place(start or 0)
        if stop is None:
            return self._text(f"substr({sql}, {begin} + 1)")
        return self._text(f"substr({sql}, {begin} + 1, greatest({place(stop)} - {begin}, 0))")

    def get(self, i: int) -> Series:
        """Return the character at a position, or a missing value for shorter strings."""
        sql = self._column._sql
        part = self.slice(i, i + 1 if i != -1 else None)
        return self._text(f"CASE WHEN character_length({sql}) >= {i + 1 if i >= 0 else -i} THEN {part._sql} END")

    def __getitem__(self, key: Any) -> Series:
        if isinstance(key, slice):
            return self.slice(key.start, key.stop, key.step)
        return self.get(key)

    def fullmatch(self, pat: str, case: bool = True) -> Series:
        """Return whether a pattern matches each whole string."""
        flags = "" if case else ", 'i'"
        return self._test(f"regexp_like({self._column._sql}, {literal('^(?:' + pat + ')$')}{flags})")

    def count(self, pat: str) -> Series:
        """Count the matches of a pattern."""
        return self._column._like(f"CAST(regexp_count({self._column._sql}, {literal(pat)}) AS BIGINT)", pa.int64())

    def extract(self, pat: str, expand: bool = False) -> Series:
        """Extract the group of a pattern, or a missing value if the pattern does not match."""
        if expand or re.compile(pat).groups != 1:
            raise NotImplementedError("str.extract() supports only a pattern with one group and expand=False")
        found = f"regexp_match({self._column._sql}, {literal(pat)})"
        return self._text(f"{found}[1]")

    def split(self, pat: str | None = None, n: int = -1, expand: bool = False) -> Series:
        """Split at a separator into lists."""
        if expand or n > 0 or pat is None:
            raise NotImplementedError("str.split() requires a separator and does not support n= and expand=True")
        return self._column._like(f"string_to_array({self._column._sql}, {literal(pat)})", origin=Lists())

    def repeat(self, repeats: int) -> Series:
        """Repeat each string."""
        return self._call("repeat", repeats)

    def pad(self, width: int, side: str = "left", fillchar: str = " ") -> Series:
        """Pad to a width with a character at one side."""
        if side not in ("left", "right"):
            raise NotImplementedError(f"str.pad(side={side!r}) is not supported; use 'left' or 'right'")
        sql, function = self._column._sql, "lpad" if side == "left" else "rpad"
        padded = f"{function}({sql}, {width}, {literal(fillchar)})"
        return self._text(f"CASE WHEN character_length({sql}) >= {width} THEN {sql} ELSE {padded} END")

    def rjust(self, width: int, fillchar: str = " ") -> Series:
        """Pad to a width with a character at the left."""
        return self.pad(width, "left", fillchar)

    def ljust(self, width: int, fillchar: str = " ") -> Series:
        """Pad to a width with a character at the right."""
        return self.pad(width, "right", fillchar)

    def removeprefix(self, prefix: str) -> Series:
        """Remove a prefix."""
        sql = self._column._sql
        rest = f"substr({sql}, {_length(prefix) + 1})"
        return self._text(f"CASE WHEN starts_with({sql}, {literal(prefix)}) THEN {rest} ELSE {sql} END")

    def removesuffix(self, suffix: str) -> Series:
        """Remove a suffix."""
        sql = self._column._sql
        rest = f"substr({sql}, 1, CAST(character_length({sql}) AS BIGINT) - {_length(suffix)})"
        return self._text(f"CASE WHEN ends_with({sql}, {literal(suffix)}) THEN {rest} ELSE {sql} END")

    def isdigit(self) -> Series:
        """Return whether all characters are digits."""
        return self._all_of(r"\d")

    def isalpha(self) -> Series:
        """Return whether all characters are letters."""
        return self._all_of(r"\p{L}")

    def isalnum(self) -> Series:
        """Return whether all characters are letters or digits."""
        return self._all_of(r"[\p{L}\p{N}]")

    def isspace(self) -> Series:
        """Return whether all characters are whitespace."""
        return self._all_of(r"\s")

    def isupper(self) -> Series:
        """Return whether the string has letters and all of them are upper case."""
        return self._cased("upper", "lower")

    def islower(self) -> Series:
        """Return whether the string has letters and all of them are lower case."""
        return self._cased("lower", "upper")

    def _all_of(self, kind: str) -> Series:
        return self._test(f"regexp_like({self._column._sql}, {literal('^(?:' + kind + ')+$')})")

    def _cased(self, own: str, other: str) -> Series:
        sql = self._column._sql
        return self._test(f"({sql} = {own}({sql}) AND {sql} <> {other}({sql}))")

    def zfill(self, width: int) -> Series:
        """Pad to a width with zeros at the left."""
        sql = self._column._sql
        return self._text(f"CASE WHEN character_length({sql}) >= {width} THEN {sql} ELSE lpad({sql}, {width}, '0') END")

    def find(self, sub: str) -> Series:
        """Return the position of the first occurrence, or -1."""
        return self._column._like(f"CAST(strpos({self._column._sql}, {literal(sub)}) AS BIGINT) - 1", pa.int64())

    def cat(self, others: Series, sep: str = "") -> Series:
        """Concatenate with the strings of another column."""
        sql = f"({self._column._sql} || {literal(sep)} || {others._sql})"
        return self._column._like(sql, None, self._column._with(others))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(pd.Series(dtype="str").str, name):
            raise AttributeError(name)
        raise NotThere(f"str.{name} is not supported; use compute() and pandas")


def _length(text: str) -> int:
    # Inside the class, `len` is a method.
    return len(text)


_PARTS = {
    "year": "year",
    "month": "month",
    "day": "day",
    "hour": "hour",
    "minute": "minute",
    "dayofyear": "doy",
    "day_of_year": "doy",
    "quarter": "quarter",
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


class DatetimeMethods:
    """Methods of a column of times or durations, as ``.dt`` in pandas."""

    def __init__(self, column: Series) -> None:
        kind = column._kind
        if not (pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_date(kind)):
            raise AttributeError(f"Can only use .dt accessor with datetimelike values, not with {kind}")
        self._column = column

    def _part(self, name: str) -> Series:
        sql = f"arrow_cast(date_part('{name}', {self._column._sql}), 'Int32')"
        return self._column._like(sql, pa.int32())

    @property
    def _whole(self) -> str:
        """SQL of the nanoseconds since the epoch in local time."""
        return f"arrow_cast(arrow_cast({self._local}, 'Timestamp(Nanosecond, None)'), 'Int64')"

    @property
    def _local(self) -> str:
        sql = self._column._sql
        return f"to_local_time({sql})" if getattr(self._column._kind, "tz", None) else sql

    def _below(self, unit: int, parts: int) -> Series:
        sql = f"arrow_cast(((({self._whole} % {unit * parts}) + {unit * parts}) % {unit * parts}) / {unit}, 'Int32')"
        return self._column._like(sql, pa.int32())

    @property
    def second(self) -> Series:
        """The second of the minute."""
        return self._below(10**9, 60)

    @property
    def microsecond(self) -> Series:
        """The microsecond of the second."""
        return self._below(1000, 10**6)

    @property
    def nanosecond(self) -> Series:
        """The nanosecond of the microsecond."""
        return self._below(1, 1000)

    @property
    def weekday(self) -> Series:
        """The day of the week; Monday is 0."""
        sql = f"arrow_cast((date_part('dow', {self._column._sql}) + 6) % 7, 'Int32')"
        return self._column._like(sql, pa.int32())

    dayofweek = day_of_week = weekday

    @property
    def date(self) -> Series:
        """The date. For an index it has no name, since it is an array in pandas."""
        from ._series import Index

        name = None if isinstance(self._column, Index) else self._column.name
        return self._column._like(f"CAST({self._local} AS DATE)", pa.date32(), name=name)

    @property
    def days_in_month(self) -> Series:
        """The number of days of the month."""
        local = self._local
        last = f"(date_trunc('month', {local}) + INTERVAL '1 month' - INTERVAL '1 day')"
        return self._column._like(f"arrow_cast(date_part('day', {last}), 'Int32')", pa.int32())

    daysinmonth = days_in_month

    def round(self, freq: str) -> Series:
        """Round to the nearest multiple of a frequency, half to even."""
        step = pd.Timedelta(freq if freq[0].isdigit() else f"1{freq}").as_unit("ns").value
        if self._column._kind.tz if pa.types.is_timestamp(self._column._kind) else False:
            raise NotImplementedError("dt.round() does not support times with a zone; use dt.floor")
        kind, whole = self._column._kind, self._whole
        rest = f"((({whole} % {step}) + {step}) % {step})"
        low = f"({whole} - {rest})"
        up = f"(2 * {rest} > {step} OR (2 * {rest} = {step} AND ({low} / {step}) % 2 <> 0))"
        exact = f"arrow_cast({low} + CASE WHEN {up} THEN {step} ELSE 0 END, '{arrow_name(pa.timestamp('ns'))}')"
        return self._column._like(f"arrow_cast({exact}, '{arrow_name(kind)}')", kind)

    def normalize(self) -> Series:
        """Round down to midnight."""
        return self.floor("D")

    def floor(self, freq: str) -> Series:
        """Round down to a multiple of a frequency."""
        return self._rounded(freq, 0)

    def ceil(self, freq: str) -> Series:
        """Round up to a multiple of a frequency."""
        step = pd.Timedelta(1, "D") if freq == "D" else pd.Timedelta(freq if freq[0].isdigit() else f"1{freq}")
        return self._rounded(freq, step.as_unit("ns").value - 1)

    def _rounded(self, freq: str, more: int) -> Series:
        kind = self._column._kind
        if getattr(kind, "tz", None) and freq.endswith("D"):
            raise NotImplementedError(
                "cannot round times with a zone to days, which have different lengths; use dt.tz_localize(None) first"
            )
        step = pd.Timedelta(freq if freq[0].isdigit() else f"1{freq}").as_unit("ns").value
        sql = self._column._sql
        whole = f"(arrow_cast(arrow_cast({sql}, 'Timestamp(Nanosecond, None)'), 'Int64') + {more})"
        exact = f"arrow_cast({whole} - ((({whole} % {step}) + {step}) % {step}), '{arrow_name(pa.timestamp('ns', kind.tz))}')"
        return self._column._like(f"arrow_cast({exact}, '{arrow_name(kind)}')", kind)

    def day_name(self) -> Series:
        """Return the English name of the day of the week."""
        cases = " ".join(f"WHEN {at} THEN '{name}'" for at, name in enumerate(_DAYS))
        return self._column._like(f"CASE {self.weekday._sql} {cases} END")

    def month_name(self) -> Series:
        """Return the English name of the month."""
        cases = " ".join(f"WHEN {at + 1} THEN '{name}'" for at, name in enumerate(_MONTHS))
        return self._column._like(f"CASE {self._part('month')._sql} {cases} END")

    def strftime(self, date_format: str) -> Series:
        """Format times as strings."""
        # %f has six digits, as in Python.
        return self._column._like(f"to_char({self._local}, {literal(date_format.replace('%f', '%6f'))})")

    def tz_convert(self, tz: Any) -> Series:
        """Convert times to another time zone."""
        kind = self._column._kind
        if not getattr(kind, "tz", None):
            raise TypeError("cannot convert the zone of times without a zone; use tz_localize")
        wanted = pa.timestamp(kind.unit, None if tz is None else str(tz))
        if tz is None:
            utc = arrow_name(pa.timestamp(kind.unit, "UTC"))
            return self._column._like(f"to_local_time(arrow_cast({self._column._sql}, '{utc}'))", wanted)
        return self._column._like(f"arrow_cast({self._column._sql}, '{arrow_name(wanted)}')", wanted)

    def tz_localize(self, tz: Any) -> Series:
        """Attach a time zone to local times, or with None remove it."""
        kind = self._column._kind
        if tz is None:
            return self._column._like(self._local, pa.timestamp(kind.unit))
        if getattr(kind, "tz", None):
            raise TypeError("cannot localize times that have a zone; use tz_convert")
        wanted = pa.timestamp(kind.unit, str(tz))
        return self._column._like(f"arrow_cast({self._column._sql}, '{arrow_name(wanted)}')", wanted)

    @property
    def days(self) -> Series:
        """The whole days of a duration."""
        whole = f"arrow_cast(arrow_cast({self._column._sql}, 'Duration(Nanosecond)'), 'Int64')"
        day = 86_400_000_000_000
        return self._column._like(f"(({whole} - ((({whole} % {day}) + {day}) % {day})) / {day})", pa.int64())

    def total_seconds(self) -> Series:
        """Return the duration in seconds."""
        whole = f"arrow_cast(arrow_cast({self._column._sql}, 'Duration(Nanosecond)'), 'Int64')"
        return self._column._like(f"CAST({whole} AS DOUBLE) / 1000000000", pa.float64())

    def __getattr__(self, name: str) -> Any:
        if name in _PARTS:
            return self._part(_PARTS[name])
        if name.startswith("_") or not hasattr(pd.Series(dtype="datetime64[ns]").dt, name):
            raise AttributeError(name)
        raise NotThere(f"dt.{name} is not supported; use compute() and pandas")
