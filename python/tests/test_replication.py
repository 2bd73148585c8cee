"""Copies of results on several workers, and results that are moved between them."""

import asyncio
import gc
import os
import signal

import numpy as np
import pandas as pd
import pytest
from polling import until

import partita
from partita import ClusterError, bag
from partita import array as pa
from partita.dataframe import from_pandas
from partita.distributed import Client, LocalCluster, Variable, wait

#: Time that a test may wait for something that takes a second, in seconds.
LONG_S = 60.0


@pytest.fixture(scope="module")
def cluster():
    with Client(n_workers=3, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(3)
        yield client


@pytest.fixture
def fresh():
    """A client of a cluster whose workers a test may kill."""
    with LocalCluster(n_workers=3, threads_per_worker=1) as made, Client(made, set_as_default=False) as client:
        client.wait_for_workers(3)
        yield client


def inc(number):
    return number + 1


def fail(number):
    raise ValueError(number)


def noted(path, value):
    """Return a value, and note the call in a file."""
    with open(path, "a") as file:
        file.write("called\n")
    return value


def calls(path):
    with open(path) as file:
        return len(file.readlines())


def holders(client, future):
    return client.who_has(future)[future.key]


def kill(client, address):
    (pid,) = [row["pid"] for row in client._workers() if f"tcp://{row['address']}" == address]
    os.kill(pid, signal.SIGKILL)


def stored(client):
    return [row["metrics"]["stored_bytes"] for row in client._workers()]


class Counter:
    count = 0


# Copies.


def test_results_are_copied_to_as_many_workers_as_asked(cluster):
    one, other = cluster.map(inc, [10, 20])
    cluster.replicate([one, other], n=2)
    who_has = cluster.who_has([one, other])
    assert [len(set(found)) for found in who_has.values()] == [2, 2]
    cluster.replicate({"one": one}, n=99)
    everywhere = set(cluster.nthreads())
    assert set(holders(cluster, one)) == everywhere and len(holders(cluster, other)) == 2
    held = cluster.has_what()
    assert all(one.key in keys for keys in held.values())
    assert sum(other.key in keys for keys in held.values()) == 2
    cluster.replicate(one, n=1)
    assert len(holders(cluster, one)) == 1
    cluster.replicate([one, other])
    assert set(holders(cluster, one)) == set(holders(cluster, other)) == everywhere
    assert cluster.gather([one, other]) == [11, 21]


def test_results_are_copied_to_the_named_workers(cluster):
    first, second, third = cluster.nthreads()
    future = cluster.submit(inc, 30, workers=first)
    name = cluster.scheduler_info()["workers"][third]["name"]
    cluster.replicate(future, workers=[second, name])
    assert set(holders(cluster, future)) == {first, second, third}
    # Only the copies on these workers are too many.
    cluster.replicate(future, n=1, workers=[second, third])
    assert len(holders(cluster, future)) == 2 and first in holders(cluster, future)
    cluster.replicate(future, n=1, workers=second)
    assert set(holders(cluster, future)) >= {first, second}


def test_collections_are_copied(cluster):
    with cluster.as_current():
        made = pa.ones((4, 4), chunks=(2, 4)).persist()
        items = bag.from_sequence([1, 2], npartitions=2).map(inc).persist()
        one = partita.delayed(inc)(5).persist()
    futures = cluster.futures_of([made, items, one])
    assert len(futures) == 5
    cluster.replicate([made, items, one], n=2)
    assert all(len(found) == 2 for found in cluster.who_has(futures).values())
    assert (made.compute() == 1).all()


def test_failed_futures_are_left_out(cluster):
    good, bad = cluster.submit(inc, 40), cluster.submit(fail, 40)
    cluster.replicate([good, bad], n=2)
    assert len(holders(cluster, good)) == 2 and holders(cluster, bad) == ()


def test_results_of_other_clients_are_copied(cluster):
    address, token = cluster._connection.address, cluster._connection.token
    future = cluster.submit(inc, 50)
    Variable("shared", client=cluster).set(future)
    with Client(address, token=token, set_as_default=False) as other:
        other.replicate(Variable("shared", client=other).get(), n=2)
    assert len(holders(cluster, future)) == 2


def test_calls_read_the_copy_of_their_worker(cluster):
    """A worker that has a copy fetches nothing from others."""

    def fetched():
        return {f"tcp://{row['address']}": row["metrics"]["fetched_bytes"] for row in cluster._workers()}

    first, second, third = cluster.nthreads()
    # Workers of one node map larger values of each other without fetching them.
    future = cluster.submit(bytes, 100_000, workers=first)
    before = fetched()
    cluster.replicate(future, workers=second)
    until(lambda: fetched()[second] >= before[second] + 100_000, "the copy to be counted")
    before = fetched()
    readers = [cluster.submit(len, future, workers=one, pure=False) for one in (second, third)]
    assert cluster.gather(readers) == [100_000, 100_000]
    until(lambda: fetched()[third] >= before[third] + 100_000, "what the call fetched to be counted")
    assert fetched()[second] == before[second]


def test_copies_are_dropped_with_the_future(cluster):
    gc.collect()
    until(lambda: max(stored(cluster)) < 8 << 20, "large results of other tests to be dropped")
    future = cluster.scatter(np.zeros(1 << 20), broadcast=True)
    assert len(holders(cluster, future)) == 3
    until(lambda: min(stored(cluster)) >= 8 << 20, "the copies to be stored")
    del future
    until(lambda: max(stored(cluster)) < 8 << 20, "the copies to be dropped")


# Workers that go.


def test_a_lost_worker_costs_nothing(fresh, tmp_path):
    """No result with a copy is computed again, and the copy that is lost is replaced."""
    path = str(tmp_path / "calls")
    small, large = fresh.submit(noted, path, 1), fresh.submit(noted, path, b"x" * (1 << 20))
    fresh.replicate([small, large], n=2)
    assert calls(path) == 2
    for future in (large, small):
        lost = holders(fresh, future)[0]
        kill(fresh, lost)
        until(lambda: lost not in fresh.nthreads(), "the loss to be noticed")  # noqa: B023
        until(lambda: len(holders(fresh, future)) == 2 and lost not in holders(fresh, future), "another copy")  # noqa: B023
        fresh.wait_for_workers(3)
    assert fresh.gather([small, large]) == [1, b"x" * (1 << 20)]
    assert fresh.submit(len, large).result(LONG_S) == 1 << 20
    assert calls(path) == 2


def test_a_scattered_value_survives_its_worker(fresh):
    array = np.arange(1 << 20)
    future = fresh.scatter(array)
    fresh.replicate(future, n=2)
    lost = holders(fresh, future)[0]
    kill(fresh, lost)
    until(lambda: lost not in holders(fresh, future), "the loss to be noticed")
    assert (future.result(LONG_S) == array).all()


def test_a_retired_worker_costs_nothing(fresh, tmp_path):
    path = str(tmp_path / "calls")
    future = fresh.submit(noted, path, b"x" * (1 << 20))
    fresh.replicate(future, n=2)
    first, second = holders(fresh, future)
    fresh.retire_workers([first])
    assert holders(fresh, future)[0] == second
    until(lambda: len(holders(fresh, future)) == 2, "another copy")
    assert future.result(LONG_S) == b"x" * (1 << 20) and calls(path) == 1


# Results that are moved.


def test_results_are_moved_to_workers_that_hold_less(fresh):
    first, second, third = fresh.nthreads()
    futures = fresh.scatter([np.full(1 << 17, number) for number in range(8)], workers=first)
    wait(futures, LONG_S)
    fresh.rebalance([])
    fresh.rebalance(workers=[])
    assert len(fresh.has_what()[first]) == 8
    fresh.rebalance(futures[:2], workers=[first, second])
    assert {one: len(keys) for one, keys in fresh.has_what().items()} == {first: 6, second: 2, third: 0}
    fresh.rebalance()
    counts = sorted(len(keys) for keys in fresh.has_what().values())
    assert counts in ([2, 2, 4], [2, 3, 3])
    placed = fresh.who_has()
    fresh.rebalance()
    assert fresh.who_has() == placed
    assert [int(one[0]) for one in fresh.gather(futures)] == list(range(8))
    assert [fresh.submit(np.max, one).result(LONG_S) for one in futures] == list(range(8))


def test_rebalance_waits_for_futures(cluster, gate):
    def later(path, number):
        while not os.path.exists(path):
            pass
        return bytes(number)

    future = cluster.submit(later, gate.path, 100)
    gate.open()
    cluster.rebalance([future])
    assert future.done() and len(holders(cluster, future)) == 1


# Asynchronous clients, and errors.


def test_asynchronous_clients_await_copies(cluster):
    address, token = cluster._connection.address, cluster._connection.token

    async def run():
        async with Client(address, token=token, set_as_default=False, asynchronous=True) as client:
            futures = client.map(inc, [60, 61])
            await client.replicate(futures, n=2)
            found = await client.who_has(futures)
            await client.rebalance(futures)
            sent = await client.scatter({"a": 1}, broadcast=2)
            found.update(await client.who_has(sent))
            return [len(addresses) for addresses in found.values()], await client.gather([*futures, sent["a"]])

    assert asyncio.run(run()) == ([2, 2, 2], [61, 62, 1])


def test_what_cannot_be_copied_is_refused(cluster):
    future = cluster.submit(inc, 70)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        cluster.replicate(future, n=0)
    with pytest.raises(ValueError, match="branching_factor must be at least 1"):
        cluster.replicate(future, branching_factor=0)
    with pytest.raises(ValueError, match="at least one worker"):
        cluster.replicate(future, workers=[])
    with pytest.raises(ClusterError, match="cannot replicate results: no worker `nowhere` is connected"):
        cluster.replicate(future, workers=["nowhere"])
    with pytest.raises(ClusterError, match="cannot move results: no worker `nowhere` is connected"):
        cluster.rebalance([future], workers=["nowhere"])
    with pytest.raises(TypeError, match="not an object of type int"):
        cluster.replicate(70)
    with pytest.raises(TypeError, match="persist a collection first"):
        cluster.replicate(partita.delayed(inc)(1))
    actor = cluster.submit(Counter, actor=True)
    with pytest.raises(TypeError, match="an actor stays where it was created"):
        cluster.replicate(actor)
    cluster.rebalance([actor])
    assert holders(cluster, future) != ()


def test_results_of_a_computation_of_a_frame_are_refused(cluster):
    future = cluster.compute(from_pandas(pd.DataFrame({"a": [1]}), client=cluster))
    with pytest.raises(TypeError, match="persist it instead"):
        cluster.replicate(future)
    future.result(LONG_S)
