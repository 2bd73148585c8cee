"""Bags: values against results computed by hand."""

import itertools
import math
import pickle
import random
import weakref
from operator import add

import numpy as np
import pandas as pd
import pytest

import partita
from partita import bag as db
from partita import config, delayed
from partita.bag import _layers
from partita.bag._hash import stable_hash

pytestmark = pytest.mark.usefixtures("scheduler")

NUMBERS = list(range(5)) * 3


def is_even(x):
    return x % 2 == 0


def increment(x):
    return x + 1


@pytest.fixture
def bag():
    return db.from_sequence(NUMBERS, npartitions=3)


def test_creation():
    assert db.from_sequence([1, 2, 3, 4, 5], npartitions=3).map_partitions(len).compute() == [2, 2, 1]
    assert db.from_sequence(range(7), partition_size=3).map_partitions(list).map(len) is not None
    assert db.from_sequence(range(7), partition_size=3).map_partitions(len).compute() == [3, 3, 1]
    assert db.from_sequence([]).compute() == [] and db.from_sequence([]).npartitions == 1
    assert db.from_sequence(range(10_000)).npartitions == 1000
    assert db.range(10, npartitions=3).compute() == list(range(10))
    assert db.from_delayed([delayed(range)(2), delayed(iter)([5])]).compute() == [0, 1, 5]
    assert db.concat([db.from_sequence([1]), db.from_sequence([2, 3])]).compute() == [1, 2, 3]
    function = lambda: None  # noqa: E731
    assert db.from_sequence([function]).map(callable).compute() == [True]


def test_elements(bag):
    assert bag.map(increment).compute() == [x + 1 for x in NUMBERS]
    assert bag.filter(is_even).compute() == [0, 2, 4] * 3 and bag.remove(is_even).compute() == [1, 3] * 3
    assert bag.filter(None).compute() == [1, 2, 3, 4] * 3
    pairs = bag.map(lambda x: (x, {"k": x}))
    assert pairs.pluck(0).compute() == NUMBERS and pairs.pluck(1).pluck("k").compute() == NUMBERS
    assert pairs.pluck([1, 0]).take(1) == (({"k": 0}, 0),)
    assert db.from_sequence(["ab", ""]).pluck(1, "?").compute() == ["b", "?"]
    first, second = bag.map(lambda x: (x, -x)).unzip(2)
    assert first.compute() == NUMBERS and second.compute() == [-x for x in NUMBERS]
    assert db.from_sequence([[1], [2, 3]]).flatten().compute() == [1, 2, 3]
    assert db.from_sequence([(1, 2), (3, 4)]).starmap(lambda a, b, c=0: a * b + c, c=10).compute() == [12, 22]
    assert db.from_sequence([[1, 2], [3]]).map(iter).compute() == [[1, 2], [3]]


def test_map_of_several_bags(bag):
    other = db.from_sequence(range(100, 115), npartitions=3)

    def combine(a=1, b=2, c=3):
        return a, b, c

    expected = list(zip(NUMBERS, range(100, 115)))
    assert db.map(combine, bag, other).compute() == [(a, b, 3) for a, b in expected]
    assert db.map(combine, bag, c=other).compute() == [(a, 2, b) for a, b in expected]
    assert db.map(combine, 9, b=bag, c=bag.sum()).compute() == [(9, a, 30) for a in NUMBERS]
    assert db.map(combine, bag, delayed(7)).compute() == [(a, 7, 3) for a in NUMBERS]
    assert db.map(combine, bag, [delayed(7)]).compute() == [(a, [7], 3) for a in NUMBERS]
    assert db.map(combine, bag, bag).compute() == [(a, a, 3) for a in NUMBERS]
    assert db.zip(bag, other).compute() == expected
    with pytest.raises(ValueError, match="at least one bag"):
        db.map(combine, 1)
    with pytest.raises(ValueError, match="3, 5"):
        db.map(combine, bag, bag.repartition(5))


@pytest.mark.parametrize(("one", "two"), [(4, 3), (3, 4), (0, 1), (1, 0)])
def test_map_refuses_partitions_of_different_lengths(one, two):
    """Neither more nor fewer items of a later bag are left out."""
    bags = [db.from_sequence(range(size), npartitions=1) for size in (one, two)]
    for given in (bags, bags[::-1]):
        with pytest.raises(ValueError, match="partitioned identically"):
            db.map(max, *given).compute()


