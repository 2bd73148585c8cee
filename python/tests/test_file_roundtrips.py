"""Written files can be read back, by this package and by others."""

import datetime
import decimal
import os

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import partita.dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

#: Folder name of a missing key in Hive and Spark.
MISSING = "__HIVE_DEFAULT_PARTITION__"

COLUMNS = {
    "int": pd.Series([1, -(2**62), 3]),
    "small": pd.Series([1, -2, 3], dtype="int8"),
    "unsigned": pd.Series([1, 2**64 - 1, 3], dtype="uint64"),
    "float": pd.Series([1.5, np.nan, -np.inf]),
    "float32": pd.Series([1.5, np.nan, 2], dtype="float32"),
    "bool": pd.Series([True, False, True]),
    "text": pd.Series(["a", None, ""]),
    "nullable": pd.Series([1, None, 3], dtype="Int64"),
    "time": pd.Series(
        pd.to_datetime(["2024-01-01 10:00:00.123456", None, "1960-01-01"], format="ISO8601"), dtype="datetime64[us]"
    ),
    "zone": pd.Series(
        pd.to_datetime(["2024-01-01 10:00", None, "2024-07-01"], format="ISO8601").tz_localize("Europe/Berlin")
    ),
    "date": pd.Series([datetime.date(2024, 1, 1), None, datetime.date(1960, 2, 29)], dtype=object),
    "decimal": pd.Series([decimal.Decimal("1.25"), None, decimal.Decimal("-3.50")], dtype=object),
    "binary": pd.Series([b"a", None, b"\x00\xff"], dtype=object),
}


def values(column):
    return [None if value is None or value is pd.NA or value != value else value for value in column.astype(object)]


#: Arguments of `to_parquet` with which the workers' own writer is used, and functions on the workers.
WRITERS = pytest.mark.parametrize("options", [{}, {"custom_metadata": {"k": "v"}}], ids=["own", "function"])


@WRITERS
def test_types_in_parquet(tmp_path, options):
    """Partita, pandas and DuckDB read back every type."""
    frame = pd.DataFrame(COLUMNS)
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path / "t", write_index=False, **options)
    files = sorted((tmp_path / "t").glob("*.parquet"))
    here = dd.read_parquet(tmp_path / "t").compute().sort_values("int").reset_index(drop=True)
    theirs = pd.concat([pd.read_parquet(file) for file in files]).sort_values("int").reset_index(drop=True)
    duck = duckdb.connect().execute(f"select * from '{tmp_path}/t/*.parquet' order by int").fetchall()
    expected = frame.sort_values("int").reset_index(drop=True)
    for at, name in enumerate(frame):
        assert values(here[name]) == values(expected[name]), name
        assert values(theirs[name]) == values(expected[name]), name
        if name not in ("time", "zone"):
            assert values(pd.Series([row[at] for row in duck], dtype=object)) == values(expected[name]), name
        assert here[name].dtype == expected[name].dtype or name in ("text",), name


KEYS = {
    "texts": [
        "a",
        "b c",
        "d/e",
        "f=g",
        "100%",
        "é",
        "..",
        ".",
        "x:y",
        'q"q',
        "it's",
        "new\nline",
        "*",
        "[a]",
        None,
        "",
    ],
    "digits": ["01", "1", None],
    "numbers": [3, -1, 0],
    "missing numbers": pd.array([3, None, 0], dtype="Int64"),
    "fractions": [1.5, -2.0, None],
    "truths": [True, False, True],
    "times": pd.to_datetime(["2024-01-01", "2024-01-02 10:30:00.5", None], format="ISO8601"),
    "dates": pd.Series([datetime.date(2024, 1, 1), None], dtype=object),
}


@WRITERS
@pytest.mark.parametrize("name", KEYS)
def test_keys_of_folders(tmp_path, name, options):
    """Partition keys of any type survive a round trip, including missing and empty ones and special characters."""
    frame = pd.DataFrame({"k": KEYS[name], "v": range(len(KEYS[name]))})
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path / "t", partition_on="k", write_index=False, **options)
    got = dd.read_parquet(tmp_path / "t").compute().sort_values("v")
    assert values(got.k) == values(frame.k)
    assert got.v.tolist() == frame.v.tolist()


