"""Submitting calls: from functions and arguments, or from tasks, to the session of a client."""

from __future__ import annotations

import contextlib
import hashlib
import math
import operator
import threading
import uuid
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ._call_state import check_cluster
from ._direct import is_large, split_parts, to_table
from ._errors import Cancelled, ClusterError, PartitaError
from ._foreign import ForeignState, fetch_call, loading
from ._frame_functions import PersistedPartitions
from ._frame_inputs import FrameInput, frame_call
from ._large_calls import VALUE_BYTES_MAX, call_pickled, pack_large_arguments
from ._options import worker_names
from ._packing import CALL, TooLarge, dumps, pack_arguments, pack_function, pack_plain, unpack, with_places
from ._returned import collect_loaded
from ._session import Session, State, environment
from ._setup import prepare
from ._task_futures import TaskFuture
from ._tasks import Task, identity, sort_tasks

__all__ = ["Submitter", "function_name", "is_lost_value", "submit"]

#: Arguments of at least this many bytes are sent once, however many calls of one submission have them.
SHARED_BYTES_MIN = 64 << 10
#: Maximum number of attempts to send a value: workers may be lost meanwhile.
UPLOAD_ATTEMPTS_MAX = 4
#: Time after which a value is sent again that the scheduler does not know to be there, in seconds.
UPLOAD_SETTLE_S = 10.0


#: The highest priority of calls; the lowest one is its negative.
PRIORITY_MAX = 2**31 - 1


def function_name(function: Callable[..., Any]) -> str:
    """Return a short name of a function for display and keys."""
    while hasattr(function, "func") and callable(function.func):
        function = function.func
    name = getattr(function, "__name__", None) or type(function).__name__
    return "lambda" if name == "<lambda>" else str(name)[:100]


def stage_options(options: dict[str, Any] | None) -> dict[str, Any]:
    """Return the options of a stage from those of a call.

    Raises
    ------
    TypeError
        If an option is of a wrong type.
    """
    if not options:
        return {}
    made: dict[str, Any] = {}
    priority = options.get("priority")
    if priority:
        if not isinstance(priority, (int, float)) or priority != int(priority) or abs(priority) > PRIORITY_MAX:
            raise TypeError(f"priority must be an integer from -{PRIORITY_MAX} to {PRIORITY_MAX}, not {priority!r}")
        made["priority"] = int(priority)
    retries = options.get("retries")
    if retries:
        if not isinstance(retries, int) or not 0 <= retries <= 255:
            raise TypeError(f"retries must be a number from 0 to 255, not {retries!r}")
        made["retries"] = retries
    resources = options.get("resources")
    if resources:
        if not isinstance(resources, dict):
            raise TypeError(f"resources must be a dict such as {{'GPU': 1}}, not {resources!r}")
        amounts = {str(name): float(amount) for name, amount in resources.items()}
        for resource, amount in amounts.items():
            if not (math.isfinite(amount) and amount >= 0):
                raise ValueError(f"the amount of the resource {resource!r} must be a positive number, not {amount:g}")
        made["resources"] = {name: amount for name, amount in amounts.items() if amount}
    workers = options.get("workers")
    if workers:
        made["workers"] = worker_names(workers)
        if options.get("allow_other_workers"):
            made["or_others"] = True
    return made


