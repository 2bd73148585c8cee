"""Functions of texts and of times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ._base import NotThere
from ._columns import Lists, is_masked
from ._sql import arrow_name, is_text, literal

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["DatetimeMethods", "StringMethods"]


class StringMethods:
    """Functions of a column of texts, as pandas has them under ``.str``."""

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
        # A missing text passes no test; a nullable column has no answer there.
        masked = is_masked(self._column._origin)
        return self._column._like(sql if masked else f"(({sql}) IS TRUE)", pa.bool_())

    def contains(self, pat: str, case: bool = True, flags: int = 0, na: Any = None, regex: bool = True) -> Series:
        """Whether a pattern is in each; a missing text has none, or what ``na`` says."""
        if flags not in (0, re.IGNORECASE):
            raise NotImplementedError("str.contains: of the flags re.IGNORECASE is there")
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
        """Whether each begins with a pattern."""
        return self._test(f"regexp_like({self._column._sql}, {literal('^(?:' + pat + ')')})")

    def startswith(self, pat: Any) -> Series:
        """Whether each begins so, or as one of several texts."""
        return self._one_of("starts_with", pat)

    def endswith(self, pat: Any) -> Series:
        """Whether each ends so, or as one of several texts."""
        return self._one_of("ends_with", pat)

    def _one_of(self, function: str, pat: Any) -> Series:
        texts = pat if isinstance(pat, tuple) else (pat,)
        tests = [f"{function}({self._column._sql}, {literal(text)})" for text in texts]
        return self._test(f"({' OR '.join(tests) or 'FALSE'})")

    def replace(self, pat: str, repl: str, regex: bool = False) -> Series:
        """With something else in the place of each occurrence."""
        if regex:
            return self._text(f"regexp_replace({self._column._sql}, {literal(pat)}, {literal(repl)}, 'g')")
        return self._call("replace", pat, repl)

    def slice(self, start: int | None = None, stop: int | None = None, step: int | None = None) -> Series:
        """A part, by the places of its characters; places below 0 are counted from the end."""
        if step not in (None, 1):
            raise NotImplementedError("str.slice takes each character of its part: step= is not there")
        sql = self._column._sql
        size = f"CAST(character_length({sql}) AS BIGINT)"

        def place(value: int) -> str:
            return str(value) if value >= 0 else f"greatest({size} - {-value}, 0)"

        begin = place(start or 0)
        if stop is None:
            return self._text(f"substr({sql}, {begin} + 1)")
        return self._text(f"substr({sql}, {begin} + 1, greatest({place(stop)} - {begin}, 0))")

    def get(self, i: int) -> Series:
        """The character at a place; missing where there is none."""
        sql = self._column._sql
        part = self.slice(i, i + 1 if i != -1 else None)
        return self._text(f"CASE WHEN character_length({sql}) >= {i + 1 if i >= 0 else -i} THEN {part._sql} END")

    def __getitem__(self, key: Any) -> Series:
        if isinstance(key, slice):
            return self.slice(key.start, key.stop, key.step)
        return self.get(key)

    def fullmatch(self, pat: str, case: bool = True) -> Series:
        """Whether a pattern is the whole of each."""
        flags = "" if case else ", 'i'"
        return self._test(f"regexp_like({self._column._sql}, {literal('^(?:' + pat + ')$')}{flags})")

    def count(self, pat: str) -> Series:
        """How often a pattern is in each."""
        return self._column._like(f"CAST(regexp_count({self._column._sql}, {literal(pat)}) AS BIGINT)", pa.int64())

    def extract(self, pat: str, expand: bool = False) -> Series:
        """What the only group of a pattern finds; missing where the pattern is not."""
        if expand or re.compile(pat).groups != 1:
            raise NotImplementedError("str.extract has a pattern with one group, and expand=False")
        found = f"regexp_match({self._column._sql}, {literal(pat)})"
        return self._text(f"{found}[1]")

    def split(self, pat: str | None = None, n: int = -1, expand: bool = False) -> Series:
        """The parts between a text, as a list."""
        if expand or n > 0 or pat is None:
            raise NotImplementedError("str.split takes the text between the parts, without n= and expand=")
        return self._column._like(f"string_to_array({self._column._sql}, {literal(pat)})", origin=Lists())

    def repeat(self, repeats: int) -> Series:
        """Each so many times."""
        return self._call("repeat", repeats)

    def pad(self, width: int, side: str = "left", fillchar: str = " ") -> Series:
        """With a character at one side up to a width."""
        if side not in ("left", "right"):
            raise NotImplementedError("str.pad has the sides left and right")
        sql, function = self._column._sql, "lpad" if side == "left" else "rpad"
        padded = f"{function}({sql}, {width}, {literal(fillchar)})"
        return self._text(f"CASE WHEN character_length({sql}) >= {width} THEN {sql} ELSE {padded} END")

    def rjust(self, width: int, fillchar: str = " ") -> Series:
        """With a character before it up to a width."""
        return self.pad(width, "left", fillchar)

    def ljust(self, width: int, fillchar: str = " ") -> Series:
        """With a character after it up to a width."""
        return self.pad(width, "right", fillchar)

    def removeprefix(self, prefix: str) -> Series:
        """Without a beginning."""
        sql = self._column._sql
        rest = f"substr({sql}, {_length(prefix) + 1})"
        return self._text(f"CASE WHEN starts_with({sql}, {literal(prefix)}) THEN {rest} ELSE {sql} END")

    def removesuffix(self, suffix: str) -> Series:
        """Without an end."""
        sql = self._column._sql
        rest = f"substr({sql}, 1, CAST(character_length({sql}) AS BIGINT) - {_length(suffix)})"
        return self._text(f"CASE WHEN ends_with({sql}, {literal(suffix)}) THEN {rest} ELSE {sql} END")

    def isdigit(self) -> Series:
        """Whether all are digits."""
        return self._all_of(r"\d")

    def isalpha(self) -> Series:
        """Whether all are letters."""
        return self._all_of(r"\p{L}")

    def isalnum(self) -> Series:
        """Whether all are letters or digits."""
        return self._all_of(r"[\p{L}\p{N}]")

    def isspace(self) -> Series:
        """Whether all are spaces."""
        return self._all_of(r"\s")

    def isupper(self) -> Series:
        """Whether there are letters, all of them capitals."""
        return self._cased("upper", "lower")

    def islower(self) -> Series:
        """Whether there are letters, all of them small."""
        return self._cased("lower", "upper")

    def _all_of(self, kind: str) -> Series:
        return self._test(f"regexp_like({self._column._sql}, {literal('^(?:' + kind + ')+$')})")

    def _cased(self, own: str, other: str) -> Series:
        sql = self._column._sql
        return self._test(f"({sql} = {own}({sql}) AND {sql} <> {other}({sql}))")

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
        raise NotThere(f"str.{name} is not there: compute() gives a pandas column, which has it")


def _length(text: str) -> int:
    # In the class the name is a method.
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
    """Functions of a column of times, as pandas has them under ``.dt``."""

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
        """The day. That of an index has no name, as it is an array in pandas."""
        from ._series import Index

        name = None if isinstance(self._column, Index) else self._column.name
        return self._column._like(f"CAST({self._local} AS DATE)", pa.date32(), name=name)

    @property
    def days_in_month(self) -> Series:
        """Days of the month."""
        local = self._local
        last = f"(date_trunc('month', {local}) + INTERVAL '1 month' - INTERVAL '1 day')"
        return self._column._like(f"arrow_cast(date_part('day', {last}), 'Int32')", pa.int32())

    daysinmonth = days_in_month

    def round(self, freq: str) -> Series:
        """The nearest multiple of a time; of two that are as near, the even one."""
        step = pd.Timedelta(freq if freq[0].isdigit() else f"1{freq}").as_unit("ns").value
        if self._column._kind.tz if pa.types.is_timestamp(self._column._kind) else False:
            raise NotImplementedError("dt.round of times in a zone is not there: use dt.floor")
        kind, whole = self._column._kind, self._whole
        rest = f"((({whole} % {step}) + {step}) % {step})"
        low = f"({whole} - {rest})"
        up = f"(2 * {rest} > {step} OR (2 * {rest} = {step} AND ({low} / {step}) % 2 <> 0))"
        exact = f"arrow_cast({low} + CASE WHEN {up} THEN {step} ELSE 0 END, '{arrow_name(pa.timestamp('ns'))}')"
        return self._column._like(f"arrow_cast({exact}, '{arrow_name(kind)}')", kind)

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
        # Microseconds, as Python has them.
        return self._column._like(f"to_char({self._local}, {literal(date_format.replace('%f', '%6f'))})")

    def tz_convert(self, tz: Any) -> Series:
        """The same moments on the clock of another zone."""
        kind = self._column._kind
        if not getattr(kind, "tz", None):
            raise TypeError("only times of a zone can be converted: tz_localize says in which zone others are")
        wanted = pa.timestamp(kind.unit, None if tz is None else str(tz))
        if tz is None:
            utc = arrow_name(pa.timestamp(kind.unit, "UTC"))
            return self._column._like(f"to_local_time(arrow_cast({self._column._sql}, '{utc}'))", wanted)
        return self._column._like(f"arrow_cast({self._column._sql}, '{arrow_name(wanted)}')", wanted)

    def tz_localize(self, tz: Any) -> Series:
        """What the clock shows, without its zone, or in another one."""
        kind = self._column._kind
        if tz is None:
            return self._column._like(self._local, pa.timestamp(kind.unit))
        if getattr(kind, "tz", None):
            raise TypeError("these times have a zone already: tz_convert gives another one")
        wanted = pa.timestamp(kind.unit, str(tz))
        return self._column._like(f"arrow_cast({self._column._sql}, '{arrow_name(wanted)}')", wanted)

    @property
    def days(self) -> Series:
        """Whole days of a duration."""
        whole = f"arrow_cast(arrow_cast({self._column._sql}, 'Duration(Nanosecond)'), 'Int64')"
        day = 86_400_000_000_000
        return self._column._like(f"(({whole} - ((({whole} % {day}) + {day}) % {day})) / {day})", pa.int64())

    def total_seconds(self) -> Series:
        """Seconds of a duration."""
        whole = f"arrow_cast(arrow_cast({self._column._sql}, 'Duration(Nanosecond)'), 'Int64')"
        return self._column._like(f"CAST({whole} AS DOUBLE) / 1000000000", pa.float64())

    def __getattr__(self, name: str) -> Any:
        if name in _PARTS:
            return self._part(_PARTS[name])
        if name.startswith("_") or not hasattr(pd.Series(dtype="datetime64[ns]").dt, name):
            raise AttributeError(name)
        raise NotThere(f"dt.{name} is not there: compute() gives a pandas column, which has it")
