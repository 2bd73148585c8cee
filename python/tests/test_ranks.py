"""Ranks, duplicates, shifts with a value, calendar offsets, patterns and selections of columns, beside pandas."""

import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

TIMES = ["2020-01-31", "2020-02-29", None, "1969-12-31 23:59:59.999", "2020-03-29 02:30"]
ROWS = pd.DataFrame(
    {
        "i": [3, 1, 2, 3, 1],
        "f": [1.5, float("nan"), -0.0, 0.0, float("inf")],
        "s": ["b", None, "", "B", "ä"],
        "b": [True, False, True, False, True],
        "t": pd.to_datetime(TIMES, format="ISO8601"),
        "c": pd.Categorical(["x", "y", None, "x", "z"], categories=["z", "y", "x", "w"], ordered=True),
        "u": pd.array([1, None, 3, 3, 2], dtype="Int64"),
    }
)


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(ROWS, npartitions=2).persist()


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("method", ["average", "min", "max", "first", "dense"])
def test_ranks(frame, method, ascending):
    for label in ROWS:
        expected = ROWS[label].rank(method=method, ascending=ascending).astype(float)
        same(frame[label].rank(method=method, ascending=ascending).compute(), expected)


CASES = {
    "ranks of a frame": lambda d: d[["i", "f", "s"]].rank(numeric_only=True),
    "fractions": lambda d: d.f.rank(pct=True),
    "dense fractions": lambda d: d.i.rank(method="dense", pct=True),
    "duplicated": lambda d: d.duplicated(),
    "duplicated in a column": lambda d: d.duplicated("i"),
    "duplicated, last": lambda d: d.duplicated(["i", "b"], keep="last"),
    "duplicated, all": lambda d: d.duplicated("i", keep=False),
    "duplicated zeros": lambda d: d.f.duplicated(),
    "rows that are no duplicates": lambda d: d[~d.duplicated("i")],
    "shift": lambda d: d.i.shift(1, fill_value=0),
    "shift back": lambda d: d.i.shift(-2, fill_value=7),
    "shift with a fraction": lambda d: d.i.shift(1, fill_value=0.5),
    "shift of strings": lambda d: d.s.shift(1, fill_value="?"),
    "shift of times": lambda d: d.t.shift(1, fill_value=pd.Timestamp("2000")),
    "shift of categories": lambda d: d.c.shift(1, fill_value="w"),
    "shift of a frame": lambda d: d[["i", "f"]].shift(2, fill_value=0),
    "months": lambda d: d.t + pd.DateOffset(months=1),
    "months before": lambda d: d.t - pd.DateOffset(months=13, days=2, hours=3),
    "three times": lambda d: 3 * pd.DateOffset(months=1, days=1) + d.t,
    "seconds": lambda d: d.t.astype("datetime64[s]") + pd.DateOffset(months=1, minutes=1),
    "days": lambda d: d.t + pd.offsets.Day(2) - pd.offsets.Hour(5),
    "coarser times": lambda d: d.t.astype("datetime64[s]"),
    "coarser durations": lambda d: (d.t - pd.Timestamp("2020-02-01")).astype("timedelta64[s]"),
    "pattern": lambda d: d.s.replace("^b", "z", regex=True),
    "patterns": lambda d: d.s.replace({"b": "q", "ä": "a"}, regex=True),
    "pattern beside its column": lambda d: d.assign(p=d.s.replace("b", "z", regex=True))[["s", "p"]],
    "pattern in a frame": lambda d: d.replace(r"(b)", r"<\1>", regex=True),
    "pipe": lambda d: d.groupby("b").pipe(lambda groups: groups.i.max() - groups.i.min()),
    "filter": lambda d: d.filter(items=["f", "i", "none"]),
    "filter by a part": lambda d: d[["i", "f"]].rename(columns={"f": "if"}).filter(like="i"),
    "filter by a pattern": lambda d: d.filter(regex="^[if]$"),
    "reindex": lambda d: d.reindex(columns=["f", "none", "i"]),
    "reindex with a value": lambda d: d.reindex(["none", "i"], axis=1, fill_value=0),
    "several reductions": lambda d: d.agg({"i": ["sum", "max"], "f": ["min"]}),
    "one and several": lambda d: d.agg({"i": "sum", "s": ["min", "max"]}),
}


@pytest.mark.parametrize("case", CASES)
def test_methods(frame, case):
    same(computed(CASES[case](frame)), CASES[case](ROWS))


def test_drop_of_a_tuple():
    labelled = pd.DataFrame([[1, 2], [3, 4]], columns=[("a", "b"), ("c", "d")])
    made = dd.from_pandas(labelled, npartitions=1).drop(columns=("a", "b")).compute()
    assert made.to_dict("list") == {("c", "d"): [2, 4]}


REFUSED = {
    "na_option": (lambda d: d.i.rank(na_option="top"), NotImplementedError, "na_option"),
    "method": (lambda d: d.i.rank(method="most"), ValueError, "method must be one of"),
    "offset": (lambda d: d.t + pd.offsets.MonthEnd(1), NotImplementedError, "MonthEnd"),
    "offset of numbers": (lambda d: d.i + pd.DateOffset(months=1), TypeError, "offset"),
    "groups": (lambda d: list(d.groupby("b")), NotImplementedError, "cannot be iterated"),
    "selection": (lambda d: d.filter(items=["i"], like="i"), TypeError, "one of items"),
    "labels": (lambda d: d.reindex([1, 2]), NotImplementedError, "columns="),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(frame, case):
    function, error, text = REFUSED[case]
    with pytest.raises(error, match=text):
        function(frame)
