"""Warnings that Dask gives too: inferred types, and values that become Python objects."""

import warnings

import pandas as pd
import pytest

from partita import dataframe as dd

pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame({"x": [1, 2, 3], "s": ["a", "b", "c"]}, index=pd.Index([1, 2, 3], name="i"))


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(FRAME, npartitions=2)


INFERRED = {
    "rows": (lambda f: f.apply(lambda row: row.x * 0.5, axis=1), "meta=(None, 'float64')"),
    "rows to frames": (lambda f: f[["x"]].apply(lambda row: row, axis=1), "meta={'x': 'int64'}"),
    "values": (lambda f: f.x.map(lambda x: x / 2), "meta=('x', 'float64')"),
    "apply to values": (lambda f: f.x.apply(str), "meta=('x', 'str')"),
    "values of a frame": (lambda f: f.map(str), "meta={'x': 'str', 's': 'str'}"),
    "labels": (lambda f: f.index.map(lambda label: label + 0.5), "meta=('i', 'float64')"),
}


@pytest.mark.parametrize("case", INFERRED)
def test_inferred_types(case, frame):
    """A warning at the line of the caller names the type that was inferred, for use as meta=."""
    function, meta = INFERRED[case]
    with pytest.warns(UserWarning, match="got no metadata") as record:
        function(frame)
    assert len(record) == 1 and record[0].filename == __file__
    assert meta in str(record[0].message)


@pytest.mark.parametrize(
    "function",
    [
        lambda f: f.apply(lambda row: row.x, axis=1, meta=(None, "int64")),
        lambda f: f.x.map(lambda x: x + 1, meta=("x", "int64")),
        lambda f: f.x.map({1: 2}),
        lambda f: f.x.map(pd.Series([5], index=[1])),
        lambda f: f.map_partitions(lambda part: part),
        lambda f: f.x.groupby(f.s).transform("sum"),
        lambda f: f.s.str.casefold(),
        lambda f: f.x.values,
    ],
)
def test_known_types(function, frame):
    """There is no warning if the type is given, known, or Dask does not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(frame)


def test_types_of_mapped_integers(frame):
    """Integers of a lazy column become floats where it has no value, which is not known before: a warning tells."""
    mapper = dd.from_pandas(pd.Series([5], index=[1], name="m"), npartitions=1)
    with pytest.warns(UserWarning, match="got no metadata.*meta=\\('m', 'int64'\\)") as record:
        found = frame.x.map(mapper)
    assert len(record) == 1 and record[0].filename == __file__
    assert found.compute().equals(FRAME.x.map({1: 5}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame.x.map(mapper, meta=("x", "int64"))
        frame.x.map(mapper * 0.5)
        frame.x.map(mapper.astype("Int64"))


@pytest.mark.parametrize("column", ["s", "n"])
def test_values_of_extension_types(column, frame):
    """Values without a dtype of NumPy are Python objects, of which a warning tells."""
    whole = frame.assign(n=frame.s.astype("string"))
    with pytest.warns(UserWarning, match="converting pandas extension dtypes to arrays: .* object dtype"):
        found = whole[column].values
    assert found.compute().tolist() == list("abc")


def test_labels_of_a_monotonic_function(frame):
    """map() of an index keeps the divisions if the function is monotonic."""
    made = frame.index.map(lambda label: label * 10, is_monotonic=True)
    assert made.known_divisions and made.divisions == tuple(10 * one for one in frame.divisions)
    assert made.compute().equals(FRAME.index * 10)
    assert not frame.index.map(lambda label: label * 10).known_divisions
    with pytest.raises(ValueError, match="not sorted"):
        frame.index.map(lambda label: -label, is_monotonic=True)
