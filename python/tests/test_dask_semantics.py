"""What users of Dask expect of clients and futures: keys, cancellation, collections in arguments, asynchronous clients."""

import asyncio
import collections
import importlib
import sys
import traceback

import cloudpickle
import partita
import pytest
from function_samples import fail, inc, wait_for
from partita.distributed import Client, LocalCluster, as_completed, default_client, futures_of, get_client, wait

#: Time that no call of these tests takes, in seconds.
LONG_S = 60

Point = collections.namedtuple("Point", ["x", "y"])


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=2, threads_per_worker=2, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


def asynchronous(client):
    """Return an asynchronous client of the same cluster."""
    connection = client._connection
    return Client(connection.address, token=connection.token, asynchronous=True, set_as_default=False)


# Keys.


def test_a_prefix_of_the_keys_does_not_make_other_calls_equal(client):
    client.gather(first := client.map(inc, [1, 2], key="prefix"))
    second = client.map(inc, [5, 6], key="prefix")
    assert client.gather(second) == [6, 7]
    assert all(one.key.startswith("prefix-") for one in first + second)


def test_a_key_may_be_a_tuple(client):
    future = client.submit(inc, 1, key=("x", 0))
    assert future.key == ("x", 0) and future.result(LONG_S) == 2
    assert client.submit(inc, 5, key=("x", 0)).result(LONG_S) == 2


def test_keys_of_scattered_values_begin_with_their_type(client):
    assert client.scatter(123).key.startswith("int-")
    assert client.scatter(["text"])[0].key.startswith("str-")


# Arguments.


def test_scatter_of_a_named_tuple_keeps_its_type(client):
    made = client.scatter(Point(1, 2))
    assert type(made) is Point and client.gather(made) == Point(1, 2)


