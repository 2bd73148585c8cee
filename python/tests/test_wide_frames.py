"""Frames with many columns."""

import numpy as np
import pandas as pd
import pytest
from partita import dataframe as dd
from partita.dataframe._rows import VALUES_MAX

pytestmark = pytest.mark.usefixtures("client")
WIDE = pd.DataFrame(np.arange(4 * (VALUES_MAX + 50)).reshape(4, -1)).rename(columns="x{}".format)


@pytest.fixture(scope="module")
def wide(client):
    return dd.from_pandas(WIDE, npartitions=2)


def test_reductions_of_many_columns(wide):
    """Many reductions are computed by several queries, and come in one result."""
    pd.testing.assert_series_equal(wide.sum().compute(), WIDE.sum())


def test_reductions_of_a_sample(wide):
    """Reductions of rows that differ in each query are computed together."""
    counts = wide.sample(frac=0.5).count().compute()
    assert counts.nunique() == 1


def test_explain_shows_all_queries(wide):
    assert wide.sum().explain().count("AggregateExec: mode=Final") == 2
