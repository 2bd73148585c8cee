"""Files and databases that functions on the workers read and write, beside pandas."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import partita.array as da
import partita.dataframe as dd
from partita.dataframe._file_calls import file_ranges, read_range
from partita.dataframe.io.parquet import create_metadata_file

pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame(
    {"a": np.arange(10), "c": list("abcdefghij"), "k": [1.5, 2.0] * 5},
    index=pd.Index(np.arange(10) * 10, name="i"),
)
PLAIN = FRAME.reset_index(drop=True)


@pytest.fixture(scope="module")
def loaded(client):
    return dd.from_pandas(FRAME, npartitions=3)


def same(found, expected, **options):
    found = found.compute() if hasattr(found, "compute") else found
    compare = pd.testing.assert_series_equal if isinstance(expected, pd.Series) else pd.testing.assert_frame_equal
    compare(found, expected, check_freq=False, check_index_type=False, **options)


# Parquet: written by functions.

WRITES = {
    "metadata": {"custom_metadata": {"who": "me"}},
    "footers": {"write_metadata_file": True},
    "names": {"name_function": lambda at: f"export-{at}.parquet"},
    "types": {"schema": {"a": pa.int16(), "k": pa.float32()}},
    "options": {"use_dictionary": False, "row_group_size": 2},
    "compression": {"compression": {"a": "gzip", "c": "zstd", "k": "none", "i": "snappy"}},
}


@pytest.mark.parametrize("name", WRITES)
def test_parquet_options(loaded, tmp_path, name):
    """Partita and pandas read the same from files that were written with options."""
    loaded.to_parquet(tmp_path / "t", **WRITES[name])
    expected = FRAME.astype({"a": "int16", "k": "float32"}) if name == "types" else FRAME
    same(dd.read_parquet(tmp_path / "t"), expected)
    same(pd.read_parquet(tmp_path / "t"), expected)


def test_parquet_files(loaded, tmp_path):
    """Files have the names, metadata and footers that arguments ask for."""
    loaded.to_parquet(
        tmp_path, custom_metadata={b"who": "me"}, write_metadata_file=True, name_function="{}.parquet".format
    )
    assert sorted(os.listdir(tmp_path)) == ["0.parquet", "1.parquet", "2.parquet", "_common_metadata", "_metadata"]
    assert pq.read_metadata(tmp_path / "1.parquet").metadata[b"who"] == b"me"
    assert pq.read_metadata(tmp_path / "_metadata").num_rows == len(FRAME)


def test_parquet_append(loaded, tmp_path):
    """Appending adds files and updates the footers."""
    later = dd.from_pandas(FRAME.set_index(FRAME.index + 100), npartitions=2)
    loaded.to_parquet(tmp_path, append=True, write_metadata_file=True)
    later.to_parquet(tmp_path, append=True)
    same(dd.read_parquet(tmp_path), pd.concat([FRAME, FRAME.set_index(FRAME.index + 100)]))
    assert pq.read_metadata(tmp_path / "_metadata").num_rows == 2 * len(FRAME)


REFUSED_APPENDS = {
    "columns": (lambda ddf: ddf[["a"]], "Appended columns not the same"),
    "types": (lambda ddf: ddf.astype({"a": "float64"}), "Appended dtypes differ"),
    "labels": (lambda ddf: ddf, "overlap with previously written divisions"),
}


@pytest.mark.parametrize("name", REFUSED_APPENDS)
def test_parquet_refused_append(loaded, tmp_path, name):
    """What does not fit the files of a folder is refused, and the folder stays as it is."""
    change, message = REFUSED_APPENDS[name]
    loaded.to_parquet(tmp_path / "t")
    with pytest.raises(ValueError, match=message):
        change(loaded).to_parquet(tmp_path / "t", append=True)
    same(dd.read_parquet(tmp_path / "t"), FRAME)


def test_parquet_later(loaded, tmp_path):
    """With compute=False nothing is written until the value is computed."""
    later = loaded.to_parquet(tmp_path / "t", compute=False)
    assert not (tmp_path / "t").exists()
    later.compute()
    same(dd.read_parquet(tmp_path / "t"), FRAME)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"engine": "foo"}, ValueError),
        ({"unknown": 1}, TypeError),
        ({"custom_metadata": {"pandas": "x"}}, ValueError),
        ({"append": True, "overwrite": True}, ValueError),
        ({"name_function": "x.parquet"}, ValueError),
        ({"name_function": lambda at: "x.parquet"}, ValueError),
        ({"schema": {"c": pa.int64()}}, ValueError),
    ],
)
def test_parquet_refused(loaded, tmp_path, arguments, kind):
    """Invalid arguments are errors, and nothing is written."""
    with pytest.raises(kind):
        loaded.to_parquet(tmp_path / "t", **arguments)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("paths", ["in", "in/*.parquet"])
def test_own_files_are_not_replaced(loaded, tmp_path, paths):
    """overwrite=True does not replace files that the frame reads, unless it is persisted."""
    loaded.to_parquet(tmp_path / "in")
    frame = dd.read_parquet(str(tmp_path / paths))
    for target in (tmp_path, tmp_path / "in"):
        with pytest.raises(ValueError, match="Cannot overwrite a path from which the frame is read"):
            frame[frame.index > 0].to_parquet(target, overwrite=True)
    frame.to_parquet(tmp_path / "in2", overwrite=True)
    kept = frame.persist()
    kept.to_parquet(tmp_path / "in", overwrite=True)
    assert len(dd.read_parquet(tmp_path / "in")) == len(kept)


def test_parquet_footers_of_files(loaded, tmp_path):
    """The footers of existing files are written, or returned."""
    loaded.to_parquet(tmp_path)
    files = sorted(tmp_path.glob("*.parquet"))
    assert create_metadata_file(files, out_dir=False).num_rows == len(FRAME)
    create_metadata_file(files)
    assert pq.read_metadata(tmp_path / "_metadata").num_rows == len(FRAME)


# Parquet: read by functions.


@pytest.fixture(scope="module")
def files(loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parquet")
    loaded.to_parquet(folder / "t", row_group_size=2)
    loaded.to_parquet(folder / "keys", partition_on="k", custom_metadata={"who": "me"})
    return folder


PIECES = [
    ({"split_row_groups": True}, 6),
    ({"split_row_groups": 2}, 3),
    ({"split_row_groups": False}, 3),
    ({"split_row_groups": 4, "aggregate_files": True}, 2),
    ({"blocksize": "1MiB"}, 3),
    ({"blocksize": "1MiB", "aggregate_files": True}, 1),
    ({"split_row_groups": "adaptive", "blocksize": 1}, 6),
]


@pytest.mark.parametrize(("arguments", "count"), PIECES)
def test_parquet_partitions(files, arguments, count):
    """Arguments describe the partitions, and not the rows."""
    found = dd.read_parquet(files / "t", **arguments)
    assert found.npartitions == count
    same(found, FRAME)


def test_parquet_divisions(files):
    """Statistics of the files give the divisions."""
    found = dd.read_parquet(files / "t", split_row_groups=2, calculate_divisions=True, index="i")
    assert found.divisions == (0, 40, 70, 90)


def test_parquet_filtered_pieces(files):
    """Filters select the row groups, and the rows in them."""
    found = dd.read_parquet(files / "t", split_row_groups=True, filters=[("a", ">", 6)], columns=["c"])
    assert found.npartitions == 2
    same(found, FRAME[FRAME.a > 6][["c"]])


@pytest.mark.parametrize("filesystem", ["arrow", "pyarrow", "fsspec", "auto", pa_fs.LocalFileSystem()])
def test_parquet_of_local_filesystems(loaded, tmp_path, filesystem):
    """`filesystem=` may say that files are local, or with which package Dask reads them."""
    loaded.to_parquet(tmp_path / "t", filesystem=filesystem)
    same(dd.read_parquet(tmp_path / "t", filesystem=filesystem), FRAME)


@pytest.mark.parametrize(
    ("path", "filesystem"),
    [
        ("t", pa_fs.SubTreeFileSystem("/tmp", pa_fs.LocalFileSystem())),
        ("s3://bucket/t", pa_fs.LocalFileSystem()),
        ("t", "memory"),
    ],
)
def test_parquet_of_other_filesystems(loaded, path, filesystem):
    """A file system that only this process has is an error."""
    with pytest.raises(NotImplementedError, match="does not support filesystem="):
        dd.read_parquet(path, filesystem=filesystem)
    with pytest.raises(NotImplementedError, match="does not support filesystem="):
        loaded.to_parquet(path, filesystem=filesystem)


def test_parquet_pieces_of_folders(files):
    """Columns of folder names are columns of the pieces, and have the categories that are known without reading."""
    found = dd.read_parquet(files / "keys", blocksize="1MiB", aggregate_files="k")
    assert found.npartitions == 2
    expected = FRAME.astype({"k": "category"})
    assert found.k.dtype == expected.k.dtype
    same(found.compute().sort_index()[list(FRAME.columns)], expected)


@pytest.mark.parametrize("start", [0, 3])
def test_parquet_numbered_rows(tmp_path, start):
    """The labels of rows that have no column are those that pandas reads."""
    PLAIN[start:].to_parquet(tmp_path / "a.parquet", row_group_size=2)
    same(dd.read_parquet(tmp_path / "a.parquet"), pd.read_parquet(tmp_path / "a.parquet"))
    same(dd.read_parquet(tmp_path / "a.parquet", split_row_groups=True), pd.read_parquet(tmp_path / "a.parquet"))


def test_parquet_other_extension(tmp_path):
    """A single file may have any name."""
    FRAME.to_parquet(tmp_path / "a.data")
    same(dd.read_parquet(tmp_path / "a.data"), FRAME)


def test_parquet_numbers_as_labels(tmp_path):
    """Column labels that are numbers come back as numbers."""
    frame = pd.DataFrame({0: [1, 2], 1: [3, 4]})
    dd.from_pandas(frame, npartitions=1).to_parquet(tmp_path / "t", write_index=False)
    same(dd.read_parquet(tmp_path / "t"), frame, check_column_type=False)


def test_parquet_categories_as_arrow(tmp_path):
    """With Arrow's types, columns of categories are dictionaries, as in pandas, also of several files."""
    frame = pd.DataFrame({"a": pd.Categorical(["x", "y", None]), "b": [1, 2, 3]})
    frame.to_parquet(tmp_path / "0.parquet")
    found = dd.read_parquet(tmp_path / "0.parquet", dtype_backend="pyarrow")
    expected = pd.read_parquet(tmp_path / "0.parquet", dtype_backend="pyarrow")
    assert found.dtypes.tolist() == expected.dtypes.tolist()
    same(found, expected)
    frame.assign(a=pd.Categorical(["z", "x", "z"])).to_parquet(tmp_path / "1.parquet")
    both = dd.read_parquet(tmp_path, dtype_backend="pyarrow").compute()
    assert sorted(both.a.dropna()) == ["x", "x", "y", "z", "z"]
    assert found[found.a == "y"].b.compute().tolist() == [2]


