"""Python functions over partitions of frames: to_delayed, from_delayed, from_map, map_partitions."""

import datetime
import decimal
import gc
import os
import signal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from comparison import same
from function_samples import count_call
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from polling import table_names, until

import partita
from partita import array as da
from partita import config, delayed
from partita import dataframe as dd
from partita.distributed import Client, LocalCluster

pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.usefixtures("client")

TIMES = pd.date_range("2024-03-30 22:00", periods=7, freq="h", name="t")
#: Frames of seven rows with many types.
FRAMES = {
    "numbers": pd.DataFrame(
        {
            "i8": np.array([-128, 0, 127, 1, 2, 3, 4], "int8"),
            "i64": np.array([2**63 - 1, -(2**63), 2**53 + 1, 0, 1, 2, 3], "int64"),
            "u64": np.array([2**64 - 1, 2**63, 0, 1, 2, 3, 4], "uint64"),
            "f32": np.array([0.1, np.nan, -0.0, np.inf, -np.inf, 1e-45, 3.4e38], "float32"),
            "f64": [0.1, np.nan, -0.0, np.inf, -np.inf, 5e-324, 1.7e308],
            "b": [True, False, True, True, False, False, True],
        }
    ),
    "nullable": pd.DataFrame(
        {
            "i": pd.array([2**63 - 1, None, 2**53 + 1, None, 1, 2, None], "Int64"),
            "u": pd.array([1, None, 255, 0, 3, None, 9], "UInt8"),
            "f": pd.array([0.5, None, 1.5, None, 2.5, -0.0, None], "Float64"),
            "b": pd.array([True, None, False, None, True, None, False], "boolean"),
            "s": pd.array(["a", None, "", "é", "b", None, "c"], "string"),
        }
    ),
    "strings": pd.DataFrame(
        {"s": ["a", None, "", "é😀", "b\0c", "'\"", "x" * 1000], "empty": [None] * 7, "o": list("abcdefg")}
    ),
    "categories": pd.DataFrame(
        {
            "c": pd.Categorical(list("xyxzyxx"), categories=["z", "y", "x", "unused"]),
            "o": pd.Categorical(["lo", "hi", None, "lo", "mid", "hi", "lo"], ["lo", "mid", "hi"], ordered=True),
            "n": pd.Categorical([3, 1, 2, None, 3, 3, 1], categories=[3, 2, 1]),
        }
    ),
    "times": pd.DataFrame(
        {
            "ns": TIMES.as_unit("ns"),
            "s": TIMES.as_unit("s"),
            "zone": TIMES.tz_localize("UTC").tz_convert("Europe/Zurich"),
            "nat": [pd.NaT, *TIMES[1:]],
            "d": pd.to_timedelta([1, None, 3, -4, 5, 6, 7], unit="h"),
            "date": [datetime.date(2020, 1, day) for day in range(1, 8)],
        }
    ),
    "arrow": pd.DataFrame(
        {
            "i": pd.array([1, None, 3, 4, 5, 6, 7], dtype="int32[pyarrow]"),
            "s": pd.array(["a", None, "c", "d", "", "f", "g"], dtype="string[pyarrow]"),
            "t": pd.array(list(TIMES), dtype="timestamp[us, tz=UTC][pyarrow]"),
        }
    ),
    "decimals": pd.DataFrame(
        {"x": [decimal.Decimal(n) / 4 for n in range(7)], "y": [b"a", None, b"", b"c", b"d", b"e", b"f"]}
    ),
    "time index": pd.DataFrame({"v": range(7)}, index=TIMES),
    "zoned index": pd.DataFrame({"v": range(7)}, index=TIMES.tz_localize("UTC").tz_convert("Asia/Tokyo")),
    "string index": pd.DataFrame({"v": range(7)}, index=pd.Index(list("abcdefg"), name="key")),
    "duplicate index": pd.DataFrame({"v": range(7)}, index=pd.Index([1, 1, 2, 2, 2, 3, 9])),
    "float index": pd.DataFrame({"v": range(7)}, index=pd.Index([-0.0, 0.0, 1.5, 2.5, 3.5, 4.5, np.nan], name="f")),
    "categorical index": pd.DataFrame(
        {"v": range(7)}, index=pd.CategoricalIndex(list("bbbaaaa"), categories=["b", "a"], name="c")
    ),
    "several levels": pd.DataFrame(
        {"v": range(7)},
        index=pd.MultiIndex.from_arrays([list("aabbccd"), [1, 2, 1, 2, 1, 2, 1]], names=["x", None]),
    ),
    "labels": pd.DataFrame(
        [[1, 2.5]] * 7, columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["one", "two"])
    ),
    "number labels": pd.DataFrame([[1, 2.5]] * 7, columns=pd.Index([10, 20], name="axis")),
    "no columns": pd.DataFrame(index=pd.RangeIndex(7)),
}


