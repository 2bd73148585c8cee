"""Reading and writing of files and databases: the replacement of ``dask.dataframe.io``."""

from __future__ import annotations

from .._csv_reader import read_csv
from .._databases import read_sql_query, read_sql_table, to_sql
from .._hdf import read_hdf, to_hdf
from .._io import from_dict, from_pandas, read_sql
from .._module_functions import read_table, to_bag, to_csv, to_json, to_parquet, to_records
from .._orc import read_orc, to_orc
from .._parquet_reader import read_parquet
from .._partition_functions import from_array, from_dask_array, from_delayed, from_map
from .._text_readers import read_fwf, read_json
from . import demo, parquet, sql

__all__ = [
    "demo",
    "from_array",
    "from_dask_array",
    "from_delayed",
    "from_dict",
    "from_map",
    "from_pandas",
    "parquet",
    "read_csv",
    "read_fwf",
    "read_hdf",
    "read_json",
    "read_orc",
    "read_parquet",
    "read_sql",
    "read_sql_query",
    "read_sql_table",
    "read_table",
    "sql",
    "to_bag",
    "to_csv",
    "to_hdf",
    "to_json",
    "to_orc",
    "to_parquet",
    "to_records",
    "to_sql",
]