class Submitter:
    """Submits calls for a client: opens its session, and gives equal calls one future."""

    def __init__(self, client: Any, python: str | None, own_environment: str | None = None) -> None:
        self._client = client
        self._python = python
        #: What tells the Python processes of this client from those of others; None if they may be shared.
        self._own_environment = own_environment
        self._lock = threading.Lock()
        self._session: Session | None = None
        #: Earlier sessions that futures still refer to.
        self._old: weakref.WeakSet[Session] = weakref.WeakSet()
        self._is_closed = False
        self._before_results: Callable[[], None] | None = None

    def call_before_results(self, function: Callable[[], None] | None) -> None:
        """Call a function, or none any more, in a thread of a session before the results of calls are made known."""
        with self._lock:
            self._before_results = function
            for session in [*self._old, *([] if self._session is None else [self._session])]:
                session.before_results = function

    def environment(self) -> dict[str, Any]:
        """Describe the Python of the functions to the workers."""
        return environment(self._python, self._own_environment)

    def session(self) -> Session:
        """Return the session; a new one at first, and when the old one is worn or has ended."""
        with self._lock:
            if self._is_closed:
                raise ClusterError("the client is closed")
            if self._session is None or self._session.is_worn:
                old, self._session = self._session, None
                if old is not None:
                    # It ends when no future refers to it any more.
                    self._old.add(old)
                    del old
                is_first = not self._old
                connection = self._client._connection
                self._session = Session(connection.exchange, self._python, self._own_environment, connection.cluster)
                self._session.adopt_result = weakref.WeakMethod(self._adopt_result)
                self._session.before_results = self._before_results
                if is_first:
                    self._client._follow_prints()
            return self._session

    def sessions(self) -> list[Session]:
        """Return the sessions that exist, the latest first."""
        with self._lock:
            return [*([] if self._session is None else [self._session]), *self._old]

    def states(self) -> list[State]:
        """Return the calls to which something refers, of all sessions that have not ended."""
        return [state for one in self.sessions() if one.ended is None for state in list(one._states.values())]

    def close(self) -> None:
        """End the session."""
        with self._lock:
            self._is_closed = True
            sessions = [*self._old, *([] if self._session is None else [self._session])]
        for session in sessions:
            session.close()
        for session in sessions:
            session.join()

    def stage(
        self, session: Session, function: Callable[..., Any], name: str, options: dict[str, Any]
    ) -> tuple[int, bytes, tuple[Any, ...]]:
        """Return the stage of a function, its hash, and the first arguments of its calls: none, or the function."""
        needs = self._client._function_needs()
        if needs:
            function = prepare(function, needs, lambda one: pack_function(one, name))
        shown = repr(sorted(options.items()))
        try:
            pickled = pack_function(function, name)
        except TooLarge:
            if needs:
                raise
            return self._large_stage(session, function, name, options, shown)
        digest = hashlib.blake2b(pickled, digest_size=16).digest()
        key = (digest, name, shown)
        if key in session._stages or session.has_room:
            return session.stage(key, name, options, pickled), digest, ()
        # Too many functions: those of one name share a stage.
        common = pack_function(CALL, name)
        return session.stage(("any", name, shown), name, options, common), digest, (function,)

    def _large_stage(
        self, session: Session, function: Callable[..., Any], name: str, options: dict[str, Any], shown: str
    ) -> tuple[int, bytes, tuple[Any, ...]]:
        """Return the stage of a function that is sent to a worker as a value, and what its calls begin with."""
        pickled = dumps(function, f"the function {name}")
        digest = hashlib.blake2b(pickled, digest_size=16)
        common = pack_function(call_pickled, name)
        stage = session.stage(("pickled", name, shown), name, options, common)
        return stage, digest.digest(), (self._sent(pickled), digest.hexdigest())

    def _sent(self, value: Any) -> TaskFuture:
        return self.send_values([value], None, True)[0]

    def submit(
        self,
        function: Callable[..., Any],
        calls: Iterable[tuple[tuple[Any, ...], dict[str, Any]]],
        options: dict[str, Any] | None = None,
        keys: Sequence[Any] | None = None,
        name: str = "",
        pure: bool = True,
        prefix: str | Callable[[tuple[Any, ...]], str] | None = None,
    ) -> list[TaskFuture]:
        """Submit calls of one function and return their futures.

        `keys` are whole keys. Otherwise a key begins with `prefix`, which may be a function of the arguments, or with the
        name of the function.
        """
        session = self.session()
        name = name or function_name(function)
        is_identity = function is identity
        if is_identity:
            function = _FIRST
        stage, digest, carried = self.stage(session, function, name, stage_options(options))
        futures: list[TaskFuture] = []
        made = _Submission()
        shared = _Shared(self, session, made)
        new: dict[str, State] = {}
        states: list[State]
        kept: list[Any]
        for number, (args, kwargs) in enumerate(calls):
            label = name if prefix is None else prefix if isinstance(prefix, str) else prefix(args)
            plain = None if carried or is_identity else pack_plain(args, kwargs)
            if plain is not None:
                pickled, states, kept = plain, [], []
            else:
                args, kwargs = ((args,), kwargs) if is_identity else shared.replace(args, kwargs)
                args = (*carried, *args) if carried else args
                pickled, inputs, kept = pack_large_arguments(args, kwargs, name, self._sent)
                states = [self._state_of(session, one, made, kept) for one in inputs]
            key = keys[number] if keys is not None else self._key(label, digest, pickled, states, pure)
            state = new.get(key) or session.find(key)
            if state is None:
                state = State(session, key, name)
                if keys is not None:
                    state.token = f"{key}-{uuid.uuid4().hex}"
                state.is_wanted = True
                state.kept = kept or None
                new[key] = state
                made.calls.append(_Unplaced(state, stage, pickled, states))
            elif not state.is_wanted:
                # It was an intermediate result of a graph: now somebody wants it.
                session.want(state)
            futures.append(TaskFuture(state, self._client))
        self._place(session, made.calls)
        return futures

    def send_values(
        self, values: Iterable[Any], options: dict[str, Any] | None, pure: bool, name: str = "scatter"
    ) -> list[TaskFuture]:
        """Send large values straight to workers and return futures of them. Equal values are sent once if `pure`.

        Raises
        ------
        ClusterError
            If no worker takes them.
        """
        session = self.session()
        found: list[TaskFuture] = []
        uploads: list[_Upload] = []
        new: dict[str, State] = {}
        for value in values:
            parts = split_parts(value)
            key = _value_key(type(value).__name__, parts, pure)
            state = new.get(key) or session.find(key)
            if state is None or state.status == "error":
                # One that was lost with its worker is sent again.
                state = new[key] = State(session, key, name)
                state.is_wanted = True
                uploads.append(_Upload(state, parts))
            elif not state.is_wanted:
                session.want(state)
            found.append(TaskFuture(state, self._client))
        self._upload(session, uploads, stage_options(options).get("workers", ()), name)
        return found

    def _upload(self, session: Session, uploads: list[_Upload], workers: Sequence[str], name: str) -> None:
        """Give values their places and send them. Returns when workers have them."""
        if not uploads:
            return
        stage = session.stage(("upload", name), name, {"is_upload": True}, b"")
        with session.placing([(one.state, stage) for one in uploads]):
            pass
        connection = self._client._connection

        def send(work: tuple[_Upload, str]) -> tuple[_Upload, PartitaError] | None:
            one, address = work
            try:
                connection.upload_value((session.job, stage, one.state.index), address, to_table(one.parts))
            except PartitaError as error:
                return one, error
            return None

        left = uploads
        try:
            for attempt in range(1, UPLOAD_ATTEMPTS_MAX + 1):
                places = session.place_values(len(left), workers)
                failed = [one for one in connection.each(list(zip(left, places)), send) if one is not None]
                # A worker may be lost before the scheduler knows that it has a value.
                unsent = [one for one, _ in failed]
                session.wait([one.state for one in left if one not in unsent], UPLOAD_SETTLE_S)
                left = [one for one in left if one.state.status == "pending"]
                if not left:
                    return
                if attempt == UPLOAD_ATTEMPTS_MAX:
                    cause = failed[-1][1] if failed else "it did not arrive there"
                    raise ClusterError(f"cannot send {left[0].state.key} to a worker: {cause}")
        except BaseException:
            session.cancel([one.state for one in left], "it could not be sent to a worker")
            raise

    def _place(self, session: Session, made: Sequence[Any]) -> None:
        with session.placing([(one.state, one.stage) for one in made]) as calls:
            for call, one in zip(calls, made):
                call.inputs = one.states
                places = [(state.stage, state.index) for state in one.states]
                call.arguments = with_places(one.pickled, places, one.kernels)

    def _state_of(self, session: Session, value: Any, made: _Submission, kept: list[Any]) -> State:
        """Return the call that an input stands for. One that it needs in addition is added to `made`."""
        if isinstance(value, TaskFuture):
            state = value._state
        elif isinstance(value, State):
            state = value
        elif isinstance(value, FrameInput):
            return self._computing(session, value, made)
        else:
            raise TypeError(f"{value!r} cannot be an argument of a call: compute it first")
        if state.status == "cancelled":
            raise Cancelled(f"an argument of the call was cancelled: {state.key}")
        check_cluster(state, session.cluster)
        if state.job == session.job:
            return state
        if state.session.ended is not None:
            raise ClusterError(
                f"the future {state.key} belongs to a session that has ended: {state.session.ended}; pass its result "
                "instead"
            )
        return self._fetching(session, state, made, kept)

    def find(self, key: str) -> State:
        """Return the call with a key.

        Raises
        ------
        KeyError
            If the client has no future with this key.
        """
        found = self.session().find(key)
        if found is None:
            raise KeyError(f"this client has no future with the key {key!r}")
        return found

    def _fetching(self, session: Session, state: State, made: _Submission, kept: list[Any]) -> State:
        """Return a call that has the result of a call of another session."""
        kept.append(state)
        key = f"fetch-{state.job}-{state.stage}-{state.index}"
        call = made.fetches.get(key) or session.find(key)
        if call is None:
            function, args = fetch_call(state)
            stage, _, carried = self.stage(session, function, "fetch", {})
            call = made.fetches[key] = State(session, key, "fetch")
            call.kept = [state]
            made.calls.append(_Unplaced(call, stage, pack_arguments((*carried, *args), {}, "fetch")[0], []))
        return call

    def _computing(self, session: Session, frame: Any, made: _Submission) -> State:
        """Return a call whose result is the value of a frame."""
        known = made.frames.get(id(frame))
        if known is None:
            function, args = frame_call(frame, self._client)
            name = "data" if function is None else function_name(function)
            function, args = (_FIRST, (args,)) if function is None else (function, args)
            stage, _, carried = self.stage(session, function, name, {})
            call = State(session, f"{type(frame).__name__}-{uuid.uuid4().hex}", name)
            one = _Unplaced(call, stage, pack_arguments((*carried, *args), {}, name)[0], [])
            # They are pickled without the frame, which must stay persisted.
            one.keep([value for value in args if type(value) is PersistedPartitions])
            made.calls.append(one)
            known = made.frames[id(frame)] = frame, call
        return known[1]

    def adopt(self, job: int, stage: int, index: int, key: Any, name: str) -> TaskFuture:
        """Return a future of a call of any session of the cluster."""
        session = self.session()
        for own in [session, *self._old]:
            state = own._states.get((stage, index)) if own.job == job else None
            if state is not None and state.is_wanted:
                future = TaskFuture(state, self._client)
                future._given_key = None if key == state.key else key
                return future
        place = (job, stage, index)
        return TaskFuture(session.adopt(place, lambda: ForeignState(session, place, key, name)), self._client)

    def _adopt_result(self, state: State) -> None:
        """Keep the futures and actors in a small result as long as somebody refers to the call."""
        with contextlib.suppress(Exception), loading(self._client), collect_loaded() as loaded:
            # An error, such as for a missing module, is that of whoever reads the result.
            unpack(state.value)
        state.sources = (*state.sources, *loaded)

    @staticmethod
    def _key(name: str, digest: bytes, pickled: bytes, states: Sequence[State], pure: bool) -> str:
        if not pure:
            return f"{name}-{uuid.uuid4().hex}"
        content = hashlib.blake2b(digest, digest_size=16)
        content.update(pickled)
        for state in states:
            content.update(b"\0" + state.token.encode())
        return f"{name}-{content.hexdigest()}"

    def graph(
        self, outputs: Sequence[Task], options: dict[str, Any] | None = None, suffix: str = ""
    ) -> list[TaskFuture]:
        """Submit tasks with all that they need, and return the futures of the tasks.

        Tasks share the results of earlier ones with equal keys. A suffix of the keys makes them others.
        """
        session = self.session()
        order, needed = sort_tasks(outputs)
        wanted = {task.key for task in outputs}
        states: dict[str, State] = {}
        levels: dict[str, int] = {}
        # Large arrays of NumPy are sent once, instead of with the tasks that need them.
        large = [task for task in order if _is_large_array(task) and session.find(task.key + suffix) is None]
        sent = self.send_values([task.args[0] for task in large], None, pure=False) if large else []
        for task, future in zip(large, sent):
            states[task.key], levels[task.key] = future._state, -1
        for task in order:
            if task.key in states:
                continue
            known = session.find(task.key + suffix)
            if known is not None:
                if task.key in wanted and not known.is_wanted:
                    session.want(known)
                states[task.key] = known
                levels[task.key] = -1
                continue
            below = [levels[one.key] for one in needed[task.key] if type(one) is Task]
            levels[task.key] = 1 + max(below, default=-1)
            state = State(session, task.key + suffix, task.name)
            state.is_wanted = task.key in wanted
            states[task.key] = state
        # Calls of one stage follow one another in each level, so that they are sent as one group.
        stages: dict[Any, tuple[int, tuple[Any, ...]]] = {}
        new = []
        for number, task in enumerate(order):
            if levels[task.key] >= 0:
                stage, carried = self._stage_of(session, task, stages, options)
                new.append((levels[task.key], stage, number, carried))
        new.sort(key=lambda one: one[:3])
        made = _Submission()
        for _, stage, number, carried in new:
            task = order[number]
            args = (*carried, *_sendable(task)[1])
            pickled, inputs, kept = pack_large_arguments(args, task.kwargs, task.name, self._sent)
            found = [
                states[one.key] if type(one) is Task else self._state_of(session, one, made, kept) for one in inputs
            ]
            states[task.key].kept = kept or None
            kernels = None
            if task.kernels is not None:
                kernels = task.kernels.encode(task.args, {id(one): at for at, one in enumerate(inputs)})
            one = _Unplaced(states[task.key], stage, pickled, found, kernels)
            # They are pickled without the frame, which must stay persisted.
            one.keep([value for value in args if type(value) is PersistedPartitions])
            made.calls.append(one)
        self._place(session, made.calls)
        return [TaskFuture(states[task.key], self._client) for task in outputs]

    def _stage_of(
        self,
        session: Session,
        task: Task,
        known: dict[Any, tuple[int, tuple[Any, ...]]],
        options: dict[str, Any] | None,
    ) -> tuple[int, tuple[Any, ...]]:
        given = {**(options or {}), **(task.options or {})}
        key = (id(task.function), task.name, repr(sorted(given.items())) if given else "")
        if key not in known:
            stage, _, carried = self.stage(session, _sendable(task)[0], task.name, stage_options(given))
            known[key] = (stage, carried)
        return known[key]


