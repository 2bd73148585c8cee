"""Calls of actors: requests, and the queue on which a client gets the answers."""

from __future__ import annotations

import contextlib
import itertools
import struct
import sys
import threading
import uuid
import weakref
from collections.abc import Callable, Generator
from concurrent import futures
from typing import TYPE_CHECKING, Any

from ._awaiting import is_awaited, until_called
from ._coordination import Answer
from ._durations import parse_seconds
from ._errors import ClusterError
from ._foreign import unpack_value
from ._futures import BaseActorFuture
from ._packing import pack_value
from ._remote_errors import remote_exception
from ._session import Error, wait_without_slot
from ._task_futures import TaskFuture

if TYPE_CHECKING:
    from ._actors import Core

__all__ = [
    "ActorFuture",
    "Hub",
    "Large",
    "Pickled",
    "current_server",
    "hub_of",
    "join_answer",
    "join_request",
    "large_as_future",
    "load_large",
    "resource_name",
    "split_request",
]

#: Maximum number of answers that are asked for at once; further calls wait for these.
ANSWERS_MAX = 64
#: Maximum number of actors in the chain of a call, the last ones.
CHAIN_MAX = 1_000
#: Arguments and results of at least this size travel as futures, in bytes.
LARGE_BYTES = 1 << 20

#: Head of a request: the number of the call, and the lengths of the name of the caller's queue and of its chain.
_HEAD = struct.Struct("<QHH")
_NUMBER = struct.Struct("<Q")


def resource_name(identity: str) -> str:
    """Return the name of the queue, the variable and the semaphore of an actor."""
    return f"actor/{identity}"


def join_request(number: int, queue: bytes, chain: tuple[str, ...], pickled: bytes) -> bytes:
    """Return the body of a request.

    Parameters
    ----------
    number : int
        The number of the call.
    queue : bytes
        The name of the caller's queue.
    chain : tuple of str
        The actors that wait for the call, directly or for a call that waits for it.
    pickled : bytes
        What to call.
    """
    names = ",".join(chain[-CHAIN_MAX:]).encode()
    return _HEAD.pack(number, len(queue), len(names)) + queue + names + pickled


def split_request(body: bytes) -> tuple[int, str, tuple[str, ...], bytes]:
    """Return the number of a call, the name of the caller's queue, its chain, and the pickled request."""
    number, length, chain_length = _HEAD.unpack_from(body)
    at = _HEAD.size + length
    end = at + chain_length
    chain = tuple(body[at:end].decode().split(",")) if chain_length else ()
    return number, body[_HEAD.size : at].decode(), chain, body[end:]


def join_answer(number: int, pickled: bytes) -> bytes:
    """Return the body of an answer."""
    return _NUMBER.pack(number) + pickled


def current_server() -> Any:
    """Return what serves the actor of this process, if one of its methods calls this in its thread."""
    module = sys.modules.get(f"{__package__}._actor_server")
    return None if module is None else module.server_of_thread()


