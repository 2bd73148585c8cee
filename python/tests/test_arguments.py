"""Arguments of methods: results equal those of pandas, and unsupported arguments raise errors."""

import os
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same
from test_frame import FRAMES

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

MIXED = FRAMES["mixed"].assign(z=FRAMES["mixed"].x.abs() + 0.1)
TIMES = FRAMES["times"]


def is_pandas(d):
    return isinstance(d, (pd.DataFrame, pd.Series))


METHODS = {
    "mode of all": lambda d: d[["i", "j", "s"]].mode(),
    "value_counts of rows": lambda d: computed(d.value_counts(["b", "j"])).sort_index(),
    "value_counts shares": lambda d: computed(d[["b", "j"]].value_counts(normalize=True)).sort_index(),
    "group describe": lambda d: d.groupby("j").x.describe(),
    "group describe all": lambda d: d.groupby("b")[["i", "x"]].describe(),
    "group corr": lambda d: d.groupby("b")[["i", "x", "y"]].corr(),
    "group cov two keys": lambda d: d[d.j < 3].groupby(["b", "j"])[["i", "y"]].cov(),
    "group nlargest": lambda d: d.groupby("j").x.nlargest(2),
    "group nsmallest": lambda d: d.groupby("s").i.nsmallest(3),
    "std0": lambda d: d.x.std(ddof=0),
    "var2": lambda d: d.x.var(ddof=2),
    "std3": lambda d: d.i.std(ddof=3),
    "sem0": lambda d: d.x.sem(ddof=0),
    "skip": lambda d: d.x.sum(skipna=False),
    "skipi": lambda d: d.i.sum(skipna=False),
    "minc": lambda d: d.x.sum(min_count=500),
    "dfstd0": lambda d: d[["i", "x"]].std(ddof=0),
    "dfskip": lambda d: d[["i", "x"]].mean(skipna=False),
    "npmean": lambda d: np.mean(d.x),
    "npsum": lambda d: np.sum(d.i),
    "npstd": lambda d: np.max(d.x),
    "log": lambda d: np.log(d.z),
    "log1p": lambda d: np.log1p(d.z),
    "sqrt": lambda d: np.sqrt(d.x),
    "exp": lambda d: np.exp(d.x),
    "sin": lambda d: np.sin(d.x),
    "floor": lambda d: np.floor(d.x),
    "sign": lambda d: np.sign(d.i),
    "abs": lambda d: np.abs(d.x),
    "maximum": lambda d: np.maximum(d.x, d.y),
    "max0": lambda d: np.maximum(d.x, 0),
    "dfsqrt": lambda d: np.sqrt(d[["z", "y"]]),
    "np64": lambda d: np.float64(2) * d.x,
    "expm1": lambda d: np.expm1(d.x),
    "isnan": lambda d: np.isnan(d.x),
    "log i": lambda d: np.log(d.j),
    "arctan2": lambda d: np.arctan2(d.x, d.y),
    "np less": lambda d: np.less(3, d.i),
    "sum1": lambda d: d[["i", "x", "b"]].sum(axis=1),
    "mean1": lambda d: d[["i", "x"]].mean(axis=1),
    "min1": lambda d: d[["i", "x"]].min(axis="columns"),
    "count1": lambda d: d.count(axis=1),
    "any1": lambda d: (d[["i", "x"]] > 0).any(axis=1),
    "all1": lambda d: (d[["i", "x"]] > 0).all(axis=1),
    "var1": lambda d: d[["i", "x", "y"]].var(axis=1),
    "std1": lambda d: d[["i", "x", "y"]].std(axis=1, ddof=0),
    "sum1skip": lambda d: d[["i", "x"]].sum(axis=1, skipna=False),
    "prod1": lambda d: d[["i", "j"]].prod(axis=1),
    "isum1": lambda d: d[["i", "j"]].sum(axis=1),
    "center": lambda d: d[["i", "x"]] - d[["i", "x"]].mean(),
    "zscore": lambda d: (d[["i", "x"]] - d[["i", "x"]].mean()) / d[["i", "x"]].std(),
    "dfseries": lambda d: d[["i", "x"]] * pd.Series({"i": 2, "x": 3.0}),
    "query&": lambda d: d.query("i > 3 & x < 1"),
    "queryidx": lambda d: d.query("index > 20"),
    "query==list": lambda d: d.query("j == [1, 2]"),
    "eval": lambda d: d.eval("q = i + x"),
    "evals": lambda d: d.eval("i * 2 + j"),
    "pipe": lambda d: d.pipe(lambda q: q[["i"]]),
    "prefix": lambda d: d.add_prefix("p_"),
    "select": lambda d: d.select_dtypes("number"),
    "select2": lambda d: d.select_dtypes(include=["float64", "bool"]),
    "select3": lambda d: d.select_dtypes(exclude=["number"]),
    "dropthresh": lambda d: d[["x", "s", "i"]].dropna(thresh=2),
    "dropall": lambda d: d[["x", "s"]].dropna(how="all"),
    "dropsub": lambda d: d.dropna(subset="x"),
    "quants": lambda d: d[["i", "x"]].quantile([0.25, 0.5]),
    "quant": lambda d: d[["i", "x"]].quantile(0.3),
    "describes": lambda d: d.s.describe(),
    "describe t": lambda d: d[["i", "t"]].describe(),
    "describe all": lambda d: d[["i", "x", "s"]].describe(include="all"),
    "describetxt": lambda d: d[["s"]].describe(),
    "describet": lambda d: d.t.describe(),
    "cumprod": lambda d: d.y.cumprod(),
    "cumsumskip": lambda d: d.x.cumsum(skipna=False),
    "dfcumprod": lambda d: d[["i", "j"]].cumprod(),
    "pct": lambda d: d.y.pct_change(),
    "ffill1": lambda d: d.x.ffill(limit=1),
    "bfill1": lambda d: d.x.bfill(limit=1),
    "keepF": lambda d: d.drop_duplicates(subset="j", keep=False),
    "dupidx": lambda d: d.drop_duplicates(subset=["b"], ignore_index=True),
    "replace": lambda d: d.replace({"ant": "ANT"}),
    "replace2": lambda d: d[["i", "j"]].replace([1, 2], 0),
    "replace3": lambda d: d.replace({"i": {1: 100}, "s": {"ant": "x"}}),
    "gtransform": lambda d: d.groupby("j").x.transform("mean"),
    "gtransform2": lambda d: d.groupby("j")[["i", "x"]].transform("sum"),
    "gts": lambda d: d.groupby("j").x.transform("size"),
    "gtsstd": lambda d: d.groupby("j").i.transform("std"),
    "gapply": lambda d: d.groupby("j").apply(lambda q: q.x.sum() / q.i.count()),
    "gapply2": lambda d: d.groupby("j").x.apply(lambda v: v.max() - v.min()),
    "gapply3": lambda d: d.groupby("j").apply(lambda q: pd.Series({"a": q.x.sum(), "b": q.i.max() * 1.0})),
    "gapplyw": lambda d: d.groupby("j").apply(lambda q: (q.x * q.y).sum()),
    "gq": lambda d: d.groupby("j").x.quantile(0.4),
    "gstd0": lambda d: d.groupby("j").x.std(ddof=0),
    "gidx": lambda d: d.groupby("j").i.idxmax(),
    "gany": lambda d: d.groupby("j").b.any(),
    "gminc": lambda d: d.groupby("j").x.sum(min_count=9),
    "gdiff": lambda d: d.groupby("j").i.diff(),
    "gffill": lambda d: d.groupby("j").x.ffill(),
    "gcumprod": lambda d: d.groupby("j").y.cumprod(),
    "gagglist": lambda d: d.groupby(["b", "j"])[["i", "x"]].agg(["min", "max"]),
    "named": lambda d: d.groupby("j").agg(a=pd.NamedAgg("i", "sum")),
    "gcount": lambda d: d.groupby("s", dropna=False).count(),
    "col rename": lambda d: d.rename(columns=str.upper),
    "rename axis": lambda d: d.rename_axis("q"),
    "sel slice": lambda d: d.loc[20:60, ["i", "x"]],
    "Scalar": lambda d: (d.x.max() - d.x.min()) / 2,
    "Scalar2": lambda d: 1 - d.x.mean(),
    "Scalar3": lambda d: -(d.x.sum() ** 2),
    "Scalar4": lambda d: 2 / d.x.mean(),
    "tail": lambda d: d.i.tail(3),
    "isin dict": lambda d: d[["i", "j"]].isin({"i": [1, 2]}),
    "where df": lambda d: d[["i", "x"]].where(d[["i", "x"]] > 0, 0),
    "df[df>0]": lambda d: d[["i", "x"]][d[["i", "x"]] > 0],
    "mask s": lambda d: d[["i", "x"]].mask(d.b, -1),
    "astypecat": lambda d: d.s.astype("category"),
    "mode": lambda d: d.j.mode(),
    "nuniqueF": lambda d: d.x.nunique(dropna=False),
    "corr num": lambda d: d.corr(numeric_only=True),
    "idx numeric": lambda d: d[["i", "j"]].idxmin(),
    "map s": lambda d: d.s.map(pd.Series({"ant": 1.0, "Bee": 2.0})),
    "between": lambda d: d.i.between(-5, 5, inclusive="left"),
}

