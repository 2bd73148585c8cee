"""Background threads of the package, all of which end before the interpreter does.

A thread that returns from a call of Flight while the interpreter exits crashes the process. At exit, after all clients
were closed, the streams that are still open are cancelled, and all threads are joined.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["join_threads", "start_thread"]

#: Time to wait at exit for all threads together, in seconds.
EXIT_TIMEOUT_S = 10.0

#: The threads, each with the function that makes it end.
_stops: weakref.WeakKeyDictionary[threading.Thread, Callable[[], Any] | None] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def start_thread(
    target: Callable[..., Any], *args: Any, name: str, stop: Callable[[], Any] | None = None
) -> threading.Thread:
    """Start a daemon thread that is joined at exit.

    Parameters
    ----------
    target : callable
        What it runs.
    *args
        Arguments of `target`.
    name : str
        What the thread does.
    stop : callable, optional
        Called at exit, in another thread, if the thread still runs: it cancels the call in which the thread waits.
    """
    thread = threading.Thread(target=target, args=args, name=f"partita-{name}", daemon=True)
    with _lock:
        _stops[thread] = stop
    thread.start()
    return thread


def join_threads(threads: list[threading.Thread], timeout: float) -> None:
    """Wait for threads, other than the calling one, for a number of seconds at most."""
    end = time.monotonic() + timeout
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(max(end - time.monotonic(), 0))


def _end_threads() -> None:
    """Cancel what threads wait for, and wait until they have ended."""
    if "_partita_runner" in sys.modules:
        # Processes of a worker exit without finalizing the interpreter.
        return
    with _lock:
        running = [(thread, stop) for thread, stop in _stops.items() if thread.is_alive()]
    for _, stop in running:
        if stop is not None:
            with contextlib.suppress(Exception):
                stop()
    join_threads([thread for thread, _ in running], EXIT_TIMEOUT_S)


def _forget_threads() -> None:
    """Forget the threads of the parent, which a forked process does not have."""
    global _lock
    _lock = threading.Lock()
    _stops.clear()


# Exit handlers run in reverse order: those of clients, which are created later, come before this one.
atexit.register(_end_threads)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
