"""Locks, semaphores, events, queues, variables, metadata, topics and datasets that clients and functions share."""

import asyncio
import gc
import os
import signal
import threading
import uuid

import pytest
from coordination_samples import (
    add_line,
    echo,
    inc,
    lock_and_forget,
    lock_and_wait,
    lock_async,
    put_future,
    take_future,
    wait_for_event,
    wait_then,
)
from polling import until

import partita
from partita import ClusterError
from partita.distributed import Client, Event, Lock, MultiLock, Queue, Semaphore, Variable, wait

pytest.importorskip("cloudpickle")

#: Time that nothing in these tests takes, in seconds.
LONG_S = 60
#: Time to see that something does not happen, in seconds.
SHORT_S = 0.1


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=2, threads_per_worker=1) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture
def other(client):
    """Another client of the same cluster."""
    with Client(client._connection.address, token=client._connection.token, set_as_default=False) as other:
        yield other


@pytest.fixture
def name():
    return f"name-{uuid.uuid4().hex}"


# Locks.


def test_a_lock_excludes_other_clients(client, other, name):
    mine, theirs = Lock(name, client), Lock(name, other)
    assert mine.acquire() and theirs.locked()
    assert not theirs.acquire(timeout=SHORT_S) and not theirs.acquire(blocking=False)
    assert mine.release() is True
    assert theirs.acquire(timeout=LONG_S) and theirs.release()


def test_a_lock_excludes_functions(client, name, tmp_path):
    path = tmp_path / "number"
    path.write_text("0")
    client.gather([client.submit(add_line, Lock(name), str(path), pure=False) for _ in range(20)])
    assert path.read_text() == "20"


def test_a_lock_is_released_by_an_exception(client, name):
    with pytest.raises(ValueError, match="inside"), Lock(name, client):
        raise ValueError("inside")
    assert not Lock(name, client).locked()


def test_a_lock_is_released_when_its_object_is_gone(client, other, name):
    Lock(name, client).acquire()
    gc.collect()
    assert Lock(name, other).acquire(timeout=LONG_S)


def test_a_lock_is_released_when_a_function_forgets_it(client, name):
    client.submit(lock_and_forget, name).result(LONG_S)
    assert Lock(name, client).acquire(timeout=LONG_S)


def test_a_lock_is_released_when_its_client_closes(client, name):
    with Client(client._connection.address, token=client._connection.token, set_as_default=False) as third:
        lock = Lock(name, third)
        lock.acquire()
    assert Lock(name, client).acquire(timeout=LONG_S)


def test_a_lock_is_released_when_its_function_is_cancelled(client, name):
    future = client.submit(lock_and_wait, name, f"{name}-event")
    assert Event(f"{name}-event-began").wait(LONG_S)
    future.cancel()
    assert Lock(name, client).acquire(timeout=LONG_S)


def test_only_the_object_that_acquired_a_lock_releases_it(client, name):
    mine = Lock(name, client)
    mine.acquire()
    with pytest.raises(RuntimeError, match=r"Released too often.*not acquired"):
        Lock(name, client).release()
    mine.release()


def test_locks_refuse_a_timeout_without_waiting(client, name):
    with pytest.raises(ValueError, match="blocking"):
        Lock(name, client).acquire(blocking=False, timeout=1)


def test_a_lock_waits_for_an_interrupted_one_no_longer(client, other, name):
    lock = Lock(name, client)
    lock.acquire()
    request = other._coordinator.start("acquire", names=[name], need=1, max=1, lease=name, timeout=None)
    request.withdraw()
    until(request.done.done, "the withdrawn request")
    lock.release()
    assert Lock(name, client).acquire(timeout=LONG_S)


