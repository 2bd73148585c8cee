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
