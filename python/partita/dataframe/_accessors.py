"""Functions of texts and of times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ._sql import arrow_name, is_text, literal

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["DatetimeMethods", "StringMethods"]


class StringMethods:
    """Functions of a column of texts, as pandas has them under ``.str``."""

    def __init__(self, column: Series) -> None:
        if not is_text(column._kind):
            raise AttributeError(f"only columns of texts have .str, not one of {column._kind}")
        self._column = column

    def _text(self, sql: str) -> Series:
        return self._column._like(sql)

    def _call(self, function: str, *arguments: Any) -> Series:
        rest = "".join(f", {literal(argument)}" for argument in arguments)
        return self._text(f"{function}({self._column._sql}{rest})")

    def upper(self) -> Series:
        """In capitals."""
        return self._call("upper")

    def lower(self) -> Series:
        """In small letters."""
        return self._call("lower")

    def title(self) -> Series:
        """Each word with a capital."""
        return self._call("initcap")

    def capitalize(self) -> Series:
        """The first letter a capital, the others small."""
        sql = self._column._sql
        return self._text(f"(upper(substr({sql}, 1, 1)) || lower(substr({sql}, 2)))")

    def strip(self, to_strip: str | None = None) -> Series:
        """Without spaces, or these characters, at both ends."""
        return self._call("btrim", *([to_strip] if to_strip else [" \t\n\r\x0b\x0c"]))

    def lstrip(self, to_strip: str | None = None) -> Series:
        """Without spaces, or these characters, at the beginning."""
        return self._call("ltrim", *([to_strip] if to_strip else [" \t\n\r\x0b\x0c"]))

    def rstrip(self, to_strip: str | None = None) -> Series:
        """Without spaces, or these characters, at the end."""
        return self._call("rtrim", *([to_strip] if to_strip else [" \t\n\r\x0b\x0c"]))

    def len(self) -> Series:
        """Characters."""
        return self._column._like(f"CAST(character_length({self._column._sql}) AS BIGINT)", pa.int64())

    def _test(self, sql: str) -> Series:
        return self._column._like(f"coalesce({sql}, FALSE)", pa.bool_())

    def contains(self, pat: str, case: bool = True, regex: bool = True) -> Series:
        """Whether a pattern is in each; a missing text has none."""
        sql = self._column._sql
        if regex:
            flags = "" if case else ", 'i'"
            return self._test(f"regexp_like({sql}, {literal(pat)}{flags})")
        if not case:
            return self._test(f"strpos(lower({sql}), lower({literal(pat)})) > 0")
        return self._test(f"strpos({sql}, {literal(pat)}) > 0")

    def match(self, pat: str) -> Series:
        """Whether each begins with a pattern."""
        return self._test(f"regexp_like({self._column._sql}, {literal('^(?:' + pat + ')')})")

    def startswith(self, pat: str) -> Series:
        """Whether each begins so."""
        return self._test(f"starts_with({self._column._sql}, {literal(pat)})")

    def endswith(self, pat: str) -> Series:
        """Whether each ends so."""
        return self._test(f"ends_with({self._column._sql}, {literal(pat)})")

    def replace(self, pat: str, repl: str, regex: bool = False) -> Series:
        """With something else in the place of each occurrence."""
        if regex:
            return self._text(f"regexp_replace({self._column._sql}, {literal(pat)}, {literal(repl)}, 'g')")
        return self._call("replace", pat, repl)

    def slice(self, start: int | None = None, stop: int | None = None) -> Series:
        """A part, by the places of its characters."""
        begin = start or 0
        if begin < 0 or (stop is not None and stop < 0):
            raise NotImplementedError("str.slice counts from the beginning: places below 0 are not there")
        if stop is None:
            return self._call("substr", begin + 1)
        return self._call("substr", begin + 1, max(stop - begin, 0))

    def __getitem__(self, key: Any) -> Series:
        if isinstance(key, slice):
            return self.slice(key.start, key.stop)
        return self.slice(key, key + 1)

    def zfill(self, width: int) -> Series:
        """With zeros before it up to a width."""
        sql = self._column._sql
        return self._text(f"CASE WHEN character_length({sql}) >= {width} THEN {sql} ELSE lpad({sql}, {width}, '0') END")

    def find(self, sub: str) -> Series:
        """The place of the first occurrence; -1 if there is none."""
        return self._column._like(f"CAST(strpos({self._column._sql}, {literal(sub)}) AS BIGINT) - 1", pa.int64())

    def cat(self, others: Series, sep: str = "") -> Series:
        """Joined with another column's texts."""
        sql = f"({self._column._sql} || {literal(sep)} || {others._sql})"
        return self._column._like(sql, None, self._column._with(others))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(pd.Series(dtype="str").str, name):
            raise AttributeError(name)
        raise NotImplementedError(f"str.{name} is not there: compute() gives a pandas column, which has it")


