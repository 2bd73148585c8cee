"""Futures of calls that run on the workers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import sys
import threading
import types
from collections.abc import Callable, Generator, Iterable, Iterator
from html import escape
from typing import Any

from ._awaiting import call_soon, in_event_loop
from ._durations import Deadline, parse_seconds
from ._errors import Cancelled, remote_traceback, trim_traceback
from ._foreign import loading
from ._futures import BaseActorFuture, Future
from ._graphs import graph_futures, is_foreign
from ._packing import unpack, unpack_result
from ._remote_errors import make_exception
from ._session import SLOT_WAIT_S, State, wait_states
from ._worker_view import leave_slot
from .utils import typename

__all__ = ["TaskFuture", "as_completed", "fire_and_forget", "futures_of", "wait"]


class TaskFuture(Future):
    """The result of a call that runs on the workers.

    The result stays on the workers until no future refers to it. As an argument of another call, a future stands for
    its result.
    """

    def __init__(self, state: State | str, client: Any = None) -> None:
        if isinstance(state, str):
            # The key of a call, as in Dask.
            from ._client import default_client

            client = default_client(client)
            found: State = client._submitter.find(state)
        else:
            found = state
        self._state = found
        self._owner = client
        #: The type of a value that this client sent: nobody needs to wait for it.
        self._type: Any = None
        #: The key in a graph of Dask, which need not be a string.
        self._given_key: Any = None

    @property
    def key(self) -> Any:
        """The key of the call: equal calls of a pure function have the same key."""
        return self._state.key if self._given_key is None else self._given_key

    @property
    def client(self) -> Any:
        """The client that submitted the call."""
        return self._owner

    @property
    def status(self) -> str:
        """The state: ``pending``, ``finished``, ``error``, ``cancelled`` or ``lost``."""
        status = self._state.status
        # The scheduler may not have heard of a value yet; what fetches it waits until it has.
        return "finished" if status == "pending" and self._type is not None else status

    @property
    def type(self) -> Any:
        """The type of the result; ``None`` while it is not known: before the end, and for results that only workers hold."""
        value = self._state.value
        if value is None:
            return self._type
        with loading(self._owner):
            return type(unpack(value))

    def done(self) -> bool:
        """Whether the call has ended."""
        return self.status != "pending"

    def cancelled(self) -> bool:
        """Whether the call was cancelled."""
        return self._state.status == "cancelled"

    def _wait(self, timeout: Any) -> None:
        seconds = parse_seconds(timeout)
        if not wait_states([self._state], seconds):
            raise TimeoutError(f"timed out: {self.key} has not finished after {seconds:g} s")

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
            If the call has not finished in time. It continues.
        Cancelled
            If the call was cancelled.
        Exception
            The exception that the function raised.
        """
        if getattr(self._owner, "asynchronous", False) and in_event_loop():
            return self._async_result()
        self._wait(timeout)
        return self._get()

    def _get(self) -> Any:
        """Return the result of a call that has ended, or raise its exception."""
        error = self._error()
        if error is not None:
            raise error
        value = self._state.value
        if value is not None:
            with loading(self._owner):
                return unpack_result(value)
        (result,) = self._owner._fetch([self._state])
        return result

    async def _async_result(self) -> Any:
        await self._async_wait()
        try:
            if self._state.error is not None or self._state.value is not None:
                return self._get()
            return await asyncio.get_running_loop().run_in_executor(None, self._get)
        except Exception as error:
            raise error.with_traceback(remote_traceback(error))  # noqa: B904

    async def _async_exception(self) -> BaseException | None:
        await self._async_wait()
        return self._error()

    async def _async_traceback(self) -> types.TracebackType | None:
        error = await self._async_exception()
        return None if error is None else error.__traceback__

    async def _async_wait(self) -> None:
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._state.session.add_callback(self._state, lambda _: call_soon(loop, event.set))
        if "_partita_runner" in sys.modules:
            # An async function on a worker waits for calls that may need its slot.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(event.wait(), SLOT_WAIT_S)
                return
            leave_slot()
        await event.wait()

    def __await__(self) -> Generator[Any, None, Any]:
        return self._async_result().__await__()

    def _error(self) -> BaseException | None:
        error = self._state.error
        return None if error is None else make_exception(error, self._state)

    def exception(self, timeout: Any = None) -> Any:
        """Wait for the end of the call and return its exception; ``None`` if it succeeded."""
        if getattr(self._owner, "asynchronous", False) and in_event_loop():
            return self._async_exception()
        self._wait(timeout)
        return self._error()

    def traceback(self, timeout: Any = None) -> Any:
        """Wait for the end of the call and return the traceback of its exception; ``None`` if it succeeded."""
        if getattr(self._owner, "asynchronous", False) and in_event_loop():
            return self._async_traceback()
        error = self.exception(timeout)
        return None if error is None else error.__traceback__

    def cancel(self, *_: Any, reason: str | None = None, **__: Any) -> Any:
        """Cancel the call, and those that depend on it. A running function is interrupted."""
        self._owner.cancel([self], reason=reason)
        return self._owner._awaitable(True)

    def retry(self, *_: Any, **__: Any) -> Any:
        """Run a failed call again."""
        return self._owner.retry([self])

    def add_done_callback(self, fn: Callable[[Future], Any]) -> None:
        """Call `fn` with this future when the call has ended, in a thread of the client."""
        self._state.session.add_callback(self._state, lambda _: fn(self))

    def release(self) -> None:
        """Do nothing: the result is dropped when nothing refers to the future."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskFuture) and other._state is self._state

    def __hash__(self) -> int:
        return hash(self._state)

    def __reduce__(self) -> Any:
        return self._state.reduce(self)

    def __dask_tokenize__(self) -> Any:
        return ("future", self.key)

    def __repr__(self) -> str:
        known = self.type if self.status == "finished" else None
        kind = "" if known is None else f", type: {typename(known, short=True)}"
        return f"<Future: {self.status}{kind}, key: {self.key}>"

    def _repr_html_(self) -> str:
        known = self.type if self.status == "finished" else None
        kind = "" if known is None else f", <b>type</b>: {escape(typename(known, short=True))}"
        return f"<b>Future</b>: {self.status}{kind}, <b>key</b>: {escape(str(self.key), quote=False)}"


# Several futures.


class DoneAndNotDone(tuple):  # type: ignore[type-arg]
    """The result of :func:`wait`: the futures that have ended, and the others."""

    def __new__(cls, done: Iterable[Any], not_done: Iterable[Any]) -> DoneAndNotDone:
        return super().__new__(cls, (set(done), set(not_done)))

    @property
    def done(self) -> set[Any]:
        """The futures that have ended."""
        return self[0]

    @property
    def not_done(self) -> set[Any]:
        """The others."""
        return self[1]


@trim_traceback
def wait(fs: Any, timeout: Any = None, return_when: str = "ALL_COMPLETED") -> Any:
    """Wait until futures have ended, successfully or not.

    Parameters
    ----------
    fs : Future, or a collection of these
        What to wait for. Other objects count as ended.
    timeout : float or str, optional
        Time to wait.
    return_when : str
        ``"ALL_COMPLETED"`` or ``"FIRST_COMPLETED"``.

    Returns
    -------
    DoneAndNotDone
        Two sets: ``done`` and ``not_done``.

    Raises
    ------
    TimeoutError
        If they have not ended in time.
    """
    if return_when not in ("ALL_COMPLETED", "FIRST_COMPLETED"):
        raise ValueError(f"return_when must be 'ALL_COMPLETED' or 'FIRST_COMPLETED', not {return_when!r}")
    if timeout is not None and list(flat_futures(timeout)):
        raise TypeError("timeout must be a time, not a future: pass several futures as a list")
    futures = list(flat_futures(fs))
    if any(getattr(one, "asynchronous", False) for one in {_owner(one) for one in futures}) and in_event_loop():
        return _wait_async(futures, timeout, return_when)
    return _wait(futures, timeout, return_when)


def _owner(future: Future) -> Any:
    return future._owner if isinstance(future, TaskFuture) else None


async def _wait_async(futures: list[Future], timeout: Any, return_when: str) -> DoneAndNotDone:
    """Wait without a thread: an event loop may wait for thousands of futures at once."""
    seconds = parse_seconds(timeout)
    loop = asyncio.get_running_loop()
    enough = asyncio.Event()
    left = 1 if return_when == "FIRST_COMPLETED" and futures else len(futures)

    def count() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            enough.set()

    for one in futures:
        one.add_done_callback(lambda _: call_soon(loop, count))
    if futures:
        try:
            await asyncio.wait_for(enough.wait(), seconds)
        except asyncio.TimeoutError:
            raise _timed_out(futures, seconds) from None
    return DoneAndNotDone([one for one in futures if one.done()], [one for one in futures if not one.done()])


def _timed_out(futures: list[Future], seconds: float | None) -> TimeoutError:
    count = sum(not one.done() for one in futures)
    return TimeoutError(f"timed out: {count} of {len(futures)} futures have not finished after {seconds:g} s")


def _wait(futures: list[Future], timeout: Any, return_when: str) -> DoneAndNotDone:
    seconds = parse_seconds(timeout)
    deadline = Deadline(seconds)
    ours = [one for one in futures if isinstance(one, TaskFuture)]
    first = return_when == "FIRST_COMPLETED"
    if first and len(ours) < len(futures):
        ended = threading.Event()
        for one in futures:
            one.add_done_callback(lambda _: ended.set())
        is_over = ended.wait(seconds)
    else:
        is_over = not ours or wait_states([one._state for one in ours], seconds, first)
    if not is_over:
        raise _timed_out(futures, seconds)
    if not first:
        for one in futures:
            if not isinstance(one, TaskFuture):
                one.exception(deadline.left())
    return DoneAndNotDone([one for one in futures if one.done()], [one for one in futures if not one.done()])


def flat_futures(value: Any) -> Iterator[Future]:
    """Yield the futures in lists, tuples, sets and dicts."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, Future):
            yield one
        elif isinstance(one, dict):
            stack += reversed(list(one.values()))
        elif isinstance(one, (list, tuple, set, frozenset)):
            stack += reversed(list(one))
        elif hasattr(type(one), "_partita_futures"):
            stack += reversed(list(one._partita_futures()))
        elif not isinstance(one, type) and is_foreign(one):
            stack += reversed(graph_futures(one))


