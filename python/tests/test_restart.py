"""Workers that are restarted."""

import os
import subprocess
import time

import pytest
from polling import until

from partita import ClusterError
from partita._binary import find_program
from partita.distributed import Client, get_worker, wait

#: Time that a test may wait for something that takes a second, in seconds.
LONG_S = 60.0


@pytest.fixture(scope="module")
def cluster():
    with Client(n_workers=2, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


def test_a_restarted_worker_has_new_processes(cluster):
    """The worker keeps its name, and its functions run in another process than before."""
    address = next(iter(cluster.nthreads()))
    name = cluster.scheduler_info()["workers"][address]["name"]
    before = cluster.submit(os.getpid, workers=[name], pure=False).result(LONG_S)
    assert cluster.restart_workers([address]) == {address: "OK"}
    names = {worker["name"] for worker in cluster.scheduler_info()["workers"].values()}
    assert name in names and len(names) == 2
    assert cluster.submit(os.getpid, workers=[name], pure=False).result(LONG_S) != before
    until(lambda: not os.path.exists(f"/proc/{before}"), "the end of the old process")


def test_lost_results_are_computed_again(cluster):
    futures = cluster.map(pow, range(2, 12), [100_000] * 10)
    wait(futures, LONG_S)
    cluster.restart_workers(list(cluster.nthreads()))
    assert cluster.gather(futures) == [number**100_000 for number in range(2, 12)]


def test_a_stuck_worker_is_restarted(cluster, tmp_path):
    """A call that never ends begins anew: here it finds that it ran before."""
    path = str(tmp_path / "began")

    def stuck(path):
        if os.path.exists(path):
            return "again"
        with open(path, "w"):
            pass
        while True:
            time.sleep(1)

    name = next(iter(cluster.scheduler_info()["workers"].values()))["name"]
    future = cluster.submit(stuck, path, workers=[name])
    until(lambda: os.path.exists(path), "the call to begin")
    assert cluster.restart_workers([name]) == {name: "OK"}
    assert future.result(LONG_S) == "again"


def test_unknown_workers_are_named(cluster):
    with pytest.raises(ClusterError, match=r"no worker at tcp://127\.0\.0\.1:1;"):
        cluster.restart_workers([*cluster.nthreads(), "tcp://127.0.0.1:1"])
    with pytest.raises(ValueError, match="list of addresses"):
        cluster.restart_workers("tcp://127.0.0.1:1")


def test_several_workers_have_the_options_of_their_command(cluster):
    """`--python` and `--resources` reach each process of `--nworkers`."""
    environment = {
        **os.environ,
        "PARTITA_SCHEDULER": cluster._connection.address,
        "PARTITA_TOKEN": cluster._connection.token,
    }
    command = [find_program(), "worker", "--nworkers=2", "--nthreads=1", "--name=pair", "--resources=PAIR=2,HALF=0.5"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            cluster.wait_for_workers(4, timeout=LONG_S)
            names = cluster.map(lambda _: get_worker().name, range(4), resources={"PAIR": 2, "HALF": 0.5}, pure=False)
            assert {name[:-1] for name in cluster.gather(names)} == {"pair-"}
        finally:
            process.terminate()
            process.wait(LONG_S)
