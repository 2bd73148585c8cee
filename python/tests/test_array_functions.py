"""Arrays against NumPy: reductions, products, overlap, random numbers, linear algebra and files."""

import warnings

import numpy as np
import pytest

import partita.array as da
from partita import config
from partita.array._moments import _parts_of

CHUNKS = [(6, 5), (2, 2), (4, (1, 4))]


@pytest.fixture(autouse=True)
def synchronous():
    with config.set(scheduler="synchronous"):
        yield


def same(found, expected, exact=False):
    value = found.compute() if isinstance(found, da.Array) else found
    assert np.asarray(value).dtype == np.asarray(expected).dtype
    if isinstance(found, da.Array):
        assert found.dtype == np.asarray(expected).dtype
    if exact or np.asarray(expected).dtype.kind not in "fc":
        np.testing.assert_array_equal(value, expected)
    else:
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


@pytest.fixture(params=CHUNKS, ids=str)
def pair(request):
    a = np.random.default_rng(1).normal(size=(6, 5))
    return a, da.from_array(a, chunks=request.param)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "min", "max", "any", "all"])
def test_reductions(pair, name, axis, keepdims):
    a, d = pair
    expected = getattr(np, name)(a, axis=axis, keepdims=keepdims)
    same(getattr(da, name)(d, axis=axis, keepdims=keepdims, split_every=2), expected)
    same(getattr(d, name)(axis=axis, keepdims=keepdims), expected)


@pytest.mark.parametrize("dtype", ["i4", "u1", "f4", "bool", "c16"])
@pytest.mark.parametrize("name", ["sum", "mean", "std", "prod"])
def test_dtypes_of_reductions(dtype, name):
    a = (np.arange(12).reshape(3, 4) % 3 + 1).astype(dtype)
    found = getattr(da.from_array(a, chunks=2), name)()
    expected = getattr(np, name)(a)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-6)


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize(
    "name", ["nansum", "nanmean", "nanmin", "nanmax", "nanvar", "nanstd", "nanargmin", "nanargmax"]
)
def test_nan_reductions(pair, name, axis):
    a, _ = pair
    a = np.where(a > 1, np.nan, a)
    d = da.from_array(a, chunks=(2, 2))
    same(getattr(da, name)(d, axis=axis), getattr(np, name)(a, axis=axis))


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_positions_and_cumulative(pair, axis):
    a, d = pair
    ties = np.round(a)
    for name in ("argmin", "argmax"):
        same(getattr(da, name)(da.from_array(ties, chunks=(2, 2)), axis=axis), getattr(np, name)(ties, axis=axis))
    for name in ("cumsum", "cumprod"):
        same(getattr(da, name)(d, axis=axis), getattr(np, name)(a, axis=axis))


def test_order_statistics(pair):
    a, d = pair
    same(da.median(d, axis=0), np.median(a, axis=0))
    same(da.quantile(d, [0.1, 0.5], axis=1), np.quantile(a, [0.1, 0.5], axis=1))
    same(da.percentile(d.ravel(), [10, 50]), np.percentile(a, [10, 50]))
    same(d.topk(3, axis=1), -np.sort(-a, axis=1)[:, :3])
    same(d.topk(-2, axis=0), np.sort(a, axis=0)[:2])
    same(d.argtopk(2, axis=1), np.argsort(-a, axis=1)[:, :2])


def test_sets_and_histograms(pair):
    a, d = pair
    n, e = np.round(a * 2).astype(int), da.round(d * 2).astype(int)
    for found, expected in zip(da.unique(e, True, True, True), np.unique(n, True, True, True)):
        same(found, expected)
    same(da.isin(e, [0, 2]), np.isin(n, [0, 2]))
    same(da.bincount(abs(e).ravel(), minlength=12), np.bincount(abs(n).ravel(), minlength=12))
    same(da.histogram(d, bins=4, range=(-2, 2))[0], np.histogram(a, bins=4, range=(-2, 2))[0])
    same(da.searchsorted(da.arange(6, chunks=2), e), np.searchsorted(np.arange(6), n))
    same(da.digitize(d, [-1, 0, 1]), np.digitize(a, [-1, 0, 1]))
    same(da.coarsen(np.sum, d[:4, :4], {0: 2, 1: 2}), a[:4, :4].reshape(2, 2, 2, 2).sum(axis=(1, 3)))
    same(da.cov(d), np.cov(a))