#: Futures that nothing else needs to refer to while their calls run.
_forgotten: set[Future] = set()


def fire_and_forget(obj: Any) -> None:
    """Let calls run to their end although nothing refers to their futures.

    Parameters
    ----------
    obj : Future, or a collection of these
        The calls. Their results are dropped, and so are their exceptions.
    """
    for future in flat_futures(obj):
        _forgotten.add(future)
        future.add_done_callback(_forgotten.discard)


def futures_of(o: Any, client: Any = None) -> list[Future]:
    """Return the futures in a collection that was persisted, or in lists, tuples and dicts of futures."""
    return list(flat_futures(o))


class as_completed:
    """Iterate over futures in the order in which they end.

    Parameters
    ----------
    futures : collection of Future or ActorFuture, optional
        The first futures.
    with_results : bool
        Whether to return pairs of a future and its result.
    raise_errors : bool
        With results: whether an exception of a function is raised. Otherwise, the place of the result has its type, the
        exception, and its traceback, as from ``sys.exc_info``. The place of a cancelled result has a
        ``CancelledError``.
    timeout : float or str, optional
        Time to wait for the next one, from the start of the iteration.

    Examples
    --------
    >>> for future in as_completed(client.map(f, range(100))):  # doctest: +SKIP
    ...     print(future.result())
    """

    def __init__(
        self,
        futures: Iterable[Any] | None = None,
        loop: Any = None,
        with_results: bool = False,
        raise_errors: bool = True,
        *,
        timeout: Any = None,
    ) -> None:
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        #: Event loops that wait for the next future.
        self._wakers: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._pending: dict[Any, int] = {}
        self.with_results = with_results
        self.raise_errors = raise_errors
        self._deadline = Deadline(parse_seconds(timeout))
        if futures:
            self.update(futures)

    def add(self, future: Any) -> None:
        """Add a future."""
        self.update([future])

    def update(self, futures: Iterable[Any]) -> None:
        """Add several futures."""
        for future in futures:
            if not isinstance(future, (Future, BaseActorFuture)):
                raise TypeError(f"expected a future, not an object of type {type(future).__name__}")
            with self._lock:
                self._pending[future] = self._pending.get(future, 0) + 1
            future.add_done_callback(self._finish)

    def _finish(self, future: Any) -> None:
        self._done.put(future)
        with self._lock:
            wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()

    def count(self) -> int:
        """Return the number of futures that were not returned yet."""
        with self._lock:
            return sum(self._pending.values())

    def is_empty(self) -> bool:
        """Whether all futures were returned."""
        return not self.count()

    def has_ready(self) -> bool:
        """Whether a future can be returned at once."""
        return not self._done.empty()

    def clear(self) -> None:
        """Forget all futures."""
        with self._lock:
            self._pending.clear()
        self._done = queue.SimpleQueue()

    def __iter__(self) -> as_completed:
        return self

    def __repr__(self) -> str:
        with self._lock:
            done = sum(count for future, count in self._pending.items() if future.done())
            count = sum(self._pending.values())
        return f"<as_completed: waiting={count - done} done={done}>"

    def _take(self, future: Any) -> bool:
        with self._lock:
            left = self._pending.get(future, 0)
            if left > 1:
                self._pending[future] = left - 1
            elif left:
                del self._pending[future]
            return left > 0

    def __next__(self) -> Any:
        while True:
            if self.is_empty():
                raise StopIteration
            try:
                future = self._done.get(timeout=self._deadline.left())
            except queue.Empty:
                raise TimeoutError("timed out: the next future has not finished in time") from None
            if self._take(future):
                return self._shown(future)

    def _shown(self, future: Any) -> Any:
        if not self.with_results:
            return future
        error = future.exception()
        return self._failed(future, error) if error is not None else (future, future.result())

    def _failed(self, future: Any, error: BaseException) -> Any:
        if isinstance(error, Cancelled):
            return future, error
        if self.raise_errors:
            raise error
        return future, (type(error), error, error.__traceback__)

    def next_batch(self, block: bool = True) -> list[Any]:
        """Return all futures that have ended and were not returned yet; with `block` at least one."""
        batch = [next(self)] if block and not self.is_empty() else []
        while True:
            try:
                future = self._done.get_nowait()
            except queue.Empty:
                return batch
            if self._take(future):
                batch.append(self._shown(future))

    def batches(self) -> Iterator[list[Any]]:
        """Yield all futures that have ended since the last time, together."""
        while not self.is_empty():
            yield self.next_batch()

    def __aiter__(self) -> as_completed:
        return self

    async def __anext__(self) -> Any:
        loop = asyncio.get_running_loop()
        while not self.is_empty():
            woken = asyncio.Event()
            with self._lock:
                self._wakers.append(functools.partial(call_soon, loop, woken.set))
            try:
                future = self._done.get_nowait()
            except queue.Empty:
                try:
                    await asyncio.wait_for(woken.wait(), self._deadline.left())
                except asyncio.TimeoutError:
                    raise TimeoutError("timed out: the next future has not finished in time") from None
                continue
            if self._take(future):
                return await self._shown_async(future)
        raise StopAsyncIteration

    async def _shown_async(self, future: Any) -> Any:
        if not self.with_results or not hasattr(future, "_async_exception"):
            return self._shown(future)
        error = await future._async_exception()
        return self._failed(future, error) if error is not None else (future, await future._async_result())
