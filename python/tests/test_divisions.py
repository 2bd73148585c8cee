"""Divisions that a user clears or computes, keys of shuffles, functions that sort, and overlaps of several frames."""

import pandas as pd
import pytest
from comparison import same

from partita import dataframe as dd

pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame({"k": [1, 2, 3, 4, 4, 5, 6, 7], "s": list("abcdabcd"), "v": range(8)})


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(FRAME, npartitions=2)


def test_divisions_of_overlapping_partitions(frame):
    with pytest.warns(UserWarning, match="overlapping values"):
        found = frame.compute_current_divisions("k")
    assert found == (1, 4, 7)
    divided = frame.set_index("k", divisions=found)
    assert [len(part) for part in divided.partitions] == [3, 5]


def test_divisions_are_cleared_and_set(client):
    rows = pd.DataFrame({"v": [1, 2, 3, 4]}, index=[1, 3, 10, 20])
    cleared = dd.from_pandas(rows, npartitions=2, sort=False).clear_divisions()
    assert not cleared.known_divisions
    assert cleared.divisions == (None, None, None)
    restored = cleared.compute_current_divisions(set_divisions=True)
    assert restored.divisions == (1, 10, 20)
    assert restored.known_divisions
    same(restored.compute(), rows)


KEYS = {
    "a column": lambda d: d.k,
    "a frame": lambda d: d[["k", "s"]],
    "an expression": lambda d: d.k % 3,
    "several": lambda d: ["s", d.k],
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_of_shuffles(frame, name):
    same(frame.shuffle(KEYS[name](frame)).compute().sort_index(), FRAME)


def test_a_function_sorts_the_partitions(frame):
    def sort(part, by, ascending, na_position, extra):
        return part.sort_values([by, *extra], ascending=ascending, na_position=na_position)

    got = frame.sort_values("s", sort_function=sort, sort_function_kwargs={"extra": ["k"]}).compute()
    assert got.k.tolist() == FRAME.sort_values(["s", "k"]).k.tolist()
    with pytest.raises(ValueError, match="na_position must be"):
        frame.sort_values("s", na_position="middle")


def test_overlaps_of_several_frames(frame):
    numbers = FRAME[["k", "v"]]
    expected = numbers + (numbers * 2).shift(1)
    some = frame[["k", "v"]]
    same(dd.map_overlap(lambda a, b, n: a + b.shift(n), some, 1, 0, some * 2, 1).compute(), expected)
    other = dd.from_pandas(numbers * 2, npartitions=4)
    got = dd.map_overlap(lambda a, b: a + b.shift(1), some, 1, 0, other, align_dataframes=True)
    same(got.compute(), expected)
    same(dd.map_overlap(lambda a: a.shift(1), numbers, 1, 0).compute(), numbers.shift(1))


OTHER_INDEXES = {
    "an unsorted column": lambda d: d.set_index("v", sort=False),
    "an assigned index": lambda d: d.assign(w=1).pipe(_with_index),
    "no index": lambda d: d.reset_index(drop=True),
}


def _with_index(frame):
    made = frame.copy()
    made.index = frame.v
    return made


@pytest.mark.parametrize("name", OTHER_INDEXES)
def test_divisions_belong_to_their_index(client, name):
    rows = pd.DataFrame({"v": [4, 3, 2, 1]}, index=[1, 3, 10, 20])
    divided = dd.from_pandas(rows, npartitions=2).repartition(divisions=[1, 10, 20])
    assert divided.index.divisions == divided.divisions == (1, 10, 20)
    found = OTHER_INDEXES[name](divided)
    assert not found.known_divisions
    assert set(found.divisions) == {None}


def test_divisions_of_durations(client):
    spans = pd.timedelta_range("-1 days", periods=9, freq="90min")
    frame = dd.from_pandas(pd.DataFrame({"v": range(9)}, index=spans), npartitions=3)
    assert frame.divisions == (spans[0], spans[3], spans[6], spans[8])
    assert [len(part) for part in frame.partitions] == [3, 3, 3]
    assert frame.persist().divisions[1] in spans
    moved = frame.shift(2, freq="s")
    assert moved.known_divisions and moved.index.shift(1, freq="s").known_divisions
    same(frame.loc[spans[2] : spans[6]].compute(), frame.compute().loc[spans[2] : spans[6]])


def test_concatenated_frames_that_follow_each_other(client):
    first = pd.DataFrame({"v": [1, 2, 2]}, index=pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-03"]))
    second = pd.DataFrame({"v": [3, 4]}, index=pd.to_datetime(["2024-02-01", "2024-02-03"]))
    a, b = (dd.from_pandas(one, npartitions=2) for one in (first, second))
    made = dd.concat([a, b])
    assert made.divisions == (*a.divisions[:-1], *b.divisions)
    same(made.loc["2024-01-03":"2024-02-01"].compute(), pd.concat([first, second]).loc["2024-01-03":"2024-02-01"])
    assert not dd.concat([b, a]).known_divisions
    same(dd.concat([b, a]).compute(), pd.concat([second, first]))
    assert not dd.concat([a, a]).known_divisions


def test_concatenated_frames_with_missing_labels(client):
    frames = [pd.DataFrame({"t": [1.0, None], "v": [1, 2]}), pd.DataFrame({"t": [5.0], "v": [3]})]
    parts = [dd.from_pandas(one, npartitions=1).set_index("t").persist() for one in frames]
    made = dd.concat(parts)
    assert not made.known_divisions
    same(made.compute(), pd.concat([one.set_index("t") for one in frames]))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda d: d.shuffle(), TypeError, "Must shuffle on either"),
        (lambda d: d.shuffle("k", on_index=True), TypeError, "Cannot shuffle on both"),
        (lambda d: d.shuffle(["k", "zz"]), KeyError, r"Cannot shuffle on \['zz'\]"),
        (lambda d: d.shuffle(d.repartition(npartitions=3).k), TypeError, "index must be aligned"),
        (lambda d: d.set_index([d.k, d.v]), TypeError, "not supported by set_index"),
        (lambda d: d.drop(labels=[0]), NotImplementedError, "axis=1 or when columns is not None"),
        (lambda d: d.add(d, level=0), NotImplementedError, "add: level must be None"),
    ],
)
def test_refused_keys(frame, call, error, words):
    with pytest.raises(error, match=words):
        call(frame)