class ActorFuture(BaseActorFuture):
    """The result of a call of an actor's method."""

    def __init__(self, hub: Hub, what: str) -> None:
        self._hub = hub
        self._what = what
        self._answer: futures.Future[Callable[[], Any]] = futures.Future()

    def _set(self, load: Callable[[], Any]) -> None:
        with contextlib.suppress(futures.InvalidStateError):
            self._answer.set_result(load)

    def _fail(self, error: BaseException) -> None:
        with contextlib.suppress(futures.InvalidStateError):
            self._answer.set_exception(error)

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._answer.done()

    def result(self, timeout: Any = None) -> Any:
        """Wait for the result and return it.

        Parameters
        ----------
        timeout : float or str, optional
            Time to wait. Unlimited by default.

        Raises
        ------
        TimeoutError
            If the call has not ended in time. It continues.
        ClusterError
            If the actor is lost.
        Exception
            The exception that the method raised.
        """
        if is_awaited(self._hub.client):
            return self._result()
        seconds = parse_seconds(timeout)
        if not wait_without_slot(self._wait, seconds):
            raise TimeoutError(f"timed out: {self._what} has not finished after {seconds:g} s")
        return self._answer.result()()

    def _wait(self, seconds: float | None) -> bool:
        server = current_server()
        if server is not None:
            # The other actor may call this one.
            return bool(server.serve_until(self._answer, seconds))
        return bool(futures.wait([self._answer], seconds).done)

    def exception(self, timeout: Any = None) -> Any:
        """Wait for the end of the call and return its exception; ``None`` if it succeeded.

        Parameters
        ----------
        timeout : float or str, optional
            Time to wait. Unlimited by default.
        """
        if is_awaited(self._hub.client):
            return self._async_exception()
        try:
            self.result(timeout)
        except Exception as error:
            if isinstance(error, TimeoutError) and not self.done():
                raise
            return error
        return None

    async def _async_exception(self) -> BaseException | None:
        try:
            await self._result()
        except Exception as error:
            return error
        return None

    async def _async_result(self) -> Any:
        return await self._result()

    def add_done_callback(self, fn: Callable[[ActorFuture], Any]) -> None:
        """Call `fn` with this future when the call has ended, in a thread of the client, which it must not block."""
        self._answer.add_done_callback(lambda _: fn(self))

    async def _result(self) -> Any:
        await until_called(self._answer.add_done_callback)
        value = self._answer.result()()
        return (await value) if isinstance(value, TaskFuture) else value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._result().__await__()

    def __repr__(self) -> str:
        return f"<ActorFuture: {self._what}, {'finished' if self.done() else 'pending'}>"