#: What is sent for :func:`identity`, with a tuple of its argument: workers may lack this package.
_FIRST = operator.itemgetter(0)


def _is_large_array(task: Task) -> bool:
    """Whether a task is an array of NumPy, which is sent straight to a worker."""
    if task.function is not identity or len(task.args) != 1:
        return False
    value = task.args[0]
    return type(value).__module__ == "numpy" and type(value).__name__ == "ndarray" and is_large(value)


def is_lost_value(error: BaseException) -> bool:
    """Whether a call failed because a value that the client had sent was lost with its worker."""
    return "the value was sent to a worker, and no worker holds it any more" in str(error)


def _sendable(task: Task) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the function and the arguments of a task as they are sent."""
    return (_FIRST, (task.args,)) if task.function is identity else (task.function, task.args)


class _Submission:
    """The calls of one submission that have no place yet."""

    __slots__ = ("calls", "fetches", "frames")

    def __init__(self) -> None:
        self.calls: list[_Unplaced] = []
        #: Those of them that fetch results of other sessions, by key.
        self.fetches: dict[str, State] = {}
        #: Those of them that have the values of frames, by the identity of the frame, which is kept with it.
        self.frames: dict[int, tuple[Any, State]] = {}


class _Unplaced:
    """A call without its place."""

    __slots__ = ("kernels", "pickled", "stage", "state", "states")

    def __init__(
        self, state: State, stage: int, pickled: bytes, states: list[State], kernels: bytes | None = None
    ) -> None:
        self.state = state
        self.stage = stage
        self.pickled = pickled
        self.states = states
        self.kernels = kernels
        for one in states:
            if one.sources:
                self.keep(one.sources)

    def keep(self, values: Sequence[Any]) -> None:
        """Keep objects as long as somebody refers to the call."""
        if values:
            self.state.sources = tuple(dict.fromkeys((*self.state.sources, *values)))


class _Upload:
    """A value on its way to a worker."""

    __slots__ = ("parts", "state")

    def __init__(self, state: State, parts: list[memoryview]) -> None:
        self.state = state
        self.parts = parts


def _value_key(name: str, parts: Sequence[memoryview], pure: bool) -> str:
    """Return the key of a value."""
    if not pure:
        return f"{name}-{uuid.uuid4().hex}"
    content = hashlib.blake2b(digest_size=16)
    for part in parts:
        content.update(part.nbytes.to_bytes(8, "little"))
        content.update(part)
    return f"{name}-{content.hexdigest()}"


class _Shared:
    """Replaces large arguments that several calls have by calls that return them, so that each is sent once."""

    def __init__(self, submitter: Submitter, session: Session, made: _Submission) -> None:
        self._submitter = submitter
        self._session = session
        self._made = made
        self._known: dict[int, tuple[Any, State]] = {}

    def replace(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if any(_is_large(value) for value in args):
            args = tuple([self._shared(value) if _is_large(value) else value for value in args])
        if kwargs and any(_is_large(value) for value in kwargs.values()):
            kwargs = {name: self._shared(value) if _is_large(value) else value for name, value in kwargs.items()}
        return args, kwargs

    def _shared(self, value: Any) -> Any:
        known = self._known.get(id(value))
        if known is None:
            session = self._session
            if size_of(value) > VALUE_BYTES_MAX:
                sent = self._submitter._sent(value)
                self._known[id(value)] = (value, sent._state)
                return sent
            stage, digest, carried = self._submitter.stage(session, _FIRST, "data", {})
            pickled, inputs, kept = pack_arguments((*carried, (value,)), {}, "data")
            states = [self._submitter._state_of(session, one, self._made, kept) for one in inputs]
            key = Submitter._key(type(value).__name__, digest, pickled, states, True)
            state = session.find(key)
            if state is None:
                state = State(session, key, "data")
                state.kept = kept or None
                self._made.calls.append(_Unplaced(state, stage, pickled, states))
            known = self._known[id(value)] = (value, state)
        return TaskFuture(known[1], None)


def _is_large(value: Any) -> bool:
    return size_of(value) >= SHARED_BYTES_MIN


def size_of(value: Any) -> int:
    """Return the size of an array or a text in bytes; 0 for other values."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    return len(value) if isinstance(value, (bytes, bytearray, str)) else 0


def submit(
    client: Any, tasks: Sequence[Task], options: dict[str, Any] | None = None, suffix: str = ""
) -> list[TaskFuture]:
    """Submit tasks to the cluster of a client, with all that they need, and return their futures."""
    return client._submitter.graph(tasks, options, suffix)