@WRITERS
def test_names_of_folders(tmp_path, options):
    """Folder names equal those of Spark, and other programs read the keys from them."""
    keys = ["a", "d/e", "f=g", "100%", "é", "", None]
    frame = pd.DataFrame({"k": keys, "v": range(len(keys))})
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path / "t", partition_on="k", write_index=False, **options)
    folders = sorted(name for name in os.listdir(tmp_path / "t") if "=" in name)
    assert folders == sorted(["k=a", "k=d%2Fe", "k=f%3Dg", "k=100%25", "k=é", "k=", f"k={MISSING}"])
    query = f"select k from read_parquet('{tmp_path}/t/*/*.parquet', hive_partitioning=true) order by v"
    assert [key for (key,) in duckdb.connect().execute(query).fetchall()] == keys
    for folder in folders:
        if not folder.endswith(MISSING):
            assert len(pq.read_table(tmp_path / "t" / folder)) == 1
    marked = dd.from_pandas(pd.DataFrame({"k": [MISSING], "v": [1]}), npartitions=1)
    with pytest.raises(Exception, match="stands for a missing key"):
        marked.to_parquet(tmp_path / "m", partition_on="k", write_index=False)
    assert not (tmp_path / "m").exists()


def test_missing_numeric_keys(tmp_path):
    """A missing numeric key is distinct from zero."""
    frame = dd.read_sql("SELECT CASE WHEN value % 2 = 0 THEN 0 END AS k, value AS v FROM generate_series(1, 10)")
    frame.to_parquet(tmp_path / "t", partition_on="k")
    got = dd.read_parquet(tmp_path / "t")
    assert (int(got.k.count().compute()), len(got), int(got[got.k == 0].v.sum().compute())) == (5, 10, 30)


@WRITERS
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.one_of(st.none(), st.text(st.sampled_from("aN0 /=%.\x01\n\\:é€😀"), max_size=5)), min_size=1, max_size=6
    )
)
def test_any_keys(tmp_path_factory, options, keys):
    """Arbitrary string keys survive a round trip."""
    folder = tmp_path_factory.mktemp("keys") / "t"
    frame = pd.DataFrame({"k": pd.Series(keys, dtype="str"), "v": range(len(keys))})
    dd.from_pandas(frame, npartitions=1).to_parquet(folder, partition_on="k", write_index=False, **options)
    got = dd.read_parquet(folder).compute().sort_values("v")
    assert values(got.k) == keys


@WRITERS
@pytest.mark.parametrize("keys", [None, "c"])
def test_categories(tmp_path, keys, options):
    """Categories survive a round trip with their order and unused ones, as columns and as partition keys."""
    frame = pd.DataFrame(
        {
            "c": pd.Categorical(["lo", "hi", None, "lo"], categories=["lo", "mid", "hi"], ordered=True),
            "u": pd.Categorical([2, 1, 2, 2], categories=[2, 1, 3]),
            "v": range(4),
        }
    )
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path / "t", partition_on=keys, write_index=False, **options)
    got = dd.read_parquet(tmp_path / "t").compute().sort_values("v").reset_index(drop=True)
    pd.testing.assert_frame_equal(got[list(frame.columns)], frame)
    assert dd.read_parquet(tmp_path / "t").sort_values(["c", "v"]).v.compute().tolist() == [0, 3, 1, 2]
    theirs = pd.concat([pd.read_parquet(file) for file in (tmp_path / "t").glob("**/*.parquet")])
    assert sorted(theirs.u) == [1, 2, 2, 2]


