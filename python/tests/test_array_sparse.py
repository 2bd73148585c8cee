"""Arrays whose blocks are sparse, beside dense ones."""

import numpy as np
import pytest

import partita.array as da
from partita import config

sparse = pytest.importorskip("sparse")

CASES = {
    "mean": lambda x: x.mean(),
    "mean along an axis": lambda x: x.mean(axis=1),
    "nanmean": lambda x: da.nanmean(x),
    "nanmean along an axis": lambda x: da.nanmean(x, axis=1),
    "std": lambda x: x.std(),
    "var along an axis": lambda x: x.var(axis=1),
    "nanstd": lambda x: da.nanstd(x),
    "nanvar along an axis": lambda x: da.nanvar(x, axis=0),
    "a moment": lambda x: x.moment(3, axis=1),
    "rounded": lambda x: x.round(1),
}


@pytest.fixture
def pair():
    values = np.random.default_rng(0).random((2, 3, 4))
    values[values < 0.6] = 0
    dense = da.from_array(values, chunks=(1, 2, 2))
    with config.set(scheduler="synchronous"):
        yield dense, dense.map_blocks(sparse.COO.from_numpy)


@pytest.mark.parametrize("name", CASES)
def test_as_dense(pair, name):
    dense, thin = pair
    found = CASES[name](thin).compute()
    found = found.todense() if hasattr(found, "todense") else found
    np.testing.assert_allclose(found, CASES[name](dense).compute())


def test_the_description_has_no_size(pair):
    """Bytes follow from shapes and dtypes, which do not say how much sparse blocks hold."""
    assert "Bytes" not in pair[1]._repr_html_()
