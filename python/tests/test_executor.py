"""The executor over a cluster, which has the meaning of ``concurrent.futures``."""

import gc
import operator
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from concurrent import futures

import pytest
from fake_client import FakeClient, cloudpickle

from partita._by_value import call, call_chunk
from partita._executor import ClientExecutor


@pytest.fixture
def client():
    with FakeClient() as client:
        yield client


@pytest.fixture
def executor(client):
    with ClientExecutor(client) as executor:
        yield executor


#: Events that functions of the tests wait for. Functions are pickled, and run in this process.
events = {}


@pytest.fixture
def gate():
    """An event that the functions of a test wait for; it is set at the end of the test."""
    events["gate"] = threading.Event()
    events["started"] = threading.Event()
    yield events["gate"]
    events["gate"].set()


def wait_for_gate(value=None):
    from test_executor import events

    events["started"].set()
    assert events["gate"].wait(30)
    return value


def fail(*args):
    raise ZeroDivisionError(*args)


def fail_at_three(number):
    if number == 3:
        raise ValueError(number)
    return number


def keywords(*args, **kwargs):
    return args, kwargs


# submit


def test_submit_returns_a_future_of_the_result(executor):
    future = executor.submit(pow, 2, 8)
    assert isinstance(future, futures.Future)
    assert future.result(30) == 256
    assert future.done() and not future.running() and not future.cancelled()


def test_keyword_arguments_that_the_client_knows_reach_the_function(executor):
    arguments = {"self": 1, "fn": 2, "key": 3, "retries": 4, "func": 5, "plain": 6}
    assert executor.submit(keywords, 0, **arguments).result(30) == ((0,), arguments)


def test_an_exception_of_the_function_is_raised_by_the_future(executor):
    future = executor.submit(fail, "by zero")
    with pytest.raises(ZeroDivisionError, match="by zero"):
        future.result(30)
    assert isinstance(future.exception(), ZeroDivisionError)


def test_equal_calls_run_once_each(client, executor):
    for _ in range(2):
        executor.submit(pow, 2, 8).result(30)
    assert [options["pure"] for _, options in client.submitted] == [False, False]


def test_options_apply_to_every_call(client):
    with ClientExecutor(client, retries=3, pure=True) as executor:
        executor.submit(pow, 2, 8)
        list(executor.map(abs, [1]))
    assert [options for _, options in client.submitted] == [{"pure": True, "retries": 3}] * 2


@pytest.mark.parametrize("option", ["key", "actor", "max_workers"])
def test_an_option_that_is_not_supported_is_an_error_with_a_remedy(client, option):
    with pytest.raises(TypeError, match=f"'{option}'.*(supported|use)"):
        ClientExecutor(client, **{option: 1})


def test_all_unknown_options_are_named(client):
    with pytest.raises(TypeError, match=r"unsupported arguments to ClientExecutor: \['bar', 'foo'\]"):
        ClientExecutor(client, foo=1, bar=2, retries=1)


def test_something_that_cannot_be_called_is_refused(executor):
    with pytest.raises(TypeError, match="expected a function"):
        executor.submit(3)


def test_results_are_released_on_the_cluster_when_they_are_fetched(client, executor):
    executor.submit(pow, 2, 8).result(30)
    deadline = time.monotonic() + 30
    while not client.submitted[0][0].is_released:
        assert time.monotonic() < deadline


def test_callbacks_of_futures_are_called(executor):
    called = futures.Future()
    executor.submit(pow, 2, 8).add_done_callback(called.set_result)
    assert called.result(30).result() == 256


def test_as_completed_yields_the_fastest_first(executor, gate):
    slow = executor.submit(wait_for_gate, "slow")
    fast = executor.submit(pow, 2, 8)
    completed = futures.as_completed([slow, fast], timeout=30)
    assert next(completed) is fast
    gate.set()
    assert next(completed) is slow


def test_wait_reports_what_is_done(executor, gate):
    slow, fast = executor.submit(wait_for_gate), executor.submit(pow, 2, 8)
    failed = executor.submit(fail)
    done, not_done = futures.wait([slow, failed], timeout=30, return_when=futures.FIRST_EXCEPTION)
    assert done == {failed} and not_done == {slow}
    done, not_done = futures.wait([slow, fast], timeout=30, return_when=futures.FIRST_COMPLETED)
    assert done == {fast} and not_done == {slow}


def test_result_raises_a_timeout(executor, gate):
    with pytest.raises(futures.TimeoutError):
        executor.submit(wait_for_gate).result(0.01)


_UNPICKLE = """
import pickle, sys
sys.modules["partita"] = None
function, args = pickle.load(sys.stdin.buffer)
print(function(*args))
"""


@pytest.mark.parametrize(("function", "args"), [(call, (pow, (2, 8), {})), (call_chunk, (pow, [(2, 8)]))])
def test_functions_of_the_package_run_where_it_is_not_installed(function, args):
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(function)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _UNPICKLE]
    pickled = cloudpickle.dumps((function, args))
    done = subprocess.run(command, input=pickled, capture_output=True, env=environment, check=True)
    assert done.stdout.decode().strip() == str(function(*args))


# cancel