ALONG_TIME = {
    "rs first": lambda d: d.x.resample("D").first(),
    "rs last": lambda d: d.x.resample("6h").last(),
    "ohlc": lambda d: d.i.resample("D").ohlc(),
    "rsagg": lambda d: d.resample("D").agg({"i": "sum", "x": "mean"}),
    "rslist": lambda d: d.i.resample("6h").agg(["min", "max", "mean"]),
    "rscol": lambda d: d.resample("D").x.mean(),
    "rscol2": lambda d: d.resample("D")[["i", "x"]].sum(),
    "rsW": lambda d: d.i.resample("W").sum(),
    "rsWm": lambda d: d.i.resample("W-WED").count(),
    "rsq": lambda d: d.i.resample("D").quantile(0.3),
    "rsstd": lambda d: d.x.resample("D").std(),
    "rssize": lambda d: d.resample("6h").size(),
    "rsMS": lambda d: d.i.resample("MS").sum(),
    "rsQE": lambda d: d.i.resample("QE").sum(),
    "rsYS": lambda d: d.i.resample("YS").mean(),
    "rsnum": lambda d: d[["i", "x", "y"]].resample("12h").max(),
    "rsprod": lambda d: d.x.resample("D").prod(),
    "rsnun": lambda d: d.j.resample("30min").nunique(),
    "rsfirst30": lambda d: d.i.resample("30min").first(),
    "rsmulti": lambda d: d[["i", "x"]].resample("D").agg(["min", "max"]),
    "roll col": lambda d: d.rolling(3).x.mean(),
    "roll2": lambda d: d[["i", "x"]].rolling("2h").sum(),
    "rollagg": lambda d: d.i.rolling(3).agg(["sum", "max"]),
    "rolldict": lambda d: d.rolling(3).agg({"i": "sum", "x": "max"}),
}


