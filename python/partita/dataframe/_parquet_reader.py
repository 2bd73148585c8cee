"""Reading of Parquet files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .._errors import trim_traceback
from ..plan.expr import SortKey
from ._arguments import reject_unsupported
from ._columns import ARROW, NULLABLE, sort_value
from ._folder_keys import categories_of_folders
from ._frame import DataFrame
from ._io import check_extensions, file_paths, files_frame
from ._listing import listed
from ._pandas_metadata import data_files, is_known_extension, read_metadata
from ._parquet_writer import check_engine, check_filesystem
from ._sql import INDEX, sort_of
from ._storage import service_of, storage_config

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["read_parquet"]

#: Arguments that only tune Dask.
_TUNING = ("metadata_task_size", "ignore_metadata_file", "read_from_paths", "calculate_divisions", "open_file_options", "gather_statistics")  # fmt: skip
#: Files of a folder that contain no rows.
_FOOTERS = ("_metadata", "_common_metadata")


@trim_traceback
def read_parquet(
    path: Any,
    columns: Any = None,
    filters: Any = None,
    categories: Any = None,
    index: Any = None,
    storage_options: Any = None,
    engine: Any = "auto",
    use_nullable_dtypes: bool | None = None,
    dtype_backend: Any = None,
    calculate_divisions: bool | None = None,
    ignore_metadata_file: bool = False,
    metadata_task_size: int | None = None,
    split_row_groups: Any = "infer",
    blocksize: Any = "default",
    aggregate_files: Any = None,
    parquet_file_extension: Any = (".parq", ".parquet", ".pq"),
    filesystem: Any = "fsspec",
    client: Client | None = None,
    **arguments: Any,
) -> Any:
    """Read Parquet files.

    Workers read only the columns that are used, and skip row groups that cannot match the conditions. The order of the
    rows is undefined, unless the frame has an index: then the rows are sorted by it.

    With `split_row_groups`, `blocksize` or `aggregate_files`, the frame has the partitions that they describe: Python
    functions read them on the workers when the frame is first computed, all columns of `columns` at once. They stay there
    until no frame refers to them. Without these arguments the cluster divides the work by itself, which needs less memory.

    Parameters
    ----------
    path : str or list of str
        A file, a folder, a glob pattern, or a list of these: paths that all nodes see, or names in a store, such as
        ``s3://bucket/folder/``, ``gs://``, ``az://`` or ``https://``.
    columns : str or list of str, optional
        Columns to read. A single string returns a column.
    filters : list, optional
        Conditions such as ``[("year", "==", 2024), ("x", ">", 0)]`` that must all be true, or a list of such lists, one
        of which must be true. Unlike in Dask, which skips only whole row groups, the filters apply to every row.
    categories : list of str, optional
        Columns that become categories; their values are found at once.
    index : str or list of str, optional
        Columns of the index. By default the index that the files were written with; False for none.
    dtype_backend : {"numpy_nullable", "pyarrow"}, optional
        As in pandas.
    calculate_divisions : bool, optional
        With partitions that arguments describe: whether the statistics of the files give the divisions, if the files are
        sorted by the index. Otherwise no effect: divisions are known if there is an index.
    split_row_groups : bool, int or "adaptive", optional
        Row groups of a partition: one each with True, this number of them, those of a file with False, or as many as fit
        `blocksize`.
    blocksize : int or str, optional
        Largest size of the row groups of a partition, before compression, such as ``"64MiB"``.
    aggregate_files : bool or str, optional
        Whether partitions may have row groups of several files; with the name of a column of folder names, of files whose
        folders agree up to it.
    parquet_file_extension : str or tuple of str, optional
        Extensions of the files in a folder; None for all files.
    client : Client, optional
        Client of the cluster. The default client if not given.
    **arguments
        ``arrow_to_pandas``: arguments of ``pyarrow.Table.to_pandas``. ``dataset``: arguments of
        ``pyarrow.dataset.dataset``, such as ``partitioning``.
    engine, ignore_metadata_file, metadata_task_size
        Accepted for compatibility with Dask; no effect.
    storage_options : dict, optional
        How the store is reached, as for pandas and Dask: for S3 ``key``, ``secret``, ``token``, ``endpoint_url`` and
        ``anon``. Without it the environment of the cluster counts, and without credentials there what is public can be read.
    filesystem
        ``"arrow"``, ``"pyarrow"``, ``"fsspec"`` and ``"auto"``, which have no effect, or a ``LocalFileSystem`` for local files.

    Returns
    -------
    DataFrame or Series
    """
    check_engine(engine)
    check_filesystem("read_parquet", filesystem, path)
    backend = ("numpy_nullable" if use_nullable_dtypes else None) if dtype_backend is None else dtype_backend
    if backend not in _BACKENDS:
        raise ValueError(f"dtype_backend must be 'numpy_nullable' or 'pyarrow', not {backend!r}")
    for name in _TUNING:
        arguments.pop(name, None)
    arrow_to_pandas, dataset = arguments.pop("arrow_to_pandas", None), arguments.pop("dataset", None)
    reject_unsupported("read_parquet", arguments)
    paths = file_paths(path, stores=True)
    storage = storage_config(paths, storage_options)
    is_remote = service_of(paths[0]) is not None
    if len(paths) > 1:
        paths = [one for one in paths if os.path.basename(one) not in _FOOTERS]
    check_extensions(paths, "read_parquet")
    splits = (
        split_row_groups not in ("infer", None, False) or blocksize not in ("default", None) or bool(aggregate_files)
    ) or (split_row_groups is False and not is_remote)
    others = arrow_to_pandas is not None or dataset is not None or set(parquet_file_extension or ()) != _EXTENSIONS
    if is_remote and (splits or others):
        raise NotImplementedError(
            "read_parquet() does not support split_row_groups=, blocksize=, aggregate_files=, arrow_to_pandas=, dataset= "
            "and parquet_file_extension= for files in stores; the cluster divides the work by itself"
        )
    if splits or others or _needs_pandas(paths, index):
        from ._parquet_pieces import read_pieces

        groups = "adaptive" if splits and split_row_groups in ("infer", None) else split_row_groups
        if groups == "adaptive" and blocksize is None:
            groups = False
        frame = read_pieces(
            paths, [columns] if isinstance(columns, str) else columns, filters, index, backend, groups, blocksize,
            aggregate_files, bool(calculate_divisions), arrow_to_pandas, dataset, parquet_file_extension, client,
        )  # fmt: skip
    else:
        frame = _read_files(paths, index, backend, client, storage, filters)
    if categories:
        frame = _categorized(frame, categories)
    if columns is None:
        return frame
    labels = [columns] if isinstance(columns, str) else list(columns)
    clash = [label for label in labels if any(level.name == label for level in frame._index)]
    if clash:
        raise ValueError(f"columns= and index= both have {clash[0]!r}; read it as one of them")
    found = frame[labels]
    return found._column(columns) if isinstance(columns, str) else found


#: Extensions of Parquet files in a folder.
_EXTENSIONS = {".parq", ".parquet", ".pq"}


def _has_periods(path: str) -> bool:
    """Whether pandas wrote columns of periods, which are numbers for other readers."""
    if service_of(path) is not None:
        return False
    known = read_metadata(path)
    return not known.is_ours and any(isinstance(one, pd.PeriodDtype) for one in known.origins.values())


def _needs_pandas(paths: list[str], index: Any) -> bool:
    """Whether a file has no extension of Parquet, columns of periods, or an index of numbers that do not count from 0."""
    files = [one.removeprefix("file://") for one in paths]
    if _has_periods(paths[0]):
        return True
    if any(os.path.isfile(one) and not is_known_extension(one) for one in files):
        return True
    if len(files) == 1 and os.path.isfile(os.path.join(files[0], "_metadata")):
        return not any(map(is_known_extension, data_files(files[0])))
    return len(files) == 1 and index is None and os.path.isfile(files[0]) and read_metadata(files[0]).has_range


def _read_files(
    paths: list[str], index: Any, backend: Any, client: Client | None, storage: Mapping[str, str], filters: Any
) -> DataFrame:
    """Return the frame of files that the workers themselves read."""
    known = read_metadata(paths[0], storage)
    if known.has_range and index is None and len(paths) == 1 and service_of(paths[0]) is not None:
        raise NotImplementedError(
            f"the index of {paths[0]!r} is a range of numbers, which its file does not contain; read it with index=False"
        )
    if index is None:
        index = [name for name in known.levels if not name.startswith(INDEX)]
    if not known.is_ours and any(isinstance(one, pd.PeriodDtype) for one in known.origins.values()):
        raise NotImplementedError(f"{paths[0]!r} has columns of periods, which are not supported for files in stores")
    how: dict[str, Any] = {"key_types": known.keys} if known.keys else {}
    frame = files_frame(
        paths if len(paths) > 1 else paths[0], index, None, client, **how, **({"storage": storage} if storage else {})
    )
    for label, origin in known.origins.items():
        if label in frame._columns:
            frame._columns[label] = frame._columns[label]._replace(origin=origin)
    if index is False:
        # An index without a name.
        frame._columns = {label: one for label, one in frame._columns.items() if not label.startswith(INDEX)}
    frame = _restore_levels(frame, known.origins)
    if backend is not None:
        origin = _BACKENDS[backend]
        levels = tuple(level._replace(origin=level.origin or origin) for level in frame._index)
        cells = {
            label: cell
            if pa.types.is_dictionary(kind) and origin == NULLABLE
            else cell._replace(origin=cell.origin or origin)
            for (label, cell), kind in zip(frame._columns.items(), frame._kinds().values())
        }
        frame = DataFrame(frame._rows, cells, levels, frame._axis)
    if known.has_numbers and all(label.lstrip("-").isdecimal() for label in frame._columns):
        frame._columns = {int(label): column for label, column in frame._columns.items()}
        frame._axis = pd.Index([0])[:0]
    if known.axis is not None:
        frame._axis = frame.columns.rename(known.axis)[:0]
    schema = frame._rows.schema
    found = categories_of_folders(paths, storage, dict(zip(schema.names, schema.types)))
    if filters:
        # Filters compare values, also where these become categories.
        frame = frame._filtered(_any_of(frame, filters))
    return _with_categories(frame, {name: one for name, one in found.items() if name not in known.origins})


def _with_categories(frame: DataFrame, found: Mapping[str, pd.CategoricalDtype]) -> DataFrame:
    """Return a frame in which columns and levels of the index have the categories."""
    cells = {
        label: cell._replace(origin=found[label]) if label in found else cell for label, cell in frame._columns.items()
    }
    return _restore_levels(DataFrame(frame._rows, cells, frame._index, frame._axis), dict(found))


def _categorized(frame: DataFrame, categories: Any) -> DataFrame:
    """Return a frame with columns as categories."""
    labels = [categories] if isinstance(categories, str) else list(categories)
    unknown = [label for label in labels if label not in frame._columns]
    if unknown:
        raise ValueError(
            f"categories= has an unknown column {unknown[0]!r}; columns: {listed(frame._columns, unknown[0])}"
        )
    plain = [label for label in labels if not isinstance(frame.dtypes[label], pd.CategoricalDtype)]
    return frame.astype(dict.fromkeys(plain, "category")) if plain else frame


def _restore_levels(frame: DataFrame, origins: dict[str, Any]) -> DataFrame:
    """Return a frame that was read from files with the origins of its index levels."""
    labels = [INDEX + str(at) if level.name is None else level.name for at, level in enumerate(frame._index)]
    levels = tuple(
        level._replace(origin=origins.get(label, level.origin)) for label, level in zip(labels, frame._index)
    )
    if levels == frame._index:
        return frame
    order = [SortKey(sort_value(level.expr, level.origin)) for level in levels]
    return DataFrame(frame._rows.with_changes(order=order), frame._columns, levels, frame._axis)


#: Origin of columns by ``dtype_backend``.
_BACKENDS = {None: None, "numpy_nullable": NULLABLE, "pyarrow": ARROW}
_TESTS = {
    "==": "__eq__",
    "=": "__eq__",
    "!=": "__ne__",
    "<": "__lt__",
    "<=": "__le__",
    ">": "__gt__",
    ">=": "__ge__",
    "in": "isin",
}


def _any_of(frame: DataFrame, filters: Any) -> Any:
    """Return the condition of filters: a list of triples, or a list of such lists, one of which must be true."""
    groups = filters if isinstance(filters[0], list) else [filters]
    whole: Any = None
    for group in groups:
        every: Any = None
        for label, sign, value in group:
            column = frame._key(label)
            if sign in ("is", "is not") and pd.isna(value):
                test = column.isna() if sign == "is" else column.notna()
                every = test if every is None else every & test
                continue
            if sign in ("in", "not in") and not (pd.api.types.is_list_like(value) and not isinstance(value, Mapping)):
                raise TypeError(f"Value of '{sign}' filter must be a list, set, or tuple, not {value!r}")
            for one in value if sign in ("in", "not in") else [value]:
                if column._is_unlike(one):
                    raise TypeError(
                        f"cannot filter column {label!r} by {one!r}: the column contains {sort_of(column._kind)}"
                    )
            if sign == "not in":
                test = ~column.isin(list(value))
            elif sign in _TESTS:
                test = getattr(column, _TESTS[sign])(list(value) if sign == "in" else value)
                if sign == "!=":
                    # As in pandas, a missing value passes no comparison of filters=, unlike those of columns.
                    test = column.notna() & test
            else:
                raise ValueError(
                    f"{sign!r} is not a valid operator in predicates of filters=; use one of {', '.join(_TESTS)}, not in"
                )
            every = test if every is None else every & test
        whole = every if whole is None else whole | every
    return whole
