"""What functions need in the Python processes of the workers before they run: uploaded files and plugins."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import fcntl
import inspect
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ._errors import ClusterError

__all__ = ["PIECE_BYTES", "Need", "Prepared", "applied_needs", "fetch_pieces", "once_per_worker", "worker_folder"]

#: Bytes of one piece of a plugin at the scheduler.
PIECE_BYTES = 8 << 20


class Need(NamedTuple):
    """A plugin that must be set up, or one that must not be any longer.

    Attributes
    ----------
    name : str
        Its name. A later one of the same name replaces it.
    digest : str
        Identifies the content.
    key : str
        Its name at the scheduler, before the number of the piece.
    pieces : int
        Number of pieces; 0 if the plugin was unregistered.
    """

    name: str
    digest: str
    key: str
    pieces: int


class Prepared:
    """A function with what it needs.

    When it is unpickled on a worker, the plugins are set up first and only the function is left. Thus the function and
    its arguments may refer to modules that were uploaded, and its calls cost nothing more.
    """

    def __init__(self, function: bytes, needs: tuple[Need, ...]) -> None:
        self.function = function
        self.needs = needs

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("internal error: a prepared function was called before it was sent")

    def __reduce__(self) -> Any:
        return load_prepared, (self.function, [tuple(need) for need in self.needs])


def load_prepared(function: bytes, needs: list[tuple[str, str, str, int]]) -> Any:
    """Set up what a function needs and return it. Pickles of functions call it on the workers."""
    apply_needs([Need(*need) for need in needs])
    return pickle.loads(function)


#: Reentrant: a plugin may unpickle functions.
_lock = threading.RLock()
_applied: dict[str, tuple[Need, Any]] = {}


def applied_needs() -> dict[str, Need]:
    """Return what was set up in this process, by name."""
    return {name: need for name, (need, _) in _applied.items()}


def apply_needs(needs: list[Need]) -> None:
    """Set up plugins in this process, each once, and tear down those that were replaced or unregistered."""
    from ._worker_view import get_worker, is_in_runner

    if not is_in_runner():
        return
    worker = get_worker()
    with _lock:
        for need in needs:
            known = _applied.get(need.name)
            if known is not None and known[0].digest == need.digest and need.pieces:
                continue
            if known is not None and (need.pieces or known[0].digest == need.digest):
                del _applied[need.name]
                worker.plugins.pop(need.name, None)
                _call(known[1], "teardown", worker)
            if need.pieces:
                plugin = pickle.loads(_fetch(need))
                _call(plugin, "setup", worker)
                worker.plugins[need.name] = plugin
                if not _applied:
                    # After the client was created, so that this comes before its end.
                    atexit.unregister(tear_down)
                    atexit.register(tear_down)
                _applied[need.name] = need, plugin


def _call(plugin: Any, method: str, worker: Any) -> None:
    function = getattr(plugin, method, None)
    if function is not None:
        made = function(worker)
        if inspect.isawaitable(made):
            asyncio.run(_await(made))


async def _await(made: Any) -> Any:
    return await made


def tear_down() -> None:
    """Tear down all plugins of this process, at its end."""
    from ._worker_view import get_worker

    with _lock:
        while _applied:
            _, (_, plugin) = _applied.popitem()
            with contextlib.suppress(Exception):
                _call(plugin, "teardown", get_worker())


def fetch_pieces(key: str, pieces: int) -> bytes:
    """Return what a client uploaded to the scheduler in pieces.

    Parameters
    ----------
    key : str
        Its name at the scheduler, before the number of the piece.
    pieces : int
        Number of pieces.

    Raises
    ------
    ClusterError
        If the scheduler does not have it any more.
    """
    from ._worker_view import get_client

    coordinator = get_client()._coordinator
    requests = [coordinator.start("setup", do="get", name=f"{key}/{one}") for one in range(pieces)]
    return b"".join([pickle.loads(request.wait().values[0][1]) for request in requests])


def _fetch(need: Need) -> bytes:
    try:
        return fetch_pieces(need.key, need.pieces)
    except ClusterError as error:
        raise ClusterError(
            f"the plugin {need.name!r} is not available: {error}; its client was closed, or the scheduler started again"
        ) from None


# For plugins.


def worker_folder(worker: Any) -> str:
    """Return the folder of a worker that its Python processes share."""
    folder = worker.local_directory
    if not folder:
        raise ClusterError("the worker does not name its folder: PARTITA_LOCAL_DIRECTORY is not set")
    os.makedirs(folder, exist_ok=True)
    return str(folder)


@contextlib.contextmanager
def once_per_worker(worker: Any, name: str) -> Iterator[bool]:
    """Context manager whose body does something once for all Python processes of a worker.

    Yields whether it is still to be done. Other processes wait meanwhile. After an exception, the next one does it.
    """
    path = os.path.join(worker_folder(worker), f"partita-{name}")
    with open(f"{path}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_new = not os.path.exists(f"{path}.done")
        yield is_new
        if is_new:
            with open(f"{path}.done", "w"):
                pass


def prepare(function: Callable[..., Any], needs: dict[str, Need], pickle_function: Callable[[Any], bytes]) -> Any:
    """Return what is sent for a function: itself, unless something was registered."""
    return Prepared(pickle_function(function), tuple(needs.values())) if needs else function