def test_map_partitions(bag):
    assert bag.map(increment).map_partitions(len).compute() == [5, 5, 5]
    assert bag.map_partitions(lambda part, n, other: [n * len(other)], 2, other=bag).compute() == [10, 10, 10]
    assert bag.map_partitions(lambda part, total: [total], bag.sum()).compute() == [30, 30, 30]
    assert bag.map_partitions(sum).compute() == [10, 10, 10]


def test_reductions(bag):
    assert (bag.sum().compute(), bag.count().compute(), bag.max().compute(), bag.min().compute()) == (30, 15, 4, 0)
    assert (bag.any().compute(), bag.all().compute(), bag.mean().compute()) == (True, False, 2.0)
    assert (bag.var().compute(), bag.std().compute(), bag.var(ddof=1).compute()) == (2.0, math.sqrt(2), 30 / 14)
    assert (int(bag.sum()), float(bag.mean()), bool(bag.any())) == (30, 2.0, True)
    assert bag.reduction(len, max).compute() == 5 and bag.sum().apply(str).compute() == "30"
    assert bag.fold(add).compute() == 30 and bag.fold(add, initial=10).compute() == 60
    assert bag.map(increment).reduction(len, sum).compute() == 15


@pytest.mark.parametrize("every", [2, 3, 5, False, None])
def test_trees_of_reductions(every):
    many = db.range(40, npartitions=20)
    assert many.sum(split_every=every).compute() == 780
    assert many.fold(max, split_every=every).compute() == 39
    assert many.topk(3, split_every=every).compute() == [39, 38, 37]
    assert sorted(many.map(is_even).frequencies(split_every=every).compute()) == [(False, 20), (True, 20)]
    assert many.foldby(is_even, add, split_every=every).compute() == [(True, 380), (False, 400)]


def test_empty_partitions():
    """Empty partitions have no result, unless all are empty."""
    few = db.from_sequence([0, 0, 0, 1], npartitions=4).filter(None)
    assert (few.max().compute(), few.min(split_every=2).compute(), few.count().compute()) == (1, 1, 1)
    none = db.from_sequence([0, 0, 0], npartitions=3).filter(None)
    assert (none.sum().compute(), none.count().compute(), none.all().compute()) == (0, 0, True)
    assert none.distinct().compute() == [] and none.frequencies(split_every=2).compute() == []
    assert none.fold(add, initial=7).compute() == 7
    with pytest.raises(ValueError):
        none.max().compute()
    with pytest.raises(ZeroDivisionError):
        none.mean().compute()


def test_initial_values_are_not_shared():
    """A function that changes the initial value changes only that of its partition."""

    def append(found, x):
        found.append(x)
        return found

    bag = db.from_sequence(range(4), npartitions=2)
    assert bag.fold(append, add, initial=[]).compute() == [0, 1, 2, 3]
    assert dict(bag.foldby(is_even, append, [], add).compute()) == {True: [0, 2], False: [1, 3]}


def test_variance_of_floats():
    """The variance of values far from zero is exact to rounding, unlike by sums of squares."""
    values = [1e9 + x for x in (4.0, 7.0, 13.0, 16.0)]
    assert db.from_sequence(values, npartitions=2).var().compute() == 22.5
    assert db.from_sequence([*values, 1], npartitions=3).var().compute() == pytest.approx(np.var([*values, 1]))


def test_distinct_and_frequencies(bag):
    assert bag.distinct().compute() == [0, 1, 2, 3, 4]
    records = db.from_sequence([{"a": x % 3, "b": x} for x in range(6)], npartitions=2)
    assert records.distinct(key="a").pluck("b").compute() == [0, 1, 2]
    assert bag.frequencies().compute() == [(x, 3) for x in range(5)]
    words = db.from_sequence(["a", "b", "b", "b", "c", "c"], npartitions=2)
    assert words.frequencies(sort=True).compute() == [("b", 3), ("c", 2), ("a", 1)]


def test_topk(bag):
    assert bag.topk(4).compute() == [4, 4, 4, 3] and bag.topk(2, key=lambda x: -x).compute() == [0, 0]
    pairs = db.from_sequence([(1, 10), (2, 9), (3, 8)], npartitions=2)
    assert pairs.topk(2, key=1).compute() == [(1, 10), (2, 9)]
    assert pairs.topk(1, key=lambda a, b: a).compute() == [(3, 8)]


