"""What Parquet files say of the frames that they were: in the form of pandas.

pandas notes it in each file. Partita's workers do not; here it is in ``_common_metadata`` beside them, where Dask has
the schema of a folder.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ._columns import origin_of

__all__ = ["Stored", "absolute", "categories_of", "last_file", "note", "written_by_pandas"]

#: Where is noted what neither Parquet nor pandas have a place for: categories and their order, and the types of columns
#: that became names of folders, since these do not tell a text of digits from a number.
_OURS = b"partita"

#: The file with what all files of a folder have in common.
_COMMON = "_common_metadata"


def absolute(path: Any) -> str:
    """The name of a file or a folder. One that is relative starts from the folder where this process is now."""
    name = os.fspath(path)
    return name if name.startswith("file:") else os.path.join(os.getcwd(), os.path.expanduser(name))


class Stored(NamedTuple):
    """The columns that were an index, the origins of columns where Arrow's type does not tell them, the types of
    those that became names of folders, as Arrow names types, and the name that the labels of the columns had.
    """

    levels: list[str]
    origins: dict[str, Any]
    keys: dict[str, str]
    axis: Any = None


def written_by_pandas(path: str) -> Stored:
    """What one of the files says, if this process can see it; nothing if not."""
    found = _first_file(path.removeprefix("file://"))
    if found is None:
        return Stored([], {}, {})
    try:
        metadata = pq.read_schema(found).metadata or {}
        beside = os.path.join(os.path.dirname(found), _COMMON)
        if b"pandas" not in metadata and os.path.isfile(beside):
            metadata = pq.read_schema(beside).metadata or {}
        written = json.loads(metadata.get(b"pandas", b"{}"))
        ours = json.loads(metadata.get(_OURS, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        # Whoever reads the rows will say what is wrong.
        return Stored([], {}, {})
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
    for label, known in ours.get("categories", {}).items():
        origins[label] = pd.CategoricalDtype(pd.Index(known["values"], dtype=known["dtype"]), known["ordered"])
    axes = written.get("column_indexes") or [{}]
    return Stored(index, origins, ours.get("keys", {}), axes[0].get("name") if len(axes) == 1 else None)


def categories_of(origin: Any) -> dict[str, Any] | None:
    """Categories as they are noted; None for a column of none, or of values that have no place in a note."""
    if not isinstance(origin, pd.CategoricalDtype) or origin.categories is None:
        return None
    kind = origin.categories.dtype
    if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_string_dtype(kind)):
        return None
    return {"values": origin.categories.tolist(), "dtype": str(kind), "ordered": bool(origin.ordered)}


def note(folder: str, text: str, keys: dict[str, str], categories: dict[str, Any]) -> None:
    """Puts a note beside files that were just written, if this process can see them."""
    # A client elsewhere cannot: its index is then a column when it is read.
    with contextlib.suppress(OSError):
        ours = json.dumps({"keys": keys, "categories": categories})
        metadata = {b"pandas": text.encode(), _OURS: ours.encode()}
        pq.write_metadata(pa.schema([], metadata), os.path.join(folder, _COMMON))


def last_file(path: str) -> str | None:
    """The last of the files that a path stands for, by name and with numbers in their order.

    None if this process cannot see them, or if they are in folders named after keys: such a file lacks columns.
    """
    path = path.removeprefix("file://")
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        inside: Iterable[str] = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
    else:
        inside = glob.iglob(path)
    names = [name for name in inside if os.path.isfile(name)]
    # Hidden ones are not read.
    names = [name for name in names if not any(one.startswith((".", "_")) for one in _below(name, path).split(os.sep))]
    if any("=" in os.path.dirname(_below(name, path)) for name in names):
        return None
    return max(names, key=_natural, default=None)


def _below(name: str, folder: str) -> str:
    return os.path.relpath(name, folder) if os.path.isdir(folder) else os.path.basename(name)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which ``part.10`` is after ``part.9``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


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
