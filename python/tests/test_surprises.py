"""What users of Dask run into: each of these was wrong once."""

import numpy as np
import pandas as pd
import pytest
from comparing import computed, same

from partita import dataframe as dd
from partita.distributed import progress

pytestmark = pytest.mark.usefixtures("client")

SMALL = pd.DataFrame(
    {"a": [1, 2, 3, 4, 5, 6], "b": [1.0, 2.0, None, 4.0, 5.0, 6.0], "k": ["x", "y", "x", None, "y", "x"]}
)


@pytest.fixture(scope="module")
def small(client):
    return dd.from_pandas(SMALL, npartitions=2)


def sparse():
    times = pd.date_range("2024", periods=6, freq="37min")
    return pd.DataFrame({"x": range(6), "y": np.arange(6) * 1.5}, index=times)


ON_PIECES = {
    "length": len,
    "plus": lambda r: r + 1,
    "cumsum": lambda r: r.cumsum(),
    "mean": lambda r: r.mean(),
    "head": lambda r: r.head(3),
    "rolling": lambda r: r.rolling(2).sum(),
    "ffill": lambda r: r.ffill(),
}


@pytest.mark.parametrize("method", ON_PIECES)
@pytest.mark.parametrize("function", ["sum", "mean"])
@pytest.mark.parametrize("kind", ["column", "frame"])
def test_pieces_without_rows_go_on(method, function, kind):
    """What is done with pieces of time is done with those that have no rows, too."""
    frame = sparse()
    pieces = lambda d: getattr((d.x if kind == "column" else d).resample("10min"), function)()  # noqa: E731
    got = computed(ON_PIECES[method](pieces(dd.from_pandas(frame, npartitions=2))))
    same(got, ON_PIECES[method](pieces(frame)))


def test_pieces_are_persisted():
    """Pieces that are persisted are all there."""
    frame = sparse()
    got = dd.from_pandas(frame, npartitions=2).resample("10min").mean().persist()
    same(got.compute(), frame.resample("10min").mean())


@pytest.mark.parametrize("rule", ["D", "2h", "3h", "12h", "7h"])
def test_pieces_in_a_zone(rule):
    """Days begin at the zone's midnight, and one of them has 23 hours."""
    times = pd.date_range("2024-03-29", periods=120, freq="h", tz="Europe/Zurich")
    column = pd.Series(range(120), index=times)
    same(dd.from_pandas(column, npartitions=3).resample(rule).sum().compute(), column.resample(rule).sum())


def test_nearest_with_missing_values():
    """The nearest row is the nearest, whatever is missing in it; rows as near stay in their order."""
    left = pd.DataFrame({"t": [1, 2, 2, 2], "g": ["a", "b", "a", "b"], "x": [1, 2, 3, 4]})
    right = pd.DataFrame({"t": [1, 2], "w": [7, np.nan]})
    got = dd.merge_asof(dd.from_pandas(left, npartitions=2), dd.from_pandas(right, npartitions=1), on="t")
    same(got.compute(), pd.merge_asof(left, right, on="t"))


@pytest.mark.parametrize("method", ["cumsum", "cummax", "shift", "cumcount", "diff"])
def test_rows_in_no_group(method):
    """A row whose key is missing is in no group."""
    frame = pd.DataFrame({"k": ["a", None, "a", None], "v": [1, 2, 3, 4]})
    grouped = lambda d: getattr(d.groupby("k").v, method)()  # noqa: E731
    same(grouped(dd.from_pandas(frame, npartitions=2)).compute(), grouped(frame))


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
def test_merge_of_a_column_and_an_index(how):
    """The key of a row that one side has not is the other side's."""
    left = pd.DataFrame({"k": [1, 2], "x": [1.0, 2.0]})
    right = pd.DataFrame({"y": [5, 6]}, index=pd.Index([2, 3], name="kk"))
    join = lambda a, b: a.merge(b, left_on="k", right_index=True, how=how)  # noqa: E731
    got = join(dd.from_pandas(left, npartitions=1), dd.from_pandas(right, npartitions=1)).compute()
    expected = join(left, right)
    same(got.sort_values("k").reset_index(drop=True), expected.sort_values("k").reset_index(drop=True))