def test_foldby(bag):
    assert bag.foldby(is_even, add).compute() == [(True, 18), (False, 12)]
    # Each partition begins each key with 100, and the results are combined with 1000 once.
    found = bag.foldby(is_even, add, 100, add, 1000).compute()
    assert found == [(True, 1000 + 300 + 18), (False, 1000 + 300 + 12)]
    words = db.from_sequence(["ab", "cd", "ae"], npartitions=2)
    assert dict(words.foldby(0, lambda n, _: n + 1, 0, add).compute()) == {"a": 2, "c": 1}


GROUPS = [
    (20, 4, None, None),
    (20, 5, 2, None),
    (300, 100, 4, None),
    (50, 3, None, 8),
    (50, 9, 2, 2),
    (10, 1, None, None),
]


@pytest.mark.parametrize(("size", "parts", "branch", "result"), GROUPS)
def test_groupby(size, parts, branch, result):
    """Each key is in one partition, with its items in their order."""
    groups = db.range(size, npartitions=parts).groupby(lambda x: x % 7, max_branch=branch, npartitions=result)
    assert groups.npartitions == (result or parts)
    found = groups.compute()
    assert len(found) == len(dict(found)) and dict(found) == {
        key: [x for x in range(size) if x % 7 == key] for key in range(min(size, 7))
    }


def test_a_key_function_that_takes_any_arguments_gets_the_item():
    """Such as one that a decorator has wrapped: only a function that needs several arguments gets the parts of an item."""

    def wrapped(*args, **kwargs):
        (item,) = args
        return len(item)

    words = db.from_sequence(["a", "bc", "de"], npartitions=2)
    groups = dict(words.groupby(wrapped).compute())
    assert {key: sorted(found) for key, found in groups.items()} == {1: ["a"], 2: ["bc", "de"]}
    assert dict(words.foldby(wrapped, lambda total, word: total + word, "").compute()) == {1: "a", 2: "bcde"}
    assert len(words.distinct(wrapped).compute()) == 2
    assert len(words.join(["xy"], wrapped).compute()) == 2
    pairs = db.from_sequence([(1,), (2, 5)], npartitions=2)
    assert sorted(key for key, _ in pairs.groupby(max).compute()) == [1, 5]
    assert sorted(key for key, _ in db.from_sequence([(1, 2), (2, 1)]).groupby(lambda a, b: a + b).compute()) == [3]
    assert pairs.topk(1, lambda *parts: len(parts)).compute() == [(2, 5)]


def test_keys_of_groups():
    """Equal keys of different types are one group, in whatever partition they were."""
    values = [1, 1.0, True, None, "a", (1, "b"), (1.0, "b"), np.int64(1), float("inf")]
    found = db.from_sequence([(value, at) for at, value in enumerate(values)], npartitions=9).groupby(0).compute()
    assert sorted([at for _, at in items] for _, items in found) == [[0, 1, 2, 7], [3], [4], [5, 6], [8]]
    assert stable_hash("a") == 3904355907 and stable_hash(None) == 1


def test_join_and_product(bag):
    other = ["x", "xy", "ab"]
    expected = [("x", 1), ("xy", 2), ("ab", 2)] * 3
    for given in (other, delayed(other), db.from_sequence(other, npartitions=1)):
        assert bag.join(given, lambda x: x, len).compute() == expected
    with pytest.raises(NotImplementedError, match=r"repartition\(1\)"):
        bag.join(bag, is_even)
    small = db.from_sequence([1, 2], npartitions=2).product(db.from_sequence("ab", npartitions=1))
    assert small.compute() == [(1, "a"), (1, "b"), (2, "a"), (2, "b")] and small.npartitions == 2


def test_accumulate():
    bag = db.from_delayed([delayed(part) for part in ([1, 2, 3], [4, 5], [], [6, 7])])
    assert bag.accumulate(add).compute() == [1, 3, 6, 10, 15, 21, 28]
    assert bag.accumulate(add, -1).compute() == [-1, 0, 2, 5, 9, 14, 20, 27]
    assert bag.accumulate(add).map(increment).compute() == [2, 4, 7, 11, 16, 22, 29]
    assert db.from_delayed([delayed(part) for part in ([], [1], [2])]).accumulate(add).compute() == [1, 3]


