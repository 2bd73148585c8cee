"""Methods of columns and frames: results equal those of pandas, for many types of frames."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

import partita
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")


def frames():
    """Return frames by name: with missing values, with all types of columns, with one row, without rows."""
    random = np.random.default_rng(7)
    n = 57
    mixed = pd.DataFrame(
        {
            "i": random.integers(-50, 50, n),
            "j": random.integers(1, 9, n).astype("int32"),
            "x": np.where(random.random(n) < 0.2, np.nan, random.normal(size=n).round(3)),
            "y": random.random(n).astype("float32"),
            "s": pd.Series(random.choice(["ant", "Bee", "cat dog", "", "Öl"], n)).where(random.random(n) > 0.15),
            "b": random.random(n) < 0.5,
            "t": pd.date_range("2023-12-30 22:13:17", periods=n, freq="7h"),
        },
        index=pd.Index(np.arange(n) * 3 + 5, name="id"),
    )
    times = mixed.drop(columns="t").set_index(pd.date_range("2024-02-27", periods=n, freq="37min"))
    return {
        "mixed": mixed,
        "times": times.assign(t=mixed.t.array),
        "one": mixed.iloc[:1],
        "few": mixed.iloc[:3],
    }


FRAMES = frames()


SERIES = {
    "add": lambda d: d.i + d.j,
    "add number": lambda d: d.i + 3,
    "radd": lambda d: 3 + d.x,
    "sub": lambda d: d.x - d.i,
    "rsub": lambda d: 10 - d.i,
    "mul": lambda d: d.y * 2,
    "mul32": lambda d: d.j * 2,
    "truediv": lambda d: d.i / d.j,
    "div by zero": lambda d: d.x / 0,
    "floordiv": lambda d: d.i // d.j,
    "floordiv float": lambda d: d.x // 0.25,
    "mod": lambda d: d.i % 7,
    "mod negative": lambda d: d.i % -7,
    "mod float": lambda d: d.x % 0.5,
    "pow": lambda d: d.x**2,
    "neg": lambda d: -d.i,
    "abs": lambda d: d.x.abs(),
    "round": lambda d: d.x.round(1),
    "round half": lambda d: (d.i / 2).round(),
    "string add": lambda d: d.s + "!",
    "string radd": lambda d: "<" + d.s,
    "lt": lambda d: d.x < 0.1,
    "ge": lambda d: d.x >= d.y,
    "eq": lambda d: d.s == "ant",
    "ne": lambda d: d.s != "ant",
    "ne missing": lambda d: d.x != 0.5,
    "and": lambda d: (d.i > 0) & d.b,
    "or": lambda d: (d.i > 0) | d.b,
    "xor": lambda d: (d.i > 0) ^ d.b,
    "not": lambda d: ~d.b,
    "isna": lambda d: d.x.isna(),
    "notna": lambda d: d.s.notna(),
    "fillna": lambda d: d.x.fillna(0),
    "fillna string": lambda d: d.s.fillna("none"),
    "dropna": lambda d: d.x.dropna(),
    "isin": lambda d: d.i.isin([1, 2, 3, -4]),
    "isin string": lambda d: d.s.isin(["ant", "cat dog"]),
    "between": lambda d: d.i.between(-10, 10),
    "clip": lambda d: d.i.clip(-5, 5),
    "clip low": lambda d: d.x.clip(lower=0.0),
    "where": lambda d: d.i.where(d.b, 0),
    "mask": lambda d: d.x.mask(d.b),
    "map": lambda d: d.s.map({"ant": "A", "Bee": "B"}),
    "astype int": lambda d: d.b.astype("int64"),
    "astype float": lambda d: d.i.astype("float64"),
    "astype str": lambda d: d.i.astype("str"),
    "astype 32": lambda d: d.i.astype("int32"),
    "filter": lambda d: d.i[d.i > 3],
    "rename": lambda d: d.i.rename("k"),
    "upper": lambda d: d.s.str.upper(),
    "lower": lambda d: d.s.str.lower(),
    "len": lambda d: d.s.fillna("").str.len(),
    "contains": lambda d: d.s.str.contains("t"),
    "contains case": lambda d: d.s.str.contains("B", case=False),
    "contains plain": lambda d: d.s.str.contains(".", regex=False),
    "startswith": lambda d: d.s.str.startswith("c"),
    "endswith": lambda d: d.s.str.endswith("g"),
    "replace string": lambda d: d.s.str.replace("t", "T"),
    "replace regex": lambda d: d.s.str.replace("[aeiou]", "*", regex=True),
    "slice": lambda d: d.s.str[1:3],
    "strip": lambda d: (" " + d.s + " ").str.strip(),
    "zfill": lambda d: d.s.str.zfill(5),
    "capitalize": lambda d: d.s.str.capitalize(),
    "year": lambda d: d.t.dt.year,
    "month": lambda d: d.t.dt.month,
    "day": lambda d: d.t.dt.day,
    "hour": lambda d: d.t.dt.hour,
    "minute": lambda d: d.t.dt.minute,
    "second": lambda d: d.t.dt.second,
    "weekday": lambda d: d.t.dt.weekday,
    "dayofyear": lambda d: d.t.dt.dayofyear,
    "quarter": lambda d: d.t.dt.quarter,
    "floor": lambda d: d.t.dt.floor("h"),
    "floor day": lambda d: d.t.dt.floor("D"),
    "ceil": lambda d: d.t.dt.ceil("6h"),
    "day name": lambda d: d.t.dt.day_name(),
    "month name": lambda d: d.t.dt.month_name(),
    "strftime": lambda d: d.t.dt.strftime("%Y/%m/%d %H"),
    "date": lambda d: d.t.dt.date,
    "time compared": lambda d: d.t > "2024-01-05",
    "time difference": lambda d: d.t - d.t.min().compute() if isinstance(d, dd.DataFrame) else d.t - d.t.min(),
    "time moved": lambda d: d.t + pd.Timedelta("90min"),
    "cumsum": lambda d: d.i.cumsum(),
    "cumsum missing": lambda d: d.x.cumsum(),
    "cummax": lambda d: d.x.cummax(),
    "cummin": lambda d: d.i.cummin(),
    "shift": lambda d: d.x.shift(2),
    "shift back": lambda d: d.x.shift(-1),
    "diff": lambda d: d.x.diff(),
    "ffill": lambda d: d.x.ffill(),
    "bfill": lambda d: d.x.bfill(),
    "rolling": lambda d: d.x.rolling(4).mean(),
    "rolling least": lambda d: d.x.rolling(4, min_periods=2).sum(),
    "rolling count": lambda d: d.x.rolling(4).count(),
    "rolling count least": lambda d: d.x.rolling(4, min_periods=3).count(),
    "rolling std": lambda d: d.i.rolling(5).std(),
    "rolling centre": lambda d: d.i.rolling(3, center=True).max(),
    "window of window": lambda d: d.i.cumsum().diff() + d.i.shift(1),
    "filter on window": lambda d: d.i[d.i.cumsum() > 0],
    "sort": lambda d: d.x.sort_values(kind="stable"),
    "count": lambda d: d.x.count(),
    "sum": lambda d: d.i.sum(),
    "sum float": lambda d: d.x.sum(),
    "sum bool": lambda d: d.b.sum(),
    "prod": lambda d: d.j.prod(),
    "prod float": lambda d: d.x.product(),
    "prod float32": lambda d: d.y.prod(),
    "prod bool": lambda d: d.b.prod(),
    "prod unsigned": lambda d: d.j.astype("uint8").prod(),
    "mean": lambda d: d.x.mean(),
    "min": lambda d: d.i.min(),
    "max string": lambda d: d.s.dropna().max(),
    "max time": lambda d: d.t.max(),
    "std": lambda d: d.x.std(),
    "var": lambda d: d.i.var(),
    "sem": lambda d: d.x.sem(),
    "median": lambda d: d.x.median(),
    "quantile": lambda d: d.x.quantile(0.3),
    "quantiles": lambda d: d.x.quantile([0.1, 0.5, 0.9]),
    "nunique": lambda d: d.s.nunique(),
    "mode": lambda d: d.i.mode(),
    "any": lambda d: d.b.any(),
    "all": lambda d: (d.i > -100).all(),
    "idxmin": lambda d: d.x.idxmin(),
    "idxmax": lambda d: d.i.idxmax(),
    "argmax": lambda d: d.i.argmax(),
    "argmin": lambda d: d.x.argmin(),
    "corr": lambda d: d.i.corr(d.y),
    "cov": lambda d: d.i.cov(d.j),
    "describe": lambda d: d.x.describe(),
    "nlargest": lambda d: d.i.nlargest(3),
    "index": lambda d: d.index,
    "to_frame": lambda d: d.i.to_frame(),
}

FRAME = {
    "columns": lambda d: d[["i", "x"]],
    "filter": lambda d: d[d.i > 0],
    "filter two": lambda d: d[(d.i > 0) & (d.x < 1)][["i", "x"]],
    "filter twice": lambda d: d[d.i > -20][d.b][["x", "s"]] if False else d[d.i > -20],
    "assign": lambda d: d.assign(z=d.i * 2, w=lambda f: f.x + 1),
    "assign same": lambda d: d.assign(i=d.i + 1),
    "drop": lambda d: d.drop(columns=["s", "b"]),
    "rename": lambda d: d.rename(columns={"i": "k"}),
    "astype": lambda d: d[["i", "j"]].astype("float64"),
    "fillna": lambda d: d[["x"]].fillna(0.5),
    "fillna by column": lambda d: d.fillna({"x": 0.0, "s": "-"}),
    "dropna": lambda d: d.dropna(),
    "dropna subset": lambda d: d.dropna(subset=["x"]),
    "isna": lambda d: d.isna(),
    "query": lambda d: d.query("i > 0 and b or x < -1"),
    "query in": lambda d: d.query("s in ['ant', 'Bee'] and 0 < i <= 30"),
    "arithmetic": lambda d: d[["i", "x"]] * 2 + 1,
    "compared": lambda d: d[["i", "x"]] > 0,
    "round": lambda d: d[["x", "i"]].round(2),
    "clip": lambda d: d[["i", "j"]].clip(0, 5),
    "cumsum": lambda d: d[["i", "x"]].cumsum(),
    "shift": lambda d: d.shift(1)[["x", "s"]],
    "sort": lambda d: d.sort_values("x", kind="stable"),
    "sort two": lambda d: d.sort_values(["b", "i"], ascending=[False, True]),
    "sort first missing": lambda d: d.sort_values("x", na_position="first", kind="stable"),
    "nlargest": lambda d: d.nlargest(4, "y"),
    "drop_duplicates": lambda d: d.drop_duplicates(subset=["j"]),
    "drop_duplicates last": lambda d: d.drop_duplicates(subset=["j"], keep="last"),
    "reset_index": lambda d: d.reset_index(),
    "set_index": lambda d: d.set_index("y").sort_index(),
    "sum": lambda d: d[["i", "x", "b"]].sum(),
    "prod": lambda d: d[["i", "x", "b"]].prod(),
    "mean": lambda d: d.mean(numeric_only=True),
    "min": lambda d: d[["i", "j"]].min(),
    "count": lambda d: d.count(),
    "std": lambda d: d[["i", "x"]].std(),
    "nunique": lambda d: d.nunique(),
    "describe": lambda d: d[["i", "x"]].describe(),
    "corr": lambda d: d[["i", "x"]].corr(),
    "cov": lambda d: d[["i", "j"]].cov(),
    "group sum": lambda d: d.groupby("j").i.sum(),
    "group prod": lambda d: d.groupby("j").i.prod(),
    "group prod several": lambda d: d.groupby("b")[["i", "x"]].prod(),
    "group agg prod": lambda d: d.groupby("j").agg({"i": ["prod", "sum"]}),
    "group mean": lambda d: d.groupby("j").x.mean(),
    "group several": lambda d: d.groupby("j")[["i", "x"]].max(),
    "group all": lambda d: d.groupby("b").count(),
    "group two keys": lambda d: d.groupby(["b", "j"]).i.sum(),
    "group size": lambda d: d.groupby("j").size(),
    "group string": lambda d: d.groupby("s").i.mean(),
    "group with missing": lambda d: d.groupby("s", dropna=False).i.sum(),
    "group agg": lambda d: d.groupby("j").agg({"i": ["min", "max"], "x": ["mean"]}),
    "group agg one": lambda d: d.groupby("j").agg({"i": "sum", "x": "count"}),
    "group named": lambda d: d.groupby("j").agg(lo=("i", "min"), hi=("x", "max")),
    "group list of": lambda d: d.groupby("j").i.agg(["sum", "mean", "std"]),
    "group first": lambda d: d.groupby("j").x.first(),
    "group last": lambda d: d.groupby("j").s.last(),
    "group median": lambda d: d.groupby("j").x.median(),
    "group var": lambda d: d.groupby("j").i.var(),
    "group nunique": lambda d: d.groupby("b").s.nunique(),
    "group by expression": lambda d: d.groupby(d.i % 3).x.sum(),
    "group cumsum": lambda d: d.groupby("j").i.cumsum(),
    "group shift": lambda d: d.groupby("j").x.shift(1),
    "group cumcount": lambda d: d.groupby("j").cumcount(),
    "group then more": lambda d: (d.groupby("j").i.sum() * 2).reset_index(),
    "idxmax": lambda d: d[["i", "j"]].idxmax(),
    "head of loc": lambda d: d.loc[20:60],
    "loc columns": lambda d: d.loc[:, ["i"]],
}


@pytest.fixture(scope="module")
def loaded(client):
    return {
        (name, parts): dd.from_pandas(frame, npartitions=parts) for name, frame in FRAMES.items() for parts in (1, 4)
    }


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("method", SERIES)
def test_columns(loaded, method, frame, parts):
    """Results of column methods equal those of pandas."""
    got = computed(SERIES[method](loaded[frame, parts]))
    expected = SERIES[method](FRAMES[frame])
    if method == "quantiles":
        expected.index.name = None
    same(got, expected)


def has_labels_for(method, frame):
    """Whether the result of a method is labelled by the frame's index, not by row numbers."""
    return "loc" not in method or "columns" in method or frame != "times"


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize(
    ("method", "frame"),
    [(method, frame) for method in FRAME for frame in FRAMES if has_labels_for(method, frame)],
)
def test_frames(loaded, method, frame, parts):
    """Results of frame methods equal those of pandas."""
    got = computed(FRAME[method](loaded[frame, parts]))
    same(got, FRAME[method](FRAMES[frame]))


