"""Text files that functions of pandas read: fixed-width lines, JSON of any orientation, and CSV with arguments that the workers' own reader lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from .._errors import trim_traceback
from ._file_calls import (
    SAMPLE_ROWS,
    PandasReader,
    are_compressed,
    category_of_paths,
    expand_paths,
    file_ranges,
    frame_of_files,
)
from ._partitions import parse_bytes
from ._storage import service_of, storage_config

if TYPE_CHECKING:
    from .._client import Client

__all__ = ["read_fwf", "read_json", "read_text"]

#: Arguments that only tune Dask.
_TUNING = ("blocksize", "sample", "sample_rows", "enforce", "client")
#: Arguments of pandas' readers that return parts of a file.
_PARTS = ("iterator", "chunksize")


def read_text(name: str, path: Any, arguments: Mapping[str, Any], path_column: Any = False) -> Any:
    """Return the frame of text files, of which a function of pandas reads each as a partition.

    Parameters
    ----------
    name : str
        Name of the function.
    path : str or list of str
        The files.
    arguments : dict
        Arguments of the function.
    path_column : bool or str
        Whether to add a column with the path, and its name.
    """
    given = {key: value for key, value in arguments.items() if key not in _TUNING}
    for key in _PARTS:
        if given.pop(key, None):
            raise NotImplementedError(f"{name}() does not support {key}=; leave it out: a frame has partitions")
    if given.pop("storage_options", None):
        raise NotImplementedError(f"{name}() does not support storage_options=; use files that all nodes see")
    missing = bool(given.pop("assume_missing", False))
    label = "path" if path_column is True else path_column or None
    converters = dict(given.get("converters") or {})
    convert = converters.pop(label, None) if label is not None else None
    if "converters" in given:
        given["converters"] = converters or None
    files = expand_paths(path)
    if arguments.get("blocksize") not in (None, "default"):
        parse_bytes(arguments["blocksize"], "blocksize")
    shown = [convert(file) for file in files] if convert else files
    # pandas cannot limit the rows if it skips the last ones.
    limit = {} if given.get("skipfooter") or given.get("nrows") is not None else {"nrows": SAMPLE_ROWS}
    if given.get("engine") == "pyarrow":
        limit = {}
    read: Any = getattr(pd, name)
    reader = PandasReader(
        _Skipping(read) if len(files) > 1 else read, given, limit, label, category_of_paths(shown), convert
    )
    made = frame_of_files(reader, file_ranges(files, None))
    if not missing:
        return made
    whole = [column for column, kind in made.dtypes.items() if pd.api.types.is_integer_dtype(kind)]
    typed = given.get("dtype")
    known = typed if isinstance(typed, Mapping) else dict.fromkeys(whole) if typed is not None else {}
    return made.astype({column: "float64" for column in whole if column not in known})


class _Skipping:
    """The function that reads a file; an empty one among others has no rows."""

    def __init__(self, read: Any) -> None:
        self.read = read
        self.__name__ = read.__name__

    def __call__(self, source: Any, **arguments: Any) -> Any:
        try:
            return self.read(source, **arguments)
        except pd.errors.EmptyDataError:
            names = arguments.get("names")
            return pd.DataFrame(columns=list(names) if names is not None else [])


@trim_traceback
def read_fwf(path: Any, include_path_column: Any = False, **arguments: Any) -> Any:
    """Read files of lines whose fields have fixed widths; see :func:`pandas.read_fwf`.

    Each file is a partition, which pandas reads on a worker when the frame is first computed. The types of the columns are
    found from the first rows of some files.

    Parameters
    ----------
    path : str or list of str
        A file, a folder, a glob pattern, or a list of these. All nodes must see the files.
    include_path_column : bool or str
        Whether to add a column with the path of each row's file, named ``"path"`` or by this string.
    **arguments
        Arguments of :func:`pandas.read_fwf`.

    Examples
    --------
    >>> import tempfile
    >>> from partita import dataframe as dd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = open(folder + "/a.txt", "w").write("id  x\\n 1 10\\n 2 20\\n")
    ...     dd.read_fwf(folder + "/*.txt").compute().x.tolist()
    [10, 20]
    """
    return read_text("read_fwf", path, arguments, include_path_column)


@trim_traceback
def read_json(
    url_path: Any,
    orient: str = "records",
    lines: bool | None = None,
    storage_options: Any = None,
    blocksize: Any = None,
    sample: Any = 2**20,
    encoding: str = "utf-8",
    errors: str = "strict",
    compression: Any = "infer",
    meta: Any = None,
    engine: Any = None,
    include_path_column: Any = False,
    path_converter: Any = None,
    index: Any = None,
    client: Client | None = None,
    **arguments: Any,
) -> Any:
    """Read files of JSON.

    Files of newline-delimited JSON are read by the workers' own reader; the order of the rows is undefined. With other
    values of `orient` and `lines`, or arguments of pandas, each file or range of a file is a partition, which pandas reads
    on a worker when the frame is first computed. The types of the columns are then found from some of them.

    Parameters
    ----------
    url_path : str or list of str
        A file, a folder, a glob pattern, or a list of these: paths that all nodes see, or names in a store, such as
        ``s3://bucket/*.json``, ``gs://``, ``az://`` or ``https://``.
    orient : str
        As in :func:`pandas.read_json`.
    lines : bool, optional
        Whether each line is a record. By default only if `orient` is ``"records"``.
    blocksize : int or str, optional
        Bytes of a partition at most, for files of lines.
    encoding, errors, compression
        Of the files.
    meta : DataFrame, optional
        The columns and types.
    engine : str or callable, optional
        The engine of pandas, or a function that reads a file instead of pandas.
    include_path_column : bool or str
        Whether to add a column with the path of each row's file, named ``"path"`` or by this string.
    path_converter : callable, optional
        Converts paths.
    index : str or list of str, optional
        Columns of the index, for the workers' own reader.
    client : Client, optional
        Client of the cluster. The default client if not given.
    **arguments
        Arguments of :func:`pandas.read_json`.
    storage_options : dict, optional
        How the store is reached; see :func:`read_parquet`. Only for the workers' own reader.
    sample
        Accepted for compatibility with Dask; no effect.

    Examples
    --------
    >>> import tempfile
    >>> from partita import dataframe as dd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = open(folder + "/a.json", "w").write('{"x": {"0": 1, "1": 2}}')
    ...     dd.read_json(folder + "/a.json", orient="columns").compute().x.tolist()
    [1, 2]
    """
    from ._io import file_paths, files_frame

    if lines is None:
        lines = orient == "records"
    if orient != "records" and lines:
        raise ValueError("Line-delimited JSON is only available with orient='records'; use lines=False")
    if blocksize is not None and (orient != "records" or not lines):
        raise ValueError("blocksize= is only available for files of lines, with orient='records' and lines=True")
    is_plain = (encoding, errors, compression, engine) == ("utf-8", "strict", "infer", None) and meta is None
    is_plain = is_plain and lines and blocksize is None and not include_path_column and not arguments
    paths = file_paths(url_path, stores=True)
    storage = storage_config(paths, storage_options)
    if is_plain and all(map(_is_lines, paths)):
        return files_frame(url_path, index, None, client, **({"storage": storage} if storage else {}))
    if service_of(paths[0]) is not None:
        raise NotImplementedError("read_json() supports only files of lines, and no arguments of pandas, in stores")
    if index is not None:
        raise NotImplementedError("read_json() with these arguments does not support index=; use set_index")
    label = "path" if include_path_column is True else include_path_column or None
    files = expand_paths(url_path)
    shown = [path_converter(file) for file in files] if path_converter else files
    read, options = _json_function(engine, orient, lines, encoding, errors, compression, arguments)
    limit = {"nrows": SAMPLE_ROWS} if lines and read is pd.read_json else {}
    reader = PandasReader(read, options, limit, label, category_of_paths(shown), path_converter)
    size = None if blocksize is None else parse_bytes(blocksize, "blocksize")
    if size is not None and are_compressed(files, compression):
        raise ValueError(
            f"read_json() cannot read parts of compressed files such as {files[0]!r}: leave out blocksize=, or decompress them"
        )
    return frame_of_files(reader, file_ranges(files, size), meta)


def _is_lines(path: str) -> bool:
    """Whether the workers' own reader knows by the name of a file that it has lines of JSON."""
    names = path.lower().rsplit("/", 1)[-1]
    return "." not in names or any(part in names for part in (".json", ".ndjson", ".jsonl"))


def _json_function(
    engine: Any, orient: str, lines: bool, encoding: str, errors: str, compression: Any, arguments: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Return the function that reads a file, and its arguments."""
    options = {**arguments, "orient": orient, "lines": lines}
    if callable(engine) and engine is not pd.read_json:
        return _Opened(engine, encoding, errors, compression), options
    options |= {"encoding": encoding, "encoding_errors": errors, "compression": compression}
    return pd.read_json, options if engine is None or callable(engine) else {**options, "engine": engine}


class _Opened:
    """The function that calls a function of a user with an open file."""

    def __init__(self, read: Any, encoding: str, errors: str, compression: Any) -> None:
        self.read = read
        self.encoding = encoding
        self.errors = errors
        self.compression = compression
        self.__name__ = getattr(read, "__name__", "read_json")

    def __call__(self, source: Any, **arguments: Any) -> Any:
        from pandas.io.common import get_handle

        with get_handle(
            source, "r", encoding=self.encoding, errors=self.errors, compression=self.compression
        ) as opened:
            return self.read(opened.handle, **arguments)