def test_quantiles_have_divisions(client):
    """A sorted list of quantiles is the index of the result."""
    column = dd.from_pandas(pd.Series(range(11), name="x"), npartitions=2)
    found = column.quantile([0.1, 0.5])
    assert found.known_divisions and found.divisions == (0.1, 0.5) and found.npartitions == 1
    assert found.compute().to_dict() == {0.1: 1.0, 0.5: 5.0}
    assert column.quantile([0.5, 0.1]).compute().index.tolist() == [0.5, 0.1]


def pieces(make):
    """Return three frames: two with common labels, and one with labels above those."""
    low = make(pd.DataFrame({"a": range(6)}, index=[1, 2, 3, 4, 6, 7]), 3)
    high = make(pd.DataFrame({"b": range(4)}, index=[2, 4, 8, 9]), 2)
    return low, high, make(pd.DataFrame({"a": range(4)}, index=[10, 11, 12, 13]), 2)


JOINED = {
    "left": (lambda low, high, last, concat: low.join(high), (1, 2, 3, 6, 7, 8, 9)),
    "outer": (lambda low, high, last, concat: low.join(high, how="outer"), (1, 2, 3, 6, 7, 8, 9)),
    "with a single partition": (lambda low, high, last, concat: low.join(high.loc[2:4]), (1, 3, 6, 7)),
    "slice": (lambda low, high, last, concat: low.loc[2:6], (2, 3, 6, 6)),
    "open slice": (lambda low, high, last, concat: low.a.loc[4:], (4, 6, 7)),
    "slice of a slice": (lambda low, high, last, concat: low.loc[2:].loc[:3], (2, 3, 3)),
    "slice between labels": (lambda low, high, last, concat: low.loc[5:100], (5, 6, 7)),
    "concatenated": (lambda low, high, last, concat: concat([low, last]), (1, 3, 6, 10, 12, 13)),
}


