"""Regression tests."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd
from partita.distributed import progress
from partita.plan import wire

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
def test_operations_on_intervals_without_rows(method, function, kind):
    """Operations on the result of resampling include intervals without rows."""
    frame = sparse()
    pieces = lambda d: getattr((d.x if kind == "column" else d).resample("10min"), function)()  # noqa: E731
    got = computed(ON_PIECES[method](pieces(dd.from_pandas(frame, npartitions=2))))
    same(got, ON_PIECES[method](pieces(frame)))


def test_persist_of_resampling():
    """A persisted result of resampling includes all intervals."""
    frame = sparse()
    got = dd.from_pandas(frame, npartitions=2).resample("10min").mean().persist()
    same(got.compute(), frame.resample("10min").mean())


@pytest.mark.parametrize("rule", ["D", "2h", "3h", "12h", "7h"])
def test_resample_with_time_zone(rule):
    """Days begin at midnight of the time zone, and one of them has 23 hours."""
    times = pd.date_range("2024-03-29", periods=120, freq="h", tz="Europe/Zurich")
    column = pd.Series(range(120), index=times)
    same(dd.from_pandas(column, npartitions=3).resample(rule).sum().compute(), column.resample(rule).sum())


def test_merge_asof_with_missing_values():
    """merge_asof matches the nearest row even if its values are missing; ties keep their order."""
    left = pd.DataFrame({"t": [1, 2, 2, 2], "g": ["a", "b", "a", "b"], "x": [1, 2, 3, 4]})
    right = pd.DataFrame({"t": [1, 2], "w": [7, np.nan]})
    got = dd.merge_asof(dd.from_pandas(left, npartitions=2), dd.from_pandas(right, npartitions=1), on="t")
    same(got.compute(), pd.merge_asof(left, right, on="t"))


@pytest.mark.parametrize("method", ["cumsum", "cummax", "shift", "cumcount", "diff"])
def test_rows_without_group(method):
    """A row with a missing key belongs to no group."""
    frame = pd.DataFrame({"k": ["a", None, "a", None], "v": [1, 2, 3, 4]})
    grouped = lambda d: getattr(d.groupby("k").v, method)()  # noqa: E731
    same(grouped(dd.from_pandas(frame, npartitions=2)).compute(), grouped(frame))


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
def test_merge_of_a_column_and_an_index(how):
    """The key of a row without a match is that of the other side."""
    left = pd.DataFrame({"k": [1, 2], "x": [1.0, 2.0]})
    right = pd.DataFrame({"y": [5, 6]}, index=pd.Index([2, 3], name="kk"))
    join = lambda a, b: a.merge(b, left_on="k", right_index=True, how=how)  # noqa: E731
    got = join(dd.from_pandas(left, npartitions=1), dd.from_pandas(right, npartitions=1)).compute()
    expected = join(left, right)
    same(got.sort_values("k").reset_index(drop=True), expected.sort_values("k").reset_index(drop=True))


@pytest.mark.parametrize("how", ["inner", "left", "outer"])
def test_merge_on_several_keys(small, how):
    """Two keys, one of which may be missing, and indicator=."""
    other = SMALL[["a", "k"]].iloc[1:5].assign(c=1)
    got = small.merge(dd.from_pandas(other, npartitions=2), on=["a", "k"], how=how, indicator=True).compute()
    expected = SMALL.merge(other, on=["a", "k"], how=how, indicator=True)
    same(got.sort_values("a").reset_index(drop=True), expected.sort_values("a").reset_index(drop=True))


def test_keys_of_different_types(small):
    """Strings and numbers cannot be joined."""
    with pytest.raises(ValueError, match="astype"):
        small.merge(small, left_on="a", right_on="k")


ON_SMALL = {
    "set_index of a column": lambda d: d.set_index(d.a * 2),
    "concat of a column": lambda d: (pd if isinstance(d, pd.DataFrame) else dd).concat([d, d.b]),
    "rolling by NumPy's numbers": lambda d: d.b.rolling(np.int64(2)).sum(),
    "replace missing values": lambda d: d.b.replace(np.nan, 0),
    "shift and dropna": lambda d: d.a.shift().dropna(),
    "labels of columns": lambda d: d.loc[:, "a":"b"],
    "functions in brackets": lambda d: d[lambda q: q.a > 2],
    "round by column": lambda d: d.round({"b": 0}),
    "merge with pandas": lambda d: d.merge(SMALL[["a"]].head(2), on="a").sort_values("a"),
}


@pytest.mark.parametrize("method", ON_SMALL)
def test_small(small, method):
    """Results equal those of pandas."""
    got, expected = computed(ON_SMALL[method](small)), ON_SMALL[method](SMALL)
    if "merge" in method:
        got, expected = got.reset_index(drop=True), expected.reset_index(drop=True)
    same(got, expected)


def test_unreferenced_source():
    """Derived frames keep their source alive."""
    got = dd.from_pandas(SMALL, npartitions=2).a.value_counts().compute()
    same(got.sort_index(), SMALL.a.value_counts().sort_index())
    same(dd.from_pandas(SMALL, npartitions=2).a.describe().compute(), SMALL.a.describe())


def test_many_windows(small):
    """Sixty shifts of a column share one subquery instead of sixty nested ones."""
    d, p = small[["b"]], SMALL[["b"]]
    for lag in range(1, 61):
        d, p = d.assign(**{f"lag{lag}": d.b.shift(lag)}), p.assign(**{f"lag{lag}": p.b.shift(lag)})
    same(d.compute(), p)


def test_many_conditions(small):
    """Consecutive conditions."""
    d = small
    for limit in range(60):
        d = d[d.a > -limit]
    same(d.compute(), SMALL)


def test_unsupported_methods(small):
    """hasattr of an unsupported method is false; calling it raises an error."""
    assert not hasattr(small, "iat")
    with pytest.raises(NotImplementedError, match="iat is not supported"):
        small.iat  # noqa: B018
    with pytest.raises(AttributeError, match=r"Can only use .dt accessor"):
        small.k.dt  # noqa: B018


def test_small_results(small):
    """Small results can be used in further operations, as in pandas."""
    assert int(small.isna().sum().sum()) == 2
    same(small[["a", "b"]].mean() * 2, SMALL[["a", "b"]].mean() * 2)
    assert list(small.a) == list(SMALL.a)
    assert np.asarray(small.a).tolist() == SMALL.a.tolist()


def test_progress_of_persisted_frames(small, capsys):
    """A persisted frame is complete."""
    progress(small.persist())
    assert "100%" in capsys.readouterr().out


@pytest.mark.parametrize("descending", [False, True])
def test_partitions(client, descending):
    """Each row is in exactly one partition; slices and lists of partitions; rows with undefined order."""
    frame = SMALL.set_index("a")
    ordered = frame.sort_values("b", ascending=not descending)
    d = dd.from_pandas(frame, npartitions=3)
    parts = d.sort_values("b", ascending=not descending).repartition(npartitions=2).partitions
    same(dd.concat([parts[at] for at in range(len(parts))]).compute(), ordered)
    assert len(d.partitions) == d.npartitions == 3
    same(dd.concat([d.partitions[0], d.partitions[[1, 2]]]).compute(), frame)
    same(d.partitions[1:].compute(), frame.iloc[2:])
    same(d.b.get_partition(2).compute(), frame.b.iloc[4:])
    with pytest.raises(ValueError, match="the frame has 3 partitions"):
        d.get_partition(-1)
    assert d.partitions[0].npartitions == 1
    with pytest.raises(IndexError, match="the frame has 3 partitions"):
        d.partitions[3]
    loose = dd.read_sql("SELECT value AS n FROM generate_series(1, 20000)")
    parts = loose.partitions
    assert sum(len(part) for part in parts) == 20000
    assert len(parts) == 1 or all(0 < len(part) < 20000 for part in parts)


def test_reductions_by_name(small):
    """agg of a column, of all columns, and by a dict."""
    same(small.a.agg("sum").compute(), SMALL.a.agg("sum"))
    same(small.b.agg(["min", "max", "mean"]).compute(), SMALL.b.agg(["min", "max", "mean"]))
    same(small[["a", "b"]].agg(["min", "max"]).compute(), SMALL[["a", "b"]].agg(["min", "max"]), ordered=False)
    same(small.agg({"a": "max", "b": "min"}).compute(), SMALL.agg({"a": "max", "b": "min"}))


def test_unsupported_client_methods(client):
    """Unsupported methods of Dask's client raise an error with an alternative."""
    assert not hasattr(client, "run_on_scheduler")
    with pytest.raises(NotImplementedError, match="run_on_scheduler is not supported"):
        client.run_on_scheduler(len, [1])


