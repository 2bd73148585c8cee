"""Lazy values as operands of columns and of values of other frames, beside pandas."""

import gc

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same
from partita import _connection
from partita import dataframe as dd

ROWS = pd.DataFrame(
    {
        "g": [1, 1, 2, 2, 3],
        "x": [1.0, 2.0, 3.0, 4.0, 10.0],
        "i": [5, 4, 3, 2, 1],
        "n": [np.nan, 1.0, 2.0, np.nan, 3.0],
        "small": np.array([5, 4, 3, 2, 1], "uint8"),
        "masked": pd.array([5, 4, None, 2, 1], "Int64"),
        "s": list("abcab"),
        "b": [True, False, True, True, False],
        "t": pd.date_range("2024-01-01", periods=5),
    }
)
OTHER = pd.DataFrame({"k": [1, 2, 7], "y": [1.0, 2.0, 3.0]})


@pytest.fixture(scope="module")
def frames(client):
    return dd.from_pandas(ROWS, npartitions=2), dd.from_pandas(OTHER, npartitions=2)


#: Questions that run no query before they are computed.
LAZY = {
    "a column and its reduction": lambda f, o: f.x - f.x.mean(),
    "a reduction and its column": lambda f, o: f.x.sum() - f.x,
    "integers": lambda f, o: f.i // f.i.min() + f.i * f.g.max(),
    "a value of the first row": lambda f, o: (f.t.max() - f.t).dt.days,
    "strings": lambda f, o: f.s == f.s.max(),
    "booleans": lambda f, o: f.b & f.b.any(),
    "a filter": lambda f, o: f[f.x > f.x.mean()],
    "filters of filters": lambda f, o: f[f.x > f.x.min()][lambda rest: rest.x > rest.x.mean()],
    "a filter by another frame": lambda f, o: f[(f.i < o.y.max()) & (f.x > 1)],
    "a filter by no value": lambda f, o: f[f.x > f[f.x > 100].x.max()],
    "rows unlike no value": lambda f, o: f[f.x != f[f.x > 100].x.max()],
    "missing values": lambda f, o: f.n - f.n.mean(),
    "reductions of differences": lambda f, o: ((f.x - f.x.mean()) ** 2).sum() / (f.x.count() - 1),
    "a number of rows": lambda f, o: (f.x > f.x.mean()).sum(),
    "keys of groups": lambda f, o: f.groupby(f.x > f.x.mean()).i.sum(),
    "values of groups": lambda f, o: (f.x - o.y.mean()).groupby(f.g).median(),
    "a column of one value": lambda f, o: f.assign(m=f.x.mean(), k=o.k.max())[["m", "k"]],
    "the sum of a column of one value": lambda f, o: f.assign(m=f.x.mean()).m.sum(),
    "groups by a column of one value": lambda f, o: f.assign(m=f.x.mean()).groupby("m").i.sum(),
    "windows": lambda f, o: (f.x / f.x.sum()).cumsum().shift(),
    "an order": lambda f, o: (o.y.sum() - f.x).sort_values(),
    "where": lambda f, o: f.x.where(f.g > 1, o.y.min()),
    "between": lambda f, o: f.x.between(f.x.min(), o.y.max()),
    "a frame": lambda f, o: f[["x", "i"]] - f.x.mean(),
    "a merge": lambda f, o: f[f.x < f.x.max()].merge(o, left_on="g", right_on="k", how="left")[["x", "y"]],
    "the share of a filter": lambda f, o: 100 * f[f.g > 1].x.sum() / f.x.sum(),
    "values of two frames": lambda f, o: (f.x.sum() - o.y.sum()) / o.k.max(),
    "reductions of groups and of all rows": lambda f, o: (f.groupby("g").x.sum() / f.x.sum() > o.y.mean() / 10).astype(
        int
    ),
    "values of groups in values": lambda f, o: f.groupby("g").x.sum().pipe(lambda found: found[found > found.mean()]),
    "no rows": lambda f, o: f[f.x > 100].x.sum() - o.y.sum(),
    "values in values": lambda f, o: f[f.x > f.x.sum() / f[f.g > 1].x.count()].x.sum() - o.y.max(),
}
#: Questions for which a value is computed first, because its type depends on the column.
EAGER = {
    "small integers": lambda f, o: f.small - f.i.sum(),
    "masked integers": lambda f, o: f.masked > f.masked.mean(),
    "limits": lambda f, o: f.x.clip(upper=f.x.mean()),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_values(frames, name, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(_connection.Connection, "query", None)
        question = LAZY[name](*frames)
    same(computed(question), LAZY[name](ROWS, OTHER))


@pytest.mark.parametrize("name", EAGER)
def test_values_that_are_computed_first(frames, name):
    same(computed(EAGER[name](*frames)), EAGER[name](ROWS, OTHER))


def test_the_order_of_filtered_rows(frames):
    assert "SortExec" in frames[0][frames[0].x < frames[0].x.max()].explain()


@pytest.mark.parametrize(
    "function",
    [
        lambda group, rows: group.x.sum() / rows.x.sum(),
        lambda group, rows: rows.x.sum() - group.x.sum(),
        lambda group, rows: group.x.max() == rows.x.max(),
        lambda group, rows: (group.x - rows.x.mean()).sum(),
        lambda group, rows: (rows.i * group.x).sum() / rows.i.max(),
    ],
)
def test_values_of_groups_and_of_all_rows(frames, function):
    """In a function for each group, the values of the whole frame are those of all rows."""
    got = frames[0].groupby("g").apply(lambda group: function(group, frames[0])).compute()
    expected = ROWS.groupby("g")[["x", "i"]].apply(lambda group: function(group, ROWS))
    pd.testing.assert_series_equal(got, expected, check_names=False)


def test_tables_of_values_exist_as_long_as_what_uses_them(frames):
    """The table of a value is not released before the last plan with the value."""
    doubled = frames[0].assign(x=frames[0].x * 2).persist()
    kept = frames[0][(frames[0].x > 1) & (frames[0].x > doubled.x.mean() - 7)]
    del doubled
    gc.collect()
    assert kept.x.compute().tolist() == [2.0, 3.0, 4.0, 10.0]


def test_values_of_results_of_functions(frames):
    """Functions whose results a value needs run with the plan that uses the value, also for its types and its plan."""
    increased = frames[0].x.apply(lambda value: value + 1, meta=("x", "float64"))
    above = frames[0][frames[0].x > increased.mean() - 2]
    assert "join" in above.explain()
    assert above.x.compute().tolist() == [4.0, 10.0]


def test_values_are_one_row_that_every_task_gets(frames):
    rows, other = frames
    plan = rows.assign(y=(rows.x - rows.x.mean()) / rows.x.std() - other.y.sum()).explain()
    assert plan.count("AggregateExec: mode=Final") == 2
    assert plan.count("CrossJoinExec") == 2
    assert "reads Broadcast" in plan
