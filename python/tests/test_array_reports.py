"""Arrays against NumPy: times, strings, integers that do not fit, masked products, and blocks that share a file's chunk."""

import numpy as np
import pytest

import partita.array as da
from partita import config
from partita.array import stats


@pytest.fixture
def here():
    with config.set(scheduler="synchronous"):
        yield


TIMES = np.arange("2019-07-17", "2019-07-29", dtype="M8[D]").astype("M8[ns]")
SPANS = TIMES - TIMES[0]
MISSING = np.where(np.arange(12) == 5, np.timedelta64("NaT"), SPANS)


@pytest.mark.parametrize("spans", [SPANS, MISSING, SPANS.astype("m8[s]")])
@pytest.mark.parametrize("name", ["sum", "mean", "nansum", "nanmean"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_sums_of_durations(here, spans, name, axis):
    a = spans.reshape(3, 4)
    found, expected = getattr(da, name)(da.from_array(a, chunks=2), axis=axis), getattr(np, name)(a, axis=axis)
    assert found.dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(found.compute(), expected)


@pytest.mark.parametrize("values", [TIMES, SPANS, MISSING, TIMES[0] + MISSING])
@pytest.mark.parametrize("q", [30, [0, 33.3, 100]])
def test_percentiles_of_times(here, values, q):
    np.testing.assert_array_equal(da.percentile(da.from_array(values, chunks=5), q).compute(), np.percentile(values, q))


@pytest.mark.parametrize(
    "values",
    [np.arange(98, 102), np.array([1.5, 22.25]), np.array([True, False]), SPANS, TIMES, np.array(["abc", 10], object)],
    ids=lambda values: str(values.dtype),
)
@pytest.mark.parametrize("dtype", [str, "S", "U2", object])
def test_strings_have_the_length_of_numpys(here, values, dtype):
    if values.dtype.kind == "M" and dtype == "U2":
        pytest.skip("NumPy refuses it")
    for part in (slice(None), slice(1, None)):
        found, expected = da.from_array(values, chunks=1)[part].astype(dtype), values[part].astype(dtype)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.compute(), expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda xp: xp.ones(2, dtype="i1") * 300,
        lambda xp: _assigned(xp.ones(2, dtype="i1"), 300),
        lambda xp: _assigned(xp.ones(2, dtype="u1"), [-1]),
        lambda xp: _assigned(xp.ones(2, dtype="i1"), np.int64(300)),
        lambda xp: xp.pad(xp.ones(2, dtype="i1"), 1, constant_values=300),
        lambda xp: xp.ones(2, dtype="i4") ** -1,
        lambda xp: xp.ones(2, dtype=bool) - xp.ones(2, dtype=bool),
        lambda xp: -xp.ones(2, dtype=bool),
        lambda xp: xp.ones(2) + "text",
    ],
)
def test_the_errors_are_those_of_numpy(here, make):
    with pytest.raises(Exception) as expected:
        make(np)
    with pytest.raises(type(expected.value)) as found:
        make(da)
    assert str(found.value).split(",")[0] == str(expected.value).split(",")[0]


def _assigned(x, value):
    x[:1] = value
    return x


def test_integers_of_arrays_wrap_around(here):
    a, values = np.ones(3, dtype="i1"), np.array([300, 2])
    x = da.from_array(a.copy(), chunks=2)
    a[:2] = x[:2] = values
    np.testing.assert_array_equal(x.compute(), a)


def test_products_of_masked_arrays(here):
    m = np.ma.masked_greater(np.random.default_rng(0).random((6, 4)), 0.7)
    x = da.from_array(m, chunks=3)
    found, expected = x.dot(x.T).compute(), np.ma.dot(m, m.T)
    np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))
    np.testing.assert_allclose(found.filled(0), expected.filled(0))
    with pytest.raises(NotImplementedError, match="counts masked items as zero"):
        x @ x.T
    # The blocks are masked, and nothing tells so before.
    hidden = da.ones((4, 4), chunks=2).map_blocks(np.ma.masked_equal, 1, dtype="f8", meta=np.empty((0, 0)))
    with pytest.raises(NotImplementedError, match="counts masked items as zero"):
        (hidden @ hidden).compute()


@pytest.mark.parametrize("lock", [True, False])
@pytest.mark.parametrize("compute", [True, False])
@pytest.mark.parametrize("layout", [{"chunks": (7, 7)}, {"chunks": (5, 5), "shards": (10, 10)}, {"chunks": (5, 5)}])
def test_blocks_that_share_a_chunk_of_a_file(client, tmp_path, lock, compute, layout):
    zarr = pytest.importorskip("zarr", minversion="3")
    a = np.random.default_rng(0).random((20, 20))
    x = da.from_array(a, chunks=5)
    target = zarr.create_array(store=str(tmp_path / "a"), shape=(40, 20), dtype="f8", **layout)
    regions = [(slice(0, 20), slice(None)), (slice(20, 40), slice(None))]
    with config.set(scheduler=client):
        found = da.store([x, x + 1], [target, target], regions=regions, lock=lock, compute=compute)
        if not compute:
            client.gather(client.compute(list(found)))
    np.testing.assert_array_equal(target[:], np.concatenate([a, a + 1]))