@pytest.mark.parametrize("how", ["inner", "left", "outer"])
def test_merge_on_several_keys(small, how):
    """Two keys, of which one may be missing; and where the rows are from."""
    other = SMALL[["a", "k"]].iloc[1:5].assign(c=1)
    got = small.merge(dd.from_pandas(other, npartitions=2), on=["a", "k"], how=how, indicator=True).compute()
    expected = SMALL.merge(other, on=["a", "k"], how=how, indicator=True)
    same(got.sort_values("a").reset_index(drop=True), expected.sort_values("a").reset_index(drop=True))


def test_keys_of_other_kinds(small):
    """Texts and numbers are not joined."""
    with pytest.raises(ValueError, match="astype"):
        small.merge(small, left_on="a", right_on="k")


ON_SMALL = {
    "set_index of a column": lambda d: d.set_index(d.a * 2),
    "concat of a column": lambda d: (pd if isinstance(d, pd.DataFrame) else dd).concat([d, d.b]),
    "rolling by NumPy's numbers": lambda d: d.b.rolling(np.int64(2)).sum(),
    "replace what is missing": lambda d: d.b.replace(np.nan, 0),
    "shift and leave out": lambda d: d.a.shift().dropna(),
    "labels of columns": lambda d: d.loc[:, "a":"b"],
    "functions in brackets": lambda d: d[lambda q: q.a > 2],
    "round by column": lambda d: d.round({"b": 0}),
    "merge with pandas": lambda d: d.merge(SMALL[["a"]].head(2), on="a").sort_values("a"),
}


@pytest.mark.parametrize("method", ON_SMALL)
def test_small(small, method):
    """It gives what pandas gives."""
    got, expected = computed(ON_SMALL[method](small)), ON_SMALL[method](SMALL)
    if "merge" in method:
        got, expected = got.reset_index(drop=True), expected.reset_index(drop=True)
    same(got, expected)


def test_a_source_that_nobody_names():
    """What is made of a frame keeps it."""
    got = dd.from_pandas(SMALL, npartitions=2).a.value_counts().compute()
    same(got.sort_index(), SMALL.a.value_counts().sort_index())
    same(dd.from_pandas(SMALL, npartitions=2).a.describe().compute(), SMALL.a.describe())


def test_many_windows(small):
    """Sixty lags of a column are as many columns, not a plan of sixty floors."""
    d, p = small[["b"]], SMALL[["b"]]
    for lag in range(1, 61):
        d, p = d.assign(**{f"lag{lag}": d.b.shift(lag)}), p.assign(**{f"lag{lag}": p.b.shift(lag)})
    same(d.compute(), p)


def test_many_conditions(small):
    """Conditions one after the other."""
    d = small
    for limit in range(60):
        d = d[d.a > -limit]
    same(d.compute(), SMALL)


def test_what_is_not_there(small):
    """To look whether something is there is no error; to use it is one that says so."""
    assert not hasattr(small, "apply")
    with pytest.raises(NotImplementedError, match="map_partitions is not there"):
        small.map_partitions(len)
    with pytest.raises(AttributeError, match=r"Can only use .dt accessor"):
        small.k.dt  # noqa: B018


def test_small_answers_go_on(small):
    """What is known of each column goes on as pandas has it."""
    assert int(small.isna().sum().sum()) == 2
    same(small[["a", "b"]].mean() * 2, SMALL[["a", "b"]].mean() * 2)
    assert list(small.a) == list(SMALL.a)
    assert np.asarray(small.a).tolist() == SMALL.a.tolist()


def test_progress_of_what_is_there(small, capsys):
    """A frame that is persisted is complete."""
    progress(small.persist())
    assert "100%" in capsys.readouterr().out


