"""Actors: objects that live in a Python process of a worker, and whose methods clients and functions call.

An actor is a call that does not end: it serves a queue of requests, and answers on a queue of each caller. What tells that
it is ready is a variable, and what tells that it is lost is a lease of a semaphore, which the scheduler takes back when
the connection of the process ends.
"""

from __future__ import annotations

import contextlib
import pickle
import struct
import uuid
import weakref
from collections.abc import Callable
from concurrent import futures
from typing import Any

from ._actor_calls import ActorFuture, Hub, hub_of, resource_name
from ._awaiting import is_awaited
from ._coordination import Answer, Request
from ._errors import ClusterError
from ._foreign import loading_client
from ._packing import add_place, is_packing, is_packing_value, keep
from ._remote_errors import make_exception
from ._returned import add_loaded, is_returning, keep_returned
from ._session import Error, Session, State
from ._task_futures import TaskFuture

__all__ = ["Actor", "ActorFuture", "create_actor"]


class Core:
    """An actor as this client knows it. All handles of the actor share it; when they are gone, so is the actor."""

    def __init__(self, hub: Hub, identity: str, key: str, name: str, serving: TaskFuture) -> None:
        self.hub = hub
        self.identity = identity
        self.key = key
        self.name = name
        #: The call that is the actor. It is interrupted when nobody refers to it.
        self.serving = serving
        self.lost: BaseException | None = None
        #: Names of the methods, when the actor is ready.
        self.methods: frozenset[str] | None = None
        #: Names of its public attributes, methods included, after its creation.
        self.attributes: frozenset[str] = frozenset()
        self.ready: futures.Future[None] = futures.Future()
        self._watch: Request | None = None
        core = weakref.ref(self)
        coordinator = hub.client._coordinator
        self._readiness = coordinator.start("variable", name=resource_name(identity), do="get", timeout=None)
        self._readiness.done.add_done_callback(lambda done: _settle_ready(core, done))
        state = serving._state
        state.session.add_callback(state, lambda ended: _settle_serving(core, ended))

    def watch(self) -> None:
        """Wait for the lease of the actor, which is free when its process has ended."""
        coordinator = self.hub.client._coordinator
        lease = uuid.uuid4().hex

        def release(_: Any) -> None:
            coordinator.tell("release", lease=lease)

        name, core = resource_name(self.identity), weakref.ref(self)
        request = coordinator.start("acquire", names=[name], need=1, max=1, lease=lease, timeout=None, undo=release)
        self._watch = request

        def react(done: futures.Future[Answer]) -> None:
            if done.exception() is None:
                release(None)
                alive = core()
                if alive is not None:
                    alive.lose("its process ended")
            else:
                alive = core()
                if alive is not None:
                    alive.lose(str(done.exception()))

        request.done.add_done_callback(react)

    def lose(self, cause: str, error: BaseException | None = None) -> None:
        """Fail the calls that wait, and all further ones."""
        if self.lost is None:
            self.lost = error or ClusterError(f"the actor {self.name} is lost: {cause}")
            with contextlib.suppress(futures.InvalidStateError):
                self.ready.set_exception(self.lost)
            self.hub.fail(self)

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], is_call: bool = True) -> ActorFuture:
        """Call a method, or read an attribute."""
        if self.lost is None:
            from ._actor_server import call_self

            direct = call_self(self, name, args, kwargs, is_call)
            return direct if direct is not None else self.hub.call(self, name, args, kwargs, is_call)
        future = ActorFuture(self.hub, f"{self.name}.{name}")
        future._fail(self.lost)
        return future

    def parts(self) -> tuple[Any, ...]:
        """Return what identifies the actor in other processes."""
        state = self.serving._state
        return self.identity, self.key, self.name, (state.job, state.stage, state.index, state.key, state.name)

    def reduce(self, load: Callable[..., Any]) -> Any:
        """Return what stands for the actor in a pickle."""
        parts = self.parts()
        if is_packing_value():
            add_place(parts[3][:3])
        elif is_packing():
            keep(self)
        elif is_returning():
            keep_returned(self)
        return load, parts

    def __del__(self) -> None:
        for name in ("_readiness", "_watch"):
            request = getattr(self, name, None)
            if request is not None:
                request.withdraw()


def _settle_ready(ref: weakref.ref[Core], done: futures.Future[Answer]) -> None:
    core = ref()
    if core is None:
        return
    if done.exception() is not None:
        core.lose(str(done.exception()))
        return
    ((_, value),) = done.result().values
    core.name, methods, attributes = pickle.loads(value)
    core.attributes = frozenset(attributes)
    core.methods = frozenset(methods)
    # Not here: the thread that reads answers must not wait for one.
    core._readiness.stream.outbox.put(_Watching(ref))
    with contextlib.suppress(futures.InvalidStateError):
        core.ready.set_result(None)


class _Watching:
    """Begins to watch an actor if it is still known."""

    def __init__(self, core: weakref.ref[Core]) -> None:
        self._core = core

    def __call__(self) -> None:
        core = self._core()
        if core is not None:
            core.watch()


