"""Exchange of Parquet files with pandas, polars, DuckDB, Hive and Spark."""

import datetime
import os

import duckdb
import pandas as pd
import partita.dataframe as dd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("client")

MISSING = "__HIVE_DEFAULT_PARTITION__"
ZONE = datetime.timezone.utc


def integers(bits, signed=True):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.integers(low, high)


#: Types of columns: pandas' name, and a strategy of values.
TYPES = {
    "Int8": integers(8),
    "Int16": integers(16),
    "Int32": integers(32),
    "Int64": integers(64),
    "UInt8": integers(8, False),
    "UInt64": integers(64, False),
    "float32": st.floats(width=32, allow_nan=False),
    "float64": st.floats(allow_nan=False),
    "Float64": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "str": st.text(max_size=5),
    "bytes": st.binary(max_size=5),
    "date": st.dates(datetime.date(1700, 1, 1), datetime.date(2200, 1, 1)),
    "decimal": st.decimals(-(10**8), 10**8, places=2),
    "datetime64[us]": st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)),
    "datetime64[us, Europe/Berlin]": st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2037, 1, 1)),
    "category": st.sampled_from(["lo", "mid", "hi"]),
}
CATEGORIES = pd.CategoricalDtype(["lo", "mid", "hi", "none"], ordered=True)


def column(kind, values):
    """Return a pandas column of one of the types."""
    if kind in ("bytes", "date", "decimal"):
        return pd.Series(values, dtype=object)
    if kind.startswith("datetime64[us, "):
        return pd.Series(values, dtype="datetime64[us]").dt.tz_localize("UTC").astype(kind)
    return pd.Series(values, dtype=CATEGORIES if kind == "category" else kind)


def drawn(draw, rows):
    columns = {}
    for at, (kind, values) in enumerate(TYPES.items()):
        some = draw(st.lists(st.one_of(st.none(), values), min_size=rows, max_size=rows))
        columns[f"c{at}"] = column(kind, some)
    return pd.DataFrame({"n": range(rows), **columns})


@st.composite
def frames(draw):
    return drawn(draw, draw(st.integers(1, 5)))


