"""NumPy's functions of columns, frames and indexes, of values, and of objects of pandas."""

import numpy as np
import pandas as pd
import pytest
from comparison import same

from partita import array as da
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


@pytest.mark.parametrize("name", ["min", "max", "sum", "mean"])
def test_reductions_over_both_axes(ddf, name):
    """With axis=None, which NumPy's functions pass, all values are reduced."""
    same(getattr(np, name)(ddf).compute(), getattr(np, name)(FRAME))
    with pytest.raises(NotImplementedError, match="axis=None"):
        ddf.std(axis=None)


#: Functions and their operands: a lazy value beside objects of pandas, a frame whose columns have several types.
MIXED = {
    "a lazy value": lambda d, most: np.arctan2(FRAME.b, most),
    "a lazy value first": lambda d, most: np.maximum(most, FRAME),
    "a lazy value with a frame": lambda d, most: np.fmod(d, most),
    "a number": lambda d, most: np.maximum(d, 2),
    "an array": lambda d, most: np.fmax(d, np.array([1, 2])),
    "a frame of pandas": lambda d, most: np.minimum(d, FRAME),
    "a logical function": lambda d, most: np.logical_xor(FRAME.b, most),
    "operators": lambda d, most: most - FRAME.b,
}


@pytest.mark.parametrize("name", MIXED)
def test_operands_of_several_types(ddf, name):
    """The columns of a result have one type where NumPy converts all values to one."""
    found = MIXED[name](ddf, ddf.a.max())
    same(found.compute() if hasattr(found, "compute") else found, MIXED[name](FRAME, FRAME.a.max()))


def test_lazy_values(ddf):
    """Operators with numbers of NumPy are lazy, other functions compute."""
    most = ddf.a.max()
    assert isinstance(np.float64(2) * most, dd.Scalar)
    assert (np.float64(2) - most).compute() == -1.0
    assert np.hypot(most, 4) == 5.0
    assert np.array([most, 1]).tolist() == [3, 1]


def test_functions_of_arrays(ddf):
    """Functions of partita.array give arrays of frames, lazily; clip gives a frame."""
    for name in ("isreal", "real", "imag", "angle", "sinc", "nan_to_num"):
        made = getattr(da, name)(ddf)
        assert isinstance(made, da.Array)
        np.testing.assert_array_equal(made.compute(), getattr(np, name)(FRAME.to_numpy()))
    same(da.clip(ddf, 0, 1).compute(), FRAME.clip(0, 1))
    same(np.absolute(dd.from_pandas(FRAME.reset_index(drop=True), npartitions=2).index).compute(), pd.RangeIndex(4))


def test_mapped_labels_are_not_nullable():
    """The type of mapped labels is one of NumPy, as in pandas."""
    labels = pd.Series([1, 2], index=pd.Index([1, 2]))
    index = dd.from_pandas(labels, npartitions=2).index
    for dtype in ("Int16", "boolean", "Float32", "int16[pyarrow]", "bool[pyarrow]", "float32[pyarrow]"):
        mapper = pd.Series([1, 0], index=[2, 1], dtype=dtype)
        same(index.map(mapper).compute(), labels.index.map(mapper))


@pytest.mark.parametrize("name", ["repeat", "argsort", "transpose"])
def test_functions_of_arrays_are_refused(ddf, name):
    """Functions whose result is an object with an index in pandas do not return a bare array."""
    arguments = (2,) if name == "repeat" else ()
    for plan in (ddf, ddf.a):
        with pytest.raises(NotImplementedError, match=f"`{name}` is not implemented"):
            getattr(np, name)(plan, *arguments)
    assert np.argmax(ddf.a) == np.argmax(FRAME.a)
