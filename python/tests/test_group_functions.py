"""Groups of rows beside pandas: functions of the values, selections of rows, categories without rows."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from comparison import same
from pandas.testing import assert_frame_equal, assert_series_equal

from partita import dataframe as dd

pytest.importorskip("cloudpickle")
pytestmark = [
    pytest.mark.usefixtures("client"),
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
]

FRAME = pd.DataFrame(
    {
        "a": [2, 1, 2, 3, 1, 2, 9, 2],
        "b": [0.64, 0.27, 0.04, np.nan, 0.81, 0.91, 0.61, 0.73],
        "s": list("xyzxyzxy"),
        "k": pd.Categorical(list("uvuvuuvv"), categories=list("zvut")),
    },
    index=pd.Index(range(10, 18), name="i"),
)


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(FRAME, npartitions=3)


def by_a(function, **options):
    return lambda frame: function(frame.groupby("a", **options))


def compare(function, frame):
    expected, got = function(FRAME), function(frame).compute()
    options = {"check_dtype": False, "check_index_type": False, "check_freq": False}
    if isinstance(expected, pd.DataFrame):
        assert_frame_equal(got, expected, check_column_type=False, **options)
    else:
        assert_series_equal(got, expected, **options)


SELECTIONS = {
    "head": by_a(lambda g: g.head(1)),
    "tail": by_a(lambda g: g.tail(2)),
    "head of a column": by_a(lambda g: g.b.head(1)),
    "all but the last": by_a(lambda g: g[["b"]].head(-1)),
    "all but the first": by_a(lambda g: g.tail(-1)),
    "one group": by_a(lambda g: g.get_group(2)),
    "one group of a column": by_a(lambda g: g.b.get_group(2)),
    "a group of two keys": lambda d: d.groupby(["a", "s"]).get_group((2, "z")),
    "groups with several rows": by_a(lambda g: g.filter(lambda rows: len(rows) > 1)),
    "groups of a column": by_a(lambda g: g.b.filter(lambda v: v.sum() > 1)),
}
ROWS = {
    "a function": by_a(lambda g: g[["b"]].transform(lambda v: v - v.mean())),
    "one value for a group": by_a(lambda g: g.b.transform(lambda v: v.sum())),
    "a name": by_a(lambda g: g.b.transform("rank")),
    "joined strings": by_a(lambda g: g[["b", "s"]].transform("sum")),
    "missing keys": lambda d: d.groupby("b").a.transform(lambda v: v.max()),
    "shift with a value": by_a(lambda g: g[["b"]].shift(1, fill_value=0)),
    "bfill": by_a(lambda g: g[["b", "s"]].bfill()),
    "bfill of one row": by_a(lambda g: g.b.bfill(limit=1)),
    "ffill of two rows": by_a(lambda g: g.b.ffill(limit=2)),
    "rank": by_a(lambda g: g.b.rank()),
    "pct_change": by_a(lambda g: g.b.pct_change()),
    "cumsum of numbers": by_a(lambda g: g.cumsum(numeric_only=True)),
    "rows to the last": by_a(lambda g: g.cumcount(ascending=False)),
}
REDUCTIONS = {
    "a function": by_a(lambda g: g.b.agg(lambda v: v.max() - v.min())),
    "functions by column": by_a(lambda g: g.agg({"b": lambda v: v.max() - v.min(), "s": "count"})),
    "a function of NumPy": by_a(lambda g: g[["b"]].agg(np.std)),
    "a partial function": by_a(lambda g: g[["b"]].agg(partial(np.std, ddof=-2))),
    "a function that has the name of a reduction": by_a(lambda g: g.b.agg(median)),
    "named": by_a(lambda g: g.agg(p=("b", "sum"), q=("b", lambda v: v.iloc[0]))),
    "named by NamedAgg": by_a(lambda g: g.agg(p=pd.NamedAgg("b", "min"), q=pd.NamedAgg("s", "size"))),
    "named of a column": by_a(lambda g: g.b.agg(p="sum", q=partial(np.var, ddof=1))),
    "a list": by_a(lambda g: g.b.agg(["min", np.ptp])),
    "a list of names": by_a(lambda g: g[["b"]].agg(["min", "size"])),
    "size": by_a(lambda g: g.agg("size")),
    "a name with arguments": by_a(lambda g: g.b.agg("std", ddof=0)),
    "skew": by_a(lambda g: g.b.agg("skew")),
    "lists": by_a(lambda g: g.b.agg(list)),
    "sum of strings": by_a(lambda g: g[["b", "s"]].sum()),
    "several quantiles": by_a(lambda g: g.b.quantile([0.2, 0.5])),
    "missing values count": by_a(lambda g: g[["b"]].sum(skipna=False)),
    "nunique with missing values": by_a(lambda g: g.s.nunique(dropna=False)),
    "ddof by position": by_a(lambda g: g.b.std(2)),
    "relative counts": by_a(lambda g: g.s.value_counts(normalize=True)),
    "unsorted nlargest": by_a(lambda g: g.b.nlargest(1), sort=False),
    "covariances": by_a(lambda g: g[["b", "a"]].cov()),
    "correlations": lambda d: d.assign(c=d.b * 2 + d.a).groupby(["a", "s"])[["b", "c"]].corr(),
    "a function of the index": lambda d: d.groupby(lambda label: label // 3).b.sum(),
}
APPLIED = {
    "rows": by_a(lambda g: g.apply(lambda rows: rows.head(1))),
    "values": by_a(lambda g: g.b.apply(lambda v: v + 1)),
    "unsorted groups": by_a(lambda g: g.apply(lambda rows: rows.b.iloc[0]), sort=False),
    "all rows without keys": by_a(lambda g: g.apply(lambda rows: rows.assign(n=len(rows))), group_keys=False),
    "some rows without keys": by_a(lambda g: g.apply(lambda rows: rows[rows.b > 0.3]), group_keys=False),
    "unsorted groups without keys": by_a(lambda g: g.b.apply(lambda v: v.head(1)), group_keys=False, sort=False),
    "rolling": by_a(lambda g: g[["b"]].rolling(2, min_periods=1).sum()),
    "rolling of a column": by_a(lambda g: g.b.rolling(2).median()),
}
UNOBSERVED = {
    "sums": lambda d: d.groupby("k", observed=False)[["a", "b"]].sum(),
    "means": lambda d: d.groupby("k", observed=False).b.mean(),
    "two keys": lambda d: d.groupby(["k", "a"], observed=False).b.count(),
    "sizes": lambda d: d.groupby(["k", "a"], observed=False).size(),
    "several reductions": lambda d: d.groupby("k", observed=False).agg(
        {"b": ["sum", "min", "nunique"], "a": ["first", "prod"]}
    ),
    "unsorted": lambda d: d.groupby("k", observed=False, sort=False).b.sum(),
    "missing categories": lambda d: d.assign(k=d.k.where(d.a < 9)).groupby("k", observed=False, dropna=False).b.sum(),
}


def median(values):
    return -1.0


@pytest.mark.parametrize("name", SELECTIONS)
def test_selections_of_rows(frame, name):
    compare(SELECTIONS[name], frame)


@pytest.mark.parametrize("name", ROWS)
def test_a_value_for_each_row(frame, name):
    compare(ROWS[name], frame)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(frame, name):
    compare(REDUCTIONS[name], frame)


@pytest.mark.parametrize("name", APPLIED)
def test_functions_of_groups(frame, name):
    compare(APPLIED[name], frame)


@pytest.mark.parametrize("name", UNOBSERVED)
def test_categories_without_rows(frame, name):
    compare(UNOBSERVED[name], frame)


def test_functions_of_rows_without_an_index(frame):
    # The rows are numbered over all partitions.
    got = frame.reset_index(drop=True).groupby("a").apply(lambda rows: rows.tail(1))
    same(got.b.compute(), FRAME.reset_index(drop=True).groupby("a").apply(lambda rows: rows.tail(1)).b)


def test_aggregations(frame):
    extent = dd.Aggregation("extent", lambda g: (g.min(), g.max()), lambda a, b: (a.min(), b.max()), lambda a, b: b - a)
    total = dd.Aggregation("total", lambda g: g.sum(), lambda sums: sums.sum())
    expected = FRAME.groupby("a").b.agg(extent=lambda v: v.max() - v.min(), total="sum", count="count")
    same(frame.groupby("a").b.agg([extent, total, "count"]).compute(), expected)
    same(frame.groupby("a").b.agg(extent).compute(), expected.extent.rename("b"))
    same(frame.groupby("a").agg({"b": total}).compute(), expected[["total"]].set_axis(["b"], axis=1))


def test_meta_of_functions(frame):
    groups = frame.groupby("a")
    with pytest.warns(UserWarning, match="made-up values"):
        groups.apply(lambda rows: rows.head(1))
    got = groups.b.transform(lambda v: v - v.min(), meta=("b", "float64"))
    same(got.compute(), FRAME.groupby("a").b.transform(lambda v: v - v.min()))
    got = frame.groupby("a", group_keys=False)[["s", "b"]].apply(
        lambda rows: rows[rows.b > 0.3], meta=frame[["s", "b"]]
    )
    same(got.compute(), FRAME.groupby("a", group_keys=False)[["s", "b"]].apply(lambda rows: rows[rows.b > 0.3]))


ERRORS = {
    "no keys": (lambda d: d.groupby([]), ValueError, "at least one key"),
    "a frame as key": (lambda d: d.groupby(d), ValueError, "takes columns"),
    "functions of groups without rows": (
        lambda d: d.groupby("k", observed=False).b.agg(lambda v: v.max()),
        NotImplementedError,
        "observed=False",
    ),
    "repeated names": (lambda d: d.groupby("a").b.agg(["sum", "sum"]), ValueError, "must be unique"),
    "an unknown argument": (
        lambda d: d.groupby("a").b.agg(partial(np.std, unknown=1)),
        TypeError,
        "unexpected keyword argument 'unknown'",
    ),
    "covariance of strings": (lambda d: d.groupby("a").cov(), TypeError, "column 's'"),
    "another number of keys": (lambda d: d.groupby("a").get_group((1, 2)), ValueError, "requires 1 keys"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(frame, name):
    function, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        function(frame)


def plus(values, copy=0, broadcast=0):
    return values + copy + broadcast


def test_arguments_that_tune_dask_are_not_those_of_functions(frame):
    groups = frame.groupby("a").b
    applied = groups.apply(lambda values: values.tolist()[0], shuffle_method="tasks", meta=("b", "float64"))
    assert_series_equal(applied.compute(), FRAME.groupby("a").b.apply(lambda values: values.tolist()[0]))
    changed = groups.transform(plus, shuffle_method="tasks", meta=("b", "float64"))
    assert_series_equal(changed.compute(), FRAME.b)


def test_arguments_of_functions_may_have_names_that_tune_dask(frame):
    """A function got no arguments with such names, and its default counted instead."""
    changed = frame.groupby("a").b.transform(plus, copy=1, broadcast=2, meta=("b", "float64"))
    assert_series_equal(changed.compute(), FRAME.b + 3)


def test_columns_of_aggregations_may_have_names_that_tune_dask(frame):
    """Such columns were missing from the result."""
    found = frame.groupby("a").b.agg(copy="max", fuse="min", split_every=2).compute()
    assert_frame_equal(found, FRAME.groupby("a").b.agg(copy="max", fuse="min"))
    meta = pd.Series([], dtype="float64", name="b", index=pd.Index([], dtype="int64", name="a"))
    applied = frame.groupby("a").b.agg(most, copy=2, meta=meta).compute()
    assert_series_equal(applied, FRAME.groupby("a").b.agg(most, copy=2))


def most(values, copy=0):
    return values.max() + copy
