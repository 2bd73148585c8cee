"""Functions that the tests of the runner execute. The runner imports this module."""

import ctypes
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent import futures


class Locked(Exception):
    """An exception that pickle refuses for one of its attributes."""

    def __init__(self):
        super().__init__("it holds a lock")
        self.lock = threading.Lock()


def make_unpicklable():
    """Return an exception of a class that can be pickled neither by its name nor by value."""
    return type("Unpicklable", (Exception,), {"lock": threading.Lock()})("it holds a lock")


class Unprintable(Exception):
    """An exception without a message."""

    def __str__(self):
        raise ValueError("no message")


def fail(kind, *args):
    raise kind(*args)


def fail_from(cause, kind):
    try:
        raise cause
    except type(cause) as error:
        raise kind("the second") from error


def fail_while_handling(first, kind, is_shown):
    try:
        raise first
    except type(first):
        if is_shown:
            raise kind("the second")  # noqa: B904
        raise kind("the second") from None


def fail_with_unpicklable_cause():
    raise ValueError("the second") from make_unpicklable()


def fail_unpicklable():
    raise make_unpicklable()


def fail_with_many_causes(count):
    error = None
    for number in range(count):
        made = ValueError(number)
        made.__cause__ = error
        error = made
    raise error


def fail_deep(depth):
    if depth == 0:
        raise KeyError("deep")
    fail_deep(depth - 1)


def add(*numbers):
    return sum(numbers)


def make_generator():
    return (number for number in range(3))


def is_same(left, right):
    return left is right


def write(array):
    array[0] = 7
    return array


def alignments(arrays):
    """Return copies of arrays, and how far each one's data is from a multiple of 8 bytes."""
    return [array.copy() for array in arrays], [array.ctypes.data % 8 for array in arrays]


#: The first input of `keep`.
kept = []


def keep(array):
    """Keep an array, and return the sum of the first one that was kept."""
    kept.append(array)
    return float(kept[0].sum())


#: The array that `count_in_one_array` writes to.
counts = None


def count_in_one_array():
    global counts
    import numpy

    if counts is None:
        counts = numpy.zeros(1)
    counts += 1
    return counts


def show(text, times=1):
    for _ in range(times):
        print(text)
    return times


def show_from_c(text):
    ctypes.CDLL(None).printf(f"{text}\n".encode())
    time.sleep(0.001)


def fork_and_return():
    pid = os.fork()
    if pid == 0:
        return "child"
    _, status = os.waitpid(pid, 0)
    return status


def fork_and_exit(status):
    pid = os.fork()
    if pid == 0:
        sys.exit(status)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])


def start_orphan():
    """Start a process that outlives this one, and return its id."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    return pid


def use_pool(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        return pool.map(abs, [-1, -2, -3])


def use_process_pool():
    with futures.ProcessPoolExecutor(2) as pool:
        return list(pool.map(abs, [-1, -2, -3]))


def use_subprocess(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def terminate_child():
    """Return the signal that ended a process of multiprocessing."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    process.start()
    process.terminate()
    process.join(30)
    return process.exitcode


def crash():
    ctypes.string_at(0)


def touch(path):
    """Create a file with one system call, in which no interrupt is lost."""
    os.mknod(path)


def spin(path):
    touch(path)
    while True:
        pass


def sleep_long(path):
    touch(path)
    time.sleep(600)


def clean_up_when_interrupted(path):
    try:
        touch(path)
        time.sleep(600)
    finally:
        with open(path, "w") as file:
            file.write("finally")


def survive_an_interrupt(path, then):
    try:
        touch(path)
        time.sleep(600)
    except KeyboardInterrupt:
        touch(then)
    time.sleep(600)


def ignore_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def close_descriptors():
    for number in (0, 1, 2):
        os.close(number)


def close_streams():
    sys.stdout.close()
    sys.stderr.close()


def start_thread(seconds):
    threading.Thread(target=time.sleep, args=(seconds,)).start()


def count_threads():
    return threading.active_count()


async def double(number):
    return 2 * number


def process_state():
    return {
        "group": os.getpgrp(),
        "pid": os.getpid(),
        "main": sorted(name for name in vars(sys.modules["__main__"]) if not name.startswith("__")),
        "omp": os.environ.get("OMP_NUM_THREADS"),
        "stdin": os.readlink("/proc/self/fd/0"),
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        "path": list(sys.path),
        "threads": threading.active_count(),
    }


def current_name():
    return sys.modules["_partita_runner"].current["name"]


def flush_and_wait(path):
    """Write the answers of earlier calls, then wait for a file."""
    sys.modules["_partita_runner"].flush()
    return wait_for(path)


def flush_in_a_thread_and_wait(path):
    thread = threading.Thread(target=flush_and_wait, args=(path,))
    thread.start()
    thread.join()
    return path


def wait_for(path):
    end = time.monotonic() + 30
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.001)
    return path


def draw():
    import numpy

    return float(numpy.random.random())


def wait_for_others():
    """Give the slot back, take it again, and return what was refused."""
    own = sys.modules["_partita_runner"]
    refused = []
    for change in (own.secede, own.rejoin):
        try:
            change()
        except RuntimeError as error:
            refused.append(str(error))
    return refused


def import_module(folder, name):
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name).__name__
    finally:
        sys.path.remove(folder)
