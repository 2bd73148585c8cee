"""Columns with values of several types, such as strings and numbers: columns of objects, as in pandas."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

import partita.dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

VALUES = ["1.0", "2", -3, -5.5, None, True]
FRAME = pd.DataFrame({"a": VALUES, "b": range(6), "k": [1, 2] * 3})
#: Columns of which some have strings and others numbers.
WIDE = pd.DataFrame({"s": list("abcd"), "x": [1.5, 2, np.nan, 4], "n": [1, 2, 3, 4], "b": [True, False] * 2})


@pytest.fixture(scope="module")
def mixed(client):
    return dd.from_pandas(FRAME, npartitions=2)


@pytest.fixture(scope="module")
def wide(client):
    return dd.from_pandas(WIDE, npartitions=2)


def same(found, expected):
    found = found.compute() if hasattr(found, "compute") else found
    if isinstance(expected, (pd.Series, pd.DataFrame)):
        compare = pd.testing.assert_series_equal if isinstance(expected, pd.Series) else pd.testing.assert_frame_equal
        compare(found, expected, check_index_type=False)
    else:
        assert found == expected


COLUMNS = {
    "strings and numbers": ["a", 1, 2.5],
    "booleans and integers": [True, 2, False],
    "None": [None, "a", 1],
    "NaN": [float("nan"), "a", float("inf")],
    "times": [pd.Timestamp("2020-01-01 10:00"), "a", datetime.datetime(2021, 1, 1)],
    "dates beside numbers": [datetime.date(2020, 1, 1), 1, None],
    "durations": [pd.Timedelta("1h"), "a", 1],
    "decimals": [decimal.Decimal("1.50"), "a", 1.5],
    "bytes and strings": [b"a", "a", b""],
    "lists, tuples and values": [[1, 2], (3,), 4],
    "dicts and values": [{"a": 1}, "a", None],
    "any objects": [1 + 2j, frozenset([1]), pd.offsets.Day],
    "tuples of several types": [(1, "a"), ((1, 2), 3), None],
    "large integers": [2**70, "a", 1.5],
    "numbers of NumPy": [np.int8(1), np.float32(1.5), "a"],
}


def test_objects_come_back():
    """Columns of objects of several types have the same objects, also after a function of the partitions."""
    frame = pd.DataFrame({name: pd.array(values, dtype=object) for name, values in COLUMNS.items()})
    lazy = dd.from_pandas(frame, npartitions=3)
    assert set(map(str, lazy.dtypes)) == {"object"}
    found = lazy.compute()
    same(found, frame)
    kinds = [(type(one), type(other)) for name in frame for one, other in zip(found[name], frame[name])]
    # Times are those of pandas, and numbers of NumPy are numbers of Python.
    assert all(issubclass(one, other) or issubclass(other, np.generic) for one, other in kinds)
    # What functions return has NaN as the missing value.
    called = lazy.map_partitions(lambda part: part, meta=lazy).compute()
    same(called.fillna("missing"), frame.fillna("missing"))


TUPLES = {
    "rows": lambda d, m: d,
    "groups": lambda d, m: d.groupby("a").v.sum(),
    "counts": lambda d, m: d.a.value_counts().sort_index(),
    "distinct": lambda d, m: d.drop_duplicates(),
    "items": lambda d, m: d.a.str[0],
    "lengths": lambda d, m: d.a.str.len(),
    "exploded": lambda d, m: d.explode("a").a.astype("int64"),
    "merged": lambda d, m: d.merge(d[["a"]].drop_duplicates(), on="a").sort_values("v").reset_index(drop=True),
    "mapped": lambda d, m: d.v.map(lambda one: (one, one)),
    "of partitions": lambda d, m: d if m is pd else d.map_partitions(lambda part: part),
    "filtered": lambda d, m: d[d.v > 1].a.reset_index(drop=True),
}


@pytest.mark.parametrize("name", TUPLES)
@pytest.mark.filterwarnings("ignore:map")
def test_tuples(name):
    """Tuples stay tuples, in columns and in the labels of groups."""
    frame = pd.DataFrame({"a": [(1, 2), (1, 2), (3, 4)], "v": [1, 2, 3]})
    same(TUPLES[name](dd.from_pandas(frame, npartitions=2), dd), TUPLES[name](frame, pd))


METHODS = {
    "mapped": lambda d, m: d.a.map(str, **({} if m is pd else {"meta": ("a", "str")})),
    "strings": lambda d, m: d.a.astype(str),
    "floats": lambda d, m: d.a.astype(float),
    "numbers": lambda d, m: m.to_numeric(d.a),
    "integers": lambda d, m: m.to_numeric(d[d.b.isin([1, 2])].a),
    "equal to a string": lambda d, m: d[d.a == "2"],
    "equal to a number": lambda d, m: d[d.a == -3.0],
    "equal to one": lambda d, m: d.a == 1,
    "unequal": lambda d, m: d.a != "2",
    "unequal to None": lambda d, m: d.a != None,  # noqa: E711
    "among": lambda d, m: d.a.isin(["2", -3, None]),
    "missing": lambda d, m: d.a.isna(),
    "count": lambda d, m: d.a.count(),
    "without missing": lambda d, m: d.dropna(),
    "filled": lambda d, m: d.a.fillna("none"),
    "filled with another type": lambda d, m: d.a.fillna(pd.Timestamp("2020")),
    "shifted": lambda d, m: d.a.shift(1),
    "forwards": lambda d, m: d.a.ffill(),
    "masked": lambda d, m: d.a.mask(d.b > 2).astype(str),
    "filtered and computed": lambda d, m: d[d.b > 1].assign(s=lambda x: x.a.astype(str)),
    "of groups": lambda d, m: d.groupby("k").a.count(),
    "first of groups": lambda d, m: d.groupby("k").a.first(),
    "a key of strings": lambda d, m: d.assign(s=d.a.astype(str)).groupby("s").b.sum().sort_index(),
    "merged": lambda d, m: d.merge(d[["b"]], on="b").sort_values("b").reset_index(drop=True),
    "joined": lambda d, m: d[["k"]].join(d[["a"]]),
    "sorted by another column": lambda d, m: d.sort_values("b", ascending=False),
    "an index": lambda d, m: d.set_index("b").a,
    "concatenated": lambda d, m: m.concat([d.a.dropna(), d.b]),
    "rows of lists and values": lambda d, m: d.explode("a"),
    "a label": lambda d, m: d.rename(columns={"a": "x"}).x,
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(mixed, name):
    """Methods of columns with values of several types give what pandas gives."""
    expected = METHODS[name](FRAME, pd)
    found = METHODS[name](mixed, dd)
    found = found.compute() if hasattr(found, "compute") else found
    if name in ("equal to a string", "equal to a number"):
        # Rows without an index of their own count the rows that remain.
        found, expected = found.reset_index(drop=True), expected.reset_index(drop=True)
    same(found, expected)


@pytest.mark.parametrize("errors", ["raise", "coerce"])
def test_invalid_numbers(mixed, errors):
    """A string that is not a number is an error when it is computed, or missing."""
    column = dd.from_pandas(pd.Series([1, "x"]), npartitions=1)
    made = dd.to_numeric(column, errors=errors)
    if errors == "raise":
        with pytest.raises(ValueError, match="Unable to parse"):
            made.compute()
    else:
        same(made, pd.to_numeric(pd.Series([1, "x"]), errors=errors))


REFUSED = {
    "group by": lambda d: d.groupby("a").b.sum(),
    "distinct values": lambda d: d.a.unique(),
    "distinct rows": lambda d: d.drop_duplicates(),
    "number of distinct values": lambda d: d.a.nunique(),
    "counts of values": lambda d: d.a.value_counts(),
    "order": lambda d: d.sort_values("a"),
    "index": lambda d: d.set_index("a"),
    "merge": lambda d: d.merge(d, on="a"),
    "sum": lambda d: d.a.sum(),
    "maximum": lambda d: d.max(),
    "arithmetic": lambda d: d.a + 1,
    "less": lambda d: d.a < 1,
    "a column": lambda d: d.a == d.a,
    "lists of groups": lambda d: d.groupby("k").a.agg(list),
    "replaced": lambda d: d.a.replace("2", "3"),
    "mapped": lambda d: d.a.map({"2": 1}),
    "inserted": lambda d: d.a.where(d.b > 1, 0),
    "categories": lambda d: d.a.astype("category"),
    "window": lambda d: d.a.rolling(2).sum(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(mixed, name):
    """What would compare or compute values of several types is an error."""
    with pytest.raises(TypeError):
        REFUSED[name](mixed).compute()


@pytest.mark.parametrize(
    "arguments",
    [{}, {"id_vars": "s"}, {"value_vars": ["s", "x"]}, {"value_vars": ["n", "b"], "value_name": "v"}],
    ids=str,
)
def test_melt(wide, arguments):
    """Melted columns of strings, numbers and booleans are objects."""
    same(wide.melt(**arguments), WIDE.melt(**arguments))


def test_computed_from_melted(wide):
    """The numbers of melted columns are computed after a selection."""
    found = wide.melt()
    numbers = found[found.variable.isin(["x", "n"])]
    assert float(numbers.value.astype(float).sum().compute()) == 17.5
    assert sorted(found[found.value == "b"].variable.compute()) == ["s"]
    expected = WIDE.melt()
    assert found[found.value == 2].variable.compute().tolist() == expected[expected.value == 2].variable.tolist()


EXPLODED = {
    "numbers beside strings": [[1, 2, 3], "foo", [3, 4], []],
    "strings beside strings": [["a", "b"], "c", None],
    "tuples": [(1, 2), "x", None],
    "several types": [["a"], "b", 1.5, ["x", "y"]],
}


@pytest.mark.parametrize("name", EXPLODED)
def test_explode(name):
    """Lists beside single values become rows, in the partitions of their rows."""
    column = pd.Series(EXPLODED[name])
    lazy = dd.from_pandas(column, npartitions=2)
    made = lazy.explode()
    assert made.divisions == lazy.divisions
    assert made.compute().tolist()[:-1] == column.explode().tolist()[:-1]
    assert made.compute().index.tolist() == column.explode().index.tolist()


def test_files(wide, tmp_path):
    """Text files have the strings of the values, and Parquet files cannot have such columns."""
    found = wide.melt(id_vars="n", value_vars=["s", "b"])
    found.to_csv(tmp_path / "all.csv", single_file=True, index=False)
    assert sorted(pd.read_csv(tmp_path / "all.csv").value) == sorted(["a", "b", "c", "d", *["True", "False"] * 2])
    with pytest.raises(TypeError, match="cannot write to Parquet"):
        found.to_parquet(tmp_path / "parquet")


def test_zones():
    """Times with a zone and times without are not values of one type."""
    column = pd.Series([pd.Timestamp("2020", tz="UTC"), pd.Timestamp("2020")], dtype=object)
    with pytest.raises(TypeError, match="zone"):
        dd.from_pandas(column, npartitions=1)
