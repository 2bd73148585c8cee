"""Data frames: the replacement of ``dask.dataframe``."""

from __future__ import annotations

from .._stubs import FUNCTIONS, module_getattr
from ..base import compute
from . import io, utils
from ._aggregations import Aggregation
from ._concatenation import concat
from ._conversion import to_numeric, to_timedelta
from ._csv_reader import read_csv
from ._databases import read_sql_query, read_sql_table, to_sql
from ._frame import DataFrame
from ._hdf import read_hdf, to_hdf
from ._io import from_arrow, from_dict, from_pandas, from_table, read_sql
from ._merge import merge
from ._merge_asof import merge_asof
from ._module_functions import isna, read_table, repartition, to_bag, to_csv, to_json, to_parquet, to_records
from ._orc import read_orc, to_orc
from ._overlap import map_overlap
from ._parquet_reader import read_parquet
from ._partition_functions import from_array, from_dask_array, from_delayed, from_map, map_partitions
from ._reshaping import get_dummies, melt, pivot_table
from ._scalar import Scalar
from ._series import Index, Series
from ._text_readers import read_fwf, read_json
from ._to_datetime import to_datetime
from .io import demo
from .utils import assert_eq

__all__ = [
    "Aggregation",
    "DataFrame",
    "Index",
    "Scalar",
    "Series",
    "assert_eq",
    "compute",
    "concat",
    "demo",
    "from_array",
    "from_arrow",
    "from_dask_array",
    "from_delayed",
    "from_dict",
    "from_map",
    "from_pandas",
    "from_table",
    "get_dummies",
    "io",
    "isna",
    "map_overlap",
    "map_partitions",
    "melt",
    "merge",
    "merge_asof",
    "pivot_table",
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
    "repartition",
    "to_bag",
    "to_csv",
    "to_datetime",
    "to_hdf",
    "to_json",
    "to_numeric",
    "to_orc",
    "to_parquet",
    "to_records",
    "to_sql",
    "to_timedelta",
    "utils",
]

__getattr__ = module_getattr(
    "partita.dataframe",
    {
        "from_graph": FUNCTIONS,
        "Timestamp": "use pandas.Timestamp",
    },
)
