"""Large values that workers and clients of one node read from workers: as memory that both map, or as copies."""

import gc
import os
import shutil
import subprocess

import numpy as np
import pytest
from polling import until

from partita import _shared_memory
from partita._binary import find_program
from partita.distributed import Client, wait

#: Time that a test may wait for something that takes a second, in seconds.
LONG_S = 60.0
#: Numbers of an array of 8 MB.
LENGTH = 1_000_000


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=2, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


def mapped(array):
    """Return the numbers of the files in memory that the process of a call has mapped."""
    with open("/proc/self/maps") as lines:
        return {line.split()[4] for line in lines if "memfd:partita" in line}


def names_of(client):
    return [worker["name"] for worker in client.scheduler_info()["workers"].values()]


def change(array):
    array += 1
    return float(array.sum())


def test_workers_of_one_node_share_memory(client):
    """A value is read on the other worker without a copy, and what a function writes to it is seen by nobody else."""
    first, second = names_of(client)
    array = client.submit(np.arange, LENGTH, workers=[first], pure=False)
    total = LENGTH * (LENGTH - 1) // 2
    assert client.submit(change, array, workers=[second], pure=False).result(LONG_S) == total + LENGTH
    assert client.submit(change, array, workers=[second], pure=False).result(LONG_S) == total + LENGTH
    assert client.submit(np.sum, array, workers=[first], pure=False).result(LONG_S) == total
    here, there = client.gather([client.submit(mapped, array, workers=[name], pure=False) for name in (first, second)])
    assert here & there


def test_a_client_of_the_node_maps_large_results(client):
    """A large result is not copied, can be written to, and what the client writes is seen by nobody else."""
    future = client.submit(np.arange, LENGTH, pure=False)
    array, second = future.result(LONG_S), client.gather(future)
    assert mapped(array) & client.submit(mapped, future, pure=False).result(LONG_S)
    array += 1
    assert int(second[0]) == 0 and int(second[-1]) == LENGTH - 1
    del future
    assert int(array.sum()) == LENGTH * (LENGTH + 1) // 2
    del array, second
    gc.collect()
    assert not mapped(None)


def test_a_client_that_cannot_open_the_memory_gets_a_copy(client, monkeypatch):
    """As one in a container of its own, or as another user."""

    def refuse(place):
        raise PermissionError("no such process here")

    monkeypatch.setattr("partita._direct.map_place", refuse)
    array = client.submit(np.arange, LENGTH, pure=False).result(LONG_S)
    assert int(array.sum()) == LENGTH * (LENGTH - 1) // 2 and not mapped(array)
    client._connection._apart.clear()


def test_a_client_with_few_descriptors_gets_copies(client, monkeypatch):
    """Each mapped value has a descriptor: the program of the user needs some, too."""
    monkeypatch.setattr(_shared_memory.resource, "getrlimit", lambda _: (4, 4))
    made = [client.submit(np.full, LENGTH, number, pure=False) for number in range(3)]
    arrays = client.gather(made)
    assert [int(array[-1]) for array in arrays] == [0, 1, 2]
    assert len(mapped(arrays)) == 1


def test_shared_memory_outlives_its_first_holder(client):
    """A call that reads a value goes on when the value is released meanwhile."""
    first, second = names_of(client)
    array = client.submit(np.ones, LENGTH, workers=[first], pure=False)
    sums = [client.submit(np.sum, array, number, workers=[second], pure=False) for number in (None, 0)]
    del array
    assert client.gather(sums) == [LENGTH, LENGTH]


def test_the_memory_of_a_lost_worker_is_gone(client):
    """A worker that is restarted loses its values, also for a worker that had opened them; they are computed again."""
    first, second = names_of(client)
    array = client.submit(np.ones, LENGTH, workers=[first], allow_other_workers=True, pure=False)
    wait(array, LONG_S)
    assert client.submit(np.sum, array, workers=[second], pure=False).result(LONG_S) == LENGTH
    client.restart_workers([first])
    assert client.submit(np.sum, array, 0, workers=[second], pure=False).result(LONG_S) == LENGTH


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="needs unshare and its privileges")
def test_a_worker_in_a_container_of_its_own_gets_copies(client):
    """Where processes have other numbers, as in a container, values are sent."""
    environment = {
        **os.environ,
        "PARTITA_SCHEDULER": client._connection.address,
        "PARTITA_TOKEN": client._connection.token,
    }
    worker = [find_program(), "worker", "--nthreads=1", "--name=apart"]
    command = ["unshare", "--pid", "--fork", "--kill-child", *worker]
    with subprocess.Popen(command, env=environment) as process:
        try:
            until(lambda: "apart" in names_of(client), "the worker in a namespace of its own")
            first = next(name for name in names_of(client) if name != "apart")
            array = client.submit(np.arange, LENGTH, workers=[first], pure=False)
            there = client.submit(np.sum, array, workers=["apart"], pure=False)
            assert there.result(LONG_S) == LENGTH * (LENGTH - 1) // 2
            names = [first, "apart"]
            here, apart = client.gather([client.submit(mapped, array, workers=[name], pure=False) for name in names])
            assert here and apart and not here & apart
        finally:
            # `unshare` ignores other signals, and ends the worker with itself.
            process.kill()