@pytest.mark.parametrize("descending", [False, True])
def test_partitions(client, descending):
    """Each row is in one of the partitions, in their order; slices and lists of them; rows in no order, too."""
    frame = SMALL.set_index("a")
    ordered = frame.sort_values("b", ascending=not descending)
    d = dd.from_pandas(frame, npartitions=3)
    parts = d.sort_values("b", ascending=not descending).repartition(npartitions=2).partitions
    same(dd.concat([parts[at] for at in range(len(parts))]).compute(), ordered)
    assert len(d.partitions) == d.npartitions == 3
    same(dd.concat([d.partitions[0], d.partitions[[1, 2]]]).compute(), frame)
    same(d.partitions[1:].compute(), frame.iloc[2:])
    same(d.b.get_partition(-1).compute(), frame.b.iloc[4:])
    assert d.partitions[0].npartitions == 1
    with pytest.raises(IndexError, match="there are 3 partitions"):
        d.partitions[3]
    loose = dd.read_sql("SELECT value AS n FROM generate_series(1, 20000)")
    parts = loose.partitions
    assert sum(len(part) for part in parts) == 20000
    assert len(parts) == 1 or all(0 < len(part) < 20000 for part in parts)


def test_reductions_by_name(small):
    """Of a column, of all columns, of each another."""
    same(small.a.agg("sum").compute(), SMALL.a.agg("sum"))
    same(small.b.agg(["min", "max", "mean"]).compute(), SMALL.b.agg(["min", "max", "mean"]))
    same(small[["a", "b"]].agg(["min", "max"]).compute(), SMALL[["a", "b"]].agg(["min", "max"]), ordered=False)
    same(small.agg({"a": "max", "b": "min"}).compute(), SMALL.agg({"a": "max", "b": "min"}))


def test_what_clients_have_not(client):
    """What Dask's clients have and this one has not says what to do instead."""
    assert not hasattr(client, "submit")
    with pytest.raises(NotImplementedError, match="functions in Python"):
        client.submit(len, [1])


def test_arguments_of_clients(client):
    """Those of Dask that have no meaning here are accepted, others are not."""
    with pytest.raises(TypeError, match="no argument 'n_worker'"):
        type(client)(n_worker=1)
    with pytest.raises(NotImplementedError, match="futures"):
        type(client)(processes=True, asynchronous=True)


def test_values_are_compared(small):
    """A single value is equal to what it is when it is computed."""
    total = small.a.sum()
    assert total == 21 and total != 20 and total > 20
    assert not bool(total == 20)
    assert bool((total == small.a.count() + 15).compute())
    assert f"{small.b.mean():.1f}" == "3.6" and round(total / 4, 1) == 5.2


def test_futures(small, client):
    """A future tells how it ended, and calls who wants to know."""
    called = []
    future = client.compute(small.a.sum())
    assert future.exception() is None and future.result() == 21
    future.add_done_callback(called.append)
    assert called == [future] and "finished" in repr(future)
    assert client.compute(small.k.astype("int64")).exception() is not None


def test_names_of_folders(small, tmp_path):
    """A folder is written, not files by a pattern."""
    with pytest.raises(NotImplementedError, match=r"without \*"):
        small.to_json(tmp_path / "out-*.json")


def test_long_lists():
    """Conditions that are long texts: of many labels, and of many categories."""
    frame = pd.DataFrame(
        {"s": [f"value number {n % 200}" for n in range(600)], "x": range(600)},
        index=[f"label{n:04}" for n in range(600)],
    )
    d = dd.from_pandas(frame, npartitions=3)
    labels = list(frame.index[100:200])
    same(d.loc[labels].compute(), frame.loc[labels])
    same(d.s.astype("category").compute(), frame.s.astype("category"))
    same(d.assign(c=d.s.astype("category")).c.shift(1).compute(), frame.s.astype("category").shift(1).rename("c"))


def test_long_chains(small):
    """Operations one after the other that each use a column several times: what they make does not double."""
    d, p = small[["b"]], SMALL[["b"]]
    for step in range(9):
        d, p = d.assign(b=d.b * 2 + d.b - step), p.assign(b=p.b * 2 + p.b - step)
    same(d.compute(), p)
    assert len(d._full_query()) < 10_000