@pytest.mark.parametrize("normalize", [False, True])
def test_value_counts(loaded, normalize):
    """The counts equal those of pandas, up to the order of ties."""
    got = loaded["mixed", 4].s.value_counts(normalize=normalize).compute()
    expected = FRAMES["mixed"].s.value_counts(normalize=normalize)
    assert_series_equal(got.sort_index(), expected.sort_index())
    assert got.is_monotonic_decreasing


def test_unique(loaded):
    """unique() returns each value once."""
    got = loaded["mixed", 4].j.unique().compute()
    assert sorted(got) == sorted(FRAMES["mixed"].j.unique())


@pytest.mark.parametrize("rule", ["h", "2h", "90min", "D", "MS", "ME", "7h"])
@pytest.mark.parametrize("function", ["sum", "mean", "max", "count"])
def test_resample(loaded, rule, function):
    """Resampling includes intervals without rows."""
    got = getattr(loaded["times", 4].x.resample(rule), function)().compute()
    expected = getattr(FRAMES["times"].x.resample(rule), function)()
    assert_series_equal(got, expected, check_freq=False)


@pytest.mark.parametrize("window", ["2h", "37min", "111min", "1D"])
@pytest.mark.parametrize("function", ["sum", "mean", "count"])
def test_windows_of_a_time(loaded, window, function):
    """Time windows across the borders of partitions."""
    got = getattr(loaded["times", 4].x.rolling(window), function)().compute()
    expected = getattr(FRAMES["times"].x.rolling(window), function)()
    assert_series_equal(got, expected, check_freq=False)