def parts_of(frame, count):
    """Return the partitions of `from_pandas`."""
    size, larger = divmod(len(frame), count)
    bounds = [at * size + min(at, larger) for at in range(count + 1)]
    return [frame.iloc[low:high] for low, high in zip(bounds, bounds[1:])]


def identity(part):
    return part


# Frames as delayed values.


@pytest.mark.parametrize("count", [1, 3, 7])
@pytest.mark.parametrize("kind", FRAMES)
def test_partitions_are_those_of_compute(kind, count):
    """A delayed partition has the types, index and names that compute gives for its rows."""
    frame = FRAMES[kind]
    if kind == "duplicate index":
        count = 1
    ddf = dd.from_pandas(frame, npartitions=count)
    found = partita.compute(ddf.to_delayed())[0]
    assert len(found) == count
    for got, expected in zip(found, parts_of(ddf.compute(), count)):
        assert_frame_equal(got, expected, check_freq=False)
        assert_index_equal(got.columns, expected.columns, exact=True)


def test_partitions_of_columns_and_indexes():
    """Columns and indexes have partitions too, of persisted tables and of expressions."""
    frame = pd.DataFrame({"a": range(6), "b": list("xyzxyz")}, index=pd.Index(range(10, 16), name="k"))
    ddf = dd.from_pandas(frame, npartitions=3)
    for plan, expected in (
        (ddf.a, frame.a),
        (ddf.a * 2 + 1, frame.a * 2 + 1),
        (ddf.b.str.upper(), frame.b.str.upper()),
    ):
        assert_series_equal(pd.concat(partita.compute(*plan.to_delayed())), expected)
    made = partita.compute(*ddf.index.to_delayed())
    assert_index_equal(made[0].append(list(made[1:])), frame.index, exact="equiv")


def test_partitions_of_plans():
    """Filters, joins and groups are persisted; all their rows are in one partition each."""
    frame = pd.DataFrame({"k": [1, 2, 3, 1, 2, 3], "v": range(6)})
    ddf = dd.from_pandas(frame, npartitions=2)
    filtered = pd.concat(partita.compute(*ddf[ddf.v % 2 == 0].to_delayed()))
    assert_frame_equal(filtered, frame[frame.v % 2 == 0])
    sums = pd.concat(partita.compute(*ddf.groupby("k").v.sum().to_delayed()))
    assert_series_equal(sums, frame.groupby("k").v.sum())
    joined = pd.concat(partita.compute(*ddf.merge(ddf, on="k").to_delayed()))
    same(joined, frame.merge(frame, on="k"), ordered=False)


def test_rows_of_files(tmp_path):
    """Partitions of rows without an index count from 0, as in Dask."""
    pd.DataFrame({"a": range(10)}).to_parquet(tmp_path / "f.parquet", index=False)
    parts = partita.compute(*dd.read_parquet(str(tmp_path / "f.parquet")).to_delayed())
    assert sorted(value for part in parts for value in part.a) == list(range(10))
    assert all(list(part.index) == list(range(len(part))) for part in parts)


def test_futures_keep_the_partitions(client):
    """The table of a frame lives as long as a delayed value or a future may need it, and is released afterwards."""
    before = table_names(client)
    parts = dd.from_pandas(pd.DataFrame({"a": range(4)}), npartitions=2).to_delayed()
    gc.collect()
    (table,) = table_names(client) - before
    sums = client.compute([part.a.sum() for part in parts])
    del parts
    gc.collect()
    assert client.gather(sums) == [1, 5]
    # The results could be recomputed from it.
    assert table in table_names(client)
    del sums
    gc.collect()
    until(lambda: table not in table_names(client), "the release of the table")


def test_synchronous():
    """Tasks of the calling thread read and write partitions too."""
    frame = FRAMES["nullable"]
    ddf = dd.from_pandas(frame, npartitions=2)
    with config.set(scheduler="synchronous"):
        assert_frame_equal(pd.concat(partita.compute(*ddf.to_delayed())), frame)
        assert_frame_equal(ddf.map_partitions(identity).compute(), frame)
        assert_frame_equal(dd.from_delayed(ddf.to_delayed()).compute(), frame)


# Functions over partitions.


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("kind", FRAMES)
def test_types_survive(kind, count):
    """A function that returns its partition returns the frame, whatever its types are."""
    if kind == "duplicate index":
        count = 1
    ddf = dd.from_pandas(FRAMES[kind], npartitions=count)
    made = ddf.map_partitions(identity)
    assert_frame_equal(made.compute(), ddf.compute(), check_freq=False)
    assert_index_equal(made.compute().columns, ddf.compute().columns, exact=True)
    assert_series_equal(made.dtypes, ddf.dtypes)


@pytest.mark.parametrize("kind", FRAMES)
def test_columns_survive(kind):
    """The same for each column."""
    ddf = dd.from_pandas(FRAMES[kind], npartitions=1 if kind == "duplicate index" else 3)
    for label in ddf.columns:
        assert_series_equal(ddf[label].map_partitions(identity).compute(), ddf[label].compute(), check_freq=False)


