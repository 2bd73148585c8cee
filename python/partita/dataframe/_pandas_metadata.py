"""Metadata of pandas in Parquet files: index, types and categories of the original frame.

pandas writes this metadata into each file. Partita's workers do not, so the client writes it into ``_common_metadata``
in the same folder, the file that Dask uses for the schema of a folder.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ._columns import ARROW, origin_of
from ._storage import SERVICES, remote_metadata, service_of

__all__ = [
    "COMMON",
    "PandasMetadata",
    "absolute",
    "data_files",
    "file_metadata",
    "first_file",
    "is_known_extension",
    "last_file",
    "raw_metadata",
    "read_metadata",
    "write_metadata",
]

#: Key of the metadata that neither Parquet nor pandas define: categories and their order, types of Arrow, and the types of columns that
#: became folder names, since a folder name does not distinguish a string of digits from a number.
_OURS = b"partita"

#: File with the common metadata of all files of a folder.
COMMON = "_common_metadata"


def absolute(path: Any, stores: bool = False) -> str:
    """Make a path absolute, relative to the working directory of this process. ``file:`` URLs are unchanged.

    Parameters
    ----------
    path : path-like
        The path.
    stores : bool
        Whether names of files in object stores and on web servers are taken as well. They are unchanged.
    """
    name = os.fspath(path)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", name)
    if scheme is not None and scheme[1].lower() != "file":
        if stores and scheme[1].lower() in SERVICES:
            return name
        stores_text = f"; supported: {', '.join(f'{one}://' for one in sorted(SERVICES))}" if stores else " here"
        raise NotImplementedError(
            f"cannot use {name!r}: {scheme[1]}:// is not supported{stores_text}; use a path that all nodes of the cluster see"
        )
    return name if name.startswith("file:") else os.path.join(os.getcwd(), os.path.expanduser(name))


class PandasMetadata(NamedTuple):
    """Metadata of a written frame.

    Attributes
    ----------
    levels : list of str
        Columns of the index.
    origins : dict
        Origin of each column that Arrow's type does not describe completely.
    keys : dict
        Arrow type names of the columns that became folder names.
    axis : optional
        Name of the column labels.
    has_range : bool
        Whether the index has no column, and does not count from 0.
    has_numbers : bool
        Whether the column labels are integers.
    is_ours : bool
        Whether Partita wrote the files.
    """

    levels: list[str]
    origins: dict[str, Any]
    keys: dict[str, str]
    axis: Any = None
    has_range: bool = False
    has_numbers: bool = False
    is_ours: bool = False


#: Extensions of Parquet files that the workers' own reader knows.
_EXTENSIONS = (".parquet", ".pq")


def is_known_extension(path: str) -> bool:
    """Whether the workers' own reader knows by its name that a file is of Parquet."""
    return os.path.splitext(path)[1].lower() in _EXTENSIONS


def raw_metadata(path: str, storage: Mapping[str, str] | None = None) -> dict[bytes, bytes]:
    """Return the metadata of pandas, and our own, from one of the files, or from the common metadata of their folder."""
    if service_of(path) is not None:
        metadata = remote_metadata(path, storage or {})
    else:
        found = _first_file(path.removeprefix("file://"))
        if found is None:
            return {}
        metadata = pq.read_schema(found).metadata or {}
        beside = os.path.join(os.path.dirname(found), COMMON)
        if b"pandas" not in metadata and os.path.isfile(beside):
            metadata = pq.read_schema(beside).metadata or {}
    return {key: metadata[key] for key in (b"pandas", _OURS) if key in metadata}


