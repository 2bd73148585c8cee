"""Categorical columns, with and without an order."""

import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = [pytest.mark.usefixtures("client"), pytest.mark.filterwarnings("ignore:Constructing a Categorical")]

#: An order that differs from that of the strings.
ORDERED = pd.CategoricalDtype(["z", "m", "a"], ordered=True)
PLAIN = pd.CategoricalDtype(["z", "m", "a"])


def frame():
    return pd.DataFrame(
        {
            "g": list("uvuvwu"),
            "o": pd.Series(["m", "z", None, "a", "m", "a"]).astype(ORDERED),
            "p": pd.Series(["z", "a", "m", None, "z", "m"]).astype(ORDERED),
            "c": pd.Series(["m", "z", None, "a", "m", "m"]).astype(PLAIN),
            "t": list("mzxamm"),
            "n": [1, 2, 3, 2, 1, 9],
            "f": [1.0, 2.5, None, 2.0, 1.0, 9.0],
        }
    )


FRAME = frame()


@pytest.fixture(scope="module")
def loaded(client):
    return dd.from_pandas(FRAME, npartitions=2)


CONVERSIONS = {
    "ordered": lambda d: d.t.astype(ORDERED),
    "some": lambda d: d.t.astype(pd.CategoricalDtype(["a", "m"])),
    "ordered without categories": lambda d: d.t.astype(pd.CategoricalDtype(ordered=True)),
    "without categories": lambda d: d.n.astype(pd.CategoricalDtype()),
    "integers": lambda d: d.n.astype(pd.CategoricalDtype([9, 1], ordered=True)),
    "floats": lambda d: d.f.astype(pd.CategoricalDtype([2.5, 1.0], ordered=True)),
    "other type": lambda d: d.n.astype(pd.CategoricalDtype(["1", "2"], ordered=True)),
    "ordered as category": lambda d: d.o.astype("category"),
    "plain as category": lambda d: d.c.astype("category"),
    "text as category": lambda d: d.t.astype("category"),
    "other categories": lambda d: d.o.astype(pd.CategoricalDtype(["a", "m"], ordered=True)),
    "other order": lambda d: d.o.astype(pd.CategoricalDtype(["a", "m", "z"], ordered=True)),
    "plain order": lambda d: d.c.astype(pd.CategoricalDtype(["a", "m", "z"])),
    "becomes ordered": lambda d: d.c.astype(pd.CategoricalDtype(ordered=True)),
    "frame": lambda d: d[["t"]].astype({"t": ORDERED}),
    "sorted": lambda d: d.t.astype(ORDERED).sort_values(),
}


@pytest.mark.parametrize("method", CONVERSIONS)
def test_conversions(loaded, method):
    """Values that are not categories become missing; categories and their order are kept."""
    expected, got = CONVERSIONS[method](FRAME), CONVERSIONS[method](loaded).compute()
    same(got, expected)
    if isinstance(expected, pd.Series):
        assert got.dtype.ordered == expected.dtype.ordered
        assert list(got.cat.categories) == list(expected.cat.categories)


COMPARISONS = {
    "idxmin": lambda d: d.o.idxmin(),
    "idxmax": lambda d: d.o.idxmax(),
    "idxmax plain": lambda d: d.c.idxmax(),
    "frame idxmax": lambda d: d[["o", "p"]].idxmax(),
    "group idxmin": lambda d: d.groupby("g").o.idxmin(),
    "group idxmax": lambda d: d.groupby("g").o.idxmax(),
    "cummax": lambda d: d.o.cummax(),
    "cummin": lambda d: d.o.cummin(),
    "cummax skipna": lambda d: d.o.cummax(skipna=False),
    "frame cummax": lambda d: d[["o", "p"]].cummax(),
    "clip": lambda d: d.o.clip("m", "a"),
    "clip lower": lambda d: d.o.clip(lower="m"),
    "clip upper": lambda d: d.o.clip(upper="m"),
    "frame clip": lambda d: d[["o", "p"]].clip("a", "m"),
    "max of rows": lambda d: d[["o", "p"]].max(axis=1),
    "min of rows": lambda d: d[["o", "p"]].min(axis=1),
    "max of rows skipna": lambda d: d[["o", "p"]].max(axis=1, skipna=False),
    "max of mixed rows": lambda d: d[["o", "t"]].max(axis=1),
    "max of other rows": lambda d: d[["o", "c"]].max(axis=1),
    "lt": lambda d: d.o < d.p,
    "ge": lambda d: d.o >= d.p,
    "between": lambda d: d.o.between("z", "m"),
    "mode": lambda d: d.p.mode(),
    "value_counts": lambda d: d.o.value_counts(),
}


