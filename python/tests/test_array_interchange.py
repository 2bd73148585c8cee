"""Arrays, frames, delayed values and arrays of Dask are converted into one another."""

import numpy as np
import pytest

import partita.array as da
from partita import config, delayed
from partita import dataframe as dd

pd = pytest.importorskip("pandas")


@pytest.fixture
def on_cluster(client):
    with config.set(scheduler=client):
        yield client


def frame():
    return pd.DataFrame({"a": [1, 2, 3, 4, 5], "b": [1.0, 2.0, 3.0, 4.0, 5.0]})


def test_frames_become_arrays(on_cluster):
    ddf = dd.from_pandas(frame(), npartitions=2)
    assert np.isnan(ddf.values.shape[0]) and ddf.values.shape[1] == 2
    known = ddf.to_dask_array(lengths=True)
    rows = known.chunks[0]
    assert len(rows) == 2 and sum(rows) == 5
    np.testing.assert_array_equal(known.compute(), frame().to_numpy())
    column = ddf.a.to_dask_array(lengths=rows, meta=np.empty(0, "f4"))
    assert column.dtype == "f4" and column.sum().compute() == 15
    with pytest.raises(ValueError, match="rows, and lengths= says"):
        ddf.a.to_dask_array(lengths=[1, 4]).compute()
    assert da.asarray(ddf.a).sum().compute() == 15


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "int32[pyarrow]"])
def test_missing_values_of_nullable_columns(on_cluster, dtype):
    """pandas gives them another type than the other values have: the array says so instead of a wrong number."""
    whole = pd.Series([1, 0, 1], dtype=dtype)
    np.testing.assert_array_equal(dd.from_pandas(whole, npartitions=2).values.compute(), whole.to_numpy())
    column = dd.from_pandas(pd.Series([1, None, 0], dtype=dtype), npartitions=2)
    with pytest.raises(ValueError, match=r"has missing values, which an array of .* cannot store; use fillna"):
        column.values.sum().compute()
    np.testing.assert_array_equal(column.astype("float64").values.compute(), [1, np.nan, 0])
    np.testing.assert_array_equal(column.fillna(whole[2]).values.compute(), [1, 1, 0])


def test_arrays_become_frames(on_cluster):
    """Rows are numbered as in pandas, also over several blocks."""
    x = da.arange(12, chunks=4).reshape(6, 2)
    expected = pd.DataFrame(np.arange(12).reshape(6, 2), columns=["u", "v"])
    pd.testing.assert_frame_equal(x.to_dask_dataframe(columns=["u", "v"]).compute(), expected, check_index_type=False)
    pd.testing.assert_series_equal(x[:, 1].to_dask_dataframe(columns="v").compute(), expected.v, check_index_type=False)
    rows = pd.Index([10, 11, 12, 13, 14, 15], name="row")
    index = dd.from_pandas(pd.Series(range(6), index=rows), npartitions=3).index
    found = x.to_dask_dataframe(columns=["u", "v"], index=index).compute()
    pd.testing.assert_frame_equal(found, expected.set_index(rows), check_index_type=False)


def test_records_become_frames(on_cluster):
    a = np.array([(1, 2.0), (3, 4.0)], dtype=[("p", "i8"), ("q", "f8")])
    found = da.from_array(a, chunks=1).to_dask_dataframe().compute()
    pd.testing.assert_frame_equal(found, pd.DataFrame(a), check_index_type=False)


def test_delayed_values():
    with config.set(scheduler="synchronous"):
        blocks = [da.from_delayed(delayed(np.full)(3, at), (3,), dtype=int) for at in range(3)]
        x = da.concatenate(blocks)
        np.testing.assert_array_equal(x.compute(), np.repeat([0, 1, 2], 3))
        parts = da.arange(6, chunks=4).to_delayed()
        assert parts.shape == (2,) and parts[1].compute().tolist() == [4, 5]
        assert delayed(sum)(da.ones(4, chunks=2).to_delayed().tolist()).compute().tolist() == [2, 2]


def test_arrays_of_dask():
    dask_array = pytest.importorskip("dask.array")
    y = dask_array.arange(12, chunks=5) * 2
    with config.set(scheduler="synchronous"):
        x = da.from_dask_array(y)
        assert x.chunks == y.chunks and x.sum().compute() == 132
        both = da.arange(12, chunks=4) + y
        assert isinstance(both, da.Array) and isinstance(y + da.arange(12), da.Array)
        assert both.sum().compute() == 198
        back = (x + 1).persist().to_dask_array()
        assert isinstance(back, dask_array.Array)
        assert back.sum().compute(scheduler="synchronous") == 144
