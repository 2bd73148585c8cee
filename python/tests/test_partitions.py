"""Repartitioning and sampling."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

TIMES = pd.DataFrame(
    {"a": np.arange(100), "s": [f"t{at % 7}" for at in range(100)]},
    index=pd.date_range("2024-01-30 20:00", periods=100, freq="h", name="t"),
)


def rows_of_partitions(ddf):
    """Return the number of rows of each partition of a persisted frame."""
    connection = ddf._client._connection
    places = connection.action("partita.locate", {"name": ddf._rows.persisted})
    return [connection._fetch_partition(place).num_rows for place in places]


@pytest.mark.parametrize("parts", [1, 3, 8])
def test_npartitions(parts):
    """npartitions= gives partitions of equal size, with the same rows in the same order."""
    ddf = dd.from_pandas(TIMES, npartitions=4).repartition(npartitions=parts)
    assert ddf.npartitions == parts
    sizes = rows_of_partitions(ddf)
    assert len(sizes) == parts and max(sizes) - min(sizes) <= 1
    assert_frame_equal(ddf.compute(), TIMES, check_freq=False)


@pytest.mark.parametrize(("size", "each"), [(50_000, 50_000), ("50kB", 50_000), ("50 KiB", 51_200)])
def test_partition_size(size, each):
    """partition_size= gives partitions of about this size in memory."""
    frame = pd.DataFrame({"a": np.arange(20_000), "b": np.arange(20_000) * 0.5})
    uploaded = dd.from_pandas(frame, npartitions=1)
    ddf = uploaded.repartition(partition_size=size)
    assert ddf.npartitions == -(-int(frame.memory_usage(deep=True).sum()) // each) > 5
    assert_frame_equal(ddf.compute(), frame)


@pytest.mark.parametrize("freq", ["1D", "6h", "MS", pd.Timedelta("12h")])
def test_freq(freq):
    """freq= gives one partition per time interval, with known divisions."""
    ddf = dd.from_pandas(TIMES, npartitions=4).repartition(freq=freq)
    expected = [size for size in TIMES.resample(freq).size() if size]
    assert rows_of_partitions(ddf) == expected
    assert ddf.npartitions == len(expected) == len(ddf.divisions) - 1
    assert (ddf.divisions[0], ddf.divisions[-1]) == (TIMES.index[0], TIMES.index[-1])
    assert_frame_equal(ddf.compute(), TIMES, check_freq=False)
    assert_series_equal(ddf.a.rolling(3).sum().compute(), TIMES.a.rolling(3).sum(), check_freq=False)


def test_rows_that_do_not_divide_evenly():
    """As in Dask, the first partitions of `from_pandas` have a row more than the last ones."""
    ddf = dd.from_pandas(pd.DataFrame({"a": range(11)}), npartitions=4)
    assert ddf.divisions == (0, 3, 6, 9, 10)
    assert rows_of_partitions(ddf) == [3, 3, 3, 2]


def test_rows_of_files(tmp_path):
    """Rows of files can be repartitioned."""
    pd.DataFrame({"a": np.arange(50_000)}).to_parquet(tmp_path / "one.parquet")
    ddf = dd.read_parquet(str(tmp_path / "one.parquet")).repartition(npartitions=3)
    assert ddf.npartitions == 3 and sum(rows_of_partitions(ddf)) == 50_000
    assert ddf.a.sum().compute() == sum(range(50_000))


def test_divisions_of_a_sorted_frame():
    """A sorted frame has known divisions; windows reach across the bounds of partitions."""
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=30_000, freq="min", tz="Europe/Zurich")})
    frame["v"] = (np.arange(30_000) * 7919) % 1000.0
    ddf = dd.from_pandas(frame.sample(frac=1, random_state=3), npartitions=4).set_index("t").persist()
    frame = frame.set_index("t")
    divisions = ddf.divisions
    assert len(divisions) == ddf.npartitions + 1 > 2
    assert (divisions[0], divisions[-1]) == (frame.index[0], frame.index[-1])
    assert list(divisions) == sorted(divisions)
    sizes = rows_of_partitions(ddf)
    assert sizes == [len(frame[a:b]) - 1 for a, b in zip(divisions, divisions[1:-1])] + [len(frame[divisions[-2] :])]
    for made in (
        lambda f: f.v.rolling(100).mean(),
        lambda f: f.rolling("90min").sum(),
        lambda f: f.v.shift(3),
        lambda f: f.v.shift(-20_000),
        lambda f: f.v.diff(2),
        lambda f: f[f.v > 500].v.rolling(7, center=True).max(),
        lambda f: f.v.rolling(5).sum().diff(),
    ):
        found, expected = made(ddf).compute(), made(frame)
        same = assert_frame_equal if isinstance(expected, pd.DataFrame) else assert_series_equal
        same(found, expected, check_freq=False)
    persisted = ddf.v.diff().to_frame().persist()
    assert persisted.divisions == divisions
    assert_frame_equal(persisted.compute(), frame.v.diff().to_frame(), check_freq=False)


def test_divisions():
    """divisions= sets the first labels of partitions, some of which are empty."""
    frame = pd.DataFrame({"v": np.arange(10.0)}, index=[5, 3, 1, 4, 2, 0, 9, 7, 6, 8])
    ddf = dd.from_pandas(frame, npartitions=2).repartition(divisions=[0, 2, 9, 12, 20], force=True)
    assert rows_of_partitions(ddf) == [2, 7, 1, 0]
    assert ddf.divisions == (0, 2, 9, 12, 20)
    assert_frame_equal(ddf.compute(), frame.sort_index())
    column = dd.from_pandas(frame.v, npartitions=2).repartition(divisions=[0, 5, 9])
    assert column.npartitions == 2
    assert_series_equal(column.compute(), frame.v.sort_index())


def test_wider_divisions():
    """Divisions beyond the labels require force=True, as in Dask."""
    ddf = dd.from_pandas(pd.DataFrame({"v": range(6)}, index=[10, 20, 30, 40, 50, 60]), npartitions=2)
    for wider in [[0, 60], [10, 70]]:
        with pytest.raises(ValueError, match="force=True"):
            ddf.repartition(divisions=wider)
        assert ddf.repartition(divisions=wider, force=True).divisions == tuple(wider)


def test_divisions_of_unsorted_rows():
    """Rows that are not known to be sorted are not divided by labels: this would change their order."""
    ddf = dd.from_pandas(pd.DataFrame({"v": range(4)}, index=[3, 1, 2, 0]), npartitions=2, sort=False)
    with pytest.raises(ValueError, match=r"unknown divisions.*set_index first"):
        ddf.repartition(divisions=[0, 3])


def test_more_partitions_than_names():
    """Rows with the same name are divided if there would be fewer partitions, whose divisions are then unknown."""
    frame = pd.DataFrame({"v": range(60)}, index=list("abdabd") * 10)
    ddf = dd.from_pandas(frame, npartitions=2).repartition(npartitions=10)
    assert ddf.npartitions == 10 and not ddf.known_divisions
    assert rows_of_partitions(ddf) == [6] * 10
    assert_frame_equal(ddf.compute(), frame.sort_index(kind="stable"))
    numbered = dd.from_pandas(frame, npartitions=2).reset_index().repartition(npartitions=10)
    assert numbered.npartitions == 10
    assert_frame_equal(numbered.compute(), frame.sort_index(kind="stable").reset_index())
    assert numbered.index.compute().equals(pd.RangeIndex(60))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "exactly one of divisions="),
        ({"npartitions": 2, "freq": "D"}, "exactly one of divisions="),
        ({"npartitions": 0}, "at least 1, not 0"),
        ({"partition_size": "many"}, "a string such as '100MB'"),
        ({"partition_size": -1}, "not -1"),
        ({"partition_size": 0.5}, "a string such as '100MB'"),
        ({"freq": "1D"}, "only for timeseries"),
        ({"divisions": [0]}, "at least two labels"),
        ({"divisions": [0, 9, 5, 999]}, "strictly increasing"),
        ({"divisions": [0, 500]}, "0 to 999"),
    ],
)
def test_invalid_arguments(given, message):
    """Errors of invalid arguments tell what is expected."""
    frame = pd.DataFrame({"a": np.arange(1000)})
    with pytest.raises((TypeError, ValueError), match=message):
        dd.from_pandas(frame, npartitions=2).repartition(**given)


@pytest.mark.parametrize("frac", [0.0, 0.1, 0.5, 1.0])
def test_samples_are_reproducible(frac):
    """A sample depends on random_state, not on partitions, and has about the requested size.

    Without random_state, each sample is different.
    """
    frame = pd.DataFrame({"a": np.arange(4000), "s": "x"})
    few, many = dd.from_pandas(frame, npartitions=1), dd.from_pandas(frame, npartitions=5)
    drawn = few.sample(frac=frac, random_state=7).compute()
    assert_frame_equal(drawn, frame.loc[drawn.index])
    # Five deviations.
    assert abs(len(drawn) - frac * 4000) <= 5 * np.sqrt(4000 * frac * (1 - frac))
    assert_frame_equal(many.sample(frac=frac, random_state=7).compute(), drawn)
    assert_series_equal(many.a.sample(frac=frac, random_state=7).compute(), drawn.a)
    anew = len(many.sample(frac=frac))
    assert abs(anew - frac * 4000) <= 5 * np.sqrt(4000 * frac * (1 - frac))
    if 0 < frac < 1:
        assert not many.sample(frac=frac, random_state=8).compute().equals(drawn)


def test_sample_of_files(tmp_path):
    """Samples of rows with undefined order are also reproducible: the values identify a row."""
    pd.DataFrame({"a": np.arange(500), "b": [None, 1.5] * 250}).to_parquet(tmp_path / "one.parquet")
    ddf = dd.read_parquet(str(tmp_path / "one.parquet"))
    drawn = sorted(ddf.sample(frac=0.3, random_state=1).compute().a)
    assert 100 < len(drawn) < 200
    assert sorted(ddf.sample(frac=0.3, random_state=1).compute().a) == drawn


def test_unsupported_samples():
    """A number of rows, and a fraction above 1, are not supported."""
    ddf = dd.from_pandas(pd.DataFrame({"a": [1]}), npartitions=1)
    with pytest.raises(ValueError, match="frac="):
        ddf.sample(n=3)
    with pytest.raises(ValueError, match=r"between 0 and 1, not 1\.5"):
        ddf.sample(frac=1.5)


#: Indexes, and whether the partitions are ranges of the index.
INDEXES = {
    "counted": (pd.RangeIndex(1000), True),
    "times": (pd.date_range("2024-01-01", periods=1000, freq="h", tz="Europe/Berlin"), True),
    "texts": (pd.Index([f"k{at:04}" for at in range(1000)]), True),
    "repeated": (pd.Index(np.arange(1000) // 3), True),
    "one": (pd.Index(np.zeros(1000, dtype="int64")), False),
    "floats": (pd.Index(np.arange(1000) * 0.5), False),
    "missing": (pd.DatetimeIndex([*pd.date_range("2024-01-01", periods=999, freq="h"), pd.NaT]), False),
}


@pytest.mark.parametrize("name", INDEXES)
def test_uploaded_frames_keep_their_order(name):
    """Windows and index slices of uploaded and derived persisted frames run by partition, without a shuffle."""
    index, in_ranges = INDEXES[name]
    frame = pd.DataFrame({"a": np.arange(1000) * 7919 % 1009, "b": np.arange(1000) * 0.5}, index=index)
    uploaded = dd.from_pandas(frame, npartitions=5)
    assert uploaded.npartitions == 5 and len(rows_of_partitions(uploaded)) == 5
    assert uploaded.known_divisions == in_ranges
    for ddf in [uploaded, uploaded[uploaded.a % 3 > 0].persist()]:
        expected = ddf.compute()
        assert "HaloExec" in ddf.a.rolling(30).sum().explain()
        assert "CarryExec" in ddf.a.cumsum().explain()
        assert_series_equal(ddf.a.rolling(30).sum().compute(), expected.a.rolling(30).sum(), check_freq=False)
        assert_frame_equal(ddf.cumsum().compute(), expected.cumsum(), check_freq=False)
        assert_series_equal(ddf.a.diff().compute(), expected.a.diff(), check_freq=False)
        assert_series_equal(ddf.b.cummax().compute(), expected.b.cummax(), check_freq=False)
        if in_ranges:
            assert len(ddf.divisions) == ddf.npartitions + 1
            low, high = index[300], index[350]
            part = ddf.loc[low:high]
            assert_frame_equal(part.compute(), expected.loc[low:high], check_freq=False)
            assert "1 of them read" in part.explain() or "2 of them read" in part.explain()


def test_joins_without_shuffle():
    """Joins of frames sorted by their indexes shuffle at most one side."""
    one = pd.DataFrame({"a": np.arange(1000)}, index=pd.date_range("2024-01-01", periods=1000, freq="h"))
    two = pd.DataFrame({"b": np.arange(600)}, index=one.index[200:800])
    joined = dd.from_pandas(one, npartitions=4).join(dd.from_pandas(two, npartitions=3))
    assert joined.explain().count("reads Shuffle") <= 1
    assert_frame_equal(joined.compute().sort_index(), one.join(two), check_freq=False)


def test_columns_of_several_windows():
    """Windows that reach into neighbouring partitions, and cumulative windows, in one frame."""
    frame = pd.DataFrame({"a": np.arange(1000) * 7919 % 1009}, index=pd.date_range("2024", periods=1000, freq="min"))
    ddf = dd.from_pandas(frame, npartitions=4)
    made = ddf.assign(up=ddf.a.cumsum(), mean=ddf.a.rolling("1h").mean(), last=ddf.a.shift(2), best=ddf.a.cummax())
    expected = frame.assign(
        up=frame.a.cumsum(), mean=frame.a.rolling("1h").mean(), last=frame.a.shift(2), best=frame.a.cummax()
    )
    assert_frame_equal(made.compute(), expected, check_freq=False)
    assert_frame_equal(made[made.best > 500].compute(), expected[expected.best > 500], check_freq=False)