@pytest.mark.parametrize("kind", FRAMES)
def test_results_of_delayed_values_survive(kind):
    """The same for partitions of delayed values, of one row each and of none, with and without meta."""
    frame = dd.from_pandas(FRAMES[kind], npartitions=1).compute()
    parts = [frame.iloc[:0], frame.iloc[:1], frame.iloc[1:1], frame.iloc[1:6], frame.iloc[6:], frame.iloc[7:]]
    nodes = [delayed(part) for part in parts]
    assert_frame_equal(dd.from_delayed(nodes, meta=frame).compute(), frame, check_freq=False)
    if kind not in ("decimals", "times"):
        # Without rows, the types of objects are not known.
        assert_frame_equal(dd.from_delayed(nodes, meta=frame.iloc[:0]).compute(), frame, check_freq=False)
    assert_frame_equal(dd.from_delayed(nodes[1:]).compute(), frame, check_freq=False)
    assert_frame_equal(dd.from_map(parts.__getitem__, range(1, 6)).compute(), frame, check_freq=False)


def shuffled(part):
    return part.sort_values("v", ascending=False)


FUNCTIONS = {
    "assign": lambda d: d.assign(z=d.v * 2.5),
    "column": lambda d: d.v + 1,
    "string": lambda d: d.s.str.upper(),
    "filter": lambda d: d[d.v > 3],
    "nothing left": lambda d: d[d.v > 100],
    "one row": lambda d: d.iloc[:1],
    "more rows": lambda d: pd.concat([d, d]),
    "other order": shuffled,
    "cumulative": lambda d: d.v.cumsum(),
    "number": lambda d: d.v.sum(),
    "length": len,
    "missing": lambda d: d.v.where(d.v > 3).rename("w"),
    "renamed": lambda d: d.rename(columns={"v": "w"})[["w", "g"]],
    "new index": lambda d: d.reset_index(),
    "set index": lambda d: d.set_index("s"),
    "groups": lambda d: d.groupby("g").v.sum(),
    "two keys": lambda d: d.groupby(["g", "s"]).agg({"v": "mean"}),
    "category": lambda d: d.assign(s=pd.Categorical(d.s, ["a", "b", "c"])),
    "times": lambda d: pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(d.v, unit="D"),
    "durations": lambda d: pd.to_timedelta(d.v, unit="s"),
    "lists": lambda d: d.v.map(lambda v: [float(v)] * 2),
    "booleans": lambda d: d.v > d.v.mean(),
    "empty labels": lambda d: d[[]],
}
FRAME = pd.DataFrame(
    {"v": [5, 3, 9, 1, 4, 7, 2, 8], "g": [1, 2, 1, 2, 1, 1, 2, 2], "s": list("abcabcab")},
    index=pd.Index(range(10, 18), name="k"),
)


def concat(parts):
    return pd.concat([pd.Series([part]) if np.isscalar(part) else part for part in parts])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    """Functions give the results of pandas for each partition, in order."""
    function = FUNCTIONS[name]
    ddf = dd.from_pandas(FRAME, npartitions=3)
    made = ddf.map_partitions(function)
    expected = concat([function(part) for part in parts_of(FRAME, 3)])
    if name == "lists":
        assert [list(one) for one in made.compute()] == list(expected)
    else:
        same(made.compute(), expected)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_as_in_dask(name):
    """Results, types and names are those of Dask."""
    dask = pytest.importorskip("dask")
    dask_frames = pytest.importorskip("dask.dataframe")
    function = FUNCTIONS[name]
    made = dd.from_pandas(FRAME, npartitions=2).map_partitions(function).compute()
    # Otherwise Dask converts strings to another type.
    with dask.config.set({"dataframe.convert-string": False}):
        lazy = dask_frames.from_pandas(FRAME, npartitions=2).map_partitions(function)
        theirs = lazy.compute(scheduler="sync")
    if name == "lists":
        assert [list(one) for one in made] == [list(one) for one in theirs]
    else:
        same(made, theirs)


def test_operations_on_results():
    """Results are frames like others: columns, filters, groups, joins, windows."""
    made = dd.from_pandas(FRAME, npartitions=3).map_partitions(lambda d: d.assign(z=d.v * 10))
    expected = FRAME.assign(z=FRAME.v * 10)
    assert made.npartitions == 3 and len(made) == 8
    same((made.z + made.v).compute(), expected.z + expected.v)
    same(made[made.z > 30].compute(), expected[expected.z > 30])
    same(made.groupby("g").z.sum().compute(), expected.groupby("g").z.sum())
    same(made.z.shift().compute(), expected.z.shift())
    same(made.merge(made[["v", "z"]], on="v").sort_values("v").compute().v, expected.sort_values("v").v, ordered=False)
    same(made.partitions[1].compute(), parts_of(expected, 3)[1])
    same(made.head(3), expected.head(3))
    same(made.set_index("v").compute(), expected.set_index("v").sort_index())
    same(made.map_partitions(lambda d: d.z).compute(), expected.z)
    same(made.persist().compute(), expected)
    assert "z" in repr(made) and "__persisted" in made.explain()


