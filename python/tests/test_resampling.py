"""Resampling by multiples of the calendar and by other origins, and functions of intervals and windows, beside pandas."""

import numpy as np
import pandas as pd
import pytest
from comparison import same

from partita import dataframe as dd

pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.usefixtures("client")

rng = np.random.default_rng(3)
TIMES = pd.Timestamp("2018-12-21 03:21") + pd.to_timedelta(np.sort(rng.integers(0, 700 * 86400, 40)), "s")
ENDS = pd.DatetimeIndex(["2019-01-31", "2019-02-28", "2019-03-01", "2019-03-31 12:00", "2019-06-30", "2020-02-29"])
COLUMNS = {
    "plain": pd.Series(rng.random(40), index=TIMES),
    "zone": pd.Series(rng.random(40), index=TIMES.tz_localize("UTC").tz_convert("America/Sao_Paulo")),
    "ends of months": pd.Series(range(6), index=ENDS),
}
RULES = ("2ME", "6ME", "3MS", "2QE", "QE-JAN", "3QS-NOV", "2YE", "YE-MAR", "YS-APR", "2W", "3W-THU", "2D", "7h")
SIDES = ({}, {"closed": "left"}, {"label": "left"}, {"label": "right"})
STARTS = ({"origin": "start"}, {"origin": "epoch"}, {"offset": "2h"}, {"origin": pd.Timestamp("2018-12-01 01:30")})


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rule", RULES)
def test_rules(client, rule, name):
    column = COLUMNS[name]
    frame = dd.from_pandas(column, npartitions=3)
    for sides in SIDES:
        same(frame.resample(rule, **sides).sum().compute(), column.resample(rule, **sides).sum())


@pytest.mark.parametrize("rule", ["10h", "2D"])
def test_starts(client, rule):
    column = COLUMNS["plain"]
    for start in STARTS:
        got = dd.from_pandas(column, npartitions=3).resample(rule, **start).count()
        same(got.compute(), column.resample(rule, **start).count())


def test_midnights_that_do_not_exist(client):
    times = pd.DatetimeIndex(["2016-10-15 00:00", "2016-10-16 10:00", "2016-10-19 00:00"]).tz_localize(
        "America/Sao_Paulo"
    )
    column = pd.Series([1, 2, 3], index=times)
    daily = dd.from_pandas(column, npartitions=2).resample("D").sum()
    same(daily.compute(), column.resample("D").sum())
    same((daily + 1).compute(), column.resample("D").sum() + 1)


@pytest.mark.parametrize("name", ["plain", "zone"])
def test_the_index_keeps_its_frequency(client, name):
    """Also in persisted results and in those of further operations, as in pandas."""
    column = COLUMNS[name]
    expected = column.resample("7h").sum()
    made = dd.from_pandas(column, npartitions=3).resample("7h").sum()
    for found in (made, made.persist(), made + 1, made.repartition(npartitions=2), made.to_frame("v")):
        assert found.compute().index.freq == expected.index.freq == "7h"


def test_functions_of_intervals(client):
    column = pd.Series(
        [0, 1, 2, 5], index=pd.DatetimeIndex(["2019-01-01", "2019-01-02", "2019-01-05", "2019-01-05 10:00"])
    )
    frame = dd.from_pandas(column, npartitions=2)

    def constant(values, number=1):
        return number

    # pandas calls the function for intervals without rows too.
    same(frame.resample("D").agg(constant, number=2).compute(), column.resample("D").agg(constant, number=2))
    got = frame.to_frame("v").resample("D").agg(lambda v: v.max() - v.min())
    same(got["v"].compute(), column.resample("D").agg(lambda v: v.max() - v.min()).rename("v"))


def spread(values):
    return np.fabs(values - values.mean()).mean()


FRAME = pd.DataFrame({"a": rng.random(30), "b": rng.integers(0, 9, 30)}).assign(a=lambda d: d.a.where(d.index != 5))
TIMED = FRAME.set_axis(pd.date_range("2020-01-01", periods=30, freq="3s"))
WINDOWS = {
    "median": (FRAME, lambda d: d.rolling(3).median()),
    "quantile": (FRAME, lambda d: d.a.rolling(3, min_periods=1).quantile(0.3)),
    "skew": (FRAME, lambda d: d.rolling(5).skew()),
    "kurt": (FRAME, lambda d: d.b.rolling(5, center=True).kurt()),
    "a function": (FRAME, lambda d: d.rolling(4).apply(spread, raw=False)),
    "covariances": (FRAME, lambda d: d.rolling(4).cov()),
    "several reductions": (FRAME, lambda d: d.rolling(3).agg(["mean", "std"])),
    "reductions by column": (FRAME, lambda d: d.rolling(3).agg({"a": "sum", "b": lambda v: np.std(v, ddof=1)})),
    "ddof": (FRAME, lambda d: d.rolling(3).std(ddof=0)),
    "a median over time": (TIMED, lambda d: d.rolling("7s").median()),
    "a centred time": (TIMED, lambda d: d.rolling("7s", center=True).mean()),
    "covariances over time": (TIMED, lambda d: d.rolling("7s").cov()),
    "closed on both sides": (TIMED, lambda d: d.a.rolling("6s", closed="both").skew()),
    "longer than a partition": (TIMED, lambda d: d.b.rolling("1h").median()),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_functions_of_windows(client, name):
    frame, function = WINDOWS[name]
    same(function(dd.from_pandas(frame, npartitions=4)).compute(), function(frame))


def test_windows_of_rows_without_an_index(client):
    frame = dd.from_pandas(FRAME, npartitions=3).reset_index(drop=True)
    same(frame.rolling(3).median().compute(), FRAME.rolling(3).median())
    with pytest.raises(NotImplementedError, match="requires a frame with an index"):
        frame.rolling(3).cov()
