"""Python functions on the workers: submit, map, futures, graphs, and what goes wrong."""

import asyncio
import functools
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import namedtuple
from concurrent.futures import CancelledError

import numpy as np
import pandas as pd
import pytest
from function_samples import (
    NoPickle,
    Refused,
    add,
    count_call,
    crash,
    exit_hard,
    fail,
    fail_times,
    inc,
    needs_file,
    outer,
    parent_process,
    process,
    raise_from,
    raise_from_unpicklable,
    raise_unpicklable,
    raise_while_handling,
    refuse,
    return_unpicklable,
    touch_and_clean,
    touch_and_wait,
    wait_for,
)
from polling import BOUND_S, until

import partita
from partita import Cancelled, ClusterError, _functions, _packing, bag, delayed
from partita import dataframe as dd
from partita._errors import KilledWorker, RemoteError
from partita._local import LocalCluster
from partita._packing import NotPicklable
from partita.base import normalize_token
from partita.distributed import Client, as_completed, wait

pytest.importorskip("cloudpickle")

#: Time that no call of these tests takes, in seconds.
LONG_S = 60


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=2, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture
def default(client):
    """Make the client the default one during a test."""
    from partita import _client

    before = _client._current
    client.as_current()
    yield client
    with _client._lock:
        _client._current = before


def another(client):
    """Return another client of the same cluster."""
    connection = client._connection
    return Client(connection.address, token=connection.token, set_as_default=False)


def partitions(client):
    """Return the number of partitions that the workers hold."""
    return sum(row["metrics"]["partitions"] for row in client._workers())


@pytest.fixture
def fresh():
    """A cluster on which nothing has run."""
    with Client(n_workers=1, threads_per_worker=2, set_as_default=False) as client:
        client.wait_for_workers(1)
        yield client


# submit and map.


def test_large_functions_and_arguments_are_sent_as_values(client, monkeypatch):
    monkeypatch.setattr(_packing, "FUNCTION_MAX", 1 << 20)
    monkeypatch.setattr(_packing, "ARGUMENTS_MAX", 8 << 20)
    monkeypatch.setattr(_functions, "VALUE_BYTES_MAX", 8 << 20)
    blob = bytes(10 << 20)
    assert client.gather(client.map(lambda n: len(blob) + n, range(3))) == [(10 << 20) + n for n in range(3)]
    assert (
        client.submit(lambda n, by=0: len(blob) * n + by, 2, by=client.submit(inc, 1)).result(LONG_S) == (20 << 20) + 2
    )
    assert client.submit(len, blob).result(LONG_S) == 10 << 20
    assert client.submit(lambda *args, **named: (args, named), [blob, 1], 2, by={"b": blob}).result(LONG_S) == (
        ([blob, 1], 2),
        {"by": {"b": blob}},
    )
    assert delayed(len)([blob, 1]).compute() == 2
    # One value that has futures in it is not sent by itself.
    with pytest.raises(ValueError, match="at most 8 MiB can be sent with a call"):
        client.submit(len, [blob, client.submit(inc, 1)])


def test_submit_returns_the_result(client):
    assert client.submit(inc, 1).result(LONG_S) == 2


def test_submit_passes_keyword_arguments(client):
    assert client.submit(inc, 1, by=10).result(LONG_S) == 11


def test_submit_takes_builtins_partials_and_callable_objects(client):
    futures = [client.submit(pow, 2, 3), client.submit(functools.partial(inc, by=5), 1), client.submit(max, [3, 9])]
    assert client.gather(futures) == [8, 6, 9]


def test_submit_takes_lambdas_and_closures(client):
    offset = 40

    def shifted(x):
        return x + offset

    assert client.gather([client.submit(lambda: 7), client.submit(shifted, 2)]) == [7, 42]


def test_a_result_may_be_none(client):
    future = client.submit(print)
    assert future.result(LONG_S) is None
    assert future.status == "finished"


def test_submit_refuses_what_cannot_be_called(client):
    with pytest.raises(TypeError, match="must be a function, not int"):
        client.submit(1, 2)
    with pytest.raises(TypeError, match="must be a function, not list"):
        client.map([1], [2])


def test_map_calls_with_each_item(client):
    assert client.gather(client.map(inc, range(20))) == list(range(1, 21))


def test_map_stops_at_the_shortest_iterable(client):
    assert client.gather(client.map(add, range(3), [10, 20, 30, 40], iter([100, 200, 300]))) == [110, 221, 332]


def test_map_passes_keyword_arguments_to_all_calls(client):
    assert client.gather(client.map(inc, [1, 2], by=10)) == [11, 12]


def test_map_of_nothing_is_empty(client):
    assert client.map(inc, []) == []


def test_map_takes_a_prefix_of_the_keys(client):
    first, second = [one.key for one in client.map(inc, [1, 2], key="mine")]
    assert first.startswith("mine-") and second.startswith("mine-") and first != second


def test_map_takes_all_keys(client):
    assert [one.key for one in client.map(inc, [1, 2], key=["first", "second"])] == ["first", "second"]
    with pytest.raises(ValueError, match="1 keys for 2 calls"):
        client.map(inc, [1, 2], key=["first"])


def test_map_takes_futures_as_items(client):
    assert client.gather(client.map(inc, client.map(inc, range(5)))) == [2, 3, 4, 5, 6]


def test_a_long_map_keeps_its_order(client):
    assert client.gather(client.map(inc, range(3000))) == list(range(1, 3001))


# Futures as arguments.


def test_a_future_stands_for_its_result(client):
    one = client.submit(inc, 1)
    assert client.submit(inc, one, by=one).result(LONG_S) == 4


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (lambda one: [one, [one]], [2, [2]]),
        (lambda one: (one, {"a": one}), (2, {"a": 2})),
        (lambda one: {"a": [{"b": (one,)}]}, {"a": [{"b": (2,)}]}),
        (lambda one: {one}, {2}),
        (lambda one: slice(one, None), slice(2, None)),
    ],
)
def test_futures_in_containers_stand_for_their_results(client, shape, expected):
    assert client.submit(lambda value: value, shape(client.submit(inc, 1))).result(LONG_S) == expected


