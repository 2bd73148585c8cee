"""What functions on a worker see: a client, their worker, the slot in which they run, and prints that clients see."""

import io
import os
import sys
import warnings

import pytest
from coordination_samples import (
    count_in_worker,
    fibonacci,
    inc,
    rejoin_after,
    same_client,
    submit_and_wait,
    submit_async,
    submit_many,
    worker_attributes,
)
from polling import until

from partita.distributed import (
    Client,
    Event,
    Future,
    get_client,
    get_worker,
    local_client,
    rejoin,
    secede,
    worker_client,
)

pytest.importorskip("cloudpickle")

#: Time that nothing in these tests takes, in seconds.
LONG_S = 60


@pytest.fixture(scope="module")
def client():
    """One slot: functions that wait for calls without giving it up would wait for ever."""
    with Client(n_workers=1, threads_per_worker=1) as client:
        client.wait_for_workers(1)
        yield client


def test_a_function_submits_calls_and_waits_for_them(client):
    assert client.submit(submit_and_wait, 1).result(LONG_S) == 2


def test_functions_submit_many_calls(client):
    assert client.submit(submit_many, 500).result(LONG_S) == sum(range(1, 501))


def test_recursion(client):
    assert client.submit(fibonacci, 5).result(LONG_S) == 5


def test_async_functions_await_calls(client):
    assert client.submit(submit_async, 4).result(LONG_S) == 5


def test_a_process_has_one_client(client):
    assert client.submit(same_client).result(LONG_S)


def test_get_client_is_the_default_client_elsewhere(client):
    assert get_client() is client


def test_a_function_without_a_slot_lets_others_run(client):
    name = f"rejoin-{os.getpid()}"
    future = client.submit(rejoin_after, name)
    # It has seceded if another call of the only slot runs.
    assert client.submit(inc, 100).result(LONG_S) == 101
    Event(name, client).set()
    assert future.result(LONG_S) == "rejoined"


def test_functions_know_their_worker(client):
    name, address, has_folder = client.submit(worker_attributes).result(LONG_S)
    assert address in client.nthreads() and has_folder
    assert name in {row["name"] for row in client.scheduler_info()["workers"].values()}


def test_attributes_of_the_worker_stay_in_the_process(client):
    first = client.submit(count_in_worker, pure=False).result(LONG_S)
    assert client.submit(count_in_worker, pure=False).result(LONG_S) == first + 1


def test_these_functions_need_a_worker(client):
    with pytest.raises(ValueError, match="no worker"):
        get_worker()
    with pytest.raises(ValueError, match="no worker"), worker_client():
        pass
    for function in (secede, rejoin):
        with pytest.raises(RuntimeError, match="functions on a worker"):
            function()
    with pytest.warns(UserWarning, match="worker_client"), pytest.raises(ValueError, match="no worker"):
        local_client().__enter__()


def test_events_of_functions(client):
    def log():
        get_worker().log_event("from-worker", {"a": 1})
        return get_worker().address

    address = client.submit(log).result(LONG_S)
    until(lambda: client.get_events("from-worker"), "the event")
    assert client.get_events("from-worker")[0][1] == {"a": 1, "worker": address}


def test_prints_of_functions_are_printed_by_the_client(client, monkeypatch):
    def show():
        from partita.distributed import print

        print("printed", 5, sep="-", end="!\n")

    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    client.submit(show).result(LONG_S)
    until(lambda: "printed-5!\n" in out.getvalue(), "the text")


def test_warnings_of_a_class_of_the_script_are_emitted_by_the_client(client):
    class OwnWarning(UserWarning):
        pass

    def foretell():
        from partita.distributed import warn

        warn(OwnWarning("of its own class"))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client.submit(foretell, pure=False).result()
        until(lambda: any(type(one.message).__name__ == "OwnWarning" for one in caught), "the warning")


def test_warnings_of_functions_are_emitted_by_the_client(client):
    def complain():
        from partita.distributed import warn

        warn("of a function", RuntimeWarning)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client.submit(complain).result(LONG_S)
        until(lambda: any("of a function" in str(one.message) for one in caught), "the warning")
    assert [one.category for one in caught if "of a function" in str(one.message)] == [RuntimeWarning]


def test_a_future_is_found_by_its_key(client):
    future = client.submit(inc, 1, key="by-key")
    found = Future("by-key", client)
    assert found == future and found.result(LONG_S) == 2
    with pytest.raises(KeyError, match="unknown-key"):
        Future("unknown-key", client)
