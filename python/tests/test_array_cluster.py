"""Arrays on a cluster."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from polling import until

import partita
import partita.array as da
from partita import config
from partita.distributed import Client


@pytest.fixture
def on_cluster(client):
    with config.set(scheduler=client):
        yield client


def numbers(n=400):
    return np.arange(float(n * n)).reshape(n, n)


def test_results_equal_those_of_numpy(on_cluster):
    a = numbers()
    x = da.from_array(a, chunks=(150, 200))
    np.testing.assert_allclose(((x + x.T) * 2).mean(axis=0).compute(), ((a + a.T) * 2).mean(axis=0))
    np.testing.assert_allclose((x @ x)[:3, :3].compute(), (a @ a)[:3, :3])
    np.testing.assert_array_equal(x[::-1, 5:9].compute(), a[::-1, 5:9])
    np.testing.assert_array_equal(x.rechunk((400, 50)).cumsum(axis=0)[-1].compute(), a.cumsum(axis=0)[-1])
    np.testing.assert_array_equal(x[x > 159_990].compute(), a[a > 159_990])


def test_functions_of_users(on_cluster):
    x = da.ones((6, 4), chunks=(3, 4))
    found = x.map_blocks(lambda block, block_info: block * block_info[0]["chunk-location"][0], dtype="f8")
    assert found.sum().compute() == 12
    assert da.map_overlap(lambda block: block, x, depth=1, boundary="reflect").sum().compute() == 24


def test_persisted_arrays_stay_on_the_workers(on_cluster):
    x = da.from_array(numbers(), chunks=200).persist()
    assert len(x._partita_futures()) == 4
    assert x.sum().compute() == numbers().sum()
    y, z = partita.persist(x + 1, x * 2)
    assert partita.compute(y.min(), z.max()) == (1.0, 2.0 * 159_999)
    assert on_cluster.compute(x.max()).result() == 159_999


def test_the_dashboard_is_told_of_persisted_arrays(on_cluster, monkeypatch):
    from partita._session import Session

    told = []
    monkeypatch.setattr(Session, "describe_array", lambda _, name, grid, states: told.append((name, grid, states)))
    kept = (da.ones((4, 6), chunks=(2, 3)) + 1).persist()
    [(name, grid, states)] = told
    assert (name, grid) == ("add", (2, 2))
    assert [state.index - states[0].index for state in states] == [0, 1, 2, 3]
    assert (kept.compute() == 2).all()


def test_arrays_and_other_collections(on_cluster):
    x = da.arange(10, chunks=5)
    total = partita.delayed(lambda values: values.sum())(x)
    assert partita.compute(total, {"x": x[3]}, x.std()) == (45, {"x": 3}, x.std().compute())
    future = on_cluster.submit(np.ones, 5)
    assert da.from_delayed(future, (5,), dtype=float).sum().compute() == 5


def test_writing_to_memory_of_the_client(on_cluster):
    a = numbers()
    target = np.zeros((400, 400))
    da.store(da.from_array(a, chunks=150), target, lock=threading.Lock())
    np.testing.assert_array_equal(target, a)
    with pytest.raises(Exception, match="in the client's memory"):
        da.store(da.from_array(a, chunks=150), target, compute=False).compute()


def test_random_blocks_do_not_depend_on_where_they_run(on_cluster):
    x = da.random.default_rng(3).normal(size=(600, 400), chunks=200)
    np.testing.assert_array_equal(x.compute(), x.compute(scheduler="synchronous"))


def test_arrays_inside_of_functions(on_cluster):
    def total():
        import partita.array

        return partita.array.ones(10, chunks=5).sum().compute()

    assert on_cluster.submit(total).result() == 10


def test_large_blocks_are_sent_once(on_cluster, monkeypatch):
    a = np.ones((2000, 1000))
    x = da.from_array(a, chunks=(1000, 1000))
    sent = []
    submitter = on_cluster._submitter
    send = submitter.send_values
    monkeypatch.setattr(
        submitter,
        "send_values",
        lambda values, *args, **named: sent.append(len(values)) or send(values, *args, **named),
    )
    assert (x.sum() + x.max()).compute() == 2e6 + 1
    assert sent == [2]


@pytest.mark.parametrize("resends", [3, 0])
def test_large_blocks_are_sent_again_when_their_worker_is_lost(resends, gate, monkeypatch):
    from partita import base

    monkeypatch.setattr(base, "RESENDS_MAX", resends)
    a = np.arange(2e6).reshape(2000, 1000)

    def wait(block, began=gate.began, path=gate.path):
        open(began, "w").close()
        while not os.path.exists(path):
            time.sleep(0.01)
        return block * 2

    with Client(n_workers=2, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(2)
        total = da.from_array(a, chunks=(1000, 1000)).map_blocks(wait, dtype=float).sum()
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(total.compute, scheduler=client)
            gate.wait_until_running()
            for row in client._workers()[:1]:
                os.kill(row["pid"], signal.SIGKILL)
            until(
                lambda: len(client._workers()) < 2 or client._rest("cluster")["workers_lost"], "the loss of the worker"
            )
            gate.open()
            if resends:
                assert found.result() == 2 * a.sum()
            else:
                with pytest.raises(Exception, match="no worker holds it any more"):
                    found.result()


def test_tasks_that_cannot_fit_in_a_worker_are_refused(on_cluster, monkeypatch):
    monkeypatch.setattr(on_cluster, "_workers", lambda: [{"memory_limit_bytes": 70 << 20, "slots": 1}])
    x = da.random.random(5_000_000, chunks=1_000_000).rechunk(-1)
    for compute in (lambda: x.sum().compute(), lambda: x.persist(), lambda: on_cluster.compute(x)):
        with pytest.raises(
            MemoryError, match=r"'rechunk.* reads 38.15 MiB and needs 76.29 MiB at once, .* limit of 70.00 MiB"
        ):
            compute()
    with pytest.raises(MemoryError, match=r"a block of 'ones_like' has 76.29 MiB.*use smaller chunks"):
        da.ones(10_000_000, chunks=-1).sum().compute()
    assert da.ones(8_000_000, chunks=-1).sum().compute() == 8e6


def test_frames_and_arrays(on_cluster):
    pd = pytest.importorskip("pandas")
    from partita import dataframe as dd

    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3], "b": [1.0, 2.0, 3.0]}), npartitions=2)
    x = frame.to_dask_array(lengths=True)
    np.testing.assert_array_equal(x.compute(), [[1, 1], [2, 2], [3, 3]])
    assert frame.a.values.sum().compute() == 6
    again = dd.from_dask_array(x, columns=["a", "b"])
    assert again.b.sum().compute() == 6


def test_small_results_can_be_written_to(client):
    found = da.ones(4, chunks=4).map_blocks(lambda block: block + 1).compute()
    found[0] = 5
    result = client.submit(np.ones, 3).result()
    result += 1
    gathered = client.gather([client.submit(np.zeros, 2)])[0]
    gathered[1] = 1
    assert found.tolist() == [5, 2, 2, 2] and result.tolist() == [2, 2, 2] and gathered.tolist() == [0, 1]