def test_a_future_in_a_named_tuple_stands_for_its_result(client):
    Point = namedtuple("Point", ("x", "y"))
    assert client.submit(lambda point: point.x + point.y, Point(client.submit(inc, 1), 5)).result(LONG_S) == 7


def test_a_future_in_an_object_stands_for_its_result(client):
    class Box:
        def __init__(self, content):
            self.content = content

    assert client.submit(lambda box: box.content, Box([client.submit(inc, 1)])).result(LONG_S) == [2]


def test_one_future_is_one_object_within_a_call(client):
    data = client.submit(list, [1])
    assert client.submit(lambda one, other: one is other, data, data).result(LONG_S)


def test_calls_wait_for_calls_that_run(client, gate):
    first = client.submit(wait_for, gate.path, 5)
    second = client.submit(inc, first)
    assert not second.done()
    gate.open()
    assert second.result(LONG_S) == 6


def test_a_deep_chain_of_calls(client):
    future = client.submit(inc, 0)
    for _ in range(300):
        future = client.submit(inc, future)
    assert future.result(LONG_S) == 301


def test_a_future_of_another_client_is_an_argument(client):
    with another(client) as other:
        assert other.submit(inc, client.submit(inc, 1)).result(LONG_S) == 3


# gather.


def test_gather_keeps_the_structure(client):
    one, two = client.map(inc, [0, 1])
    given = {"a": [one, (two, 7)], "b": {"c": two}, "d": {one}, "e": "text"}
    assert client.gather(given) == {"a": [1, (2, 7)], "b": {"c": 2}, "d": {1}, "e": "text"}


def test_gather_takes_a_single_future_and_an_iterator(client):
    assert client.gather(client.submit(inc, 1)) == 2
    assert list(client.gather(iter(client.map(inc, [1, 2])))) == [2, 3]


def test_gather_keeps_named_tuples(client):
    Point = namedtuple("Point", ("x", "y"))
    assert client.gather(Point(client.submit(inc, 1), 5)) == Point(2, 5)


def test_gather_takes_the_same_future_twice(client):
    one = client.submit(inc, 1)
    assert client.gather([one, one]) == [2, 2]


def test_gather_raises_the_first_error(client):
    with pytest.raises(ValueError, match="no such thing"):
        client.gather([client.submit(inc, 1), client.submit(fail, "no such thing")])


def test_gather_skips_errors(client):
    good, bad = client.submit(inc, 1), client.submit(fail, "skipped")
    assert client.gather([good, bad, [bad, good]], errors="skip") == [2, [2]]
    assert client.gather({"good": good, "bad": bad}, errors="skip") == {"good": 2}
    with pytest.raises(ValueError, match="'raise' or 'skip'"):
        client.gather([good], errors="ignore")


def test_gather_waits_for_futures_of_two_clients(client, gate):
    with another(client) as other:
        mine, theirs = client.submit(inc, 1), other.submit(wait_for, gate.path, 5)
        wait(mine, LONG_S)
        threading.Timer(0.05, gate.open).start()
        assert client.gather([mine, theirs]) == [2, 5]


# Errors.


def test_an_exception_keeps_its_type_and_arguments(client):
    future = client.submit(refuse, 17)
    error = future.exception(LONG_S)
    assert type(error) is Refused
    assert error.code == 17
    assert future.status == "error"
    with pytest.raises(Refused):
        future.result()


def test_the_traceback_has_the_lines_of_the_function(client):
    future = client.submit(outer, "here")
    error = future.exception(LONG_S)
    assert future.traceback() is not None
    lines = traceback.extract_tb(error.__traceback__)
    assert [line.name for line in lines][-2:] == ["outer", "inner"]
    assert lines[-1].filename.endswith("function_samples.py")
    shown = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert "raise LookupError(text)" in shown and "^" not in shown.partition("raise LookupError(text)")[2]


def test_the_cause_of_an_exception_arrives_with_its_lines(client):
    error = client.submit(raise_from, KeyError("first")).exception()
    assert isinstance(error, ValueError)
    assert isinstance(error.__cause__, KeyError)
    assert traceback.extract_tb(error.__cause__.__traceback__)[-1].line == "raise cause"
    shown = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert "The above exception was the direct cause" in shown


def test_the_context_of_an_exception_arrives(client):
    error = client.submit(raise_while_handling).exception()
    assert error.__cause__ is None
    assert isinstance(error.__context__, KeyError)


def test_a_cause_that_cannot_be_pickled_arrives_as_text(client):
    error = client.submit(raise_from_unpicklable).exception()
    assert isinstance(error, ValueError)
    assert isinstance(error.__cause__, RemoteError)
    assert "Unpicklable" in str(error.__cause__)


