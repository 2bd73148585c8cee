"""Locks and semaphores that all clients and workers of a cluster share."""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import threading
import time
import uuid
from collections.abc import Generator
from typing import Any

from ._coordination import Request, Steps, refusal, run_steps, run_steps_async, unless_gone
from ._durations import Deadline, parse_seconds
from ._errors import ClusterError
from ._foreign import is_loading, loading_client
from ._names import encode_name
from ._threads import start_thread
from ._worker_view import is_in_runner, own_client

__all__ = ["Lock", "MultiLock", "Named", "Semaphore"]

#: Prefix of the names of a MultiLock, which are others than those of a Lock.
_MULTIPLE = "multi-lock/"
#: Prefix of the names of the turns of those who wait for a lock of a MultiLock.
_TURN = "multi-lock-turn/"


class Named:
    """An object at the scheduler that is known by its name.

    It may be sent to functions on the workers. They find it by its name.
    """

    def __init__(self, kind: str, name: Any, client: Any) -> None:
        self.name = f"{kind}-{uuid.uuid4().hex}" if name is None else name
        #: Its name at the scheduler.
        self._known_name = encode_name(self.name)
        #: Objects in a value belong to the client that got the value.
        self._client = loading_client() if client is None and is_loading() else client

    @property
    def client(self) -> Any:
        """The client over which it is reached: the given one, that of the worker, or the default one."""
        if self._client is None:
            from ._client import default_client

            if is_in_runner():
                return own_client()
            try:
                return default_client()
            except ValueError:
                raise RuntimeError(
                    f"the {type(self).__name__} {self.name!r} has no client: create a Client first, or pass client="
                ) from None
        return self._client

    def _start(self, op: str, *values: Any, **arguments: Any) -> Request:
        return self.client._coordinator.start(op, *values, **arguments)

    def _run(self, steps: Steps) -> Any:
        return run_steps(self.client, steps)

    def _open(self) -> Steps:
        """Create it at the scheduler."""
        return self
        yield

    def __await__(self) -> Generator[Any, None, Any]:
        return run_steps_async(self._open()).__await__()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"


