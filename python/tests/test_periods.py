"""Columns and indexes of periods, such as months, beside pandas."""

import pandas as pd
import pytest

import partita.dataframe as dd

pytestmark = [pytest.mark.usefixtures("client"), pytest.mark.filterwarnings("ignore:.*deprecated")]

TIMES = pd.to_datetime(["2024-01-31 10:00", "2024-02-01", "2023-12-05", None, "2024-02-29 23:59:59"], format="ISO8601")
FRAME = pd.DataFrame({"t": TIMES, "x": range(5)}).assign(p=lambda d: d.t.dt.to_period("M"))
HOURS = pd.DataFrame({"A": range(100)}, index=pd.period_range("2011-01-01", freq="h", periods=100))
JANUARY = pd.Period("2024-01", "M")


@pytest.fixture(scope="module")
def months(client):
    return dd.from_pandas(FRAME, npartitions=2)


@pytest.fixture(scope="module")
def hours(client):
    return dd.from_pandas(HOURS, npartitions=10)


def same(found, expected):
    found = found.compute() if hasattr(found, "compute") else found
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_freq=False, check_index_type=False)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected, check_freq=False, check_index_type=False)
    elif isinstance(expected, pd.Index):
        pd.testing.assert_index_equal(found, expected, exact=False)
    else:
        assert found == expected and isinstance(found, pd.Period) == isinstance(expected, pd.Period)


FREQUENCIES = ["Y", "Q", "M", "W", "D", "h", "min", "s", "ms", "us", "ns", "2D", "3M", "Q-NOV", "W-TUE", "Y-JUN"]


@pytest.mark.parametrize("freq", FREQUENCIES)
def test_frequencies(freq):
    """Periods of any frequency come back, and those of times are those of pandas."""
    periods = pd.period_range("2011-01-05", freq=freq, periods=5)
    frame = pd.DataFrame({"p": periods, "t": TIMES}, index=periods)
    lazy = dd.from_pandas(frame, npartitions=2)
    same(lazy.assign(q=lazy.t.dt.to_period(freq)), frame.assign(q=frame.t.dt.to_period(freq)))
    same(lazy.p.dt.end_time, frame.p.dt.end_time)


