"""Missing values that are filled along the columns of each row, numbers of rows that are not integers, and listed names."""

import numpy as np
import pandas as pd
import pytest
from comparison import same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAMES = {
    "numbers": pd.DataFrame({"i": [1, 2, 3], "f": [1.5, np.nan, np.nan], "g": [np.nan, 2.0, np.nan], "h": [0.5] * 3}),
    "small numbers": pd.DataFrame({"i": np.array([1, 2], dtype="i4"), "f": np.array([np.nan, 2.0], dtype="f4")}),
    "integers": pd.DataFrame({"a": [1, 2], "b": [3, 4]}),
    "nullable": pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([None, 2], dtype="Int64")}),
    "strings": pd.DataFrame({"a": ["x", None], "b": [None, "z"]}),
    "times": pd.DataFrame({"a": pd.to_datetime(["2020-01-01", None]), "b": pd.to_datetime([None, "2020-01-02"])}),
    "categories": pd.DataFrame({"a": pd.Categorical(["x", None]), "b": pd.Categorical([None, "x"])}),
}
VALUES = {"strings": "q", "times": pd.Timestamp("2021-01-01"), "categories": "x"}
#: In pandas, the types of the result depend on the values.
MIXED = {
    "strings and numbers": pd.DataFrame({"a": ["x", None], "b": [1.0, 2.0]}),
    "booleans and numbers": pd.DataFrame({"a": [True, False], "b": [1.5, np.nan]}),
    "nullable and plain": pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [1.5, np.nan]}),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("axis", [1, "columns"])
@pytest.mark.parametrize("limit", [None, 1, 2])
def test_fills_of_rows(name, axis, limit):
    frame = FRAMES[name]
    lazy = dd.from_pandas(frame, npartitions=2)
    for method in ("ffill", "bfill"):
        expected = getattr(frame, method)(axis=axis, limit=limit)
        found = getattr(lazy, method)(axis=axis, limit=limit)
        assert list(found.dtypes) == list(expected.dtypes)
        same(found.compute(), expected)


@pytest.mark.parametrize("name", FRAMES)
def test_fillna_of_rows(name):
    frame = FRAMES[name]
    expected = frame.fillna(VALUES.get(name, 7), axis=1)
    found = dd.from_pandas(frame, npartitions=2).fillna(VALUES.get(name, 7), axis=1)
    assert list(found.dtypes) == list(expected.dtypes)
    same(found.compute(), expected)


@pytest.mark.parametrize("name", MIXED)
def test_fills_of_rows_of_several_types_are_refused(name):
    lazy = dd.from_pandas(MIXED[name], npartitions=2)
    for fill in (lambda: lazy.ffill(axis=1), lambda: lazy.bfill(axis=1), lambda: lazy.fillna(0, axis=1)):
        with pytest.raises(TypeError, match=r"columns of several types.*astype"):
            fill()


def test_values_that_the_rows_cannot_have_are_refused():
    lazy = dd.from_pandas(FRAMES["numbers"], npartitions=2)
    with pytest.raises(TypeError, match="cannot replace missing values of float64 with 'q'"):
        lazy.fillna("q", axis=1)
    for value in ({"f": 1}, lazy, lazy.f, FRAMES["numbers"].f):
        with pytest.raises(NotImplementedError, match="takes a single value"):
            lazy.fillna(value, axis=1)


@pytest.mark.parametrize("periods", [1.5, 2.0, "1", None])
def test_numbers_of_rows_are_integers(periods):
    """In pandas only `diff` takes floats, if they have no fraction."""
    frame = FRAMES["numbers"]
    lazy = dd.from_pandas(frame, npartitions=2)
    calls = [
        lambda: lazy.shift(periods),
        lambda: lazy.shift(periods, axis=1),
        lambda: lazy.shift(periods, fill_value=0),
        lambda: lazy.f.shift(periods),
        lambda: lazy.f.pct_change(periods),
        lambda: lazy.pct_change(periods),
        lambda: lazy.groupby("i").f.shift(periods),
        lambda: lazy.groupby("i").f.diff(periods),
    ]
    if periods != 2.0:
        calls += [lambda: lazy.diff(periods), lambda: lazy.f.diff(periods)]
    for call in calls:
        with pytest.raises(TypeError, match="periods must be an integer"):
            call()


def test_integers_of_numpy_are_numbers_of_rows():
    frame = FRAMES["numbers"]
    lazy = dd.from_pandas(frame, npartitions=2)
    same(lazy.f.shift(np.int64(1)).compute(), frame.f.shift(np.int64(1)))
    same(lazy.diff(2.0).compute(), frame.diff(2.0))
    same(lazy.f.diff(1.0).compute(), frame.f.diff(1.0))


def test_names_of_accessors_and_indexes_are_listed():
    times = pd.date_range("2020", periods=3)
    lazy = dd.from_pandas(pd.DataFrame({"t": times, "d": times - times[0], "s": ["a"] * 3}, index=times), npartitions=2)
    assert {"day", "hour", "floor", "is_month_end"} <= set(dir(lazy.t.dt)) & set(dir(lazy.index))
    assert "days" in dir(lazy.d.dt)
    assert {"upper", "isdigit"} <= set(dir(lazy.s.str))
    assert "day" not in dir(lazy.reset_index(drop=True).index)
    for name in set(dir(lazy.t.dt)) - set(dir(object)):
        assert name.startswith("_") or name in dir(pd.Series(times).dt), name
