"""Alternatives for unsupported methods of pandas and Dask."""

from __future__ import annotations

__all__ = ["ALTERNATIVES"]

#: The alternative by the name of the method.
ALTERNATIVES = {
    "T": "compute().T",
    "analyze": "explain",
    "append": "concat",
    "applymap": "map",
    "asfreq": "resample",
    "at": "loc",
    "between_time": "a condition on the index: ddf[(ddf.index.hour >= 8) & (ddf.index.hour < 17)]",
    "compare": "a comparison, such as a != b",
    "ewm": "rolling",
    "expanding": "cumsum, cummax, cummin, cumprod",
    "first": "loc on the index, or head",
    "iat": "loc",
    "insert": "assign",
    "interpolate": "ffill, bfill",
    "last": "loc on the index, or tail",
    "lower_once": "explain",
    "pivot": "pivot_table",
    "plot": "compute().plot",
    "shuffle": "to_frame().shuffle",
    "stack": "melt",
    "to_dict": "compute().to_dict",
    "to_excel": "to_csv",
    "to_feather": "to_parquet",
    "to_list": "compute().to_list",
    "to_numpy": "compute().to_numpy",
    "to_pickle": "to_parquet",
    "to_records": "to_frame().to_records",
    "tolist": "compute().tolist",
    "transpose": "compute().T",
    "truncate": "loc on the index",
    "unstack": "pivot_table",
    "update": "fillna, where",
    "xs": "loc on the index",
}
