"""Files of ORC, which functions read and write on the workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa

from .._errors import trim_traceback
from .._tasks import Task
from ._file_calls import expand_paths, frame_of_files
from ._listing import listed
from ._pandas_metadata import absolute
from ._writing_calls import ensure_folder, require_package, run_writers, writing_tasks

__all__ = ["read_orc", "to_orc"]


@trim_traceback
def read_orc(
    path: Any,
    engine: Any = "pyarrow",
    columns: Any = None,
    index: Any = None,
    split_stripes: Any = 1,
    aggregate_files: Any = None,
    storage_options: Any = None,
) -> Any:
    """Read files of ORC.

    The workers read them when the frame is first computed. The rows are in the order of the files.

    Parameters
    ----------
    path : str or list of str
        A file, a folder, a glob pattern, or a list of these. All nodes must see the files.
    columns : list of str, optional
        Columns to read.
    index : str, optional
        Column of the index.
    split_stripes : int or bool
        Number of stripes of a partition; False for whole files.
    aggregate_files : bool, optional
        Whether partitions may have stripes of several files.
    engine
        Accepted for compatibility with Dask; no effect.
    storage_options
        Not supported.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from partita import dataframe as dd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pd.DataFrame({"a": [1, 2]}).to_orc(folder + "/a.orc")
    ...     dd.read_orc(folder + "/*.orc").compute().a.tolist()
    [1, 2]
    """
    if storage_options:
        raise NotImplementedError("read_orc() supports only files that all nodes see, without storage_options=")
    orc = require_package("pyarrow.orc", "pyarrow with ORC", "read_orc()")
    files = expand_paths(path)
    opened = [orc.ORCFile(file) for file in files]
    names = opened[0].schema.names
    wanted = [columns] if isinstance(columns, str) else columns
    for label in [*(wanted or []), *([index] if index is not None else [])]:
        if label not in names:
            raise ValueError(f"no column {label!r} in '{files[0]}'; columns: {listed(names, label)}")
    stripes = [[(file, at) for at in range(one.nstripes)] for file, one in zip(files, opened)]
    if not split_stripes:
        parts: list[list[tuple[str, int | None]]] = [[(file, None)] for file in files]
    else:
        size = int(split_stripes)
        groups = [[one for found in stripes for one in found]] if aggregate_files else stripes
        parts = [list(group[at : at + size]) for group in groups for at in range(0, len(group), size)]
    reader = _Reader(wanted, index)
    return frame_of_files(reader, parts or [[(files[0], None)]], reader.frame(opened[0].schema.empty_table()))


class _Reader:
    """The function that reads stripes of files."""

    def __init__(self, columns: list[str] | None, index: str | None) -> None:
        self.columns = columns
        self.index = index
        self.__name__ = "read_orc"

    def __call__(self, part: list[tuple[str, int | None]]) -> pd.DataFrame:
        from pyarrow import orc

        names = None if self.columns is None else [*self.columns, *([self.index] if self.index is not None else [])]
        tables = []
        for path, stripe in part:
            file = orc.ORCFile(path)
            found = file.read(columns=names) if stripe is None else file.read_stripe(stripe, columns=names)
            tables.append(found if isinstance(found, pa.Table) else pa.Table.from_batches([found]))
        return self.frame(tables[0] if len(tables) == 1 else pa.concat_tables(tables))

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """Return rows as a frame."""
        found = table.to_pandas()
        if self.index is not None:
            # set_index() makes a range of numbers in a row, whose type is another one.
            labels = found.pop(self.index)
            found.index = pd.Index(labels.array, name=self.index)
        return found if self.columns is None else found[[one for one in self.columns if one != self.index]]


@trim_traceback
def to_orc(
    df: Any,
    path: Any,
    engine: Any = "pyarrow",
    write_index: bool = True,
    storage_options: Any = None,
    compute: bool = True,
    compute_kwargs: Any = None,
) -> Any:
    """Write a folder with one ORC file per partition; see :meth:`DataFrame.to_orc`."""
    if storage_options:
        raise NotImplementedError("to_orc() supports only folders that all nodes see, without storage_options=")
    require_package("pyarrow.orc", "pyarrow with ORC", "to_orc()")
    folder = absolute(path).removeprefix("file://")

    def make(count: int) -> Callable[[Any, int], str]:
        return _Writer(folder, write_index)

    tasks = writing_tasks(df, make, "to_orc")
    if compute:
        run_writers(df._client, tasks, True)
        return None
    return run_writers(df._client, [Task(list, (tasks,), None, "to_orc-finish")], False, single=True)


class _Writer:
    """The function that writes a partition."""

    def __init__(self, folder: str, index: bool) -> None:
        self.folder = folder
        self.index = index

    def __call__(self, part: pd.DataFrame, number: int) -> str:
        from pyarrow import orc

        ensure_folder(self.folder)
        if self.index:
            part = part.reset_index(names=[name if name is not None else f"index{at or ''}" for at, name in enumerate(part.index.names)])  # fmt: skip
        table = pa.Table.from_pandas(part, preserve_index=False)
        path = os.path.join(self.folder, f"part-{number:05}-0.orc")
        orc.write_table(table, path)
        return path
