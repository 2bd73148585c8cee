"""Rolling windows over rows with equal times, for all values of closed=: results equal those of pandas."""

import numpy as np
import pandas as pd
import pytest
from comparison import same
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

FUNCTIONS = ("sum", "mean", "min", "max", "std", "var", "count")
CLOSED = ("right", "left", "both", "neither")


def tied(rows, labels, unit="us"):
    """Return rows with equal times, gaps between times, and missing and infinite values."""
    random = np.random.default_rng(rows)
    seconds = np.sort(random.choice(np.arange(labels) ** 2 % (3 * labels), rows))
    values = random.normal(size=rows).round(3)
    values[random.random(rows) < 0.2] = np.nan
    values[random.random(rows) < 0.05] = np.inf
    times = pd.DatetimeIndex(pd.Timestamp("2024-02-28 23:59:50") + pd.to_timedelta(seconds, unit="s")).as_unit(unit)
    return pd.DataFrame({"v": values, "n": random.integers(-9, 9, rows), "w": random.random(rows) < 0.5}, index=times)


#: Many labels; few labels that span partitions; coarse units; times with a zone; one row; no rows.
FRAMES = {
    "many": tied(200, 90),
    "few": tied(60, 3),
    "seconds": tied(80, 30, "s"),
    "zone": tied(80, 40).tz_localize("UTC").tz_convert("Europe/Berlin"),
    "one": tied(1, 5),
    "none": tied(40, 20)[:0],
}


def windows(frame, window, **options):
    """Return the results of all window functions as columns of one frame."""
    made = {
        f"{column} {name}": getattr(frame[column].rolling(window, **options), name)()
        for column in frame.columns
        for name in FUNCTIONS
    }
    return frame.assign(**made)


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("closed", CLOSED)
def test_time_windows_over_ties(name, closed):
    """A time window ends at its row, not at the last row of the same time."""
    frame = FRAMES[name]
    for window, partitions in (("4s", 4), ("1000D", 1)):
        got = windows(dd.from_pandas(frame, npartitions=partitions), window, closed=closed).compute()
        same(got, windows(frame, window, closed=closed))


@pytest.mark.parametrize("closed", [None, *CLOSED])
@pytest.mark.parametrize("center", [False, True])
def test_windows_of_rows(closed, center):
    """Windows of a number of rows, including 0, centered or not."""
    frame = FRAMES["many"]
    loaded = dd.from_pandas(frame, npartitions=4)
    for window in (0, 1, 2, 5) if closed != "both" else (1, 2, 5):
        options = {"closed": closed, "center": center}
        same(windows(loaded, window, **options).compute(), windows(frame, window, **options))


@pytest.mark.parametrize("window", [3, "5s"])
def test_min_periods(window):
    """min_periods: with fewer values the result is missing; with 0, the sum of no values is 0."""
    frame = FRAMES["many"]
    loaded = dd.from_pandas(frame, npartitions=4)
    for least in (0, 1, 3):
        for closed in ("right", "neither"):
            options = {"min_periods": least, "closed": closed}
            same(windows(loaded, window, **options).compute(), windows(frame, window, **options))


def test_windows_over_descending_times():
    """Times may be descending."""
    frame = FRAMES["many"].sort_index(ascending=False, kind="stable")
    loaded = dd.from_pandas(FRAMES["many"], npartitions=3).sort_index(ascending=False)
    for closed in CLOSED:
        same(windows(loaded, "4s", closed=closed).compute(), windows(frame, "4s", closed=closed))


def test_windows_by_partition():
    """Each partition is computed separately, with the preceding rows that its windows need."""
    loaded = dd.from_pandas(FRAMES["many"], npartitions=4)
    assert "HaloExec" in loaded.v.rolling("4s", closed="both").sum().explain()


def test_windows_over_unsorted_times():
    """Time windows over unsorted or missing times raise an error."""
    frame = FRAMES["many"].sample(frac=1, random_state=1)
    loaded = dd.from_pandas(frame, npartitions=2, sort=False)
    with pytest.raises(Exception, match="index values must be monotonic"):
        loaded.v.rolling("1s").sum().compute()
    missing = pd.Series([1.0, 2.0], index=pd.DatetimeIndex([pd.NaT, pd.Timestamp("2024-01-01")]))
    with pytest.raises(Exception, match="missing values"):
        dd.from_pandas(missing, npartitions=1, sort=False).rolling("1s").sum().compute()


@pytest.mark.parametrize(
    ("window", "options", "message"),
    [
        (-1, {}, "window must be an integer 0 or greater"),
        (2.5, {}, "window must be an integer 0 or greater"),
        (True, {}, "window must be an integer 0 or greater"),
        (2, {"min_periods": 3}, "min_periods 3 must be <= window 2"),
        (2, {"min_periods": -1}, "min_periods must be >= 0"),
        (2, {"closed": "up"}, "closed must be 'right', 'left', 'both' or 'neither'"),
    ],
)
def test_invalid_windows(window, options, message):
    """The errors equal those of pandas."""
    frame = FRAMES["many"]
    with pytest.raises(ValueError, match=message):
        frame.v.rolling(window, **options)
    with pytest.raises(ValueError, match=message):
        dd.from_pandas(frame, npartitions=1).v.rolling(window, **options)


def test_order_dependent_methods_over_ties():
    """shift, diff, cumulative functions and ffill depend on rows, not on equal labels."""
    for name in ("many", "few"):
        frame = FRAMES[name]
        loaded = dd.from_pandas(frame, npartitions=4)
        for of in (
            lambda d: d[["v", "n"]].shift(2),
            lambda d: d.n.diff(),
            lambda d: d[["v", "n"]].cumsum(),
            lambda d: d.n.cumprod(),
            lambda d: d.v.ffill(),
            lambda d: d.v.bfill(),
        ):
            same(of(loaded).compute(), of(frame))
