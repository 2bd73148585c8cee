"""Labels, accessors, rows and arrays of frames beside pandas, with the class and the frequency of indexes."""

import numpy as np
import pandas as pd
import pytest
from comparison import computed
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal

import partita.array as da
from partita import dataframe as dd

pytestmark = pytest.mark.usefixtures("client")

NUMBERS = pd.DataFrame({"x": range(12), "y": np.arange(12) // 5 * 1.5})
HOURS = pd.DataFrame({"x": range(8)}, index=pd.date_range("2024-01-01", periods=8, freq="h"))
WORKDAYS = HOURS.set_axis(pd.date_range("2024-01-01", periods=8, freq="B"))
SPANS = HOURS.set_axis(pd.timedelta_range("1 day", periods=8, freq="min"))
TEXT = pd.Series(["a b", "ab", "1", "aab c", None, "B"], name="s")
TIMES = pd.Series(pd.date_range("2024-02-27 13:00", periods=40, freq="31h"))
ARRAY = np.arange(12) * 2.5


@pytest.fixture(scope="module")
def loaded(client):
    return {id(one): dd.from_pandas(one, npartitions=3) for one in (NUMBERS, HOURS, WORKDAYS, SPANS, TEXT, TIMES)}


def check(got, expected):
    """Compare, with the class and the frequency of indexes."""
    got = computed(got)
    if isinstance(expected, pd.DataFrame):
        assert_frame_equal(got, expected, check_index_type="exact", check_column_type=False)
    elif isinstance(expected, pd.Series):
        assert_series_equal(got, expected, check_index_type="exact")
    elif isinstance(expected, pd.Index):
        assert_index_equal(got, expected, exact=True)
        assert getattr(got, "freq", None) == getattr(expected, "freq", None)
    else:
        assert got == expected


def array_of(frame):
    """Return an array, lazy for a lazy frame."""
    return ARRAY if isinstance(frame, (pd.DataFrame, pd.Series)) else da.from_array(ARRAY, chunks=5)


CASES = {
    # The class and the frequency of indexes.
    "range": (NUMBERS, lambda d: d),
    "range of a filter": (NUMBERS, lambda d: d[d.x > 4]),
    "range of every second row": (NUMBERS, lambda d: d[d.x % 2 == 0].x),
    "no range": (NUMBERS, lambda d: d[d.x.isin([1, 2, 7])]),
    "range of an index": (NUMBERS, lambda d: d.index),
    "range plus a number": (NUMBERS, lambda d: d.index + 1),
    "range times a number": (NUMBERS, lambda d: 3 * d.index),
    "range divided": (NUMBERS, lambda d: d.index // 2),
    "negative range": (NUMBERS, lambda d: -d.index),
    "frequency": (HOURS, lambda d: d),
    "frequency of a filter": (HOURS, lambda d: d[d.x > 4]),
    "no frequency": (HOURS, lambda d: d[d.x.isin([1, 2, 7])]),
    "frequency of workdays": (WORKDAYS, lambda d: d.index),
    # Labels.
    "rename labels": (NUMBERS, lambda d: d.x.rename({1: 100})),
    "rename all labels to strings": (NUMBERS, lambda d: d.x.rename({at: f"l{at}" for at in range(12)})),
    "rename by a function": (NUMBERS, lambda d: d.x.rename(lambda label: label**2)),
    "rename by a column": (NUMBERS, lambda d: d.y.rename(d.x + 3)),
    "rename labels of a frame": (NUMBERS, lambda d: d.rename(index={1: 100}, columns={"x": "z"})),
    "rename with axis": (NUMBERS, lambda d: d.rename({1: 100}, axis=0)),
    "rename a name": (NUMBERS, lambda d: d.x.rename("z")),
    "prefix of labels": (NUMBERS, lambda d: d.add_prefix("p", axis=0)),
    "suffix of times": (HOURS, lambda d: d.x.add_suffix("p")),
    "index as a frame": (NUMBERS, lambda d: d.index.to_frame(name="i")),
    "index as a frame without index": (HOURS, lambda d: d.index.to_frame(index=False, name="i")),
    "shift by seconds": (HOURS, lambda d: d.shift(2, freq="s")),
    "shift by weeks": (HOURS, lambda d: d.x.shift(1, freq="W")),
    "shift by a duration": (WORKDAYS, lambda d: d.shift(-1, freq=pd.Timedelta(10, unit="h"))),
    "shift of an index": (WORKDAYS, lambda d: d.index.shift(2)),
    "shift of durations": (SPANS, lambda d: d.shift(2, freq="s")),
    # Strings and times.
    "casefold": (TEXT, lambda d: d.str.casefold()),
    "findall": (TEXT, lambda d: d.str.findall("a+")),
    "partition": (TEXT, lambda d: d.str.partition("b")),
    "split at spaces": (TEXT, lambda d: d.str.split()),
    "split once": (TEXT, lambda d: d.str.split("a", n=1)),
    "split by a pattern": (TEXT, lambda d: d.str.split("a+", regex=True)),
    "split by two characters": (TEXT, lambda d: d.str.split("a.")),
    "split into columns": (TEXT, lambda d: d.str.split("a", n=2, expand=True)),
    "rsplit into columns": (TEXT, lambda d: d.str.rsplit("a", n=2, expand=True)),
    "extract": (TEXT, lambda d: d.str.extract("(a)(?P<rest>.*)")),
    "extractall": (TEXT, lambda d: d.str.extractall("(a)")),
    "all strings": (TEXT, lambda d: d.str.cat(sep="-")),
    "all strings with missing ones": (TEXT, lambda d: d.str.cat(na_rep="?")),
    "strings of columns": (TEXT, lambda d: d.str.cat([d.str.upper(), d.str.lower()], sep=":", na_rep="?")),
    "swapcase": (TEXT, lambda d: d.str.swapcase()),
    "isocalendar": (TIMES, lambda d: d.dt.isocalendar()),
    "time": (TIMES, lambda d: d.dt.time),
    "is_month_end": (TIMES, lambda d: d.dt.is_month_end),
    "is_leap_year": (TIMES, lambda d: d.dt.is_leap_year),
    "components": (TIMES, lambda d: (d - pd.Timestamp("2024-02-27")).dt.components),
    # Rows.
    "cumsum of rows": (NUMBERS, lambda d: d.cumsum(axis=1)),
    "cummax of rows": (NUMBERS, lambda d: d.cummax(axis="columns")),
    "shift of columns": (NUMBERS, lambda d: d.shift(1, axis=1)),
    "diff of columns": (NUMBERS, lambda d: d.diff(axis=1)),
    "quantile of rows": (NUMBERS, lambda d: d.quantile(0.25, axis=1)),
    "median of rows": (NUMBERS, lambda d: d.median(axis=1)),
    "nunique of rows": (NUMBERS, lambda d: d.nunique(axis=1)),
    "idxmin of rows": (NUMBERS, lambda d: d.idxmin(axis=1)),
    "idxmax without missing values": (NUMBERS, lambda d: d.x.idxmax(skipna=False)),
    "clip by column": (NUMBERS, lambda d: d.clip(lower=pd.Series({"x": 2, "y": 1.0}), axis=1)),
    "clip by row": (NUMBERS, lambda d: d.clip(lower=d.y + 1, upper=5, axis=0)),
    "clip of a column": (NUMBERS, lambda d: d.x.clip(d.y + 3)),
    "clip by missing limits": (NUMBERS, lambda d: d.y.clip(d.y.where(d.x > 4) + 1)),
    "where of a function": (NUMBERS, lambda d: d.where(lambda q: q > 3, 9)),
    "mask of functions": (NUMBERS, lambda d: d.x.mask(lambda q: q > 3, lambda q: -q)),
    "map by a column": (NUMBERS, lambda d: d.x.map(d.x * 2)),
    "negative booleans": (NUMBERS, lambda d: -(d.x > 3)),
    "scalar minus column": (NUMBERS, lambda d: d.y.max() - d.y),
    "dropna of no threshold": (NUMBERS, lambda d: d.dropna(thresh=None)),
    # Selection.
    "labels in brackets": (NUMBERS, lambda d: d.x[[3, 4]]),
    "loc of a function": (NUMBERS, lambda d: d.loc[lambda q: q["x"] > 3, :]),
    "loc of columns by a function": (NUMBERS, lambda d: d.loc[:, lambda q: q.columns.str.contains("y")]),
    "loc of columns by truth values": (NUMBERS, lambda d: d.loc[:, [True, False]]),
    "loc of a list of truth values": (NUMBERS, lambda d: d.loc[[True, False, False] * 4]),
    "loc of an array": (NUMBERS, lambda d: d.loc[(d.x % 3 == 0).values]),
    # Arrays.
    "assign an array": (NUMBERS, lambda d: d.assign(z=array_of(d))),
    "assign an array in another order": (
        NUMBERS,
        lambda d: d.sort_values("x", ascending=False).assign(z=array_of(d), v=array_of(d) * 2),
    ),
    "assign values": (NUMBERS, lambda d: d.assign(z=d.y.values)),
    "assign strings": (NUMBERS, lambda d: d.assign(z=np.array(list("abcdefghijkl")))),
    "plus an array": (NUMBERS, lambda d: d.x + array_of(d)),
    "array plus column": (NUMBERS, lambda d: ARRAY + d.x),
    "compared with an array": (NUMBERS, lambda d: d.x > ARRAY[::-1]),
}


@pytest.mark.parametrize("name", CASES)
def test_beside_pandas(loaded, name):
    frame, function = CASES[name]
    check(function(loaded[id(frame)]), function(frame))


def test_partitions_of_the_number_that_a_frame_has(loaded):
    frame = loaded[id(NUMBERS)].set_index("x")
    assert len(frame.partitions) == frame.npartitions == 3
    for at in range(3):
        check(frame.partitions[at], NUMBERS.set_index("x").iloc[4 * at : 4 * at + 4])


def test_chunks_of_rows():
    parts = dd.from_pandas(NUMBERS, chunksize=5)
    assert [len(part) for part in parts.partitions] == [5, 5, 2]


def test_divisions_can_count_as_unknown(loaded):
    frame = loaded[id(NUMBERS)].clear_divisions()
    assert not frame.known_divisions and frame.divisions == (None,) * 4
    check(frame, NUMBERS)
    check(frame.loc[3:5], NUMBERS.loc[3:5])
    assert loaded[id(NUMBERS)].enforce_runtime_divisions().known_divisions
    with pytest.raises(ValueError, match="known divisions"):
        frame.enforce_runtime_divisions()


def test_a_sample_stays_the_same(loaded):
    sample = loaded[id(NUMBERS)].sample(frac=0.5)
    check(sample, sample.compute())


def test_a_fraction_in_place_of_a_number_of_rows(loaded):
    frame = loaded[id(NUMBERS)]
    with pytest.warns(UserWarning, match="use frac=0.5"):
        sample = frame.sample(0.5, random_state=1)
    check(sample, frame.sample(frac=0.5, random_state=1).compute())


def test_numbers_of_rows_without_an_index(loaded):
    """Rows without an index have the labels that they get when they are computed, whether they have an order or not."""
    ordered = loaded[id(NUMBERS)].reset_index(drop=True)
    check(ordered.index, NUMBERS.reset_index(drop=True).index)
    check(ordered.x.index, NUMBERS.reset_index(drop=True).index)
    unordered = dd.read_sql("SELECT value AS n FROM generate_series(1, 10)")
    assert unordered.index.name is None and not unordered.known_divisions
    assert unordered.index.dtype == "int64" and unordered.index.compute().tolist() == list(range(10))


def test_new_labels_are_sorted_as_the_user_says(loaded):
    column = loaded[id(NUMBERS)].x
    assert column.rename(lambda label: label * 10, sorted_index=True).divisions[-1] == 110
    with pytest.raises(ValueError, match="non-monotonic"):
        column.rename({0: 200}, sorted_index=True)


def test_partitions_become_arrays(loaded):
    found = loaded[id(NUMBERS)].map_partitions(np.asarray)
    assert found.numblocks == (3, 1) and (found.compute() == NUMBERS.to_numpy()).all()


@pytest.mark.parametrize("is_aligned", [False, True])
def test_overlapping_rows_of_several_frames(loaded, is_aligned):
    def shifted(part, before, after, other):
        return part.shift(before) + part.shift(-after) + other

    other = dd.from_pandas(NUMBERS * 2, npartitions=2 if is_aligned else 3)
    found = dd.map_overlap(shifted, loaded[id(NUMBERS)], 2, 1, 2, 1, other, align_dataframes=is_aligned)
    check(found, shifted(NUMBERS, 2, 1, NUMBERS * 2))


def test_times_of_columns():
    parts = pd.DataFrame({"year": [2023, 2024], "month": [2, 3], "day": [4, 5]})
    check(dd.to_datetime(dd.from_pandas(parts, npartitions=2)), pd.to_datetime(parts))
    check(dd.to_datetime(parts), pd.to_datetime(parts))


REFUSED = {
    "an array of another length": (ValueError, "5 values", lambda d: d.assign(z=ARRAY[:5]).compute()),
    "a list as a condition": (ValueError, "boolean column", lambda d: d.x.where([True] * 12)),
    "loc of three axes": (pd.errors.IndexingError, "Too many", lambda d: d.loc[1, "x", 1]),
    "loc of a column of two axes": (pd.errors.IndexingError, "Too many", lambda d: d.x.loc[1, 2]),
    "loc of numbers": (KeyError, "non-boolean", lambda d: d.loc[d.x]),
    "values in a column": (NotImplementedError, "isin", lambda d: 1 in d.x),
    "columns without a number of splits": (
        NotImplementedError,
        "requires n=",
        lambda d: d.x.astype(str).str.split(expand=True),
    ),
    "limits by row without an axis": (ValueError, "axis", lambda d: d.clip(d.x)),
    "index of an index": (AttributeError, "no attribute 'index'", lambda d: d.index.index),
    "shift of numbers": (NotImplementedError, "index of times", lambda d: d.shift(1, freq="s")),
    "shift of an index of numbers": (NotImplementedError, "index of times", lambda d: d.index.shift(1)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(loaded, name):
    error, words, function = REFUSED[name]
    with pytest.raises(error, match=words):
        function(loaded[id(NUMBERS)])


def test_types_that_the_cluster_lacks_are_refused():
    with pytest.raises(TypeError, match="are not supported; convert them"):
        dd.from_pandas(pd.Series(pd.interval_range(0, 3)), npartitions=1)


def test_index_of_other_rows(client):
    """The values of a column of other rows are those of the rows in their order, as in pandas."""
    frame = pd.DataFrame({"v": [1, 2, 3, 4]}, index=list("abcd"))
    other = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=4)}, index=[7, 8, 9, 10])
    lazy, rows = dd.from_pandas(frame, npartitions=2), dd.from_pandas(other, npartitions=3)
    check(lazy.set_index(rows.t), frame.set_index(other.t))
    check(lazy.set_index(rows.index), frame.set_index(other.index))
    with pytest.raises(ValueError, match="3 values cannot be a column of 4 rows"):
        lazy.set_index(rows.t.loc[8:]).compute()
    with pytest.raises(NotImplementedError, match="only if both have an order"):
        lazy.set_index(dd.read_sql("SELECT value AS n FROM generate_series(1, 4)").n)
