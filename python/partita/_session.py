"""The stream of calls between a client and the scheduler."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import struct
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow.flight as flight

from ._call_state import Call, Error, State
from ._durations import Deadline
from ._errors import ClusterError
from ._exchange import encode_message, read_message
from ._records import CallRecords
from ._returned import has_references
from ._session_wire import (
    ADOPT,
    ARRANGE,
    ARRANGED,
    CANCEL,
    DROP,
    ENDED,
    FOREIGN,
    OPEN,
    OPENED,
    PLACE,
    PLACED,
    REFUSED,
    RETRY,
    SETTLED,
    WANT,
    Batch,
    find_ranges,
)
from ._threads import join_threads, start_thread

__all__ = ["CANCEL", "RETRY", "Call", "Error", "Session", "State", "wait_states", "wait_without_slot"]

#: How a task ended, in a message.
DONE, DONE_WITH_VALUE, FAILED = range(3)

#: The stage in the error of a call that this client cancelled.
CANCELLED_HERE = -2

#: Functions that have a stage of their own in one session. Further ones travel with each call.
STAGES_MAX = 1_000
#: A session without live futures is replaced by a new one after this number of calls, stages, or bytes of arguments.
CALLS_KEPT = 10_000
STAGES_KEPT = 500
BYTES_KEPT = 64 << 20
#: Runs of calls that compute one persisted array, at most: the dashboard shows no others.
ARRAY_RUNS_MAX = 4_096
#: Time to wait for the scheduler to open a session, in seconds.
OPEN_TIMEOUT_S = 60.0
#: Time for which a function on a worker waits for calls before it gives up its slot, in seconds.
SLOT_WAIT_S = 0.05
#: Environment variable of functions on the workers: the environment in which they run, as JSON.
ENVIRONMENT = "PARTITA_PYTHON_ENVIRONMENT"
#: Time to wait for the threads of a session at its end, in seconds.
END_TIMEOUT_S = 10.0
#: Modules that workers import before the first call if this process has imported them.
PRELOADED = ("numpy", "pandas", "pyarrow")

_TASK = struct.Struct("<IIB")
_U32 = struct.Struct("<I")


class _Stage:
    """A function with its options, as the scheduler knows it."""

    __slots__ = ("calls", "inputs", "is_upload", "name")

    def __init__(self, name: str, is_upload: bool = False) -> None:
        self.name = name
        #: Whether its results are values that the client sends to workers.
        self.is_upload = is_upload
        #: The next index.
        self.calls = 0
        #: The stages that it reads, each with its number among the inputs.
        self.inputs: dict[int, int] = {}


def environment(python: str | None, own: str | None = None) -> dict[str, Any]:
    """Describe this process's Python to the workers. Environments with the same description share processes there."""
    if "_partita_runner" in sys.modules and ENVIRONMENT in os.environ:
        # The calls of a function on a worker run in the environment of that function, whose processes exist.
        text = os.environ[ENVIRONMENT]
        return {**json.loads(text), "env": {ENVIRONMENT: text}}
    # An empty entry means the working directory, which is another one there.
    path = [os.path.abspath(entry) if entry else os.getcwd() for entry in sys.path if isinstance(entry, str)]
    preload = [name for name in PRELOADED if name in sys.modules]
    if own is not None:
        # Its processes all need this package: it is imported once, before they are forked.
        preload.append("partita.distributed")
    described = {
        "python": list(sys.version_info[:2]),
        "executable": python or sys.executable or "",
        "is_chosen": python is not None,
        "sys_path": path,
        "cwd": os.getcwd(),
        "preload": preload,
        **({} if own is None else {"own": own}),
    }
    return {**described, "env": {ENVIRONMENT: json.dumps(described)}}


