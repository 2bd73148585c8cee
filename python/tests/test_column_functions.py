"""Python functions of values, rows, groups, and neighbouring partitions: map, apply, groupby.apply, map_overlap, bags."""

import gc
import os

import numpy as np
import pandas as pd
import pytest
from comparison import same
from function_samples import count_call
from partita import bag as db
from partita import config
from partita import dataframe as dd
from polling import table_names, until

pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame(
    {
        "v": [5, 3, 9, 1, 4, 7, 2, 8],
        "x": [0.5, None, 1.5, -2.0, None, 0.0, 3.25, 1e300],
        "g": [1, 2, 1, 2, 1, 1, 2, 2],
        "s": ["a", "b", None, "a", "bb", "c", "", "é"],
        "t": pd.date_range("2024-01-01", periods=8, freq="h", tz="Europe/Zurich"),
        "c": pd.Categorical(list("xyxyxyxy"), categories=["y", "x", "z"]),
        "n": pd.array([1, None, 3, 4, None, 6, 7, 8], "Int64"),
    },
    index=pd.Index(range(10, 18), name="k"),
)


@pytest.fixture(scope="module")
def ddf(client):
    return dd.from_pandas(FRAME, npartitions=3)


COLUMNS = {
    "numbers": lambda d: d.v.map(lambda v: v * 2),
    "to floats": lambda d: d.v.map(lambda v: v / 4),
    "to strings": lambda d: d.v.map(str),
    "strings": lambda d: d.s.map(lambda s: s + "!", na_action="ignore"),
    "lengths": lambda d: d.s.fillna("").map(len),
    "floats": lambda d: d.x.map(lambda x: x + 1),
    "times": lambda d: d.t.map(lambda t: t.hour),
    "to times": lambda d: d.v.map(lambda v: pd.Timestamp(2020, 1, v)),
    "booleans": lambda d: d.v.map(lambda v: v > 4),
    "categories": lambda d: d.c.map(lambda c: c.upper()),
    "nullable": lambda d: d.n.map(lambda n: n * 2, na_action="ignore"),
    "apply": lambda d: d.v.apply(lambda v, by, plus=0: v * by + plus, args=(3,), plus=1),
    "rows": lambda d: d.apply(lambda row: row.v + row.g, axis=1),
    "rows with labels": lambda d: d[["v", "g"]].apply(lambda row: row.name * 10 + row.v, axis=1),
    "rows of strings": lambda d: d.apply(lambda row: f"{row.s}{row.v}", axis=1),
    "frames of rows": lambda d: d[["v", "g"]].apply(
        lambda row: pd.Series({"a": row.v * 2, "b": row.v / row.g}), axis=1
    ),
    "expression": lambda d: (d.v + d.g).map(lambda v: v * 2),
    "of a result": lambda d: (d.v.map(lambda v: v * 2) + d.g).map(lambda v: v + 1) * 10,
    "filtered": lambda d: d[d.v > 3].v.map(lambda v: v * 2),
    "condition": lambda d: d[d.v.map(lambda v: v % 2 == 0)],
    "assigned": lambda d: d.assign(y=d.v.map(lambda v: v * 2), z=d.s.fillna("-").map(lambda s: s * 2), w=d.v + 1),
    "assigned twice": lambda d: d.assign(y=d.v.map(lambda v: v * 2)).assign(z=lambda e: e.y.map(lambda v: -v) + e.y),
    "after a window": lambda d: d.assign(c=d.v.cumsum()).assign(z=lambda e: e.c.map(lambda v: -v)),
    "before a window": lambda d: d.v.map(lambda v: v * 2).cumsum(),
    "groups": lambda d: d.assign(y=d.v.map(lambda v: v % 3)).groupby("y").v.sum(),
    "sum": lambda d: d.v.map(lambda v: v * 2).sum(),
    "sorted": lambda d: d.assign(y=d.v.map(lambda v: -v)).sort_values("y"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(ddf, name):
    """Functions of values and rows give the results of pandas, which combine with other columns of the rows."""
    made = COLUMNS[name](ddf)
    same(made.compute(), COLUMNS[name](FRAME))


@pytest.mark.parametrize("count", [1, 8])
def test_partitions_of_one_row(count):
    ddf = dd.from_pandas(FRAME, npartitions=count)
    same(ddf.assign(y=ddf.v.map(lambda v: v * 2)).compute(), FRAME.assign(y=FRAME.v * 2))
    empty = ddf[ddf.v > 100]
    same(len(empty.assign(y=empty.v.map(lambda v: v * 2))), 0)


def test_functions_of_files(tmp_path):
    """Rows of files, whose order is undefined, stay together with the results."""
    pd.DataFrame({"a": range(1000), "b": range(1000)}).to_parquet(tmp_path / "f.parquet", index=False)
    ddf = dd.read_parquet(str(tmp_path / "f.parquet"))
    ddf["y"] = ddf.a.map(lambda a: a * 7)
    got = ddf.compute()
    assert (got.y == got.b * 7).all() and got.y.sum() == sum(range(1000)) * 7
    assert ddf.tail(2).y.tolist() == [998 * 7, 999 * 7]


def test_functions_run_once(ddf, tmp_path):
    """A function of values is lazy, and runs once for each value, however often its results are used."""
    calls = str(tmp_path / "calls")

    def work(value):
        count_call(calls)
        return value + 1

    made = ddf.assign(y=ddf.v.map(work, meta="int64"))
    made["z"] = made.y * made.y + made.x
    repr(made), made.dtypes, made.explain()
    assert not os.path.exists(calls)
    same(made.y.sum().compute(), (FRAME.v + 1).sum())
    same(made.z.compute(), ((FRAME.v + 1) ** 2 + FRAME.x).rename("z"))
    same(made[made.y > 3].compute().y, (FRAME.v + 1)[FRAME.v + 1 > 3].rename("y"))
    with open(calls) as file:
        assert len(file.readlines()) == len(FRAME)


def test_results_are_released(client):
    gc.collect()
    before = table_names(client)
    ddf = dd.from_pandas(FRAME, npartitions=2)
    made = ddf.assign(y=ddf.v.map(lambda v: v + 1))
    made.compute()
    del ddf, made
    gc.collect()
    until(lambda: table_names(client) <= before, "the release of the tables")


def test_meta_of_columns(ddf):
    """meta= gives the type, and the name if it has one; wrong types are errors."""
    same(ddf.v.map(lambda v: v / 2, meta=("half", "float64")).compute(), (FRAME.v / 2).rename("half"))
    same(ddf.v.map(lambda v: v / 2, meta=float).compute(), FRAME.v / 2)
    same(ddf.apply(lambda row: row.v, axis=1, meta=("v", "int64")).compute(), FRAME.v)
    same(ddf.v.map(lambda v: v / 2, meta=pd.Series(dtype=float, name="h")).compute(), (FRAME.v / 2).rename("h"))
    with pytest.raises(ValueError, match="the column: expected int64, found float64"):
        ddf.v.map(lambda v: v / 2, meta="int64").compute()
    with pytest.raises(ValueError, match="give it with meta="):
        ddf.s.map(lambda s: {"b": 1}[s])
    with pytest.raises(NotImplementedError, match="axis=1"):
        ddf.apply(len)
    with pytest.raises(TypeError, match="not int"):
        ddf.v.map(3)


def test_synchronous(ddf):
    with config.set(scheduler="synchronous"):
        same(ddf.assign(y=ddf.v.map(lambda v: v * 2)).compute(), FRAME.assign(y=FRAME.v * 2))


def test_errors_of_functions(ddf):
    """An exception of a function is raised with its type."""
    with pytest.raises(ZeroDivisionError):
        ddf.v.map(lambda v: 1 / (v - 9), meta=float).compute()


# Groups.

NUMBERS = FRAME[["v", "x", "g", "s"]]
GROUPS = {
    "last value": lambda d: d.groupby("g").apply(lambda g: g.v.iloc[-1]),
    "order": lambda d: d.groupby("g").apply(lambda g: ",".join(map(str, g.v))),
    "of a column": lambda d: d.groupby("g").v.apply(lambda v: v.iloc[0] - v.iloc[-1]),
    "series": lambda d: d.groupby("g").apply(lambda g: pd.Series({"n": len(g.index), "top": max(list(g.v))})),
    "rows": lambda d: d.groupby("g").apply(lambda g: g.nlargest(2, "v").iloc[::-1]),
    "missing keys": lambda d: d.groupby("s").apply(lambda g: g.v.iloc[0]),
    "with missing keys": lambda d: d.groupby("s", dropna=False).apply(lambda g: g.v.iloc[0]),
    "two keys": lambda d: d.groupby(["g", "s"]).apply(lambda g: g.v.iloc[0]),
    "some columns": lambda d: d.groupby("g")[["v", "x"]].apply(lambda g: len(list(g.columns)) + g.v.iloc[0]),
    "arguments": lambda d: d.groupby("g").apply(lambda g, a, b=0: g.v.iloc[0] * a + b, 10, b=1),
    "key expression": lambda d: d.groupby(d.v % 3).apply(lambda g: g.g.iloc[0]),
    "reductions": lambda d: d.groupby("g").apply(lambda g: g.v.max() - g.v.min()),
}


@pytest.mark.parametrize("name", GROUPS)
def test_groups(name):
    """Functions of groups get all rows of a group in their order."""
    ddf = dd.from_pandas(NUMBERS, npartitions=3)
    same(GROUPS[name](ddf).compute(), GROUPS[name](NUMBERS))


def test_many_groups():
    """Groups are whole whatever the partitions are."""
    frame = pd.DataFrame({"k": np.arange(2000) * 7919 % 97, "v": np.arange(2000)})
    ddf = dd.from_pandas(frame, npartitions=4)
    same(
        ddf.groupby("k").apply(lambda g: hash(tuple(g.v))).compute(),
        frame.groupby("k").apply(lambda g: hash(tuple(g.v))),
    )


def test_groups_refuse():
    ddf = dd.from_pandas(NUMBERS, npartitions=2)
    with pytest.raises(KeyError, match="'missing'"):
        ddf.groupby("g").apply(lambda g: g["missing"].sum())
    with pytest.raises(ValueError, match="meta="):
        ddf.groupby("g").apply(lambda g: {5: 1}[g.v.iloc[0]])
    made = ddf.groupby("g").apply(lambda g: {5: 1, 3: 2}[g.v.iloc[0]], meta=(None, "int64"))
    assert made.compute().to_dict() == {1: 1, 2: 2}


# Neighbours.


@pytest.mark.parametrize("count", [1, 2, 8])
def test_overlap(count):
    """Windows across partitions, also over several small ones."""
    ddf = dd.from_pandas(FRAME[["v", "x"]], npartitions=count)
    frame = FRAME[["v", "x"]]
    for before, after, function in (
        (3, 0, lambda d: d.rolling(4).sum()),
        (0, 2, lambda d: d.shift(-2)),
        (2, 2, lambda d: d.v.rolling(5, center=True).mean()),
        (0, 0, lambda d: d.v * 2),
        (100, 0, lambda d: d.cumsum()),
    ):
        same(ddf.map_overlap(function, before, after).compute(), function(frame))
    same(ddf.v.map_overlap(lambda v, n: v.diff(n), 2, 0, 2).compute(), frame.v.diff(2))


def test_overlap_of_times():
    frame = pd.DataFrame({"v": range(20)}, index=pd.date_range("2024-01-01", periods=20, freq="h"))
    ddf = dd.from_pandas(frame, npartitions=6)
    same(ddf.map_overlap(lambda d: d.rolling("5h").sum(), "5h", 0).compute(), frame.rolling("5h").sum())
    same(
        ddf.map_overlap(lambda d: d.rolling("5h").sum(), pd.Timedelta("5h"), None).compute(), frame.rolling("5h").sum()
    )
    with pytest.raises(TypeError, match="sorted by an index of times"):
        dd.from_pandas(FRAME, npartitions=2).map_overlap(lambda d: d, "5h", 0)


def test_overlap_refuses():
    ddf = dd.from_pandas(FRAME[["v"]], npartitions=2)
    with pytest.raises(ValueError, match="must return as many rows as it gets"):
        ddf.map_overlap(lambda d: d.iloc[1:], 1, 0).compute()
    with pytest.raises(ValueError, match="must not be negative"):
        ddf.map_overlap(lambda d: d, -1, 0)


# Bags.


def test_bags():
    """Rows as items, and back."""
    frame = FRAME[["v", "s"]]
    ddf = dd.from_pandas(frame, npartitions=3)
    assert ddf.v.to_bag().compute() == FRAME.v.tolist()
    assert ddf.to_bag().map(lambda row: row[0]).compute() == FRAME.v.tolist()
    assert ddf[["v"]].to_bag(format="dict").compute() == [{"v": v} for v in FRAME.v]
    assert ddf[["v"]].to_bag(index=True).compute() == list(zip(FRAME.index, FRAME.v))
    assert ddf.v.to_bag(index=True).compute() == list(zip(FRAME.index, FRAME.v))
    back = ddf.to_bag(format="dict").to_dataframe(meta=frame.iloc[:0])
    same(back.compute(), frame.reset_index(drop=True))
    lists = db.from_sequence([{"a": [1, 2]}, {"a": [3]}], npartitions=2).to_dataframe()
    assert [list(one) for one in lists.a.compute()] == [[1, 2], [3]]
