"""Features that notebooks written for Dask use: example data, reports, drawings, completion, stubs."""

import io
import json
import os

import numpy as np
import pandas as pd
import pytest
from comparison import same

import partita
from partita import QueryError
from partita import dataframe as dd
from partita._tls import page_token
from partita.distributed import performance_report

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame({"k": [1, 2, 3, 3], "v": list("abcd"), "x": [0.5, None, 1.5, 2.5]})


@pytest.fixture(scope="module")
def ddf(client, frame):
    return dd.from_pandas(frame, npartitions=2)


def test_timeseries(client):
    """Index, columns and partitions equal those of Dask; the values have the documented distribution."""
    ddf = partita.datasets.timeseries("2000-01-01", "2000-01-04", freq="1min", seed=42)
    got = ddf.compute()
    assert got.index.equals(pd.date_range("2000-01-01", "2000-01-04", freq="1min", inclusive="left", name="timestamp"))
    assert {label: str(kind) for label, kind in got.dtypes.items()} == {
        "name": "str",
        "id": "int64",
        "x": "float64",
        "y": "float64",
    }
    assert ddf.npartitions == 3 and ddf.known_divisions
    assert ddf.divisions == (*pd.date_range("2000-01-01", periods=3), pd.Timestamp("2000-01-04"))
    assert len(got.name.unique()) == 26
    # The standard errors of the means are 0.48 and 0.0088.
    assert abs(got.id.mean() - 1000) < 3 and abs(got.x.mean()) < 0.05
    assert -1 <= got.x.min() < -0.99 and 0.99 < got.x.max() < 1
    assert abs(got.x.corr(got.y)) < 0.1


def test_timeseries_seed(client):
    """The values depend on the seed, but not on other columns."""
    some = {"end": "2000-01-03", "freq": "1h"}
    first = partita.datasets.timeseries(**some, seed=1).compute()
    same(partita.datasets.timeseries(**some, seed=1).compute(), first)
    made = partita.datasets.timeseries(**some, seed=1, dtypes={"x": float, "id": np.int8, "c": "category", "b": bool})
    got = made.compute()
    assert got.x.equals(first.x) and (got.id == 127).all()
    assert [str(kind) for kind in got.dtypes] == ["float64", "int8", "category", "bool"]
    for other in ({"seed": 2}, {}):
        assert not partita.datasets.timeseries(**some, **other).compute().x.equals(first.x)
    with pytest.raises(TypeError, match="column 't' cannot be datetime64"):
        partita.datasets.timeseries(**some, dtypes={"t": "datetime64[ns]"})
    with pytest.raises(ValueError, match="no partition"):
        partita.datasets.timeseries("2000-01-02", "2000-01-01")


def test_performance_report(client, ddf, tmp_path):
    """The report contains the jobs of the block, including failed ones, and no token."""
    ddf.k.max().compute()
    path = tmp_path / "report.html"
    with pytest.raises(KeyError), performance_report(filename=str(path), client=client):
        assert ddf.groupby("k").x.sum().compute()[3] == 4.0
        with pytest.raises(QueryError):
            ddf.v.astype("int64").compute()
        raise KeyError("of the script")
    page = path.read_text()
    jobs = [job for job in client._rest("jobs?limit=10")["jobs"] if f"<h3>{job['name']}</h3>" in page]
    assert [job["state"] for job in jobs] == ["failed", "done"]
    assert "group by" in page and "AggregateExec" in page and "Cannot cast" in page
    assert client._connection.token not in page
    assert all(row["name"] in page for row in client._workers())


def test_sample_with_replacement(client):
    """The number of draws of a row has a Poisson distribution, and random_state makes it reproducible."""
    frame = pd.DataFrame({"a": np.arange(20_000)}, index=np.arange(20_000) * 2)
    ddf = dd.from_pandas(frame, npartitions=3)
    for share in (0.25, 1.0, 2.5):
        for state in (None, 7):
            got = ddf.sample(frac=share, replace=True, random_state=state).compute()
            assert (got.index == got.a * 2).all()
            # Five standard deviations.
            assert abs(len(got) - share * 20_000) < 5 * (share * 20_000) ** 0.5
            never = 1 - got.a.nunique() / 20_000
            assert abs(never - np.exp(-share)) < 0.02
    again = [ddf.sample(frac=1, replace=True, random_state=3).compute() for _ in range(2)]
    same(*again)
    assert again[0].index.is_monotonic_increasing
    assert not again[0].equals(ddf.sample(frac=1, replace=True, random_state=4).compute())
    assert ddf.a.sample(frac=0, replace=True).compute().tolist() == []
    assert ddf.sample(frac=1, replace=False).compute().a.is_unique
    with pytest.raises(ValueError, match="requires replace=True"):
        ddf.sample(frac=1.5)


