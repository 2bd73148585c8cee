"""Methods of frames and columns that write their partitions with functions on the workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["PartitionWriters"]


class PartitionWriters:
    """Methods that frames and columns share."""

    def to_hdf(
        self,
        path: Any,
        key: str,
        mode: str = "a",
        append: bool = False,
        name_function: Callable[[int], str] | None = None,
        compute: bool = True,
        **arguments: Any,
    ) -> Any:
        """Write HDF5 files with pandas, on the workers. This requires the package ``tables``.

        Parameters
        ----------
        path : str
            The file. If it contains ``*``, each partition is a file, and its number replaces ``*``. Otherwise the partitions
            are written one after the other.
        key : str
            The object in the file. If it contains ``*``, each partition is an object.
        mode : str
            ``"a"`` to add to an existing file, or ``"w"`` to replace it.
        append : bool
            Whether to add rows to an existing object, instead of replacing it.
        name_function : callable, optional
            Returns the string that replaces ``*``, given the number of the partition.
        compute : bool
            Whether to write now. Otherwise the rows are persisted, and a delayed value is returned that writes them.
        **arguments
            Further arguments of :meth:`pandas.DataFrame.to_hdf`, such as ``min_itemsize``.

        Returns
        -------
        list of str
            The files.
        """
        from ._hdf import to_hdf

        return to_hdf(self, path, key, mode, append, name_function, compute, **arguments)

    def to_sql(
        self,
        name: str,
        uri: str,
        schema: str | None = None,
        if_exists: str = "fail",
        index: bool = True,
        index_label: Any = None,
        chunksize: int | None = None,
        dtype: Any = None,
        method: Any = None,
        compute: bool = True,
        parallel: bool = False,
        engine_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Write a table of a database with pandas, on the workers. This requires the package ``sqlalchemy``.

        Parameters
        ----------
        name : str
            Name of the table.
        uri : str
            URL of the database, as SQLAlchemy defines it. The workers must reach it.
        schema, if_exists, index, index_label, chunksize, dtype, method
            As in :meth:`pandas.DataFrame.to_sql`.
        compute : bool
            Whether to write now. Otherwise the rows are persisted, and a delayed value is returned that writes them.
        parallel : bool
            Whether partitions are written at the same time, in any order.
        engine_kwargs : dict, optional
            Arguments of ``sqlalchemy.create_engine``.
        """
        from ._databases import to_sql

        return to_sql(
            self, name, uri, schema, if_exists, index, index_label, chunksize, dtype, method, compute, parallel,
            engine_kwargs,
        )  # fmt: skip
