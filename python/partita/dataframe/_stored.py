"""What Parquet files say of the frames that they were: in the form of pandas.

pandas notes it in each file. Partita's workers do not; here it is in ``_common_metadata`` beside them, where Dask has
the schema of a folder.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ._columns import origin_of

__all__ = ["Stored", "absolute", "note", "written_by_pandas"]

#: The file with what all files of a folder have in common.
_COMMON = "_common_metadata"


def absolute(path: Any) -> str:
    """The name of a file or a folder. One that is relative starts from the folder where this process is now."""
    name = os.fspath(path)
    return name if name.startswith("file:") else os.path.join(os.getcwd(), os.path.expanduser(name))


class Stored(NamedTuple):
    """The columns that were an index, and the origins of columns where Arrow's type does not tell them."""

    levels: list[str]
    origins: dict[str, Any]


def written_by_pandas(path: str) -> Stored:
    """What one of the files says, if this process can see it; nothing if not."""
    found = _first_file(path.removeprefix("file://"))
    if found is None:
        return Stored([], {})
    try:
        text = (pq.read_schema(found).metadata or {}).get(b"pandas", b"{}")
        written = json.loads(text)
    except (OSError, ValueError, pa.ArrowException):
        # Whoever reads the rows will say what is wrong.
        return Stored([], {})
    # An index that is counted has no column.
    index = [name for name in written.get("index_columns", []) if isinstance(name, str)]
    origins = {}
    for column in written.get("columns", []):
        try:
            origin = origin_of(pd.api.types.pandas_dtype(column.get("numpy_type")))
        except TypeError:
            origin = None
        if origin is not None:
            origins[column.get("field_name") or column.get("name")] = origin
    return Stored(index, origins)


def note(folder: str, text: str) -> None:
    """Puts a note beside files that were just written, if this process can see them."""
    # A client elsewhere cannot: its index is then a column when it is read.
    with contextlib.suppress(OSError):
        pq.write_metadata(pa.schema([], {"pandas": text}), os.path.join(folder, _COMMON))


def _first_file(path: str) -> str | None:
    if os.path.isfile(path):
        return path
    if not os.path.isdir(path):
        return next((one for one in glob.iglob(path) if os.path.isfile(one)), None)
    if os.path.isfile(os.path.join(path, _COMMON)):
        return os.path.join(path, _COMMON)
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(one for one in folders if not one.startswith((".", "_")))
        files = sorted(name for name in names if name.endswith((".parquet", ".pq")))
        if files:
            return os.path.join(folder, files[0])
    return None