def test_tail_of_files(client, tmp_path):
    """tail() returns the last rows of the last file, after conditions and new columns, with the types of all files."""
    frame = pd.DataFrame({"a": np.arange(200_000), "b": np.arange(200_000) % 7 + 0.5})
    for number in (8, 9, 10):
        frame.assign(a=frame.a + number * 1_000_000).to_csv(tmp_path / f"part.{number}.csv", index=False)
    last = frame.assign(a=frame.a + 10_000_000)
    for ddf in (dd.read_csv(str(tmp_path / "*.csv")), dd.read_csv(tmp_path)):
        same(ddf.tail(3), last.tail(3))
        same(ddf.a.tail(), last.a.tail())
        same(ddf[ddf.b == 3.5].tail(2), last[last.b == 3.5].reset_index(drop=True).tail(2))
        got = ddf.assign(c=ddf.a * 2)[ddf.a % 2 == 0].c.tail(2)
        assert got.tolist() == [20_399_992, 20_399_996]
        assert len(ddf.tail(0)) == 0
    # The type of the last file by itself would be an integer type.
    (tmp_path / "part.11.csv").write_text("a,b\n1,2\n")
    same(dd.read_csv(str(tmp_path / "*.csv")).tail(), pd.DataFrame({"a": [1], "b": [2.0]}))
    with pytest.raises(NotImplementedError, match="row order of this frame is undefined"):
        ddf.merge(ddf, on="a").tail()


def test_csv_files_by_name(client, tmp_path):
    """* in a path is replaced by the number of the partition, or by the result of name_function."""
    ddf = dd.from_pandas(pd.DataFrame({"x": range(30)}), npartitions=12)
    paths = ddf.to_csv(str(tmp_path / "out" / "export-*.csv"), index=False)
    assert paths == [str(tmp_path / "out" / f"export-{at:02}.csv") for at in range(12)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"export-{at:02}.csv" for at in range(12)]
    assert pd.concat(map(pd.read_csv, paths)).x.tolist() == list(range(30))
    (ddf + 1).to_csv(str(tmp_path / "out" / "export-*.csv"), index=False)
    assert pd.concat(map(pd.read_csv, paths)).x.tolist() == list(range(1, 31))
    named = ddf.to_csv(str(tmp_path / "*.txt"), name_function=lambda at: f"of-{chr(97 + at)}", sep=";")
    assert named[-1] == str(tmp_path / "of-l.txt") and pd.read_csv(named[0], sep=";").x.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="a different string for each partition"):
        ddf.to_csv(str(tmp_path / "wrong" / "*.csv"), name_function=lambda at: "x")
    assert list((tmp_path / "wrong").iterdir()) == []


def test_names_of_files_in_another_order(client, tmp_path):
    """A warning tells if the files that name_function names sort in another order than the partitions."""
    ddf = dd.from_pandas(pd.DataFrame({"x": range(24)}), npartitions=12)
    with pytest.warns(UserWarning, match="To preserve order between partitions name_function.*'10' comes too late"):
        paths = ddf.to_csv(str(tmp_path / "*.csv"), name_function=str, index=False)
    assert [os.path.basename(path) for path in paths] == [f"{at}.csv" for at in range(12)]
    assert pd.concat(map(pd.read_csv, paths)).x.tolist() == list(range(24))


def test_info(ddf, frame):
    """info() prints types, and with verbose=True counts."""
    text = io.StringIO()
    ddf.info(buf=text)
    assert text.getvalue().splitlines()[1:] == ["Columns: 3 entries, k to x", "dtypes: float64(1), int64(1), str(1)"]
    text = io.StringIO()
    ddf.info(buf=text, verbose=True)
    assert "Rows: 4 entries" in text.getvalue() and "3 non-null" in text.getvalue()


def test_fillna_beside_times(client):
    """fillna of times with a number raises an error only if a time is missing."""
    frame = pd.DataFrame({"t": pd.date_range("2024", periods=3), "x": [1.0, None, 3.0], "s": ["a", "b", "c"]})
    same(dd.from_pandas(frame, npartitions=2).fillna(0).compute(), frame.fillna(0))
    frame.loc[1, "t"] = None
    ddf = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(ValueError, match="column 't' of times with 0"):
        ddf.fillna(0).compute()
    same(ddf.fillna({"x": 0}).compute(), frame.fillna({"x": 0}))
    day = pd.Timestamp("2000-01-01")
    same(ddf.t.fillna(day).compute(), frame.t.fillna(day))


def test_drawings(ddf, tmp_path):
    """Plans of frames, columns and scalars can be drawn, separately and together."""
    one = ddf.x.sum().visualize()
    assert one._repr_svg_().startswith("<svg") and "AggregateExec" in one.svg
    both = partita.visualize(ddf, [ddf.x.sum()], filename=str(tmp_path / "plan"))
    assert len(both.svg) > len(one.svg)
    assert (tmp_path / "plan.svg").read_text() == both.svg
    with pytest.raises(ValueError, match="as gif"):
        ddf.visualize(filename="plan.gif")


