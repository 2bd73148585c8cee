"""Actors: objects in a process of a worker whose methods clients and functions call."""

import asyncio
import gc
import os
import threading
import uuid

import pytest
from coordination_samples import Broken, Counter, Meeting, Ring, inc, increment_many, read_n
from polling import until

from partita import ClusterError, _actor_server
from partita.distributed import Actor, ActorFuture, BaseActorFuture, Client, Event, Lock, Queue, as_completed, wait

pytest.importorskip("cloudpickle")

#: Time that nothing in these tests takes, in seconds.
LONG_S = 60


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=2, threads_per_worker=1) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture
def counter(client):
    return client.submit(Counter, actor=True).result(LONG_S)


def test_methods_change_the_state(client):
    future = client.submit(Counter, 10, actor=True)
    counter = future.result(LONG_S)
    assert isinstance(counter, Actor) and "Counter" in repr(counter) and counter.key == future.key
    one, two = counter.increment(), counter.increment(by=5)
    assert isinstance(one, ActorFuture)
    assert (one.result(LONG_S), two.result(LONG_S)) == (11, 16) and one.done()


def test_attributes_are_read(counter):
    counter.increment().result(LONG_S)
    assert counter.n == 1 and counter.step == 1
    with pytest.raises(AttributeError, match="nothing"):
        _ = counter.nothing


def test_calls_run_in_their_order(counter):
    assert [one.result(LONG_S) for one in [counter.increment() for _ in range(300)]] == list(range(1, 301))


def test_an_actor_does_not_use_a_slot(client):
    actors = [one.result(LONG_S) for one in client.map(Counter, range(4), actor=True)]
    assert client.submit(inc, 1, pure=False).result(LONG_S) == 2
    assert [one.increment().result(LONG_S) for one in actors] == [1, 2, 3, 4]


def test_exceptions_come_back(counter):
    with pytest.raises(LookupError, match="missing") as caught:
        counter.fail("missing").result(LONG_S)
    assert "coordination_samples" in str(caught.traceback[-1].path)
    assert counter.increment().result(LONG_S) == 1


def test_a_result_that_cannot_be_pickled_is_an_error(counter):
    with pytest.raises(TypeError, match="pickle"):
        counter.return_unpicklable().result(LONG_S)


def test_an_exception_of_the_constructor(client):
    future = client.submit(Broken, actor=True)
    with pytest.raises(ValueError, match="broken"):
        future.result(LONG_S)
    assert future.status == "error"


def test_the_future_of_an_actor_is_like_others(client):
    futures = client.map(Counter, range(3), actor=True)
    assert set(as_completed(futures)) == set(futures)
    assert all(isinstance(one, Actor) for one in client.gather(futures))
    assert wait(futures, LONG_S).not_done == set()


def test_actors_of_classes_of_a_script(client):
    class Local:
        def __init__(self, future):
            self.value = future

        def get(self):
            return self.value

    actor = client.submit(Local, client.submit(inc, 1), actor=True).result(LONG_S)
    assert actor.get().result(LONG_S) == 2


def test_functions_call_actors(client, counter):
    assert client.submit(increment_many, counter, 5).result(LONG_S) == [1, 2, 3, 4, 5]
    assert counter.n == 5


def test_the_future_of_an_actor_is_an_argument(client):
    future = client.submit(Counter, 3, actor=True)
    assert client.submit(increment_many, future, 2).result(LONG_S) == [4, 5]


def test_handles_go_to_other_clients(client, counter):
    name = f"actor-{uuid.uuid4().hex}"
    with Client(client._connection.address, token=client._connection.token, set_as_default=False) as other:
        Queue(name, client).put(counter)
        theirs = Queue(name, other).get(timeout=LONG_S)
        assert theirs == counter
        assert theirs.increment().result(LONG_S) == 1 and counter.increment().result(LONG_S) == 2


def test_large_arguments_and_results(counter):
    assert len(counter.zeros(5 << 20).result(LONG_S)) == 5 << 20
    assert counter.length(b"x" * (20 << 20)).result(LONG_S) == 20 << 20


def test_futures_are_arguments_of_methods(client, counter):
    future = client.submit(inc, 10, pure=False)
    assert counter.read(future).result(LONG_S) == 11


def test_an_actor_calls_itself(client, counter):
    assert counter.own_increment(counter).result(LONG_S) == 1


def make_rings(client, count):
    return [one.result(LONG_S) for one in [client.submit(Ring, actor=True, pure=False) for _ in range(count)]]


def test_actors_call_each_other_in_a_circle(client):
    one, two, three = make_rings(client, 3)
    assert one.pass_on([two, three, one, two], "x").result(LONG_S) == 4 + 3 + 2 + 1
    assert one.calls == ["x begins", "x begins", "x ends", "x ends"]
    assert two.calls == ["x begins", "x begins", "x ends", "x ends"]


def test_an_attribute_is_read_while_a_method_waits_for_the_reader(client):
    one, two = make_rings(client, 2)
    assert one.read_of(two).result(LONG_S) == 0