def test_modules_that_are_registered_by_value_are_not_imported_by_workers(client, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("only_here")
    cloudpickle.register_pickle_by_value(module)
    try:
        (tmp_path / "only_here.py").unlink()
        assert client.submit(module.double, 4).result(LONG_S) == 8
    finally:
        cloudpickle.unregister_pickle_by_value(module)
        del sys.modules["only_here"]


def test_compute_of_a_list_in_a_list_returns_one_future_of_it(client):
    one, other = client.compute([[partita.delayed(inc)(1), 5], partita.delayed(inc)(2)])
    assert one.result(LONG_S) == [2, 5] and other.result(LONG_S) == 3


def test_compute_of_a_dict_returns_one_future_of_it(client):
    assert client.compute({"a": [partita.delayed(inc)(1)], "b": 3}).result(LONG_S) == {"a": [2], "b": 3}


def test_wait_explains_futures_in_the_place_of_the_timeout(client):
    with pytest.raises(TypeError, match="timeout must be a time, not a future: pass several futures as a list"):
        wait(client.submit(inc, 1), client.submit(inc, 2))


def test_nthreads_of_some_workers(client):
    first, _ = client.nthreads()
    assert client.nthreads([first]) == client.nthreads(first) == {first: 2}


def test_scheduler_info_of_some_workers(client):
    assert len(client.scheduler_info(n_workers=1)["workers"]) == 1


@pytest.mark.parametrize("count", [0, None, 1.0])
def test_wait_for_workers_refuses_what_is_not_a_number_of_workers(client, count):
    with pytest.raises(ValueError, match="n_workers must be a number of workers"):
        client.wait_for_workers(count)


# Futures.


def test_the_type_of_a_result_is_known(client):
    future = client.submit(inc, 1)
    wait(future, LONG_S)
    assert future.type is int and "type: int" in repr(future)


def test_a_traceback_has_only_the_lines_of_caller_and_function(client):
    future = client.submit(fail, "short")
    for get in (future.result, lambda: client.gather(future)):
        with pytest.raises(ValueError, match="short") as raised:
            get()
        lines = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
        assert lines[-1] == "fail" and len(lines) <= 4


# The default client.


def test_the_block_of_as_current_ends_without_closing_the_client(client):
    connection = client._connection
    with Client(connection.address, token=connection.token) as outer:
        with client.as_current() as inner:
            assert inner is client and get_client() is client and Client.current() is client
        assert default_client() is outer
    assert client.submit(inc, 1).result(LONG_S) == 2


# Asynchronous clients.


def test_an_event_loop_waits_for_more_futures_than_it_has_threads(client, gate):
    async def run():
        async with asynchronous(client) as other:
            futures = [other.submit(wait_for, gate.path, number) for number in range(60)]
            waiting = [asyncio.ensure_future(wait(future)) for future in futures]
            ended = as_completed(futures)
            following = asyncio.ensure_future(ended.__anext__())
            # A method that needs a thread is not kept from it.
            assert len(await other.nthreads()) == 2
            gate.open()
            await asyncio.gather(*waiting)
            return await other.gather(futures), (await following) in futures

    assert asyncio.run(run()) == (list(range(60)), True)


def test_asynchronous_wait_times_out(client, gate):
    async def run():
        async with asynchronous(client) as other:
            future = other.submit(wait_for, gate.path)
            with pytest.raises(TimeoutError, match="1 of 1 futures have not finished"):
                await wait(future, timeout="20ms")
            with pytest.raises(TimeoutError):
                await as_completed([future], timeout=0.02).__anext__()

    asyncio.run(run())


def test_asynchronous_wait_returns_after_the_first(client, gate):
    async def run():
        async with asynchronous(client) as other:
            first, second = other.submit(inc, 1), other.submit(wait_for, gate.path)
            done, not_done = await wait([first, second], return_when="FIRST_COMPLETED")
            return done == {first}, not_done == {second}

    assert asyncio.run(run()) == (True, True)


def test_asynchronous_as_completed_returns_results(client):
    async def run():
        async with asynchronous(client) as other:
            ended = as_completed(other.map(inc, range(3)), with_results=True)
            return sorted([result async for _, result in ended])

    assert asyncio.run(run()) == [1, 2, 3]


def test_methods_of_an_asynchronous_client_are_awaited(client):
    async def run():
        async with asynchronous(client) as other:
            await other.wait_for_workers(2)
            future = other.submit(fail, "awaited")
            assert (await future.traceback()) is not None
            assert await future.cancel()
            assert await other.list_datasets() == []
            return len(await other.run(inc, 1)), len(await other.who_has()), len(await other.has_what())

    workers, _, holders = asyncio.run(run())
    assert workers == holders == 2


def test_an_asynchronous_cluster_is_awaited():
    async def run():
        cluster = LocalCluster(n_workers=1, asynchronous=True)
        async with cluster, Client(cluster, asynchronous=True, set_as_default=False) as client:
            return await client.submit(inc, 1)

    assert asyncio.run(run()) == 2


# Collections of Dask.


def test_a_persisted_array_of_dask_stays_on_the_workers(client):
    arrays = pytest.importorskip("dask.array")
    with client.as_current():
        array = client.persist(arrays.arange(10, chunks=5))
        futures = futures_of(array)
        wait(array)
        assert [one.status for one in futures] == ["finished", "finished"]
        assert client.compute((array + 1).sum(), sync=True) == 55


def test_keys_of_delayed_calls_may_be_tuples(client):
    one = partita.delayed(inc)(1, dask_key_name=("x", 1))
    other = partita.delayed(inc)(one, dask_key_name=("y", 1))
    assert other.key == ("y", 1) and client.compute(other).result(LONG_S) == 3


def test_blocks_of_as_current_are_those_of_their_coroutine(client):
    async def run():
        async with asynchronous(client) as first, asynchronous(client) as second:
            entered = asyncio.Event()
            compared = asyncio.Event()

            async def outer():
                with first.as_current():
                    await entered.wait()
                    found = Client.current() is first
                    compared.set()
                    return found

            async def inner():
                with second.as_current():
                    entered.set()
                    await compared.wait()
                    return Client.current() is second

            return await asyncio.gather(outer(), inner())

    assert asyncio.run(run()) == [True, True]


def test_the_scheduler_of_a_default_client_is_its_get(client):
    with client.as_current():
        assert partita.base.get_scheduler() == client.get


def test_a_closed_client_says_so(client):
    connection = client._connection
    other = Client(connection.address, token=connection.token, set_as_default=False)
    other.close()
    assert repr(other) == "<Client: closed>" and "No scheduler connected" in other._repr_html_()