def test_the_traceback_has_the_lines_of_a_function_by_value(client):
    error = client.submit(lambda: 1 // 0).exception(LONG_S)
    line = traceback.extract_tb(error.__traceback__)[-1]
    assert line.filename == __file__ and "lambda: 1 // 0" in line.line


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes")
def test_an_exception_names_the_worker(client):
    error = client.submit(fail, "noted").exception(LONG_S)
    assert "raised on a worker" in error.__notes__[0]


def test_dependents_of_an_error_have_its_exception(client):
    bad = client.submit(fail, "the cause")
    after = client.submit(inc, client.submit(inc, bad))
    with pytest.raises(ValueError, match="the cause"):
        after.result(LONG_S)
    assert after.status == "error"


def test_a_call_that_reads_a_failed_future_fails(client):
    bad = client.submit(fail, "already failed")
    wait(bad, LONG_S)
    assert isinstance(client.submit(inc, bad).exception(LONG_S), ValueError)


def test_other_calls_continue_after_an_error(client):
    futures = client.map(lambda x: 1 // x, [1, 0, 1])
    assert [type(one.exception(LONG_S)) for one in futures] == [type(None), ZeroDivisionError, type(None)]


def test_an_exception_that_cannot_be_pickled_keeps_its_text(client):
    with pytest.raises(RemoteError, match=r"Unpicklable.*words of the exception"):
        client.submit(raise_unpicklable).result(LONG_S)


def test_a_result_that_cannot_be_pickled_names_its_type(client):
    with pytest.raises(TypeError, match="NoPickle"):
        client.submit(return_unpicklable).result(LONG_S)


def test_an_argument_that_cannot_be_pickled_is_an_error_here(client):
    with pytest.raises(NotPicklable, match=r"an argument of inc .*this object stays here"):
        client.submit(inc, NoPickle())


def test_a_function_that_cannot_be_pickled_is_an_error_here(client):
    lock = threading.Lock()
    with pytest.raises(NotPicklable, match=r"the function lambda .*lock"):
        client.submit(lambda: lock)


def test_calls_after_one_that_cannot_be_pickled_have_their_own_results(client):
    with pytest.raises(NotPicklable):
        client.map(inc, [1, 2, NoPickle()])
    assert client.gather(client.map(inc, [101, 102])) == [102, 103]


def test_calls_after_an_interrupted_submission_have_their_own_results(client, monkeypatch):
    from partita import _functions

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # The calls have places already.
        patch.setattr(_functions, "with_places", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.map(inc, [201, 202, 203])
    assert client.gather(client.map(inc, [204, 202])) == [205, 203]


def test_system_exit_is_raised_to_the_caller(client):
    with pytest.raises(SystemExit):
        client.submit(sys.exit, 3).result(LONG_S)
    assert client.submit(inc, 1).result(LONG_S) == 2


def test_an_unpicklable_function_on_the_worker_is_an_error(client):
    class Broken:
        def __call__(self):
            return 1

        def __reduce__(self):
            return fail, ("cannot be rebuilt",)

    with pytest.raises(ValueError, match="cannot be rebuilt"):
        client.submit(Broken()).result(LONG_S)


SCRIPT = """
import partita
from partita.distributed import Client

class Thing:
    def __init__(self, x):
        self.x = x
    def double(self):
        return Thing(self.x * 2)

class Special(Exception):
    pass

def helper(x):
    return x + 1

def use(thing):
    return Thing(helper(thing.x))

def bad():
    raise Special("of the script")

if __name__ == "__main__":
    client = Client()
    future = client.submit(use, Thing(1))
    print(type(future.result()) is Thing, future.result().x)
    print(client.submit(Thing.double, future).result().x)
    try:
        client.submit(bad).result()
    except Special as error:
        print("special", error)
"""


def test_functions_and_classes_of_a_script(client, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    connection = client._connection
    environment = {**os.environ, "PARTITA_SCHEDULER": connection.address, "PARTITA_TOKEN": connection.token}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=LONG_S, check=False
    )
    assert done.stdout.splitlines() == ["True 2", "4", "special of the script"], done.stderr


# Sizes.


def test_a_large_argument_and_a_large_result(client):
    data = np.arange(1_250_000, dtype=np.float64)
    result = client.submit(np.negative, data).result(LONG_S)
    assert np.array_equal(result, -data)


def test_a_large_argument_of_many_calls_is_sent_once(client):
    data = np.ones(1_250_000)
    before = client._submitter.session().bytes
    sums = client.gather(client.map(lambda number, array: number + array.sum(), range(8), array=data))
    assert sums == [number + 1_250_000 for number in range(8)]
    until(lambda: client._submitter.session().bytes > before, "the calls to be sent")
    assert client._submitter.session().bytes - before < 12_000_000


def test_a_large_result_stays_on_the_workers_for_other_calls(client):
    data = client.submit(np.ones, 1_250_000)
    assert client.submit(np.sum, data).result(LONG_S) == 1_250_000
    assert data._state.value is None


def test_a_function_may_change_its_arguments(client):
    data = client.submit(np.zeros, 100_000)

    def fill(array):
        array[:] = 1
        return array.sum()

    assert client.submit(fill, data).result(LONG_S) == 100_000
    assert client.submit(np.sum, data).result(LONG_S) == 0


def test_frames_of_pandas_travel(client):
    frame = pd.DataFrame({"a": np.arange(10), "b": list("abcdefghij")})
    pd.testing.assert_frame_equal(client.submit(lambda given: given, frame).result(LONG_S), frame)


def test_many_functions_have_their_own_results(client):
    futures = [client.submit(eval(f"lambda: {number}")) for number in range(150)]
    assert client.gather(futures) == list(range(150))


def test_more_functions_than_have_stages(client, monkeypatch):
    from partita import _session

    monkeypatch.setattr(_session, "STAGES_MAX", 0)
    with another(client) as other:
        futures = [other.submit(eval(f"lambda x: x + {number}"), 1) for number in range(10)]
        futures += other.map(inc, [1, 2], by=10)
        assert other.gather(futures) == [*range(1, 11), 11, 12]


# Keys.


def test_equal_calls_share_a_key(client):
    assert client.submit(inc, 1).key == client.submit(inc, 1).key
    assert client.submit(inc, 1).key != client.submit(inc, 2).key
    assert client.submit(inc, 1).key.startswith("inc-")


def test_equal_functions_by_value_share_a_key(client):
    def define():
        return lambda x: [one + x for one in range(3)]

    assert client.submit(define(), 1).key == client.submit(define(), 1).key


def test_equal_calls_run_once(client, tmp_path):
    path = str(tmp_path / "calls")
    one, other = client.submit(count_call, path), client.submit(count_call, path)
    assert one == other
    assert client.gather([one, other]) == [1, 1]


def test_impure_calls_run_each(client, tmp_path):
    path = str(tmp_path / "calls")
    futures = [client.submit(count_call, path, pure=False) for _ in range(3)]
    wait(futures, LONG_S)
    assert needs_file(path) == "x\n" * 3


def test_impure_map_runs_each_call(client, tmp_path):
    path = str(tmp_path / "calls")
    wait(client.map(count_call, [path] * 3, pure=False), LONG_S)
    assert needs_file(path) == "x\n" * 3


def test_calls_with_one_key_are_one_call(client):
    one = client.submit(inc, 1, key="the key")
    assert client.submit(inc, 5, key="the key").result(LONG_S) == 2
    assert one.key == "the key"


def wait_until_free(client, key):
    """Wait until nothing refers to the call with a key: the thread that receives results may for a moment."""
    gc.collect()
    until(lambda: key not in client._submitter.session()._by_key, f"the key {key} to be free")


def test_a_key_is_free_when_its_futures_are_gone(client):
    assert client.submit(inc, 1, key="again").result(LONG_S) == 2
    wait_until_free(client, "again")
    assert client.submit(inc, 5, key="again").result(LONG_S) == 6


def test_a_call_that_reads_a_key_used_again_is_another_call(client):
    first = client.submit(inc, client.submit(inc, 1, key="reused"))
    assert first.result(LONG_S) == 3
    wait_until_free(client, "reused")
    assert client.submit(inc, client.submit(inc, 10, key="reused")).result(LONG_S) == 12


# Tries, cancellation.


def test_retries_run_a_failed_call_again(client, tmp_path):
    path = str(tmp_path / "tries")
    assert client.submit(fail_times, path, 2, retries=3).result(LONG_S) == 3


def test_a_call_fails_after_its_retries(client, tmp_path):
    path = str(tmp_path / "tries")
    with pytest.raises(OSError, match="try 2"):
        client.submit(fail_times, path, 9, retries=1).result(LONG_S)


def test_retry_runs_a_failed_future_again(client, tmp_path):
    path = tmp_path / "input"
    future = client.submit(needs_file, str(path))
    assert isinstance(future.exception(LONG_S), FileNotFoundError)
    path.write_text("found")
    future.retry()
    assert future.result(LONG_S) == "found"


def test_retry_of_a_dependent_runs_the_cause_again(client, tmp_path):
    path = tmp_path / "input"
    first = client.submit(needs_file, str(path))
    second = client.submit(len, first)
    assert isinstance(second.exception(LONG_S), FileNotFoundError)
    path.write_text("found")
    client.retry([second])
    assert second.result(LONG_S) == 5


def test_cancel_interrupts_a_running_call(client, gate, tmp_path):
    cleaned = tmp_path / "cleaned"
    future = client.submit(touch_and_clean, gate.began, gate.path, str(cleaned))
    gate.wait_until_running()
    future.cancel()
    with pytest.raises(CancelledError):
        future.result(LONG_S)
    assert future.cancelled() and future.status == "cancelled"
    until(cleaned.exists, "the function to end")


def test_cancel_stops_a_waiting_call(client, gate, tmp_path):
    path = tmp_path / "calls"
    first = client.submit(wait_for, gate.path)
    second = client.submit(lambda _, name: count_call(name), first, str(path))
    client.cancel([second])
    with pytest.raises(Cancelled):
        second.result(LONG_S)
    # The scheduler hears of what a client says in order: it knows of the cancelling when this call has ended.
    assert client.submit(inc, 41).result(LONG_S) == 42
    gate.open()
    first.result(LONG_S)
    assert client.submit(inc, 1).result(LONG_S) == 2
    assert not path.exists()


def test_cancel_cancels_dependents(client, gate):
    first = client.submit(touch_and_wait, gate.began, gate.path)
    second = client.submit(inc, first)
    gate.wait_until_running()
    first.cancel()
    assert isinstance(second.exception(LONG_S), Cancelled)


def test_a_cancelled_call_can_be_submitted_again(client, gate):
    first = client.submit(touch_and_wait, gate.began, gate.path, 3)
    gate.wait_until_running()
    first.cancel()
    wait(first, LONG_S)
    gate.open()
    assert client.submit(touch_and_wait, gate.began, gate.path, 3).result(LONG_S) == 3


def test_cancel_of_a_finished_call_drops_its_result(client):
    future = client.submit(inc, 1)
    wait(future, LONG_S)
    future.cancel()
    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result(LONG_S)


def test_cancel_takes_effect_at_once(client, gate):
    future = client.submit(touch_and_wait, gate.began, gate.path)
    future.cancel()
    assert future.status == "cancelled"


def test_a_cancelled_call_stays_cancelled_when_its_result_comes(client, gate):
    future = client.submit(wait_for, gate.path)
    future.cancel()
    gate.open()
    assert client.submit(inc, 100).result(LONG_S) == 101
    assert future.status == "cancelled"


def test_a_cancelled_future_is_refused_as_an_argument(client):
    future = client.submit(inc, 1)
    wait(future, LONG_S)
    future.cancel()
    with pytest.raises(CancelledError, match="an argument of the call was cancelled"):
        client.submit(inc, future)


def test_result_times_out(client, gate):
    future = client.submit(wait_for, gate.path)
    with pytest.raises(TimeoutError, match="has not finished after"):
        future.result(timeout=0.05)
    with pytest.raises(TimeoutError):
        future.exception(timeout="10ms")


# Several futures.


def test_as_completed_returns_each_future_once(client):
    futures = client.map(inc, range(50))
    assert {one.result() for one in as_completed(futures)} == set(range(1, 51))


def test_as_completed_has_the_order_of_the_ends(client, gate):
    slow = client.submit(wait_for, gate.path, "slow")
    fast = client.submit(inc, 1)
    ended = as_completed([slow, fast])
    assert next(ended) is fast
    gate.open()
    assert next(ended) is slow
    with pytest.raises(StopIteration):
        next(ended)


def test_as_completed_returns_results(client):
    pairs = list(as_completed(client.map(inc, range(5)), with_results=True))
    assert sorted(result for _, result in pairs) == [1, 2, 3, 4, 5]
    assert all(future.result() == result for future, result in pairs)


def test_as_completed_raises_errors(client):
    with pytest.raises(ValueError, match="raised there"):
        list(as_completed([client.submit(fail, "raised there")], with_results=True))


def test_as_completed_returns_errors(client):
    ((future, found),) = as_completed([client.submit(fail, "returned")], with_results=True, raise_errors=False)
    kind, error, _ = found
    assert kind is ValueError and str(error) == "returned" and future.status == "error"


def test_as_completed_returns_that_a_call_was_cancelled(client, gate):
    future = client.submit(wait_for, gate.path)
    future.cancel()
    ((_, error),) = as_completed([future], with_results=True)
    assert isinstance(error, CancelledError)


def test_as_completed_shows_its_progress(client, gate):
    futures = [client.submit(inc, 1), client.submit(wait_for, gate.path)]
    ended = as_completed(futures)
    wait(futures[0], LONG_S)
    assert repr(ended) == "<as_completed: waiting=1 done=1>"


def test_as_completed_takes_further_futures_while_it_runs(client):
    ended = as_completed([client.submit(inc, 0)])
    seen = []
    for future in ended:
        seen.append(future.result())
        if len(seen) < 5:
            ended.add(client.submit(inc, future))
    assert seen == [1, 2, 3, 4, 5]


def test_as_completed_counts(client, gate):
    ended = as_completed([client.submit(wait_for, gate.path, number) for number in range(2)])
    assert ended.count() == 2 and not ended.is_empty() and not ended.has_ready()
    gate.open()
    assert len([one for batch in ended.batches() for one in batch]) == 2
    assert ended.is_empty()


def test_as_completed_times_out(client, gate):
    with pytest.raises(TimeoutError):
        next(as_completed([client.submit(wait_for, gate.path)], timeout=0.05))


def test_wait_returns_the_ended_futures(client):
    futures = [client.submit(inc, 1), client.submit(fail, "also ended")]
    done, not_done = wait(futures, LONG_S)
    assert done == set(futures) and not_done == set()


def test_wait_times_out(client, gate):
    with pytest.raises(TimeoutError, match="1 of 2 futures"):
        wait([client.submit(wait_for, gate.path), client.submit(inc, 1)], timeout=0.5)


def test_wait_returns_after_the_first(client, gate):
    slow, fast = client.submit(wait_for, gate.path), client.submit(inc, 1)
    found = wait([slow, fast], LONG_S, return_when="FIRST_COMPLETED")
    assert found.done == {fast} and found.not_done == {slow}


def test_wait_takes_futures_of_two_clients(client, gate):
    with another(client) as other:
        futures = [client.submit(inc, 1), other.submit(wait_for, gate.path)]
        threading.Timer(0.05, gate.open).start()
        assert wait(futures, LONG_S).done == set(futures)


def test_callbacks_get_the_future(client):
    called = threading.Event()
    found = []

    def tell(future):
        found.append(future)
        called.set()

    future = client.submit(inc, 1)
    future.add_done_callback(tell)
    assert called.wait(LONG_S)
    assert found == [future] and future.done()


def test_callbacks_of_ended_calls_are_called_too(client):
    future = client.submit(inc, 1)
    wait(future, LONG_S)
    called = threading.Event()
    future.add_done_callback(lambda _: called.set())
    assert called.wait(LONG_S)


def test_a_callback_may_fetch_large_results_and_submit(client):
    found, called = [], threading.Event()

    def tell(future):
        found.append((future.result().sum(), client.submit(inc, 1).result(LONG_S)))
        called.set()

    client.submit(np.ones, 200_000).add_done_callback(tell)
    assert called.wait(LONG_S)
    assert found == [(200_000, 2)]


# The life of results.


def test_results_are_released_with_their_futures(fresh):
    futures = fresh.map(lambda x: bytes(10_000 + x), range(10))
    wait(futures, LONG_S)
    until(lambda: partitions(fresh) == 10, "the results to be stored")
    del futures
    until(lambda: partitions(fresh) == 0, "the results to be released")


def test_intermediate_results_are_released(fresh):
    last = fresh.submit(len, fresh.submit(inc, fresh.submit(bytes, 20_000), by=b"x"))
    assert last.result(LONG_S) == 20_001
    until(lambda: partitions(fresh) <= 1, "the intermediate results to be released")


def test_failed_calls_keep_nothing(fresh):
    future = fresh.submit(fail, "empty")
    wait(future, LONG_S)
    assert partitions(fresh) == 0
    assert not fresh._submitter.session().ended


def test_a_closed_client_releases_its_results(fresh):
    with another(fresh) as other:
        future = other.submit(bytes, 50_000)
        wait(future, LONG_S)
        until(lambda: partitions(fresh) == 1, "the result to be stored")
    until(lambda: partitions(fresh) == 0, "the result to be released")


def test_a_worn_session_is_replaced(client, monkeypatch):
    from partita import _session

    monkeypatch.setattr(_session, "CALLS_KEPT", 5)
    with another(client) as other:
        futures = other.map(inc, range(10))
        first = other._submitter.session().job
        assert other.gather(futures) == list(range(1, 11))
        # Futures that live keep the session.
        assert other.submit(inc, 20).result(LONG_S) == 21
        assert other._submitter.session().job == first
        del futures
        until(lambda: other._submitter.session().job != first, "the session to be replaced")
        assert other.submit(inc, 30).result(LONG_S) == 31
        until(lambda: other._rest(f"jobs/{first}")["state"] == "done", "the first job to end")


def test_futures_outlive_a_refused_call(client):
    with another(client) as other:
        before = other.submit(bytes, 60_000)
        wait(before, LONG_S)
        bad = other.submit(inc, 1, resources={"": 1})
        wait(bad, LONG_S)
        assert len(before.result(LONG_S)) == 60_000
        assert other.submit(len, before).result(LONG_S) == 60_000


# scatter.


def test_scatter_of_a_list(client):
    futures = client.scatter([1, 2, 3])
    assert isinstance(futures, list) and client.gather(futures) == [1, 2, 3]


def test_scatter_of_a_dict(client):
    futures = client.scatter({"a": 1, "b": 2})
    assert client.gather(futures) == {"a": 1, "b": 2}


def test_scattered_values_are_fetched_when_the_scheduler_knows_them(client, monkeypatch):
    """The calls may come to the scheduler after the question where their results are."""
    from partita import _session

    has_waited = threading.Event()
    send, wait = _session.Batch.send, _session.wait_without_slot

    def send_late(*args):
        assert has_waited.wait(60)
        return send(*args)

    def wait_and_tell(*args):
        has_waited.set()
        return wait(*args)

    client.submit(abs, -1).result()
    monkeypatch.setattr(_session.Batch, "send", send_late)
    monkeypatch.setattr(_session, "wait_without_slot", wait_and_tell)
    values = {"a": 12_345_001, "b": np.arange(200_000)}
    future = client.scatter(values["a"])
    assert future.status == "finished" and future.done()
    assert future.result() == values["a"]
    monkeypatch.undo()
    futures = client.scatter(values)
    assert all(one.status == "finished" for one in futures.values())
    assert client.gather(futures)["b"][-1] == 199_999


def test_scatter_of_one_object(client):
    data = np.arange(100_000)
    future = client.scatter(data, broadcast=True)
    assert client.gather(client.map(lambda number, array: number + array[-1], range(4), array=future)) == [
        99_999,
        100_000,
        100_001,
        100_002,
    ]


@pytest.mark.parametrize("size", [10, 3_000, 20_000, 900_000, 3_000_000])
def test_results_of_any_size_are_read_by_another_worker(client, size):
    """Small ones come with the call, others from the worker that holds them: as a copy, or where they lie in memory."""
    first, second = sorted(client.scheduler_info()["workers"])
    made = client.submit(bytes, size, workers=[first], pure=False)
    assert client.submit(len, made, workers=[second], pure=False).result() == size


def test_scatter_keeps_sets_and_tuples(client):
    assert client.gather(client.scatter((1, 2))) == (1, 2)
    assert client.gather(client.scatter({1, 2})) == {1, 2}


def test_scatter_sends_large_values_to_the_workers(client):
    """Arrays, frames and texts are equal on the workers and when they come back."""
    array = np.arange(1_000_000.0).reshape(1000, 1000)
    frame = pd.DataFrame({"a": range(300_000), "b": np.arange(300_000.0), "c": ["x", "yz", None] * 100_000})
    text = "x" * (5 << 20)
    futures = client.scatter({"array": array, "frame": frame, "text": text, "small": 1})
    got = client.gather(futures)
    assert (got["array"] == array).all() and got["frame"].equals(frame)
    assert got["text"] == text and got["small"] == 1
    assert got["array"].flags.writeable and got["array"].flags.aligned
    assert client.submit(np.sum, futures["array"]).result(LONG_S) == array.sum()
    assert client.scatter(array).key == futures["array"].key != client.scatter(array, hash=False).key


def test_large_scattered_values_are_on_the_named_workers(client):
    array = np.zeros(1 << 20)
    names = list(client.scheduler_info()["workers"])
    for name in names:
        future = client.scatter(array, workers=[name], hash=False)
        assert client.submit(len, future).result(LONG_S) == 1 << 20
        assert list(client.who_has([future])[future.key]) == [name]


def test_a_large_scattered_value_is_dropped_with_its_future(client):
    """Its bytes are freed on the worker."""

    def stored():
        return sum(row["metrics"]["stored_bytes"] for row in client._workers())

    gc.collect()
    future = client.scatter(np.zeros(4 << 20))
    until(lambda: stored() >= 32 << 20, "the value to be stored")
    del future
    until(lambda: stored() < 32 << 20, "the value to be dropped")


def test_scatter_shares_values_of_equal_tokens(client):
    class Thing:
        def __init__(self, name, note):
            self.name, self.note = name, note

    @normalize_token.register(Thing)
    def token(thing):
        return thing.name

    first = client.scatter([Thing("a", 1), 7, Thing("b", 1)])
    second = client.scatter([7, Thing("a", 2)])
    assert [one.key for one in second] == [first[1].key, first[0].key]
    assert [one.result().name for one in (first[0], first[2])] == ["a", "b"]
    assert first[1].result() == 7


def test_arguments_of_a_class_of_the_script_are_pickled_once(client, monkeypatch):
    class Counted:
        pickled = 0

        def __reduce__(self):
            Counted.pickled += 1
            return int, ()

    monkeypatch.setattr(Counted, "__module__", "__main__")
    assert client.submit(add, Counted(), 1, pure=False).result(LONG_S) == 1
    assert Counted.pickled == 1


def test_scatter_shares_equal_values(client):
    assert client.scatter("text").key == client.scatter("text").key
    assert client.scatter("text", hash=False).key != client.scatter("text", hash=False).key


def test_gather_raises_as_soon_as_one_call_has_failed(client, gate):
    waiting = client.submit(wait_for, gate.path)
    with pytest.raises(ValueError, match="at once"):
        client.gather([waiting, client.submit(fail, "at once")])
    assert waiting.status == "pending"


def fill_memory(size):
    """Take MiB of memory bit by bit, beside another call at first."""
    parts = []
    for _ in range(size // 20):
        parts.append(np.ones(20 << 17))
        time.sleep(0.02)
    return size


def wait_and_fail(path):
    wait_for(path)
    raise ValueError("while another one runs")


def test_a_failed_compute_stops_its_other_tasks(default, gate, tmp_path):
    """Although the traceback of the error exists, which refers to frames that had the futures."""
    cleaned = tmp_path / "cleaned"
    other = partita.delayed(touch_and_clean)(gate.began, gate.path, str(cleaned))
    with pytest.raises(ValueError, match="while another one runs") as caught:
        partita.compute(other, partita.delayed(wait_and_fail)(gate.began))
    until(cleaned.exists, "the other task to be interrupted")
    assert caught.value.__traceback__ is not None


def test_threads_of_a_client_end_with_its_cluster():
    """A thread that returns from a call of Flight while the interpreter exits crashes it."""
    with LocalCluster(n_workers=1, threads_per_worker=1) as cluster:
        client = Client(cluster, set_as_default=False)
        assert client.submit(inc, 1).result(LONG_S) == 2
        threads = [client._connection._attending, *client._submitter._session._threads[:2]]
        assert all(thread.is_alive() for thread in threads)
        client.close()
        assert not any(thread.is_alive() for thread in threads[1:])
    assert not threads[0].is_alive()


# asyncio.


def test_await_a_frame(client):
    connection = client._connection

    async def run():
        async with Client(connection.address, token=connection.token, asynchronous=True, set_as_default=False) as other:
            frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=1, client=other)
            future = other.compute(frame.a.sum())
            return await future, await other.gather([future, other.submit(inc, 1)])

    assert asyncio.run(run()) == (3, [3, 2])


def test_sync_runs_a_coroutine_in_which_results_are_awaited(client):
    async def total(count):
        first = await client.submit(inc, 1)
        parts = await asyncio.gather(*(client.submit(inc, number).result() for number in range(count)))
        return first + sum(await client.gather(client.map(inc, parts)))

    assert client.sync(total, 3) == 2 + 2 + 3 + 4
    assert not client.asynchronous

    async def cell():
        # As in a notebook.
        return client.sync(total, count=3)

    assert asyncio.run(cell()) == 11
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        client.sync(asyncio.sleep, 60, callback_timeout="10ms")


def test_asyncio(client):
    connection = client._connection

    async def run():
        async with Client(connection.address, token=connection.token, asynchronous=True, set_as_default=False) as other:
            future = other.submit(inc, 1)
            first = await future
            many = await other.gather(other.map(inc, range(5)))
            with pytest.raises(ValueError, match="in a coroutine"):
                await other.submit(fail, "in a coroutine")
            result = await other.submit(np.ones, 100_000).result()
            scattered = await other.scatter([1, 2])
            sums = await other.gather(other.submit(sum, scattered))
            ended = [one async for one in as_completed(other.map(inc, range(3)))]
            await wait(ended)
            return first, many, result.sum(), sums, len(ended)

    assert asyncio.run(run()) == (2, [1, 2, 3, 4, 5], 100_000, 3, 3)


def test_coroutine_functions(client):
    async def later(x):
        await asyncio.sleep(0)
        return x + 1

    assert client.submit(later, 1).result(LONG_S) == 2


# Processes that die.


@pytest.mark.parametrize("function", [exit_hard, crash])
def test_a_process_that_dies_is_an_error_after_its_tries(client, tmp_path, function):
    path = tmp_path / "tries"
    future = client.submit(function, str(path))
    others = client.map(inc, range(20))
    with pytest.raises(KilledWorker):
        future.result(LONG_S)
    assert client.gather(others) == list(range(1, 21))
    assert len(path.read_text().splitlines()) > 1
    assert len(client.nthreads()) == 2


def test_calls_run_in_two_processes(client, tmp_path):
    # Each waits for the other one.
    def meet(mine, other):
        with open(mine, "w"):
            pass
        wait_for(other)
        return process()

    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    assert len(set(client.gather([client.submit(meet, one, other), client.submit(meet, other, one)]))) == 2


def test_what_a_function_prints_does_not_disturb(client):
    def shout():
        for _ in range(20_000):
            print("x" * 100)
        return 5

    assert client.submit(shout).result(LONG_S) == 5


# Restrictions.


@pytest.fixture(scope="module")
def special(client):
    """The name of a third worker that has a resource."""
    from partita._binary import find_program

    connection = client._connection
    process = subprocess.Popen(
        [
            find_program(),
            "worker",
            connection.address,
            *["--name", "special", "--nthreads", "2", "--resources", "GPU=2"],
        ],
        env={**os.environ, "PARTITA_TOKEN": connection.token, "PARTITA_LOG": "error"},
    )
    client.wait_for_workers(3)
    yield "special"
    process.terminate()
    process.wait(BOUND_S)
    until(lambda: len(client.nthreads()) == 2, "the worker to leave")


def test_a_call_runs_on_a_named_worker(client, special):
    parents = set(client.gather(client.map(parent_process, range(10), workers=special)))
    assert len(parents) == 1


def test_a_call_runs_on_a_worker_by_its_address(client, special):
    first, second, _ = client.nthreads()
    one = client.gather(client.map(parent_process, range(4), workers=[first], pure=False))
    other = client.gather(client.map(parent_process, range(4), workers=second, pure=False))
    assert len(set(one)) == len(set(other)) == 1 and set(one) != set(other)


def test_a_call_for_an_unknown_worker_waits_until_it_is_cancelled(client):
    future = client.submit(inc, 1, workers="nobody", pure=False)
    assert client.submit(inc, 2).result(LONG_S) == 3
    assert future.status == "pending"
    future.cancel()
    with pytest.raises(Cancelled):
        future.result(LONG_S)


def test_other_workers_may_be_allowed(client):
    assert client.submit(inc, 1, workers="nobody", allow_other_workers=True, pure=False).result(LONG_S) == 2


def test_a_resource_selects_the_worker(client, special):
    there = client.submit(parent_process, workers=special).result(LONG_S)
    futures = client.map(parent_process, range(6), resources={"GPU": 1})
    assert set(client.gather(futures)) == {there}


def test_a_resource_limits_the_calls_at_once(client, special, tmp_path):
    def only_one(folder):
        path = os.path.join(folder, "running")
        with open(path, "x"):
            pass
        time.sleep(0.01)
        os.remove(path)
        return 1

    futures = client.map(only_one, [str(tmp_path)] * 6, resources={"GPU": 2}, pure=False)
    assert client.gather(futures) == [1] * 6


def test_calls_that_the_scheduler_refuses_fail_and_others_run(client):
    before = client.submit(bytes, 70_000)
    wait(before, LONG_S)
    with pytest.raises(ClusterError, match="the name of a resource"):
        client.submit(inc, 1, resources={"": 1}).result(LONG_S)
    assert client.gather(client.map(inc, range(10))) == list(range(1, 11))
    assert len(before.result(LONG_S)) == 70_000


def test_options_of_wrong_types_are_refused(client):
    with pytest.raises(TypeError, match="retries must be"):
        client.submit(inc, 1, retries="many")
    with pytest.raises(ValueError, match="amount of the resource 'GPU'"):
        client.submit(inc, 1, resources={"GPU": -1})
    with pytest.raises(TypeError, match="resources must be"):
        client.submit(inc, 1, resources=["GPU"])
    for priority in (1.5, 2**40, "high"):
        with pytest.raises(TypeError, match="priority must be"):
            client.submit(inc, 1, priority=priority)


def test_calls_of_a_higher_priority_run_first(client, gate, tmp_path):
    """Also those that came later, but for the few that a worker has already."""
    log = tmp_path / "log"

    def wait_for_gate(began, path):
        with open(began, "w"):
            pass
        while not os.path.exists(path):
            time.sleep(0.01)

    def note(word, number):
        with open(log, "a") as file:
            file.write(f"{word}\n")

    worker = next(iter(client.scheduler_info()["workers"]))
    first = client.submit(wait_for_gate, gate.began, gate.path, workers=[worker], pure=False)
    gate.wait_until_running()
    low = client.map(note, ["low"] * 20, range(20), workers=[worker], pure=False, priority=-1)
    usual = client.map(note, ["usual"] * 20, range(20), workers=[worker], pure=False)
    with partita.annotate(priority=7.0):
        high = client.map(note, ["high"] * 20, range(20), workers=[worker], pure=False)
    gate.open()
    wait([first, *low, *usual, *high], LONG_S)
    words = log.read_text().split()
    assert len(words) == 60
    assert set(words[10:15]) == {"high"} and set(words[-10:]) == {"low"}


# Graphs.


def test_a_graph_of_ten_thousand_tasks(default):
    parts = [partita.delayed(inc)(number) for number in range(9_900)]
    sums = [partita.delayed(sum)(parts[first : first + 100]) for first in range(0, 9_900, 100)]
    assert partita.delayed(sum)(sums).compute() == sum(range(1, 9_901))


def test_a_chain_of_delayed_calls(default):
    value = partita.delayed(inc)(0)
    for _ in range(999):
        value = partita.delayed(inc)(value)
    assert value.compute() == 1_000


def test_shared_parts_of_a_graph_run_once(default, tmp_path):
    path = str(tmp_path / "calls")
    shared = partita.delayed(count_call)(path)
    assert partita.compute(shared + 1, shared + 2) == (2, 3)
    assert needs_file(path) == "x\n"


def test_an_error_in_a_graph_is_raised(default):
    with pytest.raises(ValueError, match="deep inside"):
        (partita.delayed(inc)(partita.delayed(fail)("deep inside"))).compute()


def test_a_bag_on_the_cluster(default):
    numbers = bag.from_sequence(range(100), npartitions=7)
    assert numbers.map(inc).filter(lambda x: x % 2).sum().compute() == sum(x for x in range(1, 101) if x % 2)


def test_frames_and_delayed_values_are_computed_together(default):
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2)
    total, values, numbers = partita.compute(frame.a.sum(), partita.delayed(inc)(1), [bag.from_sequence([1, 2]).sum()])
    assert (int(total), values, numbers) == (6, 2, [3])


def test_futures_are_arguments_of_delayed_calls(default):
    assert partita.delayed(add)(default.submit(inc, 1), 5).compute() == 7


def test_get_computes_a_graph_of_dask(client):
    graph = {"a": 1, "b": (inc, "a"), ("c", 0): (sum, ["a", "b", 10])}
    assert client.get(graph, [["b"], ("c", 0)]) == [[2], 13]


def test_get_computes_each_graph_anew(client):
    first = client.get({"a": (inc, 1)}, "a", sync=False)
    assert client.get({"a": (inc, 10)}, "a") == 11
    assert first.result(LONG_S) == 2


def test_collections_of_dask_run_on_the_cluster(client):
    dask = pytest.importorskip("dask")
    array = pytest.importorskip("dask.array")
    dask_bag = pytest.importorskip("dask.bag")
    with dask.config.set(scheduler=client.as_dask_scheduler()):
        data = array.arange(1000, chunks=100)
        assert int((data + 1).sum().compute()) == 500_500
        assert dask_bag.from_sequence(range(10), npartitions=3).map(inc).sum().compute() == 55
        assert dask.delayed(add)(1, dask.delayed(inc)(1)).compute() == 3


# Clients.


def test_two_clients_have_their_own_results(client):
    with another(client) as other:
        mine, theirs = client.map(inc, range(50)), other.map(inc, range(50))
        assert client.gather(mine) == other.gather(theirs)
    assert mine[0].result(LONG_S) == 1


def test_a_client_that_closes_cancels_its_calls(client, gate):
    other = another(client)
    future = other.submit(touch_and_wait, gate.began, gate.path)
    gate.wait_until_running()
    other.close()
    with pytest.raises(Cancelled, match="closed"):
        future.result(LONG_S)
    # Its slot is free.
    assert client.gather(client.map(inc, range(10))) == list(range(1, 11))


def test_a_client_that_closes_ends_waiting_iterations(client, gate):
    other = another(client)
    ended = as_completed([other.submit(touch_and_wait, gate.began, gate.path)])
    gate.wait_until_running()
    other.close()
    assert [future.status for future in ended] == ["cancelled"]


def test_a_closed_client_refuses_calls(client):
    other = another(client)
    other.submit(inc, 1).result(LONG_S)
    other.close()
    with pytest.raises(ClusterError, match="closed"):
        other.submit(inc, 2)


def test_a_cluster_that_ends_fails_the_calls():
    cluster = LocalCluster(n_workers=1, threads_per_worker=1)
    client = Client(cluster, set_as_default=False)
    assert client.submit(inc, 1).result(LONG_S) == 2
    future = client.submit(inc, 1, workers="nobody", pure=False)
    cluster.close()
    with pytest.raises((ClusterError, Cancelled)):
        future.result(LONG_S)
    client.close()


def test_calls_from_many_threads(client):
    found = [None] * 8

    def work(number):
        found[number] = client.gather([client.submit(inc, number * 100 + one) for one in range(30)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[number * 100 + one + 1 for one in range(30)] for number in range(8)]


def test_a_future_cannot_be_pickled_elsewhere(client):
    import pickle

    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client.submit(inc, 1))


def test_futures_show_their_state(client, gate):
    future = client.submit(wait_for, gate.path, 5)
    assert "pending" in repr(future) and future.key in repr(future)
    gate.open()
    wait(future, LONG_S)
    assert "finished, type: int" in repr(future)


# Workers that are lost, and memory.


def test_a_large_scattered_value_that_is_lost_is_an_error():
    """Calls that need it fail with an error that says what to do, instead of waiting for it."""
    cluster = LocalCluster(n_workers=2, threads_per_worker=1)
    with cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        future = client.scatter(np.zeros(1 << 20))
        (holder,) = client.who_has([future])[future.key]
        (pid,) = [row["pid"] for row in client._workers() if f"tcp://{row['address']}" == holder]
        os.kill(pid, signal.SIGKILL)
        until(lambda: future.status == "error", "the loss to be noticed")
        with pytest.raises(KilledWorker, match="scatter it again"):
            client.submit(len, future).result(LONG_S)
        assert client.submit(len, client.scatter(np.zeros(1 << 20))).result(LONG_S) == 1 << 20


def test_a_call_that_runs_out_of_memory_runs_once_more_alone():
    """Two calls that fit only one after the other both end well."""
    cluster = LocalCluster(n_workers=1, threads_per_worker=2, memory_limit="700MiB")
    with cluster, Client(cluster, set_as_default=False) as client:
        futures = client.map(fill_memory, [400] * 2, pure=False)
        assert client.gather(futures) == [400] * 2
        with pytest.raises(MemoryError, match="its limit of 700 MiB"):
            client.submit(fill_memory, 2000).result(LONG_S)