def _settle_serving(ref: weakref.ref[Core], state: State) -> None:
    core = ref()
    if core is not None and state.job == state.session.job:
        # It does not start again, so its mark that it has started is not needed.
        core.hub.client._coordinator.tell("setup", do="delete", name=resource_name(core.identity))
    if core is None:
        return
    if state.error is None:
        core.lose("it ended")
    elif core.methods is None:
        core.lose("", make_exception(state.error, state))
    else:
        core.lose(state.error.text)


class Actor:
    """A handle of an actor: its methods are called where the actor lives, and return an :class:`ActorFuture` each.

    Handles may be arguments of functions and values of queues. An actor ends when no handle and no future refers to it.
    """

    _core: Core

    def __init__(self, core: Core) -> None:
        object.__setattr__(self, "_core", core)

    @property
    def key(self) -> str:
        """The key of the future of the actor."""
        return self._core.key

    def __getattr__(self, name: str) -> Any:
        core = self._core
        if core.methods is None:
            core.ready.result()
        if core.methods is not None and name in core.methods:
            return _Method(core, name)
        if name.startswith("_"):
            raise AttributeError(f"the actor {core.name} has no public attribute {name!r}")
        future = core.call(name, (), {}, is_call=False)
        return future if is_awaited(core.hub.client) else future.result()

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self._core.attributes})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Actor) and other._core.identity == self._core.identity

    def __hash__(self) -> int:
        return hash(self._core.identity)

    def __reduce__(self) -> Any:
        return self._core.reduce(load_actor)

    def __repr__(self) -> str:
        return f"<Actor: {self._core.name}, key={self._core.key}>"


class _Method:
    """A method of an actor."""

    def __init__(self, core: Core, name: str) -> None:
        self._core = core
        self.__name__ = name

    def __call__(self, *args: Any, separate_thread: Any = None, **kwargs: Any) -> ActorFuture:
        # Of Dask. A method always has the thread of its actor.
        return self._core.call(self.__name__, args, kwargs)

    def __repr__(self) -> str:
        return f"<method {self.__name__} of {Actor(self._core)!r}>"


class ActorState(State):
    """The state of the future of an actor. Its result is a handle, as soon as the actor is ready."""

    __slots__ = ("core",)

    def __init__(self, session: Session, core: Core) -> None:
        super().__init__(session, core.key, core.name)
        self.token = core.identity
        self.core = core
        ref = weakref.ref(self)
        core.ready.add_done_callback(lambda done: _settle_future(ref, done))

    @property
    def running(self) -> State:
        """The call that is the actor."""
        return self.core.serving._state

    def reduce(self, future: Any) -> Any:
        """Return what stands for the future in a pickle: in arguments of calls, a handle."""
        if is_packing_value():
            return self.core.reduce(load_actor_future)
        if is_packing():
            return self.core.reduce(load_actor)
        return self.core.reduce(load_actor_future) if is_returning() else super().reduce(future)


def _settle_future(ref: weakref.ref[ActorState], done: futures.Future[None]) -> None:
    state = ref()
    if state is None:
        return
    error = state.running.error
    if done.exception() is None:
        pickled = pickle.dumps(Actor(state.core), 5)
        packed = struct.pack("<IQ", 1, len(pickled)) + pickled
        state.session._apply([(state, packed, None)])
    else:
        state.session._apply([(state, None, error or Error(-1, -1, "lost", str(done.exception())))])


def _core(client: Any, identity: str, key: str, name: str, place: tuple[int, int, int, str, str]) -> Core:
    hub = hub_of(client)
    with hub.lock:
        core = hub.actors.get(identity)
        if core is None:
            core = hub.actors[identity] = Core(hub, identity, key, name, client._submitter.adopt(*place))
        return core


def load_actor(*parts: Any) -> Actor:
    """Return a handle of an actor. Pickles call it."""
    actor: Actor = add_loaded(Actor(_core(loading_client(), *parts)))
    return actor


def load_actor_future(*parts: Any) -> TaskFuture:
    """Return the future of an actor. Pickles call it."""
    client = loading_client()
    core = _core(client, *parts)
    future: TaskFuture = add_loaded(TaskFuture(ActorState(core.serving._state.session, core), client))
    return future


def create_actor(
    client: Any,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: dict[str, Any] | None,
    key: str | None,
) -> TaskFuture:
    """Start an actor, the object that a class or function returns, and return a future of its handle."""
    from ._actor_server import serve
    from ._functions import function_name

    session = client._submitter.session()
    known = None if key is None else session.find(key)
    if known is not None:
        return TaskFuture(known, client)
    identity, name = uuid.uuid4().hex, function_name(function)
    coordinator = client._coordinator
    coordinator.start("queue", name=resource_name(identity), do="open", maxsize=0)
    (serving,) = client._submitter.submit(
        serve, [((identity, function, *args), kwargs)], options, [f"{name}-actor-{identity}"], name
    )
    hub = hub_of(client)
    core = hub.actors[identity] = Core(hub, identity, key or f"{name}-{identity}", name, serving)
    state = ActorState(serving._state.session, core)
    state.session._by_key[state.key] = state
    return TaskFuture(state, client)
