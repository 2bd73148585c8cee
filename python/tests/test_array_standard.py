"""Functions of the Python array API standard beside those of NumPy."""

import numpy as np
import pytest

import partita.array as da
from partita import config

A = np.random.default_rng(0).integers(0, 9, (7, 6))

CASES = {
    "sort": lambda xp, x: xp.sort(x, axis=0),
    "argsort": lambda xp, x: xp.argsort(x, axis=1, stable=True),
    "cumulative_sum": lambda xp, x: xp.cumulative_sum(x, axis=1, include_initial=True),
    "cumulative_prod": lambda xp, x: xp.cumulative_prod(x, axis=0, dtype=float),
    "matrix_transpose": lambda xp, x: xp.matrix_transpose(x),
    "vecdot": lambda xp, x: xp.vecdot(x, x + 1, axis=0),
    "vecdot_complex": lambda xp, x: xp.vecdot(x * 1j, x + 1j),
    "unstack": lambda xp, x: xp.unstack(x, axis=1)[2],
    "take_along_axis": lambda xp, x: xp.take_along_axis(x, xp.argsort(x, axis=0), axis=0),
    "isdtype": lambda xp, x: xp.asarray(xp.isdtype(x.dtype, "integral")),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_numpy(name):
    expected = CASES[name](np, A)
    with config.set(scheduler="synchronous"):
        found = CASES[name](da, da.from_array(A, chunks=(3, 4)))
        assert found.dtype == expected.dtype and found.shape == expected.shape
        np.testing.assert_array_equal(found.compute(), expected)


def test_descending():
    with config.set(scheduler="synchronous"):
        x = da.from_array(A, chunks=(3, 4))
        np.testing.assert_array_equal(da.sort(x, descending=True).compute(), -np.sort(-A))
        found = da.argsort(x, axis=0, descending=True).compute()
        np.testing.assert_array_equal(found, np.argsort(-A, axis=0, kind="stable"))


def test_exchange_of_memory():
    x = da.from_dlpack(np.arange(4.0))
    assert x.device == "cpu" and x.to_device("cpu") is x
    np.testing.assert_array_equal(np.from_dlpack(x + 1), np.arange(4.0) + 1)
    with pytest.raises(ValueError, match="only 'cpu' exists"):
        x.to_device("gpu")


M = np.random.default_rng(1).normal(size=(3, 4, 4))
S = M @ M.transpose(0, 2, 1) + 4 * np.eye(4)

#: Functions of stacks of matrices, and what the standard adds to functions of Dask.
MATRIX_CASES = {
    "det": lambda xp, m, s: xp.linalg.det(m),
    "slogdet": lambda xp, m, s: xp.linalg.slogdet(m),
    "inv": lambda xp, m, s: xp.linalg.inv(m),
    "inv_of_one": lambda xp, m, s: xp.linalg.inv(s[0, :2, :2].astype("float32")),
    "solve": lambda xp, m, s: xp.linalg.solve(s, m),
    "solve_vector": lambda xp, m, s: xp.linalg.solve(s, m[0, 0]),
    "cholesky": lambda xp, m, s: xp.linalg.cholesky(s, upper=False),
    "cholesky_upper": lambda xp, m, s: xp.linalg.cholesky(s, upper=True),
    "eigh": lambda xp, m, s: xp.linalg.eigh(s).eigenvalues,
    "eigvalsh": lambda xp, m, s: xp.linalg.eigvalsh(s),
    "eigvals": lambda xp, m, s: abs(xp.linalg.eigvals(s)),
    "qr": lambda xp, m, s: xp.linalg.qr(m[..., :2]),
    "qr_complete": lambda xp, m, s: xp.linalg.qr(m[..., :2], mode="complete").Q,
    "svd": lambda xp, m, s: xp.linalg.svd(m, full_matrices=False).S,
    "svd_full": lambda xp, m, s: abs(xp.linalg.svd(m[:, :3], full_matrices=True).U),
    "svdvals": lambda xp, m, s: xp.linalg.svdvals(m),
    "pinv": lambda xp, m, s: xp.linalg.pinv(m[:, :3]),
    "matrix_rank": lambda xp, m, s: xp.linalg.matrix_rank(m * 0 + 1),
    "matrix_power": lambda xp, m, s: xp.linalg.matrix_power(s, -2),
    "matrix_norm": lambda xp, m, s: xp.linalg.matrix_norm(m, ord=-1, keepdims=True),
    "matrix_norm_nuc": lambda xp, m, s: xp.linalg.matrix_norm(m, ord="nuc"),
    "vector_norm": lambda xp, m, s: xp.linalg.vector_norm(m, axis=(0, 2), ord=3),
    "vector_norm_of_all": lambda xp, m, s: xp.linalg.vector_norm(m),
    "cross": lambda xp, m, s: xp.linalg.cross(m[:, :3], s[:1, :3], axis=1),
    "diagonal": lambda xp, m, s: xp.linalg.diagonal(m, offset=1),
    "trace": lambda xp, m, s: xp.linalg.trace(m),
    "points": lambda xp, m, s: m[[0, 2, 1], :, [1, -1, 3]],
    "points_next_to_each_other": lambda xp, m, s: m[1:, None, np.array([[0], [1]]), [1, 2]],
    "points_of_lazy_arrays": lambda xp, m, s: m[xp.asarray([2, 0]), xp.asarray([1, 3])],
    "lazy_array_beside_array": lambda xp, m, s: m[xp.asarray([2, 0]), [1, 3]],
    "lazy_array_apart_from_integer": lambda xp, m, s: m[xp.asarray([2, 0]), :, 1],
    "mask_beside_array": lambda xp, m, s: m[np.array([True, False, True]), [1, 3]],
    "std": lambda xp, m, s: xp.std(m, axis=0, correction=1),
    "var": lambda xp, m, s: xp.var(m, correction=1),
    "clip": lambda xp, m, s: xp.clip(m, min=0, max=1),
    "count_nonzero": lambda xp, m, s: xp.count_nonzero(m > 0, axis=1, keepdims=True),
    "repeat": lambda xp, m, s: xp.repeat(m, 2),
    "repeat_each": lambda xp, m, s: xp.repeat(m, [0, 2, 1], axis=0),
    "linspace": lambda xp, m, s: xp.linspace(np.uint8(200), np.uint8(10), 7),
    "linspace_of_integers": lambda xp, m, s: xp.linspace(0, -7, 4, dtype=int),
    "linspace_of_small_floats": lambda xp, m, s: xp.linspace(4.2e16, 1e-5, 2, dtype="float32"),
    "searchsorted": lambda xp, m, s: xp.searchsorted(m[0, 0], m[1], sorter=xp.argsort(m[0, 0])),
    "nonzero": lambda xp, m, s: xp.nonzero(m > 0),
    "unique_all": lambda xp, m, s: xp.unique_all(xp.floor(m)),
    "unique_all_of_nans": lambda xp, m, s: xp.unique_all(xp.where(m > 0, np.nan, xp.floor(m))),
    "unique_counts": lambda xp, m, s: xp.unique_counts(xp.floor(m)),
    "unique_inverse": lambda xp, m, s: xp.unique_inverse(xp.floor(m)),
}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("name", MATRIX_CASES)
def test_matrices_and_new_arguments_are_those_of_numpy(name):
    expected = MATRIX_CASES[name](np, M, S)
    with config.set(scheduler="synchronous"):
        found = MATRIX_CASES[name](da, da.from_array(M, chunks=(2, 3, 2)), da.from_array(S, chunks=(1, 4, 2)))
        pairs = zip(found, expected) if isinstance(expected, tuple) else [(found, expected)]
        for one, other in pairs:
            assert one.dtype == np.asarray(other).dtype and one.shape == np.shape(other)
            np.testing.assert_allclose(one.compute(), other, rtol=1e-5 if one.dtype == "f4" else 1e-9, atol=1e-9)


def test_sizes_of_large_arrays_stay_unknown():
    large = da.ones(1 << 18, chunks=1 << 16)
    assert np.isnan(da.nonzero(large)[0].shape[0]) and np.isnan(da.unique_values(large).shape[0])


def test_namespace():
    x = da.ones(3)
    info = da.__array_namespace_info__()
    assert x.__array_namespace__() is da and info.devices() == ("cpu",)
    assert set(info.dtypes(kind="complex floating")) == {"complex64", "complex128"}
    assert type(da.finfo(x).eps) is float and da.finfo("f4").tiny == np.finfo("f4").tiny
    assert da.iinfo(np.int8).max == 127
    assert da.zeros(3, device="cpu").dtype == float
    assert (
        da.fft.fftfreq(7, d=0.5, device="cpu", dtype="float32").compute().tolist()
        == np.fft.fftfreq(7, d=0.5).astype("f4").tolist()
    )
    with pytest.raises(ValueError, match="only 'cpu' exists"):
        da.zeros(3, device="gpu")


def test_asarray_copies():
    x = da.asarray([1, 2, 3])
    y = da.asarray(x, copy=True)
    x[0] = 9
    assert y.compute().tolist() == [1, 2, 3]
    assert da.asarray(y, copy=False) is y
    with pytest.raises(ValueError, match="omit copy=False"):
        da.asarray(np.ones(3), copy=False)