@pytest.mark.parametrize("name", JOINED)
def test_divisions_of_results(client, name):
    """Results of divided frames are divided, and their partitions have the rows between the divisions."""
    function, divisions = JOINED[name]
    expected = function(*pieces(lambda frame, count: frame), pd.concat)
    lazy = function(*pieces(lambda frame, count: dd.from_pandas(frame, npartitions=count)), dd.concat)
    persisted = lazy.persist()
    parts = [part.compute() for part in persisted.partitions]
    for made in (lazy, persisted):
        assert (made.divisions, made.npartitions) == (divisions, len(divisions) - 1)
        same(made.compute(), expected)
    assert len(parts) == len(divisions) - 1
    for at, part in enumerate(parts):
        assert all(divisions[at] <= label <= divisions[at + 1] for label in part.index)
    same(pd.concat(parts), expected)


def test_labels_outside_the_divisions(client):
    ddf = dd.from_pandas(pd.DataFrame({"v": [1, 2, 3]}, index=[1, 3, 5]), npartitions=2)
    for one in (ddf, ddf.v):
        with pytest.raises(KeyError, match="9"):
            one.loc[9]
        # Whether a label between others exists is known only after computing.
        assert len(one.loc[4].compute()) == 0
        assert one.loc[[]].compute().empty


def test_partitions_of_merges(client):
    """A merge has as many partitions as the frame with more; unknown divisions stay unknown."""
    left = pd.DataFrame({"k": [1, 2, 2, 3], "a": range(4)}, index=[1, 2, 3, 4])
    right = pd.DataFrame({"k": [2, 3, 4], "b": range(3)}, index=[2, 3, 5])
    a, b = dd.from_pandas(left, npartitions=3), dd.from_pandas(right, npartitions=2)
    merged = a.merge(b, on="k")
    assert merged.npartitions == merged.persist().npartitions == len(merged.to_delayed()) == 3
    same(merged.compute(), left.merge(right, on="k"), ordered=False)
    joined = a[["a"]].clear_divisions().join(b[["b"]])
    assert joined.divisions == (None,) * 4 and joined.persist().npartitions == 3
    same(joined.compute().sort_index(), left[["a"]].join(right[["b"]]))


def test_merges_of_single_partitions_keep_the_order(client):
    left = pd.DataFrame({"k": ["c", "a", "b"]}, index=[0, 5, 9])
    right = pd.DataFrame({"b": [1.0, 2.0, 3.0]}, index=list("abc"))
    made = dd.from_pandas(left, npartitions=1).join(right, on="k", how="inner")
    assert made.divisions == (0, 9)
    same(made.compute(), left.join(right, on="k", how="inner"))


def test_divisions_of_presorted_partitions(client):
    """set_index(sorted=True) has the divisions of the partitions with rows, if no label is in two of them."""
    rows = pd.DataFrame({"a": [1, 2, 2, 3, 3, 3, 4, 5], "b": [1, 1, 0, 0, 0, 1, 0, 0]})
    frame = dd.from_pandas(rows, npartitions=4)
    made = frame[frame.b == 1].set_index("a", sorted=True)
    assert made.divisions == (1, 3, 3) and made.npartitions == 2
    assert [len(part) for part in made.persist().partitions] == [2, 1]
    same(made.compute(), rows[rows.b == 1].set_index("a"))
    assert frame.set_index("a", sorted=True).divisions == (1, 5)


def test_labels_of_other_rows(client):
    """The index cannot be set to labels of other rows. The error is an AssertionError too, as in Dask."""
    frame = dd.from_pandas(pd.DataFrame({"a": range(4)}), npartitions=2)
    for kind in (AssertionError, NotImplementedError):
        with pytest.raises(kind, match="not aligned"):
            frame.index = frame.repartition(npartitions=1).index
