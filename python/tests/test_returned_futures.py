"""Futures and actors in the results of functions."""

import functools
import gc

import pytest
from coordination_samples import (
    end_process,
    inc,
    result_of,
    return_actor,
    return_actor_future,
    return_future,
    return_futures,
    return_nested,
    return_slow_future,
    submit_and_wait,
)
from partita.distributed import Actor, Client, Event, Future, wait
from polling import until

pytest.importorskip("cloudpickle")

#: Time that nothing in these tests takes, in seconds.
LONG_S = 60


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=1, threads_per_worker=2, set_as_default=False) as client:
        client.wait_for_workers(1)
        yield client


def test_a_future_in_a_result_is_a_future_of_the_client(client):
    future = client.submit(return_future, 1, pure=False).result(LONG_S)
    assert isinstance(future, Future) and future.client is client
    assert future.result(LONG_S) == 2
    assert client.submit(inc, future).result(LONG_S) == 3


def test_futures_in_results_are_gathered(client):
    (futures,) = client.gather([client.submit(return_futures, 300, pure=False)])
    assert client.gather(futures) == list(range(1, 301))


def test_a_future_in_a_result_may_be_pending(client):
    name = "returned-pending"
    future = client.submit(return_slow_future, name, 7, pure=False).result(LONG_S)
    assert future.status == "pending"
    Event(name, client).set()
    assert future.result(LONG_S) == 7


def test_results_of_futures_in_results_may_have_futures(client):
    found = client.submit(return_nested, 4, pure=False).result(LONG_S)
    assert found["future"].result(LONG_S).result(LONG_S) == 5


def test_a_future_in_a_result_outlives_the_process_that_returned_it(client):
    outer = client.submit(return_future, 10, pure=False)
    wait(outer, LONG_S)
    # Both processes of the worker end.
    for _ in range(2):
        assert client.submit(end_process, pure=False, retries=0).exception(LONG_S) is not None
    gc.collect()
    assert outer.result(LONG_S).result(LONG_S) == 11
    assert outer.result(LONG_S).result(LONG_S) == 11


def has_references(future):
    return bool(future._state.sources)


def test_a_future_in_a_result_is_released_with_the_call(client):
    outer = client.submit(return_future, 20, pure=False)
    wait(outer, LONG_S)
    until(functools.partial(has_references, outer), "the client to have the future in the result")
    session = outer._state.session
    assert any(state.name == "inc" for state in session._foreign.values())
    del outer
    gc.collect()
    until(lambda: not any(state.name == "inc" for state in list(session._foreign.values())), "the release")


def test_a_function_reads_a_future_in_a_result(client):
    outer = client.submit(return_future, 30, pure=False)
    assert client.submit(result_of, outer, pure=False).result(LONG_S) == 31


def test_an_actor_in_a_result_lives_as_long_as_the_call(client):
    outer = client.submit(return_actor, 5, pure=False)
    wait(outer, LONG_S)
    gc.collect()
    actor = outer.result(LONG_S)
    assert isinstance(actor, Actor) and actor.increment().result(LONG_S) == 6
    del actor
    gc.collect()
    # The future of the call has the actor still.
    assert outer.result(LONG_S).increment().result(LONG_S) == 7


def test_a_future_of_an_actor_in_a_result(client):
    future = client.submit(return_actor_future, 8, pure=False).result(LONG_S)
    assert future.result(LONG_S).increment().result(LONG_S) == 9


def test_results_without_futures_are_not_read_early(client):
    future = client.submit(submit_and_wait, 1, pure=False)
    assert future.result(LONG_S) == 2 and future._state.sources == ()