COLUMNS = {
    "columns": lambda d, m: d,
    "type": lambda d, m: d.p.dtype,
    "of a zone": lambda d, m: d.t.dt.tz_localize("Europe/Berlin").dt.tz_localize(None).dt.to_period("D"),
    "astype": lambda d, m: d.t.astype("period[Q]"),
    "strings": lambda d, m: d.p.astype(str),
    "equal to a string": lambda d, m: d.p == "2024-02",
    "equal to a day": lambda d, m: d.p == "2024-01-15",
    "equal to a period": lambda d, m: d.p == JANUARY,
    "not equal": lambda d, m: d.p != JANUARY,
    "less": lambda d, m: d[d.p < "2024-02"].x,
    "less than a column": lambda d, m: d.p <= d.p.shift(1),
    "among": lambda d, m: d.p.isin([JANUARY, pd.NaT]),
    "among days": lambda d, m: d.p.isin([pd.Period("2024-02-01", "D")]),
    "missing": lambda d, m: d.p.isna(),
    "without missing": lambda d, m: d.p.dropna(),
    "filled": lambda d, m: d.p.fillna(JANUARY),
    "where": lambda d, m: d.p.where(d.x > 1, JANUARY),
    "shifted": lambda d, m: d.p.shift(1),
    "forwards": lambda d, m: d.p.ffill(),
    "groups": lambda d, m: d.groupby("p").x.sum(),
    "groups of times": lambda d, m: d.groupby(d.t.dt.to_period("Y")).x.sum(),
    "of groups": lambda d, m: d.groupby("x").p.min(),
    "first of groups": lambda d, m: d.groupby("x").p.first(),
    "distinct in groups": lambda d, m: d.groupby("x").p.nunique(),
    "maximum": lambda d, m: d.p.max(),
    "number of distinct ones": lambda d, m: d.p.nunique(),
    "counts of values": lambda d, m: d.p.value_counts().sort_index(),
    "distinct": lambda d, m: d.p.drop_duplicates(),
    "sorted": lambda d, m: d.sort_values("p"),
    "year": lambda d, m: d.p.dropna().dt.year,
    "month of quarters": lambda d, m: d.p.dropna().dt.asfreq("Q").dt.month,
    "days": lambda d, m: d.p.dropna().dt.days_in_month,
    "start": lambda d, m: d.p.dt.start_time,
    "times": lambda d, m: d.p.dt.to_timestamp(),
    "format": lambda d, m: d.p.dropna().dt.strftime("%Y/%m"),
    "as days": lambda d, m: d.p.dt.asfreq("D"),
    "concatenated": lambda d, m: m.concat([d.p, d.p]),
    "merged": lambda d, m: d.dropna().merge(d.dropna()[["p", "x"]].rename(columns={"x": "y"}), on="p").sort_values(["x", "y"]).reset_index(drop=True),
    "mapped": lambda d, m: d.p.dropna().map(str, **({} if m is pd else {"meta": ("p", "str")})),
    "index": lambda d, m: d.dropna().set_index("p").x.sort_index(),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(months, name):
    """Methods of columns of periods give what pandas gives."""
    same(COLUMNS[name](months, dd), COLUMNS[name](FRAME, pd))


INDEXES = {
    "rows": lambda d: d,
    "a day": lambda d: d.loc["2011-01-02"],
    "days": lambda d: d.loc["2011-01-02":"2011-01-03"],
    "in brackets": lambda d: d["2011-01-02":"2011-01-10"],
    "minutes": lambda d: d.loc["2011-01-02 05:30":"2011-01-02 07:10"],
    "from a period": lambda d: d.loc[pd.Period("2011-01-02 05:00", "h") :],
    "a list": lambda d: d.loc[[pd.Period("2011-01-02 05:00", "h")]],
    "shifted": lambda d: d.shift(2, freq="h"),
    "shifted labels": lambda d: d.index.shift(2),
    "times": lambda d: d.to_timestamp(),
    "end times": lambda d: d.A.to_timestamp(how="end"),
    "times and days": lambda d: d.to_timestamp().to_period("D"),
    "hour": lambda d: d.index.hour,
    "largest label": lambda d: d.index.max(),
    "label of the largest": lambda d: d.A.idxmax(),
    "columns": lambda d: d.reset_index(),
    "joined": lambda d: d.join(d.rename(columns={"A": "B"})),
    "added": lambda d: d.A + d.A,
}


@pytest.mark.parametrize("name", INDEXES)
def test_indexes(hours, name):
    """Selection and conversion of an index of periods give what pandas gives."""
    same(INDEXES[name](hours), INDEXES[name](HOURS))


def test_divisions(hours):
    """The divisions are periods, also of slices, persisted frames and other partitions."""
    assert hours.divisions[:2] == (HOURS.index[0], HOURS.index[10]) and hours.divisions[-1] == HOURS.index[-1]
    assert hours.loc["2011-01-02":].divisions[0] == pd.Period("2011-01-02 00:00", "h")
    assert hours.shift(2, freq="h").known_divisions
    parts = hours.repartition(npartitions=3)
    assert parts.npartitions == 3 and all(isinstance(one, pd.Period) for one in parts.divisions)


REFUSED = {
    "sum": lambda d: d.p.sum(),
    "mean": lambda d: d.p.mean(),
    "quantile": lambda d: d.p.quantile(),
    "addition": lambda d: d.p + 1,
    "difference": lambda d: d.p - d.p,
    "differences of rows": lambda d: d.p.diff(),
    "largest so far": lambda d: d.p.cummax(),
    "limits": lambda d: d.p.clip(JANUARY),
    "maximum of a frame": lambda d: d[["p"]].max(),
    "sum of groups": lambda d: d.groupby("x").p.sum(),
    "another frequency": lambda d: d.p == pd.Period("2024-01-01", "D"),
    "times": lambda d: d.p == d.t,
    "filled with times": lambda d: d.p.fillna(d.t),
    "times filled with periods": lambda d: d.t.fillna(d.p),
    "key of times": lambda d: d.merge(d.rename(columns={"t": "z"}), left_on="p", right_on="z"),
    "concatenated with times": lambda d: dd.concat([d.p, d.t]),
    "shift of labels by another frequency": lambda d: d.dropna().set_index("p").index.shift(1, freq="D"),
    "to_timestamp of times": lambda d: d.set_index("t").to_timestamp(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(months, name):
    """What would use the start times as if they were the periods is an error."""
    with pytest.raises((TypeError, NotImplementedError)):
        REFUSED[name](months)


def test_resampling_is_refused(hours):
    with pytest.raises(NotImplementedError, match="to_timestamp"):
        hours.resample("D").sum()


def test_files(months, hours, tmp_path):
    """Periods come back from Parquet files of Partita and of pandas, and text files have their strings."""
    hours.to_parquet(tmp_path / "hours")
    same(dd.read_parquet(tmp_path / "hours"), HOURS)
    FRAME.to_parquet(tmp_path / "pandas.parquet")
    same(dd.read_parquet(tmp_path / "pandas.parquet"), FRAME)
    months[["p"]].to_csv(tmp_path / "p.csv", single_file=True, index=False)
    assert (tmp_path / "p.csv").read_text() == FRAME[["p"]].to_csv(index=False)


def test_functions_of_partitions(months):
    """Functions get periods and return them."""
    same(months.map_partitions(lambda part: part.assign(q=part.p + 1)), FRAME.assign(q=FRAME.p + 1))