class Session:
    """A client's open job: functions are stages, and calls are tasks that it appends.

    Parameters
    ----------
    exchange : callable
        Opens the stream: returns a writer and a reader.
    python : str, optional
        The Python that runs the functions on the workers.
    own_environment : str, optional
        What tells the Python processes of this client from those of others; they are shared if it is not given.
    cluster : tuple of str
        What tells the cluster from others, whose jobs have the same numbers.
    """

    def __init__(
        self,
        exchange: Callable[[], tuple[Any, Any]],
        python: str | None = None,
        own_environment: str | None = None,
        cluster: tuple[str, ...] = (),
    ) -> None:
        self.cluster = cluster
        self.condition = threading.Condition()
        #: The calls whose end wakes threads that wait, with their number; `None` stands for any call.
        self._watched: dict[State | None, int] = {}
        self.job = -1
        self.ended: str | None = None
        #: The scheduler refused calls: those after them would have other places than here, so none are sent.
        self.is_refused = False
        #: Calls that ended without a result.
        self.failures = 0
        #: Called with a call whose result refers to futures or actors.
        self.adopt_result: Callable[[], Callable[[State], None] | None] = lambda: None
        self.calls = 0
        self.bytes = 0
        self._stages: dict[Any, int] = {}
        self._all: list[_Stage] = []
        self._states: weakref.WeakValueDictionary[tuple[int, int], State] = weakref.WeakValueDictionary()
        self._by_key: weakref.WeakValueDictionary[str, State] = weakref.WeakValueDictionary()
        #: Calls of other sessions whose results this one needs, by job, stage and index.
        self._foreign: weakref.WeakValueDictionary[tuple[int, int, int], State] = weakref.WeakValueDictionary()
        self._request = 0
        #: Questions to the scheduler, by their numbers, and where their answers go.
        self._asked: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._questions = itertools.count(1)
        #: Called before results are made known, if it is set.
        self.before_results: Callable[[], None] | None = None
        #: What can run once more in this process.
        self.records = CallRecords()
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._callbacks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        writer, reader = exchange()
        self._writer = writer
        self._send(encode_message(OPEN, {"environment": environment(python, own_environment)}))
        first = reader.read_chunk().app_metadata
        kind, header, _ = read_message(first)
        if kind != OPENED:
            raise ClusterError(f"the scheduler did not open a session for functions: {header}")
        self.job = header["job"]
        self._threads = [
            start_thread(_write, weakref.ref(self), self._outbox, writer, name="submit", stop=reader.cancel),
            start_thread(_listen, weakref.ref(self), reader, name="results", stop=reader.cancel),
        ]
        start_thread(_run_callbacks, self._callbacks, name="callbacks", stop=partial(self._callbacks.put, None))

    # Sending.

    def _send(self, message: bytes) -> None:
        self._writer.write_metadata(message)

    def stage(self, key: Any, name: str, options: dict[str, Any], function: bytes) -> int:
        """Return the number of the stage of a function with these options; a new one if it is called first."""
        with self._lock:
            number = self._stages.get(key)
            if number is None:
                number = self._stages[key] = len(self._all)
                is_upload = bool(options.get("is_upload"))
                self._all.append(_Stage(name, is_upload))
                self._outbox.put(("stage", {"name": name, **options}, function))
                if not is_upload:
                    self.records.add_function(number, function)
            return number

    def stage_name(self, number: int) -> str:
        """Return the name of the function of a stage."""
        return self._all[number].name if number < len(self._all) else "call"

    def place_values(self, count: int, workers: Sequence[str]) -> list[str]:
        """Return the addresses of workers for values that this client sends for calls that it has submitted.

        Raises
        ------
        ClusterError
            If no worker connects in time, or the session has ended.
        """
        found = self._ask(PLACE, {"count": count, "workers": list(workers)})
        if "error" in found:
            raise ClusterError(f"cannot send a value to the workers: {found['error']}")
        return list(found["addresses"])

    def arrange(self, states: Iterable[State], workers: Sequence[str], replicas: dict[str, Any] | None = None) -> None:
        """Have results, of any clients, copied to several workers, or moved to those that hold less, and wait for it.

        Raises
        ------
        ClusterError
            If the scheduler refuses it, or the session has ended.
        """
        tasks: dict[int, set[tuple[int, int]]] = {}
        for state in states:
            tasks.setdefault(state.job, set()).add((state.stage, state.index))
        results = [(job, *found) for job, places in tasks.items() for found in find_ranges(places)]
        found = self._ask(ARRANGE, {"results": results, "workers": list(workers), "replicas": replicas})
        if "error" in found:
            verb = "move" if replicas is None else "replicate"
            raise ClusterError(f"cannot {verb} results: {found['error']}")

    def _ask(self, kind: int, question: dict[str, Any]) -> dict[str, Any]:
        """Ask the scheduler, and return its answer."""
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        number = next(self._questions)
        self._asked[number] = answers
        found: list[dict[str, Any]] = []

        def wait(seconds: float | None) -> bool:
            with contextlib.suppress(queue.Empty):
                found.append(answers.get(timeout=seconds))
            return bool(found)

        try:
            # After it was added: a session that ends answers all questions.
            if self.ended is not None:
                raise ClusterError(f"the session of the client has ended: {self.ended}")
            self._outbox.put(("tell", kind, {"request": number, **question}))
            wait_without_slot(wait, None)
        finally:
            self._asked.pop(number, None)
        return found[0]

    @property
    def has_room(self) -> bool:
        """Whether a further function can have a stage of its own."""
        return len(self._all) < STAGES_MAX

    @property
    def is_worn(self) -> bool:
        """Whether nothing refers to the session, and a new one should replace it."""
        is_large = self.calls > CALLS_KEPT or self.bytes > BYTES_KEPT or len(self._all) > STAGES_KEPT
        return self.ended is not None or self.is_refused or (is_large and not self._states)

    def find(self, key: str) -> State | None:
        """Return the call with a key, if futures refer to it and it can have a result."""
        state = self._by_key.get(key)
        return None if state is None or state.status in ("cancelled", "lost") else state

    @contextlib.contextmanager
    def placing(self, states: Sequence[tuple[State, int]]) -> Iterator[list[Call]]:
        """Context manager that gives calls, each with its stage, their places, and sends them at the end.

        Each reads only calls that were submitted before, or that come before it in the list. Meanwhile no others are
        placed: the scheduler numbers calls in the order in which they come.
        """
        with self._lock:
            if self.ended is not None:
                raise ClusterError(f"the session of the client has ended: {self.ended}")
            calls: list[Call] = []
            next_index = {number: self._all[number].calls for _, number in states}
            is_sent = False
            try:
                for state, number in states:
                    state.stage, state.index = number, next_index[number]
                    next_index[number] += 1
                    self._states[number, state.index] = state
                    calls.append(Call(state, number))
                yield calls
                if calls:
                    self._outbox.put(("calls", calls, None))
                is_sent = True
            finally:
                if is_sent:
                    for number, index in next_index.items():
                        self._all[number].calls = index
                    self._by_key.update((call.state.key, call.state) for call in calls)
                    self.records.add_calls(calls)
                    self.calls += len(calls)
                else:
                    # After an exception, such as Ctrl-C, the next calls have these places.
                    for call in calls:
                        call.state.is_wanted = False
                        self._states.pop((call.stage, call.state.index), None)

    def want(self, state: State) -> None:
        """Say that the result of a call is wanted that was only an input of others."""
        state.is_wanted = True
        self.tell(WANT, [state])

    def reopen(self, stage: int, index: int) -> State:
        """Return the call at a place, and say that its result is wanted: it is computed again if it was dropped."""
        with self._lock:
            if self.ended is not None:
                raise ClusterError(f"the session of the client has ended: {self.ended}")
            state = self._states.get((stage, index))
            if state is None:
                name = self._all[stage].name
                state = self._states[stage, index] = State(self, f"{name}-{stage}-{index}", name)
                state.stage, state.index = stage, index
        if not state.is_wanted:
            self.want(state)
        return state

    def release(self, stage: int, index: int) -> None:
        """Say that no future refers to a call any more. Called from destructors: it neither blocks nor raises."""
        if self.ended is None:
            self._outbox.put(("release", (stage, index), None))

    def adopt(self, place: tuple[int, int, int], make: Callable[[], State]) -> State:
        """Return the call of another session at a job, stage and index; `make` creates its state if it is not known."""
        with self._lock:
            state = self._foreign.get(place)
            # One that was lost with its session is asked for again.
            if state is None or state.status == "lost":
                if self.ended is not None:
                    raise ClusterError(f"the session of the client has ended: {self.ended}")
                state = self._foreign[place] = make()
                self._outbox.put(("tell", ADOPT, {"futures": [place]}))
            return state

    def drop(self, place: tuple[int, int, int]) -> None:
        """Say that the result of another session is not needed any more. It neither blocks nor raises."""
        if self.ended is None:
            self._outbox.put(("tell", DROP, {"futures": [place]}))

    def cancel(self, states: Sequence[State], reason: str) -> None:
        """Cancel calls. They have no result from now on, also those that have ended."""
        self.tell(CANCEL, states, reason=reason)
        error = Error(CANCELLED_HERE, -1, "cancelled", reason)
        for state in states:
            if state.status == "finished" and state.is_wanted:
                # The workers drop the result, although futures still refer to the call.
                state.is_wanted = False
                self.release(state.stage, state.index)
        self._apply([(state, None, error) for state in states])

    def tell(self, kind: int, states: Iterable[State], **header: Any) -> None:
        """Send a message about calls."""
        self._outbox.put(("tell", kind, {"ranges": [(one.stage, one.index, 1) for one in states], **header}))

    def describe_array(self, name: str, grid: Sequence[int], states: Sequence[State]) -> None:
        """Tell the dashboard that calls compute the blocks of a persisted array, in row-major order."""
        runs: list[list[int]] = []
        for one in states:
            if runs and runs[-1][0] == one.stage and runs[-1][1] + runs[-1][2] == one.index:
                runs[-1][2] += 1
            else:
                runs.append([one.stage, one.index, 1])
        if self.ended is None and len(runs) <= ARRAY_RUNS_MAX:
            # The calls are wanted already: a scheduler without the dashboard has nothing to do.
            self._outbox.put(("tell", WANT, {"ranges": runs, "array": {"name": name, "grid": list(grid)}}))

    def __del__(self) -> None:
        self._outbox.put(None)
        self._callbacks.put(None)

    def close(self) -> None:
        """End the session: the scheduler drops all results."""
        self._end("the client was closed", "cancelled")

    def join(self) -> None:
        """Wait until the threads of a closed session have ended: else they might crash an interpreter that exits."""
        join_threads(self._threads, END_TIMEOUT_S)

    # Hearing.

    def _settle(self, header: dict[str, Any], body: memoryview, job: int | None = None) -> None:
        errors = []
        at = 0
        for one in header["errors"]:
            length = one["exception"]
            exception = bytes(body[at : at + length]) if length else None
            at += length
            errors.append(Error(one["stage"], one["index"], one["kind"], one["text"], exception))
        settled = []
        for _ in range(header["tasks"]):
            stage, index, how = _TASK.unpack_from(body, at)
            at += 9
            value = error = None
            if how == DONE_WITH_VALUE:
                (length,) = _U32.unpack_from(body, at)
                value = body[at + 4 : at + 4 + length]
                at += 4 + length
            elif how == FAILED:
                error = errors[_U32.unpack_from(body, at)[0]]
                at += 4
            state = self._states.get((stage, index)) if job is None else self._foreign.get((job, stage, index))
            if state is not None:
                settled.append((state, value, error))
        self._apply(settled)

    def _apply(self, settled: Sequence[tuple[State, Any, Error | None]]) -> None:
        told = []
        failed = False
        with self.condition:
            for state, value, error in settled:
                if state.error is not None and state.error.stage == CANCELLED_HERE:
                    # Whatever the scheduler tells of it was on its way.
                    continue
                # A copy, so that a small result does not keep the message.
                state.value = None if value is None else bytes(value)
                state.error = error
                state.kept = None
                if error is None:
                    state.status = "finished"
                    if state.value is not None and has_references(state.value):
                        adopt = self.adopt_result()
                        if adopt is not None:
                            told.append((adopt, state))
                else:
                    # Calls are lost with their session. Those that lost their workers have failed.
                    self.failures += 1
                    failed = True
                    is_lost = error.kind == "lost" and error.stage < 0
                    state.status = "cancelled" if error.kind == "cancelled" else "lost" if is_lost else "error"
                if state.callbacks:
                    told += [(callback, state) for callback in state.callbacks]
                    state.callbacks = None
            watched = self._watched
            if watched and (None in watched or failed or any(one[0] in watched for one in settled)):
                self.condition.notify_all()
        for one in told:
            self._callbacks.put(one)

    def _refuse(self, request: int, text: str) -> None:
        """Fail the calls of a message and all later ones: the scheduler numbers these otherwise from here on."""
        self.is_refused = True
        error = Error(-1, -1, "refused", text)
        refused = [one for one in list(self._states.values()) if not 0 < one.request < request]
        for state in refused:
            state.is_wanted = False
            self._states.pop((state.stage, state.index), None)
        self._apply([(state, None, error) for state in refused])

    def _end(self, text: str, kind: str) -> None:
        with self.condition:
            if self.ended is None:
                self.ended = text
        for answer in list(self._asked.values()):
            answer.put({"error": text})
        error = Error(-1, -1, kind, text)
        # The thread of the callbacks stays: futures may still get some.
        self._outbox.put(None)
        known = [*list(self._states.values()), *list(self._foreign.values())]
        # Also values that were sent: what is not here cannot be fetched any more.
        lost = [state for state in known if state.error is None and state.value is None]
        self._apply([(state, None, error) for state in lost])

    def forget(self, reason: str) -> None:
        """Cancel all calls, also those that have ended: nothing of them is left."""
        error = Error(CANCELLED_HERE, -1, "cancelled", reason)
        self._apply([(state, None, error) for state in list(self._states.values())])

    def add_callback(self, state: State, callback: Callable[[State], None]) -> None:
        """Call a function with the state when the call has ended, in a thread of the session."""
        with self.condition:
            if state.status == "pending":
                if state.callbacks is None:
                    state.callbacks = []
                state.callbacks.append(callback)
                return
        self._callbacks.put((callback, state))

    def wait(
        self, states: Sequence[State], timeout: float | None, first: bool = False, until_error: bool = False
    ) -> bool:
        """Wait until all calls, or the first of them, have ended; or until one has failed. Return whether they have."""

        left = list(states)

        def are_over() -> bool:
            # From the end, so that each is checked about once.
            while left and left[-1].status != "pending":
                left.pop()
            return not left

        seen = -1

        def are_over_or_failed() -> bool:
            nonlocal seen
            if seen != self.failures:
                seen = self.failures
                if any(state.error is not None for state in left):
                    return True
            return are_over()

        if first and len(states) > 1:
            return self._wait_for(lambda: any(state.status != "pending" for state in states), lambda: None, timeout)
        return self._wait_for(are_over_or_failed if until_error else are_over, lambda: left[-1], timeout)

    def _wait_for(
        self, is_over: Callable[[], bool], watched: Callable[[], State | None], timeout: float | None
    ) -> bool:
        """Wait for a condition. It is checked after the end of the call that `watched` returns, and after a failure.

        Most messages about many calls do not wake the thread that waits for all of them.
        """
        deadline = Deadline(timeout)
        with self.condition:
            while not is_over():
                seconds = deadline.left()
                if seconds == 0:
                    return False
                one = watched()
                self._watched[one] = self._watched.get(one, 0) + 1
                try:
                    self.condition.wait(seconds)
                finally:
                    self._watched[one] -= 1
                    if not self._watched[one]:
                        del self._watched[one]
            return True


