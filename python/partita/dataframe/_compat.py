"""Helpers of tests: the replacement of what programs import of ``dask.dataframe._compat``."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import _testing as tm

__all__ = [
    "assert_numpy_array_equal",
    "makeDataFrame",
    "makeMissingDataFrame",
    "makeTimeDataFrame",
    "makeTimeSeries",
    "tm",
]

#: Raises an `AssertionError` if two arrays differ. Missing values are equal.
assert_numpy_array_equal = tm.assert_numpy_array_equal
_ROWS = 30


def makeDataFrame() -> pd.DataFrame:
    """Create a frame of random numbers with four columns and an index of strings."""
    labels = [f"row{at:02}" for at in range(_ROWS)]
    return pd.DataFrame(_numbers(), index=labels, columns=list("ABCD"))


def makeMissingDataFrame() -> pd.DataFrame:
    """Create a frame of random numbers, of which some are missing."""
    made = makeDataFrame()
    return made.mask(np.random.default_rng(1).random(made.shape) < 0.1)


def makeTimeDataFrame() -> pd.DataFrame:
    """Create a frame of random numbers with four columns and an index of working days."""
    return pd.DataFrame(_numbers(), index=_days(), columns=list("ABCD"))


def makeTimeSeries() -> pd.Series:
    """Create a column of random numbers with an index of working days."""
    return pd.Series(_numbers()[:, 0], index=_days())


def _numbers() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((_ROWS, 4))


def _days() -> pd.DatetimeIndex:
    return pd.date_range("2000-01-03", periods=_ROWS, freq="B")
