"""Data frames: the replacement of ``dask.dataframe``."""

from __future__ import annotations

from .._stubs import FUNCTIONS, module_getattr
from ..base import compute
from . import utils
from ._concatenation import concat
from ._conversion import to_datetime, to_numeric, to_timedelta
from ._frame import DataFrame
from ._io import from_arrow, from_dict, from_pandas, from_table, read_csv, read_json, read_parquet, read_sql
from ._merge import merge, merge_asof
from ._module_functions import isna, read_table, repartition, to_bag, to_csv, to_json, to_parquet, to_records
from ._overlap import map_overlap
from ._partition_functions import from_dask_array, from_delayed, from_map, map_partitions
from ._reshaping import get_dummies, melt, pivot_table
from ._scalar import Scalar
from ._series import Index, Series
from .utils import assert_eq

__all__ = [
    "DataFrame",
    "Index",
    "Scalar",
    "Series",
    "assert_eq",
    "compute",
    "concat",
    "from_arrow",
    "from_dask_array",
    "from_delayed",
    "from_dict",
    "from_map",
    "from_pandas",
    "from_table",
    "get_dummies",
    "isna",
    "map_overlap",
    "map_partitions",
    "melt",
    "merge",
    "merge_asof",
    "pivot_table",
    "read_csv",
    "read_json",
    "read_parquet",
    "read_sql",
    "read_table",
    "repartition",
    "to_bag",
    "to_csv",
    "to_datetime",
    "to_json",
    "to_numeric",
    "to_parquet",
    "to_records",
    "to_timedelta",
    "utils",
]

__getattr__ = module_getattr(
    "partita.dataframe",
    {
        "Aggregation": "use groupby(..).agg with names of reductions, or groupby(..).apply with expressions of them",
        "from_array": "use from_pandas(pd.DataFrame(array)), or from_dask_array",
        "from_graph": FUNCTIONS,
        "to_hdf": "use to_parquet",
        "to_orc": "use to_parquet",
        "to_sql": "use to_parquet, or compute().to_sql()",
        "read_fwf": "use from_pandas(pd.read_fwf(..)), or convert the file to CSV or Parquet",
        "read_hdf": "use from_pandas(pd.read_hdf(..)), or convert the file to Parquet",
        "read_orc": "use from_pandas(pd.read_orc(..)), or convert the file to Parquet",
        "read_sql_query": "use read_sql for tables and files of the cluster, from_pandas(pd.read_sql(..)) for a database",
        "read_sql_table": "use from_table for a table of the cluster, from_pandas(pd.read_sql(..)) for a database",
        "Timestamp": "use pandas.Timestamp",
    },
)