def test_an_interrupted_acquire_takes_nothing(client, other, name):
    lock = Lock(name, client)
    lock.acquire()
    timer = threading.Timer(SHORT_S, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    # A test run in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        Lock(name, other).acquire()
    timer.join()
    signal.signal(signal.SIGINT, before)
    lock.release()
    assert lock.acquire(timeout=LONG_S) and lock.release()


def test_locks_are_awaited(client, name):
    async def run():
        address, token = client._connection.address, client._connection.token
        async with Client(address, token=token, asynchronous=True, set_as_default=False) as other:
            lock = Lock(name, other)
            assert await lock.acquire()
            assert not await Lock(name, other).acquire(timeout=SHORT_S)
            await lock.release()
            async with lock:
                return await lock.locked()

    assert asyncio.run(run())


def test_locks_are_awaited_in_async_functions(client, name):
    assert client.submit(lock_async, name).result(LONG_S)


def test_a_multilock_takes_all_or_nothing(client, other, name):
    first = MultiLock([f"{name}-a", f"{name}-b"], client)
    second = MultiLock([f"{name}-b", f"{name}-c"], other)
    third = MultiLock([f"{name}-c"], other)
    with first:
        assert first.locked() and not second.acquire(timeout=SHORT_S)
        # The waiting one did not keep a part.
        assert third.acquire(timeout=LONG_S)
    assert not second.acquire(timeout=SHORT_S)
    third.release()
    assert second.acquire(timeout=LONG_S) and second.release()


def test_a_multilock_takes_as_many_as_wanted(client, other, name):
    names = [f"{name}-{number}" for number in range(3)]
    with MultiLock(names[:1], client):
        lock = MultiLock(names, other)
        assert lock.acquire(num_locks=2, timeout=LONG_S)
        assert not MultiLock(names[1:], client).acquire(num_locks=1, timeout=SHORT_S)
        lock.release()
    with pytest.raises(ValueError, match="not acquired"):
        lock.release()


def test_a_multilock_waits_behind_one_that_waits_for_more(client, other, name):
    names = [f"{name}-a", f"{name}-b"]
    first, both, last = MultiLock(names[:1], client), MultiLock(names, other), MultiLock(names[1:], client)
    first.acquire()
    waiting = threading.Thread(target=both.acquire)
    waiting.start()
    # It has the turns of both locks as soon as nobody else gets the second one.
    until(lambda: not is_taken_and_released(MultiLock(names[1:], client)), "the other one to wait")
    assert not last.acquire(timeout=SHORT_S)
    first.release()
    waiting.join(LONG_S)
    assert both.locked()
    both.release()
    assert last.acquire(timeout=LONG_S)
    last.release()


def is_taken_and_released(lock):
    return lock.acquire(blocking=False) and bool(lock.release())


def test_a_multilock_can_be_taken_again_at_once(client, name):
    for _ in range(20):
        lock = MultiLock([f"{name}-a", f"{name}-b"], client)
        assert lock.acquire(blocking=False)
        lock.release()


def test_names_need_not_be_strings(client, other, name):
    for given in [7, (name, 1), b"x", [name, "y"]]:
        lock = Lock(given, client)
        assert lock.name == given
        with lock:
            assert Lock(given, other).locked()
    queue = Queue((name, 1), client)
    queue.put("value")
    assert Queue((name, 1), other).get(timeout=LONG_S) == "value"
    Variable((name, 1), client).set(1)
    assert Variable((name, 1), other).get(timeout=LONG_S) == 1
    assert not Event(str((name, 1)), client).is_set()
    with pytest.raises(TypeError, match="a name must be a string"):
        Lock(object(), client)


def test_a_number_is_another_name_than_its_text(client):
    with Lock(41, client):
        assert not Lock("41", client).locked()


def test_locks_of_one_name_have_ids_of_their_own(client, name):
    assert Lock(name, client).id != Lock(name, client).id


def test_a_forgotten_lease_lasts_for_a_while(client, name, monkeypatch):
    monkeypatch.setattr(Semaphore, "_lease_s", 2.0)
    forgotten = Semaphore(1, name, client=client)
    assert forgotten.acquire()
    del forgotten
    gc.collect()
    semaphore = Semaphore(1, name, client=client)
    assert not semaphore.acquire(timeout=0)
    assert semaphore.acquire(timeout=LONG_S) and semaphore.release()


def test_a_semaphore_has_a_number_of_leases(client, other, name):
    mine, theirs = Semaphore(2, name, client=client), Semaphore(2, name, client=other)
    assert mine.acquire() and theirs.acquire() and mine.get_value() == 2
    assert not mine.acquire(timeout=SHORT_S)
    theirs.release()
    with mine:
        assert theirs.get_value() == 2
    mine.release()
    assert theirs.get_value() == 0


def test_semaphores_of_one_name_have_one_size(client, name):
    with Semaphore(2, name, client=client), pytest.raises(ValueError, match="max_leases=2"):
        Semaphore(3, name, client=client).acquire()


def test_those_who_wait_for_a_closed_semaphore_get_an_error(client, other, name):
    semaphore = Semaphore(1, name, client=client)
    semaphore.acquire()
    failed = []

    def acquire():
        try:
            Semaphore(1, name, client=other).acquire()
        except RuntimeError as error:
            failed.append(error)

    thread = threading.Thread(target=acquire)
    thread.start()
    until(lambda: other._coordinator._stream and other._coordinator._stream.pending, "the request")
    until(lambda: Semaphore(1, name, client=other).get_value() == 1, "the request to arrive")
    semaphore.close()
    thread.join(LONG_S)
    assert len(failed) == 1


# Events, queues and variables.


def test_an_event_wakes_functions(client, name):
    event = Event(name, client)
    futures = [client.submit(wait_for_event, name, pure=False) for _ in range(2)]
    assert not event.is_set()
    event.set()
    assert client.gather(futures) == [True, True] and event.is_set()
    event.clear()
    assert not event.is_set() and not event.wait(SHORT_S)


def test_a_queue_connects_clients_and_functions(client, other, name):
    there, back = Queue(f"{name}-there"), Queue(f"{name}-back")
    future = client.submit(echo, there, back)
    Queue(there.name, other).put({"nested": [1, (2, None)], "bytes": b"x"})
    assert back.get(timeout=LONG_S) == {"nested": [1, (2, None)], "bytes": b"x"}
    future.result(LONG_S)


def test_a_queue_keeps_the_order(client, name):
    queue = Queue(name, client)
    for number in range(5):
        queue.put(number)
    assert queue.qsize() == 5
    assert queue.get(batch=2) == [0, 1] and queue.get() == 2 and queue.get(batch=True) == [3, 4]
    assert queue.get(batch=True) == []


def test_a_full_queue_waits(client, other, name):
    queue = Queue(name, client, maxsize=1)
    queue.put(1)
    with pytest.raises(TimeoutError):
        queue.put(2, timeout=SHORT_S)
    threading.Timer(SHORT_S, Queue(name, other).get).start()
    queue.put(3, timeout=LONG_S)
    assert queue.get() == 3


def test_an_empty_queue_times_out(client, name):
    with pytest.raises(TimeoutError):
        Queue(name, client).get(timeout=SHORT_S)


def test_a_cancelled_get_takes_nothing(client, name):
    async def run():
        address, token = client._connection.address, client._connection.token
        async with Client(address, token=token, asynchronous=True, set_as_default=False) as other:
            queue = await Queue(name, other)
            task = asyncio.create_task(queue.get())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await queue.put(1)
            return await queue.get(timeout=LONG_S)

    assert asyncio.run(run()) == 1


def test_an_answer_that_nobody_takes_is_put_back(client, name):
    queue = Queue(name, client)
    for number in range(3):
        queue.put(number)
    request = next(iter_steps(queue))
    until(request.done.done, "the answer")
    request.withdraw()
    until(lambda: queue.qsize() == 3, "the value to be put back")
    assert sorted(queue.get(batch=True)) == [0, 1, 2]


def iter_steps(queue):
    from partita._shared_values import _put_back

    undo = _put_back(queue.client._coordinator, queue.name)
    yield queue._start("queue", name=queue.name, do="get", timeout=None, batch=None, undo=undo)


def test_a_variable_has_the_last_value(client, other, name):
    variable = Variable(name, client)
    with pytest.raises(TimeoutError):
        variable.get(timeout=SHORT_S)
    variable.set([1])
    Variable(name, other).set([2])
    assert variable.get() == [2]
    variable.delete()
    with pytest.raises(TimeoutError):
        variable.get(timeout=SHORT_S)


def test_large_values_are_refused(client, name):
    with pytest.raises(ClusterError, match="MiB"):
        Variable(name, client).set(b"x" * (17 << 20))


def test_shared_objects_travel_by_their_name(client, name):
    queue = Queue(f"{name}-objects", client)
    queue.put([Lock(name, client), Event(name, client)])
    lock, event = queue.get(timeout=LONG_S)
    assert lock.name == name and event.name == name and not lock.locked()


def test_names_are_random(client):
    assert Lock(client=client).name != Lock(client=client).name
    assert Queue(client=client).qsize() == 0


def test_shared_objects_need_a_client(client):
    from partita import _client

    lock = Lock("nobody")
    with _client._lock:
        _client._current = None
    try:
        with pytest.raises(RuntimeError, match="no client"):
            lock.acquire()
    finally:
        client.as_current()


def test_a_closed_client_refuses(client, name):
    third = Client(client._connection.address, token=client._connection.token, set_as_default=False)
    variable = Variable(name, third)
    variable.set(1)
    third.close()
    with pytest.raises(ClusterError, match="closed"):
        variable.get()


def test_the_end_of_the_scheduler_is_an_error(name):
    third = Client(n_workers=1, threads_per_worker=1, set_as_default=False)
    failed = []

    def wait_for_lock():
        try:
            Event(name, third).wait()
        except ClusterError as error:
            failed.append(str(error))

    Event(name, third).is_set()
    thread = threading.Thread(target=wait_for_lock)
    thread.start()
    until(lambda: third._coordinator._stream.pending, "the request")
    third._own.close()
    thread.join(LONG_S)
    assert len(failed) == 1
    third.close()


# Futures of other clients.


def test_a_future_goes_to_another_client(client, other, name):
    Variable(name, client).set({"futures": [client.submit(inc, 1, pure=False)]})
    (future,) = Variable(name, other).get(timeout=LONG_S)["futures"]
    assert future.result(LONG_S) == 2 and future.done() and future.status == "finished"
    assert other.gather([future]) == [2]


def test_a_future_is_pending_at_another_client_until_it_ends(client, other, name):
    Queue(name, client).put(client.submit(wait_then, f"{name}-go", 5))
    future = Queue(name, other).get(timeout=LONG_S)
    assert future.status == "pending"
    Event(f"{name}-go", client).set()
    assert future.result(LONG_S) == 5


def test_the_future_of_another_client_is_an_argument(client, other, name):
    Queue(name, client).put(client.submit(inc, 10, pure=False))
    future = Queue(name, other).get(timeout=LONG_S)
    assert other.submit(inc, future).result(LONG_S) == 12
    assert other.submit(sum, [future, future]).result(LONG_S) == 22


def test_a_large_result_of_another_client_is_an_argument(client, other, name):
    Queue(name, client).put(client.submit(bytes, 200_000, pure=False))
    future = Queue(name, other).get(timeout=LONG_S)
    assert other.submit(len, future).result(LONG_S) == 200_000
    assert len(future.result(LONG_S)) == 200_000


def test_a_future_of_another_client_need_not_have_ended_to_be_an_argument(client, other, name):
    Queue(name, client).put(client.submit(wait_then, f"{name}-go", 5))
    future = Queue(name, other).get(timeout=LONG_S)
    total = other.submit(inc, future)
    Event(f"{name}-go", client).set()
    assert total.result(LONG_S) == 6


def test_the_exception_of_another_client_is_raised(client, other, name):
    Queue(name, client).put(client.submit(int, "x", pure=False))
    future = Queue(name, other).get(timeout=LONG_S)
    with pytest.raises(ValueError, match="'x'"):
        future.result(LONG_S)
    with pytest.raises(ValueError, match="'x'"):
        other.submit(inc, future).result(LONG_S)


def test_a_result_stays_while_a_variable_has_it(client, other, name):
    Variable(name, client).set(client.submit(inc, 5, pure=False))
    gc.collect()
    assert Variable(name, other).get(timeout=LONG_S).result(LONG_S) == 6


def test_a_result_stays_with_the_client_that_took_it(client, name):
    with Client(client._connection.address, token=client._connection.token, set_as_default=False) as third:
        Queue(name, third).put(third.submit(inc, 7, pure=False))
        future = Queue(name, client).get(timeout=LONG_S)
        wait([future], LONG_S)
    assert future.result(LONG_S) == 8


def test_a_future_comes_back_to_its_own_client(client, name):
    queue, future = Queue(name, client), client.submit(inc, 20, pure=False)
    queue.put(future)
    assert queue.get(timeout=LONG_S) == future
    queue.put(future)
    del future
    gc.collect()
    assert client.submit(inc, queue.get(timeout=LONG_S)).result(LONG_S) == 22


def test_a_function_takes_a_future(client, name):
    Variable(name, client).set(client.submit(inc, 30, pure=False))
    assert client.submit(take_future, name).result(LONG_S) == 31


def test_a_client_takes_the_future_of_a_function(client, name):
    running = client.submit(put_future, name, 40)
    future = Queue(name, client).get(timeout=LONG_S)
    Event(f"{name}-taken", client).set()
    running.result(LONG_S)
    assert future.result(LONG_S) == 41


def test_only_its_own_client_cancels_a_future(client, other, name):
    Queue(name, client).put(client.submit(wait_then, f"{name}-go", 5))
    future = Queue(name, other).get(timeout=LONG_S)
    with pytest.raises(ValueError, match="another client"):
        future.cancel()
    Event(f"{name}-go", client).set()


def test_delayed_values_go_to_other_clients(client, other, name):
    Variable(name, client).set(partita.delayed(inc)(1))
    assert other.compute(Variable(name, other).get(timeout=LONG_S), sync=True) == 2


def test_the_state_of_a_shared_future_is_known_at_once(client, other, name):
    ended = client.submit(inc, 1, pure=False)
    failed = client.submit(inc, "x", pure=False)
    wait([ended, failed], LONG_S)
    queue = Queue(name, client)
    for future in (ended, failed):
        queue.put([future])
        Variable(name, client).set(future)
        assert [one.status for one in Queue(name, other).get(timeout=LONG_S)] == [future.status]
        assert Variable(name, other).get(timeout=LONG_S).status == future.status


# Metadata and topics.


def test_metadata_is_shared(client, other, name):
    client.set_metadata(name, {"a": 1, "b": {"c": [2]}})
    assert other.get_metadata(name) == {"a": 1, "b": {"c": [2]}}
    assert other.get_metadata([name, "b", "c"]) == [2]


def test_metadata_changes_at_a_path(client, name):
    client.set_metadata(name, {"a": 1, "b": 2})
    client.set_metadata([name, "a"], {"x": {}})
    assert client.get_metadata(name) == {"a": {"x": {}}, "b": 2}
    client.set_metadata([name, "b", "y"], 3)
    assert client.get_metadata([name, "b"]) == {"y": 3}
    client.set_metadata(name, 4)
    assert client.get_metadata(name) == 4


def test_missing_metadata(client, name):
    with pytest.raises(KeyError, match=name):
        client.get_metadata([name, "x"])
    assert client.get_metadata(name, default=5) == 5


def test_events_are_kept_by_topic(client, other, name):
    client.log_event(name, {"a": 1})
    client.log_event([name, f"{name}-2"], "b")
    first, second = other.get_events(name)
    assert first[1] == {"a": 1} and second[1] == "b" and first[0] <= second[0]
    assert [message for _, message in client.get_events()[f"{name}-2"]] == ["b"]
    assert client.get_events(f"{name}-3") == ()


def test_events_reach_those_who_follow(client, other, name):
    heard = []
    other.subscribe_topic(name, heard.append)
    client.log_event(name, [1])
    until(lambda: heard, "the event")
    assert heard[0][1] == [1]
    other.unsubscribe_topic(name)
    client.log_event(name, [2])
    client.log_event(name, [3])
    other.get_events(name)
    assert len(heard) == 1
    with pytest.raises(ValueError, match="no handler"):
        other.unsubscribe_topic(name)


def test_handlers_may_be_coroutine_functions(client, name):
    heard = []

    async def handle(event):
        await asyncio.sleep(0)
        heard.append(event[1])

    client.subscribe_topic(name, handle)
    client.log_event(name, 1)
    until(lambda: heard == [1], "the event")
    client.unsubscribe_topic(name)


# Processes.


def test_a_forked_process_gets_a_clear_error(client, name):
    Event(name, client).set()
    read, written = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = f"set: {Event(name, client).is_set()}"
        except ClusterError as error:
            text = str(error)
        finally:
            os.write(written, text.encode())
            os._exit(0)
    os.close(written)
    with os.fdopen(read, "rb") as file:
        assert b"was forked" in file.read()
    os.waitpid(child, 0)
    assert Event(name, client).is_set()