# Text.

CSV = {
    "converters": {"converters": {"x": lambda text: len(text)}},
    "footer": {"skipfooter": 1, "engine": "python"},
    "separator": {"sep": "[,]", "engine": "python"},
    "function": {"skiprows": lambda at: at == 2},
    "dates": {"parse_dates": ["d"], "date_format": "%d/%m/%Y"},
    "backend": {"dtype_backend": "pyarrow"},
    "names": {"names": ["p", "q"], "usecols": [0, 1], "header": 0},
    "encoding": {"encoding": "shift_jis"},
    "day first": {"parse_dates": ["d"], "dayfirst": True},
    "fewer names": {"names": ["q", "r"], "header": 0},
}


@pytest.mark.parametrize("name", CSV)
def test_csv_of_pandas(tmp_path, name):
    """Arguments of pandas that the workers' own reader lacks."""
    (tmp_path / "a.csv").write_text("x,y,d\n10,a,31/12/2023\n200,b,01/02/2024\n3,c,03/02/2024\n")
    same(dd.read_csv(tmp_path / "a.csv", **CSV[name]), pd.read_csv(tmp_path / "a.csv", **CSV[name]))


def test_csv_types_of_several_files(tmp_path):
    """Integers of a file are floats if another file has floats; empty files have no rows."""
    for at, text in enumerate(["x\n1\n2\n", "", "x\n1.5\n"]):
        (tmp_path / f"{at}.csv").write_text(text)
    assert dd.read_csv(tmp_path / "*.csv", sep="[,]", engine="python").compute().x.tolist() == [1.0, 2.0, 1.5]