_PARTS = {
    "year": "year",
    "month": "month",
    "day": "day",
    "hour": "hour",
    "minute": "minute",
    "dayofyear": "doy",
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
    """Functions of a column of times, as pandas has them under ``.dt``."""

    def __init__(self, column: Series) -> None:
        kind = column._kind
        if not (pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_date(kind)):
            raise AttributeError(f"only columns of times have .dt, not one of {kind}")
        self._column = column

    def _part(self, name: str) -> Series:
        sql = f"arrow_cast(date_part('{name}', {self._column._sql}), 'Int32')"
        return self._column._like(sql, pa.int32())

    @property
    def _whole(self) -> str:
        """Nanoseconds since the epoch, on the column's own clock."""
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
        """Seconds of the minute."""
        return self._below(10**9, 60)

    @property
    def microsecond(self) -> Series:
        """Microseconds of the second."""
        return self._below(1000, 10**6)

    @property
    def nanosecond(self) -> Series:
        """Nanoseconds of the microsecond."""
        return self._below(1, 1000)

    @property
    def weekday(self) -> Series:
        """Days since Monday."""
        sql = f"arrow_cast((date_part('dow', {self._column._sql}) + 6) % 7, 'Int32')"
        return self._column._like(sql, pa.int32())

    dayofweek = day_of_week = weekday

    @property
    def date(self) -> Series:
        """The day."""
        return self._column._like(f"CAST({self._local} AS DATE)", pa.date32())

    def normalize(self) -> Series:
        """Midnight of the day."""
        return self.floor("D")

    def floor(self, freq: str) -> Series:
        """The last multiple of a time that is not after it."""
        return self._rounded(freq, 0)

    def ceil(self, freq: str) -> Series:
        """The first multiple of a time that is not before it."""
        step = pd.Timedelta(1, "D") if freq == "D" else pd.Timedelta(freq if freq[0].isdigit() else f"1{freq}")
        return self._rounded(freq, step.as_unit("ns").value - 1)

    def _rounded(self, freq: str, more: int) -> Series:
        kind = self._column._kind
        if getattr(kind, "tz", None) and freq.endswith("D"):
            raise NotImplementedError(
                "days of a time zone have different lengths: use tz_localize(None) in pandas first"
            )
        step = pd.Timedelta(freq if freq[0].isdigit() else f"1{freq}").as_unit("ns").value
        sql = self._column._sql
        whole = f"(arrow_cast(arrow_cast({sql}, 'Timestamp(Nanosecond, None)'), 'Int64') + {more})"
        exact = f"arrow_cast({whole} - ((({whole} % {step}) + {step}) % {step}), '{arrow_name(pa.timestamp('ns', kind.tz))}')"
        return self._column._like(f"arrow_cast({exact}, '{arrow_name(kind)}')", kind)

    def day_name(self) -> Series:
        """The name of the day of the week."""
        cases = " ".join(f"WHEN {at} THEN '{name}'" for at, name in enumerate(_DAYS))
        return self._column._like(f"CASE {self.weekday._sql} {cases} END")

    def month_name(self) -> Series:
        """The name of the month."""
        cases = " ".join(f"WHEN {at + 1} THEN '{name}'" for at, name in enumerate(_MONTHS))
        return self._column._like(f"CASE {self._part('month')._sql} {cases} END")

    def strftime(self, date_format: str) -> Series:
        """As text, by a format of ``strftime``."""
        return self._column._like(f"to_char({self._local}, {literal(date_format)})")

    def total_seconds(self) -> Series:
        """Seconds of a duration."""
        whole = f"arrow_cast(arrow_cast({self._column._sql}, 'Duration(Nanosecond)'), 'Int64')"
        return self._column._like(f"CAST({whole} AS DOUBLE) / 1000000000", pa.float64())

    def __getattr__(self, name: str) -> Any:
        if name in _PARTS:
            return self._part(_PARTS[name])
        if name.startswith("_") or not hasattr(pd.Series(dtype="datetime64[ns]").dt, name):
            raise AttributeError(name)
        raise NotImplementedError(f"dt.{name} is not there: compute() gives a pandas column, which has it")