def test_calls_are_lazy(tmp_path):
    """Functions run when a result is first needed, once, and again only after an error."""
    calls, broken = str(tmp_path / "calls"), str(tmp_path / "broken")
    open(broken, "w").close()

    def work(part):
        if os.path.exists(broken):
            raise LookupError("not yet")
        count_call(calls)
        return part

    # Of several partitions, one might still run after another one has failed.
    made = dd.from_pandas(FRAME, npartitions=1).map_partitions(work, meta=FRAME.iloc[:0])
    doubled = made.v * 2
    made.explain(), repr(made), made.dtypes, doubled.dtype
    assert not os.path.exists(calls)
    with pytest.raises(LookupError, match="not yet"):
        doubled.compute()
    os.unlink(broken)
    same(doubled.compute(), FRAME.v * 2)
    same(made.compute(), FRAME)
    partita.compute(made.v.sum(), made.v.max())
    with open(calls) as file:
        assert len(file.readlines()) == 1


def test_results_are_released(client):
    """The table of results is released with the frame, whether the functions ran or not."""
    gc.collect()
    until(lambda: not any(name.startswith("__persisted") for name in table_names(client)), "no tables")
    ddf = dd.from_pandas(FRAME, npartitions=2)
    made, never = ddf.map_partitions(identity), ddf.map_partitions(identity)
    same(made.compute(), FRAME)
    del ddf, made, never
    gc.collect()
    until(lambda: not any(name.startswith("__persisted") for name in table_names(client)), "the release of the tables")
    assert not client._connection.deferred._tables


def test_several_frames():
    """Partitions of several frames, of columns of the same rows, and frames with one partition."""
    ddf = dd.from_pandas(FRAME, npartitions=3)
    other = dd.from_pandas(FRAME[["v"]] * 2, npartitions=3)
    small = dd.from_pandas(pd.Series([100, 200], name="w"), npartitions=1)
    same(dd.map_partitions(lambda a, b: a.v + b.v, ddf, other).compute(), FRAME.v * 3)
    doubled = ddf.v * 2
    same(dd.map_partitions(lambda a, b, c: a.v + b + c.v, ddf, doubled, ddf[["v"]]).compute(), FRAME.v * 4)
    filtered = ddf[ddf.v > 3]
    same(
        dd.map_partitions(lambda a, b: a.v.astype(str) + b, filtered, filtered.s.str.upper()).compute(),
        FRAME[FRAME.v > 3].v.astype(str) + FRAME[FRAME.v > 3].s.str.upper(),
    )
    same(ddf.map_partitions(lambda a, b: a.v + b.sum(), small).compute(), FRAME.v + 300)
    same(ddf.map_partitions(lambda a, b: a.v + b.sum(), pd.Series([1, 2])).compute(), FRAME.v + 3)
    with pytest.raises(ValueError, match="3, 2 partitions; use repartition"):
        ddf.map_partitions(lambda a, b: a, dd.from_pandas(FRAME, npartitions=2)).compute()


def test_arguments():
    """Further arguments: values, scalars, delayed values, large objects."""
    ddf = dd.from_pandas(FRAME, npartitions=3)
    same(ddf.map_partitions(lambda d, a, b=0: d.v * a + b, 2, b=3).compute(), FRAME.v * 2 + 3)
    same(ddf.map_partitions(lambda d, top: d.v / top, ddf.v.max()).compute(), FRAME.v / FRAME.v.max())
    meta = ("v", "int64")
    same(ddf.map_partitions(lambda d, x: d.v + x, delayed(abs)(-5), meta=meta).compute(), FRAME.v + 5)
    table = np.arange(100_000)
    same(ddf.map_partitions(lambda d, t: pd.Series(t[d.v], d.index), table).compute(), FRAME.v.rename(None))
    with pytest.raises(NotImplementedError, match="keyword argument 'other'"):
        ddf.map_partitions(lambda d, other: d, other=ddf)
    with pytest.raises(NotImplementedError, match="align_dataframes"):
        ddf.map_partitions(identity, align_dataframes=True)
    with pytest.raises(TypeError, match="at least one frame"):
        dd.map_partitions(identity, 3)


def test_partition_info():
    """A function that takes partition_info gets the number of its partition and its division."""

    def numbered(part, partition_info=None):
        return part.assign(n=partition_info["number"], d=partition_info["division"])

    ddf = dd.from_pandas(FRAME, npartitions=3)
    made = ddf.map_partitions(numbered, meta=FRAME.assign(n=0, d=0)).compute()
    expected = [part.assign(n=at, d=part.index[0]) for at, part in enumerate(parts_of(FRAME, 3))]
    same(made, pd.concat(expected))

    def number(part, partition_info=None):
        return pd.Series([partition_info["number"], partition_info["division"] is None])

    unsorted = dd.from_pandas(FRAME, npartitions=3, sort=False).sort_values("v")
    assert unsorted.map_partitions(number, meta=(None, object)).npartitions >= 1