class _Forgotten:
    """The leases of this process whose objects are gone. They are released in the order in which they were forgotten."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._leases: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._is_stopped = threading.Event()
        start_thread(self._run, name="leases", stop=self._stop)

    def add(self, lease: str, coordinator: Any, seconds: float) -> None:
        """Release a lease after a time. Called from destructors: it does not block."""
        self._leases.put((time.monotonic() + seconds, lease, coordinator))

    def _run(self) -> None:
        while (found := self._leases.get()) is not None:
            due, lease, coordinator = found
            if self._is_stopped.wait(max(due - time.monotonic(), 0)):
                return
            coordinator.tell("release", lease=lease)
            del found, coordinator

    def _stop(self) -> None:
        self._is_stopped.set()
        self._leases.put(None)


_forgotten: _Forgotten | None = None
_forgotten_lock = threading.Lock()


def _forgotten_leases() -> _Forgotten:
    global _forgotten
    with _forgotten_lock:
        if _forgotten is None or _forgotten.pid != os.getpid():
            _forgotten = _Forgotten()
        return _forgotten


class Semaphore(Named):
    """A number of leases that all clients and functions of a cluster share.

    Parameters
    ----------
    max_leases : int
        Number of leases.
    name : str, optional
        Name of the semaphore. A random one by default.
    client : Client, optional
        The client to use. By default that of the worker, or the default client.

    Notes
    -----
    A lease ends when its process ends, or half a minute after nothing refers to the object that acquired it any more.

    Examples
    --------
    >>> from partita.distributed import Client, Semaphore
    >>> with Client(n_workers=1) as client:
    ...     semaphore = Semaphore(2, "database")
    ...     with semaphore:
    ...         semaphore.get_value()
    1
    """

    #: Time for which a lease lasts whose object is gone, as with Dask, in seconds.
    _lease_s = 30.0

    def __init__(
        self,
        max_leases: int = 1,
        name: str | None = None,
        scheduler_rpc: Any = None,
        loop: Any = None,
        client: Any = None,
    ) -> None:
        super().__init__("semaphore", name, client)
        if max_leases < 1:
            raise ValueError(f"max_leases must be at least 1, not {max_leases!r}")
        self.max_leases = max_leases
        #: Identifies this object among those of the same name.
        self.id = f"{self.name}-{uuid.uuid4().hex}"
        #: The leases of this object, the oldest first, each with the stream that has it.
        self._leases: collections.deque[tuple[str, Any]] = collections.deque()
        self._is_registered = False

    def _open(self) -> Steps:
        if not self._is_registered:
            answer = yield self._start("semaphore", name=self._known_name, max=self.max_leases)
            if answer.result["max"] != self.max_leases:
                raise ValueError(
                    f"the semaphore {self.name!r} already exists with max_leases={answer.result['max']}, not "
                    f"{self.max_leases}"
                )
            self._is_registered = True
        return self

    def register(self, **_: Any) -> Any:
        """Create the semaphore at the scheduler. Acquiring a lease does so, too."""
        return self._run(self._open())

    def acquire(self, timeout: Any = None) -> Any:
        """Take a lease, waiting for a free one. Return whether it was taken.

        Parameters
        ----------
        timeout : float or str, optional
            Time to wait. Unlimited by default.
        """
        return self._run(self._acquire(parse_seconds(timeout)))

    def _acquire(self, timeout: float | None) -> Steps:
        yield from self._open()
        return (yield from self._take([self._known_name], 1, self.max_leases, timeout))

    def _take(self, names: list[str], need: int, most: int, timeout: float | None) -> Steps:
        lease = yield from self._take_lease(names, need, most, timeout)
        if lease is None:
            return False
        self._leases.append(lease)
        if self._lease_s:
            # Not by the destructor, which must not start a thread.
            _forgotten_leases()
        return True

    def _take_lease(self, names: list[str], need: int, most: int, timeout: float | None) -> Steps:
        """Return a lease with the stream that has it; None if it was not free in time."""
        coordinator = self.client._coordinator
        lease = uuid.uuid4().hex
        request = coordinator.start(
            "acquire",
            names=names,
            need=need,
            max=most,
            lease=lease,
            timeout=timeout,
            undo=lambda _: coordinator.tell("release", lease=lease),
        )
        try:
            with refusal("gone", RuntimeError):
                yield request
        except TimeoutError:
            return None
        return lease, coordinator

    def release(self) -> Any:
        """Return the oldest lease of this object. Return whether it still had it.

        Raises
        ------
        RuntimeError
            If this object has no lease.
        """
        if not self._leases:
            raise RuntimeError(f"Released too often: {self!r} is not acquired by this object")
        return self._run(self._release(*self._leases.popleft()))

    def _release(self, lease: str, coordinator: Any) -> Steps:
        return (yield coordinator.start("release", lease=lease)).result

    def get_value(self) -> Any:
        """Return the number of leases that are taken."""

        def steps() -> Steps:
            return (yield self._start("semaphore", name=self._known_name, max=self.max_leases)).result["taken"]

        return self._run(steps())

    def close(self) -> Any:
        """Delete the semaphore. Those who wait for a lease get an error."""

        self._is_registered = False
        return self._run(unless_gone(lambda: self._start("close_semaphore", name=self._known_name)))

    def __enter__(self) -> Any:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    async def __aenter__(self) -> Any:
        await run_steps_async(self._acquire(None))
        return self

    async def __aexit__(self, *_: object) -> None:
        await run_steps_async(self._release(*self._leases.popleft()))

    def __del__(self) -> None:
        for lease, coordinator in getattr(self, "_leases", ()):
            if self._lease_s and _forgotten is not None and _forgotten.pid == os.getpid():
                _forgotten.add(lease, coordinator, self._lease_s)
            else:
                coordinator.tell("release", lease=lease)

    def __reduce__(self) -> Any:
        return Semaphore, (self.max_leases, self.name)


class Lock(Semaphore):
    """A lock that all clients and functions of a cluster share.

    Parameters
    ----------
    name : str, optional
        Name of the lock. A random one by default.
    client : Client, optional
        The client to use. By default that of the worker, or the default client.

    Examples
    --------
    >>> from partita.distributed import Client, Lock
    >>> with Client(n_workers=1) as client:
    ...     with Lock("file") as lock:
    ...         lock.locked()
    True
    """

    _lease_s = 0.0

    def __init__(
        self, name: str | None = None, client: Any = None, scheduler_rpc: Any = None, loop: Any = None
    ) -> None:
        super().__init__(1, f"lock-{uuid.uuid4().hex}" if name is None else name, client=client)

    def acquire(self, blocking: bool = True, timeout: Any = None) -> Any:  # type: ignore[override]
        """Take the lock, waiting until it is free. Return whether it was taken.

        Parameters
        ----------
        blocking : bool
            Whether to wait.
        timeout : float or str, optional
            Time to wait. Unlimited by default.
        """
        return self._run(self._acquire(_wait_time(blocking, timeout)))

    def locked(self) -> Any:
        """Whether somebody has the lock."""

        def steps() -> Steps:
            return (yield self._start("semaphore", name=self._known_name, max=1)).result["taken"] > 0

        return self._run(steps())

    def __reduce__(self) -> Any:
        return Lock, (self.name,)


class MultiLock(Semaphore):
    """Several locks that are taken together, so that nobody waits with a part of them.

    Parameters
    ----------
    names : list of str
        Names of the locks. They are not those of :class:`Lock`.
    client : Client, optional
        The client to use. By default that of the worker, or the default client.

    Examples
    --------
    >>> from partita.distributed import Client, MultiLock
    >>> with Client(n_workers=1) as client:
    ...     with MultiLock(["x", "y"]) as lock:
    ...         lock.locked()
    True
    """

    _lease_s = 0.0

    def __init__(self, names: list[str] | None = None, client: Any = None) -> None:
        super().__init__(1, f"multi-lock-{uuid.uuid4().hex}", client=client)
        self.names = list(names or [])

    def acquire(self, blocking: bool = True, timeout: Any = None, num_locks: int | None = None) -> Any:  # type: ignore[override]
        """Take the locks, waiting until they are free. Return whether they were taken.

        Parameters
        ----------
        blocking : bool
            Whether to wait.
        timeout : float or str, optional
            Time to wait. Unlimited by default.
        num_locks : int, optional
            Number of locks to take, whichever are free; all by default.
        """
        return self._run(self._acquire(_wait_time(blocking, timeout), num_locks))

    def _acquire(self, timeout: float | None, num_locks: int | None = None) -> Steps:
        names = list(dict.fromkeys(self.names))
        need = len(names) if num_locks is None else num_locks
        if not 0 <= need <= len(names):
            raise ValueError(f"num_locks must be at most {len(names)}, the number of names, not {num_locks!r}")
        if self._leases:
            raise RuntimeError(f"{self!r} is already acquired by this object")
        if not need:
            return True
        known = sorted(map(encode_name, names))
        deadline = Deadline(timeout)
        turns = []
        try:
            # Those who wait for one lock take turns. Otherwise, one that waits for several might never find all free.
            for name in known:
                turn = yield from self._take_lease([_TURN + name], 1, 1, deadline.left())
                if turn is None:
                    return False
                turns.append(turn)
            return (yield from self._take([_MULTIPLE + name for name in known], need, 1, deadline.left()))
        finally:
            # Before what this process asks for next.
            with contextlib.suppress(ClusterError):
                for lease, coordinator in turns:
                    coordinator.start("release", lease=lease)

    def release(self) -> Any:
        """Return the locks.

        Raises
        ------
        ValueError
            If this object does not have them.
        """
        if not self._leases:
            raise ValueError(f"{self!r} is not acquired by this object")
        return super().release()

    def locked(self) -> bool:
        """Whether this object has the locks."""
        return bool(self._leases)

    def _open(self) -> Steps:
        return self
        yield

    def __repr__(self) -> str:
        return f"<MultiLock: {', '.join(map(str, self.names))}>"

    def __reduce__(self) -> Any:
        return MultiLock, (self.names,)


def _wait_time(blocking: bool, timeout: Any) -> float | None:
    if blocking:
        return parse_seconds(timeout)
    if timeout is not None:
        raise ValueError("a timeout needs blocking=True")
    return 0.0