def test_arguments_of_clients(client):
    """Arguments of Dask without effect are accepted, unknown ones are not."""
    with pytest.raises(TypeError, match="does not support the argument 'n_worker'"):
        type(client)(n_worker=1)
    with type(client)(processes=True, asynchronous=True, set_as_default=False) as other:
        assert other.asynchronous


def test_scalar_comparisons(small):
    """Comparisons of a scalar with its computed value."""
    total = small.a.sum()
    assert total == 21 and total != 20 and total > 20
    assert not bool(total == 20)
    assert bool((total == small.a.count() + 15).compute())
    assert f"{small.b.mean():.1f}" == "3.6" and round(total / 4, 1) == 5.2


def test_futures(small, client):
    """The status and callbacks of futures."""
    called = []
    future = client.compute(small.a.sum())
    assert future.exception() is None and future.result() == 21
    future.add_done_callback(called.append)
    assert called == [future] and "finished" in repr(future)
    assert client.compute(small.k.astype("int64")).exception() is not None


def test_pattern_for_folder(small, tmp_path):
    """to_parquet does not accept a pattern."""
    with pytest.raises(NotImplementedError, match=r"without \*"):
        small.to_parquet(tmp_path / "out-*")


def test_long_lists():
    """Long conditions of many labels and many categories."""
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
    """Consecutive operations that use a column several times do not grow exponentially."""
    d, p = small[["b"]], SMALL[["b"]]
    for step in range(9):
        d, p = d.assign(b=d.b * 2 + d.b - step), p.assign(b=p.b * 2 + p.b - step)
    same(d.compute(), p)
    assert len(wire.rows(d._full_relation()).encoded()) < 20_000
