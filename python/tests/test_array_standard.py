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
