"""Clusters on this machine whose number of workers changes, and whose workers have resources."""

import pytest
from polling import until

from partita._local_adaptive import LocalAdaptive
from partita.distributed import Client, LocalCluster

#: Time that no call of these tests takes, in seconds.
LONG_S = 60


def test_workers_follow_the_load():
    cluster = LocalCluster(n_workers=0, threads_per_worker=1, resources={"GPU": 1})
    with cluster, Client(cluster, set_as_default=False) as client:
        assert client.nthreads() == {}
        cluster.adapt(maximum=1, interval="50ms", wait_count=2)
        future = client.submit(pow, 2, 3, resources={"GPU": 1})
        assert future.result(LONG_S) == 8
        big = client.submit(bytes, 1 << 20)
        assert len(big.result(LONG_S)) == 1 << 20
        # The worker that holds a result stays.
        assert len(client.nthreads()) == 1
        del big, future
        until(lambda: not client.nthreads(), "the worker to be retired")
        cluster.scale(1)
        client.wait_for_workers(1)


@pytest.mark.parametrize(
    ("busy", "held", "present", "wanted"),
    [
        ([7], 0, 1, [3]),
        ([3], 0, 1, [2]),
        ([0], 0, 2, [None]),
        ([0, 0, 0], 0, 2, [None, None, 0]),
        ([0, 0, 0], 4, 2, [None, None, 1]),
        ([0, 9, 0, 0], 0, 2, [None, 3, None, None]),
        ([2], 0, 1, [None]),
    ],
)
def test_the_wanted_number_of_workers(busy, held, present, wanted, monkeypatch):
    monkeypatch.setattr("partita._local_adaptive.start_thread", lambda *_, **__: None)
    adaptive = LocalAdaptive(LocalCluster, 0, 3, 1.0, 3)
    rows = [{"metrics": {"partitions": held}}] * present
    assert [adaptive.wanted({"ready": one, "running": 0}, rows, 2) for one in busy] == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"maximum": 0}, "maximum of 0 workers"),
        ({"minimum": 3, "maximum": 2}, "below the minimum of 3"),
        ({"minimum": -1}, "minimum must be a number"),
        ({"maximum": 1, "interval": 0}, "interval must be a time"),
    ],
)
def test_wrong_arguments_of_adapt(arguments, message):
    cluster = LocalCluster.__new__(LocalCluster)
    with pytest.raises(ValueError, match=message):
        cluster.adapt(**arguments)


def test_wrong_resources():
    with pytest.raises(TypeError, match="resources must be a dict"):
        LocalCluster(n_workers=1, resources=["GPU"])
