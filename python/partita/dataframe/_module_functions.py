"""Functions of the module that stand for methods of frames, as in ``dask.dataframe``."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ._base import Plan

__all__ = ["isna", "read_table", "repartition", "to_bag", "to_csv", "to_json", "to_parquet", "to_records"]


def _plan(name: str, value: Any) -> Any:
    """Return a frame or column, after checking that it is one."""
    if not isinstance(value, Plan):
        raise TypeError(
            f"{name}() takes a frame or column of this package, not {type(value).__name__}; use from_pandas"
        )
    return value


def isna(arg: Any) -> Any:
    """Return whether each value of a frame or column is missing. Other objects are passed to ``pandas.isna``."""
    return arg.isna() if isinstance(arg, Plan) else pd.isna(arg)


def repartition(df: Any, divisions: Any = None, force: bool = False) -> Any:
    """Persist a frame or column in other partitions; see :meth:`DataFrame.repartition`.

    Parameters
    ----------
    df : DataFrame, Series, or object of pandas
        The rows. An object of pandas is uploaded.
    divisions : sequence
        First index label of each partition, and last label of the last one.
    force : bool
        Whether the divisions may be wider than the labels, as they always may for an object of pandas.
    """
    if isinstance(df, (pd.DataFrame, pd.Series)):
        from ._io import from_pandas

        # As in Dask, the divisions of an object of pandas may always be wider.
        df, force = from_pandas(df, npartitions=1), True
    return _plan("repartition", df).repartition(divisions=divisions, force=force)


def to_bag(df: Any, index: bool = False, format: str = "tuple") -> Any:
    """Return the rows of a frame as items of a bag; see :meth:`DataFrame.to_bag`."""
    return _plan("to_bag", df).to_bag(index, format)


def to_csv(df: Any, filename: Any, **arguments: Any) -> Any:
    """Write a frame to CSV files; see :meth:`DataFrame.to_csv`."""
    return _plan("to_csv", df).to_csv(filename, **arguments)


def to_json(df: Any, url_path: Any, **arguments: Any) -> Any:
    """Write a frame to files of newline-delimited JSON; see :meth:`DataFrame.to_json`."""
    return _plan("to_json", df).to_json(url_path, **arguments)


def to_parquet(df: Any, path: Any, **arguments: Any) -> Any:
    """Write a frame to Parquet files; see :meth:`DataFrame.to_parquet`."""
    return _plan("to_parquet", df).to_parquet(path, **arguments)


def to_records(df: Any) -> Any:
    """Return the rows of a frame as an array of records; see :meth:`DataFrame.to_records`."""
    return _plan("to_records", df).to_records()


def read_table(path: Any, sep: Any = "\t", **arguments: Any) -> Any:
    """Read files of values separated by tabs; see :func:`partita.dataframe.read_csv`.

    Examples
    --------
    >>> import tempfile
    >>> from partita import dataframe as dd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = open(folder + "/a.tsv", "w").write("a\\tb\\n1\\t2\\n")
    ...     dd.read_table(folder + "/*.tsv").compute().b.tolist()
    [2]
    """
    from ._csv_reader import read_csv

    return read_csv(path, sep=sep, **arguments)
