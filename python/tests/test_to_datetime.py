"""to_datetime of strings and numbers, beside pandas."""

import numpy as np
import pandas as pd
import pytest
from comparison import same

from partita import QueryError
from partita import dataframe as dd

pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.usefixtures("client")

CASES = {
    "days": (["2023-04-01", "0001-01-01", None], {}),
    "minutes": (["2023-04-01 22:12", "3000-01-01T10:00"], {"format": "ISO8601"}),
    "parts of dates": (["2023", "2023-04", "2023-04-01 10"], {"format": "ISO8601"}),
    "offsets": (["2023-04-01 22:12:11+02:00", "2023-04-01 22:12:11Z"], {"utc": True}),
    "fractions": (["2023-04-01 22:12:11.932", "2023-04-01 22:12:11.000001"], {"format": "%Y-%m-%d %H:%M:%S.%f"}),
    "fractions after a comma": (["2023-04-01 22:12:11,932"], {"format": "%Y-%m-%d %H:%M:%S,%f"}),
    "offsets in a format": (["2023-04-01 22:12+0200"], {"format": "%Y-%m-%d %H:%M%z", "utc": True}),
    "short years": (["69-01-02", "68-01-02"], {"format": "%y-%m-%d"}),
    "times without dates": (["22:12"], {"format": "%H:%M"}),
    "days of the year": (["2020-032"], {"format": "%Y-%j"}),
    "names of months": (["1 January 2020", "2 Feb 2021"], {"format": "mixed"}),
    "halves of days": (["12/31/1999 05:10 PM"], {"format": "%m/%d/%Y %I:%M %p"}),
    "invalid strings": (["2023-04-01", "bad"], {"format": "%Y-%m-%d", "errors": "coerce"}),
    "the format of the first string": (["01/02/2023", "13/12/2022", None], {"errors": "coerce"}),
    "other strings of ISO 8601": (["2023-04-01", "2023-04-01 10:00"], {"errors": "coerce"}),
    "a format that is found": (["3/11/2000", "12/31/2001", None], {}),
    "a format that is found, in UTC": (["3/11/2000", "12/31/2001"], {"utc": True}),
    "dates without separators": (["20240105", "20240229"], {}),
    "names of months in one format": (["5 Jan 2020", "12 Feb 2021"], {}),
    "times of the day": (["01/02/2024 10:30:00", "01/03/2024 23:59:59"], {}),
    "days first": (["01/02/2020", "13/04/2021"], {"dayfirst": True}),
    "days first after a year": (["2020-01-02", "2021-03-04"], {"dayfirst": True}),
    "days first in some": (["1.2.2020", "x"], {"dayfirst": True, "errors": "coerce"}),
    "days since another one": ([1, 2], {"unit": "D", "origin": "1960-01-01"}),
    "parts of hours since a time": ([1.5, 2], {"unit": "h", "origin": pd.Timestamp("2000-01-01 10:00")}),
    "nanoseconds": ([1, 2], {}),
    "seconds": ([1, -2], {"unit": "s"}),
    "fractions of seconds": ([1490195805.433502912, np.nan], {"unit": "s"}),
}


@pytest.mark.parametrize("name", CASES)
def test_as_in_pandas(name):
    values, options = CASES[name]
    column = pd.Series(values, name="t")
    same(dd.to_datetime(dd.from_pandas(column, npartitions=2), **options).compute(), pd.to_datetime(column, **options))


def test_other_format_than_the_first():
    """A string in another format than the first one is an error, as in pandas."""
    column = pd.Series(["3/11/2000", "13/11/2000"])
    with pytest.raises(ValueError):
        pd.to_datetime(column)
    with pytest.raises(QueryError, match="13/11/2000"):
        dd.to_datetime(dd.from_pandas(column, npartitions=2)).compute()


def test_type_is_given():
    column = pd.Series(["2023-04-01 22:12:11.9324171+00:00"])
    got = dd.to_datetime(dd.from_pandas(column, npartitions=1), format="ISO8601", meta=("a", "datetime64[ns, UTC]"))
    same(got.compute(), pd.to_datetime(column, format="ISO8601"))


def test_of_an_index():
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=1)
    assert dd.to_datetime(frame.index).compute().equals(pd.to_datetime(frame.index.compute()))


REFUSED = {
    "an offset": ("2023-04-01 22:12:11+02:00", {}, "utc=True"),
    "an offset in a format": ("2023-04-01 22:12+0200", {"format": "%Y-%m-%d %H:%M%z"}, "utc=True"),
    "nanoseconds": ("2023-04-01 22:12:11.9324171", {}, r"datetime64\[ns\]"),
    "nanoseconds in a format": ("10:11.9324171 2023-04-01", {"format": "%H:%M.%f %Y-%m-%d"}, r"datetime64\[ns\]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_dropped(name):
    """Offsets and nanoseconds, which the type of the result lacks, are an error."""
    text, options, remedy = REFUSED[name]
    with pytest.raises(ValueError, match=remedy):
        dd.to_datetime(dd.from_pandas(pd.Series([text]), npartitions=1), **options).compute()
