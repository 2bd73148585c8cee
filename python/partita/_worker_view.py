"""What functions on a worker see of it: the worker, a client, and the slot in which they run."""

from __future__ import annotations

import builtins
import contextlib
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from ._durations import parse_seconds
from ._errors import ClusterError, Unreachable

__all__ = [
    "WorkerView",
    "get_client",
    "get_worker",
    "is_in_runner",
    "leave_slot",
    "local_client",
    "log_and_wait",
    "print",
    "rejoin",
    "secede",
    "warn",
    "without_slot",
    "worker_client",
]

_lock = threading.Lock()
_client: Any = None
_worker: WorkerView | None = None
#: The process that created these. A fork of it needs its own.
_pid = 0
#: The call that gave up its slot.
_seceded: Any = None


def _runner() -> Any:
    return sys.modules.get("_partita_runner")


def is_in_runner() -> bool:
    """Whether this process runs functions for a worker."""
    return _runner() is not None


def _current_call() -> Any:
    """Return what identifies the call that this process runs, or None."""
    return getattr(_runner(), "current", None)


def _check_process() -> None:
    """Forget what a parent process had."""
    global _client, _worker, _pid, _lock
    if _pid != os.getpid():
        _lock = threading.Lock()
        _client, _worker, _pid = None, None, os.getpid()


def own_client(timeout: Any = None) -> Any:
    """Return the client of this process of a worker, which connects on first use.

    Raises
    ------
    ClusterError
        If the worker does not tell how to reach the scheduler.
    """
    from ._client import Client

    global _client
    _check_process()
    with _lock:
        if _client is None or _client.is_closed:
            if parse_seconds(timeout) == 0:
                raise Unreachable("cannot connect to the scheduler within 0 s: this process is not connected yet")
            address, token = os.environ.get("PARTITA_SCHEDULER"), os.environ.get("PARTITA_TOKEN")
            if not address or not token:
                raise ClusterError(
                    "functions on a worker have no client of their own: pass futures as arguments, and submit further "
                    "calls from the script"
                )
            # Async functions await its results, others wait for them.
            _client = Client(address, token=token, timeout=timeout, set_as_default=False, asynchronous=True)
        return _client


def get_client(address: Any = None, timeout: Any = None, resolve_address: bool = True) -> Any:
    """Return the client of the function that runs on a worker; elsewhere the default client.

    Parameters
    ----------
    address : str, optional
        Address of another scheduler.
    timeout : float or str, optional
        Time to wait for the scheduler.

    Raises
    ------
    ValueError
        If no address is given, no function runs on a worker, and no client exists.

    Notes
    -----
    A function that waits for calls that it submitted gives its slot to them meanwhile, as with
    :func:`worker_client`.
    """
    from ._client import Client, default_client

    if address is not None:
        return Client(address, timeout=timeout, set_as_default=False)
    if is_in_runner():
        return own_client(timeout)
    try:
        return default_client()
    except ValueError:
        raise ValueError("no global client found and no address provided: create a Client first") from None


class WorkerView:
    """The worker that runs a function, as the function sees it.

    Functions may set further attributes. They stay in the Python process, and a worker has one process for each slot.

    Attributes
    ----------
    name : str
        Name of the worker.
    local_directory : str
        Its folder for temporary files.
    plugins : dict
        The plugins that were set up in this process, by name.
    """

    def __init__(self) -> None:
        self.name = os.environ.get("PARTITA_WORKER", "")
        self.local_directory = os.environ.get("PARTITA_LOCAL_DIRECTORY", "")
        self.plugins: dict[str, Any] = {}

    @property
    def address(self) -> str:
        """Address of the worker, as in ``Client.nthreads``."""
        for row in own_client()._workers():
            if row["name"] == self.name:
                return f"tcp://{row['address']}"
        raise ClusterError(f"the worker {self.name} is not connected")

    @property
    def client(self) -> Any:
        """A client of the cluster, as of :func:`get_client`."""
        return own_client()

    def log_event(self, topic: Any, msg: Any) -> None:
        """Log an event under one or several topics, which clients read or follow."""
        topics = [topic] if isinstance(topic, str) else list(topic)
        own_client()._coordinator.start("log", msg, topics=topics)

    def __repr__(self) -> str:
        return f"<Worker: {self.name!r}>"


def get_worker() -> WorkerView:
    """Return the worker that runs this function.

    Raises
    ------
    ValueError
        Outside of functions on a worker.
    """
    global _worker
    if not is_in_runner():
        raise ValueError("no worker runs this function: get_worker() works only in functions on a worker")
    _check_process()
    if _worker is None:
        _worker = WorkerView()
    return _worker


# The slot.


def secede() -> None:
    """Give up the slot of the function that runs, so that another call of this worker runs beside it.

    Raises
    ------
    RuntimeError
        Outside of functions on a worker.
    """
    global _seceded
    call = _current_call()
    if call is None:
        raise RuntimeError("secede() works only in functions on a worker")
    if _seceded is not call:
        _runner().secede()
        _seceded = call