def test_take(bag):
    assert bag.take(2) == (0, 1) and bag.take(7, npartitions=2) == (0, 1, 2, 3, 4, 0, 1)
    assert bag.take(15, npartitions=-1) == tuple(NUMBERS) and bag.take(2, compute=False).compute() == [0, 1]
    with pytest.warns(UserWarning, match="only 5 of 6"):
        assert bag.take(6) == (0, 1, 2, 3, 4)
    with pytest.raises(ValueError, match="the bag has 3"):
        bag.take(1, npartitions=4)


@pytest.mark.parametrize(("before", "after"), list(itertools.product([1, 2, 7, 11], repeat=2)))
def test_repartition(before, after):
    bag = db.range(50, npartitions=before).repartition(npartitions=after)
    assert bag.npartitions == after and bag.compute() == list(range(50))


def test_repartition_by_size():
    bag = db.from_sequence([np.zeros(100) for _ in range(8)], npartitions=2)
    pieces = bag.repartition(partition_size=2000)
    assert pieces.map_partitions(len).compute() == [2, 2, 2, 2]
    assert db.range(100, npartitions=10).repartition(partition_size="1MB").npartitions == 1
    with pytest.raises(ValueError, match="either"):
        bag.repartition(npartitions=5, partition_size="5MiB")
    assert bag.repartition(2) is bag


def test_random_samples():
    bag = db.range(1000, npartitions=5)
    sample = bag.random_sample(0.1, 42)
    assert 50 < len(sample.compute()) < 150 and sample.compute() == bag.random_sample(0.1, 42).compute()
    assert bag.random_sample(0.5).compute() != bag.random_sample(0.5).compute()
    assert bag.random_sample(0).compute() == [] and len(bag.random_sample(1).compute()) == 1000
    with pytest.raises(ValueError, match="between 0 and 1"):
        bag.random_sample(1.1)


def test_samples_of_a_size():
    from partita.bag import random as samples

    bag = db.range(20, npartitions=9)
    for every in (None, 2):
        found = samples.sample(bag, 15, split_every=every).compute()
        assert len(set(found)) == 15 and set(found) <= set(range(20))
        assert len(samples.choices(bag, 50, split_every=every).compute()) == 50
    assert sorted(samples.sample(bag, 20).compute()) == list(range(20))
    with pytest.raises(ValueError, match="Sample larger than population: 21 of 20"):
        samples.sample(bag, 21).compute()
    # Each item has the same chance, also in partitions of different sizes.
    uneven = db.from_delayed([delayed(list(range(9))), delayed([9])])
    drawn = [x for _ in range(300) for x in samples.sample(uneven, 2).compute()]
    assert 30 < drawn.count(9) < 95


def test_strings():
    names = db.from_sequence(["Alice Smith", "Bob Jones", "Charlie Smith"], npartitions=2)
    assert names.str.lower().compute() == ["alice smith", "bob jones", "charlie smith"]
    assert names.str.split(" ").pluck(0).compute() == ["Alice", "Bob", "Charlie"]
    assert names.str.match("*Smith").compute() == ["Alice Smith", "Charlie Smith"]
    assert "upper" in dir(names.str)
    with pytest.raises(AttributeError, match="no method 'nothing'"):
        names.str.nothing  # noqa: B018


def test_names(bag):
    """Equal steps have equal names, and different ones do not."""
    assert bag.map(increment).name == bag.map(increment).name != bag.map(is_even).name
    assert bag.sum().key == bag.sum().key != bag.max().key and bag.sum().key.startswith("sum-")
    assert bag.topk(4).name != bag.topk(3).name and bag.sum(split_every=2).key != bag.sum().key
    assert bag.map(increment).name.startswith("increment-")
    assert repr(bag) == "partita.bag<from_sequence, npartitions=3>"


def tasks_of(*bags):
    from partita._collection import materialize
    from partita._tasks import sort_tasks

    return sort_tasks([node for nodes in materialize(list(bags)) for node in nodes])[0]


def test_steps_of_a_partition_are_one_task(bag):
    one = bag.map(increment).filter(is_even).map(str)
    assert len(tasks_of(one)) == 3 and len(tasks_of(one.count())) == 3 + 1
    long = bag
    for _ in range(3 * _layers.STEPS_MAX):
        long = long.map(increment)
    assert long.compute() == [x + 3 * _layers.STEPS_MAX for x in NUMBERS]


