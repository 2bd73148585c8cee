"""CSV dialects: conversion of the arguments of ``read_csv`` to options of the cluster's CSV reader."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from ._arguments import reject_unsupported
from ._expressions import kind_of
from ._sql import arrow_name

__all__ = ["Dialect", "encode_request", "request_paths", "select_columns"]

#: Prefix of a table name that encodes several paths or reader options.
_REQUEST = "partita-files:"

#: Strings that pandas reads as missing values.
_MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
    *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)

#: Arguments that only tune pandas or Dask and do not change the result.
_WITHOUT_EFFECT = (
    *("blocksize", "sample", "sample_rows", "engine", "low_memory", "memory_map", "cache_dates"),
    *("float_precision", "enforce"),
)

#: Arguments that are supported only with these values, and an alternative.
_REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "converters": ((None, {}), "use dtype='str' and convert the column after reading"),
    "date_format": ((None,), "times must be in ISO 8601; use dtype='str' and to_datetime for other formats"),
    "date_parser": ((None,), "times must be in ISO 8601; use dtype='str' and to_datetime for other formats"),
    "dayfirst": ((False,), "times must be in ISO 8601; use dtype='str' and to_datetime for other formats"),
    "keep_date_col": ((False,), "combine the columns after reading"),
    "infer_datetime_format": ((False, True), ""),
    "skipfooter": ((0,), "drop the rows after reading"),
    "skip_blank_lines": ((True,), "blank lines are always skipped"),
    "dtype_backend": ((None, pd.api.extensions.no_default), "use dtype="),
    "iterator": ((False,), "leave it out; files are always read in chunks"),
    "chunksize": ((None,), "leave it out; files are always read in chunks"),
    "dialect": ((None,), "use sep=, quotechar=, doublequote=, escapechar= and quoting="),
    "prefix": ((None,), "use names="),
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

#: Arrow type of categorical string columns.
_CATEGORY = "Dictionary(Int32, Utf8)"


def encode_request(paths: Sequence[str], **how: Any) -> str:
    """Return a table name that encodes several paths and reader options."""
    return _REQUEST + json.dumps({"paths": list(paths), **how})


def request_paths(request: str) -> list[str]:
    """Return the paths of a table name: those that it encodes, or itself."""
    if not request.startswith(_REQUEST):
        return [request]
    paths: list[str] = json.loads(request.removeprefix(_REQUEST))["paths"]
    return paths


class Dialect:
    """The options of the CSV reader, and the labels and types of its columns.

    Parameters
    ----------
    arguments : dict
        Arguments of ``read_csv``. Unsupported arguments raise an error.
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
                raise NotImplementedError(f"read_csv({name}={value!r}) is not supported; {instead}")
        #: Options of the reader.
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
        reject_unsupported("read_csv", self._given)

    def _take(self, name: str, default: Any = None) -> Any:
        return self._given.pop(name, default)

    def _sign(self, name: str, default: str | None = None) -> int | None:
        """Return an argument that is an ASCII character as its byte."""
        value = self._take(name, default)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) != 1 or not value.isascii():
            raise ValueError(f"read_csv: {name} must be a single ASCII character, not {value!r}")
        return ord(value)

    def _separators(self) -> None:
        sep = self._take("sep", ",")
        sep = self._take("delimiter") or sep
        if self._take("delim_whitespace", False) or sep == r"\s+":
            self.csv["is_blank_delimited"] = True
        elif sep is None:
            raise NotImplementedError("read_csv(sep=None) is not supported; specify the separator")
        elif len(sep) != 1 or not sep.isascii():
            raise NotImplementedError(
                f"read_csv(sep={sep!r}) is not supported; use a single ASCII character, or r'\\s+' for whitespace"
            )
        else:
            self.csv["delimiter"] = ord(sep)
        quoting = self._take("quoting", csv.QUOTE_MINIMAL)
        quote = self._sign("quotechar", '"')
        self.csv["quote"] = None if quoting == csv.QUOTE_NONE else quote
        self.csv["has_double_quotes"] = bool(self._take("doublequote", True))
        self.csv["escape"] = self._sign("escapechar")
        self.csv["comment"] = self._sign("comment")
        if self._given.get("lineterminator") == "\r\n":
            # Lines that end like this need no option.
            del self._given["lineterminator"]
        self.csv["terminator"] = self._sign("lineterminator")
        self.csv["skips_initial_space"] = bool(self._take("skipinitialspace", False))

    def _lines(self) -> None:
        skipped = self._take("skiprows")
        if callable(skipped):
            raise NotImplementedError("read_csv() does not support a function as skiprows=; use a number or a list")
        if skipped is None or isinstance(skipped, int):
            self.csv["skipped_first"] = int(skipped or 0)
        else:
            self.csv["skipped_lines"] = sorted({int(line) for line in skipped})
        rows = self._take("nrows")
        if rows is not None:
            if int(rows) != rows or rows < 0:
                raise ValueError(f"read_csv: nrows must be a non-negative integer, not {rows!r}")
            self.csv["rows_max"] = int(rows)
        bad = self._take("on_bad_lines", "error")
        if bad not in ("error", "skip"):
            raise NotImplementedError(f"read_csv(on_bad_lines={bad!r}) is not supported; use 'error' or 'skip'")
        self.csv["long_rows"] = "skip" if bad == "skip" else "refuse"

    def _header(self) -> None:
        header = self._take("header", "infer")
        names = self._take("names")
        names = None if names is None or names is pd.api.extensions.no_default else list(names)
        if isinstance(header, bool) or not (header in ("infer", None) or isinstance(header, int)):
            raise NotImplementedError(
                f"read_csv(header={header!r}) is not supported; use the number of one line, or None for no header"
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
                f"read_csv(encoding_errors={errors!r}) is not supported; use 'strict' or 'replace'"
            )
        self.csv["encoding"] = _encoding(encoding)
        self.csv["replaces_invalid"] = errors == "replace"
        compression = self._take("compression", "infer")
        if compression == "infer":
            return
        if compression not in _COMPRESSIONS:
            raise NotImplementedError(
                f"read_csv(compression={compression!r}) is not supported; use gzip, bz2, xz or zstd"
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
            raise NotImplementedError("read_csv() cannot combine columns in parse_dates=; combine them after reading")
        #: Whether the index is parsed as times.
        self.index_of_times = dates is True
        self.dates: list[Any] = list(dates) if isinstance(dates, (list, tuple, set)) else []
        self.csv["dates"] = [_key(label) for label in self.dates]
        if isinstance(self.dtype, dict):
            self.csv["types"] = [(_key(label), _type_name(kind)) for label, kind in self.dtype.items()]
        elif self.dtype is not None:
            self.csv["other_type"] = _type_name(self.dtype)

    def label(self, at: int, name: str) -> Any:
        """Return the label of a column."""
        if self.names is not None:
            return self.names[at] if at < len(self.names) else name
        if self.csv["header"] is None and name == str(at):
            return at
        return name

    def dtype_of(self, at: int, label: Any) -> Any:
        """Return the type of a column in ``dtype``, or None."""
        if not isinstance(self.dtype, dict):
            return self.dtype
        return self.dtype.get(label, self.dtype.get(at))


def select_columns(usecols: Any, labels: list[Any]) -> list[Any]:
    """Return the labels that ``usecols`` selects, in the order of the file."""
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
    """Return the strings of missing values. Integers are also matched with a zero fraction, such as ``7.0``."""
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
    """Return the reader's encoding: a Unicode encoding, or a table of the 256 characters of a single-byte encoding."""
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
    # A table cannot represent a multi-byte encoding.
    has_several = "\ufffd" in table and codecs.lookup(known).incrementaldecoder is not None and _has_several(known)
    if len(table) != 256 or has_several:
        raise NotImplementedError(
            f"read_csv(encoding={name!r}) is not supported; convert the files with iconv -f {name} -t utf-8"
        )
    return {"table": table}


def _has_several(known: str) -> bool:
    return any(len("\u4e2d\u3042\uac00"[at].encode(known, "ignore")) > 1 for at in range(3))


def _type_name(kind: Any) -> str:
    """Return the reader's name of a pandas type."""
    if isinstance(kind, pd.CategoricalDtype):
        if kind.categories is None:
            return _CATEGORY
        return arrow_name(pa.array(kind.categories).type)
    if kind == "category":
        return _CATEGORY
    wanted = kind_of(kind)
    return "Utf8" if pa.types.is_null(wanted) else arrow_name(wanted)
