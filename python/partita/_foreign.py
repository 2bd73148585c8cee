"""Futures of other clients: how they come here, and how their results reach calls."""

from __future__ import annotations

import contextlib
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ._packing import unpack
from ._returned import add_loaded
from ._session import Session, State

__all__ = ["ForeignState", "fetch_call", "is_loading", "load_future", "loading", "unpack_value"]

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