def test_steps_with_several_readers_run_once(bag):
    """A step that two bags of a computation need is a task of its own; so is one whose result is wanted."""
    calls = []

    def record(x):
        calls.append(x)
        return x

    shared = bag.map(record)
    assert len(tasks_of(shared.map(increment), shared.map(str))) == 9
    assert len(tasks_of(shared, shared.map(increment))) == 6
    if config.get("scheduler") == "synchronous":
        partita.compute(shared.map(increment), shared.sum(), shared)
        assert len(calls) == len(NUMBERS)


def test_steps_with_other_options_are_other_tasks(bag):
    with partita.annotate(retries=2):
        retried = bag.map(increment)
    tasks = tasks_of(retried.map(str))
    assert [task.options for task in tasks].count({"retries": 2}) == 3 and len(tasks) == 6


def test_items_are_freed_as_soon_as_possible():
    class Large:
        pass

    alive = weakref.WeakSet()

    def create(x):
        assert not alive
        made = Large()
        alive.add(made)
        return made

    if config.get("scheduler") == "synchronous":
        bag = db.range(3, npartitions=1).map(create).map(lambda _: 1).map(create).map(lambda _: 2)
        assert bag.sum().compute() == 6


def test_conversions(bag):
    parts = bag.map(increment).to_delayed()
    assert [part.compute() for part in parts] == [[1, 2, 3, 4, 5]] * 3
    assert bag.sum().to_delayed().compute() == 30
    assert db.Item.from_delayed(delayed(sum)([1, 2])).apply(increment).compute() == 4
    assert delayed(len)(bag).compute() == 15 and delayed([bag.sum(), bag]).compute() == [30, NUMBERS]
    for value in (bag.map(increment), bag.sum()):
        back = pickle.loads(pickle.dumps(value))
        assert type(back) is type(value) and back.compute() == value.compute()
    assert list(bag) == NUMBERS and dict(bag.frequencies()) == dict.fromkeys(range(5), 3)


def test_persist(bag):
    calls = []

    def record(x):
        calls.append(x)
        return x

    kept = bag.map(record).persist()
    assert kept.map(increment).compute() == [x + 1 for x in NUMBERS] and kept.compute() == NUMBERS
    if config.get("scheduler") == "synchronous":
        assert len(calls) == len(NUMBERS)


def test_subclasses():
    class Dicts(db.Bag):
        def get(self, key):
            return self.map(lambda one: one[key])

    bag = Dicts(*db.from_sequence([{"a": {"b": 1}}])._args)
    assert bag.get("a").get("b").compute() == [1] and isinstance(bag.get("a"), Dicts)


def test_graphs_of_dask():
    bag = db.Bag({("x", 0): (range, 2), ("x", 1): [5, 6]}, "x", 2)
    assert bag.map(increment).compute() == [1, 2, 6, 7]


def test_frames(client):
    """Rows of frames from tuples, dicts and single values; types can be given."""
    bag = db.from_sequence([(1, "a"), (2, "b"), (3, "c")], npartitions=2)
    expected = pd.DataFrame({"x": [1, 2, 3], "y": ["a", "b", "c"]})
    for frame in (
        bag.to_dataframe(columns=["x", "y"]),
        bag.map(lambda pair: {"x": pair[0], "y": pair[1]}).to_dataframe(),
        bag.to_dataframe(meta=[("x", "int64"), ("y", "str")]),
    ):
        # The index continues over the partitions.
        pd.testing.assert_frame_equal(frame.compute(), expected, check_dtype=False)
    # Partitions without rows are left out.
    sparse = db.from_delayed([delayed(part) for part in ([(1, 2)], [], [(10, 20), (100, 200)], [])])
    frame = sparse.to_dataframe(columns=["x", "y"])
    assert frame.npartitions == 2 and frame.compute().to_dict("list") == {"x": [1, 10, 100], "y": [2, 20, 200]}
    assert frame.loc[1:].x.compute().tolist() == [10, 100]
    assert len(db.from_sequence([]).to_dataframe(meta={"a": "int64"})) == 0
    with pytest.raises(ValueError, match="first partition is empty"):
        bag.filter(lambda _: False).to_dataframe()
    with pytest.raises(ValueError, match="either meta or columns"):
        bag.to_dataframe(meta=expected, columns=["x", "y"])


def test_seeds_of_other_generators():
    from partita.bag._core import random_seeds

    assert random_seeds(3, random.Random(5)) == random_seeds(3, 5)
    assert random_seeds(2, np.random.RandomState(1)) == random_seeds(2, np.random.RandomState(1))
