"""Data frames: where ``dask.dataframe`` is, this is."""

from __future__ import annotations

from ._convert import to_datetime, to_numeric
from ._frame import DataFrame
from ._io import from_arrow, from_dict, from_pandas, from_table, read_csv, read_json, read_parquet, read_sql
from ._merge import concat, merge, merge_asof
from ._scalar import Scalar
from ._series import Index, Series

__all__ = [
    "DataFrame",
    "Index",
    "Scalar",
    "Series",
    "concat",
    "from_arrow",
    "from_dict",
    "from_pandas",
    "from_table",
    "merge",
    "merge_asof",
    "read_csv",
    "read_json",
    "read_parquet",
    "read_sql",
    "to_datetime",
    "to_numeric",
]