@WRITERS
def test_types_that_parquet_lacks(tmp_path, options):
    """Seconds are written as milliseconds, and types of Arrow come back, as columns and as indexes."""
    arrow = {
        "decimal": pd.array(
            [decimal.Decimal("1.25"), None, decimal.Decimal("3.50")], pd.ArrowDtype(pa.decimal128(5, 2))
        ),
        "string": pd.array(["a", None, "b"], pd.ArrowDtype(pa.string())),
        "int": pd.array([1, None, 3], pd.ArrowDtype(pa.int8())),
    }
    times = pd.Series(pd.to_datetime(["2020", "1960", None])).astype("datetime64[s]")
    zoned = times.dt.tz_localize("Europe/Berlin")
    index = pd.DatetimeIndex(pd.to_datetime(["2020", "2021", "2022"]).astype("datetime64[s]"), name="when")
    frame = pd.DataFrame({"t": times, "z": zoned, **arrow}).set_index(index)
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path / "t", **options)
    frame.to_parquet(tmp_path / "t.parquet")
    got, expected = dd.read_parquet(tmp_path / "t").compute(), pd.read_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(got[["t", "z"]], expected[["t", "z"]], check_freq=False)
    pd.testing.assert_frame_equal(got[list(arrow)], frame[list(arrow)].set_index(expected.index), check_freq=False)
    theirs = pd.concat([pd.read_parquet(file) for file in sorted((tmp_path / "t").glob("*.parquet"))])
    assert theirs.t.dtype == "datetime64[ms]" and values(theirs.t) == values(expected.t)


@WRITERS
@pytest.mark.parametrize("name", ["k", None])
def test_index_of_categories(tmp_path, name, options):
    """An index of categories keeps all categories and their order."""
    index = pd.CategoricalIndex(["m", "z", "m"], categories=["z", "m", "a"], ordered=True, name=name)
    frame = pd.DataFrame({"x": [1, 2, 3]}, index=index)
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path / "t", **options)
    got = dd.read_parquet(tmp_path / "t").compute()
    expected = frame.sort_index()
    pd.testing.assert_index_equal(got.index, expected.index)
    assert got.x.tolist()[0] == 2 and sorted(got.x) == [1, 2, 3]


FOLDERS = {
    "numbers": {"year": [2023, 2024, 2023, 2022]},
    "months": {"month": [1, 10, 2, 12]},
    "strings": {"k": ["b", "a", "c", "b"]},
    "special characters": {"k": ["a/b", "a b", "é=", "%"]},
    "two keys": {"k": ["b", "a", "c", "b"], "year": [1, 2, 1, 2]},
}
SELECTIONS = {
    "all": (lambda d: d, {}),
    "one column": (lambda d: d["k"], {}),
    "equality": (lambda d: d[d.k == "b"], {}),
    "a value that does not exist": (lambda d: d[d.k == "z"], {}),
    "codes": (lambda d: d.k.cat.codes, {}),
    "as strings": (lambda d: d.k.astype(str), {}),
    "counts": (lambda d: d.groupby("k").v.sum(), {}),
    "unobserved": (lambda d: d[d.v > 1].groupby("k", observed=False).v.sum(), {}),
    "filters of values": (lambda d: d, {"filters": [("k", ">", "a")]}),
}


@pytest.mark.parametrize("options", [{}, {"split_row_groups": True}], ids=["own", "function"])
@pytest.mark.parametrize("name", FOLDERS)
def test_folders_are_categories(tmp_path, name, options):
    """Columns of folder names are categories with the types that pandas finds, in ascending order."""
    frame = pd.DataFrame({**FOLDERS[name], "v": range(4)})
    frame.to_parquet(tmp_path, partition_cols=list(FOLDERS[name]), index=False)
    theirs = pd.read_parquet(tmp_path).sort_values("v").reset_index(drop=True)
    for key in FOLDERS[name]:
        theirs[key] = theirs[key].astype(object).astype(pd.CategoricalDtype(theirs[key].cat.categories.sort_values()))
    found = dd.read_parquet(tmp_path, **options)
    assert [found[key].dtype for key in FOLDERS[name]] == [theirs[key].dtype for key in FOLDERS[name]]
    got = found.compute().sort_values("v").reset_index(drop=True)
    pd.testing.assert_frame_equal(got[list(theirs)], theirs)


