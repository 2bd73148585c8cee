"""Arithmetic of times and durations with single values: values, and units of the results, beside pandas."""

import datetime
import operator

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_series_equal

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame(
    {
        "time": pd.to_datetime(["2020-01-01 00:00", None, "2021-06-01 12:00"]),
        "zoned": pd.to_datetime(["2020-01-01 00:00", None, "2021-06-01 12:00"]).tz_localize("Europe/Zurich"),
        "span": pd.to_timedelta(["1D", None, "2h"]),
        "number": [1, 2, 3],
        "text": ["a", "b", None],
    }
)
UNITS = ("s", "ms", "us", "ns")
TIMES = (
    pd.Timestamp("2020-03-01"),
    pd.Timestamp(1),
    pd.Timestamp("2020-03-01").as_unit("s"),
    np.datetime64("2020"),
    np.datetime64("2020-01-01T00:00:00.001"),
    datetime.datetime(2020, 1, 1),
)


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(FRAME, npartitions=2)


def outcome(function, frame):
    try:
        found = function(frame)
        return found.compute() if hasattr(found, "compute") else found
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("value", TIMES, ids=repr)
def test_differences_from_a_time(value, unit, frame):
    """The unit of a difference is the finer one of both operands."""
    for function in (
        lambda f: f.time.astype(f"datetime64[{unit}]") - value,
        lambda f: value - f.time.astype(f"datetime64[{unit}]"),
    ):
        assert_series_equal(function(frame).compute(), function(FRAME))


@pytest.mark.parametrize("unit", UNITS)
def test_differences_of_columns(unit, frame):
    def function(f):
        return f.time.astype(f"datetime64[{unit}]") - f.time

    assert_series_equal(function(frame).compute(), function(FRAME))


def test_zones(frame):
    """Times with a zone and times without one have no difference."""
    with pytest.raises(TypeError, match="with a zone"):
        frame.zoned - pd.Timestamp("2020")
    with pytest.raises(TypeError, match="with a zone"):
        frame.time - frame.zoned
    value = pd.Timestamp("2020", tz="UTC")
    assert_series_equal((frame.zoned - value).compute(), FRAME.zoned - value)


@pytest.mark.parametrize("column", FRAME.columns)
@pytest.mark.parametrize("name", ["add", "sub"])
def test_missing_times(name, column, frame):
    """NaT is a missing time or duration, as pandas decides, or an error of the same type."""
    function = getattr(operator, name)
    for one in (lambda f: function(f[column], pd.NaT), lambda f: function(pd.NaT, f[column])):
        expected, found = outcome(one, FRAME), outcome(one, frame)
        if isinstance(expected, pd.Series):
            assert_series_equal(found, expected)
        else:
            assert found is expected


def test_repeated_columns(frame):
    """A frame can have a column twice, which its label does not find then."""
    twice = frame[["time", "time"]]
    assert list(twice.columns) == list(frame.iloc[:, [0, 0]].columns) == ["time", "time"]
    with pytest.raises(NotImplementedError, match="several columns have the label 'time'"):
        twice["time"]
