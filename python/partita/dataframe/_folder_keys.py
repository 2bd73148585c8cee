"""Columns that come from the names of folders, such as ``year=2024/``. As in pandas, their values are categories."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ._pandas_metadata import data_files
from ._sql import is_plain_text
from ._storage import list_files, read_schema, service_of

__all__ = ["categories_of_folders", "category_type"]

#: The value in the name of a folder of rows whose key is missing, as in Hive and Spark.
MISSING = "__HIVE_DEFAULT_PARTITION__"
#: A folder name that is a key and its value, within a path.
_KEY = re.compile(r"(?<=/)([^/=]+)=([^/]*)(?=/)")


def categories_of_folders(
    paths: Sequence[str], storage: Mapping[str, str], kinds: Mapping[Any, pa.DataType]
) -> dict[str, pd.CategoricalDtype]:
    """Return the categories of the columns that come from folders.

    Columns are left out if this process cannot list the files, or if the files have them too.

    Parameters
    ----------
    paths : sequence of str
        The paths of the table.
    storage : mapping
        Configuration of the store.
    kinds : mapping
        The types of the columns of the table.
    """
    try:
        files = [pair for path in paths for pair in _files(path, storage)]
        found = _folder_values(below for _, below in files)
        names = [name for name in found if name in kinds]
        if names:
            first = files[0][0]
            own = read_schema(first, storage) if service_of(first) is not None else pq.read_schema(first)
            names = [name for name in names if name not in own.names]
    except (OSError, pa.ArrowException):
        # Reading the rows will report the error.
        return {}
    made = {name: _category_type(found[name], kinds[name]) for name in names}
    return {name: kind for name, kind in made.items() if kind is not None}


def _files(path: str, storage: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the files of a path, and the part of each below the folder that is listed."""
    base = path.removeprefix("file://").rstrip("/")
    if service_of(path) is not None:
        files = list_files(path, storage)
    elif glob.has_magic(base):
        files = sorted(glob.glob(base, recursive=True))
    else:
        files = data_files(base)
    while glob.has_magic(base):
        base = os.path.dirname(base)
    return [(file, file[len(base) :]) for file in files]


def _folder_values(files: Iterable[str]) -> dict[str, list[str]]:
    """Return the values of each key in the names of folders that all files have."""
    found: dict[str, dict[str, None]] = {}
    common: set[str] | None = None
    for file in files:
        pairs = dict(_KEY.findall(file))
        common = set(pairs) if common is None else common & set(pairs)
        for name, value in pairs.items():
            found.setdefault(name, {})[value] = None
    return {unquote(name): list(map(unquote, found[name])) for name in found if name in (common or ())}


def _category_type(texts: Sequence[str], kind: pa.DataType) -> pd.CategoricalDtype | None:
    """Return the categories of the texts of a key, which the column has as values of a type; None if they are no such values."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    values = pa.array([text for text in texts if text != MISSING], pa.string())
    try:
        return category_type(values.cast(pa.large_string() if is_plain_text(plain) else plain))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def category_type(values: pa.Array) -> pd.CategoricalDtype | None:
    """Return the categories of the values of a key in ascending order; None if there are none.

    Integers have 32 bits, if these suffice: the type that Arrow finds in the names, and with it pandas.
    """
    values = values.drop_null().unique()
    if pa.types.is_integer(values.type):
        with contextlib.suppress(pa.ArrowInvalid):
            values = values.cast(pa.int32())
    if not len(values):
        return None
    made = pd.Index(values.to_pandas(date_as_object=True)).dropna()
    return pd.CategoricalDtype(made.sort_values(), ordered=False)
