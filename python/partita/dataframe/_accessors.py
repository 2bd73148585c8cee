"""The accessors ``.str`` and ``.dt``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..plan import expr as px
from ..plan.expr import Expr, call, interval
from ._base import UnsupportedName
from ._columns import Lists, is_masked
from ._periods import PeriodMethods, as_periods
from ._row_methods import (
    DURATION_METHODS,
    LIST_METHODS,
    STRING_METHODS,
    TIME_METHODS,
    PandasMethod,
    accessor_method,
    call_method,
)
from ._sql import fill_condition, is_text, literal
from ._text import positive_rest
from ._text_parts import TextParts

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["DatetimeMethods", "StringMethods", "TimedeltaMethods", "datetimelike_methods", "string_methods"]


#: The characters that Python's ``str.strip`` removes.
WHITESPACE = (
    " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
#: A code point that texts do not contain.
_NONCHARACTER = "\ufdd0"


class StringMethods(TextParts):
    """String methods of a column, as ``.str`` in pandas."""

    def __init__(self, column: Series) -> None:
        if not is_text(column._kind):
            raise AttributeError(f"Can only use .str accessor with string values, not with {column._kind}")
        if pa.types.is_dictionary(column._kind):
            column = column._like(px.cast(column._expr, pa.large_string()))
        self._column = column

    def _call(self, function: str, *arguments: Any) -> Series:
        return self._column._like(call(function, self._value, *map(literal, arguments)))

    def upper(self) -> Series:
        """Convert to upper case."""
        return self._call("upper")

    def lower(self) -> Series:
        """Convert to lower case."""
        return self._call("lower")

    def title(self) -> Series:
        """Convert the first letter of each word to upper case, and the others to lower case."""
        # For initcap, digits belong to words; in pandas, a letter after a digit begins a word.
        apart = call("regexp_replace", self._value, r"(\p{N})(\p{L})", f"${{1}}{_NONCHARACTER}${{2}}", "g")
        return self._column._like(call("replace", call("initcap", apart), _NONCHARACTER, ""))

    def capitalize(self) -> Series:
        """Convert the first letter to upper case, and the others to lower case."""
        first, rest = call("substr", self._value, 1, 1), call("substr", self._value, 2)
        return self._column._like(call("concatenate", call("upper", first), call("lower", rest)))

    def strip(self, to_strip: str | None = None) -> Series:
        """Remove whitespace, or the given characters, at both ends."""
        return self._strip("btrim", to_strip)

    def lstrip(self, to_strip: str | None = None) -> Series:
        """Remove whitespace, or the given characters, at the beginning."""
        return self._strip("ltrim", to_strip)

    def rstrip(self, to_strip: str | None = None) -> Series:
        """Remove whitespace, or the given characters, at the end."""
        return self._strip("rtrim", to_strip)

    def _strip(self, function: str, characters: str | None) -> Series:
        return self._column if characters == "" else self._call(function, characters or WHITESPACE)

    def len(self) -> Series:
        """Return the number of characters."""
        return self._column._like(self._length())

    def _length(self) -> Expr:
        return px.cast(call("character_length", self._value), pa.int64())

    def _test(self, condition: Expr) -> Series:
        # Tests of missing strings are false, except in nullable columns, where they are missing.
        masked = is_masked(self._column._origin)
        return self._column._like(condition if masked else fill_condition(condition))

    def contains(self, pat: str, case: bool = True, flags: int = 0, na: Any = None, regex: bool = True) -> Series:
        """Return whether each string contains a pattern; `na` is the result for missing strings."""
        if flags not in (0, re.IGNORECASE):
            raise NotImplementedError("str.contains() supports only the flag re.IGNORECASE")
        case = case and not flags
        found = self._contains(pat, case, regex)
        return found if na is None else found.where(self._column.notna(), bool(na)).astype("bool")

    def _contains(self, pat: str, case: bool, regex: bool) -> Series:
        if regex:
            return self._test(call("regexp_like", self._value, literal(pat), *([] if case else ["i"])))
        text, part = self._value, literal(pat)
        if not case:
            text, part = call("lower", text), call("lower", part)
        return self._test(px.comparison("gt", call("strpos", text, part), 0))

    def match(self, pat: str) -> Series:
        """Return whether each string starts with a match of a pattern."""
        return self._test(call("regexp_like", self._value, "^(?:" + pat + ")"))

    def startswith(self, pat: Any) -> Series:
        """Return whether each string starts with a prefix, or with one of a tuple of prefixes."""
        return self._one_of("starts_with", pat)

    def endswith(self, pat: Any) -> Series:
        """Return whether each string ends with a suffix, or with one of a tuple of suffixes."""
        return self._one_of("ends_with", pat)

    def _one_of(self, function: str, pat: Any) -> Series:
        texts = pat if isinstance(pat, tuple) else (pat,)
        return self._test(px.disjunction(*(call(function, self._value, literal(text)) for text in texts)))

    def replace(
        self,
        pat: Any,
        repl: Any = None,
        n: int = -1,
        case: bool | None = None,
        flags: int = 0,
        regex: bool = False,
    ) -> Series:
        r"""Replace each occurrence of a string or pattern.

        Parameters
        ----------
        pat : str, compiled pattern, or dict
            What to replace; a dict contains strings and their replacements.
        repl : str
            The replacement. With ``regex=True``, it may refer to groups as ``\1``, ``\g<1>`` or ``\g<name>``.
        n : int
            The number of replacements in each string: all by default, or 1.
        case : bool
            Whether upper and lower case differ.
        regex : bool
            Whether `pat` is a regular expression.
        """
        if isinstance(pat, dict):
            if repl is not None:
                raise ValueError("repl cannot be used when pat is a dictionary")
            made = self._column
            for old, new in pat.items():
                made = StringMethods(made).replace(old, new, n, case, flags, regex)
            return made
        if callable(repl):
            raise NotImplementedError(
                "str.replace() requires a string as replacement: frames do not take Python functions yet"
            )
        if not isinstance(repl, str):
            raise TypeError("repl must be a string or callable")
        if isinstance(pat, re.Pattern):
            if not regex:
                raise ValueError("Cannot use a compiled regex as replacement pattern with regex=False")
            if case is not None or flags:
                raise ValueError("case and flags cannot be set when pat is a compiled regex")
            pat, flags = pat.pattern, pat.flags & ~re.UNICODE
        if flags not in (0, re.IGNORECASE):
            raise NotImplementedError("str.replace() supports only the flag re.IGNORECASE")
        if n not in (-1, 0, 1):
            raise NotImplementedError(f"str.replace(n={n!r}) is not supported; use 1, or -1 for all occurrences")
        ignores_case = case is False or bool(flags)
        if not regex and pat and n != 1 and not ignores_case:
            return self._call("replace", pat, repl)
        pattern, new = (pat, _replacement(pat, repl)) if regex else (re.escape(pat), repl.replace("$", "$$"))
        if not regex:
            new = _BACKSLASH.sub(_APART, new)
        sets = ("" if n == 1 else "g") + ("i" if ignores_case else "")
        return self._call("regexp_replace", pattern, new, *([sets] if sets else []))

    def slice(self, start: int | None = None, stop: int | None = None, step: int | None = None) -> Series:
        """Return a substring by character positions; negative positions count from the end."""
        if step not in (None, 1):
            raise NotImplementedError("str.slice() does not support step=")

        def place(value: int) -> Expr:
            return px.literal(value) if value >= 0 else call("greatest", self._length() - -value, 0)

        begin = place(start or 0)
        size = [] if stop is None else [call("greatest", place(stop) - begin, 0)]
        return self._column._like(call("substr", self._value, begin + 1, *size))

    def get(self, i: int) -> Series:
        """Return the character at a position, or a missing value for shorter strings."""
        part = self.slice(i, i + 1 if i != -1 else None)
        has_character = px.comparison("ge", self._length(), i + 1 if i >= 0 else -i)
        return self._column._like(px.case([(has_character, part._expr)]))

    def __getitem__(self, key: Any) -> Series:
        if isinstance(key, slice):
            return self.slice(key.start, key.stop, key.step)
        return self.get(key)

    def fullmatch(self, pat: str, case: bool = True) -> Series:
        """Return whether a pattern matches each whole string."""
        return self._test(call("regexp_like", self._value, "^(?:" + pat + ")$", *([] if case else ["i"])))

    def count(self, pat: str) -> Series:
        """Count the matches of a pattern."""
        return self._call("regexp_count", pat)

    def repeat(self, repeats: int) -> Series:
        """Repeat each string."""
        return self._call("repeat", repeats)

    def pad(self, width: int, side: str = "left", fillchar: str = " ") -> Series:
        """Pad to a width with a character at one side, or at both."""
        if side not in ("left", "right", "both"):
            raise ValueError("Invalid side: use 'left', 'right' or 'both'")
        text = self._value
        if side == "both":
            # Of an odd number of characters, the larger half is at the left if the width is odd, as in Python.
            spare = literal(width) - self._length() + width % 2
            text = call("lpad", text, self._length() + spare / 2, literal(fillchar))
        padded = call("lpad" if side == "left" else "rpad", text, literal(width), literal(fillchar))
        is_long = px.comparison("ge", self._length(), width)
        return self._column._like(px.case([(is_long, self._value)], padded))

    def rjust(self, width: int, fillchar: str = " ") -> Series:
        """Pad to a width with a character at the left."""
        return self.pad(width, "left", fillchar)

    def center(self, width: int, fillchar: str = " ") -> Series:
        """Pad to a width with a character at both sides."""
        return self.pad(width, "both", fillchar)

    def ljust(self, width: int, fillchar: str = " ") -> Series:
        """Pad to a width with a character at the right."""
        return self.pad(width, "right", fillchar)

    def removeprefix(self, prefix: str) -> Series:
        """Remove a prefix."""
        rest = call("substr", self._value, _length(prefix) + 1)
        return self._column._like(px.case([(call("starts_with", self._value, prefix), rest)], self._value))

    def removesuffix(self, suffix: str) -> Series:
        """Remove a suffix."""
        rest = call("substr", self._value, 1, self._length() - _length(suffix))
        return self._column._like(px.case([(call("ends_with", self._value, suffix), rest)], self._value))

    def isdecimal(self) -> Series:
        """Return whether all characters are decimal digits."""
        return self._all_of(r"\p{Nd}")

    def isdigit(self) -> Series:
        """Return whether all characters are digits, also superscripts and fractions."""
        return self._all_of(r"[\p{Nd}\p{No}]")

    def isnumeric(self) -> Series:
        """Return whether all characters are digits or other numbers, such as Roman numerals."""
        return self._all_of(r"\p{N}")

    def isalpha(self) -> Series:
        """Return whether all characters are letters."""
        return self._all_of(r"\p{L}")

    def isalnum(self) -> Series:
        """Return whether all characters are letters or digits."""
        return self._all_of(r"[\p{L}\p{N}]")

    def isspace(self) -> Series:
        """Return whether all characters are whitespace."""
        return self._all_of(r"[\s\x1c-\x1f]")

    def isupper(self) -> Series:
        """Return whether the string has letters and all of them are upper case."""
        return self._cased("upper", "lower")

    def islower(self) -> Series:
        """Return whether the string has letters and all of them are lower case."""
        return self._cased("lower", "upper")

    def _all_of(self, kind: str) -> Series:
        return self._test(call("regexp_like", self._value, f"^(?:{kind})+$"))

    def _cased(self, own: str, other: str) -> Series:
        text = self._value
        is_own, differs = px.comparison("eq", text, call(own, text)), px.comparison("ne", text, call(other, text))
        return self._test(px.conjunction(is_own, differs))

    def zfill(self, width: int) -> Series:
        """Pad to a width with zeros at the left, after a sign."""
        text = self._value
        sign = call("substr", text, 1, 1)
        signed = call("concatenate", sign, call("lpad", call("substr", text, 2), width - 1, "0"))
        cases = [(px.comparison("ge", self._length(), width), text), (call("among", sign, "+", "-"), signed)]
        return self._column._like(px.case(cases, call("lpad", text, width, "0")))

    def find(self, sub: str) -> Series:
        """Return the position of the first occurrence, or -1."""
        return self._column._like(px.cast(call("strpos", self._value, literal(sub)), pa.int64()) - 1)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *STRING_METHODS]

    def __getattr__(self, name: str) -> Any:
        if name in STRING_METHODS:
            return accessor_method(self._column, "str", name)
        if name.startswith("_") or not hasattr(pd.Series(dtype="str").str, name):
            raise AttributeError(name)
        raise UnsupportedName(f"str.{name} is not supported; use compute() and pandas")


#: A backslash that the cluster's regular expressions would take for the beginning of a reference to a group.
_BACKSLASH = re.compile(r"\\(?=[0-9])")
#: The same backslash, followed by a reference to a group that does not exist and is thus empty.
_APART = r"\\${_}"
_REFERENCE = re.compile(r"\\(?:g<([^>]*)>|(.?))|\$", re.DOTALL)


def _replacement(pattern: str, repl: str) -> str:
    """Translate the replacement of a pattern from the syntax of Python to that of the cluster.

    Raises
    ------
    ValueError
        If the replacement contains another escape, or refers to a group that does not exist.
    """
    try:
        known = re.compile(pattern)
    except re.error:
        # The cluster's syntax of patterns differs from that of Python.
        known = None

    def translate(found: re.Match[str]) -> str:
        if found[0] == "$":
            return "$$"
        name, escaped = found[1], found[2]
        if name is None and escaped == "\\":
            return "\\"
        if name is None and not escaped.isdecimal():
            raise ValueError(
                f"invalid replacement {repl!r}: a backslash must precede a digit, g<name> or another backslash"
            )
        group = escaped if name is None else name
        if known is not None:
            exists = int(group) <= known.groups if group.isdecimal() else group in known.groupindex
            if not exists:
                raise ValueError(f"invalid replacement {repl!r}: the pattern has no group {group}")
        return f"${{{group}}}"

    return _BACKSLASH.sub(_APART, _REFERENCE.sub(translate, repl))


def _length(text: str) -> int:
    # Inside the class, `len` is a method.
    return len(text)


#: Nanoseconds of a day.
_DAY = 86_400_000_000_000
#: A directive of ``strftime``, with its flag.
_DIRECTIVE = re.compile(r"%[-_0^#]?.", re.DOTALL)
#: The directives that the workers format as Python does.
_OF_WORKERS = re.compile(r"%[aAbBYyGmdHIMSjUWVwufpeTFD%]|%-[mdHIMSjy]")
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


class ListMethods:
    """Methods of a column of lists, as ``.str`` in pandas."""

    def __init__(self, column: Series) -> None:
        self._column = column

    def get(self, i: int) -> Series:
        """Return the element at a position, or a missing value for shorter lists."""
        position = i + 1 if i >= 0 else i
        element = call("element", self._column._expr, position, dtype=self._column._kind.value_type)
        return self._column._like(element, origin=None)

    def __getitem__(self, key: Any) -> Series:
        if not isinstance(key, int):
            raise NotImplementedError("lists support only one position in brackets, not slices")
        return self.get(key)

    def len(self) -> Series:
        """Return the number of elements."""
        size = px.cast(call("cardinality", self._column._expr), pa.int64())
        return self._column._like(size, origin=None)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *LIST_METHODS]

    def __getattr__(self, name: str) -> Any:
        if name in LIST_METHODS:
            return accessor_method(self._column, "str", name)
        if name.startswith("_") or not hasattr(pd.Series(dtype="str").str, name):
            raise AttributeError(name)
        raise UnsupportedName(f"str.{name} of lists is not supported; use compute() and pandas")


def string_methods(column: Series) -> Any:
    """Return the accessor ``.str`` of a column of strings or lists."""
    return ListMethods(column) if isinstance(column._origin, Lists) else StringMethods(column)


def step_of(freq: Any) -> int:
    """Return the nanoseconds of a frequency such as ``"30min"``.

    Raises
    ------
    ValueError
        If the frequency has no fixed length, such as weeks and months, or is not one.
    """
    # pandas raises its own error for frequencies without a fixed length.
    pd.Timestamp(0).floor(freq)
    offset = pd.tseries.frequencies.to_offset(freq)
    if isinstance(offset, pd.offsets.Day):
        return int(offset.n) * _DAY
    return int(offset.nanos)


class _Rounding:
    """Rounding of times and durations, which are counted in nanoseconds."""

    _column: Series

    @property
    def _whole(self) -> Expr:
        """The nanoseconds."""
        raise NotImplementedError

    def _restored(self, whole: Expr) -> Series:
        """Return the column of a number of nanoseconds."""
        raise NotImplementedError

    def floor(self, freq: Any) -> Series:
        """Round down to a multiple of a frequency. Times with a zone are rounded in local time."""
        step, whole = step_of(freq), self._whole
        return self._restored(whole - positive_rest(whole, step))

    def ceil(self, freq: Any) -> Series:
        """Round up to a multiple of a frequency. Times with a zone are rounded in local time."""
        step = step_of(freq)
        whole = self._whole + (step - 1)
        return self._restored(whole - positive_rest(whole, step))

    def round(self, freq: Any) -> Series:
        """Round to the nearest multiple of a frequency, half to even. Times with a zone are rounded in local time."""
        step, whole = step_of(freq), self._whole
        rest = positive_rest(whole, step)
        low = whole - rest
        is_half, is_odd = px.comparison("eq", rest * 2, step), px.comparison("ne", low / step % 2, 0)
        up = px.disjunction(px.comparison("gt", rest * 2, step), px.conjunction(is_half, is_odd))
        return self._restored(low + px.case([(up, step)], 0))


class DatetimeMethods(_Rounding):
    """Methods of a column of times, as ``.dt`` in pandas."""

    def __init__(self, column: Series) -> None:
        self._column = column

    @property
    def _whole(self) -> Expr:
        """The nanoseconds since the epoch in local time."""
        return px.cast(px.cast(self._local, pa.timestamp("ns")), pa.int64())

    def _restored(self, whole: Expr) -> Series:
        # A local time that is ambiguous or does not exist is an error when the plan runs, as in pandas.
        kind = self._column._kind
        wall = px.cast(whole, pa.timestamp("ns"))
        zone = getattr(kind, "tz", None)
        if zone:
            wall = px.cast(wall, pa.timestamp("ns", zone))
        return self._column._like(px.cast(wall, kind))

    def _part(self, name: str) -> Series:
        return self._column._like(px.cast(call("date_part", name, self._column._expr), pa.int32()))

    @property
    def _local(self) -> Expr:
        value = self._column._expr
        return call("to_local_time", value) if getattr(self._column._kind, "tz", None) else value

    def _below(self, unit: int, parts: int) -> Series:
        return self._column._like(px.cast(positive_rest(self._whole, unit * parts) / unit, pa.int32()))

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
        day = call("date_part", "dow", self._column._expr)
        return self._column._like(px.cast((day + 6) % 7, pa.int32()))

    dayofweek = day_of_week = weekday

    @property
    def date(self) -> Series:
        """The date. For an index it has no name, since it is an array in pandas."""
        from ._series import Index

        name = None if isinstance(self._column, Index) else self._column.name
        return self._column._like(px.cast(self._local, pa.date32()), name=name)

    @property
    def days_in_month(self) -> Series:
        """The number of days of the month."""
        last = call("date_trunc", "month", self._local) + interval("1 month") - interval("1 day")
        return self._column._like(px.cast(call("date_part", "day", last), pa.int32()))

    daysinmonth = days_in_month

    def normalize(self) -> Series:
        """Round down to midnight."""
        return self.floor("D")

    def day_name(self) -> Series:
        """Return the English name of the day of the week."""
        return self._column._like(px.case(enumerate(_DAYS), operand=self.weekday._expr))

    def month_name(self) -> Series:
        """Return the English name of the month."""
        return self._column._like(px.case(enumerate(_MONTHS, 1), operand=self._part("month")._expr))

    def strftime(self, date_format: str) -> Series:
        """Format times as strings, with the directives of :meth:`datetime.datetime.strftime`."""
        directives = _DIRECTIVE.findall(date_format)
        is_whole = "%" not in _DIRECTIVE.sub("", date_format)
        if not is_whole or not all(map(_OF_WORKERS.fullmatch, directives)):
            # Names of zones, and what depends on the platform.
            return call_method(self._column, PandasMethod("strftime", (date_format,), accessor="dt"), "strftime")
        # %f has six digits, as in Python.
        wanted = _DIRECTIVE.sub(lambda one: "%6f" if one[0] == "%f" else one[0], date_format)
        return self._column._like(call("to_char", self._local, wanted))

    def to_period(self, freq: Any = None) -> Series:
        """Return the periods in which the times are, such as months; see :meth:`pandas.Series.dt.to_period`.

        Parameters
        ----------
        freq : str
            The frequency of the periods, such as ``"M"``, ``"Q"`` or ``"D"``.
        """
        return as_periods(self._column, freq)

    def tz_convert(self, tz: Any) -> Series:
        """Convert times to another time zone."""
        kind = self._column._kind
        if not getattr(kind, "tz", None):
            raise TypeError("cannot convert the zone of times without a zone; use tz_localize")
        wanted = pa.timestamp(kind.unit, None if tz is None else str(tz))
        if tz is None:
            utc = px.cast(self._column._expr, pa.timestamp(kind.unit, "UTC"))
            return self._column._like(call("to_local_time", utc))
        return self._column._like(px.cast(self._column._expr, wanted))

    def tz_localize(self, tz: Any) -> Series:
        """Attach a time zone to local times, or with None remove it."""
        kind = self._column._kind
        if tz is None:
            return self._column._like(self._local)
        if getattr(kind, "tz", None):
            raise TypeError("cannot localize times that have a zone; use tz_convert")
        return self._column._like(px.cast(self._column._expr, pa.timestamp(kind.unit, str(tz))))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_PARTS, *TIME_METHODS]

    def __getattr__(self, name: str) -> Any:
        if name in _PARTS:
            return self._part(_PARTS[name])
        if name in TIME_METHODS:
            return accessor_method(self._column, "dt", name)
        if name.startswith("_") or not hasattr(pd.Series(dtype="datetime64[ns]").dt, name):
            raise AttributeError(f"times have no attribute {name!r}")
        raise UnsupportedName(f"dt.{name} is not supported; use compute() and pandas")


class TimedeltaMethods(_Rounding):
    """Methods of a column of durations, as ``.dt`` in pandas."""

    def __init__(self, column: Series) -> None:
        self._column = column

    @property
    def _whole(self) -> Expr:
        return px.cast(px.cast(self._column._expr, pa.duration("ns")), pa.int64())

    def _restored(self, whole: Expr) -> Series:
        return self._column._like(px.cast(px.cast(whole, pa.duration("ns")), self._column._kind))

    def _below(self, unit: int, parts: int) -> Series:
        return self._column._like(px.cast(positive_rest(self._whole, unit * parts) / unit, pa.int32()))

    @property
    def days(self) -> Series:
        """The whole days, rounded down."""
        return self._column._like((self._whole - positive_rest(self._whole, _DAY)) / _DAY)

    @property
    def seconds(self) -> Series:
        """The seconds beyond whole days."""
        return self._below(10**9, 86_400)

    @property
    def microseconds(self) -> Series:
        """The microseconds beyond whole seconds."""
        return self._below(1000, 10**6)

    @property
    def nanoseconds(self) -> Series:
        """The nanoseconds beyond whole microseconds."""
        return self._below(1, 1000)

    def total_seconds(self) -> Series:
        """Return the duration in seconds."""
        return self._column._like(px.cast(self._whole, pa.float64()) / 1_000_000_000)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *DURATION_METHODS]

    def __getattr__(self, name: str) -> Any:
        if name in DURATION_METHODS:
            return accessor_method(self._column, "dt", name)
        if name.startswith("_") or not hasattr(pd.Series(dtype="timedelta64[ns]").dt, name):
            raise AttributeError(f"durations have no attribute {name!r}")
        raise UnsupportedName(f"dt.{name} is not supported; use compute() and pandas")


def datetimelike_methods(column: Series) -> Any:
    """Return the accessor ``.dt`` of a column of times or durations."""
    kind = column._kind
    if isinstance(column._origin, pd.PeriodDtype):
        return PeriodMethods(column)
    if pa.types.is_duration(kind):
        return TimedeltaMethods(column)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return DatetimeMethods(column)
    raise AttributeError(f"Can only use .dt accessor with datetimelike values, not with {kind}")
