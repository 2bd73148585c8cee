"""Methods of the client around functions: collections as futures, calls on each worker, where results are."""

import asyncio
import gc
import io
import pickle
import sys
import threading
import uuid

import pandas as pd
import pytest
from function_samples import count_call, fail, inc, needs_file, parent_process, touch_and_wait, wait_for
from polling import until

import partita
from partita import Cancelled, bag
from partita import dataframe as dd
from partita._packing import pack_function
from partita.diagnostics import ProgressBar
from partita.distributed import (
    CancelledError,
    Client,
    Queue,
    TimeoutError,
    Variable,
    as_completed,
    default_client,
    fire_and_forget,
    futures_of,
    get_client,
    progress,
    wait,
)

pytest.importorskip("cloudpickle")

#: Time that no call of these tests takes, in seconds.
LONG_S = 60


@pytest.fixture(scope="module")
def client():
    """The default client of these tests. The one of other tests is the default again when it is closed."""
    with Client(n_workers=2, threads_per_worker=1) as client:
        client.wait_for_workers(2)
        yield client


# Collections.


def test_compute_of_a_delayed_value_returns_a_future(client):
    future = client.compute(partita.delayed(inc)(1))
    assert future.result(LONG_S) == 2
    assert client.submit(inc, future).result(LONG_S) == 3


def test_compute_of_a_list_returns_a_future_for_each(client):
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
    one, two, three, other = client.compute(
        [partita.delayed(inc)(1), bag.from_sequence([1, 2]).sum(), frame.a.sum(), 5]
    )
    assert (one.result(LONG_S), two.result(LONG_S), int(three.result(LONG_S)), other) == (2, 3, 3, 5)


def test_compute_of_a_bag_returns_a_future_of_the_list(client):
    assert client.compute(bag.from_sequence([1, 2, 3], npartitions=2).map(inc)).result(LONG_S) == [2, 3, 4]


def test_compute_waits_with_sync(client):
    assert client.compute(partita.delayed(inc)(1), sync=True) == 2
    assert client.compute([partita.delayed(inc)(1), partita.delayed(inc)(2)], sync=True) == [2, 3]


def test_compute_takes_options_of_tasks(client, tmp_path):
    first, _ = client.nthreads()
    parents = client.compute(
        [partita.delayed(parent_process, pure=False)() for _ in range(4)], workers=[first], sync=True
    )
    assert len(set(parents)) == 1


def test_compute_refuses_unknown_arguments(client):
    with pytest.raises(TypeError, match="'fast'"):
        client.compute(partita.delayed(inc)(1), fast=True)


def test_compute_of_a_collection_of_dask_returns_a_future(client):
    dask = pytest.importorskip("dask")
    assert client.compute(dask.delayed(inc)(dask.delayed(inc)(1))).result(LONG_S) == 3


def test_persist_of_a_delayed_value_runs_it_once(client, tmp_path):
    path = str(tmp_path / "calls")
    value = client.persist(partita.delayed(count_call)(path))
    assert [value.compute(), (value + 1).compute()] == [1, 2]
    assert needs_file(path) == "x\n"


def test_persist_returns_at_once(client, gate):
    value = client.persist(partita.delayed(wait_for)(gate.path, 5))
    (future,) = futures_of(value)
    assert not future.done()
    gate.open()
    assert value.compute() == 5


def test_persist_of_a_bag_keeps_its_parts_on_the_workers(client):
    numbers = client.persist(bag.from_sequence(range(10), npartitions=3).map(inc))
    assert len(futures_of(numbers)) == 3
    assert numbers.filter(lambda x: x > 8).compute() == [9, 10]


def test_persist_of_several_collections(client):
    one, two = client.persist([partita.delayed(inc)(1), bag.from_sequence([1])])
    assert partita.compute(one, two) == (2, [1])


