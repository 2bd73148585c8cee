"""How CSV files are written: what the arguments of pandas' ``read_csv`` mean to the readers of the cluster."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from ._arguments import tuning
from ._expressions import kind_of
from ._sql import arrow_name

__all__ = ["Dialect", "chosen", "request"]

#: How a name begins that stands for several paths, or for files that are read in a way of their own.
_REQUEST = "partita-files:"

#: The words that pandas takes for missing values.
_MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
    *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)

#: Arguments that say how pandas or Dask work, and do not change the rows.
_WITHOUT_EFFECT = (
    *("blocksize", "sample", "sample_rows", "engine", "low_memory", "memory_map", "cache_dates"),
    *("float_precision", "enforce"),
)

#: Arguments that are refused unless they have these values, and what to do instead.
_REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "storage_options": ((None, {}), "files are those that all nodes see"),
    "converters": ((None, {}), "read the column as dtype='str' and compute from it"),
    "date_format": ((None,), "times are read as ISO 8601 has them; read others as dtype='str' and convert them"),
    "date_parser": ((None,), "times are read as ISO 8601 has them; read others as dtype='str' and convert them"),
    "dayfirst": ((False,), "times are read as ISO 8601 has them; read others as dtype='str' and convert them"),
    "keep_date_col": ((False,), "combine the columns after reading"),
    "infer_datetime_format": ((False, True), ""),
    "skipfooter": ((0,), "drop the rows after reading, or end the files before"),
    "skip_blank_lines": ((True,), "blank lines are always left out"),
    "dtype_backend": ((None, pd.api.extensions.no_default), "give the types with dtype="),
    "iterator": ((False,), "a frame is read in pieces anyway"),
    "chunksize": ((None,), "a frame is read in pieces anyway"),
    "dialect": ((None,), "give sep=, quotechar=, doublequote=, escapechar= and quoting="),
    "prefix": ((None,), "give names="),
    "squeeze": ((False,), "select the column of the frame"),
    "verbose": ((False,), "leave it out"),
}

_COMPRESSIONS = {
    None: "uncompressed",
    "gzip": "gzip",
    "gz": "gzip",
    "bz2": "bzip2",
    "xz": "xz",
    "zstd": "zstd",
}

#: The type that readers know for texts of which there are few.
_CATEGORY = "Dictionary(Int32, Utf8)"


def request(paths: Sequence[str], **how: Any) -> str:
    """The name that stands for several paths, or for files that are read as ``how`` says."""
    return _REQUEST + json.dumps({"paths": list(paths), **how})


class Dialect:
    """What the readers are told, and what is made of the columns then.

    Parameters
    ----------
    arguments : dict
        Those of ``read_csv``. All are taken out that are heeded; others are refused.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._given = dict(arguments)
        self.names: list[Any] | None = None
        self.dtype: Any = self._given.pop("dtype", None)
        self.assumes_missing = bool(self._given.pop("assume_missing", False))
        for name in _WITHOUT_EFFECT:
            self._given.pop(name, None)
        for name, (values, instead) in _REFUSED.items():
            value = self._given.pop(name, values[0])
            if not any(value is one or (isinstance(one, (int, dict)) and value == one) for one in values):
                raise NotImplementedError(f"read_csv({name}={value!r}) is not supported: {instead}")
        #: What the readers are told.
        self.csv: dict[str, Any] = {
            "is_pandas": True,
            "takes_short_rows": True,
            "finds_times": False,
            "empty_is_number": True,
        }
        self._separators()
        self._lines()
        self._header()
        self._characters()
        self._missing()
        self._values()
        self._types()
        tuning("read_csv", self._given)

    def _take(self, name: str, default: Any = None) -> Any:
        return self._given.pop(name, default)

    def _sign(self, name: str, default: str | None = None) -> int | None:
        """A character as its byte."""
        value = self._take(name, default)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) != 1 or not value.isascii():
            raise ValueError(f"read_csv({name}={value!r}): it must be a single ASCII character")
        return ord(value)

    def _separators(self) -> None:
        sep = self._take("sep", ",")
        sep = self._take("delimiter") or sep
        if self._take("delim_whitespace", False) or sep == r"\s+":
            self.csv["is_blank_delimited"] = True
        elif sep is None:
            raise NotImplementedError("read_csv(sep=None) is not supported: separators are not guessed; give sep=")
        elif len(sep) != 1 or not sep.isascii():
            raise NotImplementedError(
                f"read_csv(sep={sep!r}) is not supported: separators are single ASCII characters, or r'\\s+' for blanks"
            )
        else:
            self.csv["delimiter"] = ord(sep)
        quoting = self._take("quoting", csv.QUOTE_MINIMAL)
        quote = self._sign("quotechar", '"')
        self.csv["quote"] = None if quoting == csv.QUOTE_NONE else quote
        self.csv["has_double_quotes"] = bool(self._take("doublequote", True))
        self.csv["escape"] = self._sign("escapechar")
        self.csv["comment"] = self._sign("comment")
        self.csv["terminator"] = self._sign("lineterminator")
        self.csv["skips_initial_space"] = bool(self._take("skipinitialspace", False))

    def _lines(self) -> None:
        skipped = self._take("skiprows")
        if callable(skipped):
            raise NotImplementedError("read_csv(skiprows=) takes a number or a list of lines, not a function")
        if skipped is None or isinstance(skipped, int):
            self.csv["skipped_first"] = int(skipped or 0)
        else:
            self.csv["skipped_lines"] = sorted({int(line) for line in skipped})
        rows = self._take("nrows")
        if rows is not None:
            if int(rows) != rows or rows < 0:
                raise ValueError(f"read_csv(nrows={rows!r}): it must be a whole number of rows")
            self.csv["rows_max"] = int(rows)
        bad = self._take("on_bad_lines", "error")
        if bad not in ("error", "skip"):
            raise NotImplementedError(f"read_csv(on_bad_lines={bad!r}) is not supported: use 'error' or 'skip'")
        self.csv["long_rows"] = "skip" if bad == "skip" else "refuse"

    def _header(self) -> None:
        header = self._take("header", "infer")
        names = self._take("names")
        names = None if names is None or names is pd.api.extensions.no_default else list(names)
        if isinstance(header, bool) or not (header in ("infer", None) or isinstance(header, int)):
            raise NotImplementedError(
                f"read_csv(header={header!r}) is not supported: names are in one line, header=0, or in none, header=None"
            )
        if header == "infer":
            header = 0 if names is None else None
        self.csv["header"] = header
        if names is not None:
            if len({str(name) for name in names}) != len(names):
                raise ValueError("Duplicate names are not allowed.")
            self.names = names
            self.csv["names"] = [str(name) for name in names]

    def _characters(self) -> None:
        encoding = self._take("encoding") or "utf-8"
        errors = self._take("encoding_errors", "strict")
        if errors not in ("strict", "replace"):
            raise NotImplementedError(
                f"read_csv(encoding_errors={errors!r}) is not supported: use 'strict' or 'replace'"
            )
        self.csv["encoding"] = _encoding(encoding)
        self.csv["replaces_invalid"] = errors == "replace"
        compression = self._take("compression", "infer")
        if compression == "infer":
            return
        if compression not in _COMPRESSIONS:
            raise NotImplementedError(
                f"read_csv(compression={compression!r}) is not supported: use gzip, bz2, xz or zstd"
            )
        self.csv["compression"] = _COMPRESSIONS[compression]

    def _missing(self) -> None:
        given = self._take("na_values")
        keeps = self._take("keep_default_na", True)
        filters = self._take("na_filter", True)
        words = list(_MISSING) if keeps and filters else []
        columns: dict[str, list[str]] = {}
        if isinstance(given, dict):
            columns = {str(label): _words(value) for label, value in given.items()} if filters else {}
        elif filters:
            words += _words(given)
        self.csv["missing"] = {"texts": words, "others": words, "columns": columns}

    def _values(self) -> None:
        self.csv["decimal"] = self._sign("decimal", ".")
        self.csv["thousands"] = self._sign("thousands")
        for name, key in (("true_values", "true_words"), ("false_values", "false_words")):
            self.csv[key] = [str(word) for word in self._take(name) or ()]

    def _types(self) -> None:
        dates = self._take("parse_dates")
        if isinstance(dates, dict) or (isinstance(dates, (list, tuple)) and any(map(_is_list, dates))):
            raise NotImplementedError("read_csv(parse_dates=) takes columns; put several together after reading")
        #: Whether the index is to be of times.
        self.index_of_times = dates is True
        self.dates: list[Any] = list(dates) if isinstance(dates, (list, tuple, set)) else []
        self.csv["dates"] = [_key(label) for label in self.dates]
        if isinstance(self.dtype, dict):
            self.csv["types"] = [(_key(label), _type_name(kind)) for label, kind in self.dtype.items()]
        elif self.dtype is not None:
            self.csv["other_type"] = _type_name(self.dtype)

    def label(self, at: int, name: str) -> Any:
        """What pandas calls a column."""
        if self.names is not None:
            return self.names[at] if at < len(self.names) else name
        if self.csv["header"] is None and name == str(at):
            return at
        return name

    def dtype_of(self, at: int, label: Any) -> Any:
        """The type that a column was given; None if it was not."""
        if not isinstance(self.dtype, dict):
            return self.dtype
        return self.dtype.get(label, self.dtype.get(at))


