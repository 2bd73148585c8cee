"""The stream of coordination between a client and the scheduler: requests with answers, and events."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent import futures
from functools import partial
from typing import Any

import pyarrow.flight as flight

from ._awaiting import is_awaited, until_called
from ._errors import ClusterError
from ._exchange import encode_message, read_message
from ._flight import check_process
from ._packing import pack_value
from ._threads import join_threads, start_thread

__all__ = [
    "Answer",
    "Coordinator",
    "Refused",
    "Request",
    "Steps",
    "all_answers",
    "refusal",
    "run_steps",
    "run_steps_async",
    "unless_gone",
]

#: Kinds of messages to the scheduler, and from it.
HELLO, REQUEST, WITHDRAW = 16, 17, 18
ANSWER, FAILED, EVENT = 17, 18, 19

#: Time to wait for the end of the stream when it is closed, in seconds.
CLOSE_TIMEOUT_S = 1.0
#: A topic without events.
_NO_TOPIC = "partita-nothing"
#: Maximum number of events that wait for their handlers. Later ones are dropped with a warning.
EVENTS_MAX = 10_000


class Refused(ClusterError):
    """The scheduler refused a request.

    Attributes
    ----------
    kind : str
        ``invalid``, ``full``, ``gone``, ``withdrawn`` or ``exists``.
    """

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


class Answer:
    """The answer to a request: a result, and the values that came with it, each with its description."""

    __slots__ = ("result", "values")

    def __init__(self, header: dict[str, Any], body: memoryview) -> None:
        self.result: Any = header.get("result")
        self.values: list[tuple[dict[str, Any], bytes]] = []
        at = 0
        for entry in header.get("values") or ():
            end = at + entry["bytes"]
            # A copy, so that a small value does not keep the message.
            self.values.append((entry, bytes(body[at:end])))
            at = end


class Request:
    """A request that was sent, and its answer as a future."""

    __slots__ = ("_answer", "_is_withdrawn", "_lock", "_undo", "done", "number", "stream")

    def __init__(self, number: int, stream: _Stream, undo: Callable[[Answer], None] | None) -> None:
        self.number = number
        self.stream = stream
        self.done: futures.Future[Answer] = futures.Future()
        #: Called with the answer if nobody takes it.
        self._undo = undo
        self._answer: Answer | None = None
        self._is_withdrawn = False
        self._lock = threading.Lock()

    def wait(self) -> Answer:
        """Wait for the answer. Ctrl-C withdraws the request."""
        try:
            error = self.done.exception()
        except BaseException:
            self.withdraw()
            raise
        if error is not None:
            raise _copy_error(error)
        return self.done.result()

    async def wait_async(self) -> Answer:
        """Wait for the answer in an event loop. Cancelling withdraws the request."""
        try:
            await until_called(self.done.add_done_callback)
        except BaseException:
            self.withdraw()
            raise
        error = self.done.exception()
        if error is not None:
            raise _copy_error(error)
        return self.done.result()

    def withdraw(self) -> None:
        """Say that nobody waits for the answer any more, or undo it if it has come. This neither waits nor raises."""
        with self._lock:
            is_first, self._is_withdrawn = not self._is_withdrawn, True
            answer = self._answer
        if not is_first:
            return
        if answer is None:
            if not self.done.done():
                self.stream.outbox.put(self.number)
        elif self._undo is not None:
            self._undo(answer)

    def finish(self, answer: Answer | None, error: BaseException | None) -> None:
        """Set the answer or the error."""
        with self._lock:
            is_withdrawn, self._answer = self._is_withdrawn, answer
        if answer is None:
            self.done.set_exception(error)
            return
        if is_withdrawn and self._undo is not None:
            self._undo(answer)
        # Without the lock: callbacks may withdraw requests.
        self.done.set_result(answer)


def _copy_error(error: BaseException) -> BaseException:
    """Return a copy of the error of a request.

    The error itself would reference the frames through which it is raised, and these the request with the error: what
    they hold would live until the garbage collector finds the cycle.
    """
    return Refused(str(error), error.kind) if isinstance(error, Refused) else type(error)(str(error))


class _Stream:
    """An open stream. It belongs to the process that opened it, and ends for good."""

    def __init__(self, exchange: Callable[[], tuple[Any, Any]], who: str) -> None:
        self.pid = os.getpid()
        self.ended: str | None = None
        self.pending: dict[int, Request] = {}
        self.handlers: dict[str, Callable[[Any], Any]] = {}
        #: What must not wait or not be done in the caller's thread, such as that of a destructor: withdrawn numbers,
        #: operations, functions, and None at the end. A reentrant queue.
        self.outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._events: queue.Queue[Any] | None = None
        self._lock = threading.Lock()
        self._count = 0
        self._drops_events = False
        self._writer, reader = exchange()
        self._writer.write_metadata(encode_message(HELLO, {"client": who}))
        # The threads refer to the stream only while they work on a message.
        this = weakref.ref(self)
        self._reading = start_thread(_listen, this, reader, name="coordination", stop=reader.cancel)
        start_thread(_drain, this, self.outbox, name="withdrawals", stop=reader.cancel)

    def send(
        self,
        op: str,
        header: dict[str, Any],
        body: bytes = b"",
        undo: Callable[[Answer], None] | None = None,
    ) -> Request:
        """Send a request."""
        # Receiving takes no lock: a scheduler that waits until its answers are read must not stop this process.
        with self._lock:
            self._count += 1
            request = Request(self._count, self, undo)
            self.pending[request.number] = request
            try:
                if self.ended is None:
                    self._writer.write_metadata(
                        encode_message(REQUEST, {"request": request.number, "op": op, **header}, [body])
                    )
            except Exception as error:
                cause = f"the connection to the scheduler was lost: {str(error).split('. ')[0]}"
            else:
                cause = self.ended or ""
        if cause:
            self.end(cause)
        return request

    def withdraw(self, number: int) -> None:
        """Say that nobody waits for the answer to a request."""
        with self._lock:
            if self.ended is None:
                self._writer.write_metadata(encode_message(WITHDRAW, {"request": number}))

    def receive(self, message: Any) -> None:
        """Handle a message of the scheduler."""
        kind, header, body = read_message(message)
        if kind == EVENT:
            self._receive_event(header, bytes(body))
        elif kind in (ANSWER, FAILED):
            request = self.pending.pop(header["request"], None)
            if request is not None:
                _answer(request, kind, header, body)

    def follow(self, topic: str, handler: Callable[[Any], Any]) -> Request:
        """Call a function with the time and the body of each event of a topic."""
        if self._events is None:
            self._events = queue.Queue(EVENTS_MAX)
            start_thread(_handle_events, self._events, name="events", stop=partial(_end_events, self._events))
        self.handlers[topic] = handler
        return self.send("follow", {"topic": topic})

    def add_marker(self, handled: threading.Event) -> bool:
        """Set an event of this process after the handlers of all events that came so far. Return False if that failed."""
        if self._events is None:
            return False
        try:
            self._events.put_nowait((lambda _: handled.set(), {"time": 0.0}, b""))
        except queue.Full:
            return False
        return True

    def _receive_event(self, header: dict[str, Any], body: bytes) -> None:
        handler = self.handlers.get(header["topic"])
        if handler is None or self._events is None:
            return
        try:
            self._events.put_nowait((handler, header, body))
        except queue.Full:
            if not self._drops_events:
                self._drops_events = True
                print(f"events of the topic {header['topic']!r} are dropped: its handler is too slow", file=sys.stderr)

    def end(self, cause: str) -> None:
        """Fail all requests and refuse further ones."""
        if self.ended is None:
            self.ended = cause
        pending, self.pending = self.pending, {}
        self.outbox.put(None)
        if self._events is not None:
            _end_events(self._events)
        for request in list(pending.values()):
            request.finish(None, ClusterError(f"cannot coordinate with other clients: {self.ended}"))

    def close(self) -> None:
        """End the stream, here and at the scheduler."""
        self.end("the client is closed")
        with self._lock, contextlib.suppress(Exception):
            self._writer.done_writing()
        # Otherwise the connection would be closed in the middle of the stream, about which gRPC prints a message.
        join_threads([self._reading], CLOSE_TIMEOUT_S)

    def __del__(self) -> None:
        self.outbox.put(None)


def _answer(request: Request, kind: int, header: dict[str, Any], body: memoryview) -> None:
    if kind == ANSWER:
        request.finish(Answer(header, body), None)
    elif header["kind"] == "timeout":
        request.finish(None, TimeoutError(header["error"]))
    else:
        request.finish(None, Refused(header["error"], header["kind"]))


def _listen(stream: weakref.ref[_Stream], reader: Any) -> None:
    """Receive messages until the stream ends."""
    cause = "the scheduler ended"
    try:
        while True:
            message = reader.read_chunk().app_metadata
            alive = stream()
            if alive is None:
                return
            alive.receive(message)
            del alive, message
    except StopIteration:
        pass
    except Exception as error:
        if isinstance(error, flight.FlightUnavailableError):
            cause = "the connection to the scheduler was lost"
        elif not isinstance(error, flight.FlightCancelledError):
            cause = f"the connection to the scheduler was lost: {str(error).split('. ')[0]}"
    alive = stream()
    if alive is not None:
        alive.end(cause)


def _drain(stream: weakref.ref[_Stream], outbox: queue.SimpleQueue[Any]) -> None:
    """Do what destructors and the thread that reads ask for."""
    while True:
        item = outbox.get()
        alive = stream()
        if item is None or alive is None or alive.pid != os.getpid():
            return
        with contextlib.suppress(Exception):
            if isinstance(item, int):
                alive.withdraw(item)
            elif callable(item):
                item()
            else:
                alive.send(*item)
        del alive, item


def _handle_events(events: queue.Queue[Any]) -> None:
    """Call the handlers of events, one after the other."""
    while True:
        item = events.get()
        if item is None:
            return
        handler, header, body = item
        try:
            made = handler((header["time"], body))
            if hasattr(made, "__await__"):
                asyncio.run(_await(made))
        except Exception:
            sys.excepthook(*sys.exc_info())
        del item, handler, body


def _end_events(events: queue.Queue[Any]) -> None:
    """End the thread of the handlers of events. If many wait, the oldest one gives way."""
    while True:
        try:
            return events.put_nowait(None)
        except queue.Full:
            with contextlib.suppress(queue.Empty):
                events.get_nowait()


async def _await(made: Any) -> Any:
    return await made


class Coordinator:
    """A client's requests to the scheduler about locks, queues, events, values and actors.

    The stream opens with the first request, and again after the connection was lost. Waiting requests and leases end with
    it.

    Parameters
    ----------
    exchange : callable
        Opens a stream: returns a writer and a reader.
    cluster : tuple of str
        What tells the cluster from others.
    """

    def __init__(self, exchange: Callable[[], tuple[Any, Any]], cluster: tuple[str, ...] = ()) -> None:
        self._exchange = exchange
        self.cluster = cluster
        self._lock = threading.Lock()
        self._stream: _Stream | None = None
        self._handlers: dict[str, Callable[[Any], Any]] = {}
        self._is_closed = False

    def stream(self) -> _Stream:
        """Return the open stream; a new one if this process has none."""
        stream = self._stream
        if stream is not None and stream.ended is None and stream.pid == os.getpid():
            return stream
        check_process()
        with self._lock:
            if self._is_closed:
                raise ClusterError("the client is closed")
            if self._stream is None or self._stream.ended is not None:
                self._stream = _Stream(self._exchange, f"process {os.getpid()}")
                for topic, handler in self._handlers.items():
                    self._stream.follow(topic, handler)
            return self._stream

    def start(
        self,
        op: str,
        *values: Any,
        undo: Callable[[Answer], None] | None = None,
        **header: Any,
    ) -> Request:
        """Send a request and return it. It is answered later.

        Parameters
        ----------
        op : str
            The operation.
        *values
            The value that it takes, if it takes one.
        undo : callable, optional
            Called with an answer that comes although the request was withdrawn.
        **header
            Arguments of the operation.
        """
        body = b""
        if values:
            body, places = pack_value(values[0], cluster=self.cluster)
            if places:
                header["futures"] = places
        return self.stream().send(op, header, body, undo)

    def call(self, op: str, *values: Any, **header: Any) -> Answer:
        """Send a request and wait for its answer."""
        return self.start(op, *values, **header).wait()

    def tell(self, op: str, body: bytes = b"", **header: Any) -> None:
        """Send a request whose answer does not matter, unless the stream has ended. For destructors: it never waits."""
        stream = self._stream
        if stream is not None and stream.ended is None and stream.pid == os.getpid():
            stream.outbox.put((op, header, body))

    @property
    def topics(self) -> list[str]:
        """The topics that have a handler."""
        return list(self._handlers)

    def follow(self, topic: str, handler: Callable[[Any], Any]) -> Request:
        """Call a function with the time and the body of each event of a topic, in a thread of the client."""
        stream = self.stream()
        with self._lock:
            self._handlers[topic] = handler
            return stream.follow(topic, handler)

    def wait_for_events(self, timeout: float) -> None:
        """Wait until the handlers have returned of all events that the scheduler has passed on, or until the time is over."""
        stream = self._stream
        if stream is None or stream.ended is not None:
            return
        end = time.monotonic() + timeout
        # Its answer comes after the events that were sent before it.
        request = stream.send("events", {"topic": _NO_TOPIC})
        handled = threading.Event()
        with contextlib.suppress(Exception):
            request.done.result(timeout)
            if stream.add_marker(handled):
                handled.wait(max(end - time.monotonic(), 0))

    def unfollow(self, topic: str) -> Request:
        """Stop to call the handler of a topic.

        Raises
        ------
        ValueError
            If the topic has none.
        """
        with self._lock:
            if self._handlers.pop(topic, None) is None:
                raise ValueError(f"the topic {topic!r} has no handler; use subscribe_topic first")
        stream = self.stream()
        stream.handlers.pop(topic, None)
        return stream.send("unfollow", {"topic": topic})

    def close(self) -> None:
        """End the stream, its waiting requests and its leases."""
        with self._lock:
            self._is_closed = True
            stream, self._stream = self._stream, None
        if stream is not None and stream.pid == os.getpid():
            stream.close()


@contextlib.contextmanager
def refusal(kind: str, error: Callable[[str], BaseException]) -> Iterator[None]:
    """Context manager that raises another exception for refused requests of a kind."""
    try:
        yield
    except Refused as refused:
        if refused.kind != kind:
            raise
        raise error(str(refused)) from None


#: The steps of an operation: it yields requests, and gets their answers.
Steps = Generator[Request, Answer, Any]


def run_steps(client: Any, steps: Steps) -> Any:
    """Run an operation and return its result; in an event loop of an asynchronous client, what is awaited for it."""
    return run_steps_async(steps) if is_awaited(client) else _run_steps(steps)


def _run_steps(steps: Steps) -> Any:
    try:
        request = next(steps)
        while True:
            try:
                answer = request.wait()
            except BaseException as error:
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        return end.value


async def run_steps_async(steps: Steps) -> Any:
    """Run an operation in an event loop."""
    try:
        request = next(steps)
        while True:
            try:
                answer = await request.wait_async()
            except BaseException as error:
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        return end.value


def all_answers(requests: Sequence[Request]) -> Steps:
    """Return the steps of an operation that waits for several answers and returns them."""
    answers = []
    for request in requests:
        answers.append((yield request))
    return answers


def unless_gone(start: Callable[[], Request]) -> Steps:
    """Return the steps of an operation on what need not exist."""
    try:
        yield start()
    except Refused as refused:
        if refused.kind != "gone":
            raise