@pytest.mark.parametrize("how", ["leftsemi", "leftanti"])
def test_semi_and_anti_joins(client, how):
    """Semi and anti joins return rows of the left frame once, also with missing keys."""
    left = pd.DataFrame({"k": [1.0, 2.0, 3.0, 3.0, None], "v": list("abcde")}, index=[5, 6, 7, 8, 9])
    right = pd.DataFrame({"k": [3.0, 3.0, 1.0, None], "w": [1, 2, 3, 4]}, index=[7, 7, 5, 1])
    ours, theirs = dd.from_pandas(left, npartitions=2), dd.from_pandas(right, npartitions=1)
    is_there = left.k.isin(right.k)
    expected = left[is_there if how == "leftsemi" else ~is_there]
    same(ours.merge(theirs, on="k", how=how).compute(), expected, ordered=False)
    same(ours.merge(theirs[["k"]], how=how).compute(), expected, ordered=False)
    on_index = left[left.index.isin(right.index) if how == "leftsemi" else ~left.index.isin(right.index)]
    same(ours.merge(theirs, left_index=True, right_index=True, how=how).compute(), on_index)
    with pytest.raises(ValueError, match="indicator"):
        ours.merge(theirs, on="k", how=how, indicator=True)


@pytest.mark.parametrize("kind", ["int64[pyarrow]", "float32[pyarrow]", "string[pyarrow]", "M8[ns]", "<M8[us]"])
def test_type_names(ddf, frame, kind):
    """astype accepts type names of NumPy and Arrow."""
    same(ddf.k.astype(kind).compute(), frame.k.astype(kind))


def test_numbers_are_no_objects(ddf):
    with pytest.raises(NotImplementedError, match="astype"):
        ddf.k.astype("O")


def test_display(client, ddf, frame):
    """Text and HTML display of types, partitions and divisions."""
    assert repr(ddf).splitlines() == [
        "DataFrame, not computed:",
        "                   k    v        x",
        "npartitions=2                     ",
        "0              int64  str  float64",
        "2                ...  ...      ...",
        "3                ...  ...      ...",
    ]
    assert repr(ddf.k).splitlines()[1:] == [
        "npartitions=2",
        "0    int64",
        "2      ...",
        "3      ...",
        "Name: k",
    ]
    assert repr(ddf.index).startswith("Index, not computed:\nnpartitions=2\n0    int64")
    page = ddf._repr_html_()
    assert "not computed" in page and "<th>npartitions=2</th>" in page and "float64" in page
    before = client._rest("jobs?limit=1")["jobs"][0]["id"]
    # Divisions that would have to be computed are left out.
    assert "npartitions=" in repr(ddf[ddf.k > 1].sort_values("x").merge(ddf, on="k"))
    assert client._rest("jobs?limit=1")["jobs"][0]["id"] == before


def test_completion(ddf):
    """Completion of column labels in brackets, and as attributes of frames and groups."""
    assert ddf._ipython_key_completions_() == ["k", "v", "x"]
    groups = ddf.groupby("k")
    assert {"v", "x", "sum", "agg"} <= set(dir(groups)) and groups._ipython_key_completions_() == ["v", "x"]
    assert {"k", "v", "sum"} <= set(dir(ddf))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("partita", "Expr"),
        ("partita.dataframe", "from_graph"),
        ("partita.distributed", "Scheduler"),
        ("partita.array", "lexsort"),
        ("partita.diagnostics", "ResourceProfiler"),
    ],
)
def test_unsupported_names(module, name):
    """Unsupported names of Dask raise an error with a hint, by attribute and by import; hasattr is false."""
    made = __import__(module, fromlist=["x"])
    assert not hasattr(made, name)
    with pytest.raises(NotImplementedError, match=rf"{module}\.{name} is not supported: "):
        getattr(made, name)
    with pytest.raises(ImportError, match=rf"{module}\.{name} is not supported: "):
        exec(f"from {module} import {name}")
    with pytest.raises(AttributeError):
        made.__nothing__  # noqa: B018


def test_no_token_is_shown(client):
    """Outputs of a notebook contain no token, unless it is printed explicitly."""
    token = page_token(client._connection.token)
    link = client.dashboard_link
    assert client._connection.token not in link
    assert token not in client._repr_html_() and token not in repr(client)
    assert token not in repr(link) and token in str(link) and token in json.dumps(link)


def test_links_of_a_hub(client, monkeypatch):
    """On a JupyterHub, the link that the output of a client shows is one that the browser reaches."""
    port = client._connection.address.rpartition(":")[2]
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/mara/")
    prefix = f"/user/mara/proxy/{port}/"
    assert client.dashboard_link.startswith(f"{prefix}#token=")
    assert f"<a href='{prefix}'" in client._repr_html_()
