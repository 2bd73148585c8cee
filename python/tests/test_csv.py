"""CSV files in all dialects, compared with pandas."""

import csv
import gzip
import io
import math
import os
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import partita.dataframe as dd

pytestmark = pytest.mark.usefixtures("client")


def plain(value):
    """Convert a value to a Python object; missing values become None."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer, float, np.floating)):
        return float(value) if float(value) != value or isinstance(value, (float, np.floating)) else int(value)
    return str(value)


def rows(frame):
    """Return the column names and the sorted rows of a frame."""
    names = [str(name) for name in frame.columns]
    found = [tuple(plain(value) for value in row) for row in frame.astype(object).itertuples(index=False)]
    return names, sorted(found, key=repr)


def alike(got, expected):
    (names, found), (wanted_names, wanted) = rows(got.compute()), rows(expected)
    assert names == wanted_names
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted):
        for a, b in zip(row, other):
            if isinstance(a, float) or isinstance(b, float):
                assert math.isclose(a, b, rel_tol=1e-12), (row, other)
            else:
                assert a == b and isinstance(a, bool) == isinstance(b, bool), (row, other)


TEXT = "a,b,c\n1,x,2.5\n2,y,3.5\n"

#: Contents of a file, and the arguments of read_csv.
DIALECTS = {
    "missing words": (
        'n,code,x\n1,NA,1.5\n2,NC,NA\n3,"NA",nan\n4,,\n5,null,NULL\n6,None,2\n7,n/a,N/A\n8,"",#N/A\n',
        {},
    ),
    "no missing words": ("n,code\n1,NA\n2,\n3,x\n", {"keep_default_na": False}),
    "own missing words": ("n,code\n1,-\n-9,?\n3,NA\n", {"na_values": ["-", "?", -9]}),
    "only own missing words": ("n,code\n1,NA\n2,?\n", {"na_values": "?", "keep_default_na": False}),
    "missing words of a column": ("n,code\n1,1\n2,?\n", {"na_values": {"n": [1], "code": "?"}}),
    "nothing is missing": ("n,code\n1,\n2,NA\n", {"na_filter": False}),
    "decimals": ("a;b\n1,5;1.234,5\n2;1.000\n", {"sep": ";", "decimal": ",", "thousands": "."}),
    "thousands": ('a,b\n"1,234",x\n"-1,234,567",y\n', {"thousands": ","}),
    "truths as numbers": ("a,b\n0,x\n1,y\n1,z\n", {"dtype": {"a": bool}}),
    "blanks": ('a  b\tc\n  1   x  2.5 \n2 "y  z" 3.5\n', {"sep": r"\s+"}),
    "tabs": ("a\tb\n1\tx y\n2\t\n", {"sep": "\t"}),
    "initial blanks": ('a, b\n1,  "x, y"\n2, z\n', {"skipinitialspace": True}),
    "skipped lines": ("made by hand\n\n" + TEXT, {"skiprows": 2}),
    "chosen lines": ("a,b\n1,2\nbad\n3,4\n", {"skiprows": [2]}),
    "later header": ("title\na,b\n1,2\n", {"header": 1}),
    "rows": (TEXT, {"nrows": 1}),
    "comments": ('# first\na,b # names\n1,x# no\n2,"y # yes"\n# last\n', {"comment": "#"}),
    "no quotes": ('a,b\n1,"x\n2,y"z\n', {"quoting": csv.QUOTE_NONE}),
    "other quotes": ("a,b\n1,'x, y'\n2,'it''s'\n", {"quotechar": "'"}),
    "escapes": ('a,b\n1,"x\\"y"\n2,z\\,w\n', {"escapechar": "\\", "doublequote": False}),
    "escapes without quotes": ("a,b\n1,x\\,y\\\\\n2,z\\\nw\n", {"escapechar": "\\", "quoting": csv.QUOTE_NONE}),
    "line ends": ("a;b~1;x~2;y~", {"sep": ";", "lineterminator": "~"}),
    "carriage returns": ("a,b\r1,x\r2,y\r", {}),
    "windows": ('a,b\r\n1,x\r\n\r\n2,"y\r\nz"\r\n', {}),
    "long rows": ("a,b\n1,2\n3,4,5\n6,7\n", {"on_bad_lines": "skip"}),
    "short rows": ("a,b,c\n1,2\n3,4,5\n6\n", {}),
    "blank lines": ("a,b\n\n1,x\n   \n2,y\n\n", {}),
    "numbered columns": ("1,x\n2,y\n", {"header": None}),
    "named columns": ("1,x\n2,y\n", {"names": ["p", "q"]}),
    "renamed columns": (TEXT, {"names": ["p", "q", "r"], "header": 0}),
    "columns without names": (",a,a\n1,2,3\n", {}),
    "some columns": (TEXT, {"usecols": ["c", "a"]}),
    "columns by position": (TEXT, {"usecols": [2, 0]}),
    "columns by function": (TEXT, {"usecols": lambda name: name != "b"}),
    "types": ("a,b,c\n007,1,x\n008,2,y\n", {"dtype": {"a": "str", "b": "float32", "c": "category"}}),
    "one type": ("a,b\n007,1\n,2\n", {"dtype": "str"}),
    "words for truths": ("a,b\nyes,TRUE\nno,False\n", {"true_values": ["yes"], "false_values": ["no"]}),
    "large numbers": ("a,b\n18446744073709551615,1\n1,99999999999999999999.5\n", {}),
    "times": ("t,n\n2024-01-02,1\n,2\n", {"parse_dates": ["t"]}),
    "times that are not asked for": ("t\n2024-01-02\n2024-01-03\n", {}),
    "nothing in a column": ("a,b\n1,\n2,NA\n", {}),
    "nothing": ("a,b\n", {}),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects(tmp_path, name):
    """Plain and compressed files are read as by pandas with the same arguments."""
    text, arguments = DIALECTS[name]
    expected = pd.read_csv(io.StringIO(text, newline=""), **arguments)
    (tmp_path / "t.csv").write_bytes(text.encode())
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    alike(dd.read_csv(tmp_path / "t.csv", **arguments), expected)
    alike(dd.read_csv(tmp_path / "t.csv.gz", **arguments), expected)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "cp437", "utf-16", "utf-16-be"])
def test_encodings(tmp_path, encoding):
    """Files are decoded by encoding=, and a byte order mark is skipped."""
    frame = pd.DataFrame({"é": ["ü", "naïve", "x"], "n": [1, 2, 3]})
    frame.to_csv(tmp_path / "t.txt", index=False, encoding=encoding)
    alike(dd.read_csv(tmp_path / "t.txt", encoding=encoding), frame)


def test_invalid_bytes(tmp_path):
    """Invalid bytes raise an error that mentions encoding=, or are replaced."""
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,\xe9\n")
    with pytest.raises(Exception, match="encoding="):
        dd.read_csv(tmp_path / "t.csv").compute()
    got = dd.read_csv(tmp_path / "t.csv", encoding_errors="replace").compute()
    assert got.b.tolist() == ["\ufffd"]


def test_late_values(tmp_path):
    """Type inference with late values: first empty, a fraction at the end, a string longer than a sample."""
    n = 5000
    lines = [f"{at}\t\t{at % 7}\tx" for at in range(n)]
    long = "a line\n" * 200_000
    (tmp_path / "t.tsv").write_text("\n".join([*lines, f'{n}\tINDONESIA\t0.5\t"{long}"']))
    frame = dd.read_csv(tmp_path / "t.tsv", sep="\t", header=None, names=["id", "place", "x", "text"])
    assert frame.x.sum().compute() == sum(at % 7 for at in range(n)) + 0.5
    assert frame[frame.id == n].place.compute().tolist() == ["INDONESIA"]
    assert frame.text.str.len().max().compute() == 7 * 200_000


def late_text():
    """Return rows whose only fraction is outside of all samples of the file.

    Samples are the first MiB, and the last 128 KiB of each sixteenth of the file.
    """
    lines = [f"{n},{n}" for n in range(300_000)]
    lines.insert(160_000, "7,0.5")
    return "\n".join(["n,x", *lines, ""])


@pytest.mark.parametrize("name", ["late.csv", "late.csv.gz", "late.csv.zst"])
def test_late_values_of_large_files(client, tmp_path, name):
    """For files that are too large for the scheduler, the workers infer the types."""
    path, text = tmp_path / name, late_text()
    with pa.output_stream(str(path), compression="detect") as file:
        file.write(text.encode())
    client.sql("SET partita.read_whole_bytes = 1000")
    try:
        frame = dd.read_csv(path)
        expected = pd.read_csv(io.StringIO(text))
        assert frame.dtypes.tolist() == expected.dtypes.tolist() == [np.int64, np.float64]
        assert frame.x.sum().compute() == expected.x.sum()
        assert (frame.x // 1 == 0).sum().compute() == (expected.x // 1 == 0).sum() == 2
    finally:
        client.sql("SET partita.read_whole_bytes = 67108864")


def test_late_values_of_files_too_large_for_the_cluster(client, tmp_path):
    """A value that contradicts the types of the sample raises an error that names them; reading again succeeds."""
    path, text = tmp_path / "late.csv", late_text()
    path.write_text(text)
    client.sql("SET partita.read_whole_bytes = 1000")
    client.sql("SET partita.read_whole_slot_bytes = 1000")
    try:
        frame = dd.read_csv(path)
        assert frame.dtypes.tolist() == [np.int64, np.int64]
        with pytest.raises(ValueError, match="'x' is read as Float64 instead of Int64"):
            frame.x.sum().compute()
        frame = dd.read_csv(path)
        assert frame.x.sum().compute() == pd.read_csv(io.StringIO(text)).x.sum()
        named = dd.read_csv(path, dtype={"n": "int64", "x": "int64"})
        with pytest.raises(ValueError, match="the type that was set for the column"):
            named.x.sum().compute()
    finally:
        client.sql("SET partita.read_whole_bytes = 67108864")
        client.sql("SET partita.read_whole_slot_bytes = 2147483648")


def test_columns_in_another_order(tmp_path):
    """Columns of several files are matched by name, never by position."""
    one = pd.DataFrame({"a": [1, 3], "b": [2.5, 4], "c": ["x", "y"]})
    two = pd.DataFrame({"c": ["z", None], "b": [5.5, 6], "a": [7, 8]})
    expected = pd.concat([one, two])
    for name in ("csv", "csv.gz", "csv.xz"):
        one.to_csv(tmp_path / f"1.{name}", index=False)
        two.to_csv(tmp_path / f"2.{name}", index=False)
        files = [tmp_path / f"1.{name}", tmp_path / f"2.{name}"]
        for path in (tmp_path / f"*.{name}", files):
            alike(dd.read_csv(path), expected)
            alike(dd.read_csv(path, dtype={"a": "float64", "c": "str"}), expected)
            alike(dd.read_csv(path, usecols=["c", "a"]), expected[["a", "c"]])
    one.to_json(tmp_path / "1.json", orient="records", lines=True)
    two.to_json(tmp_path / "2.json", orient="records", lines=True)
    one.to_parquet(tmp_path / "1.parquet")
    two.to_parquet(tmp_path / "2.parquet")
    for read, name in [(dd.read_json, "json"), (dd.read_parquet, "parquet")]:
        for path in (tmp_path / f"*.{name}", [tmp_path / f"1.{name}", tmp_path / f"2.{name}"]):
            alike(read(path)[["a", "b", "c"]], expected)
    for year, frame in ((2023, one), (2024, two)):
        (tmp_path / f"years/year={year}").mkdir(parents=True)
        frame.to_csv(tmp_path / f"years/year={year}/t.csv", index=False)
    years = pd.concat([one.assign(year=2023), two.assign(year=2024)])
    alike(dd.read_csv(tmp_path / "years"), years)


def test_files_that_lack_columns(tmp_path):
    """The error names the files and the column, or without a header the numbers of columns."""
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a\n1\n")
    with pytest.raises(Exception, match=r"1\.csv' has 'b', '.*2\.csv' does not"):
        dd.read_csv(tmp_path / "*.csv").compute()
    with pytest.raises(Exception, match=r"1\.csv' has 2, '.*2\.csv' has 1"):
        dd.read_csv(tmp_path / "*.csv", header=None).compute()


def test_files_without_rows(tmp_path):
    """A file without rows does not affect the types of the other files."""
    frame = pd.DataFrame({"day": pd.date_range("2000-01-01", periods=40).strftime("%Y-%m-%d"), "n": range(40)})
    frame.to_csv(tmp_path / "2000.csv.gz", index=False)
    frame[:0].to_csv(tmp_path / "1999.csv.gz", index=False)
    got = dd.read_csv(tmp_path / "*.csv.gz", parse_dates=["day"], dtype={"n": "float64"})
    assert got.n.sum().compute() == frame.n.sum()
    assert got.day.max().compute() == pd.Timestamp("2000-02-09")


def test_index_and_path_columns(tmp_path):
    """index_col= by name and by position, and include_path_column=."""
    (tmp_path / "1.csv").write_text(TEXT)
    (tmp_path / "2.csv").write_text(TEXT)
    for index in ("b", 1, ["b", "a"]):
        expected = pd.read_csv(tmp_path / "1.csv", index_col=index)
        pd.testing.assert_frame_equal(dd.read_csv(tmp_path / "1.csv", index_col=index).compute(), expected)
    expected = pd.read_csv(tmp_path / "1.csv", usecols=["c", "b"], index_col=0)
    pd.testing.assert_frame_equal(dd.read_csv(tmp_path / "1.csv", usecols=["c", "b"], index_col=0).compute(), expected)
    frame = dd.read_csv(tmp_path / "*.csv", include_path_column=True)
    assert list(frame.columns) == ["a", "b", "c", "path"]
    assert sorted(set(frame.path.compute())) == [str(tmp_path / "1.csv"), str(tmp_path / "2.csv")]
    assert list(dd.read_csv(tmp_path / "1.csv", include_path_column="from", usecols=["a"]).columns) == ["a", "from"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"chunksize": 10}, "chunksize"),
        ({"quotechar": "''"}, "quotechar"),
        ({"usecols": ["absent"]}, "absent"),
        ({"index_col": "absent"}, "absent"),
        ({"no_such": 1}, "no_such"),
        ({"dtype": {"b": "int64"}}, "'b' has 'x'"),
    ],
)
def test_unsupported_arguments(tmp_path, arguments, word):
    """Unsupported arguments raise an error that names them."""
    (tmp_path / "t.csv").write_text(TEXT)
    with pytest.raises(Exception, match=word):
        dd.read_csv(tmp_path / "t.csv", **arguments).compute()


#: Characters with a special meaning in some dialect, and characters of one to four bytes.
TEXTS = st.text(st.sampled_from("abN0159.,;|-+eE \t\n\"'\\#é€😀"), max_size=8)
VALUES = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "text": TEXTS,
}


@st.composite
def tables(draw):
    """Draw a table of any types with missing values, and the options to write it."""
    height = draw(st.integers(1, 6))
    columns = {}
    for at in range(draw(st.integers(2, 4))):
        kind = draw(st.sampled_from(sorted(VALUES)))
        values = draw(st.lists(VALUES[kind], min_size=height, max_size=height))
        missing = draw(st.lists(st.booleans(), min_size=height, max_size=height)) if kind != "int" else [False] * height
        columns[f"c{at}"] = pd.Series([None if gone else value for value, gone in zip(values, missing)], dtype=object)
    dialect = {
        "sep": draw(st.sampled_from([",", ";", "\t", "|"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "quotechar": draw(st.sampled_from(['"', "'"])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n"])),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le"])),
        "na_rep": draw(st.sampled_from(["", "NA", "null"])),
        "header": draw(st.booleans()),
    }
    dialect["decimal"] = draw(st.sampled_from([".", ","])) if dialect["sep"] != "," else "."
    if draw(st.booleans()):
        dialect |= {"doublequote": False, "escapechar": "\\"}
    return pd.DataFrame(columns), dialect, draw(st.sampled_from(["", ".gz", ".bz2"]))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_files_written_by_pandas(tmp_path, table):
    """Tables that pandas wrote in any dialect are read as by pandas."""
    frame, written, ending = table
    path = tmp_path / f"t.csv{ending}"
    frame.to_csv(path, index=False, **written)
    same = ("sep", "quotechar", "encoding", "decimal", "doublequote", "escapechar")
    read = {key: written[key] for key in same if key in written}
    read["header"] = 0 if written["header"] else None
    alike(dd.read_csv(path, **read), pd.read_csv(path, **read))


def test_dtype_may_name_columns_that_the_files_lack(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    given = {"a": "float32", "absent": "str"}
    alike(dd.read_csv(path, dtype=given), pd.read_csv(path, dtype=given))


def test_parse_dates_names_columns_of_the_files(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="Missing column provided to 'parse_dates': 'absent'"):
        dd.read_csv(path, parse_dates=["absent"])


def test_files_in_another_encoding_need_it_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,é\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not valid UTF-8"):
        dd.read_csv(path).compute()
    alike(dd.read_csv(path, encoding="latin-1"), pd.read_csv(path, encoding="latin-1"))


FRAMES = {
    "all columns": lambda d: d,
    "a column": lambda d: d[["a"]],
    "filtered": lambda d: d[d.a > 2],
    "sorted": lambda d: d.sort_values("a", ascending=False),
    "computed": lambda d: d.assign(b=d.a.cumsum()),
    "of functions": lambda d: d.map_partitions(lambda part: part),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("index", [False, True])
def test_a_single_file_has_the_rows_in_their_order(tmp_path, name, index):
    """The task that writes the file gets the partitions of other workers when they arrive."""
    rows = pd.DataFrame({"a": range(64), "s": [f"s{i % 7}" for i in range(64)]})
    frame = FRAMES[name](dd.from_pandas(rows, npartitions=16))
    expected = FRAMES["all columns" if name == "of functions" else name](rows)
    for attempt in range(3):
        path = tmp_path / f"{attempt}.csv"
        frame.to_csv(path, single_file=True, index=index)
        assert pd.read_csv(path).a.tolist() == expected.a.tolist()


@pytest.mark.parametrize("arguments", [{}, {"na_rep": "N"}])
def test_name_function_names_the_files_of_a_folder(tmp_path, arguments):
    rows = pd.DataFrame({"a": range(4)})
    paths = dd.from_pandas(rows, npartitions=2).to_csv(
        tmp_path / "out", name_function="p{}".format, index=False, **arguments
    )
    assert [os.path.relpath(path, tmp_path) for path in paths] == ["out/p0.part", "out/p1.part"]
    assert pd.concat(map(pd.read_csv, paths)).a.tolist() == [0, 1, 2, 3]


def test_sizes_of_partitions_have_no_effect_on_compressed_files(tmp_path):
    table = pd.DataFrame({"a": range(100)})
    for name in ("a.csv", "a.csv.gz", "a.csv.zip"):
        table.to_csv(tmp_path / name, index=False)
    for reader in (dd.read_csv, dd.read_table):
        for name in ("a.csv.gz", "a.csv.zip"):
            with pytest.warns(UserWarning, match="compressed files are not divided") as found:
                alike(reader(tmp_path / name, sep=",", blocksize="1kB"), table)
            assert reader is not dd.read_csv or found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in ({"blocksize": 100}, {"blocksize": None}, {"blocksize": "default"}):
            alike(dd.read_csv(tmp_path / "a.csv", **given), table)
        alike(dd.read_csv(tmp_path / "a.csv.gz", blocksize=None), table)


@pytest.mark.parametrize("size", ["nonsense", -1, 0, "10 furlongs"])
def test_sizes_of_partitions_are_checked(tmp_path, size):
    pd.DataFrame({"a": range(100)}).to_csv(tmp_path / "a.csv", index=False)
    for reader in (dd.read_csv, dd.read_fwf):
        with pytest.raises(ValueError, match="blocksize must be"):
            reader(tmp_path / "a.csv", blocksize=size)


@pytest.mark.parametrize("compression", ["infer", "gzip"])
def test_parts_of_compressed_files_of_json_are_refused(tmp_path, compression):
    """The bytes of a part would not be lines."""
    table = pd.DataFrame({"a": range(100)})
    table.to_json(tmp_path / "a.json.gz", orient="records", lines=True)
    with pytest.raises(ValueError, match=r"parts of compressed files.*blocksize"):
        dd.read_json(tmp_path / "a.json.gz", blocksize=100, compression=compression)
    alike(dd.read_json(tmp_path / "a.json.gz", compression=compression), table)
