"""NaN is a missing value in frames, as in pandas, whatever its source; SQL treats it as a number."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from comparison import computed, same
from partita import dataframe as dd

nan, inf = float("nan"), float("inf")
#: Floats with all special values, besides ordinary ones.
VALUES = [1.5, nan, inf, -0.0, 0.0, -2.0, nan, 1.5, -inf, 7.25, nan, 3.0]
FRAME = pd.DataFrame(
    {
        "x": VALUES,
        "y": np.array(VALUES[3:] + VALUES[:3], dtype="float32"),
        "z": [nan, 1.0, 2.0, nan, 4.0, 5.0, 6.0, nan, 8.0, 9.0, 10.0, 11.0],
        "k": [1.0, nan, 1.0, 0.0, -0.0, nan, 2.0, 2.0, nan, 1.0, 0.0, 2.0],
        "g": [1, 1, 2, 2, 1, 3, 3, 2, 1, 3, 2, 4],
        "s": ["nan", "1.5", "NaN", "2", "-inf", "0", "1", "2", "3", "4", "5", "6"],
    },
    index=pd.RangeIndex(len(VALUES), name="i"),
)
#: The same without infinities, for operations that pandas does not define for them.
FINITE = FRAME.assign(x=FRAME.x.replace([inf, -inf], 5.5), y=FRAME.y.replace([inf, -inf], 5.5))


def with_nan(frame):
    """Return the frame as an Arrow table, with NaN where pandas has NaN, and null in the last row."""
    table = pa.Table.from_pandas(frame.reset_index(), preserve_index=False)
    columns = {}
    for name in table.column_names:
        made = pa.array(frame.reset_index()[name].to_numpy(), from_pandas=False)
        if pa.types.is_floating(made.type):
            assert made.null_count == 0
            made = pa.array([*made.to_pylist(), None], made.type)
        else:
            made = pa.concat_arrays([made, made[:1]])
        columns[name] = made
    columns["i"] = pa.array(range(len(frame) + 1))
    return pa.table(columns)


def in_pandas(frame):
    """Return the pandas frame of this table."""
    whole = with_nan(frame).to_pandas().set_index("i")
    return whole.astype({name: kind for name, kind in frame.dtypes.items() if kind != "object"})


@pytest.fixture(scope="module")
def tables(client, tmp_path_factory):
    """Return the same rows from files, Arrow, pandas, a table of the cluster, and persisted."""
    made = {}
    for name, frame in (("all", FRAME), ("finite", FINITE)):
        table = with_nan(frame)
        folder = tmp_path_factory.mktemp(name)
        pq.write_table(table.slice(0, 7), folder / "a.parquet", row_group_size=3)
        pq.write_table(table.slice(7), folder / "b.parquet", row_group_size=3)
        client.sql(f"create temporary table nan_{name} as select * from '{folder}'")
        files = dd.read_parquet(folder, index="i")
        made[name] = {
            "files": files,
            "arrow": dd.from_arrow(table, npartitions=2).set_index("i"),
            "pandas": dd.from_pandas(in_pandas(frame), npartitions=3),
            "table": dd.from_table(f"nan_{name}", index="i"),
            "persisted": files.persist(),
        }
    return made


SOURCES = ["files", "arrow", "pandas", "table", "persisted"]
COLUMNS = ["x", "y", "z"]

#: Operations on a column with infinities.
OF_COLUMN = {
    "sum": lambda c: c.sum(),
    "mean": lambda c: c.mean(),
    "min": lambda c: c.min(),
    "max": lambda c: c.max(),
    "max, none skipped": lambda c: c.max(skipna=False),
    "sum, none skipped": lambda c: c.sum(skipna=False),
    "sum of many": lambda c: c.sum(min_count=50),
    "count": lambda c: c.count(),
    "nunique": lambda c: c.nunique(),
    "nunique with missing": lambda c: c.nunique(dropna=False),
    "median": lambda c: c.median(),
    "any": lambda c: c.any(),
    "idxmax": lambda c: c.idxmax(),
    "idxmin": lambda c: c.idxmin(),
    "mode": lambda c: c.mode(),
    "isna": lambda c: c.isna(),
    "notna": lambda c: c.notna(),
    "isnan": lambda c: np.isnan(c),
    "dropna": lambda c: c.dropna(),
    "fillna": lambda c: c.fillna(-1),
    "more": lambda c: c > 1,
    "less or equal": lambda c: c <= 1.5,
    "equal": lambda c: c == 1.5,
    "unequal": lambda c: c != 1.5,
    "equal to itself": lambda c: c == c,
    "more than itself": lambda c: c > c,
    "rows by a condition": lambda c: c[c > 1],
    "rows by its opposite": lambda c: c[~(c > 1)],
    "between": lambda c: c.between(-2, 3),
    "isin": lambda c: c.isin([1.5, nan]),
    "isin without NaN": lambda c: c.isin([1.5, 7.25]),
    "clip": lambda c: c.clip(-1, 2),
    "where": lambda c: c.where(c > 1, 0),
    "mask": lambda c: c.mask(c > 1),
    "round": lambda c: c.round(1),
    "abs": lambda c: c.abs(),
    "negative": lambda c: -c,
    "sum with itself": lambda c: c + c,
    "difference from itself": lambda c: c - c,
    "product with zero": lambda c: c * 0,
    "product with itself": lambda c: c * c,
    "division by zero": lambda c: c / 0,
    "division by itself": lambda c: c / c,
    "floor division": lambda c: c // 2,
    "rest": lambda c: c % 2,
    "power": lambda c: c**1.5,
    "power of zero": lambda c: c**0,
    "missing differences": lambda c: (c - c).isna().sum(),
    "filled differences": lambda c: (c - c).fillna(9).sum(),
    "filled products": lambda c: (c * 0).fillna(9),
    "compared differences": lambda c: (c - c) <= 0,
    "counted quotients": lambda c: (c / 0).count(),
    "most of differences": lambda c: (c - c + 1).max(),
    "log": lambda c: np.log(c),
    "filled log": lambda c: np.log(c).fillna(9),
    "sqrt": lambda c: np.sqrt(c),
    "arcsin": lambda c: np.arcsin(c).count(),
    "sign": lambda c: np.sign(c),
    "floor": lambda c: np.floor(c),
    "maximum": lambda c: np.maximum(c, 1),
    "exp": lambda c: np.exp(c),
    "other size": lambda c: c.astype("float32"),
    "truths": lambda c: c.astype(bool),
    "running sum": lambda c: c.cumsum(),
    "running sum, filled": lambda c: c.cumsum().fillna(0),
    "running product": lambda c: c.cumprod(),
    "running max": lambda c: c.cummax(),
    "running min": lambda c: c.cummin(),
    "shift": lambda c: c.shift(1),
    "diff": lambda c: c.diff(),
    "ffill": lambda c: c.ffill(),
    "bfill": lambda c: c.bfill(limit=1),
    "rolling sum": lambda c: c.rolling(3, min_periods=1).sum(),
    "rolling mean": lambda c: c.rolling(3, min_periods=2).mean(),
    "rolling max": lambda c: c.rolling(3, min_periods=1).max(),
    "rolling count": lambda c: c.rolling(3, min_periods=1).count(),
    "value_counts": lambda c: c.value_counts().sort_index(),
    "value_counts with missing": lambda c: c.value_counts(dropna=False).sort_index(),
    "shares": lambda c: c.value_counts(normalize=True).sort_index(),
    # Only pandas treats both zeros as one here.
    "sorted": lambda c: (c + 0.0).sort_values(kind="stable"),
    "sorted down": lambda c: (c + 0.0).sort_values(ascending=False, kind="stable"),
    "missing first": lambda c: (c + 0.0).sort_values(na_position="first", kind="stable"),
    "nlargest": lambda c: c.nlargest(3),
    "nsmallest": lambda c: c.nsmallest(3),
    "drop_duplicates": lambda c: c.drop_duplicates(),
    "map": lambda c: c.map({1.5: 2.0, 3.0: nan}),
    "map of missing": lambda c: c.map({1.5: 2.0, nan: 7.0}),
    "counted map": lambda c: c.map({1.5: 2.0, 3.0: nan}).count(),
    "replace": lambda c: c.replace(1.5, nan),
    "replace missing": lambda c: c.replace(nan, 5),
    "filled where": lambda c: c.where(c > 1, nan).fillna(9),
    "sum of where": lambda c: c.where(c > 1, nan).max(),
    "one of its groups": lambda c: c.groupby(c).count(),
    "difference of reductions": lambda c: c.max() - c.max(),
}
#: Operations on a column without infinities, for which the result of pandas depends on NumPy.
OF_FINITE = {
    "std": lambda c: c.std(),
    "var": lambda c: c.var(ddof=0),
    "sem": lambda c: c.sem(),
    "prod": lambda c: c.prod(),
    "quantile": lambda c: c.quantile(0.3),
    "quantiles": lambda c: c.quantile([0.25, 0.5, 0.9]),
    "describe": lambda c: c.describe(),
    "rolling std": lambda c: c.rolling(4, min_periods=2).std(),
    "pct_change": lambda c: c.ffill().pct_change(),
    "whole numbers": lambda c: c.fillna(0).astype("int64"),
}
#: Operations on a frame.
OF_FRAME = {
    "sums": lambda d: d[COLUMNS].sum(),
    "counts": lambda d: d.count(),
    "largest": lambda d: d[COLUMNS].max(),
    "different": lambda d: d[[*COLUMNS, "k"]].nunique(),
    "sums of rows": lambda d: d[["x", "z"]].sum(axis=1),
    "means of rows": lambda d: d[["x", "z"]].mean(axis=1),
    "counts of rows": lambda d: d[COLUMNS].count(axis=1),
    "largest of rows": lambda d: d[["x", "z"]].max(axis=1),
    "sums of whole rows": lambda d: d[["x", "z"]].sum(axis=1, skipna=False),
    "missing": lambda d: d.isna(),
    "whole rows": lambda d: d.dropna(),
    "rows with anything": lambda d: d[["x", "z"]].dropna(how="all"),
    "rows with two": lambda d: d[COLUMNS].dropna(thresh=2),
    "rows with x": lambda d: d.dropna(subset=["x"]),
    "filled": lambda d: d[[*COLUMNS, "k"]].fillna(0),
    "filled by a column": lambda d: d.x.fillna(d.z),
    "combined": lambda d: d.x.combine_first(d.z),
    "sum of columns": lambda d: d.x + d.z,
    "difference of columns": lambda d: (d.x - d.y).isna(),
    "compared columns": lambda d: d.x > d.z,
    "unequal columns": lambda d: d.x != d.z,
    "query": lambda d: d.query("x > 0 and z != 4"),
    "opposite query": lambda d: d[~(d.x > 0)],
    "sorted": lambda d: d.sort_values(["z", "g", "s"]),
    "sorted by two": lambda d: (
        d.assign(k=d.k + 0.0).sort_values(["k", "z"], ascending=[False, True], na_position="first").z
    ),
    "sums of groups": lambda d: d.groupby("g")[["x", "z"]].sum(),
    "missing sums of groups": lambda d: d.groupby("g").x.sum().isna(),
    "filled sums of groups": lambda d: d.groupby("g").x.sum().fillna(9),
    "means of groups": lambda d: d.groupby("g").y.mean(),
    "counts of groups": lambda d: d.groupby("g")[COLUMNS].count(),
    "largest of groups": lambda d: d.groupby("g").x.max(),
    "first of groups": lambda d: d.groupby("g").x.first(),
    "last of groups": lambda d: d.groupby("g").y.last(),
    "different of groups": lambda d: d.groupby("g").x.nunique(),
    "groups of floats": lambda d: d.groupby("k").g.sum(),
    "groups of floats and missing": lambda d: d.groupby("k", dropna=False).g.sum(),
    "sizes": lambda d: d.groupby(["k", "g"]).size(),
    "means of rows of groups": lambda d: d.groupby("g").z.transform("mean"),
    "running sums of groups": lambda d: d.groupby("g").z.cumsum(),
    "filled groups": lambda d: d.groupby("g").z.ffill(),
    "changes in groups": lambda d: d.groupby("g").x.diff(),
    "running counts of float groups": lambda d: d.groupby("k").z.cumsum(),
    "groups' own": lambda d: d.groupby("g").apply(lambda g: g.x.max() - g.z.min()),
    "rows by an index of floats": lambda d: d[d.x.notna()].set_index("x").sort_index().loc[1:8].g.sum(),
    "texts as numbers": lambda d: d.s.astype("float64"),
    "missing texts as numbers": lambda d: d.s.astype("float64").isna(),
    "sums of texts as numbers": lambda d: d.s[d.s != "-inf"].astype("float32").sum(),
    "a new column": lambda d: d.assign(n=nan, m=d.x * inf)[["n", "m"]],
    "filled new column": lambda d: d.assign(m=(d.x * 0)).m.fillna(3).sum(),
    "conditions on rows": lambda d: d[["x", "z"]].where(d[["x", "z"]] > 1, nan).max(),
    "different rows": lambda d: d[["k", "g"]].drop_duplicates(),
    "rows counted": lambda d: d[["k", "g"]].value_counts().sort_index(),
    "one column by another": lambda d: d.x.mask(d.z.isna(), d.k),
}


def of(tables, name, source):
    return tables[name][source]


@pytest.mark.filterwarnings("ignore:.*encountered.*:RuntimeWarning")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("method", OF_COLUMN)
def test_columns(tables, source, method):
    """Results of float columns equal those of pandas, whatever the source of NaN."""
    function, frame = OF_COLUMN[method], in_pandas(FRAME)
    for label in COLUMNS if source == "files" else ["x"]:
        expected = function(frame[label])
        got = computed(function(of(tables, "all", source)[label]))
        if method == "mode" or "value_counts" in method or method in ("shares", "one of its groups"):
            got, expected = zeros(got), zeros(expected)
        same(got, expected)


def zeros(series):
    """Replace -0.0 by 0.0, since it is undefined which of them represents both."""
    made = series + 0.0 if series.dtype.kind == "f" else series.copy()
    made.index = made.index + 0.0 if made.index.dtype.kind == "f" else made.index
    return made


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("method", OF_FINITE)
def test_finite_columns(tables, source, method):
    """Statistics of columns with NaN."""
    function, frame = OF_FINITE[method], in_pandas(FINITE)
    for label in COLUMNS if source == "files" else ["x"]:
        same(computed(function(of(tables, "finite", source)[label])), function(frame[label]))


@pytest.mark.filterwarnings("ignore:.*encountered.*:RuntimeWarning")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("method", OF_FRAME)
def test_frames(tables, source, method):
    """Results of frames with NaN in columns and keys equal those of pandas."""
    function = OF_FRAME[method]
    same(computed(function(of(tables, "all", source))), function(in_pandas(FRAME)))


@pytest.mark.parametrize("source", SOURCES)
def test_statistics_of_frames(tables, source):
    """Descriptions and correlations ignore NaN."""
    frame, ours = in_pandas(FINITE), of(tables, "finite", source)
    same(ours[COLUMNS].describe().compute(), frame[COLUMNS].describe())
    same(ours[["x", "z", "g"]].corr().compute(), frame[["x", "z", "g"]].corr())
    same(ours.x.cov(ours.z).compute(), frame.x.cov(frame.z))
    for name in ("std", "var", "median", "prod", "sem", "mean"):
        expected = getattr(frame.groupby("g")[["x", "z"]], name)()
        same(getattr(ours.groupby("g")[["x", "z"]], name)().compute(), expected)
    same(ours[["x", "z"]].std(axis=1).compute(), frame[["x", "z"]].std(axis=1))


@pytest.mark.parametrize("how", ["inner", "left", "outer"])
@pytest.mark.parametrize("source", SOURCES)
def test_keys_of_merges(tables, source, how):
    """NaN keys match missing keys."""
    right = pd.DataFrame({"k": [nan, 0.0, 5.0], "w": [10.0, 20.0, nan]})
    table = pa.table({"k": pa.array([nan, 0.0, 5.0], from_pandas=False), "w": [10.0, 20.0, nan]})
    got = of(tables, "all", source)[["k", "g"]].merge(dd.from_arrow(table, npartitions=1), on="k", how=how)
    expected = in_pandas(FRAME)[["k", "g"]].merge(right, on="k", how=how)
    same(got.assign(k=got.k + 0.0).compute(), expected.assign(k=expected.k + 0.0), ordered=False)
    assert int(got.w.count().compute()) == expected.w.count()


@pytest.mark.parametrize("source", ["files", "table"])
def test_concat(tables, source):
    """Concatenation of rows with NaN and rows with null."""
    ours, frame = of(tables, "all", source)[["x"]], in_pandas(FRAME)[["x"]]
    got = dd.concat([ours, dd.from_pandas(frame, npartitions=1)])
    expected = pd.concat([frame, frame])
    assert got.x.count().compute() == expected.x.count()
    assert got.x.max().compute() == inf
    same(got.x.value_counts().sort_index().compute(), expected.x.value_counts().sort_index())


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_nullable_columns(tmp_path, backend):
    """Nullable and Arrow columns of files have NA instead of NaN."""
    table = pa.table({"x": pa.array([1.0, nan, None, 0.0], from_pandas=False)})
    pq.write_table(table, tmp_path / "t.parquet")
    given = {} if backend is None else {"dtype_backend": backend}
    ours = dd.read_parquet(tmp_path / "t.parquet", **given)
    expected = pd.read_parquet(tmp_path / "t.parquet", **({"dtype_backend": "numpy_nullable"} if backend else {}))
    if backend == "pyarrow":
        expected = expected.astype("double[pyarrow]")
    for function in (
        lambda d: d.x.sum(),
        lambda d: d.x.count(),
        lambda d: d.x.isna(),
        lambda d: d.x > 0.5,
        lambda d: d.x.fillna(5),
        lambda d: d.x / d.x,
        lambda d: (d.x / 0).isna(),
        lambda d: d.x.max(),
    ):
        same(computed(function(ours)), function(expected))


def test_nullable_columns_of_pandas():
    """A nullable column with NaN and NA, which only its constructor creates, has NA for both."""
    both = pd.arrays.FloatingArray(np.array([1.0, nan, nan]), np.array([False, False, True]))
    arrow = pd.Series(pa.array([1.0, nan, None], from_pandas=False), dtype=pd.ArrowDtype(pa.float64()))
    for column in (pd.Series(both), arrow):
        ours = dd.from_pandas(column, npartitions=2)
        assert ours.isna().compute().tolist() == [False, True, True]
        assert (ours.sum().compute(), int(ours.count().compute())) == (1.0, 1)


def test_sql_keeps_nan(client, tables):
    """In SQL statements, NaN is a number greater than all others."""
    row = client.sql("select sum(z) as s, count(z) as n, max(z) as m from nan_all").to_pylist()[0]
    assert np.isnan(row["s"]) and row["n"] == len(FRAME) and np.isnan(row["m"])


def test_row_group_pruning(tables):
    """Comparisons skip row groups by statistics; Parquet statistics omit NaN."""
    files = of(tables, "all", "files")
    for condition in (files.z > 9, files.z < 2, files.z == 4):
        plan = files[condition].explain()
        assert "z_max@" in plan or "z_min@" in plan, plan
    assert files[files.z > 9].z.compute().tolist() == [10.0, 11.0]
