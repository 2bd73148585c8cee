"""Errors of computations: exception classes, column names, short tracebacks."""

import pickle
import traceback
from pathlib import Path

import pandas as pd
import pytest

import partita
from partita import QueryError
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(scope="module")
def ddf(client):
    return dd.from_pandas(pd.DataFrame({"k": [0, 1, 2], "s": ["1", "two", "3"], "t": ["x", "y", "z"]}), npartitions=2)


def raised(kind, function):
    """Return the exception of a function, which must be a QueryError and an instance of `kind`."""
    with pytest.raises(kind) as caught:
        function()
    assert isinstance(caught.value, QueryError), caught.value
    return caught.value


def test_files_that_are_missing(client, tmp_path):
    """Missing files, patterns and folders without files, and a file that is deleted after planning."""
    for name in ("x.csv", "x.parquet", "no/*.json", "empty/"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        error = raised(FileNotFoundError, lambda name=name: dd.read_csv(f"{tmp_path}/{name}"))
        assert name in str(error) and error.query is not None
    raised(FileNotFoundError, lambda: client.sql(f"SELECT * FROM '{tmp_path}/x.parquet'"))
    path = tmp_path / "goes.csv"
    path.write_text("a\n1\n")
    ddf = dd.read_csv(path)
    path.unlink()
    raised(FileNotFoundError, lambda: ddf.a.sum().compute())


def test_files_that_exist(ddf, tmp_path):
    """Existing files are not overwritten."""
    ddf.to_parquet(tmp_path / "p")
    raised(FileExistsError, lambda: ddf.to_parquet(tmp_path / "p"))


def test_values(client, ddf, tmp_path):
    """Conversion errors contain the value and the column."""
    error = raised(ValueError, lambda: ddf.s.astype("int64").compute())
    assert "column 's'" in str(error) and "'two'" in str(error)
    error = raised(ValueError, lambda: ddf.astype({"s": float}).compute())
    assert str(error).startswith("column 's': ")
    error = raised(ValueError, lambda: ddf.assign(a=ddf.s.astype(int), b=ddf.k + 1).persist())
    error = raised(ValueError, lambda: ddf.assign(a=ddf.s.astype(int), b=ddf.k + 1).compute())
    assert str(error).startswith("columns 'a', 'b': ")
    raised(ValueError, lambda: ddf.s.astype("int64").sum().compute())
    (tmp_path / "wrong.parquet").write_text("this is not Parquet")
    error = raised(ValueError, lambda: dd.read_parquet(tmp_path / "wrong.parquet"))
    assert "wrong.parquet" in str(error)


def test_other_kinds(client):
    """Missing columns, integer division by zero, unsupported features; other errors have no such class."""
    error = raised(KeyError, lambda: client.sql("SELECT nothing FROM (SELECT 1 AS a)"))
    # Not in quotes, unlike the text of an ordinary KeyError.
    assert not str(error).startswith(("'", '"')) and "nothing" in str(error)
    raised(ZeroDivisionError, lambda: client.sql("SELECT 1 / (value - 1) FROM generate_series(1, 3)"))
    with pytest.raises(QueryError) as caught:
        client.sql("SELEC 1")
    assert type(caught.value) is QueryError


def test_types(ddf):
    """Numeric operations on strings and times raise an error immediately; round() leaves them unchanged."""
    ddf = ddf.assign(t=pd.Timestamp("2024-01-01"))
    for label in ("s", "t"):
        for name in ("abs", "__neg__"):
            with pytest.raises(TypeError, match=rf"of column '{label}': its values are "):
                getattr(ddf[label], name)()
        assert ddf[label].round().compute().equals(ddf[label].compute())


def test_kinds_do_not_come_from_texts(client):
    """An error whose message only mentions a file is not a FileNotFoundError."""
    with pytest.raises(QueryError) as caught:
        client.sql("SELECT CAST('no such file or folder: x' AS BIGINT)")
    assert isinstance(caught.value, ValueError) and not isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize(
    "function",
    [
        lambda ddf: ddf.s.astype("int64").compute(),
        lambda ddf: ddf.astype({"s": int}).compute(),
        lambda ddf: ddf.s.astype("int64").max().compute(),
        lambda ddf: ddf.assign(s=ddf.s.astype(int)).groupby("t").s.sum().compute(),
        lambda ddf: ddf.assign(s=ddf.s.astype(int)).persist(),
        lambda ddf: ddf.astype({"s": int}).head(),
        lambda ddf: partita.compute(ddf.s.astype(int), ddf.k),
        lambda ddf: partita.compute(ddf.s.astype(int)),
        lambda ddf: ddf._client.compute(ddf.s.astype(int)).result(),
        lambda ddf: ddf._client.sql("SELECT CAST('x' AS BIGINT)"),
        lambda ddf: dd.read_csv("/no/such.csv"),
    ],
)
def test_tracebacks_are_short(ddf, function):
    """Tracebacks contain only one frame of the package."""
    with pytest.raises(QueryError) as caught:
        function(ddf)
    package = str(Path(partita.__file__).parent)
    frames = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert [frame.startswith(package) for frame in frames].count(True) == 1, frames
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_errors_travel_between_processes(ddf):
    """Pickling keeps class, message and query."""
    error = raised(ValueError, lambda: ddf.s.astype("int64").compute())
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.query) == (type(error), str(error), error.query)


@pytest.mark.parametrize("kinds", [(KeyError, NotImplementedError), (TypeError, NotImplementedError)])
def test_types_of_errors_of_pandas_and_dask(client, kinds):
    """Errors have the types of pandas and of Dask, which raises others for the same call."""
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2], "s": ["x", "y"]}), npartitions=2)
    for kind in kinds:
        with pytest.raises(kind, match=r"named columns|does not support mean"):
            frame.sort_values(by=1) if KeyError in kinds else frame.groupby("a").mean(numeric_only=False)
