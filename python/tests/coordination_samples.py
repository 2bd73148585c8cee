"""Functions and classes for tests of coordination, which workers import: it imports little."""

import asyncio
import os
import threading
import time

from partita.distributed import (
    Event,
    Lock,
    Queue,
    Variable,
    WorkerPlugin,
    get_client,
    get_worker,
    rejoin,
    secede,
    worker_client,
)


def inc(x):
    return x + 1


# Locks, queues, and so on.


def add_line(lock, path):
    """Read a number in a file and write the next one, slowly."""
    with lock:
        with open(path) as file:
            number = int(file.read())
        time.sleep(0.01)
        with open(path, "w") as file:
            file.write(str(number + 1))


def lock_and_forget(name):
    Lock(name).acquire()


def lock_and_wait(name, event):
    with Lock(name):
        Event(f"{event}-began").set()
        Event(event).wait(60)


def echo(queue, answers):
    answers.put(queue.get(timeout=60))


async def lock_async(name):
    async with Lock(name) as lock:
        return await lock.locked()


def wait_for_event(name):
    return Event(name).wait(60)


def take_future(name):
    """Return the result of a future that a client put into a variable."""
    return Variable(name).get(timeout=60).result()


def put_future(name, value):
    """Put a future into a queue, and end when somebody took it."""
    future = get_client().submit(inc, value, pure=False)
    Queue(name).put(future)
    Event(f"{name}-taken").wait(60)


def wait_then(name, value):
    Event(name).wait(60)
    return value


# Functions that use the cluster.


def fibonacci(n):
    if n < 2:
        return n
    with worker_client() as client:
        return sum(client.gather(client.map(fibonacci, [n - 1, n - 2])))


def submit_and_wait(x):
    return get_client().submit(inc, x).result()


def submit_many(count):
    client = get_client()
    return sum(client.gather([client.submit(inc, number) for number in range(count)]))


def rejoin_after(name):
    secede()
    Event(name).wait(60)
    rejoin()
    return "rejoined"


def worker_attributes():
    worker = get_worker()
    return worker.name, worker.address, os.path.isdir(worker.local_directory)


def count_in_worker():
    worker = get_worker()
    worker.count = getattr(worker, "count", 0) + 1
    return worker.count


async def submit_async(x):
    return await get_client().submit(inc, x)


def same_client():
    return get_client() is get_client()


# Actors.


class Counter:
    """Counts."""

    step = 1

    def __init__(self, n=0):
        self.n = n

    def increment(self, by=None):
        self.n += self.step if by is None else by
        return self.n

    def fail(self, text):
        raise LookupError(text)

    def pid(self):
        return os.getpid()

    def die(self):
        os._exit(3)

    def wait(self, name):
        Event(name).wait(60)
        return "waited"

    def zeros(self, size):
        return bytes(size)

    def length(self, data):
        return len(data)

    def read(self, future):
        return future.result()

    def own_increment(self, handle):
        return handle.increment().result()

    def return_unpicklable(self):
        return threading.Lock()


class Broken:
    """Cannot be created."""

    def __init__(self):
        raise ValueError("broken")


class Meeting:
    """Two asynchronous methods that wait for one another."""

    def __init__(self):
        self.event = asyncio.Event()

    async def wait(self):
        await self.event.wait()
        return "met"

    async def come(self):
        self.event.set()

    async def fail(self):
        raise KeyError("async")


class Ring:
    """An actor that calls other actors, which may call it back."""

    def __init__(self):
        self.calls = []

    def pass_on(self, others, text):
        """Call the next one, and note before and after."""
        self.calls.append(f"{text} begins")
        found = len(others)
        if others:
            found += others[0].pass_on(others[1:], text).result(timeout=60)
        self.calls.append(f"{text} ends")
        return found

    def read_of(self, other):
        return other.read_back(self).result(timeout=60)

    def read_back(self, other):
        return len(other.calls)

    def wait_and_note(self, other, name, text):
        """Wait for a method of another actor, and note it."""
        other.wait_for(name).result(timeout=60)
        self.calls.append(text)

    def wait_for(self, name):
        return Event(name).wait(60)

    def note(self, text):
        self.calls.append(text)


def return_future(x):
    return get_client().submit(inc, x, pure=False)


def return_futures(count):
    return get_client().map(inc, range(count), pure=False)


def return_slow_future(name, value):
    return get_client().submit(wait_then, name, value, pure=False)


def return_nested(x):
    return {"future": get_client().submit(return_future, x, pure=False), "pid": os.getpid()}


def return_actor(n):
    return get_client().submit(Counter, n, actor=True).result()


def return_actor_future(n):
    return get_client().submit(Counter, n, actor=True)


def result_of(future):
    return future.result()


def end_process():
    os._exit(3)


def increment_many(counter, times):
    return [counter.increment().result() for _ in range(times)]


def read_n(counter):
    return counter.n


# Plugins.


class Marking(WorkerPlugin):
    """Sets an attribute of the worker, and writes to a file at the end."""

    name = "marking"

    def __init__(self, value, path=None):
        self.value = value
        self.path = path

    def setup(self, worker):
        worker.mark = self.value
        worker.setups = getattr(worker, "setups", 0) + 1

    def teardown(self, worker):
        worker.mark = None
        if self.path is not None:
            with open(self.path, "a") as file:
                file.write("torn down\n")


class Failing(WorkerPlugin):
    """A plugin that cannot be set up."""

    def setup(self, worker):
        raise OSError("no such device")


class FailingLate(WorkerPlugin):
    """A plugin that cannot be set up, which it takes a second to find out."""

    def setup(self, worker):
        time.sleep(1)
        raise OSError("no such device")


class Asynchronous(WorkerPlugin):
    """A plugin with coroutine functions."""

    async def setup(self, worker):
        await asyncio.sleep(0)
        worker.awaited = True


def read_mark():
    return getattr(get_worker(), "mark", None)


def read_setups():
    return getattr(get_worker(), "setups", 0)


def read_awaited():
    return get_worker().awaited


def read_mark_inside():
    return get_client().submit(read_mark, pure=False).result()