@pytest.fixture(scope="module")
def loaded(client):
    return {"mixed": dd.from_pandas(MIXED, npartitions=3), "times": dd.from_pandas(TIMES, npartitions=3)}


@pytest.mark.parametrize("method", METHODS)
def test_methods(loaded, method):
    """Results equal those of pandas."""
    same(computed(METHODS[method](loaded["mixed"])), METHODS[method](MIXED))


@pytest.mark.parametrize("method", ALONG_TIME)
def test_along_time(loaded, method):
    """Results of methods on an index of times equal those of pandas."""
    same(computed(ALONG_TIME[method](loaded["times"])), ALONG_TIME[method](TIMES))


def test_variables_of_conditions(loaded):
    """@name refers to a variable of the caller or of local_dict."""
    limit, wanted = 3, [1, 2, 3]  # noqa: F841
    same(computed(loaded["mixed"].query("i > @limit and j in @wanted")), MIXED.query("i > @limit and j in @wanted"))
    got = loaded["mixed"].query("i > @n", local_dict={"n": 10}).compute()
    same(got, MIXED[MIXED.i > 10])
    with pytest.raises(ValueError, match="no variable 'absent'"):
        loaded["mixed"].query("i > @absent")


#: Arguments that only tune Dask, or that have another name there.
OF_DASK = {
    "mode": lambda d: (d.s.mode(split_every=2), d.s.mode()),
    "mode of columns": lambda d: (d[["i"]].mode(split_every=2), d[["i"]].mode()),
    "largest": lambda d: (d[["i"]].nlargest(2, "i", split_every=2), d[["i"]].nlargest(2, "i")),
    "smallest": lambda d: (d[["i"]].nsmallest(2, "i", split_every=2), d[["i"]].nsmallest(2, "i")),
    "corr": lambda d: (d.i.corr(d.x, split_every=2), d.i.corr(d.x)),
    "cov": lambda d: (d.i.cov(d.x, split_every=2), d.i.cov(d.x)),
    "ffill": lambda d: (d.groupby("j").x.ffill(shuffle_method="tasks"), d.groupby("j").x.ffill()),
    "bfill": lambda d: (d.groupby("j").x.bfill(shuffle_method="tasks"), d.groupby("j").x.bfill()),
    "sum of groups": lambda d: (d.groupby("j").x.sum(min_count=None), d.groupby("j").x.sum()),
    "first of groups": lambda d: (d.groupby("j").x.first(sort=None), d.groupby("j").x.first()),
    "sorted": lambda d: (d.sort_values("x", partition_size=1e6), d.sort_values("x")),
    "any": lambda d: (d.i.any(axis=0), d.i.any()),
    "all": lambda d: (d.i.all(axis="index"), d.i.all()),
    "count": lambda d: (d.s.count(axis=0, numeric_only=False), d.s.count()),
    "idxmin": lambda d: (d.x.idxmin(numeric_only=False), d.x.idxmin()),
    "described": lambda d: (d.x.describe(include=None, exclude=None), d.x.describe()),
    "a group": lambda d: (d.groupby("j").get_group(key=1), d.groupby("j").get_group(1)),
}