@pytest.mark.parametrize("text", ["2024-02-27", "2024-02", "2024-02-28 03"])
def test_labels_of_times(loaded, text):
    """The label of a day, month or hour selects all its rows, also in slices."""
    frame, ddf = FRAMES["times"], loaded["times", 4]
    same(ddf.loc[text].compute(), frame.loc[text])
    same(ddf.loc[text:].compute(), frame.loc[text:])
    same(ddf.loc[:text].compute(), frame.loc[:text])


OTHER = pd.DataFrame({"j": [1, 3, 3, 8, 20], "name": ["a", "b", "c", None, "e"], "i": [1, 2, 3, 4, 5]})


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
def test_merge_on_columns(loaded, how):
    """Joins return the same rows with the same suffixes."""
    other = dd.from_pandas(OTHER, npartitions=2)
    got = loaded["mixed", 4].merge(other, on="j", how=how).compute()
    expected = FRAMES["mixed"].merge(OTHER, on="j", how=how)
    same(got[expected.columns.tolist()], expected, ordered=False)


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
def test_merge_on_other_names(loaded, how):
    """Keys with different names are both kept."""
    other = OTHER.rename(columns={"j": "k"})
    got = loaded["mixed", 4].merge(dd.from_pandas(other, npartitions=2), left_on="j", right_on="k", how=how).compute()
    same(got, FRAMES["mixed"].merge(other, left_on="j", right_on="k", how=how), ordered=False)


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
def test_join_on_index(loaded, how):
    """Joins on the index keep the index."""
    other = pd.DataFrame({"v": [1.0, 2.0, 3.0]}, index=pd.Index([5, 8, 1000], name="id"))
    got = loaded["mixed", 4].join(dd.from_pandas(other, npartitions=2), how=how).compute()
    expected = FRAMES["mixed"].join(other, how=how)
    same(got.sort_index(), expected.sort_index())