def plain(values):
    """Return the values of an Arrow column as Python objects, independent of the width of its type."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
    elif pa.types.is_timestamp(kind):
        values = values.cast(pa.timestamp("us", kind.tz))
    return [value.astimezone(ZONE) if getattr(value, "tzinfo", None) else value for value in values.to_pylist()]


def table(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


def in_pandas(path, **arguments):
    return table(pd.read_parquet(path, **arguments))


def in_polars(path, **arguments):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    # polars would read _common_metadata as data.
    return polars.read_parquet(f"{path}/**/*.parquet", **arguments).to_arrow()


def in_duckdb(path, arguments=""):
    return duckdb.sql(f"select * from read_parquet('{path}/**/*.parquet'{arguments})").to_arrow_table()


def here(path, **arguments):
    return table(dd.read_parquet(path, **arguments).compute())


READERS = {"partita": here, "pandas": in_pandas, "polars": in_polars, "duckdb": in_duckdb}


def alike(got, expected):
    got = got.sort_by("n")
    for name in expected.column_names:
        assert plain(got[name]) == plain(expected[name]), (name, expected.schema.field(name).type)


EXAMPLES = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("reader", READERS)
@EXAMPLES
@given(frame=frames())
def test_written_tables(tmp_path_factory, reader, frame):
    """All readers see the same values of every type."""
    folder = tmp_path_factory.mktemp("written") / "t"
    dd.from_pandas(frame, npartitions=2).to_parquet(folder, write_index=False)
    alike(READERS[reader](folder), table(frame))


def from_pandas(frame, folder, keys=None):
    frame.to_parquet(folder, index=False, partition_cols=keys)


def from_polars(frame, folder, keys=None):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    made = polars.from_arrow(table(frame))
    if keys:
        made.write_parquet(folder, partition_by=keys)
    else:
        made.write_parquet(folder)


def decoded(whole):
    """Decode dictionaries: DuckDB 2.0 crashes on some dictionaries with nulls."""
    fields = [(one.name, one.type.value_type if pa.types.is_dictionary(one.type) else one.type) for one in whole.schema]
    return whole.cast(pa.schema(fields))


def from_duckdb(frame, folder, keys=None):
    connection = duckdb.connect()
    connection.register("t", decoded(table(frame)))
    by = f", partition_by ({', '.join(keys)})" if keys else ""
    connection.execute(f"copy t to '{folder}' (format parquet{by})")


WRITERS = {"pandas": from_pandas, "polars": from_polars, "duckdb": from_duckdb}


@pytest.mark.parametrize("writer", WRITERS)
@EXAMPLES
@given(frame=frames())
def test_tables_of_other_writers(tmp_path_factory, writer, frame):
    """Values of every type are read correctly from all writers."""
    file = tmp_path_factory.mktemp("others") / "t.parquet"
    WRITERS[writer](frame, str(file))
    # Without the metadata of pandas, integers with missing values would be floats, as in pandas.
    alike(here(str(file), dtype_backend="numpy_nullable"), table(frame))


#: Partition keys: every character that Spark escapes, ambiguous strings, and missing values.
TEXTS = ["a", "x:y", "d/e", "f=g", "100%", "%41", "é", "b c", "01", "1.0", "true", "2024-01-01", "null", None]
ESCAPED = "\"#%'*/:=?\\\x7f{[]^\x01\x1f\n"
KEYS = {
    "texts": pd.Series(TEXTS, dtype="str"),
    "escaped": pd.Series([f"<{c}>" for c in ESCAPED], dtype="str"),
    "integers": pd.Series([3, -1, 0, 2**40, None], dtype="Int64"),
    "dates": pd.Series([datetime.date(2024, 1, 1), datetime.date(1969, 12, 31), None], dtype=object),
}
#: Types of the keys, which readers cannot infer from folder names.
POLARS = {"texts": "String", "escaped": "String", "integers": "Int64", "dates": "Date"}
ARROW = {"texts": pa.string(), "escaped": pa.string(), "integers": pa.int64(), "dates": pa.date32()}
DUCKDB = {"texts": "varchar", "escaped": "varchar", "integers": "bigint", "dates": "date"}


def keyed(name):
    return pd.DataFrame({"k": KEYS[name], "n": range(len(KEYS[name]))})


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("reader", READERS)
def test_written_keys(tmp_path, reader, name):
    """All readers see the same partition keys."""
    folder, frame = tmp_path / "t", keyed(name)
    dd.from_pandas(frame, npartitions=2).to_parquet(folder, partition_on="k", write_index=False)
    if reader == "polars":
        polars = pytest.importorskip("polars", reason="polars is not installed")
        arguments = {"hive_partitioning": True, "hive_schema": {"k": getattr(polars, POLARS[name])}}
    elif reader == "pandas":
        arguments = {"partitioning": ds.partitioning(pa.schema([("k", ARROW[name])]), flavor="hive")}
    elif reader == "duckdb":
        arguments = {"arguments": f", hive_partitioning = true, hive_types = {{'k': {DUCKDB[name]}}}"}
    else:
        arguments = {}
    alike(READERS[reader](folder, **arguments), table(frame))


def spark_name(value):
    """Return the name of a folder, as by Spark's ExternalCatalogUtils.getPartitionPathString."""
    if value is None or value is pd.NA or value != value:
        return f"k={MISSING}"
    return "k=" + "".join(f"%{ord(c):02X}" if c in ESCAPED else c for c in str(value))


@pytest.mark.parametrize("name", KEYS)
def test_names_of_folders(tmp_path, name):
    """Folder names equal those of Spark."""
    frame = keyed(name)
    dd.from_pandas(frame, npartitions=1).to_parquet(tmp_path / "t", partition_on="k", write_index=False)
    folders = [name for name in os.listdir(tmp_path / "t") if "=" in name]
    assert sorted(folders) == sorted(map(spark_name, frame.k))


