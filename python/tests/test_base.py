"""Functions of the top level: compute, persist, optimize, annotate."""

import dataclasses

import pandas as pd
import partita
import pytest
from partita import config, delayed
from partita import dataframe as dd


@dataclasses.dataclass
class Record:
    value: object


def increment(x):
    return x + 1


def test_compute_of_nested_values(scheduler):
    one = delayed(increment)(0)
    nested = [one, {"a": (one, 5)}, {one}, Record(one)]
    assert partita.compute(nested, one, "text", 7) == ([1, {"a": (1, 5)}, {1}, Record(1)], 1, "text", 7)
    assert partita.compute() == () and partita.compute(1, [2]) == (1, [2])


def test_shared_tasks_run_once():
    calls = []
    shared = delayed(calls.append)(1)
    partita.compute([shared], delayed(str)(shared), scheduler="synchronous")
    assert calls == [1]


def test_frames_and_delayed_values_together(client):
    """Frames in arguments of a call and beside it are computed by the cluster."""
    ddf = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2)
    total = ddf.a.sum()
    values = partita.compute([total, delayed(increment)(1)], ddf, scheduler="synchronous")
    assert values[0] == [6, 2] and values[1].a.tolist() == [1, 2, 3]
    assert delayed(len)(ddf).compute(scheduler="synchronous") == 3
    assert partita.is_dask_collection(ddf) and partita.is_dask_collection(total)


def test_schedulers():
    one = delayed(increment)(0)
    for name in ("sync", "synchronous", "single-threaded"):
        assert one.compute(scheduler=name) == 1
    with pytest.raises(ValueError, match="unknown scheduler 'fast'"):
        one.compute(scheduler="fast")
    seen = []

    def get(graph, keys, **_):
        seen.append(sorted(graph))
        return partita.get(graph, keys)

    with config.set(scheduler=get):
        assert one.compute() == 1
    assert seen == [[one.key]]
    assert partita.threaded.get({"a": 1, "b": (increment, "a")}, ["a", ["b"]], scheduler="sync") == (1, (2,))


def test_persist_of_nested_values(scheduler):
    kept, rest = partita.persist({"a": delayed(increment)(1)}, 5)
    assert rest == 5 and kept["a"].compute() == 2


def test_unpack_collections():
    one, two = delayed(1), delayed(2)
    found, repack = partita.base.unpack_collections([one, (two, one)], 3)
    assert [value.key for value in found] == [one.key, two.key]
    assert repack(["x", "y"]) == (["x", ("y", "x")], 3)


def test_what_is_a_collection():
    assert partita.is_dask_collection(delayed(1)) and partita.is_dask_collection(partita.bag.from_sequence([1]))
    for value in (1, "x", [delayed(1)], type(delayed(1)), None):
        assert not partita.is_dask_collection(value)


def test_optimize_returns_collections():
    assert partita.optimize(delayed(1), 2)[1] == 2


def test_a_value_that_nothing_computes_is_returned_itself(client):
    value = {"x": [1]}
    assert delayed(value).compute(scheduler=client) is value
    unused = delayed(increment)(0)
    kept = [unused, value]
    found = delayed(kept, traverse=False).compute(scheduler=client)
    assert found is kept and found[0] is unused
    one, two = partita.compute(delayed(value), delayed(increment)(1), scheduler=client)
    assert one is value and two == 2


def test_the_function_of_threaded_is_a_scheduler(client):
    from partita import threaded

    with config.set(scheduler=threaded.get):
        assert delayed(increment)(1).compute() == 2
        assert threaded.get({"a": 1, "b": (increment, "a")}, "b") == 2