CSV_WRITES = {
    "first header": {"header_first_partition_only": True},
    "labels": {"header": ["A", "C", "K"]},
    "compressed": {"compression": "gzip"},
    "encoded": {"encoding": "utf-16"},
    "missing": {"na_rep": "?", "float_format": "%.3f"},
}


@pytest.mark.parametrize("name", CSV_WRITES)
def test_csv_written_by_pandas(loaded, tmp_path, name):
    """The files are what pandas writes for each partition."""
    files = loaded.to_csv(tmp_path / "t", **CSV_WRITES[name])
    options = {key: value for key, value in CSV_WRITES[name].items() if key != "header_first_partition_only"}
    for at, (file, low, high) in enumerate(zip(files, [0, 4, 7], [4, 7, 10])):
        if name == "first header" and at:
            options["header"] = False
        FRAME[low:high].to_csv(tmp_path / "expected", **options)
        read = {key: options[key] for key in ("compression", "encoding") if key in options}
        pd.testing.assert_frame_equal(pd.read_csv(file, **read), pd.read_csv(tmp_path / "expected", **read))


INDEXES = {
    "numbers": pd.RangeIndex(3),
    "times": pd.date_range("2024-01-01 01:00", periods=3),
    "named": pd.Index(["x", "y", "z"], name="k"),
    "levels": pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)]),
    "levels, one with a name": pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)], names=[None, "k"]),
}


