"""Reading of CSV files."""

from __future__ import annotations

import csv
import glob
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._client import current_client
from .._errors import trim_traceback
from ..plan.expr import SortKey, cast
from ..plan.relation import Files, Relation
from ._base import Level
from ._columns import Column
from ._dialects import Dialect, encode_request, select_columns
from ._expressions import origin_after
from ._file_calls import are_compressed
from ._frame import DataFrame
from ._io import check_extensions, file_paths
from ._listing import listed
from ._pandas_metadata import data_files, first_file, last_file
from ._partitions import parse_bytes
from ._rows import Rows, typed_relation
from ._sql import replace_nan
from ._storage import service_of, storage_config

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["read_csv"]

#: Characters of the first line of a file that are read to count its fields.
LINE_MAX = 1 << 16


@trim_traceback
def read_csv(
    path: Any,
    sep: Any = ",",
    header: Any = "infer",
    names: Any = None,
    index_col: Any = None,
    usecols: Any = None,
    dtype: Any = None,
    parse_dates: Any = None,
    client: Client | None = None,
    include_path_column: Any = False,
    storage_options: Any = None,
    **arguments: Any,
) -> Any:
    """Read CSV files, plain or compressed. The order of the rows is undefined.

    Columns are matched by name in each file. The types are those that pandas infers, based on all values: if the files
    have more than 64 MiB in total, the workers read them once to infer the types, unless `dtype` contains all types. If
    the files have more than 2 GiB per thread of the cluster, the types are inferred from a sample; a later value that
    does not fit raises an error that names the columns and their types.

    Parameters
    ----------
    path : str or list of str
        A file, a folder, a glob pattern, or a list of these: paths that all nodes see, or names in a store, such as
        ``s3://bucket/*.csv``, ``gs://``, ``az://`` or ``https://``.
    sep : str
        Separator: one character, or ``r"\\s+"`` for whitespace.
    header : int or None
        Line with the names of the columns.
    names : list, optional
        Names of the columns, instead of a header.
    index_col : str, int or list, optional
        Columns of the index.
    usecols : list or callable, optional
        Columns to read, by name or by position. They are in the order of the file.
    dtype : dict or type, optional
        Types of the columns, such as ``{"id": "str", "x": "float64"}``.
    parse_dates : list, optional
        Columns of times in ISO 8601.
    client : Client, optional
        Client of the cluster. The default client if not given.
    include_path_column : bool or str
        Whether to add a column with the path of each row's file, named ``"path"`` or by this string.
    storage_options : dict, optional
        How the store is reached; see :func:`read_parquet`.
    **arguments
        ``quotechar``, ``quoting``, ``doublequote``, ``escapechar``, ``comment``, ``lineterminator``,
        ``skipinitialspace``, ``skiprows`` (a number or a list), ``nrows`` (for a single file), ``on_bad_lines``
        (``"error"`` or ``"skip"``), ``encoding``, ``encoding_errors``, ``compression``, ``na_values``,
        ``keep_default_na``, ``na_filter``, ``true_values``, ``false_values``, ``decimal``, ``thousands`` as in pandas,
        and ``assume_missing`` as in Dask. With other arguments of :func:`pandas.read_csv`, such as ``converters``,
        ``date_format``, ``skipfooter`` or a regular expression as ``sep``, each file is a partition, which pandas reads on
        a worker when the frame is first computed. The types are then found from the first rows of some files.
        ``blocksize``, ``sample``, ``sample_rows`` and ``enforce`` of Dask have no effect: the cluster divides the files by
        their size and its slots.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from partita import dataframe as dd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pd.DataFrame({"id": ["007", "008"], "x": [1, 2]}).to_csv(folder + "/a.csv", index=False)
    ...     dd.read_csv(folder + "/*.csv", dtype={"id": "str"}).compute().id.tolist()
    ['007', '008']
    """
    _check_blocksize(path, arguments)
    given = {"sep": sep, "header": header, "names": names, "dtype": dtype, "parse_dates": parse_dates, **arguments}
    try:
        dialect = Dialect(dict(given))
        of_pandas = _needs_pandas(path, given, usecols, index_col)
    except NotImplementedError:
        of_pandas = True
    if of_pandas and any(service_of(one) for one in file_paths(path, stores=True)):
        # This says which argument the workers' own reader lacks.
        Dialect(dict(given))
        raise NotImplementedError("read_csv() does not support archives and unnamed fields of files in stores")
    if of_pandas:
        return _read_with_pandas(path, {**given, "index_col": index_col, "usecols": usecols}, include_path_column)
    if dialect.index_of_times and isinstance(index_col, (str, int)):
        dialect.csv["dates"].append(index_col)
    column = "path" if include_path_column is True else include_path_column or None
    client = client or current_client()
    paths = file_paths(path, stores=True)
    check_extensions(paths, "read_csv")
    storage = storage_config(paths, storage_options)
    request = encode_request(paths, csv=dialect.csv, path_column=column, storage=storage)
    rows = Rows(client, typed_relation(client, Files, request))
    schema = rows.schema
    found = {dialect.label(at, name): at for at, name in enumerate(schema.names)}
    _check_labels(dialect, found)
    if column is not None:
        _check_path_column(
            typed_relation(client, Files, encode_request(paths, csv=dialect.csv, storage=storage)), column
        )
    added = [label for label in found if label == column]
    wanted = [*select_columns(usecols, [label for label in found if label not in added]), *added]
    cells = {label: _cell(dialect, label, found[label], rows.relation) for label in wanted}
    if column is not None:
        cells[column] = cells[column]._replace(origin=_path_categories(paths))
    labels = [wanted[one] if isinstance(one, int) and one not in wanted else one for one in _listed(index_col)]
    for label in labels:
        if label not in cells:
            raise ValueError(f"Index {label} invalid")
    levels = tuple(Level(label, cells[label].expr, cells[label].origin) for label in labels)
    if levels:
        rows = rows.with_changes(order=[SortKey(level.expr) for level in levels])
    last = last_file(paths[-1])
    if last is not None:
        rows.last = Files(encode_request([last], csv=dialect.csv, path_column=column), rows.relation.schema)
    kept = {label: cell for label, cell in cells.items() if label not in labels}
    return DataFrame(rows, kept, levels, pd.Index(list(kept))[:0])


