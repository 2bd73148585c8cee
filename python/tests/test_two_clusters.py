"""Clients of two clusters in one process: their jobs have the same numbers, and their results differ."""

import numpy as np
import pytest

import partita.array as da
from partita import ClusterError, config, delayed
from partita import dataframe as dd
from partita.distributed import Client, LocalCluster, Queue, Variable


@pytest.fixture(scope="module")
def other():
    with Client(n_workers=1, threads_per_worker=1, set_as_default=False) as other:
        yield other


def test_a_future_of_another_cluster_is_refused(client, other):
    mine, foreign = client.submit(int, 1), other.submit(int, 2)
    assert mine.result() == 1 and foreign.result() == 2
    for use in (
        lambda: client.submit(abs, foreign),
        lambda: client.map(abs, [mine, foreign]),
        lambda: client.compute(delayed(sum)([mine, foreign])),
        lambda: client.scatter([foreign]),
        lambda: Variable("of-two-clusters", client=client).set(foreign),
        lambda: Queue("of-two-clusters", client=client).put([foreign]),
        lambda: client.publish_dataset(foreign, name="of-two-clusters"),
    ):
        with pytest.raises(ClusterError, match="belongs to a client of another cluster: pass its result"):
            use()
    assert client.gather([mine, foreign]) == [1, 2]


@pytest.mark.parametrize("as_scheduler", [lambda client: client, lambda client: client.get])
def test_persisted_arrays_stay_with_the_configured_scheduler(client, other, as_scheduler):
    numbers = np.arange(16.0).reshape(4, 4)
    with config.set(scheduler=as_scheduler(other)):
        x = (da.from_array(numbers, chunks=2) + 1).persist()
        assert all(one.client is other for one in x._partita_futures())
        np.testing.assert_array_equal((x @ x).compute(), (numbers + 1) @ (numbers + 1))


def test_frames_use_the_configured_client(client, other):
    numbers = np.arange(6).reshape(3, 2)
    with config.set(scheduler=other):
        frame = dd.from_array(numbers, chunksize=2)
        np.testing.assert_array_equal(frame.to_dask_array(lengths=True).compute(), numbers)
        assert frame.sum().compute().tolist() == [6, 9]
    assert dd.from_array(numbers, chunksize=2).sum().compute().tolist() == [6, 9]


def test_a_cluster_of_this_process_is_found_by_its_address():
    with LocalCluster(n_workers=1, threads_per_worker=1) as cluster:
        for address in (cluster.scheduler_address, cluster.scheduler_address.removeprefix("tcp://")):
            with Client(address, set_as_default=False) as client:
                assert client.submit(abs, -1).result() == 1