@pytest.mark.parametrize("is_single", [True, False])
@pytest.mark.parametrize("name", INDEXES)
def test_csv_header_of_the_index(client, tmp_path, name, is_single):
    """Levels without a name have an empty header, as in pandas."""
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=INDEXES[name])
    path = tmp_path / ("one.csv" if is_single else "part-*.csv")
    files = dd.from_pandas(frame, npartitions=1).to_csv(path, single_file=is_single)
    assert Path(files[0]).read_text().splitlines()[0] == frame.to_csv().splitlines()[0]
    levels = list(range(frame.index.nlevels))
    assert pd.read_csv(files[0], index_col=levels).a.tolist() == [1, 2, 3]


def test_csv_modes(loaded, tmp_path):
    """A single file is appended to, replaced, or must not exist."""
    path = tmp_path / "one.csv"
    loaded.to_csv(path, single_file=True, mode="x")
    with pytest.raises(FileExistsError):
        loaded.to_csv(path, single_file=True, mode="x")
    loaded.to_csv(path, single_file=True, mode="a", header=False)
    same(pd.read_csv(path, index_col="i"), pd.concat([FRAME, FRAME]))
    loaded.to_csv(path, single_file=True, mode="w")
    same(pd.read_csv(path, index_col="i"), FRAME)
    with pytest.raises(FileExistsError, match="already exists"):
        loaded.to_csv(path, single_file=True)
    assert [one.name for one in tmp_path.iterdir()] == ["one.csv"]


ORIENTS = ["split", "records", "index", "columns", "values"]


@pytest.mark.parametrize("orient", ORIENTS)
def test_json_orients(loaded, tmp_path, orient):
    """Each orientation of pandas is written and read."""
    files = loaded.to_json(tmp_path / "t", orient=orient, lines=False)
    expected = pd.concat([pd.read_json(file, orient=orient) for file in files])
    same(dd.read_json(tmp_path / "t", orient=orient, lines=False), expected)


def test_json_meta(tmp_path):
    """meta= gives the types that the first file does not have."""
    for name, scale in (("a", 1), ("b", 0.5)):
        PLAIN.assign(a=PLAIN.a * scale).to_json(tmp_path / f"{name}.json", orient="records", lines=True)
    found = dd.read_json(tmp_path / "*.json", meta=PLAIN.assign(a=0.5).iloc[:0]).compute()
    assert found.a.dtype == "float64" and found.a.sum() == PLAIN.a.sum() * 1.5


def test_json_ranges(tmp_path):
    """A file of lines is divided, and paths are a column."""
    PLAIN.to_json(tmp_path / "a.json", orient="records", lines=True)
    found = dd.read_json(tmp_path / "a.json", blocksize=40, include_path_column=True)
    assert found.npartitions > 3 and set(found.path.compute()) == {str(tmp_path / "a.json")}
    same(found[list(PLAIN.columns)].compute().reset_index(drop=True), PLAIN)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(st.sampled_from("ab€"), max_size=8), max_size=8), st.integers(1, 60), st.booleans())
def test_ranges_of_any_lines(tmp_path_factory, lines, size, ends):
    """Whatever the ranges of the bytes are, each line is read once."""
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    text = "\n".join(lines) + ("\n" if ends else "")
    path.write_bytes(text.encode())
    parts = file_ranges([str(path)], size)
    assert b"".join(map(read_range, parts)) == text.encode()
    assert all(part.end - part.start <= size for part in parts)


def test_fixed_widths(tmp_path):
    """Fields of fixed widths."""
    (tmp_path / "a.txt").write_text("id   x\n 1 1.5\n 2 2.5\n")
    same(dd.read_fwf(tmp_path / "a.txt"), pd.read_fwf(tmp_path / "a.txt"))