@pytest.mark.parametrize("name", SELECTIONS)
def test_categories_of_folders(tmp_path, name):
    """What follows from categories of folder names equals that of pandas."""
    make, options = SELECTIONS[name]
    frame = pd.DataFrame({"k": ["b", "a", "c", "b"], "v": range(4)})
    frame.to_parquet(tmp_path, partition_cols=["k"], index=False)
    expected = make(pd.read_parquet(tmp_path, **options))
    got = make(dd.read_parquet(tmp_path, **options)).compute()
    if isinstance(got, pd.DataFrame):
        got, expected = got.sort_values("v").reset_index(drop=True), expected.sort_values("v").reset_index(drop=True)
        got = got[list(expected)]
    elif name != "counts" and name != "unobserved":
        got, expected = (one.sort_values().reset_index(drop=True) for one in (got, expected))
    compare = pd.testing.assert_frame_equal if isinstance(got, pd.DataFrame) else pd.testing.assert_series_equal
    compare(got, expected)


def test_index_of_folders(tmp_path):
    """A column of folder names can be the index; its labels sort as the values."""
    pd.DataFrame({"year": [10, 9, 9], "v": range(3)}).to_parquet(tmp_path, partition_cols=["year"], index=False)
    got = dd.read_parquet(tmp_path, index="year").compute()
    assert got.index.dtype == pd.CategoricalDtype(pd.Index([9, 10], dtype="int32"))
    assert got.index.tolist() == [9, 9, 10] and sorted(got.v) == [0, 1, 2]


def test_folders_that_are_added(tmp_path):
    """Rows of a folder that is newer than the frame have no category: an error, not a missing value."""
    frame = pd.DataFrame({"year": [2023, 2024], "v": range(2)})
    frame.to_parquet(tmp_path, partition_cols=["year"], index=False)
    found = dd.read_parquet(tmp_path)
    frame.assign(year=2025).to_parquet(tmp_path, partition_cols=["year"], index=False)
    with pytest.raises(ValueError, match="not among its categories"):
        found.compute()


EMPTY = pd.DataFrame({"k": ["a"], "x": [1.5], "n": [1], "t": pd.to_datetime(["2024-01-01"])})[:0]


@WRITERS
@pytest.mark.parametrize("keys", [None, "k"])
def test_no_rows_in_parquet(tmp_path, keys, options):
    """A frame without rows keeps its columns, in a folder, a file and with partition keys."""
    frame = dd.from_pandas(pd.DataFrame({"k": ["a", "b"], "x": [1.5, 2], "n": [1, 2]}), npartitions=2)
    frame[frame.n > 9].to_parquet(tmp_path / "t", partition_on=keys, write_index=False, **options)
    got = dd.read_parquet(tmp_path / "t")
    assert (len(got), sorted(got.columns), float(got.x.sum().compute())) == (0, ["k", "n", "x"], 0.0)
    assert got.n.dtype == "int64"
    theirs = pd.read_parquet(next((tmp_path / "t").glob("*.parquet")))
    assert (len(theirs), sorted(theirs)) == (0, ["k", "n", "x"])
    dd.from_pandas(EMPTY, npartitions=3).to_parquet(tmp_path / "u", **options)
    assert list(dd.read_parquet(tmp_path / "u").compute().columns) == list(EMPTY.columns)


def test_no_rows_in_csv_and_json(tmp_path):
    """Without rows, CSV has a header and JSON is empty."""
    frame = dd.from_pandas(EMPTY, npartitions=2)
    frame.to_csv(tmp_path / "t", index=False)
    assert list(dd.read_csv(tmp_path / "t").compute().columns) == list(EMPTY.columns)
    frame.to_csv(tmp_path / "one.csv", index=False, single_file=True)
    assert list(pd.read_csv(tmp_path / "one.csv").columns) == list(EMPTY.columns)
    assert len(dd.read_csv(tmp_path / "one.csv")) == 0
    frame.to_json(tmp_path / "j")
    assert len(dd.read_json(tmp_path / "j")) == 0