@pytest.mark.parametrize("name", KEYS)
def test_folders_of_spark(tmp_path, name):
    """Folders named by Spark can be read: integer keys as integers, others as strings."""
    frame = keyed(name)
    for key, n in zip(frame.k, frame.n):
        folder = tmp_path / "t" / spark_name(key)
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"n": [n]}).to_parquet(folder / "part-0.parquet", index=False)
    got = table(dd.read_parquet(tmp_path / "t").compute()).sort_by("n")
    expected = [None if pd.isna(key) else str(key) if name == "dates" else key for key in frame.k.astype(object)]
    assert plain(got["k"]) == expected
    assert plain(got["n"]) == frame.n.tolist()


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("writer", WRITERS)
def test_keys_of_other_writers(tmp_path, writer, name):
    """Partitioned folders of other programs can be read."""
    frame = keyed(name)
    WRITERS[writer](frame, str(tmp_path / "t"), ["k"])
    got = table(dd.read_parquet(tmp_path / "t").compute()).sort_by("n")
    # polars also writes the keys into the files, where dates keep their type.
    is_text = name == "dates" and writer != "polars"
    assert plain(got["k"]) == [key and str(key) if is_text else key for key in plain(table(frame)["k"])]
    assert plain(got["n"]) == frame.n.tolist()


@EXAMPLES
@given(keys=st.lists(st.text(st.sampled_from("aN0 =%.\x01\n:é€" + ESCAPED), min_size=1, max_size=5), min_size=1))
def test_any_keys(tmp_path_factory, keys):
    """pandas and DuckDB read arbitrary string keys."""
    folder = tmp_path_factory.mktemp("keys") / "t"
    frame = pd.DataFrame({"k": pd.Series(keys, dtype="str"), "n": range(len(keys))})
    dd.from_pandas(frame, npartitions=1).to_parquet(folder, partition_on="k", write_index=False)
    partitioning = ds.partitioning(pa.schema([("k", pa.string())]), flavor="hive")
    alike(in_pandas(folder, partitioning=partitioning), table(frame))
    alike(in_duckdb(folder, ", hive_partitioning = true, hive_types = {'k': varchar}"), table(frame))


ORDERED = pd.DataFrame(
    {
        "c": pd.Categorical(["hi", "lo", None, "hi"], categories=["lo", "mid", "hi"], ordered=True),
        "n": range(4),
    }
)


def test_categories_of_pandas(tmp_path):
    """Categories written by pandas are read as values; its files contain neither order nor unused categories."""
    ORDERED.to_parquet(tmp_path / "t.parquet", index=False)
    got = dd.read_parquet(tmp_path / "t.parquet").compute()
    assert got.c.astype(object).where(got.c.notna(), None).tolist() == ["hi", "lo", None, "hi"]


def test_categories_for_other_readers(tmp_path):
    """Other programs read the values of categories; only Partita restores all categories and their order."""
    folder = tmp_path / "t"
    dd.from_pandas(ORDERED, npartitions=1).to_parquet(folder, write_index=False)
    theirs = pd.read_parquet(folder)
    assert theirs.c.astype(object).where(theirs.c.notna(), None).tolist() == ["hi", "lo", None, "hi"]
    assert set(theirs.c.dropna().unique()) == {"hi", "lo"}
    assert plain(in_polars(folder)["c"]) == ["hi", "lo", None, "hi"]
    back = dd.read_parquet(folder).compute()
    pd.testing.assert_series_equal(back.c, ORDERED.c)


def test_index_for_pandas(tmp_path):
    """pandas restores the index of a folder and its nullable types."""
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")}, index=pd.Index(["x", "y", "z"], name="label"))
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path / "t")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t").sort_index(), frame)
    pd.testing.assert_frame_equal(dd.read_parquet(tmp_path / "t").compute(), frame)