def chosen(usecols: Any, labels: list[Any]) -> list[Any]:
    """The labels that ``usecols`` is about, in the order of the file."""
    if usecols is None:
        return labels
    if callable(usecols):
        return [label for label in labels if usecols(label)]
    if isinstance(usecols, str):
        raise ValueError("'usecols' must either be list-like of all strings, all unicode, all integers or a callable.")
    wanted = list(usecols)
    if all(isinstance(one, int) and not isinstance(one, bool) for one in wanted):
        unknown = [one for one in wanted if not 0 <= one < len(labels)]
        found = [label for at, label in enumerate(labels) if at in wanted]
    else:
        unknown = [one for one in wanted if one not in labels]
        found = [label for label in labels if label in wanted]
    if unknown:
        raise ValueError(f"Usecols do not match columns, columns expected but not found: {unknown}")
    return found


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _key(label: Any) -> Any:
    return label if isinstance(label, int) else str(label)


def _words(values: Any) -> list[str]:
    """The ways in which missing values are written: a number also with a fraction of zero."""
    if values is None:
        return []
    words: list[str] = []
    for value in [values] if isinstance(values, (str, int, float)) else values:
        words.append(str(value))
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if number.is_integer():
            words += [str(int(number)), f"{int(number)}.0"]
    return words


