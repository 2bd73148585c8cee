"""Functions that tests call on workers, which import this module: it imports little."""

import os
import signal
import threading
import time

#: Bound for functions that wait for a file, in seconds.
BOUND_S = 60.0


class Refused(Exception):
    """An exception with an attribute and arguments of its own."""

    def __init__(self, what, code):
        super().__init__(what, code)
        self.code = code


class NoPickle:
    """An object that cannot be pickled."""

    def __reduce__(self):
        raise RuntimeError("this object stays here")


def inc(x, by=1):
    return x + by


def add(*numbers):
    return sum(numbers)


def fail(text):
    raise ValueError(text)


def refuse(code):
    raise Refused("refused", code)


def unpicklable():
    """Return an exception of a class that can be pickled neither by its name nor by value."""
    return type("Unpicklable", (Exception,), {"lock": threading.Lock()})("words of the exception")


def raise_unpicklable():
    raise unpicklable()


def raise_from(cause):
    try:
        raise cause
    except type(cause) as error:
        raise ValueError("second") from error


def raise_from_unpicklable():
    raise ValueError("second") from unpicklable()


def raise_while_handling():
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second")  # noqa: B904


def return_unpicklable():
    return NoPickle()


def outer(text):
    return inner(text)


def inner(text):
    raise LookupError(text)


def wait_for(path, value=None):
    """Return a value as soon as a file exists."""
    end = time.monotonic() + BOUND_S
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.005)
    return value


def touch_and_wait(began, path, value=None):
    """Tell that the call runs, and wait for a file."""
    with open(began, "a"):
        pass
    return wait_for(path, value)


def touch_and_clean(began, path, cleaned):
    """Like the above, and tell in a `finally` that it ended."""
    try:
        touch_and_wait(began, path)
    finally:
        with open(cleaned, "w"):
            pass


def count_call(path):
    """Append a line to a file and return the number of lines."""
    with open(path, "a") as file:
        file.write("x\n")
    with open(path) as file:
        return len(file.readlines())


def fail_times(path, times):
    """Fail as often as given, then return the number of tries."""
    tries = count_call(path)
    if tries <= times:
        raise OSError(f"try {tries}")
    return tries


def needs_file(path):
    with open(path) as file:
        return file.read()


def exit_hard(path):
    count_call(path)
    os._exit(3)


def crash(path):
    count_call(path)
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(BOUND_S)


def process(_=None):
    return os.getpid()


def parent_process(_=None):
    return os.getppid()
