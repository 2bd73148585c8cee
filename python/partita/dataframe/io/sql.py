"""Tables of databases: the replacement of ``dask.dataframe.io.sql``."""

from __future__ import annotations

from .._databases import read_sql_query, read_sql_table, to_sql
from .._io import read_sql

__all__ = ["read_sql", "read_sql_query", "read_sql_table", "to_sql"]