def _check_blocksize(path: Any, arguments: dict[str, Any]) -> None:
    """Check the size of the partitions, which the cluster chooses. As in Dask, compressed files are not divided."""
    size = arguments.get("blocksize")
    if size is None or size == "default":
        return
    parse_bytes(size, "blocksize")
    if are_compressed(file_paths(path, stores=True), arguments.get("compression", "infer")):
        warnings.warn(
            f"read_csv: compressed files are not divided into parts: blocksize={size!r} has no effect; each file is read by "
            "one task",
            UserWarning,
            stacklevel=4,
        )


def _check_path_column(files: Relation, column: str) -> None:
    """Raise an error if files have a column with the name of that for paths."""
    known = files.schema
    if known is not None and column in known:
        raise ValueError(
            f"Files already contain the column name: {column!r}; use another one with include_path_column="
        )


def _path_categories(paths: Sequence[str]) -> pd.CategoricalDtype | None:
    """Return the type of a column of paths; None if this process cannot see the files."""
    found: list[str] = []
    for path in paths:
        name = path.removeprefix("file://")
        found += (
            [name] if os.path.isfile(name) else data_files(name) if os.path.isdir(name) else sorted(glob.glob(name))
        )
    # The paths in the column are absolute, without . and ..
    return pd.CategoricalDtype(list(dict.fromkeys(map(os.path.normpath, found)))) if found else None


def _needs_pandas(path: Any, given: dict[str, Any], usecols: Any, index_col: Any) -> bool:
    """Whether the workers' own reader lacks what CSV files need."""
    paths = file_paths(path, stores=True)
    if given.get("compression", "infer") == "infer" and any(one.lower().endswith((".zip", ".tar")) for one in paths):
        return True
    names = given["names"]
    if names is None or names is pd.api.extensions.no_default:
        return False
    # pandas gives the names to the columns that are read, and makes an index of the fields that have no name.
    if usecols is not None and not callable(usecols):
        return len(list(names)) == len(list(usecols))
    return index_col is None and len(list(names)) < _count_fields(paths[0], given)


def _count_fields(path: str, given: dict[str, Any]) -> int:
    """Return the number of fields in the first line of a file; 0 if it is not plain text that this process can see."""
    first = first_file(path)
    sep = given.get("delimiter") or given["sep"]
    if first is None or os.path.splitext(first)[1].lower() in (".gz", ".bz2", ".xz", ".zst") or given.get("skiprows"):
        return 0
    try:
        with open(first, encoding=given.get("encoding") or "utf-8", errors="replace", newline="") as file:
            line = file.readline(LINE_MAX)
    except (OSError, LookupError):
        return 0
    if len(sep) != 1:
        return len(line.split())
    return len(next(csv.reader([line], delimiter=sep), []))


def _read_with_pandas(path: Any, given: dict[str, Any], path_column: Any) -> Any:
    """Return the frame of CSV files that pandas reads."""
    from ._text_readers import read_text

    defaults = {"sep": ",", "header": "infer", "names": None, "index_col": None, "usecols": None, "dtype": None, "parse_dates": None}  # fmt: skip
    wanted = {key: value for key, value in given.items() if key not in defaults or value is not defaults[key]}
    return read_text("read_csv", path, wanted, path_column)


def _listed(index_col: Any) -> list[Any]:
    if index_col is None or index_col is False:
        return []
    return list(index_col) if isinstance(index_col, (list, tuple)) else [index_col]


def _check_labels(dialect: Dialect, found: dict[Any, int]) -> None:
    """Raise an error if ``parse_dates`` names a column that the files do not have. As in pandas, ``dtype`` may name others."""
    for label in dialect.dates:
        if label not in found and not (isinstance(label, int) and 0 <= label < len(found)):
            raise ValueError(
                f"Missing column provided to 'parse_dates': {str(label)!r}; columns: {listed(found, label)}"
            )


def _cell(dialect: Dialect, label: Any, at: int, files: Relation) -> Column:
    """Return a column of the files with the type of ``dtype``."""
    dtype = dialect.dtype_of(at, label)
    value = replace_nan(files.column(list(files.schema or ())[at]))
    if dtype is None and dialect.assumes_missing and value.dtype is not None and pa.types.is_integer(value.dtype):
        return Column(cast(value, pa.float64()))
    categories = isinstance(dtype, pd.CategoricalDtype) and dtype.categories is not None
    origin = dtype if categories else None if dtype is None else origin_after(dtype)
    return Column(value, None if isinstance(origin, pd.CategoricalDtype) and not categories else origin)
