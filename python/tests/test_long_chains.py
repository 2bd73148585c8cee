"""Chains of many operations: planning time is not exponential, and a plan that is too deep raises an error."""

import os
import time

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

#: Operations of a chain.
STEPS = int(os.environ.get("PARTITA_TEST_STEPS", "200"))
#: Operations of a chain of conditions that use each value once, which the planner merges again.
SLOW_STEPS = int(os.environ.get("PARTITA_TEST_SLOW_STEPS", "60"))
#: Joined frames.
FRAMES = int(os.environ.get("PARTITA_TEST_FRAMES", "30"))
#: Time limit of planning a chain, in seconds. Exponential planning would take years.
PLANNING_SECONDS_MAX = 60
FRAME = pd.DataFrame({"k": [1, 2, 3, 4], "a": [5, -6, 7, 8], "b": [0.5, 1.5, None, 3.5]})


def repeated(step, times):
    def of(d):
        for at in range(times):
            d = step(d, at)
        return d

    return of


CHAINS = {
    "additions": repeated(lambda d, at: d + at, STEPS),
    "assignments": repeated(lambda d, at: d.assign(a=d.a + d.k), STEPS),
    "equal assignments": repeated(lambda d, at: d.assign(a=d.a + 1), STEPS),
    "conditions": repeated(lambda d, at: d[d.a > at - 300], STEPS),
    "values by conditions": repeated(lambda d, at: d.where(d > at - 300, -1), STEPS),
    "values of another column": repeated(lambda d, at: d.assign(a=d.a.where(d.b > at - 300, d.k)), SLOW_STEPS),
    "masks": repeated(lambda d, at: d.assign(a=d.a.mask(d.a > 300 - at, -1)), STEPS),
    "filled": repeated(lambda d, at: d.fillna(at), STEPS),
    "filled by a column": repeated(lambda d, at: d.assign(b=d.b.fillna(d.k)), STEPS),
    "sums with itself": repeated(lambda d, at: d.assign(b=(d.b + d.b) / 2), STEPS),
    "clips": repeated(lambda d, at: d.clip(-at, 1000 - at), STEPS),
    "rounds": repeated(lambda d, at: d.round(2) + 0.01, 8),
    "running sums": repeated(lambda d, at: d.assign(a=d.a.cumsum() % 97), 20),
}


@pytest.mark.parametrize("name", CHAINS)
def test_many_steps(name):
    """The results of long chains equal those of pandas."""
    of = CHAINS[name]
    loaded = dd.from_pandas(FRAME, npartitions=2)
    started = time.monotonic()
    got = of(loaded).compute()
    assert time.monotonic() - started < PLANNING_SECONDS_MAX
    assert_frame_equal(got, of(FRAME), rtol=1e-9)


def test_many_conditions_of_one_column():
    """Many combined conditions."""

    def of(d):
        condition = d.a > 0
        for at in range(STEPS):
            condition = condition & (d.a != at + 10) if at % 2 else condition | (d.k == at)
        return d.a[condition]

    assert_series_equal(of(dd.from_pandas(FRAME, npartitions=2)).compute(), of(FRAME))


def test_many_merges():
    """A chain of many joins."""
    got, expected = dd.from_pandas(FRAME, npartitions=1), FRAME
    started = time.monotonic()
    for at in range(FRAMES):
        other = pd.DataFrame({"k": [1, 2, 3, 4], f"v{at}": [at, at + 1, at + 2, at + 3]})
        got, expected = got.merge(dd.from_pandas(other, npartitions=1), on="k"), expected.merge(other, on="k")
    got = got.compute()
    assert time.monotonic() - started < PLANNING_SECONDS_MAX
    assert_frame_equal(got.sort_values("k").reset_index(drop=True), expected)


def test_too_many_steps():
    """A plan that is too deep raises an error that suggests persist, and the cluster remains usable."""
    loaded = dd.from_pandas(FRAME, npartitions=1)
    deep = repeated(lambda d, at: d + 1, 3000)(loaded.a)
    with pytest.raises(Exception, match=r"levels.*persist"):
        deep.compute()
    half = repeated(lambda d, at: d + 1, 300)(loaded.a).persist()
    assert repeated(lambda d, at: d + 1, 300)(half).compute().tolist() == [605, 594, 607, 608]