# ORC, HDF5 and databases.


@pytest.mark.parametrize("arguments", [{}, {"columns": ["c"]}, {"index": "i"}, {"split_stripes": False}])
def test_orc(loaded, tmp_path, arguments):
    """ORC files are written and read."""
    loaded.to_orc(tmp_path / "t")
    expected = FRAME.reset_index()
    if "index" in arguments:
        expected = FRAME
    expected = expected[arguments["columns"]] if "columns" in arguments else expected
    found = dd.read_orc(tmp_path / "t", **arguments).compute()
    same(found if "index" in arguments else found.reset_index(drop=True), expected)
    with pytest.raises(ValueError, match="no column 'absent'"):
        dd.read_orc(tmp_path / "t", columns=["absent"])


def test_orc_index_of_small_numbers(tmp_path):
    """An index keeps its type, also if its numbers are a range in some files."""
    frame = pd.DataFrame({"v": np.arange(6)}, index=pd.Index([9, 1, 2, 3, 4, 5], dtype="int32", name="i"))
    dd.from_pandas(frame, npartitions=2, sort=False).to_orc(tmp_path / "t")
    found = dd.read_orc(tmp_path / "t", index="i").compute()
    assert found.index.dtype == "int32" and found.index.tolist() == frame.index.tolist()


@pytest.mark.parametrize(("path", "key"), [("a.h5", "/d"), ("a-*.h5", "/d"), ("a.h5", "/d*")])
def test_hdf(loaded, tmp_path, path, key):
    """HDF5 files and objects are written and read."""
    pytest.importorskip("tables")
    loaded.to_hdf(tmp_path / path, key)
    found = dd.read_hdf(tmp_path / path, key, chunksize=2, sorted_index=True)
    assert found.divisions[0] == 0 and found.divisions[-1] == 90
    same(found, FRAME)


@pytest.mark.parametrize("key", ["/d", "/d*"])
def test_hdf_in_an_open_store(loaded, tmp_path, key):
    """This process writes the partitions to a file that it has open."""
    pytest.importorskip("tables")
    with pd.HDFStore(str(tmp_path / "a.h5")) as store:
        assert loaded.to_hdf(store, key) == [str(tmp_path / "a.h5")]
        assert len(store.keys()) == (1 if key == "/d" else loaded.npartitions)
        with pytest.raises(NotImplementedError, match="compute=False"):
            loaded.to_hdf(store, key, compute=False)
    same(dd.read_hdf(tmp_path / "a.h5", key, sorted_index=True), FRAME)


@pytest.mark.parametrize(
    ("paths", "error"), [("none.h5", FileNotFoundError), (["none.h5"], FileNotFoundError), ([], ValueError)]
)
def test_hdf_without_files(paths, error):
    """Paths without files are an error, whether or not the package that reads them is installed."""
    with pytest.raises(error, match=r"no file matches|list of paths is empty"):
        dd.read_hdf(paths, "/d")


@pytest.fixture
def database(loaded, tmp_path):
    pytest.importorskip("sqlalchemy")
    url = f"sqlite:///{tmp_path}/data.db"
    loaded.to_sql("t", url)
    return url


def test_database(database):
    """A table is read in partitions by its index column."""
    found = dd.read_sql_table("t", database, index_col="i", npartitions=3)
    assert found.divisions == (0, 40, 70, 90)
    same(found, pd.read_sql_table("t", database, index_col="i"))


def test_database_query(database):
    """So is a selection of SQLAlchemy."""
    import sqlalchemy

    query = sqlalchemy.select(sqlalchemy.column("i"), sqlalchemy.column("a")).select_from(sqlalchemy.table("t"))
    same(dd.read_sql(query, database, "i", npartitions=2), FRAME[["a"]])
    with pytest.raises(ValueError, match="takes a selection of SQLAlchemy"):
        dd.read_sql_query("SELECT * FROM t", database, "i")


def test_database_refusals(database):
    """What would lose rows, or cannot be divided, is an error."""
    with pytest.raises(TypeError, match="must be numeric or datetime"):
        dd.read_sql_table("t", database, index_col="c", npartitions=2)
    pd.DataFrame({"i": [1, None], "x": [1, 2]}).to_sql("holes", database, index=False)
    with pytest.raises(ValueError, match="1 missing values"):
        dd.read_sql_table("holes", database, index_col="i", npartitions=1)