def rejoin() -> None:
    """Wait for a slot for the function that runs, after :func:`secede`.

    Raises
    ------
    RuntimeError
        Outside of functions on a worker.
    """
    global _seceded
    call = _current_call()
    if call is None:
        raise RuntimeError("rejoin() works only in functions on a worker")
    if _seceded is call:
        _runner().rejoin()
        _seceded = None


def _can_secede() -> bool:
    """Whether the caller is a function with a slot: its main thread, before it gave the slot up."""
    call = _current_call()
    if call is None or _seceded is call or threading.current_thread() is not threading.main_thread():
        return False
    return hasattr(_runner(), "secede")


def leave_slot() -> None:
    """Give up the slot if this is a function on a worker."""
    if _can_secede():
        with contextlib.suppress(RuntimeError):
            secede()


@contextlib.contextmanager
def without_slot(is_needed: bool = False) -> Iterator[None]:
    """Context manager in which a function on a worker has no slot, so that the calls for which it waits can run.

    Parameters
    ----------
    is_needed : bool
        Whether it is an error if too many functions have given up their slots.
    """
    if not _can_secede():
        yield
        return
    try:
        secede()
    except RuntimeError:
        if is_needed:
            raise
        # The calls may run at another worker.
        yield
        return
    try:
        yield
    except KeyboardInterrupt:
        # The call was cancelled: it needs no slot to end.
        raise
    except BaseException:
        rejoin()
        raise
    rejoin()


@contextlib.contextmanager
def worker_client(timeout: Any = None, separate_thread: bool = True) -> Iterator[Any]:
    """Context manager with a client for functions on a worker. Meanwhile, other calls may use their slot.

    Parameters
    ----------
    timeout : float or str, optional
        Time to wait for the scheduler.
    separate_thread : bool
        Whether to give up the slot.

    Examples
    --------
    >>> def fibonacci(n):
    ...     if n < 2:
    ...         return n
    ...     with worker_client() as client:
    ...         return sum(client.gather(client.map(fibonacci, [n - 1, n - 2])))
    """
    if not is_in_runner():
        raise ValueError("no worker runs this function: worker_client() works only in functions on a worker")
    client = own_client(timeout)
    if not separate_thread:
        yield client
        return
    with without_slot(is_needed=True):
        yield client


def local_client(*args: Any, **kwargs: Any) -> Any:
    """Return :func:`worker_client`, under its earlier name."""
    warnings.warn("local_client has moved to worker_client: use that name", stacklevel=2)
    return worker_client(*args, **kwargs)


# What clients show.


def print(*args: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False) -> None:
    """Print as the built-in function does; in functions on a worker, also where the clients are.

    Parameters
    ----------
    *args, sep, end, flush
        As of the built-in function.
    file : optional
        ``sys.stdout`` or ``sys.stderr``.
    """
    if is_in_runner():
        if file not in (None, sys.stdout, sys.stderr):
            raise TypeError(f"file must be sys.stdout or sys.stderr, which clients have too, not {file!r}")
        message: dict[str, Any] = {"args": tuple(map(str, args)), "sep": sep, "end": end, "flush": flush}
        if file is not None:
            message["file"] = 2 if file is sys.stderr else 1
        _log("print", message)
    builtins.print(*args, sep=sep, end=end, file=file, flush=flush)


def warn(message: Any, category: Any = UserWarning, stacklevel: int = 1, source: Any = None) -> None:
    """Warn as ``warnings.warn`` does; in functions on a worker, also where the clients are."""
    if is_in_runner():
        from ._packing import dumps

        _log("warn", {"message": dumps(message, "the warning"), "category": dumps(category, "the warning")})
    warnings.warn(message, category, stacklevel + 1, source)


def _log(topic: str, message: Any) -> None:
    # It is printed here in any case.
    with contextlib.suppress(ClusterError):
        log_and_wait(topic, message)


def log_and_wait(topic: str, message: Any) -> None:
    """Log an event, and wait until the scheduler has passed it on: clients get it before the result of the function."""
    own_client()._coordinator.call("log", message, topics=[topic])


def show_print(event: Any) -> None:
    """Print what a function on a worker printed."""
    _, message = event
    if not isinstance(message, dict):
        builtins.print(message)
        return
    file = {1: sys.stdout, 2: sys.stderr}.get(message.get("file", 0))
    builtins.print(
        *message["args"], sep=message.get("sep"), end=message.get("end"), file=file, flush=bool(message.get("flush"))
    )


def show_warning(event: Any) -> None:
    """Emit the warning of a function on a worker."""
    _, message = event
    if isinstance(message, dict):
        category = pickle.loads(message["category"]) if "category" in message else None
        warnings.warn(pickle.loads(message["message"]), category, stacklevel=2)
    else:
        warnings.warn(message, stacklevel=2)