@pytest.mark.parametrize("shape", [(20, 5), (5, 20), (20, 10)])
@pytest.mark.parametrize("signs", [True, False])
def test_singular_values_of_complex_matrices(here, shape, signs):
    rng = np.random.default_rng(0)
    a = rng.random(shape) + 1j * rng.random(shape)
    x = da.from_array(a, chunks=(5, 5) if 5 in shape else (5, 10))
    for factors in (
        da.linalg.svd(x, coerce_signs=signs),
        da.linalg.svd_compressed(x, min(shape), n_power_iter=2, seed=0, coerce_signs=signs),
        da.linalg.svd_compressed(x, min(shape), iterator="QR", n_power_iter=2, seed=0, coerce_signs=signs),
    ):
        u, s, v = [one.compute() for one in factors]
        np.testing.assert_allclose((u * s) @ v, a, atol=1e-8)
        np.testing.assert_allclose(u.conj().T @ u, np.eye(min(shape)), atol=1e-8)


@pytest.mark.parametrize("keepdims", [True, False])
def test_the_norm_of_all_items(here, keepdims):
    a = np.arange(24.0).reshape(2, 3, 4)
    x = da.from_array(a, chunks=2)
    np.testing.assert_allclose(da.linalg.norm(x, keepdims=keepdims).compute(), np.linalg.norm(a, keepdims=keepdims))
    with pytest.raises(ValueError, match="Improper number of dimensions"):
        da.linalg.norm(x, ord=1)


def test_functions_along_an_axis_that_keep_its_length(here):
    a = np.arange(24).reshape(2, 3, 4)
    for axis in range(3):
        found = da.apply_along_axis(lambda row: row[::-1], axis, da.from_array(a, chunks=2))
        expected = np.apply_along_axis(lambda row: row[::-1], axis, a)
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found.compute(), expected)


CASES = {
    "positions that are truth values": lambda xp: xp.take(xp.asarray([10, 20]), [True, False]),
    "lazy positions": lambda xp: xp.take(xp.asarray([10, 20]), xp.asarray([True, False])),
    "one observation in a row": lambda xp: xp.cov(xp.asarray([[1, 2]]), rowvar=False),
    "correlations of one": lambda xp: xp.corrcoef(xp.asarray([[1, 2]]), rowvar=False),
    "observations in columns": lambda xp: xp.cov(xp.asarray([[1], [2]]), rowvar=False),
    "a range of days": lambda xp: xp.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-05")),
    "a range of hours": lambda xp: xp.arange(
        np.datetime64("2020-01-01T00"), np.datetime64("2020-01-02"), np.timedelta64(6, "h")
    ),
    "a percentile that is an item": lambda xp: xp.percentile(xp.asarray([3, 1, 2]), [20, 60], method="nearest"),
    "a percentile between items": lambda xp: xp.percentile(xp.asarray([3, 1, 2]), 60),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
def test_as_numpy(here, name):
    found, expected = CASES[name](da), CASES[name](np)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(found.compute(), expected)


@pytest.mark.parametrize("value", [1.5, np.arange(6), da.arange(6, chunks=4)], ids=["number", "array", "lazy"])
def test_assignment_to_a_field(here, value):
    a = np.zeros(6, dtype="f,i")
    x = da.from_array(a.copy(), chunks=4)
    a["f0"] = np.asarray(value)
    x["f0"] = value
    assert x.compute().tolist() == a.tolist()
    with pytest.raises(ValueError, match="no field of name f7"):
        x["f7"] = 1


@pytest.mark.parametrize("name", ["dot", "vdot", "tensordot"])
def test_products_without_axes_are_numbers(here, name):
    x = da.arange(4, chunks=2)
    found = getattr(da, name)(x, x, *([1] if name == "tensordot" else [])).compute()
    assert type(found) is np.int64 and found == 14


@pytest.mark.parametrize("name", ["skew", "kurtosis"])
def test_statistics_without_axes_are_numbers(here, name):
    values = np.array([1.0, 2.0, 2.0, 7.0])
    found = getattr(stats, name)(da.from_array(values, chunks=2)).compute()
    centred = values - values.mean()
    expected = {
        "skew": (centred**3).mean() / values.std() ** 3,
        "kurtosis": (centred**4).mean() / values.var() ** 2 - 3,
    }
    assert type(found) is np.float64
    np.testing.assert_allclose(found, expected[name])


def test_blocks_that_are_columns(here):
    """A function that makes a column of each block makes a lazy column, without a meta that says so."""
    pd = pytest.importorskip("pandas")
    found = da.arange(4, chunks=2).map_blocks(pd.Series)
    assert type(found).__name__ == "Series" and found.npartitions == 2
    assert found.compute().tolist() == [0, 1, 2, 3]


def test_piecewise_functions_of_one_run(here):
    """Each call has a name of its own: equal names would share one result."""
    x = da.arange(4, chunks=2)
    one, other = da.piecewise(x, [x > 1], [1, 2]), da.piecewise(x, [x > 1], [10, 20])
    assert (one + other).compute().tolist() == [22, 22, 11, 11]
