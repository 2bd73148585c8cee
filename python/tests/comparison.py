"""Comparison of results with those of pandas."""

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal


def same(got, expected, ordered=True):
    if isinstance(expected, pd.DataFrame):
        if not ordered:
            got = got.sort_values(list(got.columns)).reset_index(drop=True)
            expected = expected.sort_values(list(expected.columns)).reset_index(drop=True)
        assert_frame_equal(got, expected, check_freq=False, check_column_type=False, rtol=1e-6)
    elif isinstance(expected, pd.Series):
        if not ordered:
            got, expected = got.sort_values(), expected.sort_values()
            got, expected = got.reset_index(drop=True), expected.reset_index(drop=True)
        assert_series_equal(got, expected, check_freq=False, rtol=1e-6)
    elif isinstance(expected, pd.Index):
        assert_index_equal(got, expected)
    elif isinstance(expected, (float, np.floating)):
        assert np.isclose(got, expected, rtol=1e-6, equal_nan=True), (got, expected)
    else:
        assert got == expected, (got, expected)


def computed(value):
    return value.compute() if hasattr(value, "compute") else value