def test_merge_matches_missing_keys():
    """Missing keys match each other, as in pandas."""
    a = pd.DataFrame({"k": ["x", None], "a": [1, 2]})
    b = pd.DataFrame({"k": [None, "y"], "b": [3, 4]})
    got = dd.from_pandas(a, npartitions=1).merge(dd.from_pandas(b, npartitions=1), on="k").compute()
    same(got, a.merge(b, on="k"))


@pytest.mark.parametrize("direction", ["backward", "forward"])
def test_merge_asof(direction):
    """merge_asof backward and forward, with and without keys."""
    left = pd.DataFrame({"t": [1, 5, 10, 11], "g": ["a", "b", "a", "b"], "x": [1, 2, 3, 4]})
    right = pd.DataFrame({"t": [1, 2, 6, 12], "g": ["a", "a", "b", "a"], "y": [10, 20, 30, 40]})
    a, b = dd.from_pandas(left, npartitions=2), dd.from_pandas(right, npartitions=2)
    for by in (None, "g"):
        kwargs = {"on": "t", "by": by, "direction": direction}
        expected = pd.merge_asof(left, right, **kwargs)
        got = dd.merge_asof(a, b, **kwargs).compute()
        same(got[expected.columns.tolist()], expected)


def test_concat(loaded):
    """concat keeps the order; a column that a frame lacks is missing there."""
    a, b = FRAMES["mixed"], FRAMES["few"].drop(columns="x")
    got = dd.concat([loaded["mixed", 4], loaded["few", 1].drop(columns="x")]).compute()
    same(got, pd.concat([a, b]))


