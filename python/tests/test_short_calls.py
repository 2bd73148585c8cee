"""Calls that take no time: the workers give a Python process several of them at once."""

import os

import numpy as np
import pytest
from function_samples import touch_and_wait
from partita._errors import KilledWorker
from partita._packing import pack_arguments, pack_plain
from partita.distributed import Client

pytest.importorskip("cloudpickle")

#: Calls of each test: enough that the workers know that they are short.
CALLS = 2_000


def square(number):
    return number**2


def square_unless(number, bad):
    if number == bad:
        raise ValueError(f"no square of {number}")
    return number**2


def square_or_exit(number, bad):
    if number == bad:
        os._exit(3)
    return number**2


def square_or_wait(number, waits, path, began):
    """Wait for a file in some of the calls."""
    return touch_and_wait(began, path) if number in waits else number**2


def add(left, right):
    return left + right


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=1, threads_per_worker=2, set_as_default=False) as client:
        yield client


def test_each_of_many_short_calls_has_its_own_result(client):
    assert client.gather(client.map(square, range(CALLS))) == [number**2 for number in range(CALLS)]


def test_chains_of_short_calls_read_the_right_results(client):
    totals = client.map(square, range(200))
    while len(totals) > 1:
        totals = [
            client.submit(add, *totals[at : at + 2]) if at + 1 < len(totals) else totals[at]
            for at in range(0, len(totals), 2)
        ]
    assert totals[0].result() == sum(number**2 for number in range(200))


def test_an_exception_among_short_calls_is_of_its_call_only(client):
    futures = client.map(square_unless, range(CALLS), bad=777)
    with pytest.raises(ValueError, match="no square of 777"):
        futures[777].result()
    assert client.gather(futures, errors="skip") == [number**2 for number in range(CALLS) if number != 777]


def test_a_process_that_ends_among_short_calls_fails_its_call_only(client):
    futures = client.map(square_or_exit, range(CALLS), bad=1234)
    with pytest.raises(KilledWorker, match="exit code 3"):
        futures[1234].result()
    del futures[1234]
    assert client.gather(futures) == [number**2 for number in range(CALLS) if number != 1234]


def test_a_call_that_turns_out_long_can_be_cancelled_and_the_others_run(client, gate):
    client.gather(client.map(square_or_wait, range(100), waits=(), path=gate.path, began=gate.began))
    futures = client.map(square_or_wait, range(CALLS), waits=(700,), path=gate.path, began=gate.began)
    gate.wait_until_running()
    futures[700].cancel()
    del futures[700]
    assert client.gather(futures) == [number**2 for number in range(CALLS) if number != 700]


@pytest.mark.parametrize(
    "args", [(), (1, 2.5, True, None, 3j), ("text", b"bytes"), ("x" * 2_000,), ([1],), (np.float64(1.5),)]
)
def test_plain_arguments_are_packed_as_all_others(args):
    """Numbers and short texts take a shorter way: equal calls must have equal keys whichever way they take."""
    packed = pack_plain(args, {"limit": 3})
    is_plain = all(type(one) in (int, float, bool, complex, type(None), str, bytes) for one in args)
    assert (packed is not None) == (is_plain and all(len(one) < 2_000 for one in args if isinstance(one, str)))
    if packed is not None:
        assert packed == pack_arguments(args, {"limit": 3}, "f")[0]
