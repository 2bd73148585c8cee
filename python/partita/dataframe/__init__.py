"""Data frames: the replacement of ``dask.dataframe``."""

from __future__ import annotations

from .._stubs import FUNCTIONS, module_getattr
from . import utils
from ._conversion import to_datetime, to_numeric
from ._frame import DataFrame
from ._io import from_arrow, from_dict, from_pandas, from_table, read_csv, read_json, read_parquet, read_sql
from ._merge import concat, merge, merge_asof
from ._overlap import map_overlap
from ._partition_functions import from_dask_array, from_delayed, from_map, map_partitions
from ._scalar import Scalar
from ._series import Index, Series
from .utils import assert_eq

__all__ = [
    "DataFrame",
    "Index",
    "Scalar",
    "Series",
    "assert_eq",
    "concat",
    "from_arrow",
    "from_dask_array",
    "from_delayed",
    "from_dict",
    "from_map",
    "from_pandas",
    "from_table",
    "map_overlap",
    "map_partitions",
    "merge",
    "merge_asof",
    "read_csv",
    "read_json",
    "read_parquet",
    "read_sql",
    "to_datetime",
    "to_numeric",
    "utils",
]

_METHOD = "use the method of DataFrame"

__getattr__ = module_getattr(
    "partita.dataframe",
    {
        "Aggregation": "use groupby(..).agg with names of reductions, or groupby(..).apply with expressions of them",
        "from_array": "use from_pandas(pd.DataFrame(array)), or from_dask_array",
        "from_graph": FUNCTIONS,
        "get_dummies": "use assign with a column for each value, such as (ddf.k == value).astype(int)",
        "pivot_table": "use groupby with two keys, and unstack after compute()",
        "melt": "use concat with renamed columns",
        "isna": _METHOD,
        "repartition": _METHOD,
        "to_csv": _METHOD,
        "to_json": _METHOD,
        "to_parquet": _METHOD,
        "to_timedelta": "use astype('timedelta64[ns]')",
        "to_bag": _METHOD,
        "to_hdf": "use to_parquet",
        "to_orc": "use to_parquet",
        "to_records": "use compute().to_records()",
        "to_sql": "use to_parquet, or compute().to_sql()",
        "read_table": "use read_csv(.., sep='\\t')",
        "read_fwf": "use from_pandas(pd.read_fwf(..)), or convert the file to CSV or Parquet",
        "read_hdf": "use from_pandas(pd.read_hdf(..)), or convert the file to Parquet",
        "read_orc": "use from_pandas(pd.read_orc(..)), or convert the file to Parquet",
        "read_sql_query": "use read_sql for tables and files of the cluster, from_pandas(pd.read_sql(..)) for a database",
        "read_sql_table": "use from_table for a table of the cluster, from_pandas(pd.read_sql(..)) for a database",
        "compute": "use partita.compute",
        "Timestamp": "use pandas.Timestamp",
    },
)