def test_head_and_tail(loaded):
    """The first and the last rows."""
    same(loaded["mixed", 4].head(7), FRAMES["mixed"].head(7))
    same(loaded["mixed", 4].tail(7), FRAMES["mixed"].tail(7))
    same(loaded["mixed", 4].sort_values("y").head(3), FRAMES["mixed"].sort_values("y").head(3))
    same(loaded["mixed", 4].i.head(2), FRAMES["mixed"].i.head(2))


def test_dtypes(loaded):
    """The types equal those of pandas."""
    assert loaded["mixed", 4].dtypes.to_dict() == FRAMES["mixed"].dtypes.to_dict()


def test_kinds_of_columns():
    """Times with zones, decimals, dates, categories, nullable types and durations survive a round trip."""
    frame = pd.DataFrame(
        {
            "zone": pd.date_range("2024-03-30", periods=4, freq="12h", tz="Europe/Berlin"),
            "money": [decimal.Decimal("1.10"), None, decimal.Decimal("-3.25"), decimal.Decimal("0.00")],
            "day": [datetime.date(2024, 1, d) for d in (1, 2, 3, 4)],
            "kind": pd.Categorical(["a", "b", None, "a"]),
            "took": pd.to_timedelta([1, 2, None, 4], unit="s"),
            "small": np.array([1, 2, 3, 4], dtype="uint8"),
        }
    )
    ddf = dd.from_pandas(frame, npartitions=3)
    assert_frame_equal(ddf.compute(), frame)
    assert_series_equal(ddf.zone.dt.hour.compute(), frame.zone.dt.hour)
    assert ddf.money.sum().compute() == decimal.Decimal("-2.15")
    assert ddf.groupby("kind").small.sum().compute().to_dict() == {"a": 5, "b": 2}