def test_persist_at_the_top_level(client):
    (value,) = partita.persist(partita.delayed(inc)(1))
    assert value.compute() == 2
    assert wait(value, LONG_S).not_done == set()


# Calls on each worker.


def test_run_calls_on_each_worker(client):
    parents = client.run(parent_process)
    assert set(parents) == set(client.nthreads())
    assert len(set(parents.values())) == 2


def test_run_calls_on_the_given_workers(client):
    first, _ = client.nthreads()
    assert client.run(inc, 1, by=2, workers=[first]) == {first: 3}
    with pytest.raises(ValueError, match="no worker 'nobody'"):
        client.run(inc, 1, workers="nobody")


def test_run_calls_again_each_time(client, tmp_path):
    path = str(tmp_path / "calls")
    first, _ = client.nthreads()
    assert [client.run(count_call, path, workers=first)[first] for _ in range(2)] == [1, 2]


def test_run_raises_returns_or_ignores_errors(client):
    with pytest.raises(ValueError, match="everywhere"):
        client.run(fail, "everywhere")
    assert [type(one) for one in client.run(fail, "everywhere", on_error="return").values()] == [ValueError] * 2
    assert client.run(fail, "everywhere", on_error="ignore") == {}


def test_run_need_not_wait(client, gate):
    first, _ = client.nthreads()
    assert client.run(touch_and_wait, gate.began, gate.path, workers=first, wait=False) is None
    gc.collect()
    gate.wait_until_running()


# Where results are.


def test_who_has_names_the_worker(client):
    first, second = client.nthreads()
    one, other = client.submit(inc, 1, workers=first), client.submit(inc, 2, workers=second)
    wait([one, other], LONG_S)
    assert client.who_has([one, other]) == {one.key: (first,), other.key: (second,)}
    held = client.has_what()
    assert one.key in held[first] and other.key in held[second]


def test_who_has_nothing_of_calls_that_run(client, gate):
    future = client.submit(wait_for, gate.path)
    assert client.who_has(future) == {future.key: ()}


def test_who_has_of_many_futures(client):
    futures = client.map(inc, range(300, 600))
    wait(futures, LONG_S)
    found = client.who_has(futures[::50])
    assert list(found) == [one.key for one in futures[::50]] and all(found.values())


def test_processing_lists_the_calls_that_run(client, gate):
    first, second = client.nthreads()
    future = client.submit(touch_and_wait, gate.began, gate.path, workers=first)
    gate.wait_until_running()
    running = client.processing()
    assert future.key in running[first] and future.key not in running[second]


def test_nbytes_of_results(client):
    future = client.submit(bytes, 100_000, key="zeros-1")
    wait(future, LONG_S)
    assert 100_000 <= client.nbytes(["zeros-1"], summary=False)["zeros-1"] < 110_000


def test_nbytes_of_each_function(client):
    futures = client.map(bytes, [50_000, 60_000], key="blanks")
    wait(futures, LONG_S)
    assert 110_000 <= client.nbytes()["blanks"] < 120_000


def test_versions(client):
    versions = client.get_versions(packages=["pandas"])
    assert versions["client"]["packages"]["pandas"] == pd.__version__
    assert versions["scheduler"]["packages"]["partita"] == partita.__version__
    assert set(versions["workers"]) == set(client.nthreads())


# Clients and futures.


def test_the_default_client(client):
    assert default_client() is client and get_client() is client
    with Client(client._connection.address, token=client._connection.token, set_as_default=False) as other:
        assert default_client(other) is other


def test_there_may_be_no_default_client(client):
    from partita import _client

    with _client._lock:
        _client._current = None
    try:
        with pytest.raises(ValueError, match="No clients found"):
            default_client()
    finally:
        client.as_current()


def test_forgotten_calls_run(client, gate, tmp_path):
    path = tmp_path / "calls"

    def later(gate_path, name):
        wait_for(gate_path)
        return count_call(name)

    fire_and_forget(client.submit(later, gate.path, str(path)))
    gc.collect()
    gate.open()
    until(path.exists, "the call to run")


