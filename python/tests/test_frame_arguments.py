"""Frames, columns and lazy values as arguments of calls."""

import copy
import pickle

import pandas as pd
import pytest
from comparison import same
from pandas.testing import assert_frame_equal, assert_series_equal

import partita
from partita import dataframe as dd
from partita.distributed import Queue

pytest.importorskip("cloudpickle")

FRAME = pd.DataFrame({"a": [3, 1, 2, 5], "b": ["x", None, "y", "z"], "t": pd.date_range("2026", periods=4)})


@pytest.fixture
def frame(client):
    return dd.from_pandas(FRAME, npartitions=3)


def identity(value):
    return value


def test_a_frame_arrives_as_a_pandas_object(client, frame):
    assert_frame_equal(client.submit(identity, frame).result(), frame.compute())


def test_a_plan_is_computed_for_the_call(client, frame):
    selected = frame[frame.a > 1].assign(c=lambda rows: rows.a * 2)
    assert_frame_equal(client.submit(identity, selected).result(), selected.compute())
    assert_series_equal(client.submit(identity, frame.a + 1).result(), (frame.a + 1).compute())
    assert client.submit(identity, frame.a.sum()).result() == 11
    assert_series_equal(client.submit(identity, frame[["a"]].sum()).result(), frame[["a"]].sum().compute())


def test_sorted_rows_keep_their_order(client, frame):
    assert list(client.submit(lambda rows: list(rows.a), frame.sort_values("a")).result()) == [1, 2, 3, 5]


def test_frames_are_found_in_lists_and_keyword_arguments(client, frame):
    future = client.submit(lambda many, named: (len(many[0]), named["x"].sum()), [frame], named={"x": frame.a})
    assert future.result() == (4, 11)


def test_calls_of_one_map_share_a_frame(client, frame):
    futures = client.map(lambda n, rows: n * len(rows), range(3), rows=frame)
    assert client.gather(futures) == [0, 4, 8]
    jobs = client._submitter.session()
    assert sum(stage.name == "read_partitions" for stage in jobs._all) == 1


def test_the_table_lives_as_long_as_the_call_needs_it(client):
    future = client.submit(identity, dd.from_pandas(FRAME, npartitions=2))
    assert_frame_equal(future.result(), FRAME)


def test_a_frame_in_a_delayed_call(client, frame):
    total = partita.delayed(lambda rows, column: len(rows) + column.sum())(frame[frame.a > 1], frame.a)
    assert total.compute() == 3 + 11


def test_a_frame_cannot_be_in_a_value_for_other_clients(client, frame):
    with pytest.raises(TypeError, match="publish_dataset"):
        Queue(client=client).put([frame])


def test_a_frame_cannot_be_pickled(frame):
    with pytest.raises(TypeError, match="a DataFrame, which is a plan"):
        pickle.dumps(frame)


@pytest.mark.parametrize("function", [copy.copy, copy.deepcopy])
def test_copies_are_independent(function):
    lazy = dd.from_pandas(FRAME, npartitions=2)
    made = function(lazy)
    made["c"] = made.a + 1
    made.columns = ["p", "q", "r", "s"]
    assert list(lazy.columns) == list(FRAME.columns)
    same(lazy.compute(), FRAME)
    same(made.compute(), FRAME.assign(c=FRAME.a + 1).set_axis(["p", "q", "r", "s"], axis=1))
    for one, expected in (
        (lazy.a, FRAME.a),
        (lazy.index, FRAME.index),
        (lazy.a.sum(), FRAME.a.sum()),
        (lazy[["a"]].sum(), FRAME[["a"]].sum()),
        (lazy.groupby("b").a.sum(), FRAME.groupby("b").a.sum()),
    ):
        found = function(one)
        assert type(found) is type(one)
        if isinstance(expected, (pd.DataFrame, pd.Series, pd.Index)):
            same(found.compute(), expected)
        else:
            assert found.compute() == expected
    grouped = function(lazy.groupby("b"))
    same(grouped.a.max().compute(), FRAME.groupby("b").a.max())