def test_no_rows():
    """A frame without rows survives a round trip."""
    frame = pd.DataFrame({"a": pd.Series([], dtype="int64"), "s": pd.Series([], dtype="str")})
    ddf = dd.from_pandas(frame, npartitions=3)
    assert_frame_equal(ddf.compute(), frame)
    assert ddf.a.sum().compute() == 0
    assert ddf.a.prod().compute() == 1
    assert np.isnan(ddf.a.mean().compute())
    assert len(ddf) == 0 and ddf.empty


def test_unsupported_methods():
    """Unsupported methods raise an error that names an alternative."""
    ddf = dd.from_pandas(pd.DataFrame({"a": [1]}), npartitions=1)
    with pytest.raises(NotImplementedError, match=r"DataFrame\.pivot is not supported"):
        ddf.pivot()
    with pytest.raises(NotImplementedError, match="only axis=1"):
        ddf.apply(lambda row: row)
    with pytest.raises(AttributeError):
        getattr(ddf, "nothing_of_that_name")
    with pytest.raises(KeyError, match="no column 'z'; columns: a"):
        ddf["z"]
    with pytest.raises(TypeError, match="column 's'"):
        dd.from_pandas(pd.DataFrame({"s": ["x"]}), npartitions=1).mean()


numbers = st.lists(st.one_of(st.integers(-5, 5), st.none()), min_size=1, max_size=30)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=numbers, keys=st.lists(st.sampled_from("abc"), min_size=30, max_size=30), parts=st.integers(1, 6))
def test_any_numbers(client, values, keys, parts):
    """Results equal those of pandas for arbitrary missing values and partitions."""
    frame = pd.DataFrame({"v": pd.Series(values, dtype="float64"), "k": keys[: len(values)]})
    ddf = dd.from_pandas(frame, npartitions=parts)
    same(ddf.v.cumsum().compute(), frame.v.cumsum())
    same(ddf.v.rolling(3, min_periods=1).sum().compute(), frame.v.rolling(3, min_periods=1).sum())
    same(
        ddf.groupby("k").v.agg(["sum", "mean", "count", "max"]).compute(),
        frame.groupby("k").v.agg(["sum", "mean", "count", "max"]),
    )
    same(ddf.sort_values(["v", "k"]).compute(), frame.sort_values(["v", "k"], kind="stable"))
    same(ddf[ddf.v > 0].compute(), frame[frame.v > 0])


def test_small_results_are_computed_together(client):
    """A value for each column, and the table of `describe`, beside frames and scalars."""
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [3, 4, 8], "c": list("xyy")})
    texts = dd.from_pandas(frame, npartitions=2)
    (words, modes, matrices) = partita.compute(texts.c.describe(), texts[["c"]].mode(), texts.groupby("c").corr())
    assert words["top"] == "y" and modes.c.tolist() == ["y"] and matrices.shape == (4, 2)
    frame, ddf = frame[["a", "b"]], texts[["a", "b"]]
    sums, described, total, rows = partita.compute(ddf.sum(), [ddf.describe()], ddf.a.sum(), ddf)
    assert_series_equal(sums, frame.sum())
    assert_frame_equal(described[0], frame.describe())
    assert total == 7 and len(rows) == 3
    assert_series_equal(client.compute(ddf.mean()).result(), frame.mean())
    (persisted,) = partita.persist(ddf.max())
    assert_series_equal(persisted.compute(), frame.max())
    assert "AggregateExec" in ddf.sum().explain() and "<svg" in ddf.describe().visualize().svg
    assert partita.is_dask_collection(ddf.sum())
