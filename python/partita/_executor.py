"""A ``concurrent.futures.Executor`` whose functions run on the workers."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any

from ._by_value import call, call_chunk
from ._durations import Deadline

__all__ = ["ClientExecutor"]

#: Options of ``Client.submit`` that apply to all functions of an executor.
OPTIONS = frozenset(("allow_other_workers", "priority", "pure", "resources", "retries", "workers"))
#: Options of ``Client.submit`` that an executor does not support, each with the remedy.
_UNSUPPORTED = {
    "key": "each call has a key of its own; use Client.submit(key=)",
    "actor": "use Client.submit(actor=True)",
}
#: Number of threads of an executor that fetch results.
FETCHERS = 4


class ClientExecutor(futures.Executor):
    """Runs functions on the workers of a cluster, with the interface of ``concurrent.futures``.

    Parameters
    ----------
    client : Client
        The client of the cluster. It must stay open until all results are fetched.
    **options
        Options of ``Client.submit`` for all functions: ``pure``, ``retries``, ``priority``, ``resources``, ``workers``,
        ``allow_other_workers``. Unlike there, ``pure`` is False by default, so that equal calls run once each.

    Notes
    -----
    Results are fetched as soon as they are available. ``Future.cancel`` succeeds until the result is available: it also
    stops a function that runs. Therefore ``Future.running`` always returns False.

    Examples
    --------
    >>> with client.get_executor() as executor:  # doctest: +SKIP
    ...     executor.submit(pow, 2, 10).result()
    1024
    """

    def __init__(self, client: Any, **options: Any) -> None:
        for name in options:
            if name in _UNSUPPORTED:
                raise TypeError(f"get_executor() does not support the argument {name!r}: {_UNSUPPORTED[name]}")
        unknown = sorted(set(options) - OPTIONS)
        if unknown:
            known = ", ".join(sorted(OPTIONS))
            raise TypeError(f"unsupported arguments to ClientExecutor: {unknown}; supported: {known}")
        self._client = client
        self._options = {"pure": False, **options}
        self._reserved = frozenset(inspect.signature(client.submit).parameters)
        self._lock = threading.Lock()
        self._is_shut_down = False
        self._pending: set[_ExecutorFuture] = set()
        # Callbacks of the client must return soon, and fetching a result may take long.
        self._fetchers = futures.ThreadPoolExecutor(FETCHERS, "partita-executor")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Run ``fn(*args, **kwargs)`` on a worker and return a future of its result.

        An option of ``Client.submit`` in `kwargs`, such as ``retries``, applies to this call if the function has no
        argument of this name, as with Dask.

        Raises
        ------
        RuntimeError
            If the executor was shut down.
        """
        if not callable(fn):
            raise TypeError(f"expected a function, not an object of type {type(fn).__name__}")
        if self._reserved.isdisjoint(kwargs):
            return self._start(lambda: [self._client.submit(fn, *args, **kwargs, **self._options)])[0]
        own = _own_options(fn, kwargs)
        options = {**self._options, **own}
        rest = {name: value for name, value in kwargs.items() if name not in own}
        return self._start(lambda: [self._client.submit(call, fn, args, rest, **options)])[0]

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """Call a function on the elements of iterables, on the workers, and return an iterator of the results in order.

        Parameters
        ----------
        fn : callable
            The function. It takes as many arguments as there are iterables.
        *iterables
            The arguments. The shortest iterable ends the calls.
        timeout : float, optional
            Time from this call on in which the results must be available, in seconds.
        chunksize : int
            Number of calls of each task. Larger chunks are faster if the function takes less than a millisecond.
        buffersize : int, optional
            Maximum number of tasks whose results the caller has not taken yet. By default, the iterables are read at
            once and all calls are submitted.

        Raises
        ------
        TimeoutError
            By the iterator, if a result is not available in time. This and any other exception cancels the remaining
            calls.
        """
        if chunksize < 1:
            raise ValueError(f"chunksize must be at least 1, not {chunksize!r}")
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize must be at least 1 or None, not {buffersize!r}")
        deadline = Deadline(timeout)
        single: Iterator[Any] = zip(*iterables)
        chunks = iter(lambda: tuple(itertools.islice(single, chunksize)), ())
        calls = single if chunksize == 1 else ((fn, chunk) for chunk in chunks)
        function = fn if chunksize == 1 else call_chunk
        # The first calls are submitted now, not when the iterator is first used.
        started = deque(self._start_many(function, itertools.islice(calls, buffersize)))
        rest = calls if buffersize is not None else iter(())
        results = self._results(function, started, rest, deadline)
        return itertools.chain.from_iterable(results) if chunksize > 1 else results

    def _results(
        self, function: Callable[..., Any], started: deque[futures.Future[Any]], rest: Iterator[Any], deadline: Deadline
    ) -> Iterator[Any]:
        """Yield the results of started calls in order, and start one of the rest for each."""
        try:
            while started:
                result = started[0].result(deadline.left())
                started.popleft()
                started.extend(self._start_many(function, itertools.islice(rest, 1)))
                yield result
                del result
        finally:
            for future in started:
                future.cancel()

    def _start_many(self, function: Callable[..., Any], calls: Iterator[Any]) -> list[futures.Future[Any]]:
        columns = list(zip(*calls))
        if not columns:
            # No calls, or calls without arguments, which `map` cannot have: it needs an iterable.
            with self._lock:
                self._check_open()
            return []
        return self._start(lambda: self._client.map(function, *columns, **self._options))

    def _check_open(self) -> None:
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def _start(self, submit: Callable[[], list[Any]]) -> list[futures.Future[Any]]:
        """Submit calls. Return a future for each."""
        with self._lock:
            self._check_open()
            sources = submit()
            started = [_ExecutorFuture(source) for source in sources]
            self._pending.update(started)
        for future, source in zip(started, sources):
            source.add_done_callback(lambda _, future=future: self._fetch(future))
        return list(started)

    def _fetch(self, future: _ExecutorFuture) -> None:
        # The interpreter ends: nobody waits for the result.
        with contextlib.suppress(RuntimeError):
            self._fetchers.submit(self._finish, future)

    def _finish(self, future: _ExecutorFuture) -> None:
        future.finish()
        with self._lock:
            self._pending.discard(future)
            is_last = self._is_shut_down and not self._pending
        if is_last:
            self._fetchers.shutdown(wait=False)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no further calls.

        Parameters
        ----------
        wait : bool
            Whether to wait for the calls that were submitted.
        cancel_futures : bool
            Whether to cancel the calls whose results are not available yet. This includes those that run.
        """
        with self._lock:
            self._is_shut_down = True
            pending = list(self._pending)
        if cancel_futures:
            for future in pending:
                future.cancel()
        if wait:
            futures.wait(pending)
        if not pending:
            self._fetchers.shutdown(wait=False)


class _ExecutorFuture(futures.Future[Any]):
    """The future of a call. It holds the result, and the client's future until that is fetched."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self._source = source
        self._source_lock = threading.Lock()
        self._is_ended = False

    def _end(self) -> bool:
        """Claim the right to set the outcome. Return False if another thread has it."""
        with self._source_lock:
            is_first, self._is_ended = not self._is_ended, True
        return is_first

    def cancel(self) -> bool:
        """Cancel the call, on the cluster too. Return False if its result is available."""
        if not self._end():
            return self.cancelled()
        super().cancel()
        # Without this, `futures.wait` would wait for a thread that takes the call.
        self.set_running_or_notify_cancel()
        source, self._source = self._source, None
        source.cancel()
        return True

    def finish(self) -> None:
        """Fetch the outcome of the call."""
        source = self._source
        if source is None:
            return
        try:
            outcome, error = source.result(), None
        except BaseException as raised:
            outcome, error = None, raised
        if not self._end():
            return
        self._source = None
        if isinstance(error, futures.CancelledError):
            super().cancel()
            self.set_running_or_notify_cancel()
        elif error is not None:
            self.set_exception(error)
        else:
            self.set_result(outcome)
        source.release()


def _own_options(function: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the options among keyword arguments that the function cannot take."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return {}
    return {name: value for name, value in kwargs.items() if name in OPTIONS and name not in parameters}