class Hub:
    """A client's side of actors: the actors that it knows, and the queue on which they answer."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.actors: weakref.WeakValueDictionary[str, Core] = weakref.WeakValueDictionary()
        self.lock = threading.RLock()
        self._stream: Any = None
        self._queue = b""
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[ActorFuture, weakref.ref[Core]]] = {}
        #: Answers that were asked for and have not come.
        self._asked = 0
        #: The thread that reads the stream takes this one, so nobody has it while sending.
        self._state_lock = threading.Lock()

    def call(self, core: Core, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], is_call: bool) -> ActorFuture:
        """Send a request to an actor."""
        future = ActorFuture(self, f"{core.name}.{name}")
        shared = [large_as_future(self.client, value) for value in args]
        named = {key: large_as_future(self.client, value) for key, value in kwargs.items()}
        what = f"an argument of {core.name}.{name}"
        cluster = self.client._coordinator.cluster
        pickled, places = pack_value((is_call, name, tuple(shared), named), what, cluster)
        # Requests are sent in the order of the calls.
        with self.lock:
            stream = self.client._coordinator.stream()
            if stream is not self._stream:
                self._open(stream)
            number = next(self._numbers)
            with self._state_lock:
                self._waiting[number] = future, weakref.ref(core)
            server = current_server()
            body = join_request(number, self._queue, () if server is None else server.chain, pickled)
            header = {"name": resource_name(core.identity), "do": "put", "timeout": None, "futures": places}
            request = stream.send("queue", header, body)
            self._ask(stream)
        # Futures in the arguments exist until the queue has them.
        request.done.add_done_callback(lambda done, kept=(args, kwargs, shared, named): self._check_sent(number, done))
        if core.lost is not None:
            self.fail(core)
        return future

    def _open(self, stream: Any) -> None:
        # Queues stay when a stream ends. Another name, so that old answers do not count as new ones.
        queue = f"actor-answers/{uuid.uuid4().hex}"
        with self._state_lock:
            self._stream, self._queue, self._asked = stream, queue.encode(), 0
        stream.send("queue", {"name": queue, "do": "open", "maxsize": 0, "own": True})

    def _ask(self, stream: Any) -> None:
        """Ask for as many answers as calls wait for one."""
        while True:
            with self._state_lock:
                if stream is not self._stream or self._asked >= min(len(self._waiting), ANSWERS_MAX):
                    return
                self._asked += 1
            request = stream.send("queue", {"name": self._queue.decode(), "do": "get", "timeout": None, "batch": None})
            request.done.add_done_callback(lambda done: self._take(done, stream))

    def _take(self, done: futures.Future[Answer], stream: Any) -> None:
        """Take an answer. Called by the thread that reads the stream."""
        error = done.exception()
        if error is not None:
            self._end(stream, error)
            return
        ((entry, body),) = done.result().values
        (number,) = _NUMBER.unpack_from(body)
        with self._state_lock:
            if stream is not self._stream:
                return
            self._asked -= 1
            future, _ = self._waiting.pop(number, (None, None))
            is_short = self._asked < min(len(self._waiting), ANSWERS_MAX)
        if is_short:
            stream.outbox.put(lambda: self._ask(stream))
        if future is not None:
            answer = _Outcome(self.client, body[_NUMBER.size :])
            if entry.get("futures"):
                # Adopt them while the scheduler still keeps their results.
                stream.outbox.put(answer.load)
            future._set(answer)

    def _end(self, stream: Any, error: BaseException) -> None:
        """Fail all calls when the stream has ended: the actors live, but their answers do not come."""
        with self._state_lock:
            if stream is not self._stream:
                return
            waiting, self._waiting, self._stream = self._waiting, {}, None
        for future, _ in waiting.values():
            future._fail(ClusterError(f"the answer of the actor is lost: {error}"))

    def _check_sent(self, number: int, done: futures.Future[Answer]) -> None:
        error = done.exception()
        if error is not None:
            with self._state_lock:
                future, _ = self._waiting.pop(number, (None, None))
            if future is not None:
                future._fail(ClusterError(f"cannot call the actor: {error}"))

    def fail(self, core: Core) -> None:
        """Fail the calls that wait for a lost actor."""
        assert core.lost is not None
        with self._state_lock:
            lost = [number for number, (_, ref) in self._waiting.items() if ref() is core]
            found = [self._waiting.pop(number)[0] for number in lost]
        for future in found:
            future._fail(core.lost)

    def close(self) -> None:
        """Delete the queue of the answers."""
        stream, queue = self._stream, self._queue.decode()
        if stream is not None:
            self._end(stream, ClusterError("the client is closed"))
            if stream.ended is None:
                with contextlib.suppress(ClusterError):
                    stream.send("queue", {"name": queue, "do": "close"})


def hub_of(client: Any) -> Hub:
    """Return the actors of a client."""
    hub = client._hub
    if hub is None:
        hub = client._hub = Hub(client)
    return hub


def large_as_future(client: Any, value: Any) -> Any:
    """Return a future of a large value, whose result does not pass through the scheduler's queues."""
    size = getattr(value, "nbytes", None)
    if not isinstance(size, int):
        size = len(value) if isinstance(value, (bytes, bytearray, str)) else 0
    return Large(client.scatter([value], hash=False, asynchronous=False)[0]) if size >= LARGE_BYTES else value


class Large:
    """Stands for a large value: the future of it."""

    def __init__(self, future: TaskFuture) -> None:
        self.future = future


def load_large(value: Any) -> Any:
    """Return the value that another stands for."""
    return value.future.result() if isinstance(value, Large) else value


class Pickled:
    """A pickled value, which is loaded once."""

    def __init__(self, client: Any, body: bytes) -> None:
        self._client = client
        self._body: bytes | None = body
        self._loaded: Any = None
        self._lock = threading.Lock()

    def load(self) -> Any:
        """Return the value."""
        with self._lock:
            if self._body is not None:
                self._loaded, self._body = unpack_value(self._body, self._client), None
            return self._loaded


class _Outcome(Pickled):
    """The answer to a call: returns the result of the method or raises its exception."""

    def __call__(self) -> Any:
        status, value = self.load()
        if status == "value":
            return value
        if status == "large":
            return value.future if is_awaited(self._client) else value.future.result()
        text, pickled = value
        raise remote_exception(Error(-1, -1, "raised", text, pickled))