def test_futures_of_nested_lists(client):
    futures = client.map(inc, range(3))
    assert futures_of([futures[0], {"a": (futures[1], futures[2])}, 5]) == futures


def test_progress_of_calls(client, capsys):
    futures = client.map(inc, range(20))
    progress(futures)
    assert all(one.done() for one in futures)
    assert "100%" in capsys.readouterr().out


def test_progress_of_a_persisted_bag(client, capsys):
    progress(client.persist(bag.from_sequence(range(4), npartitions=2)))
    assert "100%" in capsys.readouterr().out


def test_a_progress_bar_of_delayed_values(client):
    out = io.StringIO()
    with ProgressBar(out=out):
        partita.compute([partita.delayed(inc)(number) for number in range(5)])
    assert "100% Completed" in out.getvalue()


def test_names_of_exceptions_are_those_of_python():
    assert issubclass(Cancelled, CancelledError)
    assert TimeoutError is sys.modules["builtins"].TimeoutError


def test_waiting_functions_are_awaited(client):
    connection = client._connection

    async def run():
        other = await Client(connection.address, token=connection.token, asynchronous=True, set_as_default=False)
        future = other.submit(fail, "awaited")
        await wait(future)
        assert isinstance(await future.exception(), ValueError)
        await other.cancel(future)
        numbers = [one.status async for one in as_completed(other.map(inc, range(2)))]
        await other.close()
        return numbers

    assert asyncio.run(run()) == ["finished", "finished"]


def test_restart_ends_the_calls(client, gate):
    with Client(n_workers=1, threads_per_worker=1, set_as_default=False) as other:
        ended = other.submit(inc, 1)
        assert ended.result(LONG_S) == 2
        future = other.submit(touch_and_wait, gate.began, gate.path)
        gate.wait_until_running()
        other.restart()
        for one in (ended, future):
            with pytest.raises(CancelledError):
                one.result(LONG_S)
            assert one.cancelled()
        assert other.submit(inc, 1).result(LONG_S) == 2


def test_many_threads_share_a_client(client):
    found = []
    threads = [threading.Thread(target=lambda: found.append(client.submit(inc, 1).result(LONG_S))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2] * 10


def test_a_function_that_came_by_value_is_sent_by_value(tmp_path, monkeypatch):
    """Pickling it does not import the module of its name, which exists."""
    name = f"by_value_{uuid.uuid4().hex}"
    (tmp_path / f"{name}.py").write_text("def answer(): return 'by reference'")
    monkeypatch.syspath_prepend(str(tmp_path))
    space = {"__name__": name}
    exec("def answer(): return 'by value'", space)
    pickled = pack_function(space["answer"], "answer")
    assert name not in sys.modules
    assert pickle.loads(pickled)() == "by value"


def test_scattered_values_are_finished(client):
    class Bunch(dict):
        pass

    class Numbers(list):
        pass

    for value in (Bunch(a=1), Numbers([1, 2]), {"x"}.__class__(), 5):
        found = client.scatter(value)
        if type(value) is set:
            assert found == set()
            continue
        assert found.status == "finished" and found.type is type(value)
        result = client.submit(lambda value: (type(value).__name__, value), found).result(LONG_S)
        assert result == (type(value).__name__, value)
    assert [one.status for one in client.scatter([1, 2])] == ["finished"] * 2
    assert wait(client.scatter([3])).not_done == set()


def test_cancelled_futures_are_not_shared(client):
    future = client.submit(inc, 1, pure=False)
    future.cancel()
    name = uuid.uuid4().hex
    for use in (
        lambda: Variable(name).set(future),
        lambda: Queue(name).put({"a": [future]}),
        lambda: client.publish_dataset(future, name=name),
    ):
        with pytest.raises(Cancelled, match="a future in the value was cancelled"):
            use()