def _encoding(name: str) -> Any:
    """How bytes stand for characters: one of the forms of Unicode, or a table of 256 characters."""
    try:
        known = codecs.lookup(name).name
    except LookupError:
        raise LookupError(f"unknown encoding: {name}") from None
    unicode = {"utf-8": "utf8", "utf-8-sig": "utf8", "ascii": "utf8"}
    unicode |= {"utf-16": "utf16", "utf-16-le": "utf16-le", "utf-16-be": "utf16-be"}
    if known in unicode:
        return unicode[known]
    try:
        table = "".join(bytes([byte]).decode(known, "replace")[:1] or "\ufffd" for byte in range(256))
    except (LookupError, UnicodeError):
        table = ""
    # Where a byte begins a character of several, no table tells them.
    has_several = "\ufffd" in table and codecs.lookup(known).incrementaldecoder is not None and _has_several(known)
    if len(table) != 256 or has_several:
        raise NotImplementedError(
            f"read_csv(encoding={name!r}) is not supported: convert the files to UTF-8, as iconv -f {name} -t utf-8 does"
        )
    return {"table": table}


def _has_several(known: str) -> bool:
    return any(len("\u4e2d\u3042\uac00"[at].encode(known, "ignore")) > 1 for at in range(3))


def _type_name(kind: Any) -> str:
    """The name that the readers have for a type of pandas."""
    if isinstance(kind, pd.CategoricalDtype):
        if kind.categories is None:
            return _CATEGORY
        return arrow_name(pa.array(kind.categories).type)
    if kind == "category":
        return _CATEGORY
    wanted = kind_of(kind)
    return "Utf8" if pa.types.is_null(wanted) else arrow_name(wanted)
