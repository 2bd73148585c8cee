"""Files of Parquet: the replacement of ``dask.dataframe.io.parquet``."""

from __future__ import annotations

from .._module_functions import to_parquet
from .._parquet_parts import create_metadata_file
from .._parquet_reader import read_parquet

__all__ = ["create_metadata_file", "read_parquet", "to_parquet"]
