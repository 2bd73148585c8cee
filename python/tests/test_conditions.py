"""Conditions as values, keys and filters."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

ROWS = pd.DataFrame(
    {
        "a": [1, 2, 2, 7, 5, 6],
        "f": [1.0, None, 3.0, 8.0, 2.0, None],
        "g": ["u", "v", "u", "v", "w", "u"],
        "s": ["x", None, "y", "x", "z", None],
    }
)
TESTS = {
    "ge": lambda d: d.f >= d.a,
    "gt": lambda d: d.a > 3,
    "eq": lambda d: d.s == "x",
    "ne": lambda d: d.f != d.a,
    "not": lambda d: ~(d.f > 1),
    "isin": lambda d: d.s.isin(["x", "z"]),
    "isin missing": lambda d: d.s.isin(["x", None]),
    "contains": lambda d: d.g.str.contains("u"),
    "isna": lambda d: d.f.isna(),
    "and": lambda d: (d.f > 1) & (d.a < 6),
    "or": lambda d: (d.f > 2) | (d.g == "u"),
    "query": lambda d: (d.f > 2) == (d.a > 2),
}
USES = {
    "value_counts": lambda d, c: c.value_counts().sort_index(),
    "any": lambda d, c: c.any(),
    "mean": lambda d, c: c.mean(),
    "key": lambda d, c: d.assign(c=c).groupby("c").a.sum(),
    "filtered key": lambda d, c: (lambda e: e[e.a > 1].groupby("c").f.sum())(d.assign(c=c)),
    "two keys": lambda d, c: (lambda e: e[e.a > 1].groupby(["g", "c"]).f.sum())(d.assign(c=c)),
    "aggregated": lambda d, c: d.assign(c=c).groupby("g").agg({"c": ["sum", "mean", "any"], "a": "sum"}),
    "where": lambda d, c: d.assign(f=d.f.where(c, d.a), c=c)[["f", "c"]].nunique(),
    "distinct": lambda d, c: d.assign(c=c)[["c"]].drop_duplicates().sort_values("c").reset_index(drop=True),
    "merged": lambda d, c: d.assign(c=c).merge(d, on="g").groupby("c").a_x.sum(),
    "filter": lambda d, c: d[c],
    "filter twice": lambda d, c: d[c][d.a > 1] if isinstance(d, pd.DataFrame) else d[c & (d.a > 1)],
}


@pytest.mark.filterwarnings("ignore:Boolean Series key will be reindexed")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("test", TESTS)
def test_conditions_as_columns(test, use):
    """Conditions can be counted, used as keys and aggregated, also of filtered and merged rows."""
    ddf = dd.from_pandas(ROWS, npartitions=2)
    for d, e in ((ROWS, ddf), (ROWS[ROWS.a > 0], ddf[ddf.a > 0])):
        same(computed(USES[use](e, TESTS[test](e))), USES[use](d, TESTS[test](d)))


def test_filters_have_plain_conditions():
    """Filters compare columns directly, so that the statistics of files apply."""
    ddf = dd.from_pandas(ROWS, npartitions=2)
    assert "fill_null" not in str(ddf[(ddf.a > 1) & (ddf.f < 8)][lambda d: d.s == "x"]._full_relation())
    assert "fill_null" in str(ddf[~(ddf.f > 1)]._full_relation())


BOOLEANS = pd.DataFrame({"b": [True, False, True, False], "i": [1, 0, 2, 1], "f": [1.0, None, 0.5, 0.0]})
COMPARED = {
    "true": lambda d: d.b == True,  # noqa: E712
    "false": lambda d: d.b == False,  # noqa: E712
    "not true": lambda d: d.b != True,  # noqa: E712
    "numpy true": lambda d: d.b == np.bool_(True),
    "one": lambda d: d.b == 1,
    "two": lambda d: d.b == 2,
    "a half": lambda d: d.b < 0.5,
    "method": lambda d: d.b.eq(True),
    "integers": lambda d: d.b == d.i,
    "integers before": lambda d: d.i > d.b,
    "small integers": lambda d: d.b == d.i.astype("int8"),
    "floats": lambda d: d.b >= d.f,
    "condition": lambda d: (d.i > 0) == True,  # noqa: E712
    "condition with numbers": lambda d: (d.i > 0) == d.i,
    "number": lambda d: d.i == True,  # noqa: E712
    "nullable": lambda d: d.b.astype("boolean") == True,  # noqa: E712
    "frame": lambda d: d[["b", "i"]] == True,  # noqa: E712
    "query": lambda d: d.query("b == True"),
    "filter": lambda d: d[d.b == True],  # noqa: E712
    "largest": lambda d: d.b == d.b.max(),
    "string": lambda d: d.b == "x",
}


@pytest.mark.parametrize("name", COMPARED)
def test_booleans_are_compared_with_booleans_and_numbers(name):
    same(computed(COMPARED[name](dd.from_pandas(BOOLEANS, npartitions=2))), COMPARED[name](BOOLEANS))