def test_products(pair):
    a, d = pair
    same(d @ d.T, a @ a.T)
    same(da.dot(d, a[0]), a @ a[0])
    same(da.tensordot(d, d, axes=((0, 1), (0, 1))), np.tensordot(a, a, axes=((0, 1), (0, 1))))
    same(da.einsum("ij,kj->ik", d, d), np.einsum("ij,kj->ik", a, a))
    same(da.einsum("ii->i", d[:5]), np.einsum("ii->i", a[:5]))
    same(da.outer(d[0], d[1]), np.outer(a[0], a[1]))
    same(da.vdot(d, d), np.vdot(a, a))


@pytest.mark.parametrize("boundary", ["none", "reflect", "periodic", "nearest", 0])
def test_overlap(boundary):
    a = np.arange(20.0).reshape(5, 4)
    d = da.from_array(a, chunks=(3, 2))
    modes = {"reflect": "symmetric", "periodic": "wrap", "nearest": "edge", 0: "constant"}
    found = d.map_overlap(lambda block: block, depth=1, boundary=boundary, dtype="f8")
    same(found, a)
    if boundary != "none":
        wide = np.pad(a, 1, mode=modes[boundary])
        expected = sum(np.roll(wide, shift, axis=0) for shift in (-1, 0, 1))[1:-1, 1:-1]
        shifted = d.map_overlap(
            lambda block: sum(np.roll(block, shift, axis=0) for shift in (-1, 0, 1)),
            depth=1,
            boundary=boundary,
            dtype="f8",
        )
        same(shifted, expected)


def test_windows_and_gradient():
    a = np.arange(10.0) ** 2
    d = da.from_array(a, chunks=4)
    view = np.lib.stride_tricks.sliding_window_view(a, 3)
    same(da.lib.stride_tricks.sliding_window_view(d, 3).mean(axis=-1), view.mean(axis=-1))
    same(da.gradient(d), np.gradient(a))
    same(da.diff(d, 2), np.diff(a, 2))
    gaps = np.where(a % 2 == 0, np.nan, a)
    same(da.push(da.from_array(gaps, chunks=3), None, 0), np.array([np.nan, 1, 1, 9, 9, 25, 25, 49, 49, 81]))


def test_gufuncs():
    a = np.arange(12.0).reshape(3, 4)
    d = da.from_array(a, chunks=(2, 4))
    same(da.apply_gufunc(lambda x: x.sum(axis=-1), "(i)->()", d, output_dtypes=float), a.sum(axis=1))
    low, high = da.apply_gufunc(lambda x: (x.min(-1), x.max(-1)), "(i)->(),()", d, output_dtypes=(float, float))
    same(low + high, a.min(1) + a.max(1))
    same(da.apply_along_axis(np.cumsum, 0, d), np.cumsum(a, axis=0))
    with pytest.raises(ValueError, match="multiple chunks"):
        da.apply_gufunc(np.sum, "(i)->()", d.rechunk((2, 2)), output_dtypes=float)


def test_random_numbers_are_those_of_their_block():
    def draw():
        return da.random.default_rng(5).normal(size=(6, 4), chunks=(2, 4))

    x, y = draw(), draw()
    same(x, y.compute(), exact=True)
    assert x.name == y.name
    # A block is the same, whatever else is computed.
    same(x.blocks[1], x.compute()[2:4], exact=True)
    same(x - x, np.zeros((6, 4)))
    other = da.random.default_rng(6).normal(size=(6, 4), chunks=(2, 4))
    assert not np.array_equal(x.compute(), other.compute())
    assert len(np.unique(x.compute())) == 24
    state = da.random.RandomState(3)
    assert state.uniform(2, 3, size=5, chunks=2).compute().min() >= 2
    assert sorted(state.permutation(5).compute()) == list(range(5))


def test_linear_algebra():
    pytest.importorskip("scipy")
    rng = np.random.default_rng(0)
    a = rng.normal(size=(9, 3))
    q, r = da.linalg.qr(da.from_array(a, chunks=(3, 3)))
    same(q @ r, a)
    u, s, v = da.linalg.svd(da.from_array(a, chunks=(3, 3)))
    same(s, np.linalg.svd(a)[1])
    same((u * s) @ v, a)
    m = a.T @ a + np.eye(3)
    m = np.kron(m, np.eye(2))
    d = da.from_array(m, chunks=2)
    same(da.linalg.cholesky(d, lower=True), np.linalg.cholesky(m))
    p, low, up = da.linalg.lu(d)
    same(p @ low @ up, m)
    same(da.linalg.solve(d, np.arange(6.0)) if False else da.linalg.inv(d), np.linalg.inv(m))
    same(da.linalg.norm(d), np.linalg.norm(m))


