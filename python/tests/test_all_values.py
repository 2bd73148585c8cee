"""Reductions of all values of a frame, which pandas computes for ``axis=None`` and functions of NumPy."""

import numpy as np
import pandas as pd
import pytest

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAMES = {
    "mixed": pd.DataFrame({"a": [1, 2, 3], "b": [1.5, np.nan, 2.0]}),
    "integers": pd.DataFrame({"a": [1, 2, 0], "b": [4, 5, 6]}),
    "large": pd.DataFrame({"a": [2**40, 2**40, 3], "b": [0.5, 1.0, 2.0]}),
    "booleans": pd.DataFrame({"a": [True, False], "b": [True, True]}),
    "true": pd.DataFrame({"a": [True, True], "b": [True, True]}),
    "false": pd.DataFrame({"a": [0.0, 0.0], "b": [0.0, 0.0]}),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("method", ["sum", "prod", "min", "max", "mean", "any", "all"])
def test_reductions_of_all_values(name, method):
    frame = FRAMES[name]
    lazy = dd.from_pandas(frame, npartitions=2)
    expected, found = getattr(frame, method)(axis=None), getattr(lazy, method)(axis=None).compute()
    assert np.ndim(found) == 0
    assert found == pytest.approx(expected)
    assert isinstance(found, np.bool_ | bool) == isinstance(expected, np.bool_ | bool)


@pytest.mark.parametrize("function", [np.sum, np.prod, np.min, np.max, np.any, np.all])
def test_reductions_of_numpy(function):
    frame = FRAMES["mixed"]
    assert function(dd.from_pandas(frame, npartitions=2)).compute() == function(frame)


@pytest.mark.parametrize("method", ["std", "var", "sem", "median", "skew", "kurt"])
def test_other_reductions_of_all_values_are_refused(method):
    lazy = dd.from_pandas(FRAMES["mixed"], npartitions=2)
    with pytest.raises(NotImplementedError, match="a reduction of all values, is not supported"):
        getattr(lazy, method)(axis=None)


@pytest.mark.parametrize("method", ["count", "nunique", "mode", "quantile", "idxmin", "idxmax"])
def test_methods_without_such_an_axis(method):
    frame = FRAMES["integers"]
    for one in (frame, dd.from_pandas(frame, npartitions=2)):
        with pytest.raises(ValueError, match=r"(?i)axis"):
            getattr(one, method)(axis=None)
