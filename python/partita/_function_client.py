"""The methods of a client that call functions on the workers."""

from __future__ import annotations

import asyncio
import contextvars
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ._actors import create_actor
from ._awaiting import Ready, in_event_loop, is_awaited
from ._direct import is_large, join_parts
from ._durations import parse_seconds
from ._errors import Cancelled, ClusterError, remote_traceback, trim_traceback
from ._foreign import loading
from ._functions import Submitter
from ._futures import Future
from ._graphs import import_graph, nested_keys, nested_nodes
from ._options import call_options
from ._packing import load_parts, unpack_result
from ._remote_errors import make_exception
from ._session import RETRY, Session, State, wait_states
from ._task_futures import TaskFuture, flat_futures
from ._tasks import identity
from ._tokens import has_own_token, tokenize
from ._worker_view import is_in_runner

__all__ = ["FunctionMethods"]

#: Results that are fetched with one request.
FETCHED_MAX = 10_000
#: Whether a coroutine of `FunctionMethods.sync` runs.
_in_sync: contextvars.ContextVar[bool] = contextvars.ContextVar("in_sync", default=False)
#: Frames of a stream of results: an object begins, the next bytes of it, it does not exist any more.
_HEAD, _PIECE, _GONE = 1, 2, 3


class FunctionMethods:
    """Calls of Python functions on the workers."""

    _submitter: Submitter
    _connection: Any
    _copy_results: Callable[..., None]
    #: The actors of this client, from the first one on.
    _hub: Any = None
    _is_asynchronous = False

    @property
    def asynchronous(self) -> bool:
        """Whether results are awaited: of a client that was created so, and within coroutines of :meth:`sync`.

        That of a function on a worker is asynchronous if the function is.
        """
        return (self._is_asynchronous and (in_event_loop() or not is_in_runner())) or _in_sync.get()

    def sync(
        self,
        func: Callable[..., Any],
        *args: Any,
        asynchronous: bool | None = None,
        callback_timeout: float | str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run a coroutine function to its end and return its result. In it, results of this client are awaited.

        Parameters
        ----------
        func : callable
            The coroutine function.
        *args, **kwargs
            Its arguments.
        asynchronous : bool, optional
            Whether to return what the function returns, to be awaited. By default, if the client is asynchronous.
        callback_timeout : float or str, optional
            Time to wait.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> async def double_all(client, numbers):
        ...     futures = client.map(lambda number: 2 * number, numbers)
        ...     return await client.gather(futures)
        >>> with Client(n_workers=1) as client:
        ...     client.sync(double_all, client, [1, 2])
        [2, 4]
        """
        if asynchronous or (asynchronous is None and is_awaited(self)):
            return func(*args, **kwargs)
        timeout = parse_seconds(callback_timeout)

        async def run() -> Any:
            _in_sync.set(True)
            return await asyncio.wait_for(func(*args, **kwargs), timeout)

        if not in_event_loop():
            return asyncio.run(run())
        # A notebook runs its cells in an event loop, in which another one cannot run.
        with ThreadPoolExecutor(1, "partita-sync") as pool:
            return pool.submit(asyncio.run, run()).result()

    def _awaitable(self, value: Any) -> Any:
        """Return a value, or what is awaited for it in an event loop."""
        return Ready(value) if is_awaited(self) else value

    @trim_traceback
    def submit(
        self,
        func: Callable[..., Any],
        *args: Any,
        key: Any = None,
        workers: Any = None,
        resources: dict[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = None,
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        pure: bool | None = None,
        **kwargs: Any,
    ) -> TaskFuture:
        """Call a function on a worker and return a future of its result.

        Parameters
        ----------
        func : callable
            The function.
        *args, **kwargs
            Its arguments. Futures in them, also in lists, tuples, dicts and other objects, stand for their results.
        key : str or tuple, optional
            A name of the call. Calls with equal keys are one call.
        workers : str or list of str, optional
            Names, addresses or hosts of the workers that may run it.
        allow_other_workers : bool
            Whether others may run it while none of `workers` is connected.
        resources : dict, optional
            Resources that it has for itself, such as ``{"GPU": 1}``.
        retries : int, optional
            How often it is tried again after an exception.
        priority : int
            Calls of a higher priority run first among those of this client.
        pure : bool
            Whether equal calls are one call, which is the default.
        actor : bool
            Whether the result stays where it is created, and the future's result is an :class:`Actor`, a handle whose
            methods are called there.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     total = client.submit(sum, [client.submit(pow, 2, 3), 1])
        ...     total.result()
        9
        """
        if not callable(func):
            raise TypeError(f"the first argument of submit() must be a function, not {type(func).__name__}")
        if actor or actors:
            # The state of an actor cannot be recovered by starting it once more.
            return create_actor(
                self, func, args, kwargs, call_options(workers, allow_other_workers, resources, None, priority), key
            )
        options = call_options(workers, allow_other_workers, resources, retries, priority)
        keys = None if key is None else [key]
        is_pure = True if pure is None else pure
        return self._submitter.submit(func, [(args, kwargs)], options, keys, pure=is_pure)[0]

    @trim_traceback
    def map(
        self,
        func: Callable[..., Any],
        *iterables: Any,
        key: Any = None,
        workers: Any = None,
        retries: int | None = None,
        resources: dict[str, float] | None = None,
        priority: int = 0,
        allow_other_workers: bool = False,
        fifo_timeout: Any = None,
        actor: bool = False,
        actors: bool = False,
        pure: bool | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[TaskFuture]:
        """Call a function with each item of iterables and return the futures, in order.

        Parameters
        ----------
        func : callable
            The function.
        *iterables : iterable
            Its positional arguments: as with ``map``, as many calls as the shortest has items.
        key : str or list, optional
            A prefix of the keys, or all keys.
        batch_size : int, optional
            Accepted for compatibility with Dask: calls are sent together in any case.
        workers, retries, resources, allow_other_workers, pure, **kwargs
            As for :meth:`submit`.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     client.gather(client.map(pow, [1, 2, 3], [2, 2, 2]))
        [1, 4, 9]
        """
        if not callable(func):
            raise TypeError(f"the first argument of map() must be a function, not {type(func).__name__}")
        if not iterables:
            raise ValueError("map() needs at least one iterable")
        options = call_options(workers, allow_other_workers, resources, retries, priority)
        items = [list(one) if not isinstance(one, (list, tuple)) else one for one in iterables]
        count = min(len(one) for one in items)
        keys: list[Any] | None = None
        if isinstance(key, (list, tuple)):
            keys = list(key)
            if len(keys) < count:
                raise ValueError(f"map() got {len(keys)} keys for {count} calls")
        prefix = None if key is None or keys is not None else str(key)
        if actor or actors:
            chosen = call_options(workers, allow_other_workers, resources, None, priority)
            labels = keys if prefix is None else [f"{prefix}-{number}" for number in range(count)]
            return [
                create_actor(self, func, row, kwargs, chosen, None if labels is None else str(labels[number]))
                for number, row in enumerate(zip(*items))
            ]
        calls: Iterable[tuple[tuple[Any, ...], dict[str, Any]]] = ((row, kwargs) for row in zip(*items))
        return self._submitter.submit(func, calls, options, keys, pure=True if pure is None else pure, prefix=prefix)

    @trim_traceback
    def scatter(
        self,
        data: Any,
        workers: Any = None,
        broadcast: bool | int = False,
        direct: Any = None,
        hash: bool = True,
        timeout: Any = None,
        asynchronous: Any = None,
    ) -> Any:
        """Send values to the workers and return futures of them.

        Parameters
        ----------
        data : list, tuple, set, dict, iterator, or other object
            Each item of a collection becomes a future; another object becomes a single one, also of a class that is derived
            from one of these.
        workers : str or list of str, optional
            The workers that hold them.
        broadcast : bool or int
            Whether all workers shall hold each value, or how many of them: see :meth:`replicate`, which waits for that.
        hash : bool
            Whether equal values are sent once.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     numbers = client.scatter({"a": 1, "b": 2})
        ...     client.submit(sum, list(numbers.values())).result()
        3
        """
        options = call_options(workers, False, None, None, 0)

        def send(values: Iterable[Any]) -> list[TaskFuture]:
            given = list(values)
            large = {at for at, value in enumerate(given) if is_large(value)}
            named = {at for at, value in enumerate(given) if hash and at not in large and has_own_token(value)}
            calls: list[tuple[tuple[Any, ...], dict[str, Any]]]
            calls = [((value,), {}) for at, value in enumerate(given) if at not in large and at not in named]
            small = iter(self._submitter.submit(identity, calls, options, name="scatter", pure=hash, prefix=_type_name))
            sent = iter(self._submitter.send_values([given[at] for at in sorted(large)], options, hash))
            keyed = iter(self._send_named([given[at] for at in sorted(named)], options))
            made = []
            for at, value in enumerate(given):
                future = next(sent if at in large else keyed if at in named else small)
                future._type = type(value)
                made.append(future)
            return made

        # Classes derived from those of Python are single values, but for named tuples.
        if type(data) is dict:
            found: Any = dict(zip(data, send(data.values())))
        elif type(data) in (list, tuple, set, frozenset) or (isinstance(data, tuple) and hasattr(data, "_fields")):
            found = _rebuild(type(data), send(data))
        elif hasattr(data, "__next__") or isinstance(data, range):
            found = send(data)
        else:
            found = send([data])[0]
        if not broadcast:
            return self._awaitable(found) if asynchronous is not False else found

        def copy() -> Any:
            self._copy_results(found, None if broadcast is True else broadcast, workers)
            return found

        if asynchronous is not False and is_awaited(self):
            return asyncio.get_running_loop().run_in_executor(None, copy)
        return copy()

    def _send_named(self, values: Sequence[Any], options: dict[str, Any] | None) -> list[TaskFuture]:
        """Send values whose equality is that of the tokens that a user registered for their type."""
        if not values:
            return []
        keys = [f"{type(value).__name__}-{tokenize(value)}" for value in values]
        return self._submitter.submit(identity, [((value,), {}) for value in values], options, keys, name="scatter")

    @trim_traceback
    def gather(self, futures: Any, errors: str = "raise", direct: Any = None, asynchronous: Any = None) -> Any:
        """Wait for futures and return their results in the same structure of lists, tuples, sets and dicts.

        Parameters
        ----------
        futures : Future, or lists, tuples, sets, dicts and iterators of these
            What to fetch. Other objects are returned as they are.
        errors : str
            ``"raise"`` raises the exception of a failed future as soon as it has failed, while the others continue.
            ``"skip"`` leaves out failed futures.
        """
        if errors not in ("raise", "skip"):
            raise ValueError(f"errors must be 'raise' or 'skip', not {errors!r}")
        if self.asynchronous and asynchronous is not False and in_event_loop():
            return self._gather_async(futures, errors)
        if hasattr(futures, "__next__"):
            return (self.gather(one, errors) for one in futures)
        found = [one for one in flat_futures(futures) if isinstance(one, TaskFuture)]
        # The first error is that of the whole: it need not wait for the others.
        wait_states([one._state for one in found], None, until_error=errors == "raise")
        results = self._results(found, errors)
        return _structure(futures, results, errors)

    def _results(self, futures: Sequence[TaskFuture], errors: str) -> dict[State, Any]:
        """Return the results of futures that have ended; those that failed are left out, or their error is raised."""
        for future in futures:
            if errors == "raise" and future._state.error is not None:
                raise make_exception(future._state.error, future._state)
        owners = {one._state.session: one._owner for one in futures}
        return self._state_results([one._state for one in futures if one._state.error is None], owners)

    def _state_results(self, states: Sequence[State], owners: dict[Session, Any] | None = None) -> dict[State, Any]:
        """Return the results of calls that succeeded, of this client, or of others that have their session."""
        fine = list(dict.fromkeys(states))
        small = [state for state in fine if state.value is not None]
        large = [state for state in fine if state.value is None]
        with loading(self):
            results = {state: unpack_result(state.value) for state in small}
        for session, own in _by_session(large).items():
            # Those of another client come over its connection.
            owner = (owners or {}).get(session)
            for job in dict.fromkeys(state.job for state in own):
                part = [state for state in own if state.job == job]
                results.update(zip(part, (owner or self)._fetch(part)))
        return results

    async def _gather_async(self, futures: Any, errors: str) -> Any:
        for one in list(flat_futures(futures)):
            if isinstance(one, TaskFuture):
                await one._async_wait()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(None, lambda: self.gather(futures, errors, asynchronous=False))
        except Exception as error:
            raise error.with_traceback(remote_traceback(error))  # noqa: B904

    def _fetch(self, states: Sequence[State]) -> Iterator[Any]:
        """Yield results from the workers, in order."""
        for first in range(0, len(states), FETCHED_MAX):
            part = states[first : first + FETCHED_MAX]
            job = part[0].job
            located = self._connection.locate_results(job, [(state.stage, state.index) for state in part])
            places = {state: place for state, place in zip(part, located) if place is not None}
            tables = dict(zip(places, self._connection.fetch_results(list(places.values())) if places else ()))
            # The others come through the scheduler, which has those computed again that are lost.
            rest = [state for state in part if tables.get(state) is None]
            frames = self._connection.gather(job, [(state.stage, state.index) for state in rest]) if rest else ()
            objects = _objects(frames, rest, self)
            for state in part:
                table = tables.pop(state, None)
                if table is None:
                    yield next(objects)
                    continue
                with loading(self):
                    value = join_parts(table)
                del table
                yield value
                del value

    @staticmethod
    def _own_call(state: State) -> State:
        """Return the call behind a state.

        Raises
        ------
        ValueError
            If it is of another client.
        """
        state = state.running
        if state.job != state.session.job:
            raise ValueError(
                f"the future {state.key} belongs to another client: only that one can cancel, retry or replay it"
            )
        return state

    def cancel(
        self, futures: Any, asynchronous: Any = None, force: bool = False, reason: str | None = None, **_: Any
    ) -> Any:
        """Cancel calls and those that depend on them, and background computations. A running function is interrupted.

        Parameters
        ----------
        futures : Future or collection of these
            What to cancel. For jobs see :meth:`cancel_job`.
        """
        if isinstance(futures, (int, str)):
            raise TypeError(f"cancel() takes futures; cancel_job({futures!r}) cancels a job")
        found = list(flat_futures(futures))
        if not found and not isinstance(futures, (list, tuple, set, dict)):
            raise TypeError(
                f"cannot cancel an object of type {type(futures).__name__}: expected a future or several; to release a "
                "persisted frame, delete it"
            )
        ours = [self._own_call(one._state) for one in found if isinstance(one, TaskFuture)]
        for session, states in _by_session(ours).items():
            session.cancel(states, reason or "cancelled by its client")
        for one in found:
            if not isinstance(one, TaskFuture):
                one.cancel()
        return self._awaitable(None)

    def retry(self, futures: Any, asynchronous: Any = None) -> Any:
        """Run failed calls again."""
        states = [self._own_call(one._state) for one in flat_futures(futures) if isinstance(one, TaskFuture)]
        for state in states:
            if state.status != "finished":
                with state.session.condition:
                    state.status, state.error, state.value = "pending", None, None
        for session, own in _by_session(states).items():
            session.tell(RETRY, own)
        return self._awaitable(None)

    @trim_traceback
    def get(self, dsk: Any, keys: Any, sync: bool = True, **_: Any) -> Any:
        """Compute keys of a graph in Dask's format, so that Dask's own collections run on this cluster.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     client.get({"a": 1, "b": (sum, ["a", 2])}, "b")
        3
        """
        flat = nested_keys(keys)
        tasks = import_graph(dsk, flat)
        # Graphs may use the same keys for different results.
        suffix = f"-{uuid.uuid4().hex}"
        futures = dict(zip(flat, self._submitter.graph([tasks[key] for key in flat], suffix=suffix)))

        placed = nested_nodes(keys, futures)
        if not sync:
            return placed
        try:
            return self.gather(placed, asynchronous=False)
        except BaseException:
            # After an error or Ctrl-C nobody needs the others.
            self.cancel(list(futures.values()))
            raise

    def as_dask_scheduler(self) -> Callable[..., Any]:
        """Return :meth:`get`, for ``dask.config.set(scheduler=client.as_dask_scheduler())``."""
        return self.get

    def futures_of(self, futures: Any) -> list[Future]:
        """Return the futures in a collection."""
        return list(flat_futures(futures))


def _by_session(states: Iterable[State]) -> dict[Session, list[State]]:
    """Return calls by their session."""
    found: dict[Session, list[State]] = {}
    for state in states:
        found.setdefault(state.session, []).append(state)
    return found


def _structure(value: Any, results: dict[State, Any], errors: str) -> Any:
    """Return a structure with results in the place of futures."""
    if isinstance(value, TaskFuture):
        if value._state not in results:
            raise Cancelled(f"{value.key} has no result")
        return results[value._state]
    if isinstance(value, Future):
        return value.result()
    if isinstance(value, dict):
        return {
            key: _structure(one, results, errors) for key, one in value.items() if _has_result(one, results, errors)
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_structure(one, results, errors) for one in value if _has_result(one, results, errors)]
        return _rebuild(type(value), items)
    return value


def _rebuild(kind: type, items: list[Any]) -> Any:
    """Return items as a collection; a named tuple that lacks some is a tuple."""
    if hasattr(kind, "_fields"):
        return kind(*items) if len(items) == len(kind._fields) else tuple(items)
    return kind(items)


def _type_name(args: tuple[Any, ...]) -> str:
    """Return the prefix of the key of a value that is sent to the workers: its type, as with Dask."""
    return type(args[0]).__name__


def _has_result(value: Any, results: dict[State, Any], errors: str) -> bool:
    if errors == "raise":
        return True
    if isinstance(value, TaskFuture):
        return value._state in results
    return not isinstance(value, Future) or value.exception() is None


def _objects(frames: Iterable[Any], states: Sequence[State], client: Any) -> Iterator[Any]:
    """Yield the objects of a stream of frames. One that begins again was lost at one worker and is read at another."""
    expected = iter(states)
    lengths: tuple[int, ...] = ()
    total = at = 0
    data = bytearray()
    for frame in frames:
        view = memoryview(frame)
        kind = view[0]
        if kind == _GONE:
            state = next(expected)
            raise ClusterError(f"the result of {state.key} is lost: {bytes(view[9:]).decode(errors='replace')}")
        if kind == _HEAD:
            (total,) = struct.unpack_from("<Q", view, 9)
            (count,) = struct.unpack_from("<I", view, 17)
            lengths = struct.unpack_from(f"<{count}Q", view, 21)
            data, at = bytearray(total), 0
        elif kind == _PIECE:
            piece = view[1:]
            data[at : at + len(piece)] = piece
            at += len(piece)
        if at == total and (kind == _PIECE or total == 0):
            next(expected)
            with loading(client):
                value = load_parts(memoryview(data), lengths)
            yield value
            del value
            data, at, total = bytearray(), 0, -1
    missing = next(expected, None)
    if missing is not None:
        raise ClusterError(f"the result of {missing.key} did not come: the connection to the scheduler was lost")