@pytest.mark.parametrize("parallel", [False, True])
def test_database_writes(loaded, database, parallel):
    """Tables are replaced, appended to, or must not exist."""
    with pytest.raises(ValueError, match="already exists"):
        loaded.to_sql("t", database, parallel=parallel)
    loaded.to_sql("t", database, if_exists="append", parallel=parallel)
    assert len(pd.read_sql_table("t", database)) == 2 * len(FRAME)
    loaded.to_sql("t", database, if_exists="replace", parallel=parallel)
    same(pd.read_sql_table("t", database, index_col="i").sort_index(), FRAME)


def test_memory_of_partitions_of_a_named_index(loaded):
    """The sizes of partitions have the numbers of the partitions as labels."""
    assert loaded.memory_usage_per_partition().compute().index.tolist() == [0, 1, 2]


def test_empty_files_among_others(tmp_path):
    """A file of which only the header exists says nothing about types."""
    (tmp_path / "1.csv").write_text("x,y\n")
    (tmp_path / "2.csv").write_text("x,y\n1,a\n")
    found = dd.read_csv(tmp_path / "*.csv", converters={"y": str.upper})
    same(found.compute().reset_index(drop=True), pd.DataFrame({"x": [1], "y": ["A"]}))


# Arrays.

ARRAYS = {
    "matrix": (np.arange(10.0).reshape(5, 2), None),
    "named": (np.arange(10).reshape(5, 2), ["a", "b"]),
    "column": (np.arange(5), None),
    "named column": (np.arange(5), "x"),
    "frame of one column": (np.arange(5), ["x"]),
    "records": (np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i8"), ("b", "f8")]), None),
    "fields": (np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i8"), ("b", "f8")]), ["b"]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    """Arrays become what pandas makes of them, with numbered rows."""
    array, columns = ARRAYS[name]
    is_series = array.ndim == 1 and array.dtype.names is None and not isinstance(columns, list)
    expected = pd.Series(array, name=columns) if is_series else pd.DataFrame(array, columns=columns)
    same(dd.from_array(array, chunksize=2, columns=columns), expected)
    if array.dtype.names is None:
        same(dd.from_dask_array(da.from_array(array, chunks=2), columns=columns), expected)


def test_array_with_an_index():
    """Blocks have the labels of the partitions of an index."""
    labels = dd.from_pandas(pd.Series(range(5), index=list("abcde")), npartitions=3).index
    chunks = labels.map_partitions(len).compute().tolist()
    found = dd.from_dask_array(da.from_array(np.arange(5), chunks=(tuple(chunks),)), index=labels)
    assert found.compute().to_dict() == dict(zip("abcde", range(5)))
    with pytest.raises(ValueError, match="different numbers of blocks"):
        dd.from_dask_array(da.ones(5, chunks=5), index=labels)


@pytest.mark.parametrize(
    ("array", "columns", "message"),
    [
        (np.ones((2, 2, 2)), None, "more than 2D array"),
        (np.ones((2, 2)), ["a"], "names must match width"),
        (np.ones(2), ["a", "b"], "names must match width"),
    ],
)
def test_arrays_that_are_refused(array, columns, message):
    """Arrays with more axes, and names that do not fit."""
    with pytest.raises(ValueError, match=message):
        dd.from_array(array, columns=columns)


LABELS = [
    (["A", "B", "C", "C", "C", "C", "C", "C"], ("A", "B", "C", "C")),
    (["A", "B", "B", "B", "B", "B", "B", "C"], ("A", "B", "C", "C")),
    (["A"] * 8, None),
]


@pytest.mark.parametrize(("labels", "divisions"), LABELS)
def test_divisions_of_repeated_labels(labels, divisions):
    """A label is in one partition, unless that would leave few partitions."""
    frame = pd.DataFrame({"a": range(8)}, index=labels)
    found = dd.from_pandas(frame, npartitions=3)
    assert found.divisions == divisions if divisions else not found.known_divisions
    same(found, frame)


def test_first_partitions_of_results_with_divisions():
    """The first rows are computed from the first partitions."""
    ddf = dd.demo.make_timeseries("2000-01-01", "2000-01-05", {"a": int}, "1h", "1D", seed=1, a_lam=5)
    assert ddf.divisions == tuple(pd.date_range("2000-01-01", "2000-01-05"))
    same(ddf.head(3), ddf.compute().head(3))
    assert ddf.a.mean().compute() < 10