def wait_states(states: Sequence[State], timeout: float | None, first: bool = False, until_error: bool = False) -> bool:
    """Wait until calls of any sessions, or the first of them, have ended; or one has failed. Return whether they have.

    A function that waits longer on a worker gives its slot to the calls for which it waits.
    """
    return wait_without_slot(lambda seconds: _wait_states(states, seconds, first, until_error), timeout)


def wait_without_slot(wait: Callable[[float | None], bool], timeout: float | None) -> bool:
    """Call a function that waits at most a number of seconds for calls, and return whether they have ended.

    In a function on a worker, the slot is given up if it takes longer.
    """
    if "_partita_runner" not in sys.modules:
        return wait(timeout)
    from ._worker_view import without_slot

    short = SLOT_WAIT_S if timeout is None else min(timeout, SLOT_WAIT_S)
    if wait(short):
        return True
    if timeout is not None and timeout <= short:
        return False
    with without_slot():
        return wait(None if timeout is None else timeout - short)


def _wait_states(states: Sequence[State], timeout: float | None, first: bool, until_error: bool) -> bool:
    sessions: dict[Session, list[State]] = {}
    for state in states:
        sessions.setdefault(state.session, []).append(state)
    if len(sessions) == 1:
        ((session, own),) = sessions.items()
        return session.wait(own, timeout, first, until_error)
    if not first:
        deadline = Deadline(timeout)
        return all(session.wait(own, deadline.left(), until_error=until_error) for session, own in sessions.items())
    ended = threading.Event()
    for state in states:
        state.session.add_callback(state, lambda _: ended.set())
    return not states or ended.wait(timeout)


