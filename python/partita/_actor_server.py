"""The process of an actor: it creates the object and calls its methods."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import inspect
import queue
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent import futures
from typing import Any

from ._actor_calls import (
    ActorFuture,
    Large,
    Pickled,
    join_answer,
    large_as_future,
    load_large,
    resource_name,
    split_request,
)
from ._actors import Core
from ._coordination import Answer, Refused, Request
from ._durations import Deadline
from ._errors import ClusterError
from ._packing import pack_value
from ._worker_view import get_client, get_worker, secede

__all__ = ["call_self", "serve", "server_of_thread"]

#: Requests that are fetched ahead.
REQUESTS_AHEAD = 16

#: Least time that a method waits for another actor, in seconds: shorter timeouts are meant for answers that exist.
ANSWER_WAIT_MIN_S = 0.05
#: Calls that came while a method waits for another actor, at most; further ones stay in the queue.
DEFERRED_MAX = 1_000

#: The actor of this process.
_server: Server | None = None


def server_of_thread() -> Server | None:
    """Return what serves the actor of this process, if this is the thread in which its methods run."""
    server = _server
    return server if server is not None and server.chain and threading.get_ident() == server.thread else None


def serve(identity: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
    """Create an actor and serve its calls until it is interrupted. Runs on a worker."""
    global _server
    client = get_client()
    coordinator, name = client._coordinator, resource_name(identity)
    with contextlib.suppress(Refused):
        coordinator.call("setup", do="get", name=name)
        raise ClusterError("its process ended, and with it the state of the actor")
    server = Server(client, identity, function(*args, **kwargs))
    try:
        coordinator.call("setup", None, do="put", name=name, override=False)
    except Refused as refused:
        if refused.kind != "exists":
            raise
        raise ClusterError("its process ended, and with it the state of the actor") from None
    lease = uuid.uuid4().hex
    try:
        coordinator.call("acquire", names=[name], need=1, max=1, lease=lease, timeout=None)
        # The actor needs a processor only while a method runs.
        secede()
        _server = server
        kind = type(server.instance)
        members = [one for one in dir(kind) if callable(getattr(kind, one, None))]
        attributes = [one for one in dir(server.instance) if not one.startswith("_")]
        coordinator.call("variable", (kind.__name__, members, attributes), name=name, do="set", timeout=None)
        server.run()
    finally:
        _server = None
        server.close()
        coordinator.tell("variable", name=name, do="delete")
        coordinator.tell("queue", name=name, do="close")
        coordinator.tell("release", lease=lease)
        coordinator.tell("setup", do="delete", name=name)


class _Call:
    """A call that has come."""

    __slots__ = ("arguments", "caller", "chain", "is_replaced", "number")

    def __init__(self, number: int, caller: str, chain: tuple[str, ...], arguments: Pickled) -> None:
        self.number = number
        self.caller = caller
        self.chain = chain
        self.arguments = arguments
        #: Whether one more call was asked for in its place.
        self.is_replaced = False


class Server:
    """Calls the methods of an actor: ordinary ones one after the other, and async ones together in an event loop."""

    def __init__(self, client: Any, identity: str, instance: Any) -> None:
        self.client = client
        self.identity = identity
        self.instance = instance
        self.thread = threading.get_ident()
        self._worker = get_worker().name
        self._requests: set[Request] = set()
        #: The calls that have come, and the cause if no further ones come.
        self._calls: queue.SimpleQueue[_Call | str | None] = queue.SimpleQueue()
        #: Calls that came while a method waited for another actor: they run after it.
        self._deferred: collections.deque[_Call] = collections.deque()
        #: The actors that wait for the method that runs, and this one; empty between methods.
        self.chain: tuple[str, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Asynchronous methods that run.
        self._running: set[Any] = set()

    def run(self) -> None:
        """Serve calls until the process is interrupted."""
        for _ in range(REQUESTS_AHEAD):
            self._ask()
        while True:
            call = self._deferred.popleft() if self._deferred else self._calls.get()
            if isinstance(call, str):
                raise ClusterError(call)
            if call is not None:
                if not call.is_replaced:
                    self._ask()
                self._handle(call)

    def serve_until(self, answer: futures.Future[Any], seconds: float | None) -> bool:
        """Wait in a method for the answer of another actor. Return whether it came in time.

        Calls that the other actor makes for that answer are served meanwhile, or both would wait for ever. Others wait
        until the method has ended. In Dask, an answer of an actor of the same worker exists at once: programs may rely on
        that with a short timeout.
        """
        deadline = Deadline(None if seconds is None else max(seconds, ANSWER_WAIT_MIN_S))
        answer.add_done_callback(lambda _: self._calls.put(None))
        while not answer.done():
            left = deadline.left()
            if left == 0:
                return False
            try:
                call = self._calls.get(timeout=left)
            except queue.Empty:
                return answer.done()
            if isinstance(call, str):
                # The loop that serves the calls ends, too.
                self._calls.put(call)
                raise ClusterError(call)
            if call is None:
                continue
            if len(self._deferred) < DEFERRED_MAX:
                self._ask()
                call.is_replaced = True
            if self.identity in call.chain:
                self._handle(call)
            else:
                self._deferred.append(call)
        return True

    def _ask(self) -> None:
        """Ask for one more call."""
        name = resource_name(self.identity)
        request = self.client._coordinator.start("queue", name=name, do="get", timeout=None, batch=None)
        self._requests.add(request)
        request.done.add_done_callback(lambda done: self._receive(request, done))

    def _receive(self, request: Request, done: futures.Future[Answer]) -> None:
        """Take a call. Called by the thread that reads the stream."""
        self._requests.discard(request)
        error = done.exception()
        if error is not None:
            self._calls.put(str(error))
            return
        ((entry, body),) = done.result().values
        number, caller, chain, pickled = split_request(body)
        arguments = Pickled(self.client, pickled)
        if entry.get("futures"):
            # Adopt them while the scheduler still keeps their results: this call may wait for long.
            request.stream.outbox.put(arguments.load)
        self._calls.put(_Call(number, caller, chain, arguments))

    def _handle(self, call: _Call) -> None:
        number, caller, name = call.number, call.caller, ""
        before, self.chain = self.chain, (*[one for one in call.chain if one != self.identity], self.identity)
        try:
            is_call, name, args, kwargs = call.arguments.load()
            value = getattr(self.instance, name)
            if is_call:
                value = value(*map(load_large, args), **{key: load_large(one) for key, one in kwargs.items()})
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._answer_error(number, caller, name, error)
            return
        finally:
            self.chain = before
        if is_call and inspect.iscoroutine(value):
            self._start(number, caller, name, value)
        else:
            self._answer_value(number, caller, name, value)

    def _start(self, number: int, caller: str, name: str, coroutine: Any) -> None:
        """Run a coroutine in the event loop of the actor."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="partita-actor", daemon=True).start()
        running = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        self._running.add(running)

        def end(done: Any) -> None:
            self._running.discard(done)
            error = None if done.cancelled() else done.exception()
            if error is not None:
                self._answer_error(number, caller, name, error)
            elif not done.cancelled():
                self._answer_value(number, caller, name, done.result())

        running.add_done_callback(end)

    def _answer_value(self, number: int, caller: str, name: str, value: Any) -> None:
        try:
            value = large_as_future(self.client, value)
            status = "large" if isinstance(value, Large) else "value"
            what = f"the result of {type(self.instance).__name__}.{name}, of type {type(value).__name__},"
            pickled, places = pack_value((status, value), what)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._answer_error(number, caller, name, error)
            return
        self._send(number, caller, pickled, places, value)

    def _answer_error(self, number: int, caller: str, name: str, error: BaseException) -> None:
        runner: Any = sys.modules.get("_partita_runner")
        error.with_traceback(_user_traceback(error))
        pickled = runner.pickle_exception(error) if runner is not None else b""
        text = f"{type(error).__name__}: {error}"
        where = f"{text} (task {type(self.instance).__name__}.{name} on {self._worker})"
        body, places = pack_value(("error", (where, pickled or None)))
        error.with_traceback(None)
        self._send(number, caller, body, places, None)

    def _send(self, number: int, caller: str, pickled: bytes, places: Any, value: Any) -> None:
        header = {"name": caller, "do": "put", "timeout": None, "existing": True, "futures": places}
        # A caller that is gone does not need the answer.
        with contextlib.suppress(ClusterError):
            request = self.client._coordinator.stream().send("queue", header, join_answer(number, pickled))
            # Futures in the value exist until the queue has them.
            request.done.add_done_callback(lambda _, value=value: None)

    def close(self) -> None:
        """Stop to serve, and let the object go at once: callbacks of requests refer to this server."""
        self.instance = None
        for request in list(self._requests):
            request.withdraw()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)


def _user_traceback(error: BaseException) -> Any:
    """Return the traceback of an exception without the lines of this file at its start."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_globals is globals():
        at = at.tb_next
    return at


def call_self(core: Core, name: str, args: Any, kwargs: Any, is_call: bool) -> ActorFuture | None:
    """Call a method of the actor of this process from one of its methods: it could not wait for itself."""
    server = _server
    if server is None or server.identity != core.identity or threading.get_ident() != server.thread:
        return None
    future = ActorFuture(core.hub, f"{core.name}.{name}")
    try:
        value = getattr(server.instance, name)
        value = value(*args, **kwargs) if is_call else value
    except Exception as error:
        future._fail(error)
        return future
    if is_call and inspect.iscoroutine(value):
        return None
    future._set(lambda: value)
    return future
