"""Futures of other clients: how they come here, and how their results reach calls."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pickle
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from ._awaiting import until_called
from ._packing import unpack
from ._returned import add_loaded, collect_loaded
from ._session import Session, State

__all__ = ["ForeignState", "fetch_call", "is_loading", "load_future", "load_values", "loading", "unpack_value"]

_here = threading.local()


class ForeignState(State):
    """A call of another client, or of another session of this one, whose result this session needs."""

    __slots__ = ("_place",)

    def __init__(self, session: Session, place: tuple[int, int, int], key: str, name: str) -> None:
        super().__init__(session, key, name)
        self._place = place
        _, self.stage, self.index = place
        # Keys of another client may occur here with another meaning.
        self.token = "-".join(map(str, place))

    @property
    def job(self) -> int:
        """The job of the call."""
        return self._place[0]

    def __del__(self) -> None:
        # No future here refers to it any more.
        with contextlib.suppress(AttributeError):
            self.session.drop(self._place)


@contextlib.contextmanager
def loading(client: Any) -> Iterator[None]:
    """Context manager in which unpickled futures belong to a client."""
    before = getattr(_here, "client", None)
    _here.client = client
    try:
        yield
    finally:
        _here.client = before


def is_loading() -> bool:
    """Whether this thread unpickles objects of a client."""
    return getattr(_here, "client", None) is not None


def loading_client() -> Any:
    """Return the client to which unpickled objects belong."""
    client = getattr(_here, "client", None)
    if client is None:
        from ._worker_view import get_client

        client = get_client()
    return client


def load_future(job: int, stage: int, index: int, key: str, name: str) -> Any:
    """Return the future of a call of any client. Pickles of values call it."""
    return add_loaded(loading_client()._submitter.adopt(job, stage, index, key, name))


def unpack_value(value: bytes, client: Any) -> Any:
    """Unpickle a value that came from another client."""
    with loading(client):
        return pickle.loads(value)


def load_values(values: Iterable[bytes], client: Any) -> Generator[Any, Any, list[Any]]:
    """Return the steps of an operation that unpickles values of other clients.

    It waits until the client knows which futures in them have ended.
    """
    with collect_loaded() as loaded:
        found = [unpack_value(value, client) for value in values]
    pending = {one._state.session for one in loaded if getattr(one, "status", "") == "pending"}
    for session in pending:
        yield _Barrier(session)
    return found


class _Barrier:
    """Waits until the scheduler has told all that it knew of the results of others.

    It asks for a result that does not exist: the answer comes after those to earlier questions.
    """

    #: A job that does not exist.
    JOB = 0xFFFFFFFF
    #: Time to wait, in seconds: the futures are pending until they are known.
    TIMEOUT_S = 5.0
    _numbers = itertools.count()

    def __init__(self, session: Session) -> None:
        self._session = session
        place = (self.JOB, 0, next(self._numbers) & 0xFFFFFFFF)
        self._state = session.adopt(place, lambda: ForeignState(session, place, "barrier", "barrier"))

    def wait(self) -> None:
        """Wait in this thread."""
        self._session.wait([self._state], self.TIMEOUT_S)

    async def wait_async(self) -> None:
        """Wait in an event loop."""
        session, state = self._session, self._state
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(until_called(lambda call: session.add_callback(state, call)), self.TIMEOUT_S)


def fetch_call(state: State) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the call that fetches the result of a call of another session on a worker."""
    if state.value is not None:
        return unpack, (bytes(state.value),)
    return fetch, (state.job, state.stage, state.index, state.key, state.name)


def fetch(job: int, stage: int, index: int, key: str, name: str) -> Any:
    """Return the result of a call of another session. Runs on a worker."""
    from ._worker_view import get_client, leave_slot

    future = get_client()._submitter.adopt(job, stage, index, key, name)
    if not future.done():
        # The other call may need this slot.
        leave_slot()
    return future.result()