def read_metadata(path: str, storage: Mapping[str, str] | None = None) -> PandasMetadata:
    """Read the metadata from one of the files. It is empty if this process cannot see the files."""
    try:
        metadata = raw_metadata(path, storage)
        written = json.loads(metadata.get(b"pandas", b"{}"))
        ours = json.loads(metadata.get(_OURS, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        # Reading the rows will report the error.
        return PandasMetadata([], {}, {})
    stored = written.get("index_columns", [])
    index = [name for name in stored if isinstance(name, str)]
    ranges = [one for one in stored if isinstance(one, dict)]
    has_range = any(one.get("start") or one.get("step") != 1 or one.get("name") is not None for one in ranges)
    origins = {}
    for column in written.get("columns", []):
        try:
            origin = origin_of(pd.api.types.pandas_dtype(column.get("numpy_type")))
        except TypeError:
            origin = None
        if origin is not None:
            origins[column.get("field_name") or column.get("name")] = origin
    origins.update(dict.fromkeys(ours.get("arrow", []), ARROW))
    for label, known in ours.get("categories", {}).items():
        origins[label] = pd.CategoricalDtype(pd.Index(known["values"], dtype=known["dtype"]), known["ordered"])
    axes = written.get("column_indexes") or [{}]
    axis = axes[0].get("name") if len(axes) == 1 else None
    has_numbers = len(axes) == 1 and str(axes[0].get("numpy_type")).startswith(("int", "uint"))
    return PandasMetadata(index, origins, ours.get("keys", {}), axis, has_range, has_numbers, bool(ours))


def categories_of(origin: Any) -> dict[str, Any] | None:
    """Return the JSON form of an origin's categories; None if it has none or if JSON cannot represent them."""
    if not isinstance(origin, pd.CategoricalDtype) or origin.categories is None:
        return None
    kind = origin.categories.dtype
    if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_string_dtype(kind)):
        return None
    return {"values": origin.categories.tolist(), "dtype": str(kind), "ordered": bool(origin.ordered)}


def write_metadata(folder: str, text: str, keys: dict[str, str], origins: dict[str, Any]) -> None:
    """Write the metadata file into a folder of files that were just written, if this process can see the folder."""
    # If this process cannot see the folder, the index is read as an ordinary column.
    with contextlib.suppress(OSError):
        pq.write_metadata(pa.schema([], file_metadata(text, keys, origins)), os.path.join(folder, COMMON))


def file_metadata(text: str, keys: dict[str, str], origins: dict[str, Any]) -> dict[bytes, bytes]:
    """Return the metadata of a file: that of pandas, and our own."""
    found = {label: categories_of(origin) for label, origin in origins.items()}
    categories = {label: known for label, known in found.items() if known is not None}
    # pandas cannot parse the names of all types of Arrow, such as decimals.
    arrow = [label for label, origin in origins.items() if isinstance(origin, str) and origin == ARROW]
    ours = json.dumps({"keys": keys, "categories": categories, "arrow": arrow})
    return {b"pandas": text.encode(), _OURS: ours.encode()}


def data_files(path: str) -> list[str]:
    """Return the files of a folder and of the folders in it that readers do not skip, sorted by their paths."""
    found = []
    for folder, folders, names in os.walk(path.removeprefix("file://")):
        folders[:] = [one for one in folders if not one.startswith((".", "_"))]
        found += [os.path.join(folder, name) for name in names if not name.startswith((".", "_"))]
    return sorted(found)


def last_file(path: str) -> str | None:
    """Return the last file of a path in natural order, in which ``part.10`` follows ``part.9``.

    Returns None if this process cannot see the files, or if the files are in ``key=value`` folders: a single file lacks
    the key columns.
    """
    path = path.removeprefix("file://")
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        inside: Iterable[str] = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
    else:
        inside = glob.iglob(path)
    names = [name for name in inside if os.path.isfile(name)]
    # Readers skip hidden files.
    names = [name for name in names if not any(one.startswith((".", "_")) for one in _below(name, path).split(os.sep))]
    if any("=" in os.path.dirname(_below(name, path)) for name in names):
        return None
    return max(names, key=_natural, default=None)


def first_file(path: str) -> str | None:
    """Return the first file of a path; None if this process cannot see the files."""
    path = path.removeprefix("file://")
    if os.path.isfile(path):
        return path
    found = data_files(path) if os.path.isdir(path) else sorted(glob.glob(path))
    return next((one for one in found if os.path.isfile(one)), None)


def _below(name: str, folder: str) -> str:
    return os.path.relpath(name, folder) if os.path.isdir(folder) else os.path.basename(name)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key for which ``part.10`` follows ``part.9``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _first_file(path: str) -> str | None:
    if os.path.isfile(path):
        return path
    if not os.path.isdir(path):
        return next((one for one in glob.iglob(path) if os.path.isfile(one)), None)
    if os.path.isfile(os.path.join(path, COMMON)):
        return os.path.join(path, COMMON)
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(one for one in folders if not one.startswith((".", "_")))
        files = sorted(name for name in names if name.endswith((".parquet", ".pq")))
        if files:
            return os.path.join(folder, files[0])
    return None
