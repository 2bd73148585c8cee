"""Keys of groups: columns of other rows, pandas series and arrays; and what a function of a group gets."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame({"a": [1, 2, 1, 3], "b": [5.0, 6.0, 7.0, 8.0], "c": [1, 1, 2, 2]})
SERIES = pd.Series(["y", "x", "y", "x"], index=[3, 0, 1, 2], name="k")

KEYS = {
    "a column of more rows": lambda d: d[d.b < 8].groupby(d.a).mean(),
    "a column of fewer rows": lambda d: d.groupby(d[d.b < 8].c, dropna=False).b.sum(),
    "of a column": lambda d: d[d.b < 8].b.groupby(d.a).sum(),
    "a series": lambda d: d.groupby(SERIES).b.sum(),
    "a series and a label": lambda d: d.groupby([SERIES, "a"]).b.agg(["sum", "max"]),
    "a label, a series and a condition": lambda d: d.groupby(["a", SERIES, d.b > 6]).b.sum(),
    "an array": lambda d: d.groupby(np.array([1, 2, 1, 2])).b.sum(),
    "a function for each row": lambda d: d[d.b < 8].groupby(d.a).b.transform("sum"),
    "cumulative": lambda d: d.groupby(SERIES)[["b", "c"]].cumsum(),
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_of_other_rows(name):
    """Keys are matched with the rows by their labels."""
    same(KEYS[name](dd.from_pandas(FRAME, npartitions=2)).compute(), KEYS[name](FRAME))


EXPRESSIONS = {
    "a reduction of all columns": lambda d: d.groupby("a").apply(lambda g: g.sum()),
    "of selected columns": lambda d: d.groupby("a")[["c", "b"]].apply(lambda g: g.max()),
    "with a key that is not a column": lambda d: d.groupby(d.a + 1).apply(lambda g: g.sum()),
    "a series": lambda d: d.groupby("a").apply(lambda g: pd.Series({"sum": g.b.sum(), "count": g.b.count()})),
    "of a column": lambda d: d.groupby("a").b.apply(lambda v: v.sum()),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_of_groups(name):
    """A group is without its keys, and the reductions of all columns have one type."""
    same(computed(EXPRESSIONS[name](dd.from_pandas(FRAME, npartitions=2))), EXPRESSIONS[name](FRAME))


def test_groups_name_their_keys():
    """`by` has the labels of the keys, unless a column has this name."""
    ddf = dd.from_pandas(FRAME, npartitions=2)
    assert ddf.groupby("a").by == ddf.groupby(ddf.a).by == ["a"]
    assert ddf.groupby([ddf.a, "c"]).by == ["a", "c"]
    named = ddf.rename(columns={"b": "by"}).groupby("a").by
    same(named.sum().compute(), FRAME.rename(columns={"b": "by"}).groupby("a").by.sum())


@pytest.mark.parametrize("method", ["compute", "persist"])
def test_groups_are_not_computed(method):
    groups = dd.from_pandas(FRAME, npartitions=2).groupby("a")
    with pytest.raises(NotImplementedError, match=f"does not allow {method} method.*get_group"):
        getattr(groups, method)()