METAS = {
    "frame": (FRAME.iloc[:0], identity),
    "dict": ({"v": "int64", "g": int, "s": str}, identity),
    "pairs": ([("v", "i8"), ("g", "i8"), ("s", object)], identity),
    "columns without an index": (pd.DataFrame({"v": pd.Series(dtype="int64")}), lambda d: d[["v"]]),
    "pair": (("v", "int64"), lambda d: d.v),
    "series": (pd.Series(dtype="int64", name="v"), lambda d: d.v),
    "name of a column": (("other", "int64"), lambda d: d.v),
    "type": ("int64", len),
    "Python type": (int, len),
    "value": (1, len),
    "own index": (FRAME.reset_index().iloc[:0].set_index("v"), lambda d: d.reset_index().set_index("v")),
}


@pytest.mark.parametrize("name", METAS)
def test_forms_of_meta(name):
    """meta= takes the forms of Dask."""
    meta, function = METAS[name]
    made = dd.from_pandas(FRAME, npartitions=2).map_partitions(function, meta=meta).compute()
    expected = concat([function(part) for part in parts_of(FRAME, 2)])
    if name == "name of a column":
        expected = expected.rename("other")
    same(made, expected)


WRONG = {
    # In one partition only, since the first call that fails is the one that is told.
    "type": (
        lambda d: d.assign(v=d.v + 0.5) if d.v.iloc[0] != 4 else d,
        "partition 0: column 'v': expected int64, found float64; give",
    ),
    "type of one partition": (
        lambda d: d.assign(v=d.v.astype("int32")) if d.v.iloc[0] == 4 else d,
        "partition 1: column 'v': expected int64, found int32",
    ),
    "nullable": (lambda d: d.assign(v=d.v.astype("Int64")), "expected int64, found Int64"),
    "strings": (lambda d: d.assign(v=d.v.astype(str)), "column 'v': expected int64, found "),
    "numbers for strings": (lambda d: d.assign(s=d.v), "column 's': expected .*, found int64"),
    "order of columns": (
        lambda d: d[["g", "v", "s"]],
        r"expected the columns \['v', 'g', 's'\], found \['g', 'v', 's'\]",
    ),
    "missing column": (lambda d: d[["v", "g"]], r"expected the columns \['v', 'g', 's'\], found \['v', 'g'\]"),
    "name of the index": (
        lambda d: d.rename_axis("z"),
        "expected an index with the name 'k', found one with the name 'z'",
    ),
    "levels": (lambda d: d.set_index("v", append=True, drop=False), r"found one with the levels \['k', 'v'\]"),
    "type of the index": (lambda d: d.set_axis(d.s.rename("k")), "index level 'k': expected int64, found "),
    "series": (lambda d: d.v, "expected a DataFrame, found a Series"),
    "array": (lambda d: d.v.to_numpy(), "must return a pandas DataFrame or Series, or a single value, not ndarray"),
    "None": (lambda d: None, "not NoneType"),
    "large integers": (lambda d: d.assign(v=[np.nan] + [2.0**60] * (len(d) - 1)), "expected int64, found float64"),
    "fractions": (lambda d: d.assign(v=[np.nan] + [0.5] * (len(d) - 1)), "expected int64, found float64"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_partitions(name):
    """A partition with other columns or types than meta is an error that names both."""
    function, message = WRONG[name]
    made = dd.from_pandas(FRAME, npartitions=2).map_partitions(function, meta=FRAME.iloc[:0])
    with pytest.raises((ValueError, TypeError), match=message):
        made.compute()


def test_other_categories():
    """Other categories than those of meta are an error; a lookup would lose the values."""
    ddf = dd.from_pandas(pd.DataFrame({"s": ["a", "b", "c"]}), npartitions=3)
    made = ddf.map_partitions(lambda d: d.astype("category"))
    with pytest.raises(ValueError, match=r"column 's': expected categories \['a'\], found categories \['[bc]'\]"):
        made.compute()
    with pytest.raises(ValueError, match="categorical without categories"):
        ddf.map_partitions(lambda d: d.astype("category"), meta={"s": "category"})
    dtype = pd.CategoricalDtype(["c", "b", "a"])
    made = ddf.map_partitions(lambda d: d.astype(dtype), meta={"s": dtype})
    same(made.compute(), pd.DataFrame({"s": ["a", "b", "c"]}).astype(dtype))


def test_missing_values_of_one_partition():
    """Integers, booleans and objects that are missing in one partition only are as pandas would concatenate them."""
    frame = pd.DataFrame({"v": [1, 2, 3, 4], "b": [True, False, True, True], "s": list("abcd")})
    ddf = dd.from_pandas(frame, npartitions=4)

    def lose(part):
        lost = part.v.isin([2, 3])
        return part.assign(v=part.v.mask(lost), b=part.b.astype(object).mask(lost, None), s=part.s.mask(part.v == 2))

    expected = lose(frame)
    got = ddf.map_partitions(lose, meta=frame.iloc[:0]).compute()
    assert_series_equal(got.v, expected.v)
    assert got.b.isna().tolist() == [False, True, True, False] and got.b.dropna().tolist() == [True, True]
    assert_series_equal(got.s, expected.s)


def test_inference_fails():
    """If a function fails for made-up values, the error asks for meta=."""

    def first(part):
        return part[part.s == "c"].v.iloc[0]

    ddf = dd.from_pandas(FRAME, npartitions=2)
    with pytest.raises(
        ValueError, match=r"cannot infer the columns and types that first returns: it raised IndexError.*meta="
    ):
        ddf.map_partitions(first)
    assert ddf.map_partitions(first, meta="int64").compute().tolist() == [9, 7]


# Frames of delayed values.


@pytest.mark.parametrize("meta", [None, "first"])
def test_categories_that_differ_become_values_unless_they_are_verified(meta):
    parts = [
        pd.DataFrame({"c": pd.Categorical(["a", None]), "n": pd.Categorical([1, 2]), "x": [0.5, 1.5]}),
        pd.DataFrame({"c": pd.Categorical(["b", "a"]), "n": pd.Categorical([3, 1]), "x": [2.5, 3.5]}),
    ]
    nodes = [delayed(part) for part in parts]
    given = None if meta is None else parts[0]
    with pytest.raises(ValueError, match="categories"):
        dd.from_delayed(nodes, meta=given).compute()
    found = dd.from_delayed(nodes, meta=given, verify_meta=False).compute()
    assert found.c.tolist()[0] == "a" and pd.isna(found.c.tolist()[1]) and found.c.tolist()[2:] == ["b", "a"]
    assert found.n.tolist() == [1, 2, 3, 1] and found.x.tolist() == [0.5, 1.5, 2.5, 3.5]
    series = dd.from_delayed([node.n for node in nodes], verify_meta=False).compute()
    assert series.tolist() == [1, 2, 3, 1] and series.name == "n"


def test_categories_of_a_later_partition():
    """Categories of which the first partition has none are those of the first partition that has some."""
    parts = [pd.DataFrame({"k": pd.Categorical(values)}) for values in ([None, None], ["a", "b"], [None])]
    made = dd.from_delayed([delayed(part) for part in parts])
    assert list(made.k.cat.categories) == ["a", "b"]
    assert made.compute().k.tolist()[2:4] == ["a", "b"] and made.k.isna().sum().compute() == 3
    with pytest.raises(ValueError, match="without categories"):
        dd.from_delayed([delayed(parts[0])])


def test_from_delayed_values():
    """Delayed values, futures, or a single one; series give a column."""
    parts = [pd.Series([1, 2], name="x"), pd.Series([3], index=[7], name="y")]
    made = dd.from_delayed([delayed(part) for part in parts])
    assert isinstance(made, dd.Series) and made.name == "x" and made.npartitions == 2
    same(made.compute(), pd.concat(parts).rename("x"))
    with pytest.raises(TypeError, match="at least one"):
        dd.from_delayed([])
    with pytest.raises(TypeError, match="not int"):
        dd.from_delayed([1])
    same(dd.from_delayed(delayed(FRAME)).compute(), FRAME)


def test_from_futures(client):
    futures = client.map(lambda n: FRAME.assign(n=n), range(3))
    made = dd.from_delayed(futures)
    del futures
    same(made.compute(), pd.concat([FRAME.assign(n=n) for n in range(3)]))


def test_from_map(tmp_path):
    """Several iterables, further arguments, an iterator, and meta from the first result, which is computed once."""
    path = str(tmp_path / "calls")

    def make(first, step, factor, plus=0):
        count_call(path)
        return pd.DataFrame({"a": np.arange(first, first + 3) * factor + plus * step})

    made = dd.from_map(make, iter([0, 10]), (1, 2), args=[2], plus=100)
    expected = pd.concat(
        [pd.DataFrame({"a": np.arange(first, first + 3) * 2 + 100 * step}) for first, step in ((0, 1), (10, 2))]
    )
    same(made.compute(), expected)
    same(made.a.sum().compute(), expected.a.sum())
    with open(path) as file:
        assert len(file.readlines()) == 2
    for wrong in ((), ([],), ([1], [1, 2]), (3,)):
        with pytest.raises(ValueError, match="iterable"):
            dd.from_map(make, *wrong)


DIVISIONS = {
    "numbers": [pd.DataFrame({"v": [1, 2]}, index=[0, 4]), pd.DataFrame({"v": [3, 4]}, index=[5, 9])],
    "duplicates": [pd.DataFrame({"v": [1, 2]}, index=[0, 0]), pd.DataFrame({"v": [3, 4]}, index=[5, 5])],
    "empty": [pd.DataFrame({"v": [1, 2]}, index=[0, 4]), pd.DataFrame({"v": [3]}, index=[5]).iloc[:0]],
}


@pytest.mark.parametrize("name", DIVISIONS)
def test_divisions(name):
    """Rows with divisions are sorted by their index, which operations use."""
    parts = DIVISIONS[name]
    made = dd.from_delayed([delayed(part) for part in parts], divisions=(0, 5, 9))
    expected = pd.concat(parts)
    assert made.known_divisions and made.divisions == (0, 5, 9)
    same(made.compute(), expected)
    same(made.loc[1:5].compute(), expected.loc[1:5])
    same(made.groupby(level=0).v.sum().compute(), expected.groupby(level=0).v.sum())
    joined, theirs = (
        made.join(made, lsuffix="l", rsuffix="r").compute(),
        expected.join(expected, lsuffix="l", rsuffix="r"),
    )
    same(joined, theirs, ordered=False)


def test_divisions_of_strings_and_times():
    for index in (pd.Index(["a", "z", "zz", "é"]), TIMES[:4], TIMES[:4].tz_localize("UTC")):
        frame = pd.DataFrame({"v": range(4)}, index=index)
        parts = [delayed(frame.iloc[:2]), delayed(frame.iloc[2:])]
        made = dd.from_delayed(parts, meta=frame.iloc[:0], divisions=(index[0], index[2], index[3]))
        assert made.known_divisions
        same(made.compute(), frame)
        same(made.loc[index[1] : index[2]].compute(), frame.iloc[1:3])


def test_wrong_divisions():
    """Divisions that do not hold are an error, not a wrong answer."""
    parts = [delayed(part) for part in DIVISIONS["numbers"]]
    for divisions, message in (
        ((0, 3, 9), "partition 0.*outside"),
        ((0, 6, 9), "partition 1.*outside"),
        ((0, 5, 8), "outside"),
    ):
        with pytest.raises(ValueError, match=message):
            dd.from_delayed(parts, divisions=divisions).compute()
    unsorted = delayed(DIVISIONS["numbers"][0].iloc[::-1])
    with pytest.raises(ValueError, match="must be sorted"):
        dd.from_delayed([unsorted, parts[1]], divisions=(0, 5, 9)).compute()
    with pytest.raises(ValueError, match="3 labels for 2 partitions"):
        dd.from_delayed(parts, divisions=(0, 9))
    with pytest.raises(ValueError, match="strictly increasing"):
        dd.from_delayed(parts, divisions=(0, 0, 9))
    assert not dd.from_delayed(parts, divisions=(None, None, None)).known_divisions


def test_index_that_functions_change():
    """A function may change the index: nothing relies on the old divisions."""
    ddf = dd.from_pandas(FRAME, npartitions=2)
    assert ddf.known_divisions
    made = ddf.map_partitions(lambda d: d.set_axis(d.index[::-1]))
    assert not made.known_divisions
    expected = pd.concat([part.set_axis(part.index[::-1]) for part in parts_of(FRAME, 2)])
    same(made.compute(), expected)
    same(made.sort_index().loc[12:14].compute(), expected.sort_index().loc[12:14])
    same(made.groupby(level=0).v.sum().compute(), expected.groupby(level=0).v.sum().sort_index())


def test_written_results(tmp_path):
    """Results can be written to files and published."""
    made = dd.from_pandas(FRAME, npartitions=2).map_partitions(lambda d: d.assign(z=d.v * 1.5))
    made.to_parquet(str(tmp_path / "out"))
    same(dd.read_parquet(str(tmp_path / "out")).compute(), FRAME.assign(z=FRAME.v * 1.5))


def test_lost_partitions():
    """Partitions that are migrated or lost with their worker are found or recomputed for the calls that need them."""
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, memory_limit="512MiB") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(3)
        made = dd.read_sql("SELECT value AS v, value % 10 AS k FROM generate_series(1, 1000)", client=client)
        sums = made.groupby("k").v.sum().persist()
        expected = sums.compute()
        parts = sums.to_delayed()
        more = sums.map_partitions(lambda part: part + 1)
        last = sums.map(lambda v: v + 2)
        client.retire_workers([next(iter(client.nthreads()))])
        same(pd.concat(partita.compute(*parts, scheduler=client)), expected)
        place = client._connection.action("partita.locate", {"name": sums._rows.persisted})[0]["address"]
        (victim,) = [row for row in client._workers() if row["address"] == place.partition("#")[0]]
        os.kill(victim["pid"], signal.SIGKILL)
        until(lambda: victim["pid"] not in [row["pid"] for row in client._workers()], "its loss")
        again = [part.sum() for part in parts]
        assert sum(partita.compute(*again, scheduler=client)) == 500500
        same(more.compute(), expected + 1)
        same(last.compute(), expected + 2)


def test_structs_of_small_numbers(tmp_path):
    """Dicts of integers are stored with the types of the fields of the column."""
    kind = pa.struct([("a", pa.int32()), ("b", pa.string())])
    table = pa.table({"n": pa.array([{"a": 1, "b": "x"}, None, {"a": 3, "b": "y"}], kind)})
    pq.write_table(table, tmp_path / "t.parquet")
    found = dd.read_parquet(tmp_path / "t.parquet").map_partitions(lambda part: part).compute()
    assert found.n.tolist() == [{"a": 1, "b": "x"}, None, {"a": 3, "b": "y"}]


def test_mismatch_of_delayed_values():
    """The error of a partition that is not as meta= says names the function."""
    made = dd.from_delayed([delayed(FRAME)], meta=FRAME.v)
    with pytest.raises(ValueError, match="Metadata mismatch found in `from_delayed`: partition 0: expected a Series"):
        made.compute()


@pytest.mark.parametrize(
    "index",
    [pd.Index([3, 5, 7], name="i"), pd.date_range("2024-01-01", periods=3, name="t"), pd.Index(list("abc"), name="s")],
    ids=["numbers", "times", "strings"],
)
def test_values_with_meta(index):
    """Single values are results of functions whose type is given, whatever the index of the frame is."""
    ddf = dd.from_pandas(pd.DataFrame({"v": [1, 2, 3]}, index=index), npartitions=2)
    made = ddf.map_partitions(len, meta=(None, "int64"))
    assert sorted(made.compute().tolist()) == [1, 2]
    assert made.sum().compute() == 3


def test_numbers_of_rows_of_results():
    """Rows of results of functions are numbered without gaps."""
    frame = pd.DataFrame({"v": [1, 2, 3]}, index=list("abc"))
    made = dd.from_pandas(frame, npartitions=2).map_partitions(lambda part: part).reset_index(drop=True)
    expected = frame.reset_index(drop=True)
    same(made.groupby(lambda label: label // 2).v.sum().compute(), expected.groupby(lambda label: label // 2).v.sum())


def test_blocks_of_arrays_as_partitions():
    """Functions of blocks return pandas objects, if `meta` is one."""
    values = np.arange(12.0).reshape(6, 2)
    array = da.from_array(values, chunks=(4, 2))
    made = array.map_blocks(pd.DataFrame, columns=["a", "b"], meta=pd.DataFrame({"a": [1.0], "b": [1.0]}))
    assert made.npartitions == 2
    same(made.compute().reset_index(drop=True), pd.DataFrame(values, columns=["a", "b"]))
    column = array[:, 0].map_blocks(pd.Series, meta=pd.Series([1.0]))
    assert column.compute().tolist() == values[:, 0].tolist()
    with pytest.raises(ValueError, match="blocks of whole rows"):
        array.rechunk((4, 1)).map_blocks(pd.DataFrame, meta=pd.DataFrame({0: [1.0]}))


def test_sorted_rows_keep_their_number_of_partitions():
    ddf = dd.from_pandas(pd.DataFrame({"k": range(20, 0, -1)}), npartitions=5)
    for made in (ddf.set_index("k"), ddf.sort_values("k")):
        assert made.npartitions == made.persist().npartitions == len(made.to_delayed()) == 5


def test_single_values_of_frames_with_arrays():
    """A reduction of a frame is an operand of an array, at both sides."""
    frame = pd.DataFrame({"v": [1, 2, 3, 6]})
    ddf = dd.from_pandas(frame, npartitions=2)
    values, mean = ddf.v.to_dask_array(lengths=True), ddf.v.mean()
    assert (values + mean).compute().tolist() == [4.0, 5.0, 6.0, 9.0]
    assert (mean - values).compute().tolist() == [2.0, 1.0, 0.0, -3.0]
    assert (values > ddf.v.min()).sum().compute() == 3


def test_functions_that_return_sparse_arrays():
    sparse = pytest.importorskip("scipy.sparse")
    ddf = dd.from_pandas(pd.DataFrame({"a": [0, 1, 0], "b": [2, 0, 0]}), npartitions=2)
    made = ddf.map_partitions(sparse.csr_array)
    assert made.compute().toarray().tolist() == [[0, 2], [1, 0], [0, 0]]


def test_whole_numbers_as_floats():
    """A function may return whole numbers as floats where `meta` says integers, as rolling sums of pandas are."""
    frame = pd.DataFrame({"v": [1, 2, 4, 8]})
    ddf = dd.from_pandas(frame, npartitions=2)
    made = ddf.map_overlap(lambda part: part.rolling(2).sum(), 1, 0, meta={"v": "int64"})
    same(made.compute(), frame.rolling(2).sum())
