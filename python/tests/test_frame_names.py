"""Names of dask.dataframe beside pandas: reshaping, module functions, partitions as wholes."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame(
    {
        "k": pd.Categorical(["x", "y", "x", None, "y", "x"], categories=["y", "x", "z"]),
        "g": [2, 1, 2, 1, 2, 1],
        "v": [1.5, 2.0, np.nan, 4.0, 5.5, 6.0],
        "n": [1, 2, 3, 4, 5, 6],
        "s": ["a", "b", None, "d", "e", "a"],
    },
    index=pd.Index([10, 20, 30, 40, 50, 60], name="i"),
)


@pytest.fixture(scope="module")
def loaded(client):
    return dd.from_pandas(FRAME, npartitions=2)


def module_of(frame):
    return pd if isinstance(frame, pd.DataFrame) else dd


FUNCTIONS = {
    "isna": lambda d: module_of(d).isna(d),
    "isna of a column": lambda d: module_of(d).isna(d.v),
    "melt": lambda d: module_of(d).melt(d[["v", "n"]]),
    "melt with ids": lambda d: module_of(d).melt(d, id_vars="g", value_vars=["n", "v"], var_name="of", value_name="x"),
    "melt of one column": lambda d: d.melt(id_vars=["k", "s"], value_vars="n"),
    "melt of strings": lambda d: d.melt("g", "s"),
    "melt of categories": lambda d: d.melt("g", "k"),
    "dummies": lambda d: module_of(d).get_dummies(d[["k", "v"]]),
    "dummies of a column": lambda d: module_of(d).get_dummies(d.k),
    "sparse dummies": lambda d: module_of(d).get_dummies(d[["k", "v"]], sparse=True),
    "sparse dummies of numbers": lambda d: module_of(d).get_dummies(d.k, sparse=True, dtype=int),
    "a column of sparse dummies": lambda d: module_of(d).get_dummies(d[["k"]], sparse=True).iloc[:, 0],
    "sum of sparse dummies": lambda d: module_of(d).get_dummies(d[["k"]], sparse=True).iloc[:, 0].sum(),
    "dummies of missing values": lambda d: module_of(d).get_dummies(d.k, dummy_na=True, prefix="p", dtype=int),
    "dummies of columns": lambda d: module_of(d).get_dummies(
        d[["n", "k"]], columns=["k"], prefix=["q"], prefix_sep="-", drop_first=True
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(loaded, name):
    same(computed(FUNCTIONS[name](loaded)), FUNCTIONS[name](FRAME))


@pytest.mark.parametrize("aggfunc", ["mean", "sum", "count", "first", "last", "min", "max"])
def test_pivot_table(loaded, aggfunc):
    found = dd.pivot_table(loaded, index="g", columns="k", values="v", aggfunc=aggfunc).compute()
    expected = FRAME.pivot_table(index="g", columns="k", values="v", aggfunc=aggfunc, observed=False)
    # As in Dask, categories that do not occur are columns too.
    assert list(found.columns) == ["y", "x", "z"]
    same(found.loc[:, found.columns.isin(expected.columns)], expected)


def test_pivot_table_of_several_values(loaded):
    found = loaded.pivot_table(index="g", columns="k", values=["v", "n"], aggfunc="sum").compute()
    same(found, FRAME.pivot_table(index="g", columns="k", values=["v", "n"], aggfunc="sum", observed=False))


def test_rows_without_values_are_left_out_of_pivot_tables(client):
    frame = pd.DataFrame({"k": pd.Categorical(["x", "y"]), "g": [1, 2], "v": [np.nan, 1.0]})
    found = dd.from_pandas(frame, npartitions=1).pivot_table("g", "k", "v").compute()
    assert found.index.tolist() == frame.pivot_table("v", "g", "k", observed=True).index.tolist() == [2]


REFUSED = {
    "dummies of strings": (NotImplementedError, r"use categorize\(\)", lambda d: dd.get_dummies(d)),
    "dummies of a column of strings": (NotImplementedError, r"use categorize\(\)", lambda d: dd.get_dummies(d.s)),
    "sum of melted strings and numbers": (TypeError, "several types", lambda d: d[["s", "n"]].melt().value.sum()),
    "melt to a known label": (ValueError, "value_name", lambda d: d.melt("g", "n", value_name="v")),
    "melt of an unknown column": (KeyError, "no columns", lambda d: d.melt("zz")),
    "pivot by numbers": (ValueError, "category dtype", lambda d: d.pivot_table("k", "g", "v")),
    "pivot by two keys": (ValueError, "name of an existing column", lambda d: d.pivot_table(["g", "n"], "k", "v")),
    "pivot with a function": (ValueError, "aggfunc", lambda d: d.pivot_table("g", "k", "v", aggfunc=len)),
    "durations of times": (
        TypeError,
        "strings or numbers",
        lambda d: dd.to_timedelta(dd.to_datetime(d.n, unit="s")),
    ),
    "explode of two columns": (NotImplementedError, "one column", lambda d: d.explode(["s", "k"])),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(loaded, name):
    kind, message, function = REFUSED[name]
    with pytest.raises(kind, match=message):
        computed(function(loaded))


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (["1 days", "2s", None, "90min", "-1 days +02:00:00"], None),
        ([1, 2, 3], "s"),
        ([1.5, None, -2.25], "h"),
        ([1, 2], None),
    ],
)
def test_to_timedelta(client, values, unit):
    column = pd.Series(values, name="v")
    found = dd.to_timedelta(dd.from_pandas(column, npartitions=2), unit=unit).compute()
    expected = pd.to_timedelta(column, unit=unit)
    # The unit of strings is that of the finest possible value.
    same(found, expected.astype("timedelta64[ns]") if column.dtype == "str" else expected)
    assert dd.to_timedelta("1 days") == pd.Timedelta("1 days")


def test_errors_of_to_timedelta(client):
    column = dd.from_pandas(pd.Series(["1s", "what"]), npartitions=1)
    assert dd.to_timedelta(column, errors="coerce").isna().compute().tolist() == [False, True]
    with pytest.raises(ValueError, match=r"what|abbreviation"):
        dd.to_timedelta(column).compute()


def test_explode(client):
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "l": [[3, 1], [], None, [2]], "b": list("wxyz")}, index=[5, 6, 7, 8])
    ddf = dd.from_pandas(frame, npartitions=2)
    found, expected = ddf.explode("l").compute(), frame.explode("l")
    # A missing list becomes NaN too, not None.
    pd.testing.assert_frame_equal(found, expected.assign(l=expected.l.where(expected.l.notna(), float("nan"))))
    assert ddf.explode("l").l.sum().compute() == 6
    assert ddf.explode("l").a.cumsum().compute().tolist() == [1, 2, 4, 7, 11]
    same(ddf.explode("a").compute()[["a", "b"]], frame[["a", "b"]])
    words = pd.DataFrame({"w": ["b a", None, "c"]})
    found = dd.from_pandas(words, npartitions=2).assign(w=lambda d: d.w.str.split(" ")).explode("w").compute()
    assert found.w.tolist()[:2] == ["b", "a"] and found.index.tolist() == [0, 0, 1, 2] and found.w.isna().sum() == 1


@pytest.mark.parametrize(
    "lists",
    [
        [[1, 2], [3], [1]],
        [[0.5], [1.5, 2.0], []],
        [[True], [False, True], []],
        [["x", "y"], ["x"], []],
        [[pd.Timestamp("2020-01-01")], [], [pd.Timestamp("2021-01-01")]],
        [[[1], [2, 3]], [[4]], [[5]]],
    ],
)
def test_types_of_items(client, lists):
    """Numbers become Python objects, as in pandas, with which the cluster computes as before; groups have their own type."""
    frame = pd.DataFrame({"a": [1, 2, 3], "l": lists})
    found, expected = dd.from_pandas(frame, npartitions=2).explode("l"), frame.explode("l")
    same(found.compute(), expected)
    assert found.l.dtype == expected.l.dtype
    same(found.persist().set_index("l", sort=False).compute(), expected.set_index("l"))
    if not isinstance(lists[0][0], list):
        same(found.groupby("l").a.sum().compute(), expected.groupby("l").a.sum())


def test_explode_of_lists_of_lists(client):
    frame = pd.DataFrame({"n": [[[1], [2, 3]], [[4]], []]})
    once = dd.from_pandas(frame, npartitions=2).explode("n")
    assert len(once) == 4 and once.explode("n").n.compute().tolist()[:4] == [1, 2, 3, 4] and len(once.explode("n")) == 5


def test_explode_within_plans(client):
    """Conditions, groups, windows and partitions see the rows of the items."""
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "l": [[1, 2], [5], [3], [7, 8, 9]]})
    found, expected = dd.from_pandas(frame, npartitions=2).explode("l"), frame.explode("l").astype({"l": int})
    same(found[(found.a > 1) & (found.l > 4)].compute(), frame.explode("l")[(expected.a > 1) & (expected.l > 4)])
    same(found.groupby("a").l.sum().compute(), expected.groupby("a").l.sum())
    same(found.assign(c=found.l.cumsum()).tail(4).astype({"l": int}), expected.assign(c=expected.l.cumsum()).tail(4))
    same(found.map_partitions(lambda part: part * 2).compute(), expected * 2)


def test_files_by_functions(loaded, tmp_path):
    frame = loaded[["n", "v"]]
    dd.to_csv(frame, tmp_path / "csv")
    dd.to_parquet(frame, tmp_path / "parquet")
    dd.to_json(frame, tmp_path / "json")
    assert dd.read_csv(str(tmp_path / "csv")).n.sum().compute() == 21
    assert dd.read_json(str(tmp_path / "json")).n.sum().compute() == 21
    same(dd.read_parquet(str(tmp_path / "parquet")).compute().sort_index(), FRAME[["n", "v"]])
    FRAME[["n", "s"]].to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    same(dd.read_table(tmp_path / "t.tsv").compute(), pd.read_table(tmp_path / "t.tsv"), ordered=False)


def test_functions_of_methods(loaded):
    assert dd.compute(loaded.n.sum(), loaded.n.max()) == (21, 6)
    assert dd.to_bag(loaded.n).compute() == FRAME.n.tolist()
    assert dd.repartition(loaded, [10, 30, 60]).divisions == (10, 30, 60)
    assert dd.repartition(FRAME[["n"]], [10, 40, 60], force=True).divisions == (10, 40, 60)
    assert dd.repartition(FRAME[["n"]], [0, 40, 70]).divisions == (0, 40, 70)
    assert dd.DataFrame.from_dict({"a": [1, 2]}, npartitions=1).a.sum().compute() == 3
    with pytest.raises(TypeError, match="use from_pandas"):
        dd.to_bag(FRAME)
    for name in ("shuffle", "to_records"):
        with pytest.raises(NotImplementedError, match=r"use to_frame\(\)"):
            getattr(loaded.n, name)


MOMENTS = {
    "skew": lambda d: d.skew(numeric_only=True),
    "kurtosis": lambda d: d[["g", "v", "n"]].kurtosis(),
    "skew of a column": lambda d: d.v.skew(),
    "kurt of a column": lambda d: d.n.kurt(),
    "skew with missing values": lambda d: d[["v", "n"]].skew(skipna=False),
    "skew of equal values": lambda d: (d.n * 0 + 0.1).skew(),
    "kurtosis of equal values": lambda d: (d.n * 0 + 0.1).kurtosis(),
    "skew of two values": lambda d: d.n[d.n < 3].skew(),
    "kurtosis of three values": lambda d: d.n[d.n < 4].kurtosis(),
    "skew of small deviations": lambda d: (d.v + 1e8).skew(),
    "skew of float32": lambda d: d.v.astype("float32").skew(),
    "skew of windows": lambda d: d.n.cumsum().skew(),
    "median": lambda d: d[["v", "n"]].median() if isinstance(d, pd.DataFrame) else d[["v", "n"]].median_approximate(),
    "median of a column": lambda d: d.v.median() if isinstance(d, pd.DataFrame) else d.v.median_approximate(),
    "squeeze": lambda d: d[["v"]].squeeze(axis=1),
    "squeeze of several columns": lambda d: d[["v", "n"]].squeeze(axis=1),
    "column by position": lambda d: d.iloc[:, 2],
    "last column": lambda d: d.iloc[:, -1],
    "columns by position": lambda d: d.iloc[:, [3, 1]],
    "slice of columns": lambda d: d.iloc[:, 1:4:2],
    "mask of columns": lambda d: d.iloc[:, [True, False, False, True, False]],
    "map": lambda d: d[["n", "v"]].map(lambda value: value * 2),
    "rdiv": lambda d: d.v.rdiv(3),
    "rdiv of a frame": lambda d: d[["v", "n"]].rdiv(3.0),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_values(loaded, name):
    same(computed(MOMENTS[name](loaded)), MOMENTS[name](FRAME))


def test_moments_with_bias(loaded):
    """The definitions of SciPy's and Dask's default."""
    d = FRAME.n - FRAME.n.mean()
    assert np.isclose(loaded.n.skew(bias=True).compute(), (d**3).mean() / (d**2).mean() ** 1.5)
    found = loaded.n.kurtosis(bias=True, fisher=False).compute()
    assert np.isclose(found, (d**4).mean() / (d**2).mean() ** 2)
    assert np.isclose(loaded.n.kurtosis(fisher=False).compute(), FRAME.n.kurtosis() + 3)
    with pytest.raises(TypeError, match="column 'k'"):
        loaded.skew()


def test_number_of_distinct_rows(loaded):
    frame = loaded[["k", "g"]]
    assert frame.nunique_approx().compute() == len(FRAME[["k", "g"]].drop_duplicates()) == 5


def test_selection_of_rows_by_position_is_refused(loaded):
    for key in (0, slice(0, 2), (0, 1), (slice(1, None), 1)):
        with pytest.raises(NotImplementedError, match="selects only columns"):
            loaded.iloc[key]
    with pytest.raises(IndexError):
        loaded.iloc[:, 9]
    with pytest.raises(NotImplementedError, match="squeeze"):
        loaded.squeeze(axis=0)


def test_iteration(loaded):
    numbers = FRAME[["g", "v", "n"]]
    found = list(loaded[["g", "v", "n"]].itertuples())
    assert [one.n for one in found] == FRAME.n.tolist() and [one.Index for one in found] == FRAME.index.tolist()
    rows = list(loaded[["g", "v", "n"]].iterrows())
    assert [label for label, _ in rows] == FRAME.index.tolist()
    same(pd.DataFrame([row for _, row in rows]).n.tolist(), [float(n) for n in numbers.n])
    without = loaded.reset_index(drop=True)[["n"]].itertuples(name="Row")
    assert [tuple(one) for one in without] == list(enumerate(FRAME.n))


def test_records(loaded):
    found = loaded[["n", "g"]].to_records(index=True)
    expected = FRAME[["n", "g"]].to_records(index=True)
    assert found.dtype == expected.dtype and found.compute().tolist() == expected.tolist()
    assert str(found.compute().dtype) == str(expected.dtype) and found.compute()["n"].tolist() == FRAME.n.tolist()
    assert dd.to_records(loaded[["n"]]).compute()["n"].tolist() == FRAME.n.tolist()
    assert loaded[["n"]].to_records(lengths=True).shape == (6,)


def test_reduction(loaded):
    count = loaded.n.reduction(lambda part: part.count(), lambda found: found.sum())
    assert count.compute() == 6
    frame = loaded[["n", "v"]].reduction(lambda part: part.count(), lambda found: found.sum())
    same(frame.compute(), FRAME[["n", "v"]].count())
    tops = loaded[["n", "v"]].reduction(lambda part, most: part.nlargest(most, "n"), chunk_kwargs={"most": 1},
        aggregate=lambda found: found.nlargest(1, "n"))  # fmt: skip
    same(tops.compute(), FRAME[["n", "v"]].nlargest(1, "n"))
    many = dd.from_pandas(pd.DataFrame({"a": range(40)}), npartitions=40)
    assert many.a.reduction(lambda part: part.sum(), sum_of, combine=sum_of).compute() == 780
    with pytest.raises(ValueError, match="give the type with meta="):
        loaded.n.reduction(lambda part: part.no_such_method())
    with pytest.raises(ValueError, match="combine_kwargs"):
        loaded.n.reduction(len, combine_kwargs={"a": 1})


def sum_of(found):
    return found.sum()


def test_memory_usage(client):
    frame = pd.DataFrame({"a": range(100), "b": np.arange(100.0)}, index=np.arange(100) * 2)
    ddf = dd.from_pandas(frame, npartitions=2)
    same(ddf.memory_usage(index=False).compute(), frame.memory_usage(index=False))
    assert ddf.memory_usage().compute().Index >= 800
    assert ddf.a.memory_usage(index=False).compute() == ddf.a.nbytes.compute() == 800
    per_partition = ddf.memory_usage_per_partition(index=False).compute()
    assert per_partition.tolist() == [800, 800] and per_partition.index.tolist() == [0, 1]


def test_random_split(client):
    frame = pd.DataFrame({"a": range(1000)})
    ddf = dd.from_pandas(frame, npartitions=3)
    parts = [part.compute() for part in ddf.random_split([0.5, 0.3, 0.2], random_state=3)]
    same(pd.concat(parts).sort_index(), frame)
    assert [abs(len(part) / 1000 - share) < 0.07 for part, share in zip(parts, [0.5, 0.3, 0.2])] == [True] * 3
    again = ddf.a.random_split([0.5, 0.5], random_state=np.random.RandomState(1))
    assert sum(map(len, again)) == 1000 and again[0].name == "a"
    # The rows of a sample without a seed differ in each query.
    volatile = ddf.sample(frac=0.5)
    halves = volatile.random_split([0.5, 0.5])
    assert not set(halves[0].a.compute()) & set(halves[1].a.compute())
    with pytest.raises(ValueError, match="their sum 1"):
        ddf.random_split([0.5, 0.6])
    with pytest.raises(NotImplementedError, match="shuffle"):
        ddf.random_split([0.5, 0.5], shuffle=True)


@pytest.mark.parametrize("on", ["k", ["k", "m"], "f"])
def test_shuffle(client, on):
    frame = pd.DataFrame({"k": [1, 2, 3, None, 5] * 20, "m": ["a", "b"] * 50, "v": range(100)})
    frame["f"] = [0.0, -0.0, 1.0, 2.0] * 25
    ddf = dd.from_pandas(frame, npartitions=4)
    shuffled = ddf.shuffle(on, npartitions=3)
    assert 1 < shuffled.npartitions <= 3 and not shuffled.known_divisions
    same(shuffled.compute().sort_index(), frame)
    parts = [part.compute() for part in shuffled.to_delayed()]
    labels = on if isinstance(on, list) else [on]
    keys = [key for part in parts for key in set(map(tuple, part[labels].fillna(-1).to_numpy()))]
    assert len(keys) == len(set(keys))
    assert ddf.shuffle(on_index=True, ignore_index=True, npartitions=2).compute().index.tolist() == list(range(100))
    with pytest.raises(TypeError, match="on="):
        ddf.shuffle()


def test_plans(loaded, capsys):
    assert loaded.optimize() is loaded is loaded.to_backend() and loaded.v.simplify().sum().compute() == FRAME.v.sum()
    loaded.v.pprint()
    assert "v" in capsys.readouterr().out
    assert "npartitions=2" in loaded.to_string()
    assert "<table" in loaded.to_html()
    assert loaded.axes[1].tolist() == list(FRAME.columns)
    same(loaded.axes[0].compute(), FRAME.index)


COLUMNS = {
    "add_prefix": lambda d: d.v.add_prefix("p"),
    "add_suffix": lambda d: d.n.add_suffix("_x"),
    "autocorr": lambda d: d.n.autocorr(),
    "autocorr with a lag": lambda d: (d.v * d.v).autocorr(lag=2),
    "increasing": lambda d: d.n.is_monotonic_increasing,
    "not increasing": lambda d: d.g.is_monotonic_increasing,
    "decreasing": lambda d: (-d.n).is_monotonic_decreasing,
    "missing values are not in order": lambda d: d.v.is_monotonic_increasing,
    "equal values": lambda d: (d.n * 0).is_monotonic_decreasing,
    "increasing index": lambda d: d.index.is_monotonic_increasing,
    "no rows": lambda d: d.n[d.n > 100].is_monotonic_increasing,
    "case_when": lambda d: d.n.case_when([(d.n < 3, 0), (d.g == 2, d.n * 10), (lambda n: n > 5, lambda n: -n)]),
    "case_when of missing values": lambda d: d.v.case_when([(d.v.isna(), 0.5)]),
    "rename_axis": lambda d: d.v.rename_axis("row"),
    "rename_axis by keyword": lambda d: d.v.rename_axis(index={"i": "j"}),
    "dot": lambda d: d.n.dot(d.g),
    "dot with missing values": lambda d: d.n.dot(d.v),
    "dot with a frame": lambda d: d.n.dot(d[["g", "n"]]),
    "combine": lambda d: d.n.combine(d.g, max),
    "combine with a value": lambda d: d.n.combine(3, lambda a, b: a - b),
    "combine_first": lambda d: d.v.combine_first(d.n),
    "combine_first of frames": lambda d: d[["v", "g"]].combine_first(d[["n"]].assign(v=d.n * 100)),
    "combine of frames": lambda d: d[["n", "g"]].combine(d[["g", "n"]] * 2, np.minimum),
    "combine with a fill value": lambda d: d[["v"]].combine(d[["v"]] * 2, lambda a, b: a + b, fill_value=1.0),
    "combine by whole columns": lambda d: d[["n", "g"]].combine(
        d[["n", "g"]] * -1, lambda a, b: a if a.sum() > b.sum() else b
    ),
    "dot of a frame": lambda d: d[["n", "g"]].dot([2, 3]),
    "dot of small integers": lambda d: d[["n"]].astype("int8").dot([100]),
    "dot of booleans": lambda d: d.assign(a=d.n > 2, b=d.n > 4)[["a", "b"]].dot([True, False]),
    "dot of columns of small integers": lambda d: (
        (d.n * 20).astype("int8").astype("int64").dot(d.n)
        if isinstance(d, pd.DataFrame)
        else (d.n * 20).astype("int8").dot(d.n.astype("int8"))
    ),
    "dot of a frame with labels": lambda d: d[["n", "g"]].dot(pd.Series({"g": 0.5, "n": 2.0})),
    "dot of a frame with a matrix": lambda d: d[["n", "v"]].dot(
        pd.DataFrame({"p": [1, 2], "q": [3, 4]}, index=["n", "v"])
    ),
    "labels as a column": lambda d: d.index.to_series(),
    "labels as a column with a name": lambda d: d.index.to_series(name="z"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(loaded, name):
    same(computed(COLUMNS[name](loaded)), COLUMNS[name](FRAME))


@pytest.mark.parametrize("join", ["outer", "inner", "left", "right"])
def test_align(loaded, join):
    def both(d, **how):
        return d[["n", "v"]].align(d[["v", "g"]] * 2, join=join, **how)

    for how in ({"axis": 1}, {"axis": 0}, {"axis": 1, "fill_value": 7}):
        for found, expected in zip(both(loaded, **how), both(FRAME, **how)):
            pd.testing.assert_frame_equal(found.compute(), expected, check_dtype=False)
    left, right = loaded.n.align(loaded.g)
    assert left is loaded.n or (left.name == "n" and right.name == "g")


def test_attributes_of_columns(loaded, tmp_path):
    assert loaded.v.divisions == loaded.divisions == (10, 40, 60) and loaded.v.dtypes == FRAME.v.dtype
    assert loaded.index.memory_usage().compute() >= 48
    loaded.n.to_csv(tmp_path / "csv", index=False)
    loaded.n.to_json(tmp_path / "json")
    assert dd.read_csv(str(tmp_path / "csv")).n.sum().compute() == 21
    assert dd.read_json(str(tmp_path / "json")).n.sum().compute() == 21
    lists = dd.from_pandas(pd.Series([[1, 2], [3]], name="l"), npartitions=2).explode()
    same(lists.compute(), pd.Series([[1, 2], [3]], name="l").explode())


def test_combinations_that_are_refused(loaded):
    with pytest.raises(NotImplementedError, match="second one"):
        loaded[["n"]].dot(loaded.n)
    with pytest.raises(TypeError, match="must return a column"):
        loaded[["n"]].combine(loaded[["n"]], lambda a, b: 1)


@pytest.mark.parametrize("name", ["lower_once", "analyze"])
def test_refused_names_have_a_remedy(loaded, name):
    assert not hasattr(loaded, name)
    with pytest.raises(NotImplementedError, match=f"{name} is not supported; use "):
        getattr(loaded, name)


def test_the_text_of_a_column_has_no_header(client):
    column = dd.from_pandas(pd.Series(range(8), index=list("ABCDEFGH"), name="x"), npartitions=3)
    assert column.to_string().splitlines() == ["npartitions=3", "A    int64", "D      ...", "G      ...", "H      ..."]