def test_other_calls_wait_until_a_method_has_ended(client):
    one, two = make_rings(client, 2)
    name = f"actor-{uuid.uuid4().hex}"
    first = one.wait_and_note(two, name, "first")
    # More than are fetched ahead, so that some are served after the wait.
    others = [one.note(number) for number in range(40)]
    assert not any(other.done() for other in others)
    Event(name, client).set()
    first.result(LONG_S)
    assert [other.result(LONG_S) for other in others] == [None] * 40
    assert one.calls == ["first", *range(40)]


def test_a_method_that_waits_for_another_actor_times_out(client):
    (two,) = make_rings(client, 1)

    class Impatient:
        def call(self, other, name):
            try:
                other.wait_for(name).result(timeout=0.1)
            except TimeoutError:
                return "timed out"
            return "answered"

    impatient = client.submit(Impatient, actor=True).result(LONG_S)
    name = f"actor-{uuid.uuid4().hex}"
    assert impatient.call(two, name).result(LONG_S) == "timed out"
    Event(name, client).set()
    assert impatient.call(two, name).result(LONG_S) == "answered"


def test_an_answer_of_another_actor_comes_within_a_short_timeout(client, counter):
    class Hasty:
        def increment(self, other):
            # A busy machine takes longer than the time that programs are given.
            _actor_server.ANSWER_WAIT_MIN_S = LONG_S
            return other.increment().result(timeout=0.001)

    hasty = client.submit(Hasty, actor=True).result(LONG_S)
    assert hasty.increment(counter).result(LONG_S) == 1


def test_dir_has_the_attributes_of_the_instance(counter):
    assert {"n", "step", "increment"} <= set(dir(counter))


def test_calls_are_taken_as_they_end(client, counter):
    calls = [counter.increment() for _ in range(5)]
    assert all(isinstance(call, BaseActorFuture) for call in calls)
    assert sorted(call.result(LONG_S) for call in as_completed(calls)) == [1, 2, 3, 4, 5]
    failed = counter.fail("missing")
    (found,) = as_completed([failed], with_results=True, raise_errors=False)
    assert found[0] is failed and found[1][0] is LookupError


def test_callbacks_of_calls_are_called(counter):
    ended = threading.Event()
    call = counter.increment()
    call.add_done_callback(lambda one: ended.set() if one is call else None)
    assert ended.wait(LONG_S)
    assert counter.increment().exception(LONG_S) is None
    assert isinstance(counter.fail("x").exception(LONG_S), LookupError)


def test_asynchronous_methods_wait_for_one_another(client):
    meeting = client.submit(Meeting, actor=True).result(LONG_S)
    waiting = meeting.wait()
    meeting.come().result(LONG_S)
    assert waiting.result(LONG_S) == "met"
    with pytest.raises(KeyError, match="async"):
        meeting.fail().result(LONG_S)


def test_results_are_awaited(client):
    async def run():
        address, token = client._connection.address, client._connection.token
        async with Client(address, token=token, asynchronous=True, set_as_default=False) as other:
            counter = await other.submit(Counter, actor=True)
            await counter.increment()
            return await counter.increment(), await counter.n

    assert asyncio.run(run()) == (2, 2)


def test_a_call_times_out(client, counter):
    name = f"actor-{uuid.uuid4().hex}"
    waiting = counter.wait(name)
    with pytest.raises(TimeoutError, match=r"Counter\.wait"):
        waiting.result(timeout=0.05)
    Event(name, client).set()
    assert waiting.result(LONG_S) == "waited"


def test_a_dead_process_is_an_error_and_not_a_new_actor(client, counter):
    counter.increment().result(LONG_S)
    calls = [counter.die(), counter.increment()]
    for call in calls:
        with pytest.raises(ClusterError, match="lost"):
            call.result(LONG_S)
    with pytest.raises(ClusterError, match="lost"):
        counter.increment().result(LONG_S)
    with pytest.raises(ClusterError, match="lost"):
        _ = counter.n


def test_functions_see_that_an_actor_is_lost(client, counter):
    with pytest.raises(ClusterError):
        counter.die().result(LONG_S)
    with pytest.raises(ClusterError, match="lost"):
        client.submit(read_n, counter).result(LONG_S)


def test_a_lost_worker_is_an_error(client):
    with Client(n_workers=1, threads_per_worker=1, set_as_default=False) as other:
        counter = other.submit(Counter, actor=True).result(LONG_S)
        waiting = counter.wait("never")
        (row,) = other._workers()
        os.kill(row["pid"], 9)
        with pytest.raises(ClusterError, match="lost"):
            waiting.result(LONG_S)


def test_an_actor_ends_with_its_last_reference(client):
    name = f"actor-{uuid.uuid4().hex}"

    class Ending:
        def __init__(self):
            self.lock = Lock(name)
            self.lock.acquire()

    actor = client.submit(Ending, actor=True).result(LONG_S)
    assert Lock(name, client).locked()
    del actor
    gc.collect()
    until(lambda: not Lock(name, client).locked(), "the actor to end")


def test_a_cancelled_actor_is_an_error(client):
    future = client.submit(Counter, actor=True)
    counter = future.result(LONG_S)
    future.cancel()
    wait(counter._core.serving, LONG_S)

    def is_lost():
        # It may still answer while its worker is told.
        try:
            counter.increment().result(LONG_S)
        except ClusterError as error:
            return "lost" in str(error)
        return False

    until(is_lost, "the end of the actor")
