"""NumPy's functions of columns, frames and indexes, of values, and of objects of pandas."""

import numpy as np
import pandas as pd
import pytest
from comparison import same
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame({"a": [1, 0, 3, -4], "b": [0.5, np.nan, -2.5, 0.0]}, index=[3, 1, 2, 5])

#: Functions of two values; all but the first run on the workers as functions of NumPy.
PAIRS = ("maximum", "logaddexp", "copysign", "fmod", "logical_and")
#: Functions of one value.
SINGLE = ("rint", "fabs", "reciprocal", "logical_not", "signbit", "isfinite", "spacing", "log1p")


@pytest.fixture(scope="module")
def ddf(client):
    return dd.from_pandas(FRAME, npartitions=2, sort=False)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", SINGLE)
def test_functions_of_one_value(ddf, name):
    """Columns of integers and of numbers with missing values have the results of NumPy."""
    function = getattr(np, name)
    if name != "spacing":
        same(function(ddf.a[ddf.a > 0]).compute(), function(FRAME.a[FRAME.a > 0]))
    same(function(ddf.b).compute(), function(FRAME.b))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", PAIRS)
def test_functions_of_two_values(ddf, name):
    """The second operand is a column of other rows, a column of pandas, or a value."""
    function = getattr(np, name)
    other = pd.Series([2.0, 3.0], index=[1, 7])
    same(function(ddf.b, dd.from_pandas(other, npartitions=1)).compute(), function(FRAME.b, other))
    same(function(ddf.b, other).compute(), function(FRAME.b, other))
    same(function(ddf.b, ddf.a.max()).compute(), function(FRAME.b, FRAME.a.max()))


def test_indexes(ddf):
    """The labels are those of NumPy, and the result is an index."""
    found = np.log1p(ddf.index)
    assert isinstance(found, dd.Index)
    same(found.compute(), np.log1p(FRAME.index))


def test_outputs(ddf):
    """The argument out= takes the result."""
    out = dd.from_pandas(pd.DataFrame({"x": [1], "y": [2]}), npartitions=1)
    assert np.square(ddf, out=out) is out
    same(out.compute(), np.square(FRAME))
    with pytest.raises(ValueError, match="2 columns"):
        np.square(ddf, out=out[["a"]])
    with pytest.raises(TypeError, match="DataFrame"):
        np.square(ddf, out=ddf.a)


def test_unsupported(ddf):
    """Functions of several results are refused."""
    with pytest.raises(NotImplementedError, match="map_partitions"):
        np.modf(ddf.b)
    with pytest.raises(TypeError, match="unary"):
        _ = ~ddf.b
