"""Data frames: where ``dask.dataframe`` is, this is."""

from __future__ import annotations

from .._missing import FUNCTIONS, absent
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

_METHOD = "use the method of the frame"

__getattr__ = absent(
    "partita.dataframe",
    {
        "Aggregation": "groupby(..).agg takes reductions by name, groupby(..).apply expressions of them",
        "from_array": "from_pandas(pd.DataFrame(array))",
        "from_dask_array": "there are no arrays; from_pandas(pd.DataFrame(array))",
        "from_delayed": FUNCTIONS,
        "from_map": FUNCTIONS,
        "from_graph": FUNCTIONS,
        "map_partitions": FUNCTIONS,
        "map_overlap": FUNCTIONS,
        "get_dummies": "assign a column for each value: (ddf.k == value).astype(int)",
        "pivot_table": "groupby of two keys, and unstack after compute()",
        "melt": "concat of columns that are renamed",
        "isna": _METHOD,
        "repartition": _METHOD,
        "to_csv": _METHOD,
        "to_json": _METHOD,
        "to_parquet": _METHOD,
        "to_timedelta": "astype('timedelta64[ns]')",
        "to_bag": "there are no bags; use to_json",
        "to_hdf": "use to_parquet",
        "to_orc": "use to_parquet",
        "to_records": "compute().to_records()",
        "to_sql": "use to_parquet, or compute().to_sql()",
        "read_table": "read_csv(.., sep='\\t')",
        "read_fwf": "write the file as CSV or Parquet, or from_pandas(pd.read_fwf(..))",
        "read_hdf": "from_pandas(pd.read_hdf(..)), or write the data as Parquet",
        "read_orc": "from_pandas(pd.read_orc(..)), or write the data as Parquet",
        "read_sql_query": "read_sql runs SQL over the cluster's tables and files; from_pandas(pd.read_sql(..)) uploads a database's",
        "read_sql_table": "from_table reads a table of the cluster; from_pandas(pd.read_sql(..)) uploads a database's",
        "compute": "use partita.compute",
        "assert_eq": "compare the results of compute() with pandas.testing",
        "Timestamp": "use pandas.Timestamp",
    },
)