@pytest.mark.parametrize("method", COMPARISONS)
def test_comparisons_by_position(loaded, method):
    """Ordered categories compare by their position, and results are categories where those of pandas are."""
    expected, got = COMPARISONS[method](FRAME), computed(COMPARISONS[method](loaded))
    same(got, expected)


REFUSED = {
    "nlargest": lambda d: d.o.nlargest(),
    "nsmallest": lambda d: d.c.nsmallest(),
    "frame nlargest": lambda d: d.nlargest(2, "o"),
    "frame nsmallest": lambda d: d.nsmallest(2, ["n", "c"]),
    "group nlargest": lambda d: d.groupby("g").o.nlargest(1),
    "cummax plain": lambda d: d.c.cummax(),
    "cumsum": lambda d: d.o.cumsum(),
    "group cummax": lambda d: d.groupby("g").o.cummax(),
    "group cumsum": lambda d: d.groupby("g").o.cumsum(),
    "group cummin of strings": lambda d: d.groupby("g").t.cummin(),
    "group idxmax plain": lambda d: d.groupby("g").c.idxmax(),
    "clip plain": lambda d: d.c.clip("a", "m"),
    "clip unknown": lambda d: d.o.clip("b"),
    "max of plain rows": lambda d: d[["c", "c"]].max(axis=1) if isinstance(d, pd.DataFrame) else d[["c"]].max(axis=1),
    "sum of rows": lambda d: d[["o", "p"]].sum(axis=1),
    "lt plain": lambda d: d.c < d.c,
    "lt other": lambda d: d.o < d.c,
}


@pytest.mark.parametrize("method", REFUSED)
def test_refused_operations(loaded, method):
    """Operations that pandas refuses for categories."""
    with pytest.raises(TypeError):
        REFUSED[method](FRAME)
    with pytest.raises(TypeError):
        computed(REFUSED[method](loaded))


@pytest.mark.parametrize("columns", [None, "a", ["a", "b"]])
def test_columns_are_categorized(client, columns):
    frame = pd.DataFrame({"a": ["y", None, "x"], "b": ["u", "v", "u"], "n": [1, 2, 3]}, index=["p", "q", "r"])
    labels = ["a", "b"] if columns is None else [columns] if isinstance(columns, str) else columns
    got = dd.from_pandas(frame, npartitions=2).categorize(columns, index=False)
    same(computed(got), frame.astype(dict.fromkeys(labels, "category")))


def test_a_frame_without_strings_is_not_changed_by_categorize(client):
    frame = pd.DataFrame({"n": [1, 2, 3]})
    same(computed(dd.from_pandas(frame, npartitions=2).categorize()), frame)


TYPED = pd.DataFrame(
    {
        "int32": pd.Series([3, 1, 2], dtype="int32"),
        "Int64": pd.Series([3, 1, None], dtype="Int64"),
        "string": pd.Series(["q", None, "p"], dtype="string"),
        "arrow": pd.Series([1, None, 2], dtype="int64[pyarrow]"),
        "str": ["b", "a", None],
        "times": pd.date_range("2024-01-01", periods=3, tz="UTC"),
        "floats": [1.5, None, 0.5],
        "booleans": [True, False, True],
    }
)


@pytest.mark.parametrize("count", [3, 0])
@pytest.mark.parametrize("label", TYPED.columns)
def test_types_of_categories(client, label, count):
    """Categories that are found have the type of the column, also if there are none."""
    column = TYPED[label].iloc[:count]
    same(dd.from_pandas(column, npartitions=1).astype("category").compute(), column.astype("category"))


def test_numbers_of_no_strings(client):
    strings = pd.Series([], dtype="str")
    lazy = dd.from_pandas(strings, npartitions=1)
    for errors in ("raise", "coerce"):
        same(dd.to_numeric(lazy, errors=errors).compute(), pd.to_numeric(strings, errors=errors))
