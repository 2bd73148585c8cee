"""Calls of the cluster that run once more in the process of the client."""

import asyncio
import os
import traceback

import pandas as pd
import partita
import pytest
from function_samples import wait_for
from partita import _records
from partita import dataframe as dd
from partita.distributed import Client, get_client
from polling import until

pytest.importorskip("cloudpickle")

#: The process of the client: functions are sent with their code, and see their own process in `os.getpid`.
HERE = os.getpid()


def where(*_):
    return os.getpid()


def divide(x, y):
    return x / y


def test_a_call_runs_in_this_process_with_its_inputs(client):
    future = client.submit(
        lambda x, more: (os.getpid(), x, more), client.submit(pow, 2, 3), more=[client.submit(abs, -1)]
    )
    assert future.result()[0] != HERE
    assert client.replay(future) == (HERE, 8, [1])


def test_a_call_with_plain_arguments_runs_in_this_process(client):
    assert client.replay(client.map(where, range(3))[1]) == HERE
    assert client.recreate_task_locally(client.submit(where)) == HERE
    assert client.recreate_task_locally([client.submit(where)]) == HERE


def test_large_inputs_are_fetched(client):
    future = client.submit(len, client.submit(bytes, 3 << 20))
    assert client.replay(future) == 3 << 20


def test_a_large_argument_of_a_call_is_fetched(client):
    assert client.replay(client.submit(len, bytes(1 << 20))) == 1 << 20


def test_the_exception_comes_from_a_frame_of_this_process(client):
    future = client.submit(divide, 1, client.submit(abs, 0))
    assert isinstance(future.exception(), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError) as caught:
        client.recreate_error_locally(future)
    frame = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][-1]
    assert frame.f_locals == {"x": 1, "y": 0}


def test_the_earlier_call_that_failed_is_run(client):
    failed = client.submit(divide, 1, 0)
    last = client.submit(sum, [client.submit(divide, failed, 2), 1])
    with pytest.raises(ZeroDivisionError) as caught:
        client.recreate_error_locally([client.submit(abs, 1), last])
    frame = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][-1]
    assert frame.f_locals == {"x": 1, "y": 0}


def test_inputs_that_were_dropped_are_computed_again(client):
    calls = partita.delayed(divide)(partita.delayed(abs)(-8), 2)
    future = client.compute(partita.delayed(divide)(calls, 0))
    with pytest.raises(ZeroDivisionError) as caught:
        client.recreate_error_locally(future)
    frame = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][-1]
    assert frame.f_locals == {"x": 4, "y": 0}


def test_a_frame_as_argument_is_fetched(client):
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2)
    assert client.replay(client.submit(lambda rows: (os.getpid(), list(rows.a)), frame)) == (HERE, [1, 2, 3])


def test_an_async_function_runs_to_its_end(client):
    async def double(x):
        await asyncio.sleep(0)
        return os.getpid(), 2 * x

    assert client.replay(client.submit(double, 4)) == (HERE, 8)


def test_no_future_failed(client):
    with pytest.raises(ValueError, match="No errored futures"):
        client.recreate_error_locally(client.submit(abs, 1))


def test_only_futures_of_calls_can_be_replayed(client):
    with pytest.raises(TypeError, match="takes the future of a call, not an object of type int"):
        client.replay(1)


def test_a_cancelled_call_is_not_run(client, gate):
    future = client.submit(wait_for, gate.path)
    future.cancel()
    with pytest.raises(partita.distributed.CancelledError):
        client.replay(future)


def test_functions_on_workers_cannot_replay(client):
    def run():
        inner = get_client()
        return inner.replay(inner.submit(abs, 1))

    with pytest.raises(RuntimeError, match="in the process of a client"):
        client.submit(run).result()


def test_the_oldest_arguments_are_dropped_first(monkeypatch):
    monkeypatch.setattr(_records, "RECORDED_BYTES_MAX", 3 * (_records.OVERHEAD_BYTES + 1000))
    with Client(n_workers=1, set_as_default=False) as own:
        first, _, *last = [own.submit(len, "x" * 900 + str(number)) for number in range(4)]
        assert [own.replay(one) for one in last] == [901] * 2
        with pytest.raises(partita.ClusterError, match="no longer available"):
            own.replay(first)


def test_what_was_fetched_is_released(client):
    session = client._submitter.session()
    client.replay(client.submit(len, bytes(1 << 20)))
    until(lambda: not any(state.name == "data" for state in session._states.values()), "the input to be released")
