"""A backend of joblib whose tasks run on the workers."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent import futures
from queue import SimpleQueue
from typing import Any

try:
    import joblib
    from joblib._parallel_backends import AutoBatchingMixin, ParallelBackendBase, SequentialBackend
except ImportError as error:
    raise ImportError("partita.joblib needs joblib 1.4 or later; install it with `pip install joblib`") from error

from ._by_value import by_value
from ._threads import start_thread

__all__ = ["PartitaBackend", "register"]

#: The first supported version of joblib. Earlier ones wait for ever if an iterator of calls raises an exception.
JOBLIB_VERSION_MIN = (1, 4)
#: Arguments of at least this many bytes are sent to the workers once, not with each task.
SCATTERED_BYTES = 64 << 10
#: Time to wait for a first worker, in seconds.
WORKERS_TIMEOUT_S = 10.0
#: Options of ``Client.submit`` that a backend passes on.
OPTIONS = frozenset(("allow_other_workers", "priority", "pure", "resources", "retries", "workers"))


def register() -> None:
    """Register the backend as ``"partita"`` and, if ``distributed`` is not installed, as ``"dask"``."""
    if tuple(map(int, joblib.__version__.split(".")[:2])) < JOBLIB_VERSION_MIN:
        raise ImportError(
            f"partita.joblib needs joblib 1.4 or later, not {joblib.__version__}; "
            "update it with `pip install --upgrade joblib`"
        )
    joblib.register_parallel_backend("partita", PartitaBackend)
    if importlib.util.find_spec("distributed") is None:
        joblib.register_parallel_backend("dask", PartitaBackend)


@by_value
def joblib_batch(calls: Iterable[Any]) -> list[Any]:
    """Run the calls of a task. Loops of joblib inside them run one call after the other."""
    try:
        from joblib import parallel_config
        from joblib._parallel_backends import SequentialBackend
    except ImportError:
        # Without joblib on the worker there are no loops inside.
        return [function(*args, **kwargs) for function, args, kwargs in calls]
    with parallel_config(backend=SequentialBackend(nesting_level=1)):
        return [function(*args, **kwargs) for function, args, kwargs in calls]


@by_value
def probe() -> None:
    """Do nothing. A cluster that follows the load starts a worker for it."""


def _size_in_bytes(value: Any) -> int:
    """Return the approximate size of an argument: of arrays, frames, and sparse matrices; 0 for others."""
    with contextlib.suppress(Exception):
        if callable(getattr(value, "memory_usage", None)):
            usage = value.memory_usage()
            return int(usage.sum() if hasattr(usage, "sum") else usage)
        if isinstance(getattr(value, "nbytes", None), int):
            return int(value.nbytes)
        # The matrices of scipy.sparse.
        return int(value.data.nbytes)
    return 0


class _Scattered:
    """Arguments that were sent to the workers. Each is forgotten when the caller no longer has it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        #: By the identity of the value: a reference to it, and its future.
        self._futures: dict[int, tuple[Any, Any]] = {}

    def add(self, values: Sequence[Any]) -> None:
        """Send values to all workers, and keep them until `clear`."""
        for value, future in zip(values, self._client.scatter(list(values), broadcast=True)):
            self._futures[id(value)] = (lambda value=value: value), future

    def find(self, value: Any) -> Any:
        """Return the future of a value that was sent, or None."""
        reference, future = self._futures.get(id(value), (None, None))
        return future if reference is not None and reference() is value else None

    def replace(self, value: Any) -> Any:
        """Return the future of a large value, which is sent first if it is new; other values as they are."""
        if _size_in_bytes(value) < SCATTERED_BYTES:
            return value
        key = id(value)
        with self._lock:
            found = self.find(value)
            if found is not None:
                return found
            try:
                # This may be called while this thread holds the lock, so it must not take it.
                reference = weakref.ref(value, lambda _: self._futures.pop(key, None))
            except TypeError:
                return value
            future = self._client.scatter([value], hash=False)[0]
            self._futures[key] = reference, future
            return future

    def clear(self) -> None:
        """Forget all arguments."""
        self._futures.clear()


class PartitaBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """A backend of joblib whose tasks run on the workers of a cluster.

    Parameters
    ----------
    client : Client, optional
        The client of the cluster. By default the latest one, or a new one if none exists.
    scheduler_host : str, optional
        Address of the scheduler, if no client is given.
    scatter : list, optional
        Values that are sent to all workers at once, such as the data of all tasks. Other arguments of at least 64 KiB
        are sent once when a task first uses them.
    wait_for_workers_timeout : float
        Time to wait for a first worker, in seconds.
    **options
        Options of ``Client.submit`` for all tasks: ``retries``, ``priority``, ``resources``, ``workers``,
        ``allow_other_workers``, ``pure``.

    Notes
    -----
    As with the backend of Dask, all slots of the cluster are used: the value of ``n_jobs`` has no effect. Loops inside
    the tasks run one call after the other, since each slot has a task of its own already.
    """

    MIN_IDEAL_BATCH_DURATION = 0.05
    MAX_IDEAL_BATCH_DURATION = 1.0
    supports_retrieve_callback = True
    supports_return_generator = True
    supports_timeout = True
    default_n_jobs = -1

    def __init__(
        self,
        client: Any = None,
        scheduler_host: str | None = None,
        scatter: Sequence[Any] | None = None,
        wait_for_workers_timeout: float = WORKERS_TIMEOUT_S,
        nesting_level: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level)
        for name in options:
            if name not in OPTIONS:
                known = ", ".join(sorted(("client", "scatter", "scheduler_host", "wait_for_workers_timeout", *OPTIONS)))
                raise TypeError(f"the joblib backend does not support the argument {name!r}; supported: {known}")
        if scatter is not None and not isinstance(scatter, (list, tuple)):
            raise TypeError(f"scatter must be a list or a tuple of values, not {type(scatter).__name__}")
        self.client = client if client is not None else _connect(scheduler_host)
        self._timeout = wait_for_workers_timeout
        self._options = {"pure": False, **options}
        self._lock = threading.Lock()
        self._pending: set[Any] = set()
        self._is_aborted = False
        self._ended: SimpleQueue[Any] | None = None
        self._shared = _Scattered(self.client)
        if scatter:
            self._shared.add(scatter)
        self._scattered = _Scattered(self.client)

    def __reduce__(self) -> Any:
        # Inside a task the loop runs in that task.
        return SequentialBackend, (1,)

    def get_nested_backend(self) -> tuple[Any, None]:
        """Return the backend of loops inside the tasks."""
        return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return the number of slots of the cluster."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        slots = sum(self.client.nthreads().values())
        if slots or not self._timeout:
            return max(slots, 1)
        try:
            # A cluster that follows the load starts its first worker for a task.
            self.client.submit(probe, pure=False).result(self._timeout)
        except (TimeoutError, futures.TimeoutError):
            raise TimeoutError(
                f"no worker connected within {self._timeout:g} s; check that workers are started, or wait longer with "
                f"joblib.parallel_config('partita', wait_for_workers_timeout={2 * self._timeout:g})"
            ) from None
        return max(sum(self.client.nthreads().values()), 1)

    def start_call(self) -> None:
        """Prepare for a loop."""
        self._is_aborted = False
        ended: SimpleQueue[Any] = SimpleQueue()
        self._ended = ended
        # joblib fetches results and submits further tasks when one has ended. Callbacks of the client must return soon.
        start_thread(_call_back, ended, name="joblib", stop=functools.partial(ended.put, None))

    def stop_call(self) -> None:
        """Clean up after a loop."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended.put(None)
        self._scattered.clear()

    def submit(self, func: Any, callback: Callable[[Any], Any] | None = None) -> Any:
        """Submit a batch of calls. An error, such as an argument that cannot be pickled, is that of the batch."""
        ended = self._ended
        try:
            future = self.client.submit(joblib_batch, [self._convert(*item) for item in func.items], **self._options)
        except Exception as error:
            # joblib would wait for ever for a batch whose submission fails in the thread of the callbacks.
            failed = _Failed(error)
            self._note_end(failed, callback, ended)
            return failed
        with self._lock:
            self._pending.add(future)
            is_aborted = self._is_aborted
        if is_aborted:
            # The loop ended while a thread that reports to joblib submitted this batch.
            self.abort_everything()
        future.add_done_callback(lambda future: self._note_end(future, callback, ended))
        return future

    #: The name of `submit` before joblib 1.5.
    apply_async = submit

    def _convert(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Return a call whose large arguments are futures."""
        values = {name: self._replace(value) for name, value in kwargs.items()}
        return function, [self._replace(value) for value in args], values

    def _replace(self, value: Any) -> Any:
        found = self._shared.find(value)
        return found if found is not None else self._scattered.replace(value)

    def _note_end(self, future: Any, callback: Callable[[Any], Any] | None, ended: SimpleQueue[Any] | None) -> None:
        with self._lock:
            self._pending.discard(future)
        if callback is not None and ended is not None:
            ended.put((callback, future))

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return the results of a batch that has ended, or raise its exception."""
        try:
            return out.result()
        finally:
            out.release()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancel the tasks that have not ended."""
        with self._lock:
            self._is_aborted = True
            pending, self._pending = list(self._pending), set()
        if pending:
            self.client.cancel(pending)

    def terminate(self) -> None:
        """End the use of the backend by a loop."""
        self.abort_everything()


class _Failed:
    """The future of a batch that could not be submitted."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def result(self) -> Any:
        """Raise the error."""
        raise self._error

    def release(self) -> None:
        """Do nothing."""


def _connect(address: str | None) -> Any:
    """Return the client to use."""
    from .distributed import Client, get_client

    return Client(address, set_as_default=False) if address else get_client()


def _call_back(ended: SimpleQueue[Any]) -> None:
    """Report tasks that have ended to joblib, until None comes."""
    while (item := ended.get()) is not None:
        callback, future = item
        callback(future)
        del item, callback, future