def _write(session: weakref.ref[Session], outbox: queue.SimpleQueue[Any], writer: Any) -> None:
    """Send what is in the outbox: all that waits goes in as few messages as possible."""
    batch = Batch()
    while True:
        item = outbox.get()
        try:
            while True:
                if item is None:
                    with contextlib.suppress(Exception):
                        batch.send(writer, session)
                        writer.done_writing()
                    return None
                batch.add(item, writer, session)
                item = outbox.get_nowait()
        except queue.Empty:
            pass
        except Exception as error:
            return _fail(session, error)
        try:
            batch.send(writer, session)
        except Exception as error:
            return _fail(session, error)
        # Otherwise the last batch would keep its states until the next comes.
        item = None


def _fail(session: weakref.ref[Session], error: Exception) -> None:
    alive = session()
    if alive is not None:
        alive._end(f"the connection to the scheduler was lost: {error}", "lost")


def _listen(session: weakref.ref[Session], reader: Any) -> None:
    """Hear of calls that ended, until the stream ends."""
    cause, how = "the scheduler ended", "lost"
    try:
        while True:
            message = reader.read_chunk().app_metadata
            alive = session()
            if alive is None:
                return
            kind, header, body = read_message(message)
            if alive.before_results is not None and kind in (SETTLED, FOREIGN):
                alive.before_results()
            if kind == SETTLED:
                alive._settle(header, body)
            elif kind == FOREIGN:
                alive._settle(header, body, header["job"])
            elif kind in (PLACED, ARRANGED):
                answer = alive._asked.get(header["request"])
                if answer is not None:
                    answer.put(header)
                del answer
            elif kind == REFUSED:
                alive._refuse(header["request"], header["error"])
            elif kind == ENDED:
                cause = header["error"] or f"the session was {header['state']}"
                how = "cancelled" if header["state"] == "cancelled" else "lost"
                break
            del alive, message, body
    except StopIteration:
        pass
    except Exception as error:
        if isinstance(error, flight.FlightCancelledError):
            cause = "it was closed"
        elif isinstance(error, flight.FlightUnavailableError):
            cause = "the connection to the scheduler was lost"
        else:
            cause = f"the connection to the scheduler was lost: {str(error).split('. ')[0]}"
    alive = session()
    if alive is not None:
        alive._end(cause, how)


def _run_callbacks(callbacks: queue.SimpleQueue[Any]) -> None:
    while True:
        item = callbacks.get()
        if item is None:
            return
        callback, state = item
        try:
            callback(state)
        except Exception:
            sys.excepthook(*sys.exc_info())
        del item, callback, state
