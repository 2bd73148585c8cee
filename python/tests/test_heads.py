"""The first rows of frames that Python functions compute: functions run for no more than these need."""

import os

import numpy as np
import pandas as pd
import pytest
from comparison import same
from function_samples import count_call

from partita import dataframe as dd

pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame({"a": np.arange(12), "s": list("abcdefghijkl")}, index=np.arange(100, 112))


@pytest.fixture
def calls(tmp_path):
    """The file to which functions append a line for each call, and the number of lines."""

    class Calls:
        path = str(tmp_path / "calls")

        @property
        def count(self):
            if not os.path.exists(self.path):
                return 0
            with open(self.path) as file:
                return len(file.readlines())

    return Calls()


def made(calls, parts=4):
    """Return a frame of results of calls, one for each partition."""

    def work(part, path=calls.path):
        count_call(path)
        return part.assign(a=part.a * 2)

    return dd.from_pandas(FRAME, npartitions=parts).map_partitions(work, meta=FRAME.iloc[:0])


EXPECTED = FRAME.assign(a=FRAME.a * 2)


def test_the_head_of_partitions_runs_the_first_call(calls):
    frame = made(calls)
    same(frame.head(3), EXPECTED.head(3))
    assert calls.count == 1
    same(frame.a.head(2), EXPECTED.a.head(2))
    same((frame.a + 1).head(2), (EXPECTED.a + 1).head(2))
    assert calls.count == 1


def test_more_calls_run_until_there_are_enough_rows(calls):
    frame = made(calls)
    same(frame.head(5), EXPECTED.head(5))
    assert calls.count == 2
    same(frame.head(7), EXPECTED.head(7))
    assert calls.count == 4
    same(frame.head(50), EXPECTED)
    assert calls.count == 4


def test_calls_that_a_head_ran_do_not_run_again(calls):
    frame = made(calls)
    frame.head(1)
    same(frame.compute(), EXPECTED)
    same(frame.head(1), EXPECTED.head(1))
    assert calls.count == 4


def test_partitions_without_rows_come_before_the_first_rows(calls):
    def keep(part, path=calls.path):
        count_call(path)
        return part[part.a >= 6]

    frame = dd.from_pandas(FRAME, npartitions=4).map_partitions(keep, meta=FRAME.iloc[:0])
    same(frame.head(2), FRAME[FRAME.a >= 6].head(2))
    assert calls.count == 4


def test_the_head_of_a_filtered_frame_is_that_of_all_rows(calls):
    frame = made(calls)
    same(frame[frame.a > 16].head(2), EXPECTED[EXPECTED.a > 16].head(2))
    same(frame.sort_values("a", ascending=False).head(2), EXPECTED.sort_values("a", ascending=False).head(2))


def test_the_head_of_a_mapped_column_maps_only_its_rows(calls):
    def work(value, path=calls.path):
        count_call(path)
        return value * 3

    frame = dd.from_pandas(FRAME, npartitions=3)
    mapped = frame.a.map(work, meta=("a", "int64"))
    same(mapped.head(2), (FRAME.a * 3).head(2))
    assert calls.count == 2
    same(frame.assign(b=mapped).head(1), FRAME.assign(b=FRAME.a * 3).head(1))
    assert calls.count == 3
    same(mapped.compute(), FRAME.a * 3)
    assert calls.count == 3 + len(FRAME)


def test_the_head_of_an_applied_function_has_the_order_of_the_rows(calls):
    def work(row, path=calls.path):
        count_call(path)
        return f"{row.s}{row.a}"

    frame = dd.from_pandas(FRAME, npartitions=3).sort_values("a", ascending=False)
    applied = frame.apply(work, axis=1, meta=("x", "object"))
    # With a `meta` of objects the function is called with two rows to find the type.
    before = calls.count
    assert applied.head(2).tolist() == ["l11", "k10"]
    assert (before, calls.count) == (2, 4)


def test_a_head_of_no_rows_calls_nothing(calls):
    assert len(made(calls).a.map(str, meta=("a", "object")).head(0)) == 0


def test_an_error_of_the_first_call_is_raised_by_each_head(calls):
    def fail(part):
        raise LookupError("missing")

    frame = dd.from_pandas(FRAME, npartitions=2).map_partitions(fail, meta=FRAME.iloc[:0])
    for _ in range(2):
        with pytest.raises(LookupError, match="missing"):
            frame.head(1)