@pytest.mark.parametrize("name", OF_DASK)
def test_arguments_of_dask(loaded, name):
    """Arguments of Dask that change no result are accepted."""
    found, expected = OF_DASK[name](loaded["mixed"])
    same(computed(found), computed(expected))


@pytest.mark.parametrize(
    "call",
    [
        lambda d: d.x.sum(level=0),
        lambda d: d.std(dof=0),
        lambda d: d.compute(sheduler="threads"),
        lambda d: d.groupby("j").x.sum(engines=1),
        lambda d: d.merge(d, on="i", validat="1:1"),
        lambda d: d.drop_duplicates(subsets=["i"]),
    ],
)
def test_unknown_arguments(loaded, call):
    """Unsupported arguments raise an error."""
    with pytest.raises(TypeError, match="does not support the argument"):
        call(loaded["mixed"])


def test_truth_value(loaded):
    """Python's `and` and `or` raise an error, since they would ignore one of the conditions."""
    d = loaded["mixed"]
    with pytest.raises(ValueError, match="truth value of a Series is ambiguous"):
        d[(d.i > 1) and (d.j < 4)]


def test_set_columns(loaded):
    """Columns can be set by attribute, list, condition and label."""
    d, p = loaded["mixed"][["i", "x"]].copy(), MIXED[["i", "x"]].copy()
    for frame in (d, p):
        frame.i = frame.i * 100
        frame[["a", "b"]] = frame[["i", "x"]]
        frame[frame.i > 200] = 0
        frame.columns = ["p", "q", "r", "s"]
        del frame["r"]
    same(d.compute(), p)


def test_single_file(loaded, tmp_path):
    """single_file writes all rows in order, with the options of the file format."""
    path = tmp_path / "one.csv"
    loaded["times"].to_csv(path, single_file=True, sep=";")
    found = pd.read_csv(path, sep=";", index_col=0, parse_dates=[0, "t"])
    assert found.t.tolist() == TIMES.t.tolist()
    assert found.index.tolist() == TIMES.index.tolist()
    loaded["mixed"].to_csv(tmp_path / "plain", header=False, index=False)
    names = list(MIXED.columns)
    again = dd.read_csv(tmp_path / "plain", header=None, names=names, dtype={"j": "int32", "y": "float32"})
    same(again[["i", "j", "y"]].compute().reset_index(drop=True), MIXED[["i", "j", "y"]].reset_index(drop=True))