def test_fft():
    a = np.random.default_rng(0).normal(size=(4, 6))
    d = da.from_array(a, chunks=(2, 6))
    same(da.fft.fft(d), np.fft.fft(a))
    same(da.fft.irfft(da.fft.rfft(d)), np.fft.irfft(np.fft.rfft(a)))
    same(da.fft.fftshift(d), np.fft.fftshift(a))
    with pytest.raises(ValueError, match="single chunk"):
        da.fft.fft(d, axis=0)


def test_masked_arrays():
    a = np.ma.masked_greater(np.arange(12.0).reshape(3, 4), 7)
    d = da.ma.masked_greater(da.from_array(a.data, chunks=2), 7)
    np.testing.assert_array_equal(da.ma.filled(d, -1).compute(), a.filled(-1))
    assert d.sum().compute() == a.sum()
    np.testing.assert_allclose(d.mean(axis=0).compute(), a.mean(axis=0))
    np.testing.assert_array_equal(d.cumsum(axis=1).compute().filled(-1), a.cumsum(axis=1).filled(-1))
    np.testing.assert_array_equal(da.ma.getmaskarray(d).compute(), a.mask)


def test_files(tmp_path):
    a = np.arange(24).reshape(4, 6)
    d = da.from_array(a, chunks=(2, 3))
    da.to_npy_stack(tmp_path / "stack", d, axis=0)
    same(da.from_npy_stack(tmp_path / "stack"), a)
    target = np.zeros((5, 8), dtype=a.dtype)
    da.store(d, target, regions=(slice(1, 5), slice(0, 6)))
    np.testing.assert_array_equal(target[1:5, :6], a)
    mapped = np.memmap(tmp_path / "data", dtype="i8", mode="w+", shape=a.shape)
    mapped[:] = a
    mapped.flush()
    same(da.from_array(mapped, chunks=2) + 1, a + 1)


def test_shuffle():
    a = np.arange(12).reshape(2, 6)
    d = da.from_array(a, chunks=(1, 2))
    found = d.shuffle([[1, 4], [0, 2], [5, 3]], axis=1)
    same(found, a[:, [1, 4, 0, 2, 5, 3]])
    assert found.chunks[1] == (2, 2, 2)


@pytest.mark.parametrize("ddof", [0, 1, 5])
@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_degrees_of_freedom(name, ddof):
    for dtype in ("f8", "i4"):
        a = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
        same(getattr(da, name)(da.from_array(a, chunks=2), axis=0, ddof=ddof), getattr(np, name)(a, axis=0, ddof=ddof))


@pytest.mark.parametrize("mode", ["edge", "linear_ramp", "maximum", "mean", "minimum", "reflect", "symmetric", "wrap"])
def test_padding(pair, mode):
    a, d = pair
    same(da.pad(d, ((7, 1), (0, 9)), mode=mode), np.pad(a, ((7, 1), (0, 9)), mode=mode))


def test_products_of_floats_keep_their_range():
    a = np.array([1e200, 1e200, 1e-300, 1e-200, 2.0, 0.0, 1e300, 1e300])
    same(da.cumprod(da.from_array(a, chunks=2)), np.cumprod(a))
    same(da.cumprod(da.from_array(a[::-1], chunks=3)), np.cumprod(a[::-1]))


def test_sources_are_read_in_part():
    values = np.arange(24).reshape(6, 4)
    read = []

    class Source:
        shape, dtype, ndim = (6, 4), np.dtype("i8"), 2

        def __getitem__(self, index):
            read.append(values[index].size)
            return values[index]

    x = da.from_array(Source(), chunks=(3, 4), meta=np.empty((0, 0), dtype="i8"), name="source")
    same(x[1:5:2, 1:3][1:], values[1:5:2, 1:3][1:])
    assert sum(read) == 2


@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_moments_of_large_blocks(name, axis, order):
    """Blocks that are read part by part have the moments of the whole, also with NaN and one mean far from another."""
    far = np.arange(300).reshape(-1, 1, 1) * 1e3
    a = np.asarray(np.random.default_rng(3).random((300, 60, 50)) + far, order=order)
    a[3, 4:9, ::3] = np.nan
    a[5] = np.nan
    d = da.from_array(a, chunks=(300, 30, 50))
    assert len(_parts_of(a[:, :30])[1]) > 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(np, name)(a, axis=axis)
    np.testing.assert_allclose(getattr(da, name)(d, axis=axis).compute(), expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1", "?", "c16"])
@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("wanted", [None, "f8"])
def test_cumulative_sums(dtype, axis, wanted):
    a = (np.arange(30).reshape(5, 6) % 7).astype(dtype)
    wanted = "c16" if dtype == "c16" and wanted else wanted
    d = da.from_array(a, chunks=((2, 0, 3), (1, 5)))
    for name in ("cumsum", "nancumsum"):
        expected, found = getattr(np, name)(a, axis=axis, dtype=wanted), getattr(da, name)(d, axis=axis, dtype=wanted)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.compute(), expected)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_moments_of_complex_numbers_with_a_real_dtype(name, axis):
    a = np.arange(12).reshape(3, 4) * (1 + 2j)
    d = da.from_array(a, chunks=2)
    same(getattr(da, name)(d, axis=axis, dtype="f8"), getattr(np, name)(a, axis=axis, dtype="f8"))
    same(getattr(da, name)(d, axis=axis), getattr(np, name)(a, axis=axis))