def test_cancel_stops_the_call_on_the_cluster(client, executor, gate):
    future = executor.submit(wait_for_gate)
    assert events["started"].wait(30)
    assert future.cancel()
    assert future.cancel()
    assert future.cancelled() and future.done()
    assert client.cancelled == [client.submitted[0][0].key]
    with pytest.raises(futures.CancelledError):
        future.result(30)


def test_cancel_notifies_those_who_wait(executor, gate):
    future = executor.submit(wait_for_gate)
    threading.Timer(0.05, future.cancel).start()
    done, _ = futures.wait([future], timeout=30)
    assert done == {future}


def test_cancel_of_a_finished_call_fails(executor):
    future = executor.submit(pow, 2, 8)
    future.result(30)
    assert not future.cancel()
    assert not future.cancelled()


def test_a_call_that_is_cancelled_on_the_cluster_is_cancelled(client, executor, gate):
    future = executor.submit(wait_for_gate)
    client.submitted[0][0].cancel()
    with pytest.raises(futures.CancelledError):
        future.result(30)
    assert future.cancelled()


# map


@pytest.mark.parametrize("chunksize", [1, 3, 100])
def test_map_returns_results_in_order(client, executor, chunksize):
    assert list(executor.map(pow, range(10), range(10), chunksize=chunksize)) == list(map(pow, range(10), range(10)))
    assert len(client.submitted) == -(-10 // chunksize)


def test_map_ends_with_the_shortest_iterable(executor):
    assert list(executor.map(operator.add, range(10), range(3))) == [0, 2, 4]
    assert list(executor.map(operator.add, [], range(3))) == []


def test_map_submits_at_once(client, executor, gate):
    executor.map(wait_for_gate, range(5))
    assert len(client.submitted) == 5


@pytest.mark.parametrize("chunksize", [1, 2])
def test_map_raises_an_exception_at_its_place(executor, chunksize):
    results = executor.map(fail_at_three, range(6), chunksize=chunksize)
    assert [next(results) for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError):
        list(results)


def test_map_raises_a_timeout_and_cancels_the_rest(client, executor, gate):
    results = executor.map(wait_for_gate, range(3), timeout=0.05)
    with pytest.raises(futures.TimeoutError):
        next(results)
    assert len(client.cancelled) == 3


def test_a_closed_iterator_of_map_cancels_the_rest(client, executor, gate):
    gate.set()
    results = executor.map(wait_for_gate, range(3))
    next(results)
    gate.clear()
    results.close()
    # The two others may have finished before.
    assert len(client.cancelled) <= 2


def test_map_reads_no_more_than_the_buffer(client, executor):
    read = []
    results = executor.map(abs, (read.append(number) or number for number in range(100)), buffersize=4)
    assert read == [0, 1, 2, 3]
    assert next(results) == 0
    assert read == [0, 1, 2, 3, 4]
    assert list(results) == list(range(1, 100))


@pytest.mark.parametrize("arguments", [{"chunksize": 0}, {"chunksize": -1}, {"buffersize": 0}])
def test_map_refuses_sizes_below_one(executor, arguments):
    with pytest.raises(ValueError, match="at least 1"):
        executor.map(abs, [1], **arguments)


def test_map_of_many(executor):
    assert sum(executor.map(abs, range(5_000), chunksize=50)) == sum(range(5_000))


# shutdown


def test_no_call_is_accepted_after_shutdown(client):
    executor = ClientExecutor(client)
    executor.shutdown()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(pow, 2, 8)
    for calls in ([], [1]):
        with pytest.raises(RuntimeError, match="after shutdown"):
            executor.map(abs, calls)


def test_the_end_of_the_block_waits_for_the_results(client, gate):
    threading.Timer(0.05, gate.set).start()
    with ClientExecutor(client) as executor:
        started = [executor.submit(wait_for_gate, number) for number in range(3)]
    assert all(future.done() for future in started)


def test_shutdown_without_waiting_lets_calls_finish(client, gate):
    executor = ClientExecutor(client)
    started = [executor.submit(wait_for_gate, number) for number in range(3)]
    executor.shutdown(wait=False)
    assert not any(future.done() for future in started)
    gate.set()
    assert [future.result(30) for future in started] == [0, 1, 2]


def test_options_that_a_function_cannot_take_apply_to_its_call(client):
    def take(value, retries=None):
        return value, retries

    def take_any(value, **more):
        return value, more

    with ClientExecutor(client) as executor:
        assert executor.submit(take, 1, retries=4, pure=True).result(30) == (1, 4)
        assert executor.submit(take_any, 1, retries=4).result(30) == (1, {"retries": 4})
    assert [options["pure"] for _, options in client.submitted] == [True, False]


def test_shutdown_cancels_futures(client, gate):
    executor = ClientExecutor(client)
    started = [executor.submit(wait_for_gate, number) for number in range(8)]
    executor.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in started)


def test_threads_of_an_executor_end_with_it(client):
    with ClientExecutor(client) as executor:
        assert list(executor.map(abs, range(20))) == list(range(20))
    deadline = time.monotonic() + 30
    while any(thread.name.startswith("partita-executor") for thread in threading.enumerate()):
        assert time.monotonic() < deadline


def test_results_are_not_kept(executor):
    class Value(dict):
        pass

    future = executor.submit(Value)
    reference = weakref.ref(future.result(30))
    assert reference() is not None
    del future
    deadline = time.monotonic() + 30
    while reference() is not None:
        gc.collect()
        assert time.monotonic() < deadline