def test_partition_on(loaded, tmp_path):
    """Columns become folders, filters skip files, and overwrite replaces the folder."""
    path = tmp_path / "parts"
    loaded["mixed"].to_parquet(path, partition_on=["b", "j"])
    assert sorted(os.listdir(path)) == ["_common_metadata", "b=false", "b=true"]
    found = dd.read_parquet(path, filters=[("j", "==", 3)], columns="i")
    assert sorted(found.compute()) == sorted(MIXED[MIXED.j == 3].i)
    with pytest.raises(Exception, match="not empty"):
        loaded["mixed"].to_parquet(path)
    loaded["mixed"].to_parquet(path, overwrite=True, compression="zstd")
    assert len(dd.read_parquet(path)) == len(MIXED)
    assert os.listdir(tmp_path) == ["parts"]


def test_types_of_files(tmp_path):
    """CSV columns have the types of dtype=, and strings of na_values= are missing."""
    path = tmp_path / "b.csv"
    path.write_text("id;v;t;n\n007;1.5;2024-01-02;NA\n008;NA;2024-01-03 10:00:00;5\n009;?;;6\n")
    found = dd.read_csv(path, sep=";", dtype={"id": "str"}, na_values=["?"], parse_dates=["t"]).compute()
    assert found.id.tolist() == ["007", "008", "009"]
    assert found.v.isna().tolist() == [False, True, True]
    assert found.t.tolist()[:2] == [pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03 10:00:00")]
    assert found.n.dtype == "float64" and found.t.isna().tolist() == [False, False, True]


STORED = {
    "named": TIMES.rename_axis("when"),
    "unnamed": TIMES[["i", "s"]],
    "counted": MIXED.reset_index(drop=True),
    "nullable": pd.DataFrame(
        {"n": pd.array([1, None, 3], dtype="Int64"), "s": pd.array(["a", None, "c"], dtype="string")},
        index=pd.Index([2, 4, 6], name="id"),
    ),
}


@pytest.mark.parametrize("name", STORED)
def test_index_roundtrip(client, tmp_path, name):
    """An index, and types that Arrow does not have, survive a round trip through files."""
    frame = STORED[name]
    path = tmp_path / "out"
    dd.from_pandas(frame, npartitions=2).to_parquet(path)
    got = dd.read_parquet(path)
    assert got.known_divisions
    assert list(got.dtypes) == list(frame.dtypes)
    same(got.compute(), frame)
    frame.to_parquet(tmp_path / "of_pandas.parquet")
    if name != "counted":
        same(dd.read_parquet(tmp_path / "of_pandas.parquet").compute(), frame)


def test_index_written_by_pandas(client, tmp_path):
    """The index of files that pandas wrote is restored, unless index=False."""
    frame = TIMES[["i", "x"]].rename_axis("when")
    frame.to_parquet(tmp_path / "a.parquet")
    same(dd.read_parquet(tmp_path / "a.parquet").compute(), frame)
    assert list(dd.read_parquet(tmp_path / "a.parquet", index=False).columns) == ["i", "x", "when"]
    assert len(dd.read_parquet(tmp_path / "a.parquet").loc["2024-02-28"].compute()) == len(frame.loc["2024-02-28"])


HEEDED = {
    "group_keys": lambda d: d.groupby("j", group_keys=False).x.nlargest(2),
    "group_keys smallest": lambda d: d.groupby("s", group_keys=False).i.nsmallest(2),
    "group_keys kept": lambda d: d.groupby("j", group_keys=True).x.nlargest(2),
    "group order": lambda d: d.groupby("s", sort=False).i.sum(),
    "group order of two": lambda d: d.groupby(["b", "j"], sort=False)[["i", "x"]].max(),
    "group order size": lambda d: d.sort_values("t", ascending=False).groupby("j", sort=False).size(),
    "map missing": lambda d: d.s.map({"ant": 1, None: 2}),
    "map ignores": lambda d: d.s.map({"ant": 1, None: 2}, na_action="ignore"),
    "rolling numbers": lambda d: d[["i", "s"]].rolling(3).sum(numeric_only=True),
    "corr least": lambda d: computed(d[["i", "x"]].corr(min_periods=10_000)),
    "cov least": lambda d: computed(d[["i", "x"]].cov(min_periods=3)),
    "mode missing": lambda d: d.s.mode(dropna=False),
    "mode of columns missing": lambda d: d[["i", "s", "x"]].mode(dropna=False),
    "corr of columns least": lambda d: d.i.corr(d.x, min_periods=10_000),
    "corr of columns of a method": lambda d: d.i.corr(d.x, method="pearson"),
    "cov of columns least": lambda d: d.i.cov(d.x, min_periods=3),
    "fillna of rows": lambda d: d[["x"]].fillna(1.5, axis="index"),
    "name of the labels": lambda d: d[["i"]].rename_axis("name", axis="columns"),
    "name of the rows": lambda d: d[["i"]].rename_axis("name", axis="index"),
    "join suffixes": lambda d: d[["i"]].join(d[["i", "x"]], suffixes=("_left", None)),
}


@pytest.mark.parametrize("name", HEEDED)
def test_arguments_take_effect(loaded, name):
    """Arguments that change the result of pandas have the same effect."""
    of = HEEDED[name]
    same(computed(of(loaded["mixed"])), computed(of(MIXED)))


def test_set_index_without_sorting(loaded):
    """With sort=False, set_index keeps the order of the rows."""
    got = loaded["mixed"].set_index("x", sort=False).i.compute()
    assert got.tolist() == MIXED.i.tolist()
    assert got.index.equals(pd.Index(MIXED.x))


def test_resample_arguments(loaded):
    """resample supports numeric_only, and other arguments only for the reductions that have them."""
    columns = ["i", "x", "s"]
    got = loaded["times"][columns].resample("D").mean(numeric_only=True)
    same(got.compute(), TIMES[columns].resample("D").mean(numeric_only=True))
    with pytest.raises(TypeError, match="does not support the argument 'ddof'"):
        loaded["times"].resample("D").mean(ddof=2)


def test_times_in_a_zone(client):
    """With utc=True, times are in UTC, whatever they are converted from."""
    texts = pd.Series(["2024-01-05 00:00:00", "2024-02-29 12:30:00", None])
    for column in (texts, pd.to_datetime(texts), pd.to_datetime(texts).dt.tz_localize("Asia/Tokyo")):
        got = dd.to_datetime(dd.from_pandas(column, npartitions=1), utc=True).compute()
        same(got, pd.to_datetime(column, utc=True))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda d: d.groupby("j", sort=False).s.value_counts(), NotImplementedError),
        (lambda d: d.s.sum(numeric_only=True), TypeError),
        (lambda d: d[["i", "s"]].rolling(3).sum(), pd.errors.DataError),
        (lambda d: (d[["i", "x"]] > 0).any(axis=1, skipna=False), NotImplementedError),
        (lambda d: (d.x > 0).astype("boolean").all(skipna=False), NotImplementedError),
        (lambda d: d.quantile(0.5, numeric_only=True, method="nearest"), ValueError),
        (lambda d: d.s.map({"ant": 1}, na_action="drop"), ValueError),
        (lambda d: d.s.map(defaultdict(int, ant=1)), NotImplementedError),
        (lambda d: dd.to_datetime(d.s, errors="ignore"), ValueError),
        (lambda d: dd.to_datetime(d.s, unit="s"), NotImplementedError),
        (lambda d: dd.to_numeric(d.s, errors="ignore"), ValueError),
        (lambda d: d.sort_values("x", group_keys=False), TypeError),
        (lambda d: d.join(d, lsuffix="l", suffixes=("", "r")), ValueError),
        (lambda d: d.i.corr(d.x, method="kendall"), NotImplementedError),
        (lambda d: d.x.fillna(1.5, axis=1), ValueError),
        (lambda d: d[["s", "i"]].fillna(1.5, axis="columns"), TypeError),
        (lambda d: d.groupby("j").get_group(), TypeError),
        (lambda d: d.i.any(axis=1), ValueError),
        (lambda d: d.s.count(numeric_only=True), NotImplementedError),
        (lambda d: d.groupby("j").get_group(1, key=1), TypeError),
    ],
)
def test_unsupported_arguments(loaded, call, error):
    """Unsupported arguments raise an error."""
    with pytest.raises(error):
        call(loaded["mixed"])
