"""Details in which results could differ from those of pandas: shape, names, categories, types."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")


def lazily(frame, npartitions=3):
    return dd.from_pandas(frame, npartitions=npartitions)


# Descriptions.

DESCRIBED = pd.DataFrame(
    {
        "s": ["x", "y", None, "x"],
        "x": [1, 2, 3, None],
        "t": pd.to_datetime(["2020-01-01", "2020-01-05", None, "2020-03-01"]),
        "td": pd.to_timedelta([1, 2, None, 5], unit="h"),
        "b": [True, False, True, True],
        "I": pd.array([1, None, 2, 3], dtype="Int64"),
        "k": pd.Categorical(list("aaab"), list("bac")),
    }
)
DESCRIPTIONS = {
    "usual": lambda d: d.describe(),
    "durations": lambda d: d[["x", "td"]].describe(),
    "booleans and durations": lambda d: d[["b", "td"]].describe(),
    "strings and booleans": lambda d: d[["s", "b"]].describe(),
    "all": lambda d: d.describe(include="all"),
    "nullable": lambda d: d[["I", "x"]].describe(),
    "durations only": lambda d: d.describe(include=[np.timedelta64]),
    "without numbers": lambda d: d[["s", "x", "t", "b"]].describe(exclude=["number"]),
    "quantile levels": lambda d: d[["x", "td"]].describe([0.9, 0.123]),
    "column of durations": lambda d: d.td.describe(),
    "column of times": lambda d: d.t.describe(),
    "column of categories": lambda d: d.k.describe(),
    "quantiles of all kinds": lambda d: d[["x", "t", "td"]].quantile(numeric_only=False),
    "quantile of times": lambda d: d.t.quantile(0.3),
    "quantiles of durations": lambda d: d.td.quantile([0.3, 0.6]),
    "quantiles of a frame": lambda d: d[["x", "td"]].quantile([0.3, 0.6]),
    "quantile of groups of durations": lambda d: d.groupby("b").td.quantile(0.3),
}


@pytest.mark.parametrize("method", DESCRIPTIONS)
def test_descriptions(method):
    """Descriptions of times and durations equal those of pandas, including the order of rows."""
    function = DESCRIPTIONS[method]
    same(computed(function(lazily(DESCRIBED))), function(DESCRIBED))


REFUSED_DESCRIPTIONS = {
    "duplicate quantile levels": lambda d: d[["x"]].describe([0.9, 0.9]),
    "no such columns": lambda d: d[["s", "b"]].describe(include=[np.timedelta64]),
    "no columns": lambda d: d[[]].describe(),
    "all but some": lambda d: d.describe(include="all", exclude=["number"]),
}


@pytest.mark.parametrize("method", REFUSED_DESCRIPTIONS)
def test_invalid_descriptions(method):
    for frame in (DESCRIBED, lazily(DESCRIBED)):
        with pytest.raises(ValueError):
            REFUSED_DESCRIPTIONS[method](frame)


@pytest.mark.parametrize("q", [0.0, 0.123, 0.37, 0.5, 0.999, 1.0])
def test_quantiles_are_exact(q):
    """Interpolated quantiles have the precision of a double."""
    values = np.random.default_rng(1).normal(size=31) * 1e6
    frame = pd.DataFrame({"x": values, "g": list("abc") * 10 + ["a"]})
    frame.loc[frame.index % 5 == 0, "x"] = None
    ours = lazily(frame)
    assert np.isclose(ours.x.quantile(q).compute(), frame.x.quantile(q), rtol=1e-14)
    assert np.allclose(ours.groupby("g").x.quantile(q).compute(), frame.groupby("g").x.quantile(q), rtol=1e-14)
    assert np.isnan(ours.x[ours.x > 1e9].quantile(q).compute())


def test_quantile_of_strings():
    with pytest.raises(TypeError, match="quantile"):
        lazily(DESCRIBED).s.quantile(0.3)


def test_max_of_no_times():
    ours = lazily(DESCRIBED)
    assert ours.t[ours.x > 9].max().compute() is pd.NaT
    assert ours.td[ours.x > 9].mean().compute() is pd.NaT


# Joins.

LEFT = pd.DataFrame({"x": range(8), "z": list("ababbdda")}, index=range(8))
RIGHT = pd.DataFrame({"x": [1, 2, 3, 9], "w": list("abda")}, index=[0, 1, 2, 99])


def joined(call, *frames, index=True):
    """The rows of a join equal those of pandas in any order, and so does the index unless it counts from 0."""

    def in_order(frame):
        frame = frame.reset_index(names="label") if index else frame.reset_index(drop=True)
        return frame.iloc[frame.astype(str).sort_values(list(frame.columns)).index].reset_index(drop=True)

    ours, theirs = call(dd, *map(lazily, frames)).compute(), call(pd, *frames)
    assert ours.index.name == theirs.index.name
    same(in_order(ours), in_order(theirs))


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@pytest.mark.parametrize("suffixes", [("_x", "_y"), ("", "_y"), ("_x", "")])
@pytest.mark.parametrize("frames", [(LEFT, RIGHT), (RIGHT, LEFT)], ids=["left", "right"])
def test_join_of_column_and_index(how, suffixes, frames):
    """A key that is a column of both frames is also in the result without a suffix."""
    by_left = lambda m, a, b: m.merge(a, b, left_on="x", right_index=True, how=how, suffixes=suffixes)  # noqa: E731
    by_right = lambda m, a, b: m.merge(a, b, left_index=True, right_on="x", how=how, suffixes=suffixes)  # noqa: E731
    if how == "outer" and suffixes[0] and not suffixes[1]:
        for call in (by_left, by_right):
            with pytest.raises(NotImplementedError, match="'x'"):
                call(dd, *map(lazily, frames))
        return
    joined(by_left, *frames)
    joined(by_right, *frames)
    other = (frames[0], frames[1].rename(columns={"x": "y"}))
    joined(lambda m, a, b: m.merge(a, b, left_on="x", right_index=True, how=how), *other)
    joined(lambda m, a, b: m.merge(a, b, left_index=True, right_on="y", how=how), *other)


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@pytest.mark.parametrize("names", [("i", "i"), ("i", None), (None, "j")])
def test_names_of_joined_indexes(how, names):
    left, right = (frame.rename_axis(name) for frame, name in zip((LEFT, RIGHT), names))
    joined(lambda m, a, b: m.merge(a, b, left_index=True, right_index=True, how=how), left, right)
    joined(lambda m, a, b: m.merge(a, b, left_on="x", right_index=True, how=how), left, right)


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@pytest.mark.parametrize("theirs", ["abd", "dba", "abc", None])
def test_joined_categories(how, theirs):
    """Categorical keys with different categories are joined by their values, without loss of rows."""
    left = pd.DataFrame({"k": pd.Categorical(list("abda"), list("abd")), "v": range(4)})
    keys = list("abba") if theirs == "abc" else list("abbd")
    keys = pd.Categorical(keys, list(theirs)) if theirs else keys
    right = pd.DataFrame({"k": keys, "w": range(4)})
    joined(lambda m, a, b: m.merge(a, b, on="k", how=how), left, right, index=False)
    other = right.rename(columns={"k": "j"})
    joined(lambda m, a, b: m.merge(a, b, left_on="k", right_on="j", how=how), left, other, index=False)
    once = right.drop_duplicates("k").set_index("k")
    joined(lambda m, a, b: m.merge(a, b, left_on="k", right_index=True, how=how), left, once)


def test_categorical_key_and_numeric_index():
    left = pd.DataFrame({"C": pd.Categorical(["a", "b"])})
    right = pd.DataFrame({"A": pd.Categorical([0, 1]), "B": pd.Categorical(["a", "b"])})
    joined(lambda m, a, b: m.merge(a, b, left_index=True, right_on="A"), left, right)


# Groups.

GROUPED = pd.DataFrame(
    {
        "k": pd.Categorical(list("abcabcabaaaa"), list("cbad")),
        "o": pd.Categorical(list("xyzxyzzyxxyz"), list("zyxw"), ordered=True),
        "g": [1, 2, 3] * 4,
        "v": np.arange(12) * 1.5,
        "s": list("mn") * 6,
        "I": pd.array([1, None, 2, 3] * 3, dtype="Int64"),
        "S": pd.array(["a", None, "b", "c"] * 3, dtype="string"),
        "B": pd.array([True, None, False, True] * 3, dtype="boolean"),
    }
)
GROUPS = {
    "size": lambda d: d.groupby("g").agg("size"),
    "size of a column": lambda d: d.groupby("g").v.agg("size"),
    "max of categories": lambda d: d.groupby("g").o.max(),
    "min of categories": lambda d: d.groupby("g").o.min(),
    "several of categories": lambda d: d.groupby("g").agg({"o": ["min", "max"], "k": "first"}),
    "max of categories for each row": lambda d: d.groupby("g").o.transform("max"),
    "by categories": lambda d: d.groupby(["k", "g"]).v.sum(),
    "by categories, as columns": lambda d: d.groupby("k").v.sum().reset_index(),
    "least category of a frame": lambda d: d[["o", "v"]].min(),
    "greatest category": lambda d: d.o.max(),
    "value_counts of categories": lambda d: d.k.value_counts().sort_index(),
    "proportions of categories": lambda d: d.k.value_counts(normalize=True).sort_index(),
    "value_counts of nullable": lambda d: d.groupby("g").I.value_counts().sort_index(),
    "value_counts of nullable strings": lambda d: d.groupby("g").S.value_counts().sort_index(),
    "value_counts of strings": lambda d: d.groupby("g").s.value_counts().sort_index(),
    "any": lambda d: d.groupby("g").B.any(),
    "counts": lambda d: d.groupby("g")[["I", "S", "B"]].count(),
    "by a condition": lambda d: d[["g", "v"]].groupby(d.g > 2).sum(),
    "by two conditions": lambda d: d[["g", "v"]].groupby([d.g > 2, d.v > 5]).sum(),
    "by its own column": lambda d: d[["g", "v"]].groupby(d.g).sum(),
    "column without a name": lambda d: (d.g + d.v).groupby(d.g).sum(),
    "size of one without a name": lambda d: (d.g + d.v).groupby(d.g + d.v).size(),
    "lists": lambda d: d.groupby("g").v.agg(list),
    "lists of a frame": lambda d: d.groupby("g")[["v", "s"]].agg(list),
    "several of one without a name": lambda d: (d.g + d.v).groupby(d.g).agg(["max", "min"]),
}


@pytest.mark.parametrize("method", GROUPS)
def test_groups(method):
    function = GROUPS[method]
    same(computed(function(lazily(GROUPED))), function(GROUPED))


NO_REDUCTIONS = {
    "sum": lambda d: d.k.sum(),
    "max unordered": lambda d: d.k.max(),
    "max of groups": lambda d: d.groupby("g").k.max(),
    "mean of groups": lambda d: d.groupby("g").o.mean(),
}


@pytest.mark.parametrize("method", NO_REDUCTIONS)
def test_unsupported_reductions_of_categories(method):
    for frame in (GROUPED, lazily(GROUPED)):
        with pytest.raises(TypeError):
            computed(NO_REDUCTIONS[method](frame))


def test_unobserved_categories_are_counted():
    counts = lazily(GROUPED).groupby("g").k.value_counts().compute()
    same(counts.sort_index(), GROUPED.groupby("g").k.value_counts().sort_index())


# Resampling.


def hours():
    index = pd.date_range("2000-01-01", "2000-02-15", freq="h")
    return index.union(pd.date_range("2000-04-15", "2000-05-15", freq="h"))


def any_times():
    seconds = np.random.default_rng(0).integers(0, 400 * 86400, 90)
    return pd.DatetimeIndex(np.sort(pd.Timestamp("1969-11-03") + pd.to_timedelta(seconds, unit="s")))


TIMES = {
    "hours": hours(),
    "any": any_times(),
    "midnights": pd.date_range("2001-01-31", "2001-06-30", freq="D"),
    "zone": pd.date_range("2024-02-27", periods=300, freq="3h", tz="Europe/Zurich"),
}


@pytest.mark.parametrize("times", ["any", "midnights"])
@pytest.mark.parametrize("rule", ["7h", "W", "W-WED", "ME", "QE"])
@pytest.mark.parametrize("closed", [None, "left", "right"])
@pytest.mark.parametrize("label", ["left", "right"])
def test_closed_and_label(times, rule, closed, label):
    """closed= and label= of resampling equal pandas."""
    column = pd.Series(range(len(TIMES[times])), index=TIMES[times])
    got = lazily(column).resample(rule, closed=closed, label=label).sum().compute()
    same(got, column.resample(rule, closed=closed, label=label).sum())


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("rule", ["30min", "D", "MS", "YS", "YE"])
def test_labels_of_intervals(times, rule):
    frame = pd.DataFrame({"a": range(len(TIMES[times]))}, index=TIMES[times])
    got = lazily(frame).resample(rule, label="right").count().compute()
    same(got, frame.resample(rule, label="right").count())


SPARSE = pd.DataFrame(
    {"x": range(8), "y": np.arange(8) * 1.5, "s": list("abcabcab"), "I": pd.array([1, None] * 4, dtype="Int64")},
    index=pd.date_range("2024-01-01", periods=5, freq="37min").append(
        pd.date_range("2024-01-01 09:00", periods=3, freq="h")
    ),
)
SPARSE["td"] = pd.to_timedelta(SPARSE.x, unit="h")
ON_EMPTY_PIECES = {
    "several": lambda d: d.x.resample("h").agg(["sum", "count", "mean"]),
    "by column": lambda d: d.resample("h").agg({"x": "sum", "y": "mean", "I": "count"}),
    "several by column": lambda d: d.resample("h").agg({"x": ["sum", "min"], "s": "nunique"}),
    "several of a frame": lambda d: d[["x", "y"]].resample("h").agg(["sum", "size"]),
    "size": lambda d: d.resample("h").agg("size"),
    "size of a column": lambda d: d.x.resample("h").size(),
    "product": lambda d: d.x.resample("h").prod(),
    "durations": lambda d: d.td.resample("h").sum(),
    "enough": lambda d: d.y.resample("h").sum(min_count=1),
    "numbers only": lambda d: d.resample("h").mean(numeric_only=True),
    "further operations": lambda d: d.resample("h").agg({"x": "sum", "y": "mean"}).sum(),
    "further operations on durations": lambda d: d.td.resample("h").sum().max(),
}


@pytest.mark.parametrize("method", ON_EMPTY_PIECES)
def test_intervals_without_rows(method):
    """The value of an interval without rows depends on the reduction, also with several reductions."""
    same(computed(ON_EMPTY_PIECES[method](lazily(SPARSE))), ON_EMPTY_PIECES[method](SPARSE))


@pytest.mark.parametrize("rule", ["D", "2D", "MS", "QS", "YS"])
def test_unsupported_closed_right(rule):
    with pytest.raises(NotImplementedError, match="closed='right'"):
        lazily(pd.Series(range(len(TIMES["hours"])), index=TIMES["hours"])).resample(rule, closed="right")


def test_invalid_closed():
    with pytest.raises(ValueError, match="'middle'"):
        lazily(pd.Series(range(len(TIMES["hours"])), index=TIMES["hours"])).resample("W", label="middle")


# Names and types of column labels.

LABELLED = {
    "named": pd.DataFrame({"k": [1, 2, 1], "x": [1.0, 2, 3]}, index=pd.Index([3, 4, 5], name="i")).rename_axis(
        columns="c"
    ),
    "mixed": pd.DataFrame({"k": [1, 2, 1], 3: [3, 2, 1]}),
    "numbers": pd.DataFrame([[1, 2], [3, 4]], columns=[10, 20]),
    "categories": pd.DataFrame([[1, 2], [3, 4]], columns=pd.CategoricalIndex(["u", "v"], name="c")),
    "levels": pd.DataFrame({("a", "x"): [1, 2], ("b", "y"): [3, 1]}).rename_axis(columns=["p", "q"]),
}
ON_LABELS = {
    "labels": lambda d: d.columns,
    "types": lambda d: d.dtypes,
    "one column": lambda d: d[list(d.columns)[:1]],
    "no column": lambda d: d[[]],
    "no column by its label": lambda d: d.loc[:, []],
    "sum of no column": lambda d: d[[]].sum(),
    "count of no column": lambda d: d[[]].count(),
    "any of no column": lambda d: d[[]].any(),
    "sum": lambda d: d.sum(),
    "nunique": lambda d: d.nunique(),
    "describe": lambda d: d.describe(),
    "correlation": lambda d: d.corr(),
    "several": lambda d: d.agg(["sum", "min"]),
    "quantiles": lambda d: d.quantile([0.25, 0.5]),
    "mode": lambda d: d.mode(),
    "groups": lambda d: d.groupby([d.columns[0]]).sum(),
    "groups by a label": lambda d: d.groupby(d.columns[0]).cumsum(),
    "rows": lambda d: d[d[d.columns[0]] > 1],
    "windows": lambda d: d.rolling(2).sum(),
    "without an index": lambda d: d.reset_index(drop=True),
    "one more": lambda d: d.assign(new=1),
    "one less": lambda d: d.drop(columns=[d.columns[0]]),
    "another name": lambda d: d.rename_axis(columns="r" if d.columns.nlevels == 1 else ["r", "s"]),
    "another name of the index": lambda d: d.rename_axis(index="r"),
    "another name by a function": lambda d: d.rename_axis(index=lambda name: f"{name}!"),
}


@pytest.mark.parametrize("frame", LABELLED)
def test_labels_of_columns(frame):
    """The column labels keep their name and type, even without columns."""
    theirs, ours = LABELLED[frame], lazily(LABELLED[frame])
    for name, function in ON_LABELS.items():
        got, expected = computed(function(ours)), function(theirs)
        for axis in [one for one in ("columns", "index") if hasattr(expected, one)]:
            labels = getattr(expected, axis)
            assert getattr(got, axis).names == labels.names, name
            assert getattr(got, axis).dtype == labels.dtype, name
        same(got, expected)


def test_labels_of_concatenated_frames():
    theirs = LABELLED["named"]
    ours = lazily(theirs)
    assert dd.concat([ours, ours]).columns.name == "c"
    assert dd.concat([ours, lazily(theirs.rename_axis(columns="d"))]).columns.name is None
    assert dd.merge(ours, ours, on="k").columns.name == "c"


@pytest.mark.parametrize("mapper", [{"x": "z", "b": "c"}, lambda part: f"{part}_"])
def test_rename_with_levels(mapper):
    theirs = LABELLED["levels"]
    same(computed(lazily(theirs).rename(columns=mapper)), theirs.rename(columns=mapper))


# Selection of rows by label.

LETTERS = pd.DataFrame(np.arange(40).reshape(20, 2), index=list("abcdefghijklmnopqrst"), columns=list("AB"))
BY_LABELS = {
    "list": lambda d: d.loc[["c", "a"]],
    "twice": lambda d: d.loc[["r", "r", "c", "g"], ["A"]],
    "column": lambda d: d.loc[["t", "b"], "A"],
    "array": lambda d: d.A.loc[np.array(["t", "b"])],
    "none": lambda d: d.A.loc[[]],
    "slice": lambda d: d["c":"f"],
    "slice of a column": lambda d: d.A["c":"f"],
    "further operations": lambda d: d.loc[["t", "b"]].A.cumsum(),
    "some of them": lambda d: d.loc[["t", "b", "t"]][lambda rows: rows.A > 20],
}


@pytest.mark.parametrize("method", BY_LABELS)
def test_labels_of_rows(method):
    """loc returns rows in the order of the labels, and as often as they occur."""
    same(BY_LABELS[method](lazily(LETTERS)).compute(), BY_LABELS[method](LETTERS))


def test_labels_of_unsorted_rows():
    frame = pd.DataFrame({"x": range(6)}, index=[3, 1, 2, 3, 5, 0])
    ours = dd.from_pandas(frame, npartitions=2, sort=False)
    for labels in ([3, 1], [0, 3, 0]):
        same(ours.loc[labels].compute(), frame.loc[labels])


def test_unsupported_selection_by_position():
    """A slice of integers in brackets selects by position in pandas, which is not supported."""
    ours = lazily(pd.DataFrame({"x": range(5)}))
    for call in (lambda: ours[1:3], lambda: ours.x[1:3], lambda: ours.x[:3]):
        with pytest.raises(NotImplementedError, match="position"):
            call()


# Conditions.

TRUTHS = pd.DataFrame(
    {
        "c": [0, 1, 2, 3],
        "t": ["", "0", "x", None],
        "x": [0.0, 1.0, np.nan, 2.0],
        "I": pd.array([0, 1, 2, 3], dtype="Int64"),
        "N": pd.array([0, 1, None, 3], dtype="Int64"),
        "k": pd.Categorical(["a", "", "b", "a"]),
        "b": [True, False, True, True],
    }
)
CONDITIONS = {
    "numbers": lambda d: d[d.c.astype(bool)],
    "strings": lambda d: d[d.t.astype(bool)],
    "floats": lambda d: d[d.x.astype("bool")],
    "nullable": lambda d: d.I.astype(bool),
    "nullable, missing": lambda d: d.N.astype("boolean"),
    "categories": lambda d: d.k.astype(bool),
    "numbers as strings": lambda d: d[d.c.astype(str).astype(bool)],
    "none of them": lambda d: d[~d.t.astype(bool)],
    "both": lambda d: d[d.t.astype(bool) & d.c.astype(bool)],
    "either": lambda d: d[d.b & True | d.x.astype(bool)],
    "other values": lambda d: d.c.mask(d.x.astype(bool)),
    "by label": lambda d: d.loc[d.c.astype(bool), "t"],
    "of a frame": lambda d: d[["c", "t"]].astype(bool),
    "by column": lambda d: d[["c", "x"]].astype({"c": bool}),
}


@pytest.mark.parametrize("method", CONDITIONS)
def test_conditions(method):
    """Numbers other than 0, non-empty strings and missing values are true."""
    same(CONDITIONS[method](lazily(TRUTHS)).compute(), CONDITIONS[method](TRUTHS))


def test_python_lists():
    frame = pd.DataFrame({"g": [1, 1, 2], "x": [1.5, np.nan, 2.5], "s": ["a_b", None, "c"]})
    frame["I"] = pd.array([1, None, 3], dtype="Int64")
    got = lazily(frame).groupby("g")
    assert repr(got.x.agg(list).compute().tolist()) == "[[1.5, nan], [2.5]]"
    assert got.I.agg(list).compute().tolist() == [[1, pd.NA], [3]]
    assert repr(lazily(frame).s.str.split("_").compute().tolist()) == repr(frame.s.str.split("_").tolist())


def test_invalid_conditions():
    ours = lazily(TRUTHS)
    for call in (lambda d: d[d.c], lambda d: d.c.where(d.c), lambda d: d[["c"]].where(d.t), lambda d: d.query("c")):
        with pytest.raises(TypeError, match="boolean column"):
            call(ours)
    with pytest.raises(TypeError, match="to bool"):
        ours.t.astype("boolean")


# Values of another type.

KINDS = pd.DataFrame(
    {
        "i": [1, 2, 3],
        "x": [1.5, 2, np.nan],
        "s": list("abc"),
        "t": pd.date_range("2020", periods=3),
        "td": pd.to_timedelta([0, 1, 2], unit="D"),
        "k": pd.Categorical(list("aab")),
        "b": [True, False, True],
        "S": pd.array(["A", None, "C"], dtype="string"),
    }
)
OTHER_KINDS = {
    "number == string": lambda d: d.i == "1",
    "number != string": lambda d: d.i != "1",
    "string == number": lambda d: d.s == 1,
    "columns of strings and numbers": lambda d: d.s == d.i,
    "rows of comparison": lambda d: d[d.s == 1],
    "booleans and numbers": lambda d: d.b == 1,
    "durations and strings": lambda d: d.td == "1 days",
    "times and strings": lambda d: d.t == "2020-01-02",
    "isin": lambda d: d.i.isin(["1", 2]),
    "isin of strings": lambda d: d.s.isin([1, "a"]),
    "isin of booleans": lambda d: d.b.isin([1]),
    "isin with booleans": lambda d: d.i.isin([True, 2.5]),
    "a category": lambda d: d.k.where(d.i > 1, "b"),
    "a category for another": lambda d: d.k.replace("a", "b"),
    "categories mapped": lambda d: d.k.map({"a": 1, "b": 2}),
    "categories mapped to one": lambda d: d.k.map({"a": 1, "b": 1}),
    "nothing to map": lambda d: d.i.map({"a": 5}),
    "missing mapped": lambda d: d.x.map({1.5: 5, np.nan: 6}),
    "missing ignored": lambda d: d.x.map({1.5: 5, np.nan: 6}, na_action="ignore"),
    "something to map": lambda d: d.i.map({"a": 5, 2: 6}),
    "nothing to replace": lambda d: d.s.replace(1, "q"),
    "nothing to replace in a frame": lambda d: d[["i", "s"]].replace("a", "zz"),
    "where a condition is missing": lambda d: d.i.mask(d.S == "A", 9),
    "unless a condition is missing": lambda d: d.i.where(d.S == "A", 9),
    "a duration for a duration": lambda d: d.td.where(d.i > 1, pd.Timedelta("1h")),
    "durations for missing ones": lambda d: d.td.where(d.i > 1).fillna(pd.Timedelta("90s")),
    "a string for a time": lambda d: d.t.where(d.i > 1, pd.Timestamp("2021-01-01")),
}


@pytest.mark.parametrize("method", OTHER_KINDS)
def test_values_of_another_type(method):
    """A string never equals a number, even if it contains one."""
    same(OTHER_KINDS[method](lazily(KINDS)).compute(), OTHER_KINDS[method](KINDS))


def test_fillna_of_numbers_with_strings():
    """fillna with a value of another type raises an error only if a value is missing, as in pandas."""
    ours = lazily(KINDS)
    same(ours[["i", "s", "t"]].fillna("u").compute(), KINDS[["i", "s", "t"]].fillna("u"))
    with pytest.raises(Exception, match="cannot replace missing values of column 'x' of numbers with 'u'"):
        ours.x.fillna("u").compute()


def test_column_without_values_accepts_any_type():
    ours = lazily(KINDS)
    ours["new"] = np.nan
    assert ours.new.mask(ours.s == "a", "u").compute().tolist()[0] == "u"
    assert ours.new.fillna("u").compute().tolist() == ["u"] * 3
    ours["new"] = ours.new.where(ours.i > 1, "v")
    assert ours.compute().new.tolist()[0] == "v"


@pytest.mark.parametrize(
    "call",
    [
        lambda d: d.i.where(d.i > 1, "u"),
        lambda d: d.i.where(d.i > 1, d.s),
        lambda d: d.s.mask(d.i > 1, 5),
        lambda d: d.b.where(d.i > 1, 5),
        lambda d: d.i.replace(1, "x"),
        lambda d: d.k.where(d.i > 1, "zz"),
        lambda d: d.k.replace("a", "zz"),
        lambda d: d.i.map({1: "a", 2: 5}),
        lambda d: d.i < "1",
    ],
)
def test_mixed_types_in_a_column(call):
    """pandas converts such a column to objects; this package raises an error."""
    with pytest.raises(TypeError, match=r"strings|numbers|booleans|categories"):
        call(lazily(KINDS))


# Types and indexes of files.


def test_labels_and_indexes_of_files(tmp_path):
    """A glob pattern has the same index as its folder, and column labels keep their name."""
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=pd.Index(list("xyz"), name="id")).rename_axis(columns="c")
    lazily(frame).to_parquet(tmp_path / "files")
    for path in ("files", "files/*.parquet"):
        read = dd.read_parquet(tmp_path / path)
        same(read.compute(), frame)
        assert read[[]].columns.dtype == frame.columns.dtype


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow", None])
def test_types_of_files(tmp_path, backend):
    frame = pd.DataFrame({"i": [1, 2], "x": [0.5, None], "s": ["a", None], "t": pd.date_range("2020", periods=2)})
    # Files do not distinguish string and large_string.
    frame = frame.drop(columns="s") if backend == "pyarrow" else frame
    frame.to_parquet(tmp_path / "f.parquet", index=False)
    how = {"dtype_backend": backend} if backend else {}
    same(dd.read_parquet(tmp_path / "f.parquet", **how).compute(), pd.read_parquet(tmp_path / "f.parquet", **how))
    with pytest.raises(ValueError, match="'polars'"):
        dd.read_parquet(tmp_path / "f.parquet", dtype_backend="polars")


@pytest.mark.parametrize("texts", [["1", "2"], ["1", "2.5"], ["1", None], ["-7", "9223372036854775807"]])
def test_to_numeric(texts):
    """to_numeric returns integers if all strings are integers."""
    column = pd.Series(texts, dtype="str")
    same(dd.to_numeric(lazily(column)).compute(), pd.to_numeric(column))


def test_arrow_integers():
    for kind in ("int32[pyarrow]", "uint8[pyarrow]"):
        frame = pd.DataFrame({"x": range(10)}, dtype=kind)
        ours = lazily(frame)
        same(((ours.x + ours.x) * 2).compute(), (frame.x + frame.x) * 2)


def test_set_index_to_itself():
    ours = lazily(KINDS)
    assert ours.set_index(ours.index) is ours
    times = pd.DataFrame({"x": range(4)}, index=pd.date_range("2020", periods=4, freq="12h", name="t"))
    ours = lazily(times)
    same(ours.groupby(ours.index.date).count().compute(), times.groupby(times.index.date).count())


def test_mixed_types_in_a_row():
    """Values of a row that cannot be combined raise an error."""
    ours = lazily(KINDS)
    for call in (lambda d: d[["i", "s"]].sum(axis=1), lambda d: d[["i", "t"]].max(axis=1)):
        with pytest.raises(TypeError, match="row"):
            call(ours)
    same(ours[["t"]].std(axis=1).compute(), KINDS[["t"]].std(axis=1))
    same(ours[["t"]].std(axis=1, numeric_only=True).compute(), KINDS[["t"]].std(axis=1, numeric_only=True))


def test_how_and_thresh():
    with pytest.raises(TypeError, match="thresh"):
        lazily(KINDS).dropna(how="all", thresh=1)


# Concatenation.

ABOVE = pd.DataFrame({"k": pd.Categorical(list("aba"), list("abc")), "n": [1, 2, 3], "o": pd.Categorical(list("xyx"))})
BELOW = pd.DataFrame({"k": pd.Categorical(list("cdd"), list("dc")), "n": [1.5, 2, 3], "o": pd.Categorical(list("xyx"))})
TOGETHER = {
    "same categories": lambda m, a, b: m.concat([a, a]),
    "other categories": lambda m, a, b: m.concat([a, b]),
    "without an index": lambda m, a, b: m.concat([a, b], ignore_index=True),
    "columns": lambda m, a, b: m.concat([a.k, b.k]),
    "categories and strings": lambda m, a, b: m.concat([a[["k"]], b[["k"]].astype(str)]),
    "strings and categories": lambda m, a, b: m.concat([a[["k"]].astype(str), b[["k"]]]),
    "indexes": lambda m, a, b: m.concat([a.set_index("k"), b.set_index("k")]).sort_values("n"),
    "columns of all": lambda m, a, b: m.concat([a, b[["n", "k"]]], join="inner"),
    "columns of one": lambda m, a, b: m.concat([a[["k"]], b[["k", "o"]]]),
}


@pytest.mark.parametrize("method", TOGETHER)
def test_concatenated_categories(method):
    """Columns with different categories are concatenated by value."""
    same(TOGETHER[method](dd, lazily(ABOVE), lazily(BELOW)).compute(), TOGETHER[method](pd, ABOVE, BELOW))


def test_concat_of_different_types():
    """Columns with strings in one frame and numbers in another one become columns of objects."""
    above, below = lazily(ABOVE), lazily(BELOW)
    parts = (lambda a, b: [a[["n"]], b[["k"]].rename(columns={"k": "n"})]), (lambda a, b: [a[["n"]] > 1, b[["n"]]])
    for part in parts:
        same(dd.concat(part(above, below)).compute(), pd.concat(part(ABOVE, BELOW)))
    with pytest.raises(TypeError, match="identical categories"):
        above.k.where(above.n > 1, above.o)


# Differences documented in docs/compatibility.md.


def test_documented_differences():
    """The documented differences are correct."""
    ours = lazily(LETTERS)
    assert len(ours.loc["bb"].compute()) == 0
    assert ours.loc[["a", "zz"]].compute().index.tolist() == ["a"]
    assert isinstance(ours.loc["a"].compute(), pd.DataFrame)
    ties = pd.DataFrame({"x": [1, 2, 3, 2, 1], "y": [9, 8, 7, 1, 5]})
    assert lazily(ties).set_index("x").compute().y.tolist() == [9, 5, 8, 1, 7]
    kept = lazily(TRUTHS)
    assert kept[kept.N.astype(bool)].c.compute().tolist() == [1, 3]


def test_filters_of_another_type(tmp_path):
    frame = pd.DataFrame({"year": [2020, 2021, 2021], "x": [1, 2, 3]})
    frame.to_parquet(tmp_path / "p", partition_cols=["year"])
    assert len(dd.read_parquet(tmp_path / "p", filters=[("year", "==", 2021)])) == 2
    for sign, value in (("==", "2021"), ("in", ["2021"])):
        with pytest.raises(TypeError, match="'2021'"):
            dd.read_parquet(tmp_path / "p", filters=[("year", sign, value)])


def test_diff_of_booleans():
    frame = pd.DataFrame({"b": [True, False, False, True], "i": [1, 2, 4, 8]})
    same(lazily(frame).b.diff().compute(), frame.b.diff())
    same(lazily(frame).diff(-1).compute(), frame.diff(-1))


# Alternative notations.

FRAME = pd.DataFrame({"a": [1, 2, 2], "b": [1.5, None, 3.5], "s": ["x", None, ""]}, index=list("xyz"))
WAYS = {
    "array": lambda d: d[np.array(["a", "b"])],
    "column of labels": lambda d: d[pd.Series(["b", "a"])],
    "without a set": lambda d: d.drop(columns={"a", "s"}),
    "groups by labels": lambda d: d.groupby("a")[pd.Index(["b", "s"])].count(),
    "groups by an array": lambda d: d.groupby("a")[np.array(["b"])].sum(),
    "plus": lambda d: +d[["a", "b"]],
    "any along rows": lambda d: d[["a", "s"]].any(axis=1),
    "all along rows": lambda d: d[["a", "s"]].all(axis=1),
    "deviation": lambda d: d.std(numeric_only=True, skipna=False, ddof=2),
}


@pytest.mark.parametrize("method", WAYS)
def test_alternative_notations(method):
    same(computed(WAYS[method](lazily(FRAME))), WAYS[method](FRAME))


def test_concat_of_one_frame():
    ours = lazily(FRAME)
    assert dd.concat([ours]).divisions == ours.divisions
    same(dd.concat([ours.a]).compute(), FRAME.a)
    with pytest.raises(KeyError, match="Column not found: q"):
        ours.groupby("a")["q"]
    with pytest.raises(KeyError, match="Columns not found: q"):
        ours.groupby("a")[["b", "q"]]


def test_concat_with_string_index():
    same(dd.concat([lazily(FRAME), lazily(FRAME[["a"]])]).compute(), pd.concat([FRAME, FRAME[["a"]]]))
    times = FRAME.set_axis(pd.date_range("2020", periods=3))
    same(dd.concat([lazily(times), lazily(times)]).compute(), pd.concat([times, times]))


def test_filters_of_missing_values(tmp_path):
    FRAME.to_parquet(tmp_path / "f.parquet")
    read = lambda sign: dd.read_parquet(tmp_path / "f.parquet", filters=[("b", sign, None)]).a.compute().tolist()  # noqa: E731
    assert (read("is"), sorted(read("is not"))) == ([2], [1, 2])


# Indexes.

TIMED = pd.DataFrame({"x": range(6)}, index=pd.date_range("2024-02-27", periods=6, freq="7h", name="when"))
NUMBERED = pd.DataFrame({"x": range(6)}, index=pd.RangeIndex(1, 7, name="n"))
ON_INDEXES = {
    "year": (TIMED, lambda d: d.index.year),
    "floor": (TIMED, lambda d: d.index.floor("D")),
    "strings": (TIMED, lambda d: d.index.strftime("%d")),
    "later": (TIMED, lambda d: d.index + pd.Timedelta("1h")),
    "as a column": (TIMED, lambda d: d.assign(year=d.index.year, when=d.index)),
    "groups": (TIMED, lambda d: d.groupby([d.index.day, d.index.hour > 7]).x.sum()),
    "rows": (TIMED, lambda d: d[d.index.hour > 6]),
    "plus": (NUMBERED, lambda d: d.index * 2.5 + 1),
    "another type": (NUMBERED, lambda d: d.index.astype("float64")),
    "mapped": (NUMBERED, lambda d: d.index.map({1: 10})),
    "groups of numbers": (NUMBERED, lambda d: d.groupby(d.index % 2).x.sum()),
    "some": (NUMBERED, lambda d: d[d.index.isin([1, 2])]),
}


@pytest.mark.parametrize("method", ON_INDEXES)
def test_index_operations(method):
    """Operations on an index return an index."""
    frame, function = ON_INDEXES[method]
    got, expected = computed(function(lazily(frame))), function(frame)
    assert type(got) is type(expected) or isinstance(expected, pd.Index)
    assert isinstance(got, pd.Index) is isinstance(expected, pd.Index)
    if isinstance(got, pd.Index):
        got, expected = got.to_series(), expected.to_series()
    same(got, expected)


def test_unique_labels():
    ours = dd.from_pandas(LETTERS.set_axis(["a", "b"] * 10), npartitions=2, sort=False)
    assert sorted(ours.index.unique().compute()) == ["a", "b"]
