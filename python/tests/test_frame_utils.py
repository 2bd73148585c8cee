"""``dataframe.utils``: comparisons for tests of programs."""

import numpy as np
import pandas as pd
import pytest

from partita import dataframe as dd
from partita.dataframe import _compat, dispatch
from partita.dataframe.utils import assert_eq

FRAME = pd.DataFrame({"x": [3, 1, 2], "y": ["c", "a", None]}, index=pd.Index([5, 6, 7], name="i"))


def test_lazy_frames_are_computed(client):
    ddf = dd.from_pandas(FRAME, npartitions=2)
    assert assert_eq(ddf, FRAME) and assert_eq(FRAME.x + 1, ddf.x + 1) and assert_eq(ddf.x.sum(), 6)
    assert dd.assert_eq is assert_eq


def test_rows_may_be_in_any_order():
    assert_eq(FRAME, FRAME.iloc[::-1])
    with pytest.raises(AssertionError):
        assert_eq(FRAME, FRAME.iloc[::-1], sort_results=False)


def test_other_labels_differ_unless_they_do_not_count():
    other = FRAME.set_axis([7, 5, 6])
    with pytest.raises(AssertionError):
        assert_eq(FRAME, other)
    assert_eq(FRAME, other, check_index=False)
    assert_eq(FRAME.x, other.x, check_index=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (FRAME, FRAME.assign(x=[3, 1, 9])),
        (FRAME, FRAME.x),
        (FRAME.x, FRAME.x.rename("z")),
        (FRAME.x, FRAME.x.astype("int32")),
        (FRAME.index, FRAME.index + 1),
        (1, 2),
        (2**60, 2**60 + 1),
        (1.0, np.nan),
        ("a", "b"),
        ([1], (1,)),
        (np.array([1, 2]), np.array([1, 2, 3])),
    ],
)
def test_differences_are_errors(one, other):
    with pytest.raises(AssertionError):
        assert_eq(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.nan, np.nan),
        (0.1 + 0.2, 0.3),
        (pd.NaT, pd.NaT),
        (pd.NA, pd.NA),
        ([1, [2.0]], [1, [2.0]]),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan])),
        (FRAME.index, FRAME.index[::-1]),
        (pd.Series([[1], [2]]), pd.Series([[1], [2]])),
    ],
)
def test_equal_values_pass(one, other):
    assert assert_eq(one, other)


def test_types_and_names_need_not_count():
    assert_eq(FRAME.x, FRAME.x.astype("int32"), check_dtype=False)
    assert_eq(FRAME.x, FRAME.x.rename("z"), check_names=False)


def test_names_of_dask_modules():
    """Modules of Dask that programs import have the helpers of pandas."""
    frame = _compat.makeTimeDataFrame()
    _compat.assert_numpy_array_equal(frame.values, _compat.makeTimeDataFrame().values)
    _compat.tm.assert_series_equal(frame.A, _compat.makeTimeSeries(), check_names=False)
    assert _compat.makeMissingDataFrame().isna().sum().sum() > 0
    pd.testing.assert_series_equal(dispatch.hash_object_dispatch(frame), pd.util.hash_pandas_object(frame))
