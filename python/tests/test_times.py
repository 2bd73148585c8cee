"""Methods of times and durations."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed, same

from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

UTC = pd.Series(
    pd.to_datetime(
        ["2020-03-29 01:35", "2020-07-01 05:40:07.5", None, "2020-12-01 23:50", "2020-03-28 21:45"], format="ISO8601"
    )
).dt.tz_localize("UTC")
ZONES = ("UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")
SPANS = pd.Series(pd.to_timedelta(["1D 2h 3.5s", "-1h", None, "90min", "-3D 1us"]))


@pytest.mark.parametrize("method", ["floor", "ceil", "round"])
@pytest.mark.parametrize("zone", [None, *ZONES])
def test_rounding_in_local_time(zone, method):
    """Times with a zone are rounded to multiples of local time, also to days."""
    times = UTC.dt.tz_localize(None) if zone is None else UTC.dt.tz_convert(zone)
    ddf = dd.from_pandas(times, npartitions=2)
    for freq in ("h", "D", "15min", "5h", "s", "1h30min", pd.Timedelta("20min")):
        same(getattr(ddf.dt, method)(freq).compute(), getattr(times.dt, method)(freq))
    same(ddf.dt.normalize().compute(), times.dt.normalize())


@pytest.mark.parametrize("method", ["floor", "ceil", "round"])
@pytest.mark.parametrize("local", ["2020-03-29 01:31", "2020-10-25 02:29"])
def test_ambiguous_and_missing_local_times(local, method):
    """Rounding to a local time that does not exist or occurs twice raises an error."""
    times = pd.Series(pd.to_datetime([local])).dt.tz_localize("Europe/Berlin", ambiguous=[True])
    step = {"floor": "3h", "ceil": "h", "round": "h"}[method] if "03-29" in local else "h"
    ddf = dd.from_pandas(times, npartitions=1)
    try:
        expected = getattr(times.dt, method)(step)
    except ValueError:
        with pytest.raises(ValueError, match="ambiguous or does not exist"):
            getattr(ddf.dt, method)(step).compute()
    else:
        same(getattr(ddf.dt, method)(step).compute(), expected)


@pytest.mark.parametrize("method", ["floor", "ceil", "round"])
def test_rounding_of_durations(method):
    """Durations are rounded like times."""
    ddf = dd.from_pandas(SPANS, npartitions=2)
    for freq in ("h", "D", "20min", "s"):
        same(getattr(ddf.dt, method)(freq).compute(), getattr(SPANS.dt, method)(freq))
    for spans in (ddf, dd.from_pandas(UTC, npartitions=1)):
        for freq in ("W", "ME", "YE", "B", "bogus"):
            with pytest.raises(ValueError):
                getattr(spans.dt, method)(freq)


@pytest.mark.parametrize("name", ["days", "seconds", "microseconds", "nanoseconds"])
def test_parts_of_durations(name):
    """Days may be negative, and the other parts are not."""
    for spans in (SPANS, SPANS.dropna()):
        same(computed(getattr(dd.from_pandas(spans, npartitions=2).dt, name)), getattr(spans.dt, name))


def test_other_attributes():
    """Times lack the attributes of durations, and the reverse."""
    spans, times = dd.from_pandas(SPANS, npartitions=1), dd.from_pandas(UTC, npartitions=1)
    for accessor, names in (
        (spans.dt, ("hour", "year", "normalize", "tz_localize", "day_name")),
        (times.dt, ("total_seconds", "days", "seconds", "components")),
    ):
        for name in names:
            with pytest.raises(AttributeError, match=f"have no attribute '{name}'"):
                getattr(accessor, name)
    with pytest.raises(NotImplementedError, match="to_pytimedelta is not supported; use compute"):
        spans.dt.to_pytimedelta  # noqa: B018


MOMENTS = pd.Series(pd.to_datetime(["2024-03-01", "2024-01-02 12:00", None], format="ISO8601"))
DISTANCES = MOMENTS - pd.Timestamp("2024-01-01")
OF_NUMPY = {
    "a time": lambda s: s(MOMENTS) - np.datetime64("2024-01-01"),
    "a time before": lambda s: np.datetime64("2024-01-01") - s(MOMENTS),
    "a time of nanoseconds": lambda s: s(MOMENTS) - np.datetime64("2024-01-01T00:00:00.000000005"),
    "a compared time": lambda s: s(MOMENTS) > np.datetime64("2024-02-01"),
    "a filled time": lambda s: s(MOMENTS).fillna(np.datetime64("2020-01-01")),
    "a limit": lambda s: s(MOMENTS).clip(np.datetime64("2024-02-01")),
    "a duration": lambda s: s(MOMENTS) + np.timedelta64(1, "D"),
    "nanoseconds": lambda s: s(MOMENTS) - np.timedelta64(5, "ns"),
    "a compared duration": lambda s: s(DISTANCES) > np.timedelta64(2, "D"),
    "a filled duration": lambda s: s(DISTANCES).fillna(np.timedelta64(1, "D")),
    "hours": lambda s: s(DISTANCES) / np.timedelta64(1, "h"),
    "whole days": lambda s: s(DISTANCES) // np.timedelta64(1, "D"),
}


@pytest.mark.parametrize("name", OF_NUMPY)
def test_values_of_numpy(client, name):
    """Times and durations of NumPy are operands like those of pandas."""
    got = OF_NUMPY[name](lambda column: dd.from_pandas(column, npartitions=2)).compute()
    same(got, OF_NUMPY[name](lambda column: column))


FORMATS = [
    "%Y-%m-%d %H:%M:%S.%f",
    "%a %A %b %B %y %G %m %d %I %j %U %W %V %w %u %p %e %T %F %D %%",
    "%-d.%-m.%-y %-H %-I %-M %-S %-j",
    "%%f %f%%",
    "%H:%M %Z",
    "%H:%M%z",
    "%c",
    "%s",
    "",
    "none",
]


@pytest.mark.parametrize("tz", [None, "Europe/Paris"])
@pytest.mark.parametrize("date_format", FORMATS)
def test_strftime_has_the_directives_of_python(date_format, tz):
    times = pd.Series(pd.date_range("2024-03-30 09:05:07.000123", periods=4, freq="7h13min", tz=tz), name="t")
    same(dd.from_pandas(times, npartitions=2).dt.strftime(date_format).compute(), times.dt.strftime(date_format))
