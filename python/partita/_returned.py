"""Futures and actors in the results of functions: how they live until their readers have them.

The process of a worker that returned them keeps them for a while. The client that submitted the call, and whoever reads the
result, adopts them, which keeps them at the scheduler.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["add_loaded", "collect_loaded", "has_references", "is_returning", "keep_returned"]

#: Returned futures and actors that a process keeps, the last ones.
RETURNED_MAX = 10_000
#: Time that a process of a worker waits at its end for the readers of what it returned last, in seconds.
READERS_WAIT_S = 2.0
#: Occurs in pickles that refer to futures or actors: the common part of the names of the modules.
_MARK = b"partita._"
_MARKS = (b"partita._foreign", b"partita._actors")

_returned: collections.deque[Any] = collections.deque(maxlen=RETURNED_MAX)
#: When the last one was returned.
_last = 0.0
_here = threading.local()


def has_references(pickled: bytes) -> bool:
    """Whether a pickle may refer to futures or actors."""
    return _MARK in pickled and any(mark in pickled for mark in _MARKS)


def is_returning() -> bool:
    """Whether this thread pickles the result of a function on a worker."""
    runner = sys.modules.get("_partita_runner")
    if runner is None or threading.current_thread() is not threading.main_thread():
        return False
    return getattr(runner, "current", None) is None


def keep_returned(value: Any) -> None:
    """Keep a future or actor that a function returns."""
    global _last
    if not _last:
        # After the client was created, so that this comes before its end.
        atexit.register(_wait_for_readers)
    _last = time.monotonic()
    _returned.append(value)


def _wait_for_readers() -> None:
    time.sleep(max(_last + READERS_WAIT_S - time.monotonic(), 0))


@contextlib.contextmanager
def collect_loaded() -> Iterator[list[Any]]:
    """Context manager that yields the list of the futures and actors that this thread unpickles in it."""
    before = getattr(_here, "loaded", None)
    loaded: list[Any] = []
    _here.loaded = loaded
    try:
        yield loaded
    finally:
        _here.loaded = before


def add_loaded(value: Any) -> Any:
    """Return a future or actor that was unpickled."""
    loaded = getattr(_here, "loaded", None)
    if loaded is not None:
        loaded.append(value)
    return value
