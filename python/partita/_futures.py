"""Background computations."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent import futures
from queue import SimpleQueue
from typing import Any

from ._durations import parse_seconds
from ._errors import Cancelled, trim_traceback
from ._threads import join_threads, start_thread

__all__ = ["BaseActorFuture", "Future", "Futures", "stoppable"]

#: Maximum number of parallel background computations of a client.
FUTURES_MAX = 8
#: Time to wait for cancelled computations at the end, in seconds.
END_TIMEOUT_S = 10.0

#: The future whose computation the current thread runs, if any.
_here = threading.local()


class BaseActorFuture:
    """The result of a call of an actor's method, of any kind: the base class of ``ActorFuture``."""

    def result(self, timeout: Any = None) -> Any:
        """Wait for the result and return it."""
        raise NotImplementedError

    def done(self) -> bool:
        """Whether the call has ended."""
        raise NotImplementedError

    def add_done_callback(self, fn: Callable[[Any], Any]) -> None:
        """Call `fn` with this future when the call has ended."""
        raise NotImplementedError


class Future:
    """A background computation.

    ``Future(key, client)`` returns the future of a call of a client that has this key.
    """

    def __new__(cls, work: Any = None, client: Any = None, *_: Any, **__: Any) -> Any:
        if cls is Future and isinstance(work, str):
            from ._task_futures import TaskFuture

            return object.__new__(TaskFuture)
        return object.__new__(cls)

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work: futures.Future[Any] = futures.Future()
        self._call: Callable[[], Any] | None = work
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._stops: list[Callable[[], None]] = []

    def _run(self) -> None:
        call, self._call = self._call, None
        if call is None or not self._work.set_running_or_notify_cancel():
            return
        _here.future = self
        try:
            self._work.set_result(call())
        except BaseException as error:
            self._work.set_exception(error)
        finally:
            _here.future = None

    @trim_traceback
    def result(self, timeout: Any = None) -> Any:
        """Wait for the result and return it.

        Parameters
        ----------
        timeout : float or str, optional
            Time to wait: seconds, or a string such as ``"2s"``. Unlimited if not given.

        Raises
        ------
        TimeoutError
            If the computation has not finished in time. It continues.
        Cancelled
            If the computation was cancelled.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._work.result()

    def exception(self, timeout: Any = None) -> BaseException | None:
        """Wait for the end of the computation and return its exception; ``None`` if it succeeded."""
        try:
            return self._work.exception(parse_seconds(timeout))
        except futures.TimeoutError:
            raise TimeoutError(
                f"timed out: the computation has not finished after {parse_seconds(timeout):g} s"
            ) from None
        except futures.CancelledError:
            return Cancelled("the computation was cancelled")

    def cancel(self, *_: Any, **__: Any) -> bool:
        """Cancel the computation, here and on the cluster. Return False if it has already ended."""
        if self._work.cancel():
            return True
        with self._lock:
            if self._work.done():
                return False
            self._is_cancelled = True
            stops = list(self._stops)
        for stop in stops:
            stop()
        return True

    def cancelled(self) -> bool:
        """Whether the computation was cancelled."""
        return self.status == "cancelled"

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.get_running_loop().run_in_executor(None, self.result).__await__()

    def add_done_callback(self, fn: Callable[[Future], Any]) -> None:
        """Call `fn` with this future when the computation has ended."""
        self._work.add_done_callback(lambda _: fn(self))

    def __repr__(self) -> str:
        return f"<Future: {self.status}>"

    def done(self) -> bool:
        """Whether the computation has ended."""
        return bool(self._work.done())

    @property
    def status(self) -> str:
        """The state: ``pending``, ``finished``, ``cancelled`` or ``error``."""
        if not self._work.done():
            return "pending"
        error = self.exception()
        return "finished" if error is None else "cancelled" if isinstance(error, Cancelled) else "error"


@contextlib.contextmanager
def stoppable(stop: Callable[[], None]) -> Iterator[None]:
    """Context manager that calls `stop` if the future whose computation this thread runs is cancelled.

    Raises
    ------
    Cancelled
        If the future has been cancelled.
    """
    future: Future | None = getattr(_here, "future", None)
    if future is None:
        yield
        return
    with future._lock:
        is_cancelled = future._is_cancelled
        future._stops.append(stop)
    try:
        if is_cancelled:
            stop()
            raise Cancelled("the computation was cancelled")
        yield
    finally:
        with future._lock:
            future._stops.remove(stop)


class Futures:
    """A pool of threads for background computations.

    Unlike with ``concurrent.futures``, the interpreter does not wait for the computations when it exits, so an
    interrupted script ends at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Future | None] = SimpleQueue()
        self._pending: set[Future] = set()
        self._threads = 0
        self._started: list[threading.Thread] = []

    def submit(self, work: Callable[[], Any]) -> Future:
        """Start a computation as soon as a thread is free."""
        future = Future(work)
        with self._lock:
            self._pending.add(future)
            if len(self._pending) > self._threads and self._threads < FUTURES_MAX:
                self._threads += 1
                self._started.append(start_thread(self._work, name="future"))
        self._queue.put(future)
        return future

    def _work(self) -> None:
        while True:
            future = self._queue.get()
            if future is None:
                return
            future._run()
            with self._lock:
                self._pending.discard(future)
            # Drop the reference, so that the result is freed if nothing else refers to the future.
            del future

    def close(self) -> None:
        """Cancel all computations."""
        with self._lock:
            pending, self._pending = self._pending, set()
            threads, self._threads = self._threads, 0
        for future in pending:
            future.cancel()
        for _ in range(threads):
            self._queue.put(None)

    def join(self) -> None:
        """Wait a moment until the threads of a closed pool have ended.

        The interpreter crashes if a thread returns from a call of Flight while it exits.
        """
        join_threads(self._started, END_TIMEOUT_S)
