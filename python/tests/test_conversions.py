"""Conversions with astype."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")


def times(*texts, unit="us"):
    return pd.Series(pd.to_datetime(list(texts), format="ISO8601")).astype(f"datetime64[{unit}]")


def spans(*texts, unit="us"):
    return pd.Series(pd.to_timedelta(list(texts))).astype(f"timedelta64[{unit}]")


STRINGS = {
    "large floats": pd.Series([1e15, 1e16, 1.5e16, 123456789012345680.0, 1e21, 1e100, -1e300, np.inf, -np.inf, None]),
    "small floats": pd.Series([1e-4, 1e-5, 1.25e-5, 0.00012345, -1e-7, 9.9e-6, 5e-324, 1.5e-10, -0.0, 0.0, -0.000012]),
    "floats": pd.Series([0.1, 1 / 3, 100.0, 9007199254740993.0, -2.5, None]),
    "nullable floats": pd.Series([1.5, None, 1e16], dtype="Float64"),
    "nullable booleans": pd.Series([True, None, False], dtype="boolean"),
    "nullable integers": pd.Series([1, None], dtype="Int64"),
    "days": times("2020-01-01", None, "1960-02-03"),
    "times": times("2020-01-01", "2020-01-01 10:00"),
    "milliseconds": times("2020-01-01", "2020-01-01 10:00:00.5", None),
    "mixed fractions": times("2020-01-01 10:00:00.5", "2020-01-01 10:00:00.123456", "1960-01-01 00:00:00.25"),
    "nanoseconds": times("2020-01-01 00:00:00.000000001", "2020-01-02", unit="ns"),
    "seconds": times("2020-01-01 10:00", "1500-01-02", unit="s"),
    "zone": times("2020-01-01", "2020-07-01 01:00:00.5").dt.tz_localize("Europe/Berlin"),
    "days of a zone": times("2020-01-01", "2020-07-01").dt.tz_localize("UTC"),
    "durations": spans("1D 2h", "-1h", None),
    "durations of days": spans("1D", "-2D"),
    "fractions of durations": spans("1D 2h 3.5s", "-1h", "400D 00:00:00.000001"),
    "milliseconds of durations": spans("1D 2h 3.5s", "-1h", unit="ms"),
    "nanoseconds of durations": spans("00:00:00.000000001", "-1s", unit="ns"),
}


@pytest.mark.parametrize("name", STRINGS)
def test_strings(name):
    """Strings of numbers, times and durations are those of pandas."""
    column = STRINGS[name]
    same(dd.from_pandas(column, npartitions=2).astype("str").compute(), column.astype("str"))


INTEGERS = {
    "floats": lambda s: s(pd.Series([1.0, -2.7, 3.2])).astype("int64"),
    "filled": lambda s: s(pd.Series([1.0, None])).fillna(0).astype(int),
    "strings": lambda s: s(pd.Series(["1", "-2"])).astype("int32"),
    "nullable": lambda s: s(pd.Series([1.0, None])).astype("Int64"),
    "of nullable": lambda s: s(pd.Series([1, 2], dtype="Int64")).astype("int64"),
    "without missing": lambda s: s(pd.Series([1.0, None, 3.0])).dropna().astype("int64"),
    "times": lambda s: s(times("2020-01-01", None)).astype("int64"),
    "durations": lambda s: s(spans("1D", None, "-1h")).astype("int64"),
    "sum": lambda s: (s(pd.Series([1.0, 2.0, 5.0])).astype("int64") + 1).sum(),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers(name):
    """Integers of other types."""
    same(computed(INTEGERS[name](lambda s: dd.from_pandas(s, npartitions=2))), INTEGERS[name](lambda s: s))


@pytest.mark.parametrize(
    "column",
    [pd.Series([1.0, None]), pd.Series([1, None], dtype="Int64"), pd.Series(["1", None]), pd.Series([1.0, np.inf])],
)
def test_missing_values_are_not_integers(column):
    """Missing and infinite values raise an error in NumPy's types."""
    with pytest.raises(ValueError):
        column.astype("int64")
    with pytest.raises(ValueError):
        dd.from_pandas(column, npartitions=2).astype("int64").compute()
    with pytest.raises((TypeError, ValueError)):
        dd.from_pandas(pd.Series([1.5, None]), npartitions=1).astype("Int64").compute()


OBJECTS = pd.DataFrame(
    {
        "strings": ["a", None],
        "categories of strings": pd.Categorical(["x", "y"]),
        "dates": [datetime.date(2020, 1, 1), None],
        "decimals": [decimal.Decimal("1.5"), None],
        "lists": [[1], [2, 3]],
        "bytes": [b"a", None],
        "integers": [1, 2],
        "nullable integers": pd.array([1, None], dtype="Int64"),
        "floats": [0.5, None],
        "booleans": [True, False],
        "times": pd.to_datetime(["2020", None]),
        "categories of integers": pd.Categorical([1, 2]),
    }
)


@pytest.mark.parametrize("column", OBJECTS.columns)
def test_objects(client, column):
    """Columns whose values are Python objects stay as they are; numbers and times do not become strings silently."""
    found = dd.from_pandas(OBJECTS[column], npartitions=1)
    if list(OBJECTS).index(column) < 6:
        expected = OBJECTS[column].astype(object)
        made = found.astype(object).compute().astype(object)
        pd.testing.assert_series_equal(made.where(made.notna(), None), expected.where(expected.notna(), None))
    else:
        with pytest.raises(NotImplementedError, match=r"astype\(object\) of .* is not supported"):
            found.astype(object)


def test_a_missing_time_is_a_column(client):
    made = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=1).assign(t=pd.NaT)
    pd.testing.assert_frame_equal(made.compute(), pd.DataFrame({"a": [1, 2]}).assign(t=pd.NaT))


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
@pytest.mark.parametrize("kind", ["datetime64", "timedelta64"])
def test_units_before_1970(kind, unit):
    """Times and durations of a coarser unit are rounded down, also the negative ones."""
    column = pd.Series([-1500001, -1000000, -1, 0, 1, 1500001, None], dtype="Int64").astype("float64")
    column = column.astype(f"{kind}[us]")
    lazy = dd.from_pandas(column, npartitions=2)
    pd.testing.assert_series_equal(lazy.astype(f"{kind}[{unit}]").compute(), column.astype(f"{kind}[{unit}]"))