@pytest.mark.parametrize("dtype", ["i8", "i4", "u1"])
@pytest.mark.parametrize("kwargs", [{}, {"keepdims": True}, {"axis": ()}, {"axis": 0}, {"split_every": 2}], ids=str)
def test_means_of_a_dtype_of_integers_are_integers(dtype, kwargs):
    a = np.array([[1, 2, 9], [4, 7, 5]])
    known = {key: value for key, value in kwargs.items() if key != "split_every"}
    for values in (a, a.astype("f4")):
        d = da.from_array(values, chunks=(1, 2))
        same(d.mean(dtype=dtype, **kwargs), np.asarray(np.mean(values, dtype=dtype, **known)))
    same(da.nanmean(da.from_array(a, chunks=1), dtype=dtype, **kwargs), np.asarray(np.nanmean(a, dtype=dtype, **known)))


def test_the_mean_of_no_items_is_not_an_integer():
    with pytest.raises(ValueError, match="mean of no items"):
        da.from_array(np.array([], dtype=int)).mean(dtype=int).compute()


@pytest.mark.parametrize("join", ["concatenate", "stack", "hstack", "vstack"])
@pytest.mark.parametrize("dtypes", [(">f8", ">f8"), (">f8", "<f8"), (">i4", "f4"), ("M8[s]", "M8[ns]"), ("U1", "U3")])
def test_joined_arrays_have_the_dtype_of_numpy(join, dtypes):
    arrays = [np.zeros(4, dtype=one) for one in dtypes]
    expected = getattr(np, join)(arrays)
    same(getattr(da, join)([da.from_array(one, chunks=2) for one in arrays]), expected)


@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
@pytest.mark.parametrize("axis", [0, 1, 2, (0, 2)])
@pytest.mark.parametrize("q", [0.75, [0.25, 0.75]])
@pytest.mark.parametrize("keepdims", [False, True])
def test_weighted_quantiles(name, axis, q, keepdims):
    random = np.random.default_rng(5)
    a = random.normal(size=(4, 6, 5))
    d = da.from_array(a, chunks=(2, 3, 2))
    how = {"axis": axis, "method": "inverted_cdf", "keepdims": keepdims}
    whole = random.uniform(0.5, 2, size=a.shape)
    cases = [(whole, whole), (da.from_array(whole, chunks=3), whole)]
    if isinstance(axis, int):
        line = random.uniform(0.5, 2, size=a.shape[axis])
        full = np.broadcast_to(line[tuple([slice(None) if at == axis else None for at in range(3)])], a.shape)
        cases += [(line, full), (da.from_array(line, chunks=2), full)]
    for given, expected in cases:
        same(getattr(da, name)(d, q, weights=given, **how), getattr(np, name)(a, q, weights=expected, **how))


def test_weights_of_quantiles_that_do_not_fit_are_refused():
    d = da.ones((4, 6), chunks=2)
    with pytest.raises(ValueError, match="Length of weights"):
        da.quantile(d, 0.5, axis=0, weights=np.ones(3), method="inverted_cdf")
    with pytest.raises(TypeError, match="1D weights"):
        da.quantile(d, 0.5, axis=0, weights=np.ones((4, 1)), method="inverted_cdf")
    with pytest.raises(TypeError, match="Axis must be specified"):
        da.nanquantile(d, 0.5, axis=(0, 1), weights=np.ones(4), method="inverted_cdf")


@pytest.mark.parametrize("name", ["fweights", "aweights"])
@pytest.mark.parametrize("weights", [np.ones((2, 3)), np.ones(2), [-1, 1, 1], [1.5, 1.0, 1.0], [1, 2, 1]], ids=str)
def test_weights_of_covariances_are_those_of_numpy(name, weights):
    a = np.array([[0, 1, 2], [2, 1, 0.5]])
    d = da.from_array(a, chunks=2)
    try:
        expected = np.cov(a, **{name: weights})
    except (RuntimeError, TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            da.cov(d, **{name: weights}).compute()
    else:
        same(da.cov(d, **{name: weights}), expected)
